//! JSON inside strings: arguments of tool calls, tool results, structured output.
//!
//! An escape hides text from a scan of the outer string, and a number may be written with an exponent: strings and numbers of a text that
//! is itself JSON are scanned once more in their plain form, some levels deep. JSON with other text around it, and JSON in a stream
//! that is not whole yet, are scanned as the text that they are.
use super::number::plain_digits;
use super::{OWN_ID, range, scan_by, shift};
use crate::exchange::Guard;
use crate::exchange::findings::placeholder;
use bartizan_core::detect::{Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::json::{
    Doc, JsonError, JsonLimits, NodeKind, Value, decode, raw_ranges, whole_escapes,
};
use bartizan_core::kind::{Catalogue, Extent, KindId, LIMIT_DEPTH};
use bartizan_core::span::Span;
use std::borrow::Cow;
use std::ops::Range;

/// Levels of JSON inside strings that are read. What is deeper and would have to be read is `limit.depth`.
pub(in crate::exchange) const NESTED_LEVELS_MAX: usize = 3;
/// Strings and numbers that one finding is fitted to. A longer one stays as it is: its redaction breaks the JSON, and hides all of it.
const PIECES_MAX: usize = 64;

/// Findings in a text that may be JSON, in order of span and counted in the text's own bytes. No finding cuts an escape of that JSON, and
/// one in a number covers the whole number.
pub(in crate::exchange) fn scan_call(guard: &Guard, source: Source, text: &[u8]) -> Vec<Finding> {
    scan_whole(&*guard.inspector, guard.limits.json(), source, text)
}

/// Findings in a whole text as the gateway looks for them in requests and in answers that come whole: where the text is JSON, in its strings
/// too. In order of span, counted in the text's own bytes.
///
/// ```
/// # use bartizan_core::{evidence::Source, json::JsonLimits};
/// # use bartizan_gateway::exchange::scan_whole;
/// # use bartizan_inspect::TextInspector;
/// let limits = JsonLimits { depth_max: 64, nodes_max: 1000 };
/// let text = br#"{"to":"jo\u0040example.org"}"#;
/// assert_eq!(scan_whole(&TextInspector::new(), limits, Source::Model, text).len(), 1);
/// ```
pub fn scan_whole(
    inspector: &dyn Inspector,
    limits: JsonLimits,
    source: Source,
    text: &[u8],
) -> Vec<Finding> {
    scan_level((inspector, limits), source, text, NESTED_LEVELS_MAX)
}

/// What looks into texts, and how much JSON is read.
type Looking<'l> = (&'l dyn Inspector, JsonLimits);

/// Whether a text can be a JSON object, array or string: a cheap look at its ends.
pub(in crate::exchange) fn looks_like_json(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    2 <= text.len()
        && matches!(
            (text.first(), text.last()),
            (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) | (Some(b'"'), Some(b'"'))
        )
}

fn scan_level(looking: Looking<'_>, source: Source, text: &[u8], n_levels: usize) -> Vec<Finding> {
    let (inspector, limits) = looking;
    let mut found = scan_by(inspector, source, text);
    if !looks_like_json(text) {
        return found;
    }
    let unread = Finding::certain(Span::new(0, text.len() as u64), LIMIT_DEPTH, OWN_ID);
    match Doc::read_lax(text, limits) {
        Ok(doc) if n_levels == 0 => {
            let hides = |node: Value<'_>| {
                let digits =
                    if node.kind() == NodeKind::Number { plain_digits(node.raw()) } else { None };
                node.is_escaped()
                    || matches!(digits, Some(Cow::Owned(_)))
                    || node.inner().is_some_and(looks_like_json)
            };
            if doc.nodes().any(hides) {
                found.push(unread);
            }
        }
        Ok(doc) => {
            for node in doc.nodes() {
                found.extend(scan_nested(looking, source, node, n_levels));
            }
            if !found.is_empty() {
                found = once(fit(&doc, found, &Catalogue::new(inspector.kinds())));
            }
        }
        Err(JsonError::Depth { .. } | JsonError::Nodes { .. } | JsonError::TooLong) => {
            found.push(unread);
        }
        Err(_) => {}
    }
    found
}

