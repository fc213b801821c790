//! Log-probability entries: a second copy of the text, token by token, and what the model might have said instead.
//!
//! An entry whose text was redacted loses its token, its bytes and its alternatives; its number stays (unless it is so long that it could be
//! read as text), so that the entries still count.
use super::Guard;
use super::document::{plain_digits, scan_text};
use super::findings::Rungs;
use bartizan_core::evidence::Source;
use bartizan_core::json::{NodeKind, Value};
use bartizan_core::span::Span;
use bartizan_policy::Action;

/// Shorter strings cannot be anything that is looked for.
const TEXT_BYTES_MIN: usize = 4;

/// The text that an entry stands for: its bytes where they are given, else its token.
fn token_text(entry: Value<'_>) -> Vec<u8> {
    let bytes = entry.get("bytes").filter(|bytes| !bytes.is_null());
    bytes.and_then(byte_text).unwrap_or_else(|| {
        entry.get("token").and_then(Value::text).unwrap_or_default().into_owned()
    })
}

/// The text that an array of bytes spells, if it is one.
fn byte_text(array: Value<'_>) -> Option<Vec<u8>> {
    if array.kind() != NodeKind::Array {
        return None;
    }
    array.items().map(|item| u8::try_from(item.u64()?).ok()).collect()
}

/// Whether a list holds entries and nothing else.
pub(super) fn is_list(list: Value<'_>) -> bool {
    list.kind() == NodeKind::Array && list.items().all(|item| item.kind() == NodeKind::Object)
}

/// The places of the entries of `list` in a channel whose text from `start` is `text`; `None` when the tokens, put together, are another text.
pub(super) fn align(list: Value<'_>, start: u64, text: &[u8]) -> Option<Vec<Span>> {
    if !is_list(list) {
        return None;
    }
    let mut rest = text;
    let mut at = start;
    let mut spans = Vec::new();
    for entry in list.items() {
        let token = token_text(entry);
        rest = rest.strip_prefix(token.as_slice())?;
        // The bytes and the token must not tell two stories.
        let told = entry.get("token").and_then(Value::str);
        if told.is_some_and(|told| !told.contains('\u{fffd}') && told.as_bytes() != token) {
            return None;
        }
        let end = at + token.len() as u64;
        spans.push(Span::new(at, end));
        at = end;
    }
    rest.is_empty().then_some(spans)
}

/// Whether some string, number or array of bytes of an entry, its alternatives included, shows by itself what may not be released.
pub(super) fn is_dirty(entry: Value<'_>, guard: &Guard, rungs: &Rungs) -> bool {
    let shows = |text: &[u8]| {
        TEXT_BYTES_MIN <= text.len()
            && scan_text(guard, Source::Model, text)
                .iter()
                .any(|finding| rungs.action(finding.kind) != Action::Release)
    };
    entry.descendants().any(|node| match node.kind() {
        NodeKind::String | NodeKind::Key => node.text().is_some_and(|text| shows(&text)),
        NodeKind::Number => plain_digits(node.raw()).is_some_and(|digits| shows(&digits)),
        NodeKind::Array => byte_text(node).is_some_and(|text| shows(&text)),
        _ => false,
    })
}

/// An entry without its text.
pub(super) fn blank(entry: Value<'_>) -> Vec<u8> {
    let number = entry
        .get("logprob")
        .filter(|number| number.kind() == NodeKind::Number && plain_digits(number.raw()).is_none());
    let mut out = b"{\"token\":\"\",\"logprob\":".to_vec();
    out.extend_from_slice(number.map_or(b"null", Value::raw));
    out.extend_from_slice(b",\"bytes\":null,\"top_logprobs\":[]}");
    out
}
