//! Reads the ledger for people and programs. It changes nothing, and takes no lock: it works while `serve` writes.
use crate::clock::utc;
use crate::outcome::Usage;
use crate::print;
use crate::vault::{self, log_key};
use anyhow::Context as _;
use bartizan_core::disk::Disk;
use bartizan_core::record::{RecordId, RecordKind, Slot};
use bartizan_core::sign::Signer as _;
use bartizan_gateway::exchange::verdict_words;
use bartizan_ledger::index::{INDEX_NAME, Questions};
use bartizan_ledger::{Entry, FsDisk, LedgerError, Reader, Stored};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Fewest digits of a record's id that are looked for.
const PREFIX_DIGITS_MIN: usize = 4;

/// Names that a ledger's folder has, and a state folder has not.
const LEDGER_NAMES: [&str; 3] = ["segment-00000000.log", "log", "log.vkey"];

/// Where a state folder keeps its log.
pub(crate) fn log_folder(folder: &Path) -> PathBuf {
    folder.join("ledger")
}

/// Where the log is that is read: in a state folder or, where somebody has copied the ledger alone, in that copy.
pub(crate) fn read_folder(folder: &Path) -> PathBuf {
    let inside = log_folder(folder);
    let is_ledger = || LEDGER_NAMES.iter().any(|name| folder.join(name).exists());
    if !inside.exists() && is_ledger() { folder.to_owned() } else { inside }
}

/// Whether this is a copy of a ledger, and not the folder of its gateway: then what lies beside the log was made by somebody else.
pub(crate) fn is_copy(folder: &Path) -> bool {
    !vault::folder(folder).exists()
}

/// A leaf with its payloads.
pub(crate) type Whole = (Entry, Vec<(Slot, Content)>);

/// Reads the log of a state folder, as it is.
///
/// # Errors
/// When there is none, or it is damaged.
pub(crate) fn reader(folder: &Path) -> Result<Reader, LedgerError> {
    let disk: Arc<dyn Disk> = Arc::new(FsDisk::read_only(&read_folder(folder)));
    Reader::open(disk)
}

fn open(folder: &Path) -> anyhow::Result<Reader> {
    let opened = match reader(folder) {
        Err(error) if is_absent(folder, &error) => anyhow::bail!(no_ledger(folder)),
        Ok(reader) => other_log(folder, &reader).map_or(Ok(reader), Err),
        Err(error) => Err(error),
    };
    opened.with_context(|| format!("cannot read the ledger in {}", read_folder(folder).display()))
}

/// Whether the checkpoint is that of a log that none of the keys at hand is called like: then it says nothing of the leaves beside it, least of all
/// how many there should be.
fn other_log(folder: &Path, reader: &Reader) -> Option<LedgerError> {
    let own = log_key(folder).map(|key| key.name().to_owned());
    let beside = || {
        let keys = vault::published_keys(&read_folder(folder)).unwrap_or_default();
        keys.first().map(|key| key.name().to_owned())
    };
    let own = own.or_else(beside)?;
    // One that cannot be read is for whoever needs it to tell.
    let found = reader.checkpoint().ok().flatten()?.checkpoint().origin().to_owned();
    (found != own).then_some(LedgerError::OtherLog { found, own })
}

/// Whether there is nothing to read, rather than something that cannot be read.
fn is_absent(folder: &Path, error: &LedgerError) -> bool {
    // A folder that cannot be asked about is not absent.
    matches!(error, LedgerError::Absent)
        || read_folder(folder).try_exists().is_ok_and(|is_there| !is_there)
}

/// What is said where there is none.
pub(crate) fn no_ledger(folder: &Path) -> String {
    format!(
        "there is no ledger in {}: --dir names a state folder, which `bartizan serve` makes, or a copy of its ledger",
        folder.display()
    )
}

/// The last leaves, at most `limit`, oldest first.
///
/// # Errors
/// When there is no log, or it is damaged.
#[cfg(test)]
pub(crate) fn last(folder: &Path, limit: usize) -> anyhow::Result<Vec<Entry>> {
    Ok(tail::Tail::open(folder, limit)?.1)
}

