//! What the vault knows of the log that it belongs to: how long it was, which root it had, which keys it says are destroyed, and up to when the
//! clock was believed.
//!
//! The file stands in the vault because the vault and the ledger are kept, lost and restored apart from each other. A ledger that is older than
//! the anchor was set back, and nothing is added to it. An anchor that is older than the ledger is a restored vault: what the ledger says
//! is destroyed since is destroyed again before anything is sealed or opened. Whoever can write the vault has its keys, so the mark in the file
//! is no defence against them; it tells a file that was mended by hand, or belongs to another key, from one that may save reading the log.
//!
//! What it does not do: prove anything to outsiders. Witnesses do that.
use crate::vault;
use crate::{files, mark};
use anyhow::{Context as _, bail};
use bartizan_core::clock::Clock;
use bartizan_core::digest::Digest;
use bartizan_core::record::{Leaf, RecordId, RecordKind};
use bartizan_core::sign::Signer;
use bartizan_keys::{KeyState, KeyStore, NoteKey, SLOTS_FILE};
use bartizan_ledger::merkle::sha256;
use bartizan_ledger::tlog::SignedCheckpoint;
use bartizan_ledger::{FsDisk, LedgerError, Published};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const FILE: &str = "anchor.json";
const VERSION: u32 = 3;
/// Files of this version do not know how many keys there were, nor does the next one know of leaps of the clock.
const VERSION_BEFORE: u32 = 1;
/// Four million tombstones.
const FILE_BYTES_MAX: usize = 160 << 20;
/// What the mark is over, before the file's own bytes: no other message of the key begins like that.
const MARKED: &[u8] = b"bartizan anchor v1\n";
/// While a gateway runs the file follows the log this often.
pub(crate) const ANCHOR_EVERY: Duration = Duration::from_mins(1);
/// It follows at once when the log has so many leaves more: that is what a start reads again at most, beside a minute's worth.
pub(crate) const ANCHOR_LEAVES_MAX: u64 = 100_000;
/// How far the clock may go on while nothing runs that could tell, and still destroys keys by itself: in one leap, or in many that no running made up
/// for. A gateway that stood still for longer asks its operator.
pub(crate) const CLOCK_STEP_MAX_MS: u64 = 31 * DAY_MS;
/// The file is brought up to date for the clock's sake when that went on so far.
const DAY_MS: u64 = 86_400_000;
/// What is believed of the time where nobody knows which one was believed last.
const NO_TIME_MS: u64 = 0;
/// Between a tombstone and the destruction of its key a process dies at most so long before the end of what it recorded.
const CUT_SHORT_MAX_MS: u64 = 60_000;

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    /// Name of the log.
    origin: String,
    /// Leaves of the newest signed checkpoint that was seen.
    size: u64,
    /// Its root.
    root: Digest,
    /// Names of the keys that the first `size` leaves have tombstones for, and perhaps some more.
    keys: Vec<String>,
    /// The last time that was believed; 0 where an operator has to say so first.
    trusted_ms: u64,
    /// Keys that the key store had been given, those that were destroyed since included.
    #[serde(default, skip_serializing_if = "is_zero")]
    slots: u64,
    /// What of the last time that was believed rests on the wall clock alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    leaps_ms: u64,
    /// Over all of the above, by the key that signs the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mark: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl File {
    fn read(state: &Path) -> anyhow::Result<Option<Self>> {
        let path = path(state);
        let bytes = match files::read_bounded(&path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(file) if (VERSION_BEFORE..=VERSION).contains(&file.version) => Ok(Some(file)),
            Ok(File { version, .. }) => bail!(
                "{} has version {version}, and this build knows {VERSION}: use the build that wrote it",
                path.display()
            ),
            Err(error) => bail!(
                "{} is damaged ({error}): restore the vault's newest copy, or take the file away; then the whole ledger is read once, nobody can tell whether it is the newest, and nobody knows which time was believed last: nothing expires until `bartizan audit expire --confirm-clock`",
                path.display()
            ),
        }
    }

    fn mark_by(&self, signer: &NoteKey) -> anyhow::Result<String> {
        let unmarked = Self { mark: None, ..self.clone() };
        mark::of(MARKED, &unmarked, signer)
    }

    /// Whether it is as this key has left it.
    fn is_marked(&self, signer: &NoteKey) -> bool {
        let mark = self.mark_by(signer).ok();
        mark.is_some() && mark == self.mark
    }

    fn keys(&self) -> BTreeSet<RecordId> {
        self.keys.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

fn path(state: &Path) -> PathBuf {
    vault::folder(state).join(FILE)
}

/// Why a ledger is not added to, although it is whole by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnchorError {
    /// The vault's keys are another log's.
    #[error(
        "the vault in {vault} belongs to the log {anchored}, and its key is called {origin}: restore the vault as a whole"
    )]
    Origin {
        /// The vault.
        vault: PathBuf,
        /// The log that the anchor knows.
        anchored: String,
        /// The name of the key.
        origin: String,
    },
    /// There is no ledger, and there was one.
    #[error(
        "the vault knows {size} leaves of the log {origin}, and there is no ledger in {ledger}: is it mounted? Restore its newest copy; to begin another log, move the vault away, too"
    )]
    Lost {
        /// Where it should be.
        ledger: PathBuf,
        /// Its name.
        origin: String,
        /// Leaves that it had.
        size: u64,
    },
    /// The ledger was longer.
    #[error(
        "the ledger in {ledger} ends after {leaves} leaves, and the vault knows {size}: an older copy was restored, or the end was cut off. Restore the newest copy; where there is none, `bartizan vault accept` goes on with this one, and records that"
    )]
    Shorter {
        /// The ledger.
        ledger: PathBuf,
        /// Leaves that it has.
        leaves: u64,
        /// Leaves that it had.
        size: u64,
    },
    /// The published checkpoint is an older one, and what comes behind it is not as it was written.
    #[error(
        "the checkpoint in {ledger} stands for {leaves} leaves, and the vault knows {size}: it is an older one, and what it does not stand for was signed all the same, so nothing is cut off. Restore the newest copy of the whole ledger"
    )]
    OldCheckpoint {
        /// The ledger.
        ledger: PathBuf,
        /// Leaves that the checkpoint stands for.
        leaves: u64,
        /// Leaves that a checkpoint stood for.
        size: u64,
    },
    /// The ledger has another history.
    #[error(
        "the ledger in {ledger} says something else about its first {size} leaves than the vault knows: an older copy was restored and went on, or somebody rewrote it. Restore the newest copy; where there is none, `bartizan vault accept` goes on with this one, and records that"
    )]
    Other {
        /// The ledger.
        ledger: PathBuf,
        /// Leaves that both speak of.
        size: u64,
    },
}

