//! Views of a text: what it says once it is decoded, unfolded or turned round, read by the same rules as the text itself.
//!
//! A view is a decoder that reads the channel byte by byte and hands what it makes of it to a channel of its own ([`inner::Inner`]), which
//! reads it with all rules and, down to a named depth, with all views. What is found there is mapped back to the smallest part of the
//! original that says it. A view opens only where its trigger stands (a run of base64, an escape, letters of two scripts in a word), so
//! that ordinary text costs next to nothing; the trigger is a property of the bytes before it, so cuts change nothing.
//!
//! What is written backwards as a whole is known when its last byte, the first to be read, is there: it is reported when the channel
//! ends, under a name that ends in `.late`, and may begin before what was let go.
use crate::detector::{self, TextDetector};
use crate::model::ModelDetector;
use crate::{Ears, KINDS_LEN};
use bartizan_core::detect::{Detector, Finding, Score};
use bartizan_core::kind::{KindId, KindSet, LIMIT_VIEW};
use bartizan_core::span::Span;
use std::collections::BTreeSet;
use std::sync::LazyLock;

mod block;
mod escape;
mod fold;
mod inner;
mod letter;
mod map;
mod mark;
mod name;
mod raw;
mod respelt;
mod run;
mod scan;
mod sniff;
mod spaced;

pub(crate) use mark::{LITERALS, Literal, Mark, Marks, may_stand};
pub(crate) use name::View;

use block::Blocks;
use fold::Fold;
use raw::{HISTORY_BYTES, Raw};
use respelt::Respelt;
use run::Runs;
use spaced::Spaces;

/// Most views that lie over each other: base64 of base64 of a text that is spelled in escapes.
pub(crate) const DEPTH_MAX: u8 = 3;
/// Most bytes that the views of one channel hand to the rules.
pub(crate) const DECODED_BYTES_MAX: u64 = 16 << 20;
/// Most bytes of the original that a finding of a view covers; of what is longer, the end is.
const SPAN_BYTES_MAX: u64 = 16 << 10;
/// Bytes that a stream may make a detector hold back: what a view found, and what its rules look at after it.
pub const VIEW_HELD_BYTES_MAX: usize = 64 << 10;
/// Most late findings of one channel.
const LATE_MAX: usize = 256;
/// Bytes of a chunk that are read at a time.
const PIECE_BYTES: usize = 512;
/// Name and version of what reports that views met a limit.
const LIMIT_DETECTOR: &str = "limit.view@1";

/// Where a channel stands: how many views lie over it, and who listens to what it says.
#[derive(Clone, Copy, Debug)]
struct Level {
    depth: u8,
    /// Whether one of the views is another spelling, of which there is one at most: read twice so, a text means nothing.
    is_respelt: bool,
    ears: Ears,
}

impl Level {
    const fn new(ears: Ears) -> Self {
        Self { depth: 0, is_respelt: false, ears }
    }

    const fn deeper(self) -> Self {
        Self { depth: self.depth.saturating_add(1), ..self }
    }

    const fn respelt(self) -> Self {
        Self { is_respelt: true, ..self }
    }
}

/// Bytes of a channel that are at hand where the text model listens: as many as its findings may lie back.
const SAID_BYTES: usize = 8192;
const _: () = assert!(
    crate::model::HELD_BYTES_MAX + PIECE_BYTES as u64 <= SAID_BYTES as u64,
    "a sentence is at hand"
);

/// What a view reports to, and how much it may still do.
struct Desk<'d> {
    report: &'d mut dyn FnMut(Finding),
    budget: &'d mut Budget,
}

/// What one view of one channel has left. It is spent in the order of the channel's bytes, so cuts do not matter.
#[derive(Debug)]
struct Budget {
    /// Where this channel stands.
    level: Level,
    n_decoded: u64,
    /// Whether the limit that was met was reported.
    told: bool,
}

impl Budget {
    const fn new(level: Level) -> Self {
        Self { level, n_decoded: 0, told: false }
    }
}

