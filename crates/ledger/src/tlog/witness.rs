//! What a witness decides: it cosigns a checkpoint only if the log has grown from the one that it cosigned before.
//!
//! [`Witness::decide`] is pure: it says what must be durable first, and [`Witness::cosign`] signs only what is. That order is the
//! business of [`super::WitnessStore`].
use super::checkpoint::{CheckpointError, SignedCheckpoint};
use super::key::{KeyError, KeyKind, VerifierKey};
use super::lines::{decimal, hash, hash_text};
use super::note::{NOTE_BYTES_MAX, NoteError};
use crate::merkle::{sha256, verify_consistency};
use bartizan_core::digest::Digest;
use bartizan_core::sign::Signer;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Most hashes of a consistency proof or of an audit path.
pub const PROOF_LINES_MAX: usize = 63;
/// Most bytes of a request: a checkpoint, 63 hashes and the old size.
pub const REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (4 << 10);
/// Most logs that one witness follows.
pub const WITNESS_LOGS_MAX: usize = 4_096;

/// Why a body is not a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There is too much of it.
    #[error("the request has {n_bytes} bytes, at most {REQUEST_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// It is not text.
    #[error("the request is not UTF-8")]
    Encoding,
    /// The first line is not the old size.
    #[error("the first line is not old and a decimal number without leading zeroes")]
    OldSize,
    /// A line of the proof is not a hash.
    #[error("hash {line} of the proof is not the canonical base64 of 32 bytes")]
    Hash {
        /// Which one, from 1.
        line: usize,
    },
    /// The proof is too long.
    #[error("the proof has more than {PROOF_LINES_MAX} hashes")]
    TooManyHashes,
    /// No checkpoint follows.
    #[error("no empty line and checkpoint follow the proof")]
    NoCheckpoint,
    /// The checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// The body of `POST /add-checkpoint`.
///
/// Source: [C2SP tlog-witness](https://c2sp.org/tlog-witness#add-checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old_size: u64,
    /// Invariant: at most [`PROOF_LINES_MAX`].
    proof: Vec<Digest>,
    checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// Asks for a cosignature on `checkpoint` from a witness that has cosigned `old_size` before.
    ///
    /// # Errors
    /// [`RequestError::TooManyHashes`].
    pub fn new(
        old_size: u64,
        proof: Vec<Digest>,
        checkpoint: SignedCheckpoint,
    ) -> Result<Self, RequestError> {
        if PROOF_LINES_MAX < proof.len() {
            return Err(RequestError::TooManyHashes);
        }
        Ok(Self { old_size, proof, checkpoint })
    }

    /// Reads a request. It verifies nothing.
    ///
    /// # Errors
    /// [`RequestError`] with what is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        if REQUEST_BYTES_MAX < body.len() {
            return Err(RequestError::TooLong { n_bytes: body.len() });
        }
        let text = std::str::from_utf8(body).map_err(|_| RequestError::Encoding)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old_size = old_size.ok_or(RequestError::OldSize)?;
        let mut proof = Vec::new();
        for (at, line) in lines.enumerate() {
            if proof.len() == PROOF_LINES_MAX {
                return Err(RequestError::TooManyHashes);
            }
            proof.push(hash(line).ok_or(RequestError::Hash { line: at + 1 })?);
        }
        Self::new(old_size, proof, SignedCheckpoint::parse(checkpoint.as_bytes())?)
    }

    /// The size that the witness is said to have cosigned last.
    pub fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The consistency proof from there.
    pub fn proof(&self) -> &[Digest] {
        &self.proof
    }

    /// What is to be cosigned, not verified yet.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash_text(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// What the witness has seen of a log last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// When it was cosigned, in seconds since 1970.
    pub(crate) unix_s: u64,
    /// The checkpoint with the log's own signatures and no others.
    pub(crate) checkpoint: SignedCheckpoint,
}

impl LogState {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size()
    }

    /// The root over them.
    pub fn root(&self) -> Digest {
        self.checkpoint.checkpoint().root()
    }

    /// When it was cosigned, in seconds since 1970.
    pub fn unix_s(&self) -> u64 {
        self.unix_s
    }

    /// The checkpoint as the log signed it.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

/// How much a piece of evidence says against a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EvidenceKind {
    /// The log has signed two roots for one size. Nothing excuses that.
    Fork,
    /// A larger tree came without a proof that it extends the known one. The sender may have erred, or there may be no such proof.
    Doubt,
}

/// A checkpoint that the log has signed and that does not fit what it signed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// How much it says.
    pub kind: EvidenceKind,
    /// What the witness had cosigned, if anything.
    pub known: Option<LogState>,
    /// What came instead, with the log's signatures and no others.
    pub request: AddCheckpoint,
    /// When it came, in seconds since 1970.
    pub unix_s: u64,
}

/// What goes back to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// 200, with the witness's signature lines.
    Cosigned(String),
    /// 400: the request is none.
    BadRequest(String),
    /// 403: no trusted key of the log has signed, or a signature under its name is forged.
    Forbidden(String),
    /// 404: the witness does not follow this log.
    UnknownLog,
    /// 409: the witness has cosigned another size last.
    Conflict {
        /// That size.
        size: u64,
    },
    /// 422: the checkpoint does not extend the known one.
    Inconsistent(String),
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Inconsistent(_) => 422,
        }
    }

    /// The HTTP content type.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The HTTP body.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(lines) => lines.clone(),
            Self::BadRequest(reason) | Self::Forbidden(reason) | Self::Inconsistent(reason) => {
                format!("{reason}\n")
            }
            Self::UnknownLog => "this witness does not follow that log\n".to_owned(),
            Self::Conflict { size } => format!("{size}\n"),
        }
    }
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Answer; nothing changes.
    Answer(Answer),
    /// Keep the evidence, if there is room, and answer.
    Keep(Box<Evidence>, Answer),
    /// Make this state durable, and only then answer with [`Witness::cosign`].
    Persist(Box<LogState>),
}

