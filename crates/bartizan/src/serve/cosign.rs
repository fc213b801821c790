//! Witnesses of a running gateway's log: each new checkpoint goes to all of them, and what they sign goes back to the ledger.
//!
//! Nothing here is on the way of a request. A witness that is away is asked again, ever more rarely; one that shows what contradicts our
//! log is believed, and everybody is told: the log, `/readyz` and `/metrics`. No further checkpoint is signed then, and where witnesses are required
//! nothing more is released.
use super::Sources;
use super::contradiction::{Contradiction, SILENCE, way_out};
use super::promise::WitnessPromise;
use crate::config;
use crate::witness::ask::{AskError, Question, ask};
use crate::witness::gathering::{Cosigned, Gathering};
use crate::witness::policy::{Address, Witnesses, load};
use anyhow::{Context as _, anyhow};
use bartizan_core::digest::Digest;
use bartizan_core::record::RecordError;
use bartizan_core::sign::Signer;
use bartizan_gateway::http::Notice;
use bartizan_ledger::tlog::{Checkpoint, NoteSignature, SignedCheckpoint, VerifierKey};
use bartizan_ledger::{Cosigner, FsDisk, Published, merkle};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

/// Longest pause between two questions to a witness that does not answer.
const WITNESS_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Where nothing is new, witnesses are asked again after so long: a quorum counts for ten seconds.
const WITNESS_REFRESH: Duration = Duration::from_secs(4);
/// The longest wait for a witness before the gateway starts without its word.
const WITNESS_START_MAX: Duration = Duration::from_secs(5);

/// What is known of one witness.
#[derive(Default)]
struct Standing {
    /// A question is under way.
    is_busy: bool,
    /// Not before this time, on the monotonic clock.
    next_us: u64,
    /// Failures in a row.
    n_failures: u32,
    /// The size that it cosigned last.
    known: Option<u64>,
    /// The checkpoint that it cosigned last, and when.
    last: Option<(String, u64)>,
    /// Why it contradicts our log.
    refusal: Option<String>,
}

/// What others may ask about the witnesses.
struct State {
    gathering: Gathering,
    standings: Vec<Standing>,
    /// What came before the log was open.
    early: Option<Cosigned>,
    /// What a witness has shown, for good: that this log is not the one that it knows.
    contradiction: Option<Contradiction>,
    n_cosigned: u64,
    n_failed: u64,
    n_refused: u64,
}

/// The witnesses of a log, before it is open and while it is written.
pub(crate) struct Watch {
    settings: config::Witness,
    /// Of the policy file, as it was read.
    digest: Digest,
    addresses: Vec<Arc<Address>>,
    /// The ledger's folder.
    ledger: PathBuf,
    /// The keys of the log that the policy lists.
    log_keys: Arc<[VerifierKey]>,
    sources: Sources,
    state: Mutex<State>,
}

/// How one question ended.
struct Heard {
    /// Which witness.
    at: usize,
    asked_us: u64,
    checkpoint: SignedCheckpoint,
    answer: Result<Vec<NoteSignature>, AskError>,
}

impl Watch {
    /// Reads the policy, and asks every witness about the log as it lies there, before a byte of it is changed.
    ///
    /// # Errors
    /// A policy that is wrong, and a witness that has cosigned more of this log, or something else. One that is away stops nothing.
    pub(crate) async fn open(
        settings: &config::Witness,
        ledger: &Path,
        signer: &dyn Signer,
        sources: &Sources,
    ) -> anyhow::Result<Arc<Self>> {
        let Witnesses { policy, digest, addresses } =
            load(settings, Some(&VerifierKey::of_log(signer)?))?;
        let published = Published::find(&FsDisk::read_only(ledger))?;
        // One that is damaged is not passed over: the ledger would not open without it either.
        let witnessed = published.as_ref().map(Published::witnessed).transpose()?.flatten();
        let (now_us, unix_s) = (sources.clock.monotonic_us(), sources.clock.unix_ms() / 1000);
        let log_keys = policy.logs().filter(|key| key.name() == signer.name()).cloned().collect();
        let gathering = Gathering::new(policy, witnessed.as_ref(), now_us, unix_s);
        let standings = addresses.iter().map(|_| Standing::default()).collect();
        let state = State {
            gathering,
            standings,
            early: None,
            contradiction: Contradiction::find(ledger)?,
            n_cosigned: 0,
            n_failed: 0,
            n_refused: 0,
        };
        let watch = Arc::new(Self {
            settings: settings.clone(),
            digest,
            addresses: addresses.into_iter().map(Arc::new).collect(),
            ledger: ledger.to_owned(),
            log_keys,
            sources: sources.clone(),
            state: Mutex::new(state),
        });
        let known = match &published {
            Some(published) => published.checkpoint()?,
            None => None,
        };
        let checkpoint = match known {
            Some(checkpoint) => checkpoint,
            None => Checkpoint::new(signer.name(), 0, merkle::sha256(&[]))?.sign(signer)?,
        };
        watch.first_round(checkpoint).await?;
        Ok(watch)
    }