impl Desk<'_> {
    /// The level of what opens here, if it may; else the limit is reported at the byte that ends at `end`, once.
    fn open(&mut self, end: u64) -> Option<Level> {
        if self.budget.level.depth < DEPTH_MAX && self.budget.n_decoded < DECODED_BYTES_MAX {
            return Some(self.budget.level.deeper());
        }
        self.limit(end);
        None
    }

    /// The level of another spelling that opens here, if one may. What is not opened so is not unread: it was read as it stands.
    fn deeper(&mut self) -> Option<Level> {
        let is_within =
            self.budget.level.depth < DEPTH_MAX && self.budget.n_decoded < DECODED_BYTES_MAX;
        (is_within && !self.budget.level.is_respelt).then(|| self.budget.level.deeper())
    }

    /// Takes the cost of `n` bytes, and returns how many of them may be handed on.
    fn spend(&mut self, n: usize) -> usize {
        let left = DECODED_BYTES_MAX.saturating_sub(self.budget.n_decoded);
        let n = n.min(usize::try_from(left).unwrap_or(usize::MAX));
        let spent = u64::try_from(n).unwrap_or(u64::MAX);
        self.budget.n_decoded = self.budget.n_decoded.saturating_add(spent);
        n
    }

    fn limit(&mut self, end: u64) {
        if !self.budget.told {
            self.budget.told = true;
            // One byte is enough to say where, and no byte of what was let go.
            let span = Span::new(end.saturating_sub(1), end);
            (self.report)(Finding {
                span,
                kind: LIMIT_VIEW,
                detector: LIMIT_DETECTOR,
                score: Score::CERTAIN,
            });
        }
    }
}

/// All views of one channel, each with its budget.
struct Views {
    level: Level,
    raw: Raw,
    fold: (Fold, Budget),
    runs: (Runs, Budget),
    spaces: (Spaces, Budget),
    respelt: Respelt,
    blocks: Blocks,
}

impl Views {
    fn new(level: Level) -> Self {
        let budget = || Budget::new(level);
        Self {
            level,
            raw: Raw::new(if level.ears.judge().is_some() { SAID_BYTES } else { HISTORY_BYTES }),
            fold: (Fold::default(), budget()),
            runs: (Runs::default(), budget()),
            spaces: (Spaces::default(), budget()),
            respelt: Respelt::new(level),
            blocks: Blocks::new(level),
        }
    }

    /// Reads the bytes that were added, of which there are at most [`PIECE_BYTES`], and the marks that end in them.
    fn read_piece(&mut self, marks: &[Mark], report: &mut dyn FnMut(Finding)) {
        self.read(marks, false, report);
        self.raw.trim();
    }

    fn read(&mut self, marks: &[Mark], ended: bool, report: &mut dyn FnMut(Finding)) {
        let (runs, budget) = &mut self.runs;
        runs.read(&self.raw, ended, &mut Desk { report, budget });
        let (fold, budget) = &mut self.fold;
        fold.read(&self.raw, ended, &mut Desk { report, budget });
        if !self.level.is_respelt {
            let (spaces, budget) = &mut self.spaces;
            spaces.read(&self.raw, ended, &mut Desk { report, budget });
            self.respelt.read(&self.raw, marks, ended, report);
            self.blocks.read(&self.raw, marks, ended, report);
        }
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        if self.level.depth >= DEPTH_MAX {
            return u64::MAX;
        }
        let (raw, level) = (&self.raw, self.level);
        let pending = self.fold.0.pending(raw, level, kinds);
        let pending = pending.min(self.runs.0.pending(raw, level, kinds));
        if level.is_respelt {
            return pending;
        }
        let pending = pending.min(self.respelt.pending(raw, kinds));
        pending.min(self.spaces.0.pending(raw, level, kinds))
    }
}

/// Most findings of the plain text, of those that begin before another's start, that it is compared with.
const COMPARED_MAX: usize = 8;
/// Findings of the plain text that are kept at least.
const SAME_FINDINGS: usize = 64;

/// What was found in the plain text of a channel: a secret with one escape in it is often found both ways, and is reported once.
#[derive(Debug, Default)]
struct Known {
    spans: BTreeSet<(KindId, u64, u64)>,
    /// How many there may be before the old ones are forgotten.
    n_most: usize,
}

impl Known {
    fn add(&mut self, finding: &Finding) {
        self.spans.insert((finding.kind, finding.span.start, finding.span.end));
    }

    /// Forgets what no view will find again: none finds what ended longer ago than it may be held.
    fn trim(&mut self, end: u64) {
        if self.spans.len() > self.n_most.max(SAME_FINDINGS) {
            let oldest = end.saturating_sub(u64::try_from(VIEW_HELD_BYTES_MAX).unwrap_or(0));
            self.spans.retain(|&(_, _, end)| end >= oldest);
            self.n_most = self.spans.len().saturating_mul(2);
        }
    }

