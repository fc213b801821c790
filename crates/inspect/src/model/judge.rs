//! Adds up what sentences say, head by head, and tells where it is too much.
use super::cutoff::{Cutoffs, squash};
use super::passage::{Passage, Sink};
use super::quote::{Quoted, Quotes};
use super::weights::{HeadWeights, Weights, WeightsError};
use super::{HEADS, Head, PASTED_DETECTOR, Place, Scores};
use bartizan_core::detect::{Detector, Finding, Score};
use bartizan_core::evidence::Source;
use bartizan_core::kind::KindSet;
use bartizan_core::span::Span;

/// Sentences that are remembered: the widest window of a head.
pub(super) const WINDOW_MAX: usize = 8;

/// A short sentence has few features, and each of them would weigh too much.
pub const FEATURES_FEWEST: f32 = 12.0;

/// What one sentence adds.
#[derive(Clone, Copy, Debug)]
struct Sentence {
    span: Span,
    sums: [i32; HEADS],
    n_features: u32,
}

impl Sentence {
    const NOTHING: Self = Self { span: Span { start: 0, end: 0 }, sums: [0; HEADS], n_features: 0 };
}

/// Sums of the weights of features, a lane of 16 bits for each head: one load and a few additions for a feature, whatever the number of
/// heads. A weight is a signed byte; with its highest bit turned over it is 128 more, and no lane can fall below nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lanes {
    /// Heads 0, 2 and 4.
    even: u64,
    /// Heads 1 and 3.
    odd: u64,
    n: u32,
}

impl Lanes {
    const EVERY_OTHER: u64 = 0x00ff_00ff_00ff_00ff;
    const SIGNS: u64 = 0x8080_8080_8080_8080;
    /// Features that a lane has room for.
    const FULL: u32 = 256;

    /// Adds the weights of a feature; where the lanes are full, they are emptied into `sums`.
    #[inline]
    pub(super) fn add_to(&mut self, weights: u64, sums: &mut [i32; HEADS]) {
        let weights = weights ^ Self::SIGNS;
        self.even = self.even.wrapping_add(weights & Self::EVERY_OTHER);
        self.odd = self.odd.wrapping_add(weights >> 8 & Self::EVERY_OTHER);
        self.n = self.n.wrapping_add(1);
        if self.n >= Self::FULL {
            self.pour(sums);
        }
    }

    /// Adds what the lanes hold to sums, and empties them.
    pub(super) fn pour(&mut self, sums: &mut [i32; HEADS]) {
        let excess = i32::try_from(self.n.saturating_mul(128)).unwrap_or(i32::MAX);
        let (even, odd) = (self.even.to_le_bytes(), self.odd.to_le_bytes());
        let lanes =
            even.chunks_exact(2).zip(odd.chunks_exact(2)).flat_map(|(even, odd)| [even, odd]);
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            let lane = u16::from_le_bytes(lane.first_chunk().copied().unwrap_or_default());
            *sum = sum.wrapping_add(i32::from(lane)).wrapping_sub(excess);
        }
        *self = Self::default();
    }
}
const _: () = assert!(HEADS <= 8, "a head has a byte in a word");

/// Judges texts. It holds nothing but a reference to the weights, and is shared by all exchanges.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'w> {
    weights: Weights<'w>,
    cutoffs: Cutoffs,
}

impl Judge<'static> {
    /// The judge that this program was built with.
    ///
    /// # Errors
    /// [`WeightsError`] if it was built with weights that are none.
    pub fn shipped() -> Result<Self, WeightsError> {
        Ok(Self { weights: Weights::shipped()?, cutoffs: Cutoffs::default() })
    }
}

impl<'w> Judge<'w> {
    /// A judge with other weights.
    pub fn new(weights: Weights<'w>) -> Self {
        Self { weights, cutoffs: Cutoffs::default() }
    }

    /// The same judge, with findings from other scores on. The scores stay as they are.
    #[must_use]
    pub const fn with_cutoffs(mut self, cutoffs: Cutoffs) -> Self {
        self.cutoffs = cutoffs;
        self
    }

    /// From which scores on it makes findings.
    pub(crate) const fn cutoffs(&self) -> Cutoffs {
        self.cutoffs
    }

