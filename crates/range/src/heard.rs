//! Puts together what a client read: the texts of an answer, plain or streamed, as they are after decoding.
//!
//! For a demo or a test that looks for planted values. It reads well-formed answers; what it cannot read it passes over, so
//! look through the raw bytes as well.
use serde_json::Value;
use std::collections::BTreeMap;

/// Every text in an answer's body, one per line: streamed pieces are joined per choice and field, so are the tokens of
/// log-probabilities and their bytes; numbers are written out, and JSON inside a tool call's arguments is decoded once more
/// beside its raw form.
///
/// ```
/// # use bartizan_range::client_text;
/// let stream = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"42\"}}]}\n\n\
///                data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\u0034\"}}]}\n\ndata: [DONE]\n\n";
/// assert!(client_text(stream).contains("424"));
/// ```
pub fn client_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut fields = BTreeMap::new();
    match serde_json::from_str::<Value>(&text) {
        Ok(whole) => collect(&whole, "", &mut fields),
        Err(_) => {
            for line in text.lines() {
                let data = line.strip_prefix("data:").map(str::trim);
                if let Some(Ok(event)) = data.map(serde_json::from_str::<Value>) {
                    collect(&event, "", &mut fields);
                }
            }
        }
    }
    let inner: Vec<String> = fields
        .iter()
        .filter(|(path, _)| path.ends_with("/arguments"))
        .filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok())
        .flat_map(|arguments| {
            let mut fields = BTreeMap::new();
            collect(&arguments, "", &mut fields);
            fields.into_values()
        })
        .collect();
    fields.into_values().chain(inner).collect::<Vec<_>>().join("\n")
}

/// Joins texts by path; an element of an array goes by its own `index` where it has one.
fn collect(value: &Value, path: &str, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => fields.entry(path.to_owned()).or_default().push_str(text),
        Value::Number(number) => *fields.entry(path.to_owned()).or_default() = number.to_string(),
        Value::Array(bytes) if path.ends_with("/bytes") => {
            let bytes = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok());
            let text = String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned();
            fields.entry(path.to_owned()).or_default().push_str(&text);
        }
        Value::Array(items) => {
            let is_tokens = path.ends_with("/logprobs/content");
            for (at, item) in items.iter().enumerate() {
                let own = item.get("index").and_then(Value::as_u64);
                let at = if is_tokens { 0 } else { own.unwrap_or(at as u64) };
                collect(item, &format!("{path}/{at}"), fields);
            }
        }
        Value::Object(object) => {
            for (name, field) in object {
                collect(field, &format!("{path}/{name}"), fields);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn streamed(deltas: &[Value]) -> String {
        let event = |choice: &Value| format!("data:{}\r\n\r\n", json!({ "choices": [choice] }));
        deltas.iter().map(event).collect()
    }

    #[test]
    fn texts_are_found_wherever_a_client_finds_them() {
        let call = |arguments: &str| json!({ "tool_calls": [{ "index": 0, "function": { "arguments": arguments } }] });
        let token = |text: &str| json!({ "token": text, "bytes": text.as_bytes() });
        let tokens = |texts: &[&str]| json!({ "logprobs": { "content": texts.iter().map(|text| token(text)).collect::<Vec<_>>() } });
        let cases = [
            ("plain", json!({ "choices": [{ "message": { "content": "x4242y" } }] }).to_string()),
            ("number", json!({ "choices": [{ "n": 42_420 }] }).to_string()),
            (
                "pieces",
                streamed(&[
                    json!({ "delta": { "content": "4" } }),
                    json!({ "delta": { "content": "242" } }),
                ]),
            ),
            (
                "interleaved",
                streamed(&[
                    json!({ "index": 0, "delta": { "content": "42" } }),
                    json!({ "index": 1, "delta": { "content": "no" } }),
                    json!({ "index": 0, "delta": { "content": "42" } }),
                ]),
            ),
            (
                "arguments",
                streamed(&[
                    json!({ "delta": call("{\"a\":\"\\u0034") }),
                    json!({ "delta": call("242\"}") }),
                ]),
            ),
            ("tokens", streamed(&[tokens(&["4", "2"]), tokens(&["4", "2"])])),
            (
                "bytes",
                json!({ "choices": [tokens(&["42", "42"])] }).to_string().replace("token", "t"),
            ),
        ];
        for (name, body) in cases {
            assert!(client_text(body.as_bytes()).contains("4242"), "{name}: {body}");
        }
        let apart = [
            json!({ "index": 0, "delta": { "content": "42" } }),
            json!({ "index": 1, "delta": { "content": "42" } }),
        ];
        assert!(
            !client_text(streamed(&apart).as_bytes()).contains("4242"),
            "two choices are two texts"
        );
        for nothing in ["", "{", "data: {", "data: [DONE]", "\u{fffd}"] {
            assert!(!client_text(nothing.as_bytes()).contains("4242"));
        }
    }
}
