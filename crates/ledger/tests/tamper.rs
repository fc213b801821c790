//! Bytes that change behind the log's back, and what is said about it.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::record::{Draft, RecordKind, Recorder as _, Slot};
use bartizan_ledger::{Flaw, LedgerError, Options, Reader};
use bartizan_testkit::{SimDisk, SplitMix, wait};
use common::{
    CHECKPOINT, LOG, append, arc, clear, closed_log, draft, intent, log_key, open, open_with,
    options, outcome, record, segments, used, verify,
};
use proptest::prelude::*;

const SEGMENT: &str = "segment-00000000.log";
const NEXT: &str = "segment-00000001.log";

/// What verification says after an edit of a copy.
fn after(disk: &SimDisk, edit: impl FnOnce(&SimDisk)) -> Option<Flaw> {
    let copy = disk.copy();
    edit(&copy);
    verify(&copy).problem.map(|problem| problem.flaw)
}

fn flip(disk: &SimDisk, name: &str, at: usize, mask: u8) {
    disk.edit(name, |bytes| bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask));
}

#[test]
fn an_honest_log_is_clean() {
    let disk = closed_log(1, 40);
    let report = verify(&disk);
    assert!(report.verified && report.problem.is_none(), "{report:?}");
    assert_eq!((report.leaves, report.open, report.checkpoint), (80, 0, Some(80)));
    assert_eq!(report.unfinished_bytes, 0);
    assert!(disk.content(NEXT).is_some(), "the log has more than one segment");
}

