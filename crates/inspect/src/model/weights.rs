//! The weights as they are shipped: a small header and a table of bytes, read where it lies.
use super::{HEADS, Head, Place};
use std::sync::OnceLock;

/// What the file begins with; the number is the version of the features that the weights are for.
const MAGIC: [u8; 8] = *b"BZTEXT01";
/// Rows of the table, as a power of two.
pub const TABLE_BITS: u32 = 17;
/// Rows of the table.
pub const TABLE_ROWS: usize = 1 << TABLE_BITS;
/// Bytes before the table: the magic, then per head a bias, a scale and a threshold per place, little-endian floats.
const HEADER_BYTES: usize = MAGIC.len() + HEADS * HEAD_FLOATS * 4;
/// Bytes of the whole file.
pub const WEIGHTS_BYTES: usize = HEADER_BYTES + TABLE_ROWS * HEADS;

const HEAD_FLOATS: usize = 2 + Place::ALL.len();

/// What one head adds to the table.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeadWeights {
    /// The score of a text that says nothing.
    pub bias: f32,
    /// What one step of a weight is worth.
    pub scale: f32,
    /// From which score on there is a finding, by place.
    pub thresholds: [f32; Place::ALL.len()],
}

/// Why bytes are no weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightsError {
    /// They begin with something else.
    Magic,
    /// There are too many or too few.
    Length {
        /// How many there are.
        n_bytes: usize,
    },
    /// A number is none.
    NotFinite,
}

impl std::fmt::Display for WeightsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Magic => write!(f, "not weights of this version: train again"),
            Self::Length { n_bytes } => {
                write!(f, "weights have {n_bytes} bytes, not {WEIGHTS_BYTES}: train again")
            }
            Self::NotFinite => write!(f, "weights have a number that is not finite"),
        }
    }
}

impl std::error::Error for WeightsError {}

/// A trained model.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'w> {
    heads: [HeadWeights; HEADS],
    table: &'w [u8],
}

impl<'w> Weights<'w> {
    /// Reads weights, which stay where they are.
    ///
    /// # Errors
    /// [`WeightsError`] if the bytes are not what training writes.
    pub fn parse(bytes: &'w [u8]) -> Result<Self, WeightsError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(WeightsError::Magic);
        }
        let length = WeightsError::Length { n_bytes: bytes.len() };
        if bytes.len() != WEIGHTS_BYTES {
            return Err(length);
        }
        let (header, table) = bytes.split_at_checked(HEADER_BYTES).ok_or(length)?;
        let mut floats = header.get(MAGIC.len()..).unwrap_or_default().chunks_exact(4).map(float);
        let mut next =
            || floats.next().filter(|number| number.is_finite()).ok_or(WeightsError::NotFinite);
        let mut heads = [HeadWeights::default(); HEADS];
        for head in &mut heads {
            head.bias = next()?;
            head.scale = next()?;
            for threshold in &mut head.thresholds {
                *threshold = next()?;
            }
        }
        Ok(Self { heads, table })
    }

    /// The weights that are part of this program.
    ///
    /// # Errors
    /// [`WeightsError`] if the program was built with a file that is none; a test makes sure that it was not.
    pub fn shipped() -> Result<Weights<'static>, WeightsError> {
        static SHIPPED: OnceLock<Result<Weights<'static>, WeightsError>> = OnceLock::new();
        *SHIPPED.get_or_init(|| Weights::parse(include_bytes!("../../weights/text.bin")))
    }

    /// What a head adds.
    pub(super) fn head(&self, head: Head) -> HeadWeights {
        self.heads.get(head as usize).copied().unwrap_or_default()
    }

    /// The weights of a feature, one per head.
    #[inline]
    pub(super) fn row(&self, feature: u32) -> [i8; HEADS] {
        let at = row_of(feature).saturating_mul(HEADS);
        let row = self.table.get(at..).and_then(|rest| rest.first_chunk::<HEADS>());
        row.copied().unwrap_or_default().map(u8::cast_signed)
    }
}

/// The row of a feature in the table.
#[inline]
pub fn row_of(feature: u32) -> usize {
    usize::try_from(feature >> (32 - TABLE_BITS)).unwrap_or(0)
}

/// Writes a header: what [`Weights::parse`] reads before the table.
pub fn header(heads: &[HeadWeights; HEADS]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for head in heads {
        for number in [head.bias, head.scale].iter().chain(&head.thresholds) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    bytes
}

/// The same weights, with their heads changed.
///
/// # Errors
/// [`WeightsError`] if the bytes are no weights.
pub fn set_thresholds(
    bytes: &[u8],
    mut change: impl FnMut(&mut HeadWeights, usize),
) -> Result<Vec<u8>, WeightsError> {
    let Weights { mut heads, table } = Weights::parse(bytes)?;
    heads.iter_mut().enumerate().for_each(|(at, head)| change(head, at));
    Ok([header(&heads).as_slice(), table].concat())
}

fn float(bytes: &[u8]) -> f32 {
    f32::from_le_bytes(bytes.first_chunk::<4>().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_and_finite_weights_are_read() {
        let heads = [HeadWeights { bias: -1.0, scale: 0.5, thresholds: [0.0; 3] }; HEADS];
        let mut good = header(&heads);
        assert_eq!(good.len(), HEADER_BYTES);
        good.resize(WEIGHTS_BYTES, 0);
        let mut magic = good.clone();
        magic[0] ^= 1;
        let mut not_finite = good.clone();
        not_finite[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        for (name, bytes, want) in [
            ("good", good.clone(), None),
            ("empty", Vec::new(), Some(WeightsError::Magic)),
            ("other magic", magic, Some(WeightsError::Magic)),
            (
                "short",
                good[..good.len() - 1].to_vec(),
                Some(WeightsError::Length { n_bytes: WEIGHTS_BYTES - 1 }),
            ),
            (
                "long",
                [good.as_slice(), &[0]].concat(),
                Some(WeightsError::Length { n_bytes: WEIGHTS_BYTES + 1 }),
            ),
            ("not finite", not_finite, Some(WeightsError::NotFinite)),
        ] {
            assert_eq!(Weights::parse(&bytes).err(), want, "{name}");
        }
    }

    #[test]
    fn the_shipped_weights_are_weights() {
        assert!(Weights::shipped().is_ok());
    }
}
