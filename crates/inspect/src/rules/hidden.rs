//! Characters that nobody sees and a model reads: tags, zero-width characters, direction controls. Ordinary emoji, flags, scripts that
//! need joiners, and right-to-left text pass.
use super::Rule;
use crate::text::{Answer, Hit, Reader, Stop, Text, work};

/// Most bytes of one finding; a longer run goes on in a further one.
const RUN_BYTES_MAX: usize = 128;
/// Most bytes between a direction control and its end; both ends look as far, so both agree.
const PAIR_BYTES_MAX: usize = 120;
/// Most tag characters of a flag: two letters of the country, four of the region.
const FLAG_TAGS_MAX: usize = 6;
const FLAG_TAGS_MIN: usize = 3;

/// Most bytes of a character in UTF-8.
const CHARACTER_BYTES_MAX: usize = 4;

const ZWJ: u32 = 0x200d;
const ZWNJ: u32 = 0x200c;
const BLACK_FLAG: u32 = 0x1f3f4;
const CANCEL_TAG: u32 = 0xe007f;

/// Decodes the character that begins a slice, and its length. What is not UTF-8 is one byte long and no character.
#[inline]
fn decode(bytes: &[u8]) -> (u32, usize) {
    let bits = |byte: &u8| u32::from(byte & 0x3f);
    let value = match bytes {
        [first @ 0..=0x7f, ..] => return (u32::from(*first), 1),
        // Most invisible characters begin like this.
        [0xe2, second @ 0x80..=0xbf, third @ 0x80..=0xbf, ..] => {
            return (0x2000 | bits(second) << 6 | bits(third), 3);
        }
        [first @ 0xc2..=0xdf, second @ 0x80..=0xbf, ..] => {
            (u32::from(first & 0x1f) << 6 | bits(second), 2)
        }
        [first @ 0xe0..=0xef, second @ 0x80..=0xbf, third @ 0x80..=0xbf, ..] => {
            (u32::from(first & 0x0f) << 12 | bits(second) << 6 | bits(third), 3)
        }
        [
            first @ 0xf0..=0xf4,
            second @ 0x80..=0xbf,
            third @ 0x80..=0xbf,
            fourth @ 0x80..=0xbf,
            ..,
        ] => (
            u32::from(first & 0x07) << 18 | bits(second) << 12 | bits(third) << 6 | bits(fourth),
            4,
        ),
        _ => (u32::MAX, 1),
    };
    // Overlong forms are no characters: one byte of nonsense each.
    if matches!(value, (0..=0x7ff, 3) | (0..=0xffff, 4)) { (u32::MAX, 1) } else { value }
}

/// The next character: nothing at the end of the text.
#[inline]
fn next(reader: &Reader<'_>) -> Result<Option<(u32, usize)>, Stop> {
    let rest = reader.text().slice(reader.at, reader.at.saturating_add(CHARACTER_BYTES_MAX));
    if rest.len() == CHARACTER_BYTES_MAX {
        work::note(1);
        return Ok(Some(decode(rest)));
    }
    next_near_end(reader)
}

/// The same where the text may end inside the character.
fn next_near_end(reader: &Reader<'_>) -> Result<Option<(u32, usize)>, Stop> {
    let Some(first) = reader.peek()? else { return Ok(None) };
    let mut bytes = [first; CHARACTER_BYTES_MAX];
    let n = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    for (ahead, slot) in bytes.iter_mut().enumerate().take(n) {
        match reader.peek_ahead(ahead)? {
            Some(byte) if ahead == 0 || byte & 0xc0 == 0x80 => *slot = byte,
            _ => return Ok(Some((u32::MAX, 1))),
        }
    }
    Ok(Some(decode(bytes.get(..n).unwrap_or_default())))
}

/// The character that ends right before an offset.
fn previous(text: Text<'_>, at: usize) -> Option<(u32, usize)> {
    let last = text.back(at, 1)?;
    if last < 0x80 {
        return Some((u32::from(last), 1));
    }
    for n in 2..=4_usize {
        let Some(lead) = text.back(at, n) else { break };
        if lead & 0xc0 != 0x80 {
            let start = at.saturating_sub(n);
            return match decode(text.slice(start, at)) {
                (character, length) if length == n => Some((character, n)),
                _ => Some((u32::MAX, 1)),
            };
        }
    }
    Some((u32::MAX, 1))
}

const fn is_tag(character: u32) -> bool {
    matches!(character, 0xe0000..=0xe007f)
}

const fn is_selector(character: u32) -> bool {
    matches!(character, 0xfe00..=0xfe0f | 0xe0100..=0xe01ef)
}

