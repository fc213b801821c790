//! Logistic regression over windows of sentences: of each text the loudest window is corrected, as it is the loudest that judges.
//!
//! One thread and one order, so that the same rows give the same bytes.
use super::grammar::Random;
use super::rows::{Label, Row};
use anyhow::{Context, Result};
use bartizan_core::span::Span;
use bartizan_inspect::model::{
    FEATURES_FEWEST, HEADS, Head, HeadWeights, Passage, Place, Sink, TABLE_ROWS, header, row_of,
};
use std::collections::BTreeMap;

const EPOCHS: usize = 6;
/// The weights are the mean of those after so many of the last epochs: the texts that came last count no more than others.
const AVERAGED: usize = 3;
/// How much a weight costs.
const WEIGHT_COST: f32 = 2e-4;

/// How far a step goes. Small steps learn what many sources share; tone is in single words, for which larger ones are needed.
const fn rate(head: Head) -> f32 {
    match head {
        Head::Toxicity => 0.3,
        Head::Override | Head::Extraction | Head::Jailbreak | Head::Instruction => 0.1,
    }
}

/// A feature that this many rows show is kept; rarer ones say where a text is from, not what it is.
const ROWS_FEWEST: u16 = 3;
/// Sentences of a text that are read in training.
const SENTENCES_MAX: usize = 60;

/// A sentence as numbers.
#[derive(Clone, Debug)]
pub(crate) struct Sentence {
    span: Span,
    own: Vec<u32>,
    surroundings: Vec<u32>,
}

/// A text as numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoded {
    sentences: Vec<Sentence>,
    own: Vec<u32>,
    around: Vec<u32>,
}

impl Sink for Encoded {
    fn feature(&mut self, feature: u32) {
        self.own.push(u32::try_from(row_of(feature)).unwrap_or(0));
    }

    fn surroundings(&mut self, feature: u32) {
        self.around.push(u32::try_from(row_of(feature)).unwrap_or(0));
    }

    fn sentence(&mut self, span: Span) {
        let (own, surroundings) = (std::mem::take(&mut self.own), std::mem::take(&mut self.around));
        if self.sentences.len() < SENTENCES_MAX {
            self.sentences.push(Sentence { span, own, surroundings });
        }
    }
}

/// Reads a text as the judge would.
pub(crate) fn encode(row: &Row) -> Encoded {
    let (mut passage, mut encoded) = (Passage::default(), Encoded::default());
    passage.push(row.text.as_bytes(), &mut encoded);
    passage.finish(&mut encoded);
    encoded
}

/// A text with what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson<'r> {
    pub(crate) row: &'r Row,
    pub(crate) encoded: &'r Encoded,
}

/// One head while it learns.
struct Pupil {
    head: Head,
    weights: Vec<f32>,
    squares: Vec<f32>,
    bias: f32,
    bias_square: f32,
    /// Rows of the table that enough texts show.
    is_known: Vec<bool>,
}

/// A window: its first sentence, and how many.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: usize,
    n: usize,
    score: f32,
}

impl Pupil {
    fn new(head: Head, is_known: Vec<bool>) -> Self {
        Self {
            head,
            weights: vec![0.0; TABLE_ROWS],
            squares: vec![1e-6; TABLE_ROWS],
            bias: -1.0,
            bias_square: 1e-6,
            is_known,
        }
    }

