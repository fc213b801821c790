//! Which strings of a plain answer get their values back: what the model says, and the arguments of its tool calls where the route says so.
use crate::exchange::answer::Answer;
use crate::exchange::delta::NAMES;
use crate::exchange::document::Restored;
use crate::exchange::pseudonym::{Own, restorations, restorations_in_call};
use crate::limits::Limits;
use bartizan_core::json::{NodeKind, Value};
use std::sync::Arc;

/// Beside [`NAMES`], the fields of a tool call that name something.
const CALL_NAME: &[u8] = b"name";

/// Whether the last name of a path, or a key, names something in a tool call.
pub(in crate::exchange) fn names_something(key: &[u8]) -> bool {
    NAMES.contains(&key) || key == CALL_NAME
}

impl Answer {
    /// The placeholders of an answer that are restored.
    pub(super) fn restored(&self, root: Value<'_>) -> Restored {
        let mut restored = Restored::default();
        let Some(own) = self.own.as_ref() else { return restored };
        let limits = &self.guard.limits;
        for choice in root.get("choices").into_iter().flat_map(Value::items) {
            for (key, value) in choice.members() {
                match &*key.text().unwrap_or_default() {
                    b"finish_reason" | b"logprobs" => {}
                    b"message" => message(own, limits, value, &mut restored),
                    _ => texts(own, limits, value, &mut restored),
                }
            }
        }
        restored
    }
}

fn message(own: &Arc<Own>, limits: &Limits, message: Value<'_>, restored: &mut Restored) {
    for (key, value) in message.members() {
        let name = key.text().unwrap_or_default();
        if &*name == b"tool_calls" || &*name == b"function_call" {
            if own.in_calls {
                calls(own, limits, value, restored);
            }
        } else if !(NAMES.contains(&&*name) && value.kind() == NodeKind::String) {
            texts(own, limits, value, restored);
        }
    }
}

fn texts(own: &Arc<Own>, limits: &Limits, value: Value<'_>, restored: &mut Restored) {
    for node in value.descendants().filter(|node| node.kind() == NodeKind::String) {
        let places_max = places_max(limits, restored);
        restored.add(node, restorations(own, &node.text().unwrap_or_default(), places_max));
    }
}

/// How many more places are looked for: one more than there may be tells that there are too many.
fn places_max(limits: &Limits, restored: &Restored) -> usize {
    limits.findings_max.saturating_add(1).saturating_sub(restored.n_places())
}

fn calls(own: &Arc<Own>, limits: &Limits, value: Value<'_>, restored: &mut Restored) {
    let mut key: Option<Value<'_>> = None;
    for node in value.descendants() {
        let name = key.take().and_then(Value::text).unwrap_or_default();
        match node.kind() {
            NodeKind::Key => key = Some(node),
            NodeKind::String if !names_something(&name) => {
                let text = node.text().unwrap_or_default();
                let places_max = places_max(limits, restored);
                restored.add(node, restorations_in_call(own, &text, limits.json(), places_max));
            }
            _ => {}
        }
    }
}
