//! Numbers that states, banks and manufacturers give to people and things: one rule, many kinds.
//!
//! Each kind is a row: how the number is written, what its check digits owe, and the words that announce it. A form that nothing else has,
//! or whose checksum is strong, stands alone; every other needs a word near it. Where several kinds fit, the one that the nearest word
//! names is reported, else the first of the longest that stand alone. Numbers in running text that no row fits are nobody's.
use super::context::{AFTER_BYTES, BEFORE_BYTES, Plain, Vocabulary};
use super::separator::{self, Join};
use crate::kinds::{Personal, Support};
use crate::text::{Answer, Hit, Reader, Stop, Text};
use std::sync::LazyLock;

mod americas;
mod asia;
mod checksum;
mod europe;
mod rows_americas;
mod rows_asia;
mod rows_europe;
mod rows_world;
mod world;

pub(super) use checksum::is_day;

/// Most letters and digits of a number.
const ID_BYTES_MAX: usize = 24;
/// Most letters before the first digit, and before a separator and the first digit.
const LEAD_MAX: usize = 6;
const LEAD_JOINED_MAX: usize = 4;
/// Most digits of the first run.
const RUN_MAX: usize = 19;

/// How a number is written: `#` is a digit, `@` a letter, `*` either, a blank or a hyphen a separator of that sort; other characters are
/// themselves. A form that begins with `!` stands alone.
type FormText = &'static str;

/// A kind of number.
pub(super) struct Row {
    kind: Personal,
    forms: &'static [FormText],
    /// What its characters owe, separators left out.
    check: Option<fn(&[u8]) -> bool>,
    /// The words that announce it.
    words: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Digit,
    Letter,
    Either,
    Blank,
    Hyphen,
    Literal(u8),
}

impl Element {
    const fn of(byte: u8) -> Self {
        match byte {
            b'#' => Self::Digit,
            b'@' => Self::Letter,
            b'*' => Self::Either,
            b' ' => Self::Blank,
            b'-' => Self::Hyphen,
            byte => Self::Literal(byte),
        }
    }

    /// Whether it is a letter or a digit.
    const fn is_character(self) -> bool {
        match self {
            Self::Digit | Self::Letter | Self::Either => true,
            Self::Blank | Self::Hyphen => false,
            Self::Literal(byte) => byte.is_ascii_alphanumeric(),
        }
    }

    /// Whether the byte can be this element; a separator may begin with any byte that some separator begins with.
    const fn accepts(self, byte: u8) -> bool {
        match self {
            Self::Digit => byte.is_ascii_digit(),
            Self::Letter => byte.is_ascii_alphabetic(),
            Self::Either => byte.is_ascii_alphanumeric(),
            Self::Blank => matches!(byte, b' ' | b'&' | b'\\' | b'%' | 0x80..),
            Self::Hyphen => matches!(byte, b'-' | b'\\' | 0x80..),
            Self::Literal(literal) => byte.eq_ignore_ascii_case(&literal),
        }
    }
}

struct Form {
    elements: Vec<Element>,
    /// The rows that are written so, and whether they then stand alone.
    rows: Vec<(u16, bool)>,
}

/// A form in a bucket, and the outline that tells most numbers apart from it: letters and digits of the run that has the first digit, the
/// mark after it, and letters and digits of the run after that (0 where the form has none).
#[derive(Clone, Copy)]
struct Entry {
    form: u16,
    n_run: u8,
    mark: Option<Element>,
    n_second: u8,
    /// What the second run begins with.
    second: Option<Element>,
}

/// The outline of the number at hand.
struct Outline {
    n_run: usize,
    /// The byte after the run, and the letters and digits after that, where it is a mark of one byte.
    next: Option<u8>,
    n_second: Option<usize>,
    second: Option<u8>,
}

