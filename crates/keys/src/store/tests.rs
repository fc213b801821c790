//! The store as its users meet it, on a disk that does what it is told.
use super::*;
use crate::envelope::OVERHEAD_BYTES;
use crate::slot::{Found, SLOT_BYTES, SlotBytes, encode_destroyed, with_checksum};
use bartizan_core::record::Slot;
use bartizan_testkit::{SimClock, SimDisk, SimEntropy};
use proptest::prelude::*;

pub(super) const NOW: u64 = 1_800_000_000_000;
const HEADER: usize = 4096;
const UNREADY: &str = "keys.slots.new";

/// A disk, a clock and chance, and two tenants' keys.
pub(super) struct World {
    pub(super) disk: SimDisk,
    pub(super) clock: Arc<SimClock>,
    pub(super) entropy: Arc<SimEntropy>,
    pub(super) options: Options,
}

pub(super) fn tenant(seed: u64) -> TenantKey {
    TenantKey::generate(&format!("tenant-{seed}"), &SimEntropy::new(seed ^ 0xabcd)).unwrap()
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let options = Options { grow_slots: 4, ..Options::default() };
        let clock = Arc::new(SimClock::new(NOW));
        Self { disk: SimDisk::new(seed), clock, entropy: Arc::new(SimEntropy::new(seed)), options }
    }

    pub(super) fn open_as(
        &self,
        tenant: &TenantKey,
        options: Options,
    ) -> Result<(KeyStore, OpenReport), StoreError> {
        self.open_on(Arc::new(self.disk.clone()), tenant, options)
    }

    pub(super) fn open_on(
        &self,
        disk: Arc<dyn Disk>,
        tenant: &TenantKey,
        options: Options,
    ) -> Result<(KeyStore, OpenReport), StoreError> {
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        KeyStore::open(disk, clock, entropy, tenant, options)
    }

    pub(super) fn open(&self) -> (KeyStore, OpenReport) {
        self.open_as(&tenant(1), self.options).unwrap()
    }

    fn store(&self) -> KeyStore {
        self.open().0
    }

    fn error(&self) -> StoreError {
        self.open_as(&tenant(1), self.options).expect_err("it must not open")
    }

    /// Changes the slots of the file.
    fn edit(&self, edit: impl FnOnce(&mut Vec<SlotBytes>)) {
        self.disk.edit(SLOTS_FILE, |bytes| {
            let mut slots = bytes[HEADER..].as_chunks::<SLOT_BYTES>().0.to_vec();
            edit(&mut slots);
            bytes.truncate(HEADER);
            bytes.extend_from_slice(slots.as_flattened());
        });
    }
}

pub(super) fn sealing(record: u8, subject: Option<&str>) -> Sealing<'_> {
    let (slot, retention) = (Slot::Received, Retention::Payload);
    Sealing { record: RecordId([record; 16]), slot, retention, subject, unix_ms: NOW }
}

/// A payload that was sealed, and how it is asked for.
pub(super) struct Kept {
    pub(super) record: u8,
    pub(super) sealed: Sealed,
}

impl Kept {
    pub(super) fn seal(
        store: &KeyStore,
        record: u8,
        subject: Option<&str>,
    ) -> Result<Self, SealError> {
        let sealed = store.seal(&sealing(record, subject), &[record; 40])?;
        Ok(Self { record, sealed })
    }

    /// `Ok` if it opens to what was sealed.
    pub(super) fn open(&self, store: &KeyStore) -> Result<(), OpenError> {
        let place = sealing(self.record, None);
        let plain = Opener::open(store, &place, &self.sealed.commitment, &self.sealed.bytes)?;
        assert_eq!(plain, [self.record; 40], "it never opens to anything else");
        Ok(())
    }
}

pub(super) fn key_of(store: &KeyStore, subject: &str) -> Option<RecordId> {
    store.subject_key(store.tag(subject).unwrap())
}

fn full(limit: usize) -> SealError {
    SealError::Full { limit }
}

