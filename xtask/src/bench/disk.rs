//! What one durable write costs on this disk, with nobody to share it: 2 KiB appended, then `fdatasync`.
use super::stats::quantile;
use anyhow::Result;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most writes of one probe.
const WRITES_MAX: usize = 400;
/// The longest that a probe goes on.
const PROBE_MAX: Duration = Duration::from_millis(800);
/// Bytes of a write: about two records.
const WRITE_BYTES: usize = 2048;

/// Times of single durable writes, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncTimes {
    sorted_ns: Vec<u64>,
}

impl SyncTimes {
    /// Measures in a folder, which must be on the disk in question, and adds to what was measured before.
    pub(crate) fn measure(&mut self, dir: &Path) -> Result<()> {
        let path = dir.join("fdatasync.probe");
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let begin = Instant::now();
        for n_before in 0..WRITES_MAX {
            let start = Instant::now();
            file.write_all(&[0xA5; WRITE_BYTES])?;
            file.sync_data()?;
            self.sorted_ns.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            // A very slow disk still gives one figure.
            if n_before > 0 && begin.elapsed() > PROBE_MAX {
                break;
            }
        }
        self.sorted_ns.sort_unstable();
        drop(file);
        Ok(std::fs::remove_file(path)?)
    }

    /// The quantile of so many thousandths, in nanoseconds.
    pub(crate) fn quantile(&self, per_mille: usize) -> u64 {
        quantile(&self.sorted_ns, per_mille).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_measures_and_cleans_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = SyncTimes::default();
        assert_eq!(times.quantile(500), 0, "nothing measured");
        times.measure(dir.path()).unwrap();
        let n_once = times.sorted_ns.len();
        times.measure(dir.path()).unwrap();
        assert!(
            (2..=WRITES_MAX).contains(&n_once) && times.sorted_ns.len() > n_once,
            "it adds up, within its bound"
        );
        assert!(times.sorted_ns.is_sorted());
        assert!(times.quantile(500) > 0 && times.quantile(500) <= times.quantile(990));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(times.measure(&dir.path().join("absent")).is_err());
    }
}
