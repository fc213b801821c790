//! What a crash tore, and what only looks like it: a bit that flipped in the last group of a process that was killed. Recovery cuts both off, because
//! nobody can tell them apart for certain, and keeps what it cuts.
#![expect(clippy::indexing_slicing, reason = "a test: what is out of range fails it")]
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::disk::Disk;
use bartizan_core::record::{Outcome, Recorder as _};
use bartizan_ledger::{Ledger, LedgerError, Reader, Recovery};
use bartizan_testkit::{DishonestDisk, Lie, SimDisk, wait};
use common::{append, arc, intent, open, outcome, record, segments, used, verify, verify_own};
use proptest::prelude::*;
use std::sync::Arc;

const SEGMENT: &str = "segment-00000000.log";
/// The commit mark at the end of a group.
const MARK_BYTES: usize = 120;

/// What a kill leaves: everything that was written, synced or not; the last OUTCOME was acknowledged, and has no checkpoint yet.
fn killed() -> SimDisk {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).expect("an empty folder can be opened");
    for id in 0..3 {
        append(&ledger, intent(record(id))).expect("a disk without faults takes every record");
        append(&ledger, outcome(record(id))).expect("a disk without faults takes every record");
    }
    let copy = disk.copy();
    drop(ledger);
    copy
}

/// Where the last group begins, and where it ends.
fn last_group(disk: &SimDisk) -> (usize, usize) {
    let end = used(disk, SEGMENT);
    ((end - 1) / 4096 * 4096, end)
}

fn flip(disk: &SimDisk, at: usize, mask: u8) {
    disk.edit(SEGMENT, |bytes| bytes[at] ^= mask);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever flips in the last group of a killed process: `verify` says that bytes are unfinished, the start says where it kept them, and
    /// they are there, byte by byte.
    #[test]
    fn a_flip_after_a_kill_is_told_and_kept(at in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let disk = killed();
        let (start, end) = last_group(&disk);
        let at = start + at.index(end - start);
        flip(&disk, at, mask);
        let before = disk.content(SEGMENT).unwrap();
        let end = used(&disk, SEGMENT);
        let is_marked = at < end.next_multiple_of(4096) - MARK_BYTES;
        let report = verify(&disk);
        prop_assert!(report.verified && report.leaves == 5, "{:?}", report);
        prop_assert_eq!(report.unfinished_bytes, (end - start) as u64);
        prop_assert_eq!(report.unfinished_marked, is_marked);
        let (ledger, recovery) = open(arc(&disk), 2).unwrap();
        drop(ledger);
        let Recovery { torn_bytes, torn_copy, interrupted, .. } = recovery;
        prop_assert_eq!((torn_bytes, interrupted), ((end - start) as u64, 1));
        let copy = torn_copy.unwrap();
        prop_assert_eq!((copy.segment, copy.offset, copy.bytes), (0, start as u64, torn_bytes));
        prop_assert_eq!(copy.is_marked, is_marked);
        let name = copy.to_string();
        prop_assert!(name.starts_with("torn/00000001700000000000-"), "{}", name);
        prop_assert_eq!(disk.content(&name).unwrap(), &before[start..end]);
        let report = verify_own(&disk, 1);
        prop_assert!(report.verified && report.leaves == 6 && report.unfinished_bytes == 0);
        let ended = Reader::open(arc(&disk)).unwrap().find(record(2)).unwrap();
        prop_assert_eq!(ended[1].leaf.outcome, Some(Outcome::Interrupted));
    }

    /// A flip anywhere else behind the checkpoint, with a whole group after it, is damage, and nothing is touched.
    #[test]
    fn a_flip_before_the_last_group_is_damage(at in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let disk = killed();
        let (start, _) = last_group(&disk);
        flip(&disk, 4096 + at.index(start - 4096), mask);
        let before = disk.content(SEGMENT);
        prop_assert!(!verify(&disk).verified);
        prop_assert!(matches!(open(arc(&disk), 2), Err(LedgerError::Damaged(_))));
        prop_assert_eq!(disk.content(SEGMENT), before);
    }
}

#[test]
fn what_was_cut_off_in_a_later_segment_is_kept_too() {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).unwrap();
    let mut n = 0;
    // Until the first group of a segment is the last of all.
    while segments(&disk).len() < 2 || used(&disk, "segment-00000001.log") <= 4096 {
        wait(ledger.append_all(vec![intent(record(n)), outcome(record(n))])).unwrap();
        n += 1;
    }
    let copy = disk.copy();
    drop(ledger);
    copy.edit("segment-00000001.log", |bytes| bytes[5000] ^= 1);
    let want = copy.content("segment-00000001.log").unwrap()
        [4096..used(&copy, "segment-00000001.log")]
        .to_vec();
    let (_ledger, recovery) = open(arc(&copy), 2).unwrap();
    assert_eq!(recovery.leaves, 2 * n - 2);
    let kept = recovery.torn_copy.unwrap();
    assert_eq!((kept.segment, kept.offset, kept.is_marked), (1, 4096, true));
    assert_eq!(copy.content(&kept.to_string()).unwrap(), want);
}

#[test]
fn a_log_without_torn_bytes_gets_no_copy() {
    let disk = killed();
    let (_ledger, recovery) = open(arc(&disk), 2).unwrap();
    assert_eq!((recovery.leaves, recovery.torn_bytes, recovery.torn_copy), (6, 0, None));
    assert!(disk.folder("torn", false).is_err());
}

/// Opens a log with a torn tail, cuts the power at some operation, and says whether the torn bytes are anywhere still.
fn kept_after_a_cut(at: u64, seed: u64, lie: Option<Lie>) -> Result<bool, LedgerError> {
    let sim = killed();
    let (start, end) = last_group(&sim);
    flip(&sim, start + 40, 1);
    let torn = || sim.content(SEGMENT).unwrap_or_default()[start..end].to_vec();
    let want = torn();
    sim.cut_power_at(at);
    let honest: Arc<dyn Disk> = arc(&sim);
    let disk: Arc<dyn Disk> = match lie {
        Some(lie) => Arc::new(DishonestDisk::new(honest, lie)),
        None => honest,
    };
    let opened: Result<(Ledger, Recovery), _> = open(disk, 2);
    assert!(opened.is_ok() || sim.is_off(), "{:?}", opened.err());
    drop(opened);
    sim.crash(seed);
    let in_place = torn() == want;
    let copies = sim.folder("torn", false).and_then(|folder| folder.list()).unwrap_or_default();
    let is_kept =
        copies.iter().any(|name| sim.content(&format!("torn/{name}")) == Some(want.clone()));
    let (ledger, _) = open(arc(&sim), 3)?;
    drop(ledger);
    assert!(verify(&sim).verified);
    Ok(in_place || is_kept)
}

#[test]
fn no_power_cut_takes_torn_bytes_away() {
    for at in 1..40 {
        for seed in 0..6 {
            assert!(kept_after_a_cut(at, seed, None).unwrap(), "operation {at}, seed {seed}");
        }
    }
}

#[test]
fn a_build_without_one_of_the_syncs_of_a_copy_is_caught() {
    for lie in [Lie::Data("torn/"), Lie::NamesOf("torn/"), Lie::NamesOf("")] {
        let caught = (1..40).any(|at| {
            (0..6).any(|seed| !matches!(kept_after_a_cut(at, seed, Some(lie.clone())), Ok(true)))
        });
        assert!(caught, "{lie:?} went unnoticed");
    }
}
