//! The witness answers as the specification says, and signs nothing that does not extend what it signed.
use super::*;
use crate::merkle::{consistency_proof, root_of};
use crate::tlog::Checkpoint;
use crate::tlog::testing::{hashes, key};
use proptest::prelude::*;

const ORIGIN: &str = "example.com/log";

fn witness() -> Witness {
    let mut witness = Witness::new(Arc::new(key("w.example", 2))).unwrap();
    let log = VerifierKey::of_log(&key(ORIGIN, 1)).unwrap();
    witness.follow(ORIGIN, vec![log]).unwrap();
    witness
}

fn signed(size: u64, root: Digest) -> SignedCheckpoint {
    Checkpoint::new(ORIGIN, size, root).unwrap().sign(&key(ORIGIN, 1)).unwrap()
}

fn state(n: usize) -> LogState {
    LogState { unix_s: 1_000, checkpoint: signed(n as u64, root_of(&hashes(n))) }
}

/// A log's honest request.
fn grow(from: usize, to: usize) -> AddCheckpoint {
    let proof = consistency_proof(&hashes(to), from).unwrap_or_default();
    AddCheckpoint::new(from as u64, proof, signed(to as u64, root_of(&hashes(to)))).unwrap()
}

/// The same leaves but for the last one.
fn forked(n: usize) -> Vec<Digest> {
    let mut leaves = hashes(n);
    leaves[n - 1].0[0] ^= 1;
    leaves
}

fn fork(from: usize, to: usize) -> AddCheckpoint {
    let leaves = forked(to);
    let proof = consistency_proof(&leaves, from).unwrap_or_default();
    AddCheckpoint::new(from as u64, proof, signed(to as u64, root_of(&leaves))).unwrap()
}

fn status(step: &Step) -> u16 {
    match step {
        Step::Answer(answer) | Step::Keep(_, answer) => answer.status(),
        Step::Persist(_) => 200,
    }
}

#[test]
fn answers_are_those_of_the_specification() {
    let witness = witness();
    let garbled = AddCheckpoint { proof: vec![root_of(&[])], ..grow(3, 7) };
    let elsewhere = Checkpoint::new("example.com/other", 7, root_of(&hashes(7))).unwrap();
    let elsewhere = elsewhere.sign(&key("example.com/other", 1)).unwrap();
    let stranger = Checkpoint::new(ORIGIN, 7, root_of(&hashes(7))).unwrap();
    let stranger = stranger.sign(&key(ORIGIN, 9)).unwrap();
    let changed = grow(3, 7).to_string().replacen("\n7\n", "\n8\n", 1);
    let with = |old_size, checkpoint| AddCheckpoint { old_size, proof: vec![], checkpoint };
    let cases = [
        ("first", None, grow(0, 7), 200),
        ("first, empty tree", None, grow(0, 0), 200),
        ("grown", Some(3), grow(3, 7), 200),
        ("grown from a full tree", Some(4), grow(4, 8), 200),
        ("the same again", Some(7), grow(7, 7), 200),
        ("unknown log", Some(3), with(3, elsewhere), 404),
        ("unknown key", Some(3), with(3, stranger), 403),
        ("forged", Some(3), AddCheckpoint::parse(changed.as_bytes()).unwrap(), 403),
        ("old size over size", Some(3), with(8, signed(7, root_of(&hashes(7)))), 400),
        ("unknown old size", None, grow(3, 7), 409),
        ("rollback", Some(7), grow(3, 5), 409),
        ("rollback to nothing", Some(7), grow(0, 5), 409),
        ("rollback to the empty tree", Some(7), grow(0, 0), 409),
        ("late", Some(7), grow(3, 9), 409),
        ("ahead", Some(3), grow(5, 9), 409),
        ("no proof", Some(3), with(3, signed(7, root_of(&hashes(7)))), 422),
        ("proof of something else", Some(3), garbled, 422),
        ("proof from nothing", None, AddCheckpoint { old_size: 0, ..grow(3, 7) }, 422),
        ("empty tree, other root", None, with(0, signed(0, root_of(&hashes(1)))), 422),
        ("split view, same size", Some(7), fork(7, 7), 422),
        ("split view, larger", Some(7), AddCheckpoint { old_size: 7, ..fork(6, 8) }, 422),
        ("proof for the same size", Some(7), AddCheckpoint { old_size: 7, ..grow(3, 7) }, 422),
    ];
    for (name, known, request, want) in cases {
        let known = known.map(state);
        let step = witness.decide(known.as_ref(), &request, 2_000);
        assert_eq!(status(&step), want, "{name}: {step:?}");
        let again = AddCheckpoint::parse(request.to_string().as_bytes()).unwrap();
        assert_eq!(again, request, "{name}: what is printed is read");
    }
    let conflict = witness.decide(Some(&state(7)), &grow(3, 9), 0);
    assert_eq!(conflict, Step::Answer(Answer::Conflict { size: 7 }));
    let answer = Answer::Conflict { size: 7 };
    assert_eq!((answer.content_type(), answer.body().as_str()), ("text/x.tlog.size", "7\n"));
}

