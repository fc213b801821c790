//! One request, counted once: whoever holds a ticket must say how the request ended, and dropping it says that the caller has gone.
//!
//! A ticket also holds the guard of the answer, from the moment the INTENT is handed over. Each way out of it yields the one OUTCOME.
use super::Shared;
use super::audit::{Again, Missing, Promise};
use super::upstream::Upstream;
use crate::exchange::{
    Answer, Closed, Durability, Endpoint, Failure, Fault, StreamGuard, StreamState,
};
use crate::reply::Reply;
use bartizan_core::record::{Draft, Leaf, Outcome, RecordId, RecordKind};
use http::HeaderValue;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::Instant;

/// Even when an exchange has used up its time, its last record may take so long to become durable.
const RECORD_GRACE: Duration = Duration::from_secs(2);

/// How far a request has come.
enum Phase {
    /// Nothing is recorded yet.
    Reading,
    /// The INTENT is in line; the upstream is being asked.
    Waiting(Box<Answer>),
    /// Its answer is on its way.
    Streaming(Box<StreamGuard>),
    /// The OUTCOME of its stream is in line.
    Sealed(Box<StreamGuard>),
    /// It is counted, and its records are in line.
    Closed,
}

/// A request that is being worked on.
pub(super) struct Ticket {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    /// What the route promises of the records, once it is known which route it is.
    durability: Option<Durability>,
    record: RecordId,
    /// The record's id as both sides read it.
    record_value: HeaderValue,
    phase: Phase,
    /// Whom the answer comes from, once that is known.
    upstream: Option<Arc<Upstream>>,
    /// When the whole exchange must be over.
    total_at: Instant,
    holds_stream: bool,
    /// Our own part of the time so far.
    own_us: u64,
    slowest_push_us: u64,
}

/// A guard crashed. What it was judging is not released.
#[derive(Clone, Copy, Debug)]
pub(super) struct GuardCrashed;

impl Ticket {
    /// A ticket, or nothing when `requests_max` of them are out.
    pub(super) fn admit(
        shared: &Arc<Shared>,
        record: RecordId,
        requests_max: usize,
        total_at: Instant,
    ) -> Option<Self> {
        let n_before = shared.metrics.requests.fetch_add(1, Relaxed);
        let ticket = Self {
            shared: Arc::clone(shared),
            endpoint: Endpoint::Chat,
            durability: None,
            record,
            record_value: hexadecimal(record),
            phase: Phase::Reading,
            upstream: None,
            total_at,
            holds_stream: false,
            own_us: 0,
            slowest_push_us: 0,
        };
        if n_before < requests_max {
            return Some(ticket);
        }
        ticket.deny("overloaded");
        None
    }

    pub(super) fn set_endpoint(&mut self, endpoint: Endpoint) {
        self.endpoint = endpoint;
    }

    /// The route is known.
    pub(super) fn set_durability(&mut self, durability: Durability) {
        self.durability = Some(durability);
    }

    /// What the route promises of the records, if it is known which route it is.
    pub(super) fn durability(&self) -> Option<Durability> {
        self.durability
    }

    /// Hands a record over, as the route wants it.
    pub(super) fn put(&self, draft: Draft) -> Promise {
        self.shared.put(self.durability.unwrap_or_default(), draft)
    }

    /// Hands records over that belong together.
    pub(super) fn put_all(&self, drafts: Vec<Draft>) -> Promise {
        self.shared.put_all(self.durability.unwrap_or_default(), drafts)
    }

    /// Hands a record over that nobody waits for.
    pub(super) fn put_and_forget(&self, draft: Draft) {
        let again = Again::of(draft.clone());
        self.forget(self.put(draft), again);
    }

    /// A record is written although nobody waits, unless the queue was full: that is known at the first look, and then it is offered again.
    pub(super) fn forget(&self, mut promise: Promise, again: Again) {
        match promise.now() {
            Some(Ok(())) => {}
            Some(Err(error)) => self.shared.settle(&error, again),
            None => self.shared.watch(promise, u64::from(again.is_out)),
        }
    }

    pub(super) fn record(&self) -> RecordId {
        self.record
    }

    /// The record's name, where there is a record.
    pub(super) fn named(&self) -> Option<RecordId> {
        (self.durability != Some(Durability::Off)).then_some(self.record)
    }

    /// The record's id, as a header says it.
    pub(super) fn record_value(&self) -> HeaderValue {
        self.record_value.clone()
    }

    /// When the whole exchange must be over.
    pub(super) fn total_at(&self) -> Instant {
        self.total_at
    }

    /// How long the last record of the exchange is waited for.
    pub(super) fn record_at(&self) -> Instant {
        self.total_at.max(Instant::now() + RECORD_GRACE)
    }

    /// Takes one of the places for streams; `false` when there is none.
    pub(super) fn take_stream_place(&mut self, streams_max: usize) -> bool {
        if self.holds_stream {
            return true;
        }
        let n_before = self.shared.metrics.streams.fetch_add(1, Relaxed);
        self.holds_stream = true;
        n_before < streams_max
    }

