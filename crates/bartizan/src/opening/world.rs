//! A state folder for tests: a clock that a test moves, records about people, copies of its two halves, and crashes.
use super::*;
use crate::clock::SystemClock;
use bartizan_core::clock::Clock;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorder as _, Slot};
use std::fs;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const DAY_MS: u64 = 86_400_000;
pub(crate) const START_MS: u64 = 20_000 * DAY_MS;

/// A wall clock that a test moves.
#[derive(Debug)]
pub(crate) struct Wall {
    unix_ms: AtomicU64,
    /// What was lived in a test's own time, beside the real one.
    lived_us: AtomicU64,
    real: SystemClock,
}

impl Wall {
    /// Sets it so many days after the start.
    pub(crate) fn set_day(&self, day: u64) {
        self.set_ms(START_MS + day * DAY_MS);
    }

    /// Time goes on until so many days after the start, and whoever runs has lived it.
    pub(crate) fn live_until_day(&self, day: u64) {
        let by_ms = (START_MS + day * DAY_MS).saturating_sub(self.unix_ms());
        self.lived_us.fetch_add(1000 * by_ms, Ordering::SeqCst);
        self.set_day(day);
    }

    /// Sets it.
    pub(crate) fn set_ms(&self, unix_ms: u64) {
        self.unix_ms.store(unix_ms, Ordering::SeqCst);
    }
}

impl Clock for Wall {
    fn unix_ms(&self) -> u64 {
        self.unix_ms.load(Ordering::SeqCst)
    }

    fn monotonic_us(&self) -> u64 {
        self.real.monotonic_us() + self.lived_us.load(Ordering::SeqCst)
    }
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) wall: Arc<Wall>,
    pub(crate) sources: Sources,
    /// Limits of the log.
    pub(crate) options: Options,
    runtime: tokio::runtime::Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        let (unix_ms, lived_us) = (AtomicU64::new(START_MS), AtomicU64::default());
        let wall = Arc::new(Wall { unix_ms, lived_us, real: SystemClock::new() });
        let sources = Sources { clock: wall.clone(), ..Sources::real() };
        let (folder, runtime) = (tempfile::tempdir().unwrap(), runtime().unwrap());
        Self { folder, wall, sources, options: Options::default(), runtime }
    }

    /// One whose log begins a segment every three records.
    pub(crate) fn with_short_segments() -> Self {
        let options = Options { segment_bytes: 16 << 10, ..Options::default() };
        Self { options, ..Self::new() }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn place(&self) -> Place {
        Place { dir: Some(self.state()), config: None }
    }

    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn open_as(&self, anchoring: Anchoring) -> anyhow::Result<Opened> {
        let ledger = self.place().ledger()?;
        let disk = Arc::new(FsDisk::lock(&audit::log_folder(&self.state()))?);
        let (ledger, options) = (&ledger, self.options.clone());
        let how = How { ledger, disk, options, anchoring, cuts_tail: false };
        self.wait(open(how, &self.sources))
    }

    pub(crate) fn open(&self) -> anyhow::Result<Opened> {
        self.open_as(Anchoring::Strict)
    }

    /// Records something about somebody.
    pub(crate) fn record(&self, opened: &Opened, n: u8, subject: &str) {
        let payload = Payload { slot: Slot::Released, bytes: format!("of {subject}").into_bytes() };
        let leaf = Leaf::new(RecordId([n; 16]), RecordKind::Decision, self.sources.clock.unix_ms());
        let draft = Draft { subject: Some(subject.to_owned()), ..Draft::new(leaf, vec![payload]) };
        self.wait(opened.ledger.append(draft)).unwrap();
    }

    /// Records something about each of these, numbered from `first`, in a process of its own.
    pub(crate) fn records(&self, first: u8, subjects: &[&str]) {
        let opened = self.open().unwrap();
        for (n, subject) in (first..).zip(subjects) {
            self.record(&opened, n, subject);
        }
        opened.close(&self.sources).unwrap();
    }

    /// What a reader gets of a record that was made by [`World::record`].
    pub(crate) fn shown(&self, n: u8) -> &'static str {
        let lens = audit::Lens::new(&self.state(), &self.sources, true).unwrap();
        let prefix = RecordId([n; 16]).to_string();
        let shown = audit::record(&self.state(), &prefix, &lens).unwrap();
        shown[0].1[0].1.state()
    }

    /// Keeps a copy of a part of the state folder.
    pub(crate) fn keep(&self, part: &str, name: &str) {
        copy(&self.state().join(part), &self.folder.path().join(name));
    }

    /// Puts a copy back in the place of what is there.
    pub(crate) fn put_back(&self, name: &str, part: &str) {
        let target = self.state().join(part);
        fs::remove_dir_all(&target).unwrap();
        copy(&self.folder.path().join(name), &target);
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
