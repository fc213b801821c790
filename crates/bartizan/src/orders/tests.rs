use super::expire as expire_now;
use super::*;
use crate::anchor::Doubt;
use crate::audit::{Content, Lens, record};
use crate::opening::Opened;
use crate::opening::world::{DAY_MS, START_MS, World};
use bartizan_core::record::Outcome;
use bartizan_keys::KeyState;
use bartizan_ledger::{Ledger, Parts};
use bartizan_testkit::SimDisk;
use std::sync::Arc;

fn office<'a>(opened: &'a mut Opened, sources: &'a Sources) -> Office<'a> {
    Office {
        recorder: &opened.ledger,
        keys: &opened.vault.keys,
        anchor: &mut opened.anchor,
        retention: Retention::default(),
        sources,
    }
}

pub(super) fn append(
    world: &World,
    opened: &Opened,
    n: u8,
    kind: RecordKind,
    outcome: Option<Outcome>,
) {
    let payload = |slot, text: &str| Payload { slot, bytes: text.as_bytes().to_vec() };
    let payloads = vec![
        payload(Slot::Released, "a text"),
        payload(Slot::Evidence, r#"{"evidence":[],"actions":[]}"#),
    ];
    let leaf = Leaf::new(RecordId([n; 16]), kind, world.sources.clock.unix_ms());
    let draft = Draft::new(Leaf { outcome, ..leaf }, payloads);
    world.wait(opened.ledger.append(draft)).unwrap();
}

pub(super) fn states(world: &World, n: u8) -> Vec<&'static str> {
    let lens = Lens::new(&world.state(), &world.sources, true).unwrap();
    let shown = record(&world.state(), &RecordId([n; 16]).to_string(), &lens).unwrap();
    shown[0].1.iter().map(|(_, content)| content.state()).collect()
}

#[test]
fn what_is_older_than_its_retention_cannot_be_read_and_the_log_stays_whole() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Intent, None);
    append(&world, &opened, 1, RecordKind::Outcome, Some(Outcome::Completed));
    let expired =
        |opened: &mut Opened| world.wait(expire_now(&mut office(opened, &world.sources))).unwrap();
    let mut n_steps = 0;
    for (day, n_expired, want) in [
        (0, 0, ["clear", "clear"]),
        (200, 0, ["clear", "clear"]),
        (201, 1, ["expired", "clear"]),
        (202, 0, ["expired", "clear"]),
        (1097, 1, ["expired", "expired"]),
    ] {
        // Time goes on as it does for a gateway that runs.
        while n_steps < day / 30 {
            n_steps += 1;
            world.wall.live_until_day((30 * n_steps).min(day));
            if 30 * n_steps < day {
                assert_eq!(expired(&mut opened), 0, "day {}", 30 * n_steps);
            }
        }
        world.wall.live_until_day(day);
        assert_eq!(expired(&mut opened), n_expired, "day {day}");
        assert_eq!(states(&world, 1), want, "day {day}");
    }
    append(&world, &opened, 2, RecordKind::Intent, None);
    assert_eq!(states(&world, 2), ["clear", "clear"], "today is not over");
    drop(opened);
    assert!(audit::verify(&world.state()).verified);
}

#[test]
fn a_clock_that_is_years_ahead_destroys_nothing_until_somebody_confirms_it() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Decision, None);
    world.wall.set_day(20 * 365);
    for _ in 0..3 {
        let error = world.wait(expire_now(&mut office(&mut opened, &world.sources))).unwrap_err();
        let ahead = error.downcast_ref::<Doubt>().copied();
        assert_eq!(ahead, Some(Doubt::Ahead { by_ms: 20 * 365 * DAY_MS }), "{error}");
        assert!(error.to_string().contains("audit expire --confirm-clock"), "{error}");
        assert_eq!(states(&world, 1), ["clear", "clear"]);
    }
    opened.close(&world.sources).unwrap();
    // A restart believes it no more than that, and an operator may.
    let mut opened = world.open().unwrap();
    assert!(world.wait(expire_now(&mut office(&mut opened, &world.sources))).is_err());
    opened.close(&world.sources).unwrap();
    let order = Order::Expire { by: "me".to_owned() };
    let answer = give(&world.place(), &order, &world.sources).unwrap();
    let Answer::Expired { index, keys } = answer else { panic!("{answer:?}") };
    assert_eq!(keys, 2);
    assert_eq!(states(&world, 1), ["expired", "expired"]);
    let leaves = audit::last(&world.state(), 10).unwrap();
    let said = leaves.iter().find(|entry| entry.index == index).unwrap();
    assert_eq!(said.leaf.kind, RecordKind::Decision, "it is recorded before anything is destroyed");
    assert_eq!(leaves.last().unwrap().leaf.kind, RecordKind::Tombstone);
}

