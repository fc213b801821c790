use super::*;
use crate::audit::payloads;
use crate::audit::search::Subject;
use crate::opening::Opened;
use crate::opening::world::{DAY_MS as WORLD_DAY_MS, START_MS, World, copy};
use crate::orders::{self, Answer, Order};
use crate::vault::{Anchoring, Vault};
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
        let counts = payloads::open_all(&world.state(), &world.sources).unwrap();
        let is_back = name != "as it was left";
        assert_eq!(
            (counts.resurrected, counts.is_fine()),
            (u64::from(is_back), !is_back),
            "{name}"
        );
        assert_eq!(counts.wrong.len(), usize::from(is_back), "{name}");
        let Opened { followed, anchor, .. } = world.open().unwrap();
        assert_eq!(followed, Followed { n_read, n_back: usize::from(is_back) }, "{name}");
        assert_eq!(anchor.keys().len(), 2, "{name}");
        let counts = payloads::open_all(&world.state(), &world.sources).unwrap();
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
    let counts = payloads::open_all(&world.state(), &world.sources).unwrap();
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
    assert_eq!(found.followed, Followed { n_read: N_AFTER, n_back: 0 });
    drop(found);
    assert_eq!(crashed.open().unwrap().followed.n_read, 0, "a start keeps what it has read");
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
fn time_is_believed_in_steps() {
    let world = World::new();
    let mut anchor = world.open().unwrap().anchor;
    assert_eq!(anchor.trusted_ms(), START_MS, "a new vault begins with the clock as it is");
    for (name, now_ms, ahead_ms, trusted_ms) in [
        ("a day later", START_MS + WORLD_DAY_MS, 0, START_MS + WORLD_DAY_MS),
        ("back", START_MS, 0, START_MS + WORLD_DAY_MS),
        ("before 1970", 0, 0, START_MS + WORLD_DAY_MS),
        ("31 days later", START_MS + 32 * WORLD_DAY_MS, 0, START_MS + 32 * WORLD_DAY_MS),
        (
            "a millisecond more",
            START_MS + 63 * WORLD_DAY_MS + 1,
            31 * WORLD_DAY_MS + 1,
            START_MS + 32 * WORLD_DAY_MS,
        ),
        ("never", u64::MAX, u64::MAX - START_MS - 32 * WORLD_DAY_MS, START_MS + 32 * WORLD_DAY_MS),
    ] {
        let by_ms = anchor.believe(now_ms).map_or_else(|ahead| ahead.by_ms, |()| 0);
        assert_eq!((by_ms, anchor.trusted_ms()), (ahead_ms, trusted_ms), "{name}");
    }
    anchor.believe_operator(START_MS + 900 * WORLD_DAY_MS);
    anchor.believe(START_MS + 931 * WORLD_DAY_MS).unwrap();
}

#[test]
fn time_that_was_believed_outlives_the_process() {
    let world = World::new();
    world.records(1, &["alice"]);
    let mut opened = world.open().unwrap();
    opened.anchor.believe(START_MS + 5 * WORLD_DAY_MS).unwrap();
    opened.close(&world.sources).unwrap();
    assert_eq!(trusted_ms(&world.state()).unwrap(), Some(START_MS + 5 * WORLD_DAY_MS));
    assert_eq!(world.open().unwrap().anchor.trusted_ms(), START_MS + 5 * WORLD_DAY_MS);
    // Without the file, or with one that somebody wrote, time went on as far as the log shows.
    edit(&world, |file| file.trusted_ms = START_MS + 7000 * WORLD_DAY_MS);
    assert_eq!(world.open().unwrap().anchor.trusted_ms(), START_MS);
    fs::remove_file(path(&world.state())).unwrap();
    world.wall.set_day(900);
    assert_eq!(world.open().unwrap().anchor.trusted_ms(), START_MS);
    assert!(world.state().join("vault").join(FILE).exists());
    assert!(Anchoring::Strict != Anchoring::SetBack);
}
