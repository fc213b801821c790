//! Dates that name a day: with points, slashes or hyphens, in ISO order, or with the month's name. After words of birth they are dates of
//! birth; alone they say little.
use super::age;
use super::context::{BEFORE_BYTES, Plain, Vocabulary};
use crate::kinds::{Personal, Support};
use crate::text::{Answer, Hit, Reader, Stop, Text};
use std::sync::LazyLock;

/// Words of birth.
static BIRTH: LazyLock<Vocabulary<()>> = LazyLock::new(|| {
    let words = [
        "born",
        "birth",
        "birthday",
        "birthdate",
        "dob",
        "date of birth",
        "d o b",
        "bday",
        "geboren",
        "geburtsdatum",
        "geburtstag",
        "geb",
        "née",
        "né",
        "naissance",
        "nacimiento",
        "nacido",
        "nacida",
        "nascita",
        "nato",
        "nata",
        "nascimento",
        "nascido",
        "geboortedatum",
        "urodzenia",
        "urodzony",
        "född",
        "født",
        "syntynyt",
        "рождения",
        "родился",
        "родилась",
        "生年月日",
        "出生",
        "생년월일",
        "doğum",
    ];
    Vocabulary::new(words.into_iter().map(|word| (word, ())))
});

/// The first three letters of the months in English, German, French, Spanish, Italian, Portuguese and Dutch.
const MONTHS: &[u8] = b"janfebmaraprmayjunjulaugsepoctnovdecmaiokteneagodezdicavrjuiaougengiulugsetottabrfevfevmeimrt";

