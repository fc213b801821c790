//! Places on a map: two angles, in degrees with a fraction or in minutes and seconds. Two numbers with a fraction are in every table, so
//! that marks of degrees, letters of the compass or a word before them must say what they are.
use super::context::{Plain, Vocabulary};
use crate::kinds::{Personal, Support};
use crate::text::{Answer, Hit, Reader, Stop, Text};
use std::sync::LazyLock;

/// Bytes before the numbers in which a word must stand.
const BEFORE_BYTES: usize = 48;
/// Most bytes between the two angles: `, "longitude": `.
const GAP_BYTES_MAX: usize = 24;
/// Fewest digits of a fraction: three are a hundred metres.
const FRACTION_MIN: usize = 3;
const FRACTION_MAX: usize = 16;
/// The sign of degrees.
const DEGREE: &[u8] = "°".as_bytes();
/// The signs of minutes, and of seconds.
const MINUTES: [&[u8]; 3] = [b"'", "′".as_bytes(), "’".as_bytes()];
const SECONDS: [&[u8]; 4] = [b"\"", "″".as_bytes(), "”".as_bytes(), b"''"];

/// Words of places on a map.
static WORDS: LazyLock<Vocabulary<()>> = LazyLock::new(|| {
    let words = [
        "lat",
        "latitude",
        "lon",
        "lng",
        "longitude",
        "latlng",
        "latlong",
        "latlon",
        "gps",
        "geo",
        "coordinate",
        "coord",
        "geolocation",
        "geopoint",
        "ll",
        "maps",
        "location",
        "position",
        "koordinaten",
        "standort",
        "coordonnées",
        "coordenadas",
        "coordinate",
        "координаты",
        "坐标",
        "座標",
        "좌표",
    ];
    Vocabulary::new(words.into_iter().map(|word| (word, ())))
});

/// An angle as it is written.
#[derive(Clone, Copy)]
struct Angle {
    /// Whole degrees.
    degrees: u32,
    /// Whether a mark says that it is one.
    marked: bool,
}

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn number(reader: &mut Reader<'_>, n_max: usize) -> Result<Option<u32>, Stop> {
    let from = reader.at;
    let n = reader.run(is_digit, n_max.saturating_add(1))?;
    let digits = reader.text().slice(from, reader.at);
    let value = digits.iter().fold(0_u32, |value, &byte| {
        value.wrapping_mul(10).wrapping_add(u32::from(byte.wrapping_sub(b'0')))
    });
    Ok((1..=n_max).contains(&n).then_some(value))
}

