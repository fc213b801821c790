//! A whole JSON document, scanned: every string, every key and every long number, known field or not.
//!
//! Scanning observes ([`Scan::text`], [`Scan::tree`]); editing comes after the verdict ([`Scan::edits`]) and touches only the bytes
//! that must go, so that every other byte stays what the sender wrote.
use super::Guard;
use super::findings::{Judged, group, placeholder};
use bartizan_core::detect::Finding;
use bartizan_core::evidence::{Direction, Source};
use bartizan_core::json::{Doc, NodeKind, Splice, Value, decode, encode_into, raw_range};
use bartizan_core::kind::{Catalogue, Extent, KindId, LIMIT_DETECTOR, LIMIT_FINDINGS, LIMIT_TIME};
use bartizan_core::record::RecordId;
use bartizan_core::span::Span;
use bartizan_policy::Action;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whole numbers with fewer digits cannot be a payment card.
pub(super) const NUMBER_DIGITS_MIN: usize = 12;
/// A number's exponent above this makes it longer than anything that is looked for.
const NUMBER_DIGITS_MAX: usize = 40;
const OWN_ID: &str = "exchange@1";

/// One finding, by the node that it stands in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) finding: Finding,
    pub(super) source: Source,
    /// Index of the node.
    pub(super) node: usize,
    /// Which decoded bytes a redaction of the whole part takes.
    part: Option<Span>,
}

/// What was seen in one document.
pub(super) struct Scan<'g> {
    guard: &'g Guard,
    catalogue: Catalogue,
    pub(super) seen: Vec<Seen>,
    started_us: u64,
    stopped: bool,
    delimiters: &'g [(String, String)],
}

impl<'g> Scan<'g> {
    pub(super) fn new(guard: &'g Guard, delimiters: &'g [(String, String)]) -> Self {
        let catalogue = guard.catalogue();
        Self {
            guard,
            catalogue,
            seen: Vec::new(),
            started_us: guard.clock.monotonic_us(),
            stopped: !guard.scan,
            delimiters,
        }
    }

    /// Notes content that is there and was not read, or a limit that was met.
    pub(super) fn note(&mut self, value: Value<'_>, source: Source, kind: KindId) {
        if self.guard.scan {
            let finding =
                Finding { span: Span::new(0, value.raw().len() as u64), kind, detector: OWN_ID };
            self.seen.push(Seen { finding, source, node: value.index(), part: None });
        }
    }

    /// Scans a value and everything in it.
    pub(super) fn tree(&mut self, value: Value<'_>, source: Source) {
        for node in value.descendants() {
            self.node(node, source);
        }
    }

    /// Scans one string, key or number; passes everything else.
    pub(super) fn node(&mut self, node: Value<'_>, source: Source) {
        match node.kind() {
            NodeKind::String | NodeKind::Key => self.text(node, source),
            NodeKind::Number => self.number(node, source),
            _ => {}
        }
    }

    /// Scans one string or key.
    pub(super) fn text(&mut self, node: Value<'_>, source: Source) {
        let Some(text) = node.text() else { return };
        if self.stopped || text.is_empty() {
            return;
        }
        let documents = if source == Source::User { self.documents(&text) } else { Vec::new() };
        let found = if source == Source::ToolCall {
            scan_call(self.guard, &text)
        } else {
            scan_text(self.guard, &text)
        };
        for finding in found {
            let document = documents.iter().find(|document| document.overlaps(finding.span));
            let source = if document.is_some() { Source::Document } else { source };
            self.seen.push(Seen { finding, source, node: node.index(), part: document.copied() });
        }
        self.check_limits(node, source);
    }

