//! An answer that comes as an event stream, released while it arrives.
//!
//! Text leaves through its channel. Tool calls wait until they are whole. Whatever carries a `finish_reason`, and all that follows it, waits in
//! the tail until the OUTCOME is durable: clients act on it before `[DONE]`.
use super::answer::{Answer, Failure, Fault};
use super::choice::{Choice, PathText, safe_path};
use super::document::{plain_digits, scan_text};
use super::findings::{Counts, Judged, Rungs, bits, group, placeholder, verdict_bits};
use super::plain::tokens;
use super::received::Texts;
use super::record::{Ended, string};
use crate::sse::{Deframer, Event, SseError, write_event};
use bartizan_core::detect::Finding;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, NodeKind, Splice, Value, raw_range, splice};
use bartizan_core::kind::{
    KindId, LIMIT_EVENT_BYTES, LIMIT_FINDINGS, LIMIT_TIME, LIMIT_TOOL_CALL_BYTES,
};
use bartizan_core::record::{Draft, Outcome};
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Short strings that stand outside the text (ids, names) and were found clean, kept so that they are not scanned again with every event.
const CLEAN_VALUES_MAX: usize = 24;
/// Most bytes of events that wait, for each byte of calls that may wait: a call that comes token by token has much more frame than text.
const CALL_OVERHEAD_MAX: usize = 64;
/// Longer strings are not worth keeping.
const CLEAN_VALUE_BYTES_MAX: usize = 128;

/// Whether the shell may go on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// More bytes of the upstream are wanted.
    Open,
    /// All that may leave without a durable OUTCOME has left.
    Sealed,
}

/// Releases one event stream.
#[derive(Debug)]
pub struct StreamGuard {
    deframer: Deframer,
    stream: Stream,
}

impl StreamGuard {
    pub(super) fn new(answer: Answer) -> Self {
        let deframer = Deframer::new(answer.guard.limits.event_bytes_max);
        Self { deframer, stream: Stream::new(answer) }
    }

    /// The exchange's name.
    pub fn record(&self) -> bartizan_core::record::RecordId {
        self.stream.answer.record()
    }

    /// Takes the next bytes of the upstream and appends to `out` what may leave.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> StreamState {
        if self.stream.ended.is_none() {
            let started_us = self.stream.answer.guard.clock.monotonic_us();
            self.deframer.push(bytes);
            self.drain(false, out);
            self.stream.count_time(started_us, out);
        }
        self.state()
    }

    /// Ends the stream: the upstream's body is over, or `failure` stopped it. Always leaves the guard sealed.
    pub fn end(&mut self, failure: Option<Failure>, out: &mut Vec<u8>) -> StreamState {
        self.end_by(failure.map(Fault::from), out)
    }

    /// The same, with the cause of a failure.
    pub fn end_by(&mut self, fault: Option<Fault>, out: &mut Vec<u8>) -> StreamState {
        if self.stream.ended.is_none() && fault.is_none() {
            self.drain(true, out);
        }
        if self.stream.ended.is_none() {
            match fault {
                None if self.stream.all_finished() => self.stream.complete(out),
                None => {
                    let cause = "its end came before a `finish_reason`";
                    self.stream.fail(Fault::new(Failure::Broken, cause), out);
                }
                Some(fault) => self.stream.fail(fault, out),
            }
        }
        self.state()
    }

    /// What failed, where something did.
    pub fn fault(&self) -> Option<&Fault> {
        self.stream.fault.as_ref()
    }

    fn drain(&mut self, at_end: bool, out: &mut Vec<u8>) {
        while self.stream.ended.is_none() {
            match self.deframer.next_event(at_end) {
                Ok(Some(event)) => self.stream.event(&event, out),
                Ok(None) => return,
                Err(SseError::EventTooLong { .. }) => {
                    return self.stream.limit(
                        LIMIT_EVENT_BYTES,
                        Failure::TooLarge("event_bytes_max"),
                        out,
                    );
                }
            }
        }
    }

    fn state(&self) -> StreamState {
        if self.stream.ended.is_some() { StreamState::Sealed } else { StreamState::Open }
    }

    /// How the stream ended; [`Outcome::Interrupted`] while it is open.
    pub fn ended(&self) -> Outcome {
        self.stream.ended.unwrap_or(Outcome::Interrupted)
    }

    /// The OUTCOME, once sealed. It must be durable before [`StreamGuard::tail`] leaves.
    pub fn outcome(&mut self, unix_ms: u64) -> Draft {
        self.stream.outcome(unix_ms)
    }

    /// What leaves after the OUTCOME is durable: tool calls, `finish_reason`, usage, the findings, `[DONE]`.
    pub fn tail(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stream.tail)
    }

    /// What leaves instead when the OUTCOME cannot be made durable.
    pub fn unrecorded(&mut self) -> Vec<u8> {
        self.stream.tail.clear();
        let message = "the answer cannot be recorded, so its end is not released; tell the gateway's operator";
        let reply = crate::reply::Reply {
            record: Some(self.record()),
            ..crate::reply::Reply::new(503, "audit_unavailable", message)
        };
        let mut out = Vec::new();
        write_event(&reply.body(), &mut out);
        out
    }
}

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) answer: Answer,
    pub(super) rungs: Rungs,
    pub(super) choices: Vec<Choice>,
    /// `id`, `created` and `model` as the first event wrote them, for events of our own.
    head: Option<[Vec<u8>; 3]>,
    clean: Vec<Vec<u8>>,
    usage: Option<(u64, u64)>,
    pub(super) tail: Vec<u8>,
    pub(super) ended: Option<Outcome>,
    fault: Option<Fault>,
    /// Why an event cannot be read, until that is the stream's fault.
    unread: Option<Fault>,
    /// Events so far.
    n_events: u64,
    spent_us: u64,
    n_text_bytes: usize,
    /// Something was refused that stands in no choice: nothing more leaves, whichever choices were still to come.
    pub(super) is_refused_whole: bool,
    /// Findings outside running text: a name that every event repeats is one finding.
    outside: BTreeSet<(Finding, Source)>,
    /// Places with findings so far.
    n_places: usize,
    /// More than may be kept, which has been noted.
    is_crowded: bool,
}

