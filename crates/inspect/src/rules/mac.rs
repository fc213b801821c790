//! Addresses of network cards: six pairs of hexadecimal digits with colons or hyphens, or three groups of four with points (IEEE 802).
//! Broadcast and empty addresses are nobody's.
use crate::kinds::Personal;
use crate::text::{Answer, Hit, Stop, Text};

/// Pairs of digits.
const PAIRS: usize = 6;

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// Whether an address may begin here: it goes on nothing.
pub(super) fn may_begin(text: Text<'_>, at: usize) -> bool {
    let follows = matches!(text.back(at, 1), Some(b':' | b'-' | b'.'))
        && text.back(at, 2).is_some_and(is_hex);
    !follows && text.is_boundary(at)
}

/// Where an address would begin whose first pair, or the first half of it, ends at `at`.
pub(super) fn start_of(text: Text<'_>, at: usize) -> Option<usize> {
    let n = text.before(at, 3).iter().rev().take_while(|&&byte| is_hex(byte)).count();
    let start = at.checked_sub(n)?;
    ((1..=2).contains(&n) && may_begin(text, start)).then_some(start)
}

/// Where an address may have begun at the end of the text that no candidate stands for yet.
pub(super) fn partial(text: Text<'_>) -> usize {
    start_of(text, text.len()).unwrap_or(text.len())
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let mut first = None;
    let mut is_same = true;
    let mut mark = None;
    for pair in 0..PAIRS {
        if pair > 0 {
            let Some(next @ (b':' | b'-')) = reader.peek()? else { return Err(Stop::No) };
            if mark.is_some_and(|mark| mark != next) {
                return Err(Stop::No);
            }
            mark = Some(next);
            reader.skip(1);
        }
        let from = reader.at;
        if reader.run(is_hex, 3)? != 2 {
            return Err(Stop::No);
        }
        let digits = text.slice(from, reader.at);
        is_same &= *first.get_or_insert(digits) == digits;
    }
    super::end_of_word(&reader)?;
    let goes_on = mark.is_some_and(|mark| text.get(reader.at) == Some(mark));
    if goes_on || is_same {
        return Err(Stop::No);
    }
    Ok(Hit::new(start, reader.at).of(Personal::Mac))
}
