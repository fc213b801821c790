//! What never becomes an exchange: side doors, doubtful framing, foreign pages, bad bodies.
use crate::client::{Answer, chat, hello, post, read, send};
use crate::world::{KEY, World, limits, plain_answer};
use bartizan_gateway::limits::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

async fn quiet_world() -> World {
    World::answering(plain_answer("hi")).await
}

/// What every denial looks like, and that it reached nobody.
fn check_denial(world: &World, name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "{name}");
    assert_eq!(world.recorder.drafts().len(), 0, "{name} must leave no record");
    assert_eq!(world.denials().last(), Some(&code), "{name} must be counted");
    assert!(world.seen.heads.lock().unwrap().is_empty(), "{name} must not reach the upstream");
}

#[tokio::test]
async fn doors_that_are_not_guarded_are_shut() {
    let world = quiet_world().await;
    for (method, target, status, code) in [
        ("POST", "/v1/responses", 403, "path_closed"),
        ("POST", "/v1/completions", 403, "path_closed"),
        ("POST", "/v1/messages", 403, "path_closed"),
        ("POST", "/api/chat", 403, "path_closed"),
        ("GET", "/metrics", 403, "path_closed"),
        ("GET", "/v1/models/m", 403, "path_closed"),
        ("DELETE", "/v1/models/m", 403, "path_closed"),
        ("GET", "/v1/nothing", 404, "unknown_path"),
        ("POST", "//v1/chat/completions", 404, "unknown_path"),
        ("POST", "/v1/chat/completions/", 404, "unknown_path"),
        ("POST", "/v1/../v1/chat/completions", 404, "unknown_path"),
        ("POST", "/v1/%63hat/completions", 404, "unknown_path"),
        ("POST", "/v1%2Fchat/completions", 404, "unknown_path"),
        ("POST", "/v1/chat/completions#x", 404, "unknown_path"),
        ("POST", "/v1/chat/completions?a=b#", 404, "unknown_path"),
        ("PUT", "/v1/chat/completions", 405, "method_not_allowed"),
        ("TRACE", "/v1/chat/completions", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/models", 405, "method_not_allowed"),
    ] {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\r\n"
        );
        let answer = send(world.address, request).await;
        check_denial(&world, &format!("{method} {target}"), &answer, status, code);
        assert_eq!(
            answer.header("allow").is_some(),
            status == 405 && method != "TRACE",
            "{method} {target}"
        );
    }
    world.finish().await;
}

/// Name, header lines, status, code.
fn doubtful_heads() -> Vec<(&'static str, String, u16, &'static str)> {
    let body = hello(false);
    let length = format!("content-length: {}\r\n", body.len());
    let json = "content-type: application/json\r\n";
    let host = "host: localhost\r\n";
    vec![
        ("chunked", format!("{host}{json}transfer-encoding: chunked\r\n"), 411, "length_required"),
        (
            "length, then chunked",
            format!("{host}{json}{length}transfer-encoding: chunked\r\n"),
            400,
            "conflicting_framing",
        ),
        (
            "chunked, then length",
            format!("{host}{json}transfer-encoding: chunked\r\n{length}"),
            400,
            "conflicting_framing",
        ),
        (
            "two lengths",
            format!("{host}{json}content-length: 1\r\ncontent-length: 2\r\n"),
            400,
            "conflicting_framing",
        ),
        (
            "signed length",
            format!("{host}{json}content-length: +10\r\n"),
            400,
            "conflicting_framing",
        ),
        (
            "negative length",
            format!("{host}{json}content-length: -1\r\n"),
            400,
            "conflicting_framing",
        ),
        (
            "list of lengths",
            format!("{host}{json}content-length: 10, 10\r\n"),
            400,
            "conflicting_framing",
        ),
        (
            "huge length",
            format!("{host}{json}content-length: 99999999999999999999\r\n"),
            400,
            "conflicting_framing",
        ),
        ("empty length", format!("{host}{json}content-length:\r\n"), 400, "conflicting_framing"),
        (
            "other coding in HTTP/1.1",
            format!("{host}{json}transfer-encoding: gzip\r\n"),
            400,
            "malformed_head",
        ),
        ("space before a colon", format!("host : localhost\r\n{json}"), 400, "malformed_head"),
        ("no length", format!("{host}{json}"), 411, "length_required"),
        ("no host", format!("{json}{length}"), 400, "missing_host"),
        ("two hosts", format!("{host}{host}{json}{length}"), 400, "duplicate_header"),
        ("foreign host", format!("host: evil.example.com\r\n{json}{length}"), 421, "foreign_host"),
        (
            "foreign origin",
            format!("{host}{json}{length}origin: https://evil.example.com\r\n"),
            403,
            "foreign_origin",
        ),
        (
            "foreign site",
            format!("{host}{json}{length}sec-fetch-site: cross-site\r\n"),
            403,
            "foreign_origin",
        ),
        (
            "websocket",
            format!("{host}{json}{length}connection: upgrade\r\nupgrade: websocket\r\n"),
            400,
            "upgrade_refused",
        ),
        (
            "expectation",
            format!("{host}{json}{length}expect: a-pony\r\n"),
            417,
            "expectation_failed",
        ),
        (
            "form",
            format!("{host}content-type: application/x-www-form-urlencoded\r\n{length}"),
            415,
            "unsupported_media_type",
        ),
        (
            "multipart",
            format!("{host}content-type: multipart/form-data; boundary=x\r\n{length}"),
            415,
            "unsupported_media_type",
        ),
        (
            "gzip",
            format!("{host}{json}{length}content-encoding: gzip\r\n"),
            415,
            "unsupported_encoding",
        ),
        ("100 MiB", format!("{host}{json}content-length: 104857600\r\n"), 413, "body_too_large"),
        (
            "unknown route",
            format!("{host}{json}{length}x-bartizan-route: other\r\n"),
            400,
            "unknown_route",
        ),
    ]
}

