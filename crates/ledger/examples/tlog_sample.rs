//! Writes what a log publishes, honest and forged, for a verifier that nobody here wrote.
//!
//! ```text
//! cargo run -p bartizan-ledger --example tlog_sample -- FOLDER
//! ```
//!
//! The folder then has `key` (the verifier key), and one folder per sample under `honest` and `forged`, each with either
//! `checkpoint`, `proof` and `leaf`, or `old-checkpoint` and `request`. The key is made from a fixed seed: it is no secret.
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bartizan_core::sign::{SignError, Signer};
use bartizan_ledger::merkle::leaf_hash;
use bartizan_ledger::tlog::{
    Checkpoint, SignedCheckpoint, TileBuilder, TilePath, TileReader, TileSource, TlogProof,
    VerifierKey, witness_request,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn Error>>;

const ORIGIN: &str = "bartizan.example/log";
/// Sizes around the ends of tiles.
const SIZES: [u64; 8] = [1, 2, 255, 256, 257, 300, 513, 65_537];
const GROWTHS: [(u64, u64); 4] = [(1, 2), (255, 256), (256, 300), (300, 65_537)];

struct SampleKey {
    name: &'static str,
    pair: Ed25519KeyPair,
}

impl SampleKey {
    fn new(name: &'static str, seed: u8) -> Outcome<Self> {
        Ok(Self { name, pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32])? })
    }
}

impl Signer for SampleKey {
    fn name(&self) -> &str {
        self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.pair.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes")
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let signature = self.pair.sign(message);
        Ok(signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes"))
    }

    fn mark(&self, _message: &[u8]) -> [u8; 16] {
        unreachable!("this log has no journal")
    }
}

/// The tiles of the log, as they would lie in a folder.
#[derive(Default)]
struct Tiles(BTreeMap<TilePath, Vec<u8>>);

impl TileSource for Tiles {
    fn tile(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).cloned())
    }
}

fn leaf(index: u64) -> String {
    format!("leaf {index}")
}

/// A log of the largest size, all whose sizes in [`SIZES`] were published.
struct Log {
    tiles: Tiles,
    checkpoints: BTreeMap<u64, Checkpoint>,
}

impl Log {
    fn build() -> Outcome<Self> {
        let (mut builder, mut tiles) = (TileBuilder::new(), Tiles::default());
        let (mut checkpoints, mut files) = (BTreeMap::new(), Vec::new());
        for size in SIZES {
            while builder.size() < size {
                let leaf = leaf(builder.size());
                builder.append(leaf.as_bytes(), leaf_hash(leaf.as_bytes()), &mut files)?;
            }
            builder.publish(&mut files);
            tiles.0.extend(files.drain(..).map(|file| (file.path, file.content)));
            checkpoints.insert(size, Checkpoint::new(ORIGIN, size, builder.root())?);
        }
        Ok(Self { tiles, checkpoints })
    }

    fn checkpoint(&self, size: u64) -> Outcome<&Checkpoint> {
        Ok(self.checkpoints.get(&size).ok_or("no checkpoint of that size")?)
    }

    fn reader(&self, size: u64) -> Outcome<TileReader<&Tiles>> {
        Ok(TileReader::open(&self.tiles, size, self.checkpoint(size)?.root())?)
    }
}

/// A signed and cosigned checkpoint: the cosignature is of a kind that the other verifier must ignore.
fn sign(checkpoint: &Checkpoint) -> Outcome<SignedCheckpoint> {
    let mut signed = checkpoint.clone().sign(&SampleKey::new(ORIGIN, 7)?)?;
    let witness = SampleKey::new("witness.example/w1", 8)?;
    signed.put(signed.cosign(&witness, 1_700_000_000)?)?;
    Ok(signed)
}

fn write(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    files.iter().try_for_each(|(name, content)| fs::write(folder.join(name), content))
}

fn write_inclusion(folder: &Path, checkpoint: &str, proof: &str, leaf: &str) -> io::Result<()> {
    write(folder, &[("checkpoint", checkpoint), ("proof", proof), ("leaf", leaf)])
}

fn honest(log: &Log, folder: &Path) -> Outcome<()> {
    for size in SIZES {
        for index in [0, size / 2, size - 1] {
            let path = log.reader(size)?.inclusion_proof(index, size)?;
            let signed = sign(log.checkpoint(size)?)?;
            let text = signed.to_string();
            let extra = if index == 0 { b"beside".to_vec() } else { Vec::new() };
            let proof = TlogProof::new(index, path, signed, extra)?.to_string();
            let folder = folder.join(format!("leaf-{index}-of-{size}"));
            write_inclusion(&folder, &text, &proof, &leaf(index))?;
        }
    }
    for (old_size, size) in GROWTHS {
        let proof = log.reader(size)?.consistency_proof(old_size, size)?;
        let request = witness_request(old_size, proof, sign(log.checkpoint(size)?)?)?;
        let old = sign(log.checkpoint(old_size)?)?.to_string();
        let folder = folder.join(format!("growth-{old_size}-to-{size}"));
        write(&folder, &[("old-checkpoint", &old), ("request", &request)])?;
    }
    Ok(())
}

