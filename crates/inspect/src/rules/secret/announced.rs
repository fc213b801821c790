//! What stands before a value and says what it is: `api_key = "`, `Authorization: Bearer `, `<token>`, `--secret `.
//!
//! The words must stand in the same line and near, so that a text which talks of keys announces none.
use super::words::{self, Vendor};
use crate::text::Text;

/// Bytes before a value that are read.
pub(super) const CONTEXT_BYTES_MAX: usize = 84;
/// The same, where nothing but a blank stands before the value.
const BLANK_CONTEXT_BYTES_MAX: usize = 48;
/// Bytes before a value in which a vendor's name counts.
const VENDOR_BYTES_MAX: usize = 64;

/// How words announce a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// The name that the value is given to is one of a secret: `db_token = `, or a word right before it.
    Name,
    /// Such a word stands in the line: `token for the tests: `.
    Line,
    /// Nothing does but the value is given to something; a vendor's name may still say it.
    Vendor,
}

/// The words before a value.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) strength: Strength,
    /// The scheme of an HTTP header is right before the value: `Basic `.
    pub(super) basic: bool,
    /// The vendors whose names stand near.
    pub(super) vendors: Vec<&'static Vendor>,
}

/// Words that announce a secret wherever they stand in a name.
const WORDS: &[&[u8]] = &[
    b"token",
    b"secret",
    b"passw",
    b"passphrase",
    b"apikey",
    b"api_key",
    b"api-key",
    b"api key",
    b"credential",
    b"bearer",
    b"authorization",
    b"pwd",
    b"signature",
];
/// Words that do so only as a word of their own, or at the end of a longer one in capitals or after a capital.
const WHOLE_WORDS: &[&[u8]] =
    &[b"key", b"keys", b"auth", b"pass", b"cred", b"creds", b"sas", b"jwt", b"pat"];
/// Every word that announces something.
pub(super) fn all_words() -> impl Iterator<Item = &'static [u8]> {
    WORDS.iter().chain(WHOLE_WORDS).chain(BEFORE_BLANK).map(|word| word.trim_ascii_start())
}

/// What a name with one of these words says is no secret.
const NOT_SECRET: &[&[u8]] = &[
    b"public",
    b"publishable",
    b"primary",
    b"foreign",
    b"partition",
    b"cache",
    b"sort",
    b"idempotency",
    b"page",
    b"next",
    b"continuation",
    b"cursor",
    b"hash",
    b"hashed",
    b"checksum",
    b"sha",
    b"sha1",
    b"sha256",
    b"sha512",
    b"md5",
    b"digest",
    b"commit",
    b"revision",
    b"etag",
    b"integrity",
    b"fingerprint",
    b"thumbprint",
    b"trace",
    b"span",
    b"correlation",
    b"csrf",
    b"nonce",
    b"max",
    b"min",
    b"num",
    b"count",
    b"keyword",
    b"keywords",
    b"keyboard",
    b"tokenizer",
    b"pub",
];
/// The last words of names that say something about a secret and not what it is.
const NOT_LAST: &[&[u8]] = &[
    b"id", b"ids", b"name", b"path", b"file", b"url", b"uri", b"type", b"length", b"size",
    b"label", b"version", b"alias", b"arn", b"host", b"region", b"date", b"expires", b"dir",
    b"email", b"user",
];

/// Whether the byte may stand between a name and its value.
const fn is_gap(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b'\r'
            | b'"'
            | b'\''
            | b'`'
            | b'='
            | b':'
            | b'>'
            | b'('
            | b'['
            | b'{'
            | b'|'
            | b','
            | b'\\'
            | b'@'
            | b'!'
            | b'?'
            | b'-'
    )
}

/// Whether the byte gives a value to a name.
const fn is_giving(byte: u8) -> bool {
    matches!(byte, b'=' | b':' | b'>' | b'(' | b'|' | b'[')
}

/// Whether the byte gives a string to a name, and does something else before a word: `token - 'x'`, `["x", "y"]`, `Key{"x"}`.
const fn is_giving_strings(byte: u8) -> bool {
    matches!(byte, b',' | b'-' | b'{')
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Whether the gap gives a value to a name.
fn gives(gap: &[u8]) -> bool {
    let has = |class: fn(u8) -> bool| gap.iter().copied().any(class);
    has(is_giving) || (has(is_giving_strings) && has(is_quote))
}

/// Most bytes of a gap that is looked at first.
const GAP_BYTES_MAX: usize = 8;

/// Whether a value may begin here, by the bytes right before it: most places are told apart by these.
pub(super) fn may_begin(text: Text<'_>, start: usize) -> bool {
    let (mut n, mut gives, mut lists, mut quotes) = (0_usize, false, false, false);
    let word_ends = loop {
        let Some(byte) = text.back(start, n.saturating_add(1)) else { return false };
        if !is_gap(byte) || n >= GAP_BYTES_MAX {
            break byte;
        }
        gives |= is_giving(byte);
        lists |= is_giving_strings(byte);
        quotes |= is_quote(byte);
        n = n.saturating_add(1);
    };
    if n == 0 || gives || (lists && quotes) {
        return n > 0;
    }
    let end = start.saturating_sub(n);
    let word = text.before(end, WORD_BYTES_MAX);
    let shouts = word_ends.is_ascii_uppercase()
        && text.back(end, 2).is_some_and(|byte| !byte.is_ascii_lowercase());
    shouts || ends_in_word(word)
}

/// Bytes of a word that may stand before a value with a mere blank between them.
const WORD_BYTES_MAX: usize = 10;
/// Such words.
const BEFORE_BLANK: &[&[u8]] = &[
    b"bearer",
    b"basic",
    b"token",
    b"tokens",
    b"key",
    b"keys",
    b"secret",
    b"password",
    b"passwd",
    b"auth",
    b"apikey",
    b"credential",
    b" is",
];

fn ends_in_word(text: &[u8]) -> bool {
    let Some(last) = text.last().map(u8::to_ascii_lowercase) else { return false };
    BEFORE_BLANK.iter().filter(|word| word.last() == Some(&last)).any(|word| {
        let tail = text.get(text.len().saturating_sub(word.len())..);
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word))
    })
}

