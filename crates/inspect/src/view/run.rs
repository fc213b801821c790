//! Runs of base64, base32 and hexadecimal digits.
//!
//! A run is decoded from its first character, once it is long enough to be one; the bytes that are no text are not read further.
use super::map::Shape;
use super::name::View;
use super::raw::Raw;
use super::scan;
use super::sniff::{Sniffer, Undecided};
use super::{Budget, Desk, Level};
use bartizan_core::kind::KindSet;

/// Fewest characters of a run.
const RUN_CHARACTERS_MIN: u64 = 15;
/// Most decoders of one alphabet at a time: a run may begin in the middle of what looks like one.
const DECODERS_MAX: usize = 2;
/// Fewest pairs of digits that stand apart: `73 6b 2d`.
const PAIRS_MIN: u32 = 8;
/// Most bytes between two pairs: a comma and a blank.
const GAP_BYTES_MAX: u8 = 2;
/// Bytes in which as many pairs begin, with `0x` before each.
const PAIRS_BYTES_MAX: u64 = 64;
/// Fewest characters of a line that goes on in the next one, and of the next one.
const LINE_CHARACTERS_MIN: u32 = 16;
const NEXT_LINE_CHARACTERS_MIN: usize = 8;
/// Most blanks at the beginning of the next line.
const INDENT_BYTES_MAX: u8 = 16;

/// Bytes before a block that is a part of a run in which the run must begin, for the block before is no part of it.
const BEFORE_BLOCK_BYTES: u64 = 8;

/// How characters become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alphabet {
    Base64,
    Base32,
    Hex,
}

impl Alphabet {
    const fn view(self) -> View {
        match self {
            Self::Base64 => View::Base64,
            Self::Base32 => View::Base32,
            Self::Hex => View::Hex,
        }
    }

    /// Bits of a character, characters of a unit, bytes of a unit.
    const fn sizes(self) -> (u32, u8, u8) {
        match self {
            Self::Base64 => (6, 4, 3),
            Self::Base32 => (5, 8, 5),
            Self::Hex => (4, 2, 1),
        }
    }

    fn value(self, byte: u8) -> Option<u8> {
        let value = match (self, byte) {
            (Self::Base64 | Self::Base32, b'A'..=b'Z') => byte.wrapping_sub(b'A'),
            (Self::Base64, b'a'..=b'z') => byte.wrapping_sub(b'a').wrapping_add(26),
            (Self::Base64, b'0'..=b'9') => byte.wrapping_sub(b'0').wrapping_add(52),
            (Self::Base64, b'+' | b'-') => 62,
            (Self::Base64, b'/' | b'_') => 63,
            (Self::Base32, b'2'..=b'7') => byte.wrapping_sub(b'2').wrapping_add(26),
            (Self::Hex, _) => return u8::try_from(char::from(byte).to_digit(16)?).ok(),
            _ => return None,
        };
        Some(value)
    }
}

/// What a decoder does with the next byte.
#[derive(PartialEq, Eq)]
enum Step {
    Goes,
    Ends,
}

/// What stands between two lines of a run.
#[derive(Debug, Default)]
struct Between {
    n_blanks: u8,
    /// The first characters of the next line.
    ahead: Vec<u8>,
}

/// Decodes one run.
struct Decoder {
    alphabet: Alphabet,
    sniffer: Sniffer,
    /// Where the run begins.
    start: u64,
    /// Offset of the next byte.
    at: u64,
    /// Whether it goes on in further lines.
    is_wrapped: bool,
    bits: u32,
    n_bits: u32,
    /// Characters of the unit so far, and where they began.
    n_in_unit: u8,
    unit_at: u64,
    previous_at: u64,
    /// The character that the first bits of the next byte come from.
    byte_at: u64,
    /// How many were taken up to that one.
    byte_n: u64,
    /// Whether the characters of the unit follow each other.
    together: bool,
    n_in_line: u32,
    n_taken: u64,
    /// Bytes that were looked at.
    n_bytes: u64,
    between: Option<Between>,
    n_gap: u8,
}

