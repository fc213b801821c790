//! Passwords in addresses: `postgres://user:password@host`, and the key in a Sentry address. What other programs write in their own way
//! is read by [`super::line`].
use super::{announced, line, random};
use crate::kinds::Secret;
use crate::text::{Answer, Hit, Hold, Reader, Stop, Text};

/// What stands between a scheme and the rest.
pub(super) const HEADS: [&[u8]; 1] = [b"://"];
const SCHEME_BYTES_MAX: usize = 24;
const USER_BYTES_MAX: usize = 96;
const PASSWORD_BYTES_MAX: usize = 160;
/// Fewest bytes of a password: shorter ones are ports and abbreviations.
const PASSWORD_BYTES_MIN: usize = 3;

/// Schemes of databases and queues.
const DATABASES: &[&[u8]] = &[
    b"postgres",
    b"postgresql",
    b"mysql",
    b"mysql2",
    b"mariadb",
    b"mongodb",
    b"mongodb+srv",
    b"redis",
    b"rediss",
    b"amqp",
    b"amqps",
    b"mssql",
    b"sqlserver",
    b"oracle",
    b"clickhouse",
    b"couchdb",
    b"cockroachdb",
    b"snowflake",
    b"neo4j",
    b"bolt",
    b"nats",
    b"kafka",
    b"elasticsearch",
    b"cassandra",
    b"db2",
    b"jdbc",
];

const fn is_user(byte: u8) -> bool {
    byte > b' '
        && byte < 0x7f
        && !matches!(
            byte,
            b'/' | b'?' | b'#' | b'@' | b':' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`'
        )
}

const fn is_password(byte: u8) -> bool {
    byte > b' '
        && byte < 0x7f
        && !matches!(byte, b'@' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'/' | b'\\')
}

/// Reads the user, the password and the `@` after a scheme.
pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    if !matches!((text.get(start), text.get(start.saturating_add(1))), (Some(b':'), Some(b'/'))) {
        return line::decide(text, start);
    }
    let mut reader = text.reader(start);
    let nothing = |stop: Stop| stop.holding(Hold::Nothing);
    let scheme = scheme_before(text, start).ok_or(Stop::No)?;
    if !reader.eat(b"://").map_err(nothing)? {
        return Err(Stop::No);
    }
    let user_from = reader.at;
    let held = |from: usize| {
        let n_held = u16::try_from(text.len().saturating_sub(from)).unwrap_or(u16::MAX);
        move |stop: Stop| stop.holding(Hold::Last(n_held))
    };
    let n_user = reader.run_long(is_user, USER_BYTES_MAX).map_err(held(user_from))?;
    let user = text.slice(user_from, reader.at);
    if is_sentry(&mut reader, user).map_err(held(user_from))? {
        return Ok(Hit::new(user_from, user_from.saturating_add(n_user)).of(Secret::SentryDsn));
    }
    if !reader.eat(b":").map_err(held(user_from))? {
        return Err(Stop::No);
    }
    let from = reader.at;
    let n = reader.run_long(is_password, PASSWORD_BYTES_MAX).map_err(held(from))?;
    if n < PASSWORD_BYTES_MIN || !reader.eat(b"@").map_err(held(from))? {
        return Err(Stop::No);
    }
    let end = from.saturating_add(n);
    let is_host = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'[' | b'_' | b'-' | b'.') || byte >= 0x80
    };
    if !reader.sees(is_host).map_err(held(from))? || is_stand_in(text.slice(from, end)) {
        return Err(Stop::No);
    }
    let is_database = DATABASES.iter().any(|name| scheme.eq_ignore_ascii_case(name));
    let kind = if is_database { Secret::DatabasePassword } else { Secret::UrlPassword };
    Ok(Hit::new(from, end).of(kind))
}

/// The scheme before `://`, at least two letters.
fn scheme_before(text: Text<'_>, at: usize) -> Option<&[u8]> {
    let before = text.before(at, SCHEME_BYTES_MAX);
    let is_scheme = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let n = before.iter().rev().take_while(is_scheme).count();
    (n >= 2).then(|| before.get(before.len().saturating_sub(n)..).unwrap_or_default())
}

/// Whether the user is the key of a Sentry address: `https://key@o1.ingest.sentry.io/2`.
fn is_sentry(reader: &mut Reader<'_>, user: &[u8]) -> Result<bool, Stop> {
    if user.len() != 32 || !random::is_hex(user) || !reader.sees(|byte| byte == b'@')? {
        return Ok(false);
    }
    let mut host = *reader;
    host.skip(1);
    let from = host.at;
    host.run(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'), 64)?;
    Ok(announced::contains(reader.text().slice(from, host.at), b"sentry"))
}

/// Whether a password is a variable, or says that it stands for one.
pub(super) fn is_stand_in(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'$' | b'{' | b'%' | b'[' | b'('))
        || random::n_distinct(value) <= 1
        || value.iter().any(|byte| matches!(byte, b'{' | b'}' | b'$' | b'(' | b')'))
}
