//! Words in another spelling: rot13, atbash, signs for letters, each word backwards.
//!
//! A reading begins at a word whose first bytes are those of something the rules look for ([`anchor`]), and goes on for a while. What is
//! written backwards as a whole begins at its end: it is looked for once a block is whole, and is late.
use super::anchor::{self, ANCHOR_BYTES};
use super::inner::{Inner, Scope};
use super::map::Shape;
use super::name::{View, name};
use super::raw::Raw;
use super::{Channel, Desk, Level};
use bartizan_core::detect::Finding;
use bartizan_core::kind::KindSet;
use bartizan_core::span::Span;

/// Bytes that are read after the last word that begins something.
const READING_BYTES: u64 = 512;
/// Bytes after its end for which a reading is kept, since the word that makes it go on is known only at its own end.
const SLACK_BYTES: u64 = 512;
/// Most bytes of a word that is turned round; the rest of a longer one is a word of its own.
const WORD_BYTES_MAX: usize = 240;
/// Offsets at which blocks of text that is written backwards as a whole begin are multiples of this.
const BLOCK_BYTES: u64 = 512;
/// Bytes before a block that are read with it.
const BEFORE_BYTES: u64 = 1024;

/// Text in one spelling.
struct Reading {
    view: View,
    inner: Inner,
    cursor: u64,
    ends: u64,
    /// A word that is not whole yet, backwards.
    word: Vec<u8>,
}

/// Letters, digits and what stands for them.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'$' | b'!' | b'|' | b'-' | b'_')
}

/// What is turned round: everything but blanks.
const fn is_token(byte: u8) -> bool {
    byte > b' '
}

const fn shape(view: View, original_at: u64, n: u8) -> Shape {
    Shape { view, original_at, n_decoded: n, n_original: n, index: 0, whole: true }
}

impl Reading {
    fn new(view: View, start: u64, level: Level) -> Self {
        let inner = Inner::new(level, view, start, false);
        // Signs are read as letters for what is said in words only.
        let inner = if view == View::Leet { inner.only(Scope::Said) } else { inner };
        let ends = start.saturating_add(READING_BYTES);
        Self { view, inner, cursor: start, ends, word: Vec::new() }
    }

    /// Reads on, and returns whether the reading is over.
    fn read(&mut self, raw: &Raw, ended: bool, desk: &mut Desk<'_>) -> bool {
        let end = raw.end().min(self.ends);
        for &byte in raw.slice(self.cursor, end) {
            match self.view {
                View::Backwards => self.turn(byte, desk),
                View::Leet => {
                    let Some(letter) = letter(raw, self.cursor, ended) else { break };
                    self.inner.add(&[letter], shape(self.view, self.cursor, 1), desk);
                }
                view => {
                    let letter = anchor::respell(view, byte);
                    self.inner.add(&[letter], shape(view, self.cursor, 1), desk);
                }
            }
            self.cursor = self.cursor.saturating_add(1);
        }
        if ended {
            self.end_word(desk);
        }
        self.inner.flush(desk);
        raw.end() >= self.ends.saturating_add(SLACK_BYTES)
    }

    /// Reads the byte at the cursor.
    fn turn(&mut self, byte: u8, desk: &mut Desk<'_>) {
        let is_whole = self.word.len() >= WORD_BYTES_MAX && byte & 0xc0 != 0x80;
        if is_token(byte) && !is_whole {
            self.word.push(byte);
            return;
        }
        self.end_word(desk);
        if is_token(byte) {
            self.word.push(byte);
        } else {
            self.inner.add(&[byte], Shape::plain(self.cursor), desk);
        }
    }

    /// The word ends before the cursor. What ends a sentence stays where it is.
    fn end_word(&mut self, desk: &mut Desk<'_>) {
        let word = std::mem::take(&mut self.word);
        let ends_sentence = |byte: &&u8| matches!(**byte, b'.' | b',' | b';' | b':' | b'!' | b'?');
        let n_end = word.iter().rev().take_while(ends_sentence).count();
        let (body, end) = word.split_at(word.len().saturating_sub(n_end));
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(0);
        let end_at = self.cursor.saturating_sub(length(end));
        let turned = reversed(body);
        let n = u8::try_from(turned.len()).unwrap_or(u8::MAX);
        let at = end_at.saturating_sub(length(body));
        self.inner.add(&turned, shape(View::Backwards, at, n), desk);
        self.inner.add(end, Shape::plain(end_at), desk);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let length = u64::try_from(self.word.len()).unwrap_or(0);
        let word = if length > 0 { self.cursor.saturating_sub(length) } else { u64::MAX };
        self.inner.pending(kinds).min(word)
    }
}

/// The letter that a byte is read as, if the byte after it tells: a sign at the end of a word is a sign, and two ones are two l.
fn letter(raw: &Raw, at: u64, ended: bool) -> Option<u8> {
    let byte = raw.get(at)?;
    let next = raw.get(at.saturating_add(1));
    if next.is_none() && !ended && anchor::unleet(byte) != byte {
        return None;
    }
    Some(match byte {
        b'1' if next == Some(b'1') || raw.back(at, 1) == Some(b'1') => b'l',
        b'!' | b'$' | b'|' | b'@' | b'+'
            if !next.is_some_and(|next| next.is_ascii_alphanumeric()) =>
        {
            byte
        }
        _ => anchor::unleet(byte),
    })
}

