//! How what the rules look for begins, so that a text in another spelling is told by its first four bytes.
use super::name::View;
use std::sync::LazyLock;

/// How phrases begin that give orders to a model, and whether a word that begins so is rare enough to be read on from as it is.
static PHRASES: &[(&str, bool)] = &[
    ("ignore", true),
    ("ignoring", true),
    ("ignoriere", true),
    ("ignorez", true),
    ("disregard", true),
    ("forget", true),
    ("override", false),
    ("overlook", false),
    ("bypass", true),
    ("reveal", true),
    ("repeat", false),
    ("print", false),
    ("show", false),
    ("tell", false),
    ("output", false),
    ("display", false),
    ("disclose", false),
    ("you", false),
    ("new", false),
    ("vergiss", true),
    ("oubliez", true),
    ("olvida", true),
];

/// How secrets begin, and the words that announce them.
static SECRETS: &[&str] = &[
    "sk-",
    "sk_live",
    "rk_live",
    "whsec_",
    "pk_live",
    "akia",
    "asia",
    "aws",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "aiza",
    "ya29",
    "gocspx-",
    "hf_",
    "eyj",
    "npm_",
    "dckr_pat",
    "dop_v1",
    "shpat_",
    "shpss_",
    "hvs.",
    "gsk_",
    "xai-",
    "pplx-",
    "r8_",
    "sg.",
    "nrak-",
    "lin_api",
    "ntn_",
    "secret",
    "password",
    "passwd",
    "api_key",
    "apikey",
    "api-key",
    "token",
    "bearer",
    "atatt3",
    "sq0",
    "eaaa",
    "pypi-",
    "dapi",
    "sntrys",
    "glsa_",
    "postgres",
    "mongodb",
    "mysql",
    "redis",
    "age-secret",
    "-----begin",
    "https",
];

/// The other spellings that are told by their first bytes.
const SPELT: [View; 2] = [View::Rot13, View::Atbash];

/// Bytes that tell.
pub(super) const ANCHOR_BYTES: usize = 4;

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

/// The letter that a digit or a sign is taken for.
pub(super) const fn unleet(byte: u8) -> u8 {
    match byte {
        b'0' => b'o',
        b'1' | b'!' | b'|' => b'i',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'6' | b'9' => b'g',
        b'7' | b'+' => b't',
        b'8' => b'b',
        _ => byte,
    }
}

type Key = [u8; ANCHOR_BYTES];

/// A beginning in one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Anchor {
    key: Key,
    /// The spelling; plain for what is looked up once it is turned round or its signs are letters.
    view: View,
    is_phrase: bool,
    is_rare: bool,
}

struct Anchors {
    sorted: Vec<Anchor>,
    /// A bit for each key that may be there.
    sieve: [u64; 64],
}

fn key_of(bytes: &[u8]) -> Key {
    let mut key = [0; ANCHOR_BYTES];
    for (slot, byte) in key.iter_mut().zip(bytes) {
        *slot = byte.to_ascii_lowercase();
    }
    key
}

fn place(key: Key) -> (usize, u64) {
    let hash = u32::from_le_bytes(key).wrapping_mul(0x9e37_79b1).wrapping_shr(20);
    (usize::try_from(hash >> 6).unwrap_or(0), 1_u64 << (hash & 63))
}

static ANCHORS: LazyLock<Anchors> = LazyLock::new(|| {
    let phrases = PHRASES.iter().map(|&(text, is_rare)| (text, true, is_rare));
    let all = phrases.chain(SECRETS.iter().map(|&text| (text, false, false)));
    let mut sorted = Vec::new();
    for (text, is_phrase, is_rare) in all {
        for view in SPELT.into_iter().chain([View::Plain]) {
            let bytes: Vec<u8> = text.bytes().map(|byte| respell(view, byte)).collect();
            sorted.push(Anchor { key: key_of(&bytes), view, is_phrase, is_rare });
        }
    }
    sorted.sort_unstable();
    sorted.dedup();
    let mut sieve = [0_u64; 64];
    for anchor in &sorted {
        let (word, bit) = place(anchor.key);
        if let Some(word) = sieve.get_mut(word) {
            *word |= bit;
        }
    }
    Anchors { sorted, sieve }
});

