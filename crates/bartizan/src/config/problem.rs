//! What is wrong with a file, shown as compilers show it: the line, a caret under it, and a way out.
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use bartizan_policy::PolicyError;
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// Most problems that are told at a time.
const PROBLEMS_MAX: usize = 20;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is wrong, lower case, no full stop.
    pub(crate) message: String,
    /// Which bytes of the file; empty at 0 when it is about something that is not there.
    pub(crate) span: Range<usize>,
    /// The way out.
    pub(crate) help: Option<String>,
    /// The bytes at `span` may be a secret: they are not shown.
    pub(crate) secret: bool,
}

/// Why a file is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    path: String,
    /// The text with every secret masked.
    text: String,
    /// The number of its first line.
    first_line: usize,
    problems: Vec<Problem>,
}

/// One problem for programs.
#[derive(Serialize)]
struct ForPrograms<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    help: Option<&'a str>,
}

impl ConfigError {
    /// Problems of the text of a file, in the order of their places.
    pub(crate) fn new(path: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        problems.truncate(PROBLEMS_MAX);
        let mut bytes = super::check::mask_secrets(text).into_bytes();
        for problem in problems.iter().filter(|problem| problem.secret) {
            let shown = bytes.get_mut(problem.span.clone()).unwrap_or_default();
            shown.iter_mut().filter(|byte| !b"\n\"'".contains(byte)).for_each(|byte| *byte = b'*');
        }
        let text = String::from_utf8(bytes).unwrap_or_default();
        for problem in &mut problems {
            problem.message = super::check::mask_secrets(&problem.message);
        }
        Self { path: path.to_owned(), text, first_line: 1, problems }
    }

    /// What a guard policy has wrong; it comes with the one line that is.
    pub(crate) fn of_policy(error: &PolicyError) -> Self {
        let byte =
            |n_chars| error.text.char_indices().nth(n_chars).map_or(error.text.len(), |(at, _)| at);
        let start = byte(error.column.saturating_sub(1));
        let span = start..byte(error.column.saturating_sub(1).saturating_add(error.width));
        let (message, help) = (error.message.clone(), error.help.clone());
        let problem = Problem { message, span, help, secret: false };
        Self { first_line: error.line, ..Self::new(&error.file, &error.text, vec![problem]) }
    }

    /// The diagnostic for a terminal, with colours that [`crate::print`] takes out where they do not belong.
    pub(crate) fn render(&self, renderer: &Renderer) -> String {
        let shown: Vec<String> =
            self.problems.iter().map(|p| self.render_one(renderer, p)).collect();
        shown.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, problem: &Problem) -> String {
        let title = Level::ERROR.primary_title(problem.message.as_str());
        let snippet = Snippet::source(self.text.as_str())
            .line_start(self.first_line)
            .path(self.path.as_str())
            .annotation(AnnotationKind::Primary.span(problem.span.clone()));
        let mut group = title.element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// The diagnostic in colours.
    pub(crate) fn styled(&self) -> String {
        self.render(&Renderer::styled().decor_style(DecorStyle::Ascii))
    }

    /// The problems as JSON: `[{"file","line","column","message","help"}]`, lines and columns (in characters) from 1.
    pub(crate) fn json(&self) -> serde_json::Value {
        let lines = self.problems.iter().map(|problem| {
            let (line, column) = self.place(problem.span.start);
            let help = problem.help.as_deref();
            ForPrograms { file: &self.path, line, column, message: &problem.message, help }
        });
        let lines: Vec<_> = lines.collect();
        serde_json::to_value(lines).unwrap_or_default()
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        (before.matches('\n').count() + self.first_line, column + 1)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Renderer::plain().decor_style(DecorStyle::Ascii)))
    }
}

impl std::error::Error for ConfigError {}

/// The name that somebody who wrote `word` may have meant: at most a third of its letters differ.
pub(crate) fn closest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let n_chars = word.chars().count();
    let near = names.into_iter().map(|name| {
        let begins = 4 <= n_chars && name.starts_with(&word);
        (if begins { 1 } else { distance(&word, &name.replace('-', "_")) }, name)
    });
    let (n_edits, name) = near.min_by_key(|&(n_edits, _)| n_edits)?;
    (n_edits < n_chars && n_edits <= n_chars.max(3) / 3).then_some(name)
}

/// How many letters to insert, drop or change to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (n, a) in from.chars().take(64).enumerate() {
        let mut diagonal = n;
        let mut left = n + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, &b) in row.iter_mut().skip(1).zip(&to) {
            let change = diagonal + usize::from(a != b);
            diagonal = *cell;
            left = change.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_you_may_have_meant() {
        let names = ["address", "control", "tls_cert", "tls_key", "hosts", "origins"];
        let cases = [
            ("adress", Some("address")),
            ("tls-cert", Some("tls_cert")),
            ("Hosts", Some("hosts")),
            ("origin", Some("origins")),
            ("tls_kee", Some("tls_key")),
            ("addr", Some("address")),
            ("banana", None),
            ("", None),
            ("x", None),
        ];
        for (word, want) in cases {
            assert_eq!(closest(word, names), want, "{word}");
        }
        assert_eq!(closest("word", []), None);
        assert_eq!(
            (distance("kitten", "sitting"), distance("", "abc"), distance("abc", "")),
            (3, 3, 3)
        );
    }
}
