//! Judges every text by a model that never saw its source, or anything of the same authors.
use super::learn::{Encoded, Lesson, encode, learn};
use super::rows::{Label, Row};
use anyhow::{Context, Result};
use bartizan_core::evidence::Source;
use bartizan_inspect::model::{HEADS, Head, HeadWeights, Judge, Place, Weights, set_thresholds};
use std::collections::BTreeSet;

/// What a model says of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    /// By head, in the model's own unit.
    pub(crate) margins: [f32; HEADS],
    /// The same of the text without its attack, where that is known.
    pub(crate) without: Option<[f32; HEADS]>,
}

impl Said {
    fn of(judge: &Judge<'_>, row: &Row) -> Self {
        let margins = judge.margins(row.text.as_bytes(), source(row.place));
        let without =
            row.attack.clone().filter(|attack| attack.len() < row.text.len()).map(|attack| {
                let mut rest = row.text.clone();
                rest.replace_range(attack, "\n");
                judge.margins(rest.as_bytes(), source(row.place))
            });
        Self { margins, without }
    }

    /// What is said of the text without its attack.
    pub(crate) fn twin(&self) -> Option<Self> {
        Some(Self { margins: self.without?, without: None })
    }

    /// What one head says.
    pub(crate) fn margin(&self, head: Head) -> f32 {
        self.margins.get(head as usize).copied().unwrap_or(f32::MIN)
    }
}

/// The rows with their numbers.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) rows: Vec<Row>,
    encoded: Vec<Encoded>,
}

impl Library {
    /// Reads every row once.
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let encoded = rows.iter().map(encode).collect();
        Self { rows, encoded }
    }

    /// Trains on the rows that may be trained on and are wanted.
    pub(crate) fn train(&self, seed: u64, is_wanted: impl Fn(&Row) -> bool) -> Result<Vec<u8>> {
        let lessons: Vec<Lesson<'_>> = self
            .rows
            .iter()
            .zip(&self.encoded)
            .filter(|(row, _)| row.may_train && is_wanted(row))
            .map(|(row, encoded)| Lesson { row, encoded })
            .collect();
        learn(&lessons, seed)
    }

    /// What models say of the rows of all families but `made`, each by a model that was trained without the family, and
    /// without what is nearly the same in others.
    pub(crate) fn said(&self, seed: u64, with_made: bool) -> Result<Vec<Option<Said>>> {
        let families: BTreeSet<&str> =
            self.rows.iter().map(|row| row.family).filter(|&family| family != "made").collect();
        let mut said = vec![None; self.rows.len()];
        let mut whole: Option<Vec<u8>> = None;
        for family in families {
            let is_held_out = |row: &Row| row.family == family || row.near.contains(&family);
            let is_wanted = |row: &Row| !is_held_out(row) && (with_made || !is_made(row));
            let trains = self.rows.iter().any(|row| is_held_out(row) && row.may_train);
            let bytes = match (trains, &whole) {
                (false, Some(bytes)) => bytes.clone(),
                _ => self.train(seed, is_wanted)?,
            };
            if !trains {
                whole = Some(bytes.clone());
            }
            let judge = Judge::new(Weights::parse(&bytes).context("training wrote no weights")?);
            for (row, said) in
                self.rows.iter().zip(&mut said).filter(|(row, _)| row.family == family)
            {
                *said = Some(Said::of(&judge, row));
            }
        }
        Ok(said)
    }
}

/// Whether a grammar made the text, or put it into a document that it made.
pub(crate) fn is_made(row: &Row) -> bool {
    row.family == "made" || row.source.ends_with("_in_document") || is_pasted(row)
}

/// Whether the text is a request with a document pasted into it.
pub(crate) fn is_pasted(row: &Row) -> bool {
    row.source.ends_with(super::pasted::SUFFIX)
}

/// A source whose texts stand at this place.
pub(crate) const fn source(place: Place) -> Source {
    match place {
        Place::Request => Source::User,
        Place::Data => Source::Document,
        Place::Speech => Source::Model,
    }
}

/// A source of fewer texts says little of a share.
const CALIBRATES_FEWEST: usize = 100;

/// Which share of harmless texts a head may flag.
#[derive(Clone, Copy)]
struct Allowed {
    /// On average over the sources.
    mean: f64,
    /// Of the source that it flags most, of those that are texts as they come.
    most: f64,
}

