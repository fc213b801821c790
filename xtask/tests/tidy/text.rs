//! What may stand in a file, letter by letter: no hidden characters, no loose ends, no `unsafe`.
use crate::rust::{split, tokens};
use crate::tree::Tree;
use crate::{bites, keep};

/// Words that say a thing is not done.
const LOOSE_ENDS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
/// Macros that say so.
const LOOSE_MACROS: [&str; 2] = ["todo", "unimplemented"];

/// Characters that a reader does not see, or sees in the wrong place (CVE-2021-42574).
fn is_hidden(c: char) -> bool {
    let invisible = matches!(
        u32::from(c),
        0x00AD | 0x061C | 0x180E | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE0FFF
    );
    invisible || (c.is_control() && c != '\n')
}

/// What joins the people of a family emoji; anywhere else it hides.
const JOINER: char = '\u{200d}';

fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x2600..=0x27BF | 0xFE0F | 0x1F000..=0x1FAFF)
}

/// No control or invisible characters; tabs only where make wants them.
fn hidden(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts() {
        let tabs = path.ends_with("Makefile");
        for (line, text) in text.lines().enumerate() {
            let mut before = '\n';
            for c in text.chars() {
                let is_fine = (tabs && c == '\t') || (c == JOINER && is_emoji(before));
                if is_hidden(c) && !is_fine {
                    let code = u32::from(c);
                    problems.push(format!(
                        "{path}:{}: character U+{code:04X}: write it as an escape",
                        line + 1
                    ));
                    break;
                }
                before = c;
            }
        }
        if text.contains('\r') {
            problems.push(format!("{path}: carriage returns"));
        }
    }
    problems
}

/// No space before the end of a line, and a line feed at the end of the file.
fn endings(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    let kinds = [".rs", ".md", ".toml", ".py", ".mjs"];
    for (path, text) in
        tree.texts().filter(|(path, _)| kinds.iter().any(|kind| path.ends_with(kind)))
    {
        let spaced = text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t']));
        problems.extend(spaced.map(|(line, _)| format!("{path}:{}: trailing space", line + 1)));
        if !text.is_empty() && !text.ends_with('\n') {
            problems.push(format!("{path}: no line feed at the end"));
        }
    }
    problems
}

/// Whether `text` holds `word` with no letter, digit, dash or underscore next to it.
fn has_word(text: &str, word: &str) -> bool {
    let is_near = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(word).any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !is_near(before.chars().next_back()) && !is_near(after.chars().next())
    })
}

/// No marks of things not done.
fn loose_ends(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| Tree::extension(path) != "lock") {
        let source = if Tree::extension(path) == "rs" { Some(split(text)) } else { None };
        let prose = source.as_ref().map_or(text, |source| source.comments.as_str());
        for (line, text) in prose.lines().enumerate() {
            let words = LOOSE_ENDS.iter().filter(|word| has_word(text, word));
            problems.extend(
                words.map(|word| format!("{path}:{}: {word}: do it, or open an issue", line + 1)),
            );
        }
        let Some(source) = source else { continue };
        for near in tokens(&source.code).windows(3) {
            let [a, b, c] = near else { continue };
            if LOOSE_MACROS.contains(&a.text) && b.text == "!" {
                problems.push(format!("{path}:{}: {}! is not an implementation", a.line, a.text));
            }
            if a.text == "#" && b.text == "[" && c.text == "ignore" {
                problems.push(format!("{path}:{}: a test that nobody runs", a.line));
            }
        }
    }
    problems
}

/// Paths of somebody's own machine: nobody else has them.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// No path that exists on one machine only.
fn machine_paths(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts() {
        for (line, text) in text.lines().enumerate() {
            let found = MACHINE_PATHS.iter().find(|machine| text.contains(**machine));
            problems.extend(
                found.map(|machine| format!("{path}:{}: {machine} is one machine's own", line + 1)),
            );
        }
    }
    problems
}

