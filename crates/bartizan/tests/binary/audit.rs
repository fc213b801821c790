//! What an auditor asks of the ledger, and what comes back: exit codes, JSON, files.
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{CALLER_KEY, Done, Server, after, ask, request, run, wait_for, write};

const CARD: &str = "Mine is 4111 1111 1111 1111";

/// A gateway that has answered three requests, one of them about somebody who gave a name, and refused a fourth.
struct World {
    folder: tempfile::TempDir,
    serve: Server,
    callers: String,
    _range: Server,
    /// The record of the request about `ada`.
    record: String,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (range, url) = Server::range(folder.path(), &[]);
        let arguments = [
            "--upstream",
            &url,
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
            "--key-env",
            "CALLER_KEY",
        ];
        let (serve, callers, _) = Server::serve(folder.path(), &arguments);
        for text in ["Hello?", CARD] {
            assert!(ask(&callers, CALLER_KEY, text, false).contains(" 200 "));
        }
        assert!(
            ask(&callers, CALLER_KEY, "AKIAQ3EGRZ7NWX2LPD5T is my key", true).contains("HTTP/1.1")
        );
        let named = serde_json::json!({
            "model": "range", "user": "ada", "messages": [{"role": "user", "content": "Who am I?"}],
        });
        let answer = request(&callers, "POST /v1/chat/completions", CALLER_KEY, &named.to_string());
        let record = after(&answer, "x-bartizan-record: ");
        let world = Self { folder, serve, callers, _range: range, record };
        world.settle();
        world
    }

    /// Waits until a checkpoint stands for everything that was recorded.
    fn settle(&self) {
        wait_for("a checkpoint of all", || {
            let told = self.run(&["audit", "verify", "--json"]).json();
            told["leaves"] == told["checkpoint"] && told["open"] == 0
        });
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Done {
        run(self.path(), arguments)
    }

    /// One that must succeed: each line as JSON.
    fn lines(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?} {done:?}");
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        done.stdout.lines().map(parse).collect()
    }

    fn key(&self) -> String {
        let file = fs::File::open(self.path().join(".bartizan/ledger/log.vkey")).unwrap();
        BufReader::new(file).lines().next().unwrap().unwrap()
    }
}

