//! `bartizan audit verify` and `prove`: whether the ledger is as it was written, for us and for outsiders.
use super::disclose::{self, DisclosureArgs};
use crate::audit::handover::Handover;
use crate::audit::{self, Checked, Mark, Trusted, harmless, payloads, prove as proofs};
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::serve::Sources;
use crate::verbs::state_folder;
use crate::witness::policy;
use crate::witness::verdict::Testimony;
use anyhow::Context as _;
use bartizan_ledger::tlog::{KeyError, Policy, VerifierKey};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Recompute every hash and say whether the ledger is as it was written
///
/// Works offline on a copy of the files. Exits 0 when all is well, 1 when it is not or cannot be read. With --proof it checks one
/// proof that `bartizan audit prove` wrote, and needs no ledger; with --disclosure a file that `bartizan audit disclose` wrote.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit verify --json     {\"verified\":true,\"leaves\":42,\"problem\":null,...}
  bartizan audit verify --dir copy --key bartizan.log/8c1f...+3ab1...+AVx...     with the key that you have from elsewhere
  bartizan audit verify --payloads     opens every payload, too
  bartizan audit verify --proof 8f3a.intent.tlog-proof --leaf 8f3a.intent.leaf --key ...
  bartizan audit verify --disclosure 8f3a.json --key ... --reveal     whether these texts are what was recorded")]
pub(super) struct VerifyArgs {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A key that signs checkpoints, as log.vkey has it; may be repeated
    #[arg(long = "key", value_name = "VKEY", value_parser = key)]
    keys: Vec<VerifierKey>,
    /// A file of trusted logs and witnesses (C2SP tlog-policy)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Open every payload too, and say which are clear, erased, expired, missing or damaged; it takes the vault
    #[arg(long, conflicts_with_all = ["proof", "leaf"])]
    payloads: bool,
    /// Check this proof, and no ledger
    #[arg(long, value_name = "FILE", requires = "leaf", conflicts_with = "dir")]
    proof: Option<PathBuf>,
    /// The leaf that the proof is about
    #[arg(long, value_name = "FILE", requires = "proof")]
    leaf: Option<PathBuf>,
    #[command(flatten)]
    disclosure: DisclosureArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn key(text: &str) -> Result<VerifierKey, KeyError> {
    text.trim().parse()
}

pub(super) fn verify(args: VerifyArgs) -> anyhow::Result<Outcome> {
    let policy = args.policy.as_deref().map(policy::read).transpose()?.map(|(policy, _)| policy);
    let trusted = Trusted { keys: args.keys, policy };
    if let (Some(proof), Some(leaf)) = (&args.proof, &args.leaf) {
        return verify_proof(proof, leaf, &trusted.policies(), args.json);
    }
    if args.disclosure.disclosure.is_some() {
        return disclose::verify(&args.disclosure, &trusted, args.dir.as_deref(), args.json);
    }
    let folder = state_folder(args.dir);
    let sources = Sources::real();
    let now_ms = sources.clock.unix_ms();
    let checked = if args.payloads {
        payloads::verify_and_open(&folder, &trusted, &sources)?
    } else {
        audit::verify_and_tell(&folder, &trusted, &sources)
    };
    if args.json {
        print::line(&harmless(&checked.json()))?;
    } else {
        print::line(&print::visible(&text(&checked, now_ms)))?;
    }
    for warning in &checked.warnings {
        print::warn(warning);
    }
    Ok(if checked.is_fine() { Outcome::Allow } else { Outcome::Deny })
}

fn text(checked: &Checked, now_ms: u64) -> String {
    let verdict = &checked.verdict;
    let mut lines = vec![checked.headline()];
    if let (Some(size), false) = (checked.checkpoint, verdict.signed_by.is_empty()) {
        let source =
            if checked.is_key_from_log { "the key beside the log" } else { "a key that you gave" };
        let names = verdict.signed_by.join(", ");
        lines.push(format!("signed: the checkpoint of {size} leaves, by {names} ({source})"));
    }
    lines.extend(checked.handovers.iter().map(Handover::line));
    lines.extend(verdict.rest.lines());
    lines.extend(checked.testimony.iter().flat_map(Testimony::lines));
    lines.extend(checked.testimony.iter().filter_map(|told| told.age_line(now_ms)));
    if let Some(counts) = &checked.payloads {
        lines.push(counts.text());
        let wrong = counts.wrong.iter();
        lines.extend(wrong.map(|wrong| {
            format!("  leaf {} {} of {}: {}", wrong.index, wrong.slot, wrong.record, wrong.reason)
        }));
    }
    lines.join("\n")
}

fn verify_proof(
    proof: &Path,
    leaf: &Path,
    policies: &[Policy],
    is_json: bool,
) -> anyhow::Result<Outcome> {
    if policies.is_empty() {
        let message = "--proof takes --key or --policy: a proof is worth the key that you have from elsewhere";
        return Err(Usage(message.to_owned()).into());
    }
    let checked = proofs::check(proof, leaf, policies)?;
    let (value, lines, outcome) = match &checked {
        Ok(held) => {
            let witnesses: Vec<_> = held.trust.witnesses.iter().map(|seen| &seen.name).collect();
            let (log, index, size) = (held.trust.log.name(), held.entry.index, held.size);
            let value = json!({
                "proved": true, "problem": null, "log": log, "checkpoint": size, "witnesses": witnesses,
                "leaf": audit::leaf_json(&held.entry, Mark::Signed),
            });
            let words = audit::record_text(&held.entry, &[], Mark::Signed);
            let by = format!("proved: it is leaf {index} of {size} in {log}, whose key has signed");
            (value, format!("{by}\n{words}"), Outcome::Allow)
        }
        Err(problem) => {
            let value = json!({"proved": false, "problem": problem, "leaf": null});
            (value, format!("not proved: {problem}\n"), Outcome::Deny)
        }
    };
    if is_json {
        print::line(&harmless(&value))?;
    } else {
        print::data(&print::visible(&lines))?;
    }
    Ok(outcome)
}

/// Write proofs that an outsider can check: of each leaf of a record one, with the leaf
///
/// An outsider needs the two files and the log's public key, and no ledger: any verifier of C2SP tlog-proof will do. Exits 0, 2 where there is no
/// such record, and 3 where a leaf is newer than the checkpoint; the others are proved all the same.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan audit prove 8f3a91c2 --out proofs     proofs/8f3a....intent.tlog-proof and .leaf, and so on")]
pub(super) struct ProveArgs {
    /// The record's id, or the beginning of it
    id: String,
    /// The folder for the files [default: this one]
    #[arg(long, value_name = "FOLDER", default_value = ".", hide_default_value = true)]
    out: PathBuf,
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn prove(args: ProveArgs) -> anyhow::Result<Outcome> {
    let proved = proofs::prove(&state_folder(args.dir), &args.id, &args.out, &Sources::real());
    let proved = proved.context("nothing is proved")?;
    if args.json {
        print::line(&harmless(&proved.json()))?;
    } else {
        let lines = proved.lines().into_iter();
        print::lines(&lines.map(|line| print::visible(&line).into_owned()).collect::<Vec<_>>())?;
    }
    for warning in proved.warnings() {
        print::warn(warning);
    }
    Ok(if proved.unproved.is_empty() { Outcome::Allow } else { Outcome::Unfinished })
}