/// The anchor of a vault, in the hands of the one process that records.
pub(crate) struct Anchor {
    state: PathBuf,
    signer: Arc<NoteKey>,
    size: u64,
    root: Digest,
    keys: BTreeSet<RecordId>,
    time: Time,
    /// Keys that the key store has been given, as far as is known.
    slots: u64,
    /// The key store, once the log was followed.
    store: Option<Arc<KeyStore>>,
    /// Whether `keys` has everything that the first `size` leaves say.
    is_whole: bool,
    /// Whether `trusted_ms` was left there by the present key.
    knows_time: bool,
    /// What the file says that is not worth its own write.
    written_trusted_ms: u64,
    /// When the file was written last, on the monotonic clock.
    written_us: u64,
}

impl Anchor {
    /// Reads the anchor of a vault; a vault without one knows nothing yet.
    ///
    /// # Errors
    /// When the file is damaged, or another log's.
    pub(crate) fn open(state: &Path, signer: Arc<NoteKey>) -> anyhow::Result<Self> {
        let mut anchor = Self {
            state: state.to_owned(),
            signer,
            size: 0,
            root: sha256(&[]),
            keys: BTreeSet::new(),
            time: Time { trusted_ms: NO_TIME_MS, leaps_ms: 0, since_us: 0 },
            slots: 0,
            store: None,
            is_whole: false,
            knows_time: false,
            written_trusted_ms: 0,
            written_us: 0,
        };
        let Some(file) = File::read(state)? else { return Ok(anchor) };
        let origin = anchor.signer.name();
        if file.origin != origin {
            let (vault, anchored) = (vault::folder(state), file.origin.clone());
            return Err(AnchorError::Origin { vault, anchored, origin: origin.to_owned() }.into());
        }
        anchor.is_whole = file.is_marked(&anchor.signer);
        anchor.knows_time = anchor.is_whole;
        if !anchor.is_whole {
            tracing::warn!(
                "The vault's {FILE} was not left like that by the present key; the whole ledger is read to make it anew, and no time that it names is believed."
            );
        }
        anchor.keys = file.keys();
        (anchor.size, anchor.root) = (file.size, file.root);
        anchor.slots = if anchor.is_whole { file.slots } else { 0 };
        (anchor.time.trusted_ms, anchor.time.leaps_ms) = (file.trusted_ms, file.leaps_ms);
        anchor.written_trusted_ms = file.trusted_ms;
        Ok(anchor)
    }

