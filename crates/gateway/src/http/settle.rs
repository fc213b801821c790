//! OUTCOMEs that found no room in the ledger's queue: they wait here, whole, and are offered again, in order, until there is room.
//!
//! The line has bounds of its own, and nothing leaves it unseen: a record that is given up, or keeps its leaf and loses its payloads, is
//! named in the log, and counted in `bartizan_audit_lost_total` where something was released that it alone told of. An INTENT never comes here:
//! without one nothing goes upstream.
use super::Shared;
use super::audit::{Again, Promise};
use bartizan_core::record::{Draft, RecordError};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Most records that wait for room.
const SETTLING_RECORDS_MAX: usize = 4096;
/// Most bytes of their payloads. One that comes after loses its payloads and keeps its leaf.
const SETTLING_BYTES_MAX: usize = 64 << 20;
/// How long a record waits for room.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// How long what still waits when the gateway stops is offered for.
const SETTLE_LAST_MAX: Duration = Duration::from_secs(2);
/// How long the pause is after the queue was full.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// Bounds of a line, in records and in bytes.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    records_max: usize,
    bytes_max: usize,
}

/// The records that wait for room.
#[derive(Debug)]
pub(super) struct Settling {
    bounds: Bounds,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// Bytes of their payloads.
    n_bytes: usize,
    /// A task offers them.
    is_driven: bool,
}

#[derive(Debug)]
struct Waiting {
    again: Again,
    until: Instant,
}

/// What became of a record that was put in line.
#[derive(Debug)]
enum Kept {
    /// It waits, whole.
    Whole,
    /// Its leaf waits; there was no room for its payloads.
    Leaf,
    /// Nothing of it waits: here it is again.
    Nothing(Box<Again>),
}

impl Default for Settling {
    fn default() -> Self {
        Self::new(Bounds { records_max: SETTLING_RECORDS_MAX, bytes_max: SETTLING_BYTES_MAX })
    }
}

fn n_bytes(draft: &Draft) -> usize {
    draft.payloads.iter().map(|payload| payload.bytes.len()).sum()
}

impl Settling {
    fn new(bounds: Bounds) -> Self {
        Self { bounds, line: Mutex::default() }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Each change of the line is one step, so a poisoned lock is still a good one.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, again: Again, until: Instant) -> Kept {
        let mut line = self.line();
        if self.bounds.records_max <= line.waiting.len() {
            return Kept::Nothing(Box::new(again));
        }
        let has_room = line.n_bytes + n_bytes(&again.draft) <= self.bounds.bytes_max;
        let again = if has_room { again } else { again.bare() };
        line.n_bytes += n_bytes(&again.draft);
        line.waiting.push_back(Waiting { again, until });
        if has_room { Kept::Whole } else { Kept::Leaf }
    }

    /// Whether the caller is to offer what waits; nobody else is told so until [`Settling::next`] has found nothing.
    fn begin(&self) -> bool {
        !std::mem::replace(&mut self.line().is_driven, true)
    }

    /// The record that has waited longest.
    fn next(&self) -> Option<Waiting> {
        let mut line = self.line();
        let next = line.waiting.pop_front();
        match &next {
            Some(Waiting { again, .. }) => line.n_bytes -= n_bytes(&again.draft),
            None => line.is_driven = false,
        }
        next
    }

    /// Puts it back where it was: nobody overtakes it, and its place is its own.
    fn put_back(&self, next: Waiting) {
        let mut line = self.line();
        line.n_bytes += n_bytes(&next.again.draft);
        line.waiting.push_front(next);
    }
}

impl Shared {
    /// Every INTENT gets its OUTCOME: one that could not be put in line is offered again until it can.
    pub(super) fn settle(self: &Arc<Self>, error: &RecordError, again: Again) {
        if matches!(error, RecordError::Stopped { .. }) {
            // Nothing can be written any more. Recovery closes the exchange at the next start, without what it said.
            return self.give_up(&again, error);
        }
        let (record, is_out) = (again.draft.leaf.record, again.is_out);
        match self.settling.push(again, Instant::now() + SETTLE_MAX) {
            Kept::Whole => {}
            Kept::Leaf => {
                self.count_lost(&format!("the payloads of {record} found no room"), is_out);
            }
            Kept::Nothing(again) => return self.give_up(&again, error),
        }
        // Outside of the runtime the process is going down; whoever stops the gateway offers what waits for the last time.
        if tokio::runtime::Handle::try_current().is_ok() && self.settling.begin() {
            let shared = Arc::clone(self);
            self.tasks.spawn_background(async move { shared.offer_all(None).await });
        }
    }

    /// Offers what still waits, once the tasks that did so are gone. What finds no room by then is given up.
    pub(super) async fn settle_last(&self) {
        self.offer_all(Some(Instant::now() + SETTLE_LAST_MAX)).await;
    }

