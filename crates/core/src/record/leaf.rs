//! The leaf and its bytes.
use super::cbor::{Reader, Writer};
use super::{Outcome, RecordId, RecordKind};
use crate::digest::Digest;

/// The version of the leaf format.
pub const LEAF_VERSION: u64 = 1;
/// Most bytes of one encoded leaf.
pub const LEAF_BYTES_MAX: usize = 300;
/// Most bytes of the caller's key id, and of the route's name.
pub const NAME_BYTES_MAX: usize = 24;

/// One line of the ledger. Absent fields cost nothing in the encoding, and no kind of record needs all of them: what an INTENT
/// says of the caller its OUTCOME does not repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Which exchange (or other subject) this is about.
    pub record: RecordId,
    /// Wall time, milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    /// What is recorded.
    pub kind: RecordKind,
    /// The caller's key, by its public id; at most [`NAME_BYTES_MAX`] bytes.
    pub key_id: Option<String>,
    /// A pseudonym of the person it is about, made anew for every record.
    pub subject: Option<[u8; 16]>,
    /// The route; at most [`NAME_BYTES_MAX`] bytes.
    pub route: Option<String>,
    /// The model's artifact digest, where admission established one.
    pub model: Option<Digest>,
    /// The policy in force.
    pub policy: Option<Digest>,
    /// What the guards said: a bit set that `gateway` defines.
    pub verdict: u64,
    /// SHA-256 over the hashes of the stored payload bytes: for each slot in order, its code (one byte) and its hash (32).
    pub payload_root: Option<Digest>,
    /// Commitment to the key that seals the payloads.
    pub key_commitment: Option<Digest>,
    /// Of a stream: RFC 6962 root over the hashes of the pieces of its released text, as [`crate::seal::Sealer::seal_stream`] makes
    /// them. How the stream was cut does not change it.
    pub stream_root: Option<Digest>,
    /// Tokens that the upstream counted: prompt, completion.
    pub tokens: Option<(u64, u64)>,
    /// How the exchange ended.
    pub outcome: Option<Outcome>,
    /// How many events a tally stands for.
    pub count: Option<u64>,
}

/// Why a leaf has no encoding, or bytes are no leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// A name is longer than a leaf has room for.
    #[error("{field} has {bytes} bytes, at most {NAME_BYTES_MAX} fit: choose a shorter name")]
    NameTooLong {
        /// Which name.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// All fields together are too much.
    #[error("a leaf of {bytes} bytes is over the limit of {LEAF_BYTES_MAX}")]
    TooLong {
        /// The length it would have.
        bytes: usize,
    },
    /// The bytes are of another version.
    #[error(
        "leaf version {version} is not known to this build (it knows {LEAF_VERSION}): use a newer one"
    )]
    Version {
        /// The version found.
        version: u64,
    },
    /// The bytes are not the canonical encoding of any leaf.
    #[error("not a leaf: {field} is missing, malformed or out of order")]
    Malformed {
        /// Where reading stopped.
        field: &'static str,
    },
}

impl Leaf {
    /// A leaf with only its obligatory fields.
    pub fn new(record: RecordId, kind: RecordKind, unix_ms: u64) -> Self {
        Self {
            record,
            unix_ms,
            kind,
            key_id: None,
            subject: None,
            route: None,
            model: None,
            policy: None,
            verdict: 0,
            payload_root: None,
            key_commitment: None,
            stream_root: None,
            tokens: None,
            outcome: None,
            count: None,
        }
    }

