use super::*;
use crate::{Ledger, Options, Parts, Published, Reader};
use bartizan_core::disk::Disk;
use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder as _};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const LOG: &str = "example.com/log";
const CHECKPOINT: &str = "log/checkpoint";
const WITNESSED: &str = "log/witnessed";

struct World {
    disk: SimDisk,
    ledger: Ledger,
    cosigner: Cosigner,
    n_records: u8,
}

/// Waits for what another thread is about to do.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("waited too long for {what}");
}

impl World {
    fn open(disk: SimDisk, prepare_ahead: bool) -> Self {
        let arc: Arc<dyn Disk> = Arc::new(disk.clone());
        let parts = Parts {
            disk: arc,
            clock: Arc::new(SimClock::new(1_700_000_000_000)),
            entropy: Arc::new(SimEntropy::new(1)),
            sealer: Arc::new(SimSealer::new()),
            signer: Arc::new(SimSigner::new(LOG, 1)),
        };
        let options = Options {
            prepare_ahead,
            checkpoint_leaves: 1,
            segment_bytes: 64 << 10,
            ..Options::default()
        };
        let (ledger, recovery) = Ledger::open(parts, options).unwrap();
        let cosigner = ledger.cosigner();
        let n_records = u8::try_from(recovery.leaves).unwrap();
        let mut world = Self { disk, ledger, cosigner, n_records };
        world.settle();
        world
    }

    /// The newest checkpoint, once it stands for every record.
    fn settle(&mut self) -> SignedCheckpoint {
        let size = |signed: &SignedCheckpoint| signed.checkpoint().size();
        let n_records = u64::from(self.n_records);
        until("the checkpoint", || self.cosigner.latest().as_ref().map(size) == Some(n_records));
        self.cosigner.latest().unwrap()
    }

    fn append(&mut self) -> SignedCheckpoint {
        self.n_records += 1;
        let leaf = Leaf::new(RecordId([self.n_records; 16]), RecordKind::Decision, 1);
        wait(self.ledger.append(Draft::new(leaf, Vec::new()))).unwrap();
        self.settle()
    }

    fn file(&self, name: &str) -> String {
        String::from_utf8(self.disk.content(name).unwrap_or_default()).unwrap()
    }
}

fn cosigned(checkpoint: &SignedCheckpoint, unix_s: u64) -> SignedCheckpoint {
    let mut signed = checkpoint.clone();
    let witness = SimSigner::new("example.com/witness", 2);
    signed.put(checkpoint.cosign(&witness, unix_s).unwrap()).unwrap();
    signed
}

#[test]
fn cosignatures_come_into_the_newest_checkpoint() {
    let mut world = World::open(SimDisk::new(1), true);
    let first = world.append();
    assert_eq!(world.file(CHECKPOINT), first.to_string());
    let signed = cosigned(&first, 7);
    world.cosigner.put(signed.clone(), false);
    until("the cosignature", || world.file(CHECKPOINT) == signed.to_string());
    assert_eq!(world.file(WITNESSED), "", "no quorum was met");
    world.cosigner.put(signed.clone(), true);
    until("the witnessed one", || world.file(WITNESSED) == signed.to_string());
    assert_eq!(
        world.cosigner.latest(),
        Some(first.clone()),
        "what is asked about has one signature"
    );

    let second = world.append();
    // The witness was slow: what it signed is not the newest any more, and still the newest witnessed.
    world.cosigner.put(cosigned(&first, 8), true);
    until("the later one", || world.file(WITNESSED) == cosigned(&first, 8).to_string());
    assert_eq!(world.file(CHECKPOINT), second.to_string());
    let published = Published::find(&world.disk).unwrap().unwrap();
    assert_eq!(published.checkpoint().unwrap().as_ref(), Some(&second));
    assert_eq!(published.witnessed().unwrap(), Some(cosigned(&first, 8)));
    assert_eq!(published.root_at(1, &second).unwrap(), first.checkpoint().root());
    assert_eq!(published.consistency_proof(1, &second).unwrap().len(), 1);

    // The handle outlives the log, and what it is told then is nobody's.
    let World { disk, ledger, cosigner, .. } = world;
    drop(ledger);
    cosigner.put(cosigned(&second, 9), true);
    assert!(Reader::open(Arc::new(disk)).unwrap().verify().unwrap().verified);
}

