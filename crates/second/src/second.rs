//! The inspector that asks a second time.
use crate::TOKEN_BYTES_MAX;
use crate::detector::SecondDetector;
use crate::label::{Label, LabelRule, Opinion};
use crate::model::{Model, Unfinished, Window};
use crate::names::Names;
use crate::tally::Tally;
use bartizan_core::clock::Clock;
use bartizan_core::detect::{Detector, Finding, Inspector, Score};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{KindId, KindInfo, KindSet, LIMIT_MODEL};
use bartizan_core::span::Span;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The first tier, as far as it scores texts.
pub trait First: Send + Sync {
    /// Begins to listen to a text of this source; nothing where it has no scores for such texts.
    fn listen(&self, source: Source) -> Option<Box<dyn Listening>>;
}

/// The first tier in the middle of a text. Its scores do not depend on how the text is cut, and its state is bounded.
pub trait Listening: Send {
    /// Hears the next bytes.
    fn push(&mut self, chunk: &[u8]);
    /// The scores, once the text is over.
    fn end(&mut self) -> Opinion;
}

/// Where models compute: few at a time, with few who wait.
pub trait Room: Send + Sync {
    /// Does the work, as soon as there is a place for it.
    ///
    /// # Errors
    /// [`Unfinished::Busy`] where as many wait as may, and where no place became free in `wait_us` microseconds. The work was not done then.
    fn enter(&self, wait_us: u64, work: &mut dyn FnMut()) -> Result<(), Unfinished>;
}

/// What a [`Second`] is made of.
pub struct SecondOptions {
    /// What looks into texts anyway.
    pub inner: Arc<dyn Inspector>,
    /// What scores them.
    pub first: Arc<dyn First>,
    /// Whom to ask.
    pub model: Arc<dyn Model>,
    /// The digest of the model's files: what the detectors' names say as their version.
    pub digest: String,
    /// What to ask for: at most one rule for each label.
    pub rules: Vec<LabelRule>,
    /// Whether the model may take back what the first tier found in the band.
    pub clears: bool,
    /// Most tokens of a text; of one that has more than [`TOKEN_BYTES_MAX`] bytes for each of them, not even the tokens are counted.
    pub tokens_max: usize,
    /// Time for one text, waiting included.
    pub time_ms: u64,
    /// Where the model computes.
    pub room: Arc<dyn Room>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counts.
    pub tally: Arc<Tally>,
}

impl fmt::Debug for SecondOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondOptions").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Why a model cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecondError {
    /// Nothing to ask for.
    #[error(
        "no label is asked for: name one of injection, jailbreak, toxicity and what the model calls it"
    )]
    NoLabel,
    /// Two rules for one label.
    #[error("the label {label} is there twice: keep one")]
    Twice {
        /// Which.
        label: Label,
    },
    /// The model has no such class.
    #[error("the model has no class {class:?} for {label}: it has {}", known.join(", "))]
    NoClass {
        /// Which label asks for it.
        label: Label,
        /// What was asked for.
        class: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The inspector behind does not know a kind.
    #[error("there is no kind {kind}")]
    NoKind {
        /// Its name.
        kind: &'static str,
    },
}

/// A rule, and where its answer stands among the model's.
#[derive(Clone, Debug)]
struct Question {
    rule: LabelRule,
    class: usize,
    /// The kinds of the first tier that answer the same.
    first_kinds: KindSet,
}

/// An inspector that asks a model where the first tier is unsure. See the [crate's page](crate).
#[derive(Clone)]
pub struct Second {
    inner: Arc<dyn Inspector>,
    first: Arc<dyn First>,
    model: Arc<dyn Model>,
    questions: Arc<[Question]>,
    clears: bool,
    bytes_max: usize,
    time_us: u64,
    room: Arc<dyn Room>,
    clock: Arc<dyn Clock>,
    tally: Arc<Tally>,
    names: Names,
    /// The kinds of `inner`, by which labels' findings are numbered.
    kinds: &'static [KindInfo],
}

impl fmt::Debug for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Second").field("questions", &self.questions).finish_non_exhaustive()
    }
}

/// What came of asking.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) found: Vec<Finding>,
    /// Kinds of which the first tier's own findings do not stand.
    cleared: KindSet,
}

impl Settled {
    /// Whether a finding of the first tier is taken back.
    pub(crate) fn clears(&self, finding: &Finding) -> bool {
        self.cleared.contains(finding.kind) && is_plain_opinion(finding)
    }
}

