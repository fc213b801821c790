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

/// Bytes behind the last group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    /// From there to the last one that is not zero.
    pub(crate) n_bytes: u64,
}

/// What stands behind the last group.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Of this segment and those after it, as far as they have bytes.
    pub(crate) pieces: Vec<Piece>,
    /// Among them is the commit mark of the group that should come next: it was written to the end, and is torn or damaged.
    pub(crate) is_marked: bool,
}

impl Rest {
    pub(crate) fn n_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.n_bytes).sum()
    }
}

/// Where the groups end.
#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) rest: Rest,
    /// What stands there instead of a group.
    pub(crate) problem: Problem,
}

impl Tail {
    /// The problem of a log that ends here, after `leaves` leaves, and has a checkpoint for `size`.
    pub(crate) fn cut(&self, leaves: u64, size: u64) -> Problem {
        let cut = self.rest.pieces.is_empty();
        let flaw = if cut { Flaw::Cut { leaves, size } } else { self.problem.flaw.clone() };
        Problem { flaw, ..self.problem.clone() }
    }
}

pub(crate) enum Step {
    Group(Group),
    End(Tail),
}

pub(crate) struct Walk {
    disk: Arc<dyn Disk>,
    pub(crate) depth: Depth,
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
        // Segments that are ready and unused stand at the end. One in the middle whose first group is damaged only makes the walk start
        // earlier, and come to it.
        let (mut low, mut high) = (0, count_segments(&*disk)?);
        let mut start = None;
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            let mut reader = SegmentReader::open(&*disk, middle)?;
            match reader.first_group()? {
                Some(head) if head.first <= index => {
                    low = middle;
                    start = Some((reader, head.number));
                }
                _ => high = middle,
            }
        }
        match start {
            Some((reader, number)) => Ok(Self::from(disk, depth, reader, number)),
            None => Self::new(disk, depth),
        }
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
                Some(rest) => {
                    let (segment, offset) = (self.reader.number, self.offset);
                    return Ok(Step::End(Tail { segment, offset, rest, problem }));
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

    /// What is in use from here on, if no later group stands there; `None` if one does.
    fn look_behind(&mut self) -> Result<Option<Rest>, Trouble> {
        self.reader.forget();
        let n_segments = count_segments(&*self.disk)?;
        let (number, offset) = (self.number, self.offset);
        let mut rest = Rest::default();
        let Some(piece) = look(&mut self.reader, offset, number, &mut rest)? else {
            return Ok(None);
        };
        rest.pieces.extend(piece);
        for segment in self.reader.number + 1..n_segments {
            let mut later = SegmentReader::open(&*self.disk, segment)?;
            let Some(piece) = look(&mut later, BLOCK, number, &mut rest)? else { return Ok(None) };
            rest.pieces.extend(piece);
        }
        Ok(Some(rest))
    }
}

/// What a segment has from `offset` on, if that is anything; the outer `None` where it is a group after `number`.
#[expect(clippy::option_option, reason = "a later group, nothing, and something are three answers")]
fn look(
    reader: &mut SegmentReader,
    offset: u64,
    number: u64,
    rest: &mut Rest,
) -> Result<Option<Option<Piece>>, Trouble> {
    if reader.has_mark(offset, |found| number < found)? {
        return Ok(None);
    }
    let n_bytes = reader.used_end(offset)? - offset;
    if n_bytes == 0 {
        return Ok(Some(None));
    }
    rest.is_marked |= reader.has_mark(offset, |found| number == found)?;
    Ok(Some(Some(Piece { segment: reader.number, offset, n_bytes })))
}

/// How many leaves the groups hold, without a look at what they say.
pub(crate) fn count_leaves(disk: &dyn Disk) -> Result<u64, Trouble> {
    for segment in (0..count_segments(disk)?).rev() {
        let mut reader = SegmentReader::open(disk, segment)?;
        let Some(first) = reader.first_group()? else { continue };
        let (mut number, mut leaves, mut offset) = (first.number, first.first, BLOCK);
        loop {
            match reader.read_group(offset, Some(number), Depth::Frames, None) {
                Ok(group) => (number, leaves, offset) = (number + 1, group.mark.size, group.end),
                Err(Trouble::Fault { torn: true, .. }) => return Ok(leaves),
                Err(trouble) => return Err(trouble),
            }
        }
    }
    Ok(0)
}
