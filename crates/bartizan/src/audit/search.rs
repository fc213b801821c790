//! Records by what is known of them: rows of the tables, for people and for programs.
use super::bar::Bar;
use super::{Mark, tables};
use crate::clock::utc;
use crate::serve::Sources;
use crate::vault::Vault;
use bartizan_core::record::RecordId;
use bartizan_gateway::exchange::verdict_words;
use bartizan_keys::KeyStore;
use bartizan_ledger::index::{Filter, Found, LeafRow};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// What was found, oldest first.
#[derive(Debug)]
pub(crate) struct Finds {
    /// At most as many as were asked for, the latest ones.
    pub(crate) found: Vec<Found>,
    /// Whether older ones were left away.
    pub(crate) is_cut: bool,
}

/// A person, by the key that makes their pseudonyms.
pub(crate) struct Subject {
    keys: Arc<KeyStore>,
    key: RecordId,
}

impl Subject {
    /// The person of this name; `None` when nothing is about one, or they were erased.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub(crate) fn find(
        state: &Path,
        name: &str,
        sources: &Sources,
    ) -> anyhow::Result<Option<Self>> {
        let keys = Vault::read(state, sources)?.keys;
        let key = keys.subject_key(keys.tag(name)?);
        Ok(key.map(|key| Self { keys, key }))
    }

    /// Whether a leaf is about them. It takes one keyed hash: whoever has only the log cannot tell.
    fn is_in(&self, leaf: &LeafRow) -> bool {
        let (Some(said), Ok(record)) = (&leaf.subject, leaf.record.parse()) else { return false };
        let real = self.keys.pseudonym_of(self.key, record).ok().flatten();
        real.is_some_and(|real| RecordId(real).to_string() == *said)
    }
}

/// The latest records that the filter lets through.
///
/// # Errors
/// When there is no log, or the tables cannot be made.
pub(crate) fn search(
    state: &Path,
    filter: &Filter,
    subject: Option<&Subject>,
    limit: usize,
) -> anyhow::Result<Finds> {
    let questions = tables::questions(state)?;
    let bar = Bar::new("searching", None);
    let (mut found, mut is_cut, mut n_seen) = (Vec::new(), false, 0);
    questions.search(filter, &mut |find| {
        n_seen += 1;
        bar.set(n_seen);
        if subject.is_some_and(|subject| !subject.is_in(&find.leaf)) {
            return true;
        }
        is_cut = limit <= found.len();
        if !is_cut {
            found.push(find);
        }
        !is_cut
    })?;
    found.reverse();
    Ok(Finds { found, is_cut })
}

/// The kind of what was found: the two leaves of a request are one exchange.
fn kind(find: &Found) -> &str {
    if find.leaf.kind == "intent" { "exchange" } else { &find.leaf.kind }
}

/// What either leaf says.
fn either<'f, T>(find: &'f Found, field: impl Fn(&'f LeafRow) -> Option<T>) -> Option<T> {
    field(&find.leaf).or_else(|| find.end.as_ref().and_then(field))
}

fn words(find: &Found) -> Vec<&'static str> {
    let end = find.end.as_ref().map_or(0, |end| end.verdict);
    verdict_words(find.leaf.verdict | end).collect()
}

/// Whether some of what is said of it has no signature yet.
fn is_unsigned(find: &Found) -> bool {
    find.leaf.unsigned || find.end.as_ref().is_some_and(|end| end.unsigned)
}

fn duration_ms(find: &Found) -> Option<u64> {
    find.end.as_ref().map(|end| end.unix_ms.saturating_sub(find.leaf.unix_ms))
}

/// One record for programs.
pub(crate) fn find_json(find: &Found) -> Value {
    let leaf = &find.leaf;
    let tokens = either(find, |leaf| leaf.tokens_in.zip(leaf.tokens_out));
    json!({
        "record": leaf.record,
        "kind": kind(find),
        "index": leaf.index,
        "outcome_index": find.end.as_ref().map(|end| end.index),
        "unix_ms": leaf.unix_ms,
        "time": utc(leaf.unix_ms),
        "duration_ms": duration_ms(find),
        "key": either(find, |leaf| leaf.key_id.as_deref()),
        "subject": leaf.subject,
        "route": either(find, |leaf| leaf.route.as_deref()),
        "model": either(find, |leaf| leaf.model.as_deref()),
        "policy": either(find, |leaf| leaf.policy.as_deref()),
        "verdict": words(find),
        "outcome": either(find, |leaf| leaf.outcome.as_deref()),
        "tokens": tokens.map(|(tokens_in, tokens_out)| [tokens_in, tokens_out]),
        "count": leaf.count,
        "unsigned": is_unsigned(find),
    })
}

/// The heads of the columns of [`find_row`].
pub(crate) const FIND_HEADS: [&str; 9] =
    ["TIME", "RECORD", "KIND", "KEY", "ROUTE", "OUTCOME", "MS", "SIGNED", "VERDICT"];

/// One record in columns.
pub(crate) fn find_row(find: &Found) -> Vec<String> {
    let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let is_open = kind(find) == "exchange" && find.end.is_none();
    let denied = find.leaf.count.map(|count| format!("{count} denied"));
    let outcome = either(find, |leaf| leaf.outcome.clone()).or(denied);
    let outcome = outcome.unwrap_or_else(|| if is_open { "under way" } else { "-" }.to_owned());
    vec![
        utc(find.leaf.unix_ms),
        find.leaf.record.chars().take(12).collect(),
        kind(find).to_owned(),
        dash(either(find, |leaf| leaf.key_id.as_deref())),
        dash(either(find, |leaf| leaf.route.as_deref())),
        outcome,
        duration_ms(find).map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
        if is_unsigned(find) { Mark::Unsigned } else { Mark::Signed }.word().to_owned(),
        words(find).join(","),
    ]
}