#[tokio::test]
async fn doubtful_heads_are_refused_before_the_body_is_read() {
    let world = quiet_world().await;
    for (name, lines, status, code) in doubtful_heads() {
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\n{lines}\r\n"
        );
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(head.as_bytes()).await.unwrap();
        let answer = read(&mut tcp).await.unwrap();
        check_denial(&world, name, &answer, status, code);
        if code != "length_required" || name == "chunked" {
            assert_eq!(answer.header("connection"), Some("close"), "{name}");
            let mut rest = Vec::new();
            timeout(Duration::from_secs(5), tcp.read_to_end(&mut rest)).await.expect(name).unwrap();
        }
    }
    world.finish().await;
}

/// A caller that goes on sending must still be able to read why it was refused.
#[tokio::test]
async fn a_huge_upload_gets_its_answer() {
    let world = quiet_world().await;
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 104857600\r\n\r\n"
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp.write_all(&vec![b' '; 512 << 10]).await.unwrap();
    let answer = read(&mut tcp).await.unwrap();
    check_denial(&world, "upload", &answer, 413, "body_too_large");
    world.finish().await;
}

#[tokio::test]
async fn the_largest_body_is_what_configuration_says() {
    let limits = Limits { body_bytes_max: 10, ..limits() };
    let world = World::new(limits, |_| async {}).await;
    for (n_bytes, status, code) in [(10, 400, "malformed_json"), (11, 413, "body_too_large")] {
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {n_bytes}\r\n\r\n{}",
            "x".repeat(n_bytes)
        );
        tcp.write_all(request.as_bytes()).await.unwrap();
        let answer = read(&mut tcp).await.unwrap();
        check_denial(&world, &format!("{n_bytes} bytes"), &answer, status, code);
    }
    world.finish().await;
}

