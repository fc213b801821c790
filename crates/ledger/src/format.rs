//! The bytes on disk, version 3.
//!
//! A log is a row of segment files. A segment is a header block and then *groups*: what one sync made durable. A group starts on a block of
//! its own, so that tearing it cannot touch what an earlier sync promised, and has
//!
//! ```text
//! group frame | [snapshot frame] | leaf frame, its payload frames | ... | zeros | commit mark
//! ```
//!
//! The snapshot stands in the first group of a segment and holds what a writer must know to go on, so that opening a log reads
//! only its last segment. The mark fills the end of the group's last block, where it can be found without reading the group.
//!
//! Every frame is `kind, slot, 0, 0, length (u32), checksum (u32), body`; numbers are little-endian. The checksum is CRC-32 over the first
//! eight bytes and the body, carried on from the checksum of the frame before, and started from the log, the segment, the
//! offset and the number of the group: bytes that were left behind by something else do not pass for live ones. The mark has a checksum of its own and a
//! SHA-256 chain over all marks before it. A group that does not check is torn if no later group exists, and damage if one does.
//!
//! Everybody can compute a checksum and a chain. So each mark also has a *voucher*: a keyed hash by the log's signer over the log, the segment, the
//! mark, its chain and the snapshot. It is what tells the holder of the key that the leaves behind the last signed checkpoint are his own.
use crate::merkle::sha256_of;
use bartizan_core::digest::Digest;
use bartizan_core::sign::{self, Signer};

pub(crate) const VERSION: u32 = 3;
/// The unit in which groups are aligned: a page of the cache, and the largest sector in use.
pub(crate) const BLOCK_BYTES: usize = 4096;
pub(crate) const BLOCK: u64 = BLOCK_BYTES as u64;
pub(crate) const FRAME_HEAD_BYTES: usize = 12;
pub(crate) const GROUP_BODY_BYTES: usize = 24;
pub(crate) const MARK_BYTES: usize = 104 + sign::MARK_BYTES;
/// What a leaf frame holds for each slot: its code, the hash of what is stored, the commitment to its key.
pub(crate) const SLOT_BYTES: usize = 65;
/// Most leaves of one group.
pub(crate) const GROUP_LEAVES_MAX: usize = 16_384;
/// Most INTENTs that may be without an OUTCOME.
pub(crate) const OPEN_RECORDS_MAX: usize = 65_536;
/// Most bytes of a body that is read in one piece: a snapshot of the fullest state.
pub(crate) const BODY_BYTES_MAX: usize = 72 + 64 * 32 + OPEN_RECORDS_MAX * 16;

const SEGMENT_MAGIC: [u8; 8] = *b"BARTIZAN";
const MARK_MAGIC: [u8; 8] = *b"BZCOMMIT";
const SEGMENT_HEAD_BYTES: usize = 44;

/// The random name of a log.
pub(crate) type LogId = [u8; 16];

/// Reads numbers off the front of bytes.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

pub(crate) fn segment_name(number: u64) -> String {
    format!("segment-{number:08}.log")
}

/// The name of a segment that is not ready yet.
pub(crate) fn unready_name(number: u64) -> String {
    format!("segment-{number:08}.new")
}

/// The number in a segment's name; `None` for every other file.
pub(crate) fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("segment-")?.strip_suffix(".log")?.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// Why the first block of a file is not the header that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    Foreign,
    Version(u32),
    Damaged,
}

/// The first block of a segment.
pub(crate) fn encode_head(log: &LogId, segment: u64) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    block.extend_from_slice(&SEGMENT_MAGIC);
    block.extend_from_slice(&VERSION.to_le_bytes());
    block.extend_from_slice(&4096_u32.to_le_bytes());
    block.extend_from_slice(log);
    block.extend_from_slice(&segment.to_le_bytes());
    let checksum = crc32fast::hash(&block);
    block.extend_from_slice(&checksum.to_le_bytes());
    block.resize(BLOCK_BYTES, 0);
    block
}

