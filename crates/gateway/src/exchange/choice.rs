//! One choice of a stream: its channels, its tool calls, its end.
use super::answer::Failure;
use super::calls::{Calls, Piece};
use super::channel::{Channel, Release};
use super::findings::Rungs;
use super::logprobs;
use super::plain::unread_field;
use super::stream::Stream;
use bartizan_core::evidence::Source;
use bartizan_core::json::{NodeKind, Splice, Value, encode_into};
use bartizan_core::span::Span;
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Fields of a delta that name things and carry no running text.
const NAMES: [&[u8]; 4] = [b"role", b"type", b"object", b"id"];

/// What becomes of an event because of one of its choices.
#[derive(Debug)]
pub(super) enum Fate {
    /// It may leave.
    Live,
    /// It waits for a verdict on the calls of the choice at this position.
    Calls(usize, Vec<Piece>),
    /// It carries the end of a choice: it waits for the OUTCOME.
    Finished,
    /// The choice was refused before.
    Refused,
    /// The choice was refused in this event, which carries its last text.
    RefusedNow,
}

/// One field that carries running text.
struct Slot {
    /// `delta.content`
    path: String,
    channel: Channel,
    /// Text that left, for the record.
    text: Vec<u8>,
    /// Log-probability entries whose text has not left: place in the channel and raw bytes, whole and blanked.
    entries: VecDeque<(Span, Vec<u8>, Vec<u8>)>,
}

/// One choice.
pub(super) struct Choice {
    pub(super) index: u64,
    /// The upstream's `finish_reason`.
    pub(super) finish: Option<Vec<u8>>,
    is_refused: bool,
    is_flushed: bool,
    slots: Vec<Slot>,
    pub(super) calls: Calls,
    call_texts: Vec<(String, Vec<u8>)>,
}

impl Choice {
    pub(super) fn new(index: u64) -> Self {
        Self {
            index,
            finish: None,
            is_refused: false,
            is_flushed: false,
            slots: Vec::new(),
            calls: Calls::default(),
            call_texts: Vec::new(),
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.is_refused || self.finish.is_some()
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Ends the choice. What it held and the calls that waited never leave.
    pub(super) fn refuse(&mut self) {
        self.is_refused = true;
        self.calls = Calls::default();
        self.call_texts.clear();
    }

    /// Released texts by path.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let slots = self.slots.iter().map(|slot| (slot.path.as_str(), slot.text.as_slice()));
        slots.chain(self.call_texts.iter().map(|(path, text)| (path.as_str(), text.as_slice())))
    }
}

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice")
            .field("index", &self.index)
            .field("finish", &self.finish)
            .field("is_refused", &self.is_refused)
            .finish_non_exhaustive()
    }
}

/// Where in a delta we are, and what was said so far in this event.
struct Delta<'e> {
    at: usize,
    path: String,
    in_array: bool,
    at_end: bool,
    edits: &'e mut Vec<Splice>,
    pieces: Vec<Piece>,
    /// What each channel said in this event: slot, offset of the piece, the piece, what leaves.
    spoken: Vec<Spoken>,
}

struct Spoken {
    slot: usize,
    start: u64,
    piece: Vec<u8>,
    leaves: Vec<u8>,
}

impl Stream {
    /// Takes one choice of an event.
    pub(super) fn choice(
        &mut self,
        choice: Value<'_>,
        edits: &mut Vec<Splice>,
        out: &mut Vec<u8>,
    ) -> Result<Fate, Failure> {
        let index = choice.get("index").map_or(Some(0), Value::u64).ok_or(Failure::Malformed)?;
        let at = self.choice_at(index)?;
        let state = self.choices.get(at).ok_or(Failure::Malformed)?;
        if state.is_refused {
            edits.retain(|edit| !within(edit, choice));
            edits.push(Splice { range: choice.range(), with: delta_json(index, []).into_bytes() });
            return Ok(Fate::Refused);
        }
        let was_finished = state.is_finished();
        let finish = choice.get("finish_reason").filter(|finish| finish.kind() == NodeKind::String);
        let at_end = finish.is_some();
        let mut delta = Delta {
            at,
            path: String::new(),
            in_array: false,
            at_end,
            edits,
            pieces: Vec::new(),
            spoken: Vec::new(),
        };
        self.read_choice(choice, was_finished, &mut delta)?;
        let Delta { pieces, spoken, edits, .. } = delta;
        if self.settle(at) {
            let text = |spoken: &'_ Spoken| (self.path_of(at, spoken.slot), spoken.leaves.clone());
            let texts: Vec<_> = spoken.iter().map(text).collect();
            let last = delta_json(index, texts.iter().map(|(path, text)| (*path, text.as_slice())));
            edits.retain(|edit| !within(edit, choice));
            edits.push(Splice { range: choice.range(), with: last.into_bytes() });
            return Ok(Fate::RefusedNow);
        }
        if let Some(finish) = finish {
            return self.finish_now(at, finish, choice, edits, &pieces, out);
        }
        let waits = self.choices.get(at).is_some_and(|choice| !choice.calls.is_empty());
        Ok(if waits {
            Fate::Calls(at, pieces)
        } else if was_finished {
            Fate::Finished
        } else {
            Fate::Live
        })
    }

