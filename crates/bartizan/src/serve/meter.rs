//! Counts what the ledger does to its disk, for `/metrics`.
use bartizan_core::clock::Clock;
use bartizan_core::disk::{Disk, DiskFile};
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Meter {
    syncs: AtomicU64,
    sync_us: AtomicU64,
    failures: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    /// Appends Prometheus text.
    pub(super) fn export(&self, out: &mut String) {
        let lines = [
            ("syncs_total", "Syncs of the ledger's files.", self.syncs.load(Relaxed)),
            ("sync_microseconds_total", "Time that these syncs took.", self.sync_us.load(Relaxed)),
            ("disk_failures_total", "Writes and syncs that failed.", self.failures.load(Relaxed)),
            (
                "written_bytes_total",
                "Bytes written into the ledger's files.",
                self.bytes.load(Relaxed),
            ),
        ];
        for (name, help, value) in lines {
            let written = write!(
                out,
                "# HELP bartizan_ledger_{name} {help}\n# TYPE bartizan_ledger_{name} counter\nbartizan_ledger_{name} {value}\n"
            );
            debug_assert!(written.is_ok(), "writing to a string does not fail");
        }
    }

    fn seen<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if done.is_err() {
            self.failures.fetch_add(1, Relaxed);
        }
        done
    }
}

/// A disk that is counted. It adds nothing and hides nothing.
pub(super) struct MeteredDisk<D> {
    disk: D,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
}

impl<D> MeteredDisk<D> {
    pub(super) fn new(disk: D, meter: Arc<Meter>, clock: Arc<dyn Clock>) -> Self {
        Self { disk, meter, clock }
    }
}

impl<D: Disk> Disk for MeteredDisk<D> {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.open(name, create)?;
        Ok(Box::new(MeteredFile {
            file,
            meter: Arc::clone(&self.meter),
            clock: Arc::clone(&self.clock),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.meter.seen(self.disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.meter.seen(self.disk.remove(name))
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        // What is published follows the journal and keeps nobody waiting: only the journal is metered.
        self.meter.seen(self.disk.folder(name, create))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.meter.seen(self.disk.remove_folder(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.meter.seen(self.disk.sync_dir())
    }
}

struct MeteredFile {
    file: Box<dyn DiskFile>,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
}

impl DiskFile for MeteredFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.meter.bytes.fetch_add(bytes.len() as u64, Relaxed);
        self.meter.seen(self.file.write_at(bytes, offset))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let start_us = self.clock.monotonic_us();
        let done = self.file.sync_data();
        let took_us = self.clock.monotonic_us().saturating_sub(start_us);
        self.meter.syncs.fetch_add(1, Relaxed);
        self.meter.sync_us.fetch_add(took_us, Relaxed);
        self.meter.seen(done)
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.meter.seen(self.file.write_out())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.meter.seen(self.file.set_len(len))
    }
}
