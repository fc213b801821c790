//! Standard base64 with padding (RFC 4648, section 4), in its one canonical form.

const DIGITS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// No digit has this value.
const NO_DIGIT: u8 = 64;
const VALUES: [u8; 256] = values();

#[expect(
    clippy::indexing_slicing,
    reason = "computed while compiling, where a bad index is an error of the build"
)]
const fn values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while value < NO_DIGIT {
        values[DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    values
}

/// Writes bytes as base64.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, &byte| group << 8 | usize::from(byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS.get(group >> (18 - 6 * place) & 63);
            let digit = digit.filter(|_| place <= chunk.len()).unwrap_or(&b'=');
            text.push(char::from(*digit));
        }
    }
    text
}

/// Reads base64; `None` when a digit is none, padding is missing or in excess, or bits that say nothing are set.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    for (at, group) in groups.iter().enumerate() {
        let n_padding = match group {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 1,
            _ => 0,
        };
        if 0 < n_padding && at + 1 < groups.len() {
            return None;
        }
        let mut value = 0_u32;
        for &digit in group.iter().take(4 - n_padding) {
            let digit = *VALUES.get(usize::from(digit)).filter(|&&digit| digit != NO_DIGIT)?;
            value = value << 6 | u32::from(digit);
        }
        value <<= 6 * n_padding;
        let [_, first, second, third] = value.to_be_bytes();
        let all = [first, second, third];
        let (said, unsaid) = all.split_at(3 - n_padding);
        if unsaid.iter().any(|&byte| byte != 0) {
            return None;
        }
        bytes.extend_from_slice(said);
    }
    Some(bytes)
}

/// Reads base64 of exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_the_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes(), "{text}");
        }
    }

    #[test]
    fn other_ways_to_write_it_are_refused() {
        let cases = [
            ("no padding", "Zg"),
            ("half the padding", "Zg="),
            ("too much padding", "Zg==="),
            ("only padding", "===="),
            ("padding in the middle", "Zg==Zg=="),
            ("bits that say nothing", "Zh=="),
            ("bits that say nothing, two bytes", "Zm9="),
            ("line break", "Zm9v\nYg=="),
            ("space", "Zm9 "),
            ("alphabet of addresses", "-_-_"),
            ("not ASCII", "Zm\u{e9}"),
        ];
        for (name, text) in cases {
            assert_eq!(decode(text), None, "{name}");
        }
        assert_eq!(decode_array::<2>("Zm9v"), None, "a byte too many");
        assert_eq!(decode_array::<4>("Zm9v"), None, "a byte too few");
        assert_eq!(decode_array::<3>("Zm9v"), Some(*b"foo"));
    }

    proptest! {
        /// What is written is read, and what is read is written the same.
        #[test]
        fn one_text_for_one_value(bytes in prop::collection::vec(any::<u8>(), 0..70), text in "[A-Za-z0-9+/]{0,6}={0,3}") {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