impl Decoder {
    fn new(alphabet: Alphabet, at: u64) -> Self {
        Self {
            alphabet,
            sniffer: Sniffer::new(alphabet.view()),
            start: at,
            at,
            is_wrapped: false,
            bits: 0,
            n_bits: 0,
            n_in_unit: 0,
            unit_at: at,
            previous_at: at,
            byte_at: at,
            byte_n: 0,
            together: true,
            n_in_line: 0,
            n_taken: 0,
            n_bytes: 0,
            between: None,
            n_gap: 0,
        }
    }

    /// Reads the next byte of the channel.
    fn step(&mut self, byte: u8, desk: &mut Desk<'_>) -> Step {
        let at = self.at;
        self.at = at.saturating_add(1);
        if self.alphabet == Alphabet::Hex {
            return self.step_hex(byte, at, desk);
        }
        if let Some(between) = self.between.take() {
            return self.step_between(between, byte, at, desk);
        }
        if let Some(value) = self.alphabet.value(byte) {
            self.take(value, at, desk);
            return Step::Goes;
        }
        let is_line = matches!(byte, b'\n' | b'\r') && self.n_in_line >= LINE_CHARACTERS_MIN;
        if is_line && self.n_in_unit == 0 {
            self.between = Some(Between::default());
            return Step::Goes;
        }
        Step::Ends
    }

    /// Between two lines: a run goes on if the next line begins like one.
    fn step_between(
        &mut self,
        mut between: Between,
        byte: u8,
        at: u64,
        desk: &mut Desk<'_>,
    ) -> Step {
        let is_blank = matches!(byte, b'\n' | b'\r' | b' ' | b'\t');
        if is_blank && between.ahead.is_empty() {
            between.n_blanks = between.n_blanks.saturating_add(1);
            if between.n_blanks > INDENT_BYTES_MAX {
                return Step::Ends;
            }
            self.between = Some(between);
            return Step::Goes;
        }
        if self.alphabet.value(byte).is_some() {
            between.ahead.push(byte);
            if between.ahead.len() < NEXT_LINE_CHARACTERS_MIN {
                self.between = Some(between);
                return Step::Goes;
            }
            self.take_ahead(&between.ahead, at.saturating_add(1), desk);
            return Step::Goes;
        }
        // A last line may be short, if it is alone in its line.
        if matches!(byte, b'=' | b'\n' | b'\r') {
            self.take_ahead(&between.ahead, at, desk);
        }
        Step::Ends
    }

    /// Takes the characters that end before `end`.
    fn take_ahead(&mut self, ahead: &[u8], end: u64, desk: &mut Desk<'_>) {
        self.n_in_line = 0;
        self.is_wrapped = true;
        let n = u64::try_from(ahead.len()).unwrap_or(0);
        for (at, &byte) in (end.saturating_sub(n)..).zip(ahead) {
            if let Some(value) = self.alphabet.value(byte) {
                self.take(value, at, desk);
            }
        }
    }

    fn step_hex(&mut self, byte: u8, at: u64, desk: &mut Desk<'_>) -> Step {
        if let Some(value) = self.alphabet.value(byte) {
            self.take(value, at, desk);
            self.n_gap = 0;
            return Step::Goes;
        }
        match byte {
            // `0x` stands before a pair.
            b'x' | b'X' if self.is_after_zero() => {
                (self.bits, self.n_bits, self.n_in_unit) = (0, 0, 0);
                Step::Goes
            }
            b' ' | b',' | b':' | b'-' | b';' | b'\n' | b'\r' | b'\t'
                if self.n_in_unit == 0 && self.n_gap < GAP_BYTES_MAX =>
            {
                self.n_gap = self.n_gap.saturating_add(1);
                Step::Goes
            }
            _ => Step::Ends,
        }
    }

