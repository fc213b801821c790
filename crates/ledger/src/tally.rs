//! Denials that were never a record of their own, counted: a flood of them costs one leaf per second.
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::json::encode_into;
use bartizan_core::record::{Draft, Leaf, Payload, RecordId, RecordKind, Slot};
use std::collections::BTreeMap;

/// Most reasons that are told apart; every further one counts as `other`.
pub const TALLY_REASONS_MAX: usize = 64;
const INTERVAL_US: u64 = 1_000_000;
const OTHER: &str = "other";

/// Counts by reason, until it is time for a leaf. Its driver calls [`Tally::draft`] now and then, and [`Tally::drain`] at the end.
///
/// ```
/// # use bartizan_ledger::Tally;
/// # use bartizan_testkit::{SimClock, SimEntropy};
/// let (clock, entropy) = (SimClock::new(0), SimEntropy::new(1));
/// let mut tally = Tally::new();
/// tally.count("bad_key");
/// let draft = tally.draft(&clock, &entropy).ok_or("nothing to say")?;
/// assert_eq!(draft.leaf.count, Some(1));
/// assert_eq!(draft.payloads[0].bytes, br#"{"bad_key":1}"#);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<&'static str, u64>,
    /// When the last draft was given out, in monotonic time.
    told_us: Option<u64>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one denial.
    pub fn count(&mut self, reason: &'static str) {
        let known = self.counts.contains_key(reason) || self.counts.len() + 1 < TALLY_REASONS_MAX;
        let count = self.counts.entry(if known { reason } else { OTHER }).or_default();
        *count = count.saturating_add(1);
    }

    /// A record of what was counted, at most once per second; `None` when nothing was, or it is too early.
    pub fn draft(&mut self, clock: &dyn Clock, entropy: &dyn Entropy) -> Option<Draft> {
        let now_us = clock.monotonic_us();
        let early =
            self.told_us.is_some_and(|told_us| now_us.saturating_sub(told_us) < INTERVAL_US);
        if early { None } else { self.drain(clock, entropy) }
    }

    /// A record of what was counted, however early it is: for the end.
    pub fn drain(&mut self, clock: &dyn Clock, entropy: &dyn Entropy) -> Option<Draft> {
        if self.counts.is_empty() {
            return None;
        }
        self.told_us = Some(clock.monotonic_us());
        let mut id = [0; 16];
        entropy.fill(&mut id);
        let counts = std::mem::take(&mut self.counts);
        let mut leaf = Leaf::new(RecordId(id), RecordKind::Tally, clock.unix_ms());
        leaf.count = Some(counts.values().fold(0, |sum: u64, &count| sum.saturating_add(count)));
        let payload = Payload { slot: Slot::Evidence, bytes: to_json(&counts) };
        Some(Draft::new(leaf, vec![payload]))
    }
}

fn to_json(counts: &BTreeMap<&'static str, u64>) -> Vec<u8> {
    let mut json = vec![b'{'];
    for (reason, count) in counts {
        json.extend_from_slice(if json.len() == 1 { b"\"" } else { b",\"" });
        encode_into(reason.as_bytes(), &mut json);
        json.extend_from_slice(b"\":");
        json.extend_from_slice(count.to_string().as_bytes());
    }
    json.push(b'}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::{SimClock, SimEntropy};

    #[test]
    fn one_leaf_per_second_says_it_all() {
        let (clock, entropy) = (SimClock::new(5), SimEntropy::new(1));
        let mut tally = Tally::new();
        assert!(tally.draft(&clock, &entropy).is_none(), "nothing was counted");
        for reason in ["shed", "bad_key", "shed", "quo\"te"] {
            tally.count(reason);
        }
        let draft = tally.draft(&clock, &entropy).unwrap();
        assert_eq!((draft.leaf.kind, draft.leaf.count), (RecordKind::Tally, Some(4)));
        assert_eq!(draft.payloads[0].bytes, br#"{"bad_key":1,"quo\"te":1,"shed":2}"#);
        tally.count("shed");
        clock.advance_us(INTERVAL_US - 1);
        assert!(tally.draft(&clock, &entropy).is_none(), "too early");
        clock.advance_us(1);
        let next = tally.draft(&clock, &entropy).unwrap();
        assert_eq!(next.leaf.count, Some(1));
        assert_ne!(next.leaf.record, draft.leaf.record);
        tally.count("shed");
        assert!(tally.drain(&clock, &entropy).is_some(), "the end comes when it comes");
    }

    #[test]
    fn reasons_are_bounded_and_no_count_is_lost() {
        let (clock, entropy) = (SimClock::new(5), SimEntropy::new(1));
        let mut tally = Tally::new();
        for n in 0..200 {
            tally.count(String::leak(format!("reason {n}")));
        }
        let draft = tally.draft(&clock, &entropy).unwrap();
        assert_eq!(draft.leaf.count, Some(200));
        let json: BTreeMap<String, u64> = serde_json::from_slice(&draft.payloads[0].bytes).unwrap();
        assert_eq!((json.len(), json[OTHER]), (TALLY_REASONS_MAX, 137));
    }
}