/// Every leaf of the one record whose id begins with `prefix`, each with its payloads.
///
/// # Errors
/// When the prefix is too short, or no single record has it, or the log is damaged.
pub(crate) fn record(folder: &Path, prefix: &str, lens: &Lens) -> anyhow::Result<Vec<Whole>> {
    let (reader, entries) = leaves_of(folder, prefix)?;
    let mut leaves = Vec::with_capacity(entries.len());
    for entry in entries {
        let look = |stored: &Stored| Ok((stored.slot, lens.look(&reader, &entry, stored)?));
        let payloads = entry.payloads.iter().map(look).collect::<Result<Vec<_>, LedgerError>>()?;
        leaves.push((entry, payloads));
    }
    Ok(leaves)
}

/// The id of the one record that begins with `prefix`.
///
/// # Errors
/// Those of [`record`].
pub(crate) fn id_of(folder: &Path, prefix: &str) -> anyhow::Result<RecordId> {
    let (_, entries) = leaves_of(folder, prefix)?;
    let first = entries.first().map(|entry| entry.leaf.record);
    first.ok_or_else(|| Usage(format!("no record has an id that begins with {prefix}")).into())
}

/// Which leaf of an exchange is not there, though the other one is.
pub(crate) fn missing_leaf(kinds: impl Iterator<Item = RecordKind>) -> Option<RecordKind> {
    let kinds: Vec<_> = kinds.collect();
    match (kinds.contains(&RecordKind::Intent), kinds.contains(&RecordKind::Outcome)) {
        (true, false) => Some(RecordKind::Outcome),
        (false, true) => Some(RecordKind::Intent),
        _ => None,
    }
}

/// What is said of an exchange that has one of its two leaves alone.
pub(crate) fn missing_words(kinds: impl Iterator<Item = RecordKind>) -> Option<String> {
    let words = match missing_leaf(kinds)? {
        RecordKind::Outcome => {
            "no outcome of this record is in the ledger: the exchange is under way, or it ended later than this copy, or somebody changed the leaf"
        }
        _ => "no intent of this record is in the ledger, although an outcome is",
    };
    Some(format!("{words}; `bartizan audit verify` says whether the ledger is as it was written"))
}

fn leaves_of(folder: &Path, prefix: &str) -> anyhow::Result<(Reader, Vec<Entry>)> {
    let is_hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || prefix.len() < PREFIX_DIGITS_MIN {
        let message = format!(
            "a record's id begins with at least {PREFIX_DIGITS_MIN} hexadecimal digits: see `bartizan audit list`"
        );
        return Err(Usage(message).into());
    }
    let reader = open(folder)?;
    let entries = find(folder, &reader, prefix)?;
    if entries.is_empty() {
        return Err(Usage(format!(
            "no record, or more than one, has an id that begins with {prefix}"
        ))
        .into());
    }
    Ok((reader, entries))
}

/// The leaves of a record: where the tables are at hand and know for certain, they say where to look; else every leaf is looked at.
fn find(folder: &Path, reader: &Reader, prefix: &str) -> Result<Vec<Entry>, LedgerError> {
    let own = (!is_copy(folder)).then(|| read_folder(folder).join(INDEX_NAME));
    let tables = own.and_then(|path| Questions::existing(&path));
    // Tables that cannot be asked are no reason not to look: whatever is wrong with the log shows then.
    let known = tables.and_then(|tables| tables.find(reader, prefix).ok().flatten());
    known.map_or_else(|| reader.find_prefix(prefix), Ok)
}

/// One leaf for programs.
pub(crate) fn leaf_json(entry: &Entry, mark: Mark) -> Value {
    let leaf = &entry.leaf;
    json!({
        "index": entry.index,
        "record": leaf.record.to_string(),
        "kind": leaf.kind.name(),
        "unix_ms": leaf.unix_ms,
        "time": utc(leaf.unix_ms),
        "key": leaf.key_id,
        "route": leaf.route,
        "policy": leaf.policy,
        "verdict": verdict_words(leaf.verdict).collect::<Vec<_>>(),
        "outcome": leaf.outcome.map(bartizan_core::record::Outcome::name),
        "tokens": leaf.tokens.map(|(prompt, completion)| [prompt, completion]),
        "count": leaf.count,
        "leaf_hash": entry.leaf_hash,
        "payload_root": leaf.payload_root,
        "key_commitment": leaf.key_commitment,
        "stream_root": leaf.stream_root,
        "unsigned": mark != Mark::Signed,
    })
}

