//! What a command asks of the ledger that only its writer may do: record that somebody reads a payload, forget a subject.
//!
//! One process writes the ledger. Where that is a running gateway, the command leaves an order in the folder `orders/` and waits for the answer;
//! where none runs, the command takes the ledger itself, exactly as a gateway would. An order names nobody: a subject stands in it as a keyed hash. An answer that
//! nobody comes for is cleared away.
use crate::anchor::Anchor;
use crate::clock::utc;
use crate::config::{self, Retention};
use crate::opening::{self, Place};
use crate::serve::Sources;
use crate::vault::{self, Anchoring};
use crate::{audit, files, owner, print};
use anyhow::{Context as _, anyhow, bail};
use bartizan_core::record::{Draft, Leaf, Payload, Receipt, RecordId, RecordKind, Recorder, Slot};
use bartizan_core::seal::Retention as Class;
use bartizan_keys::{KeyStore, SubjectTag, day_of};
use bartizan_ledger::{FsDisk, FsDiskError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::DirEntry;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

const FOLDER: &str = "orders";
const DAY_MS: u64 = 86_400_000;
/// Most bytes of an order, and of an answer.
const ORDER_BYTES_MAX: usize = 4096;
/// How long a command waits for a running gateway.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How often it looks.
const ANSWER_PAUSE: Duration = Duration::from_millis(20);
/// How often a command asks for keys that somebody else has, with a pause after each time: for a second.
const KEYS_ATTEMPTS_MAX: usize = 50;
/// How long an answer lies there for a command that may have given up.
const ANSWER_KEPT_MS: u64 = 60_000;
/// Most characters of what an account calls itself that are kept.
const LABEL_CHARS_MAX: usize = 64;
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
        /// What the account calls itself. Whose it is, the file says.
        by: String,
    },
    /// The keys of a record's payloads are about to be handed out.
    Disclose {
        /// The record.
        record: String,
        /// What the account calls itself.
        by: String,
        /// Why, in its own words.
        reason: String,
        /// Which payloads: `intent.released`.
        parts: Vec<String>,
    },
    /// Forget a subject.
    Erase {
        /// Its keyed hash, in hexadecimal.
        tag: String,
        /// Who asked for it.
        by: String,
    },
    /// The clock is right: destroy the keys of days that are over.
    Expire {
        /// Who says so.
        by: String,
    },
    /// The retention of the configuration is meant, also where it keeps less than the one before: destroy what it does not keep.
    Retain {
        /// Who says so.
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
    /// Keys of days that are over were destroyed, and the word of whoever confirmed the clock is recorded under this index.
    Expired {
        /// Index of the leaf.
        index: u64,
        /// How many keys.
        keys: u64,
    },
    /// There is no such subject.
    Nobody,
    /// It was not done.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What it takes to do what is asked.
pub(crate) struct Office<'a> {
    /// Records.
    pub(crate) recorder: &'a dyn Recorder,
    /// The keys that can be destroyed.
    pub(crate) keys: &'a KeyStore,
    /// What the vault knows of the log.
    pub(crate) anchor: &'a mut Anchor,
    /// How long what is kept can be read, by the configuration.
    pub(crate) retention: Retention,
    /// Time and chance.
    pub(crate) sources: &'a Sources,
}

/// Has an order done, by whoever writes the ledger of this place.
///
/// # Errors
/// When nobody answers, or what was asked cannot be done.
pub(crate) fn give(place: &Place, order: &Order, sources: &Sources) -> anyhow::Result<Answer> {
    let ledger = place.ledger()?;
    // Also where a gateway runs: it could not even read an order that root has left.
    owner::check(&ledger.dir, sources.user)?;
    check_place(&ledger.dir)?;
    clear_answers(&ledger.dir.join(FOLDER), sources.clock.unix_ms());
    let answer = match FsDisk::lock(&audit::log_folder(&ledger.dir)) {
        Ok(disk) => alone(&ledger, disk, order, sources)?,
        // Another command's turn ends soon, a gateway's does not.
        Err(FsDiskError::Locked { .. }) => leave(&ledger, order, sources)?,
        Err(error) => return Err(error.into()),
    };
    match answer {
        Answer::Failed { reason } => Err(anyhow!(reason)),
        answer => Ok(answer),
    }
}

