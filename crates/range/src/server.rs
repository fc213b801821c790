//! Serves a range over HTTP/1.1, and notices who goes away.
use crate::range::{Fate, Range};
use crate::reply::{Reply, ReplyBody};
use crate::seen::{End, SeenRequest};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Pause after the system refused to hand over a connection (out of file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bounds of the server.
#[expect(clippy::struct_field_names, reason = "limits are named with their unit and `max` last")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Most connections at a time; more wait until one ends.
    pub connections_max: usize,
    /// Longest request body; a longer one gets status 413.
    pub body_bytes_max: usize,
    /// Time for a request's headers, and again for its body.
    pub read_ms_max: u64,
    /// Time that a stalled answer stays open.
    pub stall_ms_max: u64,
    /// Time that open answers get to end once the server stops.
    pub drain_ms_max: u64,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            body_bytes_max: 8 * 1024 * 1024,
            read_ms_max: 30_000,
            stall_ms_max: 600_000,
            drain_ms_max: 2_000,
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that had to be cut because they outlived the drain.
    pub cut_off: usize,
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves the range on a listener until `stop` is ready, with the limits of [`ServeLimits::default`].
pub async fn serve(
    listener: TcpListener,
    range: Arc<Range>,
    stop: impl Future<Output = ()>,
) -> Stopped {
    serve_with(listener, range, ServeLimits::default(), stop).await
}

/// Serves the range on a listener until `stop` is ready; then open answers may end within the drain time.
pub async fn serve_with(
    listener: TcpListener,
    range: Arc<Range>,
    limits: ServeLimits,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut n_accepted = 0;
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < limits.connections_max => match accepted {
                Ok((socket, _)) => {
                    n_accepted += 1;
                    connections.spawn(connection(socket, Arc::clone(&range), limits, &graceful));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let drain = Duration::from_millis(limits.drain_ms_max);
    let drained = timeout(drain, graceful.shutdown()).await;
    let cut_off = if drained.is_ok() { 0 } else { connections.len() };
    connections.shutdown().await;
    Stopped { connections: n_accepted, cut_off }
}

/// One connection, watched by the graceful shutdown from before it runs.
fn connection(
    socket: TcpStream,
    range: Arc<Range>,
    limits: ServeLimits,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    // Without this, small events would wait for the reader's acknowledgements.
    let nodelay = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let range = Arc::clone(&range);
        async move { Ok::<_, Infallible>(respond(request, range, limits).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.read_ms_max))
        .serve_connection(TokioIo::new(socket), service);
    let watched = graceful.watch(connection);
    async move {
        // A connection that breaks is the client's affair; the exchange on it was counted.
        if nodelay.is_ok() {
            watched.await.ok();
        }
    }
}

/// Counts an exchange as abandoned unless it is told that it was completed.
#[derive(Debug)]
struct Exchange {
    range: Arc<Range>,
    end: End,
}

impl Exchange {
    fn complete(&mut self) {
        self.end = End::Completed;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.range.log().end(self.end);
    }
}

async fn respond(
    request: Request<Incoming>,
    range: Arc<Range>,
    limits: ServeLimits,
) -> Response<Body> {
    let number = range.log().begin();
    let exchange = Exchange { range: Arc::clone(&range), end: End::ClientGone };
    let (parts, body) = request.into_parts();
    let body = match read_body(body, limits).await {
        Ok(body) => body,
        Err(refused) => {
            range.log().remember(SeenRequest::new(number, &parts, Bytes::new()));
            return send(refused, Fate::Good, exchange, limits);
        }
    };
    range.log().remember(SeenRequest::new(number, &parts, body.clone()));
    let mut reply = range.reply(&parts.method, parts.uri.path(), &body);
    let mut fate = Fate::Good;
    if parts.method == Method::POST && reply.status.is_success() {
        fate = reply.fate.unwrap_or_else(|| range.fate(number));
    }
    if fate != Fate::Good {
        range.log().fail();
    }
    if fate == Fate::Refuse {
        let message = "the practice range was told to fail some requests";
        reply =
            Reply::error(StatusCode::INTERNAL_SERVER_ERROR, message, None, Some("range_failure"));
    }
    if matches!(reply.body, ReplyBody::Json(_)) && parts.method == Method::POST {
        pause(&range).await;
    }
    send(reply, fate, exchange, limits)
}

async fn pause(range: &Range) {
    let delay_ms = range.options().delay_ms;
    if delay_ms > 0 {
        sleep(Duration::from_millis(delay_ms)).await;
    }
}

async fn read_body(body: Incoming, limits: ServeLimits) -> Result<Bytes, Reply> {
    let whole = Limited::new(body, limits.body_bytes_max).collect();
    match timeout(Duration::from_millis(limits.read_ms_max), whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the body is longer than {} bytes", limits.body_bytes_max);
            Err(Reply::error(StatusCode::PAYLOAD_TOO_LARGE, &message, None, Some("body_too_large")))
        }
        Ok(Err(_)) => {
            Err(Reply::error(StatusCode::BAD_REQUEST, "the body could not be read", None, None))
        }
        Err(_) => {
            let message = format!("the body took longer than {} ms", limits.read_ms_max);
            Err(Reply::error(StatusCode::REQUEST_TIMEOUT, &message, None, None))
        }
    }
}

fn send(reply: Reply, fate: Fate, mut exchange: Exchange, limits: ServeLimits) -> Response<Body> {
    let mut response = Response::new(());
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    let note = HeaderValue::from_static("practice model: no language model is inside");
    headers.insert("x-bartizan-range", note);
    if let Some(way) = reply.way {
        headers.insert("x-range-way", HeaderValue::from_static(way.name()));
    }
    let body = match (reply.body, fate) {
        (ReplyBody::Events(events), fate) => {
            headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Feed::new(*events, fate, exchange, limits).into_body()
        }
        (ReplyBody::Json(json), fate) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if matches!(fate, Fate::Cut { .. } | Fate::Stall { .. }) {
                // The promise of a whole body that will not come.
                headers.insert(CONTENT_LENGTH, HeaderValue::from(json.len()));
                let half = json.slice(..json.len() / 2);
                let fate = if matches!(fate, Fate::Cut { .. }) {
                    Fate::Cut { after: 1 }
                } else {
                    Fate::Stall { after: 1 }
                };
                Feed::new([half].into_iter(), fate, exchange, limits).into_body()
            } else {
                exchange.complete();
                Full::new(json).map_err(|never| match never {}).boxed_unsync()
            }
        }
    };
    response.map(|()| body)
}

/// A body that is fed part by part.
struct Feed<P> {
    parts: P,
    fate: Fate,
    n_sent: usize,
    exchange: Exchange,
    stall: Duration,
}

impl<P: Iterator<Item = Bytes> + Send + 'static> Feed<P> {
    fn new(parts: P, fate: Fate, exchange: Exchange, limits: ServeLimits) -> Self {
        Self { parts, fate, n_sent: 0, exchange, stall: Duration::from_millis(limits.stall_ms_max) }
    }

    fn into_body(self) -> Body {
        StreamBody::new(stream::try_unfold(self, Self::step)).boxed_unsync()
    }

    async fn step(mut self) -> io::Result<Option<(Frame<Bytes>, Self)>> {
        let is_due = |after| self.n_sent >= after;
        match self.fate {
            Fate::Cut { after } if is_due(after) => return Err(self.cut("cut off").await),
            Fate::Stall { after } if is_due(after) => {
                sleep(self.stall).await;
                return Err(self.cut("stalled").await);
            }
            _ => {}
        }
        if self.n_sent > 0 {
            pause(&self.exchange.range).await;
        }
        let Some(part) = self.parts.next() else {
            self.exchange.complete();
            return Ok(None);
        };
        self.n_sent += 1;
        Ok(Some((Frame::data(part), self)))
    }

    /// Ends the exchange on purpose. What was sent before must leave first: hyper flushes while the body waits.
    async fn cut(&mut self, why: &'static str) -> io::Error {
        tokio::task::yield_now().await;
        self.exchange.complete();
        io::Error::other(format!("the practice range {why} an answer on purpose"))
    }
}
