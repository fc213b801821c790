//! What a route promises of its records, and whom they are about: strict, bounded and off, with a recorder that is slow, full or stopped.
use crate::client::{Answer, chat, hello, send};
use crate::world::{
    KEY, STREAM_HEAD, World, chunk, delta, finish, limits, options, plain_answer, policy, stopped,
    until,
};
use bartizan_core::record::{Outcome, RecordError, RecordKind, Slot};
use bartizan_gateway::exchange::{Durability, Route};
use bartizan_gateway::http::{RouteRule, Setup, SetupOptions, Terms};
use bartizan_gateway::limits::Limits;
use bartizan_policy::Profile;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const ALL: [Durability; 3] = [Durability::Strict, Durability::Bounded, Durability::Off];
const RECORDED: [Durability; 2] = [Durability::Strict, Durability::Bounded];

/// One route with this promise. Streams where the request asks for one.
async fn world_of(durability: Durability, limits: Limits) -> World {
    world_with(limits, |_| {}, &[("default", of(durability))]).await
}

/// The same, under a policy that refuses.
async fn strict_world_of(durability: Durability, limits: Limits) -> World {
    let change = |setup: &mut SetupOptions| setup.guard.policy = policy(Profile::Strict);
    world_with(limits, change, &[("default", of(durability))]).await
}

fn of(durability: Durability) -> Terms {
    Terms { durability, ..Terms::default() }
}

async fn world_with(
    limits: Limits,
    change: impl FnOnce(&mut SetupOptions),
    terms: &[(&str, Terms)],
) -> World {
    World::with_terms(limits, change, terms, |mut peer| async move {
        while peer.read().await {
            let wants_stream =
                peer.seen.bodies.lock().unwrap().last().unwrap().contains("\"stream\":true");
            if wants_stream {
                peer.write(STREAM_HEAD).await;
                peer.write(chunk(&delta("the answer")) + &chunk(&finish()) + "0\r\n\r\n").await;
            } else {
                peer.write(plain_answer("the answer")).await;
            }
        }
    })
    .await
}

fn metric(world: &World, name: &str) -> u64 {
    let metrics = world.gateway.metrics();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    metrics.lines().find_map(value).unwrap()
}

fn lost(world: &World) -> u64 {
    metric(world, "bartizan_audit_lost_total")
}

fn is_whole(answer: &Answer) -> bool {
    answer.body.contains("the answer") && answer.body.contains("\"stop\"")
}

#[tokio::test]
async fn every_answer_of_a_route_says_what_it_promises() {
    let limits = Limits { body_bytes_max: 10_000, ..limits() };
    let refused = hello(false).replace("hello", "ATTACK-1234");
    let long = hello(false).replace("hello", &"a".repeat(10_000));
    for durability in ALL {
        let world = strict_world_of(durability, limits).await;
        let is_off = durability == Durability::Off;
        for (name, request, status, is_exchange) in [
            ("plain", chat(KEY, "", &hello(false)), 200, true),
            ("stream", chat(KEY, "", &hello(true)), 200, true),
            ("refused", chat(KEY, "", &refused), 400, true),
            ("malformed", chat(KEY, "", "{"), 400, false),
            ("too long", chat(KEY, "", &long), 413, false),
            ("no key", chat("wrong", "", &hello(false)), 401, false),
            ("unknown path", chat(KEY, "", "{}").replace("/v1/chat", "/v2/chat"), 404, false),
        ] {
            let answer = send(world.address, request).await;
            assert_eq!(answer.status, status, "{name}: {answer:?}");
            // With one promise for all routes, it is known before the route is.
            assert_eq!(answer.header("x-bartizan-audit"), Some(durability.name()), "{name}");
            let has_record = is_exchange && !is_off;
            assert_eq!(answer.header("x-bartizan-record").is_some(), has_record, "{name}");
            assert_eq!(answer.header("x-request-id").is_some(), is_exchange, "{name}");
            assert!(!is_off || !answer.body.contains("\"record\""), "{name}: {answer:?}");
        }
        let of_route = if is_off { vec![] } else { vec!["malformed_json", "body_too_large"] };
        let tallied = [of_route, vec!["invalid_api_key", "unknown_path"]].concat();
        assert_eq!(world.denials(), tallied, "{durability:?}");
        if is_off { world.finish_unrecorded(3).await } else { world.finish().await }
    }
}

