//! The connections to one upstream: kept while idle, checked before reuse, closed the moment their call is dropped.
//!
//! An HTTP/1.1 connection has no task of its own. Whoever makes a call drives it, so that a chunk reaches the guard without a hop
//! between tasks, and dropping the call closes the socket on the spot. Only HTTP/2, where calls share a connection, has a driver.
use super::link::Io;
use super::{Answered, IDLE_MAX, Surroundings, split};
use crate::exchange::{Failure, Fault};
use crate::http::tasks::{Background, Tasks};
use bartizan_core::clock::Clock;
use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Most connections that wait for a request, per upstream.
const IDLE_LINKS_MAX: usize = 512;
/// Time for the end of a stream to come after its last event.
const END_MAX: Duration = Duration::from_millis(250);
/// Bytes of an answer's head that we read.
const ANSWER_HEAD_BYTES_MAX: usize = 64 << 10;
/// Header lines of an answer that we read.
const ANSWER_HEADERS_MAX: usize = 100;

/// An HTTP/1.1 connection.
struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: http1::Connection<TokioIo<Io>, Full<Bytes>>,
    /// The connection has ended and must not be polled again.
    over: bool,
    idle_since_us: u64,
}

impl Link {
    /// Lets the connection read and write what it can.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over && Pin::new(&mut self.connection).poll(cx).is_ready() {
            self.over = true;
        }
    }

    /// Whether another request can go out: the last one is over, and the upstream has not hung up.
    fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        !self.over && self.sender.is_ready()
    }
}

/// A connection on which a request can be sent now.
pub(super) enum Ready {
    Http1 { link: Box<IdleLink>, reused: bool },
    Http2 { sender: http2::SendRequest<Full<Bytes>>, reused: bool },
}

/// A connection that nobody uses at the moment.
pub(super) struct IdleLink(Link);

/// How sending ended.
pub(super) enum Sent {
    /// The head of an answer is there.
    Answered(Answered),
    /// Not one byte of the request went out.
    Untouched(Fault),
    /// The upstream may have seen the request.
    Lost(Fault),
}

/// The connections to one upstream.
pub(super) struct Pool {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    #[expect(clippy::vec_box, reason = "links move in and out one by one, and a box is one word")]
    idle: Mutex<Vec<Box<IdleLink>>>,
    shared: Mutex<Option<http2::SendRequest<Full<Bytes>>>>,
}

impl Pool {
    /// A pool without any connection yet.
    pub(super) fn new(
        host: String,
        port: u16,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    ) -> Self {
        Self { host, port, tls, idle: Mutex::default(), shared: Mutex::default() }
    }

    /// A connection that is known to work, the most recently used one first; a new one when there is none, or when `fresh` asks for it.
    pub(super) async fn checkout(
        &self,
        fresh: bool,
        around: Surroundings<'_>,
    ) -> Result<Ready, Fault> {
        if !fresh {
            if let Some(sender) = lock(&self.shared).clone().filter(|sender| !sender.is_closed()) {
                return Ok(Ready::Http2 { sender, reused: true });
            }
            let now_us = around.clock.monotonic_us();
            while let Some(mut link) = self.pop() {
                let young = now_us.saturating_sub(link.0.idle_since_us) < micros(IDLE_MAX);
                if young && poll_fn(|cx| Poll::Ready(link.0.is_usable(cx))).await {
                    return Ok(Ready::Http1 { link, reused: true });
                }
            }
        }
        let limit = Duration::from_millis(around.limits.connect_ms);
        tokio::time::timeout(limit, self.connect(around))
            .await
            .map_err(|_| Failure::ConnectTimeout)?
    }

