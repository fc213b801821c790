//! Numbers as the digits that a reader of the document sees, however they are written.
use std::borrow::Cow;

/// Whole numbers with fewer digits cannot be a payment card.
const NUMBER_DIGITS_MIN: usize = 12;
/// A number that is written with an exponent or a point and has more digits than this is longer than anything that is looked for.
const NUMBER_DIGITS_MAX: usize = 40;

/// The digits of a number's whole part, its exponent worked in, when it is long enough to matter: `4.1e3` is `4100`, and so are
/// `41000e-1` and `4100.5`.
pub(in crate::exchange) fn plain_digits(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let raw = raw.strip_prefix(b"-").unwrap_or(raw);
    if raw.len() < 4 {
        return None;
    }
    if raw.iter().all(u8::is_ascii_digit) {
        return (NUMBER_DIGITS_MIN <= raw.len()).then_some(Cow::Borrowed(raw));
    }
    let text = std::str::from_utf8(raw).ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // An exponent that does not fit makes no number of a length that matters: no document has room for the zeros that would undo it.
    let exponent: i64 = exponent.parse().ok()?;
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    // Before the point stand as many digits as the whole part had, less the leading zeros, and the point moves by the exponent.
    let n_leading = i64::try_from(all.len() - digits.len()).ok()?;
    let n_whole = i64::try_from(whole.len()).ok()?.saturating_sub(n_leading);
    let n_whole = usize::try_from(n_whole.saturating_add(exponent)).ok()?;
    if digits.is_empty() || !(NUMBER_DIGITS_MIN..=NUMBER_DIGITS_MAX).contains(&n_whole) {
        return None;
    }
    let zeros = std::iter::repeat(b'0');
    Some(Cow::Owned(digits.bytes().chain(zeros).take(n_whole).collect()))
}
