//! The gateway as a process: what callers get, what it notices while it runs, how it ends.
use std::path::Path;

use crate::common::{
    CALLER_KEY, Server, after, ask, first_key, request, run, status, wait_for, write,
};

const PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
const CARD: &str = "What is the card number on file?";

fn serve(folder: &Path, more: &[&str]) -> (Server, String, String) {
    Server::serve(folder, &[&PORTS[..], more].concat())
}

/// Serves a configuration file with a key of ours.
fn serve_file(folder: &Path, text: &str) -> (Server, String, String) {
    write(folder, "bartizan.toml", text);
    serve(folder, &["--config", "bartizan.toml", "--key-env", "CALLER_KEY"])
}

fn leaves(folder: &Path) -> Vec<serde_json::Value> {
    let list = run(folder, &["audit", "list", "--json", "--limit", "10000"]);
    list.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_request_goes_through_the_wall() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &["--chunk-bytes", "3"]);
    let (serve, callers, control) = serve(folder.path(), &["--upstream", &url]);
    let key = first_key(folder.path());
    assert!(key.starts_with("bz_") && !serve.said().contains(&key), "a log holds no key");
    assert!(serve.said().contains("first.key: take it from there"), "{}", serve.said());

    let plain = ask(&callers, &key, CARD, false);
    assert!(status(&plain) == 200 && plain.contains("[redacted:pii.card]"), "{plain}");
    let stream = ask(&callers, &key, CARD, true);
    assert!(stream.contains("data: [DONE]") && stream.contains("pii.card=1"), "{stream}");
    assert!(stream.contains("redacted"), "{stream}");
    for (name, answer, want) in [
        ("wrong key", ask(&callers, "bz_wrong", CARD, false), 401),
        ("side door", request(&callers, "POST /v1/completions", &key, "{}"), 403),
        ("unknown path", request(&callers, "GET /admin", &key, ""), 404),
        ("ready", request(&control, "GET /readyz", "", ""), 200),
    ] {
        assert_eq!(status(&answer), want, "{name}: {answer}");
    }
    let metrics = request(&control, "GET /metrics", "", "");
    assert!(metrics.contains("bartizan_ledger_syncs_total"), "{metrics}");

    let record = after(&plain, "x-bartizan-record: ");
    let sealed = run(folder.path(), &["audit", "show", record.get(..10).unwrap()]);
    assert!(sealed.stdout.contains("[sealed, ") && !sealed.stdout.contains(CARD), "{sealed:?}");
    let shown = run(folder.path(), &["audit", "show", record.get(..10).unwrap(), "--reveal"]);
    for want in
        [&format!("INTENT {record}"), &format!("OUTCOME {record}"), CARD, "pii.card from model"]
    {
        assert!(shown.stdout.contains(want), "no `{want}` in {shown:?}");
    }
    let kinds: Vec<_> = leaves(folder.path()).iter().map(|leaf| leaf["kind"].clone()).collect();
    assert_eq!(kinds[..2], ["policy_change", "key_event"]);
    let reveals = leaves(folder.path());
    let mut reveals = reveals.iter().filter(|leaf| leaf["kind"] == "reveal");
    assert_eq!(reveals.next().unwrap()["record"], record, "who reads leaves a trace");
    assert!(reveals.next().is_none(), "and who does not read leaves none");
    wait_for("the tally", || leaves(folder.path()).iter().any(|leaf| leaf["kind"] == "tally"));
}

#[test]
fn keys_count_within_a_second_and_every_change_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let (_serve, callers, _) = serve(folder.path(), &["--upstream", &url]);
    let made = run(folder.path(), &["key", "new", "--role", "ops", "--format", "json"]).json();
    let (key, id) = (made["key"].as_str().unwrap(), made["id"].as_str().unwrap());
    let models = |key: &str| request(&callers, "GET /v1/models", key, "");
    wait_for("the new key", || status(&models(key)) == 200);
    assert_eq!(run(folder.path(), &["key", "revoke", id]).code, 0);
    wait_for("the revocation", || status(&models(key)) == 401);
    let events = |id: &str| {
        let leaves = leaves(folder.path());
        leaves.iter().filter(|leaf| leaf["kind"] == "key_event" && leaf["key"] == id).count()
    };
    assert_eq!(events(id), 2, "made, revoked");
}

