//! `bartizan completions` and `bartizan man`: made from the same definitions as `--help`.
use crate::args::Cli;
use crate::outcome::Outcome;
use crate::print;
use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use std::path::PathBuf;

/// Print a script that completes commands in your shell
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan completions bash > ~/.local/share/bash-completion/completions/bartizan")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, or write all of them into a folder
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan man | man -l -
  bartizan man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write one page per command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the completion script.
///
/// # Errors
/// Those of stdout.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "bartizan", &mut script);
    print::data(&String::from_utf8(script)?)?;
    Ok(Outcome::Allow)
}

/// Prints or writes manual pages.
///
/// # Errors
/// Those of stdout and of the disk.
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<Outcome> {
    let Some(folder) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        print::data(&String::from_utf8(page)?)?;
        return Ok(Outcome::Allow);
    };
    let context = || format!("cannot write into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(context)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(context)?;
    print::talk(&format!("The manual pages are in {}.", folder.display()));
    Ok(Outcome::Allow)
}
