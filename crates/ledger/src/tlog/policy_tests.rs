//! Policies are read as the specification says, and quorums count each witness once.
use super::*;
use crate::merkle::root_of;
use crate::tlog::Checkpoint;
use crate::tlog::testing::key;
use bartizan_core::sign::Signer as _;
use proptest::prelude::*;
use std::fmt::Write as _;

fn log_key(seed: u8) -> String {
    VerifierKey::of_log(&key("example.com/log", seed)).unwrap().to_string()
}

fn witness_key(seed: u8) -> String {
    VerifierKey::of_witness(&key(&format!("w{seed}.example"), seed)).unwrap().to_string()
}

/// The example of the specification, with keys, comments and white space.
fn example() -> String {
    let mut text = format!("# two operators\n\nlog {} https://log.example/\n", log_key(100));
    for seed in 1..=6 {
        let name = if seed < 4 { "X" } else { "Y" };
        writeln!(text, " \twitness\t{name}{seed}  {} ", witness_key(seed)).unwrap();
    }
    text.push_str("group X-witnesses 2 X1 X2 X3\n  # each\ngroup Y-witnesses any Y4 Y5 Y6\n");
    text.push_str("group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n");
    text
}

fn cosigned(seeds: &[u8]) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new("example.com/log", 0, root_of(&[])).unwrap();
    let mut signed = checkpoint.sign(&key("example.com/log", 100)).unwrap();
    for &seed in seeds {
        let witness = key(&format!("w{seed}.example"), seed);
        signed.put(signed.cosign(&witness, 1_000 + u64::from(seed)).unwrap()).unwrap();
    }
    signed
}

#[test]
fn the_example_counts_as_it_says() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    let cases: [(&[u8], &[&str], bool); 9] = [
        (&[], &[], false),
        (&[1, 2], &["X-witnesses"], false),
        (&[1, 1, 4], &["Y-witnesses"], false),
        (&[1, 4], &["Y-witnesses"], false),
        (&[4, 5, 6], &["Y-witnesses"], false),
        (&[1, 2, 3], &["X-witnesses"], false),
        (&[1, 3, 6], &["X-witnesses", "Y-witnesses", "X-and-Y"], true),
        (&[6, 2, 3, 1, 4, 5], &["X-witnesses", "Y-witnesses", "X-and-Y"], true),
        (&[1, 7, 8, 9], &[], false),
    ];
    for (seeds, groups, quorum_met) in cases {
        let signed = cosigned(seeds);
        let trust = policy.evaluate(&signed).unwrap();
        let groups_met: Vec<&str> = trust.groups_met.iter().map(String::as_str).collect();
        assert_eq!((groups_met.as_slice(), trust.quorum_met), (groups, quorum_met), "{seeds:?}");
        assert_eq!(policy.check(&signed).is_ok(), quorum_met, "{seeds:?}");
    }
    let trust = policy.check(&cosigned(&[1, 3, 6])).unwrap();
    let seen: Vec<_> =
        trust.witnesses.iter().map(|seen| (seen.name.as_str(), seen.unix_s)).collect();
    assert_eq!(seen, [("X1", 1_001), ("X3", 1_003), ("Y6", 1_006)]);
    assert_eq!(policy.log_url(&trust.log).as_deref(), Some("https://log.example/"));
    let error = policy.check(&cosigned(&[1])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the quorum X-and-Y is not met: cosigned by 1 of the 6 known witnesses"
    );
}

#[test]
fn a_single_witness_or_nobody_can_be_the_quorum() {
    let text =
        |quorum| format!("log {}\nwitness W {}\nquorum {quorum}\n", log_key(100), witness_key(1));
    let one = Policy::parse(text("W").as_bytes()).unwrap();
    assert!(one.check(&cosigned(&[1])).is_ok() && one.check(&cosigned(&[2])).is_err());
    let none = Policy::parse(text("none").as_bytes()).unwrap();
    assert!(none.check(&cosigned(&[])).is_ok());
}

