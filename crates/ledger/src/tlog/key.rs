//! Verifier keys: the public half that a reader configures, with its name.
use super::base64;
use crate::merkle::sha256_of;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use bartizan_core::digest::parse_hex;
use bartizan_core::sign::Signer;
use std::fmt;
use std::str::FromStr;

/// Most bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 1 << 10;
/// Most bytes of a verifier key's text. A post-quantum key of 1,312 bytes takes 1.8 KiB.
pub const KEY_BYTES_MAX: usize = 8 << 10;
/// Latest moment that a cosignature can carry.
const UNIX_S_MAX: u64 = (1 << 63) - 1;
const SIGNATURE_BYTES: usize = 64;
const TIMESTAMP_BYTES: usize = 8;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// Ed25519 over the text of a note.
    Ed25519,
    /// Ed25519 over a header with a timestamp and the text of a checkpoint: `cosignature/v1`.
    CosignatureV1,
    /// A type that this build cannot verify. Its signatures are kept and never counted.
    Other(u8),
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
            Self::Other(byte) => byte,
        }
    }

    const fn of(byte: u8) -> Self {
        match byte {
            0x01 => Self::Ed25519,
            0x04 => Self::CosignatureV1,
            _ => Self::Other(byte),
        }
    }
}

/// Why a text is not a verifier key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is too much of it.
    #[error("the verifier key has {n_bytes} bytes, at most {KEY_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// It has not the three parts of a verifier key.
    #[error("a verifier key is written name+hash+base64")]
    Shape,
    /// The name is not one.
    #[error(
        "a key's name has 1 to {KEY_NAME_BYTES_MAX} bytes and no space, no plus sign and no control character"
    )]
    Name,
    /// The id is not eight lower-case hexadecimal digits.
    #[error("the key id of {name} is not eight lower-case hexadecimal digits")]
    Id {
        /// The key's name.
        name: String,
    },
    /// The key material is not canonical base64 of a type and a key.
    #[error("the key material of {name} is not canonical base64 of a signature type and a key")]
    Material {
        /// The key's name.
        name: String,
    },
    /// The key material has the wrong length for its type.
    #[error("an Ed25519 key has 32 bytes, that of {name} has {n_bytes}")]
    Length {
        /// The key's name.
        name: String,
        /// What was found.
        n_bytes: usize,
    },
    /// Name, id and key do not belong together.
    #[error("the id of {name} is {said:08x} but its key gives {real:08x}: a character was changed")]
    Mismatch {
        /// The key's name.
        name: String,
        /// The id in the text.
        said: u32,
        /// The id that follows from name and key.
        real: u32,
    },
}

/// Whether this can be the name of a key.
pub(crate) fn is_name(name: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    !name.is_empty() && name.len() <= KEY_NAME_BYTES_MAX && !name.contains(is_bad)
}

/// A public key with the name under which it signs.
///
/// ```
/// # use bartizan_ledger::tlog::{KeyKind, VerifierKey};
/// let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
/// let key: VerifierKey = text.parse()?;
/// assert_eq!((key.name(), key.id(), key.kind()), ("example.com/foo", 0x530d_903a, KeyKind::Ed25519));
/// assert_eq!(key.to_string(), text);
/// # Ok::<(), bartizan_ledger::tlog::KeyError>(())
/// ```
///
/// Source: [C2SP signed-note](https://c2sp.org/signed-note#verifier-keys).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    id: u32,
    kind: KeyKind,
    public: Vec<u8>,
}

/// A signature that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// When it was made, if it says so.
    pub(crate) unix_s: Option<u64>,
}

/// The text that a cosignature signs.
///
/// Source: [C2SP tlog-cosignature](https://c2sp.org/tlog-cosignature#ed25519-signed-message).
pub(crate) fn cosigned_message(text: &str, unix_s: u64) -> String {
    format!("cosignature/v1\ntime {unix_s}\n{text}")
}

/// Whether a cosignature can say this time.
pub(crate) fn is_cosignature_time(unix_s: u64) -> bool {
    0 < unix_s && unix_s <= UNIX_S_MAX
}

impl VerifierKey {
    /// An Ed25519 key that signs notes.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn ed25519(name: &str, public_key: [u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, KeyKind::Ed25519, public_key)
    }

    /// An Ed25519 key that cosigns checkpoints.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn cosignature(name: &str, public_key: [u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, KeyKind::CosignatureV1, public_key)
    }

    /// The key with which `signer` signs notes.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn of_log(signer: &dyn Signer) -> Result<Self, KeyError> {
        Self::ed25519(signer.name(), signer.public_key())
    }

    /// The key with which `signer` cosigns checkpoints.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn of_witness(signer: &dyn Signer) -> Result<Self, KeyError> {
        Self::cosignature(signer.name(), signer.public_key())
    }

    fn new(name: &str, kind: KeyKind, public: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let id = key_id(name, kind, &public);
        Ok(Self { name: name.to_owned(), id, kind, public: public.to_vec() })
    }

    /// The name under which it signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The short id that a signature carries.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key's bytes, 32 for the kinds that this build verifies.
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// Checks a signature over a note's text; `None` when it does not hold, or nobody here can tell.
    pub(crate) fn check(&self, text: &str, signature: &[u8]) -> Option<Held> {
        match self.kind {
            KeyKind::Ed25519 => {
                self.holds(text.as_bytes(), signature).then_some(Held { unix_s: None })
            }
            KeyKind::CosignatureV1 => {
                let (time, signature) = signature.split_first_chunk::<TIMESTAMP_BYTES>()?;
                let unix_s = u64::from_be_bytes(*time);
                let message = cosigned_message(text, unix_s);
                let holds = unix_s <= UNIX_S_MAX && self.holds(message.as_bytes(), signature);
                holds.then_some(Held { unix_s: Some(unix_s) })
            }
            KeyKind::Other(_) => None,
        }
    }

    fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == SIGNATURE_BYTES
            && UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

