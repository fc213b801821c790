//! A reader of HTTP/1.1 answers without I/O: bytes in, a complete answer or an error out.
//!
//! It knows just enough for a load generator that must be cheap and must notice a wrong answer: a status, a length or chunks, the
//! end of the body. It follows no redirect and reads no body that ends with the connection.

/// Most bytes of a status line and headers.
pub(crate) const HEAD_BYTES_MAX: usize = 16 << 10;
/// Most bytes of a body that is kept for a closer look.
pub(crate) const KEPT_BYTES_MAX: usize = 8 << 20;
/// Bytes remembered from the end of a body.
const TAIL_BYTES: usize = 32;
/// Most digits of a chunk size: sixteen would fill a `u64`.
const SIZE_DIGITS_MAX: u32 = 15;
/// Most bytes of extensions and trailers, over all chunks of an answer.
const EXTRA_BYTES_MAX: u32 = 64 << 10;

/// Why bytes are not an answer that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The head does not end.
    #[error("the head is longer than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    /// The first line is not a status line.
    #[error("the status line is malformed")]
    StatusLine,
    /// Both a length and chunks, neither, or a length that is no number.
    #[error("the body's length cannot be told from the head")]
    Length,
    /// A chunk's size or end is not what the protocol says.
    #[error("the chunked coding is malformed")]
    Chunk,
    /// More bytes than the answer has.
    #[error("bytes follow the end of the answer")]
    Surplus,
    /// The body is too large to be kept.
    #[error("the body is longer than {KEPT_BYTES_MAX} bytes")]
    KeptTooLong,
}

/// Where in the chunked coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunked {
    Size {
        size: u64,
        n_digits: u32,
    },
    Extension {
        size: u64,
    },
    SizeLineFeed {
        size: u64,
    },
    Data {
        n_left: u64,
    },
    DataReturn,
    DataLineFeed,
    /// At the start of a trailer line (`n_line == 0`) or inside it.
    Trailer {
        n_line: u32,
    },
    TrailerLineFeed {
        last: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length { n_left: u64 },
    Chunked(Chunked),
    Done,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    state: State,
    head: Vec<u8>,
    n_extra: u32,
    body: BodySeen,
}

/// What is remembered of a body.
#[derive(Debug, Default)]
struct BodySeen {
    n_bytes: u64,
    tail: Vec<u8>,
    kept: Option<Vec<u8>>,
}

impl AnswerReader {
    /// A reader for the next answer; with `keep`, the whole body is kept.
    pub(crate) fn new(keep: bool) -> Self {
        let body = BodySeen { kept: keep.then(Vec::new), ..BodySeen::default() };
        Self { state: State::Head, head: Vec::new(), n_extra: 0, body }
    }

    /// The status, once the head has been read.
    pub(crate) fn status(&self) -> Option<u16> {
        if self.state == State::Head { None } else { status_of(&self.head) }
    }

    /// Bytes of body so far, without the framing.
    pub(crate) fn n_body_bytes(&self) -> u64 {
        self.body.n_bytes
    }

    /// The last bytes of the body, at most [`TAIL_BYTES`].
    pub(crate) fn tail(&self) -> &[u8] {
        &self.body.tail
    }

    /// The body, if it was to be kept.
    pub(crate) fn kept(&self) -> Option<&[u8]> {
        self.body.kept.as_deref()
    }

