//! Tool calls of one choice of a stream: a transaction. Nothing of them leaves before they are whole and judged.
use super::Guard;
use super::document::{
    BareNumbers, is_touched, judge_whole, merged, scan_call, scan_text, tell_keys_apart,
};
use super::findings::{group, is_carried};
use super::plain::names_something;
use super::pseudonym::{Own, restorations, restorations_in_call};
use crate::limits::Limits;
use crate::sse::write_event;
use bartizan_core::detect::Finding;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Splice, encode_into, splice};
use bartizan_core::kind::{Catalogue, PSEUDONYM_OWN};
use bartizan_core::span::Span;
use bartizan_policy::{Action, Ladder};
use std::ops::Range;
use std::sync::Arc;

/// One string of a tool call, put together from its pieces.
#[derive(Debug)]
struct Text {
    source: Source,
    /// `delta.tool_calls[0].function.arguments`
    path: String,
    bytes: Vec<u8>,
}

impl Text {
    /// Where this request's own placeholders stand, with what goes in their place.
    fn restored(&self, own: &Arc<Own>, limits: &Limits) -> Vec<(Span, Vec<u8>)> {
        let name = self.path.rsplit('.').next().unwrap_or_default();
        match self.source {
            Source::ToolCall if !own.in_calls || names_something(name.as_bytes()) => Vec::new(),
            Source::ToolCall => {
                restorations_in_call(own, &self.bytes, limits.json(), limits.findings_max)
            }
            _ => restorations(own, &self.bytes, limits.findings_max),
        }
    }

    /// What goes, and what stands there then: what the verdict takes out, and this request's own placeholders.
    fn changes(
        &self,
        verdict: &Verdict,
        catalogue: &Catalogue,
        own: Option<&Arc<Own>>,
        limits: &Limits,
    ) -> Vec<Change> {
        let of_text = verdict
            .findings
            .iter()
            .filter(|(path, _, _, action)| *path == self.path && *action == Action::Redact);
        let of_text: Vec<Finding> = of_text.map(|(_, _, finding, _)| *finding).collect();
        let mut restored = own.map(|own| self.restored(own, limits)).unwrap_or_default();
        // Where a value may not be carried away, it is not put back either.
        let carried = of_text.iter().filter(|finding| is_carried(finding.kind, catalogue));
        let carried = merged(carried.map(|finding| finding.span));
        restored.retain(|(span, _)| !is_touched(&carried, *span));
        let mark =
            |(span, _): &(Span, Vec<u8>)| Finding::certain(*span, PSEUDONYM_OWN, "exchange@1");
        let groups = group(of_text.into_iter().chain(restored.iter().map(mark)));
        let mut restored = restored.into_iter().peekable();
        // Arguments are JSON: a placeholder cannot stand where a number stood, `null` can.
        let numbers = BareNumbers::of(&self.bytes);
        let change = |group: super::findings::Group| {
            let span = group.span;
            while restored.next_if(|(own, _)| own.start < span.start).is_some() {}
            let value = restored.next_if(|(own, _)| *own == span && group.kind == PSEUDONYM_OWN);
            let with = value.map(|(_, value)| value);
            let with = with.unwrap_or_else(|| numbers.placeholder(span, group.kind, catalogue));
            (span, with)
        };
        let mut changes: Vec<(Span, Vec<u8>)> = groups.into_iter().map(change).collect();
        tell_keys_apart(&self.bytes, &mut changes);
        changes.into_iter().map(|(span, with)| Change { span, with }).collect()
    }

    fn ended(self, left: Left) -> CallText {
        let Self { source, path, bytes: received } = self;
        CallText { path, source, received, left }
    }
}

/// Bytes of a string that go, and what stands there then.
struct Change {
    span: Span,
    with: Vec<u8>,
}

/// One string in one event.
#[derive(Debug)]
pub(super) struct Piece {
    text: usize,
    start: usize,
    len: usize,
    range: Range<usize>,
}

impl Piece {
    /// Where its escaped text stands in the event's data.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The same piece in another event.
    pub(super) fn at(&self, range: Range<usize>) -> Self {
        Self { text: self.text, start: self.start, len: self.len, range }
    }
}

/// An event that waits.
#[derive(Debug)]
struct Waiting {
    data: Vec<u8>,
    /// Replacements decided already, for what is not part of a call.
    edits: Vec<Splice>,
    pieces: Vec<Piece>,
}

/// All tool calls of one choice.
#[derive(Debug, Default)]
pub(super) struct Calls {
    texts: Vec<Text>,
    waiting: Vec<Waiting>,
    /// Bytes of strings that wait.
    n_text_bytes: usize,
    is_over: bool,
    /// Bytes of events that wait.
    n_bytes: usize,
}

/// One string of a tool call at the end of its transaction.
#[derive(Debug)]
pub(super) struct CallText {
    /// `delta.tool_calls[0].function.arguments`
    pub(super) path: String,
    pub(super) source: Source,
    /// As it came.
    pub(super) received: Vec<u8>,
    pub(super) left: Left,
}

/// What left of a string.
#[derive(Debug)]
pub(super) enum Left {
    /// All of it, as it came.
    Same,
    /// This.
    Edited(Vec<u8>),
    /// Nothing.
    Nothing,
}

