//! Denials before any record, counted: one leaf per second, however large the flood.
//!
//! A leaf that the ledger does not take is offered again until it does; what is denied meanwhile is counted into the next one. What is given up
//! when the gateway stops is named in the log, and `bartizan_denied_total` has counted it all along.
use super::Sources;
use bartizan_core::record::{Draft, RecordError, Recorder};
use bartizan_ledger::Tally;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often the counts are looked at; the tally itself keeps the promise of one leaf per second.
const EVERY: Duration = Duration::from_millis(250);
/// How long the last counts are offered for when the gateway stops.
const TALLY_LAST_MAX: Duration = Duration::from_secs(2);

/// How often it is said that denials still cannot be recorded.
const SAY_EVERY: Duration = Duration::from_mins(5);

/// The counts and the task that writes them down.
pub(super) struct TallyTask {
    desk: Desk,
    stop: Arc<Notify>,
    task: JoinHandle<Desk>,
}

/// What was counted, and where it is written down.
#[derive(Clone)]
struct Desk {
    counts: Arc<Mutex<Tally>>,
    recorder: Arc<dyn Recorder>,
    sources: Sources,
    /// Drawn from the counts and not yet taken by the ledger.
    waiting: Option<Draft>,
    /// When it was last said that the ledger takes none.
    said: Option<Instant>,
}

impl TallyTask {
    pub(super) fn start(recorder: Arc<dyn Recorder>, sources: Sources) -> Self {
        let counts = Arc::new(Mutex::new(Tally::new()));
        let desk = Desk { counts, recorder, sources, waiting: None, said: None };
        let stop = Arc::new(Notify::new());
        let task = run(desk.clone(), Arc::clone(&stop));
        Self { desk, stop, task: tokio::spawn(task) }
    }

    /// Takes counts from the data path: a map entry under a lock that nobody holds for long.
    pub(super) fn counter(&self) -> Arc<dyn bartizan_gateway::http::Tally> {
        let counts = Arc::clone(&self.desk.counts);
        Arc::new(move |code: &'static str| lock(&counts).count(code))
    }

    /// Writes down what is left.
    pub(super) async fn stop(self) {
        let Self { desk, stop, task } = self;
        stop.notify_one();
        let desk = task.await.unwrap_or_else(|_| {
            tracing::error!("The task that records denials panicked.");
            desk
        });
        desk.finish().await;
    }
}

async fn run(mut desk: Desk, stop: Arc<Notify>) -> Desk {
    loop {
        tokio::select! {
            () = stop.notified() => return desk,
            () = tokio::time::sleep(EVERY) => {}
        }
        if desk.waiting.is_none() {
            desk.waiting = lock(&desk.counts).draft(&*desk.sources.clock, &*desk.sources.entropy);
        }
        // The next look offers again what was not taken.
        drop(desk.offer().await);
    }
}

impl Desk {
    /// Offers what waits to the ledger; it goes on waiting when the ledger does not take it.
    async fn offer(&mut self) -> Result<(), RecordError> {
        let Some(draft) = self.waiting.clone() else { return Ok(()) };
        let offered = self.recorder.append(draft).await;
        match &offered {
            Ok(_) => {
                self.waiting = None;
                if self.said.take().is_some() {
                    tracing::info!("Denials are recorded again.");
                }
            }
            // A full queue is told by those who are turned away for it.
            Err(RecordError::Full { .. }) => {}
            // It is tried four times a second, and one line tells it all.
            Err(error) if self.is_news(Instant::now()) => {
                tracing::error!(%error, "Denials could not be recorded; they are offered again until they are.");
            }
            Err(_) => {}
        }
        offered.map(|_| ())
    }

    /// Whether it is to be said now that the ledger takes none: once, and then rarely.
    fn is_news(&mut self, now: Instant) -> bool {
        let is_news = self.said.is_none_or(|said| SAY_EVERY <= now.duration_since(said));
        if is_news {
            self.said = Some(now);
        }
        is_news
    }

    /// Writes down what waits and what was counted since, as long as there is hope.
    async fn finish(mut self) {
        let until = Instant::now() + TALLY_LAST_MAX;
        loop {
            if self.waiting.is_none() {
                self.waiting =
                    lock(&self.counts).drain(&*self.sources.clock, &*self.sources.entropy);
            }
            if self.waiting.is_none() {
                return;
            }
            match self.offer().await {
                Ok(()) => {}
                Err(RecordError::Full { .. }) if Instant::now() < until => {
                    tokio::time::sleep(EVERY).await;
                }
                Err(error) => return self.give_up(&error),
            }
        }
    }

