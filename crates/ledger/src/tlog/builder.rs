//! Cuts a growing log into tiles and bundles.
use super::checkpoint::SIZE_MAX;
use super::reader::{Edge, TileSource, frontier, read, read_edge};
use super::tile::{
    LEVELS_MAX, TILE_WIDTH, TileError, TileKind, TilePath, decode_bundle, encode_hashes, hashes_at,
    partial_path, partial_width, perfect_root, push_entry,
};
use crate::merkle::leaf_hash;
use bartizan_core::digest::Digest;

/// A file to write: a tile or a bundle. Its content never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileFile {
    /// Where it stands.
    pub path: TilePath,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Takes entries and gives the files that publish them. It holds the unfinished tiles (at most 255 hashes per level) and the unfinished
/// bundle, and nothing else.
///
/// The files of a size must be durable before a checkpoint of that size is published; where writing fails, the builder is of no
/// more use, and [`TileBuilder::resume`] starts from what is there.
///
/// ```
/// # use bartizan_ledger::tlog::TileBuilder;
/// # use bartizan_ledger::merkle::leaf_hash;
/// let (mut builder, mut files) = (TileBuilder::new(), Vec::new());
/// for entry in [b"first".as_slice(), b"second"] {
///     builder.append(entry, leaf_hash(entry), &mut files)?;
/// }
/// builder.publish(&mut files);
/// let paths: Vec<_> = files.iter().map(|file| file.path.to_string()).collect();
/// assert_eq!(paths, ["tile/entries/000.p/2", "tile/0/000.p/2"]);
/// # Ok::<(), bartizan_ledger::tlog::TileError>(())
/// ```
///
/// Source: [C2SP tlog-tiles](https://c2sp.org/tlog-tiles).
#[derive(Clone, Debug)]
pub struct TileBuilder {
    size: u64,
    /// Invariant: [`LEVELS_MAX`] lists, that of level `l` as wide as the tree's unfinished tile.
    edge: Edge,
    /// The unfinished bundle.
    bundle: Vec<u8>,
    /// The size for which the partial files were given out last.
    published: u64,
}

impl Default for TileBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TileBuilder {
    /// Starts an empty log.
    pub fn new() -> Self {
        let edge = (0..LEVELS_MAX).map(|_| Vec::new()).collect();
        Self { size: 0, edge, bundle: Vec::new(), published: 0 }
    }

    /// Goes on where tiles for `size` leaves with this root were written. Files of a larger size that never got a checkpoint do no
    /// harm: they are written again.
    ///
    /// # Errors
    /// [`TileError::Root`] if the tiles do not hash to the root, [`TileError::Untrue`] if the unfinished bundle does not hash to its tile,
    /// else what kept them from being read.
    pub fn resume(source: &dyn TileSource, size: u64, root: Digest) -> Result<Self, TileError> {
        let edge = read_edge(source, size)?;
        if frontier(size, &edge).is_none_or(|tree| tree.root() != root) {
            return Err(TileError::Root { size });
        }
        let mut bundle = Vec::new();
        let (index, width) = (size / u64::from(TILE_WIDTH), partial_width(size, 0));
        if let Some(path) = TilePath::new(TileKind::Entries, index, width) {
            let (found, bytes) = read(source, path)?;
            let entries = decode_bundle(&bytes, found.width())?;
            let entries = entries.get(..usize::from(width)).unwrap_or_default();
            let hashes = edge.first().map(Vec::as_slice).unwrap_or_default();
            if entries.iter().map(|entry| leaf_hash(entry)).ne(hashes.iter().copied()) {
                return Err(TileError::Untrue { path: found });
            }
            entries.iter().try_for_each(|entry| push_entry(&mut bundle, entry))?;
        }
        Ok(Self { size, edge, bundle, published: size })
    }

    /// Number of leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over them.
    ///
    /// # Panics
    /// Never: every method keeps the unfinished tiles as wide as the size says.
    pub fn root(&self) -> Digest {
        let tree = frontier(self.size, &self.edge);
        tree.expect("the edge is as wide as the size says").root()
    }

