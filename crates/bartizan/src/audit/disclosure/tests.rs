use super::check::{DisclosureFlaw, Proven, Shown, check};
use super::told;
use super::*;
use crate::audit::{self, Trusted};
use crate::opening::world::{World, copy};
use crate::vault::{Vault, log_key};
use bartizan_core::record::{Draft, Leaf, Outcome, Payload, Recorder as _};
use bartizan_ledger::tlog::VerifierKey;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::OnceLock;

const ASKED: &str = "what does the pelican say";
const ANSWERED: &str = "the pelican says \u{1b}[2J nothing";
const EVIDENCE: &str = r#"{"version":1,"evidence":[],"actions":[]}"#;

fn payload(slot: Slot, text: &[u8]) -> Payload {
    Payload { slot, bytes: text.to_vec() }
}

/// An exchange of a person: what was asked in two forms, and a streamed answer.
pub(super) fn exchange(
    world: &World,
    opened: &opening::Opened,
    n: u8,
    subject: &str,
    answer: &[u8],
) {
    let at_ms = world.sources.clock.unix_ms();
    let leaf = |kind, outcome| Leaf { outcome, ..Leaf::new(RecordId([n; 16]), kind, at_ms) };
    let asked = vec![
        payload(Slot::Released, ASKED.as_bytes()),
        payload(Slot::Received, format!("{ASKED} {n}").as_bytes()),
        payload(Slot::Evidence, EVIDENCE.as_bytes()),
    ];
    let answered = vec![payload(Slot::Released, answer), payload(Slot::Received, answer)];
    let drafts = [
        Draft::new(leaf(RecordKind::Intent, None), asked),
        Draft {
            is_stream: true,
            ..Draft::new(leaf(RecordKind::Outcome, Some(Outcome::Completed)), answered)
        },
    ];
    for draft in drafts {
        let draft = Draft { subject: Some(subject.to_owned()), ..draft };
        world.wait(opened.ledger.append(draft)).unwrap();
    }
}

/// Exchanges 1 and 2 of alice, 3 of bob.
pub(super) fn world(answer: &[u8]) -> World {
    let world = World::new();
    let opened = world.open().unwrap();
    for (n, subject) in [(1, "alice"), (2, "alice"), (3, "bob")] {
        exchange(&world, &opened, n, subject, answer);
    }
    opened.close(&world.sources).unwrap();
    world
}

pub(super) fn trusted(world: &World) -> Trusted {
    let key = log_key(&world.state()).unwrap();
    Trusted { keys: vec![VerifierKey::of_log(&key).unwrap()], policy: None }
}

/// Has a record disclosed; the file.
pub(super) fn file(world: &World, n: u8, slots: &[Slot]) -> Vec<u8> {
    // Several tests have the same world, and no file is written over.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let told = wish(world, n, slots, &out).unwrap();
    assert!(matches!(told, Told::Written { .. }), "{told:?}");
    files::read_bounded(&out, DISCLOSURE_BYTES_MAX).unwrap()
}

fn wish(world: &World, n: u8, slots: &[Slot], out: &Path) -> anyhow::Result<Told> {
    let (place, id) = (world.place(), RecordId([n; 16]).to_string());
    let wish = Wish { place: &place, id: &id, slots, reason: "letter of 24 November", out };
    disclose(&wish, &world.sources)
}

fn texts(proven: &Proven) -> Vec<(String, String)> {
    let leaves = proven.leaves.iter();
    let parts = leaves.flat_map(|leaf| {
        leaf.parts.iter().map(|(slot, shown)| {
            let text = match shown {
                Shown::Text(text) => String::from_utf8(text.clone()).unwrap(),
                Shown::Withheld => "withheld".to_owned(),
                Shown::Elsewhere { .. } => "elsewhere".to_owned(),
            };
            (part_name(leaf.entry.leaf.kind, *slot), text)
        })
    });
    parts.collect()
}

