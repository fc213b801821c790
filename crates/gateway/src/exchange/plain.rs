//! An answer that comes whole: a completion, embeddings, a list of models, an error.
use super::Endpoint;
use super::answer::{Answer, Closed, Failure};
use super::document::{Scan, Seen, scan_text};
use super::findings::{Rungs, group, placeholder};
use super::logprobs;
use super::open::reason_code;
use crate::reply::Reply;
use bartizan_core::detect::Finding;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, NodeKind, Splice, Value, raw_range, splice};
use bartizan_core::kind::{Extent, KindId, UNREAD_MEDIA, UNREAD_PROMPT_ECHO, UNREAD_TOKEN_IDS};
use bartizan_core::record::Outcome;
use bartizan_core::span::Span;
use bartizan_policy::{Action, Observation, Subject, judge};
use bytes::Bytes;
use std::ops::Range;

/// Fields of an answer that give the prompt back, or carry what is not text.
const UNREAD_FIELDS: &[(&str, KindId)] = &[
    ("prompt_logprobs", UNREAD_PROMPT_ECHO),
    ("__verbose", UNREAD_PROMPT_ECHO),
    ("prompt_token_ids", UNREAD_TOKEN_IDS),
    ("token_ids", UNREAD_TOKEN_IDS),
    ("tokens", UNREAD_TOKEN_IDS),
    ("audio", UNREAD_MEDIA),
    ("images", UNREAD_MEDIA),
];

/// The kind for a field that gives out what is not read, when it holds something.
pub(super) fn unread_field(key: &[u8], value: Value<'_>) -> Option<KindId> {
    let empty = value.is_null()
        || value.bool() == Some(false)
        || (value.kind() == NodeKind::Array && value.items().next().is_none());
    if empty {
        return None;
    }
    UNREAD_FIELDS.iter().find(|(name, _)| name.as_bytes() == key).map(|&(_, kind)| kind)
}

impl Answer {
    /// Takes a whole answer that is not an event stream, whatever its status.
    pub fn plain(mut self, status: u16, body: &[u8], unix_ms: u64) -> Closed {
        if matches!(status, 401 | 403 | 407) {
            return self.fail(Failure::UpstreamKey, unix_ms);
        }
        if (300..400).contains(&status) {
            return self.fail(Failure::Redirect, unix_ms);
        }
        let Ok(doc) = Doc::read(body, self.guard.limits.json()) else {
            return self.fail(
                if 400 <= status { Failure::Unreachable } else { Failure::Malformed },
                unix_ms,
            );
        };
        if doc.root().kind() != NodeKind::Object || !(200..600).contains(&status) {
            return self.fail(Failure::Malformed, unix_ms);
        }
        let guard = self.guard.clone();
        let mut scan = Scan::new(&guard, &[]);
        match self.facts.endpoint {
            Endpoint::Embeddings => scan_vectors(&mut scan, doc.root(), self.facts.wants_base64),
            _ => scan_answer(&mut scan, doc.root()),
        }
        let actions = self.decide(&mut scan);
        self.judged = scan.judged(&doc, &actions, Direction::Output);
        let Some(edits) = self.edit(&doc, &scan, &actions) else {
            return self.refuse_whole(unix_ms);
        };
        let refused = actions.contains(&Action::Refuse);
        let released = if edits.is_empty() {
            Bytes::copy_from_slice(body)
        } else {
            Bytes::from(splice(body, edits))
        };
        let tokens = doc.root().get("usage").and_then(tokens);
        let outcome = match (refused, status) {
            (true, _) => Outcome::Refused,
            (false, 400..) => Outcome::UpstreamError,
            _ => Outcome::Completed,
        };
        let reason = self.reason();
        let kept = released.to_vec();
        self.close(status, released, Some(kept), outcome, reason.as_deref(), tokens, unix_ms)
    }

