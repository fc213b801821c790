//! `bartizan.toml`: what it may say, what it means when it says nothing, and where exactly it is wrong.
//!
//! Reading is pure: text in, [`Config`] or [`ConfigError`] out. Files and variables that the text names are opened by whoever starts
//! the gateway. No secret stands in the file, only names of variables that hold one; the checks here see to it.
use bartizan_core::evidence::Source;
use bartizan_gateway::exchange::Durability;
use bartizan_gateway::limits::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

mod check;
mod problem;
mod template;

pub(crate) use problem::{ConfigError, Problem, closest};
pub(crate) use template::TEMPLATE;

/// Name of the file that is read when nobody names another.
pub(crate) const CONFIG_FILE: &str = "bartizan.toml";
/// Most bytes of the file, and of a policy or certificate that it names.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;
/// Most upstreams, routes, hosts and so on: each list of the file.
pub(crate) const LIST_MAX: usize = 256;
/// Port of the callers' listener.
pub(crate) const PORT: u16 = 4180;
/// Port of the control listener.
pub(crate) const CONTROL_PORT: u16 = 4181;
/// Most threads that serve callers.
pub(crate) const WORKERS_MAX: usize = 256;
/// Name of the state folder.
pub(crate) const STATE_FOLDER: &str = ".bartizan";
/// Name of the route and of the upstream that are there when nobody names one.
pub(crate) const DEFAULT_NAME: &str = "default";

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where we listen.
    pub(crate) listen: Listen,
    /// What we remember.
    pub(crate) ledger: Ledger,
    /// What we enforce.
    pub(crate) guard: Guard,
    /// Every bound.
    pub(crate) limits: Limits,
    /// The servers behind us.
    #[serde(rename = "upstream")]
    pub(crate) upstreams: Vec<Upstream>,
    /// Which model goes where.
    #[serde(rename = "route")]
    pub(crate) routes: Vec<Route>,
}

/// `[listen]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    /// For callers.
    pub(crate) address: SocketAddr,
    /// For operators: health, readiness, metrics.
    pub(crate) control: SocketAddr,
    /// Certificate chain, PEM.
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub(crate) tls_key: Option<PathBuf>,
    /// Names that callers may use for us, beside IP addresses and localhost.
    pub(crate) hosts: Vec<String>,
    /// Web origins whose pages may call us.
    pub(crate) origins: Vec<String>,
    /// Threads that serve callers; 0 lets [`Listen::worker_threads`] choose.
    pub(crate) workers: usize,
}

impl Default for Listen {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            address: local(PORT),
            control: local(CONTROL_PORT),
            tls_cert: None,
            tls_key: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            workers: 0,
        }
    }
}

impl Listen {
    /// Threads that serve callers. By default one for every two processors: the ledger's thread and the kernel's network stack need the
    /// others, and more workers than work cost more in wake-ups than they save.
    pub(crate) fn worker_threads(&self) -> usize {
        let n_processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.workers == 0 { n_processors.div_ceil(2) } else { self.workers.min(WORKERS_MAX) }
    }
}

/// Whether a record is durable before anything is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LedgerMode {
    /// It is.
    #[default]
    Durable,
    /// Nothing is recorded at all.
    Off,
}

/// `[ledger]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ledger {
    /// The state folder; the log is in `ledger` inside it, the keys' hashes beside that.
    pub(crate) dir: PathBuf,
    /// Whether we record.
    pub(crate) mode: LedgerMode,
    /// Most records that may wait for the disk.
    pub(crate) queue_records_max: usize,
    /// Most bytes that may wait for the disk.
    pub(crate) queue_bytes_max: usize,
    /// How long what is kept can be read.
    pub(crate) retention: Retention,
    /// Who watches over the log from elsewhere.
    pub(crate) witness: Option<Witness>,
}

/// `[ledger.witness]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    /// The file that names the witnesses and their quorum, in the format of C2SP tlog-policy.
    pub(crate) policy: PathBuf,
    /// How often they are asked about a new checkpoint.
    #[serde(default = "every_ms")]
    pub(crate) every_ms: u64,
    /// How long one of them may take to answer.
    #[serde(default = "timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// Whether the gateway is unready without a quorum.
    #[serde(default)]
    pub(crate) require: bool,
    /// Certificate authorities to trust for them, PEM, beside the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

