//! What a character above ASCII says to somebody who reads on: full-width, mathematical and circled letters are letters, those of other
//! scripts may look like ours, and some are not seen at all.
use super::name::View;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// Most bytes that one character folds to: a parenthesised number of two digits.
const FOLDED_BYTES_MAX: usize = 4;

/// What a character folds to; nothing at all for one that is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) view: View,
    bytes: [u8; FOLDED_BYTES_MAX],
    n: u8,
}

impl Folded {
    fn new(view: View, text: &str) -> Option<Self> {
        let mut bytes = [0; FOLDED_BYTES_MAX];
        for (at, byte) in text.bytes().enumerate() {
            *bytes.get_mut(at)? = byte;
        }
        Some(Self { view, bytes, n: u8::try_from(text.len()).ok()? })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.n)).unwrap_or_default()
    }

    /// Whether it is there to be read as something else wherever it stands. A letter of another script is not, nor are the full-width
    /// marks between words of Chinese and Japanese.
    pub(super) fn is_sure(self) -> bool {
        let says = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'_' | b'-');
        self.view == View::Tag || (self.view == View::Compatible && self.bytes().iter().any(says))
    }
}

/// Blocks of characters with some that fold: ordinary scripts without look-alikes are left out, and so is what is made for CJK.
static BLOCKS: &[(u32, u32)] = &[
    (0x00aa, 0x00be),
    (0x0131, 0x0131),
    (0x0180, 0x02ff),
    (0x0370, 0x058f),
    (0x10d0, 0x10ff),
    (0x13a0, 0x13ff),
    (0x1d00, 0x1dbf),
    (0x2024, 0x2024),
    (0x2070, 0x209f),
    (0x2100, 0x218f),
    (0x2460, 0x24ff),
    (0x2c60, 0x2c7f),
    (0x2c80, 0x2cff),
    (0xa4d0, 0xa4ff),
    (0xab30, 0xabbf),
    (0xfb00, 0xfb06),
    (0xfe52, 0xfe6b),
    (0xff01, 0xff5e),
    (0x1d400, 0x1d7ff),
    (0x1f100, 0x1f1aa),
];

/// Look-alikes where the tables of skeletons say something else: they fold capital I to l, and leave out what people take for one.
static LOOKS: &[(char, &str)] = &[
    ('\u{0406}', "I"),
    ('\u{0399}', "I"),
    ('\u{04c0}', "I"),
    ('\u{2c92}', "I"),
    ('\u{13a5}', "i"),
    ('\u{0432}', "b"),
    ('\u{0433}', "r"),
    ('\u{043a}', "k"),
    ('\u{043c}', "m"),
    ('\u{043d}', "h"),
    ('\u{043f}', "n"),
    ('\u{0442}', "t"),
    ('\u{0454}', "e"),
    ('\u{0437}', "3"),
    ('\u{03b2}', "b"),
    ('\u{03b5}', "e"),
    ('\u{03b7}', "n"),
    ('\u{03ba}', "k"),
    ('\u{03bc}', "u"),
    ('\u{03c4}', "t"),
    ('\u{03c7}', "x"),
    ('\u{03c9}', "w"),
    ('\u{0131}', "i"),
    ('\u{0261}', "g"),
    ('\u{0581}', "g"),
    ('\u{057c}', "n"),
    ('\u{0578}', "n"),
    ('\u{0575}', "j"),
    ('\u{2010}', "-"),
    ('\u{2011}', "-"),
    ('\u{2215}', "/"),
    ('\u{2223}', "|"),
];

type Page = [Option<Folded>; 256];

/// By the character's number without its last eight bits.
static PAGES: LazyLock<Vec<Option<Box<Page>>>> = LazyLock::new(|| {
    let mut pages: Vec<Option<Box<Page>>> = Vec::new();
    for &(first, last) in BLOCKS {
        for character in (first..=last).filter_map(char::from_u32) {
            if let Some(folded) = make(character) {
                put(&mut pages, character, folded);
            }
        }
    }
    for &(character, text) in LOOKS {
        if let Some(folded) = Folded::new(View::LookAlike, text) {
            put(&mut pages, character, folded);
        }
    }
    pages
});

fn put(pages: &mut Vec<Option<Box<Page>>>, character: char, folded: Folded) {
    let number = usize::try_from(u32::from(character)).unwrap_or(0);
    let page = number >> 8;
    if pages.len() <= page {
        pages.resize_with(page.saturating_add(1), || None);
    }
    if let Some(page) = pages.get_mut(page) {
        let page = page.get_or_insert_with(|| Box::new([None; 256]));
        if let Some(slot) = page.get_mut(number & 255) {
            *slot = Some(folded);
        }
    }
}

