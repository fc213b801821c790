//! Remembers what reached "the model", so that a test or a demo can see what a guard let through.
//!
//! Bounded: the last few requests, and never more than so many bytes.
use bytes::Bytes;
use http::request::Parts;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Most requests that are remembered.
pub const SEEN_REQUESTS_MAX: usize = 64;
/// Most body bytes that are remembered, over all requests.
pub const SEEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A request as it reached the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// Its number: the first request is 1.
    pub number: u64,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header names in lower case, and their values.
    pub headers: Vec<(String, String)>,
    /// The body, empty where it could not be read.
    pub body: Bytes,
}

impl SeenRequest {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn new(number: u64, parts: &Parts, body: Bytes) -> Self {
        let text =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            number,
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body,
        }
    }
}

/// Counters and the last requests.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that are being answered now.
    pub open: u64,
    /// Answers that were given to the end, errors included.
    pub completed: u64,
    /// Clients that went away before their answer ended.
    pub client_gone: u64,
    /// Answers that `fail_rate` spoilt: status 500, cut off or stalled.
    pub failed: u64,
    /// The last requests, oldest first.
    pub last: Vec<SeenRequest>,
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counters: Seen,
    last: VecDeque<SeenRequest>,
    n_bytes: usize,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    ClientGone,
}

impl Log {
    pub(crate) fn seen(&self) -> Seen {
        self.with(|inner| Seen {
            last: inner.last.iter().cloned().collect(),
            ..inner.counters.clone()
        })
    }

    /// Counts a request that begins, and gives it its number.
    pub(crate) fn begin(&self) -> u64 {
        self.with(|inner| {
            inner.counters.open += 1;
            inner.counters.requests += 1;
            inner.counters.requests
        })
    }

    pub(crate) fn end(&self, end: End) {
        self.with(|inner| {
            inner.counters.open -= 1;
            match end {
                End::Completed => inner.counters.completed += 1,
                End::ClientGone => inner.counters.client_gone += 1,
            }
        });
    }

    pub(crate) fn fail(&self) {
        self.with(|inner| inner.counters.failed += 1);
    }

    /// Remembers a request and forgets the oldest ones that no longer fit.
    pub(crate) fn remember(&self, request: SeenRequest) {
        self.with(|inner| {
            inner.n_bytes += request.body.len();
            inner.last.push_back(request);
            while inner.last.len() > SEEN_REQUESTS_MAX || inner.n_bytes > SEEN_BYTES_MAX {
                let Some(oldest) = inner.last.pop_front() else { break };
                inner.n_bytes -= oldest.body.len();
            }
        });
    }

    /// Counters stay right even if a holder of the lock panicked: each change is one step.
    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remember(log: &Log, n_bytes: usize) {
        let (parts, ()) = http::Request::builder().uri("/x").body(()).unwrap().into_parts();
        let number = log.begin();
        log.remember(SeenRequest::new(number, &parts, Bytes::from(vec![b'x'; n_bytes])));
        log.end(End::Completed);
    }

    #[test]
    fn the_oldest_requests_are_forgotten() {
        let log = Log::default();
        for _ in 0..SEEN_REQUESTS_MAX + 3 {
            remember(&log, 1);
        }
        let seen = log.seen();
        assert_eq!((seen.last.len(), seen.last[0].number), (SEEN_REQUESTS_MAX, 4));
        assert_eq!((seen.requests, seen.completed, seen.open), (67, 67, 0));
        remember(&log, SEEN_BYTES_MAX);
        assert_eq!(log.seen().last.len(), 1, "one body takes all the room");
        remember(&log, SEEN_BYTES_MAX + 1);
        assert_eq!(log.seen().last.len(), 0, "and a larger one does not fit at all");
        remember(&log, 5);
        assert_eq!(log.seen().last[0].body.len(), 5);
    }
}
