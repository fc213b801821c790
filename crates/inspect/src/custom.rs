//! Kinds that the operator brings along: patterns and lists of words, found as the built-in kinds are, whole or in a stream.
//!
//! A pattern is a regular expression whose matches have a longest length; without one a stream could not let go of anything, so
//! [`CustomKind::new`] refuses it. Patterns read bytes of UTF-8 text as it stands. Of one kind, matches are leftmost first and do not
//! overlap; kinds do not see each other.
use crate::intern;
use bartizan_core::detect::{Detector, Finding, Inspector, Score};
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Extent, KINDS_MAX, KindId, KindInfo, KindSet};
use bartizan_core::span::Span;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Most bytes of one match.
pub const CUSTOM_MATCH_BYTES_MAX: usize = 1024;
/// Most kinds of an operator's own.
pub const CUSTOM_KINDS_MAX: usize = 64;
/// Most bytes of one pattern as it is written.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Most words of one kind.
pub const WORDS_MAX: usize = 10_000;
/// Fewest bytes of a match: what is shorter stands in every sentence.
pub const CUSTOM_MATCH_BYTES_MIN: usize = 3;
/// Most bytes of memory that a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 8 << 20;
/// Most bytes of memory of the tables that a search builds on its way.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// Bytes before a match that a pattern may look at: one character.
const LEFT_BYTES: usize = 4;
/// Bytes of a chunk that are read at a time.
const PIECE_BYTES: usize = 1024;

/// Why a kind cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomError {
    /// Names have two or more words of lower-case letters, digits and `-`, with dots between.
    Name,
    /// A built-in kind has this name.
    Taken,
    /// The pattern cannot be read; with the reader's words.
    Pattern(String),
    /// Nothing is to be looked for.
    Nothing,
    /// A match of it can be longer than [`CUSTOM_MATCH_BYTES_MAX`]; with the longest length, where there is one.
    Unbounded(Option<usize>),
    /// A match of it can be shorter than [`CUSTOM_MATCH_BYTES_MIN`].
    TooShort(usize),
    /// The pattern or the list of words is too long to be compiled.
    TooLarge,
    /// There are more than [`CUSTOM_KINDS_MAX`].
    TooMany,
}

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str(
                "the name needs two words or more of lower-case letters, digits and hyphens, with dots between, such as `acme.employee-id`",
            ),
            Self::Taken => f.write_str("a built-in kind has this name; choose another"),
            Self::Pattern(reason) => write!(f, "the pattern cannot be read: {reason}"),
            Self::Nothing => f.write_str("neither a pattern nor words are given"),
            Self::Unbounded(None) => write!(
                f,
                "a match has no longest length, so a stream would have to hold back everything: replace `*` and `+` by bounds such as `{{1,40}}`"
            ),
            Self::Unbounded(Some(n)) => write!(
                f,
                "a match can be {n} bytes long, and at most {CUSTOM_MATCH_BYTES_MAX} are allowed: lower the bounds"
            ),
            Self::TooShort(n) => write!(
                f,
                "a match can be as short as {n} bytes, and at least {CUSTOM_MATCH_BYTES_MIN} are needed: what is shorter stands in every sentence"
            ),
            Self::TooLarge => write!(
                f,
                "the pattern or the list of words is too large: at most {PATTERN_BYTES_MAX} bytes of pattern, {WORDS_MAX} words and {} MiB compiled",
                COMPILED_BYTES_MAX >> 20
            ),
            Self::TooMany => write!(f, "at most {CUSTOM_KINDS_MAX} kinds of your own are allowed"),
        }
    }
}

impl std::error::Error for CustomError {}

/// A kind of the operator's own, compiled.
#[derive(Clone)]
pub struct CustomKind {
    info: KindInfo,
    detector: &'static str,
    matcher: Arc<Matcher>,
    allowed: Arc<BTreeSet<Vec<u8>>>,
}

/// What an operator says of a kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct CustomSource<'s> {
    /// `acme.employee-id`. In a built-in class (`secret.acme-token`) it is treated as policies treat the class.
    pub name: &'s str,
    /// A few words for people.
    pub title: &'s str,
    /// A regular expression.
    pub pattern: Option<&'s str>,
    /// Words and phrases, in any case, not inside other words.
    pub words: &'s [String],
    /// Matches that are none.
    pub allowed: &'s [String],
}

