//! The body of an answer: whole, or a stream that is judged while the caller reads it.
//!
//! hyper asks for the next piece; that drives the upstream, the guard and the ledger in one place, without a task or a queue between them.
//! A caller that reads slowly slows the upstream down. A caller that hangs up drops this body, and with it the upstream's connection.
use super::Shared;
use super::audit::{Again, Missing, Promise};
use super::progress::Progress;
use super::ticket::{GuardCrashed, Ticket};
use super::upstream::UpstreamBody;
use crate::exchange::{Failure, Fault, StreamState};
use bartizan_core::record::Outcome;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// What hyper sends to the caller.
pub(super) enum ReplyBody {
    Whole(Option<Bytes>),
    Stream(Box<StreamBody>),
}

impl ReplyBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Stream(stream) => ready!(stream.poll_next(cx)),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream(stream) => matches!(stream.stage, Stage::Done),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

enum Stage {
    /// Chunks come in, judged text goes out.
    Open(UpstreamBody),
    /// The OUTCOME is in line for the disk. After a good end the upstream's connection is kept until its last bytes have come.
    Recording(Promise, Box<Again>, Option<UpstreamBody>),
    /// All is said.
    Done,
}

/// A guarded stream.
pub(super) struct StreamBody {
    ticket: Ticket,
    stage: Stage,
    /// Judged bytes that are not sent yet.
    out: Vec<u8>,
    progress: Progress,
    times: Times,
    /// Ready when the gateway stops and waits no longer.
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    shared: Arc<Shared>,
}

/// The time limits of a stream. The timer is set once and looked at again when it rings: most chunks never touch it.
struct Times {
    between: Duration,
    total_at: Instant,
    last_at: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Times {
    fn next_at(&self) -> (Instant, Failure) {
        let stalled_at = self.last_at + self.between;
        if self.total_at <= stalled_at {
            (self.total_at, Failure::TotalTimeout)
        } else {
            (stalled_at, Failure::BetweenChunksTimeout)
        }
    }

    /// From here on only one moment counts.
    fn wait_until(&mut self, at: Instant) {
        (self.total_at, self.last_at) = (at, at);
        // The old timer may ring too early, which does no harm, but also too late, which does.
        self.timer = None;
    }

    /// Ready with the limit that was hit.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        loop {
            let (at, failure) = self.next_at();
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            ready!(timer.as_mut().poll(cx));
            if at <= Instant::now() {
                return Poll::Ready(failure);
            }
            timer.as_mut().reset(at);
        }
    }
}

impl StreamBody {
    /// `ticket` must be at its stream.
    pub(super) fn new(
        shared: &Arc<Shared>,
        ticket: Ticket,
        upstream: UpstreamBody,
        between: Duration,
    ) -> Self {
        let total_at = ticket.total_at();
        let times = Times { between, total_at, last_at: Instant::now(), timer: None };
        Self {
            ticket,
            stage: Stage::Open(upstream),
            out: Vec::new(),
            progress: Progress::default(),
            times,
            closing: Box::pin(shared.tasks.until_close()),
            shared: Arc::clone(shared),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.stage {
                Stage::Open(upstream) => match upstream.poll_chunk(cx) {
                    Poll::Ready(Some(Ok(chunk))) => {
                        if self.progress.push(&chunk) {
                            self.times.last_at = Instant::now();
                        }
                        self.push(&chunk);
                    }
                    Poll::Ready(Some(Err(fault))) => self.end(Some(fault)),
                    Poll::Ready(None) => self.end(None),
                    Poll::Pending => {
                        let failure = match self.closing.as_mut().poll(cx) {
                            Poll::Ready(()) => Failure::Shutdown,
                            Poll::Pending => ready!(self.times.poll(cx)),
                        };
                        self.end(Some(failure.into()));
                    }
                },
                Stage::Recording(promise, _, _) => {
                    // Judged text does not wait for the disk, only the end does.
                    match Pin::new(promise).poll(cx) {
                        Poll::Ready(result) => self.finish(result.map_err(Missing::Failed)),
                        Poll::Pending if self.out.is_empty() => {
                            ready!(self.times.poll(cx));
                            self.finish_late();
                        }
                        Poll::Pending => {}
                    }
                }
                Stage::Done if self.out.is_empty() => return Poll::Ready(None),
                Stage::Done => {}
            }
            if !self.out.is_empty() {
                let bytes = Bytes::from(std::mem::take(&mut self.out));
                self.shared
                    .metrics
                    .bytes_out
                    .fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
                return Poll::Ready(Some(bytes));
            }
        }
    }

