//! Up to when the clock is believed, and how far it may go on while nothing runs that could tell.
//!
//! A process that runs counts the time itself, by a clock that nobody sets. What the wall clock goes on by beyond that is a leap: a pause, or a clock
//! that is wrong. Leaps are believed up to a bound, all of them together, and each day that a process runs gives back a day of it: a clock that
//! is set on at every start destroys no more than one that is set on once.
use super::{CLOCK_STEP_MAX_MS, DAY_MS, NO_TIME_MS};

/// What is believed of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// The last time that was believed.
    pub(super) trusted_ms: u64,
    /// What of it rests on the wall clock alone.
    pub(super) leaps_ms: u64,
    /// When it was believed, on the monotonic clock of this process.
    pub(super) since_us: u64,
}

impl Time {
    /// The clock as it is, on somebody's word.
    pub(super) fn confirmed(now_ms: u64, counted_us: u64) -> Self {
        Self { trusted_ms: now_ms, leaps_ms: 0, since_us: counted_us }
    }

    /// What is believed once the clock is. One that is behind changes nothing.
    ///
    /// # Errors
    /// [`Doubt`].
    pub(super) fn next(self, now_ms: u64, counted_us: u64) -> Result<Self, Doubt> {
        if self.trusted_ms == NO_TIME_MS {
            return Err(Doubt::Unknown);
        }
        let by_ms = now_ms.saturating_sub(self.trusted_ms);
        if by_ms == 0 {
            return Ok(self);
        }
        let lived_ms = counted_us.saturating_sub(self.since_us) / 1000;
        let leap_ms = by_ms.saturating_sub(lived_ms);
        if CLOCK_STEP_MAX_MS < leap_ms {
            return Err(Doubt::Ahead { by_ms });
        }
        let before_ms = self.leaps_ms.saturating_sub(lived_ms);
        let together_ms = before_ms.saturating_add(leap_ms);
        if CLOCK_STEP_MAX_MS < together_ms {
            return Err(Doubt::Leaps { leap_ms, before_ms });
        }
        Ok(Self { trusted_ms: now_ms, leaps_ms: together_ms, since_us: counted_us })
    }
}

/// Why the clock is not believed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Doubt {
    /// It is further on than is believed.
    #[error(
        "the clock is {} days after the last time that was believed, more than {}, so nothing is destroyed: check the clock, then run `bartizan audit expire --confirm-clock`",
        by_ms / DAY_MS,
        CLOCK_STEP_MAX_MS / DAY_MS
    )]
    Ahead {
        /// By how much it is after the last time that was believed.
        by_ms: u64,
    },
    /// It was further on again and again, each time by little.
    #[error(
        "the clock went on by {} h while nothing ran that could tell, and by {} h like that before, more than {} days together, so nothing is destroyed: check the clock, then run `bartizan audit expire --confirm-clock`; each day that the gateway runs gives one back",
        leap_ms / HOUR_MS,
        before_ms / HOUR_MS,
        CLOCK_STEP_MAX_MS / DAY_MS
    )]
    Leaps {
        /// By how much it went on since the last time that was believed, beyond what a process has counted.
        leap_ms: u64,
        /// By how much before, as far as no day of running has given it back.
        before_ms: u64,
    },
    /// Nobody knows which time was believed last.
    #[error(
        "the vault's anchor was lost, damaged or written by somebody else, and with it went the time that was believed last, so nothing is destroyed: check the clock, then run `bartizan audit expire --confirm-clock`"
    )]
    Unknown,
}

const HOUR_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 20_000 * DAY_MS;
    const MAX_MS: u64 = CLOCK_STEP_MAX_MS;

    /// Time goes on by so much on the wall, of which a process has counted so much.
    fn go_on(time: Time, by_ms: u64, lived_ms: u64) -> Result<Time, Doubt> {
        time.next(time.trusted_ms.saturating_add(by_ms), time.since_us + 1000 * lived_ms)
    }

    #[test]
    fn leaps_are_believed_up_to_a_bound_all_together() {
        let start = Time::confirmed(START_MS, 5);
        let ahead = |by_ms| Err(Doubt::Ahead { by_ms });
        let leaps = |leap_ms, before_ms| Err(Doubt::Leaps { leap_ms, before_ms });
        for (name, leaps_ms, by_ms, lived_ms, want) in [
            ("nothing", 7, 0, 0, Ok(7)),
            ("a day that was counted", 0, DAY_MS, DAY_MS, Ok(0)),
            ("a year that was counted", 0, 365 * DAY_MS, 365 * DAY_MS, Ok(0)),
            ("the longest leap", 0, MAX_MS, 0, Ok(MAX_MS)),
            ("a longer one", 0, MAX_MS + 1, 0, ahead(MAX_MS + 1)),
            ("behind a day that was counted", 0, MAX_MS + DAY_MS, DAY_MS, Ok(MAX_MS)),
            ("and one more", 0, MAX_MS + DAY_MS + 1, DAY_MS, ahead(MAX_MS + DAY_MS + 1)),
            ("never", 0, u64::MAX - START_MS, 0, ahead(u64::MAX - START_MS)),
            ("another one", MAX_MS, 1, 0, leaps(1, MAX_MS)),
            ("two halves", MAX_MS / 2, MAX_MS / 2, 0, Ok(MAX_MS)),
            (
                "two halves and more",
                MAX_MS / 2,
                MAX_MS / 2 + 1,
                0,
                leaps(MAX_MS / 2 + 1, MAX_MS / 2),
            ),
            ("a day gives back a day", MAX_MS, 2 * DAY_MS, DAY_MS, Ok(MAX_MS)),
            ("and no more", MAX_MS, 2 * DAY_MS + 1, DAY_MS, leaps(DAY_MS + 1, MAX_MS - DAY_MS)),
        ] {
            let next = go_on(Time { leaps_ms, ..start }, by_ms, lived_ms);
            assert_eq!(next.map(|next| next.leaps_ms), want, "{name}");
            assert!(next.is_err() || next.map(|next| next.trusted_ms) == Ok(START_MS + by_ms));
        }
        for (name, now_ms) in [("back", START_MS - 1), ("before 1970", 0)] {
            assert_eq!(start.next(now_ms, 9), Ok(start), "{name}");
        }
        let unknown = Time { trusted_ms: NO_TIME_MS, ..start };
        assert_eq!(unknown.next(START_MS, 9), Err(Doubt::Unknown));
        let told = Doubt::Leaps { leap_ms: 30 * DAY_MS, before_ms: 20 * DAY_MS }.to_string();
        assert!(told.contains("by 720 h") && told.contains("by 480 h like that before"), "{told}");
    }

    #[test]
    fn a_clock_that_is_set_on_at_every_start_gets_no_further_than_one_leap() {
        for (step_days, n_believed) in [(1, 31), (2, 15), (30, 1)] {
            let (mut time, mut n_steps) = (Time::confirmed(START_MS, 0), 0);
            for _ in 0..100 {
                let Ok(next) = go_on(time, step_days * DAY_MS, 0) else { continue };
                (time, n_steps) = (next, n_steps + 1);
            }
            assert_eq!(n_steps, n_believed, "{step_days}");
        }
    }
}
