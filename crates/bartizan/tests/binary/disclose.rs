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

/// Whatever takes `--out`: what the reviewer wrote over with it, beside what is a folder of ours by its content alone.
fn nothing_of_the_state_is_written_over(folder: &Path, record: &str) {
    let copy = folder.join("copy");
    fs::create_dir_all(copy.join("log")).unwrap();
    fs::copy(folder.join(".bartizan/ledger/log/checkpoint"), copy.join("log/checkpoint")).unwrap();
    std::os::unix::fs::symlink(".bartizan/vault", folder.join("link")).unwrap();
    let key = key_of(folder);
    let disclosure = ["audit", "verify", "--disclosure", "one.json", "--key", &key, "--out"];
    for (verb, files) in [
        (&["audit", "export", "--out"][..], true),
        (&["audit", "export", "--format", "parquet", "--out"], true),
        (&["audit", "disclose", record, "--reason", "why", "--out"], true),
        (&["audit", "prove", record, "--out"], false),
        (&disclosure, false),
    ] {
        let targets = if files {
            [".bartizan/vault/keys.slots", ".bartizan/ledger/new", "link/log.key", "copy/new"]
        } else {
            [".bartizan/vault", ".bartizan/ledger/new", "link/new", "copy/log/new"]
        };
        for target in targets {
            let path = folder.join(target);
            let before =
                fs::metadata(&path).ok().filter(fs::Metadata::is_file).map(|_| bytes_of(&path));
            let done = run(folder, &[verb, &[target]].concat());
            assert!(
                done.code == 2 && done.stderr.contains("name another place"),
                "{verb:?} {target}: {done:?}"
            );
            let after =
                fs::metadata(&path).ok().filter(fs::Metadata::is_file).map(|_| bytes_of(&path));
            assert_eq!(before, after, "{verb:?} {target}");
        }
    }
    assert!(
        !copy.join("log/new").exists() && !folder.join("link/new").exists(),
        "no folder is made"
    );
}

#[test]
fn one_answer_is_proven_to_somebody_who_has_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &[]);
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--log", "warn"];
    let more = ["--upstream", &url, "--key-env", "CALLER_KEY"];
    let (mut server, callers, _) = Server::serve(folder.path(), &[&ports[..], &more].concat());
    let (alice, bob) = (ask_as(&callers, "alice"), ask_as(&callers, "bob"));
    let disclose_to = |out: &str, record: &str, more: &[&str]| {
        run(folder.path(), &[&["audit", "disclose", record, "--out", out][..], more].concat())
    };
    let disclose = |record: &str, more: &[&str]| disclose_to("one.json", record, more);
    assert_eq!(disclose(&alice, &[]).code, 2, "a reason is asked for");
    let done = disclose(&alice, &["--reason", "letter of 24 November", "--json"]);
    assert_eq!((done.code, &done.json()["disclosed"]), (0, &true.into()), "{done:?}");
    let rights = fs::metadata(folder.path().join("one.json")).unwrap().permissions();
    assert_eq!(rights.mode() & 0o777, 0o600);
    let shown = run(folder.path(), &["audit", "show", &alice]);
    assert!(shown.stdout.contains("REVEAL") && shown.stdout.contains("disclose"), "{shown:?}");

    let again = disclose(&alice, &["--reason", "again"]);
    assert!(again.code == 2 && again.stderr.contains("there already"), "{again:?}");
    nothing_of_the_state_is_written_over(folder.path(), &alice);

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
    assert!(
        copied.code == 0 && copied.stdout.contains("the same leaves of this record and no other"),
        "{copied:?}"
    );

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

    let ledger = folder.path().join("bare");
    fs::create_dir(&ledger).unwrap();
    fs::copy(
        folder.path().join(".bartizan/ledger/segment-00000000.log"),
        ledger.join("segment-00000000.log"),
    )
    .unwrap();
    let bare = ["--dir", "bare"];
    let disclosure = ["audit", "verify", "--disclosure", "one.json", "--key", &key];
    let unsigned = run(folder.path(), &[&disclosure[..], &bare].concat());
    assert!(
        unsigned.code == 1 && unsigned.stdout.contains("proves nothing"),
        "a copy that nobody signed bears nothing out: {unsigned:?}"
    );
    for (verb, want) in [
        (&["audit", "verify", "--payloads"][..], "is a copy of a ledger without its vault"),
        (&["audit", "show", &alice, "--reveal"], "is a copy of a ledger without its vault"),
        (
            &["audit", "disclose", &alice, "--out", "bare.json", "--reason", "why"],
            "is a copy of a ledger without its vault",
        ),
    ] {
        let done = run(folder.path(), &[verb, &bare].concat());
        assert!(done.code == 3 && done.stderr.contains(want), "{verb:?}: {done:?}");
    }
    let help = run(folder.path(), &["audit", "rejudge", "--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("whose policy judges") && !help.contains("witnesses"), "{help}");

    let erased = run(folder.path(), &["audit", "erase", "--subject", "alice"]);
    assert_eq!(erased.code, 0, "{erased:?}");
    let refused = disclose_to("again.json", &alice, &["--reason", "again"]);
    assert!(refused.code == 1 && refused.stdout.contains("destroyed, lawfully"), "{refused:?}");
    let still = verify(&["--key", &key, "--reveal"]);
    assert!(still.stdout.contains(SECRET), "what was handed out stays readable: {still:?}");
    let other = disclose_to("bob.json", &bob, &["--reason", "why"]);
    assert_eq!(other.code, 0, "nobody else is forgotten: {other:?}");
    server.signal("TERM");
    assert_eq!(server.end(), 0, "{}", server.said());
    assert_eq!(run(folder.path(), &["audit", "verify", "--payloads"]).code, 0);
}