#[test]
fn payloads_survive_a_restart() {
    let world = World::new(1);
    let (store, report) = world.open();
    assert_eq!(report, OpenReport { created: true, ..OpenReport::default() });
    let kept: Vec<Kept> = [Some("alice"), Some("bob"), None, Some("alice")]
        .into_iter()
        .zip(0..)
        .map(|(subject, record)| Kept::seal(&store, record, subject).unwrap())
        .collect();
    assert!(kept.iter().all(|kept| kept.sealed.bytes.len() == 40 + OVERHEAD_BYTES));
    store.persist().unwrap();
    assert_eq!(store.counts(), Counts { subjects: 2, periods: 1, destroyed: 0 });
    world.disk.crash(1);
    let (store, report) = world.open();
    assert_eq!(report, OpenReport { subjects: 3, periods: 1, ..OpenReport::default() });
    assert_eq!(store.counts(), Counts { subjects: 2, periods: 1, destroyed: 0 });
    for kept in &kept {
        assert_eq!(kept.open(&store), Ok(()));
    }
    Kept::seal(&store, 9, Some("alice")).unwrap();
    assert_eq!(store.counts().subjects, 2, "the key is used again");
}

#[test]
fn destroying_a_subject_forgets_it_and_nobody_else() {
    let world = World::new(2);
    let store = world.store();
    let alice = Kept::seal(&store, 1, Some("alice")).unwrap();
    let bob = Kept::seal(&store, 2, Some("bob")).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, "alice").unwrap();
    assert_eq!((store.state(key), store.destroy(key)), (KeyState::Live, Ok(true)));
    for store in [store, world.store()] {
        assert_eq!(alice.open(&store), Err(OpenError::KeyGone { key }));
        assert_eq!(bob.open(&store), Ok(()));
        assert_eq!((store.state(key), store.destroy(key)), (KeyState::Destroyed, Ok(false)));
        assert_eq!(key_of(&store, "alice"), None);
        assert_eq!(store.pseudonym_of(key, RecordId([1; 16])), Ok(None));
        assert_eq!(store.counts(), Counts { subjects: 1, periods: 1, destroyed: 1 });
    }
    let store = world.store();
    let again = Kept::seal(&store, 3, Some("alice")).unwrap();
    assert_ne!(key_of(&store, "alice"), Some(key), "whoever comes back gets another key");
    assert_eq!((again.open(&store), alice.open(&store)), (Ok(()), Err(OpenError::KeyGone { key })));
    let unknown = RecordId([0xee; 16]);
    assert_eq!((store.state(unknown), store.destroy(unknown)), (KeyState::Unknown, Ok(false)));
}

#[test]
fn destroying_periods_forgets_what_is_old() {
    let world = World::new(3);
    let store = world.store();
    let day = day_of(NOW);
    let mut kept = Vec::new();
    for (ago, retention) in [
        (0, Retention::Payload),
        (1, Retention::Payload),
        (300, Retention::Payload),
        (300, Retention::Traffic),
    ] {
        let place = Sealing { retention, unix_ms: NOW - ago * DAY_MS, ..sealing(1, Some("alice")) };
        kept.push((place, store.seal(&place, b"text").unwrap()));
    }
    store.persist().unwrap();
    assert_eq!(store.counts().periods, 4);
    let store = world.store();
    assert_eq!(store.periods_before(Retention::Payload, day).len(), 2);
    assert_eq!(store.periods_before(Retention::Payload, day + 1).len(), 3);
    assert_eq!(store.periods_before(Retention::Payload, day - 300), []);
    assert_eq!(store.periods_before(Retention::Admission, u64::MAX), []);
    let old = store.periods_before(Retention::Payload, day - 200);
    assert_eq!(store.destroy_again(&old), Ok(1));
    let open = |at: usize| {
        let (place, sealed) = &kept[at];
        Opener::open(&store, place, &sealed.commitment, &sealed.bytes)
    };
    assert_eq!(open(2), Err(OpenError::KeyGone { key: old[0] }));
    for at in [0, 1, 3] {
        assert_eq!(open(at), Ok(b"text".to_vec()), "{at}");
    }
    // The oldest come first, also where their bytes sort otherwise.
    let times = [255, 256, 257, 1].map(|day| day * DAY_MS);
    for unix_ms in times {
        store
            .seal(&Sealing { unix_ms, retention: Retention::Admission, ..sealing(1, None) }, b"")
            .unwrap();
    }
    let by_one: Vec<_> =
        [2, 256, 257, 258].map(|day| store.periods_before(Retention::Admission, day)).into();
    assert!(by_one.is_sorted_by(|few, more| more.starts_with(few) && few.len() + 1 == more.len()));
}

