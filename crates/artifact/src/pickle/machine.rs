//! Follows the opcodes, one after the other, as `CPython`'s C unpickler does.
use super::Limits;
use super::opcode::Opcode;
use super::read::{Kept, Reader, Step};
use super::trace::{CallRecord, Doubt, DoubtKind, End, Global, How, Problem, Trace};
use super::value::{Items, Links, Node, Stored, Value};
use std::collections::BTreeMap;

/// The highest protocol there is.
const PROTOCOL_MAX: u64 = 5;
/// Doubts that are kept.
const DOUBTS_MAX: usize = 64;
/// Entries beyond the end of a memo that is a list, before it is a map.
const MEMO_GAP_MAX: usize = 1024;

/// Where a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It takes more bytes.
    Reading,
    /// It has met STOP, a problem, or a bound, and takes none.
    Ended(End),
}

/// Why a step cannot be followed.
enum Halt {
    Problem(Problem),
    Limit(&'static str),
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

type Done<T = ()> = Result<T, Halt>;

/// Follows one stream.
#[derive(Debug)]
pub struct Machine {
    reader: Reader,
    run: Run,
}

/// All but the reader.
#[derive(Debug)]
struct Run {
    limits: Limits,
    trace: Trace,
    state: State,
    stack: Vec<Value>,
    /// Heights of the stack at the marks on it. Values below the last of them are out of reach.
    marks: Vec<usize>,
    memo: Memo,
    names: BTreeMap<(String, String, bool), u32>,
    /// Where the frame at hand ends.
    frame_end: u64,
    n_steps: u64,
}

/// The memo: a list for as long as it is filled in order, and what lies far apart in a map.
#[derive(Debug, Default)]
struct Memo {
    near: Vec<Option<Value>>,
    far: BTreeMap<u64, Value>,
    n: usize,
}

impl Memo {
    fn get(&self, index: u64) -> Option<Value> {
        let near = usize::try_from(index).ok().and_then(|index| self.near.get(index));
        near.copied().flatten().or_else(|| self.far.get(&index).copied())
    }

    /// Whether there was none before.
    fn put(&mut self, index: u64, value: Value) -> bool {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let is_near = at <= self.near.len().saturating_add(MEMO_GAP_MAX);
        let is_new = self.get(index).is_none();
        if is_near && !self.far.contains_key(&index) {
            if self.near.len() <= at {
                self.near.resize(at.saturating_add(1), None);
            }
            if let Some(slot) = self.near.get_mut(at) {
                *slot = Some(value);
            }
        } else {
            self.far.insert(index, value);
        }
        self.n = self.n.saturating_add(usize::from(is_new));
        is_new
    }
}

impl Machine {
    /// A machine at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        let trace = Trace {
            texts: Vec::new(),
            text_bytes: Vec::new(),
            nodes: Vec::new(),
            links: Links::default(),
            globals: Vec::new(),
            calls: Vec::new(),
            doubts: Vec::new(),
            n_doubts: 0,
            protocol: 0,
            end: End::Truncated,
            end_at: 0,
        };
        let run = Run {
            limits,
            trace,
            state: State::Reading,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
            names: BTreeMap::new(),
            frame_end: 0,
            n_steps: 0,
        };
        Self { reader: Reader::default(), run }
    }

    /// Follows the next bytes; how many of them belong to the stream. What follows its end does not.
    pub fn push(&mut self, piece: &[u8]) -> usize {
        let run = &mut self.run;
        if run.state != State::Reading {
            return 0;
        }
        match self.reader.push(piece, &mut |step| run.step(step)) {
            Ok(n_bytes) => n_bytes,
            Err(problem) => {
                run.ends(End::Problem(problem), self.reader.at());
                piece.len()
            }
        }
    }

    /// Where it is.
    pub const fn state(&self) -> State {
        self.run.state
    }

    /// Ends the stream, and says what it would do.
    pub fn finish(mut self) -> Trace {
        if self.run.state == State::Reading {
            let at = self.reader.at();
            if at < self.run.frame_end {
                self.run.doubt(DoubtKind::FrameLength, at);
            }
            self.run.ends(End::Truncated, at);
        }
        self.run.trace
    }

