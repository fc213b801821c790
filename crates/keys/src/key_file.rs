//! Files that hold one key, on whatever disk: replaced in place, and overwritten before they go.
//!
//! A key is replaced by writing the next one over it, so that its own bytes go with the same write, and no moment leaves a folder without the key.
//! The next key's file stays until that is durable: a crash on the way is mended by doing it again. Only then is that file renamed, overwritten
//! and removed.
//!
//! Overwriting in place does what a file system and its medium let it do; full-disk encryption does the rest.
use crate::file::KEY_FILE_BYTES_MAX;
use bartizan_core::disk::{Disk, DiskFile};
use std::io;
use zeroize::Zeroizing;

/// What a key file that was used up is called until it is gone.
const SPENT: &str = ".spent";
/// The same, of earlier builds: a second name of the key in use, or the last one of a key that went.
const OLD: &str = ".old";

/// Puts the key in the file `next` into the file `name`, over the one that is there, durably; `next` is gone afterwards. Whoever calls it has decided
/// that the next key is in force: while `next` is there, it is called again after a crash.
///
/// # Errors
/// Those of the disk; `next` is still there then, or the rest is done by [`finish_key_file`].
pub fn replace_key_file(disk: &dyn Disk, name: &str, next: &str) -> io::Result<()> {
    finish_key_file(disk, name)?;
    // A process before this one may have left the name in the cache.
    disk.sync_dir()?;
    let mut bytes = read(disk, next)?;
    let mut file = disk.open(name, false)?;
    let n_bytes = bytes.len();
    let n_before = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(KEY_FILE_BYTES_MAX);
    bytes.resize(n_bytes.max(n_before), 0);
    file.write_at(&bytes, 0)?;
    file.sync_data()?;
    if n_bytes < n_before {
        file.set_len(n_bytes as u64)?;
        file.sync_data()?;
    }
    let spent = format!("{name}{SPENT}");
    disk.rename(next, &spent)?;
    disk.sync_dir()?;
    discard_key_file(disk, &spent)
}

/// Ends what [`replace_key_file`] left of the file `name` when it was cut short. Nothing to do is no error.
///
/// # Errors
/// Those of the disk.
pub fn finish_key_file(disk: &dyn Disk, name: &str) -> io::Result<()> {
    discard_key_file(disk, &format!("{name}{SPENT}"))?;
    let old = format!("{name}{OLD}");
    let is_in_use = match (read(disk, &old), read(disk, name)) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        (Ok(old), Ok(now)) => old == now,
        _ => false,
    };
    if is_in_use {
        // Perhaps the same file under two names: it must not be overwritten.
        disk.remove(&old)?;
        return disk.sync_dir();
    }
    discard_key_file(disk, &old)
}