#[tokio::test]
async fn routes_of_one_gateway_promise_different_things() {
    let rule = |durability: Durability| RouteRule {
        route: Route { name: durability.name().into(), ..Route::default() },
        upstream: "main".into(),
        models: vec![format!("{}-*", durability.name())],
    };
    let terms = ALL.map(|durability| (durability.name(), of(durability)));
    let world = world_with(limits(), |setup| setup.routes = ALL.map(rule).into(), &terms).await;
    for durability in ALL {
        let name = durability.name();
        let n_before = world.recorder.drafts().len();
        let n_denied = world.denials().len();
        let body = hello(false).replace("\"m\"", &format!("\"{name}-1\""));
        let answer = send(world.address, chat(KEY, "", &body)).await;
        assert_eq!((answer.status, answer.header("x-bartizan-audit")), (200, Some(name)));
        let wrong = body.replace("\"user\"", "\"nobody\"");
        let answer = send(world.address, chat(KEY, "", &wrong)).await;
        assert_eq!((answer.status, answer.header("x-bartizan-audit")), (400, Some(name)));
        let kept = usize::from(durability != Durability::Off);
        assert_eq!(world.recorder.drafts().len(), n_before + 2 * kept, "{name}");
        assert_eq!(world.denials().len(), n_denied + kept, "{name}: a denial is a record too");
    }
    let unknown = send(world.address, chat(KEY, "", &hello(false))).await;
    assert_eq!((unknown.status, unknown.header("x-bartizan-audit")), (404, None));
    assert!(world.recorder.drafts().iter().all(|draft| {
        let route = draft.leaf.route.as_deref();
        route.is_none_or(|route| route != "off")
    }));
    world.gateway.shutdown().await;
}

#[tokio::test]
async fn only_strict_waits_for_a_slow_ledger() {
    for (durability, waits) in
        [(Durability::Strict, true), (Durability::Bounded, false), (Durability::Off, false)]
    {
        for stream in [false, true] {
            let world = world_of(durability, limits()).await;
            world.recorder.slow_down(Duration::from_millis(400));
            let started = Instant::now();
            let answer = send(world.address, chat(KEY, "", &hello(stream))).await;
            assert!(is_whole(&answer), "{answer:?}");
            let waited = Duration::from_millis(400) <= started.elapsed();
            assert_eq!(waited, waits, "{durability:?}: {:?}", started.elapsed());
            if durability == Durability::Off {
                world.finish_unrecorded(1).await;
                continue;
            }
            assert_eq!(world.recorder.outcomes(), [Outcome::Completed], "{durability:?}");
            assert_eq!(lost(&world), 0);
            world.finish().await;
        }
    }
}

