//! Wires the crates that hold the powers into one running gateway: configuration, keys, ledger, guards, listeners.
//!
//! [`start`] is the whole of it, for the `serve` verb, for the demo and for tests; it prints nothing and reads no environment of its own.
use crate::audit;
use crate::config::{self, Config, GuardMode, LedgerMode, Listen};
use crate::files;
use crate::keys::{self, Fresh, KeyBook};
use crate::opening::{self, How, Opened};
use crate::orders::Rule;
use crate::outcome::Usage;
use crate::second::{self, Loaded};
use crate::vault::{self, Anchoring};
use anyhow::Context as _;
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::record::Recorder;
use bartizan_gateway::http::{Gateway, GatewayOptions, MoreMetrics, ServerTls};
use bartizan_keys::PlaceholderKey;
use bartizan_ledger::{FsDisk, Ledger, Options, Recovery};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

mod build;
pub(crate) mod contradiction;
pub(crate) mod cosign;
mod desk;
pub(crate) mod follow;
mod journal;
mod meter;
mod names;
mod notices;
mod objector;
mod off;
mod places;
mod promise;
mod recorded;
mod reload;
pub(crate) mod signals;
mod tally;

pub(crate) use build::check_files;
use build::{Builder, Built};
use cosign::{Watch, WatchTask};
use desk::{Books, Desk};
use journal::Promised;
use notices::{ClockSigns, Said, notices};
use objector::Objector;
use places::Places;
use promise::Ground;
pub(crate) use promise::Promise;
use recorded::OwnLog;
pub(crate) use recorded::{RECORDED_FILE, remark};
use tally::TallyTask;

/// Longest wait for the ledger's last words after everything else has ended.
const LEDGER_CLOSE_MAX: Duration = Duration::from_secs(10);

/// Where callers' keys come from.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// The state folder's key file. When it is empty a key is made.
    Book,
    /// This key, and no other. It has no `Debug`.
    Given(String),
}

/// What a gateway is started with.
pub(crate) struct ServeOptions {
    /// Everything that a file can say; paths are resolved.
    pub(crate) config: Config,
    /// Where callers' keys come from.
    pub(crate) keys: KeySource,
    /// Whether others may reach a listener without TLS.
    pub(crate) insecure: bool,
}

/// Looks up a variable of the environment.
pub(crate) type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The outside world, handed in.
#[derive(Clone)]
pub(crate) struct Sources {
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Chance.
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Variables of the environment, by name.
    pub(crate) variable: Arc<Variables>,
    /// Who this process is, by number.
    pub(crate) user: u32,
}

impl Sources {
    /// The real world.
    pub(crate) fn real() -> Self {
        Self {
            clock: Arc::new(crate::clock::SystemClock::new()),
            entropy: Arc::new(crate::clock::OsEntropy),
            variable: Arc::new(|name| std::env::var(name).ok()),
            user: crate::owner::user(),
        }
    }
}

/// A gateway that serves.
pub(crate) struct Running {
    /// Where callers are served; the real port, where port 0 was asked for.
    pub(crate) listen_addr: SocketAddr,
    /// Where operators are served.
    pub(crate) control_addr: SocketAddr,
    /// The key that was made because there was none. This is the only time that it can be shown.
    pub(crate) made_key: Option<Fresh>,
    /// What opening the ledger found; nothing without a ledger.
    pub(crate) recovery: Option<Recovery>,
    /// Whether nobody else can enter the state folder.
    pub(crate) is_folder_closed: bool,
    /// The gateway itself: overhead, metrics.
    pub(crate) gateway: Gateway,
    config: Config,
    /// What the last configuration wanted of the things that only a restart changes.
    wanted: (Listen, config::Ledger),
    builder: Builder,
    recorder: Arc<dyn Recorder>,
    ledger: Option<Weak<Ledger>>,
    /// What the log has heard of us, where there is one.
    log: Option<Box<OwnLog>>,
    ground: Ground,
    promised: Arc<Promised>,
    tally: TallyTask,
    desk: Option<Desk>,
    watch: Option<WatchTask>,
    signs: Arc<ClockSigns>,
}

