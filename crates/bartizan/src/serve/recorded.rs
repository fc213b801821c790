//! What the log has heard of us so far: the policy, what was promised, and the callers' keys, so that only news is recorded.
//!
//! The file is no word that is believed for lying there. It has a mark of the key that signs the log, and says how far it knows the log; what the log has had
//! since is read at a start. Whoever edits it, or puts an older one back, gets a record too many, and never one too few.
use super::Promise;
use crate::{audit, files, mark};
use anyhow::Context as _;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Leaf, RecordKind};
use bartizan_core::sign::Signer as _;
use bartizan_keys::NoteKey;
use bartizan_ledger::{Cosigner, LedgerError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file, inside the state folder.
pub(crate) const RECORDED_FILE: &str = "recorded.json";
/// What a configuration can promise, twice, fits in here: it has at most a mebibyte, which JSON may double.
const RECORDED_BYTES_MAX: usize = 8 << 20;
/// What the mark is over, before the file's own bytes: no other message of the key begins like that.
const MARKED: &[u8] = b"bartizan recorded v1\n";

/// What was recorded last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    /// In which log. What another one has is no news of ours, and is recorded again.
    log: String,
    /// The policy in force.
    pub(super) policy: Option<Digest>,
    /// When its texts were recorded last, in milliseconds since 1970.
    pub(super) policy_ms: Option<u64>,
    /// What was promised.
    pub(super) promised: Option<Promise>,
    /// What of it a restart would change, in words.
    pub(super) waiting: Vec<String>,
    /// SHA-256 of the copy of the key file.
    pub(super) keys: Option<Digest>,
    /// Leaves of the log that have no news of ours beyond this.
    size: u64,
    /// Over all of the above, by the key that signs the log.
    mark: Option<String>,
}

impl Recorded {
    fn read(state: &Path) -> anyhow::Result<Option<Self>> {
        let path = state.join(RECORDED_FILE);
        match files::read_bounded(&path, RECORDED_BYTES_MAX) {
            // One that cannot be understood costs a record too many.
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).unwrap_or_default())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    fn mark_by(&self, signer: &NoteKey) -> anyhow::Result<String> {
        let unmarked = Self { mark: None, ..self.clone() };
        mark::of(MARKED, &unmarked, signer)
    }

    fn is_marked(&self, signer: &NoteKey) -> bool {
        let mark = self.mark_by(signer).ok();
        mark.is_some() && mark == self.mark
    }

    fn write(&mut self, state: &Path, signer: &NoteKey) -> anyhow::Result<()> {
        self.mark = Some(self.mark_by(signer)?);
        let path = state.join(RECORDED_FILE);
        let written = files::replace(&path, &serde_json::to_vec(self)?);
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What a log has heard, and why nobody knows it, where nobody does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) recorded: Recorded,
    /// It is said in the evidence of what is recorded again.
    pub(super) doubt: Option<String>,
}

impl Heard {
    /// As the file has it, as far as its mark and the log bear that out. Nothing is changed.
    ///
    /// # Errors
    /// Those of the disk, and of a log that cannot be read.
    pub(super) fn read(state: &Path, signer: &NoteKey) -> anyhow::Result<Self> {
        let log = signer.name().to_owned();
        let unheard = |doubt: Option<String>| {
            let recorded = Recorded { log: log.clone(), ..Recorded::default() };
            Self { recorded, doubt }
        };
        let Some(file) = Recorded::read(state)? else { return Ok(unheard(None)) };
        if file.log != log || !file.is_marked(signer) {
            let doubt = format!("{RECORDED_FILE} was not left like that by the key of this log");
            return Ok(unheard(Some(doubt)));
        }
        // Keys of ours have events, too, and are no callers'.
        let is_news = |leaf: &Leaf| match leaf.kind {
            RecordKind::PolicyChange => true,
            RecordKind::KeyEvent => leaf.key_id.is_some(),
            _ => false,
        };
        let since = audit::reader(state)
            .and_then(|reader| reader.proven_since(file.size, signer, &is_news));
        let newer = match since {
            Err(LedgerError::Absent) => None,
            since => since?.entries.first().map(|entry| entry.index),
        };
        Ok(match newer {
            None => Self { recorded: file, doubt: None },
            Some(leaf) => unheard(Some(format!(
                "{RECORDED_FILE} is older than leaf {leaf}: a crash, or an older copy of it"
            ))),
        })
    }

    /// Whether the last thing that the log has heard is that nothing is recorded any more.
    pub(super) fn is_farewell(&self) -> bool {
        self.recorded.promised.as_ref().is_some_and(|promised| !promised.is_ledger_on())
    }
}

/// The log that a gateway records in.
pub(super) struct OwnLog {
    state: PathBuf,
    signer: Arc<NoteKey>,
    cosigner: Cosigner,
    pub(super) heard: Heard,
}

impl OwnLog {
    /// # Errors
    /// Those of [`Heard::read`].
    pub(super) fn open(
        state: &Path,
        signer: Arc<NoteKey>,
        cosigner: Cosigner,
    ) -> anyhow::Result<Self> {
        let heard = Heard::read(state, &signer)?;
        if let Some(doubt) = &heard.doubt {
            tracing::warn!("{doubt}: what is in force is recorded again.");
        }
        Ok(Self { state: state.to_owned(), signer, cosigner, heard })
    }

    /// It has heard this by now, up to so many leaves.
    ///
    /// * `leaves`: with the last one of it; nothing where there was no news.
    ///
    /// # Errors
    /// Those of the disk; the next start then records it again.
    pub(super) fn hears(&mut self, now: Recorded, leaves: Option<u64>) -> anyhow::Result<()> {
        let size = leaves.unwrap_or_default().max(self.heard.recorded.size);
        let mut now = Recorded { size, mark: None, ..now };
        if now == (Recorded { mark: None, ..self.heard.recorded.clone() })
            && self.heard.doubt.is_none()
        {
            return Ok(());
        }
        now.write(&self.state, &self.signer)?;
        self.heard = Heard { recorded: now, doubt: None };
        Ok(())
    }

    /// Notes how far the log has come without news, so that the next start need not read that.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn follow(&mut self) -> anyhow::Result<()> {
        let latest = self.cosigner.latest().map_or(0, |latest| latest.checkpoint().size());
        self.hears(self.heard.recorded.clone(), Some(latest))
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> u64 {
        self.heard.recorded.size
    }
}

/// Lets the log's next key stand for what its present key does.
///
/// # Errors
/// Those of the disk; the next start then records again what is in force.
pub(crate) fn remark(state: &Path, old: &NoteKey, new: &NoteKey) -> anyhow::Result<()> {
    match Recorded::read(state)? {
        Some(mut file) if file.is_marked(old) => file.write(state, new),
        _ => Ok(()),
    }
}
