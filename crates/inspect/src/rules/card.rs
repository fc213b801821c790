//! Payment card numbers: a network's prefix and length, and the Luhn digit.
use super::separator::{self, Join, Separator};
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// Fewest and most digits of a number.
const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// Fewest digits after a `+`: fewer may be a phone number (ITU-T E.164).
const DIGITS_MIN_AFTER_PLUS: usize = 16;
/// Fewest digits of a group that a separator ends; the first one is longer.
const GROUP_MIN: usize = 3;
const GROUP_FIRST_MIN: usize = 4;
/// Digits of a number, and of each of its groups, whose separators are those of a table.
const DIGITS_WIDE: usize = 16;
const GROUP_WIDE: usize = 4;
/// Most digits before the point of a decimal number.
const INTEGER_DIGITS_MAX: usize = 20;
/// Digits that tell the network.
const PREFIX_DIGITS: usize = 4;

/// First four digits from, to, and the lengths that the network gives out, as bits.
struct Network(u16, u16, u32);

const fn lengths(from: u32, to: u32) -> u32 {
    (1_u32.wrapping_shl(to.wrapping_add(1))).wrapping_sub(1_u32.wrapping_shl(from))
}

/// ISO/IEC 7812 ranges as the networks publish them; neighbours with the same lengths share a line.
static NETWORKS: &[Network] = &[
    Network(2200, 2204, lengths(16, 19)), // Mir
    Network(2221, 2720, lengths(16, 16)), // Mastercard
    Network(3000, 3059, lengths(14, 19)), // Diners Club
    Network(3095, 3095, lengths(14, 19)), // Diners Club
    Network(3400, 3499, lengths(15, 15)), // American Express
    Network(3528, 3589, lengths(16, 19)), // JCB
    Network(3600, 3699, lengths(14, 19)), // Diners Club
    Network(3700, 3799, lengths(15, 15)), // American Express
    Network(3800, 3999, lengths(14, 19)), // Diners Club
    Network(4000, 4999, lengths(13, 13) | lengths(16, 16) | lengths(19, 19)), // Visa, Elo
    Network(5018, 5020, lengths(13, 19)), // Maestro, Dankort
    Network(5038, 5038, lengths(13, 19)), // Maestro
    Network(5060, 5067, lengths(16, 19)), // Verve, Elo
    Network(5080, 5089, lengths(16, 16)), // RuPay
    Network(5100, 5599, lengths(16, 16)), // Mastercard
    Network(5612, 5612, lengths(13, 19)), // Maestro
    Network(5893, 5893, lengths(13, 19)), // Maestro
    Network(6011, 6011, lengths(16, 19)), // Discover
    Network(6060, 6099, lengths(16, 16)), // RuPay, Hipercard
    Network(6200, 6299, lengths(16, 19)), // UnionPay
    Network(6304, 6304, lengths(13, 19)), // Maestro
    Network(6362, 6363, lengths(16, 16)), // Elo
    Network(6390, 6390, lengths(13, 19)), // Maestro
    Network(6440, 6599, lengths(16, 19)), // Discover, Elo, RuPay
    Network(6759, 6763, lengths(13, 19)), // Maestro
    Network(8100, 8171, lengths(16, 19)), // UnionPay
    Network(8172, 8299, lengths(16, 16)), // RuPay
    Network(9792, 9792, lengths(16, 16)), // Troy
];

/// Lengths that a number with these first digits can have; zero when no network begins so.
fn lengths_of(digits: &[u8]) -> u32 {
    let known = digits.iter().take(PREFIX_DIGITS);
    let n_unknown = PREFIX_DIGITS.saturating_sub(digits.len());
    let prefix =
        known.fold(0_u16, |value, &digit| value.wrapping_mul(10).wrapping_add(u16::from(digit)));
    let scale = (0..n_unknown).fold(1_u16, |scale, _| scale.wrapping_mul(10));
    let from = prefix.wrapping_mul(scale);
    let to = from.wrapping_add(scale.wrapping_sub(1));
    NETWORKS
        .iter()
        .filter(|network| network.0 <= to && from <= network.1)
        .fold(0, |lengths, network| lengths | network.2)
}

/// Whether Luhn's sum is right (ISO/IEC 7812-1, annex B).
fn passes_luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().zip([false, true].into_iter().cycle()).fold(
        0_u32,
        |sum, (&digit, doubled)| {
            let value = u32::from(digit).wrapping_shl(u32::from(doubled));
            sum.wrapping_add(if value > 9 { value.wrapping_sub(9) } else { value })
        },
    );
    sum.is_multiple_of(10)
}

