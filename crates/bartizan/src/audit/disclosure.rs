//! One record, opened for somebody who has neither the vault nor any trust in whoever has it.
//!
//! A disclosure is one JSON file: the record's leaves with their proofs, what opens the two roots of each leaf (the hash of every stored payload and
//! the commitment to its key), and for each payload that is disclosed its data key and its ciphertext. No key of a person or of a tenant is in
//! it. Whoever has the file can read these payloads for ever, so it is recorded before a key leaves the vault, as a reveal is. `check` is the other end.
use super::prove::proof_of;
use super::{Content, Lens, leaves_of};
use crate::opening::Place;
use crate::orders::{self, Order};
use crate::outcome::Usage;
use crate::serve::Sources;
use crate::verbs::config;
use crate::{audit, files, opening, print, target};
use anyhow::{Context as _, bail};
use bartizan_core::digest::Digest;
use bartizan_core::record::{RecordId, RecordKind, Slot};
use bartizan_ledger::tlog::{PROOF_BYTES_MAX, TlogProof, base64};
use bartizan_ledger::{Entry, FsDisk, Published, Reader, Stored};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Most bytes of ciphertext that stand in the file itself. Of what is beyond, the file has the place in the log.
const CIPHERTEXT_BYTES_MAX: usize = 8 << 20;
/// Most leaves of one record that are disclosed.
const DISCLOSED_LEAVES_MAX: usize = 16;
/// Most bytes of a file that is read.
pub(crate) const DISCLOSURE_BYTES_MAX: usize = 16 << 20;
/// Most characters of a reason.
const REASON_CHARS_MAX: usize = 200;

// What is written can be read: base64, proofs in which each line end is escaped, and what else a leaf takes.
const _: () = assert!(
    CIPHERTEXT_BYTES_MAX / 3 * 4
        + DISCLOSED_LEAVES_MAX * (PROOF_BYTES_MAX + PROOF_BYTES_MAX / 32 + 8192)
        < DISCLOSURE_BYTES_MAX
);

/// How long a record waits for the log's witnesses to have seen it.
const WITNESSED_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
const WITNESSED_PAUSE: Duration = Duration::from_millis(100);

const UNRECORDED: &str = "nothing is disclosed, because it could not be recorded";
const ERASED: &str = "its key was destroyed, lawfully, because the person was forgotten or its time was over, and the ledger has the tombstone: nobody can open it any more. --part names those that are to be disclosed";

const FORMAT: &str = "bartizan.disclosure";
const VERSION: u32 = 1;

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disclosure {
    format: String,
    version: u32,
    record: String,
    leaves: Vec<Disclosed>,
}

/// One leaf of the record.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Disclosed {
    kind: String,
    index: u64,
    /// Base64 of its canonical bytes.
    leaf: String,
    /// C2SP tlog-proof.
    proof: String,
    /// In order of slot, also those that are not disclosed: together they open the leaf's roots.
    payloads: Vec<Part>,
}

/// One payload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    slot: String,
    sha256: Digest,
    key_commitment: Digest,
    key: Option<KeyText>,
    /// Base64 of the stored bytes.
    ciphertext: Option<String>,
    /// Where they stand, when they are too many.
    place: Option<Standing>,
}

/// A place in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    segment: u64,
    offset: u64,
    bytes: u64,
}

impl Standing {
    fn of(stored: &Stored) -> Self {
        let (segment, offset) = stored.place();
        Self { segment, offset, bytes: stored.bytes }
    }
}

/// A data key as the file has it: wiped when it goes, and never printed.
struct KeyText(Zeroizing<String>);

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(..)")
    }
}

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// What is to be disclosed, to where, and why.
pub(crate) struct Wish<'w> {
    /// Whose ledger it is.
    pub(crate) place: &'w Place,
    /// The record's id, or the beginning of it.
    pub(crate) id: &'w str,
    /// Only these payloads; all of them where none is named.
    pub(crate) slots: &'w [Slot],
    /// Kept in the ledger.
    pub(crate) reason: &'w str,
    /// The file.
    pub(crate) out: &'w Path,
}