#[test]
fn other_logs_and_forged_signatures_are_refused() {
    let policy = Policy::parse(example().as_bytes()).unwrap();
    let other = Checkpoint::new("example.com/other", 0, root_of(&[])).unwrap();
    let other = other.sign(&key("example.com/other", 100)).unwrap();
    assert!(matches!(policy.evaluate(&other), Err(TrustError::UnknownLog { .. })));
    // Signed by a witness, not by the log.
    let mut lines = cosigned(&[1, 2, 4]).to_string();
    let log_line = lines.lines().nth(4).unwrap().to_owned() + "\n";
    lines = lines.replace(&log_line, "");
    let unsigned = SignedCheckpoint::parse(lines.as_bytes()).unwrap();
    assert!(matches!(policy.evaluate(&unsigned), Err(TrustError::NotSigned { .. })));
    // A root that nobody signed, with everybody's signatures.
    let forged = cosigned(&[1, 2, 4]).to_string().replacen("\n0\n", "\n1\n", 1);
    let forged = SignedCheckpoint::parse(forged.as_bytes()).unwrap();
    assert!(matches!(
        policy.evaluate(&forged),
        Err(TrustError::Note(NoteError::InvalidSignature { .. }))
    ));
    // A plain signature of a witness's key is no cosignature.
    let mut note = cosigned(&[2, 4]).note().clone();
    note.sign(&key("w1.example", 1)).unwrap();
    let plain = SignedCheckpoint::parse(note.to_string().as_bytes()).unwrap();
    assert!(!policy.evaluate(&plain).unwrap().quorum_met);
}

#[test]
fn what_is_no_policy_is_named() {
    let (log, one, two) = (log_key(100), witness_key(1), witness_key(2));
    let head = format!("log {log}\nwitness A {one}\nwitness B {two}\n");
    let other_id = VerifierKey::cosignature("another.example", key("x", 1).public_key()).unwrap();
    let shape = |text| PolicyFlaw::Shape(text);
    let group = "group <name> all|any|<number> <member>...";
    let named = |name: &str| name.to_owned();
    let cases = [
        ("nothing", String::new(), 1, PolicyFlaw::Quorum),
        ("no quorum", head.clone(), 3, PolicyFlaw::Quorum),
        ("two quorums", format!("{head}quorum A\nquorum A\n"), 5, PolicyFlaw::Quorum),
        ("no newline", format!("{head}quorum A"), 4, PolicyFlaw::Unended),
        ("carriage return", format!("{head}quorum A\r\n"), 4, PolicyFlaw::Control),
        ("delete", format!("{head}quorum A\u{7f}\n"), 4, PolicyFlaw::Control),
        ("in a comment", format!("#\u{1}\n{head}"), 1, PolicyFlaw::Control),
        ("unknown word", format!("{head}logs {log}\n"), 4, PolicyFlaw::Word),
        ("other case", format!("{head}Quorum A\n"), 4, PolicyFlaw::Word),
        ("no-break space", format!("{head}quorum\u{a0}A\n"), 4, PolicyFlaw::Word),
        ("log without key", "log\n".to_owned(), 1, shape("log <verifier key> [<url>]")),
        ("log with more", format!("log {log} a b\n"), 1, shape("log <verifier key> [<url>]")),
        (
            "witness without key",
            "witness A\n".to_owned(),
            1,
            shape("witness <name> <verifier key> [<url>]"),
        ),
        (
            "quorum without name",
            format!("{head}quorum\n"),
            4,
            shape("quorum <name of a witness or group>, or quorum none"),
        ),
        (
            "two names",
            format!("{head}quorum A B\n"),
            4,
            shape("quorum <name of a witness or group>, or quorum none"),
        ),
        ("group without members", format!("{head}group G all\n"), 4, shape(group)),
        ("group without anything", format!("{head}group G\n"), 4, shape(group)),
        ("no key", "log abc\n".to_owned(), 1, PolicyFlaw::Key(KeyError::Shape)),
        ("same log", format!("log {log}\nlog {log}\n"), 2, PolicyFlaw::DuplicateKey),
        ("same witness", format!("{head}witness C {one}\n"), 4, PolicyFlaw::DuplicateKey),
        ("same public key", format!("{head}witness C {other_id}\n"), 4, PolicyFlaw::DuplicateKey),
        ("log key for a witness", format!("witness A {log}\n"), 1, PolicyFlaw::NotAWitnessKey),
        (
            "same name",
            format!("{head}witness A {}\n", witness_key(3)),
            4,
            PolicyFlaw::NameTaken(named("A")),
        ),
        ("reserved name", format!("witness none {one}\n"), 1, PolicyFlaw::NameTaken(named("none"))),
        (
            "group takes a name",
            format!("{head}group A any B\n"),
            4,
            PolicyFlaw::NameTaken(named("A")),
        ),
        (
            "group of none",
            format!("{head}group none any B\n"),
            4,
            PolicyFlaw::NameTaken(named("none")),
        ),
        (
            "unknown member",
            format!("{head}group G any C\n"),
            4,
            PolicyFlaw::UnknownName(named("C")),
        ),
        (
            "none as member",
            format!("{head}group G any none\n"),
            4,
            PolicyFlaw::UnknownName(named("none")),
        ),
        ("itself", format!("{head}group G any G\n"), 4, PolicyFlaw::UnknownName(named("G"))),
        ("defined below", format!("quorum A\n{head}"), 1, PolicyFlaw::UnknownName(named("A"))),
        (
            "other bytes",
            format!("{head}quorum \u{391}\n"),
            4,
            PolicyFlaw::UnknownName(named("\u{391}")),
        ),
        (
            "twice in one group",
            format!("{head}group G 1 A A\n"),
            4,
            PolicyFlaw::MemberTwice(named("A")),
        ),
        (
            "in two groups",
            format!("{head}group G 1 A\ngroup H 1 A\n"),
            5,
            PolicyFlaw::MemberTwice(named("A")),
        ),
        (
            "zero of two",
            format!("{head}group G 0 A B\n"),
            4,
            PolicyFlaw::Threshold { n_members: 2 },
        ),
        (
            "three of two",
            format!("{head}group G 3 A B\n"),
            4,
            PolicyFlaw::Threshold { n_members: 2 },
        ),
        (
            "leading zero",
            format!("{head}group G 01 A B\n"),
            4,
            PolicyFlaw::Threshold { n_members: 2 },
        ),
        ("most", format!("{head}group G most A B\n"), 4, PolicyFlaw::Threshold { n_members: 2 }),
    ];
    for (name, text, line, flaw) in cases {
        assert_eq!(Policy::parse(text.as_bytes()), Err(PolicyError { line, flaw }), "{name}");
    }
}

