//! Whether the log is as it was written, and whose word that is.
use super::bar::Bar;
use super::handover::{self, Handover, onwards};
use super::payloads::Counts;
use super::silence::Changes;
use super::{is_absent, no_ledger, read_folder, reader};
use crate::anchor::{self, Compared};
use crate::serve::Sources;
use crate::vault;
use crate::witness::verdict::{Testimony, testimony};
use bartizan_core::sign::Signer;
use bartizan_keys::NoteKey;
use bartizan_ledger::tlog::{Policy, VerifierKey};
use bartizan_ledger::{Entry, LedgerError, Reader, TimeBack, Verification};
use serde_json::{Value, json};
use std::path::Path;

/// What is said where nobody named a key.
const KEY_FROM_LOG: &str = "the key lies beside the log: whoever could change the one could change the other. Give --key with one that you have from elsewhere";

/// Whose signature counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trusted {
    /// Keys that were given on the command line. Without any, the one beside the log has to do.
    pub(crate) keys: Vec<VerifierKey>,
    /// Logs and witnesses, and how many of those are needed.
    pub(crate) policy: Option<Policy>,
}

/// What verification came to.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Whether all is as it was written.
    pub(crate) verified: bool,
    /// Leaves that were checked.
    pub(crate) leaves: u64,
    /// Merkle root over them, in hexadecimal; empty when there is no log.
    pub(crate) root: String,
    /// Merkle root over those that the checkpoint stands for.
    pub(crate) checkpoint_root: Option<String>,
    /// INTENTs that have no OUTCOME yet.
    pub(crate) open: u64,
    /// Names of the keys that have signed the checkpoint.
    pub(crate) signed_by: Vec<String>,
    /// What lies behind the checkpoint.
    pub(crate) rest: Rest,
    /// Whether time goes back in the log.
    pub(crate) time_back: Option<TimeBack>,
    /// The first thing that is wrong.
    pub(crate) problem: Option<String>,
}

/// What lies behind the checkpoint, where nobody's signature is yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Leaves.
    pub(crate) leaves: u64,
    /// Whether the log's own key, which was at hand, knows all of these for its own.
    pub(crate) is_vouched: bool,
    /// Bytes behind the last whole group.
    pub(crate) bytes: u64,
    /// Whether they were written to their end once.
    pub(crate) is_marked: bool,
}

impl Rest {
    /// For people, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if 0 < self.leaves {
            let who = if self.is_vouched {
                "; the key in the vault knows them for its own"
            } else {
                ": without the key nobody can say who wrote them"
            };
            let n = self.leaves;
            lines.push(format!(
                "unsigned: {n} leaves came after the checkpoint, and no signature covers them yet{who}"
            ));
        }
        if 0 < self.bytes {
            let what = if self.is_marked {
                "a group that was written to its end and was damaged since: the next start keeps a copy and drops it"
            } else {
                "a write under way, or one that a crash tore"
            };
            lines.push(format!("unfinished: {} bytes behind the last leaf, {what}", self.bytes));
        }
        lines
    }
}

/// A verdict, and whose word it is.
#[derive(Debug)]
pub(crate) struct Checked {
    /// What verification came to.
    pub(crate) verdict: Verdict,
    /// Leaves that the checkpoint stands for.
    pub(crate) checkpoint: Option<u64>,
    /// What the witnesses say, where a policy names some.
    pub(crate) testimony: Option<Testimony>,
    /// Whether nobody named a key, so that those beside the log were taken.
    pub(crate) is_key_from_log: bool,
    /// How the keys that were named lead on to later ones.
    pub(crate) handovers: Vec<Handover>,
    /// What opening the payloads came to, where that was asked for.
    pub(crate) payloads: Option<Counts>,
    /// What makes the verdict worth less, and nothing wrong.
    pub(crate) warnings: Vec<String>,
}

impl Verdict {
    fn unreadable(problem: String) -> Self {
        Self {
            verified: false,
            leaves: 0,
            root: String::new(),
            checkpoint_root: None,
            open: 0,
            signed_by: Vec::new(),
            rest: Rest::default(),
            time_back: None,
            problem: Some(problem),
        }
    }

