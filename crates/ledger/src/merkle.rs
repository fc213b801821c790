//! The Merkle tree of RFC 6962 over SHA-256, as certificate transparency and C2SP tlogs use it.
//!
//! [`Merkle`] holds only the frontier: appending costs O(log n) and needs no stored hash. Proofs are made from the stored leaf hashes,
//! and checked from nothing but themselves.
use aws_lc_rs::digest::{Context, SHA256, digest};
use bartizan_core::digest::Digest;

/// More subtrees than a tree of 2^64 leaves can have.
const PEAKS_MAX: usize = 64;
const LEAF_ON_STACK_MAX: usize = 320;

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(to_array(digest(&SHA256, bytes).as_ref()))
}

/// SHA-256 of pieces, one after the other.
pub(crate) fn sha256_of(pieces: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for piece in pieces {
        context.update(piece);
    }
    finish(context)
}

/// What a context has seen so far.
pub(crate) fn finish(context: Context) -> Digest {
    Digest(to_array(context.finish().as_ref()))
}

fn to_array(hash: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    array
}

/// The hash of a leaf: SHA-256 over a zero byte and the leaf.
///
/// Source: RFC 6962, section 2.1.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    let mut bytes = [0; LEAF_ON_STACK_MAX];
    match bytes.get_mut(1..=leaf.len()) {
        Some(place) => {
            place.copy_from_slice(leaf);
            sha256(bytes.get(..=leaf.len()).unwrap_or_default())
        }
        None => sha256_of(&[&[0], leaf]),
    }
}

/// The hash of two subtrees, the left one perfect: SHA-256 over a one byte and both.
///
/// Source: RFC 6962, section 2.1.
pub(crate) fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [1; 65];
    let (_, hashes) = bytes.split_at_mut(1);
    let (to_left, to_right) = hashes.split_at_mut(32);
    to_left.copy_from_slice(&left.0);
    to_right.copy_from_slice(&right.0);
    sha256(&bytes)
}

/// A tree that only grows, known by the roots of its perfect subtrees.
///
/// ```
/// # use bartizan_ledger::merkle::{Merkle, leaf_hash, inclusion_proof, verify_inclusion};
/// let hashes = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")];
/// let mut tree = Merkle::new();
/// hashes.iter().for_each(|&hash| tree.append(hash));
/// let proof = inclusion_proof(&hashes, 1).ok_or("no such leaf")?;
/// assert!(verify_inclusion(leaf_hash(b"b"), 1, 3, &proof, tree.root()));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merkle {
    size: u64,
    /// Invariant: as many as `size` has one-bits; the largest subtree first.
    peaks: Vec<Digest>,
}

impl Merkle {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree with these subtrees; `None` when `size` has another number of them.
    pub fn from_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, the largest first; at most 64.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        let mut hash = leaf_hash;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root; of the empty tree, SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(&smallest) = peaks.next() else { return sha256(&[]) };
        peaks.fold(smallest, |root, peak| node_hash(peak, &root))
    }
}

/// The root over leaf hashes.
pub fn root_of(leaf_hashes: &[Digest]) -> Digest {
    let mut tree = Merkle::new();
    for &hash in leaf_hashes {
        tree.append(hash);
    }
    tree.root()
}

/// The largest power of two under `size`, which is at least 2.
fn split(size: usize) -> usize {
    1 << (usize::BITS - 1 - (size - 1).leading_zeros())
}

