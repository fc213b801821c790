//! `bartizan key`: who may call.
use crate::clock::{OsEntropy, SystemClock, parse_span_ms};
use crate::keys::{self, Fresh, KeyBook};
use crate::outcome::Outcome;
use crate::owner;
use crate::print::{self, Format, Output};
use crate::verbs::state_folder;
use bartizan_core::clock::Clock as _;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// Make, list, revoke and rotate the keys of your callers
///
/// A running `bartizan serve` takes every change by itself, within a second.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Subcommand, Debug)]
enum KeyVerb {
    New(NewArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
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

/// Make a key and show it, this once
///
/// The key is 256 random bits. Only its SHA-256 is kept, so nobody can show it again.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  export APP_KEY=$(bartizan key new --role app --expires 90d)")]
struct NewArgs {
    /// What its bearer is, for policy; may be given several times
    #[arg(long = "role", value_name = "ROLE", default_value = "app")]
    roles: Vec<String>,
    /// How long it lives: 90d, 12h [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_span_ms)]
    expires: Option<u64>,
    #[command(flatten)]
    common: Common,
}

/// List the keys: ids, roles and dates
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan key list --format json")]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// Refuse a key from now on
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan key revoke k-1a2b3c4d")]
struct RevokeArgs {
    /// The key's id
    id: String,
    #[command(flatten)]
    common: Common,
}

/// Make a key that takes another one's place
///
/// The new key has the same roles and the same length of life. The old one works on for the grace time.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan key rotate k-1a2b3c4d --grace 24h")]
struct RotateArgs {
    /// The old key's id
    id: String,
    /// How long the old key works on
    #[arg(long, value_name = "TIME", value_parser = parse_span_ms, default_value = "24h")]
    grace: u64,
    /// How long the new key lives [default: as long as the old one was to live]
    #[arg(long, value_name = "TIME", value_parser = parse_span_ms)]
    expires: Option<u64>,
    #[command(flatten)]
    common: Common,
}

/// Runs the chosen one.
///
/// # Errors
/// Those of [`keys::change`].
pub(crate) fn run(args: KeyArgs) -> anyhow::Result<Outcome> {
    let now_ms = SystemClock::new().unix_ms();
    let end = |span_ms: Option<u64>| span_ms.map(|ms| now_ms.saturating_add(ms));
    match args.verb {
        KeyVerb::New(NewArgs { roles, expires, common }) => {
            let add = |book: &mut KeyBook| book.add(&OsEntropy, &roles, now_ms, end(expires));
            show(&keys::change(&own_folder(common.dir)?, add)?, common.output.format())?;
        }
        KeyVerb::Rotate(RotateArgs { id, grace, expires, common }) => {
            let rotate =
                |book: &mut KeyBook| book.rotate(&OsEntropy, &id, now_ms, grace, end(expires));
            let fresh = keys::change(&own_folder(common.dir)?, rotate)?;
            print::talk(&format!("{id} works on until its grace time is over."));
            show(&fresh, common.output.format())?;
        }
        KeyVerb::Revoke(RevokeArgs { id, common }) => {
            let revoke = |book: &mut KeyBook| book.revoke(&id, now_ms).cloned();
            let entry = keys::change(&own_folder(common.dir)?, revoke)?;
            match common.output.format() {
                Format::Json => print::json(&describe(&entry, now_ms))?,
                Format::Text => print::talk(&format!("{id} is revoked.")),
            }
        }
        KeyVerb::List(ListArgs { common }) => {
            list(
                &KeyBook::read(&keys::path(&state_folder(common.dir)))?,
                common.output.format(),
                now_ms,
            )?;
        }
    }
    Ok(Outcome::Allow)
}

/// The state folder, where keys may be made.
fn own_folder(dir: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let folder = state_folder(dir);
    owner::check(&folder, owner::user())?;
    Ok(folder)
}

fn show(fresh: &Fresh, format: Format) -> anyhow::Result<()> {
    let Fresh { key, entry } = fresh;
    match format {
        Format::Json => print::json(&json!({
            "id": entry.id, "key": key, "roles": entry.roles, "expires_unix_ms": entry.expires_unix_ms
        }))?,
        Format::Text => {
            let end = entry.expires_unix_ms.map_or("never".to_owned(), crate::clock::utc);
            print::talk(&format!(
                "Key {} for {}, expires {end}. It is shown this once:",
                entry.id,
                entry.roles.join(", ")
            ));
            print::line(key)?;
        }
    }
    Ok(())
}

fn list(book: &KeyBook, format: Format, now_ms: u64) -> anyhow::Result<()> {
    if format == Format::Json {
        let all: Vec<_> = book.entries().iter().map(|entry| describe(entry, now_ms)).collect();
        return Ok(print::json(&all)?);
    }
    if book.entries().is_empty() {
        print::talk("There is no key yet: make one with `bartizan key new --role app`.");
        return Ok(());
    }
    let head = ["ID", "STATE", "ROLES", "MADE", "ENDS", "REPLACED BY"].map(str::to_owned).to_vec();
    let rows = book.entries().iter().map(|entry| keys::row(entry, now_ms));
    print::data(&print::columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))?;
    Ok(())
}

fn describe(entry: &keys::Entry, now_ms: u64) -> serde_json::Value {
    json!({
        "id": entry.id,
        "state": entry.state(now_ms),
        "roles": entry.roles,
        "made_unix_ms": entry.made_unix_ms,
        "expires_unix_ms": entry.expires_unix_ms,
        "revoked_unix_ms": entry.revoked_unix_ms,
        "replaced_by": entry.replaced_by,
    })
}
