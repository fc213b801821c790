//! A witness as a server: C2SP tlog-witness over HTTP/1.1. It answers `POST /add-checkpoint` for logs, and for monitors
//! `GET /<SHA-256 of the origin>/checkpoint`, and nothing else.
//!
//! Nobody proves who they are: a checkpoint counts because its log has signed it. What was cosigned is durable before it is answered.
//!
//! Source: [C2SP tlog-witness](https://c2sp.org/tlog-witness).
use bartizan_core::clock::Clock;
use bartizan_ledger::tlog::{
    AddCheckpoint, Answer, REQUEST_BYTES_MAX, WitnessStore, WitnessStoreError,
};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections at a time; more wait until one ends.
const WITNESS_CONNECTIONS_MAX: usize = 256;
/// Time for a request's head, and for an idle connection.
const WITNESS_HEAD_MAX: Duration = Duration::from_secs(10);
/// Time for a request's body.
const WITNESS_BODY_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const WITNESS_HEAD_BYTES_MAX: usize = 16 << 10;
/// Time for open answers to end once the witness stops.
const WITNESS_DRAIN_MAX: Duration = Duration::from_secs(2);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bounds of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Connections at a time.
    connections: usize,
    /// Time for a request's head, and for an idle connection.
    head: Duration,
    /// Time for a request's body.
    body: Duration,
    /// Time for open answers to end once the witness stops.
    drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: WITNESS_CONNECTIONS_MAX,
            head: WITNESS_HEAD_MAX,
            body: WITNESS_BODY_MAX,
            drain: WITNESS_DRAIN_MAX,
        }
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

/// What connections share.
pub(crate) struct Desk {
    /// What was cosigned.
    pub(crate) store: WitnessStore,
    /// The time of cosignatures.
    pub(crate) clock: Arc<dyn Clock>,
    /// Logs that were cosigned since the start, each of which is said once.
    pub(crate) seen: Mutex<BTreeSet<String>>,
}

impl Desk {
    /// Answers a request, and tells the operator what is new: a log that comes for the first time, evidence that was not there before.
    fn add(&self, body: &[u8]) -> Result<Answer, WitnessStoreError> {
        let request = AddCheckpoint::parse(body).ok();
        let origin = request.as_ref().map_or("", |r| r.checkpoint().checkpoint().origin());
        let before = self.store.evidence(origin);
        let answer = self.store.add_checkpoint(body, self.clock.unix_ms() / 1000)?;
        match &answer {
            Answer::Cosigned(_) => {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.insert(origin.to_owned()) {
                    tracing::info!(log = origin, "Cosigned, for the first time since the start.");
                }
            }
            Answer::Inconsistent(reason) => {
                let after = self.store.evidence(origin);
                for file in after.iter().filter(|file| !before.contains(file)) {
                    tracing::error!(log = origin, evidence = file, "Refused: {reason}.");
                }
            }
            _ => {}
        }
        Ok(answer)
    }
}

/// Serves until `stop` is ready; then open answers may end within a limit.
pub(crate) async fn serve(
    listener: TcpListener,
    desk: Arc<Desk>,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < bounds.connections => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, Arc::clone(&desk), bounds, &graceful));
                }
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted.");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if timeout(bounds.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("Some connections were cut off.");
    }
    connections.shutdown().await;
}

/// One connection, watched by the graceful stop from before it runs.
fn connection(
    socket: TcpStream,
    desk: Arc<Desk>,
    bounds: Bounds,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let nodelay = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(answer(desk, request, bounds).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(WITNESS_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let watched = graceful.watch(connection);
    async move {
        let ended = if nodelay.is_ok() { watched.await } else { Ok(()) };
        if let Err(error) = ended {
            tracing::debug!(%error, "A connection ended.");
        }
    }
}

type Reply = Response<Full<Bytes>>;

async fn answer(desk: Arc<Desk>, request: Request<Incoming>, bounds: Bounds) -> Reply {
    let path = request.uri().path();
    if path == "/add-checkpoint" {
        if request.method() != Method::POST {
            return not_allowed("POST");
        }
        return match read(request.into_body(), bounds.body).await {
            Ok(body) => add(desk, body).await,
            Err(refused) => refused,
        };
    }
    let hash = path.strip_prefix('/').and_then(|path| path.strip_suffix("/checkpoint"));
    match hash.map(str::to_owned) {
        Some(_) if request.method() != Method::GET => not_allowed("GET"),
        Some(hash) => latest(&desk, &hash),
        None => reply(StatusCode::NOT_FOUND, TEXT, "there is nothing here\n".to_owned()),
    }
}

async fn read(body: Incoming, limit: Duration) -> Result<Bytes, Reply> {
    let whole = Limited::new(body, REQUEST_BYTES_MAX).collect();
    match timeout(limit, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("at most {REQUEST_BYTES_MAX} bytes are read\n");
            Err(reply(StatusCode::PAYLOAD_TOO_LARGE, TEXT, text))
        }
        Ok(Err(_)) => {
            let text = "the body could not be read\n".to_owned();
            Err(reply(StatusCode::BAD_REQUEST, TEXT, text))
        }
        Err(_) => {
            let text = "the body took too long\n".to_owned();
            Err(reply(StatusCode::REQUEST_TIMEOUT, TEXT, text))
        }
    }
}

/// Decides, writes and signs, on a thread that may wait for the disk. Whoever hangs up meanwhile changes nothing about that.
async fn add(desk: Arc<Desk>, body: Bytes) -> Reply {
    match tokio::task::spawn_blocking(move || desk.add(&body)).await {
        Ok(Ok(answer)) => {
            tracing::debug!(status = answer.status(), "Answered a log.");
            let status = StatusCode::from_u16(answer.status());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            reply(status, answer.content_type(), answer.body())
        }
        Ok(Err(error)) => failed(&error),
        Err(error) => {
            tracing::error!(%error, "A request panicked.");
            unable()
        }
    }
}

fn latest(desk: &Desk, hash: &str) -> Reply {
    match desk.store.checkpoint(hash) {
        Ok(Some(checkpoint)) => reply(StatusCode::OK, TEXT, checkpoint.to_string()),
        Ok(None) => {
            let text = "no checkpoint of such a log was cosigned here\n".to_owned();
            reply(StatusCode::NOT_FOUND, TEXT, text)
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &WitnessStoreError) -> Reply {
    tracing::error!("{error}.");
    unable()
}

/// Says no more: what failed is the operator's business.
fn unable() -> Reply {
    let text = "the witness cannot answer: its log says why\n".to_owned();
    reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
}

fn not_allowed(method: &'static str) -> Reply {
    let text = format!("only {method} is answered here\n");
    let mut response = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
    response
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Reply {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