#[test]
fn records_are_found_and_asked_for() {
    let world = World::new();
    let all = world.lines(&["audit", "search", "--json", "--kind", "intent"]);
    assert_eq!(all.len(), 4, "{all:?}");
    let first = &all[0];
    assert_eq!((&first["kind"], &first["outcome"]), (&"exchange".into(), &"completed".into()));
    assert!(first["duration_ms"].is_u64() && first["tokens"].is_array(), "{first}");
    let cases: [(&[&str], usize); 14] = [
        (&["--verdict", "input_found"], 2),
        (&["--outcome", "timeout"], 0),
        (&["--kind", "outcome"], 4),
        (&["--kind", "tombstone"], 0),
        (&["--since", "1h", "--kind", "intent"], 4),
        (&["--until", "1h"], 0),
        (&["--since", "2001-01-01", "--until", "2001-01-02T10:00Z"], 0),
        (&["--key", "nobody"], 0),
        (&["--route", "default", "--kind", "intent"], 4),
        (&["--route", "other"], 0),
        (&["--model", "00ff"], 0),
        (&["--subject", "ada"], 1),
        (&["--subject", "ada", "--outcome", "timeout"], 0),
        (&["--kind", "intent", "--limit", "2"], 2),
    ];
    for (more, want) in cases {
        let found = world.lines(&[&["audit", "search", "--json"], more].concat());
        assert_eq!(found.len(), want, "{more:?}: {found:?}");
    }
    let ada = world.lines(&["audit", "search", "--json", "--subject", "ada"]);
    assert_eq!(ada[0]["record"], world.record.as_str());
    let cut = world.run(&["audit", "search", "--limit", "1"]);
    assert!(
        cut.stderr.contains("there are older ones") && cut.stdout.contains("VERDICT"),
        "{cut:?}"
    );
    let nobody = world.run(&["audit", "search", "--subject", "nobody"]);
    assert!(nobody.code == 1 && nobody.stderr.contains("or they were erased"), "{nobody:?}");

    let question = "SELECT outcome, count(*) AS n FROM exchanges GROUP BY outcome ORDER BY n DESC";
    let told = world.lines(&["audit", "sql", "--json", question]);
    let n: u64 = told.iter().map(|row| row["n"].as_u64().unwrap()).sum();
    assert_eq!(n, 4, "{told:?}");
    let table = world.run(&["audit", "sql", question]).stdout;
    assert!(table.starts_with("outcome") && table.contains("completed"), "{table}");
    let csv = world.run(&["audit", "sql", "--csv", question]).stdout;
    assert!(csv.starts_with("outcome,n\r\n"), "{csv}");
    let cut = world.run(&["audit", "sql", "--rows-max", "2", "SELECT idx FROM leaves"]);
    assert_eq!((cut.code, cut.stdout.lines().count()), (0, 3), "{cut:?}");
    assert!(cut.stderr.contains("--rows-max"), "{cut:?}");
    let schema = world.run(&["audit", "sql", "--schema"]).stdout;
    assert!(schema.contains("CREATE VIEW exchanges") && schema.contains("-- "), "{schema}");

    // The tables hold nothing that the leaves do not hold.
    let index = world.path().join(".bartizan/ledger/index.sqlite");
    assert_eq!(index.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut bytes = Vec::new();
    std::io::copy(&mut fs::File::open(&index).unwrap(), &mut bytes).unwrap();
    for secret in ["4111", "ada", "Hello?", "AKIA"] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
    let before = world.lines(&["audit", "search", "--json"]);
    assert_eq!(world.run(&["audit", "rebuild"]).code, 0);
    assert_eq!(world.lines(&["audit", "search", "--json"]), before);
    fs::write(&index, b"no database any more").unwrap();
    assert_eq!(world.lines(&["audit", "search", "--json"]), before);
    fs::set_permissions(&index, fs::Permissions::from_mode(0o644)).unwrap();
    let open = world.run(&["audit", "search"]);
    assert!(open.code == 3 && open.stderr.contains("chmod 600"), "{open:?}");
}

#[test]
fn questions_that_are_none_say_the_way_out() {
    let world = World::new();
    write(world.path(), "bad.policy", "log\n");
    let long = "x".repeat(513);
    let cases: [(&[&str], i32, &str); 31] = [
        (&["search", "--since", "yesterday"], 2, "2026-11-23"),
        (&["search", "--until", "2026-02-30"], 2, "24h"),
        (&["search", "--outcome", "fine"], 2, "client_gone"),
        (&["search", "--kind", "exchange"], 2, "tombstone"),
        (&["search", "--verdict", "bad"], 2, "input_found"),
        (&["search", "--model", "xyz"], 2, "hexadecimal"),
        (&["search", "--limit", "0"], 2, "1..="),
        (&["search", "--subject", ""], 2, "name the person"),
        (&["search", "--dir", "absent"], 3, "--dir names a state folder"),
        (&["sql"], 2, "QUERY"),
        (&["sql", ""], 2, "write SELECT"),
        (&["sql", "SELECT * FORM leaves"], 2, "\n           ^"),
        (&["sql", "SELECT prompt FROM leaves"], 2, "no such column"),
        (&["sql", "DELETE FROM leaves"], 2, "only reads the documented tables"),
        (&["sql", "ATTACH 'x' AS y"], 2, "ATTACH is not allowed"),
        (&["sql", "SELECT 1; SELECT 2"], 2, "one question at a time"),
        (&["sql", "--json", "--csv", "SELECT 1"], 2, "cannot be used with"),
        (&["sql", "--rows-max", "0", "SELECT 1"], 2, "--rows-max"),
        (
            &[
                "sql",
                "--time-max",
                "1",
                "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
            ],
            3,
            "--time-max",
        ),
        (&["prove", "ffffffff"], 2, "no record, or more than one"),
        (&["prove", "xyz"], 2, "hexadecimal"),
        (&["export", "--format", "avro"], 2, "jsonl"),
        (&["export", "--format", "parquet"], 2, "takes --out"),
        (&["export", "--since", "1h", "--until", "2h"], 2, "--until is not after --since"),
        (&["export", "--out", "absent/x"], 3, "cannot write absent/x"),
        (&["export", "--out", ".bartizan"], 2, "is a folder and no plain file"),
        (&["export", "--force"], 2, "--out"),
        (&["erase", "--subject", &long], 2, "more than 512"),
        (&["tail", "-n", "x"], 2, "--lines"),
        (&["verify", "--key", "x"], 2, "--key"),
        (&["verify", "--policy", "bad.policy"], 2, "bad.policy:1:1"),
    ];
    for (arguments, code, want) in cases {
        let done = world.run(&[&["audit"], arguments].concat());
        assert_eq!(done.code, code, "{arguments:?} {done:?}");
        assert!(done.stderr.contains(want), "{arguments:?}: no `{want}` in {}", done.stderr);
    }
    for verb in ["search", "sql", "tail", "prove", "verify", "export", "rebuild"] {
        let help = world.run(&["audit", verb, "--help"]);
        assert!(
            help.code == 0 && help.stdout.contains(&format!("bartizan audit {verb}")),
            "{verb}"
        );
    }
}

#[test]
fn a_record_is_proved_to_an_outsider() {
    let world = World::new();
    let prefix = world.record.get(..10).unwrap();
    let proved = world.run(&["audit", "prove", prefix, "--out", "proofs", "--json"]).json();
    assert_eq!(proved.as_array().unwrap().len(), 2, "{proved}");
    let key = world.key();
    // Elsewhere: no ledger, only the files and the key.
    let elsewhere = tempfile::tempdir().unwrap();
    let name = |kind: &str, end: &str| format!("{}.{kind}.{end}", world.record);
    for kind in ["intent", "outcome"] {
        for end in ["tlog-proof", "leaf"] {
            let name = name(kind, end);
            fs::copy(world.path().join("proofs").join(&name), elsewhere.path().join(&name))
                .unwrap();
        }
    }
    let check = |proof: &str, leaf: &str, key: &str| {
        run(
            elsewhere.path(),
            &["audit", "verify", "--json", "--proof", proof, "--leaf", leaf, "--key", key],
        )
    };
    let (proof, leaf) = (name("outcome", "tlog-proof"), name("outcome", "leaf"));
    let held = check(&proof, &leaf, &key);
    assert_eq!((held.code, &held.json()["proved"]), (0, &true.into()), "{held:?}");
    assert_eq!(held.json()["leaf"]["outcome"], "completed");
    assert_eq!(held.json()["leaf"]["record"], world.record.as_str());
    let text = run(
        elsewhere.path(),
        &["audit", "verify", "--proof", &proof, "--leaf", &leaf, "--key", &key],
    );
    assert!(text.stdout.contains("OUTCOME") && text.stdout.starts_with("proved: "), "{text:?}");

    let first = name("intent", "leaf");
    let other = check(&proof, &first, &key);
    assert!(
        other.code == 1 && other.json()["problem"].as_str().unwrap().contains("another entry"),
        "{other:?}"
    );
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let unknown = check(&proof, &leaf, stranger);
    assert!(unknown.code == 1 && unknown.json()["proved"] == false, "{unknown:?}");
    // Both keys are named, and where the one that fits is.
    let problem = unknown.json()["problem"].as_str().unwrap().to_owned();
    // Name and hash: two pluses; the key's base64 may hold more.
    let own = key.splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
    for part in [own.as_str(), "PeterNeumann+c74f20a3", "log.vkey", "bartizan vault status"] {
        assert!(problem.contains(part), "no `{part}` in {problem}");
    }
    write(elsewhere.path(), "cut", "c2sp.org/tlog-proof@v1\nindex 1\n");
    assert_eq!(check("cut", &leaf, &key).code, 1);
    assert_eq!(check("absent", &leaf, &key).code, 3);
    let keyless = run(elsewhere.path(), &["audit", "verify", "--proof", &proof, "--leaf", &leaf]);
    assert!(keyless.code == 2 && keyless.stderr.contains("--key or --policy"), "{keyless:?}");
    let alone = run(elsewhere.path(), &["audit", "verify", "--proof", &proof]);
    assert!(alone.code == 2 && alone.stderr.contains("--leaf"), "{alone:?}");
    write(elsewhere.path(), "policy", &format!("log {key}\nquorum none\n"));
    let by_policy = run(
        elsewhere.path(),
        &["audit", "verify", "--proof", &proof, "--leaf", &leaf, "--policy", "policy"],
    );
    assert_eq!(by_policy.code, 0, "{by_policy:?}");
}

#[test]
fn verification_says_whose_key_it_trusted_and_opens_what_can_be_opened() {
    let world = World::new();
    let key = world.key();
    let told = world.run(&["audit", "verify", "--json"]);
    assert_eq!((told.code, &told.json()["key_source"]), (0, &"log".into()), "{told:?}");
    assert!(told.stderr.contains("lies beside the log"), "{told:?}");
    let told = world.run(&["audit", "verify", "--key", &key]);
    assert!(told.code == 0 && told.stderr.is_empty(), "{told:?}");
    assert!(told.stdout.contains("a key that you gave"), "{told:?}");
    assert!(
        told.stdout.starts_with("verified: ") && told.stdout.contains(" signed leaves"),
        "{told:?}"
    );
    // A copy of `ledger/` is as good as one of the folder that it stood in.
    let alone = world.run(&["audit", "verify", "--key", &key, "--dir", ".bartizan/ledger"]);
    assert!(alone.code == 0 && alone.stdout == told.stdout, "{alone:?}");
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let told = world.run(&["audit", "verify", "--json", "--key", stranger]);
    assert!(told.code == 1 && told.json()["verified"] == false, "{told:?}");
    write(world.path(), "policy", &format!("log {key}\nwitness W {}\nquorum W\n", cosigner()));
    let told = world.run(&["audit", "verify", "--json", "--policy", "policy"]);
    assert!(
        told.code == 1 && told.json()["problem"].as_str().unwrap().contains("quorum"),
        "{told:?}"
    );

    let counts = |world: &World| {
        let told = world.run(&["audit", "verify", "--payloads", "--json"]);
        (told.code, told.json()["payloads"].clone())
    };
    let (code, all) = counts(&world);
    assert!(code == 0 && 4 < all["clear"].as_u64().unwrap() && all["erased"] == 0, "{all}");
    assert_eq!(world.run(&["audit", "erase", "--subject", "ada"]).code, 0);
    world.settle();
    let (code, after) = counts(&world);
    assert!(code == 0 && 0 < after["erased"].as_u64().unwrap(), "{after}");
    assert_eq!(after["key_missing"], 0);
    let text = world.run(&["audit", "verify", "--payloads"]).stdout;
    assert!(text.contains("erased lawfully") && text.contains("0 damaged"), "{text}");
    let gone = world.run(&["audit", "search", "--subject", "ada"]);
    assert_eq!(gone.code, 1, "{gone:?}");
    // Keys that are gone with nobody's word for it.
    let mut world = world;
    world.serve.signal("TERM");
    assert_eq!(world.serve.end(), 0);
    let slots = world.path().join(".bartizan/vault/keys.slots");
    let length = slots.metadata().unwrap().len();
    let mut bytes = Vec::new();
    std::io::copy(&mut fs::File::open(&slots).unwrap(), &mut bytes).unwrap();
    let half = bytes.len() / 2;
    bytes[4096.min(half)..].fill(0);
    fs::write(&slots, bytes).unwrap();
    assert_eq!(slots.metadata().unwrap().len(), length);
    let told = world.run(&["audit", "verify", "--payloads", "--json"]);
    let counts = &told.json()["payloads"];
    assert!(told.code == 1 && 0 < counts["key_missing"].as_u64().unwrap(), "{told:?}");
    assert_eq!(told.json()["verified"], false, "{told:?}");
    let text = world.run(&["audit", "verify", "--payloads"]);
    assert!(text.code == 1 && text.stdout.starts_with("not verified: "), "{text:?}");
    assert_eq!(counts["wrong"][0]["slot"].as_str().map(str::is_empty), Some(false), "{told:?}");
}

/// The key of a witness that has never cosigned anything.
fn cosigner() -> &'static str {
    "witness.example/w1+3f43fa5a+BGxYfNqgGQ8nMZkp0QOg3MXV5NqkWIiGNRG0uwPQxFVL"
}

