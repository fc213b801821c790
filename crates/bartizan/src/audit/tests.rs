use super::*;
use crate::serve::Sources;
use crate::vault::Vault;
use bartizan_core::record::{Draft, Leaf, Outcome, Payload, RecordId, RecordKind, Recorder};
use bartizan_ledger::{Ledger, Options, Parts};

const EVIDENCE: &str = r#"{"version":1,"reason":"guard.secret","evidence":[{"type":"caller","key":"k-1","roles":["app"],"route":"default"},
    {"type":"finding","detector":"pii.card@1","kind":"pii.card","source":"user","direction":"input","place":"messages[0].content","span":{"start":3,"end":19}}],
    "actions":["redact"]}"#;

fn id(n: u8) -> RecordId {
    RecordId([n; 16])
}

fn draft(
    record: RecordId,
    kind: RecordKind,
    outcome: Option<Outcome>,
    payloads: Vec<Payload>,
) -> Draft {
    let leaf = Leaf {
        outcome,
        verdict: 0b11,
        key_id: Some("k-1".to_owned()),
        ..Leaf::new(record, kind, 1_763_875_569_000)
    };
    Draft::new(leaf, payloads)
}

/// A state folder with `n` exchanges in its log.
fn state(n: u8) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources::real();
    let disk = Arc::new(FsDisk::lock(&log_folder(folder.path())).unwrap());
    let vault = Vault::open(folder.path(), &sources).unwrap();
    let (clock, entropy) = (sources.clock, sources.entropy);
    let parts = Parts { disk, clock, entropy, sealer: vault.keys, signer: vault.signer };
    let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in 0..n {
        let payload = |slot, text: &str| Payload { slot, bytes: text.as_bytes().to_vec() };
        let intent =
            vec![payload(Slot::Released, "hi\u{1b}[2J there"), payload(Slot::Evidence, EVIDENCE)];
        let drafts = vec![
            draft(id(n), RecordKind::Intent, None, intent),
            draft(id(n), RecordKind::Outcome, Some(Outcome::Completed), Vec::new()),
        ];
        runtime.block_on(ledger.append_all(drafts)).unwrap();
    }
    folder
}

