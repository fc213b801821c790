//! What an operator reads in the log of exchanges that failed: one line each, as long as there are few.
//!
//! An upstream that is away fails a thousand requests a second, and the log would be of no use to anybody: so many lines are written in a while, and
//! the next one after that says how many were left out. The ledger and the metrics have all of them.
use std::sync::{Mutex, PoisonError};

/// Lines that are written in [`WHILE_US`].
const LINES_MAX: u64 = 20;
/// How long a while is, in microseconds.
const WHILE_US: u64 = 10_000_000;

/// Counts lines.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    since_us: u64,
    n_written: u64,
    n_left_out: u64,
}

impl Complaints {
    /// Whether one more line may be written now, and then how many were left out since the last one.
    pub(super) fn take(&self, now_us: u64) -> Option<u64> {
        // Counts are good after any panic.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if WHILE_US <= now_us.saturating_sub(lines.since_us) {
            (lines.since_us, lines.n_written) = (now_us, 0);
        }
        if LINES_MAX <= lines.n_written {
            lines.n_left_out = lines.n_left_out.saturating_add(1);
            return None;
        }
        lines.n_written += 1;
        Some(std::mem::take(&mut lines.n_left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let complaints = Complaints::default();
        let at = |now_us| complaints.take(now_us);
        let start = WHILE_US;
        let first: Vec<Option<u64>> = (0..LINES_MAX).map(|n| at(start + n)).collect();
        assert_eq!(first, vec![Some(0); 20]);
        assert_eq!((at(start + 50), at(start + WHILE_US - 1)), (None, None));
        let next = start + WHILE_US + LINES_MAX;
        assert_eq!(at(next), Some(2), "the first of the next while says how many were left out");
        assert_eq!(at(next + 1), Some(0));
    }
}
