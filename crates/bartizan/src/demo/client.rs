//! A client of one request at a time, over a real socket.
use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What is sent.
pub(super) struct Request {
    pub(super) path: &'static str,
    pub(super) body: String,
}

/// What came back.
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) record: Option<String>,
    pub(super) findings: Option<String>,
    pub(super) body: Bytes,
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// No connection, no answer in time, an answer that breaks off.
pub(super) async fn send(
    addr: SocketAddr,
    key: Option<&str>,
    request: &Request,
) -> anyhow::Result<Heard> {
    let exchange = tokio::time::timeout(ANSWER_MAX, exchange(addr, key, request));
    exchange
        .await
        .context("no answer in time")
        .flatten()
        .with_context(|| format!("sending a request to {addr}{}", request.path))
}

async fn exchange(addr: SocketAddr, key: Option<&str>, request: &Request) -> anyhow::Result<Heard> {
    let socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let connection = tokio::task::spawn(connection);
    let mut head = hyper::Request::post(request.path)
        .header("host", addr.to_string())
        .header("content-type", "application/json");
    if let Some(key) = key {
        head = head.header("authorization", format!("Bearer {key}"));
    }
    let answer =
        sender.send_request(head.body(Full::new(Bytes::from(request.body.clone())))?).await?;
    let text = |name: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let (status, record, findings) =
        (answer.status().as_u16(), text("x-bartizan-record"), text("x-bartizan-findings"));
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    connection.abort();
    Ok(Heard {
        status,
        record,
        findings: findings.filter(|text| !text.is_empty()),
        body: body.to_bytes(),
    })
}
