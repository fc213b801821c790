//! What a reader gets of a payload: its text, or why not.
use super::log_folder;
use crate::anchor;
use crate::serve::Sources;
use crate::vault::Vault;
use bartizan_core::record::{RecordId, Slot};
use bartizan_core::seal::OpenError;
use bartizan_ledger::{Entry, LedgerError, Reader, Stored};
use std::collections::BTreeSet;
use std::path::Path;

/// A payload, as far as it may be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Its text.
    Clear(Vec<u8>),
    /// Nobody asked for it to be revealed.
    Sealed {
        /// Stored bytes.
        bytes: u64,
    },
    /// Its key was destroyed, and the log has the tombstone.
    Erased,
    /// Its key is gone, and no tombstone says why.
    KeyMissing {
        /// The key's name.
        key: RecordId,
    },
    /// The keys are not here, or not for this user.
    NoKeys {
        /// Why.
        reason: String,
    },
}

impl Content {
    /// The text, or in brackets what stands for it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Clear(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Sealed { bytes } => {
                format!("[sealed, {bytes} bytes: --reveal shows it, and records that it did]")
            }
            Self::Erased => "[erased, lawfully: its tombstone is in the ledger]".to_owned(),
            Self::KeyMissing { key } => {
                format!("[its key {key} is missing, and there is no tombstone for it]")
            }
            Self::NoKeys { reason } => format!("[sealed, and the keys cannot be used: {reason}]"),
        }
    }

    /// The name of the state, for programs.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Clear(_) => "clear",
            Self::Sealed { .. } => "sealed",
            Self::Erased => "erased",
            Self::KeyMissing { .. } => "key_missing",
            Self::NoKeys { .. } => "no_keys",
        }
    }
}

/// Opens payloads for a reader. Evidence is read as it is, because it holds no text; everything else only if it was asked for.
pub(crate) struct Lens {
    vault: Result<Vault, String>,
    erased: BTreeSet<RecordId>,
    is_revealing: bool,
}

impl Lens {
    /// * `is_revealing`: whether texts are opened too. That they are must have been recorded before.
    ///
    /// # Errors
    /// When the tombstones cannot be read.
    pub(crate) fn new(state: &Path, sources: &Sources, is_revealing: bool) -> anyhow::Result<Self> {
        let vault = Vault::peek(state, sources).map_err(|error| format!("{error:#}"));
        let erased = match &vault {
            Ok(vault) if log_folder(state).exists() => anchor::tombstones(state, &vault.signer)?,
            _ => BTreeSet::new(),
        };
        if let Ok(vault) = &vault {
            // A vault from a backup may still have them.
            vault.keys.hide(&erased.iter().copied().collect::<Vec<_>>())?;
        }
        Ok(Self { vault, erased, is_revealing })
    }

    /// One payload.
    ///
    /// # Errors
    /// When what is stored is not what the leaf commits to.
    pub(crate) fn look(
        &self,
        reader: &Reader,
        entry: &Entry,
        stored: &Stored,
    ) -> Result<Content, LedgerError> {
        if stored.slot != Slot::Evidence && !self.is_revealing {
            return Ok(Content::Sealed { bytes: stored.bytes });
        }
        let vault = match &self.vault {
            Ok(vault) => vault,
            Err(reason) => return Ok(Content::NoKeys { reason: reason.clone() }),
        };
        match reader.payload(entry, stored, &*vault.keys) {
            Ok(bytes) => Ok(Content::Clear(bytes)),
            Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. }) => {
                let is_lawful = self.erased.contains(&key);
                Ok(if is_lawful { Content::Erased } else { Content::KeyMissing { key } })
            }
            Err(error) => Err(error),
        }
    }
}