    /// Whether a pair of digits begins with a zero so far.
    const fn is_after_zero(&self) -> bool {
        self.n_in_unit == 1 && self.bits.trailing_zeros() >= 4
    }

    /// Whether a text may begin with the next byte: a run that is too short to be one is read only as long as it is all text, so that
    /// an ordinary word is not waited for.
    fn may_begin(&self) -> bool {
        self.n_bytes == 0 || self.byte_n >= RUN_CHARACTERS_MIN
    }

    /// Takes the value of a character at an offset.
    fn take(&mut self, value: u8, at: u64, desk: &mut Desk<'_>) {
        let (n_each, n_characters, n_bytes) = self.alphabet.sizes();
        if self.n_in_unit == 0 {
            (self.unit_at, self.together) = (at, true);
        } else {
            self.together &= self.previous_at.saturating_add(1) == at;
        }
        self.n_in_line = self.n_in_line.saturating_add(1);
        self.n_taken = self.n_taken.saturating_add(1);
        self.n_in_unit = self.n_in_unit.saturating_add(1);
        if self.n_bits == 0 {
            (self.byte_at, self.byte_n) = (at, self.n_taken);
        }
        self.bits = self.bits.wrapping_shl(n_each) | u32::from(value);
        self.n_bits = self.n_bits.saturating_add(n_each);
        if self.n_bits >= 8 {
            self.n_bits = self.n_bits.saturating_sub(8);
            let byte = u8::try_from(self.bits.wrapping_shr(self.n_bits) & 0xff).unwrap_or(0);
            let end = at.saturating_add(1);
            let index = u32::from(self.n_in_unit).saturating_mul(n_each).wrapping_div(8);
            let shape = if self.together {
                Shape {
                    view: self.alphabet.view(),
                    original_at: self.unit_at,
                    n_decoded: n_bytes,
                    n_original: n_characters,
                    index: u8::try_from(index.saturating_sub(1)).unwrap_or(0),
                    whole: false,
                }
            } else {
                Shape {
                    view: self.alphabet.view(),
                    original_at: self.byte_at,
                    n_decoded: 1,
                    n_original: u8::try_from(end.saturating_sub(self.byte_at)).unwrap_or(u8::MAX),
                    index: 0,
                    whole: true,
                }
            };
            let anew = self.may_begin();
            if anew || self.sniffer.is_in_stretch() {
                self.sniffer.feed((byte, shape), end, anew, desk);
                self.n_bytes = self.n_bytes.saturating_add(1);
            }
            (self.byte_at, self.byte_n) = (at, self.n_taken);
        }
        self.previous_at = at;
        if self.n_in_unit == n_characters {
            (self.n_in_unit, self.n_bits) = (0, 0);
        }
    }

    fn finish(&mut self, desk: &mut Desk<'_>) {
        // A last line that the text ends in.
        if let Some(between) = self.between.take() {
            self.take_ahead(&between.ahead, self.at, desk);
        }
        self.sniffer.close(desk);
    }

    fn pending(&self, level: Level, kinds: &KindSet) -> u64 {
        self.sniffer.pending(level, self.undecided(), kinds)
    }

    /// What is known of the next byte.
    fn undecided(&self) -> Option<Undecided> {
        let (_, n_characters, _) = self.alphabet.sizes();
        if let Some(between) = &self.between {
            let n = u64::try_from(between.ahead.len()).unwrap_or(0);
            let at = self.at.saturating_sub(n);
            return (n > 0).then_some(Undecided { at, least: 0, most: 0xff, may_begin: true });
        }
        if self.n_bits == 0 || self.n_in_unit >= n_characters {
            return None;
        }
        // A zero may be the one of `0x`, before which nothing of the pair is known.
        if self.alphabet == Alphabet::Hex && self.is_after_zero() {
            let may_begin = self.may_begin();
            return Some(Undecided { at: self.byte_at, least: 0, most: 0xff, may_begin });
        }
        let n_left = 8_u32.saturating_sub(self.n_bits);
        let known = self.bits & 1_u32.wrapping_shl(self.n_bits).wrapping_sub(1);
        let least = known.wrapping_shl(n_left);
        let most = least.saturating_add(1_u32.wrapping_shl(n_left).saturating_sub(1));
        Some(Undecided { at: self.byte_at, least, most, may_begin: self.may_begin() })
    }
}

