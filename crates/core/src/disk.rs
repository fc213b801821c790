//! What a disk promises, so that a simulated one can break every promise that a real one may break.
use std::io;
use std::sync::Arc;

/// A folder of files with flat names, and of further folders.
pub trait Disk: Send + Sync {
    /// Names of the files in the folder, sorted. Folders are not among them.
    ///
    /// # Errors
    /// Those of the disk.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing; makes an empty one when it is absent and `create` is set.
    /// A new name is durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Those of the disk; `NotFound` when the file is absent and `create` is not set.
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, replacing what has it. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Those of the disk.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file's name away. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Those of the disk.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// A folder in this one; made when it is absent and `create` is set. A new one is durable, with all that is in it, only after
    /// [`Disk::sync_dir`] of this one.
    ///
    /// # Errors
    /// Those of the disk; `NotFound` when it is absent and `create` is not set.
    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>>;

    /// Takes away a folder in this one, which must be empty. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Those of the disk; `DirectoryNotEmpty` when something is in it.
    fn remove_folder(&self, name: &str) -> io::Result<()>;

    /// Makes the names in this folder durable, those of its folders included, but not the names in them.
    ///
    /// # Errors
    /// Those of the disk. A failed sync must never be retried: the kernel may have dropped the pages.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Those of the disk.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no byte.
    ///
    /// # Errors
    /// Those of the disk.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads up to `bytes.len()` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Those of the disk.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file as needed. Durable only after [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// Those of the disk; some of the bytes may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the bytes (and the length) durable.
    ///
    /// # Errors
    /// Those of the disk. A failed sync must never be retried: the kernel may have dropped the pages.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Lets the disk have what was written so far, so that a later [`DiskFile::sync_data`] has little left to do. It promises nothing, and a
    /// disk may do nothing.
    ///
    /// # Errors
    /// Those of the disk: then what was written is lost, as when a sync fails.
    fn write_out(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Cuts the file, or grows it with zeros.
    ///
    /// # Errors
    /// Those of the disk.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
}