impl Stream {
    fn new(answer: Answer) -> Self {
        let rungs = Rungs::of_stream(&answer.ladder, Source::Model, &answer.catalogue);
        Self {
            answer,
            rungs,
            choices: Vec::new(),
            head: None,
            clean: Vec::new(),
            usage: None,
            tail: Vec::new(),
            ended: None,
            fault: None,
            unread: None,
            n_events: 0,
            spent_us: 0,
            n_text_bytes: 0,
            is_refused_whole: false,
            outside: BTreeSet::new(),
            n_places: 0,
            is_crowded: false,
        }
    }

    fn count_time(&mut self, started_us: u64, out: &mut Vec<u8>) {
        self.spent_us += self.answer.guard.clock.monotonic_us().saturating_sub(started_us);
        if self.ended.is_none()
            && self.answer.guard.limits.guard_ms.saturating_mul(1000) < self.spent_us
        {
            self.spent_us = 0;
            self.limit(LIMIT_TIME, Failure::TooLarge("guard_ms"), out);
        }
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.n_events = self.n_events.saturating_add(1);
        let Some(data) = event.data.as_deref() else {
            // A comment keeps the connection alive; its text is nobody's business.
            out.extend_from_slice(b":\n\n");
            return;
        };
        if data.trim_ascii() == b"[DONE]" {
            return self.complete(out);
        }
        if data.is_empty() {
            return;
        }
        if let Err(failure) = self.chunk(event, data, out) {
            let fault = self.unread.take().unwrap_or_else(|| failure.into());
            let cause = fault.cause.as_deref().unwrap_or("it cannot be read");
            let cause = format!("event {}: {cause}", self.n_events);
            self.fail(Fault::new(fault.failure, cause), out);
        } else if self.ended.is_none() && self.all_refused() {
            self.complete(out);
        }
    }

