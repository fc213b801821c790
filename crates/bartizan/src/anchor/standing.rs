//! How a ledger stands to what was known of it: the same, shorter, or another one.
use crate::audit;
use bartizan_core::digest::Digest;
use bartizan_ledger::merkle::Merkle;
use bartizan_ledger::{FsDisk, LedgerError, Published};
use std::path::Path;

/// How the first leaves of a ledger stand to a size and a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They have that root.
    Same,
    /// There are fewer.
    Shorter {
        /// How many.
        leaves: u64,
    },
    /// They have another root.
    Other,
}

/// The root of the first `size` leaves as the published tiles have it; `None` where the checkpoint is shorter or the tiles cannot tell.
pub(super) fn checkpointed(state: &Path, size: u64) -> Result<Option<Digest>, LedgerError> {
    let disk = FsDisk::read_only(&audit::log_folder(state));
    let Some(published) = Published::find(&disk)? else { return Ok(None) };
    let Some(signed) = published.checkpoint()? else { return Ok(None) };
    if signed.checkpoint().size() < size {
        return Ok(None);
    }
    // Tiles that are damaged or away can be made again from the journal, so it is the journal that decides then.
    Ok(published.root_at(size, &signed).ok())
}

/// Looks at the published tiles, and at the journal where they do not reach: a crash may have cost a checkpoint that was never durable, and
/// no leaf that was.
pub(super) fn stands(state: &Path, size: u64, root: Digest) -> Result<Standing, LedgerError> {
    if let Some(found) = checkpointed(state, size)? {
        return Ok(if found == root { Standing::Same } else { Standing::Other });
    }
    let mut tree = Merkle::new();
    for entry in audit::reader(state)?.entries()? {
        if tree.size() == size {
            break;
        }
        tree.append(entry?.leaf_hash);
    }
    Ok(match tree.size() {
        leaves if leaves < size => Standing::Shorter { leaves },
        _ if tree.root() == root => Standing::Same,
        _ => Standing::Other,
    })
}
