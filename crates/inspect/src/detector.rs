//! Runs the rules over a stream or over a whole text, with the same findings.
//!
//! Each place where a rule may match is a candidate. Of one rule, candidates are decided from left to right, and one that starts inside
//! an earlier finding of its rule is dropped; rules do not see each other, so a phone number that swallows the head of a card number
//! does not hide the card. Where several candidates lead to the same finding ([`Rule::waits_in_line`]), they do not see each other
//! either, and what they find is reported once. What a rule finds may be of many kinds, and two rules may find one kind: then each
//! names another detector, so that no finding comes twice.
use crate::gate::{Gate, GateState};
use crate::kinds::Kind;
use crate::rules::{self, RULES_LEN, Rule};
use crate::text::{Class, Hit, Hold, LEFT_BYTES_MAX, Stop, Text, work};
use crate::view::{Mark, Marks, View};
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
pub(crate) const HELD_BYTES_MAX: usize = rules::MATCH_BYTES_MAX
    + rules::LOOK_AHEAD_BYTES_MAX
    + LEFT_BYTES_MAX
    + SLACK_BYTES
    + PIECE_BYTES;

/// A place where a rule has not decided yet.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    rule: Rule,
    /// The kind of the finding that it continues, where one met its bound.
    goes_on: Option<Kind>,
    /// Where the rule begins to read.
    start: u64,
    /// No finding of it starts before here.
    hold: u64,
    /// Bytes of this class before this offset leave it undecided.
    run: Option<(Class, u64)>,
}

impl Candidate {
    const fn new(rule: Rule, start: u64, goes_on: Option<Kind>) -> Self {
        Self { rule, goes_on, start, hold: start, run: None }
    }
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
    done: Done,
    /// Where texts in another spelling are told; who does not ask for them pays nothing.
    marks: Option<Box<Marks>>,
}

/// Per rule, the end of what is decided: a candidate that starts before it starts inside a finding.
#[derive(Clone, Copy)]
struct Done([u64; RULES_LEN]);

impl Done {
    const NOTHING: Self = Self([0; RULES_LEN]);

    fn until(&self, rule: Rule) -> u64 {
        self.0.get(rule as usize).copied().unwrap_or(0)
    }

    /// Candidates of a rule are decided from left to right, so the end never falls.
    fn extend(&mut self, rule: Rule, end: u64) {
        if let Some(done) = self.0.get_mut(rule as usize) {
            *done = end.max(*done);
        }
    }
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
            done: Done::NOTHING,
            marks: None,
        }
    }

    /// A detector that also notes where texts in another spelling are told.
    pub(crate) fn with_marks() -> Self {
        Self { marks: Some(Box::default()), ..Self::new() }
    }

    /// The marks since the last call.
    pub(crate) fn take_marks(&mut self) -> Vec<Mark> {
        self.marks.as_mut().map(|marks| marks.take()).unwrap_or_default()
    }

    fn read_piece(&mut self, piece: &[u8], report: &mut dyn FnMut(Finding)) {
        let from = self.tail.len();
        let n_wanted = from.saturating_add(piece.len());
        if self.tail.capacity() < n_wanted {
            // There are as many of these as there are streams: doubling would waste the half of it.
            self.tail.reserve_exact(n_wanted.saturating_add(n_wanted / 4).saturating_sub(from));
        }
        self.tail.extend_from_slice(piece);
        let (gate, base, live, marks) = (self.gate, self.base, &mut self.live, &mut self.marks);
        let text = Text::new(&self.tail, base == 0, false);
        gate.pass(&mut self.state, text, from, |at, trigram| {
            gate.candidates(text, at, trigram, |rule, start| {
                live.push(Candidate::new(rule, offset(base, start), None));
            });
            if let Some(marks) = marks {
                gate.marks(text, at, trigram, |view, start| {
                    marks.add(view, offset(base, start), offset(base, at.saturating_add(1)));
                });
            }
        });
        if !self.live.is_empty() {
            self.settle(from, report);
        }
        self.trim();
    }

    /// Decides what can be decided, now that the tail has grown from `from` on.
    fn settle(&mut self, from: usize, report: &mut dyn FnMut(Finding)) {
        let text = Text::new(&self.tail, self.base == 0, self.ended);
        let (base, done, ended) = (self.base, &mut self.done, self.ended);
        let (fresh, end) = (text.slice(from, text.len()), offset(base, text.len()));
        work::note(self.live.len());
        let mut waiting = 0_u64;
        let mut shared = Vec::new();
        self.live.retain_mut(|candidate| {
            let rule = candidate.rule;
            let (in_line, mask) = (rule.waits_in_line(), 1_u64 << (rule as u8 & 63));
            if in_line {
                // One that starts inside a finding goes at once, even while that finding goes on: else they would pile up.
                if candidate.goes_on.is_none() && candidate.start < done.until(rule) {
                    return false;
                }
                if waiting & mask != 0 {
                    return true;
                }
            }
            let is_same = |(class, until): (Class, u64)| {
                !ended && end < until && fresh.iter().all(|&byte| class(byte))
            };
            let kept = candidate.run.is_some_and(is_same)
                || decide(text, base, candidate, done, &mut |finding| {
                    if in_line { report(finding) } else { shared.push(finding) }
                });
            if kept && in_line {
                waiting |= mask;
            }
            kept
        });
        // All candidates that lead to one finding see its end at once, so none of them comes after this.
        shared.sort_unstable();
        shared.dedup();
        shared.into_iter().for_each(report);
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
        size_of::<Self>() + self.tail.capacity() + self.live.capacity() * size_of::<Candidate>()
    }
}

