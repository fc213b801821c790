//! Placeholders in the arguments of a tool call: JSON, with JSON in its strings. A value goes back escaped as often as its place demands.
use super::naming::Own;
use super::restore::restorations;
use crate::exchange::document::nested::{NESTED_LEVELS_MAX, looks_like_json};
use bartizan_core::json::{Doc, JsonLimits, NodeKind, encode_into, raw_ranges};
use bartizan_core::span::Span;
use std::ops::Range;
use std::sync::Arc;

/// Every placeholder of a whole text that may be JSON, with what goes in its place; at most so many. Names of members stay as they are.
pub(in crate::exchange) fn restorations_in_call(
    own: &Arc<Own>,
    text: &[u8],
    limits: JsonLimits,
    places_max: usize,
) -> Vec<(Span, Vec<u8>)> {
    if memchr::memchr(b'[', text).is_none() && memchr::memchr(b'\\', text).is_none() {
        return Vec::new();
    }
    level((own, places_max), text, limits, NESTED_LEVELS_MAX)
}

fn level(
    (own, places_max): (&Arc<Own>, usize),
    text: &[u8],
    limits: JsonLimits,
    n_levels: usize,
) -> Vec<(Span, Vec<u8>)> {
    let doc = if n_levels == 0 || !looks_like_json(text) {
        None
    } else {
        Doc::read_lax(text, limits).ok()
    };
    let Some(doc) = doc else { return restorations(own, text, places_max) };
    let mut found = Vec::new();
    for node in doc.nodes().filter(|node| node.kind() == NodeKind::String) {
        let inner = node.inner().unwrap_or_default();
        let n_left = places_max.saturating_sub(found.len());
        let text = node.text().unwrap_or_default();
        let within = level((own, n_left), &text, limits, n_levels - 1);
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let spans: Vec<Range<usize>> =
            within.iter().map(|(span, _)| index(span.start)..index(span.end)).collect();
        let start = node.inner_range().start;
        for (range, (_, value)) in raw_ranges(inner, &spans).into_iter().zip(within) {
            let span = Span::new((range.start + start) as u64, (range.end + start) as u64);
            let mut with = Vec::with_capacity(value.len());
            encode_into(&value, &mut with);
            found.push((span, with));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::pseudonym::naming::own_of;

    const LIMITS: JsonLimits = JsonLimits { depth_max: 64, nodes_max: 1000 };

    /// The text with everything restored.
    fn restored(text: &str) -> String {
        let own = own_of(&[("WORD-aaaaaaaa", "a\"b\\\n"), ("WORD-bbbbbbbb", "x")]);
        let found = restorations_in_call(&own, text.as_bytes(), LIMITS, 10);
        let edits = found.into_iter().map(|(span, with)| {
            let index = |offset: u64| usize::try_from(offset).unwrap();
            bartizan_core::json::Splice { range: index(span.start)..index(span.end), with }
        });
        let bytes = bartizan_core::json::splice(text.as_bytes(), edits.collect());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_value_is_escaped_as_its_place_demands() {
        let a = "[WORD-aaaaaaaa]";
        let value = r#"a\"b\\\n"#;
        let twice = r#"a\\\"b\\\\\\n"#;
        for (name, text, want) in [
            ("plain text", a.to_owned(), "a\"b\\\n".to_owned()),
            ("a string", format!("{{\"x\":\"{a}\"}}"), format!("{{\"x\":\"{value}\"}}")),
            (
                "JSON in a string",
                format!(r#"{{"x":"{{\"y\":\"{a}\"}}"}}"#),
                format!(r#"{{"x":"{{\"y\":\"{twice}\"}}"}}"#),
            ),
            (
                "written with escapes",
                r#"["\u005bWORD-\u0061aaaaaaa]"]"#.to_owned(),
                format!("[\"{value}\"]"),
            ),
            (
                "escaped for Markdown",
                r#"["\\[WORD-aaaaaaaa\\]"]"#.to_owned(),
                format!("[\"{value}\"]"),
            ),
            (
                "after a slash that JSON escapes",
                r#"["https:\/\/e\/[WORD-aaaaaaaa]"]"#.to_owned(),
                r#"["https:\/\/e\/[WORD-aaaaaaaa]"]"#.to_owned(),
            ),
            (
                "a URL in the string before",
                "[\"https://e\",\"[WORD-bbbbbbbb]\"]".to_owned(),
                "[\"https://e\",\"x\"]".to_owned(),
            ),
            ("a key", "{\"[WORD-bbbbbbbb]\":1}".to_owned(), "{\"[WORD-bbbbbbbb]\":1}".to_owned()),
            ("broken JSON", "{\"x\":\"[WORD-bbbbbbbb]".to_owned(), "{\"x\":\"x".to_owned()),
            ("nothing", "{}".to_owned(), "{}".to_owned()),
        ] {
            let read = restored(&text);
            assert_eq!(read, want, "{name}");
            let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(is_json(&read), is_json(&text), "{name}");
        }
    }
}
