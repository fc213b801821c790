//! The latest time that the log has seen, by which a clock that went back is noticed.
use bartizan_core::clock::Clock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The time of the newest leaf of a log that is being written, kept over restarts. Clones are handles to the same one; they do not keep the
/// log open.
#[derive(Clone)]
pub struct Newest {
    ms: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Newest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newest").field("unix_ms", &self.unix_ms()).finish_non_exhaustive()
    }
}

impl Newest {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { ms: Arc::default(), clock }
    }

    /// The latest time of a leaf, in milliseconds since 1970; 0 for a log without leaves.
    pub fn unix_ms(&self) -> u64 {
        self.ms.load(Ordering::Relaxed)
    }

    /// By how many milliseconds the clock is behind that now; 0 where time goes on as it should.
    pub fn clock_behind_ms(&self) -> u64 {
        self.unix_ms().saturating_sub(self.clock.unix_ms())
    }

    pub(crate) fn seen(&self, unix_ms: u64) {
        self.ms.fetch_max(unix_ms, Ordering::Relaxed);
    }
}
