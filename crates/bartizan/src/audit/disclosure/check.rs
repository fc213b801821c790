//! The other end of a disclosure: whether these texts are what a record committed to, for whoever has the log's key and nothing else.
//!
//! Nothing in the file is believed. The proof leads from the leaf to what the log's key has signed; the leaf commits to the hashes of the ciphertexts and
//! to the keys; a key that fits its commitment opens one text. The first thing that does not fit is named.
use super::copied::{Compared, Copied, unreadable};
use super::{
    DISCLOSED_LEAVES_MAX, Disclosed, Disclosure, FORMAT, Part, Standing, VERSION, part_name,
};
use crate::audit::content::sealing_of;
use crate::audit::prove::{self, Held};
use crate::audit::{Trusted, missing_leaf};
use bartizan_core::digest::Digest;
use bartizan_core::record::{LEAF_BYTES_MAX, Leaf, RecordId, RecordKind, Slot};
use bartizan_core::seal::Opener as _;
use bartizan_keys::DataKey;
use bartizan_ledger::merkle::{root_of, sha256};
use bartizan_ledger::tlog::{Policy, Trust, base64};
use bartizan_ledger::{Entry, Reader, slots_root};
use serde::Deserialize;
use std::path::Path;

/// What was proven of one payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// This is the one text that the leaf commits to.
    Text(Vec<u8>),
    /// The file has no key for it.
    Withheld,
    /// Its ciphertext is in the log, and no copy of the log is at hand.
    Elsewhere {
        /// Number of the segment file.
        segment: u64,
        /// Byte in it.
        offset: u64,
    },
}

/// A leaf that the log's key stands for, and its payloads.
#[derive(Debug)]
pub(crate) struct ShownLeaf {
    /// The leaf and its place.
    pub(crate) entry: Entry,
    /// Leaves of the checkpoint.
    pub(crate) size: u64,
    /// Who signed.
    pub(crate) trust: Trust,
    /// In order of slot.
    pub(crate) parts: Vec<(Slot, Shown)>,
}

/// A disclosure in which everything fits.
#[derive(Debug)]
pub(crate) struct Proven {
    /// The record.
    pub(crate) record: RecordId,
    /// Its leaves, in order of the log.
    pub(crate) leaves: Vec<ShownLeaf>,
    /// How far a copy of the log bears it out; nothing where none was at hand.
    pub(crate) compared: Option<Compared>,
}

impl Proven {
    /// Whether every payload that the file has a key for was opened.
    pub(crate) fn is_whole(&self) -> bool {
        let mut parts = self.leaves.iter().flat_map(|leaf| &leaf.parts);
        !parts.any(|(_, shown)| matches!(shown, Shown::Elsewhere { .. }))
    }

    /// What of the question is left, where something is.
    pub(crate) fn unfinished(&self) -> Option<&str> {
        match &self.compared {
            Some(Compared::Unfinished { reason }) => Some(reason),
            _ if self.is_whole() => None,
            _ => Some("a ciphertext stands in the log, and no copy of it was given (--dir)"),
        }
    }

    /// How many payloads the file has no key for, of how many.
    pub(crate) fn withheld(&self) -> (usize, usize) {
        let parts = || self.leaves.iter().flat_map(|leaf| &leaf.parts);
        (parts().filter(|(_, shown)| *shown == Shown::Withheld).count(), parts().count())
    }

    /// Which leaf of an exchange the file has not, though it has the other.
    pub(crate) fn missing(&self) -> Option<RecordKind> {
        missing_leaf(self.leaves.iter().map(|leaf| leaf.entry.leaf.kind))
    }
}

