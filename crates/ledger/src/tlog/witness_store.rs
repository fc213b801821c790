//! A witness's memory: one small file per log, durable before any cosignature is made.
//!
//! A file is replaced by writing a new one, syncing it, renaming it and syncing the folder. When one of the last three fails, nobody knows what
//! is on the disk, and the witness answers nothing more until it is started again. What a start finds may be in the cache only, because the
//! process before was killed or could not sync: it is written again, durably, before anything is said.
use super::checkpoint::SignedCheckpoint;
use super::lines::decimal;
use super::note::{NOTE_BYTES_MAX, NoteError};
use super::witness::{AddCheckpoint, Answer, Evidence, EvidenceKind, LogState, Step, Witness};
use crate::merkle::{sha256, sha256_of};
use bartizan_core::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Most bytes of a state file.
pub const STATE_BYTES_MAX: usize = NOTE_BYTES_MAX + (1 << 10);
/// Most files of each kind of evidence that are kept per log; the first ones stay.
pub const EVIDENCE_FILES_MAX: usize = 8;

const STATE_LINE: &str = "bartizan witness state 1";
const EVIDENCE_LINE: &str = "bartizan witness evidence 1";
/// Digits of an evidence file's own name.
const EVIDENCE_DIGITS: usize = 16;

/// Why the witness does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessStoreError {
    /// The state of a log cannot be read. Starting without it could sign a second history.
    #[error(
        "the state of {origin} in {file} is damaged: restore it from a backup that is not older than its last cosignature"
    )]
    Damaged {
        /// The log.
        origin: String,
        /// The file.
        file: String,
    },
    /// The disk failed before anything was changed.
    #[error("could not {operation} {file}: {reason}")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// The disk failed in a way that leaves its content unknown.
    #[error(
        "the witness has stopped because its disk failed ({reason}): check the disk, then start it again"
    )]
    Stopped {
        /// What failed first.
        reason: String,
    },
    /// The key could not sign.
    #[error(transparent)]
    Sign(#[from] NoteError),
}

/// What is known of one log, and which evidence is kept.
#[derive(Debug, Default)]
struct Slot {
    state: Option<LogState>,
    /// Invariant: at most [`EVIDENCE_FILES_MAX`] of each kind.
    evidence: BTreeSet<String>,
}

/// A witness that remembers. Requests for different logs do not wait for one another; those for one log come one after the other.
pub struct WitnessStore {
    disk: Arc<dyn Disk>,
    witness: Witness,
    slots: BTreeMap<String, Mutex<Slot>>,
    /// The origins by the hash under which monitors ask for them.
    by_hash: BTreeMap<String, String>,
    stopped: OnceLock<String>,
}

impl fmt::Debug for WitnessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessStore").field("witness", &self.witness).finish_non_exhaustive()
    }
}

