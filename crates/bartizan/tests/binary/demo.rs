//! The demo, as somebody meets it who has never seen us.
use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Server, after, run, wait_for};

/// Most lines of the story together with the invitation.
const LINES_MAX: usize = 40;

/// Folders of demos that are there now.
fn left_behind(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name.to_string_lossy().starts_with("bartizan-demo-")).count()
}

#[test]
fn the_demo_proves_its_claims() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &["demo", "--exit", "--json", "--dir", "state"]);
    assert_eq!(done.code, 0, "{done:?}");
    let told = done.json();
    let fields: BTreeSet<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let want = [
        "denied",
        "leaked",
        "leaked_unguarded",
        "ledger",
        "open",
        "overhead_us",
        "records",
        "redacted",
        "refused",
        "released",
        "released_by_policy",
        "requests",
    ];
    assert_eq!(fields, BTreeSet::from(want));
    let number = |name: &str| told[name].as_u64().unwrap();
    for (name, want) in [("leaked", 0), ("denied", 4), ("requests", 16)] {
        assert_eq!(number(name), want, "{name}: {told}");
    }
    assert_eq!(number("records") + number("denied"), number("requests"), "{told}");
    assert!(0 < number("leaked_unguarded"), "{told}");
    assert_eq!(told["ledger"]["verified"], true);
    assert!(0 < told["overhead_us"]["p50"].as_u64().unwrap(), "{told}");
    let again = run(folder.path(), &["audit", "verify", "--json", "--dir", "state"]).json();
    assert_eq!(again["verified"], true);
    assert!(told["ledger"]["leaves"].as_u64() <= again["leaves"].as_u64(), "{told} {again}");
}

#[test]
fn the_story_fits_a_screen_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &["demo", "--exit"]);
    assert!(done.code == 0 && done.stderr.is_empty(), "{done:?}");
    assert_eq!(left_behind(folder.path()), 0);
    let fates = [
        ("a plain question", "released"),
        ("the same, streamed", "released"),
        ("a key in the prompt", "redacted"),
        ("asks for the card, streamed", "redacted"),
        ("asks for the keys", "redacted"),
        ("role play, streamed", "redacted"),
        ("a poisoned tool result", "redacted"),
        ("a poisoned document", "redacted"),
        ("a tool call with the card", "refused"),
        ("asks for the e-mail", "released"),
        ("overrides the prompt", "released"),
        ("wants it in base64", "redacted"),
        ("one field, two values", "denied"),
        ("a side door", "denied"),
        ("a path nobody knows", "denied"),
        ("somebody else's key", "denied"),
    ];
    for (title, fate) in fates {
        let row = done.stdout.lines().find(|line| line.trim_start().starts_with(title));
        assert!(row.is_some_and(|row| row.contains(&format!("  {fate}  "))), "{title}: {row:?}");
    }
    for want in [
        "The key in the prompt never reached the model. The card and the IBAN came in",
        "the caller's own key x1",
        "With it, of what the profile protects:  nothing",
    ] {
        assert!(done.stdout.contains(want), "no `{want}` in {}", done.stdout);
    }
    let mut serving = Server::start(folder.path(), &["demo"], "Ctrl-C stops it.");
    let n_lines = done.stdout.lines().count() + serving.said().lines().count();
    assert!(n_lines <= LINES_MAX, "{n_lines} lines:\n{}{}", done.stdout, serving.said());
    let state = std::path::PathBuf::from(after(&serving.said(), "--dir "));
    let rights = std::fs::metadata(&state).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&rights) & 0o777, 0o700);
    serving.signal("INT");
    assert_eq!(serving.end(), 0, "{}", serving.said());
    assert_eq!((state.exists(), left_behind(folder.path())), (false, 0), "{}", state.display());
}

#[test]
fn a_story_that_is_cut_short_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Server::start(folder.path(), &["demo"], "");
    wait_for("the folder", || left_behind(folder.path()) == 1);
    demo.signal("INT");
    let code = demo.end();
    // On a machine that is fast enough the story is over by then.
    let last = if code == 0 { "Ctrl-C stops it." } else { "Stopped before the story was over." };
    wait_for("the last word", || demo.said().contains(last));
    assert!([0, 3].contains(&code), "{code}: {}", demo.said());
    assert_eq!(left_behind(folder.path()), 0, "{}", demo.said());
}
