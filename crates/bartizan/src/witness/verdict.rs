//! What witnesses have said of a log, for whoever audits it: read from a copy of its files, without asking anybody.
use super::key::KEY_FILE;
use crate::{clock, files, vault};
use anyhow::Context as _;
use bartizan_keys::{KEY_FILE_BYTES_MAX, NoteKey};
use bartizan_ledger::tlog::{Policy, SignedCheckpoint, TrustError};
use bartizan_ledger::{FsDisk, Published};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Folders and files that are looked at when keys are searched for.
const SEARCH_ENTRIES_MAX: usize = 4_096;
/// How deep is searched, from the folder that the state folder stands in.
const SEARCH_DEPTH_MAX: usize = 3;

/// A witness that has cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    /// Its name in the policy.
    pub(crate) name: String,
    /// When, in seconds since 1970, by its own clock.
    pub(crate) unix_s: u64,
}

/// What a policy says of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Vouched {
    /// Leaves that it stands for.
    pub(crate) leaves: u64,
    /// Who has cosigned it.
    pub(crate) witnesses: Vec<Seen>,
    /// Whether they are enough.
    pub(crate) quorum_met: bool,
}

impl Vouched {
    /// When the last of them has cosigned, in seconds since 1970; nothing where nobody has.
    pub(crate) fn latest_s(&self) -> Option<u64> {
        self.witnesses.iter().map(|seen| seen.unix_s).max()
    }
}

/// How old the newest checkpoint is that enough witnesses vouch for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Age {
    /// Leaves that it stands for.
    pub(crate) leaves: u64,
    /// Leaves that came after it, which no witness has vouched for.
    pub(crate) leaves_after: u64,
    /// When the last of the witnesses has cosigned it, by its own clock.
    pub(crate) unix_s: u64,
    /// The same, as people write it.
    pub(crate) time: String,
    /// How long ago that is, by the clock of whoever asks; negative where that is behind.
    #[serde(rename = "age_s")]
    pub(crate) behind_s: i64,
}

/// What the witnesses say of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Testimony {
    /// Of the newest checkpoint; `None` where there is none.
    pub(crate) checkpoint: Option<Vouched>,
    /// Of the newest checkpoint that was witnessed, where the log keeps one.
    pub(crate) witnessed: Option<Vouched>,
    /// Whether one of the two meets the quorum, and nothing contradicts the log.
    pub(crate) quorum_met: bool,
    /// How old what they vouch for is, once that was asked.
    pub(crate) age: Option<Age>,
    /// What the checkpoint says about its witnesses itself.
    pub(crate) notices: Vec<String>,
    /// What makes the testimony worth less.
    pub(crate) warnings: Vec<String>,
    /// What contradicts the log.
    pub(crate) problem: Option<String>,
}

/// Reads what the witnesses of a policy say of the log in a state folder.
///
/// # Errors
/// Files that cannot be read. A log that the policy does not trust is an answer: see [`Testimony::refusal`].
pub(crate) fn testimony(state: &Path, policy: &Policy) -> anyhow::Result<Testimony> {
    let ledger = crate::audit::read_folder(state);
    let published = Published::find(&FsDisk::read_only(&ledger))?;
    let published =
        published.with_context(|| format!("nothing is published in {}", ledger.display()))?;
    // In this order: a log that is being written never has more witnessed than published.
    let witnessed = published.witnessed()?;
    let checkpoint = published.checkpoint()?;
    let mut told = Testimony {
        checkpoint: None,
        witnessed: None,
        quorum_met: false,
        age: None,
        notices: Vec::new(),
        warnings: one_roof(state, policy),
        problem: None,
    };
    if let Some(checkpoint) = &checkpoint {
        told.notices = checkpoint.checkpoint().extensions().to_vec();
    }
    let vouch = |signed: &Option<SignedCheckpoint>| {
        let vouched = signed.as_ref().map(|signed| vouched(policy, signed));
        vouched.transpose().map_err(|error| error.to_string())
    };
    let heard = vouch(&checkpoint).and_then(|newest| Ok((newest, vouch(&witnessed)?)));
    match heard {
        Ok((newest, older)) => (told.checkpoint, told.witnessed) = (newest, older),
        Err(problem) => told.problem = Some(problem),
    }
    if told.problem.is_none() {
        told.problem = contradiction(&published, checkpoint.as_ref(), witnessed.as_ref());
    }
    let is_met = [&told.checkpoint, &told.witnessed].into_iter().flatten().any(|v| v.quorum_met);
    told.quorum_met = is_met && told.problem.is_none();
    Ok(told)
}

fn vouched(policy: &Policy, signed: &SignedCheckpoint) -> Result<Vouched, TrustError> {
    let trust = policy.evaluate(signed)?;
    let seen = trust.witnesses.iter();
    let seen = seen.map(|witness| Seen { name: witness.name.clone(), unix_s: witness.unix_s });
    let (witnesses, quorum_met) = (seen.collect(), trust.quorum_met);
    Ok(Vouched { leaves: signed.checkpoint().size(), witnesses, quorum_met })
}

/// What was witnessed must be the beginning of what is there now.
fn contradiction(
    published: &Published,
    checkpoint: Option<&SignedCheckpoint>,
    witnessed: Option<&SignedCheckpoint>,
) -> Option<String> {
    let witnessed = witnessed?.checkpoint();
    let Some(checkpoint) = checkpoint else {
        return Some(format!(
            "{} leaves were witnessed, and there is no checkpoint now: the log was cut",
            witnessed.size()
        ));
    };
    let (now, before) = (checkpoint.checkpoint().size(), witnessed.size());
    if now < before {
        return Some(format!(
            "{before} leaves were witnessed, and the checkpoint stands for {now}: the log was cut"
        ));
    }
    match published.root_at(before, checkpoint) {
        Ok(root) if root == witnessed.root() => None,
        Ok(_) => Some(format!("the first {before} leaves are not those that were witnessed")),
        Err(error) => Some(format!("the published log cannot be read: {error}")),
    }
}

