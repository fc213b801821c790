//! Keys that were destroyed stay destroyed: whatever the ledger has a tombstone for is destroyed again before anything is sealed, so that a
//! restored backup of the vault brings nobody back.
//!
//! The vault keeps what it has learned so far in a file, with the size of the log that it knows, so that a start reads only what is
//! new. A backup of an older vault brings an older file with it, and then more is read again.
use crate::{audit, files, vault};
use anyhow::Context as _;
use bartizan_core::record::{RecordId, RecordKind};
use bartizan_keys::KeyStore;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

const FILE: &str = "tombstones.json";
/// Four million tombstones.
const FILE_BYTES_MAX: usize = 160 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Leaves of the log that were read.
    leaves: u64,
    /// Names of the keys that they have tombstones for.
    keys: Vec<String>,
}

/// Destroys again every key that has a tombstone. Returns how many keys had come back.
///
/// # Errors
/// When the log cannot be read or the key store cannot be written; then nothing may be sealed.
pub(crate) fn destroy_again(state: &Path, keys: &KeyStore) -> anyhow::Result<usize> {
    let path = vault::folder(state).join(FILE);
    let mut all = read(&path)?;
    let before = all.leaves;
    follow(state, &mut all)?;
    let n_back = keys.destroy_again(&names(&all).collect::<Vec<_>>())?;
    if 0 < n_back {
        tracing::warn!(
            keys = n_back,
            "Keys that were erased had come back, from a backup perhaps; they are destroyed again."
        );
    }
    if before != all.leaves {
        let bytes = serde_json::to_vec(&all)?;
        files::replace(&path, &bytes, 0o600)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(n_back)
}

/// The names of all keys that have a tombstone. Nothing is written.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn known(state: &Path) -> anyhow::Result<BTreeSet<RecordId>> {
    let mut all = read(&vault::folder(state).join(FILE))?;
    follow(state, &mut all)?;
    Ok(names(&all).collect())
}

fn read(path: &Path) -> anyhow::Result<Known> {
    match files::read_bounded(path, FILE_BYTES_MAX) {
        // A file that cannot be understood is made anew from the log.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Known::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Learns what the log has had since.
fn follow(state: &Path, known: &mut Known) -> anyhow::Result<()> {
    for entry in audit::reader(state)?.since(known.leaves)? {
        let entry = entry?;
        if entry.leaf.kind == RecordKind::Tombstone {
            known.keys.push(entry.leaf.record.to_string());
        }
        known.leaves = entry.index + 1;
    }
    Ok(())
}

fn names(known: &Known) -> impl Iterator<Item = RecordId> {
    known.keys.iter().filter_map(|name| name.parse().ok())
}