    fn of(told: Verification) -> Self {
        let mut signed_by = told.signed_by;
        // Right after a rotation two keys of one name have signed.
        signed_by.dedup();
        Self {
            verified: told.verified,
            leaves: told.leaves,
            root: told.root.to_string(),
            checkpoint_root: told.checkpoint_root.map(|root| root.to_string()),
            open: told.open,
            signed_by,
            rest: Rest {
                leaves: told.unsigned_leaves,
                is_vouched: told.unsigned_vouched,
                bytes: told.unfinished_bytes,
                is_marked: told.unfinished_marked,
            },
            time_back: told.time_back,
            problem: told.problem.map(|problem| problem.to_string()),
        }
    }

    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        let Rest { leaves, is_vouched, bytes, is_marked } = self.rest;
        json!({
            "verified": self.verified, "leaves": self.leaves, "problem": self.problem,
            "root": self.root, "checkpoint_root": self.checkpoint_root,
            "open": self.open, "signed_by": self.signed_by,
            "unsigned_leaves": leaves, "unsigned_vouched": is_vouched,
            "unfinished_bytes": bytes, "unfinished_marked": is_marked,
            "time_back": self.time_back.map(|back| json!({
                "first": back.first, "leaves": back.leaves, "most_ms": back.most_ms,
            })),
        })
    }

    /// What an auditor should ask about, although nothing was changed.
    pub(crate) fn doubt(&self) -> Option<String> {
        let TimeBack { first, leaves, most_ms } = self.time_back?;
        let seconds = most_ms / 1000;
        Some(format!(
            "{leaves} leaves have a time before that of an earlier one, by up to {seconds} s, the first of them leaf {first}: the clock was set back there, or was ahead before; ask"
        ))
    }

    fn refuse(&mut self, problem: String) {
        self.verified = false;
        self.problem.get_or_insert(problem);
    }
}

impl Checked {
    fn unreadable(problem: String) -> Self {
        let verdict = Verdict::unreadable(problem);
        let (testimony, is_key_from_log, handovers) = (None, false, Vec::new());
        let (payloads, warnings) = (None, Vec::new());
        Self {
            verdict,
            checkpoint: None,
            testimony,
            is_key_from_log,
            handovers,
            payloads,
            warnings,
        }
    }

    /// Whether nothing at all is wrong.
    pub(crate) fn is_fine(&self) -> bool {
        self.verdict.verified && self.payloads.as_ref().is_none_or(Counts::is_fine)
    }

    /// The same, with a word of when guards or recording were switched off. It makes nothing wrong.
    pub(super) fn with_silence(
        mut self,
        folder: &Path,
        changes: &Changes,
        sources: &Sources,
    ) -> Self {
        if self.verdict.verified {
            self.warnings.extend(changes.warnings(folder, sources));
        }
        self
    }

    /// The same, compared with what the vault knows of the ledger beside it: one that is whole may be an older one. And with the clock, where witnesses
    /// have said when.
    pub(crate) fn against(mut self, folder: &Path, now_ms: u64) -> Self {
        if self.verdict.verified && !super::is_copy(folder) {
            match anchor::compare(folder, vault::log_key(folder).as_ref()) {
                Compared::Fits => {}
                Compared::Against(problem) => self.verdict.refuse(problem),
                Compared::Unknown(warning) => self.warnings.push(warning),
            }
        }
        self.warnings.extend(self.verdict.doubt());
        if self.is_key_from_log && self.checkpoint.is_some() {
            self.warnings.push(KEY_FROM_LOG.to_owned());
        }
        if let Some(testimony) = &mut self.testimony {
            testimony.date(self.verdict.leaves, now_ms);
        }
        self
    }

    /// The first thing that is wrong, with the leaves or else with the payloads.
    pub(crate) fn problem(&self) -> Option<String> {
        let payloads = || self.payloads.as_ref().and_then(Counts::problem);
        self.verdict.problem.clone().or_else(payloads)
    }

