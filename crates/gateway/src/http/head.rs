//! The head of a request, checked strictly: whatever two servers could read differently is refused here, before a byte of the
//! body is read. What a head must not say is refused with its own code; what it may say and does not matter is not passed on either.
use super::hosts::Callers;
use crate::exchange::{CONVERSATION_BYTES_MAX, Endpoint};
use crate::paths::{Lookup, lookup};
use crate::reply::Reply;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Method, Version};

/// A request that is turned away, and the one extra header that may go with the answer.
#[derive(Clone, Debug)]
pub(super) struct Denial {
    pub(super) reply: Box<Reply>,
    /// The value of `allow`, for a wrong method.
    pub(super) allow: Option<&'static str>,
}

impl From<Reply> for Denial {
    fn from(reply: Reply) -> Self {
        Self { reply: Box::new(reply), allow: None }
    }
}

/// What the wire has seen of a head, and hyper does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The body is framed in two ways.
    pub(super) is_conflicting: bool,
    /// The target has a fragment, which no request has.
    pub(super) has_fragment: bool,
}

/// What a sound head asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) endpoint: Endpoint,
    /// Bytes of body that were announced; HTTP/2 need not announce.
    pub(super) body_bytes: Option<u64>,
}

/// Checks framing, then who may call at all, then the path.
pub(super) fn check_door(parts: &Parts, seen: Seen, callers: &Callers) -> Result<Endpoint, Denial> {
    check_framing(parts, seen.is_conflicting)?;
    callers.check(&parts.headers, &parts.uri)?;
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(method_not_allowed(""));
    }
    if seen.has_fragment {
        return Err(unknown_path().into());
    }
    match lookup(parts.method.as_str(), parts.uri.path()) {
        Lookup::Guarded(endpoint) => Ok(endpoint),
        Lookup::WrongMethod { allow } => Err(method_not_allowed(allow)),
        Lookup::Closed => Err(Reply::new(
            403,
            "path_closed",
            "this path is known and closed: its traffic cannot be guarded",
        )
        .into()),
        Lookup::Unknown => Err(unknown_path().into()),
    }
}

/// Checks what is said of the body, once it is known who calls.
pub(super) fn check_body_head(
    parts: &Parts,
    endpoint: Endpoint,
    body_bytes_max: usize,
) -> Result<Head, Denial> {
    let body_bytes = content_length(&parts.headers)?;
    if endpoint == Endpoint::Models {
        if body_bytes.is_some_and(|bytes| bytes > 0) {
            return Err(Reply::new(400, "unexpected_body", "a GET request has no body").into());
        }
        return Ok(Head { endpoint, body_bytes: Some(0) });
    }
    if body_bytes.is_none() && parts.version < Version::HTTP_2 {
        return Err(length_required().into());
    }
    let is_plain = |coding: &http::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !parts.headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        let text = "compressed bodies are not read: send the JSON as it is";
        return Err(Reply::new(415, "unsupported_encoding", text).into());
    }
    check_content_type(&parts.headers)?;
    if body_bytes.is_some_and(|bytes| bytes > body_bytes_max as u64) {
        return Err(body_too_large(body_bytes_max).into());
    }
    Ok(Head { endpoint, body_bytes })
}

/// The reply to a body beyond its limit.
pub(super) fn body_too_large(body_bytes_max: usize) -> Reply {
    Reply::new(
        413,
        "body_too_large",
        format!("the body is larger than {body_bytes_max} bytes (limit body_bytes_max)"),
    )
}

/// Hyper drops a `content-length` that stands beside a `transfer-encoding`, whichever comes first, so that only the wire has seen the two
/// disagree. That is why no transfer coding is accepted at all; every client of this API knows the length of its JSON.
fn check_framing(parts: &Parts, is_conflicting: bool) -> Result<(), Reply> {
    let headers = &parts.headers;
    if headers.contains_key(TRANSFER_ENCODING) {
        if is_conflicting || headers.contains_key(CONTENT_LENGTH) {
            return Err(conflicting_framing());
        }
        return Err(length_required());
    }
    if headers.contains_key(EXPECT) {
        let all_known = headers
            .get_all(EXPECT)
            .iter()
            .all(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if !all_known {
            return Err(Reply::new(
                417,
                "expectation_failed",
                "the only expectation met here is 100-continue",
            ));
        }
    }
    // Java's client offers h2c with every first request and goes on without it; anything else wants another protocol.
    if headers.get_all(UPGRADE).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"h2c")) {
        return Err(Reply::new(400, "upgrade_refused", "connections are not upgraded here"));
    }
    Ok(())
}