/// Whether a number may begin at this digit: no network's numbers begin with 0, 1 or 7.
pub(super) fn may_begin(text: Text<'_>, at: usize) -> bool {
    text.get(at).is_some_and(|byte| !matches!(byte, b'0' | b'1' | b'7'))
}

/// Whether the digits from `start` on are the fraction of one decimal number: a point, and before it the digits of a number that
/// itself follows neither a point nor a word. What stands after a comma is a cell of a table just as well, so it is no fraction.
fn is_after_point(text: Text<'_>, start: usize) -> bool {
    if text.back(start, 1) != Some(b'.') {
        return false;
    }
    let point = start.saturating_sub(1);
    let before = text.before(point, INTEGER_DIGITS_MAX.saturating_add(1));
    let n = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let first = point.saturating_sub(n);
    (1..=INTEGER_DIGITS_MAX).contains(&n)
        && text.is_boundary(first)
        && text.back(first, 1) != Some(b'.')
}

/// Whether a separator may stand in a number that begins at `start`.
fn may_join(text: Text<'_>, start: usize, join: Join) -> bool {
    match join {
        // The literals of programs.
        Join::Underscore => !matches!(text.back(start, 1), Some(b'x' | b'_')),
        // Tables of weights, paths: the number before, or the lack of one, is a part of them.
        Join::Dot => text.back(start, 1) != Some(b'.'),
        Join::Slash => text.back(start, 1) != Some(b'/'),
        _ => true,
    }
}

/// Bytes before the separator before a number that show what stands there.
const BESIDE_BYTES: usize = 4;

/// Whether a list of numbers shows around a number whose groups stand as the items of one do: more items, brackets, a row above or below.
fn is_in_list(reader: &Reader<'_>, start: usize, mark: &[u8], join: Join) -> Result<bool, Stop> {
    let text = reader.text();
    let is_digit = |byte: u8| byte.is_ascii_digit();
    // Of tables and of rows without blanks, the cell before or after may be words.
    let is_cell = matches!(join, Join::Tab | Join::Pipe | Join::Markup) || mark == b",";
    let before = text.before(start, mark.len().saturating_add(BESIDE_BYTES));
    let (before, bare) = match mark.trim_ascii() {
        [] => (before, mark),
        bare => (before.trim_ascii_end(), bare),
    };
    let item = before.strip_suffix(bare).map(<[u8]>::trim_ascii_end);
    if item.is_some_and(|item| is_cell || item.last().copied().is_some_and(is_digit))
        || matches!(text.back(start, 1), Some(b'[' | b'(' | b'{'))
    {
        return Ok(true);
    }
    let n_line = if text.back(start, 2) == Some(b'\r') { 3 } else { 2 };
    if text.back(start, 1) == Some(b'\n') && text.back(start, n_line).is_some_and(is_digit) {
        return Ok(true);
    }
    let mut ahead = *reader;
    if ahead.eat(mark)? && (is_cell || ahead.sees(is_digit)?) {
        return Ok(true);
    }
    let mut ahead = *reader;
    ahead.eat(b"\r")?;
    Ok(ahead.eat(b"\n")? && ahead.sees(is_digit)?)
}

/// The same, where what joins the groups stands in lists.
fn is_item(
    reader: &Reader<'_>,
    start: usize,
    mark: &[u8],
    join: Option<Join>,
) -> Result<bool, Stop> {
    match join {
        Some(join) if join.lists() => is_in_list(reader, start, mark, join),
        _ => Ok(false),
    }
}

/// Digits that stand one by one, with the same separator of several bytes between them. With one byte between, they are read together
/// as all that stands apart is.
fn singles(mut reader: Reader<'_>, start: usize) -> Answer {
    let text = reader.text();
    let mut digits = [0_u8; DIGITS_MAX];
    let (mut n, mut separator) = (0_usize, None);
    let mark = loop {
        let Some(byte @ b'0'..=b'9') = reader.peek()? else { return Err(Stop::No) };
        let Some(slot) = digits.get_mut(n) else { return Err(Stop::No) };
        *slot = byte.wrapping_sub(b'0');
        n = n.saturating_add(1);
        reader.skip(1);
        let (mark, join) = match separator {
            Some(known) => known,
            None => match separator::next(&reader)? {
                Some(Separator { n_bytes, join, .. }) if n_bytes > 1 => {
                    (text.slice(reader.at, reader.at.saturating_add(n_bytes)), join)
                }
                _ => return Err(Stop::No),
            },
        };
        separator = Some((mark, join));
        let mut ahead = reader;
        if !ahead.eat(mark)? || !ahead.sees(|byte| byte.is_ascii_digit())? {
            break (mark, join);
        }
        reader = ahead;
    };
    let number = digits.get(..n).unwrap_or_default();
    let lengths = lengths_of(number).wrapping_shr(u32::try_from(n).unwrap_or(31));
    let fits = n >= DIGITS_MIN
        && lengths & 1 == 1
        && passes_luhn(number)
        && !reader.sees(|byte| byte.is_ascii_digit())?
        && !is_in_list(&reader, start, mark.0, mark.1)?;
    if fits { Ok(Hit::new(start, reader.at)) } else { Err(Stop::No) }
}

