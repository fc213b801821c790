//! Finds personal data, secrets, invisible characters and plain override phrases in text, whole or in a stream.
//!
//! One pass over the bytes ([`TextInspector`]) feeds every rule; the findings of a stream do not depend on how it is cut. This crate
//! opens nothing and decides nothing. It reads text as it stands and through views that undo encodings and spellings; what is
//! paraphrased, translated, compressed or enciphered is not found here.
//!
//! ```
//! # use bartizan_core::{detect::Inspector, evidence::Source};
//! # use bartizan_inspect::{KINDS, TextInspector};
//! let mut seen = Vec::new();
//! TextInspector::new().scan(Source::User, b"write to jo@example.org", &mut |finding| seen.push(finding));
//! assert_eq!(seen.len(), 1);
//! assert_eq!((seen[0].span.start, seen[0].span.end), (9, 23));
//! assert_eq!(seen[0].detector, "pii.email@1");
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "tests count small numbers"))]
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::KindInfo;
use model::{Cutoffs, Head, Judge, ModelDetector, Place, Scores};

pub mod custom;
mod detector;
pub mod except;
mod gate;
mod intern;
mod kinds;
mod known;
pub mod leak;
pub mod model;
mod pair;
mod rules;
mod text;
mod view;

pub use kinds::{KINDS, KINDS_LEN, KindDetails, kind_details};
pub use rules::{PublishedSample, published_samples};
pub use view::VIEW_HELD_BYTES_MAX;

/// Name and version of the whole inspector.
pub const DETECTOR_ID: &str = "text@1";

/// Most bytes of an answer whose tone is judged; the rest is not.
pub const WHOLE_BYTES_MAX: usize = 256 << 10;

/// How bad the worst of an answer must sound. Where findings begin for callers, every ninth harmless text of an unseen source has one;
/// here it is every hundredth.
const WHOLE_SCORE_MIN: f32 = 0.8;

/// Finds every kind of [`KINDS`]. It holds next to nothing: the tables are shared by the whole process.
#[derive(Clone, Copy, Debug)]
pub struct TextInspector {
    /// `None` if the program was built with weights that are none: then every text has a finding that says so.
    judge: Option<&'static Judge<'static>>,
    /// How bad the worst of an answer must sound.
    whole_score_min: f32,
}

impl TextInspector {
    /// An inspector. The tables are built on the first call.
    pub fn new() -> Self {
        gate::Gate::get();
        Self { judge: Judge::shipped().ok().map(intern::judge), whole_score_min: WHOLE_SCORE_MIN }
    }

    /// The same inspector, whose text model makes findings from other scores on.
    #[must_use]
    pub fn with_cutoffs(self, cutoffs: Cutoffs) -> Self {
        // Who chose a cutoff for what a model says meant that one.
        let is_own = cutoffs.is_moved(Head::Toxicity, Place::Speech);
        let whole_score_min = if is_own { 0.0 } else { self.whole_score_min };
        let judge = self.judge.map(|judge| intern::judge(judge.with_cutoffs(cutoffs)));
        Self { judge, whole_score_min }
    }

    /// How much a text looks like an attack or an insult.
    pub fn scores(&self, source: Source, text: &[u8]) -> Scores {
        self.judge.map(|judge| judge.scores(text, source)).unwrap_or_default()
    }
}

/// What listens to the words of a text, and whose text it is.
#[derive(Clone, Copy, Debug)]
struct Ears {
    judge: Option<&'static Judge<'static>>,
    source: Source,
}

impl Ears {
    /// The judge of this text. Of what the application or the model says only the tone matters, which is judged once it is whole: while it
    /// arrives that would cost each stream more memory than all else.
    fn judge(self) -> Option<&'static Judge<'static>> {
        self.judge.filter(|_| Place::of(self.source) != Place::Speech)
    }

    fn detector(self) -> Option<ModelDetector<'static>> {
        self.judge().map(|judge| ModelDetector::with_judge(*judge, self.source))
    }
}

impl Default for TextInspector {
    fn default() -> Self {
        Self::new()
    }
}

impl Inspector for TextInspector {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        let views = view::ViewDetector::new(Ears { judge: self.judge, source });
        match self.judge {
            Some(_) => Box::new(views),
            None => Box::new(pair::Pair::new(views, pair::Blind)),
        }
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if self.judge.is_none() {
            pair::Blind.finish(report);
        }
        if known::is_name(text) {
            return;
        }
        view::scan(Ears { judge: self.judge, source }, text, report);
    }

    fn judge_whole(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        let Some(judge) = self.judge.filter(|_| source == Source::Model) else { return };
        let text = text.get(..WHOLE_BYTES_MAX).unwrap_or(text);
        let mut found = Vec::new();
        let scores = judge.findings(text, source, &mut |finding| found.push(finding));
        if scores.toxicity >= self.whole_score_min {
            let found = found.into_iter();
            found
                .for_each(|finding| report(Finding { detector: model::WHOLE_DETECTOR, ..finding }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How the whole of an answer sounds, and nobody else's; what its first bytes do not show is not judged.
    #[test]
    fn only_answers_are_judged_by_their_tone() {
        let insult = "You are a worthless idiot and I hate you. Shut up, you stupid moron.";
        let late =
            format!("{}{insult}", "The town met on Tuesday. ".repeat(WHOLE_BYTES_MAX / 25 + 1));
        for (name, source, text, want) in [
            ("an insult", Source::Model, insult, true),
            ("the caller's", Source::User, insult, false),
            ("a call's", Source::ToolCall, insult, false),
            ("harmless", Source::Model, "The next train to Tarsk leaves at nine.", false),
            ("short", Source::Model, "I can not do that.", false),
            ("beyond the bound", Source::Model, &late, false),
            ("nothing", Source::Model, "", false),
        ] {
            let mut found = Vec::new();
            let inspector = TextInspector::new();
            inspector.judge_whole(source, text.as_bytes(), &mut |finding| found.push(finding));
            assert_eq!(!found.is_empty(), want, "{name}");
            assert!(found.iter().all(|finding| finding.detector == model::WHOLE_DETECTOR));
        }
    }
}
