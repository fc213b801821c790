//! US social security numbers: three groups, or nine digits right after words that say so.
use super::has_before;
use super::separator::{self, Join, Separator};
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Digits of a number.
const DIGITS: usize = 9;
/// Digits of the first group.
const GROUP_DIGITS: usize = 3;
/// Asterisks that begin or end bold text: one alone multiplies.
const EMPHASIS_BYTES: usize = 2;
/// Most underscores that emphasise what follows.
const EMPHASIS_BYTES_MAX: usize = 3;

/// Bytes before a plain number in which the words must stand.
const CONTEXT_BYTES: usize = 40;
const CONTEXT: [&[u8]; 6] = [
    b"ss#",
    b"social security",
    b"social-security",
    b"social_security",
    b"socialsecurity",
    b"soc sec",
];

/// Areas 000, 666 and 900-999, group 00 and serial 0000 were never given out (20 CFR 422, SSA randomisation of 2011).
fn is_assigned(digits: &[u8]) -> bool {
    let (area, rest) = digits.split_at_checked(3).unwrap_or_default();
    let (group, serial) = rest.split_at_checked(2).unwrap_or_default();
    area != b"000"
        && area != b"666"
        && area.first() != Some(&b'9')
        && group != b"00"
        && serial != b"0000"
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Whether a number may begin at this digit: it is no part of a decimal number, and where a word runs into it, it is written with hyphens.
pub(super) fn may_begin(text: Text<'_>, at: usize) -> bool {
    if !text.get(at).is_some_and(|byte| matches!(byte, b'0'..=b'8')) {
        return false;
    }
    let is_fraction = text.back(at, 1) == Some(b'.') && text.back(at, 2).is_some_and(is_digit);
    // Of whole texts nearly all that is none is told by a byte, before it is decided at length.
    !is_fraction
        && (!text.is_whole()
            || text.get(at.saturating_add(GROUP_DIGITS)) == Some(b'-')
            || is_clear(text, at))
}

/// Whether no word runs into the number but one that says what it is.
fn is_clear(text: Text<'_>, at: usize) -> bool {
    match text.back(at, 1) {
        Some(b'.') => !text.back(at, 2).is_some_and(is_digit),
        Some(b'_') => is_emphasised(text, at) || names_it(text, at.saturating_sub(1)),
        Some(b'n' | b'N') => text.is_boundary(at) || names_it(text, at),
        _ => text.is_boundary(at) || text.is_after_escape(at),
    }
}

/// Whether words before say what the number is.
fn is_named(text: Text<'_>, start: usize) -> bool {
    has_before(text, start, CONTEXT_BYTES, &CONTEXT)
        || has_abbreviation(text.before(start, CONTEXT_BYTES.saturating_add(1)))
}

/// Whether `ssn` stands in the text, alone or as one word of a name (`userSSN`, `ssnNumber`), but not inside a word (`className`), and
/// not in the number of a periodical (`ISSN`).
fn has_abbreviation(text: &[u8]) -> bool {
    // What stands before the first byte of a cut text is not known.
    let n_skipped = usize::from(text.len() > CONTEXT_BYTES);
    text.windows(3).enumerate().skip(n_skipped).any(|(place, window)| {
        if !window.eq_ignore_ascii_case(b"ssn") {
            return false;
        }
        let before = place.checked_sub(1).and_then(|place| text.get(place));
        let after = text.get(place.saturating_add(3));
        let is_hump = before.is_some_and(u8::is_ascii_lowercase) && window.starts_with(b"S");
        !matches!(before, Some(b'i' | b'I'))
            && (is_hump
                || !before.is_some_and(u8::is_ascii_alphabetic)
                || !after.is_some_and(u8::is_ascii_alphabetic))
    })
}

/// Whether the abbreviation stands directly before.
fn names_it(text: Text<'_>, at: usize) -> bool {
    text.before(at, 3).eq_ignore_ascii_case(b"ssn")
}

/// Whether the underscores before begin a word: `_536-90-4399_` in the markup of emphasis.
fn is_emphasised(text: Text<'_>, at: usize) -> bool {
    let marks = text.before(at, EMPHASIS_BYTES_MAX);
    let n_marks = marks.iter().rev().take_while(|&&byte| byte == b'_').count();
    n_marks > 0 && text.is_boundary(at.saturating_sub(n_marks))
}

/// Fails where the number goes on. A letter may follow, as in a text that lost its blanks.
fn end_of_number(reader: &Reader<'_>, start: usize) -> Result<(), Stop> {
    let goes_on = match reader.peek()? {
        Some(b'_') => !is_emphasised(reader.text(), start),
        next => next.is_some_and(is_digit),
    };
    if goes_on { Err(Stop::No) } else { Ok(()) }
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    // Most numbers are not written like this: say so at the first byte that shows it.
    if !matches!(reader.peek()?, Some(b'0'..=b'8')) {
        return Err(Stop::No);
    }
    match reader.run(is_digit, 4)? {
        3 => groups(reader, start),
        4 if is_clear(text, start) => plain(text.reader(start), start),
        _ => Err(Stop::No),
    }
}

/// Nine digits without separators, after words that say what they are.
fn plain(mut reader: Reader<'_>, start: usize) -> Answer {
    let text = reader.text();
    let n = match reader.run(is_digit, DIGITS.saturating_add(1)) {
        Ok(n) if n != DIGITS => return Err(Stop::No),
        n => n,
    };
    // Asked late, because most numbers have more digits or fewer; where it says no, nothing is waited for.
    if !is_named(text, start) {
        return Err(Stop::No);
    }
    n?;
    end_of_number(&reader, start)?;
    let fits = is_assigned(text.slice(start, reader.at));
    if fits { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) }
}

