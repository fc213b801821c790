//! A forger who knows the format: every checksum fits, and the journal says something else than the checkpoint. And one who does not, and
//! takes published files away, cuts, swaps and swells them. `verify` names the leaf or the file.
#![expect(clippy::indexing_slicing, reason = "a test: what is out of range fails it")]
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::record::{Draft, Leaf, Payload, RecordKind, Recorder as _, Slot};
use bartizan_ledger::{Flaw, LedgerError, Problem, Reader, cut_is_recorded, cut_tail};
use bartizan_testkit::{SimClock, SimDisk, SimSigner, wait};
use common::{
    CHECKPOINT, arc, extended, log_key, open, open_as, options, record, segments, under, used,
    verify, verify_own,
};
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

/// A forger has no key but his own.
const FORGER: u8 = 2;

/// A log of these records; all logs here have one name.
fn log(drafts: &[Draft]) -> SimDisk {
    log_by(drafts, 1)
}

fn log_by(drafts: &[Draft], key: u8) -> SimDisk {
    let disk = SimDisk::new(1);
    let (ledger, _) =
        open_as(arc(&disk), 1, key, options()).expect("an empty folder can be opened");
    for group in drafts.chunks(N_PER_GROUP) {
        wait(ledger.append_all(group.to_vec())).expect("a disk without faults takes every record");
    }
    drop(ledger);
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
    /// So many tombstones behind the last record.
    Append(usize),
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
            Self::Append(n) => {
                drafts.extend((0..*n as u64).map(tombstone));
                Some(N_LEAVES)
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
        (1..400_usize).prop_map(Forgery::Append),
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

fn tombstone(n: u64) -> Draft {
    Draft::new(Leaf::new(record(5000 + n), RecordKind::Tombstone, 1), Vec::new())
}

/// Every file that a log may have here.
fn contents(disk: &SimDisk) -> Vec<Option<Vec<u8>>> {
    let files = segments(disk).into_iter().chain(FILES.map(str::to_owned));
    files.map(|name| disk.content(&name)).collect()
}

/// What everybody says about `n` leaves behind the checkpoint that nobody with the key has written.
fn refuse_tail(disk: &SimDisk, n: u64) -> Result<(), TestCaseError> {
    let report = verify(disk);
    prop_assert!(report.verified, "without the key nobody can say more: {:?}", report);
    prop_assert_eq!((report.checkpoint, report.unsigned_leaves), (Some(N_LEAVES as u64), n));
    prop_assert!(!report.unsigned_vouched);
    let report = verify_own(disk, 1);
    prop_assert!(!report.verified && !report.unsigned_vouched);
    let problem = report.problem.expect("what is not verified has a problem");
    prop_assert_eq!((problem.leaf, &problem.flaw), (Some(N_LEAVES as u64), &Flaw::Unvouched));
    let before = contents(disk);
    match open(arc(disk), 9) {
        Err(LedgerError::Unvouched(found)) => prop_assert_eq!(found, problem),
        other => prop_assert!(false, "{:?}", other),
    }
    prop_assert!(contents(disk) == before, "nothing was changed");
    prop_assert!(disk.content("segment-00000099.log").is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However carefully a journal is forged, it is not the one that the checkpoint stands for, and the first other leaf is named.
    #[test]
    fn no_forged_journal_goes_unnoticed(forgery in forgery()) {
        let mut forged = drafts();
        let first = forgery.apply(&mut forged);
        let (honest, forged) = (log(&drafts()), log_by(&forged, FORGER));
        prop_assert!(verify_own(&forged, FORGER).verified, "a log of its own is whole");
        if let Forgery::Append(n) = forgery {
            return refuse_tail(&extended(&honest, &forged), n as u64);
        }
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
            // The tiles are those that were signed, so it is the leaf that was changed.
            prop_assert_eq!(&problem.flaw, &Flaw::Unproven, "{}", problem);
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

/// The holder of the key knows his own leaves again, whatever the checkpoint covers; and only his own.
#[test]
fn an_honest_tail_is_vouched_for() {
    let (all, some) = (drafts(), N_LEAVES / 2);
    let killed = under(&log(&all), &log(&all[..some]));
    let report = verify_own(&killed, 1);
    assert!(report.verified && report.unsigned_vouched, "{report:?}");
    assert_eq!(report.unsigned_leaves, (N_LEAVES - some) as u64);
    assert_eq!(report.checkpoint, Some(some as u64));
    let keys = [log_key(1)];
    let reader = Reader::open(arc(&killed)).unwrap();
    let stranger = SimSigner::new(common::LOG, FORGER);
    let report = reader.verify_own(&keys, &stranger, &mut |_| {}).unwrap();
    assert_eq!(report.problem.unwrap().leaf, Some(some as u64));
    let (ledger, recovery) = open(arc(&killed), 2).unwrap();
    assert_eq!((recovery.leaves, recovery.torn_bytes), (N_LEAVES as u64, 0));
    drop(ledger);
    let report = verify_own(&killed, 1);
    assert!(report.verified && report.unsigned_leaves == 0, "{report:?}");
    // The folder log/ can be made again, by whoever has the key, and by nobody else.
    for (key, is_his) in [(FORGER, false), (1, true)] {
        let bare = log(&all);
        for file in FILES.iter().chain(&["log/tile/entries/", "log/tile/0/", "log/tile/", "log/"]) {
            bare.lose(file);
        }
        let opened = open_as(arc(&bare), 3, key, options());
        assert_eq!(opened.is_ok(), is_his);
        drop(opened);
        assert_eq!(verify_own(&bare, 1).verified, is_his);
    }
}

/// The leaves that one honest log has behind its checkpoint are not those of another.
#[test]
fn a_tail_of_another_history_is_refused() {
    let all = drafts();
    let mut other = all.clone();
    other[7].leaf.verdict ^= 1;
    other.extend((0..30).map(tombstone));
    let forged = extended(&log(&all), &log(&other));
    assert!(verify_own(&forged, 1).problem.is_some(), "the chain over the marks is broken");
    let before = contents(&forged);
    assert!(matches!(open(arc(&forged), 9), Err(LedgerError::Damaged(_))));
    assert!(contents(&forged) == before, "nothing was changed");
}

/// What somebody else added behind the checkpoint goes, by order, and only that; a copy stays, and no crash on the way loses it.
#[test]
fn a_forged_tail_is_cut_off_by_order_and_nothing_else_is() {
    let all = drafts();
    let (clock, signer) = (SimClock::new(77), SimSigner::new(common::LOG, 1));
    let cut = |disk: &SimDisk| cut_tail(&arc(disk), &clock, &signer, 0);
    let honest = log(&all);
    assert_eq!(cut(&honest).unwrap(), None, "nothing to cut");
    let mut longer = all.clone();
    longer.extend((0..30).map(tombstone));
    let forged = extended(&honest, &log_by(&longer, FORGER));
    let error = open(arc(&forged), 9).unwrap_err();
    assert!(matches!(error, LedgerError::Unvouched(_)), "{error}");
    assert!(error.to_string().contains("--cut-tail"), "{error}");
    let n_forged: usize = segments(&forged)
        .iter()
        .map(|name| used(&forged, name) - used(&honest, name).max(4096))
        .sum();
    let mut n_cuts = 0;
    for at in 1.. {
        let disk = forged.copy();
        disk.cut_power_at(at);
        let whole = cut(&disk);
        let is_off = disk.is_off();
        disk.crash(at);
        let told = if is_off { cut(&disk).unwrap() } else { whole.unwrap() };
        let told = told.expect("what was cut has no record yet");
        assert_eq!(told.leaves, N_LEAVES as u64);
        assert!(n_forged as u64 <= told.bytes, "{at}: {told:?}");
        cut_is_recorded(&disk).unwrap();
        assert_eq!(cut(&disk).unwrap(), None, "once");
        let kept: usize = told.copies.iter().map(|name| disk.content(name).unwrap().len()).sum();
        assert!(n_forged <= kept, "{at}: everything was kept, in its place");
        let (ledger, recovery) = open(arc(&disk), 9).unwrap();
        assert_eq!(recovery.leaves, N_LEAVES as u64, "{at}");
        drop(ledger);
        assert!(verify_own(&disk, 1).verified, "{at}");
        n_cuts += 1;
        if !is_off {
            break;
        }
    }
    assert!(5 < n_cuts, "{n_cuts} power cuts");
}

#[test]
fn what_a_checkpoint_stands_for_is_never_cut() {
    let (all, clock) = (drafts(), SimClock::new(77));
    let refused = |name: &str, disk: &SimDisk, key: u8| {
        let before = contents(disk);
        let done = cut_tail(&arc(disk), &clock, &SimSigner::new(common::LOG, key), 0);
        assert!(done.is_err(), "{name}: {done:?}");
        assert!(contents(disk) == before, "{name}: nothing was changed");
    };
    let honest = log(&all);
    refused("another key", &honest, FORGER);
    let damaged = honest.copy();
    let last = segments(&honest).into_iter().rfind(|name| 4096 < used(&honest, name)).unwrap();
    damaged.edit(&last, |bytes| bytes[4700] ^= 1);
    refused("damage before the checkpoint", &damaged, 1);
    let bare = extended(&honest, &log_by(&[all.clone(), vec![tombstone(1)]].concat(), FORGER));
    bare.lose(CHECKPOINT);
    refused("no checkpoint", &bare, 1);
    refused("a log that is shorter", &under(&log(&all[..7]), &honest), 1);
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
        ("log/tile/0/001.p/45", b"of a size that no checkpoint has"),
        ("log/tile/0/002", b"of a size that no checkpoint has"),
        ("log/tile/entries/001.p/200", b"of a size that no checkpoint has"),
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

/// A partial file that a crash left is nobody's promise, and must not look like a broken one from the next checkpoint on.
#[test]
fn partial_files_that_nobody_signed_are_gone_before_the_next_checkpoint() {
    let disk = log(&drafts());
    let torn = ["log/tile/0/001.p/46", "log/tile/entries/001.p/46", "log/tile/0/002.p/3"];
    for name in torn {
        disk.edit(name, |bytes| *bytes = vec![0; 40]);
    }
    let (ledger, _) = open(arc(&disk), 2).unwrap();
    for id in 0..300 {
        let leaf = Leaf::new(record(8000 + id), RecordKind::Decision, 1);
        wait(ledger.append(Draft::new(leaf, Vec::new()))).unwrap();
    }
    drop(ledger);
    let report = verify(&disk);
    assert!(report.verified && report.checkpoint == Some(N_LEAVES as u64 + 300), "{report:?}");
    for name in torn {
        assert!(disk.content(name).is_none_or(|bytes| bytes != [0; 40]), "{name}");
    }
}

/// What whoever holds an earlier checkpoint may still ask for is checked as well as what the present one stands for.
#[test]
fn partial_files_of_earlier_checkpoints_are_checked_too() {
    type Harm = fn(&mut Vec<u8>);
    let places = [
        ("log/tile/0/001.p/43", "log/tile/0/001.p/44", 43 * 32, 256),
        ("log/tile/0/001.p/1", "log/tile/0/001.p/44", 32, 256),
        ("log/tile/0/000.p/255", "log/tile/0/000", 255 * 32, 0),
        ("log/tile/entries/001.p/40", "log/tile/entries/001.p/44", 0, 256),
        ("log/tile/entries/000.p/7", "log/tile/entries/000", 0, 0),
    ];
    let harms: [(&str, Harm); 5] = [
        ("the last byte changed", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("the first byte changed", |bytes| bytes[0] ^= 0x80),
        ("cut", |bytes| bytes.truncate(bytes.len() - 1)),
        ("longer", |bytes| bytes.push(0)),
        ("empty", Vec::clear),
    ];
    for (name, of, n_bytes, first) in places {
        let disk = log(&drafts());
        let whole = disk.content(of).unwrap();
        let width: usize = name.rsplit('/').next().unwrap().parse().unwrap();
        let bundle_bytes = || {
            (0..width).fold(0, |at, _| {
                at + 2 + usize::from(u16::from_be_bytes([whole[at], whole[at + 1]]))
            })
        };
        let n_bytes = if n_bytes == 0 { bundle_bytes() } else { n_bytes };
        let beginning = whole[..n_bytes].to_vec();
        disk.edit(name, |bytes| bytes.clone_from(&beginning));
        let report = verify(&disk);
        assert!(report.verified, "{name}: {report:?}");
        for (harm, change) in harms {
            disk.edit(name, |bytes| {
                bytes.clone_from(&beginning);
                change(bytes);
            });
            let problem = verify(&disk).problem.unwrap_or_else(|| panic!("{name}, {harm}"));
            let (path, leaf) = (name.strip_prefix("log/").unwrap(), problem.leaf.unwrap());
            let said = problem.to_string();
            assert!(said.contains(&format!("{path} does not belong")), "{name}, {harm}: {said}");
            assert!((first..first + width as u64).contains(&leaf), "{name}, {harm}: leaf {leaf}");
        }
    }
}