impl Anchors {
    fn find(&self, key: Key) -> &[Anchor] {
        let (word, bit) = place(key);
        if self.sieve.get(word).is_none_or(|word| word & bit == 0) {
            return &[];
        }
        let first = self.sorted.partition_point(|anchor| anchor.key < key);
        let end = self.sorted.partition_point(|anchor| anchor.key <= key);
        self.sorted.get(first..end).unwrap_or_default()
    }

    /// Anchors of four bytes and of three.
    fn of(&self, key: Key) -> impl Iterator<Item = &Anchor> {
        let [first, second, third, _] = key;
        self.find(key).iter().chain(self.find([first, second, third, 0]))
    }
}

/// The spellings in which these first bytes of a word begin something.
pub(super) fn spellings(bytes: &[u8]) -> impl Iterator<Item = View> {
    let key = key_of(bytes);
    let [first, second, third, fourth] = key;
    let may_be_iban = first.is_ascii_lowercase()
        && second.is_ascii_lowercase()
        && third.is_ascii_digit()
        && fourth.is_ascii_digit()
        && bytes.first().is_some_and(u8::is_ascii_uppercase);
    let spelt = ANCHORS.of(key).map(|anchor| anchor.view).filter(|view| *view != View::Plain);
    let leet = is_leet(key).then_some(View::Leet);
    spelt.chain(leet).chain(SPELT.into_iter().filter(move |_| may_be_iban))
}

/// Whether a phrase begins with these bytes once signs are letters.
fn is_leet(key: Key) -> bool {
    let letters = key.map(unleet);
    let found = ANCHORS.of(letters);
    let mut phrases = found.filter(|anchor| anchor.view == View::Plain && anchor.is_phrase);
    phrases.any(|anchor| anchor.is_rare || letters != key)
}

/// Whether something begins with these bytes, which were read backwards. An IBAN begins with two letters and two digits.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let key = key_of(bytes);
    let [first, second, third, fourth] = key;
    ANCHORS.of(key).any(|anchor| anchor.view == View::Plain)
        || (bytes.first().is_some_and(u8::is_ascii_uppercase)
            && first.is_ascii_lowercase()
            && second.is_ascii_lowercase()
            && third.is_ascii_digit()
            && fourth.is_ascii_digit())
}

/// Whether a word that begins with these few bytes may still begin something in another spelling.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let is_prefix = |anchor: &Anchor, bytes: &[u8]| {
        anchor
            .key
            .iter()
            .zip(bytes)
            .all(|(&want, byte)| want == 0 || want == byte.to_ascii_lowercase())
    };
    let letters: Vec<u8> = bytes.iter().map(|&byte| unleet(byte.to_ascii_lowercase())).collect();
    ANCHORS.sorted.iter().any(|anchor| match anchor.view {
        View::Plain => anchor.is_phrase && is_prefix(anchor, &letters),
        _ => is_prefix(anchor, bytes),
    }) || bytes.iter().take(2).all(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_told_in_every_spelling() {
        for (bytes, want) in [
            ("vtab", vec![View::Rot13]),
            ("VTAB", vec![View::Rot13]),
            ("fx-n", vec![View::Rot13]),
            ("rtml", vec![View::Atbash]),
            ("1gn0", vec![View::Leet]),
            ("igno", vec![View::Leet]),
            ("y0u ", vec![View::Leet]),
            ("you ", vec![]),
            ("QR89", vec![View::Rot13, View::Atbash]),
            ("qr89", vec![]),
            ("town", vec![]),
            ("sk-a", vec![]),
        ] {
            assert_eq!(spellings(bytes.as_bytes()).collect::<Vec<_>>(), want, "{bytes}");
            let told = !want.is_empty();
            for n in 1..bytes.len() {
                assert!(!told || may_begin(&bytes.as_bytes()[..n]), "{n} of {bytes}");
            }
        }
    }
}
