//! How fast records become durable on a real disk.
//!
//! ```text
//! cargo run --release -p bartizan-ledger --example append -- [FOLDER]
//! ```
//!
//! Prints one JSON line per number of records in flight: 2 KiB of payload each, appended as soon as one before it is durable. CPU time is
//! that of the whole process, this load generator included, from /proc.
#![expect(clippy::print_stdout, reason = "an example prints its result")]
#![expect(clippy::disallowed_methods, reason = "an example is its own wiring: clock, arguments")]
use aws_lc_rs::rand;
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Recorded, Recorder, Slot};
use bartizan_ledger::{FsDisk, Ledger, Options, Parts, Reader};
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

const PAYLOAD_BYTES: usize = 2048;

struct SystemClock(Instant);

impl Clock for SystemClock {
    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes).expect("the kernel's random source does not fail once it is seeded");
    }
}

/// Counts the syncs of a disk.
struct Counting {
    disk: Arc<dyn Disk>,
    syncs: Arc<AtomicU64>,
}

struct CountingFile {
    file: Box<dyn DiskFile>,
    syncs: Arc<AtomicU64>,
}

impl Disk for Counting {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.open(name, create)?;
        Ok(Box::new(CountingFile { file, syncs: Arc::clone(&self.syncs) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        let disk = Self { disk: self.disk.folder(name, create)?, syncs: Arc::clone(&self.syncs) };
        Ok(Arc::new(disk))
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.disk.remove_folder(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_out()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

/// CPU time of this process in microseconds, all threads: fields 14 and 15 of its stat file, in ticks of 10 ms.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10_000
}

fn draft(n: u64, payload: &[u8]) -> Draft {
    let mut id = [0; 16];
    id.iter_mut().zip(n.to_le_bytes()).for_each(|(to, from)| *to = from);
    let mut leaf = Leaf::new(RecordId(id), RecordKind::Decision, 1_700_000_000_000);
    leaf.key_id = Some("key-0123456789".to_owned());
    leaf.route = Some("default".to_owned());
    Draft::new(leaf, vec![Payload { slot: Slot::Released, bytes: payload.to_vec() }])
}

fn measure(folder: &Path, n_in_flight: usize, n_records: u64) -> Result<(), Box<dyn Error>> {
    let syncs = Arc::new(AtomicU64::new(0));
    let disk: Arc<dyn Disk> =
        Arc::new(Counting { disk: Arc::new(FsDisk::lock(folder)?), syncs: Arc::clone(&syncs) });
    let clock = Arc::new(SystemClock(Instant::now()));
    let entropy = Arc::new(SystemEntropy);
    let sealer = Arc::new(bartizan_testkit::SimSealer::new());
    let signer = Arc::new(bartizan_testkit::SimSigner::new("example.com/log", 1));
    let parts = Parts { disk: Arc::clone(&disk), clock, entropy, sealer, signer };
    let (ledger, _) = Ledger::open(parts, Options::default())?;
    let payload = vec![0x61; PAYLOAD_BYTES];
    let (mut sent, mut line) = (0, VecDeque::<Recorded>::with_capacity(n_in_flight));
    let (started, cpu_before, syncs_before) =
        (Instant::now(), cpu_us(), syncs.load(Ordering::Relaxed));
    let receive = |recorded| bartizan_testkit::wait::<Recorded>(recorded);
    while sent < n_records {
        while line.len() < n_in_flight && sent < n_records {
            line.push_back(ledger.append(draft(sent, &payload)));
            sent += 1;
        }
        if let Some(first) = line.pop_front() {
            receive(first)?;
        }
    }
    for recorded in line {
        receive(recorded)?;
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_us() - cpu_before);
    let n_syncs = syncs.load(Ordering::Relaxed) - syncs_before;
    drop(ledger);
    let started = Instant::now();
    let report = Reader::open(Arc::clone(&disk))?.verify()?;
    let verify_seconds = started.elapsed().as_secs_f64();
    let n_bytes: u64 = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    let n = f64::from(u32::try_from(n_records)?);
    println!(
        "{{\"in_flight\":{n_in_flight},\"records\":{n_records},\"records_per_s\":{:.0},\"cpu_us_per_record\":{:.1},\
         \"syncs\":{n_syncs},\"verified\":{},\"verify_us_per_leaf\":{:.2},\"disk_bytes\":{n_bytes}}}",
        n / seconds,
        f64::from(u32::try_from(cpu)?) / n,
        report.verified && report.leaves == n_records,
        verify_seconds * 1e6 / n,
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    for (n_in_flight, n_records) in [(1, 5_000), (32, 100_000), (256, 200_000)] {
        let folder = root.join(format!("bartizan-append-{}-{n_in_flight}", std::process::id()));
        let measured = measure(&folder, n_in_flight, n_records);
        std::fs::remove_dir_all(&folder)?;
        measured?;
    }
    Ok(())
}
