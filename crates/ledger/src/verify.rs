//! Everything again from the bytes: frames, hashes, roots, chain, pairing, tiles, checkpoint.
//!
//! What counts: every byte of a segment up to the end of the last whole group, every tile and bundle that the checkpoint stands for, those of earlier
//! checkpoints that still lie there (each is the beginning of the present one in its place), and the checkpoint. What is noise, and is passed
//! over: files with other names; tiles and bundles of more leaves than the checkpoint has (a crash leaves some, and the next start takes them away);
//! the unused ends of segments, of which [`Verification::unfinished_bytes`] tells, because a write that was cut off looks like that.
//!
//! Leaves behind the checkpoint have no signature yet. Whoever holds the log's key is told whether they are his own; everybody else is told how
//! many there are, and that nobody can vouch for them.
//!
//! What nobody can see in the folder alone: leaves that were cut off behind the checkpoint, and an older copy of the whole folder in place of
//! the newer one. Both show to whoever has seen a later checkpoint: a witness, or an auditor who kept one.
use crate::log_folder::{Head, LogFolder};
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::publish::TileCheck;
use crate::reader::Entry;
use crate::recover::{check_voucher, settle, settle_as};
use crate::segment::Depth;
use crate::state::State;
use crate::tlog::{NoteError, SignedCheckpoint, VerifierKey};
use crate::walk::{Step, Walk};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::sign::Signer;
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
    /// Leaves that the checkpoint stands for. Only a log without leaves may lack it.
    pub checkpoint: Option<u64>,
    /// The Merkle root that it says they have.
    pub checkpoint_root: Option<Digest>,
    /// Names of the trusted keys that have signed that checkpoint.
    pub signed_by: Vec<String>,
    /// Leaves behind the checkpoint, which no signature covers yet.
    pub unsigned_leaves: u64,
    /// Whether the holder of the log's key knows all of these for his own. Without the key nobody can say.
    pub unsigned_vouched: bool,
    /// Bytes behind the end that belong to no whole group: a write under way, or one that a crash tore.
    pub unfinished_bytes: u64,
    /// Whether a valid commit mark stands among them: the group was written to its end, and a power cut or a flipped bit has damaged it.
    pub unfinished_marked: bool,
    /// Whether time went back from one leaf to a later one. That makes nothing wrong: whoever wrote it had a clock that was corrected, or worse.
    pub time_back: Option<TimeBack>,
    /// The first thing that is wrong.
    pub problem: Option<Problem>,
}

/// How far leaves may be behind an earlier one: requests that end at the same time are not written in order, and clocks are corrected a little all day.
const TIME_BACK_MS: u64 = 120_000;

/// Leaves whose time is before that of an earlier one, by more than two minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBack {
    /// Index of the first one.
    pub first: u64,
    /// How many.
    pub leaves: u64,
    /// The furthest that one is behind, in milliseconds.
    pub most_ms: u64,
}

/// Follows the time of the leaves.
#[derive(Default)]
struct Times {
    newest_ms: u64,
    back: Option<TimeBack>,
}

impl Times {
    fn follow(&mut self, entries: &[Entry]) -> Option<TimeBack> {
        for Entry { index, leaf, .. } in entries {
            let behind_ms = self.newest_ms.saturating_sub(leaf.unix_ms);
            self.newest_ms = self.newest_ms.max(leaf.unix_ms);
            if TIME_BACK_MS < behind_ms {
                let none = TimeBack { first: *index, leaves: 0, most_ms: 0 };
                let back = self.back.get_or_insert(none);
                back.leaves += 1;
                back.most_ms = back.most_ms.max(behind_ms);
            }
        }
        self.back
    }
}

/// Keys of the log, as far as a reader trusts them.
#[derive(Clone, Copy)]
pub(crate) struct Known<'k> {
    /// One of these must have signed the checkpoint, if there are any.
    pub(crate) now: &'k [VerifierKey],
    /// Those before them, which may have signed what witnesses cosigned then.
    pub(crate) former: &'k [VerifierKey],
}

pub(crate) fn verify(
    disk: &Arc<dyn Disk>,
    keys: Known<'_>,
    signer: Option<&dyn Signer>,
    seen: &mut dyn FnMut(Vec<Entry>),
) -> Result<Verification, LedgerError> {
    let mut report = Verification {
        verified: false,
        leaves: 0,
        root: crate::merkle::sha256(&[]),
        open: 0,
        checkpoint: None,
        checkpoint_root: None,
        signed_by: Vec::new(),
        unsigned_leaves: 0,
        unsigned_vouched: false,
        unfinished_bytes: 0,
        unfinished_marked: false,
        time_back: None,
        problem: None,
    };
    match check(disk, keys, signer, &mut report, seen) {
        Ok(()) => report.verified = true,
        Err(Trouble::Fault { problem, .. }) => report.problem = Some(problem),
        Err(Trouble::Disk(error)) => return Err(error),
    }
    Ok(report)
}

