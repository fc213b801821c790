//! SHA-256 values and their text form.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A SHA-256 value. Computing one is the business of the crates that hold a hash function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The text is not a value of the expected length in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {n_digits} hexadecimal digits")]
pub struct HexError {
    /// Digits that the value has.
    pub n_digits: usize,
}

impl FromStr for Digest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Writes bytes in lower-case hexadecimal.
///
/// # Errors
/// Those of the formatter.
pub fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const CHUNK_BYTES: usize = 32;
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    // Identifiers are printed with every request: one write for all digits costs a fraction of one per digit.
    for chunk in bytes.chunks(CHUNK_BYTES) {
        let mut text = [0; 2 * CHUNK_BYTES];
        let (pairs, _) = text.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(chunk) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        let written = text.get(..2 * chunk.len()).unwrap_or_default();
        f.write_str(std::str::from_utf8(written).unwrap_or_default())?;
    }
    Ok(())
}

/// Reads exactly `N` bytes of hexadecimal, either case.
///
/// # Errors
/// [`HexError`] when the length or a digit is wrong.
///
/// ```
/// # use bartizan_core::digest::parse_hex;
/// assert_eq!(parse_hex::<2>("0aFf")?, [10, 255]);
/// assert!(parse_hex::<2>("0aF").is_err());
/// # Ok::<(), bartizan_core::digest::HexError>(())
/// ```
pub fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let wrong = HexError { n_digits: 2 * N };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(wrong);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digit =
            |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(wrong);
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}
