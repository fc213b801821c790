//! Checkpoints: a log's name, its size and its root, as the text of a note.
use super::key::VerifierKey;
use super::lines::{decimal, hash, hash_text};
use super::note::{Note, NoteError, NoteSignature, Signed};
use bartizan_core::digest::Digest;
use bartizan_core::sign::Signer;
use std::fmt;

/// Largest tree: what a signed number of 64 bits holds, because other readers of these formats use one.
pub const SIZE_MAX: u64 = (1 << 63) - 1;
/// Most extension lines of a checkpoint.
pub const EXTENSION_LINES_MAX: usize = 32;

/// Why a text is not a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around it is none.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A line that must stand there does not.
    #[error("a checkpoint has an origin, a size and a root: line {line} is missing")]
    MissingLine {
        /// Which one, from 1.
        line: usize,
    },
    /// The first line is no origin.
    #[error("the origin of a checkpoint is one line that is not empty")]
    Origin,
    /// The second line is no size.
    #[error("the size is not a decimal number up to {SIZE_MAX} without leading zeroes")]
    Size,
    /// The third line is no hash.
    #[error("the root is not the canonical base64 of 32 bytes")]
    Root,
    /// An extension line is empty, or spans several.
    #[error("extension line {line} is empty or has a control character")]
    Extension {
        /// Which one, from 1.
        line: usize,
    },
    /// There are too many extension lines.
    #[error("the checkpoint has more than {EXTENSION_LINES_MAX} extension lines")]
    TooManyExtensions,
    /// The log's key has another name than the log.
    #[error("the key {key} cannot sign for {origin}: a log's key is named as the log is")]
    KeyName {
        /// The key's name.
        key: String,
        /// The checkpoint's origin.
        origin: String,
    },
}

/// What a log says of itself at one moment.
///
/// Source: [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Digest,
    extensions: Vec<String>,
}

/// Whether a text can stand as a line of its own, such as an extension.
pub(crate) fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.bytes().any(|byte| byte < b' ')
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`], [`CheckpointError::Size`].
    pub fn new(origin: &str, size: u64, root: Digest) -> Result<Self, CheckpointError> {
        if !is_line(origin) {
            return Err(CheckpointError::Origin);
        }
        if SIZE_MAX < size {
            return Err(CheckpointError::Size);
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions: Vec::new() })
    }

    /// The same checkpoint with these extension lines. The formats advise against them: nobody audits what they say.
    ///
    /// # Errors
    /// [`CheckpointError::Extension`], [`CheckpointError::TooManyExtensions`].
    pub fn with_extensions(mut self, lines: Vec<String>) -> Result<Self, CheckpointError> {
        if EXTENSION_LINES_MAX < lines.len() {
            return Err(CheckpointError::TooManyExtensions);
        }
        if let Some(at) = lines.iter().position(|line| !is_line(line)) {
            return Err(CheckpointError::Extension { line: at + 1 });
        }
        self.extensions = lines;
        Ok(self)
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError`], which names the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(NoteError::Unended)?;
        let mut lines = text.split('\n');
        let mut next = |line| lines.next().ok_or(CheckpointError::MissingLine { line });
        let (origin, size, root) = (next(1)?, next(2)?, next(3)?);
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let root = hash(root).ok_or(CheckpointError::Root)?;
        let extensions = lines.take(EXTENSION_LINES_MAX + 1).map(str::to_owned).collect();
        Self::new(origin, size, root)?.with_extensions(extensions)
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root over the leaves.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// What else the log says, unaudited.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs it as the log. Who signs must never have signed another root for this size, nor a tree that this one does not extend.
    ///
    /// # Errors
    /// [`CheckpointError::KeyName`] if the signer is not named as the log is, [`CheckpointError::Note`] if it cannot sign.
    pub fn sign(self, signer: &dyn Signer) -> Result<SignedCheckpoint, CheckpointError> {
        if signer.name() != self.origin {
            let (key, origin) = (signer.name().to_owned(), self.origin);
            return Err(CheckpointError::KeyName { key, origin });
        }
        let mut note = Note::unsigned(self.to_string())?;
        note.sign(signer)?;
        Ok(SignedCheckpoint { checkpoint: self, note })
    }
}

