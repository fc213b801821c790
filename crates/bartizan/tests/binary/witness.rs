//! Witnesses from outside: a log that is cosigned, and logs that are not because they were set back, forked or left alone.
use crate::common::{CALLER_KEY, Server, after, ask, request, run, status, wait_for, write};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A folder with a log, and one with its witness, which may run or not.
struct World {
    folder: tempfile::TempDir,
    port: u16,
}

fn text(path: &Path) -> String {
    fs::File::open(path).and_then(std::io::read_to_string).unwrap_or_default()
}

/// A running gateway, and where it listens.
struct Gateway {
    server: Server,
    callers: String,
    control: String,
}

impl Gateway {
    /// Makes two records each: no upstream answers.
    fn records(&self, n: usize) {
        for _ in 0..n {
            assert_eq!(status(&ask(&self.callers, CALLER_KEY, "Hello?", false)), 502);
        }
    }

    fn get(&self, path: &str) -> String {
        request(&self.control, &format!("GET {path}"), "", "")
    }

    fn stop(mut self) {
        self.server.signal("TERM");
        assert_eq!(self.server.end(), 0, "{}", self.server.said());
    }
}

impl World {
    /// A log that knows its key, and a policy that asks for one witness.
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let world = Self { folder, port };
        fs::create_dir(world.log()).unwrap();
        write(&world.log(), "bartizan.toml", &config(""));
        world.serve("log").stop();
        let done = run(world.path(), &["witness", "key", "--dir", "witness", "--name", "w.test/1"]);
        assert_eq!(done.code, 0, "{done:?}");
        let policy = format!(
            "log {}\nwitness w1 {} http://127.0.0.1:{port}/\nquorum w1\n",
            world.log_key(),
            done.stdout.trim_end()
        );
        write(&world.log(), "witness.policy", &policy);
        write(&world.log(), "bartizan.toml", &config(more));
        world
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    fn published(&self, log: &str, name: &str) -> String {
        text(&self.path().join(log).join(".bartizan/ledger/log").join(name))
    }

    fn log_key(&self) -> String {
        text(&self.log().join(".bartizan/ledger/log.vkey")).trim_end().to_owned()
    }

    fn witness(&self) -> Server {
        let listen = format!("127.0.0.1:{}", self.port);
        let arguments =
            ["witness", "--dir", "witness", "--listen", &listen, "--follow", &self.log_key()];
        Server::start(self.path(), &arguments, "The witness listens on")
    }

    fn serve(&self, log: &str) -> Gateway {
        let (server, callers, control) = Server::serve(&self.path().join(log), &SERVE[1..]);
        Gateway { server, callers, control }
    }

    /// A gateway that does not start: what it says.
    fn refused(&self, log: &str) -> String {
        let done = run(&self.path().join(log), &SERVE);
        assert_eq!(done.code, 3, "{done:?}");
        done.stderr
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path().join(from), self.path().join(to));
        fs::remove_dir_all(&to).unwrap_or_default();
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    }

    /// Waits until the newest checkpoint, of at least so many leaves, is witnessed; how many it has.
    fn witnessed(&self, log: &str, n_leaves: u64) -> u64 {
        let size = |note: &str| note.lines().nth(1).and_then(|line| line.parse::<u64>().ok());
        let mut found = 0;
        wait_for("the witness", || {
            let witnessed = self.published(log, "witnessed");
            found = size(&witnessed).unwrap_or_default();
            let is_newest = witnessed == self.published(log, "checkpoint");
            n_leaves <= found && is_newest && witnessed.contains("\u{2014} w.test/1 ")
        });
        found
    }
}

const SERVE: [&str; 7] =
    ["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--key-env", "CALLER_KEY"];

fn config(witness: &str) -> String {
    format!("[[upstream]]\nname = \"none\"\nurl = \"http://127.0.0.1:1\"\n{witness}")
}

const WITNESSED: &str = "[ledger.witness]\npolicy = \"witness.policy\"\nevery_ms = 40\n";

