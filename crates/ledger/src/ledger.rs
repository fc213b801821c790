//! The writing end: callers hash, one thread writes, one sync covers everybody who waits.
use crate::cosign::Cosigner;
use crate::format::LogId;
use crate::log_folder::Head;
use crate::newest::Newest;
use crate::options::Options;
use crate::problem::LedgerError;
use crate::publish::Publisher;
use crate::queue::{Job, Queue, Taken};
use crate::record::unwritable;
use crate::recover::{Recovery, find_end};
use crate::remake::remake_tiles;
use crate::store::{Pace, Segments, Store, prepare, stopped};
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_core::record::{Draft, RecordError, Recorded, Recorder};
use bartizan_core::seal::Sealer;
use bartizan_core::sign::Signer;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Chores that may wait for the second thread: one segment, one checkpoint, one look into the letter box, and one to spare.
const CHORES_MAX: usize = 4;
/// Where a segment lasts no longer than this, the next one is made as fast as the disk takes it.
const SEGMENT_US_HURRIED: u64 = 500_000;
/// How long the writer sleeps at least when a checkpoint is due and the second thread has no room for it.
const PATIENCE_MIN: Duration = Duration::from_millis(10);

/// What a ledger works with.
#[derive(Clone)]
pub struct Parts {
    /// The folder of the log, which nobody else writes.
    pub disk: Arc<dyn Disk>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Names a new log.
    pub entropy: Arc<dyn Entropy>,
    /// Seals payloads. Its keys are made durable before what they seal.
    pub sealer: Arc<dyn Sealer>,
    /// Signs checkpoints. Its name is the log's origin.
    pub signer: Arc<dyn Signer>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// A log that is being written. One process at a time: [`crate::FsDisk::lock`] sees to that.
///
/// Dropping it writes what is in line, then a last checkpoint, and returns when both are durable.
pub struct Ledger {
    queue: Arc<Queue>,
    sealer: Arc<dyn Sealer>,
    limits: Options,
    cosigner: Cosigner,
    newest: Newest,
    writer: Option<JoinHandle<()>>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("failure", &self.queue.failure()).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the log in a folder, or makes one; mends what a crash left, and gives every INTENT without an OUTCOME one that
    /// says `interrupted`. Once it is open, every leaf is one that the signer's key stands for, by a signature or by its own mark.
    ///
    /// # Errors
    /// [`LedgerError`]; a damaged log is not touched, nor one that has leaves of somebody else behind its checkpoint, nor one that is shorter
    /// than what witnesses have cosigned.
    pub fn open(parts: Parts, options: Options) -> Result<(Self, Recovery), LedgerError> {
        options.check()?;
        let Parts { disk, clock, entropy, sealer, signer } = parts;
        let (keys, limits) = (Arc::clone(&signer), options.clone());
        let tiles_remade = remake_tiles(&disk, &*signer)?;
        let (mut store, torn_bytes, torn_copy) = match find_end(&disk, &*signer)? {
            None => (Store::create(&*disk, &*entropy, keys, limits)?, 0, None),
            Some(end) => {
                let torn_bytes = end.tail.rest.n_bytes();
                let (store, kept) = Store::resume(&*disk, &*clock, end, keys, limits)?;
                (store, torn_bytes, kept)
            }
        };
        let newest = Newest::new(Arc::clone(&clock));
        newest.seen(store.state().newest_ms);
        let clock_behind_ms = newest.clock_behind_ms();
        let queue = Arc::new(Queue::new(options.clone()));
        let cosigner = Cosigner::default();
        if options.is_silent {
            cosigner.fall_silent();
        }
        // A log that is new has nothing that could be contradicted, and needs its first checkpoint.
        let publisher = Publisher::open(&disk, signer, cosigner.clone())?;
        let mut helper = Helper::start(disk, store.log(), publisher, &options, (&queue, &clock))?;
        let interrupted = store.interrupt(&mut helper, &*clock, &*sealer)?;
        newest.seen(store.state().newest_ms);
        let leaves = store.state().tree.size();
        let recovery =
            Recovery { leaves, torn_bytes, torn_copy, interrupted, clock_behind_ms, tiles_remade };
        if let Some(number) = store.wanted() {
            helper.order(number);
        }
        let keys = Arc::clone(&sealer);
        let line = Arc::clone(&queue);
        let n_leaves = options.checkpoint_leaves;
        let seen = newest.clone();
        let writer =
            Writer { store, helper, queue: line, clock, keys, newest: seen, n_leaves, told: None };
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        let interval_us = options.checkpoint_interval_us;
        let thread = thread.spawn(move || writer.run(interval_us));
        let writer = Some(thread.map_err(LedgerError::disk("start", "the writer's thread"))?);
        Ok((Self { queue, sealer, limits: options, cosigner, newest, writer }, recovery))
    }