    /// The canonical encoding: a CBOR map from small numbers to values, keys ascending, absent fields left out.
    ///
    /// # Errors
    /// [`LeafError::NameTooLong`] and [`LeafError::TooLong`].
    ///
    /// ```
    /// # use bartizan_core::record::{Leaf, RecordId, RecordKind};
    /// let leaf = Leaf::new(RecordId([7; 16]), RecordKind::Intent, 1_700_000_000_000);
    /// assert_eq!(Leaf::decode(&leaf.encode()?)?, leaf);
    /// # Ok::<(), bartizan_core::record::LeafError>(())
    /// ```
    pub fn encode(&self) -> Result<Vec<u8>, LeafError> {
        check_name("key id", self.key_id.as_deref())?;
        check_name("route", self.route.as_deref())?;
        let optional = [
            self.key_id.is_some(),
            self.subject.is_some(),
            self.route.is_some(),
            self.model.is_some(),
            self.policy.is_some(),
            self.payload_root.is_some(),
            self.key_commitment.is_some(),
            self.stream_root.is_some(),
            self.tokens.is_some(),
            self.outcome.is_some(),
            self.count.is_some(),
        ];
        let mut cbor = Writer::default();
        cbor.map(5 + optional.iter().filter(|&&present| present).count() as u64);
        cbor.unsigned(0);
        cbor.unsigned(LEAF_VERSION);
        cbor.unsigned(1);
        cbor.bytes(&self.record.0);
        cbor.unsigned(2);
        cbor.unsigned(self.unix_ms);
        cbor.unsigned(3);
        cbor.unsigned(u64::from(self.kind.code()));
        put(&mut cbor, 4, self.key_id.as_deref(), Writer::text);
        put(&mut cbor, 5, self.subject, |w, v| w.bytes(&v));
        put(&mut cbor, 6, self.route.as_deref(), Writer::text);
        put(&mut cbor, 7, self.model, |w, v| w.bytes(&v.0));
        put(&mut cbor, 8, self.policy, |w, v| w.bytes(&v.0));
        cbor.unsigned(9);
        cbor.unsigned(self.verdict);
        put(&mut cbor, 10, self.payload_root, |w, v| w.bytes(&v.0));
        put(&mut cbor, 11, self.key_commitment, |w, v| w.bytes(&v.0));
        put(&mut cbor, 12, self.stream_root, |w, v| w.bytes(&v.0));
        put(&mut cbor, 13, self.tokens, |w, (prompt, completion)| {
            w.array(2);
            w.unsigned(prompt);
            w.unsigned(completion);
        });
        put(&mut cbor, 14, self.outcome, |w, v| w.unsigned(u64::from(v.code())));
        put(&mut cbor, 15, self.count, Writer::unsigned);
        let bytes = cbor.out.len();
        if LEAF_BYTES_MAX < bytes { Err(LeafError::TooLong { bytes }) } else { Ok(cbor.out) }
    }

    /// Reads the canonical encoding; every other byte string is an error.
    ///
    /// # Errors
    /// [`LeafError::Version`] for a leaf of another version, [`LeafError::TooLong`] and [`LeafError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, LeafError> {
        if LEAF_BYTES_MAX < bytes.len() {
            return Err(LeafError::TooLong { bytes: bytes.len() });
        }
        let mut fields = Fields::open(bytes)?;
        let version = fields.required(0, "version", Reader::unsigned)?;
        if version != LEAF_VERSION {
            return Err(LeafError::Version { version });
        }
        let record = RecordId(fields.required(1, "record", fixed)?);
        let unix_ms = fields.required(2, "time", Reader::unsigned)?;
        let kind = fields.required(3, "kind", |r| RecordKind::from_code(code(r)?))?;
        let leaf = Self {
            key_id: fields.optional(4, "key id", name)?,
            subject: fields.optional(5, "subject", fixed)?,
            route: fields.optional(6, "route", name)?,
            model: fields.optional(7, "model", digest)?,
            policy: fields.optional(8, "policy", digest)?,
            verdict: fields.required(9, "verdict", Reader::unsigned)?,
            payload_root: fields.optional(10, "payload root", digest)?,
            key_commitment: fields.optional(11, "key commitment", digest)?,
            stream_root: fields.optional(12, "stream root", digest)?,
            tokens: fields.optional(13, "tokens", |r| {
                (r.array()? == 2).then_some(())?;
                Some((r.unsigned()?, r.unsigned()?))
            })?,
            outcome: fields.optional(14, "outcome", |r| Outcome::from_code(code(r)?))?,
            count: fields.optional(15, "count", Reader::unsigned)?,
            ..Self::new(record, kind, unix_ms)
        };
        fields.close().map(|()| leaf)
    }
}

fn check_name(field: &'static str, name: Option<&str>) -> Result<(), LeafError> {
    match name {
        Some(name) if NAME_BYTES_MAX < name.len() => {
            Err(LeafError::NameTooLong { field, bytes: name.len() })
        }
        _ => Ok(()),
    }
}

fn put<T>(cbor: &mut Writer, key: u64, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
    if let Some(value) = value {
        cbor.unsigned(key);
        write(cbor, value);
    }
}

/// The pairs of the leaf's map, read in order.
struct Fields<'a> {
    reader: Reader<'a>,
    n_left: u64,
    /// A key that was read and is not yet claimed.
    key: Option<u64>,
}

