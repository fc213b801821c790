//! A disk that does what it is told to: fails one operation, lies about one kind of sync, or dies with its process.
//!
//! It stands between the code under test and a [`SimDisk`], which knows about power. A [`Meddler`] belongs to one process: when that is
//! killed, every later operation fails, while what it wrote stays in the cache of the simulated disk.
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_testkit::SimDisk;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A sync of a file's bytes.
    Data,
    /// A sync of a folder's names.
    Names,
    /// A write.
    Write,
}

/// Which of them, of one open file (of one folder and process, for names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The first.
    First,
    /// The first two.
    Early,
    /// All but the first.
    Later,
    /// All.
    Any,
}

/// Operations that are meddled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    /// How the path starts, from the top of the disk; of a folder it ends in a slash.
    pub(crate) starts: &'static str,
    /// How the path ends.
    pub(crate) ends: &'static str,
    pub(crate) which: Which,
}

/// What is done to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Each says that it was done, and was not: the build that lacks this sync.
    Skip,
    /// The one after so many fails, as a device fails.
    Fail(u64),
    /// From the one after so many on, the device is full.
    Full(u64),
    /// Each takes this long.
    Slow(Duration),
}

/// What is done, to which operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) target: Target,
    pub(crate) deed: Deed,
    /// How many processes do without it, before the first that meets it.
    pub(crate) n_spared: u64,
}

#[derive(Debug, Default)]
struct Script {
    order: Option<Order>,
    /// Operations that the order was about, so far.
    n_met: u64,
    /// Times that it did something.
    n_done: u64,
    /// Changing operations until the process is killed.
    left: Option<u64>,
    /// How the path starts whose next sync the process does not live to see, and how many go well before.
    deadly: Option<(&'static str, u64)>,
    is_dead: bool,
    /// Syncs of each folder so far.
    names: BTreeMap<String, u64>,
}

/// What one process may do to its disk. Clones are the same process.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    script: Arc<Mutex<Script>>,
}

