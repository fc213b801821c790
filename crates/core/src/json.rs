//! Reads JSON (RFC 8259) without losing a byte: a flat tape of nodes that point into the text.
//!
//! For code that must judge a document and then pass on the very same bytes. Everything that two readers could understand
//! differently is an error here: duplicate keys, bytes that are not UTF-8, a byte order mark, text after the end, raw control characters.
//! Escapes that are half of a surrogate pair are let through, because real tokenizers emit them; they decode to the
//! three bytes that generalised UTF-8 (WTF-8) gives them, and encode back.
use std::ops::Range;

mod edit;
mod read;
mod text;

pub use edit::{Splice, splice};
pub use text::{decode, encode_into, raw_range, raw_ranges, whole_escapes};

/// How much structure a document may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Most levels of arrays and objects.
    pub depth_max: usize,
    /// Most values and keys.
    pub nodes_max: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { depth_max: 64, nodes_max: 1_000_000 }
    }
}

/// Why bytes are no acceptable JSON document, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A byte that the grammar does not allow here, or the end of the text.
    #[error("byte {at}: expected {expected}")]
    Syntax {
        /// Offset of the byte.
        at: usize,
        /// What would have been right.
        expected: &'static str,
    },
    /// Not UTF-8.
    #[error("byte {at}: not valid UTF-8")]
    Utf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// A key stands twice in one object: readers disagree on which one counts.
    #[error("byte {at}: the key stands twice in one object")]
    DuplicateKey {
        /// Offset of the second one.
        at: usize,
    },
    /// Nested too deeply.
    #[error("byte {at}: nested deeper than {depth_max} levels")]
    Depth {
        /// Offset of the bracket that is one too many.
        at: usize,
        /// The limit.
        depth_max: usize,
    },
    /// Too many values.
    #[error("byte {at}: more than {nodes_max} values")]
    Nodes {
        /// Offset of the value that is one too many.
        at: usize,
        /// The limit.
        nodes_max: usize,
    },
    /// Longer than offsets can count.
    #[error("the document is longer than 4 GiB")]
    TooLong,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// `{...}`; its children are keys and values in turn.
    Object,
    /// `[...]`
    Array,
    /// A key; its range includes the quotes.
    Key,
    /// A string; its range includes the quotes.
    String,
    /// A number.
    Number,
    /// `true`, `false`
    Bool,
    /// `null`
    Null,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: NodeKind,
    /// Whether the string or key has an escape.
    escaped: bool,
    start: u32,
    end: u32,
    /// Index after this node and everything in it.
    next: u32,
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Doc<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
}

impl<'a> Doc<'a> {
    /// Reads a whole document.
    ///
    /// # Errors
    /// [`JsonError`], with the offset of the first byte that is wrong.
    ///
    /// ```
    /// # use bartizan_core::json::{Doc, JsonLimits};
    /// let doc = Doc::read(br#"{"a": [1, "x\u0040y"]}"#, JsonLimits::default())?;
    /// let text = doc.root().get("a").and_then(|a| a.items().nth(1)).ok_or("absent")?;
    /// assert_eq!(text.text().as_deref(), Some("x@y".as_bytes()));
    /// assert_eq!(text.raw(), br#""x\u0040y""#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(bytes: &'a [u8], limits: JsonLimits) -> Result<Self, JsonError> {
        read::read(bytes, limits, true)
    }

    /// Reads a whole document as [`Doc::read`] does, but lets a key stand twice. For documents that are only looked at, such as
    /// JSON inside a string: whoever reads it later may be as lax.
    ///
    /// # Errors
    /// [`JsonError`], never [`JsonError::DuplicateKey`].
    pub fn read_lax(bytes: &'a [u8], limits: JsonLimits) -> Result<Self, JsonError> {
        read::read(bytes, limits, false)
    }

    /// The outermost value.
    pub fn root(&self) -> Value<'_> {
        Value { doc: self, index: 0 }
    }

    /// The whole text.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Every node in the order of the text, keys included.
    pub fn nodes(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.nodes.len()).map(|index| Value { doc: self, index })
    }

    /// The node at this position of [`Doc::nodes`].
    pub fn at(&self, index: usize) -> Option<Value<'_>> {
        (index < self.nodes.len()).then_some(Value { doc: self, index })
    }

    fn node(&self, index: usize) -> Node {
        const NOWHERE: Node =
            Node { kind: NodeKind::Null, escaped: false, start: 0, end: 0, next: u32::MAX };
        self.nodes.get(index).copied().unwrap_or(NOWHERE)
    }
}

/// One value (or key) of a document.
#[derive(Clone, Copy, Debug)]
pub struct Value<'d> {
    doc: &'d Doc<'d>,
    index: usize,
}

