//! The replacements that verdicts demand in a document that was scanned.
use super::keys::{Keys, tell_keys_apart};
use super::marks::Restored;
use super::nested::{BareNumbers, looks_like_json, plain_value};
use super::{Scan, Seen, range, shift};
use crate::exchange::findings::{Group, group};
use crate::exchange::pseudonym::Naming;
use bartizan_core::detect::Finding;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, Splice, Value, encode_into, raw_ranges};
use bartizan_core::kind::{Catalogue, Extent, KindId, KindSet, PSEUDONYM_OWN, UPSTREAM_KEY};
use bartizan_core::record::RecordId;
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::ops::Range;

/// What stands where something else was than what is taken out for good.
pub(in crate::exchange) enum StandIns<'s> {
    /// Everything is taken out for good.
    None,
    /// Values of these kinds get a placeholder of their own.
    Named(KindSet, &'s mut Naming),
    /// Placeholders get their values back.
    Restored(&'s Restored),
}

impl StandIns<'_> {
    /// Whether findings of this kind can be stood in for.
    fn knows(&self, kind: KindId) -> bool {
        match self {
            Self::None => false,
            Self::Named(kinds, _) => kinds.contains(kind),
            Self::Restored(_) => kind == PSEUDONYM_OWN,
        }
    }

    /// What stands in for a group of such findings in a string whose text is `text`, as the document writes it.
    fn stand_in(
        &mut self,
        node: Value<'_>,
        text: &[u8],
        group: &Group,
        catalogue: &Catalogue,
    ) -> Option<Vec<u8>> {
        match self {
            Self::None => None,
            Self::Named(_, naming) => {
                let value = plain_value(text, range(group.span));
                naming.name(group.kind, catalogue, &value).map(String::into_bytes)
            }
            Self::Restored(restored) => {
                let value = restored.get(node, group.span)?;
                let mut with = Vec::with_capacity(value.len());
                encode_into(value, &mut with);
                Some(with)
            }
        }
    }
}

