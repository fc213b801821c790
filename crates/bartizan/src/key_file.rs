//! Files that hold a secret: read into memory that is wiped. How they are replaced and overwritten is in the crate `keys`.
use crate::files::{self, Links};
use anyhow::{Context as _, bail};
use bartizan_keys::{KEY_FILE_BYTES_MAX, check_mode};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Reads a key file that nobody else may read. Whose it is is asked of the file that was opened, not of its name.
///
/// # Errors
/// When it is absent, open to others, no plain file, or too long for a key.
pub(crate) fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let context = || format!("cannot read {}", path.display());
    let mut file = files::open_plain(path, Links::Followed).with_context(context)?;
    let metadata = file.metadata().with_context(context)?;
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
        assert!(format!("{:#}", read(&other).unwrap_err()).contains("a folder and no plain file"));
        assert!(find(&folder.path().join("absent")).unwrap().is_none());
        assert!(read(&folder.path().join("absent")).is_err());
    }
}
