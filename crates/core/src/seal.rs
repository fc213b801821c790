//! Payloads on their way to the disk and back: sealed so that they can be read by whoever holds the keys, and forgotten by destroying one.
//!
//! Every payload has a data key of its own. The subject's key wraps it, and a key of the period in which it was written wraps that; the tenant's
//! key wraps both of those where they are kept. Destroying the subject's key forgets a person; destroying a period's key forgets what is
//! older than its retention. No proof depends on any key: leaves commit to what is stored, which is ciphertext.
use crate::digest::Digest;
use crate::record::{RecordId, RecordKind, Slot};
use std::fmt;

/// How long a payload is kept: what decides when its period's key is destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Retention {
    /// Text of people and models: prompts and answers.
    Payload,
    /// What was found in traffic, and what was decided about it.
    Traffic,
    /// What was admitted, gated or waived, and changes of policy and keys.
    Admission,
}

impl Retention {
    /// Every value, in order of code.
    pub const ALL: [Self; 3] = [Self::Payload, Self::Traffic, Self::Admission];

    /// The number in stored bytes. Never given out twice.
    pub const fn code(self) -> u8 {
        match self {
            Self::Payload => 1,
            Self::Traffic => 2,
            Self::Admission => 3,
        }
    }

    /// The name in configuration and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Traffic => "traffic",
            Self::Admission => "admission",
        }
    }

    /// How long this payload of a record of this kind is kept.
    pub const fn of(kind: RecordKind, slot: Slot) -> Self {
        match (kind, slot) {
            (
                RecordKind::Intent | RecordKind::Outcome | RecordKind::Decision,
                Slot::Released | Slot::Received,
            ) => Self::Payload,
            (
                RecordKind::Intent | RecordKind::Outcome | RecordKind::Decision | RecordKind::Tally,
                _,
            ) => Self::Traffic,
            _ => Self::Admission,
        }
    }

    /// The value with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Payload),
            2 => Some(Self::Traffic),
            3 => Some(Self::Admission),
            _ => None,
        }
    }
}

/// What a payload belongs to. The record, the slot and the retention are bound to the ciphertext: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// The record's random name.
    pub record: RecordId,
    /// Which payload of the record.
    pub slot: Slot,
    /// How long it is kept.
    pub retention: Retention,
    /// Whose text it is, by whatever name the caller gave; `None` for what is about nobody.
    pub subject: Option<&'a str>,
    /// Wall time, milliseconds since 1970-01-01 UTC: it tells the period.
    pub unix_ms: u64,
}

/// A sealed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What is stored.
    pub bytes: Vec<u8>,
    /// Commits to the data key, so that no second key opens the same bytes to another text.
    pub commitment: Digest,
}

/// Bytes of a piece of a stream's text, the last one excepted.
pub const PIECE_BYTES: usize = 4096;

/// Seals payloads. One for the whole process, shared by all exchanges.
pub trait Sealer: Send + Sync {
    /// Seals one payload.
    ///
    /// # Errors
    /// [`SealError`]; then the payload must not be stored at all.
    fn seal(&self, sealing: &Sealing<'_>, plain: &[u8]) -> Result<Sealed, SealError>;

    /// [`Sealer::seal`] of the text of a stream, with the hashes of its pieces of [`PIECE_BYTES`]: each is a salted RFC 6962 leaf hash,
    /// so that a piece can be shown later without telling anything of the others.
    ///
    /// # Errors
    /// Those of [`Sealer::seal`].
    fn seal_stream(
        &self,
        sealing: &Sealing<'_>,
        text: &[u8],
    ) -> Result<(Sealed, Vec<Digest>), SealError>;

    /// What a leaf says of its subject: a keyed hash of the record's name, different in every record, and linkable only while the
    /// subject's key exists.
    ///
    /// # Errors
    /// [`SealError`].
    fn pseudonym(&self, subject: &str, record: RecordId) -> Result<[u8; 16], SealError>;

    /// Makes durable the keys that were made since the last call. It comes before what was sealed with them becomes durable, and
    /// costs nothing when there is no new key.
    ///
    /// # Errors
    /// [`SealError::Disk`]: then nothing that was sealed may be relied upon.
    fn persist(&self) -> Result<(), SealError>;
}

impl fmt::Debug for dyn Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

/// Names values by a keyed hash, so that the same one has the same name again without anybody keeping a table.
pub trait Pseudonymizer: Send + Sync {
    /// The name of `value` in `scope`: 16 bytes that nobody can compute, or link across scopes, without the key.
    fn tag(&self, scope: &[u8], value: &[u8]) -> [u8; 16];
}

impl fmt::Debug for dyn Pseudonymizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonymizer").finish_non_exhaustive()
    }
}

/// Why a payload was not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// There is no room for another subject's key.
    #[error("the key store has {limit} keys and takes no more: raise subjects_max")]
    Full {
        /// Most keys.
        limit: usize,
    },
    /// The name of a subject is longer than is kept.
    #[error("the subject's name has {bytes} bytes, at most {bytes_max} are taken")]
    SubjectTooLong {
        /// Its length.
        bytes: usize,
        /// Most bytes.
        bytes_max: usize,
    },
    /// The key store could not be written.
    #[error("the key store could not be written: {reason}; mend the disk, then restart")]
    Disk {
        /// What the disk said.
        reason: String,
    },
    /// The cipher refused.
    #[error("the payload could not be encrypted")]
    Cipher,
}

/// Opens what was sealed.
pub trait Opener: Send + Sync {
    /// The payload, when its keys exist and it is the one that `commitment` and `sealing` speak of. The subject is not asked for.
    ///
    /// # Errors
    /// [`OpenError`], which tells the lawful reasons from the others.
    fn open(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<Vec<u8>, OpenError>;

    /// [`Opener::open`] of the text of a stream, with the hashes of its pieces.
    ///
    /// # Errors
    /// Those of [`Opener::open`].
    fn open_stream(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<(Vec<u8>, Vec<Digest>), OpenError>;
}

impl fmt::Debug for dyn Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

/// Why a payload was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The key with this name is not in the store. Where a tombstone names it, that is lawful.
    #[error("the key {key} that it was sealed with is gone")]
    KeyGone {
        /// The key's random name.
        key: RecordId,
    },
    /// It was sealed under another tenant's key, for another record, or changed since.
    #[error("it was changed, or belongs to another record or another tenant")]
    Damaged,
    /// The bytes are of another version.
    #[error("its format version {version} is not known to this build: use a newer one")]
    Version {
        /// The version found.
        version: u8,
    },
}
