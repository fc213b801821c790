//! A copy of the log beside a disclosure: whether it is one, whether it is the log that the file's proofs are of, and what it has of the record.
//!
//! A copy is worth what was verified of it: all of it, by the keys that were given, as `verify --dir` does. Whoever made it could leave away a leaf, or the
//! signature, or hand out one that ends before the record does.
use super::check::DisclosureFlaw;
use super::{DISCLOSED_LEAVES_MAX, is_disclosed};
use crate::audit::prove::Held;
use crate::audit::{Trusted, reader, verdict};
use bartizan_core::digest::Digest;
use bartizan_core::record::RecordId;
use bartizan_ledger::merkle::Merkle;
use bartizan_ledger::{Entry, LedgerError, Reader};
use std::collections::BTreeMap;
use std::path::Path;

/// How far a file was compared with a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// These are all leaves of the record among so many that are signed.
    Complete {
        /// Leaves of the copy that a signature stands for.
        leaves: u64,
    },
    /// The copy ends too early to tell.
    Unfinished {
        /// Why, and what to do.
        reason: String,
    },
}

/// A copy that was verified.
pub(super) struct Copied {
    pub(super) reader: Reader,
    /// Leaves of the record, in order.
    entries: Vec<Entry>,
    /// All leaves that were checked.
    leaves: u64,
    /// Leaves that a checkpoint stands for, its own or one of the file's proofs.
    signed: u64,
    /// The largest checkpoint of the file's proofs.
    proved: u64,
}

impl Copied {
    /// Verifies a copy.
    ///
    /// * `held`: the file's proofs, which the copy must bear out as far as it goes.
    ///
    /// # Errors
    /// [`DisclosureFlaw`] for one that is not as it was written, whose checkpoint none of the keys has signed, or that is another log.
    pub(super) fn verify(
        folder: &Path,
        trusted: &Trusted,
        record: RecordId,
        held: &[Held],
    ) -> Result<Self, DisclosureFlaw> {
        // An older proof may be of a smaller tree than a newer one of the same file.
        let mut roots: BTreeMap<u64, Option<Digest>> = BTreeMap::new();
        roots.extend(held.iter().map(|held| (held.size, None)));
        let (mut entries, mut tree) = (Vec::new(), Merkle::new());
        let checked = verdict::verify_seeing(folder, trusted, &mut |seen| {
            for entry in seen {
                tree.append(entry.leaf_hash);
                if let Some(root) = roots.get_mut(&tree.size()) {
                    *root = Some(tree.root());
                }
                let is_ours = entry.leaf.record == record && is_disclosed(entry.leaf.kind);
                if is_ours && entries.len() <= DISCLOSED_LEAVES_MAX {
                    entries.push(entry);
                }
            }
        });
        if let Some(reason) = checked.problem() {
            return Err(DisclosureFlaw::Copy { reason });
        }
        for Held { size, root, .. } in held {
            let found = roots.get(size).copied().flatten();
            if found.is_some_and(|found| found != *root) {
                return Err(DisclosureFlaw::CopyRoot { size: *size });
            }
        }
        let proved = held.iter().map(|held| held.size).max().unwrap_or(0);
        let within = held.iter().map(|held| held.size).filter(|size| *size <= tree.size()).max();
        let signed = checked.checkpoint.unwrap_or(0).max(within.unwrap_or(0));
        let reader = reader(folder).map_err(|error| unreadable(&error))?;
        Ok(Self { reader, entries, leaves: tree.size(), signed, proved })
    }

    /// A leaf of the file as the copy has it; nothing where the copy ends before it.
    ///
    /// # Errors
    /// Where another one stands in its place.
    pub(super) fn entry(&self, of: &Entry, name: &str) -> Result<Option<&Entry>, DisclosureFlaw> {
        if self.leaves <= of.index {
            return Ok(None);
        }
        let is_same = |found: &&Entry| found.index == of.index && found.leaf_hash == of.leaf_hash;
        let found = self.entries.iter().find(is_same);
        found.map_or_else(
            || Err(DisclosureFlaw::CopyLeaf { leaf: name.to_owned() }),
            |it| Ok(Some(it)),
        )
    }

    /// Proofs are of what is there: what was taken out of the file shows in the log alone.
    ///
    /// * `is_there`: whether the file has the leaf of this index.
    /// * `missing`: the leaf of the exchange that neither can be without.
    ///
    /// # Errors
    /// [`DisclosureFlaw::LeftOut`] for the first leaf that the file has not.
    pub(super) fn compared(
        &self,
        is_there: impl Fn(u64) -> bool,
        missing: Option<&'static str>,
    ) -> Result<Compared, DisclosureFlaw> {
        let Self { entries, leaves, signed, proved, .. } = self;
        if let Some(entry) = entries.iter().find(|entry| !is_there(entry.index)) {
            let (index, kind) = (entry.index, entry.leaf.kind.name());
            return Err(DisclosureFlaw::LeftOut { index, kind });
        }
        let reason = if leaves < proved {
            format!(
                "the copy ends after {leaves} leaves, and the file's proof is of {proved}, so whether a leaf of the record was left out is not known: ask for a copy that was made after the file"
            )
        } else if let Some(kind) = missing {
            format!(
                "the copy has no {kind} of this record either: the exchange was under way when it was made, so whether that is everything is not known; ask for a newer one"
            )
        } else {
            return Ok(Compared::Complete { leaves: *signed });
        };
        Ok(Compared::Unfinished { reason })
    }
}

pub(super) fn unreadable(error: &LedgerError) -> DisclosureFlaw {
    DisclosureFlaw::Copy { reason: error.to_string() }
}