/// Whether the numbers that the lines make up go on above or below: a column of a table, no number in four lines.
fn is_in_column(reader: &Reader<'_>, start: usize) -> Result<bool, Stop> {
    let above = reader.text().before(start, GROUP_WIDE.saturating_add(2));
    let above = match above.strip_suffix(b"\n") {
        Some(line) => Some(line.strip_suffix(b"\r").unwrap_or(line)),
        None => above.strip_suffix(b"\\n"),
    };
    let is_digit = |byte: u8| byte.is_ascii_digit();
    if above.is_some_and(|line| {
        line.len() >= GROUP_WIDE && line.iter().rev().take(GROUP_WIDE).all(|&byte| is_digit(byte))
    }) {
        return Ok(true);
    }
    let Some(Separator { n_bytes, join: Join::Line, .. }) = separator::next(reader)? else {
        return Ok(false);
    };
    for ahead in 0..GROUP_WIDE {
        if !reader.sees_ahead(n_bytes.saturating_add(ahead), is_digit)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    if !reader.sees_ahead(1, |byte| byte.is_ascii_digit())? {
        return singles(reader, start);
    }
    let mut digits = [0_u8; DIGITS_MAX];
    let (mut n, mut n_group) = (0_usize, 0_usize);
    let (mut join, mut mark, mut wide) = (None, b"".as_slice(), false);
    let mut lengths = 0_u32;
    let mut best = Err(Stop::No);
    // After a `+`, up to fifteen digits are a phone number.
    let n_min = if text.back(start, 1) == Some(b'+') { DIGITS_MIN_AFTER_PLUS } else { DIGITS_MIN };
    loop {
        if let Some(byte @ b'0'..=b'9') = reader.peek()? {
            let Some(slot) = digits.get_mut(n) else { break };
            *slot = byte.wrapping_sub(b'0');
            n = n.saturating_add(1);
            n_group = n_group.saturating_add(1);
            reader.skip(1);
            // The first four say what the network is, and a number of fewer is none.
            if n == PREFIX_DIGITS {
                lengths = lengths_of(digits.get(..n).unwrap_or_default());
                if lengths == 0 {
                    break;
                }
            }
            continue;
        }
        let longer = lengths.wrapping_shr(u32::try_from(n).unwrap_or(31));
        let number = digits.get(..n).unwrap_or_default();
        if n >= n_min
            && longer & 1 == 1
            && (!wide || (n, n_group) == (DIGITS_WIDE, GROUP_WIDE))
            && passes_luhn(number)
            && !(join.is_none() && is_fraction(&reader, start)?)
            && !(join == Some(Join::Line) && is_in_column(&reader, start)?)
            && !is_item(&reader, start, mark, join)?
        {
            best = Ok(Hit::new(start, reader.at));
        }
        let group_min = if n == n_group { GROUP_FIRST_MIN } else { GROUP_MIN };
        // Nothing longer can pass: decide without asking for more text.
        if n_group < group_min || longer <= 1 || (wide && n >= DIGITS_WIDE) {
            break;
        }
        match separator::next(&reader)? {
            Some(found)
                if may_join(text, start, found.join)
                    && join.is_none_or(|join| {
                        join == found.join && (!join.lists() || mark.len() == found.n_bytes)
                    }) =>
            {
                wide |= found.wide;
                let is_group = !wide || (n_group == GROUP_WIDE && n.is_multiple_of(GROUP_WIDE));
                if !is_group || !reader.sees_ahead(found.n_bytes, |byte| byte.is_ascii_digit())? {
                    break;
                }
                join = Some(found.join);
                mark = text.slice(reader.at, reader.at.saturating_add(found.n_bytes));
                reader.skip(found.n_bytes);
                n_group = 0;
            }
            _ => break,
        }
    }
    best
}

/// Whether the digits that were read, without separators, are the fraction of a decimal number.
fn is_fraction(reader: &Reader<'_>, start: usize) -> Result<bool, Stop> {
    if !is_after_point(reader.text(), start) {
        return Ok(false);
    }
    let goes_on =
        reader.sees(|byte| byte == b'.')? && reader.sees_ahead(1, |byte| byte.is_ascii_digit())?;
    Ok(!goes_on)
}
