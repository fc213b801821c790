//! The crate graph is our own least-privilege policy: who may depend on whom, and on which power from outside.
use crate::rust::{modules, split, tokens};
use crate::tree::Tree;
use crate::{bites, keep};
use std::collections::BTreeSet;

/// What each crate may depend on, of ours. `*` is everything. A crate that is not here has no arrows yet: give it some.
const ARROWS: [(&str, &[&str]); 12] = [
    ("core", &[]),
    ("policy", &["core"]),
    ("inspect", &["core"]),
    ("artifact", &["core"]),
    ("ledger", &["core"]),
    ("keys", &["core"]),
    ("gateway", &["core", "policy"]),
    ("range", &["core"]),
    ("second", &["core"]),
    ("testkit", &["core"]),
    ("bartizan", &["*"]),
    ("xtask", &["*"]),
];
/// What tests may name besides.
const DEV_ARROWS: [&str; 3] = ["testkit", "inspect", "range"];
/// Powers that come from outside, and who holds them. Tests are free to use them.
const POWERS: [(&str, &[&str]); 17] = [
    ("cedar-policy", &["policy"]),
    ("candle-core", &["second"]),
    ("candle-nn", &["second"]),
    ("safetensors", &["second"]),
    ("tokenizers", &["second"]),
    ("anyhow", &["bartizan", "xtask"]),
    ("miette", &["policy", "bartizan", "xtask"]),
    ("hyper", &["gateway", "range", "bartizan", "xtask"]),
    ("hyper-util", &["gateway", "range", "bartizan", "xtask"]),
    ("hyper-rustls", &["gateway", "bartizan"]),
    ("tokio-rustls", &["gateway", "bartizan"]),
    ("clap", &["bartizan", "xtask"]),
    ("rusqlite", &["ledger"]),
    ("tokio", &["gateway", "range", "bartizan", "xtask"]),
    ("mio", &["gateway"]),
    ("socket2", &["gateway"]),
    ("notify", &["bartizan"]),
];

/// What a crate's `clippy.toml` must ban besides what all must: the powers that it lacks.
const BANS: [(&str, &[&str]); 10] = [
    ("core", &[DISK, NETWORK, ENVIRONMENT, CLOCK, THREADS]),
    ("policy", &[DISK, NETWORK, ENVIRONMENT, CLOCK]),
    ("inspect", &[DISK, NETWORK, ENVIRONMENT, CLOCK, THREADS]),
    ("artifact", &[DISK, NETWORK, ENVIRONMENT, CLOCK, THREADS]),
    ("ledger", &[NETWORK, ENVIRONMENT, CLOCK]),
    ("keys", &[DISK, NETWORK, ENVIRONMENT, CLOCK, THREADS]),
    ("gateway", &[DISK, ENVIRONMENT, CLOCK, THREADS]),
    ("range", &[DISK, ENVIRONMENT, CLOCK, THREADS]),
    ("second", &[DISK, NETWORK, ENVIRONMENT, CLOCK, THREADS]),
    ("testkit", &[DISK, NETWORK, ENVIRONMENT, CLOCK]),
];
const DISK: &str = "std::fs::File";
const NETWORK: &str = "std::net::TcpStream";
const ENVIRONMENT: &str = "std::env::var_os";
const CLOCK: &str = "std::time::SystemTime::now";
const THREADS: &str = "std::thread::spawn";
/// What no crate without a power of its own does.
const BANNED_ALWAYS: [&str; 4] = [
    "std::process::Command",
    "std::process::exit",
    "std::io::Read::read_to_end",
    "std::collections::HashMap",
];

/// One line of a dependency table.
#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    is_dev: bool,
}

/// The folder of a manifest as the arrows name it: `crates/core/Cargo.toml` is `core`.
fn crate_of(manifest: &str) -> Option<&str> {
    let folder = manifest.strip_suffix("/Cargo.toml")?;
    match folder.strip_prefix("crates/") {
        Some(name) if !name.contains('/') => Some(name),
        None if folder == "xtask" => Some(folder),
        _ => None,
    }
}

/// The dependencies of a manifest, whichever way their table is written.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut table: Option<bool> = None;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let parts: Vec<&str> = header.split('.').collect();
            let at = parts.iter().position(|part| part.ends_with("dependencies"));
            table = at.map(|at| parts.get(at) == Some(&"dev-dependencies"));
            if let (Some(is_dev), Some(name)) = (table, at.and_then(|at| parts.get(at + 1))) {
                found.push(Dependency { name: (*name).to_owned(), is_dev });
                table = None;
            }
        } else if let (Some(is_dev), Some((name, _))) = (table, line.split_once(['=', '.']))
            && !line.starts_with('#')
        {
            found.push(Dependency { name: name.trim().trim_matches('"').to_owned(), is_dev });
        }
    }
    found
}

