//! The way out for a log with leaves behind its checkpoint that its key does not vouch for: an operator decides that they are cut off, once there is
//! a whole copy of them.
//!
//! Nothing does this by itself: opening such a log is refused. What a checkpoint stands for is never cut.
use crate::format::{BLOCK, segment_name};
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::recover::{Course, find_checkpoint};
use crate::remake::remake_tiles;
use crate::segment::SegmentReader;
use crate::store::zero_used;
use crate::torn::{self, TORN_FOLDER};
use crate::walk::{Piece, count_segments};
use bartizan_core::clock::Clock;
use bartizan_core::disk::Disk;
use bartizan_core::sign::Signer;
use std::sync::Arc;

/// What was cut off the end of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutTail {
    /// Leaves that are left: all that the checkpoint stands for, and those behind it that the log's key vouches for.
    pub leaves: u64,
    /// Bytes that were cut off.
    pub bytes: u64,
    /// Copies of them, seen from the folder of the ledger, under the names that they have once [`cut_is_recorded`].
    pub copies: Vec<String>,
}

/// Cuts off what comes behind the last group that the log's key vouches for; `None` where there is nothing to cut, and the log opens as it is. The
/// bytes are kept whole, in files of their own, which make no room for others.
///
/// * `known`: leaves that a checkpoint stood for which the caller remembers: the one that lies there may be an older one, and of what was signed
///   nothing is cut.
///
/// Whoever calls it holds the folder's lock, and records what was done; then they say so, [`cut_is_recorded`]. Called again after a crash at any
/// moment, it goes on, and tells of everything that has no record yet.
///
/// # Errors
/// Those of [`crate::Ledger::open`] for everything that is no such tail: damage before the checkpoint's end, a checkpoint of another key or
/// none, a log that is shorter than what witnesses have cosigned; and those of the disk.
pub fn cut_tail(
    disk: &Arc<dyn Disk>,
    clock: &dyn Clock,
    signer: &dyn Signer,
    known: u64,
) -> Result<Option<CutTail>, LedgerError> {
    let n_segments = count_segments(&**disk)?;
    if n_segments == 0 {
        return Ok(None);
    }
    remake_tiles(disk, signer)?;
    let Some(checkpoint) = find_checkpoint(&**disk, signer)? else {
        // Without one nobody can tell what must not be cut.
        let flaw = Flaw::CheckpointMissing;
        return Err(Problem { segment: 0, offset: 0, leaf: None, flaw }.into());
    };
    let (mut course, _) = Course::new(disk, n_segments, Some(checkpoint), signer)?;
    let gone = course.go(signer);
    let (segment, offset, leaves) = course.good;
    match gone {
        Ok(_) => {}
        Err(Trouble::Fault { .. }) if checkpoint.size.max(known) <= leaves => {
            let pieces = pieces(&**disk, segment, offset, n_segments)?;
            torn::keep_whole(&**disk, &pieces, clock.unix_ms())
                .map_err(LedgerError::disk("keep a copy in", TORN_FOLDER))?;
            zero(&**disk, &pieces)?;
        }
        Err(trouble) => return Err(trouble.into()),
    }
    // Also those of a process that died before it could record them.
    let copies = torn::unrecorded(&**disk).map_err(LedgerError::disk("list", TORN_FOLDER))?;
    let bytes = copies.iter().map(|(_, n_bytes)| n_bytes).sum();
    let copies: Vec<_> = copies.into_iter().map(|(name, _)| name).collect();
    Ok((!copies.is_empty()).then_some(CutTail { leaves, bytes, copies }))
}

/// The log has a record of what was cut off: from now on nobody is told of these copies again.
///
/// # Errors
/// Those of the disk; the next [`cut_tail`] then tells of them once more.
pub fn cut_is_recorded(disk: &dyn Disk) -> Result<(), LedgerError> {
    torn::recorded(disk).map_err(LedgerError::disk("rename the copies in", TORN_FOLDER))
}

/// Backwards, so that what a crash leaves is the beginning of what is to be cut.
fn zero(disk: &dyn Disk, pieces: &[Piece]) -> Result<(), LedgerError> {
    for piece in pieces.iter().rev() {
        let name = segment_name(piece.segment);
        let zeroed = || {
            let mut file = disk.open(&name, false)?;
            let len = file.len()?;
            zero_used(&mut *file, piece.offset, len)?;
            file.sync_data()
        };
        zeroed().map_err(LedgerError::disk("cut", name.clone()))?;
    }
    Ok(())
}

/// Everything from a place on that is not zero.
fn pieces(
    disk: &dyn Disk,
    segment: u64,
    offset: u64,
    n_segments: u64,
) -> Result<Vec<Piece>, LedgerError> {
    let mut pieces = Vec::new();
    for number in segment..n_segments {
        let offset = if number == segment { offset } else { BLOCK };
        let mut reader = SegmentReader::open(disk, number)?;
        let n_bytes = reader.used_end(offset)?.saturating_sub(offset);
        if 0 < n_bytes {
            pieces.push(Piece { segment: number, offset, n_bytes });
        }
    }
    Ok(pieces)
}
