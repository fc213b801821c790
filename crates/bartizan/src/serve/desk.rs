//! Where a running gateway takes orders of the operator's commands: see [`crate::orders`].
use super::Sources;
use crate::orders;
use bartizan_core::record::Recorder;
use bartizan_keys::KeyStore;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// The task that takes orders.
pub(super) struct Desk {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Desk {
    pub(super) fn start(
        state: PathBuf,
        recorder: Arc<dyn Recorder>,
        keys: Arc<KeyStore>,
        sources: Sources,
    ) -> Self {
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stopped.notified() => return,
                    () = tokio::time::sleep(EVERY) => {}
                }
                orders::take(&state, &*recorder, &keys, &sources).await;
            }
        });
        Self { stop, task }
    }

    /// Ends after the order that is being done.
    pub(super) async fn stop(self) {
        self.stop.notify_one();
        if self.task.await.is_err() {
            tracing::error!("The task that takes orders panicked.");
        }
    }
}
