//! The reading end: no lock, no change, and no trust in what it reads.
use crate::log_folder::{Head, LogFolder};
use crate::merkle::root_of;
use crate::problem::{Flaw, LedgerError, Problem};
use crate::segment::{Depth, SegmentReader};
use crate::tlog::{NoteSignature, SignedCheckpoint, TileReader, TlogProof, VerifierKey};
use crate::verify::{Known, Verification, verify};
use crate::walk::{Step, Tail, Walk, count_segments};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::record::{Leaf, RecordId, Slot};
use bartizan_core::seal::{OpenError, Opener, Retention, Sealing};
use bartizan_core::sign::Signer;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// One leaf of the log and where its payloads stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index in the log, from 0.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
    /// RFC 6962 hash of the leaf.
    pub leaf_hash: Digest,
    /// Its payloads, in order of slot.
    pub payloads: Vec<Stored>,
    /// Number of the segment file that it stands in.
    pub segment: u64,
    /// Byte in that file.
    pub offset: u64,
}

/// A payload that is stored somewhere in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What it holds.
    pub slot: Slot,
    /// SHA-256 of the stored bytes, which are ciphertext.
    pub hash: Digest,
    /// Commits to the key that opens them.
    pub commitment: Digest,
    /// Number of the stored bytes.
    pub bytes: u64,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl Stored {
    /// Where its bytes begin: the number of the segment file, and the byte in it.
    pub fn place(&self) -> (u64, u64) {
        (self.segment, self.offset)
    }
}

