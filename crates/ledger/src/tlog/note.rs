//! Signed notes: a text, an empty line, and lines of signatures.
//!
//! A note that was only parsed says nothing: [`Note::verify`] tells which of the keys that the reader trusts have signed it.
use super::base64;
use super::key::{KeyError, KeyKind, VerifierKey, cosigned_message, is_cosignature_time, is_name};
use bartizan_core::sign::{SignError, Signer};
use std::fmt;

/// Most bytes of a note: sixteen post-quantum signatures of 5 KiB fit twice.
pub const NOTE_BYTES_MAX: usize = 256 << 10;
/// Most signatures of a note.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// What separates the text from the signatures.
const SEPARATOR: &str = "\n\n";
/// Em dash and space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;

/// Why bytes are not a note, or a note is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// There is too much of it.
    #[error("the note has {n_bytes} bytes, at most {NOTE_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// It is not UTF-8.
    #[error("the note is not UTF-8 from byte {at} on")]
    Encoding {
        /// Where the bad bytes are.
        at: usize,
    },
    /// It has a control character.
    #[error("the note has a control character at byte {at}")]
    Control {
        /// Where it is.
        at: usize,
    },
    /// The text does not end with a newline.
    #[error("the text of a note ends with a newline")]
    Unended,
    /// No empty line ends the text, or nothing follows it.
    #[error("the note has no empty line with signatures after it: it is not signed, or was cut")]
    NoSignatures,
    /// A line among the signatures is none.
    #[error("line {line} of the signatures is not a dash, a name and canonical base64")]
    SignatureLine {
        /// Which one, from 1.
        line: usize,
    },
    /// There are too many signatures.
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A key that the reader trusts did not make the signature that bears its name.
    #[error("the signature of {name}+{id:08x} does not hold: the note was changed or forged")]
    InvalidSignature {
        /// The key's name.
        name: String,
        /// The key's id.
        id: u32,
    },
    /// None of the keys that the reader trusts has signed.
    #[error("none of the known keys has signed the note: is it signed by another log?")]
    NoKnownKey,
    /// Two of the reader's keys have the same name and id.
    #[error("two different keys are known as {name}+{id:08x}: remove one")]
    AmbiguousKey {
        /// Their name.
        name: String,
        /// Their id.
        id: u32,
    },
    /// The signing key's name is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The time of a cosignature is none.
    #[error("a cosignature cannot say the time {unix_s}")]
    Time {
        /// Seconds since 1970.
        unix_s: u64,
    },
}

/// One line under a note: who signed, and the signature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteSignature {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

impl NoteSignature {
    /// Reads a line, without its newline.
    fn parse(line: &str) -> Option<Self> {
        let (name, text) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let bytes = base64::decode(text)?;
        let (id, signature) = bytes.split_first_chunk::<KEY_ID_BYTES>()?;
        let is_one = is_name(name) && !signature.is_empty();
        is_one.then(|| Self {
            name: name.to_owned(),
            id: u32::from_be_bytes(*id),
            bytes: signature.to_vec(),
        })
    }

    /// Reads lines of signatures, each ended by a newline, as a witness answers them.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`], [`NoteError::TooManySignatures`], [`NoteError::NoSignatures`].
    pub(crate) fn parse_lines(text: &str) -> Result<Vec<Self>, NoteError> {
        let lines = text.strip_suffix('\n').ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for (at, line) in lines.split('\n').enumerate() {
            if signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let signature = Self::parse(line).ok_or(NoteError::SignatureLine { line: at + 1 })?;
            signatures.push(signature);
        }
        Ok(signatures)
    }

    /// Signs the text of a checkpoint together with a time.
    pub(crate) fn cosign(text: &str, signer: &dyn Signer, unix_s: u64) -> Result<Self, NoteError> {
        if !is_cosignature_time(unix_s) {
            return Err(NoteError::Time { unix_s });
        }
        let key = VerifierKey::of_witness(signer)?;
        let signature = signer.sign(cosigned_message(text, unix_s).as_bytes())?;
        let bytes = unix_s.to_be_bytes().iter().chain(&signature).copied().collect();
        Ok(Self { name: key.name().to_owned(), id: key.id(), bytes })
    }