/// One leaf with its payloads, for programs. Evidence is JSON already; other payloads are text. `payloads` says of each in which state it is, and `stored` what the leaf commits to.
pub(crate) fn record_json(entry: &Entry, payloads: &[(Slot, Content)], mark: Mark) -> Value {
    let mut value = leaf_json(entry, mark);
    let mut states = serde_json::Map::new();
    for (slot, content) in payloads {
        states.insert(slot.name().to_owned(), json!(content.state()));
        let Content::Clear(bytes) = content else { continue };
        let text = String::from_utf8_lossy(bytes);
        let parsed = (*slot == Slot::Evidence).then(|| serde_json::from_str(&text).ok()).flatten();
        if let Some(object) = value.as_object_mut() {
            object.insert(slot.name().to_owned(), parsed.unwrap_or_else(|| json!(text)));
        }
    }
    if let Some(object) = value.as_object_mut() {
        object.insert("payloads".to_owned(), Value::Object(states));
        let stored = entry.payloads.iter().map(|stored| {
            let Stored { slot, hash, commitment, bytes, .. } = stored;
            let told = json!({"sha256": hash, "key_commitment": commitment, "bytes": bytes});
            (slot.name().to_owned(), told)
        });
        object.insert("stored".to_owned(), Value::Object(stored.collect()));
    }
    value
}

/// The heads of the columns of [`leaf_row`].
pub(crate) const LEAF_HEADS: [&str; 9] =
    ["INDEX", "TIME", "RECORD", "KIND", "KEY", "ROUTE", "OUTCOME", "SIGNED", "VERDICT"];

/// One leaf in columns.
pub(crate) fn leaf_row(entry: &Entry, mark: Mark) -> Vec<String> {
    let leaf = &entry.leaf;
    let end = leaf.outcome.map(|outcome| outcome.name().to_owned());
    let end = end.or(leaf.count.map(|count| format!("{count} denied")));
    let dash = || "-".to_owned();
    vec![
        entry.index.to_string(),
        utc(leaf.unix_ms),
        leaf.record.to_string().chars().take(12).collect(),
        leaf.kind.name().to_owned(),
        leaf.key_id.clone().unwrap_or_else(dash),
        leaf.route.clone().unwrap_or_else(dash),
        end.unwrap_or_else(dash),
        mark.word().to_owned(),
        verdict_words(leaf.verdict).collect::<Vec<_>>().join(","),
    ]
}

/// One leaf with its payloads, for people.
pub(crate) fn record_text(entry: &Entry, payloads: &[(Slot, Content)], mark: Mark) -> String {
    let leaf = &entry.leaf;
    let mut out = String::new();
    let kind = leaf.kind.name().to_uppercase();
    let mut row = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            writeln!(out, "  {name:<9} {value}").unwrap_or_default();
        }
    };
    row("time", Some(utc(leaf.unix_ms)));
    row("key", leaf.key_id.clone());
    row("route", leaf.route.clone());
    row("policy", leaf.policy.map(|digest| digest.to_string()));
    row(
        "verdict",
        Some(verdict_words(leaf.verdict).collect::<Vec<_>>().join(", "))
            .filter(|words| !words.is_empty()),
    );
    row("outcome", leaf.outcome.map(|outcome| outcome.name().to_owned()));
    row("tokens", leaf.tokens.map(|(prompt, completion)| format!("{prompt} in, {completion} out")));
    row("denied", leaf.count.map(|count| count.to_string()));
    row("leaf", Some(format!("{} {}", entry.index, entry.leaf_hash)));
    let signed = match mark {
        Mark::Signed => None,
        Mark::Unsigned => Some("no: no signed checkpoint stands for it"),
        Mark::Changed => Some("CHANGED: the signed checkpoint does not stand for this leaf"),
    };
    row("signed", signed.map(str::to_owned));
    for (slot, content) in payloads {
        let text = content.text();
        if *slot == Slot::Evidence && matches!(content, Content::Clear(_)) {
            out.push_str(&evidence_text(&text));
        } else {
            let indented = print::visible(&text).replace('\n', "\n    ");
            writeln!(out, "  {}:\n    {indented}", slot.name()).unwrap_or_default();
        }
    }
    format!("{kind} {}\n{out}", leaf.record)
}

