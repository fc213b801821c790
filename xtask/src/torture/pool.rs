//! Cases on all cores, under a watch: one that hangs or panics is told, whatever becomes of its thread.
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Most threads.
const WORKERS_MAX: usize = 64;
/// How often the watch looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

enum News {
    Began(u64),
    Ended(u64, Result<u64, String>),
}

/// Runs the cases `seed`, `seed + 1` and so on until `more` says no. A case that takes longer than `limit` ends everything: its seed
/// is returned, and its thread is left behind.
pub(crate) fn run(
    seed: u64,
    limit: Duration,
    case: fn(u64) -> Result<u64, String>,
    mut more: impl FnMut(u64, Result<u64, String>) -> bool,
) -> Option<u64> {
    let (sender, news) = channel();
    let next = Arc::new(AtomicU64::new(seed));
    let is_over = Arc::new(AtomicBool::new(false));
    let n_workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    for _ in 0..n_workers {
        let (sender, next, is_over) = (sender.clone(), Arc::clone(&next), Arc::clone(&is_over));
        std::thread::spawn(move || work(case, &next, &is_over, &sender));
    }
    drop(sender);
    let mut busy: BTreeMap<u64, Instant> = BTreeMap::new();
    loop {
        match news.recv_timeout(LOOK_EVERY) {
            Ok(News::Began(seed)) => drop(busy.insert(seed, Instant::now())),
            Ok(News::Ended(seed, outcome)) => {
                busy.remove(&seed);
                if !more(seed, outcome) {
                    is_over.store(true, Ordering::Relaxed);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        if let Some((&seed, _)) = busy.iter().find(|(_, began)| limit < began.elapsed()) {
            return Some(seed);
        }
    }
}

fn work(
    case: fn(u64) -> Result<u64, String>,
    next: &AtomicU64,
    is_over: &AtomicBool,
    sender: &Sender<News>,
) {
    while !is_over.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if sender.send(News::Began(seed)).is_err() {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| case(seed)));
        let outcome = outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", words(&*panic))));
        if sender.send(News::Ended(seed, outcome)).is_err() {
            return;
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

/// Runs one thing with a limit; `None` when it took longer, or panicked.
pub(crate) fn watched<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, done) = channel();
    std::thread::spawn(move || sender.send(work()));
    done.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_run_until_enough_and_panics_are_told() {
        let case = |seed| match seed {
            7 => panic!("the seventh"),
            8 => Err("the eighth".to_owned()),
            seed => Ok(seed),
        };
        let mut told = BTreeMap::new();
        let hung = run(5, Duration::from_mins(1), case, |seed, outcome| {
            told.insert(seed, outcome);
            told.len() < 6
        });
        assert_eq!(hung, None);
        assert_eq!(told[&5], Ok(5));
        assert_eq!(told[&7], Err("panicked: the seventh".to_owned()));
        assert_eq!(told[&8], Err("the eighth".to_owned()));
        assert!(6 <= told.len());
    }

    #[test]
    fn a_case_that_hangs_is_named() {
        let case = |seed| {
            if seed == 3 {
                std::thread::sleep(Duration::from_secs(30));
            }
            Ok(1)
        };
        let began = Instant::now();
        assert_eq!(run(3, Duration::from_millis(200), case, |_, _| true), Some(3));
        assert!(began.elapsed() < Duration::from_secs(20));
        assert_eq!(
            watched(Duration::from_millis(10), || std::thread::sleep(Duration::from_secs(5))),
            None
        );
        assert_eq!(watched(Duration::from_secs(5), || 7), Some(7));
    }
}
