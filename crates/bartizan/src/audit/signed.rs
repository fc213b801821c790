//! Up to where a signature stands for what the log says. Whoever can write the disk can add leaves behind that, and make them look like any other.
use super::{handover, log_key, read_folder, verdict};
use crate::outcome::Outcome;
use bartizan_ledger::tlog::{SignedCheckpoint, VerifierKey};
use bartizan_ledger::{Entry, FsDisk, LedgerError, Published, PublishedTree, Reader};
use std::path::{Path, PathBuf};

/// How often the tiles of a checkpoint are looked for: a log that is being written has those of the next one a moment later.
const ATTEMPTS: usize = 3;

/// What is said where no key that is at hand has signed the checkpoint.
pub(crate) const NOBODY_SIGNED: &str = "the checkpoint is signed by none of the keys that are at hand, so nobody vouches for any of this: `bartizan audit verify` says more";

/// Where whoever reads something that is not as it was signed learns what.
pub(crate) const SAYS_MORE: &str = "`bartizan audit verify` says more";

/// The keys whose signature counts for readers: the log's own where the vault is at hand, else those that lie beside it.
#[derive(Debug)]
pub(crate) struct Signatures {
    keys: Vec<VerifierKey>,
    folder: PathBuf,
}

impl Signatures {
    /// Keys that cannot be read vouch for nothing.
    pub(crate) fn of(state: &Path) -> Self {
        let own = log_key(state).and_then(|key| VerifierKey::of_log(&key).ok());
        let beside = || verdict::beside(state, &handover::all(state)).unwrap_or_default();
        let keys = own.map_or_else(beside, |key| vec![key]);
        Self { keys, folder: read_folder(state) }
    }

    /// Leaves that the signed checkpoint stands for: 0 before the first one, and nothing where none of the keys has signed it.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub(crate) fn leaves(&self, reader: &Reader) -> Result<Option<u64>, LedgerError> {
        let Some(checkpoint) = reader.checkpoint()? else { return Ok(Some(0)) };
        Ok(self.is_by_us(&checkpoint).then(|| checkpoint.checkpoint().size()))
    }

    /// The same, leaf by leaf: what the journal says is compared with what was signed.
    ///
    /// # Errors
    /// Those of [`Signatures::leaves`].
    pub(crate) fn extent(&self, reader: &Reader) -> Result<Option<Extent>, LedgerError> {
        let mut size = 0;
        for _ in 0..ATTEMPTS {
            let Some(checkpoint) = reader.checkpoint()? else { break };
            if !self.is_by_us(&checkpoint) {
                return Ok(None);
            }
            size = checkpoint.checkpoint().size();
            let published = Published::find(&FsDisk::read_only(&self.folder))?;
            if let Some(Ok(tree)) = published.map(|published| published.tree(&checkpoint)) {
                return Ok(Some(Extent { size, tree: Some(tree) }));
            }
        }
        Ok(Some(Extent { size, tree: None }))
    }

    fn is_by_us(&self, checkpoint: &SignedCheckpoint) -> bool {
        checkpoint.verify(&self.keys).is_ok_and(|signed| !signed.is_empty())
    }
}

/// What the signed checkpoint stands for.
#[derive(Debug)]
pub(crate) struct Extent {
    size: u64,
    /// Nothing before the first checkpoint, and where the published tiles do not belong to it.
    tree: Option<PublishedTree>,
}

/// How a leaf stands to what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The signed checkpoint stands for it.
    Signed,
    /// It came after the checkpoint, or nobody has signed.
    Unsigned,
    /// The checkpoint stands for another leaf in its place, or nobody can say for which.
    Changed,
}

impl Extent {
    /// Leaves.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether it stands for this leaf.
    pub(crate) fn mark(&mut self, entry: &Entry) -> Mark {
        if self.size <= entry.index {
            return Mark::Unsigned;
        }
        let has = self.tree.as_mut().is_some_and(|tree| tree.has(entry).unwrap_or(false));
        if has { Mark::Signed } else { Mark::Changed }
    }
}

impl Mark {
    /// What showing these comes to: a log that says something else than was signed is a damaged one.
    pub(crate) fn outcome(marks: &[Self]) -> Outcome {
        if marks.contains(&Self::Changed) { Outcome::Unfinished } else { Outcome::Allow }
    }

    /// For people, in columns.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Signed => "yes",
            Self::Unsigned => "no",
            Self::Changed => "CHANGED",
        }
    }
}