const fn allowed(head: Head, place: Place) -> Allowed {
    match (head, place) {
        // Of documents that are pasted into requests, and of requests as they come, whether something is pasted into them or not.
        (Head::Instruction, Place::Request) => Allowed { mean: 0.033, most: 0.005 },
        (Head::Instruction, _) => Allowed { mean: 0.12, most: 0.2 },
        (Head::Override, Place::Request) => Allowed { mean: 0.004, most: 0.012 },
        (Head::Extraction, Place::Request) => Allowed { mean: 0.005, most: 0.015 },
        (Head::Jailbreak, Place::Request) => Allowed { mean: 0.01, most: 0.035 },
        (Head::Toxicity, Place::Request) => Allowed { mean: 0.02, most: 0.02 },
        (Head::Toxicity, Place::Data) => Allowed { mean: 0.02, most: 0.05 },
        (Head::Toxicity, Place::Speech) => Allowed { mean: 0.02, most: 1.0 },
        (_, Place::Data) => Allowed { mean: 0.01, most: 0.02 },
        _ => Allowed { mean: 0.007, most: 1.0 },
    }
}

/// Thresholds from what models said of harmless texts that they had not seen: the conformal quantile, taken family by family, of which
/// the mean over sources counts, and the source that is flagged most; never below the point where yes is as likely as no.
pub(crate) fn thresholds(rows: &[Row], said: &[Option<Said>]) -> [[f32; 3]; HEADS] {
    let mut thresholds = [[0.0; 3]; HEADS];
    for (head, thresholds) in Head::ALL.into_iter().zip(&mut thresholds) {
        for (place, threshold) in Place::ALL.into_iter().zip(thresholds) {
            *threshold = threshold_of(head, place, rows, said);
        }
    }
    thresholds
}

/// Whether a text is harmless traffic by which a head is calibrated for a place.
fn calibrates(row: &Row, head: Head, place: Place) -> bool {
    if !row.calibrates {
        return false;
    }
    match (head, place) {
        // What is a request as a whole is asked for its quotations.
        (Head::Instruction, Place::Request) => {
            row.place == place
                && if is_pasted(row) {
                    row.label(head) == Label::No
                } else {
                    row.label(Head::Override) == Label::No
                }
        }
        // What the model says is as toxic as what anybody says, and every harmless text counts.
        (Head::Toxicity, Place::Speech) => row.label(head) == Label::No,
        (Head::Toxicity, _) => row.place == place && row.label(head) == Label::No && !is_made(row),
        _ => row.place == place && row.label(head) == Label::No,
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^24 rows")]
fn threshold_of(head: Head, place: Place, rows: &[Row], said: &[Option<Said>]) -> f32 {
    let mut by_source: std::collections::BTreeMap<(bool, &str), Vec<f32>> =
        std::collections::BTreeMap::new();
    for (row, said) in rows.iter().zip(said) {
        if let Some(said) = said
            && calibrates(row, head, place)
        {
            by_source.entry((is_made(row), &row.source)).or_default().push(said.margin(head));
        }
    }
    // The lowest threshold at which what is flagged is little enough.
    let mut marks: Vec<f32> = by_source.values().flatten().copied().collect();
    marks.sort_by(f32::total_cmp);
    // For quotations the mean is that of texts that have some.
    let counts = |is_made: bool| is_made || (head, place) != (Head::Instruction, Place::Request);
    let n_sources = by_source
        .iter()
        .filter(|((is_made, _), scores)| counts(*is_made) && scores.len() >= CALIBRATES_FEWEST)
        .count()
        .max(1) as f64;
    let allowed = allowed(head, place);
    let is_too_low = |mark: f32| {
        let (mut mean, mut most) = (0.0_f64, 0.0_f64);
        for (&(is_made, _), scores) in &by_source {
            let n = scores.iter().filter(|&&score| score >= mark).count();
            if counts(is_made) && scores.len() >= CALIBRATES_FEWEST {
                mean += (n + 1) as f64 / (scores.len() + 1) as f64 / n_sources;
            }
            if !is_made {
                // One text more or less is chance.
                most = most.max(n.saturating_sub(1) as f64 / scores.len().max(1) as f64);
            }
        }
        mean > allowed.mean || most > allowed.most
    };
    let at = marks.partition_point(|&mark| is_too_low(mark));
    marks.get(at).or(marks.last()).map_or(0.0, |mark| mark.max(-0.5) + 0.001)
}

/// The same weights with these thresholds.
pub(crate) fn with_thresholds(bytes: &[u8], thresholds: [[f32; 3]; HEADS]) -> Result<Vec<u8>> {
    set_thresholds(bytes, |head: &mut HeadWeights, at| {
        head.thresholds = thresholds.get(at).copied().unwrap_or_default();
    })
    .context("training wrote no weights")
}
