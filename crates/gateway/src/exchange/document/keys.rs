//! Keys of which something was taken out: two that were different must not become the same, in a document or in the JSON of its strings.
use super::nested::{NESTED_LEVELS_MAX, looks_like_json};
use super::place::parents;
use super::range;
use bartizan_core::json::{Doc, JsonLimits, NodeKind, Splice, Value, decode, splice};
use bartizan_core::span::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Numbers the placeholders of keys that would be twins, in a text that is JSON and in the JSON of its strings.
///
/// * `groups`: what goes from the text, in order and apart, with what stands there then
pub(in crate::exchange) fn tell_keys_apart(text: &[u8], groups: &mut [(Span, Vec<u8>)]) {
    tell_apart_in(text, groups, NESTED_LEVELS_MAX);
}

fn tell_apart_in(text: &[u8], groups: &mut [(Span, Vec<u8>)], n_levels: usize) {
    if groups.is_empty() || n_levels == 0 || !looks_like_json(text) {
        return;
    }
    // The text is in memory, and its structure is no larger: it needs no bound of its own.
    let limits = JsonLimits { depth_max: usize::MAX, nodes_max: usize::MAX };
    let Ok(doc) = Doc::read_lax(text, limits) else { return };
    let mut of_keys: Vec<(Value<'_>, Range<usize>)> = Vec::new();
    let mut at = 0;
    for node in doc.nodes().filter(|node| node.inner().is_some()) {
        let inner = node.inner_range();
        let rest = groups.get(at..).unwrap_or_default();
        at += rest.partition_point(|(span, _)| range(*span).start < inner.start);
        let rest = groups.get(at..).unwrap_or_default();
        let here = at..at + rest.partition_point(|(span, _)| range(*span).end <= inner.end);
        at = here.end;
        if let Some(of_node) = groups.get_mut(here.clone()).filter(|groups| !groups.is_empty()) {
            tell_apart_within(node, of_node, n_levels - 1);
            if node.kind() == NodeKind::Key {
                of_keys.push((node, here));
            }
        }
    }
    let mut keys = Keys::new(&doc, of_keys.iter().map(|(node, _)| node.index()));
    for (node, of_key) in of_keys {
        let Some(of_key) = groups.get_mut(of_key) else { continue };
        let edit =
            |(span, with): &(Span, Vec<u8>)| Splice { range: range(*span), with: with.clone() };
        let mut edits: Vec<Splice> = of_key.iter().map(edit).collect();
        keys.tell_apart(node, &mut edits);
        of_key.iter_mut().zip(edits).for_each(|((_, with), edit)| *with = edit.with);
    }
}

/// The same in a string of that JSON, as it reads without its escapes.
fn tell_apart_within(node: Value<'_>, groups: &mut [(Span, Vec<u8>)], n_levels: usize) {
    let plain = node.text().unwrap_or_default();
    if n_levels == 0 || !looks_like_json(&plain) {
        return;
    }
    let (inner, start) = (node.inner().unwrap_or_default(), node.inner_range().start);
    let mut n_read = 0;
    let mut n_plain: u64 = 0;
    let mut place = |offset: usize| {
        let piece = inner.get(n_read..offset.saturating_sub(start)).unwrap_or_default();
        n_read += piece.len();
        n_plain += decode(piece).len() as u64;
        n_plain
    };
    let within = |(span, with): &(Span, Vec<u8>)| {
        let at = range(*span);
        (Span::new(place(at.start), place(at.end)), with.clone())
    };
    let mut placed: Vec<(Span, Vec<u8>)> = groups.iter().map(within).collect();
    tell_apart_in(&plain, &mut placed, n_levels);
    groups.iter_mut().zip(placed).for_each(|((_, with), (_, told))| *with = told);
}

/// Keys of objects in which a key is redacted: two that were different must not become the same.
pub(super) struct Keys {
    /// The object of each redacted key.
    objects: BTreeMap<usize, usize>,
    /// Keys that stand in these objects, by object.
    taken: BTreeSet<(usize, Vec<u8>)>,
    /// The next number for a key that is taken, by object and key.
    next: BTreeMap<(usize, Vec<u8>), usize>,
}

impl Keys {
    /// * `redacted`: nodes of which something is taken out, in order; those that are no keys do not matter
    pub(super) fn new(doc: &Doc<'_>, redacted: impl Iterator<Item = usize>) -> Self {
        let is_key =
            |index: &usize| doc.at(*index).is_some_and(|node| node.kind() == NodeKind::Key);
        let mut nodes: Vec<usize> = redacted.filter(is_key).collect();
        nodes.dedup();
        let objects: BTreeMap<usize, usize> = if nodes.is_empty() {
            BTreeMap::new()
        } else {
            nodes.iter().copied().zip(parents(doc, &nodes)).collect()
        };
        let mut taken = BTreeSet::new();
        let parents: BTreeSet<usize> = objects.values().copied().collect();
        for parent in parents {
            for (key, _) in doc.at(parent).into_iter().flat_map(Value::members) {
                if !objects.contains_key(&key.index()) {
                    taken.insert((parent, key.text().unwrap_or_default().into_owned()));
                }
            }
        }
        Self { objects, taken, next: BTreeMap::new() }
    }

    /// Numbers the placeholder of a key that would be a twin.
    pub(super) fn tell_apart(&mut self, node: Value<'_>, edits: &mut [Splice]) {
        let Some(&object) = self.objects.get(&node.index()) else { return };
        let name = (object, renamed(node, edits));
        if self.taken.insert(name.clone()) {
            return;
        }
        let Some(plain) = edits.last().map(|edit| edit.with.clone()) else { return };
        loop {
            let number = self.next.entry(name.clone()).or_insert(2);
            if let Some(edit) = edits.last_mut() {
                edit.with = numbered(&plain, *number);
            }
            *number += 1;
            if self.taken.insert((object, renamed(node, edits))) {
                return;
            }
        }
    }
}

/// A key as it reads once the edits are made.
fn renamed(node: Value<'_>, edits: &[Splice]) -> Vec<u8> {
    let start = node.inner_range().start;
    let within = edits.iter().map(|edit| Splice {
        range: edit.range.start.saturating_sub(start)..edit.range.end.saturating_sub(start),
        with: edit.with.clone(),
    });
    decode(&splice(node.inner().unwrap_or_default(), within.collect()))
}

/// `[redacted:pii.card]` as `[redacted:pii.card:2]`.
fn numbered(placeholder: &[u8], number: usize) -> Vec<u8> {
    let (text, end): (&[u8], &str) =
        placeholder.strip_suffix(b"]").map_or((placeholder, ""), |text| (text, "]"));
    [text, format!(":{number}{end}").as_bytes()].concat()
}
