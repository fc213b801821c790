//! The store on a disk that loses power at every moment, and used by many threads.
use super::tests::{Kept, World, key_of, tenant};
use super::*;
use bartizan_testkit::{DishonestDisk, Lie};
use std::panic::AssertUnwindSafe;

/// What a run was promised before the power went.
#[derive(Default)]
struct Promised {
    /// Sealed with keys that `persist` made durable.
    durable: Vec<(&'static str, Kept)>,
    /// Sealed, and no more.
    loose: Vec<Kept>,
    /// Destructions that were ordered; and whether they were acknowledged.
    destroyed: Vec<(&'static str, RecordId, bool)>,
    /// Their wrapped keys, as they stood on the disk.
    wrapped: Vec<[u8; 48]>,
    /// Whether the other tenant's key was ordered, and acknowledged.
    rewrapped: Option<bool>,
}

/// Does a bit of everything until the power goes. `None` says that it went.
fn run(world: &World, promised: &mut Promised) -> Option<()> {
    run_on(world, Arc::new(world.disk.clone()), promised)
}

fn run_on(world: &World, disk: Arc<dyn Disk>, promised: &mut Promised) -> Option<()> {
    let (store, _) = world.open_on(disk, &tenant(1), world.options).ok()?;
    let seal = |store: &KeyStore, promised: &mut Promised, names: &[&'static str]| {
        let mut fresh = Vec::new();
        for name in names {
            let record = u8::try_from(promised.durable.len() + fresh.len()).unwrap();
            fresh.push((*name, Kept::seal(store, record, Some(*name)).ok()?));
        }
        if store.persist().is_ok() {
            promised.durable.extend(fresh);
            return Some(());
        }
        promised.loose.extend(fresh.into_iter().map(|(_, kept)| kept));
        None
    };
    let destroy = |store: &KeyStore, promised: &mut Promised, name: &'static str| {
        let key = key_of(store, name)?;
        let content = world.disk.content(SLOTS_FILE)?;
        let slot = content.as_chunks::<128>().0.iter().find(|slot| slot[4..20] == key.0)?;
        promised.wrapped.push(slot[56..104].try_into().ok()?);
        let done = store.destroy(key).is_ok();
        promised.destroyed.push((name, key, done));
        done.then_some(())
    };
    seal(&store, promised, &["a", "b"])?;
    seal(&store, promised, &["c"])?;
    destroy(&store, promised, "b")?;
    seal(&store, promised, &["a", "d", "e", "f", "g"])?;
    promised.rewrapped = Some(false);
    store.rewrap(&tenant(2)).ok()?;
    promised.rewrapped = Some(true);
    seal(&store, promised, &["h", "a"])?;
    destroy(&store, promised, "e")?;
    destroy(&store, promised, "a")?;
    seal(&store, promised, &["i", "j"])
}

/// Opens the store after the crash, with whichever tenant's key it has.
fn reopen(world: &World, promised: &Promised, case: &str) -> KeyStore {
    let first = world.open_as(&tenant(1), world.options);
    let (store, report) = match (first, promised.rewrapped) {
        (Ok(opened), None | Some(false)) => opened,
        (Err(StoreError::WrongKey { .. }), Some(_)) => {
            world.open_as(&tenant(2), world.options).expect(case)
        }
        (Ok(_), Some(true)) => panic!("{case}: the old tenant's key opens the new file"),
        (Err(error), _) => panic!("{case}: {error}"),
    };
    assert!(report.unfinished + report.damaged <= 5, "{case}: {report:?}");
    store
}

fn judge(store: &KeyStore, promised: &Promised, are_tombstones_replayed: bool, case: &str) {
    for (name, kept) in &promised.durable {
        let order = promised.destroyed.iter().find(|(destroyed, ..)| destroyed == name);
        let opened = kept.open(store);
        match order {
            None => assert_eq!(opened, Ok(()), "{case}: {name} was durable"),
            Some((_, key, done)) if *done || are_tombstones_replayed => {
                assert_eq!(opened, Err(OpenError::KeyGone { key: *key }), "{case}: {name} is gone");
            }
            Some((_, key, _)) => {
                let is_fine = [Ok(()), Err(OpenError::KeyGone { key: *key })].contains(&opened);
                assert!(is_fine, "{case}: {name} {opened:?}");
            }
        }
    }
    for kept in &promised.loose {
        let opened = kept.open(store);
        let is_fine = matches!(opened, Ok(()) | Err(OpenError::KeyGone { .. }));
        assert!(is_fine, "{case}: nothing was promised, and nothing else is returned: {opened:?}");
    }
}

#[test]
fn a_power_cut_at_any_moment_loses_no_promise() {
    let mut n_cuts = 0;
    for seed in 0..24 {
        for cut in 1.. {
            let case = format!("seed {seed}, cut {cut}");
            let (world, mut promised) = (World::new(seed), Promised::default());
            world.disk.cut_power_at(cut);
            let is_whole = run(&world, &mut promised).is_some();
            n_cuts += u32::from(!is_whole);
            world.disk.crash(seed ^ cut);
            let store = reopen(&world, &promised, &case);
            judge(&store, &promised, false, &case);
            // What is read is also durable, and opening it again changes nothing.
            world.disk.crash(seed);
            let store = reopen(&world, &promised, &case);
            judge(&store, &promised, false, &case);
            let tombstones: Vec<RecordId> =
                promised.destroyed.iter().map(|(_, key, _)| *key).collect();
            store.destroy_again(&tombstones).unwrap();
            judge(&store, &promised, true, &case);
            for name in world.disk.list().unwrap() {
                let content = world.disk.content(&name).unwrap();
                let is_left =
                    |wrapped: &[u8; 48]| content.windows(24).any(|part| wrapped.starts_with(part));
                assert!(
                    !promised.wrapped.iter().any(is_left),
                    "{case}: a wrapped key is left in {name}"
                );
            }
            // And the store goes on.
            let kept = Kept::seal(&store, 99, Some("z")).unwrap();
            store.persist().unwrap();
            world.disk.crash(seed);
            let store = reopen(&world, &promised, &case);
            judge(&store, &promised, true, &case);
            assert_eq!(kept.open(&store), Ok(()), "{case}");
            if is_whole {
                break;
            }
        }
    }
    assert!(600 < n_cuts, "{n_cuts} cuts");
}

/// A sync that fails, at each of them, then another process, and then a power cut: nothing that was acknowledged is lost.
#[test]
fn a_failed_sync_at_any_moment_loses_no_promise() {
    let mut n_failures = 0;
    for (seed, of_the_folder) in (0..8).flat_map(|seed| [(seed, false), (seed, true)]) {
        for fails in 1.. {
            let case = format!("seed {seed}, sync {fails}, {of_the_folder}");
            let (world, mut promised) = (World::new(seed), Promised::default());
            if of_the_folder {
                world.disk.fail_dir_sync_at(fails);
            } else {
                world.disk.fail_sync_at(fails);
            }
            if run(&world, &mut promised).is_some() {
                break;
            }
            n_failures += 1;
            let store = reopen(&world, &promised, &case);
            judge(&store, &promised, false, &case);
            world.disk.crash(seed);
            let store = reopen(&world, &promised, &case);
            judge(&store, &promised, false, &case);
        }
    }
    assert!(100 < n_failures, "{n_failures} failures");
}

/// The test above must notice a build with a sync removed: here is one for each kind, made of a disk that lies.
#[test]
fn a_missing_sync_is_noticed() {
    for lie in [Lie::Data(SLOTS_FILE), Lie::Data("keys.slots.new"), Lie::Names] {
        let breaks = |seed: u64, cut: u64| {
            let (world, mut promised) = (World::new(seed), Promised::default());
            world.disk.cut_power_at(cut);
            let disk = DishonestDisk::new(Arc::new(world.disk.clone()), lie.clone());
            let is_whole = run_on(&world, Arc::new(disk), &mut promised).is_some();
            world.disk.crash(seed ^ cut);
            let judged = std::panic::catch_unwind(AssertUnwindSafe(|| {
                let store = reopen(&world, &promised, "a lie");
                judge(&store, &promised, false, "a lie");
            }));
            (judged.is_err(), is_whole)
        };
        // Every run ends, so the cuts do: 100 are more than it has steps.
        let is_noticed = (0..8).any(|seed| {
            let judged = (1..100).map(|cut| breaks(seed, cut));
            judged.take_while(|(_, is_whole)| !is_whole).any(|(breaks, _)| breaks)
        });
        assert!(is_noticed, "{lie:?}");
    }
}

#[test]
fn many_threads_seal_and_persist() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let world = World::new(1);
    let (store, _) = world.open();
    let gone = Kept::seal(&store, 0, Some("gone")).unwrap();
    store.persist().unwrap();
    let key = key_of(&store, "gone").unwrap();
    let kept: Vec<Kept> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4_u8)
            .map(|worker| {
                let store = &store;
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    for round in 0..50_u8 {
                        let own = format!("{worker}-{round}");
                        let shared = NAMES[usize::from(round % 4)];
                        for subject in [own.as_str(), shared] {
                            kept.push(
                                Kept::seal(store, worker * 50 + round, Some(subject)).unwrap(),
                            );
                        }
                        store.persist().unwrap();
                    }
                    kept
                })
            })
            .collect();
        store.destroy(key).unwrap();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(store.counts(), Counts { subjects: 204, periods: 1, destroyed: 1 });
    world.disk.crash(1);
    let (store, report) = world.open();
    assert_eq!((report.subjects, report.damaged, report.unfinished), (204, 0, 0));
    assert!(kept.iter().all(|kept| kept.open(&store).is_ok()));
    assert_eq!(gone.open(&store), Err(OpenError::KeyGone { key }));
}

