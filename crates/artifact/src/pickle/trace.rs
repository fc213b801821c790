//! What a stream would import and call, as far as it was followed, and how it ended.
use super::opcode::Opcode;
use super::value::{Items, Links, Node, Stored, Value};
use std::fmt::{self, Write as _};

/// Nested values that are shown.
const DEPTH_SHOWN: usize = 6;
/// Items of one container that are shown.
const ITEMS_SHOWN: usize = 8;
/// Bytes of one text that are shown.
const TEXT_BYTES_SHOWN: usize = 120;
/// Bytes of one call that are shown.
const CALL_BYTES_SHOWN: usize = 600;

/// How something is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is called with these arguments.
    Call,
    /// Its `__new__` is.
    New,
    /// Its `__new__` is, and some arguments have names.
    NewNamed,
    /// Its `__setstate__` is, or attributes of it are set.
    SetState,
    /// Its `append` or `extend` is.
    Extend,
    /// Its `__setitem__` is.
    SetItems,
    /// Its `add` is.
    Add,
}

/// A name that would be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Global {
    /// The module, as the stream has it.
    pub module: String,
    /// The name in it; from protocol 4 on, dots lead to attributes.
    pub name: String,
    /// Where it is named first.
    pub at: u64,
    /// The opcode that names it there.
    pub opcode: Opcode,
    /// Longer than any name that is kept, or no UTF-8: it is not what it looks like here.
    pub is_partial: bool,
}

impl fmt::Display for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.is_partial { "..." } else { "" };
        write!(f, "{}.{}{more}", printable(&self.module), printable(&self.name))
    }
}

/// What some loaders take differently from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DoubtKind {
    /// An opcode lies over the end of a frame, or a frame in another one: `CPython`'s C unpickler does not mind, the one in Python stops.
    Frame,
    /// A frame is announced that the stream is too short for.
    FrameLength,
    /// The protocol is named late, or again.
    Protocol,
    /// A text, a number or a name is not what its opcode needs; loaders differ in what they accept.
    Operand,
    /// Something other than a tuple is given as arguments: the C unpickler stops, the other one takes it.
    Arguments,
    /// Something is called on a value that has no such method.
    Method,
    /// A memo entry is replaced.
    Memo,
}

impl DoubtKind {
    /// What it is, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Frame => "an opcode lies over the end of a frame",
            Self::FrameLength => "a frame is longer than the stream",
            Self::Protocol => "the protocol is named late or twice",
            Self::Operand => "an operand is not what its opcode needs",
            Self::Arguments => "arguments are no tuple",
            Self::Method => "a plain value has no such method",
            Self::Memo => "a memo entry is replaced",
        }
    }
}

/// A place where loaders differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What they differ about.
    pub kind: DoubtKind,
    /// Where.
    pub at: u64,
}

/// Why every loader stops at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// No opcode begins with this byte.
    Opcode {
        /// The byte.
        byte: u8,
    },
    /// The operand has a length that no loader accepts.
    Length {
        /// The opcode.
        opcode: Opcode,
    },
    /// There are not enough values on the stack, or a mark lies in between.
    Stack {
        /// The opcode.
        opcode: Opcode,
    },
    /// There is no mark.
    Mark {
        /// The opcode.
        opcode: Opcode,
    },
    /// The memo has no such entry.
    Memo,
    /// A key without a value.
    Odd {
        /// The opcode.
        opcode: Opcode,
    },
    /// A value is of a kind that no loader accepts here.
    Kind {
        /// The opcode.
        opcode: Opcode,
    },
    /// A protocol above 5.
    Protocol {
        /// Which.
        number: u64,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opcode { byte } => write!(f, "no opcode has the byte 0x{byte:02x}"),
            Self::Length { opcode } => write!(f, "{opcode} has a length that no loader accepts"),
            Self::Stack { opcode } => write!(f, "{opcode} finds too little on the stack"),
            Self::Mark { opcode } => write!(f, "{opcode} finds no mark"),
            Self::Memo => write!(f, "the memo has no such entry"),
            Self::Odd { opcode } => write!(f, "{opcode} finds a key without a value"),
            Self::Kind { opcode } => {
                write!(f, "{opcode} finds a value of a kind that no loader accepts")
            }
            Self::Protocol { number } => write!(f, "protocol {number} is above 5"),
        }
    }
}