/// The reply to a body whose length is said in two ways, or in none that can be read.
pub(super) fn conflicting_framing() -> Reply {
    Reply::new(
        400,
        "conflicting_framing",
        "the length of the body is said in two ways, or is no number: send one content-length and no transfer-encoding",
    )
}

fn unknown_path() -> Reply {
    Reply::new(404, "unknown_path", "there is no such path here")
}

fn length_required() -> Reply {
    Reply::new(
        411,
        "length_required",
        "send the body with a content-length: chunked bodies are refused, because proxies disagree about them",
    )
}

fn method_not_allowed(allow: &'static str) -> Denial {
    let reply = Reply::new(405, "method_not_allowed", "this path does not take this method");
    Denial { reply: Box::new(reply), allow: (!allow.is_empty()).then_some(allow) }
}

/// The one value of a header that may stand at most once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Reply> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (line, None) => Ok(line.map(http::HeaderValue::as_bytes)),
        _ => Err(Reply::new(
            400,
            "duplicate_header",
            format!("the {name} header stands more than once"),
        )),
    }
}

/// The value of the header that names an exchange's subject.
pub(super) fn subject<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Reply> {
    let Some(value) = single(headers, name)? else { return Ok(None) };
    let not_text =
        |_| Reply::new(400, "malformed_subject", format!("the {name} header is not UTF-8"));
    std::str::from_utf8(value).map(Some).map_err(not_text)
}

/// The header by which a caller names the conversation that a request belongs to.
const X_BARTIZAN_CONVERSATION: HeaderName = HeaderName::from_static("x-bartizan-conversation");

