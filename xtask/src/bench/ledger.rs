//! `cargo xtask bench ledger`: what it costs to record, and what it costs to check, on real files with real keys.
//!
//! Durable rates stand beside a floor that is measured right after them: the same bytes in the same groups, written and synced by a loop that
//! does nothing else. Everything runs in one process on one disk; the load generator's own work is in the figures.
use super::disk::SyncTimes;
use super::process::{Memory, load1};
use super::report::{print_text, say};
use super::stats::{float, median, quantile, tenth};
use anyhow::{Context as _, Result, ensure};
use bartizan_core::record::Recorded;
use bartizan_ledger::Ledger;
use bartizan_ledger::merkle::sha256;
use bartizan_ledger::tlog::{
    Policy, SignedCheckpoint, TilePath, TileReader, TileSource, TlogProof,
};
use bartizan_testkit::wait;
use clap::Args;
use serde::Serialize;
use stage::{Load, Stage, enqueue};
use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

mod stage;
mod start;

/// Records that wait at the same time, as with so many busy connections.
const IN_FLIGHT: usize = 1024;
/// Pairs that wait at the same time.
const PAIRS_IN_FLIGHT: usize = 256;
/// Records that wait at the same time where the rate is given.
const PACED_IN_FLIGHT: usize = 64;
/// Pairs of one sample of the cost of sealing.
const SEAL_BATCH: u64 = 100;
/// How often somebody looks at the checkpoint.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The longest that a checkpoint is waited for.
const CHECKPOINT_MAX: Duration = Duration::from_mins(1);
/// Every so many records one is timed until a checkpoint covers it.
const SAMPLE_EVERY: u64 = 97;
/// Proofs that are checked.
const N_PROOFS: u64 = 500;
/// Most bytes of a tile, a bundle or a checkpoint.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Seconds of each load
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Leaves of the large log, which is measured at half of them, too
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    leaves: u64,
    /// Only these
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = ["seal", "durable", "large", "start"], default_value = "seal,durable,large,start")]
    only: Vec<String>,
    /// The binary, whose start is measured; without it, that part is left out
    #[arg(long, value_name = "FILE")]
    bin: Option<PathBuf>,
    /// Leaves of the log that it starts with
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    start_leaves: u64,
    /// Folder on the disk to be measured; without it, the one for temporary files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print a Markdown table at the end
    #[arg(long)]
    table: bool,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Figure {
    line: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    /// The same work without us.
    floor: Option<f64>,
    target: Option<f64>,
    /// Whether the target is met: at most for costs, at least for rates.
    met: Option<bool>,
}

impl Figure {
    fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        let (what, value) = (what.into(), tenth(value));
        Self { line: "ledger", what, value, unit, floor: None, target: None, met: None }
    }

    fn at_most(self, limit: f64) -> Self {
        Self { target: Some(limit), met: Some(self.value <= limit), ..self }
    }

    fn at_least(self, limit: f64) -> Self {
        Self { target: Some(limit), met: Some(limit <= self.value), ..self }
    }

    fn row(&self) -> String {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value}"));
        let met = self.met.map_or("", |met| if met { "yes" } else { "**NO**" });
        let ratio = self.floor.map(|floor| (self.value / floor * 100.0).round() / 100.0);
        let [floor, ratio, target] = [self.floor, ratio, self.target].map(number);
        let Self { what, value, unit, .. } = self;
        format!("| {what} | {value} {unit} | {floor} | {ratio} | {target} | {met} |")
    }
}

/// All figures, printed as they come.
#[derive(Default)]
struct Report(Vec<Figure>);

impl Report {
    fn put(&mut self, figure: Figure) -> Result<()> {
        print_text(&serde_json::to_string(&figure)?)?;
        self.0.push(figure);
        Ok(())
    }
}

