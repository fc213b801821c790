//! The key of one payload, handed out so that somebody without the vault can open that payload and no other.
//!
//! Whoever has it can read the payload for ever: erasing the person or the period afterwards takes back nothing. It opens no second text, because
//! the leaf commits to it, and leads to no other key: it was drawn at random, and wraps nothing.
use crate::cipher::{CipherError, KEY_BYTES};
use crate::envelope::{Envelope, commitment_of};
use crate::pieces::pieces;
use crate::secret::Secret;
use crate::store::KeyStore;
use bartizan_core::digest::{Digest, HexError, parse_hex, write_hex};
use bartizan_core::seal::{OpenError, Opener, Sealing};
use std::fmt::{self, Write as _};
use zeroize::Zeroizing;

/// The data key of one payload. It prints as `DataKey(..)`; [`DataKey::to_text`] is the one way to write it out.
///
/// It opens as a key store does ([`Opener`]), and knows no keys that could be gone: what does not fit is [`OpenError::Damaged`].
pub struct DataKey(Secret<KEY_BYTES>);

impl DataKey {
    /// Reads what [`DataKey::to_text`] wrote.
    ///
    /// # Errors
    /// [`HexError`] for anything but 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, HexError> {
        let key = Zeroizing::new(parse_hex::<KEY_BYTES>(text)?);
        Ok(Self::of(&key))
    }

    /// The key in hexadecimal, for whoever is meant to read the payload.
    pub fn to_text(&self) -> Zeroizing<String> {
        // Room for all of it: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY_BYTES));
        write!(text, "{}", Hex(self.0.expose())).unwrap_or_default();
        text
    }

    /// What a leaf that commits to this key says; `None` where the cryptographic module refuses.
    pub fn commitment(&self) -> Option<Digest> {
        commitment_of(self.0.expose()).ok()
    }

    fn of(key: &[u8; KEY_BYTES]) -> Self {
        Self(Secret::write(|bytes| bytes.copy_from_slice(key)))
    }

    fn open_and<T>(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
        more: impl FnOnce(&[u8; KEY_BYTES], &[u8]) -> Result<T, CipherError>,
    ) -> Result<(Vec<u8>, T), OpenError> {
        let opened = Envelope::read(sealing, stored)?.open_with(self.0.expose(), commitment, more);
        opened.map_err(|CipherError| OpenError::Damaged)
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, self.0)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl Opener for DataKey {
    fn open(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        self.open_and(sealing, commitment, stored, |_, _| Ok(())).map(|(text, ())| text)
    }

    fn open_stream(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<(Vec<u8>, Vec<Digest>), OpenError> {
        self.open_and(sealing, commitment, stored, pieces)
    }
}

impl KeyStore {
    /// The data key of one payload, which opens it: the whole payload is decrypted to know that. Whoever hands it out records that first.
    ///
    /// # Errors
    /// Those of [`Opener::open`]: of what was forgotten there is no key.
    pub fn data_key(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<DataKey, OpenError> {
        let opened = self.open_with(sealing, commitment, stored, |key, _| Ok(DataKey::of(key)));
        opened.map(|(text, key)| {
            drop(Zeroizing::new(text));
            key
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, TenantKey};
    use bartizan_core::record::{RecordId, Slot};
    use bartizan_core::seal::{PIECE_BYTES, Retention, Sealed, Sealer};
    use bartizan_testkit::{SimClock, SimDisk, SimEntropy};
    use std::sync::Arc;

    fn store() -> KeyStore {
        let (disk, clock) = (SimDisk::new(1), SimClock::new(1_800_000_000_000));
        let entropy = SimEntropy::new(1);
        let tenant = TenantKey::generate("acme", &entropy).unwrap();
        let (clock, entropy) = (Arc::new(clock), Arc::new(entropy));
        KeyStore::open(Arc::new(disk), clock, entropy, &tenant, Options::default()).unwrap().0
    }

    fn sealing(record: u8, slot: Slot) -> Sealing<'static> {
        Sealing {
            record: RecordId([record; 16]),
            slot,
            retention: Retention::Payload,
            subject: Some("alice"),
            unix_ms: 1_800_000_000_000,
        }
    }

    #[test]
    fn it_opens_its_payload_and_nothing_else() {
        let store = store();
        let own = sealing(7, Slot::Released);
        let text = vec![b'x'; PIECE_BYTES + 1];
        let (sealed, hashes) = store.seal_stream(&own, &text).unwrap();
        let Sealed { bytes, commitment } = sealed;
        let key = store.data_key(&own, &commitment, &bytes).unwrap();
        assert_eq!(key.commitment(), Some(commitment));
        assert_eq!(key.open(&own, &commitment, &bytes).as_deref(), Ok(&text[..]));
        let both = key.open_stream(&own, &commitment, &bytes).unwrap();
        assert_eq!(both, (text.clone(), hashes));

        let other = store.seal(&sealing(8, Slot::Released), &text).unwrap();
        let beside = store.seal(&sealing(7, Slot::Received), &text).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        let cases = [
            ("another record", sealing(8, Slot::Released), commitment, &bytes),
            ("another slot", sealing(7, Slot::Received), commitment, &bytes),
            ("another payload", own, other.commitment, &other.bytes),
            (
                "another payload beside it",
                sealing(7, Slot::Received),
                beside.commitment,
                &beside.bytes,
            ),
            ("another commitment", own, beside.commitment, &bytes),
            ("another text of the same person", own, commitment, &other.bytes),
            ("a changed byte", own, commitment, &changed),
            ("nothing", own, commitment, &Vec::new()),
        ];
        for (name, place, commitment, stored) in cases {
            assert_eq!(key.open(&place, &commitment, stored), Err(OpenError::Damaged), "{name}");
        }
        let mut newer = bytes.clone();
        newer[0] = 9;
        let told = key.open(&own, &commitment, &newer);
        assert_eq!(told, Err(OpenError::Version { version: 9 }));
    }

    #[test]
    fn it_is_written_out_on_request_only() {
        let store = store();
        let own = sealing(7, Slot::Released);
        let Sealed { bytes, commitment } = store.seal(&own, b"a text").unwrap();
        let key = store.data_key(&own, &commitment, &bytes).unwrap();
        let text = key.to_text();
        for printed in [format!("{key:?}"), format!("{key:#?}")] {
            assert_eq!(printed, "DataKey(..)");
        }
        let again = DataKey::parse(&text).unwrap();
        assert_eq!(again.open(&own, &commitment, &bytes).as_deref(), Ok(&b"a text"[..]));
        let long = format!("{}0", &*text);
        for (name, wrong) in [
            ("empty", ""),
            ("short", &"0".repeat(63)),
            ("long", &long),
            ("no digits", &"g".repeat(64)),
        ] {
            assert!(DataKey::parse(wrong).is_err(), "{name}");
        }
    }

    #[test]
    fn of_what_was_forgotten_there_is_none() {
        let store = store();
        let own = sealing(7, Slot::Released);
        let Sealed { bytes, commitment } = store.seal(&own, b"a text").unwrap();
        let key = store.data_key(&own, &commitment, &bytes).unwrap();
        let id = store.subject_key(store.tag("alice").unwrap()).unwrap();
        assert!(store.destroy(id).unwrap());
        let gone = store.data_key(&own, &commitment, &bytes).err();
        assert_eq!(gone, Some(OpenError::KeyGone { key: id }));
        assert!(key.open(&own, &commitment, &bytes).is_ok(), "what was handed out stays out");
    }
}
