//! Files of our own state: read within a bound, replaced whole or not at all, closed to others.
use bartizan_core::disk::Disk;
use bartizan_ledger::FsDisk;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Reads a whole file of at most `bytes_max` bytes.
///
/// # Errors
/// Those of the disk; [`io::ErrorKind::FileTooLarge`] when there is more.
pub(crate) fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, bytes_max)
}

/// Reads at most `bytes_max` bytes to the end of a stream.
///
/// # Errors
/// Those of the stream; [`io::ErrorKind::FileTooLarge`] when there is more.
#[expect(clippy::disallowed_methods, reason = "take() is the bound")]
pub(crate) fn read_from(stream: impl io::Read, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    if bytes_max < bytes.len() {
        let message = format!("longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Reads a whole UTF-8 file of at most `bytes_max` bytes.
///
/// # Errors
/// Those of [`read_bounded`]; [`io::ErrorKind::InvalidData`] when it is not UTF-8.
pub(crate) fn read_text_bounded(path: &Path, bytes_max: usize) -> io::Result<String> {
    let bytes = read_bounded(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|error| {
        let message = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to());
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// Gives a file new content such that a reader, or a crash, sees the old bytes or the new ones and nothing between. Nobody else may read it (0600).
///
/// # Errors
/// Those of the disk; the old file is then still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("the path names no file"))?;
    replace_on(&FsDisk::unlocked(parent(path)), name, bytes)
}

/// [`replace`], on any disk.
fn replace_on(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!(".{name}.{}.tmp", std::process::id());
    // A leftover of a crashed process with our number may stand there, and have another mode.
    disk.remove(&temporary).unwrap_or_default();
    let written = write_new(disk, &temporary, bytes).and_then(|()| disk.rename(&temporary, name));
    if let Err(error) = written {
        // The first error is the one to report; a leftover is only untidy.
        disk.remove(&temporary).unwrap_or_default();
        return Err(error);
    }
    disk.sync_dir()
}

fn write_new(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.open(name, true)?;
    file.write_at(bytes, 0)?;
    file.sync_data()
}

/// The folder that a path's name stands in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Names that our state folder may hold.
const OWN_NAMES: [&str; 10] = [
    "keys.toml",
    "keys.recorded.toml",
    "keys.lock",
    "ledger",
    "orders",
    "recorded.json",
    "vault",
    "bartizan.toml",
    "lock",
    "first.key",
];

/// The names among these that nobody but us gives to a file.
const TELLING_NAMES: [&str; 4] = ["keys.toml", "keys.recorded.toml", "keys.lock", "ledger"];

/// Makes a folder that only we may enter (0700), with its parents. One that is already there and open is closed only when it holds our
/// own state and nothing else, and that is said: `--dir /tmp` and `--dir .` must not lock everybody else out, however empty they are.
/// Says whether the folder is closed now.
///
/// # Errors
/// Those of the disk.
pub(crate) fn private_folder(path: &Path) -> io::Result<bool> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    if !is_open_to_others(path)? {
        return Ok(true);
    }
    let mut is_ours = false;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if !OWN_NAMES.iter().any(|own| name == *own) {
            return Ok(false);
        }
        is_ours |= TELLING_NAMES.iter().any(|telling| name == *telling);
    }
    if !is_ours {
        return Ok(false);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    tracing::warn!(folder = %path.display(), "The state folder was open to others; it is closed now.");
    Ok(true)
}

/// Whether others than the owner may read or write the file.
///
/// # Errors
/// Those of the disk.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::{DishonestDisk, Lie, SimDisk};
    use std::sync::Arc;

    #[test]
    fn reading_stops_at_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert_eq!(read_bounded(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::write(&path, b"a\xff").unwrap();
        assert_eq!(read_text_bounded(&path, 9).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn replacing_leaves_one_file_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        for content in ["one", "two, longer", ""] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(read_bounded(&path, 100).unwrap(), content.as_bytes());
            assert!(!is_open_to_others(&path).unwrap());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        assert!(replace(&folder.path().join("absent/file"), b"x").is_err());
    }

    /// A power cut at each operation of replacing a file again and again: what is wrong afterwards, if anything.
    fn crashes(lie: Option<&Lie>) -> Option<String> {
        let texts =
            ["one", "two, which is longer", "3", "four and a half, the longest of them all"];
        for (seed, cut) in (0..60).flat_map(|seed| (1..24).map(move |cut| (seed, cut))) {
            let sim = SimDisk::new(seed);
            let honest: Arc<dyn Disk> = Arc::new(sim.clone());
            let disk = match lie {
                Some(lie) => Arc::new(DishonestDisk::new(honest, lie.clone())),
                None => honest,
            };
            sim.cut_power_at(cut);
            let done = texts.iter().take_while(|text| {
                replace_on(&*disk, "anchor.json", text.repeat(300).as_bytes()).is_ok()
            });
            let n_done = done.count();
            sim.crash(seed ^ cut);
            let found = sim.content("anchor.json").map(|bytes| String::from_utf8(bytes).unwrap());
            let fits = |n: usize| match n.checked_sub(1).map(|n| texts.get(n)) {
                None => found.is_none(),
                Some(text) => found == text.map(|text| text.repeat(300)),
            };
            if !fits(n_done) && !fits(n_done + 1) {
                return Some(format!(
                    "seed {seed}, cut {cut}: {n_done} were done, found {found:?}"
                ));
            }
        }
        None
    }

    /// The anchor, notes of handover, keys to come, and what was recorded all go this way.
    #[test]
    fn a_power_cut_leaves_the_old_file_or_the_new_one_and_every_sync_is_needed() {
        assert_eq!(crashes(None), None);
        for lie in [Lie::Data(""), Lie::Names] {
            assert!(crashes(Some(&lie)).is_some(), "{lie:?}");
        }
    }

    #[test]
    fn the_state_folder_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert!(private_folder(&path).unwrap());
        assert!(!is_open_to_others(&path).unwrap());
        for (name, files, is_closed) in [
            ("empty, made by somebody else", &[][..], false),
            ("a folder for configuration", &["bartizan.toml"], false),
            ("a lock of somebody's", &["lock"], false),
            ("foreign files", &["somebody-else"], false),
            ("our state among foreign files", &["keys.toml", "ledger", "somebody-else"], false),
            ("our state", &["keys.toml"], true),
            ("all of our state", &OWN_NAMES, true),
        ] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            for file in files {
                fs::write(path.join(file), b"").unwrap();
            }
            assert_eq!(private_folder(&path).unwrap(), is_closed, "{name}");
            assert_eq!(is_open_to_others(&path).unwrap(), !is_closed, "{name}");
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(mode, if is_closed { 0o700 } else { 0o755 }, "{name}");
        }
    }
}
