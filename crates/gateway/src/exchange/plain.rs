//! An answer that comes whole: a completion, embeddings, a list of models, an error.
use super::Endpoint;
use super::answer::{Answer, Closed, End, Failure, Fault};
use super::document::{Restored, Scan, Seen, is_media, texts_of_part};
use super::ids::holds_ids;
use super::open::reason_code;
use super::received::{Texts, scanned_body};
use crate::reply::Reply;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, NodeKind, Splice, Value, splice};
use bartizan_core::kind::{KindId, UNREAD_MEDIA, UNREAD_PROMPT_ECHO, UNREAD_TOKEN_IDS};
use bartizan_core::record::Outcome;
use bartizan_policy::{Action, Observation, Subject, judge};
use bytes::Bytes;
use std::collections::BTreeSet;

mod edit;
mod restore;
mod vector;

pub(super) use restore::names_something;

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

/// The kind for a field that gives out what is not read, when it holds something: by its name, or because it holds a list of ids.
pub(super) fn unread_field(key: &[u8], value: Value<'_>) -> Option<KindId> {
    let empty = value.is_null()
        || value.bool() == Some(false)
        || (value.kind() == NodeKind::Array && value.items().next().is_none());
    if empty {
        return None;
    }
    let named = UNREAD_FIELDS.iter().find(|(name, _)| name.as_bytes() == key);
    named.map(|&(_, kind)| kind).or_else(|| holds_ids(value).then_some(UNREAD_TOKEN_IDS))
}

impl Answer {
    /// Takes a whole answer that is not an event stream, whatever its status.
    pub fn plain(mut self, status: u16, body: &[u8], unix_ms: u64) -> Closed {
        if matches!(status, 401 | 403 | 407) {
            let fault = Fault::new(Failure::UpstreamKey, format_args!("HTTP {status}"));
            return self.replace(fault, body, unix_ms);
        }
        if (300..400).contains(&status) {
            let fault = Fault::new(Failure::Redirect, format_args!("HTTP {status}"));
            return self.replace(fault, body, unix_ms);
        }
        let doc = match Doc::read(body, self.guard.limits.json()) {
            Ok(doc) => doc,
            Err(error) if 400 <= status => {
                let cause = format_args!("HTTP {status}: {error}");
                return self.replace(Fault::new(Failure::BadStatus, cause), body, unix_ms);
            }
            Err(error) => {
                let fault = Fault::of_json(Failure::Malformed("it is no JSON"), &error);
                return self.replace(fault, body, unix_ms);
            }
        };
        if let Err(failure) = check_answer(status, doc.root(), self.guard.limits.choices_max) {
            return self.replace(failure, body, unix_ms);
        }
        let guard = self.guard.clone();
        let mut scan = Scan::of_answer(&guard);
        match self.facts.endpoint {
            Endpoint::Embeddings => scan_vectors(&mut scan, doc.root(), self.facts.wants_base64),
            _ => scan_answer(&mut scan, doc.root()),
        }
        let mut restored = self.restored(doc.root());
        let limits = &self.guard.limits;
        let over = [
            ("answer_bytes_max", limits.answer_bytes_max < restored.n_bytes()),
            ("findings_max", limits.findings_max < restored.n_places()),
        ];
        if let Some((limit, _)) = over.into_iter().find(|(_, is_over)| *is_over) {
            return self.replace(Failure::TooLarge(limit), body, unix_ms);
        }
        let (actions, edits) = self.weigh(&doc, &mut scan, &mut restored);
        let received = || scanned_body(&guard, &doc, &scan);
        let Some(edits) = edits else {
            let texts = self.identity.keep(|| Texts::of_received(received()));
            return self.refuse_whole(texts, unix_ms);
        };
        let refused = actions.contains(&Action::Refuse);
        let is_edited = !edits.is_empty();
        let released =
            if is_edited { Bytes::from(splice(body, edits)) } else { Bytes::copy_from_slice(body) };
        let received = || if is_edited { received() } else { None };
        let texts = self.identity.keep(|| Texts::of_both(released.to_vec(), received()));
        let tokens = doc.root().get("usage").and_then(tokens);
        let outcome = match (refused, status) {
            (true, _) => Outcome::Refused,
            (false, 400..) => Outcome::UpstreamError,
            _ => Outcome::Completed,
        };
        let reason = self.reason();
        let end = End { outcome, reason: reason.as_deref(), fault: None, tokens };
        self.close((status, released), texts, end, unix_ms)
    }

    /// Judges what was seen and edits the answer as [`Answer::edit`] says. When the time runs out on the way, that is one more thing that was
    /// seen.
    fn weigh(
        &mut self,
        doc: &Doc<'_>,
        scan: &mut Scan<'_>,
        restored: &mut Restored,
    ) -> (Vec<Action>, Option<Vec<Splice>>) {
        loop {
            let actions = self.decide(scan);
            self.judged = scan.judged(doc, &actions, Direction::Output);
            restored.drop_carried(&scan.seen, &actions, &self.catalogue);
            let edits = self.edit(doc, scan, &actions, restored);
            // At most once: then the time has been noted.
            if !scan.late(doc.root(), Source::Model) {
                return (actions, edits);
            }
        }
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
        let refused = scan
            .seen
            .iter()
            .zip(&actions)
            .filter(|(seen, action)| **action == Action::Refuse && !seen.is_of_whole);
        let refused: BTreeSet<usize> = refused.map(|(seen, _)| seen.node).collect();
        let mut ended: Option<(usize, u64)> = None;
        let mut counts = Vec::with_capacity(actions.len());
        for (seen, action) in scan.seen.iter().zip(&actions) {
            let start = seen.finding.span.start;
            let is_cut = seen.is_of_whole && refused.contains(&seen.node);
            let is_before = ended.is_none_or(|(node, end)| {
                node != seen.node || start <= end || seen.source == Source::ToolCall
            });
            counts.push(is_before && !is_cut);
            if *action == Action::Refuse && ended.is_none_or(|(node, _)| node != seen.node) {
                ended = Some((seen.node, start));
            }
        }
        scan.retain(&counts);
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
        decision.actions().to_vec()
    }