/// Reads what is before a value; `None` where nothing there can announce one.
pub(super) fn read(text: Text<'_>, start: usize) -> Option<Announced> {
    let before = text.before(start, CONTEXT_BYTES_MAX.min(n_read(text, start)));
    let n_gap = before.iter().rev().take_while(|&&byte| is_gap(byte)).count();
    let (left, gap) = before.split_at(before.len().saturating_sub(n_gap));
    if left.is_empty() || gap.is_empty() {
        return None;
    }
    let gives = gives(gap);
    // A value in a line of its own is given a name only where the line before ends in what gives it.
    let first_break = gap.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let goes_on = |byte: u8| is_giving(byte) || matches!(byte, b'{' | b',');
    if first_break.is_some_and(|at| !gap.iter().take(at).copied().any(goes_on)) {
        return None;
    }
    let line = line_of(left);
    let vendor = left.get(left.len().saturating_sub(VENDOR_BYTES_MAX)..).unwrap_or_default();
    // Nearly all text ends here.
    let names_vendor = words::may_name_vendor(vendor);
    let announces = words::may_announce(name_in(line, gives));
    if !names_vendor && !announces {
        return None;
    }
    let lower = line.to_ascii_lowercase();
    let (name, last) = name_of(&lower, line, gives);
    if !gives && !is_word_before(last, line) {
        return None;
    }
    let mut words = words_of(last, line);
    if words.clone().any(|word| NOT_SECRET.contains(&word))
        || words.next().is_some_and(|word| NOT_LAST.contains(&word))
    {
        return None;
    }
    let vendors = if names_vendor { words::near(&vendor.to_ascii_lowercase()) } else { Vec::new() };
    let strength = if announces && has_word(last, line) {
        Strength::Name
    } else if announces && has_word(name, line) {
        Strength::Line
    } else if vendors.is_empty() {
        return None;
    } else {
        Strength::Vendor
    };
    let basic = !gives_after_blank(gap) && last.ends_with(b"basic");
    Some(Announced { strength, basic, vendors })
}

/// How much must be read: after a mere blank, the words right before it.
fn n_read(text: Text<'_>, start: usize) -> usize {
    let is_blank = |n| matches!(text.back(start, n), Some(b' ' | b'\t'));
    let is_glue = |byte: u8| byte.is_ascii_alphanumeric();
    if is_blank(1) && text.back(start, 2).is_some_and(is_glue) {
        BLANK_CONTEXT_BYTES_MAX
    } else {
        CONTEXT_BYTES_MAX
    }
}

/// Whether something gives the value, with or without blanks around it.
fn gives_after_blank(gap: &[u8]) -> bool {
    gap.iter().any(|byte| !matches!(byte, b' ' | b'\t'))
}

/// The last line of a text. A written-out line end ends a line as well.
fn line_of(text: &[u8]) -> &[u8] {
    let broken = text.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
    let has_escape = text.contains(&b'\\');
    let written = if has_escape { text.windows(2).rposition(|pair| pair == b"\\n") } else { None };
    let from = match (broken.map(|at| at.saturating_add(1)), written.map(|at| at.saturating_add(2)))
    {
        (Some(one), Some(other)) => one.max(other),
        (one, other) => one.or(other).unwrap_or(0),
    };
    text.get(from..).unwrap_or_default()
}

/// The part of a line that belongs to the value: where something gives it, what follows the last sign between two such pairs.
fn name_in(line: &[u8], gives: bool) -> &[u8] {
    let is_cut = |byte: &u8| matches!(byte, b',' | b';' | b'&' | b'{' | b'}' | b'(' | b')' | b'?');
    let from = if gives { line.iter().rposition(is_cut) } else { None };
    line.get(from.map_or(0, |at| at.saturating_add(1))..).unwrap_or_default()
}

