//! Proofs for outsiders: of each leaf of a record one file that needs nothing else, and the leaf that it is about.
use super::leaves_of;
use crate::serve::Sources;
use crate::{files, target};
use anyhow::{Context as _, bail};
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

/// Writes the proofs of all leaves of a record.
///
/// # Errors
/// When no single record has the prefix, a leaf is newer than any checkpoint, or the published tiles are damaged.
pub(crate) fn prove(
    state: &Path,
    prefix: &str,
    out: &Path,
    sources: &Sources,
) -> anyhow::Result<Vec<Proved>> {
    let (reader, entries) = leaves_of(state, prefix)?;
    target::check_folder(out)?;
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut names = BTreeSet::new();
    let mut proved = Vec::with_capacity(entries.len());
    for entry in entries {
        let proof = proof_of(&reader, &entry, sources)?;
        let kind = entry.leaf.kind.name();
        let mut name = format!("{}.{kind}", entry.leaf.record);
        // A record may be revealed more than once.
        if !names.insert(name.clone()) {
            name = format!("{name}.{}", entry.index);
        }
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
        proved.push(Proved { entry, size, origin, proof_path, leaf_path });
    }
    Ok(proved)
}

/// The proof of one leaf, which waits for the next checkpoint if it must.
pub(super) fn proof_of(
    reader: &Reader,
    entry: &Entry,
    sources: &Sources,
) -> anyhow::Result<TlogProof> {
    let started_us = sources.clock.monotonic_us();
    let limit_us = u64::try_from(CHECKPOINT_WAIT.as_micros()).unwrap_or(u64::MAX);
    loop {
        if let Some(proof) = reader.prove(entry)? {
            return Ok(proof);
        }
        if limit_us < sources.clock.monotonic_us().saturating_sub(started_us) {
            bail!(
                "leaf {} is newer than the last checkpoint, and none came within {} s: is `bartizan serve` running? It writes one each second",
                entry.index,
                CHECKPOINT_WAIT.as_secs()
            );
        }
        std::thread::sleep(CHECKPOINT_PAUSE);
    }
}

impl Proved {
    /// As `--json` prints it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "kind": self.entry.leaf.kind.name(), "index": self.entry.index, "leaf_hash": self.entry.leaf_hash,
            "log": self.origin, "checkpoint": self.size,
            "proof": self.proof_path.display().to_string(), "leaf": self.leaf_path.display().to_string(),
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
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
    let (index, size) = (proof.index(), proof.checkpoint().checkpoint().size());
    let entry = Entry { index, leaf, leaf_hash, payloads: Vec::new(), segment: 0, offset: 0 };
    Ok(Held { entry, size, trust })
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
