//! Where a text stops being prose: inside an address that somebody may open, and inside a long word or a row of numbers that may be
//! encoded. Both are told from the bytes read so far, so cuts do not matter.

/// Bytes of one word, or letters in a row that are digits of base 16, from which on a text may be encoded. Words are shorter.
const CODED_MIN: u32 = 24;

/// Whether the text is inside the part of an address after its `//`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Address {
    /// The last byte was a slash.
    after_slash: bool,
    is_inside: bool,
}

/// Whether a byte cannot stand in an address: what comes after it is text again.
const fn ends_address(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'`' | b')' | b'\'' | 0x7f)
}

impl Address {
    pub(super) const fn is_inside(self) -> bool {
        self.is_inside
    }

    /// Whether these bytes hold, or go on with, an address. Cheap for text without one.
    pub(super) fn may_touch(self, bytes: &[u8]) -> bool {
        self.is_inside
            || (self.after_slash && bytes.first() == Some(&b'/'))
            || (bytes.contains(&b'/') && bytes.windows(2).any(|pair| matches!(pair, [b'/', b'/'])))
    }

    /// Reads bytes in which there is no address.
    pub(super) fn skip(&mut self, bytes: &[u8]) {
        if let Some(&last) = bytes.last() {
            self.after_slash = last == b'/';
        }
    }

    pub(super) fn step(&mut self, byte: u8) {
        if self.is_inside {
            self.is_inside = !ends_address(byte);
            self.after_slash = false;
        } else {
            self.is_inside = self.after_slash && byte == b'/';
            self.after_slash = byte == b'/' && !self.is_inside;
        }
    }
}

/// Whether the text may be encoded here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Coded {
    /// Bytes of the word so far, line breaks left out.
    n_word: u32,
    /// Digits of base 16 since another letter.
    n_digits: u32,
}

/// The characters of base64 of both sorts.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'%')
}

/// Digits of base 16, and the `x` that announces them.
const fn is_digit(byte: u8) -> bool {
    matches!(byte | 0x20, b'a'..=b'f' | b'x') || byte.is_ascii_digit()
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

impl Coded {
    /// Whether what comes next may be encoded.
    pub(super) const fn is_on(self) -> bool {
        self.n_word >= CODED_MIN || self.n_digits >= CODED_MIN
    }

    pub(super) fn step(&mut self, byte: u8) {
        if is_word(byte) {
            self.n_word = self.n_word.saturating_add(1);
        } else if !(is_break(byte) && self.n_word >= CODED_MIN) {
            self.n_word = 0;
        }
        if is_digit(byte) {
            self.n_digits = self.n_digits.saturating_add(1);
        } else if byte.is_ascii_alphabetic() || byte >= 0x80 {
            self.n_digits = 0;
        }
    }

    /// Reads bytes, and returns whether the text may be encoded anywhere in them. Of ordinary text it looks at few bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> bool {
        if !self.is_on()
            && is_quiet(bytes, self.n_word, ends_word)
            && is_quiet(bytes, self.n_digits, ends_digits)
        {
            self.skip(bytes);
            return false;
        }
        let mut any = self.is_on();
        for &byte in bytes {
            self.step(byte);
            any |= self.is_on();
        }
        any
    }

    /// Reads bytes in which no count reaches the minimum: only those after the last reset matter.
    fn skip(&mut self, bytes: &[u8]) {
        let after = |at: Option<usize>| at.map(|at| bytes.get(at.saturating_add(1)..));
        let n = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(rest) = after(bytes.iter().rposition(|&byte| ends_word(byte))) {
            self.n_word = n(rest.unwrap_or_default().len());
        } else {
            self.n_word = self.n_word.saturating_add(n(bytes.len()));
        }
        let rest = match after(bytes.iter().rposition(|&byte| ends_digits(byte))) {
            Some(rest) => {
                self.n_digits = 0;
                rest.unwrap_or_default()
            }
            None => bytes,
        };
        let n_digits = rest.iter().filter(|&&byte| is_digit(byte)).count();
        self.n_digits = self.n_digits.saturating_add(n(n_digits));
    }
}

/// What sets the count of a word back while it is below the minimum.
const fn ends_word(byte: u8) -> bool {
    !is_word(byte)
}

const fn ends_digits(byte: u8) -> bool {
    (byte.is_ascii_alphabetic() || byte >= 0x80) && !is_digit(byte)
}

/// Whether, after `n` bytes that set nothing back, no [`CODED_MIN`] such bytes in a row follow. From the last byte of each window it looks
/// back for one that does, and jumps.
fn is_quiet(bytes: &[u8], n: u32, ends: impl Fn(u8) -> bool) -> bool {
    let window = CODED_MIN as usize;
    let (mut from, mut last) = (0_usize, window.saturating_sub(1).saturating_sub(n as usize));
    while last < bytes.len() {
        let seen = bytes.get(from..=last).unwrap_or_default();
        match seen.iter().rposition(|&byte| ends(byte)) {
            Some(at) => from = from.saturating_add(at).saturating_add(1),
            None => return false,
        }
        last = from.saturating_add(window.saturating_sub(1));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jumping over text counts the same as reading it byte by byte, however it is cut.
    #[test]
    fn quick_and_careful_reading_agree() {
        let units = ["the cat ", "a1b2c3 ", "48 65 6c ", "QUJD", "QUJD\n", "é", "0x48, ", "-/"];
        for first in units {
            for second in units {
                for n in 0..9 {
                    let text = [&first.repeat(n), second, &first.repeat(9), &second.repeat(4)];
                    let text = text.concat();
                    for size in [1, 2, 3, 7, 23, 24, 25, 64] {
                        let (mut quick, mut careful) = (Coded::default(), Coded::default());
                        for bytes in text.as_bytes().chunks(size) {
                            let any = quick.read(bytes);
                            let mut is = careful.is_on();
                            for &byte in bytes {
                                careful.step(byte);
                                is |= careful.is_on();
                            }
                            assert_eq!(any, is, "{text} by {size}");
                            assert_eq!(
                                (quick.n_word, quick.n_digits),
                                (careful.n_word, careful.n_digits),
                                "{text} by {size}"
                            );
                        }
                    }
                }
            }
        }
    }
}