/// Reads the other two groups; the separators are the same.
fn groups(mut reader: Reader<'_>, start: usize) -> Answer {
    let text = reader.text();
    let Some(Separator { n_bytes, join, wide }) = separator::next(&reader)? else {
        return Err(Stop::No);
    };
    // What has separators like these is an SSN only where words say so.
    let is_plain = matches!(join, Join::Dash | Join::Bullet)
        || (join == Join::Star && n_bytes == EMPHASIS_BYTES)
        || (matches!(join, Join::Space | Join::Hyphen) && !wide);
    if !is_plain && !is_named(text, start) {
        return Err(Stop::No);
    }
    let mark = text.slice(reader.at, reader.at.saturating_add(n_bytes));
    // Where something is glued to it, nothing but the usual form will do.
    if mark != b"-" && !is_clear(text, start) {
        return Err(Stop::No);
    }
    // Numbers with more groups are something else; blanks also stand between one number and the next.
    let is_list = join != Join::Space && join != Join::Line;
    let marks: [&[u8]; 2] = [b"-", if is_list { mark } else { b"-" }];
    if marks.iter().any(|mark| follows_group(text, start, mark)) {
        return Err(Stop::No);
    }
    let mut digits = [b'0'; DIGITS];
    reader.at = start;
    for (slot, place) in digits.iter_mut().zip(0_usize..) {
        if (place == 3 || place == 5) && !reader.eat(mark)? {
            return Err(Stop::No);
        }
        let Some(byte @ b'0'..=b'9') = reader.peek()? else { return Err(Stop::No) };
        *slot = byte;
        reader.skip(1);
    }
    if mark != b"-" {
        end_of_number(&reader, start)?;
    } else if reader.sees(is_digit)? {
        return Err(Stop::No);
    }
    for mark in marks {
        let mut ahead = reader;
        if ahead.eat(mark)? && ahead.sees(is_digit)? {
            return Err(Stop::No);
        }
    }
    if is_assigned(&digits) { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) }
}

/// Whether digits and a separator stand before.
fn follows_group(text: Text<'_>, start: usize, mark: &[u8]) -> bool {
    let before = text.before(start, mark.len().saturating_add(1)).strip_suffix(mark);
    before.and_then(<[u8]>::last).is_some_and(u8::is_ascii_digit)
}