impl<'d> Value<'d> {
    /// What it is.
    pub fn kind(self) -> NodeKind {
        self.node().kind
    }

    /// Its bytes' place in the document, quotes and brackets included.
    pub fn range(self) -> Range<usize> {
        self.node().start as usize..self.node().end as usize
    }

    /// Its bytes as they stand in the document.
    pub fn raw(self) -> &'d [u8] {
        self.doc.bytes.get(self.range()).unwrap_or_default()
    }

    /// Its position in [`Doc::nodes`]: a name for it that outlives the borrow.
    pub fn index(self) -> usize {
        self.index
    }

    /// The decoded text of a string or key; `None` for anything else. Borrowed when there is no escape.
    pub fn text(self) -> Option<std::borrow::Cow<'d, [u8]>> {
        let inner = self.inner()?;
        Some(if self.node().escaped {
            std::borrow::Cow::Owned(decode(inner))
        } else {
            std::borrow::Cow::Borrowed(inner)
        })
    }

    /// The decoded text of a string or key, when it is valid Unicode.
    pub fn str(self) -> Option<std::borrow::Cow<'d, str>> {
        match self.text()? {
            std::borrow::Cow::Borrowed(text) => {
                std::str::from_utf8(text).ok().map(std::borrow::Cow::Borrowed)
            }
            std::borrow::Cow::Owned(text) => {
                String::from_utf8(text).ok().map(std::borrow::Cow::Owned)
            }
        }
    }

    /// The bytes between the quotes of a string or key, escapes as they stand.
    pub fn inner(self) -> Option<&'d [u8]> {
        match self.kind() {
            NodeKind::String | NodeKind::Key => {
                self.raw().get(1..self.raw().len().saturating_sub(1))
            }
            _ => None,
        }
    }

    /// Where [`Value::inner`] stands in the document.
    pub fn inner_range(self) -> Range<usize> {
        self.range().start + 1..self.range().end.saturating_sub(1)
    }

    /// Whether a string or key has an escape.
    pub fn is_escaped(self) -> bool {
        self.node().escaped
    }

    /// Whether it is the string `text`.
    pub fn is_text(self, text: &str) -> bool {
        self.text().is_some_and(|found| *found == *text.as_bytes())
    }

    /// `true` or `false`, if it is one.
    pub fn bool(self) -> Option<bool> {
        (self.kind() == NodeKind::Bool).then(|| self.raw() == b"true")
    }

    /// A non-negative whole number, if it is one.
    pub fn u64(self) -> Option<u64> {
        (self.kind() == NodeKind::Number).then_some(())?;
        std::str::from_utf8(self.raw()).ok()?.parse().ok()
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == NodeKind::Null
    }

    /// Keys and values of an object, in order; nothing for anything else.
    pub fn members(self) -> Members<'d> {
        let end = if self.kind() == NodeKind::Object { self.node().next as usize } else { 0 };
        Members { doc: self.doc, index: self.index + 1, end }
    }

    /// Values of an array, in order; nothing for anything else.
    pub fn items(self) -> Items<'d> {
        let end = if self.kind() == NodeKind::Array { self.node().next as usize } else { 0 };
        Items { doc: self.doc, index: self.index + 1, end }
    }

    /// The value of a key.
    pub fn get(self, key: &str) -> Option<Self> {
        self.members().find(|(found, _)| found.is_text(key)).map(|(_, value)| value)
    }

    /// This node and everything in it, keys included.
    pub fn descendants(self) -> impl Iterator<Item = Self> {
        (self.index..self.node().next as usize).map(move |index| Self { doc: self.doc, index })
    }

    /// Whether the node at this position of [`Doc::nodes`] is this one or in it.
    pub fn holds(self, index: usize) -> bool {
        self.index <= index && index < self.node().next as usize
    }

    fn node(self) -> Node {
        self.doc.node(self.index)
    }
}

/// Keys and values of an object.
#[derive(Clone, Debug)]
pub struct Members<'d> {
    doc: &'d Doc<'d>,
    index: usize,
    end: usize,
}

impl<'d> Iterator for Members<'d> {
    type Item = (Value<'d>, Value<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.end <= self.index {
            return None;
        }
        let key = Value { doc: self.doc, index: self.index };
        let value = Value { doc: self.doc, index: self.index + 1 };
        self.index = value.node().next as usize;
        Some((key, value))
    }
}

/// Values of an array.
#[derive(Clone, Debug)]
pub struct Items<'d> {
    doc: &'d Doc<'d>,
    index: usize,
    end: usize,
}

impl<'d> Iterator for Items<'d> {
    type Item = Value<'d>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.end <= self.index {
            return None;
        }
        let value = Value { doc: self.doc, index: self.index };
        self.index = value.node().next as usize;
        Some(value)
    }
}

#[cfg(test)]
mod tests;
