//! One record opened for an outsider: by a command while a gateway runs, and checked with nothing but the file and the key.
use crate::common::{CALLER_KEY, Server, after, bytes_of, request, run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

const SECRET: &str = "the pelican flies at midnight";

fn ask_as(callers: &str, person: &str) -> String {
    let body = serde_json::json!({
        "model": "practice", "user": person, "messages": [{"role": "user", "content": SECRET}],
    });
    let answer = request(callers, "POST /v1/chat/completions", CALLER_KEY, &body.to_string());
    assert!(answer.contains(" 200 "), "{answer}");
    after(&answer, "x-bartizan-record: ")
}

fn key_of(folder: &Path) -> String {
    let key = bytes_of(&folder.join(".bartizan/ledger/log.vkey"));
    String::from_utf8(key).unwrap().lines().next().unwrap().to_owned()
}

/// Moves a file to where there is no ledger, as a mail would.
fn mailed(folder: &Path, name: &str) -> tempfile::TempDir {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(folder.join(name), elsewhere.path().join(name)).unwrap();
    elsewhere
}

#[test]
fn one_answer_is_proven_to_somebody_who_has_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "warn"];
    let more = ["--upstream", &url, "--key-env", "CALLER_KEY"];
    let (mut server, callers, _) = Server::serve(folder.path(), &[&ports[..], &more].concat());
    let (alice, bob) = (ask_as(&callers, "alice"), ask_as(&callers, "bob"));
    let disclose = |record: &str, more: &[&str]| {
        run(
            folder.path(),
            &[&["audit", "disclose", record, "--out", "one.json"][..], more].concat(),
        )
    };
    assert_eq!(disclose(&alice, &[]).code, 2, "a reason is asked for");
    let done = disclose(&alice, &["--reason", "letter of 24 November", "--json"]);
    assert_eq!((done.code, &done.json()["disclosed"]), (0, &true.into()), "{done:?}");
    let rights = fs::metadata(folder.path().join("one.json")).unwrap().permissions();
    assert_eq!(rights.mode() & 0o777, 0o600);
    let shown = run(folder.path(), &["audit", "show", &alice]);
    assert!(shown.stdout.contains("REVEAL") && shown.stdout.contains("disclose"), "{shown:?}");

    let key = key_of(folder.path());
    let outside = mailed(folder.path(), "one.json");
    let verify = |more: &[&str]| {
        run(outside.path(), &[&["audit", "verify", "--disclosure", "one.json"][..], more].concat())
    };
    let proved = verify(&["--key", &key]);
    assert!(proved.code == 0 && proved.stdout.starts_with("proved: "), "{proved:?}");
    assert!(!proved.stdout.contains(SECRET), "no text without being asked: {proved:?}");
    let revealed = verify(&["--key", &key, "--reveal"]);
    assert!(revealed.code == 0 && revealed.stdout.contains(SECRET), "{revealed:?}");
    let told = verify(&["--key", &key, "--json"]).json();
    assert_eq!((&told["proved"], &told["record"]), (&true.into(), &alice.as_str().into()));
    let written = verify(&["--key", &key, "--out", "texts"]);
    assert_eq!(written.code, 0, "{written:?}");
    let texts: Vec<_> = fs::read_dir(outside.path().join("texts")).unwrap().collect();
    let has_secret = |entry: &std::io::Result<fs::DirEntry>| {
        let bytes = bytes_of(&entry.as_ref().unwrap().path());
        bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    };
    assert!(texts.iter().any(has_secret), "{texts:?}");
    let copied =
        verify(&["--key", &key, "--dir", &folder.path().join(".bartizan").to_string_lossy()]);
    assert!(copied.code == 0 && copied.stdout.contains("the same leaves"), "{copied:?}");

    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let whole = bytes_of(&outside.path().join("one.json"));
    fs::write(outside.path().join("cut.json"), &whole[..whole.len() / 2]).unwrap();
    fs::write(outside.path().join("long.json"), " ".repeat((16 << 20) + 1)).unwrap();
    for (name, arguments, code, want) in [
        ("no key", &["--disclosure", "one.json"][..], 2, "takes --key or --policy"),
        (
            "a stranger's key",
            &["--disclosure", "one.json", "--key", stranger],
            1,
            "you trust PeterNeumann",
        ),
        ("cut off", &["--disclosure", "cut.json", "--key", &key], 1, "the file ends in the middle"),
        (
            "too long",
            &["--disclosure", "long.json", "--key", &key],
            3,
            "longer than 16777216 bytes",
        ),
        ("no file", &["--disclosure", "none.json", "--key", &key], 3, "none.json"),
        ("with a proof", &["--disclosure", "one.json", "--payloads"], 2, "cannot be used with"),
        ("nothing to reveal", &["--reveal", "--key", &key], 2, "--disclosure"),
    ] {
        let done = run(outside.path(), &[&["audit", "verify"][..], arguments].concat());
        let said = done.stdout.clone() + &done.stderr;
        assert!(done.code == code && said.contains(want), "{name}: {done:?}");
    }

    let erased = run(folder.path(), &["audit", "erase", "--subject", "alice"]);
    assert_eq!(erased.code, 0, "{erased:?}");
    let refused = disclose(&alice, &["--reason", "again"]);
    assert!(refused.code == 1 && refused.stdout.contains("destroyed, lawfully"), "{refused:?}");
    let still = verify(&["--key", &key, "--reveal"]);
    assert!(still.stdout.contains(SECRET), "what was handed out stays readable: {still:?}");
    let other = disclose(&bob, &["--reason", "why"]);
    assert_eq!(other.code, 0, "nobody else is forgotten: {other:?}");
    server.signal("TERM");
    assert_eq!(server.end(), 0, "{}", server.said());
    assert_eq!(run(folder.path(), &["audit", "verify", "--payloads"]).code, 0);
}
