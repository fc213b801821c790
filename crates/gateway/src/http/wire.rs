//! A caller's connection as hyper reads and writes it, with an eye on what hyper keeps to itself.
//!
//! Three things. Of a head with a `content-length` and a `transfer-encoding` hyper drops the length, and one with contradicting lengths it refuses
//! without saying why: so the lines that frame a body are looked at on their way in. So is the target, of which hyper drops a fragment. And what hyper itself answers to a head that is none
//! has no body: it is kept back, so that the caller can be told in the shape of the API. Nothing is decided by what is seen here: hyper
//! refuses such heads with or without it, and the wire only tells which code they get.
use super::service::Connection;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of a line that are looked at: a name, a colon, and a number with room around it.
const LINE_BYTES_MAX: usize = 64;
/// No answer of hyper's own is longer.
const OWN_BYTES_MAX: usize = 256;

/// A connection of a caller.
pub(super) struct Wire<I> {
    io: I,
    framing: Framing,
    connection: Arc<Connection>,
    /// What hyper answered on its own.
    own: Vec<u8>,
}

impl<I> Wire<I> {
    /// Tells `connection` what is seen.
    pub(super) fn new(io: I, connection: Arc<Connection>) -> Self {
        Self { io, framing: Framing::default(), connection, own: Vec::new() }
    }

    /// The connection, and what hyper answered on its own, which has not left.
    pub(super) fn into_parts(self) -> (I, Vec<u8>) {
        (self.io, self.own)
    }
}

