//! Tool calls of one choice of a stream: a transaction. Nothing of them leaves before they are whole and judged.
use super::Guard;
use super::document::scan_call;
use super::findings::{Group, group, placeholder};
use crate::sse::write_event;
use bartizan_core::detect::Finding;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Splice, encode_into, splice};
use bartizan_core::kind::{Catalogue, Extent};
use bartizan_policy::{Action, Ladder};
use std::ops::Range;

/// One string of a tool call, put together from its pieces.
#[derive(Debug)]
struct Text {
    /// `delta.tool_calls[0].function.arguments`
    path: String,
    text: Vec<u8>,
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
    n_bytes: usize,
}

/// How a transaction was judged.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Findings, by the path of their string.
    pub(super) findings: Vec<(String, Finding, Action)>,
    /// Whether one of them refuses the calls.
    pub(super) refused: bool,
}

impl Calls {
    /// Whether no call has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Takes the next piece of the string at `path`, which stands at `range` of the current event's data.
    pub(super) fn piece(&mut self, path: &str, text: &[u8], range: Range<usize>) -> Piece {
        let index =
            self.texts.iter().position(|known| known.path == path).unwrap_or(self.texts.len());
        if index == self.texts.len() {
            self.texts.push(Text { path: path.to_owned(), text: Vec::new() });
        }
        let mut start = 0;
        if let Some(known) = self.texts.get_mut(index) {
            start = known.text.len();
            known.text.extend_from_slice(text);
        }
        self.n_bytes += text.len();
        Piece { text: index, start, len: text.len(), range }
    }

    /// Lets an event wait for the verdict.
    pub(super) fn wait(&mut self, data: &[u8], edits: Vec<Splice>, pieces: Vec<Piece>) {
        self.n_bytes += data.len();
        self.waiting.push(Waiting { data: data.to_vec(), edits, pieces });
    }

    /// Judges the calls, which are whole now.
    pub(super) fn judge(&self, guard: &Guard, ladder: &Ladder, catalogue: &Catalogue) -> Verdict {
        let mut findings = Vec::new();
        if guard.scan {
            for text in &self.texts {
                for finding in scan_call(guard, &text.text) {
                    let action = match (
                        ladder.action(Source::ToolCall, finding.kind),
                        catalogue.info(finding.kind).extent,
                    ) {
                        (Action::Redact, Extent::Part) => Action::Refuse,
                        (action, _) => action,
                    };
                    findings.push((text.path.clone(), finding, action));
                }
            }
        }
        let refused = findings.iter().any(|(_, _, action)| *action == Action::Refuse);
        Verdict { findings, refused }
    }

    /// The events that waited, redacted as the verdict says, and the released strings by path.
    pub(super) fn release(
        self,
        verdict: &Verdict,
        catalogue: &Catalogue,
    ) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
        let groups: Vec<Vec<Group>> =
            self.texts
                .iter()
                .map(|text| {
                    let of_text = verdict.findings.iter().filter(|(path, _, action)| {
                        *path == text.path && *action == Action::Redact
                    });
                    group(of_text.map(|(_, finding, _)| *finding))
                })
                .collect();
        let mut out = Vec::new();
        for waiting in self.waiting {
            let mut edits = waiting.edits;
            for piece in &waiting.pieces {
                let (Some(text), Some(groups)) =
                    (self.texts.get(piece.text), groups.get(piece.text))
                else {
                    continue;
                };
                if !groups.is_empty() {
                    let mut with = Vec::new();
                    encode_into(
                        &released(
                            &text.text,
                            piece.start..piece.start + piece.len,
                            groups,
                            catalogue,
                        ),
                        &mut with,
                    );
                    edits.push(Splice { range: piece.range.clone(), with });
                }
            }
            write_event(&splice(&waiting.data, edits), &mut out);
        }
        let whole = |(text, groups): (&Text, &Vec<Group>)| {
            (text.path.clone(), released(&text.text, 0..text.text.len(), groups, catalogue))
        };
        let texts = self.texts.iter().zip(&groups).map(whole).collect();
        (out, texts)
    }
}

/// The part of a text in `range` as it may go out: a placeholder stands in the piece where its group starts.
fn released(text: &[u8], range: Range<usize>, groups: &[Group], catalogue: &Catalogue) -> Vec<u8> {
    let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let mut out = Vec::new();
    let mut at = range.start;
    for group in groups {
        let (start, end) = (index(group.span.start), index(group.span.end));
        if end <= at || range.end <= start {
            continue;
        }
        out.extend_from_slice(text.get(at..start.max(at)).unwrap_or_default());
        if at <= start {
            out.extend_from_slice(placeholder(group.kind, catalogue).as_bytes());
        }
        at = end.min(range.end);
    }
    out.extend_from_slice(text.get(at..range.end).unwrap_or_default());
    out
}
