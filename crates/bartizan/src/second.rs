//! A classifier of the operator's own, read from its folder and put behind the text model. Files are opened here; `second` computes.
use crate::config::{Config, SecondModel, Share};
use crate::outcome::Usage;
use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use bartizan_core::clock::Clock;
use bartizan_core::detect::{Detector as _, Inspector, Score};
use bartizan_core::digest::Digest;
use bartizan_core::evidence::Source;
use bartizan_inspect::model::ModelDetector;
use bartizan_second::{
    Ask, Band, First, Label, LabelRule, Listening, Model, Opinion, Place, Second, SecondOptions,
    Tally,
};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

mod folder;
mod room;

use room::Places;

/// Whether this program can compute with models of others.
pub(crate) const IS_BUILT_IN: bool = cfg!(feature = "transformers");
/// What helps where it cannot.
pub(crate) const HOW_TO_BUILD: &str = "take the table out, or build a program that can: `cargo build --release -p bartizan --features transformers`";

/// A model that was read, and what it was read from.
pub(crate) struct Loaded {
    settings: SecondModel,
    /// Name, length and SHA-256 of each file, in order of their names.
    files: Vec<(&'static str, u64, Digest)>,
    /// One digest for all of them: that of the lines `name NUL length NUL SHA-256 LF`.
    digest: String,
    model: Arc<dyn Model>,
}

/// What models are asked with, for the life of the process.
#[derive(Clone)]
pub(crate) struct Desk {
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
}

impl Desk {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tally: Arc::default() }
    }

    /// How often a model was asked, in words.
    pub(crate) fn share(&self) -> String {
        let counts = self.tally.counts();
        let unfinished: u64 = counts.unfinished.iter().sum();
        format!(
            "second model: asked about {} of {} texts, {} findings, {} taken back, {unfinished} without an answer, {} ms",
            counts.asked,
            counts.looked,
            counts.found,
            counts.cleared,
            counts.spent_us / 1000
        )
    }

    /// Puts a model behind an inspector.
    ///
    /// # Errors
    /// [`Usage`] for labels that the model does not have.
    pub(crate) fn behind(
        &self,
        inner: Arc<dyn Inspector>,
        loaded: &Loaded,
    ) -> anyhow::Result<Arc<dyn Inspector>> {
        let settings = &loaded.settings;
        let second = Second::new(SecondOptions {
            inner,
            first: Arc::new(Shipped),
            model: Arc::clone(&loaded.model),
            digest: loaded.digest.clone(),
            rules: rules(settings),
            clears: settings.may_clear,
            tokens_max: settings.tokens_max,
            time_ms: settings.time_ms,
            room: Arc::new(Places::new(settings.concurrency, settings.waiting_max)),
            clock: Arc::clone(&self.clock),
            tally: Arc::clone(&self.tally),
        });
        let second =
            second.map_err(|error| Usage(format!("[guard.second_model] labels: {error}")))?;
        Ok(Arc::new(second))
    }

    /// Appends Prometheus text.
    pub(crate) fn export(&self, out: &mut String) {
        if !IS_BUILT_IN {
            return;
        }
        let counts = self.tally.counts();
        let lines = [
            (
                "bartizan_second_looked_total",
                "Texts that a second model could have been asked about.",
                counts.looked,
            ),
            (
                "bartizan_second_asked_total",
                "Texts that a second model was asked about, since the text model was unsure.",
                counts.asked,
            ),
            ("bartizan_second_findings_total", "Findings of second models.", counts.found),
            (
                "bartizan_second_cleared_total",
                "Findings of the text model that a second model took back.",
                counts.cleared,
            ),
            (
                "bartizan_second_unfinished_total",
                "Texts that a second model gave no answer on.",
                counts.unfinished.iter().sum(),
            ),
            (
                "bartizan_second_microseconds_total",
                "Time spent asking second models, waiting included.",
                counts.spent_us,
            ),
        ];
        for (name, help, value) in lines {
            let written =
                write!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n");
            debug_assert!(written.is_ok(), "writing to a string does not fail");
        }
    }
}

