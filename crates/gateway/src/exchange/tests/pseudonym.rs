//! Round-trip pseudonyms: what the model reads, what the caller reads, and that nothing else comes back.
use super::*;
use bartizan_core::kind::Catalogue;
use bartizan_core::seal::Pseudonymizer;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Tags of the first eight letters, so that no toy kind stands in one. Not the real hash: that one is tested where it lives.
pub(super) struct Letters;

impl Pseudonymizer for Letters {
    fn tag(&self, scope: &[u8], value: &[u8]) -> [u8; 16] {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in scope.iter().chain([&0xff]).chain(value) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let groups = (0..25).map(|at| u128::from((hash >> (2 * at)) & 7));
        (groups.fold(0, |bits, group| bits << 5 | group) << 3).to_be_bytes()
    }
}

fn pseudonymous(guard: Guard) -> Guard {
    let catalogue = Catalogue::new(&KINDS);
    Guard { pseudonyms: Some(Pseudonyms::new(&["pii"], &catalogue, Arc::new(Letters))), ..guard }
}

/// Who asks, and where.
#[derive(Clone, Copy)]
struct Asking<'a> {
    key: &'a str,
    conversation: Option<&'a str>,
    in_calls: bool,
}

const ASKING: Asking<'_> = Asking { key: "k-1", conversation: Some("c-1"), in_calls: false };

fn ask(guard: &Guard, asking: Asking<'_>, endpoint: Endpoint, body: &str) -> Opened {
    let route = Route { name: "r".into(), restore_tool_calls: asking.in_calls, ..Route::default() };
    let roles: Roles = ["app".to_owned()].into_iter().collect();
    guard.open(&Call {
        record: RecordId([0xab; 16]),
        endpoint,
        route: &route,
        roles: &roles,
        key_id: asking.key,
        subject: None,
        conversation: asking.conversation,
        is_recorded: true,
        unix_ms: 0,
        body: body.as_bytes(),
    })
}

fn forwarded(guard: &Guard, asking: Asking<'_>, body: &Value) -> Box<Forward> {
    match ask(guard, asking, Endpoint::Chat, &body.to_string()) {
        Opened::Forward(forward) => forward,
        other => panic!("{body} was not forwarded: {other:?}"),
    }
}

