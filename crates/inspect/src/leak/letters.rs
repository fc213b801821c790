//! What is left of a text when everything is taken away that a rewritten copy may change: blanks, punctuation, markup, case, and the
//! dress of characters. A model that was told to spell its instructions letter by letter, or to put them into a table, gives the same
//! letters.
//!
//! The letters depend on the bytes only, never on how they are cut: a character that is cut is kept until its rest comes.

/// Bytes that are read at a time.
pub(super) const PIECE_BYTES: usize = 128;
/// Letters that are remembered from one piece to the next.
pub(super) const HISTORY_LETTERS: usize = 48;
/// Most letters of a piece, with those before it. A character never has more bytes as a letter than in the text; what was kept of a cut
/// character adds a few.
const LETTERS_MAX: usize = HISTORY_LETTERS + PIECE_BYTES + 16;

/// Where a letter stands: five bits for its length, the rest for its start. An escaped character of four bytes has twelve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    const fn new(start: u64, end: u64) -> Self {
        Self(start << 5 | (end.saturating_sub(start) & 31))
    }

    /// First byte of the character.
    pub(super) const fn start(self) -> u64 {
        self.0 >> 5
    }

    /// One past its last byte.
    pub(super) const fn end(self) -> u64 {
        (self.0 >> 5).saturating_add(self.0 & 31)
    }
}

/// The letters of one piece, each with its place, and the last letters before it.
#[derive(Debug)]
pub(super) struct Piece {
    letters: [u8; LETTERS_MAX],
    places: [Place; LETTERS_MAX],
    /// Letters so far, those of the history among them.
    n: usize,
}

/// The last letters of a text; zeros, which are no letters, where there are fewer.
#[derive(Clone, Copy, Debug)]
pub(super) struct History {
    letters: [u8; HISTORY_LETTERS],
    places: [Place; HISTORY_LETTERS],
}

impl History {
    pub(super) const fn new() -> Self {
        Self { letters: [0; HISTORY_LETTERS], places: [Place(0); HISTORY_LETTERS] }
    }

    /// The letters, with zeros before them where there are fewer.
    pub(super) const fn letters(&self) -> &[u8; HISTORY_LETTERS] {
        &self.letters
    }

    /// The letters and their places.
    pub(super) fn all(&self) -> (&[u8], &[Place]) {
        let n_absent = self.letters.iter().take_while(|&&letter| letter == NONE).count();
        let letters = self.letters.get(n_absent..).unwrap_or_default();
        (letters, self.places.get(n_absent..).unwrap_or_default())
    }
}

impl Piece {
    pub(super) const fn new() -> Self {
        Self { letters: [0; LETTERS_MAX], places: [Place(0); LETTERS_MAX], n: HISTORY_LETTERS }
    }

    /// Puts the last letters before the piece where it finds them.
    pub(super) fn load(&mut self, history: &History) {
        for (to, from) in self.letters.iter_mut().zip(&history.letters) {
            *to = *from;
        }
        for (to, from) in self.places.iter_mut().zip(&history.places) {
            *to = *from;
        }
    }

    /// Remembers the last letters.
    pub(super) fn save(&self, history: &mut History) {
        let last = self.n.saturating_sub(HISTORY_LETTERS)..self.n;
        for (to, from) in
            history.letters.iter_mut().zip(self.letters.get(last.clone()).unwrap_or_default())
        {
            *to = *from;
        }
        for (to, from) in history.places.iter_mut().zip(self.places.get(last).unwrap_or_default()) {
            *to = *from;
        }
    }

    pub(super) fn letters(&self) -> &[u8] {
        self.letters.get(HISTORY_LETTERS..self.n).unwrap_or_default()
    }

