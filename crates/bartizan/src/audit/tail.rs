//! The end of the log, and what comes after it.
//!
//! New leaves are looked for when the checkpoint says that there are some: a look at one small file, however large the log is. They are shown
//! within a second or so of being recorded.
use super::open;
use crate::serve::signals::Stop;
use bartizan_ledger::{Entry, Reader};
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

/// How often the checkpoint is looked at.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// The end of a log that may be growing.
#[derive(Debug)]
pub(crate) struct Tail {
    reader: Reader,
    /// Index of the next leaf that nobody has seen.
    next: u64,
}

impl Tail {
    /// The last leaves, at most `limit`, oldest first, and the place behind them. What is far from the end is not read.
    ///
    /// # Errors
    /// When there is no log, or its end or its checkpoint is damaged.
    pub(crate) fn open(state: &Path, limit: usize) -> anyhow::Result<(Self, Vec<Entry>)> {
        let reader = open(state)?;
        // Without it nobody could tell whether this is the end, so one that is damaged ends the reading here.
        let known = reader.checkpoint()?.map_or(0, |signed| signed.checkpoint().size());
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
        Ok((Self { reader, next }, last.into()))
    }

    /// What has come since.
    fn more(&mut self) -> anyhow::Result<Vec<Entry>> {
        let known = self.reader.checkpoint()?.map_or(0, |signed| signed.checkpoint().size());
        if known <= self.next {
            return Ok(Vec::new());
        }
        let entries = self.reader.since(self.next)?.collect::<Result<Vec<_>, _>>()?;
        self.next = entries.last().map_or(self.next, |last| last.index + 1);
        Ok(entries)
    }

    /// Shows what comes until somebody says stop, or `show` says `false`.
    ///
    /// # Errors
    /// When the log cannot be read any more, or `show` fails.
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
