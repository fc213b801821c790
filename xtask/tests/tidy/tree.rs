//! The files of the repository, or of a small made-up one.
use std::collections::BTreeMap;
use std::path::Path;

/// Folders that are made, not written.
const SKIPPED: [&str; 8] =
    ["target", ".git", "node_modules", "__pycache__", ".bartizan", "corpus", "artifacts", ".cargo"];
/// Most files that a walk reads: a guard against a folder that should have been skipped.
const FILES_MAX: usize = 20_000;

/// One file.
#[derive(Debug)]
struct File {
    bytes: u64,
    /// `None` when it is not UTF-8.
    text: Option<String>,
}

/// All files, by their path from the root, with forward slashes.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, File>,
}

impl Tree {
    /// Reads this repository.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent");
        let mut tree = Self::default();
        tree.walk(root, "");
        assert!(tree.has("Cargo.toml"), "{} is not the repository", root.display());
        tree
    }

    /// A made-up tree.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |text: &str| File { bytes: text.len() as u64, text: Some(text.to_owned()) };
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect() }
    }

    /// Every file that is text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// Every text whose path ends so.
    pub(crate) fn ending(&self, end: &str) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(move |(path, _)| path.ends_with(end))
    }

    /// The last part of a path behind its last dot.
    pub(crate) fn extension(path: &str) -> &str {
        path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Every path with its size in bytes.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.bytes))
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// Whether there is such a file, or a folder with one in it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    fn walk(&mut self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
            let entry = entry.expect("the folder can be listed");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().expect("the file has a type");
            if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
                self.walk(&entry.path(), &format!("{path}/"));
            } else if kind.is_file() {
                assert!(self.files.len() < FILES_MAX, "more than {FILES_MAX} files, at {path}");
                // A file may vanish between the listing and the reading: an editor's, or another test's.
                if let Ok(meta) = entry.metadata() {
                    let text = std::fs::read_to_string(entry.path()).ok();
                    self.files.insert(path, File { bytes: meta.len(), text });
                }
            }
        }
    }
}

#[test]
fn the_walk_finds_itself_and_nothing_built() {
    let tree = Tree::read();
    assert!(tree.has("xtask/tests/tidy/tree.rs"));
    assert!(tree.has("xtask/tests"));
    assert!(!tree.has("target"));
    assert!(!tree.has("no/such/file"));
}
