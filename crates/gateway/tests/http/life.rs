//! Limits of load, reload, and the end.
use crate::client::{chat, hello, read, send};
use crate::world::{
    KEY, Peer, STREAM_HEAD, World, chunk, delta, finish, limits, options, plain_answer, until,
};
use bartizan_core::record::Outcome;
use bartizan_gateway::exchange::Durability;
use bartizan_gateway::http::{KeyEntry, KeyRing, Setup, Terms};
use bartizan_gateway::limits::Limits;
use bartizan_policy::Roles;
use bartizan_testkit::SplitMix;
use std::future::Future;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Answers after a pause.
async fn slow(mut peer: Peer) {
    while peer.read().await {
        tokio::time::sleep(Duration::from_millis(300)).await;
        peer.write(plain_answer("hi")).await;
    }
}

async fn start(world: &World, stream: bool) -> TcpStream {
    let n_before = world.seen.bodies.lock().unwrap().len();
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(stream)).as_bytes()).await.unwrap();
    until("asked", || world.seen.bodies.lock().unwrap().len() > n_before).await;
    tcp
}

#[tokio::test]
async fn what_is_too_much_is_shed() {
    for (name, limits, stream) in [
        ("requests", Limits { requests_max: 2, ..limits() }, false),
        ("streams", Limits { streams_max: 2, ..limits() }, true),
    ] {
        let world = World::new(limits, slow).await;
        let mut open = [start(&world, stream).await, start(&world, stream).await];
        let answer = send(world.address, chat(KEY, "", &hello(stream))).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"), "{name}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{name}");
        for tcp in &mut open {
            assert_eq!(read(tcp).await.unwrap().status, 200, "{name}");
        }
        assert_eq!(
            send(world.address, chat(KEY, "", &hello(stream))).await.status,
            200,
            "{name}: there is room again"
        );
        assert_eq!(world.denials(), ["overloaded"], "{name}");
        world.finish().await;
    }
}

