use super::{catalogue, kind, load, roles};
use crate::{
    Action, DEPTH_MAX, GuardPolicy, ID_BYTES_MAX, NESTING_MAX, POLICIES_MAX, POLICY_BYTES_MAX,
    PolicyError, TEXT_BYTES_MAX,
};
use bartizan_core::evidence::Source;

/// What every case starts with; the policy starts on line 2.
const HEAD: &str = "// Comments count as lines.\n@id(\"x\")\n";

/// Loads a text in which the place of the error is marked «like this» (unmarked, it is the whole policy's first line), and
/// returns the error after checking its place.
fn refuse(marked: &str) -> PolicyError {
    let text = format!("{HEAD}{marked}");
    let plain = text.replace(['«', '»'], "");
    let error = load(&plain).err().unwrap_or_else(|| panic!("loaded: {marked}"));
    let (line, column, width) = match text.split_once('«') {
        None => (2, 1, "@id(\"x\")".len()),
        Some((before, after)) => {
            let (within, _) = after.split_once('»').expect("a mark has two ends");
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            (before.matches('\n').count() + 1, column, within.chars().count().max(1))
        }
    };
    assert_eq!((error.line, error.column, error.width), (line, column, width), "{marked}: {error}");
    assert_eq!(error.text, plain.lines().nth(line - 1).unwrap_or(""), "{marked}");
    assert_eq!(error.file, "mine.cedar");
    error
}

/// Text with its wrong place marked, message, way out (empty: none).
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "permit (principal, action, resource)«»",
        "unexpected end of input",
        "expected `;` or identifier",
    ),
    ("permit (principal, action, re«с»ource);", "invalid token", ""),
    (
        r#"permit (principal, action, resource) when { «"»open };"#,
        "invalid token",
        "try checking that all strings are closed properly",
    ),
    (
        "permit (principal, action, resource) when { «'»a' == 1 };",
        "invalid token",
        "strings must use double quotes, not single quotes",
    ),
    (
        "«allow» (principal, action, resource);",
        "invalid policy effect: allow",
        "effect must be either `permit` or `forbid`",
    ),
    (
        "permit («?principal», action, resource);",
        "unexpected token `?principal`",
        "expected `)` or identifier",
    ),
    (
        "permit (principal == ?principal, action, resource);",
        "templates (`?principal`, `?resource`) cannot be used here",
        "write the role or the kind itself",
    ),
    (
        r#"permit (principal, action == «Action::"relase"», resource);"#,
        r#"unrecognized action `Action::"relase"`"#,
        r#"did you mean `Action::"release"`?"#,
    ),
    (
        r#"permit (principal in «Roles»::"a", action, resource);"#,
        "unrecognized entity type `Roles`",
        "did you mean `Role`?",
    ),
    (
        r#"permit (principal, action == Action::"release", resource in «Kind::"secrt"»);"#,
        "no kind is called `secrt`",
        r#"did you mean `Kind::"secret"`?"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource == «Kind::"pii.crad"»);"#,
        "no kind is called `pii.crad`",
        r#"did you mean `Kind::"pii.card"`?"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource in «Kind::"zzzzzzzzz"»);"#,
        "no kind is called `zzzzzzzzz`",
        "the classes of kinds are active, exfil, hidden, injection, leak, limit, pii, secret, toxic, unread",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { resource in [Kind::"pii.card", «Kind::"pii.crad"»] };"#,
        "no kind is called `pii.crad`",
        r#"did you mean `Kind::"pii.card"`?"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource == «Kind::"pii"»);"#,
        "`pii` is a class: no finding is of exactly this kind",
        r#"write `resource in Kind::"pii"`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { resource != «Kind::"secret"» };"#,
        "`secret` is a class: no finding is of exactly this kind",
        r#"write `resource in Kind::"secret"`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { [Kind::"pii.card", «Kind::"secret"»].contains(resource) };"#,
        "`secret` is a class: no finding is of exactly this kind",
        r#"write `resource in Kind::"secret"`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { context.source == «"tol"» };"#,
        "no source is called `tol`",
        r#"did you mean `"tool"`?"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «"somewhere else"» != context.source };"#,
        "no source is called `somewhere else`",
        "the sources are system, user, tool, document, model, tool_call",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { ["tool", «"tool-call"»].contains(context.source) };"#,
        "no source is called `tool-call`",
        r#"did you mean `"tool_call"`?"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «context.source» like "to*" };"#,
        "`context.source` can only be compared with the name of a source",
        r#"write `context.source == "tool"` or `["tool", "document"].contains(context.source)`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «context.source» == context.route };"#,
        "`context.source` can only be compared with the name of a source",
        r#"write `context.source == "tool"` or `["tool", "document"].contains(context.source)`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { ["tool", «context.source»].contains("tool") };"#,
        "`context.source` can only be compared with the name of a source",
        r#"write `context.source == "tool"` or `["tool", "document"].contains(context.source)`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { [["tool"], [«context.source»]].contains(["tool"]) };"#,
        "`context.source` can only be compared with the name of a source",
        r#"write `context.source == "tool"` or `["tool", "document"].contains(context.source)`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «context.user» == "x" };"#,
        r#"attribute `user` in context for Action::"release" not found"#,
        "did you mean `route`?",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «context has user» && true };"#,
        "`context` has no field `user`",
        "its fields are `source` and `route`",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «context» == {source: "tool", route: "x"} };"#,
        "`context` can only be read by field",
        "write `context.source` or `context.route`",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { (if true then «context» else context).route == "x" };"#,
        "`context` can only be read by field",
        "write `context.source` or `context.route`",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «principal.name» == "root" };"#,
        "attribute `name` on entity type `Caller` not found",
        "policies can ask for roles and routes, and about a finding for `context.source`, `context.route` and its kind",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { principal has name };"#,
        "policy is impossible: the policy expression evaluates to false for all valid requests",
        "mend it or delete it: a guard policy must do what it seems to do",
    ),
    (
        r#"permit (principal == «Caller::"root"», action, resource);"#,
        "a guard policy cannot name one caller",
        r#"give the caller's key a role, and write `principal in Role::"..."`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { [«Caller::""»].contains(principal) };"#,
        "a guard policy cannot name one caller",
        r#"give the caller's key a role, and write `principal in Role::"..."`"#,
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «resource.name» == "x" };"#,
        "attribute `name` on entity type `Kind` not found",
        "policies can ask for roles and routes, and about a finding for `context.source`, `context.route` and its kind",
    ),
    (
        r#"permit (principal, action == Action::"call", resource in Kind::"pii");"#,
        "policy is impossible: the policy expression evaluates to false for all valid requests",
        "mend it or delete it: a guard policy must do what it seems to do",
    ),
    (
        r#"permit (principal, action == Action::"call", resource)
when { «context.route» == "x" };"#,
        r#"attribute `route` in context for Action::"call" not found"#,
        "policies can ask for roles and routes, and about a finding for `context.source`, `context.route` and its kind",
    ),
    (
        "permit (principal, action, resource) when { false };",
        "policy is impossible: the policy expression evaluates to false for all valid requests",
        "mend it or delete it: a guard policy must do what it seems to do",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { 1 + «"a"» == 2 };"#,
        "unexpected type: expected Long but saw String",
        "Cedar does not support string concatenation",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «ipp("10.0.0.1").isLoopback()» };"#,
        "`ipp` is not a valid function",
        "did you mean `ip`?",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { context.route == «"a\u{202e}b"» };"#,
        "string `\"a\u{202e}b\"` contains BIDI control characters",
        "mend it or delete it: a guard policy must do what it seems to do",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { «context.route = "a"» };"#,
        "'=' is not a valid operator in Cedar",
        "try using '==' instead",
    ),
    (
        r#"permit (principal, action == Action::"release", resource)
when { true } «if» { true };"#,
        "invalid policy condition: if",
        "condition must be either `when` or `unless`",
    ),
    (
        "permit (principal, «resource», action);",
        "found the variable `resource` where the variable `action` must be used",
        "policy scopes must contain a `principal`, `action`, and `resource` element in that order",
    ),
    (
        "permit (principal, action, resource); //«\u{202e}» ;(ecruoser ,noitca ,lapicnirp) dibrof",
        "U+202E makes a text look like another one",
        "delete it; nobody can see it",
    ),
];

