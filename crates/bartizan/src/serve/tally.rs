//! Denials before any record, counted: one leaf per second, however large the flood.
use super::Sources;
use bartizan_core::record::{Draft, Recorder};
use bartizan_ledger::Tally;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often the counts are looked at; the tally itself keeps the promise of one leaf per second.
const EVERY: Duration = Duration::from_millis(250);

/// The counts and the task that writes them down.
pub(super) struct TallyTask {
    counts: Arc<Mutex<Tally>>,
    recorder: Arc<dyn Recorder>,
    sources: Sources,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl TallyTask {
    pub(super) fn start(recorder: Arc<dyn Recorder>, sources: Sources) -> Self {
        let counts = Arc::new(Mutex::new(Tally::new()));
        let stop = Arc::new(Notify::new());
        let task =
            run(Arc::clone(&counts), Arc::clone(&recorder), sources.clone(), Arc::clone(&stop));
        Self { counts, recorder, sources, stop, task: tokio::spawn(task) }
    }

    /// Takes counts from the data path: a map entry under a lock that nobody holds for long.
    pub(super) fn counter(&self) -> Arc<dyn bartizan_gateway::http::Tally> {
        let counts = Arc::clone(&self.counts);
        Arc::new(move |code: &'static str| lock(&counts).count(code))
    }

    /// Writes down what is left.
    pub(super) async fn stop(self) {
        let Self { counts, recorder, sources, stop, task } = self;
        stop.notify_one();
        if task.await.is_err() {
            tracing::error!("The task that records denials panicked.");
        }
        let draft = lock(&counts).drain(&*sources.clock, &*sources.entropy);
        record(draft, &*recorder).await;
    }
}

async fn run(
    counts: Arc<Mutex<Tally>>,
    recorder: Arc<dyn Recorder>,
    sources: Sources,
    stop: Arc<Notify>,
) {
    loop {
        tokio::select! {
            () = stop.notified() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let draft = lock(&counts).draft(&*sources.clock, &*sources.entropy);
        record(draft, &*recorder).await;
    }
}

async fn record(draft: Option<Draft>, recorder: &dyn Recorder) {
    if let Some(draft) = draft
        && let Err(error) = recorder.append(draft).await
    {
        tracing::error!(%error, "Denials could not be recorded.");
    }
}

fn lock(counts: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    // Counting cannot leave the map half changed, so a poisoned lock is still a good one.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
