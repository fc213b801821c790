//! From configuration and keys to the part of a gateway that can be replaced while it runs.
use super::journal::{Journal, Promised};
use super::names::Names;
use super::promise::Promise;
use super::recorded::{Heard, OwnLog};
use super::{KeySource, Sources};
use crate::audit;
use crate::config::{Config, FILE_BYTES_MAX, LedgerMode, Route, Share, Upstream};
use crate::files;
use crate::guard::{self, Texts};
use crate::keys::{self, KeyBook};
use crate::opening;
use crate::outcome::Usage;
use crate::second::{self, Desk, Loaded};
use crate::vault::{self, Anchoring};
use anyhow::Context as _;
use bartizan_core::clock::Clock;
use bartizan_core::detect::Inspector;
use bartizan_core::kind::Catalogue;
use bartizan_core::seal::Pseudonymizer;
use bartizan_gateway::exchange::{Guard, Pseudonyms, Route as ExchangeRoute};
use bartizan_gateway::http::{
    KeyEntry, KeyRing, RouteRule, Secret, Setup, SetupOptions, Terms, UpstreamOptions,
};
use bartizan_inspect::leak::Canaries;
use bartizan_ledger::FsDisk;
use bartizan_policy::GuardPolicy;
use std::path::Path;
use std::sync::Arc;

/// Public id of the key that comes from a variable.
const GIVEN_KEY_ID: &str = "k-env";

/// Builds setups, and remembers the policy of the last one: compiling it again costs more than everything else.
pub(super) struct Builder {
    keys: KeySource,
    sources: Sources,
    policy: Option<(Texts, Arc<GuardPolicy>)>,
    second: Option<Arc<Loaded>>,
    desk: Desk,
    callers: Callers,
    names: Arc<Names>,
}

/// A setup that is not in force yet, and what the ledger has to say about it.
pub(super) struct Built {
    pub(super) setup: Setup,
    pub(super) news: News,
}

/// What the ledger has to hear before a setup is in force.
pub(super) struct News {
    policy: Arc<GuardPolicy>,
    texts: Texts,
    is_new_policy: bool,
    callers: Callers,
}

/// Who may call.
#[derive(Clone)]
enum Callers {
    Book(KeyBook),
    Given,
}

impl Builder {
    pub(super) fn new(keys: KeySource, sources: Sources) -> Self {
        let names = Arc::new(Names::new(Arc::clone(&sources.entropy)));
        let desk = Desk::new(Arc::clone(&sources.clock));
        Self { keys, sources, policy: None, second: None, desk, callers: Callers::Given, names }
    }

    /// What second models are asked with.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The model of the last setup, where it has one.
    pub(super) fn second(&self) -> Option<&Loaded> {
        self.second.as_deref()
    }

    /// What names values in prompts.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Whether the last setup has a key that is live now.
    pub(super) fn has_live_key(&self) -> bool {
        let now_ms = self.sources.clock.unix_ms();
        self.book().is_none_or(|book| book.entries().iter().any(|entry| entry.is_live(now_ms)))
    }

    /// The keys of the last setup, where they come from a file.
    pub(super) fn book(&self) -> Option<&KeyBook> {
        match &self.callers {
            Callers::Book(book) => Some(book),
            Callers::Given => None,
        }
    }

    /// Reads what the configuration names, and makes a setup of it.
    pub(super) fn build(&mut self, config: &Config) -> anyhow::Result<Built> {
        let second = second::load(config, self.second.as_ref())?;
        let texts = guard::texts(config, second.as_deref())?;
        self.build_with(config, texts, second)
    }

    /// Makes a setup with the keys as they are now and the policy and the model of the last setup, whatever their files hold meanwhile.
    pub(super) fn rebuild(&mut self, config: &Config) -> anyhow::Result<Built> {
        match &self.policy {
            Some((texts, _)) => self.build_with(config, texts.clone(), self.second.clone()),
            None => self.build(config),
        }
    }

