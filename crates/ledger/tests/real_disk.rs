//! The same log on a real file system.
#[expect(dead_code, reason = "this test uses its own part of what all tests share")]
mod common;

use bartizan_core::disk::Disk;
use bartizan_core::record::Recorder as _;
use bartizan_ledger::{FsDisk, FsDiskError, Ledger, Options, Reader};
use bartizan_testkit::wait;
use common::{intent, open_with, outcome, record};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

fn open(folder: &Path, seed: u64) -> Ledger {
    let disk = Arc::new(FsDisk::lock(folder).expect("nobody else holds the folder"));
    let limits = Options { segment_bytes: 64 << 10, ..Options::default() };
    open_with(disk, seed, limits).expect("the log is whole").0
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn a_log_lives_through_restarts_and_can_be_read_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state").join("ledger");
    for life in 0..3 {
        let ledger = open(&folder, life);
        for n in 0..30 {
            let id = record(life << 8 | n);
            wait(ledger.append_all(vec![intent(id), outcome(id)])).unwrap();
        }
        let reader = Reader::open(Arc::new(FsDisk::read_only(&folder))).unwrap();
        let report = reader.verify().unwrap();
        assert!(report.verified && report.leaves == 60 * (life + 1), "{report:?}");
        assert_eq!(reader.find(record(life << 8)).unwrap().len(), 2);
    }
    assert_eq!(mode(&folder), 0o700);
    for file in folder.read_dir().unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 });
    }
    assert!(folder.join("segment-00000002.log").exists() && folder.join("log/checkpoint").exists());
}

#[test]
fn a_log_that_grows_under_the_reader_is_never_called_damaged() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    let ledger = open(&folder, 1);
    let reader = Reader::open(Arc::new(FsDisk::read_only(&folder))).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..600 {
                wait(ledger.append_all(vec![intent(record(n)), outcome(record(n))])).unwrap();
            }
        });
        let mut leaves = 0;
        while !writer.is_finished() {
            let report = reader.verify().unwrap();
            assert!(report.verified && leaves <= report.leaves, "{report:?}");
            leaves = report.leaves;
            assert!(leaves <= reader.entries().unwrap().map(Result::unwrap).count() as u64);
        }
    });
    assert_eq!(reader.verify().unwrap().leaves, 1200);
}

#[test]
fn two_writers_are_one_too_many() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    let ledger = open(&folder, 1);
    let error = FsDisk::lock(&folder).unwrap_err();
    assert!(matches!(error, FsDiskError::Locked { .. }));
    assert!(error.to_string().contains("stop it"), "{error}");
    drop(ledger);
    drop(open(&folder, 2));
}

#[test]
fn folders_on_the_way_are_made_for_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let (state, folder) = (root.path().join("a/state"), root.path().join("a/state/ledger"));
    for _ in 0..2 {
        drop(FsDisk::lock(&folder).unwrap());
        assert_eq!((mode(&state), mode(&folder)), (0o700, 0o700));
    }
    // What is in the way is told, and stays.
    let file = root.path().join("file");
    std::fs::write(&file, "a file").unwrap();
    for folder in [file.clone(), file.join("ledger")] {
        assert!(matches!(FsDisk::lock(&folder), Err(FsDiskError::Disk { .. })));
    }
    assert_eq!(file.metadata().unwrap().len(), 6, "it stays as it is");
    std::os::unix::fs::symlink(&folder, root.path().join("link")).unwrap();
    drop(FsDisk::lock(&root.path().join("link")).unwrap());
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let error = FsDisk::lock(root.path()).unwrap_err().to_string();
    assert!(error.contains("755") && error.contains("chmod 700"), "{error}");
}

#[test]
fn names_stay_in_the_folder_and_readers_do_not_write() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("ledger");
    let disk = FsDisk::lock(&folder).unwrap();
    for name in ["", ".", "..", "../a", "a/b", "/etc/hosts", "a\0b"] {
        assert!(disk.open(name, true).is_err(), "{name:?}");
        assert!(disk.rename("lock", name).is_err() && disk.remove(name).is_err(), "{name:?}");
    }
    let mut file = disk.open("a", true).unwrap();
    file.write_at(b"abc", 1).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir().unwrap();
    let reader = FsDisk::read_only(&folder);
    assert_eq!(reader.list().unwrap(), ["a", "lock"]);
    let mut file = reader.open("a", false).unwrap();
    let mut bytes = [9; 8];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 4);
    assert_eq!(bytes, *b"\0abc\x09\x09\x09\x09");
    assert!(file.write_at(b"x", 0).is_err() && file.set_len(0).is_err());
    assert!(reader.open("b", true).is_err() && reader.remove("a").is_err());
    assert!(reader.rename("a", "b").is_err());
}