/// Looks for runs and decodes them.
#[derive(Default)]
pub(super) struct Runs {
    search: Search,
    /// The search reads byte by byte up to here.
    until: u64,
    open: Vec<Decoder>,
}

/// What is known of the runs before a place.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    /// Everything before is read.
    cursor: u64,
    /// What is known of the run that the cursor is in.
    run: Run,
    /// The same since the last character that paths are made of: `/token/` and then base64.
    segment: Run,
    pairs: Pairs,
}

/// A run of characters of base64.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    n: u64,
    /// No character so far that is not one of base32, which is written in capitals.
    upper: bool,
    /// Digits of a hexadecimal number only.
    hex: bool,
    /// How far its first characters are `0x`.
    mark: Mark,
}

/// What the first characters of a run are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    Nothing,
    Zero,
    /// `0x`.
    Whole,
}

impl Run {
    const EMPTY: Self = Self { n: 0, upper: true, hex: true, mark: Mark::Nothing };

    fn add(&mut self, byte: u8) {
        match self.n {
            0 if byte == b'0' => *self = Self { mark: Mark::Zero, ..Self::EMPTY },
            0 => *self = Self::EMPTY,
            1 if self.mark == Mark::Zero && matches!(byte, b'x' | b'X') => self.mark = Mark::Whole,
            _ => {}
        }
        let digit = matches!(byte, b'2'..=b'7');
        self.upper &= byte.is_ascii_uppercase() || digit;
        self.hex &= byte.is_ascii_hexdigit() || (self.mark == Mark::Whole && self.n == 1);
        self.n = self.n.saturating_add(1);
    }

    /// Whether it is one pair of hexadecimal digits, perhaps with `0x` before.
    const fn is_pair(&self) -> bool {
        self.hex && self.n == if matches!(self.mark, Mark::Whole) { 4 } else { 2 }
    }

    /// The alphabets that it may be written in.
    fn alphabets(&self) -> impl Iterator<Item = Alphabet> + use<> {
        let hex = self.hex.then_some(Alphabet::Hex);
        let base32 = self.upper.then_some(Alphabet::Base32);
        [Some(Alphabet::Base64), base32, hex].into_iter().flatten()
    }
}

/// Pairs of digits in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Pairs {
    n: u32,
    /// Where the first one begins.
    start: u64,
    n_gap: u8,
}

impl Pairs {
    /// Reads on after a run that ended before a byte at `at`.
    fn after(&mut self, run: &Run, at: u64, raw: &Raw) {
        let start = at.saturating_sub(run.n);
        // The digits after a point are a part of a number.
        if run.is_pair() && (self.n > 0 || raw.back(start, 1) != Some(b'.')) {
            if self.n == 0 {
                self.start = start;
            }
            self.n = self.n.saturating_add(1);
            self.n_gap = 0;
        } else if run.n > 0 {
            self.n = 0;
        }
    }

    fn gap(&mut self, byte: u8) {
        let separates = matches!(byte, b' ' | b',' | b':' | b'-' | b';' | b'\n' | b'\r' | b'\t');
        self.n_gap = self.n_gap.saturating_add(1);
        if !separates || self.n_gap > GAP_BYTES_MAX {
            self.n = 0;
        }
    }
}

pub(super) const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

impl Search {
    /// Whether nothing that was read matters to what follows.
    const fn is_idle(&self) -> bool {
        self.run.n == 0 && self.pairs.n == 0
    }

