//! The key store: a key per subject and per day and retention, made when first needed and gone when destroyed.
//!
//! New keys are made in memory and become durable with [`Sealer::persist`], one sync for all; that must come before what was sealed
//! with them becomes durable. A failed write or sync ends all sealing, since what is on the disk is then not known. Destroying a key
//! overwrites its slot, and only then says that it is gone.
//!
//! What it does not do: decide when a key is destroyed (the binary does, for a request or a retention), write tombstones (the ledger does),
//! or keep two processes off one file (whoever opens the folder does).
use crate::cipher::{CipherError, NONCE_BYTES, mac_16, mac_key};
use crate::envelope::{DRAWN_BYTES, Envelope, seal};
use crate::header::Header;
use crate::pieces::pieces;
use crate::problem::StoreError;
use crate::ready::Ready;
use crate::secret::Secret;
use crate::slot::{Class, Tag, read};
use crate::table::{Lookup, Maker, Table, Tally};
use crate::tenant::TenantKey;
use crate::vault::{SLOTS_FILE, SLOTS_MAX, Vault};
use aws_lc_rs::hmac;
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::digest::{Digest, HexError, parse_hex, write_hex};
use bartizan_core::disk::Disk;
use bartizan_core::record::RecordId;
use bartizan_core::seal::{OpenError, Opener, Retention, SealError, Sealed, Sealer, Sealing};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use zeroize::Zeroizing;

/// Most bytes of a subject's name.
pub const SUBJECT_NAME_BYTES_MAX: usize = 512;
const DAY_MS: u64 = 86_400_000;
/// The subject of what is about nobody in particular.
const NOBODY: &str = "";

/// The UTC day of a time: days since 1970-01-01. It names a period.
pub const fn day_of(unix_ms: u64) -> u64 {
    unix_ms / DAY_MS
}

/// What a subject's key is looked up by: a keyed hash of the name, the same as long as the store exists. It is no secret, but whoever has
/// it and the store can tell whether two requests are about one subject.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectTag(Tag);

impl fmt::Display for SubjectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SubjectTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for SubjectTag {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self)
    }
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most subjects with a key.
    pub subjects_max: usize,
    /// Most unwrapped keys in memory, about 2 KiB each.
    pub cached_keys_max: usize,
    /// Most keys in all, destroyed ones included, which keep their names.
    pub slots_max: u32,
    /// By how many keys the file grows at a time.
    pub grow_slots: u32,
    /// What may be done with the file.
    pub access: Access,
}

/// What a store may do with its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read and write it, and make it where there is none.
    Create,
    /// Read and write it. A lost file is told, and not replaced by an empty one.
    Write,
    /// Read it only, as a second process must that looks at payloads while the first one serves. It seals and destroys nothing, and does not
    /// hear of what the first one does later.
    Read,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            subjects_max: 1_000_000,
            cached_keys_max: 16_384,
            slots_max: SLOTS_MAX,
            grow_slots: 4096,
            access: Access::Create,
        }
    }
}

/// What was found when the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Whether the store was made.
    pub created: bool,
    /// Live keys of subjects, the one of nobody in particular included.
    pub subjects: usize,
    /// Live keys of periods.
    pub periods: usize,
    /// Keys that were destroyed and left their names.
    pub destroyed: usize,
    /// Destructions that a crash had interrupted, and that are finished now.
    pub finished: usize,
    /// Slots that a crash left half written; nobody was ever told that their keys exist.
    pub unfinished: usize,
    /// Slots that were changed since they were written. What their keys sealed cannot be read: restore the file from a backup.
    pub damaged: usize,
}

/// How many keys there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Live keys of subjects, the one of nobody in particular not included.
    pub subjects: usize,
    /// Live keys of periods.
    pub periods: usize,
    /// Keys that were destroyed and left their names.
    pub destroyed: usize,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is in use.
    Live,
    /// It was destroyed.
    Destroyed,
    /// There is no key with this name, and no trace of one.
    Unknown,
}

