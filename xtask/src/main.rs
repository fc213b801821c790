//! The project's own chores. `cargo xtask bench gateway` measures the gateway against the floor, `cargo xtask torture`
//! crashes the ledger until something is lost (nothing is); the `tidy` test lives in `tests/`.
//!
//! Nothing here ships, and nothing here reaches beyond 127.0.0.1.
use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod bench;
mod eval;
mod kinds;
mod tiny;
mod torture;
mod train;

/// The project's own chores
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Measure, and print what was measured as JSON lines
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Write the table of kinds into its reference page
    Kinds,
    /// Write the tiny classifiers that tests make, for other software to read
    TinyModels(tiny::TinyArgs),
    /// Crash the ledger and its keys, break their disk, kill the gateway, and say what was lost
    Torture(torture::TortureArgs),
    /// Train what is shipped
    #[command(subcommand)]
    Train(train::Train),
    /// Say how well detectors detect, on texts that they never saw
    #[command(subcommand)]
    Eval(eval::Eval),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Bench(bench) => bench.run(),
        Chore::Kinds => kinds::run(),
        Chore::TinyModels(tiny) => tiny::run(&tiny),
        Chore::Torture(torture) => torture::run(&torture),
        Chore::Train(train) => train.run(),
        Chore::Eval(eval) => eval.run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            bench::say(&format!("error: {error:#}"));
            ExitCode::from(3)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
