//! The same for texts that come in pieces: nothing is decided before the last one.
use crate::second::{Listening, Second};
use bartizan_core::detect::{Detector, Finding};
use bartizan_core::evidence::Source;
use bartizan_core::kind::KindSet;

/// Collects a text and asks about it when it is whole.
pub(crate) struct SecondDetector {
    second: Second,
    source: Source,
    inner: Box<dyn Detector>,
    listening: Box<dyn Listening>,
    /// The text so far. Invariant: at most as long as a text that is judged; nothing once it has become longer.
    text: Option<Vec<u8>>,
    n_bytes: u64,
    /// Findings that may be taken back.
    held: Vec<Finding>,
    /// Kinds that are not decided before the end.
    undecided: KindSet,
    is_over: bool,
}

impl SecondDetector {
    pub(crate) fn new(
        second: Second,
        source: Source,
        inner: Box<dyn Detector>,
        listening: Box<dyn Listening>,
    ) -> Self {
        let undecided = second.undecided(source);
        Self {
            second,
            source,
            inner,
            listening,
            text: Some(Vec::new()),
            n_bytes: 0,
            held: Vec::new(),
            undecided,
            is_over: false,
        }
    }

    fn run(
        &mut self,
        work: impl FnOnce(&mut dyn Detector, &mut dyn FnMut(Finding)),
        report: &mut dyn FnMut(Finding),
    ) {
        let Self { second, inner, held, text, .. } = self;
        let is_judged = text.is_some();
        work(&mut **inner, &mut |finding| {
            if is_judged && second.may_clear(&finding) {
                held.push(finding);
            } else {
                report(finding);
            }
        });
    }
}

impl Detector for SecondDetector {
    fn id(&self) -> &'static str {
        self.inner.id()
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        self.n_bytes = self.n_bytes.saturating_add(chunk.len() as u64);
        self.listening.push(chunk);
        let bytes_max = self.second.bytes_max();
        let fits = |text: &Vec<u8>| text.len().saturating_add(chunk.len()) <= bytes_max;
        self.text = self.text.take().filter(fits).map(|mut text| {
            text.extend_from_slice(chunk);
            text
        });
        if self.text.is_none() {
            // Nobody will judge it, so nothing is taken back.
            self.held.drain(..).for_each(&mut *report);
        }
        self.run(|inner, report| inner.push(chunk, report), report);
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.run(|inner, report| inner.finish(report), report);
        let opinion = self.listening.end();
        let settled = self.second.settle(self.source, self.text.as_deref(), self.n_bytes, opinion);
        let n_held = self.held.len();
        self.held.retain(|finding| !settled.clears(finding));
        self.second.count_cleared(n_held.saturating_sub(self.held.len()));
        self.held.drain(..).chain(settled.found).for_each(report);
        self.is_over = true;
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        if !self.is_over && kinds.intersects(&self.undecided) {
            return 0;
        }
        self.inner.pending(kinds)
    }
}
