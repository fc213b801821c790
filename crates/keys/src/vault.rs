//! The key store's file on its disk: read once, then written in place.
//!
//! `keys.slots` is a header block and then slots. A new file is written whole under another name and renamed, so that a file with this name always
//! has a header. Slots are added in steps, so that most syncs change no length. Whatever holds keys and goes out of use is filled with zeros
//! first. How well that reaches the medium depends on the disk: see the guide on what erasure does not reach.
use crate::header::{HEADER_BYTES, Header, HeaderFlaw};
use crate::problem::StoreError;
use crate::slot::{Found, SLOT_BYTES, SlotBytes, read};
use crate::store::{Access, Options};
use bartizan_core::disk::{Disk, DiskFile};
use std::io;
use std::sync::Arc;

/// The name of the key store's file.
pub const SLOTS_FILE: &str = "keys.slots";
/// Most slots of a key store: 512 MiB, as one key takes 128 bytes.
pub const SLOTS_MAX: u32 = 4_194_304;
/// What a file is called until it is whole.
const UNREADY_FILE: &str = "keys.slots.new";
/// Slots that are read or written in one go.
const CHUNK_SLOTS: usize = 8192;
const SLOT: u64 = SLOT_BYTES as u64;
const HEADER: u64 = HEADER_BYTES as u64;

pub(crate) struct Vault {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    /// Slots that the file has room for.
    n_slots: u64,
    /// Slots that are added at a time.
    grow_slots: u64,
    is_read_only: bool,
}

fn place(slot: u64) -> u64 {
    HEADER + slot * SLOT
}

impl Vault {
    /// Opens the file, or `None` if there is none. Finishes or undoes what a crash left of a change of files.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        options: &Options,
    ) -> Result<Option<(Self, Header)>, StoreError> {
        let is_read_only = options.access == Access::Read;
        if !is_read_only {
            // What an earlier process renamed must be durable before anything is built on it.
            disk.sync_dir().map_err(StoreError::disk("sync the folder of", SLOTS_FILE))?;
            discard_unready(&*disk).map_err(StoreError::disk("wipe", UNREADY_FILE))?;
        }
        let file = match disk.open(SLOTS_FILE, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::disk("open", SLOTS_FILE)(error)),
        };
        let header = read_header(&*file)?;
        let bytes = file.len().map_err(StoreError::disk("read", SLOTS_FILE))?;
        // A last slot that is cut short counts: what is left of it is not to be written over.
        let n_slots = bytes.saturating_sub(HEADER).div_ceil(SLOT);
        let slots_max = options.slots_max.next_multiple_of(options.grow_slots.max(1));
        if u64::from(slots_max) < n_slots {
            let (file, slots) = (SLOTS_FILE, n_slots);
            return Err(StoreError::TooLarge { file, slots, slots_max });
        }
        let grow_slots = u64::from(options.grow_slots.max(1));
        Ok(Some((Self { disk, file, n_slots, grow_slots, is_read_only }, header)))
    }

    /// Makes a file without keys.
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        header: &Header,
        options: &Options,
    ) -> Result<Self, StoreError> {
        let grow_slots = u64::from(options.grow_slots.max(1));
        let made = write_unready(&*disk, header, &[], grow_slots)
            .map_err(StoreError::disk("create", UNREADY_FILE))?;
        let (file, n_slots) = made;
        publish(&*disk).map_err(StoreError::disk("create", SLOTS_FILE))?;
        Ok(Self { disk, file, n_slots, grow_slots, is_read_only: false })
    }

    /// Reads every slot, and makes durable what stands in them: a process before this one may have written them and never synced, and then
    /// what is read here is in the kernel's cache only. Damaged slots are left alone.
    pub(crate) fn load(&mut self) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::with_capacity(usize::try_from(self.n_slots).unwrap_or_default());
        let mut chunk = vec![0; CHUNK_SLOTS * SLOT_BYTES];
        let mut slot = 0;
        while slot < self.n_slots {
            let n_left =
                usize::try_from(self.n_slots - slot).unwrap_or(usize::MAX).min(CHUNK_SLOTS);
            let bytes = chunk.get_mut(..n_left * SLOT_BYTES).unwrap_or_default();
            bytes.fill(0);
            self.file.read_at(bytes, place(slot)).map_err(StoreError::disk("read", SLOTS_FILE))?;
            let (slots, _) = bytes.as_chunks::<SLOT_BYTES>();
            let mut whole = Vec::new();
            for (at, bytes) in (slot..).zip(slots) {
                let what = read(bytes);
                if matches!(what, Found::Live(_) | Found::Destroyed(_)) {
                    whole.push((at, *bytes));
                }
                found.push(what);
            }
            if !self.is_read_only {
                self.put(&whole).map_err(StoreError::disk("write", SLOTS_FILE))?;
            }
            slot += n_left as u64;
        }
        if !self.is_read_only {
            self.file.sync_data().map_err(StoreError::disk("sync", SLOTS_FILE))?;
        }
        Ok(found)
    }

    /// Writes slots, in order of place, and makes them durable with one sync.
    pub(crate) fn write(&mut self, slots: &[(u32, SlotBytes)]) -> Result<(), StoreError> {
        let Some((last, _)) = slots.last() else { return Ok(()) };
        self.grow(u64::from(*last) + 1).map_err(StoreError::disk("grow", SLOTS_FILE))?;
        let slots: Vec<(u64, SlotBytes)> =
            slots.iter().map(|(slot, bytes)| (u64::from(*slot), *bytes)).collect();
        self.put(&slots).map_err(StoreError::disk("write", SLOTS_FILE))?;
        self.file.sync_data().map_err(StoreError::disk("sync", SLOTS_FILE))
    }

    fn grow(&mut self, n_needed: u64) -> io::Result<()> {
        if n_needed <= self.n_slots {
            return Ok(());
        }
        let n_slots = n_needed.next_multiple_of(self.grow_slots);
        write_zeros(&mut *self.file, place(self.n_slots), place(n_slots))?;
        self.n_slots = n_slots;
        Ok(())
    }

    /// Writes slots, neighbours together.
    fn put(&mut self, slots: &[(u64, SlotBytes)]) -> io::Result<()> {
        for run in slots.chunk_by(|(slot, _), (next, _)| slot + 1 == *next) {
            let Some((first, _)) = run.first() else { continue };
            let bytes: Vec<u8> = run.iter().flat_map(|(_, bytes)| *bytes).collect();
            self.file.write_at(&bytes, place(*first))?;
        }
        Ok(())
    }

    /// Writes a whole new file beside this one. Nothing has changed until [`Vault::swap`].
    pub(crate) fn prepare(
        &self,
        header: &Header,
        slots: &[SlotBytes],
    ) -> Result<Prepared, StoreError> {
        match write_unready(&*self.disk, header, slots, self.grow_slots) {
            Ok((file, n_slots)) => Ok(Prepared { file, n_slots }),
            Err(error) => {
                // The error that counts is the first one; what cannot be wiped now, the next start wipes.
                drop(discard_unready(&*self.disk));
                Err(StoreError::disk("write", UNREADY_FILE)(error))
            }
        }
    }

    /// Puts the new file in place of this one, durably, and wipes what this one held.
    pub(crate) fn swap(&mut self, prepared: Prepared) -> Result<(), StoreError> {
        publish(&*self.disk).map_err(StoreError::disk("replace", SLOTS_FILE))?;
        let mut old = std::mem::replace(&mut self.file, prepared.file);
        self.n_slots = prepared.n_slots;
        wipe(&mut *old).map_err(StoreError::disk("wipe the old", SLOTS_FILE))
    }
}