    /// Walks the members of a choice.
    fn read_choice(
        &mut self,
        choice: Value<'_>,
        was_finished: bool,
        delta: &mut Delta<'_>,
    ) -> Result<(), Failure> {
        for (key, value) in choice.members() {
            self.value(key, Source::Model, delta.edits);
            match &*key.text().unwrap_or_default() {
                b"delta" => {
                    if was_finished && says_something(value) {
                        return Err(Failure::Malformed);
                    }
                    "delta".clone_into(&mut delta.path);
                    self.delta(value, delta)?;
                }
                b"logprobs" => {}
                name => {
                    if unread_field(name, value).is_some() {
                        self.note_unread(name, value);
                    }
                    value
                        .descendants()
                        .for_each(|node| self.value(node, Source::Model, delta.edits));
                }
            }
        }
        if let Some(list) = choice.get("logprobs") {
            self.logprobs(list, delta);
        }
        Ok(())
    }

    /// The event carries the end of the choice.
    fn finish_now(
        &mut self,
        at: usize,
        finish: Value<'_>,
        choice: Value<'_>,
        edits: &mut Vec<Splice>,
        pieces: &[Piece],
        out: &mut Vec<u8>,
    ) -> Result<Fate, Failure> {
        self.flush(at, out)?;
        if let Some(state) = self.choices.get_mut(at) {
            state.finish = Some(finish.text().unwrap_or_default().into_owned());
            if !pieces.is_empty() {
                // A call whose last piece comes with its end: a copy of the event carries the piece, the event keeps the end.
                let (data, shifted) = lone_choice(choice, pieces);
                state.calls.wait(&data, Vec::new(), shifted);
                edits.retain(|edit| !within(edit, choice));
                let ending = format!(
                    "{{\"index\":{},\"delta\":{{}},\"finish_reason\":{}}}",
                    state.index,
                    String::from_utf8_lossy(finish.raw())
                );
                edits.push(Splice { range: choice.range(), with: ending.into_bytes() });
            }
        }
        if self.release_calls(at)? {
            edits.retain(|edit| !within(edit, choice));
            let index = self.choices.get(at).map_or(0, |choice| choice.index);
            edits.push(Splice { range: choice.range(), with: delta_json(index, []).into_bytes() });
            return Ok(Fate::Refused);
        }
        let refused = self.choices.get(at).is_some_and(Choice::is_refused);
        Ok(if refused { Fate::Refused } else { Fate::Finished })
    }

    /// Judges the calls of a choice, which are whole now, and puts them into the tail. Whether they were refused.
    fn release_calls(&mut self, at: usize) -> Result<bool, Failure> {
        let Some(choice) = self.choices.get_mut(at) else { return Ok(false) };
        if choice.is_refused || choice.calls.is_empty() {
            return Ok(false);
        }
        let calls = std::mem::take(&mut choice.calls);
        let verdict = calls.judge(&self.answer.guard, &self.answer.ladder, &self.answer.catalogue);
        let index = choice.index;
        for (path, finding, action) in &verdict.findings {
            self.found(*finding, Source::ToolCall, place(index, path), *action);
        }
        if verdict.refused {
            self.choices.get_mut(at).into_iter().for_each(Choice::refuse);
            return Ok(true);
        }
        let (events, texts) = calls.release(&verdict, &self.answer.catalogue);
        self.count_text(texts.iter().map(|(_, text)| text.len()).sum())?;
        self.tail.extend_from_slice(&events);
        if let Some(choice) = self.choices.get_mut(at) {
            choice.call_texts = texts;
        }
        Ok(false)
    }

    /// Ends a choice that the upstream left open at the end of its stream.
    pub(super) fn finish_choice(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.flush(at, out)?;
        self.release_calls(at).map(|_| ())
    }

