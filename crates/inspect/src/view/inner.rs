//! A channel of decoded bytes, and its way back to the original.
use super::map::{Shape, SpanMap};
use super::name::{View, name};
use super::{Channel, Desk, Level, SPAN_BYTES_MAX, VIEW_HELD_BYTES_MAX};
use crate::detector;
use crate::kinds::KINDS;
use crate::view::raw::HISTORY_BYTES;
use bartizan_core::detect::Finding;
use bartizan_core::kind::{KindId, KindSet};
use bartizan_core::span::Span;
use std::sync::LazyLock;

/// Decoded bytes whose originals are known. A finding begins no further back than what a channel holds, and its own views open no
/// further back than their history.
const MAP_BYTES: u64 = (detector::HELD_BYTES_MAX as u64).saturating_add(HISTORY_BYTES as u64);
/// Bytes of the original that came after what a view has decoded last.
const HELD_SLACK_BYTES: u64 = 64;
/// Bytes before a finding in which a change is a reason for it.
const BESIDE_BYTES_MAX: u64 = 64;
/// Decoded bytes that are handed on together.
const OUT_BYTES: usize = 512;

/// Which kinds a view looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    All,
    /// All but characters that nobody sees, and escapes of terminals: where a view leaves them as they are, they are found in the plain
    /// text.
    Seen,
    /// All of those but names and places, which nonsense is full of.
    Respelt,
    /// What is said in words.
    Said,
    /// Everything else.
    Unsaid,
}

/// Kinds by the first word of their names.
fn kinds_of(class: &str) -> Vec<KindId> {
    let kinds = KINDS.iter().zip(0..);
    let kinds = kinds.filter(|(info, _)| info.name.split('.').next() == Some(class));
    kinds.filter_map(|(_, index)| KindId::detected(index)).collect()
}

/// Kinds by their names.
fn named(names: &[&str]) -> Vec<KindId> {
    let kinds = KINDS.iter().zip(0..).filter(|(info, _)| names.contains(&info.name));
    kinds.filter_map(|(_, index)| KindId::detected(index)).collect()
}

/// Escapes of terminals do nothing where they are written out, and their own rule knows in which spellings they do.
static HIDDEN: LazyLock<Vec<KindId>> =
    LazyLock::new(|| kinds_of("hidden").into_iter().chain(named(&["active.ansi"])).collect());
static NAMES: LazyLock<Vec<KindId>> = LazyLock::new(|| {
    let names = named(&["pii.name", "pii.location", "pii.organisation"]);
    HIDDEN.iter().copied().chain(names).collect()
});
static SAID: LazyLock<Vec<KindId>> =
    LazyLock::new(|| [kinds_of("injection"), kinds_of("toxic")].concat());

impl Scope {
    /// Whether some of these kinds are in it.
    pub(super) fn wants(self, kinds: &KindSet) -> bool {
        !self.of(kinds).is_empty()
    }

    fn of(self, kinds: &KindSet) -> KindSet {
        let mut kinds = *kinds;
        match self {
            Self::All => {}
            Self::Seen => HIDDEN.iter().for_each(|&kind| kinds.remove(kind)),
            Self::Said => {
                let said = SAID.iter().copied().filter(|&kind| kinds.contains(kind));
                kinds = said.collect();
            }
            Self::Respelt => NAMES.iter().for_each(|&kind| kinds.remove(kind)),
            Self::Unsaid => SAID.iter().for_each(|&kind| kinds.remove(kind)),
        }
        kinds
    }

    pub(super) fn has(self, kind: KindId) -> bool {
        match self {
            Self::All => true,
            Self::Seen => !HIDDEN.contains(&kind),
            Self::Respelt => !NAMES.contains(&kind),
            Self::Said => SAID.contains(&kind),
            Self::Unsaid => !SAID.contains(&kind),
        }
    }
}