    /// Adds to our own part of the time.
    pub(super) fn spent_us(&mut self, us: u64) {
        self.own_us += us;
    }

    /// The request is turned away before anything was recorded.
    pub(super) fn deny(mut self, code: &'static str) {
        self.phase = Phase::Closed;
        self.count_denied(code);
    }

    /// Where nothing is recorded, the ledger's tally is not told either.
    fn count_denied(&self, code: &'static str) {
        if self.durability == Some(Durability::Off) {
            self.shared.metrics.denied(code);
        } else {
            self.shared.denied(code);
        }
    }

    /// Policy refused the request, and its records are in line.
    pub(super) fn refused(&mut self) {
        self.phase = Phase::Closed;
        self.count(Outcome::Refused);
    }

    /// The INTENT is in line: from here on there will be an OUTCOME.
    pub(super) fn waiting(&mut self, answer: Answer, upstream: &Arc<Upstream>) {
        self.upstream = Some(Arc::clone(upstream));
        self.phase = Phase::Waiting(Box::new(answer));
    }

    /// Ends with a whole answer, or with what is said instead.
    pub(super) fn close(
        &mut self,
        how: impl FnOnce(Answer, u64) -> Closed,
    ) -> Result<Closed, GuardCrashed> {
        let started_us = self.shared.clock.monotonic_us();
        let Phase::Waiting(answer) = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Err(GuardCrashed);
        };
        let unix_ms = self.shared.clock.unix_ms();
        let closed = catch_unwind(AssertUnwindSafe(|| how(*answer, unix_ms)));
        self.own_us += self.shared.clock.monotonic_us().saturating_sub(started_us);
        match closed {
            Ok(closed) => {
                self.count(closed.ended);
                self.complain(closed.fault.as_ref());
                self.shared.metrics.found(&closed.findings);
                Ok(closed)
            }
            Err(_) => Err(self.crashed()),
        }
    }

    /// The answer is a stream.
    pub(super) fn stream(&mut self) -> Result<(), GuardCrashed> {
        let Phase::Waiting(answer) = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Err(GuardCrashed);
        };
        match catch_unwind(AssertUnwindSafe(|| answer.stream())) {
            Ok(guard) => self.phase = Phase::Streaming(Box::new(guard)),
            Err(_) => return Err(self.crashed()),
        }
        if !self.holds_stream {
            self.holds_stream = true;
            self.shared.metrics.streams.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    /// Lets the guard work on a stream.
    pub(super) fn guard<T>(
        &mut self,
        work: impl FnOnce(&mut StreamGuard) -> T,
    ) -> Result<T, GuardCrashed> {
        let started_us = self.shared.clock.monotonic_us();
        let Phase::Streaming(guard) = &mut self.phase else { return Err(GuardCrashed) };
        let result = catch_unwind(AssertUnwindSafe(|| work(guard)));
        let took_us = self.shared.clock.monotonic_us().saturating_sub(started_us);
        self.slowest_push_us = self.slowest_push_us.max(took_us);
        result.map_err(|_| self.crashed())
    }

    /// A sealed stream's OUTCOME is handed over; the guard stays, for the tail. With it comes what is tried again should it fail.
    pub(super) fn seal(&mut self) -> Result<(Promise, Again), GuardCrashed> {
        let unix_ms = self.shared.clock.unix_ms();
        let (draft, fault) =
            self.guard(|guard| (guard.outcome(unix_ms), guard.fault().cloned()))?;
        self.complain(fault.as_ref());
        self.count(draft.leaf.outcome.unwrap_or(Outcome::UpstreamError));
        if let Phase::Streaming(guard) = std::mem::replace(&mut self.phase, Phase::Closed) {
            self.phase = Phase::Sealed(guard);
        }
        let again = Again::of(draft.clone());
        Ok((self.put(draft), again))
    }

    /// The OUTCOME of a sealed stream is decided: what goes out last. Nothing happens to the ticket any more.
    pub(super) fn last_words(&mut self, result: Result<(), (Missing, Again)>) -> Vec<u8> {
        let Phase::Sealed(mut guard) = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return Vec::new();
        };
        let is_durable = result.is_ok();
        if let Err((missing, again)) = result {
            self.shared.unrecorded(missing, again);
        }
        let words = catch_unwind(AssertUnwindSafe(|| {
            if is_durable { guard.tail() } else { guard.unrecorded() }
        }));
        let Ok(words) = words else {
            self.shared.metrics.guard_failures.fetch_add(1, Relaxed);
            return Vec::new();
        };
        self.shared.metrics.found(findings_in(&words));
        words
    }

    /// A guard that crashes denies: its exchange ends with an OUTCOME that says `refused` and no more.
    fn crashed(&mut self) -> GuardCrashed {
        // What a stream has let go before is gone from the crashed guard, and out.
        let is_out = matches!(self.phase, Phase::Streaming(_));
        self.phase = Phase::Closed;
        self.shared.metrics.guard_failures.fetch_add(1, Relaxed);
        tracing::error!(record = %self.record, "A guard crashed; its exchange was denied.");
        self.count(Outcome::Refused);
        let draft = self.bare_outcome(Outcome::Refused);
        let again = Again { draft: draft.clone(), is_out };
        self.forget(self.put(draft), again);
        GuardCrashed
    }

    fn bare_outcome(&self, outcome: Outcome) -> Draft {
        let leaf = Leaf::new(self.record, RecordKind::Outcome, self.shared.clock.unix_ms());
        Draft::new(Leaf { outcome: Some(outcome), ..leaf }, Vec::new())
    }

    /// Tells the operator what failed, unless the caller hung up or the gateway stops: those are no faults.
    fn complain(&self, fault: Option<&Fault>) {
        let is_ours =
            |fault: &&Fault| !matches!(fault.failure, Failure::ClientGone | Failure::Shutdown);
        let Some(Fault { failure, cause }) = fault.filter(is_ours) else { return };
        let Some(n_left_out) = self.shared.complaints.take(self.shared.clock.monotonic_us()) else {
            return;
        };
        let record = self.named().map(tracing::field::display);
        let upstream = self.upstream.as_ref().map(|upstream| upstream.name.as_str());
        let code = failure.reply(None).code;
        let cause = cause.as_deref();
        tracing::warn!(record, upstream, code, cause, n_left_out, "An exchange failed.");
    }

    fn count(&self, outcome: Outcome) {
        self.shared.metrics.ended(self.endpoint, outcome);
        self.shared.metrics.overhead.record(self.own_us + self.slowest_push_us);
    }

    /// What the caller reads when a guard crashed.
    pub(super) fn crash_reply(&self) -> Reply {
        let reply = Reply::new(
            500,
            "guard_failed",
            "the guard failed on this exchange, so nothing of it is released",
        );
        Reply { record: self.named(), ..reply }
    }
}

