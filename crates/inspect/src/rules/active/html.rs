//! Markup that a browser runs: scripts, frames, plug-ins, handlers of events, addresses that are programs, pages that turn to others.
use super::rest_of_tag;
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Most bytes of a tag that are part of a finding.
const TAG_BYTES_MAX: usize = 512;
/// Most bytes of an address that is a program.
const PROGRAM_BYTES_MAX: usize = 512;
/// Most letters of the name of an event.
const EVENT_LETTERS_MAX: usize = 24;
/// Most bytes of a fenced block of code in which markup is left alone.
pub(in crate::rules) const FENCE_BYTES_MAX: usize = 3000;
/// A fenced block with more backticks in it is read up to here: what reads it again with each must not read it for ever.
const FENCE_TICKS_MAX: usize = 48;

/// First three bytes of each beginning, and whether no word may run into it.
pub(in crate::rules) const HEADS: [([u8; 3], bool); 20] = [
    (*b"```", false),
    (*b"<sc", false),
    (*b"<if", false),
    (*b"<fr", false),
    (*b"<ob", false),
    (*b"<em", false),
    (*b"<ap", false),
    (*b"<me", false),
    (*b"<ba", false),
    (*b"<fo", false),
    (*b" on", false),
    (*b"/on", false),
    (*b"\"on", false),
    (*b"'on", false),
    (*b"\non", false),
    (*b"\ton", false),
    (*b"jav", true),
    (*b"vbs", true),
    (*b"dat", true),
    (*b"exp", true),
];

/// Elements that run or load something by being there.
const ELEMENTS: [&[u8]; 4] = [b"<script", b"<iframe", b"<frameset", b"<frame"];
/// Elements that do so by an attribute. Types in programs are written like their names: `List<Object>`.
const WITH_ATTRIBUTE: [(&[u8], &[&[u8]]); 6] = [
    (b"<object", &[b"data", b"type", b"classid", b"codebase"]),
    (b"<embed", &[b"src", b"type"]),
    (b"<applet", &[b"code", b"archive", b"object"]),
    (b"<meta", &[b"http-equiv=\"refresh", b"http-equiv='refresh", b"http-equiv=refresh"]),
    (b"<base", &[b"href"]),
    (b"<form", &[b"action"]),
];

pub(in crate::rules) fn decide(text: Text<'_>, start: usize) -> Answer {
    if text.get(start) == Some(b'`') {
        return fence(text, start);
    }
    let hit = match text.get(start) {
        Some(b'<') => element(text.reader(start), start),
        Some(b' ' | b'/' | b'"' | b'\'' | b'\n' | b'\t') => handler(text, start),
        Some(b'e' | b'E') => expression(text, start),
        _ => program(text, start),
    }?;
    // Looked at last: most candidates are ordinary words.
    if is_inline_code(text, start) { Err(Stop::No) } else { Ok(hit) }
}

/// A fenced block is code: no candidate in it has any luck.
fn fence(text: Text<'_>, start: usize) -> Answer {
    let before = text.before(start, 8);
    let indent = before.iter().rev().take_while(|&&byte| matches!(byte, b' ' | b'>')).count();
    let at_line = before.iter().rev().nth(indent).is_none_or(|&byte| byte == b'\n');
    if !at_line {
        return Err(Stop::No);
    }
    let mut reader = text.reader(start);
    let n_ticks = run(&mut reader, |byte| byte == b'`', 16)?;
    let mut n_inside = 0_usize;
    while n_inside < FENCE_TICKS_MAX {
        let room = FENCE_BYTES_MAX.saturating_sub(reader.at.saturating_sub(start));
        let n = reader.run_long(|byte| byte != b'`', room).map_err(nothing_held)?;
        if n == room || reader.peek().map_err(nothing_held)?.is_none() {
            break;
        }
        let line = text.slice(start, reader.at);
        let is_line = line.iter().rev().find(|&&byte| byte != b' ') == Some(&b'\n');
        let n_closing = run(&mut reader, |byte| byte == b'`', 16)?;
        if is_line && n_closing >= n_ticks {
            break;
        }
        n_inside = n_inside.saturating_add(n_closing);
    }
    Err(Stop::NoUntil(reader.at))
}

fn run(reader: &mut Reader<'_>, class: fn(u8) -> bool, n_max: usize) -> Result<usize, Stop> {
    reader.run(class, n_max).map_err(nothing_held)
}

/// A fence is no finding, so it holds nothing back.
fn nothing_held(stop: Stop) -> Stop {
    stop.holding(crate::text::Hold::Nothing)
}

