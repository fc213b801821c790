//! Large bodies: they take room that is counted, and time that nobody else pays.
use crate::client::{PATIENCE, chat, find, hello, read, send};
use crate::world::{KEY, TestInspector, World, limits, plain_answer, until};
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::KindInfo;
use bartizan_core::record::Outcome;
use bartizan_gateway::limits::Limits;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// An inspector that takes a second for texts with `SLOW` in them.
struct SlowInspector {
    at_work: Arc<AtomicUsize>,
}

impl Inspector for SlowInspector {
    fn kinds(&self) -> &'static [KindInfo] {
        TestInspector.kinds()
    }
    fn detector(&self, source: Source) -> Box<dyn Detector> {
        TestInspector.detector(source)
    }
    #[expect(clippy::disallowed_methods, reason = "this inspector blocks on purpose")]
    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if find(text, b"SLOW").is_some() {
            self.at_work.fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_secs(1));
            self.at_work.fetch_sub(1, SeqCst);
        }
        TestInspector.scan(source, &text[..text.len().min(1000)], report);
    }
}

async fn healthy(control: SocketAddr) -> bool {
    let request = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    send(control, request).await.status == 200
}

/// Asserts that small requests and health checks are answered while `at_work` is not zero.
async fn check_others(world: &World, at_work: &AtomicUsize, name: &str) {
    let control = SocketAddr::from(([127, 0, 0, 1], 0));
    let control = world.gateway.listen_control(control).await.unwrap();
    until("the slow one works", || at_work.load(SeqCst) > 0).await;
    for round in 0..5 {
        let started = Instant::now();
        assert!(healthy(control).await, "{name}");
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert!(started.elapsed() < Duration::from_millis(200), "{name}: {:?}", started.elapsed());
        assert!(round > 2 || at_work.load(SeqCst) > 0, "{name}: this shows nothing");
    }
}

/// One worker: if it were blocked, nobody would be answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_request_blocks_nobody() {
    let at_work = Arc::new(AtomicUsize::new(0));
    let inspector = SlowInspector { at_work: Arc::clone(&at_work) };
    let world = World::with(
        limits(),
        None,
        |setup| setup.guard.inspector = Arc::new(inspector),
        |mut peer| async move {
            while peer.read().await {
                peer.write(plain_answer("hi")).await;
            }
        },
    )
    .await;
    let large = hello(false).replace("hello", &"SLOW ".repeat((8 << 20) / 5));
    let mut slow = TcpStream::connect(world.address).await.unwrap();
    let request = chat(KEY, "", &large);
    let (sent, ()) = tokio::join!(slow.write_all(request.as_bytes()), async {
        check_others(&world, &at_work, "request").await;
    });
    sent.unwrap();
    assert_eq!(read(&mut slow).await.unwrap().status, 200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_answer_blocks_nobody() {
    let at_work = Arc::new(AtomicUsize::new(0));
    let inspector = SlowInspector { at_work: Arc::clone(&at_work) };
    let world = World::with(
        limits(),
        None,
        |setup| setup.guard.inspector = Arc::new(inspector),
        |mut peer| async move {
            while peer.read().await {
                let asked = peer.seen.bodies.lock().unwrap().last().unwrap().contains("large");
                let text = if asked { "SLOW ".repeat(200_000) } else { "hi".to_owned() };
                peer.write(plain_answer(&text)).await;
            }
        },
    )
    .await;
    let mut slow = TcpStream::connect(world.address).await.unwrap();
    let request = chat(KEY, "", &hello(false).replace("hello", "large"));
    slow.write_all(request.as_bytes()).await.unwrap();
    check_others(&world, &at_work, "answer").await;
    assert_eq!(read(&mut slow).await.unwrap().status, 200);
    world.finish().await;
}

fn held(world: &World) -> usize {
    let metrics = world.gateway.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("bartizan_buffered_bytes "));
    line.unwrap().parse().unwrap()
}

