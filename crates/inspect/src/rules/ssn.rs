//! US social security numbers: three groups, or nine digits right after words that say so.
use super::{end_of_word, has_before};
use crate::text::{Answer, Hit, Stop, Text};

/// Bytes before a plain number in which the words must stand.
const CONTEXT_BYTES: usize = 40;
const CONTEXT: [&[u8]; 5] =
    [b"ssn", b"social security", b"social-security", b"social_security", b"soc sec"];

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

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let is_digit = |byte: u8| byte.is_ascii_digit();
    if text.back(start, 1) == Some(b'-') && text.back(start, 2).is_some_and(is_digit) {
        return Err(Stop::No);
    }
    if has_before(text, start, CONTEXT_BYTES, &CONTEXT) {
        let n = reader.run(is_digit, 10)?;
        if n == 9 {
            end_of_word(&reader)?;
            let fits = is_assigned(text.slice(start, reader.at));
            return if fits { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) };
        }
        reader.at = start;
    }
    // Most numbers are not written like this: say so at the first byte that shows it.
    if !matches!(reader.peek()?, Some(b'0'..=b'8')) || reader.run(is_digit, 4)? != 3 {
        return Err(Stop::No);
    }
    let Some(join @ (b'-' | b' ')) = reader.peek()? else { return Err(Stop::No) };
    let mut digits = [b'0'; 9];
    let mut n = 0_usize;
    reader.at = start;
    for (slot, place) in digits.iter_mut().zip(0_usize..) {
        if (place == 3 || place == 5) && !reader.eat(&[join])? {
            return Err(Stop::No);
        }
        let Some(byte @ b'0'..=b'9') = reader.peek()? else { return Err(Stop::No) };
        *slot = byte;
        n = n.saturating_add(1);
        reader.skip(1);
    }
    end_of_word(&reader)?;
    let goes_on = reader.sees(|byte| byte == b'-')? && reader.sees_ahead(1, is_digit)?;
    if goes_on || n != digits.len() || !is_assigned(&digits) {
        Err(Stop::No)
    } else {
        Ok(Hit::new(start, reader.at))
    }
}