/// The same, each said once: what a string says when it is read is often seen in its escapes, too. Of two, the shorter name is kept, which
/// says less of how it was found.
fn once(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| (finding.span, finding.kind, finding.detector.len()));
    found.dedup_by_key(|finding| (finding.span, finding.kind));
    found
}

/// Findings in one node of a JSON text, counted in that text.
fn scan_nested(
    looking: Looking<'_>,
    source: Source,
    node: Value<'_>,
    n_levels: usize,
) -> Vec<Finding> {
    if node.kind() == NodeKind::Number {
        let span = Span::new(node.range().start as u64, node.range().end as u64);
        let found = plain_digits(node.raw()).map(|digits| scan_by(looking.0, source, &digits));
        return found
            .unwrap_or_default()
            .into_iter()
            .map(|finding| Finding { span, ..finding })
            .collect();
    }
    let Some(inner) = node.inner() else { return Vec::new() };
    if !node.is_escaped() && !looks_like_json(inner) {
        return Vec::new();
    }
    let found = scan_level(looking, source, &node.text().unwrap_or_default(), n_levels - 1);
    let spans: Vec<Range<usize>> = found.iter().map(|finding| range(finding.span)).collect();
    let placed = raw_ranges(inner, &spans).into_iter().zip(found).map(|(at, finding)| {
        let at = shift(at, node.inner_range().start);
        Finding { span: Span::new(at.start as u64, at.end as u64), ..finding }
    });
    placed.collect()
}

/// A part of a finding, in one string or number of a JSON text.
struct Piece {
    leaf: usize,
    range: Range<usize>,
    finding: Finding,
}

/// Fits findings to the strings and numbers of the JSON text that they stand in, so that taking them out leaves JSON. Sorted, each one once.
fn fit(doc: &Doc<'_>, found: Vec<Finding>, catalogue: &Catalogue) -> Vec<Finding> {
    let is_leaf = |node: &Value<'_>| {
        matches!(node.kind(), NodeKind::String | NodeKind::Key | NodeKind::Number)
    };
    let leaves: Vec<Value<'_>> = doc.nodes().filter(is_leaf).collect();
    let mut fitted = Vec::with_capacity(found.len());
    let mut pieces = Vec::new();
    for finding in found {
        let at = range(finding.span);
        let first = leaves.partition_point(|leaf| leaf.range().end <= at.start);
        let touched = leaves.iter().enumerate().skip(first);
        let touched = touched.take_while(|(_, leaf)| leaf.range().start < at.end);
        let of_finding: Vec<Piece> = touched
            .take(PIECES_MAX + 1)
            .filter_map(|(leaf, value)| piece(leaf, *value, &at, finding))
            .collect();
        let whole = catalogue.info(finding.kind).extent == Extent::Part;
        if whole || of_finding.is_empty() || PIECES_MAX < of_finding.len() {
            fitted.push(finding);
        } else {
            pieces.extend(of_finding);
        }
    }
    pieces.sort_by_key(|piece| piece.leaf);
    for of_leaf in pieces.chunk_by(|a, b| a.leaf == b.leaf) {
        let leaf = of_leaf.first().and_then(|piece| leaves.get(piece.leaf));
        if let Some(leaf) = leaf {
            fitted.extend(fit_leaf(*leaf, of_leaf));
        }
    }
    fitted.sort_unstable();
    fitted.dedup();
    fitted
}

fn piece(leaf: usize, value: Value<'_>, at: &Range<usize>, finding: Finding) -> Option<Piece> {
    let inner = if value.kind() == NodeKind::Number { value.range() } else { value.inner_range() };
    let cut = at.start.max(inner.start)..at.end.min(inner.end);
    let range = if value.kind() == NodeKind::Number { inner } else { cut.clone() };
    (!cut.is_empty()).then_some(Piece { leaf, range, finding })
}