/// A full queue and a stopped ledger turn requests away in both modes, in the same words.
#[tokio::test]
async fn bounded_refuses_exactly_as_strict_does() {
    for (name, error, code) in [
        ("full", RecordError::Full { limit: 1 }, "overloaded"),
        ("stopped", stopped(), "audit_unavailable"),
    ] {
        for durability in RECORDED {
            for stream in [false, true] {
                let case = format!("{name}, {durability:?}, {stream}");
                let world = world_of(durability, limits()).await;
                world.recorder.fail_after(0, error.clone());
                let answer = send(world.address, chat(KEY, "", &hello(stream))).await;
                assert_eq!((answer.status, answer.code().as_str()), (503, code), "{case}");
                assert_eq!(answer.header("x-bartizan-audit"), Some(durability.name()), "{case}");
                assert!(world.seen.heads.lock().unwrap().is_empty(), "{case}: nothing was asked");
                assert_eq!((world.denials(), lost(&world)), (vec![code], 0), "{case}");
                world.finish().await;

                let world = world_of(durability, limits()).await;
                world.recorder.fail_after(1, error.clone());
                let answer = send(world.address, chat(KEY, "", &hello(stream))).await;
                assert!(!answer.body.contains("\"stop\""), "{case}: {answer:?}");
                let code = if stream { "audit_unavailable" } else { code };
                assert!(answer.body.contains(code), "{case}: {answer:?}");
                assert_eq!(metric(&world, "bartizan_unrecorded_total"), 1, "{case}");
                if name == "full" {
                    assert_eq!(lost(&world), 0, "{case}: it is offered again");
                    world.recorder.mend();
                    until("settled", || world.recorder.outcomes() == [Outcome::Interrupted]).await;
                    let kept = world.recorder.text(Slot::Released).contains("the answer");
                    assert_eq!(
                        kept, stream,
                        "{case}: what left is on record, what was withheld is not"
                    );
                    assert_eq!(lost(&world), 0, "{case}");
                    world.finish().await;
                } else {
                    let want = u64::from(stream);
                    assert_eq!(lost(&world), want, "{case}: what of a stream has left is lost");
                    world.gateway.shutdown().await;
                }
            }
        }
    }
}

/// A disk that is full while requests are under way loses nothing that anybody got: what is not released needs no record.
#[tokio::test]
async fn what_was_not_released_is_not_lost() {
    let refused = hello(false).replace("hello", "ATTACK-1234");
    let limits = Limits { total_ms: 500, ..limits() };
    let change = |setup: &mut SetupOptions| setup.guard.policy = policy(Profile::Strict);
    for (name, body, is_asked) in [
        ("the OUTCOME of an answer", hello(false), true),
        ("the INTENT", hello(false), false),
        ("the INTENT of a stream", hello(true), false),
        ("both records of a refusal", refused, false),
    ] {
        let terms = [("default", of(Durability::Strict))];
        let world = World::with_terms(limits, change, &terms, |mut peer| async move {
            while peer.read().await {
                tokio::time::sleep(Duration::from_millis(200)).await;
                peer.write(plain_answer("the answer")).await;
            }
        })
        .await;
        let mut line = (!is_asked).then(|| world.recorder.hold());
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(chat(KEY, "", &body).as_bytes()).await.unwrap();
        if is_asked {
            until("asked", || !world.seen.bodies.lock().unwrap().is_empty()).await;
            line = Some(world.recorder.hold());
        }
        // It takes longer than the exchange may, so nobody waits any more when the disk is found to be full.
        let answer = crate::client::read(&mut tcp).await.unwrap();
        assert!(500 <= answer.status && !answer.body.contains("the answer"), "{name}: {answer:?}");
        world.recorder.fail_after(0, stopped());
        line.unwrap().send(Some(stopped())).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(lost(&world), 0, "{name}");
        world.gateway.shutdown().await;
    }
}