/// Refuses a copy of a ledger without its vault, and a folder that has neither.
///
/// # Errors
/// That it is one; those of the disk.
pub(crate) fn check_place(state: &Path) -> anyhow::Result<()> {
    let folder = audit::log_folder(state);
    let is_there =
        |path: &Path| path.try_exists().with_context(|| format!("cannot read {}", path.display()));
    let (has_log, has_vault) = (is_there(&folder)?, is_there(&vault::folder(state))?);
    if !has_vault && (has_log || audit::read_folder(state) != folder) {
        // A copy is evidence: nothing is made in it.
        bail!(
            "{} is a copy of a ledger without its vault, and this takes the keys in there: give the command where the gateway's state folder is",
            state.display()
        );
    }
    if !has_log && !has_vault {
        bail!(audit::no_ledger(state));
    }
    Ok(())
}

/// Takes away the answers that nobody came for, where no gateway runs that would.
fn clear_answers(folder: &Path, now_ms: u64) {
    waiting(folder, now_ms);
}

/// Nobody else writes: this process does. Whoever had the ledger before lets go of the keys a moment after it.
fn alone(
    ledger: &config::Ledger,
    disk: FsDisk,
    order: &Order,
    sources: &Sources,
) -> anyhow::Result<Answer> {
    let (mut locked, mut held) = (Ok(disk), None);
    for _ in 0..KEYS_ATTEMPTS_MAX {
        match locked {
            Ok(disk) => match turn(ledger, disk, order, sources) {
                Err(error) if is_held(&error) => held = Some(error),
                done => return done.map_err(undone),
            },
            Err(FsDiskError::Locked { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(ANSWER_PAUSE);
        locked = FsDisk::lock(&audit::log_folder(&ledger.dir));
    }
    Err(held.map_or_else(|| anyhow!("nothing was done: the ledger is in use"), undone))
}

/// Opens the ledger and does what is asked. An error says that it could not be opened.
fn turn(
    ledger: &config::Ledger,
    disk: FsDisk,
    order: &Order,
    sources: &Sources,
) -> anyhow::Result<Answer> {
    opening::runtime()?.block_on(async {
        let opened = opening::open_alone(ledger, disk, Anchoring::Strict, sources).await;
        let mut opened = opened?;
        let mut office = Office {
            recorder: &opened.ledger,
            keys: &opened.vault.keys,
            anchor: &mut opened.anchor,
            retention: ledger.retention,
            sources,
        };
        let answer = fulfil(order, sources.user, &mut office).await;
        if let Err(error) = opened.close(sources)
            && !matches!(answer, Answer::Failed { .. })
        {
            // What was asked is done and durable, and the answer says so.
            print::warn(&format!(
                "it is done; only what the vault notes of the ledger could not be written, and the next start does that: {error:#}"
            ));
        }
        Ok(answer)
    })
}

/// Whether the ledger is free, and its keys are not: a gateway lets go of a ledger that failed, and holds on to the keys.
fn is_held(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(FsDiskError::Locked { .. }))
}

/// Why the ledger was not opened, and so nothing was done.
fn undone(error: anyhow::Error) -> anyhow::Error {
    let is_held = is_held(&error);
    error.context(if is_held {
        "nothing was done: a gateway runs here, and its ledger has stopped; its log and /readyz say why. Mend that, restart it, and give the command again"
    } else {
        "nothing was done: give the command again once this is mended"
    })
}

/// Somebody else writes: a gateway, which gets the order, and whose answer is waited for, or a command like this one, whose end is.
fn leave(ledger: &config::Ledger, order: &Order, sources: &Sources) -> anyhow::Result<Answer> {
    let folder = ledger.dir.join(FOLDER);
    files::private_folder(&folder).with_context(|| format!("cannot use {}", folder.display()))?;
    let mut id = [0; 16];
    sources.entropy.fill(&mut id);
    let name = RecordId(id).to_string();
    let (path, answer_path) =
        (folder.join(format!("{name}.order")), folder.join(format!("{name}.answer")));
    files::replace(&path, &serde_json::to_vec(order)?)
        .context("nothing was done, because the order could not be left for the gateway: give the command again once this is mended")?;
    let started_us = sources.clock.monotonic_us();
    let limit_us = u64::try_from(ANSWER_WAIT.as_micros()).unwrap_or(u64::MAX);
    loop {
        if let Ok(bytes) = files::read_unlinked(&answer_path, ORDER_BYTES_MAX) {
            std::fs::remove_file(&answer_path)?;
            return Ok(serde_json::from_slice(&bytes)?);
        }
        if let Ok(disk) = FsDisk::lock(&audit::log_folder(&ledger.dir)) {
            // Nobody writes any more. An order that is still there was never taken.
            match std::fs::remove_file(&path) {
                Ok(()) => return alone(ledger, disk, order, sources),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if limit_us < sources.clock.monotonic_us().saturating_sub(started_us) {
            // An order is taken away before it is fulfilled: one that is still there never was.
            let done = match std::fs::remove_file(&path) {
                Ok(()) => "nothing was done",
                Err(_) => {
                    "it has taken the order, and `bartizan audit list` shows whether it is done"
                }
            };
            bail!(
                "the process that writes the ledger did not answer within {} s, and {done}: is it a gateway of this version? Its log may say why",
                ANSWER_WAIT.as_secs()
            );
        }
        std::thread::sleep(ANSWER_PAUSE);
    }
}

/// Takes the orders that lie there, and answers each. For the process that writes the ledger.
pub(crate) async fn take(state: &Path, office: &mut Office<'_>) {
    let folder = state.join(FOLDER);
    let now_ms = office.sources.clock.unix_ms();
    for path in waiting(&folder, now_ms) {
        let order = read(&path);
        // Before it is fulfilled: one that cannot be taken away would be fulfilled again and again.
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            // Whoever gave it has taken it back.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::error!(%error, "An order cannot be taken away, so it is not fulfilled.");
                continue;
            }
        }
        let answer = match order {
            Ok((order, user)) => fulfil(&order, user, office).await,
            Err(error) => Answer::Failed { reason: format!("the order cannot be read: {error:#}") },
        };
        let told = serde_json::to_vec(&answer)
            .map_err(anyhow::Error::from)
            .and_then(|bytes| Ok(files::replace(&path.with_extension("answer"), &bytes)?));
        if let Err(error) = told {
            tracing::error!(error = %format!("{error:#}"), "An order could not be answered.");
        }
    }
}

/// The orders that lie there: plain files, and nothing that a name only leads to. Answers that nobody came for are cleared away.
fn waiting(folder: &Path, now_ms: u64) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut orders = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        match path.extension().and_then(|end| end.to_str()) {
            Some("order")
                if orders.len() < ORDERS_MAX
                    && entry.file_type().is_ok_and(|kind| kind.is_file()) =>
            {
                orders.push(path);
            }
            Some("answer") if is_stale(&entry, now_ms) => {
                std::fs::remove_file(&path).unwrap_or_default();
            }
            _ => {}
        }
    }
    orders
}

