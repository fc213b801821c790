//! Power cuts while another key signs the checkpoint: the old key opens the log whatever was lost, and the new one once that was done.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::disk::Disk;
use bartizan_ledger::cross_sign;
use bartizan_testkit::{DishonestDisk, Lie, SimDisk, SimSigner};
use common::{LOG, arc, closed_log, log_key, open_as, options, verify, verify_own};
use std::sync::Arc;

/// More than the changing operations of one cross-signing.
const OPERATIONS_MAX: u64 = 12;

/// One cross-signing, cut at its `cut`th operation; what is wrong afterwards, if anything, and whether it was done before the cut.
fn cut_short(seed: u64, cut: u64, lie: Option<&Lie>) -> Result<bool, String> {
    let (old, new) = (SimSigner::new(LOG, 1), SimSigner::new(LOG, 2));
    let sim = closed_log(seed, 3);
    let disk: Arc<dyn Disk> = match lie {
        Some(lie) => Arc::new(DishonestDisk::new(arc(&sim), lie.clone())),
        None => arc(&sim),
    };
    sim.cut_power_at(cut);
    let is_done = cross_sign(&*disk, &old, &new).is_ok();
    sim.crash(seed ^ cut);
    let told = verify(&sim);
    if !told.verified || told.leaves != 6 {
        return Err(format!("under the old key: {told:?}"));
    }
    let opens = |key: u8| open_as(arc(&sim.copy()), seed, key, options()).map(drop);
    opens(1).map_err(|error| format!("the old key: {error}"))?;
    let is_signed = verify_own(&sim, 2).verified;
    if is_done && !is_signed {
        return Err("it was done, and the new key's signature is lost".to_owned());
    }
    if is_signed {
        opens(2).map_err(|error| format!("the new key: {error}"))?;
    }
    // The order given again ends it.
    cross_sign(&sim, &old, &new).map_err(|error| format!("again: {error}"))?;
    let told = verify_own(&sim, 2);
    if !told.verified || told.signed_by != [log_key(2).name()] {
        return Err(format!("under the new key: {told:?}"));
    }
    open_as(arc(&sim), seed, 2, options()).map_err(|error| format!("at last: {error}"))?;
    Ok(is_done)
}

#[test]
fn a_power_cut_leaves_a_log_that_the_old_key_opens() {
    let mut n_done = 0;
    for (seed, cut) in (0..40).flat_map(|seed| (1..=OPERATIONS_MAX).map(move |cut| (seed, cut))) {
        match cut_short(seed, cut, None) {
            Ok(is_done) => n_done += u64::from(is_done),
            Err(what) => panic!("seed {seed}, cut {cut}: {what}"),
        }
    }
    assert!(0 < n_done && n_done < 40 * OPERATIONS_MAX, "{n_done}: both were tried");
}

#[test]
fn and_every_sync_of_it_is_needed() {
    for lie in [Lie::Data("log/checkpoint"), Lie::NamesOf("log/")] {
        let caught = (0..40).filter(|&seed| {
            (1..=OPERATIONS_MAX).any(|cut| cut_short(seed, cut, Some(&lie)).is_err())
        });
        assert!(0 < caught.count(), "{lie:?} went unnoticed");
    }
}

#[test]
fn a_full_disk_leaves_the_old_checkpoint() {
    let (old, new) = (SimSigner::new(LOG, 1), SimSigner::new(LOG, 2));
    let sim: SimDisk = closed_log(1, 3);
    let before = sim.content("log/checkpoint");
    sim.set_room(Some(0));
    assert!(cross_sign(&sim, &old, &new).is_err());
    assert_eq!(sim.content("log/checkpoint"), before);
    sim.set_room(None);
    cross_sign(&sim, &old, &new).unwrap();
    assert!(verify_own(&sim, 1).verified && verify_own(&sim, 2).verified);
}