/// Measures.
pub(crate) fn run(arguments: &LedgerArgs) -> Result<ExitCode> {
    let mut report = Report::default();
    let root = match &arguments.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let root = root.context("no folder to measure in")?;
    let wants = |name: &str| arguments.only.iter().any(|only| only == name);
    let mut syncs = SyncTimes::default();
    syncs.measure(root.path())?;
    let sync_us = float(syncs.quantile(500)) / 1000.0;
    report.put(Figure::new("one fdatasync of 2 KiB, p50", sync_us, "us"))?;
    if wants("seal") {
        for kib in [5, 10] {
            seal(&root.path().join(format!("seal-{kib}")), kib << 10, &mut report)?;
        }
    }
    if wants("durable") {
        let seconds = Duration::from_secs(arguments.seconds);
        for load in [Load::Leaves, Load::Pairs(5 << 10), Load::Pairs(10 << 10)] {
            durable(root.path(), load, seconds, &mut report)?;
        }
        paced(&root.path().join("paced"), seconds, &mut report)?;
        light(&root.path().join("light"), seconds, &mut report)?;
    }
    if wants("large") {
        large(&root.path().join("large"), arguments.leaves, &mut report)?;
    }
    match &arguments.bin {
        Some(bin) if wants("start") => {
            let bin = bin.canonicalize().with_context(|| format!("no binary {}", bin.display()))?;
            start::start(&root.path().join("start"), &bin, arguments.start_leaves, &mut report)?;
        }
        None if wants("start") => say("the start of the binary is left out: name one with --bin"),
        _ => {}
    }
    report.put(Figure::new("load average of the machine at the end", load1(), ""))?;
    if arguments.table {
        print_text(
            "\n| What | Measured | Floor | x floor | Target | Met |\n|---|--:|--:|--:|--:|---|",
        )?;
        report.0.iter().try_for_each(|figure| print_text(&figure.row()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// CPU time of this thread so far, in nanoseconds. The kernel brings its count up to date when the thread yields.
fn cpu_ns() -> u64 {
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Does something; the CPU time that it took on this thread, in microseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = cpu_ns();
    let done = work();
    (done, float(cpu_ns() - before) / 1000.0)
}

/// The caller's part: everything until the record is in line, on the caller's thread.
fn seal(folder: &Path, n_bytes: usize, report: &mut Report) -> Result<()> {
    let stage = Stage::new(folder)?;
    let ledger = stage.open()?;
    let mut samples = Vec::new();
    for batch in 0..60 {
        let load = Load::Pairs(n_bytes);
        let pairs: Vec<_> = (0..SEAL_BATCH).map(|n| load.drafts(batch * SEAL_BATCH + n)).collect();
        let (waiting, took_us) = timed(|| -> Vec<Recorded> {
            pairs.into_iter().flat_map(|pair| enqueue(&ledger, pair)).collect()
        });
        waiting.into_iter().try_for_each(|recorded| wait(recorded).map(|_| ()))?;
        // The first batch makes the subjects' keys.
        if 0 < batch {
            samples.push(took_us / float(SEAL_BATCH));
        }
    }
    let kib = n_bytes >> 10;
    let what = format!("seal, hash and enqueue a pair of {kib} + {kib} KiB");
    let figure = Figure::new(what.as_str(), median(samples).unwrap_or(0.0), "CPU-us");
    report.put(figure.at_most(15.0))?;
    drop(ledger);
    shares(&stage, n_bytes, &what, report)?;
    Ok(fs::remove_dir_all(folder)?)
}

/// What of that is cryptography, with nobody else at work.
fn shares(stage: &Stage, n_bytes: usize, what: &str, report: &mut Report) -> Result<()> {
    let (mut sealing, mut hashing) = (Vec::new(), Vec::new());
    for batch in 0..40 {
        let drafts: Vec<_> = (batch * SEAL_BATCH..(batch + 1) * SEAL_BATCH)
            .flat_map(|n| Load::Pairs(n_bytes).drafts(n))
            .collect();
        let seal = || drafts.iter().map(|draft| stage.seal(draft)).collect::<Result<Vec<_>>>();
        let (sealed, took_us) = timed(seal);
        let sealed = sealed?;
        sealing.push(took_us / float(SEAL_BATCH));
        let ((), took_us) = timed(|| {
            for sealed in sealed.iter().flatten() {
                std::hint::black_box(sha256(&sealed.bytes));
            }
        });
        hashing.push(took_us / float(SEAL_BATCH));
    }
    for (part, samples) in [("AES-256-GCM and key wraps", sealing), ("SHA-256", hashing)] {
        let figure =
            Figure::new(format!("{what}: {part}"), median(samples).unwrap_or(0.0), "CPU-us");
        report.put(figure)?;
    }
    Ok(())
}

/// A record that is durable, and when it became so.
struct Durable {
    index: u64,
    at: Instant,
}

/// Watches the published checkpoint: how long each record waits until one covers it, in nanoseconds, ascending.
fn watch(checkpoint: &Path, durable: &Receiver<Durable>) -> Vec<u64> {
    let (mut waiting, mut delays) = (VecDeque::new(), Vec::new());
    let mut is_open = true;
    let mut last = Instant::now();
    while (is_open || !waiting.is_empty()) && last.elapsed() < CHECKPOINT_MAX {
        loop {
            match durable.try_recv() {
                Ok(next) => waiting.push_back(next),
                Err(error) => {
                    is_open = error != std::sync::mpsc::TryRecvError::Disconnected;
                    break;
                }
            }
        }
        let size = published(checkpoint).map_or(0, |signed| signed.checkpoint().size());
        let now = Instant::now();
        while let Some(Durable { at, .. }) =
            waiting.front().filter(|first: &&Durable| first.index < size)
        {
            let delay = now.saturating_duration_since(*at).as_nanos();
            delays.push(u64::try_from(delay).unwrap_or(u64::MAX));
            waiting.pop_front();
            last = now;
        }
        if is_open {
            last = now;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // What no checkpoint ever covered counts as the longest wait.
    delays.extend(waiting.iter().map(|_| u64::MAX));
    delays.sort_unstable();
    delays
}

fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let mut chunk = [0; 8192];
            let mut file = file?.take(FILE_BYTES_MAX);
            loop {
                match file.read(&mut chunk)? {
                    0 => return Ok(Some(bytes)),
                    n => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                }
            }
        }
    }
}

fn published(checkpoint: &Path) -> Option<SignedCheckpoint> {
    SignedCheckpoint::parse(&read_bounded(checkpoint).ok()??).ok()
}

/// Appends as fast as it goes: how many, in how long, and the delays of their checkpoints.
fn push(
    stage: &Stage,
    ledger: &Ledger,
    (load, window): (Load, usize),
    until: impl Fn(u64) -> bool,
) -> Result<(u64, Duration, Vec<u64>)> {
    let checkpoint = stage.ledger_folder().join("log/checkpoint");
    let (sender, durable) = channel();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(move || watch(&checkpoint, &durable));
        let (mut line, mut n_sent, mut n_done) = (VecDeque::new(), 0, 0_u64);
        let began = Instant::now();
        loop {
            while line.len() < window && !until(n_sent) {
                line.extend(enqueue(ledger, load.drafts(n_sent)));
                n_sent += 1;
            }
            let Some(first) = line.pop_front() else { break };
            let receipt = wait(first)?;
            n_done += 1;
            if n_done % SAMPLE_EVERY == 0 {
                // Whoever watches ends after this does.
                let _told = sender.send(Durable { index: receipt.index, at: Instant::now() });
            }
        }
        let took = began.elapsed();
        drop(sender);
        let delays = watcher.join().map_err(|_| anyhow::anyhow!("the watcher panicked"))?;
        Ok((n_sent, took, delays))
    })
}

/// How long the same groups take when nothing is done but to write and sync them.
fn floor(folder: &Path, writes: &[usize]) -> Result<Duration> {
    const LENGTH: u64 = 8 << 20;
    let path = folder.join("floor");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let bytes = vec![0x61; writes.iter().copied().max().unwrap_or(0)];
    // As long as a segment, written before, so that no write changes its length.
    file.write_all_at(&vec![0; usize::try_from(LENGTH)?], 0)?;
    file.sync_all()?;
    let (began, mut at) = (Instant::now(), 0);
    for &n_bytes in writes {
        if LENGTH < at + n_bytes as u64 {
            at = 0;
        }
        file.write_all_at(bytes.get(..n_bytes).unwrap_or_default(), at)?;
        file.sync_data()?;
        at += n_bytes as u64;
    }
    let took = began.elapsed();
    fs::remove_file(path)?;
    Ok(took)
}

fn durable(root: &Path, load: Load, seconds: Duration, report: &mut Report) -> Result<()> {
    let folder = root.join("durable");
    let stage = Stage::new(&folder)?;
    let ledger = stage.open()?;
    stage.writes.take();
    let window = if load == Load::Leaves { IN_FLIGHT } else { 2 * PAIRS_IN_FLIGHT };
    let began = Instant::now();
    let (n, took, delays) = push(&stage, &ledger, (load, window), |_| seconds < began.elapsed())?;
    let writes = stage.writes.take();
    drop(ledger);
    let floor_took = floor(root, &writes)?;
    let (what, unit, target) = match load {
        Load::Leaves => ("durable leaves, without payload".to_owned(), "leaves/s", 20_000.0),
        Load::Pairs(n_bytes) => {
            let kib = n_bytes >> 10;
            (format!("durable sealed pairs of {kib} + {kib} KiB"), "pairs/s", 5_000.0)
        }
    };
    let rate = |took: Duration| tenth(float(n) / took.as_secs_f64().max(1e-9));
    let mut figure = Figure::new(what.as_str(), rate(took), unit).at_least(target);
    figure.floor = Some(rate(floor_took));
    report.put(figure)?;
    let per_sync = float(n * load.n_leaves()) / float(writes.len() as u64).max(1.0);
    report.put(Figure::new(format!("{what}: leaves in a sync"), per_sync, ""))?;
    delay(&what, &delays, report)?;
    Ok(fs::remove_dir_all(folder)?)
}

fn delay(what: &str, delays: &[u64], report: &mut Report) -> Result<()> {
    let ms = |per_mille| float(quantile(delays, per_mille).unwrap_or(0) / 1000) / 1000.0;
    report.put(Figure::new(format!("{what}: checkpoint delay p50"), ms(500), "ms"))?;
    let figure = Figure::new(format!("{what}: checkpoint delay p99"), ms(990), "ms");
    report.put(figure.at_most(1200.0))
}

/// Leaves at the rate that is asked for: how long each waits for its checkpoint.
fn paced(folder: &Path, seconds: Duration, report: &mut Report) -> Result<()> {
    const LEAVES_PER_S: u64 = 20_000;
    let stage = Stage::new(folder)?;
    let ledger = stage.open()?;
    let began = Instant::now();
    let until = |n: u64| {
        let due = Duration::from_micros(n * 1_000_000 / LEAVES_PER_S);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        seconds < began.elapsed()
    };
    let (n, took, delays) = push(&stage, &ledger, (Load::Leaves, PACED_IN_FLIGHT), until)?;
    let what = "leaves at 20000/s";
    report.put(Figure::new(what, float(n) / took.as_secs_f64().max(1e-9), "leaves/s"))?;
    delay(what, &delays, report)?;
    drop(ledger);
    Ok(fs::remove_dir_all(folder)?)
}

/// A record now and then: each waits for the second to be over.
fn light(folder: &Path, seconds: Duration, report: &mut Report) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(3);
    let stage = Stage::new(folder)?;
    let ledger = stage.open()?;
    let checkpoint = stage.ledger_folder().join("log/checkpoint");
    let (sender, durable) = channel();
    let delays = std::thread::scope(|scope| -> Result<Vec<u64>> {
        let watcher = scope.spawn(move || watch(&checkpoint, &durable));
        let (began, mut n) = (Instant::now(), 0);
        while began.elapsed() < seconds {
            for recorded in enqueue(&ledger, Load::Leaves.drafts(n)) {
                let index = wait(recorded)?.index;
                let _told = sender.send(Durable { index, at: Instant::now() });
            }
            n += 1;
            std::thread::sleep(PAUSE);
        }
        drop(sender);
        watcher.join().map_err(|_| anyhow::anyhow!("the watcher panicked"))
    })?;
    delay("a leaf each 3 ms", &delays, report)?;
    drop(ledger);
    Ok(fs::remove_dir_all(folder)?)
}