#[test]
fn nothing_of_a_destroyed_key_is_left() {
    let world = World::new(4);
    let store = world.store();
    let name = "alice.cooper@example.com";
    Kept::seal(&store, 1, Some(name)).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, name).unwrap();
    let content = world.disk.content(SLOTS_FILE).unwrap();
    let slots = content[HEADER..].as_chunks::<SLOT_BYTES>().0;
    let slot = slots.iter().find(|slot| slot[4..20] == key.0).expect("its slot");
    let Found::Live(live) = read(slot) else { panic!("it is live") };
    let plain_key = live.unwrap_key(&tenant(1).wrap_key().unwrap(), &store.store).unwrap();
    let tag = store.tag(name).unwrap();
    let traces: [(&str, &[u8]); 5] = [
        ("the name", name.as_bytes()),
        ("the key", plain_key.expose()),
        ("the wrapped key", &live.wrapped),
        ("half of the wrapped key", &live.wrapped[..24]),
        ("the tag", &tag.0),
    ];
    let found = |world: &World| -> Vec<&str> {
        let contents: Vec<Vec<u8>> =
            world.disk.list().unwrap().iter().filter_map(|name| world.disk.content(name)).collect();
        let is_in = |trace: &[u8]| {
            contents.iter().any(|bytes| bytes.windows(trace.len()).any(|part| part == trace))
        };
        traces.iter().filter(|(_, trace)| is_in(trace)).map(|(name, _)| *name).collect()
    };
    assert_eq!(found(&world), ["the wrapped key", "half of the wrapped key", "the tag"]);
    store.destroy(key).unwrap();
    assert_eq!(found(&world), Vec::<&str>::new());
    world.disk.crash(4);
    assert_eq!(found(&world), Vec::<&str>::new());
}

#[test]
fn a_destroyed_key_leaves_memory_at_once() {
    let store = World::new(26).store();
    Kept::seal(&store, 1, Some("alice")).unwrap();
    let [ready] = store.keys([store.subject(Some("alice")).unwrap()]).unwrap();
    let held = Arc::downgrade(&ready);
    let key = ready.id;
    drop(ready);
    assert!(held.upgrade().is_some(), "it is at hand");
    store.destroy(key).unwrap();
    assert!(held.upgrade().is_none());
}

#[test]
fn a_destruction_that_was_cut_short_is_finished() {
    let world = World::new(27);
    let store = world.store();
    let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, "alice").unwrap();
    for n_written in [1, 20, 56, 60, 104] {
        let world = World { disk: world.disk.copy(), ..World::new(28) };
        let mut wrapped = [0; 48];
        world.edit(|slots| {
            let slot = slots.iter_mut().find(|slot| slot[4..20] == key.0).unwrap();
            wrapped.copy_from_slice(&slot[56..104]);
            slot[..n_written].copy_from_slice(&encode_destroyed(key)[..n_written]);
        });
        let (store, report) = world.open();
        assert_eq!((report.finished, report.damaged), (1, 0), "{n_written}");
        assert_eq!(kept.open(&store), Err(OpenError::KeyGone { key }));
        let content = world.disk.content(SLOTS_FILE).unwrap();
        assert!(!content.windows(8).any(|part| wrapped.ends_with(part)), "{n_written}");
        assert_eq!(
            world.open().1,
            OpenReport { destroyed: 1, periods: 1, ..OpenReport::default() }
        );
    }
}

#[test]
fn limits_are_kept() {
    let world = World::new(5);
    let options = Options { subjects_max: 2, cached_keys_max: 2, ..world.options };
    let (store, _) = world.open_as(&tenant(1), options).unwrap();
    let kept: Vec<Kept> = [Some("a"), Some("b"), None, Some("")]
        .into_iter()
        .zip(0..)
        .map(|(subject, record)| Kept::seal(&store, record, subject).unwrap())
        .collect();
    assert_eq!(Kept::seal(&store, 9, Some("c")).err(), Some(full(2)));
    assert_eq!(store.pseudonym("c", RecordId([0; 16])).err(), Some(full(2)));
    for kept in kept.iter().chain(&kept) {
        assert_eq!(kept.open(&store), Ok(()), "the cache holds two keys, and there are four");
    }
    store.persist().unwrap();
    let (store, _) = world.open_as(&tenant(1), options).unwrap();
    assert_eq!(Kept::seal(&store, 9, Some("c")).err(), Some(full(2)), "also after a restart");
    store.destroy(key_of(&store, "a").unwrap()).unwrap();
    assert!(Kept::seal(&store, 9, Some("c")).is_ok());
    assert_eq!(Kept::seal(&store, 9, Some("a")).err(), Some(full(2)));

    let longest = "n".repeat(SUBJECT_NAME_BYTES_MAX);
    let long = format!("{longest}n");
    let too_long = SealError::SubjectTooLong { bytes: 513, bytes_max: 512 };
    assert_eq!(Kept::seal(&store, 9, Some(&long)).err(), Some(too_long.clone()));
    assert_eq!(store.tag(&long), Err(too_long));
    assert!(store.tag(&longest).is_ok());
}

