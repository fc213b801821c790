//! The published log, read: what a witness is shown, and what an auditor is given. It needs no lock, and no key.
use crate::log_folder::LogFolder;
use crate::problem::{LedgerError, Trouble};
use crate::reader::Entry;
use crate::tlog::{SignedCheckpoint, TileError, TileReader};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use std::fmt;

/// The folder `log/` of a ledger, while somebody may be writing it.
#[derive(Clone)]
pub struct Published {
    folder: LogFolder,
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}

impl Published {
    /// The published log inside the folder of a ledger; `None` when nothing was published yet.
    ///
    /// # Errors
    /// [`LedgerError::Disk`].
    pub fn find(ledger: &dyn Disk) -> Result<Option<Self>, LedgerError> {
        let folder = LogFolder::find(ledger).map_err(LedgerError::disk("open", "log"))?;
        Ok(folder.map(|folder| Self { folder }))
    }

    /// The newest checkpoint. Its signatures are not looked at.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read, or is none.
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, LedgerError> {
        self.folder.checkpoint().map_err(told)
    }

    /// The newest checkpoint that met a quorum of witnesses when it was written. Its signatures are not looked at.
    ///
    /// # Errors
    /// [`LedgerError`] when it cannot be read, or is none.
    pub fn witnessed(&self) -> Result<Option<SignedCheckpoint>, LedgerError> {
        self.folder.witnessed().map_err(told)
    }

    /// The proof that the tree of `checkpoint` extends that of the first `old_size` leaves.
    ///
    /// # Errors
    /// [`TileError`]: no proof comes from tiles that do not hash to the checkpoint's root.
    pub fn consistency_proof(
        &self,
        old_size: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Vec<Digest>, TileError> {
        let (size, root) = crate::cosign::tree_of(checkpoint);
        TileReader::open(&self.folder, size, root)?.consistency_proof(old_size, size)
    }

    /// The tree that `checkpoint` stands for, to look up its leaves. Whoever believes it has verified the checkpoint's signatures.
    ///
    /// # Errors
    /// [`TileError`], as above.
    pub fn tree(&self, checkpoint: &SignedCheckpoint) -> Result<PublishedTree, TileError> {
        let (size, root) = crate::cosign::tree_of(checkpoint);
        TileReader::open(self.folder.clone(), size, root).map(PublishedTree)
    }

    /// The root of the first `size` leaves of the tree that `checkpoint` stands for.
    ///
    /// # Errors
    /// [`TileError`], as above.
    pub fn root_at(&self, size: u64, checkpoint: &SignedCheckpoint) -> Result<Digest, TileError> {
        let (whole, root) = crate::cosign::tree_of(checkpoint);
        TileReader::open(&self.folder, whole, root)?.root_at(size)
    }
}

/// The leaves of one tree, as the tiles have them that hash to its root.
pub struct PublishedTree(TileReader<LogFolder>);

impl fmt::Debug for PublishedTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedTree").finish_non_exhaustive()
    }
}

impl PublishedTree {
    /// Whether this leaf is in the tree, in its place.
    ///
    /// # Errors
    /// [`TileError`] where no tile says so that hashes to the root.
    pub fn has(&mut self, entry: &Entry) -> Result<bool, TileError> {
        Ok(entry.index < self.0.size() && self.0.leaf_hash(entry.index)? == entry.leaf_hash)
    }
}

fn told(trouble: Trouble) -> LedgerError {
    trouble.into()
}
