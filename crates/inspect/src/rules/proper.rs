//! Names of people, places and organisations: words that begin with a capital, told apart by small lists, titles, and the words around
//! them. There is no model here: what a list, a title or a cue does not say is not said, and words that are both a name and an everyday
//! word need a second name after them.
use super::context::Plain;
use crate::kinds::Personal;
use crate::text::{Answer, Hit, Reader, Stop, Text};
use lists::{
    COMMON, COMPANY, GIVEN, GIVEN_WEAK, PARTICLE, PLACE, PLACE_HEAD, PLACES_LONG, STREET,
    SURNAME_ENDS, TITLE, WORD_BYTES_MAX, senses,
};

pub(super) mod lists;
pub(super) mod street;

/// Most words of one name.
const NAME_WORDS_MAX: usize = 5;
/// Fewest letters of a place in capitals throughout: shorter ones are abbreviations.
const CAPITALS_MIN: usize = 6;

/// Bytes before a word in which a cue stands.
const CUE_BYTES: usize = 28;
/// Words right before a name.
static NAME_CUES: [&str; 44] = [
    "name is",
    "name",
    "named",
    "call me",
    "calls me",
    "called me",
    "known as",
    "dear",
    "hi",
    "hello",
    "hey",
    "i m",
    "im",
    "i am",
    "this is",
    "regards",
    "sincerely",
    "attn",
    "author",
    "directed by",
    "starring",
    "written by",
    "author is",
    "signed",
    "yours",
    "love",
    "cheers",
    "founder",
    "founders",
    "under",
    "customer",
    "patient",
    "sent by",
    "recipient",
    "beneficiary",
    "mein name ist",
    "ich heiße",
    "ich bin",
    "je m appelle",
    "me llamo",
    "mi nombre es",
    "mi chiamo",
    "meu nome é",
    "ik heet",
];
/// Words right before a place.
static PLACE_CUES: [&str; 24] = [
    "in",
    "from",
    "near",
    "to",
    "visit",
    "visiting",
    "visited",
    "toward",
    "towards",
    "outside",
    "city of",
    "town of",
    "capital of",
    "via",
    "leaving",
    "left",
    "reach",
    "reached",
    "at",
    "arrived at",
    "nach",
    "aus",
    "à",
    "en",
];

/// A word of letters.
#[derive(Clone, Copy)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Whether a byte may stand in a word: letters of all scripts, as their bytes.
const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

impl Word {
    /// Reads the word that is next; it may be empty.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let start = reader.at;
        loop {
            reader.run(is_letter, WORD_BYTES_MAX)?;
            if reader.at.saturating_sub(start) >= WORD_BYTES_MAX {
                return Ok(Self { start, end: start });
            }
            // O'Brien, Jean-Luc; but a name's genitive ends it.
            let joins = reader.sees(|byte| matches!(byte, b'\'' | b'-'))?
                && reader.sees_ahead(1, is_letter)?;
            let genitive = reader.sees(|byte| byte == b'\'')?
                && reader.sees_ahead(1, |byte| matches!(byte, b's' | b'S'))?
                && !reader.sees_ahead(2, is_letter)?;
            if reader.at == start || !joins || genitive {
                break;
            }
            reader.skip(1);
        }
        let end = reader.at;
        // Quotes, dashes and dots of typesetters are no letters: the word ends before the first of them.
        let bytes = reader.text().slice(start, end);
        let marks = bytes.windows(2).position(|pair| {
            matches!(pair, [0xe2, 0x80 | 0x81] | [0xc2, _] | [0xe3, 0x80] | [0xef, 0xbc])
        });
        let end = marks.map_or(end, |n| start.saturating_add(n));
        reader.at = end;
        Ok(Self { start, end })
    }

    pub(super) fn bytes(self, text: Text<'_>) -> &[u8] {
        text.slice(self.start, self.end)
    }

    pub(super) const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }
}

/// A word in small letters.
pub(super) struct Small([u8; WORD_BYTES_MAX], usize);

