//! One choice of a stream: its channels, what waits, its end.
use super::Guard;
use super::answer::Failure;
use super::calls::{CallText, Calls, Left, Piece};
use super::channel::{Channel, Release};
use super::delta::{Delta, names};
use super::document::judge_whole;
use super::findings::Rungs;
use super::logprobs;
use super::pseudonym::Restorer;
use super::received::stream_text;
use super::stream::{Frame, Stream};
use bartizan_core::evidence::Source;
use bartizan_core::json::{NodeKind, Splice, Value, encode_into};
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// One channel may use this part of `findings_max`. What its text is refused for is then found in that text alone, so that it does not depend
/// on how the channels of a stream are mixed.
const CHANNEL_FINDINGS_SHARE: usize = 2;

/// What cannot be, and is refused all the same.
const NO_CHOICE: Failure = Failure::Malformed("there is no such choice");

/// One field that carries running text.
struct Slot {
    /// `delta.content`
    path: String,
    channel: Channel,
    /// Text that left, for the record.
    text: Vec<u8>,
    /// How many bytes at its end wait in the stream's tail.
    n_in_tail: usize,
    /// How many bytes at its end were in the tail when that was given up: they did not leave after all.
    n_unsent: usize,
    /// Log-probability entries whose text has not left: place in the channel and raw bytes, whole and blanked.
    entries: VecDeque<(Span, Vec<u8>, Vec<u8>)>,
}

/// Offset of a piece in its channel; what must stand in its place, escaped, unless it may stay; what leaves.
pub(super) type Said = (u64, Option<Vec<u8>>, Vec<u8>);

/// One choice.
pub(super) struct Choice {
    pub(super) index: u64,
    /// The upstream's `finish_reason`, as it may be repeated.
    pub(super) finish: Option<Vec<u8>>,
    is_refused: bool,
    is_flushed: bool,
    slots: Vec<Slot>,
    pub(super) calls: Calls,
    /// Strings of calls that have been decided.
    call_texts: Vec<CallText>,
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

    /// The upstream's `finish_reason`.
    pub(super) fn end(&self) -> Option<&[u8]> {
        self.finish.as_deref()
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Ends the choice. What it held and the calls that waited never leave. Returns how many bytes are kept for the record that were not
    /// counted before.
    pub(super) fn refuse(&mut self) -> usize {
        self.is_refused = true;
        self.withhold_tail()
    }

    /// No call leaves, whether it was decided or not. Returns how many bytes of them were not counted before.
    fn withhold_calls(&mut self) -> usize {
        self.call_texts.iter_mut().for_each(|text| text.left = Left::Nothing);
        let calls = std::mem::take(&mut self.calls);
        let n_bytes = calls.n_text_bytes();
        self.call_texts.extend(calls.withheld());
        n_bytes
    }

    /// What waited in the stream's tail does not leave: nor do calls. Returns how many bytes of these were not counted before.
    pub(super) fn withhold_tail(&mut self) -> usize {
        for slot in &mut self.slots {
            slot.n_unsent += std::mem::take(&mut slot.n_in_tail);
        }
        self.withhold_calls()
    }

    /// Texts as they left, by path.
    pub(super) fn released<'c>(&'c self) -> impl Iterator<Item = PathText<'c>> {
        let of_slot = |slot: &'c Slot| (slot.path.as_str(), slot.released().into());
        let of_call = |text: &'c CallText| Some((text.path.as_str(), text.released()?.into()));
        self.slots.iter().map(of_slot).chain(self.call_texts.iter().filter_map(of_call))
    }

    /// Whether some text did not leave as it came.
    pub(super) fn differs(&self) -> bool {
        let is_edited = |text: &CallText| !matches!(text.left, Left::Same);
        self.slots.iter().any(Slot::differs)
            || self.call_texts.iter().any(is_edited)
            || !self.calls.is_empty()
    }

    /// Texts as they came, by path; `None` for one that may not be kept.
    pub(super) fn received<'c>(
        &'c self,
        guard: &'c Guard,
    ) -> impl Iterator<Item = Option<PathText<'c>>> {
        let of_slot = move |slot: &'c Slot| {
            let text = if slot.differs() {
                stream_text(guard, &slot.received(), false)?.into()
            } else {
                Cow::Borrowed(slot.text.as_slice())
            };
            Some((slot.path.as_str(), text))
        };
        let masked = move |(path, source, text): (&'c str, Source, &'c [u8])| {
            Some((path, stream_text(guard, text, source == Source::ToolCall)?.into()))
        };
        let of_call = move |text: &'c CallText| match text.left {
            Left::Same => Some((text.path.as_str(), Cow::Borrowed(text.received.as_slice()))),
            _ => masked((&text.path, text.source, &text.received)),
        };
        let decided = self.slots.iter().map(of_slot).chain(self.call_texts.iter().map(of_call));
        decided.chain(self.calls.waiting().map(masked))
    }
}