/// The findings of an evidence payload, one per line, each with what was done about it.
fn evidence_text(text: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return format!("  evidence:\n    {}\n", print::visible(text));
    };
    if value.get("promised").is_some() {
        return promised_text(&value);
    }
    let Some(evidence) = value.get("evidence").and_then(Value::as_array) else {
        return format!("  evidence: {}\n", print::visible(&value.to_string()));
    };
    let field = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str).unwrap_or("?");
        print::visible(text).into_owned()
    };
    let mut out = String::new();
    if let Some(reason) = value.get("reason").and_then(Value::as_str) {
        writeln!(out, "  reason    {}", print::visible(reason)).unwrap_or_default();
    }
    if let Some(cause) = value.get("cause").and_then(Value::as_str) {
        writeln!(out, "  cause     {}", print::visible(cause)).unwrap_or_default();
    }
    let actions = value.get("actions").and_then(Value::as_array);
    let findings = evidence.iter().filter(|fact| field(fact, "type") == "finding");
    for (n, fact) in findings.enumerate() {
        let action = actions.and_then(|all| all.get(n)).and_then(Value::as_str).unwrap_or("?");
        let span = fact.get("span").map_or(String::new(), |span| {
            let offset = |name| span.get(name).and_then(Value::as_u64).unwrap_or_default();
            format!("{}..{}", offset("start"), offset("end"))
        });
        let (kind, source) = (field(fact, "kind"), field(fact, "source"));
        let (place, detector) = (field(fact, "place"), field(fact, "detector"));
        writeln!(out, "  found     {kind} from {source} at {place} {span}: {action} ({detector})")
            .unwrap_or_default();
    }
    out
}

/// What a change of policy says: what changed comes first, and of the texts the names.
fn promised_text(value: &Value) -> String {
    let mut out = String::new();
    let mut row = |name: &str, words: &str| {
        writeln!(out, "  {name:<9} {}", print::visible(words)).unwrap_or_default();
    };
    for name in ["changed", "waiting"] {
        let all = value.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).for_each(|words| row(name, words));
    }
    let texts = value.get("texts").and_then(Value::as_array).into_iter().flatten();
    let files: Vec<_> = texts.filter_map(|text| text.get("file")?.as_str()).collect();
    if let Some(words) = value.get("doubt").and_then(Value::as_str) {
        row("doubt", words);
    }
    row("promised", &value.get("promised").unwrap_or(&Value::Null).to_string());
    row("texts", &format!("{} (--json has them)", files.join(", ")));
    out
}

/// A value as one line of JSON in which nothing hides: what a terminal would obey is escaped, and still means the same.
pub(crate) fn harmless(value: &Value) -> String {
    let text = value.to_string();
    if matches!(print::visible(&text), Cow::Borrowed(_)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut units = [0; 2];
    for c in text.chars() {
        let mut bytes = [0; 4];
        if matches!(print::visible(c.encode_utf8(&mut bytes)), Cow::Borrowed(_)) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").unwrap_or_default();
            }
        }
    }
    out
}

mod bar;
mod content;
pub(crate) mod disclosure;
pub(crate) mod due;
pub(crate) mod export;
pub(crate) mod handover;
mod parquet;
pub(crate) mod payloads;
pub(crate) mod prove;
pub(crate) mod rejudge;
pub(crate) mod search;
pub(crate) mod signed;
pub(crate) mod silence;
pub(crate) mod sql;
pub(crate) mod tables;
pub(crate) mod tail;
mod verdict;
pub(crate) mod when;

pub(crate) use content::{Content, Lens};
pub(crate) use signed::Mark;
#[cfg(test)]
pub(crate) use verdict::Rest;
pub(crate) use verdict::{Checked, Trusted, Verdict, verify, verify_and_tell, verify_with};

#[cfg(test)]
mod tests;