    /// How much a text looks like an attack or an insult, 0 to 1; from 1/2 on there are findings.
    pub fn scores(&self, text: &[u8], source: Source) -> Scores {
        self.findings(text, source, &mut |_| {})
    }

    /// Reports what is found, in order of decision, and returns the scores.
    pub fn findings(&self, text: &[u8], source: Source, report: &mut dyn FnMut(Finding)) -> Scores {
        let mut detector = ModelDetector::with_judge(*self, source);
        detector.push(text, report);
        detector.finish(report);
        detector.scores()
    }

    /// The highest score of each head, 0 to 1, whatever makes a finding.
    pub fn head_scores(&self, text: &[u8], source: Source) -> [Score; HEADS] {
        self.margins(text, source).map(|margin| Score::of_ratio(squash(margin)))
    }

    /// How far the text's highest score of each head is above what makes a finding as shipped, in the model's own unit.
    pub fn margins(&self, text: &[u8], source: Source) -> [f32; HEADS] {
        let mut detector = ModelDetector::with_judge(*self, source);
        detector.push(text, &mut |_| {});
        detector.finish(&mut |_| {});
        detector.margins()
    }
}

/// Finds the same as [`Judge::findings`] in a stream.
#[derive(Debug)]
pub struct ModelDetector<'w> {
    passage: Passage,
    panel: Panel<'w>,
    /// Only requests have data pasted into them.
    pasted: Option<Box<Pasted<'w>>>,
    ended: bool,
}

impl ModelDetector<'static> {
    /// A detector for one channel, with the weights of this program.
    ///
    /// # Errors
    /// [`WeightsError`] if it was built with weights that are none.
    pub fn new(source: Source) -> Result<Self, WeightsError> {
        Ok(Self::with_judge(Judge::shipped()?, source))
    }
}

impl<'w> ModelDetector<'w> {
    /// A detector for one channel.
    pub fn with_judge(judge: Judge<'w>, source: Source) -> Self {
        let place = Place::of(source);
        let pasted = (place == Place::Request).then(|| Box::new(Pasted::new(judge)));
        Self { passage: Passage::default(), panel: Panel::new(judge, place), pasted, ended: false }
    }

    /// The scores of the text so far, as far as its sentences are finished.
    pub fn scores(&self) -> Scores {
        let scores = self.panel.scores();
        let pasted = self.pasted.as_ref().map_or(0.0, |pasted| squash(pasted.margin()));
        Scores { injection: scores.injection.max(pasted), ..scores }
    }

    /// How far the highest score of each head is above its threshold.
    fn margins(&self) -> [f32; HEADS] {
        let mut margins = self.panel.margins;
        if let (Some(pasted), Some(margin)) =
            (&self.pasted, margins.get_mut(Head::Instruction as usize))
        {
            *margin = margin.max(pasted.margin());
        }
        margins
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        let pasted = self
            .pasted
            .as_ref()
            .map_or(0, |pasted| size_of::<Pasted<'_>>() + pasted.passage.memory_bytes());
        size_of::<Self>() + self.passage.memory_bytes() + pasted
    }
}

impl Detector for ModelDetector<'_> {
    fn id(&self) -> &'static str {
        "model@1"
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        self.passage.push(chunk, &mut Session { panel: &mut self.panel, report });
        if let Some(pasted) = &mut self.pasted {
            pasted.push(chunk, report);
        }
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.passage.finish(&mut Session { panel: &mut self.panel, report });
        if let Some(pasted) = &mut self.pasted {
            pasted.finish(report);
        }
        self.ended = true;
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        if self.ended {
            return self.passage.end();
        }
        let wanted = |head: &&Head| {
            self.panel.place.hears(**head) && head.kind().is_some_and(|kind| kinds.contains(kind))
        };
        let held = Head::ALL
            .iter()
            .filter(wanted)
            .map(|head| self.panel.oldest(head.window(), self.passage.undecided()));
        let held = held.min().unwrap_or_else(|| self.passage.end());
        let pasted = self.pasted.as_ref().filter(|_| {
            Head::Instruction.kind().is_some_and(|instruction| kinds.contains(instruction))
        });
        pasted.and_then(|pasted| pasted.pending()).map_or(held, |pending| pending.min(held))
    }
}

