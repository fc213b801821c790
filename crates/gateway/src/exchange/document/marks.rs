//! What is replaced in a document although no detector found it: look-alikes of placeholders in a request, placeholders in an answer.
use super::{Scan, Seen};
use crate::exchange::pseudonym::look_alikes;
use bartizan_core::detect::Finding;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, NodeKind, Value};
use bartizan_core::kind::PSEUDONYM_OWN;
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::collections::{BTreeMap, BTreeSet};

const OWN_ID: &str = "exchange@1";

impl Scan<'_> {
    /// Where strings and keys already look like placeholders with one of these words, and whether that is all: there are as many as
    /// findings at most.
    pub(in crate::exchange) fn look_alikes(
        &self,
        doc: &Doc<'_>,
        words: &BTreeSet<String>,
    ) -> (Vec<Seen>, bool) {
        let mut found = Vec::new();
        let places_max = self.guard.limits.findings_max;
        let is_text = |node: &Value<'_>| matches!(node.kind(), NodeKind::String | NodeKind::Key);
        for node in doc.nodes().filter(is_text) {
            let text = node.text().unwrap_or_default();
            // One more tells that there are too many.
            let n_left = places_max.saturating_add(1).saturating_sub(found.len());
            let spans = look_alikes(&text, words, n_left);
            found.extend(spans.into_iter().map(|span| mark(node, span)));
        }
        let is_all = found.len() <= places_max;
        found.truncate(places_max);
        (found, is_all)
    }
}

fn mark(node: Value<'_>, span: Span) -> Seen {
    let finding = Finding::certain(span, PSEUDONYM_OWN, OWN_ID);
    Seen::mark(finding, Source::Model, node.index())
}

/// The placeholders of an answer that are restored, with what goes in their place, by node and span.
#[derive(Default)]
pub(in crate::exchange) struct Restored {
    values: BTreeMap<(usize, Span), Vec<u8>>,
    n_bytes: usize,
}

impl Restored {
    /// Adds those of one string.
    pub(in crate::exchange) fn add(&mut self, node: Value<'_>, found: Vec<(Span, Vec<u8>)>) {
        for (span, value) in found {
            self.n_bytes = self.n_bytes.saturating_add(value.len());
            self.values.insert((node.index(), span), value);
        }
    }

    /// Places of all strings.
    pub(in crate::exchange) fn n_places(&self) -> usize {
        self.values.len()
    }

    /// Bytes of all values.
    pub(in crate::exchange) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// What goes in the place of one.
    pub(in crate::exchange) fn get(&self, node: Value<'_>, span: Span) -> Option<&[u8]> {
        self.values.get(&(node.index(), span)).map(Vec::as_slice)
    }

    /// Puts the places among what was seen, in order of node. They are replaced like anything that is taken out.
    pub(in crate::exchange) fn among(
        &self,
        seen: &[Seen],
        actions: &[Action],
    ) -> (Vec<Seen>, Vec<Action>) {
        let own = self.values.keys().map(|&(node, span)| {
            let finding = Finding::certain(span, PSEUDONYM_OWN, OWN_ID);
            (Seen::mark(finding, Source::Model, node), Action::Redact)
        });
        let mut all: Vec<(Seen, Action)> =
            seen.iter().cloned().zip(actions.iter().copied()).chain(own).collect();
        all.sort_by_key(|(seen, _)| (seen.node, seen.finding));
        all.into_iter().unzip()
    }
}
