//! A whole JSON document, scanned: every string, every key and every long number, known field or not.
//!
//! Scanning observes ([`Scan::text`], [`Scan::tree`]); editing comes after the verdict ([`Scan::edits`]) and touches only the bytes
//! that must go, so that every other byte stays what the sender wrote.
use super::Guard;
use super::findings::Judged;
use bartizan_core::detect::{Finding, Inspector};
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, NodeKind, Value};
use bartizan_core::kind::{
    Catalogue, KindId, LIMIT_DETECTOR, LIMIT_FINDINGS, LIMIT_PSEUDONYMS, LIMIT_TIME, UPSTREAM_KEY,
};
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

mod edit;
mod keys;
mod marks;
pub(super) mod nested;
mod number;
mod place;

pub(super) use edit::{StandIns, is_touched, merged};
pub(super) use keys::tell_keys_apart;
pub(super) use marks::Restored;
pub use nested::scan_whole;
pub(super) use nested::{BareNumbers, plain_value, scan_call};
pub(super) use number::plain_digits;
pub(super) use place::place;

/// Bytes that are scanned between two looks at the clock: a look costs as much as scanning a few dozen bytes.
const LOOK_BYTES: usize = 16 << 10;
const OWN_ID: &str = "exchange@1";

/// One finding, by the node that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) finding: Finding,
    pub(super) source: Source,
    /// Index of the node.
    pub(super) node: usize,
    /// Which decoded bytes a redaction of the whole part takes.
    part: Option<Span>,
    /// It was judged by the whole text, which a stream that is refused does not have.
    pub(super) is_of_whole: bool,
}

impl Seen {
    /// A mark on the text of a node, which stands in no document apart.
    pub(super) fn mark(finding: Finding, source: Source, node: usize) -> Self {
        Self { finding, source, node, part: None, is_of_whole: false }
    }
}

/// What was seen in one document.
pub(super) struct Scan<'g> {
    guard: &'g Guard,
    catalogue: Catalogue,
    pub(super) seen: Vec<Seen>,
    /// Upstreams' keys that were taken out of `seen` because they stand where nothing leaves any more.
    uncounted_keys: Vec<Seen>,
    n_notes: usize,
    started_us: u64,
    /// Nothing is looked at any more.
    stopped: bool,
    /// The time ran out, and that has been noted.
    timed_out: bool,
    /// Bytes that were scanned since the last look at the clock.
    n_unwatched: usize,
    delimiters: &'g [(String, String)],
}

impl<'g> Scan<'g> {
    /// For a request: with the guard off nothing of it is looked at.
    pub(super) fn new(guard: &'g Guard, delimiters: &'g [(String, String)]) -> Self {
        Self { stopped: !guard.scan, delimiters, ..Self::of_answer(guard) }
    }

    /// For an answer: with the guard off it is still looked at for the upstreams' keys.
    pub(super) fn of_answer(guard: &'g Guard) -> Self {
        let catalogue = guard.catalogue();
        Self {
            guard,
            catalogue,
            seen: Vec::new(),
            uncounted_keys: Vec::new(),
            n_notes: 0,
            started_us: guard.clock.monotonic_us(),
            stopped: false,
            timed_out: false,
            n_unwatched: 0,
            delimiters: &[],
        }
    }

    /// Every kind that can be seen.
    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Notes content that is there and was not read.
    pub(super) fn note(&mut self, value: Value<'_>, source: Source, kind: KindId) {
        if !self.guard.scan {
            return;
        }
        self.n_notes += 1;
        match self.n_notes.cmp(&self.guard.limits.findings_max) {
            std::cmp::Ordering::Less | std::cmp::Ordering::Equal => self.add(value, source, kind),
            std::cmp::Ordering::Greater if !self.stopped => {
                self.stopped = true;
                self.add(value, source, LIMIT_FINDINGS);
            }
            std::cmp::Ordering::Greater => {}
        }
    }

    fn add(&mut self, value: Value<'_>, source: Source, kind: KindId) {
        let span = Span::new(0, value.raw().len() as u64);
        let finding = Finding::certain(span, kind, OWN_ID);
        self.seen.push(Seen::mark(finding, source, value.index()));
    }

    /// Whether the guards' time has run out since the last look; noted then, at `value`. True once at most.
    pub(super) fn late(&mut self, value: Value<'_>, source: Source) -> bool {
        let spent_us = self.guard.clock.monotonic_us().saturating_sub(self.started_us);
        let in_time = spent_us <= self.guard.limits.guard_ms.saturating_mul(1000);
        if in_time || self.timed_out || !self.guard.scan {
            return false;
        }
        (self.stopped, self.timed_out) = (true, true);
        self.add(value, source, LIMIT_TIME);
        true
    }

