//! What is printed: one JSON object per line on standard output, talk on standard error.
use super::load::Tally;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// One line of output. `line` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(crate) enum Line {
    /// Where and how it was measured.
    Machine(Machine),
    /// One run of one subject.
    Run(Box<Run>),
    /// A run that says nothing, and why.
    Void(VoidRun),
    /// Something that was not measured, and why.
    Skipped(Skipped),
    /// All rounds of one subject in one cell.
    Cell(Box<Cell>),
    /// Many open streams, held.
    Streams(HeldStreams),
    /// A target of the project and whether it was met.
    Verdict(Verdict),
}

/// Where and how it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) connections: usize,
    pub(crate) floor_workers: usize,
    pub(crate) subjects: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Case {
    /// `plain` or `stream`.
    pub(crate) kind: String,
    /// Text in the prompt, and again in the answer.
    pub(crate) kib: u32,
    /// `floor`, `nginx` or `bartizan`.
    pub(crate) subject: String,
    /// `on`, `off`, or nothing for those that have none.
    pub(crate) guards: Option<String>,
    /// `durable`, `off`, or nothing for those that have none.
    pub(crate) audit: Option<String>,
}

/// One run of one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) round: u32,
    /// `closed` or `open`.
    pub(crate) mode: String,
    /// Requests per second asked for (open loop).
    pub(crate) rate: Option<u32>,
    #[serde(flatten)]
    pub(crate) tally: Tally,
    pub(crate) per_second: f64,
    /// CPU microseconds per request, of each process.
    pub(crate) cpu_us: f64,
    pub(crate) cpu_us_upstream: f64,
    pub(crate) cpu_us_load: f64,
    pub(crate) syncs_per_request: Option<f64>,
    pub(crate) rss_mib: f64,
    pub(crate) rss_peak_mib: f64,
    pub(crate) load1: f64,
}

/// A run that says nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VoidRun {
    pub(crate) void: bool,
    pub(crate) what: String,
    pub(crate) reason: String,
}

/// Something that was not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) what: String,
    pub(crate) reason: String,
}

/// All rounds of one subject in one cell: medians over the rounds, differences taken within each round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cell {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) rounds: usize,
    /// Good answers, all rounds and both loops.
    pub(crate) n: u64,
    /// Closed loop: CPU microseconds per request, of each process.
    pub(crate) cpu_us: f64,
    pub(crate) cpu_us_upstream: f64,
    pub(crate) cpu_us_load: f64,
    pub(crate) cpu_x_floor: Option<f64>,
    pub(crate) per_second: f64,
    pub(crate) syncs_per_request: Option<f64>,
    /// Open loop.
    pub(crate) rate: u32,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// Until the first byte of the body.
    pub(crate) first_p50_us: f64,
    pub(crate) first_p50_over_floor_us: Option<f64>,
    pub(crate) p50_over_floor_us: Option<f64>,
    pub(crate) p99_over_floor_us: Option<f64>,
    pub(crate) p50_x_floor: Option<f64>,
    pub(crate) p99_x_floor: Option<f64>,
    pub(crate) late_p99_us: f64,
    /// The same disk, the same minute: 2 KiB appended and synced, alone.
    pub(crate) fdatasync_p50_us: f64,
    pub(crate) fdatasync_p99_us: f64,
    pub(crate) rss_mib: f64,
    pub(crate) rss_peak_mib: f64,
    pub(crate) load1: f64,
}

/// Many open streams, held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldStreams {
    pub(crate) subject: String,
    pub(crate) guards: Option<String>,
    pub(crate) audit: Option<String>,
    pub(crate) streams: u64,
    pub(crate) held_seconds: f64,
    pub(crate) rss_start_mib: f64,
    /// Once all are open, and at the end of the hold.
    pub(crate) rss_open_mib: f64,
    pub(crate) rss_end_mib: f64,
    pub(crate) rss_peak_mib: f64,
    pub(crate) growth_mib_per_minute: f64,
    pub(crate) cpu_us_per_chunk: f64,
}

/// A target of the project and whether it was met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) target: String,
    pub(crate) value: f64,
    pub(crate) limit: f64,
    pub(crate) met: bool,
    /// Why the figure may say more of the machine than of the gateway.
    pub(crate) doubt: Option<String>,
}

/// Prints one line of data.
pub(crate) fn print(line: &Line) -> Result<()> {
    print_text(&serde_json::to_string(line)?)
}

/// Prints text on standard output.
pub(crate) fn print_text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Says something to whoever watches.
pub(crate) fn say(text: &str) {
    // A closed standard error is no reason to stop measuring.
    let _told = writeln!(io::stderr().lock(), "{text}");
}