/// The audit path of leaf `index` in the tree over `leaf_hashes`, from the leaf up; `None` when there is no such leaf.
///
/// Source: RFC 6962, section 2.1.1.
pub fn inclusion_proof(leaf_hashes: &[Digest], index: usize) -> Option<Vec<Digest>> {
    leaf_hashes.get(index)?;
    let (mut leaves, mut index, mut proof) = (leaf_hashes, index, Vec::new());
    while 1 < leaves.len() {
        let (left, right) = leaves.split_at(split(leaves.len()));
        if index < left.len() {
            proof.push(root_of(right));
            leaves = left;
        } else {
            proof.push(root_of(left));
            index -= left.len();
            leaves = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// The proof that the tree over the first `old_size` leaves is a prefix of the tree over all; `None` when there are fewer, or
/// `old_size` is 0 (every tree extends the empty one, and no proof is defined).
///
/// Source: RFC 6962, section 2.1.2.
pub fn consistency_proof(leaf_hashes: &[Digest], old_size: usize) -> Option<Vec<Digest>> {
    if old_size == 0 || leaf_hashes.len() < old_size {
        return None;
    }
    let (mut leaves, mut old_size, mut whole, mut proof) = (leaf_hashes, old_size, true, vec![]);
    while old_size < leaves.len() {
        let (left, right) = leaves.split_at(split(leaves.len()));
        if old_size <= left.len() {
            proof.push(root_of(right));
            leaves = left;
        } else {
            proof.push(root_of(left));
            old_size -= left.len();
            leaves = right;
            whole = false;
        }
    }
    if !whole {
        proof.push(root_of(leaves));
    }
    proof.reverse();
    Some(proof)
}

/// Whether `proof` shows that the leaf stands at `index` in the tree of `size` leaves with this root.
///
/// Source: RFC 9162, section 2.1.3.2.
pub fn verify_inclusion(
    leaf_hash: Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: Digest,
) -> bool {
    if size <= index || PEAKS_MAX < proof.len() {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf_hash);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Whether `proof` shows that the tree of `old_size` leaves with `old_root` is a prefix of the tree of `size` leaves with `root`.
/// The empty tree is a prefix of every tree, and needs an empty proof.
///
/// Source: RFC 9162, section 2.1.4.2.
pub fn verify_consistency(
    old_size: u64,
    old_root: Digest,
    size: u64,
    root: Digest,
    proof: &[Digest],
) -> bool {
    if old_size == 0 || old_size == size {
        let same = if old_size == size { old_root == root } else { old_root == sha256(&[]) };
        return proof.is_empty() && same;
    }
    if size < old_size || PEAKS_MAX < proof.len() {
        return false;
    }
    let (seed, path) = if old_size.is_power_of_two() {
        (Some(&old_root), proof)
    } else {
        proof.split_first().map_or((None, proof), |(first, rest)| (Some(first), rest))
    };
    let Some(&seed) = seed else { return false };
    let shift = (old_size - 1).trailing_ones();
    let (mut node, mut last) = (
        (old_size - 1).checked_shr(shift).unwrap_or(0),
        (size - 1).checked_shr(shift).unwrap_or(0),
    );
    let (mut old_hash, mut hash) = (seed, seed);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == old_root && hash == root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The leaves that the tests of certificate transparency use everywhere.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn hashes() -> Vec<Digest> {
        LEAVES.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    /// The definition of RFC 6962, word for word.
    fn naive_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let mut k = 1;
                while k * 2 < leaves.len() {
                    k *= 2;
                }
                sha256_of(&[&[1], &naive_root(&leaves[..k]).0, &naive_root(&leaves[k..]).0])
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_standard() {
        let hashes = hashes();
        for (n, root) in ROOTS.iter().enumerate() {
            assert_eq!(root_of(&hashes[..n]).to_string(), *root, "{n} leaves");
        }
        assert_eq!(leaf_hash(&[7; 5000]), sha256_of(&[&[0], &[7; 5000]]));
    }

    #[test]
    fn the_first_leaf_of_eight_has_the_published_path() {
        let path: Vec<String> =
            inclusion_proof(&hashes(), 0).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            path,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
    }

    #[test]
    fn impossible_proofs_are_refused() {
        let hashes = hashes();
        let root = root_of(&hashes);
        assert_eq!(inclusion_proof(&hashes, 8), None);
        assert_eq!(consistency_proof(&hashes, 0), None);
        assert_eq!(consistency_proof(&hashes, 9), None);
        for (name, index, size) in [("past the end", 8, 8), ("empty tree", 0, 0)] {
            assert!(!verify_inclusion(hashes[0], index, size, &[], root), "{name}");
        }
        let long = vec![root; 100];
        assert!(!verify_inclusion(hashes[0], 0, 8, &long, root), "path too long");
        assert!(!verify_consistency(3, root, 8, root, &long), "proof too long");
        assert!(!verify_consistency(3, root, 8, root, &[]), "empty proof");
        assert!(!verify_consistency(9, root, 8, root, &[root]), "shrinking");
        assert!(verify_consistency(0, sha256(&[]), 8, root, &[]), "everything extends nothing");
        assert!(Merkle::from_peaks(3, vec![root]).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The frontier knows the same root as the recursive definition, also when it is carried over by its peaks.
        #[test]
        fn the_frontier_agrees_with_the_definition(leaves in prop::collection::vec(any::<[u8; 2]>(), 0..70)) {
            let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
            let mut tree = Merkle::new();
            for (n, &hash) in hashes.iter().enumerate() {
                prop_assert_eq!(tree.root(), naive_root(&hashes[..n]));
                tree = Merkle::from_peaks(tree.size(), tree.peaks().to_vec()).unwrap();
                tree.append(hash);
            }
            prop_assert_eq!(tree.root(), naive_root(&hashes));
        }

        /// Every honest proof holds, and no longer holds when one bit, the place or the size is changed.
        #[test]
        fn proofs_hold_and_forgeries_do_not(n in 1..70_usize, a in any::<prop::sample::Index>(), bit in 0..256_usize) {
            let hashes: Vec<_> = (0..n).map(|i| leaf_hash(&i.to_le_bytes())).collect();
            let (root, index, size) = (root_of(&hashes), a.index(n), n as u64);
            let at = index as u64;
            let proof = inclusion_proof(&hashes, index).unwrap();
            prop_assert!(verify_inclusion(hashes[index], at, size, &proof, root));
            prop_assert!(!verify_inclusion(leaf_hash(b"other"), at, size, &proof, root));
            prop_assert!(!verify_inclusion(hashes[index], (at + 1) % size.max(2), size.max(2), &proof, root) || n == 1);
            let old = index + 1;
            let old_root = root_of(&hashes[..old]);
            let path = consistency_proof(&hashes, old).unwrap();
            prop_assert!(verify_consistency(old as u64, old_root, size, root, &path));
            prop_assert!(!verify_consistency(old as u64, leaf_hash(b"other"), size, root, &path));
            prop_assert!(!verify_consistency(old as u64, old_root, size, leaf_hash(b"other"), &path));
            for forged in [&proof, &path] {
                let mut forged = forged.clone();
                let Some(hash) = forged.get_mut(bit % 7 % n) else { continue };
                hash.0[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!verify_inclusion(hashes[index], at, size, &forged, root));
                prop_assert!(!verify_consistency(old as u64, old_root, size, root, &forged));
            }
        }
    }
}
