//! From bytes to the tape. One pass, no recursion: depth is a number, not a stack frame.
use super::{Doc, JsonError, JsonLimits, Node, NodeKind};

/// Objects with more keys than this have them sorted to look for duplicates, instead of compared in pairs.
const PAIRWISE_KEYS_MAX: usize = 16;

pub(super) fn read(
    bytes: &[u8],
    limits: JsonLimits,
    unique_keys: bool,
) -> Result<Doc<'_>, JsonError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(JsonError::TooLong);
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(JsonError::Utf8 { at: error.valid_up_to() });
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        limits,
        unique_keys,
        nodes: Vec::with_capacity(bytes.len() / 24 + 4),
        open: Vec::new(),
    };
    reader.document()?;
    Ok(Doc { bytes, nodes: reader.nodes })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: JsonLimits,
    /// Whether a key that stands twice is an error.
    unique_keys: bool,
    nodes: Vec<Node>,
    /// Indices of the containers that are not closed yet.
    open: Vec<usize>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        self.value()?;
        while let Some(&container) = self.open.last() {
            self.skip_space();
            let first = self.nodes.len() == container + 1;
            match self.nodes.get(container).map(|node| node.kind) {
                Some(NodeKind::Object) => self.member_or_end(container, first)?,
                _ => self.item_or_end(container, first)?,
            }
        }
        self.skip_space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.wrong("the end of the document"))
        }
    }

    fn member_or_end(&mut self, container: usize, first: bool) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'}') => return self.close(container),
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
            }
            _ if first => {}
            _ => return Err(self.wrong("`,` or `}`")),
        }
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a key in double quotes"));
        }
        self.string(NodeKind::Key)?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.wrong("`:`"));
        }
        self.at += 1;
        self.skip_space();
        self.value()
    }

    fn item_or_end(&mut self, container: usize, first: bool) -> Result<(), JsonError> {
        match self.peek() {
            Some(b']') => return self.close(container),
            Some(b',') if !first => {
                self.at += 1;
                self.skip_space();
            }
            _ if first => {}
            _ => return Err(self.wrong("`,` or `]`")),
        }
        self.value()
    }

    /// Reads a scalar, or opens a container whose content the main loop reads.
    fn value(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{') => self.open(NodeKind::Object),
            Some(b'[') => self.open(NodeKind::Array),
            Some(b'"') => self.string(NodeKind::String),
            Some(b't') => self.word(b"true", NodeKind::Bool),
            Some(b'f') => self.word(b"false", NodeKind::Bool),
            Some(b'n') => self.word(b"null", NodeKind::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.wrong("a value")),
        }
    }

    fn open(&mut self, kind: NodeKind) -> Result<(), JsonError> {
        if self.limits.depth_max <= self.open.len() {
            return Err(JsonError::Depth { at: self.at, depth_max: self.limits.depth_max });
        }
        self.open.push(self.nodes.len());
        self.add(kind, false, self.at)?;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, container: usize) -> Result<(), JsonError> {
        self.at += 1;
        let (end, next) = (offset(self.at), offset(self.nodes.len()));
        if let Some(node) = self.nodes.get_mut(container) {
            (node.end, node.next) = (end, next);
        }
        self.open.pop();
        if self.unique_keys { self.check_keys(container) } else { Ok(()) }
    }

    fn check_keys(&self, container: usize) -> Result<(), JsonError> {
        let doc = View { bytes: self.bytes, nodes: &self.nodes };
        if doc.differ_at_a_glance(container) {
            return Ok(());
        }
        let keys: Vec<usize> = doc.keys(container).collect();
        let again = |&later: &usize| {
            keys.iter().take_while(|&&key| key < later).any(|&key| doc.same_key(key, later))
        };
        let duplicate = if keys.len() <= PAIRWISE_KEYS_MAX {
            keys.iter().copied().find(again)
        } else {
            doc.duplicate_among_many(&keys)
        };
        match duplicate.and_then(|index| self.nodes.get(index)) {
            Some(key) => Err(JsonError::DuplicateKey { at: key.start as usize }),
            None => Ok(()),
        }
    }

    fn string(&mut self, kind: NodeKind) -> Result<(), JsonError> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += n_plain(rest);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.wrong("no raw control character in a string")),
                None => return Err(self.wrong("a closing quote")),
            }
        }
        self.at += 1;
        self.add(kind, escaped, start)
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.wrong("four hexadecimal digits after `\\u`"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.wrong("a known escape after `\\`")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        self.add(NodeKind::Number, false, start)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.wrong("a digit"));
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self, word: &'static [u8], kind: NodeKind) -> Result<(), JsonError> {
        let start = self.at;
        if !self.bytes.get(start..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.wrong("`true`, `false` or `null`"));
        }
        self.at += word.len();
        self.add(kind, false, start)
    }

    /// Adds a node that began at `start` and ends here.
    fn add(&mut self, kind: NodeKind, escaped: bool, start: usize) -> Result<(), JsonError> {
        if self.limits.nodes_max <= self.nodes.len() {
            return Err(JsonError::Nodes { at: start, nodes_max: self.limits.nodes_max });
        }
        let next = offset(self.nodes.len() + 1);
        self.nodes.push(Node { kind, escaped, start: offset(start), end: offset(self.at), next });
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn wrong(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }
}