#[test]
fn a_clock_that_is_set_on_at_every_start_destroys_nothing_until_somebody_confirms_it() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Intent, None);
    for n_starts in 1..=12_u64 {
        opened.close(&world.sources).unwrap();
        world.wall.set_day(30 * n_starts);
        opened = world.open().unwrap();
        append(&world, &opened, u8::try_from(n_starts + 1).unwrap(), RecordKind::Intent, None);
        let expired = world.wait(expire_now(&mut office(&mut opened, &world.sources)));
        // One leap is a pause like any other; the next one is too much with it, or by itself.
        assert_eq!(expired.is_ok(), n_starts == 1, "{n_starts}: {expired:?}");
        let doubt = opened.anchor.doubt(&*world.sources.clock);
        assert_eq!(matches!(doubt, Some(Doubt::Leaps { .. })), n_starts == 2, "{doubt:?}");
        assert_eq!(states(&world, 1), ["clear", "clear"], "{n_starts}");
    }
    // Days that are lived count.
    world.wall.set_day(60);
    opened.close(&world.sources).unwrap();
    opened = world.open().unwrap();
    world.wall.live_until_day(90);
    assert_eq!(world.wait(expire_now(&mut office(&mut opened, &world.sources))).unwrap(), 0);
    opened.close(&world.sources).unwrap();
    world.wall.set_day(360);
    let answer = give(&world.place(), &Order::Expire { by: "me".to_owned() }, &world.sources);
    assert!(matches!(answer.unwrap(), Answer::Expired { keys, .. } if 0 < keys));
}

#[test]
fn what_is_recorded_while_the_clock_is_behind_dies_no_earlier() {
    let world = World::new();
    world.wall.set_day(1000);
    let opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Decision, None);
    opened.close(&world.sources).unwrap();
    world.wall.set_day(1000 - 365);
    let opened = world.open().unwrap();
    assert_eq!(opened.ledger.newest().clock_behind_ms(), 365 * DAY_MS);
    append(&world, &opened, 2, RecordKind::Decision, None);
    opened.close(&world.sources).unwrap();
    world.wall.set_day(1000);
    let mut opened = world.open().unwrap();
    assert_eq!(world.wait(expire_now(&mut office(&mut opened, &world.sources))).unwrap(), 0);
    assert_eq!([1, 2].map(|n| states(&world, n)), [["clear", "clear"], ["clear", "clear"]]);
    assert!(START_MS < world.sources.clock.unix_ms());
}

#[test]
fn answers_that_nobody_came_for_are_cleared_away() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    let orders = world.state().join(FOLDER);
    std::fs::create_dir(&orders).unwrap();
    let answer = orders.join("a.answer");
    std::fs::write(&answer, "{}").unwrap();
    let modified = answer.metadata().unwrap().modified().unwrap();
    let written_ms = modified.duration_since(UNIX_EPOCH).unwrap().as_millis();
    let written_ms = u64::try_from(written_ms).unwrap();
    for (name, now_ms, is_there) in [
        ("just written", written_ms, true),
        ("a clock that is behind", START_MS, true),
        ("as long as it is kept", written_ms + ANSWER_KEPT_MS, true),
        ("longer", written_ms + ANSWER_KEPT_MS + 1, false),
        ("nothing there", written_ms + ANSWER_KEPT_MS + 1, false),
    ] {
        world.wall.set_ms(now_ms);
        world.wait(take(&world.state(), &mut office(&mut opened, &world.sources)));
        assert_eq!(answer.exists(), is_there, "{name}");
    }
    // Nor do they stay where no gateway runs any more.
    opened.close(&world.sources).unwrap();
    std::fs::write(&answer, "{}").unwrap();
    world.wall.set_ms(written_ms + 2 * ANSWER_KEPT_MS);
    let order = Order::Reveal { record: RecordId([1; 16]).to_string(), by: "me".to_owned() };
    give(&world.place(), &order, &world.sources).unwrap();
    assert!(!answer.exists(), "the next order clears them away");
}

