//! Phone numbers: international with `+` or `00`, North American, national with a leading zero, and plain digits after a word that says
//! so. Only numbers that are written as phone numbers count: dates, amounts, versions and order numbers are everywhere.
use super::context::{Plain, Vocabulary};
use super::has_before;
use crate::kinds::Support;
use crate::text::{Answer, Hit, Reader, Stop, Text, is_word};
use std::sync::LazyLock;

/// Most digits of an international number (ITU-T E.164) and fewest that are in use.
const DIGITS_MAX: usize = 15;
const DIGITS_MIN: usize = 9;
/// Bytes before plain digits in which a word must stand.
const CONTEXT_BYTES: usize = 24;
const CONTEXT: [&[u8]; 12] = [
    b"phone",
    b"tel",
    b"mobile",
    b"cell",
    b"call",
    b"fax",
    b"whatsapp",
    b"sms",
    b"dial",
    b"handy",
    b"number is",
    b"rufnummer",
];
/// Words before or right after a number in looser groups that make it a phone number.
static WORDS: LazyLock<Vocabulary<()>> = LazyLock::new(|| {
    let words = [
        "phone",
        "telephone",
        "tel",
        "mobile",
        "cell",
        "cellphone",
        "call",
        "calling",
        "ring",
        "dial",
        "reach",
        "reached",
        "answering",
        "fax",
        "office",
        "home phone",
        "work phone",
        "whatsapp",
        "sms",
        "text me",
        "text us",
        "hotline",
        "landline",
        "voicemail",
        "call me",
        "phone number",
        "contact number",
        "telefon",
        "telefonnummer",
        "handy",
        "handynummer",
        "rufnummer",
        "anrufen",
        "téléphone",
        "tél",
        "portable",
        "appeler",
        "appelez",
        "teléfono",
        "telefono",
        "móvil",
        "llamar",
        "llame",
        "celular",
        "cellulare",
        "chiamare",
        "telefone",
        "telemóvel",
        "ligar",
        "telefoon",
        "gsm",
        "bellen",
        "komórka",
        "telefonu",
        "zadzwoń",
        "telefonnr",
        "mobil",
        "puhelin",
        "телефон",
        "тел",
        "звоните",
        "电话",
        "手机",
        "電話",
        "携帯",
        "전화",
        "휴대폰",
        "cep",
    ];
    Vocabulary::new(words.into_iter().map(|word| (word, ())))
});
/// Digits of a number in looser groups, and of one without groups.
const LOOSE_DIGITS: std::ops::RangeInclusive<usize> = 6..=14;
const PLAIN_DIGITS_MIN: usize = 7;
/// Bytes before a number in looser groups in which a word may stand.
const BEFORE_BYTES: usize = 48;
/// Bytes after a number in which a word may say what it is: `-Office`, ` fax`.
const AFTER_BYTES: usize = 8;
/// Most digits of an extension.
const EXTENSION_DIGITS_MAX: usize = 6;
/// Countries with a code of one digit, and of two; all others have three (ITU list of assigned codes).
const CODES_OF_TWO: [u8; 44] = [
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56,
    57, 58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

const fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

const fn is_join(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/')
}

/// Whether a number may begin here: nothing that makes it a part of a larger one stands before.
fn is_clear(text: Text<'_>, at: usize) -> bool {
    text.is_boundary(at)
        && match text.back(at, 1) {
            Some(b'-' | b'#' | b'$' | b'+' | b'%' | b'/') => false,
            Some(b'.' | b',') => !text.back(at, 2).is_some_and(is_digit),
            _ => true,
        }
}

/// Where the number would begin whose first digit stands at `at`.
pub(super) fn start_of(text: Text<'_>, at: usize) -> Option<usize> {
    let n_marks = match (text.back(at, 1), text.back(at, 2)) {
        (Some(b'('), Some(b'+')) | (Some(b'+'), Some(b'(')) => 2,
        (Some(b'+' | b'('), _) => 1,
        _ => 0,
    };
    let start = at.checked_sub(n_marks)?;
    is_clear(text, start).then_some(start)
}

/// Where marks at the end of the text may be the beginning of a number.
///
/// A digit may follow, or a further mark that makes a pair with the last one, whatever the last one is a pair with now: in `7(+(` a
/// number begins at the `+`.
pub(super) fn partial(text: Text<'_>) -> usize {
    let end = text.len();
    let before_digit = start_of(text, end).unwrap_or(end);
    match end.checked_sub(1) {
        Some(last) if matches!(text.get(last), Some(b'+' | b'(')) && is_clear(text, last) => {
            before_digit.min(last)
        }
        _ => before_digit,
    }
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    if is_security_number(text, start) {
        return Err(Stop::No);
    }
    let hit = match strict(text, start) {
        Err(Stop::No) => loose(text, start),
        answer => answer,
    }?;
    Ok(Hit { end: extended(text, hit.end)?, ..hit })
}

/// Whether three, two and four digits with hyphens begin here: social security numbers are written so, phone numbers are not.
fn is_security_number(text: Text<'_>, start: usize) -> bool {
    let bytes = text.slice(start, start.saturating_add(11));
    let fits = |(place, byte): (usize, &u8)| {
        if matches!(place, 3 | 6) { *byte == b'-' } else { byte.is_ascii_digit() }
    };
    bytes.len() == 11 && bytes.iter().enumerate().all(fits)
}

/// Where the extension ends that follows a number, if one does: `x123`, ` ext. 4`.
fn extended(text: Text<'_>, end: usize) -> Result<usize, Stop> {
    let mut reader = text.reader(end);
    reader.eat(b" ")?;
    let mut found = false;
    for mark in [&b"ext"[..], b"x"] {
        if reader.eat_folded(mark)? {
            found = true;
            break;
        }
    }
    if !found {
        return Ok(end);
    }
    reader.eat(b".")?;
    reader.eat(b" ")?;
    let n = reader.run(is_digit, EXTENSION_DIGITS_MAX.saturating_add(1))?;
    let fits = (1..=EXTENSION_DIGITS_MAX).contains(&n) && !reader.sees(is_word)?;
    Ok(if fits { reader.at } else { end })
}

/// Fails unless the number ends here; an extension may follow.
fn end_of_word(reader: &Reader<'_>) -> Result<(), Stop> {
    let extends =
        reader.sees(|byte| matches!(byte, b'x' | b'X'))? && reader.sees_ahead(1, is_digit)?;
    if extends { Ok(()) } else { super::end_of_word(reader) }
}

/// Groups of digits that only words make a phone number: `9320 7126`, `(81) 3570-7492`, `96 237271`.
fn loose(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if matches!(text.back(start, 1), Some(b':' | b'=' | b'*'))
        && text.back(start, 2).is_some_and(is_digit)
    {
        return Err(Stop::No);
    }
    let mut digits = Digits::default();
    let (mut n_groups, mut shape) = (0_usize, [0_usize; 3]);
    reader.run(|byte| matches!(byte, b'+' | b'('), 2)?;
    let mut end = reader.at;
    loop {
        let n = digits.group(&mut reader)?;
        // Lists of single digits are no number.
        if n == 0 || (n == 1 && n_groups > 0) {
            break;
        }
        if let Some(slot) = shape.get_mut(n_groups) {
            *slot = n;
        }
        n_groups = n_groups.saturating_add(1);
        end = reader.at;
        let bytes = joint(&reader)?;
        if bytes == 0 {
            break;
        }
        reader.skip(bytes);
    }
    reader.at = end;
    let is_date = n_groups == 3 && matches!(shape, [1..=2, 1..=2, 4] | [4, 1..=2, 1..=2]);
    let n_min = if n_groups > 1 { *LOOSE_DIGITS.start() } else { PLAIN_DIGITS_MIN };
    if is_date || digits.n < n_min || digits.n > *LOOSE_DIGITS.end() {
        return Err(Stop::No);
    }
    end_of_word(&reader)?;
    let goes_on = reader.sees(|byte| matches!(byte, b'.' | b',' | b'/' | b':' | b'%'))?
        && reader.sees_ahead(1, is_digit)?;
    if goes_on {
        return Err(Stop::No);
    }
    let mut named = false;
    WORDS.find(&Plain::before(text, start, BEFORE_BYTES), |(), _, _| named = true);
    if !named {
        let mut after = text.reader(extended(text, end)?);
        let from = after.at;
        after.run(|byte| byte != b'\n', AFTER_BYTES)?;
        WORDS.find(&Plain::of(text.slice(from, after.at)), |(), _, _| named = true);
    }
    if named {
        Ok(Hit { support: Support::Context, ..Hit::new(start, end) })
    } else {
        Err(Stop::No)
    }
}

fn strict(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if reader.sees(|byte| byte == b'+')?
        || (reader.sees(|byte| byte == b'(')? && reader.sees_ahead(1, |byte| byte == b'+')?)
    {
        reader.run(|byte| matches!(byte, b'+' | b'('), 2)?;
        return international(reader, start);
    }
    if reader.sees(|byte| byte == b'0')? && reader.sees_ahead(1, |byte| byte == b'0')? {
        reader.skip(2);
        return international(reader, start);
    }
    let national = if reader.sees(|byte| byte == b'0')?
        || (reader.sees(|byte| byte == b'(')? && reader.sees_ahead(1, |byte| byte == b'0')?)
    {
        trunk(reader, start)
    } else {
        north_american(reader, start)
    };
    match national {
        Err(Stop::No) => plain(text, start),
        answer => answer,
    }
}

/// Digits of a number as they are read; the array bounds them.
#[derive(Default)]
struct Digits {
    values: [u8; DIGITS_MAX],
    n: usize,
}

impl Digits {
    /// Reads one group; fails when the number gets too long.
    fn group(&mut self, reader: &mut Reader<'_>) -> Result<usize, Stop> {
        let from = reader.at;
        let room = DIGITS_MAX.saturating_sub(self.n);
        let n = reader.run(is_digit, room.saturating_add(1))?;
        if n > room {
            return Err(Stop::No);
        }
        let read = reader.text().slice(from, reader.at);
        for (slot, &byte) in self.values.iter_mut().skip(self.n).zip(read) {
            *slot = byte.wrapping_sub(b'0');
        }
        self.n = self.n.saturating_add(n);
        Ok(n)
    }

    fn first(&self, n: usize) -> u8 {
        let digits = self.values.iter().take(n.min(self.n));
        digits.fold(0, |value, &digit| value.wrapping_mul(10).wrapping_add(digit))
    }
}

/// Reads what follows the `+`: a country code that exists and as many digits as it needs.
fn international(mut reader: Reader<'_>, start: usize) -> Answer {
    let mut digits = Digits::default();
    let mut end = reader.at;
    loop {
        match digits.group(&mut reader) {
            Ok(0) => break,
            Ok(_) => end = reader.at,
            // A further group that does not fit belongs to something else.
            Err(Stop::No) if digits.n >= DIGITS_MIN => break,
            Err(stop) => return Err(stop),
        }
        let bytes = joint(&reader)?;
        if bytes == 0 {
            break;
        }
        reader.skip(bytes);
    }
    reader.at = end;
    end_of_word(&reader)?;
    let fits = match digits.first(1) {
        0 => false,
        1 | 7 => digits.n == 11,
        _ if CODES_OF_TWO.contains(&digits.first(2)) => digits.n >= DIGITS_MIN,
        _ => {
            digits.n >= DIGITS_MIN.saturating_add(1)
                || (digits.n == DIGITS_MIN && digits.first(1) > 1)
        }
    };
    if fits { Ok(Hit::new(start, end)) } else { Err(Stop::No) }
}

/// Bytes between two groups when another one follows: at most one mark, perhaps with parentheses around an area code.
fn joint(reader: &Reader<'_>) -> Result<usize, Stop> {
    let mut n = 0_usize;
    for mark in [b')', b' ', b'('] {
        let is_mark = |byte: u8| byte == mark || (mark == b' ' && is_join(byte));
        if reader.sees_ahead(n, is_mark)? {
            n = n.saturating_add(1);
        }
    }
    if n > 0 && reader.sees_ahead(n, is_digit)? { Ok(n) } else { Ok(0) }
}

/// `(212) 555-0123`, `212-555-0123`, `1.212.555.0123`.
fn north_american(mut reader: Reader<'_>, start: usize) -> Answer {
    let text = reader.text();
    let mut digits = Digits::default();
    let opened = reader.eat(b"(")?;
    let mut n = reader.run(is_digit, 4)?;
    if !opened
        && n == 1
        && text.get(start) == Some(b'1')
        && reader.sees(|byte| is_join(byte) && byte != b'/')?
    {
        reader.skip(1);
        let open = reader.eat(b"(")?;
        n = reader.run(is_digit, 4)?;
        if open && !reader.eat(b")")? {
            return Err(Stop::No);
        }
    }
    if n != 3 || (opened && !reader.eat(b")")?) {
        return Err(Stop::No);
    }
    let area_at =
        reader.at.saturating_sub(if text.back(reader.at, 1) == Some(b')') { 4 } else { 3 });
    let spaced = reader.sees(|byte| byte == b' ')?;
    if reader.sees(|byte| is_join(byte) && byte != b'/')? {
        reader.skip(1);
    } else if text.back(reader.at, 1) != Some(b')') {
        return Err(Stop::No);
    }
    let exchange_at = reader.at;
    if digits.group(&mut reader)? != 3 {
        return Err(Stop::No);
    }
    let Some(join @ (b' ' | b'-' | b'.')) = reader.peek()? else { return Err(Stop::No) };
    reader.skip(1);
    if digits.group(&mut reader)? != 4 {
        return Err(Stop::No);
    }
    end_of_word(&reader)?;
    let goes_on = reader.sees(|byte| byte == join)? && reader.sees_ahead(1, is_digit)?;
    let in_table = spaced
        && !opened
        && text.back(start, 1) == Some(b' ')
        && text.back(start, 2).is_some_and(is_digit);
    let begins_well = |at: usize| text.get(at).is_some_and(|byte| (b'2'..=b'9').contains(&byte));
    if goes_on || in_table || !begins_well(area_at) || !begins_well(exchange_at) {
        return Err(Stop::No);
    }
    Ok(Hit::new(start, reader.at))
}

/// `020 7946 0018`, `06-12345678`, `(030) 123456`, `01 23 45 67 89`: groups with the same mark between them.
fn trunk(mut reader: Reader<'_>, start: usize) -> Answer {
    let mut digits = Digits::default();
    let opened = reader.eat(b"(")?;
    let n_first = digits.group(&mut reader)?;
    if !(2..=5).contains(&n_first)
        || (opened && !reader.eat(b")")?)
        || digits.values.get(1) == Some(&0)
    {
        return Err(Stop::No);
    }
    let mut join = None;
    let mut n_groups = 1_usize;
    while let Some(mark) = reader.peek()? {
        // After the area code any mark will do; from then on it stays the same.
        let fits = is_join(mark)
            && (n_groups == 1 || join == Some(mark) || (join == Some(b'/') && mark == b' '));
        if !fits || !reader.sees_ahead(1, is_digit)? {
            break;
        }
        join = Some(mark);
        reader.skip(1);
        if digits.group(&mut reader)? < 2 {
            return Err(Stop::No);
        }
        n_groups = n_groups.saturating_add(1);
    }
    end_of_word(&reader)?;
    let goes_on = reader.sees(|byte| matches!(byte, b'-' | b'.' | b',' | b'/' | b':'))?
        && reader.sees_ahead(1, is_digit)?;
    let fits = n_groups > 1 && (9..=12).contains(&digits.n) && !goes_on;
    if fits { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) }
}

/// Digits without marks, after a word that says what they are.
fn plain(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run(is_digit, DIGITS_MAX)?;
    if !(10..=13).contains(&n) || !has_before(text, start, CONTEXT_BYTES, &CONTEXT) {
        return Err(Stop::No);
    }
    end_of_word(&reader)?;
    let goes_on = reader.sees(|byte| matches!(byte, b'-' | b'.' | b','))?
        && reader.sees_ahead(1, is_digit)?;
    if goes_on { Err(Stop::No) } else { Ok(Hit::new(start, reader.at)) }
}
