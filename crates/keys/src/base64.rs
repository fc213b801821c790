//! Base64 as key files spell it (RFC 4648, section 4: padded, canonical), without a table that a secret would index.
use zeroize::Zeroizing;

/// The letter of six bits.
fn letter(bits: u8) -> char {
    char::from(match bits {
        0..=25 => b'A' + bits,
        26..=51 => b'a' + (bits - 26),
        52..=61 => b'0' + (bits - 52),
        62 => b'+',
        _ => b'/',
    })
}

/// The six bits of a letter.
fn bits(letter: u8) -> Option<u32> {
    let bits = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(bits))
}

/// Appends the text of `bytes` to `out`.
pub(crate) fn encode_into(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let [.., low] = (word >> shift).to_be_bytes();
            out.push(if at <= chunk.len() { letter(low & 63) } else { '=' });
        }
    }
}

/// The bytes of a text, or nothing if it is not the one text that spells them.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (quads, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    // The capacity is exact, so that no copy of half a key stays behind when the vector grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(quads.len() * 3));
    for (at, quad) in quads.iter().enumerate() {
        let n_padding = match quad {
            [_, _, b'=', b'='] => 2,
            [_, _, _, b'='] => 1,
            _ => 0,
        };
        if 0 < n_padding && at + 1 != quads.len() {
            return None;
        }
        let mut word = 0;
        for letter in quad.iter().take(4 - n_padding) {
            word = word << 6 | bits(*letter)?;
        }
        word <<= 6 * n_padding;
        let [_, all @ ..] = word.to_be_bytes();
        let (kept, unused) = all.split_at_checked(3 - n_padding)?;
        if unused.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(bytes: &[u8]) -> String {
        let mut text = String::new();
        encode_into(bytes, &mut text);
        text
    }

    #[test]
    fn the_vectors_of_the_standard() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in cases {
            assert_eq!(encode(plain.as_bytes()), text);
            assert_eq!(decode(text).unwrap().as_slice(), plain.as_bytes());
        }
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn other_spellings_are_refused() {
        let cases = [
            "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=", "====", "Zg==Zg==", "Zm 9", "Zm9\n",
            "Z-9v", "Z_9v", "Zm9v=", "\u{e9}==",
        ];
        for text in cases {
            assert!(decode(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        /// One text for one value, and back.
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            let read = decode(&encode(&bytes)).unwrap();
            prop_assert_eq!(read.as_slice(), bytes.as_slice());
        }

        /// What reads, writes to the same text.
        #[test]
        fn there_is_one_spelling(text in "[A-Za-z0-9+/]{0,9}={0,3}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
