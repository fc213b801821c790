//! Every payload opened, to see which can be, and why the others cannot.
//!
//! A log in which nothing is wrong is read once: its payloads are opened on every processor behind the walk that verifies it, and its tombstones are known at
//! the end. Where they do not explain every payload that did not open, it is read again, slowly and in order, by somebody who knows them.
use super::bar::Bar;
use super::silence::Changes;
use super::verdict::{Checked, Trusted, verify_seeing};
use super::{is_copy, read_folder, reader};
use crate::serve::Sources;
use crate::vault::Vault;
use anyhow::{Context as _, bail};
use bartizan_core::record::{Leaf, RecordId, RecordKind, Slot};
use bartizan_core::seal::OpenError;
use bartizan_keys::KeyState;
use bartizan_ledger::{Entry, LedgerError, Reader, Stored};
use crew::Tally;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// Most payloads that are named one by one.
const NAMED_MAX: usize = 20;
/// How long a gateway may take between a tombstone and the destruction of its key.
const DESTRUCTION_WAIT: Duration = Duration::from_millis(200);

/// How many payloads there are of each sort.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// They open, and are what was sealed.
    pub(crate) clear: u64,
    /// The key of the person was destroyed, and the log has the tombstone.
    pub(crate) erased: u64,
    /// The key of the period was destroyed because its time was over, and the log has the tombstone.
    pub(crate) expired: u64,
    /// The key is gone, and nothing in the log says why.
    pub(crate) key_missing: u64,
    /// The log says that the key was destroyed, and the vault has it: its erasure was cut short, or a backup was restored. It opens nothing, and the next start of a gateway
    /// destroys it again.
    pub(crate) resurrected: u64,
    /// What is stored is not what was sealed.
    pub(crate) damaged: u64,
    /// The first of those that should not be: index, slot and reason.
    pub(crate) wrong: Vec<Wrong>,
}

/// A payload that is missing or damaged.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Wrong {
    /// Index of its leaf.
    pub(crate) index: u64,
    /// Its record.
    pub(crate) record: String,
    /// Which payload.
    pub(crate) slot: &'static str,
    /// Why it cannot be read.
    pub(crate) reason: String,
}

impl Counts {
    /// Whether nothing is missing, damaged, or back from the dead.
    pub(crate) fn is_fine(&self) -> bool {
        self.problem().is_none()
    }

    /// What is wrong with them, where something is.
    pub(crate) fn problem(&self) -> Option<String> {
        let n_wrong = self.key_missing + self.resurrected + self.damaged;
        let n_all = self.clear + self.erased + self.expired + n_wrong;
        (0 < n_wrong).then(|| format!("{n_wrong} of {n_all} payloads are not what they should be"))
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        format!(
            "payloads: {} clear, {} erased lawfully, {} expired lawfully, {} with a missing key, {} whose destroyed key is back, {} damaged",
            self.clear, self.erased, self.expired, self.key_missing, self.resurrected, self.damaged
        )
    }

    fn wrong(&mut self, entry: &Entry, stored: &Stored, reason: String) {
        if self.wrong.len() < NAMED_MAX {
            let (index, record) = (entry.index, entry.leaf.record.to_string());
            self.wrong.push(Wrong { index, record, slot: stored.slot.name(), reason });
        }
    }
}

/// Verifies a log, and opens all its payloads meanwhile.
///
/// # Errors
/// When the vault cannot be read, or the log cannot be read again.
pub(crate) fn verify_and_open(
    state: &Path,
    trusted: &Trusted,
    sources: &Sources,
) -> anyhow::Result<Checked> {
    if is_copy(state) && read_folder(state).exists() {
        bail!(
            "{} is a copy of a ledger without its vault, and --payloads opens what is sealed, which takes the keys in there: without --payloads the copy is checked as far as it can be",
            state.display()
        );
    }
    let vault = Vault::peek(state, sources)
        .context("--payloads opens what is sealed, and takes the vault: without --payloads the ledger is checked alone")?;
    let Ok(reader) = reader(state) else {
        return Ok(verify_seeing(state, trusted, &mut drop));
    };
    let (mut tombstones, mut changes) = (Vec::new(), Changes::default());
    let (checked, tally) = crew::behind(&reader, &*vault.keys, |open| {
        verify_seeing(state, trusted, &mut |entries| {
            tombstones.extend(entries.iter().filter(|entry| is_tombstone(&entry.leaf)).cloned());
            changes.see(&entries);
            open(entries);
        })
    });
    let checked = checked.against(state, sources.clock.unix_ms());
    let mut checked = checked.with_silence(state, &changes, sources);
    if checked.verdict.verified {
        let signed = checked.checkpoint.unwrap_or(0);
        tombstones.retain(|entry| entry.index < signed);
        // What is signed was just verified. Behind it the log's key has to vouch for a tombstone.
        let newer = reader.proven_since(signed, &*vault.signer, &is_tombstone)?;
        tombstones.extend(newer.entries);
        let counts = explained(tally, &reader, &tombstones, &vault);
        checked.payloads = Some(counts.map_or_else(|| open_all(state, sources), Ok)?);
    }
    Ok(checked)
}

fn is_tombstone(leaf: &Leaf) -> bool {
    leaf.kind == RecordKind::Tombstone
}

