//! Addresses that carry data: a query, a piece of a path or a label of a host in which readable text is encoded, and images whose query
//! is a sentence. An image is fetched without a click, so less is enough.
//!
//! Whether data is there is seen by decoding it: signatures, hashes, UUIDs and tracking ids decode to noise, an encoded conversation does
//! not. What is encrypted decodes to noise too, so noise counts where there is more of it than any signature has.
use crate::text::{Answer, Hit, Stop, Text};

/// Most bytes of an address that is read. A longer one carries something.
const ADDRESS_BYTES_MAX: usize = 2000;
/// Fewest characters of an encoded text, in an image and elsewhere.
const CODED_MIN: [usize; 2] = [16, 24];
/// Fewest characters of noise.
const NOISE_MIN: [usize; 2] = [400, 900];
/// Fewest characters and blanks of a sentence in the query of an image.
const SENTENCE_MIN: (usize, usize) = (24, 3);

/// What a digit stands for.
type Value = fn(u8) -> Option<u8>;

const fn is_address(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'`' | b'\'' | b')' | b'\\' | 0x7f)
}

pub(in crate::rules) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if !reader.eat_folded(b"http")? {
        return Err(Stop::No);
    }
    if reader.sees(|byte| byte | 0x20 == b's')? {
        reader.skip(1);
    }
    if !reader.eat(b"://")? {
        return Err(Stop::No);
    }
    let from = reader.at;
    let n = reader.run_long(is_address, ADDRESS_BYTES_MAX)?;
    let address = text.slice(from, reader.at);
    let is_image = is_image(text, start);
    if n == ADDRESS_BYTES_MAX || carries(address, is_image) {
        return Ok(Hit { goes_on: n == ADDRESS_BYTES_MAX, ..Hit::new(start, reader.at) });
    }
    Err(Stop::NoUntil(reader.at))
}

pub(in crate::rules) fn go_on(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run_long(is_address, ADDRESS_BYTES_MAX)?;
    Ok(Hit { goes_on: n == ADDRESS_BYTES_MAX, ..Hit::new(start, reader.at) })
}

/// Whether a page fetches the address when it is shown.
fn is_image(text: Text<'_>, start: usize) -> bool {
    let before = text.before(start, crate::text::LEFT_BYTES_MAX);
    if let Some(label) = before.strip_suffix(b"](").or_else(|| before.strip_suffix(b"](<")) {
        let open = label.iter().rposition(|&byte| matches!(byte, b'[' | b'\n'));
        return open.is_some_and(|at| label.get(..at).is_some_and(|head| head.ends_with(b"!")));
    }
    let quotes = |byte: &u8| matches!(byte, b'"' | b'\'' | b'(' | b' ');
    let n = before.iter().rev().take_while(|byte| quotes(byte)).count();
    let name = before.get(..before.len().saturating_sub(n)).unwrap_or_default();
    [b"src=".as_slice(), b"srcset=", b"poster=", b"background=", b"url"].iter().any(|end| {
        name.len()
            .checked_sub(end.len())
            .and_then(|at| name.get(at..))
            .is_some_and(|last| last.eq_ignore_ascii_case(end))
    })
}

/// Whether an address without its scheme carries data.
fn carries(address: &[u8], is_image: bool) -> bool {
    let n_host = address.iter().take_while(|byte| !matches!(byte, b'/' | b'?' | b'#')).count();
    let (host, rest) = address.split_at(n_host);
    if host_carries(host) {
        return true;
    }
    let n_path = rest.iter().take_while(|byte| !matches!(byte, b'?' | b'#')).count();
    let (path, query) = rest.split_at(n_path);
    let is_signed = has_word(query, b"signature=") || has_word(query, b"sig=");
    let in_path = path
        .split(|byte| matches!(byte, b'/' | b';' | b'.'))
        .any(|piece| is_payload(&unescaped(piece), is_image));
    in_path
        || query.split(|byte| matches!(byte, b'?' | b'&' | b'#')).any(|pair| {
            let n_name = pair.iter().position(|&byte| byte == b'=');
            let (name, value) = match n_name.and_then(|n| pair.split_at_checked(n)) {
                Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
                None => (<&[u8]>::default(), pair),
            };
            // A policy is signed JSON that says who may fetch what, and until when.
            if is_signed
                && [b"policy".as_slice(), b"x-amz-", b"x-goog-"]
                    .iter()
                    .any(|word| has_word(name, word))
            {
                return false;
            }
            let value = unescaped(value);
            is_payload(&value, is_image) || (is_image && is_sentence(&value))
        })
}

fn has_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