    fn give_up(self, error: &RecordError) {
        let later = lock(&self.counts).drain(&*self.sources.clock, &*self.sources.entropy);
        let drafts = self.waiting.into_iter().chain(later);
        let denials: u64 = drafts.filter_map(|draft| draft.leaf.count).sum();
        tracing::error!(denials, %error, "Denials were given up: no leaf counts them.");
    }
}

fn lock(counts: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    // Counting cannot leave the map half changed, so a poisoned lock is still a good one.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::digest::Digest;
    use bartizan_core::record::{Receipt, Recorded};
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    /// Takes nothing for the first so many offers, and then all.
    struct Busy {
        refusals: AtomicU64,
        error: RecordError,
        taken: Mutex<Vec<u64>>,
    }

    impl Recorder for Busy {
        fn append(&self, draft: Draft) -> Recorded {
            let left = self.refusals.load(SeqCst);
            if 0 < left {
                self.refusals.store(left - 1, SeqCst);
                return Box::pin(std::future::ready(Err(self.error.clone())));
            }
            self.taken.lock().unwrap().push(draft.leaf.count.unwrap());
            let receipt = Receipt { index: 0, leaf_hash: Digest([0; 32]) };
            Box::pin(std::future::ready(Ok(receipt)))
        }
        fn append_all(&self, _: Vec<Draft>) -> Recorded {
            unreachable!("a tally is one record")
        }
        fn failure(&self) -> Option<RecordError> {
            None
        }
    }

    #[tokio::test]
    async fn denials_outlive_a_full_queue() {
        let full = RecordError::Full { limit: 1 };
        let stopped = RecordError::Stopped { operation: "sync", reason: "fire".to_owned() };
        let cases = [
            ("room at once", 0, &full, vec![3]),
            ("room later", 3, &full, vec![3]),
            ("no room in time", u64::MAX, &full, vec![]),
            ("stopped", u64::MAX, &stopped, vec![]),
        ];
        for (name, refusals, error, want) in cases {
            let (refusals, taken) = (AtomicU64::new(refusals), Mutex::default());
            let busy = Arc::new(Busy { refusals, error: error.clone(), taken });
            let task = TallyTask::start(busy.clone(), Sources::real());
            let counter = task.counter();
            for code in ["shed", "bad_key", "shed"] {
                counter.denied(code);
            }
            let began = Instant::now();
            task.stop().await;
            assert!(began.elapsed() < TALLY_LAST_MAX * 2, "{name}: it ends");
            assert_eq!(*busy.taken.lock().unwrap(), want, "{name}");
        }
    }

    /// A disk that is full for an hour is a dozen lines, and one when it has room again.
    #[tokio::test]
    async fn what_goes_on_is_said_once_and_then_rarely() {
        let broken = RecordError::Stopped { operation: "write", reason: "no space".to_owned() };
        let busy = Busy { refusals: AtomicU64::new(3), error: broken, taken: Mutex::default() };
        let counts = Arc::new(Mutex::new(Tally::new()));
        lock(&counts).count("shed");
        let (recorder, sources) = (Arc::new(busy), Sources::real());
        let waiting = lock(&counts).drain(&*sources.clock, &*sources.entropy);
        let mut desk = Desk { counts, recorder, sources, waiting, said: None };
        let start = Instant::now();
        let hour = (0..4 * 3600).map(|n| desk.is_news(start + EVERY * n));
        assert_eq!(hour.filter(|is_news| *is_news).count(), 12);
        desk.said = None;
        for is_refused in [true, true, true, false] {
            assert_eq!(desk.offer().await.is_err(), is_refused);
            assert_eq!(desk.said.is_some(), is_refused, "it is told again after it went well");
        }
    }

    /// A draft that was turned away keeps its counts, and later ones are not mixed into it.
    #[tokio::test]
    async fn what_was_turned_away_is_offered_again_while_the_gateway_runs() {
        let (refusals, taken) = (AtomicU64::new(2), Mutex::default());
        let busy = Arc::new(Busy { refusals, error: RecordError::Full { limit: 1 }, taken });
        let task = TallyTask::start(busy.clone(), Sources::real());
        let counter = task.counter();
        counter.denied("shed");
        let began = Instant::now();
        while 0 < busy.refusals.load(SeqCst) {
            assert!(began.elapsed() < Duration::from_secs(20), "nothing was offered");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for code in ["shed", "shed"] {
            counter.denied(code);
        }
        while busy.taken.lock().unwrap().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(20), "nothing was taken");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        task.stop().await;
        assert_eq!(*busy.taken.lock().unwrap(), [1, 2]);
    }
}