    fn features<'s>(&self, sentence: &'s Sentence) -> impl Iterator<Item = usize> + use<'s> {
        let around: &[u32] =
            if self.head == Head::Instruction { &sentence.surroundings } else { &[] };
        sentence.own.iter().chain(around).filter_map(|&row| usize::try_from(row).ok())
    }

    fn sum(&self, sentence: &Sentence) -> f32 {
        self.features(sentence).filter_map(|row| self.weights.get(row)).sum()
    }

    /// The loudest window of those whose last sentence is wanted.
    fn loudest(&self, encoded: &Encoded, wanted: impl Fn(&Sentence) -> bool) -> Option<Window> {
        let sums: Vec<f32> = encoded.sentences.iter().map(|sentence| self.sum(sentence)).collect();
        let mut loudest: Option<Window> = None;
        for (last, sentence) in encoded.sentences.iter().enumerate() {
            if !wanted(sentence) {
                continue;
            }
            let widest = self.head.window().min(last + 1);
            for n in [1, widest] {
                let from = last + 1 - n;
                let sum: f32 = sums.get(from..=last).unwrap_or_default().iter().sum();
                let score =
                    self.bias + sum * value(encoded.sentences.get(from..=last).unwrap_or_default());
                if loudest.is_none_or(|window| score > window.score) {
                    loudest = Some(Window { from, n, score });
                }
            }
        }
        loudest
    }

    /// One step towards `target` for a window.
    fn correct(&mut self, encoded: &Encoded, window: Window, target: f32, importance: f32) {
        let sentences =
            encoded.sentences.get(window.from..window.from + window.n).unwrap_or_default();
        let error = (chance(window.score) - target) * importance;
        let rate = rate(self.head);
        let gradient = error * value(sentences);
        for sentence in sentences {
            for row in self.features(sentence) {
                if !self.is_known.get(row).copied().unwrap_or(false) {
                    continue;
                }
                let (Some(weight), Some(square)) =
                    (self.weights.get_mut(row), self.squares.get_mut(row))
                else {
                    continue;
                };
                let slope = gradient + WEIGHT_COST * *weight * importance;
                *square += slope * slope;
                *weight -= rate * slope / square.sqrt().max(0.02);
            }
        }
        self.bias_square += error * error;
        self.bias -= 0.1 * error / self.bias_square.sqrt();
    }

    fn study(&mut self, lesson: Lesson<'_>, importance: f32) {
        let attack = lesson.row.attack.clone().filter(|_| self.head != Head::Toxicity);
        let is_inside = |sentence: &Sentence| {
            attack.as_ref().is_none_or(|attack| {
                sentence.span.overlaps(Span::new(attack.start as u64, attack.end as u64))
            })
        };
        match lesson.row.label(self.head) {
            Label::Unasked => {}
            Label::No => {
                if let Some(window) = self.loudest(lesson.encoded, |_| true) {
                    self.correct(lesson.encoded, window, 0.0, importance);
                }
            }
            Label::Yes => {
                if let Some(window) = self.loudest(lesson.encoded, is_inside) {
                    self.correct(lesson.encoded, window, 1.0, importance);
                }
                // What stands around an instruction is no instruction; wider heads look at both at once.
                if self.head == Head::Instruction
                    && attack.is_some()
                    && let Some(window) =
                        self.loudest(lesson.encoded, |sentence| !is_inside(sentence))
                {
                    self.correct(lesson.encoded, window, 0.0, importance);
                }
            }
        }
    }
}

/// The logistic function by multiplications only, so that every machine computes the same: e^x is (1 + x/1024)^1024, nearly.
fn chance(score: f32) -> f32 {
    let mut power = 1.0 - score.clamp(-40.0, 40.0) / 1024.0;
    for _ in 0..10 {
        power *= power;
    }
    1.0 / (1.0 + power)
}

/// What each feature of a window counts.
#[expect(clippy::cast_precision_loss, reason = "a window has a few thousand features")]
fn value(sentences: &[Sentence]) -> f32 {
    let n_features: usize = sentences.iter().map(|sentence| sentence.own.len()).sum();
    1.0 / (n_features as f32 + FEATURES_FEWEST).sqrt()
}

/// Trains every head. The result has no thresholds yet: they are 0.
pub(crate) fn learn(lessons: &[Lesson<'_>], seed: u64) -> Result<Vec<u8>> {
    let mut heads = [HeadWeights::default(); HEADS];
    let mut table = vec![0_u8; TABLE_ROWS * HEADS];
    for head in Head::ALL {
        let asked: Vec<Lesson<'_>> = lessons
            .iter()
            .filter(|lesson| lesson.row.label(head) != Label::Unasked)
            .copied()
            .collect();
        let pupil = learn_head(head, &asked, seed);
        let weights = heads.get_mut(head as usize).context("a head without a place")?;
        let largest = pupil.weights.iter().fold(0.0_f32, |most, weight| most.max(weight.abs()));
        *weights = HeadWeights {
            bias: pupil.bias,
            scale: largest.max(1e-6) / 127.0,
            thresholds: [0.0; Place::ALL.len()],
        };
        for (row, weight) in pupil.weights.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "it is between -127 and 127")]
            let step = (weight / weights.scale).round() as i8;
            if let Some(place) = table.get_mut(row * HEADS + head as usize) {
                *place = step.cast_unsigned();
            }
        }
    }
    Ok([header(&heads), table].concat())
}