    /// The reason code of the first refusal.
    pub(super) fn reason(&self) -> Option<String> {
        let refused = self.judged.iter().find(|judged| {
            judged.direction == Direction::Output && judged.action == Action::Refuse
        });
        refused.map(|judged| reason_code(self.catalogue.info(judged.finding.kind).name))
    }

    /// Nothing of the answer may go out.
    fn refuse_whole(self, texts: Texts, unix_ms: u64) -> Closed {
        let reason = self.reason().unwrap_or_else(|| "policy".to_owned());
        let message = "policy does not let this answer out; ask for something else, or ask the gateway's operator";
        let reply = Reply {
            reason: Some(reason.clone()),
            record: self.identity.named(),
            ..Reply::new(502, "content_filter", message)
        };
        let answer = (reply.status, Bytes::from(reply.body()));
        let end =
            End { outcome: Outcome::Refused, reason: Some(&reason), fault: None, tokens: None };
        self.close(answer, texts, end, unix_ms)
    }
}

/// Tokens that the upstream counted: prompt, completion.
pub(super) fn tokens(usage: Value<'_>) -> Option<(u64, u64)> {
    let completion = usage.get("completion_tokens").and_then(Value::u64).unwrap_or(0);
    Some((usage.get("prompt_tokens")?.u64()?, completion))
}

/// Whether the answer has the shape that it is read by. What stands where something else belongs would be looked at as the wrong thing.
fn check_answer(status: u16, root: Value<'_>, choices_max: usize) -> Result<(), Failure> {
    let is_object = |value: Option<Value<'_>>| {
        value.is_none_or(|value| matches!(value.kind(), NodeKind::Object | NodeKind::Null))
    };
    let choices = root.get("choices").filter(|choices| !choices.is_null());
    let items = || choices.into_iter().flat_map(Value::items);
    let wrong = [
        ("its status is none", !(200..600).contains(&status)),
        ("it is no object", root.kind() != NodeKind::Object),
        ("`choices` is no array", choices.is_some_and(|list| list.kind() != NodeKind::Array)),
        ("a choice is no object", items().any(|choice| choice.kind() != NodeKind::Object)),
        ("`message` is no object", items().any(|choice| !is_object(choice.get("message")))),
        ("`logprobs` is no object", items().any(|choice| !is_object(choice.get("logprobs")))),
    ];
    if let Some((what, _)) = wrong.into_iter().find(|(_, is_wrong)| *is_wrong) {
        return Err(Failure::Malformed(what));
    }
    if items().nth(choices_max).is_some() {
        return Err(Failure::TooLarge("choices_max"));
    }
    Ok(())
}

fn scan_answer(scan: &mut Scan<'_>, root: Value<'_>) {
    for (key, value) in root.members() {
        scan.node(key, Source::Model);
        if key.is_text("choices") {
            value.items().for_each(|choice| scan_choice(scan, choice));
            continue;
        }
        note_unread(scan, key, value);
        scan.tree(value, Source::Model);
    }
}

fn scan_choice(scan: &mut Scan<'_>, choice: Value<'_>) {
    for (key, value) in choice.members() {
        scan.node(key, Source::Model);
        if key.is_text("logprobs") {
            // What is in them is dealt with beside the text that they repeat.
            value.members().for_each(|(key, _)| scan.node(key, Source::Model));
            continue;
        }
        if key.is_text("message") {
            scan_message(scan, value);
        } else {
            note_unread(scan, key, value);
            scan.tree(value, Source::Model);
        }
    }
}

fn scan_message(scan: &mut Scan<'_>, message: Value<'_>) {
    for (key, value) in message.members() {
        scan.node(key, Source::Model);
        note_unread(scan, key, value);
        let is_call = key.is_text("tool_calls") || key.is_text("function_call");
        scan.tree(value, if is_call { Source::ToolCall } else { Source::Model });
        if !is_call {
            let is_text = |node: &Value<'_>| node.kind() == NodeKind::String;
            value.descendants().filter(is_text).for_each(|node| scan.whole(node));
            for part in value.items().filter(|part| is_media(*part)) {
                scan.note(part, Source::Model, UNREAD_MEDIA);
            }
            let texts: Vec<Value<'_>> = value.items().flat_map(texts_of_part).collect();
            scan.joined(&texts, Source::Model);
        }
    }
}

fn note_unread(scan: &mut Scan<'_>, key: Value<'_>, value: Value<'_>) {
    if let Some(kind) = unread_field(&key.text().unwrap_or_default(), value) {
        scan.note(value, Source::Model, kind);
    }
}

/// Embedding vectors pass unread: numbers, or the base64 of numbers where the caller asked for that.
fn scan_vectors(scan: &mut Scan<'_>, root: Value<'_>, wants_base64: bool) {
    for (key, value) in root.members() {
        scan.node(key, Source::Model);
        if !key.is_text("data") || value.kind() != NodeKind::Array {
            scan.tree(value, Source::Model);
            continue;
        }
        for item in value.items() {
            if item.kind() != NodeKind::Object {
                scan.tree(item, Source::Model);
            }
            for (key, value) in item.members() {
                scan.node(key, Source::Model);
                if !(key.is_text("embedding") && vector::is_vector(value, wants_base64)) {
                    scan.tree(value, Source::Model);
                }
            }
        }
    }
}