#[test]
fn names_are_octets() {
    let text = [
        "witness \u{e9}".as_bytes(),
        &[0xff, b' '],
        witness_key(1).as_bytes(),
        b"\nquorum \xc3\xa9\xff\n",
    ]
    .concat();
    assert!(Policy::parse(&text).is_ok());
}

#[test]
fn limits_are_met_exactly() {
    let many = |word: &str, n: usize| -> String {
        let name_of = |at: usize| u8::try_from(at + 1).unwrap();
        let line = |at| match word {
            "log" => format!("log {}\n", log_key(name_of(at))),
            "witness" => format!("witness w{at} {}\n", witness_key(name_of(at))),
            _ if at == 0 => format!("witness w {}\ngroup g0 any w\n", witness_key(1)),
            _ => format!("group g{at} any g{}\n", at - 1),
        };
        (0..n).map(line).collect::<String>() + "quorum none\n"
    };
    for (word, n_max) in
        [("log", POLICY_LOGS_MAX), ("witness", POLICY_WITNESSES_MAX), ("group", POLICY_GROUPS_MAX)]
    {
        assert!(Policy::parse(many(word, n_max).as_bytes()).is_ok(), "{word}");
        let error = Policy::parse(many(word, n_max + 1).as_bytes()).unwrap_err();
        assert_eq!(error.flaw, PolicyFlaw::TooMany { n_max }, "{word}");
    }
    let pad = |n| format!("#{}\nquorum none\n", "x".repeat(n - "#\nquorum none\n".len()));
    assert!(Policy::parse(pad(POLICY_BYTES_MAX).as_bytes()).is_ok());
    let n_bytes = POLICY_BYTES_MAX + 1;
    assert_eq!(
        Policy::parse(pad(n_bytes).as_bytes()).unwrap_err().flaw,
        PolicyFlaw::TooLong { n_bytes }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A threshold counts distinct witnesses, whatever is repeated or unknown.
    #[test]
    fn thresholds_count_distinct_witnesses(k in 1..=5_usize, seeds in prop::collection::vec(1..9_u8, 0..8)) {
        let mut text = format!("log {}\n", log_key(100));
        let witnesses = (1..=5).map(|seed| format!("witness w{seed} {}\n", witness_key(seed)));
        text.extend(witnesses);
        writeln!(text, "group G {k} w1 w2 w3 w4 w5\nquorum G").unwrap();
        let distinct: std::collections::BTreeSet<_> = seeds.iter().filter(|seed| **seed <= 5).collect();
        let policy = Policy::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(policy.check(&cosigned(&seeds)).is_ok(), k <= distinct.len());
    }

    /// Any bytes are read or refused.
    #[test]
    fn any_text_is_read_or_refused(text in "((log|witness|group|quorum|none|any|all|1|A|#|\t| |\n)){0,20}") {
        let _read_or_refused = Policy::parse(text.as_bytes()).is_ok();
    }
}