    /// Notes that more values are to be replaced than may be.
    pub(super) fn too_many_pseudonyms(&mut self, value: Value<'_>, source: Source) {
        self.add(value, source, LIMIT_PSEUDONYMS);
    }

    /// Whether everything that it was given has been looked at.
    pub(super) fn is_whole(&self) -> bool {
        let crashed = self.seen.iter().any(|seen| seen.finding.kind == LIMIT_DETECTOR);
        !self.guard.scan || !(self.stopped || crashed)
    }

    /// Keeps only what counts: `counts[i]` answers `seen[i]`.
    pub(super) fn retain(&mut self, counts: &[bool]) {
        let mut counts = counts.iter();
        let taken = self.seen.extract_if(.., |_| !counts.next().copied().unwrap_or(true));
        let keys = taken.filter(|seen| seen.finding.kind == UPSTREAM_KEY);
        self.uncounted_keys.extend(keys);
    }

    /// Scans a value and everything in it.
    pub(super) fn tree(&mut self, value: Value<'_>, source: Source) {
        for node in value.descendants() {
            self.node(node, source);
        }
    }

    /// Scans one string, key or number; passes everything else.
    pub(super) fn node(&mut self, node: Value<'_>, source: Source) {
        match node.kind() {
            NodeKind::String | NodeKind::Key => self.text(node, source),
            NodeKind::Number => self.number(node, source),
            _ => {}
        }
    }

    /// Scans one string or key.
    pub(super) fn text(&mut self, node: Value<'_>, source: Source) {
        if self.stopped {
            return;
        }
        let text = node.text().unwrap_or_default();
        self.found_in(&text, node, source);
    }

    /// Judges a string of an answer by its whole text.
    pub(super) fn whole(&mut self, node: Value<'_>) {
        if self.stopped {
            return;
        }
        let text = node.text().unwrap_or_default();
        for finding in judge_whole(self.guard, &text) {
            let seen = Seen::mark(finding, Source::Model, node.index());
            self.seen.push(Seen { is_of_whole: true, ..seen });
        }
        self.check_limits(node, Source::Model);
    }

    /// Scans only the first bytes of a string; the rest is known to be data.
    pub(super) fn head(&mut self, node: Value<'_>, n_bytes: usize, source: Source) {
        if self.stopped {
            return;
        }
        let text = node.text().unwrap_or_default();
        self.found_in(text.get(..n_bytes).unwrap_or(&text), node, source);
    }

    fn found_in(&mut self, text: &[u8], node: Value<'_>, source: Source) {
        if text.is_empty() {
            return;
        }
        let documents = if source == Source::User { self.documents(text) } else { Vec::new() };
        for finding in scan_call(self.guard, source, text) {
            let document = documents.iter().find_map(|of_delimiter| {
                let next = of_delimiter.partition_point(|known| known.end <= finding.span.start);
                of_delimiter.get(next).filter(|known| known.overlaps(finding.span)).copied()
            });
            let source = if document.is_some() { Source::Document } else { source };
            let seen = Seen::mark(finding, source, node.index());
            self.seen.push(Seen { part: document, ..seen });
        }
        self.check_limits(node, source);
    }

    /// Scans the texts of several strings put together, for what no single one of them shows. They have been scanned one by one.
    pub(super) fn joined(&mut self, nodes: &[Value<'_>], source: Source) {
        let (Some(&first), 2..) = (nodes.first(), nodes.len()) else { return };
        if self.stopped {
            return;
        }
        let mut text = Vec::new();
        let mut spans = Vec::with_capacity(nodes.len());
        for node in nodes {
            let start = text.len() as u64;
            text.extend_from_slice(&node.text().unwrap_or_default());
            spans.push(Span::new(start, text.len() as u64));
        }
        let recent = self.seen.iter().rev().take_while(|seen| first.index() <= seen.node);
        let mut known: BTreeSet<(usize, Finding)> =
            recent.map(|seen| (seen.node, seen.finding)).collect();
        'found: for finding in scan_call(self.guard, source, &text) {
            let next = spans.partition_point(|span| span.end <= finding.span.start);
            let pieces = nodes.iter().zip(&spans).skip(next);
            for (node, span) in pieces.take_while(|(_, span)| span.start < finding.span.end) {
                if self.guard.limits.findings_max < self.seen.len() {
                    break 'found;
                }
                let Some(finding) = piece_of(finding, *span) else { continue };
                if known.insert((node.index(), finding)) {
                    self.seen.push(Seen::mark(finding, source, node.index()));
                }
            }
        }
        self.check_limits(first, source);
    }

    /// Scans a number in its plain form.
    pub(super) fn number(&mut self, node: Value<'_>, source: Source) {
        if self.stopped {
            return;
        }
        if let Some(digits) = plain_digits(node.raw()) {
            for finding in scan_text(self.guard, source, &digits) {
                self.seen.push(Seen::mark(finding, source, node.index()));
            }
            self.check_limits(node, source);
        }
    }

