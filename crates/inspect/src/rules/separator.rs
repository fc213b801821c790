//! What people, programs and typesetting put between the groups of a number: one place, so that cards, IBANs and social security
//! numbers are read in the same dresses. Which of them a number may wear is the number's own affair.
use crate::text::{Reader, Stop};

/// What a separator looks like to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// A blank of any width, breakable or not, and the ones that have no width at all.
    Space,
    /// A hyphen, perhaps unbreakable.
    Hyphen,
    /// A dash or a minus sign: they stand between the ends of ranges too.
    Dash,
    /// The end of a line.
    Line,
    Dot,
    Slash,
    Underscore,
    Tab,
    Comma,
    Pipe,
    /// A middle dot or a bullet.
    Bullet,
    /// One asterisk or two.
    Star,
    Colon,
    Plus,
    /// A tag that breaks the line or ends the cell of a table.
    Markup,
}

impl Join {
    /// Whether it stands in lists, between the cells of a row and in sums: a number of such groups is one only where nothing shows that
    /// the list goes on.
    pub(super) const fn lists(self) -> bool {
        !matches!(
            self,
            Self::Space | Self::Hyphen | Self::Dash | Self::Line | Self::Dot | Self::Slash
        )
    }
}

/// Most blanks in a row that separate groups.
const BLANKS_MAX: usize = 3;

/// A separator between groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Separator {
    pub(super) n_bytes: usize,
    pub(super) join: Join,
    /// It stands between columns and lines of tables and in lists of numbers too.
    pub(super) wide: bool,
}

/// The separator that is next.
#[inline]
pub(super) fn next(reader: &Reader<'_>) -> Result<Option<Separator>, Stop> {
    let found = |n_bytes, join, wide| Ok(Some(Separator { n_bytes, join, wide }));
    match reader.peek()? {
        Some(b' ') => match reader.peek_ahead(1)? {
            Some(b' ') if reader.sees_ahead(2, |byte| byte == b' ')? => {
                found(BLANKS_MAX, Join::Space, true)
            }
            Some(b' ') => found(2, Join::Space, true),
            Some(b'-' | b'|' | b'*' | b'+' | b':' | 0xc2 | 0xe2) => between_blanks(reader),
            _ => found(1, Join::Space, false),
        },
        Some(b'-') => found(1, Join::Hyphen, false),
        Some(b'.') => found(1, Join::Dot, true),
        Some(b'/') => found(1, Join::Slash, true),
        Some(b'_') => found(1, Join::Underscore, true),
        Some(b'\n') => found(1, Join::Line, true),
        Some(b'\t' | b',' | b'|' | b'*' | b':' | b'+') => of_lists(reader),
        Some(b'\r' | b'&' | b'\\' | b'%' | b'<' | 0x80..) => of_several_bytes(reader),
        _ => Ok(None),
    }
}

/// A mark between two blanks; where there is none, the blank.
#[cold]
fn between_blanks(reader: &Reader<'_>) -> Result<Option<Separator>, Stop> {
    let mut inside = *reader;
    inside.skip(1);
    let mark = match inside.peek()? {
        Some(b'-') => Some((1, Join::Hyphen)),
        Some(b'|' | b'*' | b'+' | b':') => of_lists(&inside)?.map(|mark| (mark.n_bytes, mark.join)),
        _ => of_several_bytes(&inside)?
            .filter(|mark| matches!(mark.join, Join::Dash | Join::Bullet))
            .map(|mark| (mark.n_bytes, mark.join)),
    };
    if let Some((n_bytes, join)) = mark
        && inside.sees_ahead(n_bytes, |byte| byte == b' ')?
    {
        return Ok(Some(Separator { n_bytes: n_bytes.saturating_add(2), join, wide: true }));
    }
    Ok(Some(Separator { n_bytes: 1, join: Join::Space, wide: false }))
}

