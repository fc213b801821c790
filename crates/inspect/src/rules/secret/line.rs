//! Passwords that stand in a line of their own form: `curl -u user:password`, a line of `.pgpass`, an Oracle address of JDBC. A finding is
//! the password alone; the words before it hold nothing back.
use super::{connection, random};
use crate::kinds::{Kind, Secret};
use crate::text::{Answer, Class, Hit, Hold, Reader, Stop, Text};

/// What these lines are known by, up to three bytes that are rare.
pub(super) const HEADS: [&[u8]; 5] = [b"-u ", b"--us", b":5432:", b":6432:", b"jdbc:o"];
/// Bytes before an option in which the program must stand.
const PROGRAM_BYTES: usize = 112;
/// Programs whose option takes a user and a password.
const PROGRAMS: [&[u8]; 6] = [b"curl", b"wget", b"httpie", b"http ", b"https ", b"xh "];
const USER_BYTES_MAX: usize = 96;
const PASSWORD_BYTES_MAX: usize = 160;
/// Fewest bytes of a password.
const PASSWORD_BYTES_MIN: usize = 3;
/// What manuals write for a password.
const STAND_INS: [&[u8]; 8] =
    [b"password", b"passwd", b"pass", b"pwd", b"secret", b"token", b"pw", b"mypassword"];

/// The bytes of a user.
const USER: Class = |byte| {
    byte > b' '
        && byte < 0x7f
        && !matches!(byte, b':' | b'"' | b'\'' | b'/' | b'<' | b'>' | b'`' | b'|')
};
const BARE: Class =
    |byte| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'|' | b'&' | b';');
const IN_DOUBLE: Class = |byte| byte != b'"' && !byte.is_ascii_control();
const IN_SINGLE: Class = |byte| byte != b'\'' && !byte.is_ascii_control();
const BEFORE_AT: Class = |byte| byte > b' ' && !matches!(byte, b'@' | b'"' | b'\'' | b'/');

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    match text.get(start) {
        Some(b'-') => option(text, start),
        Some(b':') => pgpass(text, start),
        _ => oracle(text, start),
    }
}

/// A password is all that a finding covers: what was read before it holds nothing back.
fn nothing(stop: Stop) -> Stop {
    stop.holding(Hold::Nothing)
}

/// Reads a password and what must follow it.
fn password(
    reader: &mut Reader<'_>,
    class: Class,
    kind: impl Into<Kind>,
    closes: Option<u8>,
) -> Answer {
    let text = reader.text();
    let from = reader.at;
    let n_held = u16::try_from(text.len().saturating_sub(from)).unwrap_or(u16::MAX);
    let held = |stop: Stop| stop.holding(Hold::Last(n_held));
    let n = reader.run_long(class, PASSWORD_BYTES_MAX.saturating_add(1)).map_err(held)?;
    let value = text.slice(from, reader.at);
    if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&n)
        || connection::is_stand_in(value)
        || random::is_stand_in(value)
        || STAND_INS.iter().any(|word| value.eq_ignore_ascii_case(word))
    {
        return Err(Stop::No);
    }
    if let Some(mark) = closes
        && !reader.sees(|byte| byte == mark).map_err(held)?
    {
        return Err(Stop::No);
    }
    Ok(Hit::new(from, reader.at).of(kind))
}

/// `-u user:password`, `--user "user:password"`, after the name of a program that takes one.
fn option(text: Text<'_>, start: usize) -> Answer {
    let before = text.before(start, PROGRAM_BYTES);
    let line = before.rsplit(|&byte| byte == b'\n' && !before.ends_with(b"\\\n")).next();
    let line = line.unwrap_or_default();
    let is_there =
        |word: &&[u8]| line.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    if text.back(start, 1).is_some_and(|byte| byte > b' ') || !PROGRAMS.iter().any(is_there) {
        return Err(Stop::No);
    }
    let mut reader = text.reader(start);
    let is_short = reader.eat(b"-u").map_err(nothing)?;
    if !is_short && !reader.eat(b"--user").map_err(nothing)? {
        return Err(Stop::No);
    }
    if !(reader.eat(b" ").map_err(nothing)? || reader.eat(b"=").map_err(nothing)?) {
        return Err(Stop::No);
    }
    let quote = reader.peek().map_err(nothing)?.filter(|byte| matches!(byte, b'"' | b'\''));
    reader.skip(usize::from(quote.is_some()));
    reader.run_long(USER, USER_BYTES_MAX).map_err(nothing)?;
    if !reader.eat(b":").map_err(nothing)? {
        return Err(Stop::No);
    }
    let class = match quote {
        Some(b'"') => IN_DOUBLE,
        Some(_) => IN_SINGLE,
        None => BARE,
    };
    password(&mut reader, class, Secret::CommandPassword, quote)
}

/// `host:5432:database:user:password`, a line of its own.
fn pgpass(text: Text<'_>, start: usize) -> Answer {
    let before = text.before(start, USER_BYTES_MAX);
    let is_host =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*');
    let n_host = before.iter().rev().take_while(is_host).count();
    let left = before.len().checked_sub(n_host.saturating_add(1)).and_then(|at| before.get(at));
    if n_host == 0 || left.is_some_and(|byte| !matches!(byte, b'\n' | b' ' | b'"' | b'\'' | b'`')) {
        return Err(Stop::No);
    }
    let mut reader = text.reader(start);
    reader.skip(6);
    for _ in 0..2 {
        let n = reader.run_long(USER, USER_BYTES_MAX).map_err(nothing)?;
        if n == 0 || !reader.eat(b":").map_err(nothing)? {
            return Err(Stop::No);
        }
    }
    password(&mut reader, BARE, Secret::DatabasePassword, None)
}

/// `jdbc:oracle:thin:user/password@`.
fn oracle(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if !reader.eat(b"jdbc:oracle:").map_err(nothing)? {
        return Err(Stop::No);
    }
    reader.run(|byte| byte.is_ascii_lowercase(), 8).map_err(nothing)?;
    if !reader.eat(b":").map_err(nothing)? {
        return Err(Stop::No);
    }
    let n = reader.run_long(USER, USER_BYTES_MAX).map_err(nothing)?;
    if n == 0 || !reader.eat(b"/").map_err(nothing)? {
        return Err(Stop::No);
    }
    password(&mut reader, BEFORE_AT, Secret::DatabasePassword, Some(b'@'))
}
