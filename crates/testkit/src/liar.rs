//! A disk that says "synced" and did nothing: the build with a sync removed, which every durability test must catch.
use bartizan_core::disk::{Disk, DiskFile};
use std::io;
use std::sync::Arc;

/// Which promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// [`DiskFile::sync_data`] does nothing for files opened under a name that starts so, in whichever folder.
    SyncData(&'static str),
    /// [`Disk::sync_dir`] does nothing.
    SyncDir,
}

/// Passes everything on to another disk, except the syncs that it lies about.
pub struct DishonestDisk {
    honest: Arc<dyn Disk>,
    lie: Lie,
}

impl std::fmt::Debug for DishonestDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DishonestDisk").field("lie", &self.lie).finish_non_exhaustive()
    }
}

impl DishonestDisk {
    /// A disk that tells this lie about `honest`.
    pub fn new(honest: Arc<dyn Disk>, lie: Lie) -> Self {
        Self { honest, lie }
    }
}

impl Disk for DishonestDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.honest.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.honest.open(name, create)?;
        match self.lie {
            Lie::SyncData(prefix) if name.starts_with(prefix) => Ok(Box::new(UnsyncedFile(file))),
            _ => Ok(file),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.honest.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.honest.remove(name)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        let honest = self.honest.folder(name, create)?;
        Ok(Arc::new(Self { honest, lie: self.lie.clone() }))
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.lie == Lie::SyncDir { Ok(()) } else { self.honest.sync_dir() }
    }
}

struct UnsyncedFile(Box<dyn DiskFile>);

impl DiskFile for UnsyncedFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}