#[test]
fn slots_have_a_limit_too() {
    let world = World::new(6);
    let options = Options { slots_max: 6, ..world.options };
    let (store, _) = world.open_as(&tenant(1), options).unwrap();
    for subject in ["a", "b", "c", "d", "e"] {
        Kept::seal(&store, 1, Some(subject)).unwrap();
    }
    assert_eq!(Kept::seal(&store, 1, Some("f")).err(), Some(full(6)));
    store.persist().unwrap();
    assert!(world.open_as(&tenant(1), options).is_ok(), "the file grows by four");
    let few = Options { slots_max: 4, ..options };
    let error = world.open_as(&tenant(1), few).err();
    assert_eq!(error, Some(StoreError::TooLarge { file: SLOTS_FILE, slots: 8, slots_max: 4 }));
}

#[test]
fn persisting_costs_one_write_and_one_sync_and_nothing_when_clean() {
    let world = World::new(7);
    let store = world.store();
    let before = world.disk.counts();
    store.persist().unwrap();
    assert_eq!(world.disk.counts(), before);
    for subject in ["a", "b", "c"] {
        Kept::seal(&store, 1, Some(subject)).unwrap();
    }
    store.persist().unwrap();
    let after = world.disk.counts();
    assert_eq!((after.writes, after.syncs), (before.writes + 1, before.syncs + 1));
    Kept::seal(&store, 1, Some("a")).unwrap();
    store.persist().unwrap();
    assert_eq!(world.disk.counts(), after);
    Kept::seal(&store, 1, Some("d")).unwrap();
    store.persist().unwrap();
    let grown = world.disk.counts();
    assert_eq!((grown.writes, grown.syncs), (after.writes + 2, after.syncs + 1));
    assert_eq!(store.destroy_again(&[]), Ok(0));
    assert_eq!(store.destroy_again(&[RecordId([1; 16])]), Ok(0));
    assert_eq!(world.disk.counts(), grown);
}

/// Every call that needs the disk's word fails from now on, and what was durable can still be read.
fn stopped(store: &KeyStore, kept: &Kept) {
    let is_disk = |error: SealError| matches!(error, SealError::Disk { .. });
    assert!(store.persist().is_err_and(is_disk));
    assert!(Kept::seal(store, 9, Some("alice")).is_err_and(is_disk));
    assert!(store.pseudonym("alice", RecordId([1; 16])).is_err_and(is_disk));
    assert!(matches!(store.destroy(RecordId([1; 16])), Err(StoreError::Stopped { .. })));
    assert!(matches!(store.rewrap(&tenant(2)), Err(StoreError::Stopped { .. })));
    assert_eq!(kept.open(store), Ok(()));
}