    /// Lets go what the channels of a choice still held: no more text will come.
    pub(super) fn flush(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let catalogue = self.answer.catalogue;
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        if choice.is_refused || std::mem::replace(&mut choice.is_flushed, true) {
            return Ok(());
        }
        let mut texts = Vec::new();
        for slot in &mut choice.slots {
            if let Release::Text(text) = slot.channel.push(b"", true, &catalogue) {
                slot.text.extend_from_slice(&text);
                let entries = slot.leaving_entries();
                if !text.is_empty() || !entries.is_empty() {
                    texts.push((slot.path.clone(), text, entries));
                }
            }
            if slot.channel.refused.is_some() {
                break;
            }
        }
        let index = choice.index;
        for (path, text, entries) in texts {
            self.count_text(text.len())?;
            let event = self.own_event(&text_json(index, &path, &text, &entries));
            crate::sse::write_event(&event, out);
        }
        self.settle(at);
        Ok(())
    }

    fn choice_at(&mut self, index: u64) -> Result<usize, Failure> {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return Ok(at);
        }
        if self.answer.guard.limits.choices_max <= self.choices.len()
            || self.answer.facts.n_choices <= index
        {
            return Err(Failure::Malformed);
        }
        self.choices.push(Choice::new(index));
        Ok(self.choices.len() - 1)
    }

    /// Walks a delta. Its depth is bounded by the JSON reader's.
    fn delta(&mut self, value: Value<'_>, delta: &mut Delta<'_>) -> Result<(), Failure> {
        let outer = (delta.path.len(), delta.in_array);
        match value.kind() {
            NodeKind::Object => {
                for (key, member) in value.members() {
                    let name = key.text().unwrap_or_default();
                    let in_call =
                        delta.in_array || &*name == b"tool_calls" || &*name == b"function_call";
                    self.value(
                        key,
                        if in_call { Source::ToolCall } else { Source::Model },
                        delta.edits,
                    );
                    if unread_field(&name, member).is_some() {
                        self.note_unread(&name, member);
                    }
                    delta.in_array |= in_call;
                    delta.path.push('.');
                    delta.path.push_str(&String::from_utf8_lossy(&name));
                    if NAMES.contains(&&*name) && !in_call && member.kind() == NodeKind::String {
                        self.value(member, Source::Model, delta.edits);
                    } else {
                        self.delta(member, delta)?;
                    }
                    delta.path.truncate(outer.0);
                    delta.in_array = outer.1;
                }
            }
            NodeKind::Array => {
                delta.in_array = true;
                for (position, item) in value.items().enumerate() {
                    let index = item.get("index").and_then(Value::u64).unwrap_or(position as u64);
                    write!(delta.path, "[{index}]").unwrap_or_default();
                    self.delta(item, delta)?;
                    delta.path.truncate(outer.0);
                }
                delta.in_array = outer.1;
            }
            NodeKind::String if delta.in_array => self.call_text(value, delta),
            NodeKind::String => self.text(value, delta)?,
            _ => self.value(
                value,
                if delta.in_array { Source::ToolCall } else { Source::Model },
                delta.edits,
            ),
        }
        Ok(())
    }

    /// A string of a tool call: it waits.
    fn call_text(&mut self, value: Value<'_>, delta: &mut Delta<'_>) {
        if let Some(choice) = self.choices.get_mut(delta.at) {
            let text = value.text().unwrap_or_default();
            delta.pieces.push(choice.calls.piece(&delta.path, &text, value.inner_range()));
        }
    }

    /// A piece of running text: what its channel lets go takes its place.
    fn text(&mut self, value: Value<'_>, delta: &mut Delta<'_>) -> Result<(), Failure> {
        let slot = self.slot_at(delta.at, &delta.path)?;
        let catalogue = self.answer.catalogue;
        let piece = value.text().unwrap_or_default();
        let Some(state) =
            self.choices.get_mut(delta.at).and_then(|choice| choice.slots.get_mut(slot))
        else {
            return Ok(());
        };
        let start = state.channel.n_pushed();
        let released = state.channel.push(&piece, delta.at_end, &catalogue);
        let leaves = match released {
            Release::Same => piece.to_vec(),
            Release::Text(text) => {
                let mut with = Vec::with_capacity(text.len());
                encode_into(&text, &mut with);
                delta.edits.push(Splice { range: value.inner_range(), with });
                text
            }
        };
        state.text.extend_from_slice(&leaves);
        self.count_text(leaves.len())?;
        delta.spoken.push(Spoken { slot, start, piece: piece.into_owned(), leaves });
        Ok(())
    }

    fn slot_at(&mut self, at: usize, path: &str) -> Result<usize, Failure> {
        let limits = self.answer.guard.limits;
        let choice = self.choices.get_mut(at).ok_or(Failure::Malformed)?;
        if let Some(slot) = choice.slots.iter().position(|slot| slot.path == path) {
            return Ok(slot);
        }
        if limits.channels_max <= choice.slots.len() {
            return Err(Failure::Malformed);
        }
        let detector = self.answer.guard.scan.then(|| self.answer.guard.inspector.detector());
        let channel = Channel::new(detector, self.rungs, limits.held_bytes_max);
        choice.slots.push(Slot {
            path: path.to_owned(),
            channel,
            text: Vec::new(),
            entries: VecDeque::new(),
        });
        Ok(choice.slots.len() - 1)
    }

    /// Takes over the findings whose turn has come. Whether the choice is refused now.
    fn settle(&mut self, at: usize) -> bool {
        let mut settled = Vec::new();
        let Some(choice) = self.choices.get_mut(at) else { return false };
        let mut refused = choice.is_refused;
        for slot in &mut choice.slots {
            settled
                .extend(slot.channel.settled.drain(..).map(|finding| (slot.path.clone(), finding)));
            refused |= slot.channel.refused.is_some();
        }
        if refused {
            choice.refuse();
        }
        let index = choice.index;
        let rungs: Rungs = self.rungs;
        for (path, finding) in settled {
            self.found(finding, Source::Model, place(index, &path), rungs.action(finding.kind));
        }
        refused
    }

    fn path_of(&self, at: usize, slot: usize) -> &str {
        let slot = self.choices.get(at).and_then(|choice| choice.slots.get(slot));
        slot.map_or("delta", |slot| slot.path.as_str())
    }

    /// Sends log-probability entries with the text that they stand for, not before it and not with its secrets.
    fn logprobs(&mut self, value: Value<'_>, delta: &mut Delta<'_>) {
        if !self.answer.guard.scan {
            return;
        }
        for (key, list) in value.members() {
            self.value(key, Source::Model, delta.edits);
            if list.kind() != NodeKind::Array {
                list.descendants().for_each(|node| self.value(node, Source::Model, delta.edits));
                continue;
            }
            let path = format!("delta.{}", key.str().unwrap_or_default());
            let spoken =
                delta.spoken.iter().find(|spoken| self.path_of(delta.at, spoken.slot) == path);
            let spans =
                spoken.and_then(|spoken| logprobs::align(list, spoken.start, &spoken.piece));
            let dirty: Vec<bool> = list
                .items()
                .map(|entry| logprobs::is_dirty(entry, &self.answer.guard, &self.rungs))
                .collect();
            let mut leaving: Vec<Vec<u8>> = Vec::new();
            match (spoken.map(|spoken| spoken.slot), spans) {
                (Some(slot), Some(spans)) => {
                    let Some(slot) = self
                        .choices
                        .get_mut(delta.at)
                        .and_then(|choice| choice.slots.get_mut(slot))
                    else {
                        continue;
                    };
                    for ((entry, span), dirty) in list.items().zip(spans).zip(dirty) {
                        let blank = logprobs::blank(entry);
                        let whole = if dirty { blank.clone() } else { entry.raw().to_vec() };
                        slot.entries.push_back((span, whole, blank));
                    }
                    leaving = slot.leaving_entries();
                }
                // Tokens that do not add up to the text are another text: none of it leaves.
                _ => leaving.extend(list.items().map(logprobs::blank)),
            }
            let same = leaving.len() == list.items().count()
                && leaving.iter().zip(list.items()).all(|(leaving, entry)| leaving == entry.raw());
            if !same {
                delta.edits.push(Splice { range: list.range(), with: json_array(&leaving) });
            }
        }
    }

    fn note_unread(&mut self, name: &[u8], value: Value<'_>) {
        if let Some(kind) = unread_field(name, value) {
            self.note(kind, value.raw().len());
        }
    }
}

