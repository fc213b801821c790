//! Tokens that say by their prefix who gave them out.
use super::names::NAMES;
use super::pattern::{Matched, Pattern, Piece, RUN_BYTES_MAX};
use super::prefixes::{MARKS, PREFIXES};
use super::random;
use crate::gate::Head;
use crate::kinds::{Kind, Secret, Support};
use crate::rules::{Rule, glued};
use crate::text::{Answer, Class, Hit, Reader, Stop, Text, is_base64url};
use std::sync::LazyLock;

/// One format.
struct Form {
    kind: Secret,
    prefix: &'static [u8],
    /// Letters and digits of the token that stand before the prefix, which is a mark inside it then.
    n_before: usize,
    body: Pattern,
    /// The prefix is enough to know it by, whatever is glued before.
    marked: bool,
}

/// The formats, by their first two bytes; of those that share them, the longest prefix first.
static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let rows = PREFIXES.iter().flat_map(|&(kind, rows)| rows.iter().map(move |row| (kind, row)));
    let forms = rows.filter_map(|(kind, &(prefix, body))| {
        let (n_before, prefix) = match prefix.split_once('>') {
            Some((n_before, prefix)) => (n_before.parse().ok()?, prefix),
            None => (0, prefix),
        };
        let (marked, body) = (MARKS.contains(&prefix), Pattern::parse(body)?);
        Some(Form { kind, prefix: prefix.as_bytes(), n_before, body, marked })
    });
    let mut forms: Vec<Form> = forms.collect();
    forms.sort_by_key(|form| (form.mark(), std::cmp::Reverse(form.prefix.len())));
    forms
});

/// The formats that are known by their prefix alone, by its last two bytes.
static MARKED: LazyLock<Vec<&Form>> = LazyLock::new(|| {
    let mut forms: Vec<&Form> = FORMS.iter().filter(|form| form.marked).collect();
    forms.sort_by_key(|form| form.last_two());
    forms
});

static MARK_ENDS: LazyLock<glued::Ends> =
    LazyLock::new(|| glued::Ends::new(MARKED.iter().map(|form| form.prefix)));

impl Form {
    fn last_two(&self) -> Option<[u8; 2]> {
        self.prefix.last_chunk().copied()
    }

    fn mark(&self) -> Option<[u8; 2]> {
        self.prefix.first_chunk().copied()
    }

    /// Whether the letters that must stand before the prefix do.
    fn has_left(&self, text: Text<'_>, start: usize) -> bool {
        let before = text.before(start, self.n_before);
        self.n_before == 0
            || (before.len() == self.n_before
                && before.iter().all(u8::is_ascii_alphanumeric)
                && text.is_boundary(start.saturating_sub(self.n_before)))
    }
}

/// What the gate knows every format by. A prefix of two is looked for with every byte that may come third.
pub(super) fn heads() -> Vec<Head> {
    let mut heads = Vec::new();
    for form in FORMS.iter() {
        let bounded = form.n_before == 0;
        if let ([first, second], Some(Piece::Run { class, .. })) =
            (form.prefix, form.body.pieces.first())
        {
            let thirds = (0..=127).filter(|&byte| class(byte));
            heads
                .extend(thirds.map(|third| {
                    Head::new(Rule::Vendor, [*first, *second, third], false, bounded)
                }));
        }
        heads.extend(Head::rarest(Rule::Vendor, form.prefix, false, bounded));
        // Markup writes `sk\_live\_`.
        let underscored = form.prefix.split(|&byte| byte == b'_').collect::<Vec<_>>();
        if underscored.len() > 1 {
            let escaped = underscored.join(b"\\_".as_slice());
            heads.extend(Head::rarest(Rule::Vendor, &escaped, false, bounded));
            heads.extend(form.marked.then(|| Head::mark(Rule::Vendor, &escaped)));
        }
        heads.extend(form.marked.then(|| Head::mark(Rule::Vendor, form.prefix)));
    }
    heads
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    match at_prefix(text, start) {
        Err(Stop::No) => after_mark(text, start),
        answer => answer,
    }
}

/// The token whose prefix ends here and has something glued to it.
fn after_mark(text: Text<'_>, start: usize) -> Answer {
    let last_two = glued::last_two(text, start);
    if !last_two.is_some_and(|last| MARK_ENDS.contains(last)) {
        return Err(Stop::No);
    }
    let from = MARKED.partition_point(|form| form.last_two() < last_two);
    let is_so = |form: &&&Form| form.last_two() == last_two;
    for form in MARKED.iter().skip(from).take_while(is_so) {
        let Some(mark) = glued::start_of(text, start, form.prefix) else { continue };
        if !glued::is_drawn(text, start, REST, random::looks_drawn)? {
            return Err(Stop::No);
        }
        match glued::without_mark(text, start, read_body(form, text.reader(start), mark)) {
            Err(Stop::No) => {}
            answer => return answer,
        }
    }
    Err(Stop::No)
}

