//! What a caller reads when something is refused: the error shape of the `OpenAI` API, with our record id beside it.
use bartizan_core::record::RecordId;
use std::fmt::Write as _;

/// A refusal or failure on its way to the caller. It never quotes what the caller or the upstream sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `error.code`, stable.
    pub code: &'static str,
    /// `error.reason`: a stable word for why, finer than the code (`guard.secret`, `limit.time`).
    pub reason: Option<String>,
    /// `error.message`, for people.
    pub message: String,
    /// `error.param`: the place in the request.
    pub param: Option<String>,
    /// `error.record`: the exchange in the ledger, where there is one.
    pub record: Option<RecordId>,
}

impl Reply {
    /// A reply without reason, place and record.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, reason: None, message: message.into(), param: None, record: None }
    }

    /// `error.type`, as the `OpenAI` API names the families of errors.
    pub fn family(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            500.. => "upstream_error",
            _ => "invalid_request_error",
        }
    }

    /// The body: one JSON object.
    ///
    /// ```
    /// # use bartizan_gateway::reply::Reply;
    /// let body = Reply::new(404, "unknown_path", "no such path").body();
    /// assert!(String::from_utf8(body)?.starts_with(r#"{"error":{"message":"no such path","type":"invalid_request_error""#));
    /// # Ok::<(), std::string::FromUtf8Error>(())
    /// ```
    pub fn body(&self) -> Vec<u8> {
        let mut out = b"{\"error\":{\"message\":".to_vec();
        push_string(&self.message, &mut out);
        out.extend_from_slice(b",\"type\":");
        push_string(self.family(), &mut out);
        out.extend_from_slice(b",\"param\":");
        match &self.param {
            Some(param) => push_string(param, &mut out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"code\":");
        push_string(self.code, &mut out);
        if let Some(reason) = &self.reason {
            out.extend_from_slice(b",\"reason\":");
            push_string(reason, &mut out);
        }
        if let Some(record) = &self.record {
            let mut text = String::new();
            write!(text, "{record}").unwrap_or_default();
            out.extend_from_slice(b",\"record\":");
            push_string(&text, &mut out);
        }
        out.extend_from_slice(b"}}");
        out
    }
}

fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    bartizan_core::json::encode_into(text.as_bytes(), out);
    out.push(b'"');
}
