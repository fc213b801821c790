//! How texts in another spelling are told: by words and beginnings of secrets as they look in it, which the gate finds on its way.
use super::name::View;
use std::sync::LazyLock;

/// Most bytes of a literal.
const LITERAL_BYTES_MAX: usize = 10;
/// Of two marks of one spelling, the later counts only if it is so many bytes further on.
const APART_BYTES: u64 = 16;
/// Most marks that wait to be read; a channel takes them away after each piece.
const MARKS_MAX: usize = 2048;

/// Where a text in another spelling was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(super) view: View,
    /// Where the literal begins, and where it ends.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether it is a word, and no beginning of a secret: what begins with it is said in words.
    pub(super) is_word: bool,
}

/// Marks in the order in which they are found.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    found: Vec<Mark>,
    /// Per spelling, the place from which on the next mark counts.
    next: [u64; 4],
    /// Whether what is found is wanted in whole, however much it is.
    is_unbounded: bool,
}

impl Marks {
    /// Marks of a whole text: nobody takes them away in between. They are fewer than a quarter of its bytes.
    pub(super) fn of_whole() -> Self {
        Self { is_unbounded: true, ..Self::default() }
    }

    /// Notes that a literal stands at `start` and ends before `end`.
    pub(crate) fn add(&mut self, (view, is_word): (View, bool), start: u64, end: u64) {
        let Some(next) = self.next.get_mut(slot(view)) else { return };
        if start >= *next && (self.is_unbounded || self.found.len() < MARKS_MAX) {
            *next = start.saturating_add(APART_BYTES);
            self.found.push(Mark { view, start, end, is_word });
        }
    }

    /// Takes away what was found.
    pub(crate) fn take(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.found)
    }
}

const fn slot(view: View) -> usize {
    match view {
        View::Rot13 => 0,
        View::Atbash => 1,
        View::Reversed => 2,
        _ => 3,
    }
}

/// Common words, and words of those who want something from a model: the first bytes of a sentence in another spelling.
static WORDS: &[&str] = &[
    "the ",
    "and ",
    "you ",
    "your",
    "this ",
    "that ",
    "with ",
    "please",
    "from ",
    "will ",
    "have ",
    "note ",
    "what ",
    "must ",
    "should",
    "would",
    "could",
    "about",
    "pretend",
    "act as",
    "imagine",
    "everything",
    "ignore",
    "ignoring",
    "disregard",
    "forget",
    "override",
    "bypass",
    "reveal",
    "repeat",
    "print",
    "show ",
    "tell ",
    "output",
    "display",
    "disclose",
    "previous",
    "instruction",
    "system",
    "prompt",
    "rules",
    "assistant",
    "developer",
    "unrestricted",
    "ignoriere",
    "ignorez",
    "vergiss",
    "oubliez",
    "olvida",
    "password",
    "secret",
    "token",
    "api_key",
    "api key",
    "apikey",
    "account",
    "number",
    "address",
    "email",
    "phone",
    "credit",
    "https://",
    "write",
    "send ",
    "give ",
    "my name",
    "und ",
    "nicht",
    "ist ",
    "der ",
    "die ",
    "das ",
    "sie ",
    "ich ",
    "que ",
    "pour ",
    "vous",
    "les ",
    "para ",
    "los ",
    "con ",
    "can ",
    "are ",
    "not ",
    "how ",
    "act ",
];

/// How secrets begin. Prefixes that are nothing but letters of one word are left out.
static SECRETS: &[&str] = &[
    "sk-",
    "sk_live",
    "rk_live",
    "pk_live",
    "whsec_",
    "akia",
    "asia",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "aiza",
    "ya29.",
    "gocspx-",
    "hf_",
    "eyj",
    "npm_",
    "pypi-",
    "dckr_",
    "dop_v1_",
    "shpat_",
    "shpss_",
    "shpca_",
    "hvs.",
    "gsk_",
    "xai-",
    "pplx-",
    "r8_",
    "sg.",
    "lin_api_",
    "ntn_",
    "atatt3",
    "sq0",
    "eaaa",
    "dapi",
    "sntrys_",
    "glsa_",
    "glc_",
    "postgres",
    "mongodb",
    "mysql",
    "redis:",
    "age-secret",
    "key-",
    "aws",
    "sbp_",
    "nvapi-",
    "tskey-",
    "-----begin",
    "bearer",
    "basic ",
];

/// A beginning in one spelling.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    /// In lower case; letters match in any.
    pub(crate) bytes: Vec<u8>,
    pub(crate) view: View,
    pub(crate) is_word: bool,
    /// Whether no word may run into it.
    pub(crate) bounded: bool,
}

impl Literal {
    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        self.bytes.len() == bytes.len() && self.begins_with(bytes)
    }

    /// Whether these are its first bytes.
    fn begins_with(&self, bytes: &[u8]) -> bool {
        bytes.len() <= self.bytes.len()
            && self.bytes.iter().zip(bytes).all(|(want, byte)| *want == byte.to_ascii_lowercase())
    }
}

/// All literals, up to the three bytes that the gate knows them by: the rarest ones in texts.
pub(crate) static LITERALS: LazyLock<Vec<Literal>> = LazyLock::new(|| {
    let mut literals = Vec::new();
    let words = WORDS.iter().map(|text| (text, true));
    for (text, is_word) in words.chain(SECRETS.iter().map(|text| (text, false))) {
        for view in [View::Rot13, View::Atbash] {
            let bytes: Vec<u8> = text.bytes().map(|byte| respell(view, byte)).collect();
            literals.push(Literal { bytes: known(&bytes).to_vec(), view, is_word, bounded: true });
        }
        // A blank after a word stands before it, and what begins a word ends it.
        let bytes: Vec<u8> = text.bytes().rev().collect();
        let n = bytes.len().min(LITERAL_BYTES_MAX);
        if is_told_backwards(text) {
            literals.push(Literal {
                bytes: bytes.get(..n).unwrap_or_default().to_vec(),
                view: View::Reversed,
                is_word,
                bounded: false,
            });
        }
    }
    literals
});