/// Reads a log, also while it is written; sees the groups that were whole when it looked.
#[derive(Clone)]
pub struct Reader {
    disk: Arc<dyn Disk>,
    /// Keys of the log before those that it is verified with.
    former: Vec<VerifierKey>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader of the log in a folder.
    ///
    /// # Errors
    /// [`LedgerError::Absent`] when there is none, [`LedgerError::Damaged`] when a segment is missing, and those of the disk.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, LedgerError> {
        if count_segments(&*disk)? == 0 {
            Err(LedgerError::Absent)
        } else {
            Ok(Self { disk, former: Vec::new() })
        }
    }

    /// The same, knowing keys that the log had before: the newest witnessed checkpoint may still be signed by one. They vouch for nothing else.
    #[must_use]
    pub fn with_former_keys(mut self, former: Vec<VerifierKey>) -> Self {
        self.former = former;
        self
    }

    /// Every leaf from the first on, with its checksums checked and its payloads skipped. Where the leaves end before the checkpoint says so,
    /// the last item is an error: a log that was cut must not look like a short one.
    ///
    /// # Errors
    /// Those of the disk, and [`LedgerError`] for a first segment that is none.
    pub fn entries(&self) -> Result<Entries, LedgerError> {
        self.since(0)
    }

    /// Every leaf from the one at `index` on. What lies in earlier segments is not read.
    ///
    /// # Errors
    /// Those of [`Reader::entries`].
    pub fn since(&self, index: u64) -> Result<Entries, LedgerError> {
        // Read before the log is, so that a log that grows meanwhile is not behind it.
        let promised = self.checkpoint().map(|signed| signed.as_ref().map(Head::of));
        let walk = Walk::before(Arc::clone(&self.disk), Depth::Leaves, index)?;
        let promised = Some(promised);
        Ok(Entries { walk: Some(walk), ready: VecDeque::new(), n_seen: None, index, promised })
    }

    /// Every leaf of one record, in order.
    ///
    /// # Errors
    /// Those of [`Reader::entries`].
    pub fn find(&self, record: RecordId) -> Result<Vec<Entry>, LedgerError> {
        self.entries()?
            .filter(|entry| entry.as_ref().map_or(true, |entry| entry.leaf.record == record))
            .collect()
    }

    /// The one record whose id starts with these hexadecimal digits: all its leaves; none when no record or more than one does.
    ///
    /// # Errors
    /// Those of [`Reader::entries`].
    pub fn find_prefix(&self, prefix: &str) -> Result<Vec<Entry>, LedgerError> {
        let prefix = prefix.to_ascii_lowercase();
        let mut found: Vec<Entry> = Vec::new();
        for entry in self.entries()? {
            let entry = entry?;
            if !entry.leaf.record.to_string().starts_with(&prefix) {
                continue;
            }
            if found.first().is_some_and(|first| first.leaf.record != entry.leaf.record) {
                return Ok(Vec::new());
            }
            found.push(entry);
        }
        Ok(found)
    }

    /// A payload in clear.
    ///
    /// # Errors
    /// Those of [`Reader::stored`], and [`LedgerError::Sealed`] when it cannot be opened.
    pub fn payload(
        &self,
        entry: &Entry,
        stored: &Stored,
        opener: &dyn Opener,
    ) -> Result<Vec<u8>, LedgerError> {
        self.payloads().clear(entry, stored, opener)
    }

    /// The bytes of a payload as they are stored, which are those that its leaf commits to.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] when they are not, and those of the disk.
    pub fn stored(&self, stored: &Stored) -> Result<Vec<u8>, LedgerError> {
        self.payloads().stored(stored)
    }

    /// For many payloads in order of the log: what stands side by side is read at once.
    pub fn payloads(&self) -> Payloads {
        Payloads { disk: Arc::clone(&self.disk), segment: None }
    }

    /// The checkpoint that the log was published with last; `None` before the first one. Whoever trusts it has verified its signatures.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] when it is none, and those of the disk.
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, LedgerError> {
        let folder = LogFolder::find(&*self.disk).map_err(LedgerError::disk("open", "log"))?;
        Ok(folder.map(|folder| folder.checkpoint()).transpose()?.flatten())
    }

    /// A proof that a leaf is in the log, made from the published tiles; `None` for a leaf that is newer than the current checkpoint. It is a proof
    /// for the newest witnessed checkpoint where that has the leaf, so that outsiders see who vouches for it, and for the current one
    /// otherwise. The checkpoint's signatures are not looked at: whoever checks the proof does.
    ///
    /// # Errors
    /// [`LedgerError::Tiles`] when the tiles do not belong to the checkpoint or say something else of this leaf, and those of
    /// [`Reader::checkpoint`].
    pub fn prove(&self, entry: &Entry) -> Result<Option<TlogProof>, LedgerError> {
        let folder = LogFolder::find(&*self.disk).map_err(LedgerError::disk("open", "log"))?;
        let Some(folder) = folder else { return Ok(None) };
        // In this order: a log that is being written never has more witnessed than published.
        let witnessed = folder.witnessed()?;
        let Some(newest) = folder.checkpoint()? else { return Ok(None) };
        let head = Head::of(&newest);
        if head.size <= entry.index {
            return Ok(None);
        }
        let Some(mut tiles) = self.tiles(head)? else { return Ok(None) };
        let hash = tiles.leaf_hash(entry.index).map_err(LedgerError::Tiles)?;
        if hash != entry.leaf_hash {
            let (segment, offset, leaf) = (entry.segment, entry.offset, Some(entry.index));
            let flaw = Flaw::Tile("it has another hash for this leaf".to_owned());
            return Err(Problem { segment, offset, leaf, flaw }.into());
        }
        let mut checkpoint = newest;
        if let Some(witnessed) = witnessed {
            let older = Head::of(&witnessed);
            let covers = entry.index < older.size && older.size <= head.size;
            // One of another history, or of a key that is replaced, proves nothing to whoever trusts the newest.
            if covers && is_by_the_same(&witnessed, &checkpoint) {
                let root = tiles.root_at(older.size).map_err(LedgerError::Tiles)?;
                checkpoint = if root == older.root { witnessed } else { checkpoint };
            }
        }
        let size = checkpoint.checkpoint().size();
        let path = tiles.inclusion_proof(entry.index, size).map_err(LedgerError::Tiles)?;
        let proof = TlogProof::new(entry.index, path, checkpoint, Vec::new());
        // The path of a tree is never longer than a proof may be.
        Ok(proof.ok())
    }

    /// The published tiles, as far as they hash to this head.
    pub(crate) fn tiles(&self, head: Head) -> Result<Option<TileReader<LogFolder>>, LedgerError> {
        let folder = LogFolder::find(&*self.disk).map_err(LedgerError::disk("open", "log"))?;
        let tiles = folder.map(|folder| TileReader::open(folder, head.size, head.root));
        tiles.transpose().map_err(LedgerError::Tiles)
    }

    /// Reads everything and recomputes everything.
    ///
    /// # Errors
    /// Those of the disk. What is wrong with the log is a finding, not an error.
    pub fn verify(&self) -> Result<Verification, LedgerError> {
        self.verify_with(&[], &mut |_| {})
    }

    /// [`Reader::verify`], which tells now and then how many leaves it has checked. Of `keys`, where there are any, at least one must
    /// have signed the checkpoint and the newest witnessed one, and no signature of one of them may be wrong.
    ///
    /// # Errors
    /// Those of [`Reader::verify`].
    pub fn verify_with(
        &self,
        keys: &[VerifierKey],
        progress: &mut dyn FnMut(u64),
    ) -> Result<Verification, LedgerError> {
        self.verify_seeing(keys, None, &mut |entries| tell(&entries, progress))
    }

    /// [`Reader::verify_with`] by the holder of the log's own key, who also knows whether the leaves behind the checkpoint are his own.
    ///
    /// # Errors
    /// Those of [`Reader::verify`].
    pub fn verify_own(
        &self,
        keys: &[VerifierKey],
        signer: &dyn Signer,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Verification, LedgerError> {
        self.verify_seeing(keys, Some(signer), &mut |entries| tell(&entries, progress))
    }

    /// [`Reader::verify_with`] or, with a signer, [`Reader::verify_own`], which hands over the leaves of each group once that was checked: whatever else is
    /// to be done with them, the log need not be read again for it. What the whole log comes to is known at the end only, and what was handed over counts
    /// for nothing if that is not verified.
    ///
    /// # Errors
    /// Those of [`Reader::verify`].
    pub fn verify_seeing(
        &self,
        keys: &[VerifierKey],
        signer: Option<&dyn Signer>,
        seen: &mut dyn FnMut(Vec<Entry>),
    ) -> Result<Verification, LedgerError> {
        verify(&self.disk, self.known(keys), signer, seen)
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn known<'k>(&'k self, now: &'k [VerifierKey]) -> Known<'k> {
        Known { now, former: &self.former }
    }
}

/// How many leaves there were with these.
fn tell(entries: &[Entry], progress: &mut dyn FnMut(u64)) {
    entries.last().into_iter().for_each(|last| progress(last.index + 1));
}

/// Whether every key of the log under the newer checkpoint stands under the older one, too, as far as they say.
fn is_by_the_same(older: &SignedCheckpoint, newer: &SignedCheckpoint) -> bool {
    let origin = newer.checkpoint().origin();
    let keys = |signed: &SignedCheckpoint| -> Vec<u32> {
        let signatures = signed.note().signatures().iter();
        signatures.filter(|by| by.name() == origin).map(NoteSignature::id).collect()
    };
    let known = keys(older);
    older.checkpoint().origin() == origin && keys(newer).iter().all(|key| known.contains(key))
}

/// Reads payloads, each wherever it stands, and cheaply those that stand behind each other.
pub struct Payloads {
    disk: Arc<dyn Disk>,
    /// The file that the last one stood in.
    segment: Option<SegmentReader>,
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payloads").finish_non_exhaustive()
    }
}

