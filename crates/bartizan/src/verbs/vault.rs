//! `bartizan vault`: our own secrets.
use crate::audit;
use crate::orders;
use crate::outcome::Outcome;
use crate::print::{self, Format, Output};
use crate::serve::Sources;
use crate::vault::Vault;
use crate::verbs::state_folder;
use anyhow::Context as _;
use bartizan_ledger::FsDisk;
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
}

#[derive(Args, Debug)]
struct Common {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Say how many keys there are, and which public key an auditor needs
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan vault status")]
struct StatusArgs {
    #[command(flatten)]
    common: Common,
}

/// Replace a key; the gateway must be stopped meanwhile
///
/// `log`: the key that signs checkpoints. Give the new public key to whoever verifies; the old one stays good for what it signed.
/// `tenant`: the key that wraps all others. What was sealed stays readable.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan vault rotate log")]
struct RotateArgs {
    /// Which key
    #[arg(value_enum)]
    key: Which,
    #[command(flatten)]
    common: Common,
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
        VaultVerb::Rotate(args) => rotate(args),
    }
}

fn status(args: StatusArgs) -> anyhow::Result<Outcome> {
    let sources = Sources::real();
    let vault = Vault::read(&state_folder(args.common.dir), &sources)?;
    let (key, counts) = (vault.signer.verifier().to_string(), vault.keys.counts());
    if args.common.output.format() == Format::Json {
        print::json(&json!({
            "verifier_key": key, "subjects": counts.subjects, "periods": counts.periods,
            "destroyed": counts.destroyed,
        }))?;
    } else {
        print::line(&format!("public key of the log   {key}"))?;
        print::line(&format!("keys of subjects        {}", counts.subjects))?;
        print::line(&format!("keys of periods         {}", counts.periods))?;
        print::line(&format!("keys that were destroyed {}", counts.destroyed))?;
    }
    Ok(Outcome::Allow)
}

fn rotate(args: RotateArgs) -> anyhow::Result<Outcome> {
    let (state, sources) = (state_folder(args.common.dir), Sources::real());
    let is_json = args.common.output.format() == Format::Json;
    let in_use = "the keys are in use: stop the gateway first";
    let ledger = FsDisk::lock(&audit::log_folder(&state)).context(in_use)?;
    let vault = Vault::open(&state, &sources).context(in_use)?;
    match args.key {
        Which::Log => {
            let key = vault.rotate_log(&state, &ledger, &sources)?;
            drop((vault, ledger));
            orders::rotated(&state, "log", &sources)?;
            let words = format!("rotated; the public key is now {key}");
            if is_json {
                print::json(&json!({"rotated": "log", "verifier_key": key}))?;
            } else {
                print::line(&words)?;
            }
        }
        Which::Tenant => {
            let rewrapped = vault.rotate_tenant(&state, &sources)?;
            drop((vault, ledger));
            orders::rotated(&state, "tenant", &sources)?;
            let words = format!("rotated; {rewrapped} keys are wrapped by the new one");
            if is_json {
                print::json(&json!({"rotated": "tenant", "rewrapped": rewrapped}))?;
            } else {
                print::line(&words)?;
            }
        }
    }
    Ok(Outcome::Allow)
}
