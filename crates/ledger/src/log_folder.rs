//! The folder that any static file server may publish: `checkpoint`, `tile/`, `tile/entries/`. An outsider needs no more than it.
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::tlog::{
    NOTE_BYTES_MAX, SignedCheckpoint, TILE_WIDTH, TileFile, TileKind, TilePath, TileSource,
};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::record::LEAF_BYTES_MAX;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Its name, inside the folder of the ledger.
pub(crate) const LOG_FOLDER: &str = "log";
const CHECKPOINT_NAME: &str = "checkpoint";
/// The newest checkpoint that met a quorum of witnesses.
const WITNESSED_NAME: &str = "witnessed";
/// Bytes of a full bundle of our leaves.
const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + LEAF_BYTES_MAX);

/// How long the log was, and which root it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) root: Digest,
}

impl Head {
    /// What a checkpoint says of the log.
    pub(crate) fn of(checkpoint: &SignedCheckpoint) -> Self {
        let checkpoint = checkpoint.checkpoint();
        Self { size: checkpoint.size(), root: checkpoint.root() }
    }
}

#[derive(Clone)]
pub(crate) struct LogFolder {
    disk: Arc<dyn Disk>,
}

impl LogFolder {
    /// The folder inside the ledger's; `None` when there is none yet.
    pub(crate) fn find(ledger: &dyn Disk) -> io::Result<Option<Self>> {
        match ledger.folder(LOG_FOLDER, false) {
            Ok(disk) => Ok(Some(Self { disk })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The folder inside the ledger's; made, and durable, where there is none. One that is found is durable with the other names that opening the
    /// journal has found.
    pub(crate) fn make(ledger: &dyn Disk) -> io::Result<Self> {
        if let Some(found) = Self::find(ledger)? {
            return Ok(found);
        }
        let disk = ledger.folder(LOG_FOLDER, true)?;
        ledger.sync_dir()?;
        Ok(Self { disk })
    }

    /// The checkpoint, if there is one. Its signatures are not looked at.
    pub(crate) fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, Trouble> {
        self.read(CHECKPOINT_NAME, Flaw::Checkpoint)
    }

    /// The newest checkpoint that met a quorum of witnesses, if there is one. Its signatures are not looked at.
    pub(crate) fn witnessed(&self) -> Result<Option<SignedCheckpoint>, Trouble> {
        self.read(WITNESSED_NAME, Flaw::Witnessed)
    }

    fn read(&self, name: &'static str, flaw: Flaw) -> Result<Option<SignedCheckpoint>, Trouble> {
        let failed = |error| Trouble::Disk(LedgerError::disk("read", name)(error));
        let bytes = read_file(&*self.disk, name, NOTE_BYTES_MAX).map_err(failed)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let checkpoint = SignedCheckpoint::parse(&bytes);
        let problem = Problem { segment: 0, offset: 0, leaf: None, flaw };
        checkpoint.map(Some).map_err(|_| problem.into())
    }

    /// Replaces the checkpoint. What it stands for must be durable.
    pub(crate) fn write_checkpoint(&self, checkpoint: &SignedCheckpoint) -> io::Result<()> {
        self.replace(CHECKPOINT_NAME, checkpoint)
    }

    /// Replaces the newest checkpoint that met a quorum of witnesses.
    pub(crate) fn write_witnessed(&self, checkpoint: &SignedCheckpoint) -> io::Result<()> {
        self.replace(WITNESSED_NAME, checkpoint)
    }

    fn replace(&self, name: &str, checkpoint: &SignedCheckpoint) -> io::Result<()> {
        let unready = format!("{name}.new");
        let mut file = self.disk.open(&unready, true)?;
        file.set_len(0)?;
        file.write_at(checkpoint.to_string().as_bytes(), 0)?;
        file.sync_data()?;
        self.disk.rename(&unready, name)?;
        self.disk.sync_dir()
    }

    /// Writes tiles and bundles, and makes them durable with all folders on the way: each folder once, for all that is new in it.
    pub(crate) fn write_tiles(&self, files: &[TileFile]) -> io::Result<()> {
        self.write(files, write_plainly)
    }

    /// The same, such that a crash leaves each file whole or not there at all.
    pub(crate) fn write_whole_tiles(&self, files: &[TileFile]) -> io::Result<()> {
        self.write(files, |folder, name, content| {
            let unready = format!("{name}.new");
            write_plainly(folder, &unready, content)?;
            folder.rename(&unready, name)
        })
    }

    fn write(
        &self,
        files: &[TileFile],
        put: impl Fn(&dyn Disk, &str, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut touched: BTreeMap<String, Arc<dyn Disk>> = BTreeMap::new();
        for TileFile { path, content } in files {
            let path = path.to_string();
            let (folders, name) = self.walk(&path, true)?;
            let Some(folder) = folders.last() else { continue };
            put(&**folder, &name, content)?;
            let ends = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at));
            for (end, folder) in ends.zip(folders) {
                touched.entry(path.get(..end).unwrap_or_default().to_owned()).or_insert(folder);
            }
        }
        // Backwards, so that what is inside comes before what it is in.
        touched.values().rev().try_for_each(|folder| folder.sync_dir())
    }

    /// Takes away the partial files that this full one makes superfluous.
    pub(crate) fn remove_partials(&self, full: &TilePath) -> io::Result<()> {
        let partials = full.partial_folder();
        let (folders, name) = match self.walk(&partials, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        let Some(folder) = folders.last() else { return Ok(()) };
        let partial = match folder.folder(&name, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        for name in partial.list()? {
            partial.remove(&name)?;
        }
        folder.remove_folder(&name)
    }

    /// Widths of the partial files that lie in the place of a full one, in order. What else lies there has no such name.
    pub(crate) fn partial_widths(&self, full: &TilePath) -> io::Result<Vec<u16>> {
        let Some(partials) = self.partials(full)? else { return Ok(Vec::new()) };
        let is_path = |width: &u16| TilePath::new(full.kind(), full.index(), *width).is_some();
        let names = match partials.list() {
            // The tile became full a moment ago, and whoever writes it took the folder away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        let mut widths: Vec<u16> = names
            .iter()
            .filter_map(|name| Some((name, name.parse::<u16>().ok()?)))
            .filter(|(name, width)| **name == width.to_string() && *width < TILE_WIDTH)
            .map(|(_, width)| width)
            .filter(is_path)
            .collect();
        widths.sort_unstable();
        Ok(widths)
    }

    /// Takes away partial files, durably: one that came back would be there after a checkpoint that it does not belong to.
    pub(crate) fn remove_widths(&self, full: &TilePath, widths: &[u16]) -> io::Result<()> {
        let partials = if widths.is_empty() { None } else { self.partials(full)? };
        let Some(partials) = partials else { return Ok(()) };
        widths.iter().try_for_each(|width| partials.remove(&width.to_string()))?;
        partials.sync_dir()
    }

    /// The folder of the partial files in the place of a full one.
    fn partials(&self, full: &TilePath) -> io::Result<Option<Arc<dyn Disk>>> {
        let found = self.walk(&full.partial_folder(), false).and_then(|(folders, name)| {
            folders.last().map(|folder| folder.folder(&name, false)).transpose()
        });
        match found {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            found => found,
        }
    }

    /// The folders on the way to a path, this one first, and the last name in it.
    fn walk(&self, path: &str, create: bool) -> io::Result<(Vec<Arc<dyn Disk>>, String)> {
        let mut names = path.split('/');
        let name = names.next_back().unwrap_or_default().to_owned();
        let mut folders = vec![Arc::clone(&self.disk)];
        for name in names {
            let inner = folders.last().map(|folder| folder.folder(name, create));
            folders.extend(inner.transpose()?);
        }
        Ok((folders, name))
    }
}

impl TileSource for LogFolder {
    fn tile(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>> {
        let bytes_max = match path.kind() {
            TileKind::Entries => BUNDLE_BYTES_MAX,
            TileKind::Hashes(_) => usize::from(TILE_WIDTH) * 32,
        };
        let found = self.walk(&path.to_string(), false).and_then(|(folders, name)| {
            let folder = folders.last();
            folder.map_or(Ok(None), |folder| read_file(&**folder, &name, bytes_max))
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found,
        }
    }
}

/// Writes a file, durably but for its name.
fn write_plainly(folder: &dyn Disk, name: &str, content: &[u8]) -> io::Result<()> {
    let mut file = folder.open(name, true)?;
    file.set_len(0)?;
    file.write_at(content, 0)?;
    file.sync_data()
}

/// A whole file; one byte more than `bytes_max` of a longer one. `None` when it is absent.
pub(crate) fn read_file(
    disk: &dyn Disk,
    name: &str,
    bytes_max: usize,
) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(name, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len.min(bytes_max.saturating_add(1))];
    let n_read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(n_read);
    Ok(Some(bytes))
}
