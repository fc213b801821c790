//! Addresses of the web: `https://…`, `http://…`, `ftp://…` and `www.…`. A host has a dot and a top-level domain of letters, so machines of
//! one's own network are left alone.
use crate::kinds::Personal;
use crate::text::{Answer, Hit, Stop, Text};

/// The first bytes.
pub(super) const HEADS: [[u8; 3]; 3] = [*b"htt", *b"ftp", *b"www"];
/// Most bytes of one address; what goes on after them is left out.
const URL_BYTES_MAX: usize = 512;

/// Whether a byte may stand in an address.
const fn is_url(byte: u8) -> bool {
    byte > b' '
        && !matches!(byte, b'"' | b'<' | b'>' | b'`' | b'\\' | b'^' | b'{' | b'}' | b'|' | 0x7f)
}

/// Whether a byte may stand before the path.
const fn is_authority(byte: u8) -> bool {
    is_url(byte) && !matches!(byte, b'/' | b'?' | b'#')
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let schemes: [&[u8]; 4] = [b"https://", b"http://", b"ftp://", b"www."];
    let mut found = false;
    for scheme in schemes {
        if reader.eat_folded(scheme)? {
            found = true;
            break;
        }
    }
    if !found {
        return Err(Stop::No);
    }
    let host_at = reader.at;
    // A text of schemes without hosts is not read over and over.
    let n_authority = reader.run_long(is_authority, URL_BYTES_MAX)?;
    let authority = text.slice(host_at, reader.at);
    if start != host_at && !authority.contains(&b'.') {
        return Err(Stop::No);
    }
    reader.run_long(is_url, URL_BYTES_MAX.saturating_sub(n_authority))?;
    let url = text.slice(start, reader.at);
    // Marks that end a sentence or close a bracket are no part of it.
    let n_marks = url
        .iter()
        .rev()
        .take_while(|byte| {
            matches!(
                byte,
                b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b')' | b']' | b'*' | b'_'
            )
        })
        .count();
    let end = reader.at.saturating_sub(n_marks);
    let rest = text.slice(host_at, end);
    let authority =
        rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    let machine = authority.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
    let host = machine.split(|&byte| byte == b':').next().unwrap_or_default();
    let top = host.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let has_dot = host.contains(&b'.') || start == host_at;
    let is_top = top.len() > 1
        && top.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80 || *byte == b'-')
        && top.iter().any(|byte| !byte.is_ascii_digit());
    if has_dot && is_top && host.len() > top.len().saturating_add(1) {
        Ok(Hit::new(start, end).of(Personal::Url))
    } else {
        Err(Stop::No)
    }
}