/// How many bytes come before the first that means something in a string: a quote, a backslash or a control character. Eight at a time, since
/// strings are most of a document.
fn n_plain(rest: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // The lowest high bit that is set marks the first byte below `bound` in `word`; those above it mean nothing.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    let is_special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let (words, tail) = rest.as_chunks::<8>();
    for (n, bytes) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*bytes);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let found = below(word, 0x20) | below(quote, 1) | below(backslash, 1);
        if found != 0 {
            return n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    rest.len() - tail.len() + tail.iter().position(is_special).unwrap_or(tail.len())
}

struct View<'a> {
    bytes: &'a [u8],
    nodes: &'a [Node],
}

impl View<'_> {
    /// The keys of an object, in order; of anything else there are none.
    fn keys(&self, container: usize) -> impl Iterator<Item = usize> {
        let object = self.nodes.get(container).filter(|node| node.kind == NodeKind::Object);
        let end = object.map_or(0, |object| object.next as usize);
        let after = |&key: &usize| {
            Some(
                self.nodes
                    .get(key.saturating_add(1))
                    .map_or(usize::MAX, |value| value.next as usize),
            )
        };
        std::iter::successors(Some(container + 1), after).take_while(move |&key| key < end)
    }

    /// Whether no two keys of a container are the same, as lengths and first bytes tell. `false` says nothing.
    fn differ_at_a_glance(&self, container: usize) -> bool {
        let mut seen = [0_u64; PAIRWISE_KEYS_MAX];
        for (n, key) in self.keys(container).enumerate() {
            let (inner, is_escaped) = self.inner(key);
            let mut first = [0; 8];
            first.iter_mut().zip(inner).for_each(|(byte, &given)| *byte = given);
            // Only what ends below eight bytes is told apart by its length too, and nothing else needs it.
            let glance = u64::from_le_bytes(first).rotate_left(5) ^ inner.len() as u64;
            let (before, rest) = seen.split_at_mut(n.min(PAIRWISE_KEYS_MAX));
            match rest.first_mut() {
                Some(slot) if !is_escaped && !before.contains(&glance) => *slot = glance,
                _ => return false,
            }
        }
        true
    }

    fn inner(&self, index: usize) -> (&[u8], bool) {
        let Some(node) = self.nodes.get(index) else { return (&[], false) };
        (
            self.bytes.get(node.start as usize + 1..node.end as usize - 1).unwrap_or_default(),
            node.escaped,
        )
    }

    fn same_key(&self, one: usize, other: usize) -> bool {
        match (self.inner(one), self.inner(other)) {
            ((a, false), (b, false)) => a == b,
            ((a, _), (b, _)) => super::decode(a) == super::decode(b),
        }
    }

    /// The first key in the text that equals an earlier one.
    fn duplicate_among_many(&self, keys: &[usize]) -> Option<usize> {
        let text = |index: usize| match self.inner(index) {
            (raw, false) => std::borrow::Cow::Borrowed(raw),
            (raw, true) => std::borrow::Cow::Owned(super::decode(raw)),
        };
        let mut sorted: Vec<_> = keys.iter().map(|&index| (text(index), index)).collect();
        sorted.sort_unstable();
        sorted
            .windows(2)
            .filter_map(|pair| match pair {
                [(a, _), (b, later)] if a == b => Some(*later),
                _ => None,
            })
            .min()
    }
}

/// An offset in a document whose length was checked to fit.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect(
        "read() refuses documents of more than u32::MAX bytes, and nodes are fewer than bytes",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Eight bytes at a time find what one at a time finds.
        #[test]
        fn the_end_of_what_is_plain(bytes in proptest::collection::vec(
            prop_oneof![8 => 0x1e_u8..0x24, 4 => 0x5a_u8..0x5e, 2 => any::<u8>(), 60 => 0x61_u8..0x7a],
            0..80,
        )) {
            let is_special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
            let want = bytes.iter().position(is_special).unwrap_or(bytes.len());
            prop_assert_eq!(n_plain(&bytes), want);
        }

        /// A glance never takes two keys that are the same for different ones.
        #[test]
        fn keys_that_are_the_same_are_seen(
            keys in proptest::collection::vec("(a|b|abcdefg|abcdefgh|abcdefghi|abcdefghj|\\\\u0061|)", 0..20),
        ) {
            let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
            let text = format!("{{{}}}", members.join(","));
            let plain = |key: &String| key.replace("\\u0061", "a");
            let names: std::collections::BTreeSet<String> = keys.iter().map(plain).collect();
            let is_read = read(text.as_bytes(), JsonLimits::default(), true).is_ok();
            prop_assert_eq!(is_read, names.len() == keys.len(), "{}", text);
        }
    }
}