    /// Compares with the ledger as it lies there. Nothing is changed.
    ///
    /// # Errors
    /// [`AnchorError`], and those of the disk.
    pub(crate) fn check(&self, has_log: bool) -> anyhow::Result<()> {
        if self.size == 0 {
            return Ok(());
        }
        let ledger = crate::audit::log_folder(&self.state);
        let size = self.size;
        let error = if has_log {
            match stands(&self.state, size, self.root)? {
                Standing::Same => return Ok(()),
                Standing::Shorter { leaves } => AnchorError::Shorter { ledger, leaves, size },
                Standing::Other => AnchorError::Other { ledger, size },
            }
        } else {
            AnchorError::Lost { ledger, origin: self.signer.name().to_owned(), size }
        };
        Err(error.into())
    }

    /// What there is to say of a checkpoint beside the ledger that stands for fewer leaves than one that the vault has seen, if it does.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn older_checkpoint(&self) -> Result<Option<AnchorError>, LedgerError> {
        let ledger = crate::audit::log_folder(&self.state);
        let published = Published::find(&FsDisk::read_only(&ledger))?;
        let signed = published.map(|published| published.checkpoint()).transpose()?.flatten();
        let leaves = signed.map_or(0, |signed| signed.checkpoint().size());
        let size = self.size;
        Ok((leaves < size).then_some(AnchorError::OldCheckpoint { ledger, leaves, size }))
    }

    /// Whether the ledger is what the vault knows, or what came of that.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn fits(&self) -> anyhow::Result<bool> {
        match self.check(true) {
            Ok(()) => Ok(true),
            Err(error) if error.is::<AnchorError>() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Goes back to where the ledger is, because the operator says so. What was destroyed stays destroyed.
    pub(crate) fn set_back(&mut self) -> (u64, Digest) {
        let known = (self.size, self.root);
        (self.size, self.root, self.is_whole) = (0, sha256(&[]), false);
        known
    }

    /// Reads what the log has had since, and believes of it what is proven: the signed checkpoint stands for it, or the log's key does. Nothing is
    /// changed.
    ///
    /// # Errors
    /// When the log cannot be read, or somebody else changed it: then nothing may be destroyed, sealed or shown.
    pub(crate) fn read_on(&self) -> anyhow::Result<Told> {
        let from = if self.is_whole { self.size } else { 0 };
        Told::since(&self.state, from, &self.signer)
    }

    /// Destroys again every key that has a tombstone. What was read must be durable by now.
    ///
    /// # Errors
    /// When the key store cannot be written; then nothing may be sealed.
    pub(crate) fn follow(
        &mut self,
        told: &Told,
        keys: &Arc<KeyStore>,
        clock: &dyn Clock,
    ) -> anyhow::Result<Followed> {
        let is_cut_short = self.is_whole && told.is_cut_short(keys);
        self.keys.extend(&told.tombstones);
        // From here on this process counts the time.
        self.time.since_us = clock.monotonic_us();
        if !self.knows_time {
            // Nobody knows how far time went on: the newest leaf may be a wrong clock's own. Where nothing was recorded yet the clock is all there
            // is; else the operator confirms it before anything expires.
            let now_ms = if told.n_read == 0 { clock.unix_ms() } else { NO_TIME_MS };
            self.time = Time::confirmed(now_ms, self.time.since_us);
        }
        (self.is_whole, self.knows_time) = (true, true);
        let names: Vec<RecordId> = self.keys.iter().copied().collect();
        let n_back = keys.destroy_again(&names)?;
        let n_finished = usize::from(is_cut_short && n_back == 1);
        if 0 < n_finished {
            tracing::info!("An erasure that was cut short behind its tombstone is finished.");
        } else if 0 < n_back {
            tracing::warn!(
                keys = n_back,
                "Keys that were erased had come back, from a backup perhaps; they are destroyed again."
            );
        }
        let n_lost = self.slots.saturating_sub(keys.slots_used());
        self.store = Some(Arc::clone(keys));
        let followed = Followed {
            leaves: told.n_read,
            keys_back: n_back,
            keys_finished: n_finished,
            keys_lost: n_lost,
        };
        if let Some(lost) = followed.lost_keys() {
            tracing::error!("{lost}.");
        }
        Ok(followed)
    }

    /// Goes on without keys that are lost, because the operator says so; how many there had been.
    pub(crate) fn accept_lost_keys(&mut self) -> u64 {
        let found = self.store.as_ref().map_or(0, |store| store.slots_used());
        std::mem::replace(&mut self.slots, found)
    }

    /// The state folder that it is about.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The key of the log.
    pub(crate) fn signer(&self) -> &NoteKey {
        &self.signer
    }

    /// A key has a tombstone that is durable.
    pub(crate) fn forgot(&mut self, key: RecordId) {
        self.keys.insert(key);
    }

    /// Keys that are known to be destroyed, and have no tombstone in the log as it is.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn without_tombstone(&self) -> anyhow::Result<Vec<RecordId>> {
        let mut lost = self.keys.clone();
        for entry in crate::audit::reader(&self.state)?.entries()? {
            let leaf = entry?.leaf;
            if leaf.kind == RecordKind::Tombstone {
                lost.remove(&leaf.record);
            }
        }
        Ok(lost.into_iter().collect())
    }

    /// Keys that have a tombstone.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> &BTreeSet<RecordId> {
        &self.keys
    }

    /// Leaves that it knows.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The last time that was believed.
    pub(crate) fn trusted_ms(&self) -> u64 {
        self.time.trusted_ms
    }

    /// Whether the clock is believed: it has gone on by at most [`CLOCK_STEP_MAX_MS`] that no process has counted. One that is behind destroys nothing
    /// early.
    ///
    /// # Errors
    /// [`Doubt`], also of a time that nobody knows any more.
    pub(crate) fn believe(&mut self, clock: &dyn Clock) -> Result<(), Doubt> {
        self.time = self.time.next(clock.unix_ms(), clock.monotonic_us())?;
        Ok(())
    }

    /// Why the clock would not be believed now, if it would not be.
    pub(crate) fn doubt(&self, clock: &dyn Clock) -> Option<Doubt> {
        self.time.next(clock.unix_ms(), clock.monotonic_us()).err()
    }

    /// The operator says that the clock was right when it said so.
    pub(crate) fn believe_operator(&mut self, now_ms: u64, clock: &dyn Clock) {
        self.time = Time::confirmed(now_ms, clock.monotonic_us());
    }

    /// Follows a checkpoint that is durable. Everything that its leaves have tombstones for must be known.
    pub(crate) fn advance(&mut self, signed: &SignedCheckpoint) {
        let checkpoint = signed.checkpoint();
        if self.is_whole && self.size < checkpoint.size() {
            (self.size, self.root) = (checkpoint.size(), checkpoint.root());
        }
    }

    /// Follows while the log grows, not more often than it is worth. Returns whether the file was written.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn tick(
        &mut self,
        latest: Option<&SignedCheckpoint>,
        now_us: u64,
    ) -> anyhow::Result<bool> {
        let size = latest.map_or(0, |signed| signed.checkpoint().size());
        let n_grown = size.saturating_sub(self.size);
        let is_time =
            ANCHOR_EVERY.as_micros() <= u128::from(now_us.saturating_sub(self.written_us));
        let is_later = DAY_MS <= self.time.trusted_ms.abs_diff(self.written_trusted_ms);
        if n_grown < ANCHOR_LEAVES_MAX && !(is_time && (0 < n_grown || is_later)) {
            return Ok(false);
        }
        if let Some(latest) = latest {
            self.advance(latest);
        }
        self.write(now_us)?;
        Ok(true)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn write(&mut self, now_us: u64) -> anyhow::Result<()> {
        self.write_by(&Arc::clone(&self.signer))?;
        (self.written_us, self.written_trusted_ms) = (now_us, self.time.trusted_ms);
        Ok(())
    }

    /// Writes the file with the mark of another key, which signs from now on.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn write_by(&self, signer: &NoteKey) -> anyhow::Result<()> {
        let mut file = File {
            version: VERSION,
            origin: signer.name().to_owned(),
            size: self.size,
            root: self.root,
            keys: self.keys.iter().map(RecordId::to_string).collect(),
            trusted_ms: self.time.trusted_ms,
            slots: self.store.as_ref().map_or(0, |store| store.slots_used()).max(self.slots),
            leaps_ms: self.time.leaps_ms,
            mark: None,
        };
        file.mark = Some(file.mark_by(signer)?);
        let path = path(&self.state);
        let written = files::replace(&path, &serde_json::to_vec(&file)?);
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What a log says of destroyed keys, all of it proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Leaves that were read.
    n_read: u64,
    /// The keys that have a tombstone among these, in order.
    tombstones: Vec<RecordId>,
    /// When the last tombstone was recorded, and the newest leaf.
    last_ms: u64,
    newest_ms: u64,
}

