use super::crew::behind;
use super::*;
use crate::opening::world::World;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Payload, Recorder as _};
use bartizan_core::seal::{Opener, Sealing};
use std::sync::atomic::{AtomicU64, Ordering};

/// What opening all of them comes to, one after the other and, where the log verifies, all at once: the same.
pub(crate) fn opened(state: &Path, sources: &Sources) -> anyhow::Result<Counts> {
    let counts = open_all(state, sources)?;
    let checked = verify_and_open(state, &Trusted::default(), sources)?;
    assert_eq!(checked.payloads.is_some(), checked.verdict.verified);
    if let Some(at_once) = checked.payloads {
        assert_eq!(at_once, counts);
    }
    Ok(counts)
}

const N_RECORDS: u64 = 3_000;

/// A log of many records, with two payloads each.
fn world() -> World {
    let world = World::new();
    let opened = world.open().unwrap();
    for n in 0..N_RECORDS / 1000 {
        let drafts = (n * 1000..(n + 1) * 1000).map(|n| {
            let record = RecordId(u128::from(n).to_be_bytes());
            let leaf = Leaf::new(record, RecordKind::Decision, world.sources.clock.unix_ms());
            let payload = |slot| Payload { slot, bytes: vec![b'x'; 700] };
            let payloads = vec![payload(Slot::Released), payload(Slot::Evidence)];
            Draft { subject: Some(format!("person {}", n % 7)), ..Draft::new(leaf, payloads) }
        });
        world.wait(opened.ledger.append_all(drafts.collect())).unwrap();
    }
    opened.close(&world.sources).unwrap();
    world
}

/// Counts what it is asked for, and answers with one thing.
struct Told {
    n_asked: AtomicU64,
    answer: fn() -> Result<Vec<u8>, OpenError>,
}

impl Opener for Told {
    fn open(&self, _: &Sealing<'_>, _: &Digest, _: &[u8]) -> Result<Vec<u8>, OpenError> {
        self.n_asked.fetch_add(1, Ordering::SeqCst);
        (self.answer)()
    }

    fn open_stream(
        &self,
        _: &Sealing<'_>,
        _: &Digest,
        _: &[u8],
    ) -> Result<(Vec<u8>, Vec<Digest>), OpenError> {
        unreachable!("none of them is a stream")
    }
}

fn told(world: &World, answer: fn() -> Result<Vec<u8>, OpenError>) -> (u64, Tally) {
    let opener = Told { n_asked: AtomicU64::new(0), answer };
    let reader = reader(&world.state()).unwrap();
    let ((), tally) = behind(&reader, &opener, |open| {
        reader.entries().unwrap().for_each(|entry| open(vec![entry.unwrap()]));
    });
    (opener.n_asked.into_inner(), tally)
}

#[test]
fn every_payload_is_opened_once_whoever_opens_it() {
    const GONE: RecordId = RecordId([9; 16]);
    let world = world();
    let evidence_of_starts = open_all(&world.state(), &world.sources).unwrap().clear;
    assert!(2 * N_RECORDS <= evidence_of_starts);
    let n = evidence_of_starts;
    let (asked, tally) = told(&world, || Ok(Vec::new()));
    assert_eq!((asked, tally.clear, tally.damaged, tally.gone.len()), (n, n, 0, 0));
    let (asked, tally) = told(&world, || Err(OpenError::KeyGone { key: GONE }));
    assert_eq!((asked, tally.clear, tally.gone), (n, 0, BTreeMap::from([(GONE, n)])));
    let (asked, tally) = told(&world, || Err(OpenError::Damaged));
    assert_eq!((asked, tally.damaged, tally.error.is_none()), (n, n, true));
    assert_eq!(opened(&world.state(), &world.sources).unwrap().clear, n);
}

#[test]
fn a_disk_that_fails_and_an_opener_that_panics_end_it_and_nobody_waits() {
    let world = world();
    let reader = reader(&world.state()).unwrap();
    let opener = Told { n_asked: AtomicU64::new(0), answer: || Ok(Vec::new()) };
    let all: Vec<_> = reader.entries().unwrap().map(Result::unwrap).collect();
    let segment = super::super::log_folder(&world.state()).join("segment-00000000.log");
    std::fs::rename(&segment, segment.with_extension("away")).unwrap();
    // Far more than the line has room for.
    let ((), tally) = behind(&reader, &opener, |open| (0..20).for_each(|_| open(all.clone())));
    assert!(matches!(tally.error, Some(LedgerError::Disk { .. })), "{:?}", tally.error);
    std::fs::rename(segment.with_extension("away"), &segment).unwrap();
    let panics = || told(&world, || panic!("the opener is broken"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
}

#[test]
fn a_log_that_is_not_verified_has_no_word_about_payloads() {
    let world = world();
    let segment = super::super::log_folder(&world.state()).join("segment-00000000.log");
    let mut bytes = crate::files::read_bounded(&segment, 64 << 20).unwrap();
    let at = bytes.len() / 3;
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let checked = verify_and_open(&world.state(), &Trusted::default(), &world.sources).unwrap();
    assert!(!checked.verdict.verified && checked.payloads.is_none(), "{checked:?}");
    let nowhere = world.folder.path().join("nowhere");
    assert!(verify_and_open(&nowhere, &Trusted::default(), &world.sources).is_err());
}
