//! Leaves on whose word keys are destroyed: whoever can write the disk and has no key can have them refused, and never believed.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorder as _, Slot};
use bartizan_ledger::{Flaw, Ledger, LedgerError, Options, Proven, Reader, Recovery};
use bartizan_testkit::{SimDisk, SimSigner, wait};
use common::{CHECKPOINT, LOG, arc, extended, open_as, record, segments, under, used};
use proptest::prelude::*;

/// More than a full tile, in several segments.
const N_LEAVES: usize = 300;
const N_PER_GROUP: usize = 10;
/// Every so many leaves there is a tombstone.
const N_PER_TOMBSTONE: usize = 7;
const TILES: [&str; 5] = [
    "log/tile/0/000",
    "log/tile/0/001.p/44",
    "log/tile/1/000.p/1",
    "log/tile/entries/000",
    "log/tile/entries/001.p/44",
];
/// A forger has no key but his own.
const FORGER: u8 = 2;

fn draft(n: usize, kind: RecordKind, id: RecordId) -> Draft {
    let bytes = format!("the text of record {n:03}").into_bytes();
    Draft::new(Leaf::new(id, kind, 1), vec![Payload { slot: Slot::Released, bytes }])
}

fn drafts(n_leaves: usize) -> Vec<Draft> {
    let kind = |n: usize| match n % N_PER_TOMBSTONE {
        3 => RecordKind::Tombstone,
        _ => RecordKind::Decision,
    };
    (0..n_leaves).map(|n| draft(n, kind(n), record(n as u64))).collect()
}

fn options() -> Options {
    Options { segment_bytes: 24 << 10, ..common::options() }
}

fn open(disk: &SimDisk) -> Result<(Ledger, Recovery), LedgerError> {
    open_as(arc(disk), 9, 1, options())
}

fn log_by(drafts: &[Draft], key: u8) -> SimDisk {
    log_of(&grouped(drafts), key)
}

fn grouped(drafts: &[Draft]) -> Vec<Vec<Draft>> {
    drafts.chunks(N_PER_GROUP).map(<[Draft]>::to_vec).collect()
}

fn log_of(groups: &[Vec<Draft>], key: u8) -> SimDisk {
    let disk = SimDisk::new(1);
    let (ledger, _) =
        open_as(arc(&disk), 1, key, options()).expect("an empty folder can be opened");
    for group in groups {
        wait(ledger.append_all(group.clone())).expect("a disk without faults takes every record");
    }
    drop(ledger);
    disk
}

fn log(n_leaves: usize) -> SimDisk {
    log_by(&drafts(n_leaves), 1)
}

/// The tombstones that are believed.
fn believed(disk: &SimDisk, index: u64, key: u8) -> Result<Proven, LedgerError> {
    let is_tombstone = |leaf: &Leaf| leaf.kind == RecordKind::Tombstone;
    Reader::open(arc(disk))?.proven_since(index, &SimSigner::new(LOG, key), &is_tombstone)
}

fn names(proven: &Proven) -> Vec<(u64, RecordId)> {
    proven.entries.iter().map(|entry| (entry.index, entry.leaf.record)).collect()
}

/// What an honest log says from a leaf on.
fn honest_names(n_leaves: usize, from: usize) -> Vec<(u64, RecordId)> {
    let tombstones = (from..n_leaves).filter(|n| n % N_PER_TOMBSTONE == 3);
    tombstones.map(|n| (n as u64, record(n as u64))).collect()
}

/// Puts some segments of one log in the place of those of another.
fn mixed(honest: &SimDisk, forged: &SimDisk, is_forged: impl Fn(usize) -> bool) -> SimDisk {
    let disk = honest.copy();
    for (_, name) in segments(honest).into_iter().enumerate().filter(|(n, _)| is_forged(*n)) {
        let theirs = forged.content(&name).expect("both logs have as many segments");
        disk.edit(&name, |bytes| *bytes = theirs);
    }
    disk
}