/// A witness's key that lies near the log's: whoever holds both can tell any story twice.
fn one_roof(state: &Path, policy: &Policy) -> Vec<String> {
    let is_log = |key: &[u8]| policy.logs().any(|log| log.public_key() == key);
    let doubled = policy.witnesses().filter(|(_, key, _)| is_log(key.public_key()));
    let mut warnings: Vec<String> = doubled
        .map(|(name, _, _)| {
            format!("the witness {name} signs with the log's own key: it proves nothing")
        })
        .collect();
    if !vault::folder(state).exists() {
        return warnings;
    }
    for file in witness_keys(files::parent(state)) {
        let key = files::read_bounded(&file, KEY_FILE_BYTES_MAX).ok();
        let Some(key) = key.and_then(|bytes| NoteKey::parse(&bytes).ok()) else { continue };
        let public = bartizan_core::sign::Signer::public_key(&key);
        let known = policy.witnesses().find(|(_, witness, _)| witness.public_key() == public);
        warnings.extend(known.map(|(name, _, _)| {
            format!(
                "{} holds the log's key and, in {}, that of the witness {name}: a witness run by the operator proves little",
                files::parent(state).display(),
                file.display()
            )
        }));
    }
    warnings
}

/// Key files of witnesses in a folder, within a bound.
fn witness_keys(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = VecDeque::from([(folder.to_owned(), 0)]);
    let mut n_entries = 0;
    while let Some((folder, depth)) = folders.pop_front() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            n_entries += 1;
            if SEARCH_ENTRIES_MAX < n_entries {
                return found;
            }
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < SEARCH_DEPTH_MAX {
                folders.push_back((entry.path(), depth + 1));
            } else if kind.is_file() && entry.file_name() == KEY_FILE {
                found.push(entry.path());
            }
        }
    }
    found
}

impl Testimony {
    /// Who vouches: for the newest checkpoint where they are enough, else for the newest witnessed one.
    pub(crate) fn names(&self) -> Vec<String> {
        let is_met = |vouched: &&Vouched| vouched.quorum_met;
        let newest = self.checkpoint.as_ref().filter(is_met);
        let vouched = newest.or(self.witnessed.as_ref());
        vouched
            .map_or_else(Vec::new, |v| v.witnesses.iter().map(|seen| seen.name.clone()).collect())
    }

    /// The newest checkpoint that enough of them vouch for.
    pub(crate) fn vouched(&self) -> Option<&Vouched> {
        let met = [&self.checkpoint, &self.witnessed].into_iter().flatten();
        met.filter(|vouched| vouched.quorum_met).max_by_key(|vouched| vouched.leaves)
    }

    /// Says how old it is.
    ///
    /// * `leaves`: how many the log has.
    pub(crate) fn date(&mut self, leaves: u64, now_ms: u64) {
        self.age = self.vouched().and_then(|vouched| {
            let unix_s = vouched.latest_s()?;
            let of = |s: u64| i64::try_from(s).unwrap_or(i64::MAX);
            Some(Age {
                leaves: vouched.leaves,
                leaves_after: leaves.saturating_sub(vouched.leaves),
                unix_s,
                time: clock::utc(unix_s.saturating_mul(1000)),
                behind_s: of(now_ms / 1000).saturating_sub(of(unix_s)),
            })
        });
    }

    /// The same for people.
    pub(crate) fn age_line(&self, now_ms: u64) -> Option<String> {
        let Age { leaves, leaves_after, unix_s, time, .. } = self.age.as_ref()?;
        let ago = clock::ago(now_ms, unix_s.saturating_mul(1000));
        Some(format!(
            "vouched for: {leaves} leaves, last cosigned at {time}, {ago} by this clock; {leaves_after} leaves came after them"
        ))
    }

    /// Why the log is not to be believed, as far as witnesses go; `None` where enough of them vouch for it.
    pub(crate) fn refusal(&self) -> Option<String> {
        let unmet = || "the quorum is not met: too few witnesses have cosigned".to_owned();
        self.problem.clone().or_else(|| (!self.quorum_met).then(unmet))
    }

    /// The testimony for people, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (what, vouched) in [("checkpoint", &self.checkpoint), ("witnessed", &self.witnessed)] {
            let Some(Vouched { leaves, witnesses, quorum_met }) = vouched else { continue };
            let seen = |seen: &Seen| {
                let at = clock::utc(seen.unix_s.saturating_mul(1000));
                format!("{} at {at}", seen.name)
            };
            let who: Vec<String> = witnesses.iter().map(seen).collect();
            let who = if who.is_empty() { "nobody".to_owned() } else { who.join(", ") };
            let met = if *quorum_met { "the quorum is met" } else { "the quorum is not met" };
            lines.push(format!("{what}: {leaves} leaves, cosigned by {who}; {met}"));
        }
        lines.extend(self.notices.iter().map(|notice| format!("the checkpoint says: {notice}")));
        lines.extend(self.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.extend(self.problem.iter().map(|problem| format!("not witnessed: {problem}")));
        lines
    }
}

#[cfg(test)]
mod tests;
