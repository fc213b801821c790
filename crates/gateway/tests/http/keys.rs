//! The upstream's own key never reaches a caller or the ledger, whatever the upstream says and whatever policy says.
use crate::client::{Answer, chat, hello, send};
use crate::world::{
    KEY, STREAM_HEAD, UPSTREAM_KEY, World, chunk, delta, finish, json_answer, limits, plain_answer,
    policy,
};
use bartizan_policy::Profile;
use std::time::Duration;

/// What the upstream writes: pieces with a pause after each.
type Said = Vec<String>;

/// Texts in which the key could hide from a search for its bytes: all escapes resolved, all deltas joined.
fn readings(answer: &Answer) -> String {
    let mut text = format!("{}\n{}\n", answer.head, answer.body);
    let mut joined = String::new();
    let lines = answer.body.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
    for json in lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        text.push_str(&json.to_string());
        let delta = &json["choices"][0]["delta"];
        joined.push_str(delta["content"].as_str().unwrap_or_default());
        joined
            .push_str(delta["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default());
    }
    text + &joined
}

fn stream(events: &[String]) -> Said {
    let mut said = vec![STREAM_HEAD.to_owned()];
    said.extend(events.iter().map(|event| chunk(event)));
    said.push("0\r\n\r\n".to_owned());
    said
}

fn call(arguments: &str) -> String {
    delta("").replace(
        r#""content":"""#,
        &format!(r#""tool_calls":[{{"index":0,"id":"call_1","type":"function","function":{{"name":"f","arguments":"{arguments}"}}}}]"#),
    )
}

fn cases() -> Vec<(&'static str, Said)> {
    let error =
        format!(r#"{{"error":{{"message":"Incorrect API key provided: {UPSTREAM_KEY}."}}}}"#);
    let bearer = format!(r#"{{"error":{{"message":"Bearer {UPSTREAM_KEY}","{UPSTREAM_KEY}":1}}}}"#);
    let escape = |byte: u8| format!("\\u{byte:04x}");
    let escaped = UPSTREAM_KEY.bytes().map(escape).collect::<Vec<_>>().concat();
    let with_status = |body: &str, status: &str| vec![json_answer(body).replace("200 OK", status)];
    let (head, tail) = UPSTREAM_KEY.split_at(9);
    let each: Vec<String> =
        UPSTREAM_KEY.chars().map(|letter| delta(&letter.to_string())).chain([finish()]).collect();
    let bytes: Vec<String> = [delta(&format!("key {UPSTREAM_KEY} key")), finish()]
        .concat()
        .chars()
        .map(String::from)
        .collect();
    vec![
        ("400", with_status(&error, "400 Bad Request")),
        ("429", with_status(&bearer, "429 Too Many Requests")),
        ("500", with_status(&error, "500 Internal Server Error")),
        ("500 as text", with_status(&format!("<html>{UPSTREAM_KEY}"), "500 Internal Server Error")),
        ("401", with_status(&error, "401 Unauthorized")),
        ("200 with an error", vec![json_answer(&error)]),
        ("200", vec![plain_answer(&format!("the key is {UPSTREAM_KEY}!"))]),
        ("200, escaped", vec![plain_answer(&escaped)]),
        (
            "200, another field",
            vec![plain_answer("x").replace(r#""id":"c""#, &format!(r#""id":"{UPSTREAM_KEY}""#))],
        ),
        (
            "200, a field's name",
            vec![
                plain_answer("x").replace(
                    r#""id":"c""#,
                    &format!(r#""{UPSTREAM_KEY}":[{{"a":"SECRET-1234"}}]"#),
                ),
            ],
        ),
        (
            "200, a header",
            vec![plain_answer("x").replace(
                "content-type",
                &format!(
                    "x-ratelimit-{UPSTREAM_KEY}: 1\r\nretry-after: {UPSTREAM_KEY}\r\ncontent-type"
                ),
            )],
        ),
        (
            "200, its type",
            vec![
                plain_answer("x").replace(
                    "application/json",
                    &format!("application/json; charset={UPSTREAM_KEY}"),
                ),
            ],
        ),
        ("stream", stream(&[delta(&format!("a {UPSTREAM_KEY} b")), finish()])),
        ("stream, escaped", stream(&[delta(&escaped), finish()])),
        ("stream, two events", stream(&[delta(head), delta(tail), finish()])),
        ("stream, a letter each", stream(&each)),
        ("stream, bytes", stream(&bytes)),
        (
            "stream, an id",
            stream(&[
                delta("x").replace(r#""id":"c""#, &format!(r#""id":"{UPSTREAM_KEY}""#)),
                finish(),
            ]),
        ),
        (
            "stream, a field's name",
            stream(&[
                delta("x").replace(r#""id":"c""#, &format!(r#""{UPSTREAM_KEY}":"SECRET-1234""#)),
                finish(),
            ]),
        ),
        ("stream, a tool call", stream(&[call(head), call(tail), finish()])),
        ("stream, an error", stream(&[format!("data: {error}\n\n")])),
        ("stream, a comment", stream(&[format!(": {UPSTREAM_KEY}\n\n"), delta("x"), finish()])),
        (
            "stream, an event's name",
            stream(&[format!("event: {UPSTREAM_KEY}\n{}", delta("x")), finish()]),
        ),
        ("stream, cut off", vec![STREAM_HEAD.to_owned(), chunk(&delta(UPSTREAM_KEY))]),
    ]
}

#[tokio::test]
async fn the_upstreams_key_goes_nowhere() {
    let modes = Profile::ALL.map(|profile| (profile, true));
    for (profile, scan) in modes.into_iter().chain([(Profile::Observe, false)]) {
        for (name, said) in cases() {
            let is_stream = name.starts_with("stream");
            let world = World::with(
                limits(),
                None,
                |setup| {
                    setup.guard.policy = policy(profile);
                    setup.guard.scan = scan;
                },
                move |mut peer| {
                    let said = said.clone();
                    async move {
                        while peer.read().await {
                            for piece in &said {
                                peer.write(piece).await;
                                tokio::task::yield_now().await;
                            }
                            if said.len() == 2 {
                                return;
                            }
                        }
                    }
                },
            )
            .await;
            let name = format!("{name}, profile {}, scan {scan}", profile.name());
            let answer = send(world.address, chat(KEY, "", &hello(is_stream))).await;
            assert!(!readings(&answer).contains(UPSTREAM_KEY), "{name}: {answer:?}");
            let kind = answer.header("content-type");
            assert!(matches!(kind, Some("application/json" | "text/event-stream")), "{name}");
            world.gateway.shutdown().await;
            let mut drafts = world.recorder.drafts();
            assert_eq!(drafts.len(), 2, "{name}");
            for payload in drafts.iter_mut().flat_map(|draft| draft.payloads.drain(..)) {
                let text = String::from_utf8_lossy(&payload.bytes).into_owned();
                let read = Answer { status: 0, head: String::new(), body: text };
                assert!(!readings(&read).contains(UPSTREAM_KEY), "{name}: {read:?}");
            }
            assert!(!format!("{drafts:?}").contains(UPSTREAM_KEY), "{name}");
            world.finish().await;
        }
    }
}

/// A caller that knows the key, or guesses it, must not smuggle it into the ledger or upstream either.
#[tokio::test]
async fn a_key_in_a_request_is_redacted_in_every_profile() {
    for profile in Profile::ALL {
        let world = World::with(
            limits(),
            None,
            |setup| setup.guard.policy = policy(profile),
            |mut peer| async move {
                while peer.read().await {
                    peer.write(plain_answer("hi")).await;
                }
            },
        )
        .await;
        let body = hello(false).replace("hello", &format!("is it {UPSTREAM_KEY}?"));
        let answer = send(world.address, chat(KEY, "", &body)).await;
        let name = profile.name();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(answer.header("x-bartizan-findings"), Some("secret.upstream-key=1"), "{name}");
        let sent = world.seen.bodies.lock().unwrap()[0].clone();
        assert!(sent.contains("is it [redacted:secret.upstream-key]?"), "{name}: {sent}");
        let kept = format!("{:?}", world.recorder.drafts());
        assert!(!kept.contains(UPSTREAM_KEY), "{name}");
        world.finish().await;
    }
}

#[tokio::test]
async fn what_stands_around_the_key_still_arrives() {
    let world = World::answering(plain_answer(&format!("a {UPSTREAM_KEY} b"))).await;
    let answer = send(world.address, chat(KEY, "", &hello(false))).await;
    assert!(answer.body.contains("a [redacted:secret.upstream-key] b"), "{answer:?}");
    world.finish().await;
    let world = World::new(limits(), |mut peer| async move {
        peer.read().await;
        for piece in stream(&[delta("a "), delta(UPSTREAM_KEY), delta(" b"), finish()]) {
            peer.write(piece).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let answer = send(world.address, chat(KEY, "", &hello(true))).await;
    assert!(readings(&answer).contains("a [redacted:secret.upstream-key] b"), "{answer:?}");
    world.finish().await;
}
