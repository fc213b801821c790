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
use model::{Judge, ModelDetector, Place, Scores};

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
mod view;

pub use kinds::{KINDS, KINDS_LEN, KindDetails, kind_details};
pub use view::VIEW_HELD_BYTES_MAX;

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

    /// How much a text looks like an attack or an insult.
    pub fn scores(&self, source: Source, text: &[u8]) -> Scores {
        self.judge.map(|judge| judge.scores(text, source)).unwrap_or_default()
    }
}

/// What listens to the words of a text, and whose text it is.
#[derive(Clone, Copy, Debug)]
struct Ears {
    judge: Option<Judge<'static>>,
    source: Source,
}

impl Ears {
    /// The judge of this text. The text model is not asked about what the application or the model says: it would cost more than all else
    /// that a streamed answer costs, for its tone alone.
    fn judge(self) -> Option<Judge<'static>> {
        self.judge.filter(|_| Place::of(self.source) != Place::Speech)
    }

    fn detector(self) -> Option<ModelDetector<'static>> {
        self.judge().map(|judge| ModelDetector::with_judge(judge, self.source))
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
        view::scan(Ears { judge: self.judge, source }, text, report);
    }
}
