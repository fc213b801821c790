//! What came of the story, for people and for programs.
use super::client::Heard;
use super::leaks::{self, Leak, Promise};
use super::scenes::{Fate, Scene, Shape};
use crate::audit::Verdict;
use crate::outcome::Outcome;
use bartizan_gateway::http::Overhead;
use bartizan_range::Range;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One scene as it was played.
pub(super) struct Shown {
    title: &'static str,
    fate: Fate,
    expected: Fate,
    /// What was found, or why it was denied.
    why: String,
    record: Option<String>,
    leaks: Vec<Leak>,
    /// The caller's own secret reached the model.
    spilled: bool,
    carries_secret: bool,
    /// A planted value that came in pieces.
    is_streamed_attack: bool,
}

/// The same attack without the wall.
pub(super) struct Unguarded {
    /// What the client read.
    pub(super) leaks: Vec<Leak>,
    /// The caller's own secret reached the model.
    pub(super) spilled: bool,
}

/// The whole story.
pub(super) struct Report {
    pub(super) shown: Vec<Shown>,
    pub(super) unguarded: Vec<Unguarded>,
    n_canaries: usize,
    verdict: Option<Verdict>,
    overhead: Overhead,
}

impl Shown {
    pub(super) fn new(
        scene: &Scene,
        range: &Range,
        heard: &Heard,
        to_model: &[u8],
        spilled: bool,
    ) -> Self {
        let body = String::from_utf8_lossy(&heard.body);
        let model_read = String::from_utf8_lossy(to_model);
        let edited = ["[redacted:", "[removed by Bartizan"]
            .iter()
            .any(|mark| body.contains(mark) || model_read.contains(mark));
        // A stream that says so, or that ends without its last word, broke off.
        let is_broken = body.lines().any(|line| line.starts_with("data: {\"error\""))
            || (scene.stream && !body.lines().any(|line| line == "data: [DONE]"));
        let fate = match heard.status {
            500.. => Fate::Failed,
            200 if is_broken => Fate::Failed,
            200 if body.contains("\"content_filter\"") => Fate::Refused,
            200 if edited => Fate::Redacted,
            200 => Fate::Released,
            _ if heard.record.is_some() => Fate::Refused,
            _ => Fate::Denied,
        };
        let code = || {
            serde_json::from_slice::<Value>(&heard.body)
                .ok()
                .and_then(|body| Some(body.pointer("/error/code")?.as_str()?.to_owned()))
        };
        let comment = body.lines().find_map(|line| line.strip_prefix(": x-bartizan-findings "));
        let found = together(heard.findings.as_deref().into_iter().chain(comment));
        let why = if matches!(fate, Fate::Denied | Fate::Failed) {
            format!("{} {}", heard.status, code().unwrap_or_default())
        } else {
            found
        };
        let carries_secret = scene.shape == Shape::CarriesSecret;
        let is_streamed_attack = scene.shape == Shape::Chat && scene.stream && scene.is_attack;
        Self {
            title: scene.title,
            fate,
            expected: scene.expected,
            why,
            record: heard.record.clone(),
            leaks: leaks::find(range, heard),
            spilled,
            carries_secret,
            is_streamed_attack,
        }
    }

    fn row(&self) -> Vec<String> {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let record = self.record.as_deref().and_then(|record| record.get(..8)).unwrap_or_default();
        let why = if self.fate == self.expected {
            dash(&self.why)
        } else {
            format!("NOT AS EXPECTED ({}): {}", self.expected.name(), dash(&self.why))
        };
        vec![
            format!("  {}", self.title),
            self.fate.name().to_owned(),
            dash(record),
            crate::print::visible(&why).replace(['\n', '\t'], " "),
        ]
    }
}

impl Report {
    pub(super) fn new(range: &Range) -> Self {
        Self {
            shown: Vec::new(),
            unguarded: Vec::new(),
            n_canaries: range.canaries().len(),
            verdict: None,
            overhead: Overhead { p50_us: 0, p99_us: 0 },
        }
    }

    pub(super) fn finish(&mut self, verdict: Verdict, overhead: Overhead) {
        self.verdict = Some(verdict);
        self.overhead = overhead;
    }

    fn count(&self, fate: Fate) -> usize {
        self.shown.iter().filter(|shown| shown.fate == fate).count()
    }

    fn guarded(&self, promise: Promise) -> impl Iterator<Item = &Leak> {
        self.shown.iter().flat_map(|shown| &shown.leaks).filter(move |leak| leak.promise == promise)
    }

