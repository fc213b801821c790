//! The named limits of a ledger.
use crate::format::{BLOCK, GROUP_LEAVES_MAX, OPEN_RECORDS_MAX};
use crate::problem::LedgerError;

const SEGMENT_BYTES_MAX: u64 = 1 << 30;
const RECORD_BYTES_LIMIT: usize = 256 << 20;
const GATHER_US_MAX: u64 = 10_000;

/// The named limits of a ledger. Every one of them may be changed between two openings of the same log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes that a segment file is given ahead of use; a group that is larger than that grows its file.
    pub segment_bytes: u64,
    /// Most records of one sync; a larger `append_all` is refused.
    pub group_records_max: usize,
    /// Bytes after which a group takes no further record.
    pub group_bytes_max: usize,
    /// Most records that may wait for the disk.
    pub queue_records_max: usize,
    /// Most bytes that may wait for the disk.
    pub queue_bytes_max: usize,
    /// Most bytes of payload in one `append` or `append_all`.
    pub record_bytes_max: usize,
    /// Most INTENTs that may be without an OUTCOME.
    pub open_records_max: usize,
    /// Microseconds between two checkpoints.
    pub checkpoint_interval_us: u64,
    /// Leaves after which a checkpoint comes before its time.
    pub checkpoint_leaves: u64,
    /// Most microseconds that a group waits for company when the one before it had some (50 for each job of that one): fewer, larger
    /// syncs under load, and no wait for a caller who is alone. 0 never waits.
    pub gather_us: u64,
    /// Whether no checkpoint is signed and nothing is published for as long as the log is open: it was shown to contradict itself, and nobody has
    /// decided about that. What is recorded stays in the journal.
    pub is_silent: bool,
    /// Whether a second thread readies segments and writes checkpoints, so that no record waits for either. Off, the order of
    /// operations on the disk depends on nothing but the order of records, which is what simulation wants.
    pub prepare_ahead: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 8 << 20,
            group_records_max: 4096,
            group_bytes_max: 4 << 20,
            queue_records_max: 16_384,
            queue_bytes_max: 128 << 20,
            record_bytes_max: 96 << 20,
            open_records_max: OPEN_RECORDS_MAX,
            checkpoint_interval_us: 1_000_000,
            checkpoint_leaves: 1_000,
            gather_us: 1_000,
            is_silent: false,
            prepare_ahead: true,
        }
    }
}

impl Options {
    /// Checks that the limits can be kept together.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        let wrong = |option, reason| Err(LedgerError::Options { option, reason });
        if !self.segment_bytes.is_multiple_of(BLOCK)
            || !(4 * BLOCK..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes)
        {
            return wrong("segment_bytes", "must be a multiple of 4096, from 16 KiB to 1 GiB");
        }
        if !(1..=GROUP_LEAVES_MAX).contains(&self.group_records_max) {
            return wrong("group_records_max", "must be 1 to 16384");
        }
        if self.queue_records_max == 0 {
            return wrong("queue_records_max", "must not be 0");
        }
        if RECORD_BYTES_LIMIT < self.record_bytes_max.max(self.group_bytes_max) {
            return wrong("record_bytes_max and group_bytes_max", "must be at most 256 MiB");
        }
        if self.queue_bytes_max < self.record_bytes_max {
            return wrong("queue_bytes_max", "must be at least record_bytes_max");
        }
        if GATHER_US_MAX < self.gather_us {
            return wrong("gather_us", "must be at most 10000: callers wait for it");
        }
        if self.checkpoint_leaves == 0 {
            return wrong("checkpoint_leaves", "must not be 0");
        }
        if OPEN_RECORDS_MAX < self.open_records_max {
            return wrong("open_records_max", "must be at most 65536");
        }
        Ok(())
    }
}
