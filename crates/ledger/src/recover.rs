//! Finding the end of a log that may have been cut off anywhere, without changing a byte of it.
use crate::format::{BLOCK, LogId};
use crate::log_folder::{Head, LogFolder};
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::publish::own_checkpoint;
use crate::segment::{Depth, SegmentReader};
use crate::state::State;
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
    /// OUTCOMEs that were appended for INTENTs that had none.
    pub interrupted: u64,
}

/// The end of a log.
pub(crate) struct End {
    pub(crate) log: LogId,
    pub(crate) state: State,
    pub(crate) n_segments: u64,
    pub(crate) tail: Tail,
    /// Where the last group stands, if it is in the last segment.
    pub(crate) last: Option<Range<u64>>,
}

/// Reads the last segment that has a group; `None` when there is no log.
pub(crate) fn find_end(
    disk: &Arc<dyn Disk>,
    signer: &dyn Signer,
) -> Result<Option<End>, LedgerError> {
    let n_segments = count_segments(&**disk)?;
    if n_segments == 0 {
        return Ok(None);
    }
    let (reader, mut state) = find_start(&**disk, n_segments)?;
    let log = reader.log;
    let folder = LogFolder::find(&**disk).map_err(LedgerError::disk("open", "log"))?;
    let checkpoint = match &folder {
        Some(folder) => own_checkpoint(folder, signer)?.as_ref().map(Head::of),
        None => None,
    };
    // What lies before this segment is not read again here; `verify` does that.
    let mut owed = checkpoint.filter(|checkpoint| state.tree.size() <= checkpoint.size);
    let mut last = None;
    let mut walk = Walk::from(Arc::clone(disk), Depth::Frames, reader, state.number);
    loop {
        settle(&mut owed, &state, 0, BLOCK)?;
        match walk.step(None)? {
            Step::Group(group) => {
                last = Some(group.start..group.end);
                let segment = group.segment;
                state.follow(&group).map_err(|(offset, leaf, flaw)| {
                    LedgerError::from(Problem { segment, offset, leaf, flaw })
                })?;
            }
            Step::End(tail) => {
                if let Some(Head { size, .. }) = owed {
                    let flaw = Flaw::Cut { leaves: state.tree.size(), size };
                    let (segment, offset) = (tail.segment, tail.offset);
                    return Err(Problem { segment, offset, leaf: None, flaw }.into());
                }
                return Ok(Some(End { log, state, n_segments, tail, last }));
            }
        }
    }
}

/// Compares with the checkpoint once the log is as long as it was, and takes it off the list.
pub(crate) fn settle(
    owed: &mut Option<Head>,
    state: &State,
    segment: u64,
    offset: u64,
) -> Result<(), Trouble> {
    match *owed {
        Some(Head { size, root }) if size <= state.tree.size() => {
            *owed = None;
            if size == state.tree.size() && root == state.tree.root() {
                return Ok(());
            }
            let flaw = Flaw::CheckpointRoot { size };
            Err(Problem { segment, offset, leaf: None, flaw }.into())
        }
        _ => Ok(()),
    }
}

/// The last segment whose first group is whole, and the state before that group.
fn find_start(disk: &dyn Disk, n_segments: u64) -> Result<(SegmentReader, State), Trouble> {
    let first = SegmentReader::open(disk, 0)?;
    for number in (0..n_segments).rev() {
        let mut reader = SegmentReader::open(disk, number)?;
        if reader.log != first.log {
            return Err(reader.problem(0, None, Flaw::Header).into());
        }
        match reader.read_group(BLOCK, None, Depth::Frames, None) {
            Ok(group) => {
                let problem = reader.problem(BLOCK, None, Flaw::Snapshot);
                return Ok((reader, group.snapshot.ok_or(problem)?));
            }
            Err(Trouble::Fault { torn: true, .. }) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let state = State::genesis(&first.log);
    Ok((first, state))
}
