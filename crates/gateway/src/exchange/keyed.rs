//! An inspector that knows the upstreams' own keys besides what another inspector knows.
//!
//! A key is compared byte by byte with decoded text, so an escape does not hide it; a key that was changed, shortened or encoded is another
//! text, and is not found. The keys are held in memory only: nothing prints them, and a finding says where one stood, never what it was.
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{KindInfo, KindSet, UPSTREAM_KEY};
use bartizan_core::span::Span;
use memchr::memmem::Finder;
use std::fmt;
use std::sync::Arc;

/// A shorter key is not looked for: it stands in innocent texts too often, and guards nothing.
pub const KEY_BYTES_MIN: usize = 8;

const OWN_ID: &str = "exchange.key@1";

/// Wraps an inspector, and finds the upstreams' keys besides what that one finds.
#[derive(Clone)]
pub struct Keyed {
    inner: Arc<dyn Inspector>,
    needles: Arc<[Needle]>,
}

/// A key, prepared for looking.
struct Needle {
    finder: Finder<'static>,
    /// `borders[n]`: of the first `n + 1` bytes, how many of the last ones are also the first ones.
    borders: Vec<usize>,
}

impl Keyed {
    /// Looks for `keys` too. Keys with fewer than [`KEY_BYTES_MIN`] bytes are left out, and so is a key that came before.
    pub fn new<K: AsRef<[u8]>>(
        inner: Arc<dyn Inspector>,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        let mut needles: Vec<Needle> = Vec::new();
        for key in keys {
            let key = key.as_ref();
            if KEY_BYTES_MIN <= key.len() && needles.iter().all(|needle| needle.key() != key) {
                needles.push(Needle::new(key));
            }
        }
        Self { inner, needles: needles.into() }
    }

    /// Looks for the keys and for nothing else. The kinds keep their names and numbers.
    #[must_use]
    pub fn alone(self) -> Self {
        Self { inner: Arc::new(Silent(self.inner.kinds())), ..self }
    }
}

/// Knows kinds, and finds none of them.
struct Silent(&'static [KindInfo]);

impl Inspector for Silent {
    fn kinds(&self) -> &'static [KindInfo] {
        self.0
    }

    fn detector(&self, _source: Source) -> Box<dyn Detector> {
        Box::new(SilentDetector { n_pushed: 0 })
    }

    fn scan(&self, _source: Source, _text: &[u8], _report: &mut dyn FnMut(Finding)) {}
}

struct SilentDetector {
    n_pushed: u64,
}

impl Detector for SilentDetector {
    fn id(&self) -> &'static str {
        OWN_ID
    }

    fn push(&mut self, chunk: &[u8], _report: &mut dyn FnMut(Finding)) {
        self.n_pushed += chunk.len() as u64;
    }

    fn finish(&mut self, _report: &mut dyn FnMut(Finding)) {}

    fn pending(&self, _kinds: &KindSet) -> u64 {
        self.n_pushed
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("n_keys", &self.needles.len()).finish_non_exhaustive()
    }
}

impl Needle {
    fn new(key: &[u8]) -> Self {
        let mut borders = vec![0; key.len()];
        let mut n = 0;
        for (at, byte) in key.iter().enumerate().skip(1) {
            while 0 < n && key.get(n) != Some(byte) {
                n = borders.get(n - 1).copied().unwrap_or(0);
            }
            if key.get(n) == Some(byte) {
                n += 1;
            }
            if let Some(border) = borders.get_mut(at) {
                *border = n;
            }
        }
        Self { finder: Finder::new(key).into_owned(), borders }
    }

    fn key(&self) -> &[u8] {
        self.finder.needle()
    }

    /// One step of Knuth, Morris and Pratt: how many bytes of the key the text ends with, after one more byte. The whole key counts as
    /// found, and is answered with its own border, from where the next one may go on.
    fn step(&self, mut n_matched: usize, byte: u8) -> (usize, bool) {
        while 0 < n_matched && self.key().get(n_matched) != Some(&byte) {
            n_matched = self.border(n_matched);
        }
        if self.key().get(n_matched) == Some(&byte) {
            n_matched += 1;
        }
        if n_matched == self.key().len() {
            (self.border(n_matched), true)
        } else {
            (n_matched, false)
        }
    }

    fn border(&self, n: usize) -> usize {
        n.checked_sub(1).and_then(|at| self.borders.get(at)).copied().unwrap_or(0)
    }

