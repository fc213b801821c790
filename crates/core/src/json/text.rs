//! Between the text of a string and its escapes.
use std::ops::Range;

/// Decodes the bytes between the quotes of a valid string. Half a surrogate pair becomes its three bytes of generalised UTF-8.
pub fn decode(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut pieces = Pieces { inner, at: 0 };
    while let Some(piece) = pieces.next_piece() {
        let mut buffer = [0; 4];
        out.extend_from_slice(pieces.text(&piece, &mut buffer));
    }
    out
}

/// Where the decoded bytes `span` of a valid string stand between its quotes. Widened to whole escapes.
///
/// ```
/// # use bartizan_core::json::raw_range;
/// // a@b: the decoded byte 1 is the escape
/// assert_eq!(raw_range(br"a\u0040b", 1..2), 1..7);
/// assert_eq!(raw_range(b"plain", 1..2), 1..2);
/// ```
pub fn raw_range(inner: &[u8], span: Range<usize>) -> Range<usize> {
    let mut pieces = Pieces { inner, at: 0 };
    let mut decoded = 0;
    let (mut start, mut end) = (inner.len(), inner.len());
    loop {
        let piece_at = pieces.at;
        let Some(piece) = pieces.next_piece() else { break };
        let mut buffer = [0; 4];
        let n_bytes = pieces.text(&piece, &mut buffer).len();
        let exact = matches!(piece, Piece::Plain(_));
        if start == inner.len() && span.start < decoded + n_bytes {
            start = if exact { piece_at + span.start.saturating_sub(decoded) } else { piece_at };
        }
        if span.end <= decoded + n_bytes {
            end = if exact { piece_at + span.end.saturating_sub(decoded) } else { pieces.at };
            break;
        }
        decoded += n_bytes;
    }
    start.min(end)..end
}

/// Appends `text` with the escapes that JSON demands and no others. Half a surrogate pair becomes a `\u` escape again.
///
/// ```
/// # use bartizan_core::json::encode_into;
/// let mut out = Vec::new();
/// encode_into(b"say \"hi\"\n", &mut out);
/// assert_eq!(out, br#"say \"hi\"\n"#);
/// ```
pub fn encode_into(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        let plain = rest
            .iter()
            .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0xed)
            .unwrap_or(rest.len());
        let (safe, tail) = rest.split_at(plain);
        out.extend_from_slice(safe);
        let Some((&byte, after)) = tail.split_first() else { return };
        rest = after;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0xed => match after {
                [second @ 0xa0..=0xbf, third @ 0x80..=0xbf, tail @ ..] => {
                    push_escape(
                        0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f),
                        out,
                    );
                    rest = tail;
                }
                _ => out.push(byte),
            },
            _ => push_escape(u16::from(byte), out),
        }
    }
}

fn push_escape(unit: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(u32::from(unit >> shift & 15), 16).unwrap_or('0');
        let mut buffer = [0; 4];
        out.extend_from_slice(digit.encode_utf8(&mut buffer).as_bytes());
    }
}

enum Piece {
    Plain(Range<usize>),
    Unit(u32),
}

struct Pieces<'a> {
    inner: &'a [u8],
    at: usize,
}

impl Pieces<'_> {
    fn next_piece(&mut self) -> Option<Piece> {
        let rest = self.inner.get(self.at..)?;
        match rest {
            [] => None,
            [b'\\', b'u', ..] => Some(Piece::Unit(self.unicode())),
            [b'\\', escaped, ..] => {
                self.at += 2;
                Some(Piece::Unit(u32::from(match escaped {
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                })))
            }
            _ => {
                let n_bytes = memchr::memchr(b'\\', rest.get(1..).unwrap_or_default())
                    .map_or(rest.len(), |n| n + 1);
                let start = self.at;
                self.at += n_bytes;
                Some(Piece::Plain(start..self.at))
            }
        }
    }

    fn unicode(&mut self) -> u32 {
        let first = self.hex(self.at + 2);
        self.at += 6;
        if !(0xd800..0xdc00).contains(&first)
            || !self.inner.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"))
        {
            return first;
        }
        let second = self.hex(self.at + 2);
        if !(0xdc00..0xe000).contains(&second) {
            return first;
        }
        self.at += 6;
        0x1_0000 + ((first - 0xd800) << 10 | (second - 0xdc00))
    }

    fn hex(&self, at: usize) -> u32 {
        let digits = self.inner.get(at..at + 4).unwrap_or_default();
        digits
            .iter()
            .fold(0, |value, &digit| value << 4 | char::from(digit).to_digit(16).unwrap_or(0))
    }

    fn text<'b>(&'b self, piece: &Piece, buffer: &'b mut [u8; 4]) -> &'b [u8] {
        match piece {
            Piece::Plain(range) => self.inner.get(range.clone()).unwrap_or_default(),
            Piece::Unit(unit) => {
                if let Some(c) = char::from_u32(*unit) {
                    return c.encode_utf8(buffer).as_bytes();
                }
                let byte = |shift: u32| u8::try_from((unit >> shift) & 0x3f).unwrap_or_default();
                *buffer = [0xe0 | byte(12), 0x80 | byte(6), 0x80 | byte(0), 0];
                &buffer[..3]
            }
        }
    }
}
