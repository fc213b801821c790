//! The log as outsiders see it, kept up with the journal: tiles and bundles first, then the signed checkpoint that stands for them.
//!
//! The journal is what recording waits for; this follows. It reads the journal again instead of being told every leaf, so that its memory does
//! not depend on how far behind it is, and so that starting after a crash is the same work as going on.
use crate::cosign::{Cosigner, Taken};
use crate::format::BLOCK;
use crate::log_folder::{Head, LogFolder};
use crate::partials;
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::reader::Entry;
use crate::segment::Depth;
use crate::tlog::{
    Checkpoint, SignedCheckpoint, TILE_WIDTH, TileBuilder, TileError, TileFile, TileKind, TilePath,
    TileReader, TileSource as _, VerifierKey, decode_bundle,
};
use crate::walk::{Step, Walk};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::record::RecordError;
use bartizan_core::sign::Signer;
use std::fmt::Display;
use std::sync::Arc;

/// Bytes of a hash in a tile.
const HASH_BYTES: usize = 32;

pub(crate) struct Publisher {
    folder: LogFolder,
    walk: Walk,
    builder: TileBuilder,
    signer: Arc<dyn Signer>,
    cosigner: Cosigner,
    /// What lies in the folder, with the cosignatures that came since.
    latest: Option<SignedCheckpoint>,
    /// Leaves of the newest checkpoint that met a quorum.
    witnessed: u64,
    /// Whether what a crash left of files without a checkpoint is gone.
    is_tidy: bool,
}

impl Publisher {
    /// Goes on where the folder ends. The journal must hold at least what its checkpoint stands for.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        signer: Arc<dyn Signer>,
        cosigner: Cosigner,
    ) -> Result<Self, LedgerError> {
        let folder = LogFolder::make(&**disk).map_err(LedgerError::disk("make", "log"))?;
        let latest = own_checkpoint(&folder, &*signer)?;
        let witnessed = folder.witnessed()?.map_or(0, |old| Head::of(&old).size);
        let builder = match latest.as_ref().map(Head::of) {
            None => TileBuilder::new(),
            Some(Head { size, root }) => {
                TileBuilder::resume(&folder, size, root).map_err(LedgerError::Tiles)?
            }
        };
        let walk = Walk::before(Arc::clone(disk), Depth::Leaves, builder.size())?;
        let is_new = is_empty(disk)?;
        let is_tidy = false;
        let mut publisher =
            Self { folder, walk, builder, signer, cosigner, latest, witnessed, is_tidy };
        if is_new {
            // A log has a checkpoint before it has a leaf: one without has lost it, and `verify` says so. One that lies there may be in the
            // cache only.
            let (size, root) = (publisher.builder.size(), publisher.builder.root());
            publisher.sign(Head { size, root })?;
        }
        Ok(publisher)
    }

    pub(crate) fn cosigner(&self) -> Cosigner {
        self.cosigner.clone()
    }

    /// Publishes the log up to `head`, which is durable in the journal; nothing, once nothing may be signed.
    pub(crate) fn publish(&mut self, head: Head) -> Result<(), RecordError> {
        if self.cosigner.is_silent() {
            return Ok(());
        }
        if !self.is_tidy {
            let removed = partials::remove_unsigned(&self.folder, self.builder.size(), head.size);
            removed.map_err(stopped("removal of partial tiles"))?;
            self.is_tidy = true;
        }
        let mut files = Vec::new();
        // The journal has grown since; what is durable by now is all that is needed below.
        self.walk.reader.forget();
        while self.builder.size() < head.size {
            self.follow(&mut files)?;
        }
        if (self.builder.size(), self.builder.root()) != (head.size, head.root) {
            return Err(stopped("check of the tiles")(
                "the journal has another root than its writer",
            ));
        }
        self.builder.publish(&mut files);
        self.folder.write_tiles(&files).map_err(stopped("write of the tiles"))?;
        self.sign(head)?;
        let full = files.iter().filter(|file| file.path.is_full());
        for file in full {
            let removed = self.folder.remove_partials(&file.path);
            removed.map_err(stopped("removal of partial tiles"))?;
        }
        Ok(())
    }

    /// Signs what the tiles hold, and makes it durable before anybody is shown it: a witness must never know more than a crash leaves us.
    fn sign(&mut self, head: Head) -> Result<(), RecordError> {
        let signed = Checkpoint::new(self.signer.name(), head.size, head.root)
            .and_then(|checkpoint| checkpoint.with_extensions(self.cosigner.notices()))
            .and_then(|checkpoint| checkpoint.sign(&*self.signer))
            .map_err(stopped("signature of the checkpoint"))?;
        let known = self.latest.take().filter(|latest| says_the_same(latest, &signed));
        // The same words again, as after a restart: their cosignatures still hold.
        let written = known.unwrap_or_else(|| signed.clone());
        let done = self.folder.write_checkpoint(&written);
        done.map_err(stopped("write of the checkpoint"))?;
        self.latest = Some(written);
        self.cosigner.published(&signed);
        Ok(())
    }

    /// Takes what lies in the letter box: cosignatures of the newest checkpoint, the newest witnessed one, and other extension lines.
    pub(crate) fn cosign(&mut self) -> Result<(), RecordError> {
        let Taken { notices, cosigned, witnessed } = self.cosigner.take();
        let Some(latest) = self.latest.as_ref().filter(|_| !self.cosigner.is_silent()) else {
            return Ok(());
        };
        let head = Head::of(latest);
        let is_sound = |signed: &SignedCheckpoint| Head::of(signed).size <= head.size;
        if let Some(witnessed) = witnessed.filter(is_sound)
            && self.witnessed <= Head::of(&witnessed).size
        {
            let done = self.folder.write_witnessed(&witnessed);
            done.map_err(stopped("write of the witnessed checkpoint"))?;
            self.witnessed = Head::of(&witnessed).size;
        }
        if latest.checkpoint().extensions() != notices {
            return self.sign(head);
        }
        if let Some(cosigned) = cosigned.filter(|cosigned| says_the_same(cosigned, latest)) {
            let done = self.folder.write_checkpoint(&cosigned);
            done.map_err(stopped("write of the checkpoint"))?;
            self.latest = Some(cosigned);
        }
        Ok(())
    }

    /// Takes the next group of the journal into the tiles; full ones are written before too many of them pile up.
    fn follow(&mut self, files: &mut Vec<TileFile>) -> Result<(), RecordError> {
        const FILES_MAX: usize = 64;
        let mut entries = Vec::new();
        let step = self.walk.step(Some(&mut entries)).map_err(LedgerError::from);
        if let Step::End(_) = step.map_err(stopped("read of the journal"))? {
            return Err(stopped("read of the journal")("it ends before what was written"));
        }
        let size = self.builder.size();
        for entry in entries.iter().skip_while(|entry| entry.index < size) {
            let bytes = entry.leaf.encode().map_err(RecordError::Unwritable)?;
            let added = self.builder.append(&bytes, entry.leaf_hash, files);
            added.map_err(stopped("making of the tiles"))?;
        }
        if FILES_MAX < files.len() {
            self.folder.write_tiles(files).map_err(stopped("write of the tiles"))?;
            files.clear();
        }
        Ok(())
    }
}

