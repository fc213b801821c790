//! Time and chance, passed in: decisions must replay, and simulation owns both.

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC, as the wall clock says. It may jump.
    fn unix_ms(&self) -> u64;
    /// Microseconds since some fixed moment. It never goes back.
    fn monotonic_us(&self) -> u64;
}

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}
