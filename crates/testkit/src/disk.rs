//! A folder in memory that forgets what was not synced.
//!
//! What it models: a page cache in front of a device that writes sectors of 512 bytes in any order and may be cut off in the
//! middle of one; a directory whose changes are durable only after [`Disk::sync_dir`]; a failed sync after which the cache
//! still shows the bytes and no later sync writes them; a device that is full. What it does not model: sectors that go bad on their own
//! (tests flip bytes with [`SimDisk::edit`]).
use crate::chance::SplitMix;
use bartizan_core::disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SECTOR_BYTES: usize = 512;

/// What was asked of the disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations that change something: writes, syncs, lengths, names.
    pub operations: u64,
    /// Writes.
    pub writes: u64,
    /// Syncs of a file.
    pub syncs: u64,
    /// Syncs of the folder.
    pub dir_syncs: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// What readers see.
    live: Vec<u8>,
    /// What a crash leaves for certain.
    durable: Vec<u8>,
    /// What a sync will add to it.
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link { name: String, inode: usize },
    Rename { from: String, to: String, inode: usize },
    Remove { name: String },
}

#[derive(Debug, Default)]
struct Faults {
    power_cut_at: Option<u64>,
    sync_fails_at: Option<u64>,
    dir_sync_fails_at: Option<u64>,
    write_fails_at: Option<u64>,
    bytes_max: Option<usize>,
    sync_takes: Option<Duration>,
}

#[derive(Debug)]
struct World {
    chance: SplitMix,
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    counts: Counts,
    faults: Faults,
    power: bool,
    /// Counts reboots, so that a file opened before one is of no use after it.
    boot: u64,
}

/// A simulated disk, or a folder of one. Clones are the same disk. Its own methods take a file's whole path from the top: `log/checkpoint`.
#[derive(Clone, Debug)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    /// Where this folder is: empty, or a path that ends in a slash.
    prefix: String,
}

