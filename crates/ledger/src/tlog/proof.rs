//! Self-contained proofs: an entry's path to the root of a signed and cosigned checkpoint, in one file.
use super::base64;
use super::checkpoint::{CheckpointError, SignedCheckpoint};
use super::lines::{decimal, hash, hash_text};
use super::note::NOTE_BYTES_MAX;
use super::policy::{Policy, Trust, TrustError};
use super::witness::PROOF_LINES_MAX;
use crate::merkle::verify_inclusion;
use bartizan_core::digest::Digest;
use std::fmt;

/// Most bytes of the extra data.
pub const PROOF_EXTRA_BYTES_MAX: usize = 16 << 10;
/// Most bytes of a proof's file: its checkpoint, and room for extra data and a path.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + (32 << 10);

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Why a file is not a proof, or proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// There is too much of it.
    #[error("the proof has {n_bytes} bytes, at most {PROOF_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// It is another file, or of another version.
    #[error("the first line is not {FIRST_LINE}")]
    FirstLine,
    /// It is not text.
    #[error("the proof is not UTF-8")]
    Encoding,
    /// The file ends before its checkpoint.
    #[error("no empty line and checkpoint follow the path: the file was cut")]
    NoCheckpoint,
    /// The extra data cannot be read.
    #[error("the extra line is not the canonical base64 of 1 to {PROOF_EXTRA_BYTES_MAX} bytes")]
    Extra,
    /// The index cannot be read.
    #[error("the index line is not index and a decimal number without leading zeroes")]
    Index,
    /// A line of the path is not a hash.
    #[error("hash {line} of the path is not the canonical base64 of 32 bytes")]
    Hash {
        /// Which one, from 1.
        line: usize,
    },
    /// The path is too long.
    #[error("the path has more than {PROOF_LINES_MAX} hashes")]
    TooManyHashes,
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The entry is not in the tree.
    #[error(
        "the path does not lead from this entry at {index} to the root of {size} leaves: another entry, place or log"
    )]
    NotIncluded {
        /// The place that the proof names.
        index: u64,
        /// The size of the checkpoint's tree.
        size: u64,
    },
}

