//! The prefilter: one pass over the bytes that finds every place where some rule may have something to say.
//!
//! Bytes are folded into 64 codes; three codes in a row are a trigram, and a bitmap says which trigrams matter. Each rule names three
//! bytes near the beginning of what it looks for, so adding a format costs a bit in the bitmap and nothing on the hot path. The state between
//! two calls is the last two codes, so cuts do not matter. The gate decides nothing: a false hit costs time, a missing one is a bug.
use crate::rules::{self, Rule};
use crate::text::Text;
use crate::view::{LITERALS, Literal, View, may_stand};
use std::cell::LazyCell;
use std::sync::LazyLock;

mod common;
mod index;

pub(crate) use common::commonness;

use index::Index;

const CODES: usize = 64;
const CODE_BITS: u32 = 6;
const CODE_MASK: u32 = 63;
const TRIGRAM_MASK: u32 = 0x3_ffff;

const DIGIT: u8 = 26;
const AT: u8 = 31;
const COLON: u8 = 32;
const ESCAPE: u8 = 44;
/// The code that stands for what is before the text.
const NOTHING: u8 = 27;
/// The bit of a capital in the table of codes. It is no part of the code: names begin with capitals, and literals match in any case.
const CAPITAL: u8 = 1 << CODE_BITS;
/// First of the codes that the other bytes above ASCII share.
const HIGH: u8 = 46;

/// The code of a byte: letters without case, digits as one, the punctuation that begins something, and bytes above ASCII.
const fn code_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => byte.wrapping_sub(b'a'),
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'0'..=b'9' => DIGIT,
        b' ' | b'\t' | b'\n' | b'\r' => NOTHING,
        b'-' => 28,
        b'_' => 29,
        b'.' => 30,
        b'@' => AT,
        b':' => COLON,
        b'/' => 33,
        0x1b => ESCAPE,
        b'`' => 45,
        0..=0x7f => 34,
        // Lead and second bytes of the invisible characters have codes of their own: they must not be found everywhere.
        0xe2 => 35,
        0xef => 36,
        0xf3 => 37,
        0xe1 => 38,
        0x80 => 39,
        0x81 => 40,
        0xbb => 41,
        0xb8 => 42,
        0xa0 => 43,
        _ => HIGH.wrapping_add(byte % 18),
    }
}

/// Bytes that are read between two looks at what was found in them.
const BLOCK_BYTES: usize = 8;

/// The bitmap, and what each trigram means.
pub(crate) struct Gate {
    codes: [u8; 256],
    /// Word `first * 64 + second`, bit `third`.
    wanted: Box<[u64; CODES * CODES]>,
    /// What begins a literal, with the bytes and the rule.
    heads: Index<Head>,
    /// A bit for each two bytes that a literal begins with.
    pairs: Box<[u64; 1024]>,
    /// Per first byte, the literals that begin with it.
    firsts: Vec<Vec<Head>>,
    /// What tells of a text in another spelling.
    marks: Index<&'static Literal>,
}

/// Most bytes of a literal that the gate knows.
pub(crate) const HEAD_BYTES_MAX: usize = 10;

/// The first bytes of what a rule looks for, up to the trigram that the gate finds it by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    trigram: u32,
    bytes: [u8; HEAD_BYTES_MAX],
    /// How many bytes there are: the trigram is the last three of them.
    n_bytes: usize,
    rule: Rule,
    /// Whether letters match in any case (the bytes are then in lower case).
    folded: bool,
    /// Whether no word may run into it ([`rules::is_boundary_of_literal`]).
    bounded: bool,
    begins: Begins,
}

/// Where the candidate of a literal begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Begins {
    WithIt,
    /// What is found begins where the literal ends, so the literal holds nothing back.
    AfterIt,
    /// The same, of a literal of which only the last bytes are known here: they do not show whether something is glued before it.
    AfterPart,
}

impl Head {
    pub(crate) fn new(rule: Rule, bytes: [u8; 3], folded: bool, bounded: bool) -> Self {
        Self::long(rule, &bytes, folded, bounded)
    }

