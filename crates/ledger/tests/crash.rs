//! Crashes at every kind of moment, on a disk that loses what was not synced.
//!
//! The invariants: what was acknowledged is there and identical, nothing is there by half, every INTENT has one OUTCOME, and the log verifies. A
//! build with one sync removed must break them, which is tested too.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::disk::Disk;
use bartizan_core::record::{Draft, Leaf, Outcome, RecordId, RecordKind, Recorder as _};
use bartizan_ledger::{Ledger, Options, Reader};
use bartizan_testkit::{DishonestDisk, Lie, SimDisk, SplitMix, wait};
use common::{SEGMENT_BYTES, clear, draft, open_with, options, record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of a record: was it acknowledged, and what must be found.
struct Sent {
    draft: Draft,
    acknowledged: bool,
}

type Truth = BTreeMap<(RecordId, RecordKind), Sent>;

/// Opens the log after a crash, which may cost no tile that a checkpoint stands for: that they can be made again is for operators.
fn open_again(disk: &Arc<dyn Disk>, seed: u64, options: Options) -> Result<Ledger, String> {
    let (ledger, recovery) =
        open_with(Arc::clone(disk), seed, options).map_err(|error| error.to_string())?;
    match recovery.tiles_remade {
        0 => Ok(ledger),
        n => Err(format!("tiles were missing, of {n} leaves")),
    }
}

/// Appends until the power goes, or enough was appended.
fn live(
    disk: &Arc<dyn Disk>,
    seed: u64,
    options: Options,
    truth: &mut Truth,
) -> Result<(), String> {
    let mut chance = SplitMix::new(seed);
    let ledger = match open_again(disk, seed, options) {
        Ok(ledger) => ledger,
        Err(error) if error.contains("power is off") => return Ok(()),
        Err(error) => return Err(format!("could not open: {error}")),
    };
    let mut open: Vec<RecordId> = Vec::new();
    for step in 0..12 {
        let mut drafts = Vec::new();
        for n in 0..=chance.below(4) {
            if !open.is_empty() && chance.one_in(2) {
                let id = open.swap_remove(chance.below(open.len()));
                drafts.push(draft(RecordKind::Outcome, id, &mut chance));
            } else {
                let id = record(seed << 16 | step << 8 | n as u64);
                drafts.push(draft(RecordKind::Intent, id, &mut chance));
            }
        }
        let opened = drafts.iter().filter(|draft| draft.leaf.kind == RecordKind::Intent);
        open.extend(opened.map(|draft| draft.leaf.record));
        let keys: Vec<_> = drafts.iter().map(|d| (d.leaf.record, d.leaf.kind)).collect();
        for draft in &drafts {
            let sent = Sent { draft: draft.clone(), acknowledged: false };
            truth.insert((draft.leaf.record, draft.leaf.kind), sent);
        }
        if wait(ledger.append_all(drafts)).is_err() {
            assert!(ledger.failure().is_some(), "a failed append must stop the ledger");
            break;
        }
        for key in keys {
            truth.get_mut(&key).ok_or("a key vanished")?.acknowledged = true;
        }
    }
    Ok(())
}

/// Checks the invariants on a log that was just opened and closed again.
fn check(disk: &Arc<dyn Disk>, truth: &Truth) -> Result<(), String> {
    let reader = Reader::open(Arc::clone(disk)).map_err(|error| error.to_string())?;
    let report = reader.verify().map_err(|error| error.to_string())?;
    if !report.verified || report.open != 0 || report.unfinished_bytes != 0 {
        return Err(format!("{report:?}"));
    }
    let mut found = BTreeSet::new();
    for entry in reader.entries().map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let key = (entry.leaf.record, entry.leaf.kind);
        let payloads: Result<Vec<_>, _> =
            entry.payloads.iter().map(|stored| clear(&reader, &entry, stored)).collect();
        let payloads = payloads.map_err(|error| error.to_string())?;
        if let Some(sent) = truth.get(&key) {
            let Leaf { payload_root, key_commitment, .. } = entry.leaf;
            let leaf = Leaf { payload_root, key_commitment, ..sent.draft.leaf.clone() };
            let interrupted = entry.leaf.outcome == Some(Outcome::Interrupted);
            let same = leaf == entry.leaf
                && sent.draft.payloads.iter().map(|p| &p.bytes).eq(payloads.iter());
            if !(same || interrupted && !sent.acknowledged) {
                return Err(format!("{key:?} is not what was sent"));
            }
        } else if entry.leaf.outcome != Some(Outcome::Interrupted) {
            return Err(format!("{key:?} was never sent"));
        }
        if !found.insert(key) {
            return Err(format!("{key:?} is there twice"));
        }
    }
    let lost = truth.iter().find(|(key, sent)| sent.acknowledged && !found.contains(key));
    lost.map_or(Ok(()), |(key, _)| Err(format!("{key:?} was acknowledged and is lost")))
}

