//! Signatures over notes, made by whoever holds the key.
use std::fmt;

/// Bytes of a [`Signer::mark`].
pub const MARK_BYTES: usize = 16;

/// Signs with one Ed25519 key under a public name. Whoever implements it holds the secret; nobody else sees it.
pub trait Signer: Send + Sync {
    /// The key's name, as notes carry it: `example.com/log`. No spaces and no plus sign.
    ///
    /// Source: [C2SP signed-note](https://c2sp.org/signed-note).
    fn name(&self) -> &str;

    /// The public key, 32 bytes.
    fn public_key(&self) -> [u8; 32];

    /// The signature over `message`, 64 bytes.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;

    /// A keyed hash over `message` that nobody without the signing key can make: by it the key's holder knows again what he wrote himself,
    /// before there is a signature over it. Its key is derived from the signing key and serves nothing else.
    fn mark(&self, message: &[u8]) -> [u8; MARK_BYTES];
}

impl fmt::Debug for dyn Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Why nothing was signed. It never says what the key is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {name} could not sign: {reason}")]
pub struct SignError {
    /// The key's public name.
    pub name: String,
    /// What went wrong.
    pub reason: String,
}
