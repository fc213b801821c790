//! Passwords that a word announces: `password = "..."`, `PWD=...;`, `--passphrase ...`. They need not look random, so the word must be
//! right before them, and what reads like code, a type or a stand-in is left alone.
use super::{announced, keyed, random};
use crate::kinds::{Secret, Support};
use crate::text::{Answer, Class, Hit, Hold, Reader, Stop, Text};

/// The first bytes of the words.
pub(super) const HEADS: [&[u8]; 12] = [
    b"passw", b"passp", b"passc", b"_pass", b"pass=", b"pass:", b"pass\"", b"pass'", b"pwd",
    b"secr", b"apik", b"api_",
];
/// The words. Those that may stand before something else than a password ask for more.
const WORDS: [&[u8]; 9] = [
    b"password",
    b"passwd",
    b"passphrase",
    b"passcode",
    b"pass",
    b"pwd",
    b"secret",
    b"apikey",
    b"api_key",
];
/// Most bytes of a name after its word: `password_for_the_database`.
const NAME_BYTES_MAX: usize = 24;
/// Most bytes of blanks, quotes and signs between a name and its value.
const GAP_BYTES_MAX: usize = 8;
/// Most bytes of a password.
const PASSWORD_BYTES_MAX: usize = 128;
const QUOTED_BYTES_MIN: usize = 5;
const BARE_BYTES_MIN: usize = 6;
/// Most bytes of a password without quotes.
const BARE_BYTES_MAX: usize = 64;
/// What comes after the word where the name is of something else.
const NOT_PASSWORD: &[&[u8]] = &[
    b"hash",
    b"reset",
    b"policy",
    b"field",
    b"type",
    b"length",
    b"url",
    b"file",
    b"path",
    b"_id",
    b"name",
    b"hint",
    b"strength",
    b"manager",
    b"encoder",
    b"confirm",
    b"check",
    b"salt",
    b"min",
    b"max",
    b"input",
    b"label",
    b"age",
    b"port",
    b"word_",
    b"arn",
    b"ref",
    b"prompt",
    b"generat",
    b"valid",
    b"expir",
    b"version",
];

/// Reads a name, what gives it a value, and the value.
pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    // A finding never starts at the words, so undecided words hold nothing back.
    let nothing = |stop: Stop| stop.holding(Hold::Nothing);
    read_name(&mut reader).map_err(nothing)?;
    let is_netrc = is_netrc(text, start);
    let quote = read_gap(&mut reader, start, is_netrc).map_err(nothing)?;
    let from = reader.at;
    let is_given = is_netrc || is_connection(text, start, from);
    let n_held = u16::try_from(text.len().saturating_sub(from)).unwrap_or(u16::MAX);
    let held = |stop: Stop| stop.holding(Hold::Last(n_held));
    let end = read_value(&mut reader, quote).map_err(held)?;
    let value = text.slice(from, end);
    // A number is a password, and no key.
    let is_key = matches!(text.get(start), Some(b'a' | b'A'));
    if is_key && !random::is_mixed(value) {
        return Err(Stop::No);
    }
    let is_one = match quote {
        Some(_) => is_quoted_password(value),
        None if is_given => is_given_password(value),
        None => is_bare_password(value),
    };
    if !is_one || random::is_stand_in(value) {
        return Err(Stop::No);
    }
    // What looks random is a finding of another rule.
    match keyed::decide(text, from) {
        Ok(_) => return Err(Stop::No),
        Err(Stop::More(wait)) => return Err(held(Stop::More(wait))),
        Err(_) => {}
    }
    let mut hit = Hit::new(from, end).of(Secret::Password);
    hit.support = Support::Context;
    Ok(hit)
}

fn read_name(reader: &mut Reader<'_>) -> Result<(), Stop> {
    let mut found = false;
    reader.eat(b"_")?;
    for word in WORDS {
        if reader.eat_folded(word)? {
            found = true;
            break;
        }
    }
    if !found {
        return Err(Stop::No);
    }
    let from = reader.at;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if reader.run(is_name, NAME_BYTES_MAX)? == NAME_BYTES_MAX {
        return Err(Stop::No);
    }
    let rest = reader.text().slice(from, reader.at).to_ascii_lowercase();
    let is_other = NOT_PASSWORD.iter().any(|word| announced::contains(&rest, word));
    // A longer word, such as `passenger` or `secretary`.
    let is_longer = rest.first().is_some_and(u8::is_ascii_lowercase)
        && !matches!(rest.as_slice(), b"s" | b"d" | b"e.assign")
        && reader.text().get(from).is_some_and(|byte| byte.is_ascii_lowercase());
    if is_other || is_longer { Err(Stop::No) } else { Ok(()) }
}

/// Steps over what gives a name its value; returns the quote that opens the value, if one does.
fn read_gap(reader: &mut Reader<'_>, start: usize, is_netrc: bool) -> Result<Option<u8>, Stop> {
    let is_flag = reader.text().before(start, 2).ends_with(b"-");
    let from = reader.at;
    let is_gap = |byte: u8| {
        matches!(
            byte,
            b' ' | b'\t' | b'"' | b'\'' | b'`' | b'=' | b':' | b'>' | b'(' | b']' | b'\\' | b'!'
        )
    };
    if reader.run(is_gap, GAP_BYTES_MAX)? == GAP_BYTES_MAX {
        return Err(Stop::No);
    }
    let gap = reader.text().slice(from, reader.at);
    let gives = gap.iter().position(|byte| matches!(byte, b'=' | b':' | b'('));
    let quotes =
        |at: usize| gap.get(at..).unwrap_or_default().iter().copied().rfind(|&byte| is_quote(byte));
    match gives {
        Some(at) => Ok(quotes(at)),
        None if is_netrc && gap.iter().all(u8::is_ascii_whitespace) && !gap.is_empty() => Ok(None),
        None if is_flag && gap.contains(&b' ') => Ok(quotes(0)),
        None => Err(Stop::No),
    }
}

