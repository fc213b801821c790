//! What an upstream answers in one piece.
use super::*;
use bartizan_core::evidence::{Direction, Evidence};

fn completion(message: &str, logprobs: &str) -> String {
    format!(
        r#"{{"id":"c-1","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{message},"logprobs":{logprobs},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":3,"completion_tokens":4}}}}"#
    )
}

fn said(content: &str) -> String {
    completion(&format!(r#"{{"role":"assistant","content":{content}}}"#), "null")
}

fn plain(guard: &Guard, status: u16, body: &str) -> Closed {
    answer(guard).plain(status, body.as_bytes(), 1_700_000_000_001)
}

fn text(closed: &Closed) -> String {
    String::from_utf8(closed.body.to_vec()).unwrap()
}

#[test]
fn clean_answers_pass_byte_for_byte_with_their_usage() {
    let body = said(r#""hello \u0041""#);
    let closed = plain(&guard(Profile::Standard), 200, &body);
    assert_eq!(
        (closed.status, text(&closed), closed.ended),
        (200, body.clone(), Outcome::Completed)
    );
    assert_eq!(closed.outcome.leaf.tokens, Some((3, 4)));
    assert_eq!(released(&closed.outcome), body);
}

#[test]
fn answers_are_redacted_in_place() {
    for (name, body, want) in [
        ("content", said(r#""a K-12 b""#), said(r#""a [redacted:secret.key] b""#)),
        (
            "id",
            said(r#""x""#).replace("c-1", "K-12"),
            said(r#""x""#).replace("c-1", "[redacted:secret.key]"),
        ),
        (
            "reasoning",
            completion(r#"{"content":"x","reasoning_content":"K-12"}"#, "null"),
            completion(r#"{"content":"x","reasoning_content":"[redacted:secret.key]"}"#, "null"),
        ),
    ] {
        let closed = plain(&guard(Profile::Standard), 200, &body);
        assert_eq!(text(&closed), want, "{name}");
        assert_eq!(
            (closed.ended, closed.findings.as_str()),
            (Outcome::Completed, "secret.key=1"),
            "{name}"
        );
    }
}

#[test]
fn refused_text_ends_before_its_span() {
    let closed = plain(&guard(Profile::Strict), 200, &said(r#""a K-12 b OBEY c p1""#));
    assert_eq!(
        text(&closed),
        said(r#""a [redacted:secret.key] b ""#).replace(r#""stop""#, r#""content_filter""#)
    );
    assert_eq!(
        (closed.ended, closed.findings.as_str()),
        (Outcome::Refused, "injection.override=1, secret.key=1")
    );
    assert!(evidence(&closed.outcome).contains(r#""reason":"guard.injection.override""#));
}

#[test]
fn a_tool_call_with_a_secret_is_refused_and_the_text_stays() {
    let call = |arguments: &str| {
        completion(
            &format!(
                r#"{{"role":"assistant","content":"ok","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
            ),
            "null",
        )
    };
    for (name, arguments) in
        [("plain", r#""{\"a\":\"K-12\"}""#), ("escaped inside", r#""{\"a\":\"\\u004b-12\"}""#)]
    {
        let closed = plain(&guard(Profile::Standard), 200, &call(arguments));
        let want = completion(r#"{"role":"assistant","content":"ok","tool_calls":null}"#, "null")
            .replace(r#""stop""#, r#""content_filter""#);
        assert_eq!((text(&closed), closed.ended), (want, Outcome::Refused), "{name}");
    }
    let clean = call(r#""{\"a\":1}""#);
    assert_eq!(text(&plain(&guard(Profile::Standard), 200, &clean)), clean);
}

#[test]
fn log_probabilities_of_redacted_text_lose_it() {
    let entry = |token: &str| {
        format!(
            r#"{{"token":"{token}","logprob":-0.5,"bytes":null,"top_logprobs":[{{"token":"zz","logprob":-1}}]}}"#
        )
    };
    let blank = r#"{"token":"","logprob":-0.5,"bytes":null,"top_logprobs":[]}"#;
    let list = |entries: &[String]| format!(r#"{{"content":[{}]}}"#, entries.join(","));
    let body = |content: &str, entries: &[String]| {
        completion(&format!(r#"{{"content":"{content}"}}"#), &list(entries))
    };
    let tokens = ["a ", "K-", "12", " b"].map(entry);
    let closed = plain(&guard(Profile::Standard), 200, &body("a K-12 b", &tokens));
    let kept = [entry("a "), blank.to_owned(), blank.to_owned(), entry(" b")];
    assert_eq!(text(&closed), body("a [redacted:secret.key] b", &kept));

    let unaligned = plain(&guard(Profile::Standard), 200, &body("hello", &tokens));
    assert_eq!(
        text(&unaligned),
        body("hello", &[blank, blank, blank, blank].map(str::to_owned)),
        "tokens that spell a secret beside clean text"
    );

    let clean = body("a b", &[entry("a "), entry("b")]);
    assert_eq!(text(&plain(&guard(Profile::Standard), 200, &clean)), clean);
}

#[test]
fn what_cannot_be_read_does_not_go_out() {
    for (name, status, body, want, code, ended) in [
        ("not JSON", 200, "<html>K-12</html>", 502, "upstream_malformed", Outcome::UpstreamError),
        (
            "duplicate key",
            200,
            r#"{"a":1,"a":2}"#,
            502,
            "upstream_malformed",
            Outcome::UpstreamError,
        ),
        ("error that is not JSON", 500, "K-12", 502, "upstream_failed", Outcome::UpstreamError),
        (
            "our key refused",
            401,
            r#"{"error":{"message":"bad key sk-..."}}"#,
            502,
            "upstream_auth",
            Outcome::UpstreamError,
        ),
        ("redirect", 302, "", 502, "upstream_redirect", Outcome::UpstreamError),
        (
            "prompt echo",
            200,
            r#"{"choices":[],"prompt_logprobs":[{"1":{}}]}"#,
            502,
            "content_filter",
            Outcome::Refused,
        ),
        (
            "letters as numbers",
            200,
            r#"{"choices":[],"zz":[52,49,49,49,49,49,49,49]}"#,
            502,
            "content_filter",
            Outcome::Refused,
        ),
        (
            "letters as numbers, deep in a choice",
            200,
            r#"{"choices":[{"index":0,"message":{"content":"x"},"zz":{"a":[[52,49,49,49],[49,49,49,49]]}}]}"#,
            502,
            "content_filter",
            Outcome::Refused,
        ),
        (
            "token ids in a choice",
            200,
            r#"{"choices":[{"index":0,"token_ids":[1]}]}"#,
            502,
            "content_filter",
            Outcome::Refused,
        ),
    ] {
        let closed = plain(&guard(Profile::Standard), status, body);
        assert_eq!((closed.status, closed.ended), (want, ended), "{name}");
        assert!(
            text(&closed).contains(&format!(r#""code":"{code}""#)),
            "{name}: {}",
            text(&closed)
        );
        assert!(!text(&closed).contains("K-12"), "{name}");
    }
    let closed = plain(&guard(Profile::Standard), 429, r#"{"error":{"message":"slow down K-12"}}"#);
    assert_eq!((closed.status, closed.ended), (429, Outcome::UpstreamError));
    assert_eq!(text(&closed), r#"{"error":{"message":"slow down [redacted:secret.key]"}}"#);
}

#[test]
fn vectors_pass_unread_and_nothing_else_does() {
    let guard = guard(Profile::Standard);
    let embed = |body: &str, request: &str| match open(&guard, Endpoint::Embeddings, request) {
        Opened::Forward(forward) => text(&forward.answer.plain(200, body.as_bytes(), 0)),
        other => panic!("{other:?}"),
    };
    let floats = r#"{"data":[{"embedding":[0.1,4111111111111111],"x":"K-12"}]}"#;
    assert_eq!(
        embed(floats, r#"{"model":"m","input":"a"}"#),
        floats.replace("K-12", "[redacted:secret.key]")
    );
    let text = r#"{"data":[{"embedding":"K-12"}]}"#;
    assert_eq!(
        embed(text, r#"{"model":"m","input":"a"}"#),
        text.replace("K-12", "[redacted:secret.key]")
    );
}

#[test]
fn a_failure_has_a_record_and_an_answer() {
    for (failure, status, ended) in [
        (Failure::Unreachable, 502, Outcome::UpstreamError),
        (Failure::FirstByteTimeout, 504, Outcome::Timeout),
        (Failure::ClientGone, 499, Outcome::ClientGone),
        (Failure::Shutdown, 503, Outcome::Interrupted),
    ] {
        let closed = answer(&guard(Profile::Standard)).fail(failure, 5);
        assert_eq!(
            (closed.status, closed.ended, closed.outcome.leaf.outcome),
            (status, ended, Some(ended))
        );
        assert!(text(&closed).contains(r#""record":"abab"#));
    }
}

#[test]
fn an_answer_of_another_shape_is_malformed() {
    let choices = |choices: &str| format!(r#"{{"id":"c","choices":{choices}}}"#);
    let choice = |fields: &str| choices(&format!(r#"[{{"index":0,{fields}}}]"#));
    let crowd = |n: usize| choices(&format!("[{}]", vec![r#"{"index":0}"#; n].join(",")));
    let n_max = Limits::default().choices_max;
    for (name, body, malformed) in [
        ("choices are a text", choices(r#""K-12""#), true),
        ("choices are an object", choices(r#"{"0":{"message":{"content":"K-12"}}}"#), true),
        ("a choice is a text", choices(r#"["K-12"]"#), true),
        ("a choice is a list", choices(r#"[["K-12"]]"#), true),
        ("message is a text", choice(r#""message":"K-12""#), true),
        ("message is a list", choice(r#""message":["K-12"]"#), true),
        ("logprobs are a text", choice(r#""logprobs":"K-12""#), true),
        ("logprobs are a list", choice(r#""logprobs":["K-12"]"#), true),
        ("as many as allowed", crowd(n_max), false),
        ("message is null", choice(r#""message":null,"logprobs":null"#), false),
        ("no choices", choices("null"), false),
    ] {
        let closed = plain(&guard(Profile::Standard), 200, &body);
        assert_eq!(closed.status == 502, malformed, "{name}: {}", text(&closed));
        assert_eq!(text(&closed).contains("upstream_malformed"), malformed, "{name}");
        assert!(!text(&closed).contains("K-12"), "{name}");
    }
    let crowded = plain(&guard(Profile::Standard), 200, &crowd(n_max + 1));
    assert_eq!(crowded.status, 502);
    assert!(text(&crowded).contains("(choices_max)"), "{}", text(&crowded));
    let scalar = embeddings(r#"{"data":"K-12","more":[1]}"#);
    assert_eq!(scalar, r#"{"data":"[redacted:secret.key]","more":[1]}"#);
    let item = embeddings(r#"{"data":["K-12"]}"#);
    assert_eq!(item, r#"{"data":["[redacted:secret.key]"]}"#);
}

fn embeddings(body: &str) -> String {
    let request = r#"{"model":"m","input":"a"}"#;
    match open(&guard(Profile::Standard), Endpoint::Embeddings, request) {
        Opened::Forward(forward) => text(&forward.answer.plain(200, body.as_bytes(), 0)),
        other => panic!("{other:?}"),
    }
}

/// Detects cards, in a policy that redacts them everywhere.
fn card_guard() -> Guard {
    let inspector = Arc::new(bartizan_inspect::TextInspector::new());
    let catalogue = bartizan_core::kind::Catalogue::new(inspector.kinds());
    let everywhere = r#"
@id("call") @title("call") permit (principal, action == Action::"call", resource);
@id("release") @title("release") permit (principal, action == Action::"release", resource) unless { resource in Kind::"pii.card" };
@id("redact") @title("redact") permit (principal, action == Action::"redact", resource);
"#;
    let policy = GuardPolicy::load(&[("test.cedar".to_owned(), everywhere.to_owned())], &catalogue);
    Guard { inspector, policy: Arc::new(policy.unwrap()), ..guard(Profile::Standard) }
}

const CARD: &str = "[redacted:pii.card]";

#[test]
fn log_probabilities_hide_nothing_in_odd_shapes() {
    let entry = |fields: &str| format!(r#"{{"content":[{{{fields}}}]}}"#);
    let blank = |logprob: &str| {
        entry(&format!(r#""token":"","logprob":{logprob},"bytes":null,"top_logprobs":[]"#))
    };
    let bytes = "[52,49,49,49,49,49,49,49,49,49,49,49,49,49,49,49]";
    for (name, content, logprobs, want) in [
        (
            "a text in the list",
            "\"ab\"",
            r#"{"content":["4111111111111111"]}"#.to_owned(),
            r#"{"content":[]}"#.to_owned(),
        ),
        (
            "pieces in the list",
            "\"ab\"",
            r#"{"content":["41111111","11111111"]}"#.to_owned(),
            r#"{"content":[]}"#.to_owned(),
        ),
        (
            "a number in the list",
            "\"ab\"",
            r#"{"content":[4111111111111111]}"#.to_owned(),
            r#"{"content":[]}"#.to_owned(),
        ),
        (
            "no list",
            "\"ab\"",
            r#"{"content":"4111111111111111"}"#.to_owned(),
            r#"{"content":null}"#.to_owned(),
        ),
        ("a null", "\"ab\"", r#"{"content":null}"#.to_owned(), r#"{"content":null}"#.to_owned()),
        ("logprob", "\"ab\"", entry(r#""token":"ab","logprob":4111111111111111"#), blank("null")),
        (
            "logprob with an exponent",
            "\"ab\"",
            entry(r#""token":"ab","logprob":4.111111111111111e15"#),
            blank("null"),
        ),
        (
            "another number",
            "\"ab\"",
            entry(r#""token":"ab","logprob":-1,"x":[4111111111111111]"#),
            blank("-1"),
        ),
        (
            "bytes of an alternative",
            "\"ab\"",
            entry(&format!(
                r#""token":"ab","logprob":-1,"top_logprobs":[{{"token":"","bytes":{bytes}}}]"#
            )),
            blank("-1"),
        ),
        ("other text", "\"ab\"", entry(r#""token":"other","logprob":-1"#), blank("-1")),
        ("no text", "null", entry(r#""token":"other","logprob":-1"#), blank("-1")),
        ("no text, no token", "null", entry(r#""token":"","logprob":-1,"x":"other""#), blank("-1")),
        (
            "the text",
            "\"ab\"",
            entry(r#""token":"ab","logprob":-1"#),
            entry(r#""token":"ab","logprob":-1"#),
        ),
    ] {
        let message = format!(r#"{{"content":{content}}}"#);
        let closed = plain(&card_guard(), 200, &completion(&message, &logprobs));
        assert_eq!(text(&closed), completion(&message, &want), "{name}");
    }
}

#[test]
fn what_is_refused_and_is_no_text_is_cut() {
    let refuse_media = r#""audio":{"data":"K-12"}"#;
    for (name, message, want) in [
        ("audio", format!(r#"{{"content":"ok",{refuse_media}}}"#), Some(r#"{"content":"ok","audio":null}"#)),
        ("images", r#"{"content":"ok","images":["K-12"]}"#.to_owned(), Some(r#"{"content":"ok","images":null}"#)),
        (
            "media among parts",
            r#"{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}}]}"#.to_owned(),
            Some(r#"{"content":[{"type":"text","text":"a"},null]}"#),
        ),
        (
            "text of later parts",
            r#"{"content":[{"type":"text","text":"a OBEY b"},{"type":"text","text":"c"}]}"#.to_owned(),
            Some(r#"{"content":[{"type":"text","text":"a "},{"type":"text","text":""}]}"#),
        ),
        ("a key", r#"{"content":"ok","OBEY":1}"#.to_owned(), None),
        ("a key inside", r#"{"content":"ok","x":{"OBEY":1}}"#.to_owned(), None),
    ] {
        let closed = plain(&guard(Profile::Strict), 200, &completion(&message, "null"));
        let want = want.map(|want| completion(want, "null").replace(r#""stop""#, r#""content_filter""#));
        assert_eq!(closed.ended, Outcome::Refused, "{name}");
        match want {
            Some(want) => assert_eq!(text(&closed), want, "{name}"),
            None => assert_eq!(closed.status, 502, "{name}"),
        }
    }
}

#[test]
fn text_that_is_split_over_parts_is_read_as_one() {
    let redacted = "[redacted:secret.key]";
    for (name, content, want) in [
        (
            "parts",
            r#"[{"type":"text","text":"a K-"},{"type":"text","text":"12 b"}]"#.to_owned(),
            format!(
                r#"[{{"type":"text","text":"a {redacted}"}},{{"type":"text","text":"{redacted} b"}}]"#
            ),
        ),
        ("bare strings", r#"["K-","12"]"#.to_owned(), format!(r#"["{redacted}","{redacted}"]"#)),
        (
            "refusals",
            r#"[{"type":"refusal","refusal":"K-"},{"type":"refusal","refusal":"12"}]"#.to_owned(),
            format!(
                r#"[{{"type":"refusal","refusal":"{redacted}"}},{{"type":"refusal","refusal":"{redacted}"}}]"#
            ),
        ),
    ] {
        assert_eq!(
            text(&plain(&guard(Profile::Standard), 200, &said(&content))),
            said(&want),
            "{name}"
        );
    }
}

#[test]
fn json_inside_a_string_is_read_and_stays_json() {
    let card = "4111111111111111";
    let spelled = "\\u0034111111111111111";
    for (name, inner, want) in [
        ("text", format!(r#"{{"c":"{card}"}}"#), format!(r#"{{"c":"{CARD}"}}"#)),
        ("escaped", format!(r#"{{"c":"{spelled}"}}"#), format!(r#"{{"c":"{CARD}"}}"#)),
        (
            "key twice",
            format!(r#"{{"c":"{spelled}","c":1}}"#),
            format!(r#"{{"c":"{CARD}","c":1}}"#),
        ),
        ("number", format!(r#"{{"c":{card}}}"#), r#"{"c":null}"#.to_owned()),
        ("negative", format!("[-{card}, 1]"), "[null, 1]".to_owned()),
        ("exponent", r#"{"c":4.111111111111111e15}"#.to_owned(), r#"{"c":null}"#.to_owned()),
        ("beside an escape", format!(r#"["\n{card}\/"]"#), format!(r#"["\n{CARD}\/"]"#)),
        ("a string alone", format!(r#""{spelled}""#), format!(r#""{CARD}""#)),
        ("not JSON", format!("{{ {card} "), format!("{{ {CARD} ")),
        ("prose", format!("card: {card}, ok"), format!("card: {CARD}, ok")),
        (
            "two keys",
            format!(r#"{{"{card}":"a","5555555555554444":"b","x":["{card}"]}}"#),
            format!(r#"{{"{CARD}":"a","[redacted:pii.card:2]":"b","x":["{CARD}"]}}"#),
        ),
        (
            "a key that reads like another",
            format!(r#"{{"{spelled}":1,"{CARD}":2,"b":{{"{card}":3}}}}"#),
            format!(r#"{{"[redacted:pii.card:2]":1,"{CARD}":2,"b":{{"{CARD}":3}}}}"#),
        ),
        (
            "keys of an object in a list, and more of them",
            format!(
                r#"[{{"{card} a":1,"5555555555554444 a":2,"378282246310005 a":3}},{{"{card}":0}}]"#
            ),
            format!(
                r#"[{{"{CARD} a":1,"[redacted:pii.card:2] a":2,"[redacted:pii.card:3] a":3}},{{"{CARD}":0}}]"#
            ),
        ),
    ] {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let closed = plain(&card_guard(), 200, &said(&quoted(&inner)));
        assert_eq!(text(&closed), said(&quoted(&want)), "{name}");
        let call = |arguments: &str| {
            completion(
                &format!(
                    r#"{{"content":null,"tool_calls":[{{"function":{{"name":"f","arguments":{arguments}}}}}]}}"#
                ),
                "null",
            )
        };
        let closed = plain(&card_guard(), 200, &call(&quoted(&inner)));
        assert_eq!(text(&closed), call(&quoted(&want)), "{name}, as arguments");
        let event = |arguments: &str| {
            stream::chunk(&format!(
                r#""delta":{{"tool_calls":[{{"index":0,"function":{{"arguments":{arguments}}}}}]}},"finish_reason":null"#
            ))
        };
        let events = [event(&quoted(&inner)), stream::finish("tool_calls")];
        let ran = stream::run(stream::one_of(&card_guard()), &[&events[0], &events[1]]);
        assert!(ran.tail.contains(&event(&quoted(&want))), "{name}, streamed: {}", ran.tail);
        // A level deeper, and two.
        for n_levels in 1..3 {
            let deep = |text: &str| {
                (0..n_levels).fold(text.to_owned(), |text, _| format!("[{}]", quoted(&text)))
            };
            let closed = plain(&card_guard(), 200, &said(&quoted(&deep(&inner))));
            assert_eq!(
                text(&closed),
                said(&quoted(&deep(&want))),
                "{name}, {n_levels} levels deeper"
            );
        }
    }
}

#[test]
fn json_that_is_too_deep_to_be_read_is_refused() {
    let levels = |text: &str, n: usize| {
        (0..n)
            .fold(text.to_owned(), |text, _| format!("[{}]", serde_json::to_string(&text).unwrap()))
    };
    let secret = r#"["\u004b-12"]"#;
    for (name, inner, ended) in [
        ("as deep as is read", levels("[\"x\\n\"]", 2), Outcome::Completed),
        ("deeper", levels(secret, 3), Outcome::Refused),
        ("deeper and plain", levels("[1700000000000]", 3), Outcome::Completed),
        ("many brackets", format!("{}{}", "[".repeat(70), "]".repeat(70)), Outcome::Refused),
    ] {
        let closed =
            plain(&guard(Profile::Standard), 200, &said(&serde_json::to_string(&inner).unwrap()));
        assert_eq!(closed.ended, ended, "{name}: {}", text(&closed));
    }
}

/// Reports its needle as the upstream's own key.
struct OwnKey;

impl Inspector for OwnKey {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }
    fn detector(&self, source: Source) -> Box<dyn Detector> {
        Toy.detector(source)
    }
    fn scan(&self, _: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if let Some(at) = text.windows(4).position(|bytes| bytes == b"OURS") {
            let span = Span::new(at as u64, at as u64 + 4);
            report(Finding::certain(span, bartizan_core::kind::UPSTREAM_KEY, "own@1"));
        }
    }
}

#[test]
fn our_own_key_never_leaves_whatever_policy_says() {
    let guard = Guard { inspector: Arc::new(OwnKey), ..guard(Profile::Observe) };
    let closed = plain(&guard, 200, &said(r#""it is OURS!""#));
    assert_eq!(text(&closed), said(r#""it is [redacted:secret.upstream-key]!""#));
}

#[test]
fn time_that_runs_out_while_editing_refuses() {
    let body = said(r#""a K-12""#);
    let slow = |n_looks| {
        let mut answer = answer(&guard(Profile::Standard));
        answer.guard.clock = Arc::new(Tiring::after(n_looks));
        answer.plain(200, body.as_bytes(), 0)
    };
    let ended: Vec<Outcome> = (0..40).map(|n| slow(n).ended).collect();
    assert_eq!(ended.get(1), Some(&Outcome::Refused), "no time at all");
    assert_eq!(ended.last(), Some(&Outcome::Completed), "all the time it needs");
    let last = ended.iter().rposition(|ended| *ended == Outcome::Refused).unwrap();
    let closed = slow(last);
    assert!(evidence(&closed.outcome).contains("limit.time"));
    assert_eq!(
        closed.findings, "limit.time=1, secret.key=1",
        "the text was scanned, the edits came too late"
    );
}

/// An hour passes after so many looks.
struct Tiring(std::sync::atomic::AtomicUsize);

impl Tiring {
    fn after(n_looks: usize) -> Self {
        Self(std::sync::atomic::AtomicUsize::new(n_looks))
    }
}

impl Clock for Tiring {
    fn unix_ms(&self) -> u64 {
        0
    }
    fn monotonic_us(&self) -> u64 {
        let order = std::sync::atomic::Ordering::Relaxed;
        let left = self.0.fetch_update(order, order, |left| left.checked_sub(1));
        if left.is_ok() { 0 } else { 3_600_000_000 }
    }
}

/// Finds every `#` at once, so that a test of time measures what is around the detectors.
struct Marks;

impl Inspector for Marks {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }
    fn detector(&self, source: Source) -> Box<dyn Detector> {
        Toy.detector(source)
    }
    fn scan(&self, _: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        for at in memchr::memchr_iter(b'#', text) {
            let (span, kind) = (Span::new(at as u64, at as u64 + 1), KindId::detected(0).unwrap());
            report(Finding::certain(span, kind, "marks@1"));
        }
    }
}

/// Work that grows with the square of a body takes minutes here, in any build.
#[test]
fn many_findings_cost_no_more_than_their_number() {
    let n = 9_000;
    let guard = Guard { inspector: Arc::new(Marks), ..guard(Profile::Standard) };
    let escapes = "\\n".repeat(128 << 10);
    let marks = "\\n#".repeat(n);
    let keys: Vec<String> = (0..n).map(|at| format!(r#""{at}#":"#)).collect();
    let choices: Vec<String> = (0..128)
        .map(|at| {
            format!(
                r#"{{"index":{at},"message":{{"content":"{}"}},"finish_reason":"stop"}}"#,
                "# ".repeat(n / 128)
            )
        })
        .collect();
    let entries = vec![r##"{"token":"#","logprob":-1}"##; n].join(",");
    for (name, body) in [
        ("one string", said(&format!(r#""{escapes}{marks}""#))),
        ("many strings", said(&format!("[{}]", vec![r##""#""##; n].join(",")))),
        (
            "many parts",
            said(&format!("[{}]", vec![r##"{"type":"text","text":"#"}"##; n].join(","))),
        ),
        (
            "many keys",
            completion(
                &format!(
                    r#"{{"x":{{{}}}}}"#,
                    keys.iter().map(|key| format!("{key}1")).collect::<Vec<_>>().join(",")
                ),
                "null",
            ),
        ),
        ("many choices", format!(r#"{{"choices":[{}]}}"#, choices.join(","))),
        (
            "many entries",
            completion(
                &format!(r#"{{"content":"{}"}}"#, "#".repeat(n)),
                &format!(r#"{{"content":[{entries}]}}"#),
            ),
        ),
        ("nested", said(&serde_json::to_string(&format!(r#"["{}"]"#, "\\n#".repeat(n))).unwrap())),
    ] {
        let start = clock_us();
        let closed = plain(&guard, 200, &body);
        let spent_us = clock_us() - start;
        assert_eq!(closed.ended, Outcome::Completed, "{name}");
        assert!(!text(&closed).contains('#'), "{name}");
        assert!(spent_us < 5_000_000, "{name}: {spent_us} us");
    }
}

#[expect(clippy::disallowed_methods, reason = "this test measures time, and decides nothing by it")]
fn clock_us() -> u128 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_micros()
}

/// Whatever was recorded of an exchange can be judged again from the record alone, and comes out the same.
#[test]
fn what_was_recorded_is_judged_the_same_again() {
    let catalogue = bartizan_core::kind::Catalogue::new(&KINDS);
    let answers = [
        said(r#""a K-12 b p1 OBEY c""#),
        completion(
            r#"{"content":"x","tool_calls":[{"function":{"arguments":"K-12 p1"}}]}"#,
            "null",
        ),
        r#"{"choices":[],"prompt_logprobs":[{"1":{}}]}"#.to_owned(),
    ];
    let request = r#"{"model":"m","messages":[{"role":"user","content":"p1 K-12"},{"role":"tool","content":"OBEY"}]}"#;
    for profile in Profile::ALL {
        let guard = guard(profile);
        let mut drafts = Vec::new();
        match open(&guard, Endpoint::Chat, request) {
            Opened::Forward(forward) => drafts.push((Direction::Input, forward.intent)),
            Opened::Refused { records, .. } => {
                drafts.push((Direction::Input, records.into_iter().next().unwrap()));
            }
            Opened::Rejected(reply) => panic!("{reply:?}"),
        }
        drafts.extend(
            answers.iter().map(|body| (Direction::Output, plain(&guard, 200, body).outcome)),
        );
        for (direction, draft) in drafts {
            let record: serde_json::Value = serde_json::from_str(&evidence(&draft)).unwrap();
            let facts: Vec<Evidence> = serde_json::from_value(record["evidence"].clone()).unwrap();
            let again = bartizan_policy::judge_again(
                &guard.policy,
                &catalogue,
                direction,
                draft.leaf.record,
                &facts,
            );
            let recorded: Vec<bartizan_policy::Action> =
                serde_json::from_value(record["actions"].clone()).unwrap();
            assert_eq!(again.actions(), recorded, "{profile} {direction:?}: {record}");
        }
    }
}