/// What was pasted into a request between explicit marks, read as the data that it is: an instruction there is a finding, whatever the
/// request around it asks for.
#[derive(Debug)]
struct Pasted<'w> {
    quotes: Quotes,
    passage: Passage,
    panel: Panel<'w>,
}

impl<'w> Pasted<'w> {
    fn new(judge: Judge<'w>) -> Self {
        let panel = Panel { is_pasted: true, ..Panel::new(judge, Place::Request) };
        Self { quotes: Quotes::default(), passage: Passage::default(), panel }
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        let Self { quotes, passage, panel } = self;
        quotes.push(chunk, &mut Quotation { passage, session: Session { panel, report } });
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        let Self { quotes, passage, panel } = self;
        quotes.finish(&mut Quotation { passage, session: Session { panel, report } });
    }

    fn margin(&self) -> f32 {
        self.panel.margins.get(Head::Instruction as usize).copied().unwrap_or(f32::MIN)
    }

    /// Where the next finding could start; nothing where nothing is quoted.
    fn pending(&self) -> Option<u64> {
        self.quotes.is_open().then(|| self.passage.undecided())
    }
}

/// One quotation after another, each a document of its own.
struct Quotation<'s, 'w, 'r> {
    passage: &'s mut Passage,
    session: Session<'s, 'w, 'r>,
}

impl Quoted for Quotation<'_, '_, '_> {
    fn open(&mut self, at: u64) {
        self.passage.begin(at);
        self.session.gap();
    }

    fn text(&mut self, bytes: &[u8]) {
        self.passage.push(bytes, &mut self.session);
    }

    fn close(&mut self) {
        self.passage.finish(&mut self.session);
    }
}

/// The heads, and the last few sentences that they have in mind.
#[derive(Debug)]
struct Panel<'w> {
    weights: Weights<'w>,
    cutoffs: Cutoffs,
    place: Place,
    /// Whether it reads what was pasted into a request, for instructions only.
    is_pasted: bool,
    /// The sentence at hand, and the features of it that are not in its sums yet.
    now: Sentence,
    lanes: Lanes,
    /// Finished sentences, the newest first.
    last: [Sentence; WINDOW_MAX],
    n_sentences: usize,
    /// The end of the last finding of each head.
    done: [u64; HEADS],
    margins: [f32; HEADS],
}

impl<'w> Panel<'w> {
    fn new(judge: Judge<'w>, place: Place) -> Self {
        Self {
            weights: judge.weights,
            cutoffs: judge.cutoffs,
            place,
            is_pasted: false,
            now: Sentence::NOTHING,
            lanes: Lanes::default(),
            last: [Sentence::NOTHING; WINDOW_MAX],
            n_sentences: 0,
            done: [0; HEADS],
            margins: [f32::MIN; HEADS],
        }
    }

    #[inline]
    fn add(&mut self, feature: u32) {
        self.lanes.add_to(self.weights.word(feature), &mut self.now.sums);
        self.now.n_features = self.now.n_features.wrapping_add(1);
    }

    /// What surrounds a sentence matters to the one head that looks for what does not belong there.
    fn add_surroundings(&mut self, feature: u32) {
        let at = Head::Instruction as usize;
        let weight = self.weights.row(feature).get(at).copied().unwrap_or(0);
        if let Some(sum) = self.now.sums.get_mut(at) {
            *sum = sum.wrapping_add(i32::from(weight));
        }
    }

    /// Every head judges the newest sentence, alone and with those before it.
    fn judge(&mut self, span: Span, report: &mut dyn FnMut(Finding)) {
        self.lanes.pour(&mut self.now.sums);
        self.now.span = span;
        self.last.rotate_right(1);
        if let Some(newest) = self.last.first_mut() {
            *newest = std::mem::replace(&mut self.now, Sentence::NOTHING);
        }
        self.n_sentences = self.n_sentences.saturating_add(1).min(WINDOW_MAX);
        for head in Head::ALL {
            if self.hears(head) {
                self.judge_as(head, report);
            }
        }
    }

