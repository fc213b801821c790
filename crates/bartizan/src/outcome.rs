//! How the process ends. The numbers are an API: scripts and CI read them.
use crate::config::ConfigError;
use std::process::ExitCode;

/// What a verb came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, and nothing stands against it.
    Allow,
    /// Done, and something stands against it.
    Deny,
    /// The command or the configuration is wrong.
    Usage,
    /// It could not be finished, so nothing is allowed.
    Unfinished,
}

impl Outcome {
    /// The exit code: 0, 1, 2, 3.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::Deny => 1,
            Self::Usage => 2,
            Self::Unfinished => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// An error of the person or script that called us, rather than of the world: exit code 2.
///
/// The text may have several lines; the last ones say the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The outcome that an error stands for: [`Outcome::Usage`] for a [`Usage`] or a [`ConfigError`] anywhere in its chain, else [`Outcome::Unfinished`].
pub(crate) fn of_error(error: &anyhow::Error) -> Outcome {
    if error.chain().any(|cause| cause.is::<Usage>() || cause.is::<ConfigError>()) {
        Outcome::Usage
    } else {
        Outcome::Unfinished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn errors_are_never_an_allow() {
        let usage = anyhow::Error::new(Usage("no such thing".to_owned()));
        let io = anyhow::Error::new(std::io::Error::other("disk"));
        let cases = [
            ("usage", usage, Outcome::Usage),
            (
                "usage in a context",
                Err::<(), _>(Usage("x".to_owned())).context("reading").unwrap_err(),
                Outcome::Usage,
            ),
            ("the world", io, Outcome::Unfinished),
        ];
        for (name, error, want) in cases {
            assert_eq!(of_error(&error), want, "{name}");
        }
        let codes = [Outcome::Allow, Outcome::Deny, Outcome::Usage, Outcome::Unfinished];
        assert_eq!(codes.map(Outcome::code), [0, 1, 2, 3]);
    }
}
