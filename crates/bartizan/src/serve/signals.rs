//! The signals that the system and people send.
use rustix::process::Signal as Number;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Lets a write that meets the limit on the size of files (`ulimit -f`) fail with an error. By itself the signal that comes along (SIGXFSZ) ends the
/// process without a word, and nobody learns what was done and what was not.
///
/// # Errors
/// Those of the system.
pub(crate) fn let_long_writes_fail() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    // Nobody has to listen on: from the first time that somebody does the signal ends nothing any more.
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}

/// SIGINT and SIGTERM: stop. The first one politely.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Listens from now on; the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP: read the configuration again.
pub(crate) struct HangUp(Signal);

impl HangUp {
    /// Listens from now on.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}
