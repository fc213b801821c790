//! Everything again from the bytes: frames, hashes, roots, chain, pairing, checkpoint.
use crate::checkpoint::Checkpoint;
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::recover::settle;
use crate::segment::Depth;
use crate::state::State;
use crate::walk::{Step, Walk};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use std::sync::Arc;

/// What an honest reader can say about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Whether nothing is wrong.
    pub verified: bool,
    /// Leaves that were checked, up to the first problem.
    pub leaves: u64,
    /// The Merkle root over them.
    pub root: Digest,
    /// INTENTs among them without an OUTCOME: exchanges that are under way, or were when the process died.
    pub open: u64,
    /// Leaves that the checkpoint stands for, where there is one. Without it nobody can tell whether the end was cut off.
    pub checkpoint: Option<u64>,
    /// Bytes behind the end that belong to no whole group: a write under way, or one that a crash tore.
    pub unfinished_bytes: u64,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
}

pub(crate) fn verify(
    disk: &Arc<dyn Disk>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verification, LedgerError> {
    let mut report = Verification {
        verified: false,
        leaves: 0,
        root: crate::merkle::sha256(&[]),
        open: 0,
        checkpoint: None,
        unfinished_bytes: 0,
        problem: None,
    };
    match check(disk, &mut report, progress) {
        Ok(()) => report.verified = true,
        Err(Trouble::Fault { problem, .. }) => report.problem = Some(problem),
        Err(Trouble::Disk(error)) => return Err(error),
    }
    Ok(report)
}

fn check(
    disk: &Arc<dyn Disk>,
    report: &mut Verification,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Trouble> {
    let mut walk = Walk::new(Arc::clone(disk), Depth::Payloads)?;
    let mut state = State::genesis(&walk.log());
    // Read before the log is, so that a log that grows meanwhile is not behind it.
    let mut owed = Checkpoint::read(&**disk, &walk.log())?;
    report.checkpoint = owed.map(|checkpoint| checkpoint.size);
    let (mut segment, mut offset) = (0, 0);
    loop {
        settle(&mut owed, &state, segment, offset)?;
        match walk.step(None)? {
            Step::Group(group) => {
                (segment, offset) = (group.segment, group.end);
                state.follow(&group).map_err(|(offset, leaf, flaw)| {
                    Trouble::from(Problem { segment, offset, leaf, flaw })
                })?;
                report.leaves = state.tree.size();
                report.root = state.tree.root();
                report.open = state.open.len() as u64;
                progress(report.leaves);
            }
            Step::End(tail) => {
                report.unfinished_bytes = tail.n_bytes;
                let Some(Checkpoint { size, .. }) = owed else { return Ok(()) };
                let flaw = if tail.n_bytes == 0 {
                    Flaw::Cut { leaves: report.leaves, size }
                } else {
                    tail.problem.flaw
                };
                return Err(Problem { flaw, ..tail.problem }.into());
            }
        }
    }
}
