//! Two detectors that read the same text.
use bartizan_core::detect::{Detector, Finding};
use bartizan_core::kind::{KindSet, LIMIT_DETECTOR};
use bartizan_core::span::Span;

/// Reports what either of the two finds.
pub(crate) struct Pair<A, B> {
    first: A,
    second: B,
}

impl<A: Detector, B: Detector> Pair<A, B> {
    pub(crate) const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: Detector, B: Detector> Detector for Pair<A, B> {
    fn id(&self) -> &'static str {
        crate::DETECTOR_ID
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        self.first.push(chunk, report);
        self.second.push(chunk, report);
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.first.finish(report);
        self.second.finish(report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        self.first.pending(kinds).min(self.second.pending(kinds))
    }
}

/// Stands where a detector should stand that could not be made: nothing is known of any text.
pub(crate) struct Blind;

impl Detector for Blind {
    fn id(&self) -> &'static str {
        crate::DETECTOR_ID
    }

    fn push(&mut self, _: &[u8], _: &mut dyn FnMut(Finding)) {}

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        report(Finding::certain(Span::new(0, 0), LIMIT_DETECTOR, crate::DETECTOR_ID));
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        // The finding comes last and stands at the beginning.
        if kinds.contains(LIMIT_DETECTOR) { 0 } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_that_could_not_be_made_is_a_finding() {
        let mut pair = Pair::new(crate::detector::TextDetector::new(), Blind);
        let mut found = Vec::new();
        pair.push(b"harmless", &mut |finding| found.push(finding));
        assert_eq!(pair.pending(&KindSet::ALL), 0, "nothing may leave");
        pair.finish(&mut |finding| found.push(finding));
        assert_eq!(found.iter().map(|f| f.kind).collect::<Vec<_>>(), [LIMIT_DETECTOR]);
    }
}
