//! Finding the end of a log that may have been cut off anywhere, without changing a byte of it.
//!
//! What lies before the last signed checkpoint has that signature; what lies behind it has the vouchers of the log's own key, and each is
//! looked at before anything is believed.
use crate::format::{BLOCK, LogId};
use crate::group::Group;
use crate::log_folder::{Head, LogFolder};
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::publish::own_checkpoint;
use crate::segment::{Depth, SegmentReader};
use crate::state::State;
use crate::tlog::TileReader;
use crate::torn::TornCopy;
use crate::walk::{Step, Tail, Walk, count_segments};
use bartizan_core::disk::Disk;
use bartizan_core::sign::Signer;
use std::ops::Range;
use std::sync::Arc;

/// What opening a log found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Leaves in the log, those of this recovery included.
    pub leaves: u64,
    /// Bytes of an unfinished write that were cut off.
    pub torn_bytes: u64,
    /// Where they were kept.
    pub torn_copy: Option<TornCopy>,
    /// OUTCOMEs that were appended for INTENTs that had none.
    pub interrupted: u64,
    /// Milliseconds that the clock was behind the newest leaf.
    pub clock_behind_ms: u64,
}

/// The end of a log.
pub(crate) struct End {
    pub(crate) log: LogId,
    pub(crate) state: State,
    pub(crate) n_segments: u64,
    pub(crate) tail: Tail,
    /// Where the last group stands, if it is in the last segment.
    pub(crate) last: Option<Range<u64>>,
    /// The key does not vouch for the snapshot that the next start would go on from: a new segment makes one.
    pub(crate) is_stale: bool,
}

/// Reads the log from the start of the last segment that can be trusted; `None` when there is no log.
pub(crate) fn find_end(
    disk: &Arc<dyn Disk>,
    signer: &dyn Signer,
) -> Result<Option<End>, LedgerError> {
    let n_segments = count_segments(&**disk)?;
    let checkpoint = find_checkpoint(&**disk, signer)?;
    if n_segments == 0 {
        return match checkpoint {
            Some(Head { size, .. }) if 0 < size => {
                let flaw = Flaw::Cut { leaves: 0, size };
                Err(Problem { segment: 0, offset: 0, leaf: None, flaw }.into())
            }
            _ => Ok(None),
        };
    }
    let (mut course, is_stale) = Course::new(disk, n_segments, checkpoint, signer)?;
    let tail = course.go(signer)?;
    let Course { log, state, last, .. } = course;
    Ok(Some(End { log, state, n_segments, tail, last, is_stale }))
}

/// The checkpoint, which this key has signed, and which extends what witnesses have cosigned.
pub(crate) fn find_checkpoint(
    disk: &dyn Disk,
    signer: &dyn Signer,
) -> Result<Option<Head>, LedgerError> {
    let folder = LogFolder::find(disk).map_err(LedgerError::disk("open", "log"))?;
    let Some(folder) = folder else { return Ok(None) };
    let checkpoint = own_checkpoint(&folder, signer)?.as_ref().map(Head::of);
    check_witnessed(&folder, signer.name(), checkpoint)?;
    Ok(checkpoint)
}

/// A walk over the journal that goes on for as long as everything is as the log's key has left it.
pub(crate) struct Course {
    pub(crate) log: LogId,
    walk: Walk,
    /// What the groups so far add up to. After an error it is of no use.
    pub(crate) state: State,
    /// The checkpoint that the log has not come to yet.
    owed: Option<Head>,
    /// Leaves of the checkpoint.
    pub(crate) known: u64,
    last_used: u64,
    /// The last group.
    last: Option<Range<u64>>,
    /// Where it ends: segment, byte and leaves.
    pub(crate) good: (u64, u64, u64),
}

impl Course {
    /// From the last segment that can be trusted; and whether the next start should have a later one.
    pub(crate) fn new(
        disk: &Arc<dyn Disk>,
        n_segments: u64,
        checkpoint: Option<Head>,
        signer: &dyn Signer,
    ) -> Result<(Self, bool), Trouble> {
        let known = checkpoint.map_or(0, |head| head.size);
        let start = find_start(&**disk, n_segments, known, signer)?;
        let Start { reader, state, last_used, is_stale } = start;
        let (log, good) = (reader.log, (reader.number, BLOCK, state.tree.size()));
        let walk = Walk::from(Arc::clone(disk), Depth::Frames, reader, state.number);
        let (owed, last) = (checkpoint, None);
        Ok((Self { log, walk, state, owed, known, last_used, last, good }, is_stale))
    }

    /// Goes to the end of the groups.
    pub(crate) fn go(&mut self, signer: &dyn Signer) -> Result<Tail, Trouble> {
        loop {
            settle(&mut self.owed, &self.state, 0, BLOCK)?;
            // What lies before the last segment and has a signature is not read as closely again; `verify` does that.
            let is_old =
                self.walk.reader.number < self.last_used && self.state.tree.size() < self.known;
            self.walk.depth = if is_old { Depth::Leaves } else { Depth::Frames };
            match self.walk.step(None)? {
                Step::Group(group) => self.follow(&group, signer)?,
                Step::End(tail) => {
                    let Some(Head { size, .. }) = self.owed else { return Ok(tail) };
                    let flaw = Flaw::Cut { leaves: self.state.tree.size(), size };
                    let (segment, offset) = (tail.segment, tail.offset);
                    return Err(Problem { segment, offset, leaf: None, flaw }.into());
                }
            }
        }
    }