    /// Reads a chunk that begins at offset `start`, when the text before it ended with `n_matched` bytes of the key.
    fn read(
        &self,
        mut n_matched: usize,
        chunk: &[u8],
        start: u64,
        report: &mut dyn FnMut(Finding),
    ) -> usize {
        let n_key = self.key().len();
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            if n_matched == 0 && n_key <= rest.len() {
                // What lies before the first whole key, or else before the last place for a piece of one, need not be walked through.
                at += self.finder.find(rest).unwrap_or(rest.len() - (n_key - 1));
            }
            let Some(&byte) = chunk.get(at) else { break };
            let (n, found) = self.step(n_matched, byte);
            n_matched = n;
            at += 1;
            if found {
                let end = start + at as u64;
                let span = Span::new(end - n_key as u64, end);
                report(Finding::certain(span, UPSTREAM_KEY, OWN_ID));
            }
        }
        n_matched
    }
}

impl Inspector for Keyed {
    fn kinds(&self) -> &'static [KindInfo] {
        self.inner.kinds()
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        let inner = self.inner.detector(source);
        if self.needles.is_empty() {
            return inner;
        }
        let matched = self.needles.iter().map(|_| 0).collect();
        Box::new(KeyedDetector { inner, needles: Arc::clone(&self.needles), matched, n_pushed: 0 })
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if self.needles.iter().all(|needle| needle.finder.find(text).is_none()) {
            return self.inner.scan(source, text, report);
        }
        let mut found = Vec::new();
        self.inner.scan(source, text, &mut |finding| found.push(finding));
        for needle in self.needles.iter() {
            needle.read(0, text, 0, &mut |finding| found.push(finding));
        }
        found.sort_unstable();
        found.into_iter().for_each(report);
    }

    fn judge_whole(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        self.inner.judge_whole(source, text, report);
    }
}

struct KeyedDetector {
    inner: Box<dyn Detector>,
    needles: Arc<[Needle]>,
    /// For each key, how many bytes of it the text ends with: always fewer than all.
    matched: Box<[usize]>,
    n_pushed: u64,
}

