//! Cuts a channel into sentences at places that depend on the text before them and on one byte after, so that cuts change nothing.

/// From so many bytes on, a sentence ends at the next blank.
const SENTENCE_BYTES: usize = 400;
/// Where it ends at the latest, save for the rest of a character.
pub(super) const SENTENCE_BYTES_MAX: usize = 480;

/// What a line looks like. An instruction among the rows of a table looks like none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Look {
    /// Nothing there: before the first sentence, after the last.
    #[default]
    Edge,
    /// Words and full stops.
    Prose,
    /// Cells between bars, tabs or many commas.
    Row,
    /// Braces, semicolons, calls.
    Code,
    /// `Subject: ...`
    Header,
    /// A bullet or a number and a point.
    Item,
    /// Tags.
    Markup,
}

/// A reader that stands somewhere in an unfinished sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cutter {
    /// Bytes of the sentence that were read.
    at: usize,
    n_words: usize,
    in_word: bool,
}

impl Cutter {
    /// The length of the sentence at the start of `text`, once it is known to end; `text` is the same text as at the last call, or longer.
    pub(super) fn end(&mut self, text: &[u8], ended: bool) -> Option<usize> {
        while let Some(&byte) = text.get(self.at) {
            let next = text.get(self.at.saturating_add(1)).copied();
            // What follows decides at these bytes, so it must be there.
            if next.is_none() && !ended && matches!(byte, b'.' | b'!' | b'?' | b'\\') {
                return None;
            }
            let after = self.at.saturating_add(1);
            let is_word = byte.is_ascii_alphanumeric() || byte >= 0x80;
            let is_end = match byte {
                b'\n' => self.n_words > 0,
                b'\\' => next == Some(b'n') && self.n_words > 0,
                b'.' => self.n_words > 2 && is_after_sentence(next),
                b'!' | b'?' => self.n_words > 1 && is_after_sentence(next),
                0x80.. => self.n_words > 0 && is_full_stop(text.get(..after).unwrap_or_default()),
                _ => false,
            };
            // `\n` has two bytes, the second of which is no letter.
            let after = if is_end && byte == b'\\' { after.saturating_add(1) } else { after };
            if is_end {
                *self = Self::default();
                return Some(after);
            }
            if self.is_long(byte) {
                let end = self.at;
                *self = Self::default();
                return Some(end);
            }
            if is_word && !self.in_word {
                self.n_words = self.n_words.saturating_add(1);
            }
            self.in_word = is_word;
            self.at = after;
        }
        if ended && !text.is_empty() {
            *self = Self::default();
            return Some(text.len());
        }
        None
    }

    /// Whether a sentence without an end is cut before this byte: never inside a character, as long as there are characters.
    fn is_long(self, byte: u8) -> bool {
        (self.at >= SENTENCE_BYTES && byte == b' ')
            || (self.at >= SENTENCE_BYTES_MAX && byte & 0xc0 != 0x80)
            || self.at >= SENTENCE_BYTES_MAX.saturating_add(8)
    }
}

fn is_after_sentence(next: Option<u8>) -> bool {
    next.is_none_or(|byte| {
        byte.is_ascii_whitespace()
            || matches!(byte, b'"' | b'\'' | b')' | b']' | b'<' | b'|' | b'\\' | b'*')
    })
}

/// Whether the bytes end in a full stop of a script that has its own.
fn is_full_stop(bytes: &[u8]) -> bool {
    ["。", "！", "？", "।", "؟", "．"].iter().any(|mark| bytes.ends_with(mark.as_bytes()))
}

/// How many of each sort of marks a sentence has.
#[derive(Default)]
struct Marks {
    cells: usize,
    commas: usize,
    digits: usize,
    code: usize,
}

