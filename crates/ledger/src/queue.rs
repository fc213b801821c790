//! The line in front of the disk: bounded in records and in bytes, closed for good by the first failure.
use crate::options::Options;
use crate::promise::{Pending, Promise, promise};
use crate::record::Record;
use bartizan_core::record::{Draft, RecordError};
use bartizan_core::seal::Sealer;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a group waits for each job that the group before had: large groups are worth a longer wait, because everybody in them shares
/// one sync and one wake-up. A guarded request of 1 KiB comes every 60 us or so to a processor pair that does nothing else; with less
/// patience than that groups shrink to a few records.
const GATHER_US_EACH: u64 = 150;

/// Records that become durable together, and who waits for them.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) records: Vec<Record>,
    /// Bytes of their frames.
    pub(crate) n_bytes: usize,
    pub(crate) promise: Promise,
}

impl Job {
    /// Seals the drafts, whose payloads may have `bytes_max` bytes in all, for a time not before `newest_ms`.
    pub(crate) fn new(
        drafts: Vec<Draft>,
        sealer: &dyn Sealer,
        bytes_max: usize,
        newest_ms: u64,
    ) -> Result<(Self, Pending), RecordError> {
        let bytes = drafts.iter().flat_map(|draft| &draft.payloads).map(|p| p.bytes.len()).sum();
        if bytes_max < bytes {
            return Err(RecordError::TooLarge { bytes, bytes_max });
        }
        let seal = |draft| Record::seal(draft, sealer, newest_ms);
        let records = drafts.into_iter().map(seal).collect::<Result<Vec<_>, _>>()?;
        let n_bytes = records.iter().map(Record::n_bytes).sum();
        let (promise, pending) = promise();
        Ok((Self { records, n_bytes, promise }, pending))
    }
}

#[derive(Debug, Default)]
struct Line {
    jobs: VecDeque<Job>,
    n_records: usize,
    n_bytes: usize,
    closing: bool,
    writer_sleeps: bool,
    /// Jobs in line that wake a sleeping writer.
    n_wanted: usize,
    failure: Option<RecordError>,
}

/// What the writer finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Jobs.
    Jobs,
    /// Nothing, for as long as the writer wanted to wait.
    Idle,
    /// Nothing, and nothing will come.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
    limits: Options,
}

impl Queue {
    pub(crate) fn new(limits: Options) -> Self {
        Self { line: Mutex::new(Line::default()), arrived: Condvar::new(), limits }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job in line.
    pub(crate) fn push(&self, job: Job) -> Result<(), RecordError> {
        let wake = {
            let mut line = self.line();
            if let Some(failure) = &line.failure {
                let failure = failure.clone();
                drop(line);
                // The waiting end is told by the caller.
                drop(job);
                return Err(failure);
            }
            let n_records = line.n_records + job.records.len();
            let n_bytes = line.n_bytes + job.n_bytes;
            let over = self.limits.queue_records_max < n_records
                || self.limits.queue_bytes_max < n_bytes && !line.jobs.is_empty();
            if over {
                return Err(RecordError::Full { limit: self.limits.queue_records_max });
            }
            line.n_records = n_records;
            line.n_bytes = n_bytes;
            line.jobs.push_back(job);
            let enough = line.n_wanted <= line.jobs.len();
            enough && std::mem::take(&mut line.writer_sleeps)
        };
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Moves as many jobs into `batch` as one group may have, waiting for the first one up to `patience`, and then a little for as
    /// many as `n_company`, the jobs of the group before.
    pub(crate) fn take(
        &self,
        batch: &mut Vec<Job>,
        patience: Option<Duration>,
        n_company: usize,
    ) -> Taken {
        let mut line = self.line();
        let mut patient = true;
        line.n_wanted = 1;
        while line.jobs.is_empty() && !line.closing && patient {
            line.writer_sleeps = true;
            line = match patience {
                None => self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    let woken = self.arrived.wait_timeout(line, patience);
                    let (line, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
                    patient = !timeout.timed_out();
                    line
                }
            };
        }
        line = self.gather(line, n_company);
        line.writer_sleeps = false;
        let (mut n_records, mut n_bytes) = (0, 0);
        while let Some(job) = line.jobs.front() {
            n_records += job.records.len();
            let fits = n_records <= self.limits.group_records_max;
            let room = fits && n_bytes < self.limits.group_bytes_max;
            if !batch.is_empty() && !room {
                break;
            }
            n_bytes += job.n_bytes;
            let (job_records, job_bytes) = (job.records.len(), job.n_bytes);
            line.n_records -= job_records;
            line.n_bytes -= job_bytes;
            batch.extend(line.jobs.pop_front());
        }
        match (batch.is_empty(), line.closing) {
            (false, _) => Taken::Jobs,
            (true, true) => Taken::Closed,
            (true, false) => Taken::Idle,
        }
    }

    /// Waits a little for company: whoever was in the last group is likely to come back.
    fn gather<'q>(
        &'q self,
        mut line: MutexGuard<'q, Line>,
        n_company: usize,
    ) -> MutexGuard<'q, Line> {
        let n_company_us = GATHER_US_EACH.saturating_mul(n_company as u64);
        let gather = Duration::from_micros(n_company_us.min(self.limits.gather_us));
        let alone = n_company < 2 || line.jobs.is_empty() || n_company <= line.jobs.len();
        if alone || line.closing || gather.is_zero() {
            return line;
        }
        line.n_wanted = n_company;
        line.writer_sleeps = true;
        let woken = self.arrived.wait_timeout(line, gather);
        let (line, _) = woken.unwrap_or_else(PoisonError::into_inner);
        line
    }

    /// Lets the writer end once the line is empty.
    pub(crate) fn close(&self) {
        self.line().closing = true;
        self.arrived.notify_one();
    }

    /// Turns everybody away from now on, and everybody who waits; the first reason stays.
    pub(crate) fn stop(&self, reason: RecordError) {
        let (jobs, failure) = {
            let mut line = self.line();
            line.n_records = 0;
            line.n_bytes = 0;
            let failure = line.failure.get_or_insert(reason).clone();
            (std::mem::take(&mut line.jobs), failure)
        };
        for job in jobs {
            job.promise.keep(Err(failure.clone()));
        }
    }

    pub(crate) fn failure(&self) -> Option<RecordError> {
        self.line().failure.clone()
    }
}