/// What was done to wrap all keys anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewrapReport {
    /// Live keys that are wrapped by the new tenant's key.
    pub rewrapped: usize,
    /// Damaged slots, which nobody could unwrap and which are left out.
    pub dropped: usize,
}

/// The key store of one tenant. One for the whole process, shared by all threads.
///
/// No lock is held while a payload is encrypted or decrypted.
pub struct KeyStore {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: Options,
    index: hmac::Key,
    index_bytes: Secret<32>,
    store: [u8; 16],
    // INVARIANT: whoever takes both locks takes the vault's first.
    vault: Mutex<Vault>,
    table: Mutex<Table>,
    /// Keys made since the store was opened; it grows under the table's lock.
    made: AtomicU64,
    /// How many of them are durable; it grows under the vault's lock.
    durable: AtomicU64,
    failure: OnceLock<String>,
}

impl KeyStore {
    /// Opens the store on a disk, or makes one.
    ///
    /// Next comes [`KeyStore::destroy_again`] with whatever tombstones name, before anything is sealed.
    ///
    /// # Errors
    /// [`StoreError`]: [`WrongKey`](StoreError::WrongKey), before anything is written to the file, if the store is another tenant's.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        tenant: &TenantKey,
        options: Options,
    ) -> Result<(Self, OpenReport), StoreError> {
        let wrap = tenant.wrap_key()?;
        let (mut vault, header, created) = match Vault::open(Arc::clone(&disk), &options)? {
            Some((vault, header)) => (vault, header, false),
            None if options.access == Access::Create => {
                let header = new_header(tenant, &*entropy)?;
                (Vault::create(disk, &header, &options)?, header, true)
            }
            None => return Err(StoreError::Absent { file: SLOTS_FILE }),
        };
        if header.check != tenant.check_value()? {
            return Err(StoreError::WrongKey { name: tenant.name().to_owned() });
        }
        let damaged = |CipherError| StoreError::Damaged { file: SLOTS_FILE };
        let index_bytes = header.index_key(&wrap).map_err(damaged)?;
        let index = mac_key(index_bytes.expose());
        let nobody = mac_16(&index, NOBODY.as_bytes());
        let found = vault.load()?.into_iter();
        let cached_keys_max = options.cached_keys_max;
        let (mut table, tally) = Table::load(header.store, wrap, nobody, cached_keys_max, found)?;
        let finished = table.take_dirty();
        if options.access != Access::Read {
            vault.write(&finished)?;
        }
        let report = report(created, &tally, finished.len());
        let store = Self {
            clock,
            entropy,
            options,
            index,
            index_bytes,
            store: header.store,
            vault: Mutex::new(vault),
            table: Mutex::new(table),
            made: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            failure: OnceLock::new(),
        };
        Ok((store, report))
    }

    fn vault(&self) -> MutexGuard<'_, Vault> {
        self.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Errors from here on if a write or a sync has failed.
    fn check(&self) -> Result<(), StoreError> {
        if self.options.access == Access::Read {
            return Err(StoreError::ReadOnly);
        }
        let stopped = |reason: &String| StoreError::Stopped { reason: reason.clone() };
        self.failure.get().map_or(Ok(()), |reason| Err(stopped(reason)))
    }

    /// Ends all sealing: what is on the disk is not known any more.
    fn fail(&self, error: StoreError) -> StoreError {
        self.failure.get_or_init(|| error.to_string());
        error
    }

    /// What a subject's key is looked up by, so that a request to erase can be handed on without the name.
    ///
    /// # Errors
    /// [`SealError::SubjectTooLong`] over [`SUBJECT_NAME_BYTES_MAX`] bytes.
    pub fn tag(&self, subject: &str) -> Result<SubjectTag, SealError> {
        if SUBJECT_NAME_BYTES_MAX < subject.len() {
            let (bytes, bytes_max) = (subject.len(), SUBJECT_NAME_BYTES_MAX);
            return Err(SealError::SubjectTooLong { bytes, bytes_max });
        }
        Ok(SubjectTag(mac_16(&self.index, subject.as_bytes())))
    }

    /// The name of a subject's key, if it has one.
    pub fn subject_key(&self, tag: SubjectTag) -> Option<RecordId> {
        self.table().id_of(Lookup::subject(tag.0))
    }

    /// The names of the live keys of days before `day`, the oldest first: what a retention that reaches back to `day` lets go.
    ///
    /// * `day`: as [`day_of`] counts.
    pub fn periods_before(&self, retention: Retention, day: u64) -> Vec<RecordId> {
        self.table().periods_before(retention, day)
    }

    /// What became of a key.
    pub fn state(&self, key: RecordId) -> KeyState {
        match self.table().is_live(key) {
            Some(true) => KeyState::Live,
            Some(false) => KeyState::Destroyed,
            None => KeyState::Unknown,
        }
    }

    /// How many keys there are.
    pub fn counts(&self) -> Counts {
        let [subjects, periods, destroyed] = self.table().counts();
        Counts { subjects, periods, destroyed }
    }

    /// How many keys the file has room for and was ever given, destroyed and damaged ones included: a file that has fewer than it had was cut, or is
    /// an older one. Keys that are not durable yet do not count.
    pub fn slots_used(&self) -> u64 {
        let table = self.table();
        let n_new =
            self.made.load(Ordering::Acquire).saturating_sub(self.durable.load(Ordering::Acquire));
        (table.n_slots() as u64).saturating_sub(n_new)
    }

    /// The pseudonym in `record` of the subject with this key; `None` if there is no such key. Unlike
    /// [`Sealer::pseudonym`] it makes no key, so it is what a search by subject uses.
    ///
    /// # Errors
    /// [`SealError::Cipher`] if the key cannot be unwrapped.
    pub fn pseudonym_of(
        &self,
        key: RecordId,
        record: RecordId,
    ) -> Result<Option<[u8; 16]>, SealError> {
        let ready = self.table().key_with(key)?;
        Ok(ready.and_then(|ready| ready.pseudonym(record)))
    }

    /// Destroys a key: overwrites its slot, syncs, and forgets it. `false` if there was none, or it was destroyed before.
    ///
    /// From the moment of the call nothing is sealed or opened with it; when it returns, the disk has it no more.
    ///
    /// # Errors
    /// [`StoreError::Disk`], [`StoreError::Stopped`]: then the key may still be on the disk, and must be named by a tombstone, so that the next
    /// start destroys it.
    pub fn destroy(&self, key: RecordId) -> Result<bool, StoreError> {
        Ok(self.destroy_again(&[key])? == 1)
    }

    /// Destroys the keys that tombstones name, as far as they exist: a backup that was restored must not bring one back. Returns how
    /// many did. One sync for all, none if there is nothing to do.
    ///
    /// # Errors
    /// Those of [`KeyStore::destroy`].
    pub fn destroy_again(&self, keys: &[RecordId]) -> Result<usize, StoreError> {
        let mut vault = self.vault();
        self.check()?;
        let (n_destroyed, made, dirty) = {
            let mut table = self.table();
            let n_destroyed = keys.iter().filter(|key| table.forget(**key)).count();
            if n_destroyed == 0 {
                return Ok(0);
            }
            // New keys that wait to be written are written with them: it is the same sync.
            (n_destroyed, self.made.load(Ordering::Acquire), table.take_dirty())
        };
        vault.write(&dirty).map_err(|error| self.fail(error))?;
        self.durable.store(made, Ordering::Release);
        Ok(n_destroyed)
    }

    /// Hides the keys that tombstones name from whoever reads a store that somebody else writes: they open nothing here from now on, and the
    /// file stays as it is. Returns how many of them were there.
    ///
    /// # Errors
    /// Those of [`KeyStore::destroy_again`], which is what this does to a store that may be written.
    pub fn hide(&self, keys: &[RecordId]) -> Result<usize, StoreError> {
        if self.options.access != Access::Read {
            return self.destroy_again(keys);
        }
        let mut table = self.table();
        // Nothing is ever written to a store that is only read, so what is marked for writing stays in memory.
        Ok(keys.iter().filter(|key| table.forget(**key)).count())
    }

    fn persist_new(&self) -> Result<(), StoreError> {
        self.check()?;
        let made = self.made.load(Ordering::Acquire);
        if made <= self.durable.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut vault = self.vault();
        self.check()?;
        // Whoever held the lock may have done it.
        if made <= self.durable.load(Ordering::Acquire) {
            return Ok(());
        }
        let (made, dirty) = {
            let mut table = self.table();
            (self.made.load(Ordering::Acquire), table.take_dirty())
        };
        vault.write(&dirty).map_err(|error| self.fail(error))?;
        self.durable.store(made, Ordering::Release);
        Ok(())
    }

    /// Wraps all keys by another tenant's key, in a new file that replaces the old one. What was sealed stays readable; the old tenant's key
    /// opens the new file no more. Nothing is sealed meanwhile.
    ///
    /// The old file is filled with zeros once the new one is durable. A crash leaves one of the two: [`StoreError::WrongKey`] tells which.
    ///
    /// # Errors
    /// [`StoreError`]; unless it is of the last steps, the store goes on as before.
    pub fn rewrap(&self, tenant: &TenantKey) -> Result<RewrapReport, StoreError> {
        let wrap = tenant.wrap_key()?;
        let mut vault = self.vault();
        self.check()?;
        let mut table = self.table();
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let header = Header::new(self.store, tenant, &wrap, &self.index_bytes, nonce)?;
        let rewrapped = table.rewrapped(&wrap, &*self.entropy)?;
        let found = rewrapped.slots.iter().map(read);
        let nobody = mac_16(&self.index, NOBODY.as_bytes());
        let cached_keys_max = self.options.cached_keys_max;
        let (fresh, tally) = Table::load(self.store, wrap, nobody, cached_keys_max, found)?;
        let prepared = vault.prepare(&header, &rewrapped.slots)?;
        vault.swap(prepared).map_err(|error| self.fail(error))?;
        *table = fresh;
        self.durable.store(self.made.load(Ordering::Acquire), Ordering::Release);
        let rewrapped_keys = tally.subjects + tally.periods;
        Ok(RewrapReport { rewrapped: rewrapped_keys, dropped: rewrapped.dropped })
    }

    /// The key of a subject or a period, made if there is none.
    fn keys<const N: usize>(&self, lookups: [Lookup; N]) -> Result<[Arc<Ready>; N], SealError> {
        let maker = Maker {
            entropy: &*self.entropy,
            clock: &*self.clock,
            subjects_max: self.options.subjects_max,
            slots_max: self.options.slots_max,
        };
        let mut table = self.table();
        let mut found = Vec::with_capacity(N);
        for lookup in lookups {
            let (ready, is_new) = table.key(lookup, &maker)?;
            self.made.fetch_add(u64::from(is_new), Ordering::AcqRel);
            found.push(ready);
        }
        drop(table);
        found.try_into().map_err(|_| SealError::Cipher)
    }

    fn subject(&self, subject: Option<&str>) -> Result<Lookup, SealError> {
        Ok(Lookup::subject(self.tag(subject.unwrap_or(NOBODY))?.0))
    }

    /// The live key with this name and class.
    fn live(&self, key: RecordId, class: Class) -> Result<Arc<Ready>, OpenError> {
        let ready = self.table().key_with(key).map_err(|CipherError| OpenError::Damaged)?;
        let ready = ready.ok_or(OpenError::KeyGone { key })?;
        if ready.class == class { Ok(ready) } else { Err(OpenError::Damaged) }
    }
}