    /// Adds an entry with its leaf hash, which the caller has computed already; appends the files that are full now to `files`.
    ///
    /// # Errors
    /// [`TileError::EntryTooLong`], [`TileError::TooLarge`]. Nothing was added then.
    pub fn append(
        &mut self,
        entry: &[u8],
        hash: Digest,
        files: &mut Vec<TileFile>,
    ) -> Result<(), TileError> {
        debug_assert_eq!(leaf_hash(entry), hash, "the hash is that of another entry");
        if self.size == SIZE_MAX {
            return Err(TileError::TooLarge { size: self.size });
        }
        push_entry(&mut self.bundle, entry)?;
        self.size += 1;
        let index = (self.size - 1) / u64::from(TILE_WIDTH);
        if self.size.is_multiple_of(u64::from(TILE_WIDTH)) {
            let content = std::mem::take(&mut self.bundle);
            files.extend(file(TileKind::Entries, index, TILE_WIDTH, content));
        }
        let mut carried = Some(hash);
        for (level, hashes) in (0_u8..).zip(&mut self.edge) {
            let Some(hash) = carried else { break };
            hashes.push(hash);
            // Of a full tile the root goes one level up.
            let is_full = hashes.len() == usize::from(TILE_WIDTH);
            carried = if is_full { perfect_root(hashes) } else { None };
            if is_full {
                let index = hashes_at(self.size, level) / u64::from(TILE_WIDTH) - 1;
                let content = encode_hashes(&std::mem::take(hashes));
                files.extend(file(TileKind::Hashes(level), index, TILE_WIDTH, content));
            }
        }
        Ok(())
    }

    /// Appends the partial files that a checkpoint of the present size needs, and that were not given out yet, to `files`.
    pub fn publish(&mut self, files: &mut Vec<TileFile>) {
        let (size, before) = (self.size, std::mem::replace(&mut self.published, self.size));
        if size != before {
            let (index, width) = (size / u64::from(TILE_WIDTH), partial_width(size, 0));
            files.extend(file(TileKind::Entries, index, width, self.bundle.clone()));
        }
        for (level, hashes) in (0_u8..).zip(&self.edge) {
            let grew = hashes_at(size, level) != hashes_at(before, level);
            if let Some(path) = partial_path(size, level).filter(|_| grew) {
                files.push(TileFile { path, content: encode_hashes(hashes) });
            }
        }
    }
}