/// Whether the journal has no leaf yet.
fn is_empty(disk: &Arc<dyn Disk>) -> Result<bool, LedgerError> {
    let step = Walk::new(Arc::clone(disk), Depth::Leaves).and_then(|mut walk| walk.step(None));
    Ok(matches!(step?, Step::End(_)))
}

fn stopped<E: Display>(operation: &'static str) -> impl Fn(E) -> RecordError {
    move |error| RecordError::Stopped { operation, reason: error.to_string() }
}

fn says_the_same(one: &SignedCheckpoint, other: &SignedCheckpoint) -> bool {
    one.note().text() == other.note().text()
}

/// The checkpoint in the folder, which this signer has signed.
pub(crate) fn own_checkpoint(
    folder: &LogFolder,
    signer: &dyn Signer,
) -> Result<Option<SignedCheckpoint>, Trouble> {
    let Some(checkpoint) = folder.checkpoint()? else { return Ok(None) };
    let (found, own) = (checkpoint.checkpoint().origin(), signer.name());
    if found != own {
        // Another log's is no damage, and restoring a backup of it would not help.
        let (found, own) = (found.to_owned(), own.to_owned());
        return Err(Trouble::Disk(LedgerError::OtherLog { found, own }));
    }
    let ours = VerifierKey::of_log(signer)
        .is_ok_and(|key| checkpoint.verify(&[key]).is_ok_and(|signed| !signed.is_empty()));
    let flaw = Problem { segment: 0, offset: BLOCK, leaf: None, flaw: Flaw::Checkpoint };
    if ours { Ok(Some(checkpoint)) } else { Err(flaw.into()) }
}

/// Compares the published files with the leaves, one after the other: the first file that is missing or says something else.
pub(crate) struct TileCheck {
    folder: LogFolder,
    builder: TileBuilder,
    /// What the checkpoint stands for.
    head: Head,
    /// Segment and offset of each leaf of the unfinished tile, and its hash. Invariant: at most [`TILE_WIDTH`].
    places: Vec<(u64, u64, Digest)>,
}

impl TileCheck {
    pub(crate) fn new(folder: LogFolder, head: Head) -> Self {
        Self { folder, builder: TileBuilder::new(), head, places: Vec::new() }
    }

