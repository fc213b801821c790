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
    /// A bit for what the first four bytes of a name are hashed to.
    vendors_fours: Vec<u64>,
    /// The same for the words that announce something.
    fours: Vec<u64>,
    /// A bit for what the words of three are hashed to.
    threes: Vec<u64>,
}

/// What at most four bytes are hashed to, without regard to case.
fn hash(bytes: &[u8]) -> usize {
    let number = bytes.iter().fold(0_u32, |number, &byte| number << 8 | u32::from(byte | 0x20));
    hash_of(number)
}

/// The hash of bytes in small letters, the last of them lowest.
fn hash_of(number: u32) -> usize {
    usize::from(u16::try_from(number.wrapping_mul(0x9e37_79b1) >> 16).unwrap_or(0))
}

/// Whether four bytes in a row, or three where `threes` are given, are hashed to a bit that is set.
fn has_any(text: &[u8], fours: &[u64], threes: Option<&[u64]>) -> bool {
    let mut last = 0_u32;
    text.iter().zip(1_usize..).any(|(&byte, n)| {
        last = last << 8 | u32::from(byte | 0x20);
        (n >= 4 && has(fours, hash_of(last)))
            || threes.is_some_and(|threes| n >= 3 && has(threes, hash_of(last & 0x00ff_ffff)))
    })
}

fn set(bits: &mut [u64], number: usize) {
    if let Some(word) = bits.get_mut(number / 64) {
        *word |= 1 << (number % 64);
    }
}

fn has(bits: &[u64], number: usize) -> bool {
    bits.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
}

/// Whether the name of a vendor may stand in a text of any case: where this says no, none does.
pub(super) fn may_name_vendor(text: &[u8]) -> bool {
    has_any(text, &INDEX.vendors_fours, None)
}

/// The same for a word that announces something.
pub(super) fn may_announce(text: &[u8]) -> bool {
    has_any(text, &INDEX.fours, Some(&INDEX.threes))
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index {
        vendors: Vec::new(),
        names: Vec::new(),
        pairs: vec![0; 1024],
        vendors_fours: vec![0; 1024],
        fours: vec![0; 1024],
        threes: vec![0; 1024],
    };
    for word in super::announced::all_words() {
        match word.get(..4) {
            Some(four) => set(&mut index.fours, hash(four)),
            None => set(&mut index.threes, hash(word)),
        }
    }
    for row in NAMES {
        let values = row.values.iter().filter_map(|value| Pattern::parse(value)).collect();
        for name in row.words {
            let name = name.as_bytes();
            index.names.push((name, index.vendors.len()));
            set(&mut index.pairs, pair_of(name));
            set(&mut index.vendors_fours, hash(name.get(..4).unwrap_or_default()));
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

/// The vendors whose names stand in a text (in small letters), as they are written or with a separator inside: `scraping_bee`, `data-dog`.
pub(super) fn near(text: &[u8]) -> Vec<&'static Vendor> {
    let is_separator = |byte: &u8| matches!(byte, b'_' | b'-' | b' ');
    let near = named_in(text);
    if !near.is_empty() || !text.iter().any(is_separator) {
        return near;
    }
    let squeezed: Vec<u8> = text.iter().copied().filter(|byte| !is_separator(byte)).collect();
    if may_name_vendor(&squeezed) { named_in(&squeezed) } else { near }
}

/// The vendors whose names stand in a text (in small letters).
fn named_in(text: &[u8]) -> Vec<&'static Vendor> {
    let mut near = Vec::new();
    for at in 0..text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let pair = pair_of(rest);
        if !has(&INDEX.pairs, pair) {
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
        for text in ["data_dog = ", "my scraping-bee key: ", "Deep Gram"] {
            assert!(!near(text.to_lowercase().as_bytes()).is_empty(), "{text}");
        }
        assert!(near(b"nothing of this sort").is_empty() && near(b"").is_empty());
        assert!(!may_announce(b"nothing of this sort") && !may_announce(b""));
        for text in ["my Key", "APIKEY", "x_sas", "Basic "] {
            assert!(may_announce(text.as_bytes()), "{text}");
        }
        assert!(may_name_vendor(b"my DataDog") && !may_name_vendor(b"nothing of this sort"));
    }
}
