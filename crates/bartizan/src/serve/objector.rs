//! A recorder that lets no exchange begin once a witness has shown that the log contradicts itself, where witnesses are required.
//!
//! What was under way ends, and is recorded; so is everything that is no exchange. It decides nothing: the watch over the witnesses does.
use super::cosign::Watch;
use bartizan_core::record::{Draft, RecordError, RecordKind, Recorded, Recorder};
use std::sync::Arc;

/// Asks the watch before every INTENT.
pub(super) struct Objector {
    recorder: Arc<dyn Recorder>,
    watch: Arc<Watch>,
}

impl Objector {
    /// The same recorder, which a watch may object to.
    pub(super) fn new(recorder: Arc<dyn Recorder>, watch: Arc<Watch>) -> Self {
        Self { recorder, watch }
    }

    fn objection(&self, drafts: &[Draft]) -> Option<RecordError> {
        let begins = drafts.iter().any(|draft| draft.leaf.kind == RecordKind::Intent);
        if begins { self.watch.objection() } else { None }
    }
}

impl Recorder for Objector {
    fn append(&self, draft: Draft) -> Recorded {
        match self.objection(std::slice::from_ref(&draft)) {
            Some(error) => Box::pin(std::future::ready(Err(error))),
            None => self.recorder.append(draft),
        }
    }

    fn append_all(&self, drafts: Vec<Draft>) -> Recorded {
        match self.objection(&drafts) {
            Some(error) => Box::pin(std::future::ready(Err(error))),
            None => self.recorder.append_all(drafts),
        }
    }

    fn failure(&self) -> Option<RecordError> {
        self.recorder.failure()
    }
}
