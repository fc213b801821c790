//! What is the vector of an embedding, and what only says so.
use bartizan_core::json::{NodeKind, Value};

/// Fewer numbers in base64 are read as a text: they may be one.
const VECTOR_NUMBERS_MIN: usize = 16;
/// A whole number of so many digits is no component of a vector: it may be the number of a card.
const COMPONENT_DIGITS_MIN: usize = 12;
/// Components are numbers of this size, or 0.
const COMPONENT: std::ops::RangeInclusive<f32> = 1e-20..=1e6;

/// Whether a value is a vector of numbers; `in_base64`: of floats of four bytes, as a caller may ask for.
pub(super) fn is_vector(value: Value<'_>, in_base64: bool) -> bool {
    match value.kind() {
        NodeKind::Array => value.items().all(is_component),
        NodeKind::String => in_base64 && value.inner().is_some_and(is_packed),
        _ => false,
    }
}

fn is_component(item: Value<'_>) -> bool {
    let raw = item.raw();
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    let is_long = COMPONENT_DIGITS_MIN <= digits.len() && digits.iter().all(u8::is_ascii_digit);
    item.kind() == NodeKind::Number && !is_long
}

/// Whether base64 holds enough numbers, and nothing but such as a vector has. A text that is taken for one has others among them soon.
fn is_packed(text: &[u8]) -> bool {
    let data = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let (mut bits, mut n_bits) = (0_u32, 0_u32);
    let (mut number, mut n_bytes, mut n_numbers) = ([0_u8; 4], 0, 0_usize);
    for byte in data {
        let Some(digit) = digit_of(*byte) else { return false };
        (bits, n_bits) = ((bits << 6) | digit, n_bits + 6);
        if n_bits < 8 {
            continue;
        }
        n_bits -= 8;
        let [.., newest] = (bits >> n_bits).to_be_bytes();
        number.rotate_left(1);
        number[3] = newest;
        n_bytes = (n_bytes + 1) % 4;
        if n_bytes == 0 {
            n_numbers += 1;
            let size = f32::from_le_bytes(number).abs();
            // What is no number at all is in no range.
            if size != 0.0 && !COMPONENT.contains(&size) {
                return false;
            }
        }
    }
    n_bytes == 0 && VECTOR_NUMBERS_MIN <= n_numbers
}

fn digit_of(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::json::{Doc, JsonLimits};
    use proptest::prelude::*;

    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// Numbers as an upstream packs them.
    fn packed(numbers: &[f32]) -> String {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let encode = |piece: &[u8]| {
            let word = (0..3)
                .fold(0, |word, at| (word << 8) | u32::from(piece.get(at).copied().unwrap_or(0)));
            let digit = |at: usize| char::from(DIGITS[(word >> (18 - 6 * at)) as usize & 63]);
            (0..4).map(|at| if at <= piece.len() { digit(at) } else { '=' }).collect::<String>()
        };
        bytes.chunks(3).map(encode).collect()
    }

    fn is_one(json: &str) -> bool {
        let limits = JsonLimits { depth_max: 9, nodes_max: 9999 };
        is_vector(Doc::read(json.as_bytes(), limits).unwrap().root(), true)
    }

    #[test]
    fn numbers_are_vectors_and_texts_are_not() {
        let quoted = |text: &str| format!("\"{text}\"");
        let many = vec![0.25_f32; 16];
        let with = |odd: f32| packed(&[&many[..], &[odd]].concat());
        let aws = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        for (name, json, want) in [
            ("floats", "[0.1,-2,3e-5,0]".to_owned(), true),
            ("nothing", "[]".to_owned(), true),
            ("a text among them", "[0.1,\"a\"]".to_owned(), false),
            ("the number of a card", "[0.1,4111111111111111]".to_owned(), false),
            ("a negative one", "[-411111111111]".to_owned(), false),
            ("a digit less", "[41111111111]".to_owned(), true),
            ("packed", quoted(&packed(&many)), true),
            ("one less", quoted(&packed(&many[1..])), false),
            ("with zeros", quoted(&with(0.0)), true),
            ("with one that is none", quoted(&with(f32::NAN)), false),
            ("with an endless one", quoted(&with(f32::INFINITY)), false),
            ("with a huge one", quoted(&with(1e30)), false),
            ("with a tiny one", quoted(&with(1e-30)), false),
            ("half a number more", quoted(&format!("{}AAAA", packed(&[0.25; 18]))), false),
            ("a key", quoted(&aws), false),
            ("many keys", quoted(&aws.repeat(12)), false),
            ("a card", quoted("4111111111111111"), false),
            ("many cards", quoted(&"4111111111111111".repeat(12)), false),
            ("no base64", quoted(&format!("{}-", packed(&many))), false),
        ] {
            assert_eq!(is_one(&json), want, "{name}: {json}");
        }
    }

    proptest! {
        /// What embeddings are like passes, and words in that alphabet do not.
        #[test]
        fn vectors_pass_and_words_do_not(
            numbers in prop::collection::vec(-1.0_f32..1.0, 16..80),
            words in "[a-zA-Z]{200,400}",
        ) {
            let text = format!("\"{}\"", packed(&numbers));
            prop_assert!(numbers.iter().any(|n| *n != 0.0 && n.abs() < 1e-20) || is_one(&text));
            let text = format!("\"{words}\"");
            prop_assert!(!is_one(&text));
        }
    }
}
