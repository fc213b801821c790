//! The stored bytes of one payload, version 1: a data key of its own, wrapped by the subject's key, and that by the period's.
//!
//! ```text
//! version 1, one byte
//! | name of the period's key, 16 | nonce, 12
//! | AES-256-GCM(period's key;
//!       name of the subject's key, 16 | nonce, 12 | AES-256-GCM(subject's key; data key, 32), 48), 92
//! | AES-256-GCM(content key, nonce of zeros; payload), its length + 16
//! ```
//!
//! Content key and commitment are the 64 bytes of HKDF-Expand-SHA256(data key, "bartizan seal 1"). Each data key is drawn for one
//! payload, so the nonce of zeros is used once with each content key. Associated data is the same everywhere: version, name of the record, code of
//! the payload's slot, code of the retention; so that a payload opens in its place only. The name of the subject's key is inside, so
//! that stored bytes cannot be linked by subject without the period's key.
//!
//! AES-GCM alone does not commit to its key: the commitment, which stands in the leaf, does. Nonces of wrapped keys are random; a key is good for
//! 2^32 of them (NIST SP 800-38D, section 8.3). A period's key meets that at 49,000 payloads a second; the key of nobody in particular is
//! older, but its wraps are out of sight under those of the periods.
use crate::cipher::{
    CipherError, KEY_BYTES, NONCE_BYTES, TAG_BYTES, WRAPPED_BYTES, aead, expand_to, open_to,
    seal_in,
};
use crate::ready::Ready;
use crate::slot::put;
use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use bartizan_core::digest::Digest;
use bartizan_core::record::RecordId;
use bartizan_core::seal::{OpenError, Sealed, Sealing};
use zeroize::Zeroizing;

/// The version of stored bytes that this build writes.
pub const SEALED_VERSION: u8 = 1;
/// How much longer than the payload the stored bytes are.
pub const OVERHEAD_BYTES: usize = PAYLOAD_AT + TAG_BYTES;

const ID_BYTES: usize = 16;
const INNER_BYTES: usize = ID_BYTES + NONCE_BYTES + WRAPPED_BYTES;
const OUTER_AT: usize = 1 + ID_BYTES + NONCE_BYTES;
const PAYLOAD_AT: usize = OUTER_AT + INNER_BYTES + TAG_BYTES;
const BINDING_BYTES: usize = 1 + ID_BYTES + 1 + 1;
const INFO: &str = "bartizan seal 1";
const ZERO_NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

/// What one seal draws: a data key and two nonces.
pub(crate) const DRAWN_BYTES: usize = KEY_BYTES + NONCE_BYTES + NONCE_BYTES;

fn binding(sealing: &Sealing<'_>) -> [u8; BINDING_BYTES] {
    let mut bytes = [0; BINDING_BYTES];
    let codes = [sealing.slot.code(), sealing.retention.code()];
    put(&mut bytes, &[&[SEALED_VERSION], &sealing.record.0, &codes]);
    bytes
}

/// What commits to a data key.
pub(crate) fn commitment_of(data_key: &[u8; KEY_BYTES]) -> Result<Digest, CipherError> {
    derive(data_key).map(|(_, commitment)| Digest(commitment))
}

/// The content key, and what commits to it.
fn derive(data_key: &[u8; KEY_BYTES]) -> Result<(LessSafeKey, [u8; 32]), CipherError> {
    let mut both = Zeroizing::new([0; 64]);
    expand_to(data_key, INFO, both.as_mut_slice())?;
    let (content, commitment) = both.split_first_chunk::<KEY_BYTES>().ok_or(CipherError)?;
    let commitment = commitment.first_chunk().ok_or(CipherError)?;
    Ok((aead(content)?, *commitment))
}