#[test]
fn errors_point_at_the_place() {
    for &(marked, message, help) in CASES {
        let error = refuse(marked);
        assert_eq!(error.message, message, "{marked}");
        assert_eq!(error.help.as_deref().unwrap_or(""), help, "{marked}");
    }
}

/// Loads several files; returns place, message and way out of the error.
fn refuse_files(files: &[(&str, &str)]) -> (String, String) {
    let texts: Vec<_> = files.iter().map(|&(f, t)| (f.to_owned(), t.to_owned())).collect();
    let error = GuardPolicy::load(&texts, &catalogue()).expect_err("a case is wrong");
    (error.to_string(), error.help.unwrap_or_default())
}

/// Files, the place and the message, the way out.
type FileCase<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

#[test]
fn names_are_unique_over_all_files() {
    let any = |id: &str| format!("{id} permit (principal, action, resource);");
    let (a, b, none) = (any("@id(\"a\")"), any("\n@id(\"b\")"), any("@title(\"t\")"));
    let cases: &[FileCase<'_>] = &[
        (
            &[("f", &(a.clone() + &b + &a))],
            "f:2:47: the `@id` `a` stands twice",
            "the first is at f:1",
        ),
        (&[("f", &b), ("g", &b)], "g:2:1: the `@id` `b` stands twice", "the first is at f:2"),
        (
            &[("f", &a), ("f", &b)],
            "f:1:1: the file is given twice",
            "give it once, or another name",
        ),
        (
            &[("f", &a), ("g", &none)],
            "g:1:1: the policy has no `@id`",
            "write `@id(\"a-name-of-your-own\")` in front of it: records name it",
        ),
        (
            &[("f", &any("@id(\"\")"))],
            "f:1:1: the `@id` is not a name",
            "use 1 to 256 bytes, no control characters",
        ),
        (
            &[("f", &any("@id"))],
            "f:1:1: the `@id` is not a name",
            "use 1 to 256 bytes, no control characters",
        ),
        (
            &[("f", &any("@id(\"a\\nb\")"))],
            "f:1:1: the `@id` is not a name",
            "use 1 to 256 bytes, no control characters",
        ),
        (
            &[("f", &any(&format!("@id(\"{}\")", "i".repeat(ID_BYTES_MAX + 1))))],
            "f:1:1: the `@id` is not a name",
            "use 1 to 256 bytes, no control characters",
        ),
    ];
    for &(files, message, help) in cases {
        assert_eq!(refuse_files(files), (message.to_owned(), help.to_owned()));
    }
    load(&any(&format!("@id(\"{}\")", "i".repeat(ID_BYTES_MAX)))).unwrap();
    // An error is shown in the file that it is in.
    let wrong = "@id(\"w\") permit (principal, action, resource) when { context.route == \"x\" };";
    assert!(refuse_files(&[("b", &a), ("a", wrong)]).0.starts_with("a:1:"));
}

