//! What each trigram means: lists by trigram, found in a few instructions.
use super::{CODE_BITS, CODES};

/// Every code may stand before.
pub(super) const ANY: u64 = u64::MAX;

/// Lists of `T` by trigram, each with the codes that may stand before its trigram.
pub(super) struct Index<T> {
    /// The trigrams that have a list: word `first * 64 + second`, bit `third`.
    bits: Box<[u64; CODES * CODES]>,
    /// How many there are in the words before.
    n_before: Vec<u16>,
    groups: Vec<Group>,
    /// Sorted by trigram.
    entries: Vec<T>,
}

/// The entries of one trigram.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: u16,
    end: u16,
    /// A bit for each code that may stand before the trigram.
    before: u64,
}

impl<T> Index<T> {
    /// Entries with their trigrams, and the codes that may stand before those. Entries of one trigram keep their order.
    pub(super) fn new(mut entries: Vec<(u32, u64, T)>) -> Self {
        entries.sort_by_key(|(trigram, _, _)| *trigram);
        let mut bits: Box<[u64; CODES * CODES]> =
            vec![0; CODES * CODES].try_into().expect("the vector has the length of the array");
        let (mut groups, mut last) = (Vec::<Group>::new(), None);
        for ((trigram, before, _), at) in entries.iter().zip(0_u16..) {
            if last != Some(*trigram) {
                groups.push(Group { first: at, end: at, before: 0 });
            }
            last = Some(*trigram);
            if let Some(group) = groups.last_mut() {
                group.end = at.saturating_add(1);
                group.before |= before;
            }
            if let Some(word) = bits.get_mut((trigram >> CODE_BITS) as usize) {
                *word |= 1 << (trigram & 63);
            }
        }
        let mut n = 0_u16;
        let n_before = bits.iter().map(|word| {
            let before = n;
            n = n.saturating_add(u16::try_from(word.count_ones()).unwrap_or(0));
            before
        });
        let n_before = n_before.collect();
        Self { bits, n_before, groups, entries: entries.into_iter().map(|entry| entry.2).collect() }
    }

    /// The entries of a trigram, if this code may stand before it.
    #[inline]
    pub(super) fn of(&self, trigram: u32, before: u8) -> &[T] {
        let at = (trigram >> CODE_BITS) as usize;
        let (word, bit) = (self.bits.get(at).copied().unwrap_or(0), 1_u64 << (trigram & 63));
        if word & bit == 0 {
            return &[];
        }
        // So many trigrams with entries come before this one.
        let n_below = (word & bit.wrapping_sub(1)).count_ones() as usize;
        let rank = self.n_before.get(at).map_or(0, |&n| usize::from(n)).saturating_add(n_below);
        let group = self.groups.get(rank).filter(|group| group.before >> (before & 63) & 1 == 1);
        let range = group.map_or(0..0, |group| usize::from(group.first)..usize::from(group.end));
        self.entries.get(range).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_trigram_and_what_stands_before() {
        let index = Index::new(vec![
            (7, ANY, "a"),
            (70_000, 1 << 3, "b"),
            (7, 1, "c"),
            (8, 1 << 5, "d"),
            (8, 1 << 6, "e"),
        ]);
        for (trigram, before, want) in [
            (7, 9, &["a", "c"][..]),
            (8, 5, &["d", "e"]),
            (8, 6, &["d", "e"]),
            (8, 7, &[]),
            (9, 0, &[]),
            (70_000, 3, &["b"]),
            (70_000, 4, &[]),
            (262_143, 0, &[]),
        ] {
            assert_eq!(index.of(trigram, before), want, "{trigram} after {before}");
        }
        assert!(Index::<u8>::new(Vec::new()).of(7, 0).is_empty());
    }
}
