//! Reading one segment file, through a window, so that memory stays bounded whatever the file says.
use crate::format::{
    BLOCK, BLOCK_BYTES, BODY_BYTES_MAX, Bytes, FRAME_HEAD_BYTES, FrameHead, FrameKind,
    GROUP_BODY_BYTES, GROUP_LEAVES_MAX, GroupHead, HeadFault, LogId, MARK_BYTES, Mark, SLOT_BYTES,
    decode_head, group_seed, segment_name,
};
use crate::group::{Group, LeafSeen, SLOTS_MAX};
use crate::merkle::{finish, leaf_hash, sha256};
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::reader::{Entry, Stored};
use crate::record::slots_root;
use crate::state::State;
use aws_lc_rs::digest::{Context, SHA256};
use bartizan_core::digest::Digest;
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_core::record::{LEAF_BYTES_MAX, Leaf, Slot};

const WINDOW_BYTES: usize = 256 << 10;
/// Bytes of a segment file that are read: twice what one is given ahead at most, and far more than the largest group needs. Whoever makes one longer, which
/// costs nothing where the file has holes, does not make us read that.
pub(crate) const SEGMENT_FILE_BYTES_MAX: u64 = 2 << 30;
const LEAF_BODY_BYTES_MAX: usize = 1 + SLOT_BYTES * SLOTS_MAX + LEAF_BYTES_MAX;

/// How much of a group is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Payloads are skipped.
    Leaves,
    /// Every checksum is checked.
    Frames,
    /// Every payload is hashed, too.
    Payloads,
}

pub(crate) struct SegmentReader {
    file: Box<dyn DiskFile>,
    pub(crate) log: LogId,
    pub(crate) number: u64,
    /// What was read of the file lies at its front; the rest is old.
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
}

/// A frame whose head was read.
#[derive(Clone, Copy, Debug)]
struct Frame {
    head: FrameHead,
    /// Offset of its body.
    body: u64,
}

/// How far a group was read.
struct Progress {
    offset: u64,
    checksum: u32,
    /// Where the frames must end.
    limit: u64,
    /// What is wrong although every checksum fits; told only when all of them do.
    wrong: Option<Problem>,
}

impl SegmentReader {
    pub(crate) fn open(disk: &dyn Disk, number: u64) -> Result<Self, Trouble> {
        let name = segment_name(number);
        let file = disk.open(&name, false).map_err(LedgerError::disk("open", name));
        let file = file.map_err(Trouble::Disk)?;
        let mut reader =
            Self { file, log: [0; 16], number, window: Vec::new(), window_at: 0, window_len: 0 };
        let bytes = reader.len()?;
        if SEGMENT_FILE_BYTES_MAX < bytes {
            return Err(reader.problem(0, None, Flaw::SegmentLong { bytes }).into());
        }
        let head = decode_head(reader.peek(0, BLOCK_BYTES)?, number);
        reader.log = head.map_err(|fault| reader.problem(0, None, head_flaw(fault)))?;
        Ok(reader)
    }

    pub(crate) fn problem(&self, offset: u64, leaf: Option<u64>, flaw: Flaw) -> Problem {
        Problem { segment: self.number, offset, leaf, flaw }
    }

    fn torn(&self, offset: u64, leaf: Option<u64>, flaw: Flaw) -> Trouble {
        Trouble::Fault { problem: self.problem(offset, leaf, flaw), torn: true }
    }

