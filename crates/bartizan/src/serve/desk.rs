//! What a running gateway does for its ledger beside recording: it takes orders of the operator's commands ([`crate::orders`]), forgets what is
//! older than its retention, and lets the vault's anchor follow.
use super::Sources;
use super::notices::ClockSigns;
use super::places::Places;
use crate::anchor::{Anchor, Doubt};
use crate::config::{self, Retention};
use crate::orders::{self, Office};
use bartizan_core::record::{RecordError, Recorder};
use bartizan_keys::KeyStore;
use bartizan_ledger::{Cosigner, Ledger};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is asked whether something is older than its retention.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// What the task works with, and hands back when it ends.
pub(super) struct Books {
    /// The keys that can be destroyed. They keep the vault locked.
    pub(super) keys: Arc<KeyStore>,
    /// What the vault knows of the log.
    pub(super) anchor: Anchor,
    /// Tells the newest checkpoint.
    pub(super) cosigner: Cosigner,
    /// The names of what is written.
    pub(super) places: Places,
    /// What is stopped when one is lost.
    pub(super) ledger: Weak<Ledger>,
}

/// The task.
pub(super) struct Desk {
    stop: Arc<Notify>,
    task: JoinHandle<Books>,
}

struct Clerk {
    state: PathBuf,
    retention: Retention,
    recorder: Arc<dyn Recorder>,
    books: Books,
    signs: Arc<ClockSigns>,
    sources: Sources,
}

impl Desk {
    pub(super) fn start(
        ledger: &config::Ledger,
        recorder: Arc<dyn Recorder>,
        books: Books,
        signs: Arc<ClockSigns>,
        sources: Sources,
    ) -> Self {
        let (state, retention) = (ledger.dir.clone(), ledger.retention);
        let clerk = Clerk { state, retention, recorder, books, signs, sources };
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(clerk.work(Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Ends after what is being done.
    pub(super) async fn stop(self) -> Option<Books> {
        self.stop.notify_one();
        let books = self.task.await;
        if books.is_err() {
            tracing::error!("The task that takes orders panicked.");
        }
        books.ok()
    }
}

impl Clerk {
    async fn work(mut self, stop: Arc<Notify>) -> Books {
        let mut expiry = tokio::time::interval(EXPIRE_EVERY);
        loop {
            tokio::select! {
                () = stop.notified() => return self.books,
                () = tokio::time::sleep(EVERY) => {}
                _ = expiry.tick() => self.expire().await,
            }
            let state = self.state.clone();
            orders::take(&state, &mut self.office()).await;
            if self.signs.is_waiting() {
                self.look_at_retention();
            }
            self.look_after_names();
            self.follow();
            self.signs.is_ahead(self.books.anchor.doubt(&*self.sources.clock));
            self.signs.look();
        }
    }

    fn office(&mut self) -> Office<'_> {
        Office {
            recorder: &*self.recorder,
            keys: &self.books.keys,
            anchor: &mut self.books.anchor,
            retention: self.retention,
            sources: &self.sources,
        }
    }

    /// Says what waits for somebody's word.
    fn look_at_retention(&mut self) {
        match self.office().rule() {
            Ok(rule) => self.signs.waits(rule.waits()),
            Err(error) => self.signs.waits(Some(format!("{error:#}"))),
        }
    }

    async fn expire(&mut self) {
        self.look_at_retention();
        let done = orders::expire(&mut self.office()).await;
        let ahead = done.as_ref().err().and_then(|error| error.downcast_ref::<Doubt>().copied());
        match done {
            Ok(0) => {}
            Ok(n_expired) => {
                tracing::info!(days = n_expired, "Keys of days that are over were destroyed.");
            }
            Err(error) if ahead.is_some() => tracing::warn!("{error}."),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(%error, "What is older than its retention could not be forgotten.");
            }
        }
    }

    /// What is written into files without a name is gone with the process.
    fn look_after_names(&mut self) {
        let Some(lost) = self.books.places.lost() else { return };
        let Some(ledger) = self.books.ledger.upgrade() else { return };
        let reason = format!(
            "{} was deleted, moved or replaced while it was being written: put it back, and restart the gateway",
            lost.display()
        );
        ledger.stop(RecordError::Stopped { operation: "look at the folder", reason });
    }

    /// A start reads again what the anchor does not know.
    fn follow(&mut self) {
        let Books { anchor, cosigner, .. } = &mut self.books;
        let now_us = self.sources.clock.monotonic_us();
        if let Err(error) = anchor.tick(cosigner.latest().as_ref(), now_us) {
            tracing::warn!(error = %format!("{error:#}"), "The vault's anchor was not written.");
        }
    }
}