/// A bit for each letter that a month begins with.
const MONTH_FIRSTS: u32 = month_firsts();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs at build time only, where a wrong index is an error"
)]
const fn month_firsts() -> u32 {
    let (mut bits, mut at) = (0, 0);
    while at < MONTHS.len() {
        bits |= 1 << (MONTHS[at] & 31);
        at += 3;
    }
    bits
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Whether a date may begin at this digit.
pub(super) fn may_begin(text: Text<'_>, at: usize) -> bool {
    text.is_boundary(at)
        && !(matches!(text.back(at, 1), Some(b'.' | b',' | b'-' | b'/' | b':'))
            && text.back(at, 2).is_some_and(|byte| byte.is_ascii_alphanumeric()))
}

/// Reads a number of at most four digits, and how many it has.
fn number(reader: &mut Reader<'_>) -> Result<(u32, usize), Stop> {
    let from = reader.at;
    let n = reader.run(is_digit, 5)?;
    let digits = reader.text().slice(from, reader.at);
    let value = digits.iter().fold(0_u32, |value, &byte| {
        value.wrapping_mul(10).wrapping_add(u32::from(byte.wrapping_sub(b'0')))
    });
    Ok((value, n))
}

/// Reads the name of a month.
fn month(reader: &mut Reader<'_>) -> Result<bool, Stop> {
    let from = reader.at;
    let n = reader.run(|byte| byte.is_ascii_alphabetic() || byte >= 0x80, 12)?;
    let head = reader.text().slice(from, from.saturating_add(3));
    // Most words begin with another letter.
    let may_begin = head.first().is_some_and(|byte| MONTH_FIRSTS >> (byte & 31) & 1 == 1);
    let is_month = (3..=11).contains(&n)
        && may_begin
        && MONTHS.chunks_exact(3).any(|month| month.eq_ignore_ascii_case(head));
    reader.eat(b".")?;
    Ok(is_month)
}

/// Steps over the time of a day that may follow in ISO order.
fn skip_time(reader: &mut Reader<'_>) -> Result<(), Stop> {
    let mut ahead = *reader;
    if !(ahead.eat(b"T")? || ahead.eat(b" ")?)
        || ahead.run(is_digit, 3)? != 2
        || !ahead.eat(b":")?
    {
        return Ok(());
    }
    if ahead.run(is_digit, 3)? == 2 {
        if ahead.eat(b":")? {
            ahead.run(is_digit, 3)?;
            if ahead.sees(|byte| byte == b'.')? && ahead.sees_ahead(1, is_digit)? {
                ahead.skip(1);
                ahead.run(is_digit, 9)?;
            }
        }
        if !ahead.eat(b"Z")?
            && ahead.sees(|byte| matches!(byte, b'+' | b'-'))?
            && ahead.sees_ahead(1, is_digit)?
        {
            ahead.skip(1);
            ahead.run(|byte| byte.is_ascii_digit() || byte == b':', 5)?;
        }
        *reader = ahead;
    }
    Ok(())
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let (first, n_first) = number(&mut reader)?;
    if n_first <= 3
        && age::may_be(text, start, &reader, first)?
        && age::is_age(text, start, &reader)?
    {
        let hit = Hit::new(start, reader.at).of(Personal::Age);
        return Ok(Hit { support: Support::Context, ..hit });
    }
    if !(1..=4).contains(&n_first) || n_first == 3 {
        return Err(Stop::No);
    }
    match reader.peek()? {
        Some(mark @ (b'/' | b'-' | b'.')) => {
            reader.skip(1);
            in_numbers(reader, start, (first, n_first), mark)
        }
        _ if n_first < 3 && (1..=31).contains(&first) => with_month(reader, start),
        _ => Err(Stop::No),
    }
}

/// `12/31/1999`, `31.12.99`, `1999-12-31T10:00`, `31-Dec-1999`.
fn in_numbers(
    mut reader: Reader<'_>,
    start: usize,
    (first, n_first): (u32, usize),
    mark: u8,
) -> Answer {
    if reader.sees(|byte| byte.is_ascii_alphabetic())? && mark != b'.' {
        let is_month = month(&mut reader)?;
        let fits = is_month && reader.eat(&[mark])? && matches!(number(&mut reader)?.1, 2 | 4);
        return if fits { finish(&reader, start) } else { Err(Stop::No) };
    }
    let (second, n_second) = number(&mut reader)?;
    if !(1..=2).contains(&n_second) || !reader.eat(&[mark])? {
        return Err(Stop::No);
    }
    let (third, n_third) = number(&mut reader)?;
    let is_day = |day: u32, month: u32| super::national::is_day(month, day);
    let fits = if n_first == 4 {
        (1..=2).contains(&n_third) && (1000..=2999).contains(&first) && is_day(third, second)
    } else {
        let year = n_third == 2 && (mark != b'-' || n_second == 2)
            || n_third == 4 && (1000..=2999).contains(&third);
        year && (is_day(first, second) || is_day(second, first))
    };
    if !fits {
        return Err(Stop::No);
    }
    if n_first == 4 {
        skip_time(&mut reader)?;
    }
    finish(&reader, start)
}

/// `31 December 1999`, `1st of May 2020`, `3. März 2001`.
fn with_month(mut reader: Reader<'_>, start: usize) -> Answer {
    for ordinal in [b"st", b"nd", b"rd", b"th"] {
        if reader.eat_folded(ordinal)? {
            break;
        }
    }
    if !reader.eat(b" ")? {
        return Err(Stop::No);
    }
    let _of = reader.eat(b"of ")? || reader.eat(b"de ")?;
    if !reader.sees(|byte| byte.is_ascii_alphabetic())? || !month(&mut reader)? {
        return Err(Stop::No);
    }
    reader.eat(b",")?;
    let _de = reader.sees(|byte| byte == b' ')? && reader.eat(b" de")?;
    if !reader.eat(b" ")? || number(&mut reader)?.1 != 4 {
        return Err(Stop::No);
    }
    finish(&reader, start)
}

/// A month's name, a day and a year: `December 31, 1999`, `May 1st 2020`.
pub(super) fn decide_named(text: Text<'_>, start: usize) -> Result<Option<Hit>, Stop> {
    let mut reader = text.reader(start);
    if !month(&mut reader)? || !reader.eat(b" ")? || !reader.sees(is_digit)? {
        return Ok(None);
    }
    let (day, n_day) = number(&mut reader)?;
    for ordinal in [b"st", b"nd", b"rd", b"th"] {
        if reader.eat_folded(ordinal)? {
            break;
        }
    }
    let comma = reader.eat(b",")?;
    if !(1..=31).contains(&day)
        || n_day > 2
        || !(reader.eat(b" ")? || comma)
        || number(&mut reader)?.1 != 4
    {
        return Ok(None);
    }
    finish(&reader, start).map(Some).or_else(none)
}

/// What is no finding is none; what waits goes on waiting.
fn none(stop: Stop) -> Result<Option<Hit>, Stop> {
    match stop {
        Stop::More(_) => Err(stop),
        _ => Ok(None),
    }
}

/// Ends the date, and asks whose it is.
fn finish(reader: &Reader<'_>, start: usize) -> Answer {
    let text = reader.text();
    let goes_on = reader.sees(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?
        || (reader.sees(|byte| matches!(byte, b'.' | b'-' | b'/'))?
            && reader.sees_ahead(1, is_digit)?);
    if goes_on {
        return Err(Stop::No);
    }
    let mut of_birth = false;
    BIRTH.find(&Plain::before(text, start, BEFORE_BYTES), |(), _, _| of_birth = true);
    let hit = Hit::new(start, reader.at);
    Ok(if of_birth {
        Hit { support: Support::Context, ..hit.of(Personal::DateOfBirth) }
    } else {
        hit.of(Personal::Date)
    })
}
