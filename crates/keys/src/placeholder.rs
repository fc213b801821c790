//! The key that names values in prompts: what a person is called towards a model, for as long as a conversation lasts.
//!
//! ```text
//! key = HKDF-Expand-SHA256(tenant's key, "bartizan placeholder 1")
//! tag = the first 16 bytes of HMAC-SHA256(key; length of the scope, 8 bytes, little-endian | scope | value)
//! ```
//!
//! The length stands first, so that no two pairs of scope and value are one message.
use crate::cipher::{CipherError, expand, mac_key};
use aws_lc_rs::hmac;
use bartizan_core::clock::Entropy;
use bartizan_core::seal::Pseudonymizer;
use std::fmt;

const INFO: &str = "bartizan placeholder 1";

/// Names values by a keyed hash; see [`crate::TenantKey::placeholder_key`].
///
/// ```
/// # use bartizan_core::seal::Pseudonymizer;
/// # use bartizan_keys::TenantKey;
/// # use bartizan_testkit::SimEntropy;
/// let key = TenantKey::generate("acme-2026", &SimEntropy::new(1))?.placeholder_key()?;
/// assert_eq!(key.tag(b"talk 1", b"jo@example.org"), key.tag(b"talk 1", b"jo@example.org"));
/// assert_ne!(key.tag(b"talk 1", b"jo@example.org"), key.tag(b"talk 2", b"jo@example.org"));
/// # Ok::<(), bartizan_keys::KeyFileError>(())
/// ```
pub struct PlaceholderKey(hmac::Key);

impl PlaceholderKey {
    pub(crate) fn derive(tenant: &[u8; 32]) -> Result<Self, CipherError> {
        Ok(Self(mac_key(expand(tenant, INFO)?.expose())))
    }

    /// A key that nobody keeps: its names last as long as it does.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let secret = crate::secret::Secret::<32>::draw(entropy);
        Self(mac_key(secret.expose()))
    }
}

impl Pseudonymizer for PlaceholderKey {
    fn tag(&self, scope: &[u8], value: &[u8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&(scope.len() as u64).to_le_bytes());
        context.update(scope);
        context.update(value);
        *context.sign().as_ref().first_chunk().expect("SHA-256 has 32 bytes")
    }
}

impl fmt::Debug for PlaceholderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaceholderKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac module from the description above, for a tenant's key of 32 ones.
    const TAG: &str = "3dcf65cf6f4844d8ec13a0b0bd0aacc9";

    fn key(byte: u8) -> PlaceholderKey {
        PlaceholderKey::derive(&[byte; 32]).unwrap()
    }

    #[test]
    fn the_names_do_not_move() {
        let mut hex = String::new();
        crate::file::hex_into(&key(1).tag(b"k-1", b"jo@example.org"), &mut hex);
        assert_eq!(hex, TAG);
    }

    #[test]
    fn nothing_else_has_the_same_name() {
        let name = key(1).tag(b"ab", b"c");
        for (what, other) in [
            ("another key", key(2).tag(b"ab", b"c")),
            ("another scope", key(1).tag(b"abc", b"c")),
            ("another value", key(1).tag(b"ab", b"d")),
            ("the same bytes, divided elsewhere", key(1).tag(b"a", b"bc")),
            ("all in the value", key(1).tag(b"", b"abc")),
        ] {
            assert_ne!(name, other, "{what}");
        }
        assert_eq!(format!("{:?}", key(1)), "PlaceholderKey { .. }", "the key is not printed");
    }
}
