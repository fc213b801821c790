//! A disk that says "synced" and did nothing: the build with a sync removed, which every durability test must catch.
use bartizan_core::disk::{Disk, DiskFile};
use std::io;
use std::sync::Arc;

/// Which promise is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// [`DiskFile::sync_data`] does nothing for files whose path starts so: `segment-`, `log/tile/`.
    Data(&'static str),
    /// [`Disk::sync_dir`] does nothing.
    Names,
    /// [`Disk::sync_dir`] does nothing for folders whose path starts so, `log/`; of the topmost folder alone, for an empty path.
    NamesOf(&'static str),
}

/// Passes everything on to another disk, except the syncs that it lies about.
pub struct DishonestDisk {
    honest: Arc<dyn Disk>,
    lie: Lie,
    /// Where this folder is: empty, or a path that ends in a slash.
    path: String,
}

impl std::fmt::Debug for DishonestDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DishonestDisk").field("lie", &self.lie).finish_non_exhaustive()
    }
}

impl DishonestDisk {
    /// A disk that tells this lie about `honest`.
    pub fn new(honest: Arc<dyn Disk>, lie: Lie) -> Self {
        Self { honest, lie, path: String::new() }
    }
}

impl Disk for DishonestDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.honest.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.honest.open(name, create)?;
        match self.lie {
            Lie::Data(prefix) if format!("{}{name}", self.path).starts_with(prefix) => {
                Ok(Box::new(UnsyncedFile(file)))
            }
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
        let path = format!("{}{name}/", self.path);
        Ok(Arc::new(Self { honest, lie: self.lie.clone(), path }))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.honest.remove_folder(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        let lies = match self.lie {
            Lie::Data(_) => false,
            Lie::Names => true,
            Lie::NamesOf("") => self.path.is_empty(),
            Lie::NamesOf(prefix) => self.path.starts_with(prefix),
        };
        if lies { Ok(()) } else { self.honest.sync_dir() }
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
