//! Values stay on our side: an upstream that repeats whatever it is told reads placeholders, and the caller reads values.
use crate::client::{chat, send};
use crate::world::{
    KEY, Peer, STREAM_HEAD, TestInspector, World, chunk, delta, finish, key, limits, plain_answer,
};
use bartizan_core::detect::Inspector;
use bartizan_core::kind::Catalogue;
use bartizan_core::record::Slot;
use bartizan_core::seal::Pseudonymizer;
use bartizan_gateway::exchange::Pseudonyms;
use bartizan_gateway::http::KeyRing;
use std::sync::Arc;

const VALUE: &str = "SECRET-1234";
const OTHER_KEY: &str = "another-key";

/// Scope and value, added up. The real hash is tested where it lives.
struct Sum;

impl Pseudonymizer for Sum {
    fn tag(&self, scope: &[u8], value: &[u8]) -> [u8; 16] {
        let mut tag = [7_u8; 16];
        for (at, byte) in scope.iter().chain(value).enumerate() {
            let place = &mut tag[at % 5];
            *place = place.wrapping_mul(31).wrapping_add(*byte);
        }
        tag
    }
}

/// What the request that came last says, between the last two quotes after `content`.
fn said(peer: &Peer) -> String {
    let body = peer.seen.bodies.lock().unwrap().last().unwrap().clone();
    let (_, content) = body.rsplit_once("\"content\":\"").unwrap();
    content.split('"').next().unwrap().to_owned()
}

async fn echoing() -> World {
    let catalogue = Catalogue::new(TestInspector.kinds());
    let pseudonyms = Pseudonyms::new(&["secret"], &catalogue, Arc::new(Sum));
    let ring = vec![key("k-app", KEY, "app"), key("k-other", OTHER_KEY, "app")];
    let change = |setup: &mut bartizan_gateway::http::SetupOptions| {
        setup.guard.pseudonyms = Some(pseudonyms);
        setup.keys = KeyRing::new(ring).unwrap();
    };
    World::with(limits(), None, change, |mut peer| async move {
        while peer.read().await {
            let said = said(&peer);
            let is_stream =
                peer.seen.bodies.lock().unwrap().last().unwrap().contains("\"stream\":true");
            if !is_stream {
                peer.write(plain_answer(&said)).await;
                continue;
            }
            peer.write(STREAM_HEAD).await;
            for letter in said.chars() {
                peer.write(chunk(&delta(&letter.to_string()))).await;
            }
            peer.write(chunk(&finish())).await;
            peer.write("0\r\n\r\n").await;
        }
    })
    .await
}

fn request(stream: bool, text: &str) -> String {
    format!(
        "{{\"model\":\"m\",\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
    )
}

#[tokio::test]
async fn the_upstream_reads_placeholders_and_the_caller_values() {
    let world = echoing().await;
    let text = format!("call {VALUE}, {VALUE}");
    for stream in [false, true] {
        let answer = send(world.address, chat(KEY, "", &request(stream, &text))).await;
        let said: String = answer
            .body
            .split("\"content\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!((answer.status, said.as_str()), (200, text.as_str()), "{answer:?}");
        assert!(!answer.head.contains(VALUE) && !answer.head.contains('['), "{answer:?}");
    }
    for sent in &*world.seen.bodies.lock().unwrap() {
        assert!(!sent.contains(VALUE) && sent.matches("[TEST-").count() == 2, "{sent}");
        assert!(sent.contains("call ["), "{sent}");
    }
    let drafts = world.recorder.drafts();
    for draft in &drafts {
        for payload in &draft.payloads {
            let text = String::from_utf8_lossy(&payload.bytes).into_owned();
            let maps = text.contains(VALUE) && text.contains("call [");
            assert!(!maps, "no payload says which is which: {text}");
            assert!(payload.slot != Slot::Evidence || !text.contains(VALUE), "{text}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn conversations_and_callers_are_told_apart() {
    let world = echoing().await;
    let named = |name: &str| format!("x-bartizan-conversation: {name}\r\n");
    for (key, more) in [
        (KEY, String::new()),
        (KEY, named("a")),
        (KEY, named("a")),
        (KEY, named("b")),
        (OTHER_KEY, named("a")),
    ] {
        assert_eq!(send(world.address, chat(key, &more, &request(false, VALUE))).await.status, 200);
    }
    let sent: Vec<String> = world.seen.bodies.lock().unwrap().clone();
    assert_eq!(sent[1], sent[2], "the same conversation");
    for (one, other) in [(0, 1), (1, 3), (1, 4), (3, 4)] {
        assert_ne!(sent[one], sent[other], "{one} and {other}");
    }
    let heads = world.seen.heads.lock().unwrap().join("").to_ascii_lowercase();
    assert!(!heads.contains("conversation"), "the name stays here: {heads}");
    world.finish().await;
}

#[tokio::test]
async fn a_header_that_names_no_conversation_is_refused() {
    let world = echoing().await;
    let long = format!("x-bartizan-conversation: {}\r\n", "y".repeat(257));
    let twice = "x-bartizan-conversation: a\r\nx-bartizan-conversation: a\r\n";
    for (name, more, code) in [
        ("too long", long.as_str(), "malformed_conversation"),
        ("twice", twice, "duplicate_header"),
    ] {
        let answer = send(world.address, chat(KEY, more, &request(false, "hi"))).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{name}: {answer:?}");
    }
    let mut request =
        chat(KEY, "x-bartizan-conversation: a?b\r\n", &request(false, "hi")).into_bytes();
    let at = request.iter().position(|byte| *byte == b'?').unwrap();
    request[at] = 0xff;
    let answer = send(world.address, request).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "malformed_conversation"));
    assert!(world.recorder.drafts().is_empty());
    world.finish().await;
}
