//! One key in the key store's file: 128 bytes, overwritten in place when the key is destroyed.
//!
//! ```text
//! offset  bytes  live                                      destroyed
//!      0      1  0x5a                                      0xa5
//!      1      1  class: 1 a subject's, 2 a period's        0
//!      2      1  code of the retention, 0 for a subject    0
//!      3      1  0                                         0
//!      4     16  the key's random name                     the same
//!     20     16  lookup tag                                0
//!     36      8  made at, milliseconds since 1970          0
//!     44     12  nonce                                     0
//!     56     48  AES-256-GCM(tenant's wrapping key; key)   0
//!    104     20  0                                         0
//!    124      4  CRC-32 of the bytes before                the same
//! ```
//!
//! Numbers are little-endian. The associated data of the wrapped key is the store's random name and the first 44 bytes, so that no field of a
//! slot can be changed, and no slot can move to another store. The tag of a subject is a keyed hash of its name; that of a period is
//! its day, in the last eight bytes. Nothing of a subject's name stands in a slot. A slot of zeros is free.
use crate::cipher::{CipherError, KEY_BYTES, NONCE_BYTES, WRAPPED_BYTES, open_to, seal_in};
use crate::secret::Secret;
use aws_lc_rs::aead::LessSafeKey;
use bartizan_core::record::RecordId;
use bartizan_core::seal::Retention;

/// Bytes of a slot.
pub(crate) const SLOT_BYTES: usize = 128;
const HEAD_BYTES: usize = 44;
const CHECKED_BYTES: usize = SLOT_BYTES - 4;
const SPARE_BYTES: usize = CHECKED_BYTES - HEAD_BYTES - NONCE_BYTES - WRAPPED_BYTES;
const LIVE: u8 = 0x5a;
/// As far from [`LIVE`] as a byte can be, so that no bit that falls over destroys a key.
const DESTROYED: u8 = 0xa5;

/// The bytes of a slot.
pub(crate) type SlotBytes = [u8; SLOT_BYTES];
/// The random name of a store.
pub(crate) type StoreId = [u8; 16];
/// What a slot is found by.
pub(crate) type Tag = [u8; 16];

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Whatever is about one subject.
    Subject,
    /// Whatever was written on one day and is kept equally long.
    Period(Retention),
}

impl Class {
    fn codes(self) -> [u8; 2] {
        match self {
            Self::Subject => [1, 0],
            Self::Period(retention) => [2, retention.code()],
        }
    }

    fn from_codes(codes: [u8; 2]) -> Option<Self> {
        match codes {
            [1, 0] => Some(Self::Subject),
            [2, code] => Retention::from_code(code).map(Self::Period),
            _ => None,
        }
    }
}

/// The tag of a period's key.
pub(crate) fn day_tag(day: u64) -> Tag {
    (u128::from(day) << 64).to_le_bytes()
}

/// The day of a period's tag.
pub(crate) fn tag_day(tag: &Tag) -> u64 {
    u64::from_le_bytes(*tag.last_chunk().expect("a tag is longer than a number"))
}

/// A key that is in use, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) class: Class,
    pub(crate) id: RecordId,
    pub(crate) tag: Tag,
    pub(crate) made_unix_ms: u64,
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) wrapped: [u8; WRAPPED_BYTES],
}

/// What the bytes of a slot turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Never used.
    Free,
    /// In use.
    Live(Slot),
    /// Destroyed, for good.
    Destroyed(RecordId),
    /// A crash came while it was being destroyed: what is left of the key must go.
    HalfDestroyed(RecordId),
    /// A crash came while it was being written, so nobody was told that it is there. The name may be cut short.
    Unfinished(RecordId),
    /// Changed since it was written. The name may be wrong.
    Damaged(RecordId),
}

impl Slot {
    /// Wraps a key into a slot.
    pub(crate) fn wrap(
        mut self,
        by: &LessSafeKey,
        store: &StoreId,
        key: &[u8; KEY_BYTES],
    ) -> Result<Self, CipherError> {
        let (place, _) = self.wrapped.split_at_mut(KEY_BYTES);
        place.copy_from_slice(key);
        let aad = self.aad(store);
        seal_in(by, self.nonce, &aad, &mut self.wrapped)?;
        Ok(self)
    }

    /// The key in it.
    pub(crate) fn unwrap_key(
        &self,
        by: &LessSafeKey,
        store: &StoreId,
    ) -> Result<Secret<KEY_BYTES>, CipherError> {
        let mut outcome = Ok(());
        let key = Secret::write(|bytes| {
            outcome = open_to(by, self.nonce, &self.aad(store), &self.wrapped, bytes);
        });
        outcome.map(|()| key)
    }

