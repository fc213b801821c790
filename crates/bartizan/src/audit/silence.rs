//! When guards or recording were switched off, by what the log itself says: a change of policy names what is promised of both.
//!
//! The words take the vault, because evidence is sealed. Where nobody can read it the leaf's verdict still has a bit for each of the two, for whoever has
//! only a copy. What is said makes nothing wrong: to record nothing is the operator's right, to hide it is not.
use super::{is_copy, reader};
use crate::serve::{Promise, Sources};
use crate::vault::{self, Vault};
use bartizan_core::record::{RecordKind, Slot};
use bartizan_gateway::exchange::weakness_bits;
use bartizan_ledger::{Entry, Reader};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;

/// Changes of policy that are looked into: the newest ones.
const CHANGES_MAX: usize = 1024;
/// Lines that are said of them, the newest ones.
const SILENCES_TOLD_MAX: usize = 64;

/// The newest changes of policy, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    newest: VecDeque<Entry>,
    /// How many came before these.
    n_older: u64,
}

/// What the evidence of one says. An earlier build said nothing.
#[derive(Debug, Default, Deserialize)]
struct Told {
    promised: Option<Promise>,
    #[serde(default)]
    waiting: Vec<String>,
}

/// What is off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weakness {
    /// Recording, for one route.
    Route(String),
    /// Recording, altogether.
    Ledger,
    /// Recording, of what only the sealed evidence says.
    Something,
    /// The guards.
    Guards,
}

impl Weakness {
    /// Whether the leaf's bit for records is about it, or else the one for guards.
    fn is_of_records(&self) -> bool {
        *self != Self::Guards
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(name) => write!(f, "recording off for route {name}"),
            Self::Ledger => f.write_str("recording off altogether"),
            Self::Something => f.write_str(
                "recording off for something, now or from a restart on; the evidence that names it cannot be opened here",
            ),
            Self::Guards => f.write_str("the guards off, so that every text passed unread"),
        }
    }
}

impl Changes {
    /// Leaves go by.
    pub(crate) fn see(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.leaf.kind == RecordKind::PolicyChange) {
            if self.newest.len() == CHANGES_MAX {
                self.newest.pop_front();
                self.n_older += 1;
            }
            self.newest.push_back(entry.clone());
        }
    }

    /// When they switched guards or recording off, and on again, a line each.
    pub(crate) fn warnings(&self, state: &Path, sources: &Sources) -> Vec<String> {
        let vault = (!self.newest.is_empty() && !is_copy(state) && vault::folder(state).exists())
            .then(|| Vault::peek(state, sources).ok())
            .flatten();
        let reader = reader(state).ok();
        let of = |entry: &Entry| told(reader.as_ref()?, entry, vault.as_ref()?);
        let seen = self.newest.iter().map(|entry| (entry.index, entry.leaf.verdict, of(entry)));
        story(seen, self.n_older)
    }
}

fn told(reader: &Reader, entry: &Entry, vault: &Vault) -> Option<Told> {
    let evidence = entry.payloads.iter().find(|stored| stored.slot == Slot::Evidence)?;
    let text = reader.payload(entry, evidence, &*vault.keys).ok()?;
    Some(serde_json::from_slice(&text).unwrap_or_default())
}

/// What is off, and since when.
#[derive(Default)]
struct Story {
    off: BTreeMap<Weakness, u64>,
    /// What was promised last, as far as anybody can read it.
    last: Option<Promise>,
    /// Each with the leaf that it begins at.
    lines: Vec<(u64, String)>,
}

