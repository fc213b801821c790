//! Street addresses: a number and a street, a unit, a post box, and what follows them of town, state, country and code. Each country
//! writes them its own way, so the rule reads tokens as long as they may belong, and asks that one of them says that this is an address.
use super::lists::{ADDRESS_PARTICLE, STREET, STREET_ENDS, UNIT, senses};
use super::{Small, Word, is_capital};
use crate::kinds::Personal;
use crate::rules::context::{BEFORE_BYTES, Plain};
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Most tokens and bytes of one address.
const TOKENS_MAX: usize = 22;
const ADDRESS_BYTES_MAX: usize = 200;
/// Most numbers in a row: more are a list.
const NUMBERS_MAX: usize = 2;
/// Most digits of a number in an address.
const DIGITS_MAX: usize = 6;

/// Words before an address.
static CUES: [&str; 18] = [
    "address",
    "addresses",
    "lives at",
    "live at",
    "living at",
    "located at",
    "office is at",
    "sent to",
    "send to",
    "ship to",
    "deliver to",
    "delivered to",
    "resides at",
    "adresse",
    "dirección",
    "direccion",
    "indirizzo",
    "endereço",
];

/// Boxes of post offices and of armies, whose number follows.
static BOXES: [&[u8]; 4] = [b"PSC", b"CMR", b"Unit", b"Box"];

/// What has been read of an address.
#[derive(Clone, Copy, Default)]
struct Parts {
    end: usize,
    n_names: usize,
    n_numbers: usize,
    streets: usize,
    units: usize,
    /// The last token was a word that a full stop shortens.
    shortened: bool,
    /// Numbers in a row.
    n_row: usize,
}

/// Whether a word is a street or ends in one.
fn is_street(small: &[u8]) -> bool {
    senses(small) & STREET != 0
        || (small.len() > 5
            && STREET_ENDS.iter().any(|end| {
                small.ends_with(end.as_bytes()) && small.len() > end.len().saturating_add(2)
            }))
}

/// Steps over what may stand between two tokens of an address.
fn skip_marks(reader: &mut Reader<'_>, parts: &Parts) -> Result<bool, Stop> {
    let mut n = 0_usize;
    while let Some(byte) = reader.peek()? {
        let goes_on = match byte {
            b' ' | b'\n' | b'\r' | b'#' | b'/' => true,
            b',' | b'-' => n == 0 || reader.text().back(reader.at, 1) == Some(b'\n'),
            b'.' => {
                n == 0
                    && (parts.shortened
                        || !reader.sees_ahead(1, |byte| matches!(byte, b' ' | b'\n'))?)
            }
            _ => false,
        };
        if !goes_on || n >= 4 {
            break;
        }
        // An empty line ends a paragraph.
        if byte == b'\n' && reader.sees_ahead(1, |byte| byte == b'\n')? {
            return Ok(false);
        }
        n = n.saturating_add(1);
        reader.skip(1);
    }
    Ok(n > 0)
}

/// Reads tokens as long as they may belong to an address.
fn read(reader: &mut Reader<'_>, start: usize, parts: &mut Parts) -> Result<(), Stop> {
    let text = reader.text();
    for _ in 0..TOKENS_MAX {
        if reader.at.saturating_sub(start) > ADDRESS_BYTES_MAX {
            break;
        }
        if reader.sees(|byte| byte.is_ascii_digit())? {
            let n = reader.run(|byte| byte.is_ascii_digit(), DIGITS_MAX.saturating_add(1))?;
            if n > DIGITS_MAX {
                break;
            }
            // 12a, 221B, 14bis
            if reader.sees(|byte| byte.is_ascii_alphabetic())? {
                reader.skip(1);
                if reader.sees(|byte| byte.is_ascii_alphanumeric())? {
                    break;
                }
            }
            parts.n_row = parts.n_row.saturating_add(1);
            if parts.n_row > NUMBERS_MAX {
                break;
            }
            parts.n_numbers = parts.n_numbers.saturating_add(1);
            parts.end = reader.at;
            parts.shortened = false;
        } else {
            let word = Word::read(reader)?;
            let bytes = word.bytes(text);
            let small = Small::of(bytes);
            let small = small.bytes();
            let is_unit = senses(small) & UNIT != 0;
            let is_street = is_street(small);
            if word.len() == 0 {
                break;
            }
            if is_capital(bytes) || is_street && bytes.len() > 2 || is_unit {
                parts.n_names = parts.n_names.saturating_add(1);
                parts.n_row = 0;
                parts.streets = parts.streets.saturating_add(usize::from(is_street));
                parts.units = parts.units.saturating_add(usize::from(is_unit));
                parts.end = reader.at;
                parts.shortened = bytes.len() < 5;
            } else if senses(small) & ADDRESS_PARTICLE == 0 {
                break;
            }
        }
        if !skip_marks(reader, parts)? {
            break;
        }
    }
    reader.at = parts.end;
    Ok(())
}

