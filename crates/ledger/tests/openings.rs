//! What opening a log refuses although every byte of it is whole: one that witnesses know better, one whose key was changed too early. And what it
//! remembers: the time.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::clock::Clock as _;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Slot};
use bartizan_core::seal::{SealError, Sealed, Sealer, Sealing};
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{Flaw, Ledger, LedgerError, Parts, Reader, Recovery, cross_sign};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, SplitMix};
use common::{
    CHECKPOINT, LOG, append, arc, draft, intent, log_key, open, open_as, options, record, segments,
    under, used, verify, verify_own,
};
use std::sync::{Arc, Mutex};

const WITNESSED: &str = "log/witnessed";

/// A log that grows by so many pairs, from `seed`; closed.
fn grow(disk: &SimDisk, seed: u64, n: u64) {
    let mut chance = SplitMix::new(seed);
    let (ledger, recovery) = open(arc(disk), seed).expect("the log is whole");
    for id in recovery.leaves..recovery.leaves + n {
        for kind in [RecordKind::Intent, RecordKind::Outcome] {
            let sent = append(&ledger, draft(kind, record(id), &mut chance));
            sent.expect("a disk without faults takes every record");
        }
    }
}

/// Puts a checkpoint where the newest witnessed one stands.
fn witness(disk: &SimDisk, checkpoint: &[u8]) {
    disk.edit(WITNESSED, |bytes| *bytes = checkpoint.to_vec());
}

/// Every file of the journal, and the two checkpoints.
fn contents(disk: &SimDisk) -> Vec<Option<Vec<u8>>> {
    let files = segments(disk).into_iter().chain([CHECKPOINT, WITNESSED].map(str::to_owned));
    files.map(|name| disk.content(&name)).collect()
}

/// The flaw for which a log is not opened, or `None`. Nothing may be changed then, and `verify` says the same.
fn refused(name: &str, disk: &SimDisk) -> Option<Flaw> {
    let (before, report) = (contents(disk), verify(disk));
    match open(arc(disk), 9) {
        Ok(_) => {
            assert!(report.verified, "{name}: {report:?}");
            None
        }
        Err(error) => {
            assert!(error.to_string().contains("nothing was changed"), "{name}: {error}");
            assert_eq!(contents(disk), before, "{name}");
            Some(report.problem.expect("`verify` says it too").flaw)
        }
    }
}

#[test]
fn a_log_that_witnesses_know_better_is_refused() {
    let old = SimDisk::new(1);
    grow(&old, 1, 40);
    let new = old.copy();
    grow(&new, 2, 2);
    let fork = old.copy();
    grow(&fork, 3, 2);
    let stranger = SimDisk::new(7);
    grow(&stranger, 7, 1);
    let checkpoint = |disk: &SimDisk| disk.content(CHECKPOINT).unwrap();
    let mut other_origin = checkpoint(&new);
    other_origin[0] ^= 1;
    let cases: [(&str, &SimDisk, Vec<u8>, Option<Flaw>); 9] = [
        ("the same", &new, checkpoint(&new), None),
        ("an older one", &new, checkpoint(&old), None),
        (
            "an older copy of the log",
            &old,
            checkpoint(&new),
            Some(Flaw::WitnessedAhead { leaves: 80, size: 84 }),
        ),
        ("another history", &fork, checkpoint(&new), Some(Flaw::WitnessedRoot { size: 84 })),
        (
            "another history from the start",
            &new,
            checkpoint(&stranger),
            Some(Flaw::WitnessedRoot { size: 2 }),
        ),
        ("cut short", &new, checkpoint(&new)[..20].to_vec(), Some(Flaw::Witnessed)),
        ("empty", &new, Vec::new(), Some(Flaw::Witnessed)),
        ("no text", &new, vec![0xff; 300], Some(Flaw::Witnessed)),
        ("another log's", &new, other_origin, Some(Flaw::Witnessed)),
    ];
    for (name, disk, witnessed, want) in cases {
        let disk = disk.copy();
        witness(&disk, &witnessed);
        assert_eq!(refused(name, &disk), want, "{name}");
    }
    let bare = new.copy();
    witness(&bare, &checkpoint(&new));
    bare.lose(CHECKPOINT);
    let error = open(arc(&bare), 9).unwrap_err();
    let want = Flaw::WitnessedAhead { leaves: 0, size: 84 };
    assert!(matches!(&error, LedgerError::Witnessed(flaw) if *flaw == want), "{error}");
    assert!(error.to_string().contains("restore its newest copy"), "{error}");
    for name in segments(&new) {
        new.lose(&name);
    }
    let error = open(arc(&new), 9).unwrap_err().to_string();
    assert!(error.contains("ends after 0 leaves"), "a published log without a journal: {error}");
}

