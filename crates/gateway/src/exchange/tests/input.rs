//! What callers send.
use super::*;
use bartizan_core::json::{Doc, JsonLimits};
use proptest::prelude::*;

fn user(content: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#)
}

#[test]
fn malformed_requests_are_rejected_with_a_place() {
    let deep = format!(r#"{{"model":"m","messages":{}1{}}}"#, "[".repeat(70), "]".repeat(70));
    for (name, body, code, param) in [
        ("not JSON", "hello", "malformed_json", None),
        ("cut off", r#"{"model":"m""#, "malformed_json", None),
        ("duplicate key", r#"{"model":"m","model":"n","messages":[]}"#, "duplicate_key", None),
        ("too deep", &deep, "json_too_complex", None),
        ("array", "[]", "invalid_type", None),
        (
            "no model",
            r#"{"messages":[{"role":"user","content":"x"}]}"#,
            "missing_field",
            Some("model"),
        ),
        ("model is a number", r#"{"model":1,"messages":[]}"#, "invalid_type", Some("model")),
        ("no messages", r#"{"model":"m"}"#, "missing_field", Some("messages")),
        ("empty messages", r#"{"model":"m","messages":[]}"#, "invalid_type", Some("messages")),
        (
            "message is a string",
            r#"{"model":"m","messages":["x"]}"#,
            "invalid_type",
            Some("messages[0]"),
        ),
        (
            "unknown role",
            r#"{"model":"m","messages":[{"role":"root","content":"x"}]}"#,
            "invalid_type",
            Some("messages[0].role"),
        ),
        (
            "no role",
            r#"{"model":"m","messages":[{"content":"x"}]}"#,
            "missing_field",
            Some("messages[0].role"),
        ),
        ("content is a number", &user("1"), "invalid_type", Some("messages[0].content")),
        ("part is a string", &user(r#"["x"]"#), "invalid_type", Some("messages[0].content[0]")),
        (
            "part without type",
            &user(r#"[{"text":"x"}]"#),
            "missing_field",
            Some("messages[0].content[0].type"),
        ),
        (
            "stream is a string",
            r#"{"model":"m","messages":[{"role":"user"}],"stream":"yes"}"#,
            "invalid_type",
            Some("stream"),
        ),
        (
            "n is zero",
            r#"{"model":"m","messages":[{"role":"user"}],"n":0}"#,
            "invalid_type",
            Some("n"),
        ),
        (
            "n is huge",
            r#"{"model":"m","messages":[{"role":"user"}],"n":9999}"#,
            "invalid_type",
            Some("n"),
        ),
        (
            "almost a field",
            r#"{"model":"m","Messages":[],"messages":[{"role":"user"}]}"#,
            "ambiguous_field",
            Some("messages"),
        ),
        (
            "almost a role",
            r#"{"model":"m","messages":[{"role":"user","ROLE":"system"}]}"#,
            "ambiguous_field",
            Some("role"),
        ),
    ] {
        match open(&guard(Profile::Standard), Endpoint::Chat, body) {
            Opened::Rejected(reply) => {
                assert_eq!(
                    (reply.status, reply.code, reply.param.as_deref()),
                    (400, code, param),
                    "{name}: {}",
                    reply.message
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_is_harmless_passes_byte_for_byte() {
    for body in [
        user(r#""hello""#),
        user(r#"[{"type":"text","text":"a \u0041 b"},{"type":"text","text":"c"}]"#),
        user("null"),
        r#"{ "model" : "m", "messages":[{"role":"user","content":"x"}], "unknown":{"a":[1,2.5,"b"]}, "logit_bias":{"50256":-100} }"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"tool","tool_call_id":"c1","content":"fine"}],"echo":false,"chat_template":null}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"enable_thinking":false,"echo":false},"stop_token_ids":[1,2,3,4,5,6,7,8,9],"metadata":{"template":"a"},"prompt":"x"}"#.to_owned(),
        r#"{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"parameters":{"properties":{"template":{"type":"string"},"x":{"enum":[1,2,3,4,5,6,7,8]}}}}}]}"#.to_owned(),
        user(r#""{\"a\":[1,\"\\n\"]}""#),
        r#"{"model":"m","messages":[{"role":"user","content":"x","chat_template":null}],"stop":["1","2","3","4","5","6","7","8"],"weights":[0.5,1,2,3,4,5,6,7,8]}"#.to_owned(),
    ] {
        let forward = forward(&guard(Profile::Standard), &body);
        assert_eq!(forward.body, body.as_bytes());
        assert_eq!(forward.findings, "");
        assert_eq!(released(&forward.intent), body);
    }
}

#[test]
fn secrets_are_redacted_wherever_they_stand() {
    let redacted = "[redacted:secret.key]";
    for (name, body, want) in [
        ("content", user(r#""a K-12 b""#), user(&format!(r#""a {redacted} b""#))),
        ("escaped", user(r#""a \u004b-1\u0032 b""#), user(&format!(r#""a {redacted} b""#))),
        ("two", user(r#""K-12 K-34""#), user(&format!(r#""{redacted} {redacted}""#))),
        ("touching", user(r#""K-1234K-12""#), user(&format!(r#""{redacted}""#))),
        ("split over parts", user(r#"[{"type":"text","text":"K-"},{"type":"text","text":"12."}]"#),
         user(&format!(r#"[{{"type":"text","text":"{redacted}"}},{{"type":"text","text":"{redacted}."}}]"#))),
        ("unknown field", r#"{"model":"m","messages":[{"role":"user"}],"x":{"y":["K-12"]}}"#.to_owned(),
         format!(r#"{{"model":"m","messages":[{{"role":"user"}}],"x":{{"y":["{redacted}"]}}}}"#)),
        ("refusals among parts", user(r#"[{"type":"refusal","refusal":"K-"},{"type":"output_text","text":"12"}]"#),
         user(&format!(r#"[{{"type":"refusal","refusal":"{redacted}"}},{{"type":"output_text","text":"{redacted}"}}]"#))),
        ("JSON in a string", user(r#""{\"a\":\"\\u004b-12\"}""#), user(&format!(r#""{{\"a\":\"{redacted}\"}}""#))),
        ("JSON over parts", user(r#"[{"type":"text","text":"{\"a\":\"x"},{"type":"text","text":"\\u004b-12\"}"}]"#),
         user(&format!(r#"[{{"type":"text","text":"{{\"a\":\"x"}},{{"type":"text","text":"{redacted}\"}}"}}]"#))),
        ("keys of one object", r#"{"model":"m","messages":[{"role":"user"}],"x":{"K-12":1,"K-34":2,"a K-56":3,"K-78":4,"y":{"K-12":5}}}"#.to_owned(),
         format!(r#"{{"model":"m","messages":[{{"role":"user"}}],"x":{{"{redacted}":1,"[redacted:secret.key:2]":2,"a {redacted}":3,"[redacted:secret.key:3]":4,"y":{{"{redacted}":5}}}}}}"#)),
        ("a key that reads like another", r#"{"model":"m","messages":[{"role":"user"}],"x":{"K-12":1,"[redacted:secret.key]":2}}"#.to_owned(),
         r#"{"model":"m","messages":[{"role":"user"}],"x":{"[redacted:secret.key:2]":1,"[redacted:secret.key]":2}}"#.to_owned()),
        ("keys of JSON in a string", user(r#""{\"K-12\":1,\"K-34\":2}""#),
         user(&format!(r#""{{\"{redacted}\":1,\"[redacted:secret.key:2]\":2}}""#))),
        ("keys of JSON in a tool result", r#"{"model":"m","messages":[{"role":"tool","content":"[{\"K-12\":1,\"K-34\":2}]"}]}"#.to_owned(),
         format!(r#"{{"model":"m","messages":[{{"role":"tool","content":"[{{\"{redacted}\":1,\"[redacted:secret.key:2]\":2}}]"}}]}}"#)),
        ("key", r#"{"model":"m","messages":[{"role":"user"}],"x":{"K-12":1}}"#.to_owned(),
         format!(r#"{{"model":"m","messages":[{{"role":"user"}}],"x":{{"{redacted}":1}}}}"#)),
        ("system prompt", r#"{"model":"m","messages":[{"role":"system","content":"K-12"}]}"#.to_owned(),
         format!(r#"{{"model":"m","messages":[{{"role":"system","content":"{redacted}"}}]}}"#)),
        ("tool schema", r#"{"model":"m","messages":[{"role":"user"}],"tools":[{"type":"function","function":{"description":"K-12"}}]}"#.to_owned(),
         format!(r#"{{"model":"m","messages":[{{"role":"user"}}],"tools":[{{"type":"function","function":{{"description":"{redacted}"}}}}]}}"#)),
    ] {
        let forward = forward(&guard(Profile::Standard), &body);
        assert_eq!(String::from_utf8_lossy(&forward.body), want, "{name}");
        assert!(forward.findings.starts_with("secret.key="), "{name}: {}", forward.findings);
        assert!(!evidence(&forward.intent).contains("K-12"), "{name}: evidence quotes the secret");
    }
}

#[test]
fn what_is_unread_is_refused_with_its_reason() {
    let image = user(r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,K-12"}}]"#);
    let chat = |field: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{field}}}"#)
    };
    for (name, body, reason) in [
        ("image", image.clone(), "unread.media"),
        (
            "audio",
            user(r#"[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]"#),
            "unread.media",
        ),
        ("unknown part", user(r#"[{"type":"hologram","x":"y"}]"#), "unread.part-type"),
        ("template", chat(r#""chat_template":"{{ x }}""#), "unread.template"),
        ("echo", chat(r#""echo":true"#), "unread.prompt-echo"),
        ("prompt logprobs", chat(r#""prompt_logprobs":1"#), "unread.prompt-echo"),
        ("token ids", chat(r#""prompt_token_ids":[1,2]"#), "unread.token-ids"),
        ("unknown token ids", chat(r#""mystery":{"a":[1,2,3,4,5,6,7,8]}"#), "unread.token-ids"),
        ("floats that are whole", chat(r#""a":[1.0,2e0,3,4,5,6,7,8]"#), "unread.token-ids"),
        ("ids in lists", chat(r#""a":[[1,2,3,4],[5,6,7,8]]"#), "unread.token-ids"),
        ("ids in strings", chat(r#""a":["1","2","3","4","5","6","7","8"]"#), "unread.token-ids"),
        (
            "template of a message",
            r#"{"model":"m","messages":[{"role":"user","content":"x","Chat_template":"{{ x }}"}]}"#
                .replace("Chat", "chat"),
            "unread.template",
        ),
        ("prompt of ids", chat(r#""prompt":[1]"#), "unread.token-ids"),
        ("prompts of ids", chat(r#""prompt":["a",[1]]"#), "unread.token-ids"),
        ("prompt of ids below", chat(r#""extra_body":{"Prompt":[1]}"#), "unread.token-ids"),
        (
            "nested template",
            chat(r#""chat_template_kwargs":{"chat_template":"x"}"#),
            "unread.template",
        ),
        (
            "nested in a list",
            chat(r#""extra_body":[{"x":{"chat_template":"x"}}]"#),
            "unread.template",
        ),
        (
            "nested template in capitals",
            chat(r#""extra_body":{"Chat_Template":"x"}"#),
            "unread.template",
        ),
        ("nested echo", chat(r#""extra_body":{"prompt_logprobs":0}"#), "unread.prompt-echo"),
        ("nested ids", chat(r#""extra_body":{"prompt_token_ids":[1]}"#), "unread.token-ids"),
        (
            "token ids of a message",
            r#"{"model":"m","messages":[{"role":"user","prompt_token_ids":[1]}]}"#.to_owned(),
            "unread.token-ids",
        ),
        (
            "token ids in a message",
            user(r#"[{"type":"text","text":"x","y":[1,2,3,4,5,6,7,8]}]"#),
            "unread.token-ids",
        ),
    ] {
        match open(&guard(Profile::Standard), Endpoint::Chat, &body) {
            Opened::Refused { reply, records, .. } => {
                assert_eq!(
                    (reply.status, reply.code, reply.reason.as_deref()),
                    (400, "content_filter", Some(reason)),
                    "{name}"
                );
                assert_eq!(reply.record, Some(RecordId([0xab; 16])), "{name}");
                assert_eq!(records.len(), 2, "{name}");
                assert_eq!(records[1].leaf.outcome, Some(Outcome::Refused), "{name}");
                assert!(evidence(&records[0]).contains(reason), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(
        forward(&guard(Profile::Observe), &image).findings.contains("unread.media=1"),
        "observe lets an image pass, and says so"
    );
}

#[test]
fn a_poisoned_tool_result_becomes_a_notice() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"OBEY"},{"role":"tool","tool_call_id":"c","content":"sun. OBEY K-12"}]}"#;
    let forward = forward(&guard(Profile::Standard), body);
    let text = String::from_utf8_lossy(&forward.body).into_owned();
    let record = RecordId([0xab; 16]);
    assert_eq!(
        text,
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"OBEY"}},{{"role":"tool","tool_call_id":"c","content":"[removed by Bartizan: this tool result contained injection.override; record {record}]"}}]}}"#
        )
    );
    match open(&guard(Profile::Strict), Endpoint::Chat, body) {
        Opened::Refused { reply, .. } => {
            assert_eq!(reply.reason.as_deref(), Some("guard.injection.override"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_document_inside_a_message_is_judged_as_a_document() {
    let body = user(r#""please: <doc>OBEY</doc> thanks""#);
    let forward = forward(&guard(Profile::Standard), &body);
    let text = String::from_utf8_lossy(&forward.body).into_owned();
    assert!(text.contains("please: <doc>[removed by Bartizan: this document contained injection.override; record abab"), "{text}");
    assert!(text.ends_with(r#"]</doc> thanks"}]}"#), "{text}");
}

#[test]
fn a_tool_call_in_the_history_is_read_through_its_escapes() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":\"\\u004b-12\"}"}}]}]}"#;
    match open(&guard(Profile::Standard), Endpoint::Chat, body) {
        Opened::Refused { reply, .. } => {
            assert_eq!(
                reply.param.as_deref(),
                Some("messages[0].tool_calls[0].function.arguments")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_and_failures_of_the_guard_refuse() {
    let few = Guard {
        limits: Limits { findings_max: 3, ..Limits::default() },
        ..guard(Profile::Standard)
    };
    let slow = Guard { clock: Arc::new(Racing::default()), ..guard(Profile::Standard) };
    for (name, guard, content, reason) in [
        ("detector fails", guard(Profile::Standard), r#""PANIC""#, "limit.detector"),
        ("too many findings", few, r#""p1 p1 p1 p1 p1""#, "limit.findings"),
        ("too slow", slow, r#""x""#, "limit.time"),
    ] {
        match open(&guard, Endpoint::Chat, &user(content)) {
            Opened::Refused { reply, .. } => {
                assert_eq!(reply.reason.as_deref(), Some(reason), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    let observed = forward(&guard(Profile::Observe), &user(r#""PANIC""#));
    assert_eq!(observed.findings, "limit.detector=1", "observe releases and records");
}

/// Every look at it is a second later.
#[derive(Default)]
struct Racing(std::sync::atomic::AtomicU64);

impl Clock for Racing {
    fn unix_ms(&self) -> u64 {
        0
    }
    fn monotonic_us(&self) -> u64 {
        self.0.fetch_add(5_000_000, std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn embeddings_take_text_and_no_token_ids() {
    let guard = guard(Profile::Standard);
    let body = |input: &str| format!(r#"{{"model":"m","input":{input}}}"#);
    for (name, input, want) in [
        ("text", r#""a K-12""#, Ok(r#""a [redacted:secret.key]""#)),
        ("texts", r#"["a","b"]"#, Ok(r#"["a","b"]"#)),
        ("ids", "[1,2]", Err("unread.token-ids")),
        ("lists of ids", "[[1],[2]]", Err("unread.token-ids")),
    ] {
        match (open(&guard, Endpoint::Embeddings, &body(input)), want) {
            (Opened::Forward(forward), Ok(want)) => {
                assert_eq!(forward.body, body(want).as_bytes(), "{name}");
            }
            (Opened::Refused { reply, .. }, Err(reason)) => {
                assert_eq!(reply.reason.as_deref(), Some(reason), "{name}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
    assert!(matches!(
        open(&guard, Endpoint::Embeddings, r#"{"model":"m","input":7}"#),
        Opened::Rejected(_)
    ));
    assert!(matches!(open(&guard, Endpoint::Models, ""), Opened::Forward(_)));
}

#[test]
fn long_numbers_are_read_however_they_are_written() {
    use super::super::document::plain_digits;
    for (raw, want) in [
        ("4111111111111111", Some("4111111111111111")),
        ("-4111111111111111", Some("4111111111111111")),
        ("4111111111111111.0", Some("4111111111111111")),
        ("4.111111111111111e15", Some("4111111111111111")),
        ("4.111111111111111E+15", Some("4111111111111111")),
        ("41111111111111110e-1", Some("4111111111111111")),
        ("411111111111111100e-2", Some("4111111111111111")),
        ("4111111111111111.5", Some("4111111111111111")),
        ("0.00000000000000000000000000000004111111111111111e47", Some("4111111111111111")),
        ("0.0000000000000000e99", None),
        ("4111111111111111e-9999999999999999999999", None),
        ("4111111111111111e-16", None),
        ("1700000000", None),
        ("0.4111111111111111", None),
        ("1e999999999999", None),
        ("1e39", Some("1000000000000000000000000000000000000000")),
        ("1e99", None),
    ] {
        assert_eq!(plain_digits(raw.as_bytes()).as_deref(), want.map(str::as_bytes), "{raw}");
    }
}

/// The digits before the point of a number written out in full, found by moving the point one place at a time.
fn written_out(whole: &str, fraction: &str, exponent: i32) -> String {
    let (mut before, mut after) = (whole.to_owned(), fraction.to_owned());
    for _ in 0..exponent.max(0) {
        before.push(if after.is_empty() { '0' } else { after.remove(0) });
    }
    for _ in 0..(-exponent).max(0) {
        after.insert(0, before.pop().unwrap_or('0'));
    }
    before.trim_start_matches('0').to_owned()
}

proptest! {
    /// However a number is written, its whole part is the same.
    #[test]
    fn plain_digits_are_those_written_out(
        whole in "0|[1-9][0-9]{0,24}0{0,4}", fraction in "0{0,20}[0-9]{0,20}0{0,4}", exponent in -40..60_i32, negative in any::<bool>(),
    ) {
        use super::super::document::plain_digits;
        let sign = if negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let raw = format!("{sign}{whole}{point}{fraction}e{exponent}");
        let want = Some(written_out(&whole, &fraction, exponent)).filter(|digits| (12..=40).contains(&digits.len()));
        let found = plain_digits(raw.as_bytes()).map(|digits| String::from_utf8(digits.into_owned()).unwrap());
        prop_assert_eq!(found, want, "{}", raw);
    }
}

#[test]
fn places_name_every_node() {
    use super::super::document::place;
    let text = br#"{"a":[{"b":1},[2,{"C d":{}}]],"e":"f"}"#;
    let doc = Doc::read(text, JsonLimits::default()).unwrap();
    let found: Vec<String> = doc.nodes().map(|node| place(&doc, node.index())).collect();
    let want = [
        "",
        "a",
        "a",
        "a[0]",
        "a[0].b",
        "a[0].b",
        "a[1]",
        "a[1][0]",
        "a[1][1]",
        "a[1][1].*",
        "a[1][1].*",
        "e",
        "e",
    ];
    assert_eq!(found, want);
}

#[test]
fn only_data_is_left_out_of_a_media_part() {
    let data = "iVBORw0K".repeat(40);
    let part = |kind: &str, field: &str| user(&format!(r#"[{{"type":"{kind}",{field}}}]"#));
    for (name, body, found) in [
        (
            "data URL",
            part(
                "image_url",
                &format!(r#""image_url":{{"url":"data:image/png;base64,{data}K12"}}"#),
            ),
            false,
        ),
        (
            "data",
            part("input_audio", &format!(r#""input_audio":{{"data":"{data}==","format":"wav"}}"#)),
            false,
        ),
        (
            "file",
            part(
                "file",
                &format!(r#""file":{{"file_data":"data:application/pdf;base64,{data}"}}"#),
            ),
            false,
        ),
        ("address", part("image_url", r#""image_url":{"url":"https://example.com/K-12"}"#), true),
        ("short data", part("input_audio", r#""input_audio":{"data":"K-12"}"#), true),
        (
            "text as data",
            part("input_audio", &format!(r#""input_audio":{{"data":"{data} K-12"}}"#)),
            true,
        ),
        (
            "text in a data URL",
            part("image_url", &format!(r#""image_url":{{"url":"data:text/plain,{data} K-12"}}"#)),
            true,
        ),
        (
            "text after the mark",
            part(
                "image_url",
                &format!(r#""image_url":{{"url":"data:text/plain;base64,{data} K-12"}}"#),
            ),
            true,
        ),
        (
            "text before the mark",
            part(
                "image_url",
                &format!(r#""image_url":{{"url":"data:image/png;x=K-12;base64,{data}"}}"#),
            ),
            true,
        ),
        (
            "data in another field",
            part(
                "image_url",
                &format!(r#""caption":"data:{data};K-12","image_url":{{"url":"x"}}"#),
            ),
            true,
        ),
        (
            "name of a file",
            part("file", &format!(r#""file":{{"file_data":"{data}","filename":"K-12"}}"#)),
            true,
        ),
    ] {
        let findings = forward(&guard(Profile::Observe), &body).findings;
        assert!(findings.contains("unread.media=1"), "{name}: {findings}");
        assert_eq!(findings.contains("secret.key"), found, "{name}: {findings}");
    }
}

/// What a data URL says that it is: a text is read, through its encoding where a detector knows it.
#[test]
fn a_text_is_no_media() {
    for (kind, is_read) in [
        ("image/png", false),
        ("application/pdf", false),
        ("audio/wav", false),
        ("text/plain", true),
        ("TEXT/csv;charset=utf-8", true),
        ("", true),
        (";charset=utf-8", true),
        ("application/json", true),
        ("application/ld+json", true),
        ("image/svg+xml", true),
        ("message/rfc822", true),
    ] {
        let url = format!("data:{kind};base64,{}", "p1AA".repeat(80));
        let part = format!(r#"[{{"type":"file","file":{{"file_data":"{url}"}}}}]"#);
        let findings = forward(&guard(Profile::Observe), &user(&part)).findings;
        assert_eq!(findings.contains("pii.word"), is_read, "{kind}: {findings}");
    }
}

#[test]
fn a_text_of_several_parts_is_one_wherever_it_stands() {
    let parts = r#"[{"type":"text","text":"K-"},{"type":"text","text":"12."}]"#;
    let body = user(r#""hi""#).replacen(
        '{',
        &format!(r#"{{"prediction":{{"type":"content","content":{parts}}},"#),
        1,
    );
    let forward = forward(&guard(Profile::Standard), &body);
    assert_eq!(forward.findings, "secret.key=2");
    let sent = String::from_utf8_lossy(&forward.body).into_owned();
    assert!(!sent.contains("K-") && !sent.contains("12."), "{sent}");
}

#[test]
fn a_body_that_is_no_object_is_said_to_be_none() {
    for body in ["[1]", "1", "null", "\"a\""] {
        let Opened::Rejected(reply) = open(&guard(Profile::Standard), Endpoint::Chat, body) else {
            panic!("{body} was not rejected");
        };
        assert_eq!((reply.code, reply.param.as_deref()), ("invalid_type", None), "{body}");
        assert_eq!(reply.message, "the body: expected an object", "{body}");
    }
}

#[test]
fn notes_are_counted_too() {
    let few = Guard {
        limits: Limits { findings_max: 3, ..Limits::default() },
        ..guard(Profile::Observe)
    };
    let parts = [r#"{"type":"hologram"}"#; 9].join(",");
    let found = forward(&few, &user(&format!("[{parts}]"))).findings;
    assert_eq!(found, "limit.findings=1, unread.part-type=3");
}
