//! Whether the log is as it was written, and whose word that is.
use super::bar::Bar;
use super::handover::{self, Handover, onwards};
use super::payloads::Counts;
use super::{is_absent, log_folder, no_ledger, reader};
use crate::vault;
use crate::witness::verdict::{Testimony, testimony};
use bartizan_core::sign::Signer;
use bartizan_keys::NoteKey;
use bartizan_ledger::tlog::{Policy, VerifierKey};
use bartizan_ledger::{LedgerError, Reader, Verification};
use serde_json::{Value, json};
use std::path::Path;

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
    /// INTENTs that have no OUTCOME yet.
    pub(crate) open: u64,
    /// Names of the keys that have signed the checkpoint.
    pub(crate) signed_by: Vec<String>,
    /// What lies behind the checkpoint.
    pub(crate) rest: Rest,
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
}

impl Verdict {
    fn unreadable(problem: String) -> Self {
        let (root, signed_by, rest) = (String::new(), Vec::new(), Rest::default());
        Self { verified: false, leaves: 0, root, open: 0, signed_by, rest, problem: Some(problem) }
    }

    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        let Rest { leaves, is_vouched, bytes, is_marked } = self.rest;
        json!({
            "verified": self.verified, "leaves": self.leaves, "problem": self.problem,
            "root": self.root, "open": self.open, "signed_by": self.signed_by,
            "unsigned_leaves": leaves, "unsigned_vouched": is_vouched,
            "unfinished_bytes": bytes, "unfinished_marked": is_marked,
        })
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
        Self { verdict, checkpoint: None, testimony, is_key_from_log, handovers, payloads: None }
    }

    /// Whether nothing at all is wrong.
    pub(crate) fn is_fine(&self) -> bool {
        self.verdict.verified && self.payloads.as_ref().is_none_or(Counts::is_fine)
    }

    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        let mut value = self.verdict.json();
        let key_source = if self.is_key_from_log { "log" } else { "given" };
        let witnesses = self.testimony.as_ref().map_or_else(Vec::new, Testimony::names);
        let more = json!({
            "checkpoint": self.checkpoint, "key_source": key_source, "witnesses": witnesses,
            "testimony": self.testimony, "payloads": self.payloads,
            "handovers": self.handovers.iter().map(Handover::told).collect::<Vec<_>>(),
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
fn keys(folder: &Path, trusted: &Trusted) -> anyhow::Result<Keys> {
    let mut named = trusted.keys.clone();
    named.extend(trusted.policy.iter().flat_map(Policy::logs).cloned());
    let all = handover::all(folder);
    if !trusted.is_nothing() {
        let leads_to_named = |handover: &&Handover| {
            let path = onwards(std::slice::from_ref(&handover.old), &all);
            path.iter().any(|handover| named.contains(&handover.new))
        };
        let former = all.iter().filter(leads_to_named).map(|handover| handover.old.clone());
        let former = former.collect();
        let handovers: Vec<_> = onwards(&named, &all).into_iter().cloned().collect();
        named.extend(handovers.iter().map(|handover| handover.new.clone()));
        return Ok(Keys { now: named, former, handovers });
    }
    let published = vault::published_keys(&log_folder(folder))?;
    let Some(newest) = published.first() else {
        return Ok(Keys { now: published, former: Vec::new(), handovers: all });
    };
    let leads_to_newest = |key: &&VerifierKey| {
        let path = onwards(std::slice::from_ref(*key), &all);
        *key == newest || path.iter().any(|handover| handover.new == *newest)
    };
    let keys = published.iter().filter(leads_to_newest).cloned().collect();
    Ok(Keys { now: keys, former: Vec::new(), handovers: Vec::new() })
}

impl Trusted {
    /// Whether nobody named a key.
    fn is_nothing(&self) -> bool {
        self.keys.is_empty() && self.policy.is_none()
    }
}

/// [`verify`], with keys from elsewhere, and whose word it is.
pub(crate) fn verify_with(folder: &Path, trusted: &Trusted) -> Checked {
    let is_key_from_log = trusted.is_nothing();
    let reader = match reader(folder) {
        Ok(reader) => reader,
        Err(error) if is_absent(folder, &error) => return Checked::unreadable(no_ledger(folder)),
        Err(error) => return Checked::unreadable(unreadable(folder, &error)),
    };
    let Keys { now: keys, former, handovers } = match keys(folder, trusted) {
        Ok(keys) => keys,
        Err(error) => return Checked::unreadable(format!("{error:#}")),
    };
    let reader = reader.with_former_keys(former);
    let told = match look(&reader, &keys, vault::log_key(folder).as_ref()) {
        Ok(told) => told,
        Err(error) => return Checked::unreadable(unreadable(folder, &error)),
    };
    let mut signed_by = told.signed_by;
    // Right after a rotation two keys of one name have signed.
    signed_by.dedup();
    let mut verdict = Verdict {
        verified: told.verified,
        leaves: told.leaves,
        root: told.root.to_string(),
        open: told.open,
        signed_by,
        rest: Rest {
            leaves: told.unsigned_leaves,
            is_vouched: told.unsigned_vouched,
            bytes: told.unfinished_bytes,
            is_marked: told.unfinished_marked,
        },
        problem: told.problem.map(|problem| problem.to_string()),
    };
    if keys.is_empty() {
        verdict.refuse(
            "no key is known, so no signature was checked: log.vkey is not beside the log, or empty; give --key with one that you have from elsewhere".to_owned(),
        );
    }
    if told.checkpoint.is_none() && !is_key_from_log {
        verdict.refuse("there is no checkpoint, so no key vouches for the log".to_owned());
    }
    let checkpoint = told.checkpoint;
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
    Checked { verdict, checkpoint, testimony, is_key_from_log, handovers, payloads: None }
}

fn unreadable(folder: &Path, error: &LedgerError) -> String {
    format!("{}: {error}", log_folder(folder).display())
}

fn look(
    reader: &Reader,
    keys: &[VerifierKey],
    signer: Option<&NoteKey>,
) -> Result<Verification, LedgerError> {
    let size = reader.checkpoint().ok().flatten().map(|signed| signed.checkpoint().size());
    let bar = Bar::new("verifying", size);
    // The key of another vault can say nothing about this log.
    let is_ours = |key: &&NoteKey| VerifierKey::of_log(*key).is_ok_and(|key| keys.contains(&key));
    let signer = signer.filter(is_ours).map(|key| key as &dyn Signer);
    let mut progress = |leaves| bar.set(leaves);
    match signer {
        Some(signer) => reader.verify_own(keys, signer, &mut progress),
        None => reader.verify_with(keys, &mut progress),
    }
}