    /// Whether the plain text says it too.
    fn covers(&self, finding: &Finding) -> bool {
        let (kind, span) = (finding.kind, finding.span);
        let before = self.spans.range((kind, 0, 0)..=(kind, span.start, u64::MAX));
        before.rev().take(COMPARED_MAX).any(|&(_, _, end)| span.end <= end)
    }
}

/// What was found in the plain text, and what views found and the plain text may still say too.
#[derive(Debug, Default)]
struct Same {
    known: Known,
    waiting: Vec<Finding>,
}

impl Same {
    /// Reports what waits and is decided: no finding of its kind that covers it is still to come.
    fn settle(&mut self, plain: &Plain, report: &mut dyn FnMut(Finding)) {
        let known = &self.known;
        self.waiting.retain(|finding| {
            let kinds = KindSet::from_iter([finding.kind]);
            let waits = plain.pending(&kinds) <= finding.span.start;
            if !waits && !known.covers(finding) {
                report(*finding);
            }
            waits
        });
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let wanted = self.waiting.iter().filter(|finding| kinds.contains(finding.kind));
        wanted.map(|finding| finding.span.start).min().unwrap_or(u64::MAX)
    }
}

/// What reads the bytes as they stand: the rules, and the text model where the text is somebody's request or data.
struct Plain {
    rules: TextDetector,
    /// Apart, for most streams have none.
    model: Option<Box<ModelDetector<'static>>>,
}

impl Plain {
    fn new(ears: Ears) -> Self {
        Self { rules: TextDetector::with_marks(), model: ears.detector().map(Box::new) }
    }

    /// Reads a piece, which is the end of `raw` already.
    fn push(&mut self, piece: &[u8], raw: &Raw, report: &mut dyn FnMut(Finding)) {
        self.rules.push(piece, report);
        if let Some(model) = &mut self.model {
            model.push(piece, &mut |finding| pass_said(finding, raw, report));
        }
    }

    fn finish(&mut self, raw: &Raw, report: &mut dyn FnMut(Finding)) {
        self.rules.finish(report);
        if let Some(model) = &mut self.model {
            model.finish(&mut |finding| pass_said(finding, raw, report));
        }
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let rules = self.rules.pending(kinds);
        self.model.as_ref().map_or(rules, |model| model.pending(kinds).min(rules))
    }
}

/// Passes on what the text model found, unless most of the sentence is written out: as it stands it says nothing.
fn pass_said(finding: Finding, raw: &Raw, report: &mut dyn FnMut(Finding)) {
    if !escape::is_mostly_written(raw.slice(finding.span.start, finding.span.end)) {
        report(finding);
    }
}

/// The kinds that views find.
static VIEWED: LazyLock<KindSet> = LazyLock::new(|| {
    let own = (0..KINDS_LEN).filter_map(|index| KindId::detected(u16::try_from(index).ok()?));
    own.chain([LIMIT_VIEW]).collect()
});

/// Reads one channel as it stands and through its views.
pub(crate) struct Channel {
    plain: Plain,
    views: Views,
    same: Same,
    ended: bool,
}

impl Channel {
    fn new(level: Level) -> Self {
        Self {
            plain: Plain::new(level.ears),
            views: Views::new(level),
            same: Same::default(),
            ended: false,
        }
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        for piece in chunk.chunks(PIECE_BYTES) {
            let Same { known, waiting } = &mut self.same;
            self.views.raw.extend(piece);
            self.plain.push(piece, &self.views.raw, &mut |finding| {
                known.add(&finding);
                report(finding);
            });
            let marks = self.plain.rules.take_marks();
            self.views.read_piece(&marks, &mut |finding| waiting.push(finding));
            if !self.same.waiting.is_empty() {
                self.same.settle(&self.plain, report);
            }
            self.same.known.trim(self.views.raw.end());
        }
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.ended = true;
        let Same { known, waiting } = &mut self.same;
        self.plain.finish(&self.views.raw, &mut |finding| {
            known.add(&finding);
            report(finding);
        });
        self.views.read(&[], true, &mut |finding| waiting.push(finding));
        for finding in self.same.waiting.drain(..) {
            if !self.same.known.covers(&finding) {
                report(finding);
            }
        }
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let plain = self.plain.pending(kinds);
        // What an operator looks for is looked for in the plain text only.
        if self.ended || !kinds.intersects(&VIEWED) {
            return plain;
        }
        plain.min(self.views.pending(kinds)).min(self.same.pending(kinds))
    }
}

