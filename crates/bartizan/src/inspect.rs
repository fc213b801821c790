//! What the detectors see in a text, and what a shipped policy would do about it, printed.
use self::rows::{BadRow, Lines, Row};
use crate::clock::OsEntropy;
use crate::guard;
use crate::outcome::Outcome;
use crate::print;
use anyhow::Context as _;
use bartizan_core::clock::Entropy as _;
use bartizan_core::detect::{Finding, Inspector as _};
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::record::RecordId;
use bartizan_inspect::TextInspector;
use bartizan_policy::{Action, GuardPolicy, Observation, Profile, Roles, Subject, judge};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::BufRead;

pub(crate) mod kinds;
mod rows;

/// Bytes of answers that wait for a write while further rows are at hand.
const OUT_BYTES: usize = 1 << 16;

/// What is asked of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'p> {
    /// Who decides.
    pub(crate) policy: &'p GuardPolicy,
    /// Its name.
    pub(crate) profile: Profile,
    /// Whose text it is, where it does not say so itself.
    pub(crate) source: Source,
}

struct Report {
    findings: Vec<(Finding, Action)>,
    verdict: Action,
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

/// Judges one text, for people.
///
/// # Errors
/// Those of stdout.
pub(crate) fn whole(asked: &Asked<'_>, text: &str) -> anyhow::Result<Outcome> {
    let report = scan(asked.policy, asked.source, text);
    let catalogue = guard::catalogue();
    let mut out = String::new();
    for (finding, action) in &report.findings {
        let info = catalogue.info(finding.kind);
        let (start, end) = (finding.span.start, finding.span.end);
        writeln!(out, "{start}..{end}  {action}  {}  {}", info.name, info.title)?;
    }
    print::data(&out)?;
    let (n, verdict) = (report.findings.len(), report.verdict);
    print::talk(&format!("{n} findings; {} says: {verdict}", asked.profile));
    Ok(if verdict == Action::Release { Outcome::Allow } else { Outcome::Deny })
}

/// Judges row after row: at most one is in memory, and what was said of it is written before the next one is waited for.
///
/// # Errors
/// Those of the input and of stdout. A line that is no row is answered as such.
pub(crate) fn rows(
    asked: &Asked<'_>,
    input: &mut dyn BufRead,
    bytes_max: usize,
) -> anyhow::Result<Outcome> {
    let (mut is_released, mut is_finished) = (true, true);
    let mut lines = Lines::new(input, bytes_max);
    let mut out = String::new();
    while let Some(line) = lines.next().context("cannot read the rows")? {
        let told = match line.and_then(|line| Row::parse(&line)) {
            Ok(row) => {
                let report = scan(asked.policy, row.source.unwrap_or(asked.source), &row.text);
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