/// The file; `None` of an empty tile, which has none.
fn file(kind: TileKind, index: u64, width: u16, content: Vec<u8>) -> Option<TileFile> {
    TilePath::new(kind, index, width).map(|path| TileFile { path, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::root_of;
    use crate::tlog::testing::{Folder, build, entry, hashes};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The files of a tree of `size` leaves by the words of the standard, without any cleverness.
    fn by_definition(size: usize) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut put = |kind, index: usize, width: usize, content| {
            let width = u16::try_from(width).unwrap();
            let path = TilePath::new(kind, index as u64, width).unwrap();
            files.insert(path.to_string(), content);
        };
        for (index, chunk) in (0..size).collect::<Vec<_>>().chunks(256).enumerate() {
            let mut bundle = Vec::new();
            for &at in chunk {
                push_entry(&mut bundle, &entry(at)).unwrap();
            }
            put(TileKind::Entries, index, chunk.len(), bundle);
        }
        let mut level_hashes = hashes(size);
        for level in 0.. {
            for (index, tile) in level_hashes.chunks(256).enumerate() {
                put(TileKind::Hashes(level), index, tile.len(), encode_hashes(tile));
            }
            level_hashes =
                level_hashes.as_chunks::<256>().0.iter().map(|tile| root_of(tile)).collect();
            if level_hashes.is_empty() {
                return files;
            }
        }
        unreachable!("a level has fewer hashes than the one below")
    }

    /// Checks that the folder has all files of a tree and nothing that contradicts them.
    fn assert_complete(folder: &Folder, size: usize) {
        for (path, content) in by_definition(size) {
            assert_eq!(folder.files.get(&path), Some(&content), "{path} of {size}");
        }
    }

    #[test]
    fn the_files_are_those_of_the_definition() {
        let ends = [1, 2, 255, 256, 257, 511, 512, 513, 600, 65_535, 65_536, 65_537, 65_800];
        let mut builder = TileBuilder::new();
        let mut folder = Folder::default();
        let mut from = 0;
        for to in ends {
            let n_before = folder.files.len();
            build(&mut builder, &mut folder, from..to);
            assert_complete(&folder, to);
            assert_eq!(builder.size(), to as u64);
            assert_eq!(builder.root(), root_of(&hashes(to)));
            let tiles_crossed = to / 256 - from / 256;
            assert!(folder.files.len() - n_before <= 2 * tiles_crossed + tiles_crossed / 256 + 6);
            from = to;
        }
    }

    #[test]
    fn nothing_new_gives_no_file() {
        let mut builder = TileBuilder::new();
        let mut files = Vec::new();
        builder.publish(&mut files);
        assert_eq!(builder.root(), root_of(&[]));
        builder.append(b"x", leaf_hash(b"x"), &mut files).unwrap();
        builder.publish(&mut files);
        builder.publish(&mut files);
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn a_refused_entry_changes_nothing() {
        let mut builder = TileBuilder::new();
        let mut files = Vec::new();
        let long = vec![0; super::super::ENTRY_BYTES_MAX + 1];
        let error = builder.append(&long, leaf_hash(&long), &mut files).unwrap_err();
        assert!(matches!(error, TileError::EntryTooLong { .. }));
        builder.append(b"x", leaf_hash(b"x"), &mut files).unwrap();
        builder.publish(&mut files);
        assert_eq!(files[0].content, b"\0\x01x");
    }

    #[test]
    fn a_size_that_no_tree_has_is_refused() {
        let folder = Folder::default();
        let resumed = TileBuilder::resume(&folder, SIZE_MAX + 1, root_of(&[]));
        assert!(matches!(resumed, Err(TileError::TooLarge { .. })));
        let resumed = TileBuilder::resume(&folder, 1, root_of(&[]));
        assert!(matches!(resumed, Err(TileError::Missing { .. })));
        let mut full = TileBuilder { size: SIZE_MAX, ..TileBuilder::new() };
        let refused = full.append(b"", leaf_hash(b""), &mut Vec::new());
        assert!(matches!(refused, Err(TileError::TooLarge { size: SIZE_MAX })));
    }

    #[test]
    fn changed_files_are_not_resumed_from() {
        let mut folder = Folder::default();
        build(&mut TileBuilder::new(), &mut folder, 0..700);
        let root = root_of(&hashes(700));
        assert!(TileBuilder::resume(&folder, 700, root).is_ok());
        assert!(matches!(TileBuilder::resume(&folder, 699, root), Err(TileError::Missing { .. })));
        for path in ["tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/002.p/188"] {
            let mut changed = folder.clone();
            *changed.files.get_mut(path).unwrap().last_mut().unwrap() ^= 1;
            assert!(TileBuilder::resume(&changed, 700, root).is_err(), "{path}");
            changed.files.remove(path);
            let resumed = TileBuilder::resume(&changed, 700, root);
            assert!(matches!(resumed, Err(TileError::Missing { .. })), "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However the log grows and is resumed, the files are those of the definition; partial ones that are gone once the full
        /// one is there are not missed.
        #[test]
        fn growth_and_resumption_change_nothing(steps in prop::collection::vec(1..400_usize, 1..8), unpublished in 0..300_usize) {
            let (mut folder, mut size) = (Folder::default(), 0);
            for step in steps {
                let root = root_of(&hashes(size));
                let mut builder = TileBuilder::resume(&folder, size as u64, root).unwrap();
                prop_assert_eq!(builder.root(), root);
                // What a crash leaves: full files of a size that never got its checkpoint.
                let mut lost = builder.clone();
                for at in size..size + unpublished {
                    let mut files = Vec::new();
                    lost.append(&entry(at), leaf_hash(&entry(at)), &mut files).unwrap();
                    folder.put(files);
                }
                for path in folder.superseded() {
                    folder.files.remove(&path);
                }
                let mut builder_again = TileBuilder::resume(&folder, size as u64, root).unwrap();
                build(&mut builder, &mut folder.clone(), size..size + step);
                build(&mut builder_again, &mut folder, size..size + step);
                size += step;
                prop_assert_eq!(builder.root(), builder_again.root());
                for (path, content) in by_definition(size) {
                    prop_assert_eq!(folder.files.get(&path), Some(&content), "{}", path);
                }
            }
        }
    }
}
