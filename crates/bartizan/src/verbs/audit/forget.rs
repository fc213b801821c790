//! `bartizan audit erase` and `expire`: what is forgotten on request, and what is forgotten because its time is over.
use crate::anchor::{doubt, trusted_ms};
use crate::clock::utc;
use crate::config::Retention;
use crate::opening::Place;
use crate::orders::{self, Answer, Order};
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::serve::Sources;
use crate::vault::Vault;
use bartizan_core::seal::Retention as Class;
use bartizan_keys::SUBJECT_NAME_BYTES_MAX;
use clap::Args;
use serde_json::{Value, json};

const DAY_MS: u64 = 86_400_000;

/// Forget a person: destroy the key of everything that was recorded about them
///
/// The ledger keeps a tombstone, and every proof stays valid. What it does not reach: copies that were exported before, backups of
/// the vault that are never opened again, and people who are only mentioned in the texts of others.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan audit erase --subject user-4711     as the requests named them: safety_identifier, user, or the route's header")]
pub(super) struct EraseArgs {
    /// The person, by the name that requests gave; caller:KEY for a caller that named nobody
    #[arg(long, value_name = "NAME")]
    subject: String,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn erase(args: &EraseArgs) -> anyhow::Result<Outcome> {
    let (folder, sources) = (args.place.folder()?, Sources::real());
    if args.subject.is_empty() {
        return Err(
            Usage("--subject is empty: name the person as the requests did".to_owned()).into()
        );
    }
    if SUBJECT_NAME_BYTES_MAX < args.subject.len() {
        let bytes = args.subject.len();
        let message = format!(
            "--subject has {bytes} bytes, and no request can name anybody by more than {SUBJECT_NAME_BYTES_MAX}: nobody is called that"
        );
        return Err(Usage(message).into());
    }
    let tag = Vault::peek(&folder, &sources)?.keys.tag(&args.subject)?.to_string();
    let by = orders::label(&sources);
    let answer = orders::give(&args.place, &Order::Erase { tag, by }, &sources)?;
    match (&answer, args.json) {
        (answer, true) => print::json(answer)?,
        (Answer::Done { index, record }, false) => print::line(&format!(
            "erased: the key {record} is destroyed, and leaf {index} is its tombstone"
        ))?,
        (_, false) => print::line(
            "nothing to erase: no record is about a subject of that name, or it was erased before",
        )?,
    }
    Ok(if matches!(answer, Answer::Done { .. }) { Outcome::Allow } else { Outcome::Deny })
}

/// Say which keys of days that are over would be destroyed; with --confirm-clock, destroy them
///
/// A running gateway does that by itself each hour, as long as the clock has not gone on by more than 31 days while it did not run: after a
/// longer pause, or with a clock that is wrong, it asks you. The ledger records who confirmed which time.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit expire                     what would be destroyed, by the clock as it is now
  bartizan audit expire --confirm-clock     the clock is right: destroy it")]
pub(super) struct ExpireArgs {
    /// The clock is right: destroy what is older than its retention, for good
    #[arg(long)]
    confirm_clock: bool,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn expire(args: &ExpireArgs) -> anyhow::Result<Outcome> {
    let sources = Sources::real();
    if args.confirm_clock {
        let by = orders::label(&sources);
        let answer = orders::give(&args.place, &Order::Expire { by }, &sources)?;
        let Answer::Expired { index, keys } = answer else {
            anyhow::bail!(
                "the process that writes the ledger gave another answer: is it of this version?"
            );
        };
        if args.json {
            print::json(&json!({"expired": keys, "index": index}))?;
        } else {
            print::line(&format!(
                "expired: {keys} keys of days that are over are destroyed; leaf {index} says who confirmed the clock"
            ))?;
        }
        return Ok(Outcome::Allow);
    }
    let ledger = args.place.ledger()?;
    let now_ms = sources.clock.unix_ms();
    let keys = Vault::read(&ledger.dir, &sources)?.keys;
    let due = orders::due(&keys, ledger.retention, now_ms);
    let trusted_ms = trusted_ms(&ledger.dir)?;
    let doubt = doubt(&ledger.dir, now_ms)?;
    let counts: Vec<_> = Class::ALL
        .into_iter()
        .map(|class| (class, due.iter().filter(|(of, _)| *of == class).count()))
        .collect();
    if args.json {
        let rows: Vec<_> =
            counts.iter().map(|row| row_json(*row, ledger.retention, now_ms)).collect();
        print::json(&json!({
            "due": rows, "clock_ms": now_ms, "trusted_ms": trusted_ms,
            "believed": doubt.is_none(),
        }))?;
        return Ok(Outcome::Allow);
    }
    let lines: Vec<_> = counts.iter().map(|row| row_text(*row, ledger.retention, now_ms)).collect();
    print::lines(&lines)?;
    match doubt {
        Some(doubt) => print::warn(&doubt.to_string()),
        None => print::talk("the clock is believed: a running gateway destroys them by itself"),
    }
    Ok(Outcome::Allow)
}

/// The beginning of the first day that is kept.
fn kept_from_ms(class: Class, retention: Retention, now_ms: u64) -> u64 {
    (now_ms / DAY_MS).saturating_sub(retention.days(class)) * DAY_MS
}

fn row_json((class, n_keys): (Class, usize), retention: Retention, now_ms: u64) -> Value {
    let before_ms = kept_from_ms(class, retention, now_ms);
    json!({
        "retention": class.name(), "days": retention.days(class), "keys": n_keys,
        "before": utc(before_ms), "before_ms": before_ms,
    })
}

fn row_text((class, n_keys): (Class, usize), retention: Retention, now_ms: u64) -> String {
    let (name, days) = (class.name(), retention.days(class));
    let before = utc(kept_from_ms(class, retention, now_ms));
    format!("{name}: {n_keys} keys of days before {before} ({days} days)")
}
