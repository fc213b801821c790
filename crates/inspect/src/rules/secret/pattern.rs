//! A small language for what comes after a prefix: `H32,-,U43` is 32 small hexadecimal digits, a dash, and 43 letters of base64 for URLs.
//!
//! A pattern is a list of pieces with commas between them. A piece is a class and how many bytes of it (`A20`, `A20-40`, or `A20+` up
//! to the bound of a finding), `G` for a UUID, or text as it stands. A `?` at the end asks that the body look random, where the prefix
//! alone says little; `!` and a name ask for a checksum.
use super::checksum::Checksum;
use super::random;
use crate::text::{Class, Reader, Stop, is_base64url, is_word};

/// Most bytes of a piece without a bound of its own. What goes on after it is a further finding.
pub(super) const RUN_BYTES_MAX: usize = 512;

/// One part of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Piece {
    Run { class: Class, n_min: usize, n_max: usize },
    Literal(&'static str),
}

/// What a body looks like.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) pieces: Vec<Piece>,
    pub(super) checksum: Option<Checksum>,
    /// Whether the body must look random.
    pub(super) random: bool,
}

/// Where a pattern ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matched {
    pub(super) end: usize,
    /// The last piece met the bound of a finding.
    pub(super) goes_on: bool,
}

/// The class that a letter stands for.
const fn class(letter: u8) -> Option<Class> {
    let class: Class = match letter {
        b'A' => |byte| byte.is_ascii_alphanumeric(),
        b'L' => |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit(),
        b'N' => |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        b'M' => |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-',
        b'H' => |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        b'X' => |byte| byte.is_ascii_hexdigit(),
        b'K' => |byte| byte.is_ascii_digit(),
        b'W' => is_word,
        b'U' => is_base64url,
        b'D' => |byte| is_base64url(byte) || byte == b'.',
        b'Z' => |byte| is_base64url(byte) || matches!(byte, b'.' | b'~'),
        b'B' => |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        b'T' => |byte| is_base64url(byte) || matches!(byte, b'+' | b'/' | b'='),
        b'P' => |byte| is_base64url(byte) || matches!(byte, b'+' | b'/' | b'=' | b'%'),
        _ => return None,
    };
    Some(class)
}

/// The lengths of the parts of a UUID.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

impl Pattern {
    /// Reads a pattern; `None` where it is not one, which a test looks for in all tables.
    pub(super) fn parse(pattern: &'static str) -> Option<Self> {
        let (pattern, checksum) = if let Some(pattern) = pattern.strip_suffix("!62") {
            (pattern, Some(Checksum::Base62))
        } else if let Some(pattern) = pattern.strip_suffix("!hex") {
            (pattern, Some(Checksum::HexOfAll))
        } else {
            (pattern, None)
        };
        let (pattern, random) = match pattern.strip_suffix('?') {
            Some(pattern) => (pattern, true),
            None => (pattern, false),
        };
        let mut pieces = Vec::new();
        for piece in pattern.split(',') {
            if piece == "G" {
                push_uuid(&mut pieces)?;
            } else {
                pieces.push(run(piece).unwrap_or(Piece::Literal(piece)));
            }
        }
        Some(Self { pieces, checksum, random })
    }

    /// Reads a body. The token ends where its last piece does, and no word may go on there.
    ///
    /// # Errors
    /// [`Stop::No`] where it is none, [`Stop::More`] where that depends on text that is not there yet.
    pub(super) fn read(&self, reader: &mut Reader<'_>) -> Result<Matched, Stop> {
        let from = reader.at;
        let mut last: Option<(Class, bool)> = None;
        for piece in &self.pieces {
            match *piece {
                Piece::Literal(literal) => {
                    if !reader.eat(literal.as_bytes())? {
                        return Err(Stop::No);
                    }
                    last = None;
                }
                Piece::Run { class, n_min, n_max } => {
                    let n = reader.run_long(class, n_max)?;
                    if n < n_min {
                        return Err(Stop::No);
                    }
                    last = Some((class, n == RUN_BYTES_MAX));
                }
            }
        }
        let goes_on = last.is_some_and(|(_, goes_on)| goes_on);
        let is_more = |byte| is_word(byte) || last.is_some_and(|(class, _)| class(byte));
        // A full stop ends the sentence, not the token, and the end of a token goes on with no word.
        let text = reader.text().slice(from, reader.at);
        let n_dots = text.iter().rev().take_while(|&&byte| byte == b'.').count();
        if !goes_on && n_dots == 0 && reader.sees(is_more)? {
            return Err(Stop::No);
        }
        let end = if goes_on { reader.at } else { reader.at.saturating_sub(n_dots) };
        let body = reader.text().slice(from, end);
        if (self.random && !random::is_mixed(body)) || body.len() < self.n_min() {
            return Err(Stop::No);
        }
        Ok(Matched { end, goes_on })
    }