#[test]
fn evidence_is_what_the_log_signed_and_nothing_else() {
    let witness = witness();
    let mut request = fork(7, 7);
    request.checkpoint.put(request.checkpoint.cosign(&key("stranger", 5), 1).unwrap()).unwrap();
    let Step::Keep(evidence, answer) = witness.decide(Some(&state(7)), &request, 2_000) else {
        panic!("a fork is kept");
    };
    assert_eq!((evidence.kind, answer.status()), (EvidenceKind::Fork, 422));
    assert_eq!(evidence.request, fork(7, 7), "without what a stranger added");
    assert_eq!(evidence.known, Some(state(7)));
    let kinds = [
        (Some(7), AddCheckpoint { old_size: 7, ..fork(6, 8) }, Some(EvidenceKind::Doubt)),
        (None, AddCheckpoint { old_size: 0, ..grow(3, 7) }, None),
        (
            None,
            AddCheckpoint::new(0, vec![], signed(0, root_of(&hashes(1)))).unwrap(),
            Some(EvidenceKind::Fork),
        ),
    ];
    for (known, request, kind) in kinds {
        let known = known.map(state);
        let found = match witness.decide(known.as_ref(), &request, 2_000) {
            Step::Keep(evidence, _) => Some(evidence.kind),
            _ => None,
        };
        assert_eq!(found, kind, "{request:?}");
    }
}

#[test]
fn what_others_add_to_a_request_is_not_kept() {
    let mut witness = witness();
    let unverifiable = "example.com/log+00000001+BgAA".parse::<VerifierKey>().unwrap();
    let (log, other) = (key("example.com/two", 1), unverifiable.clone());
    let keys = vec![other, VerifierKey::of_log(&log).unwrap()];
    witness.follow("example.com/two", keys).unwrap();
    let checkpoint = Checkpoint::new("example.com/two", 7, root_of(&hashes(7))).unwrap();
    let signed = checkpoint.sign(&log).unwrap();
    let line = signed.note().signatures()[0].to_string();
    // The log's own line as often as fits, and one that claims to be of the key that nobody here can verify.
    let text =
        format!("{}\n{}\u{2014} example.com/log AAAAAQ==\n", signed.note().text(), line.repeat(99));
    let text = text.replace("AAAAAQ==", "AAAAAQE=");
    let request = AddCheckpoint::parse(format!("old 0\n\n{text}").as_bytes()).unwrap();
    assert_eq!(request.checkpoint().note().signatures().len(), 100);
    let Step::Persist(state) = witness.decide(None, &request, 5) else { panic!("it is honest") };
    assert_eq!(state.checkpoint(), &signed, "one line, and that one verified");
    assert_eq!(witness.cosigned(&state).unwrap().note().signatures().len(), 2);
}

#[test]
fn the_cosignature_says_the_time_and_never_an_earlier_one() {
    let witness = witness();
    let keys = [VerifierKey::of_witness(&key("w.example", 2)).unwrap()];
    for (now, want) in [(2_000, 2_000), (999, 1_000), (0, 1_000)] {
        let Step::Persist(next) = witness.decide(Some(&state(3)), &grow(3, 7), now) else {
            panic!("it grew");
        };
        assert_eq!((next.unix_s(), next.size(), next.root()), (want, 7, root_of(&hashes(7))));
        let found = witness.cosigned(&next).unwrap();
        assert_eq!(found.verify(&keys).unwrap()[0].unix_s, Some(want));
        let Answer::Cosigned(lines) = witness.cosign(&next).unwrap() else { panic!("cosigned") };
        assert!(found.to_string().ends_with(&lines), "monitors see what was answered");
    }
    let Step::Persist(first) = witness.decide(None, &grow(0, 1), 0) else { panic!("it grew") };
    assert_eq!(first.unix_s(), 1, "a cosignature always has a time");
}