    /// The place of the letter `n` of the piece.
    pub(super) fn place(&self, n: usize) -> Place {
        self.places.get(HISTORY_LETTERS.saturating_add(n)).copied().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, Place)> + '_ {
        let places = self.places.get(HISTORY_LETTERS..self.n).unwrap_or_default();
        self.letters().iter().copied().zip(places.iter().copied())
    }

    /// Where `pattern` began, if it ends with the letter `n` of the piece.
    pub(super) fn ended(&self, n: usize, pattern: &[u8]) -> Option<Place> {
        let end = n.saturating_add(HISTORY_LETTERS).saturating_add(1);
        let start = end.checked_sub(pattern.len())?;
        let is_there = self.letters.get(start..end) == Some(pattern);
        self.places.get(start).copied().filter(|_| is_there)
    }

    /// Writes the letters of ASCII text that begins at an offset.
    fn extend(&mut self, text: &[u8], start: u64) {
        let mut n = self.n;
        for (at, &byte) in (start..).zip(text) {
            let class = CLASSES.get(usize::from(byte)).copied().unwrap_or(NONE);
            if let (Some(slot), Some(place)) = (self.letters.get_mut(n), self.places.get_mut(n)) {
                *slot = class;
                *place = Place(at << 5 | 1);
            }
            n = n.saturating_add(usize::from(class != NONE));
        }
        self.n = n.min(LETTERS_MAX);
    }

    /// Writes a letter, which counts only if it is one, so that no branch has to be foreseen.
    #[inline]
    fn write(&mut self, letter: u8, place: Place) {
        if let (Some(slot), Some(at)) = (self.letters.get_mut(self.n), self.places.get_mut(self.n))
        {
            *slot = letter;
            *at = place;
            self.n = self.n.saturating_add(usize::from(letter != NONE));
        }
    }
}

/// What is no letter.
const NONE: u8 = 0;
/// What needs a closer look.
const LOOK: u8 = 1;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [NONE; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 entries")]
        {
            classes[byte as usize] = match byte {
                b'0'..=b'9' | b'a'..=b'z' => byte,
                b'A'..=b'Z' => byte | 0x20,
                b'%' | 0x80.. => LOOK,
                _ => NONE,
            };
        }
        if byte == u8::MAX {
            return classes;
        }
        byte = byte.wrapping_add(1);
    }
}

/// How many bytes come before the first that needs a closer look. Most text has none.
fn n_plain(bytes: &[u8]) -> usize {
    if bytes.is_ascii() && !bytes.contains(&b'%') {
        return bytes.len();
    }
    bytes.iter().position(|&byte| !byte.is_ascii() || byte == b'%').unwrap_or(bytes.len())
}

/// The folded letter of an ASCII byte; `None` for what is no letter.
fn ascii(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().filter(|&class| class != LOOK).unwrap_or(NONE)
}

/// Reads a stream of bytes as letters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Letters {
    /// A character that is not whole yet.
    partial: [u8; 4],
    n_partial: usize,
    /// Where it begins.
    since: u64,
    escape: Escape,
    /// Bytes read so far.
    n_read: u64,
}

/// How much of `%41` was read.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    No,
    /// The percent sign, which stands here.
    Sign(u64),
    /// The first digit, after a sign that stands here.
    Digit(u64, u8),
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

impl Letters {
    /// Bytes read so far.
    pub(super) const fn n_read(&self) -> u64 {
        self.n_read
    }

    /// Where the next letter may begin at the earliest.
    pub(super) const fn pending(&self) -> u64 {
        match self.escape {
            _ if self.n_partial > 0 => self.since,
            Escape::Sign(at) | Escape::Digit(at, _) => at,
            Escape::No => self.n_read,
        }
    }

    /// Reads at most [`PIECE_BYTES`] bytes.
    pub(super) fn read(&mut self, bytes: &[u8], piece: &mut Piece) {
        piece.n = HISTORY_LETTERS;
        let mut rest = bytes;
        while !rest.is_empty() {
            let n_plain = if self.is_whole() { n_plain(rest) } else { 0 };
            let (plain, other) = rest.split_at(n_plain);
            piece.extend(plain, self.n_read);
            self.n_read = self.n_read.saturating_add(u64::try_from(n_plain).unwrap_or(0));
            rest = other;
            if let Some((&byte, other)) = rest.split_first() {
                self.step(byte, piece);
                self.n_read = self.n_read.saturating_add(1);
                rest = other;
            }
        }
    }

    const fn is_whole(&self) -> bool {
        self.n_partial == 0 && matches!(self.escape, Escape::No)
    }

