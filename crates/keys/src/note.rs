//! Keys that sign notes: checkpoints of a log, and cosignatures of a witness. Ed25519, in the text form of `golang.org/x/mod/sumdb/note`.
//!
//! ```text
//! private:  PRIVATE+KEY+<name>+<id, 8 hexadecimal digits>+<base64 of 0x01 and the 32-byte seed>
//! public:   <name>+<id, 8 hexadecimal digits>+<base64 of the algorithm and the 32-byte public key>
//! id:       the first 4 bytes of SHA-256 over name, line feed, algorithm, public key
//! ```
//!
//! Algorithm 0x01 signs notes, 0x04 cosigns them as a witness does; both are the same key used on different messages, and have different ids.
//! What the messages are is the business of whoever writes notes.
//!
//! Source: [C2SP signed-note](https://c2sp.org/signed-note), [C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature).
use crate::base64;
use crate::cipher::{expand, mac_16, mac_key, sha256_4};
use crate::file::{KeyFileError, NameError, check_name, hex_into, line};
use crate::secret::Secret;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use bartizan_core::clock::Entropy;
use bartizan_core::digest::parse_hex;
use bartizan_core::sign::{MARK_BYTES, SignError, Signer};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

const PRIVATE: &str = "PRIVATE+KEY+";
/// What the key of the marks is derived for.
const MARK_INFO: &str = "bartizan ledger mark v1";
const PRIVATE_KIND: KeyFileError =
    KeyFileError::Kind { expected: "a private note key", begins: PRIVATE };

/// What a public key's signatures are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NoteAlgorithm {
    /// Plain notes, as a log signs its checkpoints.
    Note,
    /// Cosignatures with a time, as a witness makes them.
    Cosignature,
}

impl NoteAlgorithm {
    /// The number in key files and ids.
    pub const fn code(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Note),
            4 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

/// A public key under a name: what an auditor is given. Its text form is its `Display`.
///
/// ```
/// # use bartizan_keys::VerifierKey;
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", text));
/// # Ok::<(), bartizan_keys::KeyFileError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    algorithm: NoteAlgorithm,
    public: [u8; 32],
}

impl VerifierKey {
    /// A public key under a name.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(name: &str, algorithm: NoteAlgorithm, public: [u8; 32]) -> Result<Self, NameError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), algorithm, public })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures are about.
    pub fn algorithm(&self) -> NoteAlgorithm {
        self.algorithm
    }

    /// The public key itself.
    pub fn public_key(&self) -> [u8; 32] {
        self.public
    }

    /// The four bytes before a signature that tell which key made it.
    pub fn id(&self) -> [u8; 4] {
        let mut message = Vec::with_capacity(self.name.len() + 34);
        message.extend_from_slice(self.name.as_bytes());
        message.push(b'\n');
        message.extend_from_slice(&self.tagged_key());
        sha256_4(&message)
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(message, signature).is_ok()
    }

    fn tagged_key(&self) -> [u8; 33] {
        let mut bytes = [self.algorithm.code(); 33];
        let (_, public) = bytes.split_at_mut(1);
        public.copy_from_slice(&self.public);
        bytes
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        hex_into(&self.id(), &mut text);
        text.push('+');
        base64::encode_into(&self.tagged_key(), &mut text);
        write!(f, "{}+{text}", self.name)
    }
}

impl FromStr for VerifierKey {
    type Err = KeyFileError;

    fn from_str(text: &str) -> Result<Self, KeyFileError> {
        let text = line(text.as_bytes())?;
        if text.starts_with(PRIVATE) {
            return Err(KeyFileError::Private);
        }
        let parts = Parts::of(text)?;
        let &[code, ref public @ ..] =
            parts.key.first_chunk::<33>().ok_or(KeyFileError::Material)?;
        let algorithm =
            NoteAlgorithm::from_code(code).ok_or(KeyFileError::Algorithm { algorithm: code })?;
        let key = Self { name: parts.name.to_owned(), algorithm, public: *public };
        if key.id() == parts.id { Ok(key) } else { Err(KeyFileError::Checksum) }
    }
}

/// `name+id+key`, the key decoded and 33 bytes long.
struct Parts<'a> {
    name: &'a str,
    id: [u8; 4],
    key: Zeroizing<Vec<u8>>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, KeyFileError> {
        // Base64 may hold a plus sign too, so only the first two are separators.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            let parts = text.splitn(3, '+').count();
            return Err(KeyFileError::Parts { parts, expected: 3 });
        };
        check_name(name)?;
        let id = parse_hex(id).map_err(|_| KeyFileError::Checksum)?;
        let key = base64::decode(key).filter(|key| key.len() == 33);
        Ok(Self { name, id, key: key.ok_or(KeyFileError::Material)? })
    }
}

/// A private key that signs notes, under a name.
///
/// ```
/// # use bartizan_keys::NoteKey;
/// # use bartizan_testkit::SimEntropy;
/// use bartizan_core::sign::Signer;
/// let key = NoteKey::generate("example.com/log", &SimEntropy::new(1))?;
/// let again = NoteKey::parse(key.private_text().as_bytes())?;
/// assert!(again.verifier().verifies(b"note\n", &key.sign(b"note\n")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NoteKey {
    seed: Secret<32>,
    pair: Ed25519KeyPair,
    marks: hmac::Key,
    verifier: VerifierKey,
}