/// Bytes before the word in which its line says what it is.
const LINE_BYTES: usize = 112;
/// What a line of a connection has before its password, in small letters.
const CONNECTION: [&[u8]; 9] = [
    b"jdbc:",
    b"server=",
    b"data source=",
    b"host=",
    b"uid=",
    b"user id=",
    b"user=",
    b"username=",
    b"://",
];

/// Whether the line before holds one of some words, in any case.
fn has_in_line(text: Text<'_>, start: usize, words: &[&[u8]]) -> bool {
    let before = text.before(start, LINE_BYTES).to_ascii_lowercase();
    words.iter().any(|word| announced::contains(&before, word))
}

/// Whether this is the password of a netrc file: `machine x login y password z`.
fn is_netrc(text: Text<'_>, start: usize) -> bool {
    matches!(text.back(start, 1), Some(b' ' | b'\t' | b'\n'))
        && matches!(text.get(start), Some(b'p'))
        && has_in_line(text, start, &[b"login "])
        && has_in_line(text, start, &[b"machine ", b"default"])
}

/// Whether a connection is given its password: `;password=`, `?user=x&password=`.
fn is_connection(text: Text<'_>, start: usize, from: usize) -> bool {
    matches!(text.back(start, 1), Some(b';' | b'&' | b'?' | b' '))
        && text.back(from, 1) == Some(b'=')
        && has_in_line(text, start, &CONNECTION)
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Reads up to the quote that closes the value, or up to what ends a bare word.
fn read_value(reader: &mut Reader<'_>, quote: Option<u8>) -> Result<usize, Stop> {
    let class: Class = match quote {
        Some(b'"') => |byte| byte != b'"' && !byte.is_ascii_control(),
        Some(b'\'') => |byte| byte != b'\'' && !byte.is_ascii_control(),
        Some(_) => |byte| byte != b'`' && !byte.is_ascii_control(),
        None => |byte| {
            !byte.is_ascii_whitespace()
                && !matches!(
                    byte,
                    b';' | b',' | b'"' | b'\'' | b'&' | b'<' | b')' | b'}' | b']' | b'`'
                )
        },
    };
    let n_max = if quote.is_some() { PASSWORD_BYTES_MAX } else { BARE_BYTES_MAX };
    let n = reader.run_long(class, n_max.saturating_add(1))?;
    if n > n_max || n < BARE_BYTES_MIN.min(QUOTED_BYTES_MIN) {
        return Err(Stop::No);
    }
    let end = reader.at;
    if let Some(quote) = quote
        && !reader.sees(|byte| byte == quote)?
    {
        return Err(Stop::No);
    }
    Ok(end)
}

/// Whether a string is more than a word: it has a digit or a sign, or a capital inside.
fn is_quoted_password(value: &[u8]) -> bool {
    let value = value.strip_suffix(b"\\").unwrap_or(value);
    let is_sign = |byte: &u8| {
        byte.is_ascii_punctuation()
            && !matches!(byte, b'-' | b'_' | b'.' | b',' | b'\'' | b':' | b'/')
    };
    let has_more = value.iter().any(u8::is_ascii_digit)
        || value.iter().any(is_sign)
        || value.windows(2).any(|pair| {
            matches!(pair, [before, after] if before.is_ascii_lowercase() && after.is_ascii_uppercase())
        });
    value.len() >= QUOTED_BYTES_MIN && has_more && !value.contains(&b' ') && !is_reference(value)
}

/// Whether a string names where the password is: a variable, a path, an address.
fn is_reference(value: &[u8]) -> bool {
    value
        .first()
        .is_some_and(|first| matches!(first, b'$' | b'%' | b'/' | b'.' | b'<' | b'&' | b'@'))
        || announced::contains(value, b"://")
        || announced::contains(value, b"env.")
        || announced::contains(value, b"()")
}

/// Whether a bare word is a password: it has a digit, and no sign that code is made of.
fn is_bare_password(value: &[u8]) -> bool {
    let is_code =
        |byte: &u8| matches!(byte, b'(' | b'[' | b'{' | b'$' | b'<' | b'>' | b'|' | b'\\' | b'=');
    value.len() >= BARE_BYTES_MIN
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && !value.iter().any(is_code)
        && !is_reference(value)
        && !looks_like_code(value)
}

/// Whether a word in the place of a password is one, and no variable.
fn is_given_password(value: &[u8]) -> bool {
    let is_code =
        |byte: &u8| matches!(byte, b'(' | b'[' | b'{' | b'<' | b'>' | b'|' | b'\\' | b'=');
    value.len() >= QUOTED_BYTES_MIN && !value.iter().any(is_code) && !is_reference(value)
}

/// `request.form.password1`, `config.v2.secret`: names with points between them.
fn looks_like_code(value: &[u8]) -> bool {
    let mut parts = value.split(|&byte| byte == b'.');
    value.contains(&b'.')
        && parts.all(|part| part.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}