impl SimDisk {
    /// An empty disk; `seed` decides how writes tear.
    pub fn new(seed: u64) -> Self {
        let world = World {
            chance: SplitMix::new(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            counts: Counts::default(),
            faults: Faults::default(),
            power: true,
            boot: 0,
        };
        Self { world: Arc::new(Mutex::new(world)), prefix: String::new() }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked so far.
    pub fn counts(&self) -> Counts {
        self.world().counts
    }

    /// Cuts the power at the `n`th changing operation from now (1 is the next one), which may still have half of its effect.
    pub fn cut_power_at(&self, n: u64) {
        let mut world = self.world();
        world.faults.power_cut_at = Some(world.counts.operations + n);
    }

    /// Whether the power was cut.
    pub fn is_off(&self) -> bool {
        !self.world().power
    }

    /// Lets the `n`th sync of a file from now fail: readers still see the bytes, and no later sync makes them durable.
    pub fn fail_sync_at(&self, n: u64) {
        let mut world = self.world();
        world.faults.sync_fails_at = Some(world.counts.syncs + n);
    }

    /// Lets the `n`th sync of the folder from now fail; the changes of names are then never made durable.
    pub fn fail_dir_sync_at(&self, n: u64) {
        let mut world = self.world();
        world.faults.dir_sync_fails_at = Some(world.counts.dir_syncs + n);
    }

    /// Lets the `n`th write from now fail after some of its bytes.
    pub fn fail_write_at(&self, n: u64) {
        let mut world = self.world();
        world.faults.write_fails_at = Some(world.counts.writes + n);
    }

    /// Gives the disk room for this many bytes in all; `None` is room without end.
    pub fn set_room(&self, bytes_max: Option<usize>) {
        self.world().faults.bytes_max = bytes_max;
    }

    /// Makes every sync take this long.
    pub fn slow_syncs(&self, takes: Duration) {
        self.world().faults.sync_takes = Some(takes);
    }

    /// Cuts the power (if it is still on), keeps of what was not synced whatever `seed` says, and starts again without faults.
    pub fn crash(&self, seed: u64) {
        let mut world = self.world();
        world.chance = SplitMix::new(seed);
        let World { chance, inodes, durable_names, pending_names, .. } = &mut *world;
        for inode in inodes.iter_mut() {
            let pending = std::mem::take(&mut inode.pending);
            for change in &pending {
                tear(&mut inode.durable, change, chance);
            }
            inode.live.clone_from(&inode.durable);
        }
        for change in pending_names.drain(..) {
            if chance.one_in(2) {
                apply_name(durable_names, &change);
            }
        }
        let mut names = world.durable_names.clone();
        names.retain(|name, _| has_folders(&world.durable_names, name));
        world.durable_names.clone_from(&names);
        world.names = names;
        world.faults = Faults::default();
        world.power = true;
        world.boot += 1;
    }

    /// The whole content of a file, as readers see it.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let world = self.world();
        let &inode = world.names.get(name)?;
        world.inodes.get(inode).map(|inode| inode.live.clone())
    }

    /// What the device holds, name or no name: the durable bytes of every file that there ever was. An erased secret must be in none of them.
    pub fn remains(&self) -> Vec<Vec<u8>> {
        self.world().inodes.iter().map(|inode| inode.durable.clone()).collect()
    }

    /// Changes a file behind everybody's back, durably; an absent one is made.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        for (at, _) in name.match_indices('/') {
            let folder = name.get(..=at).unwrap_or_default();
            let number = world.link(folder);
            world.durable_names.insert(folder.to_owned(), number);
        }
        let number = world.link(name);
        world.durable_names.insert(name.to_owned(), number);
        if let Some(inode) = world.inodes.get_mut(number) {
            edit(&mut inode.live);
            inode.durable.clone_from(&inode.live);
            inode.pending.clear();
        }
    }

    /// Takes a file away behind everybody's back, durably.
    pub fn lose(&self, name: &str) {
        let mut world = self.world();
        world.names.remove(name);
        world.durable_names.remove(name);
    }

    /// A copy of the disk with all that is pending.
    #[cfg(test)]
    fn copy_of_the_moment(&self) -> Self {
        let copy = Self::new(0);
        {
            let (world, mut to) = (self.world(), copy.world());
            to.inodes.clone_from(&world.inodes);
            to.names.clone_from(&world.names);
            to.durable_names.clone_from(&world.durable_names);
            to.pending_names.clone_from(&world.pending_names);
        }
        copy
    }

    /// A copy of the disk as readers see it, all of it durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = Self::new(0);
        let world = self.world();
        for (name, &inode) in &world.names {
            if let Some(inode) = world.inodes.get(inode) {
                copy.edit(name, |bytes| bytes.clone_from(&inode.live));
            }
        }
        copy
    }
}

impl World {
    /// Counts one changing operation; `Ok(true)` says that the power goes while it runs.
    fn step(&mut self, boot: u64) -> io::Result<bool> {
        self.alive(boot)?;
        self.counts.operations += 1;
        let cut = self.faults.power_cut_at.is_some_and(|at| at <= self.counts.operations);
        self.power = !cut;
        Ok(cut)
    }

    fn alive(&self, boot: u64) -> io::Result<()> {
        if self.power && self.boot == boot { Ok(()) } else { Err(no_power()) }
    }