    fn chunk(&mut self, event: &Event<'_>, data: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let limits = self.answer.guard.limits.json();
        let doc = Doc::read(data, limits).map_err(|error| {
            let fault = Fault::of_json(Failure::Malformed("it is no JSON"), &error);
            self.unread.insert(fault).failure
        })?;
        let choices = choices_of(doc.root())?;
        let mut frame = Frame { event, data, edits: Vec::new() };
        let is_error = self.outside(doc.root(), &mut frame.edits);
        if self.is_refused_whole {
            return Ok(());
        }
        if is_error {
            let fault = Fault::new(Failure::Broken, "the upstream says that it failed");
            return Err(self.unread.insert(fault).failure);
        }
        if self.head.is_none() {
            self.head = Some(head(doc.root(), &frame.edits));
        }
        match choices.as_slice() {
            [] => {
                let is_after_end = self.choices.iter().any(Choice::is_finished);
                frame.write(if is_after_end { &mut self.tail } else { out });
            }
            [choice] => self.choice(*choice, frame, out)?,
            _ => self.split_choices(doc.root(), &choices, &frame, out)?,
        }
        Ok(())
    }

    /// Scans everything of an event but its choices. Whether the event is an error.
    fn outside(&mut self, root: Value<'_>, edits: &mut Vec<Splice>) -> bool {
        let mut is_error = false;
        for (key, value) in root.members() {
            self.value(key, Source::Model, edits);
            if key.is_text("choices") {
                continue;
            }
            self.note_unread(key, value);
            if key.is_text("usage") {
                self.usage = tokens(value).or(self.usage);
            }
            is_error |= key.is_text("error") && !value.is_null();
            value.descendants().for_each(|node| self.value(node, Source::Model, edits));
        }
        is_error
    }