const KEY_FILE: &str = "tenant.key";
const NEXT_FILE: &str = "tenant.key.next";

/// Writes a file as the binary does: whole under another name, then renamed.
fn write_file(disk: &dyn Disk, name: &str, text: &str) -> std::io::Result<()> {
    let unready = format!(".{name}.1.tmp");
    let mut file = disk.open(&unready, true)?;
    file.write_at(text.as_bytes(), 0)?;
    file.sync_data()?;
    disk.rename(&unready, name)?;
    disk.sync_dir()
}

fn tenant_in(disk: &dyn Disk, name: &str) -> Option<TenantKey> {
    let file = disk.open(name, false).ok()?;
    let mut bytes = vec![0; crate::KEY_FILE_BYTES_MAX];
    let n_read = file.read_at(&mut bytes, 0).ok()?;
    TenantKey::parse(bytes.get(..n_read)?).ok()
}

/// A start, as the binary makes it: with the present key, or with the next one where the store has changed hands.
fn start(world: &World, disk: &Arc<dyn Disk>) -> Option<KeyStore> {
    crate::finish_key_file(&**disk, KEY_FILE).ok()?;
    for name in disk.list().ok()?.iter().filter(|name| name.starts_with('.')) {
        crate::discard_key_file(&**disk, name).ok()?;
    }
    let open = |tenant: &TenantKey| world.open_on(Arc::clone(disk), tenant, world.options).ok();
    let now = tenant_in(&**disk, KEY_FILE).and_then(|tenant| open(&tenant));
    if let Some((store, _)) = now {
        crate::discard_key_file(&**disk, NEXT_FILE).ok()?;
        return Some(store);
    }
    let (store, _) = open(&tenant_in(&**disk, NEXT_FILE)?)?;
    crate::replace_key_file(&**disk, KEY_FILE, NEXT_FILE).ok()?;
    Some(store)
}