    fn push(&mut self, chunk: &[u8]) {
        let out = &mut self.out;
        match self.ticket.guard(|guard| guard.push(chunk, out)) {
            Ok(StreamState::Open) => {}
            Ok(StreamState::Sealed) => {
                let upstream = match std::mem::replace(&mut self.stage, Stage::Done) {
                    Stage::Open(upstream) => Some(upstream),
                    Stage::Recording(..) | Stage::Done => None,
                };
                self.seal(upstream);
            }
            Err(GuardCrashed) => self.crash(),
        }
    }

    fn end(&mut self, fault: Option<Fault>) {
        if let Stage::Open(upstream) = std::mem::replace(&mut self.stage, Stage::Done)
            && fault.is_none()
        {
            upstream.recycle(self.shared.clock.monotonic_us());
        }
        let out = &mut self.out;
        match self.ticket.guard(|guard| guard.end_by(fault, out)) {
            Ok(_) => self.seal(None),
            Err(GuardCrashed) => self.crash(),
        }
    }

    /// The guard has seen the end. After a refusal the rest of the answer is of no interest, and dropping it cancels the call.
    fn seal(&mut self, upstream: Option<UpstreamBody>) {
        match self.ticket.seal() {
            Ok((mut promise, again)) => {
                let is_good = again.draft.leaf.outcome == Some(Outcome::Completed);
                let upstream = upstream.filter(|_| is_good);
                if let Some(result) = promise.now() {
                    // Decided here and not when hyper asks again, which it does not once the caller has hung up.
                    return self.decide(result.map_err(Missing::Failed), again, upstream);
                }
                self.times.wait_until(self.ticket.record_at());
                // In line, it is not offered again: whatever happens now, it is not for want of room.
                self.stage = Stage::Recording(promise, Box::new(again.bare()), upstream);
            }
            Err(GuardCrashed) => self.crash(),
        }
    }

    fn finish(&mut self, result: Result<(), Missing>) {
        if let Stage::Recording(_, again, upstream) =
            std::mem::replace(&mut self.stage, Stage::Done)
        {
            self.decide(result, *again, upstream);
        }
    }

    /// The record took longer than the exchange may.
    fn finish_late(&mut self) {
        if let Stage::Recording(promise, again, upstream) =
            std::mem::replace(&mut self.stage, Stage::Done)
        {
            self.decide(Err(Missing::Late(promise)), *again, upstream);
        }
    }

    /// It is known what became of the OUTCOME, so the last words go out.
    fn decide(
        &mut self,
        result: Result<(), Missing>,
        again: Again,
        upstream: Option<UpstreamBody>,
    ) {
        self.stage = Stage::Done;
        if let Some(upstream) = upstream {
            upstream.recycle_at_end(&self.shared.tasks, Arc::clone(&self.shared.clock));
        }
        let words = self.ticket.last_words(result.map_err(|missing| (missing, again)));
        self.out.extend_from_slice(&words);
    }

    /// What a crashed guard had not released is thrown away; the caller is told in the stream's own form.
    fn crash(&mut self) {
        self.stage = Stage::Done;
        self.out.clear();
        self.out.extend_from_slice(b"data: ");
        self.out.extend_from_slice(&self.ticket.crash_reply().body());
        self.out.extend_from_slice(b"\n\n");
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        // The caller has hung up while the OUTCOME was in line: somebody has to hear what becomes of it.
        if let Stage::Recording(promise, again, _) = std::mem::replace(&mut self.stage, Stage::Done)
        {
            self.ticket.forget(promise, *again);
        }
    }
}
