//! Counts of what was asked.
use crate::model::Unfinished;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often the second tier was needed, and what came of it. Shared by every [`Second`](crate::Second) of a process.
#[derive(Debug, Default)]
pub struct Tally {
    looked: AtomicU64,
    asked: AtomicU64,
    found: AtomicU64,
    cleared: AtomicU64,
    spent_us: AtomicU64,
    unfinished: [AtomicU64; Unfinished::ALL.len()],
}

/// A look at a [`Tally`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TallyCounts {
    /// Texts that the first tier scored and that could have been asked about.
    pub looked: u64,
    /// Of these, texts that were asked about.
    pub asked: u64,
    /// Findings of the model.
    pub found: u64,
    /// Findings of the first tier that the model took back.
    pub cleared: u64,
    /// Microseconds that were spent waiting and computing.
    pub spent_us: u64,
    /// Texts without an answer, by [`Unfinished::ALL`].
    pub unfinished: [u64; Unfinished::ALL.len()],
}

impl Tally {
    /// The counts now.
    pub fn counts(&self) -> TallyCounts {
        TallyCounts {
            looked: self.looked.load(Relaxed),
            asked: self.asked.load(Relaxed),
            found: self.found.load(Relaxed),
            cleared: self.cleared.load(Relaxed),
            spent_us: self.spent_us.load(Relaxed),
            unfinished: self.unfinished.each_ref().map(|counter| counter.load(Relaxed)),
        }
    }

    pub(crate) fn look(&self) {
        self.looked.fetch_add(1, Relaxed);
    }

    pub(crate) fn ask(&self, spent_us: u64) {
        self.asked.fetch_add(1, Relaxed);
        self.spent_us.fetch_add(spent_us, Relaxed);
    }

    pub(crate) fn find(&self, n: usize) {
        self.found.fetch_add(n as u64, Relaxed);
    }

    pub(crate) fn clear(&self, n: usize) {
        self.cleared.fetch_add(n as u64, Relaxed);
    }

    pub(crate) fn fail(&self, reason: Unfinished) {
        if let Some(counter) = self.unfinished.get(reason as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }
}