    /// The verdict in one line, which says what the exit code says.
    pub(crate) fn headline(&self) -> String {
        let Verdict { leaves, root, open, rest, problem, .. } = &self.verdict;
        if let Some(problem) = problem {
            return format!("not verified: {problem} (leaves checked: {leaves})");
        }
        let signed = leaves.saturating_sub(rest.leaves);
        let root = self.verdict.checkpoint_root.as_ref().unwrap_or(root);
        let mut said = format!("{signed} signed leaves, root {root}, {open} exchanges under way");
        if 0 < rest.leaves {
            said = format!("{said}; {} leaves came after them, unsigned", rest.leaves);
        }
        match self.payloads.as_ref().and_then(Counts::problem) {
            None => format!("verified: {said}"),
            Some(problem) => format!("not verified: {problem}. The leaves are: {said}"),
        }
    }

    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        let mut value = self.verdict.json();
        if let (Some(all), Some(problem)) = (value.as_object_mut(), self.problem()) {
            all.insert("verified".to_owned(), false.into());
            all.insert("problem".to_owned(), problem.into());
        }
        let key_source = if self.is_key_from_log { "log" } else { "given" };
        let witnesses = self.testimony.as_ref().map_or_else(Vec::new, Testimony::names);
        let more = json!({
            "checkpoint": self.checkpoint, "key_source": key_source, "witnesses": witnesses,
            "testimony": self.testimony, "payloads": self.payloads,
            "handovers": self.handovers.iter().map(Handover::told).collect::<Vec<_>>(),
            "warnings": self.warnings,
        });
        if let (Some(all), Value::Object(more)) = (value.as_object_mut(), more) {
            all.extend(more);
        }
        value
    }
}

/// Recomputes everything, with the keys that lie beside the log. A log that is not there or cannot be read is not verified either.
pub(crate) fn verify(folder: &Path) -> Verdict {
    verify_with(folder, &Trusted::default()).verdict
}

/// Whose signature counts, once the notes beside the log are taken into account.
struct Keys {
    now: Vec<VerifierKey>,
    /// Those before them, which vouch for nothing but what was witnessed then.
    former: Vec<VerifierKey>,
    handovers: Vec<Handover>,
}

/// The keys that were named, and those that they lead on to. Where none was named: the newest one beside the log, and those that lead to it.
///
/// * `all`: the handovers that count.
fn keys(folder: &Path, trusted: &Trusted, all: &[Handover]) -> anyhow::Result<Keys> {
    if trusted.is_nothing() {
        let now = beside(folder, all)?;
        let handovers = if now.is_empty() { all.to_vec() } else { Vec::new() };
        return Ok(Keys { now, former: Vec::new(), handovers });
    }
    let mut now = trusted.keys.clone();
    now.extend(trusted.policy.iter().flat_map(Policy::logs).cloned());
    let leads_to_named = |handover: &&Handover| {
        let path = onwards(std::slice::from_ref(&handover.old), all);
        path.iter().any(|handover| now.contains(&handover.new))
    };
    let former = all.iter().filter(leads_to_named).map(|handover| handover.old.clone()).collect();
    let handovers: Vec<_> = onwards(&now, all).into_iter().cloned().collect();
    now.extend(handovers.iter().map(|handover| handover.new.clone()));
    Ok(Keys { now, former, handovers })
}

/// The newest key that lies beside the log, and those of the others that lead to it.
///
/// # Errors
/// When a key is damaged.
pub(super) fn beside(folder: &Path, all: &[Handover]) -> anyhow::Result<Vec<VerifierKey>> {
    let published = vault::published_keys(&read_folder(folder))?;
    let Some(newest) = published.first() else { return Ok(published) };
    let leads_to_newest = |key: &&VerifierKey| {
        let path = onwards(std::slice::from_ref(*key), all);
        *key == newest || path.iter().any(|handover| handover.new == *newest)
    };
    Ok(published.iter().filter(leads_to_newest).cloned().collect())
}

impl Trusted {
    /// What outsiders would call it: each key by itself, and the policy.
    pub(crate) fn policies(&self) -> Vec<Policy> {
        let keys = self.keys.iter().cloned().map(Policy::of_log);
        keys.chain(self.policy.clone()).collect()
    }

    /// Whether nobody named a key.
    pub(crate) fn is_nothing(&self) -> bool {
        self.keys.is_empty() && self.policy.is_none()
    }
}

/// [`verify`], with keys from elsewhere, and whose word it is.
pub(crate) fn verify_with(folder: &Path, trusted: &Trusted) -> Checked {
    verify_seeing(folder, trusted, &mut drop)
}

/// [`verify_with`], which also says when guards or recording were switched off.
pub(crate) fn verify_and_tell(folder: &Path, trusted: &Trusted, sources: &Sources) -> Checked {
    let mut changes = Changes::default();
    let checked = verify_seeing(folder, trusted, &mut |entries| changes.see(&entries));
    checked.against(folder, sources.clock.unix_ms()).with_silence(folder, &changes, sources)
}

