//! Work that takes milliseconds, kept apart from work that takes microseconds: the judging of large bodies.
//!
//! A worker that is about to do heavy work hands its other connections to another thread first, so that a health check or a small
//! request never waits behind a large one. At most one such work per processor is under way; more wait, in order, up to the exchange's own limit of time.
use std::thread::available_parallelism;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Judging this many bytes is heavy.
pub(super) const HEAVY_BYTES_MIN: usize = 256 << 10;
/// Heavy work at a time where the number of processors cannot be known.
const PLACES_DEFAULT: usize = 2;

/// The places for heavy work.
#[derive(Debug)]
pub(super) struct Heavy {
    places: Semaphore,
}

impl Default for Heavy {
    fn default() -> Self {
        Self { places: Semaphore::new(available_parallelism().map_or(PLACES_DEFAULT, Into::into)) }
    }
}

/// No place became free in time; the work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late;

impl Heavy {
    /// Does work on `n_bytes`: at once where that is light, else at a place for heavy work, if there is one before `until`.
    pub(super) async fn run<T>(
        &self,
        n_bytes: usize,
        until: Instant,
        work: impl FnOnce() -> T,
    ) -> Result<T, Late> {
        if n_bytes < HEAVY_BYTES_MIN {
            return Ok(work());
        }
        let Ok(Ok(_place)) = timeout_at(until, self.places.acquire()).await else {
            return Err(Late);
        };
        // A runtime with one thread has nobody to hand its connections to.
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => Ok(tokio::task::block_in_place(work)),
            _ => Ok(work()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn heavy_work_needs_a_place_and_light_work_does_not() {
        let heavy = Heavy { places: Semaphore::new(1) };
        let soon = || Instant::now() + Duration::from_millis(20);
        let held = heavy.places.acquire().await.unwrap();
        assert_eq!(heavy.run(HEAVY_BYTES_MIN - 1, soon(), || 7).await, Ok(7));
        assert_eq!(heavy.run(HEAVY_BYTES_MIN, soon(), || 7).await, Err(Late));
        drop(held);
        assert_eq!(heavy.run(HEAVY_BYTES_MIN, soon(), || 7).await, Ok(7));
    }
}
