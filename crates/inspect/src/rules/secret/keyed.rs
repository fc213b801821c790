//! Values that look random and that words before them announce, with the vendor's name where one is near.
//!
//! A candidate is the run of characters around a digit: words are read only where a run is long and looks random, so that text full of
//! numbers costs little, and each run is judged once, however many words stand before it.
use super::announced::{self, Announced, CONTEXT_BYTES_MAX, Strength, contains};
use super::random;
use super::words::Vendor;
use crate::kinds::{Secret, Support};
use crate::text::{Answer, Class, Hit, LEFT_BYTES_MAX, Reader, Stop, Text};

/// Fewest bytes of a value.
const VALUE_BYTES_MIN: usize = 14;
/// Most bytes of a value. What is longer is a document, an image or a list, not a key.
const VALUE_BYTES_MAX: usize = 260;
/// The first digit of a value is among its first bytes.
const FIRST_DIGIT_MAX: usize = 44;
const _: () =
    assert!(FIRST_DIGIT_MAX + CONTEXT_BYTES_MAX <= LEFT_BYTES_MAX, "the words are at hand");
/// Fewest bytes of a value that only the line announces.
const LINE_VALUE_BYTES_MIN: usize = 20;
/// Most percent signs in a value.
const ESCAPES_MAX: usize = 8;
/// Fewest hexadecimal digits of a value.
const HEX_BYTES_MIN: usize = 20;

const VALUE: Class = |byte| {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'.' | b'~' | b'%')
};

/// The start of the run that a digit is the first one of; `None` where another came before, or where the run is not where a value may be.
pub(in crate::rules) fn start_of(text: Text<'_>, at: usize) -> Option<usize> {
    let before = text.before(at, FIRST_DIGIT_MAX.saturating_add(1));
    let letters = before.iter().rev().take_while(|&&byte| VALUE(byte) && !byte.is_ascii_digit());
    let n = letters.count();
    if n > FIRST_DIGIT_MAX {
        return None;
    }
    let start = at.checked_sub(n)?;
    let is_first = !text.back(start, 1).is_some_and(|byte| byte.is_ascii_digit());
    (is_first && !is_short(text, start) && announced::may_begin(text, start)).then_some(start)
}

/// Whether the run is seen to end before it is long enough: most numbers are no candidates at all.
fn is_short(text: Text<'_>, start: usize) -> bool {
    let ahead = text.slice(start, start.saturating_add(VALUE_BYTES_MIN).min(text.len()));
    ahead.iter().any(|&byte| !VALUE(byte) && byte != b':')
}

/// The start of a run at the end of the text in which no digit was seen yet and which words announce.
pub(in crate::rules) fn partial(text: Text<'_>) -> usize {
    let end = text.len();
    if !text.back(end, 1).is_some_and(|byte| VALUE(byte) && !byte.is_ascii_digit()) {
        return end;
    }
    let before = text.before(end, FIRST_DIGIT_MAX.saturating_add(1));
    let n = before.iter().rev().take_while(|&&byte| VALUE(byte)).count();
    let run = before.get(before.len().saturating_sub(n)..).unwrap_or_default();
    let start = end.saturating_sub(n);
    let is_open = n <= FIRST_DIGIT_MAX
        && !run.iter().any(u8::is_ascii_digit)
        && announced::may_begin(text, start)
        && announced::read(text, start).is_some();
    if is_open { start } else { end }
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let read = read_value(&mut text.reader(start));
    if matches!(read, Err(Stop::No | Stop::NoUntil(_))) {
        return Err(Stop::No);
    }
    // Words are read before the run is whole, so that a stream holds back only what they announce.
    let announced = announced::read(text, start).ok_or(Stop::No)?;
    let end = read?;
    let kind = kind_of(&announced, text.slice(start, end)).ok_or(Stop::No)?;
    if has_mark(text, start)? {
        return Err(Stop::No);
    }
    let mut hit = Hit::new(start, end).of(kind);
    hit.support = Support::Context;
    Ok(hit)
}