#[test]
fn what_was_witnessed_never_goes_back() {
    for prepare_ahead in [false, true] {
        let mut world = World::open(SimDisk::new(2), prepare_ahead);
        let (first, second) = (world.append(), world.append());
        world.cosigner.put(cosigned(&second, 7), true);
        world.cosigner.put(cosigned(&first, 8), true);
        let third = world.append();
        until("the witness", || world.file(WITNESSED) == cosigned(&second, 7).to_string());
        world.cosigner.put(cosigned(&first, 9), true);
        world.append();
        world.cosigner.put(cosigned(&third, 10), true);
        world.append();
        until("the third", || world.file(WITNESSED) == cosigned(&third, 10).to_string());
        // Nor does it come from a log that is longer than ours.
        let ahead = crate::tlog::Checkpoint::new(LOG, 99, third.checkpoint().root()).unwrap();
        world.cosigner.put(cosigned(&ahead.sign(&SimSigner::new(LOG, 1)).unwrap(), 11), true);
        let last = world.append();
        until("the last", || world.file(CHECKPOINT) == last.to_string());
        assert_eq!(world.file(WITNESSED), cosigned(&third, 10).to_string(), "{prepare_ahead}");
        let disk = world.disk.clone();
        drop(world);
        // The next process knows it too.
        let mut world = World::open(disk, prepare_ahead);
        world.cosigner.put(cosigned(&first, 12), true);
        world.append();
        world.append();
        assert_eq!(world.file(WITNESSED), cosigned(&third, 10).to_string(), "{prepare_ahead}");
    }
}

#[test]
fn a_restart_keeps_cosignatures_of_the_same_words() {
    let mut world = World::open(SimDisk::new(3), true);
    let signed = cosigned(&world.append(), 7);
    world.cosigner.put(signed.clone(), false);
    until("the cosignature", || world.file(CHECKPOINT) == signed.to_string());
    let disk = world.disk.clone();
    drop(world);
    let mut world = World::open(disk, true);
    assert_eq!(world.file(CHECKPOINT), signed.to_string());
    assert!(!world.append().to_string().contains("example.com/witness"));
}

#[test]
fn a_notice_stands_in_every_checkpoint_until_it_is_taken_back() {
    let mut world = World::open(SimDisk::new(4), true);
    let plain = world.append();
    let notice = "bartizan: no witness quorum since never";
    world.cosigner.say(vec![notice.to_owned()]).unwrap();
    let has = |world: &World| world.file(CHECKPOINT).contains(&format!("\n{notice}\n\n"));
    // Nothing was appended, and it is said all the same.
    until("the notice", || has(&world));
    world.append();
    until("the next notice", || has(&world) && world.file(CHECKPOINT).contains("\n2\n"));
    world.cosigner.say(Vec::new()).unwrap();
    until("its end", || !has(&world) && world.file(CHECKPOINT).contains("\n2\n"));
    assert_ne!(world.file(CHECKPOINT), plain.to_string());
    let many = vec!["x".to_owned(); EXTENSION_LINES_MAX + 1];
    assert_eq!(world.cosigner.say(many), Err(CheckpointError::TooManyExtensions));
    for bad in ["", "a\nb", "a\u{7}"] {
        let refused = world.cosigner.say(vec![notice.to_owned(), bad.to_owned()]);
        assert_eq!(refused, Err(CheckpointError::Extension { line: 2 }), "{bad:?}");
    }
    let disk = world.disk.clone();
    drop(world);
    assert!(Reader::open(Arc::new(disk)).unwrap().verify().unwrap().verified);
}

#[test]
fn a_failed_disk_ends_recording_here_too() {
    for fail in [SimDisk::fail_sync_at, SimDisk::fail_dir_sync_at] {
        let mut world = World::open(SimDisk::new(5), true);
        let signed = cosigned(&world.append(), 7);
        until("a segment ahead", || world.disk.content("segment-00000001.log").is_some());
        fail(&world.disk, 1);
        world.cosigner.put(signed, true);
        until("the failure", || world.ledger.failure().is_some());
        let failure = world.ledger.failure().unwrap().to_string();
        assert!(failure.contains("witnessed checkpoint"), "{failure}");
    }
}

#[test]
fn a_crash_leaves_the_old_or_the_new() {
    for n in 1..24 {
        let disk = SimDisk::new(n);
        let mut world = World::open(disk.clone(), false);
        let first = cosigned(&world.append(), 7);
        world.cosigner.put(first.clone(), true);
        let second = cosigned(&world.append(), 8);
        world.cosigner.put(second.clone(), true);
        disk.cut_power_at(n);
        drop(world);
        disk.crash(n);
        let published = Published::find(&disk).unwrap().unwrap();
        let witnessed = published.witnessed().unwrap();
        assert!(
            [Some(first), Some(second.clone())].contains(&witnessed),
            "cut at {n}: {witnessed:?}"
        );
        let checkpoint = published.checkpoint().unwrap().unwrap();
        assert_eq!(checkpoint.checkpoint(), second.checkpoint(), "cut at {n}");
        assert!(Reader::open(Arc::new(disk)).unwrap().verify().unwrap().verified, "cut at {n}");
    }
}

