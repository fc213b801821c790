//! What a placeholder looks like: `[EMAIL-4kq7zpma]`, and how models write it back.
//!
//! It is a word for people and models, and base32 of a keyed hash. It has no character that JSON escapes. Models change its case, and some put
//! a backslash before what Markdown would read as its own; both are read as the same placeholder. Half of one is none.
use bartizan_core::span::Span;
use std::collections::BTreeSet;

/// What stands for text that only looked like a placeholder.
pub(super) const LOOK_ALIKE_WORD: &str = "TEXT";
/// Most bytes of the word.
const WORD_BYTES_MAX: usize = 24;
/// Characters of a tag, and what it grows to where two values would share one. The last one holds all 16 bytes.
pub(super) const TAG_CHARS: [usize; 5] = [8, 12, 16, 20, 26];
const TAG_CHARS_MIN: usize = TAG_CHARS[0];
const TAG_CHARS_MAX: usize = TAG_CHARS[4];
/// Most bytes between the brackets, without backslashes.
const BODY_BYTES_MAX: usize = WORD_BYTES_MAX + 1 + TAG_CHARS_MAX;
/// Most bytes of a placeholder as a model may write it: a bracket and a backslash at both ends, and one before each hyphen.
const PLACEHOLDER_BYTES_MAX: u64 = 4 + 2 * BODY_BYTES_MAX as u64;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The word for a kind: `EMAIL` for `pii.email`.
pub(super) fn word(kind: &str) -> String {
    let last = kind.rsplit('.').next().unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let word: String = last.chars().filter(fits).take(WORD_BYTES_MAX).collect();
    let word = word.trim_matches('-').to_ascii_uppercase();
    if word.is_empty() { "VALUE".to_owned() } else { word }
}

/// The first characters of a tag in base32 (RFC 4648, lower case, without padding).
pub(super) fn base32(tag: &[u8; 16], n_chars: usize) -> String {
    let bits = u128::from_be_bytes(*tag);
    let char_at = |at: usize| {
        // The last character has bits to spare: zeros.
        let five = match 123_usize.checked_sub(5 * at) {
            Some(shift) => bits >> shift,
            None => bits << 2,
        };
        let index = usize::try_from(five & 31).unwrap_or_default();
        char::from(BASE32.get(index).copied().unwrap_or(b'a'))
    };
    (0..n_chars.min(TAG_CHARS_MAX)).map(char_at).collect()
}

/// What stands in the place of a value.
pub(super) fn placeholder(word: &str, tag: &str) -> String {
    format!("[{word}-{tag}]")
}

/// A placeholder as it is compared: without brackets, in lower case.
pub(super) fn body(word: &str, tag: &str) -> Vec<u8> {
    format!("{word}-{tag}").to_ascii_lowercase().into_bytes()
}

/// What one more byte makes of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that matters.
    None,
    /// A placeholder may begin with this byte.
    Begun,
    /// One may begin with the backslash before this byte.
    BegunBefore,
    /// Something between brackets is whole: see [`Cursor::body`] and [`Cursor::start`].
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Outside,
    /// After a backslash that may belong to a bracket.
    Escape,
    Body,
    /// In the body, after a backslash.
    BodyEscape,
}

/// Reads a text byte by byte and finds what stands in brackets like a placeholder's.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    state: State,
    /// Bytes read.
    at: u64,
    /// Where what is being read began.
    start: u64,
    /// What stands between the brackets so far, as it is compared. At most [`BODY_BYTES_MAX`] bytes.
    body: Vec<u8>,
}

impl Cursor {
    pub(super) fn new() -> Self {
        Self { state: State::Outside, at: 0, start: 0, body: Vec::new() }
    }

    /// Bytes read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Where what is being read, or has just been read, began.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// What has been read of it, without brackets and backslashes, in lower case.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The first byte that may still belong to a placeholder.
    pub(super) fn pending(&self) -> u64 {
        let pending = if self.state == State::Outside { self.at } else { self.start };
        assert!(self.at - pending <= PLACEHOLDER_BYTES_MAX, "what is held back is bounded");
        pending
    }

    /// Gives up what is being read: it is nothing that anybody looks for.
    pub(super) fn drop_body(&mut self) {
        self.state = State::Outside;
        self.body.clear();
    }

    pub(super) fn step(&mut self, byte: u8) -> Step {
        let here = self.at;
        self.at += 1;
        match (self.state, byte) {
            (State::Outside | State::Body, b'[') | (State::Outside, b'\\') => {
                self.begin(if byte == b'[' { State::Body } else { State::Escape }, here)
            }
            (State::Escape, b'[') => {
                self.state = State::Body;
                Step::None
            }
            // The backslash before this one stands for itself.
            (State::Escape | State::BodyEscape, b'\\') => self.begin(State::Escape, here),
            (State::BodyEscape, b'[') => {
                self.begin(State::Body, here.saturating_sub(1));
                Step::BegunBefore
            }
            (State::Body, b'\\') => {
                self.state = State::BodyEscape;
                Step::None
            }
            (State::Body | State::BodyEscape, b']') => {
                self.state = State::Outside;
                Step::Whole
            }
            (State::Body, byte) if byte.is_ascii_alphanumeric() => self.extend(byte),
            (State::Body | State::BodyEscape, b'-') => self.extend(b'-'),
            _ => {
                self.drop_body();
                Step::None
            }
        }
    }

