//! What words do: "ignore", "vergiss" and "忽略" all set something aside. A word that training never saw counts like the ones it did,
//! which is what carries over to other wordings and other languages.
use super::token::{EMPTY, step};
use std::sync::OnceLock;

mod lexicon;

/// Slots of the table, a power of two, several times as many as there are words.
const SLOTS: usize = 1 << 14;
/// Words of the filter: a bit for each 16-bit number.
const FILTER_WORDS: usize = (1 << 16) / 64;
/// Most steps from where a word should be to where it is.
const STEPS_MAX: usize = 64;

/// A word of the lexicon.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u32,
    concept: u8,
    /// Also the beginning of longer words.
    is_stem: bool,
}

/// The lexicon, by hash.
#[derive(Debug)]
pub(super) struct Concepts {
    slots: Vec<Entry>,
    /// One bit for the upper half of each hash: nearly every beginning of a word is told here to be none.
    filter: Vec<u64>,
}

/// The longest stem that a word was seen to begin with, and whether the whole word is in the lexicon.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Match {
    stem: u8,
    whole: u8,
    whole_hash: u32,
}

impl Match {
    /// The concept of the word, once it has ended with this hash.
    pub(super) const fn end(self, hash: u32) -> u8 {
        if self.whole != 0 && self.whole_hash == hash { self.whole } else { self.stem }
    }
}

impl Concepts {
    /// The table, built on the first call.
    pub(super) fn get() -> &'static Self {
        static CONCEPTS: OnceLock<Concepts> = OnceLock::new();
        CONCEPTS.get_or_init(Self::new)
    }

    fn new() -> Self {
        let mut concepts =
            Self { slots: vec![Entry::default(); SLOTS], filter: vec![0; FILTER_WORDS] };
        for (concept, words) in (1_u8..).zip(lexicon::CONCEPTS) {
            for word in words.split_ascii_whitespace() {
                let stem = word.strip_suffix('*');
                let hash = hash(stem.unwrap_or(word));
                concepts.insert(Entry { hash, concept, is_stem: stem.is_some() });
            }
        }
        concepts
    }

    fn slot(hash: u32) -> usize {
        usize::try_from(hash.wrapping_mul(0x9e37_79b1) >> 18).unwrap_or(0)
    }

    /// The word of the filter that a hash has its bit in, and the bit.
    fn bit(hash: u32) -> (usize, u64) {
        let upper = hash >> 16;
        (usize::try_from(upper >> 6).unwrap_or(0), 1 << (upper & 63))
    }

    /// The first place that a word names it keeps.
    fn insert(&mut self, entry: Entry) {
        let (word, bit) = Self::bit(entry.hash);
        if let Some(word) = self.filter.get_mut(word) {
            *word |= bit;
        }
        let first = Self::slot(entry.hash);
        for n in 0..STEPS_MAX {
            let at = first.wrapping_add(n) & (SLOTS.wrapping_sub(1));
            let Some(slot) = self.slots.get_mut(at) else { return };
            if slot.concept == 0 {
                *slot = entry;
                return;
            }
            if slot.hash == entry.hash {
                return;
            }
        }
    }

    fn find(&self, hash: u32) -> Option<Entry> {
        let (word, bit) = Self::bit(hash);
        if self.filter.get(word).is_none_or(|word| word & bit == 0) {
            return None;
        }
        let first = Self::slot(hash);
        for n in 0..STEPS_MAX {
            let at = first.wrapping_add(n) & (SLOTS.wrapping_sub(1));
            let entry = self.slots.get(at).copied()?;
            if entry.concept == 0 {
                return None;
            }
            if entry.hash == hash {
                return Some(entry);
            }
        }
        None
    }

    /// The concept of a whole word.
    pub(super) fn exact(&self, hash: u32) -> Option<u8> {
        self.find(hash).map(|entry| entry.concept)
    }

    /// Tells a match that the word has grown to this hash.
    pub(super) fn extend(&self, found: &mut Match, hash: u32) {
        if let Some(entry) = self.find(hash) {
            if entry.is_stem {
                found.stem = entry.concept;
            }
            found.whole = entry.concept;
            found.whole_hash = hash;
        }
    }
}

/// The hash of a word as the lexicon writes it: folded already.
fn hash(word: &str) -> u32 {
    let digit = |character: char| if character.is_ascii_digit() { '0' } else { character };
    word.chars().fold(EMPTY, |hash, character| step(hash, u32::from(digit(character))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::token::tokens;

    fn concept(word: &str) -> u8 {
        let mut found = Vec::new();
        tokens(word.as_bytes(), Concepts::get(), &mut found);
        found.first().map_or(0, |token| token.concept)
    }

    #[test]
    fn words_of_one_concept_are_known_in_every_language() {
        for (name, one, others) in [
            (
                "drop",
                "ignore",
                &["Ignoriere", "vergiss", "oubliez", "忽略", "игнорируй", "abaikan"][..5],
            ),
            (
                "instructions",
                "instructions",
                &["Anweisungen", "instrucciones", "指令", "инструкции"][..],
            ),
            ("prompt", "prompt", &["prompts"][..]),
        ] {
            for other in others {
                assert_eq!(concept(one), concept(other), "{name}: {other}");
            }
            assert_ne!(concept(one), 0, "{name}");
        }
        for word in ["table", "x", "12", ""] {
            assert_eq!(concept(word), 0, "{word}");
        }
    }

    #[test]
    fn the_lexicon_is_folded_and_fits() {
        let mut n_words = 0_usize;
        for words in lexicon::CONCEPTS {
            for word in words.split_ascii_whitespace() {
                n_words += 1;
                let plain = word.trim_end_matches('*');
                assert_ne!(concept(plain), 0, "{plain} does not find itself: is it folded?");
                assert!(plain.chars().count() <= 24, "{plain}");
            }
        }
        assert!(n_words * 3 < SLOTS, "{n_words} words");
        assert!(lexicon::CONCEPTS.len() < 255);
    }
}