impl NoteKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyFileError::Name`]; [`KeyFileError::Material`] if the provider refuses a seed, which Ed25519 never does.
    pub fn generate(name: &str, entropy: &dyn Entropy) -> Result<Self, KeyFileError> {
        Self::new(name, Secret::draw(entropy))
    }

    fn new(name: &str, seed: Secret<32>) -> Result<Self, KeyFileError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .map_err(|_| KeyFileError::Material)?;
        let marks = expand(seed.expose(), MARK_INFO).map_err(|_| KeyFileError::Material)?;
        let marks = mac_key(marks.expose());
        let public = pair.public_key().as_ref();
        let public = public.try_into().map_err(|_| KeyFileError::Material)?;
        let verifier = VerifierKey::new(name, NoteAlgorithm::Note, public)?;
        Ok(Self { seed, pair, marks, verifier })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError`], which never quotes the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let parts = Parts::of(line(bytes)?.strip_prefix(PRIVATE).ok_or(PRIVATE_KIND)?)?;
        let &[code, ref seed @ ..] = parts.key.first_chunk::<33>().ok_or(KeyFileError::Material)?;
        if code != NoteAlgorithm::Note.code() {
            return Err(KeyFileError::Algorithm { algorithm: code });
        }
        let key = Self::new(parts.name, Secret::write(|bytes| *bytes = *seed))?;
        if key.verifier.id() == parts.id { Ok(key) } else { Err(KeyFileError::Checksum) }
    }

    /// What belongs in the key file: one line and its end.
    pub fn private_text(&self) -> Zeroizing<String> {
        let name = &self.verifier.name;
        // The capacity is enough, so that no copy stays behind when the string grows.
        let mut text = Zeroizing::new(String::with_capacity(PRIVATE.len() + name.len() + 64));
        text.push_str(PRIVATE);
        text.push_str(name);
        text.push('+');
        hex_into(&self.verifier.id(), &mut text);
        text.push('+');
        let mut tagged = Zeroizing::new([NoteAlgorithm::Note.code(); 33]);
        let (_, seed) = tagged.split_at_mut(1);
        seed.copy_from_slice(self.seed.expose());
        base64::encode_into(tagged.as_slice(), &mut text);
        text.push('\n');
        text
    }

    /// The public key, for notes.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The public key, for cosignatures of a witness.
    #[must_use]
    pub fn cosigner(&self) -> VerifierKey {
        VerifierKey { algorithm: NoteAlgorithm::Cosignature, ..self.verifier.clone() }
    }
}

impl Signer for NoteKey {
    fn name(&self) -> &str {
        &self.verifier.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.verifier.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let refused = || SignError {
            name: self.verifier.name.clone(),
            reason: "the cryptographic module refused".to_owned(),
        };
        let signature = self.pair.try_sign(message).map_err(|_| refused())?;
        signature.as_ref().try_into().map_err(|_| refused())
    }

