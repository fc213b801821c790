//! Rotations of the log's key on a disk that is full from some write on: what the error says is what lies there, and the next order goes on.
use super::tests::{by, log_key};
use super::*;
use crate::audit::{verify, verify_with};
use crate::opening::world::World;
use bartizan_core::disk::DiskFile;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// A disk that has room for so many more writes.
struct FullDisk {
    inner: Arc<dyn Disk>,
    n_left: Arc<AtomicI64>,
}

struct FullFile {
    inner: Box<dyn DiskFile>,
    n_left: Arc<AtomicI64>,
}

fn take(n_left: &AtomicI64) -> io::Result<()> {
    if 0 < n_left.fetch_sub(1, SeqCst) { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
}

impl Disk for FullDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let inner = match self.inner.open(name, false) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                take(&self.n_left)?;
                self.inner.open(name, true)
            }
            opened => opened,
        };
        Ok(Box::new(FullFile { inner: inner?, n_left: Arc::clone(&self.n_left) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        let inner = match self.inner.folder(name, false) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                take(&self.n_left)?;
                self.inner.folder(name, true)
            }
            opened => opened,
        };
        Ok(Arc::new(Self { inner: inner?, n_left: Arc::clone(&self.n_left) }))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.inner.remove_folder(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }
}

impl DiskFile for FullFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        take(&self.n_left)?;
        self.inner.write_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        take(&self.n_left)?;
        self.inner.set_len(len)
    }
}

/// Rotates on a ledger's disk with room for so many writes.
fn rotate_with(world: &World, n_writes: i64) -> anyhow::Result<String> {
    let ledger = world.place().ledger()?;
    let inner: Arc<dyn Disk> = Arc::new(lock(&ledger, &world.sources)?);
    let disk: Arc<dyn Disk> =
        Arc::new(FullDisk { inner, n_left: Arc::new(AtomicI64::new(n_writes)) });
    rotate_log_on(&disk, Step::Done, &ledger, &world.sources)
}

/// After a rotation that failed: the log is whole under the key that the error names, a start goes on with it, and the order given again ends it.
fn check_recovers(world: &World, case: &str, said: &str) {
    let old = log_key(world);
    for part in ["not replaced", "key"] {
        assert!(said.contains(part), "{case}: {said}");
    }
    assert!(!said.contains("as good as replaced"), "{case}: {said}");
    let waiting = vault::waiting_log_key(&world.state());
    assert_eq!(waiting.is_some(), said.contains("next key lies in the vault"), "{case}: {said}");
    let n_events = audit::last(&world.state(), 100)
        .unwrap()
        .iter()
        .filter(|entry| entry.leaf.kind == RecordKind::KeyEvent)
        .count();
    assert!(!said.contains("says which key comes") || n_events == 1, "{case}: {said}");
    let notes = audit::handover::all(&world.state()).len();
    assert_eq!(notes, usize::from(said.contains("the note of it lies")), "{case}: {said}");
    let told = verify(&world.state());
    assert!(told.verified, "{case}: {told:?}");
    world.records(2, &["bob"]);
    assert!(log_key(world) == old, "{case}: the old key goes on: {said}");
    assert!(verify_with(&world.state(), &by(&old)).verdict.verified, "{case}");

    let public = rotate_log(&world.place(), &world.sources).unwrap();
    assert!(log_key(world) != old && log_key(world).to_string() == public, "{case}");
    if let Some(waiting) = waiting {
        assert_eq!(waiting, public, "{case}: it goes on with the key that was told");
    }
    assert_eq!(vault::waiting_log_key(&world.state()), None, "{case}");
    world.records(3, &["carol"]);
    for told in [verify_with(&world.state(), &by(&old)).verdict, verify(&world.state())] {
        assert!(told.verified, "{case}: {told:?}");
    }
    assert_eq!([1, 2, 3].map(|n| world.shown(n)), ["clear"; 3], "{case}");
}

