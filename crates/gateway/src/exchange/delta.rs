//! Walks one choice of an event: running text goes to its channels, what must wait goes to the calls, the rest is scanned as it is.
use super::answer::Failure;
use super::calls::Piece;
use super::plain::unread_field;
use super::stream::Stream;
use bartizan_core::evidence::Source;
use bartizan_core::json::{NodeKind, Splice, Value};
use std::ops::Range;

/// Fields that name things and carry no running text.
pub(super) const NAMES: [&[u8]; 4] = [b"role", b"type", b"object", b"id"];
/// Stands for a field whose name may not be repeated.
const REDACTED_NAME: &str = "redacted";

/// What one event says of one choice.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// Position of the choice.
    pub(super) at: usize,
    /// The choice ends with this event.
    pub(super) at_end: bool,
    /// The choice ended before this event.
    pub(super) was_finished: bool,
    /// Where the walk is.
    pub(super) path: String,
    /// The member that is being walked waits: whose text it is.
    pub(super) waits: Option<Source>,
    /// Replacements in the event's data.
    pub(super) edits: Vec<Splice>,
    /// Members of the delta that wait: key and value, as they stand in the data.
    pub(super) waiting: Vec<(Range<usize>, Range<usize>)>,
    /// Strings in them.
    pub(super) pieces: Vec<Piece>,
    /// What the channels said.
    pub(super) spoken: Vec<Spoken>,
}

/// A piece of running text, and what leaves of it now.
#[derive(Debug)]
pub(super) struct Spoken {
    pub(super) slot: usize,
    /// Its offset in the channel.
    pub(super) start: u64,
    pub(super) piece: Vec<u8>,
    pub(super) leaves: Vec<u8>,
}

impl Stream {
    /// Walks the members of a choice.
    pub(super) fn walk_choice(
        &mut self,
        choice: Value<'_>,
        delta: &mut Delta,
    ) -> Result<(), Failure> {
        for (key, value) in choice.members() {
            let name = self.name(key, Source::Model, delta);
            match name.as_str() {
                "finish_reason" => self.value(value, Source::Model, &mut delta.edits),
                "delta" => self.walk_delta(value, delta)?,
                "logprobs" if !matches!(value.kind(), NodeKind::Object | NodeKind::Null) => {
                    return Err(Failure::Malformed("`logprobs` is no object"));
                }
                "index" | "logprobs" => {}
                _ => {
                    if !self.note_unread(key, value) {
                        continue;
                    }
                    delta.path.clear();
                    push_name(&mut delta.path, &name);
                    self.walk(value, delta)?;
                }
            }
        }
        // Entries come after the text that they repeat, wherever they stand.
        choice.get("logprobs").into_iter().for_each(|value| self.logprobs(value, delta));
        Ok(())
    }

    fn walk_delta(&mut self, value: Value<'_>, delta: &mut Delta) -> Result<(), Failure> {
        if !matches!(value.kind(), NodeKind::Object | NodeKind::Null) {
            return Err(Failure::Malformed("`delta` is no object"));
        }
        if delta.was_finished && says_something(value) {
            return Err(Failure::Malformed("a choice goes on after its `finish_reason`"));
        }
        for (key, member) in value.members() {
            let is_call = key.is_text("tool_calls") || key.is_text("function_call");
            let source = if is_call { Source::ToolCall } else { Source::Model };
            let name = self.name(key, source, delta);
            if !self.note_unread(key, member) {
                continue;
            }
            "delta".clone_into(&mut delta.path);
            push_name(&mut delta.path, &name);
            if NAMES.contains(&name.as_bytes()) && member.kind() == NodeKind::String {
                self.value(member, Source::Model, &mut delta.edits);
                continue;
            }
            if must_wait(member, is_call) {
                delta.waiting.push((key.range(), member.range()));
                delta.waits = Some(source);
            }
            self.walk(member, delta)?;
            delta.waits = None;
        }
        Ok(())
    }