fn check(
    disk: &Arc<dyn Disk>,
    keys: Known<'_>,
    signer: Option<&dyn Signer>,
    report: &mut Verification,
    seen: &mut dyn FnMut(Vec<Entry>),
) -> Result<(), Trouble> {
    let mut walk = Walk::new(Arc::clone(disk), Depth::Payloads)?;
    let mut state = State::genesis(&walk.log());
    // Read before the log is, so that a log that grows meanwhile is not behind it; the witnessed one first, for the same reason.
    let mut witnessed = read_witnessed(&**disk, keys)?;
    let (mut owed, mut tiles) = read_checkpoint(&**disk, keys.now, report)?.unzip();
    let had_checkpoint = owed.is_some();
    let (log, known) = (walk.log(), owed.map_or(0, |head| head.size));
    if let Some(Head { size, .. }) = witnessed.filter(|head| had_checkpoint && known < head.size) {
        let flaw = Flaw::WitnessedAhead { leaves: known, size };
        return Err(Problem { segment: 0, offset: 0, leaf: None, flaw }.into());
    }
    let (mut segment, mut offset, mut clock) = (0, 0, Times::default());
    loop {
        settle(&mut owed, &state, segment, offset)?;
        if let Some(Head { size, .. }) = witnessed {
            let flaw = Flaw::WitnessedRoot { size };
            settle_as(&mut witnessed, &state, Problem { segment, offset, leaf: None, flaw })?;
        }
        let mut entries = Vec::new();
        match walk.step(Some(&mut entries))? {
            Step::Group(group) => {
                (segment, offset) = (group.segment, group.end);
                if let Some(signer) = signer {
                    check_voucher(&group, known, &log, signer)?;
                }
                let followed = state.follow(&group);
                // Before what does not fit is told: a published tile may say which leaf it is, or that it was an earlier one.
                check_tiles(tiles.as_mut(), &entries)?;
                followed.map_err(|(offset, leaf, flaw)| {
                    let changed = tiles.as_ref().and_then(TileCheck::before_cut);
                    changed.unwrap_or(Problem { segment, offset, leaf, flaw })
                })?;
                report.leaves = state.tree.size();
                report.time_back = clock.follow(&entries);
                report.root = state.tree.root();
                report.open = state.open.len() as u64;
                report.unsigned_leaves = report.leaves.saturating_sub(known);
                seen(entries);
            }
            Step::End(tail) => {
                report.unfinished_bytes = tail.rest.n_bytes();
                report.unfinished_marked = tail.rest.is_marked;
                report.unsigned_vouched = signer.is_some();
                // A log that began a moment ago may have got its checkpoint since.
                if !had_checkpoint && 0 < report.leaves && find_checkpoint(&**disk)?.is_none() {
                    let flaw = Flaw::CheckpointMissing;
                    return Err(Problem { segment, offset, leaf: None, flaw }.into());
                }
                let Some(Head { size, .. }) = owed else { return Ok(()) };
                if let Some(problem) = tiles.as_ref().and_then(TileCheck::before_cut) {
                    return Err(problem.into());
                }
                return Err(tail.cut(report.leaves, size).into());
            }
        }
    }
}

/// The checkpoint, whose signatures are checked as far as keys are known, and a check of the files that it stands for.
fn read_checkpoint(
    disk: &dyn Disk,
    keys: &[VerifierKey],
    report: &mut Verification,
) -> Result<Option<(Head, TileCheck)>, Trouble> {
    let Some((folder, checkpoint)) = find_checkpoint(disk)? else { return Ok(None) };
    let wrong = |flaw| Trouble::from(Problem { segment: 0, offset: 0, leaf: None, flaw });
    if !keys.is_empty() {
        let signed = checkpoint.verify(keys).map_err(|error| match error {
            NoteError::NoKnownKey => wrong(Flaw::CheckpointUnsigned),
            _ => wrong(Flaw::Checkpoint),
        })?;
        report.signed_by = signed.iter().map(|signed| signed.key.name().to_owned()).collect();
    }
    let head = Head::of(&checkpoint);
    (report.checkpoint, report.checkpoint_root) = (Some(head.size), Some(head.root));
    Ok(Some((head, TileCheck::new(folder, head))))
}

/// The newest checkpoint that witnesses have cosigned, with the log's signature as far as keys are known. Whoever knows keys of witnesses, too, is
/// told of a cosignature that does not hold; how many are enough is for a policy to say.
fn read_witnessed(disk: &dyn Disk, keys: Known<'_>) -> Result<Option<Head>, Trouble> {
    let wrong = |flaw| Trouble::from(Problem { segment: 0, offset: 0, leaf: None, flaw });
    let opened = LogFolder::find(disk).map_err(LedgerError::disk("open", "log"));
    let Some(folder) = opened.map_err(Trouble::Disk)? else { return Ok(None) };
    let Some(witnessed) = folder.witnessed()? else { return Ok(None) };
    let origin = witnessed.checkpoint().origin();
    if folder.checkpoint()?.is_some_and(|own| own.checkpoint().origin() != origin) {
        return Err(wrong(Flaw::Witnessed));
    }
    let known = [keys.now, keys.former].concat();
    if !keys.now.is_empty() {
        let signed = witnessed.verify(&known).map_err(|error| match error {
            NoteError::NoKnownKey => wrong(Flaw::WitnessedUnsigned),
            _ => wrong(Flaw::Witnessed),
        })?;
        if signed.iter().all(|signed| signed.key.name() != origin) {
            return Err(wrong(Flaw::WitnessedUnsigned));
        }
    }
    Ok(Some(Head::of(&witnessed)))
}

fn find_checkpoint(disk: &dyn Disk) -> Result<Option<(LogFolder, SignedCheckpoint)>, Trouble> {
    let opened = LogFolder::find(disk).map_err(LedgerError::disk("open", "log"));
    let Some(folder) = opened.map_err(Trouble::Disk)? else { return Ok(None) };
    Ok(folder.checkpoint()?.map(|checkpoint| (folder, checkpoint)))
}

fn check_tiles(tiles: Option<&mut TileCheck>, entries: &[Entry]) -> Result<(), Trouble> {
    let Some(tiles) = tiles else { return Ok(()) };
    Ok(entries.iter().try_for_each(|entry| tiles.leaf(entry))?)
}
