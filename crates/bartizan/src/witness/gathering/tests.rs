use super::*;
use crate::clock::OsEntropy;
use bartizan_keys::NoteKey;
use bartizan_ledger::merkle::sha256;
use bartizan_ledger::tlog::Checkpoint;

const SECOND: u64 = 1_000_000;
const NOW: u64 = 1_763_875_569;
const START: u64 = 1_000 * SECOND;

/// A log, two witnesses, and a policy that wants both or one.
struct World {
    log: NoteKey,
    witnesses: [NoteKey; 2],
    policy: Policy,
}

impl World {
    fn new(threshold: &str) -> Self {
        let key = |name| NoteKey::generate(name, &OsEntropy).unwrap();
        let (log, witnesses) = (key("log"), [key("w1"), key("w2")]);
        let [w1, w2] = &witnesses;
        let text = format!(
            "log {}\nwitness w1 {}\nwitness w2 {}\ngroup g {threshold} w1 w2\nquorum g\n",
            log.verifier(),
            w1.cosigner(),
            w2.cosigner()
        );
        let policy = Policy::parse(text.as_bytes()).unwrap();
        Self { log, witnesses, policy }
    }

    fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        let root = sha256(&size.to_be_bytes());
        Checkpoint::new("log", size, root).unwrap().sign(&self.log).unwrap()
    }

    fn sign(&self, at: usize, size: u64, unix_s: u64) -> Vec<NoteSignature> {
        vec![self.checkpoint(size).cosign(&self.witnesses[at], unix_s).unwrap()]
    }

    fn gathering(&self) -> Gathering {
        Gathering::new(self.policy.clone(), None, START, NOW)
    }
}

#[test]
fn a_quorum_is_one_about_one_checkpoint() {
    // Witness, size, whether that meets the quorum of both, of any.
    let steps = [(0, 5, false, true), (1, 6, false, true), (0, 6, true, true), (1, 5, true, true)];
    for (threshold, column) in [("all", 0), ("any", 1)] {
        let world = World::new(threshold);
        let mut gathering = world.gathering();
        for (at, size, both, any) in steps {
            let signatures = world.sign(at, size, NOW);
            let cosigned = gathering.add(&world.checkpoint(size), signatures, START, NOW).unwrap();
            let want = [both, any][column];
            assert_eq!(cosigned.is_witnessed, want, "{threshold}: {at} {size}");
            assert!(gathering.has_quorum(START) || !want);
        }
    }
}

#[test]
fn a_quorum_grows_old() {
    let world = World::new("all");
    let mut gathering = world.gathering();
    let never = "bartizan: no witness quorum since never";
    assert_eq!(gathering.notice(START).as_deref(), Some(never));
    let checkpoint = world.checkpoint(5);
    let mut add = |at, asked_us, unix_s| {
        let signatures = world.sign(at, 5, unix_s);
        gathering.add(&checkpoint, signatures, asked_us, unix_s).unwrap().is_witnessed
    };
    assert!(!add(0, START, NOW));
    // One that comes so late is kept, and makes no quorum of now with one that was asked long before.
    assert!(add(1, START + 11 * SECOND, NOW + 11));
    assert_eq!(gathering.notice(START + 11 * SECOND).as_deref(), Some(never));
    let mut add = |at, asked_us, unix_s| {
        let signatures = world.sign(at, 5, unix_s);
        gathering.add(&checkpoint, signatures, asked_us, unix_s).unwrap()
    };
    let cosigned = add(0, START + 12 * SECOND, NOW + 12);
    assert!(cosigned.is_witnessed);
    assert_eq!(cosigned.checkpoint.note().signatures().len(), 3, "a witness signs once");
    assert_eq!(gathering.notice(START + 12 * SECOND), None);
    assert!(gathering.has_quorum(START + 22 * SECOND - 1));
    let since = format!("bartizan: no witness quorum since {}", NOW + 12);
    assert_eq!(gathering.notice(START + 22 * SECOND), Some(since));
}

#[test]
fn an_earlier_run_is_remembered() {
    let world = World::new("any");
    let mut witnessed = world.checkpoint(5);
    witnessed.put(world.sign(0, 5, NOW).remove(0)).unwrap();
    let cases = [
        ("just now", Some(&witnessed), NOW, 10, None),
        ("a while ago", Some(&witnessed), NOW + 4, 6, None),
        ("long ago", Some(&witnessed), NOW + 10, 0, Some(NOW)),
        ("in the future", Some(&witnessed), NOW - 100, 10, None),
        ("never", None, NOW, 0, None),
    ];
    for (name, witnessed, now, left_s, since) in cases {
        let gathering = Gathering::new(world.policy.clone(), witnessed, 7, now);
        assert_eq!(gathering.has_quorum(7), 0 < left_s, "{name}");
        assert!(!gathering.has_quorum(7 + left_s * SECOND), "{name}");
        if let Some(since) = since {
            assert!(gathering.notice(7).unwrap().ends_with(&format!("since {since}")), "{name}");
        }
    }
    // Somebody else's word is none.
    let other = World::new("any");
    let gathering = Gathering::new(other.policy.clone(), Some(&witnessed), 7, NOW);
    assert!(!gathering.has_quorum(7));
}

#[test]
fn old_checkpoints_are_forgotten() {
    let world = World::new("all");
    let mut gathering = world.gathering();
    let sizes = 1..=u64::try_from(GATHERED_MAX).unwrap() + 1;
    for size in sizes {
        gathering.add(&world.checkpoint(size), world.sign(0, size, NOW), START, NOW).unwrap();
    }
    assert_eq!(gathering.recent.len(), GATHERED_MAX);
    let mut met = |size| {
        let signatures = world.sign(1, size, NOW);
        gathering.add(&world.checkpoint(size), signatures, START, NOW).unwrap().is_witnessed
    };
    assert!(met(3));
    assert!(!met(1), "the first one had to go");
}
