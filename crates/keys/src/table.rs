//! What the store knows without its disk: which key stands in which slot, wrapped, and the unwrapped keys at hand.
//!
//! Facts in, facts out: no lock and no disk here. Whatever changes a slot says so in [`Table::take_dirty`].
use crate::cache::Cache;
use crate::cipher::{CipherError, KEY_BYTES, NONCE_BYTES, WRAPPED_BYTES};
use crate::problem::StoreError;
use crate::ready::Ready;
use crate::secret::Secret;
use crate::slot::{
    Class, Found, SLOT_BYTES, Slot, SlotBytes, StoreId, Tag, day_tag, encode_destroyed, tag_day,
};
use crate::vault::SLOTS_FILE;
use aws_lc_rs::aead::LessSafeKey;
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::record::RecordId;
use bartizan_core::seal::{Retention, SealError};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

/// One slot.
#[derive(Debug)]
enum Entry {
    Free,
    Live(Slot),
    Destroyed(RecordId),
    /// Unreadable, so nobody's key; and never given to another one, since it may be somebody's yet in a better copy of the file.
    Lost(RecordId),
}

/// What a subject's key is looked up by, or a period's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lookup {
    pub(crate) class: Class,
    pub(crate) tag: Tag,
}

impl Lookup {
    pub(crate) fn subject(tag: Tag) -> Self {
        Self { class: Class::Subject, tag }
    }

    pub(crate) fn period(retention: Retention, day: u64) -> Self {
        Self { class: Class::Period(retention), tag: day_tag(day) }
    }
}

/// What a new key is made with.
pub(crate) struct Maker<'a> {
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) subjects_max: usize,
    pub(crate) slots_max: u32,
}

/// How many slots of each kind were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) subjects: usize,
    pub(crate) periods: usize,
    pub(crate) destroyed: usize,
    pub(crate) half_destroyed: usize,
    pub(crate) unfinished: usize,
    pub(crate) damaged: usize,
}

pub(crate) struct Table {
    store: StoreId,
    wrap: LessSafeKey,
    entries: Vec<Entry>,
    by_id: BTreeMap<RecordId, u32>,
    by_tag: BTreeMap<Lookup, u32>,
    cache: Cache<Arc<Ready>>,
    /// Slots whose bytes on the disk are not what they should be.
    dirty: Vec<u32>,
    /// Slots that no index leads to and whose key may have to be destroyed: damaged ones, and live copies of destroyed keys.
    strays: BTreeSet<(RecordId, u32)>,
    /// Live keys of subjects, the one of nobody not counted.
    n_subjects: usize,
    /// The tag of nobody, whose key there is always room for.
    nobody: Tag,
}

impl Table {
    /// The table of a file with these slots. What was destroyed by half, and copies of keys that were destroyed elsewhere in the file, are
    /// destroyed as soon as the table's dirty slots are written.
    pub(crate) fn load(
        store: StoreId,
        wrap: LessSafeKey,
        nobody: Tag,
        cached_keys_max: usize,
        found: impl Iterator<Item = Found>,
    ) -> Result<(Self, Tally), StoreError> {
        let (mut tally, mut entries, mut dirty) = (Tally::default(), Vec::new(), Vec::new());
        for (slot, found) in (0..).zip(found) {
            if matches!(found, Found::HalfDestroyed(_)) {
                dirty.push(slot);
            }
            entries.push(tally.count(found));
        }
        let Ids { by_id, stale } = index_ids(&entries)?;
        let lost = (0..).zip(&entries).filter_map(|(slot, entry)| match entry {
            Entry::Lost(id) => Some((*id, slot)),
            _ => None,
        });
        let strays = lost.chain(stale.iter().copied()).collect();
        let by_tag = index_tags(&entries)?;
        let n_subjects =
            tally.subjects - usize::from(by_tag.contains_key(&Lookup::subject(nobody)));
        let cache = Cache::new(cached_keys_max);
        let mut table =
            Self { store, wrap, entries, by_id, by_tag, cache, dirty, strays, n_subjects, nobody };
        // What follows the last slot that was ever used is room for new keys.
        while let Some(Entry::Free) = table.entries.last() {
            table.entries.pop();
        }
        for (id, _) in stale {
            table.forget(id);
        }
        Ok((table, tally))
    }

