//! Where something was seen, in bytes.
use serde::{Deserialize, Serialize};

/// A half-open range of bytes, counted from the start of the text that was scanned (a whole string, or a channel of a stream).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl Span {
    /// A span from `start` to `end`; `end` is never before `start`.
    pub fn new(start: u64, end: u64) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Bytes covered.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether nothing is covered.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether the two share at least one byte.
    ///
    /// ```
    /// # use bartizan_core::span::Span;
    /// assert!(Span::new(0, 4).overlaps(Span::new(3, 9)));
    /// assert!(!Span::new(0, 4).overlaps(Span::new(4, 9)));
    /// ```
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}
