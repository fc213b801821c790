//! A witness's own key: one file, for its owner alone.
use crate::outcome::Usage;
use crate::serve::Sources;
use crate::{files, key_file};
use anyhow::{Context as _, bail};
use bartizan_keys::NoteKey;
use bartizan_ledger::{FsDisk, FsDiskError};
use std::path::{Path, PathBuf};

/// Name of the key file in a witness's folder.
pub(crate) const KEY_FILE: &str = "witness.key";
/// Where the folder keeps what it has cosigned.
const STATE_FOLDER: &str = "state";
/// A new witness is called this and sixteen random digits.
const WITNESS_NAME: &str = "bartizan.witness/";

/// A witness's folder, open for the one process that may cosign.
pub(crate) struct Home {
    /// Signs.
    pub(crate) key: NoteKey,
    /// What was cosigned, locked.
    pub(crate) disk: FsDisk,
    /// Whether the key was made just now.
    pub(crate) is_new: bool,
}

fn path(folder: &Path) -> PathBuf {
    folder.join(KEY_FILE)
}

/// Opens the folder, and makes key and folder where there are none.
///
/// # Errors
/// When another process uses it, the key is readable by others or damaged, or it has another name than `name`.
pub(crate) fn open(folder: &Path, name: Option<&str>, sources: &Sources) -> anyhow::Result<Home> {
    files::private_folder(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let disk = match FsDisk::lock(&folder.join(STATE_FOLDER)) {
        Err(error @ FsDiskError::Locked { .. }) => Err(error).with_context(|| {
            let folder = folder.display();
            format!(
                "another `bartizan witness` runs in {folder}: two would vouch for two histories"
            )
        }),
        locked => Ok(locked?),
    }?;
    files::wipe_leftovers(&FsDisk::unlocked(folder), Some(KEY_FILE))
        .with_context(|| format!("cannot wipe {}", folder.display()))?;
    if let Some(key) = read(folder)? {
        if let Some(name) = name.filter(|name| *name != bartizan_core::sign::Signer::name(&key)) {
            let real = bartizan_core::sign::Signer::name(&key).to_owned();
            let message = format!(
                "the witness in {} is called {real}, and not {name}: a key keeps its name; leave --name out, or use another --dir",
                folder.display()
            );
            return Err(Usage(message).into());
        }
        return Ok(Home { key, disk, is_new: false });
    }
    if bartizan_core::disk::Disk::list(&disk)?.iter().any(|name| name.starts_with("log-")) {
        bail!(
            "there is a witness's memory in {}, and its key is gone: restore {}, or begin with another --dir",
            folder.join(STATE_FOLDER).display(),
            path(folder).display()
        );
    }
    let name = name.map_or_else(|| random_name(sources), str::to_owned);
    let key = NoteKey::generate(&name, &*sources.entropy)
        .map_err(|error| Usage(format!("--name: {error}")))?;
    files::replace(&path(folder), key.private_text().as_bytes())
        .with_context(|| format!("cannot write {}", path(folder).display()))?;
    Ok(Home { key, disk, is_new: true })
}

/// The key of a folder; `None` where there is none.
///
/// # Errors
/// When others may read it, or it is damaged.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<NoteKey>> {
    let path = path(folder);
    let Some(bytes) = key_file::find(&path)? else { return Ok(None) };
    let key = NoteKey::parse(&bytes).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(Some(key))
}

fn random_name(sources: &Sources) -> String {
    let mut digits = [0; 8];
    sources.entropy.fill(&mut digits);
    format!("{WITNESS_NAME}{:016x}", u64::from_be_bytes(digits))
}