impl CallText {
    /// What left, if anything did.
    pub(super) fn released(&self) -> Option<&[u8]> {
        match &self.left {
            Left::Same => Some(&self.received),
            Left::Edited(text) => Some(text),
            Left::Nothing => None,
        }
    }

    /// Bytes that are kept.
    pub(super) fn n_bytes(&self) -> usize {
        let edited = if let Left::Edited(text) = &self.left { text.len() } else { 0 };
        self.received.len() + edited
    }
}

/// How a transaction was judged.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Findings, by the path of their string, and whose text it is.
    pub(super) findings: Vec<(String, Source, Finding, Action)>,
    /// Whether one of them refuses the calls.
    pub(super) refused: bool,
}

impl Calls {
    /// Whether nothing waits: neither a call nor a text in a list.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the strings that wait are over the limit, and were not before.
    pub(super) fn is_first_over(&mut self, bytes_max: usize) -> bool {
        let is_over = bytes_max < self.n_text_bytes;
        is_over && !std::mem::replace(&mut self.is_over, true)
    }

    /// Bytes of strings that wait.
    pub(super) fn n_text_bytes(&self) -> usize {
        self.n_text_bytes
    }

    /// Bytes of events that wait.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Takes the next piece of the string at `path`, which stands at `range` of the current event's data.
    pub(super) fn piece(
        &mut self,
        path: &str,
        source: Source,
        text: &[u8],
        range: Range<usize>,
    ) -> Piece {
        let index =
            self.texts.iter().position(|known| known.path == path).unwrap_or(self.texts.len());
        if index == self.texts.len() {
            self.texts.push(Text { source, path: path.to_owned(), bytes: Vec::new() });
        }
        let mut start = 0;
        if let Some(known) = self.texts.get_mut(index) {
            start = known.bytes.len();
            known.bytes.extend_from_slice(text);
        }
        self.n_text_bytes += text.len();
        Piece { text: index, start, len: text.len(), range }
    }

    /// Lets an event wait for the verdict.
    pub(super) fn wait(&mut self, data: &[u8], edits: Vec<Splice>, pieces: Vec<Piece>) {
        self.n_bytes += data.len();
        self.waiting.push(Waiting { data: data.to_vec(), edits, pieces });
    }

    /// Judges the calls, which are whole now.
    pub(super) fn judge(&self, guard: &Guard, ladder: &Ladder) -> Verdict {
        let mut findings = Vec::new();
        for text in &self.texts {
            let found = if text.source == Source::ToolCall {
                scan_call(guard, text.source, &text.bytes)
            } else {
                let mut found = scan_text(guard, text.source, &text.bytes);
                found.extend(judge_whole(guard, &text.bytes));
                found
            };
            for finding in found {
                let action = ladder.action(text.source, finding.kind);
                findings.push((text.path.clone(), text.source, finding, action));
            }
        }
        let refused = findings.iter().any(|(_, _, _, action)| *action == Action::Refuse);
        Verdict { findings, refused }
    }

    /// The strings so far, of which nothing leaves.
    pub(super) fn withheld(self) -> impl Iterator<Item = CallText> {
        self.texts.into_iter().map(|text| text.ended(Left::Nothing))
    }

    /// The strings so far, by path.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&str, Source, &[u8])> {
        self.texts.iter().map(|text| (text.path.as_str(), text.source, text.bytes.as_slice()))
    }

    /// The events that waited, redacted as the verdict says, and their strings.
    pub(super) fn release(
        self,
        verdict: &Verdict,
        catalogue: &Catalogue,
        own: Option<&Arc<Own>>,
        limits: &Limits,
    ) -> (Vec<u8>, Vec<CallText>) {
        let changes = |text: &Text| text.changes(verdict, catalogue, own, limits);
        let changes: Vec<Vec<Change>> = self.texts.iter().map(changes).collect();
        let mut out = Vec::new();
        for waiting in self.waiting {
            let mut edits = waiting.edits;
            for piece in &waiting.pieces {
                let (Some(text), Some(changes)) =
                    (self.texts.get(piece.text), changes.get(piece.text))
                else {
                    continue;
                };
                if !changes.is_empty() {
                    let range = piece.start..piece.start + piece.len;
                    let mut with = Vec::new();
                    encode_into(&released(&text.bytes, range, changes), &mut with);
                    edits.push(Splice { range: piece.range.clone(), with });
                }
            }
            write_event(&splice(&waiting.data, edits), &mut out);
        }
        let whole = |(text, changes): (Text, Vec<Change>)| {
            let left = if changes.is_empty() {
                Left::Same
            } else {
                Left::Edited(released(&text.bytes, 0..text.bytes.len(), &changes))
            };
            text.ended(left)
        };
        let texts = self.texts.into_iter().zip(changes).map(whole).collect();
        (out, texts)
    }
}

/// The part of a text in `range` as it may go out: what comes for something stands in the piece where that starts.
fn released(text: &[u8], range: Range<usize>, changes: &[Change]) -> Vec<u8> {
    let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let mut out = Vec::new();
    let mut at = range.start;
    for Change { span, with } in changes {
        let (start, end) = (index(span.start), index(span.end));
        if end <= at || range.end <= start {
            continue;
        }
        out.extend_from_slice(text.get(at..start.max(at)).unwrap_or_default());
        if at <= start {
            out.extend_from_slice(with);
        }
        at = end.min(range.end);
    }
    out.extend_from_slice(text.get(at..range.end).unwrap_or_default());
    out
}