fn every_ms() -> u64 {
    1_000
}

fn timeout_ms() -> u64 {
    5_000
}

/// `[ledger.retention]`: days after which the key of a day is destroyed. Leaves are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "these are the keys of the configuration")]
pub(crate) struct Retention {
    /// Of prompts and answers.
    pub(crate) payload_days: u64,
    /// Of what was found in traffic, and what was decided about it.
    pub(crate) traffic_days: u64,
    /// Of what was admitted, gated or waived, and of changes of policy and keys.
    pub(crate) admission_days: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { payload_days: 200, traffic_days: 1096, admission_days: 3653 }
    }
}

impl Retention {
    /// The days of one class.
    pub(crate) fn days(self, retention: bartizan_core::seal::Retention) -> u64 {
        use bartizan_core::seal::Retention as Class;
        match retention {
            Class::Payload => self.payload_days,
            Class::Traffic => self.traffic_days,
            _ => self.admission_days,
        }
    }
}

impl Default for Ledger {
    fn default() -> Self {
        let queue = bartizan_ledger::Options::default();
        Self {
            dir: PathBuf::from(STATE_FOLDER),
            mode: LedgerMode::default(),
            queue_records_max: queue.queue_records_max,
            queue_bytes_max: queue.queue_bytes_max,
            retention: Retention::default(),
            witness: None,
        }
    }
}

/// Whether texts are scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GuardMode {
    /// They are.
    #[default]
    On,
    /// They pass unread; only callers are checked and records written.
    Off,
}

/// `[guard]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Guard {
    /// One of the policies that we ship.
    pub(crate) profile: Option<String>,
    /// A Cedar file of your own instead.
    pub(crate) policy: Option<PathBuf>,
    /// Whether texts are scanned.
    pub(crate) mode: GuardMode,
    /// Kinds of your own.
    pub(crate) kind: Vec<OwnKind>,
    /// Values that are no findings.
    pub(crate) except: Vec<Except>,
    /// Kinds and classes of values that the model reads placeholders for.
    pub(crate) pseudonyms: Vec<String>,
    /// Words that stand in the system prompts so that they betray a leak.
    pub(crate) canaries: Vec<String>,
    /// From which score on the text model makes a finding.
    pub(crate) threshold: Vec<Threshold>,
    /// A classifier that is asked where the text model is unsure.
    pub(crate) second_model: Option<SecondModel>,
    /// The over-defence budget: the share of requests that may be flagged as attacks before that is an alert.
    pub(crate) flagged_max: Option<Share>,
}

/// `[[guard.kind]]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OwnKind {
    /// What policies and records call it: `acme.employee-id`.
    pub(crate) name: String,
    /// A few words for people.
    pub(crate) title: String,
    /// A regular expression whose matches have a longest length.
    pub(crate) pattern: Option<String>,
    /// Words and phrases, in any case.
    pub(crate) words: Vec<String>,
    /// Matches that are none.
    pub(crate) allow: Vec<String>,
}

/// `[[guard.except]]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Except {
    /// The kind: `pii.email`.
    pub(crate) kind: String,
    /// Values of it; a `*` at the beginning or end of one stands for anything.
    pub(crate) values: Vec<String>,
}

/// `[[guard.threshold]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    /// A kind that the text model finds: `injection.jailbreak`.
    pub(crate) kind: String,
    /// Whose text; tools and documents are one.
    pub(crate) source: Source,
    /// From this score on.
    pub(crate) at: Share,
}

