//! What the reference pages list is what the code has: codes, kinds, metrics, settings, and the values of bounds that are constants.
use crate::rust::{fields, split, tokens};
use crate::tree::Tree;
use crate::{bites, keep, kinds_page};
use std::collections::{BTreeMap, BTreeSet};

const CODES: &str = "docs/reference/codes.md";
const KINDS: &str = "docs/reference/kinds.md";
const METRICS: &str = "docs/reference/metrics.md";
const SETTINGS: &str = "docs/reference/config.md";
/// Where the gateway counts.
const COUNTERS: &str = "crates/gateway/src/http/metrics.rs";
/// Where the ledger's disk is counted.
const LEDGER_COUNTERS: &str = "crates/bartizan/src/serve/meter.rs";
/// Where the counters of witnesses are declared.
const WITNESS_COUNTERS: &str = "crates/bartizan/src/serve/cosign.rs";
/// Where the questions to second models are counted.
const SECOND_COUNTERS: &str = "crates/bartizan/src/second.rs";
/// Every bound.
const LIMITS: &str = "docs/reference/limits.md";
/// What the configuration may say.
const CONFIG: &str = "crates/bartizan/src/config.rs";

/// The part of a source file before its tests.
fn product(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// The string literals of a source text, each with what stands before it. Escapes are not undone, comments are not read.
fn literals(text: &str) -> Vec<(String, &str)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let n_quotes = |line: &str| line.matches('"').count();
    // A line with an odd number of quotes belongs to a literal of several lines, or holds an escaped one: no name does.
    let even: Vec<&str> = lines.filter(|line| n_quotes(line) % 2 == 0).collect();
    let mut found = Vec::new();
    let mut before = "";
    for line in even {
        let pieces: Vec<&str> = line.split('"').collect();
        for (at, piece) in pieces.iter().enumerate().skip(1).step_by(2) {
            let own = pieces.get(at - 1).copied().unwrap_or_default();
            let before = if own.trim().is_empty() && at == 1 { before } else { own };
            found.push(((*piece).to_owned(), before.trim_end()));
        }
        before = line;
    }
    found
}

fn is_code(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The cells of a page's table rows that begin with one in backticks or with a status, trimmed.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| row.split(" | ").map(|cell| cell.trim().trim_end_matches('|').trim()).collect())
}

/// The names in backticks of a cell.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The codes of a source file, with their status where one stands before them: `Reply::new(404, "unknown_path"`,
/// `(502, "upstream_tls"`, and without one `denied("tls_handshake")`.
fn codes_in(text: &str) -> Vec<(Option<u16>, String)> {
    let status = |before: &str| {
        let digits = before.strip_suffix(',')?.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u16>().ok().filter(|status| (400..600).contains(status))
    };
    let mut found = Vec::new();
    for (name, before) in literals(product(text)).into_iter().filter(|(name, _)| is_code(name)) {
        let status = status(before);
        if status.is_some() || before.ends_with("denied(") {
            found.push((status, name));
        }
    }
    found
}

/// Every code that a caller or a metric can show is explained, with its status, and none is explained that is gone.
fn codes(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(CODES) else { return vec![format!("{CODES} is missing")] };
    let mut with_status = BTreeSet::new();
    let mut all = BTreeSet::new();
    for cells in rows(page) {
        let status = cells.first().and_then(|cell| cell.parse::<u16>().ok());
        let listed = if status.is_some() { cells.get(1) } else { cells.first() };
        for name in names(listed.copied().unwrap_or_default()).filter(|name| is_code(name)) {
            with_status.extend(status.map(|status| (status, name.to_owned())));
            all.insert(name.to_owned());
        }
    }
    let is_source = |path: &str| path.starts_with("crates/gateway/src/") && !path.contains("tests");
    let sources: Vec<_> = tree.ending(".rs").filter(|(path, _)| is_source(path)).collect();
    let mut problems = BTreeSet::new();
    for (path, text) in &sources {
        for (status, name) in codes_in(text) {
            let is_said = match status {
                Some(status) => with_status.contains(&(status, name.clone())),
                None => all.contains(&name),
            };
            if !is_said {
                problems.insert(format!("{CODES}: no row for {status:?} {name} of {path}"));
            }
        }
    }
    for name in all {
        let quoted = format!("\"{name}\"");
        if !sources.iter().any(|(_, text)| product(text).contains(&quoted)) {
            problems.insert(format!("{CODES}: {name} is nowhere in the gateway"));
        }
    }
    problems.into_iter().collect()
}