/// Each new name makes a key in the store for ever: one caller's key has a bound, and does not use up another's.
#[tokio::test]
async fn a_key_that_invents_people_is_stopped() {
    let limits = Limits { subjects_per_key_max: 2, ..limits() };
    let ring =
        vec![crate::world::key("k-app", KEY, "app"), crate::world::key("k-b", "key-b", "app")];
    let change = |setup: &mut SetupOptions| {
        setup.keys = bartizan_gateway::http::KeyRing::new(ring).unwrap();
        setup.guard.policy = policy(Profile::Strict);
    };
    for durability in ALL {
        let world = world_with(limits, change.clone(), &[("default", of(durability))]).await;
        let recorder = Arc::clone(&world.recorder);
        world.gateway.know_subjects_with(Box::new(move |name| {
            let drafts = recorder.drafts();
            name.starts_with("caller:")
                || drafts.iter().any(|draft| draft.subject.as_deref() == Some(name))
        }));
        let named = |name: &str| hello(false).replacen('{', &format!("{{\"user\":\"{name}\","), 1);
        let cases = [
            ("the first", KEY, named("p1"), true),
            ("again", KEY, named("p1"), true),
            ("the last, who is refused", KEY, named("p2").replace("hello", "ATTACK-1234"), true),
            ("one more", KEY, named("p3"), false),
            (
                "one more, as a stream",
                KEY,
                named("p3").replace("\"stream\":false", "\"stream\":true"),
                false,
            ),
            ("known", KEY, named("p2"), true),
            ("nobody", KEY, hello(false), true),
            ("another key's", "key-b", named("p3"), true),
            ("whom the other key has made known", KEY, named("p3"), true),
        ];
        let n_cases = cases.len();
        for (name, key, body, want) in cases {
            let answer = send(world.address, chat(key, "", &body)).await;
            let is_stopped = answer.status == 403 && answer.code() == "too_many_subjects";
            let want = want || durability == Durability::Off;
            assert_eq!(!is_stopped, want, "{durability:?}, {name}: {answer:?}");
        }
        if durability == Durability::Off {
            world.finish_unrecorded(n_cases).await;
        } else {
            assert_eq!(world.denials(), ["too_many_subjects"; 2], "{durability:?}");
            world.finish().await;
        }
    }
}