impl Detector for KeyedDetector {
    fn id(&self) -> &'static str {
        self.inner.id()
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        self.inner.push(chunk, report);
        for (needle, matched) in self.needles.iter().zip(&mut self.matched) {
            *matched = needle.read(*matched, chunk, self.n_pushed, report);
        }
        self.n_pushed += chunk.len() as u64;
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.inner.finish(report);
        // A key cut short is not a key.
        self.matched.fill(0);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let pending = self.inner.pending(kinds);
        if !kinds.contains(UPSTREAM_KEY) {
            return pending;
        }
        let longest = self.matched.iter().copied().max().unwrap_or(0);
        pending.min(self.n_pushed.saturating_sub(longest as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::kind::KindId;
    use bartizan_inspect::TextInspector;
    use proptest::prelude::*;

    const KEYS: [&str; 4] = ["sk-upstream-0123", "abababab", "aaaaaaaaa", "sk-upstream-01234567"];

    fn keyed() -> Keyed {
        Keyed::new(Arc::new(TextInspector::new()), KEYS)
    }

    fn whole(text: &str) -> Vec<Finding> {
        whole_with(&keyed(), text)
    }

    fn whole_with(keyed: &Keyed, text: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        keyed.scan(Source::User, text.as_bytes(), &mut |finding| found.push(finding));
        found
    }

    /// Where the keys stand, found in the plainest way.
    fn plainly(text: &str) -> Vec<Span> {
        let at = |key: &&str| {
            let n = key.len();
            let text = text.as_bytes();
            let key = key.as_bytes().to_vec();
            let starts = (0..=text.len()).filter(move |&at| text.get(at..at + n) == Some(&key));
            starts.map(move |at| Span::new(at as u64, (at + n) as u64)).collect::<Vec<_>>()
        };
        let mut spans: Vec<Span> = KEYS.iter().flat_map(at).collect();
        spans.sort_unstable();
        spans
    }

    fn keys_in(found: &[Finding]) -> Vec<Span> {
        found.iter().filter(|found| found.kind == UPSTREAM_KEY).map(|found| found.span).collect()
    }

    fn sets() -> [KindSet; 4] {
        let mut others = KindSet::ALL;
        others.remove(UPSTREAM_KEY);
        [KindSet::ALL, KindSet::EMPTY, KindSet::from_iter([UPSTREAM_KEY]), others]
    }

    /// Streams the text in pieces that end at `cuts`, and checks every clause of the law: beside another inspector, and alone.
    fn check(text: &str, cuts: &[usize]) {
        check_with(&keyed(), text, cuts);
        check_with(&keyed().alone(), text, cuts);
    }

    fn check_with(keyed: &Keyed, text: &str, cuts: &[usize]) {
        let mut detector = keyed.detector(Source::Model);
        let mut found: Vec<Finding> = Vec::new();
        let (mut floor, mut from) = ([0; 4], 0);
        for &cut in cuts.iter().chain([&text.len()]) {
            let n_before = found.len();
            detector.push(&text.as_bytes()[from..cut], &mut |finding| found.push(finding));
            check_floor(&found[n_before..], &floor);
            let pending = sets().map(|set| detector.pending(&set));
            assert!(pending.iter().zip(&floor).all(|(now, before)| now >= before), "{text:?}");
            let mut at_once = keyed.detector(Source::Model);
            at_once.push(&text.as_bytes()[..cut], &mut |_| {});
            assert_eq!(pending, sets().map(|set| at_once.pending(&set)), "{text:?} at {cut}");
            (floor, from) = (pending, cut);
        }
        let n_before = found.len();
        detector.finish(&mut |finding| found.push(finding));
        check_floor(&found[n_before..], &floor);
        assert!(sets().iter().all(|set| detector.pending(set) == text.len() as u64));
        found.sort_unstable();
        assert_eq!(found, whole_with(keyed, text), "{text:?} cut at {cuts:?}");
        assert_eq!(keys_in(&found), plainly(text), "{text:?}");
    }

    fn check_floor(found: &[Finding], floor: &[u64; 4]) {
        for finding in found {
            for (set, &floor) in sets().iter().zip(floor) {
                assert!(!set.contains(finding.kind) || floor <= finding.span.start, "{finding:?}");
            }
        }
    }

    #[test]
    fn keys_and_only_whole_keys_are_found() {
        let key = KEYS[0];
        for (name, text, n_keys) in [
            ("alone", key.to_owned(), 1),
            ("in text", format!("Incorrect API key provided: {key}."), 1),
            ("twice", format!("{key}{key}"), 2),
            ("after a false start", format!("sk-up{key}"), 1),
            ("inside a longer word", format!("x{key}y"), 1),
            ("a longer key that begins with it", format!("{key}4567"), 2),
            ("one byte short", key.trim_start_matches('s').to_owned(), 0),
            ("another case", key.to_uppercase(), 0),
            ("overlapping itself", "x ababababab y".to_owned(), 2),
            ("nothing", String::new(), 0),
        ] {
            assert_eq!(keys_in(&whole(&text)).len(), n_keys, "{name}");
            (0..=text.len()).for_each(|cut| check(&text, &[cut]));
            check(&text, &(0..text.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn short_keys_are_left_out_and_keys_are_not_printed() {
        let inner = Arc::new(TextInspector::new());
        let keyed = Keyed::new(inner, ["", "sk-1234", KEYS[0], KEYS[0]]);
        assert_eq!(keyed.needles.len(), 1);
        let mut n_found = 0;
        keyed.scan(Source::User, b"sk-1234", &mut |_| n_found += 1);
        assert_eq!(n_found, 0);
        assert_eq!(format!("{keyed:?}"), "Keyed { n_keys: 1, .. }");
        let kinds = TextInspector::new().kinds();
        assert_eq!(keyed.kinds().len(), kinds.len(), "the kind is one of the structural ones");
        let alone = keyed.clone().alone();
        assert_eq!(alone.kinds().len(), kinds.len(), "numbers of kinds stay what they are");
        let card = format!("4111111111111111 {}", KEYS[0]);
        let found = whole_with(&alone, &card);
        assert_eq!((found.len(), keys_in(&found).len()), (1, 1), "{found:?}");
        assert!(kinds.len() < usize::from(u16::MAX) && KindId::detected(0) != Some(UPSTREAM_KEY));
    }

    proptest! {
        /// Cutting changes nothing, and what may still become a key is pending.
        #[test]
        fn every_cut_obeys_the_law(
            text in "(sk-upstream-0123|sk-upstream-01234567|sk-|ab|a|b|é|4111111111111111|[0-9 ]){0,24}",
            places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let ends: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
            let mut cuts: Vec<usize> = places.iter().map(|place| ends[place.index(ends.len())]).collect();
            cuts.sort_unstable();
            check(&text, &cuts);
            check(&text, &ends);
        }
    }
}
