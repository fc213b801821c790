//! `bartizan inspect`: what the detectors see in a text, and what a policy would do about it.
use crate::clock::OsEntropy;
use crate::files;
use crate::guard;
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::rows::{BadRow, Lines, Row};
use anyhow::Context as _;
use bartizan_core::clock::Entropy as _;
use bartizan_core::detect::{Finding, Inspector as _};
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::record::RecordId;
use bartizan_inspect::TextInspector;
use bartizan_policy::{Action, GuardPolicy, Observation, Profile, Roles, Subject, judge};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of rows that are read at a time.
const IN_BYTES: usize = 1 << 16;
/// Bytes of answers that wait for a write while further rows are at hand.
const OUT_BYTES: usize = 1 << 16;

/// Look into a text as the guards do
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(subcommand)]
    verb: InspectVerb,
}

#[derive(Subcommand, Debug)]
enum InspectVerb {
    Text(TextArgs),
}

/// Scan a text, and say what a profile does with what was found
///
/// Offsets are in bytes of the UTF-8 text as it was given. With --jsonl, each line {"id", "text", "source"?} is answered by one,
/// in the same order: {"id", "verdict", "findings": [{"kind", "start", "end", "score", "action", "detector"}]}, or {"id", "error"}
/// for a line that is no such row; then the exit code is 3.
///
/// Exits 0 when all of it may be released, 1 when something would be redacted or refused, 2 on a usage error and 3 when the
/// scan could not finish.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan inspect text letter.txt
  echo 'mail jo@example.org' | bartizan inspect text --profile strict
  bartizan inspect text --jsonl < rows.jsonl     each line: {\"id\":..., \"text\":..., \"source\"?:...}")]
struct TextArgs {
    /// The text; `-` is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Whose text it is
    #[arg(long, default_value = "user", value_parser = super::policy::sources())]
    source: Source,
    /// The shipped policy to ask
    #[arg(long, default_value = "standard", value_parser = super::policy::profiles())]
    profile: Profile,
    /// Read and write one JSON object per line
    #[arg(long)]
    jsonl: bool,
    /// Read at most this many bytes; with --jsonl, of each line
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    bytes_max: usize,
}

struct Report {
    findings: Vec<(Finding, Action)>,
    verdict: Action,
}

/// Runs the chosen one.
///
/// # Errors
/// When the text cannot be read.
pub(crate) fn run(args: InspectArgs) -> anyhow::Result<Outcome> {
    let InspectVerb::Text(args) = args.verb;
    let policy = GuardPolicy::profile(args.profile, &guard::catalogue())?;
    if args.jsonl {
        let mut input = open(&args.file)?;
        return rows(&args, &policy, &mut input);
    }
    let name = if args.file == Path::new("-") { Path::new("stdin") } else { &args.file }.display();
    let bytes = files::read_from(open(&args.file)?, args.bytes_max);
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    whole(&args, &policy, &text)
}

fn open(path: &Path) -> anyhow::Result<BufReader<Box<dyn Read>>> {
    let stream: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(path)
            .map_err(|error| Usage(format!("cannot open {}: {error}", path.display())))?;
        Box::new(file)
    };
    Ok(BufReader::with_capacity(IN_BYTES, stream))
}

fn scan(policy: &GuardPolicy, source: Source, text: &str) -> Report {
    let mut findings = Vec::new();
    TextInspector::new().scan(Source::User, text.as_bytes(), &mut |finding| findings.push(finding));
    let mut id = [0; 16];
    OsEntropy.fill(&mut id);
    let direction = match source {
        Source::Model | Source::ToolCall => Direction::Output,
        _ => Direction::Input,
    };
    let roles = Roles::from_iter(["app".to_owned()]);
    let subject = Subject {
        record: RecordId(id),
        direction,
        roles: &roles,
        route: crate::config::DEFAULT_NAME,
    };
    let seen: Vec<_> = findings.iter().map(|f| Observation { source, kind: f.kind }).collect();
    let decision = judge(policy, &subject, &seen);
    let findings = findings.into_iter().zip(decision.actions().iter().copied()).collect();
    Report { findings, verdict: decision.verdict() }
}

fn whole(args: &TextArgs, policy: &GuardPolicy, text: &str) -> anyhow::Result<Outcome> {
    let report = scan(policy, args.source, text);
    let catalogue = guard::catalogue();
    let mut out = String::new();
    for (finding, action) in &report.findings {
        let info = catalogue.info(finding.kind);
        let (start, end) = (finding.span.start, finding.span.end);
        writeln!(out, "{start}..{end}  {action}  {}  {}", info.name, info.title)?;
    }
    print::data(&out)?;
    let (n, verdict) = (report.findings.len(), report.verdict);
    print::talk(&format!("{n} findings; {} says: {verdict}", args.profile));
    Ok(if verdict == Action::Release { Outcome::Allow } else { Outcome::Deny })
}

/// Judges row after row: at most one is in memory, and what was said of it is written before the next one is waited for.
fn rows(args: &TextArgs, policy: &GuardPolicy, input: &mut dyn BufRead) -> anyhow::Result<Outcome> {
    let (mut is_released, mut is_finished) = (true, true);
    let mut lines = Lines::new(input, args.bytes_max);
    let mut out = String::new();
    while let Some(line) = lines.next().context("cannot read the rows")? {
        let told = match line.and_then(|line| Row::parse(&line)) {
            Ok(row) => {
                let report = scan(policy, row.source.unwrap_or(args.source), &row.text);
                is_released &= report.verdict == Action::Release;
                json!({
                    "id": row.id, "verdict": report.verdict,
                    "findings": report.findings.iter().map(describe).collect::<Vec<_>>(),
                })
            }
            Err(BadRow { id, reason }) => {
                is_finished = false;
                json!({"id": id, "error": format!("line {}: {reason}", lines.number())})
            }
        };
        writeln!(out, "{told}")?;
        if lines.would_wait() || OUT_BYTES < out.len() {
            print::data(&std::mem::take(&mut out))?;
        }
    }
    print::data(&out)?;
    Ok(match (is_finished, is_released) {
        (false, _) => Outcome::Unfinished,
        (true, false) => Outcome::Deny,
        (true, true) => Outcome::Allow,
    })
}

fn describe((finding, action): &(Finding, Action)) -> Value {
    json!({
        "kind": guard::catalogue().info(finding.kind).name,
        "start": finding.span.start, "end": finding.span.end,
        "score": f64::from(finding.score.get()) / 1000.0,
        "action": action, "detector": finding.detector,
    })
}
