//! For how long what is kept is kept, as an operator has agreed to. Days that a configuration lowers destroy nothing until somebody confirms them: whoever
//! can write a file must not be able to have an archive forgotten by it. Days that it raises count at once.
use crate::config::Retention;
use crate::{files, vault};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Name of the file, inside the vault.
const FILE: &str = "retention.json";
const FILE_BYTES_MAX: usize = 4096;

/// What the configuration asks for, and what was agreed to before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// By the configuration.
    pub(crate) asked: Retention,
    /// Nothing where nobody knows: the file is away or damaged.
    pub(crate) agreed: Option<Retention>,
}

impl Rule {
    /// As the vault has it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(state: &Path, asked: Retention) -> anyhow::Result<Self> {
        let path = path(state);
        let agreed = match files::read_bounded(&path, FILE_BYTES_MAX) {
            Ok(bytes) => serde_json::from_slice(&bytes).ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self { asked, agreed })
    }

    /// The first word on it, in a vault that has none: it counts where it destroys nothing.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn begin(
        state: &Path,
        asked: Retention,
        is_harmless: impl FnOnce() -> bool,
    ) -> anyhow::Result<()> {
        let is_absent = !path(state).try_exists().context("cannot look into the vault")?;
        if is_absent && is_harmless() { write(state, asked) } else { Ok(()) }
    }

    /// A gateway starts: what its configuration keeps for longer than was agreed is kept so from now on.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn raise(state: &Path, asked: Retention) -> anyhow::Result<()> {
        let rule = Self::read(state, asked)?;
        match rule.in_force() {
            Some(longer) if rule.agreed != Some(longer) => write(state, longer),
            _ => Ok(()),
        }
    }

    /// Somebody has confirmed it.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn agree(self, state: &Path) -> anyhow::Result<()> {
        write(state, self.asked)
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

fn write(state: &Path, agreed: Retention) -> anyhow::Result<()> {
    let path = path(state);
    let written = files::replace(&path, &serde_json::to_vec(&agreed)?);
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
