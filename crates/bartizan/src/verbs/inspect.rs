//! `bartizan inspect`: what the detectors see in a text, and what a policy would do about it.
use crate::clock::OsEntropy;
use crate::files;
use crate::guard;
use crate::outcome::{Outcome, Usage};
use crate::print;
use anyhow::Context as _;
use bartizan_core::clock::Entropy as _;
use bartizan_core::detect::{Finding, Inspector as _};
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::record::RecordId;
use bartizan_inspect::TextInspector;
use bartizan_policy::{Action, GuardPolicy, Observation, Profile, Roles, Subject, judge};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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
    /// Read at most this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    bytes_max: usize,
}

/// One line of `--jsonl`.
#[derive(Deserialize)]
struct Row {
    id: Value,
    text: String,
    source: Option<Source>,
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
    let text = read(&args.file, args.bytes_max)?;
    if args.jsonl { rows(&args, &policy, &text) } else { whole(&args, &policy, &text) }
}

fn read(path: &Path, bytes_max: usize) -> anyhow::Result<String> {
    let bytes = if path == Path::new("-") {
        files::read_from(std::io::stdin().lock(), bytes_max).context("cannot read stdin")?
    } else {
        let file = std::fs::File::open(path)
            .map_err(|error| Usage(format!("cannot open {}: {error}", path.display())))?;
        files::read_from(file, bytes_max)
            .with_context(|| format!("cannot read {}", path.display()))?
    };
    String::from_utf8(bytes).context("the text is not UTF-8")
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

fn rows(args: &TextArgs, policy: &GuardPolicy, text: &str) -> anyhow::Result<Outcome> {
    let (mut is_released, mut is_finished) = (true, true);
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let row: Row = match serde_json::from_str(line) {
            Ok(row) => row,
            Err(error) => {
                is_finished = false;
                let id =
                    serde_json::from_str::<Value>(line).ok().and_then(|row| row.get("id").cloned());
                print::json(&json!({"id": id, "error": format!("line {}: {error}", n + 1)}))?;
                continue;
            }
        };
        let report = scan(policy, row.source.unwrap_or(args.source), &row.text);
        is_released &= report.verdict == Action::Release;
        print::json(&json!({
            "id": row.id, "verdict": report.verdict,
            "findings": report.findings.iter().map(describe).collect::<Vec<_>>(),
        }))?;
    }
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
        "action": action, "detector": finding.detector,
    })
}
