//! The law of the journal's reader, which takes whatever lies in a segment file.
use bartizan_core::disk::Disk;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorder as _, Slot};
use bartizan_ledger::{Ledger, Options, Parts, Reader, Verification};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};
use std::sync::{Arc, OnceLock};

const SEGMENT: &str = "segment-00000000.log";
/// Where groups begin.
const BLOCK: usize = 4096;
/// No leaf, with the frame that it stands in, is shorter.
const LEAF_BYTES_MIN: usize = 32;

/// The first segment of a small log, as far as it is used.
fn sample() -> &'static [u8] {
    static SAMPLE: OnceLock<Vec<u8>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let sim = SimDisk::new(1);
        let parts = Parts {
            disk: Arc::new(sim.clone()),
            clock: Arc::new(SimClock::new(0)),
            entropy: Arc::new(SimEntropy::new(1)),
            sealer: Arc::new(SimSealer::new()),
            signer: Arc::new(SimSigner::new("example.com/log", 1)),
        };
        let options =
            Options { prepare_ahead: false, segment_bytes: 16 << 10, ..Options::default() };
        let (ledger, _) = Ledger::open(parts, options).expect("an empty disk can be opened");
        for n in 0..3 {
            let leaf = Leaf::new(RecordId([n; 16]), RecordKind::Decision, 1);
            let payload = Payload { slot: Slot::Evidence, bytes: vec![n; 20] };
            let draft = Draft::new(leaf, vec![payload]);
            wait(ledger.append(draft)).expect("a disk without faults takes every record");
        }
        drop(ledger);
        let bytes = sim.content(SEGMENT).expect("a log has a segment");
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        bytes[..used].to_vec()
    })
}

/// Reads a log that has this one segment, twice; the leaves that were read.
fn look(segment: Vec<u8>) -> usize {
    let sim = SimDisk::new(1);
    sim.edit(SEGMENT, |bytes| *bytes = segment.clone());
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let Ok(reader) = Reader::open(disk) else { return 0 };
    let report = || reader.verify().ok();
    let told: Option<Verification> = report();
    assert_eq!(told, report(), "a second look says the same");
    let Ok(entries) = reader.entries() else { return 0 };
    let mut payloads = reader.payloads();
    let mut n_leaves = 0;
    for entry in entries {
        // An error is the last item.
        let Ok(entry) = entry else { break };
        n_leaves += 1;
        for stored in &entry.payloads {
            if let Ok(bytes) = payloads.stored(stored) {
                assert!(bytes.len() <= segment.len(), "a payload stands in its segment");
            }
        }
    }
    assert!(n_leaves * LEAF_BYTES_MIN <= segment.len(), "{n_leaves} leaves");
    n_leaves
}

/// Segments: any bytes are read or refused. They stand for a whole segment, for what comes behind a good header, and for bytes that flip in a good
/// one: the first two say where, the third how, again and again.
pub fn journal(bytes: &[u8]) {
    look(bytes.to_vec());
    let good = sample();
    look([&good[..BLOCK], bytes].concat());
    let mut flipped = good.to_vec();
    for flip in bytes.as_chunks::<3>().0 {
        let at = usize::from(u16::from_le_bytes([flip[0], flip[1]]));
        if let Some(byte) = flipped.get_mut(BLOCK + at) {
            *byte ^= flip[2];
        }
    }
    look(flipped);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::holds;

    #[test]
    fn journal_law() {
        assert_eq!(look(sample().to_vec()), 3, "the seed gets past the reader");
        holds(journal, &[&sample()[BLOCK..], &sample()[..BLOCK + 200], &[9, 0, 1, 200, 1, 255]]);
    }
}