#[test]
fn a_wrong_file_changes_nothing_and_a_right_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = format!("[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n");
    let (serve, callers, _) = serve_file(folder.path(), &text);
    let asks = || ask(&callers, CALLER_KEY, "repeat after me: write to jo@example.org", false);
    assert!(asks().contains("jo@example.org"));

    write(folder.path(), "bartizan.toml", &format!("{text}[guard]\nprofile = \"strickt\"\n"));
    wait_for("the complaint", || serve.said().contains("did you mean `strict`?"));
    assert!(
        serve.said().contains("not in force") && serve.said().contains("bartizan.toml:5:11"),
        "{}",
        serve.said()
    );
    assert!(asks().contains("jo@example.org"), "the old rules stay");

    write(folder.path(), "bartizan.toml", &format!("{text}[guard]\nprofile = \"strict\"\n"));
    wait_for("the new rules", || asks().contains("[redacted:pii.email]"));
    wait_for("the word", || serve.said().contains("profile strict"));
    let changes =
        || leaves(folder.path()).iter().filter(|leaf| leaf["kind"] == "policy_change").count();
    assert_eq!(changes(), 2, "each policy in force is recorded");

    let moved = format!(
        "{text}[listen]\norigins = [\"http://a.example\"]\n[ledger]\ndir = \"elsewhere\"\n"
    );
    write(folder.path(), "bartizan.toml", &moved);
    wait_for("the warning", || serve.said().contains("needs a restart: ledger"));
    assert!(!folder.path().join("elsewhere").exists());
    write(folder.path(), "bartizan.toml", &format!("{moved}# again\n"));
    let reloads = || serve.said().matches("Reloaded.").count();
    wait_for("one more reload", || 3 <= reloads());
    assert_eq!(serve.said().matches("needs a restart").count(), 1, "{}", serve.said());
}