/// A text with its path: `delta.content`.
pub(super) type PathText<'t> = (&'t str, Cow<'t, [u8]>);

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice")
            .field("index", &self.index)
            .field("finish", &self.finish)
            .field("is_refused", &self.is_refused)
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// Takes an event with exactly one choice.
    pub(super) fn choice(
        &mut self,
        choice: Value<'_>,
        mut frame: Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let index = choice.get("index").map_or(Some(0), Value::u64);
        let index =
            index.ok_or(Failure::Malformed("the `index` of a choice is no whole number"))?;
        let at = self.choice_at(index)?;
        let state = self.choices.get(at).ok_or(NO_CHOICE)?;
        if state.is_refused {
            return Ok(());
        }
        let finish = match choice.get("finish_reason") {
            Some(finish) if finish.kind() == NodeKind::String => {
                Some(finish).filter(|finish| !finish.inner().unwrap_or_default().is_empty())
            }
            Some(finish) if !finish.is_null() => {
                return Err(Failure::Malformed("`finish_reason` is no string"));
            }
            _ => None,
        };
        let was_finished = state.is_finished();
        let mut delta = Delta { at, at_end: finish.is_some(), was_finished, ..Delta::default() };
        self.walk_choice(choice, &mut delta)?;
        if self.settle(at) {
            let texts = delta
                .spoken
                .iter()
                .map(|spoken| (self.path_of(at, spoken.slot), spoken.leaves.as_slice()));
            let last = self.own_event(&texts_json(index, texts));
            crate::sse::write_event(&last, out);
            return Ok(());
        }
        let says =
            delta.spoken.iter().any(|spoken| !spoken.piece.is_empty() || !spoken.leaves.is_empty());
        if !delta.waiting.is_empty() && !says && finish.is_none() {
            frame.edits.append(&mut delta.edits);
            return self.wait(at, frame.data, frame.edits, delta.pieces, out);
        }
        self.split_calls(choice, &mut delta, &mut frame, out)?;
        frame.edits.append(&mut delta.edits);
        match finish {
            Some(finish) => self.finish_now(at, finish, frame, &delta, out)?,
            None if was_finished => frame.write(&mut self.tail),
            None => frame.write(out),
        }
        Ok(())
    }

    /// Puts the members that wait into an event of their own, and takes them out of this one.
    fn split_calls(
        &mut self,
        choice: Value<'_>,
        delta: &mut Delta,
        frame: &mut Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if delta.waiting.is_empty() {
            return Ok(());
        }
        let index = choice.get("index").and_then(Value::u64).unwrap_or(0);
        let mut data = self.own_event_until_choice();
        data.extend_from_slice(format!("{{\"index\":{index},\"delta\":{{").as_bytes());
        let (mut edits, mut pieces) = (Vec::new(), Vec::new());
        for (position, (key, value)) in delta.waiting.iter().enumerate() {
            if 0 < position {
                data.push(b',');
            }
            let whole = key.start..value.end;
            let base = data.len();
            let shift = |range: &Range<usize>| {
                range.start - whole.start + base..range.end - whole.start + base
            };
            let inside =
                |range: &Range<usize>| whole.start <= range.start && range.end <= whole.end;
            data.extend_from_slice(frame.data.get(whole.clone()).unwrap_or_default());
            pieces.extend(
                delta
                    .pieces
                    .iter()
                    .filter(|piece| inside(&piece.range()))
                    .map(|piece| piece.at(shift(&piece.range()))),
            );
            let in_key = |edit: &Splice| key.start <= edit.range.start && edit.range.end <= key.end;
            let is_named = !delta.edits.iter().any(in_key);
            edits.extend(
                delta
                    .edits
                    .extract_if(.., |edit| inside(&edit.range))
                    .map(|edit| Splice { range: shift(&edit.range), with: edit.with }),
            );
            let name = frame.data.get(key.clone()).unwrap_or_default();
            let stand_in = format!("\"redacted-{position}\"");
            let mut left = if is_named { name } else { stand_in.as_bytes() }.to_vec();
            left.extend_from_slice(b":null");
            delta.edits.push(Splice { range: whole, with: left });
        }
        data.extend_from_slice(b"},\"finish_reason\":null}]}");
        self.wait(delta.at, &data, edits, pieces, out)
    }

    fn wait(
        &mut self,
        at: usize,
        data: &[u8],
        edits: Vec<Splice>,
        pieces: Vec<Piece>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        choice.calls.wait(data, edits, pieces);
        self.check_calls(at, out)
    }

    /// The event carries the end of the choice.
    fn finish_now(
        &mut self,
        at: usize,
        finish: Value<'_>,
        frame: Frame<'_>,
        delta: &Delta,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        self.flush(at, out)?;
        let is_edited = frame.edits.iter().any(|edit| within(edit, finish));
        if let Some(state) = self.choices.get_mut(at) {
            let reason = if is_edited {
                b"redacted".to_vec()
            } else {
                finish.text().unwrap_or_default().into_owned()
            };
            state.finish = Some(reason);
        }
        self.release_calls(at)?;
        let Some(state) = self.choices.get(at) else { return Ok(()) };
        if !state.is_refused {
            frame.write(&mut self.tail);
            self.note_tail(at, delta);
            return Ok(());
        }
        // The calls were refused, or text that was still held: what this event said besides has been released.
        let index = state.index;
        let texts = delta
            .spoken
            .iter()
            .map(|spoken| (self.path_of(at, spoken.slot), spoken.leaves.as_slice()));
        if delta.spoken.iter().any(|spoken| !spoken.leaves.is_empty()) {
            let event = self.own_event(&texts_json(index, texts));
            crate::sse::write_event(&event, out);
        }
        Ok(())
    }

    /// What an event says that has gone into the tail has not left yet.
    fn note_tail(&mut self, at: usize, delta: &Delta) {
        let Some(choice) = self.choices.get_mut(at) else { return };
        for spoken in &delta.spoken {
            if let Some(slot) = choice.slots.get_mut(spoken.slot) {
                slot.n_in_tail += spoken.leaves.len();
            }
        }
    }

    /// Judges the calls of a choice, which are whole now, and puts them into the tail.
    fn release_calls(&mut self, at: usize) -> Result<(), Failure> {
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        if choice.is_refused || choice.calls.is_empty() {
            return Ok(());
        }
        let calls = std::mem::take(&mut choice.calls);
        let index = choice.index;
        let verdict = calls.judge(&self.answer.guard, &self.answer.ladder);
        for (path, source, finding, action) in &verdict.findings {
            self.found(*finding, *source, place(index, path), *action);
        }
        if verdict.refused || self.is_refused_whole {
            let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
            choice.calls = calls;
            let n_bytes = choice.refuse();
            return self.count_text(n_bytes);
        }
        let own = self.answer.own.as_ref();
        let limits = &self.answer.guard.limits;
        let (events, texts) = calls.release(&verdict, &self.answer.catalogue, own, limits);
        let n_bytes = texts.iter().map(CallText::n_bytes).sum();
        if let Some(choice) = self.choices.get_mut(at) {
            choice.call_texts = texts;
        }
        self.count_text(n_bytes)?;
        self.tail.extend_from_slice(&events);
        Ok(())
    }

    /// Ends a choice that the upstream left open at the end of its stream.
    pub(super) fn finish_choice(&mut self, at: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        self.flush(at, out)?;
        self.release_calls(at)
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
        if !self.settle(at) {
            self.judge_whole(at);
        }
        Ok(())
    }

    /// Judges the texts of a choice that are whole now, and have left: what the policy does not release refuses the choice's end.
    fn judge_whole(&mut self, at: usize) {
        let Some(choice) = self.choices.get(at).filter(|_| self.answer.guard.scan) else { return };
        let index = choice.index;
        let mut found = Vec::new();
        for slot in &choice.slots {
            let of_slot = judge_whole(&self.answer.guard, &slot.received());
            found.extend(of_slot.into_iter().map(|finding| (place(index, &slot.path), finding)));
        }
        let mut is_refused = false;
        for (place, finding) in found {
            let action = self.rungs.action(finding.kind);
            is_refused |= action != Action::Release;
            self.found(finding, Source::Model, place, action);
        }
        if let Some(choice) = self.choices.get_mut(at).filter(|_| is_refused) {
            let n_bytes = choice.refuse();
            self.note_withheld(n_bytes);
        }
    }

    fn choice_at(&mut self, index: u64) -> Result<usize, Failure> {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return Ok(at);
        }
        if self.answer.facts.n_choices <= index {
            return Err(Failure::Malformed("there are more choices than were asked for"));
        }
        if self.answer.guard.limits.choices_max <= self.choices.len() {
            return Err(Failure::TooLarge("choices_max"));
        }
        self.choices.push(Choice::new(index));
        Ok(self.choices.len() - 1)
    }

    pub(super) fn slot_at(&mut self, at: usize, path: &str) -> Result<usize, Failure> {
        let limits = self.answer.guard.limits;
        let choice = self.choices.get_mut(at).ok_or(NO_CHOICE)?;
        if let Some(slot) = choice.slots.iter().position(|slot| slot.path == path) {
            return Ok(slot);
        }
        if limits.channels_max <= choice.slots.len() {
            return Err(Failure::TooLarge("channels_max"));
        }
        let detector = Some(self.answer.guard.inspector.detector(Source::Model));
        let places_max = limits.findings_max / CHANNEL_FINDINGS_SHARE;
        let mut channel = Channel::new(detector, self.rungs, limits.held_bytes_max, places_max);
        if let Some(own) = &self.answer.own {
            channel = channel.restoring(Restorer::new(Arc::clone(own)));
        }
        choice.slots.push(Slot {
            path: path.to_owned(),
            channel,
            text: Vec::new(),
            n_in_tail: 0,
            n_unsent: 0,
            entries: VecDeque::new(),
        });
        Ok(choice.slots.len() - 1)
    }

    /// Gives a piece of text to its channel: its offset, what must stand in its place (escaped) unless it may stay, and what leaves.
    pub(super) fn say(
        &mut self,
        at: usize,
        slot: usize,
        piece: &[u8],
        at_end: bool,
    ) -> Result<Said, Failure> {
        let catalogue = self.answer.catalogue;
        let slots = self.choices.get_mut(at).map(|choice| &mut choice.slots);
        let state = slots.and_then(|slots| slots.get_mut(slot)).ok_or(NO_CHOICE)?;
        let start = state.channel.n_pushed();
        let n_kept = state.channel.n_kept();
        let (edit, leaves) = match state.channel.push(piece, at_end, &catalogue) {
            Release::Same => (None, piece.to_vec()),
            Release::Text(text) => {
                let mut with = Vec::with_capacity(text.len());
                encode_into(&text, &mut with);
                (Some(with), text)
            }
        };
        state.text.extend_from_slice(&leaves);
        let n_kept = state.channel.n_kept().saturating_sub(n_kept);
        self.count_text(leaves.len().saturating_add(n_kept))?;
        Ok((start, edit, leaves))
    }

    /// Takes over the findings whose turn has come. Whether the choice is refused now.
    fn settle(&mut self, at: usize) -> bool {
        let mut settled = Vec::new();
        let Some(choice) = self.choices.get_mut(at) else { return false };
        for slot in &mut choice.slots {
            let found = slot.channel.settled.drain(..);
            settled.extend(found.map(|finding| (slot.path.clone(), finding)));
            if slot.channel.refused.is_some() {
                choice.is_refused = true;
            }
        }
        let n_bytes = if choice.is_refused { choice.refuse() } else { 0 };
        let index = choice.index;
        self.note_withheld(n_bytes);
        let rungs: Rungs = self.rungs;
        for (path, finding) in settled {
            self.found(finding, Source::Model, place(index, &path), rungs.action(finding.kind));
        }
        self.choices.get(at).is_some_and(Choice::is_refused)
    }

    fn path_of(&self, at: usize, slot: usize) -> &str {
        let slot = self.choices.get(at).and_then(|choice| choice.slots.get(slot));
        slot.map_or("delta", |slot| slot.path.as_str())
    }

    /// Sends log-probability entries with the text that they stand for, not before it and not with its secrets.
    pub(super) fn logprobs(&mut self, value: Value<'_>, delta: &mut Delta) {
        for (key, list) in value.members() {
            self.value(key, Source::Model, &mut delta.edits);
            if list.kind() == NodeKind::Array {
                self.logprob_list(key, list, delta);
            } else {
                let nodes = list.descendants();
                nodes.for_each(|node| self.value(node, Source::Model, &mut delta.edits));
            }
        }
    }

    fn logprob_list(&mut self, key: Value<'_>, list: Value<'_>, delta: &mut Delta) {
        let path = format!("delta.{}", key.str().unwrap_or_default());
        let mut spoken = delta.spoken.iter();
        let spoken = spoken.find(|spoken| self.path_of(delta.at, spoken.slot) == path);
        let is_list = list.items().all(|entry| entry.kind() == NodeKind::Object);
        let align =
            |spoken: &super::delta::Spoken| logprobs::align(list, spoken.start, &spoken.piece);
        let spans = spoken.filter(|_| is_list).and_then(align);
        let guard = &self.answer.guard;
        let dirty: Vec<bool> =
            list.items().map(|entry| logprobs::is_dirty(entry, guard, &self.rungs)).collect();
        let mut leaving: Vec<Vec<u8>> = Vec::new();
        let slots = self.choices.get_mut(delta.at).map(|choice| &mut choice.slots);
        let slot = slots.zip(spoken).and_then(|(slots, spoken)| slots.get_mut(spoken.slot));
        match (slot, spans) {
            (Some(slot), Some(spans)) => {
                for ((entry, span), dirty) in list.items().zip(spans).zip(dirty) {
                    let blank = logprobs::blank(entry);
                    let whole = if dirty { blank.clone() } else { entry.raw().to_vec() };
                    slot.entries.push_back((span, whole, blank));
                }
                leaving = slot.leaving_entries();
            }
            // Tokens that do not add up to the text are another text: none of it leaves.
            _ if is_list => leaving.extend(list.items().map(logprobs::blank)),
            _ => {}
        }
        let n_entries = list.items().count();
        let same = leaving.len() == n_entries
            && leaving.iter().zip(list.items()).all(|(leaving, entry)| leaving == entry.raw());
        if !same {
            delta.edits.push(Splice { range: list.range(), with: json_array(&leaving) });
        }
    }
}

