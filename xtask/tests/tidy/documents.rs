//! What the documents promise: links that lead somewhere, mitigations that a test shows, limits that exist.
use crate::rust::{fields, split, tokens};
use crate::tree::Tree;
use crate::{bites, keep};
use std::collections::{BTreeMap, BTreeSet};

/// The STRIDE table stands here.
const THREATS: &str = "docs/threat-model.md";
/// Every limit stands here.
const LIMITS: &str = "docs/reference/limits.md";
/// The limits that are keys of the configuration, and their defaults.
const GATEWAY_LIMITS: &str = "crates/gateway/src/limits.rs";

/// The lines of a document that are prose: not inside a code fence, and without inline code.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let outside = line.split('`').enumerate().filter(|(part, _)| part % 2 == 0);
            lines.push((index + 1, outside.map(|(_, part)| part).collect::<Vec<_>>().join("``")));
        }
    }
    lines
}

/// The targets of the links in a line: `[text](target)`, `![text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let mut found: Vec<String> = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .map(str::to_owned)
        .collect();
    if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
        found.extend(target.split_whitespace().next().map(str::to_owned));
    }
    found
}

/// The anchors that a document offers, as forges make them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeMap::<String, usize>::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if line.starts_with('#') && !fenced {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            *found.entry(kept.map(|c| if c == ' ' { '-' } else { c }).collect()).or_default() += 1;
        }
    }
    let numbered = |(slug, n): (String, usize)| {
        (0..n).map(move |i| if i == 0 { slug.clone() } else { format!("{slug}-{i}") })
    };
    found.into_iter().flat_map(numbered).collect()
}

