use super::super::tests::{append, states};
use super::*;
use crate::audit::{self, Lens, due::Due};
use crate::opening::world::{START_MS, World};
use crate::opening::{Opened, Place};
use crate::orders::{Answer, Office, Order, expire, give};
use bartizan_core::record::RecordKind;
use serde_json::Value;

const LONG: Retention = Retention { payload_days: 200, traffic_days: 1096, admission_days: 3653 };
const SHORT: Retention = Retention { payload_days: 20, ..LONG };

fn signer(world: &World) -> NoteKey {
    vault::log_key(&world.state()).unwrap()
}

/// What an hour of a gateway with this retention comes to.
fn hour(world: &World, opened: &mut Opened, retention: Retention) -> usize {
    let mut office = Office {
        recorder: &opened.ledger,
        keys: &opened.vault.keys,
        anchor: &mut opened.anchor,
        retention,
        sources: &world.sources,
    };
    world.wait(expire(&mut office)).unwrap()
}

/// A state folder whose configuration has this retention.
fn place(world: &World, retention: Retention) -> Place {
    let file = world.folder.path().join("bartizan.toml");
    let Retention { payload_days, traffic_days, admission_days } = retention;
    let text = format!(
        "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n[ledger]\ndir = \"state\"\n[ledger.retention]\npayload_days = {payload_days}\ntraffic_days = {traffic_days}\nadmission_days = {admission_days}\n"
    );
    std::fs::write(&file, text).unwrap();
    Place { dir: None, config: Some(file) }
}

/// What the evidence of the newest leaf of a kind says.
fn evidence(world: &World, kind: RecordKind) -> Value {
    let leaves = audit::last(&world.state(), 99).unwrap();
    let entry = leaves.iter().rev().find(|entry| entry.leaf.kind == kind).unwrap();
    let lens = Lens::new(&world.state(), &world.sources, true).unwrap();
    let shown = audit::record(&world.state(), &entry.leaf.record.to_string(), &lens).unwrap();
    let (_, payloads) = shown.iter().find(|(shown, _)| shown.index == entry.index).unwrap();
    serde_json::from_str(&payloads[0].1.text()).unwrap()
}

#[test]
fn a_shorter_retention_destroys_nothing_until_somebody_confirms_it() {
    let world = World::new();
    let mut opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Intent, None);
    Rule::raise(&world.state(), LONG, &signer(&world)).unwrap();
    for day in [30, 60, 90] {
        world.wall.live_until_day(day);
        Rule::raise(&world.state(), SHORT, &signer(&world)).unwrap();
        assert_eq!(hour(&world, &mut opened, SHORT), 0, "day {day}");
        assert_eq!(states(&world, 1), ["clear", "clear"], "day {day}");
    }
    opened.close(&world.sources).unwrap();
    let place = place(&world, SHORT);
    // The clock is no reason: its word is another one.
    let clock = give(&place, &Order::Expire { by: "me".to_owned() }, &world.sources).unwrap();
    assert!(matches!(clock, Answer::Expired { keys: 0, .. }), "{clock:?}");
    let due = Due::list(&place.ledger().unwrap(), &world.sources).unwrap();
    let row = &due.json()["due"][0];
    assert_eq!(
        [&row["days"], &row["agreed_days"], &row["keys"], &row["waiting"]],
        [20, 200, 1, 1],
        "{row}"
    );
    assert!(due.lines()[0].contains("1 of them wait for --confirm-retention"), "{:?}", due.lines());
    assert!(due.waits.unwrap().contains("20, 1096 and 3653 days instead of 200, 1096"));
    let answer = give(&place, &Order::Retain { by: "me".to_owned() }, &world.sources).unwrap();
    assert!(matches!(answer, Answer::Expired { keys: 1, .. }), "{answer:?}");
    assert_eq!(states(&world, 1), ["expired", "clear"]);
    let said = evidence(&world, RecordKind::Decision);
    assert_eq!(
        [&said["action"], &said["retention"]["payload_days"], &said["before"]["payload_days"]],
        [&Value::from("confirm_retention"), &20.into(), &200.into()],
        "{said}"
    );
    // The tombstone says by which rule, and what went.
    let said = evidence(&world, RecordKind::Tombstone);
    let before_ms = START_MS + 70 * 86_400_000;
    assert_eq!(
        [&said["retention"], &said["days"], &said["before_ms"], &said["before"]],
        [
            &Value::from("payload"),
            &20.into(),
            &before_ms.into(),
            &crate::clock::utc(before_ms).into()
        ],
        "{said}"
    );
    let due = Due::list(&place.ledger().unwrap(), &world.sources).unwrap();
    assert_eq!(due.waits, None, "it is in force");
}

