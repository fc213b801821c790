//! `bartizan vault`: our own secrets.
use crate::opening::Place;
use crate::outcome::Outcome;
use crate::print::{self, Format, Output};
use crate::rotation::{self, Accepted};
use crate::serve::Sources;
use crate::vault::{Vault, waiting_log_key};
use crate::verbs::state_folder;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

/// Look at the keys that seal payloads and sign checkpoints, and replace them
#[derive(Args, Debug)]
pub(crate) struct VaultArgs {
    #[command(subcommand)]
    verb: VaultVerb,
}

#[derive(Subcommand, Debug)]
enum VaultVerb {
    Status(StatusArgs),
    Rotate(RotateArgs),
    Accept(AcceptArgs),
}

/// Say how many keys there are, and which public key an auditor needs
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan vault status")]
struct StatusArgs {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Replace a key; the gateway must be stopped meanwhile
///
/// `log`: the key that signs checkpoints. Give the new public key to whoever verifies; who has only the old one can follow a note beside the
/// log. `tenant`: the key that wraps all others. What was sealed stays readable.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan vault rotate log")]
struct RotateArgs {
    /// Which key
    #[arg(value_enum)]
    key: Which,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    output: Output,
}

/// Go on with a ledger that is older than the vault knows, because it is all that is left
///
/// The whole ledger is verified first. It is also the way to go on with a ledger that a witness has contradicted (`ledger/contradiction.json`), and
/// with a vault that lacks keys, where there is nothing better.
///
/// The gateway must be stopped. Where leaves behind the checkpoint were not written with the log's key, --cut-tail cuts them off first: what is
/// cut is kept in `torn/`, and the ledger records that, and by whom.
///
/// What the lost part of an older ledger said is lost, and whoever has seen a later checkpoint will not accept the log any more;
/// witnesses refuse it. The ledger records that it was set back, and by whom.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan vault accept
  bartizan vault accept --cut-tail")]
struct AcceptArgs {
    #[command(flatten)]
    place: Place,
    /// Cut off what the log's key does not vouch for
    #[arg(long)]
    cut_tail: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// The key that signs checkpoints
    Log,
    /// The key that wraps all others
    Tenant,
}

/// Runs the chosen one.
///
/// # Errors
/// When the vault cannot be read, or a gateway is using it.
pub(crate) fn run(args: VaultArgs) -> anyhow::Result<Outcome> {
    match args.verb {
        VaultVerb::Status(args) => status(args),
        VaultVerb::Rotate(args) => rotate(&args),
        VaultVerb::Accept(args) => accept(&args),
    }
}

fn status(args: StatusArgs) -> anyhow::Result<Outcome> {
    let sources = Sources::real();
    let state = state_folder(args.dir);
    let vault = Vault::peek(&state, &sources)?;
    let next = waiting_log_key(&state);
    let (key, counts) = (vault.signer.verifier().to_string(), vault.keys.counts());
    if args.output.format() == Format::Json {
        print::json(&json!({
            "verifier_key": key, "subjects": counts.subjects, "periods": counts.periods,
            "destroyed": counts.destroyed, "next_verifier_key": next,
        }))?;
    } else {
        print::line(&format!("public key of the log   {key}"))?;
        print::line(&format!("keys of subjects        {}", counts.subjects))?;
        print::line(&format!("keys of periods         {}", counts.periods))?;
        print::line(&format!("keys that were destroyed {}", counts.destroyed))?;
        if let Some(next) = next {
            print::line(&format!("next key of the log     {next}"))?;
            print::warn(
                "a rotation of the log's key was cut short: `bartizan vault rotate log` goes on with that next key, and the next start finishes it where it comes first in log.vkey already",
            );
        }
    }
    Ok(Outcome::Allow)
}

fn rotate(args: &RotateArgs) -> anyhow::Result<Outcome> {
    let sources = Sources::real();
    let (value, words) = match args.key {
        Which::Log => {
            let key = rotation::rotate_log(&args.place, &sources)?;
            let words = format!("rotated; the public key is now {key}");
            (json!({"rotated": "log", "verifier_key": key}), words)
        }
        Which::Tenant => {
            let rewrapped = rotation::rotate_tenant(&args.place, &sources)?;
            let words = format!("rotated; {rewrapped} keys are wrapped by the new one");
            (json!({"rotated": "tenant", "rewrapped": rewrapped}), words)
        }
    };
    match args.output.format() {
        Format::Json => print::json(&value)?,
        Format::Text => print::line(&words)?,
    }
    Ok(Outcome::Allow)
}

fn accept(args: &AcceptArgs) -> anyhow::Result<Outcome> {
    let accepted = rotation::accept(&args.place, args.cut_tail, &Sources::real())?;
    let nothing = || "nothing to accept: the ledger is what the vault knows".to_owned();
    let words = accepted.as_ref().map_or_else(nothing, Accepted::text);
    let value = Accepted::json(accepted.as_ref());
    match args.output.format() {
        Format::Json => print::json(&value)?,
        Format::Text => print::line(&words)?,
    }
    Ok(if accepted.is_some() { Outcome::Allow } else { Outcome::Deny })
}