#[test]
fn what_comes_is_shown_as_it_comes() {
    let world = World::new();
    let last = world.lines(&["audit", "tail", "--json", "-n", "2"]);
    assert_eq!(last.len(), 2, "{last:?}");
    assert_eq!(last[1]["kind"], "outcome");
    assert_eq!(world.run(&["audit", "tail", "-n", "0"]).stdout, "");
    let mut tail = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"))
        .args(["audit", "tail", "-f", "--json", "-n", "1"])
        .current_dir(world.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = BufReader::new(tail.stdout.take().unwrap()).lines();
    // What comes after the last leaf of the past was not there when it looked.
    let past: serde_json::Value = serde_json::from_str(&heard.next().unwrap().unwrap()).unwrap();
    assert_eq!(past["index"], last[1]["index"]);
    assert!(ask(&world.callers, CALLER_KEY, "And now?", false).contains(" 200 "));
    let line = heard.next().unwrap().unwrap();
    let leaf: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(leaf["kind"], "intent", "{leaf}");
    let kill = format!("kill -INT {}", tail.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(tail.wait().unwrap().code(), Some(0));
    // Nobody reads any more, so it ends by itself.
    let line = format!("'{}' audit tail -f -n 1 | head -n 1", env!("CARGO_BIN_EXE_bartizan"));
    let mut piped = std::process::Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {line}")])
        .current_dir(world.path())
        .spawn()
        .unwrap();
    let mut ended = None;
    wait_for("the end of a tail without a reader", || {
        assert!(ask(&world.callers, CALLER_KEY, "Anybody?", false).contains(" 200 "));
        ended = piped.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[test]
fn leaves_are_exported_in_stretches_of_time() {
    let world = World::new();
    let all = world.lines(&["audit", "export"]);
    let list = world.lines(&["audit", "list", "--json", "--limit", "1000"]);
    assert_eq!(all.len(), list.len());
    for (line, leaf) in all.iter().zip(&list) {
        assert_eq!(line["leaf_hash"], leaf["leaf_hash"]);
        assert_eq!(line.as_object().unwrap().len(), 17, "every column is always there: {line}");
    }
    let done = world.run(&["audit", "export", "--since", "1h", "--out", "leaves.jsonl"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    let file = world.path().join("leaves.jsonl");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::io::read_to_string(fs::File::open(file).unwrap()).unwrap();
    assert_eq!(text.lines().count(), all.len());
    assert!(world.lines(&["audit", "export", "--until", "1h"]).is_empty());
    fs::write(world.path().join("there.toml"), "mine").unwrap();
    let export = ["audit", "export", "--since", "1h", "--out", "there.toml"];
    let refused = world.run(&export);
    assert!(refused.code == 2 && refused.stderr.contains("there already"), "{refused:?}");
    assert_eq!(
        fs::File::open(world.path().join("there.toml")).unwrap().metadata().unwrap().len(),
        4
    );
    let forced = world.run(&[&export[..], &["--force"]].concat());
    assert_eq!(forced.code, 0, "{forced:?}");
    let done = world.run(&["audit", "export", "--format", "parquet", "--out", "leaves.parquet"]);
    assert_eq!(done.code, 0, "{done:?}");
    let mut bytes = Vec::new();
    let file = fs::File::open(world.path().join("leaves.parquet")).unwrap();
    std::io::copy(&mut { file }, &mut bytes).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let names: Vec<_> =
        fs::read_dir(world.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{names:?}");
}

/// Everything that is judged is judged again from its evidence, without the texts, and comes out the same.
#[test]
fn a_record_is_judged_again_from_its_evidence() {
    let world = World::new();
    let found = world.lines(&["audit", "search", "--json", "--verdict", "input_redacted"]);
    let record = found[0]["record"].as_str().unwrap();
    let n_before = world.lines(&["audit", "list", "--json"]).len();
    for (more, code, is_own) in [
        (&[][..], 0, true),
        (&["--profile", "standard"], 0, true),
        (&["--profile", "strict"], 0, false),
        (&["--profile", "observe"], 1, false),
    ] {
        let done = world.run(&[&["audit", "rejudge", record, "--json"], more].concat());
        assert_eq!(done.code, code, "{more:?}: {done:?}");
        let told = done.json();
        assert_eq!(told["same"], code == 0, "{more:?}");
        let leaves = told["leaves"].as_array().unwrap();
        assert_eq!(leaves.len(), 2, "{told}");
        let shown = world.run(&["audit", "show", record, "--json"]).json();
        for (leaf, shown) in leaves.iter().zip(shown.as_array().unwrap()) {
            assert_eq!(leaf["recorded"]["policy"], shown["policy"], "{told}");
            let is_same = leaf["recorded"]["judgement"] == leaf["again"]["judgement"];
            assert_eq!(is_same, is_own, "{more:?}: {leaf}");
        }
        let n_changes: usize =
            leaves.iter().map(|leaf| leaf["changes"].as_array().unwrap().len()).sum();
        assert_eq!(0 < n_changes, code == 1, "{more:?}: {told}");
        assert!(!done.stdout.contains("4111"), "no text is read");
    }
    assert_eq!(world.lines(&["audit", "list", "--json"]).len(), n_before, "nothing is recorded");
    let text = world.run(&["audit", "rejudge", record, "--profile", "observe"]);
    for part in ["DIFFERENT", "redact -> release"] {
        assert!(text.stdout.contains(part), "{text:?}");
    }
    for (arguments, want) in [
        (&["audit", "rejudge", "0"][..], "hexadecimal digits"),
        (&["audit", "rejudge", record, "--config", "absent.toml"], "cannot read"),
        (&["audit", "rejudge", record, "--profile", "lax"], "lax"),
    ] {
        let done = world.run(arguments);
        assert!(done.code == 2 && done.stderr.contains(want), "{done:?}");
    }
    let erased = world.run(&["audit", "erase", "--subject", "caller:k-env"]);
    assert_eq!(erased.code, 0, "{erased:?}");
    let done = world.run(&["audit", "rejudge", record]);
    assert!(done.code == 3 && done.stderr.contains("erased"), "{done:?}");
}
