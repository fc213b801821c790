//! Proofs for outsiders: of each leaf of a record one file that needs nothing else, and the leaf that it is about.
use super::{is_copy, leaves_of, missing_words};
use crate::serve::Sources;
use crate::{files, target};
use anyhow::Context as _;
use bartizan_core::digest::Digest;
use bartizan_core::record::{LEAF_BYTES_MAX, Leaf, LeafError};
use bartizan_ledger::merkle::leaf_hash;
use bartizan_ledger::tlog::{PROOF_BYTES_MAX, Policy, ProofError, TlogProof, Trust, TrustError};
use bartizan_ledger::{Entry, Reader};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a leaf waits for the checkpoint that has it.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(2);
/// How often it looks.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(50);

/// One leaf that was proved, and where its files are.
#[derive(Debug)]
pub(crate) struct Proved {
    entry: Entry,
    /// Leaves of the checkpoint.
    size: u64,
    /// The name that the checkpoint gives the log.
    origin: String,
    proof_path: PathBuf,
    leaf_path: PathBuf,
}

/// A leaf that no checkpoint has.
#[derive(Debug)]
pub(crate) struct Unproved {
    entry: Entry,
    reason: String,
}

/// What there is to prove of a record.
#[derive(Debug)]
pub(crate) struct Proofs {
    /// The leaves that were proved, in order.
    pub(crate) proved: Vec<Proved>,
    /// Those that are newer than the checkpoint.
    pub(crate) unproved: Vec<Unproved>,
    /// What there is to say of the whole.
    pub(crate) missing: Option<String>,
}

/// Writes the proofs of all leaves of a record that a checkpoint has. In the folder of a gateway they wait for the next one if they must.
///
/// # Errors
/// When no single record has the prefix, a file cannot be written, or the published tiles are damaged.
pub(crate) fn prove(
    state: &Path,
    prefix: &str,
    out: &Path,
    sources: &Sources,
) -> anyhow::Result<Proofs> {
    let (reader, entries) = leaves_of(state, prefix)?;
    target::check_folder(out)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let missing = missing_words(entries.iter().map(|entry| entry.leaf.kind));
    // Nobody adds to a copy.
    let is_copy = is_copy(state);
    let until_us = (!is_copy).then(|| deadline_us(sources));
    let (mut names, mut proved, mut unproved) = (BTreeSet::new(), Vec::new(), Vec::new());
    for entry in entries {
        let kind = entry.leaf.kind.name();
        let mut name = format!("{}.{kind}", entry.leaf.record);
        // A record may be revealed more than once.
        if !names.insert(name.clone()) {
            name = format!("{name}.{}", entry.index);
        }
        match awaited(&reader, &entry, until_us, sources)? {
            Some(proof) => proved.push(write(entry, &proof, out, &name)?),
            None => unproved.push(Unproved { reason: newer(entry.index, is_copy), entry }),
        }
    }
    Ok(Proofs { proved, unproved, missing })
}

fn write(entry: Entry, proof: &TlogProof, out: &Path, name: &str) -> anyhow::Result<Proved> {
    let path = |end: &str| out.join(format!("{name}.{end}"));
    let (proof_path, leaf_path) = (path("tlog-proof"), path("leaf"));
    for (path, bytes) in
        [(&proof_path, proof.to_string().into_bytes()), (&leaf_path, entry.leaf.encode()?)]
    {
        target::check(path)?;
        let written = files::replace(path, &bytes);
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let checkpoint = proof.checkpoint().checkpoint();
    let (size, origin) = (checkpoint.size(), checkpoint.origin().to_owned());
    Ok(Proved { entry, size, origin, proof_path, leaf_path })
}

fn newer(index: u64, is_copy: bool) -> String {
    if is_copy {
        return format!(
            "leaf {index} is newer than the checkpoint of this copy, so there is no proof of it here: ask for a newer copy"
        );
    }
    format!(
        "leaf {index} is newer than the last checkpoint, and none came within {} s: is `bartizan serve` running? It writes one each second",
        CHECKPOINT_WAIT.as_secs()
    )
}

/// The proof of one leaf, which waits for the next checkpoint if it must.
pub(super) fn proof_of(
    reader: &Reader,
    entry: &Entry,
    sources: &Sources,
) -> anyhow::Result<TlogProof> {
    let proof = awaited(reader, entry, Some(deadline_us(sources)), sources)?;
    proof.with_context(|| newer(entry.index, false))
}

/// Until when a checkpoint is waited for.
fn deadline_us(sources: &Sources) -> u64 {
    let limit_us = u64::try_from(CHECKPOINT_WAIT.as_micros()).unwrap_or(u64::MAX);
    sources.clock.monotonic_us().saturating_add(limit_us)
}

/// The proof, once a checkpoint has the leaf.
///
/// * `until_us`: how long that is waited for; not at all without.
fn awaited(
    reader: &Reader,
    entry: &Entry,
    until_us: Option<u64>,
    sources: &Sources,
) -> anyhow::Result<Option<TlogProof>> {
    loop {
        let proof = reader.prove(entry)?;
        if proof.is_some() || until_us.is_none_or(|until| until < sources.clock.monotonic_us()) {
            return Ok(proof);
        }
        std::thread::sleep(CHECKPOINT_PAUSE);
    }
}

impl Unproved {
    /// As `--json` prints it, beside those that were proved.
    fn json(&self) -> Value {
        let Self { entry, reason } = self;
        json!({
            "kind": entry.leaf.kind.name(), "index": entry.index, "leaf_hash": entry.leaf_hash,
            "log": null, "checkpoint": null, "proof": null, "leaf": null, "problem": reason,
        })
    }
}

impl Proofs {
    /// As `--json` prints them.
    pub(crate) fn json(&self) -> Value {
        let proved = self.proved.iter().map(Proved::json);
        proved.chain(self.unproved.iter().map(Unproved::json)).collect()
    }

    /// For people, what was proved.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.proved.iter().map(Proved::text).collect()
    }

    /// What was not.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &str> {
        let unproved = self.unproved.iter().map(|unproved| unproved.reason.as_str());
        unproved.chain(self.missing.as_deref())
    }
}

