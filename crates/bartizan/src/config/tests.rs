use super::*;
use proptest::prelude::*;

const UPSTREAM: &str = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";

/// The diagnostic of a text, as a plain terminal shows it; empty for a text that is right.
fn complaint(text: &str) -> String {
    match Config::parse("bartizan.toml", text) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_template_says_the_defaults() {
    let template = Config::parse("bartizan.toml", TEMPLATE).unwrap();
    let plain = Config::for_upstream("http://127.0.0.1:11434");
    let route = Route { upstream: Some(DEFAULT_NAME.to_owned()), ..Route::default_route() };
    let guard = Guard { profile: Some("standard".to_owned()), ..Guard::default() };
    assert_eq!(template, Config { routes: vec![route], guard, ..plain.clone() });
    assert_eq!(plain.guard.profile_name(), "standard");
    assert_eq!(plain.routes_in_force(), [Route::default_route()]);
    assert_eq!(plain.problems(), []);
    let queue = &plain.ledger;
    for line in [
        format!("# queue_records_max = {} ", queue.queue_records_max),
        format!("# queue_bytes_max = {} ", queue.queue_bytes_max),
        format!("# payload_days = {} ", queue.retention.payload_days),
        format!("# traffic_days = {} ", queue.retention.traffic_days),
        format!("# admission_days = {} ", queue.retention.admission_days),
    ] {
        assert!(TEMPLATE.contains(&line), "{line}");
    }
}

#[test]
fn a_complaint_points_at_the_place() {
    let text = "[listen]\naddress = \"127.0.0.1:80\"\nadress = \"127.0.0.1:81\"\n";
    assert_eq!(
        complaint(text),
        "\
error: unknown field `adress`
 --> bartizan.toml:3:1
  |
3 | adress = \"127.0.0.1:81\"
  | ^^^^^^
  |
  = help: did you mean `address`?"
    );
    let text = format!("{UPSTREAM}\n[[route]]\nname = \"r\"\nupstream = \"b\"\n");
    assert_eq!(
        complaint(&text),
        "\
error: there is no upstream `b`
 --> bartizan.toml:7:12
  |
7 | upstream = \"b\"
  |            ^^^
  |
  = help: there is only `a`"
    );
}

#[test]
fn every_mistake_has_a_place_and_a_way_out() {
    let cases = [
        ("unknown table", "[listn]\n", ":1:2", "unknown field `listn`", "did you mean `listen`?"),
        (
            "no port",
            "[listen]\naddress = \"127.0.0.1\"",
            ":2:11",
            "socket address",
            "127.0.0.1:4180",
        ),
        (
            "a name",
            "[listen]\naddress = \"localhost:80\"",
            ":2:11",
            "socket address",
            "127.0.0.1:4180",
        ),
        (
            "half of TLS",
            "[listen]\ntls_key = \"k.pem\"",
            ":2:11",
            "without `tls_cert`",
            "add `tls_cert",
        ),
        (
            "host with port",
            "[listen]\nhosts = [\"ok\", \"a:1\"]",
            ":2:16",
            "`a:1` is no host",
            "without scheme",
        ),
        (
            "host as URL",
            "[listen]\nhosts = [\"http://a\"]",
            ":2:10",
            "is no host name",
            "without scheme",
        ),
        (
            "origin",
            "[listen]\norigins = [\"a.example\"]",
            ":2:12",
            "is no web origin",
            "https://chat",
        ),
        ("origin star", "[listen]\norigins = [\"*\"]", ":2:12", "is no web origin", "https://chat"),
        (
            "same port",
            "[listen]\ncontrol = \"127.0.0.1:4180\"",
            ":2:11",
            "same address",
            "of its own",
        ),
        ("mode", "[ledger]\nmode = \"of\"", ":2:8", "unknown variant `of`", "did you mean `off`?"),
        (
            "no queue",
            "[ledger]\nqueue_bytes_max = 0",
            ":2:19",
            "nothing could be recorded",
            "default",
        ),
        ("negative", "[ledger]\nqueue_bytes_max = -1", ":2:19", "invalid value", ""),
        (
            "profile",
            "[guard]\nprofile = \"standart\"",
            ":2:11",
            "no profile `standart`",
            "`standard`?",
        ),
        (
            "profile far",
            "[guard]\nprofile = \"x\"",
            ":2:11",
            "no profile `x`",
            "standard, strict, observe",
        ),
        (
            "pseudonyms of what there is not",
            "[guard]\npseudonyms = [\"pii\", \"pii.emial\"]",
            ":2:22",
            "no kind or class `pii.emial`",
            "pii.email",
        ),
        (
            "pseudonyms of whole texts",
            "[guard]\npseudonyms = [\"limit\"]",
            ":2:15",
            "`limit` cannot be replaced",
            "taken out with the whole text",
        ),
        (
            "canary that stands everywhere",
            "[guard]\ncanaries = [\"heron-lamp-7\", \"her-on\"]",
            ":2:29",
            "`her-on` cannot be looked for",
            "eight letters",
        ),
        ("both", "[guard]\nprofile = \"strict\"\npolicy = \"a\"", ":3:10", "together", "keep one"),
        (
            "own name",
            "[[guard.kind]]\nname = \"badge\"\npattern = \"AB[0-9]{4}\"",
            ":2:8",
            "`badge` cannot be looked for",
            "two words or more",
        ),
        (
            "taken",
            "[[guard.kind]]\nname = \"pii.card\"\npattern = \"AB[0-9]{4}\"",
            ":2:8",
            "`pii.card` cannot",
            "a built-in kind has this name",
        ),
        (
            "endless",
            "[[guard.kind]]\nname = \"a.b\"\npattern = \"AB[0-9]+\"",
            ":3:11",
            "`a.b` cannot",
            "no longest length",
        ),
        (
            "unreadable",
            "[[guard.kind]]\nname = \"a.b\"\npattern = \"AB(\"",
            ":3:11",
            "`a.b` cannot",
            "cannot be read",
        ),
        ("nothing", "[[guard.kind]]\nname = \"a.b\"", ":1:", "`a.b` cannot", "neither a pattern"),
        (
            "same name",
            "[[guard.kind]]\nname = \"a.b\"\nwords = [\"abc\"]\n[[guard.kind]]\nname = \"a.b\"\nwords = [\"abd\"]",
            ":1:",
            "together",
            "two have one name",
        ),
        (
            "no days",
            "[ledger.retention]\npayload_days = 0",
            ":2:16",
            "`payload_days` is 0",
            "write 1 to 36525",
        ),
        (
            "days that nobody lives",
            "[ledger.retention]\nadmission_days = 99999999",
            ":2:18",
            "`admission_days` is 99999999",
            "write 1 to 36525",
        ),
        (
            "exception of nothing",
            "[[guard.except]]\nkind = \"pii.emial\"\nvalues = [\"a@b.org\"]",
            ":2:8",
            "no kind `pii.emial`",
            "`pii.email`?",
        ),
        (
            "exception of everything",
            "[[guard.except]]\nkind = \"pii.email\"\nvalues = [\"a@b.org\", \"*\"]",
            ":3:22",
            "`*` excuses everything",
            "let the policy release",
        ),
        (
            "threshold of no such kind",
            "[[guard.threshold]]\nkind = \"injection.jailbrake\"\nsource = \"user\"\nat = 0.7",
            ":2:8",
            "`injection.jailbrake` has no threshold",
            "`injection.jailbreak`?",
        ),
        (
            "threshold where nobody listens",
            "[[guard.threshold]]\nkind = \"injection.instruction\"\nsource = \"user\"\nat = 0.7",
            ":3:10",
            "not looked for in texts of `user`",
            "another source",
        ),
        (
            "two thresholds",
            "[[guard.threshold]]\nkind = \"injection.override\"\nsource = \"tool\"\nat = 0.7\n[[guard.threshold]]\nkind = \"injection.override\"\nsource = \"document\"\nat = 0.6",
            ":6:8",
            "has a threshold here already",
            "keep one",
        ),
        (
            "threshold of nothing",
            "[[guard.threshold]]\nkind = \"injection.override\"\nsource = \"tool\"\nat = 0.0",
            ":4:6",
            "0 is not between 0.001 and 0.999",
            "",
        ),
        ("budget", "[guard]\nflagged_max = 2.0", ":2:15", "2 is not between", ""),
        ("zero", "[limits]\nstreams_max = 0", ":2:15", "`streams_max` is 0", "at least 1"),
        ("head", "[limits]\nhead_bytes_max = 100", ":2:18", "is 100", "at least 8192"),
        (
            "limit",
            "[limits]\nbody_bytes = 1",
            ":2:1",
            "unknown field `body_bytes`",
            "`body_bytes_max`?",
        ),
        (
            "type",
            "[limits]\nstreams_max = \"many\"",
            ":2:15",
            "invalid type: string \"many\", expected a whole number, 0 or more",
            "",
        ),
        (
            "negative time",
            "[limits]\ntotal_ms = -5",
            ":2:12",
            "integer `-5`, expected a whole number, 0 or more",
            "",
        ),
        ("share", "[guard]\nflagged_max = \"x\"", ":2:15", "expected a number", ""),
        ("twice", "[guard]\nmode = \"on\"\nmode = \"off\"", ":3:1", "duplicate key", ""),
        ("cut", "[guard]\nmode = \"on", ":2:", "", ""),
    ];
    for (name, text, place, message, help) in cases {
        let complaint = complaint(&format!("{text}\n{UPSTREAM}"));
        for want in [place, message, help] {
            assert!(complaint.contains(want), "{name}: `{want}` is not in\n{complaint}");
        }
    }
}

#[test]
fn what_may_not_be_meant_is_a_doubt_and_no_mistake() {
    let named = UPSTREAM.replace("\nurl", "\nkey_env = \"ABSENT\"\nurl");
    let set = UPSTREAM.replace("\nurl", "\nkey_env = \"PRESENT\"\nurl");
    let routes = |models: &[&str]| {
        let route = |(n, models): (usize, &&str)| {
            format!("[[route]]\nname = \"r{n}\"\nmodels = {models}\n")
        };
        let routes: String = models.iter().enumerate().map(route).collect();
        format!("{UPSTREAM}{routes}")
    };
    for (name, text, want) in [
        ("nothing", UPSTREAM.to_owned(), None),
        ("a variable that is not set", named, Some("the variable ABSENT is not set")),
        ("one that is", set, None),
        ("behind a route for all", routes(&["[\"*\"]", "[\"a\", \"b*\"]"]), Some("before `r1`")),
        (
            "behind routes for each",
            routes(&["[\"a\"]", "[\"b*\"]", "[\"b*\", \"a\"]"]),
            Some("before `r2`"),
        ),
        ("before it", routes(&["[\"a\"]", "[\"*\"]"]), None),
        ("with one more model", routes(&["[\"a\"]", "[\"a\", \"b\"]"]), None),
    ] {
        let config = Config::parse("bartizan.toml", &text).unwrap();
        let doubts = config.doubts(&|name| name == "PRESENT");
        assert_eq!(doubts.len(), usize::from(want.is_some()), "{name}: {doubts:?}");
        assert!(want.is_none_or(|want| doubts[0].contains(want)), "{name}: {doubts:?}");
    }
}

#[test]
fn upstreams_and_routes_fit_together() {
    let two = UPSTREAM.replace("\"a\"", "\"b\"");
    let route = |line: &str| format!("{UPSTREAM}[[route]]\nname = \"r\"\n{line}\n");
    let cases = [
        ("none", String::new(), ":1:1", "no upstream to guard"),
        ("no name", "[[upstream]]\nurl = \"http://a\"".to_owned(), ":1:1", "missing field `name`"),
        (
            "long name",
            UPSTREAM.replace("\"a\"", &format!("\"{}\"", "a".repeat(25))),
            ":2:8",
            "name",
        ),
        (
            "an endpoint",
            UPSTREAM.replace(":1\"", ":1/v1/chat/completions\""),
            ":3:7",
            "the URL is that of one endpoint",
        ),
        (
            "another endpoint",
            UPSTREAM.replace(":1\"", ":1/api/v1/models/\""),
            ":3:7",
            "the URL is that of one endpoint",
        ),
        ("odd name", UPSTREAM.replace("\"a\"", "\"a b\""), ":2:8", "no acceptable name"),
        (
            "same name",
            format!("{UPSTREAM}{UPSTREAM}[[route]]\nname=\"r\"\nupstream=\"a\""),
            ":5:8",
            "twice",
        ),
        ("two, no route", format!("{UPSTREAM}{two}"), ":5:8", "several upstreams and no route"),
        (
            "two, unsaid",
            format!("{UPSTREAM}{two}[[route]]\nname = \"r\""),
            ":7:1",
            "where it leads",
        ),
        ("unread", route("allow_unread = [\"medium\"]"), ":6:17", "no unread content"),
        ("models", route("models = []"), ":6:10", "never taken"),
        ("delimiters", route("document_delimiters = [[\"\", \"x\"]]"), ":6:24", "mark is empty"),
        (
            "subject header",
            route("subject_header = \"Authorization\""),
            ":6:18",
            "`Authorization` cannot name a person",
        ),
        ("no header", route("subject_header = \"a b\""), ":6:18", "`a b` cannot name a person"),
        ("durability", route("durability = \"sctrict\""), ":6:14", "unknown variant `sctrict`"),
        ("one delimiter", route("document_delimiters = [[\"x\"]]"), ":6:24", "invalid length 1"),
        ("scheme", UPSTREAM.replace("http:", "ftp:"), ":3:7", "neither http nor https"),
        ("no scheme", UPSTREAM.replace("http://", ""), ":3:7", "neither http nor https"),
        ("not a URL", UPSTREAM.replace("http://", "http:// "), ":3:7", "this is no URL"),
        ("query", UPSTREAM.replace(":1\"", ":1/v1?a=b\""), ":3:7", "has a query"),
    ];
    for (name, text, place, message) in cases {
        let complaint = complaint(&text);
        for want in [place, message, "help: "] {
            let has_help = !complaint.contains("invalid length");
            assert!(
                complaint.contains(want) || (want == "help: " && !has_help),
                "{name}: `{want}` is not in\n{complaint}"
            );
        }
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_shown() {
    let key = ["sk", "-proj-", "Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9"].concat();
    let token = ["gh", "p_", "Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9Zx9"].concat();
    let cases = [
        ("in key_env", format!("{UPSTREAM}key_env = \"{key}\"\n")),
        ("in key_env, like a name", format!("{UPSTREAM}key_env = \"{token}\"\n")),
        ("short", format!("{UPSTREAM}key_env = \"hunter-Zx9\"\n")),
        ("as a field", format!("{UPSTREAM}api_key = \"{key}\"\n")),
        ("as a password", format!("{UPSTREAM}password = \"Zx9\"\n")),
        ("in the URL", UPSTREAM.replace("//", "//user:Zx9@")),
        ("in the query", UPSTREAM.replace(":1\"", ":1/?api_key=Zx9\"")),
    ];
    for (name, text) in cases {
        let error = Config::parse("bartizan.toml", &text).expect_err(name);
        let (plain, json, debug) =
            (error.to_string(), error.json().to_string(), format!("{error:?}"));
        for shown in [plain, error.styled(), json, debug] {
            assert!(!shown.contains("Zx9"), "{name}: {shown}");
        }
        assert!(error.to_string().contains("help: "), "{name}: {error}");
    }
}

#[test]
fn the_names_of_variables() {
    let cases = [
        ("UPSTREAM_KEY", true),
        ("_k", true),
        ("openai_api_key", true),
        ("MY_VERY_LONG_VARIABLE_NAME_NUMBER_2", true),
        ("", false),
        ("2FAST", false),
        ("KEY=VALUE", false),
        ("KEY ", false),
        ("sk-abc", false),
        ("hf_abcdefghijklmnop1234", false),
    ];
    for (name, want) in cases {
        assert_eq!(check::variable_name(name).is_ok(), want, "{name}");
    }
    assert!(check::variable_name(&"A".repeat(129)).is_err());
}

#[test]
fn problems_come_as_json_too() {
    let text =
        format!("[guard]\nprofile = \"é\"\n{UPSTREAM}[[route]]\nname = \"r\"\nupstream = \"b\"\n");
    let error = Config::parse("some/bartizan.toml", &text).unwrap_err();
    let want = serde_json::json!([
        {"file": "some/bartizan.toml", "line": 2, "column": 11, "message": "there is no profile `é`",
            "help": "choose one of standard, strict, observe"},
        {"file": "some/bartizan.toml", "line": 8, "column": 12, "message": "there is no upstream `b`",
            "help": "there is only `a`"},
    ]);
    assert_eq!(error.json(), want);
}

#[test]
fn lists_are_bounded() {
    let many = vec!["\"a\""; LIST_MAX + 1].join(",");
    let cases = [
        format!("[listen]\nhosts = [{many}]\n{UPSTREAM}"),
        format!("[listen]\norigins = [{}]\n{UPSTREAM}", many.replace('a', "http://a")),
        format!("{UPSTREAM}[[route]]\nname = \"r\"\nmodels = [{many}]\n"),
    ];
    for text in cases {
        assert!(complaint(&text).contains("at most 256 are allowed"), "{}", complaint(&text));
    }
}

#[test]
fn a_route_promises_what_the_ledger_lets_it() {
    use Durability::{Bounded, Off, Strict};
    let cases = [
        ("default", "durable", "", Strict),
        ("strict", "durable", "durability = \"strict\"", Strict),
        ("bounded", "durable", "durability = \"bounded\"", Bounded),
        ("off", "durable", "durability = \"off\"", Off),
        ("no ledger", "off", "", Off),
        ("off without a ledger", "off", "durability = \"off\"", Off),
    ];
    for (name, mode, line, want) in cases {
        let text = format!(
            "[ledger]\nmode = \"{mode}\"\n{UPSTREAM}[[route]]\nname = \"r\"\nsubject_header = \"X-User\"\n{line}\n"
        );
        let config = Config::parse("bartizan.toml", &text).unwrap();
        assert_eq!(config.durability_of(&config.routes[0]), want, "{name}");
        assert_eq!(config.routes[0].subject_header.as_deref(), Some("X-User"), "{name}");
    }
    for said in ["strict", "bounded"] {
        let route = format!("[[route]]\nname = \"r\"\ndurability = \"{said}\"\n");
        let complaint = complaint(&format!("[ledger]\nmode = \"off\"\n{UPSTREAM}{route}"));
        for want in [":8:14", "promises records", "take one of the two out"] {
            assert!(complaint.contains(want), "{said}: `{want}` is not in\n{complaint}");
        }
    }
}

#[test]
fn paths_count_from_the_folder_of_the_file() {
    let text = format!(
        "[listen]\ntls_cert = \"c.pem\"\ntls_key = \"/k.pem\"\n[guard]\npolicy = \"g.cedar\"\n{UPSTREAM}ca_file = \"ca.pem\"\n"
    );
    let mut config = Config::parse("bartizan.toml", &text).unwrap();
    config.resolve_paths(std::path::Path::new("/etc/b"));
    let files: Vec<_> = config.files().map(|path| path.display().to_string()).collect();
    assert_eq!(files, ["/etc/b/c.pem", "/k.pem", "/etc/b/g.cedar", "/etc/b/ca.pem"]);
    assert_eq!(config.ledger.dir, std::path::Path::new("/etc/b/.bartizan"));
}

proptest! {
    /// Whatever somebody does to the file, the answer is a configuration or a complaint about a place in it, never a crash.
    #[test]
    fn any_edit_is_a_configuration_or_a_complaint(
        at in 0..TEMPLATE.len(), n_cut in 0..40_usize, insert in r#"(\[|\]|=|"|'|#|\n|é|0|-1|x|\[\[route\]\]|[ -~]){0,6}"#
    ) {
        let (start, end) = (TEMPLATE.floor_char_boundary(at), TEMPLATE.floor_char_boundary(at + n_cut));
        let mut text = TEMPLATE.to_owned();
        text.replace_range(start..end, &insert);
        if let Err(error) = Config::parse("bartizan.toml", &text) {
            let n_lines = text.lines().count() + 1;
            let json = error.json();
            let problems = json.as_array().map(Vec::len).unwrap_or_default();
            prop_assert!(0 < problems && error.to_string().contains("error: "));
            for problem in json.as_array().into_iter().flatten() {
                let line = problem["line"].as_u64().and_then(|line| usize::try_from(line).ok()).unwrap_or_default();
                prop_assert!((1..=n_lines).contains(&line), "{}", problem);
            }
        }
    }
}

/// What is said of a second model with these lines; each is one that has all that it needs.
fn of_second_model(lines: &str) -> String {
    complaint(&format!(
        "{UPSTREAM}[guard.second_model]\npath = \"model\"\nlabels = {{ injection = \"INJECTION\", toxicity = \"toxic\" }}\n{lines}\n"
    ))
}

#[cfg(not(feature = "transformers"))]
#[test]
fn a_second_model_needs_a_program_that_computes() {
    let told = of_second_model("");
    for want in ["built without the feature `transformers`", "--features transformers", ":4:"] {
        assert!(told.contains(want), "{told}");
    }
}

#[cfg(feature = "transformers")]
#[test]
fn a_second_model_is_asked_what_it_can_be_asked() {
    let rule = |lines: &str| format!("[[guard.second_model.rule]]\n{lines}");
    let of_user = "label = \"injection\"\nsource = \"user\"";
    let cases = [
        ("plain", String::new(), ""),
        ("one end", "band = [0.4]".to_owned(), "1 numbers instead of two"),
        ("a band", "band = [0.4, 0.4]".to_owned(), ""),
        ("turned around", "band = [0.8, 0.2]".to_owned(), "ends before it begins"),
        ("from zero", "band = [0.0, 0.2]".to_owned(), "0 is not between 0.001 and 0.999"),
        ("three ends", "band = [0.1, 0.2, 0.3]".to_owned(), "3 numbers instead of two"),
        ("no tokens", "tokens_max = 0".to_owned(), "from 1 to 65536"),
        ("too many tokens", "tokens_max = 65537".to_owned(), "from 1 to 65536"),
        ("no time", "time_ms = 0".to_owned(), "from 1 to 60000"),
        ("too much time", "time_ms = 60001".to_owned(), "from 1 to 60000"),
        ("no place", "concurrency = 0".to_owned(), "from 1 to 64"),
        ("too many places", "concurrency = 65".to_owned(), "from 1 to 64"),
        ("nobody waits", "waiting_max = 0".to_owned(), ""),
        ("too many wait", "waiting_max = 4097".to_owned(), "from 0 to 4096"),
        ("a rule", rule(of_user), ""),
        ("two rules", rule(of_user) + "\n" + &rule(&of_user.replace("user", "tool")), ""),
        ("twice", rule(of_user) + "\n" + &rule(of_user), "a rule for it already"),
        (
            "twice at one place",
            rule(&of_user.replace("user", "document"))
                + "\n"
                + &rule(&of_user.replace("user", "tool")),
            "treated alike",
        ),
        (
            "not asked",
            rule("label = \"jailbreak\"\nsource = \"user\""),
            "not asked for `jailbreak`",
        ),
        (
            "nothing to ask",
            rule("label = \"injection\"\nsource = \"model\""),
            "not asked for in texts of `model`",
        ),
        (
            "nobody's",
            rule("label = \"toxicity\"\nsource = \"system\""),
            "not asked for in texts of `system`",
        ),
        ("a wrong rule", rule(of_user) + "\nband = [0.3, 0.2]", "ends before it begins"),
        ("another key", "model = 1".to_owned(), "unknown field `model`"),
    ];
    for (name, lines, want) in cases {
        let told = of_second_model(&lines);
        assert!(told.contains(want) && told.is_empty() == want.is_empty(), "{name}: {told}");
    }
    let table = |labels: &str| {
        complaint(&format!("{UPSTREAM}[guard.second_model]\npath = \"model\"\nlabels = {labels}\n"))
    };
    assert!(table("{}").contains("asked for nothing"));
    assert!(table("{ injektion = \"X\" }").contains("did you mean `injection`?"));
    assert!(table("[]").contains("invalid type"));
}