    /// One event for each choice, so that what waits or ends in one of them does not delay or swallow another.
    fn split_choices(
        &mut self,
        root: Value<'_>,
        choices: &[Value<'_>],
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        for choice in choices {
            let mut data = self.own_event_until_choice();
            data.extend_from_slice(choice.raw());
            data.extend_from_slice(b"]}");
            let event = Event { raw: &[], data: None, bare: None };
            self.chunk(&event, &data, out)?;
            if self.is_refused_whole {
                return Ok(());
            }
        }
        let has_usage = root.get("usage").is_some_and(|usage| !usage.is_null());
        if let (Some(list), true) = (root.get("choices"), has_usage) {
            let mut rest =
                Frame { event: frame.event, data: frame.data, edits: frame.edits.clone() };
            rest.edits.push(Splice { range: list.range(), with: b"[]".to_vec() });
            let is_after_end = self.choices.iter().any(Choice::is_finished);
            rest.write(if is_after_end { &mut self.tail } else { out });
        }
        Ok(())
    }

    /// Scans one string, key or number that is not part of a channel.
    pub(super) fn value(&mut self, node: Value<'_>, source: Source, edits: &mut Vec<Splice>) {
        let found = match (node.kind(), node.text()) {
            (NodeKind::String | NodeKind::Key, Some(text)) => {
                let inner = node.inner().unwrap_or_default();
                if inner.is_empty() || self.clean.iter().any(|clean| clean == inner) {
                    return;
                }
                let found = scan_text(&self.answer.guard, source, &text);
                if found.is_empty() {
                    self.keep_clean(inner);
                }
                found
            }
            (NodeKind::Number, _) => plain_digits(node.raw())
                .map(|digits| scan_text(&self.answer.guard, source, &digits))
                .unwrap_or_default(),
            _ => return,
        };
        let rungs = if source == Source::Model {
            self.rungs
        } else {
            Rungs::of_stream(&self.answer.ladder, source, &self.answer.catalogue)
        };
        let mut redacted = Vec::new();
        for finding in found {
            let action = rungs.action(finding.kind);
            let is_known = self.outside.contains(&(finding, source));
            if !is_known && self.outside.len() <= self.answer.guard.limits.findings_max {
                self.outside.insert((finding, source));
                self.found(finding, source, "value".to_owned(), action);
            }
            match action {
                Action::Release => {}
                Action::Redact => redacted.push(finding),
                Action::Refuse => self.refuse_all(),
            }
        }
        edits.extend(self.redact(node, redacted));
    }

    fn redact(&self, node: Value<'_>, redacted: Vec<Finding>) -> Vec<Splice> {
        let Some(inner) = node.inner() else {
            let number = Splice { range: node.range(), with: b"null".to_vec() };
            return redacted.first().map(|_| number).into_iter().collect();
        };
        let at = node.inner_range().start;
        let edit = |group: super::findings::Group| {
            let span = usize::try_from(group.span.start).unwrap_or(usize::MAX)
                ..usize::try_from(group.span.end).unwrap_or(usize::MAX);
            let range = raw_range(inner, span);
            Splice {
                range: range.start + at..range.end + at,
                with: placeholder(group.kind, &self.answer.catalogue).into_bytes(),
            }
        };
        group(redacted.into_iter()).into_iter().map(edit).collect()
    }

    fn keep_clean(&mut self, inner: &[u8]) {
        if inner.len() <= CLEAN_VALUE_BYTES_MAX {
            if CLEAN_VALUES_MAX <= self.clean.len() {
                self.clean.remove(0);
            }
            self.clean.push(inner.to_vec());
        }
    }

    /// Notes one finding.
    pub(super) fn found(
        &mut self,
        finding: Finding,
        source: Source,
        place: String,
        action: Action,
    ) {
        let direction = Direction::Output;
        let findings_max = self.answer.guard.limits.findings_max;
        let shares_place = self.answer.judged.last().is_some_and(|last| {
            last.finding.span.start == finding.span.start && last.place == place
        });
        self.n_places = self.n_places.saturating_add(usize::from(!shares_place));
        if self.n_places <= findings_max {
            self.answer.judged.push(Judged { finding, source, direction, place, action });
        } else if !std::mem::replace(&mut self.is_crowded, true) {
            let action = self.rungs.action(LIMIT_FINDINGS);
            let finding = Finding::certain(Span::new(0, 0), LIMIT_FINDINGS, "exchange@1");
            let place = String::new();
            self.answer.judged.push(Judged { finding, source, direction, place, action });
            if action != Action::Release {
                self.refuse_all();
            }
        }
    }

    /// Notes content that was not read, or a limit. Whether the stream may go on.
    pub(super) fn note(&mut self, kind: KindId, n_bytes: usize) -> bool {
        if !self.answer.guard.scan {
            return true;
        }
        let released = self.rungs.action(kind) == Action::Release;
        let action = if released { Action::Release } else { Action::Refuse };
        let finding = Finding::certain(Span::new(0, n_bytes as u64), kind, "exchange@1");
        self.found(finding, Source::Model, String::new(), action);
        if !released {
            self.refuse_all();
        }
        released
    }

    /// A limit of the guard was met. An event that is too long cannot be read on, even where policy releases it.
    fn limit(&mut self, kind: KindId, failure: Failure, out: &mut Vec<u8>) {
        let released = self.note(kind, 0);
        if self.all_refused() {
            self.complete(out);
        } else if kind == LIMIT_EVENT_BYTES || !released {
            self.fail(failure, out);
        }
    }

    /// Ends the stream when calls grow over their limit.
    pub(super) fn check_calls(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let limit = self.answer.guard.limits.tool_call_bytes_max;
        let calls = self.choices.get_mut(at).map(|choice| &mut choice.calls);
        if calls.is_some_and(|calls| calls.is_first_over(limit)) {
            self.limit(LIMIT_TOOL_CALL_BYTES, Failure::TooLarge("tool_call_bytes_max"), out);
            return Ok(());
        }
        let calls = self.choices.get(at).map(|choice| &choice.calls);
        if calls.is_some_and(|calls| limit.saturating_mul(CALL_OVERHEAD_MAX) < calls.n_bytes()) {
            return Err(Failure::TooLarge("tool_call_bytes_max"));
        }
        Ok(())
    }

    /// Counts text that is kept for the record.
    pub(super) fn count_text(&mut self, n_bytes: usize) -> Result<(), Failure> {
        self.n_text_bytes += n_bytes;
        if self.answer.guard.limits.stream_bytes_max < self.n_text_bytes {
            Err(Failure::TooLarge("stream_bytes_max"))
        } else {
            Ok(())
        }
    }

    /// Counts text that is kept for the record although it never leaves; the next one that counts meets the limit.
    pub(super) fn note_withheld(&mut self, n_bytes: usize) {
        self.n_text_bytes = self.n_text_bytes.saturating_add(n_bytes);
    }

    /// Every choice ends here, those that never began included.
    pub(super) fn refuse_all(&mut self) {
        if self.choices.is_empty() {
            self.choices.push(Choice::new(0));
        }
        self.is_refused_whole = true;
        self.tail.clear();
        let n_bytes = self.choices.iter_mut().map(Choice::refuse).sum();
        self.note_withheld(n_bytes);
    }

    fn all_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(Choice::is_finished)
    }

