//! What the ledger hears about ourselves: another policy is in force, guards or records are promised otherwise, a key was made, changed or revoked.
//!
//! `bartizan key` writes only its file, because a running gateway holds the ledger. The gateway compares that file with a copy of what it
//! recorded last, and records the difference before it takes effect; the policy in force is compared by its digest, with what the
//! configuration promises beside it, and recorded again before its texts are older than their retention. A crash between the two records an event
//! twice, and never loses one.
use super::recorded::{Heard, OwnLog, Recorded};
use super::{Promise, Sources};
use crate::config::Retention;
use crate::files;
use crate::guard::Texts;
use crate::keys::{Entry, KeyBook};
use anyhow::Context as _;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorder, Slot};
use bartizan_core::seal::Retention as Class;
use bartizan_ledger::merkle::sha256;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Name of the copy, inside the state folder.
const RECORDED_KEYS_FILE: &str = "keys.recorded.toml";
const DAY_MS: u64 = 86_400_000;

/// What is in force, and what will be.
#[derive(Clone, Debug)]
pub(super) struct Promised {
    /// As soon as it is recorded.
    pub(super) now: Promise,
    /// What the configuration asks for: from the next start on.
    pub(super) asked: Promise,
}

impl Promised {
    /// Where nothing waits for the next start.
    pub(super) fn only(now: Promise) -> Self {
        Self { asked: now.clone(), now }
    }
}

/// Records that are not written yet.
pub(super) struct Journal {
    sources: Sources,
    folder: PathBuf,
    drafts: Vec<Draft>,
    before: Heard,
    now: Recorded,
    /// The copy of the key file to keep once they are.
    copy: Option<String>,
}

impl Journal {
    /// * `heard`: what the log that it is recorded in has heard so far.
    pub(super) fn new(sources: &Sources, folder: &Path, heard: &Heard) -> Self {
        let (before, now) = (heard.clone(), heard.recorded.clone());
        let (sources, folder, drafts) = (sources.clone(), folder.to_owned(), Vec::new());
        Self { sources, folder, drafts, before, now, copy: None }
    }

    /// This policy will be in force, with these promises. Where it is another one than was recorded last its texts are kept, so that old decisions can be judged
    /// again; and where the last record of it has had half of its time, so that there is always one that can be read.
    pub(super) fn policy(&mut self, digest: Digest, texts: &Texts, promised: &Promised) {
        let Promised { now, asked } = promised;
        let now_ms = self.sources.clock.unix_ms();
        let before = self.before.recorded.clone();
        self.now.policy = Some(digest);
        self.now.promised = Some(now.clone());
        self.now.waiting = asked.changes_since(now);
        let is_known = before.policy == self.now.policy
            && before.promised == self.now.promised
            && before.waiting == self.now.waiting;
        let known_ms = before.policy_ms.filter(|_| is_known);
        if known_ms.is_some_and(|known_ms| !is_old(known_ms, now_ms, now.retention)) {
            return;
        }
        self.now.policy_ms = Some(now_ms);
        let texts: Vec<_> =
            texts.iter().map(|(file, text)| json!({"file": file, "text": text})).collect();
        let mut leaf = self.leaf(RecordKind::PolicyChange);
        leaf.policy = Some(digest);
        leaf.verdict = now.bits(asked);
        let changed = before.promised.as_ref().map(|before| now.changes_since(before));
        let evidence = json!({
            "policy": digest, "texts": texts, "promised": now, "before": before.promised,
            "policy_before": before.policy, "changed": changed, "waiting": self.now.waiting,
            "doubt": self.before.doubt,
        });
        self.add(leaf, &evidence);
    }

    /// The one accepted key comes from outside.
    pub(super) fn given(&mut self, id: &str, is_start: bool) {
        if is_start {
            self.key(id, &json!({"event": "given", "key": id}));
        }
    }

    /// The difference between a key book and the last one that was recorded.
    pub(super) fn keys(&mut self, book: &KeyBook) -> anyhow::Result<()> {
        let before = self.keys_before()?;
        let text = book.render()?;
        self.now.keys = Some(sha256(text.as_bytes()));
        if before == *book && self.before.recorded.keys == self.now.keys {
            return Ok(());
        }
        for entry in book.entries() {
            match before.entries().iter().find(|old| old.id == entry.id) {
                Some(old) if old == entry => {}
                Some(old) if old.revoked_unix_ms.is_none() && entry.revoked_unix_ms.is_some() => {
                    self.key(&entry.id, &event("revoked", entry));
                }
                Some(_) => self.key(&entry.id, &event("changed", entry)),
                None => self.key(&entry.id, &event("made", entry)),
            }
        }
        let gone = before
            .entries()
            .iter()
            .filter(|old| book.entries().iter().all(|entry| entry.id != old.id));
        gone.for_each(|old| self.key(&old.id, &event("forgotten", old)));
        self.copy = Some(text);
        Ok(())
    }

    /// The keys that the log has heard of; none where the copy of them is not the one that it has.
    fn keys_before(&self) -> anyhow::Result<KeyBook> {
        let Some(known) = self.before.recorded.keys else { return Ok(KeyBook::default()) };
        let Ok(book) = KeyBook::read(&self.folder.join(RECORDED_KEYS_FILE)) else {
            return Ok(KeyBook::default());
        };
        let is_known = sha256(book.render()?.as_bytes()) == known;
        Ok(if is_known { book } else { KeyBook::default() })
    }

    fn key(&mut self, id: &str, evidence: &Value) {
        let mut leaf = self.leaf(RecordKind::KeyEvent);
        leaf.key_id = Some(id.to_owned());
        self.add(leaf, evidence);
    }

    fn leaf(&self, kind: RecordKind) -> Leaf {
        let mut id = [0; 16];
        self.sources.entropy.fill(&mut id);
        Leaf::new(RecordId(id), kind, self.sources.clock.unix_ms())
    }

    fn add(&mut self, leaf: Leaf, evidence: &Value) {
        let bytes = evidence.to_string().into_bytes();
        self.drafts.push(Draft::new(leaf, vec![Payload { slot: Slot::Evidence, bytes }]));
    }

    /// Makes the records durable.
    ///
    /// # Errors
    /// When they cannot be; then nothing of it may be in force.
    pub(super) async fn write(
        self,
        recorder: &dyn Recorder,
        log: &mut OwnLog,
    ) -> anyhow::Result<()> {
        let mut leaves = None;
        if !self.drafts.is_empty() {
            let receipt = recorder.append_all(self.drafts).await?;
            leaves = Some(receipt.index.saturating_add(1));
        }
        if let Some(text) = self.copy {
            replace(&self.folder.join(RECORDED_KEYS_FILE), text.as_bytes())?;
        }
        log.hears(self.now, leaves)
    }
}

/// Whether a record of a policy has had half of its time. A clock that is behind it makes nothing old.
fn is_old(recorded_ms: u64, now_ms: u64, retention: Retention) -> bool {
    let half_ms = retention.days(Class::Admission).saturating_mul(DAY_MS / 2);
    half_ms < now_ms.saturating_sub(recorded_ms)
}

fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let done = files::replace(path, bytes);
    done.with_context(|| format!("cannot write {}", path.display()))
}

fn event(name: &str, entry: &Entry) -> Value {
    json!({
        "event": name, "key": entry.id, "roles": entry.roles, "made_unix_ms": entry.made_unix_ms,
        "expires_unix_ms": entry.expires_unix_ms, "revoked_unix_ms": entry.revoked_unix_ms,
        "replaced_by": entry.replaced_by,
    })
}

#[cfg(test)]
mod tests;
