//! Files that hold a secret: read into memory that is wiped, and overwritten before they go.
//!
//! Overwriting in place does what a file system and its medium let it do; full-disk encryption does the rest.
use crate::files;
use anyhow::{Context as _, bail};
use bartizan_keys::{KEY_FILE_BYTES_MAX, check_mode};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Reads a key file that nobody else may read. Whose it is is asked of the file that was opened, not of its name.
///
/// # Errors
/// When it is absent, open to others, no plain file, or too long for a key.
pub(crate) fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let metadata = file.metadata().with_context(context)?;
    if !metadata.is_file() {
        bail!("{} is no file: a key file is one line of text", path.display());
    }
    check_mode(&path.display().to_string(), metadata.permissions().mode())?;
    let mut bytes = Zeroizing::new(vec![0; KEY_FILE_BYTES_MAX + 1]);
    let n_read = fill(&mut file, &mut bytes).with_context(context)?;
    if KEY_FILE_BYTES_MAX < n_read {
        bail!("{} is longer than {KEY_FILE_BYTES_MAX} bytes: it is no key file", path.display());
    }
    bytes.truncate(n_read);
    Ok(bytes)
}

/// [`read`], or nothing where there is no file.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn find(path: &Path) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    read(path).map(Some)
}

/// Reads to the end or to the end of the buffer, which never moves: no copy stays behind.
fn fill(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut n_read = 0;
    while let Some(rest) = bytes.get_mut(n_read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_read)
}

/// What a key file that goes is called until it is overwritten.
fn old_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    name.into()
}

/// Puts `next` in the place of the key file `path`, durably, and overwrites what stood there before its name goes.
///
/// # Errors
/// Those of the disk; the place then holds one of the two, and [`finish`] does the rest.
pub(crate) fn swap(path: &Path, next: &Path) -> io::Result<()> {
    finish(path)?;
    let old = old_name(path);
    let mut file = OpenOptions::new().write(true).open(path)?;
    // The second name is for a crash between here and the end. A file system without such names has to do without.
    let is_named = fs::hard_link(path, &old).is_ok();
    fs::rename(next, path)?;
    sync_folder(path)?;
    overwrite(&mut file)?;
    if is_named {
        fs::remove_file(&old)?;
        sync_folder(path)?;
    }
    Ok(())
}

/// Ends a [`swap`] that was cut short. Nothing to do is no error.
///
/// # Errors
/// Those of the disk.
pub(crate) fn finish(path: &Path) -> io::Result<()> {
    let old = old_name(path);
    let known = match fs::symlink_metadata(&old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        known => known?,
    };
    let is_in_use =
        fs::metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (known.dev(), known.ino()));
    if is_in_use {
        fs::remove_file(&old)?;
        return sync_folder(path);
    }
    discard(&old)
}

/// Overwrites a key file, then takes its name away. One that is not there is no error.
///
/// # Errors
/// Those of the disk.
pub(crate) fn discard(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(mut file) => overwrite(&mut file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    fs::remove_file(path)?;
    sync_folder(path)
}

fn overwrite(file: &mut File) -> io::Result<()> {
    let n_bytes = usize::try_from(file.metadata()?.len()).unwrap_or(KEY_FILE_BYTES_MAX);
    file.write_all(&vec![0; n_bytes.min(KEY_FILE_BYTES_MAX)])?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(files::parent(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_file_is_short_plain_and_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let longest = "k".repeat(KEY_FILE_BYTES_MAX);
        for (name, text, mode, want) in [
            ("a key", "secret\n", 0o600, Ok(())),
            ("the longest", &longest, 0o400, Ok(())),
            ("nothing in it", "", 0o600, Ok(())),
            ("open to the group", "secret\n", 0o640, Err("chmod 600")),
            ("one byte too long", &format!("{longest}k"), 0o600, Err("longer than 1024 bytes")),
        ] {
            fs::remove_file(&path).unwrap_or_default();
            write(&path, text, mode);
            match (read(&path), want) {
                (Ok(bytes), Ok(())) => {
                    assert_eq!(*bytes, text.as_bytes(), "{name}");
                    assert_eq!(bytes.capacity(), KEY_FILE_BYTES_MAX + 1, "{name}: it never grew");
                }
                (Err(error), Err(want)) => assert!(format!("{error:#}").contains(want), "{name}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        let other = folder.path().join("folder");
        fs::create_dir(&other).unwrap();
        assert!(read(&other).unwrap_err().to_string().contains("no file"));
        assert!(find(&folder.path().join("absent")).unwrap().is_none());
        assert!(read(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn what_was_replaced_is_overwritten_wherever_a_crash_comes() {
        for (name, crash) in [
            ("no crash", None),
            ("before the new one has the name", Some(false)),
            ("after it", Some(true)),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (path, next) = (folder.path().join("a.key"), folder.path().join("a.key.next"));
            write(&path, "the old secret", 0o600);
            write(&next, "the new secret", 0o600);
            let mut old = File::open(&path).unwrap();
            match crash {
                None => swap(&path, &next).unwrap(),
                Some(is_renamed) => {
                    fs::hard_link(&path, old_name(&path)).unwrap();
                    if is_renamed {
                        fs::rename(&next, &path).unwrap();
                    }
                    finish(&path).unwrap();
                }
            }
            let mut text = String::new();
            old.read_to_string(&mut text).unwrap();
            let is_gone = crash != Some(false);
            assert_eq!(text == "\0".repeat(14), is_gone, "{name}: {text:?}");
            let want = if is_gone { "the new secret" } else { "the old secret" };
            assert_eq!(*read(&path).unwrap(), want.as_bytes(), "{name}");
            assert!(!old_name(&path).exists(), "{name}");
        }
    }

    #[test]
    fn what_is_thrown_away_is_overwritten_first() {
        let folder = tempfile::tempdir().unwrap();
        let (path, twin) = (folder.path().join("a.key"), folder.path().join("twin"));
        write(&path, "a secret", 0o600);
        fs::hard_link(&path, &twin).unwrap();
        discard(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(*read(&twin).unwrap(), [0; 8]);
        discard(&path).unwrap();
    }
}
