//! What is read from tiles is what the whole tree says, and nothing that was changed is read.
use super::*;
use crate::merkle::{self, root_of, verify_consistency, verify_inclusion};
use crate::tlog::TileBuilder;
use crate::tlog::testing::{Folder, build, entry, hashes, roots};
use proptest::prelude::*;

fn folder(size: usize) -> Folder {
    let mut folder = Folder::default();
    build(&mut TileBuilder::new(), &mut folder, 0..size);
    folder
}

fn open(folder: &Folder, size: usize) -> TileReader<&Folder> {
    TileReader::open(folder, size as u64, root_of(&hashes(size))).unwrap()
}

/// Compares everything about one leaf and one older size with the proofs made from all leaves.
fn compare(reader: &mut TileReader<&Folder>, hashes: &[Digest], index: usize, size: usize) {
    let (at, n) = (index as u64, size as u64);
    let root = root_of(&hashes[..size]);
    assert_eq!(reader.root_at(n).unwrap(), root, "root of {size}");
    let proof = reader.inclusion_proof(at, n).unwrap();
    assert_eq!(
        proof,
        merkle::inclusion_proof(&hashes[..size], index).unwrap(),
        "{index} in {size}"
    );
    assert!(verify_inclusion(hashes[index], at, n, &proof, root));
    assert_eq!(reader.leaf_hash(at).unwrap(), hashes[index]);
    let (old, old_root) = (at + 1, root_of(&hashes[..=index]));
    let proof = reader.consistency_proof(old, n).unwrap();
    assert_eq!(
        proof,
        merkle::consistency_proof(&hashes[..size], index + 1).unwrap(),
        "{old} to {size}"
    );
    assert!(verify_consistency(old, old_root, n, root, &proof));
}

/// Checks the same against the roots alone: a path that leads to the right root is the right path, and the trees are large.
fn check(reader: &mut TileReader<&Folder>, roots: &[Digest], index: usize, size: usize) {
    let (at, n) = (index as u64, size as u64);
    assert_eq!(reader.root_at(n).unwrap(), roots[size], "root of {size}");
    let proof = reader.inclusion_proof(at, n).unwrap();
    let hash = reader.leaf_hash(at).unwrap();
    assert_eq!(hash, leaf_hash(&entry(index)));
    assert!(verify_inclusion(hash, at, n, &proof, roots[size]), "{index} in {size}");
    let proof = reader.consistency_proof(at + 1, n).unwrap();
    let is_prefix = verify_consistency(at + 1, roots[index + 1], n, roots[size], &proof);
    assert!(is_prefix, "{} to {size}", index + 1);
}

#[test]
fn every_boundary_around_one_and_two_levels_of_tiles() {
    let roots = roots(&hashes(65_793));
    for total in [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_793] {
        let folder = folder(total);
        let mut reader = TileReader::open(&folder, total as u64, roots[total]).unwrap();
        let near = |place: usize| place.saturating_sub(1)..=place + 1;
        let mut sizes: Vec<usize> =
            [1, 256, 512, 65_536, total].into_iter().flat_map(near).collect();
        sizes.retain(|size| (1..=total).contains(size));
        for &size in &sizes {
            for &index in sizes.iter().filter(|&&index| index < size) {
                check(&mut reader, &roots, index, size);
            }
            check(&mut reader, &roots, 0, size);
            check(&mut reader, &roots, size - 1, size);
        }
        let entries = reader.entries(total as u64 / 256).unwrap_or_default();
        assert_eq!(entries.len(), total % 256);
        assert_eq!(reader.entry(total as u64 - 1).unwrap(), entry(total - 1));
    }
}

#[test]
fn a_proof_reads_a_tile_per_level() {
    let folder = folder(65_793);
    let root = root_of(&hashes(65_793));
    folder.n_read.set(0);
    let mut reader = TileReader::open(&folder, 65_793, root).unwrap();
    assert_eq!(folder.n_read.replace(0), 3, "the unfinished tiles");
    for (index, size, n_max) in
        [(0, 65_793, 2), (65_535, 65_793, 2), (65_792, 65_793, 0), (7, 40_000, 4)]
    {
        reader.cache.clear();
        reader.inclusion_proof(index, size).unwrap();
        let n_read = folder.n_read.replace(0);
        assert!(n_read <= n_max, "{n_read} tiles for {index} in {size}");
        reader.inclusion_proof(index, size).unwrap();
        assert_eq!(folder.n_read.replace(0), 0, "the second time they are known");
    }
    reader.cache.clear();
    reader.consistency_proof(300, 65_793).unwrap();
    assert!(folder.n_read.get() <= 2, "{:?} tiles for a consistency proof", folder.n_read);
    for index in (0..65_000).step_by(256) {
        reader.leaf_hash(index).unwrap();
        assert!(reader.cache.len() <= TILES_CACHED_MAX);
    }
    assert_eq!(reader.cache.len(), TILES_CACHED_MAX);
}

