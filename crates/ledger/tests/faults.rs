//! Disks that fail, queues that fill, records that may not be: each a clear error, and the log stays whole.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::record::{
    Draft, Leaf, Outcome, Payload, RecordError, RecordKind, Recorder as _, Slot,
};
use bartizan_ledger::{Ledger, LedgerError, Options, Parts};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};
use common::{LOG, append, arc, intent, open, open_with, options, outcome, record, verify};
use std::sync::Arc;
use std::time::Duration;

/// Breaks a disk under a live ledger: what the append says, and what is on the disk after a restart.
fn broken(name: &str, fault: impl FnOnce(&SimDisk), crash: bool) -> RecordError {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).expect("an empty folder can be opened");
    // Once the second record is acknowledged, the first checkpoint is written, and the next one is a second away.
    for id in [1, 9] {
        append(&ledger, intent(record(id))).expect("nothing is broken yet");
    }
    fault(&disk);
    let big = Payload { slot: Slot::Released, bytes: vec![7; 100_000] };
    let mut draft = outcome(record(1));
    draft.payloads = vec![big];
    let error = append(&ledger, draft).expect_err("the disk is broken");
    assert_eq!(ledger.failure(), Some(error.clone()), "{name}");
    let again = append(&ledger, outcome(record(1))).expect_err("the disk is broken");
    assert_eq!(again, error, "{name}: nothing is retried");
    drop(ledger);
    disk.set_room(None);
    if crash {
        disk.crash(3);
    }
    let (ledger, recovery) = open(arc(&disk), 2).expect("the disk is mended");
    assert_eq!(recovery.leaves, 4, "{name}");
    drop(ledger);
    // A failed sync left bytes in the cache only; what recovery wrote must not rest on them.
    disk.crash(4);
    let report = verify(&disk);
    assert!(report.verified && report.open == 0 && report.leaves == 4, "{name}: {report:?}");
    error
}

#[test]
fn a_failed_disk_ends_recording_and_the_log_stays_whole() {
    type Fault = fn(&SimDisk);
    let cases: [(&str, Fault, &str); 5] = [
        ("sync of a segment's zeros", |disk| disk.fail_sync_at(1), "preparation of a segment"),
        ("sync of the group", |disk| disk.fail_sync_at(2), "sync"),
        ("write", |disk| disk.fail_write_at(1), "preparation of a segment"),
        ("name", |disk| disk.fail_dir_sync_at(1), "preparation of a segment"),
        ("room", |disk| disk.set_room(Some(70_000)), "preparation of a segment"),
    ];
    for (name, fault, want) in cases {
        for crash in [false, true] {
            match broken(name, fault, crash) {
                RecordError::Stopped { operation, .. } => assert_eq!(operation, want, "{name}"),
                other => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn a_failed_checkpoint_ends_recording_too() {
    let disk = SimDisk::new(1);
    let limits = Options { checkpoint_interval_us: 0, ..options() };
    let (ledger, _) = open_with(arc(&disk), 1, limits).unwrap();
    disk.fail_sync_at(6);
    let mut n_done = 0;
    while append(&ledger, intent(record(n_done))).is_ok() {
        n_done += 1;
        assert!(n_done < 100, "the failure was never told");
    }
    let failure = ledger.failure().unwrap().to_string();
    assert!(failure.contains("checkpoint") || failure.contains("tiles"), "{failure}");
    drop(ledger);
    assert!(verify(&disk).verified);

    let signer = Arc::new(SimSigner::new(LOG, 1));
    let parts = Parts {
        disk: arc(&disk),
        clock: Arc::new(SimClock::new(1)),
        entropy: Arc::new(SimEntropy::new(1)),
        sealer: Arc::new(SimSealer::new()),
        signer: signer.clone(),
    };
    let (ledger, _) = Ledger::open(parts, options()).unwrap();
    signer.fail();
    append(&ledger, intent(record(500))).unwrap();
    drop(ledger);
    assert!(verify(&disk).verified, "what could not be signed any more is there all the same");
}

#[test]
fn a_full_queue_turns_away_and_loses_nothing() {
    let limits = [
        Options { queue_records_max: 3, ..options() },
        Options { queue_bytes_max: 1000, record_bytes_max: 1000, ..options() },
    ];
    for limits in limits {
        let disk = SimDisk::new(1);
        let (ledger, _) = open_with(arc(&disk), 1, limits).unwrap();
        disk.slow_syncs(Duration::from_millis(30));
        let mut waiting = Vec::new();
        let mut n_full = 0;
        for id in 0..40 {
            let recorded = ledger.append(Draft {
                payloads: vec![Payload { slot: Slot::Released, bytes: vec![1; 200] }],
                ..intent(record(id))
            });
            waiting.push(recorded);
        }
        let n_sent = waiting.len() as u64;
        for recorded in waiting {
            match wait(recorded) {
                Ok(_) => {}
                Err(RecordError::Full { .. }) => n_full += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(0 < n_full && n_full < n_sent, "{n_full} of {n_sent} turned away");
        append(&ledger, intent(record(99))).unwrap();
        drop(ledger);
        assert_eq!(verify(&disk).leaves, n_sent - n_full + 1);
    }
}

#[test]
fn records_that_may_not_be_are_refused_and_the_log_goes_on() {
    let disk = SimDisk::new(1);
    let limits =
        Options { record_bytes_max: 1000, group_records_max: 4, open_records_max: 3, ..options() };
    let (ledger, _) = open_with(arc(&disk), 1, limits).unwrap();
    append(&ledger, intent(record(1))).unwrap();
    let payload = |slot, n| Payload { slot, bytes: vec![0; n] };
    let with = |payloads| Draft { payloads, ..intent(record(2)) };
    let mut long = intent(record(2));
    long.leaf.route = Some("r".repeat(25));
    let mut no_outcome = outcome(record(1));
    no_outcome.leaf.outcome = None;
    let mut ended_intent = intent(record(2));
    ended_intent.leaf.outcome = Some(Outcome::Completed);
    let many: Vec<_> = (10..15).map(|id| intent(record(id))).collect();
    let cases = [
        ("no draft", vec![], "there is none"),
        ("too many drafts", many, "full (4 records)"),
        ("too large", vec![with(vec![payload(Slot::Released, 1001)])], "1001 bytes of payload"),
        (
            "too large together",
            vec![
                with(vec![payload(Slot::Released, 501)]),
                with(vec![payload(Slot::Released, 500)]),
            ],
            "1001",
        ),
        (
            "one slot twice",
            vec![with(vec![payload(Slot::Released, 1), payload(Slot::Released, 1)])],
            "payload slot",
        ),
        ("long name", vec![long], "at most 24"),
        ("outcome without one", vec![no_outcome], "outcome"),
        ("intent with an outcome", vec![ended_intent], "outcome"),
        ("intent twice", vec![intent(record(1))], "open already"),
        ("outcome alone", vec![outcome(record(7))], "no open intent"),
        ("outcome twice", vec![outcome(record(1)), outcome(record(1))], "no open intent"),
        ("too many open", (20..23).map(|id| intent(record(id))).collect(), "full (3 records)"),
    ];
    for (name, drafts, want) in cases {
        let error = wait(ledger.append_all(drafts)).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
        assert!(ledger.failure().is_none(), "{name}");
    }
    // Nothing of the refused ones stayed: record 1 is still open, and its outcome is still owed.
    let receipt = append(&ledger, outcome(record(1))).unwrap();
    assert_eq!(receipt.index, 1);
    drop(ledger);
    let report = verify(&disk);
    assert!(report.verified && report.leaves == 2 && report.open == 0, "{report:?}");
}

#[test]
fn a_record_larger_than_a_segment_is_kept_whole() {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).unwrap();
    for id in 0..3 {
        let payloads = vec![Payload { slot: Slot::Received, bytes: vec![9; 300_000] }];
        let leaf = Leaf::new(record(id), RecordKind::Decision, 1);
        append(&ledger, Draft::new(leaf, payloads)).unwrap();
    }
    drop(ledger);
    drop(open(arc(&disk), 1).unwrap());
    let report = verify(&disk);
    assert!(report.verified && report.leaves == 3, "{report:?}");
}

#[test]
fn a_dropped_future_is_still_a_record() {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).unwrap();
    (0..20).for_each(|id| drop(ledger.append(intent(record(id)))));
    drop(ledger);
    assert_eq!(verify(&disk).leaves, 20);
}

#[test]
fn many_callers_share_syncs() {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).unwrap();
    disk.slow_syncs(Duration::from_millis(5));
    let before = disk.counts().syncs;
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let ledger = &ledger;
            scope.spawn(move || {
                let id = |n: u64| record(thread << 8 | n);
                let sent: Vec<_> = (0..50).map(|n| ledger.append(intent(id(n)))).collect();
                for recorded in sent {
                    wait(recorded).unwrap();
                }
            });
        }
    });
    let n_syncs = disk.counts().syncs - before;
    assert!(n_syncs < 40, "{n_syncs} syncs for 200 records");
    drop(ledger);
    assert_eq!(verify(&disk).leaves, 200);
}

