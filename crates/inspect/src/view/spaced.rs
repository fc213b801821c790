//! Letters that stand apart: `i g n o r e`, `i.g.n.o.r.e`, `i-g-n-o-r-e`, one letter on each line.
//!
//! A run of single characters with the same separator between them is read without it; a wider gap is a blank. Where no gap is wider,
//! words are told by a list of common ones ([`words`]).
use super::inner::{Inner, Scope};
use super::map::Shape;
use super::name::View;
use super::raw::Raw;
use super::scan;
use super::{Budget, Desk, Level};
use bartizan_core::kind::KindSet;
use words::Words;

mod words;

/// Fewest single characters in a row.
const SINGLES_MIN: u64 = 5;
/// Most bytes of a gap between two words.
const GAP_BYTES_MAX: usize = 6;
/// Most letters of a word: more are several.
const WORD_LETTERS_MAX: usize = 13;
/// So many letters without a gap are cut into words, and so many of the last are left: what follows may be part of their words.
const CUT_LETTERS: usize = 48;
const LEFT_LETTERS: usize = 20;

/// What may stand between two characters.
pub(super) const fn separates(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'.' | b'-' | b'_' | b'\n' | b'\t' | b'*' | b'/' | b'|' | b',' | b'+' | b'~'
    )
}

/// Whether a sentence, or a part of one, ends with this mark.
const fn ends_part(mark: u8) -> bool {
    matches!(mark, b'.' | b',' | b';' | b':' | b'!' | b'?')
}

/// A character that stands alone: a letter, a digit, or a sign that secrets and addresses have.
const fn stands_alone(byte: u8, separator: u8) -> bool {
    byte > b' ' && byte < 0x7f && byte != separator
}

/// Text whose characters stand apart.
struct Apart {
    separator: u8,
    /// Offset of the next byte.
    at: u64,
    /// The characters one after another.
    together: Inner,
    /// The same with blanks between words of the list.
    in_words: Inner,
    /// Letters that may be a word of the list, with their offsets.
    letters: Vec<(u8, u64)>,
    /// How many letters there were without a gap: more than a word has are several words.
    n_letters: usize,
    /// Whether a gap was wider than the others: then gaps tell the words.
    has_gaps: bool,
    /// What came last, if it was no letter.
    last_mark: u8,
    n_gap: usize,
    /// Whether something else than the separator stands in the gap: then it is one between words.
    is_wide: bool,
    after_character: bool,
}

impl Apart {
    fn new(separator: u8, start: u64, level: Level) -> Self {
        Self {
            separator,
            at: start,
            together: Inner::new(level, View::Spaced, start, false).only(Scope::Unsaid),
            in_words: Inner::new(level, View::Spaced, start, false).only(Scope::Said),
            letters: Vec::new(),
            n_letters: 0,
            has_gaps: false,
            last_mark: 0,
            n_gap: 0,
            is_wide: false,
            after_character: false,
        }
    }

    /// Reads the next byte, and returns whether the text goes on.
    fn step(&mut self, byte: u8, desk: &mut Desk<'_>) -> bool {
        let at = self.at;
        self.at = at.saturating_add(1);
        if stands_alone(byte, self.separator)
            && !(separates(byte) && self.n_gap == 0 && self.after_character)
        {
            if self.after_character && self.n_gap == 0 {
                return false;
            }
            if self.n_gap > 1 || self.is_wide {
                let gap_at = at.saturating_sub(1);
                (self.has_gaps, self.last_mark) = (true, 0);
                self.end_word(desk);
                self.together.add(b" ", Shape::plain(gap_at), desk);
                self.in_words.add(b" ", Shape::plain(gap_at), desk);
            }
            self.take(byte, at, desk);
            (self.n_gap, self.after_character, self.is_wide) = (0, true, false);
            return true;
        }
        self.n_gap = self.n_gap.saturating_add(1);
        self.is_wide |= byte != self.separator;
        separates(byte) && self.n_gap <= GAP_BYTES_MAX
    }