    /// A literal that is found by the last three of its bytes, at most [`HEAD_BYTES_MAX`]: its first three may be those of many words.
    pub(crate) fn long(rule: Rule, literal: &[u8], folded: bool, bounded: bool) -> Self {
        let mut bytes = [0; HEAD_BYTES_MAX];
        bytes.iter_mut().zip(literal).for_each(|(byte, &given)| *byte = given);
        let n_bytes = literal.len().min(HEAD_BYTES_MAX);
        let trigram = ending(bytes.get(..n_bytes).unwrap_or_default()).0;
        Self { trigram, bytes, n_bytes, rule, folded, bounded, begins: Begins::WithIt }
    }

    /// The same, by the three bytes that are the rarest in texts. A literal of fewer than three is none.
    pub(crate) fn rarest(rule: Rule, literal: &[u8], folded: bool, bounded: bool) -> Option<Self> {
        let known = literal.get(..HEAD_BYTES_MAX).unwrap_or(literal);
        let places = known.windows(3).enumerate();
        let (at, _) = places.min_by_key(|(_, three)| commonness(three))?;
        Some(Self::long(rule, known.get(..at.saturating_add(3))?, folded, bounded))
    }

    /// A mark that says by itself what comes after it, whatever is glued before: of a longer one its last bytes.
    pub(crate) fn mark(rule: Rule, literal: &[u8]) -> Self {
        let n_left_out = literal.len().saturating_sub(HEAD_BYTES_MAX);
        let literal = literal.get(n_left_out..).unwrap_or_default();
        let begins = if n_left_out == 0 { Begins::AfterIt } else { Begins::AfterPart };
        Self { begins, ..Self::long(rule, literal, false, false) }
    }

    /// What two equal heads share.
    pub(crate) fn key(&self) -> (u32, [u8; HEAD_BYTES_MAX], Rule, Begins) {
        (self.trigram, self.bytes, self.rule, self.begins)
    }

    fn literal(&self) -> &[u8] {
        self.bytes.get(..self.n_bytes).unwrap_or_default()
    }

    /// Whether what stands before its start is as it must be. A mark that nothing is glued to is the other heads' affair.
    fn may_stand(&self, text: Text<'_>, start: usize) -> bool {
        match self.begins {
            Begins::WithIt => !self.bounded || rules::is_boundary_of_literal(text, start),
            Begins::AfterIt => !rules::is_boundary_of_literal(text, start),
            Begins::AfterPart => true,
        }
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        self.literal().iter().zip(bytes).all(|(&want, &byte)| {
            want == byte || (self.folded && want == byte.to_ascii_lowercase())
        })
    }
}

fn trigram_of([first, second, third]: [u8; 3]) -> u32 {
    u32::from(first) << (2 * CODE_BITS) | u32::from(second) << CODE_BITS | u32::from(third)
}

/// The trigram that ends a literal, and the codes that may stand before it: of a longer literal there is one.
fn ending(literal: &[u8]) -> (u32, u64) {
    let trigram = trigram_of(literal.last_chunk().copied().unwrap_or_default().map(code_of));
    let before = literal.len().checked_sub(4).and_then(|at| literal.get(at));
    (trigram, before.map_or(index::ANY, |&byte| 1 << code_of(byte)))
}

static GATE: LazyLock<Gate> = LazyLock::new(Gate::build);

/// The gate's memory between two calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateState(u32);

impl Default for GateState {
    fn default() -> Self {
        Self(trigram_of([NOTHING; 3]))
    }
}