/// The part of a line that belongs to the value, and the last word in it with all that is glued to it.
fn name_of<'l>(lower: &'l [u8], line: &[u8], gives: bool) -> (&'l [u8], &'l [u8]) {
    let n_name = name_in(line, gives).len();
    let name = lower.get(lower.len().saturating_sub(n_name)..).unwrap_or_default();
    let is_glue =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$');
    let n_last = name.iter().rev().take_while(|byte| is_glue(byte)).count();
    let last = name.get(name.len().saturating_sub(n_last)..).unwrap_or_default();
    // `value = ` and `is ` say nothing; what stands before them does.
    let is_filler =
        matches!(last, b"value" | b"val" | b"is" | b"string" | b"text" | b"data" | b"content");
    if is_filler { (name, name) } else { (name, last) }
}

/// Whether the word right before a value, with only a blank between them, announces it: `Bearer x`, `--token x`, `KEY x`.
fn is_word_before(last: &[u8], line: &[u8]) -> bool {
    let written = line.get(line.len().saturating_sub(last.len())..).unwrap_or_default();
    let is_shouted = written.len() >= 2 && written.iter().all(|byte| !byte.is_ascii_lowercase());
    is_shouted || has_word(last, written) || ends_in_word(last)
}

/// The words of a name (in small letters, the end of `line`) from the last to the first: separators and capitals begin one.
fn words_of<'n>(name: &'n [u8], line: &'n [u8]) -> impl Iterator<Item = &'n [u8]> + Clone {
    let written = line.get(line.len().saturating_sub(name.len())..).unwrap_or_default();
    name.rsplit(|byte| !byte.is_ascii_alphanumeric()).flat_map(move |part| {
        // Where the part stands in the name, to see its capitals.
        let from = part.as_ptr().addr().saturating_sub(name.as_ptr().addr());
        let written = written.get(from..from.saturating_add(part.len())).unwrap_or_default();
        let mut end = part.len();
        std::iter::from_fn(move || {
            let head = written.get(..end).unwrap_or_default();
            let hump = head.windows(2).rposition(|pair| {
                matches!(pair, [before, after] if before.is_ascii_lowercase() && after.is_ascii_uppercase())
            });
            let begin = hump.map_or(0, |at| at.saturating_add(1));
            let word = part.get(begin..end).filter(|word| !word.is_empty())?;
            end = begin;
            Some(word)
        })
    })
}

/// Whether a name (in small letters, the end of `line`) holds a word that announces a secret.
fn has_word(name: &[u8], line: &[u8]) -> bool {
    let written = line.get(line.len().saturating_sub(name.len())..).unwrap_or_default();
    WORDS.iter().any(|word| contains(name, word))
        || WHOLE_WORDS.iter().any(|word| has_whole_word(name, written, word))
}

fn has_whole_word(name: &[u8], written: &[u8], word: &[u8]) -> bool {
    let places = name
        .windows(word.len())
        .enumerate()
        .filter(|(_, window)| window.first() == word.first() && window == &word);
    places.into_iter().any(|(at, _)| {
        let get = |at: Option<usize>| at.and_then(|at| written.get(at)).copied();
        let end = at.saturating_add(word.len());
        let (before, first, after) = (get(at.checked_sub(1)), get(Some(at)), get(Some(end)));
        let begins = before.is_none_or(|byte| !byte.is_ascii_alphabetic())
            || (before.is_some_and(|byte| byte.is_ascii_lowercase())
                && first.is_some_and(|byte| byte.is_ascii_uppercase()))
            // `APIKEY`, `skey`, `ikey`, `authkey`: glued to few letters, or to capitals.
            || (word == b"key" && after.is_none_or(|byte| !byte.is_ascii_alphabetic()));
        let ends = after.is_none_or(|byte| !byte.is_ascii_lowercase());
        begins && ends
    })
}

/// Whether a text (in small letters) holds a word.
pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    // Most places are told apart by their first byte.
    text.windows(word.len()).any(|window| window.first() == word.first() && window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_announce_what_they_name() {
        use Strength::{Line, Name, Vendor};
        for (before, want) in [
            ("api_key = \"", Some(Name)),
            ("\"secretToken\": \"", Some(Name)),
            ("[DEBUG] Using API_KEY=", Some(Name)),
            ("meistertask token = '", Some(Name)),
            ("Authorization: Bearer ", Some(Name)),
            ("curl --token ", Some(Name)),
            ("<apiKey>", Some(Name)),
            ("<secret>{vendor AQAAABAAA ", Some(Line)),
            ("<add key=\"ApiKey\" value=\"", Some(Name)),
            ("token for tests: ", Some(Line)),
            ("keys = [\"abc\", \"", Some(Line)),
            ("vendor = '", None),
            ("datadog = '", Some(Vendor)),
            ("key: \"abc\", hash: \"", None),
            ("access_key_id = ", None),
            ("tokenUrl: ", None),
            ("keyword = ", None),
            ("md5_key: ", None),
            ("the key ", Some(Name)),
            ("the key was ", None),
            ("about keys\n = '", None),
            ("token:\n  ", Some(Name)),
            ("monkey business ", None),
            ("", None),
            ("= ", None),
        ] {
            let text = [before, "x"].concat();
            let text = Text::new(text.as_bytes(), true, true);
            let strength = read(text, before.len()).map(|announced| announced.strength);
            assert_eq!(strength, want, "{before:?}");
        }
    }
}
