//! Where a node stands in its document, in words, and in which object.
use bartizan_core::json::{Doc, NodeKind, Value, decode};
use std::fmt::Write as _;

/// Where a node stands, for people and records: `messages[2].content`. A key is named by the place of its value.
/// For many nodes [`places`] is cheaper.
pub(in crate::exchange) fn place(doc: &Doc<'_>, node: usize) -> String {
    places(doc, &[node]).pop().unwrap_or_default()
}

/// Where each node stands, in the order of `nodes`, which must be sorted. One walk through the document for all of them.
pub(in crate::exchange) fn places(doc: &Doc<'_>, nodes: &[usize]) -> Vec<String> {
    let mut found = Vec::with_capacity(nodes.len());
    walk(doc, nodes, |open| {
        let mut text = String::new();
        for frame in open {
            match frame.key {
                Some(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(&safe_name(key));
                }
                None => write!(text, "[{}]", frame.n_items.saturating_sub(1)).unwrap_or_default(),
            }
        }
        found.push(text);
    });
    found
}

/// The index of the object or array that each node stands in (the root's own for the root), in the order of `nodes`, which must be sorted.
pub(super) fn parents(doc: &Doc<'_>, nodes: &[usize]) -> Vec<usize> {
    let mut found = Vec::with_capacity(nodes.len());
    walk(doc, nodes, |open| found.push(open.last().map_or(0, |frame| frame.container.index())));
    found
}

/// A container that the walk is in.
struct Frame<'d> {
    container: Value<'d>,
    /// Of an array: values begun so far.
    n_items: usize,
    /// Of an object: the key whose member the walk is at.
    key: Option<Value<'d>>,
}

/// Goes through the nodes in the order of the text and shows what is open around each one that is asked for.
fn walk<'d>(doc: &'d Doc<'_>, nodes: &[usize], mut visit: impl FnMut(&[Frame<'d>])) {
    let mut wanted = nodes.iter().copied().peekable();
    let mut open: Vec<Frame<'d>> = Vec::new();
    for node in doc.nodes() {
        if wanted.peek().is_none() {
            return;
        }
        while open.last().is_some_and(|frame| !frame.container.holds(node.index())) {
            open.pop();
        }
        if let Some(frame) = open.last_mut() {
            match (frame.container.kind(), node.kind()) {
                (_, NodeKind::Key) => frame.key = Some(node),
                (NodeKind::Array, _) => frame.n_items += 1,
                _ => {}
            }
        }
        while wanted.next_if(|&index| index <= node.index()).is_some() {
            visit(&open);
        }
        if matches!(node.kind(), NodeKind::Object | NodeKind::Array) {
            open.push(Frame { container: node, n_items: 0, key: None });
        }
    }
}

/// A key as a place names it. A key that is not a plain word might be what was found: it is not quoted.
fn safe_name(key: Value<'_>) -> String {
    const NAME_BYTES_MAX: usize = 40;
    let inner = key.inner().unwrap_or_default();
    // An escape is at most six times as long as its character.
    let name = if inner.len() <= 6 * NAME_BYTES_MAX { decode(inner) } else { Vec::new() };
    let plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    if plain { String::from_utf8(name).unwrap_or_default() } else { "*".to_owned() }
}