/// Why a log cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedLogError {
    /// No key could ever verify its checkpoints.
    #[error("{origin} has no Ed25519 key: give the witness one")]
    NoKey {
        /// The log.
        origin: String,
    },
    /// The log is followed already.
    #[error("{origin} is followed already: list all its keys at once")]
    Twice {
        /// The log.
        origin: String,
    },
    /// There are too many logs.
    #[error("a witness follows at most {WITNESS_LOGS_MAX} logs")]
    TooMany,
}

/// A witness: a key, and the logs that it follows.
#[derive(Clone, Debug)]
pub struct Witness {
    signer: Arc<dyn Signer>,
    logs: BTreeMap<String, Vec<VerifierKey>>,
}

impl Witness {
    /// A witness that follows no log yet.
    ///
    /// # Errors
    /// [`KeyError::Name`] if the signer's name is none.
    pub fn new(signer: Arc<dyn Signer>) -> Result<Self, KeyError> {
        VerifierKey::of_witness(&*signer)?;
        Ok(Self { signer, logs: BTreeMap::new() })
    }

    /// Follows a log with these keys.
    ///
    /// # Errors
    /// [`TrustedLogError`].
    pub fn follow(&mut self, origin: &str, keys: Vec<VerifierKey>) -> Result<(), TrustedLogError> {
        if !keys.iter().any(|key| key.kind() == KeyKind::Ed25519) {
            return Err(TrustedLogError::NoKey { origin: origin.to_owned() });
        }
        if self.logs.contains_key(origin) {
            return Err(TrustedLogError::Twice { origin: origin.to_owned() });
        }
        if self.logs.len() == WITNESS_LOGS_MAX {
            return Err(TrustedLogError::TooMany);
        }
        self.logs.insert(origin.to_owned(), keys);
        Ok(())
    }

    /// The logs that it follows.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.logs.keys().map(String::as_str)
    }

    /// Decides about a request, given what was seen of that log last. `now_unix_s` is the time in seconds since 1970; a clock that went back
    /// does not make a cosignature older than the one before.
    ///
    /// The checks come in the order of the specification.
    pub fn decide(
        &self,
        known: Option<&LogState>,
        request: &AddCheckpoint,
        now_unix_s: u64,
    ) -> Step {
        let checkpoint = request.checkpoint.checkpoint();
        let Some(keys) = self.logs.get(checkpoint.origin()) else {
            return Step::Answer(Answer::UnknownLog);
        };
        if let Err(error) = request.checkpoint.verify(keys) {
            return Step::Answer(Answer::Forbidden(error.to_string()));
        }
        if checkpoint.size() < request.old_size {
            let reason = "the old size is larger than the checkpoint's".to_owned();
            return Step::Answer(Answer::BadRequest(reason));
        }
        let empty = sha256(&[]);
        let (size, root) = known.map_or((0, empty), |known| (known.size(), known.root()));
        if request.old_size != size {
            return Step::Answer(Answer::Conflict { size });
        }
        let unix_s = known.map_or(0, LogState::unix_s).max(now_unix_s).max(1);
        // Who may have been anybody added the other signatures.
        let signed = request.checkpoint.only(keys);
        let two_roots = (checkpoint.size() == 0 && checkpoint.root() != empty)
            || (checkpoint.size() == size && checkpoint.root() != root);
        let extends =
            verify_consistency(size, root, checkpoint.size(), checkpoint.root(), &request.proof);
        if !two_roots && extends {
            return Step::Persist(Box::new(LogState { unix_s, checkpoint: signed }));
        }
        let (kind, reason) = if two_roots {
            (EvidenceKind::Fork, "the log has another root at this size")
        } else {
            (EvidenceKind::Doubt, "the proof does not lead from the known root to this one")
        };
        let answer = Answer::Inconsistent(reason.to_owned());
        // To the empty tree everything is consistent: a proof too many there says nothing against the log.
        if kind == EvidenceKind::Doubt && size == 0 {
            return Step::Answer(answer);
        }
        let request = AddCheckpoint { checkpoint: signed, ..request.clone() };
        Step::Keep(Box::new(Evidence { kind, known: known.cloned(), request, unix_s }), answer)
    }

    /// Cosigns a state that is durable. The same state gives the same bytes each time.
    ///
    /// # Errors
    /// [`NoteError::Sign`].
    pub fn cosign(&self, state: &LogState) -> Result<Answer, NoteError> {
        let signature = state.checkpoint.cosign(&*self.signer, state.unix_s)?;
        Ok(Answer::Cosigned(signature.to_string()))
    }

    /// The checkpoint of a durable state with the cosignature that was answered: what monitors fetch.
    ///
    /// # Errors
    /// [`NoteError::Sign`], [`NoteError::TooManySignatures`].
    pub fn cosigned(&self, state: &LogState) -> Result<SignedCheckpoint, NoteError> {
        let mut checkpoint = state.checkpoint.clone();
        checkpoint.put(checkpoint.cosign(&*self.signer, state.unix_s)?)?;
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests;