impl<'a> Fields<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, LeafError> {
        let mut reader = Reader { rest: bytes };
        let n_left = reader.map().ok_or(LeafError::Malformed { field: "map" })?;
        Ok(Self { reader, n_left, key: None })
    }

    fn optional<T>(
        &mut self,
        key: u64,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<Option<T>, LeafError> {
        if self.key.is_none() && 0 < self.n_left {
            self.n_left -= 1;
            self.key = Some(self.reader.unsigned().ok_or(LeafError::Malformed { field })?);
        }
        if self.key != Some(key) {
            return Ok(None);
        }
        self.key = None;
        read(&mut self.reader).map(Some).ok_or(LeafError::Malformed { field })
    }

    fn required<T>(
        &mut self,
        key: u64,
        field: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
    ) -> Result<T, LeafError> {
        self.optional(key, field, read)?.ok_or(LeafError::Malformed { field })
    }

    fn close(self) -> Result<(), LeafError> {
        let done = self.key.is_none() && self.n_left == 0 && self.reader.rest.is_empty();
        if done { Ok(()) } else { Err(LeafError::Malformed { field: "end" }) }
    }
}

fn fixed<const N: usize>(reader: &mut Reader<'_>) -> Option<[u8; N]> {
    reader.bytes()?.try_into().ok()
}

fn digest(reader: &mut Reader<'_>) -> Option<Digest> {
    fixed(reader).map(Digest)
}

fn name(reader: &mut Reader<'_>) -> Option<String> {
    reader.text().filter(|text| text.len() <= NAME_BYTES_MAX).map(str::to_owned)
}

fn code(reader: &mut Reader<'_>) -> Option<u8> {
    u8::try_from(reader.unsigned()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full() -> Leaf {
        Leaf {
            key_id: Some("k".repeat(NAME_BYTES_MAX)),
            subject: Some([2; 16]),
            route: Some("r".repeat(NAME_BYTES_MAX)),
            policy: Some(Digest([4; 32])),
            verdict: u64::MAX,
            payload_root: Some(Digest([5; 32])),
            key_commitment: Some(Digest([7; 32])),
            tokens: Some((u64::from(u32::MAX), u64::from(u32::MAX))),
            outcome: Some(Outcome::Completed),
            ..Leaf::new(RecordId([1; 16]), RecordKind::Outcome, 1 << 42)
        }
    }

    #[test]
    fn a_busy_leaf_fits_and_a_name_too_long_does_not() {
        let leaf = full();
        let bytes = leaf.encode().unwrap();
        assert!(bytes.len() <= LEAF_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Leaf::decode(&bytes).unwrap(), leaf);
        let long = Leaf { route: Some("r".repeat(NAME_BYTES_MAX + 1)), ..leaf.clone() };
        assert_eq!(
            long.encode(),
            Err(LeafError::NameTooLong { field: "route", bytes: NAME_BYTES_MAX + 1 })
        );
        let crowded = Leaf {
            model: Some(Digest([8; 32])),
            stream_root: Some(Digest([9; 32])),
            count: Some(u64::MAX),
            ..leaf
        };
        assert!(matches!(crowded.encode(), Err(LeafError::TooLong { .. })));
    }

    struct Digits<'a>(&'a [u8]);

    impl std::fmt::Display for Digits<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            crate::digest::write_hex(f, self.0)
        }
    }

    #[test]
    fn golden_bytes_never_change() {
        let leaf = Leaf {
            outcome: Some(Outcome::Refused),
            ..Leaf::new(RecordId([0xab; 16]), RecordKind::Outcome, 1_700_000_000_000)
        };
        let hex = Digits(&leaf.encode().unwrap()).to_string();
        assert_eq!(
            hex,
            "a60001 0150 abababababababababababababababab 021b0000018bcfe56800 0302 0900 0e02"
                .replace(' ', "")
        );
    }

    #[test]
    fn only_the_canonical_bytes_are_a_leaf() {
        let bytes = full().encode().unwrap();
        let mut longer = bytes.clone();
        longer.push(0);
        let mut other_version = bytes.clone();
        other_version[2] = 2;
        for (name, bytes) in [
            ("empty", &[][..]),
            ("cut", &bytes[..bytes.len() - 1]),
            ("longer", &longer),
            ("version", &other_version),
        ] {
            assert!(Leaf::decode(bytes).is_err(), "{name}");
        }
        assert_eq!(Leaf::decode(&other_version), Err(LeafError::Version { version: 2 }));
    }

    proptest! {
        /// Decoding is the left inverse of encoding, and nothing else decodes: what decodes encodes to the same bytes.
        #[test]
        fn decode_accepts_only_what_encode_writes(flips in prop::collection::vec((0..250_usize, any::<u8>()), 0..3)) {
            let mut bytes = full().encode().unwrap();
            for (at, value) in flips {
                if let Some(byte) = bytes.get_mut(at) { *byte = value; }
            }
            if let Ok(leaf) = Leaf::decode(&bytes) {
                prop_assert_eq!(leaf.encode().unwrap(), bytes);
            }
        }
    }
}
