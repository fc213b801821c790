//! E-mail addresses (RFC 5321 as people write it): unquoted, with a domain that has a dot. Latin letters with accents are read in
//! both parts.
use crate::text::{Answer, Hit, Stop, Text};

/// Most bytes before the `@` (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;
/// Most bytes after it.
const DOMAIN_BYTES_MAX: usize = 255;
/// Longest name of a top-level domain that is in use.
const TOP_BYTES_MAX: usize = 24;
/// Names of image files at several resolutions look like addresses: `logo@2x.png`.
const IMAGE_ENDS: [&[u8]; 6] = [b"png", b"jpg", b"jpeg", b"gif", b"webp", b"svg"];

const fn is_high(byte: u8) -> bool {
    // Lead bytes of Latin letters with accents, and every continuation byte.
    matches!(byte, 0xc3..=0xc9 | 0x80..=0xbf)
}

const fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
        || is_high(byte)
}

const fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') || is_high(byte)
}

/// Where an address would begin whose `@` stands at `at`; `at` itself when there is none.
pub(super) fn start_of(text: Text<'_>, at: usize) -> usize {
    let before = text.before(at, LOCAL_BYTES_MAX);
    let n = before.iter().rev().take_while(|&&byte| is_local(byte)).count();
    let from = at.saturating_sub(n);
    let local = text.slice(from, at);
    let n_skipped = local
        .iter()
        .take_while(|&&byte| {
            !(byte.is_ascii_alphanumeric() || byte == b'_' || matches!(byte, 0xc3..=0xc9))
        })
        .count();
    from.saturating_add(n_skipped)
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    reader.run(is_local, LOCAL_BYTES_MAX)?;
    let local = text.slice(start, reader.at);
    if !reader.eat(b"@")? {
        return Err(Stop::No);
    }
    let from = reader.at;
    reader.run_long(is_domain, DOMAIN_BYTES_MAX)?;
    // The path of a repository over SSH names a machine account.
    if local == b"git" && reader.sees(|byte| byte == b':')? {
        return Err(Stop::No);
    }
    let domain = text.slice(from, reader.at);
    match domain_bytes(domain) {
        Some(n) if !is_image(text.slice(from, from.saturating_add(n))) => {
            Ok(Hit::new(start, from.saturating_add(n)))
        }
        _ => Err(Stop::No),
    }
}

/// Bytes of the longest beginning that is a domain name with a dot and a top-level domain of letters.
fn domain_bytes(domain: &[u8]) -> Option<usize> {
    let (mut at, mut best) = (0_usize, None);
    for (place, label) in domain.split(|&byte| byte == b'.').enumerate() {
        let is_label = (1..=63).contains(&label.len())
            && label.first() != Some(&b'-')
            && label.last() != Some(&b'-');
        if !is_label {
            // A hyphen that ends the sentence's word does not spoil the name before it.
            let trimmed = label.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            if place > 0
                && is_top(label.get(..trimmed).unwrap_or_default())
                && label.get(trimmed..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'-'))
            {
                best = Some(at.saturating_add(trimmed));
            }
            break;
        }
        let ascii = label.iter().take_while(|byte| byte.is_ascii()).count();
        let top = label.get(..ascii).unwrap_or_default();
        if place > 0 && (is_top(top) || top.starts_with(b"xn--")) {
            best = Some(at.saturating_add(ascii));
        }
        at = at.saturating_add(label.len()).saturating_add(1);
    }
    best
}

fn is_top(label: &[u8]) -> bool {
    (2..=TOP_BYTES_MAX).contains(&label.len()) && label.iter().all(u8::is_ascii_alphabetic)
}

fn is_image(domain: &[u8]) -> bool {
    let [digit, b'x', b'.', end @ ..] = domain else { return false };
    digit.is_ascii_digit() && IMAGE_ENDS.contains(&end)
}