impl Payloads {
    /// As [`Reader::payload`].
    ///
    /// # Errors
    /// Those of [`Reader::payload`].
    pub fn clear(
        &mut self,
        entry: &Entry,
        stored: &Stored,
        opener: &dyn Opener,
    ) -> Result<Vec<u8>, LedgerError> {
        let Leaf { record, kind, unix_ms, .. } = entry.leaf;
        let slot = stored.slot;
        let retention = Retention::of(kind, slot);
        let sealing = Sealing { record, slot, retention, subject: None, unix_ms };
        let sealed = self.stored(stored)?;
        let cannot = |error| LedgerError::Sealed { record, slot, error };
        let Some(root) = entry.leaf.stream_root.filter(|_| slot == Slot::Released) else {
            return opener.open(&sealing, &stored.commitment, &sealed).map_err(cannot);
        };
        let both = opener.open_stream(&sealing, &stored.commitment, &sealed);
        let (text, pieces) = both.map_err(cannot)?;
        let is_whole = root_of(&pieces) == root;
        is_whole.then_some(text).ok_or_else(|| cannot(OpenError::Damaged))
    }

    /// As [`Reader::stored`].
    ///
    /// # Errors
    /// Those of [`Reader::stored`].
    pub fn stored(&mut self, stored: &Stored) -> Result<Vec<u8>, LedgerError> {
        // The file may have been written since its bytes were read: then what they say now is what counts.
        if let Some(segment) = self.segment.as_mut().filter(|held| held.number == stored.segment)
            && let Some(bytes) = segment.payload(stored)?
        {
            return Ok(bytes);
        }
        let mut segment = SegmentReader::open(&*self.disk, stored.segment)?;
        let problem = segment.problem(stored.offset, None, Flaw::Payload);
        let bytes = segment.payload(stored)?;
        self.segment = Some(segment);
        bytes.ok_or_else(|| problem.into())
    }
}

/// The leaves of a log, one after the other. After an error there is nothing more.
pub struct Entries {
    walk: Option<Walk>,
    ready: VecDeque<Entry>,
    /// Index of the next leaf; unknown before the first group.
    n_seen: Option<u64>,
    /// The first leaf that is wanted.
    index: u64,
    /// What the checkpoint says, or why it cannot be read; it is asked once, at the end.
    promised: Option<Result<Option<Head>, LedgerError>>,
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("n_seen", &self.n_seen).finish_non_exhaustive()
    }
}

impl Entries {
    fn read(&mut self) -> Result<(), LedgerError> {
        let Some(walk) = &mut self.walk else { return Ok(()) };
        let mut entries = Vec::new();
        match walk.step(Some(&mut entries))? {
            Step::Group(group) if self.n_seen.is_none_or(|n_seen| group.head.first == n_seen) => {
                self.n_seen = Some(group.head.first + group.leaves.len() as u64);
                self.ready.extend(entries.into_iter().filter(|entry| self.index <= entry.index));
                Ok(())
            }
            Step::Group(group) => {
                let (segment, offset) = (group.segment, group.start);
                let flaw = Flaw::Order;
                Err(Problem { segment, offset, leaf: self.n_seen, flaw }.into())
            }
            Step::End(tail) => {
                self.walk = None;
                self.end(&tail)
            }
        }
    }

    /// Compares the place where the leaves end with what the checkpoint promises.
    fn end(&mut self, tail: &Tail) -> Result<(), LedgerError> {
        let promised = self.promised.take().transpose()?.flatten();
        let leaves = self.n_seen.unwrap_or(0);
        match promised {
            Some(Head { size, .. }) if leaves < size => Err(tail.cut(leaves, size).into()),
            _ => Ok(()),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.walk.is_some() {
            if let Err(error) = self.read() {
                self.walk = None;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
