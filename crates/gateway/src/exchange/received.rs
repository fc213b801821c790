//! Text as it was received, for records of exchanges in which something else was released.
//!
//! One thing is never kept, whoever sent it: the upstreams' own keys. They are masked here as they are in what is released.
use super::Guard;
use super::document::{Scan, scan_call, scan_text};
use super::findings::{group, placeholder};
use bartizan_core::detect::Finding;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, Splice, decode, splice};
use bartizan_core::kind::{LIMIT_DETECTOR, UPSTREAM_KEY};

/// The texts that a record keeps beside its evidence.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// What left.
    pub(super) released: Option<Vec<u8>>,
    /// What came, where it is not what left.
    pub(super) received: Option<Vec<u8>>,
}

impl Texts {
    /// What came, where nothing of it left.
    pub(super) fn of_received(received: Option<Vec<u8>>) -> Self {
        Self { released: None, received }
    }

    /// Both, unless they are the same once the keys are masked.
    pub(super) fn of_both(released: Vec<u8>, received: Option<Vec<u8>>) -> Self {
        let received = received.filter(|received| *received != released);
        Self { released: Some(released), received }
    }
}

/// A body that was scanned, as it may be kept.
pub(super) fn scanned_body(guard: &Guard, doc: &Doc<'_>, scan: &Scan<'_>) -> Option<Vec<u8>> {
    let masked = splice(doc.bytes(), scan.edits_of_keys(doc));
    // What a limit kept from being read may hold a key still.
    if scan.is_whole() { Some(masked) } else { raw_body(guard, &masked) }
}

/// A body that nobody has looked at, as it may be kept.
pub(super) fn unread_body(guard: &Guard, body: &[u8]) -> Option<Vec<u8>> {
    let Ok(doc) = Doc::read(body, guard.limits.json()) else { return raw_body(guard, body) };
    let mut scan = Scan::of_answer(guard);
    scan.tree(doc.root(), Source::Model);
    scanned_body(guard, &doc, &scan)
}

/// Bytes that are no document, or none that was read to its end. Where an escape hides a key they are not kept at all.
fn raw_body(guard: &Guard, bytes: &[u8]) -> Option<Vec<u8>> {
    let masked = masked(guard, bytes, |guard, text| scan_text(guard, Source::Model, text))?;
    let is_escaped = memchr::memchr(b'\\', &masked).is_some();
    let hides =
        is_escaped && scan_text(guard, Source::Model, &decode(&masked)).iter().any(is_unfit);
    (!hides).then_some(masked)
}

/// The text of one channel of a stream, or of a tool call, as it may be kept.
pub(super) fn stream_text(guard: &Guard, text: &[u8], is_call: bool) -> Option<Vec<u8>> {
    masked(guard, text, |guard, text| {
        if is_call {
            scan_call(guard, Source::ToolCall, text)
        } else {
            scan_text(guard, Source::Model, text)
        }
    })
}

fn masked(
    guard: &Guard,
    text: &[u8],
    scan: impl Fn(&Guard, &[u8]) -> Vec<Finding>,
) -> Option<Vec<u8>> {
    let found = scan(guard, text);
    if found.iter().any(|finding| finding.kind == LIMIT_DETECTOR) {
        return None;
    }
    let catalogue = guard.catalogue();
    let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let keys = group(found.into_iter().filter(|finding| finding.kind == UPSTREAM_KEY));
    let edits = keys.into_iter().map(|key| Splice {
        range: index(key.span.start)..index(key.span.end),
        with: placeholder(key.kind, &catalogue).into_bytes(),
    });
    Some(splice(text, edits.collect()))
}

/// Whether a finding keeps a text from being kept: a key is in it, or nobody knows.
fn is_unfit(finding: &Finding) -> bool {
    finding.kind == UPSTREAM_KEY || finding.kind == LIMIT_DETECTOR
}
