//! Who may call, and that keys stay on their side.
use crate::client::{chat, hello, post, send};
use crate::world::{KEY, UPSTREAM_KEY, World, json_answer, key, limits, plain_answer};
use bartizan_gateway::exchange::Route;
use bartizan_gateway::http::{KeyEntry, KeyRing, RouteRule};

#[tokio::test]
async fn only_valid_keys_get_in() {
    let ring = KeyRing::new(vec![
        key("k-app", KEY, "app"),
        KeyEntry { expires_unix_ms: Some(1), ..key("k-old", "old-key", "app") },
        KeyEntry { revoked: true, ..key("k-gone", "gone-key", "app") },
        KeyEntry { routes: Some(vec!["elsewhere".into()]), ..key("k-far", "far-key", "app") },
    ]);
    let world = World::with(
        limits(),
        None,
        |setup| setup.keys = ring.unwrap(),
        |mut peer| async move {
            while peer.read().await {
                peer.write(plain_answer("hi")).await;
            }
        },
    )
    .await;
    for (name, presented, status, code) in [
        ("unknown", "wrong", 401, "invalid_api_key"),
        ("empty", "", 401, "invalid_api_key"),
        ("expired", "old-key", 401, "key_expired"),
        ("revoked", "gone-key", 401, "key_revoked"),
        ("other route", "far-key", 403, "route_forbidden"),
    ] {
        let answer = send(world.address, chat(presented, "", &hello(false))).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}");
        assert_eq!(
            answer.header("www-authenticate"),
            (status == 401).then_some("Bearer"),
            "{name}"
        );
        assert!(
            presented.is_empty() || !answer.body.contains(presented),
            "{name} must not be echoed"
        );
    }
    let twice = chat(KEY, &format!("authorization: Bearer {KEY}\r\n"), &hello(false));
    assert_eq!(send(world.address, twice).await.code(), "invalid_api_key");
    let none = chat(KEY, "", &hello(false)).replace("authorization", "x-api-key");
    assert_eq!(send(world.address, none).await.code(), "invalid_api_key");
    assert!(world.recorder.drafts().is_empty() && world.seen.heads.lock().unwrap().is_empty());
    assert_eq!(
        send(world.address, chat(KEY, "", &hello(false)).replace("Bearer", "bEARER")).await.status,
        200
    );
    world.finish().await;
}

#[tokio::test]
async fn keys_and_headers_stay_on_their_side() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nset-cookie: a=b\r\n\
         authorization: Bearer {UPSTREAM_KEY}\r\nx-echo: {UPSTREAM_KEY}\r\nx-ratelimit-limit-requests: {UPSTREAM_KEY}{UPSTREAM_KEY}\r\n\
         retry-after: 7\r\nserver: secret-server\r\n\r\n{{}}"
    );
    let world = World::answering(answer).await;
    let more = "cookie: session=1\r\nx-forwarded-for: 1.2.3.4\r\nopenai-organization: org\r\nx-api-key: other\r\n\
                proxy-authorization: Basic x\r\naccept-encoding: gzip, br\r\nuser-agent: curl\r\n";
    let answer = send(world.address, chat(KEY, more, &hello(false))).await;
    for absent in [UPSTREAM_KEY, KEY, "set-cookie", "secret-server", "x-echo"] {
        assert!(
            !answer.head.contains(absent) && !answer.body.contains(absent),
            "{absent}: {answer:?}"
        );
    }
    let record = answer.header("x-bartizan-record").unwrap();
    assert_eq!((record.len(), answer.header("x-request-id")), (32, Some(record)));
    assert_eq!(answer.header("retry-after"), Some("7"));

    let head = world.seen.heads.lock().unwrap()[0].to_ascii_lowercase();
    let mut names: Vec<_> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    let want = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-request-id",
    ];
    assert_eq!(names, want);
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {UPSTREAM_KEY}\r\n")));
    assert!(
        head.contains("accept-encoding: identity\r\n") && head.contains("user-agent: bartizan/")
    );
    assert!(head.contains(&format!("x-request-id: {record}\r\n")));
    let debug = format!("{:?}", world.gateway);
    assert!(!debug.contains(UPSTREAM_KEY) && !debug.contains(KEY));
    world.finish().await;
}