fn eats(reader: &mut Reader<'_>, marks: &[&[u8]]) -> Result<bool, Stop> {
    for mark in marks {
        if reader.eat(mark)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Minutes and seconds after the degrees, of which the minutes must be there.
fn minutes(reader: &mut Reader<'_>) -> Result<bool, Stop> {
    reader.eat(b" ")?;
    if number(reader, 2)?.is_none_or(|minutes| minutes >= 60) {
        return Ok(false);
    }
    if reader.sees(|byte| byte == b'.')? {
        reader.skip(1);
        reader.run(is_digit, FRACTION_MAX)?;
    }
    if !eats(reader, &MINUTES)? {
        return Ok(false);
    }
    let mut ahead = *reader;
    ahead.eat(b" ")?;
    if number(&mut ahead, 2)?.is_some_and(|seconds| seconds < 60) {
        if ahead.eat(b".")? {
            ahead.run(is_digit, FRACTION_MAX)?;
        }
        if eats(&mut ahead, &SECONDS)? {
            *reader = ahead;
        }
    }
    Ok(true)
}

fn angle(reader: &mut Reader<'_>) -> Result<Option<Angle>, Stop> {
    let Some(degrees) = number(reader, 3)? else { return Ok(None) };
    let mut marked;
    if reader.eat(b".")? {
        let n = reader.run(is_digit, FRACTION_MAX.saturating_add(1))?;
        if !(FRACTION_MIN..=FRACTION_MAX).contains(&n) {
            return Ok(None);
        }
        marked = reader.eat(DEGREE)?;
    } else if reader.eat(DEGREE)? {
        marked = true;
        if !minutes(reader)? {
            return Ok(None);
        }
    } else {
        return Ok(None);
    }
    let is_compass = |byte: u8| matches!(byte, b'N' | b'S' | b'E' | b'W' | b'O');
    let ahead = usize::from(reader.sees(|byte| byte == b' ')?);
    if reader.sees_ahead(ahead, is_compass)?
        && !reader.sees_ahead(ahead.saturating_add(1), |byte| byte.is_ascii_alphanumeric())?
    {
        reader.skip(ahead.saturating_add(1));
        marked = true;
    }
    Ok((degrees <= 180).then_some(Angle { degrees, marked }))
}

/// Steps over what is between two angles: a sign between them, and the name of the second.
fn gap(reader: &mut Reader<'_>) -> Result<bool, Stop> {
    let from = reader.at;
    let is_gap = |byte: u8| {
        byte.is_ascii_alphabetic()
            || matches!(
                byte,
                b' ' | b'\n'
                    | b'\t'
                    | b','
                    | b';'
                    | b'|'
                    | b'/'
                    | b':'
                    | b'='
                    | b'"'
                    | b'\''
                    | b'_'
                    | b'&'
            )
    };
    let n = reader.run(is_gap, GAP_BYTES_MAX)?;
    let between = reader.text().slice(from, reader.at).to_ascii_lowercase();
    // Letters are the name of the second angle or nothing.
    let has_letters = between.iter().any(u8::is_ascii_alphabetic);
    let has = |word: &[u8]| between.windows(word.len()).any(|window| window == word);
    let is_named = has(b"lon") || has(b"lng") || has(b"lat") || between.trim_ascii() == b"and";
    reader.eat(b"-")?;
    Ok((1..GAP_BYTES_MAX).contains(&n) && (!has_letters || is_named))
}

/// Whether a third number of the same sort follows: then this is a list of numbers.
fn is_list(mut reader: Reader<'_>) -> Result<bool, Stop> {
    if !reader.eat(b",")? {
        return Ok(false);
    }
    reader.eat(b" ")?;
    reader.eat(b"-")?;
    Ok(number(&mut reader, 3)?.is_some()
        && reader.eat(b".")?
        && reader.run(is_digit, FRACTION_MIN)? == FRACTION_MIN)
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let Some(first) = angle(&mut reader)? else { return Err(Stop::No) };
    if !gap(&mut reader)? {
        return Err(Stop::No);
    }
    let Some(second) = angle(&mut reader)? else { return Err(Stop::No) };
    if first.degrees.min(second.degrees) > 90 || is_list(reader)? {
        return Err(Stop::No);
    }
    let marked = first.marked && second.marked;
    let mut named = false;
    if !marked {
        let plain = Plain::before(text, start, BEFORE_BYTES);
        WORDS.find(&plain, |(), _, _| named = true);
        // `.../maps/@48.8584,2.2945,17z`
        named |= text.back(start, 1) == Some(b'@') && reader.sees(|byte| byte == b',')?;
    }
    if !(marked || named) {
        return Err(Stop::No);
    }
    let support = if marked { Support::Form } else { Support::Context };
    Ok(Hit { support, ..Hit::new(start, reader.at).of(Personal::Coordinates) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<&str> {
        let start = text.find(|character: char| character.is_ascii_digit())?;
        let hit = decide(Text::new(text.as_bytes(), true, true), start).ok()?;
        text.get(hit.start..hit.end)
    }

    #[test]
    fn places_are_told_from_numbers() {
        for (text, want) in [
            ("lat/lon: 40.7128, -74.0060", Some("40.7128, -74.0060")),
            ("{\"lat\": 40.7128, \"lng\": -74.0060}", Some("40.7128, \"lng\": -74.0060")),
            ("40.7128° N, 74.0060° W", Some("40.7128° N, 74.0060° W")),
            ("40°42'46\"N 74°00'22\"W", Some("40°42'46\"N 74°00'22\"W")),
            ("at 48° 51′ 29.6″ N, 2° 17′ 40.2″ E now", Some("48° 51′ 29.6″ N, 2° 17′ 40.2″ E")),
            ("geo:52.5200,13.4050", Some("52.5200,13.4050")),
            ("/maps/@48.8584,2.2945,17z", Some("48.8584,2.2945")),
            ("my location is 52.5200 13.4050", Some("52.5200 13.4050")),
            ("40.7128, -74.0060", None),
            ("loss 0.1234, 0.5678", None),
            ("location 0.123, 0.456, 0.789", None),
            ("lat 40.7, 74.0", None),
            ("gps 140.7128, 174.0060", None),
            ("position 940.7128, 74.0060", None),
            ("lat 40.7128 and then 74.0060", None),
            ("40°42'46\"N", None),
            ("heated to 40.123° and 50.123 later", None),
        ] {
            assert_eq!(place(text), want, "{text}");
        }
    }
}