    /// Goes on at a place before which nothing goes on.
    fn skip_to(&mut self, at: u64) {
        if at > self.cursor {
            *self = Self { cursor: at, ..Self::default() };
        }
    }

    /// Reads the byte at the cursor, and says which runs are long enough now: how they may be written, and where they begin.
    fn step(&mut self, byte: u8, raw: &Raw, found: &mut impl FnMut(Alphabet, u64, u64)) {
        let end = self.cursor.saturating_add(1);
        if is_base64(byte) {
            self.add(byte, end, found);
        } else {
            if self.run.n > 0 {
                self.pairs.after(&self.run, self.cursor, raw);
                (self.run.n, self.segment.n) = (0, 0);
                if self.pairs.n == PAIRS_MIN {
                    found(Alphabet::Hex, self.pairs.start, end);
                }
            }
            self.pairs.gap(byte);
        }
        self.cursor = end;
    }

    /// Reads a character of a run.
    fn add(&mut self, byte: u8, end: u64, found: &mut impl FnMut(Alphabet, u64, u64)) {
        let joins = !byte.is_ascii_alphanumeric();
        // No text begins with one of them.
        if !joins || self.run.n > 0 {
            self.run.add(byte);
            if self.run.n == RUN_CHARACTERS_MIN {
                let start = end.saturating_sub(self.run.n);
                self.run.alphabets().for_each(|alphabet| found(alphabet, start, end));
            }
        }
        if joins {
            self.segment.n = 0;
        } else if self.segment.n < RUN_CHARACTERS_MIN {
            self.segment.add(byte);
            if self.segment.n == RUN_CHARACTERS_MIN && self.segment.n < self.run.n {
                let start = end.saturating_sub(self.segment.n);
                self.segment.alphabets().for_each(|alphabet| found(alphabet, start, end));
            }
        }
    }
}

impl Runs {
    pub(super) fn read(&mut self, raw: &Raw, ended: bool, desk: &mut Desk<'_>) {
        loop {
            if self.open.is_empty() && self.search.is_idle() && self.search.cursor >= self.until {
                self.skip(raw);
            }
            if self.search.cursor >= self.until && self.open.is_empty() && self.search.is_idle() {
                break;
            }
            if !self.step_all(raw, desk) {
                break;
            }
        }
        for decoder in &mut self.open {
            decoder.sniffer.flush(desk);
        }
        if ended {
            self.step_to(raw.end(), raw, desk);
            for mut decoder in self.open.drain(..) {
                decoder.finish(desk);
            }
        }
    }

    /// Skips what has no run in it. What may be the beginning of one is kept, and nothing before it goes on after it.
    fn skip(&mut self, raw: &Raw) {
        let bytes = raw.rest(self.search.cursor);
        let from = self.search.cursor;
        if let Some(at) = scan::first_long(bytes, false) {
            let at = from.saturating_add(u64::try_from(at).unwrap_or(0));
            self.search.skip_to(at.saturating_sub(BEFORE_BLOCK_BYTES));
            self.until = at.saturating_add(BEFORE_BLOCK_BYTES.saturating_mul(2));
        } else {
            let tail = BEFORE_BLOCK_BYTES.saturating_mul(2);
            self.search.skip_to(raw.end().saturating_sub(tail));
        }
    }

    /// Reads byte by byte as long as there is a reason to. Whether the end was not reached.
    fn step_all(&mut self, raw: &Raw, desk: &mut Desk<'_>) -> bool {
        while self.search.cursor < raw.end() {
            if self.search.cursor >= self.until && self.open.is_empty() && self.search.is_idle() {
                return true;
            }
            let to = self.search.cursor.saturating_add(1);
            self.step_to(to, raw, desk);
        }
        false
    }