    async fn offer_all(&self, end: Option<Instant>) {
        while let Some(Waiting { again, until }) = self.settling.next() {
            let mut promise = Promise::Waiting(self.recorder.append(again.draft.clone()));
            match promise.now() {
                // It is in line, and nobody else waits for it.
                None => self.watch(promise, u64::from(again.is_out)),
                Some(Ok(())) => {}
                Some(Err(error @ RecordError::Full { .. })) => {
                    if end.map_or(until, |end| end.min(until)) <= Instant::now() {
                        self.give_up(&again, &error);
                        continue;
                    }
                    self.settling.put_back(Waiting { again, until });
                    tokio::time::sleep(SETTLE_PAUSE).await;
                }
                Some(Err(error)) if again.draft.payloads.is_empty() => self.give_up(&again, &error),
                Some(Err(error @ RecordError::Stopped { .. })) => self.give_up(&again, &error),
                // Its payloads cannot be recorded, whatever room there is; that the exchange ended can.
                Some(Err(error)) => {
                    let what = format!("the payloads of {}: {error}", again.draft.leaf.record);
                    self.count_lost(&what, again.is_out);
                    self.settling.put_back(Waiting { again: again.bare(), until });
                }
            }
        }
    }

    fn give_up(&self, again: &Again, error: &RecordError) {
        let Again { draft, is_out } = again;
        self.count_lost(&format!("the OUTCOME of {}: {error}", draft.leaf.record), *is_out);
    }

    /// A record was given up, in whole or in part. It is lost where something was released that it alone told of.
    fn count_lost(&self, what: &str, is_out: bool) {
        if !is_out {
            tracing::error!(
                what,
                "A record was given up. Nothing of the answer was released, and the next start ends the exchange in the ledger."
            );
            return;
        }
        self.metrics.audit_lost.fetch_add(1, Relaxed);
        tracing::error!(
            what,
            "A record was given up; bartizan_audit_lost_total counts what is not in the ledger as it should be."
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::record::{Leaf, Payload, RecordId, RecordKind, Slot};

    fn draft(n: u8, n_bytes: usize) -> Draft {
        let leaf = Leaf::new(RecordId([n; 16]), RecordKind::Outcome, 0);
        Draft::new(leaf, vec![Payload { slot: Slot::Released, bytes: vec![n; n_bytes] }])
    }

    #[test]
    fn what_went_out_is_what_the_record_says_was_released() {
        let with = |slot, bytes: &[u8]| {
            let payload = Payload { slot, bytes: bytes.to_vec() };
            Draft { payloads: vec![payload], ..draft(0, 0) }
        };
        for (name, draft, want) in [
            ("an answer", with(Slot::Released, b"x"), true),
            ("an empty one", with(Slot::Released, b""), false),
            ("one that was withheld", with(Slot::Received, b"x"), false),
            ("what was found in it", with(Slot::Evidence, b"x"), false),
            ("nothing", Draft { payloads: Vec::new(), ..draft(0, 0) }, false),
        ] {
            let again = Again::of(draft);
            assert_eq!((again.is_out, again.bare().is_out), (want, want), "{name}");
            assert!(again.bare().draft.payloads.is_empty(), "{name}");
        }
    }

    #[tokio::test]
    async fn the_line_is_bounded_in_records_and_bytes_and_keeps_its_order() {
        let settling = Settling::new(Bounds { records_max: 4, bytes_max: 10 });
        let until = Instant::now();
        let cases = [
            ("fits", draft(0, 6), "whole"),
            ("too many bytes", draft(1, 5), "leaf"),
            ("exactly full", draft(2, 4), "whole"),
            ("no room for a byte", draft(3, 1), "leaf"),
            ("too many records", draft(4, 0), "nothing"),
        ];
        for (name, draft, want) in cases {
            let kept = match settling.push(Again::of(draft), until) {
                Kept::Whole => "whole",
                Kept::Leaf => "leaf",
                Kept::Nothing(_) => "nothing",
            };
            assert_eq!(kept, want, "{name}");
        }
        assert!(settling.begin() && !settling.begin(), "one at a time");
        let first = settling.next().unwrap();
        settling.put_back(first);
        let mut left = Vec::new();
        while let Some(Waiting { again: Again { draft, .. }, .. }) = settling.next() {
            left.push((draft.leaf.record.0[0], n_bytes(&draft)));
        }
        assert_eq!(left, [(0, 6), (1, 0), (2, 4), (3, 0)]);
        assert_eq!(settling.line().n_bytes, 0);
        assert!(settling.begin(), "whoever found nothing left the line to the next");
        let kept = settling.push(Again::of(draft(5, 10)), until);
        assert!(matches!(kept, Kept::Whole), "the room is free again");
    }
}