/// Whether an odd number of backticks stands before, on the same line.
fn is_inline_code(text: Text<'_>, start: usize) -> bool {
    let before = text.before(start, crate::text::LEFT_BYTES_MAX).iter().rev();
    let line = before.take_while(|&&byte| byte != b'\n');
    line.filter(|&&byte| byte == b'`').count() % 2 == 1
}

fn element(mut reader: Reader<'_>, start: usize) -> Answer {
    let from = reader.at;
    for name in ELEMENTS {
        reader.at = from;
        if reader.eat_folded(name)? {
            if !reader.sees(|byte| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace())? {
                continue;
            }
            rest_of_tag(&mut reader, TAG_BYTES_MAX)?;
            return Ok(Hit::new(start, reader.at));
        }
    }
    for (name, attributes) in WITH_ATTRIBUTE {
        reader.at = from;
        if reader.eat_folded(name)? {
            if !reader.sees(|byte| byte == b'/' || byte.is_ascii_whitespace())? {
                return Err(Stop::No);
            }
            let inside = reader.at;
            rest_of_tag(&mut reader, TAG_BYTES_MAX)?;
            let tag = reader.text().slice(inside, reader.at);
            let has = |word: &&&[u8]| {
                let mut windows = tag.windows(word.len());
                windows.any(|window| window.eq_ignore_ascii_case(word))
            };
            let found = attributes.iter().find(has).is_some() && tag.contains(&b'=');
            return if found { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) };
        }
    }
    Err(Stop::No)
}

/// What stands before an offset in the same tag, if the offset is in one.
fn tag_before(text: Text<'_>, at: usize) -> Option<&[u8]> {
    let before = text.before(at, crate::text::LEFT_BYTES_MAX);
    let open = before.iter().rposition(|&byte| matches!(byte, b'<' | b'>'))?;
    let tag = before.get(open..)?;
    matches!(tag, [b'<', first, ..] if first.is_ascii_alphabetic()).then_some(tag)
}

/// `onload="..."` inside a tag.
fn handler(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start.saturating_add(1));
    if !reader.eat_folded(b"on")? {
        return Err(Stop::No);
    }
    let n = reader.run(|byte| byte.is_ascii_alphabetic(), EVENT_LETTERS_MAX)?;
    if n < 3 {
        return Err(Stop::No);
    }
    reader.run(|byte| byte.is_ascii_whitespace(), 8)?;
    if !reader.eat(b"=")? || tag_before(text, start.saturating_add(1)).is_none() {
        return Err(Stop::No);
    }
    reader.run(|byte| byte.is_ascii_whitespace(), 8)?;
    match reader.peek()? {
        // A comparison, or a component of a framework, which is no markup yet.
        None | Some(b'=' | b'{' | b'>') => return Err(Stop::No),
        Some(quote @ (b'"' | b'\'')) => {
            reader.skip(1);
            let class = if quote == b'"' { |byte| byte != b'"' } else { |byte: u8| byte != b'\'' };
            reader.run_long(class, PROGRAM_BYTES_MAX)?;
            reader.eat(&[quote])?;
        }
        Some(_) => {
            let class = |byte: u8| byte != b'>' && !byte.is_ascii_whitespace();
            reader.run_long(class, PROGRAM_BYTES_MAX)?;
        }
    }
    Ok(Hit::new(start.saturating_add(1), reader.at))
}

/// `javascript:` and its kin, where an address is expected.
fn program(text: Text<'_>, start: usize) -> Answer {
    let before = text.back(start, 1);
    let mut reader = text.reader(start);
    let is_script = reader.eat_folded(b"javascript:")? || reader.eat_folded(b"vbscript:")?;
    if !is_script && !reader.eat_folded(b"data:text/html")? {
        return Err(Stop::No);
    }
    // After a blank it is a word of a sentence, unless it is a page.
    let is_address = matches!(before, Some(b'"' | b'\'' | b'(' | b'=' | b'<'));
    if !is_address && (is_script || !reader.sees(|byte| matches!(byte, b',' | b';'))?) {
        return Err(Stop::No);
    }
    let class = |byte: u8| {
        !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`') && !byte.is_ascii_whitespace()
    };
    let n = reader.run_long(class, PROGRAM_BYTES_MAX)?;
    if n == 0 { Err(Stop::No) } else { Ok(Hit::new(start, reader.at)) }
}

/// `style="width: expression(...)"`.
fn expression(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if !reader.eat_folded(b"expression(")? {
        return Err(Stop::No);
    }
    let is_style = tag_before(text, start)
        .is_some_and(|tag| tag.windows(5).any(|window| window.eq_ignore_ascii_case(b"style")));
    if !is_style {
        return Err(Stop::No);
    }
    reader.run_long(|byte| !matches!(byte, b')' | b'"' | b'>'), PROGRAM_BYTES_MAX)?;
    Ok(Hit::new(start, reader.at))
}