    fn mark(&self, message: &[u8]) -> [u8; MARK_BYTES] {
        mac_16(&self.marks, message)
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoteKey")
            .field("verifier", &self.verifier.to_string())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::SimEntropy;
    use proptest::prelude::*;

    /// The pair in the documentation and tests of golang.org/x/mod/sumdb/note.
    const PRIVATE_TEXT: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC_TEXT: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_pair_of_the_go_documentation_is_read_and_written() {
        let key = NoteKey::parse(PRIVATE_TEXT.as_bytes()).unwrap();
        assert_eq!(key.private_text().as_str(), format!("{PRIVATE_TEXT}\n"));
        assert_eq!(key.verifier().to_string(), PUBLIC_TEXT);
        assert_eq!(&PUBLIC_TEXT.parse::<VerifierKey>().unwrap(), key.verifier());
        // The signature in Go's example over the text of its note.
        let note = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
        let line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let bytes = base64::decode(line).unwrap();
        let (id, signature) = bytes.split_first_chunk::<4>().unwrap();
        assert_eq!(*id, key.verifier().id());
        let signature: &[u8; 64] = signature.try_into().unwrap();
        assert_eq!(&key.sign(note.as_bytes()).unwrap(), signature);
        assert!(key.verifier().verifies(note.as_bytes(), signature));
        assert!(!key.verifier().verifies(b"another text\n", signature));
    }

    #[test]
    fn a_cosigner_is_the_same_key_under_another_id() {
        let key = NoteKey::parse(PRIVATE_TEXT.as_bytes()).unwrap();
        let cosigner = key.cosigner();
        assert_eq!(cosigner.public_key(), key.public_key());
        assert_ne!(cosigner.id(), key.verifier().id());
        assert_eq!(cosigner.to_string().parse::<VerifierKey>().unwrap(), cosigner);
    }

    #[test]
    fn a_mark_is_the_one_that_everybody_with_the_key_computes() {
        let key = NoteKey::parse(PRIVATE_TEXT.as_bytes()).unwrap();
        // HMAC-SHA256 under HKDF-Expand of the seed, cut to 16 bytes; computed with Python's hmac module.
        assert_eq!(hex(&key.mark(b"a group of leaves")), "7acd42ebfe5a8a6c959f6354814b6136");
        assert_ne!(key.mark(b"a group of leaves"), key.mark(b"a group of leavez"));
        let other = NoteKey::generate("PeterNeumann", &SimEntropy::new(1)).unwrap();
        assert_ne!(other.mark(b"a group of leaves"), key.mark(b"a group of leaves"));
    }

    fn hex(bytes: &[u8]) -> String {
        let mut text = String::new();
        hex_into(bytes, &mut text);
        text
    }

    #[test]
    fn bad_private_files_are_told_and_never_quoted() {
        let parts = |parts| KeyFileError::Parts { parts, expected: 3 };
        let cases = [
            ("public key", PUBLIC_TEXT.to_owned(), PRIVATE_KIND),
            ("other prefix", PRIVATE_TEXT.to_lowercase(), PRIVATE_KIND),
            ("no key", "PRIVATE+KEY+PeterNeumann+c74f20a3".to_owned(), parts(2)),
            ("nothing", PRIVATE.to_owned(), parts(1)),
            ("no name", PRIVATE_TEXT.replace("PeterNeumann", ""), NameError::Empty.into()),
            ("a space", PRIVATE_TEXT.replace("rN", "r N"), NameError::Character.into()),
            ("other name", PRIVATE_TEXT.replace("Peter", "Pater"), KeyFileError::Checksum),
            ("other id", PRIVATE_TEXT.replace("c74f", "c74e"), KeyFileError::Checksum),
            ("id is no number", PRIVATE_TEXT.replace("c74f", "c74g"), KeyFileError::Checksum),
            ("typo", PRIVATE_TEXT.replace("FGyN", "FGyM"), KeyFileError::Checksum),
            ("cut short", PRIVATE_TEXT.replace("XHKDFz", ""), KeyFileError::Material),
            ("a letter short", PRIVATE_TEXT.replace("KDFz", "KDF"), KeyFileError::Material),
            ("longer", format!("{PRIVATE_TEXT}AAAA"), KeyFileError::Material),
            (
                "witness",
                PRIVATE_TEXT.replace("AYEK", "BIEK"),
                KeyFileError::Algorithm { algorithm: 4 },
            ),
            ("two keys", format!("{PRIVATE_TEXT}\n{PRIVATE_TEXT}\n"), KeyFileError::NotOneLine),
        ];
        for (name, text, want) in cases {
            let error = NoteKey::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, want, "{name}");
            let told = format!("{error} {error:?}");
            assert!(!told.contains("FGyN") && !told.contains("AYEK"), "{name}: {told}");
        }
    }

    #[test]
    fn bad_public_keys_are_told() {
        let cases = [
            ("private key", PRIVATE_TEXT.to_owned(), KeyFileError::Private),
            ("typo", PUBLIC_TEXT.replace("QcUP", "QcUQ"), KeyFileError::Checksum),
            (
                "algorithm",
                PUBLIC_TEXT.replace("ARpc", "Ahpc"),
                KeyFileError::Algorithm { algorithm: 2 },
            ),
            ("cut", PUBLIC_TEXT.replace("10TW", ""), KeyFileError::Material),
            ("empty", String::new(), KeyFileError::NotOneLine),
        ];
        for (name, text, want) in cases {
            assert_eq!(text.parse::<VerifierKey>(), Err(want), "{name}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let key = NoteKey::parse(PRIVATE_TEXT.as_bytes()).unwrap();
        let printed = format!("{key:?}{key:#?}");
        assert!(printed.contains(PUBLIC_TEXT) && !printed.contains("AYEKFAL"), "{printed}");
        assert!(!printed.contains("seed"), "{printed}");
    }

    proptest! {
        /// A generated key survives its file, and other keys do not accept its signatures.
        #[test]
        fn files_keep_keys(seed: u64, name in "[a-z./-]{1,40}", message: Vec<u8>) {
            let key = NoteKey::generate(&name, &SimEntropy::new(seed)).unwrap();
            let again = NoteKey::parse(key.private_text().as_bytes()).unwrap();
            let signature = again.sign(&message).unwrap();
            prop_assert!(key.verifier().verifies(&message, &signature));
            let other = NoteKey::generate(&name, &SimEntropy::new(seed ^ 1)).unwrap();
            prop_assert!(!other.verifier().verifies(&message, &signature));
        }

        /// Whatever the bytes, there is an answer.
        #[test]
        fn hostile_files_are_answered(text in "(PRIVATE\\+KEY\\+)?[a-z+]{0,9}\\+?[0-9a-f]{0,9}\\+?[A-Za-z0-9+/=]{0,48}") {
            prop_assert!(NoteKey::parse(text.as_bytes()).is_err());
            prop_assert!(text.parse::<VerifierKey>().is_err());
        }
    }
}