/// Reads the first block of segment number `segment`: the log it belongs to.
pub(crate) fn decode_head(block: &[u8], segment: u64) -> Result<LogId, HeadFault> {
    let mut bytes = Bytes(block);
    if bytes.take(8) != Some(&SEGMENT_MAGIC) {
        return Err(HeadFault::Foreign);
    }
    let version = bytes.u32().ok_or(HeadFault::Damaged)?;
    if version != VERSION {
        return Err(HeadFault::Version(version));
    }
    let log = block.get(16..32).and_then(|id| LogId::try_from(id).ok());
    log.filter(|log| encode_head(log, segment) == block).ok_or(HeadFault::Damaged)
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    Group = 1,
    Snapshot = 2,
    Leaf = 3,
    Payload = 4,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHead {
    pub(crate) kind: u8,
    pub(crate) slot: u8,
    pub(crate) n_bytes: u32,
    pub(crate) checksum: u32,
}

impl FrameHead {
    /// The part of a head that the checksum covers.
    pub(crate) fn covered(kind: u8, slot: u8, n_bytes: u32) -> [u8; 8] {
        let [a, b, c, d] = n_bytes.to_le_bytes();
        [kind, slot, 0, 0, a, b, c, d]
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let [kind, slot, 0, 0] = bytes.array()? else { return None };
        Some(Self { kind, slot, n_bytes: bytes.u32()?, checksum: bytes.u32()? })
    }
}

/// Where the checksums of a group start from.
pub(crate) fn group_seed(log: &LogId, segment: u64, offset: u64, number: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(log);
    for value in [segment, offset, number] {
        crc.update(&value.to_le_bytes());
    }
    crc.finalize()
}

/// The body of the group frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupHead {
    pub(crate) number: u64,
    /// Index of its first leaf.
    pub(crate) first: u64,
    pub(crate) n_leaves: u32,
    /// From its first byte to the end of its mark; a multiple of the block.
    pub(crate) n_bytes: u32,
}

impl GroupHead {
    pub(crate) fn encode(self) -> [u8; GROUP_BODY_BYTES] {
        let mut body = [0; GROUP_BODY_BYTES];
        let numbers = self.number.to_le_bytes().into_iter().chain(self.first.to_le_bytes());
        let sizes = self.n_leaves.to_le_bytes().into_iter().chain(self.n_bytes.to_le_bytes());
        body.iter_mut().zip(numbers.chain(sizes)).for_each(|(to, from)| *to = from);
        body
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(body);
        let head = Self {
            number: bytes.u64()?,
            first: bytes.u64()?,
            n_leaves: bytes.u32()?,
            n_bytes: bytes.u32()?,
        };
        bytes.0.is_empty().then_some(head)
    }
}

/// The end of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    /// Offset of the group's first byte.
    pub(crate) start: u64,
    /// Leaves in the log, this group's included.
    pub(crate) size: u64,
    pub(crate) root: Digest,
    /// Checksum of the last frame.
    pub(crate) checksum: u32,
    /// SHA-256 over the chain before and this mark.
    pub(crate) chain: Digest,
    /// By which the log's signer knows the group again.
    pub(crate) voucher: [u8; sign::MARK_BYTES],
}

impl Mark {
    /// A mark that carries on `chain`, and that nobody vouches for yet.
    pub(crate) fn new(
        head: GroupHead,
        start: u64,
        root: Digest,
        checksum: u32,
        chain: &Digest,
    ) -> Self {
        let size = head.first + u64::from(head.n_leaves);
        let (number, voucher) = (head.number, [0; sign::MARK_BYTES]);
        let mut mark = Self { number, start, size, root, checksum, chain: *chain, voucher };
        mark.chain = mark.chained(chain);
        mark
    }

    /// What `signer` says of a group with this mark in this place. The root stands for the leaves, which stand for their payloads; the chain
    /// for all groups before it. The snapshot is bound by a checksum only, so it is named by itself.
    pub(crate) fn vouch(
        &self,
        signer: &dyn Signer,
        log: &LogId,
        segment: u64,
        snapshot: Option<&[u8]>,
    ) -> [u8; sign::MARK_BYTES] {
        let mut message = Vec::with_capacity(2 * MARK_BYTES);
        message.extend_from_slice(log);
        message.extend_from_slice(&segment.to_le_bytes());
        message.extend_from_slice(&self.facts());
        message.extend_from_slice(&self.chain.0);
        message.extend(snapshot.map(|body| sha256_of(&[body]).0).into_iter().flatten());
        signer.mark(&message)
    }

    /// The chain that this mark must have after `before`.
    pub(crate) fn chained(&self, before: &Digest) -> Digest {
        sha256_of(&[&before.0, &self.facts()])
    }

    fn facts(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MARK_BYTES);
        bytes.extend_from_slice(&MARK_MAGIC);
        for value in [self.number, self.start, self.size] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&self.root.0);
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    /// The bytes of this mark when it stands at `offset`.
    pub(crate) fn encode(&self, log: &LogId, segment: u64, offset: u64) -> Vec<u8> {
        let mut bytes = self.facts();
        bytes.extend_from_slice(&self.chain.0);
        bytes.extend_from_slice(&self.voucher);
        let checksum = mark_checksum(&bytes, log, segment, offset);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the mark at `offset`; `None` unless it was written to that very place of that very log.
    pub(crate) fn decode(bytes: &[u8], log: &LogId, segment: u64, offset: u64) -> Option<Self> {
        let (covered, checksum) = bytes.split_at_checked(MARK_BYTES - 4)?;
        let mut rest = Bytes(covered);
        if rest.take(8)? != MARK_MAGIC
            || Bytes(checksum).u32()? != mark_checksum(covered, log, segment, offset)
        {
            return None;
        }
        Some(Self {
            number: rest.u64()?,
            start: rest.u64()?,
            size: rest.u64()?,
            root: Digest(rest.array()?),
            checksum: rest.u32()?,
            chain: Digest(rest.array()?),
            voucher: rest.array()?,
        })
    }
}

