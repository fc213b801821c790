//! Cuts a stream of server-sent events into events, as bytes arrive. Bytes in, events out; nothing is understood of their content.
//!
//! Follows the event stream grammar of the HTML standard (section 9.2): lines end in LF, CRLF or CR; comments, several `data` lines and
//! a byte order mark at the start are allowed. Where the standard drops an event that the stream cuts off before its blank line, we
//! give it out at the end: an upstream that forgets the last newline has still said something.
use std::borrow::Cow;

/// Why a stream cannot be cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SseError {
    /// One event is longer than allowed.
    #[error("an event of the stream is longer than {bytes_max} bytes")]
    EventTooLong {
        /// The limit.
        bytes_max: usize,
    },
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Every byte of it, the blank line included.
    pub raw: &'a [u8],
    /// The values of its `data` lines, joined by LF; `None` for a comment or an event without data.
    pub data: Option<Cow<'a, [u8]>>,
    /// Where the data stands in `raw`, if the event is one `data` line and nothing else: then it may be passed on as it is.
    pub bare: Option<(usize, usize)>,
}

/// The state between two chunks: the bytes of an event that is not whole yet.
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// Bytes at the front that were given out already.
    n_given: usize,
    /// Offset up to which lines were looked for.
    n_scanned: usize,
    /// Offset of the line that is being read.
    line: usize,
    first: bool,
    bytes_max: usize,
}

impl Deframer {
    /// A deframer for a new stream whose events have at most `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { buffer: Vec::new(), n_given: 0, n_scanned: 0, line: 0, first: true, bytes_max }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if 0 < self.n_given {
            self.buffer.drain(..self.n_given);
            self.n_scanned -= self.n_given;
            self.line -= self.n_given;
            self.n_given = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives out the next whole event, if there is one. `at_end`: no byte will follow, so what is there is whole.
    ///
    /// # Errors
    /// [`SseError::EventTooLong`]; the stream cannot be read on after it.
    ///
    /// ```
    /// # use bartizan_gateway::sse::Deframer;
    /// let mut deframer = Deframer::new(100);
    /// deframer.push(b"data: one\n\ndata: t");
    /// assert_eq!(deframer.next_event(false)?.and_then(|e| e.data).as_deref(), Some(&b"one"[..]));
    /// assert_eq!(deframer.next_event(false)?, None);
    /// deframer.push(b"wo");
    /// assert_eq!(deframer.next_event(true)?.and_then(|e| e.data).as_deref(), Some(&b"two"[..]));
    /// # Ok::<(), bartizan_gateway::sse::SseError>(())
    /// ```
    pub fn next_event(&mut self, at_end: bool) -> Result<Option<Event<'_>>, SseError> {
        let end = loop {
            match self.next_line(at_end) {
                Some((start, end, next)) => {
                    self.line = next;
                    self.n_scanned = next;
                    let blank = start == end;
                    if blank && start == self.n_given {
                        // A blank line before any field separates nothing: forget it.
                        self.n_given = next;
                        continue;
                    }
                    if blank {
                        break next;
                    }
                }
                None if at_end && self.n_given < self.buffer.len() => break self.buffer.len(),
                None => return self.check_length(self.buffer.len()).map(|()| None),
            }
        };
        self.check_length(end)?;
        let start = self.n_given;
        self.n_given = end;
        (self.n_scanned, self.line) = (end, end);
        let first = std::mem::replace(&mut self.first, false);
        Ok(Some(parse(self.buffer.get(start..end).unwrap_or_default(), first)))
    }

    fn check_length(&self, end: usize) -> Result<(), SseError> {
        let too_long = self.bytes_max < end.saturating_sub(self.n_given);
        if too_long { Err(SseError::EventTooLong { bytes_max: self.bytes_max }) } else { Ok(()) }
    }

    /// Start and end of the current line, and where the next one starts; `None` while its end has not arrived.
    fn next_line(&mut self, at_end: bool) -> Option<(usize, usize, usize)> {
        let rest = self.buffer.get(self.n_scanned..)?;
        let Some(n) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.n_scanned = self.buffer.len();
            return None;
        };
        let end = self.n_scanned + n;
        let next = match (self.buffer.get(end), self.buffer.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => end + 2,
            (Some(b'\r'), None) if !at_end => {
                self.n_scanned = end;
                return None;
            }
            _ => end + 1,
        };
        Some((self.line, end, next))
    }
}