/// A policy with this condition.
fn when(condition: &str) -> String {
    format!(
        "@id(\"x\") permit (principal, action == Action::\"release\", resource) when {{ {condition} }};"
    )
}

fn nested(n: usize) -> String {
    when(&format!("{}true{}", "(".repeat(n), ")".repeat(n)))
}

fn chosen(n: usize) -> String {
    when(&format!("{}true", "if true then true else ".repeat(n)))
}

/// The scope takes four levels, the comparison one and the first number one more.
fn added(n: usize) -> String {
    when(&format!("1{} > 0", "+1".repeat(n)))
}

fn of_bytes(n: usize) -> String {
    let spare = n - when("context.route == \"\"").len();
    when(&format!("context.route == \"{}\"", "r".repeat(spare)))
}

fn policies(n: usize) -> String {
    let one = |n| format!("@id(\"{n}\") forbid (principal, action, resource);");
    (0..n).map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_within_the_limits_loads_and_answers() {
    let cases = [
        // One more bracket is that of the condition itself.
        ("brackets", nested(NESTING_MAX - 1)),
        ("ifs", chosen(NESTING_MAX - 1)),
        ("operators", added(DEPTH_MAX - 6)),
        ("bytes of a policy", of_bytes(POLICY_BYTES_MAX)),
        ("policies", policies(POLICIES_MAX)),
    ];
    for (name, text) in cases {
        let policy = load(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ladder = policy.ladder(&roles(&[]), "default");
        let why = ladder.why(Source::User, kind("pii.card"));
        assert!(why.release.errors.is_empty(), "{name}: {why}");
    }
}

#[test]
fn what_is_over_a_limit_is_refused() {
    const NESTED: &str = "more than 32 brackets and `if`s are open here";
    const DEEP: &str = "the policy is more than 128 operators deep";
    let comments = |n: usize| "// \n".repeat(n / 4 + 1);
    let cases = [
        ("brackets", nested(NESTING_MAX), NESTED),
        ("many brackets", nested(5000), NESTED),
        ("ifs", chosen(NESTING_MAX), NESTED),
        ("operators", added(DEPTH_MAX - 5), DEEP),
        ("many operators", added(8000), DEEP),
        ("fields", when(&format!("principal{}", ".a".repeat(5000))), DEEP),
        ("nots", when(&format!("{}true", "!".repeat(5000))), "too many occurrences of `!`"),
        (
            "bytes of a policy",
            of_bytes(POLICY_BYTES_MAX + 2),
            "the policy is longer than 16384 bytes",
        ),
        (
            "no end",
            when("true") + &comments(POLICY_BYTES_MAX),
            "no policy ends within 16384 bytes of here",
        ),
        ("bytes", comments(TEXT_BYTES_MAX), "the text has 262148 bytes, at most 262144 are read"),
        ("policies", policies(POLICIES_MAX + 1), "more than 1024 policies"),
    ];
    for (name, text, want) in cases {
        let error = load(&text).err().unwrap_or_else(|| panic!("loaded: {name}"));
        assert_eq!(error.message, want, "{name}");
    }
}

/// With little stack left, Cedar's validator lets policies pass and its evaluator errs. Neither may reach us.
#[test]
fn the_stack_of_the_caller_does_not_matter() {
    let deep = added(DEPTH_MAX - 6);
    let wrong = when(&format!("principal{} == 1", ".a".repeat(DEPTH_MAX - 6)));
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let work = move || {
        let policy = load(&deep).expect("it is within the limits");
        let ladder = policy.ladder(&roles(&[]), "default");
        let action = ladder.action(Source::User, kind("pii.card"));
        (action, load(&wrong).is_err())
    };
    let done = small.spawn(work).expect("a thread starts").join().expect("it does not overflow");
    assert_eq!(done, (Action::Release, true));
}