impl WitnessStore {
    /// Reads what is known of every log that the witness follows, and makes it durable: a signature must not rest on what a power cut can
    /// still take away. Nobody else may use the same folder at the same time.
    ///
    /// # Errors
    /// [`WitnessStoreError::Damaged`] if a state cannot be read, [`WitnessStoreError::Disk`], [`WitnessStoreError::Stopped`].
    pub fn open(disk: Arc<dyn Disk>, witness: Witness) -> Result<Self, WitnessStoreError> {
        let names = disk.list().map_err(failed("list", "the folder"))?;
        let mut slots = BTreeMap::new();
        for origin in witness.origins() {
            let state = read_state(&*disk, origin)?;
            let prefixes =
                [EvidenceKind::Fork, EvidenceKind::Doubt].map(|kind| evidence_prefix(kind, origin));
            // By its length: an unready file has a longer name.
            let is_ours = |name: &&String| {
                let own = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix.as_str()));
                own.is_some_and(|own| own.len() == EVIDENCE_DIGITS)
            };
            let evidence = names.iter().filter(is_ours).cloned().collect();
            slots.insert(origin.to_owned(), Mutex::new(Slot { state, evidence }));
        }
        let by_hash =
            slots.keys().map(|origin| (sha256(origin.as_bytes()).to_string(), origin.clone()));
        let by_hash = by_hash.collect();
        let store = Self { disk, witness, slots, by_hash, stopped: OnceLock::new() };
        for (origin, slot) in &store.slots {
            if let Some(state) = &lock(slot).state {
                store.place(&state_name(origin), encode_state(state).as_bytes())?;
            }
        }
        store.sync_names()?;
        Ok(store)
    }

    /// Answers the body of `POST /add-checkpoint` at a time in seconds since 1970.
    ///
    /// # Errors
    /// [`WitnessStoreError`]: nothing was cosigned then, and HTTP says 500.
    pub fn add_checkpoint(
        &self,
        body: &[u8],
        now_unix_s: u64,
    ) -> Result<Answer, WitnessStoreError> {
        let request = match AddCheckpoint::parse(body) {
            Ok(request) => request,
            Err(error) => return Ok(Answer::BadRequest(error.to_string())),
        };
        let origin = request.checkpoint().checkpoint().origin();
        let Some(slot) = self.slots.get(origin) else { return Ok(Answer::UnknownLog) };
        // Held until the state is durable: otherwise two requests could both pass the check.
        let mut slot = lock(slot);
        self.alive()?;
        match self.witness.decide(slot.state.as_ref(), &request, now_unix_s) {
            Step::Answer(answer) => Ok(answer),
            Step::Keep(evidence, answer) => {
                self.keep(&mut slot, &evidence)?;
                Ok(answer)
            }
            Step::Persist(state) => {
                self.replace(&state_name(origin), encode_state(&state).as_bytes())?;
                let state = slot.state.insert(*state);
                Ok(self.witness.cosign(state)?)
            }
        }
    }

    /// The last cosigned checkpoint of the log whose origin has this SHA-256, in lower-case hexadecimal; `None` when there is none.
    ///
    /// # Errors
    /// [`WitnessStoreError::Sign`], [`WitnessStoreError::Stopped`].
    pub fn checkpoint(
        &self,
        origin_hash: &str,
    ) -> Result<Option<SignedCheckpoint>, WitnessStoreError> {
        self.alive()?;
        let slot = self.by_hash.get(origin_hash).and_then(|origin| self.slots.get(origin));
        let state = slot.and_then(|slot| lock(slot).state.clone());
        Ok(state.map(|state| self.witness.cosigned(&state)).transpose()?)
    }

    /// Names of the files with evidence against a log.
    pub fn evidence(&self, origin: &str) -> Vec<String> {
        self.slots
            .get(origin)
            .map_or_else(Vec::new, |slot| lock(slot).evidence.iter().cloned().collect())
    }

    fn alive(&self) -> Result<(), WitnessStoreError> {
        self.stopped
            .get()
            .map_or(Ok(()), |reason| Err(WitnessStoreError::Stopped { reason: reason.clone() }))
    }

    /// Keeps evidence unless it is known already or there is enough of its kind.
    fn keep(&self, slot: &mut Slot, evidence: &Evidence) -> Result<(), WitnessStoreError> {
        let checkpoint = evidence.request.checkpoint().checkpoint();
        let prefix = evidence_prefix(evidence.kind, checkpoint.origin());
        let hash = sha256(checkpoint.to_string().as_bytes()).to_string();
        let name = format!("{prefix}{}", hash.get(..EVIDENCE_DIGITS).unwrap_or_default());
        let n_kept = slot.evidence.iter().filter(|name| name.starts_with(&prefix)).count();
        if slot.evidence.contains(&name) || EVIDENCE_FILES_MAX <= n_kept {
            return Ok(());
        }
        self.replace(&name, encode_evidence(evidence).as_bytes())?;
        slot.evidence.insert(name);
        Ok(())
    }

    /// Writes a file durably, or leaves the old one as it is.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), WitnessStoreError> {
        self.place(name, content)?;
        self.sync_names()
    }

    /// Writes a file and gives it its name, which is durable once the folder is synced.
    fn place(&self, name: &str, content: &[u8]) -> Result<(), WitnessStoreError> {
        let unready = format!("{name}.new");
        let write = || {
            let mut file = self.disk.open(&unready, true)?;
            file.set_len(0)?;
            file.write_at(content, 0)?;
            Ok(file)
        };
        // Until here only the unready file was touched, which nobody reads.
        let mut file = write().map_err(failed("write", &unready))?;
        let named = file.sync_data().and_then(|()| self.disk.rename(&unready, name));
        named.map_err(|error| self.stop(&error))
    }

    fn sync_names(&self) -> Result<(), WitnessStoreError> {
        self.disk.sync_dir().map_err(|error| self.stop(&error))
    }

    fn stop(&self, error: &io::Error) -> WitnessStoreError {
        let reason = self.stopped.get_or_init(|| error.to_string()).clone();
        WitnessStoreError::Stopped { reason }
    }
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(operation: &'static str, file: &str) -> impl Fn(io::Error) -> WitnessStoreError {
    move |error| {
        let (file, reason) = (file.to_owned(), error.to_string());
        WitnessStoreError::Disk { operation, file, reason }
    }
}

