//! The laws of the formats through which outsiders check the log.
use bartizan_core::sign::{SignError, Signer};
use bartizan_ledger::merkle::leaf_hash;
use bartizan_ledger::tlog::{
    AddCheckpoint, Checkpoint, Note, Policy, SignedCheckpoint, Step, TilePath, TlogProof,
    VerifierKey, Witness, decode_bundle, decode_hashes, encode_bundle, encode_hashes, read_answer,
};
use std::sync::Arc;

/// The key of a test of x/mod: no signature under it is right by chance.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn key() -> VerifierKey {
    KEY.parse().expect("it is a key")
}

/// Notes: what parses prints to the same bytes, and no signature is right by chance.
pub fn note(bytes: &[u8]) {
    let Ok(note) = Note::parse(bytes) else { return };
    assert_eq!(note.to_string().as_bytes(), bytes);
    assert!(note.verify(&[key()]).is_err());
}

/// Checkpoints: what parses prints to the same bytes, with and without signatures.
pub fn checkpoint(bytes: &[u8]) {
    if let Ok(signed) = SignedCheckpoint::parse(bytes) {
        assert_eq!(signed.to_string().as_bytes(), bytes);
        assert_eq!(signed.checkpoint().to_string(), signed.note().text());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text);
    }
}

/// Tiles: paths, hashes and bundles that decode encode to the same bytes. The first byte is the width less one.
pub fn tile(bytes: &[u8]) {
    if let Some(path) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
        let path: TilePath = path;
        assert_eq!(path.to_string().as_bytes(), bytes);
    }
    let Some((&width, tile)) = bytes.split_first() else { return };
    let width = u16::from(width) + 1;
    if let Ok(hashes) = decode_hashes(tile, width) {
        assert_eq!((hashes.len(), encode_hashes(&hashes).as_slice()), (usize::from(width), tile));
    }
    if let Ok(entries) = decode_bundle(tile, width) {
        assert_eq!(entries.len(), usize::from(width));
        assert_eq!(encode_bundle(&entries).expect("what was read fits"), tile);
    }
}

/// Proofs: what parses prints to the same bytes, and proves nothing about a log that did not sign.
pub fn proof(bytes: &[u8]) {
    let Ok(proof) = TlogProof::parse(bytes) else { return };
    assert_eq!(proof.to_string().as_bytes(), bytes);
    assert!(proof.verify(leaf_hash(bytes), &Policy::of_log(key())).is_err());
}

/// A key that must never be asked.
struct Silent;

impl Signer for Silent {
    fn name(&self) -> &str {
        "w.example"
    }

    fn public_key(&self) -> [u8; 32] {
        [0; 32]
    }

    fn sign(&self, _message: &[u8]) -> Result<[u8; 64], SignError> {
        unreachable!("nothing here is worth a signature")
    }

    fn mark(&self, _message: &[u8]) -> [u8; 16] {
        unreachable!("nothing here is a log of ours")
    }
}

/// Requests to a witness: what parses prints to the same bytes, and what nobody signed changes nothing; answers of one are read or refused.
pub fn witness(bytes: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes);
        let mut witness = Witness::new(Arc::new(Silent)).expect("the name is one");
        let origin = request.checkpoint().checkpoint().origin();
        witness.follow(origin, vec![key()]).expect("the key is one");
        let step = witness.decide(None, &request, 1);
        let is_refused = matches!(&step, Step::Answer(answer) if answer.status() == 403);
        assert!(is_refused, "{step:?}");
        let keys = [VerifierKey::of_witness(&Silent).expect("the name is one")];
        for status in [200, 409, 500] {
            let _read_or_refused = read_answer(status, bytes, request.checkpoint(), &keys).is_ok();
        }
    }
}

/// Policies: any file is read or refused, and what is read trusts no checkpoint that its logs did not sign.
pub fn policy(bytes: &[u8]) {
    let Ok(policy) = Policy::parse(bytes) else { return };
    for key in policy.logs().chain(policy.witnesses().map(|(_, key, _)| key)) {
        assert_eq!(key.to_string().parse().as_ref(), Ok(key));
        let checkpoint = format!(
            "{0}\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} {0} x08go/ZJkuBS9UG/\n",
            key.name()
        );
        // The key's name may be as long as its file; then the checkpoint is none.
        if let Ok(signed) = SignedCheckpoint::parse(checkpoint.as_bytes()) {
            assert!(policy.evaluate(&signed).is_err());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::holds;

    const SIGNED: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const HASHES: &str = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n";

    #[test]
    fn note_law() {
        assert!(
            SignedCheckpoint::parse(SIGNED.as_bytes()).is_ok(),
            "the seed gets past the parser"
        );
        holds(note, &[SIGNED.as_bytes(), b"\n\n", "\u{2014} a ".as_bytes()]);
    }

    #[test]
    fn checkpoint_law() {
        holds(checkpoint, &[SIGNED.as_bytes(), b"o\n0\n", b"9223372036854775807\n"]);
    }

    #[test]
    fn tile_law() {
        holds(
            tile,
            &[b"tile/0/x001/x234/067.p/1", b"tile/entries/000", &[1; 65], b"\x01\0\x01a\0\0"],
        );
    }

    #[test]
    fn proof_law() {
        let proof_of =
            |extra: &str| format!("c2sp.org/tlog-proof@v1\n{extra}index 73894\n{HASHES}\n{SIGNED}");
        assert!(TlogProof::parse(proof_of("").as_bytes()).is_ok(), "the seed gets past the parser");
        holds(proof, &[proof_of("").as_bytes(), proof_of("extra Zm9v\n").as_bytes()]);
    }

    #[test]
    fn witness_law() {
        let request = format!("old 20852014\n{HASHES}\n{SIGNED}");
        assert!(AddCheckpoint::parse(request.as_bytes()).is_ok(), "the seed gets past the parser");
        holds(witness, &[request.as_bytes(), SIGNED.as_bytes(), b"old 0\n\n"]);
    }

    #[test]
    fn policy_law() {
        let witness = VerifierKey::of_witness(&Silent).expect("the name is one");
        let text = format!("log {KEY} https://a\nwitness W {witness}\ngroup G 1 W\nquorum G\n");
        assert!(Policy::parse(text.as_bytes()).is_ok(), "the seed gets past the parser");
        holds(policy, &[text.as_bytes(), b"# x\nquorum none\n", b"group A all W W\n"]);
    }
}
