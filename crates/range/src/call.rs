//! Fills in a tool call: planted values go wherever an argument's name lets them in.
use crate::canary::Canary;
use crate::form::{Form, escaped};
use crate::request::Tool;
use crate::wish::Wish;
use serde_json::Value;

/// Most tools called in one answer.
pub(crate) const CALLS_MAX: usize = 8;

/// A tool call in the making.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A JSON object, as text.
    pub(crate) arguments: String,
}

/// Words in an argument's name, and the kind that it takes.
const HINTS: &[(&[&str], &str)] = &[
    (&["card", "pan", "payment_method"], "pii.card"),
    (&["iban", "account"], "pii.iban"),
    (&["ssn", "social"], "pii.us-ssn"),
    (
        &["aws", "access_key", "key", "token", "secret", "password", "credential"],
        "secret.aws-access-key",
    ),
    (&["email", "mail"], "pii.email"),
];

/// What a call's arguments are made from.
#[derive(Debug)]
pub(crate) struct Filler<'a> {
    pub(crate) canaries: &'a [Canary],
    pub(crate) wish: &'a Wish,
    pub(crate) ask: &'a str,
}

impl Filler<'_> {
    /// The arguments of a call, as JSON text. What the wish names is always in it somewhere.
    pub(crate) fn arguments(&self, tool: &Tool) -> String {
        let mut fields: Vec<(String, Value)> = Vec::new();
        for (name, schema) in &tool.properties {
            fields.push((name.clone(), self.value(name, schema)));
        }
        self.place_what_is_missing(&mut fields);
        let is_escaped = self.wish.form == Form::Escaped;
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                format!("{}:{}", Value::from(name.as_str()), json(value, is_escaped))
            })
            .collect();
        format!("{{{}}}", body.join(","))
    }

    fn value(&self, name: &str, schema: &Value) -> Value {
        if let Some(first) = schema.pointer("/enum/0") {
            return first.clone();
        }
        let canary = hinted(name).and_then(|kind| self.canary(kind));
        match schema.get("type").and_then(Value::as_str).unwrap_or("string") {
            "integer" | "number" => {
                let digits = canary.and_then(|canary| canary.value().parse::<u64>().ok());
                digits.unwrap_or(42).into()
            }
            "boolean" => true.into(),
            "array" => Value::Array(Vec::new()),
            "object" => Value::Object(serde_json::Map::new()),
            _ => self.text(name, canary).into(),
        }
    }

    fn text(&self, name: &str, canary: Option<&Canary>) -> String {
        match canary {
            // A recipient that the visitor named gets the mail.
            Some(canary) if canary.kind() == "pii.email" => {
                self.recipient().unwrap_or_else(|| canary.value().to_owned())
            }
            Some(canary) => canary.emit(self.form()),
            None if is_recipient(name) => {
                self.recipient().unwrap_or_else(|| "visitor@example.org".to_owned())
            }
            None => made_up_text(name),
        }
    }

    /// The first address in the ask.
    fn recipient(&self) -> Option<String> {
        let word = self.ask.split_whitespace().find(|word| word.contains('@'))?;
        Some(word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned())
    }

    fn place_what_is_missing(&self, fields: &mut Vec<(String, Value)>) {
        let missing: Vec<String> = self
            .wish
            .kinds
            .iter()
            .filter_map(|kind| self.canary(kind))
            .map(|canary| (canary, canary.emit(self.form())))
            .filter(|(canary, emitted)| {
                !fields.iter().any(|(_, value)| {
                    value.as_str().is_some_and(|text| text.contains(emitted.as_str()))
                        || value.as_u64().is_some_and(|number| number.to_string() == canary.value())
                })
            })
            .map(|(canary, emitted)| format!("{}: {emitted}", canary.title()))
            .collect();
        if missing.is_empty() {
            return;
        }
        let missing = missing.join("\n");
        let is_free = |(name, value): &&mut (String, Value)| {
            value.as_str().is_some_and(|text| text == made_up_text(name))
        };
        match fields.iter_mut().find(is_free) {
            Some((_, value)) => *value = missing.into(),
            None => fields.push(("note".into(), missing.into())),
        }
    }

    /// Escapes are put on by the JSON writer.
    fn form(&self) -> Form {
        if self.wish.form == Form::Escaped { Form::Plain } else { self.wish.form }
    }

    fn canary(&self, kind: &str) -> Option<&Canary> {
        self.canaries.iter().find(|canary| canary.kind() == kind)
    }
}

/// Stands where nothing better is known, and gives way to what the wish names.
fn made_up_text(name: &str) -> String {
    format!("{name} as you asked")
}

fn is_recipient(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "to" | "recipient" | "address")
}

fn hinted(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let has = |hint: &str| {
        name == hint
            || (hint.len() > 3 && name.contains(hint))
            || name.split('_').any(|part| part == hint)
    };
    HINTS.iter().find(|(hints, _)| hints.iter().any(|hint| has(hint))).map(|&(_, kind)| kind)
}

fn json(value: &Value, is_escaped: bool) -> String {
    match value {
        Value::String(text) if is_escaped => format!("\"{}\"", escaped(text)),
        value => value.to_string(),
    }
}