/// What separates the items of lists and the cells of tables.
#[cold]
fn of_lists(reader: &Reader<'_>) -> Result<Option<Separator>, Stop> {
    let (then, join) = match reader.peek()? {
        Some(b'\t') => (None, Join::Tab),
        Some(b',') => (Some(b' '), Join::Comma),
        Some(b'|') => (None, Join::Pipe),
        Some(b'*') => (Some(b'*'), Join::Star),
        Some(b':') => (Some(b' '), Join::Colon),
        Some(b'+') => (None, Join::Plus),
        _ => return Ok(None),
    };
    let is_two = match then {
        Some(then) => reader.sees_ahead(1, |byte| byte == then)?,
        None => false,
    };
    Ok(Some(Separator { n_bytes: if is_two { 2 } else { 1 }, join, wide: true }))
}

/// The separator that is next and has several bytes, which are rare.
#[cold]
fn of_several_bytes(reader: &Reader<'_>) -> Result<Option<Separator>, Stop> {
    let found = |n_bytes, join, wide| Ok(Some(Separator { n_bytes, join, wide }));
    let sees = |ahead, want| reader.sees_ahead(ahead, |byte| byte == want);
    match reader.peek()? {
        Some(b'\r') if sees(1, b'\n')? => found(2, Join::Line, true),
        Some(b'&' | b'\\' | b'%' | b'<') => written_out(reader),
        // Middle dot U+00B7.
        Some(0xc2) if sees(1, 0xb7)? => found(2, Join::Bullet, true),
        // No-break space U+00A0, soft hyphen U+00AD.
        Some(0xc2) if reader.sees_ahead(1, |byte| matches!(byte, 0xa0 | 0xad))? => {
            found(2, Join::Space, false)
        }
        Some(0xe2) => of_punctuation(reader),
        // Ideographic space U+3000.
        Some(0xe3) if sees(1, 0x80)? && sees(2, 0x80)? => found(3, Join::Space, false),
        // Zero-width no-break space U+FEFF.
        Some(0xef) if sees(1, 0xbb)? && sees(2, 0xbf)? => found(3, Join::Space, false),
        _ => Ok(None),
    }
}

/// How HTML, strings of programs and URLs write the characters that their writers leave out.
static WRITTEN: &[(&[u8], Join)] = &[
    (b"&nbsp;", Join::Space),
    (b"&#160;", Join::Space),
    (b"\\u00a0", Join::Space),
    (b"\\u202f", Join::Space),
    (b"\\u2010", Join::Hyphen),
    (b"\\u2011", Join::Hyphen),
    (b"\\n", Join::Line),
    (b"\\t", Join::Tab),
    (b"<br>", Join::Markup),
    (b"<br/>", Join::Markup),
    (b"<br />", Join::Markup),
    (b"</td><td>", Join::Markup),
    (b"%20", Join::Space),
];

/// The separator that stands here in a written-out form.
fn written_out(reader: &Reader<'_>) -> Result<Option<Separator>, Stop> {
    for &(form, join) in WRITTEN {
        let mut ahead = *reader;
        if ahead.eat(form)? {
            let wide = matches!(join, Join::Line | Join::Tab | Join::Markup);
            return Ok(Some(Separator { n_bytes: form.len(), join, wide }));
        }
    }
    Ok(None)
}

/// The separator of three bytes that begins with 0xe2.
fn of_punctuation(reader: &Reader<'_>) -> Result<Option<Separator>, Stop> {
    let Some(second @ (0x80 | 0x81 | 0x88)) = reader.peek_ahead(1)? else { return Ok(None) };
    let Some(third) = reader.peek_ahead(2)? else { return Ok(None) };
    let join = match (second, third) {
        // Blanks from U+2000 to the zero-width joiner U+200D, narrow no-break space U+202F; U+205F and word joiner U+2060.
        (0x80, 0x80..=0x8d | 0xaf) | (0x81, 0x9f | 0xa0) => Join::Space,
        // Hyphens U+2010 and U+2011.
        (0x80, 0x90 | 0x91) => Join::Hyphen,
        // Figure dash U+2012, en dash U+2013, em dash U+2014, bar U+2015, minus sign U+2212.
        (0x80, 0x92..=0x95) | (0x88, 0x92) => Join::Dash,
        // Bullet U+2022, bullet operator U+2219.
        (0x80, 0xa2) | (0x88, 0x99) => Join::Bullet,
        _ => return Ok(None),
    };
    Ok(Some(Separator { n_bytes: 3, join, wide: join == Join::Bullet }))
}
