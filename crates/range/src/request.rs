//! Reads a chat request: wrong types are refused as `OpenAI` refuses them, unknown fields are ignored as most servers do.
//!
//! Deliberately naive where real upstreams are: of a key that stands twice the last one counts.
use serde_json::Value;
use std::collections::BTreeMap;

/// Most messages, documents and tools of one request that are read.
pub(crate) const TEXTS_MAX: usize = 256;
/// Most answers to one request (`n`).
pub(crate) const CHOICES_MAX: u64 = 8;
/// Most alternatives per token (`top_logprobs`).
const TOP_LOGPROBS_MAX: u64 = 20;
/// Most tools offered in one request.
pub(crate) const TOOLS_MAX: usize = 128;
/// Most levels of a document that are looked into for text.
const DOCUMENT_DEPTH_MAX: usize = 8;

/// Why a request is refused: becomes `OpenAI`'s error object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRequest {
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
}

impl BadRequest {
    pub(crate) fn new(param: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(param) }
    }
}

/// What the range needs to know of a chat request.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a boolean of the wire format, and they are independent"
)]
#[derive(Clone, Debug, Default)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    /// The last user message.
    pub(crate) ask: String,
    /// The caller's own system messages, one after the other.
    pub(crate) system: String,
    /// Text that the caller did not write: tool results since the last answer, and documents.
    pub(crate) foreign: Vec<String>,
    /// The conversation ends with a tool's result.
    pub(crate) is_tool_turn: bool,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: ToolChoice,
    pub(crate) n_choices: u64,
    pub(crate) tokens_max: Option<usize>,
    pub(crate) stop: Vec<String>,
    pub(crate) wants_json: bool,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Alternatives per token, when log-probabilities are wanted.
    pub(crate) top_logprobs: Option<u64>,
    /// Every text of the conversation, for counting.
    pub(crate) texts: Vec<String>,
}

/// A function that the caller offers.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// Name and schema of each argument.
    pub(crate) properties: Vec<(String, Value)>,
}

/// Whether a tool must, may or must not be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    Forbidden,
    Required,
    Named(String),
}

impl ChatRequest {
    /// Reads a request body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let root = read_object(body)?;
        let mut request = Self {
            model: string(&root, "model")?.unwrap_or("range").to_owned(),
            n_choices: number(&root, "n", 1..=CHOICES_MAX)?.unwrap_or(1),
            stream: boolean(&root, "stream")?,
            stop: stop(&root)?,
            tools: tools(&root)?,
            tool_choice: tool_choice(&root)?,
            tokens_max: tokens_max(&root)?,
            top_logprobs: top_logprobs(&root)?,
            wants_json: wants_json(&root),
            ..Self::default()
        };
        request.include_usage = include_usage(&root, request.stream)?;
        request.read_messages(&root)?;
        request.read_documents(&root);
        Ok(request)
    }

    fn read_messages(&mut self, root: &Value) -> Result<(), BadRequest> {
        let messages = root.get("messages").and_then(Value::as_array);
        let messages =
            messages.ok_or_else(|| BadRequest::new("messages", "'messages' must be an array"))?;
        if messages.is_empty() || messages.len() > TEXTS_MAX {
            let message = format!("'messages' must have 1 to {TEXTS_MAX} items");
            return Err(BadRequest::new("messages", message));
        }
        for message in messages {
            let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
            let text = text_of(message.get("content").unwrap_or(&Value::Null))?;
            self.is_tool_turn = matches!(role, "tool" | "function");
            match role {
                "user" => self.ask.clone_from(&text),
                "system" | "developer" => push_line(&mut self.system, &text),
                "tool" | "function" => self.foreign.push(text.clone()),
                "assistant" if message.get("tool_calls").is_none_or(Value::is_null) => {
                    self.foreign.clear();
                }
                "assistant" => {}
                _ => {
                    let message = "the role must be system, developer, user, assistant or tool";
                    return Err(BadRequest::new("messages", message));
                }
            }
            self.texts.push(text);
        }
        Ok(())
    }

    fn read_documents(&mut self, root: &Value) {
        for document in
            root.get("documents").and_then(Value::as_array).into_iter().flatten().take(TEXTS_MAX)
        {
            let mut text = String::new();
            collect_text(document, DOCUMENT_DEPTH_MAX, &mut text);
            self.texts.push(text.clone());
            self.foreign.push(text);
        }
    }
}

/// The JSON object that every request is.
pub(crate) fn read_object(body: &[u8]) -> Result<Value, BadRequest> {
    let refuse = |what: String| BadRequest { message: what, param: None };
    let root: Value = serde_json::from_slice(body)
        .map_err(|error| refuse(format!("the body is no valid JSON: {error}")))?;
    if root.is_object() { Ok(root) } else { Err(refuse("the body must be a JSON object".into())) }
}

