//! One question to one witness: will you cosign this checkpoint? It is asked again with a proof from where the witness stands.
//!
//! A refusal is only a status, and anybody on the way can say one. What contradicts our log is a checkpoint that the log's own key has signed: the
//! witness is asked for it, and one that shows none is a witness that is away.
use super::policy::Address;
use anyhow::{Context as _, ensure};
use bartizan_ledger::merkle::sha256;
use bartizan_ledger::tlog::{
    Answered, NoteSignature, SignedCheckpoint, VerifierKey, WitnessAnswerError, read_answer,
    witness_request,
};
use bartizan_ledger::{FsDisk, Published};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often one question is put anew because the witness stands elsewhere than we thought.
const ATTEMPTS_MAX: usize = 3;
/// The status of a witness that has seen another history.
const INCONSISTENT: u16 = 422;

/// Why there is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// The witness has cosigned more than we have.
    #[error(
        "witness {witness} has cosigned {theirs} leaves of this log, and here are only {ours}: this is a restored backup, or a second copy of a log that went on elsewhere"
    )]
    Shorter {
        /// Its name in the policy.
        witness: String,
        /// Leaves of our checkpoint.
        ours: u64,
        /// Leaves of theirs.
        theirs: u64,
        /// What shows it: a checkpoint with the signature of the log's key.
        shown: Box<SignedCheckpoint>,
    },
    /// The witness has cosigned something else.
    #[error(
        "witness {witness} has cosigned another history of this log, of {theirs} leaves, and our {ours} do not extend it: two copies of this log were written, or its files were changed"
    )]
    Fork {
        /// Its name in the policy.
        witness: String,
        /// Leaves of our checkpoint.
        ours: u64,
        /// Leaves of theirs.
        theirs: u64,
        /// What shows it: a checkpoint with the signature of the log's key.
        shown: Box<SignedCheckpoint>,
    },
    /// It did not answer, or nothing that is worth anything.
    #[error("witness {witness}: {reason}")]
    Failed {
        /// Its name in the policy.
        witness: String,
        /// What happened.
        reason: String,
    },
}

impl AskError {
    /// Whether the witness contradicts our log, rather than being away.
    pub(crate) fn is_refusal(&self) -> bool {
        self.shown().is_some()
    }

    /// What contradicts our log.
    pub(crate) fn shown(&self) -> Option<&SignedCheckpoint> {
        match self {
            Self::Shorter { shown, .. } | Self::Fork { shown, .. } => Some(shown),
            Self::Failed { .. } => None,
        }
    }
}

/// A question, ready to be put.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What is to be cosigned. It is durable here.
    pub(crate) checkpoint: SignedCheckpoint,
    /// The folder of the ledger that it is of.
    pub(crate) ledger: PathBuf,
    /// The keys of the log, as the policy lists them: what they have signed is held against it.
    pub(crate) log_keys: Arc<[VerifierKey]>,
    /// The size that the witness cosigned last, as far as we know.
    pub(crate) known: Option<u64>,
    /// The longest wait for all answers together.
    pub(crate) limit: Duration,
}

/// Asks a witness.
///
/// # Errors
/// [`AskError`].
pub(crate) async fn ask(to: &Address, question: Question) -> Result<Vec<NoteSignature>, AskError> {
    let limit = question.limit;
    match tokio::time::timeout(limit, put(to, question)).await {
        Ok(answered) => answered,
        Err(_) => Err(failed(to, &format!("no answer within {} ms", limit.as_millis()))),
    }
}

fn failed(to: &Address, reason: &impl ToString) -> AskError {
    AskError::Failed { witness: to.name.clone(), reason: reason.to_string() }
}

