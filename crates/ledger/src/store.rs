//! The files behind the writer: one group after the other, one sync each.
use crate::format::{BLOCK, GroupHead, LogId, encode_head, segment_name, unready_name};
use crate::group::{Place, build, group_bytes};
use crate::options::Options;
use crate::problem::{Flaw, LedgerError};
use crate::queue::Job;
use crate::record::unwritable;
use crate::recover::End;
use crate::segment::used_bytes;
use crate::state::State;
use crate::torn::{self, TornCopy};
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_core::record::{Draft, Leaf, Outcome, Receipt, RecordError, RecordId, RecordKind};
use bartizan_core::seal::Sealer;
use bartizan_core::sign::Signer;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Zeros that the disk is given at a time. Records are synced on the same disk meanwhile, and each waits for no more than this: given all
/// zeros of a segment at once, a disk keeps a hundredth of the records of a busy gateway waiting for milliseconds.
const ZEROS_BYTES: u64 = 128 << 10;

/// How a segment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// In small pieces: records that are synced meanwhile wait for no more than one.
    Considerate,
    /// As fast as the disk takes it: nobody is waiting, or everybody is.
    Hurried,
}

/// Where the next segment comes from.
pub(crate) trait Segments: Send {
    /// Asks for a segment that will be needed soon.
    fn order(&mut self, number: u64);
    /// Takes a segment, waiting for it if need be.
    fn take(&mut self, number: u64) -> Result<Box<dyn DiskFile>, RecordError>;
}

pub(crate) struct Store {
    log: LogId,
    state: State,
    segment: u64,
    file: Box<dyn DiskFile>,
    /// Where the next group goes.
    offset: u64,
    /// Segments that recovery found behind the last one, ready for use.
    spare: VecDeque<Box<dyn DiskFile>>,
    buffer: Vec<u8>,
    /// Vouches for every group.
    signer: Arc<dyn Signer>,
    /// The next group begins a segment, also where this one has room.
    is_stale: bool,
    limits: Options,
}

/// Turns an error of the disk into the end of recording.
pub(crate) fn stopped(operation: &'static str) -> impl Fn(io::Error) -> RecordError {
    move |error| RecordError::Stopped { operation, reason: error.to_string() }
}

/// Makes a segment: its header and zeros, durable under its name. Under another name until it is whole, so that a file
/// with a segment's name always has a header.
pub(crate) fn prepare(
    disk: &dyn Disk,
    log: &LogId,
    number: u64,
    bytes: u64,
    pace: Pace,
) -> io::Result<Box<dyn DiskFile>> {
    let name = unready_name(number);
    let mut file = disk.open(&name, true)?;
    file.set_len(0)?;
    file.write_at(&encode_head(log, number), 0)?;
    fill_zeros(&mut *file, BLOCK, bytes, pace)?;
    file.sync_data()?;
    disk.rename(&name, &segment_name(number))?;
    disk.sync_dir()?;
    Ok(file)
}

