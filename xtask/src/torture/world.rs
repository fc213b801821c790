//! One machine with its disk: the real ledger and the real key store, opened the way the binary opens them.
use super::meddler::{Fate, Meddler, Order};
use bartizan_core::disk::Disk;
use bartizan_core::record::{RecordId, RecordKind};
use bartizan_keys::{Access, KeyStore, NoteKey, Options as KeyOptions, TenantKey};
use bartizan_ledger::tlog::{SignedCheckpoint, VerifierKey};
use bartizan_ledger::{Ledger, LedgerError, Options, Parts, Reader, Verification};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy};
use std::sync::Arc;

pub(crate) const LEDGER: &str = "ledger";
pub(crate) const VAULT: &str = "vault";
pub(crate) const SLOTS: &str = "vault/keys.slots";
pub(crate) const CHECKPOINT: &str = "ledger/log/checkpoint";
pub(crate) const FIRST_SEGMENT: &str = "ledger/segment-00000000.log";
/// When every record here is made.
pub(crate) const UNIX_MS: u64 = 1_800_000_000_000;

/// A machine that can lose its power.
pub(crate) struct World {
    pub(crate) sim: SimDisk,
    pub(crate) options: Options,
    seed: u64,
    n_processes: u64,
    tenant: Arc<TenantKey>,
    signer: Arc<NoteKey>,
    verifier: VerifierKey,
}

/// A process that records.
pub(crate) struct Process {
    pub(crate) ledger: Ledger,
    pub(crate) keys: Arc<KeyStore>,
    /// Slots of the key store that were found damaged.
    pub(crate) n_damaged: usize,
}

/// An error with its reason in words; a whole case ends with one.
pub(crate) type Outcome<T> = Result<T, String>;

pub(crate) fn say(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl World {
    pub(crate) fn new(seed: u64, options: Options) -> Outcome<Self> {
        let sim = SimDisk::new(seed);
        for name in [LEDGER, VAULT] {
            sim.folder(name, true).map_err(say)?;
        }
        sim.sync_dir().map_err(say)?;
        let entropy = SimEntropy::new(seed ^ 0x7e4a_9b01);
        let tenant = TenantKey::generate("torture", &entropy).map_err(say)?;
        let signer = NoteKey::generate("torture.example/log", &entropy).map_err(say)?;
        let verifier = VerifierKey::of_log(&signer).map_err(say)?;
        let (tenant, signer) = (Arc::new(tenant), Arc::new(signer));
        Ok(Self { sim, options, seed, n_processes: 0, tenant, signer, verifier })
    }

    /// The same machine with another disk.
    pub(crate) fn with(&self, sim: SimDisk) -> Self {
        let (tenant, signer) = (Arc::clone(&self.tenant), Arc::clone(&self.signer));
        let (options, verifier) = (self.options.clone(), self.verifier.clone());
        let n_processes = self.n_processes;
        Self { sim, options, seed: self.seed, n_processes, tenant, signer, verifier }
    }

    /// The fate of the next process, which meets this order, unless it is spared, and no other harm.
    pub(crate) fn fate(&self, order: Option<Order>) -> Fate {
        Fate::new(order.filter(|order| order.n_spared <= self.n_processes))
    }

    /// Starts a process: keys, then the ledger, which mends its journal, and then the tombstones, before anything is sealed. Tombstones that are read
    /// earlier may be in the cache only, and a key that is destroyed for one of those is missing without a reason.
    pub(crate) fn open(&mut self, fate: &Fate) -> Outcome<Process> {
        self.n_processes += 1;
        let entropy = Arc::new(SimEntropy::new(self.seed << 8 | self.n_processes));
        let clock = Arc::new(SimClock::new(UNIX_MS));
        let top = Meddler::new(&self.sim, fate);
        let disk = top.folder(LEDGER, false).map_err(say)?;
        let vault = top.folder(VAULT, false).map_err(say)?;
        let has_log = self.sim.content(FIRST_SEGMENT).is_some();
        let access = if has_log { Access::Write } else { Access::Create };
        let options = KeyOptions { grow_slots: 4, access, ..KeyOptions::default() };
        let (clocks, chance) = (clock.clone(), entropy.clone());
        let (keys, report) =
            KeyStore::open(vault, clocks, chance, &self.tenant, options).map_err(say)?;
        let keys = Arc::new(keys);
        let parts = Parts {
            disk: Arc::clone(&disk),
            clock,
            entropy,
            sealer: keys.clone(),
            signer: self.signer.clone(),
        };
        let (ledger, _) = Ledger::open(parts, self.options.clone()).map_err(say)?;
        let tombstones = tombstones(disk)?;
        keys.destroy_again(&tombstones).map_err(say)?;
        Ok(Process { ledger, keys, n_damaged: report.damaged })
    }

    /// Reads the disk as an auditor does, with no process alive.
    pub(crate) fn reader(&self) -> Result<Reader, LedgerError> {
        let folder = self.sim.folder(LEDGER, false).map_err(|source| LedgerError::Disk {
            operation: "open",
            name: LEDGER.to_owned(),
            source,
        })?;
        Reader::open(folder)
    }

    /// What `verify` says to an auditor who trusts the log's key; `None` where there is no log.
    pub(crate) fn verify(&self) -> Outcome<Option<Verification>> {
        match self.reader() {
            Err(LedgerError::Absent) => Ok(None),
            reader => {
                let report = reader.and_then(|reader| {
                    reader.verify_with(std::slice::from_ref(&self.verifier), &mut |_| {})
                });
                report.map(Some).map_err(say)
            }
        }
    }

    /// The checkpoint that outsiders see at this moment.
    pub(crate) fn checkpoint(&self) -> Option<SignedCheckpoint> {
        SignedCheckpoint::parse(&self.sim.content(CHECKPOINT)?).ok()
    }
}

/// Names of the keys that the log has tombstones for.
pub(crate) fn tombstones(ledger: Arc<dyn Disk>) -> Outcome<Vec<RecordId>> {
    let mut found = Vec::new();
    for entry in Reader::open(ledger).and_then(|reader| reader.entries()).map_err(say)? {
        let entry = entry.map_err(say)?;
        if entry.leaf.kind == RecordKind::Tombstone {
            found.push(entry.leaf.record);
        }
    }
    Ok(found)
}
