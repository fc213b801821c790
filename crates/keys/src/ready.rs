//! A key that was unwrapped and is ready for use: its schedule is expanded once, not at every seal.
use crate::cipher::{CipherError, KEY_BYTES, aead, expand, mac_16, mac_key};
use crate::slot::Class;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;
use bartizan_core::record::RecordId;
use std::fmt;

/// A key, ready for use. The provider wipes its copies when they are freed.
pub(crate) struct Ready {
    pub(crate) id: RecordId,
    pub(crate) class: Class,
    pub(crate) key: LessSafeKey,
    /// Makes pseudonyms; subjects have it, periods have no use for it.
    pseudonyms: Option<hmac::Key>,
}

impl Ready {
    pub(crate) fn new(
        id: RecordId,
        class: Class,
        key: &[u8; KEY_BYTES],
    ) -> Result<Self, CipherError> {
        let pseudonyms = match class {
            Class::Subject => Some(mac_key(expand(key, "bartizan pseudonym 1")?.expose())),
            Class::Period(_) => None,
        };
        Ok(Self { id, class, key: aead(key)?, pseudonyms })
    }

    /// The subject's name in one record, if this is a subject's key.
    pub(crate) fn pseudonym(&self, record: RecordId) -> Option<[u8; 16]> {
        self.pseudonyms.as_ref().map(|key| mac_16(key, &record.0))
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("id", &self.id)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}