/// How many there are of each sort, where tombstones explain all that did not open, and nothing opened that should not.
fn explained(tally: Tally, reader: &Reader, tombstones: &[Entry], vault: &Vault) -> Option<Counts> {
    let names: Vec<RecordId> = tombstones.iter().map(|entry| entry.leaf.record).collect();
    if tally.error.is_some() || 0 < tally.damaged || back(vault, &names).next().is_some() {
        return None;
    }
    let why = |entry: &Entry| (entry.leaf.record, why(reader, entry, vault));
    let lawful: BTreeMap<RecordId, Lawful> = tombstones.iter().map(why).collect();
    let mut counts = Counts { clear: tally.clear, ..Counts::default() };
    for (key, n) in tally.gone {
        match lawful.get(&key)? {
            Lawful::Erased => counts.erased += n,
            Lawful::Expired => counts.expired += n,
        }
    }
    Some(counts)
}

/// Opens them all, one after the other, and names those that are not what they should be.
///
/// # Errors
/// When the vault or the log cannot be read.
pub(crate) fn open_all(state: &Path, sources: &Sources) -> anyhow::Result<Counts> {
    let reader = reader(state)?;
    // They come after what they are for, so they are read first; and before the vault is, so that what it still has then should be gone.
    let signer = Vault::peek(state, sources)?.signer;
    let tombstones = reader.proven_since(0, &*signer, &is_tombstone)?.entries;
    let names: Vec<RecordId> = tombstones.iter().map(|entry| entry.leaf.record).collect();
    let vault = settled(state, &names, sources)?;
    let why = |entry: &Entry| (entry.leaf.record, why(&reader, entry, &vault));
    let lawful: BTreeMap<RecordId, Lawful> = tombstones.iter().map(why).collect();
    let back: BTreeSet<RecordId> = back(&vault, &names).collect();
    vault.keys.hide(&names)?;
    let size = reader.checkpoint()?.map(|signed| signed.checkpoint().size());
    let bar = Bar::new("opening payloads", size);
    let (mut counts, mut payloads) = (Counts::default(), reader.payloads());
    for entry in reader.entries()? {
        let entry = entry?;
        for stored in &entry.payloads {
            let opened = payloads.clear(&entry, stored, &*vault.keys);
            counts.count(opened, &Known { lawful: &lawful, back: &back }, &entry, stored)?;
        }
        bar.set(entry.index + 1);
    }
    Ok(counts)
}

/// Keys that have a tombstone and are still there.
fn back(vault: &Vault, names: &[RecordId]) -> impl Iterator<Item = RecordId> {
    names.iter().copied().filter(|key| vault.keys.state(*key) == KeyState::Live)
}

/// The vault as it is; a moment later where a running gateway may have written a tombstone and not yet destroyed its key.
fn settled(state: &Path, names: &[RecordId], sources: &Sources) -> anyhow::Result<Vault> {
    let vault = Vault::peek(state, sources)?;
    if back(&vault, names).next().is_none() {
        return Ok(vault);
    }
    std::thread::sleep(DESTRUCTION_WAIT);
    Vault::peek(state, sources)
}

/// What the log says of keys.
#[derive(Clone, Copy)]
struct Known<'k> {
    /// Why they were destroyed.
    lawful: &'k BTreeMap<RecordId, Lawful>,
    /// Those that the vault has all the same.
    back: &'k BTreeSet<RecordId>,
}

/// Why a key was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lawful {
    /// Somebody gave the order.
    Erased,
    /// The time of its day was over.
    Expired,
}

impl Counts {
    fn count(
        &mut self,
        opened: Result<Vec<u8>, LedgerError>,
        known: &Known<'_>,
        entry: &Entry,
        stored: &Stored,
    ) -> Result<(), LedgerError> {
        match opened {
            Ok(_) => self.clear += 1,
            Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. })
                if known.back.contains(&key) =>
            {
                self.resurrected += 1;
                let reason = "has a tombstone, and is in the vault: its erasure was cut short, or a backup was restored; the next start destroys it";
                self.wrong(entry, stored, format!("its key {key} {reason}"));
            }
            Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. }) => {
                match known.lawful.get(&key) {
                    Some(Lawful::Erased) => self.erased += 1,
                    Some(Lawful::Expired) => self.expired += 1,
                    None => {
                        self.key_missing += 1;
                        let reason = "is missing, and there is no tombstone for it";
                        self.wrong(entry, stored, format!("its key {key} {reason}"));
                    }
                }
            }
            Err(error @ (LedgerError::Sealed { .. } | LedgerError::Damaged(_))) => {
                self.damaged += 1;
                self.wrong(entry, stored, error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// What the evidence of a tombstone says. One that cannot be read any more is a tombstone all the same.
pub(super) fn why(reader: &Reader, entry: &Entry, vault: &Vault) -> Lawful {
    let evidence = entry.payloads.iter().find(|stored| stored.slot == Slot::Evidence);
    let text = evidence.and_then(|stored| reader.payload(entry, stored, &*vault.keys).ok());
    let value: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
    let action = value.as_ref().and_then(|value| value.get("action")?.as_str());
    if action == Some("expire") { Lawful::Expired } else { Lawful::Erased }
}

mod crew;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::opened;