#[test]
fn what_does_not_exist_is_refused() {
    let folder = folder(300);
    let mut reader = open(&folder, 300);
    let is_out = |result: Result<Vec<Digest>, TileError>| {
        matches!(result, Err(TileError::OutOfRange { .. }))
    };
    for index in [300, 301, u64::MAX] {
        assert!(is_out(reader.inclusion_proof(index, 300)), "leaf {index}");
        assert!(is_out(reader.leaf_hash(index).map(|hash| vec![hash])), "leaf {index}");
        assert!(reader.entry(index).is_err() && reader.entries(index).is_err());
    }
    for size in [301, u64::MAX - 1, u64::MAX] {
        assert!(is_out(reader.inclusion_proof(0, size)), "size {size}");
        assert!(is_out(reader.consistency_proof(1, size)), "size {size}");
        assert!(is_out(reader.root_at(size).map(|hash| vec![hash])), "size {size}");
    }
    assert!(is_out(reader.inclusion_proof(5, 5)) && is_out(reader.consistency_proof(6, 5)));
    assert_eq!(reader.consistency_proof(0, 300).unwrap(), []);
    assert_eq!(reader.consistency_proof(300, 300).unwrap(), []);
    assert_eq!(reader.root_at(0).unwrap(), root_of(&[]));
    let empty = Folder::default();
    let mut reader = open(&empty, 0);
    assert!(is_out(reader.inclusion_proof(0, 0)) && reader.entries(0).is_err());
    assert!(matches!(
        TileReader::open(&empty, u64::MAX, root_of(&[])),
        Err(TileError::TooLarge { .. })
    ));
}

#[test]
fn every_changed_or_missing_tile_is_named() {
    let total = 66_100;
    let folder = folder(total);
    let root = root_of(&hashes(total));
    let read = |folder: &Folder| -> Result<Vec<u8>, TileError> {
        let mut reader = TileReader::open(folder, total as u64, root)?;
        reader.inclusion_proof(3, total as u64)?;
        reader.entry(3)?;
        reader.entries(258)?;
        reader.entries(0).map(|entries| entries.concat())
    };
    assert!(read(&folder).is_ok());
    let paths = [
        "tile/0/000",
        "tile/1/000",
        "tile/0/258.p/52",
        "tile/1/001.p/2",
        "tile/2/000.p/1",
        "tile/entries/000",
        "tile/entries/258.p/52",
    ];
    for path in paths {
        let mut broken = folder.clone();
        *broken.files.get_mut(path).unwrap().last_mut().unwrap() ^= 1;
        match read(&broken).unwrap_err() {
            TileError::Untrue { path: found } => assert_eq!(found.to_string(), path),
            TileError::Root { size } => assert!(size == 66_100 && path.contains(".p/"), "{path}"),
            error => panic!("{path}: {error}"),
        }
        broken.files.get_mut(path).unwrap().pop();
        assert!(matches!(read(&broken), Err(TileError::Width { .. })), "{path} cut");
        broken.files.remove(path);
        match read(&broken).unwrap_err() {
            TileError::Missing { path: found } => assert_eq!(found.to_string(), path),
            error => panic!("{path}: {error}"),
        }
    }
    let swapped = folder.files["tile/0/001"].clone();
    let mut broken = folder.clone();
    broken.files.insert("tile/0/000".to_owned(), swapped);
    assert!(matches!(read(&broken), Err(TileError::Untrue { .. })), "a tile in another's place");
    let broken = Folder { broken: true, ..folder.clone() };
    assert!(matches!(read(&broken), Err(TileError::Source { .. })));
}

#[test]
fn the_full_tile_stands_in_for_a_partial_one() {
    let mut folder = folder(300);
    let (mut longer, mut builder) = (Folder::default(), TileBuilder::new());
    build(&mut builder, &mut longer, 0..600);
    folder.files.retain(|path, _| !path.contains("001.p/44"));
    folder.files.extend(longer.files);
    let mut reader = open(&folder, 300);
    assert_eq!(reader.entries(1).unwrap().len(), 44);
    assert_eq!(reader.entry(299).unwrap(), entry(299));
    assert!(reader.entry(300).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every proof read from tiles is the one that the whole tree gives.
    #[test]
    fn tiles_say_what_the_tree_says(total in 1..3_000_usize, picks in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 1..20)) {
        let (folder, hashes) = (folder(total), hashes(total));
        let mut reader = open(&folder, total);
        for (size, index) in picks {
            let size = size.index(total) + 1;
            compare(&mut reader, &hashes, index.index(size), size);
        }
    }

    /// No single changed bit in any tile leads to a wrong answer.
    #[test]
    fn no_changed_bit_is_believed(total in 1..1_500_usize, file in any::<prop::sample::Index>(), byte in any::<prop::sample::Index>(), bit in 0..8, index in any::<prop::sample::Index>()) {
        let (mut folder, hashes) = (folder(total), hashes(total));
        let path = folder.files.keys().nth(file.index(folder.files.len())).unwrap().clone();
        let content = folder.files.get_mut(&path).unwrap();
        let byte = byte.index(content.len());
        content[byte] ^= 1_u8 << bit;
        let index = index.index(total);
        if let Ok(mut reader) = TileReader::open(&folder, total as u64, root_of(&hashes)) {
            if let Ok(proof) = reader.inclusion_proof(index as u64, total as u64) {
                prop_assert_eq!(proof, merkle::inclusion_proof(&hashes, index).unwrap());
            }
            if let Ok(found) = reader.entry(index as u64) {
                prop_assert_eq!(found, entry(index));
            }
        }
    }
}