/// Whether it is an opinion of the first tier's model on the text as it stands. What a view has decoded, and what rules find, the second
/// tier has not read or does not judge.
fn is_plain_opinion(finding: &Finding) -> bool {
    finding.detector.starts_with("model.") && !finding.detector.contains('/')
}

impl Second {
    /// Checks what is asked for against what the model and the inspector know.
    ///
    /// # Errors
    /// [`SecondError`].
    pub fn new(options: SecondOptions) -> Result<Self, SecondError> {
        let SecondOptions { inner, first, model, digest, rules, clears, .. } = options;
        let kinds = inner.kinds();
        let mut questions: Vec<Question> = Vec::with_capacity(rules.len());
        for rule in rules {
            let label = rule.label;
            if questions.iter().any(|known| known.rule.label == label) {
                return Err(SecondError::Twice { label });
            }
            let classes = model.classes();
            let Some(class) = classes.iter().position(|class| *class == rule.class) else {
                let known = classes.to_vec();
                return Err(SecondError::NoClass { label, class: rule.class, known });
            };
            let mut first_kinds = KindSet::EMPTY;
            for &kind in label.first_kinds() {
                first_kinds.insert(number(kinds, kind).ok_or(SecondError::NoKind { kind })?);
            }
            questions.push(Question { rule, class, first_kinds });
        }
        if questions.is_empty() {
            return Err(SecondError::NoLabel);
        }
        Ok(Self {
            inner,
            first,
            model,
            questions: questions.into(),
            clears,
            bytes_max: options.tokens_max.saturating_mul(TOKEN_BYTES_MAX),
            time_us: options.time_ms.saturating_mul(1000),
            room: options.room,
            clock: options.clock,
            tally: options.tally,
            names: Names::of(&digest),
            kinds,
        })
    }

    #[cfg(test)]
    pub(crate) fn inner(&self) -> Arc<dyn Inspector> {
        Arc::clone(&self.inner)
    }

    /// Most bytes of a text that is judged.
    pub(crate) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Begins to listen to a text, where texts of this source are asked about.
    pub(crate) fn listen(&self, source: Source) -> Option<Box<dyn Listening>> {
        let is_asked = self.questions.iter().any(|known| known.rule.label.kind(source).is_some());
        if is_asked { self.first.listen(source) } else { None }
    }

    /// The kinds of what may be found, or taken back, when a text of this source is whole.
    pub(crate) fn undecided(&self, source: Source) -> KindSet {
        let mut kinds = KindSet::EMPTY;
        kinds.insert(LIMIT_MODEL);
        for question in self.questions.iter() {
            if let Some(kind) = self.kind(question.rule.label, source) {
                kinds.insert(kind);
                if self.clears {
                    self.first_kinds(question).for_each(|kind| kinds.insert(kind));
                }
            }
        }
        kinds
    }

    fn first_kinds(&self, question: &Question) -> impl Iterator<Item = KindId> {
        question.rule.label.first_kinds().iter().filter_map(|kind| number(self.kinds, kind))
    }

    /// Whether a finding of the first tier waits for what the second one says.
    pub(crate) fn may_clear(&self, finding: &Finding) -> bool {
        self.clears
            && is_plain_opinion(finding)
            && self.questions.iter().any(|known| known.first_kinds.contains(finding.kind))
    }

    fn kind(&self, label: Label, source: Source) -> Option<KindId> {
        number(self.kinds, label.kind(source)?)
    }