    /// The time of the newest leaf, and how far the clock is behind it. The handle does not keep the log open.
    pub fn newest(&self) -> Newest {
        self.newest.clone()
    }

    /// Records nothing more, because of something that the writer cannot see itself. Whoever waits is told why, and so is whoever comes; the first
    /// reason stays.
    pub fn stop(&self, reason: RecordError) {
        self.queue.stop(reason);
    }

    /// Takes cosignatures of witnesses. The handle does not keep the log open.
    pub fn cosigner(&self) -> Cosigner {
        self.cosigner.clone()
    }

    fn enqueue(&self, drafts: Vec<Draft>) -> Recorded {
        let limit = self.limits.group_records_max;
        let job = if drafts.is_empty() {
            Err(unwritable("draft (there is none)"))
        } else if limit < drafts.len() {
            Err(RecordError::Full { limit })
        } else {
            let newest_ms = self.newest.unix_ms();
            Job::new(drafts, &*self.sealer, self.limits.record_bytes_max, newest_ms)
        };
        match job.and_then(|(job, pending)| self.queue.push(job).map(|()| pending)) {
            Ok(pending) => Box::pin(pending),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl Recorder for Ledger {
    fn append(&self, draft: Draft) -> Recorded {
        self.enqueue(vec![draft])
    }

    /// The receipt is that of the last draft; the ones before it have the indexes before it.
    fn append_all(&self, drafts: Vec<Draft>) -> Recorded {
        self.enqueue(drafts)
    }

    fn failure(&self) -> Option<RecordError> {
        self.queue.failure()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic over there was told to everybody who waited; there is nobody left to tell.
            drop(writer.join());
        }
    }
}

struct Writer {
    store: Store,
    helper: Helper,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    keys: Arc<dyn Sealer>,
    newest: Newest,
    /// Leaves after which a checkpoint is due.
    n_leaves: u64,
    /// Size of the log at the last checkpoint, and when that was.
    told: Option<(u64, u64)>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ends, nobody may wait for it for ever.
        let reason = "its thread ended".to_owned();
        self.queue.stop(RecordError::Stopped { operation: "writer", reason });
    }
}

impl Writer {
    fn run(mut self, interval_us: u64) {
        if let Err(error) = self.work(interval_us) {
            self.queue.stop(error);
        }
    }

    fn work(&mut self, interval_us: u64) -> Result<(), RecordError> {
        let mut batch = Vec::new();
        let mut n_company = 0;
        loop {
            let due_us = self.until_checkpoint(interval_us);
            let patience = due_us.map(|us| Duration::from_micros(us).max(PATIENCE_MIN));
            let taken = self.queue.take(&mut batch, patience, n_company);
            n_company = batch.len();
            if let Some(failure) = self.queue.failure() {
                batch.drain(..).for_each(|job| job.promise.keep(Err(failure.clone())));
                return Err(failure);
            }
            match taken {
                Taken::Jobs => self.commit(&mut batch)?,
                Taken::Idle => self.checkpoint(false)?,
                Taken::Closed => return self.finish(),
            }
            if self.until_checkpoint(interval_us) == Some(0) {
                self.checkpoint(false)?;
            }
        }
    }

