//! What is counted. The hot path touches atomics only; denials and findings, which are rare or cheap to refuse, share a lock.
use super::budget::Budget;
use super::histogram::{Histogram, line};
use super::room::Room;
use crate::exchange::Endpoint;
use bartizan_core::record::Outcome;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Most different names in one counter family; what comes after is counted as `other`.
pub const NAMES_MAX: usize = 600;

const ENDPOINTS: [Endpoint; 3] = [Endpoint::Chat, Endpoint::Embeddings, Endpoint::Models];
const OUTCOMES: usize = 8;

/// Our own part of a request's time, in microseconds: from its head to the INTENT handed over, without waiting for its body, and from
/// the answer (of a stream, the slowest chunk) to its release, without waiting for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overhead {
    /// Half of the requests took no longer.
    pub p50_us: u64,
    /// All but one in a hundred took no longer.
    pub p99_us: u64,
}

/// Counters and gauges of one gateway.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    ended: [[AtomicU64; OUTCOMES]; 3],
    denied: Names,
    findings: Names,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) connections: AtomicUsize,
    pub(super) requests: AtomicUsize,
    pub(super) streams: AtomicUsize,
    /// Requests that were flagged as attacks.
    pub(super) budget: Budget,
    /// Bodies that are held as a whole.
    pub(super) room: Room,
    pub(super) unrecorded: AtomicU64,
    /// Records that should be in the ledger and are not, or not as they were: in line and not written, or given up after waiting for room.
    /// Whoever waits for one holds a handle.
    pub(super) audit_lost: Arc<AtomicU64>,
    pub(super) guard_failures: AtomicU64,
    pub(super) overhead: Histogram,
    pub(super) first_byte: Histogram,
}

