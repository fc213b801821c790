//! What would expire by the clock as it is, and how old that is: whoever confirms the clock must be able to tell that it is wrong.
//!
//! Beside the number of keys stands the newest record that they open, and when a witness, by its own clock, has last confirmed the log. Records that were
//! made minutes ago, under a clock of 1970, show here before they are destroyed.
use super::open;
use super::tail::Tail;
use crate::anchor::{Doubt, doubt, trusted_ms};
use crate::clock::{ago, utc};
use crate::config;
use crate::orders::{self, Rule};
use crate::print;
use crate::serve::Sources;
use crate::vault::Vault;
use crate::witness::{policy, verdict};
use bartizan_core::seal::Retention as Class;
use bartizan_keys::day_of;
use bartizan_ledger::Entry;
use serde_json::{Value, json};
use std::path::Path;

const DAY_MS: u64 = 86_400_000;

/// A record, as far as its age goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dated {
    index: u64,
    unix_ms: u64,
}

/// What of one retention is due.
#[derive(Debug)]
struct Row {
    class: Class,
    days: u64,
    n_keys: usize,
    /// How many of them wait until somebody confirms the retention, and the days that were agreed before.
    n_waiting: usize,
    agreed_days: Option<u64>,
    /// The days that count: the longer of the two.
    in_force_days: Option<u64>,
    /// The beginning of the first day that is kept.
    before_ms: u64,
    /// The newest record that these keys open.
    newest: Option<Dated>,
}

/// When witnesses have last confirmed the log.
#[derive(Debug)]
struct Confirmed {
    leaves: u64,
    unix_s: u64,
    witnesses: Vec<String>,
}

/// What is due.
#[derive(Debug)]
pub(crate) struct Due {
    rows: Vec<Row>,
    clock_ms: u64,
    trusted_ms: Option<u64>,
    /// Why the clock is not believed, where it is not.
    pub(crate) doubt: Option<Doubt>,
    /// The newest record of all.
    last: Option<Dated>,
    confirmed: Option<Confirmed>,
    /// Why a retention waits for somebody's word, where it does.
    pub(crate) waits: Option<String>,
}

impl Due {
    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// When the vault or the ledger cannot be read.
    pub(crate) fn list(ledger: &config::Ledger, sources: &Sources) -> anyhow::Result<Self> {
        let clock_ms = sources.clock.unix_ms();
        let Vault { keys, signer, .. } = Vault::read(&ledger.dir, sources)?;
        let due = orders::due(&keys, ledger.retention, clock_ms);
        let rule = Rule::read(&ledger.dir, ledger.retention, &signer)?;
        let in_force = rule.in_force();
        let goes = in_force.map(|retention| orders::due(&keys, retention, clock_ms));
        let goes = goes.unwrap_or_default();
        let row = |class| {
            let days = ledger.retention.days(class);
            let n_keys = due.iter().filter(|(of, _)| *of == class).count();
            let n_going = goes.iter().filter(|(of, _)| *of == class).count();
            let n_waiting = n_keys.saturating_sub(n_going);
            let agreed_days = rule.agreed.map(|retention| retention.days(class));
            let in_force_days = in_force.map(|retention| retention.days(class));
            let before_ms = day_of(clock_ms).saturating_sub(days) * DAY_MS;
            let newest = None;
            Row { class, days, n_keys, n_waiting, agreed_days, in_force_days, before_ms, newest }
        };
        let mut rows: Vec<_> = Class::ALL.into_iter().map(row).collect();
        if !due.is_empty() {
            date(&ledger.dir, &mut rows)?;
        }
        let confirmed = confirmed(ledger).unwrap_or_else(|error| {
            print::warn(&format!("what the witnesses say is not known: {error:#}"));
            None
        });
        Ok(Self {
            rows,
            clock_ms,
            trusted_ms: trusted_ms(&ledger.dir)?,
            doubt: doubt(&ledger.dir, clock_ms)?,
            last: last(&ledger.dir)?,
            confirmed,
            waits: rule.waits(),
        })
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let Self { rows, clock_ms, trusted_ms, doubt, last, confirmed, .. } = self;
        let dated = |dated: &Option<Dated>| {
            dated.map(|Dated { index, unix_ms }| {
                json!({
                    "index": index, "time": utc(unix_ms), "unix_ms": unix_ms,
                    "age_ms": age_ms(*clock_ms, unix_ms),
                })
            })
        };
        let row = |row: &Row| {
            json!({
                "retention": row.class.name(), "days": row.days, "keys": row.n_keys,
                "waiting": row.n_waiting, "agreed_days": row.agreed_days,
                "in_force_days": row.in_force_days,
                "before": utc(row.before_ms), "before_ms": row.before_ms,
                "newest": dated(&row.newest),
            })
        };
        let witnessed = confirmed.as_ref().map(|Confirmed { leaves, unix_s, witnesses }| {
            let unix_ms = unix_s.saturating_mul(1000);
            json!({
                "leaves": leaves, "time": utc(unix_ms), "unix_s": unix_s,
                "age_ms": age_ms(*clock_ms, unix_ms), "witnesses": witnesses,
            })
        });
        json!({
            "due": rows.iter().map(row).collect::<Vec<_>>(), "clock_ms": clock_ms,
            "trusted_ms": trusted_ms, "believed": doubt.is_none(),
            "last": dated(last), "witnessed": witnessed,
        })
    }