impl<I: AsyncWrite + Unpin> Wire<I> {
    /// Sends what was kept back after all: something follows it, so it was not the end.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.own))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.drain(..n.min(self.own.len()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let n_before = into.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, into))?;
        this.framing.read(into.filled().get(n_before..).unwrap_or_default());
        if let Some(n_head) = this.framing.conflict.take() {
            this.connection.conflict.store(n_head, Relaxed);
        }
        if let Some(n_head) = this.framing.fragment.take() {
            // The first one of a connection counts: it ends there.
            let first = this.connection.fragment.load(Relaxed);
            this.connection.fragment.store(if first == 0 { n_head } else { first }, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.own.is_empty() && is_own(bytes) {
            this.own.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(this.poll_own(cx))?;
        Pin::new(&mut this.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = pieces.iter().filter(|piece| !piece.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next()) {
            return self.poll_write(cx, only);
        }
        let this = self.get_mut();
        ready!(this.poll_own(cx))?;
        Pin::new(&mut this.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_own(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

/// Whether these bytes are a whole answer that only hyper makes: a refusal without a body. Every answer of the gateway says what type its body has.
fn is_own(bytes: &[u8]) -> bool {
    const STATUSES: [&[u8]; 3] = [b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 "];
    const END: &[u8] = b"\r\n\r\n";
    STATUSES.iter().any(|status| bytes.starts_with(status))
        && bytes.len() <= OWN_BYTES_MAX
        && memchr::memmem::find(bytes, END).is_some_and(|at| at + END.len() == bytes.len())
        && memchr::memmem::find(bytes, b"\r\ncontent-length: 0\r\n").is_some()
        && memchr::memmem::find(bytes, b"\r\ncontent-type:").is_none()
}

/// Where in the caller's bytes the next one stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// In a head.
    #[default]
    Head,
    /// In a body, with so many bytes to come.
    Body(u64),
    /// Nobody knows. Such a connection takes no further request.
    Lost,
}

/// Follows heads and bodies by their lengths, however the bytes are cut.
#[derive(Debug)]
struct Framing {
    at: At,
    /// Heads that are whole.
    n_heads: u64,
    /// The beginning of the line that is being read.
    line: [u8; LINE_BYTES_MAX],
    /// Bytes of that line, those included that found no room.
    n_line: usize,
    /// The head that is being read.
    head: Lines,
    /// The number of the head, from 1, that frames its body in two ways, or in none that can be read.
    conflict: Option<u64>,
    /// The number of the head whose target has a `#`, which hyper drops with what follows it.
    fragment: Option<u64>,
}

/// What the lines of one head say.
#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    /// One of them was not empty.
    has_begun: bool,
    length: Option<u64>,
    has_coding: bool,
    /// A length is no number, or two of them differ.
    is_bad: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self {
            at: At::default(),
            n_heads: 0,
            line: [0; LINE_BYTES_MAX],
            n_line: 0,
            head: Lines::default(),
            conflict: None,
            fragment: None,
        }
    }
}

impl Framing {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.at {
                At::Lost => return,
                At::Body(n_left) => {
                    let n = usize::try_from(n_left).unwrap_or(usize::MAX).min(bytes.len());
                    let n_left = n_left.saturating_sub(n as u64);
                    self.at = if n_left == 0 { At::Head } else { At::Body(n_left) };
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                At::Head => {
                    let end = memchr::memchr(b'\n', bytes);
                    let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
                    if !self.head.has_begun && memchr::memchr(b'#', line).is_some() {
                        self.fragment = Some(self.n_heads.saturating_add(1));
                    }
                    self.keep(line);
                    bytes = rest;
                    if end.is_some() {
                        self.end_line();
                    }
                }
            }
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = self.line.get_mut(self.n_line..).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(piece) {
            *to = *from;
        }
        self.n_line = self.n_line.saturating_add(piece.len());
    }

    fn end_line(&mut self) {
        let n_line = std::mem::take(&mut self.n_line);
        let is_cut = LINE_BYTES_MAX < n_line;
        let line = self.line.get(..n_line.min(LINE_BYTES_MAX)).unwrap_or_default();
        if !line.trim_ascii_end().is_empty() {
            self.head.line(line, is_cut);
        } else if self.head.has_begun {
            // Empty lines before a head do not count.
            self.end_head();
        }
    }

    fn end_head(&mut self) {
        let Lines { length, has_coding, is_bad, .. } = std::mem::take(&mut self.head);
        self.n_heads = self.n_heads.saturating_add(1);
        if is_bad || (has_coding && length.is_some()) {
            self.conflict = Some(self.n_heads);
        }
        self.at = match length {
            _ if is_bad || has_coding => At::Lost,
            Some(n) if 0 < n => At::Body(n),
            _ => At::Head,
        };
    }
}

impl Lines {
    /// Takes a line, or the beginning of one that was cut.
    fn line(&mut self, line: &[u8], is_cut: bool) {
        self.has_begun = true;
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.has_coding = true;
        }
        if !name.eq_ignore_ascii_case(b"content-length") {
            return;
        }
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        let is_number = value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| is_number && !is_cut);
        let length: Option<u64> = text.and_then(|text| text.parse().ok());
        self.is_bad |= length.is_none() || self.length.is_some_and(|known| length != Some(known));
        self.length = self.length.or(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The head that conflicts, and where the bytes end, when they come in these pieces.
    fn follow<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> (Option<u64>, At) {
        let mut framing = Framing::default();
        pieces.into_iter().for_each(|piece| framing.read(piece));
        (framing.conflict, framing.at)
    }

    const HEAD: &str = "POST / HTTP/1.1\r\nhost: h\r\n";

    /// What follows the first two lines, and what comes of it.
    fn cases() -> Vec<(&'static str, String, Option<u64>, At)> {
        let long = format!("content-length:{}1\r\n\r\n", " ".repeat(LINE_BYTES_MAX));
        let own = |text: &str| text.to_owned();
        vec![
            ("no body", own("\r\n"), None, At::Head),
            ("a body", own("Content-Length: 3\r\n\r\nab"), None, At::Body(1)),
            ("a whole body", own("content-length:3\r\n\r\nabc"), None, At::Head),
            ("an empty body", own("content-length: 0\r\n\r\n"), None, At::Head),
            (
                "the same length twice",
                own("content-length: 3\r\nCONTENT-LENGTH: 3\r\n\r\n"),
                None,
                At::Body(3),
            ),
            ("chunked", own("transfer-encoding: chunked\r\n\r\n0\r\n\r\n"), None, At::Lost),
            (
                "both",
                own("content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n"),
                Some(1),
                At::Lost,
            ),
            (
                "both, other order",
                own("Transfer-Encoding: x\ncontent-length: 3\n\n"),
                Some(1),
                At::Lost,
            ),
            (
                "two lengths",
                own("content-length: 3\r\ncontent-length: 4\r\n\r\n"),
                Some(1),
                At::Lost,
            ),
            ("a signed length", own("content-length: +3\r\n\r\n"), Some(1), At::Lost),
            ("a negative length", own("content-length: -1\r\n\r\n"), Some(1), At::Lost),
            ("a list", own("content-length: 3, 3\r\n\r\n"), Some(1), At::Lost),
            ("an empty length", own("content-length:\r\n\r\n"), Some(1), At::Lost),
            (
                "a huge length",
                own("content-length: 99999999999999999999\r\n\r\n"),
                Some(1),
                At::Lost,
            ),
            ("more than a line has room for", long, Some(1), At::Lost),
            ("another name", own("x-content-length: a\r\n\r\n"), None, At::Head),
            (
                "in a body",
                format!("content-length: 21\r\n\r\ncontent-length: +3\r\n\r\n{HEAD}"),
                None,
                At::Head,
            ),
            (
                "in the second head",
                format!("content-length: 3\r\n\r\nabc\r\n{HEAD}content-length: x\r\n\r\n"),
                Some(2),
                At::Lost,
            ),
        ]
    }

    #[test]
    fn bodies_that_are_framed_twice_are_seen_however_they_are_cut() {
        for (name, rest, conflict, at) in cases() {
            let text = format!("\r\n{HEAD}{rest}");
            let (bytes, want) = (text.as_bytes(), (conflict, at));
            assert_eq!(follow([bytes]), want, "{name}");
            assert_eq!(follow(bytes.chunks(1)), want, "{name}, in bytes");
            for cut in 0..=bytes.len() {
                let (one, two) = bytes.split_at(cut);
                assert_eq!(follow([one, two]), want, "{name}, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_fragment_is_seen_in_targets_only() {
        for (name, text, want) in [
            ("none", format!("{HEAD}\r\n"), None),
            ("one", "POST /a#b HTTP/1.1\r\n\r\n".to_owned(), Some(1)),
            ("in a header", format!("{HEAD}x: #\r\n\r\n"), None),
            ("in a body", format!("{HEAD}content-length: 1\r\n\r\n#"), None),
            ("in the second head", format!("{HEAD}\r\nPOST /# HTTP/1.1\r\n\r\n"), Some(2)),
        ] {
            for n_bytes in [1, 7, text.len()] {
                let mut framing = Framing::default();
                text.as_bytes().chunks(n_bytes).for_each(|piece| framing.read(piece));
                assert_eq!(framing.fragment, want, "{name}");
            }
        }
    }

    #[test]
    fn only_what_hyper_says_on_its_own_is_kept_back() {
        let own =
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        for (name, text, want) in [
            ("its own", own.to_owned(), true),
            ("another status", own.replace("400 Bad Request", "431 Too Large"), true),
            ("ours", own.replace("date: x", "content-type: application/json"), false),
            ("with a body", format!("{own}{{}}"), false),
            ("two of them", format!("{own}{own}"), false),
            ("not whole", own.trim_end().to_owned(), false),
            ("no refusal", own.replace("400 Bad Request", "200 OK"), false),
            ("a body in the same form", format!("data: {own}"), false),
            ("a long one", own.replace('x', &"x".repeat(OWN_BYTES_MAX)), false),
        ] {
            assert_eq!(is_own(text.as_bytes()), want, "{name}");
        }
    }

    proptest! {
        /// Whatever comes, the same is seen however it is cut.
        #[test]
        fn cutting_changes_nothing(
            text in "(content-length: |transfer-encoding: |[0-3]|\r\n|\n|:|a| ){0,40}",
            cuts in prop::collection::vec(0..200_usize, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut bounds: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            bounds.extend([0, bytes.len()]);
            bounds.sort_unstable();
            let pieces = bounds.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            prop_assert_eq!(follow(pieces), follow([bytes]));
        }
    }
}
