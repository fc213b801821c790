//! The few operations that the formats are made of: AES-256-GCM, HKDF-Expand and HMAC with SHA-256, all of one provider.
use crate::secret::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{digest, hkdf, hmac};

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 12;
pub(crate) const TAG_BYTES: usize = 16;
/// A key under another one.
pub(crate) const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// The cipher refused, or the bytes are not what was sealed. Nobody is told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CipherError;

impl From<Unspecified> for CipherError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// A key, ready for use.
pub(crate) fn aead(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, CipherError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?))
}

/// Encrypts all but the last [`TAG_BYTES`] of `place`, which take the tag.
pub(crate) fn seal_in(
    key: &LessSafeKey,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    place: &mut [u8],
) -> Result<(), CipherError> {
    let n_plain = place.len().checked_sub(TAG_BYTES).ok_or(CipherError)?;
    let (plain, tag_place) = place.split_at_mut(n_plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), plain)?;
    tag_place.copy_from_slice(tag.as_ref());
    Ok(())
}

/// Decrypts `sealed` into `plain`, which must be [`TAG_BYTES`] shorter. On failure `plain` holds nothing of use.
pub(crate) fn open_to(
    key: &LessSafeKey,
    nonce: [u8; NONCE_BYTES],
    aad: &[u8],
    sealed: &[u8],
    plain: &mut [u8],
) -> Result<(), CipherError> {
    let (text, tag) = sealed.split_at_checked(plain.len()).ok_or(CipherError)?;
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.open_separate_gather(nonce, Aad::from(aad), text, tag, plain)?;
    Ok(())
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-SHA256 into `out`. The key is uniform, so there is nothing to extract.
///
/// Source: RFC 5869, section 2.3.
pub(crate) fn expand_to(
    key: &[u8; KEY_BYTES],
    info: &str,
    out: &mut [u8],
) -> Result<(), CipherError> {
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, key);
    prk.expand(&[info.as_bytes()], Length(out.len()))?.fill(out)?;
    Ok(())
}

/// A key for one purpose.
pub(crate) fn expand(key: &[u8; KEY_BYTES], info: &str) -> Result<Secret<KEY_BYTES>, CipherError> {
    let mut outcome = Ok(());
    let secret = Secret::write(|bytes| outcome = expand_to(key, info, bytes));
    outcome.map(|()| secret)
}

/// A key for keyed hashes.
pub(crate) fn mac_key(key: &[u8; KEY_BYTES]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key)
}

/// The first 16 bytes of HMAC-SHA256.
pub(crate) fn mac_16(key: &hmac::Key, message: &[u8]) -> [u8; 16] {
    let tag = hmac::sign(key, message);
    *tag.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// The first four bytes of SHA-256.
pub(crate) fn sha256_4(message: &[u8]) -> [u8; 4] {
    let digest = digest::digest(&digest::SHA256, message);
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pseudo-random key of RFC 5869, test case 1.
    #[test]
    fn expand_is_the_standard_one() {
        let prk = [
            0x07, 0x77, 0x09, 0x36, 0x2c, 0x2e, 0x32, 0xdf, 0x0d, 0xdc, 0x3f, 0x0d, 0xc4, 0x7b,
            0xba, 0x63, 0x90, 0xb6, 0xc7, 0x3b, 0xb5, 0x0f, 0x9c, 0x31, 0x22, 0xec, 0x84, 0x4a,
            0xd7, 0xc2, 0xb3, 0xe5,
        ];
        let mut with_info = [0; 32];
        // The same key with an info that is text; computed with Python's hmac module.
        expand_to(&prk, "bartizan seal 1", &mut with_info).unwrap();
        assert_eq!(bartizan_core::digest::Digest(with_info).to_string(), EXPANDED);
    }

    const EXPANDED: &str = "80e579b63b2cdc9fbab630f6a99cf68c598230d65e85f85b62905b92724c8a62";

    #[test]
    fn lengths_that_cannot_be_are_errors() {
        let key = aead(&[1; 32]).unwrap();
        assert_eq!(seal_in(&key, [0; 12], b"", &mut [0; 15]), Err(CipherError));
        assert_eq!(open_to(&key, [0; 12], b"", &[0; 15], &mut [0; 16]), Err(CipherError));
        assert_eq!(open_to(&key, [0; 12], b"", &[], &mut []), Err(CipherError));
        assert_eq!(expand_to(&[1; 32], "x", &mut [0; 255 * 32 + 1]), Err(CipherError));
    }
}
