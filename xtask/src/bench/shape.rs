//! What one exchange of the bench looks like: the request that is sent, the answer that must come back.
//!
//! A shape travels to the mock upstream as the name of the model, so that one mock serves every cell, through any proxy. Prompt and
//! answer are prose without a finding: these figures are those of the common case, where a guard reads all and changes nothing.
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most bytes of text in one answer.
pub(crate) const TEXT_BYTES_MAX: u32 = 4 << 20;
/// Most chunks in one stream.
pub(crate) const CHUNKS_MAX: u32 = 10_000;
/// The longest pause between two chunks.
pub(crate) const DELAY_MS_MAX: u32 = 10_000;
/// How a complete stream ends.
const DONE: &[u8] = b"data: [DONE]";
/// Where in a request the model's name must have begun.
const MODEL_OFFSET_MAX: usize = 64;

const PROSE: &str = "Please summarise the following support ticket and propose a reply. The customer, who joined in 2019, reports that the \
export button in the billing page does nothing when the date range spans two fiscal years. They have tried two browsers. ";

/// How large an exchange is and how it is paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Answered as a stream of events rather than as one JSON document.
    pub(crate) stream: bool,
    /// Bytes of text in the prompt, and again in the answer.
    pub(crate) text_bytes: u32,
    /// Content events of a stream. The mock flushes each one, as a model that generates does.
    pub(crate) n_chunks: u32,
    /// The mock's pause before each event but the first.
    pub(crate) delay_ms: u32,
}

impl Shape {
    /// The model's name. Letters stand between the numbers, lest it look like a telephone number to a guard.
    fn model(self) -> String {
        format!("mock-b{}c{}d{}", self.text_bytes, self.n_chunks, self.delay_ms)
    }