    fn aad(&self, store: &StoreId) -> [u8; 16 + HEAD_BYTES] {
        let mut aad = [0; 16 + HEAD_BYTES];
        put(&mut aad, &[store, &self.head()]);
        aad
    }

    fn head(&self) -> [u8; HEAD_BYTES] {
        let [class, retention] = self.class.codes();
        let mut head = [0; HEAD_BYTES];
        let made = self.made_unix_ms.to_le_bytes();
        put(&mut head, &[&[LIVE, class, retention, 0], &self.id.0, &self.tag, &made]);
        head
    }

    /// Its bytes.
    pub(crate) fn encode(&self) -> SlotBytes {
        let mut bytes = [0; SLOT_BYTES];
        put(&mut bytes, &[&self.head(), &self.nonce, &self.wrapped]);
        with_checksum(bytes)
    }
}

/// The bytes of a slot whose key was destroyed.
pub(crate) fn encode_destroyed(id: RecordId) -> SlotBytes {
    let mut bytes = [0; SLOT_BYTES];
    put(&mut bytes, &[&[DESTROYED, 0, 0, 0], &id.0]);
    with_checksum(bytes)
}

/// Writes fields one after the other.
pub(crate) fn put(mut place: &mut [u8], fields: &[&[u8]]) {
    for field in fields {
        let (here, rest) = place.split_at_mut(field.len());
        here.copy_from_slice(field);
        place = rest;
    }
}

/// Writes the checksum of all before it into the last four bytes.
pub(crate) fn with_checksum<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if let Some((checked, place)) = bytes.split_last_chunk_mut::<4>() {
        *place = crc32fast::hash(checked).to_le_bytes();
    }
    bytes
}

/// Whether the last four bytes are the checksum of all before them.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(checked, sum)| crc32fast::hash(checked).to_le_bytes() == *sum)
}

/// Reads a slot.
pub(crate) fn read(bytes: &SlotBytes) -> Found {
    if bytes.iter().all(|byte| *byte == 0) {
        return Found::Free;
    }
    let ([state, class, retention, _], rest) = fixed::<4>(bytes);
    let (id, rest) = fixed::<16>(rest);
    let id = RecordId(id);
    if !is_whole(bytes) {
        return match (state, bytes.last_chunk::<4>()) {
            (DESTROYED, _) => Found::HalfDestroyed(id),
            // The checksum comes last, and was not reached.
            (LIVE, Some([0, 0, 0, 0])) => Found::Unfinished(id),
            _ => Found::Damaged(id),
        };
    }
    let (tag, rest) = fixed::<16>(rest);
    let (made, rest) = fixed::<8>(rest);
    let (nonce, rest) = fixed::<NONCE_BYTES>(rest);
    let (wrapped, _) = fixed::<WRAPPED_BYTES>(rest);
    let live = |class| {
        let made_unix_ms = u64::from_le_bytes(made);
        Slot { class, id, tag, made_unix_ms, nonce, wrapped }
    };
    let found = match (state, Class::from_codes([class, retention])) {
        (LIVE, Some(class)) => Found::Live(live(class)),
        _ => Found::Destroyed(id),
    };
    let encoded = match &found {
        Found::Live(slot) => slot.encode(),
        _ => encode_destroyed(id),
    };
    // One spelling for one fact: a slot that says more than its fields was not written by us.
    if encoded == *bytes { found } else { Found::Damaged(id) }
}

/// The next `N` bytes. A slot has room for all its fields.
fn fixed<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    let (field, rest) = bytes.split_first_chunk().expect("the fields fill no more than a slot");
    (*field, rest)
}