    fn take(&mut self, byte: u8, at: u64, desk: &mut Desk<'_>) {
        self.together.add(&[byte], of(at), desk);
        if byte.is_ascii_alphabetic() {
            if ends_part(std::mem::take(&mut self.last_mark)) && !self.has_gaps {
                self.in_words.add(b" ", Shape::plain(at.saturating_sub(1)), desk);
            }
            self.letters.push((byte, at));
            self.n_letters = self.n_letters.saturating_add(1);
            if self.letters.len() >= CUT_LETTERS {
                self.take_words(LEFT_LETTERS, desk);
            }
        } else {
            self.end_word(desk);
            self.in_words.add(&[byte], of(at), desk);
            self.last_mark = byte;
        }
        if self.together.is_full() {
            self.together.flush(desk);
            self.in_words.flush(desk);
        }
    }

    /// Hands on the letters up to a gap. Where gaps tell words, a word is a word; what is too long for one is several without gaps.
    fn end_word(&mut self, desk: &mut Desk<'_>) {
        if self.n_letters > WORD_LETTERS_MAX || !self.has_gaps {
            self.take_words(0, desk);
        }
        for (byte, at) in self.letters.drain(..) {
            self.in_words.add(&[byte], of(at), desk);
        }
        self.n_letters = 0;
    }

    /// Hands on words until at most `n_left` letters are left.
    fn take_words(&mut self, n_left: usize, desk: &mut Desk<'_>) {
        let lower: Vec<u8> =
            self.letters.iter().map(|(letter, _)| letter.to_ascii_lowercase()).collect();
        for n_letters in Words::get().cut(&lower) {
            if self.letters.len() <= n_left {
                return;
            }
            let mut last = 0;
            for (byte, at) in self.letters.drain(..n_letters.min(self.letters.len())) {
                self.in_words.add(&[byte], of(at), desk);
                last = at;
            }
            if !self.letters.is_empty() {
                self.in_words.add(b" ", Shape::plain(last), desk);
            }
        }
    }

    fn flush(&mut self, desk: &mut Desk<'_>) {
        self.together.flush(desk);
        self.in_words.flush(desk);
    }

    fn finish(mut self, desk: &mut Desk<'_>) {
        self.end_word(desk);
        self.together.finish(desk);
        self.in_words.finish(desk);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let letters = self.letters.first().map_or(u64::MAX, |&(_, at)| at);
        // The words that are not handed on yet matter only where words do.
        let words = self.in_words.pending(kinds);
        let letters = if Scope::Said.wants(kinds) { letters } else { u64::MAX };
        self.together.pending(kinds).min(words).min(letters)
    }
}

const fn of(at: u64) -> Shape {
    Shape {
        view: View::Spaced,
        original_at: at,
        n_decoded: 1,
        n_original: 1,
        index: 0,
        whole: true,
    }
}

/// Bytes at the end of a text in which characters that stand apart may begin without being told: two separators and what is between.
const TAIL_BYTES: u64 = 6;

/// Whether characters may stand apart in a whole text.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    u64::try_from(text.len()).is_ok_and(|n| n >= SINGLES_MIN) && scan::first_apart(text).is_some()
}

/// Looks for characters that stand apart.
#[derive(Default)]
pub(super) struct Spaces {
    singles: Singles,
    /// The search reads byte by byte up to here.
    until: u64,
    /// Apart, as in all views: most streams open none, and there are many of them.
    open: Option<Box<Apart>>,
}

/// What is known of the characters before a place.
#[derive(Clone, Copy, Debug, Default)]
struct Singles {
    cursor: u64,
    /// How many characters in a row stand apart, each with a separator after it.
    n: u64,
    separator: u8,
}

impl Singles {
    /// Reads the byte at the cursor.
    fn step(&mut self, byte: u8, raw: &Raw) {
        let before = raw.back(self.cursor, 1);
        let is_character =
            self.n > 0 && self.separator == b' ' && byte != b' ' && before == Some(b' ');
        if separates(byte) && !is_character {
            // Between blanks, what separates elsewhere is a character like others, save for the first: `s k - a n t`.
            let is_alone = before.is_some_and(|single| stands_alone(single, byte));
            let is_sign = before.is_some_and(separates);
            let before = raw.back(self.cursor, 2);
            let goes_on = is_alone
                && (byte == b' ' || !is_sign)
                && self.n > 0
                && before == Some(byte)
                && self.separator == byte;
            let begins = is_alone
                && !is_sign
                && before.is_none_or(|before| !is_letter(before) && before < 0x80);
            self.n = match (goes_on, begins) {
                (true, _) => self.n.saturating_add(1),
                (false, true) => 1,
                _ => 0,
            };
            self.separator = byte;
        }
        self.cursor = self.cursor.saturating_add(1);
    }

