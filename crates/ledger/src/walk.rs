//! From group to group through all segments, and what to make of the place where they end.
use crate::format::{BLOCK, LogId, segment_number};
use crate::group::Group;
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use crate::reader::Entry;
use crate::segment::{Depth, SegmentReader};
use bartizan_core::disk::Disk;
use std::sync::Arc;

/// How many segments there are. Their numbers must be 0 and up, without a gap.
pub(crate) fn count_segments(disk: &dyn Disk) -> Result<u64, Trouble> {
    let names = disk.list().map_err(LedgerError::disk("list", "the folder"));
    let mut numbers: Vec<_> =
        names.map_err(Trouble::Disk)?.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    let gap = (0..).zip(&numbers).find(|(want, have)| want != *have);
    if let Some((segment, _)) = gap {
        return Err(Problem { segment, offset: 0, leaf: None, flaw: Flaw::SegmentMissing }.into());
    }
    Ok(numbers.len() as u64)
}

/// Where the groups end.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    /// Bytes from there to the last one that is not zero, in this segment and those after it.
    pub(crate) n_bytes: u64,
    /// What stands there instead of a group.
    pub(crate) problem: Problem,
}

pub(crate) enum Step {
    Group(Group),
    End(Tail),
}

pub(crate) struct Walk {
    disk: Arc<dyn Disk>,
    depth: Depth,
    pub(crate) reader: SegmentReader,
    offset: u64,
    number: u64,
}

impl Walk {
    /// A walk from the start of the log.
    pub(crate) fn new(disk: Arc<dyn Disk>, depth: Depth) -> Result<Self, Trouble> {
        if count_segments(&*disk)? == 0 {
            return Err(Trouble::Disk(LedgerError::Absent));
        }
        let reader = SegmentReader::open(&*disk, 0)?;
        Ok(Self::from(disk, depth, reader, 0))
    }

    /// A walk from the first group of a segment, which has this number.
    pub(crate) fn from(
        disk: Arc<dyn Disk>,
        depth: Depth,
        reader: SegmentReader,
        number: u64,
    ) -> Self {
        Self { disk, depth, reader, offset: BLOCK, number }
    }

    /// A walk from the start of the last segment that has the leaf at `index`, or that it will come to.
    pub(crate) fn before(disk: Arc<dyn Disk>, depth: Depth, index: u64) -> Result<Self, Trouble> {
        for number in (1..count_segments(&*disk)?).rev() {
            let mut reader = SegmentReader::open(&*disk, number)?;
            match reader.read_group(BLOCK, None, depth, None) {
                Ok(group) if group.head.first <= index => {
                    return Ok(Self::from(disk, depth, reader, group.head.number));
                }
                Ok(_) | Err(Trouble::Fault { torn: true, .. }) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Self::new(disk, depth)
    }

    pub(crate) fn log(&self) -> LogId {
        self.reader.log
    }

    /// The next group, or where the groups end. A place that is no group while later groups exist is damage.
    pub(crate) fn step(&mut self, mut entries: Option<&mut Vec<Entry>>) -> Result<Step, Trouble> {
        // A log that somebody is writing may have grown between a look at its end and the look for groups behind that;
        // then the second attempt succeeds.
        for attempt in 0..2 {
            let n_entries = entries.as_deref().map_or(0, Vec::len);
            let read = self.read(entries.as_deref_mut());
            let problem = match read {
                Ok(group) => {
                    self.offset = group.end;
                    self.number += 1;
                    return Ok(Step::Group(group));
                }
                Err(Trouble::Fault { problem, torn: true }) => problem,
                Err(trouble) => return Err(trouble),
            };
            if let Some(entries) = entries.as_deref_mut() {
                entries.truncate(n_entries);
            }
            match self.look_behind()? {
                Some(n_bytes) => {
                    let (segment, offset) = (self.reader.number, self.offset);
                    return Ok(Step::End(Tail { segment, offset, n_bytes, problem }));
                }
                None if attempt == 0 => self.reader.forget(),
                None => return Err(problem.into()),
            }
        }
        Err(self.reader.problem(self.offset, None, Flaw::Order).into())
    }

    fn read(&mut self, mut entries: Option<&mut Vec<Entry>>) -> Result<Group, Trouble> {
        let number = Some(self.number);
        let n_entries = entries.as_deref().map_or(0, Vec::len);
        let here = self.reader.read_group(self.offset, number, self.depth, entries.as_deref_mut());
        let Err(Trouble::Fault { torn: true, .. }) = here else { return here };
        if let Some(entries) = entries.as_deref_mut() {
            entries.truncate(n_entries);
        }
        let next = self.reader.number + 1;
        if count_segments(&*self.disk)? <= next {
            return here;
        }
        let mut next = SegmentReader::open(&*self.disk, next)?;
        if next.log != self.reader.log {
            return Err(next.problem(0, None, Flaw::Header).into());
        }
        match next.read_group(BLOCK, number, self.depth, entries) {
            Ok(group) => {
                self.reader.forget();
                let end = self.reader.used_end(self.offset)?;
                if end != self.offset {
                    return Err(self.reader.problem(end - 1, None, Flaw::Stray).into());
                }
                self.reader = next;
                Ok(group)
            }
            Err(Trouble::Fault { torn: true, problem }) => {
                // Where the groups of this segment end properly, it is the next one that has the trouble.
                let moved = self.reader.used_end(self.offset)? == self.offset
                    && BLOCK < next.used_end(BLOCK)?;
                if moved { Err(Trouble::Fault { torn: true, problem }) } else { here }
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Bytes in use from here on, if no later group stands there; `None` if one does.
    fn look_behind(&mut self) -> Result<Option<u64>, Trouble> {
        self.reader.forget();
        let n_segments = count_segments(&*self.disk)?;
        if self.reader.has_mark_after(self.offset, self.number)? {
            return Ok(None);
        }
        let mut n_bytes = self.reader.used_end(self.offset)? - self.offset;
        for number in self.reader.number + 1..n_segments {
            let mut later = SegmentReader::open(&*self.disk, number)?;
            if later.has_mark_after(BLOCK, self.number)? {
                return Ok(None);
            }
            n_bytes += later.used_end(BLOCK)? - BLOCK;
        }
        Ok(Some(n_bytes))
    }
}
