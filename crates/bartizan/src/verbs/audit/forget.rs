//! `bartizan audit erase` and `expire`: what is forgotten on request, and what is forgotten because its time is over.
use crate::audit::due::Due;
use crate::opening::Place;
use crate::orders::{self, Answer, Order};
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::serve::Sources;
use crate::vault::Vault;
use bartizan_keys::SUBJECT_NAME_BYTES_MAX;
use clap::Args;
use serde_json::json;

/// Forget a person: destroy the key of everything that was recorded about them
///
/// The ledger keeps a tombstone, and every proof stays valid. What it does not reach: copies that were exported before, backups of
/// the vault that are never opened again, and people who are only mentioned in the texts of others. Exits 0, 1 where there is nobody to forget, and 3
/// where it could not be done.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan audit erase --subject user-4711     as the requests named them: safety_identifier, user, or the route's header")]
pub(super) struct EraseArgs {
    /// The person, by the name that requests gave, byte for byte; caller:KEY for a caller that named nobody, and named:caller:... for somebody
    /// who goes by such a name
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
    if !args.subject.is_ascii() {
        print::talk(
            "names are compared byte for byte: one that looks the same and is written otherwise (an accent as a letter of its own, say) is another subject",
        );
    }
    Ok(if matches!(answer, Answer::Done { .. }) { Outcome::Allow } else { Outcome::Deny })
}

/// Say which keys of days that are over would be destroyed; with --confirm-clock or --confirm-retention, destroy them
///
/// A running gateway does that by itself each hour, as long as the clock has not gone on by more than 31 days while it did not run: after a
/// longer pause, or with a clock that is wrong, it asks you. Look at the list first: it says how old the newest record is that would go, and when a
/// witness has last confirmed the log. The ledger records who confirmed which time. Days of `[ledger.retention]` that became fewer wait for you, too.
/// Exits 0, 2 for wrong usage, and 3 where it could not be done.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit expire                     what would be destroyed, by the clock as it is now
  bartizan audit expire --confirm-clock     the clock is right: destroy it
  bartizan audit expire --confirm-retention     the days of the configuration are meant: destroy what they do not keep")]
pub(super) struct ExpireArgs {
    /// The clock is right: destroy what is older than its retention, for good
    #[arg(long)]
    confirm_clock: bool,
    /// The days of the configuration are meant, although they are fewer than before: destroy what they do not keep, for good
    #[arg(long, conflicts_with = "confirm_clock")]
    confirm_retention: bool,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn expire(args: &ExpireArgs) -> anyhow::Result<Outcome> {
    let sources = Sources::real();
    if args.confirm_clock || args.confirm_retention {
        let by = orders::label(&sources);
        let (order, what) = if args.confirm_clock {
            (Order::Expire { by }, "clock")
        } else {
            (Order::Retain { by }, "retention")
        };
        let answer = orders::give(&args.place, &order, &sources)?;
        let Answer::Expired { index, keys } = answer else {
            anyhow::bail!(
                "the process that writes the ledger gave another answer: is it of this version?"
            );
        };
        if args.json {
            print::json(&json!({"expired": keys, "index": index}))?;
        } else {
            print::line(&format!(
                "expired: {keys} keys of days that are over are destroyed; leaf {index} says who confirmed the {what}"
            ))?;
        }
        return Ok(Outcome::Allow);
    }
    if args.place.config_file()?.is_none() {
        print::talk(
            "no configuration is about this state folder, so these are the days of a gateway without one: give its file with --config",
        );
    }
    let due = Due::list(&args.place.ledger()?, &sources)?;
    if args.json {
        print::json(&due.json())?;
        return Ok(Outcome::Allow);
    }
    print::lines(&due.lines())?;
    if let Some(warning) = due.warning() {
        print::warn(&warning);
    }
    if let Some(waits) = &due.waits {
        print::warn(waits);
    }
    match due.doubt {
        Some(doubt) => print::warn(&doubt.to_string()),
        None => print::talk(
            "the clock is believed: a running gateway destroys what does not wait by itself",
        ),
    }
    Ok(Outcome::Allow)
}