#[test]
fn one_ring_at_a_time() {
    let log = SimSigner::new(LOG, 1);
    let root = crate::merkle::sha256(&[]);
    let checkpoint = crate::tlog::Checkpoint::new(LOG, 0, root).unwrap().sign(&log).unwrap();
    let cosigner = Cosigner::default();
    let (bell, line) = sync_channel(2);
    cosigner.connect(bell.clone());
    let put = || cosigner.put(cosigned(&checkpoint, 7), true);
    let n_rings = || line.try_iter().count();
    put();
    put();
    assert_eq!(n_rings(), 1);
    cosigner.heard();
    put();
    assert_eq!(n_rings(), 1);
    // A line that is full hears nothing, and the letter is there all the same.
    cosigner.heard();
    for _ in 0..2 {
        bell.try_send(Chore::Segment(1, crate::store::Pace::Hurried)).unwrap();
    }
    put();
    assert_eq!(n_rings(), 2);
    assert!(cosigner.take().witnessed.is_some() && cosigner.take().witnessed.is_none());
    put();
    assert_eq!(n_rings(), 1, "and the next one rings again");
    cosigner.disconnect();
    drop(bell);
    cosigner.heard();
    put();
    assert!(line.recv().is_err(), "nobody keeps the thread waiting");
}

#[test]
fn a_log_that_contradicts_itself_is_recorded_and_never_signed_again() {
    for prepare_ahead in [true, false] {
        let mut world = World::open(SimDisk::new(1), prepare_ahead);
        let first = world.append();
        world.cosigner.fall_silent();
        for n in 2..9 {
            let leaf = Leaf::new(RecordId([n; 16]), RecordKind::Decision, 1);
            wait(world.ledger.append(Draft::new(leaf, Vec::new()))).unwrap();
        }
        // Nor for another extension line, a cosignature, or because the log is closed.
        world.cosigner.say(vec!["something else".to_owned()]).unwrap();
        world.cosigner.put(cosigned(&first, 7), true);
        let World { disk, ledger, cosigner, .. } = world;
        drop(ledger);
        let file = |name: &str| String::from_utf8(disk.content(name).unwrap_or_default()).unwrap();
        assert_eq!(file(CHECKPOINT), first.to_string(), "{prepare_ahead}");
        assert_eq!((file(WITNESSED).as_str(), cosigner.latest()), ("", Some(first)));
        let report = Reader::open(Arc::new(disk.clone())).unwrap().verify().unwrap();
        assert!(report.verified && report.unsigned_leaves == 7, "{prepare_ahead}: {report:?}");
        let again = World { n_records: 8, ..World::open(disk, prepare_ahead) };
        assert!(again.file(CHECKPOINT).contains("\n8\n"), "an opening begins anew");
    }
}

/// On a busy log the newest checkpoint is never the witnessed one: a proof is for the witnessed one wherever that has the leaf.
#[test]
fn a_proof_is_for_the_witnessed_checkpoint_where_that_has_the_leaf() {
    let disk = SimDisk::new(1);
    let mut world = World::open(disk.clone(), true);
    for _ in 0..100 {
        world.append();
    }
    let checkpoint = world.append();
    let witnessed = cosigned(&checkpoint, 7);
    world.cosigner.put(witnessed.clone(), true);
    until("the witnessed checkpoint", || world.file(WITNESSED) == witnessed.to_string());
    for _ in 0..100 {
        world.append();
    }
    let (size, newest) = (checkpoint.checkpoint().size(), world.settle());
    drop(world);
    let entry = |at: u64| {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let reader = Reader::open(disk).unwrap();
        let entry = reader.since(at).unwrap().next().unwrap().unwrap();
        let proof = reader.prove(&entry).unwrap().unwrap();
        let text = proof.checkpoint().to_string();
        let log = crate::tlog::VerifierKey::of_log(&SimSigner::new(LOG, 1)).unwrap();
        proof.verify(entry.leaf_hash, &crate::tlog::Policy::of_log(log)).unwrap();
        text
    };
    let newest_text = entry(size);
    assert_eq!(newest_text.lines().nth(1).unwrap(), newest.checkpoint().size().to_string());
    for at in [0, 5, 63, 64, size - 1] {
        assert_eq!(entry(at), witnessed.to_string(), "{at}");
    }
    assert_eq!(entry(size + 1), newest_text);
    // What proves nothing to whoever trusts the newest is passed over.
    let signed = |name: &str, key: u8, root| {
        let other = crate::tlog::Checkpoint::new(name, size, root).unwrap();
        other.sign(&SimSigner::new(name, key)).unwrap().to_string()
    };
    let root = checkpoint.checkpoint().root();
    let other = crate::merkle::sha256(b"other");
    for (name, text) in [
        ("another history", signed(LOG, 1, other)),
        ("another key of the log", signed(LOG, 9, root)),
        ("another log", signed("example.com/other", 1, root)),
    ] {
        disk.edit(WITNESSED, |bytes| *bytes = text.clone().into_bytes());
        assert_eq!(entry(5), newest_text, "{name}");
    }
}