#[test]
fn an_honest_log_is_believed_from_wherever_it_is_read() {
    let disk = log(N_LEAVES);
    assert!(2 < segments(&disk).iter().filter(|name| 4096 < used(&disk, name)).count());
    // The checkpoint of an earlier moment: the rest has vouchers only.
    let behind = under(&disk, &log(N_LEAVES / 2));
    for disk in [&disk, &behind] {
        for from in [0, 1, 9, 10, 149, 150, 151, 255, 256, 299, 300] {
            let proven = believed(disk, from as u64, 1).unwrap();
            assert_eq!(names(&proven), honest_names(N_LEAVES, from), "{from}");
            assert_eq!(proven.leaves, (N_LEAVES - from) as u64, "{from}");
        }
        let beyond = believed(disk, 1_000, 1).unwrap();
        assert_eq!(beyond, Proven::default(), "nothing stands behind the end");
    }
}

#[test]
fn a_changed_leaf_is_named_wherever_it_stands() {
    let honest = log(N_LEAVES);
    let n_used = segments(&honest).iter().filter(|name| 4096 < used(&honest, name)).count();
    for at in [0, 5, 101, 255, 256, 299] {
        let others = [
            ("a tombstone that never was", draft(at, RecordKind::Tombstone, record(9_999))),
            ("another person's tombstone", draft(at, RecordKind::Tombstone, record(7_777))),
            ("a tombstone no more", draft(at, RecordKind::Decision, record(at as u64 + 500))),
        ];
        for (name, other) in others {
            let mut forged = drafts(N_LEAVES);
            forged[at] = other;
            let forged = log_by(&forged, FORGER);
            // All of the journal, and only the segment that has the leaf.
            let journals = (0..n_used).map(|only| mixed(&honest, &forged, |n| n == only));
            let journals = journals.chain([under(&forged, &honest)]);
            let mut n_told = 0;
            for disk in journals {
                match believed(&disk, 0, 1) {
                    Err(LedgerError::Unproven(problem)) => {
                        assert_eq!(problem.leaf, Some(at as u64), "{name} at {at}: {problem}");
                        let told = common::verify(&disk).problem.unwrap();
                        assert_eq!(told.leaf, Some(at as u64), "{name} at {at}: verify: {told}");
                        n_told += 1;
                    }
                    other => {
                        assert_eq!(
                            names(&other.unwrap()),
                            honest_names(N_LEAVES, 0),
                            "{name} at {at}"
                        );
                    }
                }
            }
            assert_eq!(n_told, 2, "{name} at {at}: where the leaf stands, and the whole");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a forger puts into whichever segments, what is believed is what was signed.
    #[test]
    fn what_is_believed_was_signed(
        at in 0..N_LEAVES,
        other in 0..N_LEAVES,
        deed in 0..5_u8,
        segments: u8,
        from in 0..=N_LEAVES,
        lost in proptest::option::of(0..TILES.len()),
    ) {
        let mut forged = drafts(N_LEAVES);
        match deed {
            0 => forged[at] = draft(at, RecordKind::Tombstone, record(9_999)),
            1 => { forged.remove(at); }
            2 => forged.insert(at, draft(at, RecordKind::Tombstone, record(9_999))),
            3 => forged.swap(at, other),
            _ => forged.truncate(at.max(1)),
        }
        let forged = log_by(&forged, FORGER);
        let honest = log(N_LEAVES);
        let disk = honest.copy();
        for (n, name) in common::segments(&honest).into_iter().enumerate() {
            if segments >> (n % 8) & 1 == 1 {
                disk.edit(&name, |bytes| *bytes = forged.content(&name).unwrap_or_default());
            }
        }
        if let Some(tile) = lost {
            disk.lose(TILES[tile]);
        }
        if let Ok(proven) = believed(&disk, from as u64, 1) {
            prop_assert_eq!(names(&proven), honest_names(N_LEAVES, from));
        }
    }
}

#[test]
fn only_the_key_speaks_for_what_is_not_signed_yet() {
    let (some, all) = (N_LEAVES / 2, drafts(N_LEAVES));
    let honest = log(some);
    let forged = extended(&honest, &log_by(&all, FORGER));
    for from in [0, some as u64, some as u64 + 40] {
        match believed(&forged, from, 1) {
            Err(LedgerError::Unvouched(problem)) => {
                assert_eq!(problem.leaf, Some(some as u64), "{from}");
            }
            other => panic!("{from}: {other:?}"),
        }
    }
    // The log's own groups, of another history: each is vouched for, and they do not fit the leaves before them.
    let mut other = all.clone();
    other[7].leaf.verdict ^= 1;
    let grafted = extended(&honest, &log_by(&other, 1));
    match believed(&grafted, some as u64, 1) {
        Err(LedgerError::Unproven(problem)) => assert_eq!(problem.leaf, Some(some as u64)),
        other => panic!("{other:?}"),
    }
    let bare = log(N_LEAVES);
    bare.lose(CHECKPOINT);
    assert_eq!(
        names(&believed(&bare, 9, 1).unwrap()),
        honest_names(N_LEAVES, 9),
        "no checkpoint, and every group has the key's voucher"
    );
    let theirs = log_by(&all, FORGER);
    assert!(matches!(believed(&theirs, 0, 1), Err(LedgerError::Damaged(_))), "another key's");
    theirs.lose(CHECKPOINT);
    assert!(matches!(believed(&theirs, 0, 1), Err(LedgerError::Unvouched(_))));
}

#[test]
fn the_journal_proves_itself_where_tiles_cannot_say() {
    let mut forged = drafts(N_LEAVES);
    forged[101] = draft(101, RecordKind::Tombstone, record(9_999));
    let (honest, forged) = (log(N_LEAVES), log_by(&forged, FORGER));
    for tile in TILES {
        for is_lost in [true, false] {
            let harm = |disk: &SimDisk| {
                if is_lost { disk.lose(tile) } else { disk.edit(tile, |bytes| bytes[0] ^= 1) }
            };
            let disk = honest.copy();
            harm(&disk);
            for from in [0, 150] {
                let proven = believed(&disk, from as u64, 1).unwrap();
                assert_eq!(names(&proven), honest_names(N_LEAVES, from), "{tile} {from}");
            }
            let disk = mixed(&honest, &forged, |n| n < 4);
            harm(&disk);
            let error = believed(&disk, 0, 1).unwrap_err();
            let flaw = match &error {
                LedgerError::Unproven(problem) | LedgerError::Damaged(problem) => &problem.flaw,
                other => panic!("{tile}: {other}"),
            };
            let size = N_LEAVES as u64;
            assert!([&Flaw::Unproven, &Flaw::CheckpointRoot { size }].contains(&flaw), "{flaw}");
        }
    }
}

/// Between two segments a leaf can go without any other leaf being changed, and the groups are as many as before.
#[test]
fn no_leaf_is_passed_over() {
    let honest = log(N_LEAVES);
    let entries = Reader::open(arc(&honest)).unwrap().entries().unwrap();
    let of_first = entries.map(Result::unwrap).take_while(|entry| entry.segment == 0).count();
    let mut groups = grouped(&drafts(N_LEAVES));
    groups[of_first / N_PER_GROUP - 1].pop().unwrap();
    let disk = mixed(&honest, &log_of(&groups, FORGER), |n| n == 0);
    let lost = of_first as u64 - 1;
    for from in [0, lost - 10, lost] {
        match believed(&disk, from, 1) {
            Err(LedgerError::Damaged(problem)) => {
                assert_eq!((problem.leaf, &problem.flaw), (Some(lost), &Flaw::Order), "{from}");
            }
            other => panic!("{from}: {other:?}"),
        }
    }
    assert_eq!(
        names(&believed(&disk, lost + 1, 1).unwrap()),
        honest_names(N_LEAVES, of_first),
        "who knows it already does not miss it"
    );
}

/// The cost is that of the leaves that are followed: what stands before them is not even read.
#[test]
fn what_nobody_asked_for_is_not_read() {
    let disk = log(N_LEAVES);
    let used: Vec<_> =
        segments(&disk).into_iter().filter(|name| 4096 < used(&disk, name)).collect();
    let (last, older) = used.split_last().unwrap();
    assert!(2 <= older.len(), "{last}");
    for name in older.iter().take(older.len() - 1) {
        disk.edit(name, |bytes| bytes.iter_mut().skip(20_000).for_each(|byte| *byte ^= 0x55));
    }
    assert!(believed(&disk, 0, 1).is_err());
    let proven = believed(&disk, 290, 1).unwrap();
    assert_eq!(names(&proven), honest_names(N_LEAVES, 290));
}

#[test]
fn tiles_that_are_away_are_made_again_from_the_journal() {
    let honest = log(N_LEAVES);
    let strip = |disk: &SimDisk| {
        for file in TILES.iter().chain(&["log/tile/entries/", "log/tile/0/", "log/tile/"]) {
            disk.lose(file);
        }
    };
    let bare = honest.copy();
    strip(&bare);
    let (ledger, recovery) = open(&bare).unwrap();
    assert_eq!(recovery.tiles_remade, N_LEAVES as u64);
    drop(ledger);
    for file in TILES {
        assert!(bare.content(file) == honest.content(file), "{file}");
    }
    assert!(common::verify(&bare).verified);
    let (_, recovery) = open(&bare).unwrap();
    assert_eq!(recovery.tiles_remade, 0, "once");

    let mut forged = drafts(N_LEAVES);
    forged[101] = draft(101, RecordKind::Tombstone, record(9_999));
    let forged = mixed(&honest, &log_by(&forged, FORGER), |n| n < 4);
    strip(&forged);
    let error = open(&forged).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
    assert!(
        TILES.iter().all(|tile| forged.content(tile).is_none()),
        "nothing is made of a forgery"
    );

    // Damage is for a person to see first, and the way out is told.
    let damaged = honest.copy();
    damaged.edit(TILES[1], |bytes| bytes[0] ^= 1);
    let error = open(&damaged).unwrap_err().to_string();
    assert!(error.contains("move the folder log/tile away, and leave log/checkpoint"), "{error}");
}

/// A power cut at any operation of making them leaves something that the next start mends.
#[test]
fn a_crash_while_tiles_are_made_is_mended() {
    let bare = log(N_LEAVES);
    for file in TILES.iter().chain(&["log/tile/entries/", "log/tile/0/", "log/tile/"]) {
        bare.lose(file);
    }
    let mut n_cuts = 0;
    for at in 1.. {
        let disk = bare.copy();
        disk.cut_power_at(at);
        let is_done = open(&disk).is_ok() && !disk.is_off();
        disk.crash(at);
        let (ledger, recovery) = open(&disk).unwrap();
        assert_eq!(recovery.leaves, N_LEAVES as u64, "{at}");
        drop(ledger);
        let report = common::verify(&disk);
        assert!(report.verified, "{at}: {report:?}");
        n_cuts += 1;
        if is_done {
            break;
        }
    }
    assert!(10 < n_cuts, "{n_cuts}");
}

#[test]
fn another_logs_checkpoint_is_told_by_both_names() {
    let disk = log(20);
    let signer = SimSigner::new("example.com/other", 1);
    let error = Reader::open(arc(&disk)).unwrap().proven_since(0, &signer, &|_| true).unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, LedgerError::OtherLog { .. }), "{told}");
    assert!(told.contains("example.com/log") && told.contains("example.com/other"), "{told}");
}
