use super::*;
use crate::audit::payloads;
use crate::audit::search::Subject;
use crate::opening::Opened;
use crate::opening::world::{DAY_MS as WORLD_DAY_MS, START_MS, World, copy};
use crate::orders::{self, Answer, Order};
use crate::vault::{Anchoring, Vault};
use bartizan_core::clock::Entropy;
use bartizan_core::record::{Draft, Recorder as _};
use bartizan_ledger::tlog::Checkpoint;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

fn erase(world: &World, subject: &str) {
    let tag = Vault::peek(&world.state(), &world.sources).unwrap().keys.tag(subject).unwrap();
    let order = Order::Erase { tag: tag.to_string(), by: "me".to_owned() };
    let answer = orders::give(&world.place(), &order, &world.sources).unwrap();
    assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
}

/// Four leaves: Alice, Bob and Zoe are recorded, and Zoe is erased; both folders are kept as `old`. Alice is erased, more is recorded, and both
/// are kept as `new`: six leaves.
fn grown() -> World {
    let world = World::new();
    world.records(1, &["alice", "bob", "zoe"]);
    erase(&world, "zoe");
    for part in ["vault", "ledger"] {
        world.keep(part, &format!("old-{part}"));
    }
    erase(&world, "alice");
    world.wall.set_ms(START_MS + 2 * CUT_SHORT_MAX_MS);
    world.records(4, &["bob"]);
    for part in ["vault", "ledger"] {
        world.keep(part, &format!("new-{part}"));
    }
    assert_eq!([1, 2, 3, 4].map(|n| world.shown(n)), ["erased", "clear", "erased", "clear"]);
    world
}

/// What is done to a state folder.
type Harm<'h> = &'h dyn Fn(&World);

fn edit(world: &World, change: impl FnOnce(&mut File)) {
    let mut file = File::read(&world.state()).unwrap().unwrap();
    change(&mut file);
    fs::write(path(&world.state()), serde_json::to_vec(&file).unwrap()).unwrap();
}

