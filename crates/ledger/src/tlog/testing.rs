//! What the tests of the formats share: keys made from a number.
use super::{TileBuilder, TileFile, TilePath, TileSource};
use crate::merkle::{Merkle, leaf_hash};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bartizan_core::digest::Digest;
use bartizan_core::sign::{SignError, Signer};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::LazyLock;

/// A key that everybody knows, and that can be told to refuse.
pub(crate) struct Key {
    name: String,
    pair: Ed25519KeyPair,
    mute: bool,
}

impl Key {
    pub(crate) fn new(name: &str, seed: [u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        Self { name: name.to_owned(), pair, mute: false }
    }

    pub(crate) fn mute(self) -> Self {
        Self { mute: true, ..self }
    }
}

pub(crate) fn key(name: &str, seed: u8) -> Key {
    Key::new(name, [seed; 32])
}

impl Signer for Key {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().unwrap()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        if self.mute {
            return Err(SignError { name: self.name.clone(), reason: "it is mute".to_owned() });
        }
        Ok(self.pair.sign(message).as_ref().try_into().unwrap())
    }

    fn mark(&self, _message: &[u8]) -> [u8; 16] {
        unreachable!("witnesses and clients mark nothing")
    }
}

/// More leaves than any test asks for.
const LEAVES_MAX: usize = 66_200;
static HASHES: LazyLock<Vec<Digest>> =
    LazyLock::new(|| (0..LEAVES_MAX).map(|at| leaf_hash(&entry(at))).collect());

/// The hashes of `n` leaves that all differ.
pub(crate) fn hashes(n: usize) -> Vec<Digest> {
    HASHES[..n].to_vec()
}

/// The roots of the trees of the first 0, 1, 2, ... of these leaves.
pub(crate) fn roots(hashes: &[Digest]) -> Vec<Digest> {
    let mut tree = Merkle::new();
    let grow = hashes.iter().map(|&hash| {
        tree.append(hash);
        tree.root()
    });
    std::iter::once(Merkle::new().root()).chain(grow).collect()
}

/// The bytes of leaf `at`.
pub(crate) fn entry(at: usize) -> Vec<u8> {
    let length = at % 7;
    let mut entry = format!("entry {at}").into_bytes();
    entry.resize(entry.len() + length, b'.');
    entry
}

/// A folder of tiles in memory that counts how many are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) n_read: Cell<usize>,
    pub(crate) broken: bool,
}

impl Folder {
    /// Writes files; one that is there already must say the same.
    pub(crate) fn put(&mut self, files: Vec<TileFile>) {
        for file in files {
            let old = self.files.insert(file.path.to_string(), file.content.clone());
            assert!(old.is_none_or(|old| old == file.content), "{} was changed", file.path);
        }
    }

    /// The partial files whose full one is there.
    pub(crate) fn superseded(&self) -> Vec<String> {
        let is_old = |path: &&String| {
            path.split_once(".p/").is_some_and(|(full, _)| self.files.contains_key(full))
        };
        self.files.keys().filter(is_old).cloned().collect()
    }
}

impl TileSource for Folder {
    fn tile(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>> {
        if self.broken {
            return Err(io::Error::other("the source is broken"));
        }
        let file = self.files.get(&path.to_string());
        self.n_read.set(self.n_read.get() + usize::from(file.is_some()));
        Ok(file.cloned())
    }
}

/// Appends the leaves of a range and publishes once.
pub(crate) fn build(builder: &mut TileBuilder, folder: &mut Folder, range: Range<usize>) {
    for at in range {
        let mut files = Vec::new();
        builder.append(&entry(at), HASHES[at], &mut files).unwrap();
        folder.put(files);
    }
    let mut files = Vec::new();
    builder.publish(&mut files);
    folder.put(files);
}