    fn disk_error(
        &self,
        operation: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Trouble + use<> {
        let error = LedgerError::disk(operation, segment_name(self.number));
        move |source| Trouble::Disk(error(source))
    }

    pub(crate) fn len(&self) -> Result<u64, Trouble> {
        self.file.len().map_err(self.disk_error("measure"))
    }

    /// Forgets what was read, for a file that somebody may be writing.
    pub(crate) fn forget(&mut self) {
        self.window_len = 0;
    }

    /// Up to `n` bytes at `offset`; fewer only at the end of the file.
    fn peek(&mut self, offset: u64, n: usize) -> Result<&[u8], Trouble> {
        let have = offset
            .checked_sub(self.window_at)
            .and_then(|skip| usize::try_from(skip).ok())
            .filter(|&skip| skip + n <= self.window_len);
        let skip = if let Some(skip) = have {
            skip
        } else {
            self.fill(offset, n.max(WINDOW_BYTES))?;
            0
        };
        let window = self.window.get(skip..self.window_len).unwrap_or_default();
        Ok(window.get(..n).unwrap_or(window))
    }

    fn fill(&mut self, offset: u64, n: usize) -> Result<(), Trouble> {
        if self.window.len() < n {
            self.window = vec![0; n];
        }
        self.window_at = offset;
        let mut filled = 0;
        while let Some(rest) = self.window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let n_read = self.file.read_at(rest, offset + filled as u64);
            match n_read.map_err(self.disk_error("read"))? {
                0 => break,
                n_read => filled += n_read,
            }
        }
        self.window_len = filled;
        Ok(())
    }

    /// One past the last byte from `offset` on that is not zero; `offset` when all are.
    pub(crate) fn used_end(&mut self, offset: u64) -> Result<u64, Trouble> {
        let (mut at, mut end) = (offset, offset);
        loop {
            let bytes = self.peek(at, WINDOW_BYTES)?;
            if bytes.is_empty() {
                return Ok(end);
            }
            let n_used = used_bytes(bytes);
            if 0 < n_used {
                end = at + n_used as u64;
            }
            at += bytes.len() as u64;
        }
    }

    /// Whether the mark of a group with such a number stands anywhere from `offset` on.
    pub(crate) fn has_mark(
        &mut self,
        offset: u64,
        is_wanted: impl Fn(u64) -> bool,
    ) -> Result<bool, Trouble> {
        let (log, segment) = (self.log, self.number);
        let mut at = offset.next_multiple_of(BLOCK) + BLOCK - MARK_BYTES as u64;
        loop {
            let bytes = self.peek(at, MARK_BYTES)?;
            if bytes.len() < MARK_BYTES {
                return Ok(false);
            }
            if Mark::decode(bytes, &log, segment, at).is_some_and(|mark| is_wanted(mark.number)) {
                return Ok(true);
            }
            at += BLOCK;
        }
    }

    /// Reads the group at `start`, which must have this number when one is given. What is wrong with the whole group as an
    /// unfinished write would be wrong comes back as a torn fault.
    pub(crate) fn read_group(
        &mut self,
        start: u64,
        number: Option<u64>,
        depth: Depth,
        mut entries: Option<&mut Vec<Entry>>,
    ) -> Result<Group, Trouble> {
        let (head, mark, mut progress) = self.read_ends(start, number)?;
        let snapshot = match start {
            BLOCK => Some(self.read_snapshot(&mut progress, head)?),
            _ => None,
        };
        let mut leaves = Vec::with_capacity(head.n_leaves as usize);
        for index in (head.first..).take(head.n_leaves as usize) {
            let seen = self.read_record(&mut progress, index, depth)?;
            if let Some((seen, entry)) = seen {
                leaves.push(seen);
                if let Some(entries) = entries.as_deref_mut() {
                    entries.push(entry);
                }
            }
        }
        self.read_padding(&progress)?;
        if progress.checksum != mark.checksum {
            return Err(self.torn(progress.offset, None, Flaw::Checksum));
        }
        if let Some(problem) = progress.wrong {
            return Err(problem.into());
        }
        let end = start + u64::from(head.n_bytes);
        Ok(Group { head, segment: self.number, start, end, snapshot, leaves, mark })
    }

