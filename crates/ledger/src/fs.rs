//! A real folder as a [`Disk`]: the only place of this crate that touches the file system.
use bartizan_core::disk::{Disk, DiskFile};
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK_NAME: &str = "lock";
/// Nothing is waited for when a file is opened, and no terminal becomes ours.
const NO_WAIT: i32 = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();

/// A folder on a real file system. Files are made with mode 0600.
#[derive(Debug)]
pub struct FsDisk {
    folder: PathBuf,
    /// Held for as long as this disk is; the kernel lets go of it when the process ends, however it ends.
    lock: Option<Arc<File>>,
    may_write: bool,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FsDiskError {
    /// Another process writes there.
    #[error(
        "another process writes in {folder} and holds {folder}/lock (`fuser {folder}/lock` names it): stop it, or name another folder; nothing needs to be deleted"
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Others may look into the folder.
    #[error("{folder} can be entered by others (mode {mode:03o}): chmod 700 it")]
    Open {
        /// The folder.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Nothing can be written there.
    #[error(
        "{folder} is on a file system that is mounted for reading only: mount it for writing; `bartizan audit` reads and verifies it as it is"
    )]
    ReadOnly {
        /// The folder.
        folder: PathBuf,
    },
    /// This account may not use it.
    #[error(
        "{folder} may not be used by this account: give the command as the one that it belongs to, or give it to this one (chown, chmod 700)"
    )]
    Denied {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system failed.
    #[error("could not use {folder} as a log folder: {source}")]
    Disk {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FsDiskError {
    fn of(folder: &Path, source: io::Error) -> Self {
        let folder = folder.to_owned();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { folder },
            io::ErrorKind::PermissionDenied => Self::Denied { folder },
            _ => Self::Disk { folder, source },
        }
    }
}

impl FsDisk {
    /// The folder for writing, by nobody else at the same time; it is made, with mode 0700, when it is absent, and so are the folders on the way
    /// to it, each durable in the one above before anything is put into it.
    ///
    /// # Errors
    /// [`FsDiskError`].
    pub fn lock(folder: &Path) -> Result<Self, FsDiskError> {
        let failed = |source| FsDiskError::of(folder, source);
        make_durable(folder).map_err(failed)?;
        let mode = folder.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FsDiskError::Open { folder: folder.to_owned(), mode });
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = open_plain(options, &folder.join(LOCK_NAME)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                Ok(Self { folder: folder.to_owned(), lock: Some(Arc::new(lock)), may_write: true })
            }
            Err(TryLockError::WouldBlock) => Err(FsDiskError::Locked { folder: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// A folder that is there, for changes that need no lock because each is one rename.
    pub fn unlocked(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), lock: None, may_write: true }
    }

    /// The folder for reading only: a log that another process writes, or a copy on a medium that cannot be written.
    pub fn read_only(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), lock: None, may_write: false }
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let flat = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
        if flat { Ok(self.folder.join(name)) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn may_write(&self) -> io::Result<()> {
        let refused = || io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading only");
        self.may_write.then_some(()).ok_or_else(refused)
    }
}

/// Opens a plain file. Whatever else somebody has put there is refused, and not waited for: a copy of a log may come from anybody.
pub(crate) fn open_plain(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(NO_WAIT).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let message = format!("{} is no plain file: move it away, or restore it", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Makes a folder and those above it that are absent, each durable in the one above. The folder's own name is synced also where it is there
/// already: a process that was killed may have made it a moment ago.
fn make_durable(folder: &Path) -> io::Result<()> {
    if !folder.is_dir()
        && let Some(above) = parent(folder)
    {
        make_durable(above)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    match parent(folder) {
        Some(above) => sync(above),
        None => Ok(()),
    }
}

/// The folder that a path stands in; none above the root.
fn parent(path: &Path) -> Option<&Path> {
    let above = path.parent()?;
    Some(if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

/// Makes the names in a folder durable. One that we may not read was not made by us.
fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}

impl Disk for FsDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.folder.read_dir()? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.file_type()?.is_file()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        if create {
            self.may_write()?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(self.may_write).create(create).mode(0o600);
        Ok(Box::new(FsFile(open_plain(&mut options, &self.path(name)?)?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::rename(self.path(from)?, self.path(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::remove_file(self.path(name)?)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        let folder = self.path(name)?;
        if create {
            self.may_write()?;
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        }
        if !folder.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Arc::new(Self { folder, lock: self.lock.clone(), may_write: self.may_write }))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.may_write()?;
        std::fs::remove_dir(self.path(name)?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

struct FsFile(File);

impl DiskFile for FsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(n_read) => filled += n_read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_cannot_be_written_is_called_that() {
        for (kind, want) in [
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "/srv/ledger is on a file system that is mounted for reading only",
            ),
            (
                io::ErrorKind::PermissionDenied,
                "/srv/ledger may not be used by this account: give the command as the one",
            ),
            (
                io::ErrorKind::StorageFull,
                "could not use /srv/ledger as a log folder: no storage space",
            ),
        ] {
            let told = FsDiskError::of(Path::new("/srv/ledger"), kind.into()).to_string();
            assert!(told.starts_with(want), "{told}");
        }
    }
}