/// A body of so many bytes, sent without its last one, so that it stays in the gateway.
async fn all_but_one(world: &World, n_bytes: usize) -> (TcpStream, String) {
    let padding = "x".repeat(n_bytes - hello(false).len() + 5);
    let request = chat(KEY, "", &hello(false).replace("hello", &padding));
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(&request.as_bytes()[..request.len() - 1]).await.unwrap();
    (tcp, request)
}

#[tokio::test]
async fn requests_share_a_bounded_room() {
    let limits = Limits { buffered_bytes_max: 100_000, ..limits() };
    let world = World::new(limits, |mut peer| async move {
        while peer.read().await {
            peer.write(plain_answer("hi")).await;
        }
    })
    .await;
    let (mut first, request) = all_but_one(&world, 60_000).await;
    until("held", || held(&world) == 59_999).await;
    let (mut second, _) = all_but_one(&world, 60_000).await;
    let shed = read(&mut second).await.unwrap();
    assert_eq!((shed.status, shed.code().as_str()), (503, "overloaded"));
    assert_eq!(shed.header("retry-after"), Some("1"));
    until("given back", || held(&world) == 59_999).await;
    let small = send(world.address, chat(KEY, "", &hello(false))).await;
    assert_eq!(small.status, 200, "what still fits is served");
    first.write_all(&request.as_bytes()[request.len() - 1..]).await.unwrap();
    assert_eq!(read(&mut first).await.unwrap().status, 200);
    until("given back", || held(&world) == 0).await;

    let (gone, _) = all_but_one(&world, 90_000).await;
    until("held", || held(&world) == 89_999).await;
    drop(gone);
    until("given back by one that left", || held(&world) == 0).await;
    let (mut third, request) = all_but_one(&world, 90_000).await;
    third.write_all(&request.as_bytes()[request.len() - 1..]).await.unwrap();
    assert_eq!(read(&mut third).await.unwrap().status, 200, "there is room again");
    assert_eq!(world.denials(), ["overloaded", "body_incomplete"]);
    world.finish().await;
}

#[tokio::test]
async fn answers_share_the_room_with_requests() {
    let limits = Limits { buffered_bytes_max: 100_000, ..limits() };
    let world = World::new(limits, |mut peer| async move {
        while peer.read().await {
            let asked = peer.seen.bodies.lock().unwrap().last().unwrap().contains("large");
            let n_bytes = if asked { 120_000 } else { 80_000 };
            peer.write(plain_answer(&"x".repeat(n_bytes))).await;
        }
    })
    .await;
    let large = hello(false).replace("hello", "large");
    for (name, body, status) in [
        ("too large for the room", large.clone(), 503),
        ("just fits", hello(false), 200),
        ("too large again", large, 503),
        ("fits again", hello(false), 200),
    ] {
        let answer = send(world.address, chat(KEY, "", &body)).await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.header("retry-after"), (status == 503).then_some("1"), "{name}");
        assert!(status == 200 || answer.code() == "overloaded", "{name}: {answer:?}");
        until("given back", || held(&world) == 0).await;
    }
    let outcomes = world.recorder.outcomes();
    let shed = outcomes.iter().filter(|outcome| **outcome == Outcome::UpstreamError).count();
    assert_eq!((outcomes.len(), shed), (4, 2), "every shed answer is on record");
    world.finish().await;
}

/// An answer takes its room until the caller has taken it, or has left.
#[tokio::test]
async fn an_answer_that_nobody_reads_still_counts() {
    let inspector = SlowInspector { at_work: Arc::default() };
    let world = World::with(
        limits(),
        None,
        |setup| setup.guard.inspector = Arc::new(inspector),
        |mut peer| async move {
            while peer.read().await {
                peer.write(plain_answer(&"x".repeat(16 << 20))).await;
            }
        },
    )
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut tcp = socket.connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(false)).as_bytes()).await.unwrap();
    let recorded = until("recorded", || world.recorder.outcomes().len() == 1);
    timeout(PATIENCE, recorded).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(16 << 20 <= held(&world), "held: {}", held(&world));
    drop(tcp);
    until("given back", || held(&world) == 0).await;
    world.finish().await;
}
