//! Durations in microseconds, counted into fixed buckets without a lock.
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Buckets per doubling: a quantile is at most one eighth too large.
const SUB_BUCKETS: u64 = 8;
/// Doublings that are told apart; 2^36 us are 19 hours, and longer ones count as that.
const DOUBLINGS: u64 = 34;
#[expect(clippy::cast_possible_truncation, reason = "280 fits")]
const BUCKETS: usize = (SUB_BUCKETS * (DOUBLINGS + 1)) as usize;
/// The upper edges that are exported, as powers of two.
const EXPORTED: std::ops::RangeInclusive<u32> = 2..=30;

/// A histogram whose buckets grow with the value: exact below 8 us, eight buckets per doubling above.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_us: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn record(&self, us: u64) {
        if let Some(bucket) = self.buckets.get(index_of(us)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// The value that a share of `permille` of all durations does not exceed; 0 when nothing was counted.
    pub(super) fn quantile_us(&self, permille: u64) -> u64 {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let rank = (total * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in (0..).zip(counts) {
            seen += count;
            if seen >= rank {
                return upper_us(index);
            }
        }
        0
    }

    /// Writes the lines of a Prometheus histogram, in seconds.
    pub(super) fn export(&self, name: &str, help: &str, out: &mut String) {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        line(out, format_args!("# HELP {name} {help}"));
        line(out, format_args!("# TYPE {name} histogram"));
        for power in EXPORTED {
            // Buckets never straddle a power of two, so the sum below one is exact.
            let edge = 1_u64 << power;
            let below: u64 = (0..)
                .zip(&counts)
                .filter(|(index, _)| upper_us(*index) < edge)
                .map(|(_, count)| count)
                .sum();
            line(out, format_args!("{name}_bucket{{le=\"{}\"}} {below}", seconds(edge - 1)));
        }
        line(out, format_args!("{name}_bucket{{le=\"+Inf\"}} {total}"));
        line(out, format_args!("{name}_sum {}", seconds(self.sum_us.load(Relaxed))));
        line(out, format_args!("{name}_count {total}"));
    }
}

/// Appends one line of text.
pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

fn index_of(us: u64) -> usize {
    let index = if us < SUB_BUCKETS {
        us
    } else {
        let doubling = u64::from(us.ilog2()) - 3;
        let within = (us >> doubling) - SUB_BUCKETS;
        (doubling + 1) * SUB_BUCKETS + within
    };
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The largest value that falls into a bucket.
fn upper_us(index: u64) -> u64 {
    if index < SUB_BUCKETS {
        return index;
    }
    let (doubling, within) = (index / SUB_BUCKETS - 1, index % SUB_BUCKETS);
    ((SUB_BUCKETS + within + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every value lies in its bucket, and buckets are at most an eighth wide.
        #[test]
        fn buckets_hold_their_values(us in 0_u64..1 << 36) {
            let index = index_of(us) as u64;
            prop_assert!(us <= upper_us(index));
            prop_assert!(index == 0 || us > upper_us(index - 1));
            prop_assert!(upper_us(index) - us <= us / 8);
        }
    }

    #[test]
    fn quantiles_and_export_agree_with_what_was_counted() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(500), 0);
        for us in [1, 2, 3, 4, 5, 6, 7, 100, u64::from(u32::MAX), 1 << 60] {
            histogram.record(us);
        }
        assert_eq!(histogram.quantile_us(500), 5);
        assert_eq!(histogram.quantile_us(800), upper_us(index_of(100) as u64));
        assert!(histogram.quantile_us(1000) >= u64::from(u32::MAX));
        let mut text = String::new();
        histogram.export("h_seconds", "help", &mut text);
        assert!(text.contains("h_seconds_bucket{le=\"0.000007\"} 7\n"), "{text}");
        assert!(text.contains("h_seconds_bucket{le=\"0.000127\"} 8\n"), "{text}");
        assert!(text.contains("h_seconds_bucket{le=\"+Inf\"} 10\nh_seconds_sum "), "{text}");
    }
}
