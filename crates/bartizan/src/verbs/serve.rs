//! `bartizan serve`: the wall.
use crate::config::{CONFIG_FILE, Config};
use crate::files;
use crate::keys::FOREIGN_KEY_CHARS_MIN;
use crate::log::Log;
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::serve::follow::{end, follow};
use crate::serve::signals::{HangUp, Stop};
use crate::serve::{self, KeySource, Running, ServeOptions, Sources};
use anyhow::Context as _;
use bartizan_policy::Profile;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Name of the file in the state folder that holds a first key that nobody was there to read.
const FIRST_KEY_FILE: &str = "first.key";

const NEITHER: &str = "\
nothing to guard: neither --upstream nor a configuration was given
  bartizan serve --upstream http://127.0.0.1:11434     guards that server, no file needed
  bartizan init && bartizan serve                      writes bartizan.toml, then reads it";

/// Guard a server with the OpenAI API
///
/// With --upstream it needs no file. Otherwise it reads ./bartizan.toml, and follows its changes while it runs.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan serve --upstream http://127.0.0.1:11434
  bartizan serve --upstream https://api.example.org/v1 --upstream-key-env API_KEY --profile strict
  bartizan serve --config /etc/bartizan/bartizan.toml

SIGTERM or Ctrl-C lets open answers end, a second one does not. SIGHUP reads the configuration again.")]
pub(crate) struct ServeArgs {
    /// The server to guard
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    upstream: Option<String>,
    /// The variable that holds the upstream's key
    #[arg(long, value_name = "VAR", requires = "upstream")]
    upstream_key_env: Option<String>,
    /// The configuration [default: ./bartizan.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where callers are served [default: 127.0.0.1:4180]
    #[arg(long, value_name = "ADDRESS", value_parser = super::address)]
    listen: Option<SocketAddr>,
    /// Where /healthz, /readyz and /metrics are served [default: 127.0.0.1:4181]
    #[arg(long, value_name = "ADDRESS", value_parser = super::address)]
    control: Option<SocketAddr>,
    /// The variable that holds the one accepted caller key; without it the keys of `bartizan key` count
    #[arg(long, value_name = "VAR")]
    key_env: Option<String>,
    /// The rules [default: standard]
    #[arg(long, value_parser = super::policy::profiles())]
    profile: Option<Profile>,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A name that callers may use for this server; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Serve others without TLS
    #[arg(long)]
    insecure: bool,
}

impl ServeArgs {
    /// The file to read, if one is to be read.
    fn file(&self) -> Option<PathBuf> {
        match (&self.upstream, &self.config) {
            (Some(_), _) => None,
            (None, Some(file)) => Some(file.clone()),
            (None, None) => Some(PathBuf::from(CONFIG_FILE)).filter(|file| file.exists()),
        }
    }

    /// The configuration as it is now: the file, and what the command line says over it.
    fn load(&self) -> anyhow::Result<Config> {
        let mut config = match (self.file(), &self.upstream) {
            (Some(file), _) => super::config::read(&file)?,
            (None, Some(url)) => self.plain(url)?,
            (None, None) => return Err(Usage(NEITHER.to_owned()).into()),
        };
        self.override_rules(&mut config)?;
        let listen = &mut config.listen;
        listen.address = self.listen.unwrap_or(listen.address);
        listen.control = self.control.unwrap_or(listen.control);
        let flags = match (self.listen, self.control) {
            (Some(_), Some(_)) => "--listen and --control",
            (_, None) => "--listen",
            (None, _) => "--control",
        };
        check(&config, flags)?;
        config.listen.hosts.extend(self.hosts.iter().cloned());
        check(&config, "--host")?;
        if let Some(dir) = &self.dir {
            config.ledger.dir.clone_from(dir);
        }
        Ok(config)
    }

    /// A profile replaces a profile. It does not silently replace rules that somebody wrote for this place.
    fn override_rules(&self, config: &mut Config) -> Result<(), Usage> {
        let Some(profile) = self.profile else { return Ok(()) };
        if let Some(policy) = &config.guard.policy {
            return Err(Usage(format!(
                "--profile {} and [guard] policy = {} exclude each other: leave the flag out, or take the line out",
                profile.name(),
                policy.display()
            )));
        }
        config.guard.profile = Some(profile.name().to_owned());
        Ok(())
    }

    fn plain(&self, url: &str) -> anyhow::Result<Config> {
        let mut config = Config::for_upstream(url);
        check(&config, "--upstream")?;
        for upstream in &mut config.upstreams {
            upstream.key_env.clone_from(&self.upstream_key_env);
        }
        check(&config, "--upstream-key-env")?;
        Ok(config)
    }

    fn keys(&self, sources: &Sources) -> Result<KeySource, Usage> {
        let Some(name) = &self.key_env else { return Ok(KeySource::Book) };
        let Some(key) = (sources.variable)(name) else {
            return Err(Usage(format!("--key-env: the variable {name} is not set")));
        };
        if key.chars().count() < FOREIGN_KEY_CHARS_MIN || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(Usage(format!(
                "--key-env: {name} holds no acceptable key: it takes at least {FOREIGN_KEY_CHARS_MIN} characters, and no blanks; `bartizan key new` makes a good one"
            )));
        }
        Ok(KeySource::Given(key))
    }
}

/// Checks a configuration that was right until `flag` changed it.
fn check(config: &Config, flag: &str) -> Result<(), Usage> {
    let Some(problem) = config.problems().into_iter().next() else { return Ok(()) };
    let help = problem.help.map_or(String::new(), |help| format!("\n  {help}"));
    Err(Usage(format!("{flag}: {}{help}", problem.message)))
}

/// Puts a first key where only its owner can read it, unless a person reads what we say: what goes to a file or a collector of logs is
/// read by others. Returns where it is.
fn keep_first_key(running: &Running, log: Log) -> anyhow::Result<Option<PathBuf>> {
    let Some(made) = &running.made_key else { return Ok(None) };
    if log.is_talkative() && print::is_heard_by_a_person() {
        return Ok(None);
    }
    let path = running.config().ledger.dir.join(FIRST_KEY_FILE);
    files::replace(&path, format!("{}\n", made.key).as_bytes()).with_context(|| {
        format!(
            "cannot write the first key to {}; make another with `bartizan key new`",
            path.display()
        )
    })?;
    Ok(Some(path))
}

/// Serves until it is told to stop.
///
/// # Errors
/// Those of [`serve::start`].
pub(crate) fn run(args: &ServeArgs, log: Log) -> anyhow::Result<Outcome> {
    let sources = Sources::real();
    let options =
        ServeOptions { config: args.load()?, keys: args.keys(&sources)?, insecure: args.insecure };
    if args.upstream.is_some() && Path::new(CONFIG_FILE).exists() {
        tracing::info!("Not reading ./bartizan.toml, since --upstream was given.");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.config.listen.worker_threads())
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        let mut hang_up = HangUp::new()?;
        let mut running = serve::start(options, sources).await?;
        let key_file = match keep_first_key(&running, log) {
            Ok(file) => file,
            Err(error) => {
                running.shutdown().await;
                return Err(error);
            }
        };
        super::welcome::say(&running, args.key_env.as_deref(), key_file.as_deref(), log);
        let load = || args.load();
        follow(&mut running, args.file().as_deref(), &load, &mut stop, &mut hang_up).await;
        Ok(end(running, &mut stop).await)
    })
}