    /// Scans the texts of several strings put together, for what no single one of them shows.
    pub(super) fn joined(&mut self, nodes: &[Value<'_>], source: Source) {
        if self.stopped || nodes.len() < 2 {
            return;
        }
        let mut text = Vec::new();
        let mut starts = Vec::new();
        for node in nodes {
            starts.push(text.len() as u64);
            text.extend_from_slice(&node.text().unwrap_or_default());
        }
        let Some(&first) = nodes.first() else { return };
        for finding in scan_text(self.guard, &text) {
            let pieces: Vec<Seen> = nodes
                .iter()
                .zip(&starts)
                .filter_map(|(node, &start)| piece_of(finding, *node, start, source))
                .collect();
            if 1 < pieces.len() {
                self.seen.extend(pieces);
            }
        }
        self.check_limits(first, source);
    }

    /// Scans a whole number in its plain form.
    pub(super) fn number(&mut self, node: Value<'_>, source: Source) {
        if self.stopped {
            return;
        }
        if let Some(digits) = plain_digits(node.raw()) {
            for finding in scan_text(self.guard, &digits) {
                self.seen.push(Seen { finding, source, node: node.index(), part: None });
            }
        }
    }

    fn check_limits(&mut self, node: Value<'_>, source: Source) {
        let limits = &self.guard.limits;
        if limits.findings_max < self.seen.len() {
            self.stopped = true;
            self.seen.truncate(limits.findings_max);
            self.note(node, source, LIMIT_FINDINGS);
        } else if limits.guard_ms.saturating_mul(1000)
            < self.guard.clock.monotonic_us().saturating_sub(self.started_us)
        {
            self.stopped = true;
            self.note(node, source, LIMIT_TIME);
        }
    }

    /// Regions of a user's text that configuration sets apart as documents.
    fn documents(&self, text: &[u8]) -> Vec<Span> {
        let mut found = Vec::new();
        for (open, close) in self.delimiters {
            let mut at = 0;
            while let Some(start) =
                text.get(at..).and_then(|rest| memchr::memmem::find(rest, open.as_bytes()))
            {
                let inner = at + start + open.len();
                let end = text
                    .get(inner..)
                    .and_then(|rest| memchr::memmem::find(rest, close.as_bytes()))
                    .map_or(text.len(), |n| inner + n);
                found.push(Span::new(inner as u64, end as u64));
                at = (end + close.len()).max(inner + 1);
            }
        }
        found
    }

    /// What was seen, with the verdict on each.
    pub(super) fn judged(
        &self,
        doc: &Doc<'_>,
        actions: &[Action],
        direction: Direction,
    ) -> Vec<Judged> {
        let judge = |(seen, &action): (&Seen, &Action)| Judged {
            finding: seen.finding,
            source: seen.source,
            direction,
            place: place(doc, seen.node),
            action,
        };
        self.seen.iter().zip(actions).map(judge).collect()
    }

    /// The replacements that the verdicts demand. `actions[i]` answers `seen[i]`; refusals are the caller's business.
    pub(super) fn edits(&self, doc: &Doc<'_>, actions: &[Action], record: RecordId) -> Vec<Splice> {
        let redacted = |(index, seen): (usize, &Seen)| {
            (actions.get(index) == Some(&Action::Redact)).then(|| seen.clone())
        };
        let mut redacted: Vec<Seen> = self.seen.iter().enumerate().filter_map(redacted).collect();
        redacted.sort_by_key(|seen| seen.node);
        let mut edits = Vec::new();
        for of_node in redacted.chunk_by(|a, b| a.node == b.node) {
            if let Some(node) = of_node.first().and_then(|seen| doc.at(seen.node)) {
                edits.extend(self.edits_of_node(node, of_node, record));
            }
        }
        edits
    }

    fn edits_of_node(&self, node: Value<'_>, seen: &[Seen], record: RecordId) -> Vec<Splice> {
        let Some(inner) = node.inner() else {
            // Neither a number nor a whole part can carry a placeholder: null keeps the document well-formed.
            return vec![Splice { range: node.range(), with: b"null".to_vec() }];
        };
        let (mut parts, mut spans): (Vec<(Span, KindId, Source)>, Vec<Finding>) =
            (Vec::new(), Vec::new());
        for seen in seen {
            match self.catalogue.info(seen.finding.kind).extent {
                Extent::Part => parts.push((
                    seen.part.unwrap_or(Span::new(0, u64::MAX)),
                    seen.finding.kind,
                    seen.source,
                )),
                Extent::Span => spans.push(seen.finding),
            }
        }
        let outside =
            |finding: &Finding| !parts.iter().any(|(part, _, _)| part.overlaps(finding.span));
        let cut = |span: Span| shift(raw_range(inner, range(span)), node.inner_range().start);
        let mut edits: Vec<Splice> = group(spans.iter().copied().filter(outside))
            .iter()
            .map(|group| Splice {
                range: cut(group.span),
                with: placeholder(group.kind, &self.catalogue).into_bytes(),
            })
            .collect();
        parts.sort_by_key(|(part, kind, _)| (*part, *kind));
        parts.dedup_by_key(|(part, _, _)| *part);
        for (part, kind, source) in &parts {
            let mut with = Vec::new();
            encode_into(notice(*kind, *source, record, &self.catalogue).as_bytes(), &mut with);
            edits.push(Splice { range: cut(*part), with });
        }
        edits
    }
}

/// Findings in one whole text, in order of span. A detector that fails is itself a finding.
pub(super) fn scan_text(guard: &Guard, text: &[u8]) -> Vec<Finding> {
    let mut found = Vec::new();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        guard.inspector.scan(text, &mut |finding| found.push(finding));
    }));
    if ran.is_err() {
        found.push(Finding {
            span: Span::new(0, text.len() as u64),
            kind: LIMIT_DETECTOR,
            detector: OWN_ID,
        });
    }
    found
}

