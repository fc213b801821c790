//! Seeded numbers: the same seed and purpose give the same draws on every machine, so that a run can be repeated.
//!
//! Nothing here is fit for secrets. The planted values only look secret.

/// A sequence of numbers made from a seed (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    /// The sequence of this seed for this purpose; different purposes share nothing.
    pub(crate) fn new(seed: u64, purpose: &[u8]) -> Self {
        Self { state: hash(seed, purpose) }
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// The next number below `limit` (0 when the limit is 0).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(limit);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// The next number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / f64::from(1_u32 << 31) / 2.0
    }

    /// One of the items; the slice is never empty where this is called, and the default stands in if it is.
    pub(crate) fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        let at = usize::try_from(self.below(items.len() as u64)).unwrap_or(0);
        items.get(at).copied().unwrap_or_default()
    }

    /// Text of `n_chars` characters out of an ASCII alphabet.
    pub(crate) fn text(&mut self, alphabet: &[u8], n_chars: usize) -> String {
        (0..n_chars).map(|_| char::from(self.pick(alphabet))).collect()
    }
}

/// A 64-bit hash of bytes under a seed (FNV-1a with a finaliser): stable for ever, not collision resistant.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ mix(seed);
    mix(bytes
        .iter()
        .fold(start, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_and_stay_in_bounds() {
        let numbers = |seed, purpose: &[u8]| {
            let mut draw = Draw::new(seed, purpose);
            [draw.next(), draw.next(), draw.next()]
        };
        assert_eq!(numbers(1, b"card"), numbers(1, b"card"));
        assert_ne!(numbers(1, b"card"), numbers(2, b"card"));
        assert_ne!(numbers(1, b"card"), numbers(1, b"key"));
        let mut draw = Draw::new(7, b"bounds");
        for _ in 0..1000 {
            assert!(draw.below(10) < 10);
            assert!((0.0..1.0).contains(&draw.unit()));
        }
        assert_eq!(draw.below(0), 0);
    }
}
