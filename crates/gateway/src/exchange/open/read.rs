//! Which text of a request is whose: every string is scanned as what its sender is, and what cannot be read is noted.
use super::unread;
use crate::exchange::document::{Scan, is_media, texts_of_part};
use crate::exchange::told::source_of;
use bartizan_core::evidence::Source;
use bartizan_core::json::{NodeKind, Value};
use bartizan_core::kind::{UNREAD_PART_TYPE, UNREAD_TOKEN_IDS};

/// A chat request.
pub(super) fn chat(scan: &mut Scan<'_>, root: Value<'_>) {
    for (key, value) in root.members() {
        scan.node(key, Source::User);
        let name = key.text().unwrap_or_default();
        match &*name {
            b"messages" => value.items().for_each(|message| scan_message(scan, message)),
            b"documents" => scan.tree(value, Source::Document),
            b"tools" | b"functions" | b"response_format" | b"tool_choice" | b"function_call" => {
                scan.tree(value, Source::System);
            }
            _ => scan_field(scan, key, value),
        }
        if &*name == b"prediction" {
            // What the answer is expected to say is written in parts, as messages are.
            let parts = value.get("content").into_iter().flat_map(Value::items);
            scan.joined(&parts.flat_map(texts_of_part).collect::<Vec<_>>(), Source::User);
        }
    }
}

/// A request for embeddings.
pub(super) fn embeddings(scan: &mut Scan<'_>, root: Value<'_>) {
    for (key, value) in root.members() {
        scan.node(key, Source::User);
        let name = key.text().unwrap_or_default();
        let has_ids = value.items().any(|item| !matches!(item.kind(), NodeKind::String));
        if &*name == b"input" && has_ids {
            scan.note(value, Source::User, UNREAD_TOKEN_IDS);
            scan.tree(value, Source::User);
        } else {
            scan_field(scan, key, value);
        }
    }
}

/// A field that is not part of the conversation.
fn scan_field(scan: &mut Scan<'_>, key: Value<'_>, value: Value<'_>) {
    unread::in_field(scan, key, value);
    scan.tree(value, Source::User);
}

fn scan_message(scan: &mut Scan<'_>, message: Value<'_>) {
    let source = source_of(message);
    unread::in_message(scan, message, source);
    for (key, value) in message.members() {
        scan.node(key, source);
        match (&*key.text().unwrap_or_default(), value.kind()) {
            (b"content", NodeKind::Array) => scan_parts(scan, value, source),
            (b"tool_calls" | b"function_call", _) => scan.tree(value, Source::ToolCall),
            (b"documents", _) => scan.tree(value, Source::Document),
            _ => scan.tree(value, source),
        }
    }
}

fn scan_parts(scan: &mut Scan<'_>, parts: Value<'_>, source: Source) {
    let mut texts = Vec::new();
    for part in parts.items() {
        let kind = part.get("type").and_then(Value::text).unwrap_or_default();
        match &*kind {
            b"text" | b"input_text" | b"refusal" | b"output_text" => {
                texts.extend(texts_of_part(part));
                scan.tree(part, source);
            }
            b"document" | b"search_result" => scan.tree(part, Source::Document),
            _ if is_media(part) => unread::media(scan, part),
            _ => {
                scan.note(part, source, UNREAD_PART_TYPE);
                scan.tree(part, source);
            }
        }
    }
    scan.joined(&texts, source);
}