impl Small {
    pub(super) fn of(word: &[u8]) -> Self {
        let mut small = Self([0; WORD_BYTES_MAX], 0);
        let mut last = 0_u8;
        for (slot, &byte) in small.0.iter_mut().zip(word) {
            *slot = match (last, byte) {
                (0xc3, 0x80..=0x9e) => byte | 0x20,
                (0xc4..=0xc5, 0x80..=0xbf) if byte & 1 == 0 && last == 0xc4 => byte | 1,
                _ => byte.to_ascii_lowercase(),
            };
            last = byte;
        }
        small.1 = word.len().min(WORD_BYTES_MAX);
        small
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

/// Whether a word begins with a capital: Latin, Greek or Cyrillic.
pub(super) fn is_capital(word: &[u8]) -> bool {
    match word {
        [b'A'..=b'Z', ..]
        | [0xc3, 0x80..=0x9e, ..]
        | [0xc5, 0x90 | 0x98 | 0x9a | 0xa0 | 0xb9 | 0xbb | 0xbd, ..]
        | [0xce, 0x86..=0xab, ..]
        | [0xd0, 0x81..=0xaf, ..] => true,
        [0xc4, second, ..] => second & 1 == 0,
        _ => false,
    }
}

/// Whether a name may begin at a capital.
pub(super) fn may_begin(text: Text<'_>, at: usize) -> bool {
    text.is_boundary(at)
        && !text
            .back(at, 1)
            .is_some_and(|byte| byte >= 0x80 && byte != 0x9c && byte != 0x9e && byte != 0x98)
        && !matches!(text.back(at, 1), Some(b'@' | b'/' | b'\\' | b'#' | b'$' | b'_'))
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let first = Word::read(&mut reader)?;
    if first.len() < 2 {
        return Err(Stop::No);
    }
    // Code has names of its own: `Foo.bar`, `Foo(`, `Foo_bar`, `Foo=`.
    if reader.sees(|byte| {
        matches!(byte, b'(' | b'_' | b'=' | b'[' | b'{' | b'<' | b'@' | b'/' | b'\\' | b'0'..=b'9')
    })? || (reader.sees(|byte| matches!(byte, b'.' | b':'))?
        && reader.sees_ahead(1, is_letter)?)
    {
        return Err(Stop::No);
    }
    // Paths of code: `std::John`.
    if text.back(start, 1) == Some(b':')
        || (reader.sees(|byte| byte == b':')? && reader.sees_ahead(1, |byte| byte == b':')?)
    {
        return Err(Stop::No);
    }
    let small = Small::of(first.bytes(text));
    let word = small.bytes();
    let sense = senses(word);
    // Most capitals begin a sentence, and are followed by a small word.
    let goes_on = |class: fn(u8) -> bool| -> Result<bool, Stop> {
        Ok(reader.sees(|byte| byte == b' ')? && reader.sees_ahead(1, class)?)
    };
    if sense & COMMON != 0
        && goes_on(|byte| byte.is_ascii_digit())?
        && let Some(hit) = super::date::decide_named(text, start)?
    {
        return Ok(hit);
    }
    if sense & PLACE_HEAD != 0
        && (sense & COMMON == 0 || goes_on(|byte| byte.is_ascii_uppercase())?)
        && let Some(end) = long_place_end(reader, first, word)?
    {
        return Ok(Hit::new(start, end).of(Personal::Location));
    }
    if sense & COMMON != 0 && sense & (TITLE | STREET) == 0 {
        return Err(Stop::No);
    }
    if sense & TITLE != 0 {
        return titled(reader, first);
    }
    if let Some(hit) = street::decide_named(text, first)? {
        return Ok(hit);
    }
    if sense & COMMON != 0 {
        return Err(Stop::No);
    }
    if let Some(hit) = company(reader, first)? {
        return Ok(hit);
    }
    let is_given = sense & GIVEN != 0;
    let place = (sense & PLACE != 0).then_some(first.end);
    let mut rest = reader;
    let n_more = more_names(&mut rest, first)?;
    let name = |end| Ok(Hit::new(first.start, end).of(Personal::Name));
    if is_given && (place.is_none() || n_more > 0) {
        return name(rest.at);
    }
    if let Some(end) = place {
        return Ok(Hit::new(first.start, end).of(Personal::Location));
    }
    let is_surname = |word: &[u8]| {
        word.len() > 4 && SURNAME_ENDS.iter().any(|end| word.ends_with(end.as_bytes()))
    };
    if n_more > 0 && sense & GIVEN_WEAK != 0 {
        return name(rest.at);
    }
    let is_capitals =
        first.bytes(text).iter().all(|&byte| byte.is_ascii_uppercase() || byte == b'-');
    if is_capitals && first.len() < CAPITALS_MIN {
        return Err(Stop::No);
    }
    let last = Small::of(text.slice(last_word(text, first.start, rest.at), rest.at));
    if n_more > 0 && is_surname(last.bytes()) {
        return name(rest.at);
    }
    match cue(text, start) {
        Some(Personal::Name) => name(rest.at),
        Some(kind) => Ok(Hit::new(first.start, rest.at).of(kind)),
        None if is_surname(word) && !is_sentence_start(text, start) => name(rest.at),
        None => Err(Stop::No),
    }
}

/// Where the last word before `end` begins.
fn last_word(text: Text<'_>, start: usize, end: usize) -> usize {
    let name = text.slice(start, end);
    let n = name.iter().rev().take_while(|&&byte| byte != b' ').count();
    end.saturating_sub(n)
}

/// Whether a sentence or a line begins here.
fn is_sentence_start(text: Text<'_>, start: usize) -> bool {
    let before = text.before(start, 3);
    let last = before.iter().rev().find(|byte| !matches!(byte, b' ' | b'"' | b'\'' | b'(' | b'*'));
    last.is_none_or(|byte| matches!(byte, b'.' | b'!' | b'?' | b'\n' | b':' | b'-' | b'>' | b'|'))
}

/// What the words right before say that a capitalised word is.
fn cue(text: Text<'_>, start: usize) -> Option<Personal> {
    // A sentence that begins here says nothing, but a label or a greeting does.
    let separator = text.before(start, 2);
    if matches!(separator, [.., b'.' | b'!' | b'?', b' '] | [.., b'\n']) {
        return None;
    }
    let plain = Plain::before(text, start, CUE_BYTES);
    let words = plain.bytes().strip_suffix(b" ").unwrap_or(plain.bytes());
    let ends_with = |cue: &&str| {
        words
            .strip_suffix(cue.as_bytes())
            .is_some_and(|rest| matches!(rest.last(), None | Some(b' ')))
    };
    if NAME_CUES.iter().any(ends_with) {
        return Some(Personal::Name);
    }
    let spaced = text.back(start, 1) == Some(b' ')
        && text.back(start, 2).is_some_and(|byte| byte.is_ascii_alphabetic());
    (spaced && PLACE_CUES.iter().any(ends_with)).then_some(Personal::Location)
}

/// A title, and the names after it.
fn titled(mut reader: Reader<'_>, title: Word) -> Answer {
    let text = reader.text();
    reader.eat(b".")?;
    if !reader.eat(b" ")? {
        return Err(Stop::No);
    }
    let at = reader.at;
    let word = Word::read(&mut reader)?;
    let bytes = word.bytes(text);
    let small = Small::of(bytes);
    // `Dr. Prof. Müller`, `Lord of the`, `Father Christmas`.
    if senses(small.bytes()) & TITLE != 0 {
        return titled(reader, title);
    }
    if word.len() < 2 && !reader.sees(|byte| byte == b'.')?
        || !is_capital(bytes)
        || senses(small.bytes()) & COMMON != 0
    {
        return Err(Stop::No);
    }
    reader.at = word.end;
    if word.len() < 2 {
        reader.at = at;
    }
    more_names(&mut reader, word)?;
    if reader.at <= at {
        return Err(Stop::No);
    }
    Ok(Hit::new(title.start, reader.at).of(Personal::Name))
}

/// Steps over the further names after a first one: capitalised words, initials, and particles before them. Returns how many there were.
fn more_names(reader: &mut Reader<'_>, first: Word) -> Result<usize, Stop> {
    let text = reader.text();
    let shouted = first.bytes(text).iter().all(u8::is_ascii_uppercase);
    let mut end = reader.at;
    let (mut n, mut n_read) = (0_usize, 0_usize);
    while n_read < NAME_WORDS_MAX && reader.eat(b" ")? {
        n_read = n_read.saturating_add(1);
        let word = Word::read(reader)?;
        let bytes = word.bytes(text);
        let small = Small::of(bytes);
        if word.len() == 1 && is_capital(bytes) && bytes != b"I" && reader.eat(b".")? {
            // An initial goes on.
            continue;
        }
        if word.len() < 2 {
            break;
        }
        let is_capitals = bytes.len() > 3 && bytes.iter().all(u8::is_ascii_uppercase);
        if is_capital(bytes)
            && (shouted || !is_capitals)
            && senses(small.bytes()) & (COMMON | COMPANY) == 0
        {
            end = reader.at;
            n = n.saturating_add(1);
        } else if senses(small.bytes()) & PARTICLE == 0 {
            break;
        }
    }
    reader.at = end;
    Ok(n)
}

/// Where the place of several words ends that begins with this one.
fn long_place_end(mut reader: Reader<'_>, first: Word, word: &[u8]) -> Result<Option<usize>, Stop> {
    let from = PLACES_LONG.partition_point(|place| place.as_bytes() < word);
    let same = PLACES_LONG.iter().skip(from).take_while(|place| place.as_bytes().starts_with(word));
    let mut best = None;
    for place in same {
        reader.at = first.start;
        // The longer of two that begin alike comes later. `New York` has two capitals, `the netherlands` none.
        if reader.eat_folded(place.as_bytes())? && !reader.sees(is_letter)? {
            best = Some(reader.at);
        }
    }
    Ok(best)
}

/// An organisation: capitalised words, the last of which says so.
fn company(mut reader: Reader<'_>, first: Word) -> Result<Option<Hit>, Stop> {
    let text = reader.text();
    let mut best = None;
    for _ in 0..NAME_WORDS_MAX {
        // `Hoover, Morris and Johnson Ltd`, `Rei Systems`, `Smith & Sons`.
        let comma = reader.eat(b",")?;
        if !reader.eat(b" ")? {
            break;
        }
        let joined = reader.eat(b"& ")? || reader.eat(b"and ")? || reader.eat(b"of ")?;
        let word = Word::read(&mut reader)?;
        let bytes = word.bytes(text);
        let small = Small::of(bytes);
        let sense = senses(small.bytes());
        if !is_capital(bytes) || sense & (COMMON | COMPANY) == COMMON {
            break;
        }
        if sense & COMPANY != 0 && !joined {
            best = Some(word.end);
        } else if comma {
            break;
        }
    }
    Ok(best.map(|end| Hit::new(first.start, end).of(Personal::Organisation)))
}
