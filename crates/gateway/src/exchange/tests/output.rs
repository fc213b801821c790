//! What an upstream answers in one piece.
use super::*;

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
        (
            "error that is not JSON",
            500,
            "K-12",
            502,
            "upstream_unreachable",
            Outcome::UpstreamError,
        ),
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