    fn begin(&mut self, state: State, start: u64) -> Step {
        (self.state, self.start) = (state, start);
        self.body.clear();
        Step::Begun
    }

    fn extend(&mut self, byte: u8) -> Step {
        if self.body.len() < BODY_BYTES_MAX {
            self.state = State::Body;
            self.body.push(byte.to_ascii_lowercase());
        } else {
            self.drop_body();
        }
        Step::None
    }
}

/// Where a text already has the shape of a placeholder with one of these words, which are in lower case. At most so many places.
pub(in crate::exchange) fn look_alikes(
    text: &[u8],
    words: &BTreeSet<String>,
    places_max: usize,
) -> Vec<Span> {
    let mut found = Vec::new();
    if memchr::memchr(b'[', text).is_none() {
        return found;
    }
    let mut cursor = Cursor::new();
    for &byte in text {
        if places_max <= found.len() {
            break;
        }
        if cursor.step(byte) == Step::Whole && has_shape(cursor.body(), words) {
            found.push(Span::new(cursor.start(), cursor.at()));
        }
    }
    found
}

fn has_shape(body: &[u8], words: &BTreeSet<String>) -> bool {
    let Some((word, tag)) = std::str::from_utf8(body).ok().and_then(|body| body.rsplit_once('-'))
    else {
        return false;
    };
    (TAG_CHARS_MIN..=TAG_CHARS_MAX).contains(&tag.len())
        && tag.bytes().all(|byte| BASE32.contains(&byte))
        && words.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> BTreeSet<String> {
        ["email", "us-ssn", "text"].into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn kinds_have_words_and_tags_have_characters() {
        for (kind, want) in [
            ("pii.email", "EMAIL"),
            ("pii.us-ssn", "US-SSN"),
            ("acme.a-very-long-name-of-a-kind-indeed", "A-VERY-LONG-NAME-OF-A-KI"),
            ("x.-", "VALUE"),
            ("", "VALUE"),
        ] {
            assert_eq!(word(kind), want, "{kind}");
        }
        // Computed with Python's base64 module.
        let tag = std::array::from_fn(|at| u8::try_from(at * 17).unwrap());
        assert_eq!(base32(&tag, 26), "aaiseM2ekvthpcezvk54zxpo74".to_ascii_lowercase());
        assert_eq!(base32(&tag, 8), "aaisem2e");
        assert_eq!(base32(&[255; 16], 99), "77777777777777777777777774");
    }

    #[test]
    fn only_what_has_the_shape_looks_alike() {
        for (text, want) in [
            ("[EMAIL-4kq7zpma]", Some(0..16)),
            ("mail [email-4KQ7ZPMA] now", Some(5..21)),
            (r"\[EMAIL\-4kq7zpma\] x", Some(0..19)),
            ("[[US-SSN-4kq7zpma]]", Some(1..18)),
            ("[EMAIL-[EMAIL-4kq7zpma]", Some(7..23)),
            (r"\\[EMAIL-4kq7zpma]", Some(1..18)),
            (r"[EMAIL\[EMAIL-4kq7zpma]", Some(6..23)),
            ("[EMAIL-4kq7zpma4kq7zpma4kq7zpma22]", Some(0..34)),
            ("[EMAIL-4kq7zpma4kq7zpma4kq7zpma222]", None),
            ("[EMAIL-4kq7zpm]", None),
            ("[EMAIL-4kq7zpm1]", None),
            ("[EMAIL-4kq7zpma", None),
            ("EMAIL-4kq7zpma]", None),
            ("[PHONE-4kq7zpma]", None),
            ("[front-matterof]", None),
            ("[EMAIL 4kq7zpma]", None),
            (r"[EMAIL-4kq7\zpma]", None),
            ("[4kq7zpma]", None),
            ("[]", None),
            ("", None),
        ] {
            let found = look_alikes(text.as_bytes(), &words(), 10);
            let want: Vec<Span> = want.map(|at| Span::new(at.start, at.end)).into_iter().collect();
            assert_eq!(found, want, "{text}");
        }
    }

    #[test]
    fn what_is_read_is_bounded() {
        let many = "[EMAIL-4kq7zpma]".repeat(9);
        for places_max in [0, 1, 8, 9, 10] {
            let found = look_alikes(many.as_bytes(), &words(), places_max);
            assert_eq!(found.len(), places_max.min(9));
        }
        let mut cursor = Cursor::new();
        for byte in std::iter::once(b'[').chain(std::iter::repeat_n(b'-', 100_000)) {
            cursor.step(byte);
            assert!(cursor.body.len() <= BODY_BYTES_MAX);
            assert!(cursor.at() - cursor.pending() <= PLACEHOLDER_BYTES_MAX);
        }
    }
}
