//! Upstreams that send anything: whatever the shape, what the policy redacts never reaches the client, and what does is well-formed.
use super::review::{everything, heard};
use super::stream::{DONE, run};
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text that is, becomes, or looks like what is looked for.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "K-12",
        "K-",
        "12",
        "K",
        "-1",
        "2",
        "",
        "x",
        "OBEY",
        "p1",
        "\"",
        "\\u004b",
        "{\"a\":\"K-12\"}",
        "{\"a\":\"\\u004b-12\"}",
    ])
    .prop_map(str::to_owned)
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(7)),
        Just(json!(true))
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(
                prop::sample::select(vec!["a", "K-12", "text", "index"]),
                inner,
                0..3
            )
            .prop_map(|map| map
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn calls() -> impl Strategy<Value = Value> {
    let call = (0..2_u64, text(), text()).prop_map(|(index, name, arguments)| json!({"index": index, "function": {"name": name, "arguments": arguments}}));
    prop::collection::vec(call, 0..3).prop_map(Value::from)
}

fn delta() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        4 => (Just("content"), text().prop_map(Value::from)),
        1 => (Just("reasoning_content"), text().prop_map(Value::from)),
        2 => (Just("tool_calls"), calls()),
        1 => (Just("audio"), anything()),
        1 => (Just("K-34"), anything()),
        1 => (Just("other"), anything()),
    ];
    prop::collection::vec(field, 0..3).prop_map(|fields| {
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    })
}

fn logprobs() -> impl Strategy<Value = Value> {
    let entry = (text(), anything()).prop_map(
        |(token, other)| json!({"token": token, "logprob": -1, "bytes": null, "other": other}),
    );
    prop_oneof![
        3 => Just(Value::Null),
        2 => prop::collection::vec(entry, 0..3).prop_map(|list| json!({"content": list})),
        1 => anything(),
    ]
}

fn choice() -> impl Strategy<Value = Value> {
    let finish = prop_oneof![6 => Just(Value::Null), 2 => Just(json!("stop")), 1 => Just(json!("tool_calls")), 1 => Just(json!("K-12"))];
    let delta = prop_oneof![9 => delta(), 1 => anything()];
    (0..2_u64, delta, logprobs(), finish).prop_map(|(index, delta, logprobs, finish)| json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}))
}

fn event() -> impl Strategy<Value = Value> {
    let choices = prop_oneof![8 => prop::collection::vec(choice(), 0..3).prop_map(Value::from), 1 => anything()];
    (choices, anything()).prop_map(|(choices, other)| json!({"id": "c", "created": 1, "model": "m", "choices": choices, "other": other}))
}

/// Every string and key of a document, decoded.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, member)| [vec![name.clone()], strings(member)].concat())
            .collect(),
        _ => Vec::new(),
    }
}

/// Two digits after the prefix: a whole secret of the toy detectors.
fn shows_a_secret(text: &str) -> bool {
    text.match_indices("K-").any(|(at, _)| {
        let digits = text.as_bytes().get(at + 2..at + 4).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_digit)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_protected_leaves_whatever_the_shape(events in prop::collection::vec(event(), 1..5), done in any::<bool>(), chunk_bytes in 1..400_usize) {
        let framed: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let mut bytes = framed.concat();
        if done {
            bytes.push_str(DONE);
        }
        let chunks: Vec<&str> = bytes.as_bytes().chunks(chunk_bytes).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,"n":2}"#;
        let guard = law::guards()[0].1.clone();
        let ran = run(forward(&guard, body).answer, &chunks);
        prop_assert!(!shows_a_secret(&everything(&ran)), "in the bytes: {}", everything(&ran));
        for (path, text) in heard(&ran) {
            prop_assert!(!shows_a_secret(&text), "{} says {}: {}", path, text, everything(&ran));
        }
        prop_assert!(!shows_a_secret(&released(&ran.outcome)), "in the record: {}", released(&ran.outcome));
    }

    #[test]
    fn nothing_protected_leaves_a_plain_answer(message in prop_oneof![9 => delta(), 1 => anything()], logprobs in logprobs(), other in anything(), n in 1..3_usize) {
        let choice = json!({"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop", "other": other});
        let body = json!({"id": "c", "choices": vec![choice; n], "more": other}).to_string();
        let closed = answer(&law::guards()[0].1).plain(200, body.as_bytes(), 0);
        let text = String::from_utf8(closed.body.to_vec()).unwrap();
        let whole: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(!shows_a_secret(&text), "{} became {}", body, text);
        prop_assert!(!strings(&whole).iter().any(|text| shows_a_secret(text)), "{} became {}", body, text);
    }

    #[test]
    fn nothing_protected_reaches_the_model(fields in prop::collection::vec((prop::sample::select(vec!["content", "name", "x", "K-12", "tool_calls"]), anything()), 0..3), other in anything(), role in prop::sample::select(vec!["user", "system", "assistant", "tool"])) {
        let mut message: serde_json::Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        message.insert("role".to_owned(), role.into());
        let body = json!({"model": "m", "messages": [message], "other": other}).to_string();
        if let Opened::Forward(forward) = open(&law::guards()[0].1, Endpoint::Chat, &body) {
            let text = String::from_utf8(forward.body.to_vec()).unwrap();
            let whole: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(!shows_a_secret(&text), "{} became {}", body, text);
            prop_assert!(!strings(&whole).iter().any(|text| shows_a_secret(text)), "{} became {}", body, text);
        }
    }
}