#[test]
fn a_failed_write_or_sync_is_final() {
    for (name, is_sync) in [("sync", true), ("write", false)] {
        for is_destroy in [false, true] {
            let world = World::new(8);
            let store = world.store();
            let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
            Kept::seal(&store, 2, Some("bob")).unwrap();
            store.persist().unwrap();
            let bob = key_of(&store, "bob").unwrap();
            Kept::seal(&store, 3, Some("carol")).unwrap();
            if is_sync {
                world.disk.fail_sync_at(1);
            } else {
                world.disk.fail_write_at(1);
            }
            if is_destroy {
                assert!(matches!(store.destroy(bob), Err(StoreError::Disk { .. })), "{name}");
            } else {
                assert!(matches!(store.persist(), Err(SealError::Disk { .. })), "{name}");
            }
            stopped(&store, &kept);
        }
    }
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_made_durable_before_it_is_used() {
    let world = World::new(9);
    let store = world.store();
    Kept::seal(&store, 1, Some("alice")).unwrap();
    world.disk.fail_sync_at(1);
    assert!(store.persist().is_err());
    // The process ends, the machine goes on: the slot is read, but the device does not have it.
    let (store, report) = world.open();
    assert_eq!((report.subjects, report.periods), (1, 1));
    let kept = Kept::seal(&store, 2, Some("alice")).unwrap();
    store.persist().unwrap();
    world.disk.crash(9);
    assert_eq!(kept.open(&world.store()), Ok(()));
}

#[test]
fn a_restored_backup_brings_no_destroyed_key_back() {
    let world = World::new(10);
    let store = world.store();
    let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    store.persist().unwrap();
    let backup = world.disk.content(SLOTS_FILE).unwrap();
    let key = key_of(&store, "alice").unwrap();
    store.destroy(key).unwrap();
    world.disk.edit(SLOTS_FILE, |bytes| *bytes = backup);
    let store = world.store();
    assert_eq!(kept.open(&store), Ok(()), "the backup has it");
    assert_eq!(store.destroy_again(&[RecordId([9; 16]), key, key]), Ok(1));
    for store in [store, world.store()] {
        assert_eq!(kept.open(&store), Err(OpenError::KeyGone { key }));
    }
}

#[test]
fn a_reader_sees_nothing_of_what_a_restored_backup_still_has_and_writes_nothing() {
    let world = World::new(18);
    let store = world.store();
    let (gone, kept) = (
        Kept::seal(&store, 1, Some("alice")).unwrap(),
        Kept::seal(&store, 2, Some("bob")).unwrap(),
    );
    store.persist().unwrap();
    let key = key_of(&store, "alice").unwrap();
    drop(store);
    let before = world.disk.content(SLOTS_FILE).unwrap();
    let reader = Options { access: Access::Read, ..world.options };
    let reader = world.open_as(&tenant(1), reader).unwrap().0;
    assert_eq!(gone.open(&reader), Ok(()), "the file has it");
    for (name, keys, want) in [
        ("nobody", &[][..], 0),
        ("a stranger", &[RecordId([9; 16])], 0),
        ("alice, twice", &[key, key], 1),
        ("alice again", &[key], 0),
    ] {
        assert_eq!(reader.hide(keys), Ok(want), "{name}");
    }
    assert_eq!(gone.open(&reader), Err(OpenError::KeyGone { key }));
    assert_eq!((key_of(&reader, "alice"), reader.state(key)), (None, KeyState::Destroyed));
    assert_eq!(kept.open(&reader), Ok(()), "nobody else is hidden");
    assert_eq!(world.disk.content(SLOTS_FILE).unwrap(), before);
    // Whoever may write destroys.
    assert_eq!(world.store().hide(&[key]), Ok(1));
    assert_eq!(gone.open(&world.store()), Err(OpenError::KeyGone { key }));
}

#[test]
fn a_copy_of_a_destroyed_slot_is_destroyed_too_and_a_copy_of_a_live_one_is_told() {
    let world = World::new(11);
    let store = world.store();
    let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, "alice").unwrap();
    let content = world.disk.content(SLOTS_FILE).unwrap();
    let slots = content[HEADER..].as_chunks::<SLOT_BYTES>().0.to_vec();
    let at = slots.iter().position(|slot| slot[4..20] == key.0).unwrap();
    store.destroy(key).unwrap();
    world.edit(|now| now[3] = slots[at]);
    let (store, report) = world.open();
    assert_eq!((report.finished, kept.open(&store)), (1, Err(OpenError::KeyGone { key })));
    assert_eq!(key_of(&store, "alice"), None);
    let content = world.disk.content(SLOTS_FILE).unwrap();
    assert!(!content.windows(48).any(|part| part == &slots[at][56..104]));
    world.edit(|now| {
        now[2] = slots[at];
        now[at] = slots[at];
        now[3] = [0; SLOT_BYTES];
    });
    let first = u32::try_from(at).unwrap();
    assert_eq!(world.error(), StoreError::Twice { file: SLOTS_FILE, first, second: 2 });
}

#[test]
fn what_is_not_this_store_is_told() {
    let world = World::new(12);
    let absent = Options { access: Access::Write, ..world.options };
    let error = world.open_as(&tenant(1), absent).err();
    assert_eq!(error, Some(StoreError::Absent { file: SLOTS_FILE }));
    assert_eq!(world.disk.list().unwrap(), Vec::<String>::new());
    drop(world.store());
    assert!(world.open_as(&tenant(1), absent).is_ok());
    let before = world.disk.content(SLOTS_FILE);
    let error = world.open_as(&tenant(2), world.options).err().unwrap();
    assert_eq!(error, StoreError::WrongKey { name: "tenant-2".to_owned() });
    assert_eq!(world.disk.content(SLOTS_FILE), before);

    let good = before.unwrap();
    let both = |change: fn(&mut SlotBytes)| {
        let mut bytes = good.clone();
        for at in [0, 2048] {
            let place = bytes[at..].first_chunk_mut().unwrap();
            change(place);
        }
        world.disk.edit(SLOTS_FILE, |now| *now = bytes);
        world.error()
    };
    let file = SLOTS_FILE;
    assert_eq!(both(|head| head[30] ^= 1), StoreError::Damaged { file });
    assert_eq!(both(|head| head[0] ^= 1), StoreError::Foreign { file });
    let version = both(|head| {
        head[16] = 7;
        *head = with_checksum(*head);
    });
    assert_eq!(version, StoreError::Version { file, version: 7 });
    // The index key was changed, and the checksum mended.
    let index = both(|head| {
        head[80] ^= 1;
        *head = with_checksum(*head);
    });
    assert_eq!(index, StoreError::Damaged { file });
    for length in [0, 1, 100, 2048] {
        world.disk.edit(SLOTS_FILE, |now| *now = vec![0; length]);
        assert_eq!(world.error(), StoreError::Foreign { file });
    }
}

