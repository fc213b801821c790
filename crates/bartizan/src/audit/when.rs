//! Moments as people write them on a command line.
use crate::clock::parse_span_ms;
use crate::outcome::Usage;

/// Reads a moment, in milliseconds since 1970-01-01 UTC: `2026-11-23`, `2026-11-23 05:26`, `2026-11-23T05:26:09Z`, or a span of time before
/// `now_ms`, such as `24h`.
///
/// # Errors
/// [`Usage`], with what would have been one.
pub(crate) fn moment_ms(text: &str, now_ms: u64) -> Result<u64, Usage> {
    if let Ok(span_ms) = parse_span_ms(text) {
        return Ok(now_ms.saturating_sub(span_ms));
    }
    date_ms(text).ok_or_else(|| {
        Usage(format!(
            "`{text}` is no moment: write 2026-11-23, 2026-11-23T05:26:09Z (UTC), or a span of time before now such as 24h"
        ))
    })
}

fn date_ms(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !is_date || parts.next().is_some() || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let day_ms = days_before(year, month, day) * 86_400_000;
    Some(day_ms + time.map_or(Some(0), time_ms)?)
}

/// `05:26`, `05:26:09`, each with or without a `Z`.
fn time_ms(text: &str) -> Option<u64> {
    let mut parts = text.strip_suffix('Z').unwrap_or(text).split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    let is_time = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    is_time.then_some(((hour * 60 + minute) * 60 + second) * 1_000)
}

fn digits(text: &str, n: usize) -> Option<u64> {
    let is_number = text.len() == n && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn days_of(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date.
///
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::utc;

    #[test]
    fn moments_are_read() {
        let now_ms = 1_763_875_569_000;
        let cases = [
            ("1970-01-01", 0),
            ("2000-02-28 23:59:59Z", 951_782_399_000),
            ("2000-02-29", 951_782_400_000),
            ("2024-02-29T23:59:59", 1_709_251_199_000),
            ("2025-11-23T05:26:09Z", now_ms),
            ("2025-11-23 05:26", now_ms - 9_000),
            ("2100-03-01", 4_107_542_400_000),
            ("24h", now_ms - 86_400_000),
            ("10000d", now_ms - 864_000_000_000),
        ];
        for (text, want) in cases {
            assert_eq!(moment_ms(text, now_ms).unwrap(), want, "{text}");
        }
        assert_eq!(moment_ms("1h", 5).unwrap(), 0, "before 1970 there is nothing");
        for day in [0, 11_016, 20_000, 47_540] {
            let ms = day * 86_400_000;
            assert_eq!(moment_ms(&utc(ms), 0).unwrap(), ms, "what we print is read again");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        let bad = [
            "",
            "yesterday",
            "2025",
            "2025-11",
            "2025-13-01",
            "2025-00-10",
            "2025-02-29",
            "2100-02-29",
            "2025-11-31",
            "2025-11-00",
            "25-11-23",
            "2025-1-2",
            "2025-11-23-1",
            "1969-12-31",
            "2025-11-23T",
            "2025-11-23T24:00",
            "2025-11-23T05:60",
            "2025-11-23T05:26:60",
            "2025-11-23T5:26",
            "2025-11-23T05",
            "2025-11-23T05:26:09+01:00",
            "2025-11-23T05:26:09ZZ",
            "2025-11-23T05:26:09:1",
            "+025-11-23",
            "0d",
            "1763875569",
        ];
        for text in bad {
            assert!(moment_ms(text, 0).is_err_and(|error| error.0.contains("24h")), "{text}");
        }
    }
}
