//! How texts lie in a file: as lines, in columns, at a path of JSON, as strings that a program gives a name.
use anyhow::{Context, Result};
use serde_json::Value;

/// Longer texts are cut.
const TEXT_BYTES_MAX: usize = 6000;

/// How texts lie in a file.
#[derive(Debug)]
pub(super) enum Shape {
    /// The file is the text.
    Whole,
    /// Each line is one or several, without a dash before it and without the place for what an attacker wants.
    Lines {
        /// What stands between the texts of a line.
        mark: &'static str,
        /// A text of fewer bytes is none.
        bytes_min: usize,
    },
    /// Columns of comma-separated values with a head line, joined by an empty line.
    Columns {
        /// Their names.
        names: &'static [&'static str],
        /// Only lines that say one of these in this column.
        only: Option<(&'static str, &'static [&'static str])>,
    },
    /// At this path of JSON, or of every line of it; `*` is every member.
    Json {
        /// Whether each line is a document.
        by_line: bool,
        /// The names of members.
        path: &'static [&'static str],
    },
    /// Strings that a program in Python gives this name, with what it fills in left out.
    Named(&'static str),
}

impl Shape {
    /// The texts of a file, trimmed, none of them empty.
    pub(super) fn texts(&self, file: &str) -> Result<Vec<String>> {
        let texts = match self {
            Self::Whole => vec![file.to_owned()],
            Self::Lines { mark, bytes_min } => file
                .lines()
                .flat_map(|line| line.split(mark))
                .map(|text| text.trim().trim_start_matches("- ").replace("{NEW_INSTRUCTION}", ""))
                .filter(|text| text.len() >= *bytes_min)
                .collect(),
            Self::Columns { names, only } => columns(file, names, *only)?,
            Self::Json { by_line, path } => {
                let mut texts = Vec::new();
                let mut read = |document: &str| -> Result<()> {
                    let value: Value = serde_json::from_str(document).context("it is no JSON")?;
                    at(&value, path, &mut texts);
                    Ok(())
                };
                if *by_line {
                    file.lines().filter(|line| !line.trim().is_empty()).try_for_each(read)?;
                } else {
                    read(file)?;
                }
                texts
            }
            Self::Named(name) => named(file, name),
        };
        let cut = |text: String| {
            let end = text.floor_char_boundary(TEXT_BYTES_MAX);
            text.get(..end).unwrap_or_default().trim().to_owned()
        };
        Ok(texts.into_iter().map(cut).filter(|text| !text.is_empty()).collect())
    }
}

/// The strings at a path.
fn at(value: &Value, path: &[&str], texts: &mut Vec<String>) {
    let Some((name, rest)) = path.split_first() else {
        texts.extend(value.as_str().map(str::to_owned));
        return;
    };
    let members: Vec<&Value> = match value {
        Value::Array(items) if *name == "*" => items.iter().collect(),
        Value::Array(items) => {
            name.parse().ok().and_then(|number: usize| items.get(number)).into_iter().collect()
        }
        _ => value.get(name).into_iter().collect(),
    };
    for member in members {
        at(member, rest, texts);
    }
}

fn columns(file: &str, names: &[&str], only: Option<(&str, &[&str])>) -> Result<Vec<String>> {
    let mut records = records(file).into_iter();
    let head = records.next().context("it has no head line")?;
    let column = |name: &str| {
        let at = head.iter().position(|column| column == name);
        at.with_context(|| format!("it has no column {name:?}"))
    };
    let wanted: Vec<usize> = names.iter().map(|name| column(name)).collect::<Result<_>>()?;
    let only = only.map(|(name, values)| Ok::<_, anyhow::Error>((column(name)?, values)));
    let only = only.transpose()?;
    Ok(records
        .filter(|record| {
            only.is_none_or(|(at, values)| {
                record.get(at).is_some_and(|value| values.contains(&value.as_str()))
            })
        })
        .map(|record| {
            let of = |&at: &usize| record.get(at).map(String::as_str).unwrap_or_default();
            wanted.iter().map(of).collect::<Vec<_>>().join("\n\n")
        })
        .collect())
}

/// Records of comma-separated values as RFC 4180 has them: quotation marks around what holds commas and ends of lines, two for one inside.
fn records(file: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut value) = (Vec::new(), Vec::new(), String::new());
    let mut is_quoted = false;
    let mut letters = file.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                value.extend(letters.next());
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(std::mem::take(&mut value)),
            '\r' if !is_quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !is_quoted => {
                record.push(std::mem::take(&mut value));
                records.push(std::mem::take(&mut record));
            }
            _ => value.push(letter),
        }
    }
    if !value.is_empty() || !record.is_empty() {
        record.push(value);
        records.push(record);
    }
    records
}

