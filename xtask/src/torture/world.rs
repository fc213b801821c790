//! One machine with its disk: the real ledger and the real key store, opened in the order in which the binary opens them.
//!
//! What it does not do: the files of the vault beside the key store (keys, anchor), whose content counts as durable here; witnesses; and the
//! binary's own reading of tombstones, for which it reads the whole log. The binary's tests are about those.
use super::meddler::{Fate, Meddler, Order, Target};
use bartizan_core::disk::Disk;
use bartizan_core::record::{RecordId, RecordKind};
use bartizan_keys::{
    Access, KeyStore, NoteKey, OpenReport, Options as KeyOptions, StoreError, TenantKey,
};
use bartizan_ledger::tlog::{KeyKind, SignedCheckpoint, VerifierKey};
use bartizan_ledger::{Ledger, LedgerError, Options, Parts, Reader, Verification};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) const LEDGER: &str = "ledger";
pub(crate) const VAULT: &str = "vault";
pub(crate) const SLOTS: &str = "vault/keys.slots";
/// The key store's file until it is whole.
const UNREADY_SLOTS: &str = "vault/keys.slots.new";
pub(crate) const CHECKPOINT: &str = "ledger/log/checkpoint";
pub(crate) const WITNESSED: &str = "ledger/log/witnessed";
pub(crate) const FIRST_SEGMENT: &str = "ledger/segment-00000000.log";
/// When every record here is made.
pub(crate) const UNIX_MS: u64 = 1_800_000_000_000;

/// A machine that can lose its power.
pub(crate) struct World {
    pub(crate) sim: SimDisk,
    pub(crate) options: Options,
    seed: u64,
    n_processes: u64,
    tenants: Mutex<Tenants>,
    signer: Arc<NoteKey>,
    verifier: VerifierKey,
    /// Where syncs are counted: the places, and the processes so far.
    counting: Option<(&'static [Target], Mutex<Vec<Fate>>)>,
}

/// The keys that wrap the key store's. The files that they stand in are durable.
#[derive(Clone)]
pub(crate) struct Tenants {
    now: Arc<TenantKey>,
    /// While the store is being wrapped anew.
    next: Option<Arc<TenantKey>>,
    n_rotations: u64,
}

/// A process that records.
pub(crate) struct Process {
    pub(crate) ledger: Ledger,
    pub(crate) keys: Arc<KeyStore>,
    /// Slots of the key store that were found damaged.
    pub(crate) n_damaged: usize,
    /// The copy that recovery made of what it cut off: its path, and what stands in it.
    pub(crate) torn: Option<(String, Vec<u8>)>,
}

/// Its name, its text, and how it is read.
pub(crate) type KeyFile = (&'static str, String, fn(&[u8]) -> Outcome<String>);

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
        let tenants = Tenants { now: Arc::new(tenant), next: None, n_rotations: 0 };
        let (tenants, signer) = (Mutex::new(tenants), Arc::new(signer));
        let counting = None;
        Ok(Self { sim, options, seed, n_processes: 0, tenants, signer, verifier, counting })
    }

    /// The same, where every process's syncs are counted as one of these places.
    pub(crate) fn counting(self, targets: &'static [Target]) -> Self {
        Self { counting: Some((targets, Mutex::default())), ..self }
    }

    /// The processes whose syncs were counted.
    pub(crate) fn counted(&self) -> Vec<Fate> {
        let fates = self.counting.as_ref().map(|(_, fates)| lock(fates).clone());
        fates.unwrap_or_default()
    }