/// A large log: memory while it grows, its start, its verification, proofs from it.
fn large(folder: &Path, n_leaves: u64, report: &mut Report) -> Result<()> {
    let stage = Stage::new(folder)?;
    let half = n_leaves / 2;
    for (name, n_before) in [("half", 0), ("whole", half)] {
        let ledger = stage.open()?;
        forget_peak();
        let wanted = if n_before == 0 { half } else { n_leaves - half };
        push(&stage, &ledger, (Load::Leaves, IN_FLIGHT), |n| n >= wanted)?;
        stage.writes.take();
        let memory = Memory::take(std::process::id())?;
        let what = format!("peak memory while {wanted} leaves came, {name} of the log");
        report.put(Figure::new(what, float(memory.rss_peak_kib) / 1024.0, "MiB"))?;
        drop(ledger);
        let began = Instant::now();
        let ledger = stage.open()?;
        let took = began.elapsed().as_secs_f64() * 1000.0;
        let n = n_before + wanted;
        let figure = Figure::new(format!("start with {n} leaves"), took, "ms");
        report.put(if n <= 1_000_000 { figure.at_most(1000.0) } else { figure })?;
        drop(ledger);
    }
    verify(&stage, n_leaves, report)?;
    prove(&stage, report)?;
    Ok(fs::remove_dir_all(folder)?)
}