/// A world, a file of exchange 1, and whom to trust: made once, since most tests only read them.
fn sample() -> &'static (World, Vec<u8>, Trusted) {
    static SAMPLE: OnceLock<(World, Vec<u8>, Trusted)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let world = world(ANSWERED.as_bytes());
        let (bytes, trusted) = (file(&world, 1, &[]), trusted(&world));
        (world, bytes, trusted)
    })
}

#[test]
fn what_was_recorded_is_proven_to_who_has_only_the_file_and_the_key() {
    let (world, bytes, trusted) = sample();
    let elsewhere = tempfile::tempdir().unwrap();
    copy(&world.state().join("ledger"), elsewhere.path());
    for folder in [None, Some(elsewhere.path())] {
        let proven = check(bytes, trusted, folder).unwrap();
        let own = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let want = [
            own("intent.released", ASKED),
            own("intent.received", &format!("{ASKED} 1")),
            own("intent.evidence", EVIDENCE),
            own("outcome.released", ANSWERED),
            own("outcome.received", ANSWERED),
        ];
        assert_eq!(texts(&proven), want);
        assert!(proven.is_whole() && proven.compared.is_some() == folder.is_some());
    }
    let checked = check(bytes, trusted, None);
    let quiet = told::text(&checked, false) + &told::json(&checked, false).to_string();
    assert!(!quiet.contains("pelican"), "no text without being asked: {quiet}");
    assert!(quiet.contains("proved: ") && quiet.contains("the one text"), "{quiet}");
    let shown = told::text(&checked, true);
    assert!(shown.contains(ASKED) && !shown.contains('\u{1b}'), "{shown}");
    assert_eq!(told::json(&checked, true)["leaves"][1]["parts"]["released"]["text"], ANSWERED);
}

#[test]
fn no_key_of_a_person_or_of_another_record_is_in_the_file() {
    let (world, bytes, trusted) = sample();
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let key = |leaf: usize, part: usize| value["leaves"][leaf]["payloads"][part]["key"].clone();
    let keys = [key(0, 0), key(0, 1), key(0, 2), key(1, 0), key(1, 1)];
    let mut distinct: Vec<_> = keys.iter().map(|key| key.as_str().unwrap()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 5, "each opens one payload");
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(!text.contains("alice") && !text.contains("pelican"), "{text}");

    let two = file(world, 2, &[Slot::Released]);
    let other: Value = serde_json::from_slice(&two).unwrap();
    for leaf in [0, 1] {
        let parts = other["leaves"][leaf]["payloads"].as_array().unwrap();
        for part in parts {
            let is_chosen = part["slot"] == "released";
            assert_eq!(part["key"].is_string(), is_chosen, "{part}");
            assert_eq!(part["ciphertext"].is_string(), is_chosen, "{part}");
        }
    }
    let proven = check(&two, trusted, None).unwrap();
    let withheld = texts(&proven).into_iter().filter(|(_, text)| text == "withheld").count();
    assert_eq!(withheld, 3);
}

#[test]
fn it_is_recorded_by_whom_and_why_before_the_key_leaves() {
    let world = world(ANSWERED.as_bytes());
    let out = world.folder.path().join("one.json");
    let Told::Written { index, record, parts, .. } = wish(&world, 1, &[], &out).unwrap() else {
        panic!("it is not disclosed");
    };
    let mode = std::fs::metadata(&out).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, parts.len()), (0o600, 5));
    let lens = Lens::new(&world.state(), &world.sources, true).unwrap();
    let leaves = audit::record(&world.state(), &record.to_string(), &lens).unwrap();
    let (entry, said) = leaves.iter().find(|(entry, _)| entry.index == index).unwrap();
    assert_eq!(entry.leaf.kind, RecordKind::Reveal);
    let said: Value = serde_json::from_str(&said[0].1.text()).unwrap();
    assert_eq!(
        (&said["action"], &said["reason"]),
        (&json!("disclose"), &json!("letter of 24 November"))
    );
    assert!(said["by"].as_str().unwrap().starts_with(&format!("uid {}", world.sources.user)));
    assert_eq!(said["parts"], json!(parts));
    // Who has looked is nobody else's business.
    let again = check(&file(&world, 1, &[]), &trusted(&world), None).unwrap();
    assert_eq!(again.leaves.len(), 2);
}