/// Starts a gateway. It must be called inside a tokio runtime.
///
/// # Errors
/// [`Usage`] for what the caller asked wrongly, [`crate::config::ConfigError`] for a policy that is wrong, and whatever the world says
/// to the files, the ledger and the addresses.
pub(crate) async fn start(options: ServeOptions, sources: Sources) -> anyhow::Result<Running> {
    let ServeOptions { config, keys, insecure } = options;
    check_exposure(&config, insecure)?;
    let folder = config.ledger.dir.clone();
    let is_folder_closed = files::private_folder(&folder)
        .with_context(|| format!("cannot make the state folder {}", folder.display()))?;
    let mut builder = Builder::new(keys, sources.clone());
    let Built { setup, news } = builder.build(&config)?;
    let tls = tls(&config)?;
    let meter = Arc::new(meter::Meter::default());
    news.farewell(&config, &sources).await?;
    let OpenLedger { recorder, ledger, mut log, recovery, books, watching, placeholders, said } =
        open_ledger(&config, &sources, &meter).await?;
    if let Some(key) = placeholders {
        builder.names().use_key(key);
    }
    let tally = TallyTask::start(Arc::clone(&recorder), sources.clone());
    let ground = Ground::of(&folder, said.watch.as_ref().map(|watch| watch.promise()));
    let promised = Arc::new(Promised::only(Promise::of(&config, &ground)));
    let gateway = Gateway::new(GatewayOptions {
        setup,
        recorder: Arc::clone(&recorder),
        clock: Arc::clone(&sources.clock),
        entropy: Arc::clone(&sources.entropy),
        tally: tally.counter(),
        more_metrics: Some(more_metrics(meter, said.watch.clone(), builder.desk().clone())),
    });
    let signs = inform(&gateway, said, ledger.as_ref(), books.as_ref());
    signs.begins(&promised.now);
    let open = async {
        if let Some(log) = &mut log {
            news.journal(&sources, &folder, &log.heard, &promised)?.write(&*recorder, log).await?;
        }
        let listen_addr = gateway.listen(config.listen.address, tls).await?;
        anyhow::Ok((listen_addr, gateway.listen_control(config.listen.control).await?))
    };
    let (listen_addr, control_addr) = match open.await {
        Ok(addresses) => addresses,
        Err(error) => return Err(given_up(error, &gateway, tally, watching).await),
    };
    let desk = books.map(|books| {
        let signs = Arc::clone(&signs);
        Desk::start(&config.ledger, Arc::clone(&recorder), books, signs, sources.clone())
    });
    let made_key = None;
    let mut running = Running {
        listen_addr,
        control_addr,
        made_key,
        recovery,
        is_folder_closed,
        gateway,
        wanted: (config.listen.clone(), config.ledger.clone()),
        config,
        builder,
        recorder,
        ledger,
        log,
        ground,
        promised,
        tally,
        desk,
        watch: watching,
        signs,
    };
    running.make_first_key().await?;
    Ok(running)
}

/// Ends what a start has begun that then failed; the error is passed on.
async fn given_up(
    error: anyhow::Error,
    gateway: &Gateway,
    tally: TallyTask,
    watching: Option<WatchTask>,
) -> anyhow::Error {
    gateway.halt().await;
    tally.stop().await;
    if let Some(watching) = watching {
        watching.stop().await;
    }
    error
}

/// Tells the gateway what only the ledger and the vault know: what `/readyz` has to say of them, and whether a person has a key already.
fn inform(
    gateway: &Gateway,
    said: Said,
    ledger: Option<&Weak<Ledger>>,
    books: Option<&Books>,
) -> Arc<ClockSigns> {
    let newest = ledger.and_then(Weak::upgrade).map(|ledger| ledger.newest());
    let signs = Arc::new(ClockSigns::new(newest));
    gateway.notify_with(notices(said, Arc::clone(&signs)));
    if let Some(keys) = books.map(|books| Arc::clone(&books.keys)) {
        let has_key =
            move |name: &str| keys.tag(name).is_ok_and(|tag| keys.subject_key(tag).is_some());
        gateway.know_subjects_with(Box::new(has_key));
    }
    signs
}

