use super::{catalogue, kind, load, roles};
use crate::check::classes;
use crate::load::schema;
use crate::{Action, GuardPolicy, Profile, Roles};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, Extent, KindId};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

fn uid(type_name: &str, name: &str) -> EntityUid {
    format!("{type_name}::\"{}\"", name.escape_default()).parse().expect("it is a literal")
}

/// The same question by the longest way: every kind on its own, its classes listed one by one, nothing kept.
fn ask_cedar(text: &str, roles: &Roles, route: &str, source: Source, name: &str) -> Action {
    let policies: PolicySet = text.parse().expect("it was loaded before");
    let caller = uid("Caller", "");
    let parents: HashSet<_> = roles.iter().map(|role| uid("Role", role)).collect();
    let mut all = vec![Entity::new_no_attrs(caller.clone(), parents)];
    for (_, info) in catalogue().iter() {
        let parents = classes(info.name).map(|class| uid("Kind", class)).collect();
        all.push(Entity::new_no_attrs(uid("Kind", info.name), parents));
    }
    let entities = Entities::from_entities(all, Some(schema())).expect("it fits the schema");
    let may = |action| {
        let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
        let pairs = [("source".to_owned(), text(source.name())), ("route".to_owned(), text(route))];
        let context = Context::from_pairs(pairs).expect("the fields differ");
        let (action, resource) = (uid("Action", action), uid("Kind", name));
        let request = Request::new(caller.clone(), action, resource, context, Some(schema()));
        let request = request.expect("it fits the schema");
        let response = Authorizer::new().is_authorized(&request, &policies, &entities);
        match response.diagnostics().errors().next() {
            Some(_) => None,
            None => Some(response.decision() == Decision::Allow),
        }
    };
    match may("release") {
        Some(true) => Action::Release,
        Some(false) if may("redact") == Some(true) => Action::Redact,
        None | Some(false) => Action::Refuse,
    }
}

const NAMES: [&str; 6] =
    ["pii.card", "pii.email", "secret.jwt", "hidden.tag", "unread.media", "injection.override"];

