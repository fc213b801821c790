//! Forgetting a person: through a running gateway, through a crash, and in spite of a backup.
use crate::common::{CALLER_KEY, Server, after, bytes_of, request, run};
use std::fs;
use std::path::{Path, PathBuf};

const SECRET: &str = "the pelican flies at midnight";

fn serve(folder: &Path, url: &str) -> (Server, String) {
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "warn"];
    let more = ["--upstream", url, "--key-env", "CALLER_KEY"];
    let (server, callers, _) = Server::serve(folder, &[&ports[..], &more].concat());
    (server, callers)
}

/// Asks something as a person; the record.
fn ask_as(callers: &str, person: &str) -> String {
    let body = serde_json::json!({
        "model": "practice", "user": person, "messages": [{"role": "user", "content": SECRET}],
    });
    let answer = request(callers, "POST /v1/chat/completions", CALLER_KEY, &body.to_string());
    assert!(answer.contains(" 200 "), "{answer}");
    after(&answer, "x-bartizan-record: ")
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
}

fn shown(folder: &Path, record: &str) -> String {
    let done = run(folder, &["audit", "show", record, "--reveal"]);
    assert_eq!(done.code, 0, "{done:?}");
    done.stdout
}

#[test]
fn an_erased_person_is_gone_and_stays_gone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".bartizan");
    let (_range, url) = Server::range(folder.path(), &[]);
    let (mut server, callers) = serve(folder.path(), &url);
    let (alice, bob) = (ask_as(&callers, "alice"), ask_as(&callers, "bob"));
    assert!(shown(folder.path(), &alice).contains(SECRET));
    let backup = folder.path().join("backup");
    copy(&state.join("vault"), &backup);

    let erased = run(folder.path(), &["audit", "erase", "--subject", "alice", "--json"]);
    assert_eq!((erased.code, &erased.json()["answer"]), (0, &"done".into()), "{erased:?}");
    let gone = shown(folder.path(), &alice);
    assert!(gone.contains("[erased, lawfully") && !gone.contains(SECRET), "{gone}");
    assert!(shown(folder.path(), &bob).contains(SECRET), "nobody else is forgotten");
    let again = run(folder.path(), &["audit", "erase", "--subject", "alice"]);
    assert!(again.code == 1 && again.stdout.contains("nothing to erase"), "{again:?}");
    for (name, arguments) in [
        ("nobody", &["audit", "erase", "--subject", ""][..]),
        ("no state", &["audit", "erase", "--subject", "x", "--dir", "absent"]),
    ] {
        let done = run(folder.path(), arguments);
        assert!(2 <= done.code && !done.stderr.is_empty(), "{name}: {done:?}");
    }
    server.signal("TERM");
    assert_eq!(server.end(), 0, "{}", server.said());

    let verified = run(folder.path(), &["audit", "verify", "--json"]);
    assert_eq!(verified.code, 0, "every proof stays valid: {verified:?}");
    for path in files(&state) {
        let bytes = bytes_of(&path);
        for word in [SECRET, "alice"] {
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "{word} stands in {}", path.display());
        }
    }

    // The old vault comes back from a backup: the next start destroys the key again.
    copy(&backup, &state.join("vault"));
    assert!(shown(folder.path(), &alice).contains("[erased"), "showing it is a start, too");
    copy(&backup, &state.join("vault"));
    let (_server, callers) = serve(folder.path(), &url);
    assert!(shown(folder.path(), &alice).contains("[erased"));
    let anew = ask_as(&callers, "alice");
    assert!(shown(folder.path(), &anew).contains(SECRET), "who comes back gets another key");
}