const _: () = assert!(SPARE_BYTES == 20, "the table in the documentation says so");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::aead;
    use proptest::prelude::*;

    fn slot(class: Class) -> Slot {
        let (made_unix_ms, nonce) = (0x0102_0304_0506, [4; 12]);
        Slot { class, id: RecordId([2; 16]), tag: [3; 16], made_unix_ms, nonce, wrapped: [0; 48] }
            .wrap(&aead(&[7; 32]).unwrap(), &[1; 16], &[9; 32])
            .unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        let mut text = String::new();
        crate::file::hex_into(bytes, &mut text);
        text
    }

    #[test]
    fn the_format_does_not_move() {
        let bytes = slot(Class::Period(Retention::Traffic)).encode();
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let want = format!("5a020200{}{}0605040302010000", "02".repeat(16), "03".repeat(16));
        assert_eq!(hex(head), want);
        assert_eq!(hex(&rest[..12]), "04".repeat(12));
        assert_eq!(hex(&rest[60..80]), "00".repeat(20));
        // Computed with the `cryptography` package of Python.
        assert_eq!(
            hex(&rest[12..60]),
            "5c3a21c16fe0720101aba4c70478da740bbec34a2c9bb200469f7b4cc275744ba06710d7c7643bcf45d06de7140c6dd9"
        );
        assert_eq!(hex(&rest[80..]), "dbead0e3");
        let gone = encode_destroyed(RecordId([2; 16]));
        let want = format!("a5000000{}{}23cd0faa", "02".repeat(16), "00".repeat(104));
        assert_eq!(hex(&gone), want);
    }

    #[test]
    fn days_are_tags() {
        for day in [0, 1, 20_000, u64::MAX] {
            assert_eq!(tag_day(&day_tag(day)), day);
        }
    }

    #[test]
    fn a_slot_is_what_was_written() {
        for class in [Class::Subject, Class::Period(Retention::Admission)] {
            assert_eq!(read(&slot(class).encode()), Found::Live(slot(class)));
        }
        let id = RecordId([8; 16]);
        assert_eq!(read(&encode_destroyed(id)), Found::Destroyed(id));
        assert_eq!(read(&[0; SLOT_BYTES]), Found::Free);
        assert_eq!(read(&[0xff; SLOT_BYTES]), Found::Damaged(RecordId([0xff; 16])));
    }

    #[test]
    fn what_is_whole_but_not_ours_is_damage() {
        let id = RecordId([2; 16]);
        let live = slot(Class::Subject).encode();
        let cases: [(&str, usize, u8); 6] = [
            ("class", 1, 3),
            ("a subject with a retention", 2, 1),
            ("reserved", 3, 1),
            ("spare", 104, 1),
            ("state", 0, 0x11),
            ("a destroyed slot with a key", 0, DESTROYED),
        ];
        for (name, at, value) in cases {
            let mut bytes = live;
            bytes[at] = value;
            assert_eq!(read(&with_checksum(bytes)), Found::Damaged(id), "{name}");
        }
    }

    #[test]
    fn every_torn_write_is_told() {
        let (live, gone) = (slot(Class::Subject).encode(), encode_destroyed(RecordId([2; 16])));
        for n_written in 1..SLOT_BYTES {
            let torn = |from: &SlotBytes, to: &SlotBytes| {
                let mut bytes = *from;
                bytes[..n_written].copy_from_slice(&to[..n_written]);
                read(&bytes)
            };
            let made = torn(&[0; SLOT_BYTES], &live);
            assert!(
                matches!(made, Found::Unfinished(_) | Found::Damaged(_)),
                "{n_written} {made:?}"
            );
            assert_eq!(torn(&live, &gone), Found::HalfDestroyed(RecordId([2; 16])), "{n_written}");
        }
    }

    proptest! {
        /// No flipped bit goes unnoticed, and none destroys a key.
        #[test]
        fn flipped_bits_are_damage(bit in 0..SLOT_BYTES * 8) {
            let mut bytes = slot(Class::Subject).encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(matches!(read(&bytes), Found::Damaged(_)));
        }

        /// Whatever the bytes, there is an answer, and what is accepted is written the same way.
        #[test]
        fn hostile_slots_are_answered(fields: [u8; 32], more: [u8; 32], n in 0..SLOT_BYTES, whole: bool) {
            let mut bytes = [0; SLOT_BYTES];
            put(&mut bytes, &[&fields, &more, &more]);
            bytes[n..].fill(0);
            let bytes = if whole { with_checksum(bytes) } else { bytes };
            match read(&bytes) {
                Found::Live(slot) => prop_assert_eq!(slot.encode(), bytes),
                Found::Destroyed(id) => prop_assert_eq!(encode_destroyed(id), bytes),
                _ => {}
            }
        }
    }

    #[test]
    fn a_wrapped_key_opens_in_its_place_only() {
        let (by, store) = (aead(&[7; 32]).unwrap(), [1; 16]);
        let good = slot(Class::Subject);
        assert_eq!(good.unwrap_key(&by, &store).unwrap().expose(), &[9; 32]);
        let other = |change: fn(&mut Slot)| {
            let mut slot = good.clone();
            change(&mut slot);
            slot.unwrap_key(&by, &store).is_err()
        };
        assert!(other(|slot| slot.class = Class::Period(Retention::Payload)));
        assert!(other(|slot| slot.id.0[0] ^= 1));
        assert!(other(|slot| slot.tag[0] ^= 1));
        assert!(other(|slot| slot.made_unix_ms += 1));
        assert!(other(|slot| slot.nonce[0] ^= 1));
        assert!(other(|slot| slot.wrapped[0] ^= 1));
        assert!(good.unwrap_key(&by, &[2; 16]).is_err());
        assert!(good.unwrap_key(&aead(&[8; 32]).unwrap(), &store).is_err());
    }
}
