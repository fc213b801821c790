use super::{catalogue, kind, roles};
use crate::{Action, GuardPolicy, Profile, route_permits};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, Extent, KindInfo};

/// Rows of a table of cases: a kind or `class.*`, and one action per source.
fn rows(profile: Profile) -> Vec<(&'static str, Vec<&'static str>)> {
    let lines = profile.cases().lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut rows = lines.map(|line| {
        let mut words = line.split_whitespace();
        (words.next().expect("the line is not empty"), words.collect::<Vec<_>>())
    });
    let head = rows.next().expect("a table has a head");
    assert_eq!(head, ("kind", Source::ALL.map(Source::name).to_vec()));
    rows.collect()
}

fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(class) => kind.starts_with(class),
        None => kind == pattern,
    }
}

#[test]
fn profiles_do_what_their_tables_say() {
    for profile in Profile::ALL {
        let policy = GuardPolicy::profile(profile, &catalogue()).unwrap();
        let ladder = policy.ladder(&roles(&[]), "any route");
        assert!(profile.cases().contains("\n# call: everyone\n") && ladder.may_call(), "{profile}");
        let rows = rows(profile);
        for (pattern, actions) in &rows {
            assert_eq!(actions.len(), Source::ALL.len(), "{profile}: {pattern}");
            assert!(catalogue().iter().any(|(_, info)| matches(pattern, info.name)), "{pattern}");
        }
        for (kind, info) in catalogue().iter() {
            let mut found: Vec<_> = rows.iter().filter(|(p, _)| matches(p, info.name)).collect();
            // A row of its own says it more exactly than the row of its class.
            if let Some(own) = found.iter().copied().find(|(pattern, _)| *pattern == info.name) {
                found = vec![own];
            }
            let [(_, actions)] = found.as_slice() else {
                panic!("{profile}: {} stands in {} rows", info.name, found.len())
            };
            for (source, want) in Source::ALL.into_iter().zip(actions) {
                let got = ladder.action(source, kind).name();
                assert_eq!(got, *want, "{profile}: {} from {source}", info.name);
                let held = ladder.holding(source).contains(kind);
                assert_eq!(held, *want != "release", "{profile}: {} from {source}", info.name);
            }
        }
    }
}

#[test]
fn profiles_are_found_by_name() {
    for profile in Profile::ALL {
        assert_eq!(profile.name().parse(), Ok(profile));
        assert_eq!(profile.file_name(), format!("{profile}.cedar"));
    }
    for wrong in ["", "Standard", "standard ", "paranoid"] {
        assert!(wrong.parse::<Profile>().is_err(), "{wrong:?}");
    }
}

#[test]
fn profiles_load_whatever_the_detectors_are() {
    static NEW: [KindInfo; 2] = [
        KindInfo { name: "toxicity.threat", title: "", extent: Extent::Span },
        KindInfo { name: "pii.card.virtual", title: "", extent: Extent::Span },
    ];
    let wants = [
        (Profile::Standard, Action::Release, Action::Redact),
        (Profile::Strict, Action::Refuse, Action::Redact),
        (Profile::Observe, Action::Release, Action::Release),
    ];
    for (profile, of_new_class, of_new_kind) in wants {
        GuardPolicy::profile(profile, &Catalogue::new(&[])).unwrap();
        let catalogue = Catalogue::new(&NEW);
        let policy = GuardPolicy::profile(profile, &catalogue).unwrap();
        let ladder = policy.ladder(&roles(&[]), "default");
        let action = |name| ladder.action(Source::User, catalogue.find(name).unwrap());
        assert_eq!(action("toxicity.threat"), of_new_class, "{profile}");
        assert_eq!(action("pii.card.virtual"), of_new_kind, "{profile}");
    }
}

/// A profile with what the configuration of routes adds to it.
fn with_routes(profile: Profile, routes: &[(&str, &[&str], bool)]) -> GuardPolicy {
    let mut texts = vec![(profile.file_name().to_owned(), profile.text().to_owned())];
    for &(route, unread, redact_tool_calls) in routes {
        texts.push(route_permits(route, unread, redact_tool_calls).expect("the route is usable"));
    }
    GuardPolicy::load(&texts, &catalogue()).expect("what is generated always loads")
}

#[test]
fn a_route_opens_what_it_says_and_nothing_else() {
    for profile in [Profile::Standard, Profile::Strict] {
        let policy =
            with_routes(profile, &[("vision", &["unread.media"], false), ("tools", &[], true)]);
        let cases = [
            ("vision", Source::User, "unread.media", Action::Release),
            ("vision", Source::User, "unread.token-ids", Action::Refuse),
            ("vision", Source::ToolCall, "secret.jwt", Action::Refuse),
            ("tools", Source::User, "unread.media", Action::Refuse),
            ("tools", Source::ToolCall, "secret.jwt", Action::Redact),
            ("tools", Source::ToolCall, "pii.card", Action::Redact),
            ("tools", Source::ToolCall, "hidden.tag", Action::Redact),
            ("tools", Source::ToolCall, "limit.detector", Action::Refuse),
            ("tools", Source::User, "secret.jwt", Action::Redact),
            ("other", Source::User, "unread.media", Action::Refuse),
            ("other", Source::ToolCall, "secret.jwt", Action::Refuse),
        ];
        for (route, source, name, want) in cases {
            let got = policy.ladder(&roles(&["app"]), route).action(source, kind(name));
            assert_eq!(got, want, "{profile}: {name} from {source} on {route}");
        }
    }
}

#[test]
fn hostile_route_names_stay_inside_their_string() {
    let hostile = [
        "\"",
        "\\",
        "x\" || true || \"",
        "x\"); permit(principal, action, resource); //",
        "*",
        "}",
        "//",
        "été",
        "видео api",
        "\u{1F600}",
        "${route}",
        "\\u{22}",
    ];
    for route in hostile {
        let policy = with_routes(Profile::Standard, &[(route, &["unread.media"], true)]);
        let open = |route| {
            let ladder = policy.ladder(&roles(&[]), route);
            ladder.action(Source::User, kind("unread.media"))
        };
        assert_eq!(open(route), Action::Release, "{route}");
        assert_eq!(open("x"), Action::Refuse, "{route}");
        assert!(policy.rule(&format!("route.{route}.unread.media")).is_some(), "{route}");
    }
}

#[test]
fn unusable_exceptions_are_refused() {
    let long = "r".repeat(crate::ROUTE_BYTES_MAX + 1);
    for route in ["", "a\nb", "a\u{7f}", "a\0", &long] {
        assert!(route_permits(route, &[], false).is_err(), "{route:?}");
    }
    for name in ["media", "unread", "unread.", "unread.Media", "limit.time", "pii.card", "secret"] {
        assert!(route_permits("r", &["unread.media", name], false).is_err(), "{name}");
    }
    let longest = "r".repeat(crate::ROUTE_BYTES_MAX);
    let all = ["unread.prompt-echo", "unread.media", "unread.media"];
    with_routes(Profile::Strict, &[(&longest, &all, true), ("plain", &[], false)]);
}