    pub(crate) fn tenants(&self) -> MutexGuard<'_, Tenants> {
        lock(&self.tenants)
    }

    /// The same machine with another disk.
    pub(crate) fn with(&self, sim: SimDisk) -> Self {
        let (tenants, signer) = (Mutex::new(self.tenants().clone()), Arc::clone(&self.signer));
        let (options, verifier) = (self.options.clone(), self.verifier.clone());
        let (seed, n_processes, counting) = (self.seed, self.n_processes, None);
        Self { sim, options, seed, n_processes, tenants, signer, verifier, counting }
    }

    /// The fate of the next process, which meets this order, unless it is spared, and no other harm.
    pub(crate) fn fate(&self, order: Option<Order>) -> Fate {
        let Some((targets, fates)) = &self.counting else {
            return Fate::new(order.filter(|order| order.n_spared <= self.n_processes));
        };
        let fate = Fate::counting(targets);
        lock(fates).push(fate.clone());
        fate
    }

    /// Wraps the key store's keys by another tenant's key, as `bartizan vault rotate` does: the next key is durable before the store is touched,
    /// and takes the place of the present one afterwards.
    pub(crate) fn rotate(&self, process: &Process) -> Outcome<()> {
        let mut tenants = self.tenants();
        let entropy = SimEntropy::new(self.seed << 16 | 0x8000 | tenants.n_rotations);
        let next = Arc::new(TenantKey::generate("torture", &entropy).map_err(say)?);
        tenants.next = Some(Arc::clone(&next));
        tenants.n_rotations += 1;
        process.keys.rewrap(&next).map_err(say)?;
        tenants.now = next;
        tenants.next = None;
        Ok(())
    }

    /// Opens the key store with whichever tenant's key it has.
    fn open_keys(
        &self,
        open: impl Fn(&TenantKey) -> Result<(KeyStore, OpenReport), StoreError>,
    ) -> Result<(KeyStore, OpenReport), StoreError> {
        let mut tenants = self.tenants();
        match (open(&tenants.now), tenants.next.clone()) {
            (Err(StoreError::WrongKey { .. }), Some(next)) => {
                let opened = open(&next)?;
                tenants.now = next;
                tenants.next = None;
                Ok(opened)
            }
            (opened, _) => opened,
        }
    }

    /// The texts of the key files, and what a reader makes of one that may be damaged: the text again, of the key that it holds.
    pub(crate) fn key_files(&self) -> [KeyFile; 3] {
        [
            ("tenant.key", self.tenants().now.private_text().to_string(), |text| {
                TenantKey::parse(text).map(|key| key.private_text().to_string()).map_err(say)
            }),
            ("log.key", self.signer.private_text().to_string(), |text| {
                NoteKey::parse(text).map(|key| key.private_text().to_string()).map_err(say)
            }),
            ("log.vkey", self.verifier.to_string(), |text| {
                let text = std::str::from_utf8(text).map_err(say)?;
                let key: VerifierKey = text.parse().map_err(say)?;
                // Signatures of a type that nobody here verifies never count.
                let counts = !matches!(key.kind(), KeyKind::Other(_));
                counts.then(|| key.to_string()).ok_or_else(|| "a key of another type".to_owned())
            }),
        ]
    }

    /// The wrapped keys that stand in a file of the key store, by their first bytes.
    pub(crate) fn wrapped(&self, file: &str) -> BTreeSet<[u8; 8]> {
        /// Slots that the header takes the room of.
        const HEADER_SLOTS: usize = 32;
        /// Where a slot holds its wrapped key.
        const WRAPPED: usize = 56;
        let content = self.sim.content(file).unwrap_or_default();
        let (slots, _) = content.as_chunks::<128>();
        let start = |slot: &[u8; 128]| slot.get(WRAPPED..)?.first_chunk::<8>().copied();
        slots.iter().skip(HEADER_SLOTS).filter_map(start).filter(|start| *start != [0; 8]).collect()
    }

    /// Fails if one of these wrapped keys is anywhere on the device.
    pub(crate) fn check_gone(&self, wrapped: &BTreeSet<[u8; 8]>) -> Outcome<()> {
        for remains in self.sim.remains() {
            let (words, _) = remains.as_chunks::<8>();
            if words.iter().any(|word| wrapped.contains(word)) {
                return Err(
                    "a wrapped key that was to be overwritten is still on the device".to_owned()
                );
            }
        }
        Ok(())
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
        let unfinished = self.wrapped(UNREADY_SLOTS);
        let open = |tenant: &TenantKey| {
            KeyStore::open(Arc::clone(&vault), clocks.clone(), chance.clone(), tenant, options)
        };
        let (keys, report) = self.open_keys(open).map_err(say)?;
        self.check_gone(&unfinished.difference(&self.wrapped(SLOTS)).copied().collect())?;
        let keys = Arc::new(keys);
        let parts = Parts {
            disk: Arc::clone(&disk),
            clock,
            entropy,
            sealer: keys.clone(),
            signer: self.signer.clone(),
        };
        let (ledger, recovery) = Ledger::open(parts, self.options.clone()).map_err(say)?;
        let path = recovery.torn_copy.map(|copy| format!("{LEDGER}/{copy}"));
        let torn = path.map(|path| self.sim.content(&path).map(|bytes| (path, bytes)));
        let torn = match torn {
            Some(None) => return Err("a copy of torn bytes is told and is not there".to_owned()),
            torn => torn.flatten(),
        };
        let tombstones = tombstones(disk)?;
        keys.destroy_again(&tombstones).map_err(say)?;
        Ok(Process { ledger, keys, n_damaged: report.damaged, torn })
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