#[test]
fn a_damaged_slot_is_counted_never_used_and_never_written_over() {
    let world = World::new(13);
    let store = world.store();
    let alice = Kept::seal(&store, 1, Some("alice")).unwrap();
    let bob = Kept::seal(&store, 2, Some("bob")).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, "alice").unwrap();
    let at = |slots: &[SlotBytes]| slots.iter().position(|slot| slot[4..20] == key.0).unwrap();
    let mut damaged = [0; SLOT_BYTES];
    world.edit(|slots| {
        let at = at(slots);
        slots[at][70] ^= 4;
        damaged = slots[at];
    });
    let (store, report) = world.open();
    assert_eq!((report.damaged, report.subjects), (1, 1));
    assert_eq!(alice.open(&store), Err(OpenError::KeyGone { key }));
    assert_eq!(bob.open(&store), Ok(()));
    let again = Kept::seal(&store, 3, Some("alice")).unwrap();
    store.persist().unwrap();
    world.edit(|slots| assert_eq!(slots[at(slots)], damaged));
    let (store, report) = world.open();
    assert_eq!((report.damaged, again.open(&store)), (1, Ok(())));
    // A tombstone reaches it all the same.
    assert_eq!((store.state(key), store.destroy(key)), (KeyState::Unknown, Ok(true)));
    let content = world.disk.content(SLOTS_FILE).unwrap();
    assert!(!content.windows(24).any(|part| part == &damaged[80..104]));
    assert_eq!(world.open().1.damaged, 0);
}

#[test]
fn a_file_that_is_cut_in_a_slot_loses_that_slot_only() {
    let world = World::new(14);
    let store = world.store();
    let kept: Vec<Kept> = ["a", "b", "c"]
        .iter()
        .zip(0..)
        .map(|(name, record)| Kept::seal(&store, record, Some(name)).unwrap())
        .collect();
    store.persist().unwrap();
    world.disk.edit(SLOTS_FILE, |bytes| bytes.truncate(HEADER + 3 * SLOT_BYTES + 60));
    let (store, report) = world.open();
    assert_eq!((report.unfinished, report.subjects), (1, 2));
    assert!(kept[2].open(&store).is_err());
    for subject in ["d", "e", "f"] {
        Kept::seal(&store, 9, Some(subject)).unwrap();
    }
    store.persist().unwrap();
    let (store, report) = world.open();
    assert_eq!((report.unfinished, report.subjects), (1, 5));
    assert_eq!((kept[0].open(&store), kept[1].open(&store)), (Ok(()), Ok(())));
}

#[test]
fn another_tenant_key_takes_over() {
    let world = World::new(15);
    let store = world.store();
    let alice = Kept::seal(&store, 1, Some("alice")).unwrap();
    let bob = Kept::seal(&store, 2, Some("bob")).unwrap();
    store.persist().unwrap();
    let (gone, key) = (key_of(&store, "bob").unwrap(), key_of(&store, "alice").unwrap());
    store.destroy(gone).unwrap();
    let record = RecordId([1; 16]);
    let pseudonym = store.pseudonym("alice", record).unwrap();
    // Made, and durable only through the change of files.
    let carol = Kept::seal(&store, 3, Some("carol")).unwrap();
    assert_eq!(store.rewrap(&tenant(2)), Ok(RewrapReport { rewrapped: 3, dropped: 0 }));
    let dave = Kept::seal(&store, 4, Some("dave")).unwrap();
    store.persist().unwrap();
    world.disk.crash(15);
    assert_eq!(world.disk.list().unwrap(), [SLOTS_FILE]);
    assert_eq!(world.error(), StoreError::WrongKey { name: "tenant-1".to_owned() });
    let (again, _) = world.open_as(&tenant(2), world.options).unwrap();
    for store in [store, again] {
        for kept in [&alice, &carol, &dave] {
            assert_eq!(kept.open(&store), Ok(()));
        }
        assert_eq!(bob.open(&store), Err(OpenError::KeyGone { key: gone }));
        assert_eq!(store.state(gone), KeyState::Destroyed);
        assert_eq!(key_of(&store, "alice"), Some(key), "a request to erase still finds it");
        assert_eq!(store.pseudonym_of(key, record), Ok(Some(pseudonym)));
    }
}