    /// Reads the next bytes; true when the answer is complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<bool, AnswerError> {
        if self.state == State::Head {
            bytes = self.push_head(bytes)?;
        }
        // Every turn takes at least one byte or ends the answer.
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => return Ok(false),
                State::Done => return Err(AnswerError::Surplus),
                State::Length { n_left } => {
                    let (rest, n_left) = self.body.take(bytes, n_left)?;
                    self.state = if n_left == 0 { State::Done } else { State::Length { n_left } };
                    rest
                }
                State::Chunked(Chunked::Data { n_left }) => {
                    let (rest, n_left) = self.body.take(bytes, n_left)?;
                    self.state = State::Chunked(if n_left == 0 {
                        Chunked::DataReturn
                    } else {
                        Chunked::Data { n_left }
                    });
                    rest
                }
                State::Chunked(at) => {
                    let Some((&byte, rest)) = bytes.split_first() else { break };
                    self.state = self.step(at, byte)?;
                    rest
                }
            };
        }
        Ok(self.state == State::Done)
    }

    fn push_head<'bytes>(&mut self, bytes: &'bytes [u8]) -> Result<&'bytes [u8], AnswerError> {
        // The blank line may have begun in the bytes before.
        let n_before = self.head.len();
        let from = n_before.saturating_sub(3);
        self.head.extend_from_slice(bytes.get(..HEAD_BYTES_MAX.min(bytes.len())).unwrap_or(bytes));
        let fresh = self.head.get(from..).unwrap_or_default();
        let Some(at) = fresh.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if self.head.len() >= HEAD_BYTES_MAX {
                Err(AnswerError::HeadTooLong)
            } else {
                Ok(&[])
            };
        };
        let n_head = from + at + 4;
        self.head.truncate(n_head);
        status_of(&self.head).ok_or(AnswerError::StatusLine)?;
        self.state = match framing_of(&self.head)? {
            Framing::Length(0) => State::Done,
            Framing::Length(n_left) => State::Length { n_left },
            Framing::Chunked => State::Chunked(Chunked::Size { size: 0, n_digits: 0 }),
        };
        Ok(bytes.get(n_head - n_before..).unwrap_or_default())
    }

    fn step(&mut self, at: Chunked, byte: u8) -> Result<State, AnswerError> {
        if matches!(at, Chunked::Extension { .. } | Chunked::Trailer { .. }) {
            self.n_extra += 1;
            if self.n_extra > EXTRA_BYTES_MAX {
                return Err(AnswerError::Chunk);
            }
        }
        let next = match (at, byte) {
            (Chunked::Size { size, n_digits }, _)
                if byte.is_ascii_hexdigit() && n_digits < SIZE_DIGITS_MAX =>
            {
                Chunked::Size {
                    size: size << 4 | u64::from(hex_value(byte)),
                    n_digits: n_digits + 1,
                }
            }
            (Chunked::Size { size, n_digits: 1.. } | Chunked::Extension { size }, b'\r') => {
                Chunked::SizeLineFeed { size }
            }
            (Chunked::Size { size, n_digits: 1.. }, b';' | b' ' | b'\t') => {
                Chunked::Extension { size }
            }
            (Chunked::Extension { size }, _) if byte != b'\n' => Chunked::Extension { size },
            (
                Chunked::SizeLineFeed { size: 0 } | Chunked::TrailerLineFeed { last: false },
                b'\n',
            ) => Chunked::Trailer { n_line: 0 },
            (Chunked::SizeLineFeed { size }, b'\n') => Chunked::Data { n_left: size },
            (Chunked::DataReturn, b'\r') => Chunked::DataLineFeed,
            (Chunked::DataLineFeed, b'\n') => Chunked::Size { size: 0, n_digits: 0 },
            (Chunked::Trailer { n_line }, b'\r') => Chunked::TrailerLineFeed { last: n_line == 0 },
            (Chunked::Trailer { n_line }, _) if byte != b'\n' => {
                Chunked::Trailer { n_line: n_line + 1 }
            }
            (Chunked::TrailerLineFeed { last: true }, b'\n') => return Ok(State::Done),
            _ => return Err(AnswerError::Chunk),
        };
        Ok(State::Chunked(next))
    }
}

impl BodySeen {
    /// Takes up to `n_left` of `bytes`; returns the others, and how many are still to come.
    fn take<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        n_left: u64,
    ) -> Result<(&'bytes [u8], u64), AnswerError> {
        let n = usize::try_from(n_left).unwrap_or(usize::MAX).min(bytes.len());
        let (data, rest) = bytes.split_at(n);
        let n_data = u64::try_from(n).unwrap_or(u64::MAX);
        self.n_bytes = self.n_bytes.saturating_add(n_data);
        let data_tail = data.get(n.saturating_sub(TAIL_BYTES)..).unwrap_or(data);
        let n_surplus = (self.tail.len() + data_tail.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..n_surplus.min(self.tail.len()));
        self.tail.extend_from_slice(data_tail);
        if let Some(kept) = &mut self.kept {
            if kept.len() + n > KEPT_BYTES_MAX {
                return Err(AnswerError::KeptTooLong);
            }
            kept.extend_from_slice(data);
        }
        Ok((rest, n_left - n_data))
    }
}

enum Framing {
    Length(u64),
    Chunked,
}

fn status_of(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let (version, rest) = rest.split_first()?;
    let digits = rest.strip_prefix(b" ")?.get(..3)?;
    let ended = matches!(rest.get(4), Some(b' ' | b'\r'));
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (ended && matches!(version, b'0' | b'1') && (100..600).contains(&status)).then_some(status)
}

fn framing_of(head: &[u8]) -> Result<Framing, AnswerError> {
    let mut framing = None;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let found = if name.eq_ignore_ascii_case(b"content-length") {
            Framing::Length(parse_length(value).ok_or(AnswerError::Length)?)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(AnswerError::Length);
            }
            Framing::Chunked
        } else {
            continue;
        };
        if framing.replace(found).is_some() {
            return Err(AnswerError::Length);
        }
    }
    framing.ok_or(AnswerError::Length)
}

/// Digits only: `parse` would take a sign as well.
fn parse_length(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests;
