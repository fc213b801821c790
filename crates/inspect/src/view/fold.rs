//! Reads a text in which some characters are written out or stand for others: one pass for escapes of pages, URLs and strings, for forms
//! that Unicode calls compatible, look-alikes, and what is not seen, since they come mixed.
//!
//! The view opens at an escape, or at a letter that is out of place: beside ASCII in a word, or in a word of nothing but look-alikes. It
//! reads from the beginning of that token on, with what stands before as it is, and closes a while after the last such character.
use super::escape::{self, ESCAPE_BYTES_MAX, Read};
use super::inner::{Inner, Scope};
use super::map::Shape;
use super::name::View;
use super::raw::{HISTORY_BYTES, Raw};
use super::{Budget, Desk, Level};
use crate::text::LEFT_BYTES_MAX;
use bartizan_core::detect::Finding;
use bartizan_core::kind::{KindId, KindSet};
use std::cell::RefCell;

/// Bytes before the token that are read with it, and after the last character that was folded.
const CONTEXT_BYTES: u64 = 1024;
/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 32;
/// Most bytes of a token before the character that opens the view: from here on it begins at the next multiple of [`LONG_TOKEN_BYTES`],
/// so that the beginning of a long one does not move with every byte.
const TOKEN_BYTES_MAX: u64 = 256;
const LONG_TOKEN_BYTES: u64 = 128;
/// Fewest characters of a word of nothing but look-alikes: shorter ones are words of their own scripts.
const LOOK_ALIKES_MIN: usize = 4;

#[derive(Default)]
pub(super) struct Fold {
    /// Everything before is read.
    cursor: u64,
    open: Option<Box<Open>>,
    /// What the view would read if it opened at the end: kept from chunk to chunk, for the text only grows.
    tried: RefCell<Option<Box<Tried>>>,
}

/// A view that is not open, and may open later in its token.
struct Tried {
    token: u64,
    cursor: u64,
    open: Open,
    budget: Budget,
    /// Of each kind that was found, where the first begins: it is found again if the view opens, and must be there still.
    found: Vec<(KindId, u64)>,
}

struct Open {
    inner: Inner,
    /// Unless something else is folded before, the view closes here.
    ends: u64,
}

/// The offset `n` bytes on.
fn plus(at: u64, n: usize) -> u64 {
    at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX))
}

/// Where the token begins that goes on at an offset.
fn token_start(raw: &Raw, at: u64) -> u64 {
    let long = at.saturating_sub(TOKEN_BYTES_MAX);
    let from =
        raw.start_of_history(at, at.saturating_sub(long.wrapping_sub(long % LONG_TOKEN_BYTES)));
    let bytes = raw.slice(from, at);
    let after_blank =
        bytes.iter().rposition(|byte| *byte <= b' ').map_or(0, |n| n.saturating_add(1));
    plus(from, after_blank)
}

/// Whether something may begin in a block. No byte decides it early, so that all are compared at once.
fn may_begin_in(block: &[u8; BLOCK_BYTES]) -> bool {
    let is = |byte: u8, wanted: u8| if byte == wanted { 0x80 } else { 0 };
    let marks = block.iter().fold(0_u8, |marks, &byte| {
        marks | byte | is(byte, b'&') | is(byte, b'%') | is(byte, b'\\') | is(byte, b'=')
    });
    marks & 0x80 != 0
}