impl Slot {
    /// Whether the text did not leave as it came.
    fn differs(&self) -> bool {
        let (start, since) = self.channel.since_change();
        0 < self.n_unsent || self.text_from(start) != since
    }

    /// The text as it left.
    fn released(&self) -> &[u8] {
        let n_bytes = self.text.len().saturating_sub(self.n_unsent);
        self.text.get(..n_bytes).unwrap_or_default()
    }

    /// The text as it came.
    fn received(&self) -> Cow<'_, [u8]> {
        if !self.differs() {
            return Cow::Borrowed(&self.text);
        }
        let (start, since) = self.channel.since_change();
        let same = self.text.len().saturating_sub(self.text_from(start).len());
        let same = self.text.get(..same).unwrap_or_default();
        Cow::Owned([same, since].concat())
    }

    /// What left from a place of the channel on, up to which everything left as it came.
    fn text_from(&self, start: u64) -> &[u8] {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        self.text.get(start..).unwrap_or_default()
    }

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
    let is_plain = path.len() <= PATH_BYTES_MAX && path.chars().all(plain);
    if is_plain { path.to_owned() } else { "delta.*".to_owned() }
}

fn json_array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"[".to_vec();
    out.extend_from_slice(&items.join(&b','));
    out.push(b']');
    out
}

