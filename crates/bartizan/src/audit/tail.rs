//! The end of the log, and what comes after it.
//!
//! New leaves are looked for when the checkpoint says that there are some: a look at one small file, however large the log is. They are shown
//! within a second or so of being recorded.
//!
//! Behind the checkpoint anybody who can write the disk can have written: what is followed ends before that.
use super::open;
use super::signed::{Extent, Mark, NOBODY_SIGNED, SAYS_MORE, Signatures};
use crate::serve::signals::Stop;
use anyhow::{Context as _, bail};
use bartizan_ledger::{Entry, LedgerError, Reader};
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

/// How often the checkpoint is looked at.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// The end of a log that may be growing.
#[derive(Debug)]
pub(crate) struct Tail {
    reader: Reader,
    signatures: Signatures,
    /// What a signature stands for; nothing where nobody has signed.
    signed: Option<Extent>,
    /// Index of the next leaf that nobody has seen.
    next: u64,
}

impl Tail {
    /// The last leaves, at most `limit`, oldest first, and the place behind them. What is far from the end is not read.
    ///
    /// # Errors
    /// When there is no log, or its end or its checkpoint is damaged.
    pub(crate) fn open(state: &Path, limit: usize) -> anyhow::Result<(Self, Vec<Entry>)> {
        let (reader, signatures) = (open(state)?, Signatures::of(state));
        // Without it nobody could tell whether this is the end, so one that is damaged ends the reading here.
        let known = reader.checkpoint()?.map_or(0, |signed| signed.checkpoint().size());
        let signed = signatures.extent(&reader)?;
        let mut last = VecDeque::new();
        let mut next = known.saturating_sub(limit as u64);
        for entry in reader.since(next)? {
            let entry = entry?;
            next = entry.index + 1;
            last.push_back(entry);
            if limit < last.len() {
                last.pop_front();
            }
        }
        Ok((Self { reader, signatures, signed, next }, last.into()))
    }

    /// How these leaves stand to what was signed; nothing where no key that is at hand has signed the checkpoint.
    pub(crate) fn marks(&mut self, entries: &[Entry]) -> Option<Vec<Mark>> {
        let extent = self.signed.as_mut()?;
        Some(entries.iter().map(|entry| extent.mark(entry)).collect())
    }

    /// Takes back what has no signature yet: it comes with the checkpoint that has it.
    pub(crate) fn hold_back(&mut self, last: &mut Vec<Entry>) {
        let signed = self.signed.as_ref().map_or(0, Extent::size);
        last.retain(|entry| entry.index < signed);
        self.next = self.next.min(signed);
    }

    /// What has come since, as far as it is signed: each is shown once, and what is shown was said by the log's key.
    pub(super) fn more(&mut self) -> anyhow::Result<Vec<Entry>> {
        let signed = self.signatures.leaves(&self.reader)?.context(NOBODY_SIGNED)?;
        if signed <= self.next {
            return Ok(Vec::new());
        }
        let extent = self.signatures.extent(&self.reader)?.context(NOBODY_SIGNED)?;
        let signed = extent.size();
        self.signed = Some(extent);
        let is_new = |entry: &Result<Entry, LedgerError>| {
            entry.as_ref().map_or(true, |entry| entry.index < signed)
        };
        let entries = self.reader.since(self.next)?.take_while(is_new);
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let marks = self.marks(&entries).unwrap_or_default();
        let changed = entries.iter().zip(marks).find(|(_, mark)| *mark != Mark::Signed);
        if let Some((entry, _)) = changed {
            bail!("leaf {} is not the one that was signed: {SAYS_MORE}", entry.index);
        }
        self.next = entries.last().map_or(self.next, |last| last.index + 1);
        Ok(entries)
    }

    /// Shows what comes until somebody says stop, or `show` says `false`. What has no signature yet comes with the checkpoint that has it.
    ///
    /// # Errors
    /// When the log cannot be read any more, its checkpoint is signed by nobody, or `show` fails.
    pub(crate) fn follow(
        mut self,
        show: &mut dyn FnMut(&[Entry]) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let mut stop = Stop::new()?;
            loop {
                let entries = self.more()?;
                if !entries.is_empty() && !show(&entries)? {
                    return Ok(());
                }
                tokio::select! {
                    () = stop.next() => return Ok(()),
                    () = tokio::time::sleep(LOOK_PAUSE) => {}
                }
            }
        })
    }
}