#[test]
fn a_log_is_cosigned_and_its_copy_is_not() {
    let world = World::new(WITNESSED);
    let mut witness = world.witness();
    let log = world.serve("log");
    log.records(2);
    let n_leaves = world.witnessed("log", 5);
    assert!(log.get("/readyz").ends_with("\r\n\r\n{\"ready\":true}"), "{}", log.get("/readyz"));
    let metrics = log.get("/metrics");
    for line in ["bartizan_witness_quorum 1", "bartizan_witness_refusals_total 0"] {
        assert!(metrics.contains(&format!("{line}\n")), "{line} is not in {metrics}");
    }
    // Whoever watches the witness sees what it saw.
    let checkpoint = world.published("log", "checkpoint");
    let origin = checkpoint.lines().next().unwrap();
    let at = format!("127.0.0.1:{}", world.port);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, origin.as_bytes());
    let hash = hash.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let known = request(&at, &format!("GET /{hash}/checkpoint"), "", "");
    assert!(known.contains(&format!("{origin}\n{n_leaves}\n")), "{known}");
    log.stop();

    // Two copies go on, each by itself, and both were right when they started.
    world.copy("log", "copy");
    let (log, copy) = (world.serve("log"), world.serve("copy"));
    world.witnessed("log", n_leaves);
    log.records(1);
    let ahead = world.witnessed("log", n_leaves + 2);
    copy.records(1);
    wait_for("the refusal", || copy.server.said().contains("another history of this log"));
    // It goes on recording, because no witness is required, and signs nothing more.
    let signed = world.published("copy", "checkpoint");
    copy.records(2);
    let told = copy.get("/readyz");
    assert!(status(&told) == 503 && told.contains("another history of this log"), "{told}");
    assert!(told.contains("contradicts itself"), "{told}");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(world.published("copy", "checkpoint"), signed);
    let refused = copy.get("/metrics");
    assert!(!refused.contains("bartizan_witness_refusals_total 0\n"), "{refused}");
    assert!(!world.published("copy", "witnessed").contains(&format!("\n{}\n", ahead + 4)));
    assert!(witness.said().contains("Refused"), "{}", witness.said());
    let evidence = fs::read_dir(world.path().join("witness/state")).unwrap();
    let names = evidence.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().any(|name| name.starts_with("fork-") || name.starts_with("doubt-")));
    // Whom the witness believes goes on.
    log.records(1);
    world.witnessed("log", ahead + 2);
    log.stop();
    copy.stop();
    assert_eq!(world.published("copy", "checkpoint"), signed, "nor when it is closed");

    // A witness that was killed remembers, and refuses the copy before it is touched.
    witness.kill();
    let _again = world.witness();
    let before = world.published("copy", "checkpoint");
    let said = world.refused("copy");
    assert!(said.contains("witness w1 has cosigned"), "{said}");
    assert!(said.contains("is not the one that was witnessed"), "{said}");
    assert_eq!(world.published("copy", "checkpoint"), before);
    world.serve("log").stop();
}

#[test]
fn a_log_that_was_set_back_does_not_start() {
    let world = World::new(WITNESSED);
    let mut witness = world.witness();
    let log = world.serve("log");
    log.records(1);
    let n_leaves = world.witnessed("log", 3);
    log.stop();
    world.copy("log", "backup");
    let log = world.serve("log");
    log.records(2);
    let ahead = world.witnessed("log", n_leaves + 4);
    log.stop();
    world.copy("backup", "log");
    let said = world.refused("log");
    let want =
        format!("witness w1 has cosigned {ahead} leaves of this log, and here are only {n_leaves}");
    assert!(said.contains(&want) && said.contains("restored backup"), "{said}");

    // The whole ledger is gone, and the vault is not: it knows better itself.
    fs::remove_dir_all(world.log().join(".bartizan/ledger")).unwrap();
    let said = world.refused("log");
    assert!(
        said.contains(&format!("knows {n_leaves} leaves")) && said.contains("mounted"),
        "{said}"
    );
    // A vault that knows nothing begins with an empty log, and that is shorter still.
    fs::remove_file(world.log().join(".bartizan/vault/anchor.json")).unwrap();
    let said = world.refused("log");
    assert!(said.contains(&format!("has cosigned {ahead} leaves")), "{said}");
    assert!(said.contains("here are only 0"), "{said}");

    // While the witness is away nobody can tell.
    world.copy("backup", "log");
    witness.kill();
    let log = world.serve("log");
    let said = log.server.said();
    assert!(said.contains("cannot connect") && said.contains("asked again"), "{said}");
    let witness = world.witness();
    wait_for("the refusal", || log.get("/readyz").contains("has cosigned"));
    drop(witness);
    log.stop();
}

