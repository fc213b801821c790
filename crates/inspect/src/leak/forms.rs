//! How a known text looks when somebody wrote it in another way: the letters of each form.
//!
//! The text is known, so nothing has to be decoded: its forms are written down, and looked for. Base64 has three, since what stands before
//! a text decides how its bytes fall into groups.

/// Writes the letters of `text` in one form; the text is given in bytes, and as letters.
type Write = fn(text: &[u8], letters: &[u8]) -> Vec<u8>;

/// Forms that look like any other text: they are looked for everywhere.
pub(super) const PLAIN: &[Write] = &[|_, letters| letters.to_vec(), reversed, rot13];

/// Forms that are one long word or a row of numbers: they are looked for only there.
pub(super) const CODED: &[Write] = &[
    |text, _| base64(text, 0),
    |text, _| base64(text, 1),
    |text, _| base64(text, 2),
    |_, letters| base64(&reversed(&[], letters), 0),
    |text, _| base32(text),
    |text, _| hex(text, b""),
    |text, _| hex(text, b"x"),
    |text, _| hex(text, b"0x"),
    |text, _| decimal(text),
];

fn reversed(_: &[u8], letters: &[u8]) -> Vec<u8> {
    let text = match std::str::from_utf8(letters) {
        // The bytes of a character stay in order: text is turned by characters.
        Ok(text) if !letters.is_ascii() => text,
        _ => return letters.iter().rev().copied().collect(),
    };
    let mut bytes = Vec::with_capacity(letters.len());
    for character in text.chars().rev() {
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    bytes
}

fn rot13(_: &[u8], letters: &[u8]) -> Vec<u8> {
    let turn = |&letter: &u8| match letter {
        b'a'..=b'm' => letter.wrapping_add(13),
        b'n'..=b'z' => letter.wrapping_sub(13),
        other => other,
    };
    letters.iter().map(turn).collect()
}

/// The letters of base64 that whole groups of three bytes make, from byte `skipped` on: in one case, and without `+` and `/`, as letters are.
fn base64(text: &[u8], skipped: usize) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789\0\0";
    let (groups, _) = text.get(skipped..).unwrap_or_default().as_chunks::<3>();
    let mut letters = Vec::with_capacity(text.len().saturating_mul(4) / 3);
    for &[first, second, third] in groups {
        let bits = u32::from_be_bytes([0, first, second, third]);
        let digits = [18, 12, 6, 0].map(|shift| digit(DIGITS, bits >> shift & 63));
        letters.extend(digits.into_iter().filter(|&letter| letter != 0));
    }
    letters
}

/// The same of base32, for a text that is encoded from its start.
fn base32(text: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let (groups, _) = text.as_chunks::<5>();
    let mut letters = Vec::with_capacity(text.len().saturating_mul(8) / 5);
    for group in groups {
        let bits = group.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        let value = |shift: u32| u32::try_from(bits >> shift & 31).unwrap_or(0);
        letters.extend([35, 30, 25, 20, 15, 10, 5, 0].map(|shift| digit(DIGITS, value(shift))));
    }
    letters
}

/// Two digits for each byte, with `mark` before them: `48`, `\x48`, `0x48`.
fn hex(text: &[u8], mark: &[u8]) -> Vec<u8> {
    let mut letters = Vec::with_capacity(text.len().saturating_mul(mark.len().saturating_add(2)));
    for &byte in text {
        letters.extend_from_slice(mark);
        letters.extend(
            [byte >> 4, byte & 15].map(|value| digit(b"0123456789abcdef", u32::from(value))),
        );
    }
    letters
}

/// The number of each byte: `72 101 108`.
fn decimal(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|byte| byte.to_string().into_bytes()).collect()
}

fn digit(digits: &[u8], value: u32) -> u8 {
    usize::try_from(value).ok().and_then(|value| digits.get(value)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_what_the_encoders_write() {
        let text = b"Hello, W\xc3\xb6rld!?";
        let letters = crate::leak::letters::letters_of(text);
        assert_eq!(letters, "hellowörld".as_bytes());
        for (name, form, want) in [
            ("base64", base64(text, 0), "sgvsbg8siffdtnjszce"),
            ("base64, one byte on", base64(text, 1), "zwxsbywgv8o2cmxk"),
            ("base64, two bytes on", base64(text, 2), "bgxvlcbxw7zybgqh"),
            ("base32", base32(text), "jbswy3dpfqqfpq5wojwgiij7"),
            ("hex", hex(b"Hey", b""), "486579"),
            ("marked hex", hex(b"Hey", b"0x"), "0x480x650x79"),
            ("decimal", decimal(b"Hey"), "72101121"),
            ("rot13", rot13(&[], b"hello42"), "uryyb42"),
            ("reversed", reversed(&[], "hellö".as_bytes()), "ölleh"),
        ] {
            let form = String::from_utf8(form).unwrap();
            assert_eq!(form, want, "{name}");
        }
    }
}