/// Formatting macros take a microsecond for this, so it is written out.
fn hexadecimal(record: RecordId) -> HeaderValue {
    let mut text = [b'0'; 32];
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(record.0) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    // Hexadecimal digits are always a header value.
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("unknown"))
}

/// The output's findings, which a stream says in a comment near its end.
fn findings_in(words: &[u8]) -> &str {
    let lines = words.split(|byte| *byte == b'\n');
    let mut comments = lines.filter_map(|line| line.strip_prefix(b": x-bartizan-findings "));
    comments.next().and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let failure =
            if self.shared.tasks.is_halted() { Failure::Shutdown } else { Failure::ClientGone };
        match std::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Reading => self.count_denied("client_gone"),
            Phase::Waiting(answer) => {
                self.phase = Phase::Waiting(answer);
                if let Ok(closed) = self.close(|answer, unix_ms| answer.fail(failure, unix_ms)) {
                    self.put_and_forget(closed.outcome);
                }
            }
            Phase::Streaming(guard) => {
                self.phase = Phase::Streaming(guard);
                let mut unsent = Vec::new();
                if let Ok(StreamState::Sealed) =
                    self.guard(|guard| guard.end(Some(failure), &mut unsent))
                    && let Ok((promise, again)) = self.seal()
                {
                    self.forget(promise, again);
                }
                self.phase = Phase::Closed;
            }
            Phase::Sealed(_) | Phase::Closed => {}
        }
        self.shared.metrics.requests.fetch_sub(1, Relaxed);
        if self.holds_stream {
            self.shared.metrics.streams.fetch_sub(1, Relaxed);
        }
    }
}

impl Shared {
    /// Counts a request that was turned away.
    pub(super) fn denied(&self, code: &'static str) {
        self.metrics.denied(code);
        self.tally.denied(code);
    }

    /// An answer, or the end of one, was not released because its OUTCOME could not be recorded as it was.
    pub(super) fn unrecorded(self: &Arc<Self>, missing: Missing, mut again: Again) {
        self.metrics.unrecorded.fetch_add(1, Relaxed);
        let error = missing.error();
        tracing::error!(record = %again.draft.leaf.record, %error, "An answer was withheld because it could not be recorded.");
        match missing {
            // It says that the answer went out, which is true up to its end.
            Missing::Late(promise) => self.watch(promise, u64::from(again.is_out)),
            Missing::Failed(error) => {
                again.draft.leaf.outcome = Some(Outcome::Interrupted);
                self.settle(&error, again);
            }
        }
    }
    /// A refusal was not told as such because it could not be recorded; the caller was turned away all the same.
    pub(super) fn refusal_unrecorded(&self, missing: Missing, record: RecordId) {
        self.metrics.unrecorded.fetch_add(1, Relaxed);
        tracing::error!(%record, error = %missing.error(), "A refusal could not be recorded.");
        if let Missing::Late(promise) = missing {
            // Its INTENT and its OUTCOME may still be written, and nothing went out that they would tell of.
            self.watch(promise, 0);
        }
    }
}
