//! Payloads opened on every processor while the log is verified: the walk hands the leaves over, and goes on.
//!
//! Nothing is said here of why a payload cannot be opened: tombstones stand behind what they are for. Whoever has seen the whole log
//! asks whether it explains the keys that were gone.
use bartizan_core::record::RecordId;
use bartizan_core::seal::{OpenError, Opener};
use bartizan_ledger::{Entry, LedgerError, Payloads, Reader};
use std::collections::BTreeMap;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

/// Most threads that open.
const OPENERS_MAX: usize = 16;
/// Batches that wait for them; the walk waits when there are as many.
const BATCHES_MAX: usize = 8;
/// Stored bytes after which a batch is full.
const BATCH_BYTES: u64 = 1 << 20;
/// Leaves after which it is.
const BATCH_LEAVES: usize = 1024;

/// What opening came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Payloads that opened, and are what was sealed.
    pub(super) clear: u64,
    /// Keys that were gone, each with the number of payloads that it was for.
    pub(super) gone: BTreeMap<RecordId, u64>,
    /// Payloads that could not be opened for another reason.
    pub(super) damaged: u64,
    /// What ended it early: the disk.
    pub(super) error: Option<LedgerError>,
}

impl Tally {
    fn take(&mut self, entries: &[Entry], payloads: &mut Payloads, opener: &dyn Opener) {
        for entry in entries {
            for stored in &entry.payloads {
                match payloads.clear(entry, stored, opener) {
                    Ok(_) => self.clear += 1,
                    Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. }) => {
                        *self.gone.entry(key).or_default() += 1;
                    }
                    Err(LedgerError::Sealed { .. } | LedgerError::Damaged(_)) => self.damaged += 1,
                    Err(error) => {
                        self.error = Some(error);
                        return;
                    }
                }
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.clear += other.clear;
        self.damaged += other.damaged;
        for (key, n) in other.gone {
            *self.gone.entry(key).or_default() += n;
        }
        self.error = self.error.take().or(other.error);
    }
}

/// Runs `walk`, which hands over leaves, and opens their payloads meanwhile.
pub(super) fn behind<T>(
    reader: &Reader,
    opener: &dyn Opener,
    walk: impl FnOnce(&mut dyn FnMut(Vec<Entry>)) -> T,
) -> (T, Tally) {
    let n_openers = available_parallelism().map_or(1, usize::from).min(OPENERS_MAX);
    let (sender, receiver) = sync_channel(BATCHES_MAX);
    let receiver = Mutex::new(receiver);
    scope(|scope| {
        let openers: Vec<_> =
            (0..n_openers).map(|_| scope.spawn(|| open(&receiver, reader, opener))).collect();
        let mut batch = Batch { sender, entries: Vec::new(), bytes: 0 };
        let told = walk(&mut |entries| batch.put(entries));
        batch.send();
        // Nothing more comes: the openers end when the line is empty.
        drop(batch);
        let mut tally = Tally::default();
        for opener in openers {
            match opener.join() {
                Ok(part) => tally.add(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        (told, tally)
    })
}

/// Leaves that are handed over together.
struct Batch {
    sender: SyncSender<Vec<Entry>>,
    entries: Vec<Entry>,
    bytes: u64,
}

impl Batch {
    fn put(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().filter(|entry| !entry.payloads.is_empty()) {
            self.bytes += entry.payloads.iter().map(|stored| stored.bytes).sum::<u64>();
            self.entries.push(entry);
            if BATCH_BYTES <= self.bytes || BATCH_LEAVES <= self.entries.len() {
                self.send();
            }
        }
    }

    fn send(&mut self) {
        self.bytes = 0;
        // Openers end only when they are told, or by a panic, which is passed on.
        self.sender.send(mem::take(&mut self.entries)).unwrap_or_default();
    }
}

fn open(receiver: &Mutex<Receiver<Vec<Entry>>>, reader: &Reader, opener: &dyn Opener) -> Tally {
    let (mut tally, mut payloads) = (Tally::default(), reader.payloads());
    loop {
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(entries) = next else { return tally };
        // After an error the rest is only taken, so that nobody waits.
        if tally.error.is_none() {
            tally.take(&entries, &mut payloads, opener);
        }
    }
}