/// Recording that is switched off and on again while the gateway runs leaves a leaf before the first answer without a record, and one after the last.
#[test]
fn what_is_not_recorded_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = |how: &str| {
        format!(
            "[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n[[route]]\nname = \"chat\"\ndurability = \"{how}\"\n"
        )
    };
    let (mut serve, callers, control) = serve_file(folder.path(), &text("strict"));
    let asks = || ask(&callers, CALLER_KEY, CARD, false);
    let ready = || request(&control, "GET /readyz", "", "");
    let verify = || run(folder.path(), &["audit", "verify", "--json"]);
    let changes = || {
        let leaves = leaves(folder.path());
        let all = leaves.iter().filter(|leaf| leaf["kind"] == "policy_change");
        all.map(|leaf| leaf["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert!(!verify().stdout.contains("switched recording off") && !ready().contains("chat"));
    for (how, n_changes) in [("off", 2), ("strict", 3)] {
        write(folder.path(), "bartizan.toml", &text(how));
        wait_for(how, || asks().contains(&format!("x-bartizan-audit: {how}")));
        let off = changes();
        assert_eq!(off.len(), n_changes, "{how}");
        let told = ready();
        assert_eq!((status(&told), told.contains("chat")), (200, how == "off"), "{told}");
        let verified = verify();
        assert_eq!(verified.code, 0, "{verified:?}");
        let want = format!("leaf {} switched recording off for route chat", off[1]);
        let warnings = verified.json()["warnings"].to_string();
        assert!(warnings.contains(&want) && verified.stderr.contains(&want), "{verified:?}");
        let until =
            off.get(2).map_or("none switched it on".to_owned(), |on| format!("until leaf {on}"));
        assert!(warnings.contains(&until), "{how}: {warnings}");
    }
    // What only a restart changes does not stop records before it, and the log hears of it before they stop.
    write(
        folder.path(),
        "bartizan.toml",
        &format!(
            "[ledger]\nmode = \"off\"\n{}",
            text("off").replace("[[route]]\nname = \"chat\"\ndurability = \"off\"\n", "")
        ),
    );
    wait_for("the warning", || serve.said().contains("needs a restart: ledger"));
    assert!(asks().contains("x-bartizan-audit: strict"));
    serve.signal("TERM");
    serve.end();
    let n_before = changes().len();
    let (mut serve, callers, control) =
        self::serve(folder.path(), &["--config", "bartizan.toml", "--key-env", "CALLER_KEY"]);
    assert!(ask(&callers, CALLER_KEY, CARD, false).contains("x-bartizan-audit: off"));
    assert!(request(&control, "GET /readyz", "", "").contains("mode"), "it says so");
    assert_eq!(changes().len(), n_before + 1);
    let warned = verify().json()["warnings"].to_string();
    assert!(warned.contains("switched recording off altogether"), "{warned}");
    serve.signal("TERM");
    serve.end();
    let _again = serve_file(folder.path(), &text("strict"));
    assert_eq!(changes().len(), n_before + 2, "a leaf says that records are back");
}

/// Switching recording off goes on record too; a ledger that cannot take that leaf is not left behind in silence.
#[test]
#[expect(clippy::disallowed_methods, reason = "a segment of the test's own, of a known size")]
fn a_damaged_ledger_does_not_let_recording_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = format!("[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n");
    let (mut serve, callers, _) = serve_file(folder.path(), &text);
    assert_eq!(status(&ask(&callers, CALLER_KEY, CARD, false)), 200);
    serve.signal("TERM");
    serve.end();
    let segment = folder.path().join(".bartizan/ledger/segment-00000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let n_used = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    bytes[n_used / 2] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    write(folder.path(), "bartizan.toml", &format!("{text}[ledger]\nmode = \"off\"\n"));
    let refused =
        run(folder.path(), &[&["serve", "--config", "bartizan.toml"], &PORTS[..]].concat());
    assert_eq!(refused.code, 3, "{refused:?}");
    for want in ["recording is not switched off", "name another state folder", "segment 0 byte"] {
        assert!(refused.stderr.contains(want), "no `{want}` in {refused:?}");
    }
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "nothing was changed");
}

/// Guards that are switched off while the gateway runs, or models that are led to a route without records, are in the log before the first such answer.
#[test]
fn guards_and_routes_that_change_are_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = |mode: &str, models: &str| {
        format!(
            "[guard]\nmode = \"{mode}\"\n[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n[[route]]\nname = \"probe\"\nmodels = [\"{models}\"]\ndurability = \"off\"\n[[route]]\nname = \"chat\"\n"
        )
    };
    let (serve, callers, control) = serve_file(folder.path(), &text("on", "health-probe"));
    let asks = || ask(&callers, CALLER_KEY, CARD, false);
    let ready = || request(&control, "GET /readyz", "", "");
    let last = |kind: &str| leaves(folder.path()).into_iter().rfind(|leaf| leaf["kind"] == kind);
    let changes = |n: usize| {
        let leaves = leaves(folder.path());
        leaves.iter().filter(|leaf| leaf["kind"] == "policy_change").count() == n
    };
    assert!(asks().contains("x-bartizan-audit: strict") && !ready().contains("unread"));

    write(folder.path(), "bartizan.toml", &text("off", "health-probe"));
    wait_for("the leaf", || changes(2));
    wait_for("unread answers", || !asks().contains("[redacted:pii.card]"));
    let off = last("policy_change").unwrap();
    assert_eq!(off["verdict"], serde_json::json!(["unscanned", "unrecorded"]));
    let unscanned = last("outcome").unwrap();
    assert!(off["index"].as_u64() < unscanned["index"].as_u64());
    wait_for("the warning", || serve.said().contains("every text passes unread."));
    wait_for("the word", || serve.said().contains("guards=off"));
    let told = ready();
    assert!(status(&told) == 200 && told.contains("every text passes unread"), "{told}");

    write(folder.path(), "bartizan.toml", &text("on", "*"));
    wait_for("the next leaf", || changes(3));
    wait_for("no records", || asks().contains("x-bartizan-audit: off"));
    assert!(!ready().contains("unread"));
    let id = last("policy_change").unwrap()["record"].as_str().unwrap().to_owned();
    let shown = run(folder.path(), &["audit", "show", &id, "--json"]).json();
    let want = ["[guard] mode: off -> on", "route probe, models: health-probe -> *"];
    assert_eq!(shown[0]["evidence"]["changed"], serde_json::json!(want), "{shown}");
    let told = run(folder.path(), &["audit", "show", &id]).stdout;
    for want in want {
        assert!(told.contains(&format!("  changed   {want}\n")), "{told}");
    }
    assert!(
        told.contains("standard.cedar (--json has them)") && !told.contains("permit"),
        "{told}"
    );
    let verified = run(folder.path(), &["audit", "verify"]);
    for want in [
        "switched recording off for route probe (and none",
        "switched the guards off, so that every text passed unread (until leaf",
        "changed the routes while one of them recorded nothing: route probe, models: health-probe -> *",
    ] {
        assert!(verified.code == 0 && verified.stderr.contains(want), "{want}: {verified:?}");
    }
    // Whoever has only a copy sees it by the leaves.
    let mut cp = std::process::Command::new("cp");
    cp.args(["-a", ".bartizan/ledger", "copy"]).current_dir(folder.path());
    assert!(cp.status().unwrap().success());
    let outside = run(folder.path(), &["audit", "verify", "--dir", "copy"]);
    for want in ["switched the guards off", "switched recording off for something"] {
        assert!(outside.stderr.contains(want), "{want}: {outside:?}");
    }
}

