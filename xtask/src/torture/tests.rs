//! A slice of the torture, small enough for every test run.
use super::meddler::{After, Deed, Operation, Order, Target, Which};
use super::{crashes, faults, flips, lies};
use std::collections::BTreeSet;

#[test]
fn a_slice_of_crashes_loses_nothing() {
    let mut n_crashes = 0;
    for seed in 0..80 {
        n_crashes += crashes::case(seed, None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(200 < n_crashes, "{n_crashes} crashes");
}

#[test]
fn a_slice_of_faults_and_flips_is_told() {
    for seed in 0..34 {
        assert_eq!(faults::case(seed), Ok(1), "seed {seed}");
    }
    for seed in 0..6 {
        let told = flips::case(seed);
        assert!(told.as_ref().is_ok_and(|&n| 0 < n), "seed {seed}: {told:?}");
    }
}

#[test]
fn some_missing_syncs_are_caught() {
    for name in [
        "groups in a new segment",
        "bundles",
        "slots of a key store that was opened",
        "zeros over a key store that was replaced",
        "the name of the checkpoint",
        "the name of a key store",
    ] {
        let sync = lies::syncs().find(|sync| sync.name == name).unwrap();
        let lie = lies::expose(&sync, 1);
        assert!(lie.caught, "{lie:?}");
    }
}

/// The list of places is the list of places: every sync that the crashes meet is exactly one of it, and they meet all of them.
#[test]
fn every_sync_that_is_met_is_one_place_of_the_list() {
    let census = lies::census(1, 150).unwrap();
    assert_eq!(census.strays, BTreeSet::new());
    let missed = lies::syncs().enumerate().filter(|(at, _)| !census.met.contains_key(at));
    let missed: Vec<_> = missed.map(|(_, sync)| sync.name).collect();
    assert_eq!(missed, [""; 0], "never met");
}

/// What does no harm is not caught: the crashes are not red by themselves.
#[test]
fn a_sync_that_nobody_needs_is_not_missed() {
    let (operation, which, after) = (Operation::Data, Which::Any, After::Any);
    let target = Target { operation, starts: "elsewhere/", ends: "", which, after };
    let order = Order { target, deed: Deed::Skip, n_spared: 0 };
    for seed in 0..20 {
        assert!(crashes::case(seed, Some(order)).is_ok(), "seed {seed}");
    }
}
