//! What was found in one exchange, with what was decided about it.
use bartizan_core::detect::Finding;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::kind::{Catalogue, KindId, KindInfo, KindSet, PSEUDONYM_OWN};
use bartizan_core::span::Span;
use bartizan_policy::{Action, Ladder};
use std::collections::BTreeMap;

/// One finding, placed and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) finding: Finding,
    pub(super) source: Source,
    pub(super) direction: Direction,
    /// `messages[2].content`
    pub(super) place: String,
    pub(super) action: Action,
}

/// Bits of a leaf's verdict.
pub(super) mod bits {
    pub(in crate::exchange) const INPUT_FOUND: u64 = 1;
    pub(in crate::exchange) const INPUT_REDACTED: u64 = 1 << 1;
    pub(in crate::exchange) const INPUT_REFUSED: u64 = 1 << 2;
    pub(in crate::exchange) const OUTPUT_FOUND: u64 = 1 << 3;
    pub(in crate::exchange) const OUTPUT_REDACTED: u64 = 1 << 4;
    pub(in crate::exchange) const OUTPUT_REFUSED: u64 = 1 << 5;
    pub(in crate::exchange) const STREAM: u64 = 1 << 6;
    pub(in crate::exchange) const UNSCANNED: u64 = 1 << 7;
    pub(in crate::exchange) const PSEUDONYMS: u64 = 1 << 8;
    /// The request told more than was looked for in its answer.
    pub(in crate::exchange) const LEAKS_CUT: u64 = 1 << 9;
    /// Of a change of policy: something goes by without a record from here on, or from the next start on.
    pub(in crate::exchange) const UNRECORDED: u64 = 1 << 10;
}

/// What the bits of a leaf's verdict mean, from the lowest.
const VERDICT_WORDS: [&str; 11] = [
    "input_found",
    "input_redacted",
    "input_refused",
    "output_found",
    "output_redacted",
    "output_refused",
    "stream",
    "unscanned",
    "pseudonyms",
    "leaks_cut",
    "unrecorded",
];

/// The words for a leaf's verdict.
///
/// ```
/// # use bartizan_gateway::exchange::verdict_words;
/// assert_eq!(verdict_words(0b101_0000).collect::<Vec<_>>(), ["output_redacted", "stream"]);
/// ```
pub fn verdict_words(verdict: u64) -> impl Iterator<Item = &'static str> {
    let bits = VERDICT_WORDS.iter().enumerate();
    bits.filter(move |(bit, _)| (verdict >> bit) & 1 == 1).map(|(_, word)| *word)
}

/// The verdict bits of a change of policy, by which somebody who cannot open its evidence sees what is off from there on.
///
/// * `is_unscanned`: texts pass unread.
/// * `is_unrecorded`: something goes by without a record.
///
/// ```
/// # use bartizan_gateway::exchange::{verdict_words, weakness_bits};
/// assert_eq!(verdict_words(weakness_bits(true, true)).collect::<Vec<_>>(), ["unscanned", "unrecorded"]);
/// ```
pub fn weakness_bits(is_unscanned: bool, is_unrecorded: bool) -> u64 {
    let bit = |is_so: bool, bit: u64| if is_so { bit } else { 0 };
    bit(is_unscanned, bits::UNSCANNED) | bit(is_unrecorded, bits::UNRECORDED)
}

/// The verdict bits that these findings set.
pub(super) fn verdict_bits(list: &[Judged]) -> u64 {
    list.iter().fold(0, |bits, judged| {
        bits | match (judged.direction, judged.action) {
            (Direction::Input, Action::Release) => bits::INPUT_FOUND,
            (Direction::Input, Action::Redact) => bits::INPUT_FOUND | bits::INPUT_REDACTED,
            (Direction::Input, Action::Refuse) => bits::INPUT_FOUND | bits::INPUT_REFUSED,
            (Direction::Output, Action::Release) => bits::OUTPUT_FOUND,
            (Direction::Output, Action::Redact) => bits::OUTPUT_FOUND | bits::OUTPUT_REDACTED,
            (Direction::Output, Action::Refuse) => bits::OUTPUT_FOUND | bits::OUTPUT_REFUSED,
        }
    })
}

/// How often each kind was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(BTreeMap<&'static str, usize>);

impl Counts {
    /// The counts of one direction. What several detectors find of one kind in the same bytes (a rule, the text model, a view) is one.
    pub(super) fn of(list: &[Judged], direction: Direction, catalogue: &Catalogue) -> Self {
        let mut spans: Vec<(&'static str, &str, Span)> = list
            .iter()
            .filter(|judged| judged.direction == direction)
            .map(|judged| {
                let name = catalogue.info(judged.finding.kind).name;
                (name, judged.place.as_str(), judged.finding.span)
            })
            .collect();
        spans.sort_unstable_by_key(|&(name, place, span)| (name, place, span.start, span.end));
        let mut counts = Self::default();
        let mut before: Option<(&'static str, &str, u64)> = None;
        for (name, place, span) in spans {
            let end =
                before.filter(|seen| (seen.0, seen.1) == (name, place)).map_or(0, |seen| seen.2);
            if span.start >= end {
                *counts.0.entry(name).or_default() += 1;
            }
            before = Some((name, place, end.max(span.end)));
        }
        counts
    }

    /// The sums of two counts.
    pub(super) fn plus(mut self, other: &Self) -> Self {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
        self
    }
}

/// As the header says them: `pii.card=1, secret.jwt=2`.
impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, count)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={count}", if 0 < index { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// Whether a finding of this kind says that something is carried away, which restoring a placeholder in it would complete.
pub(super) fn is_carried(kind: KindId, catalogue: &Catalogue) -> bool {
    catalogue.info(kind).name.starts_with("exfil.")
}

/// Which kinds may not simply pass, for one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rungs {
    /// Kinds that are redacted or refused.
    pub(super) holding: KindSet,
    /// Of these, the ones that are refused.
    refusing: KindSet,
}