/// Every kind is listed with its title and what is known of it, and no other.
fn kinds(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(KINDS) else { return vec![format!("{KINDS} is missing")] };
    let listed: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let rows = kinds_page::rows();
    let real: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
    let say =
        |what: &str, row: &str| format!("{KINDS}: {what}, `cargo xtask kinds` writes it: {row}");
    let missing = real.difference(&listed).map(|row| say("not there", row));
    missing.chain(listed.difference(&real).map(|row| say("not in the code", row))).collect()
}

/// The names of all metrics in the code.
fn metrics_in_code(tree: &Tree) -> BTreeSet<String> {
    let texts = [COUNTERS, WITNESS_COUNTERS, SECOND_COUNTERS]
        .map(|path| product(tree.text(path).unwrap_or_default()));
    let names = texts.into_iter().flat_map(literals).map(|(name, _)| name);
    let mut found: BTreeSet<String> =
        names.filter(|name| name.starts_with("bartizan_") && is_code(name)).collect();
    let ledger = product(tree.text(LEDGER_COUNTERS).unwrap_or_default());
    let names = literals(ledger).into_iter().map(|(name, _)| name);
    let names = names.filter(|name| is_code(name) && name.ends_with("_total"));
    found.extend(names.map(|name| format!("bartizan_ledger_{name}")));
    found
}

/// Every metric is listed, and no other.
fn metrics(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(METRICS) else { return vec![format!("{METRICS} is missing")] };
    let listed = rows(page).filter_map(|cells| names(cells.first()?).next().map(str::to_owned));
    differ(METRICS, &listed.collect(), &metrics_in_code(tree))
}

/// The types that hold settings, and the tables that they are read from.
const TABLES: [(&str, &str); 12] = [
    ("Listen", "listen"),
    ("Ledger", "ledger"),
    ("Retention", "ledger.retention"),
    ("Witness", "ledger.witness"),
    ("Guard", "guard"),
    ("OwnKind", "guard.kind"),
    ("Except", "guard.except"),
    ("Threshold", "guard.threshold"),
    ("SecondModel", "guard.second_model"),
    ("SecondRule", "guard.second_model.rule"),
    ("Upstream", "upstream"),
    ("Route", "route"),
];

/// Every setting is listed, and no other. The limits have a page of their own.
fn settings(tree: &Tree) -> Vec<String> {
    let (Some(page), Some(code)) = (tree.text(SETTINGS), tree.text(CONFIG)) else {
        return vec![format!("{SETTINGS} or {CONFIG} is missing")];
    };
    let listed = rows(page).filter_map(|cells| names(cells.first()?).next().map(str::to_owned));
    let code = split(product(code)).code;
    let path_of = |owner: &str| {
        let path = TABLES.iter().find(|(name, _)| *name == owner).map(|(_, path)| *path);
        path.map(str::to_owned)
    };
    let mut in_code: BTreeSet<String> = fields(&tokens(&code), "")
        .into_iter()
        .filter_map(|(owner, field)| Some(format!("{}.{field}", path_of(&owner)?)))
        .collect();
    // A table inside a table has rows of its own.
    in_code.retain(|field| TABLES.iter().all(|(_, path)| field != path));
    in_code.insert("limits.*".to_owned());
    differ(SETTINGS, &listed.collect(), &in_code)
}