fn is_stale(entry: &DirEntry, now_ms: u64) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified());
    let written_ms = written.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    written_ms.is_some_and(|ms| u128::from(ANSWER_KEPT_MS) + ms.as_millis() < u128::from(now_ms))
}

/// An order, and the account whose file it is.
fn read(path: &Path) -> anyhow::Result<(Order, u32)> {
    let file = files::open_plain(path, files::Links::Refused)?;
    let user = file.metadata()?.uid();
    Ok((serde_json::from_slice(&files::read_from(file, ORDER_BYTES_MAX)?)?, user))
}

/// Does what is asked, and records it. A subject is forgotten only after the tombstone is durable: a crash between the two is finished at the
/// next start.
///
/// * `user`: the account that gives the order, by the number that the system knows it by.
pub(crate) async fn fulfil(order: &Order, user: u32, office: &mut Office<'_>) -> Answer {
    match done(order, user, office).await {
        Ok(answer) => answer,
        Err(error) => Answer::Failed { reason: format!("{error:#}") },
    }
}

async fn done(order: &Order, user: u32, office: &mut Office<'_>) -> anyhow::Result<Answer> {
    let (Order::Reveal { by, .. }
    | Order::Disclose { by, .. }
    | Order::Erase { by, .. }
    | Order::Expire { by }
    | Order::Retain { by }) = order;
    let by = account(user, by);
    match order {
        Order::Reveal { record, .. } => {
            let record: RecordId = record.parse()?;
            let evidence = json!({"version": 1, "action": "reveal", "by": by});
            let receipt = office.write(RecordKind::Reveal, record, &evidence).await?;
            Ok(Answer::Done { index: receipt.index, record: record.to_string() })
        }
        Order::Disclose { record, reason, parts, .. } => {
            let record: RecordId = record.parse()?;
            let evidence = json!({
                "version": 1, "action": "disclose", "by": by, "reason": reason, "parts": parts,
            });
            let receipt = office.write(RecordKind::Reveal, record, &evidence).await?;
            Ok(Answer::Done { index: receipt.index, record: record.to_string() })
        }
        Order::Erase { tag, .. } => {
            let tag: SubjectTag = tag.parse()?;
            let Some(key) = office.keys.subject_key(tag) else { return Ok(Answer::Nobody) };
            // It keeps no tag: that would tell who was forgotten, to whoever still has the tenant's key.
            let evidence = json!({"version": 1, "action": "erase", "by": by});
            let receipt = office.destroy(key, &evidence).await?;
            Ok(Answer::Done { index: receipt.index, record: key.to_string() })
        }
        Order::Expire { .. } => {
            let (now_ms, trusted_ms) = (office.sources.clock.unix_ms(), office.anchor.trusted_ms());
            let n_due = office.due(now_ms)?.len();
            let evidence = json!({
                "version": 1, "action": "confirm_clock", "by": by, "clock_ms": now_ms,
                "trusted_ms": trusted_ms, "keys": n_due,
            });
            let receipt = office.decide(&evidence).await?;
            office.anchor.believe_operator(now_ms, &*office.sources.clock);
            let n_expired = expire(office).await?;
            Ok(Answer::Expired { index: receipt.index, keys: n_expired as u64 })
        }
        Order::Retain { .. } => retain(&by, office).await,
    }
}