    fn build_with(
        &mut self,
        config: &Config,
        texts: Texts,
        second: Option<Arc<Loaded>>,
    ) -> anyhow::Result<Built> {
        let behind = second.as_deref().map(|second| (&self.desk, second));
        let inspector = guard::inspector(config, behind)?;
        let (policy, is_new_policy) = match &self.policy {
            Some((known, policy)) if *known == texts => (Arc::clone(policy), false),
            _ => (Arc::new(guard::compile(&texts, inspector.kinds())?), true),
        };
        let (ring, callers) = self.ring(config)?;
        let variable = &*self.sources.variable;
        let clock = &self.sources.clock;
        let key = |upstream: &Upstream| upstream_key(upstream, variable);
        let names: Arc<dyn Pseudonymizer> = Arc::clone(&self.names) as _;
        let looks = (inspector, Arc::clone(&policy), names);
        let setup = setup(config, looks, ring, clock, &key)?;
        self.callers = callers.clone();
        self.policy = Some((texts.clone(), Arc::clone(&policy)));
        self.second = second;
        Ok(Built { setup, news: News { policy, texts, is_new_policy, callers } })
    }

    fn ring(&self, config: &Config) -> anyhow::Result<(KeyRing, Callers)> {
        let (entries, callers) = match &self.keys {
            KeySource::Given(key) => (vec![given(key)], Callers::Given),
            KeySource::Book => {
                let book = KeyBook::read(&keys::path(&config.ledger.dir))?;
                (book.entries().iter().map(booked).collect(), Callers::Book(book))
            }
        };
        let ring = KeyRing::new(entries).map_err(|n| Usage(format!("{n} keys are too many")))?;
        Ok((ring, callers))
    }
}

impl News {
    /// What must be recorded before this setup is in force.
    ///
    /// * `heard`: what the log that it is recorded in has heard so far.
    ///
    /// # Errors
    /// When keys cannot be written down.
    pub(super) fn journal(
        &self,
        sources: &Sources,
        folder: &Path,
        heard: &Heard,
        promised: &Promised,
    ) -> anyhow::Result<Journal> {
        let mut journal = Journal::new(sources, folder, heard);
        journal.policy(self.policy.digest(), &self.texts, promised);
        match &self.callers {
            Callers::Book(book) => journal.keys(book)?,
            Callers::Given => journal.given(GIVEN_KEY_ID, self.is_new_policy),
        }
        Ok(journal)
    }

    /// Where nothing is to be recorded any more, the last word of the ledger that is there says so: whoever finds no records of later knows why.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) async fn farewell(&self, config: &Config, sources: &Sources) -> anyhow::Result<()> {
        if config.ledger.mode != LedgerMode::Off {
            return Ok(());
        }
        self.last_word(config, sources).await.context("recording is not switched off, because the ledger that is there cannot say so: mend it, or name another state folder")
    }

    async fn last_word(&self, config: &Config, sources: &Sources) -> anyhow::Result<()> {
        let state = &config.ledger.dir;
        let folder = audit::log_folder(state);
        if !folder.exists() || !vault::folder(state).exists() {
            return Ok(());
        }
        let key = vault::log_key(state);
        let heard = key.map(|key| Heard::read(state, &key)).transpose()?;
        if heard.is_some_and(|heard| heard.is_farewell()) {
            return Ok(());
        }
        // A configuration without a ledger names no witnesses.
        let disk = FsDisk::lock(&folder)?;
        let opened = opening::open_alone(&config.ledger, disk, Anchoring::Strict, sources).await?;
        let signer = Arc::clone(&opened.vault.signer);
        let mut log = OwnLog::open(state, signer, opened.ledger.cosigner())?;
        let mut journal = Journal::new(sources, state, &log.heard);
        let promised = Promised::only(Promise::asked(config));
        journal.policy(self.policy.digest(), &self.texts, &promised);
        journal.write(&opened.ledger, &mut log).await?;
        opened.close(sources).map(drop)
    }
}

fn given(key: &str) -> KeyEntry {
    KeyEntry {
        id: GIVEN_KEY_ID.to_owned(),
        sha256: keys::hash(key).0,
        roles: std::iter::once(keys::DEFAULT_ROLE.to_owned()).collect(),
        expires_unix_ms: None,
        revoked: false,
        routes: None,
    }
}

fn booked(entry: &keys::Entry) -> KeyEntry {
    KeyEntry {
        id: entry.id.clone(),
        sha256: entry.sha256.0,
        roles: entry.roles.iter().cloned().collect(),
        expires_unix_ms: entry.expires_unix_ms,
        revoked: entry.revoked_unix_ms.is_some(),
        routes: None,
    }
}