/// The caller's name for the conversation.
pub(super) fn conversation(headers: &HeaderMap) -> Result<Option<&str>, Reply> {
    let malformed = |what: String| {
        let message = format!("the {X_BARTIZAN_CONVERSATION} header {what}");
        Reply::new(400, "malformed_conversation", message)
    };
    let Some(value) = single(headers, &X_BARTIZAN_CONVERSATION)? else { return Ok(None) };
    if CONVERSATION_BYTES_MAX < value.len() {
        let n = value.len();
        let what = format!("has {n} bytes, at most {CONVERSATION_BYTES_MAX} are taken");
        return Err(malformed(what));
    }
    std::str::from_utf8(value).map(Some).map_err(|_| malformed("is not UTF-8".to_owned()))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Reply> {
    let Some(value) = single(headers, &CONTENT_LENGTH)? else { return Ok(None) };
    let digits = std::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(conflicting_framing()),
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Reply> {
    let value = single(headers, &CONTENT_TYPE)?.unwrap_or_default();
    let text = std::str::from_utf8(value).unwrap_or_default();
    let mut pieces = text.split(';').map(str::trim);
    let json = pieces.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let plain = pieces.all(|parameter| {
        parameter.eq_ignore_ascii_case("charset=utf-8")
            || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
    });
    if json && plain {
        Ok(())
    } else {
        Err(Reply::new(
            415,
            "unsupported_media_type",
            "the content-type must be application/json, in UTF-8",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, target: &str, lines: &[(&str, &str)]) -> Parts {
        let mut builder = http::Request::builder().method(method).uri(target);
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    /// The code of the refusal, or `ok`; chat completions with a sound head unless `lines` say otherwise.
    fn check(method: &str, target: &str, lines: &[(&str, &str)]) -> &'static str {
        let parts = parts(method, target, lines);
        let checked = check_door(&parts, Seen::default(), &Callers::default())
            .and_then(|e| check_body_head(&parts, e, 1000));
        checked.map_or_else(|denial| denial.reply.code, |_| "ok")
    }

    const HOST: (&str, &str) = ("host", "localhost");
    const JSON: (&str, &str) = ("content-type", "application/json");
    const LENGTH: (&str, &str) = ("content-length", "10");

    #[test]
    fn sound_heads_pass() {
        for (name, lines) in [
            ("plain", &[HOST, JSON, LENGTH][..]),
            ("charset", &[HOST, ("content-type", "Application/JSON; charset=UTF-8"), LENGTH]),
            (
                "quoted charset",
                &[HOST, ("content-type", "application/json;charset=\"utf-8\""), LENGTH],
            ),
            ("expectation", &[HOST, JSON, LENGTH, ("expect", "100-Continue")]),
            (
                "java",
                &[
                    HOST,
                    JSON,
                    LENGTH,
                    ("connection", "Upgrade, HTTP2-Settings"),
                    ("upgrade", "h2c"),
                ],
            ),
            ("not compressed", &[HOST, JSON, LENGTH, ("content-encoding", "Identity")]),
            ("largest", &[HOST, JSON, ("content-length", "1000")]),
        ] {
            assert_eq!(check("POST", "/v1/chat/completions", lines), "ok", "{name}");
        }
        assert_eq!(check("GET", "/v1/models?limit=1", &[HOST]), "ok");
    }

    #[test]
    fn doubtful_framing_is_refused() {
        for (name, lines, want) in [
            ("chunked", &[HOST, JSON, ("transfer-encoding", "chunked")][..], "length_required"),
            ("other coding", &[HOST, JSON, ("transfer-encoding", "identity")], "length_required"),
            (
                "both",
                &[HOST, JSON, LENGTH, ("transfer-encoding", "chunked")],
                "conflicting_framing",
            ),
            (
                "both, other order",
                &[HOST, JSON, ("transfer-encoding", "chunked"), LENGTH],
                "conflicting_framing",
            ),
            ("no length", &[HOST, JSON], "length_required"),
            ("two lengths", &[HOST, JSON, LENGTH, LENGTH], "duplicate_header"),
            ("length list", &[HOST, JSON, ("content-length", "10, 10")], "conflicting_framing"),
            ("signed length", &[HOST, JSON, ("content-length", "+10")], "conflicting_framing"),
            ("empty length", &[HOST, JSON, ("content-length", "")], "conflicting_framing"),
            (
                "huge length",
                &[HOST, JSON, ("content-length", "99999999999999999999")],
                "conflicting_framing",
            ),
            ("too large", &[HOST, JSON, ("content-length", "1001")], "body_too_large"),
            ("odd expectation", &[HOST, JSON, LENGTH, ("expect", "200-ok")], "expectation_failed"),
            ("websocket", &[HOST, JSON, LENGTH, ("upgrade", "websocket")], "upgrade_refused"),
            (
                "compressed",
                &[HOST, JSON, LENGTH, ("content-encoding", "gzip")],
                "unsupported_encoding",
            ),
            (
                "compressed under identity",
                &[HOST, JSON, LENGTH, ("content-encoding", "identity"), ("content-encoding", "br")],
                "unsupported_encoding",
            ),
            (
                "a list of codings",
                &[HOST, JSON, LENGTH, ("content-encoding", "identity, gzip")],
                "unsupported_encoding",
            ),
            ("no type", &[HOST, LENGTH], "unsupported_media_type"),
            (
                "form",
                &[HOST, ("content-type", "application/x-www-form-urlencoded"), LENGTH],
                "unsupported_media_type",
            ),
            ("text", &[HOST, ("content-type", "text/plain"), LENGTH], "unsupported_media_type"),
            (
                "other charset",
                &[HOST, ("content-type", "application/json; charset=utf-16"), LENGTH],
                "unsupported_media_type",
            ),
            ("two types", &[HOST, JSON, JSON, LENGTH], "duplicate_header"),
            ("no host", &[JSON, LENGTH], "missing_host"),
        ] {
            assert_eq!(check("POST", "/v1/chat/completions", lines), want, "{name}");
        }
        assert_eq!(check("GET", "/v1/models", &[HOST, LENGTH]), "unexpected_body");
    }

    #[test]
    fn doors_other_than_the_guarded_ones_stay_shut() {
        for (method, target, want) in [
            ("POST", "/v1/responses", "path_closed"),
            ("POST", "/v1/completions", "path_closed"),
            ("GET", "/v1/nothing", "unknown_path"),
            ("GET", "/v1/chat/completions/", "unknown_path"),
            ("PUT", "/v1/chat/completions", "method_not_allowed"),
            ("TRACE", "/v1/chat/completions", "method_not_allowed"),
            ("OPTIONS", "/v1/chat/completions", "method_not_allowed"),
            ("HEAD", "/v1/models", "method_not_allowed"),
        ] {
            assert_eq!(check(method, target, &[HOST, JSON, LENGTH]), want, "{method} {target}");
        }
        let connect = parts("CONNECT", "localhost:80", &[HOST]);
        let host_differs = check_door(&connect, Seen::default(), &Callers::default()).unwrap_err();
        assert_eq!(host_differs.reply.code, "foreign_host");
        let connect = parts("CONNECT", "localhost:80", &[("host", "localhost:80")]);
        assert_eq!(
            check_door(&connect, Seen::default(), &Callers::default()).unwrap_err().reply.code,
            "method_not_allowed"
        );
        let denial =
            check_door(&parts("PUT", "/v1/models", &[HOST]), Seen::default(), &Callers::default())
                .unwrap_err();
        assert_eq!(denial.allow, Some("GET"));
    }
}
