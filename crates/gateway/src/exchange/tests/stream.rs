//! What an upstream streams.
use super::*;

/// One event with these members of a choice.
pub(super) fn chunk(choice: &str) -> String {
    format!(
        r#"data: {{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,{choice}}}]}}"#
    ) + "\n\n"
}

pub(super) fn say(text: &str) -> String {
    chunk(&format!(
        r#""delta":{{"content":{}}},"finish_reason":null"#,
        serde_json::Value::from(text)
    ))
}

pub(super) fn finish(reason: &str) -> String {
    chunk(&format!(r#""delta":{{}},"finish_reason":"{reason}""#))
}

const USAGE: &str = "data: {\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// What left before the OUTCOME, the OUTCOME, and what left after it.
pub(super) struct Ran {
    pub(super) before: String,
    pub(super) outcome: Draft,
    pub(super) ended: Outcome,
    pub(super) tail: String,
}

pub(super) fn one() -> Answer {
    one_of(&guard(Profile::Standard))
}

pub(super) fn one_of(guard: &Guard) -> Answer {
    forward(guard, r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#)
        .answer
}

pub(super) fn run(answer: Answer, events: &[&str]) -> Ran {
    let mut stream = answer.stream();
    let mut before = Vec::new();
    for event in events {
        stream.push(event.as_bytes(), &mut before);
    }
    assert_eq!(stream.end(None, &mut before), StreamState::Sealed);
    let outcome = stream.outcome(1_700_000_000_002);
    let tail = String::from_utf8(stream.tail()).unwrap();
    Ran { before: String::from_utf8(before).unwrap(), outcome, ended: stream.ended(), tail }
}

#[test]
fn clean_streams_pass_byte_for_byte_and_their_end_waits() {
    let role =
        chunk(r#""delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null"#);
    let ran = run(one(), &[&role, &say("hel"), &say("lo"), &finish("stop"), USAGE, DONE]);
    assert_eq!(ran.before, format!("{role}{}{}", say("hel"), say("lo")));
    assert_eq!(ran.tail, format!("{}{USAGE}{DONE}", finish("stop")));
    assert_eq!((ran.ended, ran.outcome.leaf.tokens), (Outcome::Completed, Some((3, 4))));
    assert!(
        released(&ran.outcome).contains(r#""delta.content":"hello""#),
        "{}",
        released(&ran.outcome)
    );
}

#[test]
fn a_secret_cut_over_chunks_never_leaves() {
    let ran = run(one(), &[&say("a K"), &say("-1"), &say("2"), &say(" b"), &finish("stop"), DONE]);
    assert_eq!(
        ran.before,
        format!("{}{}{}{}", say("a "), say(""), say(""), say("[redacted:secret.key] b"))
    );
    assert_eq!(ran.tail, format!("{}: x-bartizan-findings secret.key=1\n\n{DONE}", finish("stop")));
    assert_eq!(ran.ended, Outcome::Completed);
}

#[test]
fn text_that_is_still_held_leaves_before_the_end() {
    let ran = run(one(), &[&say("a K"), &finish("stop"), DONE]);
    let own = r#"data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"K"},"logprobs":null,"finish_reason":null}]}"#;
    assert_eq!(ran.before, format!("{}{own}\n\n", say("a ")));
    let last = run(
        one(),
        &[&say("a K"), &chunk(r#""delta":{"content":"-12"},"finish_reason":"stop""#), DONE],
    );
    assert_eq!(last.before, say("a "));
    assert!(
        last.tail.starts_with(&chunk(
            r#""delta":{"content":"[redacted:secret.key]"},"finish_reason":"stop""#
        )),
        "{}",
        last.tail
    );
}

#[test]
fn a_refusal_ends_the_stream_at_once() {
    let strict = guard(Profile::Strict);
    let mut stream = one_of(&strict).stream();
    let mut before = Vec::new();
    assert_eq!(stream.push(say("fine. OB").as_bytes(), &mut before), StreamState::Open);
    assert_eq!(stream.push(say("EY me p1").as_bytes(), &mut before), StreamState::Sealed);
    let outcome = stream.outcome(0);
    let before = String::from_utf8(before).unwrap();
    assert!(before.starts_with(&say("fine. ")) && !before.contains("EY"), "{before}");
    let tail = String::from_utf8(stream.tail()).unwrap();
    let end = r#"data: {"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter"}]}"#;
    assert_eq!(tail, format!("{end}\n\n: x-bartizan-findings injection.override=1\n\n{DONE}"));
    assert_eq!(outcome.leaf.outcome, Some(Outcome::Refused));
    assert!(released(&outcome).contains(r#""finish_reason":"content_filter""#));
    assert_eq!(
        stream.push(say("more").as_bytes(), &mut Vec::new()),
        StreamState::Sealed,
        "nothing is read after the end"
    );
}

pub(super) fn call(index: u64, members: &str) -> String {
    chunk(&format!(
        r#""delta":{{"tool_calls":[{{"index":{index},{members}}}]}},"finish_reason":null"#
    ))
}

fn arguments(index: u64, text: &str) -> String {
    call(index, &format!(r#""function":{{"arguments":{}}}"#, serde_json::Value::from(text)))
}

#[test]
fn tool_calls_are_transactions() {
    let start = call(0, r#""id":"c","type":"function","function":{"name":"pay","arguments":""}"#);
    let clean = [start.clone(), arguments(0, r#"{"a":"#), arguments(0, "1}")];
    let ran =
        run(one(), &[&say("ok"), &clean[0], &clean[1], &clean[2], &finish("tool_calls"), DONE]);
    assert_eq!(ran.before, say("ok"), "no byte of a call leaves before the call is whole");
    assert_eq!(ran.tail, format!("{}{}{DONE}", clean.concat(), finish("tool_calls")));
    assert!(
        released(&ran.outcome).contains(r#""delta.tool_calls[0].function.arguments":"{\"a\":1}""#),
        "{}",
        released(&ran.outcome)
    );

    for (name, pieces) in [
        ("plain", vec![r#"{"a":"K"#, r#"-12"}"#]),
        ("escaped", vec![r#"{"a":"\u00"#, r#"4b-12"}"#]),
        ("long exponent", vec![r#"{"a":1,"b":"p1 K-1"#, r#"2"}"#]),
    ] {
        let pieces: Vec<String> = pieces.into_iter().map(|piece| arguments(0, piece)).collect();
        let mut events = vec![say("ok"), start.clone()];
        events.extend(pieces);
        events.extend([finish("tool_calls"), DONE.to_owned()]);
        let ran = run(one(), &events.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(
            (ran.before.as_str(), ran.ended),
            (say("ok").as_str(), Outcome::Refused),
            "{name}"
        );
        assert!(
            ran.tail.contains("content_filter") && !ran.tail.contains("tool_calls"),
            "{name}: {}",
            ran.tail
        );
        assert!(
            evidence(&ran.outcome).contains("choices[0].delta.tool_calls[0].function.arguments"),
            "{name}"
        );
    }
}

#[test]
fn a_call_whose_last_piece_comes_with_its_end_is_whole() {
    let start =
        call(0, r#""id":"c","type":"function","function":{"name":"pay","arguments":"{\"a\":"}"#);
    let last = |text: &str| {
        chunk(&format!(
            r#""delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":{}}}}}]}},"finish_reason":"tool_calls""#,
            serde_json::Value::from(text)
        ))
    };
    let ran = run(one(), &[&start, &last("1}"), DONE]);
    assert_eq!(ran.ended, Outcome::Completed);
    assert!(
        released(&ran.outcome).contains(r#""delta.tool_calls[0].function.arguments":"{\"a\":1}""#)
    );
    assert!(
        ran.tail.contains(r#""arguments":"1}""#)
            && ran.tail.contains(r#""finish_reason":"tool_calls""#),
        "{}",
        ran.tail
    );
    let refused = run(one(), &[&start, &last(r#""K-12"}"#), DONE]);
    assert_eq!(refused.ended, Outcome::Refused);
    assert!(!refused.tail.contains("K-12") && !refused.before.contains("K-12"), "{}", refused.tail);
}

#[test]
fn a_route_may_opt_in_to_redacted_calls() {
    let guard = with_policy(
        r#"
        @id("all") permit(principal, action == Action::"call", resource);
        @id("r") permit(principal, action == Action::"redact", resource in Kind::"secret");
    "#,
    );
    let events = [
        call(0, r#""id":"c","function":{"name":"f","arguments":"{\"a\":\"x K"}"#),
        arguments(0, r#"-12 y"}"#),
        finish("tool_calls"),
        DONE.to_owned(),
    ];
    let ran = run(one_of(&guard), &events.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(ran.ended, Outcome::Completed);
    assert!(
        released(&ran.outcome).contains(r#"{\"a\":\"x [redacted:secret.key] y\"}"#),
        "{}",
        released(&ran.outcome)
    );
    assert!(!ran.tail.contains("-12"), "{}", ran.tail);
}

#[test]
fn limits_end_the_stream_and_say_so() {
    let with = |limits: Limits| Guard { limits, ..guard(Profile::Standard) };
    let start = call(0, r#""id":"c","function":{"name":"f","arguments":""}"#);
    let many: Vec<String> = (0..40).map(|_| arguments(0, "xxxxxxxxxx")).collect();
    let long_call: Vec<&str> =
        [start.as_str()].into_iter().chain(many.iter().map(String::as_str)).collect();
    let long_event = say(&"x".repeat(300));
    let held = say("K-");
    let broken = say("PANIC");
    let texts = [say(&"y".repeat(60)), say(&"y".repeat(60))];
    for (name, limits, events, reason, ended) in [
        (
            "tool call",
            Limits { tool_call_bytes_max: 300, ..Limits::default() },
            long_call,
            "limit.tool-call-bytes",
            Outcome::Refused,
        ),
        (
            "event",
            Limits { event_bytes_max: 250, ..Limits::default() },
            vec![long_event.as_str()],
            "limit.event-bytes",
            Outcome::Refused,
        ),
        (
            "held text",
            Limits { held_bytes_max: 1, ..Limits::default() },
            vec![held.as_str()],
            "limit.held-bytes",
            Outcome::Refused,
        ),
        ("detector", Limits::default(), vec![broken.as_str()], "limit.detector", Outcome::Refused),
        (
            "whole text",
            Limits { stream_bytes_max: 100, ..Limits::default() },
            vec![texts[0].as_str(), texts[1].as_str()],
            "answer_too_large",
            Outcome::UpstreamError,
        ),
    ] {
        let ran = run(one_of(&with(limits)), &events);
        assert_eq!(ran.ended, ended, "{name}");
        assert!(
            evidence(&ran.outcome).contains(&format!(r#""reason":"{reason}""#)),
            "{name}: {}",
            evidence(&ran.outcome)
        );
    }
    let mut slow = one();
    slow.guard.clock = Arc::new(Slow::default());
    let ran = run(slow, &[&say("a"), &say("b")]);
    assert!(evidence(&ran.outcome).contains("limit.time"), "{}", evidence(&ran.outcome));
}

#[derive(Default)]
struct Slow(std::sync::atomic::AtomicU64);

impl Clock for Slow {
    fn unix_ms(&self) -> u64 {
        0
    }
    fn monotonic_us(&self) -> u64 {
        self.0.fetch_add(1_200_000, std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn what_upstreams_do_wrong_is_an_error_the_client_sees() {
    for (name, events, code) in [
        ("dies in the middle", vec![say("hel")], "upstream_disconnected"),
        ("says nothing", vec![], "upstream_disconnected"),
        ("only done", vec![DONE.to_owned()], "upstream_malformed"),
        ("not JSON", vec![say("a"), "data: <html>\n\n".to_owned()], "upstream_malformed"),
        ("duplicate key", vec!["data: {\"a\":1,\"a\":2}\n\n".to_owned()], "upstream_malformed"),
        ("an array", vec!["data: []\n\n".to_owned()], "upstream_malformed"),
        (
            "more choices than asked",
            vec![say("a").replace(r#""index":0"#, r#""index":5"#)],
            "upstream_malformed",
        ),
        ("text after the end", vec![say("a"), finish("stop"), say("b")], "upstream_malformed"),
        (
            "its own error",
            vec![say("a"), "data: {\"error\":{\"message\":\"K-12\"}}\n\n".to_owned()],
            "upstream_disconnected",
        ),
    ] {
        let ran = run(one(), &events.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ran.ended, Outcome::UpstreamError, "{name}");
        assert!(ran.tail.contains(&format!(r#""code":"{code}""#)), "{name}: {}", ran.tail);
        assert!(!ran.tail.contains("[DONE]") && !ran.tail.contains("K-12"), "{name}: {}", ran.tail);
    }
}

#[test]
fn shapes_of_the_event_stream_do_not_matter() {
    let wanted = "hello";
    let crlf =
        format!("{}{}{}{}", say("hel"), say("lo"), finish("stop"), DONE).replace('\n', "\r\n");
    let comments =
        format!(": ping\n\n{}: K-12\n\n{}{}{DONE}", say("hel"), say("lo"), finish("stop"));
    let multi = format!(
        "event: x\nid: 4\n{}{}{}{DONE}",
        say("hel"),
        say("lo").replace(r#","choices""#, ",\ndata: \"choices\""),
        finish("stop")
    );
    let no_newline = format!("{}{}{}data: [DONE]", say("hel"), say("lo"), finish("stop"));
    let no_done = format!("{}{}{}", say("hel"), say("lo"), finish("stop"));
    for (name, stream) in [
        ("CRLF", crlf),
        ("comments", comments),
        ("several data lines", multi),
        ("no final newline", no_newline),
        ("no [DONE]", no_done),
    ] {
        let ran = run(one(), &[&stream]);
        assert_eq!(ran.ended, Outcome::Completed, "{name}");
        assert!(
            released(&ran.outcome).contains(&format!(r#""delta.content":"{wanted}""#)),
            "{name}"
        );
        assert!(!ran.before.contains("K-12"), "{name}: a comment carries text");
    }
}

#[test]
fn choices_end_each_on_its_own() {
    let other = |text: &str| text.replace(r#""index":0"#, r#""index":1"#);
    let strict = guard(Profile::Strict);
    let ran = run(
        answer(&strict),
        &[&say("OBEY now"), &other(&say("fine")), &say("more"), &other(&finish("stop")), DONE],
    );
    assert_eq!(ran.ended, Outcome::Refused);
    assert!(
        ran.before.contains(&other(&say("fine"))) && !ran.before.contains("more"),
        "{}",
        ran.before
    );
    assert!(
        ran.tail.contains(r#""index":1,"delta":{},"finish_reason":"stop""#)
            && ran.tail.contains(
                r#""index":0,"delta":{},"logprobs":null,"finish_reason":"content_filter""#
            ),
        "{}",
        ran.tail
    );
}

#[test]
fn log_probabilities_leave_with_their_text() {
    let entry = |token: &str| {
        format!(r#"{{"token":"{token}","logprob":-0.5,"bytes":null,"top_logprobs":[]}}"#)
    };
    let blank = r#"{"token":"","logprob":-0.5,"bytes":null,"top_logprobs":[]}"#;
    let event = |token: &str| {
        chunk(&format!(
            r#""delta":{{"content":"{token}"}},"logprobs":{{"content":[{}]}},"finish_reason":null"#,
            entry(token)
        ))
    };
    let ran = run(
        one(),
        &[&event("a "), &event("K-"), &event("12"), &event(" b"), &finish("stop"), DONE],
    );
    assert!(ran.before.starts_with(&event("a ")), "{}", ran.before);
    assert_eq!(ran.before.matches(blank).count(), 2, "{}", ran.before);
    assert!(
        ran.before.contains(&entry(" b"))
            && !ran.before.contains("K-")
            && !ran.before.contains("12"),
        "{}",
        ran.before
    );
    let held = run(one(), &[&event("a "), &event("K"), &finish("stop"), DONE]);
    assert!(
        held.before.ends_with(&format!(
            "\"logprobs\":{{\"content\":[{}]}},\"finish_reason\":null}}]}}\n\n",
            entry("K")
        )),
        "{}",
        held.before
    );
    let lying = chunk(&format!(
        r#""delta":{{"content":"hi"}},"logprobs":{{"content":[{}]}},"finish_reason":null"#,
        entry("K-12")
    ));
    assert!(!run(one(), &[&lying, &finish("stop"), DONE]).before.contains("K-12"));
}

#[test]
fn with_the_guard_off_everything_passes_and_is_recorded() {
    let off = off(guard(Profile::Standard));
    let ran = run(one_of(&off), &[&say("K-12"), &finish("stop"), DONE]);
    assert_eq!((ran.before.as_str(), ran.ended), (say("K-12").as_str(), Outcome::Completed));
    assert!(released(&ran.outcome).contains("K-12"));
    assert_ne!(ran.outcome.leaf.verdict & findings::bits::UNSCANNED, 0);
}

/// What has no text in it has nothing to wait for: alone, beside text, and in the event that ends the choice.
#[test]
fn what_is_no_text_travels_as_it_came() {
    for value in [
        "null",
        "true",
        "false",
        "0.5",
        "-7",
        "{}",
        "[]",
        "[0.5]",
        "[1,2]",
        "[null,true]",
        "[[1],[2,[3]]]",
        r#"{"a":1,"b":[1,2]}"#,
        r#"[{"a":[]},{"b":{"c":0}}]"#,
    ] {
        for (name, delta, end) in [
            ("alone", format!(r#"{{"zz":{value}}}"#), "null"),
            ("beside text", format!(r#"{{"content":"hi","zz":{value}}}"#), "null"),
            ("before text", format!(r#"{{"zz":{value},"content":"hi"}}"#), "null"),
            ("beside a call", format!(r#"{{"zz":{value},"tool_calls":[]}}"#), "null"),
            ("at the end", format!(r#"{{"zz":{value}}}"#), r#""stop""#),
        ] {
            let event = chunk(&format!(r#""delta":{delta},"finish_reason":{end}"#));
            let ran = run(one(), &[&event, &finish("stop"), DONE]);
            let out = format!("{}{}", ran.before, ran.tail);
            assert!(out.starts_with(&event), "{name}, {value}: {out}");
            assert_eq!(ran.ended, Outcome::Completed, "{name}, {value}");
        }
    }
}

/// Numbers that may be letters or ids are not read, in a stream as in a whole answer.
#[test]
fn lists_of_ids_do_not_leave() {
    let ids = "[52,49,49,49,49,49,49,49]";
    for (name, event) in [
        ("in a delta", chunk(&format!(r#""delta":{{"zz":{ids}}}"#))),
        ("deep in a delta", chunk(&format!(r#""delta":{{"zz":{{"a":[{ids}]}}}}"#))),
        ("beside the delta", chunk(&format!(r#""zz":{ids},"delta":{{}}"#))),
        (
            "beside the choices",
            chunk(r#""delta":{}"#).replace("\"model\"", &format!("\"zz\":{ids},\"model\"")),
        ),
    ] {
        let ran = run(one(), &[&say("ok"), &event, &finish("stop"), DONE]);
        let out = format!("{}{}", ran.before, ran.tail);
        assert!(out.starts_with(&say("ok")) && !out.contains("52,49"), "{name}: {out}");
        assert_eq!(ran.ended, Outcome::Refused, "{name}");
        assert!(evidence(&ran.outcome).contains(r#""reason":"unread.token-ids""#), "{name}");
        let observed = run(one_of(&guard(Profile::Observe)), &[&event, &finish("stop"), DONE]);
        assert!(observed.before.contains(ids), "{name}: {}", observed.before);
    }
}

/// A text in a list waits for the end, and so does a call without a text; neither is lost, whatever stands beside it.
#[test]
fn what_waits_is_not_lost() {
    for (name, member) in [
        ("texts", r#""zz":["a",[1]]"#),
        ("an empty text", r#""zz":[""]"#),
        ("an empty text in an object", r#""zz":{"a":"","b":[1,2]}"#),
        ("a call without a text", r#""tool_calls":[{"index":0}]"#),
        ("a call that is an object", r#""function_call":{}"#),
    ] {
        for beside in ["", r#""content":"hi","#] {
            let event = chunk(&format!(r#""delta":{{{beside}{member}}},"finish_reason":null"#));
            let ran = run(one(), &[&event, &finish("stop"), DONE]);
            assert!(!ran.before.contains(member), "{name}: {}", ran.before);
            assert!(ran.tail.contains(member), "{name}: {}", ran.tail);
        }
    }
}

#[test]
fn an_unrecorded_end_is_an_error_and_no_end() {
    let mut stream = one().stream();
    let mut before = Vec::new();
    stream.push(format!("{}{}{DONE}", say("x"), finish("stop")).as_bytes(), &mut before);
    let instead = String::from_utf8(stream.unrecorded()).unwrap();
    assert!(
        instead.contains("audit_unavailable") && !instead.contains("finish_reason"),
        "{instead}"
    );
    assert!(stream.tail().is_empty());
}

/// Bounds of structure: each one is lowered, met, and said by its own code.
#[test]
fn bounds_of_structure_are_met_and_said() {
    let lower = |limits: Limits| Guard { limits, ..guard(Profile::Standard) };
    let ask = |guard: &Guard, body: &str| match open(guard, Endpoint::Chat, body) {
        Opened::Rejected(reply) => reply.code,
        other => panic!("{other:?}"),
    };
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"n":3}"#;
    for (name, limits, want) in [
        ("json_depth_max", Limits { json_depth_max: 2, ..Limits::default() }, "json_too_complex"),
        ("json_nodes_max", Limits { json_nodes_max: 5, ..Limits::default() }, "json_too_complex"),
        ("choices_max", Limits { choices_max: 2, ..Limits::default() }, "invalid_type"),
    ] {
        assert_eq!(ask(&lower(limits), body), want, "{name}");
    }
    let two = chunk(r#""delta":{"a":"x","b":"y"},"finish_reason":null"#);
    let deep = chunk(r#""delta":{"a":{"b":{"c":{"d":"x"}}}},"finish_reason":null"#);
    for (name, limits, event, want) in [
        ("channels_max", Limits { channels_max: 1, ..Limits::default() }, &two, "answer_too_large"),
        (
            "json_depth_max",
            Limits { json_depth_max: 5, ..Limits::default() },
            &deep,
            "answer_too_large",
        ),
        (
            "json_nodes_max",
            Limits { json_nodes_max: 17, ..Limits::default() },
            &deep,
            "answer_too_large",
        ),
    ] {
        let ran = run(one_of(&lower(limits)), &[event.as_str()]);
        assert!(ran.tail.contains(&format!(r#""code":"{want}""#)), "{name}: {}", ran.tail);
        assert!(ran.tail.contains(&format!("({name})")), "{name} is named: {}", ran.tail);
    }
}

/// What the operator reads of a stream that cannot be read on: the event, the place, and no text of anybody.
#[test]
fn a_stream_that_fails_says_where_and_why() {
    let of = |choice: &str| chunk(choice).replace("\n\n", "");
    let fine = say("hi");
    for (name, event, code, cause) in [
        (
            "no JSON",
            "data: {\"a\":K-12}",
            "upstream_malformed",
            "event 2: byte 5: expected a value",
        ),
        (
            "a key twice",
            "data: {\"a\":1,\"a\":1}",
            "upstream_malformed",
            "event 2: byte 7: the key stands twice in one object",
        ),
        ("no object", "data: [1]", "upstream_malformed", "event 2: it is no object"),
        (
            "choices",
            "data: {\"choices\":1}",
            "upstream_malformed",
            "event 2: `choices` is no array of objects",
        ),
        ("delta", &of(r#""delta":"K-12""#), "upstream_malformed", "event 2: `delta` is no object"),
        (
            "index",
            &of(r#""delta":{"zz":[{"index":"K-12"}]}"#),
            "upstream_malformed",
            "event 2: an `index` is no whole number",
        ),
        (
            "finish_reason",
            &of(r#""delta":{},"finish_reason":1"#),
            "upstream_malformed",
            "event 2: `finish_reason` is no string",
        ),
        (
            "another choice",
            "data: {\"choices\":[{\"index\":7,\"delta\":{}}]}",
            "upstream_malformed",
            "event 2: there are more choices than were asked for",
        ),
        (
            "an error",
            "data: {\"error\":\"K-12\"}",
            "upstream_disconnected",
            "event 2: the upstream says that it failed",
        ),
        ("its end", "", "upstream_disconnected", "its end came before a `finish_reason`"),
    ] {
        let ran = run(one(), &[&fine, event, "\n\n"]);
        assert!(ran.tail.contains(&format!(r#""code":"{code}""#)), "{name}: {}", ran.tail);
        let told: serde_json::Value = serde_json::from_str(&evidence(&ran.outcome)).unwrap();
        assert_eq!((&told["reason"], &told["cause"]), (&code.into(), &cause.into()), "{name}");
    }
    let good = run(one(), &[&fine, &finish("stop"), DONE]);
    assert!(!evidence(&good.outcome).contains("cause"));
    let much = Limits { stream_bytes_max: 3, ..Limits::default() };
    let much = Guard { limits: much, ..guard(Profile::Standard) };
    let ran = run(one_of(&much), &[&fine, &fine]);
    assert!(ran.tail.contains("(stream_bytes_max)"), "{}", ran.tail);
    assert!(evidence(&ran.outcome).contains(r#""cause":"event 2: limit stream_bytes_max""#));
}

#[test]
fn too_many_findings_refuse_calls_and_a_repeated_name_is_one_finding() {
    let limits = Limits { findings_max: 4, ..Limits::default() };
    let guard = Guard { limits, ..guard(Profile::Standard) };
    let call = [
        call(0, r#""id":"c","type":"function","function":{"name":"pay","arguments":""}"#),
        arguments(0, "p1 p1 p1 p1 p1"),
    ];
    let ran = run(one_of(&guard), &[&say("ok"), &call[0], &call[1], &finish("tool_calls"), DONE]);
    assert_eq!((ran.before, ran.ended), (say("ok"), Outcome::Refused));
    assert!(evidence(&ran.outcome).contains(r#""reason":"limit.findings""#));
    assert!(!ran.tail.contains("p1") && ran.tail.contains("content_filter"), "{}", ran.tail);

    let named = say("word").replace("c-1", "p1");
    let mut events = vec![named.as_str(); 9];
    let end = finish("stop");
    events.extend([end.as_str(), DONE]);
    let ran = run(one_of(&guard), &events);
    assert_eq!(ran.ended, Outcome::Completed, "the name stands in each of nine events");
    assert!(ran.tail.contains("x-bartizan-findings pii.word=1"), "{}", ran.tail);
}
