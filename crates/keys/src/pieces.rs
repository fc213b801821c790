//! The pieces of a stream's text, hashed so that one of them can be shown without telling anything of the others.
//!
//! Piece `i` is bytes `4096 i` and following of the text, however the text arrived. Its hash is that of an RFC 6962 leaf:
//! SHA-256(0 | salt | piece), with salt = HMAC-SHA256(HKDF-Expand-SHA256(data key, "bartizan pieces 1"), i as eight bytes, big-endian).
//! Whoever is given a piece and its salt can check it against the leaf's stream root; the salts of the others stay unknown, so that
//! a short piece cannot be guessed.
use crate::cipher::{CipherError, KEY_BYTES, expand, mac_key};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use bartizan_core::digest::Digest;
use bartizan_core::seal::PIECE_BYTES;

const INFO: &str = "bartizan pieces 1";

/// The hashes of the pieces of a text; none of an empty one.
pub(crate) fn pieces(data_key: &[u8; KEY_BYTES], text: &[u8]) -> Result<Vec<Digest>, CipherError> {
    let key = mac_key(expand(data_key, INFO)?.expose());
    let hash = |(index, piece): (u64, &[u8])| {
        let salt = hmac::sign(&key, &index.to_be_bytes());
        let mut context = Context::new(&SHA256);
        context.update(&[0]);
        context.update(salt.as_ref());
        context.update(piece);
        Digest(*context.finish().as_ref().first_chunk().expect("SHA-256 has 32 bytes"))
    };
    Ok((0..).zip(text.chunks(PIECE_BYTES)).map(hash).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_depend_on_the_key_their_place_and_their_text() {
        let text = vec![7; 2 * PIECE_BYTES + 1];
        let all = pieces(&[1; KEY_BYTES], &text).unwrap();
        assert_eq!(all.len(), 3);
        assert_ne!(all[0], all[1], "equal texts in two places");
        assert_ne!(all, pieces(&[2; KEY_BYTES], &text).unwrap());
        assert_eq!(all[..2], pieces(&[1; KEY_BYTES], &text[..2 * PIECE_BYTES]).unwrap());
        assert!(pieces(&[1; KEY_BYTES], b"").unwrap().is_empty());
    }

    /// Computed with Python's hmac, hashlib and the description above.
    #[test]
    fn golden_hash() {
        let hash = pieces(&[3; KEY_BYTES], b"a piece").unwrap()[0];
        assert_eq!(hash.to_string(), GOLDEN);
    }

    const GOLDEN: &str = "7c58138f6c1cbf48e464dac0d93444156475fa103f53297065c34bbeee0940a6";
}
