//! What the kernel knows about a process: CPU time to the nanosecond, memory, and how busy the machine is.
//!
//! It reads `/proc`, so it measures on Linux only.
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;

/// Nanoseconds of one clock tick in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux that we measure on.
const TICK_NS: u64 = 10_000_000;

/// Most processes of one server that are looked at.
const FAMILY_MAX: usize = 64;

/// How much CPU time a process had used at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuReading {
    /// Per living thread, exact.
    task_ns: BTreeMap<u32, u64>,
    /// Of the whole process, dead threads included, in ticks.
    ticks: u64,
}

impl CpuReading {
    /// Reads the clock of a process and of all that it has started.
    pub(crate) fn take(pid: u32) -> Result<Self> {
        let mut reading = Self::default();
        for pid in family(pid) {
            let stat =
                fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
            reading.ticks += parse_stat_ticks(&stat).context("/proc/PID/stat has another shape")?;
            for tid in tasks(pid) {
                // A thread may end between the listing and the reading, and a kernel may lack schedstat: the ticks still count it.
                let schedstat =
                    fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok();
                if let Some(ns) = schedstat.as_deref().and_then(parse_schedstat_ns) {
                    reading.task_ns.insert(tid, ns);
                }
            }
        }
        Ok(reading)
    }

    /// Nanoseconds of CPU used since an `earlier` reading of the same process.
    ///
    /// The sum over living threads is exact but forgets the dead; the ticks remember them but are coarse. The larger one is
    /// closer, once a tick is taken off for the coarseness.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let exact = self
            .task_ns
            .iter()
            .map(|(tid, ns)| ns.saturating_sub(earlier.task_ns.get(tid).copied().unwrap_or(0)))
            .sum();
        let coarse =
            self.ticks.saturating_sub(earlier.ticks).saturating_sub(1).saturating_mul(TICK_NS);
        coarse.max(exact)
    }
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) rss_kib: u64,
    /// The most that was ever resident.
    pub(crate) rss_peak_kib: u64,
}

impl Memory {
    /// Reads the memory of a process and of all that it has started; pages that they share count for each.
    pub(crate) fn take(pid: u32) -> Result<Self> {
        let mut sum = Self::default();
        for pid in family(pid) {
            let status =
                fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
            let memory =
                parse_status_memory(&status).context("/proc/PID/status has another shape")?;
            sum.rss_kib += memory.rss_kib;
            sum.rss_peak_kib += memory.rss_peak_kib;
        }
        Ok(sum)
    }
}

/// A process and all that it has started, so that no work hides in a child; at most [`FAMILY_MAX`].
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let (Some(&pid), true) = (family.get(next), family.len() < FAMILY_MAX) {
        next += 1;
        for tid in tasks(pid) {
            let children =
                fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).unwrap_or_default();
            family.extend(
                children
                    .split_ascii_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok())
                    .filter(|child| lives(*child)),
            );
        }
    }
    family.truncate(FAMILY_MAX);
    family
}

/// The threads of a process.
fn tasks(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process still runs; one that has ended and was not waited for does not.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with(['Z', 'X']))
}

/// The one-minute load average of the machine; 0 when it is not told.
pub(crate) fn load1() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// Fields 14 and 15: user and system time. The name in field 2 may itself hold blanks and brackets, so count from the last one.
fn parse_stat_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// The first field: time on a CPU, in nanoseconds.
fn parse_schedstat_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

fn parse_status_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    Some(Memory { rss_kib: field("VmRSS")?, rss_peak_kib: field("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn stat_is_read_from_the_last_bracket() {
        let tail = "R 10293 10293 7556 0 -1 4194304 105 0 0 0 12 30 0 0 20 0 1 0 146172";
        let cases = [
            ("plain", format!("1 (cat) {tail}"), Some(42)),
            ("blanks and brackets in the name", format!("1 (a) b (c) {tail}"), Some(42)),
            ("no bracket", format!("1 cat {tail}"), None),
            ("cut short", "1 (cat) R 1 2 3".to_owned(), None),
            ("cut after user time", "1 (cat) R 1 2 3 4 5 6 7 8 9 10 12".to_owned(), None),
            ("not a number", format!("1 (cat) {}", tail.replace("12", "x")), None),
            ("empty", String::new(), None),
        ];
        for (name, stat, want) in cases {
            assert_eq!(parse_stat_ticks(&stat), want, "{name}");
        }
    }

    #[test]
    fn schedstat_is_read() {
        for (text, want) in
            [("238126 49537 1\n", Some(238_126)), ("", None), ("x 1 2", None), ("-1 1 2", None)]
        {
            assert_eq!(parse_schedstat_ns(text), want, "{text:?}");
        }
    }

    #[test]
    fn status_is_read() {
        let both = Some(Memory { rss_kib: 2048, rss_peak_kib: 4096 });
        let cases = [
            ("both", "Name:\tx\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\n", both),
            (
                "a longer name does not match",
                "VmRSSx:\t1 kB\nVmHWM:\t4096 kB\nVmRSS:\t2048 kB\n",
                None,
            ),
            ("kernel thread", "Name:\tkthreadd\n", None),
            ("other unit", "VmHWM:\t4 MB\nVmRSS:\t2 MB\n", None),
        ];
        for (name, status, want) in cases {
            assert_eq!(parse_status_memory(status), want, "{name}");
        }
    }

    #[test]
    fn readings_are_compared_thread_by_thread() {
        let reading = |tasks: &[(u32, u64)], ticks| CpuReading {
            task_ns: tasks.iter().copied().collect(),
            ticks,
        };
        let cases = [
            ("nothing happened", reading(&[(1, 5)], 3), reading(&[(1, 5)], 3), 0),
            ("one thread worked", reading(&[(1, 5)], 3), reading(&[(1, 105)], 3), 100),
            ("a thread was born", reading(&[(1, 5)], 3), reading(&[(1, 5), (2, 70)], 3), 70),
            (
                "a thread died: the ticks know",
                reading(&[(1, 5), (2, 9)], 3),
                reading(&[(1, 6)], 14),
                100_000_000,
            ),
            ("one tick is coarseness", reading(&[(1, 5)], 3), reading(&[(1, 6)], 4), 1),
        ];
        for (name, earlier, later, want) in cases {
            assert_eq!(later.since(&earlier), want, "{name}");
        }
    }

    #[test]
    fn this_process_has_a_clock_and_memory() {
        let earlier = CpuReading::take(std::process::id()).unwrap();
        black_box((0..2_000_000_u64).fold(0, |sum, n| black_box(sum ^ n)));
        assert!(CpuReading::take(std::process::id()).unwrap().since(&earlier) > 0);
        let memory = Memory::take(std::process::id()).unwrap();
        assert!(memory.rss_kib > 0 && memory.rss_peak_kib >= memory.rss_kib);
    }

    #[test]
    fn children_belong_to_the_family() {
        let script = "sleep 60 & a=$!; sleep 60 & echo ready; read x; kill $a $!";
        let mut parent = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(family(parent.id()).len(), 3);
        assert!(Memory::take(parent.id()).unwrap().rss_kib > 0);
        drop(parent.stdin.take());
        parent.wait().unwrap();
        assert_eq!(
            family(parent.id()),
            [parent.id()],
            "nothing is made up for a process that is gone"
        );
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(CpuReading::take(u32::MAX).is_err());
        assert!(Memory::take(u32::MAX).is_err());
        assert!(!lives(u32::MAX) && lives(std::process::id()));
    }
}
