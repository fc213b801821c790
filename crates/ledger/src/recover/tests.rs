//! A forger who knows the format and has no key, at work on what a start believes without reading all of the log.
use super::*;
use crate::format::{Bytes, FrameHead, FrameKind, GroupHead, MARK_BYTES, Mark, group_seed};
use crate::{Ledger, Options, Parts, Reader};
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Leaf, Outcome, RecordId, RecordKind, Recorder as _};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};

const LOG: &str = "example.com/log";
const FRAME: usize = crate::format::FRAME_HEAD_BYTES;

fn open(disk: &SimDisk) -> Result<(Ledger, Recovery), LedgerError> {
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SimClock::new(1_700_000_000_000)),
        entropy: Arc::new(SimEntropy::new(1)),
        sealer: Arc::new(SimSealer::new()),
        signer: Arc::new(SimSigner::new(LOG, 1)),
    };
    let options = Options { segment_bytes: 16 << 10, prepare_ahead: false, ..Options::default() };
    Ledger::open(parts, options)
}

fn record(n: u8) -> RecordId {
    RecordId([n; 16])
}

fn leaf(kind: RecordKind, n: u8) -> Draft {
    let mut leaf = Leaf::new(record(n), kind, 1_700_000_000_000);
    leaf.outcome = (kind == RecordKind::Outcome).then_some(Outcome::Completed);
    Draft::new(leaf, Vec::new())
}

/// A closed log of some segments, in which records 1 and 2 are open.
fn log() -> SimDisk {
    let disk = SimDisk::new(1);
    let (ledger, _) = open(&disk).unwrap();
    wait(ledger.append_all(vec![leaf(RecordKind::Intent, 1), leaf(RecordKind::Intent, 2)]))
        .unwrap();
    for n in 10..20 {
        wait(ledger.append(leaf(RecordKind::Intent, n))).unwrap();
        wait(ledger.append(leaf(RecordKind::Outcome, n))).unwrap();
    }
    drop(ledger);
    disk
}

/// The last segment with a group in it.
fn last_used(disk: &SimDisk) -> u64 {
    let is_used = |&number: &u64| {
        let content = disk.content(&crate::format::segment_name(number));
        content.is_some_and(|content| content[4096..].iter().any(|&byte| byte != 0))
    };
    (0..99).take_while(is_used).last().unwrap()
}

/// Makes every checksum and the chain of a segment fit what its frames say; the vouchers stay what they are.
fn refit(bytes: &mut [u8], segment: u64) {
    let log: LogId = bytes[16..32].try_into().unwrap();
    let (mut start, mut chain) = (4096, Digest([0; 32]));
    while bytes[start] == FrameKind::Group as u8 {
        let body = &bytes[start + FRAME..start + FRAME + crate::format::GROUP_BODY_BYTES];
        let head = GroupHead::decode(body).unwrap();
        let mark_at = start + head.n_bytes as usize - MARK_BYTES;
        let mut crc = group_seed(&log, segment, start as u64, head.number);
        let mut at = start;
        while at + FRAME < mark_at && bytes[at] != 0 {
            let frame = FrameHead::decode(&bytes[at..at + FRAME]).unwrap();
            let body = at + FRAME..at + FRAME + frame.n_bytes as usize;
            if frame.kind == FrameKind::Snapshot as u8 {
                chain = Digest(bytes[body.clone()][..32].try_into().unwrap());
            }
            let mut hasher = crc32fast::Hasher::new_with_initial(crc);
            hasher.update(&FrameHead::covered(frame.kind, frame.slot, frame.n_bytes));
            hasher.update(&bytes[body.clone()]);
            crc = hasher.finalize();
            bytes[at + 8..at + FRAME].copy_from_slice(&crc.to_le_bytes());
            at = body.end;
        }
        let mut rest = Bytes(&bytes[mark_at + 8 + 24..]);
        let root = Digest(rest.array().unwrap());
        let voucher = Bytes(&rest.0[4 + 32..]).array().unwrap();
        let mark = Mark { voucher, ..Mark::new(head, start as u64, root, crc, &chain) };
        bytes[mark_at..mark_at + MARK_BYTES].copy_from_slice(&mark.encode(
            &log,
            segment,
            mark_at as u64,
        ));
        (start, chain) = (mark_at + MARK_BYTES, mark.chain);
        if bytes.len() <= start {
            break;
        }
    }
}

/// What opening says after a segment was edited by somebody who makes all checksums fit.
fn forged(disk: &SimDisk, segment: u64, edit: impl FnOnce(&mut [u8])) -> Result<Recovery, Flaw> {
    let copy = disk.copy();
    let name = crate::format::segment_name(segment);
    copy.edit(&name, |bytes| {
        edit(bytes);
        refit(bytes, segment);
    });
    let before = copy.content(&name);
    match open(&copy) {
        Ok((_, recovery)) => Ok(recovery),
        Err(LedgerError::Damaged(problem)) => {
            assert_eq!(copy.content(&name), before, "nothing was changed");
            Err(problem.flaw)
        }
        Err(error) => panic!("{error}"),
    }
}

/// Where the body of a segment's snapshot stands.
fn snapshot(bytes: &[u8]) -> Range<usize> {
    let at = 4096 + FRAME + crate::format::GROUP_BODY_BYTES;
    let frame = FrameHead::decode(&bytes[at..at + FRAME]).unwrap();
    assert_eq!(frame.kind, FrameKind::Snapshot as u8);
    at + FRAME..at + FRAME + frame.n_bytes as usize
}

type Edit = fn(&mut [u8]);

#[test]
fn a_snapshot_is_believed_only_from_the_holder_of_the_key() {
    let disk = log();
    let last = last_used(&disk);
    assert!(1 < last, "the log has segments");
    let untouched = forged(&disk, last, |_| {});
    assert_eq!(untouched.map(|recovery| recovery.interrupted), Ok(2), "refitting changes nothing");
    let edits: [(&str, Edit); 3] = [
        ("another record is open", |bytes| {
            let end = snapshot(bytes).end;
            bytes[end - 16..end].copy_from_slice(&record(99).0);
        }),
        ("another time", |bytes| {
            let start = snapshot(bytes).start;
            bytes[start + 32..start + 40].copy_from_slice(&u64::MAX.to_le_bytes());
        }),
        ("another tree", |bytes| {
            let start = snapshot(bytes).start;
            bytes[start + 44] ^= 1;
        }),
    ];
    for (name, edit) in edits {
        for segment in [last - 1, last] {
            let found = forged(&disk, segment, edit);
            // An older segment is not read, and nothing hangs from it.
            let is_read = segment == last;
            assert_eq!(found.clone().err(), is_read.then_some(Flaw::Snapshot), "{name}");
            assert!(is_read || found.map(|recovery| recovery.interrupted) == Ok(2), "{name}");
        }
    }
    let reader = Reader::open(Arc::new(disk)).unwrap();
    assert!(reader.verify().unwrap().verified);
}
