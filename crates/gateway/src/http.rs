//! The shell around the exchange: listeners, identity, the upstreams' connections, and the control listener.
//!
//! Nothing here looks into a message; that is the exchange's business. Nothing here reads a file, a clock or the environment; what is
//! needed of these is handed in. The order of things that makes the promises true (record, then call; record, then the last byte) is in `service`.
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::record::Recorder;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;

mod audit;
mod body;
mod budget;
mod complaints;
mod control;
mod harmless;
mod head;
mod heavy;
mod histogram;
mod hosts;
mod identity;
mod listener;
mod metrics;
mod people;
mod post;
mod progress;
mod room;
mod service;
mod settle;
mod setup;
mod tasks;
mod ticket;
mod tls;
mod upstream;
mod wire;

pub use identity::{KEY_BYTES_MAX, KEYS_MAX, KeyEntry, KeyError, KeyRing};
pub use metrics::{NAMES_MAX, Overhead};
pub use people::KnownSubjects;
pub use post::{POST_BYTES_MAX, PostError, Posted, Poster};
pub use setup::{ROUTES_MAX, RouteRule, Setup, SetupError, SetupOptions, Terms, subject_header};
pub use tls::{ServerTls, ServerTlsError};
pub use upstream::{SECRET_BYTES_MAX, Secret, UpstreamError, UpstreamOptions};

/// How long exchanges that are cut off by a stop have for telling their callers, once their records are made.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// Counts requests that were turned away before they had a record, so that they can be recorded in bulk.
pub trait Tally: Send + Sync {
    /// One request was denied with this code. Called on the data path: it must not block.
    fn denied(&self, code: &'static str);
}

impl<F: Fn(&'static str) + Send + Sync> Tally for F {
    fn denied(&self, code: &'static str) {
        self(code);
    }
}

/// Appends lines of Prometheus text that others count: the ledger's syncs, for one.
pub type MoreMetrics = Box<dyn Fn(&mut String) + Send + Sync>;

/// Something that an operator should know, and that may keep traffic away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is, lower case, no full stop.
    pub reason: String,
    /// Whether the gateway is unready because of it.
    pub is_unready: bool,
}

/// Asked by every call of `/readyz`; it must not block.
pub type Notices = Box<dyn Fn() -> Option<Notice> + Send + Sync>;

/// What a gateway is built from, and keeps for its whole life.
pub struct GatewayOptions {
    /// What may be replaced later, by [`Gateway::reload`].
    pub setup: Setup,
    /// Makes records durable.
    pub recorder: Arc<dyn Recorder>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names of records.
    pub entropy: Arc<dyn Entropy>,
    /// Hears of denials.
    pub tally: Arc<dyn Tally>,
    /// Adds to the text at `/metrics`.
    pub more_metrics: Option<MoreMetrics>,
}

impl fmt::Debug for GatewayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayOptions").field("setup", &self.setup).finish_non_exhaustive()
    }
}

/// Why a listener cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another address, or stop what uses this one")]
pub struct ListenError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// A running gateway. Clones are handles to the same one.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("metrics", &self.shared.metrics).finish_non_exhaustive()
    }
}

/// What all connections share.
pub(crate) struct Shared {
    setup: arc_swap::ArcSwap<Setup>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    tally: Arc<dyn Tally>,
    more_metrics: Option<MoreMetrics>,
    notices: OnceLock<Notices>,
    metrics: metrics::Metrics,
    heavy: heavy::Heavy,
    tasks: tasks::Tasks,
    settling: settle::Settling,
    people: people::People,
    complaints: complaints::Complaints,
}

