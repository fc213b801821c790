//! One channel of a stream: the text of one field, as it arrives in pieces and as it may go out.
//!
//! The law: the concatenated released text and the findings depend on the text alone, not on how it was cut; a refusal releases exactly the
//! text before its span. Only kinds that the ladder would not release hold anything back, and no more than the longest live partial match.
//!
//! It follows from three facts. A detector's `pending` is a function of the text so far. Text leaves only below the `pending` of the kinds
//! that hold, so every finding that could touch it is known. And a refusal takes effect only when every finding that starts before it
//! is known, so that nothing which a different cut would have shown is missing.
use super::findings::{Group, Rungs, group_from, placeholder};
use super::pseudonym::Restorer;
use bartizan_core::detect::{Detector, Finding};
use bartizan_core::kind::{
    Catalogue, KindSet, LIMIT_DETECTOR, LIMIT_FINDINGS, LIMIT_HELD_BYTES, PSEUDONYM_OWN,
};
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(super) struct Channel {
    detector: Option<Box<dyn Detector>>,
    /// Finds this request's own placeholders.
    restorer: Option<Restorer>,
    /// What goes in the place of those among `marks`, in order.
    restored: VecDeque<(Span, Vec<u8>)>,
    rungs: Rungs,
    held_bytes_max: usize,
    /// Text that has arrived and not left. Invariant: it starts at offset `n_left` of the channel.
    held: Vec<u8>,
    /// Bytes of the channel that have left, or were replaced.
    n_left: u64,
    /// Findings that were reported and whose turn (in order of start) has not come.
    unsettled: Vec<Finding>,
    /// Findings of holding kinds that end above `n_left`.
    marks: Vec<Finding>,
    /// A group that is being replaced and may still grow. Its bytes are gone; its placeholder leaves when it is closed.
    open: Option<Group>,
    /// Findings whose turn has come; the caller takes them.
    pub(super) settled: Vec<Finding>,
    /// Spans that were replaced, kept for those who must know which bytes lost their text.
    pub(super) replaced: VecDeque<Span>,
    /// The finding that ended the channel. Nothing leaves after it.
    pub(super) refused: Option<Finding>,
    /// The last piece has been pushed. Nothing leaves after it either.
    ended: bool,
    /// From where on the text did not leave as it came, and all that has come from there on. Nothing is kept twice before that.
    changed: Option<(u64, Vec<u8>)>,
    budget: Budget,
}

/// How many places of a channel may have findings. Those that start at the same byte share a place, so that a stretch of text has no more
/// places than bytes, and what may still come is bounded before it is known.
#[derive(Clone, Copy, Debug)]
struct Budget {
    max: usize,
    /// Places that have settled.
    n_places: usize,
    /// Where the last of them starts.
    last: Option<u64>,
    /// The policy does not let a channel pass that has more.
    refuses: bool,
}

impl Budget {
    /// Counts a finding whose turn has come. Whether it is kept.
    fn takes(&mut self, start: u64) -> bool {
        if self.last != Some(start) {
            self.n_places = self.n_places.saturating_add(1);
            self.last = Some(start);
        }
        self.n_places <= self.max
    }
}

/// What may leave after a piece has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Exactly the piece that was pushed.
    Same,
    /// This text instead.
    Text(Vec<u8>),
}

impl Channel {
    /// A channel without a detector lets everything pass.
    pub(super) fn new(
        detector: Option<Box<dyn Detector>>,
        rungs: Rungs,
        held_bytes_max: usize,
        places_max: usize,
    ) -> Self {
        let refuses = rungs.action(LIMIT_FINDINGS) != Action::Release;
        Self {
            budget: Budget { max: places_max, n_places: 0, last: None, refuses },
            detector,
            restorer: None,
            restored: VecDeque::new(),
            rungs,
            held_bytes_max,
            held: Vec::new(),
            n_left: 0,
            unsettled: Vec::new(),
            marks: Vec::new(),
            open: None,
            settled: Vec::new(),
            replaced: VecDeque::new(),
            refused: None,
            ended: false,
            changed: None,
        }
    }

