//! Private keys in PEM and PGP armour, and those of `PuTTY`. Only the marker with key material after it counts: a page that explains the format is no key.
use super::MATCH_BYTES_MAX;
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Most bytes of the words between the dashes.
const LABEL_BYTES_MAX: usize = 64;
/// Most bytes of headers and of what is between lines of material in a row.
const FILLER_BYTES_MAX: usize = 512;
/// Fewest bytes of a line of material in a key.
const LINE_BYTES_MIN: usize = 16;
/// A line this long is not the last one, so a short one may follow it.
const LINE_BYTES_FULL: usize = 40;

const fn is_material(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What stands between lines: blanks, and quotes and joiners where the key is written out in code.
const fn is_filler(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\r'
            | b'\n'
            | b'"'
            | b'\''
            | b'`'
            | b','
            | b'>'
            | b'|'
            | b'.'
            | b'#'
            | b'*'
    )
}

/// What the private half of a `PuTTY` key begins with: the public half stands before it, and is public.
pub(super) const PUTTY_HEAD: &[u8] = b"Private-Li";
/// Most lines of a `PuTTY` key.
const PUTTY_LINES_MAX: usize = 255;

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if reader.eat(b"Private-Lines: ")? {
        return putty(reader, start);
    }
    if !reader.eat(b"-----BEGIN ")? {
        return Err(Stop::No);
    }
    let from = reader.at;
    reader.run(
        |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ',
        LABEL_BYTES_MAX,
    )?;
    let label = text.slice(from, reader.at);
    if !(label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK"))
        || !reader.eat(b"-----")?
    {
        return Err(Stop::No);
    }
    read_headers(&mut reader)?;
    body(reader, start, false)
}

pub(super) fn go_on(text: Text<'_>, start: usize) -> Answer {
    body(text.reader(start), start, true)
}

/// Reads as many lines of material as the head says.
fn putty(mut reader: Reader<'_>, start: usize) -> Answer {
    let from = reader.at;
    reader.run(|byte| byte.is_ascii_digit(), 4)?;
    let n_lines = std::str::from_utf8(reader.text().slice(from, reader.at)).unwrap_or_default();
    let n_lines = n_lines.parse().unwrap_or(0_usize).min(PUTTY_LINES_MAX);
    let mut end = None;
    for _ in 0..n_lines {
        let (_, breaks) = read_filler(&mut reader)?;
        let rest = start.saturating_add(MATCH_BYTES_MAX).saturating_sub(reader.at);
        if !breaks || rest == 0 {
            break;
        }
        let n = reader.run_long(is_material, rest)?;
        if n == rest {
            return Ok(Hit { goes_on: true, ..Hit::new(start, reader.at) });
        }
        if n == 0 || (n < LINE_BYTES_MIN && end.is_none()) {
            break;
        }
        end = Some(reader.at);
    }
    end.map(|end| Hit::new(start, end)).ok_or(Stop::No)
}

/// Steps over lines like `Proc-Type: 4,ENCRYPTED`.
fn read_headers(reader: &mut Reader<'_>) -> Result<(), Stop> {
    let limit = reader.at.saturating_add(FILLER_BYTES_MAX);
    while reader.at < limit {
        read_filler(reader)?;
        let mut line = *reader;
        let n_name = line.run(|byte| byte.is_ascii_alphabetic() || byte == b'-', 24)?;
        if n_name == 0 || n_name > 20 || !line.eat(b":")? {
            break;
        }
        line.run_long(|byte| !matches!(byte, b'\n' | b'\r' | b'\\'), 128)?;
        *reader = line;
    }
    Ok(())
}

/// Steps over what is between lines; returns how much it was, and whether a line ended in it.
fn read_filler(reader: &mut Reader<'_>) -> Result<(usize, bool), Stop> {
    let mut breaks = false;
    let from = reader.at;
    loop {
        let n = reader.at.saturating_sub(from);
        if n >= FILLER_BYTES_MAX {
            return Ok((n, breaks));
        }
        if reader.sees(|byte| byte == b'\\')? {
            // A written-out line end: the letter belongs to it.
            let escaped = reader.sees_ahead(1, |byte| matches!(byte, b'n' | b'r' | b't'))?;
            breaks |= escaped;
            reader.skip(if escaped { 2 } else { 1 });
        } else if reader.sees(|byte| byte == b'+')?
            && reader.sees_ahead(1, |byte| byte == b' ' || byte == b'\n')?
        {
            reader.skip(1);
        } else {
            let before = reader.at;
            if reader.run_long(is_filler, FILLER_BYTES_MAX)? == 0 {
                return Ok((n, breaks));
            }
            breaks |= reader
                .text()
                .slice(before, reader.at)
                .iter()
                .any(|&byte| matches!(byte, b'\n' | b'\r'));
        }
    }
}

/// Reads lines of material up to the end marker, to the first thing that is none, or to the bound.
fn body(mut reader: Reader<'_>, start: usize, mut going_on: bool) -> Answer {
    let mut end = if going_on { Some(start) } else { None };
    let (mut n_last, mut breaks) = (0_usize, false);
    loop {
        let rest = start.saturating_add(MATCH_BYTES_MAX).saturating_sub(reader.at);
        if rest == 0 {
            let goes_on = end.is_some();
            return if goes_on {
                Ok(Hit { goes_on, ..Hit::new(start, reader.at) })
            } else {
                Err(Stop::No)
            };
        }
        let n = reader.run_long(is_material, rest)?;
        if n == rest && (n >= LINE_BYTES_MIN || end.is_some()) {
            return Ok(Hit { goes_on: true, ..Hit::new(start, reader.at) });
        }
        if n > 0 && n < LINE_BYTES_MIN && !going_on && !(breaks && n_last >= LINE_BYTES_FULL) {
            // Too short to be material, unless the end marker follows it, or, where lines were broken anew, a line that is none too short.
            let mut ahead = reader;
            read_filler(&mut ahead)?;
            let is_broken =
                end.is_none() && ahead.run(is_material, LINE_BYTES_MIN)? == LINE_BYTES_MIN;
            if !is_broken && (end.is_none() || !ahead.eat(b"-----END ")?) {
                break;
            }
        }
        if n > 0 {
            end = Some(reader.at);
            n_last = n;
        }
        going_on = false;
        let n_filler;
        (n_filler, breaks) = read_filler(&mut reader)?;
        if reader.sees(|byte| byte == b'-')? {
            if end.is_some() && reader.eat(b"-----END ")? {
                reader.run(|byte| byte.is_ascii_uppercase() || byte == b' ', LABEL_BYTES_MAX)?;
                reader.run(|byte| byte == b'-', 5)?;
                end = Some(reader.at);
            }
            break;
        }
        if n == 0 && n_filler == 0 {
            break;
        }
    }
    match end {
        Some(end) if end > start => Ok(Hit::new(start, end)),
        _ => Err(Stop::No),
    }
}
