use super::*;
use crate::opening::world::{World, copy};
use bartizan_core::record::RecordKind::{Decision, Intent, Outcome, Reveal};
use bartizan_core::record::{Draft, RecordId, Recorder as _};
use std::fs;

/// A state folder whose exchange 9 has ended, and a copy of its ledger whose checkpoint has the intent alone.
fn half_signed() -> (World, PathBuf) {
    let world = World::new();
    let opened = world.open().unwrap();
    let leaf = Leaf::new(RecordId([9; 16]), Intent, world.sources.clock.unix_ms());
    world.wait(opened.ledger.append(Draft::new(leaf, Vec::new()))).unwrap();
    opened.close(&world.sources).unwrap();
    world.keep("ledger/log", "kept-log");
    world.keep("ledger", "open");
    // The next start ends it.
    world.open().unwrap().close(&world.sources).unwrap();
    world.keep("ledger", "copy");
    let copied = world.folder.path().join("copy");
    fs::remove_dir_all(copied.join("log")).unwrap();
    copy(&world.folder.path().join("kept-log"), &copied.join("log"));
    (world, copied)
}

#[test]
fn what_the_checkpoint_has_is_proved_and_the_rest_is_named() {
    let (world, copied) = half_signed();
    let out = world.folder.path().join("proofs");
    let proofs = |state: &Path| prove(state, "0909", &out, &world.sources).unwrap();
    let (all, half) = (proofs(&world.state()), proofs(&copied));
    assert_eq!((all.proved.len(), all.unproved.len(), &all.missing), (2, 0, &None));
    assert_eq!((half.proved.len(), half.unproved.len(), &half.missing), (1, 1, &None));
    let said: Vec<_> = half.warnings().collect();
    assert!(said[0].starts_with("leaf 1 is newer than the checkpoint of this copy"), "{said:?}");
    let told = half.json();
    assert!(told[0]["problem"].is_null() && told[0]["proof"].is_string(), "{told}");
    assert!(told[1]["proof"].is_null() && told[1]["problem"].is_string(), "{told}");
    // What is there holds.
    let key = crate::vault::log_key(&world.state()).unwrap();
    let policies = [Policy::of_log(bartizan_ledger::tlog::VerifierKey::of_log(&key).unwrap())];
    let Proved { proof_path, leaf_path, .. } = &half.proved[0];
    assert!(check(proof_path, leaf_path, &policies).unwrap().is_ok());
}

/// The reviewer's: an outcome that was made another record's, and nobody said that it is not there.
#[test]
fn an_exchange_without_its_other_leaf_is_called_that() {
    let (world, _) = half_signed();
    let open = world.folder.path().join("open");
    let out = world.folder.path().join("proofs");
    let proofs = prove(&open, "0909", &out, &world.sources).unwrap();
    assert_eq!((proofs.proved.len(), proofs.unproved.len()), (1, 0));
    assert!(proofs.warnings().next().unwrap().starts_with("no outcome of this record"));
    for (name, kinds, want) in [
        ("whole", &[Intent, Outcome, Reveal][..], None),
        ("an intent", &[Intent, Reveal], Some("no outcome of this record")),
        ("an outcome", &[Outcome], Some("no intent of this record")),
        ("no exchange", &[Decision], None),
        ("nothing", &[], None),
    ] {
        let words = missing_words(kinds.iter().copied());
        assert_eq!(words.is_some(), want.is_some(), "{name}: {words:?}");
        assert!(words.is_none_or(|words| words.starts_with(want.unwrap())), "{name}");
    }
}