/// Bytes before the next one that something may begin with.
fn n_plain(bytes: &[u8]) -> usize {
    let mut n = 0_usize;
    loop {
        let rest = bytes.get(n..).unwrap_or_default();
        // Blocks without any are told apart fast, without a branch for each byte.
        let (blocks, _) = rest.as_chunks::<BLOCK_BYTES>();
        let n_blocks = blocks.iter().position(may_begin_in).unwrap_or(blocks.len());
        n = n.saturating_add(n_blocks.saturating_mul(BLOCK_BYTES));
        let rest = bytes.get(n..).unwrap_or_default();
        let n_ascii = rest.iter().take_while(|&&byte| !escape::may_begin(byte)).count();
        n = n.saturating_add(n_ascii);
        let mut n_more = 0_usize;
        loop {
            let rest = bytes.get(n.saturating_add(n_more)..).unwrap_or_default();
            match rest.first() {
                Some(&byte) if !escape::may_begin(byte) => n_more = n_more.saturating_add(1),
                Some(0x80..) => match escape::n_of_itself(rest) {
                    0 => return n.saturating_add(n_more),
                    n => n_more = n_more.saturating_add(n),
                },
                _ => return n.saturating_add(n_more),
            }
            if n_more >= BLOCK_BYTES {
                break;
            }
        }
        n = n.saturating_add(n_more);
    }
}

/// Whether a character is what it is after all: hyphens between digits are separators, which the rules know better.
fn is_itself(raw: &Raw, at: u64, piece: escape::Piece) -> bool {
    piece.view == View::LookAlike
        && piece.text() == b"-"
        && !raw.back(at, 1).is_some_and(|byte| byte.is_ascii_alphabetic())
}

/// Whether a character that was folded is a reason to open the view, if that is known.
fn is_reason(raw: &Raw, at: u64, piece: escape::Piece, ended: bool) -> Option<bool> {
    if piece.sure {
        return Some(true);
    }
    if piece.view == View::Digit {
        return Some(follows_digits(raw, at, usize::from(piece.n_original)));
    }
    if !matches!(piece.view, View::LookAlike | View::Invisible) {
        return Some(false);
    }
    if is_itself(raw, at, piece) {
        return Some(false);
    }
    let is_ours = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let before = raw.back(at, 1);
    if is_ours(before) {
        return Some(true);
    }
    let end = plus(at, usize::from(piece.n_original));
    let after = raw.get(end);
    if after.is_none() && !ended {
        return None;
    }
    if is_ours(after) {
        return Some(true);
    }
    if piece.view != View::LookAlike {
        return Some(false);
    }
    // A word of nothing but look-alikes, after a word of ours or long enough.
    let after_ours = before.is_none_or(|byte| byte == b' ') && is_ours(raw.back(at, 2));
    let ends = || after.is_none_or(|byte| byte <= b' ');
    Some(after_ours || (ends() && is_all_alike(raw.slice(token_start(raw, at), end))))
}

/// Digits of another script in a row from which on they are read as ours: dates and counts of such texts have fewer, save for years.
const DIGITS_MIN: usize = 3;

/// Whether digits of another script, each of so many bytes, stand right before.
fn follows_digits(raw: &Raw, at: u64, n_bytes: usize) -> bool {
    let n_before = n_bytes.saturating_mul(DIGITS_MIN - 1);
    let from = at.saturating_sub(u64::try_from(n_before).unwrap_or(0));
    let before = raw.slice(from, at);
    let is_digit = |bytes: &[u8]| matches!(escape::read(bytes, true), Read::Piece(piece) if piece.view == View::Digit);
    before.len() == n_before && before.chunks(n_bytes.max(1)).all(is_digit)
}

