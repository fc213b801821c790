//! Time that moves when told.
use bartizan_core::clock::Clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that stands still between calls of [`SimClock::advance_us`].
#[derive(Debug)]
pub struct SimClock {
    unix_ms: AtomicU64,
    monotonic_us: AtomicU64,
}

impl SimClock {
    /// A clock whose wall time is `unix_ms` and whose monotonic time is 0.
    pub fn new(unix_ms: u64) -> Self {
        Self { unix_ms: AtomicU64::new(unix_ms), monotonic_us: AtomicU64::new(0) }
    }

    /// Lets time pass, for both ways of telling it.
    pub fn advance_us(&self, us: u64) {
        let before = self.monotonic_us.fetch_add(us, Ordering::Relaxed);
        self.unix_ms.fetch_add((before + us) / 1000 - before / 1000, Ordering::Relaxed);
    }

    /// Sets the wall time, forward or back; the monotonic time does not notice.
    pub fn set_unix_ms(&self, unix_ms: u64) {
        self.unix_ms.store(unix_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn unix_ms(&self) -> u64 {
        self.unix_ms.load(Ordering::Relaxed)
    }

    fn monotonic_us(&self) -> u64 {
        self.monotonic_us.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_may_jump_and_monotonic_time_may_not() {
        let clock = SimClock::new(1000);
        clock.advance_us(1500);
        clock.advance_us(500);
        assert_eq!((clock.unix_ms(), clock.monotonic_us()), (1002, 2000));
        clock.set_unix_ms(5);
        assert_eq!((clock.unix_ms(), clock.monotonic_us()), (5, 2000));
    }
}
