//! What the ledger hears about ourselves: another policy is in force, a key was made, changed or revoked.
//!
//! `bartizan key` writes only its file, because a running gateway holds the ledger. The gateway compares that file with a copy of what it
//! recorded last, and records the difference before it takes effect. A crash between the two records an event twice, and never loses one.
use super::Sources;
use crate::files;
use crate::guard::Texts;
use crate::keys::{Entry, KeyBook};
use anyhow::Context as _;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorder, Slot};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Name of the copy, inside the state folder.
const RECORDED_FILE: &str = "keys.recorded.toml";

/// Records that are not written yet.
pub(super) struct Journal {
    sources: Sources,
    drafts: Vec<Draft>,
    /// The copy of the key file to keep once they are.
    copy: Option<(PathBuf, String)>,
}

impl Journal {
    pub(super) fn new(sources: &Sources) -> Self {
        Self { sources: sources.clone(), drafts: Vec::new(), copy: None }
    }

    /// Another policy will be in force. Its texts are kept, so that old decisions can be judged again.
    pub(super) fn policy(&mut self, digest: Digest, texts: &Texts) {
        let texts: Vec<_> =
            texts.iter().map(|(file, text)| json!({"file": file, "text": text})).collect();
        let mut leaf = self.leaf(RecordKind::PolicyChange);
        leaf.policy = Some(digest);
        self.add(leaf, &json!({"policy": digest, "texts": texts}));
    }

    /// The one accepted key comes from outside.
    pub(super) fn given(&mut self, id: &str, is_start: bool) {
        if is_start {
            self.key(id, &json!({"event": "given", "key": id}));
        }
    }

    /// The difference between a key book and the last one that was recorded.
    pub(super) fn keys(&mut self, folder: &Path, book: &KeyBook) -> anyhow::Result<()> {
        let path = folder.join(RECORDED_FILE);
        let before = KeyBook::read(&path)?;
        if before == *book {
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
        self.copy = Some((path, book.render()?));
        Ok(())
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
    pub(super) async fn write(self, recorder: &dyn Recorder) -> anyhow::Result<()> {
        if !self.drafts.is_empty() {
            recorder.append_all(self.drafts).await?;
        }
        if let Some((path, text)) = self.copy {
            let done = files::replace(&path, text.as_bytes(), 0o600);
            done.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn event(name: &str, entry: &Entry) -> Value {
    json!({
        "event": name, "key": entry.id, "roles": entry.roles, "made_unix_ms": entry.made_unix_ms,
        "expires_unix_ms": entry.expires_unix_ms, "revoked_unix_ms": entry.revoked_unix_ms,
        "replaced_by": entry.replaced_by,
    })
}
