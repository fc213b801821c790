//! Tiles that are away are made again from the journal, where the checkpoint that stands for them is still there.
//!
//! An operator whose tiles are damaged takes them away, and keeps the checkpoint: its signature proves what is made, whatever key
//! wrote the leaves. Nothing is made of a journal that has another root.
//!
//! What it does not do: touch a tile that is there. Damage is for a person to see first.
use crate::log_folder::{Head, LogFolder};
use crate::merkle::Merkle;
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::publish::own_checkpoint;
use crate::reader::Entry;
use crate::segment::Depth;
use crate::tlog::{TileBuilder, TileError};
use crate::walk::{Step, Walk};
use bartizan_core::disk::Disk;
use bartizan_core::record::RecordError;
use bartizan_core::sign::Signer;
use std::sync::Arc;

/// Files that wait to be written at most.
const FILES_MAX: usize = 64;

/// Makes the tiles of the checkpoint where an unfinished one is missing, without which nothing can go on; for how many leaves.
///
/// The unfinished ones are written last, when the full ones are durable, and each whole or not at all: after a crash one of them is missing still,
/// and all is done again. Whoever calls
/// it holds the folder's lock; opening the log does it, too.
///
/// # Errors
/// [`LedgerError::Damaged`] for a journal that has another root, or a checkpoint that the key has not signed; [`LedgerError::OtherLog`]; and those of
/// the disk.
pub fn remake_tiles(disk: &Arc<dyn Disk>, signer: &dyn Signer) -> Result<u64, LedgerError> {
    let folder = LogFolder::find(&**disk).map_err(LedgerError::disk("open", "log"))?;
    let Some(folder) = folder else { return Ok(0) };
    let checkpoint = own_checkpoint(&folder, signer)?;
    let Some(head) = checkpoint.as_ref().map(Head::of).filter(|head| 0 < head.size) else {
        return Ok(0);
    };
    if !matches!(TileBuilder::resume(&folder, head.size, head.root), Err(TileError::Missing { .. }))
    {
        return Ok(0);
    }
    let mut tree = Merkle::new();
    walk_to(disk, head.size, &mut |entry| {
        tree.append(entry.leaf_hash);
        Ok(())
    })?;
    if tree.root() != head.root {
        let flaw = Flaw::CheckpointRoot { size: head.size };
        return Err(Problem { segment: 0, offset: 0, leaf: None, flaw }.into());
    }
    let (mut builder, mut files) = (TileBuilder::new(), Vec::new());
    let failed = LedgerError::disk("make", "log/tile");
    let write = |files: &[_]| folder.write_tiles(files);
    let mut written = Ok(());
    walk_to(disk, head.size, &mut |entry| {
        let bytes = entry.leaf.encode().map_err(RecordError::Unwritable)?;
        let added = builder.append(&bytes, entry.leaf_hash, &mut files);
        added.map_err(LedgerError::Tiles)?;
        if FILES_MAX <= files.len() && written.is_ok() {
            written = write(&files);
            files.clear();
        }
        Ok(())
    })?;
    let done = written.and_then(|()| write(&files)).and_then(|()| {
        files.clear();
        builder.publish(&mut files);
        folder.write_whole_tiles(&files)
    });
    done.map_err(failed)?;
    Ok(head.size)
}

/// Gives every leaf before `size`, in order, to `each`.
fn walk_to(
    disk: &Arc<dyn Disk>,
    size: u64,
    each: &mut dyn FnMut(&Entry) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut walk = Walk::new(Arc::clone(disk), Depth::Leaves)?;
    let mut leaves = 0;
    while leaves < size {
        let mut entries = Vec::new();
        match walk.step(Some(&mut entries))? {
            Step::Group(group) if group.head.first == leaves => {
                leaves = group.mark.size;
                let mut before = entries.iter().filter(|entry| entry.index < size);
                before.try_for_each(&mut *each)?;
            }
            Step::Group(group) => {
                let (segment, offset, flaw) = (group.segment, group.start, Flaw::Order);
                return Err(Problem { segment, offset, leaf: Some(leaves), flaw }.into());
            }
            Step::End(tail) => return Err(Trouble::from(tail.cut(leaves, size)).into()),
        }
    }
    Ok(())
}