/// An upstream's error may quote its key, or the request with everything in it.
#[tokio::test]
async fn upstream_errors_do_not_carry_keys() {
    for status in
        ["401 Unauthorized", "403 Forbidden", "400 Bad Request", "500 Internal Server Error"]
    {
        let body = format!(
            r#"{{"error":{{"message":"Incorrect API key provided: {UPSTREAM_KEY}. SECRET-1234"}}}}"#
        );
        let world = World::answering(json_answer(&body).replace("200 OK", status)).await;
        let answer = send(world.address, chat(KEY, "", &hello(false))).await;
        assert!(answer.status >= 400, "{status}: {answer:?}");
        assert!(!answer.body.contains("SECRET-1234"), "{status}: {answer:?}");
        assert!(!answer.body.contains(UPSTREAM_KEY), "{status}: {answer:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn models_and_headers_choose_routes() {
    let rule = |name: &str, models: &[&str]| RouteRule {
        route: Route { name: name.into(), ..Route::default() },
        upstream: "main".into(),
        models: models.iter().map(|&model| model.to_owned()).collect(),
    };
    let rules = vec![rule("llamas", &["llama-*"]), rule("closed", &["secret-*"])];
    let ring = vec![KeyEntry { routes: Some(vec!["llamas".into()]), ..key("k-app", KEY, "app") }];
    let world = World::with(
        limits(),
        None,
        |setup| {
            setup.routes = rules;
            setup.keys = KeyRing::new(ring).unwrap();
        },
        |mut peer| async move {
            while peer.read().await {
                peer.write(plain_answer("hi")).await;
            }
        },
    )
    .await;
    let body = |model: &str| hello(false).replace("\"m\"", &format!("\"{model}\""));
    for (name, more, model, status, code) in [
        ("fits", "", "llama-3", 200, None),
        ("not this key's", "", "secret-1", 403, Some("route_forbidden")),
        ("nobody's", "", "other", 404, Some("model_not_found")),
        ("by header", "x-bartizan-route: llamas\r\n", "other", 200, None),
        (
            "by header, not this key's",
            "x-bartizan-route: closed\r\n",
            "llama-3",
            403,
            Some("route_forbidden"),
        ),
    ] {
        let answer = send(world.address, chat(KEY, more, &body(model))).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if let Some(code) = code {
            assert_eq!(answer.code(), code, "{name}");
        }
    }
    let leaves = world.recorder.drafts();
    assert!(
        leaves
            .iter()
            .filter_map(|draft| draft.leaf.route.as_deref())
            .all(|route| route == "llamas")
    );
    world.finish().await;
}

#[tokio::test]
async fn the_other_endpoints_are_guarded_too() {
    let world = World::new(limits(), |mut peer| async move {
        while peer.read().await {
            let head = peer.seen.heads.lock().unwrap().last().unwrap().clone();
            let answer = if head.starts_with("GET /v1/models ") {
                r#"{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"o"}]}"#
            } else {
                r#"{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":1,"total_tokens":1}}"#
            };
            peer.write(json_answer(answer)).await;
        }
    })
    .await;
    let answer = send(
        world.address,
        post("/v1/embeddings", KEY, "", r#"{"model":"m","input":"SECRET-1234"}"#),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!world.seen.bodies.lock().unwrap()[0].contains("SECRET-1234"), "the secret stays here");
    assert_eq!(answer.header("x-bartizan-findings"), Some("secret.test=1"));
    let request = format!(
        "GET /v1/models?limit=3 HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n\r\n"
    );
    let answer = send(world.address, request).await;
    assert!(answer.status == 200 && answer.body.contains("\"id\":\"m\""), "{answer:?}");
    assert!(
        world.seen.heads.lock().unwrap()[1].starts_with("GET /v1/models HTTP/1.1"),
        "no query goes upstream"
    );
    world.finish().await;
}
