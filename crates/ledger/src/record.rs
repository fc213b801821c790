//! A record that is sealed and hashed, ready for the writer. Made on the thread that asks, so that the work runs in parallel.
use crate::format::{FRAME_HEAD_BYTES, SLOT_BYTES};
use crate::merkle::{leaf_hash, root_of, sha256};
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, LeafError, Payload, RecordError, RecordId, RecordKind, Slot};
use bartizan_core::seal::{Retention, Sealed, Sealer, Sealing};

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: RecordId,
    pub(crate) kind: RecordKind,
    pub(crate) unix_ms: u64,
    /// The canonical encoding.
    pub(crate) leaf: Vec<u8>,
    pub(crate) hash: Digest,
    /// In order of slot.
    pub(crate) payloads: Vec<Kept>,
}

/// A payload as it is stored.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) slot: Slot,
    /// Ciphertext.
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: Digest,
    pub(crate) commitment: Digest,
}

impl Record {
    /// Seals and hashes what a draft holds, and encodes its leaf.
    ///
    /// * `newest_ms`: nothing is sealed for a time before this one. A clock that went back would else seal for a day whose key is
    ///   about to be destroyed.
    pub(crate) fn seal(
        draft: Draft,
        sealer: &dyn Sealer,
        newest_ms: u64,
    ) -> Result<Self, RecordError> {
        let Draft { mut leaf, mut payloads, subject, is_stream } = draft;
        if (leaf.kind == RecordKind::Outcome) != leaf.outcome.is_some() {
            return Err(unwritable("outcome"));
        }
        payloads.sort_by_key(|payload| payload.slot.code());
        let twice = |pair: &[Payload]| matches!(pair, [a, b] if a.slot == b.slot);
        if payloads.windows(2).any(twice) {
            return Err(unwritable("payload slot"));
        }
        let (record, kind, unix_ms) = (leaf.record, leaf.kind, leaf.unix_ms.max(newest_ms));
        let subject = subject.as_deref();
        let mut stream_root = None;
        let keep = |Payload { slot, bytes }| {
            let retention = Retention::of(kind, slot);
            let sealing = Sealing { record, slot, retention, subject, unix_ms };
            let Sealed { bytes, commitment } = if is_stream && slot == Slot::Released {
                let (kept, pieces) = sealer.seal_stream(&sealing, &bytes)?;
                stream_root = Some(root_of(&pieces));
                kept
            } else {
                sealer.seal(&sealing, &bytes)?
            };
            Ok(Kept { slot, hash: sha256(&bytes), bytes, commitment })
        };
        let payloads = payloads.into_iter().map(keep).collect::<Result<Vec<_>, RecordError>>()?;
        leaf.payload_root = slots_root(payloads.iter().map(|p| (p.slot.code(), p.hash)));
        leaf.key_commitment = slots_root(payloads.iter().map(|p| (p.slot.code(), p.commitment)));
        leaf.stream_root = stream_root;
        // An OUTCOME is about whom its INTENT is about.
        leaf.subject = match subject {
            Some(subject) if kind != RecordKind::Outcome => {
                Some(sealer.pseudonym(subject, record)?)
            }
            _ => None,
        };
        let encoded = leaf.encode()?;
        let hash = leaf_hash(&encoded);
        Ok(Self { id: record, kind, unix_ms: leaf.unix_ms, leaf: encoded, hash, payloads })
    }

    /// Bytes of its frames.
    pub(crate) fn n_bytes(&self) -> usize {
        let payload = |payload: &Kept| FRAME_HEAD_BYTES + payload.bytes.len();
        let leaf = FRAME_HEAD_BYTES + 1 + SLOT_BYTES * self.payloads.len() + self.leaf.len();
        leaf + self.payloads.iter().map(payload).sum::<usize>()
    }
}

/// A record that contradicts itself or the log.
pub(crate) fn unwritable(field: &'static str) -> RecordError {
    RecordError::Unwritable(LeafError::Malformed { field })
}

/// What a leaf commits to: SHA-256 over code and digest of each slot in order; nothing when there is no payload. The payload root is that over the
/// hashes of what is stored, the key commitment that over the commitments to the keys.
pub fn slots_root(slots: impl Iterator<Item = (u8, Digest)>) -> Option<Digest> {
    let mut bytes = [0; 33 * Slot::ALL.len()];
    let (places, _) = bytes.as_chunks_mut::<33>();
    let mut n_slots = 0;
    for ((code, digest), [to_code, to_digest @ ..]) in slots.zip(places) {
        *to_code = code;
        *to_digest = digest.0;
        n_slots += 1;
    }
    (0 < n_slots).then(|| sha256(bytes.get(..33 * n_slots).unwrap_or_default()))
}