/// A running gateway says that fewer days wait, and takes the word for them.
#[test]
fn a_shorter_retention_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let text = |days: u64| {
        format!(
            "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n[ledger.retention]\npayload_days = {days}\n"
        )
    };
    let is_waiting = |control: &str| {
        let told = request(control, "GET /readyz", "", "");
        assert_eq!(status(&told), 200, "{told}");
        told.contains("--confirm-retention")
    };
    let (mut serve, _, control) = serve_file(folder.path(), &text(200));
    assert!(!is_waiting(&control));
    serve.signal("TERM");
    serve.end();
    let (_serve, _, control) = serve_file(folder.path(), &text(20));
    wait_for("the notice", || is_waiting(&control));
    let both = run(folder.path(), &["audit", "expire", "--confirm-retention", "--confirm-clock"]);
    assert_eq!(both.code, 2, "one word at a time: {both:?}");
    let list = run(folder.path(), &["audit", "expire", "--json"]);
    assert_eq!(list.json()["due"][0]["agreed_days"], 200, "{list:?}");
    let said = run(folder.path(), &["audit", "expire", "--confirm-retention"]);
    assert!(said.code == 0 && said.stdout.contains("who confirmed the retention"), "{said:?}");
    wait_for("its end", || !is_waiting(&control));
    let kinds: Vec<_> = leaves(folder.path()).iter().map(|leaf| leaf["kind"].clone()).collect();
    let n_changes = kinds.iter().filter(|kind| **kind == "policy_change").count();
    assert_eq!(n_changes, 2, "{kinds:?}");
    assert_eq!(kinds.last().unwrap(), "decision");
}

#[test]
fn a_wrong_file_keeps_no_revoked_key_alive() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = format!("[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n");
    write(folder.path(), "bartizan.toml", &text);
    let (serve, callers, _) = serve(folder.path(), &[]);
    let key = first_key(folder.path());
    let models = || status(&request(&callers, "GET /v1/models", &key, ""));
    assert_eq!(models(), 200);
    write(folder.path(), "bartizan.toml", "[guard\n");
    wait_for("the complaint", || serve.said().contains("bartizan.toml:1:"));
    assert_eq!(models(), 200, "the old configuration stays");
    let list = run(folder.path(), &["key", "list", "--format", "json"]).json();
    assert_eq!(run(folder.path(), &["key", "revoke", list[0]["id"].as_str().unwrap()]).code, 0);
    wait_for("the revocation", || models() == 401);
}

