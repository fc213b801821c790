//! Words in another alphabet: rot13 and atbash.
//!
//! A reading begins at a mark, which is what the rules and the text model look for as it looks in that alphabet ([`super::mark`]), and
//! goes on for a while after the last one.
use super::inner::{Inner, Scope};
use super::map::Shape;
use super::mark::{self, Mark, n_partial};
use super::name::View;
use super::raw::Raw;
use super::{Budget, Desk, Level};
use bartizan_core::detect::Finding;
use bartizan_core::kind::KindSet;

/// Bytes that are read after the beginning of the last mark.
const READING_BYTES: u64 = 512;
/// Bytes after its end for which a reading is kept: a mark that makes it go on is known only at its own end.
const SLACK_BYTES: u64 = 16;

/// A text in one alphabet.
struct Reading {
    view: View,
    inner: Inner,
    cursor: u64,
    ends: u64,
}

impl Reading {
    fn new(mark: &Mark, level: Level) -> Self {
        let (view, start) = (mark.view, mark.start);
        let inner = Inner::new(level, view, start, false).only(Scope::Respelt);
        let inner = if mark.is_word { inner.after_word(mark.end) } else { inner };
        Self { view, inner, cursor: start, ends: start.saturating_add(READING_BYTES) }
    }

    fn read(&mut self, raw: &Raw, desk: &mut Desk<'_>) {
        let bytes = raw.slice(self.cursor, raw.end().min(self.ends));
        let letters: Vec<u8> = bytes.iter().map(|&byte| mark::respell(self.view, byte)).collect();
        let shape = Shape { view: self.view, ..Shape::plain(self.cursor) };
        self.inner.add(&letters, shape, desk);
        self.cursor = self.cursor.saturating_add(u64::try_from(letters.len()).unwrap_or(0));
        self.inner.flush(desk);
    }

    fn pending(&self, raw: &Raw, kinds: &KindSet) -> u64 {
        let unread = if self.cursor < raw.end() { self.cursor } else { u64::MAX };
        self.inner.pending(kinds).min(unread)
    }
}

/// The reading of one alphabet, if one is open.
struct Alphabet {
    view: View,
    open: Option<Box<Reading>>,
    budget: Budget,
}

impl Alphabet {
    const fn new(view: View, level: Level) -> Self {
        Self { view, open: None, budget: Budget::new(level) }
    }

    fn read(&mut self, raw: &Raw, marks: &[Mark], ended: bool, report: &mut dyn FnMut(Finding)) {
        let desk = &mut Desk { report, budget: &mut self.budget };
        for mark in marks.iter().filter(|mark| mark.view == self.view) {
            match &mut self.open {
                Some(open) if mark.start < open.ends => {
                    open.ends = open.ends.max(mark.start.saturating_add(READING_BYTES));
                    continue;
                }
                Some(open) => open.read(raw, desk),
                None => {}
            }
            if let Some(open) = self.open.take() {
                open.inner.finish(desk);
            }
            let level = desk.deeper();
            self.open = level.map(|level| Box::new(Reading::new(mark, level.respelt())));
        }
        let Some(open) = &mut self.open else { return };
        open.read(raw, desk);
        if (ended || raw.end() >= open.ends.saturating_add(SLACK_BYTES))
            && let Some(open) = self.open.take()
        {
            open.inner.finish(desk);
        }
    }
}

/// Both alphabets of one channel.
pub(super) struct Respelt([Alphabet; 2]);

impl Respelt {
    pub(super) const fn new(level: Level) -> Self {
        Self([Alphabet::new(View::Rot13, level), Alphabet::new(View::Atbash, level)])
    }

    pub(super) fn read(
        &mut self,
        raw: &Raw,
        marks: &[Mark],
        ended: bool,
        report: &mut dyn FnMut(Finding),
    ) {
        for alphabet in &mut self.0 {
            if alphabet.open.is_some() || !marks.is_empty() {
                alphabet.read(raw, marks, ended, report);
            }
        }
    }

    pub(super) fn pending(&self, raw: &Raw, kinds: &KindSet) -> u64 {
        let open = self.0.iter().filter_map(|alphabet| alphabet.open.as_ref());
        let open = open.map(|open| open.pending(raw, kinds)).min().unwrap_or(u64::MAX);
        // The end of the text may be the beginning of a mark.
        let tail = raw.slice(raw.end().saturating_sub(SLACK_BYTES), raw.end());
        let n = n_partial(tail, Scope::Said.wants(kinds));
        let partial = u64::try_from(n).unwrap_or(0);
        if n == 0 { open } else { open.min(raw.end().saturating_sub(partial)) }
    }
}
