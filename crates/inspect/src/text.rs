//! The part of a text that is at hand, and a reader that knows where knowledge ends.
//!
//! A rule reads forward only through [`Reader`], which answers "more text is needed" by an early return. A rule is a deterministic
//! program, so once every byte it asks for is there its answer can never change: this is what makes findings independent of cuts.
use crate::kinds::{Kind, Support};

/// Bytes before a candidate's start that a rule may look at.
pub(crate) const LEFT_BYTES_MAX: usize = 128;

/// Most bytes of an escape that is told from a word before a candidate: a colour of a terminal is the longest.
const ESCAPE_BYTES_MAX: usize = 16;

/// Tells which bytes belong to a run.
pub(crate) type Class = fn(u8) -> bool;

/// Why a rule did not find anything at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// There is nothing, whatever follows.
    No,
    /// There is nothing, and no candidate of the same rule before here has more luck.
    NoUntil(usize),
    /// It depends on text that is not there yet.
    More(Wait),
}

impl Stop {
    pub(crate) const MORE: Self = Self::More(Wait { hold: Hold::Start, run: None, n_left: 0 });

    /// The same answer, where a finding would start no earlier than this says.
    pub(crate) const fn holding(self, hold: Hold) -> Self {
        match self {
            Self::More(wait) => Self::More(Wait { hold, ..wait }),
            decided => decided,
        }
    }
}

/// What an undecided rule waits for. Every answer of a rule has room for it, so it is small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) hold: Hold,
    /// It reads a run of this class: fewer than `n_left` further bytes of the same change nothing.
    pub(crate) run: Option<Class>,
    pub(crate) n_left: u16,
}

/// Where the finding of an undecided rule would start at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Where the rule began to read.
    Start,
    /// So many bytes before the end of what is at hand.
    Last(u16),
    /// In text that is not there yet.
    Nothing,
}

/// What a rule found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// The bound on one finding was met and the same secret may go on: look again from `end`.
    pub(crate) goes_on: bool,
    /// What was found; where it does not say, the rule's own kind.
    pub(crate) kind: Option<Kind>,
    /// What speaks for it.
    pub(crate) support: Support,
}

impl Hit {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end, goes_on: false, kind: None, support: Support::Form }
    }

    /// The same, of a kind of its own.
    pub(crate) fn of(self, kind: impl Into<Kind>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }
}

/// The answer of a rule.
pub(crate) type Answer = Result<Hit, Stop>;

/// The bytes at hand. Offsets are into `bytes`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'t> {
    bytes: &'t [u8],
    /// Whether `bytes` begins where the text begins.
    whole_left: bool,
    /// Whether `bytes` ends where the text ends.
    ended: bool,
}

impl<'t> Text<'t> {
    pub(crate) const fn new(bytes: &'t [u8], whole_left: bool, ended: bool) -> Self {
        Self { bytes, whole_left, ended }
    }

    pub(crate) const fn len(self) -> usize {
        self.bytes.len()
    }

    /// Whether all of the text is at hand.
    pub(crate) const fn is_whole(self) -> bool {
        self.whole_left && self.ended
    }

    /// Whether the text itself begins at this offset.
    pub(crate) const fn is_start(self, at: usize) -> bool {
        self.whole_left && at == 0
    }

    /// The byte at an offset, if it is at hand.
    pub(crate) fn get(self, at: usize) -> Option<u8> {
        work::note(1);
        self.bytes.get(at).copied()
    }

    /// The byte `n` before an offset (1 is the one just before).
    pub(crate) fn back(self, at: usize, n: usize) -> Option<u8> {
        self.get(at.checked_sub(n)?)
    }

    /// At most `n` bytes before an offset.
    pub(crate) fn before(self, at: usize, n: usize) -> &'t [u8] {
        let before = self.slice(at.saturating_sub(n.min(LEFT_BYTES_MAX)), at);
        work::note(before.len());
        before
    }

    pub(crate) fn slice(self, start: usize, end: usize) -> &'t [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Whether a word may begin here: no letter, digit or underscore stands before.
    /// The `n` of a written-out `\n` is no letter: text that was escaped twice hides no key.
    pub(crate) fn is_boundary(self, at: usize) -> bool {
        match self.back(at, 1) {
            Some(b'n' | b'r' | b't') => self.back(at, 2) == Some(b'\\'),
            Some(byte) => !is_word(byte),
            None => true,
        }
    }

    /// Whether an escape ends here whose last byte is a letter or a digit, and yet no part of a word: `%3D` of URLs, `\u003d` and `\x3d`
    /// of strings, and the colours of terminals.
    pub(crate) fn is_after_escape(self, at: usize) -> bool {
        let is_hex = |n: usize| self.before(at, n).iter().all(u8::is_ascii_hexdigit);
        match self.back(at, 1) {
            Some(b'm') => is_colour(self.before(at, ESCAPE_BYTES_MAX)),
            // Nearly all that is asked about is no escape, and a byte tells.
            Some(byte) if byte.is_ascii_hexdigit() => {
                let is = |n: usize, mark: u8| self.back(at, n) == Some(mark);
                (is(3, b'%') && is_hex(2))
                    || (is(4, b'\\') && is(3, b'x') && is_hex(2))
                    || (is(6, b'\\') && is(5, b'u') && is_hex(4))
            }
            _ => false,
        }
    }

    pub(crate) const fn reader(self, at: usize) -> Reader<'t> {
        Reader { text: self, at }
    }
}

