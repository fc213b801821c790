//! Every configuration that the guides show is one that `config check` likes.
use crate::common::{run, write};
use std::path::{Path, PathBuf};

/// The pages that people copy from.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guides = root.join("docs/guides").read_dir().unwrap();
    let guides = guides.map(|entry| entry.unwrap().path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    std::iter::once(root.join("README.md")).chain(guides).collect()
}

/// The fenced blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in page.lines() {
        match (&mut open, line.trim().strip_prefix("```")) {
            (None, Some(named)) => open = Some((named == language, String::new())),
            (Some((is_wanted, text)), Some(_)) => {
                found.extend(is_wanted.then(|| std::mem::take(text)));
                open = None;
            }
            (Some((_, text)), None) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

#[test]
fn configurations_in_the_guides_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let names = vec!["llm.example.org".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    write(folder.path(), "fullchain.pem", &made.cert.pem());
    write(folder.path(), "key.pem", &made.signing_key.serialize_pem());
    std::fs::create_dir(folder.path().join("injection-model")).unwrap();
    for (name, bytes) in bartizan_testkit::Classifier::DebertaV3.files() {
        std::fs::write(folder.path().join("injection-model").join(name), bytes).unwrap();
    }
    let mut n_blocks = 0;
    for path in pages() {
        let page = std::fs::File::open(&path).and_then(std::io::read_to_string).unwrap();
        if let Some(policy) = blocks(&page, "cedar").first() {
            write(folder.path(), "guard.cedar", policy);
        }
        if let Some(policy) = blocks(&page, "tlog-policy").first() {
            write(folder.path(), "witness.policy", policy);
        }
        for block in blocks(&page, "toml") {
            // A guide shows what it speaks of. Whoever follows it has an upstream already.
            let has_upstream = block.contains("[[upstream]]");
            let upstream = "[[upstream]]\nname = \"default\"\nurl = \"http://127.0.0.1:11434\"\n";
            let text = if has_upstream { block } else { format!("{block}\n{upstream}") };
            write(folder.path(), "bartizan.toml", &text);
            let done = run(folder.path(), &["config", "check"]);
            // A program that computes with no model of others says so, whatever else is right.
            let is_refused = text.contains("second_model") && !cfg!(feature = "transformers");
            let code = if is_refused { 2 } else { 0 };
            assert_eq!(done.code, code, "{}\n{text}\n{done:?}", path.display());
            assert_eq!(is_refused, done.stderr.contains("--features transformers"), "{done:?}");
            n_blocks += 1;
        }
    }
    assert!(3 <= n_blocks, "only {n_blocks} configurations are shown");
}
