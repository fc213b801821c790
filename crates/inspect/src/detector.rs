//! Runs the rules over a stream or over a whole text, with the same findings.
//!
//! Each place where a rule may match is a candidate. Of one kind, candidates are decided from left to right, and one that starts inside
//! an earlier finding of its kind is dropped; kinds do not see each other, so a phone number that swallows the head of a card number
//! does not hide the card.
use crate::gate::{Gate, GateState};
use crate::kinds::{KINDS_LEN, Kind};
use crate::rules;
use crate::text::{Answer, LEFT_BYTES_MAX, Stop, Text};
use bartizan_core::detect::{Detector, Finding};
use bartizan_core::kind::KindSet;
use bartizan_core::span::Span;

/// Bytes of a chunk that are read at a time, so that a large chunk makes no large buffer.
const PIECE_BYTES: usize = 256;
/// Bytes that are no longer needed and may lie about before the buffer is moved.
const SLACK_BYTES: usize = 128;
/// A buffer larger than this is given back when its bytes are decided.
const IDLE_BYTES_MAX: usize = 512;
/// Bytes that a stream may make a detector remember: the longest undecided match, what stands before it, and a piece.
pub const HELD_BYTES_MAX: usize = rules::MATCH_BYTES_MAX
    + rules::LOOK_AHEAD_BYTES_MAX
    + LEFT_BYTES_MAX
    + SLACK_BYTES
    + PIECE_BYTES;

/// A place where a rule has not decided yet.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    kind: Kind,
    /// Whether it continues a finding that met its bound.
    goes_on: bool,
    /// Where the rule begins to read.
    start: u64,
    /// No finding of it starts before here.
    hold: u64,
}

/// Reads one channel.
pub(crate) struct TextDetector {
    gate: &'static Gate,
    state: GateState,
    /// The end of the text: at least what live candidates and the left context need.
    tail: Vec<u8>,
    /// Offset of the tail's first byte.
    base: u64,
    ended: bool,
    live: Vec<Candidate>,
    /// Ends of findings that later candidates may still start before.
    done: Vec<(Kind, u64)>,
}

/// The sum of an offset and a length; texts are shorter than 2^64 bytes.
fn offset(base: u64, at: usize) -> u64 {
    base.saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
}

/// How far `position` is into a buffer that begins at `base`.
fn within(base: u64, position: u64) -> usize {
    usize::try_from(position.saturating_sub(base)).unwrap_or(usize::MAX)
}

impl TextDetector {
    pub(crate) fn new() -> Self {
        Self {
            gate: Gate::get(),
            state: GateState::default(),
            tail: Vec::new(),
            base: 0,
            ended: false,
            live: Vec::new(),
            done: Vec::new(),
        }
    }

    fn read_piece(&mut self, piece: &[u8], report: &mut dyn FnMut(Finding)) {
        let from = self.tail.len();
        self.tail.extend_from_slice(piece);
        let (gate, base, live) = (self.gate, self.base, &mut self.live);
        let text = Text::new(&self.tail, base == 0, false);
        gate.pass(&mut self.state, text, from, |at, trigram| {
            gate.candidates(text, at, trigram, |kind, start| {
                let start = offset(base, start);
                live.push(Candidate { kind, goes_on: false, start, hold: start });
            });
        });
        if !self.live.is_empty() {
            self.settle(report);
        }
        self.trim();
    }

    /// Decides what can be decided.
    fn settle(&mut self, report: &mut dyn FnMut(Finding)) {
        let text = Text::new(&self.tail, self.base == 0, self.ended);
        let (base, done) = (self.base, &mut self.done);
        let mut waiting = 0_u64;
        self.live.retain_mut(|candidate| {
            let kind = candidate.kind;
            let mask = 1_u64 << (kind as u8 & 63);
            // One that starts inside a finding goes at once, even while that finding goes on: else they would pile up.
            if !candidate.goes_on && is_done(done, kind, candidate.start) {
                return false;
            }
            if waiting & mask != 0 {
                return true;
            }
            let kept = decide(text, base, candidate, done, report);
            if kept && kind.waits_in_line() {
                waiting |= mask;
            }
            kept
        });
        let end = offset(self.base, self.tail.len());
        let left = u64::try_from(LEFT_BYTES_MAX).unwrap_or(0);
        let oldest = self.live.iter().map(|candidate| candidate.start).min().unwrap_or(end);
        self.done.retain(|&(_, done)| done.saturating_add(left) > end || done > oldest);
    }

