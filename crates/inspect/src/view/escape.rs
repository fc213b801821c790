//! Characters that are written out: `&#105;`, `%69`, `\u0069`, `\x69`, and those of Unicode that stand for others.
use super::letter;
use super::name::View;

/// Most bytes of one that is written out: four bytes of a character, each as `\xf0`.
pub(super) const ESCAPE_BYTES_MAX: usize = 16;

/// Most digits of a character's number.
const DIGITS_MAX: usize = 8;

/// One character that was written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) view: View,
    text: [u8; 4],
    n: u8,
    /// Bytes of the original.
    pub(super) n_original: u8,
    /// Whether it alone is reason enough to read on in this way.
    pub(super) sure: bool,
}

impl Piece {
    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..usize::from(self.n)).unwrap_or_default()
    }

    fn of_bytes(view: View, bytes: &[u8], n_original: usize, sure: bool) -> Option<Self> {
        let mut text = [0; 4];
        for (at, &byte) in bytes.iter().enumerate() {
            *text.get_mut(at)? = byte;
        }
        let (n, n_original) = (u8::try_from(bytes.len()).ok()?, u8::try_from(n_original).ok()?);
        Some(Self { view, text, n, n_original, sure })
    }

    fn of(view: View, character: char, n_original: usize, sure: bool) -> Option<Self> {
        Self::of_bytes(view, character.encode_utf8(&mut [0; 4]).as_bytes(), n_original, sure)
    }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes that stand for themselves.
    Plain(usize),
    Piece(Piece),
    /// It depends on bytes that are not there yet.
    More,
}

/// Whether something may begin at this byte.
#[inline]
pub(super) const fn may_begin(byte: u8) -> bool {
    byte >= 0x80 || matches!(byte, b'&' | b'%' | b'\\' | b'=')
}

/// Bytes of the character at the beginning of `rest`, if it is one of those that stand for themselves in whole scripts; else none. It
/// knows most letters of most languages, quotation marks and pictures, and is no more than a faster answer to what [`read`] says.
pub(super) const fn n_of_itself(rest: &[u8]) -> usize {
    const fn goes_on(byte: u8) -> bool {
        byte & 0xc0 == 0x80
    }
    match rest {
        [0xe3, second, third, ..] if *second != 0x85 && goes_on(*second) && goes_on(*third) => 3,
        [0xe4..=0xe9 | 0xeb..=0xed, second, third, ..] if goes_on(*second) && goes_on(*third) => 3,
        [0xe2, 0x80, 0x93 | 0x94 | 0x98 | 0x99 | 0x9c | 0x9d | 0xa2 | 0xa6, ..] => 3,
        // Digits stand for ours.
        [0xd9, 0xa0..=0xa9, ..] | [0xdb, 0xb0..=0xb9, ..] => 0,
        [0xc3 | 0xd9..=0xdf, second, ..] if goes_on(*second) => 2,
        [0xf0, 0x9f, third, fourth, ..] if *third > 0x86 && goes_on(*third) && goes_on(*fourth) => {
            4
        }
        _ => 0,
    }
}

/// Reads what stands at the beginning of `rest`; `ended` says whether the text ends where `rest` does.
pub(super) fn read(rest: &[u8], ended: bool) -> Read {
    let found = match rest.first() {
        None => return Read::More,
        // The padding of base64, whose line ends where it does; nothing is written so.
        Some(b'=') if rest.get(1) == Some(&b'=') => return Read::Plain(2),
        Some(b'&') => entity(rest, ended),
        Some(b'%') => bytes_written(rest, ended, View::Url, b"%"),
        Some(b'\\') => escape(rest, ended),
        Some(b'=') => quoted(rest, ended),
        Some(0x80..) => return character(rest, ended),
        Some(_) => Ok(None),
    };
    match found {
        Ok(Some(piece)) => Read::Piece(piece),
        Ok(None) => Read::Plain(1),
        Err(More) => Read::More,
    }
}