#[test]
fn rewrapping_leaves_out_what_is_damaged_and_gives_up_without_room() {
    let world = World::new(16);
    let store = world.store();
    let alice = Kept::seal(&store, 1, Some("alice")).unwrap();
    store.persist().unwrap();
    world.edit(|slots| slots[3] = [0xff; SLOT_BYTES]);
    let store = world.store();
    let used = world.disk.content(SLOTS_FILE).unwrap().len();
    world.disk.set_room(Some(used + 4000));
    assert!(matches!(store.rewrap(&tenant(2)), Err(StoreError::Disk { operation: "write", .. })));
    assert_eq!(world.disk.list().unwrap(), [SLOTS_FILE]);
    world.disk.set_room(None);
    let bob = Kept::seal(&store, 2, Some("bob")).unwrap();
    store.persist().unwrap();
    assert_eq!(store.rewrap(&tenant(2)), Ok(RewrapReport { rewrapped: 3, dropped: 1 }));
    let (store, report) = world.open_as(&tenant(2), world.options).unwrap();
    assert_eq!((report.damaged, alice.open(&store), bob.open(&store)), (0, Ok(()), Ok(())));
}

#[test]
fn what_a_crash_left_of_a_new_file_is_wiped_and_removed() {
    let world = World::new(17);
    let store = world.store();
    let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    store.persist().unwrap();
    world.disk.edit(UNREADY, |bytes| bytes.extend_from_slice(&[0x77; 5000]));
    let store = world.store();
    assert_eq!(world.disk.list().unwrap(), [SLOTS_FILE]);
    assert_eq!(kept.open(&store), Ok(()));
}

#[test]
fn a_reader_changes_nothing() {
    let world = World::new(18);
    let read = Options { access: Access::Read, ..world.options };
    assert_eq!(
        world.open_as(&tenant(1), read).err(),
        Some(StoreError::Absent { file: SLOTS_FILE })
    );
    let store = world.store();
    let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, "alice").unwrap();
    world.disk.edit(UNREADY, |bytes| bytes.push(1));
    let before = world.disk.counts();
    let (reader, report) = world.open_as(&tenant(1), read).unwrap();
    assert_eq!((report.subjects, kept.open(&reader)), (1, Ok(())));
    assert_eq!(key_of(&reader, "alice"), Some(key));
    assert!(reader.pseudonym_of(key, RecordId([1; 16])).unwrap().is_some());
    assert!(matches!(Kept::seal(&reader, 1, Some("alice")).err(), Some(SealError::Disk { .. })));
    assert_eq!(reader.destroy(key), Err(StoreError::ReadOnly));
    assert_eq!(reader.rewrap(&tenant(2)), Err(StoreError::ReadOnly));
    assert!(reader.persist().is_err());
    assert_eq!(world.disk.counts(), before);
}

#[test]
fn pseudonyms_link_nothing() {
    let world = World::new(19);
    let store = world.store();
    let of = |subject: &str, record| store.pseudonym(subject, RecordId([record; 16])).unwrap();
    assert_eq!(of("alice", 1), of("alice", 1));
    assert_ne!(of("alice", 1), of("alice", 2));
    assert_ne!(of("alice", 1), of("bob", 1));
    let key = key_of(&store, "alice").unwrap();
    assert_eq!(store.pseudonym_of(key, RecordId([1; 16])), Ok(Some(of("alice", 1))));
    let before = of("alice", 1);
    store.destroy(key).unwrap();
    assert_ne!(of("alice", 1), before, "the link is gone with the key");
}

#[test]
fn tags_travel_as_text() {
    let store = World::new(20).store();
    let tag = store.tag("alice").unwrap();
    assert_eq!(tag.to_string().parse(), Ok(tag));
    assert_eq!(format!("{tag:?}"), tag.to_string());
    assert!("xyz".parse::<SubjectTag>().is_err());
    assert_eq!(store.subject_key(tag), None, "a tag makes no key");
}