    /// Whether a stream could begin here: nothing has been read.
    pub fn is_fresh(&self) -> bool {
        self.run.n_steps == 0 && self.reader.is_between_steps()
    }
}

impl Run {
    fn ends(&mut self, end: End, at: u64) {
        self.state = State::Ended(end);
        (self.trace.end, self.trace.end_at) = (end, at);
    }

    /// Follows one opcode; whether there is more to follow.
    fn step(&mut self, step: &Step<'_>) -> bool {
        if step.at < self.frame_end && self.frame_end < step.end {
            self.doubt(DoubtKind::Frame, step.at);
            // One doubt for each frame.
            self.frame_end = 0;
        }
        let done = self.follow(step);
        self.n_steps = self.n_steps.saturating_add(1);
        match done {
            Ok(()) => {}
            Err(Halt::Problem(problem)) => self.ends(End::Problem(problem), step.at),
            Err(Halt::Limit(name)) => self.ends(End::Limit(name), step.at),
        }
        self.state == State::Reading
    }

    fn follow(&mut self, step: &Step<'_>) -> Done {
        use Opcode as O;
        match step.opcode {
            O::Mark => self.mark(),
            O::Stop => {
                self.pop(step.opcode)?;
                self.ends(End::Stop, step.end);
                Ok(())
            }
            O::Pop | O::PopMark | O::Dup => self.shuffle(step.opcode),
            O::None => self.push(Value::None),
            O::NewTrue => self.push(Value::Bool(true)),
            O::NewFalse => self.push(Value::Bool(false)),
            O::BinInt1 | O::BinInt2 => self.push(Value::whole(step.number.cast_signed())),
            O::BinInt => {
                let number = u32::try_from(step.number).unwrap_or(0).cast_signed();
                self.push(Value::Int(number))
            }
            O::BinFloat => self.push(Value::Number),
            O::Int | O::Long | O::Float | O::Long1 | O::Long4 => self.number(step),
            O::String
            | O::Unicode
            | O::BinString
            | O::ShortBinString
            | O::BinUnicode
            | O::ShortBinUnicode
            | O::BinUnicode8 => self.text(step),
            O::BinBytes | O::ShortBinBytes | O::BinBytes8 | O::ByteArray8 => {
                let bytes = self.store(step.first)?;
                self.push(Value::Bytes(bytes))
            }
            O::EmptyTuple | O::EmptyList | O::EmptyDict | O::EmptySet => {
                self.container(step.opcode, &[])
            }
            O::Tuple1 => self.tuple_of(step.opcode, 1),
            O::Tuple2 => self.tuple_of(step.opcode, 2),
            O::Tuple3 => self.tuple_of(step.opcode, 3),
            O::Tuple | O::List | O::Dict | O::FrozenSet => {
                let items = self.above_mark(step.opcode)?;
                self.container(step.opcode, &items)
            }
            O::Append | O::Appends | O::SetItem | O::SetItems | O::AddItems => self.fill(step),
            O::Get | O::BinGet | O::LongBinGet => self.recall(step),
            O::Put | O::BinPut | O::LongBinPut | O::Memoize => self.remember(step),
            O::Global
            | O::StackGlobal
            | O::Ext1
            | O::Ext2
            | O::Ext4
            | O::PersId
            | O::BinPersId
            | O::NextBuffer => self.named(step),
            O::Reduce | O::NewObj | O::NewObjEx | O::Obj | O::Inst | O::Build => self.calls(step),
            O::Proto => self.protocol(step),
            O::Frame => {
                if step.at < self.frame_end {
                    self.doubt(DoubtKind::Frame, step.at);
                }
                self.frame_end = step.end.saturating_add(step.number);
                Ok(())
            }
            O::ReadonlyBuffer => self.top(step.opcode).map(|_| ()),
        }
    }