#[test]
fn the_published_request_is_read() {
    let body = "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
        example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
    let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!((request.old_size(), request.proof().len()), (20_852_014, 4));
    assert_eq!(request.checkpoint().note().signatures().len(), 2);
    assert_eq!(request.to_string(), body);
}

#[test]
fn what_is_no_request_is_named() {
    let body = grow(3, 7).to_string();
    let hash_line = format!("{}\n", body.lines().nth(1).unwrap());
    let repeated = |n| body.replacen(&hash_line, &hash_line.repeat(n), 1);
    let n_hashes = grow(3, 7).proof.len();
    let cases = [
        ("nothing", String::new(), RequestError::NoCheckpoint),
        ("no empty line", body.replacen("\n\n", "\n", 2), RequestError::NoCheckpoint),
        ("no old size", body.replacen("old 3\n", "", 1), RequestError::OldSize),
        ("leading zero", body.replacen("old 3", "old 03", 1), RequestError::OldSize),
        ("negative", body.replacen("old 3", "old -3", 1), RequestError::OldSize),
        ("another word", body.replacen("old", "Old", 1), RequestError::OldSize),
        ("two spaces", body.replacen("old 3", "old  3", 1), RequestError::OldSize),
        ("carriage return", body.replacen("old 3", "old 3\r", 1), RequestError::OldSize),
        ("bad hash", body.replacen(&hash_line, "abcd\n", 1), RequestError::Hash { line: 1 }),
        ("too many hashes", repeated(PROOF_LINES_MAX + 2 - n_hashes), RequestError::TooManyHashes),
        (
            "long",
            "x".repeat(REQUEST_BYTES_MAX + 1),
            RequestError::TooLong { n_bytes: REQUEST_BYTES_MAX + 1 },
        ),
    ];
    for (name, body, want) in cases {
        assert_eq!(AddCheckpoint::parse(body.as_bytes()), Err(want), "{name}");
    }
    assert!(AddCheckpoint::parse(repeated(PROOF_LINES_MAX + 1 - n_hashes).as_bytes()).is_ok());
    assert_eq!(AddCheckpoint::parse(&[0xff]), Err(RequestError::Encoding));
    let cut = AddCheckpoint::parse(&body.as_bytes()[..body.len() - 1]);
    assert!(matches!(cut, Err(RequestError::Checkpoint(_))));
}

#[test]
fn logs_that_cannot_be_followed() {
    let mut witness = witness();
    let log = || vec![VerifierKey::of_log(&key("x", 3)).unwrap()];
    let cosigner = vec![VerifierKey::of_witness(&key("x", 3)).unwrap()];
    let origin = || "x".to_owned();
    assert_eq!(witness.follow("x", vec![]), Err(TrustedLogError::NoKey { origin: origin() }));
    assert_eq!(witness.follow("x", cosigner), Err(TrustedLogError::NoKey { origin: origin() }));
    witness.follow("x", log()).unwrap();
    assert_eq!(witness.follow("x", log()), Err(TrustedLogError::Twice { origin: origin() }));
    for at in 2..WITNESS_LOGS_MAX {
        witness.follow(&format!("x{at}"), log()).unwrap();
    }
    assert_eq!(witness.follow("y", log()), Err(TrustedLogError::TooMany));
    assert_eq!(witness.origins().count(), WITNESS_LOGS_MAX);
    assert_eq!(Witness::new(Arc::new(key("a b", 1))).err(), Some(KeyError::Name));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in whatever order, what is persisted extends what was persisted before.
    #[test]
    fn states_only_grow(steps in prop::collection::vec((0..12_usize, 1..12_usize, any::<bool>(), any::<bool>()), 1..20)) {
        let witness = witness();
        let mut known: Option<LogState> = None;
        let mut roots = BTreeMap::new();
        for (from, to, forks, honest_old) in steps {
            let size = known.as_ref().map_or(0, LogState::size);
            let from = if honest_old { usize::try_from(size).unwrap() } else { from };
            let mut request = if forks { fork(from, to) } else { grow(from, to) };
            request.old_size = from as u64;
            if let Step::Persist(next) = witness.decide(known.as_ref(), &request, 5) {
                prop_assert!(size <= next.size());
                prop_assert_eq!(*roots.entry(next.size()).or_insert(next.root()), next.root());
                known = Some(*next);
            }
        }
    }
}