impl Marks {
    fn of(text: &[u8]) -> Self {
        let mut marks = Self::default();
        for byte in text {
            let n = match byte {
                b'|' | b'\t' => &mut marks.cells,
                b',' => &mut marks.commas,
                b'0'..=b'9' => &mut marks.digits,
                b'{' | b'}' | b';' | b'=' | b'(' | b')' | b'_' => &mut marks.code,
                _ => continue,
            };
            *n = n.saturating_add(1);
        }
        marks
    }
}

/// What a sentence looks like.
pub(super) fn look(sentence: &[u8]) -> Look {
    let text = sentence.trim_ascii();
    let marks = Marks::of(text);
    let Some(&first) = text.first() else { return Look::Edge };
    let last = text.last().copied().unwrap_or(first);
    if marks.cells >= 2 || (marks.commas >= 4 && marks.digits.saturating_mul(4) > text.len()) {
        return Look::Row;
    }
    if first == b'<' || text.ends_with(b"/>") || (last == b'>' && text.contains(&b'<')) {
        return Look::Markup;
    }
    let n_code = marks.code.saturating_mul(16);
    if matches!(last, b'{' | b'}' | b';')
        || text.starts_with(b"//")
        || n_code > text.len().saturating_mul(2)
    {
        return Look::Code;
    }
    let head = text.get(..text.len().min(24)).unwrap_or_default();
    if let Some(colon) = head.iter().position(|&byte| byte == b':')
        && head.get(..colon).is_some_and(|name| name.split(|&byte| byte == b' ').count() <= 2)
        && text.get(colon.saturating_add(1)) != Some(&b'/')
    {
        return Look::Header;
    }
    let is_number = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if matches!(text.get(..2), Some(b"- " | b"* "))
        || (is_number > 0 && matches!(text.get(is_number), Some(b'.' | b')')))
    {
        return Look::Item;
    }
    Look::Prose
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentences(text: &str, n_bytes: usize) -> Vec<String> {
        let (mut cutter, mut buffer, mut found) = (Cutter::default(), Vec::new(), Vec::new());
        let mut cut = |buffer: &mut Vec<u8>, ended| {
            while let Some(end) = cutter.end(buffer, ended) {
                found.push(
                    String::from_utf8_lossy(&buffer.drain(..end).collect::<Vec<_>>()).into_owned(),
                );
            }
        };
        for chunk in text.as_bytes().chunks(n_bytes) {
            buffer.extend_from_slice(chunk);
            cut(&mut buffer, false);
        }
        cut(&mut buffer, true);
        found
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        for (name, text, n_sentences) in [
            ("two", "Hello to you all. It is late!", 2),
            ("numbers", "It costs 4.50 or 3.20 in all", 1),
            ("lines", "one\ntwo\n\n\nthree", 3),
            ("written line ends", r"one two\nthree four\nfive", 3),
            ("title", "Dr. Who is there. He is.", 2),
            ("Chinese", "你好。再见。", 2),
            ("Hindi", "यह है। वह था।", 2),
            ("only blanks", "   \n\n  ", 1),
            ("nothing", "", 0),
            ("no end", &"a".repeat(1000), 3),
        ] {
            let found = sentences(text, 1000);
            assert_eq!(found.len(), n_sentences, "{name}: {found:?}");
            assert_eq!(found.concat(), text, "{name}");
            for n_bytes in 1..8 {
                assert_eq!(
                    sentences(text, n_bytes).len(),
                    n_sentences,
                    "{name} in pieces of {n_bytes}"
                );
            }
        }
    }

    #[test]
    fn lines_look_like_what_they_are() {
        for (text, want) in [
            ("| 2019 | 44 | north |", Look::Row),
            ("The town met on Tuesday.", Look::Prose),
            ("Subject: the bridge", Look::Header),
            ("let x = call(a, b);", Look::Code),
            ("- buy milk", Look::Item),
            ("12) stir", Look::Item),
            ("<p>hello</p>", Look::Markup),
            ("  ", Look::Edge),
            ("https://example.org/path", Look::Prose),
        ] {
            assert_eq!(look(text.as_bytes()), want, "{text}");
        }
    }
}