    fn commit(&mut self, batch: &mut Vec<Job>) -> Result<(), RecordError> {
        // A key that was lost would make what it sealed unreadable for ever.
        let persisted = self.keys.persist().map_err(|error| RecordError::Stopped {
            operation: "write of the key store",
            reason: error.to_string(),
        });
        match persisted.and_then(|()| self.store.commit(&mut self.helper, batch)) {
            Ok(answers) => {
                self.newest.seen(self.store.state().newest_ms);
                batch.drain(..).zip(answers).for_each(|(job, answer)| job.promise.keep(answer));
                Ok(())
            }
            Err(error) => {
                // Closed before anybody is told, so that who is told finds it closed.
                self.queue.stop(error.clone());
                batch.drain(..).for_each(|job| job.promise.keep(Err(error.clone())));
                Err(error)
            }
        }
    }

    /// Microseconds until a checkpoint is due; `None` when there is nothing new to say.
    fn until_checkpoint(&self, interval_us: u64) -> Option<u64> {
        let size = self.store.state().tree.size();
        match self.told {
            Some((told, _)) if told == size => None,
            Some((told, _)) if told + self.n_leaves <= size => Some(0),
            Some((_, at_us)) => {
                Some(interval_us.saturating_sub(self.clock.monotonic_us().saturating_sub(at_us)))
            }
            None => Some(0),
        }
    }

    fn checkpoint(&mut self, last: bool) -> Result<(), RecordError> {
        let tree = &self.store.state().tree;
        let head = Head { size: tree.size(), root: tree.root() };
        if self.helper.checkpoint(head, last)? {
            self.told = Some((head.size, self.clock.monotonic_us()));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), RecordError> {
        self.helper.rest();
        if let Some(failure) = self.queue.failure() {
            return Err(failure);
        }
        self.checkpoint(true)
    }
}

/// What the second thread is told to do.
pub(crate) enum Chore {
    Segment(u64, Pace),
    Checkpoint(Head),
    /// Look into the letter box.
    Cosign,
}

/// Does what no record should wait for: on its own thread, or on the writer's when the order of operations matters.
struct Helper {
    worker: Worker,
    thread: Option<HelperThread>,
}

struct Worker {
    cosigner: Cosigner,
    disk: Arc<dyn Disk>,
    log: LogId,
    segment_bytes: u64,
    /// Lives where the work is done; `None` while the second thread has it, and once that failed.
    publisher: Option<Publisher>,
}

struct HelperThread {
    cosigner: Cosigner,
    chores: SyncSender<Chore>,
    segments: Receiver<Box<dyn DiskFile>>,
    thread: JoinHandle<Option<Publisher>>,
    ordered: Option<u64>,
    /// When that was.
    ordered_us: Option<u64>,
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
}

impl Worker {
    fn work(
        &mut self,
        inbox: &Receiver<Chore>,
        outbox: &SyncSender<Box<dyn DiskFile>>,
    ) -> Result<(), RecordError> {
        for chore in inbox {
            match chore {
                Chore::Segment(number, pace) => {
                    let file = self.prepare(number, pace)?;
                    if outbox.send(file).is_err() {
                        // The writer is gone, and the segment will be found by the next one.
                        return Ok(());
                    }
                }
                Chore::Checkpoint(head) => self.publish(head)?,
                Chore::Cosign => self.cosigner.heard(),
            }
            // Whoever put something in could not ring while the line was full.
            self.cosign()?;
        }
        Ok(())
    }

    fn prepare(&self, number: u64, pace: Pace) -> Result<Box<dyn DiskFile>, RecordError> {
        let file = prepare(&*self.disk, &self.log, number, self.segment_bytes, pace);
        file.map_err(stopped("preparation of a segment"))
    }

