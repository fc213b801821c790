//! Values of one request, prepared for looking in every form that [`super::forms`] writes.
use super::forms;
use super::grams::{GRAM_LETTERS, Gram, Grams};
use super::letters::{HISTORY_LETTERS, History, Piece, Place, letters_of};
use crate::text::work;

/// A value with fewer letters is not looked for: it stands in innocent texts too often.
const VALUE_LETTERS_MIN: usize = GRAM_LETTERS;
/// Most letters of a pattern. A longer form is looked for in parts, each of which is enough.
const PATTERN_LETTERS_MAX: usize = HISTORY_LETTERS;
/// Fewest letters of a part.
const PART_LETTERS_MIN: usize = 16;
/// Most parts of one form.
const PARTS_MAX: usize = 32;

/// Words of the bits that tell where a canary may begin.
const BEGINNING_WORDS: usize = 16;

/// Word and bit of two letters.
fn beginning(first: u8, second: u8) -> (usize, u32) {
    let mixed = u32::from(first).wrapping_mul(167).wrapping_add(u32::from(second).wrapping_mul(41));
    (usize::try_from(mixed >> 6 & 15).unwrap_or(0), mixed & 63)
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A word that was put into the instructions so that it betrays them: wrong wherever it stands.
    Canary,
    /// Something secret or personal: wrong only where it is carried away.
    Value,
}

#[derive(Clone, Debug)]
struct Pattern {
    last: Gram,
    letters: Box<[u8]>,
    role: Role,
}

/// All patterns of one request.
#[derive(Clone, Debug)]
pub(super) struct Needles {
    /// By their last gram.
    patterns: Vec<Pattern>,
    lasts: Grams,
    /// The letters of the canaries' patterns, sorted.
    canaries: Vec<Box<[u8]>>,
    /// Bits for the first two letters of each canary's patterns.
    beginnings: [u64; BEGINNING_WORDS],
    has_values: bool,
}

impl Needles {
    pub(super) fn new<'a>(values: impl Iterator<Item = (&'a [u8], Role)>) -> Self {
        let mut patterns = Vec::new();
        for (value, role) in values {
            let letters = letters_of(value);
            if letters.len() < VALUE_LETTERS_MIN {
                continue;
            }
            for write in forms::PLAIN.iter().chain(forms::CODED) {
                let form = write(value, &letters);
                let parts = form.chunks(PATTERN_LETTERS_MAX).take(PARTS_MAX);
                // What is left over at the end may be a plain word.
                let n_min = if form.len() > PATTERN_LETTERS_MAX { PART_LETTERS_MIN } else { 0 };
                for part in parts.filter(|part| part.len() >= n_min) {
                    let last = Gram::last(part);
                    patterns.extend(last.map(|last| Pattern { last, letters: part.into(), role }));
                }
            }
        }
        patterns.sort_by(|a, b| (a.last, &a.letters).cmp(&(b.last, &b.letters)));
        patterns.dedup_by(|a, b| a.letters == b.letters && a.role == b.role);
        let mut lasts = Grams::with_room(patterns.len().saturating_mul(4));
        for pattern in &patterns {
            lasts.insert(pattern.last);
        }
        let mut beginnings = [0; BEGINNING_WORDS];
        let of_canaries = patterns.iter().filter(|pattern| pattern.role == Role::Canary);
        let mut canaries: Vec<Box<[u8]>> =
            of_canaries.map(|pattern| pattern.letters.clone()).collect();
        canaries.sort_unstable();
        canaries.dedup();
        for letters in &canaries {
            if let [first, second, ..] = **letters {
                let (word, bit) = beginning(first, second);
                beginnings.get_mut(word).into_iter().for_each(|word: &mut u64| *word |= 1 << bit);
            }
        }
        let has_values = patterns.iter().any(|pattern| pattern.role == Role::Value);
        Self { patterns, lasts, canaries, beginnings, has_values }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    pub(super) const fn has(&self, role: Role) -> bool {
        match role {
            Role::Canary => !self.canaries.is_empty(),
            Role::Value => self.has_values,
        }
    }

    #[inline]
    pub(super) fn may_end(&self, gram: Gram) -> bool {
        self.lasts.contains(gram)
    }

    /// Calls `found` with the place of the first letter and the role of each pattern that ends with the letter `n` of a piece.
    #[cold]
    pub(super) fn ends(
        &self,
        gram: Gram,
        piece: &Piece,
        n: usize,
        found: &mut impl FnMut(Place, Role),
    ) {
        let first = self.patterns.partition_point(|pattern| pattern.last < gram);
        let same = self.patterns.iter().skip(first).take_while(|pattern| pattern.last == gram);
        for pattern in same {
            work::note(pattern.letters.len());
            if let Some(place) = piece.ended(n, &pattern.letters) {
                found(place, pattern.role);
            }
        }
    }

    /// Where the text may have begun to write a canary.
    pub(super) fn partial(&self, history: &History) -> Option<u64> {
        if !self.has(Role::Canary) {
            return None;
        }
        let (letters, places) = history.all();
        work::note(letters.len());
        let may_begin = |pair: &[u8]| {
            let [first, second] = *pair else { return false };
            let (word, bit) = beginning(first, second);
            self.beginnings.get(word).is_some_and(|word| word >> bit & 1 == 1)
        };
        let is_partial = |at: usize| letters.get(at..).is_some_and(|rest| self.is_beginning(rest));
        let pairs = letters.windows(2).enumerate();
        let at = pairs
            .filter(|(_, pair)| may_begin(pair))
            .map(|(at, _)| at)
            .chain(letters.len().checked_sub(1))
            .find(|&at| is_partial(at))?;
        places.get(at).map(|place| place.start())
    }

    /// Whether a longer pattern of a canary begins with these letters: it stands right after them in order, or after their equal.
    fn is_beginning(&self, letters: &[u8]) -> bool {
        let first = self.canaries.partition_point(|canary| {
            work::note(1);
            canary.as_ref() < letters
        });
        let mut next = self.canaries.iter().skip(first).take(2);
        next.any(|canary| letters.len() < canary.len() && canary.starts_with(letters))
    }
}