fn forged(log: &Log, folder: &Path) -> Outcome<()> {
    let (size, index) = (300, 150);
    let path = log.reader(size)?.inclusion_proof(index, size)?;
    let (true_leaf, checkpoint) = (leaf(index), log.checkpoint(size)?);
    let other_root = Checkpoint::new(ORIGIN, size, leaf_hash(b"another root"))?;
    let other_key = checkpoint.clone().sign(&SampleKey::new(ORIGIN, 9)?)?;
    let signed = sign(checkpoint)?;
    let text = signed.to_string();
    let proof = TlogProof::new(index, path.clone(), signed.clone(), Vec::new())?.to_string();
    let mut changed_path = path.clone();
    changed_path.iter_mut().take(1).for_each(|hash| hash.0[0] ^= 1);
    let short_path: Vec<_> = path.iter().skip(1).copied().collect();
    let with = |index, path: &[_], signed: &SignedCheckpoint| -> Outcome<(String, String)> {
        let proof = TlogProof::new(index, path.to_vec(), signed.clone(), Vec::new())?;
        Ok((signed.to_string(), proof.to_string()))
    };
    let unsigned_root = |text: &str| {
        let (old, new) = (checkpoint.to_string(), other_root.to_string());
        text.replacen(&old, &new, 1)
    };
    let line = text.lines().nth(4).ok_or("no signature line")?;
    // One digit in the middle of the signature: still base64, but of another signature.
    let (head, tail) = line.split_at(line.len() - 20);
    let digit = if tail.starts_with('A') { 'B' } else { 'A' };
    let tail: String = std::iter::once(digit).chain(tail.chars().skip(1)).collect();
    let bad_signature = |text: &str| text.replacen(line, &format!("{head}{tail}"), 1);
    let pair = |change: &dyn Fn(&str) -> String| (change(&text), change(&proof));
    let samples = [
        ("another-leaf", (text.clone(), proof.clone()), leaf(index + 1)),
        ("another-index", with(index + 1, &path, &signed)?, true_leaf.clone()),
        ("index-past-the-end", with(size, &path, &signed)?, true_leaf.clone()),
        ("changed-path", with(index, &changed_path, &signed)?, true_leaf.clone()),
        ("short-path", with(index, &short_path, &signed)?, true_leaf.clone()),
        ("another-root-signed", with(index, &path, &sign(&other_root)?)?, true_leaf.clone()),
        ("another-root-unsigned", pair(&unsigned_root), true_leaf.clone()),
        ("another-size", pair(&|text| text.replacen("\n300\n", "\n301\n", 1)), true_leaf.clone()),
        ("another-key", with(index, &path, &other_key)?, true_leaf.clone()),
        ("bad-signature", pair(&bad_signature), true_leaf.clone()),
        (
            "no-signature",
            pair(&|text| text.replacen(&format!("{line}\n"), "", 1)),
            true_leaf.clone(),
        ),
        (
            "another-log",
            pair(&|text| text.replacen(ORIGIN, "bartizan.example/other", 1)),
            true_leaf,
        ),
    ];
    for (name, (checkpoint, proof), leaf) in samples {
        write_inclusion(&folder.join(name), &checkpoint, &proof, &leaf)?;
    }
    let proof = log.reader(size)?.consistency_proof(256, size)?;
    let old = sign(log.checkpoint(256)?)?.to_string();
    let request = witness_request(256, proof.clone(), sign(&other_root)?)?;
    write(&folder.join("fork"), &[("old-checkpoint", &old), ("request", &request)])?;
    let other_old = sign(&Checkpoint::new(ORIGIN, 256, leaf_hash(b"another past"))?)?.to_string();
    let request = witness_request(256, proof, signed)?;
    write(&folder.join("another-past"), &[("old-checkpoint", &other_old), ("request", &request)])?;
    Ok(())
}

fn main() -> Outcome<()> {
    let folder = std::env::args_os().nth(1).ok_or("name the folder to write to")?;
    let folder = Path::new(&folder);
    let log = Log::build()?;
    let key = VerifierKey::of_log(&SampleKey::new(ORIGIN, 7)?)?;
    write(folder, &[("key", &key.to_string())])?;
    honest(&log, &folder.join("honest"))?;
    forged(&log, &folder.join("forged"))
}
