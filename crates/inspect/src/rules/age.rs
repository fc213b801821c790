//! The age of a person in a sentence: `aged 47`, `47 years old`, `47-jährige`, `"age": 47`. A number alone is none. The finding is the
//! number, so that a sentence without it still reads.
use crate::kinds::{Personal, Support};
use crate::text::{Hit, Reader, Stop, Text, is_word};

/// The oldest age that is taken for one.
const YEARS_MAX: u32 = 125;
/// Bytes before the number in which a word must stand.
const BEFORE_BYTES: usize = 16;
/// Most bytes of blanks and signs between the word and the number.
const GAP_BYTES_MAX: usize = 4;
/// Words that a number after them is an age by.
const BEFORE: [&[u8]; 7] = [b"age", b"aged", b"alter", b"edad", b"leeftijd", b"idade", b"wiek"];
/// What comes after the number of an age, in small letters, where no word goes on.
const AFTER: [&[u8]; 14] = [
    b" years old",
    b" year old",
    b"-year-old",
    b"-years-old",
    b" years of age",
    b" year-old",
    b" yrs old",
    b" yr old",
    b"-yr-old",
    b" y/o",
    b" yo",
    b"yo",
    b" jahre alt",
    " años de edad".as_bytes(),
];
/// What comes after one and may end in any way: `47-jähriger`.
const STEMS: [&[u8]; 2] = ["-jährige".as_bytes(), "jährige".as_bytes()];

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

/// Whether a word right before a place says that an age follows.
fn is_announced(text: Text<'_>, start: usize) -> bool {
    let Some(last) = text.back(start, 1) else { return false };
    if !matches!(last, b' ' | b':' | b'=' | b'"' | b'\'') {
        return false;
    }
    let before = text.before(start, BEFORE_BYTES);
    let is_gap = |byte: &&u8| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\'');
    let n_gap = before.iter().rev().take_while(is_gap).count();
    let left = before.get(..before.len().saturating_sub(n_gap)).unwrap_or_default();
    // `age is`, `age of`.
    let left = [b" is".as_slice(), b" of"]
        .iter()
        .find_map(|filler| left.strip_suffix(*filler))
        .unwrap_or(left);
    n_gap <= GAP_BYTES_MAX
        && BEFORE.iter().any(|word| {
            let (head, tail) = left.split_at(left.len().saturating_sub(word.len()));
            let begins =
                head.last().is_none_or(|&byte| !is_word(byte) && byte != b'-' && byte < 0x80);
            begins && tail.eq_ignore_ascii_case(word)
        })
}

/// Steps over letters in any case; `literal` is in small ones.
fn eats(reader: &mut Reader<'_>, literals: &[&[u8]]) -> Result<bool, Stop> {
    for literal in literals {
        if reader.eat_folded(literal)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The age whose digits begin at `start` and end at the reader, if it is one.
pub(super) fn decide(
    text: Text<'_>,
    start: usize,
    reader: &Reader<'_>,
    years: u32,
) -> Result<Option<Hit>, Stop> {
    if !(1..=YEARS_MAX).contains(&years) {
        return Ok(None);
    }
    let hit = Hit { support: Support::Context, ..Hit::new(start, reader.at).of(Personal::Age) };
    // Nearly all numbers are told apart by a byte or two.
    let may_follow = match reader.peek()? {
        Some(b' ' | b'-') => {
            reader.sees_ahead(1, |byte| matches!(byte, b'y' | b'j' | b'J' | b'a'))?
        }
        Some(b'y' | b'j') => true,
        _ => false,
    };
    if may_follow {
        let mut after = *reader;
        if eats(&mut after, &STEMS)? || (eats(&mut after, &AFTER)? && !after.sees(is_word)?) {
            return Ok(Some(hit));
        }
    }
    if is_announced(text, start) && is_bare(reader)? {
        return Ok(Some(hit));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

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
