//! `bartizan audit disclose`, and `verify --disclosure`: one record opened for somebody else, and the other end of that.
use crate::audit::disclosure::check::{self, Proven, Shown, ShownLeaf};
use crate::audit::disclosure::{self, DISCLOSURE_BYTES_MAX, Told, Wish, told};
use crate::audit::{Trusted, harmless};
use crate::opening::Place;
use crate::outcome::{Outcome, Usage};
use crate::serve::Sources;
use crate::{files, print, target};
use anyhow::Context as _;
use bartizan_core::record::Slot;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Write what one record says, and the proof of it, into a file that an outsider can open and check
///
/// The file has the record's leaves with their proofs, and the key of each of its payloads: of this record alone, and for ever. Whoever has the file can
/// read them, also after the person was forgotten. The ledger keeps a record that it was written, by whom and why. Exits 0, 1 where it was erased or
/// has expired, 2 without a reason or where the file is there already, 3 where it cannot be opened, recorded or written.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan audit disclose 8f3a91c2 --out 8f3a.json --reason 'the auditor asked for it, letter of 24 November'
  bartizan audit disclose 8f3a91c2 --part released --out answer.json --reason '...'     without what was found
  bartizan audit verify --disclosure 8f3a.json --key ... --reveal     the auditor's end")]
pub(super) struct DiscloseArgs {
    /// The record's id, or the beginning of it
    id: String,
    /// The file; it is as secret as the texts
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Who gets it, and by what right; the ledger keeps it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Only these payloads: released, received or evidence; may be repeated
    #[arg(long = "part", value_name = "WORD", value_parser = slot)]
    parts: Vec<Slot>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn slot(text: &str) -> Result<Slot, String> {
    let found = Slot::ALL.iter().copied().find(|slot| slot.name() == text);
    found.ok_or_else(|| "one of released, received, evidence".to_owned())
}

pub(super) fn disclose(args: &DiscloseArgs) -> anyhow::Result<Outcome> {
    let DiscloseArgs { id, out, reason, parts, place, json } = args;
    let wish = Wish { place, id, slots: parts, reason, out };
    let (value, text, outcome) = match disclosure::disclose(&wish, &Sources::real())? {
        Told::Written { record, parts, index, path, witnessed } => {
            let value = json!({
                "disclosed": true, "problem": null, "record": record.to_string(), "parts": parts,
                "index": index, "witnessed": witnessed, "file": path.display().to_string(),
            });
            let text = format!(
                "disclosed: {} of {record}, in {}; leaf {index} says so. Whoever has the file can read this for ever",
                parts.join(", "),
                path.display()
            );
            (value, text, Outcome::Allow)
        }
        Told::Refused(problem) => {
            let value = json!({"disclosed": false, "problem": problem});
            (value, format!("nothing is disclosed: {problem}"), Outcome::Deny)
        }
    };
    if *json {
        print::line(&harmless(&value))?;
    } else {
        print::line(&print::visible(&text))?;
    }
    Ok(outcome)
}

/// What `verify` takes of a disclosure.
#[derive(Args, Debug)]
pub(super) struct DisclosureArgs {
    /// Check a file that `disclose` wrote; with --dir its leaves are compared with that copy of the log, too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "leaf", "payloads"])]
    pub(super) disclosure: Option<PathBuf>,
    /// Print the texts of the disclosure
    #[arg(long, requires = "disclosure")]
    reveal: bool,
    /// Write the texts of the disclosure into this folder, a file each
    #[arg(long, value_name = "FOLDER", requires = "disclosure")]
    out: Option<PathBuf>,
}

/// The other end. Whatever does not fit is an answer, and not an error.
pub(super) fn verify(
    args: &DisclosureArgs,
    trusted: &Trusted,
    copy: Option<&Path>,
    is_json: bool,
) -> anyhow::Result<Outcome> {
    if trusted.is_nothing() {
        let message = "--disclosure takes --key or --policy: what it proves is worth the key that you have from elsewhere";
        return Err(Usage(message.to_owned()).into());
    }
    let path = args.disclosure.as_deref().unwrap_or(Path::new(""));
    let bytes = files::read_bounded(path, DISCLOSURE_BYTES_MAX)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let checked = check::check(&bytes, trusted, copy);
    if let (Ok(proven), Some(folder)) = (&checked, &args.out) {
        write_texts(proven, folder)?;
    }
    if is_json {
        print::line(&harmless(&told::json(&checked, args.reveal)))?;
    } else {
        print::data(&print::visible(&told::text(&checked, args.reveal)))?;
    }
    Ok(match checked {
        Ok(proven) if proven.unfinished().is_none() => Outcome::Allow,
        Ok(_) => Outcome::Unfinished,
        Err(_) => Outcome::Deny,
    })
}

fn write_texts(proven: &Proven, folder: &Path) -> anyhow::Result<()> {
    target::check_folder(folder)?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for ShownLeaf { entry, parts, .. } in &proven.leaves {
        for (slot, shown) in parts {
            let Shown::Text(text) = shown else { continue };
            let name = check::file_name(proven.record, entry.index, entry.leaf.kind, *slot);
            let path = folder.join(name);
            target::check(&path)?;
            let written = files::replace(&path, text);
            written.with_context(|| format!("cannot write {}", path.display()))?;
            print::talk(&format!("{} has {} bytes", path.display(), text.len()));
        }
    }
    Ok(())
}
