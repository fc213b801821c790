//! What is known of a log from outside, and what must therefore be found in it.
use super::world::{Outcome, Process, Tenants, World, say};
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Leaf, Outcome as End, RecordId, RecordKind};
use bartizan_core::seal::OpenError;
use bartizan_keys::KeyState;
use bartizan_ledger::{Entry, LedgerError, Reader, TORN_FILES_MAX};
use std::collections::{BTreeMap, BTreeSet};

/// One record that was sent.
pub(crate) struct Sent {
    pub(crate) draft: Draft,
    /// The subject's key that sealed its payloads.
    pub(crate) key: Option<RecordId>,
    /// It was acknowledged, or a reader has seen it after a recovery: it must stay.
    pub(crate) is_sure: bool,
}

/// Everything that was sent, promised and shown.
#[derive(Default)]
pub(crate) struct Truth {
    pub(crate) sent: BTreeMap<(RecordId, RecordKind), Sent>,
    /// Recovery ended these, and a reader has seen it.
    interrupted: BTreeSet<RecordId>,
    /// Checkpoints that an outsider has seen: no later log may contradict one.
    seen: BTreeMap<u64, Digest>,
    /// Size of the checkpoint that was durable when a process ended well.
    closed: u64,
    /// The key store's file before the last erasure, and the tenant's key for it: a backup that somebody may restore.
    pub(crate) backup: Option<(Vec<u8>, Tenants)>,
    /// Copies of torn bytes that a start has told of.
    copies: BTreeMap<String, Vec<u8>>,
}

impl Truth {
    pub(crate) fn note(&mut self, draft: &Draft) {
        let sent = Sent { draft: draft.clone(), key: None, is_sure: false };
        self.sent.insert((draft.leaf.record, draft.leaf.kind), sent);
    }

    pub(crate) fn of(&mut self, draft: &Draft) -> Option<&mut Sent> {
        self.sent.get_mut(&(draft.leaf.record, draft.leaf.kind))
    }

    /// Looks at the published checkpoint, as a witness may at any moment.
    pub(crate) fn look(&mut self, world: &World) -> Outcome<()> {
        let Some(checkpoint) = world.checkpoint() else { return Ok(()) };
        let (size, root) = (checkpoint.checkpoint().size(), checkpoint.checkpoint().root());
        match self.seen.insert(size, root) {
            Some(before) if before != root => {
                Err(format!("two checkpoints of {size} leaves differ: a split view"))
            }
            _ => Ok(()),
        }
    }

    /// How many records that were promised are not in the log now, or only as ended by recovery.
    pub(crate) fn n_missing(&self, world: &World) -> Outcome<usize> {
        let reader = world.reader().map_err(say)?;
        let mut found = BTreeSet::new();
        for entry in reader.entries().map_err(say)? {
            let leaf = entry.map_err(say)?.leaf;
            if leaf.outcome != Some(End::Interrupted) {
                found.insert((leaf.record, leaf.kind));
            }
        }
        let is_missing =
            |(key, sent): &(&(RecordId, RecordKind), &Sent)| sent.is_sure && !found.contains(key);
        Ok(self.sent.iter().filter(is_missing).count())
    }

    /// A process has started: what it says that it kept stays.
    pub(crate) fn started(&mut self, process: &Process) {
        self.copies.extend(process.torn.clone());
    }

    /// A process ended well: its last checkpoint is durable.
    pub(crate) fn close(&mut self, world: &World) {
        self.closed = world.checkpoint().map_or(0, |checkpoint| checkpoint.checkpoint().size());
    }

    /// What an auditor finds on the disk of a machine that died, before anything is mended.
    pub(crate) fn check_image(&self, world: &World) -> Outcome<()> {
        let Some(report) = world.verify()? else {
            let is_owed = self.sent.values().any(|sent| sent.is_sure);
            return if is_owed { Err("the log is gone".to_owned()) } else { Ok(()) };
        };
        if !report.verified {
            return Err(format!("the disk of the dead machine does not verify: {report:?}"));
        }
        let is_kept =
            |(path, bytes): (&String, &Vec<u8>)| world.sim.content(path).as_ref() == Some(bytes);
        // As many are never made here that one would make room for another.
        if self.copies.len() <= TORN_FILES_MAX && !self.copies.iter().all(is_kept) {
            return Err("a copy of torn bytes was told of and is lost".to_owned());
        }
        if report.checkpoint.unwrap_or(0) < self.closed {
            return Err(format!("the last checkpoint ({}) is lost: {report:?}", self.closed));
        }
        Ok(())
    }