impl fmt::Display for Checkpoint {
    /// The text that is signed, with its last newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, hash_text(&self.root))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint with its signatures and cosignatures, none of them verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    /// Invariant: its text is that of `checkpoint`.
    note: Note,
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint. It verifies no signature.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        Ok(Self { checkpoint: Checkpoint::parse(note.text())?, note })
    }

    /// What was signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note: text and signatures.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Tells which of `keys` have signed or cosigned: [`Note::verify`].
    ///
    /// # Errors
    /// Those of [`Note::verify`].
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<Signed<'k>>, NoteError> {
        self.note.verify(keys)
    }

    /// Cosigns it as a witness, at a time in seconds since 1970. Only a witness that has checked the log's consistency may do so.
    ///
    /// # Errors
    /// [`NoteError::Time`] if the time is 0 or cannot be written, [`NoteError::Key`], [`NoteError::Sign`].
    ///
    /// Source: [C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature).
    pub fn cosign(&self, signer: &dyn Signer, unix_s: u64) -> Result<NoteSignature, NoteError> {
        NoteSignature::cosign(self.note.text(), signer, unix_s)
    }

    /// Adds a cosignature; an earlier one of the same key is replaced.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`].
    pub fn put(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        self.note.put(signature)
    }

    /// The same checkpoint with only the signatures of these keys.
    pub(crate) fn only(&self, keys: &[VerifierKey]) -> Self {
        Self { checkpoint: self.checkpoint.clone(), note: self.note.only(keys) }
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::sha256;
    use crate::tlog::testing::key;
    use proptest::prelude::*;

    const BODY: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    // The example of tlog-cosignature; its keys are not published.
    const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

    #[test]
    fn the_published_example_is_read_and_printed() {
        let signed = SignedCheckpoint::parse(EXAMPLE.as_bytes()).unwrap();
        let checkpoint = signed.checkpoint();
        assert_eq!(
            (checkpoint.origin(), checkpoint.size()),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(checkpoint.to_string(), BODY);
        assert_eq!(signed.to_string(), EXAMPLE);
        let cosignature = &signed.note().signatures()[1];
        let (time, signature) = cosignature.bytes().split_first_chunk::<8>().unwrap();
        assert_eq!((u64::from_be_bytes(*time), signature.len()), (1_679_315_147, 64));
    }

    #[test]
    fn what_is_no_checkpoint_is_named() {
        let extended = |n| format!("{BODY}{}", "more\n".repeat(n));
        let cases = [
            ("nothing", String::new(), CheckpointError::Note(NoteError::Unended)),
            ("no end", BODY.trim_end().to_owned(), CheckpointError::Note(NoteError::Unended)),
            ("one line", "a\n".to_owned(), CheckpointError::MissingLine { line: 2 }),
            ("two lines", "a\n1\n".to_owned(), CheckpointError::MissingLine { line: 3 }),
            ("no origin", BODY.replace("example.com/behind-the-sofa", ""), CheckpointError::Origin),
            ("leading zero", BODY.replace("20852163", "020852163"), CheckpointError::Size),
            ("negative", BODY.replace("20852163", "-1"), CheckpointError::Size),
            ("empty size", BODY.replace("20852163", ""), CheckpointError::Size),
            (
                "one too large",
                BODY.replace("20852163", "9223372036854775808"),
                CheckpointError::Size,
            ),
            ("short root", BODY.replace("CsUY", ""), CheckpointError::Root),
            ("long root", BODY.replace("CsUY", "CsUYCsUY"), CheckpointError::Root),
            ("loose bits", BODY.replace("q2I=", "q2J="), CheckpointError::Root),
            ("empty extension", format!("{BODY}\n"), CheckpointError::Extension { line: 1 }),
            ("second is empty", format!("{BODY}a\n\n"), CheckpointError::Extension { line: 2 }),
            ("too many", extended(EXTENSION_LINES_MAX + 1), CheckpointError::TooManyExtensions),
        ];
        for (name, text, want) in cases {
            assert_eq!(Checkpoint::parse(&text), Err(want), "{name}");
        }
        let most = extended(EXTENSION_LINES_MAX);
        assert_eq!(Checkpoint::parse(&most).unwrap().to_string(), most);
        let largest = BODY.replace("20852163", "9223372036854775807");
        assert_eq!(Checkpoint::parse(&largest).unwrap().to_string(), largest);
        for origin in ["", "a\nb", "a\tb"] {
            let made = Checkpoint::new(origin, 0, sha256(&[]));
            assert_eq!(made, Err(CheckpointError::Origin), "{origin:?}");
        }
    }

    fn signed() -> SignedCheckpoint {
        let checkpoint = Checkpoint::new("example.com/log", 0, sha256(&[])).unwrap();
        checkpoint.sign(&key("example.com/log", 1)).unwrap()
    }

    #[test]
    fn a_log_signs_for_itself_only() {
        let checkpoint = signed().checkpoint().clone();
        let error = checkpoint.sign(&key("example.com/other", 1)).unwrap_err();
        assert!(matches!(error, CheckpointError::KeyName { .. }), "{error}");
    }

    #[test]
    fn cosignatures_hold_for_their_time_and_text() {
        let mut signed = signed();
        let (log, witness) = (key("example.com/log", 1), key("witness.example/w1", 2));
        for unix_s in [0, 1 << 63] {
            assert_eq!(signed.cosign(&witness, unix_s), Err(NoteError::Time { unix_s }));
        }
        for unix_s in [1_679_315_147, 1_679_315_148] {
            signed.put(signed.cosign(&witness, unix_s).unwrap()).unwrap();
        }
        let keys = [VerifierKey::of_log(&log).unwrap(), VerifierKey::of_witness(&witness).unwrap()];
        let parsed = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
        let found: Vec<_> =
            parsed.verify(&keys).unwrap().iter().map(|s| (s.key.name(), s.unix_s)).collect();
        assert_eq!(found, [("example.com/log", None), ("witness.example/w1", Some(1_679_315_148))]);
        assert_eq!(parsed.only(&keys[..1]).note().signatures().len(), 1);

        // A plain signature of the same key over the same text is no cosignature.
        let mut plain = parsed.note().clone();
        plain.sign(&witness).unwrap();
        let (_, ids): (Vec<_>, Vec<_>) =
            plain.signatures().iter().map(|s| (s.name(), s.id())).unzip();
        assert_eq!(ids.len(), 3, "another kind has another id");
        for (at, byte) in [(0, 1), (7, 1), (8, 1)] {
            let mut forged = parsed.clone();
            let cosignature = &parsed.note().signatures()[1];
            let mut bytes = [&cosignature.id().to_be_bytes(), cosignature.bytes()].concat();
            bytes[4 + at] ^= byte;
            let line =
                format!("\u{2014} witness.example/w1 {}\n", crate::tlog::base64::encode(&bytes));
            forged.put(NoteSignature::parse_lines(&line).unwrap().remove(0)).unwrap();
            assert!(
                matches!(forged.verify(&keys), Err(NoteError::InvalidSignature { .. })),
                "byte {at}"
            );
        }
    }

    proptest! {
        /// What parses prints to the same text, and what is made is read again.
        #[test]
        fn one_text_for_one_checkpoint(
            size in 0..=SIZE_MAX, root in any::<[u8; 32]>(), origin in "[a-z/. +]{1,9}",
            lines in prop::collection::vec("[a-z ]{1,5}", 0..3), cut in any::<prop::sample::Index>(), with in "[0a\n=]{0,2}",
        ) {
            let made = Checkpoint::new(&origin, size, Digest(root)).unwrap().with_extensions(lines).unwrap();
            let text = made.to_string();
            prop_assert_eq!(&Checkpoint::parse(&text).unwrap(), &made);
            let at = cut.index(text.len());
            let (head, tail) = text.split_at(at);
            let edited = format!("{head}{with}{tail}");
            if let Ok(read) = Checkpoint::parse(&edited) {
                prop_assert_eq!(read.to_string(), edited);
            }
        }
    }
}
