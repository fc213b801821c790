//! The compact protocol of Apache Thrift, as far as Parquet's footers and page headers need it.
//!
//! Source: [Thrift compact protocol](https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).

const INT32: u8 = 5;
const INT64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
/// The type of a struct, as the element of a list.
pub(super) const STRUCT: u8 = 12;
/// Lists with more elements say so in a number of their own.
const SHORT_LIST_MAX: usize = 14;

/// A struct that is being written; fields come in order of their ids.
#[derive(Debug)]
pub(super) struct Thrift {
    out: Vec<u8>,
    /// The last field of each struct that is open.
    last: Vec<u8>,
}

impl Default for Thrift {
    fn default() -> Self {
        Self { out: Vec::new(), last: vec![0] }
    }
}

impl Thrift {
    fn field(&mut self, id: u8, kind: u8) {
        let last = self.last.last_mut();
        let delta = last.map_or(id, |last| id.saturating_sub(std::mem::replace(last, id)));
        self.out.push(delta << 4 | kind);
    }

    /// A number of 32 bits, enumerations included.
    pub(super) fn number32(&mut self, id: u8, number: i64) {
        self.field(id, INT32);
        zigzag(&mut self.out, number);
    }

    /// A number of 64 bits.
    pub(super) fn number64(&mut self, id: u8, number: i64) {
        self.field(id, INT64);
        zigzag(&mut self.out, number);
    }

    /// A text.
    pub(super) fn text(&mut self, id: u8, text: &str) {
        self.bytes(id, text.as_bytes());
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, id: u8, bytes: &[u8]) {
        self.field(id, BINARY);
        self.binary(bytes);
    }

    fn binary(&mut self, bytes: &[u8]) {
        varint(&mut self.out, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// The head of a list; its elements follow.
    pub(super) fn list(&mut self, id: u8, kind: u8, n: usize) {
        self.field(id, LIST);
        match u8::try_from(n) {
            Ok(short) if n <= SHORT_LIST_MAX => self.out.push(short << 4 | kind),
            _ => {
                self.out.push(0xf0 | kind);
                varint(&mut self.out, n as u64);
            }
        }
    }

    /// A list of numbers of 32 bits.
    pub(super) fn numbers32(&mut self, id: u8, numbers: &[i64]) {
        self.list(id, INT32, numbers.len());
        for &number in numbers {
            zigzag(&mut self.out, number);
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, id: u8, texts: &[&str]) {
        self.list(id, BINARY, texts.len());
        for text in texts {
            self.binary(text.as_bytes());
        }
    }

    /// Opens a struct in a field.
    pub(super) fn begin(&mut self, id: u8) {
        self.field(id, STRUCT);
        self.begin_element();
    }

    /// Opens a struct in a list.
    pub(super) fn begin_element(&mut self) {
        self.last.push(0);
    }

    /// Closes the struct that was opened last.
    pub(super) fn end(&mut self) {
        self.last.pop();
        self.out.push(0);
    }

    /// Closes the outermost struct.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.end();
        self.out
    }
}

fn zigzag(out: &mut Vec<u8>, number: i64) {
    varint(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Seven bits per byte, the lowest first.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while 0x80 <= number {
        out.push(u8::try_from(number & 0x7f | 0x80).unwrap_or_default());
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}