/// A choice that says these texts, by path (`delta.content`), and goes on.
fn texts_json<'t>(index: u64, texts: impl IntoIterator<Item = (&'t str, &'t [u8])>) -> String {
    let mut tree = Tree::default();
    tree.put(&["delta".to_owned()], b"");
    for (path, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        tree.put(&names(path), text);
    }
    format!("{{\"index\":{index},{},\"finish_reason\":null}}", tree.members())
}

/// A choice with one text and its log-probability entries.
fn text_json(index: u64, path: &str, text: &[u8], entries: &[Vec<u8>]) -> String {
    let mut tree = Tree::default();
    tree.put(&["delta".to_owned()], b"");
    tree.put(&names(path), text);
    let logprobs = if entries.is_empty() {
        "null".to_owned()
    } else {
        let field = names(path).pop().unwrap_or_default();
        let entries = json_array(entries);
        format!("{{{}:{}}}", quoted(field.as_bytes()), String::from_utf8_lossy(&entries))
    };
    format!(
        "{{\"index\":{index},{},\"logprobs\":{logprobs},\"finish_reason\":null}}",
        tree.members()
    )
}

/// Texts at their paths, so that fields which share a parent share it in the document too.
#[derive(Default)]
struct Tree {
    text: Vec<u8>,
    children: Vec<(String, Tree)>,
}

impl Tree {
    fn put(&mut self, path: &[String], text: &[u8]) {
        let Some((name, rest)) = path.split_first() else {
            return self.text.extend_from_slice(text);
        };
        if let Some((_, child)) = self.children.iter_mut().find(|(child, _)| child == name) {
            return child.put(rest, text);
        }
        let mut child = Self::default();
        child.put(rest, text);
        self.children.push((name.clone(), child));
    }

    fn members(&self) -> String {
        let member = |(name, child): &(String, Self)| {
            format!("{}:{}", quoted(name.as_bytes()), child.json())
        };
        self.children.iter().map(member).collect::<Vec<_>>().join(",")
    }

    fn json(&self) -> String {
        let is_object = !self.children.is_empty() || self.text.is_empty();
        if is_object { format!("{{{}}}", self.members()) } else { quoted(&self.text) }
    }
}

fn quoted(text: &[u8]) -> String {
    let mut inner = Vec::with_capacity(text.len());
    encode_into(text, &mut inner);
    format!("\"{}\"", String::from_utf8_lossy(&inner))
}