impl Running {
    /// Where callers find us.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.config.listen.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.listen_addr)
    }

    /// Where a client on this machine finds us.
    pub(crate) fn local_url(&self) -> String {
        let scheme = if self.config.listen.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", crate::verbs::reachable(self.listen_addr))
    }

    /// Exchanges that are under way.
    fn open_exchanges(&self) -> u64 {
        let metrics = self.gateway.metrics();
        let value = |line: &str| line.strip_prefix("bartizan_open_requests ")?.parse().ok();
        metrics.lines().find_map(value).unwrap_or_default()
    }

    /// Whether any key opens the door now.
    pub(crate) fn has_live_key(&self) -> bool {
        self.builder.has_live_key()
    }

    /// The second model in force, in words: a line for all of it, and one for each file.
    pub(crate) fn second_model(&self) -> Vec<String> {
        self.builder.second().map(Loaded::lines).unwrap_or_default()
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Takes another configuration, and whatever changed in the files beside it. Returns what waits for a restart and was not
    /// returned before, in words.
    ///
    /// # Errors
    /// Those of [`start`]; the old configuration then stays in force.
    pub(crate) async fn reload(&mut self, config: Config) -> anyhow::Result<Vec<&'static str>> {
        // What only a restart changes is not in force, whatever the file says: neither its mode nor its retention.
        let in_force = Config { ledger: self.config.ledger.clone(), ..config.clone() };
        let built = self.builder.build(&in_force)?;
        let (now, asked) = (Promise::of(&in_force, &self.ground), Promise::asked(&config));
        self.enforce(built, Arc::new(Promised { now, asked })).await?;
        let mut waiting = unchangeable(&self.config, &config);
        let (listen, ledger) = (config.listen.clone(), config.ledger.clone());
        let (listen, ledger) = std::mem::replace(&mut self.wanted, (listen, ledger));
        let news = unchangeable(&Config { listen, ledger, ..Config::default() }, &config);
        waiting.retain(|name| news.contains(name));
        let Config { listen, ledger, .. } = std::mem::replace(&mut self.config, config);
        // What is really in force is what later changes are compared with.
        let hosts = std::mem::take(&mut self.config.listen.hosts);
        let origins = std::mem::take(&mut self.config.listen.origins);
        self.config.listen = Listen { hosts, origins, ..listen };
        self.config.ledger = ledger;
        Ok(waiting)
    }

    /// Takes the keys as they are now, under the configuration in force. A revoked key must not live on because some other file is wrong.
    ///
    /// # Errors
    /// A key file that is wrong, or a ledger that cannot record the change; the old keys then stay in force.
    pub(crate) async fn reload_keys(&mut self) -> anyhow::Result<()> {
        let built = self.builder.rebuild(&self.config)?;
        self.enforce(built, Arc::clone(&self.promised)).await?;
        if let Some(Err(error)) = self.log.as_mut().map(|log| log.follow()) {
            tracing::warn!(error = %format!("{error:#}"), "How far the log has come was not noted; the next start reads it.");
        }
        Ok(())
    }

    /// Nothing is let in under a key, a policy or a promise that could not be recorded.
    async fn enforce(&mut self, built: Built, promised: Arc<Promised>) -> anyhow::Result<()> {
        if let Some(log) = &mut self.log {
            let (sources, folder) = (self.builder.sources(), &self.config.ledger.dir);
            let journal = built.news.journal(sources, folder, &log.heard, &promised)?;
            journal.write(&*self.recorder, log).await?;
        }
        self.gateway.reload(built.setup);
        self.signs.promises(&promised.now);
        self.promised = promised;
        Ok(())
    }

    /// Makes the first key of a state folder that has none. Last of all, because a key can be shown only once: one that was made for a
    /// gateway that then did not start would be lost.
    async fn make_first_key(&mut self) -> anyhow::Result<()> {
        if self.builder.book().is_none_or(|book| !book.entries().is_empty()) {
            return Ok(());
        }
        let sources = self.builder.sources().clone();
        let roles = [keys::DEFAULT_ROLE.to_owned()];
        let now_ms = sources.clock.unix_ms();
        let add = |book: &mut KeyBook| book.add(&*sources.entropy, &roles, now_ms, None);
        self.made_key = Some(keys::change(&self.config.ledger.dir, add)?);
        self.reload_keys().await
    }

    /// Accepts nothing new and waits for open exchanges, up to the limit `drain_ms`. Returns whether all ended by themselves.
    pub(crate) async fn drain(&self) -> bool {
        self.gateway.shutdown().await
    }

    /// Drops open exchanges now; each gets its OUTCOME. Returns whether there were none.
    pub(crate) async fn halt(&self) -> bool {
        let is_idle = self.open_exchanges() == 0;
        self.gateway.halt().await;
        is_idle
    }

    /// Closes the ledger after everything that was said to it. Returns why it failed, if it did.
    pub(crate) async fn close(self) -> Option<String> {
        let Self { gateway, recorder, ledger, tally, desk, watch, builder, log, .. } = self;
        let books = match desk {
            Some(desk) => desk.stop().await,
            None => None,
        };
        if let Some(watch) = watch {
            watch.stop().await;
        }
        tally.stop().await;
        let failure = recorder.failure().map(|error| error.to_string());
        drop((gateway, recorder));
        let Some(ledger) = ledger else { return failure };
        let gone = async {
            while 0 < ledger.strong_count() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let is_closed = tokio::time::timeout(LEDGER_CLOSE_MAX, gone).await.is_ok();
        let late = (!is_closed).then(|| "the ledger did not close in time".to_owned());
        if let (Some(Books { mut anchor, cosigner, .. }), true) = (books, is_closed)
            && let Err(error) = opening::keep_last(&mut anchor, &cosigner, builder.sources())
        {
            // The next start reads what this would have saved it.
            tracing::warn!(error = %format!("{error:#}"), "The vault's anchor was not written.");
        }
        if let (Some(mut log), true) = (log, is_closed)
            && let Err(error) = log.follow()
        {
            tracing::warn!(error = %format!("{error:#}"), "How far the log has come was not noted; the next start reads it.");
        }
        failure.or(late)
    }

    /// Drains, then closes. Returns why the ledger failed, if it did.
    pub(crate) async fn shutdown(self) -> Option<String> {
        self.drain().await;
        self.close().await
    }
}