fn fill_zeros(file: &mut dyn DiskFile, start: u64, end: u64, pace: Pace) -> io::Result<()> {
    let n_bytes = usize::try_from(end.saturating_sub(start).min(ZEROS_BYTES)).unwrap_or(0);
    let zeros = vec![0; n_bytes];
    let mut at = start;
    while at < end {
        let n_bytes = usize::try_from(end - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_at(zeros.get(..n_bytes).unwrap_or_default(), at)?;
        if pace == Pace::Considerate {
            file.write_out()?;
        }
        at += n_bytes as u64;
    }
    Ok(())
}

impl Store {
    /// Makes a new log.
    pub(crate) fn create(
        disk: &dyn Disk,
        entropy: &dyn Entropy,
        signer: Arc<dyn Signer>,
        limits: Options,
    ) -> Result<Self, LedgerError> {
        let mut log = [0; 16];
        entropy.fill(&mut log);
        let file = prepare(disk, &log, 0, limits.segment_bytes, Pace::Hurried);
        let file = file.map_err(LedgerError::disk("create", segment_name(0)))?;
        let state = State::genesis(&log);
        let (spare, buffer) = (VecDeque::new(), Vec::new());
        let (segment, offset, is_stale) = (0, BLOCK, false);
        Ok(Self { log, state, segment, file, offset, spare, buffer, signer, is_stale, limits })
    }

    /// Goes on where a log ended. What may be in the cache only, because a sync of the process before failed or never
    /// came, is written again and synced; what was torn is replaced by zeros, once there is a copy of it. Names that may be in the cache only are
    /// made durable before, that of the copies' folder among them.
    pub(crate) fn resume(
        disk: &dyn Disk,
        clock: &dyn Clock,
        end: End,
        signer: Arc<dyn Signer>,
        limits: Options,
    ) -> Result<(Self, Option<TornCopy>), LedgerError> {
        let End { log, state, n_segments, tail, last, is_stale } = end;
        let name = segment_name(tail.segment);
        let kept = torn::keep(disk, &tail.rest, clock.unix_ms());
        let kept =
            kept.map_err(LedgerError::disk("keep a copy of torn bytes in", torn::TORN_FOLDER))?;
        disk.sync_dir().map_err(LedgerError::disk("sync", "the folder"))?;
        let open = |number| {
            let name = segment_name(number);
            disk.open(&name, false).map_err(LedgerError::disk("open", name))
        };
        let mut file = open(tail.segment)?;
        let mended = mend(&mut *file, &encode_head(&log, tail.segment), last, tail.offset);
        mended.map_err(LedgerError::disk("repair", name))?;
        let mut spare = VecDeque::new();
        for number in tail.segment + 1..n_segments {
            let mut file = open(number)?;
            let mended = mend(&mut *file, &encode_head(&log, number), None, BLOCK);
            mended.map_err(LedgerError::disk("repair", segment_name(number)))?;
            spare.push_back(file);
        }
        let (segment, offset, buffer) = (tail.segment, tail.offset, Vec::new());
        let store =
            Self { log, state, segment, file, offset, spare, buffer, signer, is_stale, limits };
        Ok((store, kept))
    }

    pub(crate) fn log(&self) -> LogId {
        self.log
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// The number of the segment that should be made ready now, if any.
    pub(crate) fn wanted(&self) -> Option<u64> {
        self.spare.is_empty().then_some(self.segment + 1)
    }

    /// Gives every INTENT that is open an OUTCOME.
    pub(crate) fn interrupt(
        &mut self,
        segments: &mut dyn Segments,
        clock: &dyn Clock,
        sealer: &dyn Sealer,
    ) -> Result<u64, RecordError> {
        let open: Vec<RecordId> = self.state.open.iter().copied().collect();
        for records in open.chunks(self.limits.group_records_max) {
            let outcome = |&record: &RecordId| {
                let mut leaf = Leaf::new(record, RecordKind::Outcome, clock.unix_ms());
                leaf.outcome = Some(Outcome::Interrupted);
                Draft::new(leaf, Vec::new())
            };
            let (job, _receipt) = Job::new(records.iter().map(outcome).collect(), sealer, 0, 0)?;
            self.commit(segments, &[job])?;
        }
        Ok(open.len() as u64)
    }

    /// Writes what waits as one group and syncs it: for each job, its receipt or why it was turned away. An error ends all recording.
    pub(crate) fn commit(
        &mut self,
        segments: &mut dyn Segments,
        jobs: &[Job],
    ) -> Result<Vec<Result<Receipt, RecordError>>, RecordError> {
        let bytes_max = jobs.iter().map(|job| job.n_bytes).sum();
        let n_bytes = group_bytes(None, bytes_max) as u64;
        let is_full = self.is_stale || self.limits.segment_bytes < self.offset + n_bytes;
        if self.offset != BLOCK && is_full {
            self.roll(segments)?;
            self.is_stale = false;
        }
        let snapshot = (self.offset == BLOCK).then(|| self.state.encode());
        let first = self.state.tree.size();
        let admitted: Vec<_> = jobs.iter().map(|job| self.admit(job)).collect();
        let accepted = || {
            let whole = jobs.iter().zip(&admitted).filter(|(_, admitted)| admitted.is_ok());
            whole.map(|(job, _)| job)
        };
        let n_leaves = self.state.tree.size() - first;
        if n_leaves == 0 {
            return Ok(admitted);
        }
        let n_bytes = group_bytes(snapshot.as_deref(), accepted().map(|job| job.n_bytes).sum());
        let head = GroupHead {
            number: self.state.number,
            first,
            n_leaves: u32::try_from(n_leaves).unwrap_or(u32::MAX),
            n_bytes: u32::try_from(n_bytes).unwrap_or(u32::MAX),
        };
        let place = Place { log: &self.log, segment: self.segment, start: self.offset };
        let records = accepted().flat_map(|job| &job.records);
        let ends = (self.state.tree.root(), &self.state.chain);
        let (snapshot, signer) = (snapshot.as_deref(), &*self.signer);
        let mark = build(&mut self.buffer, place, head, snapshot, records, ends, signer);
        assert!(self.buffer.len() == n_bytes, "a group has the length that it says it has");
        self.file.write_at(&self.buffer, self.offset).map_err(stopped("write"))?;
        self.file.sync_data().map_err(stopped("sync"))?;
        self.offset += n_bytes as u64;
        self.state.chain = mark.chain;
        self.state.number += 1;
        self.buffer.clear();
        self.buffer.shrink_to(2 * self.limits.group_bytes_max);
        Ok(admitted)
    }

    /// Takes a job's leaves into the state, all or none.
    fn admit(&mut self, job: &Job) -> Result<Receipt, RecordError> {
        let limit = self.limits.open_records_max;
        for (n_done, record) in job.records.iter().enumerate() {
            let full = record.kind == RecordKind::Intent && limit <= self.state.open.len();
            let pairing =
                if full { Err(Flaw::OpenTooMany) } else { self.state.pair(record.id, record.kind) };
            if let Err(flaw) = pairing {
                for undone in job.records.iter().take(n_done).rev() {
                    match undone.kind {
                        RecordKind::Intent => self.state.open.remove(&undone.id),
                        RecordKind::Outcome => self.state.open.insert(undone.id),
                        _ => true,
                    };
                }
                return Err(match flaw {
                    Flaw::OpenTooMany => RecordError::Full { limit },
                    Flaw::IntentTwice { .. } => unwritable("intent (its record is open already)"),
                    _ => unwritable("outcome (its record has no open intent)"),
                });
            }
        }
        let mut receipt = Err(unwritable("draft (there is none)"));
        for record in &job.records {
            receipt = Ok(Receipt { index: self.state.tree.size(), leaf_hash: record.hash });
            self.state.tree.append(record.hash);
            self.state.newest_ms = self.state.newest_ms.max(record.unix_ms);
        }
        receipt
    }

    fn roll(&mut self, segments: &mut dyn Segments) -> Result<(), RecordError> {
        let number = self.segment + 1;
        self.file = match self.spare.pop_front() {
            Some(file) => file,
            None => segments.take(number)?,
        };
        self.segment = number;
        self.offset = BLOCK;
        if let Some(wanted) = self.wanted() {
            segments.order(wanted);
        }
        Ok(())
    }
}

/// Writes again what may never have reached the device, and zeros over what is torn.
fn mend(
    file: &mut dyn DiskFile,
    head: &[u8],
    last: Option<std::ops::Range<u64>>,
    end: u64,
) -> io::Result<()> {
    file.write_at(head, 0)?;
    if let Some(last) = last {
        let mut bytes = vec![0; 64 << 10];
        let mut at = last.start;
        while at < last.end {
            let n_want = usize::try_from(last.end - at).unwrap_or(usize::MAX).min(bytes.len());
            let n_read = file.read_at(bytes.get_mut(..n_want).unwrap_or_default(), at)?;
            if n_read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_at(bytes.get(..n_read).unwrap_or_default(), at)?;
            at += n_read as u64;
        }
    }
    let len = file.len()?;
    zero_used(file, end, len)?;
    file.sync_data()
}

/// Zeros every block from `start` on that is not zero.
pub(crate) fn zero_used(file: &mut dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    let mut at = start;
    while at < end {
        let n_read = file.read_at(&mut bytes, at)?;
        let piece = bytes.get(..n_read).unwrap_or_default();
        if n_read == 0 {
            break;
        }
        let n_used = used_bytes(piece);
        if 0 < n_used {
            file.write_at(&vec![0; n_used], at)?;
        }
        at += n_read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Notes the most bytes that the disk was given at a time.
    #[derive(Clone, Default)]
    struct Scales(Arc<Mutex<(u64, u64)>>);

    impl DiskFile for Scales {
        fn len(&self) -> io::Result<u64> {
            Ok(0)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }

        fn write_at(&mut self, bytes: &[u8], _: u64) -> io::Result<()> {
            self.0.lock().unwrap().0 += bytes.len() as u64;
            Ok(())
        }

        fn sync_data(&mut self) -> io::Result<()> {
            self.write_out()
        }

        fn write_out(&mut self) -> io::Result<()> {
            let mut scales = self.0.lock().unwrap();
            let waiting = std::mem::take(&mut scales.0);
            scales.1 = scales.1.max(waiting);
            Ok(())
        }

        fn set_len(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn zeros_come_in_pieces_that_records_can_wait_for() {
        for (end, most) in [(BLOCK, 0), (5 * BLOCK, 4 * BLOCK), (8 << 20, ZEROS_BYTES)] {
            let mut scales = Scales::default();
            fill_zeros(&mut scales, BLOCK, end, Pace::Considerate).unwrap();
            assert_eq!(*scales.0.lock().unwrap(), (0, most), "up to {end}");
            let mut scales = Scales::default();
            fill_zeros(&mut scales, BLOCK, end, Pace::Hurried).unwrap();
            assert_eq!(*scales.0.lock().unwrap(), (end - BLOCK, 0), "up to {end}, in a hurry");
        }
    }
}