/// Whether most of a sentence is written out, or letters that stand apart: then it says nothing as it stands, and its views are read.
pub(super) fn is_mostly_written(sentence: &[u8]) -> bool {
    let (mut rest, mut n, mut before) = (sentence, 0_usize, b' ');
    while let Some(&first) = rest.first() {
        let length = match read(rest, true) {
            Read::Piece(piece) if piece.sure => {
                n = n.saturating_add(usize::from(piece.n_original));
                usize::from(piece.n_original)
            }
            Read::Piece(piece) => usize::from(piece.n_original),
            Read::Plain(length) => {
                let is_pair = matches!(rest, [b'0', b'x', second, third, ..]
                    if second.is_ascii_hexdigit() && third.is_ascii_hexdigit());
                let is_alone = first.is_ascii_alphanumeric()
                    && !before.is_ascii_alphanumeric()
                    && !rest.get(1).is_some_and(u8::is_ascii_alphanumeric);
                n = n.saturating_add(if is_pair {
                    5
                } else {
                    usize::from(is_alone).saturating_mul(2)
                });
                length
            }
            Read::More => 1,
        };
        before = first;
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    n.saturating_mul(2) > sentence.len()
}

/// More bytes are needed.
struct More;

type Found = Result<Option<Piece>, More>;

/// The byte at a place: nothing at the end of the text.
fn byte_at(rest: &[u8], at: usize, ended: bool) -> Result<Option<u8>, More> {
    match rest.get(at) {
        Some(&byte) => Ok(Some(byte)),
        None if ended => Ok(None),
        None => Err(More),
    }
}

/// A number with at most `n_max` digits from `at` on, and how many there are.
fn number(
    rest: &[u8],
    at: usize,
    radix: u32,
    (n_min, n_max): (usize, usize),
    ended: bool,
) -> Result<Option<(u32, usize)>, More> {
    let (mut value, mut n) = (0_u32, 0_usize);
    while n < n_max {
        let digit = byte_at(rest, at.saturating_add(n), ended)?
            .and_then(|byte| char::from(byte).to_digit(radix));
        let Some(digit) = digit else { break };
        value = value.saturating_mul(radix).saturating_add(digit);
        n = n.saturating_add(1);
    }
    Ok((n >= n_min).then_some((value, n)))
}

/// Names that stand for ASCII, or for what is not seen. Those of ordinary pages are no reason to read on.
static NAMES: &[(&str, &str, bool)] = &[
    ("amp", "&", true),
    ("lt", "<", false),
    ("gt", ">", false),
    ("quot", "\"", false),
    ("apos", "'", false),
    ("nbsp", " ", false),
    ("colon", ":", true),
    ("period", ".", true),
    ("comma", ",", true),
    ("sol", "/", true),
    ("bsol", "\\", true),
    ("lowbar", "_", true),
    ("hyphen", "-", true),
    ("dash", "-", true),
    ("commat", "@", true),
    ("num", "#", true),
    ("excl", "!", true),
    ("plus", "+", true),
    ("equals", "=", true),
    ("semi", ";", true),
    ("percnt", "%", true),
    ("dollar", "$", true),
    ("ast", "*", true),
    ("lpar", "(", true),
    ("rpar", ")", true),
    ("Tab", "\t", true),
    ("NewLine", "\n", true),
    ("shy", "", true),
    ("zwj", "", true),
    ("zwnj", "", true),
    ("fflig", "ff", true),
    ("filig", "fi", true),
];

fn entity(rest: &[u8], ended: bool) -> Found {
    let found = match byte_at(rest, 1, ended)? {
        Some(b'#') => {
            let (from, radix) = match byte_at(rest, 2, ended)? {
                Some(b'x' | b'X') => (3, 16),
                _ => (2, 10),
            };
            let Some((value, n)) = number(rest, from, radix, (1, DIGITS_MAX), ended)? else {
                return Ok(None);
            };
            let end = n.saturating_add(from);
            // Readers of pages do without the semicolon.
            let semicolon = usize::from(byte_at(rest, end, ended)? == Some(b';'));
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            Piece::of(View::Html, character, end.saturating_add(semicolon), true)
        }
        _ => named(rest, ended)?,
    };
    Ok(found)
}

fn named(rest: &[u8], ended: bool) -> Found {
    let mut undecided = false;
    for &(name, text, sure) in NAMES {
        let known = rest.get(1..).unwrap_or_default();
        let known = known.get(..known.len().min(name.len().saturating_add(1))).unwrap_or_default();
        if !name.bytes().chain([b';']).zip(known).all(|(want, &byte)| want == byte) {
            continue;
        }
        if known.len() > name.len() {
            let n_original = name.len().saturating_add(2);
            return Ok(Piece::of_bytes(View::Html, text.as_bytes(), n_original, sure));
        }
        undecided |= !ended;
    }
    if undecided { Err(More) } else { Ok(None) }
}

/// The byte that two hexadecimal digits after `mark` stand for.
fn byte_written(rest: &[u8], at: usize, ended: bool, mark: &[u8]) -> Result<Option<u8>, More> {
    for (n, &want) in mark.iter().enumerate() {
        if byte_at(rest, at.saturating_add(n), ended)? != Some(want) {
            return Ok(None);
        }
    }
    let digits = number(rest, at.saturating_add(mark.len()), 16, (2, 2), ended)?;
    Ok(digits.and_then(|(value, _)| u8::try_from(value).ok()))
}

/// Bytes of UTF-8, each written as two digits after a mark. One that begins nothing is a character of Latin 1, as in most languages.
fn bytes_written(rest: &[u8], ended: bool, view: View, mark: &[u8]) -> Found {
    let Some(first) = byte_written(rest, 0, ended, mark)? else { return Ok(None) };
    let each = mark.len().saturating_add(2);
    let needed = match first {
        0xc2..=0xdf => 2_usize,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let (mut bytes, mut n) = ([first, 0, 0, 0], 1_usize);
    while n < needed {
        let next = byte_written(rest, n.saturating_mul(each), ended, mark)?;
        let (Some(byte @ 0x80..=0xbf), Some(slot)) = (next, bytes.get_mut(n)) else { break };
        *slot = byte;
        n = n.saturating_add(1);
    }
    let text = bytes.get(..n).unwrap_or_default();
    let piece = match std::str::from_utf8(text) {
        Ok(_) => Piece::of_bytes(view, text, n.saturating_mul(each), true),
        Err(_) => Piece::of(view, char::from(first), each, true),
    };
    Ok(piece)
}

/// Escapes of strings: JSON, JavaScript, C, Python, Rust.
fn escape(rest: &[u8], ended: bool) -> Found {
    let simple = |byte: u8| Ok(Piece::of_bytes(View::Escape, &[byte], 2, false));
    match byte_at(rest, 1, ended)? {
        Some(b'u') => unicode(rest, ended),
        Some(b'U') => {
            let Some((value, n)) = number(rest, 2, 16, (8, 8), ended)? else { return Ok(None) };
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            Ok(Piece::of(View::Escape, character, n.saturating_add(2), true))
        }
        Some(b'x') => bytes_written(rest, ended, View::Escape, b"\\x"),
        Some(b'0'..=b'3') => {
            let Some((value, 3)) = number(rest, 1, 8, (3, 3), ended)? else { return Ok(None) };
            let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            Ok(Piece::of(View::Escape, character, 4, true))
        }
        Some(b'n') => simple(b'\n'),
        Some(b't') => simple(b'\t'),
        Some(b'r') => simple(b'\r'),
        Some(byte @ (b'"' | b'\'' | b'/' | b'\\')) => simple(byte),
        _ => Ok(None),
    }
}

/// `\u0069`, two of them for a character above the first plane, `\u{69}`.
fn unicode(rest: &[u8], ended: bool) -> Found {
    if byte_at(rest, 2, ended)? == Some(b'{') {
        let Some((value, n)) = number(rest, 3, 16, (1, 6), ended)? else { return Ok(None) };
        let end = n.saturating_add(3);
        if byte_at(rest, end, ended)? != Some(b'}') {
            return Ok(None);
        }
        let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        return Ok(Piece::of(View::Escape, character, end.saturating_add(1), true));
    }
    let Some((high, _)) = number(rest, 2, 16, (4, 4), ended)? else { return Ok(None) };
    if let 0xd800..=0xdbff = high
        && byte_at(rest, 6, ended)? == Some(b'\\')
        && byte_at(rest, 7, ended)? == Some(b'u')
        && let Some((low @ 0xdc00..=0xdfff, _)) = number(rest, 8, 16, (4, 4), ended)?
    {
        let value = 0x10000_u32.saturating_add((high & 0x3ff) << 10).saturating_add(low & 0x3ff);
        let character = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        return Ok(Piece::of(View::Escape, character, 12, true));
    }
    let character = char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER);
    Ok(Piece::of(View::Escape, character, 6, true))
}

/// Quoted-printable: `=3D`, and a line that is broken after `=`. In programs and URLs an equals sign is followed by digits just as
/// well, so that only two in a row are a reason to read on, and digits must be those of capitals.
fn quoted(rest: &[u8], ended: bool) -> Found {
    match byte_at(rest, 1, ended)? {
        Some(b'\n') => return Ok(Piece::of_bytes(View::Quoted, b"", 2, true)),
        Some(b'\r') => {
            let is_break = byte_at(rest, 2, ended)? == Some(b'\n');
            return Ok(if is_break { Piece::of_bytes(View::Quoted, b"", 3, true) } else { None });
        }
        Some(b'0'..=b'9' | b'A'..=b'F') => {}
        _ => return Ok(None),
    }
    if byte_at(rest, 2, ended)?.is_none_or(|byte| byte.is_ascii_lowercase()) {
        return Ok(None);
    }
    let Some(mut piece) = bytes_written(rest, ended, View::Quoted, b"=")? else { return Ok(None) };
    let is_control = |&byte: &u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    if piece.text().first().is_none_or(is_control) {
        return Ok(None);
    }
    let next = usize::from(piece.n_original);
    piece.sure = byte_written(rest, next, ended, b"=")?.is_some();
    Ok(Some(piece))
}

/// A character above ASCII.
fn character(rest: &[u8], ended: bool) -> Read {
    let needed = match rest.first() {
        Some(0xc2..=0xdf) => 2_usize,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf4) => 4,
        _ => return Read::Plain(1),
    };
    let Some(bytes) = rest.get(..needed) else {
        let whole = rest.iter().skip(1).all(|byte| byte & 0xc0 == 0x80);
        return if ended || !whole { Read::Plain(1) } else { Read::More };
    };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Some(character) = text.chars().next() else { return Read::Plain(1) };
    match letter::fold(character) {
        Some(folded) => Piece::of_bytes(folded.view, folded.bytes(), needed, folded.is_sure())
            .map_or(Read::Plain(needed), Read::Piece),
        None => Read::Plain(needed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_out_is_read() {
        for (text, view, want, n_original) in [
            ("&#105;g", View::Html, "i", 6),
            ("&#105g", View::Html, "i", 5),
            ("&#x69;", View::Html, "i", 6),
            ("&#X0069;", View::Html, "i", 8),
            ("&#1080;", View::Html, "и", 7),
            ("&#99999999;", View::Html, "\u{fffd}", 11),
            ("&amp;#105;", View::Html, "&", 5),
            ("&commat;x", View::Html, "@", 8),
            ("&shy;x", View::Html, "", 5),
            ("%69g", View::Url, "i", 3),
            ("%2569", View::Url, "%", 3),
            ("%D0%B8", View::Url, "и", 6),
            ("%D0%41", View::Url, "Ð", 3),
            ("\\u0069", View::Escape, "i", 6),
            ("\\uD83D\\uDE00", View::Escape, "😀", 12),
            ("\\uD83D\\u0041", View::Escape, "\u{fffd}", 6),
            ("\\uDE00x", View::Escape, "\u{fffd}", 6),
            ("\\u{69}", View::Escape, "i", 6),
            ("\\U00000069", View::Escape, "i", 10),
            ("\\x69", View::Escape, "i", 4),
            ("\\xd0\\xb8", View::Escape, "и", 8),
            ("\\151", View::Escape, "i", 4),
            ("\\n", View::Escape, "\n", 2),
            ("=69=67", View::Quoted, "i", 3),
            ("=\r\nx", View::Quoted, "", 3),
            ("ｉg", View::Compatible, "i", 3),
            ("іg", View::LookAlike, "i", 2),
            ("\u{200b}g", View::Invisible, "", 3),
        ] {
            let Read::Piece(piece) = read(text.as_bytes(), true) else {
                panic!("{text} is not read");
            };
            let found = (piece.view, piece.text(), usize::from(piece.n_original));
            assert_eq!(found, (view, want.as_bytes(), n_original), "{text}");
        }
    }

    #[test]
    fn what_is_not_written_out_stands_for_itself() {
        for text in [
            "& b",
            "&&",
            "&;",
            "&#;",
            "&#x;",
            "&unknown;",
            "&am p;",
            "%",
            "%%",
            "%6",
            "%g1",
            "100% of",
            "\\",
            "\\q",
            "\\u12",
            "\\u{}",
            "\\u{69",
            "\\x6",
            "\\8",
            "= 3",
            "=3d",
            "==",
            "=\r",
            "=00",
            "é",
            "漢",
            "\u{80}",
        ] {
            let read = read(text.as_bytes(), true);
            assert!(matches!(read, Read::Plain(_)), "{text:?} is {read:?}");
        }
    }

    #[test]
    fn what_is_written_out_is_told_from_what_is_said() {
        for (text, want) in [
            ("&#105;&#103;&#110; x", true),
            ("\\x69\\x67\\x6e", true),
            ("0x69, 0x67, 0x6e, 0x6f", true),
            ("i.g.n.o.r.e a.l.l", true),
            ("i g n o r e", true),
            ("Fish &amp; chips, 100% of it, at \\u00a3 5", false),
            ("plain words", false),
            ("a = b + c", true),
            ("", false),
        ] {
            assert_eq!(is_mostly_written(text.as_bytes()), want, "{text}");
        }
    }

    /// The fast answer is the slow one.
    #[test]
    fn characters_of_whole_scripts_stand_for_themselves() {
        for character in ('\u{80}'..=char::MAX).filter(|character| !character.is_ascii()) {
            let text = character.to_string();
            let n = n_of_itself(text.as_bytes());
            if n > 0 {
                assert_eq!(read(text.as_bytes(), true), Read::Plain(n), "{character:?}");
            }
        }
        for bytes in [
            &[0xe4, b'&', b'#'][..],
            &[0xe4, 0xb8],
            &[0xf0, 0x9f, 0x98],
            &[0xc3, b'%'],
            &[0xe3, 0x81, 0xf0],
        ] {
            assert_eq!(n_of_itself(bytes), 0, "{bytes:x?}");
        }
    }

    /// What is undecided stays so until the bytes are there, and is then what it is in the whole text.
    #[test]
    fn a_beginning_is_undecided_or_right() {
        for text in [
            "&#105;g",
            "&#x69;g",
            "&commat;x",
            "%D0%B8x",
            "\\uD83D\\uDE00x",
            "\\xd0\\xb8x",
            "\\u{69}x",
            "=69=67x",
            "𝐢x",
            "&unknown;",
            "\\u12x",
        ] {
            let whole = read(text.as_bytes(), true);
            for n in 1..text.len() {
                let part = read(&text.as_bytes()[..n], false);
                assert!(
                    part == whole || part == Read::More,
                    "{n} bytes of {text:?}: {part:?}, {whole:?}"
                );
            }
        }
    }
}