/// Lets the kernel forget the peak of our memory so far.
fn forget_peak() {
    if let Err(error) = fs::write("/proc/self/clear_refs", "5") {
        say(&format!("the peak of memory is that of the whole run: {error}"));
    }
}

fn verify(stage: &Stage, n_leaves: u64, report: &mut Report) -> Result<()> {
    forget_peak();
    let began = Instant::now();
    let told = stage.reader()?.verify_with(&[stage.verifier()?], &mut |_| {})?;
    let took = began.elapsed().as_secs_f64();
    ensure!(told.verified, "the log does not verify: {told:?}");
    ensure!(
        told.leaves == n_leaves,
        "{n_leaves} leaves were appended, and the log has others: {told:?}"
    );
    let per_10_million = took / float(n_leaves) * 1e7;
    let figure =
        Figure::new(format!("{n_leaves} leaves verified, for 10 million"), per_10_million, "s");
    report.put(figure.at_most(30.0))?;
    let memory = Memory::take(std::process::id())?;
    report.put(Figure::new("peak memory of it", float(memory.rss_peak_kib) / 1024.0, "MiB"))
}

struct Folder(PathBuf);

impl TileSource for Folder {
    fn tile(&self, path: &TilePath) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.0.join(path.to_string()))
    }
}

/// Proofs from the published files, each checked as an outsider would.
fn prove(stage: &Stage, report: &mut Report) -> Result<()> {
    let folder = stage.ledger_folder().join("log");
    let signed = published(&folder.join("checkpoint")).context("there is no checkpoint")?;
    let (size, root) = (signed.checkpoint().size(), signed.checkpoint().root());
    let mut reader = TileReader::open(Folder(folder), size, root)?;
    let policy = Policy::of_log(stage.verifier()?);
    let (mut made, mut checked) = (Vec::new(), Vec::new());
    for n in 0..N_PROOFS {
        let index = (n * 0x9e37_79b9 + 7) % size;
        let began = Instant::now();
        let hash = reader.leaf_hash(index)?;
        let proof = reader.inclusion_proof(index, size)?;
        let text = TlogProof::new(index, proof, signed.clone(), Vec::new())?.to_string();
        made.push(began.elapsed().as_secs_f64() * 1e6);
        let began = Instant::now();
        TlogProof::parse(text.as_bytes())?.verify(hash, &policy)?;
        checked.push(began.elapsed().as_secs_f64() * 1e6);
    }
    report.put(Figure::new("make one proof, median", median(made).unwrap_or(0.0), "us"))?;
    let figure = Figure::new("check one proof, median", median(checked).unwrap_or(0.0), "us");
    report.put(figure.at_most(1000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_has_every_figure() {
        let root = tempfile::tempdir().unwrap();
        let mut report = Report::default();
        durable(root.path(), Load::Leaves, Duration::from_millis(50), &mut report).unwrap();
        durable(root.path(), Load::Pairs(1 << 10), Duration::from_millis(50), &mut report).unwrap();
        large(&root.path().join("large"), 2_000, &mut report).unwrap();
        let value = |what: &str| {
            let found = report.0.iter().find(|figure| figure.what.starts_with(what));
            found.unwrap_or_else(|| panic!("{what} is missing")).value
        };
        assert!(
            1.0 <= value("durable leaves") && 1.0 <= value("durable sealed pairs of 1 + 1 KiB")
        );
        assert!(0.0 < value("start with 1000 leaves") && 0.0 < value("check one proof"));
        assert!(0.0 < value("2000 leaves verified"));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "it cleans up");
    }

    #[test]
    fn figures_are_rendered() {
        let figure = Figure { floor: Some(4.0), ..Figure::new("a", 2.0, "us").at_most(3.0) };
        assert_eq!(figure.row(), "| a | 2 us | 4 | 0.5 | 3 | yes |");
        let missed = Figure::new("a", 2.0, "leaves/s").at_least(3.0);
        assert_eq!(missed.row(), "| a | 2 leaves/s | - | - | 3 | **NO** |");
    }
}