impl Scan<'_> {
    /// The replacements that the verdicts demand. `actions[i]` answers `seen[i]`; refusals are the caller's business.
    pub(in crate::exchange) fn edits(
        &self,
        doc: &Doc<'_>,
        seen: &[Seen],
        actions: &[Action],
        record: Option<RecordId>,
        stand_ins: &mut StandIns<'_>,
    ) -> Vec<Splice> {
        let redacted = seen.iter().zip(actions).filter(|(_, action)| **action == Action::Redact);
        let redacted = redacted.map(|(seen, _)| seen.clone()).collect();
        self.edits_of(doc, redacted, record, stand_ins)
    }

    /// The replacements that take out the upstreams' keys and nothing else.
    pub(in crate::exchange) fn edits_of_keys(&self, doc: &Doc<'_>) -> Vec<Splice> {
        let is_key = |seen: &&Seen| seen.finding.kind == UPSTREAM_KEY;
        let seen = self.seen.iter().filter(is_key).chain(&self.uncounted_keys);
        self.edits_of(doc, seen.cloned().collect(), None, &mut StandIns::None)
    }

    fn edits_of(
        &self,
        doc: &Doc<'_>,
        mut redacted: Vec<Seen>,
        record: Option<RecordId>,
        stand_ins: &mut StandIns<'_>,
    ) -> Vec<Splice> {
        redacted.sort_by_key(|seen| seen.node);
        let mut keys = Keys::new(doc, redacted.iter().map(|seen| seen.node));
        let mut edits = Vec::new();
        for of_node in redacted.chunk_by(|a, b| a.node == b.node) {
            if let Some(node) = of_node.first().and_then(|seen| doc.at(seen.node)) {
                let mut of_node = self.edits_of_node(node, of_node, record, stand_ins);
                keys.tell_apart(node, &mut of_node);
                edits.extend(of_node);
            }
        }
        edits
    }

    fn edits_of_node(
        &self,
        node: Value<'_>,
        seen: &[Seen],
        record: Option<RecordId>,
        stand_ins: &mut StandIns<'_>,
    ) -> Vec<Splice> {
        let Some(inner) = node.inner() else {
            // Neither a number nor a whole part can carry a placeholder: null keeps the document well-formed.
            return vec![Splice { range: node.range(), with: b"null".to_vec() }];
        };
        let (mut parts, mut spans): (Vec<(Span, KindId, Source)>, Vec<Finding>) =
            (Vec::new(), Vec::new());
        for seen in seen {
            match self.catalogue.info(seen.finding.kind).extent {
                Extent::Part => parts.push((
                    seen.part.unwrap_or(Span::new(0, u64::MAX)),
                    seen.finding.kind,
                    seen.source,
                )),
                Extent::Span => spans.push(seen.finding),
            }
        }
        parts.sort_by_key(|(part, kind, _)| (*part, *kind));
        parts.dedup_by_key(|(part, _, _)| *part);
        let gone = merged(parts.iter().map(|(part, _, _)| *part));
        spans.retain(|finding| !is_touched(&gone, finding.span));
        let groups = self.groups_of_node(node, spans, stand_ins);
        let with_of_part = |(_, kind, source): &(Span, KindId, Source)| {
            let mut with = Vec::new();
            encode_into(notice(*kind, *source, record, &self.catalogue).as_bytes(), &mut with);
            with
        };
        let places: Vec<Range<usize>> = groups
            .iter()
            .map(|(span, _)| range(*span))
            .chain(parts.iter().map(|(part, _, _)| range(*part)))
            .collect();
        let with = groups.into_iter().map(|(_, with)| with).chain(parts.iter().map(with_of_part));
        let start = node.inner_range().start;
        let ranges = raw_ranges(inner, &places).into_iter().map(|range| shift(range, start));
        ranges.zip(with).map(|(range, with)| Splice { range, with }).collect()
    }

    /// Where something goes from a string, and what stands there then.
    fn groups_of_node(
        &self,
        node: Value<'_>,
        spans: Vec<Finding>,
        stand_ins: &mut StandIns<'_>,
    ) -> Vec<(Span, Vec<u8>)> {
        if spans.is_empty() {
            return Vec::new();
        }
        let for_good = spans.iter().filter(|finding| !stand_ins.knows(finding.kind));
        let for_good = merged(for_good.map(|finding| finding.span));
        let text = node.text().unwrap_or_default();
        let numbers =
            if looks_like_json(&text) { BareNumbers::of(&text) } else { BareNumbers::default() };
        let mut with_of = |group: Group| {
            let may = !is_touched(&for_good, group.span) && !numbers.has(group.span);
            let stand_in =
                if may { stand_ins.stand_in(node, &text, &group, &self.catalogue) } else { None };
            let placeholder = || numbers.placeholder(group.span, group.kind, &self.catalogue);
            (group.span, stand_in.unwrap_or_else(placeholder))
        };
        let mut groups: Vec<(Span, Vec<u8>)> =
            group(spans.into_iter()).into_iter().map(&mut with_of).collect();
        tell_keys_apart(&text, &mut groups);
        groups
    }
}

/// Spans as sorted ones that do not overlap.
pub(in crate::exchange) fn merged(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans.collect();
    sorted.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(sorted.len());
    for span in sorted {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

/// Whether a span overlaps one of these, which are sorted and do not overlap.
pub(in crate::exchange) fn is_touched(merged: &[Span], span: Span) -> bool {
    let next = merged.partition_point(|known| known.end <= span.start);
    merged.get(next).is_some_and(|known| known.overlaps(span))
}

/// What the model reads instead of a poisoned tool result or document.
fn notice(kind: KindId, source: Source, record: Option<RecordId>, catalogue: &Catalogue) -> String {
    let what = match source {
        Source::Tool => "tool result",
        Source::Document => "document",
        _ => "text",
    };
    let name = catalogue.info(kind).name;
    match record {
        Some(record) => {
            format!("[removed by Bartizan: this {what} contained {name}; record {record}]")
        }
        None => format!("[removed by Bartizan: this {what} contained {name}]"),
    }
}
