//! Streams: judged on the way, recorded before their end, cancelled when the caller leaves.
use crate::client::{PATIENCE, chat, find, hello, read_chunk, send};
use crate::world::{
    KEY, Peer, STREAM_HEAD, World, chunk, delta, finish, limits, policy, stopped, until,
};
use bartizan_core::record::{Outcome, Slot};
use bartizan_gateway::http::SetupOptions;
use bartizan_gateway::limits::Limits;
use bartizan_policy::Profile;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

/// Sends the pieces, each in a chunk of its own, and ends the stream.
async fn stream_pieces(peer: &mut Peer, pieces: &[String]) {
    peer.write(STREAM_HEAD).await;
    for piece in pieces {
        peer.write(chunk(piece)).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    peer.write("0\r\n\r\n").await;
}

fn said(body: &str) -> String {
    let mut text = String::new();
    for line in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let json: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        text.push_str(json["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
    }
    text
}

#[tokio::test]
async fn a_secret_cut_across_chunks_does_not_leave() {
    let world = World::new(limits(), |mut peer| async move {
        while peer.read().await {
            let pieces = [delta("a SEC"), delta("RET-12"), delta("34 b"), finish()];
            stream_pieces(&mut peer, &pieces).await;
        }
    })
    .await;
    for round in 1..=3 {
        let answer = send(world.address, chat(KEY, "", &hello(true))).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/event-stream"))
        );
        assert!(
            !answer.body.contains("1234") && !said(&answer.body).contains("SECRET-"),
            "{answer:?}"
        );
        assert!(
            said(&answer.body).starts_with("a ") && said(&answer.body).ends_with(" b"),
            "{answer:?}"
        );
        assert!(answer.body.trim_end().ends_with("data: [DONE]"), "{answer:?}");
        assert!(
            answer.body.contains("secret.test=1"),
            "the findings follow as a comment: {answer:?}"
        );
        assert_eq!(world.recorder.outcomes().len(), round);
        // The last chunk of HTTP comes after the last event.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(world.recorder.outcomes().iter().all(|outcome| *outcome == Outcome::Completed));
    assert!(!world.recorder.text(Slot::Released).contains("SECRET-1234"));
    assert_eq!(
        world.seen.connections.load(SeqCst),
        1,
        "a finished stream's connection is used again"
    );
    world.finish().await;
}

#[tokio::test]
async fn the_end_waits_for_the_record_and_the_text_does_not() {
    let world = World::new(limits(), |mut peer| async move {
        peer.read().await;
        stream_pieces(&mut peer, &[delta("hello"), finish()]).await;
    })
    .await;
    world.recorder.slow_down(Duration::from_millis(300));
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let (mut text_at, mut end_at) = (None, None);
    while end_at.is_none() {
        assert!(timeout(PATIENCE, tcp.read_buf(&mut bytes)).await.unwrap().unwrap() > 0);
        let has = |what: &[u8]| find(&bytes, what).is_some();
        text_at = text_at.or_else(|| has(b"hello").then(Instant::now));
        end_at = has(b"\"stop\"").then(Instant::now);
        assert!(end_at.is_none() || world.recorder.outcomes().len() == 1);
    }
    assert!(end_at.unwrap() - text_at.unwrap() >= Duration::from_millis(200));
    world.finish().await;
}

#[tokio::test]
async fn a_stream_whose_end_cannot_be_recorded_does_not_end_well() {
    let world = World::new(limits(), |mut peer| async move {
        peer.read().await;
        stream_pieces(&mut peer, &[delta("hello"), finish()]).await;
    })
    .await;
    world.recorder.fail_after(1, stopped());
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    assert!(!answer.body.contains("\"stop\"") && !answer.body.contains("[DONE]"), "{answer:?}");
    assert!(
        answer.body.contains("\"error\"") && !answer.body.contains("/secret/path"),
        "{answer:?}"
    );
    assert!(world.gateway.metrics().contains("bartizan_unrecorded_total 1\n"));
    // The OUTCOME is recovery's now: the ledger had stopped.
    assert_eq!((world.recorder.intents(), world.recorder.outcomes().len()), (1, 0));
    world.gateway.shutdown().await;
}

/// A stream that never ends by itself, one piece every 5 ms.
async fn endless(mut peer: Peer) {
    peer.read().await;
    peer.write(STREAM_HEAD).await;
    let (mut reader, mut writer) = peer.tcp.split();
    let talk = async {
        while writer.write_all(chunk(&delta("more ")).as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut byte = [0];
    let hang_up = async { while matches!(reader.read(&mut byte).await, Ok(n) if n > 0) {} };
    tokio::select! { () = talk => {}, () = hang_up => {} }
    peer.seen.hung_up.fetch_add(1, SeqCst);
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_the_call() {
    for (name, n_chunks) in [("while streaming", 3), ("at once", 0)] {
        let world = World::new(limits(), endless).await;
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
        if n_chunks == 0 {
            until("asked", || !world.seen.bodies.lock().unwrap().is_empty()).await;
        } else {
            let mut bytes = Vec::new();
            while find(&bytes, b"more").is_none() {
                tcp.read_buf(&mut bytes).await.unwrap();
            }
        }
        drop(tcp);
        let took = until("hung up", || world.seen.hung_up.load(SeqCst) == 1).await;
        assert!(took < Duration::from_millis(100), "{name}: {took:?}");
        until("recorded", || world.recorder.outcomes() == [Outcome::ClientGone]).await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_cancels_the_call() {
    let world = World::new(limits(), |mut peer| async move {
        peer.read().await;
        peer.wait_for_end().await;
    })
    .await;
    for stream in [false, true] {
        let n_before = world.seen.hung_up.load(SeqCst);
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(chat(KEY, "", &hello(stream)).as_bytes()).await.unwrap();
        until("asked", || world.seen.bodies.lock().unwrap().len() > n_before).await;
        drop(tcp);
        let took = until("hung up", || world.seen.hung_up.load(SeqCst) > n_before).await;
        assert!(took < Duration::from_millis(100), "{took:?}");
    }
    until("recorded", || world.recorder.outcomes() == [Outcome::ClientGone; 2]).await;
    world.finish().await;
}

#[tokio::test]
async fn a_refusal_ends_the_call() {
    let change = |setup: &mut SetupOptions| setup.guard.policy = policy(Profile::Strict);
    let world = World::with(limits(), None, change, |mut peer| async move {
        peer.read().await;
        peer.write(STREAM_HEAD).await;
        peer.write(chunk(&delta("before ATT")) + &chunk(&delta("ACK-1234 after"))).await;
        peer.wait_for_end().await;
    })
    .await;
    let started = Instant::now();
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    until("hung up", || world.seen.hung_up.load(SeqCst) == 1).await;
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "nobody waits for the rest: {:?}",
        started.elapsed()
    );
    assert!(
        answer.body.contains("\"content_filter\"") && answer.body.contains("[DONE]"),
        "{answer:?}"
    );
    assert_eq!(said(&answer.body), "before ", "{answer:?}");
    assert_eq!(world.recorder.outcomes(), [Outcome::Refused]);
    world.finish().await;
}

#[tokio::test]
async fn a_stream_that_grows_too_long_is_ended() {
    let world = World::new(Limits { stream_bytes_max: 100, ..limits() }, endless).await;
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    assert!(
        answer.body.contains("answer_too_large") && !answer.body.contains("\"stop\""),
        "{answer:?}"
    );
    let took = until("hung up", || world.seen.hung_up.load(SeqCst) == 1).await;
    assert!(took < Duration::from_millis(100), "{took:?}");
    world.finish().await;
}

#[tokio::test]
async fn streams_that_break_or_stall_say_so() {
    let limits = Limits { between_chunks_ms: 150, ..limits() };
    for (name, close, want) in
        [("dies", true, Outcome::UpstreamError), ("stalls", false, Outcome::Timeout)]
    {
        let world = World::new(limits, move |mut peer| async move {
            peer.read().await;
            peer.write(STREAM_HEAD).await;
            peer.write(chunk(&delta("half"))).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            if !close {
                peer.wait_for_end().await;
            }
        })
        .await;
        let answer = send(world.address, chat(KEY, "", &hello(true))).await;
        assert!(
            answer.body.contains("half") && answer.body.contains("\"error\""),
            "{name}: {answer:?}"
        );
        assert!(!answer.body.contains("\"stop\""), "{name}: {answer:?}");
        assert_eq!(world.recorder.outcomes(), [want], "{name}");
        world.finish().await;
    }
}

/// Whatever keeps a connection alive, only data says that the model still speaks.
#[tokio::test]
async fn a_stream_that_is_only_kept_alive_is_stalled() {
    let limits = Limits { between_chunks_ms: 240, ..limits() };
    let data = delta("more ");
    let (head, tail) = data.split_at(40);
    let secret = [delta("SEC"), delta("RET"), delta("-1"), delta("2")];
    for (name, pieces, want) in [
        ("comments", [": ping\n\n"; 4], Outcome::Timeout),
        ("comments in two pieces", [": pi", "ng\n\n", ":", "\n\n"], Outcome::Timeout),
        ("empty events", ["data:\n\n", "event: ping\n\n", "\n", "data: \n\n"], Outcome::Timeout),
        ("data among comments", [": ping\n\n", &data, ":\n\n", &data], Outcome::Completed),
        ("events in two pieces", [head, tail, head, tail], Outcome::Completed),
        (
            "text that is held back",
            [&*secret[0], &secret[1], &secret[2], &secret[3]],
            Outcome::Completed,
        ),
    ] {
        let pieces = pieces.map(str::to_owned);
        let world = World::new(limits, move |mut peer| {
            let pieces = pieces.clone();
            async move {
                peer.read().await;
                peer.write(STREAM_HEAD).await;
                for piece in &pieces {
                    peer.write(chunk(piece)).await;
                    tokio::time::sleep(Duration::from_millis(75)).await;
                }
                peer.write(chunk(&finish()) + "0\r\n\r\n").await;
            }
        })
        .await;
        let answer = send(world.address, chat(KEY, "", &hello(true))).await;
        assert_eq!(world.recorder.outcomes(), [want], "{name}: {answer:?}");
        let says_so = answer.body.contains("upstream_stalled");
        assert_eq!(says_so, want == Outcome::Timeout, "{name}: {answer:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_stream_has_a_total_time() {
    let world = World::new(Limits { total_ms: 200, ..limits() }, endless).await;
    let started = Instant::now();
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    assert!(answer.body.contains("more") && answer.body.contains("\"error\""), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(world.recorder.outcomes(), [Outcome::Timeout]);
    world.finish().await;
}

/// A caller that does not read must not make the gateway collect the stream in memory. What the kernel takes in is bounded by the
/// small buffers of this caller, and by what the gateway's own two sockets have.
#[tokio::test]
async fn a_slow_reader_slows_the_upstream_down() {
    const N_PIECES: usize = 4_000;
    let limits = Limits { stream_bytes_max: 1 << 30, ..limits() };
    let change = |setup: &mut SetupOptions| setup.guard.scan = false;
    let world = World::with(limits, None, change, |mut peer| async move {
        peer.read().await;
        peer.write(STREAM_HEAD).await;
        let piece = chunk(&delta(&"x".repeat(60_000)));
        for _ in 0..N_PIECES {
            peer.write(&piece).await;
            peer.seen.connections.fetch_add(1, SeqCst);
        }
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut tcp = socket.connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
    let (mut n_sent, mut n_before) = (0, usize::MAX);
    while n_sent != n_before {
        n_before = n_sent;
        tokio::time::sleep(Duration::from_millis(500)).await;
        n_sent = world.seen.connections.load(SeqCst);
    }
    assert!(n_sent < N_PIECES / 2, "{n_sent} pieces of 60 kB were taken in");
    drop(tcp);
    until("recorded", || world.recorder.outcomes().len() == 1).await;
    world.finish().await;
}

#[tokio::test]
async fn a_crashing_guard_denies_and_the_next_request_works() {
    let world = World::new(limits(), |mut peer| async move {
        while peer.read().await {
            let n = peer.seen.bodies.lock().unwrap().len();
            let word = if n == 1 { "CRASH" } else { "fine" };
            stream_pieces(&mut peer, &[delta("before "), delta(word), finish()]).await;
        }
    })
    .await;
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    assert!(!answer.body.contains("CRASH") && !answer.body.contains("\"stop\""), "{answer:?}");
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    assert!(said(&answer.body).ends_with("fine") && answer.body.contains("[DONE]"), "{answer:?}");
    let answer = send(world.address, chat(KEY, "", &hello(false).replace("hello", "CRASH"))).await;
    assert!(answer.status >= 400 && !answer.body.contains("CRASH"), "{answer:?}");
    world.finish().await;
}

#[tokio::test]
async fn chunks_leave_as_they_come() {
    let world = World::new(limits(), endless).await;
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    let mut n_events = 0;
    let started = Instant::now();
    while n_events < 5 {
        let piece = timeout(PATIENCE, read_chunk(&mut tcp)).await.unwrap().unwrap();
        n_events += piece.windows(6).filter(|window| window == b"\"more ").count();
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "nothing waits for more than its own verdict"
    );
    drop(tcp);
    until("recorded", || world.recorder.outcomes().len() == 1).await;
    world.finish().await;
}