    /// Everything again, with a process that has just recovered the log.
    pub(crate) fn check(&mut self, world: &World, process: &Process) -> Outcome<()> {
        let reader = world.reader().map_err(say)?;
        let entries: Vec<Entry> = reader
            .entries()
            .and_then(Iterator::collect)
            .map_err(|error| format!("after recovery: {error}"))?;
        let of_kind = |kind| move |entry: &&Entry| entry.leaf.kind == kind;
        let tombstones: BTreeSet<RecordId> = entries
            .iter()
            .filter(of_kind(RecordKind::Tombstone))
            .map(|entry| entry.leaf.record)
            .collect();
        if let Some(key) = tombstones.iter().find(|&&key| process.keys.state(key) == KeyState::Live)
        {
            return Err(format!("the key {key} has a tombstone and is alive"));
        }
        let mut found = BTreeSet::new();
        for entry in &entries {
            self.check_entry(&reader, process, entry, &tombstones)?;
            if !found.insert((entry.leaf.record, entry.leaf.kind)) {
                return Err(format!("{} {} is there twice", entry.leaf.record, entry.leaf.kind));
            }
        }
        self.check_whole(&found)?;
        self.check_history(&entries)
    }

    /// One leaf and its payloads.
    fn check_entry(
        &mut self,
        reader: &Reader,
        process: &Process,
        entry: &Entry,
        tombstones: &BTreeSet<RecordId>,
    ) -> Outcome<()> {
        let (record, kind) = (entry.leaf.record, entry.leaf.kind);
        let is_interrupted = entry.leaf.outcome == Some(End::Interrupted);
        let Some(sent) = self.sent.get_mut(&(record, kind)).filter(|_| !is_interrupted) else {
            let is_late = self.sent.get(&(record, kind)).is_some_and(|sent| sent.is_sure);
            if is_late || !is_interrupted {
                return Err(format!("{record} {kind} is not what was sent"));
            }
            self.interrupted.insert(record);
            return Ok(());
        };
        let Leaf { payload_root, key_commitment, subject, .. } = entry.leaf;
        let want = Leaf { payload_root, key_commitment, subject, ..sent.draft.leaf.clone() };
        if want != entry.leaf || sent.draft.payloads.len() != entry.payloads.len() {
            return Err(format!("{record} {kind} is not what was sent"));
        }
        for (stored, payload) in entry.payloads.iter().zip(&sent.draft.payloads) {
            let is_erased = sent.key.is_some_and(|key| tombstones.contains(&key));
            match reader.payload(entry, stored, &*process.keys) {
                Ok(_) if is_erased => {
                    return Err(format!("{record} {kind} was erased and opens again"));
                }
                Ok(clear) if clear == payload.bytes && stored.slot == payload.slot => {}
                Ok(_) => return Err(format!("{record} {kind} opens as something else")),
                Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. })
                    if tombstones.contains(&key) => {}
                Err(error) => return Err(format!("{record} {kind}: {error}")),
            }
        }
        sent.is_sure = true;
        Ok(())
    }

    /// Nothing is missing, and every INTENT has its OUTCOME.
    fn check_whole(&self, found: &BTreeSet<(RecordId, RecordKind)>) -> Outcome<()> {
        let lost = self.sent.iter().find(|(key, sent)| sent.is_sure && !found.contains(key));
        if let Some(((record, kind), _)) = lost {
            return Err(format!("{record} {kind} was promised and is lost"));
        }
        for (record, kind) in found {
            let other = match kind {
                RecordKind::Intent => RecordKind::Outcome,
                RecordKind::Outcome => RecordKind::Intent,
                _ => continue,
            };
            if !found.contains(&(*record, other)) {
                return Err(format!("{record} has its {kind} and no {other}"));
            }
        }
        match self.interrupted.iter().find(|&&id| !found.contains(&(id, RecordKind::Outcome))) {
            Some(record) => Err(format!("the end of {record} was seen and is lost")),
            None => Ok(()),
        }
    }

    /// The log continues every one that was shown.
    fn check_history(&self, entries: &[Entry]) -> Outcome<()> {
        let hashes: Vec<Digest> = entries.iter().map(|entry| entry.leaf_hash).collect();
        for (&size, &root) in &self.seen {
            let prefix = usize::try_from(size).ok().and_then(|size| hashes.get(..size));
            if prefix.map(bartizan_ledger::merkle::root_of) != Some(root) {
                return Err(format!(
                    "the checkpoint of {size} leaves was shown, and is denied now"
                ));
            }
        }
        Ok(())
    }
}