/// Whether the bytes end in `[0;31m`; what stands before the bracket may be the control character or one of its many written forms.
fn is_colour(bytes: &[u8]) -> bool {
    let numbers = bytes.iter().rev().skip(1);
    let mut rest = numbers.skip_while(|&&byte| byte.is_ascii_digit() || byte == b';');
    rest.next() == Some(&b'[')
}

/// Letters, digits and the underscore.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Letters, digits, `-` and `_`: base64 for URLs.
pub(crate) const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// A place in the text that moves forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'t> {
    text: Text<'t>,
    /// Offset of the next byte.
    pub(crate) at: usize,
}

impl<'t> Reader<'t> {
    /// The byte `ahead` of the next one; nothing past the end of the text.
    pub(crate) fn peek_ahead(&self, ahead: usize) -> Result<Option<u8>, Stop> {
        match self.text.get(self.at.saturating_add(ahead)) {
            Some(byte) => Ok(Some(byte)),
            None if self.text.ended => Ok(None),
            None => Err(Stop::MORE),
        }
    }

    /// The next byte; nothing at the end of the text.
    pub(crate) fn peek(&self) -> Result<Option<u8>, Stop> {
        self.peek_ahead(0)
    }

    /// Whether there is a next byte and it is of a class.
    pub(crate) fn sees(&self, class: impl Fn(u8) -> bool) -> Result<bool, Stop> {
        Ok(self.peek()?.is_some_and(class))
    }

    /// The same, of a byte further on.
    pub(crate) fn sees_ahead(
        &self,
        ahead: usize,
        class: impl Fn(u8) -> bool,
    ) -> Result<bool, Stop> {
        Ok(self.peek_ahead(ahead)?.is_some_and(class))
    }

    pub(crate) fn skip(&mut self, n: usize) {
        self.at = self.at.saturating_add(n);
    }

    /// Steps over a literal if it is next.
    pub(crate) fn eat(&mut self, literal: &[u8]) -> Result<bool, Stop> {
        for (ahead, &want) in literal.iter().enumerate() {
            if self.peek_ahead(ahead)? != Some(want) {
                return Ok(false);
            }
        }
        self.skip(literal.len());
        Ok(true)
    }

    /// Steps over a literal in any case (`literal` is in lower case) if it is next.
    pub(crate) fn eat_folded(&mut self, literal: &[u8]) -> Result<bool, Stop> {
        for (ahead, want) in literal.iter().enumerate() {
            if self.peek_ahead(ahead)?.map(|byte| byte.to_ascii_lowercase()) != Some(*want) {
                return Ok(false);
            }
        }
        self.skip(literal.len());
        Ok(true)
    }

    /// Steps over at most `n_max` bytes of a class and returns how many there were.
    pub(crate) fn run(&mut self, class: impl Fn(u8) -> bool, n_max: usize) -> Result<usize, Stop> {
        let rest = self.text.slice(self.at, self.text.len());
        let n = rest.iter().take(n_max).take_while(|&&byte| class(byte)).count();
        work::note(n);
        self.skip(n);
        if n < n_max && self.at >= self.text.len() && !self.text.ended {
            return Err(Stop::MORE);
        }
        Ok(n)
    }

    /// The same for runs that may be long: while the run goes on, a stream does not read it again with every chunk.
    pub(crate) fn run_long(&mut self, class: Class, n_max: usize) -> Result<usize, Stop> {
        let from = self.at;
        self.run(class, n_max).map_err(|stop| match stop {
            Stop::More(wait) => {
                let n_left = n_max.saturating_sub(self.at.saturating_sub(from));
                // Where it does not fit, the run is read again each time.
                let n_left = u16::try_from(n_left).unwrap_or(0);
                Stop::More(Wait { run: Some(class), n_left, ..wait })
            }
            decided => decided,
        })
    }

    pub(crate) const fn text(&self) -> Text<'t> {
        self.text
    }
}

/// Counts the bytes that are read, so that tests can tell how work grows without a clock. Outside tests it is nothing.
pub(crate) mod work {
    #[cfg(test)]
    thread_local! {
        static N_BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[cfg(test)]
    pub(crate) fn note(n: usize) {
        N_BYTES.with(|n_bytes| n_bytes.set(n_bytes.get().saturating_add(n)));
    }

    /// What was counted on this thread since the last call.
    #[cfg(test)]
    pub(crate) fn take() -> usize {
        N_BYTES.take()
    }

    #[cfg(not(test))]
    pub(crate) const fn note(_: usize) {}
}