impl Entry {
    fn may_fit(self, outline: &Outline) -> bool {
        usize::from(self.n_run) == outline.n_run
            && match (self.mark, outline.next) {
                (None, _) => true,
                (Some(mark), Some(next)) => {
                    mark.accepts(next)
                        && outline.n_second.is_none_or(|n| n == usize::from(self.n_second))
                        && match (self.second, outline.second) {
                            (Some(element), Some(byte)) => element.accepts(byte),
                            _ => true,
                        }
                }
                (Some(_), None) => false,
            }
    }
}

/// The rows, and their forms by how they begin.
struct Table {
    rows: Vec<&'static Row>,
    forms: Vec<Form>,
    /// Per letters before the first digit, whether a separator stands between, and digits of the first run: the forms that may fit.
    buckets: Vec<Vec<Entry>>,
    words: Vocabulary<u16>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::build);

fn bucket(n_lead: usize, joined: bool, n_digits: usize) -> usize {
    let place = n_lead.saturating_mul(2).saturating_add(usize::from(joined));
    place.saturating_mul(RUN_MAX.saturating_add(1)).saturating_add(n_digits)
}

impl Table {
    fn build() -> Self {
        let files = [rows_americas::ROWS, rows_europe::ROWS, rows_asia::ROWS, rows_world::ROWS];
        let rows: Vec<&'static Row> = files.into_iter().flatten().collect();
        let mut forms: Vec<Form> = Vec::new();
        for (row, number) in rows.iter().zip(0_u16..) {
            for text in row.forms {
                let body = text.strip_prefix('!');
                let elements: Vec<Element> =
                    body.unwrap_or(text).bytes().map(Element::of).collect();
                let user = (number, body.is_some());
                match forms.iter_mut().find(|form| form.elements == elements) {
                    Some(form) => form.rows.push(user),
                    None => forms.push(Form { elements, rows: vec![user] }),
                }
            }
        }
        let n_buckets = bucket(LEAD_MAX, true, RUN_MAX).saturating_add(1);
        let mut buckets = vec![Vec::new(); n_buckets];
        for (form, number) in forms.iter().zip(0_u16..) {
            Self::sort_in(&mut buckets, &form.elements, number);
        }
        for list in &mut buckets {
            list.sort_by_key(|entry| entry.n_run);
        }
        let phrases = rows.iter().zip(0_u16..);
        let words = Vocabulary::new(
            phrases.flat_map(|(row, n)| row.words.iter().map(move |word| (*word, n))),
        );
        Self { rows, forms, buckets, words }
    }

    /// Puts a form into each bucket of beginnings that it allows.
    fn sort_in(buckets: &mut [Vec<Entry>], elements: &[Element], form: u16) {
        for n_lead in 0..=LEAD_MAX {
            let letters = elements
                .iter()
                .take_while(|e| e.accepts(b'A') || e.accepts(b'V') || is_letter(**e));
            if letters.count() < n_lead {
                break;
            }
            let rest = elements.get(n_lead..).unwrap_or_default();
            let joined =
                n_lead > 0 && matches!(rest.first(), Some(Element::Blank | Element::Hyphen));
            let rest = rest.get(usize::from(joined)..).unwrap_or_default();
            let most = rest.iter().take_while(|e| e.accepts(b'0') || is_digit(**e)).count();
            for n_digits in 1..=most.min(RUN_MAX) {
                let next = rest.get(n_digits).copied();
                if matches!(next, Some(Element::Digit)) {
                    continue;
                }
                let from = if joined { n_lead.saturating_add(1) } else { 0 };
                let body = elements.get(from..).unwrap_or_default();
                let n_run = body.iter().take_while(|e| e.is_character()).count();
                let mark = body.get(n_run).copied();
                let tail = body.get(n_run.saturating_add(1)..).unwrap_or_default();
                let n_second = tail.iter().take_while(|e| e.is_character()).count();
                let [n_run, n_second] = [n_run, n_second].map(|n| u8::try_from(n).unwrap_or(0));
                if let Some(list) = buckets.get_mut(bucket(n_lead, joined, n_digits)) {
                    list.push(Entry { form, n_run, mark, n_second, second: tail.first().copied() });
                }
            }
        }
    }
}

