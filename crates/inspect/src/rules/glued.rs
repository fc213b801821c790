//! Marks that say by themselves what comes after them: `AKIA` and sixteen of its letters, `ghp_` and thirty-six, are a key whatever is
//! glued before. A model that is told to can put one letter there, and no rule that wants a word to begin would see the key.
//!
//! Such a finding begins after the mark, which is public: so nothing of an ordinary word has to be held back until it shows that it is no
//! mark. Where a word may begin at the mark, the rule's own candidate finds the token whole, mark included.
use super::sample;
use crate::text::{Answer, Class, Stop, Text};

/// Bytes of a body that must look drawn before the whole of it is read, so that a text of marks is not read once for each.
const HEAD_BYTES: usize = 48;

/// The last two bytes of what may be a mark: nearly all that is none is told by them.
pub(super) fn last_two(text: Text<'_>, end: usize) -> Option<[u8; 2]> {
    let last = text.back(end, 1)?;
    let n_before = if last == b'_' && text.back(end, 2) == Some(b'\\') { 3 } else { 2 };
    Some([text.back(end, n_before)?, last])
}

/// A bit for each two bytes of ASCII that a mark ends with.
pub(super) struct Ends([u128; 128]);

impl Ends {
    pub(super) fn new<'m>(marks: impl Iterator<Item = &'m [u8]>) -> Self {
        let mut ends = [0; 128];
        for last in marks.filter_map(<[u8]>::last_chunk) {
            let &[before, last] = last;
            if let Some(word) = ends.get_mut(usize::from(last)) {
                *word |= 1 << (before & 127);
            }
        }
        Self(ends)
    }

    #[inline]
    pub(super) fn contains(&self, [before, last]: [u8; 2]) -> bool {
        let word = self.0.get(usize::from(last)).copied().unwrap_or(0);
        before < 128 && word >> before & 1 == 1
    }
}

/// Where a mark begins that ends at an offset and that something is glued to; its underscores may be written as markup does: `\_`.
pub(super) fn start_of(text: Text<'_>, end: usize, mark: &[u8]) -> Option<usize> {
    let mut at = end;
    for &want in mark.iter().rev() {
        if text.back(at, 1) != Some(want) {
            return None;
        }
        at = at.saturating_sub(1);
        if want == b'_' && text.back(at, 1) == Some(b'\\') {
            at = at.saturating_sub(1);
        }
    }
    (!super::is_boundary_of_literal(text, at)).then_some(at)
}

/// Whether what follows begins like a body that a machine drew.
pub(super) fn is_drawn(
    text: Text<'_>,
    start: usize,
    class: Class,
    judge: fn(&[u8]) -> bool,
) -> Result<bool, Stop> {
    let mut reader = text.reader(start);
    reader.run(class, HEAD_BYTES)?;
    Ok(judge(text.slice(start, reader.at)))
}

/// What was found from the mark on, without the mark. Published samples are excused with it.
pub(super) fn without_mark(text: Text<'_>, start: usize, answer: Answer) -> Answer {
    match sample::excused(text, answer) {
        Ok(mut hit) => {
            hit.start = start;
            Ok(hit)
        }
        // What is inside is judged by itself.
        Err(Stop::NoUntil(_)) => Err(Stop::No),
        other => other,
    }
}