fn complaint(krate: &str, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let Dependency { name, is_dev } = dependency;
    let ours = name.strip_prefix("bartizan-").or((name == "bartizan").then_some("bartizan"));
    if let Some(ours) = ours {
        let fine = allowed.contains(&"*")
            || allowed.contains(&ours)
            || (*is_dev && DEV_ARROWS.contains(&ours));
        return (!fine).then(|| {
            format!("crates/{krate} depends on {ours}: it may name {allowed:?} (see DESIGN: arrows point down)")
        });
    }
    let (_, holders) = POWERS.iter().find(|(power, _)| power == name)?;
    let fine = *is_dev || holders.contains(&krate);
    (!fine).then(|| format!("crates/{krate} depends on {name}: that power belongs to {holders:?}"))
}

/// Crate arrows and powers.
fn arrows(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, manifest) in tree.ending("Cargo.toml") {
        let Some(krate) = crate_of(path) else { continue };
        match ARROWS.iter().find(|(name, _)| *name == krate) {
            Some((_, allowed)) => problems
                .extend(dependencies(manifest).iter().filter_map(|d| complaint(krate, allowed, d))),
            None => problems.push(format!("{path}: give {krate} its arrows in xtask/tests/tidy")),
        }
    }
    problems
}

/// The lists of banned functions and types say what the crate lacks.
fn bans(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (krate, lacks) in BANS {
        let path = format!("crates/{krate}/clippy.toml");
        if !tree.has(&format!("crates/{krate}/Cargo.toml")) {
            continue;
        }
        let list = tree.text(&path).unwrap_or_default();
        let is_banned = |power: &str| list.contains(&format!("{{ path = \"{power}\", reason = "));
        let open = lacks.iter().chain(&BANNED_ALWAYS).filter(|power| !is_banned(power));
        problems.extend(open.map(|power| format!("{path}: {power} is not banned")));
    }
    problems
}

/// Every crate takes the workspace's lints, which forbid `unsafe`, and opens with its documentation.
fn crate_roots(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, manifest) in tree.ending("Cargo.toml") {
        let Some(krate) = crate_of(path) else { continue };
        let lints = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").nth(1);
        if lints != Some("workspace = true") && krate != "cell" {
            problems.push(format!("{path}: [lints] must say workspace = true"));
        }
        let folder = path.trim_end_matches("Cargo.toml");
        let roots = ["src/lib.rs", "src/main.rs"].map(|root| format!("{folder}{root}"));
        let mut texts = roots.iter().filter_map(|root| Some((root, tree.text(root)?))).peekable();
        if texts.peek().is_none() {
            problems.push(format!("{path}: neither src/lib.rs nor src/main.rs"));
        }
        let bare = texts.filter(|(_, text)| !text.starts_with("//! "));
        problems.extend(bare.map(|(root, _)| format!("{root}: must open with //! documentation")));
    }
    problems
}

/// No file under `src` is left out of the module tree.
fn dead_modules(tree: &Tree) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> = Vec::new();
    let sources = || tree.ending(".rs").filter(|(path, _)| path.contains("/src/"));
    for (path, _) in sources() {
        let in_src = path.rsplit_once("/src/").map_or("", |(_, rest)| rest);
        let is_bin = in_src.strip_prefix("bin/").is_some_and(|name| !name.contains('/'));
        if ["lib.rs", "main.rs"].contains(&in_src) || is_bin || in_src.ends_with("/main.rs") {
            waiting.push(path.to_owned());
        }
    }
    while let Some(path) = waiting.pop() {
        let Some(text) = tree.text(&path) else { continue };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path.as_str()));
        let stem = name.trim_end_matches(".rs");
        let is_root = ["lib", "main", "mod"].contains(&stem) || folder.ends_with("/bin");
        let base = if is_root { folder.to_owned() } else { format!("{folder}/{stem}") };
        for module in modules(&tokens(&split(text).code)) {
            let file = format!("{base}/{}", module.join("/"));
            waiting.extend(
                [format!("{file}.rs"), format!("{file}/mod.rs")]
                    .into_iter()
                    .filter(|file| !reached.contains(file) && tree.has(file)),
            );
        }
        reached.insert(path);
    }
    let dead = sources().filter(|(path, _)| !reached.contains(*path));
    dead.map(|(path, _)| format!("{path}: no mod declaration reaches it")).collect()
}

#[test]
fn arrows_point_down() {
    keep(arrows);
}