#[test]
fn many_orders_are_taken_some_at_a_time() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    let orders = world.state().join(FOLDER);
    std::fs::create_dir(&orders).unwrap();
    (0..=ORDERS_MAX).for_each(|n| std::fs::write(orders.join(format!("{n}.order")), "").unwrap());
    let left = || waiting(&orders, START_MS).len();
    for want in [1, 0] {
        world.wait(take(&world.state(), &mut office(&mut opened, &world.sources)));
        assert_eq!(left(), want);
    }
}

#[test]
fn an_order_is_answered_once_whatever_it_says() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    let orders = world.state().join(FOLDER);
    std::fs::create_dir(&orders).unwrap();
    let cases = [
        (
            "a",
            r#"{"order":"reveal","record":"07070707070707070707070707070707","by":"me"}"#,
            "done",
        ),
        ("b", r#"{"order":"reveal","record":"07","by":"me"}"#, "failed"),
        ("c", r#"{"order":"erase","tag":"00000000000000000000000000000000","by":"me"}"#, "nobody"),
        ("d", r#"{"order":"burn","by":"me"}"#, "failed"),
        ("e", "not json", "failed"),
        ("f", &"x".repeat(ORDER_BYTES_MAX + 1), "failed"),
    ];
    for (name, text, _) in cases {
        std::fs::write(orders.join(format!("{name}.order")), text).unwrap();
    }
    std::fs::write(orders.join("note.txt"), "not an order").unwrap();
    world.wait(take(&world.state(), &mut office(&mut opened, &world.sources)));
    for (name, text, want) in cases {
        assert!(!orders.join(format!("{name}.order")).exists(), "{text}");
        let answer =
            files::read_text_bounded(&orders.join(format!("{name}.answer")), 4096).unwrap();
        assert!(answer.contains(&format!("\"answer\":\"{want}\"")), "{text}: {answer}");
    }
    let leaves = audit::last(&world.state(), 10).unwrap();
    let kinds: Vec<_> = leaves.iter().map(|entry| entry.leaf.kind).collect();
    assert_eq!(kinds, [RecordKind::Reveal]);
}

/// What a name in the folder can be beside an order: none of it makes the gateway wait, or is followed, or keeps an order from being answered.
#[test]
fn what_is_no_plain_file_is_no_order() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    let orders = world.state().join(FOLDER);
    std::fs::create_dir(&orders).unwrap();
    let reveal =
        |n: u8| format!(r#"{{"order":"reveal","record":"{}","by":"me"}}"#, RecordId([n; 16]));
    let outside = world.folder.path().join("outside");
    std::fs::write(&outside, reveal(1)).unwrap();
    let order = |name: &str| orders.join(format!("{name}.order"));
    let pipe = |path: &Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
    };
    pipe(&order("pipe"));
    std::fs::create_dir(order("folder")).unwrap();
    std::os::unix::fs::symlink(&outside, order("link")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", order("device")).unwrap();
    std::os::unix::fs::symlink(orders.join("loop.order"), order("loop")).unwrap();
    let huge = std::fs::File::create(order("huge")).unwrap();
    huge.set_len(1 << 40).unwrap();
    // Its answer has no room.
    std::fs::write(order("unanswerable"), reveal(2)).unwrap();
    std::fs::create_dir(orders.join("unanswerable.answer")).unwrap();
    pipe(&orders.join("pipe.answer"));
    std::fs::write(order("real"), reveal(3)).unwrap();
    for _ in 0..3 {
        world.wait(take(&world.state(), &mut office(&mut opened, &world.sources)));
    }
    let answer =
        |name: &str| files::read_text_bounded(&orders.join(format!("{name}.answer")), 4096).ok();
    assert!(answer("real").unwrap().contains("\"done\""));
    assert!(answer("huge").unwrap().contains("longer than 4096 bytes"));
    for name in ["pipe", "folder", "link", "device", "loop"] {
        assert_eq!(answer(name), None, "{name}");
        assert!(order(name).symlink_metadata().is_ok(), "{name}: it is not ours to take away");
    }
    let leaves = audit::last(&world.state(), 10).unwrap();
    let mut records: Vec<_> = leaves.iter().map(|entry| entry.leaf.record).collect();
    records.sort_unstable();
    // Each once, the one whose answer could not be written, too.
    assert_eq!(records, [RecordId([2; 16]), RecordId([3; 16])]);
    assert!(outside.exists());
}

/// What came of an order to forget somebody, with the disks in a state.
#[test]
fn an_erasure_that_fails_says_what_was_done_and_what_was_not() {
    type Harm = fn(&SimDisk, &SimDisk);
    let cases: [(&str, Harm, &str, KeyState, usize); 3] = [
        ("nothing fails", |_, _| {}, "", KeyState::Destroyed, 1),
        (
            "no room for the tombstone",
            |ledger, _| ledger.set_room(Some(0)),
            "is not destroyed, because no tombstone could be made durable; give the command again",
            KeyState::Live,
            0,
        ),
        (
            "the key cannot be overwritten",
            |_, keys| keys.fail_write_at(1),
            "leaf 2 is the tombstone of the key",
            KeyState::Destroyed,
            1,
        ),
    ];
    for (name, harm, want, state, n_tombstones) in cases {
        let world = World::new();
        let mut opened = world.open().unwrap();
        let (disk, key_disk) = (SimDisk::new(1), SimDisk::new(2));
        let (clock, entropy) = (world.sources.clock.clone(), world.sources.entropy.clone());
        let tenant = bartizan_keys::TenantKey::generate("tenant", &*entropy).unwrap();
        let options = bartizan_keys::Options::default();
        let keys = Arc::new(key_disk.clone());
        let keys = KeyStore::open(keys, clock.clone(), entropy.clone(), &tenant, options);
        let keys = Arc::new(keys.unwrap().0);
        let (sealer, signer) = (keys.clone(), opened.vault.signer.clone());
        let parts = Parts { disk: Arc::new(disk.clone()), clock, entropy, sealer, signer };
        let options = bartizan_ledger::Options { prepare_ahead: false, ..Default::default() };
        let (ledger, _) = Ledger::open(parts, options).unwrap();
        let payload = Payload { slot: Slot::Evidence, bytes: b"{}".to_vec() };
        let leaf = Leaf::new(RecordId([1; 16]), RecordKind::Decision, START_MS);
        let subject = Some("ada".to_owned());
        world.wait(ledger.append(Draft { subject, ..Draft::new(leaf, vec![payload]) })).unwrap();
        // The key that seals what tombstones say is there already.
        let payload = Payload { slot: Slot::Evidence, bytes: b"{}".to_vec() };
        let leaf = Leaf::new(RecordId([2; 16]), RecordKind::Tombstone, START_MS);
        world.wait(ledger.append(Draft::new(leaf, vec![payload]))).unwrap();
        let tag = keys.tag("ada").unwrap();
        let key = keys.subject_key(tag).unwrap();
        harm(&disk, &key_disk);
        let mut office = Office {
            recorder: &ledger,
            keys: &keys,
            anchor: &mut opened.anchor,
            retention: Retention::default(),
            sources: &world.sources,
        };
        let order = Order::Erase { tag: tag.to_string(), by: "me".to_owned() };
        match world.wait(fulfil(&order, world.sources.user, &mut office)) {
            Answer::Done { index, .. } => assert_eq!((index, want), (2, ""), "{name}"),
            Answer::Failed { reason } => {
                assert!(!want.is_empty() && reason.contains(want), "{name}: {reason}");
                assert!(reason.contains(&key.to_string()), "{name}: {reason}");
            }
            answer => panic!("{name}: {answer:?}"),
        }
        assert_eq!(keys.state(key), state, "{name}");
        drop(ledger);
        let reader = bartizan_ledger::Reader::open(Arc::new(disk)).unwrap();
        let leaves = reader.entries().unwrap().filter_map(Result::ok);
        let n = leaves.filter(|entry| entry.leaf.record == key).count();
        assert_eq!(n, n_tombstones, "{name}");
    }
}

/// Root's command in a service's folder would leave files there that the service cannot open.
#[test]
fn root_gives_no_orders_in_somebody_elses_folder() {
    let mut world = World::new();
    world.records(1, &["alice"]);
    let ledger = audit::log_folder(&world.state());
    if world.sources.user == 0 {
        std::os::unix::fs::chown(&ledger, Some(12_345), None).unwrap();
    }
    world.sources.user = 0;
    let order = Order::Expire { by: "root".to_owned() };
    let names = || std::fs::read_dir(world.state()).unwrap().count();
    let before = names();
    for is_running in [false, true] {
        let _lock = is_running.then(|| FsDisk::lock(&ledger).unwrap());
        let error = give(&world.place(), &order, &world.sources).unwrap_err();
        assert!(error.is::<crate::outcome::Usage>(), "{error:#}");
        assert!(error.to_string().contains("run it as that user, `sudo -u"), "{error:#}");
        assert_eq!(names(), before, "not even an order is left behind");
    }
    let rotated = crate::rotation::rotate_tenant(&world.place(), &world.sources).unwrap_err();
    assert!(rotated.to_string().contains("sudo -u"), "{rotated:#}");
}

/// A copy that somebody checks is evidence: an order for it is refused, and nothing is made in it.
#[test]
fn a_copy_without_a_vault_takes_no_orders() {
    let world = World::new();
    world.records(1, &["alice"]);
    let copies = tempfile::tempdir().unwrap();
    let (alone, inside) = (copies.path().join("alone"), copies.path().join("inside"));
    opening::world::copy(&audit::log_folder(&world.state()), &alone);
    opening::world::copy(&audit::log_folder(&world.state()), &inside.join("ledger"));
    let order = Order::Reveal { record: RecordId([1; 16]).to_string(), by: "me".to_owned() };
    for (copy, want) in [
        (alone, "is a copy of a ledger without its vault"),
        (inside, "is a copy of a ledger without its vault"),
        (copies.path().join("absent"), "there is no ledger"),
    ] {
        let names = |path: &Path| std::fs::read_dir(path).map_or(0, Iterator::count);
        let before = names(&copy);
        let place = Place { dir: Some(copy.clone()), config: None };
        let error = give(&place, &order, &world.sources).unwrap_err();
        assert!(error.to_string().contains(want), "{}: {error:#}", copy.display());
        assert_eq!(names(&copy), before, "{}", copy.display());
    }
}

/// A gateway whose ledger has failed holds the keys and not the ledger: it cannot be asked, and must not be worked around.
#[test]
fn a_gateway_whose_ledger_has_stopped_is_named() {
    let world = World::new();
    world.records(1, &["alice"]);
    let order = Order::Expire { by: "me".to_owned() };
    let keys = FsDisk::lock(&vault::folder(&world.state())).unwrap();
    let error = format!("{:#}", give(&world.place(), &order, &world.sources).unwrap_err());
    for part in ["nothing was done", "its ledger has stopped", "/readyz", "restart it"] {
        assert!(error.contains(part), "no `{part}` in {error}");
    }
    drop(keys);
    assert!(give(&world.place(), &order, &world.sources).is_ok());
}

/// Anybody can set `USER`: the account is the one that the system names, for a command alone and for the file that it leaves.
#[test]
fn who_gave_an_order_is_what_the_system_says() {
    for (label, want) in [
        ("", String::new()),
        ("ada", " (ada)".to_owned()),
        ("root (uid 0)", " (root (uid 0))".to_owned()),
        (&"x".repeat(900), format!(" ({})", "x".repeat(LABEL_CHARS_MAX))),
    ] {
        let mut world = World::new();
        world.records(1, &["alice"]);
        let me = owner::user();
        let record = RecordId([1; 16]).to_string();
        let order = Order::Reveal { record, by: label.to_owned() };
        world.sources.user = 4711;
        let answer = give(&world.place(), &order, &world.sources).unwrap();
        let Answer::Done { index: alone, .. } = answer else { panic!("{answer:?}") };
        let mut opened = world.open().unwrap();
        let orders = world.state().join(FOLDER);
        std::fs::create_dir_all(&orders).unwrap();
        std::fs::write(orders.join("a.order"), serde_json::to_vec(&order).unwrap()).unwrap();
        world.wait(take(&world.state(), &mut office(&mut opened, &world.sources)));
        opened.close(&world.sources).unwrap();
        let lens = Lens::new(&world.state(), &world.sources, false).unwrap();
        let leaves = audit::record(&world.state(), "0101", &lens).unwrap();
        let said = |leaf: usize| {
            let (entry, payloads) = &leaves[leaf];
            let Some((_, Content::Clear(bytes))) = payloads.last() else { panic!("{payloads:?}") };
            let evidence: Value = serde_json::from_slice(bytes).unwrap();
            (entry.index, evidence["by"].as_str().unwrap().to_owned())
        };
        let n = leaves.len();
        assert_eq!(said(n - 2), (alone, format!("uid 4711{want}")), "{label}");
        assert_eq!(said(n - 1).1, format!("uid {me}{want}"), "{label}");
    }
}

/// Commands that are given at once have their turns: none of them fails because another one has the ledger.
#[test]
fn commands_that_are_given_at_once_wait_for_each_other() {
    let world = World::new();
    world.records(1, &["alice"]);
    let (place, sources) = (world.place(), &world.sources);
    let before = audit::last(&world.state(), 99).unwrap().len();
    let record = RecordId([1; 16]).to_string();
    std::thread::scope(|scope| {
        let give = || {
            let order = Order::Reveal { record: record.clone(), by: "me".to_owned() };
            give(&place, &order, sources)
        };
        let given: Vec<_> = (0..4).map(|_| scope.spawn(give)).collect();
        for one in given {
            let answer = one.join().unwrap();
            assert!(matches!(answer, Ok(Answer::Done { .. })), "{answer:?}");
        }
    });
    assert_eq!(audit::last(&world.state(), 99).unwrap().len(), before + 4);
    assert_eq!(std::fs::read_dir(world.state().join(FOLDER)).map_or(0, Iterator::count), 0);
}

/// Whoever confirms the clock sees first how old the newest record is that would go.
#[test]
fn the_list_of_what_is_due_says_how_old_it_is() {
    use crate::audit::due::Due;
    let list = |world: &World| Due::list(&world.place().ledger().unwrap(), &world.sources).unwrap();
    let world = World::new();
    let opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Decision, None);
    opened.close(&world.sources).unwrap();
    world.wall.set_day(150);
    let opened = world.open().unwrap();
    append(&world, &opened, 2, RecordKind::Decision, None);
    opened.close(&world.sources).unwrap();
    for (day, newest, is_last) in [
        (150, [None, None], false),
        (201, [Some(0), None], false),
        (350, [Some(0), None], false),
        (351, [Some(1), None], true),
        (1097, [Some(1), Some(0)], true),
        (1300, [Some(1), Some(1)], true),
    ] {
        world.wall.set_day(day);
        let due = list(&world);
        let json = due.json();
        let rows = json["due"].as_array().unwrap();
        for (row, newest) in rows.iter().zip(newest) {
            let case = format!("day {day}, {}", row["retention"]);
            assert_eq!(row["newest"]["index"].as_u64(), newest, "{case}: {row}");
            assert_eq!(row["keys"] != 0, newest.is_some(), "{case}: {row}");
            if let Some(index) = newest {
                let age_ms = if index == 0 { day * DAY_MS } else { (day - 150) * DAY_MS };
                assert_eq!(row["newest"]["age_ms"].as_u64(), Some(age_ms), "{case}: {row}");
            }
        }
        assert_eq!(json["last"]["index"], 1, "day {day}");
        assert_eq!(json["witnessed"], Value::Null, "nobody is asked");
        assert_eq!(due.warning().is_some(), is_last, "day {day}");
        let text = due.lines().join("\n");
        let said = format!("{} days ago by this clock", day - 150);
        assert!(day < 152 || text.contains(&said), "day {day}: {text}");
    }
}

/// A first start under a clock of 1970, which is then put right: what was recorded minutes ago looks half a century old, and the list says so.
#[test]
fn a_clock_that_began_in_1970_is_seen_before_anything_is_destroyed() {
    use crate::audit::due::Due;
    let world = World::new();
    world.wall.set_ms(60_000);
    let opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Decision, None);
    opened.close(&world.sources).unwrap();
    world.wall.set_day(0);
    let due = Due::list(&world.place().ledger().unwrap(), &world.sources).unwrap();
    let text = due.lines().join("\n");
    for part in [
        "leaf 0, of 1970-01-01 00:01:00Z, 19999 days ago by this clock",
        "this clock: 2024-10-04",
        "the last time that was believed: 1970-01-01 00:01:00Z, 19999 days ago",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(due.warning().unwrap().contains("do not confirm it") && due.doubt.is_some());
}
