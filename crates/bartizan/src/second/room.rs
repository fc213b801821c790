//! Where models compute: a few places, and a few who may wait for one.
use bartizan_second::{Room, Unfinished};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Who is in, and who waits.
#[derive(Debug, Default)]
struct Crowd {
    n_in: usize,
    n_waiting: usize,
}

/// A room with so many places. One computation uses every processor that is idle, so more places make nobody faster.
#[derive(Debug)]
pub(super) struct Places {
    n_max: usize,
    waiting_max: usize,
    crowd: Mutex<Crowd>,
    left: Condvar,
}

impl Places {
    pub(super) fn new(n_max: usize, waiting_max: usize) -> Self {
        Self { n_max, waiting_max, crowd: Mutex::default(), left: Condvar::new() }
    }

    /// Takes a place, and waits for one where that is allowed.
    fn take(&self, wait: Duration) -> Result<Place<'_>, Unfinished> {
        let mut crowd = self.crowd.lock().unwrap_or_else(PoisonError::into_inner);
        if self.n_max <= crowd.n_in {
            if self.waiting_max <= crowd.n_waiting {
                return Err(Unfinished::Busy);
            }
            crowd.n_waiting += 1;
            let is_full = |crowd: &mut Crowd| self.n_max <= crowd.n_in;
            let waited = self.left.wait_timeout_while(crowd, wait, is_full);
            crowd = waited.unwrap_or_else(PoisonError::into_inner).0;
            crowd.n_waiting -= 1;
            if self.n_max <= crowd.n_in {
                return Err(Unfinished::Busy);
            }
        }
        crowd.n_in += 1;
        Ok(Place(self))
    }
}

/// A place that is taken.
struct Place<'p>(&'p Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.crowd.lock().unwrap_or_else(PoisonError::into_inner).n_in -= 1;
        self.0.left.notify_one();
    }
}

impl Room for Places {
    fn enter(&self, wait_us: u64, work: &mut dyn FnMut()) -> Result<(), Unfinished> {
        let mut inside = || {
            let _place = self.take(Duration::from_micros(wait_us))?;
            work();
            Ok(())
        };
        // Waiting and computing take milliseconds: a thread that serves connections hands those to another one first.
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        match flavor {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(inside),
            _ => inside(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    const LONG_US: u64 = 10_000_000;

    /// Fills the room with one who stays until the sender is dropped.
    fn occupied(places: &Places, work: impl FnOnce(mpsc::Sender<()>)) {
        thread::scope(|scope| {
            let (leave, wait) = mpsc::channel::<()>();
            let (entered, inside) = mpsc::channel();
            scope.spawn(move || {
                let mut stay = || {
                    entered.send(()).unwrap();
                    // The other side hangs up.
                    wait.recv().unwrap_or_default();
                };
                places.enter(0, &mut stay).unwrap();
            });
            inside.recv().unwrap();
            work(leave);
        });
    }

    #[test]
    fn who_finds_no_place_is_told() {
        for (name, waiting_max, wait_us) in [("nobody waits", 0, LONG_US), ("not long", 1, 1000)] {
            let places = Places::new(1, waiting_max);
            occupied(&places, |leave| {
                let mut n_done = 0;
                let entered = places.enter(wait_us, &mut || n_done += 1);
                assert_eq!((entered, n_done), (Err(Unfinished::Busy), 0), "{name}");
                drop(leave);
            });
            assert_eq!(places.enter(0, &mut || {}), Ok(()), "{name}: afterwards");
        }
    }

    #[test]
    fn who_waits_gets_the_place_that_becomes_free() {
        let places = Places::new(1, 1);
        occupied(&places, |leave| {
            thread::scope(|scope| {
                let waiting = scope.spawn(|| places.enter(LONG_US, &mut || {}));
                while places.crowd.lock().unwrap().n_waiting == 0 {
                    thread::yield_now();
                }
                let third = places.enter(LONG_US, &mut || {});
                assert_eq!(third, Err(Unfinished::Busy), "one waits already");
                drop(leave);
                assert_eq!(waiting.join().unwrap(), Ok(()));
            });
        });
    }

    #[test]
    fn a_place_is_free_again_after_a_panic() {
        let places = Places::new(1, 0);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            places.enter(0, &mut || panic!("the work")).unwrap();
        }));
        assert!(ran.is_err());
        assert_eq!(places.enter(0, &mut || {}), Ok(()));
    }

    /// A gateway with one worker goes on while somebody computes.
    #[test]
    fn other_tasks_go_on() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let places = Places::new(1, 0);
        runtime.block_on(async {
            let (go, gone) = mpsc::channel::<()>();
            let work =
                tokio::spawn(
                    async move { places.enter(0, &mut || gone.recv().unwrap_or_default()) },
                );
            // It needs the one worker, which the computation has left.
            tokio::spawn(async move { drop(go) }).await.unwrap();
            assert_eq!(work.await.unwrap(), Ok(()));
        });
    }
}
