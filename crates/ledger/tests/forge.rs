//! A forger who knows the format: every checksum fits, and the journal says something else than the checkpoint. And one who does not, and
//! takes published files away, cuts, swaps and swells them. `verify` names the leaf or the file.
#![expect(clippy::indexing_slicing, reason = "a test: what is out of range fails it")]
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::record::{Draft, Leaf, Payload, RecordKind, Recorder as _, Slot};
use bartizan_ledger::{Flaw, Problem};
use bartizan_testkit::{SimDisk, wait};
use common::{CHECKPOINT, arc, open, record, verify};
use proptest::prelude::*;
use proptest::sample::Index;

/// More than a full tile, so that some leaves are in a full one and some in a partial one.
const N_LEAVES: usize = 300;
const N_PER_GROUP: usize = 10;
/// What is published of such a log.
const FILES: [&str; 6] = [
    CHECKPOINT,
    "log/tile/0/000",
    "log/tile/0/001.p/44",
    "log/tile/1/000.p/1",
    "log/tile/entries/000",
    "log/tile/entries/001.p/44",
];

fn drafts() -> Vec<Draft> {
    let draft = |n: usize| {
        let leaf = Leaf::new(record(n as u64), RecordKind::Decision, 1);
        let bytes = format!("the text of record {n:03}").into_bytes();
        Draft::new(leaf, vec![Payload { slot: Slot::Released, bytes }])
    };
    (0..N_LEAVES).map(draft).collect()
}

/// A log of these records; all logs here have one name.
fn log(drafts: &[Draft]) -> SimDisk {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(arc(&disk), 1).expect("an empty folder can be opened");
    for group in drafts.chunks(N_PER_GROUP) {
        wait(ledger.append_all(group.to_vec())).expect("a disk without faults takes every record");
    }
    drop(ledger);
    disk
}

fn segments(disk: &SimDisk) -> Vec<String> {
    let names = (0..99).map(|number| format!("segment-{number:08}.log"));
    names.take_while(|name| disk.content(name).is_some()).collect()
}

/// The journal of one log under the checkpoint and the tiles of another.
fn under(journal: &SimDisk, published: &SimDisk) -> SimDisk {
    let disk = published.copy();
    for name in segments(&disk) {
        disk.lose(&name);
    }
    for name in segments(journal) {
        disk.edit(&name, |bytes| *bytes = journal.content(&name).unwrap_or_default());
    }
    disk
}

/// What a forger does to the records.
#[derive(Clone, Debug)]
enum Forgery {
    Change(Index),
    Drop(Index),
    Insert(Index),
    Swap(Index, Index),
    SwapPayloads(Index, Index),
    Cut(Index),
}

impl Forgery {
    /// Does it; the first leaf that is another one now, if any is.
    fn apply(&self, drafts: &mut Vec<Draft>) -> Option<usize> {
        let place = |index: &Index| index.index(N_LEAVES);
        match self {
            Self::Change(at) => {
                drafts[place(at)].leaf.verdict ^= 1;
                Some(place(at))
            }
            Self::Drop(at) => {
                drafts.remove(place(at));
                Some(place(at))
            }
            Self::Insert(at) => {
                let leaf = Leaf::new(record(9999), RecordKind::Decision, 1);
                drafts.insert(place(at), Draft::new(leaf, Vec::new()));
                Some(place(at))
            }
            Self::Swap(a, b) => {
                drafts.swap(place(a), place(b));
                (place(a) != place(b)).then(|| place(a).min(place(b)))
            }
            Self::SwapPayloads(a, b) => {
                let (a, b) = (place(a), place(b));
                let payloads = std::mem::take(&mut drafts[a].payloads);
                let others = std::mem::replace(&mut drafts[b].payloads, payloads);
                if a != b {
                    drafts[a].payloads = others;
                }
                (a != b).then(|| a.min(b))
            }
            Self::Cut(at) => {
                drafts.truncate(place(at).max(1));
                Some(place(at).max(1))
            }
        }
    }
}

fn forgery() -> impl Strategy<Value = Forgery> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Forgery::Change),
        at().prop_map(Forgery::Drop),
        at().prop_map(Forgery::Insert),
        (at(), at()).prop_map(|(a, b)| Forgery::Swap(a, b)),
        (at(), at()).prop_map(|(a, b)| Forgery::SwapPayloads(a, b)),
        at().prop_map(Forgery::Cut),
    ]
}

/// What is done to a published file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip(u8),
    Cut,
    Swell,
    Lose,
    Zero,
}

fn harm() -> impl Strategy<Value = Harm> {
    let flip = (1..=255_u8).prop_map(Harm::Flip);
    prop_oneof![flip, Just(Harm::Cut), Just(Harm::Swell), Just(Harm::Lose), Just(Harm::Zero)]
}

