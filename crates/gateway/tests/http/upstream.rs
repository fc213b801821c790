//! Upstreams that fail in every way that a server can.
use crate::client::{chat, hello, send};
use crate::world::{
    KEY, Peer, STREAM_HEAD, World, chunk, delta, finish, json_answer, limits, plain_answer, stopped,
};
use bartizan_core::record::{Outcome, RecordError, Slot};
use bartizan_gateway::limits::Limits;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::net::TcpListener;

/// An upstream that reads one request per connection, writes `answer`, and hangs up.
async fn world_writing(limits: Limits, answer: String) -> World {
    World::new(limits, move |mut peer| {
        let answer = answer.clone();
        async move {
            if peer.read().await {
                peer.write(&answer).await;
            }
        }
    })
    .await
}

/// The cause that the last record gives, or nothing.
fn cause_on_record(world: &World) -> String {
    let last = world.recorder.drafts().pop().unwrap();
    let evidence = last.payloads.iter().find(|payload| payload.slot == Slot::Evidence).unwrap();
    let evidence: serde_json::Value = serde_json::from_slice(&evidence.bytes).unwrap();
    evidence["cause"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn bad_answers_become_errors_and_records() {
    let limits = Limits { answer_bytes_max: 10_000, ..limits() };
    let good = plain_answer("hi");
    let huge_header = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n", "a".repeat(200 << 10));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(300));
    let cases: Vec<(&str, String, &str, &str)> = vec![
        ("hangs up at once", String::new(), "upstream_disconnected", "connection closed before message completed"),
        ("200, then dies", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"a\"".into(), "upstream_disconnected", "end of file before message length reached"),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-".into(), "upstream_disconnected", "connection closed before message completed"),
        ("no HTTP", "hello\r\n\r\n".into(), "upstream_malformed", "invalid HTTP version parsed"),
        ("gzip", good.replace("content-type", "content-encoding: gzip\r\ncontent-type"), "upstream_encoding", ""),
        ("gzip under identity", good.replace("content-type", "content-encoding: identity\r\ncontent-encoding: br\r\ncontent-type"), "upstream_encoding", ""),
        ("compressed stream", STREAM_HEAD.replace("content-type", "content-encoding: zstd\r\ncontent-type"), "upstream_encoding", ""),
        ("redirect", "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".into(), "upstream_redirect", "HTTP 307"),
        ("switches protocols", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".into(), "upstream_disconnected", "HTTP 101"),
        ("huge header", huge_header + "\r\n", "answer_too_large", "message head is too large"),
        ("many headers", many_headers + "\r\n", "answer_too_large", "message head is too large"),
        ("announced too large", json_answer(&" ".repeat(10_001)), "answer_too_large", "limit answer_bytes_max"),
        ("too large in chunks", format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2711\r\n{}\r\n0\r\n\r\n", " ".repeat(10_001)), "answer_too_large", "limit answer_bytes_max"),
        ("bad chunk", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".into(), "upstream_malformed", "Invalid chunk size line"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".into(), "upstream_malformed", "invalid content-length parsed"),
        ("long chunk extensions", format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(40 << 10)), "upstream_malformed", "chunk extensions over limit"),
        ("a key twice", json_answer(r#"{"SECRET-1234":1,"SECRET-1234":1}"#), "upstream_malformed", "byte 17: the key stands twice"),
        ("another shape", json_answer(r#"{"choices":"SECRET-1234"}"#), "upstream_malformed", "`choices` is no array"),
        ("HTML", "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>".into(), "upstream_malformed", "byte 0: expected a value"),
        ("early hints first", format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n{good}"), "", ""),
        ("until the end of the connection", good.replace("content-length", "x-length"), "", ""),
        ("good", good.clone(), "", ""),
    ];
    for (name, bytes, code, cause) in cases {
        let (status, outcome) =
            if code.is_empty() { (200, Outcome::Completed) } else { (502, Outcome::UpstreamError) };
        let world = world_writing(limits, bytes).await;
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(code.is_empty() || answer.code() == code, "{name}: {answer:?}");
        assert_eq!(world.recorder.outcomes(), [outcome], "{name}");
        let told = cause_on_record(&world);
        assert!(told.contains(cause) && !told.contains("SECRET"), "{name}: {told}");
        assert_eq!(told.is_empty(), cause.is_empty(), "{name}: {told}");
        assert_eq!(answer.header("x-bartizan-record").map(str::len), Some(32), "{name}");
        assert!(answer.header("location").is_none(), "{name}");
        assert_eq!(world.seen.connections.load(SeqCst), 1, "{name}: no request is sent twice");
        world.finish().await;
    }
}

/// A server that answers is not one that cannot be reached, whatever it says.
#[tokio::test]
async fn an_upstream_that_fails_in_its_own_words_is_said_to_have_failed() {
    for (name, status, body) in [
        ("HTML", "500 Internal Server Error", "<html>SECRET-1234</html>"),
        ("nothing", "503 Service Unavailable", ""),
        ("text", "404 Not Found", "no such page"),
    ] {
        let world = world_writing(limits(), json_answer(body).replace("200 OK", status)).await;
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_failed"), "{name}");
        assert!(body.is_empty() || !answer.body.contains(body), "{name}: {answer:?}");
        assert_eq!(world.recorder.outcomes(), [Outcome::UpstreamError], "{name}");
        world.finish().await;
    }
}

#[tokio::test]
async fn each_time_limit_has_its_own_answer() {
    async fn silent(mut peer: Peer) {
        peer.read().await;
        peer.wait_for_end().await;
    }
    async fn half(mut peer: Peer) {
        peer.read().await;
        peer.write(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{",
        )
        .await;
        peer.wait_for_end().await;
    }
    for (name, limits, is_half, code) in [
        (
            "first byte",
            Limits { first_byte_ms: 100, ..limits() },
            false,
            "upstream_first_byte_timeout",
        ),
        ("between chunks", Limits { between_chunks_ms: 100, ..limits() }, true, "upstream_stalled"),
        ("total, waiting", Limits { total_ms: 100, ..limits() }, false, "total_timeout"),
        ("total, reading", Limits { total_ms: 100, ..limits() }, true, "total_timeout"),
    ] {
        let world =
            if is_half { World::new(limits, half).await } else { World::new(limits, silent).await };
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!((answer.status, answer.code().as_str()), (504, code), "{name}");
        assert_eq!(world.recorder.outcomes(), [Outcome::Timeout], "{name}");
        crate::world::until("the call is over", || world.seen.hung_up.load(SeqCst) == 1).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    // A port that was free a moment ago refuses connections.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = World::with(
        limits(),
        None,
        |setup| setup.upstreams[0].url = format!("http://{free}"),
        |_| async {},
    )
    .await;
    let answer = send(gone.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_unreachable"));
    assert_eq!(gone.recorder.outcomes(), [Outcome::UpstreamError]);
    assert!(cause_on_record(&gone).contains("Connection refused"), "{}", cause_on_record(&gone));
    assert!(!answer.body.contains(&free.port().to_string()), "addresses stay here");
    gone.finish().await;

    // The handshake's answer never comes: connecting includes TLS.
    let mute = World::with(
        Limits { connect_ms: 150, ..limits() },
        None,
        |setup| setup.upstreams[0].url = setup.upstreams[0].url.replace("http:", "https:"),
        |mut peer| async move { peer.wait_for_end().await },
    )
    .await;
    let answer = send(mute.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_connect_timeout"));
    mute.finish().await;

    let no_tls = World::with(
        limits(),
        None,
        |setup| setup.upstreams[0].url = setup.upstreams[0].url.replace("http:", "https:"),
        |mut peer| async move { peer.write("HTTP/1.1 400 Bad Request\r\n\r\n").await },
    )
    .await;
    let answer = send(no_tls.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_tls"));
    no_tls.finish().await;
}

#[tokio::test]
async fn connections_are_kept_and_stale_ones_are_replaced() {
    // Each connection serves two requests and is then closed by the upstream without a word.
    let world = World::new(limits(), |mut peer| async move {
        for _ in 0..2 {
            if !peer.read().await {
                return;
            }
            peer.write(plain_answer("hi")).await;
        }
    })
    .await;
    for n in 1..=6 {
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!(answer.status, 200, "request {n}: {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.seen.connections.load(SeqCst), 3);
    assert_eq!(world.seen.bodies.lock().unwrap().len(), 6, "each request arrives once");
    world.finish().await;
}

/// An upstream that reads a request and hangs up may have acted on it: it is not asked again.
#[tokio::test]
async fn a_request_that_was_sent_is_not_repeated() {
    let world = World::new(limits(), |mut peer| async move {
        peer.read().await;
        if peer.number == 0 {
            peer.write(plain_answer("hi")).await;
            peer.read().await;
        }
    })
    .await;
    assert_eq!(send(world.address, chat(KEY, "", &hello(false))).await.status, 200);
    let answer = send(world.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_disconnected"));
    assert_eq!(
        (world.seen.connections.load(SeqCst), world.seen.bodies.lock().unwrap().len()),
        (1, 2)
    );
    world.finish().await;
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_read() {
    let world = World::new(limits(), |mut peer| async move {
        peer.read_head().await;
        peer.write(
            json_answer(r#"{"error":{"message":"too much"}}"#)
                .replace("200 OK", "429 Too Many Requests"),
        )
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    })
    .await;
    let body = hello(false).replace("hello", &"hello ".repeat(200_000));
    let answer = send(world.address, chat(KEY, "", &body)).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(world.recorder.outcomes().len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn nothing_goes_upstream_without_a_record() {
    for (name, error, status, code) in [
        ("stopped", stopped(), 503, "audit_unavailable"),
        ("full", RecordError::Full { limit: 1 }, 503, "overloaded"),
        ("too large", RecordError::TooLarge { bytes: 2, bytes_max: 1 }, 413, "record_too_large"),
    ] {
        let world = World::answering(plain_answer("hi")).await;
        world.recorder.fail_after(0, error);
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
        assert_eq!(answer.header("retry-after"), (code == "overloaded").then_some("1"), "{name}");
        assert!(
            world.seen.heads.lock().unwrap().is_empty() && !answer.body.contains("/secret/path"),
            "{name}"
        );
        assert_eq!(world.denials(), [code], "{name}");
        world.finish().await;
    }
}

#[tokio::test]
async fn an_answer_without_a_record_is_withheld() {
    for (name, error, code) in [
        ("stopped", stopped(), "audit_unavailable"),
        ("full", RecordError::Full { limit: 1 }, "overloaded"),
    ] {
        let is_full = matches!(error, RecordError::Full { .. });
        let world = World::answering(plain_answer("the answer")).await;
        world.recorder.fail_after(1, error);
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, code), "{name}");
        assert!(!answer.body.contains("the answer"), "{name}");
        if is_full {
            // A full queue empties again, and then the exchange gets its OUTCOME after all.
            world.recorder.mend();
            crate::world::until("settled", || world.recorder.outcomes() == [Outcome::Interrupted])
                .await;
            world.finish().await;
        } else {
            assert_eq!((world.recorder.intents(), world.recorder.outcomes().len()), (1, 0));
            world.gateway.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_refused_request_is_recorded_and_stays_here() {
    let world = World::answering(plain_answer("hi")).await;
    let body =
        r#"{"model":"m","chat_template":"x","messages":[{"role":"user","content":"SECRET-1234"}]}"#;
    let answer = send(world.address, chat(KEY, "", body)).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "content_filter"), "{answer:?}");
    assert!(!answer.body.contains("SECRET-1234") && answer.header("x-bartizan-record").is_some());
    assert!(
        answer.header("x-bartizan-findings").is_some_and(|text| text.contains("unread.template=1")),
        "{answer:?}"
    );
    assert_eq!(world.recorder.outcomes(), [Outcome::Refused]);
    assert!(world.seen.heads.lock().unwrap().is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_ledger_that_says_nothing_is_not_waited_for_for_ever() {
    let limits = Limits { total_ms: 200, ..limits() };
    // The INTENT is never acknowledged: nothing goes upstream.
    let world = World::with(limits, None, |_| {}, |_| async {}).await;
    world.recorder.slow_down(Duration::from_hours(1));
    let answer = send(world.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "total_timeout"), "{answer:?}");
    assert!(world.seen.heads.lock().unwrap().is_empty());
    assert_eq!(world.recorder.outcomes(), [Outcome::Timeout]);
    world.finish().await;

    // The OUTCOME is never acknowledged: the answer, or the end of the stream, is withheld.
    for stream in [false, true] {
        let world = World::new(limits, move |mut peer| async move {
            peer.read().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream {
                peer.write(STREAM_HEAD.to_owned() + &chunk(&delta("text")) + &chunk(&finish()))
                    .await;
                peer.write("0\r\n\r\n").await;
            } else {
                peer.write(plain_answer("the whole text")).await;
            }
        })
        .await;
        let request = chat(KEY, "", &hello(stream));
        let (answer, ()) = tokio::join!(send(world.address, request), async {
            crate::world::until("asked", || world.recorder.intents() == 1).await;
            world.recorder.slow_down(Duration::from_hours(1));
        });
        assert!(
            !answer.body.contains("the whole text") && !answer.body.contains("\"stop\""),
            "{answer:?}"
        );
        assert!(stream || answer.code() == "audit_unavailable", "{answer:?}");
        assert!(world.gateway.metrics().contains("bartizan_unrecorded_total 1\n"));
        world.finish().await;
    }
}
