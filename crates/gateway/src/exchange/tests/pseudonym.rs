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
    let cut = a.get(..a.len() - 2).unwrap();
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

#[test]
fn look_alikes_are_values() {
    let guard = pseudonymous(guard(Profile::Standard));
    let a = of("p1", ASKING);
    // Whoever knows a placeholder and writes it gets his own text back, and not the value.
    let sent = read_by_model(&guard, ASKING, &format!("p1 {a} {}", a.to_lowercase()));
    let names: Vec<&str> = sent.split(' ').collect();
    assert_eq!(names[0], a);
    assert!(names[1].starts_with("[TEXT-") && names[2].starts_with("[TEXT-"), "{sent}");
    assert_ne!(names[1], names[2], "they are different texts");
    let answer = forwarded(&guard, ASKING, &saying(&format!("p1 {a}"))).answer;
    let said = format!("{} {}", names[0], names[1]);
    let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]});
    let closed = answer.plain(200, body.to_string().as_bytes(), 0);
    let read: Value = serde_json::from_slice(&closed.body).unwrap();
    assert_eq!(read["choices"][0]["message"]["content"], format!("p1 {a}"));
    for (name, text) in [
        ("of no kind that is replaced", "[KEY-aaaaaaaa]"),
        ("a short tag", "[WORD-aaaaaaa]"),
        ("a word", "[front-matter]"),
        ("a link", "[well-documented](https://a.example)"),
    ] {
        assert_eq!(read_by_model(&guard, ASKING, text), text, "{name}");
    }
    // What another request replaced means nothing in this one.
    let answer = forwarded(&guard, ASKING, &saying("p22")).answer;
    let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": a}, "finish_reason": "stop"}]});
    let closed = answer.plain(200, body.to_string().as_bytes(), 0);
    assert_eq!(&closed.body[..], body.to_string().as_bytes());
}

#[test]
fn too_many_values_are_refused() {
    let few = |profile| {
        let guard = pseudonymous(guard(profile));
        Guard { limits: Limits { pseudonyms_max: 2, ..guard.limits }, ..guard }
    };
    let standard = few(Profile::Standard);
    assert!(read_by_model(&standard, ASKING, "p1 p2 p1 p2").contains("[WORD-"), "two are possible");
    let Opened::Refused { reply, findings, .. } =
        ask(&standard, ASKING, Endpoint::Chat, &saying("p1 p2 p3").to_string())
    else {
        panic!("three are not")
    };
    assert_eq!(reply.reason.as_deref(), Some("limit.pseudonyms"));
    assert_eq!(findings, "limit.pseudonyms=1, pii.word=3");
    let crowded = Guard { limits: Limits { findings_max: 3, ..standard.limits }, ..standard };
    for (n, is_refused) in [(3, false), (4, true)] {
        let text = "[WORD-aaaaaaaa]".repeat(n);
        let opened = ask(&crowded, ASKING, Endpoint::Chat, &saying(&text).to_string());
        assert_eq!(matches!(opened, Opened::Refused { .. }), is_refused, "{n} look-alikes");
    }
    let (a, b) = (of("p1", ASKING), of("p2", ASKING));
    let read = read_by_model(&few(Profile::Observe), ASKING, "p1 p2 p3");
    assert_eq!(read, format!("{a} {b} [redacted:pii.word]"), "no value passes for want of a name");
}