impl Proved {
    /// As `--json` prints it.
    fn json(&self) -> Value {
        json!({
            "kind": self.entry.leaf.kind.name(), "index": self.entry.index, "leaf_hash": self.entry.leaf_hash,
            "log": self.origin, "checkpoint": self.size, "problem": null,
            "proof": self.proof_path.display().to_string(), "leaf": self.leaf_path.display().to_string(),
        })
    }

    /// For people.
    fn text(&self) -> String {
        format!(
            "{}: leaf {} of {} leaves in {}\n  {}\n  {}",
            self.entry.leaf.kind.name(),
            self.entry.index,
            self.size,
            self.origin,
            self.proof_path.display(),
            self.leaf_path.display()
        )
    }
}

/// A proof that held, what it is about, and who vouches for it.
#[derive(Debug)]
pub(crate) struct Held {
    /// The leaf and its place.
    pub(crate) entry: Entry,
    /// Leaves of the checkpoint.
    pub(crate) size: u64,
    /// Its root.
    pub(crate) root: Digest,
    /// Who signed.
    pub(crate) trust: Trust,
}

/// Checks a proof without the log: `Err` inside when it does not hold.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn check(
    proof_path: &Path,
    leaf_path: &Path,
    policies: &[Policy],
) -> anyhow::Result<Result<Held, String>> {
    let read = |path: &Path, bytes_max| {
        files::read_bounded(path, bytes_max)
            .with_context(|| format!("cannot read {}", path.display()))
    };
    let proof = match TlogProof::parse(&read(proof_path, PROOF_BYTES_MAX)?) {
        Ok(proof) => proof,
        Err(error) => return Ok(Err(format!("{}: {error}", proof_path.display()))),
    };
    let bytes = read(leaf_path, LEAF_BYTES_MAX)?;
    Ok(holds(&proof, &bytes, policies, |error| format!("{}: {error}", leaf_path.display())))
}

/// Checks a proof that is at hand, with its leaf.
pub(super) fn held(proof: &[u8], leaf: &[u8], policies: &[Policy]) -> Result<Held, String> {
    let proof = TlogProof::parse(proof).map_err(|error| error.to_string())?;
    holds(&proof, leaf, policies, |error| error.to_string())
}

fn holds(
    proof: &TlogProof,
    leaf: &[u8],
    policies: &[Policy],
    no_leaf: impl FnOnce(LeafError) -> String,
) -> Result<Held, String> {
    let leaf_hash = leaf_hash(leaf);
    let checked = policies.iter().map(|policy| proof.verify(leaf_hash, policy));
    // Of several keys one has to fit; what is said otherwise is what the last one said.
    let best = checked.reduce(|best, next| if best.is_ok() { best } else { next });
    let trust = match best {
        Some(Ok(trust)) => trust,
        Some(Err(error)) => return Err(told(&error, proof, policies)),
        None => return Err("no key is trusted".to_owned()),
    };
    let leaf = Leaf::decode(leaf).map_err(no_leaf)?;
    let checkpoint = proof.checkpoint().checkpoint();
    let (index, size, root) = (proof.index(), checkpoint.size(), checkpoint.root());
    let entry = Entry { index, leaf, leaf_hash, payloads: Vec::new(), segment: 0, offset: 0 };
    Ok(Held { entry, size, root, trust })
}

/// What is wrong, and where the proof has a stranger's signature, whose it is, whom you trust, and where the right key is.
fn told(error: &ProofError, proof: &TlogProof, policies: &[Policy]) -> String {
    let ProofError::Trust(TrustError::UnknownLog { .. } | TrustError::NotSigned { .. }) = error
    else {
        return error.to_string();
    };
    let origin = proof.checkpoint().checkpoint().origin();
    let signatures = proof.checkpoint().note().signatures().iter();
    let signed = signatures.filter(|signature| signature.name() == origin);
    let signed: Vec<_> = signed.map(|signed| key_name(signed.name(), signed.id())).collect();
    let signed =
        if signed.is_empty() { "nobody of that name".to_owned() } else { signed.join(" and ") };
    let known = policies.iter().flat_map(Policy::logs);
    let known: Vec<_> = known.map(|key| key_name(key.name(), key.id())).collect();
    let known = if known.is_empty() { "no log".to_owned() } else { known.join(" and ") };
    format!(
        "its checkpoint is of the log {origin}, signed by {signed}, and you trust {known}: the key that fits stands in log.vkey beside that log, and its operator prints it with `bartizan vault status`. Ask for it on another way than the one that the proof came"
    )
}

/// A key as the beginning of its line has it.
fn key_name(name: &str, id: u32) -> String {
    format!("{name}+{id:08x}")
}

#[cfg(test)]
mod tests;
