//! What a reader gets of a payload: its text, or why not.
use super::payloads::{Lawful, why};
use super::read_folder;
use crate::anchor;
use crate::serve::Sources;
use crate::vault::{self, Vault};
use anyhow::anyhow;
use bartizan_core::record::{Leaf, RecordId, RecordKind, Slot};
use bartizan_core::seal::{OpenError, Retention, Sealing};
use bartizan_keys::DataKey;
use bartizan_ledger::{Entry, LedgerError, Reader, Stored};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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
    /// The key of the person was destroyed, and the log has the tombstone.
    Erased,
    /// The key of its day was, because its time was over.
    Expired,
    /// Its key is gone, and no tombstone says why.
    KeyMissing {
        /// The key's name.
        key: RecordId,
    },
    /// What is stored is not what was sealed.
    Damaged {
        /// How that shows.
        reason: String,
    },
    /// The keys are not here, or not for this user.
    NoKeys {
        /// Stored bytes.
        bytes: u64,
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
            Self::Expired => {
                "[expired, lawfully: its time was over, and the tombstone of its day's key is in the ledger]".to_owned()
            }
            Self::KeyMissing { key } => {
                format!("[its key {key} is missing, and there is no tombstone for it]")
            }
            Self::Damaged { reason } => format!("[damaged: {reason}]"),
            Self::NoKeys { bytes, reason } => {
                format!("[sealed, {bytes} bytes, and the keys cannot be used: {reason}]")
            }
        }
    }

    /// The name of the state, for programs.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Self::Clear(_) => "clear",
            Self::Sealed { .. } => "sealed",
            Self::Erased => "erased",
            Self::Expired => "expired",
            Self::KeyMissing { .. } => "key_missing",
            Self::Damaged { .. } => "damaged",
            Self::NoKeys { .. } => "no_keys",
        }
    }
}

/// Opens payloads for a reader. Evidence is read as it is, because it holds no text; everything else only if it was asked for.
pub(crate) struct Lens {
    vault: Result<Vault, String>,
    erased: BTreeSet<RecordId>,
    /// Why keys among these were destroyed, as far as that was asked.
    lawful: RefCell<BTreeMap<RecordId, Lawful>>,
    state: PathBuf,
    is_revealing: bool,
}

impl Lens {
    /// * `is_revealing`: whether texts are opened too. That they are must have been recorded before.
    ///
    /// # Errors
    /// When the tombstones cannot be read.
    pub(crate) fn new(state: &Path, sources: &Sources, is_revealing: bool) -> anyhow::Result<Self> {
        let vault = if vault::folder(state).exists() {
            Vault::peek(state, sources).map_err(|error| format!("{error:#}"))
        } else {
            Err("the vault, which has them, is not in this folder".to_owned())
        };
        let erased = match &vault {
            Ok(vault) if read_folder(state).exists() => anchor::tombstones(state, &vault.signer)?,
            _ => BTreeSet::new(),
        };
        if let Ok(vault) = &vault {
            // A vault from a backup may still have them.
            vault.keys.hide(&erased.iter().copied().collect::<Vec<_>>())?;
        }
        let (lawful, state) = (RefCell::default(), state.to_owned());
        Ok(Self { vault, erased, lawful, state, is_revealing })
    }

    /// One payload.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn look(
        &self,
        reader: &Reader,
        entry: &Entry,
        stored: &Stored,
    ) -> Result<Content, LedgerError> {
        let is_kept_sealed = stored.slot != Slot::Evidence && !self.is_revealing;
        let vault = match &self.vault {
            Ok(vault) => vault,
            Err(reason) => {
                return Ok(Content::NoKeys { bytes: stored.bytes, reason: reason.clone() });
            }
        };
        let opened = if is_kept_sealed {
            // Whether it could be revealed is no secret, and takes no look at the text.
            has_keys(reader, entry, stored, vault).map(|()| None)
        } else {
            reader.payload(entry, stored, &*vault.keys).map(Some)
        };
        match opened {
            Ok(Some(bytes)) => Ok(Content::Clear(bytes)),
            Ok(None) => Ok(Content::Sealed { bytes: stored.bytes }),
            Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. }) => {
                if !self.erased.contains(&key) {
                    return Ok(Content::KeyMissing { key });
                }
                Ok(match self.lawful(reader, key, vault)? {
                    Lawful::Erased => Content::Erased,
                    Lawful::Expired => Content::Expired,
                })
            }
            Err(error @ (LedgerError::Sealed { .. } | LedgerError::Damaged(_))) => {
                Ok(Content::Damaged { reason: error.to_string() })
            }
            Err(error) => Err(error),
        }
    }
}

impl Lens {
    /// Why a key was destroyed, by its tombstone. It is looked for once.
    fn lawful(&self, reader: &Reader, key: RecordId, vault: &Vault) -> Result<Lawful, LedgerError> {
        if let Some(known) = self.lawful.borrow().get(&key) {
            return Ok(*known);
        }
        let leaves = super::find(&self.state, reader, &key.to_string())?;
        let tombstone = leaves.iter().rfind(|entry| entry.leaf.kind == RecordKind::Tombstone);
        // The anchor may know of one that the ledger lost: then nobody can tell, and it was somebody's order as a rule.
        let lawful = tombstone.map_or(Lawful::Erased, |entry| why(reader, entry, vault));
        self.lawful.borrow_mut().insert(key, lawful);
        Ok(lawful)
    }

    /// The key of one payload alone, for somebody who has no vault. That it leaves must have been recorded before.
    ///
    /// * `sealed`: the payload as it is stored.
    ///
    /// # Errors
    /// When the vault cannot be used, or the payload does not open.
    pub(super) fn data_key(
        &self,
        entry: &Entry,
        stored: &Stored,
        sealed: &[u8],
    ) -> anyhow::Result<DataKey> {
        let vault = self.vault.as_ref().map_err(|reason| anyhow!(reason.clone()))?;
        let sealing = sealing_of(&entry.leaf, stored.slot);
        let key = vault.keys.data_key(&sealing, &stored.commitment, sealed);
        Ok(key.map_err(|error| cannot(&sealing, error))?)
    }
}

fn has_keys(
    reader: &Reader,
    entry: &Entry,
    stored: &Stored,
    vault: &Vault,
) -> Result<(), LedgerError> {
    let sealing = sealing_of(&entry.leaf, stored.slot);
    let sealed = reader.stored(stored)?;
    let found = vault.keys.has_keys_of(&sealing, &sealed);
    found.map_err(|error| cannot(&sealing, error))
}

/// What a payload of a leaf is bound to.
pub(super) fn sealing_of(leaf: &Leaf, slot: Slot) -> Sealing<'static> {
    let Leaf { record, kind, unix_ms, .. } = *leaf;
    Sealing { record, slot, retention: Retention::of(kind, slot), subject: None, unix_ms }
}

fn cannot(sealing: &Sealing<'_>, error: OpenError) -> LedgerError {
    LedgerError::Sealed { record: sealing.record, slot: sealing.slot, error }
}
