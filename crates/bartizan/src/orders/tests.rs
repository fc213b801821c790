use super::expire as expire_now;
use super::*;
use crate::audit::{Content, Lens, record};
use bartizan_core::clock::Clock;
use bartizan_core::record::Outcome;
use std::sync::atomic::{AtomicU64, Ordering};

const DAY_MS: u64 = 86_400_000;
const START_MS: u64 = 20_000 * DAY_MS;

/// A wall clock that a test moves.
#[derive(Debug, Default)]
struct Wall(AtomicU64);

impl Clock for Wall {
    fn unix_ms(&self) -> u64 {
        START_MS + self.0.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst) * 1000
    }
}

#[test]
fn what_is_older_than_its_retention_cannot_be_read_and_the_log_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let wall = Arc::new(Wall::default());
    let sources = Sources { clock: wall.clone(), ..Sources::real() };
    let vault = Vault::open(folder.path(), &sources).unwrap();
    let parts = Parts {
        disk: Arc::new(FsDisk::lock(&audit::log_folder(folder.path())).unwrap()),
        clock: sources.clock.clone(),
        entropy: sources.entropy.clone(),
        sealer: vault.keys.clone(),
        signer: vault.signer,
    };
    let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let append = |n: u8, kind, outcome| {
        let payload = |slot, text: &str| Payload { slot, bytes: text.as_bytes().to_vec() };
        let payloads = vec![
            payload(Slot::Released, "a text"),
            payload(Slot::Evidence, r#"{"evidence":[],"actions":[]}"#),
        ];
        let leaf = Leaf::new(RecordId([n; 16]), kind, wall.unix_ms());
        let draft = Draft::new(Leaf { outcome, ..leaf }, payloads);
        runtime.block_on(ledger.append(draft)).unwrap();
    };
    append(1, RecordKind::Intent, None);
    append(1, RecordKind::Outcome, Some(Outcome::Completed));
    let expire = || {
        let retention = Retention::default();
        runtime.block_on(expire_now(retention, &ledger, &vault.keys, &sources)).unwrap()
    };
    let states = |prefix: &str| {
        let lens = Lens::new(folder.path(), &sources, true).unwrap();
        let shown = record(folder.path(), prefix, &lens).unwrap();
        let states = shown[0].1.iter().map(|(_, content)| content.state());
        states.collect::<Vec<_>>()
    };
    for (day, n_expired, want) in [
        (0, 0, ["clear", "clear"]),
        (200, 0, ["clear", "clear"]),
        (201, 1, ["erased", "clear"]),
        (202, 0, ["erased", "clear"]),
        (1097, 1, ["erased", "erased"]),
    ] {
        wall.0.store(day * DAY_MS, Ordering::SeqCst);
        assert_eq!(expire(), n_expired, "day {day}");
        assert_eq!(states("0101"), want, "day {day}");
    }
    append(2, RecordKind::Intent, None);
    assert_eq!(states("0202"), ["clear", "clear"], "today is not over");
    drop(ledger);
    assert!(audit::verify(folder.path()).verified);
    assert_eq!(Content::Erased.state(), "erased");
}

#[test]
fn an_order_is_answered_once_whatever_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources::real();
    let vault = Vault::open(folder.path(), &sources).unwrap();
    let parts = Parts {
        disk: Arc::new(FsDisk::lock(&audit::log_folder(folder.path())).unwrap()),
        clock: sources.clock.clone(),
        entropy: sources.entropy.clone(),
        sealer: vault.keys.clone(),
        signer: vault.signer,
    };
    let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
    let orders = folder.path().join(FOLDER);
    std::fs::create_dir(&orders).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
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
    runtime.block_on(take(folder.path(), &ledger, &vault.keys, &sources));
    for (name, text, want) in cases {
        assert!(!orders.join(format!("{name}.order")).exists(), "{text}");
        let answer =
            files::read_text_bounded(&orders.join(format!("{name}.answer")), 4096).unwrap();
        assert!(answer.contains(&format!("\"answer\":\"{want}\"")), "{text}: {answer}");
    }
    let leaves = audit::last(folder.path(), 10).unwrap();
    let kinds: Vec<_> = leaves.iter().map(|entry| entry.leaf.kind).collect();
    assert_eq!(kinds, [RecordKind::Reveal]);
}
