//! Holes that a hostile review of the streams found, each kept shut.
use super::stream::{DONE, Ran, call, chunk, finish, one, one_of, run, say};
use super::*;

/// What a client puts together from a stream: one text per choice and field.
pub(super) fn heard(ran: &Ran) -> std::collections::BTreeMap<String, String> {
    fn walk(
        value: &serde_json::Value,
        path: &str,
        texts: &mut std::collections::BTreeMap<String, String>,
    ) {
        match value {
            serde_json::Value::String(text) => {
                texts.entry(path.to_owned()).or_default().push_str(text);
            }
            serde_json::Value::Object(members) => members
                .iter()
                .for_each(|(name, member)| walk(member, &format!("{path}/{name}"), texts)),
            serde_json::Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| {
                let index = item["index"].as_u64().unwrap_or(at as u64);
                walk(item, &format!("{path}/{index}"), texts);
            }),
            _ => {}
        }
    }
    let mut texts = std::collections::BTreeMap::new();
    let both = format!("{}{}", ran.before, ran.tail);
    for data in
        both.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]")
    {
        let event: serde_json::Value =
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"));
        walk(&event["choices"], "", &mut texts);
    }
    texts
}

pub(super) fn everything(ran: &Ran) -> String {
    format!("{}{}", ran.before, ran.tail)
}

fn play(guard: &Guard, n: u64, events: &[&str]) -> Ran {
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"stream":true,"n":{n}}}"#
    );
    run(forward(guard, &body).answer, events)
}

const CALL: &str =
    r#""tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#;