/// Findings in the arguments of a tool call. They are JSON inside a string, so an escape hides text from a scan of the outer string,
/// and a number may be written with an exponent: strings and numbers in them are scanned once more in their plain form.
pub(super) fn scan_call(guard: &Guard, text: &[u8]) -> Vec<Finding> {
    let mut found = scan_text(guard, text);
    if let Ok(inner) = Doc::read(text, guard.limits.json()) {
        for node in inner.nodes() {
            found.extend(scan_nested(guard, node));
        }
        found.sort_unstable();
        found.dedup();
    }
    found
}

fn scan_nested(guard: &Guard, node: Value<'_>) -> Vec<Finding> {
    if let (Some(inner), true) = (node.inner(), node.is_escaped()) {
        let place = |finding: Finding| {
            let range = shift(raw_range(inner, range(finding.span)), node.inner_range().start);
            Finding { span: Span::new(range.start as u64, range.end as u64), ..finding }
        };
        return scan_text(guard, &node.text().unwrap_or_default()).into_iter().map(place).collect();
    }
    let digits = if node.kind() == NodeKind::Number { plain_digits(node.raw()) } else { None };
    let span = Span::new(node.range().start as u64, node.range().end as u64);
    let found = digits.map(|digits| scan_text(guard, &digits)).unwrap_or_default();
    found.into_iter().map(|finding| Finding { span, ..finding }).collect()
}

/// What the model reads instead of a poisoned tool result or document.
fn notice(kind: KindId, source: Source, record: RecordId, catalogue: &Catalogue) -> String {
    let what = match source {
        Source::Tool => "tool result",
        Source::Document => "document",
        _ => "text",
    };
    format!(
        "[removed by Bartizan: this {what} contained {}; record {record}]",
        catalogue.info(kind).name
    )
}

fn piece_of(finding: Finding, node: Value<'_>, start: u64, source: Source) -> Option<Seen> {
    let len = node.text()?.len() as u64;
    let piece = Span::new(
        finding.span.start.saturating_sub(start).min(len),
        finding.span.end.saturating_sub(start).min(len),
    );
    let finding = Finding { span: piece, ..finding };
    (!piece.is_empty()).then_some(Seen { finding, source, node: node.index(), part: None })
}

fn range(span: Span) -> Range<usize> {
    usize::try_from(span.start).unwrap_or(usize::MAX)
        ..usize::try_from(span.end).unwrap_or(usize::MAX)
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// The digits of a whole number that is long enough to matter, its exponent worked in: `4.1e3` is `4100`.
/// `None` for a short one and for one with a fraction.
pub(super) fn plain_digits(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    let raw = raw.strip_prefix(b"-").unwrap_or(raw);
    if raw.len() < 4 {
        return None;
    }
    if raw.iter().all(u8::is_ascii_digit) {
        return (NUMBER_DIGITS_MIN <= raw.len()).then_some(Cow::Borrowed(raw));
    }
    let text = std::str::from_utf8(raw).ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let n_zeros =
        usize::try_from(exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?).ok()?;
    let n_digits = whole.len() + fraction.len() + n_zeros;
    if !(NUMBER_DIGITS_MIN..=NUMBER_DIGITS_MAX).contains(&n_digits) {
        return None;
    }
    let digits = format!("{whole}{fraction}{}", "0".repeat(n_zeros));
    Some(Cow::Owned(digits.trim_start_matches('0').as_bytes().to_vec()))
}

/// Where a node stands, for people and records: `messages[2].content`. A key is named by the place of its value.
pub(super) fn place(doc: &Doc<'_>, node: usize) -> String {
    let mut at = doc.root();
    let mut text = String::new();
    loop {
        if let Some((key, value)) =
            at.members().find(|(key, value)| key.index() == node || value.holds(node))
        {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&safe_name(key));
            if key.index() == node {
                return text;
            }
            at = value;
        } else if let Some((index, item)) =
            at.items().enumerate().find(|(_, item)| item.holds(node))
        {
            write!(text, "[{index}]").unwrap_or_default();
            at = item;
        } else {
            return text;
        }
    }
}

/// A key as a place names it. A key that is not a plain word might be what was found: it is not quoted.
fn safe_name(key: Value<'_>) -> String {
    const NAME_BYTES_MAX: usize = 40;
    let name = decode(key.inner().unwrap_or_default());
    let plain = name.len() <= NAME_BYTES_MAX
        && name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_');
    if plain { String::from_utf8(name).unwrap_or_default() } else { "*".to_owned() }
}