impl CustomKind {
    /// Compiles a kind.
    ///
    /// ```
    /// # use bartizan_inspect::custom::{CustomError, CustomKind, CustomSource};
    /// let source = CustomSource { name: "acme.badge", pattern: Some("ACME-[0-9]{6}"), ..Default::default() };
    /// assert!(CustomKind::new(source).is_ok());
    /// let endless = CustomSource { pattern: Some("ACME-[0-9]+"), ..source };
    /// assert_eq!(CustomKind::new(endless).err(), Some(CustomError::Unbounded(None)));
    /// ```
    ///
    /// # Errors
    /// [`CustomError`] with the reason.
    pub fn new(source: CustomSource<'_>) -> Result<Self, CustomError> {
        check_name(source.name)?;
        let too_large = source.pattern.is_some_and(|pattern| PATTERN_BYTES_MAX < pattern.len())
            || WORDS_MAX < source.words.len();
        if too_large {
            return Err(CustomError::TooLarge);
        }
        let patterns = source.pattern.into_iter().map(str::to_owned);
        let patterns: Vec<String> =
            patterns.chain(source.words.iter().map(|word| pattern_of(word))).collect();
        let matcher = Matcher::new(&patterns)?;
        let title = if source.title.is_empty() { source.name } else { source.title };
        let (name, title) = (intern::text(source.name), intern::text(title));
        let detector = intern::text(&format!("{}@1", source.name));
        Ok(Self {
            info: KindInfo { name, title, extent: Extent::Span },
            detector,
            matcher: Arc::new(matcher),
            allowed: Arc::new(
                source.allowed.iter().map(|text| text.clone().into_bytes()).collect(),
            ),
        })
    }

    /// What policies and records call it.
    pub const fn info(&self) -> &KindInfo {
        &self.info
    }
}

impl fmt::Debug for CustomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomKind").field("name", &self.info.name).finish_non_exhaustive()
    }
}

fn check_name(name: &str) -> Result<(), CustomError> {
    let is_word = |word: &str| {
        let is_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !word.is_empty() && word.chars().all(is_char)
    };
    if name.split('.').count() < 2 || !name.split('.').all(is_word) || 64 < name.len() {
        return Err(CustomError::Name);
    }
    let reserved = name.starts_with("limit.") || name.starts_with("unread.");
    if reserved || crate::KINDS.iter().any(|info| info.name == name) {
        return Err(CustomError::Taken);
    }
    Ok(())
}

/// A word as a pattern: in any case, and not inside another word.
fn pattern_of(word: &str) -> String {
    let edge = |byte: Option<&u8>| match byte {
        Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'_' => r"(?-u:\b)",
        _ => "",
    };
    let bytes = word.as_bytes();
    let (left, right) = (edge(bytes.first()), edge(bytes.last()));
    format!("{left}(?i:{}){right}", regex_syntax::escape(word))
}

/// Finds what some patterns match.
struct Matcher {
    dfa: DFA,
    /// Asked where the automaton gives up.
    regex: Regex,
    /// The bytes that a match may begin with.
    firsts: Box<[bool; 256]>,
    caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync>>,
}

