//! The words around a number that say what it is: read in small letters, without marks, in whatever language they are.
//!
//! Words of scripts with blanks match whole words (`taxId` and `tax_id` are two), those of scripts without match anywhere.
use crate::text::Text;

/// Bytes before a number in which a word must stand.
pub(super) const BEFORE_BYTES: usize = 72;
/// Bytes after a number in which a word must stand, at most to the end of the line.
pub(super) const AFTER_BYTES: usize = 24;
/// Most bytes of the words once they are plain: humps become blanks.
const PLAIN_BYTES_MAX: usize = 160;
/// First byte of the characters that are written without blanks.
const UNSPACED: u8 = 0xe0;

/// A text in small letters, with single blanks for all that is no letter.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    bytes: [u8; PLAIN_BYTES_MAX],
    n: usize,
}

impl Plain {
    /// The words in at most `n_max` bytes before a place. A word that is cut at the left is left out.
    pub(super) fn before(text: Text<'_>, at: usize, n_max: usize) -> Self {
        let window = text.before(at, n_max);
        let is_cut = window.len() == n_max;
        let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, 0x80..=0xbf);
        let n_cut = window.iter().take_while(|byte| is_cut && is_inside(byte)).count();
        Self::of(window.get(n_cut..).unwrap_or_default())
    }

    /// The words of a text that is at hand.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut plain = Self { bytes: [b' '; PLAIN_BYTES_MAX], n: 0 };
        let mut last = b' ';
        // Tables of numbers have no words.
        if !text.iter().any(|&byte| byte.is_ascii_alphabetic() || byte >= 0x80) {
            return plain;
        }
        for &byte in text {
            if byte.is_ascii_uppercase() && last.is_ascii_lowercase() {
                plain.push(b' ');
            }
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' => plain.push(byte.to_ascii_lowercase()),
                0x80.. => plain.push_high(byte, last),
                _ => plain.push(b' '),
            }
            last = byte;
        }
        plain
    }

    fn push(&mut self, byte: u8) {
        let last = self.n.checked_sub(1).and_then(|last| self.bytes.get(last));
        if byte == b' ' && last.is_none_or(|&last| last == b' ') {
            return;
        }
        if let Some(slot) = self.bytes.get_mut(self.n) {
            *slot = byte;
            self.n = self.n.saturating_add(1);
        }
    }

    /// Adds a byte of a character above ASCII, in its small form where Latin, Greek and Cyrillic letters have one.
    fn push_high(&mut self, byte: u8, last: u8) {
        let lead = self.n.checked_sub(1).and_then(|last| self.bytes.get_mut(last));
        let (lead_now, small) = match (last, byte) {
            (0xc3, 0x80..=0x9e) | (0xd0, 0x90..=0x9f) | (0xce, 0x91..=0x9f) => (last, byte | 0x20),
            (0xd0, 0xa0..=0xaf) => (0xd1, byte & !0x20),
            (0xce, 0xa0..=0xa9) => (0xcf, byte & !0x20),
            _ => (0, byte),
        };
        if lead_now > 0
            && let Some(lead) = lead
        {
            *lead = lead_now;
        }
        self.push(small);
        // The apostrophe that typesetters use is a blank.
        if self.bytes().ends_with("\u{2019}".as_bytes()) {
            self.n = self.n.saturating_sub(3);
            self.push(b' ');
        }
    }

    /// The plain bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.n).unwrap_or_default()
    }

    /// Where words begin, and the rest of the text from there.
    fn words(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let bytes = self.bytes();
        let mut at = 0_usize;
        std::iter::from_fn(move || {
            at = at.saturating_add(usize::from(bytes.get(at) == Some(&b' ')));
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let start = at;
            let n = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
            at = at.saturating_add(n);
            Some((start, rest))
        })
    }
}