/// The one crate that may hold `unsafe` is `cell`.
fn no_unsafe(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.ending(".rs").filter(|(path, _)| !path.starts_with("crates/cell/")) {
        let code = split(text).code;
        let found = tokens(&code).into_iter().find(|token| token.text == "unsafe");
        problems.extend(
            found.map(|token| format!("{path}:{}: unsafe outside crates/cell", token.line)),
        );
    }
    problems
}

#[test]
fn nothing_is_hidden() {
    keep(hidden);
}

#[test]
fn hidden_characters_are_found() {
    bites(
        hidden,
        &[
            ("tab", &[("a.rs", "\tx\n")], &["U+0009"]),
            ("tab in a makefile", &[("Makefile", "\tx\n")], &[]),
            ("escape", &[("a.md", "x\u{1b}[0m\n")], &["U+001B"]),
            ("bidi", &[("a.rs", "x \u{202e} y\n")], &["U+202E"]),
            ("tag", &[("a.json", "\u{e0041}\n")], &["U+E0041"]),
            ("carriage return", &[("a.md", "x\r\n")], &["carriage returns"]),
            ("joiner in a word", &[("a.rs", "pass\u{200d}word\n")], &["U+200D"]),
            ("family", &[("a.md", "\u{1f468}\u{200d}\u{1f469}\n")], &[]),
            ("letters", &[("a.md", "Zürich \u{1f3f0} 京\n")], &[]),
        ],
    );
}

#[test]
fn lines_end_where_they_end() {
    keep(endings);
}

#[test]
fn trailing_space_is_found() {
    bites(
        endings,
        &[
            ("space", &[("a.md", "x \ny\n")], &["a.md:1: trailing space"]),
            ("no end", &[("a.toml", "x")], &["no line feed"]),
            ("fine", &[("a.rs", "x\n"), ("b.txt", "x ")], &[]),
        ],
    );
}

#[test]
fn no_loose_ends() {
    keep(loose_ends);
}

#[test]
fn loose_ends_are_found() {
    let [to_do, fix_me, marks, _] = LOOSE_ENDS;
    let comment = format!("// {to_do}: later\nfn a() {{}}\n");
    let in_string = format!("const A: &str = \"{fix_me}\";\n");
    let prose = format!("{fix_me} this\n");
    let number = format!("{marks}-12-3456 and {marks}X\n");
    bites(
        loose_ends,
        &[
            ("comment", &[("a.rs", &comment)], &["a.rs:1"]),
            ("string", &[("a.rs", &in_string)], &[]),
            ("prose", &[("a.md", &prose)], &["open an issue"]),
            ("part of a number", &[("a.md", &number)], &[]),
            ("macro", &[("a.rs", concat!("fn a() { to", "do!() }\n"))], &["not an implementation"]),
            ("ignored test", &[("a.rs", "#[ignore]\nfn a() {}\n")], &["nobody runs"]),
            (
                "ignored with a reason",
                &[("a.rs", "#[ignore = \"slow\"]\nfn a() {}\n")],
                &["nobody runs"],
            ),
            ("a word in code", &[("a.rs", "fn ignore() {}\n")], &[]),
        ],
    );
}

#[test]
fn no_path_is_one_machines_own() {
    keep(machine_paths);
}

#[test]
fn machine_paths_are_found() {
    let [machine, ..] = MACHINE_PATHS;
    let script = format!("cd {machine}x\n");
    bites(
        machine_paths,
        &[
            ("script", &[("run", &script)], &["run:1"]),
            ("elsewhere", &[("run", "cd /usr/lib\n")], &[]),
        ],
    );
}

#[test]
fn no_unsafe_outside_its_cell() {
    keep(no_unsafe);
}

#[test]
fn unsafe_is_found() {
    bites(
        no_unsafe,
        &[
            ("block", &[("crates/x/src/a.rs", "fn a() { unsafe { b() } }\n")], &["a.rs:1"]),
            ("comment", &[("crates/x/src/a.rs", "// unsafe\n#![forbid(unsafe_code)]\n")], &[]),
            ("cell", &[("crates/cell/src/a.rs", "unsafe fn a() {}\n")], &[]),
        ],
    );
}