/// The first four bytes of the hash over name, type and key.
fn key_id(name: &str, kind: KeyKind, public: &[u8]) -> u32 {
    let hash = sha256_of(&[name.as_bytes(), b"\n", &[kind.byte()], public]).0;
    hash.first_chunk().map_or(0, |id| u32::from_be_bytes(*id))
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if KEY_BYTES_MAX < text.len() {
            return Err(KeyError::TooLong { n_bytes: text.len() });
        }
        // Base64 may hold a plus sign, a name may not.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Shape);
        };
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let name = name.to_owned();
        let is_lower = id.bytes().all(|digit| !digit.is_ascii_uppercase());
        let Some(said) = parse_hex::<4>(id).ok().filter(|_| is_lower).map(u32::from_be_bytes)
        else {
            return Err(KeyError::Id { name });
        };
        let material = base64::decode(material).unwrap_or_default();
        let Some((&kind, public)) = material.split_first() else {
            return Err(KeyError::Material { name });
        };
        let kind = KeyKind::of(kind);
        // How other types make their ids is their own affair.
        if !matches!(kind, KeyKind::Other(_)) {
            if public.len() != 32 {
                return Err(KeyError::Length { name, n_bytes: public.len() });
            }
            let real = key_id(&name, kind, public);
            if real != said {
                return Err(KeyError::Mismatch { name, said, real });
            }
        }
        Ok(Self { name, id: said, kind, public: public.to_vec() })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material: Vec<u8> =
            std::iter::once(self.kind.byte()).chain(self.public.iter().copied()).collect();
        write!(f, "{}+{:08x}+{}", self.name, self.id, base64::encode(&material))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of golang.org/x/mod/sumdb/note.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn no_cut_and_no_changed_character_is_the_same_key() {
        let key: VerifierKey = PETER.parse().unwrap();
        assert_eq!(key.to_string(), PETER);
        for from in 0..PETER.len() {
            for to in from + 1..=PETER.len() {
                if to - from < PETER.len() {
                    let cut = PETER.get(from..to).unwrap();
                    assert!(cut.parse::<VerifierKey>().is_err(), "{cut}");
                }
            }
        }
        for at in 0..PETER.len() {
            let mut bytes = PETER.as_bytes().to_vec();
            bytes[at] += 1;
            // A changed type byte makes a key of another type, which is kept and never counted.
            let read = String::from_utf8(bytes).unwrap().parse::<VerifierKey>();
            assert!(read.is_err() || matches!(read.unwrap().kind, KeyKind::Other(_)), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_key_is_named() {
        let parse = |text: &str| text.parse::<VerifierKey>().unwrap_err();
        let long = format!("a+00000000+{}", "A".repeat(KEY_BYTES_MAX));
        let name = "a".to_owned();
        let cases = [
            ("", KeyError::Shape),
            ("a", KeyError::Shape),
            ("a+00000000", KeyError::Shape),
            ("+00000000+AQ==", KeyError::Name),
            ("a b+00000000+AQ==", KeyError::Name),
            ("a\u{a0}b+00000000+AQ==", KeyError::Name),
            ("a\u{1}b+00000000+AQ==", KeyError::Name),
            ("a+0000000+AQ==", KeyError::Id { name: name.clone() }),
            ("a+0000000g+AQ==", KeyError::Id { name: name.clone() }),
            ("a+0000000A+AQ==", KeyError::Id { name: name.clone() }),
            ("a+00000000+", KeyError::Material { name: name.clone() }),
            ("a+00000000+AR==", KeyError::Material { name: name.clone() }),
            ("a+00000000+AQ==", KeyError::Length { name: name.clone(), n_bytes: 0 }),
            (long.as_str(), KeyError::TooLong { n_bytes: long.len() }),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text), want, "{text}");
        }
        let wrong_length =
            "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
        assert!(wrong_length.parse::<VerifierKey>().is_err());
        let moved = PETER.replace("c74f20a3", "c74f20a4");
        assert!(matches!(parse(&moved), KeyError::Mismatch { said: 0xc74f_20a4, .. }));
        assert_eq!(
            VerifierKey::ed25519(&"n".repeat(KEY_NAME_BYTES_MAX + 1), [0; 32]),
            Err(KeyError::Name)
        );
        assert!(VerifierKey::ed25519(&"n".repeat(KEY_NAME_BYTES_MAX), [0; 32]).is_ok());
    }

    #[test]
    fn one_key_has_another_id_for_each_kind() {
        let note = VerifierKey::ed25519("a", [9; 32]).unwrap();
        let witness = VerifierKey::cosignature("a", [9; 32]).unwrap();
        assert_ne!(note.id(), witness.id());
        for key in [note, witness] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let other = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = other.parse().unwrap();
        assert_eq!((key.kind(), key.to_string()), (KeyKind::Other(0x65), other.to_owned()));
        assert_eq!(key.check("x\n", &[0; 64]), None);
    }
}
