//! The age of a person in a sentence: `aged 47`, `47 years old`, `47-jährige`, `"age": 47`. A number alone is none. The finding is the
//! number, so that a sentence without it still reads.
use crate::text::{Reader, Stop, Text, is_word};

/// The oldest age that is taken for one.
const YEARS_MAX: u32 = 125;
/// Bytes before the number in which a word must stand.
const BEFORE_BYTES: usize = 16;
/// Most bytes of blanks and signs between the word and the number.
const GAP_BYTES_MAX: usize = 4;
/// Words that a number after them is an age by.
const BEFORE: [&[u8]; 7] = [b"age", b"aged", b"alter", b"edad", b"leeftijd", b"idade", b"wiek"];
/// Most letters of the word after the number.
const UNIT_BYTES_MAX: usize = 6;

/// What a number is no age before: an amount, a range, a date, another unit.
fn is_bare(reader: &Reader<'_>) -> Result<bool, Stop> {
    Ok(match reader.peek()? {
        Some(b'.' | b',' | b'-' | b'/' | b':') => {
            !reader.sees_ahead(1, |byte| byte.is_ascii_alphanumeric())?
        }
        Some(b' ') => !reader.sees_ahead(1, |byte| {
            byte.is_ascii_digit() || matches!(byte, b'-' | b'%' | b'h' | b'd' | b'm' | b's' | b'w')
        })?,
        Some(b'%' | b'+' | b'*' | b'=') => false,
        Some(byte) => !is_word(byte) && byte < 0x80,
        None => true,
    })
}

/// How many bytes of a gap stand before a place.
fn n_gap(text: Text<'_>, start: usize) -> usize {
    let is_gap = |byte: u8| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\'');
    (1..=GAP_BYTES_MAX).take_while(|&n| text.back(start, n).is_some_and(is_gap)).count()
}

/// Whether a gap and a letter stand before a place that the words end in.
fn may_be_announced(text: Text<'_>, start: usize) -> bool {
    let n_gap = n_gap(text, start);
    let letter = |n: usize| text.back(start, n_gap.saturating_add(n)).map(|byte| byte | 0x20);
    let may_end = match letter(1) {
        Some(b'e' | b'd' | b'r' | b't' | b'k') => true,
        Some(b's') => letter(2) == Some(b'i'),
        Some(b'f') => letter(2) == Some(b'o'),
        _ => false,
    };
    n_gap > 0 && may_end
}

/// Whether a word right before a place says that an age follows.
fn is_announced(text: Text<'_>, start: usize) -> bool {
    let n_gap = n_gap(text, start);
    let before = text.before(start, BEFORE_BYTES);
    let left = before.get(..before.len().saturating_sub(n_gap)).unwrap_or_default();
    // `age is`, `age of`.
    let left = [b" is".as_slice(), b" of"]
        .iter()
        .find_map(|filler| left.strip_suffix(*filler))
        .unwrap_or(left);
    BEFORE.iter().any(|word| {
        let (head, tail) = left.split_at(left.len().saturating_sub(word.len()));
        let begins = head.last().is_none_or(|&byte| !is_word(byte) && byte != b'-' && byte < 0x80);
        begins && tail.eq_ignore_ascii_case(word)
    })
}

/// Whether what follows says that the number is an age: `years old`, `-year-old`, `yo`, `y/o`, ` Jahre alt`, `-jährige`, ` años de edad`.
fn is_followed(mut reader: Reader<'_>) -> Result<bool, Stop> {
    reader.skip(usize::from(reader.sees(|byte| matches!(byte, b' ' | b'-'))?));
    let from = reader.at;
    let n = reader.run(|byte| byte.is_ascii_alphabetic(), UNIT_BYTES_MAX)?;
    let unit = reader.text().slice(from, from.saturating_add(n)).to_ascii_lowercase();
    let is_age = match unit.as_slice() {
        b"year" | b"years" | b"yr" | b"yrs" => {
            reader.skip(usize::from(reader.sees(|byte| matches!(byte, b' ' | b'-'))?));
            reader.eat_folded(b"old")? || reader.eat_folded(b"of age")?
        }
        b"yo" => true,
        b"y" => reader.eat_folded(b"/o")?,
        b"jahre" => reader.eat_folded(b" alt")?,
        // Any ending may follow.
        b"j" => return reader.eat("ährige".as_bytes()),
        b"a" => reader.eat("ños de edad".as_bytes())?,
        _ => false,
    };
    Ok(is_age && !reader.sees(is_word)?)
}

/// Whether the number whose digits begin at `start` and end at the reader may be an age: nearly all are told apart by a byte or two.
#[inline]
pub(super) fn may_be(
    text: Text<'_>,
    start: usize,
    reader: &Reader<'_>,
    years: u32,
) -> Result<bool, Stop> {
    if !(1..=YEARS_MAX).contains(&years) {
        return Ok(false);
    }
    Ok(match reader.peek()? {
        Some(b' ' | b'-') => {
            reader.sees_ahead(1, |byte| matches!(byte, b'y' | b'Y' | b'j' | b'J' | b'a'))?
        }
        Some(b'y' | b'j') => true,
        _ => false,
    } || may_be_announced(text, start))
}

/// Whether such a number is one.
#[cold]
pub(super) fn is_age(text: Text<'_>, start: usize, reader: &Reader<'_>) -> Result<bool, Stop> {
    Ok(is_followed(*reader)? || (is_announced(text, start) && is_bare(reader)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Personal;

    fn age(marked: &str) -> Option<String> {
        let start = marked.find(|character: char| character.is_ascii_digit())?;
        let text = Text::new(marked.as_bytes(), true, true);
        let answer = super::super::date::decide(text, start);
        let hit = answer.ok()?;
        (hit.kind == Some(Personal::Age.into()))
            .then(|| marked.get(hit.start..hit.end))?
            .map(str::to_owned)
    }

    #[test]
    fn ages_are_told_from_other_numbers() {
        for (text, want) in [
            ("She is 47 years old.", Some("47")),
            ("a 9-year-old boy", Some("9")),
            ("died aged 103.", Some("103")),
            ("{\"age\": 47, \"x\": 1}", Some("47")),
            ("Age: 47", Some("47")),
            ("at the age of 12, he", Some("12")),
            ("her age is 33", Some("33")),
            ("(47yo, F)", Some("47")),
            ("eine 47-jährige Frau", Some("47")),
            ("er ist 47 Jahre alt", Some("47")),
            ("tiene 47 años de edad", Some("47")),
            ("47 years ago", None),
            ("300 years old", None),
            ("max-age=60", None),
            ("image: 3", None),
            ("page 47", None),
            ("aged 18-25", None),
            ("age 12 months", None),
            ("age: 3.5", None),
            ("47 yokes", None),
            ("0 years old", None),
        ] {
            assert_eq!(age(text).as_deref(), want, "{text}");
        }
    }
}
