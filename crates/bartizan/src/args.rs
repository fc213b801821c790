//! The command line. Help texts are written for somebody who meets us for the first time.
use crate::log::{Level, Log, LogFormat};
use crate::outcome::Outcome;
use crate::verbs;
use clap::{Parser, Subcommand};

/// One binary between the world and an open model
///
/// Bartizan checks what goes to a self-hosted model and what comes back, decides by a policy that you can read, and keeps a
/// tamper-evident record of every decision.
#[derive(Parser, Debug)]
#[command(
    name = "bartizan",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "\
Examples:
  bartizan demo                                       see it work, no model needed
  bartizan serve --upstream http://127.0.0.1:11434    guard a server with the OpenAI API
  bartizan audit list                                 read what was decided

Exit codes: 0 allowed or done, 1 denied or not verified, 2 wrong usage or configuration, 3 could not finish."
)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// How much to log on stderr: off, error, warn, info, debug
    #[arg(
        hide_possible_values = true,
        long,
        global = true,
        value_name = "LEVEL",
        default_value = "info",
        help_heading = "Logging"
    )]
    pub(crate) log: Level,
    /// How a log line looks: text, json
    #[arg(
        hide_possible_values = true,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Logging"
    )]
    pub(crate) log_format: LogFormat,
}

/// Every verb.
#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    Demo(verbs::demo::DemoArgs),
    Serve(Box<verbs::serve::ServeArgs>),
    Init(verbs::init::InitArgs),
    Config(verbs::config::ConfigArgs),
    Key(verbs::key::KeyArgs),
    Audit(verbs::audit::AuditArgs),
    Vault(verbs::vault::VaultArgs),
    Inspect(verbs::inspect::InspectArgs),
    Policy(verbs::policy::PolicyArgs),
    Range(verbs::range::RangeArgs),
    Witness(verbs::witness::WitnessArgs),
    Completions(verbs::manual::CompletionsArgs),
    Man(verbs::manual::ManArgs),
}

impl Verb {
    /// Does it.
    ///
    /// # Errors
    /// Whatever kept it from being finished; see [`crate::outcome::of_error`].
    pub(crate) fn run(self, log: Log) -> anyhow::Result<Outcome> {
        match self {
            Self::Demo(args) => crate::demo::run(args),
            Self::Serve(args) => verbs::serve::run(&args, log),
            Self::Init(args) => verbs::init::run(&args),
            Self::Config(args) => verbs::config::run(args),
            Self::Key(args) => verbs::key::run(args),
            Self::Audit(args) => verbs::audit::run(args),
            Self::Vault(args) => verbs::vault::run(args),
            Self::Inspect(args) => verbs::inspect::run(args),
            Self::Policy(args) => verbs::policy::run(args),
            Self::Range(args) => verbs::range::run(&args),
            Self::Witness(args) => verbs::witness::run(args, log),
            Self::Completions(args) => verbs::manual::completions(&args),
            Self::Man(args) => verbs::manual::man(&args),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// A stranger who asks for help gets an example, for every verb.
    #[test]
    fn every_help_has_an_example() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if command.get_subcommands().next().is_none() || command.get_name() == "bartizan" {
                assert!(help.contains("Example"), "`{}` has no example", command.get_name());
                assert!(help.contains("bartizan "), "`{}` has no example", command.get_name());
            }
            assert!(
                command.get_about().is_some(),
                "`{}` says nothing of itself",
                command.get_name()
            );
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