    /// For people, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { rows, clock_ms, trusted_ms, last, confirmed, .. } = self;
        let when = |unix_ms| format!("{}, {} by this clock", utc(unix_ms), ago(*clock_ms, unix_ms));
        let row = |row: &Row| {
            let Row { class, days, n_keys, n_waiting, before_ms, newest, .. } = row;
            let (name, before) = (class.name(), utc(*before_ms));
            let newest = newest.map_or_else(String::new, |Dated { index, unix_ms }| {
                format!("; the newest record among them is leaf {index}, of {}", when(unix_ms))
            });
            let waiting = match n_waiting {
                0 => String::new(),
                n => format!("; {n} of them wait for --confirm-retention"),
            };
            format!("{name}: {n_keys} keys of days before {before} ({days} days){waiting}{newest}")
        };
        let mut lines: Vec<_> = rows.iter().map(row).collect();
        lines.push(format!("this clock: {}", utc(*clock_ms)));
        lines.extend(
            trusted_ms
                .filter(|ms| 0 < *ms)
                .map(|ms| format!("the last time that was believed: {}", when(ms))),
        );
        lines.extend(last.map(|Dated { index, unix_ms }| {
            format!("the newest record of all: leaf {index}, of {}", when(unix_ms))
        }));
        lines.extend(confirmed.as_ref().map(|Confirmed { leaves, unix_s, witnesses }| {
            let (who, when) = (witnesses.join(", "), when(unix_s.saturating_mul(1000)));
            format!("a witness confirmed {leaves} leaves at {when} ({who})")
        }));
        lines
    }

    /// What speaks against the clock, whatever it was believed before: what was recorded last would go.
    pub(crate) fn warning(&self) -> Option<String> {
        let last = self.last?;
        let goes = self.rows.iter().any(|row| 0 < row.n_keys && row.newest == Some(last));
        goes.then(|| {
            format!(
                "the newest record of the whole ledger, leaf {}, is among what would be destroyed: if it was made a short while ago, the clock is wrong now or was wrong then; do not confirm it",
                last.index
            )
        })
    }
}

fn age_ms(now_ms: u64, then_ms: u64) -> i64 {
    let of = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
    of(now_ms).saturating_sub(of(then_ms))
}

/// Finds the newest record of each retention that was sealed before its first day that is kept.
fn date(state: &Path, rows: &mut [Row]) -> anyhow::Result<()> {
    let kept_from = rows.iter().map(|row| day_of(row.before_ms)).max().unwrap_or(0);
    let mut newest_ms = 0;
    for entry in open(state)?.entries()? {
        let entry = entry?;
        // What is recorded under a clock that is behind is sealed as if it came after the newest record.
        newest_ms = newest_ms.max(entry.leaf.unix_ms);
        let day = day_of(newest_ms);
        if kept_from <= day {
            return Ok(());
        }
        let is_due = |row: &&mut Row| {
            0 < row.n_keys && day < day_of(row.before_ms) && has(&entry, row.class)
        };
        for row in rows.iter_mut().filter(is_due) {
            row.newest = Some(Dated { index: entry.index, unix_ms: entry.leaf.unix_ms });
        }
    }
    Ok(())
}

fn has(entry: &Entry, class: Class) -> bool {
    entry.payloads.iter().any(|stored| Class::of(entry.leaf.kind, stored.slot) == class)
}

fn last(state: &Path) -> anyhow::Result<Option<Dated>> {
    let (_, entries) = Tail::open(state, 1)?;
    Ok(entries.last().map(|entry| Dated { index: entry.index, unix_ms: entry.leaf.unix_ms }))
}

/// When enough witnesses of the configuration have last cosigned; nothing without any.
fn confirmed(ledger: &config::Ledger) -> anyhow::Result<Option<Confirmed>> {
    let Some(settings) = &ledger.witness else { return Ok(None) };
    let (policy, _) = policy::read(&settings.policy)?;
    let told = verdict::testimony(&ledger.dir, &policy)?;
    let confirmed = told.vouched().and_then(|vouched| {
        let witnesses = vouched.witnesses.iter().map(|seen| seen.name.clone()).collect();
        Some(Confirmed { leaves: vouched.leaves, unix_s: vouched.latest_s()?, witnesses })
    });
    Ok(confirmed)
}