/// Whether a word is none of any language when it is turned round: `les` and `der` are, and the beginning of many a key is a device.
fn is_told_backwards(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b' ');
    let is_known = matches!(text, "the " | "and " | "you ");
    text != "dapi" && (!is_word || is_known || text.trim_end().len() > 3)
}

/// Fewest letters of a literal that has more: a row of hyphens is no sign of another alphabet.
const LETTERS_MIN: usize = 2;

/// The bytes of a literal up to its rarest three, which are what the gate knows it by. Three letters alone are those of many a word.
fn known(literal: &[u8]) -> &[u8] {
    let most = literal.len().min(LITERAL_BYTES_MAX);
    let mut letters = literal.iter().zip(1_usize..).filter(|(byte, _)| byte.is_ascii_alphabetic());
    let least = letters.nth(LETTERS_MIN.saturating_sub(1)).map_or(most, |(_, n)| n);
    let ends = most.min(least.max(5))..=most;
    let last_three = |end: &usize| {
        let three = literal.get(end.saturating_sub(3)..*end).unwrap_or_default();
        crate::gate::commonness(three)
    };
    let end = ends.min_by_key(last_three).unwrap_or(most);
    literal.get(..end).unwrap_or(literal)
}

/// A letter in another alphabet.
pub(super) const fn respell(view: View, byte: u8) -> u8 {
    let first = match byte {
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => return byte,
    };
    let letter = byte.wrapping_sub(first);
    let other = match view {
        View::Rot13 if letter < 13 => letter.wrapping_add(13),
        View::Rot13 => letter.wrapping_sub(13),
        View::Atbash => 25_u8.wrapping_sub(letter),
        _ => letter,
    };
    first.wrapping_add(other)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Whether a literal that needs it has no word before it.
pub(crate) fn may_stand(literal: &Literal, before: Option<u8>) -> bool {
    !literal.bounded || !before.is_some_and(is_word)
}

/// The literals in other alphabets by their first byte: this is asked after each piece of a stream.
static BEGINNINGS: LazyLock<Vec<Vec<&'static Literal>>> = LazyLock::new(|| {
    let mut beginnings = vec![Vec::new(); 256];
    for literal in LITERALS.iter().filter(|literal| literal.view != View::Reversed) {
        let first = literal.bytes.first().map(|&first| usize::from(first));
        if let Some(list) = first.and_then(|first| beginnings.get_mut(first)) {
            list.push(literal);
        }
    }
    beginnings
});

/// How many of the last bytes may be the beginning of a literal in another alphabet that is not known yet, words included or not.
pub(super) fn n_partial(tail: &[u8], with_words: bool) -> usize {
    let n_most = tail.len().min(LITERAL_BYTES_MAX.saturating_sub(1));
    let from = tail.len().saturating_sub(n_most);
    let mut is_after_word =
        from.checked_sub(1).and_then(|at| tail.get(at)).copied().is_some_and(is_word);
    for (at, &first) in tail.iter().enumerate().skip(from) {
        let is_inside = std::mem::replace(&mut is_after_word, is_word(first));
        if is_inside {
            continue;
        }
        let bytes = tail.get(at..).unwrap_or_default();
        let literals = BEGINNINGS.get(usize::from(first.to_ascii_lowercase()));
        let may_be = literals.into_iter().flatten().any(|literal| {
            (with_words || !literal.is_word)
                && bytes.len() < literal.bytes.len()
                && literal.begins_with(bytes)
        });
        if may_be {
            return bytes.len();
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_turn_and_turn_back() {
        for view in [View::Rot13, View::Atbash] {
            for byte in 0..=u8::MAX {
                assert_eq!(respell(view, respell(view, byte)), byte, "{byte}");
            }
        }
        assert_eq!(b"Vtaber".map(|byte| respell(View::Rot13, byte)), *b"Ignore");
        assert_eq!(b"Rtmliv".map(|byte| respell(View::Atbash, byte)), *b"Ignore");
    }

    #[test]
    fn beginnings_are_held() {
        for (tail, n) in [
            ("a V", 1),
            ("a Vtab", 4),
            ("xVtab", 0),
            ("zzz", 0),
            ("", 0),
            ("fx-", 0),
            ("(fx", 2),
            ("q7!", 0),
        ] {
            assert_eq!(n_partial(tail.as_bytes(), true), n, "{tail}");
        }
    }

    #[test]
    fn every_mark_has_letters_of_its_alphabet() {
        for literal in LITERALS.iter() {
            let n = literal.bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
            let name = String::from_utf8_lossy(&literal.bytes);
            // `r8_`, `sq0` and `sk-` have one or two.
            assert!(n >= 1 && (n >= LETTERS_MIN || literal.bytes.len() < 4), "{name}");
        }
    }

    #[test]
    fn marks_stand_apart() {
        let mut marks = Marks::default();
        for at in 0..100 {
            marks.add((View::Rot13, true), at, at + 4);
        }
        assert_eq!(marks.take().len(), 7);
        for at in 0..100_000 {
            marks.add((View::Reversed, true), at * 20, at * 20 + 4);
        }
        assert_eq!(marks.take().len(), MARKS_MAX);
    }
}