impl Loaded {
    /// What decides, for the record: the settings, and which files they name. Where those lie does not matter.
    pub(crate) fn told(&self) -> Value {
        let settings = SecondModel { path: PathBuf::new(), ..self.settings.clone() };
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|(name, bytes, sha256)| json!({"name": name, "bytes": bytes, "sha256": sha256}))
            .collect();
        json!({"second_model": settings, "digest": self.digest, "files": files})
    }

    /// One line for each file, and one for all.
    pub(crate) fn lines(&self) -> Vec<String> {
        let folder = self.settings.path.display();
        let files = self.files.iter().map(|(name, _, sha256)| format!("{name} sha256:{sha256}"));
        std::iter::once(format!("{folder}, sha256:{}", self.digest)).chain(files).collect()
    }
}

/// Reads the model that a configuration names, if it names one. What is known already is not loaded again.
///
/// # Errors
/// [`Usage`], which says what is wrong with which file.
pub(crate) fn load(
    config: &Config,
    known: Option<&Arc<Loaded>>,
) -> anyhow::Result<Option<Arc<Loaded>>> {
    let Some(settings) = &config.guard.second_model else { return Ok(None) };
    let read = folder::read(&settings.path)
        .with_context(|| format!("[guard.second_model] path = {}", settings.path.display()))?;
    let files: Vec<(&'static str, u64, Digest)> =
        read.named().map(|(name, bytes)| (name, bytes.len() as u64, sha256(bytes))).collect();
    let mut lines = String::new();
    for (name, bytes, sha256) in &files {
        writeln!(lines, "{name}\0{bytes}\0{sha256}")?;
    }
    let digest = sha256(lines.as_bytes()).to_string();
    let is_same = |known: &&Arc<Loaded>| {
        known.digest == digest && known.settings.tokens_max == settings.tokens_max
    };
    let model = match known.filter(is_same) {
        Some(known) => Arc::clone(&known.model),
        None => folder::model(&read, settings.tokens_max)
            .with_context(|| format!("[guard.second_model] path = {}", settings.path.display()))?,
    };
    Ok(Some(Arc::new(Loaded { settings: settings.clone(), files, digest, model })))
}

/// The settings' labels as rules, each with what the settings say of single places.
fn rules(settings: &SecondModel) -> Vec<LabelRule> {
    let score = |share: Share| Score::thousandths(share.thousandths());
    let ask = |label: Label, place: Place| {
        let is_meant = |rule: &&crate::config::SecondRule| {
            rule.label == label.name() && Place::of(rule.source) == Some(place)
        };
        let own = settings.rule.iter().find(is_meant);
        let band = own.and_then(|own| own.band).unwrap_or(settings.band);
        let at = own.and_then(|own| own.at).unwrap_or(settings.at);
        Ask { band: Band { from: score(band.from), to: score(band.to) }, at: score(at) }
    };
    let of = |(name, class): (&String, &String)| {
        let label = Label::of(name)?;
        Some(LabelRule {
            label,
            class: class.clone(),
            asks: Place::ALL.map(|place| ask(label, place)),
        })
    };
    settings.labels.iter().filter_map(of).collect()
}

/// The text model that this program ships.
struct Shipped;

impl First for Shipped {
    fn listen(&self, source: Source) -> Option<Box<dyn Listening>> {
        let detector = ModelDetector::new(source).ok()?;
        Some(Box::new(ShippedListening(detector)))
    }
}

struct ShippedListening(ModelDetector<'static>);

impl Listening for ShippedListening {
    fn push(&mut self, chunk: &[u8]) {
        self.0.push(chunk, &mut |_| {});
    }

    fn end(&mut self) -> Opinion {
        self.0.finish(&mut |_| {});
        let scores = self.0.scores();
        Opinion([scores.injection, scores.jailbreak, scores.toxicity].map(Score::of_ratio))
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut value = [0; 32];
    value.copy_from_slice(digest(&SHA256, bytes).as_ref());
    Digest(value)
}
