//! Every task of the gateway, so that shutdown can wait for all of them and then end the rest.
use std::future::Future;
use std::pin::Pin;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// The tasks of one gateway.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    /// Tasks that nobody waits for: they serve others, and end when these have.
    background: TaskTracker,
    /// No new work from here on.
    drain: CancellationToken,
    /// Time is over: what still runs says its last words.
    close: CancellationToken,
    /// Whatever still runs is dropped where it stands.
    halt: CancellationToken,
}

impl Tasks {
    /// Runs a future until it ends, or until [`Tasks::halt`]; shutdown waits for it.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(until(self.halt.clone(), future));
    }

    /// Runs a future until it ends, or until [`Tasks::halt`]; shutdown does not wait for it.
    pub(super) fn spawn_background(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(until(self.halt.clone(), future));
    }

    /// Asks everybody to finish.
    pub(super) fn drain(&self) {
        self.drain.cancel();
        self.tracker.close();
        self.background.close();
    }

    /// Asks everybody who is still at it to end now.
    pub(super) fn close(&self) {
        self.close.cancel();
    }

    /// Waits for [`Tasks::close`].
    pub(super) async fn closing(&self) {
        self.close.cancelled().await;
    }

    /// The same, to be kept.
    pub(super) fn until_close(&self) -> WaitForCancellationFutureOwned {
        self.close.clone().cancelled_owned()
    }

    /// Drops every task that still runs, and waits until that is done.
    pub(super) async fn halt(&self) {
        self.drain();
        self.halt.cancel();
        self.tracker.wait().await;
        self.background.wait().await;
    }

    /// Whether [`Tasks::drain`] was called.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether [`Tasks::halt`] was called.
    pub(super) fn is_halted(&self) -> bool {
        self.halt.is_cancelled()
    }

    /// Waits for [`Tasks::drain`].
    pub(super) async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until all tasks have ended; only after [`Tasks::drain`].
    pub(super) async fn ended(&self) {
        self.tracker.wait().await;
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}

/// Runs what hyper wants to have run for connections to upstreams.
#[derive(Clone, Debug)]
pub(super) struct Background(pub(super) Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Background {
    fn execute(&self, future: F) {
        self.0.spawn_background(future);
    }
}

/// The future is boxed: inside of this one it would stand twice, once as it came and once as it is waited for, for the life of a connection.
fn until(
    halt: CancellationToken,
    future: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    wait(halt, Box::pin(future))
}

async fn wait(halt: CancellationToken, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
    tokio::select! {
        biased;
        () = future => {}
        () = halt.cancelled() => {}
    }
}
