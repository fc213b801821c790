//! Where a policy is wrong, so that a person can be shown the place.
use miette::Diagnostic;

/// Why a policy was not loaded, and the place in its text.
///
/// ```
/// # use bartizan_core::kind::Catalogue;
/// # use bartizan_policy::GuardPolicy;
/// let text = "@id(\"mine\")\npermit (principal, action == Action::\"relase\", resource);";
/// let texts = [("mine.cedar".to_owned(), text.to_owned())];
/// let error = GuardPolicy::load(&texts, &Catalogue::new(&[])).err().ok_or("loaded")?;
/// assert_eq!((error.line, error.column), (2, 30));
/// assert_eq!(error.help.as_deref(), Some("did you mean `Action::\"release\"`?"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct PolicyError {
    /// Name of the file, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub width: usize,
    /// The line itself, without its end.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// A way out, where one is known.
    pub help: Option<String>,
}

/// A half-open range of bytes in a policy text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Place {
    pub(crate) const START: Self = Self { start: 0, len: 0 };

    /// The whole of what Cedar located, or the first byte of the text.
    pub(crate) fn of(location: Option<&cedar_policy_core::parser::Loc>) -> Self {
        location.map_or(Self::START, |location| Self {
            start: location.start(),
            len: location.end().saturating_sub(location.start()),
        })
    }

    /// The first place that a diagnostic of Cedar's points at, and what it says there.
    pub(crate) fn pointed_at(diagnostic: &dyn Diagnostic) -> Option<(Self, Option<String>)> {
        let label = diagnostic.labels()?.next()?;
        let place = Self { start: label.offset(), len: label.len() };
        Some((place, label.label().map(str::to_owned)))
    }
}

impl PolicyError {
    /// An error at a place of a text; only its first line is shown.
    pub(crate) fn at(file: &str, text: &str, place: Place, message: impl Into<String>) -> Self {
        let start = text.floor_char_boundary(place.start.min(text.len()));
        let (before, after) = text.split_at_checked(start).unwrap_or((text, ""));
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_text = text.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or("");
        let on_line = after.split(['\n', '\r']).next().unwrap_or("");
        let len = on_line.floor_char_boundary(place.len.min(on_line.len()));
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            width: on_line.get(..len).unwrap_or("").chars().count().max(1),
            text: line_text.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// The same with a way out.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_people_count() {
        let cases = [
            ("first byte", "abc", 0, 2, (1, 1, 2, "abc")),
            ("second line", "a\nbcd\ne", 3, 1, (2, 2, 1, "bcd")),
            ("carriage returns", "a\r\nbcd\r\ne", 4, 9, (2, 2, 2, "bcd")),
            ("characters, not bytes", "é\u{1F600}x", 6, 1, (1, 3, 1, "é\u{1F600}x")),
            ("inside a character", "é", 1, 1, (1, 1, 1, "é")),
            ("over several lines", "ab\ncd", 1, 4, (1, 2, 1, "ab")),
            ("the end", "ab\n", 3, 0, (2, 1, 1, "")),
            ("beyond the end", "ab", 99, 99, (1, 3, 1, "ab")),
            ("nothing at all", "", 0, 0, (1, 1, 1, "")),
        ];
        for (name, text, start, len, want) in cases {
            let error = PolicyError::at("f", text, Place { start, len }, "m");
            let got = (error.line, error.column, error.width, error.text.as_str());
            assert_eq!(got, want, "{name}");
        }
    }
}