/// Whether words before announce an address.
fn is_announced(text: Text<'_>, start: usize) -> bool {
    let plain = Plain::before(text, start, BEFORE_BYTES);
    let words = plain.bytes();
    CUES.iter().any(|cue| words.windows(cue.len()).any(|window| window == cue.as_bytes()))
}

/// Whether an address may begin at this digit: a number of few digits, and after it a blank and what may be a street.
pub(in crate::rules) fn may_begin(text: Text<'_>, at: usize) -> bool {
    // A box is read from its name on.
    let before = text.before(at, 5);
    let is_in_box = before
        .strip_suffix(b" ")
        .is_some_and(|name| BOXES.iter().any(|other| name.ends_with(other)));
    !is_in_box
        && text.is_boundary(at)
        && !matches!(
            text.back(at, 1),
            Some(b'.' | b',' | b'-' | b'/' | b':' | b'$' | b'+' | b'#' | b'(')
        )
}

/// An address that begins with a number.
pub(in crate::rules) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run(|byte| byte.is_ascii_digit(), DIGITS_MAX)?;
    if n >= DIGITS_MAX {
        return Err(Stop::No);
    }
    if reader.sees(|byte| byte.is_ascii_alphabetic())? {
        reader.skip(1);
    }
    let comma = reader.eat(b",")?;
    if !reader.eat(b" ")? {
        return Err(Stop::No);
    }
    // Most numbers are followed by a small word.
    if reader.sees(|byte| byte.is_ascii_lowercase())? {
        let mut ahead = reader;
        let word = Word::read(&mut ahead)?;
        let small = Small::of(word.bytes(text));
        if word.len() < 3 || !is_street(small.bytes()) {
            return Err(Stop::No);
        }
    } else if !reader
        .sees(|byte| byte.is_ascii_uppercase() || byte >= 0x80 || byte.is_ascii_digit())?
    {
        return Err(Stop::No);
    }
    let mut parts = Parts { end: start, n_numbers: 1, n_row: 1, ..Parts::default() };
    read(&mut reader, start, &mut parts)?;
    let says_so = (parts.streets > 0 && !comma) || (parts.units > 0 && parts.n_numbers > 1);
    let enough = parts.n_names > 0
        && (says_so || (parts.n_names > 1 || parts.n_numbers > 1) && is_announced(text, start));
    if enough { Ok(Hit::new(start, parts.end).of(Personal::StreetAddress)) } else { Err(Stop::No) }
}

/// An address that begins with the name of a street or with a box.
pub(super) fn decide_named(text: Text<'_>, first: Word) -> Result<Option<Hit>, Stop> {
    let bytes = first.bytes(text);
    let small = Small::of(bytes);
    let is_box = matches!(
        bytes,
        b"PSC"
            | b"USS"
            | b"USNS"
            | b"USNV"
            | b"CMR"
            | b"Unit"
            | b"PO"
            | b"Postfach"
            | b"Apartado"
            | b"Box"
    );
    if !is_box && !is_street(small.bytes()) {
        return Ok(None);
    }
    let mut reader = text.reader(first.start);
    let mut parts = Parts { end: first.start, ..Parts::default() };
    read(&mut reader, first.start, &mut parts)?;
    let enough = if is_box {
        // A military address has two lines, others a number.
        let is_military = text
            .slice(first.start, parts.end)
            .windows(3)
            .any(|w| matches!(w, b"APO" | b"FPO" | b"DPO"));
        is_military || (parts.n_numbers > 0 && parts.units > 1)
    } else {
        parts.n_numbers > 0 && (parts.n_names > 1 || small.bytes().len() > 6)
    };
    Ok(enough.then(|| Hit::new(first.start, parts.end).of(Personal::StreetAddress)))
}