    /// Fewest bytes of a body.
    fn n_min(&self) -> usize {
        let sizes = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(literal) => literal.len(),
            Piece::Run { n_min, .. } => *n_min,
        });
        sizes.sum()
    }

    /// Whether a whole value is a body of this pattern.
    pub(super) fn is(&self, mut value: &[u8]) -> bool {
        for piece in &self.pieces {
            let n = match *piece {
                Piece::Literal(literal) if value.starts_with(literal.as_bytes()) => literal.len(),
                Piece::Literal(_) => return false,
                Piece::Run { class, n_min, n_max } => {
                    let n = value.iter().take(n_max).take_while(|&&byte| class(byte)).count();
                    if n < n_min {
                        return false;
                    }
                    n
                }
            };
            value = value.get(n..).unwrap_or_default();
        }
        value.is_empty()
    }

    /// Appends a body that is one: for examples.
    pub(super) fn write(&self, body: &mut String) {
        let n_pieces = if self.checksum.is_some() { 1 } else { self.pieces.len() };
        let mut state = 7_u32;
        for piece in self.pieces.iter().take(n_pieces) {
            match *piece {
                Piece::Literal(literal) => body.push_str(literal),
                Piece::Run { class, n_min, .. } => {
                    let members: Vec<u8> = (0..=127).filter(|&byte| class(byte)).collect();
                    // The checksum makes the last six.
                    let n = if self.checksum == Some(Checksum::Base62) { 30 } else { n_min };
                    for _ in 0..n {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let n_members = u32::try_from(members.len()).unwrap_or(1).max(1);
                        let place =
                            usize::try_from((state >> 16).checked_rem(n_members).unwrap_or(0))
                                .unwrap_or(0);
                        let byte = members.get(place).copied().unwrap_or(b'0');
                        // Padding and dots are at home at the end only, and an example has none.
                        let is_plain = byte.is_ascii_alphanumeric();
                        body.push(if is_plain { char::from(byte) } else { '7' });
                    }
                }
            }
        }
    }
}

fn push_uuid(pieces: &mut Vec<Piece>) -> Option<()> {
    for (place, n) in UUID.into_iter().enumerate() {
        if place > 0 {
            pieces.push(Piece::Literal("-"));
        }
        pieces.push(Piece::Run { class: class(b'X')?, n_min: n, n_max: n });
    }
    Some(())
}

/// A class and how many bytes of it; `None` where the piece is text.
fn run(piece: &'static str) -> Option<Piece> {
    let class = class(*piece.as_bytes().first()?)?;
    let count = piece.get(1..)?;
    let (n_min, n_max) = match count.strip_suffix('+') {
        Some(n_min) => (n_min.parse().ok()?, RUN_BYTES_MAX),
        None => match count.split_once('-') {
            Some((n_min, n_max)) => (n_min.parse().ok()?, n_max.parse().ok()?),
            None => (count.parse().ok()?, count.parse().ok()?),
        },
    };
    (n_min <= n_max && n_max <= RUN_BYTES_MAX).then_some(Piece::Run { class, n_min, n_max })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    #[test]
    fn patterns_read_what_they_say() {
        for (pattern, text, end) in [
            ("H4", "12ab", Some(4)),
            ("H4", "12ab.", Some(4)),
            ("H4", "12abc", None),
            ("H4", "12aB", None),
            ("H4", "12a", None),
            ("A2-4,.,K2", "abc.12 ", Some(6)),
            ("A2-4,.,K2", "abcde.12", None),
            ("A2-4,.,K2", "abc-12", None),
            ("D4+", "ab.cd...", Some(5)),
            ("D4+", "a....", None),
            ("G", "123e4567-e89b-12d3-a456-426614174000,", Some(36)),
            ("G", "123e4567-e89b-12d3-a456-42661417400", None),
            ("/x/,A1+", "/x/y", Some(4)),
            ("A8?", "password", None),
            ("A8?", "p4ssW0rd", Some(8)),
        ] {
            let parsed = Pattern::parse(pattern).expect("the patterns here are well written");
            let mut reader = Text::new(text.as_bytes(), true, true).reader(0);
            let read = parsed.read(&mut reader).ok().map(|matched| matched.end);
            assert_eq!(read, end, "{pattern} in {text}");
        }
    }

    #[test]
    fn wrong_patterns_are_told() {
        assert!(run("A5-4").is_none());
        assert!(run("A513").is_none());
        assert!(run("q5").is_none());
    }
}
