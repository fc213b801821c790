//! `bartizan audit rejudge`: what the rules, of then or of today, say of what was found.
use crate::audit::rejudge::{Judge, Rejudged, rejudge};
use crate::audit::signed::{NOBODY_SIGNED, Signatures};
use crate::audit::{self, Lens, Mark};
use crate::guard;
use crate::opening::Place;
use crate::outcome::Outcome;
use crate::print;
use crate::serve::Sources;
use crate::verbs::{config, policy};
use anyhow::Context as _;
use bartizan_core::kind::Catalogue;
use bartizan_core::record::RecordKind;
use bartizan_policy::{GuardPolicy, Profile};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Judge one record again from its evidence, and say whether the same comes out
///
/// Reads what was found, by whom it was asked and by which route, and no text. With the policy that the record names the judgement comes
/// out the same, byte for byte, and has the same digest. With another one it says what would change. Exits 0 when the same is decided, 1 when not.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit rejudge 8f3a91c2                        by the policy of ./bartizan.toml as it is today
  bartizan audit rejudge 8f3a91c2 --config then.toml     by the one of that time
  bartizan audit rejudge 8f3a91c2 --profile strict       what the strict profile would have done")]
pub(super) struct RejudgeArgs {
    /// The record's id, or the beginning of it
    id: String,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The configuration whose policy judges: `./bartizan.toml` where it is about this state folder, else that of a gateway without one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask a shipped policy instead of the configuration's
    #[arg(long, value_parser = policy::profiles(), conflicts_with = "config")]
    profile: Option<Profile>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Where it is: other commands ask the witnesses of the configuration, this one its policy.
fn place(args: &RejudgeArgs) -> Place {
    Place { dir: args.dir.clone(), config: args.config.clone() }
}

/// The policy that is asked: the named profile, else the configuration's, else that of a gateway without one.
fn judge(args: &RejudgeArgs) -> anyhow::Result<Judge> {
    let file = if args.profile.is_some() { None } else { place(args).config_file()? };
    let Some(path) = file else {
        let catalogue = guard::catalogue();
        let profile = args.profile.unwrap_or(Profile::Standard);
        return Ok(Judge { policy: GuardPolicy::profile(profile, &catalogue)?, catalogue });
    };
    let config = config::read(&path)?;
    // Nothing is inspected again: a second model has no kinds of its own, and its settings are a part of the policy.
    let kinds = guard::inspector(&config, None)?.kinds();
    let second = crate::second::load(&config, None)?;
    let policy = guard::compile(&guard::texts(&config, second.as_deref())?, kinds)?;
    Ok(Judge { policy, catalogue: Catalogue::new(kinds) })
}

pub(super) fn run(args: &RejudgeArgs) -> anyhow::Result<Outcome> {
    let (folder, sources) = (place(args).folder()?, Sources::real());
    let judge = judge(args)?;
    let lens = Lens::new(&folder, &sources, false)?;
    let leaves = audit::record(&folder, &args.id, &lens)?;
    let mut extent = Signatures::of(&folder).extent(&audit::reader(&folder)?)?;
    if extent.is_none() {
        print::warn(NOBODY_SIGNED);
    }
    let mut mark = |entry: &_| extent.as_mut().map_or(Mark::Unsigned, |extent| extent.mark(entry));
    let marks: Vec<_> = leaves.iter().map(|(entry, _)| mark(entry)).collect();
    if Mark::outcome(&marks) != Outcome::Allow {
        print::warn(
            "a leaf is not the one that was signed, so its evidence proves nothing: `bartizan audit verify` says more",
        );
    }
    let kinds = || leaves.iter().map(|(entry, _)| entry.leaf.kind);
    if let Some(words) = audit::missing_words(kinds()) {
        print::warn(&words);
    }
    let judged = rejudge(&leaves, &judge).context("nothing was judged")?;
    let is_same = judged.iter().all(Rejudged::is_same);
    if args.json {
        let leaves: Vec<_> = judged.iter().map(Rejudged::json).collect();
        let told = json!({"same": is_same, "policy": judge.policy.digest(), "leaves": leaves, "missing": audit::missing_leaf(kinds()).map(RecordKind::name)});
        print::line(&audit::harmless(&told))?;
    } else {
        let lines: Vec<_> = judged.iter().map(Rejudged::text).collect();
        print::line(&print::visible(&lines.join("\n")))?;
    }
    Ok(match Mark::outcome(&marks) {
        Outcome::Allow if is_same => Outcome::Allow,
        Outcome::Allow => Outcome::Deny,
        damaged => damaged,
    })
}
