//! Arguments of `bartizan demo`.
use clap::Args;
use std::path::PathBuf;

/// Show the wall at work: a practice model, a dozen attacks, no GPU and no download
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan demo                  tell the story, then keep serving
  bartizan demo --exit --json    for scripts")]
pub(crate) struct DemoArgs {
    /// Stop after the story instead of serving on
    #[arg(long)]
    pub(crate) exit: bool,
    /// Keep the demo's state in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Print one JSON object instead of the story
    #[arg(long)]
    pub(crate) json: bool,
}