/// `[guard.second_model]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondModel {
    /// The folder of the model.
    pub(crate) path: PathBuf,
    /// What it is asked for, and what it calls that: `injection = "INJECTION"`.
    pub(crate) labels: BTreeMap<String, String>,
    /// The scores of the text model between which it counts as unsure.
    #[serde(default = "band")]
    pub(crate) band: Shares,
    /// The score of the second model from which on there is a finding.
    #[serde(default = "at")]
    pub(crate) at: Share,
    /// Whether it may take back what the text model found in the band.
    #[serde(default)]
    pub(crate) may_clear: bool,
    /// Most tokens of a text.
    #[serde(default = "tokens_max")]
    pub(crate) tokens_max: usize,
    /// Time for one text.
    #[serde(default = "time_ms")]
    pub(crate) time_ms: u64,
    /// Texts that are judged at a time.
    #[serde(default = "concurrency")]
    pub(crate) concurrency: usize,
    /// Texts that may wait for that.
    #[serde(default = "waiting_max")]
    pub(crate) waiting_max: usize,
    /// What holds for one label at one place instead.
    #[serde(default)]
    pub(crate) rule: Vec<SecondRule>,
}

/// `[[guard.second_model.rule]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondRule {
    /// One of the labels.
    pub(crate) label: String,
    /// Whose text; tools and documents are one.
    pub(crate) source: Source,
    /// Where the text model counts as unsure.
    pub(crate) band: Option<Shares>,
    /// From which score on there is a finding.
    pub(crate) at: Option<Share>,
}

fn band() -> Shares {
    Shares { from: Share(200), to: Share(800) }
}

fn at() -> Share {
    Share(500)
}

fn tokens_max() -> usize {
    4096
}

fn time_ms() -> u64 {
    1_000
}

fn concurrency() -> usize {
    1
}

fn waiting_max() -> usize {
    64
}

/// A number between 0 and 1, to three places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct Share(u16);

impl Share {
    /// Thousandths.
    pub(crate) const fn thousandths(self) -> u16 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(number: f64) -> Result<Self, String> {
        let near = (1_u16..1000).find(|&n| (f64::from(n) - number * 1000.0).abs() <= 0.5);
        near.map(Self).ok_or_else(|| format!("{number} is not between 0.001 and 0.999"))
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        Self::from(share.0) / 1000.0
    }
}

/// Two of them: `[0.2, 0.8]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Share>", into = "[Share; 2]")]
pub(crate) struct Shares {
    /// The first.
    pub(crate) from: Share,
    /// The second.
    pub(crate) to: Share,
}

impl TryFrom<Vec<Share>> for Shares {
    type Error = String;

    fn try_from(shares: Vec<Share>) -> Result<Self, String> {
        match *shares {
            [from, to] => Ok(Self { from, to }),
            _ => Err(format!("{} numbers instead of two, as in [0.2, 0.8]", shares.len())),
        }
    }
}

impl From<Shares> for [Share; 2] {
    fn from(shares: Shares) -> Self {
        [shares.from, shares.to]
    }
}

impl Guard {
    /// The rules in force, for people.
    pub(crate) fn in_force(&self) -> String {
        let rules = match &self.policy {
            Some(path) => format!("policy {}", path.display()),
            None => format!("profile {}", self.profile_name()),
        };
        match self.mode {
            GuardMode::On => rules,
            GuardMode::Off => format!("off, so every text passes unread ({rules})"),
        }
    }

    /// The profile in force when no file replaces it.
    pub(crate) fn profile_name(&self) -> &str {
        self.profile.as_deref().unwrap_or("standard")
    }
}

/// `[[upstream]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// What routes and metrics call it.
    pub(crate) name: String,
    /// Where its OpenAI-compatible API starts: `http://127.0.0.1:11434`, with or without `/v1`.
    pub(crate) url: String,
    /// The variable that holds its key.
    pub(crate) key_env: Option<String>,
    /// Certificate authorities to trust for it, PEM, beside the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

/// `[[route]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// What policies and records call it.
    pub(crate) name: String,
    /// The models it serves: names, with `*` for any run of characters.
    #[serde(default = "any_model")]
    pub(crate) models: Vec<String>,
    /// The upstream it leads to; may be left out while there is only one.
    pub(crate) upstream: Option<String>,
    /// Content that nobody can scan and that passes all the same, such as `media`.
    #[serde(default)]
    pub(crate) allow_unread: Vec<String>,
    /// Rewrite tool calls that hold something secret, instead of refusing them.
    #[serde(default)]
    pub(crate) redact_tool_calls: bool,
    /// Put values back for their placeholders in tool calls too.
    #[serde(default)]
    pub(crate) restore_tool_calls: bool,
    /// Pairs of marks that set documents apart inside a message.
    #[serde(default)]
    pub(crate) document_delimiters: Vec<(String, String)>,
    /// The request header that names the person an exchange is about, where the body does not.
    pub(crate) subject_header: Option<String>,
    /// What is promised of its records; [`Config::durability_of`] knows what holds.
    pub(crate) durability: Option<Durability>,
}

