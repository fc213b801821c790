//! `bartizan audit tail`, `export` and `rebuild`: leaves as they come, leaves of a stretch of time, and all of them again.
use crate::audit::export::{Format, Stretch, to_file, to_stdout};
use crate::audit::signed::{Mark, NOBODY_SIGNED, SAYS_MORE};
use crate::audit::tail::Tail;
use crate::audit::when::moment_ms;
use crate::audit::{harmless, leaf_json, leaf_row, tables};
use crate::outcome::{Outcome, Usage};
use crate::print::{self, put};
use crate::serve::Sources;
use crate::verbs::state_folder;
use bartizan_ledger::Entry;
use clap::Args;
use std::path::PathBuf;

/// Most leaves that are shown before those that come.
const LAST_MAX: u64 = 1_000_000;

/// Show the last leaves and, with -f, those that come
///
/// Ends with exit code 0 on SIGINT (Ctrl-C) and SIGTERM, and with 3 where there is no ledger, or it is damaged. New leaves appear with the checkpoint that has them: within about a second.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit tail -n 20
  bartizan audit tail -f --json | jq 'select(.outcome == \"refused\")'")]
pub(super) struct TailArgs {
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// How many of the last ones
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=LAST_MAX))]
    lines: u64,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object per leaf and line
    #[arg(long)]
    json: bool,
}

pub(super) fn tail(args: TailArgs) -> anyhow::Result<Outcome> {
    let limit = usize::try_from(args.lines).unwrap_or(usize::MAX);
    let (mut tail, mut last) = Tail::open(&state_folder(args.dir), limit)?;
    if args.follow {
        tail.hold_back(&mut last);
    }
    let marks = doubt(&mut tail, &last);
    let outcome = Mark::outcome(&marks);
    if show(&last, &marks, args.json)? && args.follow && outcome == Outcome::Allow {
        // What is followed is signed.
        let signed = |entries: &[Entry]| vec![Mark::Signed; entries.len()];
        tail.follow(&mut |entries| Ok(show(entries, &signed(entries), args.json)?))?;
    }
    Ok(outcome)
}

/// Whether anybody still reads.
fn show(entries: &[Entry], marks: &[Mark], is_json: bool) -> std::io::Result<bool> {
    let marked = entries.iter().zip(marks);
    if is_json {
        let line = |(entry, mark): (&Entry, &Mark)| harmless(&leaf_json(entry, *mark)) + "\n";
        return put(&marked.map(line).collect::<String>());
    }
    let rows: Vec<_> = marked.map(|(entry, mark)| leaf_row(entry, *mark)).collect();
    put(&print::visible(&print::columns(&rows)))
}

/// How these leaves stand to what was signed; where one was not, stderr says so.
pub(super) fn doubt(tail: &mut Tail, shown: &[Entry]) -> Vec<Mark> {
    let Some(marks) = tail.marks(shown) else {
        print::warn(NOBODY_SIGNED);
        return vec![Mark::Unsigned; shown.len()];
    };
    if let Some(at) = marks.iter().position(|mark| *mark == Mark::Changed) {
        let index = shown.get(at).map_or(0, |entry| entry.index);
        print::warn(&format!("leaf {index} is not the one that was signed: {SAYS_MORE}"));
    }
    let n = marks.iter().filter(|mark| **mark == Mark::Unsigned).count();
    if 0 < n {
        print::talk(&format!(
            "unsigned: {n} of these came after the last checkpoint, and no signature covers them yet"
        ));
    }
    marks
}

/// Write the leaves of a stretch of time for a data warehouse
///
/// The columns are those of the table `leaves`: metadata, no texts. A stretch begins with --since and ends before --until, so that
/// stretches that follow each other have every leaf once. Exits 0, 2 where the file is there already or may not be written, 3 otherwise.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit export --since 2026-11-22 --until 2026-11-23 --out leaves-2026-11-22.jsonl
  bartizan audit export --format parquet --since 24h --out leaves.parquet")]
pub(super) struct ExportArgs {
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Recorded then or later: 2026-11-23, 2026-11-23T05:26:09Z (UTC), or 24h ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Recorded before that
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The file, which must not be there yet [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "out")]
    force: bool,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn export(args: ExportArgs) -> anyhow::Result<Outcome> {
    let now_ms = Sources::real().clock.unix_ms();
    let moment = |text: Option<String>| text.map(|text| moment_ms(&text, now_ms)).transpose();
    let stretch = Stretch { since_ms: moment(args.since)?, until_ms: moment(args.until)? };
    if let Stretch { since_ms: Some(since_ms), until_ms: Some(until_ms) } = stretch
        && until_ms <= since_ms
    {
        return Err(
            Usage("--until is not after --since: there is nothing between".to_owned()).into()
        );
    }
    let folder = state_folder(args.dir);
    match (args.format, args.out) {
        (format, Some(out)) => {
            let n = to_file(&folder, stretch, format, &out, args.force)?;
            print::talk(&format!("{n} leaves are in {}", out.display()));
        }
        (Format::Jsonl, None) => {
            to_stdout(&folder, stretch)?;
        }
        (Format::Parquet, None) => {
            let message =
                "--format parquet takes --out: it is no text, and its end tells where things are";
            return Err(Usage(message.to_owned()).into());
        }
    }
    Ok(Outcome::Allow)
}

/// Make the index from nothing
///
/// The index holds what `search`, `sql` and `export` read: metadata that the ledger has anyway. They keep it up to date by themselves; this
/// is for one that somebody has changed. Exits 0, 2 in a copy, 3 where the ledger cannot be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan audit rebuild")]
pub(super) struct RebuildArgs {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn rebuild(args: RebuildArgs) -> anyhow::Result<Outcome> {
    let followed = tables::rebuild(&state_folder(args.dir))?;
    if args.json {
        print::json(&serde_json::json!({"leaves": followed.leaves}))?;
    } else {
        print::line(&format!("the index has {} leaves", followed.leaves))?;
    }
    Ok(Outcome::Allow)
}