    /// What is promised of the witnesses.
    pub(super) fn promise(&self) -> WitnessPromise {
        WitnessPromise::new(&self.settings, self.digest)
    }

    async fn first_round(&self, checkpoint: SignedCheckpoint) -> anyhow::Result<()> {
        let mut asks = JoinSet::new();
        let limit = self.limit().min(WITNESS_START_MAX);
        self.start_asks(&checkpoint, limit, &mut asks);
        while let Some(done) = asks.join_next().await {
            let heard = done.context("a question to a witness failed")?;
            if let Err(error) = &heard.answer
                && error.is_refusal()
            {
                self.keep(error, &heard.checkpoint);
                return Err(anyhow!(error.clone())).with_context(|| {
                    format!(
                        "the log in {} is not the one that was witnessed, so nothing is added to it; restore its newest copy, or begin a new log with a state folder of its own",
                        self.ledger.display()
                    )
                });
            }
            if let Some(cosigned) = self.heard(heard) {
                self.lock().early = Some(cosigned);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is half changed after a panic is what witnesses said; they say it again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a witness may take.
    fn limit(&self) -> Duration {
        Duration::from_millis(self.settings.timeout_ms)
    }

    fn now_us(&self) -> u64 {
        self.sources.clock.monotonic_us()
    }

    /// Asks every witness that is free, and has not said this already.
    fn start_asks(
        &self,
        checkpoint: &SignedCheckpoint,
        limit: Duration,
        asks: &mut JoinSet<Heard>,
    ) {
        let now_us = self.now_us();
        let mut state = self.lock();
        for (at, (standing, address)) in state.standings.iter_mut().zip(&self.addresses).enumerate()
        {
            if !standing.is_due(checkpoint, now_us) {
                continue;
            }
            standing.is_busy = true;
            let question = Question {
                checkpoint: checkpoint.clone(),
                ledger: self.ledger.clone(),
                log_keys: Arc::clone(&self.log_keys),
                known: standing.known,
                limit,
            };
            let (address, checkpoint) = (Arc::clone(address), checkpoint.clone());
            asks.spawn(async move {
                let answer = ask(&address, question).await;
                Heard { at, asked_us: now_us, checkpoint, answer }
            });
        }
    }

    /// Takes an answer; what the ledger should get of it.
    fn heard(&self, heard: Heard) -> Option<Cosigned> {
        let now_us = self.now_us();
        if let Err(error) = &heard.answer
            && error.is_refusal()
        {
            self.keep(error, &heard.checkpoint);
        }
        let Heard { at, asked_us, checkpoint, answer } = heard;
        let mut state = self.lock();
        let State { gathering, standings, n_cosigned, n_failed, n_refused, .. } = &mut *state;
        let standing = standings.get_mut(at)?;
        standing.is_busy = false;
        match answer {
            Ok(signatures) => {
                *n_cosigned += 1;
                standing.good(&checkpoint, asked_us);
                let unix_s = self.sources.clock.unix_ms() / 1000;
                gathering.add(&checkpoint, signatures, asked_us, unix_s)
            }
            Err(error) => {
                let counter = if error.is_refusal() { n_refused } else { n_failed };
                *counter += 1;
                standing.bad(&error, now_us, self.settings.every_ms);
                None
            }
        }
    }

    /// Remembers for good what a witness has shown, and beside the log.
    fn keep(&self, error: &AskError, refused: &SignedCheckpoint) {
        if self.lock().contradiction.is_some() {
            return;
        }
        let unix_ms = self.sources.clock.unix_ms();
        let shown = Contradiction::new(&self.ledger, error, refused, unix_ms);
        if let Err(error) = shown.keep(&self.ledger) {
            tracing::error!(error = %format!("{error:#}"), "What a witness has shown was not kept: a restart would not know of it.");
        }
        self.lock().contradiction = Some(shown);
    }

    /// What every checkpoint has to say now.
    fn notice(&self) -> Option<String> {
        let now_us = self.now_us();
        self.lock().gathering.notice(now_us)
    }

    /// Why nothing may be released any more: the log contradicts what a witness has seen, and witnesses are required.
    pub(super) fn objection(&self) -> Option<RecordError> {
        let state = self.lock();
        let shown = state.contradiction.as_ref().filter(|_| self.settings.require)?;
        Some(RecordError::Contradicted { reason: shown.reason.clone() })
    }

    /// No further checkpoint is signed of a log that contradicts itself, until somebody decides: what comes after the first refusal cannot mend the
    /// log.
    fn hush(&self, cosigner: &Cosigner) {
        if self.lock().contradiction.is_some() {
            cosigner.fall_silent();
        }
    }

    /// What `/readyz` has to say.
    pub(crate) fn readiness(&self) -> Option<Notice> {
        let notice = self.notice();
        let state = self.lock();
        let refusals = || state.standings.iter().filter_map(|standing| standing.refusal.as_deref());
        let missing = notice.as_deref().map(|text| text.trim_start_matches("bartizan: "));
        let shown = state.contradiction.as_ref().map(|shown| shown.reason.as_str());
        let silence = shown.map(|_| SILENCE);
        let known = shown.filter(|shown| refusals().all(|why| why != *shown));
        let way_out = shown.map(|_| way_out(&self.ledger));
        let reasons: Vec<&str> = silence
            .into_iter()
            .chain(missing)
            .chain(known)
            .chain(refusals())
            .chain(way_out.as_deref())
            .collect();
        let is_unready = silence.is_some() || missing.is_some() && self.settings.require;
        (!reasons.is_empty()).then(|| Notice { reason: reasons.join("; "), is_unready })
    }

    /// Appends Prometheus text.
    pub(crate) fn export(&self, out: &mut String) {
        let now_us = self.now_us();
        let state = self.lock();
        let has_quorum = u64::from(state.gathering.has_quorum(now_us));
        let lines = [
            (
                "bartizan_witness_quorum",
                "gauge",
                "Whether a quorum of witnesses has spoken lately.",
                has_quorum,
            ),
            (
                "bartizan_witness_cosigned_total",
                "counter",
                "Cosignatures that witnesses gave.",
                state.n_cosigned,
            ),
            (
                "bartizan_witness_failures_total",
                "counter",
                "Questions that a witness did not answer.",
                state.n_failed,
            ),
            (
                "bartizan_witness_refusals_total",
                "counter",
                "Checkpoints that a witness refused because it knows another history.",
                state.n_refused,
            ),
        ];
        for (name, kind, help, value) in lines {
            let written =
                write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
            debug_assert!(written.is_ok(), "writing to a string does not fail");
        }
    }

    /// Asks from now on.
    pub(crate) fn start(self: &Arc<Self>, cosigner: Cosigner) -> WatchTask {
        let stop = Arc::new(Notify::new());
        tell(&cosigner, self.notice());
        if let Some(Cosigned { checkpoint, is_witnessed }) = self.lock().early.take() {
            cosigner.put(checkpoint, is_witnessed);
        }
        let task = tokio::spawn(run(Arc::clone(self), cosigner, Arc::clone(&stop)));
        WatchTask { stop, task }
    }
}

impl Standing {
    fn is_due(&self, checkpoint: &SignedCheckpoint, now_us: u64) -> bool {
        let is_news = self.last.as_ref().is_none_or(|(text, at_us)| {
            text != checkpoint.note().text() || at_us + micros(WITNESS_REFRESH) <= now_us
        });
        !self.is_busy && self.next_us <= now_us && is_news
    }

    fn good(&mut self, checkpoint: &SignedCheckpoint, asked_us: u64) {
        if 0 < self.n_failures || self.refusal.is_some() {
            tracing::info!("A witness cosigns again.");
        }
        *self = Self {
            known: Some(checkpoint.checkpoint().size()),
            last: Some((checkpoint.note().text().to_owned(), asked_us)),
            ..Self::default()
        };
    }

    fn bad(&mut self, error: &AskError, now_us: u64, every_ms: u64) {
        let refusal = error.is_refusal().then(|| error.to_string());
        // Each is said once, however often it is asked.
        if self.refusal != refusal && refusal.is_some() {
            tracing::error!("{error}.");
        } else if self.n_failures == 0 && refusal.is_none() {
            tracing::warn!("{error}. It will be asked again.");
        }
        self.refusal = refusal;
        let doublings = self.n_failures.min(16);
        self.n_failures = self.n_failures.saturating_add(1);
        let pause = Duration::from_millis(every_ms << doublings).min(WITNESS_BACKOFF_MAX);
        self.next_us = now_us.saturating_add(micros(pause));
        self.known = None;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn tell(cosigner: &Cosigner, notice: Option<String>) {
    if let Err(error) = cosigner.say(notice.into_iter().collect()) {
        tracing::error!(%error, "The checkpoints cannot say that there is no quorum.");
    }
}

/// The task that asks.
pub(crate) struct WatchTask {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl WatchTask {
    /// Ends; questions that are under way are dropped.
    pub(crate) async fn stop(self) {
        self.stop.notify_one();
        if self.task.await.is_err() {
            tracing::error!("The task that asks witnesses panicked.");
        }
    }
}

async fn run(watch: Arc<Watch>, cosigner: Cosigner, stop: Arc<Notify>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(watch.settings.every_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asks = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.notified() => return,
            _ = ticks.tick() => {
                // All who are free are asked about one and the same checkpoint: a quorum is one about one text.
                if let Some(checkpoint) = cosigner.latest() {
                    watch.start_asks(&checkpoint, watch.limit(), &mut asks);
                }
            }
            Some(done) = asks.join_next() => match done {
                Ok(heard) => {
                    if let Some(Cosigned { checkpoint, is_witnessed }) = watch.heard(heard) {
                        cosigner.put(checkpoint, is_witnessed);
                    }
                }
                Err(error) => tracing::error!(%error, "A question to a witness panicked."),
            },
        }
        watch.hush(&cosigner);
        tell(&cosigner, watch.notice());
    }
}

#[cfg(test)]
mod tests;
