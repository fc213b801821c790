//! A classifier of the operator's own, from its files to what callers get. The models are tiny, and nobody trained them.
use crate::common::{CALLER_KEY, Done, Server, after, ask, request, run, run_with, status, write};
use bartizan_testkit::Classifier;
use std::fs;
use std::path::Path;

/// A configuration whose model is asked about everything that the text model has not made up its mind on entirely.
fn config(labels: &str, more: &str) -> String {
    format!(
        "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n[guard]\nprofile = \"standard\"\n[guard.second_model]\npath = \"model\"\nlabels = {{ {labels} }}\nband = [0.001, 0.999]\n{more}\n"
    )
}

fn folder(model: Classifier) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("model")).unwrap();
    for (name, bytes) in model.files() {
        fs::write(folder.path().join("model").join(name), bytes).unwrap();
    }
    folder
}

fn inspect(folder: &Path, source: &str, text: &str) -> Done {
    let verb = ["inspect", "text", "--config", "bartizan.toml", "--jsonl", "--source", source];
    run_with(folder, &verb, &serde_json::json!({"id": 1, "text": text}).to_string())
}

/// Findings of the second tier as `kind detector score`.
fn found(done: &Done) -> Vec<String> {
    let row = done.json();
    let line = |found: &serde_json::Value| {
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        format!("{} {} {}", text("kind"), text("detector"), found["score"])
    };
    let found = row["findings"].as_array().unwrap().iter().map(line);
    found.filter(|line| line.contains(" second.")).collect()
}

const INJECTION: &str = "injection = \"INJECTION\"";
const WEIGHTS: &str = "model/model.safetensors";
const TEXT: &str = "Where can I buy good bread in Lyon?";

#[test]
fn a_model_of_ones_own_has_its_say() {
    let folder = folder(Classifier::DebertaV3);
    write(folder.path(), "bartizan.toml", &config(INJECTION, ""));
    let done = inspect(folder.path(), "user", TEXT);
    let said = found(&done);
    let version = after(&said.join(" "), "second.injection@");
    assert_eq!(version.len(), 16, "{said:?}");
    assert_eq!(said, [format!("injection.override second.injection@{version} 0.971")]);
    assert!(done.stderr.contains("asked about 1 of 1 texts, 1 findings"), "{done:?}");
    let of_tool = inspect(folder.path(), "tool", TEXT);
    assert_eq!(
        found(&of_tool),
        [format!("injection.instruction second.injection@{version} 0.971")]
    );
    assert_eq!(of_tool.code, 1);
    assert_eq!(found(&inspect(folder.path(), "system", TEXT)), [""; 0]);

    // Each of these is another policy, and none of them asks for more than it says.
    let strict_rule =
        "[[guard.second_model.rule]]\nlabel = \"injection\"\nsource = \"user\"\nat = 0.98";
    let narrow_rule = "[[guard.second_model.rule]]\nlabel = \"injection\"\nsource = \"user\"\nband = [0.998, 0.999]";
    for (name, labels, more) in [
        ("a higher threshold", INJECTION, "at = 0.98"),
        ("for users only", INJECTION, strict_rule),
        ("a narrow band", INJECTION, narrow_rule),
        ("another label", "jailbreak = \"JAILBREAK\"", ""),
    ] {
        write(folder.path(), "bartizan.toml", &config(labels, more));
        assert_eq!(found(&inspect(folder.path(), "user", TEXT)), [""; 0], "{name}");
    }
}

#[test]
fn what_the_model_could_not_judge_does_not_pass() {
    let folder = folder(Classifier::Bert);
    write(folder.path(), "bartizan.toml", &config(INJECTION, "tokens_max = 16"));
    let long = inspect(folder.path(), "user", &"hello ".repeat(20));
    assert!(found(&long)[0].starts_with("limit.model second.long@"), "{long:?}");
    assert_eq!((long.code, long.json()["verdict"].as_str()), (1, Some("refuse")));
    assert!(long.stderr.contains("1 without an answer"), "{long:?}");
    let short = inspect(folder.path(), "user", "hello hello");
    assert_eq!((short.code, found(&short)), (0, vec![]));
}