    fn publish(&mut self, head: Head) -> Result<(), RecordError> {
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        publisher.publish(head)
    }

    fn cosign(&mut self) -> Result<(), RecordError> {
        self.publisher.as_mut().map_or(Ok(()), Publisher::cosign)
    }
}

impl Helper {
    fn start(
        disk: Arc<dyn Disk>,
        log: LogId,
        publisher: Publisher,
        options: &Options,
        (queue, clock): (&Arc<Queue>, &Arc<dyn Clock>),
    ) -> Result<Self, LedgerError> {
        let cosigner = publisher.cosigner();
        let (segment_bytes, publisher) = (options.segment_bytes, Some(publisher));
        let mut worker = Worker { cosigner: cosigner.clone(), disk, log, segment_bytes, publisher };
        if !options.prepare_ahead {
            return Ok(Self { worker, thread: None });
        }
        let (chores, inbox) = sync_channel(CHORES_MAX);
        let (outbox, segments) = sync_channel(1);
        let here = Worker {
            cosigner: cosigner.clone(),
            disk: Arc::clone(&worker.disk),
            publisher: None,
            ..worker
        };
        let stop = Arc::clone(queue);
        let thread = std::thread::Builder::new().name("ledger-helper".to_owned());
        let thread = thread.spawn(move || match worker.work(&inbox, &outbox) {
            Ok(()) => worker.publisher,
            Err(error) => {
                stop.stop(error);
                None
            }
        });
        let thread = thread.map_err(LedgerError::disk("start", "the helper's thread"))?;
        cosigner.connect(chores.clone());
        let (queue, clock) = (Arc::clone(queue), Arc::clone(clock));
        let (ordered, ordered_us) = (None, None);
        let thread =
            HelperThread { cosigner, chores, segments, thread, ordered, ordered_us, clock, queue };
        let thread = Some(thread);
        Ok(Self { worker: here, thread })
    }

    /// Whether the checkpoint will be written; not when the second thread is busy. The last one is written here and now.
    fn checkpoint(&mut self, head: Head, last: bool) -> Result<bool, RecordError> {
        match &self.thread {
            Some(thread) if !last => Ok(thread.chores.try_send(Chore::Checkpoint(head)).is_ok()),
            _ => {
                self.worker.publish(head)?;
                self.worker.cosign().map(|()| true)
            }
        }
    }

    /// Lets the second thread finish what it was told, and ends it.
    fn rest(&mut self) {
        if let Some(HelperThread { cosigner, chores, segments, thread, .. }) = self.thread.take() {
            cosigner.disconnect();
            drop((chores, segments));
            // It told the queue why it failed, if it did.
            self.worker.publisher = thread.join().ok().flatten();
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Segments for Helper {
    fn order(&mut self, number: u64) {
        if let Some(thread) = &mut self.thread
            && thread.ordered < Some(number)
        {
            let now_us = thread.clock.monotonic_us();
            let is_soon = |then_us: u64| now_us.saturating_sub(then_us) < SEGMENT_US_HURRIED;
            let is_hurried = thread.ordered_us.is_some_and(is_soon);
            let pace = if is_hurried { Pace::Hurried } else { Pace::Considerate };
            if thread.chores.send(Chore::Segment(number, pace)).is_ok() {
                (thread.ordered, thread.ordered_us) = (Some(number), Some(now_us));
            }
        }
    }

    fn take(&mut self, number: u64) -> Result<Box<dyn DiskFile>, RecordError> {
        self.order(number);
        let Some(thread) = &self.thread else {
            return self.worker.prepare(number, Pace::Hurried);
        };
        thread.segments.recv().map_err(|_| {
            let reason = "its thread ended".to_owned();
            let gone = RecordError::Stopped { operation: "preparation of a segment", reason };
            thread.queue.failure().unwrap_or(gone)
        })
    }
}
