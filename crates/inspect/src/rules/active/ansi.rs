//! Escapes of terminals (ECMA-48): whatever begins with the control character is a finding, since no answer needs one and each can move,
//! erase, retitle, link, or write to the clipboard.
//!
//! Written out (`\033[31m`, `\x1b]0;`) they are text until a program prints them. Programs in honest answers are full of colours, cursor
//! moves and titles, so of these only the ones that reach beyond the screen are findings: links, the clipboard, device control and reports.
use crate::text::{Answer, Hit, Reader, Stop, Text};

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;
/// Most bytes of the parameters of a control sequence.
const PARAMETERS_MAX: usize = 64;
/// Most bytes of a string that a terminal takes; what comes after is no longer part of the finding.
const STRING_BYTES_MAX: usize = 512;
/// The spellings of the control character in programs.
const WRITTEN: [&[u8]; 8] =
    [b"\\x1b", b"\\x1B", b"\\u001b", b"\\u001B", b"\\u{1b}", b"\\033", b"\\e", b"\\E"];

/// Beginnings besides the control character itself: its spellings, and the introducers of one character each with what may follow.
pub(in crate::rules) fn heads() -> impl Iterator<Item = [u8; 3]> {
    let written = [
        *b"\\x1", *b"\\u0", *b"\\u{", *b"\\03", *b"\\e]", *b"\\E]", *b"\\eP", *b"\\EP", *b"\\e[",
        *b"\\E[",
    ];
    let after = || (b'0'..=b'?').chain(b'A'..=b'Z').chain(b'a'..=b'z');
    let single = [0x9b, 0x9d, 0x90]
        .into_iter()
        .flat_map(move |second: u8| after().map(move |third| [0xc2, second, third]));
    written.into_iter().chain(single)
}

pub(in crate::rules) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    match reader.peek()? {
        Some(ESCAPE) => {
            reader.skip(1);
            escape(reader, start)
        }
        Some(0xc2) => {
            reader.skip(1);
            let introducer = reader.peek()?;
            reader.skip(1);
            match introducer {
                Some(0x9b) => sequence(reader, start).map(|(hit, _)| hit),
                _ => string(reader, start),
            }
        }
        _ => written(reader, start),
    }
}

/// What follows the control character.
fn escape(mut reader: Reader<'_>, start: usize) -> Answer {
    let Some(byte) = reader.peek()? else { return Err(Stop::No) };
    reader.skip(1);
    match byte {
        b'[' => sequence(reader, start).map(|(hit, _)| hit),
        b']' | b'P' | b'X' | b'^' | b'_' => string(reader, start),
        b' '..=b'/' => {
            reader.run(|byte| matches!(byte, b' '..=b'/'), PARAMETERS_MAX)?;
            if !reader.sees(|byte| matches!(byte, b'0'..=b'~'))? {
                return Err(Stop::No);
            }
            Ok(Hit::new(start, reader.at.saturating_add(1)))
        }
        b'0'..=b'~' => Ok(Hit::new(start, reader.at)),
        _ => Err(Stop::No),
    }
}

/// A control sequence after its introducer, and its last byte, which says what it does.
fn sequence(mut reader: Reader<'_>, start: usize) -> Result<(Hit, u8), Stop> {
    reader.run(|byte| matches!(byte, b' '..=b'?'), PARAMETERS_MAX)?;
    match reader.peek()? {
        Some(last @ b'@'..=b'~') => Ok((Hit::new(start, reader.at.saturating_add(1)), last)),
        _ => Err(Stop::No),
    }
}

/// A string that the terminal takes as a whole, up to its end.
fn string(mut reader: Reader<'_>, start: usize) -> Answer {
    reader.run_long(|byte| !matches!(byte, BELL | ESCAPE | b'\n'), STRING_BYTES_MAX)?;
    if !reader.eat(&[BELL])? {
        reader.eat(b"\x1b\\")?;
    }
    Ok(Hit::new(start, reader.at))
}

/// An escape that is written out: a finding where it would reach beyond the screen.
fn written(mut reader: Reader<'_>, start: usize) -> Answer {
    let mut is_spelled = false;
    for spelling in WRITTEN {
        if reader.eat(spelling)? {
            is_spelled = true;
            break;
        }
    }
    if !is_spelled {
        return Err(Stop::No);
    }
    if reader.eat(b"[")? {
        let from = reader.at;
        let (hit, last) = sequence(reader, start)?;
        let parameters = reader.text().slice(from, hit.end.saturating_sub(1));
        // Reports are typed into the reader's shell: of the title, of the device's state.
        let is_report = match last {
            b't' => matches!(parameters, b"20" | b"21"),
            b'n' => matches!(parameters, b"5" | b"6"),
            _ => false,
        };
        return if is_report { Ok(hit) } else { Err(Stop::No) };
    }
    let reaches = reader.eat(b"P")? || {
        reader.eat(b"]")? && {
            let from = reader.at;
            reader.run(|byte| byte.is_ascii_digit(), 5)?;
            // 8: a link whose text says something else. 52: the clipboard. 1337: files, notifications.
            matches!(reader.text().slice(from, reader.at), b"8" | b"52" | b"1337")
                && reader.sees(|byte| byte == b';')?
        }
    };
    if !reaches {
        return Err(Stop::No);
    }
    reader.run_long(
        |byte| !matches!(byte, BELL | ESCAPE | b'\n' | b'"' | b'\'' | b'`'),
        STRING_BYTES_MAX,
    )?;
    Ok(Hit::new(start, reader.at))
}
