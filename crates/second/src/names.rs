//! Names of detectors, which live as long as the process though a configuration brings the model along.
use crate::label::Label;
use crate::model::Unfinished;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Hexadecimal digits of a model's digest that names carry: evidence says which model it was, and the policy's text says the whole digest.
const DIGEST_DIGITS: usize = 16;

/// The names of one model's detectors. Its digest is its version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    labels: [&'static str; Label::ALL.len()],
    whole: [&'static str; Label::ALL.len()],
    unfinished: [&'static str; Unfinished::ALL.len()],
}

impl Names {
    pub(crate) fn of(digest: &str) -> Self {
        let version: String = digest.chars().take(DIGEST_DIGITS).collect();
        Self {
            labels: Label::ALL.map(|label| kept(format!("second.{label}@{version}"))),
            whole: Label::ALL.map(|label| kept(format!("second.{label}.whole@{version}"))),
            unfinished: Unfinished::ALL
                .map(|reason| kept(format!("second.{}@{version}", reason.name()))),
        }
    }

    pub(crate) fn label(&self, label: Label, is_of_answer: bool) -> &'static str {
        let names = if is_of_answer { &self.whole } else { &self.labels };
        names.get(label as usize).copied().unwrap_or("second")
    }

    pub(crate) fn unfinished(&self, reason: Unfinished) -> &'static str {
        self.unfinished.get(reason as usize).copied().unwrap_or("second")
    }
}

/// The text, for the life of the process. It is kept once, however often a configuration is loaded again.
fn kept(text: String) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text.as_str()) {
        return known;
    }
    let text: &'static str = text.leak();
    kept.insert(text);
    text
}