    fn check_limits(&mut self, node: Value<'_>, source: Source) {
        self.n_unwatched += node.raw().len();
        let findings_max = self.guard.limits.findings_max;
        if findings_max < self.seen.len().saturating_sub(self.n_notes) {
            self.stopped = true;
            self.seen.truncate(findings_max.saturating_add(self.n_notes));
            self.add(node, source, LIMIT_FINDINGS);
        } else if LOOK_BYTES <= self.n_unwatched {
            self.n_unwatched = 0;
            self.late(node, source);
        }
    }

    /// Regions of a user's text that configuration sets apart as documents: sorted, for each pair of delimiters.
    fn documents(&self, text: &[u8]) -> Vec<Vec<Span>> {
        let of_delimiter = |(open, close): &(String, String)| {
            let (open, close) = (
                memchr::memmem::Finder::new(open.as_bytes()),
                memchr::memmem::Finder::new(close.as_bytes()),
            );
            let mut found = Vec::new();
            let mut at = 0;
            while let Some(start) = text.get(at..).and_then(|rest| open.find(rest)) {
                let inner = at + start + open.needle().len();
                let end = text
                    .get(inner..)
                    .and_then(|rest| close.find(rest))
                    .map_or(text.len(), |n| inner + n);
                found.push(Span::new(inner as u64, end as u64));
                at = (end + close.needle().len()).max(inner + 1);
            }
            found
        };
        self.delimiters.iter().map(of_delimiter).collect()
    }

    /// What was seen, with the verdict on each.
    pub(super) fn judged(
        &self,
        doc: &Doc<'_>,
        actions: &[Action],
        direction: Direction,
    ) -> Vec<Judged> {
        let mut nodes: Vec<usize> = self.seen.iter().map(|seen| seen.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let named: BTreeMap<usize, String> =
            nodes.iter().copied().zip(place::places(doc, &nodes)).collect();
        let judge = |(seen, &action): (&Seen, &Action)| Judged {
            finding: seen.finding,
            source: seen.source,
            direction,
            place: named.get(&seen.node).cloned().unwrap_or_default(),
            action,
        };
        self.seen.iter().zip(actions).map(judge).collect()
    }
}

/// The strings of one part of a message that a reader sees as its text, in order: a bare string, `text` and `refusal`.
pub(super) fn texts_of_part(part: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    let is_text = |key: Value<'_>| key.is_text("text") || key.is_text("refusal");
    let of_object = part.members().filter(move |(key, _)| is_text(*key)).map(|(_, value)| value);
    std::iter::once(part).chain(of_object).filter(|value| value.kind() == NodeKind::String)
}

/// Whether a part of a message says that it is media.
pub(super) fn is_media(part: Value<'_>) -> bool {
    const MEDIA_PARTS: &[&str] = &[
        "image_url",
        "input_image",
        "image",
        "input_audio",
        "audio_url",
        "video_url",
        "file",
        "input_file",
    ];
    let kind = part.get("type").and_then(Value::text).unwrap_or_default();
    MEDIA_PARTS.iter().any(|name| name.as_bytes() == &*kind)
}

/// Findings in one whole text, in order of span. A detector that fails is itself a finding.
pub(super) fn scan_text(guard: &Guard, source: Source, text: &[u8]) -> Vec<Finding> {
    scan_by(&*guard.inspector, source, text)
}

fn scan_by(inspector: &dyn Inspector, source: Source, text: &[u8]) -> Vec<Finding> {
    found_by(text, |report| inspector.scan(source, text, report))
}

/// What is judged by the whole of an answer's text only.
pub(super) fn judge_whole(guard: &Guard, text: &[u8]) -> Vec<Finding> {
    found_by(text, |report| guard.inspector.judge_whole(Source::Model, text, report))
}

fn found_by(text: &[u8], look: impl FnOnce(&mut dyn FnMut(Finding))) -> Vec<Finding> {
    let mut found = Vec::new();
    let ran = catch_unwind(AssertUnwindSafe(|| look(&mut |finding| found.push(finding))));
    if ran.is_err() {
        found.push(Finding::certain(Span::new(0, text.len() as u64), LIMIT_DETECTOR, OWN_ID));
    }
    found
}

/// The part of a finding in a piece of the text, counted from the piece's start.
fn piece_of(finding: Finding, piece: Span) -> Option<Finding> {
    let span = Span::new(
        finding.span.start.max(piece.start) - piece.start,
        finding.span.end.min(piece.end).saturating_sub(piece.start),
    );
    (!span.is_empty()).then_some(Finding { span, ..finding })
}

/// The bytes of a span, for looking them up in a text.
pub(super) fn range(span: Span) -> Range<usize> {
    usize::try_from(span.start).unwrap_or(usize::MAX)
        ..usize::try_from(span.end).unwrap_or(usize::MAX)
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}