fn mark_checksum(covered: &[u8], log: &LogId, segment: u64, offset: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(log);
    crc.update(&segment.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(covered);
    crc.finalize()
}

/// The chain before the first group.
pub(crate) fn genesis(log: &LogId) -> Digest {
    sha256_of(&[b"bartizan log 3", log])
}

const _: () = assert!(SEGMENT_HEAD_BYTES <= BLOCK_BYTES && MARK_BYTES <= BLOCK_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::SimSigner;

    const LOG: LogId = [9; 16];

    #[test]
    fn names_are_read_back_and_others_are_not() {
        for number in [0, 7, 99_999_999, 123_456_789] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        for name in ["segment-1.log", "segment-00000001.new", "checkpoint", "segment-+0000001.log"]
        {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }

    #[test]
    fn a_header_says_what_is_wrong_with_it() {
        let good = encode_head(&LOG, 3);
        assert_eq!(decode_head(&good, 3), Ok(LOG));
        assert_eq!(decode_head(&good, 4), Err(HeadFault::Damaged), "another segment's");
        assert_eq!(decode_head(&[], 3), Err(HeadFault::Foreign));
        for at in 0..BLOCK_BYTES {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let want = match at {
                0..8 => HeadFault::Foreign,
                8..12 => HeadFault::Version(u32::from_le_bytes(bad[8..12].try_into().unwrap())),
                _ => HeadFault::Damaged,
            };
            assert_eq!(decode_head(&bad, 3), Err(want), "byte {at}");
        }
    }

    #[test]
    fn a_mark_is_one_only_where_it_was_written() {
        let head = GroupHead { number: 5, first: 10, n_leaves: 2, n_bytes: 8192 };
        let signer = SimSigner::new("example.com/log", 1);
        let mut mark = Mark::new(head, 4096, Digest([1; 32]), 77, &genesis(&LOG));
        mark.voucher = mark.vouch(&signer, &LOG, 1, None);
        let bytes = mark.encode(&LOG, 1, 8000);
        assert_eq!(bytes.len(), MARK_BYTES);
        assert_eq!(Mark::decode(&bytes, &LOG, 1, 8000), Some(mark));
        assert_eq!(mark.chain, mark.chained(&genesis(&LOG)));
        for (name, log, segment, offset) in
            [("log", [8; 16], 1, 8000), ("segment", LOG, 2, 8000), ("offset", LOG, 1, 8001)]
        {
            assert_eq!(Mark::decode(&bytes, &log, segment, offset), None, "{name}");
        }
        for at in 0..MARK_BYTES {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert_eq!(Mark::decode(&bad, &LOG, 1, 8000), None, "byte {at}");
        }
        assert_eq!(GroupHead::decode(&head.encode()), Some(head));
    }

    #[test]
    fn a_voucher_is_about_everything_that_a_mark_stands_for() {
        let head = GroupHead { number: 5, first: 10, n_leaves: 2, n_bytes: 8192 };
        let mark = Mark::new(head, 4096, Digest([1; 32]), 77, &genesis(&LOG));
        let signer = SimSigner::new("example.com/log", 1);
        let voucher = mark.vouch(&signer, &LOG, 1, Some(b"snapshot"));
        assert_eq!(mark.vouch(&signer, &LOG, 1, Some(b"snapshot")), voucher);
        let others = [
            ("key", mark.vouch(&SimSigner::new("example.com/log", 2), &LOG, 1, Some(b"snapshot"))),
            ("log", mark.vouch(&signer, &[8; 16], 1, Some(b"snapshot"))),
            ("segment", mark.vouch(&signer, &LOG, 2, Some(b"snapshot"))),
            ("snapshot", mark.vouch(&signer, &LOG, 1, Some(b"snapshoz"))),
            ("no snapshot", mark.vouch(&signer, &LOG, 1, None)),
            ("number", Mark { number: 6, ..mark }.vouch(&signer, &LOG, 1, Some(b"snapshot"))),
            ("start", Mark { start: 8192, ..mark }.vouch(&signer, &LOG, 1, Some(b"snapshot"))),
            ("size", Mark { size: 13, ..mark }.vouch(&signer, &LOG, 1, Some(b"snapshot"))),
            ("root", {
                let other = Mark { root: Digest([2; 32]), ..mark };
                other.vouch(&signer, &LOG, 1, Some(b"snapshot"))
            }),
            ("chain", {
                let other = Mark { chain: Digest([2; 32]), ..mark };
                other.vouch(&signer, &LOG, 1, Some(b"snapshot"))
            }),
        ];
        for (name, other) in others {
            assert_ne!(other, voucher, "{name}");
        }
    }
}