impl Slot {
    /// Takes out the entries whose text has left, blanked where it was replaced.
    fn leaving_entries(&mut self) -> Vec<Vec<u8>> {
        let mut leaving = Vec::new();
        let refused = self.channel.refused.map_or(u64::MAX, |refusal| refusal.span.start);
        while let Some((span, _, _)) = self.entries.front() {
            if self.channel.n_left() < span.end && refused == u64::MAX {
                break;
            }
            let Some((span, whole, blank)) = self.entries.pop_front() else { break };
            let replaced = refused < span.end
                || self.channel.replaced.iter().any(|replaced| replaced.overlaps(span));
            leaving.push(if replaced { blank } else { whole });
        }
        let first = self.entries.front().map_or(self.channel.n_left(), |(span, _, _)| span.start);
        while self.channel.replaced.front().is_some_and(|replaced| replaced.end <= first) {
            self.channel.replaced.pop_front();
        }
        leaving
    }
}

fn within(edit: &Splice, value: Value<'_>) -> bool {
    value.range().start <= edit.range.start && edit.range.end <= value.range().end
}

fn place(index: u64, path: &str) -> String {
    format!("choices[{index}].{}", safe_path(path))
}

/// A path whose names are not plain words does not quote them: one of them might be what was found.
pub(super) fn safe_path(path: &str) -> String {
    const PATH_BYTES_MAX: usize = 120;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._[]".contains(c);
    if path.len() <= PATH_BYTES_MAX && path.chars().all(plain) {
        path.to_owned()
    } else {
        "delta.*".to_owned()
    }
}