#[test]
fn a_command_that_writes_asks_the_witnesses_as_a_start_does() {
    let world = World::new(WITNESSED);
    let mut witness = world.witness();
    let log = world.serve("log");
    log.records(1);
    world.witnessed("log", 3);
    log.stop();
    world.copy("log", "backup");
    let log = world.serve("log");
    log.records(2);
    let ahead = world.witnessed("log", 7);
    log.stop();
    world.copy("backup", "log");
    let before = world.published("log", "checkpoint");
    let listed = run(&world.log(), &["audit", "list", "--json", "--limit", "1"]);
    let record = listed.json()["record"].as_str().unwrap().to_owned();
    let orders: [&[&str]; 6] = [
        &["audit", "erase", "--subject", "caller:k-env"],
        &["audit", "expire", "--confirm-clock"],
        &["audit", "show", &record, "--reveal"],
        &["vault", "rotate", "log"],
        &["vault", "rotate", "tenant"],
        &["vault", "accept"],
    ];
    for order in orders {
        let done = run(&world.log(), order);
        assert_eq!((done.code, done.stdout.as_str()), (3, ""), "{order:?} {done:?}");
        let want = format!("has cosigned {ahead} leaves");
        assert!(done.stderr.contains(&want), "{order:?}: {}", done.stderr);
        assert_eq!(world.published("log", "checkpoint"), before, "{order:?}");
    }
    // From elsewhere the configuration has to be named, and that is said.
    let state = world.log().join(".bartizan");
    let config = world.log().join("bartizan.toml");
    let (state, config) = (state.to_str().unwrap(), config.to_str().unwrap());
    let named = ["audit", "expire", "--confirm-clock", "--config", config];
    let done = run(world.path(), &named);
    assert!(done.code == 3 && done.stderr.contains("has cosigned"), "{done:?}");
    let done = run(world.path(), &["audit", "expire", "--dir", state]);
    assert!(done.code == 0 && done.stderr.contains("--config"), "{done:?}");
    // A witness that is away stops nothing.
    witness.kill();
    let done = run(&world.log(), &["audit", "expire", "--confirm-clock", "--json"]);
    assert_eq!((done.code, &done.json()["expired"]), (0, &0.into()), "{done:?}");
}