impl std::error::Error for Problem {}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With STOP.
    Stop,
    /// Its bytes ended before.
    Truncated,
    /// Every loader stops here.
    Problem(Problem),
    /// A bound was met: the rest was not followed. The name is that of the field of [`super::Limits`].
    Limit(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct CallRecord {
    pub(super) how: How,
    pub(super) at: u64,
    pub(super) callee: Value,
    /// A tuple for [`How::Call`] and its like, the state, or the items.
    pub(super) arguments: Value,
    /// Arguments with names.
    pub(super) named: Option<Value>,
}

/// What a stream would do.
#[derive(Clone, Debug)]
pub struct Trace {
    pub(super) texts: Vec<Stored>,
    pub(super) text_bytes: Vec<u8>,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Links,
    pub(super) globals: Vec<Global>,
    pub(super) calls: Vec<CallRecord>,
    pub(super) doubts: Vec<Doubt>,
    pub(super) n_doubts: u64,
    pub(super) protocol: u64,
    pub(super) end: End,
    pub(super) end_at: u64,
}

/// The names of a trace, in order of their first place.
pub type Globals<'t> = std::slice::Iter<'t, Global>;

/// The calls of a trace, in order.
#[derive(Clone, Debug)]
pub struct Calls<'t> {
    trace: &'t Trace,
    next: usize,
}

impl<'t> Iterator for Calls<'t> {
    type Item = Call<'t>;

    fn next(&mut self) -> Option<Call<'t>> {
        let record = self.trace.calls.get(self.next)?;
        self.next = self.next.saturating_add(1);
        Some(Call { trace: self.trace, record })
    }
}

/// One call that a stream would make.
#[derive(Clone, Copy, Debug)]
pub struct Call<'t> {
    trace: &'t Trace,
    record: &'t CallRecord,
}

impl<'t> Call<'t> {
    /// How it is called.
    pub const fn how(&self) -> How {
        self.record.how
    }

    /// Offset of the opcode that calls.
    pub const fn at(&self) -> u64 {
        self.record.at
    }

    /// The name that is called, or whose instance is; nothing where what is called came from elsewhere.
    pub fn callee(&self) -> Option<&'t Global> {
        let mut value = self.record.callee;
        // A call's result is an instance of what was called, as far as a name tells.
        for _ in 0..=self.trace.calls.len() {
            let Value::Node(node) = value else { return None };
            match self.trace.node(node)? {
                Node::Global(global) => return self.trace.global(*global),
                Node::Result(call) if !matches!(self.record.how, How::Call) => {
                    value = self.trace.call(*call)?.callee;
                }
                _ => return None,
            }
        }
        None
    }
}

impl fmt::Display for Call<'_> {
    /// The call as a line of Python that says what it would do, cut where it is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = Shown { trace: self.trace, text: String::new() };
        let is_whole = shown.call(self.record, 0).is_ok();
        f.write_str(&shown.text)?;
        if is_whole { Ok(()) } else { f.write_str("...") }
    }
}

impl Trace {
    /// The names that would be imported, each once.
    pub fn globals(&self) -> Globals<'_> {
        self.globals.iter()
    }

    /// The calls that would be made.
    pub const fn calls(&self) -> Calls<'_> {
        Calls { trace: self, next: 0 }
    }

    /// Where loaders differ; the first of them, where there are many.
    pub fn doubts(&self) -> &[Doubt] {
        &self.doubts
    }

    /// How many such places there are.
    pub const fn n_doubts(&self) -> u64 {
        self.n_doubts
    }

    /// The protocol that the stream names; 0 where it names none.
    pub const fn protocol(&self) -> u64 {
        self.protocol
    }

    /// How it ended, and at which offset.
    pub const fn end(&self) -> (End, u64) {
        (self.end, self.end_at)
    }

    pub(super) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    pub(super) fn global(&self, index: u32) -> Option<&Global> {
        self.globals.get(usize::try_from(index).ok()?)
    }

    pub(super) fn call(&self, index: u32) -> Option<&CallRecord> {
        self.calls.get(usize::try_from(index).ok()?)
    }

    /// The bytes of a text, as far as they are kept, and whether there are more.
    pub(super) fn text(&self, index: u32) -> (&[u8], bool) {
        let stored = usize::try_from(index).ok().and_then(|index| self.texts.get(index));
        let Some(stored) = stored else { return (&[], true) };
        (self.text_bytes.get(stored.range()).unwrap_or_default(), stored.is_cut())
    }
}

/// A call as Python, as it is being written; an error means that it got too long.
struct Shown<'t> {
    trace: &'t Trace,
    text: String,
}