    /// Judges what was seen. Of the findings of one string, those after the start of a refused one do not count:
    /// a stream would have ended there.
    fn decide(&self, scan: &mut Scan<'_>) -> Vec<Action> {
        let subject = Subject {
            record: self.record(),
            direction: Direction::Output,
            roles: &self.identity.roles,
            route: &self.identity.route,
        };
        scan.seen.sort_by_key(|seen| (seen.node, seen.finding));
        let mut actions = self.actions(&subject, &scan.seen);
        let mut ended: Option<(usize, u64)> = None;
        let mut counts = Vec::with_capacity(actions.len());
        for (seen, action) in scan.seen.iter().zip(&actions) {
            let start = seen.finding.span.start;
            counts.push(ended.is_none_or(|(node, end)| {
                node != seen.node || start <= end || seen.source == Source::ToolCall
            }));
            if *action == Action::Refuse && ended.is_none_or(|(node, _)| node != seen.node) {
                ended = Some((seen.node, start));
            }
        }
        let mut keep = counts.iter();
        scan.seen.retain(|_| keep.next().copied().unwrap_or(true));
        let mut keep = counts.iter();
        actions.retain(|_| keep.next().copied().unwrap_or(true));
        actions
    }

    fn actions(&self, subject: &Subject<'_>, seen: &[Seen]) -> Vec<Action> {
        let observations: Vec<Observation> = seen
            .iter()
            .map(|seen| Observation { source: seen.source, kind: seen.finding.kind })
            .collect();
        let decision = judge(&self.guard.policy, subject, &observations);
        let strict = |(action, seen): (&Action, &Seen)| match (
            action,
            self.catalogue.info(seen.finding.kind).extent,
        ) {
            // As in a stream, where the beginning of the part would be out already.
            (Action::Redact, Extent::Part) => Action::Refuse,
            (action, _) => *action,
        };
        decision.actions().iter().zip(seen).map(strict).collect()
    }

    /// The reason code of the first refusal.
    pub(super) fn reason(&self) -> Option<String> {
        let refused = self.judged.iter().find(|judged| {
            judged.direction == Direction::Output && judged.action == Action::Refuse
        });
        refused.map(|judged| reason_code(self.catalogue.info(judged.finding.kind).name))
    }

    /// Nothing of the answer may go out.
    fn refuse_whole(self, unix_ms: u64) -> Closed {
        let reason = self.reason().unwrap_or_else(|| "policy".to_owned());
        let message = "policy does not let this answer out; ask for something else, or ask the gateway's operator";
        let reply = Reply {
            reason: Some(reason.clone()),
            record: Some(self.record()),
            ..Reply::new(502, "content_filter", message)
        };
        self.close(
            reply.status,
            Bytes::from(reply.body()),
            None,
            Outcome::Refused,
            Some(&reason),
            None,
            unix_ms,
        )
    }

    /// The edits that the verdicts demand; `None` when something is refused that stands in no choice.
    fn edit(&self, doc: &Doc<'_>, scan: &Scan<'_>, actions: &[Action]) -> Option<Vec<Splice>> {
        let mut edits = Vec::new();
        let choices: Vec<Value<'_>> =
            doc.root().get("choices").map(|choices| choices.items().collect()).unwrap_or_default();
        let choice_of = |seen: &Seen| choices.iter().position(|choice| choice.holds(seen.node));
        let refused: Vec<&Seen> = scan
            .seen
            .iter()
            .zip(actions)
            .filter(|(_, action)| **action == Action::Refuse)
            .map(|(seen, _)| seen)
            .collect();
        for seen in &refused {
            choice_of(seen)?;
        }
        for (at, choice) in choices.iter().enumerate() {
            let here: Vec<&Seen> =
                refused.iter().filter(|seen| choice_of(seen) == Some(at)).copied().collect();
            if !here.is_empty() {
                edits.extend(self.refuse_choice(*choice, &here, scan, actions)?);
            }
            edits.extend(self.edit_logprobs(*choice, scan, actions));
        }
        let covered: Vec<Range<usize>> =
            edits.iter().map(|edit: &Splice| edit.range.clone()).collect();
        let is_covered = |range: &Range<usize>| {
            covered.iter().any(|big| big.start <= range.start && range.end <= big.end)
        };
        let redactions = scan.edits(doc, actions, self.record());
        edits.extend(redactions.into_iter().filter(|edit| !is_covered(&edit.range)));
        Some(edits)
    }

