use super::*;
use crate::audit::{Trusted, verify, verify_with};
use crate::opening::world::World;
use bartizan_core::record::{Draft, Leaf, Recorder as _};
use bartizan_keys::VerifierKey;
use bartizan_ledger::tlog;
use std::fs;

const STEPS: [Step; 8] = [
    Step::Made,
    Step::Recorded,
    Step::Closed,
    Step::CrossSigned,
    Step::HandedOver,
    Step::Published,
    Step::Replaced,
    Step::Done,
];

/// What is done to a note.
type Harm<'h> = &'h dyn Fn(&World, &Path);

pub(super) fn log_key(world: &World) -> tlog::VerifierKey {
    let vault = vault::Vault::peek(&world.state(), &world.sources).unwrap();
    tlog::VerifierKey::of_log(&*vault.signer).unwrap()
}

pub(super) fn by(key: &tlog::VerifierKey) -> Trusted {
    Trusted { keys: vec![key.clone()], policy: None }
}

#[test]
fn a_crash_at_any_step_leaves_a_log_that_opens_and_that_the_old_key_leads_through() {
    for step in STEPS {
        let world = World::new();
        world.records(1, &["alice"]);
        let old = log_key(&world);
        let old_text = crate::key_file::read(&world.state().join("vault/log.key")).unwrap();
        rotate_log_until(step, &world.place(), &world.sources).unwrap();
        let check = |when: &str| {
            let told = verify(&world.state());
            assert!(told.verified, "{step:?}, {when}: {told:?}");
            let told = verify_with(&world.state(), &by(&old));
            assert!(told.verdict.verified, "{step:?}, {when}, old key: {:?}", told.verdict);
            told.handovers.len()
        };
        check("as it was left");
        world.records(2, &["bob"]);
        let now = log_key(&world);
        assert_eq!(
            now != old,
            Step::Published <= step,
            "{step:?}: from then on a start goes forward"
        );
        check("after a start");
        rotate_log(&world.place(), &world.sources).unwrap();
        let latest = log_key(&world);
        assert!(latest != old && latest != now, "{step:?}");
        let n_handovers = if Step::Published <= step { 2 } else { 1 };
        assert_eq!(check("finished"), n_handovers, "{step:?}");
        world.records(3, &["carol"]);
        assert_eq!(check("and used"), n_handovers, "{step:?}");
        assert_eq!([1, 2, 3].map(|n| world.shown(n)), ["clear"; 3], "{step:?}");
        for entry in fs::read_dir(world.state().join("vault")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.contains(".next") && !name.contains(".old"), "{step:?}: {name}");
            let bytes = crate::files::read_bounded(&path, 8 << 20).unwrap();
            let found = bytes.windows(old_text.len()).any(|part| part == old_text.as_slice());
            assert!(!found, "{step:?}: the old key stands in {name}");
        }
    }
}

#[test]
fn the_ledger_says_which_key_came_and_the_old_one_signed_that() {
    let world = World::new();
    world.records(1, &["alice"]);
    let old: VerifierKey = log_key(&world).to_string().parse().unwrap();
    rotate_log(&world.place(), &world.sources).unwrap();
    let new: VerifierKey = log_key(&world).to_string().parse().unwrap();
    let lens = audit::Lens::new(&world.state(), &world.sources, false).unwrap();
    let leaves = audit::last(&world.state(), 10).unwrap();
    let event = leaves.iter().find(|entry| entry.leaf.kind == RecordKind::KeyEvent).unwrap();
    let shown = audit::record(&world.state(), &event.leaf.record.to_string(), &lens).unwrap();
    let evidence: Value = serde_json::from_str(&shown[0].1[0].1.text()).unwrap();
    assert_eq!(evidence["old"], old.to_string());
    assert_eq!(evidence["new"], new.to_string());
    let signature: [u8; 64] =
        bartizan_core::digest::parse_hex(evidence["signature"].as_str().unwrap()).unwrap();
    let text = format!("bartizan key announcement v1\n{old}\n{new}\n");
    assert!(old.verifies(text.as_bytes(), &signature), "{evidence}");
}

