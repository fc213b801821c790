//! The real clock and real chance, and the words people use for moments and spans of time.
use bartizan_core::clock::{Clock, Entropy};
use std::cell::RefCell;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroize as _;

/// The machine's clocks. The only place in the product that reads them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts the monotonic clock at zero.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        // A clock before 1970 is wrong in any case; 0 makes every key look unexpired no longer than it is.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The operating system's random numbers, by way of the cryptographic library. Small requests, of which a gateway has several per exchange, share
/// one call: a call costs as much as a hundred bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OsEntropy;

const POOL_BYTES: usize = 1024;
/// Larger requests gain nothing.
const POOLED_BYTES_MAX: usize = 64;

/// Random bytes that nobody has had, at the end of the array. Each is forgotten when it is given out.
struct Pool {
    bytes: [u8; POOL_BYTES],
    n_left: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], n_left: 0 }) };
}

fn draw(bytes: &mut [u8]) {
    aws_lc_rs::rand::fill(bytes).expect("a system without random numbers cannot make a key");
}

impl Pool {
    fn take(&mut self, out: &mut [u8]) {
        if self.n_left < out.len() {
            draw(&mut self.bytes);
            self.n_left = POOL_BYTES;
        }
        let start = POOL_BYTES - self.n_left;
        if let Some(taken) = self.bytes.get_mut(start..start + out.len()) {
            out.copy_from_slice(taken);
            taken.zeroize();
        }
        self.n_left -= out.len();
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if POOLED_BYTES_MAX < bytes.len() {
            return draw(bytes);
        }
        POOL.with_borrow_mut(|pool| pool.take(bytes));
    }
}

/// The text is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no span of time: write a number and s, m, h, d or w, such as 90d, at most 10000d"
)]
pub(crate) struct SpanError {
    text: String,
}

/// Reads `30s`, `15m`, `24h`, `90d` or `2w`, in milliseconds. At most ten thousand days.
///
/// # Errors
/// [`SpanError`] for anything else, zero included: a key that is dead on arrival is a mistake.
pub(crate) fn parse_span_ms(text: &str) -> Result<u64, SpanError> {
    const DAY_MS: u64 = 86_400_000;
    let wrong = || SpanError { text: text.to_owned() };
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return Err(wrong()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let span_ms = number.checked_mul(unit_ms).filter(|ms| (1..=10_000 * DAY_MS).contains(ms));
    span_ms.ok_or_else(wrong)
}

/// A moment as people write it: `2026-11-23 05:26:09Z`.
///
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub(crate) fn utc(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// How long ago a moment was, in the largest unit of which there are two.
pub(crate) fn ago(now_ms: u64, then_ms: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400_000, "days"), (3_600_000, "h"), (60_000, "min")];
    let span_ms = now_ms.abs_diff(then_ms);
    let unit = UNITS.iter().find(|(unit_ms, _)| 2 * unit_ms <= span_ms);
    let (unit_ms, name) = unit.copied().unwrap_or((1000, "s"));
    let span = format!("{} {name}", span_ms / unit_ms);
    if now_ms < then_ms { format!("{span} ahead") } else { format!("{span} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_random_numbers_are_given_out_once() {
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..2000 {
            let mut bytes = vec![0; [16, 56, 64, 65, 200][n % 5]];
            OsEntropy.fill(&mut bytes);
            assert!(bytes.chunks_exact(16).all(|piece| seen.insert(piece.to_vec())), "draw {n}");
        }
        POOL.with_borrow(|pool| {
            let given = pool.bytes.get(..POOL_BYTES - pool.n_left).unwrap_or_default();
            assert!(given.iter().all(|byte| *byte == 0), "what was given out is forgotten");
        });
    }

    #[test]
    fn spans_of_time() {
        let good = [
            ("30s", 30_000),
            ("15m", 900_000),
            ("24h", 86_400_000),
            ("90d", 7_776_000_000),
            ("2w", 1_209_600_000),
            ("10000d", 864_000_000_000),
        ];
        for (text, want) in good {
            assert_eq!(parse_span_ms(text), Ok(want), "{text}");
        }
        let bad = [
            "",
            "d",
            "90",
            "90 d",
            "-1d",
            "+1d",
            "0d",
            "1.5h",
            "90D",
            "10001d",
            "9é",
            "99999999999999999999d",
            "18446744073709551615w",
        ];
        for text in bad {
            assert_eq!(parse_span_ms(text), Err(SpanError { text: text.to_owned() }), "{text}");
        }
    }

    #[test]
    fn moments() {
        let cases = [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399_000, "2000-02-28 23:59:59Z"),
            (951_782_400_000, "2000-02-29 00:00:00Z"),
            (1_709_251_199_999, "2024-02-29 23:59:59Z"),
            (1_763_875_569_000, "2025-11-23 05:26:09Z"),
            (4_107_542_400_000, "2100-03-01 00:00:00Z"),
        ];
        for (unix_ms, want) in cases {
            assert_eq!(utc(unix_ms), want);
        }
    }

    #[test]
    fn ages() {
        let now_ms = 1_763_875_569_000;
        for (then_ms, want) in [
            (now_ms, "0 s ago"),
            (now_ms - 119_999, "119 s ago"),
            (now_ms - 120_000, "2 min ago"),
            (now_ms - 7_200_000, "2 h ago"),
            (now_ms - 86_400_000, "24 h ago"),
            (now_ms - 172_800_000, "2 days ago"),
            (0, "20415 days ago"),
            (now_ms + 200_000, "3 min ahead"),
        ] {
            assert_eq!(ago(now_ms, then_ms), want);
        }
    }

    #[test]
    fn chance_is_not_constant() {
        let (mut one, mut two) = ([0; 16], [0; 16]);
        OsEntropy.fill(&mut one);
        OsEntropy.fill(&mut two);
        assert_ne!(one, two);
    }
}
