//! Reads proofs out of tiles, believing none of them until it hashes up to a root that is trusted.
use super::checkpoint::SIZE_MAX;
use super::tile::{
    LEVELS_MAX, TILE_HEIGHT, TILE_WIDTH, TileError, TileKind, TilePath, decode_bundle,
    decode_hashes, hashes_at, partial_path, partial_width, perfect_root,
};
use crate::merkle::{Merkle, leaf_hash, node_hash};
use bartizan_core::digest::Digest;
use std::io;

/// Most verified tiles that a reader keeps, 8 KiB each.
pub const TILES_CACHED_MAX: usize = 32;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Where tiles come from: a folder, a web server, a database.
pub trait TileSource {
    /// The content of a tile or bundle; `None` when there is none. An implementor bounds what it reads: a tile has at most 8 KiB,
    /// a bundle at most 16 MiB.
    ///
    /// # Errors
    /// Those of the source.
    fn tile(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>>;
}

impl<S: TileSource + ?Sized> TileSource for &S {
    fn tile(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>> {
        (**self).tile(path)
    }
}

/// Reads a tile's hashes; in the place of a partial tile that is gone, the full one will do.
pub(crate) fn read_hashes(
    source: &dyn TileSource,
    path: TilePath,
) -> Result<Vec<Digest>, TileError> {
    let (found, tile) = read(source, path)?;
    let mut hashes = decode_hashes(&tile, found.width())?;
    hashes.truncate(usize::from(path.width()));
    Ok(hashes)
}

/// Reads a tile, or the full one in its place; says which.
pub(crate) fn read(
    source: &dyn TileSource,
    path: TilePath,
) -> Result<(TilePath, Vec<u8>), TileError> {
    for path in [path, path.full()] {
        match source.tile(&path) {
            Ok(Some(tile)) => return Ok((path, tile)),
            Ok(None) => {}
            Err(error) => return Err(TileError::Source { path, source: error }),
        }
    }
    Err(TileError::Missing { path })
}

/// The unfinished tiles of a tree: their hashes by level, from level 0 on. Everything else in the tree hangs from them.
pub(crate) type Edge = Vec<Vec<Digest>>;

/// Reads the unfinished tiles of a tree.
pub(crate) fn read_edge(source: &dyn TileSource, size: u64) -> Result<Edge, TileError> {
    if SIZE_MAX < size {
        return Err(TileError::TooLarge { size });
    }
    let mut edge = Vec::new();
    for level in 0..LEVELS_MAX {
        let path = partial_path(size, level);
        edge.push(path.map_or(Ok(Vec::new()), |path| read_hashes(source, path))?);
    }
    Ok(edge)
}

/// The tree that has these unfinished tiles.
pub(crate) fn frontier(size: u64, edge: &Edge) -> Option<Merkle> {
    let mut peaks = Vec::new();
    for hashes in edge.iter().rev() {
        let mut rest = hashes.as_slice();
        while !rest.is_empty() {
            let width = 1 << rest.len().ilog2();
            let (peak, tail) = rest.split_at(width);
            peaks.push(perfect_root(peak)?);
            rest = tail;
        }
    }
    Merkle::from_peaks(size, peaks)
}

/// Reads a tree of known size and root from tiles. Every hash and entry that it returns belongs to that tree; a tile that was
/// changed, cut or swapped is named in an error.
///
/// A proof reads O(log n) tiles: one per level, two where the proof is of an older and smaller tree.
#[derive(Debug)]
pub struct TileReader<S> {
    source: S,
    size: u64,
    /// Verified against the root when the reader was opened.
    edge: Edge,
    /// Full tiles that were verified, the latest last. Invariant: at most [`TILES_CACHED_MAX`].
    cache: Vec<((u8, u64), Vec<Digest>)>,
}

impl<S: TileSource> TileReader<S> {
    /// Opens the tree of `size` leaves with this root, which the caller trusts (from a checkpoint whose signatures were verified).
    ///
    /// # Errors
    /// [`TileError::Root`] if the unfinished tiles do not hash to the root; else what kept them from being read.
    pub fn open(source: S, size: u64, root: Digest) -> Result<Self, TileError> {
        let edge = read_edge(&source, size)?;
        if frontier(size, &edge).is_none_or(|tree| tree.root() != root) {
            return Err(TileError::Root { size });
        }
        Ok(Self { source, size, edge, cache: Vec::new() })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash of a leaf.
    ///
    /// # Errors
    /// [`TileError::OutOfRange`]; [`TileError::Untrue`] and the others if a tile is not to be had or not to be believed.
    pub fn leaf_hash(&mut self, index: u64) -> Result<Digest, TileError> {
        self.within(index, index.saturating_add(1))?;
        self.perfect(0, index)
    }

    /// The root of the tree when it had `size` leaves.
    ///
    /// # Errors
    /// As [`TileReader::leaf_hash`].
    pub fn root_at(&mut self, size: u64) -> Result<Digest, TileError> {
        self.within(size, size)?;
        if size == 0 { Ok(Merkle::new().root()) } else { self.subtree(0, size) }
    }

    /// The audit path of leaf `index` in the tree of the first `size` leaves, from the leaf up.
    ///
    /// # Errors
    /// As [`TileReader::leaf_hash`].
    ///
    /// Source: RFC 6962, section 2.1.1.
    pub fn inclusion_proof(&mut self, index: u64, size: u64) -> Result<Vec<Digest>, TileError> {
        self.within(size, size)?;
        if size <= index {
            return Err(TileError::OutOfRange { size, asked: index });
        }
        let (mut from, mut to, mut proof) = (0, size, Vec::new());
        while 1 < to - from {
            let middle = from + split(to - from);
            if index < middle {
                proof.push(self.subtree(middle, to)?);
                to = middle;
            } else {
                proof.push(self.subtree(from, middle)?);
                from = middle;
            }
        }
        proof.reverse();
        Ok(proof)
    }

    /// The proof that the tree of the first `old_size` leaves is a prefix of that of the first `size`. It is empty where there is nothing
    /// to prove: from 0, and from `size` itself.
    ///
    /// # Errors
    /// As [`TileReader::leaf_hash`].
    ///
    /// Source: RFC 6962, section 2.1.2.
    pub fn consistency_proof(
        &mut self,
        old_size: u64,
        size: u64,
    ) -> Result<Vec<Digest>, TileError> {
        self.within(size, size)?;
        if size < old_size {
            return Err(TileError::OutOfRange { size, asked: old_size });
        }
        if old_size == 0 {
            return Ok(Vec::new());
        }
        let (mut from, mut to, mut proof) = (0, size, Vec::new());
        while old_size < to {
            let middle = from + split(to - from);
            if old_size <= middle {
                proof.push(self.subtree(middle, to)?);
                to = middle;
            } else {
                proof.push(self.subtree(from, middle)?);
                from = middle;
            }
        }
        // A subtree from the first leaf on is the old tree itself, which whoever checks the proof knows.
        if from != 0 {
            proof.push(self.subtree(from, to)?);
        }
        proof.reverse();
        Ok(proof)
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// As [`TileReader::leaf_hash`].
    pub fn entry(&mut self, index: u64) -> Result<Vec<u8>, TileError> {
        let hash = self.leaf_hash(index)?;
        let path = self.bundle_path(index / WIDTH);
        let path = path.ok_or(TileError::OutOfRange { size: self.size, asked: index })?;
        let (found, bundle) = read(&self.source, path)?;
        let entries = decode_bundle(&bundle, found.width())?;
        let entry = usize::try_from(index % WIDTH).ok().and_then(|at| entries.get(at));
        let entry = entry.filter(|entry| leaf_hash(entry) == hash);
        entry.map(|entry| entry.to_vec()).ok_or(TileError::Untrue { path: found })
    }

    /// The bytes of all entries of a bundle, at most 256.
    ///
    /// # Errors
    /// As [`TileReader::leaf_hash`].
    pub fn entries(&mut self, bundle: u64) -> Result<Vec<Vec<u8>>, TileError> {
        let path = self.bundle_path(bundle);
        let path = path.ok_or(TileError::OutOfRange { size: self.size, asked: bundle })?;
        let hashes = self.tile(0, bundle)?.to_vec();
        let (found, bytes) = read(&self.source, path)?;
        let entries = decode_bundle(&bytes, found.width())?;
        let real = entries.iter().take(hashes.len()).map(|entry| leaf_hash(entry));
        if real.ne(hashes.iter().copied()) {
            return Err(TileError::Untrue { path: found });
        }
        Ok(entries.iter().take(hashes.len()).map(|entry| entry.to_vec()).collect())
    }

    fn within(&self, asked: u64, end: u64) -> Result<(), TileError> {
        if end <= self.size {
            Ok(())
        } else {
            Err(TileError::OutOfRange { size: self.size, asked })
        }
    }

    fn bundle_path(&self, index: u64) -> Option<TilePath> {
        let n_full = self.size / WIDTH;
        let width = if index < n_full { TILE_WIDTH } else { partial_width(self.size, 0) };
        TilePath::new(TileKind::Entries, index, width).filter(|_| index <= n_full)
    }

    /// The root over the leaves from `from` to `to`: a subtree that RFC 6962 makes of a tree, so `from` is a multiple of the
    /// power of two that holds them.
    fn subtree(&mut self, mut from: u64, to: u64) -> Result<Digest, TileError> {
        let mut peaks = Vec::new();
        while from < to {
            let height = (to - from).ilog2();
            peaks.push(self.perfect(height, from >> height)?);
            from += 1 << height;
        }
        let root = peaks.into_iter().rev().reduce(|root, peak| node_hash(&peak, &root));
        root.ok_or(TileError::OutOfRange { size: self.size, asked: to })
    }

    /// The root over the `index`th perfect subtree of 2^`height` leaves.
    fn perfect(&mut self, height: u32, index: u64) -> Result<Digest, TileError> {
        let level = u8::try_from(height / TILE_HEIGHT).unwrap_or(LEVELS_MAX);
        let height = height % TILE_HEIGHT;
        let first = index << height;
        let out = TileError::OutOfRange { size: self.size, asked: index };
        let hashes = self.tile(level, first / WIDTH)?;
        let first = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
        let hashes = hashes.get(first..first.saturating_add(1 << height));
        hashes.and_then(perfect_root).ok_or(out)
    }

    /// The hashes of a tile, verified.
    fn tile(&mut self, level: u8, index: u64) -> Result<&[Digest], TileError> {
        // Upwards to a tile that is known already: an unfinished one at the latest, for the topmost tile of a tree is never full.
        let mut top = level;
        while !self.is_known(top, above(level, index, top)) {
            if LEVELS_MAX <= top {
                return Err(TileError::OutOfRange { size: self.size, asked: index });
            }
            top += 1;
        }
        // Downwards, each by what the one above says of it.
        for below in (level..top).rev() {
            let at = above(level, index, below);
            let want = self.known(below + 1, at / WIDTH).and_then(|hashes| {
                hashes.get(usize::try_from(at % WIDTH).unwrap_or(usize::MAX)).copied()
            });
            let path = TilePath::new(TileKind::Hashes(below), at, TILE_WIDTH);
            let path = path.ok_or(TileError::OutOfRange { size: self.size, asked: at })?;
            let hashes = read_hashes(&self.source, path)?;
            if want.is_none() || perfect_root(&hashes) != want {
                return Err(TileError::Untrue { path });
            }
            if self.cache.len() == TILES_CACHED_MAX {
                self.cache.remove(0);
            }
            self.cache.push(((below, at), hashes));
        }
        let asked = index;
        let size = self.size;
        self.known(level, index).ok_or(TileError::OutOfRange { size, asked })
    }

    fn is_known(&self, level: u8, index: u64) -> bool {
        self.known(level, index).is_some()
    }

    fn known(&self, level: u8, index: u64) -> Option<&[Digest]> {
        if index == hashes_at(self.size, level) / WIDTH {
            return self.edge.get(usize::from(level)).map(Vec::as_slice);
        }
        let mut cached = self.cache.iter().rev();
        cached.find(|(place, _)| *place == (level, index)).map(|(_, hashes)| hashes.as_slice())
    }
}

/// The index of the tile at level `top` over the tile `index` at `level`.
fn above(level: u8, index: u64, top: u8) -> u64 {
    hashes_at(index, top - level)
}

/// The largest power of two under `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

#[cfg(test)]
mod tests;