    fn inode(&mut self, inode: usize) -> io::Result<&mut Inode> {
        self.inodes.get_mut(inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn link(&mut self, name: &str) -> usize {
        if let Some(&inode) = self.names.get(name) {
            return inode;
        }
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        self.names.insert(name.to_owned(), inode);
        self.pending_names.push(NameChange::Link { name: name.to_owned(), inode });
        inode
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        let boot = self.boot;
        let cut = self.step(boot)?;
        apply_name(&mut self.names, &change);
        self.pending_names.push(change);
        if cut { Err(no_power()) } else { Ok(()) }
    }

    fn change(&mut self, boot: u64, inode: usize, change: Change) -> io::Result<()> {
        let cut = self.step(boot)?;
        let bytes_used: usize = self.inodes.iter().map(|inode| inode.live.len()).sum();
        let bytes_max = self.faults.bytes_max;
        let fails = self.faults.write_fails_at == Some(self.counts.writes) || cut;
        let n_kept = match &change {
            Change::Write { bytes, .. } if fails => Some(self.chance.below(bytes.len())),
            _ => None,
        };
        let file = self.inode(inode)?;
        let growth = change_end(&change).saturating_sub(file.live.len());
        if bytes_max.is_some_and(|bytes_max| bytes_max < bytes_used + growth) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let change = match (change, n_kept) {
            (Change::Write { offset, mut bytes }, Some(n_kept)) => {
                bytes.truncate(n_kept);
                Change::Write { offset, bytes }
            }
            (change, _) => change,
        };
        apply(&mut file.live, &change);
        file.pending.push(change);
        match (cut, fails) {
            (true, _) => Err(no_power()),
            (false, true) => Err(io::Error::other("the device reported an error")),
            (false, false) => Ok(()),
        }
    }
}

/// Whether every folder on the way to a name has a durable name itself.
fn has_folders(names: &BTreeMap<String, usize>, name: &str) -> bool {
    let inside = name.strip_suffix('/').unwrap_or(name);
    let mut folders = inside.match_indices('/').filter_map(|(at, _)| name.get(..=at));
    folders.all(|folder| names.contains_key(folder))
}

/// The folder that a name stands in: its path up to the last slash.
fn parent(name: &str) -> &str {
    let inside = name.strip_suffix('/').unwrap_or(name);
    inside.rfind('/').and_then(|at| inside.get(..=at)).unwrap_or_default()
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

fn change_end(change: &Change) -> usize {
    match change {
        Change::Write { offset, bytes } => offset + bytes.len(),
        Change::Length(len) => *len,
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            set_len(content, content.len().max(end));
            if let Some(place) = content.get_mut(*offset..end) {
                place.copy_from_slice(bytes);
            }
        }
        Change::Length(len) => set_len(content, *len),
    }
}

/// What `Vec::resize` does, many times faster in a debug build.
fn set_len(content: &mut Vec<u8>, len: usize) {
    content.truncate(len);
    content.append(&mut vec![0; len - content.len()]);
}

/// Applies any subset of a change's sectors, each whole, not at all, or up to some byte.
fn tear(content: &mut Vec<u8>, written: &Change, chance: &mut SplitMix) {
    let Change::Write { offset, bytes } = written else {
        if chance.one_in(2) {
            apply(content, written);
        }
        return;
    };
    // Some crashes keep nearly everything and some nearly nothing; coin tosses alone would always leave a chequerboard.
    let n_odds = match chance.below(3) {
        0 => 1,
        1 => 2,
        _ => 64,
    };
    let keep_odd_ones = chance.one_in(2);
    let mut at = 0;
    while at < bytes.len() {
        let sector_end = (offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
        let end = (sector_end - offset).min(bytes.len());
        let kept = if chance.one_in(n_odds) == keep_odd_ones { end } else { at };
        let kept = if chance.one_in(16) { at + chance.below(end - at) } else { kept };
        if let Some(piece) = bytes.get(at..kept).filter(|piece| !piece.is_empty()) {
            apply(content, &Change::Write { offset: offset + at, bytes: piece.to_vec() });
        }
        at = end;
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Link { name, inode } => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Rename { from, to, inode } => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        NameChange::Remove { name } => {
            names.remove(name);
        }
    }
}

impl NameChange {
    /// The name that it is about; a rename stays in its folder.
    fn name(&self) -> &str {
        match self {
            Self::Link { name, .. } | Self::Remove { name } => name,
            Self::Rename { to, .. } => to,
        }
    }
}

impl SimDisk {
    fn path(&self, name: &str) -> io::Result<String> {
        let flat = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
        if flat {
            Ok(format!("{}{name}", self.prefix))
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    /// The inode of a path, which is linked first if it is absent and `create` is set.
    fn find(&self, path: &str, create: bool) -> io::Result<(usize, u64)> {
        let mut world = self.world();
        let boot = world.boot;
        world.alive(boot)?;
        match world.names.get(path) {
            Some(&inode) => Ok((inode, boot)),
            None if create => {
                let cut = world.step(boot)?;
                let inode = world.link(path);
                if cut { Err(no_power()) } else { Ok((inode, boot)) }
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.world();
        world.alive(world.boot)?;
        let inside = world.names.keys().filter_map(|name| name.strip_prefix(&self.prefix));
        Ok(inside
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let (inode, boot) = self.find(&self.path(name)?, create)?;
        Ok(Box::new(SimFile { world: Arc::clone(&self.world), inode, boot }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from)?, self.path(to)?);
        let mut world = self.world();
        let inode = *world.names.get(&from).ok_or(io::ErrorKind::NotFound)?;
        world.change_name(NameChange::Rename { from, to, inode })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let name = self.path(name)?;
        let mut world = self.world();
        if !world.names.contains_key(&name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change_name(NameChange::Remove { name })
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        let prefix = format!("{}/", self.path(name)?);
        self.find(&prefix, create)?;
        Ok(Arc::new(Self { world: Arc::clone(&self.world), prefix }))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        let name = format!("{}/", self.path(name)?);
        let mut world = self.world();
        if !world.names.contains_key(&name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if world.names.keys().any(|inside| inside.len() != name.len() && inside.starts_with(&name))
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        world.change_name(NameChange::Remove { name })
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.world();
        let boot = world.boot;
        world.counts.dir_syncs += 1;
        if world.step(boot)? {
            return Err(no_power());
        }
        let all = std::mem::take(&mut world.pending_names);
        let (changes, others) =
            all.into_iter().partition::<Vec<_>, _>(|change| parent(change.name()) == self.prefix);
        world.pending_names = others;
        if world.faults.dir_sync_fails_at == Some(world.counts.dir_syncs) {
            return Err(io::Error::other("the device reported an error"));
        }
        for change in &changes {
            apply_name(&mut world.durable_names, change);
        }
        Ok(())
    }
}

struct SimFile {
    world: Arc<Mutex<World>>,
    inode: usize,
    boot: u64,
}

impl SimFile {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_usize(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::ErrorKind::InvalidInput.into())
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut world = self.world();
        world.alive(self.boot)?;
        Ok(world.inode(self.inode)?.live.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = to_usize(offset)?;
        let mut world = self.world();
        world.alive(self.boot)?;
        let content = world.inode(self.inode)?.live.get(offset..).unwrap_or_default();
        let n_read = content.len().min(bytes.len());
        if let (Some(to), Some(from)) = (bytes.get_mut(..n_read), content.get(..n_read)) {
            to.copy_from_slice(from);
        }
        Ok(n_read)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let change = Change::Write { offset: to_usize(offset)?, bytes: bytes.to_vec() };
        let mut world = self.world();
        world.counts.writes += 1;
        world.change(self.boot, self.inode, change)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let takes = self.world().faults.sync_takes;
        if let Some(takes) = takes {
            std::thread::sleep(takes);
        }
        let mut world = self.world();
        world.counts.syncs += 1;
        if world.step(self.boot)? {
            return Err(no_power());
        }
        let fails = world.faults.sync_fails_at == Some(world.counts.syncs);
        let inode = world.inode(self.inode)?;
        let pending = std::mem::take(&mut inode.pending);
        if fails {
            return Err(io::Error::other("the device reported an error"));
        }
        for change in &pending {
            apply(&mut inode.durable, change);
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let change = Change::Length(to_usize(len)?);
        self.world().change(self.boot, self.inode, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(disk: &SimDisk, name: &str, bytes: &[u8]) -> Box<dyn DiskFile> {
        let mut file = disk.open(name, true).unwrap();
        file.write_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn what_was_synced_survives_every_crash_and_the_rest_does_not() {
        let mut lost = 0;
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let mut file = written(&disk, "a", &[1; 3000]);
            file.sync_data().unwrap();
            disk.sync_dir().unwrap();
            file.write_at(&[2; 3000], 0).unwrap();
            let _unsynced_name = written(&disk, "b", b"x");
            disk.crash(seed);
            let content = disk.content("a").unwrap();
            assert!(content.len() == 3000 && content.iter().all(|byte| [1, 2].contains(byte)));
            lost += u32::from(content.contains(&1)) + u32::from(disk.content("b").is_none());
            assert!(file.len().is_err(), "a file opened before the crash is of no use after it");
        }
        assert!((50..200).contains(&lost), "{lost} of 200 losses");
    }

    #[test]
    fn a_failed_sync_hides_the_loss_until_the_crash() {
        let disk = SimDisk::new(0);
        let mut file = written(&disk, "a", &[1; 600]);
        disk.sync_dir().unwrap();
        disk.fail_sync_at(1);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(disk.content("a").unwrap(), [1; 600]);
        disk.crash(1);
        assert_eq!(disk.content("a").unwrap(), []);
    }

    #[test]
    fn faults_come_when_they_were_ordered() {
        let disk = SimDisk::new(0);
        let mut file = written(&disk, "a", &[1; 600]);
        disk.set_room(Some(1000));
        assert_eq!(file.write_at(&[2; 600], 600).unwrap_err().kind(), io::ErrorKind::StorageFull);
        disk.set_room(None);
        disk.fail_write_at(2);
        file.write_at(&[3; 600], 0).unwrap();
        assert!(file.write_at(&[4; 600], 0).is_err());
        disk.fail_dir_sync_at(1);
        assert!(disk.sync_dir().is_err() && disk.sync_dir().is_ok());
        disk.cut_power_at(1);
        assert!(file.sync_data().is_err() && disk.is_off() && disk.list().is_err());
        disk.crash(0);
        assert_eq!(disk.list().unwrap(), Vec::<String>::new(), "no name was ever durable");
        assert_eq!(disk.counts().writes, 4);
    }

    #[test]
    fn a_folder_is_durable_once_its_parent_was_synced() {
        let disk = SimDisk::new(0);
        let folder = disk.folder("log", true).unwrap();
        let inner = folder.folder("tile", true).unwrap();
        for folder in [&folder, &inner] {
            let mut file = folder.open("a", true).unwrap();
            file.write_at(b"x", 0).unwrap();
            file.sync_data().unwrap();
            folder.sync_dir().unwrap();
        }
        assert_eq!((disk.list().unwrap(), folder.list().unwrap()), (vec![], vec!["a".to_owned()]));
        let mut lost = 0;
        for seed in 0..40 {
            let copy = disk.copy_of_the_moment();
            copy.crash(seed);
            lost += u32::from(copy.content("log/tile/a").is_none());
        }
        assert!((5..35).contains(&lost), "{lost} of 40: nobody synced the top");
        disk.sync_dir().unwrap();
        disk.crash(0);
        assert_eq!(disk.content("log/tile/a").unwrap(), b"x");
        assert!(disk.folder("gone", false).is_err() && disk.open("log/a", false).is_err());
        let folder = disk.folder("log", false).unwrap();
        assert!(folder.remove_folder("tile").is_err(), "not empty");
        folder.folder("tile", false).unwrap().remove("a").unwrap();
        folder.remove_folder("tile").unwrap();
        assert!(folder.folder("tile", false).is_err() && folder.remove_folder("tile").is_err());
    }

    #[test]
    fn names_change_as_told() {
        let disk = SimDisk::new(0);
        drop(written(&disk, "a", b"old"));
        drop(written(&disk, "b", b"new"));
        disk.rename("b", "a").unwrap();
        assert_eq!(disk.content("a").unwrap(), b"new");
        assert_eq!(disk.list().unwrap(), ["a"]);
        disk.remove("a").unwrap();
        assert!(disk.remove("a").is_err() && disk.rename("a", "b").is_err());
        assert!(disk.open("a", false).is_err());
    }
}
