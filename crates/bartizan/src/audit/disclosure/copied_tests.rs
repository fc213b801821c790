//! What a copy of the log beside a disclosure is worth.
use super::check::{DisclosureFlaw, Proven, check};
use super::copied::Compared;
use super::tests::{exchange, file, trusted, world};
use crate::opening::world::{World, copy};
use crate::{audit, files};
use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder as _};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A world of four exchanges, a disclosure of the last one without its outcome, the state as it was before that one, and a copy that was made afterwards.
struct Cut {
    world: World,
    bytes: Vec<u8>,
    older: PathBuf,
    copy: PathBuf,
}

fn without_outcome(bytes: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    value["leaves"].as_array_mut().unwrap().pop();
    serde_json::to_vec(&value).unwrap()
}

fn cut() -> Cut {
    let world = world(b"yes");
    let (older, copied) = (world.folder.path().join("older"), world.folder.path().join("copy"));
    copy(&world.state(), &older);
    let opened = world.open().unwrap();
    exchange(&world, &opened, 4, "carol", b"yes");
    opened.close(&world.sources).unwrap();
    let bytes = without_outcome(&file(&world, 4, &[]));
    copy(&world.state().join("ledger"), &copied);
    Cut { world, bytes, older, copy: copied }
}

/// Another history of the same log, under the same key, from where the older copy ends.
fn fork(cut: &Cut, folder: &Path, n_exchanges: u8) {
    let other = World::new();
    copy(&cut.older, &other.state());
    let opened = other.open().unwrap();
    for n in 0..n_exchanges {
        exchange(&other, &opened, 5 + n, "dave", b"no");
    }
    if n_exchanges == 0 {
        other.record(&opened, 5, "dave");
    }
    opened.close(&other.sources).unwrap();
    fs::remove_dir_all(folder).unwrap();
    copy(&other.state().join("ledger"), folder);
}

fn checked(cut: &Cut) -> Result<Proven, DisclosureFlaw> {
    check(&cut.bytes, &trusted(&cut.world), Some(&cut.copy))
}

/// Changes the file that the outcome of the last exchange stands in, from about that leaf on.
fn edit(cut: &Cut, change: impl Fn(&mut [u8])) {
    let entries = audit::last(&cut.copy, 99).unwrap();
    let outcome = entries.iter().find(|entry| entry.index == 7).unwrap();
    let path = cut.copy.join(format!("segment-{:08}.log", outcome.segment));
    let mut bytes = files::read_bounded(&path, 1 << 28).unwrap();
    // The group of it begins a little before its leaf.
    change(&mut bytes[usize::try_from(outcome.offset).unwrap() - 64..]);
    fs::write(path, bytes).unwrap();
}

fn unsign(cut: &Cut) {
    fs::remove_dir_all(cut.copy.join("log")).unwrap();
    fs::remove_file(cut.copy.join("log.vkey")).unwrap();
}

/// Nothing is left of what came after the intent.
fn zero(cut: &Cut) {
    edit(cut, |bytes| bytes.fill(0));
}

/// What is done to a copy.
type Harm<'h> = &'h dyn Fn(&Cut);