/// What a view reads.
pub(super) struct Inner {
    channel: Box<Channel>,
    map: SpanMap,
    /// Decoded bytes that were not handed on yet.
    out: Vec<u8>,
    /// Findings that begin before here in the original are of no concern: they stand in what is read only as context.
    floor: u64,
    /// The same for what is not said in words.
    floor_unsaid: u64,
    /// Whether only what a view changed is reported, for the plain text is read by others.
    changed_only: bool,
    /// The name of the view where the map knows none.
    view: View,
    scope: Scope,
    /// The budget is spent.
    closed: bool,
}

impl Inner {
    pub(super) fn new(level: Level, view: View, floor: u64, changed_only: bool) -> Self {
        Self {
            channel: Box::new(Channel::new(level)),
            map: SpanMap::new(MAP_BYTES),
            out: Vec::new(),
            floor,
            floor_unsaid: floor,
            changed_only,
            view,
            scope: Scope::All,
            closed: false,
        }
    }

    /// The same, for some kinds only.
    pub(super) fn only(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same, where what is not said in words does not begin before a place.
    pub(super) const fn after_word(mut self, end: u64) -> Self {
        self.floor_unsaid = end;
        self
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

    const fn reader(&self) -> Reader {
        let Self { floor, floor_unsaid, changed_only, view, scope, .. } = *self;
        Reader { floor, floor_unsaid, changed_only, view, scope }
    }

    /// Hands on what was added.
    pub(super) fn flush(&mut self, desk: &mut Desk<'_>) {
        if self.out.is_empty() {
            return;
        }
        let (map, reader) = (&self.map, self.reader());
        self.channel.push(&self.out, &mut |finding| reader.pass(map, finding, desk));
        self.out.clear();
    }

    /// The decoded text ends.
    pub(super) fn finish(mut self, desk: &mut Desk<'_>) {
        self.flush(desk);
        if !self.closed {
            let (map, reader) = (&self.map, self.reader());
            self.channel.finish(&mut |finding| reader.pass(map, finding, desk));
        }
    }

    /// The offset in the original before which no finding of these kinds begins; nothing when none is expected.
    pub(super) fn pending(&self, kinds: &KindSet) -> u64 {
        let kinds = self.scope.of(kinds);
        let pending = if kinds.is_empty() { u64::MAX } else { self.channel.pending(&kinds) };
        if pending < self.map.n_decoded() {
            let last = self.map.start_of(self.map.n_decoded().saturating_sub(1));
            let most =
                u64::try_from(VIEW_HELD_BYTES_MAX).unwrap_or(0).saturating_sub(HELD_SLACK_BYTES);
            let floor = if Scope::Said.wants(&kinds) { self.floor } else { self.floor_unsaid };
            self.map.start_of(pending).max(floor).max(last.saturating_sub(most))
        } else {
            u64::MAX
        }
    }
}

/// How findings come back.
#[derive(Clone, Copy)]
struct Reader {
    floor: u64,
    floor_unsaid: u64,
    changed_only: bool,
    view: View,
    scope: Scope,
}

impl Reader {
    fn pass(self, map: &SpanMap, finding: Finding, desk: &mut Desk<'_>) {
        if !self.scope.has(finding.kind) {
            return;
        }
        let Some(original) = map.original(finding.span.start, finding.span.end) else { return };
        // What stands beside it may be what the view changed: the word that announces a value, the end of another.
        let before = finding.span.start.saturating_sub(BESIDE_BYTES_MAX);
        let beside = map.original(before, finding.span.end.saturating_add(1).min(map.n_decoded()));
        let changed = original.view.or_else(|| beside.and_then(|beside| beside.view));
        let floor = if SAID.contains(&finding.kind) { self.floor } else { self.floor_unsaid };
        if original.start < floor || (self.changed_only && changed.is_none()) {
            return;
        }
        let view = changed.unwrap_or(self.view);
        let start = original.start.max(original.end.saturating_sub(SPAN_BYTES_MAX));
        let span = Span::new(start, original.end);
        (desk.report)(Finding { span, detector: name(finding.detector, view), ..finding });
    }
}