impl Shown<'_> {
    fn add(&mut self, text: &str) -> fmt::Result {
        let n_left = CALL_BYTES_SHOWN.saturating_sub(self.text.len());
        let end = text.floor_char_boundary(n_left);
        self.text.push_str(text.get(..end).unwrap_or_default());
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }

    fn call(&mut self, call: &CallRecord, depth: usize) -> fmt::Result {
        self.value(call.callee, depth.saturating_add(1))?;
        self.add(match call.how {
            How::Call => "(",
            How::New | How::NewNamed => ".__new__(",
            How::SetState => ".__setstate__(",
            How::Extend => ".append(",
            How::SetItems => ".__setitem__(",
            How::Add => ".add(",
        })?;
        let items = match (call.how, call.arguments) {
            (How::SetState, _) => None,
            (_, Value::Node(node)) => match self.trace.node(node) {
                Some(Node::Tuple(items)) => Some(*items),
                _ => None,
            },
            _ => None,
        };
        if let Some(items) = items {
            self.items(items, depth)?;
        } else {
            // What is no tuple is unpacked, if it is taken at all.
            self.add(if call.how == How::SetState { "" } else { "*" })?;
            self.value(call.arguments, depth.saturating_add(1))?;
        }
        if let Some(named) = call.named {
            let is_first = items.is_some_and(|items| items.n == 0);
            self.add(if is_first { "**" } else { ", **" })?;
            self.value(named, depth.saturating_add(1))?;
        }
        self.add(")")
    }

    fn value(&mut self, value: Value, depth: usize) -> fmt::Result {
        match value {
            Value::None => self.add("None"),
            Value::Bool(true) => self.add("True"),
            Value::Bool(false) => self.add("False"),
            Value::Int(number) => self.add(&number.to_string()),
            Value::Number => self.add("<number>"),
            Value::Text(index) => self.quoted(index, ""),
            Value::Bytes(index) => self.quoted(index, "b"),
            Value::Node(_) if DEPTH_SHOWN < depth => self.add("..."),
            Value::Node(index) => match self.trace.node(index) {
                Some(node) => self.node(*node, depth),
                None => self.add("..."),
            },
        }
    }

    fn node(&mut self, node: Node, depth: usize) -> fmt::Result {
        let (open, items, close) = match node {
            Node::Tuple(items) => ("(", items, if items.n == 1 { ",)" } else { ")" }),
            Node::List(items) => ("[", items, "]"),
            Node::Set(items) => ("{", items, "}"),
            Node::FrozenSet(items) => ("frozenset({", items, "})"),
            Node::Dict(items) => {
                self.add("{")?;
                self.pairs(items, depth)?;
                return self.add("}");
            }
            Node::Global(global) => {
                let name = self.trace.global(global).map(Global::to_string);
                return self.add(name.as_deref().unwrap_or("..."));
            }
            Node::Result(call) => {
                return match self.trace.call(call) {
                    Some(call) => self.call(call, depth.saturating_add(1)),
                    None => self.add("..."),
                };
            }
            Node::Persistent(id) => {
                self.add("persistent_load(")?;
                self.value(id, depth.saturating_add(1))?;
                return self.add(")");
            }
            Node::Extension(code) => return self.add(&format!("extension({code})")),
            Node::Buffer => return self.add("<buffer>"),
        };
        self.add(open)?;
        self.items(items, depth)?;
        self.add(close)
    }

    fn items(&mut self, items: Items, depth: usize) -> fmt::Result {
        let mut n_shown = 0_u32;
        for item in self.trace.links.of(items).take(ITEMS_SHOWN) {
            self.add(if n_shown > 0 { ", " } else { "" })?;
            self.value(item, depth.saturating_add(1))?;
            n_shown = n_shown.saturating_add(1);
        }
        self.others(n_shown, items)
    }

    fn pairs(&mut self, items: Items, depth: usize) -> fmt::Result {
        let mut n_shown = 0_u32;
        for item in self.trace.links.of(items).take(2 * ITEMS_SHOWN) {
            let is_key = n_shown.is_multiple_of(2);
            self.add(if n_shown == 0 {
                ""
            } else if is_key {
                ", "
            } else {
                ": "
            })?;
            self.value(item, depth.saturating_add(1))?;
            n_shown = n_shown.saturating_add(1);
        }
        self.others(n_shown, items)
    }

    /// That there are more items than are shown.
    fn others(&mut self, n_shown: u32, items: Items) -> fmt::Result {
        if items.n <= n_shown {
            return Ok(());
        }
        self.add(if n_shown > 0 { ", ..." } else { "..." })
    }

    fn quoted(&mut self, index: u32, prefix: &str) -> fmt::Result {
        let (bytes, is_cut) = self.trace.text(index);
        let head = bytes.get(..bytes.len().min(TEXT_BYTES_SHOWN)).unwrap_or_default();
        let mut text = format!("{prefix}'");
        for chunk in head.utf8_chunks() {
            text.push_str(&printable(chunk.valid()).replace('\'', "\\'"));
            for byte in chunk.invalid() {
                write!(text, "\\x{byte:02x}")?;
            }
        }
        text.push_str(if is_cut || head.len() < bytes.len() { "...'" } else { "'" });
        self.add(&text)
    }
}

/// The text with everything written out that a terminal would obey or hide.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || !character.is_ascii() && !character.is_alphanumeric() {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}
