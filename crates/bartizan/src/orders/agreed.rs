//! For how long what is kept is kept, as an operator has agreed to. Days that a configuration lowers destroy nothing until somebody confirms them: whoever
//! can write a file must not be able to have an archive forgotten by it. Days that it raises count at once.
//!
//! What was agreed has a mark of the key that signs the log: days that somebody wrote by hand were agreed to by nobody.
use crate::config::Retention;
use crate::files;
use crate::mark;
use crate::vault::{self, Vault};
use anyhow::Context as _;
use bartizan_core::seal::Retention as Class;
use bartizan_keys::NoteKey;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the file, inside the vault.
const FILE: &str = "retention.json";
const FILE_BYTES_MAX: usize = 4096;
/// What the mark is over, before the days: no other message of the key begins like that.
const MARKED: &[u8] = b"bartizan retention v1\n";

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    retention: Retention,
    /// By the key that signs the log.
    mark: String,
}

impl File {
    fn new(retention: Retention, signer: &NoteKey) -> anyhow::Result<Self> {
        Ok(Self { retention, mark: mark::of(MARKED, &retention, signer)? })
    }

    /// What it says, where this key has left it so.
    fn agreed(bytes: &[u8], signer: &NoteKey) -> Option<Retention> {
        let Self { retention, mark } = serde_json::from_slice(bytes).ok()?;
        let own = Self::new(retention, signer).ok()?;
        (own.mark == mark).then_some(retention)
    }
}

/// What the configuration asks for, and what was agreed to before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// By the configuration.
    pub(crate) asked: Retention,
    /// Nothing where nobody knows: the file is away, damaged, or not as the log's key left it.
    pub(crate) agreed: Option<Retention>,
}

impl Rule {
    /// As the vault has it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(state: &Path, asked: Retention, signer: &NoteKey) -> anyhow::Result<Self> {
        let path = path(state);
        let agreed = match files::read_bounded(&path, FILE_BYTES_MAX) {
            Ok(bytes) => File::agreed(&bytes, signer),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self { asked, agreed })
    }

    /// The first word on it, in a vault that has sealed nothing yet. Where something was kept already somebody has to say for how long.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn begin(state: &Path, asked: Retention, vault: &Vault) -> anyhow::Result<()> {
        let is_absent = !path(state).try_exists().context("cannot look into the vault")?;
        let keeps = |class: &Class| !vault.keys.periods_before(*class, u64::MAX).is_empty();
        if is_absent && !Class::ALL.iter().any(keeps) {
            write(state, asked, &vault.signer)
        } else {
            Ok(())
        }
    }

    /// A gateway starts: what its configuration keeps for longer than was agreed is kept so from now on.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn raise(state: &Path, asked: Retention, signer: &NoteKey) -> anyhow::Result<()> {
        let rule = Self::read(state, asked, signer)?;
        match rule.in_force() {
            Some(longer) if rule.agreed != Some(longer) => write(state, longer, signer),
            _ => Ok(()),
        }
    }

    /// Somebody has confirmed it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn agree(self, state: &Path, signer: &NoteKey) -> anyhow::Result<()> {
        write(state, self.asked, signer)
    }

    /// Lets the log's next key stand for what its present key does.
    ///
    /// # Errors
    /// Those of the disk; then nothing is destroyed until somebody confirms it again.
    pub(crate) fn remark(state: &Path, old: &NoteKey, new: &NoteKey) -> anyhow::Result<()> {
        match Self::read(state, Retention::default(), old)?.agreed {
            Some(agreed) => write(state, agreed, new),
            None => Ok(()),
        }
    }

    /// By what keys are destroyed; nothing destroys any where nobody knows what was agreed.
    pub(crate) fn in_force(self) -> Option<Retention> {
        let Self { asked, agreed } = self;
        agreed.map(|agreed| Retention {
            payload_days: asked.payload_days.max(agreed.payload_days),
            traffic_days: asked.traffic_days.max(agreed.traffic_days),
            admission_days: asked.admission_days.max(agreed.admission_days),
        })
    }

    /// What waits for somebody's word.
    pub(crate) fn waits(self) -> Option<String> {
        let what = match self.in_force() {
            Some(longer) if longer == self.asked => return None,
            Some(longer) => format!(
                "`[ledger.retention]` keeps less than was agreed ({} instead of {})",
                words(self.asked),
                words(longer)
            ),
            None => "nobody knows for how long it was agreed to keep what is kept".to_owned(),
        };
        Some(format!(
            "{what}, so nothing is destroyed by it: look at `bartizan audit expire`, then run `bartizan audit expire --confirm-retention`"
        ))
    }
}

fn words(retention: Retention) -> String {
    let Retention { payload_days, traffic_days, admission_days } = retention;
    format!("{payload_days}, {traffic_days} and {admission_days} days")
}

fn path(state: &Path) -> PathBuf {
    vault::folder(state).join(FILE)
}

fn write(state: &Path, agreed: Retention, signer: &NoteKey) -> anyhow::Result<()> {
    let path = path(state);
    let written = files::replace(&path, &serde_json::to_vec(&File::new(agreed, signer)?)?);
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