/// A proof that an entry is in a log, checkable offline by who knows the entry, the log's key and the witnesses.
///
/// Source: [C2SP tlog-proof](https://c2sp.org/tlog-proof).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Invariant: at most [`PROOF_EXTRA_BYTES_MAX`]; empty when there is none.
    extra: Vec<u8>,
    index: u64,
    /// Invariant: at most [`PROOF_LINES_MAX`].
    path: Vec<Digest>,
    checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Puts a proof together: the entry's place, its audit path from the leaf up, and a signed (and cosigned) checkpoint. `extra` is data that
    /// nothing authenticates; empty means none. It is not checked here that the path leads anywhere.
    ///
    /// # Errors
    /// [`ProofError::Extra`], [`ProofError::TooManyHashes`].
    pub fn new(
        index: u64,
        path: Vec<Digest>,
        checkpoint: SignedCheckpoint,
        extra: Vec<u8>,
    ) -> Result<Self, ProofError> {
        if PROOF_EXTRA_BYTES_MAX < extra.len() {
            return Err(ProofError::Extra);
        }
        if PROOF_LINES_MAX < path.len() {
            return Err(ProofError::TooManyHashes);
        }
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Reads a proof. It verifies nothing.
    ///
    /// # Errors
    /// [`ProofError`] with what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if PROOF_BYTES_MAX < bytes.len() {
            return Err(ProofError::TooLong { n_bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::Encoding)?;
        let (first, rest) = text.split_once('\n').ok_or(ProofError::FirstLine)?;
        if first != FIRST_LINE {
            return Err(ProofError::FirstLine);
        }
        let (head, checkpoint) = rest.split_once("\n\n").ok_or(ProofError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        let mut extra = Vec::new();
        if let Some(data) = lines.next_if(|line| line.starts_with("extra")) {
            let data = data.strip_prefix("extra ").and_then(base64::decode);
            extra = data.filter(|data| !data.is_empty()).ok_or(ProofError::Extra)?;
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(decimal).ok_or(ProofError::Index)?;
        let mut path = Vec::new();
        for (at, line) in lines.enumerate() {
            if path.len() == PROOF_LINES_MAX {
                return Err(ProofError::TooManyHashes);
            }
            path.push(hash(line).ok_or(ProofError::Hash { line: at + 1 })?);
        }
        let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes())?;
        Self::new(index, path, checkpoint, extra)
    }

    /// The entry's place in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The audit path, from the leaf up.
    pub fn path(&self) -> &[Digest] {
        &self.path
    }

    /// The checkpoint, not verified yet.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Data beside the proof that nothing authenticates; empty when there is none.
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// Verifies that the entry with this leaf hash is in a log that the policy trusts, and tells who vouches for it.
    ///
    /// # Errors
    /// [`ProofError::Trust`] if the policy does not trust the checkpoint, [`ProofError::NotIncluded`] if the entry is not in it.
    pub fn verify(&self, leaf_hash: Digest, policy: &Policy) -> Result<Trust, ProofError> {
        let trust = policy.check(&self.checkpoint)?;
        let (index, size) = (self.index, self.checkpoint.checkpoint().size());
        let root = self.checkpoint.checkpoint().root();
        if verify_inclusion(leaf_hash, index, size, &self.path, root) {
            Ok(trust)
        } else {
            Err(ProofError::NotIncluded { index, size })
        }
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", base64::encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", hash_text(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{inclusion_proof, leaf_hash, root_of};
    use crate::tlog::testing::{hashes, key};
    use crate::tlog::{Checkpoint, NoteError, VerifierKey};
    use proptest::prelude::*;

    fn proof(n: usize, index: usize, extra: &[u8]) -> TlogProof {
        let hashes = hashes(n);
        let checkpoint = Checkpoint::new("example.com/log", n as u64, root_of(&hashes)).unwrap();
        let mut checkpoint = checkpoint.sign(&key("example.com/log", 1)).unwrap();
        checkpoint.put(checkpoint.cosign(&key("w.example", 2), 1_700_000_000).unwrap()).unwrap();
        let path = inclusion_proof(&hashes, index).unwrap();
        TlogProof::new(index as u64, path, checkpoint, extra.to_vec()).unwrap()
    }

    fn policy() -> Policy {
        let log = VerifierKey::of_log(&key("example.com/log", 1)).unwrap();
        let witness = VerifierKey::of_witness(&key("w.example", 2)).unwrap();
        Policy::parse(format!("log {log}\nwitness W {witness}\nquorum W\n").as_bytes()).unwrap()
    }

    fn verify(text: &str, hash: Digest) -> Result<Trust, ProofError> {
        TlogProof::parse(text.as_bytes())?.verify(hash, &policy())
    }

    #[test]
    fn the_file_is_as_the_specification_shows() {
        let text = proof(5, 2, b"beside").to_string();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
        assert_eq!(lines.next(), Some("extra YmVzaWRl"));
        assert_eq!(lines.next(), Some("index 2"));
        let lengths: Vec<_> = lines.by_ref().take(4).map(str::len).collect();
        assert_eq!(lengths, [44, 44, 44, 0]);
        assert_eq!(lines.next(), Some("example.com/log"));
        let trust = verify(&text, hashes(5)[2]).unwrap();
        assert_eq!(trust.witnesses[0].unix_s, 1_700_000_000);
        assert_eq!(proof(1, 0, b"").to_string().lines().nth(2), Some(""), "one leaf needs no path");
    }

    #[test]
    fn what_is_no_proof_is_named() {
        let text = proof(5, 2, b"beside").to_string();
        let line = |at: usize| format!("{}\n", text.lines().nth(at).unwrap());
        let without = |at| text.replacen(&line(at), "", 1);
        let long = format!("{}{}", line(3).repeat(PROOF_LINES_MAX - 2), line(3));
        let extra = |n| format!("extra {}\n", base64::encode(&vec![7; n]));
        let cases = [
            ("nothing", String::new(), ProofError::FirstLine),
            ("another version", text.replace("@v1", "@v2"), ProofError::FirstLine),
            ("carriage return", text.replacen('\n', "\r\n", 1), ProofError::FirstLine),
            ("only the first line", line(0), ProofError::NoCheckpoint),
            ("cut in the path", text.get(..120).unwrap().to_owned(), ProofError::NoCheckpoint),
            ("extra without data", text.replace("extra YmVzaWRl", "extra "), ProofError::Extra),
            ("extra without space", text.replace("extra YmVzaWRl", "extra"), ProofError::Extra),
            ("extra not canonical", text.replace("YmVzaWRl", "YmVzaWR="), ProofError::Extra),
            (
                "too much extra",
                text.replace(&line(1), &extra(PROOF_EXTRA_BYTES_MAX + 1)),
                ProofError::Extra,
            ),
            ("extra twice", text.replace(&line(1), &line(1).repeat(2)), ProofError::Index),
            ("no index", without(2), ProofError::Index),
            ("leading zero", text.replace("index 2", "index 02"), ProofError::Index),
            ("no number", text.replace("index 2", "index two"), ProofError::Index),
            (
                "more than 64 bits",
                text.replace("index 2", "index 18446744073709551616"),
                ProofError::Index,
            ),
            ("two spaces", text.replace("index 2", "index  2"), ProofError::Index),
            ("bad hash", text.replace(&line(4), "AAAA\n"), ProofError::Hash { line: 2 }),
            (
                "space after a hash",
                text.replace(&line(4), &line(4).replace('\n', " \n")),
                ProofError::Hash { line: 2 },
            ),
            ("too many hashes", text.replace(&line(3), &long), ProofError::TooManyHashes),
            (
                "too long",
                format!("{text}{}", "x".repeat(PROOF_BYTES_MAX)),
                ProofError::TooLong { n_bytes: text.len() + PROOF_BYTES_MAX },
            ),
        ];
        for (name, text, want) in cases {
            assert_eq!(verify(&text, hashes(5)[2]).unwrap_err(), want, "{name}");
        }
        let most = text.replace(&line(1), &extra(PROOF_EXTRA_BYTES_MAX));
        assert!(verify(&most, hashes(5)[2]).is_ok());
        assert_eq!(TlogProof::parse(b"c2sp.org/tlog-proof@v1\n\xff"), Err(ProofError::Encoding));
        let signed = proof(5, 2, b"").checkpoint;
        let root = root_of(&[]);
        assert!(TlogProof::new(0, vec![root; PROOF_LINES_MAX], signed.clone(), vec![]).is_ok());
        assert!(
            TlogProof::new(0, vec![root; PROOF_LINES_MAX + 1], signed.clone(), vec![]).is_err()
        );
        assert!(TlogProof::new(0, vec![], signed, vec![0; PROOF_EXTRA_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        let text = proof(5, 2, b"").to_string();
        let hash = hashes(5)[2];
        let line = |at: usize| format!("{}\n", text.lines().nth(at).unwrap());
        let out = |index, size| ProofError::NotIncluded { index, size };
        let cases = [
            ("another entry", text.clone(), leaf_hash(b"other"), out(2, 5)),
            ("another place", text.replace("index 2", "index 3"), hash, out(3, 5)),
            ("past the end", text.replace("index 2", "index 5"), hash, out(5, 5)),
            (
                "far past it",
                text.replace("index 2", "index 18446744073709551615"),
                hash,
                out(u64::MAX, 5),
            ),
            ("a hash less", text.replace(&line(4), ""), hash, out(2, 5)),
            ("a hash more", text.replace(&line(4), &line(4).repeat(2)), hash, out(2, 5)),
            ("an inner hash as leaf", text.clone(), root_of(&hashes(2)), out(2, 5)),
        ];
        for (name, text, hash, want) in cases {
            assert_eq!(verify(&text, hash), Err(want), "{name}");
        }
        let other = proof(4, 2, b"").to_string();
        let (path, _) = text.split_once("\n\n").unwrap();
        let (_, checkpoint) = other.split_once("\n\n").unwrap();
        let spliced = format!("{path}\n\n{checkpoint}");
        assert_eq!(verify(&spliced, hash), Err(out(2, 4)), "a checkpoint of another size");
        let forged = text.replacen("\n5\n", "\n6\n", 1);
        let error = verify(&forged, hash).unwrap_err();
        assert!(
            matches!(
                error,
                ProofError::Trust(TrustError::Note(NoteError::InvalidSignature { .. }))
            ),
            "{error}"
        );
        let unwitnessed = text.lines().take(11).fold(String::new(), |all, line| all + line + "\n");
        assert!(
            matches!(
                verify(&unwitnessed, hash),
                Err(ProofError::Trust(TrustError::NoQuorum { .. }))
            ),
            "{unwitnessed}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Every honest proof holds, prints to what it was read from, and holds no more when a bit of it is changed.
        #[test]
        fn proofs_hold_and_forgeries_do_not(n in 1..40_usize, index in any::<prop::sample::Index>(), extra in prop::collection::vec(any::<u8>(), 0..4), at in any::<prop::sample::Index>(), bit in 0..8) {
            let index = index.index(n);
            let text = proof(n, index, &extra).to_string();
            let hash = hashes(n)[index];
            prop_assert!(verify(&text, hash).is_ok());
            prop_assert_eq!(TlogProof::parse(text.as_bytes()).unwrap().to_string(), text.clone());
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            if let Ok(changed) = TlogProof::parse(&bytes) {
                prop_assert_eq!(changed.to_string().into_bytes(), bytes);
                // The extra data is the one thing that nothing vouches for.
                prop_assert!(changed.verify(hash, &policy()).is_err() || changed.extra() != extra);
            }
        }
    }
}