/// Returns whether the candidate stays undecided.
fn decide(
    text: Text<'_>,
    base: u64,
    candidate: &mut Candidate,
    done: &mut Done,
    report: &mut dyn FnMut(Finding),
) -> bool {
    let rule = candidate.rule;
    loop {
        match evaluate(text, rule, within(base, candidate.start), candidate.goes_on) {
            Ok((kind, hit)) => {
                report(finding(base, kind, hit));
                let end = offset(base, hit.end);
                done.extend(rule, end);
                if !hit.goes_on {
                    return false;
                }
                *candidate = Candidate::new(rule, end, Some(kind));
            }
            Err(Stop::No) => return false,
            Err(Stop::NoUntil(until)) => {
                done.extend(rule, offset(base, until));
                return false;
            }
            // What it holds is what this text says, not what a shorter one said.
            Err(Stop::More(wait)) => {
                candidate.hold = match wait.hold {
                    Hold::Start => candidate.start,
                    Hold::Last(n) => offset(base, text.len()).saturating_sub(u64::from(n)),
                    Hold::Nothing => u64::MAX,
                };
                let until = offset(base, text.len()).saturating_add(u64::from(wait.n_left));
                candidate.run = wait.run.map(|class| (class, until));
                return true;
            }
        }
    }
}

/// Asks a rule, and says of which kind its finding is.
fn evaluate(
    text: Text<'_>,
    rule: Rule,
    start: usize,
    goes_on: Option<Kind>,
) -> Result<(Kind, Hit), Stop> {
    let hit = match goes_on {
        Some(kind) => rules::go_on(rule, kind, text, start),
        None => rules::decide(rule, text, start),
    }?;
    let kind = hit.kind.or(goes_on).or(rule.kind());
    // A finding always moves forward, so that no loop can stand still.
    kind.filter(|_| hit.start < hit.end).map(|kind| (kind, hit)).ok_or(Stop::No)
}

fn finding(base: u64, kind: Kind, hit: Hit) -> Finding {
    Finding {
        span: Span::new(offset(base, hit.start), offset(base, hit.end)),
        kind: kind.id().unwrap_or(bartizan_core::kind::LIMIT_DETECTOR),
        detector: kind.detector(hit.support),
        score: hit.support.score(),
    }
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
        self.settle(self.tail.len(), report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let end = offset(self.base, self.tail.len());
        if self.ended {
            return end;
        }
        let wanted = |rule: Rule| rule.is_wanted(kinds);
        let held = self.live.iter().filter(|candidate| wanted(candidate.rule));
        let oldest = held.map(|candidate| candidate.hold).min().unwrap_or(end).min(end);
        let text = Text::new(&self.tail, self.base == 0, false);
        let partial = self.gate.partial(text, wanted).min(rules::partial(text, wanted));
        oldest.min(offset(self.base, partial))
    }
}

