//! IP addresses. Loopback, unspecified, broadcast addresses and masks are the same on every machine: they identify nobody and pass.
use super::{end_of_word, has_before};
use crate::text::{Answer, Hit, Reader, Stop, Text, is_word};

/// Words before a number with dots that make it a version or a section.
const VERSION_WORDS: [&[u8]; 6] =
    [b"version", b"release", b"section", b"chapter", b"build", b"firmware"];
const VERSION_BYTES: usize = 12;

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// An IPv4 address, or a place on a map, which has a longer fraction or a sign of degrees where an address has its next number.
pub(super) fn decide_v4(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run(|byte| byte.is_ascii_digit(), 4)?;
    let is_place = match reader.peek()? {
        Some(b'.') => {
            reader.skip(1);
            reader.run(|byte| byte.is_ascii_digit(), 4)? == 4
        }
        Some(byte) => byte >= 0x80,
        None => false,
    };
    if n > 3 {
        Err(Stop::No)
    } else if is_place {
        super::coordinate::decide(text, start)
    } else {
        address_v4(text, start)
    }
}

fn address_v4(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let octets = read_v4(&mut reader)?;
    end_of_word(&reader)?;
    let goes_on = reader.sees(|byte| byte == b'.' || byte == b'-' || byte == b'+')?
        && reader.sees_ahead(1, is_word)?;
    let is_sentence_end = reader.sees(|byte| byte == b'.')?
        && !reader.sees_ahead(1, |byte| byte.is_ascii_alphanumeric())?;
    if (goes_on && !is_sentence_end)
        || identifies_nobody(octets)
        || has_before(text, start, VERSION_BYTES, &VERSION_WORDS)
    {
        return Err(Stop::No);
    }
    Ok(Hit::new(start, reader.at))
}

fn identifies_nobody(octets: [u8; 4]) -> bool {
    let [first, ..] = octets;
    matches!(first, 0 | 127 | 255)
}

/// Reads four numbers up to 255 without leading zeros.
fn read_v4(reader: &mut Reader<'_>) -> Result<[u8; 4], Stop> {
    let mut octets = [0_u8; 4];
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 && !reader.eat(b".")? {
            return Err(Stop::No);
        }
        let from = reader.at;
        let n = reader.run(|byte| byte.is_ascii_digit(), 4)?;
        let digits = reader.text().slice(from, reader.at);
        let value = digits.iter().fold(0_u32, |value, &byte| {
            value.wrapping_mul(10).wrapping_add(u32::from(byte.wrapping_sub(b'0')))
        });
        if n == 0 || (n > 1 && digits.first() == Some(&b'0')) {
            return Err(Stop::No);
        }
        *octet = u8::try_from(value).map_err(|_| Stop::No)?;
    }
    Ok(octets)
}

/// Whether an IPv6 address may begin here: nothing that could be its head stands before.
fn is_v6_boundary(text: Text<'_>, at: usize) -> bool {
    text.is_boundary(at) && !matches!(text.back(at, 1), Some(b':' | b'.'))
}

/// Where the digits just before `at` would begin a group that is the first of an address.
fn group_start(text: Text<'_>, at: usize) -> Option<usize> {
    let n = text.before(at, 5).iter().rev().take_while(|&&byte| is_hex(byte)).count();
    let start = at.checked_sub(n)?;
    ((1..=4).contains(&n) && is_v6_boundary(text, start)).then_some(start)
}

/// Where an address would begin whose first colon (or second of two) stands at `at`.
pub(super) fn start_of_v6(text: Text<'_>, at: usize) -> Option<usize> {
    if text.back(at, 1) == Some(b':') {
        return at.checked_sub(1).filter(|&start| is_v6_boundary(text, start));
    }
    group_start(text, at)
}

/// Where an address may have begun at the end of the text whose first colon is not there yet.
pub(super) fn partial_v6(text: Text<'_>) -> usize {
    let end = text.len();
    if text.back(end, 1) == Some(b':') {
        let colon = end.saturating_sub(1);
        return if is_v6_boundary(text, colon) { colon } else { end };
    }
    group_start(text, end).unwrap_or(end)
}

pub(super) fn decide_v6(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let mut gap = reader.eat(b"::")?;
    let (mut n_groups, mut n_first, mut n_digits) = (0_usize, 0_usize, 0_usize);
    let mut end = reader.at;
    while n_groups < 9 {
        let from = reader.at;
        let n = reader.run(is_hex, 5)?;
        if n > 4 {
            return Err(Stop::No);
        }
        if n == 0 {
            break;
        }
        if n_groups > 0 && reader.sees(|byte| byte == b'.')? {
            let mut tail = text.reader(from);
            match read_v4(&mut tail) {
                Ok(_) => (n_groups, n_digits, end) = (n_groups.saturating_add(2), 1, tail.at),
                Err(Stop::No) => (n_groups, end) = (n_groups.saturating_add(1), reader.at),
                Err(stop) => return Err(stop),
            }
            reader.at = end;
            break;
        }
        n_first = if n_groups == 0 { n } else { n_first };
        n_groups = n_groups.saturating_add(1);
        n_digits = n_digits.saturating_add(
            text.slice(from, reader.at).iter().filter(|byte| byte.is_ascii_digit()).count(),
        );
        end = reader.at;
        if !reader.sees(|byte| byte == b':')? {
            break;
        }
        if reader.sees_ahead(1, |byte| byte == b':')? {
            if gap {
                return Err(Stop::No);
            }
            gap = true;
            reader.skip(2);
            end = reader.at;
        } else if reader.sees_ahead(1, is_hex)? {
            reader.skip(1);
        } else {
            break;
        }
    }
    reader.at = end;
    end_of_word(&reader)?;
    if text.back(end, 1) == Some(b':') && reader.sees(|byte| byte == b':')? {
        return Err(Stop::No);
    }
    // A short form is told from names in code (`ad::b2`) by the four digits that real prefixes begin with.
    let is_short =
        gap && n_digits > 0 && (n_groups > 2 || (n_groups == 2 && n_first == 4)) && n_groups <= 7;
    if is_short || (!gap && n_groups == 8) { Ok(Hit::new(start, end)) } else { Err(Stop::No) }
}
