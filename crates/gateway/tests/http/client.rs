//! A client that sends exactly the bytes it is given, and reads answers strictly.
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header, which must not stand twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.head.lines().skip(1).filter_map(|line| {
            let (have, value) = line.split_once(':')?;
            have.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        let first = values.next();
        assert_eq!(values.next(), None, "{name} stands twice");
        first
    }

    /// `error.code` of the body, or the body itself.
    pub(crate) fn code(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        json["error"]["code"].as_str().unwrap_or(&self.body).to_owned()
    }
}

/// A chat request as a library would send it.
pub(crate) fn chat(key: &str, more_head: &str, body: &str) -> String {
    post("/v1/chat/completions", key, more_head, body)
}

pub(crate) fn post(path: &str, key: &str, more_head: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{more_head}\r\n{body}",
        body.len()
    )
}

pub(crate) fn hello(stream: bool) -> String {
    format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#)
}

/// Sends bytes on a new connection and reads one answer.
pub(crate) async fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_ref()).await.unwrap();
    read(&mut tcp).await.expect("an answer")
}

/// Reads one answer; `None` when the connection ends before its head does.
pub(crate) async fn read(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Answer> {
    timeout(PATIENCE, read_answer(io)).await.expect("an answer in time")
}

async fn read_answer(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Answer> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = find(&bytes, b"\r\n\r\n") {
            if bytes.starts_with(b"HTTP/1.1 100") {
                bytes.drain(..at + 4);
                continue;
            }
            break at;
        }
        match io.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return None,
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: String::new() };
    let mut body = Vec::new();
    if let Some(length) = answer.header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        io.read_exact(&mut body).await.unwrap();
    } else if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = read_chunk(io).await {
            body.extend_from_slice(&chunk);
        }
    } else {
        io.read_to_string(&mut answer.body).await.unwrap();
        return Some(answer);
    }
    answer.body = String::from_utf8(body).unwrap();
    Some(answer)
}

/// One chunk of a chunked body; `None` for the last, empty one, or when the connection breaks.
pub(crate) async fn read_chunk(io: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(io.read_u8().await.ok()?);
    }
    let n = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
    let mut chunk = vec![0; n + 2];
    io.read_exact(&mut chunk).await.ok()?;
    chunk.truncate(n);
    (n > 0).then_some(chunk)
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
