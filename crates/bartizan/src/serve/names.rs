//! The key that names values in prompts, which is there before anybody asks, and after what is configured has been checked.
use bartizan_core::clock::Entropy;
use bartizan_core::seal::Pseudonymizer;
use bartizan_keys::PlaceholderKey;
use std::sync::{Arc, OnceLock};

/// Names values by the vault's key; where there is no vault, by one that lasts as long as this process.
pub(super) struct Names {
    key: OnceLock<PlaceholderKey>,
    entropy: Arc<dyn Entropy>,
}

impl Names {
    pub(super) fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self { key: OnceLock::new(), entropy }
    }

    /// Names by this key from now on. The first key stays.
    pub(super) fn use_key(&self, key: PlaceholderKey) {
        drop(self.key.set(key));
    }
}

impl Pseudonymizer for Names {
    fn tag(&self, scope: &[u8], value: &[u8]) -> [u8; 16] {
        self.key.get_or_init(|| PlaceholderKey::draw(&*self.entropy)).tag(scope, value)
    }
}
