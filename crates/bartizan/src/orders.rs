//! What a command asks of the ledger that only its writer may do: record that somebody reads a payload, forget a subject.
//!
//! One process writes the ledger. Where that is a running gateway, the command leaves an order in the folder `orders/` and waits for the answer;
//! where none runs, the command takes the ledger itself. An order names nobody: a subject stands in it as a keyed hash.
use crate::config::Retention;
use crate::serve::Sources;
use crate::vault::Vault;
use crate::{audit, files, tombstones};
use anyhow::{Context as _, anyhow, bail};
use bartizan_core::record::{Draft, Leaf, Payload, Receipt, RecordId, RecordKind, Recorder, Slot};
use bartizan_core::seal::Retention as Class;
use bartizan_keys::{KeyStore, SubjectTag, day_of};
use bartizan_ledger::{FsDisk, FsDiskError, Ledger, Options, Parts};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = "orders";
/// Most bytes of an order, and of an answer.
const ORDER_BYTES_MAX: usize = 4096;
/// How long a command waits for a running gateway.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How often it looks.
const ANSWER_PAUSE: Duration = Duration::from_millis(20);
/// Orders that are taken at a time; more wait for the next look.
const ORDERS_MAX: usize = 64;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Order {
    /// Somebody is about to read the payloads of a record in clear.
    Reveal {
        /// The record.
        record: String,
        /// Who, by the name that the system knows them by.
        by: String,
    },
    /// Forget a subject.
    Erase {
        /// Its keyed hash, in hexadecimal.
        tag: String,
        /// Who asked for it.
        by: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Answer {
    /// It is done, and recorded under this index.
    Done {
        /// Index of the leaf.
        index: u64,
        /// The record that says so.
        record: String,
    },
    /// There is no such subject.
    Nobody,
    /// It was not done.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Has an order done, by whoever writes the ledger of this state folder.
///
/// # Errors
/// When nobody answers, or what was asked cannot be done.
pub(crate) fn give(state: &Path, order: &Order, sources: &Sources) -> anyhow::Result<Answer> {
    let answer = match FsDisk::lock(&audit::log_folder(state)) {
        Ok(disk) => alone(state, disk, order, sources)?,
        Err(FsDiskError::Locked { .. }) => leave(state, order, sources)?,
        Err(error) => return Err(error.into()),
    };
    match answer {
        Answer::Failed { reason } => Err(anyhow!(reason)),
        answer => Ok(answer),
    }
}

/// Nobody else writes: this process does.
fn alone(state: &Path, disk: FsDisk, order: &Order, sources: &Sources) -> anyhow::Result<Answer> {
    let (ledger, keys) = open(state, disk, sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(fulfil(order, &ledger, &keys, sources)))
}

/// Records that one of our own keys was replaced. Nobody else writes the ledger.
///
/// # Errors
/// When it cannot be recorded; the key is replaced all the same.
pub(crate) fn rotated(state: &Path, which: &str, sources: &Sources) -> anyhow::Result<()> {
    let disk = FsDisk::lock(&audit::log_folder(state))?;
    let (ledger, _) = open(state, disk, sources)?;
    let mut id = [0; 16];
    sources.entropy.fill(&mut id);
    let evidence = json!({"version": 1, "event": "rotated", "key": which, "by": operator(sources)});
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let written = write(RecordKind::KeyEvent, RecordId(id), &evidence, &ledger, sources);
    runtime.block_on(written).map(|_| ())
}

fn open(state: &Path, disk: FsDisk, sources: &Sources) -> anyhow::Result<(Ledger, Arc<KeyStore>)> {
    let vault = Vault::open(state, sources)?;
    let parts = Parts {
        disk: Arc::new(disk),
        clock: Arc::clone(&sources.clock),
        entropy: Arc::clone(&sources.entropy),
        sealer: vault.keys.clone(),
        signer: vault.signer,
    };
    let (ledger, _) = Ledger::open(parts, Options::default())?;
    tombstones::destroy_again(state, &vault.keys)?;
    Ok((ledger, vault.keys))
}

/// A gateway writes: it gets the order, and its answer is waited for.
fn leave(state: &Path, order: &Order, sources: &Sources) -> anyhow::Result<Answer> {
    let folder = state.join(FOLDER);
    files::private_folder(&folder).with_context(|| format!("cannot use {}", folder.display()))?;
    let mut id = [0; 16];
    sources.entropy.fill(&mut id);
    let name = RecordId(id).to_string();
    let (path, answer_path) =
        (folder.join(format!("{name}.order")), folder.join(format!("{name}.answer")));
    files::replace(&path, &serde_json::to_vec(order)?, 0o600)?;
    let started_us = sources.clock.monotonic_us();
    let limit_us = u64::try_from(ANSWER_WAIT.as_micros()).unwrap_or(u64::MAX);
    loop {
        if let Ok(bytes) = files::read_bounded(&answer_path, ORDER_BYTES_MAX) {
            std::fs::remove_file(&answer_path)?;
            return Ok(serde_json::from_slice(&bytes)?);
        }
        if limit_us < sources.clock.monotonic_us().saturating_sub(started_us) {
            std::fs::remove_file(&path).unwrap_or_default();
            bail!(
                "the process that writes the ledger did not answer within {} s: is it a gateway of this version? Its log may say why",
                ANSWER_WAIT.as_secs()
            );
        }
        std::thread::sleep(ANSWER_PAUSE);
    }
}

/// Takes the orders that lie there, and answers each. For the process that writes the ledger.
pub(crate) async fn take(
    state: &Path,
    recorder: &dyn Recorder,
    keys: &KeyStore,
    sources: &Sources,
) {
    for path in waiting(&state.join(FOLDER)) {
        let answer = match read(&path) {
            Ok(order) => fulfil(&order, recorder, keys, sources).await,
            Err(error) => Answer::Failed { reason: format!("the order cannot be read: {error:#}") },
        };
        let told = serde_json::to_vec(&answer)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(files::replace(&path.with_extension("answer"), &bytes, 0o600)?));
        if let Err(error) = told.and_then(|()| Ok(std::fs::remove_file(&path)?)) {
            tracing::error!(error = %format!("{error:#}"), "An order could not be answered.");
        }
    }
}

fn waiting(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "order"))
        .take(ORDERS_MAX)
        .collect()
}