/// What came of a wish.
#[derive(Debug)]
pub(crate) enum Told {
    /// The file is there.
    Written {
        /// Which record.
        record: RecordId,
        /// The payloads whose keys are in it: `intent.released`.
        parts: Vec<String>,
        /// The leaf that says so.
        index: u64,
        /// The file.
        path: PathBuf,
        /// Whether a quorum of witnesses has seen every leaf in it; nothing where the log has no witnesses.
        witnessed: Option<bool>,
    },
    /// There is nothing to disclose any more, and nothing was recorded.
    Refused(String),
}

/// How a payload is called in messages: `intent.released`.
fn part_name(kind: RecordKind, slot: Slot) -> String {
    format!("{}.{}", kind.name(), slot.name())
}

/// Writes the file, after the ledger has a durable record that it does.
///
/// # Errors
/// [`Usage`] for a wish that cannot be, and when anything cannot be read, proved, recorded or written.
pub(crate) fn disclose(wish: &Wish<'_>, sources: &Sources) -> anyhow::Result<Told> {
    let reason = wish.reason.trim();
    if reason.is_empty() || REASON_CHARS_MAX < reason.chars().count() {
        let message = format!(
            "--reason takes 1 to {REASON_CHARS_MAX} characters: who gets the file, and by what right"
        );
        return Err(Usage(message).into());
    }
    target::check_new(wish.out)?;
    if !files::parent(wish.out).is_dir() {
        let message = format!("{} is no folder: make it first", files::parent(wish.out).display());
        return Err(Usage(message).into());
    }
    let folder = wish.place.folder()?;
    let (reader, entries) = of_record(&folder, wish.id)?;
    orders::check_place(&folder).context(UNRECORDED)?;
    let chosen = |stored: &&Stored| wish.slots.is_empty() || wish.slots.contains(&stored.slot);
    let lens = Lens::new(&folder, sources, false)?;
    let mut parts = Vec::new();
    for entry in &entries {
        for stored in entry.payloads.iter().filter(chosen) {
            let name = part_name(entry.leaf.kind, stored.slot);
            match lens.look(&reader, entry, stored)? {
                Content::Clear(_) | Content::Sealed { .. } => parts.push(name),
                Content::Erased | Content::Expired => {
                    return Ok(Told::Refused(format!("{name}: {ERASED}")));
                }
                other => bail!("nothing is disclosed: {name}: {}", other.text()),
            }
        }
    }
    let record = match entries.first() {
        Some(first) if !parts.is_empty() => first.leaf.record,
        _ => return Err(Usage("the record has no such payload".to_owned()).into()),
    };
    // Before it is recorded: what cannot be proved is not disclosed.
    let is_covered = await_witnesses(wish.place, &folder, &entries, sources)?;
    let proofs = entries.iter().map(|entry| proof_of(&reader, entry, sources));
    let proofs = proofs.collect::<anyhow::Result<Vec<_>>>()?;
    let cosigned = |proof: &TlogProof| {
        let checkpoint = proof.checkpoint();
        let origin = checkpoint.checkpoint().origin();
        checkpoint.note().signatures().iter().any(|signature| signature.name() != origin)
    };
    let witnessed = is_covered.map(|is_covered| is_covered && proofs.iter().all(cosigned));
    if witnessed == Some(false) {
        print::warn(
            "the witnesses of this log have not yet seen these leaves: until a file is made after that, whoever checks with a policy that asks for a quorum refuses it",
        );
    }
    let (by, reason) = (orders::label(sources), reason.to_owned());
    let order = Order::Disclose { record: record.to_string(), by, reason, parts: parts.clone() };
    let answer = orders::give(wish.place, &order, sources).context(UNRECORDED)?;
    let orders::Answer::Done { index, .. } = answer else {
        bail!("nothing is disclosed: the gateway gave another answer");
    };
    let written = write(wish, &folder, (&reader, &entries, &proofs), sources);
    written.with_context(|| {
        format!("leaf {index} says that it was disclosed, and no key has left the vault")
    })?;
    Ok(Told::Written { record, parts, index, path: wish.out.to_owned(), witnessed })
}

/// Whether leaves of this kind belong into the file. Who has seen a record is about whoever looked.
fn is_disclosed(kind: RecordKind) -> bool {
    kind != RecordKind::Reveal
}

