//! One question to one witness: will you cosign this checkpoint? It is asked again with a proof from where the witness stands.
use super::policy::Address;
use anyhow::Context as _;
use bartizan_core::digest::Digest;
use bartizan_ledger::tlog::{
    Answered, NoteSignature, SignedCheckpoint, WitnessAnswerError, read_answer, witness_request,
};
use bartizan_ledger::{FsDisk, Published};
use std::path::PathBuf;
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
        !matches!(self, Self::Failed { .. })
    }
}

/// A question, ready to be put.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What is to be cosigned. It is durable here.
    pub(crate) checkpoint: SignedCheckpoint,
    /// The folder of the ledger that it is of.
    pub(crate) ledger: PathBuf,
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
    let Question { checkpoint, ledger, known, .. } = question;
    let ours = checkpoint.checkpoint().size();
    // Where nobody knows, the witness has most likely cosigned this very checkpoint before.
    let mut old = known.filter(|known| *known <= ours).unwrap_or(ours);
    for _ in 0..ATTEMPTS_MAX {
        let proof = if old == 0 || old == ours {
            Vec::new()
        } else {
            prove(to, ledger.clone(), old, checkpoint.clone()).await?
        };
        let request = witness_request(old, proof, checkpoint.clone());
        let request = request.map_err(|error| failed(to, &error))?;
        let posted = to.poster.post(request).await.map_err(|error| failed(to, &error))?;
        let keys = std::slice::from_ref(&to.key);
        let witness = to.name.clone();
        match read_answer(posted.status, &posted.body, &checkpoint, keys) {
            Ok(Answered::Cosigned(signatures)) => return Ok(signatures),
            Ok(Answered::Conflict { size: theirs }) if ours < theirs => {
                return Err(AskError::Shorter { witness, ours, theirs });
            }
            // The same size, and yet a conflict: that is how some witnesses say that the roots differ.
            Ok(Answered::Conflict { size: theirs }) if theirs == old && theirs == ours => {
                return Err(AskError::Fork { witness, ours, theirs });
            }
            Ok(Answered::Conflict { size }) => old = size,
            Err(WitnessAnswerError::Refused { status: INCONSISTENT, .. }) => {
                return Err(AskError::Fork { witness, ours, theirs: old });
            }
            Err(error) => return Err(failed(to, &error)),
        }
    }
    Err(failed(to, &format!("it named another size {ATTEMPTS_MAX} times")))
}

/// A proof out of the published tiles, read where nobody waits for it.
async fn prove(
    to: &Address,
    ledger: PathBuf,
    old: u64,
    checkpoint: SignedCheckpoint,
) -> Result<Vec<Digest>, AskError> {
    let read = move || {
        let published = Published::find(&FsDisk::read_only(&ledger))?;
        let published = published.context("nothing was published")?;
        anyhow::Ok(published.consistency_proof(old, &checkpoint)?)
    };
    let proof = tokio::task::spawn_blocking(read).await.map_err(|error| failed(to, &error))?;
    proof.map_err(|error| failed(to, &format!("the published log cannot be read: {error:#}")))
}