#[test]
fn what_was_forgotten_or_cannot_be_recorded_is_not_disclosed() {
    let world = world(ANSWERED.as_bytes());
    let out = world.folder.path().join("out.json");
    let n_leaves = || audit::verify(&world.state()).leaves;
    let before = n_leaves();
    let place = world.place();
    let long = "x".repeat(REASON_CHARS_MAX + 1);
    std::fs::write(world.folder.path().join("there"), "").unwrap();
    for (name, id, slots, reason, path) in [
        ("nobody's", "ffff", &[][..], "why", out.clone()),
        ("too short an id", "01", &[], "why", out.clone()),
        ("no reason", "0101", &[], "  ", out.clone()),
        ("too long a reason", "0101", &[], &long, out.clone()),
        ("a folder", "0101", &[], "why", world.folder.path().to_owned()),
        ("no folder", "0101", &[], "why", world.folder.path().join("absent/out.json")),
        ("a file that is there", "0101", &[], "why", world.folder.path().join("there")),
        ("a file of the ledger", "0101", &[], "why", world.state().join("ledger/out.json")),
        ("a file of the vault", "0101", &[], "why", world.state().join("vault/keys.slots")),
    ] {
        let wish = Wish { place: &place, id, slots, reason, out: &path };
        let error = disclose(&wish, &world.sources).unwrap_err();
        assert!(error.is::<Usage>(), "{name}: {error:#}");
    }
    // There is no room for the name that it has until it is whole.
    let unwritable = world.folder.path().join("x".repeat(250));
    assert_eq!((n_leaves(), out.exists()), (before, false), "and nothing was recorded");

    let vault = Vault::peek(&world.state(), &world.sources).unwrap();
    let tag = vault.keys.tag("alice").unwrap().to_string();
    drop(vault);
    orders::give(&place, &Order::Erase { tag, by: String::new() }, &world.sources).unwrap();
    let before = n_leaves();
    for slots in [&[][..], &[Slot::Evidence]] {
        let told = wish(&world, 1, slots, &out).unwrap();
        let Told::Refused(why) = told else { panic!("{told:?}") };
        assert!(why.contains("destroyed, lawfully"), "{why}");
    }
    assert_eq!((n_leaves(), out.exists()), (before, false));
    assert!(matches!(wish(&world, 3, &[], &out).unwrap(), Told::Written { .. }), "bob is known");

    std::fs::remove_file(&out).unwrap();

    // The texts are over sooner than what was found in them.
    world.wall.set_day(230);
    orders::give(&place, &Order::Expire { by: String::new() }, &world.sources).unwrap();
    let told = wish(&world, 3, &[], &out).unwrap();
    assert!(
        matches!(&told, Told::Refused(why) if why.starts_with("intent.released: ")),
        "{told:?}"
    );
    assert!(matches!(wish(&world, 3, &[Slot::Evidence], &out).unwrap(), Told::Written { .. }));
    std::fs::remove_file(&out).unwrap();
    let error = wish(&world, 3, &[Slot::Evidence], &unwritable).unwrap_err();
    assert!(format!("{error:#}").contains("no key has left"), "{error:#}");
    // A copy without its vault has no keys, and records nothing.
    let elsewhere = tempfile::tempdir().unwrap();
    copy(&world.state().join("ledger"), elsewhere.path());
    let place = Place { dir: Some(elsewhere.path().to_owned()), config: None };
    let wish = Wish { place: &place, id: "0303", slots: &[], reason: "why", out: &out };
    let error = disclose(&wish, &world.sources).unwrap_err();
    assert!(!error.is::<Usage>(), "{error:#}");
    assert!(format!("{error:#}").contains("is a copy of a ledger without its vault"), "{error:#}");
}

