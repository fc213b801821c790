//! `cargo xtask bench`: what the gateway and the ledger cost, measured in one run against the floor.
//!
//! Every figure is taken beside the same figure of a bare reverse proxy (and of nginx, where there is one), in turn, on the same
//! machine in the same minute; a figure without its neighbour says little. Nothing here listens or sends beyond 127.0.0.1, and
//! whatever is started dies with this process.
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

mod answer;
mod disk;
mod floor;
mod grid;
mod ledger;
mod load;
mod mock;
mod process;
mod report;
mod rig;
pub(crate) mod serve;
mod shape;
mod stats;
mod streams;
mod subject;
mod table;

pub(crate) use report::{print_text, say};

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Measure the gateway against a bare reverse proxy and nginx
    ///
    /// Prints one JSON object per line. Exits 0 when every run was good, 1 when a run was void because a request failed or a server
    /// did not start, and 3 when the bench itself could not go on. A target that was missed is printed, and is no error.
    Gateway(GatewayArgs),
    /// Measure the ledger: sealing, durable rates beside their floor, checkpoints, start, verification, proofs
    ///
    /// Prints one JSON object per figure. A target that was missed is printed, and is no error.
    Ledger(ledger::LedgerArgs),
    /// Render the lines of a former run as Markdown
    Table {
        /// File of JSON lines
        file: PathBuf,
    },
    /// The mock upstream
    #[command(hide = true)]
    Mock {
        /// Port on 127.0.0.1
        port: u16,
    },
    /// The bare reverse proxy
    #[command(hide = true)]
    Floor {
        /// Port on 127.0.0.1
        port: u16,
        /// Port of the upstream
        upstream: u16,
        /// Worker threads
        workers: usize,
    },
    /// The load generator
    #[command(hide = true)]
    Load,
}

/// How to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct GatewayArgs {
    /// A minute instead of ten: good for finding out whether all works, not for quoting
    #[arg(long)]
    pub(crate) quick: bool,
    /// The gateway's binary; without it, it is built and taken from beside this one
    #[arg(long, value_name = "FILE")]
    pub(crate) bin: Option<PathBuf>,
    /// Only these: plain-1, plain-10, plain-100, stream-1, stream-10, stream-100, streams
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = grid::SCENARIOS)]
    pub(crate) only: Vec<String>,
    /// Only these: floor, nginx, bartizan
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["floor", "nginx", "bartizan"], default_value = "floor,nginx,bartizan")]
    pub(crate) subjects: Vec<String>,
    /// Seconds for each subject in each round
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: Option<u64>,
    /// Rounds, in which every subject has its turn
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: Option<u32>,
    /// Connections, all of them busy in the closed loop
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) conc: u16,
    /// Requests per second of the open loop, instead of a rate that suits the size
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: Option<u32>,
    /// Worker threads of the floor; nginx always has one process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
    /// Streams to hold open
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=8000))]
    pub(crate) streams: u16,
    /// Seconds to hold them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(4..=1000))]
    pub(crate) hold: Option<u32>,
    /// Folder for ledgers and logs, on the disk to be measured; without it, the build folder
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Print a Markdown table at the end
    #[arg(long)]
    pub(crate) table: bool,
}

impl Bench {
    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self {
            Self::Gateway(arguments) => return grid::run(&arguments),
            Self::Ledger(arguments) => return ledger::run(&arguments),
            Self::Table { file } => print_text(&table::of_file(&file)?)?,
            Self::Mock { port } => mock::run(port)?,
            Self::Floor { port, upstream, workers } => floor::run(port, upstream, workers)?,
            Self::Load => load::run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