    /// Ends a choice as a stream would have: text up to the refused span, no tool calls, `finish_reason: "content_filter"`.
    fn refuse_choice(
        &self,
        choice: Value<'_>,
        refused: &[&Seen],
        scan: &Scan<'_>,
        actions: &[Action],
    ) -> Option<Vec<Splice>> {
        let finish = choice.get("finish_reason")?;
        let message = choice.get("message")?;
        let mut edits =
            vec![Splice { range: finish.range(), with: b"\"content_filter\"".to_vec() }];
        for (key, value) in message.members() {
            if key.is_text("tool_calls") || key.is_text("function_call") {
                edits.push(Splice { range: value.range(), with: b"null".to_vec() });
                continue;
            }
            for node in value.descendants().filter(|node| node.kind() == NodeKind::String) {
                let first = refused
                    .iter()
                    .filter(|seen| seen.node == node.index())
                    .map(|seen| seen.finding.span.start)
                    .min();
                if let Some(start) = first {
                    edits.push(self.cut(node, start, scan, actions)?);
                }
            }
        }
        let outside = |seen: &&&Seen| !message.holds(seen.node);
        if refused.iter().any(|seen| outside(&seen)) {
            return None;
        }
        Some(edits)
    }

    /// A string up to `start`, redacted before that.
    fn cut(
        &self,
        node: Value<'_>,
        start: u64,
        scan: &Scan<'_>,
        actions: &[Action],
    ) -> Option<Splice> {
        let inner = node.inner()?;
        let raw = |from: u64, to: u64| {
            raw_range(
                inner,
                usize::try_from(from).unwrap_or(usize::MAX)
                    ..usize::try_from(to).unwrap_or(usize::MAX),
            )
        };
        let redacted = |(seen, action): (&Seen, &Action)| {
            let counts = seen.node == node.index()
                && *action == Action::Redact
                && seen.finding.span.start < start;
            counts.then_some(seen.finding)
        };
        let findings: Vec<Finding> = scan.seen.iter().zip(actions).filter_map(redacted).collect();
        let mut with = Vec::new();
        let mut at = 0;
        for group in group(findings.into_iter()) {
            with.extend_from_slice(inner.get(raw(at, group.span.start)).unwrap_or_default());
            with.extend_from_slice(placeholder(group.kind, &self.catalogue).as_bytes());
            at = group.span.end;
        }
        if at < start {
            with.extend_from_slice(inner.get(raw(at, start)).unwrap_or_default());
        }
        Some(Splice { range: node.inner_range(), with })
    }