/// * `changes`: oldest first; the index, the verdict, and what the evidence says.
fn story(changes: impl Iterator<Item = (u64, u64, Option<Told>)>, n_older: u64) -> Vec<String> {
    let mut story = Story::default();
    for (index, verdict, told) in changes {
        match told.map(|Told { promised, waiting }| (promised, waiting)) {
            Some((Some(promised), waiting)) => {
                story.asks(index, verdict, &promised, &waiting);
                story.goes_on(index, promised);
            }
            _ => story.goes_on_by_bits(index, verdict),
        }
    }
    let still = std::mem::take(&mut story.off);
    story.lines.extend(still.into_iter().map(|(what, since)| {
        (since, format!("leaf {since} switched {what} (and none switched it on again)"))
    }));
    let mut lines = story.lines;
    lines.sort();
    let n_more = lines.len().saturating_sub(SILENCES_TOLD_MAX);
    let mut said = Vec::with_capacity(lines.len());
    if 0 < n_more {
        said.push(format!("{n_more} earlier changes that switched guards or recording off, or changed what goes unrecorded, are not listed"));
    }
    if 0 < n_older {
        said.push(format!("{n_older} changes of policy are older than the newest {CHANGES_MAX}, and were not looked into"));
    }
    said.extend(lines.into_iter().skip(n_more).map(|(_, line)| line));
    said
}

impl Story {
    fn goes_on(&mut self, index: u64, promised: Promise) {
        let mut off: BTreeSet<Weakness> = BTreeSet::new();
        if promised.is_ledger_on() {
            off.extend(promised.silent_routes().map(|name| Weakness::Route(name.to_owned())));
        } else {
            off.insert(Weakness::Ledger);
        }
        if !promised.is_scanning() {
            off.insert(Weakness::Guards);
        }
        // What goes by a route that records nothing is decided by the patterns and the order of all routes.
        let is_silent = |promise: &Promise| promise.silent_routes().next().is_some();
        if let Some(before) = self.last.take() {
            let is_about = is_silent(&before) && is_silent(&promised);
            let routes = if is_about { promised.routing_changes(&before) } else { Vec::new() };
            self.tell(index, "changed the routes while one of them recorded nothing", &routes);
            self.tell(
                index,
                "changed where the log is, or who watches over it",
                &promised.ground_changes(&before),
            );
        }
        self.turns(index, &off);
        self.last = Some(promised);
    }

    /// What will not be recorded here any more from the next start on.
    fn asks(&mut self, index: u64, verdict: u64, promised: &Promise, waiting: &[String]) {
        let is_leaving = verdict & weakness_bits(false, true) != 0 && promised.is_recording();
        if is_leaving {
            self.tell(
                index,
                "says what the configuration asks for from the next start on",
                waiting,
            );
        }
    }

    fn tell(&mut self, index: u64, what: &str, words: &[String]) {
        if !words.is_empty() {
            self.lines.push((index, format!("leaf {index} {what}: {}", words.join("; "))));
        }
    }

    /// Without the evidence.
    fn goes_on_by_bits(&mut self, index: u64, verdict: u64) {
        let (unscanned, unrecorded) = (weakness_bits(true, false), weakness_bits(false, true));
        let mut off: BTreeSet<Weakness> = BTreeSet::new();
        if verdict & unscanned != 0 {
            off.insert(Weakness::Guards);
        }
        if verdict & unrecorded != 0 {
            // Which of them was switched on again nobody can tell.
            off.extend(self.off.keys().filter(|what| what.is_of_records()).cloned());
            if !off.iter().any(Weakness::is_of_records) {
                off.insert(Weakness::Something);
            }
        }
        self.turns(index, &off);
        self.last = None;
    }

    fn turns(&mut self, index: u64, off: &BTreeSet<Weakness>) {
        let on: Vec<_> = self.off.keys().filter(|what| !off.contains(*what)).cloned().collect();
        for what in on {
            if let Some(since) = self.off.remove(&what) {
                let line = format!("leaf {since} switched {what} (until leaf {index})");
                self.lines.push((since, line));
            }
        }
        for what in off {
            self.off.entry(what.clone()).or_insert(index);
        }
    }
}

#[cfg(test)]
mod tests;