/// Takes somebody's word for the retention of the configuration. It is durable before anything is destroyed by it.
async fn retain(by: &str, office: &mut Office<'_>) -> anyhow::Result<Answer> {
    let rule = office.rule()?;
    let now_ms = office.sources.clock.unix_ms();
    let evidence = json!({
        "version": 1, "action": "confirm_retention", "by": by, "clock_ms": now_ms,
        "retention": rule.asked, "before": rule.agreed,
        "keys": due(office.keys, rule.asked, now_ms).len(),
    });
    let receipt = office.decide(&evidence).await?;
    rule.agree(office.anchor.state(), office.anchor.signer())?;
    let n_expired = expire(office).await.with_context(|| {
        format!("leaf {} says that the retention is confirmed, and it is in force", receipt.index)
    })?;
    Ok(Answer::Expired { index: receipt.index, keys: n_expired as u64 })
}

/// Keys of days that are over, with the retention that says so. A day is over at its end: what was written in its last minute is kept as long as
/// was promised.
pub(crate) fn due(keys: &KeyStore, retention: Retention, now_ms: u64) -> Vec<(Class, RecordId)> {
    let today = day_of(now_ms);
    let days = Class::ALL.into_iter().filter_map(|class| {
        let day = today.checked_sub(retention.days(class))?;
        Some(keys.periods_before(class, day).into_iter().map(move |key| (class, key)))
    });
    days.flatten().collect()
}

