//! What an operator waits for: the real binary, started on a state folder with many leaves and their payloads, and its
//! `audit verify --payloads`.
//!
//! The folder is made in this process, with the ledger and the key files that the binary finds there. Time is wall time from the moment that the
//! binary is started until `/readyz` says yes, to ten milliseconds. Everything was just written, so it is read from the kernel's cache.
use super::super::process::lives;
use super::super::stats::float;
use super::super::subject::{Running, Setting, bartizan_toml, free_port, get};
use super::stage::{Load, Stage, enqueue};
use super::{Figure, Report};
use anyhow::{Context as _, Result, ensure};
use bartizan_testkit::wait;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes of text of each record.
const TEXT_BYTES: usize = 512;
/// Records that wait at the same time.
const IN_FLIGHT: usize = 2048;
/// Leaves that come behind the vault's anchor before the last start: as many as a killed gateway may leave there.
const BEHIND: u64 = 100_000;
/// The longest that the binary may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);
const KEY_VARIABLE: &str = "BENCH_KEY";
const KEY: &str = "bench-key-of-the-start-0123456789";

/// Starts the binary on a folder with `n_leaves` leaves, three times, and lets it open every payload.
pub(super) fn start(folder: &Path, bin: &Path, n_leaves: u64, report: &mut Report) -> Result<()> {
    fill(folder, 0..n_leaves / 2)?;
    let first = serve(folder, bin)?;
    let what = format!("start of the binary with {n_leaves} leaves and payloads");
    report.put(Figure::new(format!("{what}, all of them read once: no anchor"), first, "ms"))?;
    report.put(rated(Figure::new(what.as_str(), serve(folder, bin)?, "ms"), n_leaves))?;
    let n_behind = BEHIND.min(n_leaves);
    fill(folder, n_leaves / 2..n_leaves / 2 + n_behind / 2)?;
    let what = format!("{what}, and {n_behind} more behind the anchor");
    report.put(rated(Figure::new(what, serve(folder, bin)?, "ms"), n_leaves))?;
    payloads(folder, bin, report)?;
    Ok(fs::remove_dir_all(folder)?)
}

fn rated(figure: Figure, n_leaves: u64) -> Figure {
    if n_leaves <= 1_000_000 { figure.at_most(1000.0) } else { figure }
}

/// Appends these pairs, and closes the log and the vault.
pub(super) fn fill(folder: &Path, pairs: std::ops::Range<u64>) -> Result<()> {
    let stage = Stage::with_files(folder)?;
    let ledger = stage.open()?;
    let mut line = VecDeque::new();
    for n in pairs {
        line.extend(enqueue(&ledger, Load::Pairs(TEXT_BYTES).drafts(n)));
        while IN_FLIGHT <= line.len() {
            line.pop_front().map(wait).transpose()?;
        }
    }
    line.into_iter().try_for_each(|recorded| wait(recorded).map(|_| ()))?;
    Ok(())
}

/// Starts the binary, stops it as an operator does, and says how many milliseconds it took to be ready.
fn serve(folder: &Path, bin: &Path) -> Result<f64> {
    let dir = folder.parent().context("the folder has no parent")?;
    let conf = folder.with_extension("toml");
    let (port, control) = (free_port()?, free_port()?);
    let setting = Setting { guards: true, audit: true };
    // Nobody asks anything, so nobody has to answer upstream.
    fs::write(&conf, bartizan_toml(setting, port, control, free_port()?, folder))?;
    let command: [OsString; 6] = [
        bin.into(),
        "serve".into(),
        "--config".into(),
        conf.into(),
        "--key-env".into(),
        KEY_VARIABLE.into(),
    ];
    let began = Instant::now();
    let mut running = Running::start("start", &command, &[(KEY_VARIABLE, KEY)], dir)?;
    running.wait_for(|| matches!(get(control, "/readyz"), Ok((200, _))))?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let pid = running.pid();
    let told = Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
    ensure!(told.success(), "the binary cannot be told to stop");
    let told_at = Instant::now();
    while lives(pid) {
        ensure!(told_at.elapsed() < STOP_MAX, "the binary does not stop: {}", running.log_tail());
        sleep(Duration::from_millis(5));
    }
    Ok(took)
}

/// `audit verify --payloads`, and what it takes to do no more than read the same files.
fn payloads(folder: &Path, bin: &Path, report: &mut Report) -> Result<()> {
    let mut read = Duration::ZERO;
    let mut n_bytes = 0;
    let mut chunk = vec![0; 1 << 20];
    for entry in fs::read_dir(folder.join("ledger"))? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("segment-") {
            continue;
        }
        let (began, mut file) = (Instant::now(), File::open(entry.path())?);
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                n => n_bytes += n as u64,
            }
        }
        read += began.elapsed();
    }
    let began = Instant::now();
    let status = Command::new(bin)
        .args(["audit", "verify", "--payloads", "--dir"])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let took = began.elapsed();
    ensure!(status.success(), "audit verify --payloads ended with {status}");
    let rate = |took: Duration| float(n_bytes) / took.as_secs_f64().max(1e-9) / f64::from(1 << 20);
    let mut figure =
        Figure::new("audit verify --payloads; floor: reading the same files", rate(took), "MiB/s");
    figure.floor = Some(super::tenth(rate(read)));
    report.put(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder is one that can be gone on with: the same keys, the same log, names of records that are new.
    #[test]
    fn a_folder_is_filled_in_several_sittings() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state");
        fill(&folder, 0..20).unwrap();
        fill(&folder, 20..50).unwrap();
        let stage = Stage::with_files(&folder).unwrap();
        let verifier = stage.verifier().unwrap();
        let told = stage.reader().unwrap().verify_with(&[verifier], &mut |_| {}).unwrap();
        assert!(told.verified && told.leaves == 100 && told.checkpoint == Some(100), "{told:?}");
        let counted = told.open;
        assert_eq!(counted, 0, "every INTENT has its OUTCOME");
    }
}