/// Names are asked for in the whole world, so a label of a host carries data even where nothing is fetched.
fn host_carries(host: &[u8]) -> bool {
    let labels: Vec<&[u8]> = host.split(|&byte| byte == b'.').collect();
    let own = labels.get(..labels.len().saturating_sub(2)).unwrap_or_default();
    let joined = own.concat();
    own.iter().copied().chain([joined.as_slice()]).any(|label| {
        let [n_min, _] = CODED_MIN;
        label.len() >= n_min
            && (decoded(label, 4, hex_value).is_some_and(|bytes| is_readable(&bytes))
                || decoded(label, 5, base32_value).is_some_and(|bytes| is_readable(&bytes)))
    })
}

/// Whether a value is readable text in an encoding, or more noise than a signature has.
fn is_payload(value: &[u8], is_image: bool) -> bool {
    let of = |[image, link]: [usize; 2]| if is_image { image } else { link };
    let n = value.iter().rposition(|&byte| byte != b'=').map_or(0, |at| at.saturating_add(1));
    let value = value.get(..n).unwrap_or_default();
    if n < of(CODED_MIN) {
        return false;
    }
    let encodings: [(u32, Value); 3] = [(4, hex_value), (5, base32_value), (6, base64_value)];
    let is_text = encodings
        .iter()
        .filter_map(|&(n_bits, value_of)| decoded(value, n_bits, value_of))
        // Where an address leads back is no secret of the conversation.
        .any(|bytes| is_readable(&bytes) && (is_image || !bytes.starts_with(b"http")));
    is_text || (n >= of(NOISE_MIN) && value.iter().all(|&byte| base64_value(byte).is_some()))
}

/// Several words, most of them letters.
fn is_sentence(value: &[u8]) -> bool {
    let (n_min, n_blanks_min) = SENTENCE_MIN;
    let n_blanks = value.iter().filter(|&&byte| matches!(byte, b' ' | b'+')).count();
    let n_letters =
        value.iter().filter(|&&byte| byte.is_ascii_alphabetic() || byte >= 0x80).count();
    value.len() >= n_min
        && n_blanks >= n_blanks_min
        && n_letters.saturating_mul(10) >= value.len().saturating_mul(6)
}

/// Whether bytes are text that people write: no control characters, nearly all of it letters, digits and ordinary punctuation.
fn is_readable(bytes: &[u8]) -> bool {
    // The last character may be cut.
    let valid = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()),
        Err(_) => None,
        Ok(_) => Some(bytes),
    };
    let Some(text) = valid.and_then(|valid| std::str::from_utf8(valid).ok()) else { return false };
    let is_plain = |c: char| {
        c.is_alphanumeric()
            || matches!(
                c,
                ' ' | '\n'
                    | '\t'
                    | '.'
                    | ','
                    | ':'
                    | ';'
                    | '-'
                    | '_'
                    | '@'
                    | '/'
                    | '"'
                    | '\''
                    | '='
                    | '{'
                    | '}'
                    | '?'
                    | '!'
                    | '('
                    | ')'
                    | '&'
                    | '+'
            )
    };
    let n_plain = text.chars().filter(|&c| is_plain(c)).count();
    let n_letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let n_all = text.chars().count();
    n_all >= 8
        && n_plain.saturating_mul(20) >= n_all.saturating_mul(19)
        && n_letters.saturating_mul(2) >= n_all
}

/// The bytes that digits of so many bits make; nothing where one is no digit.
fn decoded(digits: &[u8], n_bits: u32, value_of: Value) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len());
    let (mut bits, mut n) = (0_u32, 0_u32);
    for &digit in digits {
        bits = bits << n_bits | u32::from(value_of(digit)?);
        n = n.saturating_add(n_bits);
        if n >= 8 {
            n = n.saturating_sub(8);
            let [.., byte] = (bits >> n).to_be_bytes();
            bytes.push(byte);
            bits &= !(u32::MAX << n);
        }
    }
    Some(bytes)
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn base32_value(digit: u8) -> Option<u8> {
    match digit | 0x20 {
        letter @ b'a'..=b'z' => Some(letter.wrapping_sub(b'a')),
        _ if matches!(digit, b'2'..=b'7') => Some(digit.wrapping_sub(b'2').wrapping_add(26)),
        _ => None,
    }
}

fn base64_value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit.wrapping_sub(b'A')),
        b'a'..=b'z' => Some(digit.wrapping_sub(b'a').wrapping_add(26)),
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0').wrapping_add(52)),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// A value without its percent escapes.
fn unescaped(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        if let (b'%', [high, low, end @ ..]) = (byte, after)
            && let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low))
        {
            bytes.push(high << 4 | low);
            rest = end;
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    bytes
}
