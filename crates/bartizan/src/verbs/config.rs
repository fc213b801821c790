//! `bartizan config`: is the file right?
use crate::config::{CONFIG_FILE, Config, ConfigError, FILE_BYTES_MAX};
use crate::files;
use crate::outcome::{Outcome, Usage};
use crate::print::{self, Format, Output};
use crate::serve;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// Look at the configuration
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Subcommand, Debug)]
enum ConfigVerb {
    Check(CheckArgs),
}

/// Say whether a configuration is right, and where it is wrong
///
/// Checks the file and the policy and certificates that it names. Exits 0 when `serve` would take it, 2 when not. Variables that it names
/// and that are not set here, and routes that no model leads to, are warnings.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan config check
  bartizan config check --config /etc/bartizan/bartizan.toml --format json")]
struct CheckArgs {
    /// The file [default: bartizan.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same, as the other commands take it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// `serve` will be started with --insecure
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    output: Output,
}

/// Runs the chosen one.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn run(args: ConfigArgs) -> anyhow::Result<Outcome> {
    let ConfigVerb::Check(args) = args.verb;
    let file = args.config.or(args.file).unwrap_or_else(|| PathBuf::from(CONFIG_FILE));
    let problem = match read(&file) {
        Ok(config) => {
            let is_set = |name: &str| std::env::var_os(name).is_some();
            for doubt in config.doubts(&is_set) {
                print::talk(&format!("warning: {doubt}"));
            }
            let exposed = serve::check_exposure(&config, args.insecure).map_err(Into::into);
            exposed.and_then(|()| serve::check_files(&config)).err()
        }
        Err(error) => Some(error),
    };
    let Some(error) = problem else {
        match args.output.format() {
            Format::Json => print::line("[]")?,
            Format::Text => print::talk(&format!("{} is right.", file.display())),
        }
        return Ok(Outcome::Allow);
    };
    match (args.output.format(), error.downcast_ref::<ConfigError>()) {
        (Format::Json, Some(error)) => print::json(&error.json())?,
        (Format::Json, None) => print::json(&serde_json::json!([{
            "file": file, "line": 1, "column": 1, "message": format!("{error:#}"), "help": null
        }]))?,
        (Format::Text, _) => complain(&error),
    }
    Ok(Outcome::Usage)
}

/// Shows what is wrong: at its place where it has one.
pub(crate) fn complain(error: &anyhow::Error) {
    match error.downcast_ref::<ConfigError>() {
        Some(error) => print::talk(&error.styled()),
        None => print::error(error),
    }
}

/// Reads the configuration at `path`; paths in it then count from its folder.
///
/// # Errors
/// [`ConfigError`] for a wrong file, [`Usage`] for one that cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Config> {
    let text = files::read_text_bounded(path, FILE_BYTES_MAX)
        .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    let mut config = Config::parse(&path.display().to_string(), &text)?;
    config.resolve_paths(path.parent().unwrap_or(Path::new("")));
    Ok(config)
}