    fn doubt(&mut self, kind: DoubtKind, at: u64) {
        self.trace.n_doubts = self.trace.n_doubts.saturating_add(1);
        if self.trace.doubts.len() < DOUBTS_MAX {
            self.trace.doubts.push(Doubt { kind, at });
        }
    }

    fn protocol(&mut self, step: &Step<'_>) -> Done {
        if PROTOCOL_MAX < step.number {
            return Err(Problem::Protocol { number: step.number }.into());
        }
        if self.n_steps > 0 {
            self.doubt(DoubtKind::Protocol, step.at);
        }
        self.trace.protocol = step.number;
        Ok(())
    }

    // The stack.

    /// Height below which nothing can be reached.
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn push(&mut self, value: Value) -> Done {
        if self.limits.stack_max <= self.stack.len().saturating_add(self.marks.len()) {
            return Err(Halt::Limit("stack_max"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn mark(&mut self) -> Done {
        if self.limits.stack_max <= self.stack.len().saturating_add(self.marks.len()) {
            return Err(Halt::Limit("stack_max"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop(&mut self, opcode: Opcode) -> Done<Value> {
        if self.stack.len() <= self.fence() {
            return Err(Problem::Stack { opcode }.into());
        }
        self.stack.pop().ok_or_else(|| Problem::Stack { opcode }.into())
    }

    fn top(&self, opcode: Opcode) -> Done<Value> {
        if self.stack.len() <= self.fence() {
            return Err(Problem::Stack { opcode }.into());
        }
        self.stack.last().copied().ok_or_else(|| Problem::Stack { opcode }.into())
    }

    /// Takes everything above the last mark, and the mark.
    fn above_mark(&mut self, opcode: Opcode) -> Done<Vec<Value>> {
        let height = self.marks.pop().ok_or(Problem::Mark { opcode })?;
        Ok(self.stack.split_off(height.min(self.stack.len())))
    }

    fn shuffle(&mut self, opcode: Opcode) -> Done {
        match opcode {
            Opcode::Pop if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
                Ok(())
            }
            Opcode::Pop => self.pop(opcode).map(|_| ()),
            Opcode::PopMark => self.above_mark(opcode).map(|_| ()),
            _ => {
                let top = self.top(opcode)?;
                self.push(top)
            }
        }
    }

    // Values.

    /// Whether there is room for one more value, and everything that was just kept.
    fn check_values(&self) -> Done {
        let n_values = self.trace.nodes.len().saturating_add(self.trace.links.len());
        if n_values < self.limits.values_max { Ok(()) } else { Err(Halt::Limit("values_max")) }
    }

    fn node(&mut self, node: Node) -> Done<Value> {
        self.check_values()?;
        let index = u32::try_from(self.trace.nodes.len()).map_err(|_| Halt::Limit("values_max"))?;
        self.trace.nodes.push(node);
        Ok(Value::Node(index))
    }

    /// Keeps a text or bytes.
    fn store(&mut self, kept: Kept<'_>) -> Done<u32> {
        let trace = &mut self.trace;
        let start = trace.text_bytes.len();
        // A text costs what it holds, and what is known of it.
        let n_known = trace.texts.len().saturating_mul(size_of::<Stored>());
        let n_bytes = start.saturating_add(kept.bytes.len()).saturating_add(n_known);
        let full = Halt::Limit("text_bytes_max");
        if self.limits.text_bytes_max < n_bytes {
            return Err(full);
        }
        let stored = Stored::new(start, kept.bytes.len(), kept.is_cut);
        let (Some(stored), Ok(index)) = (stored, u32::try_from(trace.texts.len())) else {
            return Err(full);
        };
        trace.text_bytes.extend_from_slice(kept.bytes);
        trace.texts.push(stored);
        Ok(index)
    }

    fn text(&mut self, step: &Step<'_>) -> Done {
        let mut kept = step.first;
        let is_sound = match step.opcode {
            Opcode::String => {
                let inner = unquoted(kept.bytes);
                kept.bytes = inner.unwrap_or(kept.bytes);
                inner.is_some() || kept.is_cut
            }
            Opcode::BinUnicode | Opcode::ShortBinUnicode | Opcode::BinUnicode8 => {
                kept.is_cut || std::str::from_utf8(kept.bytes).is_ok()
            }
            // Who loads old strings chooses what they are read as.
            _ => kept.bytes.is_ascii(),
        };
        if !is_sound {
            self.doubt(DoubtKind::Operand, step.at);
        }
        let text = self.store(kept)?;
        self.push(Value::Text(text))
    }

    fn number(&mut self, step: &Step<'_>) -> Done {
        let bytes = step.first.bytes;
        let value = match step.opcode {
            Opcode::Int if bytes == b"00" => Value::Bool(false),
            Opcode::Int if bytes == b"01" => Value::Bool(true),
            Opcode::Long1 | Opcode::Long4 => long(bytes).map_or(Value::Number, Value::whole),
            Opcode::Int | Opcode::Long => {
                if !step.first.is_cut && decimal(bytes).is_none() && !is_digits(bytes) {
                    self.doubt(DoubtKind::Operand, step.at);
                }
                decimal(bytes).map_or(Value::Number, Value::whole)
            }
            _ => {
                let text = std::str::from_utf8(bytes).map(str::trim);
                if !step.first.is_cut && !text.is_ok_and(|text| text.parse::<f64>().is_ok()) {
                    self.doubt(DoubtKind::Operand, step.at);
                }
                Value::Number
            }
        };
        self.push(value)
    }

    fn tuple_of(&mut self, opcode: Opcode, n: usize) -> Done {
        let height = self.stack.len().checked_sub(n).filter(|&height| self.fence() <= height);
        let height = height.ok_or(Problem::Stack { opcode })?;
        let items = self.stack.split_off(height);
        self.container(Opcode::Tuple, &items)
    }

    fn container(&mut self, opcode: Opcode, values: &[Value]) -> Done {
        let links = &mut self.trace.links;
        let is_tuple = matches!(opcode, Opcode::Tuple | Opcode::EmptyTuple);
        let items = if is_tuple {
            links.of_tuple(values)
        } else {
            let mut items = Items::NOTHING;
            for &value in values {
                links.push(&mut items, value);
            }
            items
        };
        let node = match opcode {
            Opcode::Tuple | Opcode::EmptyTuple => Node::Tuple(items),
            Opcode::List | Opcode::EmptyList => Node::List(items),
            Opcode::FrozenSet => Node::FrozenSet(items),
            Opcode::EmptySet => Node::Set(items),
            _ if !values.len().is_multiple_of(2) => return Err(Problem::Odd { opcode }.into()),
            _ => Node::Dict(items),
        };
        let node = self.node(node)?;
        self.push(node)
    }

    /// Puts values into what lies below them. What is no container has a method for it, which is called.
    fn fill(&mut self, step: &Step<'_>) -> Done {
        let opcode = step.opcode;
        let values = match opcode {
            Opcode::Append => vec![self.pop(opcode)?],
            Opcode::SetItem => {
                let value = self.pop(opcode)?;
                vec![self.pop(opcode)?, value]
            }
            _ => self.above_mark(opcode)?,
        };
        let target = self.top(opcode)?;
        if values.is_empty() {
            return Ok(());
        }
        let is_pairs = matches!(opcode, Opcode::SetItem | Opcode::SetItems);
        if is_pairs && !values.len().is_multiple_of(2) {
            return Err(Problem::Odd { opcode }.into());
        }
        let how = match opcode {
            Opcode::Append | Opcode::Appends => How::Extend,
            Opcode::SetItem | Opcode::SetItems => How::SetItems,
            _ => How::Add,
        };
        let Value::Node(index) = target else {
            // No plain value has such a method.
            self.no_method(step);
            return Ok(());
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(node) = self.trace.nodes.get_mut(index) else { return Ok(()) };
        let is_list = matches!(node, Node::List(_));
        match (node, how) {
            // A list takes items by number, too.
            (Node::List(items), How::Extend | How::SetItems)
            | (Node::Dict(items), How::SetItems)
            | (Node::Set(items), How::Add) => {
                for value in values {
                    self.trace.links.push(items, value);
                }
                if is_list && how == How::SetItems {
                    self.doubt(DoubtKind::Method, step.at);
                }
                self.check_values()
            }
            (
                Node::Tuple(_) | Node::FrozenSet(_) | Node::List(_) | Node::Dict(_) | Node::Set(_),
                _,
            ) => {
                self.no_method(step);
                Ok(())
            }
            _ => {
                let items = self.trace.links.of_tuple(&values);
                let arguments = self.node(Node::Tuple(items))?;
                self.call(CallRecord { how, at: step.at, callee: target, arguments, named: None })?;
                Ok(())
            }
        }
    }

    /// All loaders raise an error here, unless one of them has made the value something else.
    fn no_method(&mut self, step: &Step<'_>) {
        self.doubt(DoubtKind::Method, step.at);
    }

    // The memo.

    fn recall(&mut self, step: &Step<'_>) -> Done {
        let index = match step.opcode {
            Opcode::Get => {
                // An index that is no number is an error in all of them, and so is one that is not there.
                let index = decimal(step.first.bytes).ok_or(Problem::Memo)?;
                u64::try_from(index).map_err(|_| Problem::Memo)?
            }
            _ => step.number,
        };
        let value = self.memo.get(index).ok_or(Problem::Memo)?;
        self.push(value)
    }

    fn remember(&mut self, step: &Step<'_>) -> Done {
        let value = self.top(step.opcode)?;
        let index = match step.opcode {
            Opcode::Memoize => self.memo.n as u64,
            Opcode::Put => {
                let index = decimal(step.first.bytes).and_then(|index| u64::try_from(index).ok());
                index.ok_or(Problem::Kind { opcode: step.opcode })?
            }
            _ => step.number,
        };
        if self.limits.memo_max <= self.memo.n {
            return Err(Halt::Limit("memo_max"));
        }
        if !self.memo.put(index, value) {
            self.doubt(DoubtKind::Memo, step.at);
        }
        Ok(())
    }

    // Names and calls.

    /// Pushes what is not in the stream itself.
    fn named(&mut self, step: &Step<'_>) -> Done {
        let value = match step.opcode {
            Opcode::Global => self.import(step, step.first, step.second)?,
            Opcode::StackGlobal => return self.stack_global(step),
            Opcode::PersId => {
                let id = Value::Text(self.store(step.first)?);
                self.node(Node::Persistent(id))?
            }
            Opcode::BinPersId => {
                let id = self.pop(step.opcode)?;
                self.node(Node::Persistent(id))?
            }
            Opcode::NextBuffer => self.node(Node::Buffer)?,
            _ => {
                let code = u32::try_from(step.number).unwrap_or(u32::MAX);
                self.node(Node::Extension(code))?
            }
        };
        self.push(value)
    }

    fn stack_global(&mut self, step: &Step<'_>) -> Done {
        let name = self.pop(step.opcode)?;
        let module = self.pop(step.opcode)?;
        let (Value::Text(module), Value::Text(name)) = (module, name) else {
            return Err(Problem::Kind { opcode: step.opcode }.into());
        };
        let [module, name] = [module, name].map(|index| {
            let (bytes, is_cut) = self.trace.text(index);
            (bytes.to_vec(), is_cut)
        });
        let kept = |(bytes, is_cut): &(Vec<u8>, bool)| (bytes.clone(), *is_cut);
        let ((module, module_cut), (name, name_cut)) = (kept(&module), kept(&name));
        let global = self.import(
            step,
            Kept { bytes: &module, is_cut: module_cut },
            Kept { bytes: &name, is_cut: name_cut },
        )?;
        self.push(global)
    }

    fn import(&mut self, step: &Step<'_>, module: Kept<'_>, name: Kept<'_>) -> Done<Value> {
        let is_sound = |kept: Kept<'_>| !kept.is_cut && std::str::from_utf8(kept.bytes).is_ok();
        let is_partial = !is_sound(module) || !is_sound(name);
        let [module, name] =
            [module, name].map(|kept| String::from_utf8_lossy(kept.bytes).into_owned());
        let key = (module, name, is_partial);
        if let Some(&index) = self.names.get(&key) {
            return self.node(Node::Global(index));
        }
        if self.limits.calls_max <= self.trace.globals.len() {
            return Err(Halt::Limit("calls_max"));
        }
        let index = u32::try_from(self.trace.globals.len());
        let index = index.map_err(|_| Halt::Limit("calls_max"))?;
        let (module, name, _) = key.clone();
        let (at, opcode) = (step.at, step.opcode);
        self.trace.globals.push(Global { module, name, at, opcode, is_partial });
        self.names.insert(key, index);
        self.node(Node::Global(index))
    }

    fn calls(&mut self, step: &Step<'_>) -> Done {
        let (opcode, at) = (step.opcode, step.at);
        match opcode {
            Opcode::Build => {
                let state = self.pop(opcode)?;
                let callee = self.top(opcode)?;
                if callee.is_plain() {
                    self.no_method(step);
                    return Ok(());
                }
                let how = How::SetState;
                self.call(CallRecord { how, at, callee, arguments: state, named: None })?;
                return Ok(());
            }
            Opcode::Inst | Opcode::Obj => {
                let mut values = self.above_mark(opcode)?;
                let callee = if opcode == Opcode::Inst {
                    self.import(step, step.first, step.second)?
                } else if values.is_empty() {
                    return Err(Problem::Stack { opcode }.into());
                } else {
                    values.remove(0)
                };
                let items = self.trace.links.of_tuple(&values);
                let arguments = self.node(Node::Tuple(items))?;
                let result =
                    self.call(CallRecord { how: How::Call, at, callee, arguments, named: None })?;
                return self.push(result);
            }
            _ => {}
        }
        let named = if opcode == Opcode::NewObjEx { Some(self.pop(opcode)?) } else { None };
        let arguments = self.pop(opcode)?;
        let callee = self.pop(opcode)?;
        if !self.is_tuple(arguments) {
            self.doubt(DoubtKind::Arguments, at);
        }
        let how = match opcode {
            Opcode::Reduce => How::Call,
            Opcode::NewObj => How::New,
            _ => How::NewNamed,
        };
        let result = self.call(CallRecord { how, at, callee, arguments, named })?;
        self.push(result)
    }

    fn is_tuple(&self, value: Value) -> bool {
        let Value::Node(index) = value else { return false };
        matches!(self.trace.node(index), Some(Node::Tuple(_)))
    }

    /// Notes a call, and gives what stands for its result.
    fn call(&mut self, call: CallRecord) -> Done<Value> {
        if self.limits.calls_max <= self.trace.calls.len() {
            return Err(Halt::Limit("calls_max"));
        }
        let index = u32::try_from(self.trace.calls.len()).map_err(|_| Halt::Limit("calls_max"))?;
        self.trace.calls.push(call);
        self.node(Node::Result(index))
    }
}

/// What stands between two equal quotation marks.
fn unquoted(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_end();
    let (&first, rest) = line.split_first()?;
    let (&last, inner) = rest.split_last()?;
    (first == last && matches!(first, b'\'' | b'"')).then_some(inner)
}

/// A whole number in decimal, as Python reads it: blanks around it, a sign, underscores between digits, an `L` at its end.
fn decimal(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let text = text.strip_suffix('L').unwrap_or(text);
    if text.contains('_') { text.replace('_', "").parse().ok() } else { text.parse().ok() }
}

/// Whether it is a whole number, however long.
fn is_digits(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    let text = text.strip_suffix(b"L").unwrap_or(text);
    let text = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// A whole number of up to eight bytes, the lowest first, the last with the sign.
fn long(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > 8 {
        return None;
    }
    let fill = if bytes.last().is_some_and(|last| last & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [fill; 8];
    whole.iter_mut().zip(bytes).for_each(|(slot, &byte)| *slot = byte);
    Some(i64::from_le_bytes(whole))
}
