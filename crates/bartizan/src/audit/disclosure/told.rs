//! What a disclosure proves, in words and in JSON.
use super::check::{DisclosureFlaw, Proven, Shown, ShownLeaf};
use super::copied::Compared;
use crate::audit::{Content, Mark, leaf_json as entry_json, record_text};
use crate::clock::utc;
use bartizan_core::record::RecordKind;
use serde_json::{Value, json};

/// For people.
pub(crate) fn text(checked: &Result<Proven, DisclosureFlaw>, is_revealing: bool) -> String {
    let proven = match checked {
        Ok(proven) => proven,
        Err(flaw) => return format!("not proved: {flaw}\n"),
    };
    let mut lines = vec![headline(proven)];
    lines.extend(extent(proven));
    for leaf in &proven.leaves {
        let (entry, log) = (&leaf.entry, leaf.trust.log.name());
        let kind = entry.leaf.kind.name();
        let time = utc(entry.leaf.unix_ms);
        lines.push(format!("{kind}, leaf {} of {} in {log}, on {time}", entry.index, leaf.size));
        for seen in &leaf.trust.witnesses {
            let (name, time) = (&seen.name, utc(seen.unix_s.saturating_mul(1000)));
            lines.push(format!("  the witness {name} has seen it by {time}"));
        }
        lines
            .extend(leaf.parts.iter().map(|(slot, shown)| format!("  {slot:<9} {}", words(shown))));
    }
    let mut text = lines.join("\n") + "\n";
    if is_revealing {
        for leaf in &proven.leaves {
            let clear = leaf.parts.iter().filter_map(|(slot, shown)| match shown {
                Shown::Text(text) => Some((*slot, Content::Clear(text.clone()))),
                Shown::Withheld | Shown::Elsewhere { .. } => None,
            });
            text.push_str(&record_text(&leaf.entry, &clear.collect::<Vec<_>>(), Mark::Signed));
        }
    }
    text
}

/// Promises no more than was opened.
fn headline(proven: &Proven) -> String {
    let (record, (n_withheld, n_all)) = (proven.record, proven.withheld());
    let word = if proven.unfinished().is_none() { "proved" } else { "not finished" };
    if n_withheld == 0 {
        return format!(
            "{word}: what follows is what the record {record} committed to at the times named, as the log's key has signed"
        );
    }
    format!(
        "{word}: {} of the {n_all} payloads that follow are what the record {record} committed to at the times named, as the log's key has signed; the file has no key for {n_withheld}, and what they say is not proved",
        n_all.saturating_sub(n_withheld)
    )
}

/// Whether these are all leaves of the record: a proof is of what is there, and says nothing of what was taken out.
fn extent(proven: &Proven) -> Vec<String> {
    let missing = match proven.missing() {
        Some(RecordKind::Outcome) => Some("an intent alone: no outcome is in this file"),
        Some(_) => Some("an outcome without its intent: that is not in this file"),
        None => None,
    };
    let known = match &proven.compared {
        Some(Compared::Complete { leaves }) => format!(
            "the copy of the log is verified, and has the same leaves of this record and no other among the {leaves} that are signed"
        ),
        Some(Compared::Unfinished { reason }) => format!("not finished: {reason}"),
        None => "whether a leaf of the record was left out is not known: that nothing was is checked with --dir and a copy of the log".to_owned(),
    };
    missing.map(str::to_owned).into_iter().chain([known]).collect()
}

fn words(shown: &Shown) -> String {
    match shown {
        Shown::Text(text) => format!(
            "{} bytes: the one text that the leaf committed to; its hash, its key and its place all fit",
            text.len()
        ),
        Shown::Withheld => "not disclosed: the file has no key for it".to_owned(),
        Shown::Elsewhere { segment, offset } => format!(
            "not checked: its ciphertext stands in segment-{segment:08}.log at byte {offset}; give --dir with a copy of the log"
        ),
    }
}

/// For programs.
pub(crate) fn json(checked: &Result<Proven, DisclosureFlaw>, is_revealing: bool) -> Value {
    let proven = match checked {
        Ok(proven) => proven,
        Err(flaw) => return json!({"proved": false, "problem": flaw.to_string(), "leaves": []}),
    };
    let leaves = proven.leaves.iter().map(|leaf| leaf_json(leaf, is_revealing));
    let copy_leaves = match proven.compared {
        Some(Compared::Complete { leaves }) => Some(leaves),
        _ => None,
    };
    json!({
        "proved": proven.is_whole(), "problem": proven.unfinished(), "record": proven.record.to_string(),
        "compared_with_copy": proven.compared.is_some(), "complete": copy_leaves.map(|_| true),
        "copy_leaves": copy_leaves, "missing": proven.missing().map(RecordKind::name), "leaves": leaves.collect::<Vec<_>>(),
    })
}

fn leaf_json(leaf: &ShownLeaf, is_revealing: bool) -> Value {
    let witnesses = leaf.trust.witnesses.iter();
    let witnesses: Vec<_> =
        witnesses.map(|seen| json!({"name": seen.name, "unix_s": seen.unix_s})).collect();
    let parts = leaf.parts.iter().map(|(slot, shown)| {
        let told = match shown {
            Shown::Text(text) if is_revealing => {
                json!({"state": "proved", "bytes": text.len(), "text": String::from_utf8_lossy(text)})
            }
            Shown::Text(text) => json!({"state": "proved", "bytes": text.len()}),
            Shown::Withheld => json!({"state": "not_disclosed"}),
            Shown::Elsewhere { segment, offset } => {
                json!({"state": "not_checked", "segment": segment, "offset": offset})
            }
        };
        (slot.name().to_owned(), told)
    });
    json!({
        "leaf": entry_json(&leaf.entry, Mark::Signed), "checkpoint": leaf.size,
        "log": leaf.trust.log.name(), "witnesses": witnesses,
        "parts": Value::Object(parts.collect()),
    })
}