/// One policy; `N` stands for its number.
fn any_policy() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["permit", "permit", "forbid"]);
    let principal = prop::sample::select(vec![
        "principal",
        "principal in Role::\"a\"",
        "principal in Role::\"b\"",
        "principal is Caller in Role::\"b\"",
    ]);
    let action = prop::sample::select(vec![
        "action == Action::\"release\"",
        "action == Action::\"redact\"",
        "action in [Action::\"release\", Action::\"redact\"]",
    ]);
    let resource = prop_oneof![
        Just("resource".to_owned()),
        prop::sample::select(NAMES.to_vec()).prop_map(|k| format!("resource == Kind::\"{k}\"")),
        prop::sample::select(vec!["pii", "secret", "hidden", "pii.card", "unread"])
            .prop_map(|class| format!("resource in Kind::\"{class}\"")),
    ];
    let condition = prop::sample::select(vec![
        "",
        "",
        "when { context.source == \"tool\" }",
        "when { context.source != \"user\" }",
        "unless { [\"tool_call\", \"model\"].contains(context.source) }",
        "when { context.route like \"v*\" }",
        "unless { context.route == \"vision\" }",
        "when { resource in [Kind::\"pii.card\", Kind::\"secret\"] }",
        "when { Kind::\"pii.card\" in resource || resource != Kind::\"pii.email\" }",
        "when { [Kind::\"pii.card\"].contains(resource) && principal in Role::\"a\" }",
        "when { context.source == \"tool\" && 9223372036854775807 + 1 > 0 }",
    ]);
    (effect, principal, action, resource, condition)
        .prop_map(|(e, p, a, r, c)| format!("@id(\"N\")\n{e} ({p}, {a}, {r})\n{c};\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What the ladder says is what Cedar says, however kinds are grouped and answers kept.
    #[test]
    fn a_ladder_says_what_cedar_says(
        policies in prop::collection::vec(any_policy(), 0..6),
        names in prop::collection::btree_set("[abc]", 0..3),
        route in prop::sample::select(vec!["vision", "default"]),
        asked in prop::collection::vec((0..6_usize, 0..NAMES.len()), 8),
    ) {
        let numbered = policies.iter().enumerate();
        let text: String =
            numbered.map(|(n, policy)| policy.replace("\"N\"", &format!("\"p{n}\""))).collect();
        let policy = load(&text).unwrap();
        let roles: Roles = names.into_iter().collect();
        let ladder = policy.ladder(&roles, route);
        for (source, name) in asked {
            let (source, name) = (Source::ALL[source], NAMES[name]);
            let said = ask_cedar(&text, &roles, route, source, name);
            let is_part = catalogue().info(kind(name)).extent == Extent::Part;
            let arrives = matches!(source, Source::Model | Source::ToolCall);
            let want = match said {
                Action::Redact if is_part && arrives => Action::Refuse,
                Action::Release if name == "secret.upstream-key" => Action::Redact,
                said => said,
            };
            let why = ladder.why(source, kind(name));
            prop_assert_eq!(ladder.action(source, kind(name)), want, "{} {}: {}", source, name, why);
            prop_assert_eq!(why.action, want);
            prop_assert_eq!(ladder.holding(source).contains(kind(name)), want != Action::Release);
        }
    }
}

/// Everybody may be released everything, but for one more policy.
fn all_but(extra: &str) -> GuardPolicy {
    let open = "@id(\"open\")\npermit (principal, action, resource);\n";
    load(&format!("{open}@id(\"extra\")\n{extra}")).expect("the test's own policy loads")
}

#[test]
fn a_policy_that_errs_refuses() {
    const OVERFLOW: &str = "9223372036854775807 + 1 == 0";
    let cases = [
        ("an erring forbid of release", "forbid", "release", Action::Refuse),
        ("an erring permit of release", "permit", "release", Action::Refuse),
        ("an erring forbid of redaction is not asked", "forbid", "redact", Action::Release),
    ];
    for (name, effect, action, want) in cases {
        let scope = format!("(principal, action == Action::\"{action}\", resource)");
        let policy = all_but(&format!("{effect} {scope} when {{ {OVERFLOW} }};"));
        let ladder = policy.ladder(&roles(&[]), "default");
        assert_eq!(ladder.action(Source::User, kind("pii.card")), want, "{name}");
        assert!(ladder.may_call(), "{name}");
        if want == Action::Refuse {
            let why = ladder.why(Source::User, kind("pii.card"));
            assert_eq!(why.release.errors, [Arc::from("extra")], "{name}");
            assert_eq!(why.to_string(), "refuse: could not evaluate extra", "{name}");
        }
    }
    let no_call =
        format!("forbid (principal, action == Action::\"call\", resource) when {{ {OVERFLOW} }};");
    let policy = all_but(&no_call);
    assert!(!policy.ladder(&roles(&[]), "default").may_call());

    let redact = "@id(\"a\") permit (principal, action == Action::\"redact\", resource);\
        @id(\"b\") forbid (principal, action == Action::\"redact\", resource in Kind::\"pii\") when { 9223372036854775807 * 2 > 1 };";
    let ladder = load(redact).unwrap().ladder(&roles(&[]), "default");
    assert_eq!(ladder.action(Source::User, kind("pii.card")), Action::Refuse);
    assert_eq!(ladder.action(Source::User, kind("secret.jwt")), Action::Redact);
}

#[test]
fn roles_and_routes_decide_who_calls() {
    let policy = load(
        "@id(\"staff\") permit (principal in Role::\"staff\", action == Action::\"call\", resource);
         @id(\"guests\") permit (principal in Role::\"guest\", action == Action::\"call\", resource == Route::\"small\");
         @id(\"barred\") forbid (principal in Role::\"barred\", action, resource);",
    )
    .unwrap();
    let cases: [(&[&str], &str, bool, &[&str]); 7] = [
        (&["staff"], "large", true, &["staff"]),
        (&["guest"], "small", true, &["guests"]),
        (&["guest"], "large", false, &[]),
        (&["guest", "staff"], "small", true, &["guests", "staff"]),
        (&["barred", "staff"], "small", false, &["barred"]),
        (&[], "small", false, &[]),
        (&["staff\""], "small", false, &[]),
    ];
    for (names, route, want, why) in cases {
        let ladder = policy.ladder(&roles(names), route);
        assert_eq!(ladder.may_call(), want, "{names:?} on {route}");
        let decided: Vec<_> = ladder.why_call().policies.iter().map(|id| &**id).collect();
        assert_eq!(decided, why, "{names:?} on {route}");
    }
}

#[test]
fn reasons_name_the_policies() {
    let policy = GuardPolicy::profile(Profile::Standard, &catalogue()).unwrap();
    let ladder = policy.ladder(&roles(&[]), "default");
    let cases = [
        (Source::User, "pii.email", "release: permitted by standard.release"),
        (Source::User, "pii.card", "redact: permitted by standard.redact.data"),
        (Source::Tool, "injection.override", "redact: permitted by standard.redact.injection"),
        (Source::ToolCall, "pii.card", "refuse: nothing permits more"),
        (Source::User, "limit.time", "refuse: nothing permits more"),
    ];
    for (source, name, want) in cases {
        assert_eq!(ladder.why(source, kind(name)).to_string(), want, "{name} from {source}");
    }
    let rule = policy.rule("standard.release").unwrap();
    let line = Profile::Standard.text().lines().nth(rule.line - 1).unwrap();
    assert_eq!((rule.file.as_str(), line), ("standard.cedar", "@id(\"standard.release\")"));
    assert_eq!(rule.title.as_deref(), Some("all else is released, and recorded"));
    assert!(policy.rule("standard").is_none());
    assert_eq!(policy.rules().count(), 5);

    let forbidden =
        all_but("forbid (principal, action == Action::\"release\", resource in Kind::\"pii\");");
    let ladder = forbidden.ladder(&roles(&[]), "default");
    let why = ladder.why(Source::User, kind("pii.card"));
    assert_eq!(why.to_string(), "redact: permitted by open");
    assert_eq!(why.policies().collect::<Vec<_>>(), ["open", "extra"]);
}

#[test]
fn rules_tell_which_roles_and_routes_they_name() {
    let policy = load(
        "@id(\"a\") permit (principal in Role::\"x\", action == Action::\"call\", resource == Route::\"r1\");
         @id(\"b\") permit (principal, action == Action::\"release\", resource)
         when { context.route == \"r2\" || \"r3\" != context.route || [\"r4\", \"r5\"].contains(context.route) }
         unless { principal in [Role::\"y\", Role::\"z\"] || context.source == \"tool\" };",
    )
    .unwrap();
    let cases: [(&str, &[&str], &[&str]); 2] =
        [("a", &["x"], &["r1"]), ("b", &["y", "z"], &["r2", "r3", "r4", "r5"])];
    for (id, roles, routes) in cases {
        let rule = policy.rule(id).unwrap();
        assert!(rule.roles.iter().eq(roles), "{id}: {:?}", rule.roles);
        assert!(rule.routes.iter().eq(routes), "{id}: {:?}", rule.routes);
    }
}

#[test]
fn a_kind_that_nobody_knows_is_refused() {
    let policy = GuardPolicy::profile(Profile::Observe, &Catalogue::new(&[])).unwrap();
    let ladder = policy.ladder(&roles(&[]), "default");
    for number in [30, 31, 32, 57, 511] {
        let unknown = KindId::new(number).unwrap();
        for source in Source::ALL {
            assert_eq!(ladder.action(source, unknown), Action::Refuse, "{number} from {source}");
            assert_eq!(ladder.why(source, unknown).action, Action::Refuse);
        }
    }
}

#[test]
fn a_ladder_is_climbed_once() {
    let policy = GuardPolicy::profile(Profile::Standard, &catalogue()).unwrap();
    let first = policy.ladder(&roles(&["a", "b"]), "default");
    assert!(Arc::ptr_eq(&first, &policy.ladder(&roles(&["b", "a", "b"]), "default")));
    for (names, route) in [(&["a"][..], "default"), (&["a", "b"], "other"), (&[], "default")] {
        assert!(!Arc::ptr_eq(&first, &policy.ladder(&roles(names), route)), "{names:?} on {route}");
    }
    assert_eq!(first.policy(), policy.digest());
}

#[test]
fn digests_cover_the_rules_and_nothing_else() {
    let text = |n: u32| format!("@id(\"p{n}\") permit (principal, action, resource);");
    let of = |texts: &[(&str, String)], catalogue: &Catalogue| {
        let texts: Vec<_> = texts.iter().map(|(f, t)| ((*f).to_owned(), t.clone())).collect();
        GuardPolicy::load(&texts, catalogue).expect("it loads").digest()
    };
    let one = of(&[("a", text(1))], &catalogue());
    let both = of(&[("a", text(1)), ("b", text(2))], &catalogue());
    let same = [
        ("another file name", one, of(&[("c", text(1))], &catalogue())),
        ("another order", both, of(&[("b", text(2)), ("a", text(1))], &catalogue())),
        ("names swapped", both, of(&[("a", text(2)), ("b", text(1))], &catalogue())),
    ];
    for (name, left, right) in same {
        assert_eq!(left, right, "{name}");
    }
    let differ = [
        ("another text", one, of(&[("a", text(2))], &catalogue())),
        ("one more text", one, both),
        ("joined into one text", both, of(&[("a", text(1) + &text(2))], &catalogue())),
        ("other kinds", one, of(&[("a", text(1))], &Catalogue::new(&[]))),
    ];
    for (name, left, right) in differ {
        assert_ne!(left, right, "{name}");
    }
}
