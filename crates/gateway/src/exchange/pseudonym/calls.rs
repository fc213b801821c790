//! Placeholders in the arguments of a tool call: JSON, with JSON in its strings. A value goes back escaped as often as its place demands.
use super::naming::Own;
use super::restore::restorations;
use crate::exchange::document::nested::{NESTED_LEVELS_MAX, looks_like_json};
use bartizan_core::json::{Doc, JsonLimits, NodeKind, encode_into, raw_ranges};
use bartizan_core::span::Span;
use std::ops::Range;
use std::sync::Arc;

/// Every placeholder of a whole text that may be JSON, with what goes in its place. Names of members stay as they are.
pub(in crate::exchange) fn restorations_in_call(
    own: &Arc<Own>,
    text: &[u8],
    limits: JsonLimits,
) -> Vec<(Span, Vec<u8>)> {
    if memchr::memchr(b'[', text).is_none() && memchr::memchr(b'\\', text).is_none() {
        return Vec::new();
    }
    level(own, text, limits, NESTED_LEVELS_MAX)
}

fn level(own: &Arc<Own>, text: &[u8], limits: JsonLimits, n_levels: usize) -> Vec<(Span, Vec<u8>)> {
    let doc = if n_levels == 0 || !looks_like_json(text) {
        None
    } else {
        Doc::read_lax(text, limits).ok()
    };
    let Some(doc) = doc else { return restorations(own, text) };
    let mut found = Vec::new();
    for node in doc.nodes().filter(|node| node.kind() == NodeKind::String) {
        let inner = node.inner().unwrap_or_default();
        let within = level(own, &node.text().unwrap_or_default(), limits, n_levels - 1);
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
