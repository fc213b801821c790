//! What witnesses have said lately, and whether it makes a quorum. Times and signatures in, checkpoints and a notice out; no I/O.
use bartizan_ledger::tlog::{NoteSignature, Policy, SignedCheckpoint};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a quorum counts: longer without one, and everybody is told.
pub(crate) const QUORUM_AGE_MAX: Duration = Duration::from_secs(10);
/// Checkpoints whose cosignatures are put together at a time: slow witnesses answer about older ones.
const GATHERED_MAX: usize = 16;

/// A checkpoint of ours with what came for it.
struct Gathered {
    checkpoint: SignedCheckpoint,
    /// When each was asked for, and what came: one signature per witness.
    signatures: Vec<(u64, NoteSignature)>,
}

/// Cosignatures to be handed to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cosigned {
    /// The checkpoint with all of them.
    pub(crate) checkpoint: SignedCheckpoint,
    /// Whether they meet the quorum.
    pub(crate) is_witnessed: bool,
}

/// Cosignatures, put together.
pub(crate) struct Gathering {
    policy: Policy,
    /// The newest last. Invariant: at most [`GATHERED_MAX`].
    recent: VecDeque<Gathered>,
    /// The end of the last quorum, on the monotonic clock.
    until_us: u64,
    /// When it was met last, in seconds since 1970.
    met_unix_s: Option<u64>,
}

fn age_max_us() -> u64 {
    u64::try_from(QUORUM_AGE_MAX.as_micros()).unwrap_or(u64::MAX)
}

impl Gathering {
    /// Nothing yet, but what the log's folder remembers.
    ///
    /// * `witnessed`: the newest checkpoint that met a quorum, from an earlier run.
    pub(crate) fn new(
        policy: Policy,
        witnessed: Option<&SignedCheckpoint>,
        now_us: u64,
        now_unix_s: u64,
    ) -> Self {
        let trust = witnessed.and_then(|witnessed| policy.evaluate(witnessed).ok());
        let trust = trust.filter(|trust| trust.quorum_met);
        let met_unix_s =
            trust.and_then(|trust| trust.witnesses.iter().map(|witness| witness.unix_s).max());
        let age_us = met_unix_s.map(|met| now_unix_s.saturating_sub(met).saturating_mul(1_000_000));
        let left_us = age_us.map_or(0, |age_us| age_max_us().saturating_sub(age_us));
        let until_us = if left_us == 0 { 0 } else { now_us.saturating_add(left_us) };
        Self { policy, recent: VecDeque::new(), until_us, met_unix_s }
    }

    /// Takes the signatures of a witness on a checkpoint that was the newest when it was asked, at `asked_us`.
    pub(crate) fn add(
        &mut self,
        checkpoint: &SignedCheckpoint,
        signatures: Vec<NoteSignature>,
        asked_us: u64,
        now_unix_s: u64,
    ) -> Option<Cosigned> {
        let gathered = self.gathered(checkpoint)?;
        for signature in signatures {
            let is_other = |(_, old): &(u64, NoteSignature)| {
                (old.name(), old.id()) != (signature.name(), signature.id())
            };
            gathered.signatures.retain(is_other);
            gathered.signatures.push((asked_us, signature));
        }
        let oldest_us = asked_us.saturating_sub(age_max_us());
        let (all, fresh) = (gathered.since(0), gathered.since(oldest_us));
        if self.is_quorum(&fresh) {
            self.until_us = self.until_us.max(asked_us.saturating_add(age_max_us()));
            self.met_unix_s = Some(now_unix_s);
        }
        Some(Cosigned { is_witnessed: self.is_quorum(&all), checkpoint: all })
    }

    fn gathered(&mut self, checkpoint: &SignedCheckpoint) -> Option<&mut Gathered> {
        let text = checkpoint.note().text();
        let known = self.recent.iter().position(|old| old.checkpoint.note().text() == text);
        if known.is_none() {
            if self.recent.len() == GATHERED_MAX {
                self.recent.pop_front();
            }
            let checkpoint = checkpoint.clone();
            self.recent.push_back(Gathered { checkpoint, signatures: Vec::new() });
        }
        let last = self.recent.len().checked_sub(1)?;
        self.recent.get_mut(known.unwrap_or(last))
    }

    fn is_quorum(&self, checkpoint: &SignedCheckpoint) -> bool {
        self.policy.evaluate(checkpoint).is_ok_and(|trust| trust.quorum_met)
    }

    /// Whether a quorum has spoken lately.
    pub(crate) fn has_quorum(&self, now_us: u64) -> bool {
        now_us < self.until_us
    }

    /// What every checkpoint says while there is no quorum.
    pub(crate) fn notice(&self, now_us: u64) -> Option<String> {
        if self.has_quorum(now_us) {
            return None;
        }
        let since = self.met_unix_s.map_or_else(|| "never".to_owned(), |met| met.to_string());
        Some(format!("bartizan: no witness quorum since {since}"))
    }
}

impl Gathered {
    /// The checkpoint with the signatures that were asked for at this time or later.
    fn since(&self, oldest_us: u64) -> SignedCheckpoint {
        let mut checkpoint = self.checkpoint.clone();
        for (_, signature) in self.signatures.iter().filter(|(asked, _)| oldest_us <= *asked) {
            // A note that is full keeps what it has: the quorum says whether that is enough.
            if checkpoint.put(signature.clone()).is_err() {
                break;
            }
        }
        checkpoint
    }
}

#[cfg(test)]
mod tests;