/// Forgets what is older than its retention: for each key of a day that is over, a tombstone, then its destruction. Returns how many.
///
/// # Errors
/// [`Doubt`](crate::anchor::Doubt) when the clock has gone on too far to be believed: then nothing is destroyed. When a tombstone cannot be
/// recorded or a key cannot be destroyed; what was done stays done.
pub(crate) async fn expire(office: &mut Office<'_>) -> anyhow::Result<usize> {
    let now_ms = office.sources.clock.unix_ms();
    office.anchor.believe(&*office.sources.clock)?;
    let Some(retention) = office.rule()?.in_force() else { return Ok(0) };
    let due = due(office.keys, retention, now_ms);
    for (n_done, &(class, key)) in due.iter().enumerate() {
        let days = retention.days(class);
        let before_ms = day_of(now_ms).saturating_sub(days).saturating_mul(DAY_MS);
        let evidence = json!({
            "version": 1, "action": "expire", "retention": class.name(), "days": days,
            "before": utc(before_ms), "before_ms": before_ms,
        });
        let destroyed = office.destroy(key, &evidence).await;
        destroyed.with_context(|| {
            format!("{n_done} of {} keys of days that are over are destroyed", due.len())
        })?;
    }
    Ok(due.len())
}

impl Office<'_> {
    /// By what it is decided how long something is kept.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn rule(&self) -> anyhow::Result<Rule> {
        Rule::read(self.anchor.state(), self.retention, self.anchor.signer())
    }

    fn due(&self, now_ms: u64) -> anyhow::Result<Vec<(Class, RecordId)>> {
        let retention = self.rule()?.in_force();
        Ok(retention.map(|retention| due(self.keys, retention, now_ms)).unwrap_or_default())
    }

    /// A tombstone, durable, and then no key any more.
    ///
    /// # Errors
    /// When it cannot be recorded, or the key cannot be destroyed.
    pub(crate) async fn destroy(
        &mut self,
        key: RecordId,
        evidence: &Value,
    ) -> anyhow::Result<Receipt> {
        let receipt = self.write(RecordKind::Tombstone, key, evidence).await.with_context(|| {
            format!(
                "the key {key} is not destroyed, because no tombstone could be made durable; give the command again once that is mended"
            )
        })?;
        self.anchor.forgot(key);
        let index = receipt.index;
        self.keys.destroy(key).with_context(|| {
            format!(
                "leaf {index} is the tombstone of the key {key}, and nothing opens with it any more, but it could not be overwritten on the disk: the next start does that, once this is mended"
            )
        })?;
        Ok(receipt)
    }

    /// Records what an operator has decided.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(crate) async fn decide(&self, evidence: &Value) -> anyhow::Result<Receipt> {
        self.write_new(RecordKind::Decision, evidence).await
    }

    /// A record of its own.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(crate) async fn write_new(
        &self,
        kind: RecordKind,
        evidence: &Value,
    ) -> anyhow::Result<Receipt> {
        let mut id = [0; 16];
        self.sources.entropy.fill(&mut id);
        self.write(kind, RecordId(id), evidence).await
    }

    async fn write(
        &self,
        kind: RecordKind,
        record: RecordId,
        evidence: &Value,
    ) -> anyhow::Result<Receipt> {
        let payload = Payload { slot: Slot::Evidence, bytes: evidence.to_string().into_bytes() };
        let leaf = Leaf::new(record, kind, self.sources.clock.unix_ms());
        Ok(self.recorder.append(Draft::new(leaf, vec![payload])).await?)
    }
}

/// Who decides something, as the ledger keeps it: the account by the number that the system knows it by, and what it calls itself.
pub(crate) fn operator(sources: &Sources) -> String {
    account(sources.user, &label(sources))
}

/// What the account calls itself in its environment, which anybody sets as they like: a note, not a proof.
pub(crate) fn label(sources: &Sources) -> String {
    let name =
        ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| (sources.variable)(name));
    name.unwrap_or_default()
}

/// The number comes first and from the system, whatever the label looks like.
fn account(user: u32, label: &str) -> String {
    let label: String = label.chars().take(LABEL_CHARS_MAX).collect();
    if label.is_empty() { format!("uid {user}") } else { format!("uid {user} ({label})") }
}

mod agreed;

pub(crate) use agreed::Rule;

#[cfg(test)]
mod tests;
