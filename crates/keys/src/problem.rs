//! What can be wrong with a key store.
use crate::cipher::CipherError;
use bartizan_core::seal::SealError;
use std::io;

/// Why the key store could not do what was asked. It never says what a key is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk refused.
    #[error("cannot {operation} {file}: {reason}; mend the disk, then restart")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        file: &'static str,
        /// What the disk said.
        reason: String,
    },
    /// An earlier write or sync failed. Nothing is written any more, since what is on the disk is not known.
    #[error(
        "the key store stopped after it could not be written: {reason}; mend the disk, then restart"
    )]
    Stopped {
        /// What the disk said then.
        reason: String,
    },
    /// It was opened for reading.
    #[error("the key store was opened for reading only: ask the process that serves")]
    ReadOnly,
    /// There is no key store, and none was to be made.
    #[error(
        "there is no {file}: restore it from a backup, since without it nothing that was sealed can be read"
    )]
    Absent {
        /// The missing file.
        file: &'static str,
    },
    /// The store belongs to another tenant's key.
    #[error(
        "the key store was not sealed with the tenant key {name}: give the key that it was made with, or that it was last rewrapped to"
    )]
    WrongKey {
        /// The name of the key that was given.
        name: String,
    },
    /// The file is something else.
    #[error("{file} is not a key store: restore it from a backup")]
    Foreign {
        /// The file.
        file: &'static str,
    },
    /// The file was written by another version.
    #[error(
        "{file} has format version {version}, which is not known to this build: use a newer one"
    )]
    Version {
        /// The file.
        file: &'static str,
        /// The version found.
        version: u8,
    },
    /// The first block was changed.
    #[error("the header of {file} was changed: restore the file from a backup")]
    Damaged {
        /// The file.
        file: &'static str,
    },
    /// The file has more slots than are read.
    #[error("{file} has {slots} slots, at most {slots_max} are read: is it the right file?")]
    TooLarge {
        /// The file.
        file: &'static str,
        /// Slots that it has room for.
        slots: u64,
        /// Most slots.
        slots_max: u32,
    },
    /// Two slots claim the same key or the same subject, so that erasing one would leave the other.
    #[error(
        "slots {first} and {second} of {file} hold the same key or subject, which this program never writes: restore the file from a backup"
    )]
    Twice {
        /// The file.
        file: &'static str,
        /// One of them.
        first: u32,
        /// The other.
        second: u32,
    },
    /// The cipher refused.
    #[error("the cryptographic module refused")]
    Cipher,
}

impl StoreError {
    pub(crate) fn disk(operation: &'static str, file: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Disk { operation, file, reason: error.to_string() }
    }
}

impl From<CipherError> for StoreError {
    fn from(_: CipherError) -> Self {
        Self::Cipher
    }
}

impl From<StoreError> for SealError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cipher => Self::Cipher,
            StoreError::Disk { reason, .. } | StoreError::Stopped { reason } => {
                Self::Disk { reason }
            }
            other => Self::Disk { reason: other.to_string() },
        }
    }
}

impl From<CipherError> for SealError {
    fn from(_: CipherError) -> Self {
        Self::Cipher
    }
}