#[test]
fn what_is_refused_is_refused_and_what_is_off_is_off() {
    let refusing = pseudonymous(with_policy(
        r#"@id("call") permit(principal, action == Action::"call", resource);"#,
    ));
    let Opened::Refused { reply, records, .. } =
        ask(&refusing, ASKING, Endpoint::Chat, &saying("p1").to_string())
    else {
        panic!("a kind that is refused is not replaced")
    };
    assert_eq!(reply.reason.as_deref(), Some("guard.pii.word"));
    assert_eq!(
        verdict_words(records[0].leaf.verdict).collect::<Vec<_>>(),
        ["input_found", "input_refused"]
    );
    let off = off(pseudonymous(guard(Profile::Standard)));
    assert_eq!(read_by_model(&off, ASKING, "p1 [WORD-aaaaaaaa]"), "p1 [WORD-aaaaaaaa]");
    let none = Pseudonyms::new(&["nothing"], &Catalogue::new(&KINDS), Arc::new(Letters));
    assert!(none.is_empty());
    let none = Guard { pseudonyms: Some(none), ..guard(Profile::Standard) };
    assert_eq!(read_by_model(&none, ASKING, "p1 [TEXT-aaaaaaaa]"), "p1 [TEXT-aaaaaaaa]");
    // Of injections the whole part is taken out: nothing of that is a value.
    let parts = Pseudonyms::new(&["injection"], &Catalogue::new(&KINDS), Arc::new(Letters));
    assert!(parts.is_empty());
    assert_eq!(format!("{parts:?}"), "Pseudonyms { words: {\"text\"}, .. }");
}

#[test]
fn embeddings_of_one_caller_agree() {
    let guard = pseudonymous(guard(Profile::Standard));
    let sent = |input: &str, key| {
        let asking = Asking { key, conversation: None, in_calls: false };
        let body = json!({"model": "m", "input": input}).to_string();
        match ask(&guard, asking, Endpoint::Embeddings, &body) {
            Opened::Forward(forward) => {
                let sent: Value = serde_json::from_slice(&forward.body).unwrap();
                sent["input"].as_str().unwrap().to_owned()
            }
            other => panic!("{other:?}"),
        }
    };
    let (stored, asked) = (sent("about p1", "k-1"), sent("who is p1", "k-1"));
    assert_eq!(stored.rsplit(' ').next(), asked.rsplit(' ').next(), "or nothing is ever found");
    assert_ne!(stored, sent("about p1", "k-2"));
}

/// A tool call with these arguments.
fn call(arguments: &str) -> Value {
    json!({"role": "assistant", "content": null, "tool_calls": [{"id": "t", "type": "function", "function": {"name": "send", "arguments": arguments}}]})
}

#[test]
fn tool_calls_read_values_only_where_the_route_says_so() {
    let guard = pseudonymous(guard(Profile::Standard));
    let (a, b) = (of("p1", ASKING), of("p22", ASKING));
    let url = format!("https://e.example/?q={a}");
    let nested = json!({"x": format!("{a}")}).to_string();
    for (name, arguments, want) in [
        ("an argument", json!({"to": a}), json!({"to": "p1"})),
        ("inside one", json!({"to": [format!("x {b}, {a}")]}), json!({"to": ["x p22, p1"]})),
        ("JSON in JSON", json!({"body": nested}), json!({"body": "{\"x\":\"p1\"}"})),
        ("in a URL", json!({"url": url, "to": a}), json!({"url": url, "to": "p1"})),
        ("a name of a member", json!({a.as_str(): a}), json!({a.as_str(): "p1"})),
        ("after an escape", json!({"to": format!("\"\n{a}")}), json!({"to": "\"\np1"})),
    ] {
        for in_calls in [false, true] {
            let asking = Asking { in_calls, ..ASKING };
            let want = if in_calls { &want } else { &arguments };
            let message = plain(&guard, asking, &call(&arguments.to_string()));
            let read = message["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
            assert_eq!(&serde_json::from_str::<Value>(read).unwrap(), want, "{name}");
            for n_bytes in [1, 5, 1000] {
                let deltas: Vec<Value> = pieces(&arguments.to_string(), n_bytes)
                    .iter()
                    .map(|piece| json!({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "send", "arguments": piece}}]}))
                    .collect();
                let (events, outcome) = streamed_deltas(&guard, asking, &deltas);
                let texts = events.iter().filter_map(|event| {
                    event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
                });
                let read: String = texts.collect();
                assert_eq!(&serde_json::from_str::<Value>(&read).unwrap(), want, "{name} streamed");
                let kept: Value = serde_json::from_str(&released(&outcome)).unwrap();
                let kept = &kept["choices"][0]["text"]["delta.tool_calls[0].function.arguments"];
                assert_eq!(kept.as_str(), Some(read.as_str()), "{name}: the record");
            }
        }
    }
}