/// Whether a delta carries anything but nulls and empty strings.
fn says_something(delta: Value<'_>) -> bool {
    delta.members().any(|(key, value)| {
        let quiet = value.is_null() || key.is_text("role");
        !quiet
            && value.descendants().any(|node| {
                node.kind() == NodeKind::String && !node.inner().unwrap_or_default().is_empty()
            })
    })
}

fn json_array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"[".to_vec();
    out.extend_from_slice(&items.join(&b','));
    out.push(b']');
    out
}

/// A choice whose delta says these texts, by path (`delta.content`).
fn delta_json<'t>(index: u64, texts: impl IntoIterator<Item = (&'t str, &'t [u8])>) -> String {
    let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let members: Vec<String> = said.map(|(path, text)| member_json(path, text)).collect();
    format!("{{\"index\":{index},\"delta\":{{{}}},\"finish_reason\":null}}", members.join(","))
}

/// A choice with one text and its log-probability entries.
fn text_json(index: u64, path: &str, text: &[u8], entries: &[Vec<u8>]) -> String {
    let logprobs = if entries.is_empty() {
        "null".to_owned()
    } else {
        let field = path.rsplit('.').next().unwrap_or_default();
        format!(
            "{{{}:{}}}",
            quoted(field.as_bytes()),
            String::from_utf8_lossy(&json_array(entries))
        )
    };
    format!(
        "{{\"index\":{index},\"delta\":{{{}}},\"logprobs\":{logprobs},\"finish_reason\":null}}",
        member_json(path, text)
    )
}

/// `delta.a.b` and a text become `"a":{"b":"text"}`.
fn member_json(path: &str, text: &[u8]) -> String {
    let names: Vec<&str> = path.split('.').skip(1).collect();
    let mut out = quoted(text);
    for (depth, name) in names.iter().rev().enumerate() {
        let member = format!("{}:{out}", quoted(name.as_bytes()));
        out = if depth + 1 == names.len() { member } else { format!("{{{member}}}") };
    }
    out
}

fn quoted(text: &[u8]) -> String {
    let mut inner = Vec::with_capacity(text.len());
    encode_into(text, &mut inner);
    format!("\"{}\"", String::from_utf8_lossy(&inner))
}

/// The choice alone, as the data of an event without its end, and its pieces where they stand in that.
fn lone_choice(choice: Value<'_>, pieces: &[Piece]) -> (Vec<u8>, Vec<Piece>) {
    let mut data = b"{\"object\":\"chat.completion.chunk\",\"choices\":[".to_vec();
    let base = data.len();
    let finish = choice.get("finish_reason").map(Value::range);
    let start = choice.range().start;
    let end_at = finish.as_ref().map_or(usize::MAX, |range| range.start);
    let raw = choice.raw();
    let edits = finish.map(|range| Splice {
        range: range.start - start..range.end - start,
        with: b"null".to_vec(),
    });
    let shrink = edits.as_ref().map_or(0, |edit| edit.range.len().saturating_sub(edit.with.len()));
    data.extend_from_slice(&bartizan_core::json::splice(raw, edits.into_iter().collect()));
    data.extend_from_slice(b"]}");
    let shift = |at: usize| at - start + base - if end_at < at { shrink } else { 0 };
    let shifted = pieces
        .iter()
        .map(|piece| piece.at(shift(piece.range().start)..shift(piece.range().end)))
        .collect();
    (data, shifted)
}