    /// Asks about a text that is whole, where the first tier is unsure of it.
    ///
    /// * `text`: nothing where it is longer than [`Self::bytes_max`].
    /// * `n_bytes`: how long it is.
    pub(crate) fn settle(
        &self,
        source: Source,
        text: Option<&[u8]>,
        n_bytes: u64,
        opinion: Opinion,
    ) -> Settled {
        let mut settled = Settled::default();
        if n_bytes == 0 {
            return settled;
        }
        self.tally.look();
        let unsure = |known: &'_ Question| {
            let ask = known.rule.ask(source)?;
            ask.band.has(opinion.of(known.rule.label)).then_some(ask.at)
        };
        let asked: Vec<(&Question, Score)> =
            self.questions.iter().filter_map(|known| Some((known, unsure(known)?))).collect();
        if asked.is_empty() {
            return settled;
        }
        let started_us = self.clock.monotonic_us();
        let windows = self.ask(text, started_us);
        self.tally.ask(self.clock.monotonic_us().saturating_sub(started_us));
        let answered = windows.and_then(|windows| self.answer(source, &asked, &windows));
        match answered {
            Ok(answered) => settled = answered,
            Err(reason) => {
                self.tally.fail(reason);
                let detector = self.names.unfinished(reason);
                settled.found.push(Finding::certain(Span::new(0, n_bytes), LIMIT_MODEL, detector));
            }
        }
        self.tally.find(settled.found.iter().filter(|found| found.kind != LIMIT_MODEL).count());
        settled
    }

    fn ask(&self, text: Option<&[u8]>, started_us: u64) -> Result<Vec<Window>, Unfinished> {
        let text = text.ok_or(Unfinished::Long)?;
        let text = std::str::from_utf8(text).map_err(|_| Unfinished::Text)?;
        let until_us = started_us.saturating_add(self.time_us);
        let is_over = || until_us <= self.clock.monotonic_us();
        let mut windows = Err(Unfinished::Time);
        let judge = || self.model.judge(text, &is_over);
        self.room.enter(self.time_us, &mut || {
            if !is_over() {
                // What the first tier found must not be lost with what the second one could not.
                windows = catch_unwind(AssertUnwindSafe(judge)).unwrap_or(Err(Unfinished::Failed));
            }
        })?;
        // What came too late is no answer, or the bound would hold only where the model looks at the clock.
        if is_over() { Err(Unfinished::Time) } else { windows }
    }

    /// Reads the answer: of each label, the window that the model is surest of, the earliest of equals.
    fn answer(
        &self,
        source: Source,
        asked: &[(&Question, Score)],
        windows: &[Window],
    ) -> Result<Settled, Unfinished> {
        let n_classes = self.model.classes().len();
        let is_score = |score: &f32| (0.0..=1.0).contains(score);
        let is_whole = |window: &Window| {
            window.scores.len() == n_classes && window.scores.iter().all(is_score)
        };
        if windows.is_empty() || !windows.iter().all(is_whole) {
            return Err(Unfinished::Number);
        }
        let mut settled = Settled::default();
        for (question, at) in asked {
            let score = |window: &Window| {
                Score::of_ratio(window.scores.get(question.class).copied().unwrap_or(1.0))
            };
            let best = windows.iter().map(|window| (score(window), window.span));
            let best = best.reduce(|best, next| if best.0 < next.0 { next } else { best });
            let label = question.rule.label;
            let (Some((score, span)), Some(kind)) = (best, self.kind(label, source)) else {
                return Err(Unfinished::Number);
            };
            if *at <= score {
                let detector = self.names.label(label, source == Source::Model);
                settled.found.push(Finding { span, kind, detector, score });
            } else if self.clears {
                self.first_kinds(question).for_each(|kind| settled.cleared.insert(kind));
            }
        }
        Ok(settled)
    }

    /// A text that is at hand: what was found in it, without what is taken back, in order.
    fn look(&self, source: Source, text: &[u8], mut found: Vec<Finding>) -> Vec<Finding> {
        let Some(mut listening) = self.listen(source) else { return found };
        listening.push(text);
        let bounded = Some(text).filter(|text| text.len() <= self.bytes_max);
        let settled = self.settle(source, bounded, text.len() as u64, listening.end());
        let n_before = found.len();
        found.retain(|finding| !settled.clears(finding));
        self.count_cleared(n_before.saturating_sub(found.len()));
        found.extend(settled.found);
        found.sort_unstable();
        found
    }

    pub(crate) fn count_cleared(&self, n: usize) {
        self.tally.clear(n);
    }
}

/// The number of a kind.
fn number(kinds: &[KindInfo], name: &str) -> Option<KindId> {
    let at = kinds.iter().position(|kind| kind.name == name)?;
    KindId::detected(u16::try_from(at).ok()?)
}

/// Whether a text of this source is whole when it is looked at, and nothing of it has left.
const fn is_asked_at_once(source: Source) -> bool {
    matches!(source, Source::User | Source::Tool | Source::Document)
}

impl Inspector for Second {
    fn kinds(&self) -> &'static [KindInfo] {
        self.inner.kinds()
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        let inner = self.inner.detector(source);
        match self.listen(source).filter(|_| is_asked_at_once(source)) {
            Some(listening) => {
                Box::new(SecondDetector::new(self.clone(), source, inner, listening))
            }
            None => inner,
        }
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if !is_asked_at_once(source) {
            return self.inner.scan(source, text, report);
        }
        let mut found = Vec::new();
        self.inner.scan(source, text, &mut |finding| found.push(finding));
        self.look(source, text, found).into_iter().for_each(report);
    }

    fn judge_whole(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if source != Source::Model {
            return self.inner.judge_whole(source, text, report);
        }
        let mut found = Vec::new();
        self.inner.judge_whole(source, text, &mut |finding| found.push(finding));
        self.look(source, text, found).into_iter().for_each(report);
    }
}