fn learn_head(head: Head, lessons: &[Lesson<'_>], seed: u64) -> Pupil {
    let importance = importance(head, lessons);
    let mut pupil = Pupil::new(head, known(lessons));
    let mut order: Vec<usize> = (0..lessons.len()).collect();
    let mut random = Random::new(seed, "order");
    let mut mean = Mean::new();
    for epoch in 0..EPOCHS {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for &at in &order {
            if let (Some(&lesson), Some(&importance)) = (lessons.get(at), importance.get(at)) {
                pupil.study(lesson, importance);
            }
        }
        if epoch + AVERAGED >= EPOCHS {
            mean.add(&pupil);
        }
    }
    mean.give(&mut pupil);
    pupil
}

/// The mean of what a pupil knew at several times.
struct Mean {
    weights: Vec<f32>,
    bias: f32,
    n: f32,
}

impl Mean {
    fn new() -> Self {
        Self { weights: vec![0.0; TABLE_ROWS], bias: 0.0, n: 0.0 }
    }

    fn add(&mut self, pupil: &Pupil) {
        self.weights.iter_mut().zip(&pupil.weights).for_each(|(sum, weight)| *sum += weight);
        self.bias += pupil.bias;
        self.n += 1.0;
    }

    fn give(&self, pupil: &mut Pupil) {
        let weights = pupil.weights.iter_mut().zip(&self.weights);
        weights.for_each(|(weight, sum)| *weight = sum / self.n);
        pupil.bias = self.bias / self.n;
    }
}

/// Which features enough texts show.
fn known(lessons: &[Lesson<'_>]) -> Vec<bool> {
    let mut n_rows = vec![0_u16; TABLE_ROWS];
    let mut last = vec![usize::MAX; TABLE_ROWS];
    for (at, lesson) in lessons.iter().enumerate() {
        for row in lesson
            .encoded
            .sentences
            .iter()
            .flat_map(|sentence| sentence.own.iter().chain(&sentence.surroundings))
        {
            let Some(row) = usize::try_from(*row).ok() else { continue };
            if let (Some(n), Some(last)) = (n_rows.get_mut(row), last.get_mut(row))
                && *last != at
            {
                *last = at;
                *n = n.saturating_add(1);
            }
        }
    }
    n_rows.into_iter().map(|n| n >= ROWS_FEWEST).collect()
}

/// How much each lesson counts: no source drowns the others, and yes weighs as much as no.
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^24 rows")]
fn importance(head: Head, lessons: &[Lesson<'_>]) -> Vec<f32> {
    let mut n_rows: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    let key = |lesson: &Lesson<'_>| -> bool { lesson.row.label(head) == Label::Yes };
    for lesson in lessons {
        *n_rows.entry((&lesson.row.source, key(lesson))).or_default() += 1;
    }
    let raw: Vec<f32> = lessons
        .iter()
        .map(|lesson| {
            let n = n_rows.get(&(lesson.row.source.as_str(), key(lesson))).copied().unwrap_or(1);
            1.0 / (n as f32).sqrt()
        })
        .collect();
    let sum = |wanted: bool| -> f32 {
        lessons
            .iter()
            .zip(&raw)
            .filter(|(lesson, _)| key(lesson) == wanted)
            .map(|(_, raw)| raw)
            .sum()
    };
    let (yes, no, half) = (sum(true).max(1e-6), sum(false).max(1e-6), lessons.len() as f32 / 2.0);
    lessons
        .iter()
        .zip(raw)
        .map(|(lesson, raw)| raw * half / if key(lesson) { yes } else { no })
        .collect()
}