    fn follow(&mut self, group: &Group, signer: &dyn Signer) -> Result<(), Problem> {
        check_voucher(group, self.known, &self.log, signer)?;
        let segment = group.segment;
        let followed = self.state.follow(group);
        followed.map_err(|(offset, leaf, flaw)| Problem { segment, offset, leaf, flaw })?;
        self.last = Some(group.start..group.end);
        self.good = (segment, group.end, self.state.tree.size());
        Ok(())
    }
}

/// A group behind the `known` leaves that a checkpoint stands for must be one that the log's key vouches for.
pub(crate) fn check_voucher(
    group: &Group,
    known: u64,
    log: &LogId,
    signer: &dyn Signer,
) -> Result<(), Problem> {
    if group.mark.size <= known || group.is_vouched(signer, log) {
        return Ok(());
    }
    let (segment, offset, leaf) = (group.segment, group.start, Some(group.head.first));
    Err(Problem { segment, offset, leaf, flaw: Flaw::Unvouched })
}

/// What witnesses have cosigned must be a beginning of what the checkpoint stands for.
fn check_witnessed(
    folder: &LogFolder,
    origin: &str,
    checkpoint: Option<Head>,
) -> Result<(), LedgerError> {
    let Some(witnessed) = folder.witnessed()? else { return Ok(()) };
    let wrong = |flaw| Err(Problem { segment: 0, offset: 0, leaf: None, flaw }.into());
    if witnessed.checkpoint().origin() != origin {
        return wrong(Flaw::Witnessed);
    }
    let Head { size, root } = Head::of(&witnessed);
    let head = checkpoint.filter(|head| size <= head.size);
    let Some(head) = head.or((size == 0).then_some(Head { size, root })) else {
        let leaves = checkpoint.map_or(0, |head| head.size);
        return wrong(Flaw::WitnessedAhead { leaves, size });
    };
    let tiles = TileReader::open(folder, head.size, head.root);
    let then = tiles.and_then(|mut tiles| tiles.root_at(size)).map_err(LedgerError::Tiles)?;
    if then == root { Ok(()) } else { wrong(Flaw::WitnessedRoot { size }) }
}

/// Compares with the checkpoint once the log is as long as it was, and takes it off the list.
pub(crate) fn settle(
    owed: &mut Option<Head>,
    state: &State,
    segment: u64,
    offset: u64,
) -> Result<(), Trouble> {
    let Some(Head { size, .. }) = *owed else { return Ok(()) };
    let flaw = Flaw::CheckpointRoot { size };
    settle_as(owed, state, Problem { segment, offset, leaf: None, flaw })
}

/// The same, with what is wrong if it does not fit.
pub(crate) fn settle_as(
    owed: &mut Option<Head>,
    state: &State,
    problem: Problem,
) -> Result<(), Trouble> {
    match *owed {
        Some(Head { size, root }) if size <= state.tree.size() => {
            *owed = None;
            let fits = size == state.tree.size() && root == state.tree.root();
            if fits { Ok(()) } else { Err(problem.into()) }
        }
        _ => Ok(()),
    }
}

/// Where reading begins.
struct Start {
    reader: SegmentReader,
    /// Before the first group of that segment.
    state: State,
    /// The last segment with a group.
    last_used: u64,
    /// A later segment would have done, had the key vouched for it.
    is_stale: bool,
}

/// The last segment that begins before leaf `known` and whose snapshot the log's key vouches for; the first of all where there is none, as after
/// another key was taken.
fn find_start(
    disk: &dyn Disk,
    n_segments: u64,
    known: u64,
    signer: &dyn Signer,
) -> Result<Start, Trouble> {
    let first = SegmentReader::open(disk, 0)?;
    let log = first.log;
    let (mut last_used, mut is_stale) = (None, false);
    for number in (1..n_segments).rev() {
        let mut reader = SegmentReader::open(disk, number)?;
        if reader.log != log {
            return Err(reader.problem(0, None, Flaw::Header).into());
        }
        match reader.read_group(BLOCK, None, Depth::Frames, None) {
            Ok(group) => {
                let last_used = *last_used.get_or_insert(number);
                if known < group.head.first {
                    continue;
                }
                if !group.is_vouched(signer, &log) {
                    is_stale = true;
                    continue;
                }
                let problem = reader.problem(BLOCK, None, Flaw::Snapshot);
                let state = group.snapshot.ok_or(problem)?;
                return Ok(Start { reader, state, last_used, is_stale });
            }
            Err(Trouble::Fault { torn: true, .. }) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let state = State::genesis(&log);
    Ok(Start { reader: first, state, last_used: last_used.unwrap_or(0), is_stale })
}

#[cfg(test)]
mod tests;