    /// Planted values that reached the client although the wall promises to hold them, and the caller's secret if it reached the model.
    fn leaked(&self) -> usize {
        self.guarded(Promise::Held).count()
            + self.shown.iter().filter(|shown| shown.spilled).count()
    }

    fn open(&self) -> BTreeSet<String> {
        self.guarded(Promise::Open).map(|leak| format!("{} ({})", leak.kind, leak.form)).collect()
    }

    fn records(&self) -> usize {
        self.shown.iter().filter(|shown| shown.record.is_some()).count()
    }

    fn verified(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.verified)
    }

    /// Scenes that ended otherwise than they should have.
    pub(super) fn unexpected(&self) -> usize {
        self.shown.iter().filter(|shown| shown.fate != shown.expected).count()
    }

    /// Planted values and secrets of the caller that got out without the wall, by kind.
    fn without(&self) -> BTreeMap<&str, usize> {
        let mut without = BTreeMap::new();
        for attack in &self.unguarded {
            let kinds = attack.leaks.iter().map(|leak| leak.kind);
            let own = attack.spilled.then_some("the caller's own key");
            for kind in kinds.chain(own) {
                *without.entry(kind).or_default() += 1;
            }
        }
        without
    }

    /// Allowed only if nothing leaked, every scene ended as it should and the book is whole.
    pub(super) fn outcome(&self) -> Outcome {
        let is_good = self.leaked() == 0 && self.unexpected() == 0 && self.verified();
        if is_good { Outcome::Allow } else { Outcome::Deny }
    }

    pub(super) fn json(&self) -> Value {
        let (leaves, root) = self
            .verdict
            .as_ref()
            .map_or((0, String::new()), |verdict| (verdict.leaves, verdict.root.clone()));
        json!({
            "requests": self.shown.len(),
            "released": self.count(Fate::Released),
            "redacted": self.count(Fate::Redacted),
            "refused": self.count(Fate::Refused),
            "denied": self.count(Fate::Denied),
            "leaked": self.leaked(),
            "leaked_unguarded": self.without().values().sum::<usize>(),
            "released_by_policy": self.guarded(Promise::Released).count(),
            "open": self.open(),
            "records": self.records(),
            "ledger": { "leaves": leaves, "root": root, "verified": self.verified() },
            "overhead_us": { "p50": self.overhead.p50_us, "p99": self.overhead.p99_us },
        })
    }

    /// The story, in at most 40 lines.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let said = self.tell(&mut out);
        debug_assert!(said.is_ok(), "writing to a string does not fail");
        out
    }

    fn tell(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "A practice model with {} planted secrets, and the wall before it. No language model is inside.\n",
            self.n_canaries
        )?;
        let head = ["  what was asked", "decided", "record", "what was found"];
        let head = head.map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(self.shown.iter().map(Shown::row)).collect();
        out.push_str(&crate::print::columns(&rows));
        let mut said = Vec::new();
        if self
            .shown
            .iter()
            .any(|shown| shown.carries_secret && shown.fate == Fate::Redacted && !shown.spilled)
        {
            said.push("The key in the prompt never reached the model.");
        }
        let mut in_pieces = self.shown.iter().filter(|shown| shown.is_streamed_attack).peekable();
        if in_pieces.peek().is_some() && in_pieces.all(|shown| shown.fate == Fate::Redacted) {
            said.push("The card and the IBAN came in 3-byte chunks.");
        }
        if !said.is_empty() {
            writeln!(out, "\n{}", said.join(" "))?;
        }
        let without = self.without();
        let list =
            without.iter().map(|(kind, n)| format!("{kind} x{n}")).collect::<Vec<_>>().join(", ");
        writeln!(out, "\nWithout the wall, the same requests got: {list}")?;
        writeln!(
            out,
            "With it, of what the profile protects:  {}",
            if self.leaked() == 0 {
                "nothing".to_owned()
            } else {
                format!("{} LEAKED", self.leaked())
            }
        )?;
        let released: BTreeSet<&str> =
            self.guarded(Promise::Released).map(|leak| leak.kind).collect();
        if !released.is_empty() {
            writeln!(
                out,
                "The standard profile releases and records: {}",
                released.into_iter().collect::<Vec<_>>().join(", ")
            )?;
        }
        if !self.open().is_empty() {
            writeln!(
                out,
                "No detector covers these yet, and they passed: {}",
                self.open().into_iter().collect::<Vec<_>>().join(", ")
            )?;
        }
        if let Some(verdict) = &self.verdict {
            let root = verdict.root.get(..16).unwrap_or_default();
            let state = if verdict.verified { "verified" } else { "NOT VERIFIED" };
            writeln!(out, "\nLedger: {} leaves, root {root}..., {state}", verdict.leaves)?;
        }
        writeln!(
            out,
            "The gateway's own part of a plain request, without the disk: p50 {} us, p99 {} us",
            self.overhead.p50_us, self.overhead.p99_us
        )
    }
}

