//! Partial tiles and bundles of earlier checkpoints: they stay until their tile is full, and whoever holds such a checkpoint may still ask for them.
//!
//! Each was durable before its checkpoint was signed, so each is the beginning of what lies in that place now, and `verify` says so of every one.
//! What a crash left of files that never got a checkpoint is taken away before anything else is signed; otherwise it would look like damage
//! from the next checkpoint on.
use crate::log_folder::LogFolder;
use crate::tlog::{TILE_WIDTH, TileFile, TileKind, TilePath, decode_bundle, hashes_at};
use std::io;

/// Bytes of a hash in a tile.
const HASH_BYTES: usize = 32;
/// Bytes of an entry's length in a bundle.
const LENGTH_BYTES: usize = 2;
/// Levels of tiles; those above are empty in every log that anybody can write.
const LEVELS: u8 = 8;

/// What the earlier partial files in the place of this one must hold: of each that is there its path, and the beginning of this one.
pub(crate) fn earlier(folder: &LogFolder, file: &TileFile) -> io::Result<Vec<TileFile>> {
    let widths = folder.partial_widths(&file.path.full())?;
    let earlier = widths.into_iter().filter(|width| *width < file.path.width());
    Ok(earlier.filter_map(|width| beginning(file, width)).collect())
}

/// The file of `width` hashes or entries in the same place.
fn beginning(file: &TileFile, width: u16) -> Option<TileFile> {
    let path = TilePath::new(file.path.kind(), file.path.index(), width)?;
    let n_bytes = match file.path.kind() {
        TileKind::Hashes(_) => usize::from(width) * HASH_BYTES,
        TileKind::Entries => {
            let entries = decode_bundle(&file.content, file.path.width()).ok()?;
            entries.iter().take(usize::from(width)).map(|entry| LENGTH_BYTES + entry.len()).sum()
        }
    };
    Some(TileFile { path, content: file.content.get(..n_bytes)?.to_vec() })
}

/// Takes away the partial files that a checkpoint of `size` leaves does not stand for, of a log that has grown to `leaves`. It costs a look at each tile
/// that was begun in between, and at those that somebody left behind it.
pub(crate) fn remove_unsigned(folder: &LogFolder, size: u64, leaves: u64) -> io::Result<()> {
    let kinds = (0..LEVELS).map(|level| (TileKind::Hashes(level), level));
    for (kind, level) in kinds.chain([(TileKind::Entries, 0)]) {
        let (signed, last) = (hashes_at(size, level), hashes_at(leaves, level));
        let n_hashes = u64::from(TILE_WIDTH);
        for index in signed / n_hashes.. {
            let Some(full) = TilePath::new(kind, index, TILE_WIDTH) else { break };
            let kept = u16::try_from(signed.saturating_sub(index * n_hashes)).unwrap_or(TILE_WIDTH);
            let widths = folder.partial_widths(&full)?;
            if widths.is_empty() && last / n_hashes < index {
                break;
            }
            let unsigned: Vec<_> = widths.into_iter().filter(|width| kept < *width).collect();
            folder.remove_widths(&full, &unsigned)?;
        }
    }
    Ok(())
}