    /// Whether nothing more can come: every choice that was asked for has ended, one of them by refusal.
    fn all_refused(&self) -> bool {
        let all_known = self.answer.facts.n_choices <= self.choices.len() as u64;
        let refused = self.choices.iter().any(Choice::is_refused);
        self.is_refused_whole || (refused && all_known && self.all_finished())
    }

    /// The upstream said all that it will say.
    fn complete(&mut self, out: &mut Vec<u8>) {
        if self.choices.is_empty() {
            return self.fail(Failure::Malformed("its end came before any choice"), out);
        }
        for at in 0..self.choices.len() {
            if let Err(failure) = self.finish_choice(at, out) {
                return self.fail(failure, out);
            }
        }
        let refused: Vec<u64> = self
            .choices
            .iter()
            .filter(|choice| choice.is_refused())
            .map(|choice| choice.index)
            .collect();
        for &index in &refused {
            let event = self.own_event(&format!("{{\"index\":{index},\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"content_filter\"}}"));
            write_event(&event, &mut self.tail);
        }
        self.write_findings();
        write_event(b"[DONE]", &mut self.tail);
        self.ended = Some(if refused.is_empty() { Outcome::Completed } else { Outcome::Refused });
    }

    /// The stream cannot go on. Text that was decided leaves, calls that were not whole do not.
    pub(super) fn fail(&mut self, fault: impl Into<Fault>, out: &mut Vec<u8>) {
        let fault = fault.into();
        let failure = fault.failure;
        for at in 0..self.choices.len() {
            if failure == Failure::ClientGone || self.flush(at, out).is_err() {
                break;
            }
        }
        self.tail.clear();
        let n_bytes = self.choices.iter_mut().map(Choice::withhold_tail).sum();
        self.note_withheld(n_bytes);
        if failure != Failure::ClientGone {
            self.write_findings();
            write_event(&failure.reply(self.answer.identity.named()).body(), &mut self.tail);
        }
        self.ended = Some(failure.outcome());
        self.fault = Some(fault);
    }

    fn write_findings(&mut self) {
        let catalogue = &self.answer.catalogue;
        let findings = Counts::of(&self.answer.judged, Direction::Output, catalogue).to_string();
        if !findings.is_empty() {
            self.tail.extend_from_slice(b": x-bartizan-findings ");
            self.tail.extend_from_slice(findings.as_bytes());
            self.tail.extend_from_slice(b"\n\n");
        }
    }

    /// An event of our own, with one choice.
    pub(super) fn own_event(&self, choice: &str) -> Vec<u8> {
        let mut out = self.own_event_until_choice();
        out.extend_from_slice(choice.as_bytes());
        out.extend_from_slice(b"]}");
        out
    }

    /// The beginning of an event of our own, up to where its one choice stands.
    pub(super) fn own_event_until_choice(&self) -> Vec<u8> {
        let unknown = [b"\"\"".to_vec(), b"0".to_vec(), b"\"\"".to_vec()];
        let [id, created, model] = self.head.as_ref().unwrap_or(&unknown);
        let mut out = b"{\"id\":".to_vec();
        out.extend_from_slice(id);
        out.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        out.extend_from_slice(created);
        out.extend_from_slice(b",\"model\":");
        out.extend_from_slice(model);
        out.extend_from_slice(b",\"choices\":[");
        out
    }

    fn outcome(&mut self, unix_ms: u64) -> Draft {
        let outcome = self.ended.unwrap_or(Outcome::Interrupted);
        let verdict = self.answer.verdict | bits::STREAM | verdict_bits(&self.answer.judged);
        let ended = Ended { outcome, verdict, tokens: self.usage };
        let refusal = self.answer.reason();
        let fault = self.fault.as_ref();
        let reason = refusal.as_deref().or(fault.map(|fault| fault.failure.reply(None).code));
        let why = (reason, fault.and_then(|fault| fault.cause.as_deref()));
        let Answer { identity, judged, catalogue, .. } = &self.answer;
        let evidence = identity.evidence(judged, catalogue, why);
        let texts = || Texts::of_both(self.released(), self.received());
        let texts = self.answer.identity.keep(texts);
        let draft = self.answer.identity.outcome(unix_ms, &ended, texts, evidence);
        Draft { is_stream: true, ..draft }
    }

