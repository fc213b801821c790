//! The edits of a plain answer: what is redacted, how a refused choice ends, and log-probabilities beside the text that they repeat.
use crate::exchange::answer::Answer;
use crate::exchange::document::{
    Restored, Scan, Seen, StandIns, is_touched, merged, texts_of_part,
};
use crate::exchange::findings::{Group, Rungs, group, placeholder};
use crate::exchange::logprobs;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, NodeKind, Splice, Value, encode_into, raw_ranges};
use bartizan_core::kind::PSEUDONYM_OWN;
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What was seen and decided, in order of node.
struct Verdicts<'v> {
    seen: &'v [Seen],
    actions: &'v [Action],
    restored: &'v Restored,
}

impl<'v> Verdicts<'v> {
    /// What was seen in the nodes from `first` up to, but not including, `end`.
    fn within(
        &self,
        first: usize,
        end: usize,
    ) -> impl Iterator<Item = (&'v Seen, Action)> + use<'v> {
        let from = self.seen.partition_point(|seen| seen.node < first);
        let to = self.seen.partition_point(|seen| seen.node < end).max(from);
        let seen = self.seen.get(from..to).unwrap_or_default();
        let actions = self.actions.get(from..to).unwrap_or_default();
        seen.iter().zip(actions.iter().copied())
    }

    /// What was seen in one string.
    fn of(&self, node: Value<'_>) -> impl Iterator<Item = (&'v Seen, Action)> + use<'v> {
        self.within(node.index(), node.index() + 1)
    }
}

/// Where the first refused finding of each node starts.
type Refused = BTreeMap<usize, u64>;

impl Answer {
    /// The edits that the verdicts demand; `None` when something is refused that stands in no choice, or where nothing can be cut.
    pub(super) fn edit(
        &self,
        doc: &Doc<'_>,
        scan: &Scan<'_>,
        actions: &[Action],
        restored: &Restored,
    ) -> Option<Vec<Splice>> {
        let (seen, actions) = restored.among(&scan.seen, actions);
        let (seen, actions) = (seen.as_slice(), actions.as_slice());
        let verdicts = Verdicts { seen, actions, restored };
        let mut refused = Refused::new();
        for (seen, action) in seen.iter().zip(actions) {
            if *action == Action::Refuse {
                let start = seen.finding.span.start;
                let first = refused.entry(seen.node).or_insert(start);
                *first = start.min(*first);
            }
        }
        let mut edits = Vec::new();
        for choice in doc.root().get("choices").into_iter().flat_map(Value::items) {
            let mut here = Refused::new();
            while let Some(entry) = refused.first_entry() {
                if *entry.key() < choice.index() {
                    return None;
                }
                if !choice.holds(*entry.key()) {
                    break;
                }
                let (node, start) = entry.remove_entry();
                here.insert(node, start);
            }
            if !here.is_empty() {
                edits.extend(self.refuse_choice(choice, here, &verdicts)?);
            }
            edits.extend(self.edit_logprobs(choice, &verdicts));
        }
        if !refused.is_empty() {
            return None;
        }
        let covered = outermost(edits.iter().map(|edit: &Splice| edit.range.clone()));
        let is_covered = |range: &Range<usize>| {
            let next = covered.partition_point(|big| big.end < range.end);
            covered.get(next).is_some_and(|big| big.start <= range.start && range.end <= big.end)
        };
        let named = self.identity.named();
        let mut stand_ins = StandIns::Restored(restored);
        let redactions = scan.edits(doc, seen, actions, named, &mut stand_ins);
        edits.extend(redactions.into_iter().filter(|edit| !is_covered(&edit.range)));
        Some(edits)
    }

    /// Ends a choice as a stream would have: text up to the refused span, no tool calls, `finish_reason: "content_filter"`.
    /// `None` when something is refused that cannot be cut.
    fn refuse_choice(
        &self,
        choice: Value<'_>,
        mut refused: Refused,
        verdicts: &Verdicts<'_>,
    ) -> Option<Vec<Splice>> {
        let finish = choice.get("finish_reason")?;
        let message = choice.get("message")?;
        let mut edits =
            vec![Splice { range: finish.range(), with: b"\"content_filter\"".to_vec() }];
        for (key, value) in message.members() {
            if key.is_text("tool_calls") || key.is_text("function_call") {
                edits.push(null(value));
                refused.retain(|node, _| !value.holds(*node));
            } else if refused
                .range(value.index()..)
                .next()
                .is_some_and(|(node, _)| value.holds(*node))
            {
                self.cut_value(value, &mut refused, verdicts, &mut edits);
            }
        }
        // A refused key, or something beside the message.
        refused.is_empty().then_some(edits)
    }