/// Reads a whole text at once, and names every place where a text in another spelling is told.
pub(crate) fn scan(
    bytes: &[u8],
    mark: &mut dyn FnMut((View, bool), usize, usize),
    report: &mut dyn FnMut(Finding),
) {
    let gate = Gate::get();
    let text = Text::new(bytes, true, true);
    let mut found = Vec::new();
    let mut done = [0_usize; RULES_LEN];
    gate.pass(&mut GateState::default(), text, 0, |at, trigram| {
        gate.marks(text, at, trigram, |view, start| mark(view, start, at.saturating_add(1)));
        gate.candidates(text, at, trigram, |rule, start| {
            let Some(done) = done.get_mut(rule as usize) else { return };
            if rule.waits_in_line() && start < *done {
                return;
            }
            let mut answer = evaluate(text, rule, start, None);
            if let Err(Stop::NoUntil(until)) = answer {
                *done = until;
            }
            while let Ok((kind, hit)) = answer {
                found.push(finding(0, kind, hit));
                *done = hit.end;
                answer = if hit.goes_on {
                    evaluate(text, rule, hit.end, Some(kind))
                } else {
                    Err(Stop::No)
                };
            }
        });
    });
    found.sort_unstable();
    found.dedup();
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
        assert!(most <= 1280, "{most}");
    }

    /// What a hostile text repeats: beginnings that go nowhere, and secrets without an end.
    fn hostile_units() -> Vec<String> {
        let begin = ["-----BEGIN ", "PRIVATE KEY-----\n"].concat();
        let units = [
            "sk-",
            "-----BEGIN ",
            "-",
            "@",
            "a@a.",
            "1.1.",
            "a:",
            ":",
            "1::",
            "aws ",
            "aws",
            "aws/_",
            "secretkey",
            "secret key ",
            "1 ",
            "1.",
            "a@",
            "4111 ",
            "DE89 3704 0044 ",
            "+49 30 ",
            "eyJhbGciOiJIUzI1NiJ9.",
            "eyJhbGciOiJIUzI1NiJ9 ",
            "eyJ",
            "ignore all the ",
            "reveal your me ",
            "忽略你的",
            "a",
            "1",
            "\u{200b}",
            "\u{200d}",
            "\u{e0041}",
            "\u{2066}",
            "\u{2069}",
            "\u{202a}",
            "字\u{e0101}",
            "pass=",
            "password=\"",
            "secret: 'a1",
            "a://b:",
            "https://a:b1c@",
            "key=\"a1b2c3d4e5f6g7h8\" ",
            "token: a",
            "datadog=a1b2c3d4e5f6g7h8 ",
            "key a1b2",
            "a1b2c3d4e5f6g7h8:",
            "12345678:AA",
            "glc_",
            "tskey-",
            "SG.a",
        ];
        let made = [
            begin.clone(),
            [&begin, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw"].concat(),
            [begin.as_str(), &"MIIEvQIBADANBgkqhkiG9w0BAQ\n".repeat(120)].concat(),
            ["ghp_", &"a1B2".repeat(700), " "].concat(),
            ["eyJhbGciOiJIUzI1NiJ9.", &"eyJz".repeat(700), "."].concat(),
            ["a@", &"a".repeat(240), " "].concat(),
        ];
        units.into_iter().map(str::to_owned).chain(made).collect()
    }

    /// Most bytes read for each byte of a hostile text, however it is pushed.
    const WORK_PER_BYTE_MAX: usize = 120;

    /// Bytes read for each byte of a text that repeats a unit, in hundredths: at once, or in pushes of five.
    fn work_per_byte(unit: &str, n_bytes: usize, streamed: bool) -> usize {
        let text = unit.repeat(n_bytes / unit.len() + 1);
        work::take();
        if streamed {
            let mut detector = TextDetector::new();
            for chunk in text.as_bytes().chunks(5) {
                detector.push(chunk, &mut |_| {});
                detector.pending(&KindSet::ALL);
            }
            detector.finish(&mut |_| {});
        } else {
            scan(text.as_bytes(), &mut |_, _, _| {}, &mut |_| {});
        }
        work::take() * 100 / text.len()
    }

    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        for unit in hostile_units() {
            for streamed in [false, true] {
                // The shorter text is longer than all that a detector remembers.
                let [once, twice] =
                    [2, 4].map(|n| work_per_byte(&unit, n * HELD_BYTES_MAX, streamed));
                let name: String = unit.chars().take(30).collect();
                assert!(twice <= once + once / 10 + 10, "{name:?}: {once}, then {twice}");
                assert!(twice <= WORK_PER_BYTE_MAX * 100, "{name:?}: {twice}");
            }
        }
    }

    #[test]
    fn a_hostile_text_makes_no_large_detector() {
        for unit in hostile_units() {
            let (most, _) = memory_after(&unit.repeat(8000 / unit.len() + 1));
            assert!(most <= 16 << 10, "{unit:?} makes {most} bytes");
        }
        // What it grew to is given back.
        let begin =
            ["-----BEGIN ", "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw"].concat();
        let grown = [&begin, &"aB3d".repeat(600), " ", &"and so on ".repeat(80)].concat();
        let (most, last) = memory_after(&grown);
        assert!(last <= 2048 && most > last, "{most}, then {last}");
    }
}