/// Whether an element is a letter of its own.
const fn is_letter(element: Element) -> bool {
    matches!(element, Element::Literal(byte) if byte.is_ascii_alphabetic())
}

/// Whether an element is a digit of its own.
const fn is_digit(element: Element) -> bool {
    matches!(element, Element::Literal(byte) if byte.is_ascii_digit())
}

/// Where letters that end at `at` begin, if no word runs into them. The letter of a written-out `\n` is none.
fn lead_start(text: Text<'_>, at: usize, n_max: usize) -> Option<usize> {
    let before = text.before(at, n_max.saturating_add(2));
    let n = before.iter().rev().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let start = at.checked_sub(n)?;
    let is_escape =
        matches!(text.get(start), Some(b'n' | b'r' | b't')) && text.back(start, 1) == Some(b'\\');
    let start = if is_escape { start.saturating_add(1) } else { start };
    let n = at.saturating_sub(start);
    let begins = text.is_boundary(start) || text.back(start, 1) == Some(b'_');
    ((1..=n_max).contains(&n) && begins).then_some(start)
}

/// Where letters and a separator that end at `at` begin. The letters are capitals: words come before most numbers.
fn joined_start(text: Text<'_>, at: usize) -> Option<usize> {
    if !matches!(text.back(at, 1), Some(b' ' | b'-')) {
        return None;
    }
    let end = at.saturating_sub(1);
    if !text.back(end, 1).is_some_and(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let start = lead_start(text, end, LEAD_JOINED_MAX)?;
    text.slice(start, end).iter().all(u8::is_ascii_uppercase).then_some(start)
}

/// Calls `found` with each place where a number may begin whose first digit stands at `at`.
pub(super) fn starts(text: Text<'_>, at: usize, mut found: impl FnMut(usize)) {
    if let Some(start) = joined_start(text, at) {
        found(start);
    }
    if text.is_boundary(at) || text.back(at, 1) == Some(b'_') {
        found(at);
    } else if let Some(start) = lead_start(text, at, LEAD_MAX) {
        found(start);
    }
}

/// The first place near the end of the text where a number may have begun whose digits are not there yet.
pub(super) fn partial(text: Text<'_>) -> usize {
    let end = text.len();
    let lead = lead_start(text, end, LEAD_MAX);
    lead.or_else(|| joined_start(text, end)).unwrap_or(end)
}

/// A number that has the form of a row.
struct Fit {
    id: [u8; ID_BYTES_MAX],
    n: usize,
    end: usize,
    has_small: bool,
    has_blank: bool,
}

impl Form {
    /// Reads the form from `start` on.
    fn fit(&self, text: Text<'_>, start: usize) -> Result<Option<Fit>, Stop> {
        let mut reader = text.reader(start);
        let mut fit =
            Fit { id: [0; ID_BYTES_MAX], n: 0, end: start, has_small: false, has_blank: false };
        for &element in &self.elements {
            let Some(byte) = reader.peek()? else { return Ok(None) };
            if !element.accepts(byte) {
                return Ok(None);
            }
            if let Element::Blank | Element::Hyphen = element {
                let is_blank = element == Element::Blank;
                let Some(found) = separator::next(&reader)? else { return Ok(None) };
                let fits = if is_blank {
                    found.join == Join::Space
                } else {
                    matches!(found.join, Join::Hyphen | Join::Dash)
                };
                if !fits || found.wide {
                    return Ok(None);
                }
                fit.has_blank |= is_blank;
                reader.skip(found.n_bytes);
                continue;
            }
            fit.has_small |= byte.is_ascii_lowercase();
            // Words come after most numbers.
            if fit.has_blank && fit.has_small {
                return Ok(None);
            }
            if byte.is_ascii_alphanumeric() {
                let Some(slot) = fit.id.get_mut(fit.n) else { return Ok(None) };
                *slot = byte.to_ascii_uppercase();
                fit.n = fit.n.saturating_add(1);
            }
            reader.skip(1);
        }
        fit.end = reader.at;
        Ok(end_of_number(&reader)?.then_some(fit))
    }
}

/// Whether the number ends here, and is no part of a longer one.
fn end_of_number(reader: &Reader<'_>) -> Result<bool, Stop> {
    Ok(match reader.peek()? {
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => false,
        Some(b'-' | b'/') => !reader.sees_ahead(1, |byte| byte.is_ascii_alphanumeric())?,
        Some(b'.' | b',' | b':') => !reader.sees_ahead(1, |byte| byte.is_ascii_digit())?,
        Some(b'%') => false,
        _ => true,
    })
}

/// What stands before a number and decides what it may be.
fn is_clear(text: Text<'_>, start: usize) -> bool {
    let is_digit_before = |n| text.back(start, n).is_some_and(|byte: u8| byte.is_ascii_digit());
    let is_word_before =
        |n| text.back(start, n).is_some_and(|byte: u8| byte.is_ascii_alphanumeric());
    match text.back(start, 1) {
        Some(b'-' | b'/') => !is_word_before(2),
        Some(b'.' | b',' | b':') => !is_digit_before(2),
        Some(b'$' | b'+' | b'%') => false,
        _ => true,
    }
}

/// Where the words that name rows stand, by row: the distance to the number of the nearest.
#[derive(Clone, Copy)]
struct Named([(u16, u16); 24], usize);

impl Named {
    fn before(text: Text<'_>, start: usize) -> Self {
        let plain = Plain::before(text, start, BEFORE_BYTES);
        let mut named = Self([(u16::MAX, u16::MAX); 24], 0);
        let n = plain.bytes().len();
        TABLE.words.find(&plain, |row, _, end| named.add(row, n.saturating_sub(end)));
        named
    }

    fn after(text: &[u8]) -> Self {
        let plain = Plain::of(text);
        let mut named = Self([(u16::MAX, u16::MAX); 24], 0);
        TABLE.words.find(&plain, |row, at, _| named.add(row, at));
        named
    }

    fn add(&mut self, row: u16, distance: usize) {
        let distance = u16::try_from(distance).unwrap_or(u16::MAX);
        // The later word is the nearer one: where there is no room, it takes the first's place.
        if let Some(slot) = self.0.get_mut(self.1 % 24) {
            *slot = (row, distance);
        }
        self.1 = self.1.saturating_add(1);
    }

    fn distance(&self, row: u16) -> Option<u16> {
        if self.1 == 0 {
            return None;
        }
        self.0.iter().filter(|named| named.0 == row).map(|named| named.1).min()
    }
}

/// Support of a word, less the distance; of a word after; and of a form that stands alone, plus the number's length.
const NAMED: u32 = 1000;
const NAMED_AFTER: u32 = 600;
const ALONE: u32 = 300;
/// Most kinds that wait for a word after the number.
const WAITING_MAX: usize = 48;

/// What fits so far.
struct Fits {
    /// The best supported, and how well.
    best: Option<(u32, Hit)>,
    /// Rows with a checksum that nothing supports yet, and how long the number is. The checksum is computed late: most numbers have
    /// no words near them at all.
    waiting: [(u16, u8); WAITING_MAX],
    n_waiting: usize,
}

impl Fits {
    fn add(&mut self, score: u32, hit: Hit) {
        if score > self.best.map_or(0, |(best, _)| best) {
            self.best = Some((score, hit));
        }
    }

    fn wait(&mut self, row: u16, n_bytes: usize) {
        if let Some(slot) = self.waiting.get_mut(self.n_waiting) {
            *slot = (row, u8::try_from(n_bytes).unwrap_or(u8::MAX));
            self.n_waiting = self.n_waiting.saturating_add(1);
        }
    }
}

/// Most bytes from the end of a number's first run to the last byte in which a word may name it.
const REACH_BYTES: usize = 2 * ID_BYTES_MAX + AFTER_BYTES;

/// Whether no word can name a number that begins at `start` and whose first run ends at `run_end`. It looks at what is at hand only, and
/// says no where that is not enough: a wrong `no` costs time and changes nothing.
fn is_wordless(text: Text<'_>, start: usize, run_end: usize) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80;
    let end = run_end.saturating_add(REACH_BYTES);
    (end <= text.len() || text.is_whole())
        && !text.before(start, BEFORE_BYTES).iter().any(is_letter)
        && !text.slice(run_end, end.min(text.len())).iter().any(is_letter)
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n_lead = reader.run(|byte| byte.is_ascii_alphabetic(), LEAD_MAX.saturating_add(1))?;
    let joined = n_lead > 0 && reader.sees(|byte| matches!(byte, b' ' | b'-'))?;
    reader.skip(usize::from(joined));
    let run_at = if joined { reader.at } else { start };
    let n_digits = reader.run(|byte| byte.is_ascii_digit(), RUN_MAX.saturating_add(1))?;
    if n_lead > LEAD_MAX || n_digits > RUN_MAX || n_digits == 0 {
        return Err(Stop::No);
    }
    let Some(list) = TABLE.buckets.get(bucket(n_lead, joined, n_digits)).filter(|l| !l.is_empty())
    else {
        return Err(Stop::No);
    };
    let is_character = |byte: u8| byte.is_ascii_alphanumeric();
    reader.run(is_character, ID_BYTES_MAX)?;
    let n_run = reader.at.saturating_sub(run_at);
    let next = reader.peek()?;
    let mut second = None;
    let n_second = match next {
        Some(b' ' | b'-' | b'.' | b'/' | b'(' | b'+') => {
            reader.skip(1);
            second = reader.peek()?;
            Some(reader.run(is_character, ID_BYTES_MAX)?)
        }
        _ => None,
    };
    let outline = Outline { n_run, next, n_second, second };
    // Lists are sorted by the length of the run.
    let from = list.partition_point(|entry| usize::from(entry.n_run) < n_run);
    let same = list.iter().skip(from).take_while(|entry| usize::from(entry.n_run) == n_run);
    let mut entries = same.filter(|entry| entry.may_fit(&outline)).peekable();
    // Nearly all numbers end here.
    if entries.peek().is_none() {
        return Err(Stop::No);
    }
    // Tables have no words, and without any only what can stand alone is one.
    let is_wordless = is_wordless(text, start, run_at.saturating_add(n_run));
    let mut named = None;
    let mut fits = Fits { best: None, waiting: [(0, 0); WAITING_MAX], n_waiting: 0 };
    for entry in entries {
        let Some(form) = TABLE.forms.get(usize::from(entry.form)) else { continue };
        if is_wordless && !form.rows.iter().any(|&(_, is_alone)| is_alone) {
            continue;
        }
        if let Some(fit) = form.fit(text, start)? {
            weigh(text, start, form, &fit, &mut named, &mut fits)?;
        }
    }
    if fits.best.is_none() && fits.n_waiting > 0 {
        named_after(text, start, &mut fits)?;
    }
    fits.best.map(|(_, hit)| hit).ok_or(Stop::No)
}

/// Adds what each row of a form that fits says.
fn weigh(
    text: Text<'_>,
    start: usize,
    form: &Form,
    fit: &Fit,
    named: &mut Option<Named>,
    fits: &mut Fits,
) -> Result<(), Stop> {
    // A group in the middle of a list of numbers begins nothing.
    let follows_number = text.back(start, 1) == Some(b' ')
        && text.back(start, 2).is_some_and(|byte| byte.is_ascii_digit());
    if fit.has_blank && follows_number {
        return Ok(());
    }
    let id = fit.id.get(..fit.n).unwrap_or_default();
    for &(number, is_alone) in &form.rows {
        let Some(row) = TABLE.rows.get(usize::from(number)) else { continue };
        let named = named.get_or_insert_with(|| Named::before(text, start));
        let distance = named.distance(number);
        let alone = is_alone && stands_alone(text, start, fit)?;
        if distance.is_none() && !alone {
            if row.check.is_some() {
                fits.wait(number, fit.end.saturating_sub(start));
            }
            continue;
        }
        if row.check.is_some_and(|check| !check(id)) {
            continue;
        }
        let of_words = distance.map_or(0, |distance| NAMED.saturating_sub(u32::from(distance)));
        let of_form = if alone { ALONE } else { 0 };
        let of_length = u32::try_from(fit.n).unwrap_or(0);
        let support = match (distance, row.check) {
            (_, Some(_)) if alone => Support::Checksum,
            (Some(_), _) => Support::Context,
            _ => Support::Form,
        };
        let hit = Hit { support, ..Hit::new(start, fit.end).of(row.kind) };
        fits.add(of_words.saturating_add(of_form).saturating_add(of_length), hit);
    }
    Ok(())
}

/// Whether a form that can stand alone does so here: in capitals, and in no list of numbers.
fn stands_alone(text: Text<'_>, start: usize, fit: &Fit) -> Result<bool, Stop> {
    if fit.has_small || !is_clear(text, start) {
        return Ok(false);
    }
    if !fit.has_blank {
        return Ok(true);
    }
    let after = text.reader(fit.end);
    let goes_on =
        after.sees(|byte| byte == b' ')? && after.sees_ahead(1, |byte| byte.is_ascii_digit())?;
    Ok(!goes_on)
}

/// Numbers with a checksum may also be named after: `123456782 (BSN)`.
fn named_after(text: Text<'_>, start: usize, fits: &mut Fits) -> Result<(), Stop> {
    let mut read: Option<(u8, Named)> = None;
    for (number, n_bytes) in fits.waiting.into_iter().take(fits.n_waiting) {
        let end = start.saturating_add(usize::from(n_bytes));
        if read.as_ref().is_none_or(|&(n, _)| n != n_bytes) {
            let mut after = text.reader(end);
            after.run(|byte| byte != b'\n', AFTER_BYTES)?;
            read = Some((n_bytes, Named::after(text.slice(end, after.at))));
        }
        let distance = read.as_ref().and_then(|(_, named)| named.distance(number));
        let row = TABLE.rows.get(usize::from(number));
        if let (Some(distance), Some(row)) = (distance, row)
            && row.check.is_some_and(|check| check(&characters(text.slice(start, end))))
        {
            let score = NAMED_AFTER.saturating_sub(u32::from(distance));
            let hit = Hit { support: Support::Context, ..Hit::new(start, end).of(row.kind) };
            fits.add(score, hit);
        }
    }
    Ok(())
}

/// The letters and digits of a number, in capitals.
fn characters(number: &[u8]) -> Vec<u8> {
    let kept = number.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(u8::to_ascii_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed() {
        for row in &TABLE.rows {
            assert!(!row.forms.is_empty() && !row.words.is_empty(), "{:?}", row.kind);
            for form in row.forms {
                let n = form
                    .bytes()
                    .filter(|&byte| !matches!(Element::of(byte), Element::Blank | Element::Hyphen))
                    .count();
                assert!(n <= ID_BYTES_MAX, "{form}");
            }
            let plain =
                |word: &str| String::from_utf8_lossy(Plain::of(word.as_bytes()).bytes()) == word;
            assert!(row.words.iter().all(|word| plain(word)), "{:?}", row.words);
        }
    }

    #[test]
    fn every_form_is_in_some_bucket() {
        for (form, number) in TABLE.forms.iter().zip(0_u16..) {
            let is_there = TABLE.buckets.iter().flatten().any(|entry| entry.form == number);
            assert!(is_there, "{:?}", form.elements);
        }
    }
}
