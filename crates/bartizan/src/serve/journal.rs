//! What the ledger hears about ourselves: another policy is in force, a key was made, changed or revoked.
//!
//! `bartizan key` writes only its file, because a running gateway holds the ledger. The gateway compares that file with a copy of what it
//! recorded last, and records the difference before it takes effect; the policy in force is compared by its digest, with what the
//! configuration promises of records beside it, and recorded again before its texts are older than their retention. A crash between the two records an event
//! twice, and never loses one.
use super::{Recording, Sources};
use crate::config::Retention;
use crate::files;
use crate::guard::Texts;
use crate::keys::{Entry, KeyBook};
use anyhow::Context as _;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorder, Slot};
use bartizan_core::seal::Retention as Class;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Name of the copy, inside the state folder.
const RECORDED_KEYS_FILE: &str = "keys.recorded.toml";
/// Name of the file that says what else was recorded, and in which log.
pub(crate) const RECORDED_FILE: &str = "recorded.json";
const RECORDED_BYTES_MAX: usize = 64 << 10;
const DAY_MS: u64 = 86_400_000;

/// What was recorded last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    /// In which log. What another one has is no news of ours, and is recorded again.
    log: Option<String>,
    /// The policy in force.
    policy: Option<Digest>,
    /// When its texts were recorded last, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_ms: Option<u64>,
    /// What was promised of records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recording: Option<Recording>,
}