/// A few lives of one log, each ended by a power cut at a random operation; what the world did wrong, if anything.
fn lives(seed: u64, lie: Option<Lie>, options: &Options) -> Result<(), String> {
    let sim = SimDisk::new(seed);
    let disk: Arc<dyn Disk> = match lie {
        Some(lie) => Arc::new(DishonestDisk::new(Arc::new(sim.clone()), lie)),
        None => Arc::new(sim.clone()),
    };
    let mut chance = SplitMix::new(seed);
    let mut truth = Truth::new();
    for life in 0..3_u64 {
        sim.cut_power_at(1 + chance.below(50) as u64);
        live(&disk, seed << 8 | life, options.clone(), &mut truth)?;
        sim.crash(chance.draw());
        // Often a second crash comes during the recovery from the first.
        if chance.one_in(2) {
            sim.cut_power_at(1 + chance.below(8) as u64);
            match open_again(&disk, seed, options.clone()) {
                Err(error) if !sim.is_off() => return Err(error),
                opened => drop(opened),
            }
            sim.crash(chance.draw());
        }
        let opened = open_again(&disk, seed << 8 | life, options.clone());
        drop(opened.map_err(|error| format!("life {life}: {error}"))?);
        check(&disk, &truth)?;
    }
    Ok(())
}

#[test]
fn nothing_acknowledged_is_lost_in_any_crash() {
    for seed in 0..400 {
        if let Err(what) = lives(seed, None, &options()) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn nor_with_the_second_thread_at_work() {
    let options = Options { prepare_ahead: true, checkpoint_interval_us: 0, ..options() };
    for seed in 1000..1100 {
        if let Err(what) = lives(seed, None, &options) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn a_build_without_one_of_its_syncs_is_caught() {
    // Small segments, so that every life makes some.
    let options = Options { segment_bytes: SEGMENT_BYTES / 4, ..options() };
    for lie in [
        Lie::Data(""),
        Lie::Data("segment-"),
        Lie::Data("segment-00000000.new"),
        Lie::Data("log/checkpoint"),
        Lie::Data("log/tile/0/"),
        Lie::Data("log/tile/entries/"),
        Lie::Names,
        Lie::NamesOf(""),
        Lie::NamesOf("log/tile/0/"),
        Lie::NamesOf("log/tile/entries/"),
    ] {
        let caught = (0..100).filter(|&seed| lives(seed, Some(lie.clone()), &options).is_err());
        assert!(0 < caught.count(), "{lie:?} went unnoticed");
    }
}

#[test]
fn the_harness_is_not_red_by_itself() {
    let options = Options { segment_bytes: SEGMENT_BYTES / 4, ..options() };
    for seed in 0..100 {
        assert_eq!(lives(seed, None, &options), Ok(()), "seed {seed}");
    }
}

/// What a crash left of a partial tile is taken away for good: it must not come back under a later checkpoint, which would look like damage.
#[test]
fn what_nobody_signed_does_not_come_back() {
    let decision = |id: u64| Draft::new(Leaf::new(record(id), RecordKind::Decision, 1), Vec::new());
    let comes_back = |seed: u64, lie: Option<&Lie>| {
        let sim = SimDisk::new(seed);
        let append = |disk: &Arc<dyn Disk>, ids: std::ops::Range<u64>| {
            let (ledger, _) = open_with(Arc::clone(disk), seed, options()).unwrap();
            wait(ledger.append_all(ids.map(decision).collect())).unwrap();
            drop(ledger);
        };
        let honest: Arc<dyn Disk> = Arc::new(sim.clone());
        append(&honest, 0..300);
        sim.edit("log/tile/0/001.p/46", |bytes| *bytes = vec![0; 46 * 32]);
        let disk = match lie {
            Some(lie) => Arc::new(DishonestDisk::new(Arc::clone(&honest), lie.clone())),
            None => honest,
        };
        // The tile is full at once, so nothing else is written into that folder.
        append(&disk, 300..600);
        sim.crash(seed);
        let report = Reader::open(Arc::new(sim)).unwrap().verify().unwrap();
        assert_eq!(report.checkpoint, Some(600), "{report:?}");
        !report.verified
    };
    assert!((0..40).all(|seed| !comes_back(seed, None)));
    let lie = Lie::NamesOf("log/tile/0/001.p/");
    assert!((0..40).any(|seed| comes_back(seed, Some(&lie))), "the sync is needed");
}
