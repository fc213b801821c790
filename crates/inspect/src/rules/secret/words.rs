//! Finds the names of vendors in the words before a value.
use super::names::NAMES;
use super::pattern::Pattern;
use crate::kinds::Secret;
use std::sync::LazyLock;

/// A vendor whose values have no mark.
#[derive(Debug)]
pub(super) struct Vendor {
    pub(super) kind: Secret,
    pub(super) values: Vec<Pattern>,
}

/// The vendors, and their names by the first two bytes.
struct Index {
    vendors: Vec<Vendor>,
    /// A name in small letters, and the place of its vendor; sorted.
    names: Vec<(&'static [u8], usize)>,
    /// A bit for each two bytes that a name begins with.
    pairs: Vec<u64>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { vendors: Vec::new(), names: Vec::new(), pairs: vec![0; 1024] };
    for row in NAMES {
        let values = row.values.iter().filter_map(|value| Pattern::parse(value)).collect();
        for name in row.words {
            let name = name.as_bytes();
            index.names.push((name, index.vendors.len()));
            if let Some(word) = index.pairs.get_mut(pair_of(name) / 64) {
                *word |= 1 << (pair_of(name) % 64);
            }
        }
        index.vendors.push(Vendor { kind: row.kind, values });
    }
    index.names.sort_unstable();
    index
});

/// The first two bytes as a number.
fn pair_of(name: &[u8]) -> usize {
    name.first_chunk().map_or(0, |&pair| usize::from(u16::from_be_bytes(pair)))
}

/// The vendors whose names stand in a text (in small letters), where a word may begin.
pub(super) fn near(text: &[u8]) -> Vec<&'static Vendor> {
    let mut near = Vec::new();
    for at in 0..text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let pair = pair_of(rest);
        if INDEX.pairs.get(pair / 64).is_none_or(|word| word >> (pair % 64) & 1 == 0) {
            continue;
        }
        let from = INDEX.names.partition_point(|(name, _)| pair_of(name) < pair);
        let names = INDEX.names.iter().skip(from).take_while(|(name, _)| pair_of(name) == pair);
        let found = names.filter(|(name, _)| rest.starts_with(name));
        near.extend(found.filter_map(|&(_, place)| INDEX.vendors.get(place)));
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_every_value_is_well_written() {
        for row in NAMES {
            assert!(row.values.iter().all(|value| Pattern::parse(value).is_some()), "{row:?}");
            for name in row.words {
                assert!(name.len() >= 4 && *name == name.to_lowercase(), "{name}");
                let text = ["my ", name, " = "].concat();
                assert!(
                    near(text.as_bytes()).iter().any(|vendor| vendor.kind == row.kind),
                    "{name}"
                );
            }
        }
        assert!(near(b"nothing of this sort").is_empty() && near(b"").is_empty());
    }
}
