//! The policies that come in the box.
use std::fmt;
use std::str::FromStr;

/// A shipped guard policy: a readable Cedar file, with a table of its cases beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// Secrets, cards, IBANs and SSNs redacted, what would be carried away and overrides in tool results and documents stopped, all else
    /// flagged.
    Standard,
    /// All personal data redacted, overrides and leaks of the system prompt refused, only bad language and active content of a request
    /// released.
    Strict,
    /// Nothing changed, everything recorded.
    Observe,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Standard, Self::Strict, Self::Observe];

    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Strict => "strict",
            Self::Observe => "observe",
        }
    }

    /// The name that errors and rules give as their file: `standard.cedar`.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Standard => "standard.cedar",
            Self::Strict => "strict.cedar",
            Self::Observe => "observe.cedar",
        }
    }

    /// The Cedar source, to read or to start a file of one's own from.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Standard => include_str!("../profiles/standard.cedar"),
            Self::Strict => include_str!("../profiles/strict.cedar"),
            Self::Observe => include_str!("../profiles/observe.cedar"),
        }
    }

    /// What the profile does with each kind by source, as a table for people; a test keeps it true.
    pub const fn cases(self) -> &'static str {
        match self {
            Self::Standard => include_str!("../profiles/standard.cases.txt"),
            Self::Strict => include_str!("../profiles/strict.cases.txt"),
            Self::Observe => include_str!("../profiles/observe.cases.txt"),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No profile has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no profile is called `{name}`: use `standard`, `strict` or `observe`")]
pub struct UnknownProfile {
    /// The name that was asked for.
    pub name: String,
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == name);
        found.ok_or_else(|| UnknownProfile { name: name.to_owned() })
    }
}