/// The value of `64`, `4_096`, `64 << 10` or `Duration::from_secs(2)`.
fn value(expression: &str) -> Option<u64> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    let expression = expression.trim();
    let inside = expression.strip_prefix("Duration::from_secs(").and_then(|e| e.strip_suffix(')'));
    match inside.unwrap_or(expression).split_once("<<") {
        Some((base, shift)) => number(base)?.checked_shl(u32::try_from(number(shift)?).ok()?),
        None => number(inside.unwrap_or(expression)),
    }
}

/// The values of the constants in our crates, by name. Several crates may use one name.
fn constants(tree: &Tree) -> BTreeMap<String, BTreeSet<u64>> {
    let mut found = BTreeMap::<String, BTreeSet<u64>>::new();
    for (_, text) in tree.ending(".rs").filter(|(path, _)| path.starts_with("crates/")) {
        for line in product(text).lines() {
            let declared = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": "));
            let Some((name, rest)) = declared else { continue };
            let said = rest.split_once(" = ").and_then(|(_, rest)| rest.split(';').next());
            if let Some(value) = said.and_then(value) {
                found.entry(name.to_owned()).or_default().insert(value);
            }
        }
    }
    found
}

/// A bound that is a constant has the value that its row says.
fn bounds(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(LIMITS) else { return vec![format!("{LIMITS} is missing")] };
    let constants = constants(tree);
    let mut problems = Vec::new();
    for cells in rows(page) {
        let name = cells.first().and_then(|cell| names(cell).next()).unwrap_or_default();
        let said = cells.get(1).and_then(|cell| value(cell.split(' ').next().unwrap_or_default()));
        let Some(real) = constants.get(name) else { continue };
        if said.is_none_or(|said| !real.contains(&said)) {
            problems.push(format!("{LIMITS}: {name} is {said:?} here and {real:?} in the code"));
        }
    }
    problems
}

/// What only one of the two sides has.
fn differ(page: &str, listed: &BTreeSet<String>, in_code: &BTreeSet<String>) -> Vec<String> {
    let unsaid = in_code.difference(listed).map(|name| format!("{page}: {name} has no row"));
    let stale = listed.difference(in_code).map(|name| format!("{page}: {name} is not in the code"));
    unsaid.chain(stale).collect()
}

#[test]
fn codes_are_explained() {
    keep(codes);
    assert!(
        codes_in("Reply::new(\n    404,\n    \"no_path\",\n)")
            .contains(&(Some(404), "no_path".to_owned()))
    );
}

#[test]
fn unexplained_codes_are_found() {
    let source = |text: &'static str| ("crates/gateway/src/x.rs", text);
    let page = |rows: &'static str| (CODES, rows);
    let in_test = "fn a() {}\n\n#[cfg(test)]\nmod tests { fn b() { c(404, \"no_path\") } }\n";
    bites(
        codes,
        &[
            ("no page", &[source("(404, \"no_path\")")], &["is missing"]),
            (
                "no row",
                &[source("(404, \"no_path\")"), page("")],
                &["no row for Some(404) no_path"],
            ),
            (
                "other status",
                &[source("(404, \"no_path\")"), page("| 403 | `no_path` | x |\n")],
                &["no row for Some(404) no_path"],
            ),
            ("denial", &[source("s.denied(\"no_path\");"), page("")], &["no row for None no_path"]),
            ("stale", &[source(""), page("| 404 | `no_path` | x |\n")], &["no_path is nowhere"]),
            ("in a test", &[source(in_test), page("")], &[]),
            ("in a comment", &[source("// (404, \"no_path\")"), page("")], &[]),
            (
                "said",
                &[
                    source("(404, \"no_path\")"),
                    page("| 404 | `a_b`, `no_path` | x |\n"),
                    ("crates/gateway/src/y.rs", "\"a_b\""),
                ],
                &[],
            ),
            ("denial said", &[source("s.denied(\"no_path\");"), page("| `no_path` | x |\n")], &[]),
        ],
    );
}

#[test]
fn kinds_are_listed() {
    keep(kinds);
}