#[test]
fn an_old_key_leads_on_only_by_what_it_signed_and_the_log_bears_out() {
    let stranger = NoteKey::generate("bartizan.log/1", &*Sources::real().entropy).unwrap();
    let stranger = tlog::VerifierKey::of_log(&stranger).unwrap();
    let note = |world: &World| {
        let files = fs::read_dir(audit::log_folder(&world.state())).unwrap();
        let mut paths = files.map(|entry| entry.unwrap().path());
        paths.find(|path| path.to_string_lossy().contains("handover-")).unwrap()
    };
    let harms: [(&str, Harm<'_>); 4] = [
        ("no note", &|_, path| fs::remove_file(path).unwrap()),
        ("an edited note", &|_, path| {
            let text = crate::files::read_text_bounded(path, 4096).unwrap();
            fs::write(path, text.replacen("event 1", "event 0", 1)).unwrap();
        }),
        ("another log's note", &|_, path| {
            let other = World::new();
            other.records(1, &["zoe"]);
            rotate_log(&other.place(), &other.sources).unwrap();
            fs::copy(note(&other), path).unwrap();
        }),
        ("not text", &|_, path| fs::write(path, [0xff; 100]).unwrap()),
    ];
    for (name, harm) in harms {
        let world = World::new();
        world.records(1, &["alice"]);
        let old = log_key(&world);
        rotate_log(&world.place(), &world.sources).unwrap();
        world.records(2, &["bob"]);
        assert!(verify_with(&world.state(), &by(&old)).verdict.verified, "{name}");
        assert!(!verify_with(&world.state(), &by(&stranger)).verdict.verified, "{name}");
        harm(&world, &note(&world));
        let told = verify_with(&world.state(), &by(&old)).verdict;
        assert!(!told.verified, "{name}: {told:?}");
        assert!(
            told.problem.as_deref().is_some_and(|text| text.contains("trusted keys")),
            "{name}"
        );
        assert!(verify(&world.state()).verified, "{name}: the newest key still does");
    }
}

/// Puts leaves behind the checkpoint that a stranger's key vouches for: those of a copy of the log that it went on with.
fn forge_tail(world: &World) {
    let ledger = audit::log_folder(&world.state());
    let copy = world.folder.path().join("forged");
    opening::world::copy(&ledger, &copy);
    let name = log_key(world).name().to_owned();
    let stranger = NoteKey::generate(&name, &*world.sources.entropy).unwrap();
    let honest = vault::Vault::peek(&world.state(), &world.sources).unwrap().signer;
    cross_sign(&FsDisk::lock(&copy).unwrap(), &*honest, &stranger).unwrap();
    let parts = bartizan_ledger::Parts {
        disk: Arc::new(FsDisk::lock(&copy).unwrap()),
        clock: Arc::clone(&world.sources.clock),
        entropy: Arc::clone(&world.sources.entropy),
        sealer: Arc::new(bartizan_testkit::SimSealer::new()),
        signer: Arc::new(stranger),
    };
    let (forged, _) =
        bartizan_ledger::Ledger::open(parts, bartizan_ledger::Options::default()).unwrap();
    let leaf = Leaf::new(RecordId([66; 16]), RecordKind::Tombstone, 1);
    world.wait(forged.append(Draft::new(leaf, Vec::new()))).unwrap();
    drop(forged);
    for entry in fs::read_dir(&copy).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("segment-") {
            fs::copy(&path, ledger.join(name)).unwrap();
        }
    }
}

#[test]
fn a_forged_tail_is_cut_off_by_order_and_the_ledger_says_so() {
    let world = World::new();
    world.records(1, &["alice", "bob"]);
    assert!(accept(&world.place(), true, &world.sources).unwrap().is_none(), "nothing to cut");
    forge_tail(&world);
    let said = format!("{:#}", world.open().map(|_| ()).unwrap_err());
    assert!(said.contains("vault accept --cut-tail"), "{said}");
    let said = accept(&world.place(), false, &world.sources).map(|_| ()).unwrap_err();
    assert!(format!("{said:#}").contains("--cut-tail"), "it takes the word: {said:#}");

    let accepted = accept(&world.place(), true, &world.sources).unwrap().unwrap();
    assert_eq!((accepted.known, accepted.leaves, accepted.index), (None, 2, 2));
    let cut = accepted.cut.unwrap();
    assert_eq!(cut.copies.len(), 1, "{cut:?}");
    for name in &cut.copies {
        let path = audit::log_folder(&world.state()).join(name);
        assert_eq!(fs::metadata(path).unwrap().len(), cut.bytes);
    }
    assert!(accept(&world.place(), true, &world.sources).unwrap().is_none(), "once is enough");
    world.records(3, &["carol"]);
    assert!(verify(&world.state()).verified);
    assert_eq!([1, 2, 3].map(|n| world.shown(n)), ["clear"; 3]);
    let lens = audit::Lens::new(&world.state(), &world.sources, false).unwrap();
    let leaves = audit::last(&world.state(), 10).unwrap();
    let record = leaves[2].leaf.record.to_string();
    let shown = audit::record(&world.state(), &record, &lens).unwrap();
    let evidence: Value = serde_json::from_str(&shown[0].1[0].1.text()).unwrap();
    assert_eq!(evidence["action"], "accept_cut_tail");
    assert_eq!((&evidence["leaves"], &evidence["copies"]), (&2.into(), &json!(cut.copies)));
}