/// A new file that has no name yet that counts.
pub(crate) struct Prepared {
    file: Box<dyn DiskFile>,
    n_slots: u64,
}

fn read_header(file: &dyn DiskFile) -> Result<Header, StoreError> {
    let mut block = vec![0; HEADER_BYTES];
    let n_read = file.read_at(&mut block, 0).map_err(StoreError::disk("read", SLOTS_FILE))?;
    block.truncate(n_read);
    let file = SLOTS_FILE;
    Header::decode(&block).map_err(|flaw| match flaw {
        HeaderFlaw::Foreign => StoreError::Foreign { file },
        HeaderFlaw::Version(version) => StoreError::Version { file, version },
        HeaderFlaw::Damaged => StoreError::Damaged { file },
    })
}

/// Writes a whole file under the other name, durably, and says how many slots it has room for.
fn write_unready(
    disk: &dyn Disk,
    header: &Header,
    slots: &[SlotBytes],
    grow_slots: u64,
) -> io::Result<(Box<dyn DiskFile>, u64)> {
    let mut file = disk.open(UNREADY_FILE, true)?;
    file.set_len(0)?;
    file.write_at(&header.encode(), 0)?;
    let mut at = HEADER;
    for chunk in slots.chunks(CHUNK_SLOTS) {
        file.write_at(chunk.as_flattened(), at)?;
        at += chunk.len() as u64 * SLOT;
    }
    let n_slots = (slots.len() as u64).max(1).next_multiple_of(grow_slots);
    write_zeros(&mut *file, at, place(n_slots))?;
    file.sync_data()?;
    Ok((file, n_slots))
}

fn publish(disk: &dyn Disk) -> io::Result<()> {
    disk.rename(UNREADY_FILE, SLOTS_FILE)?;
    disk.sync_dir()
}

/// Takes away what a crash left of a new file, wiping it first: its keys may be destroyed in the real one later. A name that a power cut brings back
/// is one of zeros, and is taken away again.
fn discard_unready(disk: &dyn Disk) -> io::Result<()> {
    match disk.open(UNREADY_FILE, false) {
        Ok(mut file) => wipe(&mut *file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    disk.remove(UNREADY_FILE)
}

fn wipe(file: &mut dyn DiskFile) -> io::Result<()> {
    let len = file.len()?;
    write_zeros(file, 0, len)?;
    file.sync_data()
}

fn write_zeros(file: &mut dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let most = (CHUNK_SLOTS * SLOT_BYTES) as u64;
    let zeros = vec![0; usize::try_from(end.saturating_sub(start).min(most)).unwrap_or(0)];
    let mut at = start;
    while at < end {
        let n_bytes = usize::try_from(end - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_at(zeros.get(..n_bytes).unwrap_or_default(), at)?;
        at += n_bytes as u64;
    }
    Ok(())
}
