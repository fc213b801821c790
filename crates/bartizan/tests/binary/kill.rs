//! SIGKILL under load: whatever a caller got whole, the ledger has.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{CALLER_KEY, Server, after, ask, run, wait_for};

const ROUNDS: u64 = 3;
const CALLERS: usize = 6;
/// Whole answers before the kill, at the least.
const ANSWERS_MIN: usize = 8;

fn serve(folder: &Path, url: &str) -> (Server, String) {
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "error"];
    let more = ["--upstream", url, "--key-env", "CALLER_KEY"];
    let (server, callers, _) = Server::serve(folder, &[&ports[..], &more].concat());
    (server, callers)
}

/// The record of an answer that a caller may act on: the whole body, or the chunk that ends a stream.
fn whole(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let is_whole = match head.split_once("content-length: ") {
        Some((_, rest)) => rest.split_whitespace().next()?.parse() == Ok(body.len()),
        None => body.contains("\"finish_reason\":\"stop\""),
    };
    (is_whole && head.contains(" 200 ")).then(|| after(head, "x-bartizan-record: "))
}

/// Asks until the gateway is gone; the records of all whole answers.
fn callers(address: &str, is_over: &AtomicBool, n_whole: &AtomicUsize) -> Vec<String> {
    std::thread::scope(|scope| {
        let ask_on = |n: usize| {
            let mut records = Vec::new();
            for turn in n.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let answer =
                    ask(address, CALLER_KEY, "What is the card number on file?", turn % 2 == 0);
                if let Some(record) = whole(&answer) {
                    records.push(record);
                    n_whole.fetch_add(1, Ordering::Relaxed);
                }
            }
            records
        };
        let threads: Vec<_> = (0..CALLERS).map(|n| scope.spawn(move || ask_on(n))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// The kinds of the leaves of each record.
fn kinds(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let list = run(folder, &["audit", "list", "--json", "--limit", "1000000"]);
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in list.stdout.lines() {
        let leaf: serde_json::Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| leaf[name].as_str().unwrap_or_default().to_owned();
        if ["intent", "outcome"].contains(&word("kind").as_str()) {
            kinds.entry(word("record")).or_default().push(word("kind"));
        }
    }
    kinds
}

#[test]
fn what_a_caller_got_whole_is_in_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &["--delay-ms", "1"]);
    let mut leaves_before = 0;
    for round in 0..ROUNDS {
        let (mut server, address) = serve(folder.path(), &url);
        let (is_over, n_whole) = (AtomicBool::new(false), AtomicUsize::new(0));
        let records = std::thread::scope(|scope| {
            let asking = scope.spawn(|| callers(&address, &is_over, &n_whole));
            wait_for("answers", || ANSWERS_MIN <= n_whole.load(Ordering::Relaxed));
            std::thread::sleep(Duration::from_millis(100 + 130 * round));
            server.kill();
            is_over.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        });
        assert!(ANSWERS_MIN <= records.len());
        let told = run(folder.path(), &["audit", "verify", "--json"]);
        assert_eq!(told.code, 0, "right after the kill: {told:?}");
        let leaves = told.json()["leaves"].as_u64().unwrap();
        assert!(leaves_before < leaves);
        leaves_before = leaves;

        let (mut again, _) = serve(folder.path(), &url);
        again.signal("TERM");
        assert_eq!(again.end(), 0, "{}", again.said());
        let told = run(folder.path(), &["audit", "verify", "--json"]).json();
        assert_eq!((&told["verified"], &told["open"]), (&true.into(), &0.into()), "{told}");
        let kinds = kinds(folder.path());
        for record in &records {
            assert!(kinds.contains_key(record), "round {round}: {record} is lost");
        }
        for (record, kinds) in &kinds {
            assert_eq!(*kinds, ["intent", "outcome"], "round {round}: {record}");
        }
    }
}