/// The detector of one whole channel: what is known late is reported last.
pub(crate) struct ViewDetector {
    channel: Channel,
    late: Late,
}

/// Findings that are reported when the channel ends.
#[derive(Debug, Default)]
struct Late {
    found: Vec<Finding>,
    /// More than these were found: the place of the first that was not kept.
    limit: Option<Finding>,
}

impl Late {
    /// Keeps what is late and passes on the rest.
    fn keep(&mut self, finding: Finding, report: &mut dyn FnMut(Finding)) {
        if !name::is_late(finding.detector) {
            report(finding);
        } else if self.found.len() < LATE_MAX {
            self.found.push(finding);
        } else {
            let limit = Finding {
                kind: LIMIT_VIEW,
                detector: name::name(LIMIT_DETECTOR, View::Reversed),
                ..finding
            };
            self.limit.get_or_insert(limit);
        }
    }

    fn report(&mut self, report: &mut dyn FnMut(Finding)) {
        self.found.sort_unstable();
        self.found.dedup();
        self.found.drain(..).chain(self.limit.take()).for_each(report);
    }
}

impl ViewDetector {
    pub(crate) fn new(ears: Ears) -> Self {
        Self { channel: Channel::new(Level::new(ears)), late: Late::default() }
    }
}

impl Detector for ViewDetector {
    fn id(&self) -> &'static str {
        crate::DETECTOR_ID
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        let late = &mut self.late;
        self.channel.push(chunk, &mut |finding| late.keep(finding, report));
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        let late = &mut self.late;
        self.channel.finish(&mut |finding| late.keep(finding, report));
        late.report(report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        self.channel.pending(kinds)
    }
}

/// Reads a whole text at once: what stands there, and what its views say.
pub(crate) fn scan(ears: Ears, text: &[u8], report: &mut dyn FnMut(Finding)) {
    let (mut found, mut marks) = (Vec::new(), Marks::of_whole());
    let offset = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
    let mut mark = |view, start, end| marks.add(view, offset(start), offset(end));
    detector::scan(text, &mut mark, &mut |finding| found.push(finding));
    if let Some(judge) = ears.judge() {
        judge.findings(text, ears.source, &mut |finding| {
            let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
            let sentence = text.get(at(finding.span.start)..at(finding.span.end));
            if !escape::is_mostly_written(sentence.unwrap_or_default()) {
                found.push(finding);
            }
        });
        found.sort_unstable();
    }
    let marks = marks.take();
    // Most texts open no view, and are not read piece by piece to learn it.
    let may_open = !marks.is_empty()
        || fold::may_be_in(text)
        || run::may_be_in(text)
        || spaced::may_be_in(text);
    let seen = if may_open { scan_views(Level::new(ears), text, &marks) } else { Vec::new() };
    if !seen.is_empty() {
        let (mut late, mut known) = (Late::default(), Known::default());
        for finding in &found {
            known.add(finding);
        }
        for finding in seen.into_iter().filter(|finding| !known.covers(finding)) {
            late.keep(finding, &mut |finding| found.push(finding));
        }
        late.report(&mut |finding| found.push(finding));
        found.sort_unstable();
    }
    found.into_iter().for_each(report);
}

/// What the views of a whole text find.
fn scan_views(level: Level, text: &[u8], marks: &[Mark]) -> Vec<Finding> {
    let mut seen = Vec::new();
    let (mut views, mut rest) = (Views::new(level), marks);
    for piece in text.chunks(PIECE_BYTES) {
        let end = views.raw.end().saturating_add(u64::try_from(piece.len()).unwrap_or(0));
        let (now, later) = rest.split_at(rest.partition_point(|mark| mark.end <= end));
        views.raw.extend(piece);
        views.read_piece(now, &mut |finding| seen.push(finding));
        rest = later;
    }
    views.read(&[], true, &mut |finding| seen.push(finding));
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Judge;
    use bartizan_core::evidence::Source;

    /// There are as many of these as there are open streams.
    #[test]
    fn an_idle_channel_is_small() {
        assert!(size_of::<ViewDetector>() <= 1280, "{}", size_of::<ViewDetector>());
        let judge = Judge::shipped().ok().map(crate::intern::judge);
        let mut detector = ViewDetector::new(Ears { judge, source: Source::Model });
        for _ in 0..2000 {
            detector.push(b"The town", &mut |_| {});
        }
        let n_bytes = detector.channel.views.raw.memory_bytes();
        assert!(n_bytes <= HISTORY_BYTES + 272, "{n_bytes}");
    }
}
