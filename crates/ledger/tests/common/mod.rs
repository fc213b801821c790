//! What every test of the ledger needs: a world, drafts, and one way to open a log.
use bartizan_core::clock::Entropy as _;
use bartizan_core::disk::Disk;
use bartizan_core::record::{
    Draft, Leaf, Outcome, Payload, Receipt, RecordError, RecordId, RecordKind, Recorder as _, Slot,
};
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{
    Entry, Ledger, LedgerError, Options, Parts, Reader, Recovery, Stored, Verification,
};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, SplitMix, wait};
use std::sync::Arc;

/// The name of every log here.
pub(crate) const LOG: &str = "example.com/log";
/// Bytes of a segment's header.
const HEAD_BYTES: usize = 4096;
pub(crate) const CHECKPOINT: &str = "log/checkpoint";

/// Small enough that a test fills several segments.
pub(crate) const SEGMENT_BYTES: u64 = 64 << 10;

/// Limits for simulation: small, and in an order that only the records decide.
pub(crate) fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, prepare_ahead: false, ..Options::default() }
}

pub(crate) fn open(disk: Arc<dyn Disk>, seed: u64) -> Result<(Ledger, Recovery), LedgerError> {
    open_with(disk, seed, options())
}

pub(crate) fn open_with(
    disk: Arc<dyn Disk>,
    seed: u64,
    options: Options,
) -> Result<(Ledger, Recovery), LedgerError> {
    open_as(disk, seed, 1, options)
}

/// Opens with the key of some seed; everybody else has that of 1.
pub(crate) fn open_as(
    disk: Arc<dyn Disk>,
    seed: u64,
    key: u8,
    options: Options,
) -> Result<(Ledger, Recovery), LedgerError> {
    let clock = Arc::new(SimClock::new(1_700_000_000_000));
    let entropy = Arc::new(SimEntropy::new(seed));
    let sealer = Arc::new(SimSealer::new());
    let signer = Arc::new(SimSigner::new(LOG, key));
    Ledger::open(Parts { disk, clock, entropy, sealer, signer }, options)
}

pub(crate) fn arc(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(crate) fn record(seed: u64) -> RecordId {
    let mut id = [0; 16];
    SimEntropy::new(seed).fill(&mut id);
    RecordId(id)
}

pub(crate) fn payload(slot: Slot, chance: &mut SplitMix, n_bytes: usize) -> Payload {
    let mut bytes = vec![0; n_bytes];
    chance.fill(&mut bytes);
    Payload { slot, bytes }
}

/// A draft with up to three payloads, often of few bytes and now and then of many.
pub(crate) fn draft(kind: RecordKind, id: RecordId, chance: &mut SplitMix) -> Draft {
    let mut leaf = Leaf::new(id, kind, 1_700_000_000_000);
    leaf.outcome = (kind == RecordKind::Outcome).then_some(Outcome::Completed);
    leaf.verdict = chance.draw();
    let slots = Slot::ALL.iter().take(chance.below(Slot::ALL.len() + 1));
    let payloads = slots
        .map(|&slot| {
            let n_bytes_max = if chance.one_in(8) { 20_000 } else { 700 };
            let n_bytes = chance.below(n_bytes_max);
            payload(slot, chance, n_bytes)
        })
        .collect();
    Draft::new(leaf, payloads)
}

pub(crate) fn intent(id: RecordId) -> Draft {
    let payloads = vec![Payload { slot: Slot::Released, bytes: b"what was asked".to_vec() }];
    Draft::new(Leaf::new(id, RecordKind::Intent, 1), payloads)
}

pub(crate) fn outcome(id: RecordId) -> Draft {
    let mut leaf = Leaf::new(id, RecordKind::Outcome, 2);
    leaf.outcome = Some(Outcome::Completed);
    let payloads = vec![Payload { slot: Slot::Released, bytes: b"what was answered".to_vec() }];
    Draft::new(leaf, payloads)
}

pub(crate) fn append(ledger: &Ledger, draft: Draft) -> Result<Receipt, RecordError> {
    wait(ledger.append(draft))
}

pub(crate) fn verify(disk: &SimDisk) -> Verification {
    Reader::open(arc(disk))
        .and_then(|reader| reader.verify_with(&[log_key(1)], &mut |_| {}))
        .expect("a simulated disk with power can be read")
}

/// What the holder of the log's key is told.
pub(crate) fn verify_own(disk: &SimDisk, key: u8) -> Verification {
    let signer = SimSigner::new(LOG, key);
    Reader::open(arc(disk))
        .and_then(|reader| reader.verify_own(&[log_key(key)], &signer, &mut |_| {}))
        .expect("a simulated disk with power can be read")
}

/// Names of the segments that are there.
pub(crate) fn segments(disk: &SimDisk) -> Vec<String> {
    let names = (0..99).map(|number| format!("segment-{number:08}.log"));
    names.take_while(|name| disk.content(name).is_some()).collect()
}

/// One past the last byte in use.
pub(crate) fn used(disk: &SimDisk, name: &str) -> usize {
    let content = disk.content(name).unwrap_or_default();
    content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// The journal of one log under the checkpoint and the tiles of another.
pub(crate) fn under(journal: &SimDisk, published: &SimDisk) -> SimDisk {
    let disk = published.copy();
    for name in segments(&disk) {
        disk.lose(&name);
    }
    for name in segments(journal) {
        disk.edit(&name, |bytes| *bytes = journal.content(&name).unwrap_or_default());
    }
    disk
}

/// The journal of an honest log with the groups that a forger's log of the same name has behind it.
pub(crate) fn extended(honest: &SimDisk, forged: &SimDisk) -> SimDisk {
    let disk = honest.copy();
    let last = segments(honest).into_iter().rfind(|name| HEAD_BYTES < used(honest, name));
    let mut is_behind = false;
    for name in segments(forged) {
        let theirs = forged.content(&name).unwrap_or_default();
        if is_behind {
            disk.edit(&name, |bytes| *bytes = theirs);
        } else if Some(&name) == last.as_ref() {
            is_behind = true;
            let end = used(honest, &name);
            disk.edit(&name, |bytes| {
                bytes.splice(end.., theirs.into_iter().skip(end)).for_each(drop);
            });
        }
    }
    disk
}

/// The key that checkpoints are verified with.
pub(crate) fn log_key(seed: u8) -> VerifierKey {
    VerifierKey::of_log(&SimSigner::new(LOG, seed)).expect("the name of a key")
}

/// A log of `n` pairs, closed as it should be.
pub(crate) fn closed_log(seed: u64, n: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    let mut chance = SplitMix::new(seed);
    let (ledger, _) = open(arc(&disk), seed).expect("an empty folder can be opened");
    for id in 0..n {
        for kind in [RecordKind::Intent, RecordKind::Outcome] {
            let sent = append(&ledger, draft(kind, record(id), &mut chance));
            sent.expect("a disk without faults takes every record");
        }
    }
    drop(ledger);
    disk
}

/// A payload in clear.
pub(crate) fn clear(
    reader: &Reader,
    entry: &Entry,
    stored: &Stored,
) -> Result<Vec<u8>, LedgerError> {
    reader.payload(entry, stored, &SimSealer::new())
}
