use super::*;
use crate::serve::Sources;
use crate::vault::{self, Vault};
use bartizan_core::record::{Draft, Leaf, Outcome, Payload, RecordId, RecordKind, Recorder};
use bartizan_keys::NoteKey;
use bartizan_ledger::tlog::VerifierKey;
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
    let json = leaf_json(&two[1], Mark::Unsigned);
    assert_eq!(json["kind"], "outcome");
    assert_eq!(json["outcome"], "completed");
    assert_eq!(json["record"], "02020202020202020202020202020202");
    assert_eq!(json["verdict"], serde_json::json!(["input_found", "input_redacted"]));
    assert_eq!(leaf_row(&two[1], Mark::Signed)[6], "completed");
}

#[test]
fn a_record_is_found_by_its_beginning() {
    let folder = state(2);
    let lens = |is_revealing| Lens::new(folder.path(), &Sources::real(), is_revealing).unwrap();
    let sealed = record(folder.path(), "0101", &lens(false)).unwrap();
    let text = record_text(&sealed[0].0, &sealed[0].1, Mark::Signed);
    assert!(text.contains("[sealed, ") && text.contains("redact (pii.card@1)"), "{text}");
    assert_eq!(
        record_json(&sealed[0].0, &sealed[0].1, Mark::Signed)["payloads"]["released"],
        "sealed"
    );
    let shown = record(folder.path(), "0101", &lens(true)).unwrap();
    assert_eq!(shown.len(), 2);
    let (entry, payloads) = &shown[0];
    let text = record_text(entry, payloads, Mark::Signed);
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
    let json = record_json(entry, payloads, Mark::Signed);
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
        let counts = payloads::opened(folder.path(), &sources).unwrap();
        let told = [counts.clear, counts.erased, counts.expired, counts.key_missing];
        assert_eq!(told, [clear, erased, expired, key_missing], "{name}");
        let is_fine = !["gone", "back"].contains(&name);
        assert_eq!((counts.damaged, counts.is_fine()), (0, is_fine), "{name}");
        assert_eq!(counts.resurrected, u64::from(name == "back"), "{name}");
        assert_eq!(counts.wrong.len(), usize::from(!is_fine), "{name}");
        // What is said first is what the exit code says, for people and for programs.
        let checked =
            Checked { payloads: Some(counts), ..verify_with(folder.path(), &Trusted::default()) };
        assert!(checked.verdict.verified, "{name}: the leaves are as they were written");
        assert_eq!(checked.is_fine(), is_fine, "{name}");
        assert_eq!(checked.headline().starts_with("verified: "), is_fine, "{name}");
        let json = checked.json();
        assert_eq!(
            (&json["verified"], json["problem"].is_null()),
            (&is_fine.into(), is_fine),
            "{name}"
        );
        // Who did not ask for the text is told whether there is one.
        let lens = Lens::new(folder.path(), &sources, false).unwrap();
        let shown = record(folder.path(), &id(2).to_string(), &lens).unwrap();
        let state = shown[0].1[0].1.state();
        let want = match name {
            "nothing" => "sealed",
            "gone" => "key_missing",
            "expired" => "expired",
            _ => "erased",
        };
        assert_eq!(state, want, "{name}");
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

/// Whoever makes a copy can change the tables in it, which nobody has signed: an auditor is told what the leaves say.
#[test]
fn tables_that_came_with_a_copy_are_not_believed() {
    let folder = state(2);
    let state = folder.path();
    tables::rebuild(state).unwrap();
    let path = log_folder(state).join(INDEX_NAME);
    let mut bytes = crate::files::read_bounded(&path, 1 << 20).unwrap();
    let places: Vec<_> =
        (0..bytes.len() - 3).filter(|&at| bytes[at..].starts_with(b"k-1")).collect();
    assert!(!places.is_empty(), "the tables name the caller's key");
    for at in places {
        bytes[at + 2] = b'9';
    }
    std::fs::write(&path, bytes).unwrap();
    let keys = |state: &Path| {
        let filter = bartizan_ledger::index::Filter::default();
        let found = search::search(state, &filter, None, 9).unwrap().found;
        found.into_iter().filter_map(|find| find.leaf.key_id).collect::<Vec<_>>()
    };
    // In the gateway's own folder they are a convenience, and `rebuild` is the way out.
    assert_eq!(keys(state), ["k-9", "k-9"]);
    let copies = tempfile::tempdir().unwrap();
    let (alone, inside) = (copies.path().join("alone"), copies.path().join("inside"));
    std::fs::create_dir(&inside).unwrap();
    for copy in [&alone, &inside.join("ledger")] {
        crate::opening::world::copy(&log_folder(state), copy);
    }
    for copy in [&alone, &inside] {
        let before = crate::files::read_bounded(&read_folder(copy).join(INDEX_NAME), 1 << 20);
        assert_eq!(keys(copy), ["k-1", "k-1"], "{copy:?}");
        let after = crate::files::read_bounded(&read_folder(copy).join(INDEX_NAME), 1 << 20);
        assert_eq!(before.unwrap(), after.unwrap(), "nothing is written in a copy");
        let refused = tables::rebuild(copy).unwrap_err();
        assert!(refused.is::<Usage>(), "{refused:#}");
    }
    tables::rebuild(state).unwrap();
    assert_eq!(keys(state), ["k-1", "k-1"]);
}

/// Puts the published log of an earlier moment in the place of what is there: what came since has no signature.
fn set_checkpoint_back(state: &Path, add: impl Fn()) {
    let log = log_folder(state).join("log");
    let kept = tempfile::tempdir().unwrap();
    crate::opening::world::copy(&log, &kept.path().join("log"));
    add();
    std::fs::remove_dir_all(&log).unwrap();
    crate::opening::world::copy(&kept.path().join("log"), &log);
}

/// Whoever can write the disk can write leaves behind the checkpoint, and a checkpoint, and a key: none of it is shown as if it were ours.
#[test]
fn what_nobody_signed_is_shown_as_that() {
    type Harm = fn(&Path);
    let cases: [(&str, Harm, Option<u64>); 6] = [
        ("as it was left", |_| {}, Some(7)),
        ("an older checkpoint", |state| set_checkpoint_back(state, || append_more(state)), Some(7)),
        (
            "a checkpoint that another key has signed",
            |state| {
                let path = log_folder(state).join("log/checkpoint");
                let text = crate::files::read_text_bounded(&path, 4096).unwrap();
                let text = text.split_once("\n\n").unwrap().0.to_owned() + "\n";
                let key = NoteKey::generate("bartizan.log/1", &*Sources::real().entropy).unwrap();
                let mut note = bartizan_ledger::tlog::Note::unsigned(text).unwrap();
                note.sign(&key).unwrap();
                std::fs::write(&path, note.to_string()).unwrap();
                let vkey = log_folder(state).join("log.vkey");
                std::fs::write(vkey, key.verifier().to_string() + "\n").unwrap();
            },
            None,
        ),
        (
            "no vault: the key beside the log",
            |state| std::fs::remove_dir_all(state.join("vault")).unwrap(),
            Some(7),
        ),
        (
            "no vault, and no key",
            |state| {
                std::fs::remove_dir_all(state.join("vault")).unwrap();
                std::fs::remove_file(log_folder(state).join("log.vkey")).unwrap();
            },
            None,
        ),
        (
            "no vault, and what is no key",
            |state| {
                std::fs::remove_dir_all(state.join("vault")).unwrap();
                std::fs::write(log_folder(state).join("log.vkey"), "nothing\n").unwrap();
            },
            None,
        ),
    ];
    for (name, harm, signed) in cases {
        let folder = state(3);
        append_more(folder.path());
        harm(folder.path());
        let (mut tail, mut last) = tail::Tail::open(folder.path(), 100).unwrap();
        let marks = tail.marks(&last);
        assert_eq!(marks.is_some(), signed.is_some(), "{name}");
        let n_leaves = last.len() as u64;
        let unsigned = n_leaves - signed.unwrap_or(0).min(n_leaves);
        if let Some(marks) = marks {
            let marked = last.iter().zip(marks).map(|(entry, mark)| leaf_json(entry, mark));
            let n_marked = marked.filter(|json| json["unsigned"] == true).count() as u64;
            assert_eq!(n_marked, unsigned, "{name}");
        }
        let rows = tables::questions(folder.path()).unwrap();
        let mut n_marked = 0;
        let mut count = |leaf: bartizan_ledger::index::LeafRow| {
            n_marked += u64::from(leaf.unsigned);
            true
        };
        rows.leaves(None, None, &mut count).unwrap();
        assert_eq!(n_marked, unsigned, "{name}");
        let filter = bartizan_ledger::index::Filter::default();
        let found = search::search(folder.path(), &filter, None, 100).unwrap().found;
        let marked = found.iter().filter(|find| search::find_json(find)["unsigned"] == true);
        assert_eq!(marked.count() == 0, unsigned == 0, "{name}");
        // What is followed ends where the signature ends.
        tail.hold_back(&mut last);
        assert_eq!(last.len() as u64, n_leaves - unsigned, "{name}");
        match tail.more() {
            Ok(more) => assert!(signed.is_some() && more.is_empty(), "{name}: {more:?}"),
            Err(error) => assert!(signed.is_none(), "{name}: {error:#}"),
        }
    }
}

/// A copy of `ledger/` alone is read like a state folder that has it inside, and whatever else is named is no ledger.
#[test]
fn a_copy_of_the_ledger_alone_is_read_too() {
    let folder = state(2);
    let copies = tempfile::tempdir().unwrap();
    let alone = copies.path().join("copy");
    crate::opening::world::copy(&log_folder(folder.path()), &alone);
    let trusted =
        Trusted { keys: vault::published_keys(&log_folder(folder.path())).unwrap(), policy: None };
    let (one, other) = (verify_with(folder.path(), &trusted), verify_with(&alone, &trusted));
    assert!(one.is_fine() && other.is_fine(), "{one:?} {other:?}");
    // The one has the key that knows what came behind the checkpoint, if anything did.
    assert_eq!(one.headline(), other.headline());
    assert!(one.headline().starts_with("verified: 4 signed leaves, root "), "{}", one.headline());
    assert_eq!(last(&alone, 9).unwrap(), last(folder.path(), 9).unwrap());
    assert_eq!(leaves_of(&alone, "0101").unwrap().1, leaves_of(folder.path(), "0101").unwrap().1);
    assert!(tables::questions(&alone).is_ok());
    assert!(!alone.join(INDEX_NAME).exists(), "a copy is evidence: nothing is made in it");
    assert!(!alone.join("ledger").exists());
    for (name, path) in
        [("nothing", copies.path().join("absent")), ("empty", copies.path().join("empty"))]
    {
        if name == "empty" {
            std::fs::create_dir(&path).unwrap();
        }
        let told = verify_with(&path, &trusted);
        assert!(told.headline().contains("there is no ledger in"), "{name}: {}", told.headline());
    }
    // A ledger that lost its beginning is a ledger that lost its beginning.
    std::fs::remove_file(alone.join("segment-00000000.log")).unwrap();
    let told = verify_with(&alone, &trusted);
    assert!(!told.is_fine(), "{told:?}");
}

/// The first bad leaf is named to whoever has the key of before a rotation, too, wherever it stands; and a note alone makes no key a trusted one.
#[test]
fn damage_is_told_to_the_holder_of_an_old_key() {
    let world = crate::opening::world::World::new();
    world.records(1, &["alice", "bob"]);
    let peek = || Vault::peek(&world.state(), &world.sources).unwrap().signer;
    let old = peek();
    crate::rotation::rotate_log(&world.place(), &world.sources).unwrap();
    world.records(3, &["carol"]);
    let by =
        |key: &NoteKey| Trusted { keys: vec![VerifierKey::of_log(key).unwrap()], policy: None };
    let new = peek();
    assert!(verify_with(&world.state(), &by(&old)).is_fine());
    let segment = log_folder(&world.state()).join("segment-00000000.log");
    let whole = crate::files::read_bounded(&segment, 64 << 20).unwrap();
    for leaf in 0..4 {
        let entry = last(&world.state(), 100).unwrap().remove(leaf);
        let mut bytes = whole.clone();
        bytes[usize::try_from(entry.offset).unwrap() + 30] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let told = [&old, &new].map(|key| verify_with(&world.state(), &by(key)).headline());
        assert!(told[0].starts_with("not verified: segment 0"), "{leaf}: {}", told[0]);
        assert_eq!(told[0], told[1], "{leaf}");
        std::fs::write(&segment, &whole).unwrap();
    }
    // Whoever has both keys can write a note; the log has to have said so before.
    let notes = handover::noted(&world.state());
    let lie = handover::Handover { event: 0, ..notes[0].clone() };
    lie.write(&log_folder(&world.state()), &*old, &*new).unwrap();
    let told = verify_with(&world.state(), &by(&old));
    assert!(!told.is_fine() && told.handovers.is_empty(), "{told:?}");
    assert!(told.headline().contains("the log has no record of that"), "{}", told.headline());
    assert!(told.verdict.signed_by.is_empty(), "{told:?}");
    assert!(verify_with(&world.state(), &by(&new)).is_fine());
}

/// A leaf below the checkpoint that was changed with its checksums is not called signed, nor is any where the tiles are not those that were signed.
#[test]
fn what_was_changed_below_the_checkpoint_is_not_called_signed() {
    let folder = state(2);
    let (mut tail, last) = tail::Tail::open(folder.path(), 100).unwrap();
    assert_eq!(tail.marks(&last), Some(vec![Mark::Signed; 4]));
    let mut forged = last.clone();
    forged[1].leaf_hash = forged[2].leaf_hash;
    forged[3].index = 4;
    let want = [Mark::Signed, Mark::Changed, Mark::Signed, Mark::Unsigned];
    assert_eq!(tail.marks(&forged), Some(want.to_vec()));
    assert_eq!(Mark::outcome(&want).code(), 3);
    assert_eq!(Mark::outcome(&[Mark::Signed, Mark::Unsigned]).code(), 0);
    let tiles = log_folder(folder.path()).join("log/tile/0/000.p");
    for entry in std::fs::read_dir(&tiles).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = crate::files::read_bounded(&path, 8192).unwrap();
        bytes[0] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let (mut tail, last) = tail::Tail::open(folder.path(), 100).unwrap();
    assert_eq!(tail.marks(&last), Some(vec![Mark::Changed; 4]), "nobody can say");
    assert_eq!(leaf_row(&last[0], Mark::Changed)[7], "CHANGED");
    assert_eq!(leaf_json(&last[0], Mark::Changed)["unsigned"], true);
}
/// Not root, and not a folder that root may read all the same: a link that leads to itself.
#[test]
fn a_folder_that_cannot_be_read_is_not_called_absent() {
    let folder = tempfile::tempdir().unwrap();
    let (none, broken) = (folder.path().join("none"), folder.path().join("broken"));
    for state in [&none, &broken] {
        std::fs::create_dir(state).unwrap();
    }
    std::os::unix::fs::symlink("ledger", broken.join("ledger")).unwrap();
    for (state, is_absent) in [(&none, true), (&broken, false)] {
        let told = [
            format!("{:#}", last(state, 1).map(|_| ()).unwrap_err()),
            verify(state).problem.unwrap(),
        ];
        for told in told {
            assert_eq!(told.contains("there is no ledger"), is_absent, "{told}");
            assert_eq!(told.contains("could not"), !is_absent, "{told}");
        }
    }
}

/// An older copy of the ledger is whole by itself; the vault beside it knows better.
#[test]
fn a_ledger_that_the_vault_knows_longer_is_not_verified() {
    let world = crate::opening::world::World::new();
    world.records(1, &["alice"]);
    let older = tempfile::tempdir().unwrap();
    let (ledger, kept) = (log_folder(&world.state()), older.path().join("ledger"));
    crate::opening::world::copy(&ledger, &kept);
    world.records(2, &["bob"]);
    let told = || verify_with(&world.state(), &Trusted::default()).against(&world.state(), 0);
    assert!(told().is_fine(), "{:?}", told());
    std::fs::remove_dir_all(&ledger).unwrap();
    crate::opening::world::copy(&kept, &ledger);
    assert!(verify(&world.state()).verified, "whoever has no vault cannot know");
    let told = told();
    assert!(!told.is_fine(), "{told:?}");
    for part in ["not verified: ", "ends after 1 leaves, and the vault knows 2"] {
        assert!(told.headline().contains(part), "no `{part}` in {}", told.headline());
    }
}

/// What the vault knows and nobody can understand is no reason to believe the ledger beside it: an older one may lie there.
#[test]
fn an_anchor_that_says_nothing_is_told() {
    type Harm<'h> = &'h dyn Fn(&Path);
    let edit = |path: &Path, from: &str, to: &str| {
        let text = crate::files::read_text_bounded(path, 1 << 20).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    let cases: [(&str, Harm<'_>, bool, &str); 7] = [
        ("as it was", &|_| {}, true, ""),
        ("absent", &|path| std::fs::remove_file(path).unwrap(), true, "is not there"),
        ("empty", &|path| std::fs::write(path, "").unwrap(), false, "is damaged"),
        ("not text", &|path| std::fs::write(path, [0xff; 64]).unwrap(), false, "is damaged"),
        (
            "of a later build",
            &|path| edit(path, "\"version\":3", "\"version\":9"),
            false,
            "version 9",
        ),
        (
            "no plain file",
            &|path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            false,
            "cannot read",
        ),
        (
            "written by hand",
            &|path| edit(path, "\"keys\":[]", "\"keys\":[\"00\"]"),
            true,
            "was not left like that",
        ),
    ];
    for (name, harm, is_fine, want) in cases {
        let world = crate::opening::world::World::new();
        world.records(1, &["alice", "bob"]);
        harm(&world.state().join("vault/anchor.json"));
        let told = verify_with(&world.state(), &Trusted::default()).against(&world.state(), 0);
        assert_eq!(told.is_fine(), is_fine, "{name}: {told:?}");
        let said = if is_fine { told.warnings.join("\n") } else { told.headline() };
        assert!(said.contains(want), "{name}: {said}");
        let n_warnings = 1 + usize::from(is_fine && !want.is_empty());
        assert_eq!(told.warnings.len(), n_warnings, "{name}: {:?}", told.warnings);
        assert_eq!(told.json()["warnings"], serde_json::json!(told.warnings), "{name}");
        // The way out is in what is said, and a start says the same.
        if want == "is damaged" {
            assert!(said.contains("take the file away"), "{name}: {said}");
            assert!(world.open().is_err(), "{name}");
        }
    }
}

/// A checkpoint of another log says nothing of how many leaves there should be here: nobody is told that the end was cut off.
#[test]
fn a_checkpoint_of_another_log_is_called_that() {
    let (folder, other) = (state(2), state(5));
    let path = |state: &Path, name: &str| log_folder(state).join("log").join(name);
    std::fs::copy(path(other.path(), "checkpoint"), path(folder.path(), "checkpoint")).unwrap();
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy");
    crate::opening::world::copy(&log_folder(folder.path()), &copy);
    for state in [folder.path(), &copy] {
        let told = [
            ("verify", verify(state).problem.unwrap()),
            ("list", format!("{:#}", last(state, 9).unwrap_err())),
            ("search", format!("{:#}", tables::questions(state).map(|_| ()).unwrap_err())),
            ("prove", format!("{:#}", leaves_of(state, "0101").unwrap_err())),
        ];
        for (verb, told) in told {
            assert!(told.contains("log/checkpoint is that of the log"), "{verb}: {told}");
        }
    }
}

/// A file that was made longer costs its maker nothing, and must not cost us its length.
#[test]
fn a_segment_that_was_made_longer_is_refused_unread() {
    let folder = state(2);
    let segment = log_folder(folder.path()).join("segment-00000000.log");
    let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
    for bytes in [(2 << 30) + 1, 200 << 30] {
        file.set_len(bytes).unwrap();
        let told = verify(folder.path());
        assert!(!told.verified, "{bytes}");
        assert!(told.problem.unwrap().contains(&format!("has {bytes} bytes")), "{bytes}");
        assert!(last(folder.path(), 9).is_err(), "{bytes}");
    }
}

/// Leaves that were written with a clock that was set back are told, and are no reason to call anything changed.
#[test]
fn time_that_goes_back_is_told() {
    for (name, steps_ms, want) in [
        ("forwards", &[0, 1_000, 500_000][..], None),
        ("a little back", &[0, 500_000, 380_000], None),
        ("back", &[0, 500_000, 379_999], Some((2, 1, 120_001))),
        ("back for long", &[900_000, 0, 1, 700_000, 800_000], Some((1, 3, 900_000))),
    ] {
        let folder = state(0);
        let sources = Sources::real();
        let disk = Arc::new(FsDisk::lock(&log_folder(folder.path())).unwrap());
        let vault = Vault::open(folder.path(), &sources).unwrap();
        let (clock, entropy) = (sources.clock, sources.entropy);
        let parts = Parts { disk, clock, entropy, sealer: vault.keys, signer: vault.signer };
        let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (n, step_ms) in (1..).zip(steps_ms) {
            let leaf = Leaf::new(id(n), RecordKind::Reveal, 1_763_875_569_000 + step_ms);
            runtime.block_on(ledger.append(Draft::new(leaf, Vec::new()))).unwrap();
        }
        drop(ledger);
        let told = verify(folder.path());
        let back = told.time_back.map(|back| (back.first, back.leaves, back.most_ms));
        assert!(told.verified, "{name}: {told:?}");
        assert_eq!(back, want, "{name}");
        assert_eq!(told.doubt().is_some(), want.is_some(), "{name}");
    }
}

/// What a leaf commits to can be computed again from what `show --json` says, by anybody.
#[test]
fn what_a_leaf_commits_to_is_shown() {
    let folder = state(1);
    let lens = Lens::new(folder.path(), &Sources::real(), false).unwrap();
    let leaves = record(folder.path(), "0000", &lens).unwrap();
    let root = |json: &Value, entry: &Entry, field: &str| {
        let slots = entry.payloads.iter().flat_map(|stored| {
            let text = json["stored"][stored.slot.name()][field].as_str().unwrap();
            let digest: bartizan_core::digest::Digest = text.parse().unwrap();
            [&[stored.slot.code()][..], &digest.0].concat()
        });
        bartizan_ledger::merkle::sha256(&slots.collect::<Vec<_>>()).to_string()
    };
    let (entry, payloads) = &leaves[0];
    let json = record_json(entry, payloads, Mark::Signed);
    assert_eq!(json["stored"].as_object().unwrap().len(), 2);
    assert_eq!(json["payload_root"], root(&json, entry, "sha256"));
    assert_eq!(json["key_commitment"], root(&json, entry, "key_commitment"));
    let (entry, payloads) = &leaves[1];
    let json = record_json(entry, payloads, Mark::Signed);
    assert!(json["payload_root"].is_null() && json["stored"] == json!({}), "{json}");
}
