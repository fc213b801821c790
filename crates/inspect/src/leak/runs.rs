//! Follows how long a text says what another text said, letter by letter.
//!
//! A run is a stretch in which most grams are members of a set. Each member adds a point, each stranger takes one, as in local alignment;
//! so a changed word leaves a run whole, while the few members that any text has by chance make none. Only members that no earlier run
//! showed are counted: who says one sentence twenty times has said one sentence.
use super::grams::{Gram, Grams};
use super::letters::{Piece, Place};

/// Points from which on a run is no chance: 21 letters, four words or five.
pub(super) const POINTS_MIN: u32 = 14;
/// Most points, so that a run ends soon after the text goes other ways.
const POINTS_MAX: u32 = 24;
/// A longer run is reported in parts.
const RUN_BYTES_MAX: u64 = 2048;
/// Letters whose grams are looked up together.
const BLOCK_LETTERS: usize = 64;
/// Words of the set of what was counted.
const SEEN_WORDS: usize = 64;

/// A stretch of text, first byte and one past the last.
pub(super) type Stretch = (u64, u64);

/// One reader of a text.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    points: u32,
    /// Where the run began: its first gram's last letter.
    start: u64,
    /// Where its last member ended.
    end: u64,
    /// It had [`POINTS_MIN`] once.
    is_run: bool,
    /// Members that runs showed, each once.
    n_counted: u32,
    /// How many it takes.
    n_wanted: u32,
    /// A bit for each that was counted. It fills up only after the reader has made up its mind.
    seen: Option<Box<[u64; SEEN_WORDS]>>,
}

impl Runs {
    /// A reader that reports runs once so many members were seen in runs.
    pub(super) const fn new(n_wanted: u32) -> Self {
        Self { points: 0, start: 0, end: 0, is_run: false, n_counted: 0, n_wanted, seen: None }
    }

    /// Where the run that is going on began.
    pub(super) fn pending(&self) -> Option<u64> {
        (self.points > 0).then_some(self.start)
    }

    /// Whether enough points came together that it is no chance.
    pub(super) const fn is_run(&self) -> bool {
        self.is_run
    }

    /// Reads one letter.
    #[inline]
    pub(super) fn step(
        &mut self,
        grams: &Grams,
        gram: Gram,
        place: Place,
        report: &mut impl FnMut(Stretch),
    ) {
        let is_member = grams.contains(gram);
        if self.points == 0 {
            self.start = place.start();
        }
        let more = self.points.saturating_add(1).min(POINTS_MAX);
        self.points = if is_member { more } else { self.points.saturating_sub(1) };
        self.end = if is_member { place.end() } else { self.end };
        if is_member && self.points >= POINTS_MIN {
            self.count(gram, place, report);
        }
        if self.is_run && self.points == 0 {
            self.close(report);
        }
    }

    /// Reads the letters of a piece: the same as [`Runs::step`] for each of them. Where no run is near, it looks at stretches of members and
    /// strangers instead of letters.
    pub(super) fn read(
        &mut self,
        grams: &Grams,
        mut gram: Gram,
        piece: &Piece,
        report: &mut impl FnMut(Stretch),
    ) {
        for (block, letters) in piece.letters().chunks(BLOCK_LETTERS).enumerate() {
            let first = block.saturating_mul(BLOCK_LETTERS);
            let before = gram;
            let members = grams.members(&mut gram, letters);
            if !self.skim(members, first, letters.len(), piece) {
                let mut gram = before;
                for (n, &letter) in letters.iter().enumerate() {
                    gram = gram.then(letter);
                    let place = piece.place(first.saturating_add(n));
                    self.step(grams, gram, place, report);
                }
            }
        }
    }

    /// Reads a block by its members alone, unless they make or end a run: then nothing is read.
    #[inline]
    fn skim(&mut self, members: u64, first: usize, n_letters: usize, piece: &Piece) -> bool {
        if self.is_run || self.points >= POINTS_MIN {
            return false;
        }
        let (mut points, mut start, mut last) = (self.points, self.start, None);
        let (mut rest, mut at) = (members, 0_u32);
        let n_letters = u32::try_from(n_letters).unwrap_or(u32::MAX);
        while rest != 0 {
            let n_strangers = rest.trailing_zeros();
            rest >>= n_strangers;
            let n_members = rest.trailing_ones();
            rest = rest.checked_shr(n_members).unwrap_or(0);
            at = at.saturating_add(n_strangers);
            points = points.saturating_sub(n_strangers);
            if points == 0 {
                start = piece.place(first.saturating_add(at as usize)).start();
            }
            points = points.saturating_add(n_members);
            if points >= POINTS_MIN {
                return false;
            }
            at = at.saturating_add(n_members);
            last = Some(at.saturating_sub(1));
        }
        self.points = points.saturating_sub(n_letters.saturating_sub(at));
        self.start = start;
        if let Some(last) = last {
            self.end = piece.place(first.saturating_add(last as usize)).end();
        }
        true
    }

    /// Ends the run, if one is going on.
    pub(super) fn close(&mut self, report: &mut impl FnMut(Stretch)) {
        if self.is_run && self.has_enough() && self.start < self.end {
            report((self.start, self.end));
        }
        self.is_run = false;
        self.points = 0;
    }

    const fn has_enough(&self) -> bool {
        self.n_counted >= self.n_wanted
    }

    #[cold]
    fn count(&mut self, gram: Gram, place: Place, report: &mut impl FnMut(Stretch)) {
        // The first points of a run were not looked at one by one: where this one is new, they were.
        let n_before = if self.is_run { 0 } else { POINTS_MIN.saturating_sub(1) };
        self.is_run = true;
        if !self.has_enough() && self.is_new(gram) {
            self.n_counted = self.n_counted.saturating_add(n_before).saturating_add(1);
        }
        if self.end.saturating_sub(self.start) >= RUN_BYTES_MAX {
            if self.has_enough() {
                report((self.start, self.end));
            }
            self.start = place.end();
        }
    }

    fn is_new(&mut self, gram: Gram) -> bool {
        let bit = gram.mixed() >> 52;
        let seen = self.seen.get_or_insert_with(|| Box::new([0; SEEN_WORDS]));
        let Some(word) = seen.get_mut(usize::try_from(bit >> 6).unwrap_or(0)) else {
            return false;
        };
        let mask = 1 << (bit & 63);
        let is_new = *word & mask == 0;
        *word |= mask;
        is_new
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.seen.as_ref().map_or(0, |seen| size_of_val(&**seen))
    }
}