    /// Cuts what is refused in one field of a message, and takes it off the list. Text of later parts goes too: it came after the end.
    fn cut_value(
        &self,
        value: Value<'_>,
        refused: &mut Refused,
        verdicts: &Verdicts<'_>,
        edits: &mut Vec<Splice>,
    ) {
        let parts: BTreeSet<usize> =
            value.items().flat_map(texts_of_part).map(Value::index).collect();
        let mut ended = false;
        let mut gone: Option<Value<'_>> = None;
        for node in value.descendants() {
            if gone.is_some_and(|gone| gone.holds(node.index())) {
                refused.remove(&node.index());
                continue;
            }
            if node.kind() == NodeKind::Key {
                continue;
            }
            match (refused.remove(&node.index()), node.kind()) {
                (Some(start), NodeKind::String) => {
                    let start = if ended { 0 } else { start };
                    edits.extend(self.cut(node, start, verdicts));
                    ended |= parts.contains(&node.index());
                }
                (Some(_), _) => {
                    edits.push(null(node));
                    gone = Some(node);
                }
                (None, NodeKind::String) if ended && parts.contains(&node.index()) => {
                    edits.push(Splice { range: node.inner_range(), with: Vec::new() });
                }
                (None, _) => {}
            }
        }
    }

    /// A string up to `start`, redacted before that.
    fn cut(&self, node: Value<'_>, start: u64, verdicts: &Verdicts<'_>) -> Option<Splice> {
        let inner = node.inner()?;
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        // What is refused in part is not restored.
        let is_cut = |seen: &Seen| {
            seen.finding.kind == PSEUDONYM_OWN && start < seen.finding.span.end
                || start <= seen.finding.span.start
        };
        let redacted =
            verdicts.of(node).filter(|(seen, action)| *action == Action::Redact && !is_cut(seen));
        let groups = group(redacted.map(|(seen, _)| seen.finding));
        let mut kept: Vec<Range<usize>> = Vec::with_capacity(groups.len() + 1);
        let mut at = 0;
        for group in &groups {
            kept.push(index(at)..index(group.span.start));
            at = group.span.end;
        }
        kept.push(index(at)..index(start.max(at)));
        let mut with = Vec::new();
        let with_of_group = |group: &Group| {
            let value =
                verdicts.restored.get(node, group.span).filter(|_| group.kind == PSEUDONYM_OWN);
            let Some(value) = value else {
                return placeholder(group.kind, &self.catalogue).into_bytes();
            };
            let mut escaped = Vec::with_capacity(value.len());
            encode_into(value, &mut escaped);
            escaped
        };
        let mut placeholders = groups.iter().map(with_of_group);
        for range in raw_ranges(inner, &kept) {
            with.extend_from_slice(inner.get(range).unwrap_or_default());
            with.extend_from_slice(&placeholders.next().unwrap_or_default());
        }
        Some(Splice { range: node.inner_range(), with })
    }

    /// Blanks log-probability entries of text that was redacted or refused, and all of a list that does not spell the text beside it.
    fn edit_logprobs(&self, choice: Value<'_>, verdicts: &Verdicts<'_>) -> Vec<Splice> {
        let mut edits = Vec::new();
        let Some(logprobs) = choice.get("logprobs") else { return edits };
        let rungs = Rungs::of_stream(&self.ladder, Source::Model, &self.catalogue);
        for (field, list) in logprobs.members() {
            if list.is_null() {
                continue;
            }
            if !logprobs::is_list(list) {
                let with: &[u8] = if list.kind() == NodeKind::Array { b"[]" } else { b"null" };
                edits.push(Splice { range: list.range(), with: with.to_vec() });
                continue;
            }
            let text = choice
                .get("message")
                .and_then(|message| message.get(&field.str().unwrap_or_default()));
            let places = text
                .and_then(Value::text)
                .and_then(|said| logprobs::align(list, 0, &said))
                .unwrap_or_default();
            let gone = merged(text.into_iter().flat_map(|text| verdicts.of(text)).filter_map(
                |(seen, action)| match action {
                    Action::Release => None,
                    Action::Redact => Some(seen.finding.span),
                    Action::Refuse => Some(Span::new(seen.finding.span.start, u64::MAX)),
                },
            ));
            let mut places = places.into_iter();
            for entry in list.items() {
                // Without a place it is another text than the one that was judged.
                let keep = places.next().is_some_and(|place| !is_touched(&gone, place))
                    && !logprobs::is_dirty(entry, &self.guard, &rungs);
                if !keep {
                    edits.push(Splice { range: entry.range(), with: logprobs::blank(entry) });
                }
            }
        }
        edits
    }
}

fn null(value: Value<'_>) -> Splice {
    Splice { range: value.range(), with: b"null".to_vec() }
}

/// The ranges that are in no other one, sorted.
fn outermost(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut sorted: Vec<Range<usize>> = ranges.collect();
    sorted.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut found: Vec<Range<usize>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        if found.last().is_none_or(|last| last.end < range.end) {
            found.push(range);
        }
    }
    found
}
