//! The first block of the key store's file: which store it is, and whose.
//!
//! The block has 4096 bytes and holds the same 128 bytes twice, at 0 and at 2048, so that one bad sector does not cost every key:
//!
//! ```text
//! offset  bytes
//!      0     16  "bartizan slots ", line feed
//!     16      1  version, 1
//!     17      7  0
//!     24     16  the store's random name
//!     40     16  check value of the tenant's key
//!     56     12  nonce
//!     68     48  AES-256-GCM(tenant's wrapping key; index key), associated data: the first 56 bytes
//!    116      8  0
//!    124      4  CRC-32 of the bytes before
//! ```
//!
//! The index key makes the tags of subjects from their names. It is random and not derived from the tenant's key: names are not kept, so a tag
//! could not be made anew when the tenant's key changes, and a subject that is not found cannot be erased.
use crate::cipher::{CipherError, KEY_BYTES, NONCE_BYTES, WRAPPED_BYTES, open_to, seal_in};
use crate::secret::Secret;
use crate::slot::{SLOT_BYTES, SlotBytes, StoreId, is_whole, put, with_checksum};
use crate::tenant::TenantKey;
use aws_lc_rs::aead::LessSafeKey;

/// Bytes of the first block.
pub(crate) const HEADER_BYTES: usize = 4096;
const SECOND_AT: usize = 2048;
const MAGIC: &[u8; 16] = b"bartizan slots \n";
const VERSION: u8 = 1;
const BOUND_BYTES: usize = 56;

/// What the first block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) store: StoreId,
    pub(crate) check: [u8; 16],
    nonce: [u8; NONCE_BYTES],
    wrapped: [u8; WRAPPED_BYTES],
}

/// Why the first block says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFlaw {
    Foreign,
    Version(u8),
    Damaged,
}

impl Header {
    /// The header of a store for this tenant.
    pub(crate) fn new(
        store: StoreId,
        tenant: &TenantKey,
        wrap: &LessSafeKey,
        index: &Secret<KEY_BYTES>,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Self, CipherError> {
        let mut header =
            Self { store, check: tenant.check_value()?, nonce, wrapped: [0; WRAPPED_BYTES] };
        let (place, _) = header.wrapped.split_at_mut(KEY_BYTES);
        place.copy_from_slice(index.expose());
        let aad = header.bound();
        seal_in(wrap, nonce, &aad, &mut header.wrapped)?;
        Ok(header)
    }

    /// The key that makes tags from names.
    pub(crate) fn index_key(&self, wrap: &LessSafeKey) -> Result<Secret<KEY_BYTES>, CipherError> {
        let mut outcome = Ok(());
        let key = Secret::write(|bytes| {
            outcome = open_to(wrap, self.nonce, &self.bound(), &self.wrapped, bytes);
        });
        outcome.map(|()| key)
    }

    fn bound(&self) -> [u8; BOUND_BYTES] {
        let mut bytes = [0; BOUND_BYTES];
        put(&mut bytes, &[MAGIC, &[VERSION, 0, 0, 0, 0, 0, 0, 0], &self.store, &self.check]);
        bytes
    }

    fn copy(&self) -> SlotBytes {
        let mut bytes = [0; SLOT_BYTES];
        put(&mut bytes, &[&self.bound(), &self.nonce, &self.wrapped]);
        with_checksum(bytes)
    }

    /// The bytes of the block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = self.copy().to_vec();
        block.resize(SECOND_AT, 0);
        block.extend_from_slice(&self.copy());
        block.resize(HEADER_BYTES, 0);
        block
    }

    /// Reads the block; either copy will do.
    pub(crate) fn decode(block: &[u8]) -> Result<Self, HeaderFlaw> {
        let copies = [0, SECOND_AT].map(|at| {
            let copy = block.get(at..).and_then(<[u8]>::first_chunk::<SLOT_BYTES>);
            copy.map_or(Err(HeaderFlaw::Foreign), Self::decode_copy)
        });
        match copies {
            [Ok(header), _] | [_, Ok(header)] => Ok(header),
            [Err(HeaderFlaw::Foreign), Err(flaw)] | [Err(flaw), _] => Err(flaw),
        }
    }

    fn decode_copy(bytes: &SlotBytes) -> Result<Self, HeaderFlaw> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(HeaderFlaw::Foreign)?;
        if !is_whole(bytes) {
            return Err(HeaderFlaw::Damaged);
        }
        let header = (|| {
            let (&[version, ..], rest) = rest.split_first_chunk::<8>()?;
            let (&store, rest) = rest.split_first_chunk()?;
            let (&check, rest) = rest.split_first_chunk()?;
            let (&nonce, rest) = rest.split_first_chunk()?;
            let (&wrapped, _) = rest.split_first_chunk()?;
            Some((version, Self { store, check, nonce, wrapped }))
        })();
        let (version, header) = header.ok_or(HeaderFlaw::Damaged)?;
        if version != VERSION {
            return Err(HeaderFlaw::Version(version));
        }
        if header.copy() == *bytes { Ok(header) } else { Err(HeaderFlaw::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::SimEntropy;

    fn header() -> (Header, LessSafeKey) {
        let tenant = TenantKey::generate("a", &SimEntropy::new(1)).unwrap();
        let wrap = tenant.wrap_key().unwrap();
        let index = Secret::write(|bytes| *bytes = [5; 32]);
        (Header::new([6; 16], &tenant, &wrap, &index, [7; 12]).unwrap(), wrap)
    }

    #[test]
    fn it_is_read_as_written_and_from_either_copy() {
        let (header, wrap) = header();
        let block = header.encode();
        assert_eq!(block.len(), HEADER_BYTES);
        assert!(block.starts_with(b"bartizan slots \n\x01\0\0\0\0\0\0\0\x06\x06"));
        assert_eq!(header.index_key(&wrap).unwrap().expose(), &[5; 32]);
        for (name, from) in [("first", 0), ("second", SECOND_AT)] {
            for at in from..from + SLOT_BYTES {
                let mut block = block.clone();
                block[at] ^= 1;
                assert_eq!(Header::decode(&block), Ok(header.clone()), "{name} {at}");
            }
        }
    }

    #[test]
    fn bad_blocks_are_told() {
        let block = header().0.encode();
        let both = |at: usize, value: u8, mend: bool| {
            let mut block = block.clone();
            for from in [0, SECOND_AT] {
                block[from + at] = value;
                if mend {
                    let copy: SlotBytes = block[from..from + SLOT_BYTES].try_into().unwrap();
                    block[from..from + SLOT_BYTES].copy_from_slice(&with_checksum(copy));
                }
            }
            Header::decode(&block)
        };
        assert_eq!(both(30, 0xff, false), Err(HeaderFlaw::Damaged));
        assert_eq!(both(16, 2, true), Err(HeaderFlaw::Version(2)));
        assert_eq!(both(20, 1, true), Err(HeaderFlaw::Damaged));
        assert_eq!(both(0, b'B', true), Err(HeaderFlaw::Foreign));
        for text in [&b""[..], b"bartizan", &[0; 4096], &block[..100]] {
            assert_eq!(Header::decode(text), Err(HeaderFlaw::Foreign), "{}", text.len());
        }
    }
}