fn new_header(tenant: &TenantKey, entropy: &dyn Entropy) -> Result<Header, CipherError> {
    let (mut store, mut nonce) = ([0; 16], [0; NONCE_BYTES]);
    entropy.fill(&mut store);
    entropy.fill(&mut nonce);
    Header::new(store, tenant, &tenant.wrap_key()?, &Secret::draw(entropy), nonce)
}

fn report(created: bool, tally: &Tally, finished: usize) -> OpenReport {
    let &Tally { subjects, periods, destroyed, unfinished, damaged, .. } = tally;
    OpenReport { created, subjects, periods, destroyed, finished, unfinished, damaged }
}

/// Fresh bytes, and the keys of a period and a subject.
type Prepared = (Zeroizing<[u8; DRAWN_BYTES]>, [Arc<Ready>; 2]);

impl KeyStore {
    /// What one seal needs: fresh bytes, and the keys of the period and the subject.
    fn prepare(&self, sealing: &Sealing<'_>) -> Result<Prepared, SealError> {
        self.check()?;
        let period = Lookup::period(sealing.retention, day_of(sealing.unix_ms));
        let keys = self.keys([period, self.subject(sealing.subject)?])?;
        let mut drawn = Zeroizing::new([0; DRAWN_BYTES]);
        self.entropy.fill(drawn.as_mut_slice());
        Ok((drawn, keys))
    }

