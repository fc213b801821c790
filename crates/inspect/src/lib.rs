//! Finds personal data, secrets, invisible characters and plain override phrases in text, whole or in a stream.
//!
//! One pass over the bytes ([`TextInspector`]) feeds every rule; the findings of a stream do not depend on how it is cut. This crate
//! opens nothing and decides nothing. It reads text as it stands: what is encoded, spelled out or translated is not found here.
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
use model::{Cutoffs, Judge, ModelDetector, Place, Scores};

pub mod custom;
mod detector;
pub mod except;
mod gate;
mod intern;
mod kinds;
pub mod leak;
pub mod model;
mod pair;
mod rules;
mod text;

pub use detector::HELD_BYTES_MAX;
pub use kinds::{KINDS, KINDS_LEN, KindDetails, kind_details};
pub use rules::{PublishedSample, published_samples};

/// Name and version of the whole inspector.
pub const DETECTOR_ID: &str = "text@1";

/// Finds every kind of [`KINDS`]. It holds next to nothing: the tables are shared by the whole process.
#[derive(Clone, Copy, Debug)]
pub struct TextInspector {
    /// `None` if the program was built with weights that are none: then every text has a finding that says so.
    judge: Option<Judge<'static>>,
}

impl TextInspector {
    /// An inspector. The tables are built on the first call.
    pub fn new() -> Self {
        gate::Gate::get();
        Self { judge: Judge::shipped().ok() }
    }

    /// The same inspector, whose text model makes findings from other scores on.
    #[must_use]
    pub fn with_cutoffs(self, cutoffs: Cutoffs) -> Self {
        Self { judge: self.judge.map(|judge| judge.with_cutoffs(cutoffs)) }
    }

    /// How much a text looks like an attack or an insult.
    pub fn scores(&self, source: Source, text: &[u8]) -> Scores {
        self.judge.map(|judge| judge.scores(text, source)).unwrap_or_default()
    }
}

/// Whether a text is what the application or the model says. The text model is not asked about these: it would cost more than all else
/// that a streamed answer costs, for its tone alone.
fn is_speech(source: Source) -> bool {
    Place::of(source) == Place::Speech
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
        let text = detector::TextDetector::new();
        match self.judge {
            Some(_) if is_speech(source) => Box::new(text),
            Some(judge) => {
                Box::new(pair::Pair::new(text, ModelDetector::with_judge(judge, source)))
            }
            None => Box::new(pair::Pair::new(text, pair::Blind)),
        }
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        let mut found = Vec::new();
        match self.judge {
            Some(_) if is_speech(source) => {}
            Some(judge) => {
                judge.findings(text, source, &mut |finding| found.push(finding));
            }
            None => pair::Blind.finish(&mut |finding| found.push(finding)),
        }
        if found.is_empty() {
            return detector::scan(text, report);
        }
        detector::scan(text, &mut |finding| found.push(finding));
        found.sort_unstable();
        found.into_iter().for_each(report);
    }
}
