//! Records on their way into the ledger, and what a route's durability makes of the wait for them.
//!
//! *Strict* waits until a record is durable. *Bounded* waits until it is in line, and counts it as lost when it then could not be
//! written; the line is the ledger's own queue, which has limits, so that there is no second one here. *Off* hands nothing over.
use super::Shared;
use crate::exchange::Durability;
use bartizan_core::record::{Draft, Payload, RecordError, Recorded, Slot};
use http::{HeaderName, HeaderValue};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use tokio::time::{Instant, timeout_at};

/// What the route promises of this exchange's records.
pub(super) const X_BARTIZAN_AUDIT: HeaderName = HeaderName::from_static("x-bartizan-audit");

/// The value of [`X_BARTIZAN_AUDIT`].
pub(super) fn audit_value(durability: Durability) -> HeaderValue {
    HeaderValue::from_static(durability.name())
}

/// What an exchange waits for before it goes on.
pub(super) enum Promise {
    /// It is known already.
    Known(Option<Result<(), RecordError>>),
    /// The ledger will say.
    Waiting(Recorded),
}

impl Future for Promise {
    type Output = Result<(), RecordError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            // Asked again after it was kept, it has nothing more to say.
            Self::Known(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            Self::Waiting(recorded) => recorded.as_mut().poll(cx).map(|result| result.map(|_| ())),
        }
    }
}

impl Promise {
    /// What is known now, without waiting.
    pub(super) fn now(&mut self) -> Option<Result<(), RecordError>> {
        match Pin::new(self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }
}

/// A record without its payloads.
pub(super) fn bare(draft: &Draft) -> Draft {
    Draft { subject: draft.subject.clone(), ..Draft::new(draft.leaf.clone(), Vec::new()) }
}

/// An OUTCOME that is offered again should it not be recorded, and whether anything went out that only it tells of.
#[derive(Clone, Debug)]
pub(super) struct Again {
    /// The OUTCOME.
    pub(super) draft: Draft,
    /// Something of the answer was released: without this record that is lost. A caller who got nothing but an error was told so, his INTENT is
    /// on record, and the next start ends it.
    pub(super) is_out: bool,
}

impl Again {
    /// What a record says was released went out, or is going out while it is written.
    pub(super) fn of(draft: Draft) -> Self {
        let is_released =
            |payload: &Payload| payload.slot == Slot::Released && !payload.bytes.is_empty();
        let is_out = draft.payloads.iter().any(is_released);
        Self { draft, is_out }
    }

    /// The same without its payloads.
    pub(super) fn bare(&self) -> Self {
        Self { draft: bare(&self.draft), is_out: self.is_out }
    }
}

/// An OUTCOME as it is recorded once its answer was withheld: with what was found and decided, and without the text, which nobody got.
pub(super) fn withheld(draft: &Draft) -> Draft {
    let evidence = draft.payloads.iter().filter(|payload| payload.slot == Slot::Evidence);
    Draft { payloads: evidence.cloned().collect(), ..bare(draft) }
}

/// Why an exchange goes on without the record that it waited for.
pub(super) enum Missing {
    /// It will not be written as it was.
    Failed(RecordError),
    /// It is in line and may still be written, but nobody waits for it any more.
    Late(Promise),
}

impl Missing {
    /// The same as an error.
    pub(super) fn error(&self) -> RecordError {
        match self {
            Self::Failed(error) => error.clone(),
            Self::Late(_) => RecordError::Stopped {
                operation: "wait",
                reason: "the record took longer than the exchange may".to_owned(),
            },
        }
    }
}

/// Waits for a record, but not for ever.
pub(super) async fn durable(mut promise: Promise, until: Instant) -> Result<(), Missing> {
    match timeout_at(until, &mut promise).await {
        Ok(result) => result.map_err(Missing::Failed),
        Err(_) => Err(Missing::Late(promise)),
    }
}

impl Shared {
    /// Hands one record over.
    pub(super) fn put(&self, durability: Durability, draft: Draft) -> Promise {
        match durability {
            Durability::Strict => Promise::Waiting(self.recorder.append(draft)),
            Durability::Bounded => self.in_line(self.recorder.append(draft), 1),
            Durability::Off => Promise::Known(Some(Ok(()))),
        }
    }

    /// Hands records over that belong together.
    pub(super) fn put_all(&self, durability: Durability, drafts: Vec<Draft>) -> Promise {
        let n_records = drafts.len() as u64;
        match durability {
            Durability::Strict => Promise::Waiting(self.recorder.append_all(drafts)),
            Durability::Bounded => self.in_line(self.recorder.append_all(drafts), n_records),
            Durability::Off => Promise::Known(Some(Ok(()))),
        }
    }

    /// The ledger says at once when it takes a record no further; whatever it still holds back is in line.
    fn in_line(&self, recorded: Recorded, n_records: u64) -> Promise {
        let mut promise = Promise::Waiting(recorded);
        if let Some(result) = promise.now() {
            return Promise::Known(Some(result));
        }
        self.watch(promise, n_records);
        Promise::Known(Some(Ok(())))
    }

    /// Counts records that are in line and that nobody waits for, should they not become durable.
    ///
    /// * `n_records`: how many would be lost; 0 where nothing went out that they alone tell of. They are written all the same.
    pub(super) fn watch(&self, promise: Promise, n_records: u64) {
        // Outside of the runtime the process is going down, and there is nobody left who could read the count.
        if 0 < n_records && tokio::runtime::Handle::try_current().is_ok() {
            let lost = Arc::clone(&self.metrics.audit_lost);
            // As many of these tasks as records are in line: the ledger's queue bounds them.
            self.tasks.spawn_background(watch(promise, n_records, lost));
        }
    }
}

/// Waits for records that nobody else waits for.
async fn watch(promise: Promise, n_records: u64, lost: Arc<AtomicU64>) {
    if let Err(error) = promise.await
        && lost.fetch_add(n_records, Relaxed) == 0
    {
        tracing::error!(%error, "Records that were in line could not be written; bartizan_audit_lost_total counts them.");
    }
}