#[test]
fn the_records_hold_both_and_evidence_neither() {
    let guard = pseudonymous(guard(Profile::Standard));
    let (a, said) = (of("p1", ASKING), format!("to {} p7", of("p1", ASKING)));
    let (read, streamed) = streamed(&guard, &pieces(&said, 3));
    assert_eq!(read, "to p1 p7");
    let answer = forwarded(&guard, ASKING, &saying("p1 p22")).answer;
    assert!(!format!("{answer:?}").contains("p1"));
    let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]});
    let plain = answer.plain(200, body.to_string().as_bytes(), 0);
    assert!(
        plain.findings.contains("pii.word=3"),
        "two in, and one that the model said: {}",
        plain.findings
    );
    for outcome in [&streamed, &plain.outcome] {
        assert!(released(outcome).contains("to p1 p7") && !released(outcome).contains(&a));
        assert!(payload(outcome, Slot::Received).contains(&said));
        let evidence = evidence(outcome);
        assert!(!evidence.contains(&a) && !evidence.contains("pseudonym.own"), "{evidence}");
        assert_eq!(
            evidence.matches("\"type\":\"finding\"").count(),
            1,
            "only what the model said: {evidence}"
        );
        let words: Vec<&str> = verdict_words(outcome.leaf.verdict).collect();
        assert!(words.contains(&"pseudonyms") && !words.contains(&"output_redacted"), "{words:?}");
    }
}

#[test]
fn what_is_taken_out_stays_out_beside_what_comes_back() {
    let guard = pseudonymous(guard(Profile::Standard));
    let a = of("p1", ASKING);
    for (name, said, want) in [
        ("a secret that touches", format!("{a}K-12"), "p1[redacted:secret.key]"),
        ("a secret before", format!("K-12{a}"), "[redacted:secret.key]p1"),
        ("a secret between", format!("{a}K-12{a}"), "p1[redacted:secret.key]p1"),
        (
            "a secret that goes on",
            format!("K-1234{a} K-123456"),
            "[redacted:secret.key]p1 [redacted:secret.key]56",
        ),
    ] {
        assert_eq!(plain_text(&guard, &said), want, "{name}");
        for n_bytes in [1, 3, 100] {
            assert_eq!(streamed(&guard, &pieces(&said, n_bytes)).0, want, "{name} in {n_bytes}");
        }
    }
}

#[test]
fn probabilities_of_placeholders_are_blank() {
    let guard = pseudonymous(guard(Profile::Standard));
    let a = of("p1", ASKING);
    let answer = forwarded(&guard, ASKING, &saying("p1 p22")).answer;
    let (head, tail) = a.split_at(4);
    let entry =
        |token: &str| json!({"token": token, "logprob": -0.5, "bytes": null, "top_logprobs": []});
    let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": format!("to {a}!")},
        "logprobs": {"content": [entry("to "), entry(head), entry(tail), entry("!")]}, "finish_reason": "stop"}]});
    let closed = answer.plain(200, body.to_string().as_bytes(), 0);
    let read: Value = serde_json::from_slice(&closed.body).unwrap();
    let choice = &read["choices"][0];
    assert_eq!(choice["message"]["content"], "to p1!");
    let tokens: Vec<&str> = choice["logprobs"]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["token"].as_str().unwrap())
        .collect();
    assert_eq!(tokens, ["to ", "", "", "!"]);
}

