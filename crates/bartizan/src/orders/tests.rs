use super::expire as expire_now;
use super::*;
use crate::anchor::Ahead;
use crate::audit::{Content, Lens, record};
use crate::opening::Opened;
use crate::opening::world::{DAY_MS, START_MS, World};
use bartizan_core::record::Outcome;

fn office<'a>(opened: &'a mut Opened, sources: &'a Sources) -> Office<'a> {
    Office {
        recorder: &opened.ledger,
        keys: &opened.vault.keys,
        anchor: &mut opened.anchor,
        retention: Retention::default(),
        sources,
    }
}

fn append(world: &World, opened: &Opened, n: u8, kind: RecordKind, outcome: Option<Outcome>) {
    let payload = |slot, text: &str| Payload { slot, bytes: text.as_bytes().to_vec() };
    let payloads = vec![
        payload(Slot::Released, "a text"),
        payload(Slot::Evidence, r#"{"evidence":[],"actions":[]}"#),
    ];
    let leaf = Leaf::new(RecordId([n; 16]), kind, world.sources.clock.unix_ms());
    let draft = Draft::new(Leaf { outcome, ..leaf }, payloads);
    world.wait(opened.ledger.append(draft)).unwrap();
}

fn states(world: &World, n: u8) -> Vec<&'static str> {
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
        (201, 1, ["erased", "clear"]),
        (202, 0, ["erased", "clear"]),
        (1097, 1, ["erased", "erased"]),
    ] {
        // Time goes on as it does for a gateway that runs.
        while n_steps < day / 30 {
            n_steps += 1;
            world.wall.set_day((30 * n_steps).min(day));
            if 30 * n_steps < day {
                assert_eq!(expired(&mut opened), 0, "day {}", 30 * n_steps);
            }
        }
        world.wall.set_day(day);
        assert_eq!(expired(&mut opened), n_expired, "day {day}");
        assert_eq!(states(&world, 1), want, "day {day}");
    }
    append(&world, &opened, 2, RecordKind::Intent, None);
    assert_eq!(states(&world, 2), ["clear", "clear"], "today is not over");
    drop(opened);
    assert!(audit::verify(&world.state()).verified);
    assert_eq!(Content::Erased.state(), "erased");
}

#[test]
fn a_clock_that_is_years_ahead_destroys_nothing_until_somebody_confirms_it() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Decision, None);
    world.wall.set_day(20 * 365);
    for _ in 0..3 {
        let error = world.wait(expire_now(&mut office(&mut opened, &world.sources))).unwrap_err();
        let ahead = error.downcast_ref::<Ahead>().copied();
        assert_eq!(ahead, Some(Ahead { by_ms: 20 * 365 * DAY_MS }), "{error}");
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
    assert_eq!(states(&world, 1), ["erased", "erased"]);
    let leaves = audit::last(&world.state(), 10).unwrap();
    let said = leaves.iter().find(|entry| entry.index == index).unwrap();
    assert_eq!(said.leaf.kind, RecordKind::Decision, "it is recorded before anything is destroyed");
    assert_eq!(leaves.last().unwrap().leaf.kind, RecordKind::Tombstone);
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