impl Gate {
    pub(crate) fn get() -> &'static Self {
        &GATE
    }

    fn build() -> Self {
        let mut codes = [0_u8; 256];
        for (byte, code) in (0..=u8::MAX).zip(&mut codes) {
            *code = code_of(byte) | if byte.is_ascii_uppercase() { CAPITAL } else { 0 };
        }
        let heads = rules::heads().into_iter().map(|head| {
            let (trigram, before) = ending(head.literal());
            (trigram, before, head)
        });
        let marks = LITERALS.iter().map(|literal| {
            let (trigram, before) = ending(&literal.bytes);
            (trigram, before, literal)
        });
        let mut gate = Self {
            codes,
            wanted: vec![0; CODES * CODES]
                .try_into()
                .expect("the vector has the length of the array"),
            heads: Index::new(heads.collect()),
            pairs: vec![0; 1024].try_into().expect("the vector has the length of the array"),
            firsts: vec![Vec::new(); 256],
            marks: Index::new(marks.collect()),
        };
        // What words announce begins later, so they hold nothing back.
        let is_early =
            |head: &Head| head.rule.begins_at_its_candidate() && head.begins == Begins::WithIt;
        for head in rules::heads().into_iter().filter(is_early) {
            let [first, second, ..] = head.bytes;
            if let Some(heads) = gate.firsts.get_mut(usize::from(first)) {
                heads.push(head);
            }
            for first in [first, if head.folded { first.to_ascii_uppercase() } else { first }] {
                for second in
                    [second, if head.folded { second.to_ascii_uppercase() } else { second }]
                {
                    let pair = usize::from(u16::from_be_bytes([first, second]));
                    if let Some(word) = gate.pairs.get_mut(pair / 64) {
                        *word |= 1 << (pair % 64);
                    }
                }
            }
        }
        let all = 0..64_u8;
        for first in all.clone() {
            for second in all.clone() {
                if second != DIGIT {
                    gate.want(trigram_of([first, second, DIGIT]));
                }
                gate.want(trigram_of([first, second, AT]));
                gate.want(trigram_of([first, second, ESCAPE]));
                if second < 6 || second == DIGIT || second == COLON {
                    gate.want(trigram_of([first, second, COLON]));
                }
            }
        }
        for lead in
            [[0xe2, 0x80], [0xe2, 0x81], [0xef, 0xbb], [0xef, 0xb8], [0xf3, 0xa0], [0xe1, 0xa0]]
        {
            let [first, second] = lead.map(code_of);
            all.clone().for_each(|third| gate.want(trigram_of([first, second, third])));
        }
        for head in rules::heads() {
            gate.want(head.trigram);
        }
        for literal in LITERALS.iter() {
            gate.want(ending(&literal.bytes).0);
        }
        gate
    }

    fn want(&mut self, trigram: u32) {
        let word = usize::try_from(trigram >> CODE_BITS).unwrap_or(0);
        if let Some(word) = self.wanted.get_mut(word) {
            *word |= 1 << (trigram & 63);
        }
    }

    /// The trigram that ends with the next byte, and 1 if it is wanted or the byte is a capital.
    #[inline]
    fn step(&self, trigram: u32, byte: u8) -> (u32, u32) {
        let code = u32::from(self.codes.get(usize::from(byte)).copied().unwrap_or(0));
        let trigram = ((trigram << CODE_BITS) | (code & CODE_MASK)) & TRIGRAM_MASK;
        let word = self.wanted.get((trigram >> CODE_BITS) as usize).copied().unwrap_or(0);
        let is_wanted = u32::from(word >> (trigram & 63) & 1 == 1);
        (trigram, is_wanted | (code >> CODE_BITS))
    }

    /// Calls `hit` with the offset of each byte in `text` from `from` on that ends a wanted trigram or is a capital.
    pub(crate) fn pass(
        &self,
        state: &mut GateState,
        text: Text<'_>,
        from: usize,
        mut hit: impl FnMut(usize, u32),
    ) {
        let mut trigram = state.0;
        let mut at = from;
        let (blocks, rest) = text.slice(from, text.len()).as_chunks::<BLOCK_BYTES>();
        for block in blocks {
            // What is wanted is noted without a branch: nearly no byte is.
            let (mut hits, mut trigrams) = (0_u32, [0; BLOCK_BYTES]);
            for (&byte, (seen, place)) in block.iter().zip(trigrams.iter_mut().zip(0_u32..)) {
                let (next, is_hit) = self.step(trigram, byte);
                trigram = next;
                *seen = next;
                hits |= is_hit << place;
            }
            while hits != 0 {
                let place = hits.trailing_zeros() as usize;
                let seen = trigrams.get(place).copied().unwrap_or(0);
                hit(at.saturating_add(place), seen);
                hits &= hits.wrapping_sub(1);
            }
            at = at.saturating_add(BLOCK_BYTES);
        }
        for &byte in rest {
            let (next, is_hit) = self.step(trigram, byte);
            trigram = next;
            if is_hit != 0 {
                hit(at, trigram);
            }
            at = at.saturating_add(1);
        }
        state.0 = trigram;
    }

    /// Names every candidate (rule and start) that a hit stands for.
    pub(crate) fn candidates(
        &self,
        text: Text<'_>,
        at: usize,
        trigram: u32,
        mut found: impl FnMut(Rule, usize),
    ) {
        let third = u8::try_from(trigram & 63).unwrap_or(0);
        match third {
            DIGIT => rules::at_digit(text, at, &mut found),
            AT => rules::at_at_sign(text, at, &mut found),
            COLON => rules::at_colon(text, at, &mut found),
            _ if text.get(at).is_some_and(|byte| byte.is_ascii_uppercase()) => {
                rules::at_capital(text, at, &mut found);
            }
            ESCAPE => rules::at_escape(text, at, &mut found),
            _ => {}
        }
        let Some(start) = at.checked_sub(2) else { return };
        if third > 34 {
            rules::at_invisible(text, start, &mut found);
        }
        let end = at.saturating_add(1);
        for head in self.heads.of(trigram, self.before(text, at)) {
            let Some(start) = end.checked_sub(head.n_bytes) else { continue };
            if head.matches(text.slice(start, end)) && head.may_stand(text, start) {
                found(head.rule, if head.begins == Begins::WithIt { start } else { end });
            }
        }
    }

    /// The code of what stands right before a trigram that ends at an offset.
    fn before(&self, text: Text<'_>, at: usize) -> u8 {
        let byte = text.back(at, 3);
        byte.and_then(|byte| self.codes.get(usize::from(byte))).map_or(NOTHING, |code| code & 63)
    }

    /// Names every mark of a text in another spelling that ends at a hit, with its spelling and its start.
    #[inline]
    pub(crate) fn marks(
        &self,
        text: Text<'_>,
        at: usize,
        trigram: u32,
        mut found: impl FnMut((View, bool), usize),
    ) {
        // A digit after a letter: some write `1gn0r3`.
        if trigram & 63 == u32::from(DIGIT) {
            if text.back(at, 1).is_some_and(|byte| byte.is_ascii_alphabetic()) {
                found((View::Leet, true), at);
            }
            return;
        }
        let end = at.saturating_add(1);
        for literal in self.marks.of(trigram, self.before(text, at)) {
            let Some(start) = end.checked_sub(literal.bytes.len()) else { continue };
            if literal.matches(text.slice(start, end)) && may_stand(literal, text.back(start, 1)) {
                found((literal.view, literal.is_word), start);
            }
        }
    }

    /// The first place near the end of the text where a literal of a wanted rule may have begun without being known yet.
    pub(crate) fn partial(&self, text: Text<'_>, wanted: impl Fn(Rule) -> bool) -> usize {
        let end = text.len();
        for n in (2..HEAD_BYTES_MAX).rev() {
            let Some(start) = end.checked_sub(n) else { continue };
            let bytes = text.slice(start, end);
            if self.has_pair(bytes) && self.is_partial(text, start, bytes, &wanted) {
                return start;
            }
        }
        let Some(start) = end.checked_sub(1) else { return end };
        if self.is_partial(text, start, text.slice(start, end), &wanted) { start } else { end }
    }

    /// Whether some literal begins with the first two bytes.
    fn has_pair(&self, bytes: &[u8]) -> bool {
        let pair = bytes.first_chunk().map_or(0, |&pair| usize::from(u16::from_be_bytes(pair)));
        self.pairs.get(pair / 64).is_some_and(|word| word >> (pair % 64) & 1 == 1)
    }

    fn is_partial(
        &self,
        text: Text<'_>,
        start: usize,
        bytes: &[u8],
        wanted: impl Fn(Rule) -> bool,
    ) -> bool {
        let Some(&byte) = bytes.first() else { return false };
        let boundary = LazyCell::new(|| text.is_boundary(start));
        // Costs more, and is asked only where a literal may begin.
        let glued = LazyCell::new(|| rules::is_boundary_of_literal(text, start));
        let may_begin = |first: u8| {
            self.firsts.get(usize::from(first)).into_iter().flatten().any(|head| {
                bytes.len() < head.n_bytes
                    && head.matches(bytes)
                    && (!head.bounded || *boundary || *glued)
                    && wanted(head.rule)
            })
        };
        may_begin(byte) || (byte.is_ascii_uppercase() && may_begin(byte.to_ascii_lowercase()))
    }
}