fn read(path: &Path) -> anyhow::Result<Order> {
    Ok(serde_json::from_slice(&files::read_bounded(path, ORDER_BYTES_MAX)?)?)
}

/// Does what is asked, and records it. A subject is forgotten only after the tombstone is durable: a crash between the two is finished at the
/// next start.
pub(crate) async fn fulfil(
    order: &Order,
    recorder: &dyn Recorder,
    keys: &KeyStore,
    sources: &Sources,
) -> Answer {
    match done(order, recorder, keys, sources).await {
        Ok(answer) => answer,
        Err(error) => Answer::Failed { reason: format!("{error:#}") },
    }
}

async fn done(
    order: &Order,
    recorder: &dyn Recorder,
    keys: &KeyStore,
    sources: &Sources,
) -> anyhow::Result<Answer> {
    match order {
        Order::Reveal { record, .. } => {
            let record: RecordId = record.parse()?;
            let receipt = append(RecordKind::Reveal, record, order, recorder, sources).await?;
            Ok(Answer::Done { index: receipt.index, record: record.to_string() })
        }
        Order::Erase { tag, .. } => {
            let tag: SubjectTag = tag.parse()?;
            let Some(key) = keys.subject_key(tag) else { return Ok(Answer::Nobody) };
            let receipt = append(RecordKind::Tombstone, key, order, recorder, sources).await?;
            keys.destroy(key)?;
            Ok(Answer::Done { index: receipt.index, record: key.to_string() })
        }
    }
}

/// The record of what was asked, durable. It keeps no tag: that would tell who was forgotten, to whoever still has the tenant's key.
async fn append(
    kind: RecordKind,
    record: RecordId,
    order: &Order,
    recorder: &dyn Recorder,
    sources: &Sources,
) -> anyhow::Result<Receipt> {
    let (action, by) = match order {
        Order::Reveal { by, .. } => ("reveal", by),
        Order::Erase { by, .. } => ("erase", by),
    };
    let evidence = json!({"version": 1, "action": action, "by": by});
    write(kind, record, &evidence, recorder, sources).await
}

/// Forgets what is older than its retention: for each key of a day that is over, a tombstone, then its destruction. Returns how many.
///
/// # Errors
/// When a tombstone cannot be recorded or a key cannot be destroyed; what was done stays done.
pub(crate) async fn expire(
    retention: Retention,
    recorder: &dyn Recorder,
    keys: &KeyStore,
    sources: &Sources,
) -> anyhow::Result<usize> {
    let today = day_of(sources.clock.unix_ms());
    let mut n_expired = 0;
    for class in Class::ALL {
        // A day is over at its end: what was written in its last minute is kept as long as was promised.
        let Some(day) = today.checked_sub(retention.days(class)) else { continue };
        for key in keys.periods_before(class, day) {
            let evidence = json!({"version": 1, "action": "expire", "retention": class.name()});
            tombstone(key, &evidence, recorder, sources).await?;
            keys.destroy(key)?;
            n_expired += 1;
        }
    }
    Ok(n_expired)
}

async fn tombstone(
    key: RecordId,
    evidence: &Value,
    recorder: &dyn Recorder,
    sources: &Sources,
) -> anyhow::Result<Receipt> {
    write(RecordKind::Tombstone, key, evidence, recorder, sources).await
}

async fn write(
    kind: RecordKind,
    record: RecordId,
    evidence: &Value,
    recorder: &dyn Recorder,
    sources: &Sources,
) -> anyhow::Result<Receipt> {
    let payload = Payload { slot: Slot::Evidence, bytes: evidence.to_string().into_bytes() };
    let leaf = Leaf::new(record, kind, sources.clock.unix_ms());
    Ok(recorder.append(Draft::new(leaf, vec![payload])).await?)
}

/// Who gives an order: the name of the account, as the environment tells it. It is a note, not a proof.
pub(crate) fn operator(sources: &Sources) -> String {
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| (sources.variable)(name));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests;