/// Whether a rule that knows the value by its own mark finds it.
fn has_mark(text: Text<'_>, start: usize) -> Result<bool, Stop> {
    let finds = |answer: Answer| match answer {
        Ok(_) => Ok(true),
        Err(Stop::More(wait)) => Err(Stop::More(wait)),
        Err(_) => Ok(false),
    };
    Ok(finds(super::vendor::decide(text, start))? || super::super::token::has_mark(text, start)?)
}

/// Reads a value and returns its end.
fn read_value(reader: &mut Reader<'_>) -> Result<usize, Stop> {
    let start = reader.at;
    let mut n = reader.run_long(VALUE, VALUE_BYTES_MAX.saturating_add(1))?;
    // A pair, such as an id and a key: `24 digits:64 digits`.
    if n < VALUE_BYTES_MAX && reader.sees(|byte| byte == b':')? && reader.sees_ahead(1, VALUE)? {
        reader.skip(1);
        reader.run_long(VALUE, VALUE_BYTES_MAX.saturating_sub(n))?;
        n = reader.at.saturating_sub(start);
    }
    let value = reader.text().slice(start, reader.at);
    // What an address writes with a percent sign: some in a key, many in a text.
    let n_escapes = value.split(|&byte| byte == b'%').count().saturating_sub(1);
    if !(VALUE_BYTES_MIN..=VALUE_BYTES_MAX).contains(&n)
        || n_escapes > ESCAPES_MAX
        || value.first() == Some(&b'%')
        || value.ends_with(b"%")
    {
        return Err(Stop::No);
    }
    let n_tail = value.iter().rev().take_while(|byte| matches!(byte, b'.' | b'/' | b'-')).count();
    if n_tail > 0 {
        return Ok(reader.at.saturating_sub(n_tail));
    }
    let n_padding = reader.run(|byte| byte == b'=', 3)?;
    // A name, a call, a place in an address, a part of something else: `x@`, `x(`, `x[`.
    if n_padding > 2
        || reader.sees(|byte| {
            matches!(byte, b'@' | b'(' | b'[' | b'?' | b'*' | b'!' | b'$' | b'%' | b'^' | b'#')
        })?
    {
        return Err(Stop::No);
    }
    Ok(reader.at)
}

/// What a value is, as far as words and its form tell.
fn kind_of(announced: &Announced, value: &[u8]) -> Option<Secret> {
    let bare = value.get(..value.len().saturating_sub(n_padding(value))).unwrap_or_default();
    if bare.len() < VALUE_BYTES_MIN || is_address_or_public(bare) {
        return None;
    }
    if announced.basic {
        return is_basic(value).then_some(Secret::BasicAuth);
    }
    let is_random = random::is_random(bare);
    let is_hex = random::is_hex(bare) && random::is_mixed(bare) && bare.len() >= HEX_BYTES_MIN;
    let is_uuid = random::is_uuid(bare);
    if !(is_random || is_hex || is_uuid) || (!is_random && random::is_stand_in(bare)) {
        return None;
    }
    let is_one = |vendor: &&&Vendor| vendor.values.iter().any(|pattern| pattern.is(value));
    if let Some(vendor) = announced.vendors.iter().find(is_one) {
        return Some(vendor.kind);
    }
    let is_enough = match announced.strength {
        Strength::Name => true,
        Strength::Line => !is_uuid && bare.len() >= LINE_VALUE_BYTES_MIN,
        Strength::Vendor => false,
    };
    is_enough.then_some(Secret::GenericKey)
}

fn n_padding(value: &[u8]) -> usize {
    value.iter().rev().take_while(|&&byte| byte == b'=').count()
}

/// Whether the value is an address, or a key that is public.
fn is_address_or_public(value: &[u8]) -> bool {
    contains(value, b"//")
        || contains(value, b"_pub_")
        || value.starts_with(b"pk_")
        || value.starts_with(b"AAAAB3Nza")
        || value.starts_with(b"AAAAC3Nza")
}

/// Whether base64 holds a name and a password.
fn is_basic(value: &[u8]) -> bool {
    let url: Vec<u8> = value
        .iter()
        .filter(|&&byte| byte != b'=')
        .map(|&byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => other,
        })
        .collect();
    let plain = super::super::token::decode_base64url(&url);
    plain.contains(&b':') && plain.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte >= 0x80)
}