impl Matcher {
    fn new(patterns: &[String]) -> Result<Self, CustomError> {
        let read = |pattern: &String| {
            syntax::parse(pattern).map_err(|error| CustomError::Pattern(error.to_string()))
        };
        let parsed = patterns.iter().map(read).collect::<Result<Vec<Hir>, _>>()?;
        let longest = parsed.iter().map(|hir| hir.properties().maximum_len());
        let shortest = parsed.iter().filter_map(|hir| hir.properties().minimum_len()).min();
        let shortest = shortest.ok_or(CustomError::Nothing)?;
        let longest =
            longest.collect::<Option<Vec<usize>>>().ok_or(CustomError::Unbounded(None))?;
        match longest.into_iter().max() {
            Some(n) if n <= CUSTOM_MATCH_BYTES_MAX => {}
            found => return Err(CustomError::Unbounded(found)),
        }
        if shortest < CUSTOM_MATCH_BYTES_MIN {
            return Err(CustomError::TooShort(shortest));
        }
        let too_large = |_| CustomError::TooLarge;
        let config = Regex::config()
            .nfa_size_limit(Some(COMPILED_BYTES_MAX))
            .hybrid_cache_capacity(CACHE_BYTES_MAX);
        let regex = Regex::builder().configure(config).build_many_from_hir(&parsed);
        let regex = regex.map_err(|_| CustomError::TooLarge)?;
        let config = DFA::config()
            .match_kind(MatchKind::LeftmostFirst)
            .cache_capacity(CACHE_BYTES_MAX)
            .skip_cache_capacity_check(true)
            .unicode_word_boundary(true);
        let thompson =
            regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(COMPILED_BYTES_MAX));
        let nfa = regex_automata::nfa::thompson::Compiler::new()
            .configure(thompson)
            .build_many_from_hir(&parsed)
            .map_err(too_large)?;
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa);
        let dfa = dfa.map_err(|_| CustomError::TooLarge)?;
        let of_cache = dfa.clone();
        let caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync>> =
            Pool::new(Box::new(move || of_cache.create_cache()));
        let firsts = firsts(&dfa);
        Ok(Self { dfa, regex, firsts, caches })
    }

    /// Reads on from `from`: calls `found` with each match that is decided, and returns the first place where one may still begin, which is the
    /// end of the text where there is none.
    fn read(
        &self,
        text: &[u8],
        from: usize,
        at_end: bool,
        mut found: impl FnMut(usize, usize),
    ) -> usize {
        let mut cache = self.caches.get();
        let mut start = from;
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            let is_first = |byte: &u8| self.firsts.get(usize::from(*byte)) == Some(&true);
            let Some(n) = rest.iter().position(is_first) else { return text.len() };
            start = start.saturating_add(n);
            match self.walk(&mut cache, text, start, at_end) {
                Walk::Live => return start,
                Walk::No => start = start.saturating_add(1),
                Walk::Match(end) => {
                    found(start, end);
                    // Matches have a shortest length, so this goes forward.
                    start = end.max(start.saturating_add(1));
                }
            }
        }
        text.len()
    }

    /// What begins at `start`.
    fn walk(&self, cache: &mut Cache, text: &[u8], start: usize, at_end: bool) -> Walk {
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let (mut best, mut at) = (None, start);
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else {
            return self.ask(text, start, at_end);
        };
        for &byte in text.get(start..).unwrap_or_default() {
            let Ok(next) = self.dfa.next_state(cache, state, byte) else {
                return self.ask(text, start, at_end);
            };
            state = next;
            if state.is_dead() {
                return best.map_or(Walk::No, Walk::Match);
            }
            if state.is_quit() {
                return self.ask(text, start, at_end);
            }
            // A match is told one byte after its end.
            if state.is_match() {
                best = Some(at);
            }
            at = at.saturating_add(1);
        }
        if !at_end {
            return Walk::Live;
        }
        match self.dfa.next_eoi_state(cache, state) {
            Ok(last) if last.is_match() => Walk::Match(text.len()),
            Ok(last) if last.is_quit() => self.ask(text, start, at_end),
            Ok(_) => best.map_or(Walk::No, Walk::Match),
            Err(_) => self.ask(text, start, at_end),
        }
    }

    /// The slow way, for what the automaton cannot say: word boundaries beside characters above ASCII. A match is bounded, so the wait is.
    fn ask(&self, text: &[u8], start: usize, at_end: bool) -> Walk {
        let n_there = text.len().saturating_sub(start);
        if !at_end && n_there <= CUSTOM_MATCH_BYTES_MAX.saturating_add(LEFT_BYTES) {
            return Walk::Live;
        }
        let found = self.regex.search(&Input::new(text).range(start..).anchored(Anchored::Yes));
        found.map_or(Walk::No, |found| Walk::Match(found.end()))
    }
}

/// What begins at a place.
enum Walk {
    /// Nothing.
    No,
    /// A match that ends there.
    Match(usize),
    /// More text decides.
    Live,
}

/// The bytes that a match may begin with.
fn firsts(dfa: &DFA) -> Box<[bool; 256]> {
    let mut cache = dfa.create_cache();
    let mut may_begin = |before: &[u8], byte: u8| {
        let text: Vec<u8> = before.iter().copied().chain([byte]).collect();
        let input = Input::new(&text).range(before.len()..).anchored(Anchored::Yes);
        let Ok(state) = dfa.start_state_forward(&mut cache, &input) else { return true };
        dfa.next_state(&mut cache, state, byte).map_or(true, |state| !state.is_dead())
    };
    let mut firsts = Box::new([false; 256]);
    for (byte, may) in (0..=u8::MAX).zip(firsts.iter_mut()) {
        // What stands before a match matters to its assertions only by being one of these.
        let befores: [&[u8]; 5] = [b"", b"a", b" ", b"\n", b"\r"];
        *may = 0x7f < byte || befores.iter().any(|before| may_begin(before, byte));
    }
    firsts
}

/// An inspector that finds an operator's own kinds besides those of another one.
#[derive(Clone)]
pub struct Customized {
    inner: Arc<dyn Inspector>,
    kinds: &'static [KindInfo],
    rules: Arc<[Rule]>,
}

#[derive(Clone)]
struct Rule {
    id: KindId,
    custom: CustomKind,
}

