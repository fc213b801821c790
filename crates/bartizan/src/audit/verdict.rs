//! Whether the log is as it was written, and whose word that is.
use super::bar::Bar;
use super::payloads::Counts;
use super::{is_absent, log_folder, no_ledger, reader};
use crate::vault;
use crate::witness::verdict::{Testimony, testimony};
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
    /// The first thing that is wrong.
    pub(crate) problem: Option<String>,
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
    /// What opening the payloads came to, where that was asked for.
    pub(crate) payloads: Option<Counts>,
}

impl Verdict {
    fn unreadable(problem: String) -> Self {
        let (root, signed_by) = (String::new(), Vec::new());
        Self { verified: false, leaves: 0, root, open: 0, signed_by, problem: Some(problem) }
    }

    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "verified": self.verified, "leaves": self.leaves, "problem": self.problem,
            "root": self.root, "open": self.open, "signed_by": self.signed_by,
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
        let (testimony, is_key_from_log) = (None, false);
        Self { verdict, checkpoint: None, testimony, is_key_from_log, payloads: None }
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

/// [`verify`], with keys from elsewhere, and whose word it is.
pub(crate) fn verify_with(folder: &Path, trusted: &Trusted) -> Checked {
    let is_key_from_log = trusted.keys.is_empty() && trusted.policy.is_none();
    let mut keys = trusted.keys.clone();
    keys.extend(trusted.policy.iter().flat_map(Policy::logs).cloned());
    if is_key_from_log {
        match vault::published_keys(&log_folder(folder)) {
            Ok(published) => keys = published,
            Err(error) => return Checked::unreadable(format!("{error:#}")),
        }
    }
    let told = match reader(folder).and_then(|reader| look(&reader, &keys)) {
        Ok(told) => told,
        Err(error) if is_absent(folder, &error) => return Checked::unreadable(no_ledger(folder)),
        Err(error) => {
            return Checked::unreadable(format!("{}: {error}", log_folder(folder).display()));
        }
    };
    let mut verdict = Verdict {
        verified: told.verified,
        leaves: told.leaves,
        root: told.root.to_string(),
        open: told.open,
        signed_by: told.signed_by,
        problem: told.problem.map(|problem| problem.to_string()),
    };
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
    Checked { verdict, checkpoint, testimony, is_key_from_log, payloads: None }
}

fn look(reader: &Reader, keys: &[VerifierKey]) -> Result<Verification, LedgerError> {
    let size = reader.checkpoint().ok().flatten().map(|signed| signed.checkpoint().size());
    let bar = Bar::new("verifying", size);
    reader.verify_with(keys, &mut |leaves| bar.set(leaves))
}