/// Seals a payload with bytes that were drawn for it alone.
pub(crate) fn seal(
    period: &Ready,
    subject: &Ready,
    drawn: &[u8; DRAWN_BYTES],
    sealing: &Sealing<'_>,
    plain: &[u8],
) -> Result<Sealed, CipherError> {
    let (data_key, nonces) = drawn.split_first_chunk::<KEY_BYTES>().ok_or(CipherError)?;
    let (&outer_nonce, nonces) = nonces.split_first_chunk().ok_or(CipherError)?;
    let (&inner_nonce, _) = nonces.split_first_chunk().ok_or(CipherError)?;
    let (content_key, commitment) = derive(data_key)?;
    let aad = binding(sealing);

    let mut bytes = Vec::with_capacity(OVERHEAD_BYTES + plain.len());
    bytes.push(SEALED_VERSION);
    bytes.extend_from_slice(&period.id.0);
    bytes.extend_from_slice(&outer_nonce);
    bytes.extend_from_slice(&subject.id.0);
    bytes.extend_from_slice(&inner_nonce);
    bytes.extend_from_slice(data_key);
    bytes.resize(PAYLOAD_AT, 0);
    bytes.extend_from_slice(plain);
    bytes.resize(OVERHEAD_BYTES + plain.len(), 0);

    let (head, payload) = bytes.split_at_mut(PAYLOAD_AT);
    seal_in(&content_key, ZERO_NONCE, &aad, payload)?;
    let (_, outer) = head.split_at_mut(OUTER_AT);
    let wrapped = outer.get_mut(ID_BYTES + NONCE_BYTES..INNER_BYTES).ok_or(CipherError)?;
    seal_in(&subject.key, inner_nonce, &aad, wrapped)?;
    seal_in(&period.key, outer_nonce, &aad, outer)?;
    Ok(Sealed { bytes, commitment: Digest(commitment) })
}

/// Stored bytes, taken apart as far as that goes without a key.
pub(crate) struct Envelope<'a> {
    /// The period's key.
    pub(crate) period: RecordId,
    nonce: [u8; NONCE_BYTES],
    outer: &'a [u8],
    payload: &'a [u8],
    aad: [u8; BINDING_BYTES],
}

/// The same after the period's key was used.
pub(crate) struct Opened<'a> {
    /// The subject's key.
    pub(crate) subject: RecordId,
    nonce: [u8; NONCE_BYTES],
    wrapped: [u8; WRAPPED_BYTES],
    payload: &'a [u8],
    aad: [u8; BINDING_BYTES],
}

impl<'a> Envelope<'a> {
    /// Takes stored bytes apart.
    ///
    /// # Errors
    /// [`OpenError::Version`] and [`OpenError::Damaged`].
    pub(crate) fn read(sealing: &Sealing<'_>, stored: &'a [u8]) -> Result<Self, OpenError> {
        let (&version, rest) = stored.split_first().ok_or(OpenError::Damaged)?;
        if version != SEALED_VERSION {
            return Err(OpenError::Version { version });
        }
        let (&period, rest) = rest.split_first_chunk().ok_or(OpenError::Damaged)?;
        let (&nonce, rest) = rest.split_first_chunk().ok_or(OpenError::Damaged)?;
        let (outer, payload) =
            rest.split_at_checked(INNER_BYTES + TAG_BYTES).ok_or(OpenError::Damaged)?;
        Ok(Self { period: RecordId(period), nonce, outer, payload, aad: binding(sealing) })
    }