    /// The name of the key that claims to have signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of that key.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The signature without the key's id.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_by(&self, key: &VerifierKey) -> bool {
        self.id == key.id() && self.name == key.name()
    }
}

impl fmt::Display for NoteSignature {
    /// The line, with its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.id.to_be_bytes().iter().chain(&self.bytes).copied().collect();
        writeln!(f, "{SIGNATURE_PREFIX}{} {}", self.name, base64::encode(&bytes))
    }
}

/// A key that has signed a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'k> {
    /// The key.
    pub key: &'k VerifierKey,
    /// When it cosigned, in seconds since 1970; plain signatures do not say.
    pub unix_s: Option<u64>,
}

/// A text with signatures that nobody has verified yet.
///
/// ```
/// # use bartizan_ledger::tlog::{Note, VerifierKey};
/// let key: VerifierKey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k".parse()?;
/// let text = "This is an example message.\n\n\u{2014} example.com/foo \
///     Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
/// let note = Note::parse(text.as_bytes())?;
/// let keys = [key];
/// assert_eq!(note.verify(&keys)?[0].key.name(), "example.com/foo");
/// assert_eq!(note.to_string(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: [C2SP signed-note](https://c2sp.org/signed-note).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Invariant: ends with a newline, has no other control character.
    text: String,
    /// Invariant: at most [`NOTE_SIGNATURES_MAX`].
    signatures: Vec<NoteSignature>,
}

/// Refuses what no note may hold.
fn check_text(text: &str) -> Result<(), NoteError> {
    let control = text.bytes().position(|byte| byte < b' ' && byte != b'\n');
    control.map_or(Ok(()), |at| Err(NoteError::Control { at }))
}

impl Note {
    /// A note that nobody has signed yet.
    ///
    /// # Errors
    /// [`NoteError::Unended`], [`NoteError::Control`], [`NoteError::TooLong`].
    pub fn unsigned(text: String) -> Result<Self, NoteError> {
        if NOTE_BYTES_MAX < text.len() {
            return Err(NoteError::TooLong { n_bytes: text.len() });
        }
        check_text(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::Unended);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note. It verifies no signature.
    ///
    /// # Errors
    /// [`NoteError`], which says what is wrong and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if NOTE_BYTES_MAX < bytes.len() {
            return Err(NoteError::TooLong { n_bytes: bytes.len() });
        }
        let all = std::str::from_utf8(bytes)
            .map_err(|error| NoteError::Encoding { at: error.valid_up_to() })?;
        check_text(all)?;
        // The last empty line counts: the text may have some of its own.
        let (text, signatures) = all.rsplit_once(SEPARATOR).ok_or(NoteError::NoSignatures)?;
        let signatures = NoteSignature::parse_lines(signatures)?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, verified or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Signs the text. An earlier signature of the same key is replaced.
    ///
    /// # Errors
    /// [`NoteError::Key`] if the signer's name is none, [`NoteError::Sign`] if it cannot sign, [`NoteError::TooManySignatures`].
    pub fn sign(&mut self, signer: &dyn Signer) -> Result<(), NoteError> {
        let key = VerifierKey::of_log(signer)?;
        let bytes = signer.sign(self.text.as_bytes())?.to_vec();
        self.put(NoteSignature { name: key.name().to_owned(), id: key.id(), bytes })
    }

