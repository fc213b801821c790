//! When recording was switched off, by what the log itself says: a change of policy names what each route promises of its records.
//!
//! It takes the vault, because evidence is sealed. Where nobody can read it nothing is said, and nothing fails.
use super::reader;
use crate::serve::{Recording, Sources};
use crate::vault::{self, Vault};
use bartizan_core::record::{RecordKind, Slot};
use bartizan_ledger::{Entry, Reader};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Changes of policy that are looked into: the newest ones.
const CHANGES_MAX: usize = 1024;

/// The newest changes of policy, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Changes(VecDeque<Entry>);

/// What the evidence of one says of records. An earlier build said nothing.
#[derive(Debug, Deserialize)]
struct Told {
    recording: Option<Recording>,
    before: Option<Recording>,
}

impl Changes {
    /// Leaves go by.
    pub(crate) fn see(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.leaf.kind == RecordKind::PolicyChange) {
            if self.0.len() == CHANGES_MAX {
                self.0.pop_front();
            }
            self.0.push_back(entry.clone());
        }
    }

    /// The newest of them that switched recording off, and for which routes.
    pub(crate) fn warning(&self, state: &Path, sources: &Sources) -> Option<String> {
        if self.0.is_empty() || !vault::folder(state).exists() {
            return None;
        }
        let vault = Vault::peek(state, sources).ok()?;
        let reader = reader(state).ok()?;
        newest(
            self.0
                .iter()
                .rev()
                .filter_map(|entry| Some((entry.index, told(&reader, entry, &vault)?))),
        )
    }
}

fn told(reader: &Reader, entry: &Entry, vault: &Vault) -> Option<Told> {
    let evidence = entry.payloads.iter().find(|stored| stored.slot == Slot::Evidence)?;
    let text = reader.payload(entry, evidence, &*vault.keys).ok()?;
    serde_json::from_slice(&text).ok()
}

/// * `changes`: newest first.
fn newest(changes: impl Iterator<Item = (u64, Told)>) -> Option<String> {
    // Of each route, the oldest leaf behind the present one after which it recorded.
    let mut again: BTreeMap<String, u64> = BTreeMap::new();
    for (index, Told { recording, before }) in changes {
        let Some(now) = recording else { continue };
        let silent: BTreeSet<_> = now.silent_routes().collect();
        let was: BTreeSet<_> = before.iter().flat_map(Recording::silent_routes).collect();
        let off: Vec<_> = silent.difference(&was).copied().collect();
        if !off.is_empty() {
            let said = off.iter().map(|route| match again.get(*route) {
                Some(later) => format!("{route} (until leaf {later})"),
                None => format!("{route} (and none switched it on again)"),
            });
            return Some(format!(
                "leaf {index} switched recording off for route {}: what went that way has no record",
                said.collect::<Vec<_>>().join(", ")
            ));
        }
        for route in was.difference(&silent) {
            again.insert((*route).to_owned(), index);
        }
    }
    None
}
