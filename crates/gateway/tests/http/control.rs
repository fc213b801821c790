//! The control listener.
use crate::client::{Answer, chat, hello, send};
use crate::world::{KEY, World, plain_answer, stopped};
use std::net::SocketAddr;

async fn get(control: SocketAddr, path: &str) -> Answer {
    send(control, format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"))
        .await
}

#[tokio::test]
async fn health_readiness_and_metrics() {
    let world = World::answering(plain_answer("SECRET-1234")).await;
    let control =
        world.gateway.listen_control(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    assert_eq!(get(control, "/healthz").await.status, 200);
    assert_eq!(get(control, "/readyz").await.status, 200);
    assert_eq!(send(world.address, chat(KEY, "", &hello(false))).await.status, 200);
    assert_eq!(send(world.address, chat("wrong", "", &hello(false))).await.status, 401);
    let metrics = get(control, "/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in [
        "bartizan_requests_total{endpoint=\"chat\",outcome=\"completed\"} 1",
        "bartizan_denied_total{code=\"invalid_api_key\"} 1",
        "bartizan_findings_total{kind=\"secret.test\"} 1",
        "bartizan_overhead_seconds_count 1",
        "bartizan_upstream_first_byte_seconds_count 1",
        "bartizan_ledger_syncs_total 3",
    ] {
        assert!(metrics.body.lines().any(|have| have == line), "{line} in {}", metrics.body);
    }
    world.recorder.fail_after(0, stopped());
    let ready = get(control, "/readyz").await;
    assert!(ready.status == 503 && ready.body.contains("sync"), "{ready:?}");
    assert_eq!(get(control, "/healthz").await.status, 200);
    world.recorder.mend();
    assert_eq!(get(control, "/readyz").await.status, 200);
    world.finish().await;
}

/// More attacks than expected are shown, and the gateway goes on as before.
#[tokio::test]
async fn over_defence_is_a_warning() {
    let script = |mut peer: crate::world::Peer| async move {
        while peer.read().await {
            peer.write(&plain_answer("hi")).await;
        }
    };
    let budget =
        |options: &mut bartizan_gateway::http::SetupOptions| options.flagged_max = Some(20);
    let world = World::with(crate::world::limits(), None, budget, script).await;
    let control =
        world.gateway.listen_control(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let attack = hello(false).replace("hello", "ATTACK-1234");
    for n in 0..100 {
        assert!(
            !get(control, "/metrics").await.body.contains("bartizan_flagged_ratio"),
            "after {n}"
        );
        let body = if n % 20 == 0 { &attack } else { &hello(false) };
        assert_eq!(send(world.address, chat(KEY, "", body)).await.status, 200, "{n}");
    }
    let metrics = get(control, "/metrics").await.body;
    assert!(metrics.lines().any(|line| line == "bartizan_flagged_ratio 0.050"), "{metrics}");
    let ready = get(control, "/readyz").await;
    assert!(ready.status == 200 && ready.body.contains("5.0 % of the last requests"), "{ready:?}");
    world.finish().await;
}

#[tokio::test]
async fn nothing_else_is_there() {
    let world = World::answering(plain_answer("hi")).await;
    let control =
        world.gateway.listen_control(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    for (name, request, status, code) in [
        ("data path", "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n", 404, "unknown_path"),
        ("root", "GET / HTTP/1.1\r\nhost: localhost\r\n", 404, "unknown_path"),
        (
            "post",
            "POST /metrics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n",
            405,
            "method_not_allowed",
        ),
        (
            "rebound name",
            "GET /metrics HTTP/1.1\r\nhost: evil.example.com\r\n",
            421,
            "foreign_host",
        ),
        (
            "web page",
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example.com\r\n",
            403,
            "foreign_origin",
        ),
        (
            "our own page",
            "GET /metrics HTTP/1.1\r\nhost: localhost\r\norigin: https://app.example.org\r\n",
            403,
            "foreign_origin",
        ),
        ("no host", "GET /metrics HTTP/1.1\r\n", 400, "missing_host"),
    ] {
        let answer = send(control, format!("{request}connection: close\r\n\r\n")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
    }
    assert!(world.denials().is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_draining_gateway_is_not_ready() {
    let world = World::new(crate::world::limits(), |mut peer| async move {
        peer.read().await;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        peer.write(plain_answer("hi")).await;
    })
    .await;
    let control =
        world.gateway.listen_control(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let request = chat(KEY, "", &hello(false));
    let (all_ended, answer, ready) = tokio::join!(
        async {
            crate::world::until("asked", || !world.seen.bodies.lock().unwrap().is_empty()).await;
            world.gateway.shutdown().await
        },
        send(world.address, request),
        async {
            crate::world::until("asked", || !world.seen.bodies.lock().unwrap().is_empty()).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            get(control, "/readyz").await
        }
    );
    assert!(all_ended && answer.status == 200);
    assert!(ready.status == 503 && ready.body.contains("stopping"), "{ready:?}");
    world.finish().await;
}