/// What is done to a world.
type Harm<'h> = &'h dyn Fn(&World);

/// Only what was destroyed lawfully is an answer (exit code 1): whatever could be mended is an error.
#[test]
fn what_cannot_be_opened_for_another_reason_is_unfinished() {
    let keys = |world: &World| world.state().join("vault/tenant.key");
    let open_to_all = |world: &World| {
        std::fs::set_permissions(keys(world), std::fs::Permissions::from_mode(0o644)).unwrap();
    };
    let no_key = |world: &World| std::fs::remove_file(keys(world)).unwrap();
    let damaged = |world: &World| {
        let (_, entries) = of_record(&world.state(), "0101").unwrap();
        let stored = &entries[0].payloads[0];
        let (segment, offset) = stored.place();
        let path = world.state().join(format!("ledger/segment-{segment:08}.log"));
        let mut bytes = files::read_bounded(&path, 1 << 24).unwrap();
        let at = usize::try_from(offset + stored.bytes / 2).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    let cases: [(&str, Harm<'_>, &str); 3] = [
        ("a key that others can read", &open_to_all, "the keys cannot be used"),
        ("no key", &no_key, "the keys cannot be used"),
        ("a damaged payload", &damaged, "damaged"),
    ];
    for (name, harm, want) in cases {
        let world = world(ANSWERED.as_bytes());
        harm(&world);
        let out = world.folder.path().join("out.json");
        let error = wish(&world, 1, &[], &out).unwrap_err();
        assert!(!error.is::<Usage>() && !out.exists(), "{name}: {error:#}");
        assert!(format!("{error:#}").contains(want), "{name}: {error:#}");
    }
}

/// A policy with a quorum refuses a file whose leaves no witness has seen, and whoever hands it out should know that before.
#[test]
fn it_is_told_whether_the_witnesses_have_seen_what_is_disclosed() {
    let world = world(ANSWERED.as_bytes());
    let log = world.state().join("ledger/log");
    let out = |name: &str| world.folder.path().join(name);
    let witnessed = |n: u8, name: &str| match wish(&world, n, &[], &out(name)).unwrap() {
        Told::Written { witnessed, .. } => witnessed,
        told @ Told::Refused(_) => panic!("{told:?}"),
    };
    assert_eq!(witnessed(1, "none.json"), None, "it has no witnesses");
    let checkpoint = files::read_text_bounded(&log.join("checkpoint"), 1 << 16).unwrap();
    let signature = checkpoint.lines().last().unwrap().rsplit(' ').next().unwrap();
    let cosigned = format!("{checkpoint}\u{2014} witness.example/w {signature}\n");
    std::fs::write(log.join("witnessed"), cosigned).unwrap();
    assert_eq!(witnessed(1, "seen.json"), Some(true));
    let opened = world.open().unwrap();
    exchange(&world, &opened, 4, "carol", b"yes");
    opened.close(&world.sources).unwrap();
    assert_eq!(witnessed(4, "unseen.json"), Some(false), "and it waited for them");
}

#[test]
fn a_record_of_too_many_leaves_is_not_disclosed() {
    let world = World::new();
    let opened = world.open().unwrap();
    for _ in 0..DISCLOSED_LEAVES_MAX {
        world.record(&opened, 1, "alice");
    }
    let out = world.folder.path().join("out.json");
    let first = world.folder.path().join("first.json");
    opened.close(&world.sources).unwrap();
    assert!(
        matches!(wish(&world, 1, &[], &first).unwrap(), Told::Written { .. }),
        "as many as fit"
    );
    let opened = world.open().unwrap();
    world.record(&opened, 1, "alice");
    opened.close(&world.sources).unwrap();
    let error = wish(&world, 1, &[], &out).unwrap_err().to_string();
    assert!(error.contains("17 leaves, at most 16"), "{error}");
}

#[test]
fn what_is_too_large_stays_in_the_log_and_is_read_from_a_copy() {
    let answer = vec![b'a'; CIPHERTEXT_BYTES_MAX / 2];
    let world = world(&answer);
    let (bytes, trusted) = (file(&world, 1, &[]), trusted(&world));
    assert!(bytes.len() < DISCLOSURE_BYTES_MAX);
    let alone = check(&bytes, &trusted, None);
    let said = told::text(&alone, false);
    assert!(!alone.unwrap().is_whole() && said.starts_with("not finished"), "{said}");
    assert!(said.contains("stands in segment-0000") && said.contains("give --dir"), "{said}");
    let elsewhere = tempfile::tempdir().unwrap();
    copy(&world.state().join("ledger"), elsewhere.path());
    let proven = check(&bytes, &trusted, Some(elsewhere.path())).unwrap();
    assert!(proven.is_whole());
    assert!(texts(&proven)[3..].iter().all(|(_, text)| text.as_bytes() == answer));
    // Another place in the same copy, and a copy of another log.
    let mut moved: Value = serde_json::from_slice(&bytes).unwrap();
    moved["leaves"][1]["payloads"][1]["place"]["offset"] = json!(4096);
    let moved = serde_json::to_vec(&moved).unwrap();
    let flaw = check(&moved, &trusted, Some(elsewhere.path())).unwrap_err();
    assert!(matches!(flaw, DisclosureFlaw::CopyPlace { .. }), "{flaw}");
    let (other, ..) = sample();
    let flaw = check(&bytes, &trusted, Some(&other.state())).unwrap_err();
    assert!(flaw.to_string().contains("signed by none of the trusted keys"), "{flaw}");
    let flaw = check(&bytes, &trusted, Some(&other.state().join("absent"))).unwrap_err();
    assert!(matches!(flaw, DisclosureFlaw::Copy { .. }), "{flaw}");
}

/// What is done to a file.
type Change<'c> = &'c dyn Fn(&mut Value);

#[test]
fn what_does_not_fit_is_named() {
    let (world, bytes, trusted) = sample();
    let two: Value = serde_json::from_slice(&file(world, 2, &[])).unwrap();
    let swap = |value: &mut Value, field: &str, a: (usize, usize), b: (usize, usize)| {
        let place =
            |(leaf, part): (usize, usize)| format!("/leaves/{leaf}/payloads/{part}/{field}");
        let taken = value.pointer_mut(&place(a)).unwrap().take();
        let other = value.pointer_mut(&place(b)).unwrap();
        let taken = std::mem::replace(other, taken);
        *value.pointer_mut(&place(a)).unwrap() = taken;
    };
    let cases: [(&str, Change<'_>, &str); 18] = [
        (
            "the key of another payload",
            &|v| swap(v, "key", (0, 0), (0, 1)),
            "the key of intent.released is not the one that the leaf commits to: it is that of intent.received",
        ),
        (
            "the key of another leaf",
            &|v| swap(v, "key", (0, 0), (1, 0)),
            "it is that of outcome.released",
        ),
        (
            "the key of another record",
            &|v| {
                v["leaves"][0]["payloads"][0]["key"] =
                    two["leaves"][0]["payloads"][0]["key"].clone();
            },
            "the key of intent.released is not the one that the leaf commits to: it was changed, or is another record's",
        ),
        (
            "the ciphertext of another payload",
            &|v| swap(v, "ciphertext", (0, 0), (0, 1)),
            "the ciphertext of intent.released is not the one that the leaf commits to: it is that of intent.received",
        ),
        (
            "the ciphertext of another record",
            &|v| {
                v["leaves"][0]["payloads"][0]["ciphertext"] =
                    two["leaves"][0]["payloads"][0]["ciphertext"].clone();
            },
            "its bytes were changed",
        ),
        (
            "hash and ciphertext of another payload",
            &|v| {
                swap(v, "ciphertext", (0, 0), (0, 1));
                swap(v, "sha256", (0, 0), (0, 1));
            },
            "the hashes of the payloads listed are not those that leaf 0 (intent) commits to",
        ),
        (
            "key and commitment of another payload",
            &|v| {
                swap(v, "key", (0, 0), (0, 1));
                swap(v, "key_commitment", (0, 0), (0, 1));
            },
            "the key commitments of the payloads listed are not those",
        ),
        (
            "a payload is left away",
            &|v| {
                v["leaves"][0]["payloads"].as_array_mut().unwrap().pop();
            },
            "the hashes of the payloads listed",
        ),
        (
            "payloads out of order",
            &|v| v["leaves"][0]["payloads"].as_array_mut().unwrap().swap(0, 1),
            "`slot` is none, or not in order",
        ),
        (
            "the leaf of another record",
            &|v| v["leaves"][0] = two["leaves"][0].clone(),
            "leaf 2 (intent) is of the record 0202",
        ),
        (
            "the proof of another leaf",
            &|v| v["leaves"][0]["proof"] = v["leaves"][1]["proof"].clone(),
            "leaf 0 (intent) is not proved: the path does not lead",
        ),
        ("a leaf twice", &|v| v["leaves"][1] = v["leaves"][0].clone(), "it comes twice"),
        ("no leaf", &|v| v["leaves"] = json!([]), "it has 0 leaves"),
        (
            "too many leaves",
            &|v| v["leaves"] = json!(vec![v["leaves"][0].clone(); DISCLOSED_LEAVES_MAX + 1]),
            "it has 17 leaves",
        ),
        (
            "a key and nothing that it opens",
            &|v| v["leaves"][0]["payloads"][0]["ciphertext"] = Value::Null,
            "either `ciphertext` or `place`",
        ),
        ("another version", &|v| v["version"] = json!(2), "its format version 2 is not known"),
        ("something of its own", &|v| v["more"] = json!(1), "unknown field `more`"),
        (
            "no key at all",
            &|v| {
                for (leaf, part) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)] {
                    for field in ["key", "ciphertext"] {
                        v["leaves"][leaf]["payloads"][part][field] = Value::Null;
                    }
                }
            },
            "it discloses nothing",
        ),
    ];
    for (name, change, want) in cases {
        let mut value: Value = serde_json::from_slice(bytes).unwrap();
        change(&mut value);
        let flaw = check(&serde_json::to_vec(&value).unwrap(), trusted, None).unwrap_err();
        assert!(flaw.to_string().contains(want), "{name}: {flaw}");
    }
    let other = World::new();
    other.records(1, &["carol"]);
    let flaw = check(bytes, &self::trusted(&other), None).unwrap_err().to_string();
    assert!(flaw.contains("its checkpoint is of the log") && flaw.contains("you trust"), "{flaw}");
    assert!(check(bytes, &Trusted::default(), None).is_err(), "without a key nothing is proven");
    for (name, text) in [
        ("nothing", &b""[..]),
        ("another file", b"[]"),
        ("no JSON", b"c2sp.org/"),
        ("another format", br#"{"format":"x","version":1}"#),
    ] {
        let flaw = check(text, trusted, None).unwrap_err();
        let is_named = matches!(flaw, DisclosureFlaw::Cut | DisclosureFlaw::Foreign { .. });
        assert!(is_named, "{name}: {flaw}");
    }
}

/// A proof is of what is there. Whoever takes something away must not have it look like everything.
#[test]
fn what_was_taken_out_is_not_promised() {
    let (world, bytes, trusted) = sample();
    let elsewhere = tempfile::tempdir().unwrap();
    copy(&world.state().join("ledger"), elsewhere.path());
    let (unknown, all) = ("whether a leaf of the record was left out is not known", "and no other");
    let take_leaf = |v: &mut Value, n: usize| drop(v["leaves"].as_array_mut().unwrap().remove(n));
    let take_key = |v: &mut Value| {
        for field in ["key", "ciphertext"] {
            v["leaves"][1]["payloads"][0][field] = Value::Null;
        }
    };
    // What stands in the text without a copy, the first line's beginning, the missing leaf, and what is said with a copy.
    let cases: [(&str, Change<'_>, &str, &str, Value, &str); 4] = [
        ("nothing", &|_| {}, unknown, "proved: what follows", Value::Null, all),
        (
            "the outcome",
            &|v| take_leaf(v, 1),
            "an intent alone: no outcome is in this file",
            "proved: what follows",
            json!("outcome"),
            "not proved: the copy has leaf 1 (outcome) of this record, and the file does not",
        ),
        (
            "the intent",
            &|v| take_leaf(v, 0),
            "an outcome without its intent",
            "proved: what follows",
            json!("intent"),
            "not proved: the copy has leaf 0 (intent) of this record, and the file does not",
        ),
        ("a key", &take_key, unknown, "proved: 4 of the 5 payloads", Value::Null, all),
    ];
    for (name, change, want, first, missing, with_copy) in cases {
        let mut value: Value = serde_json::from_slice(bytes).unwrap();
        change(&mut value);
        let changed = serde_json::to_vec(&value).unwrap();
        let alone = check(&changed, trusted, None);
        let (said, json) = (told::text(&alone, false), told::json(&alone, false));
        assert!(said.starts_with(first) && said.contains(want), "{name}: {said}");
        assert!(said.contains(unknown) && !said.contains(all), "{name}: {said}");
        assert_eq!((&json["complete"], &json["missing"]), (&Value::Null, &missing), "{name}");
        let compared = check(&changed, trusted, Some(elsewhere.path()));
        let (said, json) = (told::text(&compared, false), told::json(&compared, false));
        assert!(said.contains(with_copy) && !said.contains(unknown), "{name}: {said}");
        assert_eq!(compared.is_ok(), with_copy == all, "{name}: {said}");
        let complete = compared.is_ok().then_some(true);
        assert_eq!(json.get("complete").and_then(Value::as_bool), complete, "{name}: {json}");
    }
}

#[test]
fn a_file_that_was_cut_off_anywhere_says_so() {
    let (_, bytes, trusted) = sample();
    let end = bytes.iter().rposition(|byte| *byte == b'}').unwrap();
    for at in (1..end).step_by(97).chain(end - 40..=end) {
        let flaw = check(&bytes[..at], trusted, None).unwrap_err();
        assert_eq!(flaw, DisclosureFlaw::Cut, "cut at {at}");
    }
}

/// The places of all values that are no lists or objects.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(n, value)| places(value, &format!("{at}/{n}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// Another value of the same sort.
fn other(value: &Value, at: usize, by: u8) -> Value {
    match value {
        Value::Number(number) => json!(number.as_u64().unwrap().wrapping_add(u64::from(by))),
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let place = at % chars.len();
            let old = chars[place].to_ascii_lowercase();
            let mut digits: Vec<char> = ('0'..='9').chain('a'..='f').collect();
            digits.retain(|digit| *digit != old);
            chars[place] = digits[usize::from(by) % digits.len()];
            json!(chars.into_iter().collect::<String>())
        }
        _ => json!("00"),
    }
}

#[test]
fn every_field_is_checked() {
    let (_, bytes, trusted) = sample();
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let mut all = Vec::new();
    places(&value, "", &mut all);
    assert_eq!(all.len(), 3 + 2 * 4 + 5 * 6);
    for place in &all {
        for (at, by) in [(0, 1), (7, 5), (usize::MAX / 2, 9)] {
            let mut changed = value.clone();
            let field = changed.pointer_mut(place).unwrap();
            *field = other(field, at, by);
            let checked = check(&serde_json::to_vec(&changed).unwrap(), trusted, None);
            assert!(checked.is_err(), "{place} is not checked: {checked:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is done to a byte of the file: it is refused, or says the very same.
    #[test]
    fn no_changed_byte_changes_what_is_proven(at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let (_, bytes, trusted) = sample();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= by;
        if let Ok(proven) = check(&changed, trusted, None) {
            let honest = check(bytes, trusted, None);
            prop_assert_eq!(told::json(&Ok(proven), true), told::json(&honest, true));
        }
    }
}