    /// Whether the keys of a payload are here, and fit. Its text is not decrypted, so this tells nothing of what it says.
    ///
    /// # Errors
    /// Those of [`Opener::open`], as far as they can be told without the text.
    pub fn has_keys_of(&self, sealing: &Sealing<'_>, stored: &[u8]) -> Result<(), OpenError> {
        let envelope = Envelope::read(sealing, stored)?;
        let period = self.live(envelope.period, Class::Period(sealing.retention))?;
        let opened = envelope.open(&period.key).map_err(|CipherError| OpenError::Damaged)?;
        self.live(opened.subject, Class::Subject).map(drop)
    }

    /// Opens a payload, and lets `more` see its data key and its text.
    pub(crate) fn open_with<T>(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
        more: impl FnOnce(&[u8; 32], &[u8]) -> Result<T, CipherError>,
    ) -> Result<(Vec<u8>, T), OpenError> {
        let damaged = |CipherError| OpenError::Damaged;
        let envelope = Envelope::read(sealing, stored)?;
        let period = self.live(envelope.period, Class::Period(sealing.retention))?;
        let opened = envelope.open(&period.key).map_err(damaged)?;
        let subject = self.live(opened.subject, Class::Subject)?;
        opened.open(&subject.key, commitment, more).map_err(damaged)
    }
}