/// A relative path from a document, made absolute in the repository; `None` if it climbs out.
fn resolve(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Why a link leads nowhere, if it does.
fn broken(tree: &Tree, document: &str, target: &str) -> Option<&'static str> {
    let is_elsewhere = ["http://", "https://", "mailto:"].iter().any(|s| target.starts_with(s));
    if is_elsewhere {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(file) =
        (if path.is_empty() { Some(document.to_owned()) } else { resolve(document, path) })
    else {
        return Some("it leaves the repository");
    };
    if !tree.has(&file) {
        return Some("there is no such file");
    }
    let text = tree.text(&file).filter(|_| Tree::extension(&file) == "md" && !anchor.is_empty())?;
    (!anchors(text).contains(anchor)).then_some("there is no such heading")
}

/// Relative links lead to files and headings that exist.
fn links(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (document, text) in tree.ending(".md") {
        for (line, prose) in prose(text) {
            for target in targets(&prose) {
                if let Some(why) = broken(tree, document, &target) {
                    problems.push(format!("{document}:{line}: {target}: {why}"));
                }
            }
        }
    }
    problems
}

/// Whether there is such a function with a test's attribute in the lines above it.
fn is_rust_test(text: &str, name: &str) -> bool {
    const ATTRIBUTE_LINES_MAX: usize = 8;
    let lines: Vec<&str> = text.lines().collect();
    let head = format!("fn {name}(");
    lines.iter().enumerate().filter(|(_, line)| line.contains(&head)).any(|(at, _)| {
        let above = lines.iter().take(at).rev().take(ATTRIBUTE_LINES_MAX);
        let own = above.take_while(|line| !line.starts_with('}') && !line.trim().is_empty());
        own.map(|line| line.trim())
            .any(|line| line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

/// Why the last cell of a row names no test, if it does not. `open` is honest; anything else names `path::test`.
fn unproven(tree: &Tree, cell: &str) -> Option<String> {
    if cell == "open" || cell.starts_with("open:") {
        return None;
    }
    let tests: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    if tests.is_empty() {
        return Some(format!("{cell:?} is neither open nor a test in backticks"));
    }
    tests.iter().find_map(|named| {
        let Some((path, name)) = named.split_once("::") else {
            return Some(format!("{named} is not path::test"));
        };
        let Some(text) = tree.text(path) else { return Some(format!("{path} does not exist")) };
        let is_there = if Tree::extension(path) == "rs" {
            is_rust_test(text, name)
        } else {
            ["def", "function"].iter().any(|keyword| text.contains(&format!("{keyword} {name}(")))
        };
        (!is_there).then(|| format!("{path} has no test {name}"))
    })
}

/// Every row of the STRIDE table shows its test or says open, and every letter has a row.
fn threats(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.text(THREATS) else { return vec![format!("{THREATS} is missing")] };
    let mut problems = Vec::new();
    let mut letters = BTreeSet::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            inside = line.contains("STRIDE");
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let letter = cells.first().copied().unwrap_or_default();
        if !inside || !line.starts_with('|') || letter.len() != 1 {
            continue;
        }
        letters.extend(letter.chars());
        let why = unproven(tree, cells.last().copied().unwrap_or_default());
        problems.extend(why.map(|why| format!("{THREATS}:{}: {why}", index + 1)));
    }
    let missing = "STRIDE".chars().filter(|letter| !letters.contains(letter));
    problems.extend(missing.map(|letter| format!("{THREATS}: no row for {letter}")));
    problems
}

/// The limits that code reads: fields of the structs named `...Limits`, by their units.
fn limits_in_code(tree: &Tree) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, text) in tree.ending(".rs").filter(|(path, _)| path.starts_with("crates/")) {
        let code = split(text).code;
        for (owner, field) in fields(&tokens(&code), "Limits") {
            if field.ends_with("_max") || field.ends_with("_ms") {
                found.insert(field, format!("{path} ({owner})"));
            }
        }
    }
    found
}

/// The value of `16 << 20`, `1_000_000` or `64`, followed by a comma.
fn value(expression: &str) -> Option<u64> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    let expression = expression.trim().trim_end_matches(',');
    match expression.split_once("<<") {
        Some((base, shift)) => number(base)?.checked_shl(u32::try_from(number(shift)?).ok()?),
        None => number(expression),
    }
}

/// The documented defaults of the gateway's limits are those of the code.
fn defaults(tree: &Tree) -> Vec<String> {
    let (Some(page), Some(code)) = (tree.text(LIMITS), tree.text(GATEWAY_LIMITS)) else {
        return vec![format!("{LIMITS} or {GATEWAY_LIMITS} is missing")];
    };
    let body = code.split_once("fn default()").map_or("", |(_, after)| after);
    let body = body.split_once("\n    }").map_or(body, |(body, _)| body);
    let in_code: BTreeMap<&str, u64> = body
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter_map(|(name, expression)| Some((name, value(expression)?)))
        .collect();
    let mut problems = Vec::new();
    let mut n_rows = 0;
    for row in page.lines().filter_map(|line| line.strip_prefix("| `limits.")) {
        n_rows += 1;
        let mut cells = row.split('|').map(str::trim);
        let name = cells.next().unwrap_or_default().trim_end_matches('`');
        let said = cells.next().unwrap_or_default().split(' ').next().and_then(value);
        let real = in_code.get(name).copied();
        if said.is_none() || said != real {
            problems.push(format!("{LIMITS}: {name} is {said:?} here and {real:?} in the code"));
        }
    }
    if n_rows == 0 || in_code.is_empty() {
        problems.push(format!("{LIMITS}: {n_rows} rows for {} defaults", in_code.len()));
    }
    problems
}

/// Every limit in code is documented, and every documented one is in code.
fn limits(tree: &Tree) -> Vec<String> {
    let Some(page) = tree.text(LIMITS) else { return vec![format!("{LIMITS} is missing")] };
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<&str> =
        rows.map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
    let in_code = limits_in_code(tree);
    let unsaid = in_code.iter().filter(|(name, _)| !documented.contains(name.as_str()));
    let mut problems: Vec<String> =
        unsaid.map(|(name, place)| format!("{LIMITS}: {name} of {place} has no row")).collect();
    for name in documented.iter().filter(|name| !in_code.contains_key(**name)) {
        let mut sources = tree.ending(".rs").filter(|(path, _)| path.starts_with("crates/"));
        let is_used =
            sources.any(|(_, text)| tokens(&split(text).code).iter().any(|t| t.text == *name));
        if !is_used {
            problems.push(format!("{LIMITS}: {name} is nowhere in the code"));
        }
    }
    problems
}

#[test]
fn links_lead_somewhere() {
    keep(links);
}

#[test]
fn broken_links_are_found() {
    let other = ("docs/b.md", "# Two words, `code`!\n## Two words code\n```\n# not one\n```\n");
    bites(
        links,
        &[
            ("no file", &[("a.md", "[x](b.md)")], &["no such file"]),
            ("reference", &[("a.md", "[x]: b.md")], &["no such file"]),
            ("image", &[("a.md", "![x](b.png)")], &["no such file"]),
            ("no heading", &[("a.md", "[x](docs/b.md#not-one)"), other], &["no such heading"]),
            ("own heading", &[("a.md", "# Here\n[x](#there)")], &["no such heading"]),
            ("climbs out", &[("a.md", "[x](../b.md)")], &["leaves the repository"]),
            (
                "heading",
                &[("a.md", "[x](docs/b.md#two-words-code) [y](docs/b.md#two-words-code-1)"), other],
                &[],
            ),
            ("folder and up", &[("docs/b.md", "[x](../docs/) [y](./b.md)")], &[]),
            ("elsewhere", &[("a.md", "[x](https://example.org/none)")], &[]),
            ("code", &[("a.md", "`[x](none)`\n```\n[x](none)\n```\n")], &[]),
        ],
    );
}

#[test]
fn threats_name_their_tests() {
    keep(threats);
}

#[test]
fn unproven_threats_are_found() {
    let table = |last: &str, rows: &str| {
        let rest: Vec<String> =
            rows.chars().map(|letter| format!("| {letter} | a | open |")).collect();
        let rest = rest.join("\n");
        format!("# STRIDE\n\n| | a | b |\n|---|---|---|\n| S | a | {last} |\n{rest}")
    };
    let test = ("crates/x/src/a.rs", "#[test]\nfn holds() {}\n\nfn helps() {}\n");
    bites(
        threats,
        &[
            ("missing", &[], &["is missing"]),
            ("no letter", &[(THREATS, &table("open", "TRID"))], &["no row for E"]),
            ("empty", &[(THREATS, &table("yes", "TRIDE"))], &["neither open"]),
            ("no file", &[(THREATS, &table("`b.rs::holds`", "TRIDE"))], &["b.rs does not exist"]),
            (
                "no test but a helper",
                &[(THREATS, &table("`crates/x/src/a.rs::helps`", "TRIDE")), test],
                &["has no test helps"],
            ),
            (
                "no test",
                &[(THREATS, &table("`crates/x/src/a.rs::fails`", "TRIDE")), test],
                &["has no test fails"],
            ),
            (
                "second",
                &[(THREATS, &table("`crates/x/src/a.rs::holds`, `x`", "TRIDE")), test],
                &["not path::test"],
            ),
            ("proven", &[(THREATS, &table("`crates/x/src/a.rs::holds`", "TRIDE")), test], &[]),
            ("honest", &[(THREATS, &table("open: needs sealing", "TRIDE"))], &[]),
        ],
    );
}

#[test]
fn limits_are_documented() {
    keep(limits);
}

#[test]
fn undocumented_limits_are_found() {
    let code = (
        "crates/gateway/src/limits.rs",
        "pub struct GatewayLimits { pub body_bytes_max: u64, pub name: String }",
    );
    bites(
        limits,
        &[
            ("unsaid", &[code, (LIMITS, "# Limits\n")], &["body_bytes_max of"]),
            (
                "stale",
                &[code, (LIMITS, "| `limits.body_bytes_max` | 1 |\n| `gone_ms` | 1 |\n")],
                &["gone_ms is nowhere"],
            ),
            ("missing", &[code], &["is missing"]),
            ("said", &[code, (LIMITS, "| `limits.body_bytes_max` | 1 |\n")], &[]),
        ],
    );
}

#[test]
fn documented_defaults_are_true() {
    keep(defaults);
}

#[test]
fn wrong_defaults_are_found() {
    let code = "impl Default for Limits {\n    fn default() -> Self {\n        Self {\n            body_bytes_max: 16 << 20,\n            head_ms: 1_000,\n        }\n    }\n}\n";
    let code = (GATEWAY_LIMITS, code);
    bites(
        defaults,
        &[
            (
                "true",
                &[
                    code,
                    (
                        LIMITS,
                        "| `limits.body_bytes_max` | 16777216 (16 MiB) | x |\n| `limits.head_ms` | 1000 | x |\n",
                    ),
                ],
                &[],
            ),
            (
                "wrong",
                &[code, (LIMITS, "| `limits.head_ms` | 1001 | x |\n")],
                &["head_ms is Some(1001)"],
            ),
            ("gone", &[code, (LIMITS, "| `limits.foot_ms` | 1000 | x |\n")], &["foot_ms"]),
            (
                "no number",
                &[code, (LIMITS, "| `limits.head_ms` | soon | x |\n")],
                &["head_ms is None"],
            ),
            ("no rows", &[code, (LIMITS, "# Limits\n")], &["0 rows"]),
            ("no code", &[(LIMITS, "")], &["is missing"]),
        ],
    );
}