#[test]
fn the_gateway_asks_says_and_records_which_model() {
    let folder = folder(Classifier::DebertaV3);
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = config(INJECTION, "tokens_max = 40").replace("http://127.0.0.1:1", &url);
    write(folder.path(), "bartizan.toml", &text);
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let more = [&ports[..], &["--config", "bartizan.toml", "--key-env", "CALLER_KEY"]].concat();
    let (serve, callers, control) = Server::serve(folder.path(), &more);
    assert!(serve.said().contains("model.safetensors sha256:"), "{}", serve.said());

    let flagged = ask(&callers, CALLER_KEY, TEXT, false);
    assert!(status(&flagged) == 200 && flagged.contains("injection.override="), "{flagged}");
    let refused = ask(&callers, CALLER_KEY, &"hello ".repeat(50), false);
    assert!(status(&refused) == 400 && refused.contains("limit.model"), "{refused}");
    let metrics = request(&control, "GET /metrics", "", "");
    let count = |name: &str| after(&metrics, &format!("\n{name} ")).parse::<u64>().unwrap();
    assert!(2 <= count("bartizan_second_asked_total"), "{metrics}");
    assert_eq!(count("bartizan_second_unfinished_total"), 1);

    let record = after(&flagged, "x-bartizan-record: ");
    let shown = run(folder.path(), &["audit", "show", &record, "--reveal", "--json"]);
    let digest = after(&serve.said(), "model, sha256:");
    let name = format!("second.injection@{}", digest.get(..16).unwrap());
    assert!(shown.stdout.contains(&name), "{name} is not in {shown:?}");
    let list = run(folder.path(), &["audit", "list", "--json"]);
    let leaves =
        list.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let change = leaves.into_iter().find(|leaf| leaf["kind"] == "policy_change").unwrap();
    let change = change["record"].as_str().unwrap();
    let shown = run(folder.path(), &["audit", "show", change, "--reveal", "--json"]);
    assert!(shown.stdout.contains(&digest), "the whole digest is part of the policy: {shown:?}");
}

/// What every request holds, such as the names of its fields, is nothing that the text model is unsure about.
#[test]
fn fields_are_not_asked_about() {
    let folder = folder(Classifier::DebertaV3);
    let (_range, url) = Server::range(folder.path(), &[]);
    let text = config(INJECTION, "").replace("http://127.0.0.1:1", &url);
    write(folder.path(), "bartizan.toml", &text.replace("band = [0.001, 0.999]", ""));
    let ports = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let more = [&ports[..], &["--config", "bartizan.toml", "--key-env", "CALLER_KEY"]].concat();
    let (_serve, callers, control) = Server::serve(folder.path(), &more);
    assert_eq!(status(&ask(&callers, CALLER_KEY, TEXT, false)), 200);
    let metrics = request(&control, "GET /metrics", "", "");
    let count = |name: &str| after(&metrics, &format!("\n{name} ")).parse::<u64>().unwrap();
    assert!(5 < count("bartizan_second_looked_total"), "{metrics}");
    assert_eq!(count("bartizan_second_asked_total"), 0, "{metrics}");
}

#[test]
fn other_weights_are_another_policy() {
    let folder = folder(Classifier::Bert);
    write(folder.path(), "bartizan.toml", &config(INJECTION, ""));
    let digest = || {
        let verb = [
            "policy",
            "explain",
            "--config",
            "bartizan.toml",
            "--source",
            "user",
            "--kind",
            "pii.card",
            "--json",
        ];
        let done = run(folder.path(), &verb);
        assert_eq!(done.code, 0, "{done:?}");
        done.json()["policy"].as_str().unwrap().to_owned()
    };
    let before = digest();
    assert_eq!(before, digest());
    let other = Classifier::Bert.weights_with(&|name, at, number| {
        if name == "classifier.bias" && at == 0 { number + 0.5 } else { number }
    });
    fs::write(folder.path().join(WEIGHTS), other).unwrap();
    assert_ne!(before, digest());
}

#[test]
fn a_model_that_does_not_fit_does_not_load() {
    type Change = fn(&Path);
    let cases: [(&str, &str, Change, &str); 6] = [
        ("fine", INJECTION, |_| {}, ""),
        (
            "another class",
            "injection = \"ATTACK\"",
            |_| {},
            "the model has no class \"ATTACK\" for injection: it has SAFE, INJECTION",
        ),
        (
            "no folder",
            INJECTION,
            |folder| fs::remove_dir_all(folder.join("model")).unwrap(),
            "there is no config.json",
        ),
        (
            "a pickle",
            INJECTION,
            |folder| {
                fs::rename(folder.join(WEIGHTS), folder.join("model/pytorch_model.bin")).unwrap();
            },
            "that is a pickle",
        ),
        (
            "cut short",
            INJECTION,
            |folder| {
                let bytes = Classifier::Bert.weights();
                fs::write(folder.join(WEIGHTS), &bytes[..bytes.len() - 1]).unwrap();
            },
            "model.safetensors: it is cut short",
        ),
        (
            "another architecture",
            INJECTION,
            |folder| {
                let path = folder.join("model/config.json");
                let text = Classifier::Bert.config().replace("BertFor", "GPT2For");
                fs::write(path, text).unwrap();
            },
            "the architecture GPT2ForSequenceClassification is not known",
        ),
    ];
    for (name, labels, change, want) in cases {
        let folder = folder(Classifier::Bert);
        write(folder.path(), "bartizan.toml", &config(labels, ""));
        change(folder.path());
        let checked = run(folder.path(), &["config", "check"]);
        let inspected = inspect(folder.path(), "user", "hello");
        for done in [checked, inspected] {
            let code = if want.is_empty() { 0 } else { 2 };
            assert!(done.code == code && done.stderr.contains(want), "{name}: {done:?}");
        }
    }
}