fn state_name(origin: &str) -> String {
    format!("log-{}", sha256(origin.as_bytes()))
}

fn evidence_prefix(kind: EvidenceKind, origin: &str) -> String {
    let kind = match kind {
        EvidenceKind::Fork => "fork",
        EvidenceKind::Doubt => "doubt",
    };
    format!("{kind}-{}-", sha256(origin.as_bytes()))
}

fn encode_state(state: &LogState) -> String {
    let rest = format!("time {}\n\n{}", state.unix_s, state.checkpoint);
    format!("{STATE_LINE}\nsha256 {}\n{rest}", sha256_of(&[rest.as_bytes()]))
}

fn decode_state(bytes: &[u8], origin: &str) -> Option<LogState> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, checkpoint) = text.split_once("\n\n")?;
    let time = head.rsplit_once("\ntime ").map(|(_, time)| time)?;
    let checkpoint = SignedCheckpoint::parse(checkpoint.as_bytes()).ok()?;
    let state = LogState { unix_s: decimal(time)?, checkpoint };
    let is_whole = encode_state(&state) == text && state.checkpoint.checkpoint().origin() == origin;
    is_whole.then_some(state)
}

fn read_state(disk: &dyn Disk, origin: &str) -> Result<Option<LogState>, WitnessStoreError> {
    let name = state_name(origin);
    let read = || -> io::Result<Option<Vec<u8>>> {
        let file = match disk.open(&name, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let n_bytes = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(STATE_BYTES_MAX + 1);
        let mut bytes = vec![0; n_bytes];
        let n_read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(n_read);
        Ok(Some(bytes))
    };
    let Some(bytes) = read().map_err(failed("read", &name))? else { return Ok(None) };
    let state = if bytes.len() <= STATE_BYTES_MAX { decode_state(&bytes, origin) } else { None };
    let damaged = || WitnessStoreError::Damaged { origin: origin.to_owned(), file: name };
    state.map(Some).ok_or_else(damaged)
}

/// What a person or a program needs to show the fork: both signed checkpoints, and what came with the second.
fn encode_evidence(evidence: &Evidence) -> String {
    let known = evidence.known.as_ref().map(|state| state.checkpoint.to_string());
    let (known, request) = (known.unwrap_or_default(), evidence.request.to_string());
    format!(
        "{EVIDENCE_LINE}\ntime {}\nknown {} bytes, then request {} bytes\n\n{known}{request}",
        evidence.unix_s,
        known.len(),
        request.len(),
    )
}

#[cfg(test)]
mod tests;