    /// Walks a value. Its depth is bounded by the JSON reader's.
    fn walk(&mut self, value: Value<'_>, delta: &mut Delta) -> Result<(), Failure> {
        let n_path = delta.path.len();
        let source = delta.waits.unwrap_or(Source::Model);
        match value.kind() {
            NodeKind::Object => {
                for (key, member) in value.members() {
                    let name = self.name(key, source, delta);
                    push_name(&mut delta.path, &name);
                    self.walk(member, delta)?;
                    delta.path.truncate(n_path);
                }
            }
            NodeKind::Array => {
                for (position, item) in value.items().enumerate() {
                    // One index for us and another for the client would make two texts of one.
                    let index = match item.get("index") {
                        Some(index) => index
                            .u64()
                            .ok_or(Failure::Malformed("an `index` is no whole number"))?,
                        None => position as u64,
                    };
                    push_index(&mut delta.path, index);
                    self.walk(item, delta)?;
                    delta.path.truncate(n_path);
                }
            }
            NodeKind::String => match delta.waits {
                Some(source) => self.wait_text(value, source, delta),
                None => self.channel_text(value, delta)?,
            },
            _ => self.value(value, source, &mut delta.edits),
        }
        Ok(())
    }

    /// A name as paths and our own events may repeat it.
    fn name(&mut self, key: Value<'_>, source: Source, delta: &mut Delta) -> String {
        let n_edits = delta.edits.len();
        self.value(key, source, &mut delta.edits);
        if n_edits < delta.edits.len() {
            return REDACTED_NAME.to_owned();
        }
        String::from_utf8_lossy(&key.text().unwrap_or_default()).into_owned()
    }

    fn wait_text(&mut self, value: Value<'_>, source: Source, delta: &mut Delta) {
        if let Some(choice) = self.choices.get_mut(delta.at) {
            let text = value.text().unwrap_or_default();
            let range = value.inner_range();
            delta.pieces.push(choice.calls.piece(&delta.path, source, &text, range));
        }
    }

    fn channel_text(&mut self, value: Value<'_>, delta: &mut Delta) -> Result<(), Failure> {
        let slot = self.slot_at(delta.at, &delta.path)?;
        let piece = value.text().unwrap_or_default();
        let (start, edit, leaves) = self.say(delta.at, slot, &piece, delta.at_end)?;
        if let Some(with) = edit {
            delta.edits.push(Splice { range: value.inner_range(), with });
        }
        delta.spoken.push(Spoken { slot, start, piece: piece.into_owned(), leaves });
        Ok(())
    }

    /// Notes a field that is not read, if this is one that holds something. Whether it may be walked.
    pub(super) fn note_unread(&mut self, key: Value<'_>, value: Value<'_>) -> bool {
        let kind = unread_field(&key.text().unwrap_or_default(), value);
        kind.is_none_or(|kind| self.note(kind, value.raw().len()))
    }
}

/// Whether a member of a delta waits until it is whole: a call does, and so do texts in a list. What has no text in it has nothing to wait for, and
/// travels as it came.
fn must_wait(member: Value<'_>, is_call: bool) -> bool {
    let is_filled =
        |node: Value<'_>| node.kind() == NodeKind::Array && node.items().next().is_some();
    let is_text = |node: Value<'_>| node.kind() == NodeKind::String;
    if is_call {
        let is_empty = member.kind() == NodeKind::Array && !is_filled(member);
        return !member.is_null() && !is_empty;
    }
    member.descendants().any(is_filled) && member.descendants().any(is_text)
}

/// Whether a delta carries anything but a role, nulls and empty strings.
fn says_something(delta: Value<'_>) -> bool {
    delta.members().any(|(key, value)| {
        let quiet = value.is_null() || key.is_text("role");
        let says = |node: Value<'_>| {
            node.kind() == NodeKind::String && !node.inner().unwrap_or_default().is_empty()
        };
        !quiet && value.descendants().any(says)
    })
}

/// Appends a name to a path. What a path is made of is escaped in it, so that no two fields share one.
fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    for c in name.chars() {
        if matches!(c, '.' | '[' | ']' | '\\') {
            path.push('\\');
        }
        path.push(c);
    }
}

fn push_index(path: &mut String, index: u64) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}

/// The names of a path, for building a document from it: `delta.a\.b` is `delta` and `a.b`.
pub(super) fn names(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match (c, names.last_mut()) {
            ('.', _) => names.push(String::new()),
            ('\\', Some(name)) => name.extend(chars.next()),
            (_, Some(name)) => name.push(c),
            (_, None) => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_its_names_apart() {
        for (list, want) in [
            (vec!["delta", "content"], "delta.content"),
            (vec!["delta", "a.b"], r"delta.a\.b"),
            (vec!["x[0]", "y\\"], r"x\[0\].y\\"),
        ] {
            let mut path = String::new();
            for name in &list {
                push_name(&mut path, name);
            }
            assert_eq!(path, want);
            assert_eq!(names(&path), list);
        }
    }
}