    /// Forgets what nobody will look at again.
    fn trim(&mut self) {
        let end = offset(self.base, self.tail.len());
        let oldest = self.live.iter().map(|candidate| candidate.start).min().unwrap_or(end);
        let n_old = within(self.base, oldest).saturating_sub(LEFT_BYTES_MAX);
        if n_old >= SLACK_BYTES {
            self.tail.drain(..n_old.min(self.tail.len()));
            self.base = offset(self.base, n_old);
            if self.tail.capacity() > IDLE_BYTES_MAX.saturating_mul(2)
                && self.tail.len() < IDLE_BYTES_MAX
            {
                self.tail.shrink_to(IDLE_BYTES_MAX);
            }
            if self.live.is_empty() && self.live.capacity() > 8 {
                self.live = Vec::new();
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.tail.capacity()
            + self.live.capacity() * size_of::<Candidate>()
            + self.done.capacity() * size_of::<(Kind, u64)>()
    }
}

/// Whether a candidate starts inside a finding of its kind.
fn is_done(done: &[(Kind, u64)], kind: Kind, start: u64) -> bool {
    done.iter().any(|&(other, end)| other == kind && start < end)
}

/// Returns whether the candidate stays undecided.
fn decide(
    text: Text<'_>,
    base: u64,
    candidate: &mut Candidate,
    done: &mut Vec<(Kind, u64)>,
    report: &mut dyn FnMut(Finding),
) -> bool {
    let kind = candidate.kind;
    loop {
        match evaluate(text, kind, within(base, candidate.start), candidate.goes_on) {
            Ok(hit) => {
                report(finding(base, kind, hit));
                let end = offset(base, hit.end);
                done.push((kind, end));
                if !hit.goes_on {
                    return false;
                }
                *candidate = Candidate { kind, goes_on: true, start: end, hold: end };
            }
            Err(Stop::No) => return false,
            Err(Stop::NoUntil(until)) => {
                done.push((kind, offset(base, until)));
                return false;
            }
            Err(Stop::More) => return true,
            Err(Stop::MoreFrom(from)) => {
                candidate.hold = offset(base, from);
                return true;
            }
        }
    }
}

fn evaluate(text: Text<'_>, kind: Kind, start: usize, goes_on: bool) -> Answer {
    let answer =
        if goes_on { rules::go_on(kind, text, start) } else { rules::decide(kind, text, start) };
    // A finding always moves forward, so that no loop can stand still.
    answer.and_then(|hit| if hit.end > hit.start { Ok(hit) } else { Err(Stop::No) })
}

fn finding(base: u64, kind: Kind, hit: crate::text::Hit) -> Finding {
    let span = Span::new(offset(base, hit.start), offset(base, hit.end));
    let detector = if hit.checksum { rules::CHECKSUM_DETECTOR } else { kind.detector() };
    Finding { span, kind: kind.id().unwrap_or(bartizan_core::kind::LIMIT_DETECTOR), detector }
}

impl Detector for TextDetector {
    fn id(&self) -> &'static str {
        crate::DETECTOR_ID
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        for piece in chunk.chunks(PIECE_BYTES) {
            self.read_piece(piece, report);
        }
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.ended = true;
        self.settle(report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let end = offset(self.base, self.tail.len());
        if self.ended {
            return end;
        }
        let wanted = |kind: Kind| kind.id().is_some_and(|id| kinds.contains(id));
        let held = self.live.iter().filter(|candidate| wanted(candidate.kind));
        let oldest = held.map(|candidate| candidate.hold).min().unwrap_or(end);
        let text = Text::new(&self.tail, self.base == 0, false);
        let partial = self.gate.partial(text, wanted).min(rules::partial(text, wanted));
        oldest.min(offset(self.base, partial))
    }
}

/// Reads a whole text at once.
pub(crate) fn scan(bytes: &[u8], report: &mut dyn FnMut(Finding)) {
    let gate = Gate::get();
    let text = Text::new(bytes, true, true);
    let mut found = Vec::new();
    let mut done = [0_usize; KINDS_LEN];
    gate.pass(&mut GateState::default(), text, 0, |at, trigram| {
        gate.candidates(text, at, trigram, |kind, start| {
            let Some(done) = done.get_mut(kind as usize) else { return };
            if start < *done {
                return;
            }
            let mut answer = evaluate(text, kind, start, false);
            if let Err(Stop::NoUntil(until)) = answer {
                *done = until;
            }
            while let Ok(hit) = answer {
                found.push(finding(0, kind, hit));
                *done = hit.end;
                answer =
                    if hit.goes_on { evaluate(text, kind, hit.end, true) } else { Err(Stop::No) };
            }
        });
    });
    found.sort_unstable();
    found.into_iter().for_each(report);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_after(text: &str) -> (usize, usize) {
        let mut detector = TextDetector::new();
        let (mut most, mut last) = (0, 0);
        for chunk in text.as_bytes().chunks(5) {
            detector.push(chunk, &mut |_| {});
            last = detector.memory_bytes();
            most = most.max(last);
        }
        (most, last)
    }

    #[test]
    fn an_idle_detector_is_small() {
        let (most, _) =
            memory_after(&"The quick brown fox, 12 of them, jumps over the lazy dog. ".repeat(50));
        assert!(most <= 1024, "{most}");
    }

    #[test]
    fn a_hostile_text_makes_no_large_detector() {
        let begin =
            ["-----BEGIN ", "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw"].concat();
        for unit in
            [&begin, "sk-", "aws ", "\u{200b}", "1 ", "a@", "1.", "a:", "eyJhbGciOiJIUzI1NiJ9."]
        {
            let (most, _) = memory_after(&unit.repeat(8000 / unit.len()));
            assert!(most <= 16 << 10, "{unit:?} makes {most} bytes");
        }
        // What it grew to is given back.
        let grown = [&begin, &"aB3d".repeat(600), " ", &"and so on ".repeat(80)].concat();
        let (most, last) = memory_after(&grown);
        assert!(last <= 2048 && most > last, "{most}, then {last}");
    }
}