    fn step_to(&mut self, to: u64, raw: &Raw, desk: &mut Desk<'_>) {
        for &byte in raw.slice(self.search.cursor, to) {
            if !self.open.is_empty() {
                self.open.retain_mut(|decoder| {
                    let goes = decoder.step(byte, desk) == Step::Goes;
                    if !goes {
                        decoder.finish(desk);
                    }
                    goes
                });
            }
            let open = &mut self.open;
            self.search.step(byte, raw, &mut |alphabet, start, end| {
                begin(open, alphabet, start, end, raw, desk);
            });
        }
    }

    pub(super) fn pending(&self, raw: &Raw, level: Level, kinds: &KindSet) -> u64 {
        let open = self.open.iter().map(|decoder| decoder.pending(level, kinds)).min();
        let mut pending = open.unwrap_or(u64::MAX);
        // What was skipped is read now; it is short and nothing in it is long enough.
        let mut search = self.search;
        for &byte in raw.rest(search.cursor) {
            search.step(byte, raw, &mut |_, _, _| {});
        }
        let mut try_from = |alphabet: Alphabet, start: u64| {
            if is_new(&self.open, alphabet, start) {
                let held = try_to_decode(alphabet, raw.rest(start), start, level, kinds);
                pending = pending.min(held);
            }
        };
        let Search { cursor, run, segment, pairs } = search;
        if run.n > 0 && run.n < RUN_CHARACTERS_MIN {
            for alphabet in run.alphabets() {
                try_from(alphabet, cursor.saturating_sub(run.n));
            }
        }
        if segment.n > 0 && segment.n < RUN_CHARACTERS_MIN && segment.n < run.n {
            for alphabet in segment.alphabets() {
                try_from(alphabet, cursor.saturating_sub(segment.n));
            }
        }
        if pairs.n > 0 && cursor.saturating_sub(pairs.start) <= PAIRS_BYTES_MAX {
            try_from(Alphabet::Hex, pairs.start);
        }
        pending
    }
}

/// Whether a whole text may hold a run that is long enough.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    let n_least = usize::try_from(RUN_CHARACTERS_MIN).unwrap_or(0);
    text.len() >= n_least && scan::first_long(text, true).is_some()
}

/// Whether no decoder reads the same in the same way, and there are not too many.
fn is_new(open: &[Decoder], alphabet: Alphabet, start: u64) -> bool {
    let (_, n_characters, _) = alphabet.sizes();
    let of_its_kind = || open.iter().filter(|decoder| decoder.alphabet == alphabet);
    of_its_kind().count() < DECODERS_MAX
        && of_its_kind().all(|decoder| {
            let apart = start.abs_diff(decoder.start).checked_rem(u64::from(n_characters));
            decoder.is_wrapped || apart != Some(0)
        })
        && !of_its_kind().any(|decoder| decoder.is_wrapped)
}

/// Opens a decoder that has read the bytes from `start` to `end`.
fn begin(
    open: &mut Vec<Decoder>,
    alphabet: Alphabet,
    start: u64,
    end: u64,
    raw: &Raw,
    desk: &mut Desk<'_>,
) {
    if !is_new(open, alphabet, start) {
        return;
    }
    let mut decoder = Decoder::new(alphabet, start);
    for &byte in raw.slice(start, end) {
        if decoder.step(byte, desk) == Step::Ends {
            return;
        }
    }
    open.push(decoder);
}

/// What a run would hold if it were long enough.
fn try_to_decode(
    alphabet: Alphabet,
    bytes: &[u8],
    start: u64,
    level: Level,
    kinds: &KindSet,
) -> u64 {
    let mut budget = Budget::new(level);
    let mut desk = Desk { report: &mut |_| {}, budget: &mut budget };
    let mut decoder = Decoder::new(alphabet, start);
    for &byte in bytes {
        if decoder.step(byte, &mut desk) == Step::Ends {
            return u64::MAX;
        }
    }
    decoder.sniffer.flush(&mut desk);
    decoder.pending(level, kinds)
}
