//! Leaves on whose word something is done: a key destroyed, a person forgotten, a payload hidden. They are believed only when they are proven.
//!
//! Checksums prove nothing, because everybody can compute them. A leaf before the end of the checkpoint is proven when its hash is the one in the
//! published tiles, and those hash up to the root that the log's key has signed; that costs what the leaves cost that are read, wherever they
//! stand. Where the tiles cannot say, the whole journal is read, and its root is compared. A leaf behind the checkpoint is proven when the log's
//! key vouches for its group, and the group's root is the one of the leaves up to there.
//!
//! What it does not do: look at payloads, the chain, the pairing, or leaves that nobody asked for. `verify` does that.
use crate::group::Group;
use crate::log_folder::{Head, LogFolder};
use crate::merkle::Merkle;
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::publish::own_checkpoint;
use crate::reader::{Entry, Reader};
use crate::recover::check_voucher;
use crate::segment::Depth;
use crate::tlog::{TileError, TileReader};
use crate::walk::{Step, Walk};
use bartizan_core::disk::Disk;
use bartizan_core::record::Leaf;
use bartizan_core::sign::Signer;
use std::sync::Arc;

/// Leaves that are proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven {
    /// Those that were wanted, in order.
    pub entries: Vec<Entry>,
    /// How many were looked at.
    pub leaves: u64,
    /// The latest time of one of these; 0 without any.
    pub newest_ms: u64,
}

impl Reader {
    /// The leaves from `index` on for which `is_wanted` says so, of a log of which every leaf from there on is proven by the log's own key.
    ///
    /// # Errors
    /// [`LedgerError::Unproven`] for the first leaf that is not the one that the checkpoint stands for, [`LedgerError::Unvouched`] for one behind
    /// it that the key does not vouch for, [`LedgerError::OtherLog`] for a log of another name; and those of [`Reader::entries`].
    pub fn proven_since(
        &self,
        index: u64,
        signer: &dyn Signer,
        is_wanted: &dyn Fn(&Leaf) -> bool,
    ) -> Result<Proven, LedgerError> {
        let disk = self.disk();
        let folder = LogFolder::find(&**disk).map_err(LedgerError::disk("open", "log"))?;
        // Read before the log is, so that a log that grows meanwhile is not behind it.
        let checkpoint =
            folder.as_ref().map(|folder| own_checkpoint(folder, signer)).transpose()?;
        let head = checkpoint.flatten().as_ref().map(Head::of);
        let by_tiles = match (folder, head) {
            (Some(folder), Some(Head { size, root })) if 0 < size => {
                TileReader::open(folder, size, root)
                    .map_err(Failure::Tiles)
                    .and_then(|tiles| Course::by_tiles(disk, tiles, index)?.go(signer, is_wanted))
            }
            // Nothing is signed, so there is nothing that tiles could prove.
            _ => Course::by_journal(disk, head, index)
                .map_err(Failure::Log)
                .and_then(|course| course.go(signer, is_wanted)),
        };
        match by_tiles {
            // The journal proves itself where they are away or damaged, though all of it has to be read.
            Err(Failure::Tiles(_)) => {
                Course::by_journal(disk, head, index)?.go(signer, is_wanted).map_err(Failure::told)
            }
            done => done.map_err(Failure::told),
        }
    }
}

/// Why a course ends early.
enum Failure {
    /// The tiles cannot say.
    Tiles(TileError),
    Log(Trouble),
}

impl Failure {
    fn told(self) -> LedgerError {
        match self {
            Self::Tiles(error) => LedgerError::Tiles(error),
            Self::Log(trouble) => trouble.into(),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Log(trouble)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Log(problem.into())
    }
}

/// A walk that believes nothing.
struct Course {
    walk: Walk,
    /// What is signed.
    head: Head,
    /// What proves the leaves before the end of the checkpoint; nothing where they all prove themselves together.
    tiles: Option<TileReader<LogFolder>>,
    /// The leaves up to here. Where tiles prove them it begins at the end of the checkpoint.
    tree: Merkle,
    /// Index of the next leaf, once there was one.
    next: Option<u64>,
    /// The first leaf that counts.
    index: u64,
}

impl Course {
    fn by_tiles(
        disk: &Arc<dyn Disk>,
        tiles: TileReader<LogFolder>,
        index: u64,
    ) -> Result<Self, Failure> {
        let (size, tree) = (tiles.size(), tiles.frontier());
        let head = Head { size, root: tree.root() };
        // The tail is proven from the end of the checkpoint on, even where nobody asks for its first leaves.
        let walk = Walk::before(Arc::clone(disk), Depth::Leaves, index.min(size))?;
        Ok(Self { walk, head, tiles: Some(tiles), tree, next: None, index })
    }