#[test]
fn where_witnesses_are_required_a_log_that_contradicts_itself_releases_nothing() {
    let world = World::new(&format!("{WITNESSED}require = true\n"));
    let mut witness = world.witness();
    let log = world.serve("log");
    log.records(1);
    world.witnessed("log", 3);
    log.stop();
    world.copy("log", "backup");
    let log = world.serve("log");
    log.records(2);
    let ahead = world.witnessed("log", 7);
    log.stop();
    // An older copy, and nobody who could tell at its start.
    world.copy("backup", "log");
    witness.kill();
    let log = world.serve("log");
    log.records(1);
    let witness = world.witness();
    let why = format!("has cosigned {ahead} leaves");
    wait_for("the refusal", || log.get("/readyz").contains(&why));
    let told = log.get("/readyz");
    assert!(status(&told) == 503 && told.contains("contradicts itself"), "{told}");
    let signed = world.published("log", "checkpoint");
    for is_stream in [false, true] {
        let answer = ask(&log.callers, CALLER_KEY, "Hello?", is_stream);
        assert!(status(&answer) == 503 && answer.contains("audit_unavailable"), "{answer}");
    }
    // It stays like that, also when the witness is gone again.
    drop(witness);
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(log.get("/readyz").contains(&why), "{}", log.get("/readyz"));
    assert_eq!(status(&ask(&log.callers, CALLER_KEY, "Hello?", false)), 503);
    assert!(
        log.get("/metrics").contains("bartizan_audit_lost_total 0\n"),
        "{}",
        log.get("/metrics")
    );
    log.stop();
    assert_eq!(world.published("log", "checkpoint"), signed);

    // A restart with the witness away knows of it still, and so does one without any witness.
    let kept = world.log().join(".bartizan/ledger/contradiction.json");
    let evidence: serde_json::Value = serde_json::from_str(&text(&kept)).unwrap();
    assert!(evidence["reason"].as_str().unwrap().contains(&why), "{evidence}");
    for (field, signer) in [("checkpoint", "bartizan.log/"), ("witnessed", "w.test/1")] {
        let note = evidence[field].as_str().unwrap();
        assert!(note.contains(&format!("\u{2014} {signer}")), "{field}: {note}");
    }
    for (more, is_required) in
        [(format!("{WITNESSED}require = true\n"), true), (String::new(), false)]
    {
        write(&world.log(), "bartizan.toml", &config(&more));
        let log = world.serve("log");
        let told = log.get("/readyz");
        assert!(status(&told) == 503 && told.contains(&why), "{told}");
        assert!(told.contains("contradiction.json") && told.contains("vault accept"), "{told}");
        let want = if is_required { 503 } else { 502 };
        assert_eq!(status(&ask(&log.callers, CALLER_KEY, "Hello?", false)), want);
        log.stop();
        assert_eq!(world.published("log", "checkpoint"), signed, "nothing more is signed");
    }
    // The way out is somebody's word, and the ledger has it.
    let done = run(&world.log(), &["vault", "accept", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.json()["contradiction"].as_str().unwrap().contains(&why), "{done:?}");
    assert!(!kept.exists());
    let index = done.json()["index"].as_u64().unwrap();
    let list = run(&world.log(), &["audit", "list", "--json"]).stdout;
    assert!(list.contains(&format!("\"index\":{index},")), "{list}");
    let log = world.serve("log");
    assert_eq!(status(&log.get("/readyz")), 200, "{}", log.get("/readyz"));
    log.records(1);
    log.stop();
    assert_ne!(world.published("log", "checkpoint"), signed);
    assert_eq!(run(&world.log(), &["audit", "verify"]).code, 0);
}

#[test]
fn without_a_quorum_everybody_is_told() {
    for (more, is_ready) in [("", true), ("require = true\n", false)] {
        let world = World::new(&format!("{WITNESSED}{more}"));
        let log = world.serve("log");
        log.records(1);
        let notice = "\nbartizan: no witness quorum since never\n";
        wait_for("the notice", || world.published("log", "checkpoint").contains(notice));
        let told = log.get("/readyz");
        let want = if is_ready {
            (200, "{\"ready\":true,\"warning\":\"no witness quorum since never\"}")
        } else {
            (503, "{\"ready\":false,\"reason\":\"no witness quorum since never\"}")
        };
        assert!(status(&told) == want.0 && told.ends_with(want.1), "{told}");
        assert!(log.get("/metrics").contains("bartizan_witness_quorum 0\n"));
        // It says so, and serves.
        log.records(1);
        let _witness = world.witness();
        wait_for("the quorum", || log.get("/readyz").ends_with("\r\n\r\n{\"ready\":true}"));
        world.witnessed("log", 5);
        assert!(!world.published("log", "checkpoint").contains("no witness quorum"));
        log.stop();
        let verified = run(&world.log(), &["audit", "verify", "--json"]);
        assert_eq!(verified.json()["verified"], true, "{verified:?}");
    }
}

#[test]
fn an_auditor_is_told_who_vouches_and_what_that_is_worth() {
    let world = World::new(WITNESSED);
    let mut witness = world.witness();
    let log = world.serve("log");
    log.records(1);
    let n_leaves = world.witnessed("log", 3);
    witness.kill();
    log.records(1);
    log.stop();
    let verify =
        |policy: &str| run(&world.log(), &["audit", "verify", "--policy", policy, "--json"]);

    // The newest checkpoint is not cosigned; the newest witnessed one still vouches for its beginning.
    let done = verify("witness.policy");
    let told = done.json();
    assert!(done.code == 0 && told["verified"] == true, "{done:?}");
    assert_eq!(told["witnesses"], serde_json::json!(["w1"]), "{told}");
    let testimony = &told["testimony"];
    assert_eq!(testimony["quorum_met"], true);
    assert_eq!(testimony["checkpoint"]["quorum_met"], false);
    assert_eq!(testimony["witnessed"]["leaves"], n_leaves);
    assert_eq!(testimony["warnings"], serde_json::json!([]));
    let age = &testimony["age"];
    let after = told["leaves"].as_u64().unwrap() - age["leaves"].as_u64().unwrap();
    assert_eq!((&age["leaves"], &age["leaves_after"]), (&n_leaves.into(), &after.into()), "{age}");
    assert!(0 < after && age["unix_s"].is_u64() && age["age_s"].is_i64(), "{age}");
    // Whoever is to confirm the clock is told, too.
    let due = run(&world.log(), &["audit", "expire", "--json"]).json();
    assert_eq!(due["witnessed"]["leaves"], n_leaves, "{due}");
    assert_eq!(due["witnessed"]["witnesses"], serde_json::json!(["w1"]), "{due}");
    assert_eq!(due["witnessed"]["unix_s"], age["unix_s"], "{due}");
    let due = run(&world.log(), &["audit", "expire"]).stdout;
    assert!(due.contains(&format!("a witness confirmed {n_leaves} leaves at ")), "{due}");
    // Whoever keeps both keys in one folder is told what that is worth.
    world.copy("witness", "log/witness");
    let told = verify("witness.policy").json();
    let warning = told["testimony"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("a witness run by the operator proves little"), "{warning}");
    let words = run(&world.log(), &["audit", "verify", "--policy", "witness.policy"]).stdout;
    assert!(
        words.contains(&format!("witnessed: {n_leaves} leaves, cosigned by w1 at ")),
        "{words}"
    );
    assert!(words.contains("warning: "), "{words}");
    for part in ["vouched for: ", " by this clock; ", " leaves came after them"] {
        assert!(words.contains(part), "no `{part}` in {words}");
    }

    // Another witness has said nothing, and what was said is worth nothing once it is lost.
    let done = run(world.path(), &["witness", "key", "--dir", "other", "--name", "w.test/9"]);
    let other =
        format!("log {}\nwitness w9 {}\nquorum w9\n", world.log_key(), done.stdout.trim_end());
    write(&world.log(), "other.policy", &other);
    let unmet = "the quorum is not met: too few witnesses have cosigned";
    let done = verify("other.policy");
    assert!(done.code == 1 && done.json()["problem"] == unmet, "{done:?}");
    fs::remove_file(world.log().join(".bartizan/ledger/log/witnessed")).unwrap();
    let done = verify("witness.policy");
    assert!(done.code == 1 && done.json()["problem"] == unmet, "{done:?}");
    write(&world.log(), "bad.policy", "quorum\n");
    let done = verify("bad.policy");
    assert!(done.code == 2 && done.stderr.contains("bad.policy:1"), "{done:?}");
}

#[test]
fn two_of_three_are_enough() {
    let world = World::new(WITNESSED);
    let others = [("two", "w.test/2"), ("three", "w.test/3")].map(|(dir, name)| {
        let key = run(world.path(), &["witness", "key", "--dir", dir, "--name", name]).stdout;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        (dir, key.trim_end().to_owned(), port)
    });
    let policy = text(&world.log().join("witness.policy"));
    let (head, _) = policy.split_once("quorum").unwrap();
    let [(dir, two, port), (_, three, away)] = &others;
    let policy = format!(
        "{head}witness w2 {two} http://127.0.0.1:{port}\nwitness w3 {three} http://127.0.0.1:{away}\ngroup g 2 w1 w2 w3\nquorum g\n"
    );
    write(&world.log(), "witness.policy", &policy);
    let _one = world.witness();
    let log = world.serve("log");
    log.records(1);
    wait_for("one", || world.published("log", "checkpoint").contains("\u{2014} w.test/1 "));
    assert!(log.get("/readyz").contains("no witness quorum since never"));
    assert_eq!(world.published("log", "witnessed"), "", "one is not enough");
    let (listen, key) = (format!("127.0.0.1:{port}"), world.log_key());
    let arguments = ["witness", "--dir", dir, "--listen", &listen, "--follow", &key];
    let _two = Server::start(world.path(), &arguments, "The witness listens on");
    wait_for("the quorum", || log.get("/readyz").ends_with("\r\n\r\n{\"ready\":true}"));
    world.witnessed("log", 3);
    let witnessed = world.published("log", "witnessed");
    assert!(witnessed.contains("\u{2014} w.test/2 ") && !witnessed.contains("w.test/3"));
    log.stop();
}

#[test]
fn a_wrong_policy_is_pointed_at() {
    let world = World::new(WITNESSED);
    let good = text(&world.log().join("witness.policy"));
    let line = |at: usize| good.lines().nth(at).unwrap().to_owned();
    let (log, witness) = (line(0), line(1));
    let witness_key = after(&witness, "witness w1 ");
    let log_key = after(&log, "log ");
    let unasked = format!("{log}\nwitness w1 {witness_key}\nquorum w1\n");
    let ftp = format!("{log}\nwitness w1 {witness_key} ftp://h/\nquorum w1\n");
    let same_key = format!("{log}\nwitness w1 {log_key} http://h/\nquorum w1\n");
    let group = |rest: &str| format!("{log}\n{witness}\ngroup g {rest}\nquorum g\n");
    let cases = [
        ("right", good.clone(), None, ""),
        ("empty", String::new(), Some(1), "exactly one quorum line"),
        ("no quorum", format!("{log}\n{witness}\n"), Some(2), "exactly one quorum line"),
        ("two quorums", format!("{good}quorum w1\n"), Some(4), "exactly one quorum line"),
        ("cut", good.trim_end().to_owned(), Some(3), "was the file cut?"),
        ("a word", format!("{good}witnesses\n"), Some(4), "unknown word"),
        ("a tab too many", format!("{good}\u{7}\n"), Some(4), "control character"),
        ("no key", "log\nquorum none\n".to_owned(), Some(1), "write log"),
        ("a typo", good.replacen("log bart", "log Bart", 1), Some(1), "a character was changed"),
        ("the log's key", same_key, Some(2), "one for cosignatures"),
        ("twice", format!("{log}\n{witness}\n{witness}\nquorum w1\n"), Some(3), "listed before"),
        ("a stranger", good.replace("quorum w1", "quorum w2"), Some(3), "is named w2"),
        ("too many of one", group("2 w1"), Some(3), "the threshold is"),
        ("a member twice", group("all w1 w1"), Some(3), "each counts once"),
        ("nobody", group("any"), Some(3), "write group"),
        ("no witness", format!("{log}\nquorum none\n"), Some(2), "asks for no witness"),
        ("no address", unasked, Some(2), "has no address"),
        ("no address to call", ftp, Some(2), "neither http nor https"),
    ];
    for (name, policy, place, want) in cases {
        write(&world.log(), "witness.policy", &policy);
        let done = run(&world.log(), &["config", "check"]);
        assert_eq!(done.code, place.map_or(0, |_| 2), "{name}: {done:?}");
        assert!(done.stderr.contains(want), "{name}: {done:?}");
        if let Some(line) = place {
            assert!(done.stderr.contains(&format!("witness.policy:{line}:")), "{name}: {done:?}");
        }
    }
    // What only `serve` can know.
    write(&world.log(), "witness.policy", &good.replacen("log ", "#log ", 1));
    let done = run(&world.log(), &SERVE);
    assert!(done.code == 2 && done.stderr.contains("add the line: log bartizan.log/"), "{done:?}");
    fs::remove_file(world.log().join("witness.policy")).unwrap();
    let done = run(&world.log(), &["config", "check"]);
    assert!(done.code == 2 && done.stderr.contains("cannot read witness.policy"), "{done:?}");
    write(&world.log(), "witness.policy", &good);
    for (more, want) in [
        ("ca_file = \"absent.pem\"\n", "cannot read absent.pem"),
        ("every_ms = 9\n", "`every_ms` is 9"),
        ("timeout_ms = 70000\n", "`timeout_ms` is 70000"),
        ("quorum = 1\n", "unknown field `quorum`"),
        ("[ledger]\nmode = \"off\"\n", "nothing can be witnessed"),
    ] {
        let text = config(&format!("[ledger.witness]\npolicy = \"witness.policy\"\n{more}"));
        write(&world.log(), "bartizan.toml", &text);
        let done = run(&world.log(), &["config", "check"]);
        assert!(done.code == 2 && done.stderr.contains(want), "{more}: {done:?}");
    }
}

#[test]
fn a_witness_keeps_its_key_and_its_door() {
    let world = World::new(WITNESSED);
    let key = world.log_key();
    let witness_key = run(world.path(), &["witness", "key", "--dir", "witness"]).stdout;
    assert!(witness_key.starts_with("w.test/1+"), "{witness_key}");
    let cases: [(&str, &[&str], i32, &str); 7] = [
        ("no log", &[], 2, "--follow is missing"),
        ("no key", &["--follow", "somebody"], 2, "name+hash+base64"),
        ("a witness's key", &["--follow", witness_key.trim_end()], 2, "the key of a witness"),
        ("others", &["--follow", &key, "--listen", "0.0.0.0:0"], 2, "add --insecure"),
        ("no address", &["--follow", &key, "--listen", "localhost"], 2, "127.0.0.1:4180"),
        ("another name", &["--follow", &key, "--name", "w2"], 2, "is called w.test/1"),
        ("a bad name", &["--follow", &key, "--name", "a b", "--dir", "other"], 2, "--name:"),
    ];
    for (name, more, code, want) in cases {
        let arguments =
            [&["witness", "--dir", "witness", "--listen", "127.0.0.1:0"], more].concat();
        // The later one of two counts.
        let arguments: Vec<&str> =
            match more.iter().find(|word| ["--dir", "--listen"].contains(word)) {
                Some(_) => [&["witness"], more].concat(),
                None => arguments,
            };
        let done = run(world.path(), &arguments);
        assert!(done.code == code && done.stderr.contains(want), "{name}: {done:?}");
    }
    let file = world.path().join("witness/witness.key");
    assert_eq!(mode(&file), 0o600);
    let mut witness = world.witness();
    let busy = run(world.path(), &["witness", "--dir", "witness", "--follow", &key]);
    assert!(busy.code == 3, "{busy:?}");
    for part in ["another `bartizan witness` runs in witness", "fuser witness/state/lock"] {
        assert!(busy.stderr.contains(part), "no `{part}` in {busy:?}");
    }
    assert_eq!(run(world.path(), &["witness", "key", "--dir", "witness"]).stdout, witness_key);
    let at = format!("127.0.0.1:{}", world.port);
    let long = "a".repeat(2 << 20);
    for (line, body, want) in [
        ("GET /add-checkpoint", "", 405),
        ("POST /add-checkpoint", "", 400),
        ("POST /add-checkpoint", "old 0\n\nx\n0\ny\n", 400),
        ("POST /add-checkpoint", long.as_str(), 413),
        ("POST /", "", 404),
        ("GET /metrics", "", 404),
        ("GET /0123/checkpoint", "", 404),
        ("POST /0123/checkpoint", "", 405),
    ] {
        let answer = request(&at, line, "", body);
        assert_eq!(status(&answer), want, "{line}: {answer}");
    }
    witness.signal("TERM");
    assert_eq!(witness.end(), 0, "{}", witness.said());
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for arguments in [
        &["witness", "key", "--dir", "witness"][..],
        &["witness", "--dir", "witness", "--follow", &key],
    ] {
        let done = run(world.path(), arguments);
        assert!(done.code == 3 && done.stderr.contains("chmod 600"), "{done:?}");
    }
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}

/// Answers a witness's questions with a status and a size that nobody has signed, for as long as the test runs.
fn liar(listener: TcpListener, status: &'static str) {
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _n_read = tcp.read(&mut head).unwrap_or_default();
            let body = "999999\n";
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
            tcp.write_all((head + body).as_bytes()).unwrap_or_default();
        }
    });
}

#[test]
fn a_status_that_nobody_signed_stops_no_log() {
    for status_line in ["409 Conflict", "422 Unprocessable Entity"] {
        let world = World::new(WITNESSED);
        liar(TcpListener::bind(("127.0.0.1", world.port)).unwrap(), status_line);
        let log = world.serve("log");
        log.records(2);
        wait_for("the answers", || {
            let metrics = log.get("/metrics");
            !metrics.contains("bartizan_witness_failures_total 0\n")
                && !metrics.contains("bartizan_witness_failures_total 1\n")
        });
        let told = log.get("/readyz");
        assert!(status(&told) == 200 && told.contains("no witness quorum"), "{told}");
        let metrics = log.get("/metrics");
        assert!(metrics.contains("bartizan_witness_refusals_total 0\n"), "{metrics}");
        assert!(log.server.said().contains("is not believed"), "{}", log.server.said());
        log.stop();
        assert!(!world.log().join(".bartizan/ledger/contradiction.json").exists());
        let done = run(&world.log(), &["vault", "accept", "--json"]);
        assert_eq!((done.code, &done.json()["accepted"]), (1, &false.into()), "{done:?}");
        assert_eq!(run(&world.log(), &["audit", "verify"]).code, 0);
    }
}