impl Shared {
    /// What `/readyz` has to say, if anything.
    fn notice(&self) -> Option<Notice> {
        let unready = |reason| Notice { reason, is_unready: true };
        if self.tasks.is_draining() {
            return Some(unready("the gateway is stopping".to_owned()));
        }
        if let Some(error) = self.recorder.failure() {
            return Some(unready(error.to_string()));
        }
        let said = self.notices.get().and_then(|notices| notices());
        match (said, self.metrics.budget.warning()) {
            (said, None) => said,
            (None, Some(reason)) => Some(Notice { reason, is_unready: false }),
            (Some(said), Some(more)) => {
                Some(Notice { reason: format!("{}; {more}", said.reason), ..said })
            }
        }
    }
}

impl Gateway {
    /// A gateway that listens nowhere yet. Must be called inside a tokio runtime.
    pub fn new(options: GatewayOptions) -> Self {
        let GatewayOptions { setup, recorder, clock, entropy, tally, more_metrics } = options;
        let shared = Arc::new(Shared {
            setup: arc_swap::ArcSwap::from_pointee(setup),
            recorder,
            clock,
            entropy,
            tally,
            more_metrics,
            notices: OnceLock::new(),
            metrics: metrics::Metrics::default(),
            heavy: heavy::Heavy::default(),
            tasks: tasks::Tasks::default(),
            settling: settle::Settling::default(),
            people: people::People::default(),
            complaints: complaints::Complaints::default(),
        });
        shared.tasks.spawn_background(listener::sweep(Arc::clone(&shared)));
        Self { shared }
    }

    /// Lets `/readyz` say more. The first one stays.
    pub fn notify_with(&self, notices: Notices) {
        // A second one has nothing to say: there is one binary, and it calls this once.
        drop(self.shared.notices.set(notices));
    }

    /// Lets the gateway tell new people from known ones, so that `subjects_per_key_max` counts. The first one stays.
    pub fn know_subjects_with(&self, known: KnownSubjects) {
        self.shared.people.know_with(known);
    }

    /// Serves callers at an address; port 0 takes a free one. Returns the address that is really used.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn listen(
        &self,
        address: SocketAddr,
        tls: Option<ServerTls>,
    ) -> Result<SocketAddr, ListenError> {
        let (listener, bound) = bind(address).await?;
        self.shared.tasks.spawn(listener::accept(Arc::clone(&self.shared), listener, tls));
        Ok(bound)
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` at an address of their own.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn listen_control(&self, address: SocketAddr) -> Result<SocketAddr, ListenError> {
        let (listener, bound) = bind(address).await?;
        self.shared.tasks.spawn_background(control::serve(Arc::clone(&self.shared), listener));
        Ok(bound)
    }

    /// Replaces the setup. Exchanges that are under way finish under the old one.
    pub fn reload(&self, setup: Setup) {
        self.shared.people.keep(|id| setup.keys.entries().iter().any(|entry| entry.id == id));
        self.shared.setup.store(Arc::new(setup));
    }

    /// Our own part of the time that exchanges took, so far.
    pub fn overhead(&self) -> Overhead {
        self.shared.metrics.overhead()
    }

    /// The text at `/metrics`.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        self.shared.metrics.export(&mut text);
        text
    }

    /// Accepts nothing new, lets open exchanges end for at most `drain_ms`, then tells the callers of the rest and drops these; each of them has
    /// its OUTCOME in line when this returns. Returns whether all ended by themselves.
    pub async fn shutdown(&self) -> bool {
        let limit = Duration::from_millis(self.shared.setup.load().guard.limits.drain_ms);
        self.shared.tasks.drain();
        let all_ended = tokio::time::timeout(limit, self.shared.tasks.ended()).await.is_ok();
        if !all_ended {
            self.shared.tasks.close();
            // Whoever does not read its last words in that time does not get them.
            drop(tokio::time::timeout(LAST_WORDS_MAX, self.shared.tasks.ended()).await);
        }
        self.halt().await;
        all_ended
    }

    /// Drops everything now. The OUTCOME of each open exchange is in line when this returns, or it found no room there for two more
    /// seconds, was given up, and is counted.
    pub async fn halt(&self) {
        self.shared.tasks.halt().await;
        self.shared.settle_last().await;
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let fail = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}
