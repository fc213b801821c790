//! The small pieces of text that all the formats share: decimal numbers and hashes, each written one way only.
use super::base64;
use bartizan_core::digest::Digest;

/// Digits of the largest number of 64 bits.
const DECIMAL_DIGITS_MAX: usize = 20;

/// Reads an ASCII decimal without sign and without leading zeroes.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical && text.len() <= DECIMAL_DIGITS_MAX { text.parse().ok() } else { None }
}

/// Reads a hash in base64.
pub(crate) fn hash(text: &str) -> Option<Digest> {
    base64::decode_array(text).map(Digest)
}

/// Writes a hash in base64.
pub(crate) fn hash_text(hash: &Digest) -> String {
    base64::encode(&hash.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_one_way() {
        let cases = [
            ("0", Some(0)),
            ("7", Some(7)),
            ("10", Some(10)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1 ", None),
            ("1e3", None),
            ("\u{661}", None),
        ];
        for (text, want) in cases {
            assert_eq!(decimal(text), want, "{text:?}");
        }
    }
}
