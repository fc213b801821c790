//! Another key signs from now on: the current checkpoint gets its signature too, so that both keys open the log until the old one is gone.
use crate::log_folder::{Head, LogFolder};
use crate::problem::{Flaw, LedgerError, Problem};
use crate::publish::own_checkpoint;
use crate::walk::count_leaves;
use bartizan_core::disk::Disk;
use bartizan_core::record::RecordError;
use bartizan_core::sign::Signer;

/// Adds the signature of `new` to the checkpoint that `old` has signed. Both must have the log's name. A log without a checkpoint needs nothing.
///
/// Whoever calls it holds the folder's lock, and replaces the key afterwards: a crash between the two leaves a log that the old key opens.
///
/// # Errors
/// [`LedgerError::Damaged`] when the checkpoint is not one that `old` has signed, [`LedgerError::Record`] when `new` cannot sign, and those of the
/// disk; [`LedgerError::Unsigned`] when leaves came after the checkpoint, for which the new key could not vouch.
pub fn cross_sign(disk: &dyn Disk, old: &dyn Signer, new: &dyn Signer) -> Result<(), LedgerError> {
    let folder = LogFolder::find(disk).map_err(LedgerError::disk("open", "log"))?;
    let signed = folder.as_ref().map(|folder| own_checkpoint(folder, old)).transpose()?.flatten();
    let known = signed.as_ref().map_or(0, |signed| Head::of(signed).size);
    let leaves = count_leaves(disk)?.saturating_sub(known);
    if 0 < leaves {
        return Err(LedgerError::Unsigned { leaves });
    }
    let (Some(folder), Some(mut checkpoint)) = (folder, signed) else { return Ok(()) };
    let wrong = Problem { segment: 0, offset: 0, leaf: None, flaw: Flaw::Checkpoint };
    if new.name() != old.name() {
        return Err(wrong.into());
    }
    let signed = checkpoint.checkpoint().clone().sign(new).map_err(|error| {
        let reason = error.to_string();
        RecordError::Stopped { operation: "signature of the checkpoint", reason }
    })?;
    for signature in signed.note().signatures() {
        checkpoint.put(signature.clone()).map_err(|_| LedgerError::from(wrong.clone()))?;
    }
    folder.write_checkpoint(&checkpoint).map_err(LedgerError::disk("write", "checkpoint"))
}
