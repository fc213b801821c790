//! Files of our own state: read within a bound, replaced whole or not at all, closed to others.
use bartizan_core::disk::Disk;
use bartizan_keys::discard_key_file;
use bartizan_ledger::FsDisk;
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::Path;

/// Name of the file in the state folder that holds a first key that nobody was there to read.
pub(crate) const FIRST_KEY_FILE: &str = "first.key";

/// Whether the file that a path names may be somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// It may: mounted configuration and secrets come as links.
    Followed,
    /// It may not.
    Refused,
}

/// How a file is opened whose name others may have given to something else: nothing is waited for, and no terminal becomes ours.
pub(crate) const NO_WAIT: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();

/// Opens a plain file for reading. Whatever else has that name is refused at once: a pipe that nobody writes would be waited for without an
/// end, and what a device does when it is opened nobody knows.
///
/// # Errors
/// Those of the disk; [`io::ErrorKind::InvalidInput`] for what is no plain file.
pub(crate) fn open_plain(path: &Path, links: Links) -> io::Result<File> {
    let flags = match links {
        Links::Followed => NO_WAIT,
        Links::Refused => NO_WAIT | OFlags::NOFOLLOW.bits().cast_signed(),
    };
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    match odd(file.metadata()?.file_type()) {
        None => Ok(file),
        Some(what) => {
            let message = format!("{what} and no plain file: put a file there");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}

/// What it is, where it is no plain file.
pub(crate) fn odd(kind: fs::FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        kind if kind.is_fifo() => Some("a pipe"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// Reads a whole plain file of at most `bytes_max` bytes.
///
/// # Errors
/// Those of [`open_plain`]; [`io::ErrorKind::FileTooLarge`] when there is more.
pub(crate) fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    read_from(open_plain(path, Links::Followed)?, bytes_max)
}

/// [`read_bounded`], of a file that stands where others may put links.
///
/// # Errors
/// Those of [`read_bounded`], and what the system says of a link.
pub(crate) fn read_unlinked(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    read_from(open_plain(path, Links::Refused)?, bytes_max)
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

/// [`replace`], of a file that must not be there: of two processes that write it at once one is told that it was too late.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where there is one by then; those of the disk.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("the path names no file"))?;
    let disk = FsDisk::unlocked(parent(path));
    let temporary = format!(".{name}.{}.tmp", std::process::id());
    disk.remove(&temporary).unwrap_or_default();
    let temporary_path = parent(path).join(&temporary);
    let named =
        write_new(&disk, &temporary, bytes).and_then(|()| rename_new(&temporary_path, path));
    if let Err(error) = named {
        disk.remove(&temporary).unwrap_or_default();
        return Err(error);
    }
    disk.sync_dir()
}

/// Gives a file a name that no other file has.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where one has it; those of the disk.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system knows that; those that do not know links either can hold no such file.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        done => Ok(done?),
    }
}

/// Overwrites and takes away what processes before this one left of files that [`replace`] was writing, keys among them. Whoever calls it is the only
/// one who writes these files.
///
/// * `of`: the file; all of the folder's where none is named.
///
/// # Errors
/// Those of the disk.
pub(crate) fn wipe_leftovers(disk: &dyn Disk, of: Option<&str>) -> io::Result<()> {
    let names = disk.list()?;
    let is_wanted = |name: &&String| {
        leftover_of(name).is_some_and(|file| of.is_none_or(|wanted| wanted == file))
    };
    names.iter().filter(is_wanted).try_for_each(|name| discard_key_file(disk, name))
}

/// The file that a name is a leftover of: `log.key` of `.log.key.4711.tmp`.
fn leftover_of(name: &str) -> Option<&str> {
    let (file, number) = name.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !file.is_empty()).then_some(file)
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
pub(crate) const OWN_NAMES: [&str; 10] = [
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
pub(crate) mod tests {
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

    /// Puts something of every sort into a folder, called what it is; the socket is there as long as what this gives back.
    pub(crate) fn of_every_sort(folder: &Path) -> std::os::unix::net::UnixListener {
        fs::write(folder.join("plain"), "text").unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        let pipe = folder.join("pipe");
        rustix::fs::mkfifoat(CWD, pipe, rustix::fs::Mode::RWXU).unwrap();
        std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap()
    }

    /// Whoever can put a name somewhere cannot make us wait, nor read what is not there.
    #[test]
    fn only_plain_files_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let _socket = of_every_sort(folder.path());
        for name in ["plain", "folder", "pipe", "absent"] {
            std::os::unix::fs::symlink(path(name), path(&format!("link to {name}"))).unwrap();
        }
        std::os::unix::fs::symlink("/dev/zero", path("link to device")).unwrap();
        for (name, read, unlinked) in [
            ("plain", Ok("text"), Ok("text")),
            ("folder", Err("a folder"), Err("a folder")),
            ("pipe", Err("a pipe"), Err("a pipe")),
            ("socket", Err("No such device"), Err("No such device")),
            ("absent", Err("No such file"), Err("No such file")),
            ("link to plain", Ok("text"), Err("symbolic links")),
            ("link to folder", Err("a folder"), Err("symbolic links")),
            ("link to pipe", Err("a pipe"), Err("symbolic links")),
            ("link to absent", Err("No such file"), Err("symbolic links")),
            ("link to device", Err("a device"), Err("symbolic links")),
        ] {
            for (found, want) in
                [(read_bounded(&path(name), 9), read), (read_unlinked(&path(name), 9), unlinked)]
            {
                match (found, want) {
                    (Ok(bytes), Ok(text)) => assert_eq!(bytes, text.as_bytes(), "{name}"),
                    (Err(error), Err(want)) => {
                        assert!(error.to_string().contains(want), "{name}: {error}");
                    }
                    (found, want) => panic!("{name}: {found:?}, and not {want:?}"),
                }
            }
        }
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

    /// However many write a file at once, it is one's own, whole, and the others know.
    #[test]
    fn a_file_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.json");
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        let tries = std::thread::scope(|scope| {
            // A name of its own for each, as processes have.
            let tries = texts.iter().map(|text| {
                let (path, own) = (&path, folder.path().join(text.get(..1).unwrap()));
                scope.spawn(move || {
                    fs::write(&own, text).unwrap();
                    rename_new(&own, path)
                })
            });
            let tries: Vec<_> = tries.collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let late = tries.iter().filter_map(|done| done.as_ref().err()).collect::<Vec<_>>();
        assert_eq!(late.len(), 1, "{tries:?}");
        assert_eq!(late[0].kind(), io::ErrorKind::AlreadyExists);
        let kept = read_text_bounded(&path, 1 << 20).unwrap();
        assert!(texts.contains(&kept));
        let late = create(&path, b"late").unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_text_bounded(&path, 1 << 20).unwrap(), kept);
        std::os::unix::fs::symlink("absent", folder.path().join("link")).unwrap();
        assert!(create(&folder.path().join("link"), b"through a link").is_err());
        create(&folder.path().join("new"), b"new").unwrap();
        let mode = fs::metadata(folder.path().join("new")).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let left = fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp")
        });
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn leftovers_of_a_file_or_of_a_folder_are_wiped() {
        let left = [".log.key.4711.tmp", ".log.key.1.tmp", ".anchor.json.12.tmp"];
        let others =
            [".tmp", "..1.tmp", ".log.key.tmp", ".log.key.x.tmp", "log.key.1.tmp", "log.key"];
        for (of, n_gone) in [(Some("log.key"), 2), (Some("key"), 0), (None, 3)] {
            let sim = SimDisk::new(1);
            for name in left.iter().chain(&others) {
                sim.edit(name, |bytes| *bytes = name.as_bytes().to_vec());
            }
            wipe_leftovers(&sim, of).unwrap();
            let names = sim.list().unwrap();
            assert_eq!(names.len(), left.len() + others.len() - n_gone, "{of:?}: {names:?}");
            assert!(others.iter().all(|name| sim.content(name).is_some()), "{of:?}");
            let zeros =
                sim.remains().into_iter().filter(|bytes| bytes.iter().all(|byte| *byte == 0));
            assert_eq!(zeros.count(), n_gone, "{of:?}: overwritten before they went");
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
