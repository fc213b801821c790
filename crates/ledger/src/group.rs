//! One group: how it is put together in memory, and what reading it finds.
use crate::format::{
    BLOCK_BYTES, FRAME_HEAD_BYTES, FrameHead, FrameKind, GROUP_BODY_BYTES, GroupHead, LogId,
    MARK_BYTES, Mark, SLOT_BYTES, group_seed,
};
use crate::record::Record;
use crate::state::State;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use bartizan_core::digest::Digest;
use bartizan_core::record::{RecordId, RecordKind};
use bartizan_core::sign::Signer;

/// More than a group is padded with: at most a block, and the mark's place in it.
const ZEROS: [u8; BLOCK_BYTES + MARK_BYTES] = [0; BLOCK_BYTES + MARK_BYTES];

/// Most payloads of one leaf.
pub(crate) const SLOTS_MAX: usize = 8;

/// Where a group begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) log: &'a LogId,
    pub(crate) segment: u64,
    pub(crate) start: u64,
}

/// A group that was read and whose checksums fit.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) head: GroupHead,
    pub(crate) segment: u64,
    pub(crate) start: u64,
    /// One past the mark.
    pub(crate) end: u64,
    pub(crate) snapshot: Option<State>,
    pub(crate) leaves: Vec<LeafSeen>,
    pub(crate) mark: Mark,
}

#[derive(Debug)]
pub(crate) struct LeafSeen {
    pub(crate) offset: u64,
    pub(crate) record: RecordId,
    pub(crate) kind: RecordKind,
    pub(crate) unix_ms: u64,
    pub(crate) hash: Digest,
}

impl Group {
    /// Whether the holder of this key wrote the group, in this place of this log.
    pub(crate) fn is_vouched(&self, signer: &dyn Signer, log: &LogId) -> bool {
        let snapshot = self.snapshot.as_ref().map(State::encode);
        let voucher = self.mark.vouch(signer, log, self.segment, snapshot.as_deref());
        verify_slices_are_equal(&voucher, &self.mark.voucher).is_ok()
    }
}

/// Bytes of a group whose records' frames take `records_bytes`, from its first byte to the end of its mark.
pub(crate) fn group_bytes(snapshot: Option<&[u8]>, records_bytes: usize) -> usize {
    let snapshot = snapshot.map_or(0, |body| FRAME_HEAD_BYTES + body.len());
    let head = FRAME_HEAD_BYTES + GROUP_BODY_BYTES;
    (head + snapshot + records_bytes + MARK_BYTES).next_multiple_of(BLOCK_BYTES)
}

/// Fills `out` with a whole group and gives back the mark that ends it.
pub(crate) fn build<'a>(
    out: &mut Vec<u8>,
    place: Place<'_>,
    head: GroupHead,
    snapshot: Option<&[u8]>,
    records: impl Iterator<Item = &'a Record>,
    (root, chain): (Digest, &Digest),
    signer: &dyn Signer,
) -> Mark {
    out.clear();
    let seed = group_seed(place.log, place.segment, place.start, head.number);
    let mut frames = Frames { out, checksum: seed };
    frames.put(FrameKind::Group, 0, &[&head.encode()]);
    if let Some(snapshot) = snapshot {
        frames.put(FrameKind::Snapshot, 0, &[snapshot]);
    }
    for record in records {
        frames.put_record(record);
    }
    let mut mark = Mark::new(head, place.start, root, frames.checksum, chain);
    mark.voucher = mark.vouch(signer, place.log, place.segment, snapshot);
    let mark_at = out.len().next_multiple_of(BLOCK_BYTES);
    let mark_at = if mark_at - out.len() < MARK_BYTES { mark_at + BLOCK_BYTES } else { mark_at };
    let padding = mark_at - MARK_BYTES - out.len();
    out.extend_from_slice(ZEROS.get(..padding).unwrap_or_default());
    let offset = place.start + out.len() as u64;
    out.extend_from_slice(&mark.encode(place.log, place.segment, offset));
    mark
}

struct Frames<'a> {
    out: &'a mut Vec<u8>,
    checksum: u32,
}

impl Frames<'_> {
    fn put(&mut self, kind: FrameKind, slot: u8, body: &[&[u8]]) {
        let n_bytes: usize = body.iter().map(|piece| piece.len()).sum();
        // Bodies are bounded by `Options::record_bytes_max`, which is under 2^32.
        let n_bytes = u32::try_from(n_bytes).unwrap_or(u32::MAX);
        let covered = FrameHead::covered(kind as u8, slot, n_bytes);
        let mut crc = crc32fast::Hasher::new_with_initial(self.checksum);
        crc.update(&covered);
        for piece in body {
            crc.update(piece);
        }
        self.checksum = crc.finalize();
        self.out.extend_from_slice(&covered);
        self.out.extend_from_slice(&self.checksum.to_le_bytes());
        for piece in body {
            self.out.extend_from_slice(piece);
        }
    }

    fn put_record(&mut self, record: &Record) {
        let mut slots = [0; 1 + SLOT_BYTES * SLOTS_MAX];
        let n_slots = record.payloads.len();
        let (count, places) = slots.split_at_mut(1);
        count.copy_from_slice(&[u8::try_from(n_slots).unwrap_or(u8::MAX)]);
        let (places, _) = places.as_chunks_mut::<SLOT_BYTES>();
        for (payload, [code, digests @ ..]) in record.payloads.iter().zip(places) {
            *code = payload.slot.code();
            let (hash, commitment) = digests.split_at_mut(32);
            hash.copy_from_slice(&payload.hash.0);
            commitment.copy_from_slice(&payload.commitment.0);
        }
        let slots = slots.get(..1 + SLOT_BYTES * n_slots).unwrap_or_default();
        self.put(FrameKind::Leaf, 0, &[slots, &record.leaf]);
        for payload in &record.payloads {
            self.put(FrameKind::Payload, payload.slot.code(), &[&payload.bytes]);
        }
    }
}

const _: () = assert!(
    bartizan_core::record::Slot::ALL.len() <= SLOTS_MAX,
    "a leaf frame has room for the digests of eight payloads"
);