/// In each of the three sorts fewer days wait, and more days count at once.
#[test]
fn fewer_days_wait_and_more_do_not() {
    let other = |payload_days, traffic_days, admission_days| Retention {
        payload_days,
        traffic_days,
        admission_days,
    };
    for (name, asked, in_force) in [
        ("the same", LONG, LONG),
        ("payloads", other(1, 1096, 3653), LONG),
        ("traffic", other(200, 1, 3653), LONG),
        ("admissions", other(200, 1096, 1), LONG),
        ("longer", other(201, 1097, 3654), other(201, 1097, 3654)),
        ("both", other(1, 2000, 3653), other(200, 2000, 3653)),
    ] {
        let world = World::new();
        drop(world.open().unwrap());
        Rule::raise(&world.state(), asked, &signer(&world)).unwrap();
        let rule = Rule::read(&world.state(), asked, &signer(&world)).unwrap();
        assert_eq!(rule.in_force(), Some(in_force), "{name}");
        assert_eq!(rule.waits().is_some(), asked != in_force, "{name}");
        // What is longer once is not forgotten by the next start.
        let after = Rule::read(&world.state(), LONG, &signer(&world)).unwrap();
        assert_eq!(after.in_force(), Some(in_force), "{name}");
    }
}

/// A vault that does not say what was agreed has nothing destroyed, where there is something to destroy.
#[test]
fn what_nobody_knows_destroys_nothing() {
    for (name, day, text) in [
        ("gone, and nothing is due yet", 0, None),
        ("gone", 201, None),
        ("damaged", 0, Some("not json")),
        ("damaged later", 201, Some("{\"payload_days\":-1}")),
        ("by hand", 201, Some("{\"payload_days\":1,\"traffic_days\":1,\"admission_days\":1}")),
        (
            "by hand, with a mark",
            201,
            Some(
                "{\"retention\":{\"payload_days\":1,\"traffic_days\":1,\"admission_days\":1},\"mark\":\"00112233445566778899aabbccddeeff\"}",
            ),
        ),
    ] {
        let world = World::new();
        let opened = world.open().unwrap();
        append(&world, &opened, 1, RecordKind::Intent, None);
        opened.close(&world.sources).unwrap();
        world.wall.set_day(day);
        match text {
            Some(text) => std::fs::write(path(&world.state()), text).unwrap(),
            None => std::fs::remove_file(path(&world.state())).unwrap(),
        }
        drop(world.open().unwrap());
        let rule = Rule::read(&world.state(), LONG, &signer(&world)).unwrap();
        assert!(rule.agreed.is_none() && rule.waits().is_some(), "{name}");
        let place = place(&world, LONG);
        let clock = give(&place, &Order::Expire { by: "me".to_owned() }, &world.sources).unwrap();
        assert!(matches!(clock, Answer::Expired { keys: 0, .. }), "{name}: {clock:?}");
        let answer = give(&place, &Order::Retain { by: "me".to_owned() }, &world.sources).unwrap();
        let n_keys = u64::from(day == 201);
        assert!(matches!(answer, Answer::Expired { keys, .. } if keys == n_keys), "{name}");
        assert_eq!(
            Rule::read(&world.state(), LONG, &signer(&world)).unwrap().agreed,
            Some(LONG),
            "{name}"
        );
    }
}

/// The key of the log is replaced, and what was agreed is not.
#[test]
fn another_key_of_the_log_goes_on_with_what_was_agreed() {
    let world = World::new();
    let opened = world.open().unwrap();
    append(&world, &opened, 1, RecordKind::Intent, None);
    opened.close(&world.sources).unwrap();
    crate::rotation::rotate_log(&world.place(), &world.sources).unwrap();
    let rule = Rule::read(&world.state(), SHORT, &signer(&world)).unwrap();
    assert_eq!((rule.agreed, rule.in_force()), (Some(LONG), Some(LONG)));
}