#[test]
fn unlisted_kinds_are_found() {
    let all = kinds_page::rows().join("\n");
    let (_, but_one) = all.split_once('\n').unwrap();
    let more = format!("{all}\n| `pii.none` | nothing | the span |");
    bites(
        kinds,
        &[
            ("no page", &[], &["is missing"]),
            ("unsaid", &[(KINDS, but_one)], &["not there"]),
            ("stale", &[(KINDS, &more)], &["pii.none"]),
            ("said", &[(KINDS, &all)], &[]),
        ],
    );
    let page = "a\n<!-- kinds -->\nold\n<!-- end -->\nb";
    let fresh = kinds_page::filled(page).unwrap();
    assert!(
        fresh.starts_with("a\n<!-- kinds -->\n\n| kind |") && fresh.ends_with("<!-- end -->\nb")
    );
    assert_eq!(kinds_page::filled(&fresh), Some(fresh));
    assert_eq!(kinds_page::filled("no marks"), None);
}

#[test]
fn metrics_are_listed() {
    keep(metrics);
}

#[test]
fn unlisted_metrics_are_found() {
    let counters = (COUNTERS, "let name = \"bartizan_open\";\n\"bartizan_open{{x}}\"\n");
    let ledger = (LEDGER_COUNTERS, "(\"syncs_total\", \"Syncs.\")");
    let both = "| `bartizan_open` | x |\n| `bartizan_ledger_syncs_total` | x |\n";
    bites(
        metrics,
        &[
            ("no page", &[counters], &["is missing"]),
            (
                "unsaid",
                &[counters, ledger, (METRICS, "| `bartizan_open` | x |\n")],
                &["syncs_total has no row"],
            ),
            ("stale", &[counters, (METRICS, both)], &["syncs_total is not in the code"]),
            ("said", &[counters, ledger, (METRICS, both)], &[]),
            (
                "unsaid of a witness",
                &[
                    counters,
                    ledger,
                    (WITNESS_COUNTERS, "(\"bartizan_witness_x\", 1)"),
                    (METRICS, both),
                ],
                &["bartizan_witness_x has no row"],
            ),
        ],
    );
}

#[test]
fn settings_are_listed() {
    keep(settings);
}

#[test]
fn unlisted_settings_are_found() {
    let code =
        (CONFIG, "struct Listen { pub(crate) address: SocketAddr }\nstruct Other { x: u8 }\n");
    let all = "| `limits.*` | | x |\n| `listen.address` | x | y |\n";
    bites(
        settings,
        &[
            ("no page", &[code], &["is missing"]),
            (
                "unsaid",
                &[code, (SETTINGS, "| `limits.*` | | x |\n")],
                &["listen.address has no row"],
            ),
            ("stale", &[(CONFIG, ""), (SETTINGS, all)], &["listen.address is not in the code"]),
            ("said", &[code, (SETTINGS, all)], &[]),
        ],
    );
}

#[test]
fn bounds_have_the_values_that_are_said() {
    keep(bounds);
}

#[test]
fn wrong_values_are_found() {
    let code = |text: &'static str| ("crates/x/src/a.rs", text);
    let page = (LIMITS, "| `A_MAX` | 65536 (64 KiB) | x |\n| `WAIT` | 2 s | x |\n");
    bites(
        bounds,
        &[
            ("no page", &[code("")], &["is missing"]),
            ("other", &[code("pub const A_MAX: usize = 64;\n"), page], &["A_MAX is Some(65536)"]),
            (
                "other time",
                &[code("const WAIT: Duration = Duration::from_secs(3);"), page],
                &["WAIT is Some(2)"],
            ),
            (
                "no number",
                &[code("const A_MAX: u8 = 1;"), (LIMITS, "| `A_MAX` | some | x |\n")],
                &["A_MAX is None"],
            ),
            (
                "said",
                &[
                    code(
                        "const A_MAX: usize = 64 << 10; // x\nconst WAIT: Duration = Duration::from_secs(2);",
                    ),
                    page,
                ],
                &[],
            ),
            ("computed", &[code("const A_MAX: usize = B + C;"), page], &[]),
        ],
    );
}
