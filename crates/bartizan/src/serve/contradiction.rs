//! What a witness has shown: that this log is not the one that it knows. It is kept beside the log, with the evidence, until somebody decides.
//!
//! A gateway that is started again with the witness away, or without one in its configuration, knows of it all the same: it signs nothing, and says
//! why. The way out is the log's newest copy, or an operator's word, which the ledger records.
use crate::files;
use crate::witness::ask::AskError;
use anyhow::Context as _;
use bartizan_ledger::tlog::SignedCheckpoint;
use bartizan_ledger::{FsDisk, Published};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// What `/readyz` says first of a log that contradicts itself; why comes behind it.
pub(super) const SILENCE: &str =
    "a witness has shown that this log contradicts itself: no further checkpoint of it is signed";
/// The file, inside the ledger's folder.
pub(crate) const CONTRADICTION_FILE: &str = "contradiction.json";
const VERSION: u32 = 1;
/// Three checkpoints with all of their signatures.
const CONTRADICTION_BYTES_MAX: usize = 1 << 20;

/// What was shown, and what proves that it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contradiction {
    version: u32,
    /// What the witness says.
    pub(crate) reason: String,
    /// When it was first heard.
    pub(crate) unix_ms: u64,
    /// The checkpoint that the witness refused, with the log's signature.
    checkpoint: Option<String>,
    /// The newest checkpoint that witnesses had cosigned.
    witnessed: Option<String>,
    /// The checkpoint that the witness showed, which the log's key has signed, too. Files of earlier builds have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
}

impl Contradiction {
    /// * `error`: what the witness says and shows.
    /// * `refused`: the checkpoint that the witness refused.
    pub(crate) fn new(
        ledger: &Path,
        error: &AskError,
        refused: &SignedCheckpoint,
        unix_ms: u64,
    ) -> Self {
        let published = Published::find(&FsDisk::read_only(ledger)).ok().flatten();
        let witnessed = published.and_then(|published| published.witnessed().ok()).flatten();
        let checkpoint = Some(refused.to_string());
        let witnessed = witnessed.map(|signed| signed.to_string());
        let shown = error.shown().map(ToString::to_string);
        Self { version: VERSION, reason: error.to_string(), unix_ms, checkpoint, witnessed, shown }
    }

    /// What is kept beside a log. A file that cannot be understood is no reason to forget that there was something.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn find(ledger: &Path) -> anyhow::Result<Option<Self>> {
        let path = path(ledger);
        let bytes = match files::read_bounded(&path, CONTRADICTION_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Vec::new(),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let found = serde_json::from_slice(&bytes);
        let found = found.ok().filter(|found: &Self| found.version == VERSION);
        Ok(Some(found.unwrap_or_else(|| Self {
            version: VERSION,
            reason: format!("{} cannot be understood", path.display()),
            unix_ms: 0,
            checkpoint: None,
            witnessed: None,
            shown: None,
        })))
    }

    /// What `/readyz` says of it where no witness is asked any more.
    pub(crate) fn told(&self, ledger: &Path) -> String {
        format!("{SILENCE}; {}; {}", self.reason, way_out(ledger))
    }

    /// Keeps it, unless an earlier one is kept already.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn keep(&self, ledger: &Path) -> anyhow::Result<()> {
        let path = path(ledger);
        if path.try_exists().unwrap_or(false) {
            return Ok(());
        }
        files::replace(&path, &serde_json::to_vec(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What to do about it.
pub(crate) fn way_out(ledger: &Path) -> String {
    format!(
        "restore the log's newest copy and take {} away, or go on with this one by `bartizan vault accept`, which records that",
        path(ledger).display()
    )
}

/// Somebody has decided, and the ledger says so: the evidence stays under another name.
///
/// # Errors
/// Those of the disk.
pub(crate) fn settle(ledger: &Path, unix_ms: u64) -> anyhow::Result<()> {
    let settled = ledger.join(format!("contradiction-{unix_ms}.settled.json"));
    std::fs::rename(path(ledger), settled)
        .and_then(|()| std::fs::File::open(ledger)?.sync_all())
        .with_context(|| format!("cannot rename {}", path(ledger).display()))
}

fn path(ledger: &Path) -> PathBuf {
    ledger.join(CONTRADICTION_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_keys::NoteKey;
    use bartizan_ledger::tlog::Checkpoint;
    use std::fs;

    fn shown(witness: &str) -> Contradiction {
        let key = NoteKey::generate("log", &crate::clock::OsEntropy).unwrap();
        let root = bartizan_ledger::merkle::sha256(&[]);
        let signed = |size| Checkpoint::new("log", size, root).unwrap().sign(&key).unwrap();
        let (witness, shown) = (witness.to_owned(), Box::new(signed(8)));
        let error = AskError::Shorter { witness, ours: 7, theirs: 8, shown: shown.clone() };
        let found = Contradiction::new(Path::new("/nowhere"), &error, &signed(7), 5);
        assert_eq!(found.shown, Some(shown.to_string()), "the evidence is kept");
        found
    }

    #[test]
    fn the_first_one_is_kept_until_it_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path();
        assert_eq!(Contradiction::find(ledger).unwrap(), None);
        let first = shown("w1");
        first.keep(ledger).unwrap();
        shown("w2").keep(ledger).unwrap();
        assert_eq!(Contradiction::find(ledger).unwrap(), Some(first.clone()));
        let told = first.told(ledger);
        for part in [
            "contradicts itself",
            "witness w1 has cosigned 8 leaves",
            CONTRADICTION_FILE,
            "vault accept",
        ] {
            assert!(told.contains(part), "{told}");
        }
        settle(ledger, 9).unwrap();
        assert_eq!(Contradiction::find(ledger).unwrap(), None);
        let kept = fs::read_dir(ledger).unwrap().count();
        assert_eq!(kept, 1, "the evidence stays");
        assert!(settle(ledger, 9).is_err(), "nothing is settled twice");
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_a_contradiction_all_the_same() {
        let whole = serde_json::to_string(&shown("w1")).unwrap();
        for (name, text) in [
            ("empty", String::new()),
            ("cut", whole.chars().take(30).collect()),
            ("of another version", whole.replace("\"version\":1", "\"version\":2")),
            ("with more in it", whole.replace('{', "{\"more\":1,")),
            ("too long", whole + &" ".repeat(CONTRADICTION_BYTES_MAX)),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(CONTRADICTION_FILE), text).unwrap();
            let found = Contradiction::find(folder.path()).unwrap().unwrap();
            assert!(found.reason.contains("cannot be understood"), "{name}: {found:?}");
        }
    }
}
