//! What a view is called in evidence: `pii.card@1/base64`.
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A way of writing text that hides what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// Nothing is hidden: the text around what is.
    Plain,
    /// Forms that Unicode calls compatible: full-width, mathematical, circled.
    Compatible,
    /// Letters of other scripts that look the same.
    LookAlike,
    /// Digits of other scripts.
    Digit,
    /// Characters that nobody sees stand between.
    Invisible,
    /// Invisible copies of ASCII.
    Tag,
    Html,
    Url,
    Escape,
    Quoted,
    Base64,
    Base32,
    Hex,
    Leet,
    Spaced,
    Rot13,
    Atbash,
    /// Each word is written backwards, the words in order.
    Backwards,
    /// The whole text is.
    Reversed,
}

impl View {
    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Compatible => "nfkc",
            Self::LookAlike => "confusable",
            Self::Digit => "digit",
            Self::Invisible => "invisible",
            Self::Tag => "tag",
            Self::Html => "html",
            Self::Url => "url",
            Self::Escape => "escape",
            Self::Quoted => "quoted-printable",
            Self::Base64 => "base64",
            Self::Base32 => "base32",
            Self::Hex => "hex",
            Self::Leet => "leet",
            Self::Spaced => "spaced",
            Self::Rot13 => "rot13",
            Self::Atbash => "atbash",
            Self::Backwards => "reversed-words",
            Self::Reversed => "reversed",
        }
    }
}

/// The end of the name of what is reported when the text is whole.
const LATE: &str = ".late";

type Key = (&'static str, View, bool, bool);

/// The names that were needed so far. There are few: one for each detector, view, and whether it is nested or late.
static NAMES: LazyLock<Mutex<BTreeMap<Key, &'static str>>> = LazyLock::new(Mutex::default);

/// Whether a finding of this detector was judged when the whole text was there, and may begin before what was let go.
pub(crate) fn is_late(detector: &str) -> bool {
    detector.ends_with(LATE)
}

/// The name of a detector that read the text through a view: the plain detector, the outermost view, and whether more views lie under it.
pub(crate) fn name(detector: &'static str, view: View) -> &'static str {
    let (plain, nested) = match detector.split_once('/') {
        Some((plain, _)) => (plain, true),
        None => (detector, false),
    };
    let late = matches!(view, View::Reversed | View::Backwards | View::Leet) || is_late(detector);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry((plain, view, nested, late)).or_insert_with(|| {
        let nested = if nested { "/nested" } else { "" };
        let late = if late { LATE } else { "" };
        // A name lives as long as the process; there is one for each key.
        [plain, "/", view.name(), nested, late].concat().leak()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_outermost_view() {
        for (detector, view, want) in [
            ("pii.card@1", View::Base64, "pii.card@1/base64"),
            ("pii.card@1/base64", View::Html, "pii.card@1/html/nested"),
            ("pii.card@1/html/nested", View::Url, "pii.card@1/url/nested"),
            ("pii.card@1", View::Reversed, "pii.card@1/reversed.late"),
            ("pii.card@1", View::Leet, "pii.card@1/leet.late"),
            ("pii.card@1/reversed.late", View::Hex, "pii.card@1/hex/nested.late"),
        ] {
            assert_eq!(name(detector, view), want);
            assert!(std::ptr::eq(name(detector, view), name(detector, view)));
        }
    }
}