    /// Takes the next leaf. What lies behind the checkpoint is nobody's promise.
    pub(crate) fn leaf(&mut self, entry: &Entry) -> Result<(), Problem> {
        if self.head.size <= self.builder.size() {
            return Ok(());
        }
        let Ok(bytes) = entry.leaf.encode() else { return Ok(()) };
        let mut files = Vec::new();
        self.places.push((entry.segment, entry.offset, entry.leaf_hash));
        let added = self.builder.append(&bytes, entry.leaf_hash, &mut files);
        added.map_err(|error| self.problem(&error, self.places.len() - 1))?;
        if self.builder.size() == self.head.size {
            self.builder.publish(&mut files);
        }
        for file in &files {
            let told = |file: &TileFile, error| self.problem(&error, self.first_difference(file));
            self.compare(file).map_err(|error| told(file, error))?;
            let path = file.path;
            let earlier = partials::earlier(&self.folder, file)
                .map_err(|source| told(file, TileError::Source { path, source }))?;
            for file in &earlier {
                self.compare(file).map_err(|error| told(file, error))?;
            }
        }
        if usize::from(TILE_WIDTH) <= self.places.len() {
            self.places.clear();
        }
        Ok(())
    }

    /// Where the leaves end before the checkpoint does: the first of the unfinished tile that the published one says something else about.
    pub(crate) fn before_cut(&self) -> Option<Problem> {
        let mut files = Vec::new();
        self.builder.clone().publish(&mut files);
        let ours = files.iter().find(|file| file.path.kind() == TileKind::Hashes(0))?;
        let index = ours.path.index();
        let width = (self.head.size - index * u64::from(TILE_WIDTH)).min(TILE_WIDTH.into());
        let path = TilePath::new(TileKind::Hashes(0), index, u16::try_from(width).ok()?)?;
        let theirs = self.folder.tile(&path).ok().flatten()?;
        let pairs = ours.content.chunks(HASH_BYTES).zip(theirs.chunks(HASH_BYTES));
        let at = pairs.take_while(|(ours, theirs)| ours == theirs).count();
        (at < self.places.len()).then(|| self.problem(&TileError::Untrue { path }, at))
    }

    /// The problem with a leaf of the unfinished tile.
    fn problem(&self, error: &TileError, at: usize) -> Problem {
        let first = self.builder.size().saturating_sub(self.places.len() as u64);
        let index = first + at as u64;
        let (leaf, flaw) = (Some(index), Flaw::Tile(error.to_string()));
        let place = self.places.get(at).or(self.places.last());
        let Some(&(segment, offset, ours)) = place else {
            return Problem { segment: 0, offset: 0, leaf, flaw };
        };
        let is_leafs_fault = self.signed(index).is_some_and(|signed| signed != ours);
        let flaw = if is_leafs_fault { Flaw::Unproven } else { flaw };
        Problem { segment, offset, leaf, flaw }
    }

    /// The hash of a leaf as the checkpoint has it: the published tiles say so, and hash to its root. Then they are not what was changed.
    fn signed(&self, index: u64) -> Option<Digest> {
        let Head { size, root } = self.head;
        let mut tiles = TileReader::open(&self.folder, size, root).ok()?;
        tiles.leaf_hash(index).ok()
    }

    /// Which leaf of the unfinished tile a file says something else about; the last one, where it cannot be told.
    fn first_difference(&self, file: &TileFile) -> usize {
        let last = match file.path.kind() {
            TileKind::Hashes(0) | TileKind::Entries => usize::from(file.path.width()),
            TileKind::Hashes(_) => usize::MAX,
        };
        let last = last.min(self.places.len()).saturating_sub(1);
        let found = self.folder.tile(&file.path).ok().flatten().unwrap_or_default();
        let at = match file.path.kind() {
            TileKind::Hashes(0) => {
                let pairs = file.content.chunks(HASH_BYTES).zip(found.chunks(HASH_BYTES));
                pairs.take_while(|(ours, theirs)| ours == theirs).count()
            }
            TileKind::Hashes(_) => last,
            TileKind::Entries => {
                let width = file.path.width();
                let ours = decode_bundle(&file.content, width).unwrap_or_default();
                let theirs = decode_bundle(&found, width).unwrap_or_default();
                ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count()
            }
        };
        at.min(last)
    }

    fn compare(&self, file: &TileFile) -> Result<(), TileError> {
        let path = file.path;
        let found = self.folder.tile(&path).map_err(|source| TileError::Source { path, source })?;
        match found {
            None if path.is_full() => Err(TileError::Missing { path }),
            // The full tile came between the checkpoint and this look at it.
            None => match self.folder.tile(&path.full()) {
                Ok(Some(full)) if full.starts_with(&file.content) => Ok(()),
                Ok(Some(_)) => Err(TileError::Untrue { path: path.full() }),
                _ => Err(TileError::Missing { path }),
            },
            Some(content) if content == file.content => Ok(()),
            Some(_) => Err(TileError::Untrue { path }),
        }
    }
}