#[test]
fn every_flipped_byte_of_a_small_log_is_noticed() {
    let disk = SimDisk::new(5);
    let small = Options { segment_bytes: 16 << 10, ..options() };
    let (ledger, _) = open_with(arc(&disk), 5, small).unwrap();
    append(&ledger, intent(record(1))).unwrap();
    append(&ledger, outcome(record(1))).unwrap();
    drop(ledger);
    for name in [SEGMENT, CHECKPOINT, "log/tile/0/000.p/2", "log/tile/entries/000.p/2"] {
        for at in 0..used(&disk, name) {
            assert!(after(&disk, |disk| flip(disk, name, at, 1)).is_some(), "{name} byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever byte of a committed region changes, in whatever way, verification says no, and opening never cuts it away in silence.
    #[test]
    fn no_flip_goes_unnoticed(segment in 0..2_usize, at in any::<prop::sample::Index>(), mask in 1..=255_u8) {
        let disk = closed_log(2, 40);
        let name = [SEGMENT, NEXT][segment];
        flip(&disk, name, at.index(used(&disk, name)), mask);
        let before = disk.content(name);
        let report = verify(&disk);
        prop_assert!(!report.verified);
        let problem = report.problem.unwrap();
        prop_assert_eq!(problem.segment, segment as u64);
        // Opening reads only the last segment, and leaves what it did not read to verification.
        if let Ok((_ledger, recovery)) = open(arc(&disk), 9) {
            prop_assert_eq!(recovery.torn_bytes, 0);
        }
        prop_assert_eq!(disk.content(name), before);
    }

    /// The same for a whole run of bytes: overwritten, moved, taken out.
    #[test]
    fn no_edit_goes_unnoticed(at in any::<prop::sample::Index>(), n in 1..9000_usize, how in 0..3) {
        let disk = closed_log(3, 40);
        let end = used(&disk, SEGMENT);
        let (start, before) = (at.index(end), disk.content(SEGMENT));
        let stop = (start + n).min(end);
        disk.edit(SEGMENT, |bytes| match how {
            0 => bytes[start..stop].fill(0),
            1 => drop(bytes.drain(start..stop)),
            _ => bytes[start..stop].reverse(),
        });
        if disk.content(SEGMENT) != before {
            prop_assert!(!verify(&disk).verified);
        }
    }
}

#[test]
fn a_cut_below_the_checkpoint_is_a_problem_and_is_not_repaired() {
    let disk = SimDisk::new(4);
    let (ledger, _) = open(arc(&disk), 4).unwrap();
    for id in 0..3 {
        wait(ledger.append_all(vec![intent(record(id)), outcome(record(id))])).unwrap();
    }
    drop(ledger);
    let end = used(&disk, SEGMENT);
    let last_block = (end - 1) / 4096 * 4096;
    disk.edit(SEGMENT, |bytes| bytes[last_block..end].fill(0));
    let before = disk.content(SEGMENT);
    assert!(verify(&disk).problem.is_some());
    let error = open(arc(&disk), 9).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert_eq!(disk.content(SEGMENT), before);
    let whole_segment = closed_log(4, 40);
    for number in (1..9).rev() {
        whole_segment.lose(&format!("segment-{number:08}.log"));
    }
    let problem = verify(&whole_segment).problem.unwrap();
    assert!(matches!(problem.flaw, Flaw::Cut { size: 80, .. }), "{problem}");
    assert!(problem.to_string().contains("the end was cut off"), "{problem}");
}

/// Who reads a log that was cut is told at the end, and never takes it for a short one.
#[test]
fn no_reader_takes_a_cut_log_for_a_short_one() {
    type Cut = fn(&SimDisk);
    let cuts: [(&str, Cut); 4] = [
        ("its last segments", |disk| {
            (1..9).for_each(|number| disk.lose(&format!("segment-{number:08}.log")));
        }),
        ("its last group", |disk| {
            let names = segments(disk);
            let last = names.iter().rfind(|name| 4096 < used(disk, name)).unwrap();
            let end = used(disk, last);
            disk.edit(last, |bytes| bytes[(end - 1) / 4096 * 4096..].fill(0));
        }),
        ("all but a header", |disk| {
            (1..9).for_each(|number| disk.lose(&format!("segment-{number:08}.log")));
            disk.edit(SEGMENT, |bytes| bytes[4096..].fill(0));
        }),
        ("its checkpoint, in part", |disk| disk.edit(CHECKPOINT, |bytes| bytes.truncate(9))),
    ];
    for (name, cut) in cuts {
        let disk = closed_log(4, 40);
        let reader = Reader::open(arc(&disk)).unwrap();
        let last = reader.entries().unwrap().last().unwrap().unwrap();
        assert_eq!(last.index, 79, "{name}");
        cut(&disk);
        let damaged = |error: &LedgerError| matches!(error, LedgerError::Damaged(_));
        let mut entries = reader.entries().unwrap();
        let error = entries.find_map(Result::err);
        assert!(error.as_ref().is_some_and(damaged), "{name}: {error:?}");
        assert!(entries.next().is_none(), "{name}: nothing comes after it");
        for index in [0, 5, 60, 79, 80, 1000] {
            let found = reader.since(index).unwrap().find_map(Result::err);
            assert!(found.as_ref().is_some_and(damaged), "{name} from {index}");
        }
        assert!(damaged(&reader.find(last.leaf.record).unwrap_err()), "{name}");
        assert!(damaged(&reader.find_prefix(&last.leaf.record.to_string()).unwrap_err()), "{name}");
        assert!(!verify(&disk).verified, "{name}");
        assert!(open(arc(&disk), 9).is_err(), "{name}");
    }
}

#[test]
fn files_that_are_missing_or_another_logs_are_named() {
    let disk = closed_log(6, 80);
    let other = closed_log(7, 80);
    let swap = |name: &'static str| {
        let content = other.content(name).unwrap();
        move |disk: &SimDisk| disk.edit(name, |bytes| *bytes = content)
    };
    assert!(disk.content("segment-00000002.log").is_some());
    assert_eq!(after(&disk, swap(CHECKPOINT)), Some(Flaw::CheckpointRoot { size: 160 }));
    assert_eq!(after(&disk, swap(NEXT)), Some(Flaw::Header));
    assert_eq!(after(&disk, swap(SEGMENT)), Some(Flaw::Header), "of the next one");
    assert!(matches!(after(&disk, swap("log/tile/0/000.p/160")), Some(Flaw::Tile(_))));
    let gone = after(&disk, |disk| disk.lose("log/tile/entries/000.p/160"));
    assert_eq!(gone, Some(Flaw::Tile("tile/entries/000.p/160 is missing".to_owned())));
    let reader = Reader::open(arc(&disk)).unwrap();
    let strangers = reader.verify_with(&[log_key(2)], &mut |_| {}).unwrap();
    assert_eq!(strangers.problem.unwrap().flaw, Flaw::CheckpointUnsigned);
    assert_eq!(verify(&disk).signed_by, [LOG]);
    let order = |disk: &SimDisk| {
        let (a, b) = (disk.content(SEGMENT).unwrap(), disk.content(NEXT).unwrap());
        disk.edit(SEGMENT, |bytes| *bytes = b);
        disk.edit(NEXT, |bytes| *bytes = a);
    };
    assert_eq!(after(&disk, order), Some(Flaw::Header));
    let lost = disk.copy();
    lost.lose(NEXT);
    let error = Reader::open(arc(&lost)).unwrap_err().to_string();
    assert!(error.contains("segment 1") && error.contains("missing"), "{error}");
    assert!(matches!(open(arc(&lost), 1), Err(LedgerError::Damaged(_))));
}

#[test]
fn wrong_files_are_refused_and_left_alone() {
    let mut block = closed_log(1, 1).content(SEGMENT).unwrap();
    block[8] = 2;
    let cases = [
        ("empty", Vec::new(), "not part of a log"),
        ("text", b"dear diary".repeat(1000), "not part of a log"),
        ("zeros", vec![0; 1 << 16], "not part of a log"),
        ("version 2", block, "has format version 2, this build knows 3"),
    ];
    for (name, content, want) in cases {
        let disk = SimDisk::new(0);
        disk.edit(SEGMENT, |bytes| bytes.clone_from(&content));
        let error = open(arc(&disk), 0).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
        assert_eq!(disk.content(SEGMENT).unwrap(), content, "{name}");
        assert!(!verify(&disk).verified, "{name}");
    }
    let empty = SimDisk::new(0);
    assert!(matches!(Reader::open(arc(&empty)), Err(LedgerError::Absent)));
}

#[test]
fn what_was_written_is_read_back() {
    let disk = SimDisk::new(8);
    let (ledger, _) = open(arc(&disk), 8).unwrap();
    let mut chance = SplitMix::new(8);
    let mut sent = Vec::new();
    for id in 0..50 {
        let draft = draft(RecordKind::Decision, record(id), &mut chance);
        sent.push(draft.clone());
        assert_eq!(append(&ledger, draft).unwrap().index, id);
    }
    // While the writer lives.
    let reader = Reader::open(arc(&disk)).unwrap();
    for (index, draft) in sent.iter().enumerate() {
        let entries = reader.find(draft.leaf.record).unwrap();
        let [entry] = &entries[..] else { panic!("{} leaves", entries.len()) };
        assert_eq!(entry.index, index as u64);
        let digits: String = draft.leaf.record.to_string().chars().take(12).collect();
        assert_eq!(reader.find_prefix(&digits).unwrap(), entries);
        for (stored, payload) in entry.payloads.iter().zip(&draft.payloads) {
            assert_eq!(stored.slot, payload.slot);
            assert_eq!(clear(&reader, entry, stored).unwrap(), payload.bytes);
            assert_ne!(reader.stored(stored).unwrap(), payload.bytes);
        }
        assert_eq!(entry.payloads.len(), draft.payloads.len());
    }
    assert!(reader.find(record(999)).unwrap().is_empty());
    assert!(reader.find_prefix("").unwrap().is_empty(), "not unique");
    let report = reader.verify().unwrap();
    assert!(report.verified, "{report:?}");
    drop(ledger);
}

#[test]
fn a_changed_payload_is_not_handed_out() {
    let disk = SimDisk::new(8);
    let (ledger, _) = open(arc(&disk), 8).unwrap();
    append(&ledger, intent(record(1))).unwrap();
    drop(ledger);
    let reader = Reader::open(arc(&disk)).unwrap();
    let entry = reader.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.payloads[0].slot, Slot::Released);
    let content = disk.content(SEGMENT).unwrap();
    let masked: Vec<u8> = b"what was asked".iter().map(|byte| byte ^ 0xa5).collect();
    assert!(!content.windows(14).any(|window| window == b"what was asked"));
    let at = content.windows(14).position(|window| window == masked).unwrap();
    flip(&disk, SEGMENT, at, 0x20);
    assert!(matches!(reader.stored(&entry.payloads[0]), Err(LedgerError::Damaged(_))));
}

#[test]
fn an_open_intent_is_no_problem_until_its_writer_is_gone() {
    let disk = SimDisk::new(8);
    let (ledger, _) = open(arc(&disk), 8).unwrap();
    wait(ledger.append_all(vec![intent(record(1)), intent(record(2)), outcome(record(1))]))
        .unwrap();
    let report = verify(&disk);
    assert!(report.verified && report.open == 1, "{report:?}");
    drop(ledger);
    let (ledger, recovery) = open(arc(&disk), 9).unwrap();
    assert_eq!((recovery.interrupted, recovery.leaves, recovery.torn_bytes), (1, 4, 0));
    drop(ledger);
    let report = verify(&disk);
    assert!(report.verified && report.open == 0 && report.leaves == 4, "{report:?}");
    assert_eq!(Reader::open(arc(&disk)).unwrap().find(record(2)).unwrap().len(), 2);
}

#[test]
fn the_root_of_a_stream_covers_its_text_piece_by_piece() {
    let disk = SimDisk::new(8);
    let (ledger, _) = open(arc(&disk), 8).unwrap();
    let texts = [vec![b'a'; 9000], vec![b'a'; 9000], vec![b'a'; 9001], Vec::new()];
    for (id, text) in (0..).zip(&texts) {
        let mut draft = intent(record(id));
        draft.payloads[0].bytes.clone_from(text);
        append(&ledger, Draft { is_stream: true, ..draft }).unwrap();
    }
    append(&ledger, intent(record(9))).unwrap();
    drop(ledger);
    let reader = Reader::open(arc(&disk)).unwrap();
    let entries: Vec<_> = reader.entries().unwrap().map(Result::unwrap).collect();
    let roots: Vec<_> = entries.iter().map(|entry| entry.leaf.stream_root).collect();
    assert_eq!(roots[0], roots[1], "the simulated sealer has no salt");
    assert_ne!(roots[0], roots[2]);
    assert!(roots[3].is_some() && roots[4].is_none(), "only streams have one");
    for (entry, text) in entries.iter().zip(&texts) {
        assert_eq!(&clear(&reader, entry, &entry.payloads[0]).unwrap(), text);
        let mut other = entry.clone();
        other.leaf.stream_root = roots[2].filter(|root| Some(*root) != entry.leaf.stream_root);
        let refused = clear(&reader, &other, &entry.payloads[0]).is_err();
        assert_eq!(refused, other.leaf.stream_root.is_some(), "a root of another text");
    }
}
