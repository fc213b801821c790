//! Our own keys are replaced, and nothing that was sealed or signed is lost.
use crate::common::{CALLER_KEY, Server, after, ask, bytes_of, request, run, status, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const TEXT: &str = "what the wall has seen";

fn serve(folder: &Path, url: &str) -> (Server, String) {
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "warn"];
    let more = ["--upstream", url, "--key-env", "CALLER_KEY"];
    let (server, callers, _) = Server::serve(folder, &[&ports[..], &more].concat());
    (server, callers)
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert_eq!(server.end(), 0, "{}", server.said());
}

#[test]
fn keys_are_replaced_and_old_texts_stay_readable() {
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join(".bartizan/vault");
    let (_range, url) = Server::range(folder.path(), &[]);
    let (server, callers) = serve(folder.path(), &url);
    let record = after(&ask(&callers, CALLER_KEY, TEXT, false), "x-bartizan-record: ");
    for key in ["log", "tenant"] {
        let busy = run(folder.path(), &["vault", "rotate", key]);
        assert!(busy.code == 3 && busy.stderr.contains("stop the gateway"), "{busy:?}");
    }
    stop(server);

    let status = || run(folder.path(), &["vault", "status", "--json"]).json();
    let before = status();
    assert_eq!((&before["subjects"], &before["destroyed"]), (&1.into(), &0.into()), "{before}");
    assert_eq!(before["next_verifier_key"], serde_json::Value::Null, "{before}");
    // As a rotation leaves it that was cut short: the one that is given then goes on with that key.
    fs::copy(vault.join("log.key"), vault.join("log.key.next")).unwrap();
    assert_eq!(status()["next_verifier_key"], before["verifier_key"]);
    let told = run(folder.path(), &["vault", "status"]);
    assert!(told.stdout.contains("next key of the log") && told.stderr.contains("cut short"));
    fs::remove_file(vault.join("log.key.next")).unwrap();
    let old_tenant = bytes_of(&vault.join("tenant.key"));
    let log = run(folder.path(), &["vault", "rotate", "log", "--json"]).json();
    let tenant = run(folder.path(), &["vault", "rotate", "tenant", "--json"]).json();
    assert!(2 <= tenant["rewrapped"].as_u64().unwrap(), "{tenant}");
    assert_eq!(status()["verifier_key"], log["verifier_key"]);
    assert_ne!(before["verifier_key"], log["verifier_key"]);
    assert_ne!(bytes_of(&vault.join("tenant.key")), old_tenant);
    let public =
        String::from_utf8(bytes_of(&folder.path().join(".bartizan/ledger/log.vkey"))).unwrap();
    let want = [&log["verifier_key"], &before["verifier_key"]].map(|key| key.as_str().unwrap());
    assert_eq!(public.lines().collect::<Vec<_>>(), want, "the latest first");

    let check = || {
        let verified = run(folder.path(), &["audit", "verify", "--json"]);
        assert_eq!(verified.code, 0, "{verified:?}");
        let shown = run(folder.path(), &["audit", "show", &record, "--reveal"]);
        assert!(shown.stdout.contains(TEXT), "{shown:?}");
    };
    check();
    // A rotation that was cut short after the store had changed hands.
    fs::rename(vault.join("tenant.key"), vault.join("tenant.key.next")).unwrap();
    fs::write(vault.join("tenant.key"), &old_tenant).unwrap();
    fs::set_permissions(vault.join("tenant.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let (server, callers) = serve(folder.path(), &url);
    assert!(!vault.join("tenant.key.next").exists(), "the next start finishes it");
    assert!(ask(&callers, CALLER_KEY, TEXT, false).contains(" 200 "));
    stop(server);
    check();
    // Who has only the first key is led on to the present one, and told so.
    let first = before["verifier_key"].as_str().unwrap();
    let followed = run(folder.path(), &["audit", "verify", "--json", "--key", first]);
    assert_eq!(followed.code, 0, "{followed:?}");
    assert_eq!(followed.json()["handovers"][0]["new"], log["verifier_key"], "{followed:?}");
    let words = run(folder.path(), &["audit", "verify", "--key", first]).stdout;
    assert!(words.contains("handed over: "), "{words}");
    let list = run(folder.path(), &["audit", "list", "--json"]).stdout;
    assert_eq!(list.matches("\"kind\":\"policy_change\"").count(), 1, "nothing changed: {list}");
    assert_eq!(
        list.matches("\"kind\":\"key_event\"").count(),
        5,
        "two starts, a rotation of the log's key, and the beginning and the end of one of the tenant's: {list}"
    );
}

#[test]
fn a_vault_that_is_not_ours_alone_or_not_there_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let vault = folder.path().join(".bartizan/vault");
    let (_range, url) = Server::range(folder.path(), &[]);
    let (server, _) = serve(folder.path(), &url);
    stop(server);
    let start = || {
        let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        run(
            folder.path(),
            &[&["serve", "--upstream", &url, "--key-env", "CALLER_KEY"], &ports[..]].concat(),
        )
    };
    fs::set_permissions(vault.join("log.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let open = start();
    assert!(open.code == 3 && open.stderr.contains("chmod 600"), "{open:?}");
    fs::set_permissions(vault.join("log.key"), fs::Permissions::from_mode(0o600)).unwrap();
    for (file, want) in [("log.key", "its keys are gone"), ("keys.slots", "key store")] {
        let bytes = bytes_of(&vault.join(file));
        fs::remove_file(vault.join(file)).unwrap();
        let gone = start();
        assert!(gone.code == 3 && gone.stderr.contains(want), "{file}: {gone:?}");
        assert!(!vault.join(file).exists(), "{file} is not made anew over a log");
        fs::write(vault.join(file), bytes).unwrap();
        fs::set_permissions(vault.join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let key = String::from_utf8(bytes_of(&vault.join("tenant.key"))).unwrap();
    let secret = key.split_whitespace().nth(3).unwrap().to_owned();
    fs::write(vault.join("tenant.key"), key.replace(' ', "")).unwrap();
    let damaged = start();
    assert!(damaged.code == 3 && damaged.stderr.contains("tenant.key"), "{damaged:?}");
    assert!(!damaged.stderr.contains(&secret), "no error quotes a key: {damaged:?}");
}

#[test]
fn a_ledger_that_is_gone_or_older_is_not_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".bartizan");
    let (_range, url) = Server::range(folder.path(), &[]);
    let (server, callers) = serve(folder.path(), &url);
    let record = after(&ask(&callers, CALLER_KEY, TEXT, false), "x-bartizan-record: ");
    stop(server);
    let copy = |from: &Path, to: &Path| {
        let done = std::process::Command::new("cp").arg("-a").args([from, to]).status();
        assert!(done.unwrap().success());
    };
    copy(&state.join("ledger"), &folder.path().join("older"));
    let (server, callers) = serve(folder.path(), &url);
    ask(&callers, CALLER_KEY, TEXT, false);
    stop(server);
    let commands: [&[&str]; 3] = [
        &[
            "serve",
            "--upstream",
            &url,
            "--key-env",
            "CALLER_KEY",
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
        ],
        &["vault", "rotate", "log"],
        &["audit", "erase", "--subject", "caller:k-env"],
    ];
    fs::rename(state.join("ledger"), folder.path().join("newest")).unwrap();
    for command in commands {
        let done = run(folder.path(), command);
        assert!(done.code == 3 && done.stderr.contains("is it mounted?"), "{command:?} {done:?}");
        assert!(!state.join("ledger/segment-00000000.log").exists(), "{command:?}");
    }
    fs::remove_dir_all(state.join("ledger")).unwrap();
    copy(&folder.path().join("older"), &state.join("ledger"));
    for command in commands {
        let done = run(folder.path(), command);
        assert!(done.code == 3 && done.stderr.contains("vault accept"), "{command:?} {done:?}");
    }
    let accepted = run(folder.path(), &["vault", "accept", "--json"]);
    assert_eq!((accepted.code, &accepted.json()["accepted"]), (0, &true.into()), "{accepted:?}");
    assert_eq!(run(folder.path(), &["vault", "accept"]).code, 1, "once is enough");
    let (server, _) = serve(folder.path(), &url);
    stop(server);
    assert_eq!(run(folder.path(), &["audit", "verify"]).code, 0);
    let shown = run(folder.path(), &["audit", "show", &record, "--reveal"]);
    assert!(shown.stdout.contains(TEXT), "{shown:?}");
    let list = run(folder.path(), &["audit", "list", "--json"]).stdout;
    assert_eq!(list.matches("\"kind\":\"policy_change\"").count(), 2, "recorded anew: {list}");
}

/// Files that are written and have no name any more are gone with the process: what would stand in them is not released.
#[test]
fn a_ledger_that_is_taken_away_under_a_running_gateway_stops_it() {
    type Harm<'a> = &'a dyn Fn(&Path);
    let cases: [(&str, Harm<'_>); 3] = [
        ("segments", &|state| {
            for entry in fs::read_dir(state.join("ledger")).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name().to_string_lossy().starts_with("segment-") {
                    fs::remove_file(entry.path()).unwrap();
                }
            }
        }),
        ("the folder", &|state| fs::rename(state.join("ledger"), state.join("away")).unwrap()),
        ("the keys", &|state| {
            fs::rename(state.join("vault/keys.slots"), state.join("away")).unwrap();
        }),
    ];
    for (name, harm) in cases {
        let folder = tempfile::tempdir().unwrap();
        let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
        let more = ["--upstream", "http://127.0.0.1:1", "--key-env", "CALLER_KEY"];
        let (mut server, callers, control) =
            Server::serve(folder.path(), &[&ports[..], &more].concat());
        assert_eq!(status(&ask(&callers, CALLER_KEY, TEXT, false)), 502, "{name}");
        let ready = || request(&control, "GET /readyz", "", "");
        assert_eq!(status(&ready()), 200, "{name}");
        harm(&folder.path().join(".bartizan"));
        wait_for("the loss to be noticed", || status(&ready()) == 503);
        let told = ready();
        // A checkpoint that was due may find no folder first, and the next segment no name.
        let others: &[&str] = match name {
            "the folder" => &["failed write of the tiles", "failed preparation of a segment"],
            "segments" => &["failed preparation of a segment"],
            _ => &[],
        };
        let is_noticed = |word: &&str| told.contains(*word);
        let is_told = is_noticed(&"was deleted") || others.iter().any(is_noticed);
        assert!(is_told, "{name}: {told}");
        let answer = ask(&callers, CALLER_KEY, TEXT, false);
        assert!(status(&answer) == 503 && answer.contains("audit_unavailable"), "{name}: {answer}");
        server.signal("TERM");
        assert_eq!(server.end(), 3, "{name}: {}", server.said());
    }
}

/// Whenever it is killed, the key that an auditor has leads on, and the order that is given again ends it.
#[test]
fn a_rotation_that_is_killed_is_ended_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let (server, callers) = serve(folder.path(), &url);
    let record = after(&ask(&callers, CALLER_KEY, TEXT, false), "x-bartizan-record: ");
    stop(server);
    let status = || run(folder.path(), &["vault", "status", "--json"]).json();
    let first = status()["verifier_key"].as_str().unwrap().to_owned();
    let verify = |case: &str| {
        let done = run(folder.path(), &["audit", "verify", "--key", &first]);
        assert_eq!(done.code, 0, "{case}: {done:?}");
    };
    let mut n_killed = 0;
    for delay_ms in (0..24).map(|n| 4 * n) {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"))
            .args(["vault", "rotate", "log"])
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        child.kill().unwrap();
        n_killed += usize::from(!child.wait().unwrap().success());
        verify(&format!("killed after {delay_ms} ms"));
    }
    assert!(0 < n_killed, "each was too quick");
    let done = run(folder.path(), &["vault", "rotate", "log", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let told = status();
    assert_eq!(told["verifier_key"], done.json()["verifier_key"]);
    assert_eq!(told["next_verifier_key"], serde_json::Value::Null, "{told}");
    verify("ended");
    let shown = run(folder.path(), &["audit", "show", &record, "--reveal"]);
    assert!(shown.stdout.contains(TEXT), "{shown:?}");
    let left: Vec<_> = fs::read_dir(folder.path().join(".bartizan/vault"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| [".tmp", ".next"].iter().any(|end| name.contains(end)))
        .collect();
    assert_eq!(left, [""; 0], "nothing is left behind");
}