fn names(problem: &Problem, file: &str) -> bool {
    let name = file.strip_prefix("log/").unwrap_or(file);
    problem.flaw.to_string().contains(name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However carefully a journal is forged, it is not the one that the checkpoint stands for, and the first other leaf is named.
    #[test]
    fn no_forged_journal_goes_unnoticed(forgery in forgery()) {
        let mut forged = drafts();
        let first = forgery.apply(&mut forged);
        let (honest, forged) = (log(&drafts()), log(&forged));
        prop_assert!(first.is_none() || verify(&forged).verified, "a log of its own is whole");
        let report = verify(&under(&forged, &honest));
        let Some(first) = first else {
            prop_assert!(report.verified, "nothing was changed");
            return Ok(());
        };
        prop_assert!(!report.verified);
        let problem = report.problem.unwrap();
        if let Forgery::Cut(_) = forgery {
            let want = Flaw::Cut { leaves: first as u64, size: N_LEAVES as u64 };
            prop_assert_eq!(problem.flaw, want);
        } else if first + 1 == N_LEAVES && matches!(forgery, Forgery::Drop(_)) {
            // To drop the last is to cut it off.
            prop_assert!(matches!(problem.flaw, Flaw::Cut { .. }), "{}", problem);
        } else {
            prop_assert_eq!(problem.leaf, Some(first as u64), "{}", problem);
            prop_assert!(matches!(problem.flaw, Flaw::Tile(_)), "{}", problem);
        }
    }

    /// A published file that is not what the leaves make of it is named, whatever was done to it.
    #[test]
    fn no_harm_to_a_published_file_goes_unnoticed(file in 0..FILES.len(), harm in harm(), at in any::<Index>()) {
        let (disk, file) = (log(&drafts()), FILES[file]);
        let before = disk.content(file).unwrap();
        let at = at.index(before.len());
        match harm {
            Harm::Flip(mask) => disk.edit(file, |bytes| bytes[at] ^= mask),
            Harm::Cut => disk.edit(file, |bytes| bytes.truncate(at)),
            Harm::Swell => disk.edit(file, |bytes| bytes.extend_from_slice(&before[..=at])),
            Harm::Zero => disk.edit(file, |bytes| bytes[at..].fill(0)),
            Harm::Lose => disk.lose(file),
        }
        let report = verify(&disk);
        if disk.content(file).as_ref() == Some(&before) {
            prop_assert!(report.verified);
        } else {
            prop_assert!(!report.verified);
            let problem = report.problem.unwrap();
            prop_assert!(names(&problem, file), "{}: {}", file, problem);
        }
    }

    /// Two files that changed places: one of them is named.
    #[test]
    fn no_swap_of_two_files_goes_unnoticed(a in any::<Index>(), b in any::<Index>()) {
        let disk = log(&drafts());
        let mut files = segments(&disk);
        files.extend(FILES.map(str::to_owned));
        let (a, b) = (a.get(&files), b.get(&files));
        let (of_a, of_b) = (disk.content(a).unwrap(), disk.content(b).unwrap());
        disk.edit(a, |bytes| bytes.clone_from(&of_b));
        disk.edit(b, |bytes| bytes.clone_from(&of_a));
        let report = verify(&disk);
        prop_assert_eq!(report.verified, a == b || of_a == of_b, "{} and {}", a, b);
        if let Some(problem) = report.problem {
            let segment = format!("segment-{:08}.log", problem.segment);
            let is_named = names(&problem, a) || names(&problem, b) || [a, b].contains(&&segment);
            prop_assert!(is_named, "{} and {}: {}", a, b, problem);
        }
    }
}

#[test]
fn a_log_without_its_checkpoint_is_not_clean() {
    let honest = log(&drafts());
    let lost = honest.copy();
    lost.lose(CHECKPOINT);
    assert_eq!(verify(&lost).problem.map(|problem| problem.flaw), Some(Flaw::CheckpointMissing));
    for file in FILES.iter().chain(&["log/tile/entries/", "log/tile/0/", "log/tile/", "log/"]) {
        lost.lose(file);
    }
    assert_eq!(verify(&lost).problem.map(|problem| problem.flaw), Some(Flaw::CheckpointMissing));
    let empty = log(&[]);
    let report = verify(&empty);
    assert!(report.verified && report.checkpoint == Some(0), "{report:?}");
    empty.lose(CHECKPOINT);
    assert!(verify(&empty).verified, "nothing was promised yet");
}

#[test]
fn noise_is_passed_over() {
    let disk = log(&drafts());
    let stray: [(&str, &[u8]); 7] = [
        ("notes.txt", b"dear diary"),
        ("segment-00000099.log.bak", b"a backup"),
        ("log/index.html", b"<html>"),
        ("log/checkpoint.new", b"half a checkpoi"),
        ("log/tile/0/001.p/43", b"of an earlier size"),
        ("log/tile/0/002", b"of a size that no checkpoint has"),
        ("log/tile/entries/000.p/7", b"superseded"),
    ];
    for (name, content) in stray {
        disk.edit(name, |bytes| *bytes = content.to_vec());
        let report = verify(&disk);
        assert!(report.verified && report.leaves == N_LEAVES as u64, "{name}: {report:?}");
    }
    // The log goes on over all of it, and stays whole.
    let (ledger, _) = open(arc(&disk), 2).unwrap();
    wait(ledger.append_all(vec![Draft::new(
        Leaf::new(record(7777), RecordKind::Decision, 1),
        Vec::new(),
    )]))
    .unwrap();
    drop(ledger);
    let report = verify(&disk);
    assert!(report.verified && report.checkpoint == Some(N_LEAVES as u64 + 1), "{report:?}");
}