#[test]
fn another_key_takes_a_log_over_only_when_every_leaf_is_signed() {
    let (old, new) = (SimSigner::new(LOG, 1), SimSigner::new(LOG, 2));
    let disk = SimDisk::new(1);
    cross_sign(&disk, &old, &new).unwrap();
    grow(&disk, 1, 60);
    let (ledger, _) = open(arc(&disk), 2).unwrap();
    append(&ledger, intent(record(900))).unwrap();
    drop(ledger);
    // A kill after the last checkpoint but one.
    let before = SimDisk::new(1);
    grow(&before, 1, 60);
    let killed = under(&disk, &before);
    let unsigned = |disk: &SimDisk, n: u64| {
        let (bytes, error) = (contents(disk), cross_sign(disk, &old, &new).unwrap_err());
        assert!(matches!(error, LedgerError::Unsigned { leaves } if leaves == n), "{error}");
        assert_eq!(contents(disk), bytes);
    };
    unsigned(&killed, 1);
    let bare = SimDisk::new(1);
    for name in segments(&disk) {
        bare.edit(&name, |bytes| *bytes = disk.content(&name).unwrap());
    }
    unsigned(&bare, 121);

    cross_sign(&disk, &old, &new).unwrap();
    assert!(verify_own(&disk, 1).verified && verify_own(&disk, 2).verified);
    let n_used = || segments(&disk).iter().filter(|name| 4096 < used(&disk, name)).count();
    let n_before = n_used();
    for life in 0..2 {
        // The journal has no group of the new key before the first of these.
        let (ledger, recovery) = open_as(arc(&disk), 5 + life, 2, options()).unwrap();
        assert_eq!((recovery.leaves, recovery.interrupted), (122 + life, 1 - life));
        append(&ledger, Draft::new(Leaf::new(record(910 + life), RecordKind::KeyEvent, 1), vec![]))
            .unwrap();
        drop(ledger);
        assert_eq!(n_used(), n_before + 1, "one more, from whose snapshot the next start goes on");
    }
    assert!(verify_own(&disk, 2).verified);
    let killed = under(&disk, &before);
    cross_sign(&before, &old, &new).unwrap();
    let moved = under(&disk, &before);
    assert!(open(arc(&killed), 9).is_err(), "the new key's leaves are none of the old one's");
    assert!(open_as(arc(&moved), 9, 2, options()).is_err(), "nor the other way round");
}

/// Notes for which time each payload is sealed.
#[derive(Default)]
struct Diary {
    sealer: SimSealer,
    times: Mutex<Vec<u64>>,
}

impl Diary {
    fn note(&self, sealing: &Sealing<'_>) {
        self.times.lock().expect("nobody panics with it").push(sealing.unix_ms);
    }
}

impl Sealer for Diary {
    fn seal(&self, sealing: &Sealing<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        self.note(sealing);
        self.sealer.seal(sealing, plain)
    }

    fn seal_stream(
        &self,
        sealing: &Sealing<'_>,
        text: &[u8],
    ) -> Result<(Sealed, Vec<Digest>), SealError> {
        self.note(sealing);
        self.sealer.seal_stream(sealing, text)
    }

    fn pseudonym(&self, subject: &str, record: RecordId) -> Result<[u8; 16], SealError> {
        self.sealer.pseudonym(subject, record)
    }

    fn persist(&self) -> Result<(), SealError> {
        self.sealer.persist()
    }
}

const YEAR_MS: u64 = 365 * 86_400_000;
const NOW_MS: u64 = 1_800_000_000_000;