fn at_prefix(text: Text<'_>, start: usize) -> Answer {
    let reader = text.reader(start);
    let (Some(first), Some(second)) = (reader.peek()?, reader.peek_ahead(1)?) else {
        return Err(Stop::No);
    };
    let mark = Some([first, second]);
    let from = FORMS.partition_point(|form| form.mark() < mark);
    for form in FORMS.iter().skip(from).take_while(|form| form.mark() == mark) {
        let mut reader = reader;
        if form.has_left(text, start) && eat_prefix(&mut reader, form.prefix)? {
            match read_body(form, reader, start) {
                Err(Stop::No) => {}
                answer => return answer,
            }
        }
    }
    Err(Stop::No)
}

fn read_body(form: &Form, mut reader: Reader<'_>, start: usize) -> Answer {
    let n_prefix = reader.at.saturating_sub(start);
    let Matched { end, goes_on } = form.body.read(&mut reader)?;
    let mut hit = Hit::new(start, end).of(form.kind);
    hit.goes_on = goes_on;
    let token = reader.text().slice(start, end);
    if form.body.checksum.is_some_and(|checksum| checksum.is_right(token, n_prefix)) {
        hit.support = Support::Checksum;
    }
    Ok(hit)
}

/// Steps over a prefix, whose underscores may be written as markup does: `\_`.
fn eat_prefix(reader: &mut Reader<'_>, prefix: &[u8]) -> Result<bool, Stop> {
    for want in prefix {
        if *want == b'_' && reader.sees(|byte| byte == b'\\')? {
            reader.skip(1);
        }
        if reader.peek()? != Some(*want) {
            return Ok(false);
        }
        reader.skip(1);
    }
    Ok(true)
}

/// Where a token goes on after the bound of a finding, no prefix says any more which bytes it may have.
const REST: Class = |byte| is_base64url(byte) || matches!(byte, b'+' | b'/' | b'=' | b'%' | b'.');

pub(in crate::rules) fn go_on(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    let n = reader.run_long(REST, RUN_BYTES_MAX)?;
    Ok(Hit { goes_on: n == RUN_BYTES_MAX, ..Hit::new(start, reader.at) })
}

/// A text in which the kind with this name is found, made from the tables.
pub(crate) fn example(name: &str) -> Option<String> {
    let is_named = |kind: Secret| Kind::from(kind).name() == name;
    if let Some(form) = FORMS.iter().find(|form| is_named(form.kind)) {
        let mut token = std::str::from_utf8(form.prefix).ok()?.to_owned();
        form.body.write(&mut token);
        if let Some(checksum) = form.body.checksum {
            super::checksum::complete(checksum, &mut token, form.prefix.len());
        }
        let before = "a1B2c3D4e5F6g7".get(..form.n_before)?;
        return Some([before, &token].concat());
    }
    let row = NAMES.iter().find(|row| is_named(row.kind))?;
    let pattern = Pattern::parse(row.values.first()?)?;
    let mut value = [row.words.first()?, "_token = \""].concat();
    pattern.write(&mut value);
    value.push('"');
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_written() {
        for (kind, rows) in PREFIXES {
            for (prefix, body) in *rows {
                assert!(Pattern::parse(body).is_some(), "{kind:?} {prefix} {body}");
                let bytes = prefix.split_once('>').map_or(*prefix, |(_, prefix)| prefix);
                assert!(bytes.len() >= 2 && bytes.is_ascii(), "{kind:?} {prefix}");
            }
        }
        for mark in MARKS {
            let is_row = |(prefix, _): &&(&str, &str)| prefix == mark;
            assert!(PREFIXES.iter().any(|(_, rows)| rows.iter().any(|row| is_row(&row))), "{mark}");
        }
        let n_rows: usize = PREFIXES.iter().map(|(_, rows)| rows.len()).sum();
        assert_eq!(FORMS.len(), n_rows);
    }

    /// Each format finds a token of its own, whole and nothing but it.
    #[test]
    fn every_format_finds_its_token() {
        for form in FORMS.iter() {
            let mut token =
                std::str::from_utf8(form.prefix).expect("prefixes are ASCII").to_owned();
            form.body.write(&mut token);
            if let Some(checksum) = form.body.checksum {
                super::super::checksum::complete(checksum, &mut token, form.prefix.len());
            }
            let before =
                ["id ", "a1B2c3D4e5F6g7".get(..form.n_before).unwrap_or_default()].concat();
            let text = [&before, &token, " and so on"].concat();
            let hit = decide(Text::new(text.as_bytes(), true, true), before.len());
            let hit = hit.unwrap_or_else(|stop| panic!("{:?}: {text}: {stop:?}", form.kind));
            assert_eq!((hit.start, hit.end), (before.len(), before.len() + token.len()), "{text}");
            let n_prefix = form.prefix.len();
            let short = text.get(..=before.len() + n_prefix).unwrap_or_default();
            assert!(
                decide(Text::new(short.as_bytes(), true, true), before.len()).is_err(),
                "{short}"
            );
        }
    }
}