#[test]
fn nothing_secret_is_printed() {
    let store = World::new(21).store();
    Kept::seal(&store, 1, Some("alice")).unwrap();
    assert_eq!(
        format!("{store:?}"),
        "KeyStore { counts: Counts { subjects: 1, periods: 1, destroyed: 0 }, failure: None, .. }"
    );
}

#[test]
fn a_key_opens_nothing_of_another_class() {
    let world = World::new(22);
    let store = world.store();
    let mut kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    let subject = key_of(&store, "alice").unwrap();
    kept.sealed.bytes[1..17].copy_from_slice(&subject.0);
    assert_eq!(kept.open(&store), Err(OpenError::Damaged));
    let other = World::new(23).store();
    let kept = Kept::seal(&store, 1, Some("alice")).unwrap();
    assert!(matches!(kept.open(&other), Err(OpenError::KeyGone { .. })), "another store");
}

#[test]
fn chance_that_repeats_makes_no_keys() {
    struct Stuck;
    impl Entropy for Stuck {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }
    let world = World::new(24);
    let (disk, clock) = (Arc::new(world.disk.clone()), Arc::clone(&world.clock));
    let (store, _) =
        KeyStore::open(disk, clock, Arc::new(Stuck), &tenant(1), world.options).unwrap();
    assert_eq!(Kept::seal(&store, 1, Some("alice")).err(), Some(SealError::Cipher));
}

#[test]
fn one_store_serves_all_threads() {
    fn shared<T: Sealer + Opener + Send + Sync + 'static>(store: T) -> Arc<T> {
        Arc::new(store)
    }
    let store = shared(World::new(25).store());
    let (writer, reader): (Arc<dyn Sealer>, Arc<dyn Opener>) = (Arc::clone(&store) as _, store);
    let sealed = writer.seal(&sealing(1, None), b"text").unwrap();
    let text = reader.open(&sealing(1, None), &sealed.commitment, &sealed.bytes);
    assert_eq!(text, Ok(b"text".to_vec()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is done in whatever order: what was sealed opens until its subject or its day is destroyed, and never after.
    #[test]
    fn the_store_is_what_its_model_says(steps in prop::collection::vec((0_u8..7, 0_usize..5), 1..40), seed: u64) {
        let world = World::new(seed);
        let options = Options { cached_keys_max: 3, ..world.options };
        let mut tenants = 1;
        let open = |tenants| world.open_as(&tenant(tenants), options).unwrap().0;
        let mut store = open(tenants);
        let names = ["a", "b", "c", "d", ""];
        let mut kept: Vec<(usize, bool, Kept)> = Vec::new();
        for (step, at) in steps {
            match step {
                0..=2 => kept.push((at, true, Kept::seal(&store, u8::try_from(kept.len()).unwrap(), Some(names[at])).unwrap())),
                3 => {
                    let key = key_of(&store, names[at]);
                    prop_assert_eq!(key.is_some(), kept.iter().any(|(of, lives, _)| *of == at && *lives));
                    if let Some(key) = key {
                        prop_assert_eq!(store.destroy(key), Ok(true));
                        kept.iter_mut().filter(|(of, ..)| *of == at).for_each(|(_, lives, _)| *lives = false);
                    }
                }
                4 => store.persist().unwrap(),
                5 => {
                    store.persist().unwrap();
                    world.disk.crash(seed);
                    store = open(tenants);
                }
                _ => {
                    tenants += 1;
                    store.rewrap(&tenant(tenants)).unwrap();
                }
            }
            for (of, lives, kept) in &kept {
                prop_assert_eq!(kept.open(&store).is_ok(), *lives, "{} {}", of, lives);
            }
        }
    }
}

#[test]
fn the_pieces_of_a_stream_are_found_again_and_belong_to_its_key() {
    let (store, _) = World::new(1).open();
    let (text, place) = (vec![b'x'; 10_000], sealing(1, Some("alice")));
    let (sealed, pieces) = store.seal_stream(&place, &text).unwrap();
    assert_eq!(pieces.len(), 3);
    let again = store.open_stream(&place, &sealed.commitment, &sealed.bytes).unwrap();
    assert_eq!(again, (text.clone(), pieces.clone()));
    assert_eq!(Opener::open(&store, &place, &sealed.commitment, &sealed.bytes).unwrap(), text);
    let (_, others) = store.seal_stream(&place, &text).unwrap();
    assert_ne!(others, pieces, "another data key, other salts");
}