/// A field that is a string where it is there.
pub(crate) fn string<'a>(
    root: &'a Value,
    name: &'static str,
) -> Result<Option<&'a str>, BadRequest> {
    match root.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(BadRequest::new(name, format!("'{name}' must be a string"))),
    }
}

/// A field that is a whole number in a range where it is there.
pub(crate) fn number(
    root: &Value,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, BadRequest> {
    match root.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                let message = format!("'{name}' must be a whole number from {low} to {high}");
                Err(BadRequest::new(name, message))
            }
        },
    }
}

fn boolean(root: &Value, name: &'static str) -> Result<bool, BadRequest> {
    match root.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(_) => Err(BadRequest::new(name, format!("'{name}' must be true or false"))),
    }
}

fn tokens_max(root: &Value) -> Result<Option<usize>, BadRequest> {
    let newer = number(root, "max_completion_tokens", 1..=u64::MAX)?;
    let older = number(root, "max_tokens", 1..=u64::MAX)?;
    Ok(newer.or(older).map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)))
}

fn top_logprobs(root: &Value) -> Result<Option<u64>, BadRequest> {
    let top = number(root, "top_logprobs", 0..=TOP_LOGPROBS_MAX)?;
    match (boolean(root, "logprobs")?, top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None) => Ok(None),
        (false, Some(_)) => {
            Err(BadRequest::new("top_logprobs", "'top_logprobs' needs 'logprobs': true"))
        }
    }
}

fn include_usage(root: &Value, stream: bool) -> Result<bool, BadRequest> {
    match root.get("stream_options") {
        None | Some(Value::Null) => Ok(false),
        Some(options) if stream && options.is_object() => boolean(options, "include_usage"),
        Some(_) => {
            let message = "'stream_options' must be an object, and needs 'stream': true";
            Err(BadRequest::new("stream_options", message))
        }
    }
}

fn stop(root: &Value) -> Result<Vec<String>, BadRequest> {
    let refuse =
        || BadRequest::new("stop", "'stop' must be a string or an array of at most 4 strings");
    match root.get("stop") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) if items.len() <= 4 => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refuse)).collect()
        }
        Some(_) => Err(refuse()),
    }
}

fn wants_json(root: &Value) -> bool {
    let kind = root.pointer("/response_format/type").and_then(Value::as_str);
    matches!(kind, Some("json_object" | "json_schema"))
}

fn tools(root: &Value) -> Result<Vec<Tool>, BadRequest> {
    let refuse = || {
        let message =
            format!("'tools' must be an array of at most {TOOLS_MAX} functions with a name");
        BadRequest::new("tools", message)
    };
    match root.get("tools") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= TOOLS_MAX => {
            items.iter().map(|item| tool(item).ok_or_else(refuse)).collect()
        }
        Some(_) => Err(refuse()),
    }
}

fn tool(item: &Value) -> Option<Tool> {
    let name = item.pointer("/function/name")?.as_str()?.to_owned();
    let properties = item.pointer("/function/parameters/properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten().take(TEXTS_MAX);
    Some(Tool {
        name,
        properties: properties.map(|(name, schema)| (name.clone(), schema.clone())).collect(),
    })
}

fn tool_choice(root: &Value) -> Result<ToolChoice, BadRequest> {
    let refuse = || {
        BadRequest::new(
            "tool_choice",
            "'tool_choice' must be none, auto, required or name a function",
        )
    };
    match root.get("tool_choice") {
        None | Some(Value::Null) => Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::Forbidden),
            "required" => Ok(ToolChoice::Required),
            _ => Err(refuse()),
        },
        Some(choice) => {
            let name =
                choice.pointer("/function/name").and_then(Value::as_str).ok_or_else(refuse)?;
            Ok(ToolChoice::Named(name.to_owned()))
        }
    }
}

/// The text of a message: a string, nothing, or the text parts of an array. The range sees no pictures.
fn text_of(content: &Value) -> Result<String, BadRequest> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            let mut text = String::new();
            for part in parts {
                if let Some(Value::String(part)) = part.get("text") {
                    push_line(&mut text, part);
                }
            }
            Ok(text)
        }
        _ => Err(BadRequest::new(
            "messages",
            "a message's 'content' must be a string or an array of parts",
        )),
    }
}

