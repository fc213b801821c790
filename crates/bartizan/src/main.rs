//! Bartizan: one binary between the world and an open model.
//!
//! This crate reads arguments and configuration, wires the crates that hold the powers, and prints. It decides nothing about content.
use crate::args::Cli;
use clap::Parser as _;
use std::process::ExitCode;

/// Many small buffers live as long as one request: an allocator that is good at that is a tenth of a request's cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod anchor;
mod args;
mod audit;
mod clock;
mod config;
mod demo;
mod files;
mod guard;
mod inspect;
mod key_file;
mod keys;
mod log;
mod mark;
mod opening;
mod orders;
mod outcome;
mod owner;
mod print;
mod rotation;
mod second;
mod serve;
mod target;
mod vault;
mod verbs;
mod witness;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = log::Log { level: cli.log, format: cli.log_format };
    log::start(log);
    if let Err(error) = serve::signals::let_long_writes_fail() {
        tracing::debug!(%error, "A write over the limit on file sizes ends the process.");
    }
    match cli.verb.run(log) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            match log.format {
                log::LogFormat::Text => verbs::config::complain(&error),
                log::LogFormat::Json => {
                    tracing::error!(target: log::END, "{}", print::chain(&error));
                }
            }
            outcome::of_error(&error).into()
        }
    }
}
