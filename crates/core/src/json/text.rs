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

/// Where the decoded bytes `span` of a valid string stand between its quotes. Widened to whole escapes; an empty span stays empty.
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
            if span.is_empty() {
                return start..start;
            }
        }
        if span.end <= decoded + n_bytes {
            end = if exact { piece_at + span.end.saturating_sub(decoded) } else { pieces.at };
            break;
        }
        decoded += n_bytes;
    }
    start.min(end)..end
}

/// [`raw_range`] of every span, in one pass over the string.
///
/// * `spans`: in decoded bytes, in any order; the answers come in the same order.
///
/// ```
/// # use bartizan_core::json::raw_ranges;
/// assert_eq!(raw_ranges(br"a\u0040b", &[1..2, 2..3, 1..1]), [1..7, 7..8, 1..1]);
/// ```
pub fn raw_ranges(inner: &[u8], spans: &[Range<usize>]) -> Vec<Range<usize>> {
    map_ranges(inner, spans, |step| step.decoded.clone())
}

/// Ranges of the raw bytes between the quotes, widened so that none of them begins or ends inside an escape. One pass; the answers come
/// in the order of `ranges`.
///
/// ```
/// # use bartizan_core::json::whole_escapes;
/// assert_eq!(whole_escapes(br"a\u0040b", &[3..8, 0..2, 4..4]), [1..8, 0..7, 1..1]);
/// ```
pub fn whole_escapes(inner: &[u8], ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    map_ranges(inner, ranges, |step| step.raw.clone())
}

/// One piece of a string: where it stands, and which decoded bytes it gives.
struct Step {
    raw: Range<usize>,
    decoded: Range<usize>,
    /// Whether the piece is plain text, whose bytes are their own decoding.
    exact: bool,
}

/// Finds the raw ranges for spans that are counted in what `axis` tells of a piece.
fn map_ranges(
    inner: &[u8],
    spans: &[Range<usize>],
    axis: impl Fn(&Step) -> Range<usize>,
) -> Vec<Range<usize>> {
    // Every span asks two questions: where its first byte is, and where its last byte ends. Sorted, one walk answers all of them.
    let mut starts: Vec<(usize, usize)> =
        spans.iter().enumerate().map(|(index, span)| (span.start, index)).collect();
    let mut ends: Vec<(usize, usize)> =
        spans.iter().enumerate().map(|(index, span)| (span.end, index)).collect();
    starts.sort_unstable();
    ends.sort_unstable();
    let (mut starts, mut ends) = (starts.into_iter().peekable(), ends.into_iter().peekable());
    let mut found = vec![inner.len()..inner.len(); spans.len()];
    let mut pieces = Pieces { inner, at: 0 };
    let mut decoded = 0;
    while starts.peek().is_some() || ends.peek().is_some() {
        let raw_start = pieces.at;
        let Some(piece) = pieces.next_piece() else { break };
        let mut buffer = [0; 4];
        let n_bytes = pieces.text(&piece, &mut buffer).len();
        let step = Step {
            raw: raw_start..pieces.at,
            decoded: decoded..decoded + n_bytes,
            exact: matches!(piece, Piece::Plain(_)),
        };
        decoded += n_bytes;
        let here = axis(&step);
        let within = |offset: usize, other: usize| {
            if step.exact { step.raw.start + offset.saturating_sub(here.start) } else { other }
        };
        while let Some((offset, index)) = starts.next_if(|(offset, _)| *offset < here.end) {
            if let Some(range) = found.get_mut(index) {
                range.start = within(offset, step.raw.start);
            }
        }
        while let Some((offset, index)) = ends.next_if(|(offset, _)| *offset <= here.end) {
            if let Some(range) = found.get_mut(index) {
                range.end = within(offset, step.raw.end);
            }
        }
    }
    for (range, span) in found.iter_mut().zip(spans) {
        if span.is_empty() {
            range.end = range.start;
        }
        range.start = range.start.min(range.end);
    }
    found
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