/// The first thing that does not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DisclosureFlaw {
    #[error("the file ends in the middle: it was cut off, ask for it again")]
    Cut,
    #[error("it is no disclosure: {reason}")]
    Foreign { reason: String },
    #[error("its format version {version} is not known to this build: use a newer one")]
    Version { version: u32 },
    #[error("it has {n_leaves} leaves: 1 to {DISCLOSED_LEAVES_MAX} are read")]
    Leaves { n_leaves: usize },
    #[error("it has the key of no payload, so it discloses nothing")]
    Nothing,
    #[error("{leaf} is not written as a disclosure has it: {field}")]
    Field { leaf: String, field: &'static str },
    #[error("{leaf} is not proved: {reason}")]
    Unproved { leaf: String, reason: String },
    #[error("{leaf} is of the record {found}, and the file is about the record {record}")]
    OtherRecord { leaf: String, found: RecordId, record: RecordId },
    #[error("{leaf} is of the log {found}, and the leaf before it of the log {log}")]
    OtherLog { leaf: String, found: String, log: String },
    #[error("the {what} of the payloads listed are not those that {leaf} commits to")]
    Root { leaf: String, what: &'static str },
    #[error("the ciphertext of {part} is not the one that the leaf commits to: {whose}")]
    Ciphertext { part: String, whose: String },
    #[error("the key of {part} is not the one that the leaf commits to: {whose}")]
    Key { part: String, whose: String },
    #[error(
        "the key of {part} is the right one and the ciphertext, too, and yet it does not open: whoever recorded it has sealed it for another record"
    )]
    Sealed { part: String },
    #[error("the text of {part} is not the one that the leaf's stream root stands for")]
    Stream { part: String },
    #[error(
        "{leaf} is another one in the copy of the log: the file and the copy do not belong together"
    )]
    CopyLeaf { leaf: String },
    #[error("the copy has leaf {index} ({kind}) of this record, and the file does not")]
    LeftOut { index: u64, kind: &'static str },
    #[error("the copy of the log has the ciphertext of {part} in another place than the file says")]
    CopyPlace { part: String },
    #[error(
        "the first {size} leaves of the copy are others than those that the file's proof is of"
    )]
    CopyRoot { size: u64 },
    #[error("the copy of the log proves nothing: {reason}")]
    Copy { reason: String },
}

/// Checks a file.
///
/// * `trusted`: keys of the log from elsewhere; one has to fit.
/// * `copy`: a folder with a copy of the log, which is verified by these keys and then compared.
pub(crate) fn check(
    bytes: &[u8],
    trusted: &Trusted,
    copy: Option<&Path>,
) -> Result<Proven, DisclosureFlaw> {
    let file = parse(bytes)?;
    let foreign = |reason: &str| DisclosureFlaw::Foreign { reason: reason.to_owned() };
    let record = file.record.parse().map_err(|_| foreign("`record` is no id"))?;
    let n_leaves = file.leaves.len();
    if !(1..=DISCLOSED_LEAVES_MAX).contains(&n_leaves) {
        return Err(DisclosureFlaw::Leaves { n_leaves });
    }
    let policies = trusted.policies();
    let seen = |n| Seen { file: &file, n, record };
    let held = file.leaves.iter().enumerate();
    let held = held.map(|(n, disclosed)| seen(n).held(disclosed, &policies));
    let held = held.collect::<Result<Vec<_>, _>>()?;
    let copied = copy.map(|folder| Copied::verify(folder, trusted, record, &held)).transpose()?;
    let mut leaves: Vec<ShownLeaf> = Vec::with_capacity(n_leaves);
    for (n, (disclosed, held)) in file.leaves.iter().zip(held).enumerate() {
        let leaf = seen(n).leaf(disclosed, held, copied.as_ref())?;
        if let Some(before) = leaves.last() {
            seen(n).follows(before, &leaf)?;
        }
        leaves.push(leaf);
    }
    let mut proven = Proven { record, leaves, compared: None };
    if let Some(copied) = &copied {
        let is_there = |index| proven.leaves.iter().any(|leaf| leaf.entry.index == index);
        let missing = proven.missing().map(RecordKind::name);
        proven.compared = Some(copied.compared(is_there, missing)?);
    }
    let mut parts = proven.leaves.iter().flat_map(|leaf| &leaf.parts);
    if parts.all(|(_, shown)| *shown == Shown::Withheld) {
        return Err(DisclosureFlaw::Nothing);
    }
    Ok(proven)
}

/// What every version has.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

fn parse(bytes: &[u8]) -> Result<Disclosure, DisclosureFlaw> {
    let told = |error: serde_json::Error| {
        if error.is_eof() {
            return DisclosureFlaw::Cut;
        }
        DisclosureFlaw::Foreign { reason: error.to_string() }
    };
    let Head { format, version } = serde_json::from_slice(bytes).map_err(told)?;
    if format != FORMAT {
        return Err(DisclosureFlaw::Foreign { reason: format!("`format` is not {FORMAT}") });
    }
    if version != VERSION {
        return Err(DisclosureFlaw::Version { version });
    }
    serde_json::from_slice(bytes).map_err(told)
}

