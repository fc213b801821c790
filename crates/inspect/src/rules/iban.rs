//! International bank account numbers (ISO 13616): a country's length, and the remainder 1 modulo 97.
use super::separator::{self, Join, Separator};
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Country and length of the whole number, as in the SWIFT registry.
static COUNTRIES: &[([u8; 2], u8)] = &[
    (*b"AD", 24),
    (*b"AE", 23),
    (*b"AL", 28),
    (*b"AO", 25),
    (*b"AT", 20),
    (*b"AZ", 28),
    (*b"BA", 20),
    (*b"BE", 16),
    (*b"BF", 28),
    (*b"BG", 22),
    (*b"BH", 22),
    (*b"BI", 27),
    (*b"BJ", 28),
    (*b"BR", 29),
    (*b"BY", 28),
    (*b"CF", 27),
    (*b"CG", 27),
    (*b"CH", 21),
    (*b"CI", 28),
    (*b"CM", 27),
    (*b"CR", 22),
    (*b"CV", 25),
    (*b"CY", 28),
    (*b"CZ", 24),
    (*b"DE", 22),
    (*b"DJ", 27),
    (*b"DK", 18),
    (*b"DO", 28),
    (*b"DZ", 26),
    (*b"EE", 20),
    (*b"EG", 29),
    (*b"ES", 24),
    (*b"FI", 18),
    (*b"FK", 18),
    (*b"FO", 18),
    (*b"FR", 27),
    (*b"GA", 27),
    (*b"GB", 22),
    (*b"GE", 22),
    (*b"GI", 23),
    (*b"GL", 18),
    (*b"GQ", 27),
    (*b"GR", 27),
    (*b"GT", 28),
    (*b"GW", 25),
    (*b"HN", 28),
    (*b"HR", 21),
    (*b"HU", 28),
    (*b"IE", 22),
    (*b"IL", 23),
    (*b"IQ", 23),
    (*b"IR", 26),
    (*b"IS", 26),
    (*b"IT", 27),
    (*b"JO", 30),
    (*b"KM", 27),
    (*b"KW", 30),
    (*b"KZ", 20),
    (*b"LB", 28),
    (*b"LC", 32),
    (*b"LI", 21),
    (*b"LT", 20),
    (*b"LU", 20),
    (*b"LV", 21),
    (*b"LY", 25),
    (*b"MA", 28),
    (*b"MC", 27),
    (*b"MD", 24),
    (*b"ME", 22),
    (*b"MG", 27),
    (*b"MK", 19),
    (*b"ML", 28),
    (*b"MN", 20),
    (*b"MR", 27),
    (*b"MT", 31),
    (*b"MU", 30),
    (*b"MZ", 25),
    (*b"NE", 28),
    (*b"NI", 28),
    (*b"NL", 18),
    (*b"NO", 15),
    (*b"OM", 23),
    (*b"PK", 24),
    (*b"PL", 28),
    (*b"PS", 29),
    (*b"PT", 25),
    (*b"QA", 29),
    (*b"RO", 24),
    (*b"RS", 22),
    (*b"RU", 33),
    (*b"SA", 24),
    (*b"SC", 31),
    (*b"SD", 18),
    (*b"SE", 24),
    (*b"SI", 19),
    (*b"SK", 24),
    (*b"SM", 27),
    (*b"SN", 28),
    (*b"SO", 23),
    (*b"ST", 25),
    (*b"SV", 28),
    (*b"TD", 27),
    (*b"TG", 28),
    (*b"TL", 23),
    (*b"TN", 24),
    (*b"TR", 26),
    (*b"UA", 29),
    (*b"VA", 22),
    (*b"VG", 24),
    (*b"XK", 20),
    (*b"YE", 30),
];

/// Characters of a written group.
const GROUP: usize = 4;
/// Most characters of a number.
const LENGTH_MAX: usize = 34;
/// Fewest digits of a number in other groups: after a British post code as in `GL50 1QA` come no ten digits.
const FREE_DIGITS_MIN: usize = 12;

fn length_of(country: &[u8]) -> Option<usize> {
    let folded: [u8; 2] = country.first_chunk::<2>()?.map(|byte| byte.to_ascii_uppercase());
    let at = COUNTRIES.binary_search_by_key(&folded, |&(country, _)| country).ok()?;
    COUNTRIES.get(at).map(|&(_, length)| usize::from(length))
}

pub(super) fn may_begin(text: Text<'_>, start: usize) -> bool {
    let country = text.slice(start, start.saturating_add(2));
    (country.iter().all(u8::is_ascii_uppercase) || is_clear(text, start))
        && length_of(country).is_some()
}

/// Whether no word runs into what begins here, the word IBAN and the underscores of names and of emphasis aside.
fn is_clear(text: Text<'_>, start: usize) -> bool {
    match text.back(start, 1) {
        Some(b'_') => true,
        Some(b'N' | b'n') => {
            text.is_boundary(start) || text.before(start, 4).eq_ignore_ascii_case(b"iban")
        }
        _ => text.is_boundary(start) || text.is_after_escape(start),
    }
}

