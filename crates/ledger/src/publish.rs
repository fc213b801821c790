//! The log as outsiders see it, kept up with the journal: tiles and bundles first, then the signed checkpoint that stands for them.
//!
//! The journal is what recording waits for; this follows. It reads the journal again instead of being told every leaf, so that its memory does
//! not depend on how far behind it is, and so that starting after a crash is the same work as going on.
use crate::format::BLOCK;
use crate::log_folder::{Head, LogFolder};
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::segment::Depth;
use crate::tlog::{Checkpoint, SignedCheckpoint, TileBuilder, TileError, VerifierKey};
use crate::walk::{Step, Walk};
use bartizan_core::disk::Disk;
use bartizan_core::record::{Leaf, RecordError};
use bartizan_core::sign::Signer;
use std::fmt::Display;
use std::sync::Arc;

pub(crate) struct Publisher {
    folder: LogFolder,
    walk: Walk,
    builder: TileBuilder,
    signer: Arc<dyn Signer>,
}

impl Publisher {
    /// Goes on where the folder ends. The journal must hold at least what its checkpoint stands for.
    pub(crate) fn open(disk: &Arc<dyn Disk>, signer: Arc<dyn Signer>) -> Result<Self, LedgerError> {
        let folder = LogFolder::make(&**disk).map_err(LedgerError::disk("make", "log"))?;
        let builder = match own_checkpoint(&folder, &*signer)?.as_ref().map(Head::of) {
            None => TileBuilder::new(),
            Some(Head { size, root }) => {
                TileBuilder::resume(&folder, size, root).map_err(LedgerError::Tiles)?
            }
        };
        let walk = Walk::before(Arc::clone(disk), Depth::Leaves, builder.size())?;
        Ok(Self { folder, walk, builder, signer })
    }

    /// Publishes the log up to `head`, which is durable in the journal.
    pub(crate) fn publish(&mut self, head: Head) -> Result<SignedCheckpoint, RecordError> {
        let mut files = Vec::new();
        // The journal has grown since; what is durable by now is all that is needed below.
        self.walk.reader.forget();
        while self.builder.size() < head.size {
            self.follow(&mut files)?;
        }
        if (self.builder.size(), self.builder.root()) != (head.size, head.root) {
            return Err(stopped("check of the tiles")(
                "the journal has another root than its writer",
            ));
        }
        self.builder.publish(&mut files);
        self.folder.write_tiles(&files).map_err(stopped("write of the tiles"))?;
        let checkpoint = Checkpoint::new(self.signer.name(), head.size, head.root)
            .and_then(|checkpoint| checkpoint.sign(&*self.signer))
            .map_err(stopped("signature of the checkpoint"))?;
        let written = self.folder.write_checkpoint(&checkpoint);
        written.map_err(stopped("write of the checkpoint"))?;
        let full = files.iter().filter(|file| file.path.is_full());
        for file in full {
            let removed = self.folder.remove_partials(&file.path);
            removed.map_err(stopped("removal of partial tiles"))?;
        }
        Ok(checkpoint)
    }

    /// Takes the next group of the journal into the tiles; full ones are written before too many of them pile up.
    fn follow(&mut self, files: &mut Vec<crate::tlog::TileFile>) -> Result<(), RecordError> {
        const FILES_MAX: usize = 64;
        let mut entries = Vec::new();
        let step = self.walk.step(Some(&mut entries)).map_err(LedgerError::from);
        if let Step::End(_) = step.map_err(stopped("read of the journal"))? {
            return Err(stopped("read of the journal")("it ends before what was written"));
        }
        let size = self.builder.size();
        for entry in entries.iter().skip_while(|entry| entry.index < size) {
            let bytes = entry.leaf.encode().map_err(RecordError::Unwritable)?;
            let added = self.builder.append(&bytes, entry.leaf_hash, files);
            added.map_err(stopped("making of the tiles"))?;
        }
        if FILES_MAX < files.len() {
            self.folder.write_tiles(files).map_err(stopped("write of the tiles"))?;
            files.clear();
        }
        Ok(())
    }
}

fn stopped<E: Display>(operation: &'static str) -> impl Fn(E) -> RecordError {
    move |error| RecordError::Stopped { operation, reason: error.to_string() }
}

/// The checkpoint in the folder, which this signer has signed.
pub(crate) fn own_checkpoint(
    folder: &LogFolder,
    signer: &dyn Signer,
) -> Result<Option<SignedCheckpoint>, Trouble> {
    let Some(checkpoint) = folder.checkpoint()? else { return Ok(None) };
    let key = VerifierKey::of_log(signer);
    let ours = key.is_ok_and(|key| {
        checkpoint.checkpoint().origin() == signer.name()
            && checkpoint.verify(&[key]).is_ok_and(|signed| !signed.is_empty())
    });
    let flaw = Problem { segment: 0, offset: BLOCK, leaf: None, flaw: Flaw::Checkpoint };
    if ours { Ok(Some(checkpoint)) } else { Err(flaw.into()) }
}

/// Compares the published files with the leaves, one after the other: the first file that is missing or says something else.
pub(crate) struct TileCheck {
    folder: LogFolder,
    builder: TileBuilder,
    /// Leaves that the checkpoint stands for.
    size: u64,
}

impl TileCheck {
    pub(crate) fn new(folder: LogFolder, size: u64) -> Self {
        Self { folder, builder: TileBuilder::new(), size }
    }

    /// Takes the next leaf. What lies behind the checkpoint is nobody's promise.
    pub(crate) fn leaf(
        &mut self,
        leaf: &Leaf,
        hash: bartizan_core::digest::Digest,
    ) -> Result<(), TileError> {
        if self.size <= self.builder.size() {
            return Ok(());
        }
        let Ok(bytes) = leaf.encode() else { return Ok(()) };
        let mut files = Vec::new();
        self.builder.append(&bytes, hash, &mut files)?;
        if self.builder.size() == self.size {
            self.builder.publish(&mut files);
        }
        for file in files {
            self.compare(&file)?;
        }
        Ok(())
    }

    fn compare(&self, file: &crate::tlog::TileFile) -> Result<(), TileError> {
        use crate::tlog::TileSource as _;
        let path = file.path;
        let found = self.folder.tile(&path).map_err(|source| TileError::Source { path, source })?;
        match found {
            None if path.is_full() => Err(TileError::Missing { path }),
            // The full tile came between the checkpoint and this look at it.
            None => match self.folder.tile(&path.full()) {
                Ok(Some(full)) if full.starts_with(&file.content) => Ok(()),
                Ok(Some(_)) => Err(TileError::Untrue { path: path.full() }),
                _ => Err(TileError::Missing { path }),
            },
            Some(content) if content == file.content => Ok(()),
            Some(_) => Err(TileError::Untrue { path }),
        }
    }
}
