//! A record whose hashes are computed, ready for the writer. Made on the thread that asks, so that hashing runs in parallel.
use crate::format::{FRAME_HEAD_BYTES, SALT_BYTES};
use crate::merkle::{leaf_hash, sha256_of};
use bartizan_core::clock::Entropy;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Draft, LeafError, Payload, RecordError, RecordId, RecordKind, Slot};

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: RecordId,
    pub(crate) kind: RecordKind,
    /// The canonical encoding.
    pub(crate) leaf: Vec<u8>,
    pub(crate) hash: Digest,
    /// In order of slot.
    pub(crate) payloads: Vec<Salted>,
}

/// A payload behind its salt, without which the hash of a short text could be guessed.
#[derive(Debug)]
pub(crate) struct Salted {
    pub(crate) slot: Slot,
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: Digest,
}

impl Record {
    /// Salts and hashes what a draft holds, and encodes its leaf.
    pub(crate) fn seal(draft: Draft, entropy: &dyn Entropy) -> Result<Self, RecordError> {
        let Draft { mut leaf, mut payloads } = draft;
        if (leaf.kind == RecordKind::Outcome) != leaf.outcome.is_some() {
            return Err(unwritable("outcome"));
        }
        payloads.sort_by_key(|payload| payload.slot.code());
        let twice = |pair: &[Payload]| matches!(pair, [a, b] if a.slot == b.slot);
        if payloads.windows(2).any(twice) {
            return Err(unwritable("payload slot"));
        }
        let mut salts = [0; SALT_BYTES * Slot::ALL.len()];
        let (salts, _) = salts.as_chunks_mut::<SALT_BYTES>();
        if let Some(needed) = salts.get_mut(..payloads.len()) {
            entropy.fill(needed.as_flattened_mut());
        }
        let salted = |(Payload { slot, bytes }, salt): (Payload, &[u8; SALT_BYTES])| {
            let hash = sha256_of(&[salt, &bytes]);
            Salted { slot, salt: *salt, bytes, hash }
        };
        let payloads: Vec<_> = payloads.into_iter().zip(salts.iter()).map(salted).collect();
        leaf.payload_root = payload_root(payloads.iter().map(|p| (p.slot.code(), p.hash)));
        let encoded = leaf.encode()?;
        let hash = leaf_hash(&encoded);
        Ok(Self { id: leaf.record, kind: leaf.kind, leaf: encoded, hash, payloads })
    }

    /// Bytes of its frames.
    pub(crate) fn n_bytes(&self) -> usize {
        let payload = |payload: &Salted| FRAME_HEAD_BYTES + SALT_BYTES + payload.bytes.len();
        let leaf = FRAME_HEAD_BYTES + 1 + 33 * self.payloads.len() + self.leaf.len();
        leaf + self.payloads.iter().map(payload).sum::<usize>()
    }
}

/// A record that contradicts itself or the log.
pub(crate) fn unwritable(field: &'static str) -> RecordError {
    RecordError::Unwritable(LeafError::Malformed { field })
}

/// What a leaf commits to: SHA-256 over code and hash of each slot in order; nothing when there is no payload.
pub(crate) fn payload_root(slots: impl Iterator<Item = (u8, Digest)>) -> Option<Digest> {
    let mut bytes = [0; 33 * Slot::ALL.len()];
    let (places, _) = bytes.as_chunks_mut::<33>();
    let mut n_slots = 0;
    for ((code, hash), [to_code, to_hash @ ..]) in slots.zip(places) {
        *to_code = code;
        *to_hash = hash.0;
        n_slots += 1;
    }
    (0 < n_slots).then(|| crate::merkle::sha256(bytes.get(..33 * n_slots).unwrap_or_default()))
}