fn fit_leaf(leaf: Value<'_>, pieces: &[Piece]) -> Vec<Finding> {
    let mut ranges: Vec<Range<usize>> = pieces.iter().map(|piece| piece.range.clone()).collect();
    if let (Some(inner), true) = (leaf.inner(), leaf.is_escaped()) {
        let start = leaf.inner_range().start;
        let within: Vec<Range<usize>> =
            ranges.iter().map(|range| range.start - start..range.end - start).collect();
        ranges =
            whole_escapes(inner, &within).into_iter().map(|range| shift(range, start)).collect();
    }
    let span = |range: Range<usize>| Span::new(range.start as u64, range.end as u64);
    let placed = pieces.iter().zip(ranges);
    placed.map(|(piece, range)| Finding { span: span(range), ..piece.finding }).collect()
}

/// Where numbers stand bare in a text that is JSON, in the JSON of its strings too. A placeholder in their place would be no JSON.
#[derive(Debug, Default)]
pub(in crate::exchange) struct BareNumbers {
    /// Sorted.
    spans: Vec<Span>,
}

impl BareNumbers {
    /// Reads a text; one that is no JSON has none.
    pub(in crate::exchange) fn of(text: &[u8]) -> Self {
        Self { spans: bare_numbers(text, NESTED_LEVELS_MAX) }
    }

    /// Whether this is where one stands.
    pub(in crate::exchange) fn has(&self, span: Span) -> bool {
        self.spans.binary_search(&span).is_ok()
    }

    /// What stands where `span` was taken out: `null` for a bare number, else the usual placeholder.
    pub(in crate::exchange) fn placeholder(
        &self,
        span: Span,
        kind: KindId,
        catalogue: &Catalogue,
    ) -> Vec<u8> {
        if self.has(span) { b"null".to_vec() } else { placeholder(kind, catalogue).into_bytes() }
    }
}

/// What a reader of a text that may be JSON reads in `at`, however often it is escaped there. `at` cuts no escape.
pub(in crate::exchange) fn plain_value(text: &[u8], at: Range<usize>) -> Vec<u8> {
    value_at(text, at, NESTED_LEVELS_MAX)
}

fn value_at(text: &[u8], at: Range<usize>, n_levels: usize) -> Vec<u8> {
    let here = || text.get(at.clone()).unwrap_or_default().to_vec();
    if n_levels == 0 || !looks_like_json(text) {
        return here();
    }
    // As for bare numbers: what is in memory needs no bound of its own.
    let limits = JsonLimits { depth_max: usize::MAX, nodes_max: usize::MAX };
    let Ok(doc) = Doc::read_lax(text, limits) else { return here() };
    let holds = |node: &Value<'_>| {
        let inner = node.inner_range();
        node.inner().is_some() && inner.start <= at.start && at.end <= inner.end
    };
    let Some(node) = doc.nodes().find(holds) else { return here() };
    let start = node.inner_range().start;
    let before = |end: usize| decode(text.get(start..end).unwrap_or_default()).len();
    let within = before(at.start)..before(at.end);
    value_at(&node.text().unwrap_or_default(), within, n_levels - 1)
}

fn bare_numbers(text: &[u8], n_levels: usize) -> Vec<Span> {
    // The text is in memory, and its structure is no larger: it needs no bound of its own.
    let limits = JsonLimits { depth_max: usize::MAX, nodes_max: usize::MAX };
    let doc = if n_levels == 0 || !looks_like_json(text) {
        return Vec::new();
    } else {
        Doc::read_lax(text, limits)
    };
    let Ok(doc) = doc else { return Vec::new() };
    let mut found = Vec::new();
    for node in doc.nodes() {
        if node.kind() == NodeKind::Number {
            found.push(Span::new(node.range().start as u64, node.range().end as u64));
        } else if let Some(inner) = node.inner() {
            let nested = bare_numbers(&node.text().unwrap_or_default(), n_levels - 1);
            let spans: Vec<Range<usize>> = nested.into_iter().map(range).collect();
            let placed = raw_ranges(inner, &spans).into_iter();
            let placed = placed.map(|at| shift(at, node.inner_range().start));
            found.extend(placed.map(|at| Span::new(at.start as u64, at.end as u64)));
        }
    }
    found
}