async fn put(to: &Address, question: Question) -> Result<Vec<NoteSignature>, AskError> {
    let Question { checkpoint, ledger, known, .. } = &question;
    let ours = checkpoint.checkpoint().size();
    // Where nobody knows, the witness has most likely cosigned this very checkpoint before.
    let mut old = known.filter(|known| *known <= ours).unwrap_or(ours);
    for _ in 0..ATTEMPTS_MAX {
        let proof = if old == 0 || old == ours {
            Vec::new()
        } else {
            let checkpoint = checkpoint.clone();
            read(to, ledger, move |log| Ok(log.consistency_proof(old, &checkpoint)?)).await?
        };
        let request = witness_request(old, proof, checkpoint.clone());
        let request = request.map_err(|error| failed(to, &error))?;
        let posted = to.poster.post(request).await.map_err(|error| failed(to, &error))?;
        let keys = std::slice::from_ref(&to.key);
        match read_answer(posted.status, &posted.body, checkpoint, keys) {
            Ok(Answered::Cosigned(signatures)) => return Ok(signatures),
            // The same size, and yet a conflict: that is how some witnesses say that the roots differ.
            Ok(Answered::Conflict { size }) if ours < size || size == old && size == ours => {
                return Err(refused(to, &question, &format!("it names {size} leaves")).await);
            }
            Ok(Answered::Conflict { size }) => old = size,
            Err(error @ WitnessAnswerError::Refused { status: INCONSISTENT, .. }) => {
                return Err(refused(to, &question, &error.to_string()).await);
            }
            Err(error) => return Err(failed(to, &error)),
        }
    }
    Err(failed(to, &format!("it named another size {ATTEMPTS_MAX} times")))
}

/// What a refusal is worth: the witness shows a checkpoint of the log's own key that contradicts ours, or it is one that does not answer.
async fn refused(to: &Address, question: &Question, said: &str) -> AskError {
    match shown(to, question).await {
        Ok(error) => error,
        Err(error) => {
            failed(to, &format!("{said}, and does not show it, so it is not believed: {error:#}"))
        }
    }
}

/// Asks for the checkpoint that the witness has cosigned last, and judges it.
async fn shown(to: &Address, question: &Question) -> anyhow::Result<AskError> {
    let ours = question.checkpoint.checkpoint();
    let origin = ours.origin();
    let posted = to.poster.get_beside(&format!("{}/checkpoint", sha256(origin.as_bytes()))).await?;
    ensure!(posted.status == 200, "asked for its checkpoint it answers {}", posted.status);
    let shown = SignedCheckpoint::parse(&posted.body)?;
    let theirs = shown.checkpoint();
    ensure!(theirs.origin() == origin, "its checkpoint is of the log {}", theirs.origin());
    shown.verify(&question.log_keys)?;
    let (n_ours, n_theirs) = (ours.size(), theirs.size());
    let (witness, evidence) = (to.name.clone(), Box::new(shown.clone()));
    if n_ours < n_theirs {
        return Ok(AskError::Shorter { witness, ours: n_ours, theirs: n_theirs, shown: evidence });
    }
    let root = if n_ours == n_theirs {
        ours.root()
    } else {
        let checkpoint = question.checkpoint.clone();
        let at = move |log: Published| Ok(log.root_at(n_theirs, &checkpoint)?);
        read(to, &question.ledger, at).await?
    };
    ensure!(root != theirs.root(), "its checkpoint of {n_theirs} leaves is a beginning of ours");
    Ok(AskError::Fork { witness, ours: n_ours, theirs: n_theirs, shown: evidence })
}

/// Reads the published tiles, where nobody waits for it.
async fn read<T: Send + 'static>(
    to: &Address,
    ledger: &Path,
    read: impl FnOnce(Published) -> anyhow::Result<T> + Send + 'static,
) -> Result<T, AskError> {
    let ledger = ledger.to_owned();
    let read = move || {
        let published = Published::find(&FsDisk::read_only(&ledger))?;
        read(published.context("nothing was published")?)
    };
    let found = tokio::task::spawn_blocking(read).await.map_err(|error| failed(to, &error))?;
    found.map_err(|error| failed(to, &format!("the published log cannot be read: {error:#}")))
}

#[cfg(test)]
mod tests;
