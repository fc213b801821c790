//! Changes a document by replacing ranges of bytes; every other byte stays what it was.
use std::ops::Range;

/// One replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The bytes that go.
    pub range: Range<usize>,
    /// The bytes that come.
    pub with: Vec<u8>,
}

/// Applies replacements. They are sorted first; of two that overlap, the later one starts where the earlier one ends.
///
/// ```
/// # use bartizan_core::json::{Splice, splice};
/// let edits = vec![Splice { range: 2..5, with: b"-".to_vec() }];
/// assert_eq!(splice(b"ab123cd", edits), b"ab-cd");
/// ```
pub fn splice(bytes: &[u8], mut edits: Vec<Splice>) -> Vec<u8> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let grown: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let mut out = Vec::with_capacity(bytes.len() + grown);
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(bytes.get(at..edit.range.start).unwrap_or_default());
        out.extend_from_slice(&edit.with);
        at = at.max(edit.range.end);
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out
}