/// Kinds and counts, such as `pii.card=1, secret.jwt=2`, from the header and from the comment at the end of a stream, each kind once.
fn together<'t>(said: impl Iterator<Item = &'t str>) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in
        said.flat_map(|said| said.split(", ")).filter_map(|one| one.split_once('='))
    {
        *counts.entry(kind).or_default() += count.parse::<u64>().unwrap_or_default();
    }
    let one = |(kind, count): (&str, u64)| format!("{kind}={count}");
    counts.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::scenes::SCENES;
    use super::*;
    use bartizan_range::RangeOptions;

    fn range() -> Range {
        Range::new(RangeOptions::default()).unwrap()
    }

    /// The first plain or streamed scene, which expects to be released, with this answer.
    fn shown(range: &Range, status: u16, record: bool, body: &str) -> Shown {
        let is_stream = body.starts_with("data: ");
        let scene = SCENES.iter().find(|scene| scene.stream == is_stream).unwrap();
        let heard = Heard {
            status,
            record: record.then(|| "0123456789abcdef".to_owned()),
            findings: None,
            body: body.to_owned().into(),
        };
        Shown::new(scene, range, &heard, b"", false)
    }

    #[test]
    fn a_kind_stands_in_a_line_once() {
        for (name, said, want) in [
            ("nothing", vec![], ""),
            ("the header", vec!["pii.card=1, secret.jwt=2"], "pii.card=1, secret.jwt=2"),
            (
                "both",
                vec!["pii.location=1", "pii.card=1, pii.location=3"],
                "pii.card=1, pii.location=4",
            ),
        ] {
            assert_eq!(together(said.into_iter()), want, "{name}");
        }
    }

    #[test]
    fn a_failure_is_no_refusal() {
        let range = range();
        let cases = [
            ("plain", 200, true, "Paris", Fate::Released),
            ("taken out", 200, true, "It is [redacted:pii.card].", Fate::Redacted),
            ("refused", 200, true, r#"{"finish_reason":"content_filter"}"#, Fate::Refused),
            ("refused at once", 403, true, "", Fate::Refused),
            ("no key", 401, false, "", Fate::Denied),
            ("the upstream failed", 502, true, "", Fate::Failed),
            ("full", 503, false, "", Fate::Failed),
            ("streamed", 200, true, "data: {}\n\ndata: [DONE]\n\n", Fate::Released),
            ("cut off", 200, true, "data: {}\n\n", Fate::Failed),
            ("broken off", 200, true, "data: {\"error\":{}}\n\n", Fate::Failed),
        ];
        for (name, status, record, body, want) in cases {
            assert_eq!(shown(&range, status, record, body).fate, want, "{name}");
        }
    }

    #[test]
    fn a_surprise_is_shown_and_denies() {
        let range = range();
        let verdict = || Verdict {
            verified: true,
            leaves: 2,
            root: "00".repeat(32),
            checkpoint_root: None,
            open: 0,
            signed_by: Vec::new(),
            rest: crate::audit::Rest::default(),
            time_back: None,
            problem: None,
        };
        for (name, status, body, n_unexpected, want) in [
            ("as it should be", 200, "Paris", 0, Outcome::Allow),
            ("taken out for nothing", 200, "[redacted:pii.card]", 1, Outcome::Deny),
            ("failed", 502, "", 1, Outcome::Deny),
        ] {
            let mut report = Report::new(&range);
            report.shown.push(shown(&range, status, true, body));
            report.finish(verdict(), Overhead { p50_us: 1, p99_us: 2 });
            assert_eq!(report.outcome(), want, "{name}");
            assert_eq!(report.unexpected(), n_unexpected, "{name}");
            let text = report.text();
            assert_eq!(text.contains("NOT AS EXPECTED (released)"), n_unexpected == 1, "{text}");
            assert!(!text.contains("never reached the model"), "nobody carried a secret: {text}");
            assert!(!text.contains("3-byte chunks"), "nothing came in pieces: {text}");
        }
    }
}
