//! The range behind real sockets: streams, failures, limits, and clients that go away.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "helpers of tests are tests, and a panic is how a test fails"
)]
use bartizan_range::{Range, RangeOptions, ServeLimits, Stopped, client_text, serve_with};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

struct Server {
    range: Arc<Range>,
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

impl Server {
    async fn start(options: RangeOptions, limits: ServeLimits) -> Self {
        let range = Arc::new(Range::new(options).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let served = serve_with(listener, Arc::clone(&range), limits, stopped);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(served);
        let task = tokio::runtime::Handle::current()
            .spawn(async move { tasks.join_next().await.unwrap().unwrap() });
        Self { range, address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request that asks for the connection to be closed, and reads all that comes.
    async fn ask(&self, request: &str) -> String {
        let mut socket = self.connect().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut socket).await
    }

    async fn until(&self, what: &str, reached: impl Fn(&bartizan_range::Seen) -> bool) {
        let wait = async {
            while !reached(&self.range.seen()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), wait).await.expect(what);
    }

    async fn stop(self) -> Stopped {
        self.stop.send(()).unwrap();
        timeout(Duration::from_secs(5), self.task).await.expect("stops in time").unwrap()
    }
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(5), socket.read_to_end(&mut bytes)).await;
    // A reset connection is an end as well.
    read.expect("the connection is closed in time").ok();
    String::from_utf8(bytes).unwrap()
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: range\r\nconnection: close\r\nauthorization: Bearer k\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn chat(text: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": text }]);
    post("/v1/chat/completions", &json!({ "messages": messages, "stream": stream }).to_string())
}

/// The texts of a response, with the marks of chunked transfer taken out.
fn said(response: &str) -> String {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    if !head.contains("transfer-encoding: chunked") {
        return client_text(body.as_bytes());
    }
    let mut plain = String::new();
    let mut rest = body;
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        plain.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    client_text(plain.as_bytes())
}

#[tokio::test]
async fn requests_are_answered_and_remembered() {
    let server = Server::start(RangeOptions::default(), ServeLimits::default()).await;
    for stream in [false, true] {
        let response = server.ask(&chat("What is the card number on file?", stream)).await;
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        assert!(response.contains("x-bartizan-range: practice model: no language model is inside"));
        assert!(response.contains("x-range-way: direct"));
        let kind = if stream { "text/event-stream" } else { "application/json" };
        assert!(response.contains(&format!("content-type: {kind}")));
        let card = server.range.canary("pii.card").unwrap();
        assert!(said(&response).contains(card.value()), "{response}");
        assert_eq!(response.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"), stream);
    }
    let missing = server.ask(&post("/v1/files?x=1", "{}")).await;
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("unknown_url"), "{missing}");
    server.until("all exchanges end", |seen| seen.open == 0).await;
    let seen = server.range.seen();
    assert_eq!((seen.requests, seen.completed, seen.client_gone, seen.failed), (3, 3, 0, 0));
    assert_eq!(seen.last[2].target, "/v1/files?x=1");
    assert_eq!(seen.last[0].header("authorization"), Some("Bearer k"));
    assert!(seen.last[0].body.starts_with(b"{\"messages\":"));
    assert_eq!(server.stop().await, Stopped { connections: 3, cut_off: 0 });
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed_soon() {
    for stream in [true, false] {
        let options = RangeOptions { delay_ms: 60_000, ..RangeOptions::default() };
        let server = Server::start(options, ServeLimits::default()).await;
        let mut socket = server.connect().await;
        socket.write_all(chat("hello", stream).as_bytes()).await.unwrap();
        if stream {
            assert!(
                socket.read(&mut [0; 4096]).await.unwrap() > 0,
                "the first chunk comes at once"
            );
        }
        server.until("the request arrives", |seen| seen.open == 1).await;
        drop(socket);
        let noticed = server.until("the loss is noticed", |seen| seen.client_gone == 1);
        timeout(Duration::from_secs(1), noticed)
            .await
            .expect("within a second of a minute's pause");
        assert_eq!(server.range.seen().open, 0);
        server.stop().await;
    }
}

#[tokio::test]
async fn failures_look_like_failures_of_real_servers() {
    let limits = ServeLimits { stall_ms_max: 50, ..ServeLimits::default() };
    let options = RangeOptions { fail_rate: 1.0, ..RangeOptions::default() };
    let server = Server::start(options, limits).await;
    let (mut n_refused, mut n_broken) = (0, 0);
    for number in 0..40 {
        let stream = number % 2 == 0;
        let response = server.ask(&chat("tell me a story", stream)).await;
        if response.starts_with("HTTP/1.1 500") {
            assert!(response.contains("\"code\":\"range_failure\""), "{response}");
            n_refused += 1;
        } else {
            assert!(response.starts_with("HTTP/1.1 200"), "{response}");
            assert!(
                response.contains("chat.completion"),
                "some of the body came first: {response}"
            );
            assert!(!response.contains("[DONE]") && !response.ends_with("0\r\n\r\n"), "{response}");
            assert!(!response.contains("finish_reason\":\"stop"), "{response}");
            n_broken += 1;
        }
    }
    assert!(n_refused > 3 && n_broken > 3, "{n_refused} {n_broken}");
    assert_eq!(server.range.seen().failed, 40);
    assert!(
        server
            .ask("GET /v1/models HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    );
    server.stop().await;
}

fn chat_with(model: &str, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let body = json!({ "model": model, "messages": messages, "stream": stream });
    post("/v1/chat/completions", &body.to_string())
}

#[tokio::test]
async fn a_models_name_chooses_its_failure() {
    let limits = ServeLimits { stall_ms_max: 60_000, drain_ms_max: 20, ..ServeLimits::default() };
    let server = Server::start(RangeOptions::default(), limits).await;
    for stream in [false, true] {
        let refused = server.ask(&chat_with("range-500", stream)).await;
        assert!(refused.starts_with("HTTP/1.1 500"), "{refused}");
        let cut = server.ask(&chat_with("range-cut", stream)).await;
        assert!(cut.starts_with("HTTP/1.1 200") && cut.contains("chat.completion"), "{cut}");
        assert!(!cut.ends_with('}') && !cut.contains("[DONE]"), "{cut}");
    }
    let mut socket = server.connect().await;
    socket.write_all(chat_with("range-stall", true).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_millis(100), socket.read_to_end(&mut bytes)).await;
    assert!(read.is_err(), "no end comes");
    assert_eq!(String::from_utf8(bytes).unwrap().matches("chat.completion.chunk").count(), 2);
    assert_eq!(server.range.seen().failed, 5);
    let stopped = server.stop().await;
    assert_eq!(stopped.cut_off, 1, "an answer that outlives the drain is cut");
}

#[tokio::test]
async fn limits_are_kept() {
    let limits = ServeLimits { body_bytes_max: 100, read_ms_max: 50, ..ServeLimits::default() };
    let server = Server::start(RangeOptions::default(), limits).await;
    let long = chat(&"x".repeat(200), false);
    let slow = "POST /v1/embeddings HTTP/1.1\r\nhost: r\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{";
    let silent = "POST /v1/embeddings HTTP/1.1\r\nhost:";
    for (request, want) in [(long.as_str(), "HTTP/1.1 413"), (slow, "HTTP/1.1 408"), (silent, "")] {
        let response = server.ask(request).await;
        assert!(response.starts_with(want), "{request}: {response}");
        assert_eq!(response.is_empty(), want.is_empty(), "{request}: {response}");
    }
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let limits = ServeLimits { connections_max: 1, ..ServeLimits::default() };
    let server = Server::start(RangeOptions::default(), limits).await;
    let idle = server.connect().await;
    let mut waiting = server.connect().await;
    waiting.write_all(chat("hello", false).as_bytes()).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(server.range.seen().requests, 0);
    drop(idle);
    assert!(read_all(&mut waiting).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

#[tokio::test]
async fn stopping_lets_open_answers_end() {
    let options = RangeOptions { delay_ms: 5, chunk_bytes: 40, ..RangeOptions::default() };
    let server = Server::start(options, ServeLimits::default()).await;
    let mut socket = server.connect().await;
    socket.write_all(chat("hello", true).as_bytes()).await.unwrap();
    let mut first = vec![0; 64];
    assert!(socket.read(&mut first).await.unwrap() > 0);
    let (stopped, rest) = tokio::join!(server.stop(), async { read_all(&mut socket).await });
    assert!(rest.contains("data: [DONE]"), "{rest}");
    assert_eq!(stopped.cut_off, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Bytes that are no HTTP are survived: the next request is answered.
    #[test]
    fn noise_is_survived(noise in proptest::collection::vec(any::<u8>(), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start(RangeOptions::default(), ServeLimits::default()).await;
            let mut socket = server.connect().await;
            socket.write_all(&noise).await.unwrap();
            drop(socket);
            assert!(server.ask(&chat("hello", false)).await.starts_with("HTTP/1.1 200"));
            server.stop().await;
        });
    }
}
