//! `bartizan audit search` and `sql`: questions to the tables.
use crate::audit::when::moment_ms;
use crate::audit::{harmless, search as finds, sql as answers, tables};
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::serve::Sources;
use crate::verbs::state_folder;
use bartizan_core::record;
use bartizan_ledger::index::{Filter, INDEX_SCHEMA, QUERY_ROWS_MAX, QueryError, QueryLimits};
use clap::Args;
use std::path::PathBuf;

/// Most records that are shown at a time.
const FINDS_MAX: u64 = 1_000_000;
/// Most seconds that a query may be given.
const SECONDS_MAX: u64 = 86_400;

/// Find records by what is known of them, the latest ones, oldest first
///
/// The two leaves of a request are one record here. Texts are sealed and cannot be searched. Exits 0, 1 for a subject that nobody knows, 3 without a ledger.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit search --since 24h --outcome refused
  bartizan audit search --since 2026-11-17 --until 2026-11-18 --key k-4f1c --json
  bartizan audit search --subject user-4711     what was recorded about a person")]
pub(super) struct SearchArgs {
    /// Begun then or later: 2026-11-23, 2026-11-23T05:26:09Z (UTC), or 24h ago
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Begun before that
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The caller's key, by its id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// The route
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// How it ended: completed, refused, `client_gone`, `upstream_error`, timeout, interrupted
    #[arg(long, value_name = "WORD", value_parser = outcome)]
    outcome: Option<record::Outcome>,
    /// The kind of leaf: intent, outcome, tally, tombstone, reveal, and so on
    #[arg(long, value_name = "WORD", value_parser = kind)]
    kind: Option<record::RecordKind>,
    /// A word of the verdict, such as `input_redacted`
    #[arg(long, value_name = "WORD", value_parser = bit)]
    verdict: Option<u64>,
    /// The model, by its digest or the beginning of it
    #[arg(long, value_name = "DIGEST", value_parser = digits)]
    model: Option<String>,
    /// The person that it is about, by the name that requests gave; it takes the vault
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=FINDS_MAX))]
    limit: u64,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON object per record and line
    #[arg(long)]
    json: bool,
}

fn outcome(text: &str) -> Result<record::Outcome, String> {
    named(text, record::Outcome::ALL, record::Outcome::name)
}

fn kind(text: &str) -> Result<record::RecordKind, String> {
    named(text, record::RecordKind::ALL, record::RecordKind::name)
}

fn named<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|&value| name(value) == text);
    let names = || all.iter().map(|&value| name(value)).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("one of: {}", names()))
}

fn bit(text: &str) -> Result<u64, String> {
    tables::bit_of(text).ok_or_else(|| format!("one of: {}", tables::all_words()))
}

fn digits(text: &str) -> Result<String, &'static str> {
    let is_hex = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex { Ok(text.to_owned()) } else { Err("a digest has up to 64 hexadecimal digits") }
}

pub(super) fn search(args: SearchArgs) -> anyhow::Result<Outcome> {
    let (folder, sources) = (state_folder(args.dir), Sources::real());
    let now_ms = sources.clock.unix_ms();
    let moment = |text: Option<String>| text.map(|text| moment_ms(&text, now_ms)).transpose();
    let filter = Filter {
        since_ms: moment(args.since)?,
        until_ms: moment(args.until)?,
        key_id: args.key,
        route: args.route,
        outcome: args.outcome,
        kind: args.kind,
        verdict: args.verdict,
        model: args.model,
    };
    let subject = match args.subject.as_deref() {
        Some("") => {
            return Err(Usage(
                "--subject is empty: name the person as the requests did".to_owned(),
            )
            .into());
        }
        Some(name) => {
            let Some(subject) = finds::Subject::find(&folder, name, &sources)? else {
                print::talk(
                    "no record is about a subject of that name, or they were erased: without their key nobody can tell which",
                );
                return Ok(Outcome::Deny);
            };
            Some(subject)
        }
        None => None,
    };
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let finds::Finds { found, is_cut } = finds::search(&folder, &filter, subject.as_ref(), limit)?;
    if args.json {
        let lines: Vec<_> = found.iter().map(|find| harmless(&finds::find_json(find))).collect();
        print::lines(&lines)?;
    } else if found.is_empty() {
        print::talk("nothing was found");
    } else {
        let head = finds::FIND_HEADS.map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(found.iter().map(finds::find_row)).collect();
        print::data(&print::visible(&print::columns(&rows)))?;
    }
    if is_cut {
        print::talk(&format!("there are older ones: --limit {limit} was reached"));
    }
    Ok(Outcome::Allow)
}

/// Ask the tables of metadata in SQL, for reading only
///
/// --schema prints the tables. They hold no texts. Exits 0, 2 for a question that is wrong or not allowed, 3 where it takes too long.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit sql --schema
  bartizan audit sql \"SELECT outcome, count(*) FROM exchanges GROUP BY outcome\"
  bartizan audit sql --csv \"SELECT * FROM exchanges WHERE duration_ms > 60000\" > slow.csv")]
pub(super) struct SqlArgs {
    /// One SELECT
    #[arg(required_unless_present = "schema")]
    query: Option<String>,
    /// Print the tables and what their columns mean
    #[arg(long, conflicts_with_all = ["query", "json", "csv"])]
    schema: bool,
    /// Print one JSON object per row and line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values with a line of heads
    #[arg(long)]
    csv: bool,
    /// Most rows of the answer
    #[arg(long, value_name = "N", default_value_t = QueryLimits::default().rows_max as u64, value_parser = clap::value_parser!(u64).range(1..=QUERY_ROWS_MAX as u64))]
    rows_max: u64,
    /// Most seconds that it may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    time_max: u64,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn sql(args: SqlArgs) -> anyhow::Result<Outcome> {
    let Some(sql) = args.query.filter(|_| !args.schema) else {
        print::data(INDEX_SCHEMA)?;
        return Ok(Outcome::Allow);
    };
    let rows_max = usize::try_from(args.rows_max).unwrap_or(QUERY_ROWS_MAX);
    let limits = QueryLimits { rows_max, time_ms: args.time_max * 1_000 };
    let mut questions = tables::questions(&state_folder(args.dir))?;
    let answer = match questions.ask(&sql, limits, Sources::real().clock) {
        Ok(answer) => answer,
        Err(error @ QueryError::Time { .. }) => {
            anyhow::bail!("{error}: ask for less, or give it more with --time-max")
        }
        Err(error @ (QueryError::Memory | QueryError::Database(_))) => return Err(error.into()),
        Err(error) => return Err(Usage(answers::mistake(&sql, &error)).into()),
    };
    if args.json {
        print::lines(&answers::objects(&answer))?;
    } else if args.csv {
        print::data(&answers::csv(&answer))?;
    } else {
        print::data(&answers::table(&answer))?;
    }
    if answer.is_cut {
        let n = answer.rows.len();
        print::warn(&format!("there are more rows than these {n}: --rows-max raises the limit"));
    }
    Ok(Outcome::Allow)
}