impl Told {
    /// Reads a log from a leaf on. One that is not there says nothing.
    fn since(state: &Path, from: u64, signer: &NoteKey) -> anyhow::Result<Self> {
        let is_tombstone = |leaf: &Leaf| leaf.kind == RecordKind::Tombstone;
        let proven = crate::audit::reader(state)
            .and_then(|reader| reader.proven_since(from, signer, &is_tombstone));
        let proven = match proven {
            Err(LedgerError::Absent) => return Ok(Self::default()),
            proven => proven.with_context(|| {
                let ledger = crate::audit::log_folder(state);
                format!("the tombstones in {} are not believed", ledger.display())
            })?,
        };
        let leaves = || proven.entries.iter().map(|entry| &entry.leaf);
        Ok(Self {
            n_read: proven.leaves,
            tombstones: leaves().map(|leaf| leaf.record).collect(),
            last_ms: leaves().next_back().map_or(0, |leaf| leaf.unix_ms),
            newest_ms: proven.newest_ms,
        })
    }

    /// Whether the last key that was to be destroyed is there still, and no time has gone by: the process died between the two.
    fn is_cut_short(&self, keys: &KeyStore) -> bool {
        let is_last = self.newest_ms <= self.last_ms.saturating_add(CUT_SHORT_MAX_MS);
        let last = self.tombstones.last().filter(|_| is_last);
        last.is_some_and(|last| keys.state(*last) == KeyState::Live)
    }
}