/// A whole rotation of the tenant's key, its files and the store's, with a power cut at each operation and another one at an early operation of the
/// start after it. Whatever came of it, one key is left, it opens the store, and an
/// old one that was replaced is nowhere on the device.
#[test]
fn a_rotation_leaves_one_key_wherever_the_power_goes() {
    let texts = [1, 2].map(|seed| tenant(seed).private_text().to_string());
    let (mut n_rotated, mut n_kept) = (0, 0);
    for (seed, cut) in (0..12_u64).flat_map(|seed| (1..40_u64).map(move |cut| (seed, cut))) {
        let world = World::new(seed);
        let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
        write_file(&*disk, KEY_FILE, &texts[0]).unwrap();
        let (store, _) = world.open_as(&tenant(1), world.options).unwrap();
        let kept = Kept::seal(&store, 1, Some("a")).unwrap();
        store.persist().unwrap();
        world.disk.cut_power_at(cut);
        let rotate = || {
            write_file(&*disk, NEXT_FILE, &texts[1]).ok()?;
            store.rewrap(&tenant(2)).ok()?;
            crate::replace_key_file(&*disk, KEY_FILE, NEXT_FILE).ok()
        };
        let is_done = rotate().is_some() && !world.disk.is_off();
        world.disk.crash(seed ^ cut << 8);
        world.disk.cut_power_at(1 + (seed + cut) % 7);
        drop(start(&world, &disk));
        world.disk.crash(cut ^ 0x55);
        let store = start(&world, &disk)
            .unwrap_or_else(|| panic!("seed {seed}, cut {cut}: it does not start"));
        assert!(kept.open(&store).is_ok(), "seed {seed}, cut {cut}");
        let found = world.disk.content(KEY_FILE).unwrap();
        let is_rotated = found == texts[1].as_bytes();
        assert!(
            is_rotated || found == texts[0].as_bytes() && !is_done,
            "seed {seed}, cut {cut}: {found:?}"
        );
        assert_eq!(disk.list().unwrap(), [SLOTS_FILE, KEY_FILE], "seed {seed}, cut {cut}");
        // A next key whose file never had a durable name sealed nothing; nobody can find it to wipe it.
        let old = texts[0].as_bytes();
        for bytes in world.disk.remains().iter().filter(|_| is_rotated) {
            assert!(
                !bytes.windows(old.len()).any(|part| part == old),
                "seed {seed}, cut {cut}: the old key is on the device"
            );
        }
        (n_rotated, n_kept) =
            if is_rotated { (n_rotated + 1, n_kept) } else { (n_rotated, n_kept + 1) };
    }
    assert!(60 < n_rotated && 40 < n_kept, "{n_rotated} and {n_kept}");
}