impl Sealer for KeyStore {
    fn seal(&self, sealing: &Sealing<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let (drawn, [period, subject]) = self.prepare(sealing)?;
        Ok(seal(&period, &subject, &drawn, sealing, plain)?)
    }

    fn seal_stream(
        &self,
        sealing: &Sealing<'_>,
        text: &[u8],
    ) -> Result<(Sealed, Vec<Digest>), SealError> {
        let (drawn, [period, subject]) = self.prepare(sealing)?;
        let data_key = drawn.first_chunk().ok_or(SealError::Cipher)?;
        let hashes = pieces(data_key, text)?;
        Ok((seal(&period, &subject, &drawn, sealing, text)?, hashes))
    }

    fn pseudonym(&self, subject: &str, record: RecordId) -> Result<[u8; 16], SealError> {
        self.check()?;
        let [subject] = self.keys([self.subject(Some(subject))?])?;
        subject.pseudonym(record).ok_or(SealError::Cipher)
    }

    fn persist(&self) -> Result<(), SealError> {
        Ok(self.persist_new()?)
    }
}

impl Opener for KeyStore {
    fn open(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        self.open_with(sealing, commitment, stored, |_, _| Ok(())).map(|(text, ())| text)
    }

    fn open_stream(
        &self,
        sealing: &Sealing<'_>,
        commitment: &Digest,
        stored: &[u8],
    ) -> Result<(Vec<u8>, Vec<Digest>), OpenError> {
        self.open_with(sealing, commitment, stored, pieces)
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore")
            .field("counts", &self.counts())
            .field("failure", &self.failure.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
