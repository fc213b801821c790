//! `bartizan witness`: somebody elsewhere who vouches for logs.
use crate::log::Log;
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::serve::Sources;
use crate::serve::signals::Stop;
use crate::witness::key::{self, Home};
use crate::witness::server::{self, Bounds, Desk};
use anyhow::Context as _;
use bartizan_core::sign::Signer as _;
use bartizan_ledger::tlog::{KeyKind, VerifierKey, Witness, WitnessStore};
use clap::{Args, Subcommand};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Vouch for the logs of others: cosign what only grows, refuse what was rewritten
///
/// A log asks a witness to cosign its checkpoints. The witness remembers the last one, on disk, and cosigns the next only with a proof
/// that it extends it: nobody can rewrite a witnessed log, set it back, or keep two versions of it, without the witness noticing. It
/// sees sizes and hashes, never a record. Run it on another machine than the log, and by other people. It speaks C2SP tlog-witness.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  bartizan witness --follow \"$(cat log.vkey)\"       log.vkey is in .bartizan/ledger beside the log
  bartizan witness key                              its public key, for the log's witness.policy
  bartizan witness --listen 10.0.0.7:4182 --insecure --dir /var/lib/witness --follow \"$KEY_A\",\"$KEY_B\"

docs/guides/witness.md has the whole way, ten minutes long."
)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    verb: Option<WitnessVerb>,
    /// Where to listen; another address than this machine's needs --insecure, and something before it that speaks TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4182", value_parser = super::address)]
    listen: SocketAddr,
    /// The folder of the witness: its key, and what it has cosigned
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    dir: PathBuf,
    /// The public keys of the logs to vouch for; several keys of one name are one log whose key was changed
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    follow: Vec<VerifierKey>,
    /// The name of a new witness, such as witness.example.org/w1 [default: a random one]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Listen without TLS on an address that others can reach
    #[arg(long)]
    insecure: bool,
}

/// Where a witness lives when nobody says otherwise.
const FOLDER: &str = ".bartizan-witness";

#[derive(Subcommand, Debug)]
enum WitnessVerb {
    Key(KeyArgs),
}

/// Print the public key of the witness; the key is made when there is none
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  echo \"witness w1 $(bartizan witness key) http://127.0.0.1:4182\" >> witness.policy")]
struct KeyArgs {
    /// The folder of the witness
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    dir: PathBuf,
    /// The name of a new witness [default: a random one]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Prints the key, or serves until it is told to stop.
///
/// # Errors
/// Options that make no sense, a folder that cannot be used, an address that cannot be had.
pub(crate) fn run(args: WitnessArgs, log: Log) -> anyhow::Result<Outcome> {
    match args.verb {
        Some(WitnessVerb::Key(args)) => show_key(&args.dir, args.name.as_deref()),
        None => witness(&args, log),
    }
}

fn show_key(folder: &Path, name: Option<&str>) -> anyhow::Result<Outcome> {
    // One that is there is read without the lock: the witness may be running.
    let key = match key::read(folder)? {
        Some(key) if name.is_none() => key,
        _ => key::open(folder, name, &Sources::real())?.key,
    };
    print::line(&key.cosigner().to_string())?;
    Ok(Outcome::Allow)
}

fn witness(args: &WitnessArgs, log: Log) -> anyhow::Result<Outcome> {
    if !args.listen.ip().is_loopback() && !args.insecure {
        return Err(Usage(format!(
            "{} can be reached by others, and without TLS somebody on the way can keep the witness from logs: listen on 127.0.0.1 behind a server that speaks TLS, or add --insecure",
            args.listen
        ))
        .into());
    }
    let logs = logs(&args.follow)?;
    let sources = Sources::real();
    let Home { key, disk, is_new } = key::open(&args.dir, args.name.as_deref(), &sources)?;
    let public = key.cosigner().to_string();
    let is_own = |followed: &VerifierKey| followed.public_key() == key.public_key();
    if args.follow.iter().any(is_own) {
        let message = "--follow: that is this witness's own key: a log that vouches for itself proves nothing";
        return Err(Usage(message.to_owned()).into());
    }
    let mut witness = Witness::new(Arc::new(key))?;
    for (origin, keys) in logs {
        witness.follow(&origin, keys).map_err(|error| Usage(format!("--follow: {error}")))?;
    }
    let n_logs = witness.origins().count();
    let store = WitnessStore::open(Arc::new(disk), witness)
        .with_context(|| format!("cannot open the witness in {}", args.dir.display()))?;
    let (clock, seen) = (Arc::clone(&sources.clock), Mutex::default());
    let desk = Arc::new(Desk { store, clock, seen });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| {
            format!("cannot listen on {}; choose another address with --listen", args.listen)
        })?;
        let bound = listener.local_addr()?;
        let mut stop = Stop::new()?;
        if is_new {
            tracing::info!(folder = %args.dir.display(), "A key was made.");
        }
        if log.is_talkative() {
            print::talk(&format!(
                "The witness listens on http://{bound} and follows {n_logs} {}.\nIts line in a log's witness.policy:\n  witness w1 {public} http://{}",
                if n_logs == 1 { "log" } else { "logs" },
                super::reachable(bound)
            ));
        } else {
            tracing::info!(listen = %bound, logs = n_logs, key = public, "Witnessing.");
        }
        server::serve(listener, desk, Bounds::default(), async { stop.next().await }).await;
        tracing::info!("Stopped.");
        Ok(Outcome::Allow)
    })
}

/// The keys by the log that they are of.
fn logs(keys: &[VerifierKey]) -> Result<BTreeMap<String, Vec<VerifierKey>>, Usage> {
    let mut logs: BTreeMap<String, Vec<VerifierKey>> = BTreeMap::new();
    for key in keys {
        if key.kind() != KeyKind::Ed25519 {
            return Err(Usage(format!(
                "--follow: {} is the key of a witness, or of a kind that nobody here can verify: give the one in log.vkey",
                key.name()
            )));
        }
        let known = logs.entry(key.name().to_owned()).or_default();
        if !known.contains(key) {
            known.push(key.clone());
        }
    }
    if logs.is_empty() {
        return Err(Usage(
            "--follow is missing: give the public key of the log to vouch for, as it stands in .bartizan/ledger/log.vkey beside the log"
                .to_owned(),
        ));
    }
    Ok(logs)
}