pub(crate) fn check_exposure(config: &Config, insecure: bool) -> Result<(), Usage> {
    let listen = &config.listen;
    if insecure {
        return Ok(());
    }
    if !listen.address.ip().is_loopback() && listen.tls_cert.is_none() {
        return Err(Usage(format!(
            "{} can be reached by others, and without TLS they can read keys and prompts: set tls_cert and tls_key in [listen], listen on 127.0.0.1, or add --insecure if something else encrypts",
            listen.address
        )));
    }
    if !listen.control.ip().is_loopback() {
        return Err(Usage(format!(
            "the control listener {} can be reached by others, and asks for no key: listen on 127.0.0.1, or add --insecure",
            listen.control
        )));
    }
    Ok(())
}

fn tls(config: &Config) -> anyhow::Result<Option<ServerTls>> {
    let (Some(chain), Some(key)) = (&config.listen.tls_cert, &config.listen.tls_key) else {
        return Ok(None);
    };
    let read = |path: &PathBuf| {
        files::read_bounded(path, config::FILE_BYTES_MAX)
            .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))
    };
    let tls = ServerTls::from_pem(&read(chain)?, &read(key)?);
    Ok(Some(tls.map_err(|error| Usage(format!("{}: {error}", chain.display())))?))
}

/// A ledger that is written, or what stands for none.
struct OpenLedger {
    recorder: Arc<dyn Recorder>,
    ledger: Option<Weak<Ledger>>,
    /// What it has heard of us.
    log: Option<Box<OwnLog>>,
    recovery: Option<Recovery>,
    books: Option<Books>,
    watching: Option<WatchTask>,
    placeholders: Option<PlaceholderKey>,
    said: Said,
}

