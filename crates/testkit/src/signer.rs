//! A signing key that everybody knows.
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bartizan_core::sign::{MARK_BYTES, SignError, Signer};
use std::sync::atomic::{AtomicBool, Ordering};

/// Signs with an Ed25519 key made from one byte.
#[derive(Debug)]
pub struct SimSigner {
    name: String,
    pair: Ed25519KeyPair,
    marks: hmac::Key,
    fails: AtomicBool,
}

impl SimSigner {
    /// The key of this name and seed.
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    pub fn new(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a seed");
        let marks = hmac::Key::new(hmac::HMAC_SHA256, &[seed; 32]);
        Self { name: name.to_owned(), pair, marks, fails: AtomicBool::new(false) }
    }

    /// Lets every signature from now on fail.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }
}

impl Signer for SimSigner {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.iter_mut().zip(self.pair.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        if self.fails.load(Ordering::SeqCst) {
            let reason = "the simulated key was told to fail".to_owned();
            return Err(SignError { name: self.name.clone(), reason });
        }
        let mut signature = [0; 64];
        let made = self.pair.sign(message);
        signature.iter_mut().zip(made.as_ref()).for_each(|(to, from)| *to = *from);
        Ok(signature)
    }

    fn mark(&self, message: &[u8]) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        let made = hmac::sign(&self.marks, message);
        mark.iter_mut().zip(made.as_ref()).for_each(|(to, from)| *to = *from);
        mark
    }
}