#[tokio::test]
async fn heads_that_are_no_heads_end_the_connection() {
    let limits = Limits { head_bytes_max: 16 << 10, headers_max: 20, ..limits() };
    let world = World::new(limits, |_| async {}).await;
    let large = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n",
        "a".repeat(40 << 10)
    );
    let many =
        format!("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(30));
    for (name, bytes, status, code) in [
        ("large", large.as_str(), Some(431), "head_too_large"),
        ("many", many.as_str(), Some(431), "head_too_large"),
        ("garbage", "hello there\r\n\r\n", Some(400), "malformed_head"),
        ("binary", "\u{1}\u{2}\u{3}\r\n\r\n", Some(400), "malformed_head"),
        (
            "two lengths",
            "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            Some(400),
            "conflicting_framing",
        ),
        (
            "bad length",
            "POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1x\r\n\r\n",
            Some(400),
            "conflicting_framing",
        ),
        (
            "folded line",
            "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n folded\r\n\r\n",
            Some(400),
            "malformed_head",
        ),
        (
            "space before colon",
            "GET /v1/models HTTP/1.1\r\nhost : localhost\r\n\r\n",
            Some(400),
            "malformed_head",
        ),
        ("http/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None, "malformed_head"),
        (
            "TLS hello",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
            Some(400),
            "malformed_head",
        ),
    ] {
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(bytes.as_bytes()).await.unwrap();
        let answer = read(&mut tcp).await;
        assert_eq!(answer.as_ref().map(|answer| answer.status), status, "{name}");
        if let Some(answer) = &answer {
            assert_eq!(answer.code(), code, "{name}: {answer:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
            assert_eq!(answer.header("connection"), Some("close"), "{name}");
            assert_eq!(answer.header("x-bartizan-audit"), Some("strict"), "{name}");
        }
        let n_before = world.denials().len();
        crate::world::until(name, || world.denials().len() >= n_before.max(1)).await;
        drop(tcp);
        crate::world::until(name, || world.denials().last() == Some(&code)).await;
        world.denials.lock().unwrap().clear();
    }
    world.finish().await;
}

#[tokio::test]
async fn slow_heads_and_bodies_run_out_of_time() {
    let limits = Limits { head_ms: 150, body_ms: 150, ..limits() };
    let world = World::new(limits, |_| async {}).await;
    let started = Instant::now();
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    let drip = async {
        loop {
            if tcp.write_all(b"x").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), drip).await.expect("the gateway hangs up on a slow head");
    assert!(started.elapsed() >= Duration::from_millis(140));
    crate::world::until("tally", || world.denials().contains(&"head_timeout")).await;

    let request = chat(KEY, "", &hello(false));
    let cut = &request[..request.len() - 5];
    let answer = send(world.address, cut).await;
    check_denial(&world, "slow body", &answer, 408, "body_timeout");
    world.finish().await;
}

#[tokio::test]
async fn bodies_that_nobody_can_judge_are_rejected() {
    let world = quiet_world().await;
    let deep = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    for (name, body, status) in [
        ("empty", "", 400),
        ("no JSON", "hello", 400),
        ("cut short", r#"{"model":"m","messages":[{"role":"user""#, 400),
        ("after the end", r#"{"model":"m","messages":[]} {}"#, 400),
        ("an array", "[]", 400),
        ("a number", "5", 400),
        ("messages is text", r#"{"model":"m","messages":"hello"}"#, 400),
        ("message is text", r#"{"model":"m","messages":["hello"]}"#, 400),
        ("duplicate key", r#"{"model":"m","messages":[],"messages":[]}"#, 400),
        ("duplicate key, escaped", r#"{"model":"m","messages":[],"m\u0065ssages":[]}"#, 400),
        ("deep", deep.as_str(), 400),
        ("byte order mark", "\u{feff}{}", 400),
    ] {
        let answer = send(world.address, chat(KEY, "", body)).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let code = *world.denials().last().expect(name);
        check_denial(&world, name, &answer, status, code);
    }
    let mut latin =
        chat(KEY, "", r#"{"model":"m","messages":[{"role":"user","content":"?"}]}"#).into_bytes();
    let at = latin.iter().rposition(|byte| *byte == b'?').unwrap();
    latin[at] = 0xe9;
    let answer = send(world.address, latin).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(world.seen.heads.lock().unwrap().is_empty());
    world.finish().await;
}

#[tokio::test]
async fn old_and_pipelining_clients_are_served() {
    let world = quiet_world().await;
    let old = chat(KEY, "", &hello(false)).replace("HTTP/1.1", "HTTP/1.0");
    let answer = send(world.address, old).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.header("connection"), Some("keep-alive"));

    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    let both = chat(KEY, "", &hello(false)) + &chat(KEY, "", &hello(false));
    tcp.write_all(both.as_bytes()).await.unwrap();
    for _ in 0..2 {
        let answer = read(&mut tcp).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let expecting = chat(KEY, "expect: 100-continue\r\n", &hello(false));
    assert_eq!(send(world.address, expecting).await.status, 200);
    assert_eq!(world.recorder.intents(), 4);
    world.finish().await;
}

/// A request that hides another one in its body must stay one request.
#[tokio::test]
async fn a_smuggled_request_is_a_body() {
    let world = quiet_world().await;
    let inner = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    let outer = post(
        "/v1/chat/completions",
        KEY,
        "transfer-encoding: chunked\r\n",
        &format!("0\r\n\r\n{inner}"),
    );
    tcp.write_all(outer.as_bytes()).await.unwrap();
    let answer = read(&mut tcp).await.unwrap();
    assert_eq!(answer.code(), "conflicting_framing");
    assert!(read(&mut tcp).await.is_none(), "the hidden request must get no answer");
    assert_eq!(world.denials(), ["conflicting_framing"]);
    world.finish().await;
}

/// What is wrong with a head is said by the same code behind sound requests, whether those are answered yet or not.
#[tokio::test]
async fn a_doubtful_head_behind_a_sound_one_is_told_as_well() {
    let world = quiet_world().await;
    let sound = chat(KEY, "", &hello(false));
    let lines =
        |more: &str| format!("POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\n{more}\r\n\r\n");
    for (name, head, code) in [
        (
            "both framings",
            lines("content-length: 2\r\ntransfer-encoding: chunked"),
            "conflicting_framing",
        ),
        ("two lengths", lines("content-length: 2\r\ncontent-length: 3"), "conflicting_framing"),
        ("no head", "hello\r\n\r\n".to_owned(), "malformed_head"),
    ] {
        for n_before in [1, 2] {
            let mut tcp = TcpStream::connect(world.address).await.unwrap();
            for _ in 0..n_before {
                tcp.write_all(sound.as_bytes()).await.unwrap();
                let answer = read(&mut tcp).await.unwrap();
                assert_eq!(answer.status, 200, "{name}: {answer:?}");
            }
            tcp.write_all(head.as_bytes()).await.unwrap();
            let answer = read(&mut tcp).await.unwrap();
            assert_eq!((answer.status, answer.code().as_str()), (400, code), "{name}: {answer:?}");
            assert!(read(&mut tcp).await.is_none(), "{name}");
        }
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(format!("{sound}{head}").as_bytes()).await.unwrap();
        assert_eq!(read(&mut tcp).await.unwrap().status, 200, "{name}, at once");
        let answer = read(&mut tcp).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{name}: {answer:?}");
    }
    world.finish().await;
}