fn any_model() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Route {
    /// The route that is there when no other is.
    pub(crate) fn default_route() -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            models: any_model(),
            upstream: None,
            allow_unread: Vec::new(),
            redact_tool_calls: false,
            restore_tool_calls: false,
            document_delimiters: Vec::new(),
            subject_header: None,
            durability: None,
        }
    }
}

impl Upstream {
    /// An upstream that needs no key and no certificate of its own.
    pub(crate) fn plain(name: &str, url: &str) -> Self {
        Self { name: name.to_owned(), url: url.to_owned(), key_env: None, ca_file: None }
    }
}

impl Config {
    /// Everything by default, in front of one server.
    pub(crate) fn for_upstream(url: &str) -> Self {
        Self { upstreams: vec![Upstream::plain(DEFAULT_NAME, url)], ..Self::default() }
    }

    /// Reads the text of a file that people call `path`.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem that was found, each at its place.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, ConfigError> {
        let problems = match toml::from_str::<Self>(text) {
            Ok(config) => match check::problems(&config, text) {
                problems if problems.is_empty() => return Ok(config),
                problems => problems,
            },
            Err(error) => vec![check::explain(&error, text)],
        };
        Err(ConfigError::new(path, text, problems))
    }

    /// The problems of a configuration that no file was read for: it came from the command line.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        check::problems(self, "")
    }

    /// What may not be what was meant, although it is right.
    ///
    /// * `is_set`: whether a variable is there
    pub(crate) fn doubts(&self, is_set: &dyn Fn(&str) -> bool) -> Vec<String> {
        check::doubts(self, is_set)
    }

    /// The routes, with the one that is there when the file has none.
    pub(crate) fn routes_in_force(&self) -> Vec<Route> {
        if self.routes.is_empty() { vec![Route::default_route()] } else { self.routes.clone() }
    }

    /// The upstream that a route leads to.
    pub(crate) fn upstream_of(&self, route: &Route) -> Option<&Upstream> {
        match &route.upstream {
            Some(name) => self.upstreams.iter().find(|upstream| upstream.name == *name),
            None => self.upstreams.first(),
        }
    }

    /// What is promised of a route's records: nothing, where the whole ledger is off.
    pub(crate) fn durability_of(&self, route: &Route) -> Durability {
        match self.ledger.mode {
            LedgerMode::Durable => route.durability.unwrap_or_default(),
            LedgerMode::Off => Durability::Off,
        }
    }

    /// Files that are read together with this one, relative to its folder.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let listen = [&self.listen.tls_cert, &self.listen.tls_key, &self.guard.policy];
        let authorities = self.upstreams.iter().map(|upstream| &upstream.ca_file);
        listen.into_iter().chain(authorities).flatten()
    }

    /// Makes every path absolute, or relative to where we run: paths in a file count from the file's folder.
    pub(crate) fn resolve_paths(&mut self, folder: &std::path::Path) {
        let own = [&mut self.listen.tls_cert, &mut self.listen.tls_key, &mut self.guard.policy];
        let authorities = self.upstreams.iter_mut().map(|upstream| &mut upstream.ca_file);
        for path in own.into_iter().chain(authorities).flatten() {
            *path = folder.join(&*path);
        }
        self.ledger.dir = folder.join(&self.ledger.dir);
        if let Some(second) = &mut self.guard.second_model {
            second.path = folder.join(&second.path);
        }
        if let Some(witness) = &mut self.ledger.witness {
            witness.policy = folder.join(&witness.policy);
            witness.ca_file = witness.ca_file.take().map(|path| folder.join(path));
        }
    }
}

#[cfg(test)]
mod tests;