    /// Where the first single stands, when the cursor is after the separator after the last.
    const fn start(&self) -> u64 {
        self.cursor.saturating_sub(self.n.saturating_mul(2))
    }
}

impl Spaces {
    pub(super) fn read(&mut self, raw: &Raw, ended: bool, desk: &mut Desk<'_>) {
        while self.singles.cursor < raw.end() {
            if self.open.is_none() && self.singles.cursor >= self.until {
                let bytes = raw.rest(self.singles.cursor);
                let Some(at) = scan::first_apart(bytes) else {
                    let tail = raw.end().saturating_sub(TAIL_BYTES).max(self.singles.cursor);
                    self.singles = Singles { cursor: tail, ..Singles::default() };
                    break;
                };
                let at = self.singles.cursor.saturating_add(u64::try_from(at).unwrap_or(0));
                self.singles = Singles { cursor: at, ..Singles::default() };
                self.until = at.saturating_add(TAIL_BYTES);
            }
            let Some(byte) = raw.get(self.singles.cursor) else { break };
            self.step(byte, raw, desk);
        }
        if let Some(open) = &mut self.open {
            open.flush(desk);
        }
        if ended && let Some(open) = self.open.take() {
            open.finish(desk);
        }
    }

    /// Reads the byte at the cursor.
    fn step(&mut self, byte: u8, raw: &Raw, desk: &mut Desk<'_>) {
        if let Some(open) = &mut self.open {
            self.singles.cursor = self.singles.cursor.saturating_add(1);
            if !open.step(byte, desk)
                && let Some(open) = self.open.take()
            {
                open.finish(desk);
                self.until = self.singles.cursor;
            }
            return;
        }
        self.singles.step(byte, raw);
        if self.singles.n > 0 {
            self.until = self.until.max(self.singles.cursor.saturating_add(2));
        }
        if self.singles.n.saturating_add(1) < SINGLES_MIN {
            return;
        }
        let start = self.singles.start();
        self.singles.n = 0;
        if let Some(level) = desk.deeper() {
            let mut open = Apart::new(self.singles.separator, start, level.respelt());
            for &byte in raw.slice(start, self.singles.cursor) {
                open.step(byte, desk);
            }
            self.open = Some(Box::new(open));
        }
    }

    pub(super) fn pending(&self, raw: &Raw, level: Level, kinds: &KindSet) -> u64 {
        if let Some(open) = &self.open {
            return open.pending(kinds);
        }
        let mut singles = self.singles;
        for &byte in raw.rest(singles.cursor) {
            singles.step(byte, raw);
        }
        let end = raw.end();
        let tail = |n: u64| raw.back(end, n);
        // The text ends after a separator, after the single that follows one, or after the first single.
        let is_sign = singles.n > 0 && singles.separator == b' ' && tail(2) == Some(b' ');
        let ends_apart = tail(1) == Some(b' ') || (tail(1).is_some_and(separates) && !is_sign);
        let is_run = singles.n > 0 && (ends_apart || tail(2) == Some(singles.separator));
        let run = is_run.then(|| {
            let n = singles.n.saturating_mul(2).saturating_add(u64::from(!ends_apart));
            (end.saturating_sub(n), singles.separator)
        });
        // The single at the end may also be the first of a run with another separator.
        let is_first =
            !ends_apart && !tail(2).is_some_and(|before| is_letter(before) || before >= 0x80);
        let first = is_first.then(|| (end.saturating_sub(1), b' '));
        let starts = [run, first].into_iter().flatten();
        let held = starts.map(|(start, separator)| would_hold(raw, start, separator, level, kinds));
        held.min().unwrap_or(u64::MAX)
    }
}

/// What characters that stand apart would hold if there were enough of them.
fn would_hold(raw: &Raw, start: u64, separator: u8, level: Level, kinds: &KindSet) -> u64 {
    let mut budget = Budget::new(level);
    let mut desk = Desk { report: &mut |_| {}, budget: &mut budget };
    let mut apart = Apart::new(separator, start, level.deeper().respelt());
    for &byte in raw.rest(start) {
        if !apart.step(byte, &mut desk) {
            return u64::MAX;
        }
    }
    apart.flush(&mut desk);
    apart.pending(kinds)
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}