/// What following the log came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Leaves that were read.
    pub(crate) leaves: u64,
    /// Keys that had come back, or were there still.
    pub(crate) keys_back: usize,
    /// Of these, the one whose erasure a crash had cut short.
    pub(crate) keys_finished: usize,
    /// Keys that the key store had been given, and does not have.
    pub(crate) keys_lost: u64,
}

impl Followed {
    /// What there is to say of keys that are missing, if any are.
    pub(crate) fn lost_keys(&self) -> Option<String> {
        let n_lost = self.keys_lost;
        (0 < n_lost).then(|| {
            format!(
                "{n_lost} keys are missing from the vault's {SLOTS_FILE}, which was cut, or is an older copy: what they sealed cannot be read; restore its newest copy, or go on without them by `bartizan vault accept`, which records that"
            )
        })
    }
}

/// Whether a vault has one.
pub(crate) fn is_there(state: &Path) -> bool {
    path(state).exists()
}

/// How a ledger stands to what the vault beside it knows, for a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// It is what the vault knows, or what came of that.
    Fits,
    /// It is another or an older one, or what the vault knows of it cannot be understood: then a start refuses it, too.
    Against(String),
    /// Nobody can say, and why.
    Unknown(String),
}

/// Compares for a reader, who changes nothing.
///
/// * `signer`: the log's key, where it is at hand.
pub(crate) fn compare(state: &Path, signer: Option<&NoteKey>) -> Compared {
    let path = path(state);
    let file = match File::read(state) {
        Ok(Some(file)) => file,
        Ok(None) => {
            let path = path.display();
            return Compared::Unknown(format!(
                "{path} is not there, so nobody can tell whether this is the newest copy of the ledger: the next start reads all of it and writes the file anew; until `bartizan audit expire --confirm-clock` nothing expires then"
            ));
        }
        // Another account's vault is not for us to read, and that says nothing of the ledger.
        Err(error) if is_denied(&error) => {
            return Compared::Unknown(format!(
                "{error:#}: so nobody has compared the ledger with what the vault knows; verify as the account that the gateway runs as"
            ));
        }
        Err(error) => return Compared::Against(format!("{error:#}")),
    };
    let File { size, root, .. } = file;
    let ledger = crate::audit::log_folder(state);
    // What cannot be read is told by whoever verifies.
    let standing = if size == 0 {
        Standing::Same
    } else {
        stands(state, size, root).unwrap_or(Standing::Same)
    };
    match standing {
        Standing::Shorter { leaves } => {
            Compared::Against(AnchorError::Shorter { ledger, leaves, size }.to_string())
        }
        Standing::Other => Compared::Against(AnchorError::Other { ledger, size }.to_string()),
        Standing::Same if signer.is_some_and(|signer| !file.is_marked(signer)) => {
            Compared::Unknown(format!(
                "{} was not left like that by the log's present key, so what it says proves nothing: the next start reads the whole ledger and writes the file anew",
                path.display()
            ))
        }
        Standing::Same => Compared::Fits,
    }
}