#[test]
fn text_call_and_end_in_one_event_are_each_judged() {
    let all = chunk(&format!(
        r#""note":"K-12","delta":{{"content":"card K-12","reasoning_content":"K-34",{CALL}}},"finish_reason":"tool_calls""#
    ));
    let ran = run(one(), &[&all, DONE]);
    assert!(!everything(&ran).contains("K-"), "{}", everything(&ran));
    let texts = heard(&ran);
    assert_eq!(texts["/0/delta/content"], "card [redacted:secret.key]");
    assert_eq!(texts["/0/delta/tool_calls/0/function/arguments"], "{}");
    assert_eq!((texts["/0/finish_reason"].as_str(), ran.ended), ("tool_calls", Outcome::Completed));

    let cut = chunk(&format!(r#""delta":{{"content":"12",{CALL}}},"finish_reason":"tool_calls""#));
    let ran = run(one(), &[&say("card K-"), &cut, DONE]);
    assert_eq!(heard(&ran)["/0/delta/content"], "card [redacted:secret.key]");
}

#[test]
fn choices_in_one_event_do_not_shield_each_other() {
    let both = |first: &str, second: &str| {
        format!(
            "data: {{\"id\":\"c\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,{first}}},{{\"index\":1,{second}}}]}}\n\n"
        )
    };
    let arguments = |text: &str| {
        format!(
            r#""delta":{{"tool_calls":[{{"index":0,"function":{{"name":"f","arguments":{}}}}}]}},"finish_reason":null"#,
            serde_json::Value::from(text)
        )
    };
    let end = both(
        r#""delta":{},"finish_reason":"tool_calls""#,
        r#""delta":{},"finish_reason":"tool_calls""#,
    );
    let ran = play(
        &guard(Profile::Standard),
        2,
        &[&both(&arguments(r#"{"x":1}"#), &arguments(r#"{"k":"K-12"}"#)), &end, DONE],
    );
    assert!(!everything(&ran).contains("K-12"), "{}", everything(&ran));
    let texts = heard(&ran);
    assert_eq!(texts["/0/delta/tool_calls/0/function/arguments"], r#"{"x":1}"#);
    assert_eq!(
        (texts["/0/finish_reason"].as_str(), texts["/1/finish_reason"].as_str()),
        ("tool_calls", "content_filter")
    );

    let text = both(
        r#""delta":{"content":"A text "},"finish_reason":"stop""#,
        &arguments(r#"{"k":"K-12"}"#),
    );
    let end =
        both(r#""delta":{},"finish_reason":null"#, r#""delta":{},"finish_reason":"tool_calls""#);
    let ran = play(&guard(Profile::Standard), 2, &[&text, &end, DONE]);
    assert_eq!(
        (heard(&ran)["/0/delta/content"].as_str(), heard(&ran)["/0/finish_reason"].as_str()),
        ("A text ", "stop")
    );
}

#[test]
fn what_is_not_the_right_kind_of_thing_is_malformed() {
    for (name, event) in [
        ("choices is an object", r#"{"choices":{"x":"K-12"}}"#),
        ("choices is a string", r#"{"choices":"K-12"}"#),
        ("a choice is a string", r#"{"choices":["K-12"]}"#),
        ("delta is a string", r#"{"choices":[{"index":0,"delta":"K-12"}]}"#),
        ("delta is a list", r#"{"choices":[{"index":0,"delta":["K-12"]}]}"#),
        ("logprobs is a string", r#"{"choices":[{"index":0,"delta":{},"logprobs":"K-12"}]}"#),
        ("logprobs is a list", r#"{"choices":[{"index":0,"delta":{},"logprobs":["K-12"]}]}"#),
        (
            "finish_reason is an object",
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":{"a":"K-12"}}]}"#,
        ),
        ("index is a fraction", r#"{"choices":[{"index":0.0,"delta":{"content":"K-12"}}]}"#),
        (
            "index of a call is a fraction",
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1.0,"function":{"arguments":"K-12"}}]}}]}"#,
        ),
    ] {
        let ran = run(one(), &[&format!("data: {event}\n\n"), DONE]);
        assert_eq!(ran.ended, Outcome::UpstreamError, "{name}");
        assert!(!everything(&ran).contains("K-12"), "{name}: {}", everything(&ran));
    }
    let list = chunk(
        r#""delta":{"content":"hi"},"logprobs":{"content":["K-12",{"token":"K-12"}]},"finish_reason":null"#,
    );
    assert!(!everything(&run(one(), &[&list, &finish("stop"), DONE])).contains("K-12"));
}

#[test]
fn what_is_refused_as_unread_does_not_leave_wherever_it_stands() {
    for (name, event) in [
        (
            "after choices",
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"x"}}],"prompt_token_ids":[1,2,3]}"#,
        ),
        (
            "before choices",
            r#"{"id":"c","prompt_token_ids":[1,2,3],"choices":[{"index":0,"delta":{"content":"x"}}]}"#,
        ),
        ("without choices", r#"{"id":"c","choices":[],"prompt_logprobs":[{"a":"secret prompt"}]}"#),
        (
            "audio",
            r#"{"id":"c","choices":[{"index":0,"delta":{"audio":{"data":"secret prompt","transcript":"[1,2,3]"}}}]}"#,
        ),
    ] {
        let ran = run(one(), &[&format!("data: {event}\n\n"), DONE]);
        assert_eq!(ran.ended, Outcome::Refused, "{name}");
        let all = everything(&ran);
        assert!(!all.contains("[1,2,3]") && !all.contains("secret prompt"), "{name}: {all}");
        heard(&ran);
    }
}

#[test]
fn our_own_events_repeat_no_redacted_name() {
    let key = chunk(r#""delta":{"K-12":"hello K"},"finish_reason":null"#);
    let reason = chunk(&format!(r#""delta":{{{CALL}}},"finish_reason":"K-12""#));
    for (name, events) in
        [("a key", vec![key.as_str(), DONE]), ("a finish reason", vec![reason.as_str(), DONE])]
    {
        let ran = run(one(), &events);
        assert!(
            !everything(&ran).contains("K-12") && !released(&ran.outcome).contains("K-12"),
            "{name}: {}",
            everything(&ran)
        );
        heard(&ran);
    }
    let dotted = run(
        one(),
        &[&chunk(r#""delta":{"a.b":"hello K"},"finish_reason":null"#), &finish("stop"), DONE],
    );
    assert_eq!(heard(&dotted)["/0/delta/a.b"], "hello K");
}

#[test]
fn a_long_call_may_come_token_by_token() {
    let limits = Limits { tool_call_bytes_max: 4000, ..Limits::default() };
    let guard = Guard { limits, ..guard(Profile::Standard) };
    let piece = |text: &str| {
        call(0, &format!(r#""function":{{"arguments":{}}}"#, serde_json::Value::from(text)))
    };
    let start = call(0, r#""id":"c","function":{"name":"f","arguments":"\""}"#);
    let pieces: Vec<String> = (0..900).map(|_| piece("abcd")).collect();
    let (last, end) = (piece("\""), finish("tool_calls"));
    let mut events: Vec<&str> = vec![&start];
    events.extend(pieces.iter().map(String::as_str));
    events.extend([last.as_str(), end.as_str(), DONE]);
    let ran = run(one_of(&guard), &events);
    assert_eq!(ran.ended, Outcome::Completed, "{}", evidence(&ran.outcome));
    assert_eq!(heard(&ran)["/0/delta/tool_calls/0/function/arguments"].len(), 3602);
}

#[test]
fn text_keeps_its_order_and_is_not_swallowed_by_calls() {
    let start = call(0, r#""id":"c","function":{"name":"f","arguments":"{}"}"#);
    let ran = run(one(), &[&start, &say("total K"), &finish("tool_calls"), DONE]);
    assert_eq!(heard(&ran)["/0/delta/content"], "total K");
    let ran = run(one(), &[&start, &say("see K-"), &say("12 ok K"), &finish("tool_calls"), DONE]);
    assert_eq!(heard(&ran)["/0/delta/content"], "see [redacted:secret.key] ok K");

    let bad = chunk(
        r#""delta":{"content":"two ","tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"K-12"}}]},"finish_reason":null"#,
    );
    let ran = run(one(), &[&say("one "), &bad, &say("three "), &finish("tool_calls"), DONE]);
    assert_eq!(
        (heard(&ran)["/0/delta/content"].as_str(), ran.ended),
        ("one two three ", Outcome::Refused)
    );
    assert!(released(&ran.outcome).contains(r#""delta.content":"one two three ""#));
}

#[test]
fn lists_of_text_wait_and_are_judged_as_text() {
    let list = |text: &str| {
        chunk(&format!(
            r#""delta":{{"content":"x","details":[{{"type":"text","text":"{text}"}}]}},"finish_reason":null"#
        ))
    };
    let ran = run(one(), &[&list("a K-"), &list("12 b"), &finish("stop"), DONE]);
    assert_eq!((heard(&ran)["/0/delta/content"].as_str(), ran.ended), ("xx", Outcome::Completed));
    assert_eq!(heard(&ran)["/0/delta/details/0/text"], "a [redacted:secret.key] b");
}

#[test]
fn a_redaction_that_goes_on_and_on_holds_no_bytes() {
    let limits = Limits { held_bytes_max: 64, ..Limits::default() };
    let guard = Guard { limits, ..guard(Profile::Standard) };
    let long = "K-1234".repeat(200);
    let pieces: Vec<String> =
        long.as_bytes().chunks(7).map(|piece| say(std::str::from_utf8(piece).unwrap())).collect();
    let (after, end) = (say(" end"), finish("stop"));
    let mut events: Vec<&str> = pieces.iter().map(String::as_str).collect();
    events.extend([after.as_str(), end.as_str(), DONE]);
    let ran = run(one_of(&guard), &events);
    assert_eq!(
        (heard(&ran)["/0/delta/content"].as_str(), ran.ended),
        ("[redacted:secret.key] end", Outcome::Completed)
    );
}

#[test]
fn odd_ends_are_understood() {
    let empty = chunk(r#""delta":{"content":"a"},"finish_reason":"""#);
    let ran = run(one(), &[&empty, &say("b"), &finish("stop"), "data:  [DONE] \n\n"]);
    assert_eq!((heard(&ran)["/0/delta/content"].as_str(), ran.ended), ("ab", Outcome::Completed));
    let ran = run(one(), &[&chunk(&format!(r#""finish_reason":"x","delta":{{{CALL}}}"#)), DONE]);
    assert_eq!(heard(&ran)["/0/finish_reason"], "x");
}

#[test]
fn text_beside_the_delta_is_a_channel_too() {
    let beside =
        |text: &str| chunk(&format!(r#""text":"{text}","delta":{{}},"finish_reason":null"#));
    let ran = run(one(), &[&beside("a K-"), &beside("12 b K"), &finish("stop"), DONE]);
    assert_eq!(heard(&ran)["/0/text"], "a [redacted:secret.key] b K");
}

#[test]
fn a_redacted_number_in_a_call_leaves_json() {
    let guard = with_policy(
        r#"
        @id("all") permit(principal, action == Action::"call", resource);
        @id("r") permit(principal, action == Action::"redact", resource in Kind::"pii");
    "#,
    );
    let start =
        call(0, r#""id":"c","function":{"name":"f","arguments":"{\"a\":\"p1\",\"b\":[p1]}"}"#);
    let ran = run(one_of(&guard), &[&start, &finish("tool_calls"), DONE]);
    let arguments = &heard(&ran)["/0/delta/tool_calls/0/function/arguments"];
    assert_eq!(
        arguments, r#"{"a":"[redacted:pii.word]","b":[[redacted:pii.word]]}"#,
        "`p1` is no number"
    );
}