impl Rungs {
    /// What the ladder says of one source, as two sets.
    pub(super) fn of_stream(ladder: &Ladder, source: Source, catalogue: &Catalogue) -> Self {
        let refuses = |(kind, _): &(KindId, &'static KindInfo)| {
            ladder.action(source, *kind) == Action::Refuse
        };
        let refusing = catalogue.iter().filter(refuses).map(|(kind, _)| kind).collect();
        Self { holding: ladder.holding(source), refusing }
    }

    /// The same, where this request's own placeholders are replaced too. No policy is asked about them.
    pub(super) fn with_own_placeholders(mut self) -> Self {
        self.holding.insert(PSEUDONYM_OWN);
        self
    }

    pub(super) fn action(&self, kind: KindId) -> Action {
        match (self.refusing.contains(kind), self.holding.contains(kind)) {
            (true, _) => Action::Refuse,
            (false, true) => Action::Redact,
            (false, false) => Action::Release,
        }
    }
}

/// Overlapping or touching findings, replaced by one placeholder. A placeholder of this request's own is a group of its own, unless something
/// that is taken out overlaps it: then it goes with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) span: Span,
    /// The kind of its longest finding: it names the placeholder.
    pub(super) kind: KindId,
    longest: u64,
}

/// Merges findings into groups. A pure function of the set: order does not matter.
pub(super) fn group(findings: impl Iterator<Item = Finding>) -> Vec<Group> {
    group_from(None, findings)
}

/// [`group`], after a group whose beginning is known and whose end may still move.
pub(super) fn group_from(
    open: Option<Group>,
    findings: impl Iterator<Item = Finding>,
) -> Vec<Group> {
    let mut sorted: Vec<Finding> = findings.collect();
    sorted.sort_unstable();
    drop_inside_own(&mut sorted);
    let mut groups: Vec<Group> = open.into_iter().collect();
    for finding in sorted {
        let (span, kind) = (finding.span, finding.kind);
        // Whatever else is in the group names it.
        let longest = if kind == PSEUDONYM_OWN { 0 } else { span.len() };
        let joins = |last: &Group| {
            let is_own = kind == PSEUDONYM_OWN || last.kind == PSEUDONYM_OWN;
            if is_own { span.start < last.span.end } else { span.start <= last.span.end }
        };
        match groups.last_mut() {
            Some(last) if joins(last) => {
                last.span.end = last.span.end.max(span.end);
                if (last.longest, kind) < (longest, last.kind) {
                    (last.kind, last.longest) = (kind, longest);
                }
            }
            _ => groups.push(Group { span, kind, longest }),
        }
    }
    groups
}

/// What is found inside a placeholder of our own is not what somebody said: the placeholder stays whole, and is restored.
fn drop_inside_own(findings: &mut Vec<Finding>) {
    let is_own = |finding: &Finding| finding.kind == PSEUDONYM_OWN;
    let own: Vec<Span> =
        findings.iter().filter(|finding| is_own(finding)).map(|finding| finding.span).collect();
    if own.is_empty() {
        return;
    }
    findings.retain(|finding| {
        let next = own.partition_point(|own| own.end < finding.span.end);
        let is_inside = own.get(next).is_some_and(|own| own.start <= finding.span.start);
        is_own(finding) || !is_inside
    });
}

/// What stands where something was taken away: `[redacted:pii.card]`.
pub(super) fn placeholder(kind: KindId, catalogue: &Catalogue) -> String {
    format!("[redacted:{}]", catalogue.info(kind).name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::detect::Score;
    use bartizan_core::kind::Extent;

    #[test]
    fn what_several_detectors_find_in_the_same_bytes_counts_once() {
        static KINDS: [KindInfo; 2] = [
            KindInfo { name: "pii.a", title: "a", extent: Extent::Span },
            KindInfo { name: "pii.b", title: "b", extent: Extent::Span },
        ];
        let judged = |&(kind, place, start, end): &(u16, &str, u64, u64)| Judged {
            finding: Finding {
                span: Span::new(start, end),
                kind: KindId::detected(kind).expect("the kind is in the table"),
                detector: "test@1",
                score: Score::CERTAIN,
            },
            source: Source::User,
            direction: Direction::Input,
            place: place.to_owned(),
            action: Action::Release,
        };
        for (name, list, want) in [
            ("nothing", &[][..], ""),
            (
                "a rule twice, and the model around both",
                &[(0, "x", 0, 9), (0, "x", 14, 20), (0, "x", 0, 30)],
                "pii.a=1",
            ),
            (
                "the same in any order",
                &[(0, "x", 0, 30), (0, "x", 14, 20), (0, "x", 29, 40)],
                "pii.a=1",
            ),
            ("one after the other", &[(0, "x", 0, 9), (0, "x", 9, 12)], "pii.a=2"),
            ("in two places", &[(0, "x", 0, 9), (0, "y", 0, 9)], "pii.a=2"),
            ("of two kinds", &[(0, "x", 0, 9), (1, "x", 0, 9)], "pii.a=1, pii.b=1"),
        ] {
            let list: Vec<Judged> = list.iter().map(judged).collect();
            let counts = |direction| Counts::of(&list, direction, &Catalogue::new(&KINDS));
            assert_eq!(counts(Direction::Input).to_string(), want, "{name}");
            assert_eq!(counts(Direction::Output), Counts::default(), "{name}");
        }
    }
}
