//! Exceptions: values of a kind that an operator says are no findings, such as the address of the help desk.
use crate::VIEW_HELD_BYTES_MAX;
use crate::custom::CUSTOM_MATCH_BYTES_MAX;
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{KindId, KindInfo, KindSet};
use std::fmt;
use std::sync::Arc;

/// Most exceptions.
pub const EXCEPTIONS_MAX: usize = 10_000;
/// Bytes of a stream that are remembered, to see what a finding was.
const TAIL_BYTES: usize = VIEW_HELD_BYTES_MAX.saturating_add(CUSTOM_MATCH_BYTES_MAX);

/// Values of one kind that are no findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    kind: KindId,
    value: String,
    any_before: bool,
    any_after: bool,
}

impl Exception {
    /// * `value`: a whole value, byte by byte; a `*` at its beginning or end stands for anything. `None` for nothing else than that.
    ///
    /// ```
    /// # use bartizan_core::kind::KindId;
    /// # use bartizan_inspect::except::Exception;
    /// # let email = KindId::detected(0).ok_or("no kind")?;
    /// let ours = Exception::new(email, "*@acme.example").ok_or("a value")?;
    /// assert!(ours.excuses(b"jo@acme.example") && !ours.excuses(b"jo@acme.example.org"));
    /// assert!(Exception::new(email, "*").is_none());
    /// # Ok::<(), &str>(())
    /// ```
    pub fn new(kind: KindId, value: &str) -> Option<Self> {
        let (any_before, rest) = strip(value, value.strip_prefix('*'));
        let (any_after, rest) = strip(rest, rest.strip_suffix('*'));
        let value = rest.to_owned();
        (!value.is_empty()).then_some(Self { kind, value, any_before, any_after })
    }

    /// Whether a finding of the kind with this text is none.
    pub fn excuses(&self, text: &[u8]) -> bool {
        let value = self.value.as_bytes();
        match (self.any_before, self.any_after) {
            (false, false) => text == value,
            (true, false) => text.ends_with(value),
            (false, true) => text.starts_with(value),
            (true, true) => text.windows(value.len()).any(|window| window == value),
        }
    }
}

fn strip<'v>(all: &'v str, stripped: Option<&'v str>) -> (bool, &'v str) {
    (stripped.is_some(), stripped.unwrap_or(all))
}

/// An inspector that leaves out what is excused.
#[derive(Clone)]
pub struct Excused {
    inner: Arc<dyn Inspector>,
    exceptions: Arc<[Exception]>,
    kinds: KindSet,
}

impl Excused {
    /// Leaves out what `exceptions` excuse; of more than [`EXCEPTIONS_MAX`], the rest excuse nothing.
    pub fn new(inner: Arc<dyn Inspector>, mut exceptions: Vec<Exception>) -> Self {
        exceptions.truncate(EXCEPTIONS_MAX);
        let kinds = exceptions.iter().map(|exception| exception.kind).collect();
        Self { inner, exceptions: exceptions.into(), kinds }
    }
}

impl Excused {
    fn unless_excused(&self, text: &[u8], finding: Finding, report: &mut dyn FnMut(Finding)) {
        let excused = self.kinds.contains(finding.kind)
            && part(text, 0, &finding)
                .is_some_and(|part| is_excused(&self.exceptions, &finding, &part));
        if !excused {
            report(finding);
        }
    }
}

impl fmt::Debug for Excused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Excused").field("n", &self.exceptions.len()).finish_non_exhaustive()
    }
}

fn is_excused(exceptions: &[Exception], finding: &Finding, text: &[u8]) -> bool {
    exceptions.iter().any(|exception| exception.kind == finding.kind && exception.excuses(text))
}

/// The bytes of a span that is counted from `base`, as far as they are there.
fn part(text: &[u8], base: u64, finding: &Finding) -> Option<Vec<u8>> {
    let at = |offset: u64| usize::try_from(offset.checked_sub(base)?).ok();
    Some(text.get(at(finding.span.start)?..at(finding.span.end)?)?.to_vec())
}

impl Inspector for Excused {
    fn kinds(&self) -> &'static [KindInfo] {
        self.inner.kinds()
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        let inner = self.inner.detector(source);
        if self.exceptions.is_empty() {
            return inner;
        }
        let (exceptions, kinds) = (Arc::clone(&self.exceptions), self.kinds);
        Box::new(ExcusedDetector { inner, exceptions, kinds, tail: Vec::new(), base: 0 })
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        self.inner.scan(source, text, &mut |finding| self.unless_excused(text, finding, report));
    }

    fn judge_whole(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        let mut report = |finding| self.unless_excused(text, finding, report);
        self.inner.judge_whole(source, text, &mut report);
    }
}

