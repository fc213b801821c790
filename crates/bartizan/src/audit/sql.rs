//! Answers of the tables as people, programs and spreadsheets read them, and mistakes as they are pointed at.
use crate::print;
use bartizan_ledger::index::{Answer, QueryError, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Columns that line up. What a terminal would obey is shown instead.
pub(crate) fn table(answer: &Answer) -> String {
    let cell = |text: &str| print::visible(text).replace(['\n', '\t'], " ");
    let head = answer.columns.iter().map(|name| cell(name)).collect();
    let rows = answer.rows.iter().map(|row| row.iter().map(|value| cell(&text(value))).collect());
    print::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// Comma-separated values with a line of heads (RFC 4180).
pub(crate) fn csv(answer: &Answer) -> String {
    let mut out = String::new();
    let heads = answer.columns.iter().map(|name| quoted(name)).collect::<Vec<_>>();
    let line = |out: &mut String, cells: Vec<String>| write!(out, "{}\r\n", cells.join(","));
    line(&mut out, heads).unwrap_or_default();
    for row in &answer.rows {
        let cells = row.iter().map(|value| match value {
            Value::Null => String::new(),
            Value::Text(text) => quoted(text),
            value => text(value),
        });
        line(&mut out, cells.collect()).unwrap_or_default();
    }
    out
}

fn quoted(text: &str) -> String {
    let text = print::visible(text);
    let is_plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r', '\t', ' ']);
    if is_plain { text.into_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// One JSON object per row. Columns of the same name are told apart by a number.
pub(crate) fn objects(answer: &Answer) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut taken = BTreeSet::new();
    for name in &answer.columns {
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        let mut free = std::iter::once(name.clone()).chain(numbered);
        names.extend(free.find(|name| taken.insert(name.clone())));
    }
    let object = |row: &Vec<Value>| {
        let fields = names.iter().cloned().zip(row.iter().map(value));
        super::harmless(&Json::Object(fields.collect::<Map<_, _>>()))
    };
    answer.rows.iter().map(object).collect()
}

fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Real(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(_) => json!(text(value)),
    }
}

/// One value as text; bytes in hexadecimal.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().fold(String::new(), |mut out, byte| {
            write!(out, "{byte:02x}").unwrap_or_default();
            out
        }),
    }
}

/// What is wrong with a query, with a mark under the place where that is known.
pub(crate) fn mistake(sql: &str, error: &QueryError) -> String {
    let QueryError::Wrong { message, offset: Some(offset) } = error else {
        return error.to_string();
    };
    let before = sql.get(..*offset).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = sql.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let ahead = print::visible(sql.get(start..*offset).unwrap_or_default()).replace('\t', " ");
    let mark = " ".repeat(ahead.chars().count());
    let line = print::visible(line).replace('\t', " ");
    format!("{}\n  {line}\n  {mark}^", print::visible(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cells: Vec<Value>) -> Answer {
        let columns = (0..cells.len()).map(|_| "a".to_owned()).collect();
        Answer { columns, rows: vec![cells], is_cut: false }
    }

    #[test]
    fn values_are_told_in_three_ways() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("null", Value::Null, "-", "", "null"),
            ("number", Value::Integer(-7), "-7", "-7", "-7"),
            ("real", Value::Real(1.5), "1.5", "1.5", "1.5"),
            ("text", text("default"), "default", "default", "\"default\""),
            ("no text", text(""), "", "\"\"", "\"\""),
            ("bytes", Value::Blob(vec![0, 255]), "00ff", "00ff", "\"00ff\""),
            ("comma and quote", text("a,\"b"), "a,\"b", "\"a,\"\"b\"", "\"a,\\\"b\""),
            ("escape", text("a\u{1b}[2J"), "a\\u{1b}[2J", "a\\u{1b}[2J", "\"a\\u001b[2J\""),
            ("C1 control", text("\u{9b}2J"), "\\u{9b}2J", "\\u{9b}2J", "\"\\u009b2J\""),
            ("tag", text("\u{e0041}"), "\\u{e0041}", "\\u{e0041}", "\"\\udb40\\udc41\""),
            ("two lines", text("a\nb"), "a b", "\"a\nb\"", "\"a\\nb\""),
        ];
        for (name, value, cell, in_csv, in_json) in cases {
            let answer = answer(vec![value]);
            assert_eq!(table(&answer), format!("a\n{cell}\n"), "{name}");
            assert_eq!(csv(&answer), format!("a\r\n{in_csv}\r\n"), "{name}");
            assert_eq!(objects(&answer), [format!("{{\"a\":{in_json}}}")], "{name}");
        }
        let twice = answer(vec![Value::Integer(1), Value::Integer(2)]);
        assert_eq!(objects(&twice), ["{\"a\":1,\"a_2\":2}"]);
    }

    #[test]
    fn a_mistake_has_a_mark_under_it() {
        let wrong = |at| QueryError::Wrong { message: "no".to_owned(), offset: at };
        let cases = [
            ("SELECT x", Some(7), "no\n  SELECT x\n         ^"),
            ("SELECT 1,\n\tx FROM leaves", Some(11), "no\n   x FROM leaves\n   ^"),
            ("ä\u{1b}x", Some(3), "no\n  ä\\u{1b}x\n         ^"),
            ("SELECT", None, "no"),
        ];
        for (sql, at, want) in cases {
            assert_eq!(mistake(sql, &wrong(at)), want, "{sql:?}");
        }
        assert!(mistake("x", &QueryError::Several).contains("one question at a time"));
    }
}