    /// The key with this lookup, made if there is none; and whether it was made.
    pub(crate) fn key(
        &mut self,
        lookup: Lookup,
        maker: &Maker<'_>,
    ) -> Result<(Arc<Ready>, bool), SealError> {
        if let Some(&slot) = self.by_tag.get(&lookup) {
            return Ok((self.ready(slot)?, false));
        }
        Ok((self.make(lookup, maker)?, true))
    }

    /// The live key with this name.
    pub(crate) fn key_with(&mut self, id: RecordId) -> Result<Option<Arc<Ready>>, CipherError> {
        match self.by_id.get(&id).copied() {
            Some(slot) if matches!(self.entry(slot), Some(Entry::Live(_))) => {
                self.ready(slot).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether a key with this name is live, was destroyed, or is not known.
    pub(crate) fn is_live(&self, id: RecordId) -> Option<bool> {
        let slot = self.by_id.get(&id)?;
        Some(matches!(self.entry(*slot), Some(Entry::Live(_))))
    }

    /// The name of the key with this lookup.
    pub(crate) fn id_of(&self, lookup: Lookup) -> Option<RecordId> {
        match self.entry(*self.by_tag.get(&lookup)?)? {
            Entry::Live(slot) => Some(slot.id),
            _ => None,
        }
    }

    /// The names of the live keys of periods before a day, the oldest first.
    pub(crate) fn periods_before(&self, retention: Retention, day: u64) -> Vec<RecordId> {
        // Tags sort by the bytes of a little-endian number, so all of a retention's are looked at: three thousand in ten years.
        let class = Class::Period(retention);
        let range = Lookup { class, tag: [0; 16] }..=Lookup { class, tag: [0xff; 16] };
        let mut before: Vec<(u64, RecordId)> = self
            .by_tag
            .range(range)
            .map(|(lookup, slot)| (tag_day(&lookup.tag), slot))
            .filter(|(at, _)| *at < day)
            .filter_map(|(at, slot)| match self.entry(*slot) {
                Some(Entry::Live(slot)) => Some((at, slot.id)),
                _ => None,
            })
            .collect();
        before.sort_unstable();
        before.into_iter().map(|(_, id)| id).collect()
    }

    /// Forgets a key, here and in the cache; from now on its slots say that it is destroyed. `false` if there is nothing to forget.
    pub(crate) fn forget(&mut self, id: RecordId) -> bool {
        let known = self.by_id.get(&id).copied();
        let live = known.filter(|slot| matches!(self.entry(*slot), Some(Entry::Live(_))));
        // A key whose destruction was ordered must not come back from a damaged slot either.
        let strays: Vec<u32> =
            self.strays.range((id, 0)..=(id, u32::MAX)).map(|(_, slot)| *slot).collect();
        for slot in live.iter().chain(&strays) {
            self.forget_slot(*slot, id);
            self.strays.remove(&(id, *slot));
        }
        live.is_some() || !strays.is_empty()
    }

    fn forget_slot(&mut self, slot: u32, id: RecordId) {
        let Some(entry) = usize::try_from(slot).ok().and_then(|at| self.entries.get_mut(at)) else {
            return;
        };
        if let Entry::Live(old) = mem::replace(entry, Entry::Destroyed(id)) {
            let lookup = Lookup { class: old.class, tag: old.tag };
            if self.by_tag.get(&lookup) == Some(&slot) {
                self.by_tag.remove(&lookup);
                let is_counted = old.class == Class::Subject && old.tag != self.nobody;
                self.n_subjects -= usize::from(is_counted);
            }
        }
        self.by_id.insert(id, slot);
        self.cache.remove(slot);
        self.dirty.push(slot);
    }

    /// The bytes of the slots that changed since the last call, in order of place.
    pub(crate) fn take_dirty(&mut self) -> Vec<(u32, SlotBytes)> {
        let mut slots = mem::take(&mut self.dirty);
        slots.sort_unstable();
        slots.dedup();
        slots.into_iter().map(|slot| (slot, self.bytes(slot))).collect()
    }

    /// Live subjects (the one of nobody not counted), live periods, destroyed keys.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let n_keys = self.by_tag.len();
        let nobody = usize::from(self.by_tag.contains_key(&Lookup::subject(self.nobody)));
        [
            self.n_subjects,
            n_keys - self.n_subjects - nobody,
            self.by_id.len().saturating_sub(n_keys),
        ]
    }

    /// Slots up to the last one that was ever used. It never falls, but where damaged slots are dropped at the end.
    pub(crate) fn n_slots(&self) -> usize {
        self.entries.len()
    }

    /// The same keys wrapped by another one, and how many could not be unwrapped. The slots keep their places.
    pub(crate) fn rewrapped(
        &self,
        wrap: &LessSafeKey,
        entropy: &dyn Entropy,
    ) -> Result<Rewrapped, CipherError> {
        let mut slots = Vec::with_capacity(self.entries.len());
        let mut dropped = 0;
        for entry in &self.entries {
            let key = match entry {
                Entry::Live(slot) => {
                    slot.unwrap_key(&self.wrap, &self.store).map(|key| (slot, key))
                }
                Entry::Lost(_) => Err(CipherError),
                Entry::Destroyed(id) => {
                    slots.push(encode_destroyed(*id));
                    continue;
                }
                Entry::Free => {
                    slots.push([0; SLOT_BYTES]);
                    continue;
                }
            };
            let Ok((slot, key)) = key else {
                dropped += 1;
                slots.push([0; SLOT_BYTES]);
                continue;
            };
            let mut fresh = slot.clone();
            entropy.fill(&mut fresh.nonce);
            slots.push(fresh.wrap(wrap, &self.store, key.expose())?.encode());
        }
        Ok(Rewrapped { slots, dropped })
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(slot).ok()?)
    }

    fn bytes(&self, slot: u32) -> SlotBytes {
        match self.entry(slot) {
            Some(Entry::Live(slot)) => slot.encode(),
            Some(Entry::Destroyed(id)) => encode_destroyed(*id),
            // INVARIANT: only what was made or destroyed is ever dirty.
            Some(Entry::Free | Entry::Lost(_)) | None => [0; SLOT_BYTES],
        }
    }

    /// The key in a slot, from the cache or unwrapped.
    fn ready(&mut self, slot: u32) -> Result<Arc<Ready>, CipherError> {
        if let Some(ready) = self.cache.get(slot) {
            return Ok(ready);
        }
        let Some(Entry::Live(wrapped)) = self.entry(slot) else { return Err(CipherError) };
        let key = wrapped.unwrap_key(&self.wrap, &self.store)?;
        let ready = Arc::new(Ready::new(wrapped.id, wrapped.class, key.expose())?);
        self.cache.put(slot, Arc::clone(&ready));
        Ok(ready)
    }

    fn make(&mut self, lookup: Lookup, maker: &Maker<'_>) -> Result<Arc<Ready>, SealError> {
        let Lookup { class, tag } = lookup;
        let is_counted = class == Class::Subject && tag != self.nobody;
        if is_counted && maker.subjects_max <= self.n_subjects {
            return Err(SealError::Full { limit: maker.subjects_max });
        }
        let full = || SealError::Full { limit: self.entries.len() };
        let slot = u32::try_from(self.entries.len()).ok().filter(|slot| *slot < maker.slots_max);
        let slot = slot.ok_or_else(full)?;
        // One draw for all that a key needs.
        let drawn = Secret::<{ 16 + NONCE_BYTES + KEY_BYTES }>::draw(maker.entropy);
        let (&id, rest) = drawn.expose().split_first_chunk().ok_or(SealError::Cipher)?;
        let (&nonce, key) = rest.split_first_chunk().ok_or(SealError::Cipher)?;
        let key = key.first_chunk().ok_or(SealError::Cipher)?;
        let id = RecordId(id);
        if self.by_id.contains_key(&id) {
            // 128 random bits do not repeat: where they do, chance is broken, and its keys are known to others.
            return Err(SealError::Cipher);
        }
        let made_unix_ms = maker.clock.unix_ms();
        let fresh = Slot { class, id, tag, made_unix_ms, nonce, wrapped: [0; WRAPPED_BYTES] };
        let fresh = fresh.wrap(&self.wrap, &self.store, key)?;
        let ready = Arc::new(Ready::new(id, class, key)?);
        self.entries.push(Entry::Live(fresh));
        self.by_id.insert(id, slot);
        self.by_tag.insert(lookup, slot);
        self.cache.put(slot, Arc::clone(&ready));
        self.dirty.push(slot);
        self.n_subjects += usize::from(is_counted);
        Ok(ready)
    }
}

/// What [`Table::rewrapped`] makes.
pub(crate) struct Rewrapped {
    pub(crate) slots: Vec<SlotBytes>,
    pub(crate) dropped: usize,
}

impl Tally {
    fn count(&mut self, found: Found) -> Entry {
        let (count, entry) = match found {
            Found::Free => return Entry::Free,
            Found::Live(slot) if slot.class == Class::Subject => {
                (&mut self.subjects, Entry::Live(slot))
            }
            Found::Live(slot) => (&mut self.periods, Entry::Live(slot)),
            Found::Destroyed(id) => (&mut self.destroyed, Entry::Destroyed(id)),
            // The vault finishes the destruction before anybody is told.
            Found::HalfDestroyed(id) => (&mut self.half_destroyed, Entry::Destroyed(id)),
            Found::Unfinished(id) => (&mut self.unfinished, Entry::Lost(id)),
            Found::Damaged(id) => (&mut self.damaged, Entry::Lost(id)),
        };
        *count += 1;
        entry
    }
}

fn twice(first: u32, second: u32) -> StoreError {
    let (first, second) = (first.min(second), first.max(second));
    StoreError::Twice { file: SLOTS_FILE, first, second }
}

/// Where every name stands.
struct Ids {
    /// Its slot, a destroyed one if there is one.
    by_id: BTreeMap<RecordId, u32>,
    /// Live slots of names that were destroyed.
    stale: Vec<(RecordId, u32)>,
}

fn index_ids(entries: &[Entry]) -> Result<Ids, StoreError> {
    let mut ids: Vec<(RecordId, bool, u32)> = (0..)
        .zip(entries)
        .filter_map(|(slot, entry)| match entry {
            Entry::Live(live) => Some((live.id, true, slot)),
            Entry::Destroyed(id) => Some((*id, false, slot)),
            Entry::Free | Entry::Lost(_) => None,
        })
        .collect();
    // Sorting once and building the map from what is sorted is several times faster than a million insertions.
    ids.sort_unstable();
    let mut stale = Vec::new();
    let mut kept: Vec<(RecordId, u32)> = Vec::with_capacity(ids.len());
    let mut before: Option<(RecordId, bool, u32)> = None;
    for (id, is_live, slot) in ids {
        // Destroyed slots sort before live ones of the same name.
        match before.filter(|(first, _, _)| *first == id) {
            Some((_, true, first)) => return Err(twice(first, slot)),
            Some((_, false, _)) if is_live => stale.push((id, slot)),
            Some(_) => {}
            None => {
                kept.push((id, slot));
                before = Some((id, is_live, slot));
            }
        }
    }
    Ok(Ids { by_id: kept.into_iter().collect(), stale })
}

/// The slot of every lookup.
fn index_tags(entries: &[Entry]) -> Result<BTreeMap<Lookup, u32>, StoreError> {
    let mut tags: Vec<(Lookup, u32)> = (0..)
        .zip(entries)
        .filter_map(|(slot, entry)| match entry {
            Entry::Live(live) => Some((Lookup { class: live.class, tag: live.tag }, slot)),
            _ => None,
        })
        .collect();
    tags.sort_unstable();
    for [(tag, slot), (next_tag, next_slot)] in tags.array_windows() {
        if tag == next_tag {
            return Err(twice(*slot, *next_slot));
        }
    }
    Ok(tags.into_iter().collect())
}
