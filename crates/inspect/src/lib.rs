//! Finds personal data, secrets, invisible characters and plain override phrases in text, whole or in a stream.
//!
//! One pass over the bytes ([`TextInspector`]) feeds every rule; the findings of a stream do not depend on how it is cut. This crate
//! opens nothing and decides nothing. It reads text as it stands: what is encoded, spelled out or translated is not found here.
//!
//! ```
//! # use bartizan_core::detect::Inspector;
//! # use bartizan_inspect::{KINDS, TextInspector};
//! let mut seen = Vec::new();
//! TextInspector::new().scan(b"write to jo@example.org", &mut |finding| seen.push(finding));
//! assert_eq!(seen.len(), 1);
//! assert_eq!((seen[0].span.start, seen[0].span.end), (9, 23));
//! assert_eq!(seen[0].detector, "pii.email@1");
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(test, expect(clippy::arithmetic_side_effects, reason = "tests count small numbers"))]
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::kind::KindInfo;

mod detector;
mod gate;
mod kinds;
mod rules;
mod text;
mod view;

pub use detector::HELD_BYTES_MAX as RULE_HELD_BYTES_MAX;
pub use view::HELD_BYTES_MAX;
pub use kinds::{KINDS, KINDS_LEN, KindDetails, kind_details};

/// Name and version of the whole inspector.
pub const DETECTOR_ID: &str = "text@1";

/// Finds every kind of [`KINDS`]. It holds nothing: the tables are shared by the whole process.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextInspector;

impl TextInspector {
    /// An inspector. The tables are built on the first call.
    pub fn new() -> Self {
        gate::Gate::get();
        Self
    }
}

impl Inspector for TextInspector {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }

    fn detector(&self) -> Box<dyn Detector> {
        Box::new(view::ViewDetector::new())
    }

    fn scan(&self, text: &[u8], report: &mut dyn FnMut(Finding)) {
        view::scan(text, report);
    }
}