/// One leaf of a file, on its way to being believed.
struct Seen<'s> {
    file: &'s Disclosure,
    /// Which of its leaves.
    n: usize,
    record: RecordId,
}

impl Seen<'_> {
    fn name(&self) -> String {
        let leaf = self.file.leaves.get(self.n);
        leaf.map_or_else(String::new, |leaf| format!("leaf {} ({})", leaf.index, leaf.kind))
    }

    fn field(&self, field: &'static str) -> DisclosureFlaw {
        DisclosureFlaw::Field { leaf: self.name(), field }
    }

    /// The leaf, once the log's key stands for it.
    fn held(&self, disclosed: &Disclosed, policies: &[Policy]) -> Result<Held, DisclosureFlaw> {
        let leaf = self.name();
        let bytes = base64::decode(&disclosed.leaf).filter(|bytes| bytes.len() <= LEAF_BYTES_MAX);
        let bytes = bytes.ok_or_else(|| self.field("`leaf` is no base64 of a leaf"))?;
        let held = prove::held(disclosed.proof.as_bytes(), &bytes, policies);
        let held =
            held.map_err(|reason| DisclosureFlaw::Unproved { leaf: leaf.clone(), reason })?;
        let entry = &held.entry;
        if entry.leaf.record != self.record {
            let (found, record) = (entry.leaf.record, self.record);
            return Err(DisclosureFlaw::OtherRecord { leaf, found, record });
        }
        if entry.leaf.kind.name() != disclosed.kind {
            return Err(self.field("`kind` is not that of the leaf"));
        }
        if entry.index != disclosed.index {
            return Err(self.field("`index` is not that of the proof"));
        }
        Ok(held)
    }

    fn leaf(
        &self,
        disclosed: &Disclosed,
        held: Held,
        copied: Option<&Copied>,
    ) -> Result<ShownLeaf, DisclosureFlaw> {
        let Held { entry, size, trust, .. } = held;
        let slots = self.slots(disclosed, &entry)?;
        let of_copy = |copied: &Copied| {
            let found = copied.entry(&entry, &self.name())?;
            Ok(found.map(|found| (copied.reader.clone(), found.clone())))
        };
        let found = copied.map(of_copy).transpose()?.flatten();
        let found = found.as_ref().map(|(reader, entry)| (reader, entry));
        let parts = slots
            .iter()
            .zip(&disclosed.payloads)
            .map(|(&slot, part)| Ok((slot, self.part(&entry, slot, part, found)?)));
        let parts = parts.collect::<Result<Vec<_>, DisclosureFlaw>>()?;
        Ok(ShownLeaf { entry, size, trust, parts })
    }

    /// The leaves of one log, each once and in order.
    fn follows(&self, before: &ShownLeaf, leaf: &ShownLeaf) -> Result<(), DisclosureFlaw> {
        let (log, found) = (before.trust.log.name(), leaf.trust.log.name());
        if log != found {
            let (found, log) = (found.to_owned(), log.to_owned());
            return Err(DisclosureFlaw::OtherLog { leaf: self.name(), found, log });
        }
        if leaf.entry.index <= before.entry.index {
            return Err(self.field("it comes twice, or not in the log's order"));
        }
        Ok(())
    }

    /// The payloads of a leaf, once they are those that it commits to.
    fn slots(&self, disclosed: &Disclosed, entry: &Entry) -> Result<Vec<Slot>, DisclosureFlaw> {
        let named = |part: &Part| Slot::ALL.iter().copied().find(|slot| slot.name() == part.slot);
        let slots: Option<Vec<Slot>> = disclosed.payloads.iter().map(named).collect();
        let slots = slots.filter(|slots| slots.is_sorted_by(|a, b| a.code() < b.code()));
        let slots = slots.ok_or_else(|| self.field("`slot` is none, or not in order"))?;
        let root = |digest: fn(&Part) -> Digest| {
            let digests = disclosed.payloads.iter().map(digest);
            slots_root(slots.iter().map(|slot| slot.code()).zip(digests))
        };
        let wrong = |what| DisclosureFlaw::Root { leaf: self.name(), what };
        if root(|part| part.sha256) != entry.leaf.payload_root {
            return Err(wrong("hashes"));
        }
        if root(|part| part.key_commitment) != entry.leaf.key_commitment {
            return Err(wrong("key commitments"));
        }
        Ok(slots)
    }

    fn part(
        &self,
        entry: &Entry,
        slot: Slot,
        part: &Part,
        copied: Option<(&Reader, &Entry)>,
    ) -> Result<Shown, DisclosureFlaw> {
        let name = part_name(entry.leaf.kind, slot);
        let Some(key) = &part.key else {
            return match (&part.ciphertext, part.place) {
                (None, None) => Ok(Shown::Withheld),
                _ => Err(self.field("what has no `key` has no `ciphertext` and no `place`")),
            };
        };
        let key =
            DataKey::parse(&key.0).map_err(|_| self.field("`key` is not 64 hexadecimal digits"))?;
        let commitment = key.commitment();
        if commitment != Some(part.key_commitment) {
            let whose = self.whose(slot, |other| commitment == Some(other.key_commitment));
            let whose =
                whose.unwrap_or_else(|| "it was changed, or is another record's".to_owned());
            return Err(DisclosureFlaw::Key { part: name, whose });
        }
        let sealed = match (&part.ciphertext, part.place) {
            (Some(text), None) => base64::decode(text).ok_or_else(|| {
                self.field("`ciphertext` is not the canonical base64 of anything")
            })?,
            (None, Some(place)) => {
                let Some((copy, copied)) = copied else {
                    let Standing { segment, offset, .. } = place;
                    return Ok(Shown::Elsewhere { segment, offset });
                };
                fetched(copy, copied, slot, place)?
            }
            _ => return Err(self.field("what has a `key` has either `ciphertext` or `place`")),
        };
        let hash = sha256(&sealed);
        if hash != part.sha256 {
            let whose = self.whose(slot, |other| other.sha256 == hash);
            let whose = whose.unwrap_or_else(|| "its bytes were changed".to_owned());
            return Err(DisclosureFlaw::Ciphertext { part: name, whose });
        }
        opened(&entry.leaf, slot, &key, &sealed, name).map(Shown::Text)
    }

    /// Which other payload of the file fits instead.
    fn whose(&self, slot: Slot, fits: impl Fn(&Part) -> bool) -> Option<String> {
        let leaves = self.file.leaves.iter().enumerate();
        let mut all =
            leaves.flat_map(|(n, leaf)| leaf.payloads.iter().map(move |part| (n, leaf, part)));
        let found = all
            .find(|(n, _, part)| (*n, part.slot.as_str()) != (self.n, slot.name()) && fits(part));
        found.map(|(_, leaf, part)| format!("it is that of {}.{}", leaf.kind, part.slot))
    }
}

