//! `cargo xtask torture`: the real ledger and the real key store on disks that lose power, lie and fail, and the real binary killed under load.
//!
//! Every case is made of one seed and repeats: `--seed N --crashes 1 --faults 0 --kills 0` is case N again. What is checked after each: nothing
//! that was acknowledged is lost, the log verifies before and after it is mended, every text opens or was lawfully erased, an erased key
//! opens nothing ever again, every INTENT has one OUTCOME, and no checkpoint that anybody has seen is ever denied.
//!
//! What it does not do: find media that decay under a log at rest (`--faults` flips bits, and `audit verify` looks), play a forger
//! (the ledger's tamper tests do), or reach the witness's store and the vault's files beside the key store (tests beside that code do).
use crate::bench::{print_text, say};
use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

mod crashes;
mod faults;
mod flips;
mod kills;
mod lies;
mod life;
mod meddler;
mod pool;
mod truth;
mod world;

#[cfg(test)]
mod tests;

/// The longest that one case may take: one that takes longer hangs.
const CASE_MAX: Duration = Duration::from_mins(1);
/// Cases whose syncs are compared with the list of those that are left out.
const N_CENSUS: u64 = 200;
/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// How much of each.
#[derive(Clone, Debug, Args)]
pub(crate) struct TortureArgs {
    /// Where the sequence of cases starts; the same seed gives the same cases, kills aside
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Power cuts and kills of the ledger on the simulated disk
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    crashes: u64,
    /// Kills of the real binary under load; 0 to leave them out
    #[arg(long, value_name = "N", default_value_t = 200)]
    kills: u64,
    /// Disks that fail, fill up, tear or rot
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    faults: u64,
    /// Leave out the proof that every sync is needed
    #[arg(long)]
    no_lies: bool,
    /// Leave out only syncs whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "")]
    lie: String,
    /// The binary to kill; without it, the one beside this one
    #[arg(long, value_name = "FILE")]
    bin: Option<PathBuf>,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

/// One failed case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    /// Which kind of case.
    kind: &'static str,
    seed: u64,
    why: String,
}

/// What was done, and what came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    seed: u64,
    crashes: u64,
    faults: u64,
    flips: u64,
    kills: u64,
    /// Answers that a client had whole when the process was killed; each was looked up.
    answers: u64,
    /// The slowest start after a kill, in milliseconds.
    restart_ms_max: u64,
    /// Failed cases. Each is a broken promise.
    lost: u64,
    lies_caught: usize,
    lies_missed: Vec<&'static str>,
    /// Syncs that are none of those which are left out in turn.
    lies_strays: Vec<String>,
    seconds: u64,
    first_failure: Option<Failure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lies: Vec<lies::Lie>,
}

impl Summary {
    fn fail(&mut self, failure: Failure) {
        say(&format!("FAILED {} {}: {}", failure.kind, failure.seed, failure.why));
        self.lost += 1;
        self.first_failure.get_or_insert(failure);
    }

    fn is_good(&self) -> bool {
        self.lost == 0 && self.lies_missed.is_empty() && self.lies_strays.is_empty()
    }

    fn text(&self) -> String {
        let Self { seed, crashes, faults, flips, kills, answers, lost, seconds, .. } = self;
        let mut text = format!(
            "seed {seed}: {crashes} crashes, {kills} kills ({answers} answers looked up, restart {} ms at most), {faults} faults, \
             {flips} flipped bits, lost = {lost}, {} syncs left out of which {} unnoticed, {seconds} s",
            self.restart_ms_max,
            self.lies_caught + self.lies_missed.len(),
            self.lies_missed.len(),
        );
        if let Some(Failure { kind, seed, why }) = &self.first_failure {
            text = format!("{text}; the first failure: {kind} {seed}: {why}");
        }
        text
    }
}