/// Bytes with their characters in reverse order.
fn reversed(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().rev().collect::<String>().into_bytes(),
        Err(_) => bytes.iter().rev().copied().collect(),
    }
}

/// All readings of one channel.
#[derive(Default)]
pub(super) struct Spellings {
    cursor: u64,
    /// Bytes of the word that the cursor is in.
    n_in_word: u64,
    open: Vec<Reading>,
    /// The block that the cursor is in has the end of something that is written backwards.
    is_marked: bool,
}

impl Spellings {
    pub(super) fn read(&mut self, raw: &Raw, ended: bool, desk: &mut Desk<'_>) {
        for &byte in raw.rest(self.cursor) {
            if is_word(byte) {
                self.n_in_word = self.n_in_word.saturating_add(1);
            } else if self.n_in_word > 0 {
                self.end_word(raw, desk);
            }
            self.cursor = self.cursor.saturating_add(1);
            // The first four bytes of a word tell, and what stands after a word of three is one of them.
            if self.n_in_word == 4 {
                self.begin(raw, desk);
            }
            if self.cursor.checked_rem(BLOCK_BYTES) == Some(0) {
                self.end_block(raw, BLOCK_BYTES, desk);
            }
        }
        if ended {
            if self.n_in_word > 0 {
                self.end_word(raw, desk);
            }
            self.end_block(raw, self.cursor.checked_rem(BLOCK_BYTES).unwrap_or(0), desk);
        }
        self.open.retain_mut(|reading| !reading.read(raw, ended, desk));
        if ended {
            self.open.drain(..).for_each(|reading| reading.inner.finish(desk));
        }
    }

    /// Four bytes of a word were read.
    fn begin(&mut self, raw: &Raw, desk: &mut Desk<'_>) {
        let start = self.cursor.saturating_sub(4);
        for view in anchor::spellings(raw.slice(start, self.cursor)) {
            self.open(view, start, desk);
        }
    }

    /// A word ends before the cursor.
    fn end_word(&mut self, raw: &Raw, desk: &mut Desk<'_>) {
        let n = std::mem::take(&mut self.n_in_word);
        let end = self.cursor;
        if n == 3 {
            // Three letters and a blank.
            let start = end.saturating_sub(3);
            for view in anchor::spellings(raw.slice(start, end)) {
                self.open(view, start, desk);
            }
        }
        if n < 3 {
            return;
        }
        let last = raw.slice(end.saturating_sub(n.min(4)), end);
        if anchor::begins(&reversed(last)) {
            self.is_marked = true;
            let start = end.saturating_sub(n.min(READING_BYTES));
            self.open(View::Backwards, token_start(raw, start), desk);
        }
    }

    /// Opens a reading, or makes the one that is open go on.
    fn open(&mut self, view: View, start: u64, desk: &mut Desk<'_>) {
        if let Some(reading) = self.open.iter_mut().find(|reading| reading.view == view) {
            // One that is behind reads up to here first.
            if start < reading.ends {
                reading.ends = start.saturating_add(READING_BYTES).max(reading.ends);
                return;
            }
        }
        self.open.retain(|reading| reading.view != view);
        if let Some(level) = desk.open(self.cursor) {
            self.open.push(Reading::new(view, start, level));
        }
    }

    /// A block of `n` bytes ends at the cursor.
    fn end_block(&mut self, raw: &Raw, n: u64, desk: &mut Desk<'_>) {
        if !std::mem::take(&mut self.is_marked) {
            return;
        }
        let Some(level) = desk.open(self.cursor) else { return };
        let start = raw.start_of_history(self.cursor, n.saturating_add(BEFORE_BYTES));
        let text = reversed(raw.slice(start, self.cursor));
        if desk.spend(text.len()) < text.len() {
            desk.limit(self.cursor);
            return;
        }
        let end = self.cursor;
        let mut channel = Channel::new(level);
        let mut report = |finding: Finding| {
            let span = Span::new(
                end.saturating_sub(finding.span.end).max(start),
                end.saturating_sub(finding.span.start),
            );
            let detector = name(finding.detector, View::Reversed);
            (desk.report)(Finding { span, detector, ..finding });
        };
        channel.push(&text, &mut report);
        channel.finish(&mut report);
    }

    pub(super) fn pending(&self, raw: &Raw, kinds: &KindSet) -> u64 {
        let open = self.open.iter().map(|reading| reading.pending(kinds)).min();
        let mut pending = open.unwrap_or(u64::MAX);
        let n = self.n_in_word;
        if n > 0 {
            let start = self.cursor.saturating_sub(n);
            let word = raw.slice(start, self.cursor);
            if n < 4 && anchor::may_begin(word) {
                pending = pending.min(start);
            }
            // A word is known to be written backwards by its last letters.
            let last = word.get(word.len().saturating_sub(ANCHOR_BYTES)..).unwrap_or_default();
            if n >= 3 && anchor::begins(&reversed(last)) {
                pending = pending.min(token_start(raw, start));
            }
        }
        pending
    }
}

/// Where the token begins that goes on at an offset.
fn token_start(raw: &Raw, at: u64) -> u64 {
    let from = raw.start_of_history(at, u64::try_from(WORD_BYTES_MAX).unwrap_or(0));
    let n = raw.slice(from, at).iter().rev().take_while(|&&byte| is_token(byte)).count();
    at.saturating_sub(u64::try_from(n).unwrap_or(0))
}