#[test]
fn hang_up_reads_the_configuration_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = format!("[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n");
    let (serve, ..) = serve_file(folder.path(), &text);
    serve.signal("HUP");
    wait_for("the reload", || serve.said().contains("Reloaded."));
}

#[test]
fn the_end_is_polite_and_the_second_signal_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &["--delay-ms", "150", "--chunk-bytes", "8"]);
    let dir = |name: &'static str| {
        ["--upstream", &url, "--key-env", "CALLER_KEY", "--dir", name].map(str::to_owned)
    };
    for (name, second, code, is_whole) in [("one", false, 0, true), ("two", true, 0, false)] {
        let arguments = dir(name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (mut serve, callers, _) = serve(folder.path(), &arguments);
        let asked = std::thread::spawn(move || ask(&callers, CALLER_KEY, CARD, true));
        wait_for("an open stream", || {
            run(folder.path(), &["audit", "list", "--dir", name, "--json"])
                .stdout
                .contains("\"intent\"")
        });
        serve.signal("TERM");
        wait_for("the word", || serve.said().contains("Stopping"));
        if second {
            serve.signal("TERM");
        }
        assert_eq!(serve.end(), code, "{}", serve.said());
        if second {
            wait_for("the truth", || serve.said().contains("answers were cut off"));
        } else {
            assert!(!serve.said().contains("cut off"), "{}", serve.said());
        }
        let answer = asked.join().unwrap();
        assert_eq!(answer.contains("data: [DONE]"), is_whole, "{name}: {answer}");
        let done = run(folder.path(), &["audit", "verify", "--dir", name, "--json"]).json();
        assert_eq!((&done["verified"], &done["open"]), (&true.into(), &0.into()), "{name}: {done}");
    }
}

#[test]
fn two_signals_cut_off_nothing_where_nothing_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (mut serve, callers, _) =
        serve(folder.path(), &["--upstream", "http://127.0.0.1:1", "--key-env", "CALLER_KEY"]);
    // A connection that waits for its next request is no open answer.
    let idle = std::net::TcpStream::connect(callers).unwrap();
    serve.signal_twice("TERM");
    assert_eq!(serve.end(), 0, "{}", serve.said());
    drop(idle);
    assert!(!serve.said().contains("cut off"), "{}", serve.said());
}

#[test]
fn a_profile_on_the_command_line_replaces_no_policy_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[guard]\npolicy = \"guard.cedar\"\n[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
    write(folder.path(), "bartizan.toml", text);
    let done = run(folder.path(), &["serve", "--profile", "observe"]);
    assert_eq!(done.code, 2, "{done:?}");
    for want in ["--profile observe", "policy = guard.cedar"] {
        assert!(done.stderr.contains(want), "no `{want}` in {done:?}");
    }
}

#[test]
fn an_address_in_use_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments =
        ["serve", "--upstream", "http://a", "--control", "127.0.0.1:0", "--listen", &address];
    let done = run(folder.path(), &arguments);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(done.stderr.matches("in use").count(), 1, "{done:?}");
    assert!(done.stderr.contains("choose another address"), "{done:?}");
}

#[test]
fn one_ledger_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--upstream", "http://127.0.0.1:1", "--key-env", "CALLER_KEY"];
    let (_serve, ..) = serve(folder.path(), &arguments);
    let second = run(folder.path(), &[&["serve"], &PORTS[..], &arguments[..]].concat());
    assert!(second.code == 3 && second.stderr.contains("another process writes"), "{second:?}");
}

#[test]
fn what_is_off_is_said_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = format!(
        "[[upstream]]\nname = \"a\"\nurl = \"{url}\"\n[ledger]\nmode = \"off\"\n[guard]\nmode = \"off\"\n"
    );
    let (serve, callers, _) = serve_file(folder.path(), &text);
    for want in ["WARNING   the ledger is off", "WARNING   the guards are off"] {
        assert!(serve.said().contains(want), "no `{want}` in {}", serve.said());
    }
    let answer = ask(&callers, CALLER_KEY, CARD, false);
    assert!(status(&answer) == 200 && !answer.contains("redacted"), "{answer}");
    assert!(!folder.path().join(".bartizan/ledger").exists());
}
