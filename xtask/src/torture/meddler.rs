//! A disk that does what it is told to: fails one operation, lies about one kind of sync, or dies with its process.
//!
//! It stands between the code under test and a [`SimDisk`], which knows about power. A [`Meddler`] belongs to one process: when that is
//! killed, every later operation fails, while what it wrote stays in the cache of the simulated disk.
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_ledger::TORN_FOLDER;
use bartizan_testkit::SimDisk;
use std::collections::{BTreeMap, BTreeSet};
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
    /// All but the first.
    Later,
    /// Those after the whole file was filled with zeros. They are none of the others.
    Wipe,
    /// All.
    Any,
}

/// What happened in a folder since its names were synced last: by it the place in the code is known that a sync comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing that this process did: it syncs what it found.
    Nothing,
    /// A file got its name.
    Rename,
    /// Nothing, or the folder of the copies of torn bytes was made.
    Kept,
    /// The folder or file with this name was made.
    Made(&'static str),
    /// Anything but [`After::Rename`].
    Else,
    /// Whatever.
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
    /// Of syncs of names.
    pub(crate) after: After,
}

/// The same, as it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Happened {
    Nothing,
    Rename,
    Remove,
    Made(String),
}

impl After {
    fn is(self, happened: &Happened) -> bool {
        match self {
            Self::Any => true,
            Self::Else => *happened != Happened::Rename,
            Self::Nothing => *happened == Happened::Nothing,
            Self::Rename => *happened == Happened::Rename,
            Self::Kept => Self::Nothing.is(happened) || Self::Made(TORN_FOLDER).is(happened),
            Self::Made(name) => matches!(happened, Happened::Made(made) if made == name),
        }
    }
}

/// One operation, as it is met.
#[derive(Clone, Copy, Debug)]
struct Met<'a> {
    operation: Operation,
    path: &'a str,
    /// How many came before, of one open file or one folder.
    nth: u64,
    is_wipe: bool,
    after: &'a Happened,
}

impl Target {
    fn is(&self, met: &Met<'_>) -> bool {
        let which = match self.which {
            Which::First => met.nth == 0 && !met.is_wipe,
            Which::Later => 0 < met.nth && !met.is_wipe,
            Which::Wipe => met.is_wipe,
            Which::Any => true,
        };
        met.operation == self.operation
            && which
            && self.after.is(met.after)
            && met.path.starts_with(self.starts)
            && met.path.ends_with(self.ends)
    }
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
    /// What became of the names in each folder so far.
    names: BTreeMap<String, Names>,
    /// Every sync that was met, where they are counted: which of these it is, by number; or its description, if it is none.
    census: Option<(&'static [Target], Census)>,
}

#[derive(Debug)]
struct Names {
    n_syncs: u64,
    after: Happened,
}

/// Which places in the code were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// How often each of the targets was, by its number.
    pub(crate) met: BTreeMap<usize, u64>,
    /// Syncs that are no target, or several.
    pub(crate) strays: BTreeSet<String>,
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

    /// A process without any harm, whose syncs are counted.
    pub(crate) fn counting(targets: &'static [Target]) -> Self {
        let script = Script { census: Some((targets, Census::default())), ..Script::default() };
        Self { script: Arc::new(Mutex::new(script)) }
    }