#[test]
fn a_full_disk_at_any_write_is_told_as_it_is_and_the_order_given_again_ends_it() {
    let (mut n_recorded, mut n_writes) = (0, 0);
    loop {
        let world = World::new();
        world.records(1, &["alice"]);
        match rotate_with(&world, n_writes) {
            Ok(_) => break,
            Err(error) => {
                let said = format!("{error:#}");
                n_recorded += u32::from(said.contains("says which key comes"));
                check_recovers(&world, &format!("{n_writes} writes"), &said);
            }
        }
        n_writes += 1;
        assert!(n_writes < 200, "the rotation never ended");
    }
    assert!(3 < n_writes && 0 < n_recorded, "{n_recorded} of {n_writes} came after the record");
}

/// A folder with the name of the file that is written first cannot be written over: as good as a full disk.
fn block(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    fs::create_dir(&path).unwrap();
    path
}

#[test]
fn what_lies_beside_the_log_when_it_could_not_be_published_is_told() {
    type Name = fn(&World) -> (std::path::PathBuf, String);
    let cases: [(&str, Name, &[&str]); 3] = [
        (
            "the next key",
            |world| (vault::folder(&world.state()), "log.key.next".to_owned()),
            &["nothing was done"],
        ),
        (
            "the note",
            |world| {
                let ledger = audit::log_folder(&world.state());
                let name = log_key(world).name().to_owned();
                let next = vault::next_log_key(&world.state(), &name, &world.sources).unwrap();
                let id = bartizan_ledger::tlog::VerifierKey::of_log(&next).unwrap().id();
                (ledger, format!("handover-{id:08x}.note"))
            },
            &["leaf 1 says which key comes", "both keys have signed", "rotate log` again"],
        ),
        (
            "the public key",
            |world| (audit::log_folder(&world.state()), "log.vkey".to_owned()),
            &["leaf 1 says which key comes", "the note of it lies beside the log"],
        ),
    ];
    for (case, name, want) in cases {
        let world = World::new();
        world.records(1, &["alice"]);
        let (folder, name) = name(&world);
        let blocked = block(&folder, &name);
        let said = format!("{:#}", rotate_log(&world.place(), &world.sources).unwrap_err());
        fs::remove_dir(blocked).unwrap();
        for part in want {
            assert!(said.contains(part), "{case}: {said}");
        }
        check_recovers(&world, case, &said);
    }
}

/// Of the tenant's key, too, whatever fails says whether it was replaced.
#[test]
fn a_rotation_of_the_tenants_key_that_fails_says_what_was_done() {
    type Harm = fn(&World);
    let cases: [(&str, Harm, &[&str]); 2] = [
        (
            "the ledger does not open",
            |world| {
                fs::write(audit::log_folder(&world.state()).join("log/checkpoint"), "x").unwrap();
            },
            &["the tenant's key was not replaced, and nothing was done"],
        ),
        (
            "the next key has no room",
            |world| drop(block(&vault::folder(&world.state()), "tenant.key.next")),
            &["the tenant's key was not replaced, and the ledger says so"],
        ),
    ];
    for (case, harm, want) in cases {
        let world = World::new();
        world.records(1, &["alice"]);
        harm(&world);
        let said = format!("{:#}", rotate_tenant(&world.place(), &world.sources).unwrap_err());
        assert!(want.iter().all(|part| said.contains(part)), "{case}: {said}");
    }
}

/// Once everybody is told, the next start goes forward, and the error says so.
#[test]
fn what_fails_after_the_new_key_was_published_is_finished_by_the_next_start() {
    let world = World::new();
    world.records(1, &["alice"]);
    let old = log_key(&world);
    let turn =
        |public: &str| Turn { done: Step::HandedOver, event: None, public: public.to_owned() };
    let ledger = audit::log_folder(&world.state());
    let public = rotate_log_until(Step::Published, &world.place(), &world.sources).unwrap();
    let said = turn(&public).told(&ledger);
    for part in ["as good as replaced", &public, "the next start"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(turn(&old.to_string()).told(&ledger).contains("not replaced"));
    world.records(2, &["bob"]);
    assert_eq!(log_key(&world).to_string(), public);
    assert!(verify_with(&world.state(), &by(&old)).verdict.verified);
}
