//! What we build on: no banned crate, no unknown source, no licence that `deny.toml` does not allow.
//!
//! `cargo deny` reads the same file and does more; it is not on every machine, and this is.
use crate::tree::Tree;
use crate::{bites, keep};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// The only place packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// The platform whose graph is checked: what a release is built for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// The strings of one array in `deny.toml`, by its first words: `allow = [`.
fn strings(deny: &str, opening: &str) -> Vec<String> {
    let body =
        deny.split_once(opening).and_then(|(_, rest)| rest.split_once("\n]")).map(|(body, _)| body);
    let lines =
        body.unwrap_or_default().lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

/// Whether a licence expression (SPDX, or the old form with slashes) can be met with the allowed ones.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    either(&words, &mut at, allowed) && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let met = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    let mut name = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    allowed.contains(&name)
}

/// Everything in the lock file comes from the registry, or is ours.
fn sources(tree: &Tree) -> Vec<String> {
    let lock = tree.text("Cargo.lock").unwrap_or_default();
    let lines = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let strange = lines.filter(|source| source.trim_matches('"') != REGISTRY);
    strange.map(|source| format!("Cargo.lock: {source} is not {REGISTRY}")).collect()
}

/// Name, version and licence of every package that is built, one line each. `cargo tree` knows which features are on; the lock
/// file alone names more, for features that nobody turns on.
///
/// * `more`: further arguments, such as features. Nothing where a package of theirs is not on this machine.
fn built(more: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline", "--target", PLATFORM])
        .args(more)
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}\t{l}"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs, as it runs this test");
    let printed = String::from_utf8(output.stdout).expect("cargo tree prints UTF-8");
    output.status.success().then_some(printed)
}

/// Complaints about the packages that are built, by the rules of `deny.toml`.
fn refused(built: &str, deny: &str) -> BTreeSet<String> {
    let banned: Vec<String> = strings(deny, "deny = [");
    let allowed: Vec<String> = strings(deny, "allow = [");
    let mut problems = BTreeSet::new();
    for (package, licence) in built.lines().filter_map(|line| line.split_once('\t')) {
        let name = package.split(' ').next().unwrap_or_default();
        let licence = licence.trim_end_matches("(*)").trim();
        if banned.iter().any(|banned| banned == name) {
            problems.insert(format!("{name} is banned: cargo tree -i {name} shows who wants it"));
        }
        if !is_met(licence, &allowed) {
            problems.insert(format!("{name}: deny.toml does not allow the licence {licence:?}"));
        }
    }
    problems
}

#[test]
fn packages_come_from_the_registry() {
    keep(sources);
}

#[test]
fn other_sources_are_found() {
    let line = |source: &str| format!("[[package]]\nname = \"a\"\nsource = \"{source}\"\n");
    bites(
        sources,
        &[
            ("git", &[("Cargo.lock", &line("git+https://example.org/a#1"))], &["git+https"]),
            ("registry", &[("Cargo.lock", &line(REGISTRY))], &[]),
        ],
    );
}

#[test]
fn packages_and_licences_are_allowed() {
    let tree = Tree::read();
    let deny = tree.text("deny.toml").expect("deny.toml is there");
    for opening in ["deny = [", "allow = ["] {
        assert!(1 < strings(deny, opening).len(), "{opening} was not read");
    }
    let built = built(&[]).expect("cargo tree failed: is Cargo.lock up to date?");
    assert!(100 < built.lines().count(), "the graph was not read: {built}");
    let problems = refused(&built, deny);
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(!built.contains("candle-core"), "what a feature brings is not built without it");
}

/// The same of what features bring, where somebody has got that: `.ci/run transformers` does.
#[test]
fn packages_and_licences_of_features_are_allowed() {
    let tree = Tree::read();
    let Some(built) = built(&["--all-features"]) else { return };
    assert!(built.contains("candle-core"), "the graph was not read: {built}");
    let problems = refused(&built, tree.text("deny.toml").expect("deny.toml is there"));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn banned_packages_and_licences_are_found() {
    let built = "ours v0.1.0 (/somewhere)\tMIT\nring v0.17.0\tMIT\nodd v1.0.0\tGPL-3.0\nours v0.1.0 (/somewhere)\tMIT (*)\n\n";
    let deny = "allow = [\n  \"MIT\",\n]\ndeny = [\n  { name = \"ring\" },\n]\n";
    let problems = refused(built, deny);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().any(|p| p.starts_with("ring is banned")), "{problems:?}");
    assert!(problems.iter().any(|p| p.starts_with("odd: deny.toml")), "{problems:?}");
}

#[test]
fn licence_expressions() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    let cases = [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("MIT OR GPL-3.0 AND BSL-1.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("(MIT", false),
        ("MIT MIT", false),
        ("", false),
    ];
    for (expression, want) in cases {
        assert_eq!(is_met(expression, &allowed), want, "{expression:?}");
    }
}
