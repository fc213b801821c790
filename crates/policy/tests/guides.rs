//! Every rule that the guides show loads, and leaves no door open that the shipped profiles keep shut.
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use bartizan_inspect::KINDS;
use bartizan_policy::{Action, GuardPolicy, Roles};
use std::path::{Path, PathBuf};

/// The pages that people copy from.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guides = root.join("docs/guides").read_dir().expect("the guides are there");
    let guides = guides.map(|entry| entry.expect("a folder can be listed").path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    std::iter::once(root.join("README.md")).chain(guides).collect()
}

/// The fenced blocks of a page in one language, each with its first line.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(bool, usize, String)> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (None, Some(named)) => open = Some((named == language, index + 2, String::new())),
            (Some((is_wanted, at, text)), Some(_)) => {
                found.extend(is_wanted.then(|| (*at, std::mem::take(text))));
                open = None;
            }
            (Some((_, _, text)), None) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// Sources and a kind, and the weakest thing that a copied policy may do with it, for callers without a role of their own.
const FLOOR: &[(&[Source], &str, Action)] = &[
    (&[Source::User, Source::Model, Source::Tool], "secret.aws-access-key", Action::Redact),
    (&[Source::User, Source::Model], "pii.card", Action::Redact),
    (&[Source::User, Source::Tool], "hidden.tag", Action::Redact),
    (&[Source::ToolCall], "secret.aws-access-key", Action::Refuse),
    (&[Source::ToolCall], "pii.card", Action::Refuse),
    (&[Source::ToolCall], "hidden.tag", Action::Refuse),
    (&[Source::Tool, Source::Document], "injection.override", Action::Redact),
    (&[Source::User, Source::Model], "unread.media", Action::Refuse),
    (&[Source::User, Source::Model], "limit.time", Action::Refuse),
    (&[Source::User, Source::Model, Source::Tool], "secret.upstream-key", Action::Redact),
];

#[test]
#[expect(clippy::disallowed_methods, reason = "the guides are files; the crate itself has no disk")]
fn rules_in_the_guides_load_and_open_nothing_by_accident() {
    let catalogue = Catalogue::new(&KINDS);
    let mut n_blocks = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).expect("a guide is text");
        for (line, text) in blocks(&page, "cedar") {
            let name = format!("{}:{line}", path.display());
            let policy = GuardPolicy::load(&[(name.clone(), text)], &catalogue);
            let policy = policy.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            let ladder = policy.ladder(&Roles::default(), "default");
            assert!(ladder.may_call(), "{name}: nobody may call");
            for &(sources, kind, floor) in FLOOR {
                let id = catalogue.find(kind).unwrap_or_else(|| panic!("no kind {kind}"));
                for &source in sources {
                    let action = ladder.action(source, id);
                    assert!(
                        action >= floor,
                        "{name}: {source:?} {kind}: {action} instead of {floor}"
                    );
                }
            }
            n_blocks += 1;
        }
    }
    assert_ne!(n_blocks, 0, "no guide shows a rule");
}

#[test]
fn blocks_are_found_by_their_language() {
    let page = "a\n```cedar\nb\nc\n```\n```toml\nd\n```\n\n```cedar\n```\n";
    assert_eq!(blocks(page, "cedar"), [(3, "b\nc\n".to_owned()), (11, String::new())]);
    assert_eq!(blocks(page, "toml"), [(7, "d\n".to_owned())]);
    assert_eq!(blocks(page, "rust"), []);
}