/// Does all of it.
///
/// # Errors
/// When a case hangs, or the binary cannot be started.
pub(crate) fn run(arguments: &TortureArgs) -> Result<ExitCode> {
    let began = Instant::now();
    let mut summary = Summary { seed: arguments.seed, ..Summary::default() };
    crash(arguments, &mut summary)?;
    fault(arguments, &mut summary)?;
    if !arguments.no_lies {
        lie(arguments, &mut summary)?;
    }
    if 0 < arguments.kills {
        kill(arguments, &mut summary)?;
    }
    summary.seconds = began.elapsed().as_secs();
    print_text(&if arguments.json { serde_json::to_string(&summary)? } else { summary.text() })?;
    Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Runs cases until `goal` is reached; each says how much it adds.
fn cases(
    kind: &'static str,
    goal: u64,
    seed: u64,
    summary: &mut Summary,
    case: fn(u64) -> Result<u64, String>,
) -> Result<u64> {
    let (mut n_done, mut told) = (0, Instant::now());
    let hung = pool::run(seed, CASE_MAX, case, |seed, outcome| {
        match outcome {
            Ok(n) => n_done += n,
            Err(why) => {
                summary.fail(Failure { kind, seed, why });
                n_done += 1;
            }
        }
        if TELL_EVERY < told.elapsed() {
            told = Instant::now();
            say(&format!("{kind}: {n_done} of {goal}"));
        }
        n_done < goal
    });
    match hung {
        Some(seed) => bail!("{kind} case {seed} hangs: it took more than {} s", CASE_MAX.as_secs()),
        None => Ok(n_done),
    }
}

fn crash(arguments: &TortureArgs, summary: &mut Summary) -> Result<()> {
    if 0 < arguments.crashes {
        let one = |seed| crashes::case(seed, None);
        summary.crashes = cases("crash", arguments.crashes, arguments.seed, summary, one)?;
    }
    Ok(())
}

fn fault(arguments: &TortureArgs, summary: &mut Summary) -> Result<()> {
    if 0 < arguments.faults {
        summary.faults = cases("fault", arguments.faults, arguments.seed, summary, faults::case)?;
        summary.flips = cases("flip", arguments.faults, arguments.seed, summary, flips::case)?;
    }
    Ok(())
}

fn lie(arguments: &TortureArgs, summary: &mut Summary) -> Result<()> {
    match lies::census(arguments.seed, N_CENSUS) {
        Ok(census) => summary.lies_strays = census.strays.into_iter().collect(),
        Err(why) => summary.fail(Failure { kind: "census", seed: arguments.seed, why }),
    }
    for stray in &summary.lies_strays {
        say(&format!("NOT ON THE LIST: {stray}"));
    }
    for sync in lies::syncs().filter(|sync| sync.name.contains(&arguments.lie)) {
        let name = sync.name;
        let lie = pool::watched(CASE_MAX * 10, {
            let seed = arguments.seed;
            move || lies::expose(&sync, seed)
        });
        let Some(lie) = lie else { bail!("leaving out the sync of {name} hangs") };
        if lie.caught {
            summary.lies_caught += 1;
            let how = lie.how.as_deref().unwrap_or_default();
            say(&format!("caught: no sync of {} (case {}: {how})", lie.sync, lie.cases));
        } else {
            summary.lies_missed.push(lie.sync);
            say(&format!("NOT CAUGHT in {} cases: no sync of {}", lie.cases, lie.sync));
        }
        summary.lies.push(lie);
    }
    Ok(())
}

fn kill(arguments: &TortureArgs, summary: &mut Summary) -> Result<()> {
    let told = kills::run(arguments.bin.as_deref(), arguments.kills, arguments.seed)?;
    summary.kills = told.kills;
    summary.answers = told.answers;
    summary.restart_ms_max = told.restart_ms_max;
    for why in told.failures {
        summary.fail(Failure { kind: "kill", seed: arguments.seed, why });
    }
    Ok(())
}
