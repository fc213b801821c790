//! The part of CBOR (RFC 8949) that a leaf needs, in its one canonical form: shortest heads, definite lengths, keys in order.

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// The low bits of a head whose value follows in one, two, four or eight bytes.
const IN_1: u8 = 0x18;
const IN_2: u8 = 0x19;
const IN_4: u8 = 0x1a;
const IN_8: u8 = 0x1b;

#[derive(Default)]
pub(super) struct Writer {
    pub(super) out: Vec<u8>,
}

impl Writer {
    fn head(&mut self, major: u8, value: u64) {
        let major = major << 5;
        let bytes = value.to_be_bytes();
        match value {
            0..24 => self.out.push(major | bytes[7]),
            24..0x100 => self.out.extend_from_slice(&[major | IN_1, bytes[7]]),
            0x100..0x1_0000 => {
                self.out.push(major | IN_2);
                self.out.extend_from_slice(&bytes[6..]);
            }
            0x1_0000..0x1_0000_0000 => {
                self.out.push(major | IN_4);
                self.out.extend_from_slice(&bytes[4..]);
            }
            _ => {
                self.out.push(major | IN_8);
                self.out.extend_from_slice(&bytes);
            }
        }
    }

    pub(super) fn map(&mut self, n_pairs: u64) {
        self.head(MAP, n_pairs);
    }

    pub(super) fn array(&mut self, n_items: u64) {
        self.head(ARRAY, n_items);
    }

    pub(super) fn unsigned(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.head(BYTES, value.len() as u64);
        self.out.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.head(TEXT, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }
}

/// Reads what [`Writer`] writes and nothing else: another encoding of the same value is an error, so that a value has one hash.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    fn head(&mut self, major: u8) -> Option<u64> {
        let &first = self.take(1)?.first()?;
        if first >> 5 != major {
            return None;
        }
        let (n_bytes, least) = match first & 31 {
            small @ 0..24 => return Some(u64::from(small)),
            IN_1 => (1, 24),
            IN_2 => (2, 0x100),
            IN_4 => (4, 0x1_0000),
            IN_8 => (8, 0x1_0000_0000),
            _ => return None,
        };
        let value = self.take(n_bytes)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        (least <= value).then_some(value)
    }

    pub(super) fn map(&mut self) -> Option<u64> {
        self.head(MAP)
    }

    pub(super) fn array(&mut self) -> Option<u64> {
        self.head(ARRAY)
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        self.head(UNSIGNED)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.head(BYTES)?;
        self.take(usize::try_from(n).ok()?)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let n = self.head(TEXT)?;
        std::str::from_utf8(self.take(usize::try_from(n).ok()?)?).ok()
    }
}