/// The reviewer's: a file without its outcome, and copies that had none either.
#[test]
fn a_copy_that_was_tampered_with_proves_nothing() {
    let journal_of_another = |cut: &Cut| {
        let log = cut.copy.with_file_name("log");
        fs::rename(cut.copy.join("log"), &log).unwrap();
        fork(cut, &cut.copy, 3);
        fs::remove_dir_all(cut.copy.join("log")).unwrap();
        fs::rename(log, cut.copy.join("log")).unwrap();
    };
    let changed = |cut: &Cut| edit(cut, |bytes| bytes[100] ^= 1);
    let cases: [(&str, Harm<'_>, &str); 9] = [
        ("nothing", &|_| {}, "the copy has leaf 7 (outcome) of this record"),
        ("no signature", &unsign, "the copy of the log proves nothing: "),
        ("zeros after the intent", &zero, "the copy of the log proves nothing: "),
        (
            "zeros after the intent, and no signature",
            &|cut| {
                zero(cut);
                unsign(cut);
            },
            "the copy of the log proves nothing: ",
        ),
        ("a byte of a payload", &changed, "the copy of the log proves nothing: "),
        (
            "another history",
            &|cut| fork(cut, &cut.copy, 3),
            "leaves of the copy are others than those",
        ),
        (
            "another history that ends early",
            &|cut| fork(cut, &cut.copy, 0),
            "leaf 6 (intent) is another one in the copy of the log",
        ),
        (
            "the leaves of another history",
            &journal_of_another,
            "the copy of the log proves nothing: ",
        ),
        (
            "nothing there",
            &|cut| fs::remove_dir_all(&cut.copy).unwrap(),
            "proves nothing: there is no ledger",
        ),
    ];
    for (name, harm, want) in cases {
        let cut = cut();
        harm(&cut);
        let flaw = checked(&cut).unwrap_err().to_string();
        assert!(flaw.contains(want), "{name}: {flaw}");
    }
}

/// A copy that is genuine and too old is no answer, neither yes nor no.
#[test]
fn a_copy_that_ends_too_early_leaves_the_question_open() {
    let mut cut = cut();
    let ledger = cut.older.join("ledger");
    copy(&ledger, &cut.world.folder.path().join("before"));
    cut.copy = cut.world.folder.path().join("before");
    let proven = checked(&cut).unwrap();
    let reason = proven.unfinished().unwrap();
    assert!(reason.contains("ends after 6 leaves, and the file's proof is of 8"), "{reason}");
    let (said, told) =
        (super::told::text(&Ok(proven), false), super::told::json(&checked(&cut), false));
    assert!(said.starts_with("not finished: what follows"), "{said}");
    assert_eq!((&told["complete"], &told["copy_leaves"]), (&Value::Null, &Value::Null), "{told}");
    assert!(told["problem"].as_str().unwrap().contains("ends after 6"), "{told}");

    // An exchange that is under way while both are made.
    let world = world(b"yes");
    let opened = world.open().unwrap();
    let leaf = Leaf::new(RecordId([9; 16]), RecordKind::Intent, world.sources.clock.unix_ms());
    let payloads = vec![bartizan_core::record::Payload {
        slot: bartizan_core::record::Slot::Released,
        bytes: b"text".to_vec(),
    }];
    world.wait(opened.ledger.append(Draft::new(leaf, payloads))).unwrap();
    opened.close(&world.sources).unwrap();
    let copied = world.folder.path().join("copy");
    copy(&world.state().join("ledger"), &copied);
    let bytes = file(&world, 9, &[]);
    let proven = check(&bytes, &trusted(&world), Some(&copied)).unwrap();
    assert!(
        proven.unfinished().unwrap().contains("no outcome of this record either"),
        "{proven:?}"
    );
    // The gateway that went on has ended it since.
    let flaw = check(&bytes, &trusted(&world), Some(&world.state())).unwrap_err();
    assert!(matches!(flaw, DisclosureFlaw::LeftOut { index: 7, kind: "outcome" }), "{flaw}");
}

#[test]
fn what_is_everything_says_of_how_many_leaves() {
    let world = world(b"yes");
    let bytes = file(&world, 2, &[]);
    for folder in [world.state(), world.state().join("ledger")] {
        let proven = check(&bytes, &trusted(&world), Some(&folder)).unwrap();
        assert_eq!(
            proven.compared,
            Some(Compared::Complete { leaves: 7 }),
            "the last is the reveal"
        );
        assert_eq!(super::told::json(&Ok(proven), false)["copy_leaves"], 7);
    }
    // By another key nothing of it is proven, and so is nothing of the file.
    let other = World::new();
    other.records(1, &["carol"]);
    assert!(check(&bytes, &trusted(&other), Some(&world.state())).is_err());
}
