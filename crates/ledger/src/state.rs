//! What a log adds up to so far: what a writer must know to go on, and what a verifier must find again.
use crate::format::{Bytes, LogId, OPEN_RECORDS_MAX, genesis};
use crate::group::Group;
use crate::merkle::Merkle;
use crate::problem::Flaw;
use bartizan_core::digest::Digest;
use bartizan_core::record::{RecordId, RecordKind};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Number of the next group.
    pub(crate) number: u64,
    /// The chain after the last group.
    pub(crate) chain: Digest,
    pub(crate) tree: Merkle,
    /// The latest time that a leaf has; 0 before the first.
    pub(crate) newest_ms: u64,
    /// INTENTs without an OUTCOME.
    pub(crate) open: BTreeSet<RecordId>,
}

impl State {
    /// The state of a log without groups.
    pub(crate) fn genesis(log: &LogId) -> Self {
        let (tree, open) = (Merkle::new(), BTreeSet::new());
        Self { number: 0, chain: genesis(log), tree, newest_ms: 0, open }
    }

    /// The body of a snapshot frame; the group's number and first leaf stand in the frame before it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128 + 16 * self.open.len());
        body.extend_from_slice(&self.chain.0);
        body.extend_from_slice(&self.newest_ms.to_le_bytes());
        let n_peaks = u32::try_from(self.tree.peaks().len()).unwrap_or(u32::MAX);
        body.extend_from_slice(&n_peaks.to_le_bytes());
        self.tree.peaks().iter().for_each(|peak| body.extend_from_slice(&peak.0));
        self.open.iter().for_each(|record| body.extend_from_slice(&record.0));
        body
    }

    /// Reads a snapshot; `None` when it is none.
    pub(crate) fn decode(body: &[u8], number: u64, size: u64) -> Option<Self> {
        let mut bytes = Bytes(body);
        let chain = Digest(bytes.array()?);
        let newest_ms = bytes.u64()?;
        let n_peaks = bytes.u32().filter(|&n_peaks| n_peaks <= u64::BITS)?;
        let peaks = (0..n_peaks).map(|_| bytes.array().map(Digest)).collect::<Option<_>>()?;
        let tree = Merkle::from_peaks(size, peaks)?;
        let (records, rest) = bytes.0.as_chunks::<16>();
        let open: BTreeSet<_> = records.iter().map(|&record| RecordId(record)).collect();
        let honest = rest.is_empty() && open.len() == records.len();
        honest.then_some(Self { number, chain, tree, newest_ms, open })
    }

    /// Takes note of one leaf's part in the pairing of INTENT and OUTCOME.
    pub(crate) fn pair(&mut self, record: RecordId, kind: RecordKind) -> Result<(), Flaw> {
        match kind {
            RecordKind::Intent if OPEN_RECORDS_MAX <= self.open.len() => Err(Flaw::OpenTooMany),
            RecordKind::Intent if !self.open.insert(record) => Err(Flaw::IntentTwice { record }),
            RecordKind::Outcome if !self.open.remove(&record) => Err(Flaw::OutcomeAlone { record }),
            _ => Ok(()),
        }
    }

    /// Goes on by one group, which must follow from here: the offset of the first flaw in it, its leaf and what it is.
    pub(crate) fn follow(&mut self, group: &Group) -> Result<(), (u64, Option<u64>, Flaw)> {
        if group.head.number != self.number || group.head.first != self.tree.size() {
            return Err((group.start, None, Flaw::Order));
        }
        if group.snapshot.as_ref().is_some_and(|snapshot| snapshot != self) {
            return Err((group.start, None, Flaw::Snapshot));
        }
        for leaf in &group.leaves {
            let pairing = self.pair(leaf.record, leaf.kind);
            pairing.map_err(|flaw| (leaf.offset, Some(self.tree.size()), flaw))?;
            self.tree.append(leaf.hash);
            self.newest_ms = self.newest_ms.max(leaf.unix_ms);
        }
        if group.mark.root != self.tree.root() {
            return Err((group.end, None, Flaw::Root));
        }
        if group.mark.chain != group.mark.chained(&self.chain) {
            return Err((group.end, None, Flaw::Chain));
        }
        self.chain = group.mark.chain;
        self.number += 1;
        Ok(())
    }
}
