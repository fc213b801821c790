//! Where a running gateway takes orders of the operator's commands: see [`crate::orders`].
use super::Sources;
use crate::config::{Ledger, Retention};
use crate::orders;
use bartizan_core::record::Recorder;
use bartizan_keys::KeyStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is asked whether something is older than its retention.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// The task that takes orders.
pub(super) struct Desk {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Desk {
    pub(super) fn start(
        ledger: &Ledger,
        recorder: Arc<dyn Recorder>,
        keys: Arc<KeyStore>,
        sources: Sources,
    ) -> Self {
        let (state, retention) = (ledger.dir.clone(), ledger.retention);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut expiry = tokio::time::interval(EXPIRE_EVERY);
            loop {
                tokio::select! {
                    () = stopped.notified() => return,
                    () = tokio::time::sleep(EVERY) => {}
                    _ = expiry.tick() => expire(retention, &*recorder, &keys, &sources).await,
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

async fn expire(retention: Retention, recorder: &dyn Recorder, keys: &KeyStore, sources: &Sources) {
    match orders::expire(retention, recorder, keys, sources).await {
        Ok(0) => {}
        Ok(n_expired) => {
            tracing::info!(days = n_expired, "Keys of days that are over were destroyed.");
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(%error, "What is older than its retention could not be forgotten.");
        }
    }
}