/// What Unicode says of a character: its compatible form, or its skeleton, where that is ASCII.
fn make(character: char) -> Option<Folded> {
    let is_ours = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let compatible: String = [character].into_iter().nfkd().collect();
    if is_ours(&compatible) {
        return Folded::new(View::Compatible, &compatible);
    }
    // A mathematical alpha is a Greek letter, which looks like ours.
    let looks: String = skeleton(&compatible).collect();
    let known = LOOKS.iter().find(|(other, _)| compatible.chars().eq([*other]));
    let looks = known.map_or(looks.as_str(), |(_, text)| text);
    if is_ours(looks) { Folded::new(View::LookAlike, looks) } else { None }
}

/// Whether a character has no width: it is left out. What does something in its script is left out as well; it is nothing but another way
/// to read, and what it finds must be there.
const fn is_unseen(number: u32) -> bool {
    matches!(number, 0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x180b..=0x180f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f
        | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xe0100..=0xe01ef)
        // Marks that stand over and under letters: a word that is struck through is still read.
        || matches!(number, 0x300..=0x36f | 0x489 | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20f0 | 0xfe20..=0xfe2f)
}

/// The zeros of scripts with digits of their own; nine more come after each: Arabic, Persian, the scripts of India, Sinhala, Thai, Lao,
/// Tibetan, Burmese, Khmer, Mongolian.
static ZEROS: [u32; 18] = [
    0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x17e0, 0x1810,
];

/// The digit that a character of another script is.
fn digit(number: u32) -> Option<Folded> {
    let (first, last) = (*ZEROS.first()?, *ZEROS.last()?);
    if number < first || number > last.saturating_add(9) {
        return None;
    }
    let zero = *ZEROS.get(ZEROS.partition_point(|&zero| zero <= number).checked_sub(1)?)?;
    let value = u8::try_from(number.saturating_sub(zero)).ok().filter(|&value| value < 10)?;
    Some(Folded { view: View::Digit, bytes: [b'0'.saturating_add(value), 0, 0, 0], n: 1 })
}

/// What a character above ASCII folds to; nothing if it stands for itself.
pub(super) fn fold(character: char) -> Option<Folded> {
    let number = u32::from(character);
    if is_unseen(number) {
        return Some(Folded { view: View::Invisible, bytes: [0; FOLDED_BYTES_MAX], n: 0 });
    }
    if let 0xe0000..=0xe007f = number {
        let byte = u8::try_from(number & 0x7f).unwrap_or(0);
        let n = u8::from(matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e));
        return Some(Folded { view: View::Tag, bytes: [byte, 0, 0, 0], n });
    }
    let page = usize::try_from(number >> 8).unwrap_or(usize::MAX);
    let page = PAGES.get(page).and_then(Option::as_ref);
    let folded = page.and_then(|page| *page.get(usize::try_from(number & 255).unwrap_or(0))?);
    folded.or_else(|| digit(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_say_what_they_look_like() {
        for (character, view, want) in [
            ('ａ', View::Compatible, "a"),
            ('＠', View::Compatible, "@"),
            ('４', View::Compatible, "4"),
            ('𝐢', View::Compatible, "i"),
            ('𝟒', View::Compatible, "4"),
            ('ⓘ', View::Compatible, "i"),
            ('²', View::Compatible, "2"),
            ('ᵢ', View::Compatible, "i"),
            ('ﬁ', View::Compatible, "fi"),
            ('ﬃ', View::Compatible, "ffi"),
            ('а', View::LookAlike, "a"),
            ('і', View::LookAlike, "i"),
            ('І', View::LookAlike, "I"),
            ('ѕ', View::LookAlike, "s"),
            ('А', View::LookAlike, "A"),
            ('ο', View::LookAlike, "o"),
            ('ո', View::LookAlike, "n"),
            ('Ꭺ', View::LookAlike, "A"),
            ('т', View::LookAlike, "t"),
            ('\u{200b}', View::Invisible, ""),
            ('\u{ad}', View::Invisible, ""),
            ('\u{338}', View::Invisible, ""),
            ('\u{e0069}', View::Tag, "i"),
            ('\u{e0001}', View::Tag, ""),
            ('٤', View::Digit, "4"),
            ('۴', View::Digit, "4"),
            ('४', View::Digit, "4"),
            ('৪', View::Digit, "4"),
            ('๔', View::Digit, "4"),
            ('๙', View::Digit, "9"),
        ] {
            let folded = fold(character).map(|folded| (folded.view, folded.bytes().to_vec()));
            assert_eq!(folded, Some((view, want.as_bytes().to_vec())), "{character:?}");
        }
    }

    #[test]
    fn characters_of_their_own_stand_for_themselves() {
        for character in "éßüñжЖ漢字かな、。！，？：（ا😀€“”…🇩".chars()
        {
            let folded = fold(character).filter(|folded| folded.is_sure());
            assert_eq!(folded, None, "{character:?}");
        }
    }
}