/// A refusal that finds no room is a denial like any other: counted, and told as what it is.
#[tokio::test]
async fn a_refusal_without_room_is_counted_as_a_denial() {
    let refused = hello(false).replace("hello", "ATTACK-1234");
    for durability in RECORDED {
        let world = strict_world_of(durability, limits()).await;
        world.recorder.fail_after(0, RecordError::Full { limit: 1 });
        let answer = send(world.address, chat(KEY, "", &refused)).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"), "{durability:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!((world.denials(), lost(&world)), (vec!["overloaded"], 0), "{durability:?}");
        world.finish().await;
    }
}

/// A world whose upstream sends a first piece, and then what it is told to, or nothing until the caller has hung up.
async fn world_of_a_stream(durability: Durability) -> World {
    let terms = [("default", of(durability))];
    let script = |mut peer: crate::world::Peer| async move {
        peer.read().await;
        peer.write(STREAM_HEAD).await;
        peer.write(chunk(&delta("a first piece "))).await;
        peer.wait_for_end().await;
    };
    World::with_terms(limits(), |_| {}, &terms, script).await
}

/// Reads the first piece, and leaves.
async fn hear_and_leave(world: &World) {
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
    let (mut heard, mut bytes) = (String::new(), [0; 4096]);
    while !heard.contains("a first piece") {
        let n = tcp.read(&mut bytes).await.unwrap();
        assert!(0 < n, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
}

/// What somebody read before hanging up is on record, whatever the queue was like at that moment.
#[tokio::test]
async fn text_that_left_outlives_a_full_queue() {
    for durability in RECORDED {
        let world = world_of_a_stream(durability).await;
        world.recorder.fail_after(1, RecordError::Full { limit: 1 });
        hear_and_leave(&world).await;
        until("offered", || 2 < world.recorder.offered()).await;
        assert_eq!((world.recorder.outcomes().len(), lost(&world)), (0, 0), "{durability:?}");
        world.recorder.mend();
        until("recorded", || world.recorder.outcomes() == [Outcome::ClientGone]).await;
        assert!(world.recorder.text(Slot::Released).contains("a first piece "), "{durability:?}");
        assert_eq!(lost(&world), 0, "{durability:?}");
        world.finish().await;
    }
}

/// Nothing waits for ever: the queue may be full for as long as `SETTLE_MAX` says, and then the record is given up, and counted.
#[tokio::test]
async fn a_record_that_finds_no_room_in_time_is_counted() {
    let world = world_of_a_stream(Durability::Strict).await;
    world.recorder.fail_after(1, RecordError::Full { limit: 1 });
    hear_and_leave(&world).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(lost(&world), 0, "too early");
    until("given up", || lost(&world) == 1).await;
    world.recorder.mend();
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert!(world.recorder.outcomes().is_empty(), "what was counted as lost does not come later");
    world.gateway.shutdown().await;
}

/// The last offer is made when the gateway stops.
#[tokio::test]
async fn what_waits_for_room_is_offered_before_the_gateway_stops() {
    let full = RecordError::Full { limit: 1 };
    for (name, mended, want) in [("room comes", true, 0), ("no room comes", false, 1)] {
        let world = world_of_a_stream(Durability::Strict).await;
        world.recorder.fail_after(1, full.clone());
        hear_and_leave(&world).await;
        until("offered", || 2 < world.recorder.offered()).await;
        let (gateway, recorder) = (world.gateway.clone(), Arc::clone(&world.recorder));
        let halt = async { gateway.halt().await };
        let mend = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if mended {
                recorder.mend();
            }
        };
        tokio::join!(halt, mend);
        assert_eq!(lost(&world), want, "{name}");
        let kept = recorder.text(Slot::Released).contains("a first piece ");
        assert_eq!(kept, mended, "{name}");
    }
}

/// Payloads that can never be recorded are counted; that the exchange ended is recorded without them.
#[tokio::test]
async fn payloads_that_are_given_up_are_counted() {
    let world = world_of_a_stream(Durability::Strict).await;
    world.recorder.fail_after(1, RecordError::Full { limit: 1 });
    hear_and_leave(&world).await;
    until("offered", || 2 < world.recorder.offered()).await;
    world.recorder.refuse_payloads();
    until("recorded", || world.recorder.outcomes() == [Outcome::ClientGone]).await;
    assert_eq!(lost(&world), 1);
    assert!(!world.recorder.text(Slot::Released).contains("a first piece "));
    world.finish().await;
}

/// The caller leaves while the OUTCOME is in line, and then the ledger stops: nobody is told, so it is counted.
#[tokio::test]
async fn an_outcome_in_line_whose_caller_left_is_counted_when_it_is_lost() {
    let world = world_of_a_stream(Durability::Strict).await;
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
    until("asked", || !world.seen.bodies.lock().unwrap().is_empty()).await;
    let line = world.recorder.hold();
    drop(tcp);
    until("in line", || world.recorder.outcomes() == [Outcome::ClientGone]).await;
    assert_eq!(lost(&world), 0);
    line.send(Some(stopped())).unwrap();
    until("counted", || lost(&world) == 1).await;
    world.finish().await;
}

/// Records that were in line when the ledger stopped are counted; in strict mode nobody was told that they are safe.
#[tokio::test]
async fn what_was_in_line_when_the_ledger_stopped_is_counted_where_nobody_waited() {
    let refused = hello(false).replace("hello", "ATTACK-1234");
    for durability in RECORDED {
        let world = strict_world_of(durability, limits()).await;
        let control =
            world.gateway.listen_control(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let line = world.recorder.hold();
        let is_bounded = durability == Durability::Bounded;
        let mut asked = Vec::new();
        for body in [hello(false), hello(true), refused.clone()] {
            let mut tcp = TcpStream::connect(world.address).await.unwrap();
            tcp.write_all(chat(KEY, "", &body).as_bytes()).await.unwrap();
            asked.push(tcp);
        }
        // Strict stops at the INTENT, except where both records are handed over together.
        let n_in_line = if is_bounded { 6 } else { 4 };
        until("in line", || world.recorder.drafts().len() == n_in_line).await;
        if is_bounded {
            for tcp in &mut asked {
                let answer = crate::client::read(tcp).await.unwrap();
                assert!(is_whole(&answer) || answer.code() == "content_filter", "{answer:?}");
            }
        }
        assert_eq!(lost(&world), 0, "nothing is lost yet");
        world.recorder.fail_after(0, stopped());
        line.send(Some(stopped())).unwrap();
        if is_bounded {
            until("counted", || lost(&world) == 6).await;
        } else {
            for tcp in &mut asked {
                let answer = crate::client::read(tcp).await.unwrap();
                assert_eq!((answer.status, answer.code().as_str()), (503, "audit_unavailable"));
            }
            assert_eq!(lost(&world), 0);
        }
        let request = "GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
        assert_eq!(send(control, request).await.status, 503, "{durability:?}");
        assert_eq!(send(world.address, chat(KEY, "", &hello(false))).await.status, 503);
        world.gateway.shutdown().await;
    }
}

#[tokio::test]
async fn bounded_records_that_become_durable_are_not_lost() {
    let world = world_of(Durability::Bounded, limits()).await;
    let line = world.recorder.hold();
    assert!(is_whole(&send(world.address, chat(KEY, "", &hello(true))).await));
    line.send(None).unwrap();
    assert!(is_whole(&send(world.address, chat(KEY, "", &hello(false))).await));
    assert_eq!((world.recorder.intents(), world.recorder.outcomes().len()), (2, 2));
    assert_eq!(lost(&world), 0);
    world.finish().await;
}

#[tokio::test]
async fn without_records_nothing_depends_on_the_ledger() {
    let world = world_of(Durability::Off, limits()).await;
    world.recorder.fail_after(0, stopped());
    for stream in [false, true] {
        assert!(is_whole(&send(world.address, chat(KEY, "", &hello(stream))).await));
    }
    assert_eq!((lost(&world), metric(&world, "bartizan_unrecorded_total")), (0, 0));
    world.finish_unrecorded(2).await;
}

#[tokio::test]
async fn a_caller_that_leaves_is_on_record_in_both_modes() {
    for durability in RECORDED {
        let terms = [("default", of(durability))];
        let world = World::with_terms(
            limits(),
            |_| {},
            &terms,
            |mut peer| async move {
                peer.read().await;
                peer.wait_for_end().await;
            },
        )
        .await;
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(chat(KEY, "", &hello(true)).as_bytes()).await.unwrap();
        until("asked", || !world.seen.bodies.lock().unwrap().is_empty()).await;
        drop(tcp);
        until("recorded", || world.recorder.outcomes() == [Outcome::ClientGone]).await;
        world.finish().await;
    }
}

// ---------------------------------------------------------------- whom records are about

const PERSON: &str = "person-7f3a";

async fn world_of_people() -> World {
    let change = |setup: &mut SetupOptions| setup.guard.policy = policy(Profile::Strict);
    world_with(limits(), change, &[("default", named_by("X-User"))]).await
}

fn named_by(header: &str) -> Terms {
    Terms { subject_header: Some(header.into()), ..Terms::default() }
}

#[tokio::test]
async fn the_header_of_a_route_names_the_subject_and_goes_no_further() {
    let world = world_of_people().await;
    let refused = hello(false).replace("hello", "ATTACK-1234");
    let more = format!("x-user: {PERSON}\r\n");
    for body in [hello(false), hello(true), refused] {
        let answer = send(world.address, chat(KEY, &more, &body)).await;
        assert!(!format!("{answer:?}").contains(PERSON), "{answer:?}");
    }
    let models = format!(
        "GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n{more}\r\n"
    );
    send(world.address, models).await;
    let drafts = world.recorder.drafts();
    assert_eq!(drafts.len(), 8);
    for draft in drafts {
        assert_eq!(draft.subject.as_deref(), Some(PERSON), "{}", draft.leaf.kind);
        assert!(!format!("{:?}", draft.leaf).contains(PERSON));
        let texts = draft.payloads.iter().map(|payload| String::from_utf8_lossy(&payload.bytes));
        assert!(texts.into_iter().all(|text| !text.contains(PERSON)), "{}", draft.leaf.kind);
    }
    let heads = world.seen.heads.lock().unwrap().concat().to_ascii_lowercase();
    assert!(!heads.contains(PERSON) && !heads.contains("x-user"), "{heads}");
    assert!(!world.gateway.metrics().contains(PERSON));
    assert!(!format!("{:?}", world.gateway).contains(PERSON));
    world.finish().await;
}

#[tokio::test]
async fn a_header_that_no_route_names_names_nobody() {
    let world = world_of(Durability::Strict, limits()).await;
    let more = format!("x-user: {PERSON}\r\nx-user: other\r\n");
    assert_eq!(send(world.address, chat(KEY, &more, &hello(false))).await.status, 200);
    let subjects: Vec<_> =
        world.recorder.drafts().into_iter().map(|draft| draft.subject.unwrap()).collect();
    assert_eq!(subjects, ["caller:k-app"; 2]);
    world.finish().await;
}

#[tokio::test]
async fn a_header_that_can_name_nobody_is_refused() {
    let world = world_of_people().await;
    let long = format!("x-user: {}\r\n", "y".repeat(513));
    for (name, more, code) in [
        ("twice", "x-user: a\r\nX-USER: a\r\n", "duplicate_header"),
        ("too long", &*long, "subject_too_long"),
        ("in the body", "", "subject_too_long"),
    ] {
        let body = match more {
            "" => hello(false).replacen('{', &format!("{{\"user\":\"{}\",", "y".repeat(513)), 1),
            _ => hello(false),
        };
        let answer = send(world.address, chat(KEY, more, &body)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{name}: {answer:?}");
        assert!(!answer.body.contains("yyy"), "{name}: {answer:?}");
    }
    let mut request = chat(KEY, "x-user: a?b\r\n", &hello(false)).into_bytes();
    let at = request.iter().position(|byte| *byte == b'?').unwrap();
    request[at] = 0xff;
    let answer = send(world.address, request).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "malformed_subject"), "{answer:?}");
    assert!(world.recorder.drafts().is_empty());
    world.finish().await;
}

#[test]
fn not_every_header_can_name_a_subject() {
    for (name, header) in [
        ("empty", ""),
        ("two words", "x user"),
        ("a secret", "Authorization"),
        ("a cookie", "cookie"),
        ("framing", "content-length"),
        ("ours", "x-bartizan-route"),
        ("long", "x-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ] {
        let setup = Setup::new(options("http://127.0.0.1:1", limits())).unwrap();
        let error = setup.with_terms("default", &named_by(header)).unwrap_err().to_string();
        assert!(error.contains("no header that can name a subject"), "{name}: {error}");
    }
    let setup = Setup::new(options("http://127.0.0.1:1", limits())).unwrap();
    let error = setup.with_terms("other", &Terms::default()).unwrap_err().to_string();
    assert!(error.contains("there is no route `other`"), "{error}");
}

// ---------------------------------------------------------------- what was received

#[tokio::test]
async fn both_sides_are_kept_as_they_came_where_they_changed() {
    let answer = "HTTP/1.1 500 Oops\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let redacted = hello(false).replace("hello", "SECRET-1234");
    for (name, request, answer, intent, outcome) in [
        ("clean", hello(false), plain_answer("hi"), None, None),
        ("request", redacted.clone(), plain_answer("hi"), Some(redacted), None),
        ("answer", hello(false), plain_answer("SECRET-1234"), None, Some("SECRET-1234")),
        ("no answer", hello(false), answer.to_owned(), None, Some("<html>")),
    ] {
        let world = World::answering(answer).await;
        send(world.address, chat(KEY, "", &request)).await;
        let received = |kind: RecordKind| {
            let drafts = world.recorder.drafts();
            let draft = drafts.into_iter().find(|draft| draft.leaf.kind == kind).unwrap();
            let payload = draft.payloads.into_iter().find(|payload| payload.slot == Slot::Received);
            payload.map(|payload| String::from_utf8(payload.bytes).unwrap())
        };
        assert_eq!(received(RecordKind::Intent), intent, "{name}");
        let kept = received(RecordKind::Outcome);
        assert_eq!(kept.is_some(), outcome.is_some(), "{name}");
        assert!(kept.unwrap_or_default().contains(outcome.unwrap_or_default()), "{name}");
        world.finish().await;
    }
}