#[test]
fn the_last_leaves_oldest_first() {
    let folder = state(3);
    let all = last(folder.path(), 100).unwrap();
    assert_eq!(all.iter().map(|entry| entry.index).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    let two = last(folder.path(), 2).unwrap();
    assert_eq!(two.iter().map(|entry| entry.index).collect::<Vec<_>>(), [4, 5]);
    let json = leaf_json(&two[1]);
    assert_eq!(json["kind"], "outcome");
    assert_eq!(json["outcome"], "completed");
    assert_eq!(json["record"], "02020202020202020202020202020202");
    assert_eq!(json["verdict"], serde_json::json!(["input_found", "input_redacted"]));
    assert_eq!(leaf_row(&two[1])[6], "completed");
}

#[test]
fn a_record_is_found_by_its_beginning() {
    let folder = state(2);
    let lens = |is_revealing| Lens::new(folder.path(), &Sources::real(), is_revealing).unwrap();
    let sealed = record(folder.path(), "0101", &lens(false)).unwrap();
    let text = record_text(&sealed[0].0, &sealed[0].1);
    assert!(text.contains("[sealed, ") && text.contains("redact (pii.card@1)"), "{text}");
    assert_eq!(record_json(&sealed[0].0, &sealed[0].1)["payloads"]["released"], "sealed");
    let shown = record(folder.path(), "0101", &lens(true)).unwrap();
    assert_eq!(shown.len(), 2);
    let (entry, payloads) = &shown[0];
    let text = record_text(entry, payloads);
    let found = "found     pii.card from user at messages[0].content 3..19: redact (pii.card@1)";
    for want in [
        "INTENT 0101",
        "2025-11-23 05:26:09Z",
        "hi\\u{1b}[2J there",
        found,
        "reason    guard.secret",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
    let json = record_json(entry, payloads);
    assert_eq!(json["evidence"]["actions"][0], "redact");
    assert_eq!(json["released"], "hi\u{1b}[2J there");
    for (name, prefix) in
        [("nobody's", "ffff"), ("too short", "010"), ("not hexadecimal", "01zz"), ("empty", "")]
    {
        assert!(record(folder.path(), prefix, &lens(true)).is_err(), "{name}");
    }
}

#[test]
fn verification_says_what_is_wrong() {
    let folder = state(2);
    let fine = verify(folder.path());
    assert!(fine.verified && fine.problem.is_none(), "{fine:?}");
    assert_eq!((fine.leaves, fine.open, fine.root.len()), (4, 0, 64));
    let absent = verify(&folder.path().join("absent"));
    assert!(!absent.verified && absent.problem.is_some(), "{absent:?}");
    let segment = log_folder(folder.path()).join("segment-00000000.log");
    let mut bytes = crate::files::read_bounded(&segment, 64 << 20).unwrap();
    assert!(!bytes.windows(9).any(|text| text == b"hi\x1b[2J t"), "what is stored is sealed");
    let at = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let broken = verify(folder.path());
    assert!(!broken.verified && broken.problem.is_some(), "{broken:?}");
    assert_eq!(broken.json()["verified"], false);
}

/// What `log.vkey` is made to say, of the key that it had.
type Publish<'p> = &'p dyn Fn(&str) -> Option<String>;

#[test]
fn a_log_whose_newest_key_has_not_signed_is_not_verified() {
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let cases: [(&str, Publish<'_>, Option<&str>); 7] = [
        ("as it was left", &|key| Some(format!("{key}\n")), None),
        ("no file", &|_| None, Some("no key is known")),
        ("an empty file", &|_| Some(String::new()), Some("no key is known")),
        ("a former key", &|key| Some(format!("{key}\n{stranger}\n")), None),
        ("a retired key", &|key| Some(format!("{stranger}\n{key}\n")), Some("trusted keys")),
        ("a stranger's", &|_| Some(format!("{stranger}\n")), Some("trusted keys")),
        ("not a key", &|_| Some("nothing\n".to_owned()), Some("cannot use")),
    ];
    for (name, vkey, want) in cases {
        let folder = state(1);
        let path = log_folder(folder.path()).join("log.vkey");
        let key = crate::files::read_text_bounded(&path, 4096).unwrap();
        std::fs::remove_file(&path).unwrap();
        if let Some(text) = vkey(key.trim()) {
            std::fs::write(&path, text).unwrap();
        }
        let checked = verify_with(folder.path(), &Trusted::default());
        let (verdict, json) = (&checked.verdict, checked.json());
        assert_eq!(
            (verdict.verified, checked.is_fine()),
            (want.is_none(), want.is_none()),
            "{name}"
        );
        let problem = verdict.problem.clone().unwrap_or_default();
        assert!(problem.contains(want.unwrap_or_default()), "{name}: {problem}");
        assert_eq!(json["verified"], want.is_none(), "{name}");
        assert_eq!(verdict.signed_by.is_empty(), want.is_some(), "{name}");
        // A key that was named needs no file.
        let named = Trusted { keys: vec![key.trim().parse().unwrap()], policy: None };
        assert!(verify_with(folder.path(), &named).verdict.verified, "{name}");
    }
}

#[test]
fn what_no_signature_covers_is_told_and_a_flipped_bit_in_it_does_not_hide() {
    let folder = state(2);
    let at = |leaves, is_vouched, bytes, is_marked| Rest { leaves, is_vouched, bytes, is_marked };
    assert_eq!(verify(folder.path()).rest.leaves, 0);
    // The checkpoint of an earlier moment: what came since has none.
    let log = log_folder(folder.path()).join("log");
    let kept = tempfile::tempdir().unwrap();
    crate::opening::world::copy(&log, &kept.path().join("log"));
    append_more(folder.path());
    std::fs::remove_dir_all(&log).unwrap();
    crate::opening::world::copy(&kept.path().join("log"), &log);
    let told = verify(folder.path());
    assert!(told.verified && told.rest == at(1, true, 0, false), "{told:?}");
    assert_eq!(told.json()["unsigned_leaves"], 1);
    assert!(told.rest.lines()[0].contains("1 leaves came after the checkpoint"), "{told:?}");
    // An auditor has no vault, and nobody's word for it.
    let vault = folder.path().join("vault");
    std::fs::rename(&vault, kept.path().join("vault")).unwrap();
    assert_eq!(verify(folder.path()).rest, at(1, false, 0, false));
    std::fs::rename(kept.path().join("vault"), &vault).unwrap();
    let segment = log_folder(folder.path()).join("segment-00000000.log");
    let mut bytes = crate::files::read_bounded(&segment, 64 << 20).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    // In the leaf of the last group, well before its mark.
    let flipped = (last - last % 4096..last).find(|at| bytes[*at] != 0).unwrap() + 40;
    bytes[flipped] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let told = verify(folder.path());
    assert!(0 < told.rest.bytes && told.rest.is_marked && told.rest.leaves == 0, "{told:?}");
    assert!(told.rest.lines()[0].contains("was damaged since"), "{told:?}");
    assert_eq!(told.json()["unfinished_bytes"], told.rest.bytes);
}

/// One more leaf, in a process of its own.
fn append_more(state: &Path) {
    let sources = Sources::real();
    let disk = Arc::new(FsDisk::lock(&log_folder(state)).unwrap());
    let vault = Vault::open(state, &sources).unwrap();
    let (clock, entropy) = (sources.clock, sources.entropy);
    let parts = Parts { disk, clock, entropy, sealer: vault.keys, signer: vault.signer };
    let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let leaf = draft(id(9), RecordKind::Decision, None, Vec::new());
    runtime.block_on(ledger.append(leaf)).unwrap();
}

/// Two exchanges, one about a person, of whom one was forgotten and the other's time is over or not.
#[test]
fn payloads_are_counted_by_why_they_can_be_read_or_not() {
    type Harm = fn(&Ledger, &Vault, RecordId);
    fn tombstone(ledger: &Ledger, key: RecordId, action: &str) {
        let bytes = format!("{{\"version\":1,\"action\":\"{action}\"}}").into_bytes();
        let payload = Payload { slot: Slot::Evidence, bytes };
        let leaf = Leaf::new(key, RecordKind::Tombstone, 1_763_875_569_000);
        let draft = Draft::new(leaf, vec![payload]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ledger.append(draft)).unwrap();
    }
    // Clear, erased, expired, missing.
    let cases: [(&str, Harm, [u64; 4]); 5] = [
        ("back", |ledger, _, key| tombstone(ledger, key, "erase"), [2, 0, 0, 0]),
        ("nothing", |_, _, _| {}, [2, 0, 0, 0]),
        (
            "erased",
            |ledger, vault, key| {
                tombstone(ledger, key, "erase");
                vault.keys.destroy(key).unwrap();
            },
            [2, 1, 0, 0],
        ),
        (
            "expired",
            |ledger, vault, key| {
                tombstone(ledger, key, "expire");
                vault.keys.destroy(key).unwrap();
            },
            [2, 0, 1, 0],
        ),
        (
            "gone",
            |_, vault, key| {
                vault.keys.destroy(key).unwrap();
            },
            [1, 0, 0, 1],
        ),
    ];
    for (name, harm, [clear, erased, expired, key_missing]) in cases {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources::real();
        let disk = Arc::new(FsDisk::lock(&log_folder(folder.path())).unwrap());
        let vault = Vault::open(folder.path(), &sources).unwrap();
        let (clock, entropy) = (sources.clock.clone(), sources.entropy.clone());
        let (sealer, signer) = (vault.keys.clone(), vault.signer.clone());
        let parts = Parts { disk, clock, entropy, sealer, signer };
        let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (n, subject) in [(1, None), (2, Some("ada".to_owned()))] {
            let payload = Payload { slot: Slot::Released, bytes: b"hello".to_vec() };
            let draft = draft(id(n), RecordKind::Intent, None, vec![payload]);
            runtime.block_on(ledger.append(Draft { subject, ..draft })).unwrap();
        }
        let key = vault.keys.subject_key(vault.keys.tag("ada").unwrap()).unwrap();
        harm(&ledger, &vault, key);
        drop(ledger);
        drop(vault);
        let counts = payloads::open_all(folder.path(), &sources).unwrap();
        let told = [counts.clear, counts.erased, counts.expired, counts.key_missing];
        assert_eq!(told, [clear, erased, expired, key_missing], "{name}");
        let is_fine = !["gone", "back"].contains(&name);
        assert_eq!((counts.damaged, counts.is_fine()), (0, is_fine), "{name}");
        assert_eq!(counts.resurrected, u64::from(name == "back"), "{name}");
        assert_eq!(counts.wrong.len(), usize::from(!is_fine), "{name}");
    }
}

#[test]
fn json_for_terminals_means_the_same() {
    let cases = [
        ("plain", "plain \"text\" \\ \n"),
        ("escape", "a\u{1b}[2J\u{7f}"),
        ("C1 control", "\u{9b}31m"),
        ("right to left override", "\u{202e}gpj.exe"),
        ("tag characters", "x\u{e0041}"),
    ];
    for (name, text) in cases {
        let line = harmless(&serde_json::json!({"text": text}));
        assert!(matches!(print::visible(&line), Cow::Borrowed(_)), "{name}: {line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["text"], text, "{name}");
    }
}

/// Tables that are fresh, behind, foreign, no tables at all or absent: a record is found, and what comes of it is the same.
#[test]
fn a_record_is_found_whatever_the_tables_know() {
    let world = crate::opening::world::World::new();
    world.records(1, &["alice", "bob"]);
    let (state, other) = (world.state(), crate::opening::world::World::new());
    other.records(1, &["zoe", "yan", "xim"]);
    tables::rebuild(&other.state()).unwrap();
    let tables_of = |state: &Path| log_folder(state).join(INDEX_NAME);
    let harms: [(&str, &dyn Fn()); 5] = [
        ("none", &|| {}),
        ("fresh", &|| {
            tables::rebuild(&state).unwrap();
        }),
        ("behind", &|| world.records(3, &["carol"])),
        ("another log's", &|| {
            std::fs::copy(tables_of(&other.state()), tables_of(&state)).unwrap();
        }),
        ("not tables", &|| std::fs::write(tables_of(&state), "not tables").unwrap()),
    ];
    for (name, harm) in harms {
        harm();
        for n in [1, 2, 3] {
            let id = RecordId([n; 16]);
            let found = leaves_of(&state, &id.to_string()).map(|(_, leaves)| leaves);
            let is_there = n < 3 || !["none", "fresh"].contains(&name);
            assert_eq!(found.is_ok(), is_there, "{name}: {n}");
            let want = reader(&state).unwrap().find(id).unwrap();
            assert_eq!(found.unwrap_or_default(), want, "{name}: {n}");
        }
        assert!(leaves_of(&state, "ffffffff").is_err(), "{name}");
    }
}
