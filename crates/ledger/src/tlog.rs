//! The C2SP formats through which an outsider checks the log: notes, checkpoints, tiles, proofs, policies and the witness protocol.
//!
//! Everything here takes bytes and returns bytes. Files, sockets, clocks and keys are passed in; the one thing that touches a disk is
//! [`WitnessStore`], because a witness that forgets is none. Every parser has a named limit, refuses what is not written the one
//! canonical way, and prints what it read to the very same bytes.
//!
//! What it deliberately does not do: it speaks no HTTP, knows nothing of what an entry means, and verifies Ed25519 only. Keys and signatures
//! of other types are kept and never counted.
//!
//! Source: [C2SP](https://c2sp.org) signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof, tlog-policy, tlog-witness.
//!
//! ```
//! # use bartizan_ledger::merkle::{leaf_hash, root_of};
//! # use bartizan_ledger::tlog::{Checkpoint, Policy, SignedCheckpoint, TlogProof, VerifierKey};
//! # use bartizan_core::sign::{SignError, Signer};
//! # use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
//! # struct Key(Ed25519KeyPair);
//! # impl Signer for Key {
//! #     fn name(&self) -> &str { "example.com/log" }
//! #     fn public_key(&self) -> [u8; 32] { self.0.public_key().as_ref().try_into().unwrap() }
//! #     fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
//! #         Ok(self.0.sign(message).as_ref().try_into().unwrap())
//! #     }
//! #     fn mark(&self, _: &[u8]) -> [u8; 16] { unreachable!() }
//! # }
//! # let key = Key(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
//! let hashes = [leaf_hash(b"first"), leaf_hash(b"second")];
//! let checkpoint = Checkpoint::new("example.com/log", 2, root_of(&hashes))?.sign(&key)?;
//! let file = TlogProof::new(1, vec![hashes[0]], checkpoint, Vec::new())?.to_string();
//!
//! // Later, elsewhere, by somebody who knows the log's key and the entry:
//! let policy = Policy::of_log(VerifierKey::of_log(&key)?);
//! let checked = TlogProof::parse(file.as_bytes())?.verify(leaf_hash(b"second"), &policy)?;
//! assert_eq!(checked.log.name(), "example.com/log");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
pub mod base64;
mod builder;
mod checkpoint;
mod key;
mod lines;
mod note;
mod policy;
mod proof;
mod reader;
mod tile;
mod witness;
mod witness_client;
mod witness_store;

#[cfg(test)]
mod testing;

pub use builder::{TileBuilder, TileFile};
pub(crate) use checkpoint::is_line as is_extension;
pub use checkpoint::{
    Checkpoint, CheckpointError, EXTENSION_LINES_MAX, SIZE_MAX, SignedCheckpoint,
};
pub use key::{KEY_BYTES_MAX, KEY_NAME_BYTES_MAX, KeyError, KeyKind, VerifierKey};
pub use note::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, Note, NoteError, NoteSignature, Signed};
pub use policy::{
    POLICY_BYTES_MAX, POLICY_GROUPS_MAX, POLICY_LOGS_MAX, POLICY_WITNESSES_MAX, Policy,
    PolicyError, PolicyFlaw, Trust, TrustError, WitnessSeen,
};
pub use proof::{PROOF_BYTES_MAX, PROOF_EXTRA_BYTES_MAX, ProofError, TlogProof};
pub use reader::{TILES_CACHED_MAX, TileReader, TileSource};
pub(crate) use tile::hashes_at;
pub use tile::{
    ENTRY_BYTES_MAX, TILE_WIDTH, TileError, TileKind, TilePath, TilePathError, decode_bundle,
    decode_hashes, encode_bundle, encode_hashes,
};
pub use witness::{
    AddCheckpoint, Answer, Evidence, EvidenceKind, LogState, PROOF_LINES_MAX, REQUEST_BYTES_MAX,
    RequestError, Step, TrustedLogError, WITNESS_LOGS_MAX, Witness,
};
pub use witness_client::{
    ANSWER_BYTES_MAX, Answered, WitnessAnswerError, read_answer, witness_request,
};
pub use witness_store::{EVIDENCE_FILES_MAX, STATE_BYTES_MAX, WitnessStore, WitnessStoreError};