    fn hears(&self, head: Head) -> bool {
        if self.is_pasted { head == Head::Instruction } else { self.place.hears(head) }
    }

    fn judge_as(&mut self, head: Head, report: &mut dyn FnMut(Finding)) {
        let weights = self.weights.head(head);
        let window = self.last.get(..head.window().min(self.n_sentences)).unwrap_or_default();
        let threshold = weights.thresholds.get(self.place as usize).copied().unwrap_or(f32::MAX);
        let alone = window.get(..1).map_or(f32::MIN, |newest| score(weights, head, newest));
        let margin = alone.max(score(weights, head, window)) - threshold;
        if let Some(most) = self.margins.get_mut(head as usize) {
            *most = margin.max(*most);
        }
        // Who chose a cutoff for instructions in documents meant pasted ones, too.
        let place = if self.is_pasted { Place::Data } else { self.place };
        if margin < self.cutoffs.margin(head, place) {
            return;
        }
        // Of the window, the sentence that says it loudest is shown; the earliest of equals.
        let loudest = window.iter().rev().fold((f32::MIN, Span::new(0, 0)), |best, sentence| {
            let loudness = score(weights, head, std::slice::from_ref(sentence));
            if loudness > best.0 { (loudness, sentence.span) } else { best }
        });
        let Some(done) = self.done.get_mut(head as usize) else { return };
        if loudest.1.start >= *done
            && !loudest.1.is_empty()
            && let Some(kind) = head.kind()
        {
            *done = loudest.1.end;
            let score = Score::of_ratio(squash(margin));
            let detector = if self.is_pasted { PASTED_DETECTOR } else { head.detector() };
            report(Finding { span: loudest.1, kind, detector, score });
        }
    }

    /// Where a finding of a head with this window could start, if the next sentence starts at `undecided`.
    fn oldest(&self, window: usize, undecided: u64) -> u64 {
        let n_before = window.saturating_sub(1).min(self.n_sentences);
        n_before
            .checked_sub(1)
            .and_then(|at| self.last.get(at))
            .map_or(undecided, |sentence| sentence.span.start)
    }

    fn scores(&self) -> Scores {
        let of = |head: Head| {
            let margin = self.margins.get(head as usize).copied().unwrap_or(f32::MIN);
            if self.place.hears(head) { squash(margin) } else { 0.0 }
        };
        Scores {
            injection: of(Head::Override).max(of(Head::Extraction)).max(of(Head::Instruction)),
            jailbreak: of(Head::Jailbreak),
            toxicity: of(Head::Toxicity),
        }
    }
}

/// The score of a few sentences together.
fn score(weights: HeadWeights, head: Head, sentences: &[Sentence]) -> f32 {
    let (mut sum, mut n_features) = (0_i32, 0_u32);
    for sentence in sentences {
        sum = sum.saturating_add(sentence.sums.get(head as usize).copied().unwrap_or(0));
        n_features = n_features.saturating_add(sentence.n_features);
    }
    weights.bias
        + weights.scale * as_float(sum) / (as_float_unsigned(n_features) + FEATURES_FEWEST).sqrt()
}

/// A sentence has a few thousand features at most, so sums are exact as floats.
#[expect(clippy::cast_precision_loss, reason = "sums of a few thousand bytes are below 2^24")]
const fn as_float(number: i32) -> f32 {
    number as f32
}

#[expect(clippy::cast_precision_loss, reason = "a window has a few thousand features")]
const fn as_float_unsigned(number: u32) -> f32 {
    number as f32
}

/// One call of a detector: the panel, and where its findings go.
struct Session<'s, 'w, 'r> {
    panel: &'s mut Panel<'w>,
    report: &'r mut dyn FnMut(Finding),
}

impl Sink for Session<'_, '_, '_> {
    #[inline]
    fn feature(&mut self, feature: u32) {
        self.panel.add(feature);
    }

    fn surroundings(&mut self, feature: u32) {
        self.panel.add_surroundings(feature);
    }

    fn sentence(&mut self, span: Span) {
        self.panel.judge(span, self.report);
    }

    fn gap(&mut self) {
        self.panel.n_sentences = 0;
    }
}
