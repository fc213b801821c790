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
        let starts = (0..bytes.len()).filter(move |&at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            bytes.get(at) != Some(&b' ') && before.is_none_or(|&before| before == b' ')
        });
        starts.filter_map(move |at| Some((at, bytes.get(at..)?)))
    }
}

/// Which of several words stand in a text, each with what it stands for.
pub(super) struct Vocabulary<T> {
    /// First word, the words after it, and what they stand for; sorted.
    spaced: Vec<(&'static [u8], &'static [u8], T)>,
    /// Phrases of scripts without blanks.
    unspaced: Vec<(&'static [u8], T)>,
    /// A bit for each beginning and length of a first word: most words are told apart by it.
    known: Vec<u64>,
}

/// Bits that tell words apart.
const KNOWN_BITS: usize = 1 << 14;

/// The bit of a word.
fn bit_of(word: &[u8]) -> usize {
    let [first, second] =
        [word.first(), word.get(1)].map(|byte| byte.map_or(0, |&byte| usize::from(byte)));
    let place =
        first.wrapping_mul(521).wrapping_add(second.wrapping_mul(17)).wrapping_add(word.len());
    place % KNOWN_BITS
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
                spaced.push((first, rest, meaning));
            }
        }
        spaced.sort_by_key(|&(first, ..)| first);
        let mut known = vec![0_u64; KNOWN_BITS / 64];
        for (first, ..) in &spaced {
            let bit = bit_of(first);
            if let Some(word) = known.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        Self { spaced, unspaced, known }
    }

    /// Whether some phrase may begin with the word.
    fn may_know(&self, word: &[u8]) -> bool {
        let bit = bit_of(word);
        self.known.get(bit / 64).is_some_and(|bits| bits >> (bit % 64) & 1 == 1)
    }

    /// Calls `found` with what each phrase stands for, and where it begins and ends.
    pub(super) fn find(&self, plain: &Plain, mut found: impl FnMut(T, usize, usize)) {
        for (at, rest) in plain.words() {
            let n = rest.iter().take_while(|&&byte| byte != b' ').count();
            let Some((word, after)) = rest.split_at_checked(n) else { continue };
            // A plural is the same word.
            let single = word.strip_suffix(b"s").filter(|word| word.len() > 2);
            for word in
                [Some(word), single].into_iter().flatten().filter(|word| self.may_know(word))
            {
                let from = self.spaced.partition_point(|&(first, ..)| first < word);
                let same = self.spaced.iter().skip(from).take_while(|&&(first, ..)| first == word);
                for &(first, tail, meaning) in same {
                    let ends =
                        after.get(tail.len()).is_none_or(|&byte| byte == b' ' || byte == b's');
                    if after.starts_with(tail) && ends {
                        let end = at.saturating_add(first.len()).saturating_add(tail.len());
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