    /// Takes the period's key off.
    pub(crate) fn open(self, period: &LessSafeKey) -> Result<Opened<'a>, CipherError> {
        let mut inner = [0; INNER_BYTES];
        open_to(period, self.nonce, &self.aad, self.outer, &mut inner)?;
        let (&subject, rest) = inner.split_first_chunk().ok_or(CipherError)?;
        let (&nonce, rest) = rest.split_first_chunk().ok_or(CipherError)?;
        let &wrapped = rest.first_chunk().ok_or(CipherError)?;
        let Self { payload, aad, .. } = self;
        Ok(Opened { subject: RecordId(subject), nonce, wrapped, payload, aad })
    }

    /// Decrypts the payload with its data key alone, without those that wrap it; otherwise as [`Opened::open`].
    pub(crate) fn open_with<T>(
        self,
        data_key: &[u8; KEY_BYTES],
        commitment: &Digest,
        more: impl FnOnce(&[u8; KEY_BYTES], &[u8]) -> Result<T, CipherError>,
    ) -> Result<(Vec<u8>, T), CipherError> {
        open_payload(data_key, commitment, &self.aad, self.payload, more)
    }
}

impl Opened<'_> {
    /// Takes the subject's key off, checks the commitment in constant time, and decrypts the payload. `more` is shown the data key and the text.
    pub(crate) fn open<T>(
        self,
        subject: &LessSafeKey,
        commitment: &Digest,
        more: impl FnOnce(&[u8; KEY_BYTES], &[u8]) -> Result<T, CipherError>,
    ) -> Result<(Vec<u8>, T), CipherError> {
        let mut data_key = Zeroizing::new([0; KEY_BYTES]);
        open_to(subject, self.nonce, &self.aad, &self.wrapped, data_key.as_mut_slice())?;
        open_payload(&data_key, commitment, &self.aad, self.payload, more)
    }
}

