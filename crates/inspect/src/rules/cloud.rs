//! AWS secret access keys: forty characters with no mark of their own, so words before them must say what they are.
use crate::text::{Answer, Hit, Hold, Reader, Stop, Text, is_base64url};

/// The first bytes of the words: `aws`, `secret...key`, and the id that a key pair begins with.
pub(super) const HEADS: [[u8; 3]; 4] = [*b"aws", *b"sec", *b"aki", *b"asi"];
/// Bytes of the key.
const KEY_BYTES: usize = 40;
/// Most bytes between the words and the key.
const DISTANCE_BYTES_MAX: usize = 64;
/// Fewest different characters in a key; random ones have about thirty.
const DISTINCT_MIN: usize = 16;

const fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'+'
}

/// Reads the words, and the first key after them.
///
/// A key ends where its run ends and is decided at the next byte, so keys do not overlap unless they are the same, and all words that
/// lead to one agree at the same byte.
pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    // A finding never starts at the words, so undecided words hold nothing back.
    let nothing = |stop: Stop| stop.holding(Hold::Nothing);
    read_words(&mut reader).map_err(nothing)?;
    let limit = reader.at.saturating_add(DISTANCE_BYTES_MAX);
    while reader.at <= limit {
        match reader.peek().map_err(nothing)? {
            None => return Err(Stop::No),
            Some(byte) if !is_key_byte(byte) => reader.skip(1),
            Some(_) => {
                let from = reader.at;
                // At most a key and a byte, which fits.
                let n_held = u16::try_from(text.len().saturating_sub(from)).unwrap_or(u16::MAX);
                let held = |stop: Stop| stop.holding(Hold::Last(n_held));
                let n = reader.run_long(is_key_byte, KEY_BYTES.saturating_add(1)).map_err(held)?;
                let key = text.slice(from, reader.at);
                if key.eq_ignore_ascii_case(b"aws") {
                    // A candidate of its own, which sees further than this one.
                    return Err(Stop::No);
                }
                // `=` would be padding: base64 of something else.
                if n == KEY_BYTES && looks_random(key) {
                    match reader.peek().map_err(held)? {
                        Some(b'=' | b'-' | b'_') => {}
                        _ => return Ok(Hit::new(from, reader.at)),
                    }
                }
                reader
                    .run_long(|byte| is_key_byte(byte) || is_base64url(byte), KEY_BYTES)
                    .map_err(nothing)?;
            }
        }
    }
    Err(Stop::No)
}

fn read_words(reader: &mut Reader<'_>) -> Result<(), Stop> {
    if reader.eat_folded(b"aws")? {
        return Ok(());
    }
    if reader.eat(b"AKIA")? || reader.eat(b"ASIA")? {
        return if reader.run(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit(), 17)? == 16 {
            Ok(())
        } else {
            Err(Stop::No)
        };
    }
    let is_gap = |byte| matches!(byte, b'_' | b'-' | b' ' | b'.');
    if !reader.eat_folded(b"secret")? {
        return Err(Stop::No);
    }
    reader.run(is_gap, 1)?;
    if reader.eat_folded(b"access")? {
        reader.run(is_gap, 1)?;
    }
    if reader.eat_folded(b"key")? { Ok(()) } else { Err(Stop::No) }
}

/// Upper and lower case and digits, well mixed: no hash, no path, no word.
fn looks_random(key: &[u8]) -> bool {
    let seen = key.iter().fold(0_u128, |seen, &byte| seen | 1_u128.wrapping_shl(u32::from(byte)));
    key.iter().any(u8::is_ascii_uppercase)
        && key.iter().any(u8::is_ascii_lowercase)
        && key.iter().any(u8::is_ascii_digit)
        && seen.count_ones() as usize >= DISTINCT_MIN
}
