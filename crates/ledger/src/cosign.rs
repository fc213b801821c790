//! Where cosignatures of witnesses come into the published log: a letter box between whoever talks with witnesses and the second thread,
//! which alone writes the folder.
//!
//! The box holds one letter of each sort, the newest. Nobody waits for it: a witness that is away, or a box that nobody empties, costs
//! recording nothing.
use crate::ledger::Chore;
use crate::tlog::{CheckpointError, EXTENSION_LINES_MAX, SignedCheckpoint};
use bartizan_core::digest::Digest;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What lies in the box.
#[derive(Default)]
struct Letters {
    /// The checkpoint that was published last, with the log's signature alone.
    latest: Option<SignedCheckpoint>,
    /// Extension lines of the checkpoints from now on.
    notices: Vec<String>,
    /// A checkpoint with cosignatures.
    cosigned: Option<SignedCheckpoint>,
    /// A checkpoint whose cosignatures meet the quorum.
    witnessed: Option<SignedCheckpoint>,
    /// Wakes the second thread; `None` where there is none, or no more.
    bell: Option<SyncSender<Chore>>,
    /// A ring stands in the line of the second thread.
    is_rung: bool,
    /// Nothing is signed any more.
    is_silent: bool,
}

/// What the second thread finds in the box.
pub(crate) struct Taken {
    pub(crate) notices: Vec<String>,
    pub(crate) cosigned: Option<SignedCheckpoint>,
    pub(crate) witnessed: Option<SignedCheckpoint>,
}

/// Hands cosignatures to a log that is being written. Clones are handles to the same one; they do not keep the log open.
#[derive(Clone, Default)]
pub struct Cosigner {
    letters: Arc<Mutex<Letters>>,
}

impl std::fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let latest = self.lock().latest.as_ref().map(|latest| latest.checkpoint().size());
        f.debug_struct("Cosigner").field("latest", &latest).finish_non_exhaustive()
    }
}

/// Size and root of a checkpoint.
pub(crate) fn tree_of(signed: &SignedCheckpoint) -> (u64, Digest) {
    (signed.checkpoint().size(), signed.checkpoint().root())
}

impl Cosigner {
    /// The checkpoint that was published last, durable, with the log's signature alone; `None` until this process has published one.
    pub fn latest(&self) -> Option<SignedCheckpoint> {
        self.lock().latest.clone()
    }

    /// Hands over a checkpoint of this log with its cosignatures. They come into the published checkpoint while that is still the newest.
    ///
    /// * `is_witnessed`: whether they meet the quorum. The newest such checkpoint is kept in a file of its own, `log/witnessed`.
    pub fn put(&self, signed: SignedCheckpoint, is_witnessed: bool) {
        let mut letters = self.lock();
        let size = signed.checkpoint().size();
        let is_newer = |old: &SignedCheckpoint| old.checkpoint().size() <= size;
        if is_witnessed && letters.witnessed.as_ref().is_none_or(is_newer) {
            letters.witnessed = Some(signed.clone());
        }
        if letters.cosigned.as_ref().is_none_or(is_newer) {
            letters.cosigned = Some(signed);
        }
        letters.ring();
    }

    /// Puts extension lines into the checkpoints from now on. The published one is signed anew if it says something else.
    ///
    /// # Errors
    /// [`CheckpointError::TooManyExtensions`]; [`CheckpointError::Extension`] if a line is none.
    pub fn say(&self, notices: Vec<String>) -> Result<(), CheckpointError> {
        if EXTENSION_LINES_MAX < notices.len() {
            return Err(CheckpointError::TooManyExtensions);
        }
        if let Some(at) = notices.iter().position(|line| !crate::tlog::is_extension(line)) {
            return Err(CheckpointError::Extension { line: at + 1 });
        }
        let mut letters = self.lock();
        if letters.notices != notices {
            letters.notices = notices;
            letters.ring();
        }
        Ok(())
    }

    /// Signs no further checkpoint of this log, and publishes nothing more of it, until it is opened again: for a log that was shown to contradict
    /// itself. What is recorded stays in the journal, under the vouchers of the log's key.
    pub fn fall_silent(&self) {
        self.lock().is_silent = true;
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.lock().is_silent
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        self.lock().notices.clone()
    }

    pub(crate) fn published(&self, signed: &SignedCheckpoint) {
        self.lock().latest = Some(signed.clone());
    }

    pub(crate) fn connect(&self, bell: SyncSender<Chore>) {
        let mut letters = self.lock();
        letters.bell = Some(bell);
        letters.is_rung = false;
    }

    /// Lets the second thread end: as long as somebody can ring it waits.
    pub(crate) fn disconnect(&self) {
        self.lock().bell = None;
    }

    /// The second thread heard the bell: one ring at a time stands in its line.
    pub(crate) fn heard(&self) {
        self.lock().is_rung = false;
    }

    /// Empties the box.
    pub(crate) fn take(&self) -> Taken {
        let mut letters = self.lock();
        let (cosigned, witnessed) = (letters.cosigned.take(), letters.witnessed.take());
        Taken { notices: letters.notices.clone(), cosigned, witnessed }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        // Every change is one assignment, so a poisoned lock is still a good one.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    /// A thread that is too busy to hear looks into the box after each thing that it does.
    fn ring(&mut self) {
        if !self.is_rung
            && self.bell.as_ref().is_some_and(|bell| bell.try_send(Chore::Cosign).is_ok())
        {
            self.is_rung = true;
        }
    }
}

#[cfg(test)]
mod tests;