    /// Number and first leaf of the first group; `None` when there is none, or it is torn.
    pub(crate) fn first_group(&mut self) -> Result<Option<GroupHead>, Trouble> {
        match self.read_ends(BLOCK, None) {
            Ok((head, ..)) => Ok(Some(head)),
            Err(Trouble::Fault { torn: true, .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Leaves up to the end of the group at `start`, which must have this number, and where it ends; `None` when there is none, or it is torn.
    pub(crate) fn group_end(
        &mut self,
        start: u64,
        number: u64,
    ) -> Result<Option<(u64, u64)>, Trouble> {
        match self.read_ends(start, Some(number)) {
            Ok((head, mark, _)) => Ok(Some((mark.size, start + u64::from(head.n_bytes)))),
            Err(Trouble::Disk(error)) => Err(Trouble::Disk(error)),
            Err(Trouble::Fault { .. }) => Ok(None),
        }
    }

    /// The group frame and the mark, which must agree.
    fn read_ends(
        &mut self,
        start: u64,
        number: Option<u64>,
    ) -> Result<(GroupHead, Mark, Progress), Trouble> {
        let at_body = start + FRAME_HEAD_BYTES as u64;
        let Some(head) = GroupHead::decode(self.peek(at_body, GROUP_BODY_BYTES)?) else {
            return Err(self.torn(start, None, Flaw::Frame));
        };
        if number.is_some_and(|number| number != head.number) {
            return Err(self.torn(start, None, Flaw::Order));
        }
        let checksum = group_seed(&self.log, self.number, start, head.number);
        let mut progress = Progress {
            offset: start,
            checksum,
            limit: at_body + GROUP_BODY_BYTES as u64,
            wrong: None,
        };
        self.whole_frame(&mut progress, FrameKind::Group, GROUP_BODY_BYTES, None)?;
        let end = start + u64::from(head.n_bytes);
        let fits = u64::from(head.n_bytes).is_multiple_of(BLOCK)
            && BLOCK <= u64::from(head.n_bytes)
            && head.n_leaves as usize <= GROUP_LEAVES_MAX
            && head.first.checked_add(u64::from(head.n_leaves)).is_some();
        if !fits {
            return Err(self.problem(start, None, Flaw::Frame).into());
        }
        progress.limit = end - MARK_BYTES as u64;
        let (log, segment) = (self.log, self.number);
        let mark =
            Mark::decode(self.peek(progress.limit, MARK_BYTES)?, &log, segment, progress.limit);
        let belongs = |mark: &Mark| {
            mark.number == head.number
                && mark.start == start
                && mark.size == head.first + u64::from(head.n_leaves)
        };
        match mark.filter(belongs) {
            Some(mark) => Ok((head, mark, progress)),
            None => Err(self.torn(progress.limit, None, Flaw::Mark)),
        }
    }

    fn read_snapshot(
        &mut self,
        progress: &mut Progress,
        head: GroupHead,
    ) -> Result<State, Trouble> {
        let offset = progress.offset;
        let frame = self.whole_frame(progress, FrameKind::Snapshot, BODY_BYTES_MAX, None)?;
        let body = self.peek(frame.body, frame.head.n_bytes as usize)?;
        let state = State::decode(body, head.number, head.first);
        state.ok_or_else(|| self.problem(offset, None, Flaw::Snapshot).into())
    }

    /// A leaf and its payloads; nothing when its checksums fit and its content does not, of which a note is taken.
    fn read_record(
        &mut self,
        progress: &mut Progress,
        index: u64,
        depth: Depth,
    ) -> Result<Option<(LeafSeen, Entry)>, Trouble> {
        let offset = progress.offset;
        let frame =
            self.whole_frame(progress, FrameKind::Leaf, LEAF_BODY_BYTES_MAX, Some(index))?;
        let body = self.peek(frame.body, frame.head.n_bytes as usize)?;
        let Some((slots, encoded)) = split_leaf(body) else {
            return Err(self.problem(offset, Some(index), Flaw::Frame).into());
        };
        let (hash, decoded) = (leaf_hash(encoded), Leaf::decode(encoded));
        let mut payloads = Vec::with_capacity(slots.len());
        for announced in &slots {
            let at = progress.offset;
            let (stored, honest) = self.read_payload(progress, index, announced, depth)?;
            match Slot::from_code(announced.slot).filter(|_| honest) {
                Some(slot) => payloads.push(Stored { slot, ..stored }),
                None => self.note(progress, at, index, Flaw::Payload),
            }
        }
        let leaf = match decoded {
            Ok(leaf) => leaf,
            Err(error) => {
                self.note(progress, offset, index, Flaw::Leaf(error));
                return Ok(None);
            }
        };
        let in_order = slots.is_sorted_by(|a, b| a.slot < b.slot);
        let hashes = slots.iter().map(|slot| (slot.slot, slot.hash));
        let commitments = slots.iter().map(|slot| (slot.slot, slot.commitment));
        let fits = leaf.payload_root == slots_root(hashes)
            && leaf.key_commitment == slots_root(commitments);
        if !in_order || !fits {
            self.note(progress, offset, index, Flaw::Payload);
        }
        let Leaf { record, kind, unix_ms, .. } = leaf;
        let seen = LeafSeen { offset, record, kind, unix_ms, hash };
        let entry = Entry { index, leaf, leaf_hash: hash, payloads, segment: self.number, offset };
        Ok(Some((seen, entry)))
    }

    fn note(&self, progress: &mut Progress, offset: u64, index: u64, flaw: Flaw) {
        if progress.wrong.is_none() {
            progress.wrong = Some(self.problem(offset, Some(index), flaw));
        }
    }

    /// One payload frame, and whether it is the one that was announced, as far as `depth` tells.
    fn read_payload(
        &mut self,
        progress: &mut Progress,
        index: u64,
        announced: &SlotSeen,
        depth: Depth,
    ) -> Result<(Stored, bool), Trouble> {
        let start = progress.offset;
        let frame = self.frame_head(progress, FrameKind::Payload, Some(index))?;
        let FrameHead { n_bytes, checksum, .. } = frame.head;
        let end = frame.body + u64::from(n_bytes);
        let SlotSeen { slot, hash, commitment } = *announced;
        let mut honest = frame.head.slot == slot;
        if depth != Depth::Leaves {
            let mut crc = frame_crc(progress, frame.head);
            let mut sha = (depth == Depth::Payloads).then(|| Context::new(&SHA256));
            let mut at = frame.body;
            while at < end {
                let want = usize::try_from(end - at).unwrap_or(WINDOW_BYTES).min(WINDOW_BYTES / 4);
                let bytes = self.peek(at, want)?;
                if bytes.is_empty() {
                    break;
                }
                crc.update(bytes);
                if let Some(sha) = &mut sha {
                    sha.update(bytes);
                }
                at += bytes.len() as u64;
            }
            if crc.finalize() != checksum || at < end {
                return Err(self.torn(start, Some(index), Flaw::Checksum));
            }
            honest &= sha.is_none_or(|sha| finish(sha) == hash);
        }
        progress.checksum = checksum;
        progress.offset = end;
        let stored = Stored {
            slot: Slot::Released,
            hash,
            commitment,
            bytes: u64::from(n_bytes),
            segment: self.number,
            offset: frame.body,
        };
        Ok((stored, honest))
    }

    /// The head of the next frame, which must be of this kind and end in time.
    fn frame_head(
        &mut self,
        progress: &Progress,
        kind: FrameKind,
        leaf: Option<u64>,
    ) -> Result<Frame, Trouble> {
        let head = FrameHead::decode(self.peek(progress.offset, FRAME_HEAD_BYTES)?);
        let body = progress.offset + FRAME_HEAD_BYTES as u64;
        let fits = |head: &FrameHead| {
            head.kind == kind as u8 && body + u64::from(head.n_bytes) <= progress.limit
        };
        match head.filter(fits) {
            Some(head) => Ok(Frame { head, body }),
            None => Err(self.torn(progress.offset, leaf, Flaw::Frame)),
        }
    }

    /// A frame that is small enough to be read in one piece; its checksum fits.
    fn whole_frame(
        &mut self,
        progress: &mut Progress,
        kind: FrameKind,
        n_bytes_max: usize,
        leaf: Option<u64>,
    ) -> Result<Frame, Trouble> {
        let frame = self.frame_head(progress, kind, leaf)?;
        let n_bytes = frame.head.n_bytes as usize;
        let mut crc = frame_crc(progress, frame.head);
        let whole = n_bytes <= n_bytes_max && {
            let body = self.peek(frame.body, n_bytes)?;
            crc.update(body);
            body.len() == n_bytes
        };
        if !whole || crc.finalize() != frame.head.checksum || frame.head.slot != 0 {
            return Err(self.torn(progress.offset, leaf, Flaw::Checksum));
        }
        progress.checksum = frame.head.checksum;
        progress.offset = frame.body + u64::from(frame.head.n_bytes);
        Ok(frame)
    }

    fn read_padding(&mut self, progress: &Progress) -> Result<(), Trouble> {
        // Less than a block and a mark, when the writer was ours.
        let n_bytes = usize::try_from(progress.limit - progress.offset).unwrap_or(usize::MAX);
        if 2 * BLOCK_BYTES < n_bytes {
            return Err(self.torn(progress.offset, None, Flaw::Frame));
        }
        let bytes = self.peek(progress.offset, n_bytes)?;
        match used_bytes(bytes) {
            0 => Ok(()),
            n_used => Err(self.torn(progress.offset + n_used as u64 - 1, None, Flaw::Stray)),
        }
    }

    /// The bytes of a payload as they are stored; `None` when they are not the ones with this hash.
    pub(crate) fn payload(&mut self, stored: &Stored) -> Result<Option<Vec<u8>>, Trouble> {
        let Some(end) = stored.offset.checked_add(stored.bytes) else { return Ok(None) };
        let (mut at, mut bytes) = (stored.offset, Vec::new());
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let piece = self.peek(at, left.min(WINDOW_BYTES))?;
            // The file ends here: what there is has another hash.
            if piece.is_empty() {
                break;
            }
            bytes.extend_from_slice(piece);
            at += piece.len() as u64;
        }
        Ok((sha256(&bytes) == stored.hash).then_some(bytes))
    }
}

fn head_flaw(fault: HeadFault) -> Flaw {
    match fault {
        HeadFault::Foreign => Flaw::Foreign,
        HeadFault::Version(version) => Flaw::Version { version },
        HeadFault::Damaged => Flaw::Header,
    }
}

fn frame_crc(progress: &Progress, head: FrameHead) -> crc32fast::Hasher {
    let mut crc = crc32fast::Hasher::new_with_initial(progress.checksum);
    crc.update(&FrameHead::covered(head.kind, head.slot, head.n_bytes));
    crc
}

/// Bytes up to the last one that is not zero. Compares blocks, because most of what is asked about is unused.
pub(crate) fn used_bytes(bytes: &[u8]) -> usize {
    let blocks = bytes.chunks(BLOCK_BYTES).rev();
    let n_zero: usize = blocks.take_while(|block| is_zero(block)).map(<[u8]>::len).sum();
    let used = bytes.get(..bytes.len() - n_zero).unwrap_or_default();
    used.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

fn is_zero(block: &[u8]) -> bool {
    const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
    ZEROS.get(..block.len()) == Some(block)
}

/// What a leaf frame says of one payload.
struct SlotSeen {
    slot: u8,
    hash: Digest,
    commitment: Digest,
}

/// The payloads that are announced, and the encoded leaf behind them.
fn split_leaf(body: &[u8]) -> Option<(Vec<SlotSeen>, &[u8])> {
    let (&n_slots, rest) = body.split_first()?;
    let (slots, encoded) = rest.split_at_checked(SLOT_BYTES * usize::from(n_slots))?;
    let (slots, _) = slots.as_chunks::<SLOT_BYTES>();
    let seen = |slot: &[u8; SLOT_BYTES]| {
        let mut bytes = Bytes(slot);
        let [slot] = bytes.array()?;
        Some(SlotSeen { slot, hash: Digest(bytes.array()?), commitment: Digest(bytes.array()?) })
    };
    Some((slots.iter().map(seen).collect::<Option<_>>()?, encoded))
}