#[test]
fn values_do_not_make_an_answer_larger_than_answers_may_be() {
    let guard = pseudonymous(guard(Profile::Standard));
    let guard = Guard { limits: Limits { answer_bytes_max: 3, ..guard.limits }, ..guard };
    let a = of("p1", ASKING);
    for (n, want) in [(1, 200), (2, 502)] {
        let answer = forwarded(&guard, ASKING, &saying("p1 p22")).answer;
        let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": a.repeat(n)}, "finish_reason": "stop"}]});
        assert_eq!(answer.plain(200, body.to_string().as_bytes(), 0).status, want, "{n}");
        let few =
            Guard { limits: Limits { findings_max: 2, ..Limits::default() }, ..guard.clone() };
        let answer = forwarded(&few, ASKING, &saying("p1 p22")).answer;
        let body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": a.repeat(n + 1)}, "finish_reason": "stop"}]});
        assert_eq!(answer.plain(200, body.to_string().as_bytes(), 0).status, want, "{n} places");
    }
}

/// Texts of a model that has seen placeholders: whole, mangled, cut short, in URLs, beside what the policy takes out.
fn said() -> impl Strategy<Value = String> {
    let (a, b) = (of("p1", ASKING), of("p22", ASKING));
    let escaped = a.replace('[', r"\[").replace('-', r"\-").replace(']', r"\]");
    let cut = a.get(..9).unwrap().to_owned();
    let fixed = [
        " ",
        "x",
        "[",
        "]",
        "\\",
        "-",
        "\n",
        "\"",
        "{",
        "<b",
        ">",
        "](",
        ")",
        "https://",
        "//",
        "K-12",
        "K-1",
        "OBEY",
        "OBE",
        "p7",
        "\u{e9}",
        "\u{1f600}",
    ];
    let own = [a.clone(), a.to_lowercase(), b, escaped, cut, a];
    let pieces: Vec<String> =
        fixed.into_iter().map(str::to_owned).chain(own.clone()).chain(own).collect();
    prop::collection::vec(prop::sample::select(pieces), 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// The caller reads the same text however the stream was cut, and the same as in a plain answer.
    #[test]
    fn cuts_do_not_matter(text in said(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let mixed = r#"
            @id("call") permit(principal, action == Action::"call", resource);
            @id("r") permit(principal, action == Action::"redact", resource in Kind::"secret");
            @id("o") permit(principal, action == Action::"release", resource in Kind::"pii");
        "#;
        for (name, guard) in [("standard", guard(Profile::Standard)), ("strict", guard(Profile::Strict)), ("refuses", with_policy(mixed))] {
            let guard = pseudonymous(guard);
            let ends: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
            let mut bounds: Vec<usize> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).collect();
            bounds.extend([0, text.len()]);
            bounds.sort_unstable();
            let piece = |pair: &[usize]| text.get(pair[0]..pair[1]).unwrap().to_owned();
            let random: Vec<String> = bounds.windows(2).map(piece).collect();
            // An event more or less that says nothing is no cut of the text.
            let each: Vec<String> = if text.is_empty() { vec![String::new()] } else { text.chars().map(String::from).collect() };
            let (whole, record) = streamed(&guard, std::slice::from_ref(&text));
            prop_assert_eq!(&plain_text(&guard, &text), &whole, "{}: plain and streamed", name);
            for pieces in [random, each] {
                let (read, other) = streamed(&guard, &pieces);
                prop_assert_eq!(&read, &whole, "{}", name);
                prop_assert_eq!(released(&other), released(&record), "{}", name);
                if record.leaf.outcome == Some(Outcome::Completed) {
                    // What was refused is not read to its end, and how much of it had come depends on the cuts.
                    prop_assert_eq!(payload(&other, Slot::Received), payload(&record, Slot::Received), "{}", name);
                }
                prop_assert_eq!(evidence(&other), evidence(&record), "{}", name);
            }
        }
    }
}
