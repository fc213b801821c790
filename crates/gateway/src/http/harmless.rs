//! The headers of an upstream's answer that callers act on. Everything else stays here.
//!
//! No guard reads headers, so nothing passes that could carry a text: names come from a fixed list, and a value is a short number, a span
//! of time or a date, or it is dropped. The type of an answer's content is never copied: what is sent is always what this gateway says.
use http::header::{HeaderMap, HeaderName};

/// Most digits of a value, its units and points not counted: a limit or a time fits, a card or an account number does not.
const DIGITS_MAX: usize = 10;

/// What a value may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    /// `17`, `0.5`, `12ms`, `1m2.5s`
    Number,
    /// The same, or `Sun, 06 Nov 1994 08:49:37 GMT`
    NumberOrDate,
}

/// Names that pass, and what their values may look like.
const HARMLESS: &[(&str, Grammar)] = &[
    ("retry-after", Grammar::NumberOrDate),
    ("retry-after-ms", Grammar::Number),
    ("openai-processing-ms", Grammar::Number),
    ("x-ratelimit-limit-requests", Grammar::Number),
    ("x-ratelimit-limit-tokens", Grammar::Number),
    ("x-ratelimit-remaining-requests", Grammar::Number),
    ("x-ratelimit-remaining-tokens", Grammar::Number),
    ("x-ratelimit-reset-requests", Grammar::Number),
    ("x-ratelimit-reset-tokens", Grammar::Number),
];

/// Copies the headers that are harmless by name and by value. Of a header that stands twice, the first one counts.
pub(super) fn copy_harmless(from: &HeaderMap, to: &mut HeaderMap) {
    for &(name, grammar) in HARMLESS {
        if let Some(value) = from.get(name)
            && is_harmless(value.as_bytes(), grammar)
        {
            to.insert(HeaderName::from_static(name), value.clone());
        }
    }
}

fn is_harmless(value: &[u8], grammar: Grammar) -> bool {
    is_number(value) || (grammar == Grammar::NumberOrDate && is_date(value))
}

/// A number, or numbers each with its unit of time.
fn is_number(value: &[u8]) -> bool {
    let n_digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    if n_digits == 0 || DIGITS_MAX < n_digits {
        return false;
    }
    let (Some(mut rest), mut n_numbers, mut n_units) = (after_number(value), 1, 0) else {
        return false;
    };
    while let Some(next) = after_unit(rest) {
        n_units += 1;
        rest = next;
        if let Some(next) = after_number(rest) {
            n_numbers += 1;
            rest = next;
        }
    }
    rest.is_empty() && (n_units == n_numbers || (n_units == 0 && n_numbers == 1))
}

/// What follows digits, with a fraction or without.
fn after_number(text: &[u8]) -> Option<&[u8]> {
    let rest = after_digits(text)?;
    match rest.strip_prefix(b".") {
        Some(fraction) => after_digits(fraction),
        None => Some(rest),
    }
}

fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let n = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if n == 0 { None } else { text.get(n..) }
}

fn after_unit(text: &[u8]) -> Option<&[u8]> {
    let units: [&[u8]; 7] = [b"ms", b"us", b"ns", b"d", b"h", b"m", b"s"];
    units.iter().find_map(|unit| text.strip_prefix(*unit))
}

/// A date as RFC 9110 (section 5.6.7) prefers it.
fn is_date(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let words: Vec<&str> = text.split(' ').collect();
    let [weekday, day, month, year, time, "GMT"] = words.as_slice() else { return false };
    let number = |text: &str, least: u32, most: u32| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        plain && text.parse().is_ok_and(|n: u32| (least..=most).contains(&n))
    };
    let two = |text: &str, least, most| text.len() == 2 && number(text, least, most);
    let clock: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = clock.as_slice() else { return false };
    ["Mon,", "Tue,", "Wed,", "Thu,", "Fri,", "Sat,", "Sun,"].contains(weekday)
        && two(day, 1, 31)
        && MONTHS.contains(month)
        && year.len() == 4
        && number(year, 1990, 2199)
        && two(hour, 0, 23)
        && two(minute, 0, 59)
        && two(second, 0, 60)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// The value that comes through, if it does.
    fn passed(name: &str, value: &str) -> Option<String> {
        let (mut from, mut to) = (HeaderMap::new(), HeaderMap::new());
        from.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        copy_harmless(&from, &mut to);
        assert!(to.len() <= 1);
        to.iter().next().map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn limits_and_times_pass() {
        for (name, value) in [
            ("retry-after", "20"),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Retry-After-Ms", "1500"),
            ("openai-processing-ms", "17"),
            ("openai-processing-ms", "17.25"),
            ("x-ratelimit-limit-tokens", "4000000000"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m2.5s"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-reset-tokens", "1d2h3m4s"),
        ] {
            assert_eq!(passed(name, value).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn nothing_that_could_carry_a_text_passes() {
        let aws_key = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let values = [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "41111111111",
            "411111m111111s1111ms",
            "411111.1111111111",
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "sk-0123456789",
            &aws_key,
            "alice.example.org",
            "",
            "s",
            "ms",
            ".5",
            "5.",
            "1.2.3",
            "1m2",
            "1x",
            "-1",
            "+1",
            "1 s",
            "1,2",
            "<script>",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 4111 11:11:11 GMT",
            "Sun, 41 Nov 1994 08:49:37 GMT",
            "Sun, 06 Key 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "2020-10-01",
            "\u{e9}",
        ];
        for &(name, _) in HARMLESS {
            for value in values {
                assert_eq!(passed(name, value), None, "{name}: {value}");
            }
        }
        assert_eq!(passed("x-ratelimit-reset-tokens", "Sun, 06 Nov 1994 08:49:37 GMT"), None);
        for name in [
            "x-ratelimit-4111111111111111",
            &format!("x-ratelimit-{aws_key}"),
            "x-ratelimit-de89370400440532013000",
            "x-ratelimit",
            "content-type",
            "content-length",
            "set-cookie",
            "authorization",
            "server",
            "date",
            "openai-organization",
            "openai-version",
        ] {
            assert_eq!(passed(name, "17"), None, "{name}");
        }
    }

    #[test]
    fn a_header_that_stands_twice_passes_once() {
        let (mut from, mut to) = (HeaderMap::new(), HeaderMap::new());
        for value in ["7", "4111111111111111"] {
            from.append("retry-after", HeaderValue::from_static(value));
        }
        copy_harmless(&from, &mut to);
        assert_eq!(to.get_all("retry-after").iter().collect::<Vec<_>>(), ["7"]);
    }
}
