//! A channel of decoded bytes, and its way back to the original.
use super::map::{Shape, SpanMap};
use super::name::{View, name};
use super::{Channel, Desk, HELD_BYTES_MAX};
use crate::view::raw::HISTORY_BYTES;
use bartizan_core::detect::Finding;
use bartizan_core::kind::KindSet;
use bartizan_core::span::Span;

/// Decoded bytes whose originals are known. A finding begins no further back than what a channel holds, and its own views open no
/// further back than their history.
const MAP_BYTES: u64 = (HELD_BYTES_MAX as u64).saturating_add(HISTORY_BYTES as u64);
/// Decoded bytes that are handed on together.
const OUT_BYTES: usize = 512;

/// What a view reads.
pub(super) struct Inner {
    channel: Box<Channel>,
    map: SpanMap,
    /// Decoded bytes that were not handed on yet.
    out: Vec<u8>,
    /// Findings that begin before here in the original are of no concern: they stand in what is read only as context.
    floor: u64,
    /// Whether only what a view changed is reported, for the plain text is read by others.
    changed_only: bool,
    /// The name of the view where the map knows none.
    view: View,
    /// The budget is spent.
    closed: bool,
}

impl Inner {
    pub(super) fn new(depth: u8, view: View, floor: u64, changed_only: bool) -> Self {
        Self {
            channel: Box::new(Channel::new(depth)),
            map: SpanMap::new(MAP_BYTES),
            out: Vec::new(),
            floor,
            changed_only,
            view,
            closed: false,
        }
    }

    /// Adds bytes of which the first has this shape, as far as the budget goes.
    pub(super) fn add(&mut self, bytes: &[u8], shape: Shape, desk: &mut Desk<'_>) {
        if self.closed || bytes.is_empty() {
            return;
        }
        let n = desk.spend(bytes.len());
        if let Some(bytes) = bytes.get(..n).filter(|bytes| !bytes.is_empty()) {
            self.map.extend(n, shape);
            self.out.extend_from_slice(bytes);
        }
        if n < bytes.len() {
            self.closed = true;
            let last = self.map.n_decoded().saturating_sub(1);
            desk.limit(self.map.start_of(last).saturating_add(1));
        }
    }

    /// Notes that something was left out.
    pub(super) fn leave_out(&mut self, view: View) {
        self.map.leave_out(view);
    }

    /// Whether what was added should be handed on.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= OUT_BYTES
    }

    /// Hands on what was added, but no half character.
    pub(super) fn flush(&mut self, desk: &mut Desk<'_>) {
        let n = self.out.len().saturating_sub(half_character(&self.out));
        self.hand_on(n, desk);
    }

    fn hand_on(&mut self, n: usize, desk: &mut Desk<'_>) {
        if n == 0 {
            return;
        }
        let (map, reader) = (&self.map, Reader::of(self.floor, self.changed_only, self.view));
        self.channel.push(self.out.get(..n).unwrap_or_default(), &mut |finding| {
            reader.pass(map, finding, desk);
        });
        self.out.drain(..n);
    }

    /// The decoded text ends.
    pub(super) fn finish(mut self, desk: &mut Desk<'_>) {
        self.hand_on(self.out.len(), desk);
        if !self.closed {
            let (map, reader) = (&self.map, Reader::of(self.floor, self.changed_only, self.view));
            self.channel.finish(&mut |finding| reader.pass(map, finding, desk));
        }
    }

    /// The offset in the original before which no finding of these kinds begins; nothing when none is expected.
    pub(super) fn pending(&self, kinds: &KindSet) -> u64 {
        let pending = self.channel.pending(kinds);
        if pending < self.map.n_decoded() {
            self.map.start_of(pending).max(self.floor)
        } else {
            u64::MAX
        }
    }
}

/// How findings come back.
#[derive(Clone, Copy)]
struct Reader {
    floor: u64,
    changed_only: bool,
    view: View,
}

impl Reader {
    const fn of(floor: u64, changed_only: bool, view: View) -> Self {
        Self { floor, changed_only, view }
    }

    fn pass(self, map: &SpanMap, finding: Finding, desk: &mut Desk<'_>) {
        let Some(original) = map.original(finding.span.start, finding.span.end) else { return };
        if original.start < self.floor || (self.changed_only && original.view.is_none()) {
            return;
        }
        let view = original.view.unwrap_or(self.view);
        let span = Span::new(original.start, original.end);
        (desk.report)(Finding { span, detector: name(finding.detector, view), ..finding });
    }
}

/// Bytes at the end that are the beginning of a character.
fn half_character(bytes: &[u8]) -> usize {
    for n in 1..=3_usize {
        let Some(at) = bytes.len().checked_sub(n) else { break };
        let needed = match bytes.get(at) {
            Some(0x80..=0xbf) => continue,
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => 1,
        };
        return if needed > n { n } else { 0 };
    }
    0
}
