//! How long things may be. `tidy.allow` names the exceptions, each with its reason.
use crate::rust::{functions, split, tokens, without_tests};
use crate::tree::Tree;
use crate::{bites, keep};
use std::collections::BTreeMap;

/// Most lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Most lines of a file.
const FILE_LINES_MAX: usize = 800;
/// Most lines of a file that holds a verb of the command line.
const VERB_LINES_MAX: usize = 200;
/// Most bytes of any file.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// Most bytes of a model's weights, which are shipped inside the binary.
const WEIGHTS_BYTES_MAX: u64 = 4 << 20;
/// Where they lie.
const WEIGHTS: &str = "crates/inspect/weights/";
/// Where the exceptions stand.
const ALLOW: &str = "tidy.allow";

/// Whether a file holds only tests, which may be as long as their tables.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/benches/") || path.ends_with("tests.rs")
}

/// What is too long: its name in `tidy.allow`, and the complaint.
fn too_long(tree: &Tree) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let ours = |path: &str| path.starts_with("crates/") || path.starts_with("xtask/");
    for (path, text) in tree.ending(".rs").filter(|(path, _)| ours(path) && !is_test(path)) {
        let n_lines = text.lines().count();
        if FILE_LINES_MAX < n_lines {
            let say = format!(
                "{path}: {n_lines} lines, at most {FILE_LINES_MAX}: it wants a second noun"
            );
            found.insert(path.to_owned(), say);
        }
        let code = split(text).code;
        for function in functions(&without_tests(&tokens(&code))) {
            if FUNCTION_LINES_MAX < function.lines {
                let say = format!(
                    "{path}:{}: fn {} has {} lines, at most {FUNCTION_LINES_MAX} fit a screen",
                    function.line, function.name, function.lines
                );
                found.insert(format!("{path}::{}", function.name), say);
            }
        }
    }
    found
}

/// Functions and files fit, or `tidy.allow` says why not; and it says nothing that is no longer so.
fn lengths(tree: &Tree) -> Vec<String> {
    let mut found = too_long(tree);
    let mut problems = Vec::new();
    let allow = tree.text(ALLOW).unwrap_or_default();
    for line in allow.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(' ').map(|(name, reason)| (name, reason.trim())) {
            Some((name, reason)) if !reason.is_empty() => {
                if found.remove(name).is_none() {
                    problems.push(format!(
                        "{ALLOW}: {name} is not too long (any more): delete the line"
                    ));
                }
            }
            _ => problems.push(format!("{ALLOW}: {line} gives no reason")),
        }
    }
    problems.extend(found.into_values());
    problems
}

/// A verb is wiring: arguments in, library calls, an exit code out.
fn verbs(tree: &Tree) -> Vec<String> {
    let verbs =
        tree.ending(".rs").filter(|(path, _)| path.starts_with("crates/bartizan/src/verbs/"));
    let long =
        verbs.map(|(path, text)| (path, text.lines().count())).filter(|(_, n)| VERB_LINES_MAX < *n);
    long.map(|(path, n)| format!("{path}: {n} lines, a verb file has at most {VERB_LINES_MAX}"))
        .collect()
}

/// No file is so large that nobody reads it.
fn bytes(tree: &Tree) -> Vec<String> {
    let large = tree
        .sizes()
        .map(|(path, bytes)| {
            (
                path,
                bytes,
                if path.starts_with(WEIGHTS) { WEIGHTS_BYTES_MAX } else { FILE_BYTES_MAX },
            )
        })
        .filter(|(path, bytes, max)| max < bytes && !path.ends_with("Cargo.lock"));
    large.map(|(path, bytes, max)| format!("{path}: {bytes} bytes, at most {max}")).collect()
}

#[test]
fn functions_and_files_fit() {
    keep(lengths);
}

#[test]
fn long_functions_and_files_are_found() {
    let path = "crates/x/src/a.rs";
    let at_limit = format!("fn a() {{\n{}}}\n", "//\n".repeat(FUNCTION_LINES_MAX - 2));
    let over = format!("fn a() {{\n{}}}\n", "//\n".repeat(FUNCTION_LINES_MAX - 1));
    let in_tests = format!("#[cfg(test)]\nmod tests {{\n{over}}}\n");
    let long_file = "//\n".repeat(FILE_LINES_MAX + 1);
    let allowed = format!("{path}::a it is one table\n");
    bites(
        lengths,
        &[
            ("at the limit", &[(path, &at_limit)], &[]),
            ("over", &[(path, &over)], &["fn a has 71 lines"]),
            ("in tests", &[(path, &in_tests)], &[]),
            ("test file", &[("crates/x/src/tests.rs", &over)], &[]),
            ("long file", &[(path, &long_file)], &["second noun"]),
            ("allowed", &[(path, &over), (ALLOW, &allowed)], &[]),
            ("no reason", &[(path, &at_limit), (ALLOW, "x")], &["gives no reason"]),
            ("unused", &[(path, &at_limit), (ALLOW, &allowed)], &["delete the line"]),
        ],
    );
}

#[test]
fn verbs_are_wiring() {
    keep(verbs);
}

#[test]
fn long_verbs_are_found() {
    let path = "crates/bartizan/src/verbs/guard.rs";
    let (at_limit, over) = ("\n".repeat(VERB_LINES_MAX), "\n".repeat(VERB_LINES_MAX + 1));
    bites(
        verbs,
        &[("over", &[(path, &over)], &["201 lines"]), ("fits", &[(path, &at_limit)], &[])],
    );
}

#[test]
fn files_are_small() {
    keep(bytes);
}

#[test]
fn large_files_are_found() {
    let large = "x".repeat(usize::try_from(FILE_BYTES_MAX).expect("it is small") + 1);
    bites(
        bytes,
        &[
            ("large", &[("a.json", &large)], &["a.json"]),
            ("lock", &[("Cargo.lock", &large)], &[]),
            ("weights", &[("crates/inspect/weights/a.bin", &large)], &[]),
        ],
    );
}