impl Customized {
    /// Looks for `customs` too.
    ///
    /// # Errors
    /// [`CustomError::TooMany`]; [`CustomError::Taken`] when two have one name.
    pub fn new(inner: Arc<dyn Inspector>, customs: Vec<CustomKind>) -> Result<Self, CustomError> {
        if CUSTOM_KINDS_MAX < customs.len() {
            return Err(CustomError::TooMany);
        }
        let mut names = BTreeSet::new();
        if !customs.iter().all(|custom| names.insert(custom.info.name)) {
            return Err(CustomError::Taken);
        }
        let first = inner.kinds().len();
        let infos: Vec<KindInfo> =
            inner.kinds().iter().copied().chain(customs.iter().map(|custom| custom.info)).collect();
        let numbered = customs.into_iter().enumerate().map(|(n, custom)| {
            let number = u16::try_from(first.saturating_add(n)).unwrap_or(u16::MAX);
            let id = KindId::detected(number).ok_or(CustomError::TooMany)?;
            Ok(Rule { id, custom })
        });
        let rules = numbered.collect::<Result<Vec<_>, CustomError>>()?;
        debug_assert!(infos.len() <= KINDS_MAX, "every number was given out");
        Ok(Self { inner, kinds: intern::kinds(infos), rules: rules.into() })
    }
}

impl fmt::Debug for Customized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customized").field("n_kinds", &self.rules.len()).finish_non_exhaustive()
    }
}

impl Inspector for Customized {
    fn kinds(&self) -> &'static [KindInfo] {
        self.kinds
    }

    fn detector(&self, source: Source) -> Box<dyn Detector> {
        let inner = self.inner.detector(source);
        if self.rules.is_empty() {
            return inner;
        }
        Box::new(CustomDetector {
            inner,
            rules: Arc::clone(&self.rules),
            decided: self.rules.iter().map(|_| 0).collect(),
            tail: Vec::new(),
            base: 0,
        })
    }

    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        if self.rules.is_empty() {
            return self.inner.scan(source, text, report);
        }
        let mut found = Vec::new();
        self.inner.scan(source, text, &mut |finding| found.push(finding));
        for rule in self.rules.iter() {
            rule.custom.matcher.read(text, 0, true, |start, end| {
                found.extend(rule.finding(text, 0, (start, end)));
            });
        }
        found.sort_unstable();
        found.into_iter().for_each(report);
    }
}

impl Rule {
    fn finding(&self, text: &[u8], base: u64, (start, end): (usize, usize)) -> Option<Finding> {
        if self.custom.allowed.contains(text.get(start..end).unwrap_or_default()) {
            return None;
        }
        let at = |place: usize| base.saturating_add(u64::try_from(place).unwrap_or(u64::MAX));
        let (span, detector) = (Span::new(at(start), at(end)), self.custom.detector);
        Some(Finding { span, kind: self.id, detector, score: Score::CERTAIN })
    }
}

struct CustomDetector {
    inner: Box<dyn Detector>,
    rules: Arc<[Rule]>,
    /// For each kind, the offset before which everything is decided.
    decided: Box<[u64]>,
    /// The end of the text: what is undecided, and a character before it.
    tail: Vec<u8>,
    /// Offset of the tail's first byte.
    base: u64,
}

impl CustomDetector {
    /// Reports every match that no further text can change.
    fn settle(&mut self, at_end: bool, report: &mut dyn FnMut(Finding)) {
        let (tail, base) = (&self.tail, self.base);
        for (rule, decided) in self.rules.iter().zip(&mut self.decided) {
            let from = usize::try_from(decided.saturating_sub(base)).unwrap_or(usize::MAX);
            let live = rule.custom.matcher.read(tail, from, at_end, |start, end| {
                rule.finding(tail, base, (start, end)).into_iter().for_each(&mut *report);
            });
            *decided = base.saturating_add(live as u64);
        }
        let oldest = self.decided.iter().min().map_or(0, |oldest| oldest.saturating_sub(base));
        let n_old = usize::try_from(oldest).unwrap_or(0).saturating_sub(LEFT_BYTES);
        if PIECE_BYTES <= n_old {
            self.tail.drain(..n_old.min(self.tail.len()));
            self.base = base.saturating_add(n_old as u64);
        }
    }
}

impl Detector for CustomDetector {
    fn id(&self) -> &'static str {
        self.inner.id()
    }

    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        self.inner.push(chunk, report);
        for piece in chunk.chunks(PIECE_BYTES) {
            self.tail.extend_from_slice(piece);
            self.settle(false, report);
        }
    }

    fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        self.inner.finish(report);
        self.settle(true, report);
    }

    fn pending(&self, kinds: &KindSet) -> u64 {
        let inner = self.inner.pending(kinds);
        let held = self.rules.iter().zip(&self.decided).filter(|(rule, _)| kinds.contains(rule.id));
        held.map(|(_, decided)| *decided).min().map_or(inner, |decided| decided.min(inner))
    }
}

#[cfg(test)]
mod tests;