/// The leaves of a record, without those that say who has seen it.
fn of_record(folder: &Path, id: &str) -> anyhow::Result<(Reader, Vec<Entry>)> {
    let (reader, mut entries) = leaves_of(folder, id)?;
    entries.retain(|entry| is_disclosed(entry.leaf.kind));
    if DISCLOSED_LEAVES_MAX < entries.len() {
        bail!(
            "the record has {} leaves, at most {DISCLOSED_LEAVES_MAX} are disclosed together",
            entries.len()
        );
    }
    Ok((reader, entries))
}

/// Waits until the witnesses of the log have seen all of the leaves, as long as that is worth it. Whether they have; nothing where it has none.
fn await_witnesses(
    place: &Place,
    folder: &Path,
    entries: &[Entry],
    sources: &Sources,
) -> anyhow::Result<Option<bool>> {
    let file = place.config_file()?;
    let config = file.map(|file| config::read(&file)).transpose()?;
    let is_asked = config.is_some_and(|config| config.ledger.witness.is_some());
    if !is_asked && !opening::is_witnessed(folder) {
        return Ok(None);
    }
    let disk = FsDisk::read_only(&audit::read_folder(folder));
    let end = entries.iter().map(|entry| entry.index).max().unwrap_or(0);
    let started_us = sources.clock.monotonic_us();
    let limit_us = u64::try_from(WITNESSED_WAIT.as_micros()).unwrap_or(u64::MAX);
    loop {
        let published = Published::find(&disk)?;
        let seen = published.map(|published| published.witnessed()).transpose()?.flatten();
        if seen.is_some_and(|seen| end < seen.checkpoint().size()) {
            return Ok(Some(true));
        }
        if limit_us < sources.clock.monotonic_us().saturating_sub(started_us) {
            return Ok(Some(false));
        }
        std::thread::sleep(WITNESSED_PAUSE);
    }
}

/// Looks at the vault anew: somebody may have been forgotten since.
fn write(
    wish: &Wish<'_>,
    folder: &Path,
    (reader, entries, proofs): (&Reader, &[Entry], &[TlogProof]),
    sources: &Sources,
) -> anyhow::Result<()> {
    let lens = Lens::new(folder, sources, true)?;
    let mut left = CIPHERTEXT_BYTES_MAX;
    let mut leaves = Vec::with_capacity(entries.len());
    for (entry, proof) in entries.iter().zip(proofs) {
        let mut payloads = Vec::with_capacity(entry.payloads.len());
        for stored in &entry.payloads {
            let is_chosen = wish.slots.is_empty() || wish.slots.contains(&stored.slot);
            let from = is_chosen.then_some((&lens, reader));
            payloads.push(part(from, entry, stored, &mut left)?);
        }
        leaves.push(Disclosed {
            kind: entry.leaf.kind.name().to_owned(),
            index: entry.index,
            leaf: base64::encode(&entry.leaf.encode()?),
            proof: proof.to_string(),
            payloads,
        });
    }
    let record = entries.first().map(|entry| entry.leaf.record.to_string()).unwrap_or_default();
    let file = Disclosure { format: FORMAT.to_owned(), version: VERSION, record, leaves };
    let mut text = Zeroizing::new(serde_json::to_vec_pretty(&file)?);
    text.push(b'\n');
    // Somebody else may have named the same file meanwhile.
    let written = files::create(wish.out, &text);
    written.with_context(|| format!("cannot write {}", wish.out.display()))
}

/// One payload as the file has it; with its key and its ciphertext where it is disclosed.
fn part(
    from: Option<(&Lens, &Reader)>,
    entry: &Entry,
    stored: &Stored,
    left: &mut usize,
) -> anyhow::Result<Part> {
    let (sha256, key_commitment) = (stored.hash, stored.commitment);
    let slot = stored.slot.name().to_owned();
    let mut part = Part { slot, sha256, key_commitment, key: None, ciphertext: None, place: None };
    let Some((lens, reader)) = from else { return Ok(part) };
    let sealed = reader.stored(stored)?;
    part.key = Some(KeyText(lens.data_key(entry, stored, &sealed)?.to_text()));
    match left.checked_sub(sealed.len()) {
        Some(rest) => {
            *left = rest;
            part.ciphertext = Some(base64::encode(&sealed));
        }
        None => part.place = Some(Standing::of(stored)),
    }
    Ok(part)
}

pub(crate) mod check;
pub(crate) mod copied;
pub(crate) mod told;

#[cfg(test)]
mod copied_tests;
#[cfg(test)]
mod tests;