/// Whoever goes by the name of a key's own subject is somebody else, and so is whoever is written otherwise.
#[test]
fn nobody_is_erased_with_those_who_name_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let (_server, callers) = serve(folder.path(), &url);
    let composed = "Zo\u{eb}";
    let names = ["caller:k-env", "named:caller:k-env", composed, "Zoe\u{308}"];
    let records = names.map(|name| ask_as(&callers, name));
    let is_left = || records.each_ref().map(|record| shown(folder.path(), record).contains(SECRET));
    let erase = |name: &str| run(folder.path(), &["audit", "erase", "--subject", name]);
    for (name, code, left) in [
        // Nobody has asked without a name here.
        ("caller:k-env", 1, [true, true, true, true]),
        ("named:caller:k-env", 0, [false, true, true, true]),
        ("named:named:caller:k-env", 0, [false, false, true, true]),
        (composed, 0, [false, false, false, true]),
    ] {
        let done = erase(name);
        assert_eq!((done.code, is_left()), (code, left), "{name}: {done:?}");
        assert_eq!(done.stderr.contains("byte for byte"), name == composed, "{name}: {done:?}");
    }
    // A name that no request can give is a mistake, and not nobody.
    for (n_bytes, code, want) in [(512, 1, ""), (513, 2, "nobody is called that")] {
        let done = erase(&"x".repeat(n_bytes));
        assert!(done.code == code && done.stderr.contains(want), "{n_bytes}: {done:?}");
    }
}

/// A command of which the system writes no file beyond so many kilobytes, as on a disk that is full.
fn run_cramped(folder: &Path, kilobytes: u32, arguments: &str) -> (i32, String, String) {
    let line =
        format!("ulimit -f {kilobytes}; exec '{}' {arguments}", env!("CARGO_BIN_EXE_bartizan"));
    let output =
        std::process::Command::new("bash").args(["-c", &line]).current_dir(folder).output();
    let output = output.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

#[test]
fn an_erasure_without_room_says_what_was_not_done_and_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let (mut server, callers) = serve(folder.path(), &url);
    let alice = ask_as(&callers, "alice");
    server.signal("TERM");
    assert_eq!(server.end(), 0, "{}", server.said());
    let verified = || run(folder.path(), &["audit", "verify", "--payloads"]);
    let before = verified();
    for kilobytes in [0, 1, 8] {
        let (code, stdout, stderr) =
            run_cramped(folder.path(), kilobytes, "audit erase --subject alice");
        // Not killed by a signal without a word.
        assert_eq!((code, stdout.as_str()), (3, ""), "{kilobytes}: {stderr}");
        let is_told = stderr.contains("nothing was done") || stderr.contains("is not destroyed");
        assert!(is_told && stderr.contains("File too large"), "{kilobytes}: {stderr}");
        let asked = "audit sql 'SELECT count(*) AS n FROM leaves'";
        let (code, _, stderr) = run_cramped(folder.path(), kilobytes, asked);
        assert!(code == 0 && stderr.contains("in memory"), "{kilobytes}: {stderr}");
        assert!(shown(folder.path(), &alice).contains(SECRET), "{kilobytes}");
        assert_eq!(verified().code, before.code, "{kilobytes}");
    }
    let erased = run(folder.path(), &["audit", "erase", "--subject", "alice"]);
    assert!(erased.code == 0 && erased.stdout.starts_with("erased: "), "{erased:?}");
    assert!(shown(folder.path(), &alice).contains("[erased, lawfully"));
    // Nothing was revealed, so no leaf says that something was.
    let n_reveals = || {
        let told = run(folder.path(), &["audit", "show", &alice]);
        told.stdout.matches("REVEAL").count()
    };
    let before = n_reveals();
    let nothing = run(folder.path(), &["audit", "show", &alice, "--reveal"]);
    assert!(
        nothing.stderr.contains("nothing is revealed, and nothing was recorded"),
        "{nothing:?}"
    );
    assert_eq!(n_reveals(), before);
    // Who does not ask for the text is not told that there is one.
    let sealed = run(folder.path(), &["audit", "show", &alice]);
    assert!(!sealed.stdout.contains("--reveal shows it"), "{sealed:?}");
}