    async fn connect(&self, around: Surroundings<'_>) -> Result<Ready, Fault> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| Fault::new(Failure::Unreachable, error))?;
        tcp.set_nodelay(true).map_err(|error| Fault::new(Failure::Unreachable, error))?;
        let io = match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), tcp).await;
                Io::Tls(Box::new(stream.map_err(|error| Fault::new(Failure::Tls, error))?))
            }
            None => Io::Plain(tcp),
        };
        if io.is_http2() {
            return self.connect_http2(io, around).await;
        }
        let mut builder = http1::Builder::new();
        builder
            .max_buf_size(ANSWER_HEAD_BYTES_MAX)
            .max_header_size(ANSWER_HEAD_BYTES_MAX)
            .max_headers(ANSWER_HEADERS_MAX);
        let (sender, connection) =
            builder.handshake(TokioIo::new(io)).await.map_err(|error| fault_of(&error))?;
        let link = Link { sender, connection, over: false, idle_since_us: 0 };
        Ok(Ready::Http1 { link: Box::new(IdleLink(link)), reused: false })
    }

    async fn connect_http2(&self, io: Io, around: Surroundings<'_>) -> Result<Ready, Fault> {
        let (sender, connection) = http2::Builder::new(Background(around.tasks.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .max_header_list_size(u32::try_from(ANSWER_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| fault_of(&error))?;
        around.tasks.spawn_background(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to an upstream ended.");
            }
        });
        *lock(&self.shared) = Some(sender.clone());
        Ok(Ready::Http2 { sender, reused: false })
    }

    fn pop(&self) -> Option<Box<IdleLink>> {
        lock(&self.idle).pop()
    }

    /// Closes connections that have waited too long, and those of an upstream that has hung up on them.
    pub(super) fn sweep(&self, now_us: u64) {
        let mut idle = lock(&self.idle);
        let mut cx = Context::from_waker(Waker::noop());
        idle.retain_mut(|link| {
            now_us.saturating_sub(link.0.idle_since_us) < micros(IDLE_MAX)
                && link.0.is_usable(&mut cx)
        });
    }

    fn put(&self, link: Box<IdleLink>) {
        let mut idle = lock(&self.idle);
        if idle.len() < IDLE_LINKS_MAX {
            idle.push(link);
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A list of connections has no state that a panic could leave half changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ready {
    /// Whether it has carried a request before.
    pub(super) fn is_reused(&self) -> bool {
        let (Self::Http1 { reused, .. } | Self::Http2 { reused, .. }) = self;
        *reused
    }

    pub(super) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2 { .. })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(self, request: Request<Full<Bytes>>, pool: &Arc<Pool>) -> Sent {
        match self {
            Self::Http1 { mut link, .. } => {
                let result = send_http1(&mut link.0, request).await;
                answered(result, UpstreamLink { link: Some(link), pool: Arc::clone(pool) })
            }
            Self::Http2 { mut sender, .. } => {
                // A connection that reached its limit of calls is waited for; the caller's time limit bounds it.
                if let Err(error) = sender.ready().await {
                    return Sent::Untouched(fault_of(&error));
                }
                let result = sender.try_send_request(request).await;
                answered(result, UpstreamLink { link: None, pool: Arc::clone(pool) })
            }
        }
    }
}

/// What the HTTP library says, with the part of it that says why. A bound of ours that was met is no fault of the connection.
fn fault_of(error: &hyper::Error) -> Fault {
    let source = std::error::Error::source(error);
    let kind = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    let is_framing = kind.is_some_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput)
    });
    let failure = if error.is_parse_too_large() {
        Failure::TooLarge("ANSWER_HEAD_BYTES_MAX, ANSWER_HEADERS_MAX")
    } else if error.is_parse() || is_framing {
        Failure::Malformed("it is no HTTP")
    } else {
        Failure::Broken
    };
    match source {
        Some(source) => Fault::new(failure, format_args!("{error}: {source}")),
        None => Fault::new(failure, error),
    }
}

type SendResult =
    Result<http::Response<Incoming>, hyper::client::conn::TrySendError<Request<Full<Bytes>>>>;

fn answered(result: SendResult, link: UpstreamLink) -> Sent {
    match result {
        Ok(response) => {
            let (head, body) = split(response);
            Sent::Answered((head, UpstreamBody { body, link }))
        }
        Err(mut error) => {
            let fault = fault_of(error.error());
            if error.take_message().is_some() { Sent::Untouched(fault) } else { Sent::Lost(fault) }
        }
    }
}

async fn send_http1(link: &mut Link, request: Request<Full<Bytes>>) -> SendResult {
    let mut response = pin!(link.sender.try_send_request(request));
    poll_fn(|cx| {
        // Driving first puts the request on the wire; the second look picks up what that made ready.
        if !link.over && Pin::new(&mut link.connection).poll(cx).is_ready() {
            link.over = true;
        }
        response.as_mut().poll(cx)
    })
    .await
}

struct UpstreamLink {
    /// Present for HTTP/1.1.
    link: Option<Box<IdleLink>>,
    pool: Arc<Pool>,
}

/// The body of an upstream's answer. Dropping it before its end cancels the call.
pub(in crate::http) struct UpstreamBody {
    body: Incoming,
    link: UpstreamLink,
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody").finish_non_exhaustive()
    }
}

impl UpstreamBody {
    /// Bytes that are known to come.
    pub(in crate::http) fn exact_bytes(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece; `None` after the last one.
    pub(in crate::http) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        // The second round picks up what the connection read once it knew that somebody waits.
        for round in 0..2 {
            if let Some(link) = &mut self.link.link {
                link.0.drive(cx);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers say nothing that callers may hear.
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Poll::Ready(Some(Ok(data)));
                    }
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(fault_of(&error)))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending
                    if self.link.link.as_ref().is_some_and(|link| link.0.over) && round == 1 =>
                {
                    let cause = "the connection ended before the answer did";
                    return Poll::Ready(Some(Err(Fault::new(Failure::Broken, cause))));
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    /// After the last piece: keeps the connection for the next call, if both sides are done with this one.
    pub(in crate::http) fn recycle(self, now_us: u64) {
        let UpstreamLink { link, pool } = self.link;
        let mut cx = Context::from_waker(Waker::noop());
        if let Some(mut link) = link
            && link.0.is_usable(&mut cx)
        {
            link.0.idle_since_us = now_us;
            pool.put(link);
        }
    }

    /// After the last piece that matters: waits a moment for the end, which comes in a packet of its own as often as not, and keeps the connection.
    pub(in crate::http) fn recycle_at_end(mut self, tasks: &Tasks, clock: Arc<dyn Clock>) {
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_chunk(&mut cx) {
            Poll::Ready(None) => self.recycle(clock.monotonic_us()),
            // Whatever comes after the end is nothing that this call should wait for.
            Poll::Ready(Some(_)) => {}
            Poll::Pending => tasks.spawn_background(async move {
                let end = tokio::time::timeout(END_MAX, poll_fn(|cx| self.poll_chunk(cx))).await;
                if matches!(end, Ok(None)) {
                    self.recycle(clock.monotonic_us());
                }
            }),
        }
    }
}
