//! What the detectors see in a text, and what a shipped policy would do about it, printed.
use self::rows::{BadRow, Lines, Row};
use crate::clock::OsEntropy;
use crate::outcome::Outcome;
use crate::print;
use anyhow::Context as _;
use bartizan_core::clock::Entropy as _;
use bartizan_core::detect::{Finding, Inspector, Score};
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::kind::Catalogue;
use bartizan_core::record::RecordId;
use bartizan_gateway::exchange::scan_whole;
use bartizan_gateway::limits::Limits;
use bartizan_inspect::TextInspector;
use bartizan_inspect::leak::{Context, Leaks, Material};
use bartizan_inspect::model::Head;
use bartizan_policy::{Action, GuardPolicy, Observation, Roles, Subject, judge};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::BufRead;
use std::sync::Arc;

pub(crate) mod calibrate;
pub(crate) mod kinds;
mod rows;

/// Bytes of answers that wait for a write while further rows are at hand.
const OUT_BYTES: usize = 1 << 16;

/// What is asked of a text.
pub(crate) struct Asked {
    /// What looks.
    pub(crate) inspector: Arc<dyn Inspector>,
    /// What decides.
    pub(crate) policy: GuardPolicy,
    /// Its name, for people.
    pub(crate) judge: String,
    /// Whose text it is, where it does not say so itself.
    pub(crate) source: Source,
    /// With what a second model is asked, where there is one.
    pub(crate) second: Option<crate::second::Desk>,
}

impl Asked {
    fn catalogue(&self) -> Catalogue {
        Catalogue::new(self.inspector.kinds())
    }
}

struct Report {
    findings: Vec<(Finding, Action)>,
    verdict: Action,
}

fn scan(asked: &Asked, source: Source, text: &str, context: Option<&str>) -> Report {
    let prompts: Vec<&[u8]> = context.iter().map(|prompt| prompt.as_bytes()).collect();
    let context = Context::new(&Material { prompts, ..Material::default() });
    let inspector: Arc<dyn Inspector> = if context.is_empty() {
        Arc::clone(&asked.inspector)
    } else {
        Arc::new(Leaks::new(Arc::clone(&asked.inspector), Arc::new(context)))
    };
    // What is JSON is read as `serve` reads it.
    let limits = Limits::default().json();
    let mut findings = scan_whole(&*inspector, limits, source, text.as_bytes());
    inspector.judge_whole(source, text.as_bytes(), &mut |finding| findings.push(finding));
    findings.sort_unstable();
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
    let decision = judge(&asked.policy, &subject, &seen);
    let findings = findings.into_iter().zip(decision.actions().iter().copied()).collect();
    Report { findings, verdict: decision.verdict() }
}

/// Judges one text, for people.
///
/// # Errors
/// Those of stdout.
pub(crate) fn whole(asked: &Asked, text: &str) -> anyhow::Result<Outcome> {
    let report = scan(asked, asked.source, text, None);
    let catalogue = asked.catalogue();
    let mut out = String::new();
    for (finding, action) in &report.findings {
        let info = catalogue.info(finding.kind);
        let (start, end) = (finding.span.start, finding.span.end);
        writeln!(out, "{start}..{end}  {action}  {}  {}", info.name, info.title)?;
    }
    print::data(&out)?;
    let (n, verdict) = (report.findings.len(), report.verdict);
    print::talk(&format!("{n} findings; {} says: {verdict}", asked.judge));
    Ok(if verdict == Action::Release { Outcome::Allow } else { Outcome::Deny })
}

/// Judges row after row: at most one is in memory, and what was said of it is written before the next one is waited for.
///
/// # Errors
/// Those of the input and of stdout. A line that is no row is answered as such.
pub(crate) fn rows(
    asked: &Asked,
    input: &mut dyn BufRead,
    bytes_max: usize,
) -> anyhow::Result<Outcome> {
    let (mut is_released, mut is_finished) = (true, true);
    let mut lines = Lines::new(input, bytes_max);
    let mut out = String::new();
    while let Some(line) = lines.next().context("cannot read the rows")? {
        let told = match line.and_then(|line| Row::parse(&line)) {
            Ok(row) => {
                let source = row.source.unwrap_or(asked.source);
                let report = scan(asked, source, &row.text, row.context.as_deref());
                let scores = scores(&asked.catalogue(), source, &row.text, &report);
                is_released &= report.verdict == Action::Release;
                json!({
                    "id": row.id, "verdict": report.verdict,
                    "findings": report.findings.iter().map(|seen| describe(&asked.catalogue(), seen)).collect::<Vec<_>>(),
                    "scores": scores,
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

/// How bad the text sounds: as it stands, or in another spelling, whichever is worse. Who looks at the scores alone must not miss what is
/// encoded.
fn scores(catalogue: &Catalogue, source: Source, text: &str, report: &Report) -> Value {
    let plain = TextInspector::new().scores(source, text.as_bytes());
    let [mut injection, mut jailbreak, mut toxicity] =
        [plain.injection, plain.jailbreak, plain.toxicity].map(thousandths);
    for (finding, _) in &report.findings {
        let Some(head) = Head::of_kind(catalogue.info(finding.kind).name) else { continue };
        let score = match head {
            Head::Override | Head::Extraction | Head::Instruction => &mut injection,
            Head::Jailbreak => &mut jailbreak,
            Head::Toxicity => &mut toxicity,
        };
        if finding.detector.starts_with("model.") {
            *score = score.max(f64::from(finding.score.get()) / 1000.0);
        }
    }
    json!({ "injection": injection, "jailbreak": jailbreak, "toxicity": toxicity })
}

/// A score from 0 to 1, to three places.
fn thousandths(score: f32) -> f64 {
    f64::from(Score::of_ratio(score).get()) / 1000.0
}

fn describe(catalogue: &Catalogue, (finding, action): &(Finding, Action)) -> Value {
    json!({
        "kind": catalogue.info(finding.kind).name,
        "start": finding.span.start, "end": finding.span.end,
        "score": f64::from(finding.score.get()) / 1000.0,
        "action": action, "detector": finding.detector,
    })
}