/// A process whose clock says so.
fn at(disk: &SimDisk, unix_ms: u64) -> (Ledger, Recovery, Arc<Diary>, Arc<SimClock>) {
    let (diary, clock) = (Arc::<Diary>::default(), Arc::new(SimClock::new(unix_ms)));
    let parts = Parts {
        disk: arc(disk),
        clock: clock.clone(),
        entropy: Arc::new(SimEntropy::new(unix_ms)),
        sealer: diary.clone(),
        signer: Arc::new(SimSigner::new(LOG, 1)),
    };
    let (ledger, recovery) = Ledger::open(parts, options()).expect("the log is whole");
    (ledger, recovery, diary, clock)
}

fn decision(id: u64, unix_ms: u64) -> Draft {
    let payloads = vec![Payload { slot: Slot::Evidence, bytes: b"what was found".to_vec() }];
    Draft::new(Leaf::new(record(id), RecordKind::Decision, unix_ms), payloads)
}

#[test]
fn a_clock_that_goes_back_is_told_and_seals_nothing_for_a_day_that_is_over() {
    let disk = SimDisk::new(1);
    let (ledger, recovery, diary, _) = at(&disk, NOW_MS);
    assert_eq!((recovery.clock_behind_ms, ledger.newest().unix_ms()), (0, 0));
    append(&ledger, decision(1, NOW_MS)).unwrap();
    assert_eq!((ledger.newest().unix_ms(), ledger.newest().clock_behind_ms()), (NOW_MS, 0));
    assert_eq!(*diary.times.lock().unwrap(), [NOW_MS]);
    drop(ledger);

    // A year back, over restarts, and over segments of the log.
    let mut newest_ms = NOW_MS;
    for life in 0..3 {
        let (ledger, recovery, diary, clock) = at(&disk, newest_ms - YEAR_MS);
        assert_eq!(recovery.clock_behind_ms, YEAR_MS, "life {life}");
        let newest = ledger.newest();
        for id in 0..60 {
            append(&ledger, decision(100 * (life + 1) + id, clock.unix_ms())).unwrap();
        }
        assert!(diary.times.lock().unwrap().iter().all(|&sealed| sealed == newest_ms));
        clock.advance_us(1000 * YEAR_MS);
        assert_eq!((newest.unix_ms(), newest.clock_behind_ms()), (newest_ms, 0), "it came back");
        clock.advance_us(1_000);
        newest_ms += 1;
        append(&ledger, decision(100 * (life + 1) + 99, clock.unix_ms())).unwrap();
        let last = diary.times.lock().unwrap().last().copied();
        assert_eq!((last, newest.unix_ms()), (Some(newest_ms), newest_ms), "and goes on");
        drop(ledger);
        assert_eq!(newest.unix_ms(), newest_ms, "the handle outlives the log");
        assert!(verify(&disk).verified, "the snapshots tell the same time");
        disk.crash(life);
    }
    assert!(2 < segments(&disk).len());
}

/// The log's signature on what witnesses have cosigned counts as on the checkpoint; a former key has to be known as one.
#[test]
fn the_witnessed_checkpoint_has_to_be_signed_by_the_log() {
    let disk = SimDisk::new(1);
    grow(&disk, 1, 4);
    let checkpoint = disk.content(CHECKPOINT).unwrap();
    disk.edit(WITNESSED, |bytes| bytes.clone_from(&checkpoint));
    assert!(verify(&disk).verified);
    let text = checkpoint.windows(2).position(|pair| pair == b"\n\n").unwrap();
    for at in text + 1..checkpoint.len() {
        let flipped = disk.copy();
        flipped
            .edit(WITNESSED, |bytes| bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1));
        let flaw = verify(&flipped).problem.map(|problem| problem.flaw);
        let is_told = matches!(flaw, Some(Flaw::Witnessed | Flaw::WitnessedUnsigned));
        assert!(is_told, "byte {at}: {flaw:?}");
    }
    // The next key has signed everything since, and not this.
    cross_sign(&disk, &SimSigner::new(LOG, 1), &SimSigner::new(LOG, 2)).unwrap();
    let by = |former: Vec<VerifierKey>| {
        let reader = Reader::open(arc(&disk)).unwrap().with_former_keys(former);
        reader.verify_with(&[log_key(2)], &mut |_| {}).unwrap().problem.map(|p| p.flaw)
    };
    assert_eq!(by(vec![]), Some(Flaw::WitnessedUnsigned));
    assert_eq!(by(vec![log_key(3)]), Some(Flaw::WitnessedUnsigned));
    assert_eq!(by(vec![log_key(1)]), None);
}