impl Metrics {
    /// Counts the end of an exchange that has records.
    pub(super) fn ended(&self, endpoint: Endpoint, outcome: Outcome) {
        if let Some(counter) =
            self.ended.get(endpoint as usize).and_then(|row| row.get(usize::from(outcome.code())))
        {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Counts a request that was turned away before it had a record.
    pub(super) fn denied(&self, code: &'static str) {
        self.denied.add(code, 1);
    }

    /// Counts findings, as the `x-bartizan-findings` header lists them: `pii.card=1, secret.jwt=2`.
    pub(super) fn found(&self, summary: &str) {
        for piece in summary.split(',').filter(|piece| !piece.is_empty()) {
            if let Some((kind, count)) = piece.trim().split_once('=') {
                self.findings.add(kind, count.parse().unwrap_or(1));
            }
        }
    }

    /// Quantiles of our own time.
    pub(super) fn overhead(&self) -> Overhead {
        Overhead { p50_us: self.overhead.quantile_us(500), p99_us: self.overhead.quantile_us(990) }
    }

    /// The text that Prometheus reads.
    pub(super) fn export(&self, out: &mut String) {
        head(out, "bartizan_requests_total", "counter", "Exchanges that ended, each counted once.");
        for endpoint in ENDPOINTS {
            for &outcome in Outcome::ALL {
                let row = self.ended.get(endpoint as usize);
                let count = row
                    .and_then(|row| row.get(usize::from(outcome.code())))
                    .map_or(0, |n| n.load(Relaxed));
                let name = endpoint_name(endpoint);
                line(
                    out,
                    format_args!(
                        "bartizan_requests_total{{endpoint=\"{name}\",outcome=\"{outcome}\"}} {count}"
                    ),
                );
            }
        }
        self.denied.export(
            out,
            "bartizan_denied_total",
            "code",
            "Requests turned away before they had a record.",
        );
        self.findings.export(
            out,
            "bartizan_findings_total",
            "kind",
            "What the guards saw, released or not.",
        );
        head(out, "bartizan_bytes_total", "counter", "Bytes of bodies, from and to callers.");
        for (way, bytes) in [("in", &self.bytes_in), ("out", &self.bytes_out)] {
            let count = bytes.load(Relaxed);
            line(out, format_args!("bartizan_bytes_total{{direction=\"{way}\"}} {count}"));
        }
        self.export_gauges(out);
        self.first_byte.export(
            "bartizan_upstream_first_byte_seconds",
            "From the call to the head of the upstream's answer.",
            out,
        );
        self.overhead.export(
            "bartizan_overhead_seconds",
            "Our own part of an exchange's time.",
            out,
        );
    }

    fn export_gauges(&self, out: &mut String) {
        for (name, gauge, help) in [
            ("bartizan_open_connections", &self.connections, "Connections of callers."),
            (
                "bartizan_open_requests",
                &self.requests,
                "Requests that are being worked on, streams included.",
            ),
            ("bartizan_open_streams", &self.streams, "Streams that are open."),
        ] {
            head(out, name, "gauge", help);
            line(out, format_args!("{name} {}", gauge.load(Relaxed)));
        }
        if let Some(ratio) = self.budget.ratio() {
            let name = "bartizan_flagged_ratio";
            head(out, name, "gauge", "Share of the last requests in which an attack was found.");
            line(out, format_args!("{name} {ratio}"));
        }
        let name = "bartizan_buffered_bytes";
        head(out, name, "gauge", "Bytes of bodies that are held as a whole.");
        line(out, format_args!("{name} {}", self.room.held()));
        for (name, counter, help) in [
            (
                "bartizan_unrecorded_total",
                &self.unrecorded,
                "Answers withheld because their record failed.",
            ),
            (
                "bartizan_audit_lost_total",
                &*self.audit_lost,
                "Records of what was released that could not be written, or not whole.",
            ),
            (
                "bartizan_guard_failures_total",
                &self.guard_failures,
                "Guards that crashed; their exchanges were denied.",
            ),
        ] {
            head(out, name, "counter", help);
            line(out, format_args!("{name} {}", counter.load(Relaxed)));
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn endpoint_name(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Chat => "chat",
        Endpoint::Embeddings => "embeddings",
        Endpoint::Models => "models",
    }
}

/// A family of counters, by name.
#[derive(Debug, Default)]
struct Names {
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Names {
    fn add(&self, name: &str, count: u64) {
        let Ok(mut counts) = self.counts.lock() else { return };
        if let Some(have) = counts.get_mut(name) {
            *have += count;
        } else {
            let name = if counts.len() < NAMES_MAX { name } else { "other" };
            *counts.entry(name.to_owned()).or_default() += count;
        }
    }

    fn export(&self, out: &mut String, family: &str, label: &str, help: &str) {
        head(out, family, "counter", help);
        let Ok(counts) = self.counts.lock() else { return };
        for (name, count) in counts.iter() {
            let plain: String =
                name.chars().filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c)).collect();
            line(out, format_args!("{family}{{{label}=\"{plain}\"}} {count}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_come_out_as_they_went_in() {
        let metrics = Metrics::default();
        metrics.ended(Endpoint::Chat, Outcome::Completed);
        metrics.ended(Endpoint::Chat, Outcome::Completed);
        metrics.ended(Endpoint::Models, Outcome::Timeout);
        metrics.denied("unknown_path");
        metrics.found("pii.card=2, secret.jwt=1");
        metrics.found("");
        let mut text = String::new();
        metrics.export(&mut text);
        for want in [
            "bartizan_requests_total{endpoint=\"chat\",outcome=\"completed\"} 2\n",
            "bartizan_requests_total{endpoint=\"models\",outcome=\"timeout\"} 1\n",
            "bartizan_requests_total{endpoint=\"chat\",outcome=\"refused\"} 0\n",
            "bartizan_denied_total{code=\"unknown_path\"} 1\n",
            "bartizan_findings_total{kind=\"pii.card\"} 2\n",
            "bartizan_findings_total{kind=\"secret.jwt\"} 1\n",
            "bartizan_open_streams 0\n",
        ] {
            assert!(text.contains(want), "{want} in {text}");
        }
    }

    #[test]
    fn a_family_has_a_limit() {
        let names = Names::default();
        (0..NAMES_MAX + 5).for_each(|n| names.add(&format!("n{n}"), 1));
        let counts = names.counts.lock().unwrap();
        assert_eq!((counts.len(), counts.get("other")), (NAMES_MAX + 1, Some(&5)));
    }
}