fn saying(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

/// What the model reads of one message.
fn read_by_model(guard: &Guard, asking: Asking<'_>, text: &str) -> String {
    let sent: Value =
        serde_json::from_slice(&forwarded(guard, asking, &saying(text)).body).unwrap();
    sent["messages"][0]["content"].as_str().unwrap().to_owned()
}

/// The placeholder of a value.
fn of(value: &str, asking: Asking<'_>) -> String {
    let name = read_by_model(&pseudonymous(guard(Profile::Standard)), asking, value);
    assert!(name.starts_with('[') && name.ends_with(']') && name.len() <= 30, "{name}");
    name
}

/// The answer to a request that says `p1 p22`, as a plain one.
fn plain(guard: &Guard, asking: Asking<'_>, message: &Value) -> Value {
    let answer = forwarded(guard, asking, &saying("p1 p22")).answer;
    let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let closed = answer.plain(200, body.to_string().as_bytes(), 0);
    serde_json::from_slice::<Value>(&closed.body).unwrap()["choices"][0]["message"].clone()
}

fn plain_text(guard: &Guard, text: &str) -> String {
    let message = plain(guard, ASKING, &json!({"role": "assistant", "content": text}));
    message["content"].as_str().unwrap().to_owned()
}

#[test]
fn the_model_reads_placeholders() {
    let guard = pseudonymous(guard(Profile::Standard));
    let (a, b) = (of("p1", ASKING), of("p22", ASKING));
    assert!(a.starts_with("[WORD-") && b.starts_with("[WORD-") && a != b);
    for (name, text, want) in [
        ("one", "say p1 now", format!("say {a} now")),
        ("twice the same", "p1 and p1", format!("{a} and {a}")),
        ("two", "p1,p22", format!("{a},{b}")),
        ("a secret is taken out for good", "p1 K-12", format!("{a} [redacted:secret.key]")),
        ("one that a secret touches goes with it", "p1K-12", "[redacted:secret.key]".to_owned()),
        ("nothing", "say it", "say it".to_owned()),
        ("escaped", "p1\n\"p22\"", format!("{a}\n\"{b}\"")),
        ("nested", r#"{"a":"p1","b":"\u0070\u0031"}"#, format!(r#"{{"a":"{a}","b":"{a}"}}"#)),
        ("nested twice", r#"["{\"x\":\"\\u0070\\u0031\"}"]"#, format!(r#"["{{\"x\":\"{a}\"}}"]"#)),
    ] {
        assert_eq!(read_by_model(&guard, ASKING, text), want, "{name}");
    }
}

#[test]
fn everything_that_is_said_is_replaced_whoever_said_it() {
    let guard = pseudonymous(guard(Profile::Standard));
    let body = json!({"model": "m", "user": "p1", "messages": [
        {"role": "system", "content": "s p1"},
        {"role": "user", "content": [{"type": "text", "text": "u p1"}, {"type": "document", "text": "d p1"}]},
        {"role": "assistant", "content": "a p1", "tool_calls": [{"id": "p1", "type": "function", "function": {"name": "f", "arguments": "{\"to\":\"p1\"}"}}]},
        {"role": "tool", "tool_call_id": "p1", "content": "{\"p1\":\"p1\"}"},
    ]});
    let forward = forwarded(&guard, ASKING, &body);
    let a = of("p1", ASKING);
    let want = body.to_string().replace("p1", &a);
    assert_eq!(
        serde_json::from_slice::<Value>(&forward.body).unwrap(),
        serde_json::from_str::<Value>(&want).unwrap()
    );
    let intent = &forward.intent;
    assert_eq!(payload(intent, Slot::Received), body.to_string(), "as it came");
    assert_eq!(released(intent).as_bytes(), &forward.body[..], "as it left");
    assert!(!evidence(intent).contains(&a) && !forward.findings.contains("WORD"), "no mapping");
    assert_eq!(
        verdict_words(intent.leaf.verdict).collect::<Vec<_>>(),
        ["input_found", "pseudonyms"]
    );
}

fn payload(draft: &Draft, slot: Slot) -> String {
    let payload = draft.payloads.iter().find(|payload| payload.slot == slot);
    payload.map(|payload| String::from_utf8(payload.bytes.clone()).unwrap()).unwrap_or_default()
}

#[test]
fn a_placeholder_lasts_as_long_as_its_conversation() {
    let guard = pseudonymous(guard(Profile::Standard));
    let named = |key, conversation| Asking { key, conversation, in_calls: false };
    let last = |asking: Asking<'_>, texts: &[&str]| {
        let messages: Vec<Value> =
            texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
        let body = json!({"model": "m", "messages": messages});
        let sent: Value = serde_json::from_slice(&forwarded(&guard, asking, &body).body).unwrap();
        sent["messages"][texts.len() - 1]["content"].as_str().unwrap().to_owned()
    };
    let (k1, k2) = (named("k-1", None), named("k-2", None));
    let first = last(k1, &["hello", "p1"]);
    assert_eq!(last(k1, &["hello", "p22", "p1"]), first, "the next request of a conversation");
    assert_ne!(last(k1, &["hello there", "p1"]), first, "another conversation");
    assert_ne!(last(k2, &["hello", "p1"]), first, "another caller");
    let header = named("k-1", Some("c-1"));
    assert_ne!(last(header, &["hello", "p1"]), first, "one that has a name");
    assert_eq!(
        last(header, &["hello", "p1"]),
        last(header, &["goodbye", "p1"]),
        "which is what counts"
    );
    assert_ne!(last(named("k-1", Some("c-2")), &["hello", "p1"]), last(header, &["hello", "p1"]));
    assert_ne!(last(named("k-2", Some("c-1")), &["hello", "p1"]), last(header, &["hello", "p1"]));
    assert_eq!(last(named("k-1", Some("")), &["hello", "p1"]), first, "an empty name is none");
}

#[test]
fn the_caller_reads_values() {
    let guard = pseudonymous(guard(Profile::Standard));
    let (a, b) = (of("p1", ASKING), of("p22", ASKING));
    let escaped = a.replace('[', r"\[").replace(']', r"\]");
    let cut = &a[..a.len() - 2];
    for (name, said, want) in [
        ("alone", a.clone(), "p1".to_owned()),
        ("two that touch", format!("{a}{b}"), "p1p22".to_owned()),
        (
            "another case",
            format!("x {} y {}", a.to_lowercase(), b.to_uppercase()),
            "x p1 y p22".to_owned(),
        ),
        ("escaped for Markdown", format!("x {escaped} y"), "x p1 y".to_owned()),
        ("inside a word", format!("x{a}y"), "xp1y".to_owned()),
        ("in emphasis", format!("**{a}**"), "**p1**".to_owned()),
        (
            "the text of a link",
            format!("[{a}](https://a.example)"),
            "[p1](https://a.example)".to_owned(),
        ),
        ("after a false start", format!("[WORD-{a}"), "[WORD-p1".to_owned()),
        ("half of one", format!("{cut}] and {cut}"), format!("{cut}] and {cut}")),
        ("another tag", "[WORD-zzzzzzzz]".to_owned(), "[WORD-zzzzzzzz]".to_owned()),
        (
            "in a URL",
            format!("https://e.example/?q={a} {a}"),
            format!("https://e.example/?q={a} p1"),
        ),
        (
            "in an image",
            format!("![x](https://e.example/{a}.png)"),
            format!("![x](https://e.example/{a}.png)"),
        ),
        ("in a link's title", format!("[x](u \"{a}\") {b}"), format!("[x](u \"{a}\") p22")),
        (
            "in a tag",
            format!("<img src=\"//e.example/ {a}\"> {b}"),
            format!("<img src=\"//e.example/ {a}\"> p22"),
        ),
        ("in JSON", format!("{{\"a\":\"{a}\"}}"), "{\"a\":\"p1\"}".to_owned()),
    ] {
        assert_eq!(plain_text(&guard, &said), want, "{name}");
        for n_bytes in [1, 2, 7, 1000] {
            assert_eq!(
                streamed(&guard, &pieces(&said, n_bytes)).0,
                want,
                "{name} in pieces of {n_bytes}"
            );
        }
    }
}

fn pieces(text: &str, n_bytes: usize) -> Vec<String> {
    text.as_bytes()
        .chunks(n_bytes)
        .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
        .collect()
}

/// What a caller reads of an answer to `p1 p22` that comes in these pieces, and the OUTCOME.
fn streamed(guard: &Guard, pieces: &[String]) -> (String, Draft) {
    let deltas: Vec<Value> = pieces.iter().map(|piece| json!({"content": piece})).collect();
    let (events, outcome) = streamed_deltas(guard, ASKING, &deltas);
    let texts = events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    (texts.collect(), outcome)
}

fn streamed_deltas(guard: &Guard, asking: Asking<'_>, deltas: &[Value]) -> (Vec<Value>, Draft) {
    let mut stream = forwarded(guard, asking, &saying("p1 p22")).answer.stream();
    let mut out = Vec::new();
    for delta in deltas {
        let event =
            json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        stream.push(format!("data: {event}\n\n").as_bytes(), &mut out);
    }
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    stream.push(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes(), &mut out);
    stream.end(None, &mut out);
    let outcome = stream.outcome(0);
    out.extend_from_slice(&stream.tail());
    let text = String::from_utf8(out).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events =
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap());
    (events.collect(), outcome)
}