#[test]
fn arrows_that_point_up_are_found() {
    let manifest = |lines: &str| format!("[package]\nname = \"x\"\n{lines}");
    let up = manifest("[dependencies]\nbartizan-gateway = { workspace = true }\n");
    let dotted = manifest("[dependencies]\nbartizan-policy.workspace = true\n");
    let table = manifest("[dependencies.bartizan-ledger]\nworkspace = true\n");
    let target = manifest("[target.'cfg(unix)'.dependencies]\nbartizan-ledger = \"1\"\n");
    let dev =
        manifest("[dev-dependencies]\nbartizan-testkit = { workspace = true }\nclap = \"4\"\n");
    let dev_up = manifest("[dev-dependencies]\nbartizan-gateway = { workspace = true }\n");
    let power = manifest("[dependencies]\ncedar-policy = { workspace = true }\n");
    let socket = manifest("[dependencies]\nsocket2 = \"0.6\"\n");
    let runtime = manifest("[dependencies]\ntokio = { workspace = true }\n");
    let fine = manifest("[dependencies]\nbartizan-core = { workspace = true }\nserde = \"1\"\n");
    bites(
        arrows,
        &[
            ("up", &[("crates/core/Cargo.toml", &up)], &["depends on gateway"]),
            ("dotted", &[("crates/inspect/Cargo.toml", &dotted)], &["depends on policy"]),
            ("table", &[("crates/gateway/Cargo.toml", &table)], &["depends on ledger"]),
            ("target", &[("crates/gateway/Cargo.toml", &target)], &["depends on ledger"]),
            ("dev", &[("crates/gateway/Cargo.toml", &dev)], &[]),
            ("dev up", &[("crates/ledger/Cargo.toml", &dev_up)], &["depends on gateway"]),
            ("power", &[("crates/gateway/Cargo.toml", &power)], &["that power belongs to"]),
            ("socket", &[("crates/policy/Cargo.toml", &socket)], &["socket2: that power belongs"]),
            ("runtime", &[("crates/ledger/Cargo.toml", &runtime)], &["tokio: that power belongs"]),
            ("runtime of the network", &[("crates/gateway/Cargo.toml", &runtime)], &[]),
            ("stranger", &[("crates/odd/Cargo.toml", &fine)], &["give odd its arrows"]),
            ("fine", &[("crates/policy/Cargo.toml", &fine)], &[]),
        ],
    );
}

#[test]
fn crates_ban_the_powers_that_they_lack() {
    keep(bans);
}

#[test]
fn missing_bans_are_found() {
    let manifest = ("crates/ledger/Cargo.toml", "");
    let list = |powers: &[&str]| -> String {
        let line = |power: &&str| format!("  {{ path = \"{power}\", reason = \"x\" }},\n");
        powers.iter().chain(&BANNED_ALWAYS).map(line).collect()
    };
    let (whole, part) = (list(&[NETWORK, ENVIRONMENT, CLOCK]), list(&[ENVIRONMENT, CLOCK]));
    bites(
        bans,
        &[
            ("open", &[manifest, ("crates/ledger/clippy.toml", &part)], &["TcpStream is not"]),
            ("whole", &[manifest, ("crates/ledger/clippy.toml", &whole)], &[]),
        ],
    );
    assert_eq!(bans(&Tree::of(&[manifest])).len(), 3 + BANNED_ALWAYS.len(), "no list at all");
}

#[test]
fn crates_open_with_their_purpose_and_take_the_lints() {
    keep(crate_roots);
}

#[test]
fn bare_crate_roots_are_found() {
    let linted = "[lints]\nworkspace = true\n";
    bites(
        crate_roots,
        &[
            (
                "no docs",
                &[("crates/a/Cargo.toml", linted), ("crates/a/src/lib.rs", "mod a;")],
                &["must open"],
            ),
            (
                "no lints",
                &[("crates/a/Cargo.toml", ""), ("crates/a/src/lib.rs", "//! A.")],
                &["[lints]"],
            ),
            ("no root", &[("crates/a/Cargo.toml", linted)], &["neither"]),
            ("fine", &[("crates/a/Cargo.toml", linted), ("crates/a/src/lib.rs", "//! A.")], &[]),
        ],
    );
}

#[test]
fn no_module_is_dead() {
    keep(dead_modules);
}

#[test]
fn dead_modules_are_found() {
    let (lib, a) = ("crates/x/src/lib.rs", "crates/x/src/a.rs");
    let (inner, folder) = ("crates/x/src/a/inner.rs", "crates/x/src/a/mod.rs");
    bites(
        dead_modules,
        &[
            ("dead", &[(lib, "// mod a;"), (a, "")], &["a.rs"]),
            ("dead below", &[(lib, "mod a;"), (a, "mod other;"), (inner, "")], &["inner.rs"]),
            ("alive", &[(lib, "mod a;"), (a, "mod inner;"), (inner, "")], &[]),
            ("alive in a folder", &[(lib, "pub mod a;"), (folder, "mod inner;"), (inner, "")], &[]),
            ("alive inline", &[(lib, "mod a { mod inner; }"), (inner, "")], &[]),
            (
                "binary",
                &[("crates/x/src/bin/tool.rs", "mod a;"), ("crates/x/src/bin/a.rs", "")],
                &[],
            ),
        ],
    );
}