    /// The same channel, in which placeholders are restored.
    pub(super) fn restoring(mut self, restorer: Restorer) -> Self {
        self.rungs = self.rungs.with_own_placeholders();
        self.restorer = Some(restorer);
        self
    }

    /// Takes the next piece of text; `at_end`: it is the last one.
    pub(super) fn push(&mut self, piece: &[u8], at_end: bool, catalogue: &Catalogue) -> Release {
        if let Some((_, since)) = &mut self.changed {
            since.extend_from_slice(piece);
        }
        if self.refused.is_some() || self.ended {
            return Release::Text(Vec::new());
        }
        self.ended = at_end;
        let Some(mut detector) = self.detector.take() else {
            self.n_left += piece.len() as u64;
            return Release::Same;
        };
        let was_empty = self.held.is_empty();
        let n_pushed = self.n_left + (self.held.len() + piece.len()) as u64;
        let (all, hold, intact) = self.detect(detector.as_mut(), piece, at_end, n_pushed);
        let hold = self.within_budget(all, hold);
        if was_empty && hold == n_pushed && self.marks.is_empty() && self.open.is_none() && intact {
            self.n_left = n_pushed;
            self.settle(all, at_end);
            self.detector = (!at_end).then_some(detector);
            return Release::Same;
        }
        self.held.extend_from_slice(piece);
        if intact {
            self.detector = (!at_end).then_some(detector);
        } else {
            self.meet_limit(LIMIT_DETECTOR, "exchange@1");
        }
        let mut out = Vec::new();
        self.advance(all, hold, at_end || !intact, catalogue, &mut out);
        if self.refused.is_none() && self.held_bytes_max < self.held.len() {
            self.meet_limit(LIMIT_HELD_BYTES, "exchange@1");
            self.advance(n_pushed, n_pushed, true, catalogue, &mut out);
        }
        if was_empty && out == piece && self.held.is_empty() {
            Release::Same
        } else {
            Release::Text(out)
        }
    }

    /// Offset up to which text has left or was replaced.
    pub(super) fn n_left(&self) -> u64 {
        self.n_left
    }

    /// Where the text that came begins to differ from what left, and how it goes on from there; what is held has not left.
    pub(super) fn since_change(&self) -> (u64, &[u8]) {
        match &self.changed {
            Some((start, since)) => (*start, since),
            None => (self.n_left, &self.held),
        }
    }

    /// Bytes that are kept beside the ones that left and the ones that wait.
    pub(super) fn n_kept(&self) -> usize {
        self.changed.as_ref().map_or(0, |(_, since)| since.len())
    }

    /// Bytes of the channel that have arrived.
    pub(super) fn n_pushed(&self) -> u64 {
        self.n_left + self.held.len() as u64
    }