#[tokio::test]
async fn connections_have_a_limit() {
    let world = World::new(Limits { connections_max: 2, ..limits() }, slow).await;
    let held = [
        TcpStream::connect(world.address).await.unwrap(),
        TcpStream::connect(world.address).await.unwrap(),
    ];
    until("held", || world.gateway.metrics().contains("bartizan_open_connections 2\n")).await;
    let mut third = TcpStream::connect(world.address).await.unwrap();
    assert!(read(&mut third).await.is_none());
    assert_eq!(world.denials(), ["too_many_connections"]);
    drop(held);
    until("room", || world.gateway.metrics().contains("bartizan_open_connections 0\n")).await;
    assert_eq!(send(world.address, chat(KEY, "", &hello(false))).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn draining_lets_open_exchanges_end() {
    let world = World::new(limits(), slow).await;
    let mut open = start(&world, false).await;
    let gateway = world.gateway.clone();
    let ending = tokio::join!(gateway.shutdown(), async {
        let answer = read(&mut open).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(read(&mut open).await.is_none(), "and then the connection ends");
    });
    assert!(ending.0, "everything ended by itself");
    assert!(TcpStream::connect(world.address).await.is_err(), "nothing new is accepted");
    assert_eq!(world.recorder.outcomes(), [Outcome::Completed]);
    world.finish().await;
}

#[tokio::test]
async fn draining_ends_in_time_and_on_record() {
    let world = World::new(Limits { drain_ms: 100, ..limits() }, |mut peer| async move {
        peer.read().await;
        peer.wait_for_end().await;
    })
    .await;
    let mut open = start(&world, false).await;
    let _idle = TcpStream::connect(world.address).await.unwrap();
    assert!(!world.gateway.shutdown().await, "the open exchange had to be dropped");
    assert_eq!(world.recorder.outcomes(), [Outcome::Interrupted]);
    let answer = read(&mut open).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (503, "shutting_down"), "{answer:?}");
    world.finish().await;
}

/// What has left stands, and the last event says why there is no more.
#[tokio::test]
async fn a_stream_that_a_stop_cuts_off_says_so() {
    for (name, more) in [("silent", 0), ("never silent", 1_000)] {
        let world = World::new(Limits { drain_ms: 100, ..limits() }, move |mut peer| async move {
            peer.read().await;
            peer.write(STREAM_HEAD).await;
            peer.write(chunk(&delta("so far "))).await;
            for _ in 0..more {
                peer.write(chunk(&delta("and so on "))).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            peer.wait_for_end().await;
        })
        .await;
        let mut open = start(&world, true).await;
        let (all_ended, answer) = tokio::join!(world.gateway.shutdown(), read(&mut open));
        let answer = answer.unwrap();
        assert!(!all_ended, "{name}");
        assert!(answer.body.contains("so far"), "{name}: {answer:?}");
        assert!(answer.body.contains("\"code\":\"shutting_down\""), "{name}: {answer:?}");
        assert!(!answer.body.contains("[DONE]"), "{name}: {answer:?}");
        assert_eq!(world.recorder.outcomes(), [Outcome::Interrupted], "{name}");
        world.finish().await;
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let world = World::new(limits(), slow).await;
    let mut kept = start(&world, false).await;
    assert_eq!(read(&mut kept).await.unwrap().status, 200);
    let started = Instant::now();
    assert!(world.gateway.shutdown().await);
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    world.finish().await;
}

#[tokio::test]
async fn a_reload_counts_from_the_next_request() {
    let world = World::new(limits(), slow).await;
    let mut open = start(&world, false).await;
    let mut next = options(&format!("http://{}", world.upstream), world.limits);
    next.keys = KeyRing::new(vec![crate::world::key("k-new", "new-key", "app")]).unwrap();
    world.gateway.reload(Setup::new(next).unwrap());
    assert_eq!(read(&mut open).await.unwrap().status, 200, "what was begun goes on");
    open.write_all(chat(KEY, "", &hello(false)).as_bytes()).await.unwrap();
    assert_eq!(
        read(&mut open).await.unwrap().code(),
        "invalid_api_key",
        "even on the same connection"
    );
    assert_eq!(send(world.address, chat("new-key", "", &hello(false))).await.status, 200);
    world.finish().await;
}

#[test]
fn a_setup_that_leads_nowhere_is_refused() {
    type Change = fn(&mut bartizan_gateway::http::SetupOptions);
    let cases: [(&str, Change, &str); 6] = [
        ("no route", |o| o.routes.clear(), "there is no route"),
        ("unknown upstream", |o| o.routes[0].upstream = "other".into(), "does not exist"),
        ("two routes", |o| o.routes.push(o.routes[0].clone()), "two routes are called"),
        ("two upstreams", |o| o.upstreams.push(o.upstreams[0].clone()), "two upstreams are called"),
        ("long name", |o| o.routes[0].route.name = "a".repeat(25), "more than 24 bytes"),
        ("bad url", |o| o.upstreams[0].url = "ftp://x".into(), "neither http nor https"),
    ];
    for (name, change, want) in cases {
        let mut options = options("http://127.0.0.1:1", limits());
        change(&mut options);
        let error = Setup::new(options).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}

/// The first request of a key on a route does not wait for policy: it was asked when the setup was made.
#[test]
fn a_setup_knows_its_ladders() {
    let mut options = options("http://127.0.0.1:1", limits());
    let policy = options.guard.policy.clone();
    let gone = KeyEntry { revoked: true, ..crate::world::key("k-gone", "gone", "revoked") };
    let keys = ["app", "batch"].map(|role| crate::world::key(role, role, role));
    options.keys = KeyRing::new(keys.into_iter().chain([gone]).collect()).unwrap();
    let setup = Setup::new(options).unwrap();
    let time = |role: &str| {
        let roles = Roles::from_iter([role.to_owned()]);
        let started = Instant::now();
        assert!(policy.ladder(&roles, "default").may_call());
        started.elapsed()
    };
    let unknown = time("revoked");
    for role in ["app", "batch"] {
        let known = time(role);
        assert!(known * 5 < unknown, "{role}: {known:?}, and {unknown:?} for one that is new");
    }
    drop(setup);
}

#[tokio::test]
async fn overhead_is_measured() {
    let world = World::answering(plain_answer("hi")).await;
    for _ in 0..20 {
        send(world.address, chat(KEY, "", &hello(false))).await;
    }
    let overhead = world.gateway.overhead();
    assert!(0 < overhead.p50_us && overhead.p50_us <= overhead.p99_us, "{overhead:?}");
    assert!(overhead.p99_us < 1_000_000, "{overhead:?}");
    world.finish().await;
}

/// Callers that come and go as they like, upstreams that fail as they like: the books must balance all the same (see `World::finish`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_in_a_storm() {
    for durability in [Durability::Strict, Durability::Bounded] {
        storm(Terms { durability, ..Terms::default() }).await;
    }
}

async fn storm(terms: Terms) {
    let world = World::with_terms(Limits { requests_max: 12, first_byte_ms: 60, ..limits() }, |_| {}, &[("default", terms)], |mut peer| async move {
        while peer.read().await {
            let n = peer.seen.bodies.lock().unwrap().len();
            match n % 7 {
                0 => return,
                1 => tokio::time::sleep(Duration::from_millis(80)).await,
                2 => peer.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{").await,
                3 => {
                    peer.write(STREAM_HEAD).await;
                    for _ in 0..10 {
                        peer.write(chunk(&delta("word "))).await;
                        tokio::time::sleep(Duration::from_millis(3)).await;
                    }
                    peer.write(chunk(&finish()) + "0\r\n\r\n").await;
                }
                _ => peer.write(plain_answer("hi")).await,
            }
        }
    })
    .await;
    world.recorder.slow_down(Duration::from_millis(2));
    let callers = (0..16_u64).map(|caller| {
        let address = world.address;
        async move {
            let mut chance = SplitMix::new(caller);
            for _ in 0..25 {
                let Ok(mut tcp) = TcpStream::connect(address).await else { continue };
                let request = chat(KEY, "", &hello(chance.one_in(2)));
                let n = if chance.one_in(5) { chance.below(request.len()) } else { request.len() };
                if tcp.write_all(&request.as_bytes()[..n]).await.is_err() {
                    continue;
                }
                let patience = Duration::from_millis(chance.below(120) as u64);
                if let Ok(Some(answer)) = tokio::time::timeout(patience, read(&mut tcp)).await {
                    assert!(answer.status >= 200);
                }
            }
        }
    });
    futures_of(callers).await;
    let ended = world.recorder.outcomes();
    for outcome in [Outcome::Completed, Outcome::ClientGone, Outcome::UpstreamError] {
        assert!(ended.contains(&outcome), "the storm was too mild for {outcome}");
    }
    world.finish().await;
}

async fn futures_of(callers: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let tasks = tokio_util::task::TaskTracker::new();
    let handles: Vec<_> = callers.map(|caller| tasks.spawn(caller)).collect();
    for handle in handles {
        handle.await.unwrap();
    }
}