/// Every file of a folder with its bytes.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
        } else {
            all.push((path.clone(), files::read_bounded(&path, 64 << 20).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_ledger_that_the_vault_knows_to_be_older_is_not_added_to() {
    let cases: [(&str, Harm<'_>, &str); 6] = [
        (
            "it is gone",
            &|world| fs::remove_dir_all(world.state().join("ledger")).unwrap(),
            "is it mounted?",
        ),
        (
            "an older copy",
            &|world| world.put_back("old-ledger", "ledger"),
            "an older copy was restored",
        ),
        (
            "an older copy that went on",
            &|world| {
                world.put_back("old-ledger", "ledger");
                world.put_back("old-vault", "vault");
                world.records(9, &["dave", "erin", "frank"]);
                world.put_back("new-vault", "vault");
            },
            "says something else about its first",
        ),
        (
            "another log's anchor",
            &|world| edit(world, |file| file.origin = "other.log/1".to_owned()),
            "belongs to the log other.log/1",
        ),
        (
            "a damaged anchor",
            &|world| fs::write(path(&world.state()), "{\"leaves\":9999999,\"keys\":[]}").unwrap(),
            "take the file away",
        ),
        ("a newer build's", &|world| edit(world, |file| file.version = 9), "has version 9"),
    ];
    for (name, harm, want) in cases {
        let world = grown();
        harm(&world);
        // The lock of the folder is not part of the log.
        fs::create_dir_all(world.state().join("ledger")).unwrap();
        fs::set_permissions(world.state().join("ledger"), fs::Permissions::from_mode(0o700))
            .unwrap();
        fs::write(world.state().join("ledger/lock"), "").unwrap();
        let before = content(&world.state());
        let error = world.open().err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains(want), "{name}: no `{want}` in {error}");
        assert!(before == content(&world.state()), "{name}: nothing is changed");
    }
}

#[test]
fn whatever_vault_comes_back_nobody_is_resurrected() {
    let cases: [(&str, Harm<'_>, u64); 6] = [
        ("as it was left", &|_| {}, 0),
        ("an older vault", &|world| world.put_back("old-vault", "vault"), 2),
        (
            "an older vault without an anchor",
            &|world| {
                world.put_back("old-vault", "vault");
                fs::remove_file(path(&world.state())).unwrap();
            },
            6,
        ),
        (
            "older keys under the new anchor",
            &|world| {
                fs::copy(
                    world.folder.path().join("old-vault/keys.slots"),
                    world.state().join("vault/keys.slots"),
                )
                .unwrap();
            },
            0,
        ),
        (
            "older keys, and an anchor that claims to know it all",
            &|world| {
                fs::copy(
                    world.folder.path().join("old-vault/keys.slots"),
                    world.state().join("vault/keys.slots"),
                )
                .unwrap();
                edit(world, |file| file.keys.clear());
            },
            6,
        ),
        (
            "older keys, and an anchor without its mark",
            &|world| {
                world.put_back("old-vault", "vault");
                edit(world, |file| file.mark = None);
            },
            6,
        ),
    ];
    for (name, harm, n_read) in cases {
        let world = grown();
        harm(&world);
        // Readers come first: whoever looks before a start sees nothing of her either.
        assert_eq!(world.shown(1), "erased", "{name}");
        let found = Subject::find(&world.state(), "alice", &world.sources).unwrap();
        assert!(found.is_none(), "{name}: she cannot be searched for");
        let counts = payloads::opened(&world.state(), &world.sources).unwrap();
        let is_back = name != "as it was left";
        assert_eq!(
            (counts.resurrected, counts.is_fine()),
            (u64::from(is_back), !is_back),
            "{name}"
        );
        assert_eq!(counts.wrong.len(), usize::from(is_back), "{name}");
        let Opened { followed, anchor, .. } = world.open().unwrap();
        assert_eq!(
            followed,
            Followed { leaves: n_read, keys_back: usize::from(is_back), ..Followed::default() },
            "{name}"
        );
        assert_eq!(anchor.keys().len(), 2, "{name}");
        let counts = payloads::opened(&world.state(), &world.sources).unwrap();
        assert_eq!((counts.resurrected, counts.is_fine()), (0, true), "{name}");
        let shown = [1, 2, 3, 4].map(|n| world.shown(n));
        assert_eq!(shown, ["erased", "clear", "erased", "clear"], "{name}");
    }
}

#[test]
fn an_operator_may_go_on_with_what_is_left() {
    let world = grown();
    world.put_back("old-ledger", "ledger");
    assert!(world.open().is_err());
    let accepted = crate::rotation::accept(&world.place(), false, &world.sources).unwrap().unwrap();
    assert_eq!((accepted.known, accepted.leaves, accepted.index), (Some(6), 4, 4));
    assert_eq!(accepted.cut, None);
    let shown = [1, 2, 3].map(|n| world.shown(n));
    assert_eq!(shown, ["erased", "clear", "erased"], "who was erased stays gone");
    let counts = payloads::opened(&world.state(), &world.sources).unwrap();
    assert_eq!((counts.erased, counts.is_fine()), (2, true), "and the ledger knows of it again");
    assert!(crate::audit::verify(&world.state()).verified);
    assert!(
        crate::rotation::accept(&world.place(), false, &world.sources).unwrap().is_none(),
        "once is enough"
    );
    world.records(5, &["dave"]);
    let leaves = crate::audit::last(&world.state(), 10).unwrap();
    let kinds: Vec<_> = leaves.iter().map(|entry| entry.leaf.kind).collect();
    assert_eq!(kinds[4..6], [RecordKind::Decision, RecordKind::Tombstone]);
}

#[test]
fn a_checkpoint_that_was_never_durable_is_made_good_from_the_journal() {
    let world = World::new();
    world.records(1, &["alice", "bob"]);
    world.keep("ledger/log", "old-log");
    world.records(3, &["carol"]);
    world.put_back("old-log", "ledger/log");
    let Opened { anchor, recovery, .. } = world.open().unwrap();
    assert_eq!((anchor.size(), recovery.leaves), (3, 3));
}

/// Waits until a checkpoint stands for so many leaves.
fn checkpointed_at(opened: &Opened, size: u64) -> SignedCheckpoint {
    let (cosigner, start) = (opened.ledger.cosigner(), Instant::now());
    loop {
        match cosigner.latest() {
            Some(latest) if latest.checkpoint().size() == size => return latest,
            _ => assert!(start.elapsed().as_secs() < 20, "no checkpoint of {size} leaves"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_start_reads_again_what_came_since_the_anchor_and_no_more() {
    const N_BEFORE: u64 = 60;
    const N_AFTER: u64 = 7;
    let world = World::new();
    let mut opened = world.open().unwrap();
    (0..N_BEFORE).for_each(|_| world.record(&opened, 7, "alice"));
    let every_us = u64::try_from(ANCHOR_EVERY.as_micros()).unwrap();
    let written_us = opened.anchor.written_us;
    let latest = checkpointed_at(&opened, N_BEFORE);
    let tick = |opened: &mut Opened, latest, now_us| opened.anchor.tick(latest, now_us).unwrap();
    assert!(!tick(&mut opened, Some(&latest), written_us + every_us - 1), "not yet");
    assert!(tick(&mut opened, Some(&latest), written_us + every_us));
    assert!(!tick(&mut opened, Some(&latest), written_us + 3 * every_us), "nothing is new");
    (0..N_AFTER).for_each(|_| world.record(&opened, 8, "bob"));
    checkpointed_at(&opened, N_BEFORE + N_AFTER);
    // The power goes: what lies there now is what the next start finds.
    let crashed = World::new();
    copy(&world.state(), &crashed.state());
    let found = crashed.open().unwrap();
    assert_eq!(found.followed, Followed { leaves: N_AFTER, ..Followed::default() });
    drop(found);
    assert_eq!(crashed.open().unwrap().followed.leaves, 0, "a start keeps what it has read");
}

#[test]
fn many_leaves_are_followed_at_once() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    let signer = Arc::clone(&opened.vault.signer);
    let now_us = opened.anchor.written_us;
    for (size, want) in [
        (ANCHOR_LEAVES_MAX - 1, false),
        (ANCHOR_LEAVES_MAX, true),
        (ANCHOR_LEAVES_MAX + 1, false),
        (2 * ANCHOR_LEAVES_MAX, true),
    ] {
        let checkpoint = Checkpoint::new(signer.name(), size, Digest([1; 32])).unwrap();
        let latest = checkpoint.sign(&*signer).unwrap();
        assert_eq!(opened.anchor.tick(Some(&latest), now_us).unwrap(), want, "{size}");
    }
    assert!(!opened.anchor.tick(None, now_us).unwrap());
}

#[test]
fn time_that_was_believed_outlives_the_process() {
    let world = World::new();
    world.records(1, &["alice"]);
    let mut opened = world.open().unwrap();
    assert_eq!(opened.anchor.trusted_ms(), START_MS, "a new vault begins with the clock as it is");
    world.wall.set_day(5);
    opened.anchor.believe(&*world.sources.clock).unwrap();
    opened.close(&world.sources).unwrap();
    assert_eq!(trusted_ms(&world.state()).unwrap(), Some(START_MS + 5 * WORLD_DAY_MS));
    // So does what of it was a leap.
    let anchor = world.open().unwrap().anchor;
    assert_eq!(anchor.trusted_ms(), START_MS + 5 * WORLD_DAY_MS);
    let leaps_ms = File::read(&world.state()).unwrap().unwrap().leaps_ms;
    assert!((4 * WORLD_DAY_MS..=5 * WORLD_DAY_MS).contains(&leaps_ms), "{leaps_ms}");
    assert_eq!(anchor.time.leaps_ms, leaps_ms);
    assert!(world.state().join("vault").join(FILE).exists());
    assert!(Anchoring::Strict != Anchoring::SetBack);
}

/// The newest leaf may be a wrong clock's own, and so may the oldest: without a whole anchor it is the operator who says what time it is.
#[test]
fn without_a_whole_anchor_no_clock_is_believed_until_somebody_confirms_it() {
    let cases: [(&str, Harm<'_>); 3] = [
        ("no anchor", &|world| fs::remove_file(path(&world.state())).unwrap()),
        ("another time in it", &|world| {
            edit(world, |file| file.trusted_ms = START_MS + 7000 * WORLD_DAY_MS);
        }),
        ("no mark", &|world| edit(world, |file| file.mark = None)),
    ];
    for (name, harm) in cases {
        for day in [0, 10, 400] {
            let world = World::new();
            world.records(1, &["alice"]);
            harm(&world);
            world.wall.set_day(day);
            for start in ["the first", "and the next, which finds a whole one"] {
                let mut opened = world.open().unwrap();
                let believed = opened.anchor.believe(&*world.sources.clock);
                assert_eq!(believed, Err(Doubt::Unknown), "{name}, day {day}: {start}");
                opened.close(&world.sources).unwrap();
            }
            assert_eq!(world.shown(1), "clear", "{name}, day {day}: nothing expired");
            let told = Doubt::Unknown.to_string();
            assert!(told.contains("audit expire --confirm-clock"), "{told}");
            let order = Order::Expire { by: "me".to_owned() };
            let answer = orders::give(&world.place(), &order, &world.sources).unwrap();
            let n_expired = u64::from(day == 400);
            assert!(
                matches!(answer, Answer::Expired { keys, .. } if keys == n_expired),
                "{name}, day {day}: {answer:?}"
            );
            world.open().unwrap().anchor.believe(&*world.sources.clock).unwrap();
        }
    }
    // A vault that has seen nothing yet begins with the clock as it is, and one whose ledger was set back keeps what it believed.
    let world = grown();
    world.put_back("old-ledger", "ledger");
    crate::rotation::accept(&world.place(), false, &world.sources).unwrap().unwrap();
    world.open().unwrap().anchor.believe(&*world.sources.clock).unwrap();
    let said = {
        fs::write(path(&world.state()), "{").unwrap();
        format!("{:#}", world.open().map(|_| ()).unwrap_err())
    };
    assert!(said.contains("nobody knows which time was believed last"), "{said}");
}

/// Somebody who can write the disk, knows the format, and has no key: leaf `at` of the first segment becomes another one, and every checksum fits. The
/// others there lose their payloads on the way, so that none is the one that was signed.
fn forge(world: &World, at: u64, change: impl Fn(&mut Leaf)) {
    const FIRST: &str = "segment-00000000.log";
    let ledger = crate::audit::log_folder(&world.state());
    let entries = crate::audit::reader(&world.state()).unwrap().entries().unwrap();
    let entries: Vec<_> = entries.map(Result::unwrap).collect();
    assert!(entries.iter().any(|entry| 0 < entry.segment), "the first segment is an older one");
    let log_id = files::read_bounded(&ledger.join(FIRST), 64 << 20).unwrap()[16..32].to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let parts = bartizan_ledger::Parts {
        disk: Arc::new(FsDisk::lock(&path).unwrap()),
        clock: Arc::clone(&world.sources.clock),
        entropy: Arc::new(Same(log_id)),
        sealer: Arc::new(bartizan_testkit::SimSealer::new()),
        signer: Arc::new(NoteKey::generate("forger", &*world.sources.entropy).unwrap()),
    };
    let options = bartizan_ledger::Options::default();
    let (forged, _) = bartizan_ledger::Ledger::open(parts, options).unwrap();
    for entry in entries.into_iter().filter(|entry| entry.segment == 0) {
        let mut leaf = entry.leaf;
        if entry.index == at {
            change(&mut leaf);
        }
        world.wait(forged.append(Draft::new(leaf, Vec::new()))).unwrap();
    }
    drop(forged);
    fs::copy(path.join(FIRST), ledger.join(FIRST)).unwrap();
}

/// Chance that always gives the same.
#[derive(Debug)]
struct Same(Vec<u8>);

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

fn live_key(world: &World, subject: &str) -> Option<RecordId> {
    let keys = Vault::peek(&world.state(), &world.sources).unwrap().keys;
    keys.subject_key(keys.tag(subject).unwrap())
}

/// Six people and more, over three segments; `old-vault` knows the first of them, and `old-ledger` has two segments.
fn segmented() -> World {
    let world = World::with_short_segments();
    world.records(1, &["alice"]);
    world.keep("vault", "old-vault");
    world.records(2, &["bob", "carol", "dave", "erin"]);
    world.keep("ledger", "old-ledger");
    world.records(6, &["frank", "grace", "heidi"]);
    world.keep("vault", "new-vault");
    world.keep("ledger", "new-ledger");
    world
}

/// The ways on which leaves are followed that no start looked at.
fn routes() -> [(&'static str, Harm<'static>, Anchoring); 6] {
    [
        (
            "the anchor is gone",
            &|world| fs::remove_file(path(&world.state())).unwrap(),
            Anchoring::Strict,
        ),
        (
            "the anchor has no mark",
            &|world| edit(world, |file| file.mark = None),
            Anchoring::Strict,
        ),
        ("an older vault", &|world| world.put_back("old-vault", "vault"), Anchoring::Strict),
        (
            "an older vault without an anchor",
            &|world| {
                world.put_back("old-vault", "vault");
                fs::remove_file(path(&world.state())).unwrap();
            },
            Anchoring::Strict,
        ),
        (
            "an older ledger is accepted",
            &|world| world.put_back("old-ledger", "ledger"),
            Anchoring::SetBack,
        ),
        (
            "the anchor is gone, and all is accepted",
            &|world| fs::remove_file(path(&world.state())).unwrap(),
            Anchoring::SetBack,
        ),
    ]
}

/// What everybody says who would act on a tombstone.
fn refusals(world: &World, anchoring: Anchoring) -> Vec<(&'static str, Option<String>)> {
    let told = |done: anyhow::Result<()>| done.err().map(|error| format!("{error:#}"));
    let (state, sources) = (world.state(), &world.sources);
    let started = match anchoring {
        Anchoring::Strict => world.open().map(|_| ()),
        Anchoring::SetBack => crate::rotation::accept(&world.place(), false, sources).map(|_| ()),
    };
    vec![
        ("start", told(started)),
        ("show", told(crate::audit::Lens::new(&state, sources, true).map(|_| ()))),
        ("search", told(Subject::find(&state, "alice", sources).map(|_| ()))),
        ("verify --payloads", told(payloads::open_all(&state, sources).map(|_| ()))),
        ("export", told(Vault::read(&state, sources).map(|_| ()))),
    ]
}

/// What is done to a leaf.
type Change = fn(&mut Leaf);

/// The first leaf that was looked at is named, and what to do.
fn names_leaf(told: &str, name: &str) {
    assert!([" leaf 0: ", " leaf 1: "].iter().any(|leaf| told.contains(leaf)), "{name}: {told}");
    assert!(told.contains("restore the newest good copy"), "{name}: {told}");
}

#[test]
fn a_tombstone_that_was_put_into_an_older_segment_destroys_nothing_and_hides_nothing() {
    for (name, harm, anchoring) in routes() {
        let world = segmented();
        let alice = live_key(&world, "alice").unwrap();
        harm(&world);
        forge(&world, 1, |leaf| (leaf.kind, leaf.record) = (RecordKind::Tombstone, alice));
        let before = content(&world.state().join("vault"));
        for (who, told) in refusals(&world, anchoring) {
            if who != "start" && told.is_none() {
                // The anchor knows these leaves, so a reader does not ask the journal about them again.
                assert_eq!(live_key(&world, "alice"), Some(alice), "{name}: {who}");
                continue;
            }
            names_leaf(&told.unwrap_or_default(), &format!("{name}: {who}"));
        }
        assert!(before == content(&world.state().join("vault")), "{name}: nothing is destroyed");
        assert_eq!(live_key(&world, "alice"), Some(alice), "{name}");
        // The way out.
        let is_old = name.contains("older ledger");
        world.put_back(if is_old { "old-ledger" } else { "new-ledger" }, "ledger");
        let refused = refusals(&world, anchoring);
        assert!(refused.iter().all(|(_, told)| told.is_none()), "{name}: {refused:?}");
        assert_eq!(world.shown(1), "clear", "{name}");
    }
}

#[test]
fn a_tombstone_that_was_taken_out_of_an_older_segment_brings_nobody_back() {
    let changes: [(&str, Change); 3] = [
        ("renamed", |leaf| leaf.record = RecordId([9; 16])),
        ("another kind", |leaf| leaf.kind = RecordKind::Decision),
        ("another time", |leaf| leaf.unix_ms += 1),
    ];
    for (name, change) in changes {
        let world = World::with_short_segments();
        world.records(1, &["alice"]);
        world.keep("vault", "old-vault");
        erase(&world, "alice");
        world.records(2, &["bob", "carol", "dave", "erin"]);
        world.keep("ledger", "new-ledger");
        world.put_back("old-vault", "vault");
        forge(&world, 1, change);
        for (who, told) in refusals(&world, Anchoring::Strict) {
            names_leaf(&told.unwrap_or_default(), &format!("{name}: {who}"));
        }
        world.put_back("new-ledger", "ledger");
        assert_eq!(world.shown(1), "erased", "{name}");
        let followed = world.open().unwrap().followed;
        assert_eq!((followed.keys_back, followed.leaves), (1, 5), "{name}");
        assert_eq!(live_key(&world, "alice"), None, "{name}");
    }
}

#[test]
fn nothing_is_accepted_that_is_not_as_it_was_written() {
    // Leaves that the anchor knows, and that no start would read again.
    let world = segmented();
    forge(&world, 1, |leaf| leaf.unix_ms += 1);
    let before = content(&world.state());
    let told = crate::rotation::accept(&world.place(), false, &world.sources).map(|_| ());
    let told = format!("{:#}", told.unwrap_err());
    names_leaf(&told, "accept");
    assert!(before == content(&world.state()), "nothing is changed");
}

#[test]
fn a_process_that_died_between_a_tombstone_and_its_key_is_not_taken_for_a_backup() {
    for (later_ms, subject, want) in [
        (0, "alice", (1, 1)),
        (CUT_SHORT_MAX_MS, "alice", (1, 1)),
        (CUT_SHORT_MAX_MS + 1, "alice", (1, 0)),
    ] {
        let world = World::new();
        world.records(1, &["alice", "bob"]);
        world.keep("vault", "before");
        erase(&world, subject);
        world.wall.set_ms(START_MS + later_ms);
        world.records(3, &["bob"]);
        // What a crash leaves: the log has the tombstone, the anchor is of before, and the key is there.
        world.put_back("before", "vault");
        let followed = world.open().unwrap().followed;
        assert_eq!((followed.keys_back, followed.keys_finished), want, "{later_ms} ms later");
        assert_eq!(live_key(&world, subject), None);
    }
    // Two are never cut short at once.
    let world = World::new();
    world.records(1, &["alice", "bob"]);
    world.keep("vault", "before");
    erase(&world, "alice");
    erase(&world, "bob");
    world.put_back("before", "vault");
    let followed = world.open().unwrap().followed;
    assert_eq!((followed.keys_back, followed.keys_finished), (2, 0));
}

#[test]
fn a_key_store_that_lost_keys_is_told_until_somebody_accepts_it() {
    const SLOT_BYTES: u64 = 128;
    let world = World::new();
    world.records(1, &["alice", "bob", "carol"]);
    assert_eq!(world.open().unwrap().followed.keys_lost, 0);
    let slots = world.state().join("vault/keys.slots");
    let cut = |n_kept: u64| {
        let file = fs::OpenOptions::new().write(true).open(&slots).unwrap();
        file.set_len(4096 + n_kept * SLOT_BYTES).unwrap();
    };
    // A period and three subjects: the first two are left.
    cut(2);
    for start in ["the first", "and the next"] {
        assert_eq!(world.open().unwrap().followed.keys_lost, 2, "{start}");
    }
    let accepted = crate::rotation::accept(&world.place(), false, &world.sources).unwrap().unwrap();
    assert_eq!(accepted.lost_keys, Some(4));
    assert!(accepted.text().contains("the vault had 4 keys"), "{}", accepted.text());
    assert_eq!(world.open().unwrap().followed.keys_lost, 0);
    assert!(crate::rotation::accept(&world.place(), false, &world.sources).unwrap().is_none());
    let leaves = crate::audit::last(&world.state(), 1).unwrap();
    assert_eq!(leaves[0].leaf.kind, RecordKind::Decision);
    // A file of an earlier build, which did not count, is read as before.
    cut(2);
    let signer = Vault::peek(&world.state(), &world.sources).unwrap().signer;
    edit(&world, |file| {
        (file.version, file.slots) = (VERSION_BEFORE, 0);
        file.mark = Some(file.mark_by(&signer).unwrap());
    });
    let text = files::read_text_bounded(&path(&world.state()), 4096).unwrap();
    assert!(!text.contains("slots"), "{text}");
    let followed = world.open().unwrap().followed;
    assert_eq!(followed, Followed::default(), "its mark holds, so that nothing is read again");
}

#[test]
fn another_logs_ledger_is_told_by_both_names_and_gets_no_key_of_ours() {
    let (world, other) = (World::new(), World::new());
    world.records(1, &["alice", "bob"]);
    other.records(1, &["zoe"]);
    let name = |world: &World| {
        Vault::peek(&world.state(), &world.sources).unwrap().signer.name().to_owned()
    };
    let (ours, theirs) = (name(&world), name(&other));
    other.keep("ledger", "ledger");
    fs::remove_dir_all(world.state().join("ledger")).unwrap();
    copy(&other.folder.path().join("ledger"), &world.state().join("ledger"));
    let before = content(&world.state());
    for anchoring in [Anchoring::Strict, Anchoring::SetBack] {
        let told = format!("{:#}", world.open_as(anchoring).map(|_| ()).unwrap_err());
        assert!(told.contains(&ours) && told.contains(&theirs), "{told}");
        assert!(before == content(&world.state()), "nothing is changed, log.vkey least of all");
    }
}

#[test]
fn what_is_left_of_key_files_that_were_being_written_is_wiped() {
    let world = World::new();
    world.records(1, &["alice"]);
    let vault = world.state().join("vault");
    let key = files::read_bounded(&vault.join("log.key"), 4096).unwrap();
    let own = format!(".log.key.next.{}.tmp", std::process::id());
    let leftovers = [".log.key.4711.tmp", ".tenant.key.next.1.tmp", own.as_str()];
    let others = [".tmp", "..4711.tmp", ".log.key.x.tmp", "log.key.4711.tmp", ".log.key.4711.tmpx"];
    for name in leftovers.iter().chain(&others) {
        fs::write(vault.join(name), &key).unwrap();
        fs::hard_link(vault.join(name), world.folder.path().join(format!("twin-{name}"))).unwrap();
    }
    drop(world.open().unwrap());
    for name in leftovers {
        assert!(!vault.join(name).exists(), "{name}");
        let twin = world.folder.path().join(format!("twin-{name}"));
        assert_eq!(files::read_bounded(&twin, 4096).unwrap(), vec![0; key.len()], "{name}");
    }
    assert!(others.iter().all(|name| vault.join(name).exists()));
}