    /// Blanks log-probability entries of text that was redacted or refused.
    fn edit_logprobs(&self, choice: Value<'_>, scan: &Scan<'_>, actions: &[Action]) -> Vec<Splice> {
        let mut edits = Vec::new();
        let Some(logprobs) = choice.get("logprobs").filter(|_| self.guard.scan) else {
            return edits;
        };
        let rungs = Rungs::of_stream(&self.ladder, Source::Model, &self.catalogue);
        for (field, list) in logprobs.members() {
            let text = choice
                .get("message")
                .and_then(|message| message.get(&field.str().unwrap_or_default()));
            let said = text.and_then(Value::text).unwrap_or_default();
            let node = text.map_or(usize::MAX, Value::index);
            let gone: Vec<Span> = scan
                .seen
                .iter()
                .zip(actions)
                .filter(|(seen, _)| seen.node == node)
                .filter_map(|(seen, action)| match action {
                    Action::Release => None,
                    Action::Redact => Some(seen.finding.span),
                    Action::Refuse => Some(Span::new(seen.finding.span.start, u64::MAX)),
                })
                .collect();
            let places = logprobs::align(list, 0, &said);
            let all = places.is_none()
                && (!gone.is_empty() || self.shows(&logprobs::text_of(list), &rungs));
            for (index, entry) in list.items().enumerate() {
                let place = places.as_ref().and_then(|places| places.get(index));
                let overlaps =
                    place.is_some_and(|place| gone.iter().any(|gone| gone.overlaps(*place)));
                if all || overlaps || logprobs::is_dirty(entry, &self.guard, &rungs) {
                    edits.push(Splice { range: entry.range(), with: logprobs::blank(entry) });
                }
            }
        }
        edits
    }

    fn shows(&self, text: &[u8], rungs: &Rungs) -> bool {
        scan_text(&self.guard, text)
            .iter()
            .any(|finding| rungs.action(finding.kind) != Action::Release)
    }
}

/// Tokens that the upstream counted: prompt, completion.
pub(super) fn tokens(usage: Value<'_>) -> Option<(u64, u64)> {
    let completion = usage.get("completion_tokens").and_then(Value::u64).unwrap_or(0);
    Some((usage.get("prompt_tokens")?.u64()?, completion))
}

fn scan_answer(scan: &mut Scan<'_>, root: Value<'_>) {
    for (key, value) in root.members() {
        scan.node(key, Source::Model);
        if key.is_text("choices") {
            value.items().for_each(|choice| scan_choice(scan, choice));
            continue;
        }
        if let Some(kind) = unread_field(&key.text().unwrap_or_default(), value) {
            scan.note(value, Source::Model, kind);
        }
        scan.tree(value, Source::Model);
    }
}

fn scan_choice(scan: &mut Scan<'_>, choice: Value<'_>) {
    for (key, value) in choice.members() {
        scan.node(key, Source::Model);
        if key.is_text("logprobs") {
            // Entries are dealt with beside the text that they repeat.
            for (key, value) in value.members() {
                scan.node(key, Source::Model);
                if value.kind() != NodeKind::Array {
                    scan.tree(value, Source::Model);
                }
            }
            continue;
        }
        if let Some(kind) = unread_field(&key.text().unwrap_or_default(), value) {
            scan.note(value, Source::Model, kind);
        }
        if !key.is_text("message") {
            scan.tree(value, Source::Model);
            continue;
        }
        for (key, value) in value.members() {
            scan.node(key, Source::Model);
            if let Some(kind) = unread_field(&key.text().unwrap_or_default(), value) {
                scan.note(value, Source::Model, kind);
            }
            let is_call = key.is_text("tool_calls") || key.is_text("function_call");
            scan.tree(value, if is_call { Source::ToolCall } else { Source::Model });
        }
    }
}

/// Embedding vectors pass unread: numbers, or the base64 of numbers where the caller asked for that.
fn scan_vectors(scan: &mut Scan<'_>, root: Value<'_>, wants_base64: bool) {
    for (key, value) in root.members() {
        scan.node(key, Source::Model);
        if !key.is_text("data") {
            scan.tree(value, Source::Model);
            continue;
        }
        for item in value.items() {
            for (key, value) in item.members() {
                scan.node(key, Source::Model);
                if !(key.is_text("embedding") && is_vector(value, wants_base64)) {
                    scan.tree(value, Source::Model);
                }
            }
        }
    }
}

fn is_vector(value: Value<'_>, wants_base64: bool) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    match value.kind() {
        NodeKind::Array => value.items().all(|item| item.kind() == NodeKind::Number),
        NodeKind::String => {
            wants_base64 && value.inner().is_some_and(|inner| inner.iter().all(is_base64))
        }
        _ => false,
    }
}
