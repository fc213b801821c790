//! Up to where a signature stands for what the log says. Whoever can write the disk can add leaves behind that, and make them look like any other.
use super::{handover, log_key, verdict};
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{LedgerError, Reader};
use std::path::Path;

/// What is said where no key that is at hand has signed the checkpoint.
pub(crate) const NOBODY_SIGNED: &str = "the checkpoint is signed by none of the keys that are at hand, so nobody vouches for any of this: `bartizan audit verify` says more";

/// The keys whose signature counts for readers: the log's own where the vault is at hand, else those that lie beside it.
#[derive(Debug)]
pub(crate) struct Signatures {
    keys: Vec<VerifierKey>,
}

impl Signatures {
    /// Keys that cannot be read vouch for nothing.
    pub(crate) fn of(state: &Path) -> Self {
        let own = log_key(state).and_then(|key| VerifierKey::of_log(&key).ok());
        let beside = || verdict::beside(state, &handover::all(state)).unwrap_or_default();
        Self { keys: own.map_or_else(beside, |key| vec![key]) }
    }

    /// Leaves that the signed checkpoint stands for: 0 before the first one, and nothing where none of the keys has signed it.
    ///
    /// # Errors
    /// When the checkpoint cannot be read.
    pub(crate) fn leaves(&self, reader: &Reader) -> Result<Option<u64>, LedgerError> {
        let Some(signed) = reader.checkpoint()? else { return Ok(Some(0)) };
        let is_signed = signed.verify(&self.keys).is_ok_and(|signed| !signed.is_empty());
        Ok(is_signed.then(|| signed.checkpoint().size()))
    }
}