    /// Reads the shape from a request, which must name the model first and then say whether it wants a stream.
    pub(crate) fn of_request(body: &[u8]) -> Option<Self> {
        let start = body.get(..body.len().min(MODEL_OFFSET_MAX))?;
        let start = std::str::from_utf8(start).ok()?;
        let (_, rest) = start.split_once(r#""model":"mock-b"#)?;
        let (text_bytes, rest) = rest.split_once('c')?;
        let (n_chunks, rest) = rest.split_once('d')?;
        let (delay_ms, rest) = rest.split_once('"')?;
        let shape = Self {
            stream: rest.starts_with(r#","stream":true"#),
            text_bytes: text_bytes.parse().ok()?,
            n_chunks: n_chunks.parse().ok()?,
            delay_ms: delay_ms.parse().ok()?,
        };
        let within = shape.text_bytes <= TEXT_BYTES_MAX
            && (1..=CHUNKS_MAX).contains(&shape.n_chunks)
            && shape.delay_ms <= DELAY_MS_MAX;
        within.then_some(shape)
    }

    /// The body of the request.
    pub(crate) fn request(self) -> String {
        let (model, stream, text) = (self.model(), self.stream, prose(self.text_bytes));
        format!(
            r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"system","content":"You are a careful and concise assistant."}},{{"role":"user","content":"{text}"}}],"temperature":0.2}}"#
        )
    }

    /// The plain answer.
    pub(crate) fn answer(self) -> Bytes {
        let (model, text) = (self.model(), prose(self.text_bytes));
        Bytes::from(format!(
            r#"{{"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":32,"completion_tokens":64,"total_tokens":96}}}}"#
        ))
    }

    /// The events of the stream; the last one carries the finish reason and `[DONE]`.
    pub(crate) fn events(self) -> Vec<Bytes> {
        let model = self.model();
        let event = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"{model}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let text = prose(self.text_bytes);
        let n_each = text.len().div_ceil(usize::try_from(self.n_chunks).unwrap_or(1)).max(1);
        let pieces = text.as_bytes().chunks(n_each).map(|piece| String::from_utf8_lossy(piece));
        let mut events: Vec<Bytes> = pieces
            .map(|piece| event(&format!(r#"{{"content":"{piece}"}}"#), "null").into())
            .collect();
        events.push(format!("{}data: [DONE]\n\n", event("{}", "\"stop\"")).into());
        events
    }

    /// Whether an answer that was counted, not kept, can be the right one: `n_bytes` of body that end with `tail`.
    ///
    /// A proxy may frame a stream anew and add comments, so a stream has no exact length; it has all its text and its end.
    pub(crate) fn accepts(self, n_bytes: u64, tail: &[u8], n_bytes_plain: u64) -> bool {
        if self.stream {
            n_bytes >= u64::from(self.text_bytes) && tail.trim_ascii_end().ends_with(DONE)
        } else {
            n_bytes == n_bytes_plain
        }
    }

    /// Whether an answer that was kept says what it must, text and end.
    pub(crate) fn accepts_fully(self, body: &[u8]) -> bool {
        let Ok(body) = std::str::from_utf8(body) else { return false };
        let text = if self.stream { streamed_text(body) } else { plain_text(body) };
        text.is_some_and(|text| text == prose(self.text_bytes))
    }
}

fn plain_text(body: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(body).ok()?;
    Some(answer.pointer("/choices/0/message/content")?.as_str()?.to_owned())
}

/// The text of all events; `None` unless the stream has a finish reason and then its end, and nothing but comments after it.
fn streamed_text(body: &str) -> Option<String> {
    let mut text = String::new();
    let mut finished = false;
    let mut data = body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    for event in data.by_ref().take_while(|event| *event != "[DONE]") {
        let event: Value = serde_json::from_str(event).ok()?;
        text.push_str(
            event.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default(),
        );
        finished |=
            event.pointer("/choices/0/finish_reason").is_some_and(|reason| reason == "stop");
    }
    (finished && data.next().is_none() && body.trim_end().ends_with("data: [DONE]")).then_some(text)
}

/// So many bytes of prose.
fn prose(n_bytes: u32) -> String {
    PROSE.chars().cycle().take(usize::try_from(n_bytes).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Shape = Shape { stream: false, text_bytes: 1024, n_chunks: 1, delay_ms: 0 };
    const STREAM: Shape = Shape { stream: true, text_bytes: 1024, n_chunks: 64, delay_ms: 7 };

    #[test]
    fn a_shape_survives_the_request() {
        for shape in [
            PLAIN,
            STREAM,
            Shape { text_bytes: 0, ..PLAIN },
            Shape {
                text_bytes: TEXT_BYTES_MAX,
                n_chunks: CHUNKS_MAX,
                delay_ms: DELAY_MS_MAX,
                stream: true,
            },
        ] {
            let request = shape.request();
            assert_eq!(Shape::of_request(request.as_bytes()), Some(shape));
            let json: Value = serde_json::from_str(&request).unwrap();
            assert_eq!(
                json["messages"][1]["content"].as_str().unwrap().len(),
                usize::try_from(shape.text_bytes).unwrap()
            );
        }
    }

    #[test]
    fn foreign_requests_have_no_shape() {
        let cases = [
            "",
            "{}",
            r#"{"model":"gpt"}"#,
            r#"{"model":"mock-b1"}"#,
            r#"{"model":"mock-b1c1d"}"#,
            r#"{"model":"mock-b-1c1d1"}"#,
            r#"{"model":"mock-b1c0d1"}"#,
            r#"{"model":"mock-b1c1d10001"}"#,
            r#"{"model":"mock-b4194305c1d1"}"#,
            r#"{"model":"mock-b1c10001d1"}"#,
        ];
        for body in cases {
            assert_eq!(Shape::of_request(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn only_the_whole_answer_is_accepted() {
        let plain = PLAIN.answer();
        assert!(PLAIN.accepts_fully(&plain));
        assert!(!PLAIN.accepts_fully(&plain[..plain.len() - 1]), "cut");
        assert!(
            !PLAIN.accepts_fully(&Shape { text_bytes: 1023, ..PLAIN }.answer()),
            "a byte short"
        );
        assert!(!PLAIN.accepts_fully(b"\xff"), "not text");

        let events = STREAM.events();
        assert_eq!(events.len(), 65);
        let stream = String::from_utf8(events.concat()).unwrap();
        let cases = [
            ("as it is", stream.clone(), true),
            (
                "with a comment before the end",
                stream.replace("data: [DONE]", ": a comment\n\ndata: [DONE]"),
                true,
            ),
            ("with CRLF", stream.replace('\n', "\r\n"), true),
            ("without its end", stream.replace("data: [DONE]", ""), false),
            ("without its finish reason", stream.replace("\"stop\"", "null"), false),
            ("refused at the end", stream.replace("\"stop\"", "\"content_filter\""), false),
            ("with an event lost", stream.replacen("data: ", ": ", 1), false),
            ("with a letter changed", stream.replacen("Please", "please", 1), false),
            ("with more after its end", format!("{stream}data: {{}}\n\n"), false),
            ("empty", String::new(), false),
        ];
        for (name, body, want) in cases {
            assert_eq!(STREAM.accepts_fully(body.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn counting_notices_a_short_answer() {
        let cases = [
            ("plain", PLAIN, 2000, &b"}"[..], true),
            ("plain, a byte short", PLAIN, 1999, b"}", false),
            ("plain, a byte long", PLAIN, 2001, b"}", false),
            ("stream", STREAM, 1024, b"x\n\ndata: [DONE]\n\n", true),
            ("stream without its end", STREAM, 9000, b"x\n\ndata: [DON", false),
            ("stream without its text", STREAM, 1023, b"data: [DONE]\n\n", false),
        ];
        for (name, shape, n_bytes, tail, want) in cases {
            assert_eq!(shape.accepts(n_bytes, tail, 2000), want, "{name}");
        }
    }
}