    /// Reads one byte, of an escape perhaps.
    fn step(&mut self, byte: u8, piece: &mut Piece) {
        let at = self.n_read;
        let end = at.saturating_add(1);
        match (std::mem::take(&mut self.escape), hex(byte)) {
            (Escape::Sign(sign), Some(value)) => self.escape = Escape::Digit(sign, value),
            (Escape::Digit(sign, high), Some(low)) => {
                self.unescaped(high << 4 | low, sign, end, piece);
            }
            (Escape::Digit(_, digit), None) => {
                // No escape after all: its digit is a letter.
                let digit = char::from_digit(u32::from(digit), 16).map_or(NONE, ascii_of);
                self.n_partial = 0;
                piece.write(digit, Place::new(at.saturating_sub(1), at));
                self.sign_or_byte(byte, at, end, piece);
            }
            (Escape::Sign(_) | Escape::No, _) => self.sign_or_byte(byte, at, end, piece),
        }
    }

    fn sign_or_byte(&mut self, byte: u8, at: u64, end: u64, piece: &mut Piece) {
        if byte == b'%' {
            self.escape = Escape::Sign(at);
        } else {
            self.unescaped(byte, at, end, piece);
        }
    }

    /// Reads one byte of a character that stands from `start` to `end`.
    fn unescaped(&mut self, byte: u8, start: u64, end: u64, piece: &mut Piece) {
        if byte & 0xc0 != 0x80 {
            // Whatever waited is cut short, and no character.
            self.n_partial = 0;
        }
        if byte < 0x80 {
            piece.write(ascii(byte), Place::new(start, end));
            return;
        }
        if self.n_partial == 0 {
            self.since = start;
        }
        if let Some(slot) = self.partial.get_mut(self.n_partial) {
            *slot = byte;
        }
        self.n_partial = self.n_partial.saturating_add(1);
        let [lead, ..] = self.partial;
        let n_whole = match lead {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 0,
        };
        if self.n_partial < n_whole {
            return;
        }
        let bytes = self.partial.get(..n_whole).unwrap_or_default();
        if let Ok(text) = std::str::from_utf8(bytes) {
            let place = Place::new(self.since, end);
            fold(text, &mut |letter| piece.write(letter, place));
        }
        self.n_partial = 0;
    }
}

fn ascii_of(character: char) -> u8 {
    u8::try_from(character).map_or(NONE, ascii)
}

/// The letters of one character: nothing where it is none, and ASCII where it only looks different.
fn fold(text: &str, emit: &mut impl FnMut(u8)) {
    let Some(character) = text.chars().next() else { return };
    // Most of what is not ASCII is written without case.
    if matches!(character, '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
    {
        return text.bytes().for_each(emit);
    }
    let plain = plain(character);
    if plain.is_ascii() {
        let letter = ascii_of(plain);
        if letter != NONE {
            emit(letter);
        }
    } else if plain.is_alphanumeric() {
        let lower = plain.to_lowercase().next().unwrap_or(plain);
        let folded = if lower.len_utf8() <= text.len() { lower } else { plain };
        folded.encode_utf8(&mut [0; 4]).bytes().for_each(emit);
    }
}

/// The ASCII character that this one is another dress of: wide, invisible, mathematical, in a circle.
fn plain(character: char) -> char {
    let value = u32::from(character);
    match value {
        0xff01..=0xff5e => ascii_at(value, 0xff01, 0x21),
        0xe0020..=0xe007e => ascii_at(value, 0xe0020, 0x20),
        0x24b6..=0x24cf => ascii_at(value, 0x24b6, 0x61),
        0x24d0..=0x24e9 => ascii_at(value, 0x24d0, 0x61),
        // The alphabets of mathematics follow each other, capitals first.
        0x1d400..=0x1d6a3 => ascii_at(value.wrapping_sub(0x1d400) % 26, 0, 0x61),
        0x1d7ce..=0x1d7ff => ascii_at(value.wrapping_sub(0x1d7ce) % 10, 0, 0x30),
        _ => character,
    }
}

/// The character as far after `ascii` as `value` is after `first`.
fn ascii_at(value: u32, first: u32, ascii: u32) -> char {
    char::from_u32(value.wrapping_sub(first).wrapping_add(ascii)).unwrap_or(' ')
}

/// All letters of a text, without their places.
pub(super) fn letters_of(text: &[u8]) -> Vec<u8> {
    let (mut letters, mut piece) = (Letters::default(), Piece::new());
    let mut all = Vec::with_capacity(text.len());
    // Places are written for nothing here, which costs less than a second way of reading would.
    for bytes in text.chunks(PIECE_BYTES) {
        letters.read(bytes, &mut piece);
        all.extend_from_slice(piece.letters());
    }
    all
}
