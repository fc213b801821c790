//! A set of grams, eight letters in a row each, that may take a stranger for a member and never a member for a stranger.

/// Letters of a gram.
pub(super) const GRAM_LETTERS: usize = 8;
/// Bits of a set for each gram: about one stranger in sixteen is taken for a member, and none of them sixteen times in a row.
const BITS_PER_GRAM: usize = 12;
const WORDS_MIN: usize = 16;

/// An odd number without pattern: in a product with it, the upper bits depend on every letter of a gram.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The last eight letters, the latest in the lowest byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gram(u64);

impl Gram {
    /// The gram after one more letter.
    pub(super) const fn then(self, letter: u8) -> Self {
        Self(self.0 << 8 | letter as u64)
    }

    /// A number that hardly two grams share.
    pub(super) const fn mixed(self) -> u64 {
        self.0.wrapping_mul(MIX)
    }

    /// Calls `each` with every gram of these letters.
    #[inline]
    pub(super) fn each(letters: &[u8], mut each: impl FnMut(Self)) {
        let (head, rest) = letters.split_at(letters.len().min(GRAM_LETTERS.saturating_sub(1)));
        let mut gram = head.iter().fold(Self::default(), |gram, &letter| gram.then(letter));
        for &letter in rest {
            gram = gram.then(letter);
            each(gram);
        }
    }

    /// The last gram of these letters.
    pub(super) fn last(letters: &[u8]) -> Option<Self> {
        let last = letters.last_chunk::<GRAM_LETTERS>()?;
        Some(Self(u64::from_be_bytes(*last)))
    }
}

/// The last sixteen letters. Of a text in base 16 they are eight letters, of which fewer would prove nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wide {
    before: Gram,
    /// The last eight.
    pub(super) gram: Gram,
}

impl Wide {
    /// The letters that these end with; zeros stand for what is not there.
    pub(super) fn ending(letters: &[u8]) -> Self {
        letters.iter().fold(Self::default(), |wide, &letter| wide.then(letter))
    }

    /// The letters after one more.
    #[inline]
    pub(super) const fn then(self, letter: u8) -> Self {
        let [oldest, ..] = self.gram.0.to_be_bytes();
        Self { before: self.before.then(oldest), gram: self.gram.then(letter) }
    }

    /// As a member of a set of such.
    #[inline]
    pub(super) const fn folded(self) -> Gram {
        Gram(self.gram.0 ^ self.before.mixed().rotate_left(17))
    }

    /// All sixteen letters in a row of these letters.
    pub(super) fn all(letters: &[u8]) -> impl Iterator<Item = Gram> + '_ {
        let wides = letters.iter().scan(Self::default(), |wide, &letter| {
            *wide = wide.then(letter);
            Some(wide.folded())
        });
        wides.skip(2 * GRAM_LETTERS - 1)
    }
}

/// The set.
#[derive(Clone, Debug)]
pub(super) struct Grams {
    words: Box<[u64]>,
    /// How far a mixed gram is shifted to become the number of a bit.
    shift: u32,
}

impl Grams {
    /// An empty set with room for so many.
    pub(super) fn with_room(n_grams: usize) -> Self {
        let n_words = n_grams.saturating_mul(BITS_PER_GRAM).div_ceil(64).max(WORDS_MIN);
        let n_words = n_words.checked_next_power_of_two().unwrap_or(WORDS_MIN);
        let shift = 58_u32.saturating_sub(n_words.trailing_zeros());
        Self { words: vec![0; n_words].into(), shift }
    }

    #[inline]
    fn place(&self, gram: Gram) -> (usize, u32) {
        let bit = gram.mixed() >> self.shift;
        (usize::try_from(bit >> 6).unwrap_or(0), (bit & 63) as u32)
    }

    pub(super) fn insert(&mut self, gram: Gram) {
        let (word, bit) = self.place(gram);
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Takes a gram out, and whatever shares its bit.
    pub(super) fn remove(&mut self, gram: Gram) {
        let (word, bit) = self.place(gram);
        if let Some(word) = self.words.get_mut(word) {
            *word &= !(1 << bit);
        }
    }

    #[inline]
    pub(super) fn contains(&self, gram: Gram) -> bool {
        let (word, bit) = self.place(gram);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// A bit for each of at most 64 letters: whether the gram that ends with it is a member. `gram` is the one before them.
    #[inline]
    pub(super) fn members(&self, gram: &mut Gram, letters: &[u8]) -> u64 {
        let mut members = 0;
        for (n, &letter) in letters.iter().enumerate() {
            *gram = gram.then(letter);
            members |= u64::from(self.contains(*gram)) << (n & 63);
        }
        members
    }
}
