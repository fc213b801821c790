//! What a collector of logs gets: events, and nothing that somebody said or owns.
use crate::common::{Server, ask, first_key, run, wait_for};

const ARGUMENTS: [&str; 5] = ["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"];

/// Each line of a log as the JSON that it has to be.
fn events(text: &str) -> Vec<serde_json::Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

#[test]
fn a_log_is_events_and_holds_no_prompt_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let (_range, url) = Server::range(folder.path(), &["--chunk-bytes", "3"]);
    let more = ["--log", "debug", "--log-format", "json", "--upstream", &url];
    let mut serve = Server::start(folder.path(), &[&ARGUMENTS[..], &more].concat(), "Serving.");
    let up = events(&serve.said());
    let up = up.iter().find(|event| event["fields"]["message"] == "Serving.").unwrap();
    let callers = up["fields"]["callers"].as_str().unwrap().replace("http://", "");
    assert_eq!(up["fields"]["guards"], "profile standard");
    let key = first_key(folder.path());
    let secrets = ["AKIAQ3EGRZ7NWX2LPD5T", "4111 1111 1111 1111", "DE89370400440532013000"];
    for secret in secrets {
        for stream in [false, true] {
            let asked = format!("What is the card number on file? Mine is {secret}");
            let answer = ask(&callers, &key, &asked, stream);
            assert!(answer.contains(" 200 "), "{answer}");
        }
    }
    assert!(ask(&callers, "bz_a_wrong_one", "Hello?", false).contains(" 401 "));
    serve.signal("HUP");
    wait_for("the reload", || serve.said().contains("Reloaded."));
    serve.signal("TERM");
    assert_eq!(serve.end(), 0, "{}", serve.said());
    wait_for("the last word", || serve.said().contains("Stopping"));
    let said = serve.said();
    assert!(4 <= events(&said).len(), "{said}");
    for held in secrets.iter().chain(&[key.as_str(), "bz_a_wrong_one", "card number on file"]) {
        assert!(!said.contains(held), "`{held}` is in {said}");
    }
}

/// Whoever is told to tell the operator can be sure that the operator was told.
#[test]
fn an_upstream_that_fails_is_a_warning_with_record_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--log-format", "json", "--upstream", "http://127.0.0.1:1"];
    let mut serve = Server::start(folder.path(), &[&ARGUMENTS[..], &more].concat(), "Serving.");
    let up = events(&serve.said());
    let up = up.iter().find(|event| event["fields"]["message"] == "Serving.").unwrap();
    let callers = up["fields"]["callers"].as_str().unwrap().replace("http://", "");
    let key = first_key(folder.path());
    let answer = ask(&callers, &key, "Is my card 4111 1111 1111 1111?", false);
    assert!(answer.contains("upstream_unreachable"), "{answer}");
    wait_for("the warning", || serve.said().contains("An exchange failed."));
    let told = events(&serve.said());
    let told = told.iter().find(|event| event["fields"]["message"] == "An exchange failed.");
    let (level, fields) = (&told.unwrap()["level"], &told.unwrap()["fields"]);
    assert_eq!((level, &fields["code"]), (&"WARN".into(), &"upstream_unreachable".into()));
    assert_eq!((&fields["upstream"], &fields["n_left_out"]), (&"default".into(), &0.into()));
    assert!(fields["cause"].as_str().unwrap().contains("Connection refused"), "{fields}");
    let record = fields["record"].as_str().unwrap();
    assert!(answer.contains(&format!("\"record\":\"{record}\"")), "{record}: {answer}");
    assert!(!serve.said().contains("4111"), "{}", serve.said());
    serve.signal("TERM");
    assert_eq!(serve.end(), 0, "{}", serve.said());
    let shown = run(folder.path(), &["audit", "show", record]);
    assert!(shown.stdout.contains("  cause     Connection refused"), "{shown:?}");
}

#[test]
fn an_error_is_an_event_and_silence_does_not_swallow_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, level) in [("at the usual level", "info"), ("when all is off", "off")] {
        let more = ["--config", "absent.toml", "--log-format", "json", "--log", level];
        let done = run(folder.path(), &[&["serve"], &more[..]].concat());
        let told = events(&done.stderr);
        assert_eq!((done.code, told.len()), (2, 1), "{name}: {done:?}");
        let message = told[0]["fields"]["message"].as_str().unwrap();
        assert!(message.contains("cannot read absent.toml"), "{name}: {done:?}");
    }
    let more = ["--upstream", "http://127.0.0.1:1", "--log", "off"];
    let arguments = [&ARGUMENTS[..], &more].concat();
    // It says nothing when it is up, so its key is the sign.
    let mut serve = Server::start(folder.path(), &arguments, "");
    wait_for("the key", || folder.path().join(".bartizan/first.key").exists());
    serve.signal("TERM");
    assert_eq!((serve.end(), serve.said().as_str()), (0, ""));
}