/// The checkpoint that lies there may be an older one: what a newer one stood for is never cut off, and nobody is told to do so.
#[test]
fn what_the_vault_knows_to_be_signed_is_never_cut_off() {
    let world = World::new();
    world.records(1, &["alice", "bob"]);
    world.keep("ledger", "old-ledger");
    world.records(3, &["carol"]);
    world.put_back("old-ledger", "ledger");
    forge_tail(&world);
    let segment = audit::log_folder(&world.state()).join("segment-00000000.log");
    let before = crate::files::read_bounded(&segment, 64 << 20).unwrap();
    let said = format!("{:#}", world.open().map(|_| ()).unwrap_err());
    assert!(!said.contains("--cut-tail"), "{said}");
    for cuts_tail in [true, false] {
        let said = accept(&world.place(), cuts_tail, &world.sources).map(|_| ()).unwrap_err();
        let said = format!("{said:#}");
        for part in ["stands for 2 leaves, and the vault knows 3", "an older one"] {
            assert!(said.contains(part) && !said.contains("--cut-tail"), "{cuts_tail}: {said}");
        }
        let after = crate::files::read_bounded(&segment, 64 << 20).unwrap();
        assert!(after == before, "nothing was cut");
    }
}

/// What a start says of a damaged tile is done word for word, also where an earlier key has written the leaves.
#[test]
fn tiles_that_were_damaged_after_a_rotation_are_made_again_as_the_error_says() {
    let world = World::new();
    world.records(1, &["alice", "bob"]);
    let old = log_key(&world);
    rotate_log(&world.place(), &world.sources).unwrap();
    world.records(3, &["carol"]);
    let ledger = audit::log_folder(&world.state());
    let n_leaves = audit::last(&world.state(), 100).unwrap().len();
    let tile = ledger.join(format!("log/tile/0/000.p/{n_leaves}"));
    let mut bytes = crate::files::read_bounded(&tile, 8192).unwrap();
    bytes[3] ^= 1;
    fs::write(&tile, bytes).unwrap();
    let said = format!("{:#}", world.open().map(|_| ()).unwrap_err());
    let folder = said.split("move the folder ").nth(1).and_then(|rest| rest.split(' ').next());
    assert_eq!(folder, Some("log/tile"), "{said}");
    assert!(said.contains("leave log/checkpoint where it is"), "{said}");
    fs::rename(ledger.join(folder.unwrap()), world.folder.path().join("away")).unwrap();
    assert_eq!(world.open().unwrap().recovery.leaves, n_leaves as u64);
    assert!(verify(&world.state()).verified);
    assert!(verify_with(&world.state(), &by(&old)).verdict.verified, "and the old key leads on");
    world.records(4, &["dave"]);
    assert_eq!([1, 2, 3, 4].map(|n| world.shown(n)), ["clear"; 4]);
    assert!(verify(&world.state()).verified);
}

