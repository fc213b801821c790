//! Finds this request's own placeholders in an answer while it arrives, and says what goes in their place.
use super::context::Context;
use super::naming::Own;
use super::shape::{Cursor, Step};
use bartizan_core::json::encode_into;
use bartizan_core::span::Span;
use std::sync::Arc;

/// Reads one text in pieces. What it finds, and how far it still waits, are functions of the text so far.
pub(in crate::exchange) struct Restorer {
    own: Arc<Own>,
    cursor: Cursor,
    context: Context,
    /// The context at the last byte but one, for a placeholder that began with a backslash.
    before: (bool, bool),
    /// Whether what is being read stands in a URL, and whether in JSON.
    place: (bool, bool),
}

impl Restorer {
    pub(in crate::exchange) fn new(own: Arc<Own>) -> Self {
        let outside = (false, false);
        let (cursor, context) = (Cursor::new(), Context::new());
        Self { own, cursor, context, before: outside, place: outside }
    }

    /// Reads the next piece and reports each placeholder that is whole, with what goes in its place.
    pub(in crate::exchange) fn push(
        &mut self,
        piece: &[u8],
        report: &mut dyn FnMut(Span, Vec<u8>),
    ) {
        for &byte in piece {
            let here = (self.context.is_url(), self.context.is_json());
            match self.cursor.step(byte) {
                Step::Begun => self.place = here,
                Step::BegunBefore => self.place = self.before,
                Step::None if !self.cursor.body().is_empty() => {
                    if !self.own.has_prefix(self.cursor.body()) {
                        self.cursor.drop_body();
                    }
                }
                Step::None => {}
                Step::Whole => self.whole(report),
            }
            self.before = here;
            self.context.step(byte);
        }
    }

    fn whole(&self, report: &mut dyn FnMut(Span, Vec<u8>)) {
        let (is_url, is_json) = self.place;
        let Some(value) = self.own.value(self.cursor.body()).filter(|_| !is_url) else { return };
        let mut with = Vec::with_capacity(value.len());
        if is_json {
            encode_into(value, &mut with);
        } else {
            with.extend_from_slice(value);
        }
        report(Span::new(self.cursor.start(), self.cursor.at()), with);
    }

    /// The first byte that may still become part of a placeholder.
    pub(in crate::exchange) fn pending(&self) -> u64 {
        self.cursor.pending()
    }
}

impl std::fmt::Debug for Restorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restorer").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Every placeholder of a whole text, with what goes in its place; at most so many.
pub(in crate::exchange) fn restorations(
    own: &Arc<Own>,
    text: &[u8],
    places_max: usize,
) -> Vec<(Span, Vec<u8>)> {
    let mut found = Vec::new();
    if memchr::memchr(b'[', text).is_some() {
        let mut restorer = Restorer::new(Arc::clone(own));
        restorer.push(text, &mut |span, with| {
            if found.len() < places_max {
                found.push((span, with));
            }
        });
    }
    found
}
