//! Log-probability entries: a second copy of the text, token by token, and what the model might have said instead.
//!
//! An entry whose text was redacted loses its token, its bytes and its alternatives; its number stays, so that the entries still count.
use super::Guard;
use super::document::scan_text;
use super::findings::Rungs;
use bartizan_core::json::Value;
use bartizan_core::span::Span;
use bartizan_policy::Action;

/// Shorter strings cannot be anything that is looked for.
const TEXT_BYTES_MIN: usize = 6;

/// The text that an entry stands for: its bytes where they are given, else its token.
fn token_text(entry: Value<'_>) -> Vec<u8> {
    let bytes = entry.get("bytes").filter(|bytes| !bytes.is_null());
    let from_bytes = bytes.and_then(|bytes| {
        bytes.items().map(|item| u8::try_from(item.u64()?).ok()).collect::<Option<Vec<u8>>>()
    });
    from_bytes.unwrap_or_else(|| {
        entry.get("token").and_then(Value::text).unwrap_or_default().into_owned()
    })
}

/// The places of the entries of `list` in a channel whose text from `start` is `text`; `None` when the tokens, put together, are another text.
pub(super) fn align(list: Value<'_>, start: u64, text: &[u8]) -> Option<Vec<Span>> {
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

/// The text of all entries together.
pub(super) fn text_of(list: Value<'_>) -> Vec<u8> {
    list.items().flat_map(token_text).collect()
}

/// Whether some string of an entry, its alternatives included, shows by itself what may not be released.
pub(super) fn is_dirty(entry: Value<'_>, guard: &Guard, rungs: &Rungs) -> bool {
    let strings =
        entry.descendants().filter_map(Value::text).filter(|text| TEXT_BYTES_MIN <= text.len());
    strings.into_iter().any(|text| {
        scan_text(guard, &text).iter().any(|finding| rungs.action(finding.kind) != Action::Release)
    })
}

/// An entry without its text.
pub(super) fn blank(entry: Value<'_>) -> Vec<u8> {
    let number = entry
        .get("logprob")
        .filter(|number| number.kind() == bartizan_core::json::NodeKind::Number);
    let mut out = b"{\"token\":\"\",\"logprob\":".to_vec();
    out.extend_from_slice(number.map_or(b"null", Value::raw));
    out.extend_from_slice(b",\"bytes\":null,\"top_logprobs\":[]}");
    out
}