fn upstream_key(
    upstream: &Upstream,
    variable: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Secret>> {
    let Some(name) = &upstream.key_env else { return Ok(None) };
    let Some(value) = variable(name) else {
        let message = format!(
            "upstream {}: the variable {name} is not set; export it, or take key_env out",
            upstream.name
        );
        return Err(Usage(message).into());
    };
    let secret =
        Secret::new(value.trim()).map_err(|error| Usage(format!("variable {name}: {error}")))?;
    Ok(Some(secret))
}

fn setup(
    config: &Config,
    (inspector, policy, names): (Arc<dyn Inspector>, Arc<GuardPolicy>, Arc<dyn Pseudonymizer>),
    keys: KeyRing,
    clock: &Arc<dyn Clock>,
    upstream_key: &dyn Fn(&Upstream) -> anyhow::Result<Option<Secret>>,
) -> anyhow::Result<Setup> {
    let catalogue = Catalogue::new(inspector.kinds());
    let pseudonyms = Pseudonyms::new(&config.guard.pseudonyms, &catalogue, names);
    let guard = Guard {
        pseudonyms: Some(pseudonyms).filter(|pseudonyms| !pseudonyms.is_empty()),
        watcher: Some(Arc::new(Canaries::new(config.guard.canaries.clone()))),
        inspector,
        policy,
        limits: config.limits,
        scan: super::is_scanning(config),
        clock: Arc::clone(clock),
    };
    let upstreams = config.upstreams.iter().map(|upstream| {
        let ca_pem = upstream.ca_file.as_ref().map(|path| {
            files::read_bounded(path, FILE_BYTES_MAX)
                .map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))
        });
        anyhow::Ok(UpstreamOptions {
            name: upstream.name.clone(),
            url: upstream.url.clone(),
            key: upstream_key(upstream)?,
            ca_pem: ca_pem.transpose()?,
            http2: true,
        })
    });
    let upstreams = upstreams.collect::<Result<Vec<_>, _>>()?;
    let routes = config.routes_in_force().into_iter().map(|route| rule(config, route));
    let options = SetupOptions {
        guard,
        upstreams,
        routes: routes.collect::<Result<_, _>>()?,
        keys,
        hosts: config.listen.hosts.clone(),
        origins: config.listen.origins.clone(),
        flagged_max: config.guard.flagged_max.map(Share::thousandths),
    };
    let with_terms = |setup: Setup, route: Route| {
        let durability = config.durability_of(&route);
        setup.with_terms(&route.name, &Terms { durability, subject_header: route.subject_header })
    };
    let setup = Setup::new(options)
        .and_then(|setup| config.routes_in_force().into_iter().try_fold(setup, with_terms));
    Ok(setup.map_err(|error| Usage(error.to_string()))?)
}

fn rule(config: &Config, route: Route) -> anyhow::Result<RouteRule> {
    let upstream =
        config.upstream_of(&route).context("there is no upstream to guard")?.name.clone();
    let Route { name, mut models, document_delimiters, restore_tool_calls, .. } = route;
    // A rule without patterns takes every model, and need not look for its name.
    if models.iter().any(|pattern| pattern == "*") {
        models.clear();
    }
    let route = ExchangeRoute { name, document_delimiters, restore_tool_calls };
    Ok(RouteRule { route, upstream, models })
}

/// Checks what a configuration names as far as that goes without starting: policy, certificates, URLs. It asks for no variable, since
/// whoever checks a file is rarely who runs it.
///
/// # Errors
/// What [`super::start`] would say.
pub(crate) fn check_files(config: &Config) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock::new());
    let (desk, second) = (Desk::new(Arc::clone(&clock)), second::load(config, None)?);
    let inspector = guard::inspector(config, second.as_deref().map(|second| (&desk, second)))?;
    let texts = guard::texts(config, second.as_deref())?;
    let policy = Arc::new(guard::compile(&texts, inspector.kinds())?);
    let names = Arc::new(Names::new(Arc::new(crate::clock::OsEntropy)));
    setup(config, (inspector, policy, names), KeyRing::default(), &clock, &|_| Ok(None))?;
    super::tls(config)?;
    if let Some(witness) = &config.ledger.witness {
        crate::witness::policy::load(witness, None)?;
    }
    Ok(())
}