/// Overwrites a key file, then takes its name away. One that is not there is no error.
///
/// # Errors
/// Those of the disk.
pub fn discard_key_file(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.open(name, false) {
        Ok(mut file) => wipe(&mut *file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    disk.remove(name)?;
    disk.sync_dir()
}

fn wipe(file: &mut dyn DiskFile) -> io::Result<()> {
    let n_bytes = usize::try_from(file.len()?).unwrap_or(KEY_FILE_BYTES_MAX);
    file.write_at(&vec![0; n_bytes.min(KEY_FILE_BYTES_MAX)], 0)?;
    file.sync_data()
}

/// Reads into memory that never moves, so that no copy stays behind.
fn read(disk: &dyn Disk, name: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = disk.open(name, false)?;
    let mut bytes = Zeroizing::new(vec![0; KEY_FILE_BYTES_MAX + 1]);
    let n_read = file.read_at(&mut bytes, 0)?;
    if KEY_FILE_BYTES_MAX < n_read {
        let message =
            format!("{name} is longer than {KEY_FILE_BYTES_MAX} bytes: it is no key file");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    bytes.truncate(n_read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::{DishonestDisk, Lie, SimDisk};
    use std::sync::Arc;

    const NAME: &str = "log.key";
    const NEXT: &str = "log.key.next";
    const OLD_KEY: &[u8] = b"the old key, which has a longer name";
    const NEW_KEY: &[u8] = b"the new key";

    fn disk(seed: u64) -> SimDisk {
        let sim = SimDisk::new(seed);
        sim.edit(NAME, |bytes| *bytes = OLD_KEY.to_vec());
        sim.edit(NEXT, |bytes| *bytes = NEW_KEY.to_vec());
        sim
    }

    fn holds(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|found| found == part)
    }

    /// What a start does: it ends what was begun, and decides once more that the next key is in force.
    fn start(disk: &dyn Disk) -> io::Result<()> {
        finish_key_file(disk, NAME)?;
        match disk.open(NEXT, false) {
            Ok(_) => replace_key_file(disk, NAME, NEXT),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A power cut at each operation of replacing a key, and at each of mending that: what is wrong afterwards, if anything.
    fn crashes(lie: Option<&Lie>) -> Option<String> {
        let wrap = |sim: &SimDisk| -> Arc<dyn Disk> {
            let honest: Arc<dyn Disk> = Arc::new(sim.clone());
            match lie {
                Some(lie) => Arc::new(DishonestDisk::new(honest, lie.clone())),
                None => honest,
            }
        };
        for (seed, cut) in (0..40).flat_map(|seed| (1..16).map(move |cut| (seed, cut))) {
            let sim = disk(seed);
            for at in [cut, 1 + cut % 5] {
                sim.cut_power_at(at);
                // Whether it was done or died is for the disk to say.
                start(&*wrap(&sim)).unwrap_or_default();
                sim.crash(seed ^ at);
            }
            if let Err(error) = start(&*wrap(&sim)) {
                return Some(format!("seed {seed}, cut {cut}: {error}"));
            }
            let copies = sim.remains();
            let n_new = copies.iter().filter(|bytes| holds(bytes, NEW_KEY)).count();
            let is_fine = sim.content(NAME).as_deref() == Some(NEW_KEY)
                && sim.list().ok() == Some(vec![NAME.to_owned()])
                && (lie.is_some() || !copies.iter().any(|bytes| holds(bytes, OLD_KEY)))
                && n_new == 1;
            if !is_fine {
                let found =
                    sim.content(NAME).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                return Some(format!("seed {seed}, cut {cut}: {found:?}, {n_new} copies"));
            }
        }
        None
    }

    #[test]
    fn a_power_cut_leaves_a_key_that_is_replaced_by_the_next_start_and_every_sync_is_needed() {
        assert_eq!(crashes(None), None);
        for lie in [Lie::Data("log.key"), Lie::Names] {
            assert!(crashes(Some(&lie)).is_some(), "{lie:?}");
        }
    }

    #[test]
    fn what_is_replaced_or_thrown_away_is_overwritten() {
        let sim = disk(1);
        replace_key_file(&sim, NAME, NEXT).unwrap();
        assert_eq!(sim.content(NAME).as_deref(), Some(NEW_KEY));
        assert_eq!(sim.list().unwrap(), [NAME]);
        discard_key_file(&sim, NAME).unwrap();
        discard_key_file(&sim, NAME).unwrap();
        for bytes in sim.remains() {
            assert!(!holds(&bytes, OLD_KEY) && !holds(&bytes, NEW_KEY), "{bytes:?}");
        }
        assert_eq!(sim.list().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_earlier_builds_left_is_taken_away_and_the_key_in_use_never() {
        for (name, old, want) in [
            ("a second name of the key in use", OLD_KEY, 1),
            ("a key that went", NEW_KEY, 0),
            ("one that is overwritten already", &[0; 36], 0),
        ] {
            let sim = SimDisk::new(1);
            sim.edit(NAME, |bytes| *bytes = OLD_KEY.to_vec());
            sim.edit("log.key.old", |bytes| *bytes = old.to_vec());
            finish_key_file(&sim, NAME).unwrap();
            assert_eq!(sim.content(NAME).as_deref(), Some(OLD_KEY), "{name}");
            assert_eq!(sim.list().unwrap(), [NAME], "{name}");
            let n_left = sim.remains().iter().skip(1).filter(|bytes| holds(bytes, old)).count();
            assert_eq!(n_left, want.max(usize::from(old[0] == 0)), "{name}");
        }
    }

    #[test]
    fn what_is_no_key_file_is_not_put_in_the_place_of_one() {
        for (name, next, want) in [
            ("too long", Some(vec![7; KEY_FILE_BYTES_MAX + 1]), io::ErrorKind::InvalidData),
            ("not there", None, io::ErrorKind::NotFound),
        ] {
            let sim = SimDisk::new(1);
            sim.edit(NAME, |bytes| *bytes = OLD_KEY.to_vec());
            if let Some(next) = next {
                sim.edit(NEXT, |bytes| *bytes = next);
            }
            assert_eq!(replace_key_file(&sim, NAME, NEXT).unwrap_err().kind(), want, "{name}");
            assert_eq!(sim.content(NAME).as_deref(), Some(OLD_KEY), "{name}");
        }
    }
}
