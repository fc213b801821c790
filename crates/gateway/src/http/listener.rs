//! Connections of callers: accepted within a limit, served, and ended politely.
use super::Shared;
use super::head::conflicting_framing;
use super::service::{Connection, handle, own_answer};
use super::tls::ServerTls;
use super::wire::Wire;
use crate::reply::Reply;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Pause after the first failed accept (out of file descriptors, mostly); it doubles up to the second value.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// After an early refusal the rest of the body is thrown away for so long and so far, because a socket that is closed over unread bytes
/// sends a reset, and a reset makes the caller's system forget the answer.
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: u64 = 1 << 20;
/// The same, once the gateway is stopping.
const LINGER_DRAINING: Duration = Duration::from_millis(100);
/// Streams of one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 128;
/// A reading buffer is never smaller than hyper wants it.
const BUFFER_BYTES_MIN: usize = 8 << 10;
/// How often idle connections to upstreams are looked through.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Accepts connections until the gateway drains.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener, tls: Option<ServerTls>) {
    let mut pause = ACCEPT_PAUSE;
    let mut draining = pin!(shared.tasks.draining());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut draining => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, _)) => {
                pause = ACCEPT_PAUSE;
                admit(&shared, tcp, tls.as_ref());
            }
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                shared.denied("accept_failed");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// An open connection, counted as long as it lives.
struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Relaxed);
    }
}

fn admit(shared: &Arc<Shared>, tcp: TcpStream, tls: Option<&ServerTls>) {
    let limits = shared.setup.load().guard.limits;
    let n_before = shared.metrics.connections.fetch_add(1, Relaxed);
    let place = Place(Arc::clone(shared));
    if n_before >= limits.connections_max {
        shared.denied("too_many_connections");
        return;
    }
    if tcp.set_nodelay(true).is_err() {
        return; // It is gone already.
    }
    match tls.cloned() {
        None => shared.tasks.spawn(async move { serve_http1(&place.0, tcp).await }),
        Some(tls) => shared.tasks.spawn(async move { serve_tls(&place.0, tcp, &tls).await }),
    }
}

async fn serve_tls(shared: &Arc<Shared>, tcp: TcpStream, tls: &ServerTls) {
    // The handshake has as much time as a request's head: both are what a stranger says first.
    let limit = Duration::from_millis(shared.setup.load().guard.limits.head_ms);
    // Each step is in a box of its own, so that a connection never takes more than the step that it is in.
    match Box::pin(timeout(limit, tls.acceptor.accept(tcp))).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            Box::pin(serve_http2(shared, stream)).await;
        }
        Ok(Ok(stream)) => Box::pin(serve_http1(shared, stream)).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, "A TLS handshake failed.");
            shared.denied("tls_handshake");
        }
        Err(_) => shared.denied("head_timeout"),
    }
}

async fn serve_http1<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    shared: &Arc<Shared>,
    io: I,
) {
    let limits = shared.setup.load().guard.limits;
    let state = Arc::new(Connection::default());
    let service = service_fn(|request| {
        // Boxed, because hyper gives the socket back only from a service whose future can be moved.
        Box::pin(handle(Arc::clone(shared), Arc::clone(&state), request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.head_ms))
        .max_headers(limits.headers_max)
        .max_header_size(limits.head_bytes_max)
        .max_buf_size(limits.head_bytes_max.max(BUFFER_BYTES_MIN))
        .serve_connection(TokioIo::new(Wire::new(io, Arc::clone(&state))), service);
    let mut draining = pin!(shared.tasks.draining());
    let mut is_asked_to_end = false;
    let ended = poll_fn(|cx| {
        if !is_asked_to_end && draining.as_mut().poll(cx).is_ready() {
            is_asked_to_end = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(cx)
    })
    .await;
    let refusal = ended.as_ref().err().and_then(|error| refusal_of(error, &state));
    match (&refusal, &ended) {
        (Some(reply), _) => shared.denied(reply.code),
        // A connection that was merely left alone after its last request is no denial.
        (None, Err(error)) if error.is_timeout() && state.n_asked.load(Relaxed) == 0 => {
            shared.denied("head_timeout");
        }
        (None, _) => {}
    }
    let has_unread =
        state.unread.load(Relaxed) || ended.as_ref().is_err_and(hyper::Error::is_parse);
    let (io, mut last) = connection.into_parts().io.into_inner().into_parts();
    // Hyper had something to say, and says it without a body.
    if let Some(reply) = refusal.filter(|_| !last.is_empty()) {
        last = own_answer(&reply, shared.setup.load().durability_of_all());
    }
    let cut_short = async {
        shared.tasks.draining().await;
        tokio::time::sleep(LINGER_DRAINING).await;
    };
    tokio::select! {
        ended = timeout(LINGER_MAX, hang_up(io, &last, has_unread)) => {
            if ended.is_err() {
                tracing::debug!("A connection did not close in time.");
            }
        }
        () = cut_short => {}
    }
}

/// What a head that is none is answered, and counts as.
fn refusal_of(error: &hyper::Error, state: &Connection) -> Option<Reply> {
    let n_asked = state.n_asked.load(Relaxed);
    if error.is_parse_too_large() {
        let text =
            "the head is larger than head_bytes_max, or has more lines than headers_max allows";
        Some(Reply::new(431, "head_too_large", text))
    } else if error.is_parse() && state.conflict.load(Relaxed) == n_asked.saturating_add(1) {
        Some(conflicting_framing())
    } else if error.is_parse() {
        Some(Reply::new(400, "malformed_head", "the head of the request is not HTTP/1.1"))
    } else {
        None
    }
}

/// Says the last of it, closes our direction, then, where the caller may still be sending, reads a little of it away.
async fn hang_up<I: AsyncRead + AsyncWrite + Unpin>(mut io: I, last: &[u8], has_unread: bool) {
    if io.write_all(last).await.is_err() || io.shutdown().await.is_err() || !has_unread {
        return;
    }
    let mut sink = tokio::io::sink();
    if let Err(error) = tokio::io::copy(&mut io.take(LINGER_BYTES_MAX), &mut sink).await {
        tracing::debug!(%error, "A refused caller hung up.");
    }
}

async fn serve_http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    shared: &Arc<Shared>,
    io: I,
) {
    let limits = shared.setup.load().guard.limits;
    let state = Arc::new(Connection::default());
    let owned = Arc::clone(shared);
    let service =
        service_fn(move |request| handle(Arc::clone(&owned), Arc::clone(&state), request));
    let connection = http2::Builder::new(shared.tasks.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let mut draining = pin!(shared.tasks.draining());
    let mut is_asked_to_end = false;
    let ended = poll_fn(|cx| {
        if !is_asked_to_end && draining.as_mut().poll(cx).is_ready() {
            is_asked_to_end = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "An HTTP/2 connection of a caller ended.");
    }
}

/// Closes idle connections to upstreams now and then, for the life of the gateway.
pub(super) async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let now_us = shared.clock.monotonic_us();
        for upstream in &shared.setup.load().upstreams {
            upstream.sweep(now_us);
        }
    }
}