/// Which of several words stand in a text, each with what it stands for.
pub(super) struct Vocabulary<T> {
    /// The first word with its hash, the words after it, and what they stand for; sorted by the hash.
    spaced: Vec<(u32, &'static [u8], &'static [u8], T)>,
    /// Where the words begin whose hashes have the same first bits, and one past the last.
    starts: Vec<u16>,
    /// Phrases of scripts without blanks.
    unspaced: Vec<(&'static [u8], T)>,
}

/// Bits of a hash that most words are told apart by.
const BUCKET_BITS: u32 = 12;

/// The hash of no letter, and of a word that grows.
const NO_LETTER: u32 = 0x811c_9dc5;
const fn step(hash: u32, letter: u8) -> u32 {
    (hash ^ letter as u32).wrapping_mul(0x0100_0193)
}

/// The hash of a word that ends: short ones differ in few bits until then.
const fn ended(hash: u32) -> u32 {
    hash.wrapping_mul(0x9e37_79b1)
}

/// The bucket of a hash.
fn bucket_of(hash: u32) -> usize {
    usize::try_from(hash >> (32 - BUCKET_BITS)).unwrap_or(0)
}

fn hash_of(word: &[u8]) -> u32 {
    ended(word.iter().fold(NO_LETTER, |hash, &letter| step(hash, letter)))
}

impl<T: Copy> Vocabulary<T> {
    pub(super) fn new(phrases: impl Iterator<Item = (&'static str, T)>) -> Self {
        let (mut spaced, mut unspaced) = (Vec::new(), Vec::new());
        for (phrase, meaning) in phrases {
            let bytes = phrase.as_bytes();
            if bytes.first().is_some_and(|&first| first >= UNSPACED) {
                unspaced.push((bytes, meaning));
            } else {
                let n = bytes.iter().take_while(|&&byte| byte != b' ').count();
                let (first, rest) = bytes.split_at_checked(n).unwrap_or((bytes, b""));
                spaced.push((hash_of(first), first, rest, meaning));
            }
        }
        spaced.sort_by_key(|&(hash, ..)| hash);
        let first_of = |bucket| spaced.partition_point(|&(hash, ..)| bucket_of(hash) < bucket);
        let buckets = 0..=bucket_of(u32::MAX).saturating_add(1);
        let starts = buckets.map(|bucket| u16::try_from(first_of(bucket)).unwrap_or(u16::MAX));
        let starts = starts.collect();
        Self { spaced, starts, unspaced }
    }

    /// The phrases that begin with a word, and what they stand for.
    #[inline]
    fn of_word(&self, hash: u32, word: &[u8]) -> impl Iterator<Item = (&'static [u8], T)> {
        let bucket = bucket_of(hash);
        let at = |bucket: usize| self.starts.get(bucket).map_or(0, |&at| usize::from(at));
        let range = at(bucket)..at(bucket.saturating_add(1));
        let same = self.spaced.get(range).unwrap_or_default().iter();
        same.filter(move |&&(known, first, ..)| known == hash && first == word)
            .map(|&(_, _, tail, meaning)| (tail, meaning))
    }

    /// Calls `found` with what each phrase stands for, and where it begins and ends.
    pub(super) fn find(&self, plain: &Plain, mut found: impl FnMut(T, usize, usize)) {
        for (at, rest) in plain.words() {
            let (mut n, mut hash, mut stem) = (0_usize, NO_LETTER, NO_LETTER);
            for &letter in rest.iter().take_while(|&&byte| byte != b' ') {
                (n, stem, hash) = (n.saturating_add(1), hash, step(hash, letter));
            }
            let Some((word, after)) = rest.split_at_checked(n) else { continue };
            // A plural is the same word.
            let single = word.strip_suffix(b"s").filter(|word| word.len() > 2);
            let single = single.map(|single| (ended(stem), single));
            for (hash, word) in [Some((ended(hash), word)), single].into_iter().flatten() {
                for (tail, meaning) in self.of_word(hash, word) {
                    let ends =
                        after.get(tail.len()).is_none_or(|&byte| byte == b' ' || byte == b's');
                    if after.starts_with(tail) && ends {
                        let end = at.saturating_add(word.len()).saturating_add(tail.len());
                        found(meaning, at, end);
                    }
                }
            }
        }
        let bytes = plain.bytes();
        if bytes.iter().any(|&byte| byte >= UNSPACED) {
            for &(phrase, meaning) in &self.unspaced {
                let places = bytes.windows(phrase.len()).enumerate();
                for (at, _) in places.filter(|(_, window)| *window == phrase) {
                    found(meaning, at, at.saturating_add(phrase.len()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain() {
        for (text, want) in [
            ("My Tax-ID:  ", "my tax id "),
            ("{\"taxId\": \"", " tax id "),
            ("NUMÉRO D’IDENTITÉ ", "numéro d identité "),
            ("ИНН: ", "инн "),
            ("АФМ ΑΦΜ", "афм αφμ"),
            ("身份证号", "身份证号"),
            ("", ""),
        ] {
            let plain = Plain::of(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(plain.bytes()), want.trim_start(), "{text}");
        }
    }

    #[test]
    fn phrases_are_found_as_words() {
        let words = Vocabulary::new([("tax id", 1), ("tin", 2), ("身份证", 3)].into_iter());
        for (text, want) in [
            ("my tax ids: ", vec![1]),
            ("tax idea", vec![]),
            ("setting TIN=", vec![2]),
            ("我的身份证号", vec![3]),
            ("taxes id", vec![]),
        ] {
            let mut seen = Vec::new();
            words.find(&Plain::of(text.as_bytes()), |meaning, _, _| seen.push(meaning));
            assert_eq!(seen, want, "{text}");
        }
    }
}