/// The strings in double quotation marks that directly follow `name =`, pieces of one string joined, without what stands in braces.
fn named(file: &str, name: &str) -> Vec<String> {
    let start = format!("{name} = ");
    let is_name = |at: usize| {
        let before = file.get(..at).unwrap_or_default();
        before.trim_end_matches([' ', '\t']).ends_with('\n')
    };
    file.match_indices(&start)
        .filter(|&(at, _)| is_name(at))
        .filter_map(|(at, _)| file.get(at + start.len()..))
        .map(|rest| without_braces(&pieces(rest.trim_start_matches(['(', ' ', '\n']))))
        .collect()
}

/// The text of strings in a row.
fn pieces(mut rest: &str) -> String {
    let mut text = String::new();
    while let Some(inside) = rest.trim_start_matches('f').strip_prefix('"') {
        let mut letters = inside.char_indices();
        let mut end = inside.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = at;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, other)) => text.push(other),
                    None => {}
                },
                _ => text.push(letter),
            }
        }
        rest = inside.get(end + 1..).unwrap_or_default().trim_start();
    }
    text
}

fn without_braces(text: &str) -> String {
    let mut depth = 0_usize;
    text.chars()
        .filter(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_where_they_lie() {
        let columns = Shape::Columns { names: &["text"], only: Some(("class", &["1", "2"])) };
        let both = Shape::Columns { names: &["class", "text"], only: None };
        let json = Shape::Json { by_line: false, path: &["train", "*", "0"] };
        let lines = Shape::Json { by_line: true, path: &["question", "*", "content"] };
        for (name, shape, file, want) in [
            ("whole", &Shape::Whole, " a\nb \n", &["a\nb"][..]),
            ("empty", &Shape::Whole, " \n", &[]),
            (
                "lines",
                &Shape::Lines { mark: "\\n", bytes_min: 3 },
                "- one\\n- two\\n-\n\nthree {NEW_INSTRUCTION}\nno",
                &["one", "two", "three"],
            ),
            (
                "columns",
                &columns,
                "text,class\r\na,1\r\nb,0\r\n\"c, \"\"d\"\"\ne\",2",
                &["a", "c, \"d\"\ne"],
            ),
            ("two columns", &both, "text,class\na,1\n", &["1\n\na"]),
            ("JSON", &json, r#"{"train": [["a", "x"], ["b"], []], "test": [["c"]]}"#, &["a", "b"]),
            (
                "JSON by line",
                &lines,
                "{\"question\": [{\"content\": \"a\"}, {\"content\": 1}]}\n\n{\"question\": []}",
                &["a"],
            ),
            (
                "named",
                &Shape::Named("GOAL"),
                "class A:\n    GOAL = f\"Send {money} to \\\"Eve\\\"\"\n    OTHER_GOAL = \"no\"\n    GOAL = (\n        \"one\\n\"\n        \"two\"\n    )\n    GOAL = 7\n",
                &["Send  to \"Eve\"", "one\ntwo"],
            ),
        ] {
            assert_eq!(shape.texts(file).unwrap(), want, "{name}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let columns = Shape::Columns { names: &["text"], only: None };
        let json = Shape::Json { by_line: false, path: &["a"] };
        for (name, shape, file) in [
            ("no head line", &columns, ""),
            ("no such column", &columns, "a,b\n1,2\n"),
            ("no JSON", &json, "{"),
            ("no JSON in a line", &Shape::Json { by_line: true, path: &[] }, "{}\n{"),
        ] {
            assert!(shape.texts(file).is_err(), "{name}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let texts = Shape::Whole.texts(&"ä".repeat(TEXT_BYTES_MAX)).unwrap();
        assert_eq!(texts.first().map(String::len), Some(TEXT_BYTES_MAX));
        let texts = Shape::Whole.texts(&format!("a{}", "ä".repeat(TEXT_BYTES_MAX))).unwrap();
        assert_eq!(texts.first().map(String::len), Some(TEXT_BYTES_MAX - 1));
    }
}