fn is_denied(error: &anyhow::Error) -> bool {
    let denied = std::io::ErrorKind::PermissionDenied;
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == denied)
}

/// The last time that was believed, for a reader; `None` where nothing was yet.
///
/// # Errors
/// When the file is damaged.
pub(crate) fn trusted_ms(state: &Path) -> anyhow::Result<Option<u64>> {
    Ok(File::read(state)?.map(|file| file.trusted_ms))
}

/// Why a process that starts now would not believe the clock, if it would not.
///
/// # Errors
/// When the file is damaged.
pub(crate) fn doubt(state: &Path, now_ms: u64) -> anyhow::Result<Option<Doubt>> {
    // Without an anchor nobody knows which time was believed last.
    let (trusted_ms, leaps_ms) =
        File::read(state)?.map_or((NO_TIME_MS, 0), |file| (file.trusted_ms, file.leaps_ms));
    Ok(Time { trusted_ms, leaps_ms, since_us: 0 }.next(now_ms, 0).err())
}

/// The names of all keys that have a tombstone, for a reader. Nothing is written, and an anchor that does not fit the log saves nothing.
///
/// # Errors
/// When the log cannot be read, or has a leaf that is not proven: whom to forget is not for a forger to say.
pub(crate) fn tombstones(state: &Path, signer: &NoteKey) -> anyhow::Result<BTreeSet<RecordId>> {
    // A file that cannot be understood is for whoever writes to tell: a reader reads the log.
    let file = File::read(state).ok().flatten().filter(|file| file.origin == signer.name());
    let (mut keys, mut from) = (BTreeSet::new(), 0);
    if let Some(file) = file {
        keys = file.keys();
        let is_fitting = file.is_marked(signer)
            && (file.size == 0 || checkpointed(state, file.size).ok().flatten() == Some(file.root));
        from = if is_fitting { file.size } else { 0 };
    }
    keys.extend(Told::since(state, from, signer)?.tombstones);
    Ok(keys)
}

mod time;
pub(crate) use time::Doubt;
use time::Time;

mod standing;
use standing::{Standing, checkpointed, stands};

#[cfg(test)]
mod tests;