/// The ciphertext as the copy of the log has it.
fn fetched(
    copy: &Reader,
    copied: &Entry,
    slot: Slot,
    place: Standing,
) -> Result<Vec<u8>, DisclosureFlaw> {
    let stored = copied.payloads.iter().find(|stored| stored.slot == slot);
    let Some(stored) = stored.filter(|stored| Standing::of(stored) == place) else {
        return Err(DisclosureFlaw::CopyPlace { part: part_name(copied.leaf.kind, slot) });
    };
    copy.stored(stored).map_err(|error| unreadable(&error))
}

/// The text, once hash and key are those that the leaf commits to.
fn opened(
    leaf: &Leaf,
    slot: Slot,
    key: &DataKey,
    sealed: &[u8],
    part: String,
) -> Result<Vec<u8>, DisclosureFlaw> {
    let (sealing, commitment) = (sealing_of(leaf, slot), key.commitment());
    let commitment = commitment.ok_or_else(|| DisclosureFlaw::Sealed { part: part.clone() })?;
    let closed = |_| DisclosureFlaw::Sealed { part: part.clone() };
    let Some(root) = leaf.stream_root.filter(|_| slot == Slot::Released) else {
        return key.open(&sealing, &commitment, sealed).map_err(closed);
    };
    let (text, pieces) = key.open_stream(&sealing, &commitment, sealed).map_err(closed)?;
    if root_of(&pieces) != root {
        return Err(DisclosureFlaw::Stream { part });
    }
    Ok(text)
}

/// The name of a file that holds one text: record, index, kind, slot.
pub(crate) fn file_name(record: RecordId, index: u64, kind: RecordKind, slot: Slot) -> String {
    format!("{record}.{index}.{}", part_name(kind, slot))
}