struct ExcusedDetector {
    inner: Box<dyn Detector>,
    exceptions: Arc<[Exception]>,
    kinds: KindSet,
    /// The end of the text: at least as much as a finding can be long.
    tail: Vec<u8>,
    /// Offset of the tail's first byte.
    base: u64,
}

impl ExcusedDetector {
    fn filter(
        &mut self,
        run: impl FnOnce(&mut dyn Detector, &mut dyn FnMut(Finding)),
        report: &mut dyn FnMut(Finding),
    ) {
        let (tail, base, exceptions, kinds) =
            (&self.tail, self.base, &self.exceptions, &self.kinds);
        run(&mut *self.inner, &mut |finding| {
            // What cannot be seen any more is not excused.
            let excused = kinds.contains(finding.kind)
                && part(tail, base, &finding)
                    .is_some_and(|part| is_excused(exceptions, &finding, &part));
            if !excused {
                report(finding);
            }
        });
    }
}

impl Detector for ExcusedDetector {
    fn id(&self) -> &'static str {
        self.inner.id()
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        for piece in chunk.chunks(TAIL_BYTES) {
            self.tail.extend_from_slice(piece);
            self.filter(|inner, report| inner.push(piece, report), report);
            let n_old = self.tail.len().saturating_sub(TAIL_BYTES);
            if TAIL_BYTES / 4 <= n_old {
                self.tail.drain(..n_old);
                self.base = self.base.saturating_add(n_old as u64);
            }
        }
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.filter(|inner, report| inner.finish(report), report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        self.inner.pending(kinds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextInspector;
    use bartizan_core::kind::Catalogue;

    fn excused(exceptions: &[(&str, &str)]) -> Excused {
        let inner = Arc::new(TextInspector::new());
        let catalogue = Catalogue::new(inner.kinds());
        let exception = |(kind, value): &(&str, &str)| {
            Exception::new(catalogue.find(kind).unwrap(), value).unwrap()
        };
        Excused::new(inner, exceptions.iter().map(exception).collect())
    }

    fn names(inspector: &Excused, text: &str, n_bytes: usize) -> Vec<&'static str> {
        let mut streamed = Vec::new();
        let mut detector = inspector.detector(Source::User);
        for chunk in text.as_bytes().chunks(n_bytes) {
            detector.push(chunk, &mut |finding| streamed.push(finding));
        }
        detector.finish(&mut |finding| streamed.push(finding));
        streamed.sort_unstable();
        let mut whole = Vec::new();
        inspector.scan(Source::User, text.as_bytes(), &mut |finding| whole.push(finding));
        assert_eq!(whole, streamed, "{text}");
        let name = |finding: &Finding| inspector.kinds()[finding.kind.index() - 32].name;
        whole.iter().map(name).collect()
    }

    #[test]
    fn what_is_excused_is_left_out_and_nothing_else() {
        let inspector = excused(&[
            ("pii.email", "help@acme.example"),
            ("pii.email", "*@acme.test"),
            ("pii.card", "4111 *"),
        ]);
        let long = "x ".repeat(TAIL_BYTES);
        let cases: [(&str, &[&str]); 7] = [
            ("help@acme.example", &[]),
            ("xhelp@acme.example", &["pii.email"]),
            ("help@acme.example.org", &["pii.email"]),
            ("jo@acme.test jo@acme.tests", &["pii.email"]),
            ("4111 1111 1111 1111", &[]),
            ("4111111111111111", &["pii.card"]),
            ("help@acme.example 5555555555554444", &["pii.card"]),
        ];
        for (text, want) in cases {
            for n_bytes in [1, 7, 64, 100_000] {
                assert_eq!(names(&inspector, text, n_bytes), want, "{text}");
                let late = format!("{long}{text}");
                assert_eq!(names(&inspector, &late, n_bytes), want, "late: {text}");
            }
        }
    }

    #[test]
    fn a_value_must_say_something() {
        let email = Catalogue::new(&crate::KINDS).find("pii.email").unwrap();
        for value in ["", "*", "**"] {
            assert!(Exception::new(email, value).is_none(), "{value}");
        }
        assert!(Exception::new(email, "*@acme*").unwrap().excuses(b"jo@acme.org"));
    }
}