fn parse(raw: &[u8], first: bool) -> Event<'_> {
    let mut data: Option<Cow<'_, [u8]>> = None;
    let mut bare = None;
    let mut n_lines = 0;
    let mut at = if first && raw.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let plain_start = at == 0;
    while at < raw.len() {
        let rest = raw.get(at..).unwrap_or_default();
        let n_line = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..n_line).unwrap_or_default();
        let n_break =
            if rest.get(n_line..).is_some_and(|tail| tail.starts_with(b"\r\n")) { 2 } else { 1 };
        if !line.is_empty() {
            n_lines += 1;
        }
        if let Some(value) = data_value(line) {
            let end = at + n_line;
            bare = Some((end - value.len(), end));
            data = Some(match data {
                None => Cow::Borrowed(value),
                Some(before) => Cow::Owned([&before, &b"\n"[..], value].concat()),
            });
        }
        at += n_line + n_break;
    }
    let complete = raw.ends_with(b"\n\n") || raw.ends_with(b"\r\n\r\n") || raw.ends_with(b"\r\r");
    Event { raw, data, bare: bare.filter(|_| n_lines == 1 && complete && plain_start) }
}

fn data_value(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    match value.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => value.is_empty().then_some(value),
    }
}

/// Appends an event with this data.
pub fn write_event(data: &[u8], out: &mut Vec<u8>) {
    for line in data.split(|&byte| byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut deframer = Deframer::new(1000);
        let mut found = Vec::new();
        for (index, chunk) in chunks.iter().enumerate() {
            deframer.push(chunk);
            let at_end = index + 1 == chunks.len();
            while let Some(event) = deframer.next_event(at_end).unwrap() {
                found.push(event.data.map(Cow::into_owned));
            }
        }
        found
    }

    #[test]
    fn reads_every_shape_of_event() {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        for (name, text, want) in [
            ("LF", "data: a\n\ndata: b\n\n", vec![some("a"), some("b")]),
            ("CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", vec![some("a"), some("b")]),
            ("CR", "data: a\r\rdata: b\r\r", vec![some("a"), some("b")]),
            ("no space", "data:a\n\n", vec![some("a")]),
            ("two spaces keep one", "data:  a\n\n", vec![some(" a")]),
            ("several lines", "data: a\ndata: b\n\n", vec![some("a\nb")]),
            ("comment", ": ping\n\ndata: a\n\n", vec![None, some("a")]),
            ("other fields", "event: x\nid: 7\ndata: a\n\n", vec![some("a")]),
            ("no data", "event: x\n\n", vec![None]),
            ("bare field name", "data\n\n", vec![some("")]),
            ("byte order mark", "\u{feff}data: a\n\n", vec![some("a")]),
            ("blank lines between", "\n\n\ndata: a\n\n\n\n", vec![some("a")]),
            ("no final newline", "data: a\n\ndata: b", vec![some("a"), some("b")]),
            ("one final newline", "data: a\n", vec![some("a")]),
            ("database is not data", "database: a\n\n", vec![None]),
            ("nothing", "", vec![]),
        ] {
            assert_eq!(events(&[text.as_bytes()]), want, "{name}");
        }
    }

    #[test]
    fn only_a_lone_data_line_is_bare() {
        for (text, want) in [
            ("data: a\n\n", true),
            ("data:a\r\n\r\n", true),
            ("data: a\ndata: b\n\n", false),
            (": x\ndata: a\n\n", false),
            ("data: a\nid: 1\n\n", false),
            ("data: a\n", false),
        ] {
            let mut deframer = Deframer::new(100);
            deframer.push(text.as_bytes());
            let event = deframer.next_event(true).unwrap().unwrap();
            assert_eq!(event.bare.is_some(), want, "{text:?}");
            if let Some((start, end)) = event.bare {
                assert_eq!(&event.raw[start..end], b"a");
            }
        }
    }

    #[test]
    fn an_event_too_long_is_an_error_whole_or_not() {
        for text in ["data: 0123456789\n\n", "data: 0123456789", "data\ndata\ndata\ndata"] {
            let mut deframer = Deframer::new(12);
            deframer.push(text.as_bytes());
            assert_eq!(
                deframer.next_event(false),
                Err(SseError::EventTooLong { bytes_max: 12 }),
                "{text:?}"
            );
        }
    }

    proptest! {
        /// Cutting changes nothing.
        #[test]
        fn chunking_does_not_matter(text in "(data: ?|[ab:]|\n|\r|\r\n|\n\n){0,24}", cuts in prop::collection::vec(0..60_usize, 0..4)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&chunks), events(&[text.as_bytes()]));
        }

        /// No byte is lost: the raw events, put together, are the stream without its idle blank lines.
        #[test]
        fn raw_bytes_add_up(lines in prop::collection::vec("[a-z: ]{1,5}", 1..6)) {
            let text = lines.join("\n") + "\n\n";
            let mut deframer = Deframer::new(1000);
            deframer.push(text.as_bytes());
            let event = deframer.next_event(false).unwrap().unwrap();
            prop_assert_eq!(event.raw, text.as_bytes());
        }
    }
}