    fn by_journal(disk: &Arc<dyn Disk>, head: Option<Head>, index: u64) -> Result<Self, Trouble> {
        let tree = Merkle::new();
        let head = head.unwrap_or(Head { size: 0, root: tree.root() });
        let walk = Walk::new(Arc::clone(disk), Depth::Leaves)?;
        Ok(Self { walk, head, tiles: None, tree, next: None, index })
    }

    fn go(
        mut self,
        signer: &dyn Signer,
        is_wanted: &dyn Fn(&Leaf) -> bool,
    ) -> Result<Proven, Failure> {
        let mut proven = Proven::default();
        loop {
            let mut entries = Vec::new();
            match self.walk.step(Some(&mut entries))? {
                Step::Group(group) => {
                    self.check_place(&group)?;
                    self.check(&group, signer)?;
                    self.next = Some(group.mark.size);
                    let counts = |entry: &Entry| self.index <= entry.index;
                    for entry in entries.iter().filter(|entry| counts(entry)) {
                        proven.leaves += 1;
                        proven.newest_ms = proven.newest_ms.max(entry.leaf.unix_ms);
                    }
                    let is_kept = |entry: &Entry| counts(entry) && is_wanted(&entry.leaf);
                    proven.entries.extend(entries.into_iter().filter(is_kept));
                }
                Step::End(tail) => {
                    let leaves = self.next.unwrap_or(0);
                    if leaves < self.head.size {
                        return Err(tail.cut(leaves, self.head.size).into());
                    }
                    return Ok(proven);
                }
            }
        }
    }

    /// No leaf may be passed over, and no group may stand with one leg on each side of the checkpoint's end.
    fn check_place(&self, group: &Group) -> Result<(), Problem> {
        let (first, end) = (group.head.first, group.mark.size);
        let follows = match self.next {
            Some(next) => first == next,
            None if self.tiles.is_some() => first <= self.index.min(self.head.size),
            None => first == 0,
        };
        let straddles = first < self.head.size && self.head.size < end;
        let fits = group.leaves.len() as u64 == end - first;
        if follows && fits && !straddles {
            return Ok(());
        }
        Err(wrong(group, group.start, self.next.unwrap_or(first), Flaw::Order))
    }

    fn check(&mut self, group: &Group, signer: &dyn Signer) -> Result<(), Failure> {
        let (first, end) = (group.head.first, group.mark.size);
        if let Some(tiles) = self.tiles.as_mut().filter(|_| end <= self.head.size) {
            // Those that a walk only comes by on its way to what was asked for.
            if end <= self.index {
                return Ok(());
            }
            for (index, leaf) in (first..).zip(&group.leaves) {
                let hash = tiles.leaf_hash(index).map_err(Failure::Tiles)?;
                if hash != leaf.hash {
                    return Err(wrong(group, leaf.offset, index, Flaw::Unproven).into());
                }
            }
            return Ok(());
        }
        group.leaves.iter().for_each(|leaf| self.tree.append(leaf.hash));
        let Head { size, root } = self.head;
        if end == size && self.tree.root() != root {
            return Err(wrong(group, group.end, first, Flaw::CheckpointRoot { size }).into());
        }
        if size < end {
            check_voucher(group, size, &self.walk.log(), signer)?;
            if group.mark.root != self.tree.root() {
                return Err(wrong(group, group.start, first, Flaw::Unproven).into());
            }
        }
        Ok(())
    }
}

fn wrong(group: &Group, offset: u64, leaf: u64, flaw: Flaw) -> Problem {
    Problem { segment: group.segment, offset, leaf: Some(leaf), flaw }
}