impl Recorded {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join(RECORDED_FILE);
        match files::read_bounded(&path, RECORDED_BYTES_MAX) {
            // One that cannot be understood costs a record too many.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// Records that are not written yet.
pub(super) struct Journal {
    sources: Sources,
    folder: PathBuf,
    drafts: Vec<Draft>,
    before: Recorded,
    now: Recorded,
    /// The copy of the key file to keep once they are.
    copy: Option<String>,
}

impl Journal {
    /// * `log`: the name of the log that it is recorded in, where there is one.
    pub(super) fn new(sources: &Sources, folder: &Path, log: Option<&str>) -> anyhow::Result<Self> {
        let log = log.map(str::to_owned);
        let before = Recorded::read(folder)?;
        let now = Recorded { log, policy: None, policy_ms: None, recording: None };
        let (sources, folder, drafts) = (sources.clone(), folder.to_owned(), Vec::new());
        Ok(Self { sources, folder, drafts, before, now, copy: None })
    }

    /// Whether what was recorded last is in this log.
    fn is_same_log(&self) -> bool {
        self.now.log.is_some() && self.before.log == self.now.log
    }

    /// This policy will be in force, with these promises of records. Where it is another one than was recorded last its texts are kept, so that old decisions can be judged
    /// again; and where the last record of it has had half of its time, so that there is always one that can be read.
    pub(super) fn policy(&mut self, digest: Digest, texts: &Texts, recording: &Recording) {
        let now_ms = self.sources.clock.unix_ms();
        self.now.policy = Some(digest);
        self.now.recording = Some(recording.clone());
        let is_known = self.is_same_log()
            && self.before.policy == Some(digest)
            && self.before.recording == self.now.recording;
        let known_ms = self.before.policy_ms.filter(|_| is_known);
        if known_ms.is_some_and(|known_ms| !is_old(known_ms, now_ms, recording.retention)) {
            self.now.policy_ms = known_ms;
            return;
        }
        self.now.policy_ms = Some(now_ms);
        let texts: Vec<_> =
            texts.iter().map(|(file, text)| json!({"file": file, "text": text})).collect();
        let mut leaf = self.leaf(RecordKind::PolicyChange);
        leaf.policy = Some(digest);
        let evidence = json!({
            "policy": digest, "texts": texts, "recording": recording,
            "before": self.before.recording,
        });
        self.add(leaf, &evidence);
    }

    /// Whether the log that was recorded in last has not heard yet that nothing will be recorded any more.
    pub(super) fn is_farewell_due(&self) -> bool {
        self.before.log.is_some() || self.before == Recorded::default()
    }

    /// The one accepted key comes from outside.
    pub(super) fn given(&mut self, id: &str, is_start: bool) {
        if is_start {
            self.key(id, &json!({"event": "given", "key": id}));
        }
    }

    /// The difference between a key book and the last one that was recorded.
    pub(super) fn keys(&mut self, book: &KeyBook) -> anyhow::Result<()> {
        let before = if self.is_same_log() {
            KeyBook::read(&self.folder.join(RECORDED_KEYS_FILE))?
        } else {
            KeyBook::default()
        };
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
        self.copy = Some(book.render()?);
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
        if let Some(text) = self.copy {
            replace(&self.folder.join(RECORDED_KEYS_FILE), text.as_bytes())?;
        }
        if self.before != self.now {
            replace(&self.folder.join(RECORDED_FILE), &serde_json::to_vec(&self.now)?)?;
        }
        Ok(())
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
mod tests {
    use super::*;
    use bartizan_ledger::merkle::sha256;

    /// What would be recorded, once it is: how many policies, how many keys.
    fn written(folder: &Path, log: Option<&str>, policy: &str, book: &KeyBook) -> [usize; 2] {
        written_by(&Sources::real(), folder, log, policy, book)
    }

    fn written_by(
        sources: &Sources,
        folder: &Path,
        log: Option<&str>,
        policy: &str,
        book: &KeyBook,
    ) -> [usize; 2] {
        let mut config = crate::config::Config::default();
        config.ledger.retention = Retention { admission_days: 10, ..Retention::default() };
        let mut journal = Journal::new(sources, folder, log).unwrap();
        let texts = vec![("p".to_owned(), policy.to_owned())];
        journal.policy(sha256(policy.as_bytes()), &texts, &Recording::of(&config));
        journal.keys(book).unwrap();
        let of = |kind| journal.drafts.iter().filter(|draft| draft.leaf.kind == kind).count();
        let counts = [of(RecordKind::PolicyChange), of(RecordKind::KeyEvent)];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(journal.write(&super::super::off::Unrecorded::default())).unwrap();
        counts
    }

    #[test]
    fn only_news_is_recorded_and_another_log_has_heard_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources::real();
        let (mut book, roles) = (KeyBook::default(), [crate::keys::DEFAULT_ROLE.to_owned()]);
        book.add(&*sources.entropy, &roles, 1, None).unwrap();
        let one = KeyBook::default();
        for (name, log, policy, book, want) in [
            ("the first start", Some("a"), "permit", &one, [1, 0]),
            ("a start that changes nothing", Some("a"), "permit", &one, [0, 0]),
            ("another policy", Some("a"), "forbid", &one, [1, 0]),
            ("a key", Some("a"), "forbid", &book, [0, 1]),
            ("nothing new", Some("a"), "forbid", &book, [0, 0]),
            ("nothing new again", Some("a"), "forbid", &book, [0, 0]),
            ("the first policy again", Some("a"), "permit", &book, [1, 0]),
            ("another log", Some("b"), "permit", &book, [1, 1]),
            ("no log", None, "permit", &book, [1, 1]),
            ("the log again", Some("b"), "permit", &book, [1, 1]),
        ] {
            assert_eq!(written(folder.path(), log, policy, book), want, "{name}");
        }
        std::fs::write(folder.path().join(RECORDED_FILE), "not json").unwrap();
        let again = written(folder.path(), Some("b"), "permit", &book);
        assert_eq!(again, [1, 1], "a record too many rather than one too few");
    }

    /// Recording that is switched off and on, or a shorter retention, is news as another policy is.
    #[test]
    fn what_is_promised_of_records_is_recorded_whenever_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let upstream = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
        let route = |how: &str| format!("[[route]]\nname = \"chat\"\ndurability = \"{how}\"\n");
        let mut before = Value::Null;
        for (name, text, is_new) in [
            ("the first start", route("strict"), true),
            ("the same", route("strict"), false),
            ("bounded", route("bounded"), true),
            ("off", route("off"), true),
            ("still off", route("off"), false),
            ("on", route("strict"), true),
            ("another route", format!("{}{}", route("strict"), "[[route]]\nname = \"b\"\n"), true),
            ("payloads", "[ledger.retention]\npayload_days = 1\n".to_owned(), true),
            ("traffic", "[ledger.retention]\ntraffic_days = 1\n".to_owned(), true),
            ("admissions", "[ledger.retention]\nadmission_days = 9\n".to_owned(), true),
            ("the ledger", "[ledger]\nmode = \"off\"\n".to_owned(), true),
            ("the defaults", String::new(), true),
        ] {
            let config =
                crate::config::Config::parse("bartizan.toml", &format!("{text}{upstream}"));
            let recording = Recording::of(&config.unwrap());
            let mut journal = Journal::new(&Sources::real(), folder.path(), Some("a")).unwrap();
            journal.policy(sha256(b"permit"), &Vec::new(), &recording);
            assert_eq!(journal.drafts.len(), usize::from(is_new), "{name}");
            let now = serde_json::to_value(&recording).unwrap();
            if let Some(draft) = journal.drafts.first() {
                let evidence: Value = serde_json::from_slice(&draft.payloads[0].bytes).unwrap();
                assert_eq!(
                    (&evidence["recording"], &evidence["before"]),
                    (&now, &before),
                    "{name}"
                );
            }
            assert_eq!(recording.notice().is_some(), text.contains("off"), "{name}");
            before = now;
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(journal.write(&super::super::off::Unrecorded::default())).unwrap();
        }
    }

    /// As much as a configuration can say fits into the file that is read back.
    #[test]
    fn the_longest_promises_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = crate::config::Config::default();
        for n in 0..crate::config::LIST_MAX {
            let name = format!("{n:0>width$}", width = bartizan_core::record::NAME_BYTES_MAX);
            config
                .routes
                .push(crate::config::Route { name, ..crate::config::Route::default_route() });
        }
        let recording = Recording::of(&config);
        for n_drafts in [1, 0] {
            let mut journal = Journal::new(&Sources::real(), folder.path(), Some("a")).unwrap();
            journal.policy(sha256(b"permit"), &Vec::new(), &recording);
            assert_eq!(journal.drafts.len(), n_drafts);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(journal.write(&super::super::off::Unrecorded::default())).unwrap();
        }
    }

    #[test]
    fn a_policy_is_recorded_again_before_its_last_record_is_too_old_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let world = crate::opening::world::World::new();
        let book = KeyBook::default();
        let is_recorded = |day: u64, policy: &str| {
            world.wall.set_day(day);
            written_by(&world.sources, folder.path(), Some("a"), policy, &book) == [1, 0]
        };
        for (day, want) in [(0, true), (5, false), (6, true), (11, false), (12, true), (3, false)] {
            assert_eq!(is_recorded(day, "permit"), want, "day {day}");
        }
        assert!(is_recorded(4, "forbid"), "another one");
        assert!(!is_recorded(9, "forbid"), "its own time counts");
        assert!(is_recorded(10, "forbid"));
        // A file of an earlier build does not say when.
        let path = folder.path().join(RECORDED_FILE);
        let text = files::read_text_bounded(&path, RECORDED_BYTES_MAX).unwrap();
        let end = text.find(",\"policy_ms\"").unwrap();
        std::fs::write(&path, format!("{}}}", text.get(..end).unwrap())).unwrap();
        assert!(is_recorded(10, "forbid") && !is_recorded(10, "forbid"));
    }
}
