//! Tokens of Discord bots: the number of the account in base64, six letters, and a signature, with dots between them.
//!
//! They have no mark but the first three letters: digits in base64 begin with few of them.
use crate::kinds::Secret;
use crate::text::{Answer, Hit, Stop, Text, is_base64url};

/// The first digit of a token is among so many bytes.
const FIRST_DIGIT_MAX: usize = 20;
const ACCOUNT_MIN: usize = 23;
const ACCOUNT_MAX: usize = 26;
const TIME: usize = 6;
const SIGNATURE_MIN: usize = 27;
const SIGNATURE_MAX: usize = 38;

/// Whether the bytes may be the first ones of three digits in base64.
fn may_begin(bytes: &[u8]) -> bool {
    let is = |at: usize, set: &[u8]| bytes.get(at).is_none_or(|byte| set.contains(byte));
    is(0, b"MNO") && is(1, b"DTjzUwkI") && is(2, b"AEIMQUYcgk")
}

/// Bytes of a token's first part that end before an offset, without a digit.
fn letters_before(text: Text<'_>, end: usize) -> Option<&[u8]> {
    let before = text.before(end, FIRST_DIGIT_MAX.saturating_add(1));
    let is_letter = |byte: &&u8| is_base64url(**byte) && !byte.is_ascii_digit();
    let n = before.iter().rev().take_while(is_letter).count();
    let letters = before.get(before.len().saturating_sub(n)..).unwrap_or_default();
    (n <= FIRST_DIGIT_MAX && text.is_boundary(end.saturating_sub(n)) && may_begin(letters))
        .then_some(letters)
}

/// Where a token begins whose first digit stands at an offset.
pub(in crate::rules) fn start_of(text: Text<'_>, at: usize) -> Option<usize> {
    let letters = letters_before(text, at).filter(|letters| letters.len() >= 3)?;
    at.checked_sub(letters.len())
}

/// Where a token may have begun whose first digit is not there yet.
pub(in crate::rules) fn partial(text: Text<'_>) -> usize {
    let end = text.len();
    letters_before(text, end).map_or(end, |letters| end.saturating_sub(letters.len()))
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run(is_base64url, ACCOUNT_MAX.saturating_add(1))?;
    if !(ACCOUNT_MIN..=ACCOUNT_MAX).contains(&n) || !reader.eat(b".")? {
        return Err(Stop::No);
    }
    if reader.run(is_base64url, TIME.saturating_add(1))? != TIME || !reader.eat(b".")? {
        return Err(Stop::No);
    }
    let n = reader.run(is_base64url, SIGNATURE_MAX.saturating_add(1))?;
    if (SIGNATURE_MIN..=SIGNATURE_MAX).contains(&n) {
        Ok(Hit::new(start, reader.at).of(Secret::DiscordToken))
    } else {
        Err(Stop::No)
    }
}
