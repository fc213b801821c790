//! The few statistics that the tables need. Everything is exact: no histogram, no sampling.
use std::time::Duration;

/// The nearest-rank quantile: the smallest value such that at least `per_mille` thousandths of the values are not above it.
///
/// * `sorted`: ascending; `None` when empty.
/// * `per_mille`: 500 is the median, 990 the 99th percentile, 1000 the maximum.
pub(crate) fn quantile(sorted: &[u64], per_mille: usize) -> Option<u64> {
    let rank = sorted.len().saturating_mul(per_mille).div_ceil(1000);
    sorted.get(rank.max(1) - 1).copied()
}

/// The middle of `values` (the mean of the two middle ones when their number is even); `None` when empty.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// Nanoseconds as microseconds, to a tenth.
pub(crate) fn micros(ns: u64) -> f64 {
    tenth(Duration::from_nanos(ns).as_secs_f64() * 1e6)
}

/// Rounded to a tenth, which is more than any of these figures deserves.
pub(crate) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A count as a float; counts beyond 2^32 do not occur in a bounded run and saturate.
pub(crate) fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_nearest_rank() {
        let hundred: Vec<u64> = (1..=100).collect();
        let cases: [(&str, &[u64], usize, Option<u64>); 10] = [
            ("nothing", &[], 500, None),
            ("one value, any share", &[7], 1, Some(7)),
            ("one value, share 0", &[7], 0, Some(7)),
            ("median of an odd number", &[1, 2, 3], 500, Some(2)),
            ("median of an even number is the lower", &[1, 2, 3, 4], 500, Some(2)),
            ("p99 of 100", &hundred, 990, Some(99)),
            ("p99.9 of 100 is the maximum", &hundred, 999, Some(100)),
            ("maximum", &hundred, 1000, Some(100)),
            ("minimum", &hundred, 0, Some(1)),
            ("a share above all", &hundred, 2000, None),
        ];
        for (name, sorted, per_mille, want) in cases {
            assert_eq!(quantile(sorted, per_mille), want, "{name}");
        }
    }

    #[test]
    fn medians() {
        let cases: [(&str, &[f64], Option<f64>); 4] = [
            ("nothing", &[], None),
            ("one", &[3.0], Some(3.0)),
            ("odd, unsorted", &[9.0, 1.0, 5.0], Some(5.0)),
            ("even", &[4.0, 1.0, 3.0, 2.0], Some(2.5)),
        ];
        for (name, values, want) in cases {
            assert_eq!(median(values.iter().copied()), want, "{name}");
        }
    }

    #[test]
    fn units() {
        assert_eq!((micros(1_250), micros(0)), (1.3, 0.0));
        assert_eq!((float(7), float(u64::MAX)), (7.0, f64::from(u32::MAX)));
    }

    proptest! {
        /// The definition itself: enough values are not above the quantile, and too few are below it.
        #[test]
        fn a_quantile_splits_its_values(mut values in prop::collection::vec(0..50_u64, 1..200), per_mille in 1..=1000_usize) {
            values.sort_unstable();
            let at = quantile(&values, per_mille).unwrap();
            let n_not_above = values.iter().filter(|value| **value <= at).count();
            let n_below = values.iter().filter(|value| **value < at).count();
            prop_assert!(n_not_above * 1000 >= per_mille * values.len());
            prop_assert!(n_below * 1000 < per_mille * values.len());
        }
    }
}
