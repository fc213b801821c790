//! The project's own chores. `cargo xtask bench gateway` measures the gateway against the floor; the `tidy` test lives in `tests/`.
//!
//! Nothing here ships, and nothing here reaches beyond 127.0.0.1.
use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod bench;

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
}

fn main() -> ExitCode {
    let Arguments { chore: Chore::Bench(bench) } = Arguments::parse();
    match bench.run() {
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