/// [`verify_with`], which hands over the leaves as it goes: they count for nothing if the log turns out not to be verified.
pub(super) fn verify_seeing(
    folder: &Path,
    trusted: &Trusted,
    seen: &mut dyn FnMut(Vec<Entry>),
) -> Checked {
    let reader = match reader(folder) {
        Ok(reader) => reader,
        Err(error) if is_absent(folder, &error) => return Checked::unreadable(no_ledger(folder)),
        Err(error) => return Checked::unreadable(unreadable(folder, &error)),
    };
    if let Some(error) = super::other_log(folder, &reader) {
        return Checked::unreadable(error.to_string());
    }
    let Followed { now, former, sure } = match follow(folder, trusted) {
        Ok(followed) => followed,
        Err(error) => return Checked::unreadable(format!("{error:#}")),
    };
    let reader = reader.with_former_keys(former);
    let told = match look(&reader, &now, vault::log_key(folder).as_ref(), seen) {
        Ok(told) => told,
        Err(error) => return Checked::unreadable(unreadable(folder, &error)),
    };
    let (checkpoint, is_key_from_log) = (told.checkpoint, trusted.is_nothing());
    let mut verdict = Verdict::of(told);
    if now.is_empty() {
        verdict.refuse(
            "no key is known, so no signature was checked: log.vkey is not beside the log, or empty; give --key with one that you have from elsewhere".to_owned(),
        );
    }
    if checkpoint.is_some() && !is_key_from_log && !is_signed_by(&reader, &sure.now) {
        verdict.signed_by.clear();
        verdict.refuse(
            "log/checkpoint is signed by none of the trusted keys: a note beside the log names its key as their next one, and the log has no record of that".to_owned(),
        );
    }
    if checkpoint.is_none() && !is_key_from_log {
        verdict.refuse("there is no checkpoint, so no key vouches for the log".to_owned());
    }
    let asked = trusted.policy.as_ref().map(|policy| testimony(folder, policy));
    let testimony = match asked.transpose() {
        Ok(told) => told,
        Err(error) => {
            verdict.refuse(format!("{error:#}"));
            None
        }
    };
    if let Some(problem) = testimony.as_ref().and_then(Testimony::refusal) {
        verdict.refuse(problem);
    }
    let handovers = sure.handovers;
    let (payloads, warnings) = (None, Vec::new());
    Checked { verdict, checkpoint, testimony, is_key_from_log, handovers, payloads, warnings }
}

/// The keys by which a log is looked at.
struct Followed {
    now: Vec<VerifierKey>,
    former: Vec<VerifierKey>,
    /// Those that count: the log itself bears out how they came to be trusted.
    sure: Keys,
}

/// A note that both of its keys have signed is followed to look at a log, which may be too damaged to bear the note out: then its first bad leaf is
/// what an auditor has to hear, and not that the key is unknown.
fn follow(folder: &Path, trusted: &Trusted) -> anyhow::Result<Followed> {
    let noted = handover::noted(folder);
    let borne_out = handover::borne_out(folder, noted.clone());
    let sure = keys(folder, trusted, &borne_out)?;
    let all = if trusted.is_nothing() { &borne_out } else { &noted };
    let Keys { now, former, .. } = keys(folder, trusted, all)?;
    Ok(Followed { now, former, sure })
}

/// Whether one of these keys has signed the checkpoint.
fn is_signed_by(reader: &Reader, keys: &[VerifierKey]) -> bool {
    let checkpoint = reader.checkpoint().ok().flatten();
    checkpoint.is_some_and(|signed| signed.verify(keys).is_ok_and(|signed| !signed.is_empty()))
}

fn unreadable(folder: &Path, error: &LedgerError) -> String {
    format!("{}: {error}", read_folder(folder).display())
}

fn look(
    reader: &Reader,
    keys: &[VerifierKey],
    signer: Option<&NoteKey>,
    seen: &mut dyn FnMut(Vec<Entry>),
) -> Result<Verification, LedgerError> {
    let size = reader.checkpoint().ok().flatten().map(|signed| signed.checkpoint().size());
    let bar = Bar::new("verifying", size);
    // The key of another vault can say nothing about this log.
    let is_ours = |key: &&NoteKey| VerifierKey::of_log(*key).is_ok_and(|key| keys.contains(&key));
    let signer = signer.filter(is_ours).map(|key| key as &dyn Signer);
    reader.verify_seeing(keys, signer, &mut |entries| {
        entries.last().into_iter().for_each(|last| bar.set(last.index + 1));
        seen(entries);
    })
}