fn collect_text(value: &Value, depth_left: usize, into: &mut String) {
    match value {
        Value::String(text) => push_line(into, text),
        Value::Array(items) if depth_left > 0 => {
            for item in items {
                collect_text(item, depth_left - 1, into);
            }
        }
        Value::Object(fields) if depth_left > 0 => {
            // By name: whether a map keeps the order of the text depends on what else is in the build.
            let by_name: BTreeMap<&String, &Value> = fields.iter().collect();
            for field in by_name.into_values() {
                collect_text(field, depth_left - 1, into);
            }
        }
        _ => {}
    }
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() && !line.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(field: &str, value: Value) -> Value {
        let mut root = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        root[field] = value;
        root
    }

    fn read(root: &Value) -> Result<ChatRequest, BadRequest> {
        ChatRequest::read(root.to_string().as_bytes())
    }

    #[test]
    fn wrong_requests_are_refused_and_name_the_field() {
        let user = json!({"role": "user", "content": "hi"});
        let cases = [
            ("model", json!(1)),
            ("messages", json!("hi")),
            ("messages", json!([])),
            ("messages", json!(vec![&user; TEXTS_MAX + 1])),
            ("messages", json!([{"role": "wizard", "content": "hi"}])),
            ("messages", json!([{"content": "hi"}])),
            ("messages", json!([{"role": "user", "content": 7}])),
            ("messages", json!([7])),
            ("n", json!(0)),
            ("n", json!(CHOICES_MAX + 1)),
            ("n", json!("2")),
            ("stream", json!("yes")),
            ("stream_options", json!({"include_usage": true})),
            ("max_tokens", json!(0)),
            ("max_tokens", json!(-1)),
            ("max_completion_tokens", json!(1.5)),
            ("top_logprobs", json!(2)),
            ("logprobs", json!(3)),
            ("stop", json!({"a": 1})),
            ("stop", json!(["a", "b", "c", "d", "e"])),
            ("stop", json!([1])),
            ("tools", json!({})),
            ("tools", json!([{"type": "function"}])),
            ("tools", json!(vec![json!({"function": {"name": "f"}}); TOOLS_MAX + 1])),
            ("tool_choice", json!("maybe")),
            ("tool_choice", json!({"type": "function"})),
        ];
        for (field, value) in cases {
            let root = with(field, value);
            let refused = read(&root).expect_err(&root.to_string());
            assert_eq!(refused.param, Some(field), "{root}");
        }
        let mut stream = with("stream", json!(true));
        stream["stream_options"] = json!(3);
        assert_eq!(read(&stream).unwrap_err().param, Some("stream_options"));
    }

    #[test]
    fn bytes_that_are_no_json_object_are_refused() {
        let deep = "[".repeat(1000);
        for body in ["", "{", "[]", "7", "{\"a\":1}x", "\u{feff}{}", deep.as_str()] {
            assert!(ChatRequest::read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(ChatRequest::read(b"{\"messages\":\"\xff\"}").is_err(), "invalid UTF-8");
    }

    #[test]
    fn the_conversation_is_read_by_source() {
        let root = json!({
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
                {"role": "user", "content": "first"},
                {"role": "tool", "tool_call_id": "a", "content": "old result"},
                {"role": "assistant", "content": "an answer"},
                {"role": "user", "content": [
                    {"type": "text", "text": "second"},
                    {"type": "image_url", "image_url": {"url": "data:"}},
                    {"type": "text", "text": "third"}
                ]},
                {"role": "assistant", "content": null, "tool_calls": []},
                {"role": "tool", "tool_call_id": "b", "content": "new result"},
            ],
            "documents": ["plain", {"doc": {"title": "t", "parts": ["x", 3]}}],
        });
        let request = read(&root).unwrap();
        assert_eq!(request.model, "range");
        assert_eq!(request.system, "be brief\nbe kind");
        assert_eq!(request.ask, "second\nthird");
        assert_eq!(request.foreign, ["new result", "plain", "x\nt"]);
        assert!(request.is_tool_turn);
    }

    #[test]
    fn documents_beyond_the_limits_are_not_read() {
        let mut deep = json!("bottom");
        for _ in 0..DOCUMENT_DEPTH_MAX {
            deep = json!([deep]);
        }
        assert_eq!(read(&with("documents", json!([deep]))).unwrap().foreign, ["bottom"]);
        assert_eq!(read(&with("documents", json!([[deep]]))).unwrap().foreign, [""]);
        let many = with("documents", json!(vec!["x"; TEXTS_MAX + 1]));
        assert_eq!(read(&many).unwrap().foreign.len(), TEXTS_MAX);
    }

    #[test]
    fn an_answer_without_tool_calls_ends_the_round() {
        let cases = [
            (json!({"role": "assistant", "content": "done"}), 0),
            (json!({"role": "assistant", "content": "done", "tool_calls": null}), 0),
            (json!({"role": "assistant", "content": null, "tool_calls": [{}]}), 1),
        ];
        for (message, n_foreign) in cases {
            let tool = json!({"role": "tool", "content": "result"});
            let root = with("messages", json!([tool, message]));
            assert_eq!(read(&root).unwrap().foreign.len(), n_foreign, "{root}");
        }
    }
}