#[test]
fn a_tenants_key_that_was_not_replaced_is_not_said_to_be() {
    let world = World::new();
    world.records(1, &["alice"]);
    let events = || -> Vec<String> {
        let lens = audit::Lens::new(&world.state(), &world.sources, false).unwrap();
        let leaves = audit::last(&world.state(), 100).unwrap();
        let events = leaves.iter().filter(|entry| entry.leaf.kind == RecordKind::KeyEvent);
        let told = |record: RecordId| {
            let shown = audit::record(&world.state(), &record.to_string(), &lens).unwrap();
            let evidence: Value = serde_json::from_str(&shown[0].1[0].1.text()).unwrap();
            evidence["event"].as_str().unwrap().to_owned()
        };
        events.map(|entry| told(entry.leaf.record)).collect()
    };
    let ledger = world.place().ledger().unwrap();
    let mut opened = world.open().unwrap();
    // The new store cannot be written: a folder has its name.
    let unready = world.state().join("vault/keys.slots.new");
    fs::create_dir(&unready).unwrap();
    let failed = world.wait(replace_tenant(&mut opened, &ledger, &world.sources));
    let said = format!("{:#}", failed.unwrap_err());
    assert!(said.contains("was not replaced, and the ledger says so"), "{said}");
    opened.close(&world.sources).unwrap();
    fs::remove_dir(&unready).unwrap();
    assert_eq!(events(), ["rotating", "rotation_failed"]);
    assert_eq!(world.shown(1), "clear", "the old key goes on");
    assert_eq!(rotate_tenant(&world.place(), &world.sources).unwrap(), 4);
    assert_eq!(events(), ["rotating", "rotation_failed", "rotating", "rotated"]);
    assert_eq!(world.shown(1), "clear");
    // The store has changed hands, and the file of the present key is torn: the next key is there still, and is taken.
    let vault = world.state().join("vault");
    fs::copy(vault.join("tenant.key"), vault.join("tenant.key.next")).unwrap();
    fs::write(vault.join("tenant.key"), "PRIVATE+KEY").unwrap();
    drop(world.open().unwrap());
    assert!(!vault.join("tenant.key.next").exists());
    assert_eq!(world.shown(1), "clear");
}

#[test]
fn notes_that_are_none_do_not_hide_the_one_that_is() {
    let world = World::new();
    world.records(1, &["alice"]);
    let old = log_key(&world);
    rotate_log(&world.place(), &world.sources).unwrap();
    let ledger = audit::log_folder(&world.state());
    // As many as are looked into, and more; some of them as well signed as they can be without the log's key.
    let strangers: Vec<_> = (0..70)
        .map(|_| NoteKey::generate(log_key(&world).name(), &*world.sources.entropy).unwrap())
        .collect();
    let leaf = audit::last(&world.state(), 100).unwrap();
    let event = leaf.iter().find(|entry| entry.leaf.kind == RecordKind::KeyEvent).unwrap();
    let event = Receipt { index: event.index, leaf_hash: event.leaf_hash };
    let published = Published::find(&FsDisk::read_only(&ledger)).unwrap().unwrap();
    let checkpoint = published.checkpoint().unwrap().unwrap();
    for pair in strangers.windows(2) {
        let [one, other] = pair else { continue };
        let handover = Handover::new(one, other, event, &checkpoint).unwrap();
        handover.write(&ledger, one, other).unwrap();
    }
    for n in 0..1_100 {
        fs::write(ledger.join(format!("handover-{n:08x}.note")), "junk").unwrap();
    }
    let told = verify_with(&world.state(), &by(&old));
    assert!(told.verdict.verified, "{:?}", told.verdict);
    assert_eq!(told.handovers.len(), 1, "and the strangers hand over to nobody whom we know");
}

#[test]
fn a_log_that_was_contradicted_is_recorded_and_not_signed_until_somebody_accepts_that() {
    let world = World::new();
    world.records(1, &["alice"]);
    let ledger = audit::log_folder(&world.state());
    let signed = || {
        let published = Published::find(&FsDisk::read_only(&ledger)).unwrap().unwrap();
        published.checkpoint().unwrap().unwrap().checkpoint().size()
    };
    fs::write(ledger.join(contradiction::CONTRADICTION_FILE), "{}").unwrap();
    world.records(2, &["bob"]);
    let told = verify(&world.state());
    assert!(told.verified && told.rest.leaves == 1 && told.rest.is_vouched, "{told:?}");
    assert_eq!((signed(), world.shown(2)), (1, "clear"));
    let said = format!("{:#}", rotate_log(&world.place(), &world.sources).unwrap_err());
    assert!(said.contains("contradicts itself") && said.contains("vault accept"), "{said}");
    let accepted = accept(&world.place(), false, &world.sources).unwrap().unwrap();
    let shown = accepted.contradiction.as_ref().unwrap();
    assert!(shown.contains("cannot be understood"), "{shown}");
    assert_eq!((accepted.index, signed()), (2, 3), "the decision is signed, and all before it");
    assert!(accept(&world.place(), false, &world.sources).unwrap().is_none(), "once is enough");
    rotate_log(&world.place(), &world.sources).unwrap();
    assert!(verify(&world.state()).verified);
}