const fn is_zero_width(character: u32) -> bool {
    matches!(character, 0x200b..=0x200d | 0x2060..=0x2064 | 0xfeff | 0x180b..=0x180f)
        || is_selector(character)
}

/// The rule for what the character beginning with these three bytes may be.
pub(super) fn rule_of(bytes: &[u8]) -> Option<Rule> {
    let (&first, rest) = bytes.split_first()?;
    Some(match (first, rest) {
        (0xe2, [0x80, 0x8b..=0x8d] | [0x81, 0xa0..=0xa4])
        | (0xef, [0xbb, 0xbf] | [0xb8, 0x80..=0x8f])
        | (0xe1, [0xa0, 0x8b..=0x8f])
        | (0xf3, [0xa0, 0x84..=0x87]) => Rule::ZeroWidth,
        (0xe2, [0x80, 0xaa..=0xae] | [0x81, 0xa6..=0xa9]) => Rule::Bidi,
        (0xf3, [0xa0, 0x80 | 0x81]) => Rule::Tag,
        _ => return None,
    })
}

/// Where the text may end inside an invisible character.
pub(super) fn partial(text: Text<'_>) -> usize {
    let end = text.len();
    for n in [3_usize, 2, 1] {
        if let Some(start) = end.checked_sub(n) {
            let needs = match text.get(start) {
                Some(0xe1 | 0xe2 | 0xef) => 3,
                Some(0xf3) => 4,
                _ => 0,
            };
            if needs > n {
                return start;
            }
        }
    }
    end
}

/// Tags are invisible copies of ASCII. Only the flag of a region (England, Texas) is made of them lawfully.
pub(super) fn decide_tag(text: Text<'_>, start: usize) -> Answer {
    if let Some(first) = flag_start(text, start)
        && flag_end(text, first)?.is_some_and(|end| start < end)
    {
        return Err(Stop::No);
    }
    let mut reader = text.reader(start);
    while reader.at.saturating_sub(start) < RUN_BYTES_MAX {
        match next(&reader)? {
            Some((character, length)) if is_tag(character) => reader.skip(length),
            _ => return Ok(Hit::new(start, reader.at)),
        }
    }
    Ok(Hit { goes_on: true, ..Hit::new(start, reader.at) })
}

/// Where the tags that a tag belongs to begin, if a black flag stands before them and they are few enough for a flag.
fn flag_start(text: Text<'_>, at: usize) -> Option<usize> {
    let mut first = at;
    for _ in 0..=FLAG_TAGS_MAX {
        match previous(text, first)? {
            (BLACK_FLAG, _) => return Some(first),
            (character, length) if is_tag(character) => first = first.saturating_sub(length),
            _ => return None,
        }
    }
    None
}

/// Where a well-formed flag ends whose first tag stands at `first`: two letters, one to four letters or digits, the cancel tag.
fn flag_end(text: Text<'_>, first: usize) -> Result<Option<usize>, Stop> {
    let mut flag = text.reader(first);
    let mut n_tags = 0_usize;
    while let Some((character, length)) = next(&flag)? {
        flag.skip(length);
        match character {
            CANCEL_TAG => return Ok((n_tags >= FLAG_TAGS_MIN).then_some(flag.at)),
            0xe0061..=0xe007a => {}
            0xe0030..=0xe0039 if n_tags >= 2 => {}
            _ => break,
        }
        n_tags = n_tags.saturating_add(1);
        if n_tags > FLAG_TAGS_MAX {
            break;
        }
    }
    Ok(None)
}

pub(super) fn decide_zero_width(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    while reader.at.saturating_sub(start) < RUN_BYTES_MAX {
        match next(&reader)? {
            Some((character, length))
                if is_zero_width(character) && !is_lawful(text, reader, character, length)? =>
            {
                reader.skip(length);
            }
            _ if reader.at > start => return Ok(Hit::new(start, reader.at)),
            _ => return Err(Stop::No),
        }
    }
    Ok(Hit { goes_on: true, ..Hit::new(start, reader.at) })
}