    /// What was counted.
    pub(crate) fn census(&self) -> Census {
        self.script().census.as_ref().map(|(_, census)| census.clone()).unwrap_or_default()
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
    fn step(&self, met: Option<Met<'_>>) -> io::Result<Option<Deed>> {
        let mut script = self.script();
        if let Some(left) = &mut script.left {
            *left = left.saturating_sub(1);
            script.is_dead |= script.left == Some(0);
        }
        let sync = met.filter(|met| met.operation != Operation::Write);
        if let Some((starts, n_good)) = &mut script.deadly
            && sync.is_some_and(|met| met.path.starts_with(*starts))
        {
            let is_last = *n_good == 0;
            *n_good = n_good.saturating_sub(1);
            script.is_dead |= is_last;
        }
        if script.is_dead {
            return Err(killed());
        }
        if let (Some((targets, census)), Some(met)) = (&mut script.census, sync) {
            census.count(targets, &met);
        }
        let Some(Order { target, deed, .. }) = script.order else { return Ok(None) };
        if !met.is_some_and(|met| target.is(&met)) {
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

    /// Something was done to the names in a folder.
    fn changed(&self, path: &str, after: Happened) {
        let mut script = self.script();
        let fresh = Names { n_syncs: 0, after: Happened::Nothing };
        script.names.entry(path.to_owned()).or_insert(fresh).after = after;
    }

    /// The names in a folder are about to be synced: how often they were, and what has happened since.
    fn syncing(&self, path: &str) -> (u64, Happened) {
        let mut script = self.script();
        let fresh = Names { n_syncs: 0, after: Happened::Nothing };
        let names = script.names.entry(path.to_owned()).or_insert(fresh);
        names.n_syncs += 1;
        (names.n_syncs - 1, std::mem::replace(&mut names.after, Happened::Nothing))
    }
}

impl Census {
    fn count(&mut self, targets: &[Target], met: &Met<'_>) {
        let mut which = (0..).zip(targets).filter(|(_, target)| target.is(met));
        match (which.next(), which.next()) {
            (Some((number, _)), None) => *self.met.entry(number).or_default() += 1,
            (first, _) => {
                let n = if first.is_some() { "several" } else { "none" };
                self.strays.insert(format!("{met:?} is {n} of them"));
            }
        }
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: Self) {
        for (number, n) in other.met {
            *self.met.entry(number).or_default() += n;
        }
        self.strays.extend(other.strays);
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
            self.fate.step(None)?;
        } else {
            self.fate.alive()?;
        }
        let is_new = create && self.inner.open(name, false).is_err();
        let file = self.inner.open(name, create)?;
        if is_new {
            self.fate.changed(&self.path, Happened::Made(name.to_owned()));
        }
        let path = format!("{}{name}", self.path);
        let (sim, fate) = (self.sim.clone(), self.fate.clone());
        Ok(Box::new(MeddledFile { sim, file, path, fate, n_syncs: 0, n_writes: 0, is_wipe: false }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.fate.step(None)?;
        self.fate.changed(&self.path, Happened::Rename);
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.fate.step(None)?;
        self.fate.changed(&self.path, Happened::Remove);
        self.inner.remove(name)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        self.fate.alive()?;
        if create && self.inner.folder(name, false).is_err() {
            self.fate.changed(&self.path, Happened::Made(name.to_owned()));
        }
        let inner = self.inner.folder(name, create)?;
        let path = format!("{}{name}/", self.path);
        Ok(Arc::new(Self { sim: self.sim.clone(), inner, path, fate: self.fate.clone() }))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.fate.step(None)?;
        self.fate.changed(&self.path, Happened::Remove);
        self.inner.remove_folder(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        let (nth, after) = self.fate.syncing(&self.path);
        let operation = Operation::Names;
        let met = Met { operation, path: &self.path, nth, is_wipe: false, after: &after };
        match self.fate.step(Some(met))? {
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
    /// What was written since the last sync are zeros from the first byte on.
    is_wipe: bool,
}

impl MeddledFile {
    fn met(&self, operation: Operation, nth: u64) -> Met<'_> {
        let is_wipe = operation == Operation::Data && self.is_wipe;
        Met { operation, path: &self.path, nth, is_wipe, after: &Happened::Nothing }
    }
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
        let is_zero = bytes.iter().all(|&byte| byte == 0);
        self.is_wipe = is_zero && (self.is_wipe || offset == 0);
        match self.fate.step(Some(self.met(Operation::Write, nth)))? {
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
        let step = self.fate.step(Some(self.met(Operation::Data, nth)));
        self.is_wipe = false;
        match step? {
            Some(Deed::Skip) => return Ok(()),
            Some(Deed::Fail(_)) => self.sim.fail_sync_at(1),
            Some(Deed::Full(_)) => return Err(full()),
            Some(Deed::Slow(takes)) => std::thread::sleep(takes),
            None => {}
        }
        self.file.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.fate.step(None)?;
        self.file.set_len(len)
    }
}