/// Checks the commitment in constant time, and decrypts the payload. `more` is shown the data key and the text.
fn open_payload<T>(
    data_key: &[u8; KEY_BYTES],
    commitment: &Digest,
    aad: &[u8],
    payload: &[u8],
    more: impl FnOnce(&[u8; KEY_BYTES], &[u8]) -> Result<T, CipherError>,
) -> Result<(Vec<u8>, T), CipherError> {
    let (content_key, found) = derive(data_key)?;
    verify_slices_are_equal(&found, &commitment.0)?;
    let n_plain = payload.len().checked_sub(TAG_BYTES).ok_or(CipherError)?;
    let mut plain = vec![0; n_plain];
    open_to(&content_key, ZERO_NONCE, aad, payload, &mut plain)?;
    let more = more(data_key, &plain)?;
    Ok((plain, more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Class;
    use bartizan_core::record::Slot;
    use bartizan_core::seal::Retention;
    use proptest::prelude::*;

    /// Computed with the `cryptography` package of Python from the description above.
    const STORED: &str = concat!(
        "01a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1202122232425262728292a2b115b8a4d841c299ea637c0",
        "4e3e711ffba6885c21869f266049279d288549513c4de493a5bb7b51e0fdba898d38372d53d1ae4e",
        "73f52e3ea0a94c42c3ee0eafa0b6a527b536bf335bceaf0d6ac2f62f9f6495be8b110559b24c1eaa",
        "67399645f26315a0fcd39b15b106b26e9856801b99bd",
    );
    const COMMITMENT: &str = "30a2f25cce8e79b6974eb43805b257775bcb77f8edc206715583e97b8dbbbf3f";
    const PSEUDONYM: &str = "c2b36534fe2d2ddf799a8885f06bcca3";

    fn hex(bytes: &[u8]) -> String {
        let mut text = String::new();
        crate::file::hex_into(bytes, &mut text);
        text
    }

    fn keys() -> (Ready, Ready) {
        let period = Class::Period(Retention::Traffic);
        let period = Ready::new(RecordId([0xa1; 16]), period, &[1; 32]).unwrap();
        (period, Ready::new(RecordId([0xa2; 16]), Class::Subject, &[2; 32]).unwrap())
    }

    fn sealing() -> Sealing<'static> {
        let (slot, retention) = (Slot::Received, Retention::Traffic);
        Sealing { record: RecordId([7; 16]), slot, retention, subject: None, unix_ms: 0 }
    }

    fn sealed(plain: &[u8]) -> Sealed {
        let drawn = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let (period, subject) = keys();
        seal(&period, &subject, &drawn, &sealing(), plain).unwrap()
    }

    /// The whole way, with keys at hand; an error says where it ended.
    fn open(sealing: &Sealing<'_>, commitment: &Digest, stored: &[u8]) -> Result<Vec<u8>, String> {
        let (period, subject) = keys();
        let envelope = Envelope::read(sealing, stored).map_err(|error| error.to_string())?;
        if envelope.period != period.id {
            return Err("another period".to_owned());
        }
        let opened = envelope.open(&period.key).map_err(|_| "period".to_owned())?;
        assert_eq!(opened.subject, subject.id, "the name is under the period's key");
        let text = opened.open(&subject.key, commitment, |_, _| Ok(()));
        text.map(|(text, ())| text).map_err(|_| "subject".to_owned())
    }

    #[test]
    fn the_format_does_not_move() {
        let sealed = sealed(b"hello");
        assert_eq!(hex(&sealed.bytes), STORED);
        assert_eq!(sealed.commitment.to_string(), COMMITMENT);
        assert_eq!(hex(&keys().1.pseudonym(RecordId([7; 16])).unwrap()), PSEUDONYM);
        assert_eq!(keys().0.pseudonym(RecordId([7; 16])), None);
    }

    #[test]
    fn payloads_of_every_size_come_back() {
        for n_bytes in [0, 1, 15, 16, 17, 5120, 100_000] {
            let plain = vec![0x61; n_bytes];
            let sealed = sealed(&plain);
            assert_eq!(sealed.bytes.len(), OVERHEAD_BYTES + n_bytes);
            assert_eq!(open(&sealing(), &sealed.commitment, &sealed.bytes), Ok(plain));
        }
        assert_eq!(OVERHEAD_BYTES, 137);
    }

    #[test]
    fn no_flipped_bit_and_no_cut_opens() {
        let Sealed { bytes, commitment } = sealed(b"hello");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&sealing(), &commitment, &flipped).is_err(), "bit {bit}");
        }
        for n_bytes in 0..bytes.len() {
            assert!(open(&sealing(), &commitment, &bytes[..n_bytes]).is_err(), "cut to {n_bytes}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(open(&sealing(), &commitment, &longer).is_err());
        for bit in 0..256 {
            let mut other = commitment;
            other.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&sealing(), &other, &bytes), Err("subject".to_owned()));
        }
    }

    #[test]
    fn a_payload_opens_in_its_place_only() {
        let Sealed { bytes, commitment } = sealed(b"hello");
        let good = sealing();
        let places = [
            ("record", Sealing { record: RecordId([8; 16]), ..good }),
            ("slot", Sealing { slot: Slot::Released, ..good }),
            ("retention", Sealing { retention: Retention::Payload, ..good }),
        ];
        for (name, place) in places {
            assert_eq!(open(&place, &commitment, &bytes), Err("period".to_owned()), "{name}");
        }
        // The subject and the time are not asked for.
        let other = Sealing { subject: Some("bob"), unix_ms: 1, ..good };
        assert_eq!(open(&other, &commitment, &bytes).unwrap(), b"hello");
    }

    #[test]
    fn another_version_is_told() {
        let mut bytes = sealed(b"hello").bytes;
        bytes[0] = 2;
        let error = Envelope::read(&sealing(), &bytes).err();
        assert_eq!(error, Some(OpenError::Version { version: 2 }));
        assert_eq!(Envelope::read(&sealing(), b"").err(), Some(OpenError::Damaged));
    }

    proptest! {
        /// Whatever the bytes, there is an answer.
        #[test]
        fn hostile_bytes_are_answered(bytes: Vec<u8>, commitment: [u8; 32]) {
            let bytes = [&[SEALED_VERSION][..], &[0xa1; 16], &bytes].concat();
            prop_assert!(open(&sealing(), &Digest(commitment), &bytes).is_err());
        }
    }
}