impl Fate {
    pub(crate) fn new(order: Option<Order>) -> Self {
        let script = Script { order, ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills the process at the `n`th changing operation from now, which is not done any more.
    pub(crate) fn kill_at(&self, n: u64) {
        self.script().left = Some(n);
    }

    /// Kills the process instead of the sync of a file, after so many: what was written last is in the cache and nowhere else.
    pub(crate) fn kill_instead_of_sync(&self, starts: &'static str, n_good: u64) {
        self.script().deadly = Some((starts, n_good));
    }

    /// Kills it now.
    pub(crate) fn kill(&self) {
        self.script().is_dead = true;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.script().is_dead
    }

    /// How often the order did something.
    pub(crate) fn n_done(&self) -> u64 {
        self.script().n_done
    }

    fn alive(&self) -> io::Result<()> {
        if self.script().is_dead { Err(killed()) } else { Ok(()) }
    }

    /// One changing operation: what is done to it, if anything.
    fn step(&self, operation: Option<Operation>, path: &str, nth: u64) -> io::Result<Option<Deed>> {
        let mut script = self.script();
        if let Some(left) = &mut script.left {
            *left = left.saturating_sub(1);
            script.is_dead |= script.left == Some(0);
        }
        let is_sync = matches!(operation, Some(Operation::Data | Operation::Names));
        if let Some((starts, n_good)) = &mut script.deadly
            && is_sync
            && path.starts_with(*starts)
        {
            let is_last = *n_good == 0;
            *n_good = n_good.saturating_sub(1);
            script.is_dead |= is_last;
        }
        if script.is_dead {
            return Err(killed());
        }
        let Some(Order { target, deed, .. }) = script.order else { return Ok(None) };
        let which = match target.which {
            Which::First => nth == 0,
            Which::Early => nth < 2,
            Which::Later => 0 < nth,
            Which::Any => true,
        };
        let is_met = operation == Some(target.operation)
            && which
            && path.starts_with(target.starts)
            && path.ends_with(target.ends);
        if !is_met {
            return Ok(None);
        }
        let n_before = script.n_met;
        script.n_met += 1;
        let does = match deed {
            Deed::Skip | Deed::Slow(_) => true,
            Deed::Fail(n) => n == n_before,
            Deed::Full(n) => n <= n_before,
        };
        script.n_done += u64::from(does);
        Ok(does.then_some(deed))
    }

    fn nth_of_names(&self, path: &str) -> u64 {
        let mut script = self.script();
        let count = script.names.entry(path.to_owned()).or_default();
        *count += 1;
        *count - 1
    }
}

fn killed() -> io::Error {
    io::Error::other("the process was killed")
}

fn broken() -> io::Error {
    io::Error::other("the device reported an error")
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

/// A folder as one process sees it.
pub(crate) struct Meddler {
    sim: SimDisk,
    inner: Arc<dyn Disk>,
    /// From the top: empty, or it ends in a slash.
    path: String,
    fate: Fate,
}

impl Meddler {
    /// The whole disk.
    pub(crate) fn new(sim: &SimDisk, fate: &Fate) -> Self {
        let inner = Arc::new(sim.clone());
        Self { sim: sim.clone(), inner, path: String::new(), fate: fate.clone() }
    }
}

impl Disk for Meddler {
    fn list(&self) -> io::Result<Vec<String>> {
        self.fate.alive()?;
        self.inner.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        if create {
            self.fate.step(None, "", 0)?;
        } else {
            self.fate.alive()?;
        }
        let file = self.inner.open(name, create)?;
        let path = format!("{}{name}", self.path);
        let (sim, fate) = (self.sim.clone(), self.fate.clone());
        Ok(Box::new(MeddledFile { sim, file, path, fate, n_syncs: 0, n_writes: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.fate.step(None, "", 0)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.fate.step(None, "", 0)?;
        self.inner.remove(name)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        self.fate.alive()?;
        let inner = self.inner.folder(name, create)?;
        let path = format!("{}{name}/", self.path);
        Ok(Arc::new(Self { sim: self.sim.clone(), inner, path, fate: self.fate.clone() }))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.fate.step(None, "", 0)?;
        self.inner.remove_folder(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        let nth = self.fate.nth_of_names(&self.path);
        match self.fate.step(Some(Operation::Names), &self.path, nth)? {
            Some(Deed::Skip) => return Ok(()),
            Some(Deed::Fail(_)) => self.sim.fail_dir_sync_at(1),
            Some(Deed::Full(_)) => return Err(full()),
            Some(Deed::Slow(takes)) => std::thread::sleep(takes),
            None => {}
        }
        self.inner.sync_dir()
    }
}

struct MeddledFile {
    sim: SimDisk,
    file: Box<dyn DiskFile>,
    path: String,
    fate: Fate,
    n_syncs: u64,
    n_writes: u64,
}

impl DiskFile for MeddledFile {
    fn len(&self) -> io::Result<u64> {
        self.fate.alive()?;
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fate.alive()?;
        self.file.read_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let nth = self.n_writes;
        self.n_writes += 1;
        match self.fate.step(Some(Operation::Write), &self.path, nth)? {
            Some(Deed::Skip) => return Ok(()),
            // Either leaves some of the bytes.
            Some(deed @ (Deed::Fail(_) | Deed::Full(_))) => {
                let some = bytes.get(..bytes.len() / 2).unwrap_or_default();
                self.file.write_at(some, offset)?;
                return Err(if matches!(deed, Deed::Full(_)) { full() } else { broken() });
            }
            Some(Deed::Slow(takes)) => std::thread::sleep(takes),
            None => {}
        }
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let nth = self.n_syncs;
        self.n_syncs += 1;
        match self.fate.step(Some(Operation::Data), &self.path, nth)? {
            Some(Deed::Skip) => return Ok(()),
            Some(Deed::Fail(_)) => self.sim.fail_sync_at(1),
            Some(Deed::Full(_)) => return Err(full()),
            Some(Deed::Slow(takes)) => std::thread::sleep(takes),
            None => {}
        }
        self.file.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.fate.step(None, "", 0)?;
        self.file.set_len(len)
    }
}