    /// Runs the detector: how far everything is known, how far what holds is known, and whether the detector survived.
    fn detect(
        &mut self,
        detector: &mut dyn Detector,
        piece: &[u8],
        at_end: bool,
        n_pushed: u64,
    ) -> (u64, u64, bool) {
        let (unsettled, marks, holding) =
            (&mut self.unsettled, &mut self.marks, self.rungs.holding);
        let mut report = |finding: Finding| {
            unsettled.push(finding);
            if holding.contains(finding.kind) {
                marks.push(finding);
            }
        };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            if !piece.is_empty() {
                detector.push(piece, &mut report);
            }
            if at_end {
                detector.finish(&mut report);
                return (n_pushed, n_pushed);
            }
            (detector.pending(&KindSet::ALL), detector.pending(&holding))
        }));
        let (all, hold, intact) = match ran {
            Ok((all, hold)) => (all, hold, true),
            Err(_) => (n_pushed, n_pushed, false),
        };
        // After a detector has failed nothing more is looked at, and nothing waits.
        let own = self.find_own(piece, at_end || !intact);
        (all, own.map_or(hold, |own| own.min(hold)), intact)
    }

    /// Finds placeholders, and says up to where the next one has surely not begun. They are no findings: nobody counts them.
    fn find_own(&mut self, piece: &[u8], at_end: bool) -> Option<u64> {
        let restorer = self.restorer.as_mut()?;
        let (marks, values) = (&mut self.marks, &mut self.restored);
        restorer.push(piece, &mut |span, with| {
            marks.push(Finding::certain(span, PSEUDONYM_OWN, "exchange@1"));
            values.push_back((span, with));
        });
        // Half a placeholder is none.
        (!at_end).then(|| restorer.pending())
    }

    /// How far text may leave, so that the place which is one too many, wherever it turns out to be, has not left before it is known.
    ///
    /// Everything here is a function of the text so far: a place is settled when it starts before `all`, and between `all` and `hold` there
    /// can be no more places than bytes.
    fn within_budget(&mut self, all: u64, hold: u64) -> u64 {
        let n_unknown = usize::try_from(hold.saturating_sub(all)).unwrap_or(usize::MAX);
        let at_most =
            self.budget.n_places.saturating_add(self.unsettled.len()).saturating_add(n_unknown);
        if !self.budget.refuses || at_most < self.budget.max {
            return hold;
        }
        self.unsettled.sort_unstable();
        let mut budget = self.budget;
        let known = self.unsettled.iter().take_while(|finding| finding.span.start < all);
        let one_too_many =
            known.map(|finding| finding.span.start).find(|&start| !budget.takes(start));
        if let Some(start) = one_too_many {
            let span = Span::new(start, u64::MAX);
            self.marks.push(Finding::certain(span, LIMIT_FINDINGS, "exchange@1"));
        }
        let is_near = budget.max <= budget.n_places.saturating_add(n_unknown);
        if is_near { hold.min(all) } else { hold }
    }

    /// A limit was met: from the first byte that has not left, nothing is known.
    fn meet_limit(&mut self, kind: bartizan_core::kind::KindId, detector: &'static str) {
        let span = Span::new(self.n_left, self.n_left + self.held.len() as u64);
        let finding = Finding::certain(span, kind, detector);
        self.unsettled.push(finding);
        match self.rungs.action(kind) {
            Action::Release => self.detector = None,
            // Redacting what was not read would hide how much was not read: it is refused.
            Action::Redact | Action::Refuse => {
                self.marks.push(Finding { span: Span::new(self.n_left, u64::MAX), ..finding });
            }
        }
    }

    /// Lets leave what may leave, given that everything that starts before `all` is known, and everything that holds before `hold`.
    fn advance(
        &mut self,
        all: u64,
        hold: u64,
        at_end: bool,
        catalogue: &Catalogue,
        out: &mut Vec<u8>,
    ) {
        let refusal = self.marks.iter().filter(|mark| self.refuses(mark)).min().copied();
        let effective = refusal.filter(|mark| at_end || mark.span.start < all);
        let limit = refusal.map_or(hold, |mark| hold.min(mark.span.start));
        let before = |mark: &&Finding| {
            refusal.is_none_or(|refusal| {
                // What is refused in part is not restored.
                let is_own = mark.kind == PSEUDONYM_OWN;
                mark.span.start < refusal.span.start
                    && !(is_own && refusal.span.start < mark.span.end)
            })
        };
        let groups = group_from(self.open.take(), self.marks.iter().filter(before).copied());
        let Some(refusal) = effective else {
            self.release(limit, &groups, at_end, catalogue, out);
            return self.settle(all, at_end);
        };
        self.release(refusal.span.start, &groups, true, catalogue, out);
        self.change_at(refusal.span.start);
        self.settle_until(|finding| finding.span.start <= refusal.span.start);
        self.unsettled.clear();
        self.held = Vec::new();
        self.detector = None;
        self.refused = Some(refusal);
    }

    fn refuses(&self, mark: &Finding) -> bool {
        self.rungs.action(mark.kind) == Action::Refuse || mark.span.end == u64::MAX
    }

    /// Lets text below `limit` leave, groups replaced. A group that may still grow stays open, and what follows it waits.
    fn release(
        &mut self,
        limit: u64,
        groups: &[Group],
        closed: bool,
        catalogue: &Catalogue,
        out: &mut Vec<u8>,
    ) {
        let mut copied = self.n_left;
        let mut stop = limit;
        for group in groups {
            if limit <= group.span.start && self.n_left <= group.span.start {
                break;
            }
            if group.kind == PSEUDONYM_OWN && !closed && limit < group.span.end {
                // Something that is taken out may still overlap it. It is short, so it waits.
                stop = group.span.start;
                break;
            }
            out.extend_from_slice(self.held_bytes(copied, group.span.start));
            self.replaced.push_back(group.span);
            self.change_at(group.span.start);
            copied = group.span.end;
            if group.kind != PSEUDONYM_OWN && !closed && limit <= group.span.end {
                // Whatever comes, these bytes will not leave: holding them would only fill memory.
                self.open = Some(*group);
                stop = group.span.end;
                break;
            }
            match self.restored.iter().find(|(span, _)| *span == group.span) {
                Some((_, value)) if group.kind == PSEUDONYM_OWN => out.extend_from_slice(value),
                _ => out.extend_from_slice(placeholder(group.kind, catalogue).as_bytes()),
            }
            stop = limit.max(group.span.end);
        }
        let stop = stop.min(self.n_left + self.held.len() as u64);
        if self.open.is_none() {
            out.extend_from_slice(self.held_bytes(copied, stop));
        }
        let n_gone = usize::try_from(stop.saturating_sub(self.n_left)).unwrap_or(usize::MAX);
        let n_gone = n_gone.min(self.held.len());
        self.held.drain(..n_gone);
        self.n_left += n_gone as u64;
        self.marks.retain(|mark| self.n_left < mark.span.end);
        while self.restored.front().is_some_and(|(span, _)| span.end <= self.n_left) {
            self.restored.pop_front();
        }
    }

    /// The text does not leave as it came from `start` on. Everything from there on still waits when this is said first.
    fn change_at(&mut self, start: u64) {
        if self.changed.is_none() {
            let start = start.max(self.n_left);
            self.changed = Some((start, self.held_bytes(start, u64::MAX).to_vec()));
        }
    }

    fn held_bytes(&self, from: u64, to: u64) -> &[u8] {
        let index = |offset: u64| {
            usize::try_from(offset.saturating_sub(self.n_left))
                .unwrap_or(usize::MAX)
                .min(self.held.len())
        };
        self.held.get(index(from)..index(to)).unwrap_or_default()
    }

    fn settle(&mut self, all: u64, at_end: bool) {
        if !self.unsettled.is_empty() {
            self.settle_until(|finding| at_end || finding.span.start < all);
        }
    }

    fn settle_until(&mut self, ready: impl Fn(&Finding) -> bool) {
        self.unsettled.sort_unstable();
        let n_ready = self.unsettled.iter().take_while(|finding| ready(finding)).count();
        for finding in self.unsettled.drain(..n_ready) {
            let was_within = self.budget.n_places <= self.budget.max;
            if self.budget.takes(finding.span.start) {
                self.settled.push(finding);
            } else if was_within {
                let span = Span::new(finding.span.start, finding.span.start);
                let (kind, detector) = (LIMIT_FINDINGS, "exchange@1");
                self.settled.push(Finding::certain(span, kind, detector));
            }
        }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("n_left", &self.n_left)
            .field("n_held", &self.held.len())
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}
