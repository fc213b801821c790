//! `bartizan audit`: what was decided, and the proof that nobody changed it since.
use crate::audit::signed::{NOBODY_SIGNED, Signatures};
use crate::audit::tail::Tail;
use crate::audit::{self, Content, Lens, Mark};
use crate::opening::Place;
use crate::orders::{self, Order};
use crate::outcome::Outcome;
use crate::print;
use crate::serve::Sources;
use crate::verbs::state_folder;
use anyhow::Context as _;
use bartizan_core::record::Slot;
use clap::{Args, Subcommand};
use std::path::PathBuf;

mod again;
mod check;
mod disclose;
mod find;
mod follow;
mod forget;

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
    Erase(forget::EraseArgs),
    Expire(forget::ExpireArgs),
    Verify(check::VerifyArgs),
    Search(find::SearchArgs),
    Sql(find::SqlArgs),
    Tail(follow::TailArgs),
    Prove(check::ProveArgs),
    Rejudge(again::RejudgeArgs),
    Disclose(disclose::DiscloseArgs),
    Export(follow::ExportArgs),
    Rebuild(follow::RebuildArgs),
}

/// List the last leaves, oldest first
///
/// Exits 0, and 3 where there is no ledger, it is damaged, or a leaf is not the one that was signed.
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

/// Show one record: what was found, what was decided and, with --reveal, what was asked and what went out
///
/// Texts are stored sealed. --reveal opens them, and the ledger keeps a record that it did. Exits 0, 2 where there is no such record, and 3 where
/// something is damaged or cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit show 8f3a91c2              the id is in the header x-bartizan-record; its beginning will do
  bartizan audit show 8f3a91c2 --reveal     with the texts")]
struct ShowArgs {
    /// The record's id, or the beginning of it
    id: String,
    #[command(flatten)]
    place: Place,
    /// Open the texts, too; the ledger records it
    #[arg(long)]
    reveal: bool,
    /// Print one JSON array of leaves
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
        AuditVerb::Show(args) => show(&args),
        AuditVerb::Erase(args) => forget::erase(&args),
        AuditVerb::Expire(args) => forget::expire(&args),
        AuditVerb::Verify(args) => check::verify(args),
        AuditVerb::Search(args) => find::search(args),
        AuditVerb::Sql(args) => find::sql(args),
        AuditVerb::Tail(args) => follow::tail(args),
        AuditVerb::Prove(args) => check::prove(args),
        AuditVerb::Rejudge(args) => again::run(&args),
        AuditVerb::Disclose(args) => disclose::disclose(&args),
        AuditVerb::Export(args) => follow::export(args),
        AuditVerb::Rebuild(args) => follow::rebuild(args),
    }
}

fn list(args: ListArgs) -> anyhow::Result<Outcome> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let (mut tail, entries) = Tail::open(&state_folder(args.dir), limit)?;
    let marks = follow::doubt(&mut tail, &entries);
    let marked = entries.iter().zip(&marks);
    if args.json {
        let line = |(entry, mark): (&_, &Mark)| audit::harmless(&audit::leaf_json(entry, *mark));
        print::lines(&marked.map(line).collect::<Vec<_>>())?;
        return Ok(Mark::outcome(&marks));
    }
    let head = audit::LEAF_HEADS.map(str::to_owned).to_vec();
    let rows = marked.map(|(entry, mark)| audit::leaf_row(entry, *mark));
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    print::data(&print::visible(&print::columns(&rows)))?;
    Ok(Mark::outcome(&marks))
}

fn show(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let (folder, sources) = (args.place.folder()?, Sources::real());
    let is_revealing = args.reveal
        && !is_erased(&audit::record(&folder, &args.id, &Lens::new(&folder, &sources, false)?)?);
    if args.reveal && !is_revealing {
        // A leaf that says so would have an auditor look for whoever saw what nobody could.
        print::talk(
            "nothing is revealed, and nothing was recorded: every text of the record is erased or has expired",
        );
    }
    if is_revealing {
        let record = audit::id_of(&folder, &args.id)?.to_string();
        let by = orders::label(&sources);
        orders::give(&args.place, &Order::Reveal { record, by }, &sources)
            .context("nothing is revealed, because it could not be recorded")?;
    }
    let lens = Lens::new(&folder, &sources, is_revealing)?;
    let leaves = audit::record(&folder, &args.id, &lens)?;
    let mut extent = Signatures::of(&folder).extent(&audit::reader(&folder)?)?;
    if extent.is_none() {
        print::warn(NOBODY_SIGNED);
    }
    let mut marks = Vec::with_capacity(leaves.len());
    for (entry, _) in &leaves {
        marks.push(extent.as_mut().map_or(Mark::Unsigned, |extent| extent.mark(entry)));
    }
    let all = leaves.iter().zip(&marks);
    if args.json {
        let leaves: Vec<_> = all
            .map(|((entry, payloads), mark)| audit::record_json(entry, payloads, *mark))
            .collect();
        print::line(&audit::harmless(&leaves.into()))?;
    } else {
        let leaves: Vec<_> = all
            .map(|((entry, payloads), mark)| audit::record_text(entry, payloads, *mark))
            .collect();
        print::data(&leaves.join("\n"))?;
    }
    if let Some(words) = audit::missing_words(leaves.iter().map(|(entry, _)| entry.leaf.kind)) {
        print::warn(&words);
    }
    let is_damaged = |(_, content): &(_, Content)| matches!(content, Content::Damaged { .. });
    let is_whole = leaves.iter().flat_map(|(_, payloads)| payloads).all(|one| !is_damaged(one));
    Ok(if is_whole { Mark::outcome(&marks) } else { Outcome::Unfinished })
}

/// Whether a record had texts, and all of them were erased or have expired.
fn is_erased(leaves: &[audit::Whole]) -> bool {
    let payloads = leaves.iter().flat_map(|(_, payloads)| payloads);
    let mut texts = payloads.filter(|(slot, _)| *slot != Slot::Evidence).peekable();
    texts.peek().is_some()
        && texts.all(|(_, content)| matches!(content, Content::Erased | Content::Expired))
}
