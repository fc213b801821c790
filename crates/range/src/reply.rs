//! Routes a request and shapes the answer, errors included, as `OpenAI` does.
use crate::answer::Way;
use crate::completion::{CREATED, Events, to_json};
use crate::range::Fate;
use crate::request::BadRequest;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

/// What the range answers to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// How a chat answer came about; sent as the header `x-range-way`.
    pub way: Option<Way>,
    /// The failure that the request asked for by the name of its model (`range-500`, `range-cut`, `range-stall`).
    pub fate: Option<Fate>,
    /// The body.
    pub body: ReplyBody,
}

/// The body of a reply.
#[derive(Clone, Debug)]
pub enum ReplyBody {
    /// One JSON document (`application/json`).
    Json(Bytes),
    /// Server-sent events (`text/event-stream`).
    Events(Box<Events>),
}

impl Reply {
    pub(crate) fn json(body: Bytes) -> Self {
        Self { status: StatusCode::OK, way: None, fate: None, body: ReplyBody::Json(body) }
    }

    /// An error in `OpenAI`'s shape.
    pub(crate) fn error(
        status: StatusCode,
        message: &str,
        param: Option<&str>,
        code: Option<&str>,
    ) -> Self {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let error = json!({ "message": message, "type": kind, "param": param, "code": code });
        Self { status, ..Self::json(to_json(&json!({ "error": error }))) }
    }

    pub(crate) fn refused(refused: &BadRequest) -> Self {
        Self::error(StatusCode::BAD_REQUEST, &refused.message, refused.param, None)
    }

    pub(crate) fn not_found(method: &http::Method, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path})");
        Self::error(StatusCode::NOT_FOUND, &message, None, Some("unknown_url"))
    }

    pub(crate) fn wrong_method(method: &http::Method, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}");
        Self::error(StatusCode::METHOD_NOT_ALLOWED, &message, None, Some("method_not_supported"))
    }

    pub(crate) fn no_such_model(name: &str) -> Self {
        let message = format!("The model '{name}' does not exist");
        Self::error(StatusCode::NOT_FOUND, &message, Some("model"), Some("model_not_found"))
    }
}

/// Names that the range goes by; it answers to any other name as well. Chat requests to the last three always fail.
pub(crate) const MODELS: [&str; 5] =
    ["range", "range-embedding", "range-500", "range-cut", "range-stall"];

/// The failure that a model's name stands for.
pub(crate) fn fate_by_name(model: &str) -> Option<Fate> {
    match model {
        "range-500" => Some(Fate::Refuse),
        "range-cut" => Some(Fate::Cut { after: 2 }),
        "range-stall" => Some(Fate::Stall { after: 2 }),
        _ => None,
    }
}

pub(crate) fn model(name: &str) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "bartizan-range",
        "description": "practice range: no language model is inside",
    })
}

pub(crate) fn models() -> Value {
    json!({ "object": "list", "data": MODELS.map(model) })
}