fn more_metrics(
    meter: Arc<meter::Meter>,
    watch: Option<Arc<Watch>>,
    second: second::Desk,
) -> MoreMetrics {
    Box::new(move |out| {
        meter.export(out);
        if let Some(watch) = &watch {
            watch.export(out);
        }
        second.export(out);
    })
}

async fn open_ledger(
    config: &Config,
    sources: &Sources,
    meter: &Arc<meter::Meter>,
) -> anyhow::Result<OpenLedger> {
    if config.ledger.mode == LedgerMode::Off {
        let recorder = Arc::new(off::Unrecorded::default());
        let (ledger, log, recovery, books) = (None, None, None, None);
        let (watching, placeholders, said) = (None, None, Said::default());
        return Ok(OpenLedger {
            recorder,
            ledger,
            log,
            recovery,
            books,
            watching,
            placeholders,
            said,
        });
    }
    let disk = FsDisk::lock(&audit::log_folder(&config.ledger.dir))?;
    let defaults = Options::default();
    let options = Options {
        queue_records_max: config.ledger.queue_records_max,
        queue_bytes_max: config.ledger.queue_bytes_max,
        record_bytes_max: defaults.record_bytes_max.min(config.ledger.queue_bytes_max),
        ..defaults
    };
    let disk =
        Arc::new(meter::MeteredDisk::new(disk, Arc::clone(meter), Arc::clone(&sources.clock)));
    let anchoring = Anchoring::Strict;
    let how = How { ledger: &config.ledger, disk, options, anchoring, cuts_tail: false };
    let Opened { ledger, recovery, vault, anchor, followed, watch, contradiction, .. } =
        opening::open(how, sources).await?;
    Rule::raise(&config.ledger.dir, config.ledger.retention, &vault.signer)?;
    let shown = contradiction
        .filter(|_| watch.is_none())
        .map(|shown| shown.told(&audit::log_folder(&config.ledger.dir)));
    let lost_keys = followed.lost_keys();
    tracing::debug!(leaves = followed.leaves, "The vault's anchor has followed the ledger.");
    let cosigner = ledger.cosigner();
    let watching = watch.as_ref().map(|watch| watch.start(cosigner.clone()));
    let log = OwnLog::open(&config.ledger.dir, Arc::clone(&vault.signer), cosigner.clone())?;
    let log = Some(Box::new(log));
    let placeholders = Some(vault.placeholders);
    let ledger = Arc::new(ledger);
    let folder = audit::log_folder(&config.ledger.dir);
    let places = Places::of(&folder, &vault::folder(&config.ledger.dir))
        .with_context(|| format!("cannot look into {}", folder.display()))?;
    let weak = Arc::downgrade(&ledger);
    let books = Some(Books { keys: vault.keys, anchor, cosigner, places, ledger: weak });
    let recorder = Arc::clone(&ledger) as Arc<dyn Recorder>;
    let recorder = match &watch {
        Some(watch) => Arc::new(Objector::new(recorder, Arc::clone(watch))),
        None => recorder,
    };
    let (ledger, recovery) = (Some(Arc::downgrade(&ledger)), Some(recovery));
    let said = Said { watch, shown, lost_keys };
    Ok(OpenLedger { recorder, ledger, log, recovery, books, watching, placeholders, said })
}

/// What differs and cannot change while we run.
fn unchangeable(old: &Config, new: &Config) -> Vec<&'static str> {
    let (from, to) = (&old.listen, &new.listen);
    let checks = [
        ("listen.address", from.address != to.address),
        ("listen.control", from.control != to.control),
        ("listen.tls_cert", from.tls_cert != to.tls_cert),
        ("listen.tls_key", from.tls_key != to.tls_key),
        ("listen.workers", from.workers != to.workers),
        ("ledger", old.ledger != new.ledger),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Whether texts are scanned under this configuration.
pub(crate) fn is_scanning(config: &Config) -> bool {
    config.guard.mode == GuardMode::On
}

#[cfg(test)]
mod tests;
