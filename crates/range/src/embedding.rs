//! Answers embedding requests: unit vectors that are near each other when texts share words. Nothing was learnt.
use crate::draw::{Draw, hash};
use crate::form::base64;
use crate::request::{BadRequest, number, read_object, string};
use crate::token;
use bytes::Bytes;
use serde_json::{Value, json};

/// Length of a vector when the request names none.
const DIMENSIONS_DEFAULT: u64 = 256;
/// Longest vector.
const DIMENSIONS_MAX: u64 = 3072;
/// Most texts in one request, as at `OpenAI`.
const INPUTS_MAX: usize = 2048;
/// Most numbers in one answer.
const NUMBERS_MAX: u64 = 1 << 20;
/// Weight of the part that depends on the whole text, beside the words' 1 each: different texts never get equal vectors.
const WHOLE_WEIGHT: f32 = 0.05;
/// Places of the vector that one word moves.
const PLACES_PER_WORD: usize = 8;

/// Answers a request body.
pub(crate) fn embed(seed: u64, body: &[u8]) -> Result<Bytes, BadRequest> {
    let root = read_object(body)?;
    let model = string(&root, "model")?.unwrap_or("range-embedding");
    let dimensions = number(&root, "dimensions", 1..=DIMENSIONS_MAX)?.unwrap_or(DIMENSIONS_DEFAULT);
    let as_base64 = match string(&root, "encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            let message = "'encoding_format' must be float or base64";
            return Err(BadRequest::new("encoding_format", message));
        }
    };
    let inputs = inputs(root.get("input"))?;
    if dimensions.saturating_mul(inputs.len() as u64) > NUMBERS_MAX {
        let message = format!("inputs times dimensions must be at most {NUMBERS_MAX}");
        return Err(BadRequest::new("input", message));
    }
    let n_dimensions = usize::try_from(dimensions).unwrap_or_default();
    let n_tokens: usize = inputs.iter().map(|input| token::pieces(input).count()).sum();
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let embedding = written(&vector(seed, input, n_dimensions), as_base64);
            json!({ "object": "embedding", "index": index, "embedding": embedding })
        })
        .collect();
    let usage = json!({ "prompt_tokens": n_tokens, "total_tokens": n_tokens });
    Ok(crate::completion::to_json(
        &json!({ "object": "list", "data": data, "model": model, "usage": usage }),
    ))
}

/// The texts of a request. Token ids are taken as text, as real servers take them without a word.
fn inputs(input: Option<&Value>) -> Result<Vec<String>, BadRequest> {
    let message = format!(
        "'input' must be a string, or an array of 1 to {INPUTS_MAX} strings or token arrays"
    );
    let refuse = || BadRequest::new("input", message.clone());
    match input {
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) if items.is_empty() || items.len() > INPUTS_MAX => Err(refuse()),
        Some(Value::Array(items)) if items.iter().all(Value::is_u64) => Ok(vec![ids(items)]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Array(tokens) if tokens.iter().all(Value::is_u64) => Ok(ids(tokens)),
                _ => Err(refuse()),
            })
            .collect(),
        _ => Err(refuse()),
    }
}

fn ids(items: &[Value]) -> String {
    items.iter().flat_map(|id| [id.to_string(), " ".to_owned()]).collect()
}

/// A unit vector: each word moves a few places up or down, and the whole text moves all of them a little.
fn vector(seed: u64, text: &str, n_dimensions: usize) -> Vec<f32> {
    let mut draw = Draw::new(seed, text.as_bytes());
    let mut vector: Vec<f32> =
        (0..n_dimensions).map(|_| WHOLE_WEIGHT * sign(draw.next())).collect();
    for word in text.split_whitespace() {
        let mut draw = Draw::new(seed, word.to_lowercase().as_bytes());
        for _ in 0..PLACES_PER_WORD {
            let at = usize::try_from(draw.below(n_dimensions as u64)).unwrap_or_default();
            if let Some(place) = vector.get_mut(at) {
                *place += sign(draw.next());
            }
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in &mut vector {
            *x /= length;
        }
    } else if let Some(first) = vector.first_mut() {
        *first = sign(hash(seed, text.as_bytes()));
    }
    vector
}

fn sign(word: u64) -> f32 {
    if word & 1 == 0 { 1.0 } else { -1.0 }
}

fn written(vector: &[f32], as_base64: bool) -> Value {
    if as_base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        base64(&bytes).into()
    } else {
        vector.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed_json(request: &Value) -> Result<Value, BadRequest> {
        embed(7, request.to_string().as_bytes()).map(|body| serde_json::from_slice(&body).unwrap())
    }

    fn floats(request: &Value, index: usize) -> Vec<f64> {
        let body = embed_json(request).unwrap();
        let items = body["data"][index]["embedding"].as_array().unwrap();
        items.iter().map(|x| x.as_f64().unwrap()).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_unit_length_and_follow_words() {
        let input = json!([
            "a red card on the table",
            "a red card on the floor",
            "quarterly tax report",
            ""
        ]);
        for dimensions in [1, 2, 256, 3072] {
            let request = json!({ "input": input, "dimensions": dimensions });
            for index in 0..4 {
                let vector = floats(&request, index);
                assert_eq!(vector.len(), dimensions);
                assert!((dot(&vector, &vector) - 1.0).abs() < 1e-4, "{dimensions} {index}");
            }
        }
        let request = json!({ "input": input });
        let [first, near, far] = [0, 1, 2].map(|index| floats(&request, index));
        assert!(dot(&first, &near) > dot(&first, &far) + 0.3);
    }

    #[test]
    fn base64_holds_the_same_numbers() {
        let text =
            embed_json(&json!({ "input": "x", "dimensions": 1, "encoding_format": "base64" }))
                .unwrap();
        let float = floats(&json!({ "input": "x", "dimensions": 1 }), 0)[0];
        let want = if float > 0.0 { "AACAPw==" } else { "AACAvw==" };
        assert_eq!(text["data"][0]["embedding"], want);
    }

    #[test]
    fn wrong_requests_are_refused() {
        let cases = [
            json!({}),
            json!({ "input": [] }),
            json!({ "input": 7 }),
            json!({ "input": ["a", 1] }),
            json!({ "input": [["a"]] }),
            json!({ "input": vec!["a"; INPUTS_MAX + 1] }),
            json!({ "input": vec!["a"; 1000], "dimensions": 3072 }),
            json!({ "input": "a", "dimensions": 0 }),
            json!({ "input": "a", "dimensions": DIMENSIONS_MAX + 1 }),
            json!({ "input": "a", "encoding_format": "morse" }),
            json!({ "input": "a", "model": 1 }),
        ];
        for request in cases {
            assert!(embed_json(&request).is_err(), "{request}");
        }
        assert!(embed(7, b"{").is_err());
    }
}
