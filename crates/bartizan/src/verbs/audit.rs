//! `bartizan audit`: what was decided, and the proof that nobody changed it since.
use crate::audit;
use crate::outcome::Outcome;
use crate::print;
use crate::verbs::state_folder;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Most leaves that are listed at a time.
const LIST_MAX: u64 = 10_000_000;

/// Read and verify the ledger, also while `serve` runs
#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    verb: AuditVerb,
}

#[derive(Subcommand, Debug)]
enum AuditVerb {
    List(ListArgs),
    Show(ShowArgs),
    Verify(VerifyArgs),
}

/// List the last leaves, oldest first
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit list --limit 20
  bartizan audit list --json | grep refused     one JSON object per line")]
struct ListArgs {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object per leaf and line
    #[arg(long)]
    json: bool,
    /// How many leaves
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=LIST_MAX))]
    limit: u64,
}

/// Show one record: what was asked, what was found, what was decided, what went out
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan audit show 8f3a91c2     the id is in the header x-bartizan-record; its beginning will do")]
struct ShowArgs {
    /// The record's id, or the beginning of it
    id: String,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON array of leaves
    #[arg(long)]
    json: bool,
}

/// Recompute every hash and say whether the ledger is as it was written
///
/// Exits 0 when it is, 1 when it is not or cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan audit verify --json     {\"verified\":true,\"leaves\":42,\"problem\":null,...}")]
struct VerifyArgs {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the chosen one.
///
/// # Errors
/// When the ledger cannot be read; for `verify` that is an answer, not an error.
pub(crate) fn run(args: AuditArgs) -> anyhow::Result<Outcome> {
    match args.verb {
        AuditVerb::List(args) => list(args),
        AuditVerb::Show(args) => show(args),
        AuditVerb::Verify(args) => verify(args),
    }
}

fn list(args: ListArgs) -> anyhow::Result<Outcome> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let entries = audit::last(&state_folder(args.dir), limit)?;
    if args.json {
        let lines: Vec<_> =
            entries.iter().map(|entry| audit::leaf_json(entry).to_string()).collect();
        print::lines(&lines)?;
        return Ok(Outcome::Allow);
    }
    let head = ["INDEX", "TIME", "RECORD", "KIND", "KEY", "ROUTE", "OUTCOME", "VERDICT"];
    let head = head.map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(entries.iter().map(audit::leaf_row)).collect();
    print::data(&print::visible(&print::columns(&rows)))?;
    Ok(Outcome::Allow)
}

fn show(args: ShowArgs) -> anyhow::Result<Outcome> {
    let leaves = audit::record(&state_folder(args.dir), &args.id)?;
    if args.json {
        let leaves: Vec<_> =
            leaves.iter().map(|(entry, payloads)| audit::record_json(entry, payloads)).collect();
        print::json(&leaves)?;
    } else {
        let leaves: Vec<_> =
            leaves.iter().map(|(entry, payloads)| audit::record_text(entry, payloads)).collect();
        print::data(&leaves.join("\n"))?;
    }
    Ok(Outcome::Allow)
}

fn verify(args: VerifyArgs) -> anyhow::Result<Outcome> {
    let verdict = audit::verify(&state_folder(args.dir));
    if args.json {
        print::json(&verdict.json())?;
    } else {
        match &verdict.problem {
            None => print::line(&format!(
                "verified: {} leaves, root {}, {} exchanges under way",
                verdict.leaves, verdict.root, verdict.open
            ))?,
            Some(problem) => print::line(&format!(
                "not verified: {} (leaves before that: {})",
                print::visible(problem),
                verdict.leaves
            ))?,
        }
    }
    Ok(if verdict.verified { Outcome::Allow } else { Outcome::Deny })
}