    /// The released text as the record keeps it: one string per channel, put together.
    fn released(&self) -> Vec<u8> {
        let mut out = String::from(TEXTS_START);
        for (at, choice) in self.choices.iter().enumerate() {
            let end = if choice.is_refused() { Some(&b"content_filter"[..]) } else { choice.end() };
            choice_texts((at, choice.index), end, choice.released(), &mut out);
        }
        out.push_str("]}");
        out.into_bytes()
    }

    /// The text as it came, in the same form, where some of it did not leave as it came.
    fn received(&self) -> Option<Vec<u8>> {
        if !self.choices.iter().any(Choice::differs) {
            return None;
        }
        let mut out = String::from(TEXTS_START);
        for (at, choice) in self.choices.iter().enumerate() {
            let texts = choice.received(&self.answer.guard);
            let texts: Vec<PathText<'_>> = texts.collect::<Option<_>>()?;
            choice_texts((at, choice.index), choice.end(), texts.into_iter(), &mut out);
        }
        out.push_str("]}");
        Some(out.into_bytes())
    }
}

/// How the text of a stream begins in a record.
const TEXTS_START: &str = "{\"stream\":true,\"choices\":[";

/// Appends the texts of one choice, given its position and its index.
fn choice_texts<'t>(
    (at, index): (usize, u64),
    end: Option<&[u8]>,
    texts: impl Iterator<Item = PathText<'t>>,
    out: &mut String,
) {
    let comma = if 0 < at { "," } else { "" };
    write!(out, "{comma}{{\"index\":{index},\"finish_reason\":").unwrap_or_default();
    match end {
        Some(end) => string(&String::from_utf8_lossy(end), out),
        None => out.push_str("null"),
    }
    out.push_str(",\"text\":{");
    for (at, (path, text)) in texts.enumerate() {
        if 0 < at {
            out.push(',');
        }
        string(&safe_path(path), out);
        out.push(':');
        string(&String::from_utf8_lossy(&text), out);
    }
    out.push_str("}}");
}

/// An event on its way out: as it came, with replacements.
pub(super) struct Frame<'e> {
    event: &'e Event<'e>,
    pub(super) data: &'e [u8],
    pub(super) edits: Vec<Splice>,
}

impl Frame<'_> {
    /// Appends the event; where nothing was replaced and it is one `data` line, byte for byte.
    pub(super) fn write(self, target: &mut Vec<u8>) {
        let raw = self.event.raw;
        match (self.event.bare, self.edits.is_empty()) {
            (Some(_), true) => target.extend_from_slice(raw),
            (Some((start, end)), false) => {
                target.extend_from_slice(raw.get(..start).unwrap_or_default());
                target.extend_from_slice(&splice(self.data, self.edits));
                target.extend_from_slice(raw.get(end..).unwrap_or_default());
            }
            (None, _) => write_event(&splice(self.data, self.edits), target),
        }
    }
}

/// The choices of an event. What is not the kind of thing that the API says might hide text where nobody looks for it.
fn choices_of(root: Value<'_>) -> Result<Vec<Value<'_>>, Failure> {
    if root.kind() != NodeKind::Object {
        return Err(Failure::Malformed("it is no object"));
    }
    let Some(list) = root.get("choices").filter(|list| !list.is_null()) else {
        return Ok(Vec::new());
    };
    let choices: Vec<Value<'_>> = list.items().collect();
    let is_list = list.kind() == NodeKind::Array
        && choices.iter().all(|choice| choice.kind() == NodeKind::Object);
    if is_list { Ok(choices) } else { Err(Failure::Malformed("`choices` is no array of objects")) }
}

/// What our own events repeat of the upstream's, where it is clean and of the right type.
fn head(root: Value<'_>, edits: &[Splice]) -> [Vec<u8>; 3] {
    let clean = |name: &str, kind: NodeKind, default: &[u8]| {
        let value = root.get(name).filter(|value| value.kind() == kind);
        let edited = |value: &Value<'_>| {
            edits.iter().any(|edit| {
                value.range().start <= edit.range.start && edit.range.end <= value.range().end
            })
        };
        value.filter(|value| !edited(value)).map_or(default.to_vec(), |value| value.raw().to_vec())
    };
    [
        clean("id", NodeKind::String, b"\"\""),
        clean("created", NodeKind::Number, b"0"),
        clean("model", NodeKind::String, b"\"\""),
    ]
}