/// Whether small letters end and capitals begin here: text that lost its blanks. The number is then written in capitals throughout.
fn is_hump(text: Text<'_>, start: usize) -> bool {
    text.back(start, 1).is_some_and(|byte| byte.is_ascii_lowercase())
        && text.get(start).is_some_and(|byte| byte.is_ascii_uppercase())
}

/// Where a country code may stand at the end of the text, whole or half.
pub(super) fn partial(text: Text<'_>) -> usize {
    let end = text.len();
    if let Some(start) = end.checked_sub(2)
        && may_begin(text, start)
    {
        return start;
    }
    match end.checked_sub(1).map(|start| (start, text.get(start))) {
        Some((start, Some(byte))) if byte.is_ascii_uppercase() || is_clear(text, start) => {
            let first = byte.to_ascii_uppercase();
            let begins = COUNTRIES.iter().any(|(country, _)| country.first() == Some(&first));
            if begins { start } else { end }
        }
        _ => end,
    }
}

/// How a number is written.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// What stands between its groups, once one was there.
    join: Option<Join>,
    n_joins: usize,
    /// A group that is not the last one has not four characters.
    irregular: bool,
    has_lower: bool,
    /// Digits and letters after the country code.
    n_digits: usize,
    n_letters: usize,
}

impl Look {
    /// Whether the groups are those of a number and not of an address or of words: in fours throughout, or as the country's banks write
    /// their numbers, which no chance makes of words.
    fn is_number(&self, length: usize) -> bool {
        let in_fours = !self.irregular
            && (self.n_joins == 0 || self.n_joins == length.saturating_sub(1) / GROUP);
        in_fours || (!self.has_lower && self.n_digits >= FREE_DIGITS_MIN)
    }

    /// Whether a letter right after the number begins another word.
    fn ends_before_letter(&self) -> bool {
        !self.has_lower || self.n_letters == 0
    }
}

/// Steps over the separator that is next, if it is one and the same as before.
fn skip_separator(reader: &mut Reader<'_>, place: usize, look: &mut Look) -> Result<(), Stop> {
    let Some(Separator { n_bytes, join, .. }) = separator::next(reader)? else { return Ok(()) };
    // Lines are broken where there was a blank.
    let join = if join == Join::Line { Join::Space } else { join };
    if look.join.is_none_or(|before| before == join) {
        look.join = Some(join);
        look.n_joins = look.n_joins.saturating_add(1);
        look.irregular |= !place.is_multiple_of(GROUP);
        reader.skip(n_bytes);
    }
    Ok(())
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let length = length_of(text.slice(start, start.saturating_add(2))).ok_or(Stop::No)?;
    let mut reader = text.reader(start);
    let mut number = [0_u8; LENGTH_MAX];
    let mut look = Look::default();
    for (place, slot) in number.iter_mut().take(length).enumerate() {
        if place >= GROUP && !reader.sees(|byte| byte.is_ascii_alphanumeric())? {
            skip_separator(&mut reader, place, &mut look)?;
        }
        let Some(byte) = reader.peek()? else { return Err(Stop::No) };
        match byte {
            b'0'..=b'9' => look.n_digits = look.n_digits.saturating_add(1),
            b'A'..=b'Z' | b'a'..=b'z' if place != 2 && place != 3 => {
                look.n_letters = look.n_letters.saturating_add(usize::from(place > 3));
                look.has_lower |= byte.is_ascii_lowercase();
            }
            _ => return Err(Stop::No),
        }
        *slot = byte;
        reader.skip(1);
    }
    let number = number.get(..length).unwrap_or_default();
    let fits = |next: Option<u8>| match next {
        Some(b'0'..=b'9') => false,
        Some(byte) if byte.is_ascii_alphabetic() => look.ends_before_letter(),
        _ => true,
    };
    let begins = is_clear(text, start)
        || (!look.has_lower && (is_hump(text, start) || has_plain_tail(number)));
    if begins && fits(reader.peek()?) && look.is_number(length) && remainder(number) == Some(1) {
        Ok(Hit::new(start, reader.at))
    } else {
        Err(Stop::No)
    }
}

/// Whether no letter comes after the bank's, so that no chance makes it of the digits and capitals that it is glued to.
fn has_plain_tail(number: &[u8]) -> bool {
    let (bank, tail) =
        number.get(GROUP..).and_then(|rest| rest.split_at_checked(GROUP)).unwrap_or_default();
    let n_letters = bank.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    matches!(n_letters, 0 | GROUP) && tail.iter().all(u8::is_ascii_digit)
}

/// The number modulo 97, its first four characters moved to the end and letters read as 10 to 35 (ISO 7064, MOD 97-10).
fn remainder(number: &[u8]) -> Option<u32> {
    let (head, rest) = number.split_at_checked(GROUP)?;
    rest.iter().chain(head).try_fold(0_u32, |value, &byte| {
        let digit = char::from(byte).to_digit(36)?;
        let scale = if digit > 9 { 100 } else { 10 };
        Some(value.wrapping_mul(scale).wrapping_add(digit) % 97)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_sorted() {
        assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(COUNTRIES.iter().all(|&(_, length)| (15..=34).contains(&length)));
    }
}
