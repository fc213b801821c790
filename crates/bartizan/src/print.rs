//! The only place that writes to the terminal: data on stdout, talk on stderr.
//!
//! Colour comes and goes with the terminal and `NO_COLOR`, and never carries meaning alone. Text that strangers wrote goes through
//! [`visible`] first, so that it cannot move the cursor, hide itself or rename the window.
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

/// How a verb prints its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value.
    Json,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Writes data to stdout, exactly as given. A reader that went away (`| head`) is no error.
///
/// # Errors
/// Those of stdout, except a closed pipe.
pub(crate) fn data(text: &str) -> io::Result<()> {
    put(text).map(|_| ())
}

/// [`data`], for output that goes on for long: `false` when the reader went away, so that there is no point in going on.
///
/// # Errors
/// Those of [`data`].
pub(crate) fn put(text: &str) -> io::Result<bool> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes one line of data to stdout.
///
/// # Errors
/// Those of [`data`].
pub(crate) fn line(text: &str) -> io::Result<()> {
    data(&format!("{text}\n"))
}

/// Writes lines of data to stdout.
///
/// # Errors
/// Those of [`data`].
pub(crate) fn lines(lines: &[String]) -> io::Result<()> {
    if lines.is_empty() { Ok(()) } else { line(&lines.join("\n")) }
}

/// Writes a value as one line of JSON to stdout.
///
/// # Errors
/// Those of [`data`].
pub(crate) fn json(value: &impl serde::Serialize) -> io::Result<()> {
    line(&serde_json::to_string(value).map_err(io::Error::other)?)
}

/// Says something to the person at the terminal. A stderr that is gone cannot be told so.
pub(crate) fn talk(text: &str) {
    let mut err = anstream::stderr().lock();
    if writeln!(err, "{text}").is_err() {
        // Nobody listens; the exit code still speaks.
    }
}

/// Says that something is off, and that we go on.
pub(crate) fn warn(text: &str) {
    talk(&format!("{WARNING}warning{WARNING:#}: {text}"));
}

/// Says why we stop.
pub(crate) fn error(error: &anyhow::Error) {
    talk(&format!("{ERROR}error{ERROR:#}: {}", causes(error).join("\n  because: ")));
}

/// An error and its causes in one text.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    causes(error).join(": ")
}

/// What an error says, then each cause that says something new: many errors repeat their cause.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
    }
    said
}

/// Whether somebody sits at the terminal that stderr goes to.
pub(crate) fn is_heard_by_a_person() -> bool {
    io::stderr().is_terminal()
}

/// The text with everything that a terminal would obey instead of show written as `\u{..}`. Line feeds and tabs stay.
///
/// ```text
/// "a\u{1b}[2Jb" -> "a\\u{1b}[2Jb"
/// ```
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            write!(out, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default();
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_hidden(c: char) -> bool {
    let direction =
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    let tag = matches!(c, '\u{e0000}'..='\u{e007f}' | '\u{feff}');
    (c.is_control() && c != '\n' && c != '\t') || direction || tag
}

/// How a verb that has a result prints it.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// How to print the result on stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Output {
    /// What was asked for.
    pub(crate) fn format(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Rows in aligned columns, two blanks apart; the last column is never padded.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..n_columns).map(|c| width(c).unwrap_or_default()).collect();
    let mut out = String::new();
    for row in rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "{cell:width$}  ").unwrap_or_default();
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_steer_the_terminal() {
        let cases = [
            ("plain", "plain text\n\tindented", "plain text\n\tindented"),
            ("accents and emoji", "grüße 👩‍👩 日本", "grüße 👩\\u{200d}👩 日本"),
            ("escape sequence", "a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("carriage return", "safe\revil", "safe\\u{d}evil"),
            ("C1 control", "a\u{9b}31m", "a\\u{9b}31m"),
            ("right to left override", "\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("tag characters", "x\u{e0041}", "x\\u{e0041}"),
        ];
        for (name, text, want) in cases {
            assert_eq!(visible(text), want, "{name}");
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        use anyhow::Context as _;
        let io = || io::Error::other("no such file");
        let plain = anyhow::Error::new(io());
        let repeated = Err::<(), _>(io()).context("cannot read a: no such file").unwrap_err();
        let more = Err::<(), _>(io()).context("cannot read a").unwrap_err();
        for (name, error, want) in [
            ("alone", plain, "no such file"),
            ("repeated", repeated, "cannot read a: no such file"),
            ("more", more, "cannot read a: no such file"),
        ] {
            assert_eq!(chain(&error), want, "{name}");
        }
    }

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let table = columns(&[row(["id", "roles", "end"]), row(["k-1", "a", ""])]);
        assert_eq!(table, "id   roles  end\nk-1  a\n");
        assert_eq!(columns(&[]), "");
    }
}