#[test]
fn options_that_cannot_be_kept_are_refused() {
    let good = options();
    let cases = [
        Options { segment_bytes: 4096, ..good.clone() },
        Options { segment_bytes: 65_537, ..good.clone() },
        Options { segment_bytes: 1 << 40, ..good.clone() },
        Options { group_records_max: 0, ..good.clone() },
        Options { group_records_max: 1 << 20, ..good.clone() },
        Options { queue_records_max: 0, ..good.clone() },
        Options { queue_bytes_max: 1, ..good.clone() },
        Options { record_bytes_max: 1 << 30, ..good.clone() },
        Options { open_records_max: 1 << 20, ..good },
    ];
    for limits in cases {
        let disk = SimDisk::new(1);
        let opened = open_with(arc(&disk), 1, limits.clone());
        assert!(matches!(opened, Err(LedgerError::Options { .. })), "{limits:?}");
    }
}

#[test]
fn keys_are_durable_before_what_they_seal_and_a_key_store_that_fails_stops_the_ledger() {
    let disk = SimDisk::new(1);
    let sealer = Arc::new(SimSealer::new());
    let parts = Parts {
        disk: arc(&disk),
        clock: Arc::new(SimClock::new(1)),
        entropy: Arc::new(SimEntropy::new(1)),
        sealer: sealer.clone(),
        signer: Arc::new(SimSigner::new(LOG, 1)),
    };
    let (ledger, _) = Ledger::open(parts, options()).unwrap();
    for id in 0..5 {
        append(&ledger, intent(record(id))).unwrap();
        assert_eq!(sealer.counts(), (id + 1, id + 1), "sealed, and made durable since");
    }
    sealer.fail();
    let error = append(&ledger, intent(record(9))).unwrap_err();
    assert!(error.to_string().contains("write of the key store"), "{error}");
    assert_eq!(ledger.failure(), Some(error));
    drop(ledger);
    assert_eq!(verify(&disk).leaves, 5);
}
