//! The ways to write a value down: a secret in base64 is still a secret.
use std::fmt::Write as _;

/// How a planted value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Form {
    /// As it is: `4242424242424242`.
    Plain,
    /// In groups of four (cards and IBANs): `4242 4242 4242 4242`.
    Grouped,
    /// In groups of four with dashes (cards and IBANs): `4242-4242-4242-4242`.
    Dashed,
    /// Base64 with padding (RFC 4648, section 4).
    Base64,
    /// Two lower-case hexadecimal digits per byte.
    Hex,
    /// Last character first.
    Reversed,
    /// Letters moved by 13 places.
    Rot13,
    /// A space between any two characters: `4 2 4 2`.
    Letters,
    /// Digits as English words: `four two four two`.
    Words,
    /// Percent-encoded, every byte: `%34%32`.
    Percent,
    /// JSON escapes: `\u0034\u0032`. In an answer's text they stand on the wire only, and a client that reads JSON sees
    /// [`Form::Plain`]; in a tool call's arguments they stand inside the JSON text that the tool reads.
    Escaped,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 11] = [
        Self::Plain,
        Self::Grouped,
        Self::Dashed,
        Self::Base64,
        Self::Hex,
        Self::Reversed,
        Self::Rot13,
        Self::Letters,
        Self::Words,
        Self::Percent,
        Self::Escaped,
    ];

    /// Stable name: `base64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Grouped => "grouped",
            Self::Dashed => "dashed",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Reversed => "reversed",
            Self::Rot13 => "rot13",
            Self::Letters => "letters",
            Self::Words => "words",
            Self::Percent => "percent",
            Self::Escaped => "escaped",
        }
    }

    /// Writes a value in this form.
    ///
    /// ```
    /// # use bartizan_range::Form;
    /// assert_eq!(Form::Base64.write("4242"), "NDI0Mg==");
    /// assert_eq!(Form::Letters.write("sk-1"), "s k - 1");
    /// assert_eq!(Form::Escaped.write("é4"), "\\u00e9\\u0034");
    /// ```
    pub fn write(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::Grouped => grouped(value, ' '),
            Self::Dashed => grouped(value, '-'),
            Self::Base64 => base64(value.as_bytes()),
            Self::Hex => per_byte(value, ""),
            Self::Percent => per_byte(value, "%"),
            Self::Reversed => value.chars().rev().collect(),
            Self::Rot13 => value.chars().map(rot13).collect(),
            Self::Letters => joined(value.chars().map(String::from)),
            Self::Words => joined(value.chars().map(digit_word)),
            Self::Escaped => escaped(value),
        }
    }
}

/// Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4_usize {
            let index = (word >> (18 - 6 * at) & 63) as usize;
            let digit = ALPHABET.get(index).copied().map_or('=', char::from);
            text.push(if at <= group.len() { digit } else { '=' });
        }
    }
    text
}

/// Every UTF-16 code unit as `\uXXXX`, as the inside of a JSON string.
pub(crate) fn escaped(text: &str) -> String {
    let mut escapes = String::with_capacity(text.len() * 6);
    for unit in text.encode_utf16() {
        // Writing to a String cannot fail.
        write!(escapes, "\\u{unit:04x}").ok();
    }
    escapes
}

fn per_byte(value: &str, mark: &str) -> String {
    let mut text = String::with_capacity(value.len() * (2 + mark.len()));
    for byte in value.bytes() {
        // Writing to a String cannot fail.
        write!(text, "{mark}{byte:02x}").ok();
    }
    text
}

fn grouped(value: &str, between: char) -> String {
    let mut text = String::with_capacity(value.len() * 5 / 4);
    for (at, char) in value.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(between);
        }
        text.push(char);
    }
    text
}

fn rot13(char: char) -> char {
    let turned = |first: u8| {
        let place = (u8::try_from(char).unwrap_or(first) - first + 13) % 26;
        char::from(first + place)
    };
    match char {
        'a'..='z' => turned(b'a'),
        'A'..='Z' => turned(b'A'),
        _ => char,
    }
}

fn digit_word(char: char) -> String {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let word = char.to_digit(10).and_then(|digit| WORDS.get(digit as usize));
    word.map_or_else(|| char.to_string(), ToString::to_string)
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form_is_written_as_the_world_writes_it() {
        let cases = [
            (Form::Plain, "AKIA", "AKIA"),
            (Form::Grouped, "123456789", "1234 5678 9"),
            (Form::Dashed, "12345678", "1234-5678"),
            (Form::Base64, "", ""),
            (Form::Base64, "f", "Zg=="),
            (Form::Base64, "fo", "Zm8="),
            (Form::Base64, "foo", "Zm9v"),
            (Form::Base64, "foobar", "Zm9vYmFy"),
            (Form::Hex, "Az", "417a"),
            (Form::Percent, "a b", "%61%20%62"),
            (Form::Reversed, "aé1", "1éa"),
            (Form::Rot13, "Nop-1é", "Abc-1é"),
            (Form::Letters, "a1", "a 1"),
            (Form::Words, "4x0", "four x zero"),
            (Form::Escaped, "A😀", "\\u0041\\ud83d\\ude00"),
        ];
        for (form, value, want) in cases {
            assert_eq!(form.write(value), want, "{}", form.name());
        }
    }

    proptest! {
        /// Escapes are JSON: a reader gets the same text back.
        #[test]
        fn json_readers_undo_the_escapes(text in ".{0,40}") {
            let wire = format!("\"{}\"", Form::Escaped.write(&text));
            prop_assert_eq!(serde_json::from_str::<String>(&wire).unwrap(), text);
        }

        /// Doing it twice undoes it.
        #[test]
        fn rot13_and_reversal_undo_themselves(text in ".{0,40}") {
            for form in [Form::Rot13, Form::Reversed] {
                prop_assert_eq!(&form.write(&form.write(&text)), &text);
            }
        }
    }
}