    /// Adds a signature; an earlier one of the same key is replaced.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`].
    pub fn put(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        self.signatures.retain(|old| (&old.name, old.id) != (&signature.name, signature.id));
        if self.signatures.len() == NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// The same text with only the first signature of each of these keys that can be verified here.
    pub(crate) fn only(&self, keys: &[VerifierKey]) -> Self {
        let first = |key: &VerifierKey| {
            let mut signatures = self.signatures.iter();
            signatures.find(|signature| signature.is_by(key)).cloned()
        };
        let known = keys.iter().filter(|key| !matches!(key.kind(), KeyKind::Other(_)));
        Self { text: self.text.clone(), signatures: known.filter_map(first).collect() }
    }

    /// Tells which of `keys` have signed, each once, in the order of their signatures. Signatures of other keys, and of kinds that
    /// cannot be verified here, are ignored.
    ///
    /// # Errors
    /// [`NoteError::InvalidSignature`] if a signature under the name and id of one of `keys` does not hold,
    /// [`NoteError::NoKnownKey`] if there is none, [`NoteError::AmbiguousKey`] if two of `keys` claim the same signature.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, NoteError> {
        let mut found: Vec<Signed<'k>> = Vec::new();
        for signature in &self.signatures {
            let mut known = keys.iter().filter(|key| signature.is_by(key));
            let Some(key) = known.next() else { continue };
            let (name, id) = (signature.name.clone(), signature.id);
            if known.any(|other| other != key) {
                return Err(NoteError::AmbiguousKey { name, id });
            }
            if matches!(key.kind(), KeyKind::Other(_)) {
                continue;
            }
            // Every line is checked, also the second one of a key: a note with a forged line in it is not worth reading.
            let Some(held) = key.check(&self.text, &signature.bytes) else {
                return Err(NoteError::InvalidSignature { name, id });
            };
            if found.iter().all(|signed| signed.key != key) {
                found.push(Signed { key, unix_s: held.unix_s });
            }
        }
        if found.is_empty() { Err(NoteError::NoKnownKey) } else { Ok(found) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::testing::{Key, key};
    use proptest::prelude::*;

    // From the tests of golang.org/x/mod/sumdb/note, whose keys are public.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const PETER_SEED: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
    const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const PETER_SAID: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const ENOCH_SAID: &str = "\u{2014} EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn verify(text: &str, keys: &[&str]) -> Result<Vec<String>, NoteError> {
        let keys: Vec<VerifierKey> = keys.iter().map(|key| key.parse().unwrap()).collect();
        let note = Note::parse(text.as_bytes())?;
        assert_eq!(note.to_string(), text, "what was read is printed the same");
        Ok(note.verify(&keys)?.iter().map(|signed| signed.key.name().to_owned()).collect())
    }

    fn invalid(name: &str, id: u32) -> NoteError {
        NoteError::InvalidSignature { name: name.to_owned(), id }
    }

    #[test]
    fn signatures_count_as_in_go() {
        let forged = ENOCH_SAID.replace("5n2tiOHp", "5nABCD2tiOHp");
        let (peter, enoch) = ("PeterNeumann".to_owned(), "EnochRoot".to_owned());
        let both = format!("{TEXT}\n{PETER_SAID}{ENOCH_SAID}");
        let cases = [
            ("one known", both.clone(), vec![PETER], Ok(vec![peter.clone()])),
            ("both known", both.clone(), vec![PETER, ENOCH], Ok(vec![peter.clone(), enoch])),
            ("none known", both, vec![], Err(NoteError::NoKnownKey)),
            (
                "forged, known",
                format!("{TEXT}\n{PETER_SAID}{forged}"),
                vec![PETER, ENOCH],
                Err(invalid("EnochRoot", 0xaf0c_fe78)),
            ),
            (
                "forged, unknown",
                format!("{TEXT}\n{PETER_SAID}{forged}"),
                vec![PETER],
                Ok(vec![peter.clone()]),
            ),
            (
                "repeated",
                format!("{TEXT}\n{PETER_SAID}{PETER_SAID}{ENOCH_SAID}{ENOCH_SAID}{forged}"),
                vec![PETER],
                Ok(vec![peter.clone()]),
            ),
            (
                "good then forged",
                format!("{TEXT}\n{ENOCH_SAID}{forged}"),
                vec![ENOCH],
                Err(invalid("EnochRoot", 0xaf0c_fe78)),
            ),
            (
                "another text",
                format!("{}\n{PETER_SAID}", TEXT.replace("answer", "question")),
                vec![PETER],
                Err(invalid("PeterNeumann", 0xc74f_20a3)),
            ),
            (
                "another name",
                format!("{TEXT}\n{}", PETER_SAID.replace("PeterNeumann", "CarmenSandiego")),
                vec![PETER],
                Err(NoteError::NoKnownKey),
            ),
            (
                "another id",
                format!("{TEXT}\n{}", PETER_SAID.replace("x08g", "xxxx")),
                vec![PETER],
                Err(NoteError::NoKnownKey),
            ),
            (
                "the same key twice",
                format!("{TEXT}\n{PETER_SAID}"),
                vec![PETER, PETER],
                Ok(vec![peter]),
            ),
        ];
        for (name, text, keys, want) in cases {
            assert_eq!(verify(&text, &keys), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let good = format!("{TEXT}\n{PETER_SAID}");
        let line = |line| NoteError::SignatureLine { line };
        let cases = [
            ("no separator", TEXT.to_owned(), NoteError::NoSignatures),
            ("no signatures", format!("{TEXT}\n"), NoteError::NoSignatures),
            ("no last newline", good.trim_end().to_owned(), NoteError::NoSignatures),
            ("control character", format!("\u{1}{good}"), NoteError::Control { at: 0 }),
            ("carriage return", good.replace(",\n", ",\r\n"), NoteError::Control { at: 56 }),
            (
                "tab in the signature",
                good.replace("\u{2014} ", "\u{2014}\t"),
                NoteError::Control { at: TEXT.len() + 4 },
            ),
            ("bad name", good.replace("PeterNeumann", "Peter+Neumann"), line(1)),
            ("no name", good.replace(" PeterNeumann", " "), line(1)),
            ("space in the name", good.replace("PeterNeumann", "Peter\u{2003}Neumann"), line(1)),
            ("hyphen for the dash", good.replace('\u{2014}', "-"), line(1)),
            ("no base64", good.replace("x08go", "x08g_"), line(1)),
            ("base64 with loose bits", good.replace("nAM=", "nAN="), line(1)),
            ("base64 without padding", good.replace("nAM=", "nAM"), line(1)),
            ("two spaces", good.replace(" x08", "  x08"), line(1)),
            ("something after it", good.replace("nAM=\n", "nAM= \n"), line(1)),
            ("only an id", format!("{TEXT}\n\u{2014} PeterNeumann x08gow==\n"), line(1)),
            ("less than an id", format!("{TEXT}\n\u{2014} PeterNeumann x08g\n"), line(1)),
            ("another line", format!("{good}Unexpected line.\n"), line(2)),
            ("empty line at the end", format!("{good}\n"), NoteError::NoSignatures),
        ];
        for (name, text, want) in cases {
            assert_eq!(verify(&text, &[PETER]), Err(want), "{name}");
        }
        let not_text = [good.as_bytes(), &[0xff]].concat();
        assert_eq!(Note::parse(&not_text), Err(NoteError::Encoding { at: good.len() }));
        assert_eq!(Note::unsigned("abc".to_owned()), Err(NoteError::Unended));
        assert_eq!(Note::unsigned("a\u{0}\n".to_owned()), Err(NoteError::Control { at: 1 }));
    }

    #[test]
    fn limits_are_met_exactly() {
        let with = |n| format!("{TEXT}\n{}", PETER_SAID.repeat(n));
        assert!(verify(&with(NOTE_SIGNATURES_MAX), &[PETER]).is_ok());
        assert_eq!(
            verify(&with(NOTE_SIGNATURES_MAX + 1), &[PETER]),
            Err(NoteError::TooManySignatures)
        );
        let fill = NOTE_BYTES_MAX - PETER_SAID.len() - 2;
        let text = format!("{}\n\n{ENOCH_SAID}", "x".repeat(fill));
        let long = NOTE_BYTES_MAX - PETER_SAID.len() + ENOCH_SAID.len();
        assert!(long <= NOTE_BYTES_MAX && text.len() == long);
        let pad = "x".repeat(NOTE_BYTES_MAX - long);
        assert!(Note::parse(format!("{pad}{text}").as_bytes()).is_ok());
        let n_bytes = NOTE_BYTES_MAX + 1;
        let error = Note::parse(format!("{pad}x{text}").as_bytes()).unwrap_err();
        assert_eq!(error, NoteError::TooLong { n_bytes });
        assert_eq!(Note::unsigned("x".repeat(n_bytes)), Err(NoteError::TooLong { n_bytes }));
        let mut note = Note::parse(with(NOTE_SIGNATURES_MAX).as_bytes()).unwrap();
        assert_eq!(note.sign(&key("me", 1)), Err(NoteError::TooManySignatures));
    }

    #[test]
    fn signing_gives_the_published_bytes_and_replaces() {
        let seed = base64::decode_array(PETER_SEED).unwrap();
        let peter = Key::new("PeterNeumann", seed);
        let mut note = Note::unsigned(TEXT.to_owned()).unwrap();
        note.sign(&peter).unwrap();
        note.sign(&peter).unwrap();
        assert_eq!(note.to_string(), format!("{TEXT}\n{PETER_SAID}"));
        assert_eq!(VerifierKey::of_log(&peter).unwrap().to_string(), PETER);
        let bad = Key::new("bad name", seed);
        assert_eq!(note.sign(&bad), Err(NoteError::Key(KeyError::Name)));
        let mute = Key::new("mute", seed).mute();
        assert!(matches!(note.sign(&mute), Err(NoteError::Sign(_))));
        assert_eq!(note.signatures().len(), 1);
    }

    #[test]
    fn the_example_with_empty_lines_in_its_text() {
        let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \u{e8} subito sera.\n";
        let line = "\u{2014} quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let note = Note::parse(format!("{text}\n{line}").as_bytes()).unwrap();
        assert_eq!(note.text(), text);
        assert_eq!(note.signatures()[0].name(), "quasimodo.example/salvatore");
        assert_eq!(note.signatures()[0].bytes().len(), 64);
    }

    #[test]
    fn keys_of_other_kinds_are_ignored_and_clashing_ones_are_not() {
        let other = "PeterNeumann+c74f20a3+Bhpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let text = format!("{TEXT}\n{PETER_SAID}");
        assert_eq!(verify(&text, &[other]), Err(NoteError::NoKnownKey));
        let name = "PeterNeumann".to_owned();
        let clash = NoteError::AmbiguousKey { name, id: 0xc74f_20a3 };
        assert_eq!(verify(&text, &[PETER, other]), Err(clash));
    }

    proptest! {
        /// What parses prints to the same bytes, whatever it is.
        #[test]
        fn one_text_for_one_note(text in "(a|\n|\u{2014} n x08go/ZJ\n|\u{2014} n x08go/ZK=\n|\u{2014}| n|=){0,12}") {
            if let Ok(note) = Note::parse(text.as_bytes()) {
                prop_assert_eq!(note.to_string(), text);
            }
        }

        /// A signature holds for its text and its key, and for nothing else.
        #[test]
        fn signatures_hold_for_one_text(text in "[a-z\n]{0,40}", seed in 0..4_u8, at in any::<prop::sample::Index>(), bit in 0..8) {
            let signer = key("log", seed);
            let mut note = Note::unsigned(format!("{text}\n")).unwrap();
            note.sign(&signer).unwrap();
            let keys = [VerifierKey::of_log(&signer).unwrap()];
            let mut bytes = note.to_string().into_bytes();
            prop_assert_eq!(Note::parse(&bytes).unwrap().verify(&keys).unwrap()[0].key, &keys[0]);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(Note::parse(&bytes).and_then(|note| note.verify(&keys).map(|_| ())).is_err());
        }
    }
}
