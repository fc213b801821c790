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
        let keys: Vec<usize> = doc.keys(container);
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
            let plain = rest
                .iter()
                .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
                .unwrap_or(rest.len());
            self.at += plain;
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

struct View<'a> {
    bytes: &'a [u8],
    nodes: &'a [Node],
}

impl View<'_> {
    fn keys(&self, container: usize) -> Vec<usize> {
        let mut keys = Vec::new();
        let Some(object) = self.nodes.get(container).filter(|node| node.kind == NodeKind::Object)
        else {
            return keys;
        };
        let mut index = container + 1;
        while index < object.next as usize {
            keys.push(index);
            index = self.nodes.get(index + 1).map_or(usize::MAX, |value| value.next as usize);
        }
        keys
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
