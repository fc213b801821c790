//! Rows of text to be inspected, one JSON object a line, read within a bound.
use bartizan_core::evidence::Source;
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, BufRead};

/// One line of `--jsonl`.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    /// Whatever the caller calls it; it is given back as it came.
    pub(crate) id: Value,
    /// The text.
    pub(crate) text: String,
    /// Whose text it is, where it is not what the command line says.
    pub(crate) source: Option<Source>,
    /// The system prompt that the text answers to: what a model gives away of it is a finding.
    pub(crate) context: Option<String>,
}

/// A line that is no row.
#[derive(Debug)]
pub(crate) struct BadRow {
    /// Its id, where at least that could be read.
    pub(crate) id: Value,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl Row {
    /// Reads one line.
    ///
    /// # Errors
    /// [`BadRow`] when it is not an object with the members of a row.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, BadRow> {
        serde_json::from_slice(line).map_err(|error| {
            let value = serde_json::from_slice::<Value>(line).ok();
            let id = value.and_then(|row| row.get("id").cloned()).unwrap_or_default();
            BadRow { id, reason: error.to_string() }
        })
    }
}

/// The lines of a stream that are not blank, each of at most so many bytes.
pub(crate) struct Lines<'s> {
    stream: &'s mut dyn BufRead,
    bytes_max: usize,
    number: usize,
    /// Whether the stream's buffer was empty after the last line.
    would_wait: bool,
}

impl<'s> Lines<'s> {
    /// Lines of `stream`; of one that is longer than `bytes_max` the rest is read over and never kept.
    pub(crate) fn new(stream: &'s mut dyn BufRead, bytes_max: usize) -> Self {
        Self { stream, bytes_max, number: 0, would_wait: true }
    }

    /// The number of the last line, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Whether the next line may take its time.
    pub(crate) fn would_wait(&self) -> bool {
        self.would_wait
    }

    /// The next line without its end; nothing at the end of the stream.
    ///
    /// # Errors
    /// Those of the stream. A line that is too long is a [`BadRow`].
    pub(crate) fn next(&mut self) -> io::Result<Option<Result<Vec<u8>, BadRow>>> {
        loop {
            let Some((line, n_bytes)) = self.read()? else { return Ok(None) };
            self.number += 1;
            if self.bytes_max < n_bytes {
                let reason = format!("longer than {} bytes", self.bytes_max);
                return Ok(Some(Err(BadRow { id: Value::Null, reason })));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Ok(line)));
            }
        }
    }

    /// A line as far as it may be kept, and how long it is.
    fn read(&mut self) -> io::Result<Option<(Vec<u8>, usize)>> {
        let (mut line, mut n_bytes, mut is_started) = (Vec::new(), 0_usize, false);
        loop {
            let bytes = match self.stream.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                self.would_wait = true;
                return Ok(is_started.then_some((line, n_bytes)));
            }
            is_started = true;
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let n_here = end.unwrap_or(bytes.len());
            let n_kept = n_here.min((self.bytes_max + 1).saturating_sub(line.len()));
            line.extend_from_slice(bytes.get(..n_kept).unwrap_or_default());
            n_bytes = n_bytes.saturating_add(n_here);
            let n_used = n_here + usize::from(end.is_some());
            self.would_wait = n_used == bytes.len();
            self.stream.consume(n_used);
            if end.is_some() {
                return Ok(Some((line, n_bytes)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn lines(text: &str, bytes_max: usize) -> Vec<Result<String, String>> {
        // However the bytes arrive, the lines are the same.
        let all: Vec<_> = [1, 3, 1000]
            .into_iter()
            .map(|capacity| {
                let mut stream = BufReader::with_capacity(capacity, text.as_bytes());
                let mut lines = Lines::new(&mut stream, bytes_max);
                let mut found = Vec::new();
                while let Some(line) = lines.next().unwrap() {
                    let number = lines.number();
                    let told = line.map(|line| String::from_utf8(line).unwrap());
                    found.push(told.map_err(|bad| format!("{number}: {}", bad.reason)));
                }
                found
            })
            .collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
        all.into_iter().next().unwrap()
    }

    #[test]
    fn lines_are_bounded_and_blank_ones_are_passed_over() {
        let too_long = |number: usize| Err(format!("{number}: longer than 4 bytes"));
        let line = |text: &str| Ok(text.to_owned());
        let cases = [
            ("", vec![]),
            ("\n \n", vec![]),
            ("ab", vec![line("ab")]),
            ("ab\ncd\n", vec![line("ab"), line("cd")]),
            ("abcd\n\nabcde\nx", vec![line("abcd"), too_long(3), line("x")]),
            ("abcdefghijklmnop", vec![too_long(1)]),
        ];
        for (text, want) in cases {
            assert_eq!(lines(text, 4), want, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_row_says_why_and_keeps_its_id() {
        let cases = [
            ("nonsense", Value::Null, "expected"),
            ("{\"id\":7}", 7.into(), "missing field `text`"),
            ("{\"id\":\"a\",\"text\":1}", "a".into(), "invalid type"),
            ("{\"id\":1,\"text\":\"\",\"source\":\"god\"}", 1.into(), "unknown variant"),
            ("{\"text\":\"\"}", Value::Null, "missing field `id`"),
        ];
        for (line, id, want) in cases {
            let bad = Row::parse(line.as_bytes()).unwrap_err();
            assert_eq!(bad.id, id, "{line}");
            assert!(bad.reason.contains(want), "{line}: {}", bad.reason);
        }
        assert!(Row::parse(b"{\"id\":1,\"text\":\"\xff\"}").is_err(), "invalid UTF-8");
        let row = Row::parse(b"{\"id\":[1],\"text\":\"x\",\"source\":\"tool\",\"more\":0}");
        assert_eq!(row.unwrap().source, Some(Source::Tool));
    }
}