/// Whether a token is made of look-alikes, with no other letter.
fn is_all_alike(token: &[u8]) -> bool {
    let (mut rest, mut n) = (token, 0_usize);
    while !rest.is_empty() {
        let length = match escape::read(rest, true) {
            Read::Piece(piece) if piece.view == View::LookAlike => {
                n = n.saturating_add(1);
                usize::from(piece.n_original)
            }
            Read::Plain(1) if rest.first().is_some_and(u8::is_ascii_punctuation) => 1,
            _ => return false,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    n >= LOOK_ALIKES_MIN
}

impl Fold {
    pub(super) fn read(&mut self, raw: &Raw, ended: bool, desk: &mut Desk<'_>) {
        loop {
            let moved = match &mut self.open {
                Some(open) => {
                    if !open.read(&mut self.cursor, raw, raw.end(), ended, desk) {
                        break;
                    }
                    self.open = None;
                    true
                }
                None => self.look(raw, ended, desk),
            };
            if !moved {
                break;
            }
        }
        if ended && let Some(open) = self.open.take() {
            open.inner.finish(desk);
        }
    }

    /// Looks for a reason to open the view, and returns whether it is open now.
    fn look(&mut self, raw: &Raw, ended: bool, desk: &mut Desk<'_>) -> bool {
        loop {
            self.cursor = plus(self.cursor, n_plain(raw.rest(self.cursor)));
            if self.cursor >= raw.end() {
                return false;
            }
            match escape::read(raw.rest(self.cursor), ended) {
                Read::More => return false,
                Read::Plain(n) => self.cursor = plus(self.cursor, n),
                Read::Piece(piece) => match is_reason(raw, self.cursor, piece, ended) {
                    None => return false,
                    Some(false) => self.cursor = plus(self.cursor, usize::from(piece.n_original)),
                    Some(true) => {
                        let end = plus(self.cursor, usize::from(piece.n_original));
                        if let Some(level) = desk.open(end) {
                            let token = token_start(raw, self.cursor);
                            self.open = Some(Box::new(Open::new(raw, token, level, desk)));
                            self.cursor = token;
                            return true;
                        }
                        self.cursor = end;
                    }
                },
            }
        }
    }

    pub(super) fn pending(&self, raw: &Raw, level: Level, kinds: &KindSet) -> u64 {
        if let Some(open) = &self.open {
            self.tried.take();
            // What is not decided yet may be the first character of something.
            let undecided = if self.cursor < raw.end() { self.cursor } else { u64::MAX };
            return open.inner.pending(kinds).min(undecided);
        }
        // The view may open at a later character of this token, and would then read from its beginning.
        let token = token_start(raw, self.cursor.min(raw.end()));
        let tail = raw.rest(token);
        let n = n_plain(tail);
        if n >= tail.len() || !may_fold(tail.get(n..).unwrap_or_default()) {
            self.tried.take();
            return u64::MAX;
        }
        let mut tried = self.tried.borrow_mut();
        let tried = match &mut *tried {
            Some(tried) if tried.token == token => tried,
            tried => tried.insert(Box::new(Tried::new(raw, token, level))),
        };
        tried.pending(raw, kinds)
    }
}

impl Tried {
    fn new(raw: &Raw, token: u64, level: Level) -> Self {
        let mut budget = Budget::new(level);
        let mut desk = Desk { report: &mut |_| {}, budget: &mut budget };
        let open = Open::new(raw, token, level.deeper(), &mut desk);
        Self { token, cursor: token, open, budget, found: Vec::new() }
    }

    /// Reads what is new. What is found while trying is found again when it is there, and nothing after its start leaves until then.
    fn pending(&mut self, raw: &Raw, kinds: &KindSet) -> u64 {
        let found = &mut self.found;
        let mut report =
            |finding: Finding| match found.iter_mut().find(|(kind, _)| *kind == finding.kind) {
                Some((_, first)) => *first = finding.span.start.min(*first),
                None => found.push((finding.kind, finding.span.start)),
            };
        let mut desk = Desk { report: &mut report, budget: &mut self.budget };
        self.open.read(&mut self.cursor, raw, raw.end(), false, &mut desk);
        let undecided = if self.cursor < raw.end() { self.cursor } else { u64::MAX };
        let of_kinds = self.found.iter().filter(|(kind, _)| kinds.contains(*kind));
        let first = of_kinds.map(|&(_, first)| first).min().unwrap_or(u64::MAX);
        self.open.inner.pending(kinds).min(undecided).min(first)
    }
}

/// Whether something may be folded in a whole text.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    n_plain(text) < text.len()
}

/// Whether something in the end of a text is folded, or may be once the rest of it is there.
fn may_fold(tail: &[u8]) -> bool {
    let mut rest = tail;
    while !rest.is_empty() {
        match escape::read(rest, false) {
            Read::More | Read::Piece(_) => return true,
            Read::Plain(n) => rest = rest.get(n..).unwrap_or_default(),
        }
        rest = rest.get(n_plain(rest)..).unwrap_or_default();
    }
    false
}

impl Open {
    fn new(raw: &Raw, token: u64, level: Level, desk: &mut Desk<'_>) -> Self {
        let from = raw.start_of_history(token, CONTEXT_BYTES);
        let context = u64::try_from(LEFT_BYTES_MAX).unwrap_or(0);
        let floor = if from == 0 { 0 } else { from.saturating_add(context) };
        let mut inner = Inner::new(level, View::Plain, floor, true).only(Scope::Seen);
        inner.add(raw.slice(from, token), Shape::plain(from), desk);
        Self { inner, ends: token.saturating_add(CONTEXT_BYTES) }
    }

    /// Reads on, and returns whether the view closes at the cursor.
    fn read(
        &mut self,
        cursor: &mut u64,
        raw: &Raw,
        end: u64,
        ended: bool,
        desk: &mut Desk<'_>,
    ) -> bool {
        let closes = loop {
            if *cursor >= self.ends {
                break true;
            }
            let stop = end.min(self.ends);
            let bytes = raw.slice(*cursor, stop);
            let bytes = bytes.get(..n_plain(bytes)).unwrap_or_default();
            self.inner.add(bytes, Shape::plain(*cursor), desk);
            *cursor = plus(*cursor, bytes.len());
            if *cursor >= stop {
                if stop < end {
                    continue;
                }
                break false;
            }
            match escape::read(raw.rest(*cursor), ended) {
                Read::More => break false,
                Read::Plain(n) => {
                    let next = plus(*cursor, n);
                    self.inner.add(raw.slice(*cursor, next), Shape::plain(*cursor), desk);
                    *cursor = next;
                }
                Read::Piece(piece) if is_itself(raw, *cursor, piece) => {
                    let next = plus(*cursor, usize::from(piece.n_original));
                    self.inner.add(raw.slice(*cursor, next), Shape::plain(*cursor), desk);
                    *cursor = next;
                }
                Read::Piece(piece) => {
                    self.add(piece, *cursor, desk);
                    let before = raw.back(*cursor, 1);
                    *cursor = plus(*cursor, usize::from(piece.n_original));
                    if piece.sure
                        || piece.view == View::Digit
                        || before.is_some_and(|byte| byte.is_ascii_alphanumeric())
                    {
                        self.ends = cursor.saturating_add(CONTEXT_BYTES);
                    }
                }
            }
            if self.inner.is_full() {
                self.inner.flush(desk);
            }
        };
        self.inner.flush(desk);
        closes
    }

    fn add(&mut self, piece: escape::Piece, at: u64, desk: &mut Desk<'_>) {
        let text = piece.text();
        if text.is_empty() {
            self.inner.leave_out(piece.view);
            return;
        }
        let shape = Shape {
            view: piece.view,
            original_at: at,
            n_decoded: u8::try_from(text.len()).unwrap_or(1),
            n_original: piece.n_original,
            index: 0,
            whole: true,
        };
        self.inner.add(text, shape, desk);
    }
}

const _: () = assert!((ESCAPE_BYTES_MAX as u64) < TOKEN_BYTES_MAX, "an escape lies in one token");
const _: () = assert!(
    TOKEN_BYTES_MAX + LONG_TOKEN_BYTES + CONTEXT_BYTES <= HISTORY_BYTES as u64,
    "a token and what stands before it are at hand"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_begins_nothing_unless_a_byte_of_it_does() {
        for byte in 0..=u8::MAX {
            let mut block = [b'a'; BLOCK_BYTES];
            block[usize::from(byte) % BLOCK_BYTES] = byte;
            assert_eq!(may_begin_in(&block), escape::may_begin(byte), "{byte}");
        }
    }
}