/// Whether an invisible character does what it is for, as far as its neighbours tell.
fn is_lawful(
    text: Text<'_>,
    reader: Reader<'_>,
    character: u32,
    length: usize,
) -> Result<bool, Stop> {
    let before = previous(text, reader.at).map(|(character, _)| character);
    let after = |reader: Reader<'_>| -> Result<Option<u32>, Stop> {
        let mut reader = reader;
        reader.skip(length);
        Ok(next(&reader)?.map(|(character, _)| character))
    };
    Ok(match (character, before) {
        // A byte order mark is one only at the start.
        (0xfeff, _) => text.is_start(reader.at),
        (ZWJ, Some(before)) if is_emoji(before) => after(reader)?.is_some_and(is_emoji),
        (ZWJ | ZWNJ, Some(before)) => {
            uses_joiners(before)
                && after(reader)?.is_none_or(|after| uses_joiners(after) || after < 0x80)
        }
        (0x200b, Some(before)) => {
            breaks_without_blanks(before) && after(reader)?.is_some_and(breaks_without_blanks)
        }
        (0xfe0e | 0xfe0f, Some(before)) => may_be_emoji(before),
        (0xfe00..=0xfe0d, Some(before)) => {
            before > 0x2000 && !is_zero_width(before) && before != u32::MAX
        }
        (0xe0100..=0xe01ef, Some(before)) => is_ideograph(before),
        (0x180b..=0x180f, Some(before)) => matches!(before, 0x1800..=0x180a | 0x1810..=0x18af),
        _ => false,
    })
}

const fn is_emoji(character: u32) -> bool {
    matches!(character, 0x1f000..=0x1faff | 0x2190..=0x21ff | 0x2300..=0x23ff | 0x25a0..=0x27bf | 0x2b00..=0x2bff | 0xfe0f | CANCEL_TAG)
}

const fn may_be_emoji(character: u32) -> bool {
    (is_emoji(character) && character != 0xfe0f && character != CANCEL_TAG)
        || matches!(character, 0x23 | 0x2a | 0x30..=0x39 | 0xa9 | 0xae | 0x203c | 0x2049 | 0x2100..=0x218f | 0x24c2 | 0x2900..=0x297f | 0x3030 | 0x303d | 0x3297 | 0x3299)
}

const fn is_ideograph(character: u32) -> bool {
    matches!(character, 0x3005..=0x3007 | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

/// Arabic and its kin, the scripts of India and around, Mongolian: their letters join.
const fn uses_joiners(character: u32) -> bool {
    matches!(character, 0x600..=0x8ff | 0x900..=0xdff | 0xf00..=0x109f | 0x1780..=0x18af | 0x1a20..=0x1aaf | 0x1b00..=0x1c4f | 0xa800..=0xabff | 0xfb50..=0xfdff | 0xfe70..=0xfefc | 0x10a00..=0x10fff | 0x11000..=0x11fff)
}

/// Thai, Lao, Tibetan, Myanmar, Khmer: words end without a blank.
const fn breaks_without_blanks(character: u32) -> bool {
    matches!(character, 0xe00..=0x109f | 0x1780..=0x17ff | 0x1950..=0x1aaf)
}

/// What a direction control does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Override,
    Embed,
    Isolate,
    EndEmbed,
    EndIsolate,
}

const fn turn_of(character: u32) -> Option<Turn> {
    Some(match character {
        0x202d | 0x202e => Turn::Override,
        0x202a | 0x202b => Turn::Embed,
        0x202c => Turn::EndEmbed,
        0x2066..=0x2068 => Turn::Isolate,
        0x2069 => Turn::EndIsolate,
        _ => return None,
    })
}

/// Overrides are always findings. Embeddings and isolates are when the line ends before they do.
pub(super) fn decide_bidi(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let Some((character, length)) = next(&reader)? else { return Err(Stop::No) };
    let hit = Ok(Hit::new(start, start.saturating_add(length)));
    reader.skip(length);
    let (own, other, forward) = match turn_of(character) {
        None => return Err(Stop::No),
        Some(Turn::Override) => return hit,
        Some(Turn::Embed) => (Turn::Embed, Turn::EndEmbed, true),
        Some(Turn::Isolate) => (Turn::Isolate, Turn::EndIsolate, true),
        Some(Turn::EndEmbed) => (Turn::EndEmbed, Turn::Embed, false),
        Some(Turn::EndIsolate) => (Turn::EndIsolate, Turn::Isolate, false),
    };
    let mut depth = 1_usize;
    let (mut at, mut n_read) = (if forward { reader.at } else { start }, 0_usize);
    loop {
        let step = if forward { next(&text.reader(at))? } else { previous(text, at) };
        let Some((character, length)) = step else { return hit };
        at = if forward { at.saturating_add(length) } else { at.saturating_sub(length) };
        n_read = n_read.saturating_add(length);
        if n_read > PAIR_BYTES_MAX || matches!(character, 0x0a | 0x0d | 0x2029) {
            return hit;
        }
        // Most characters turn nothing.
        if !(0x202a..=0x2069).contains(&character) {
            continue;
        }
        match turn_of(character) {
            // An override inside is its own finding; what ends an embedding ends it too.
            Some(Turn::Override) if matches!(own, Turn::Embed | Turn::EndEmbed) => return hit,
            Some(turn) if turn == own => depth = depth.saturating_add(1),
            Some(turn) if turn == other => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Err(Stop::No);
        }
    }
}
