//! Cuts a sentence into folded words: lower case, no accents, full-width and mathematical letters as plain ones, nothing invisible.
//!
//! A word is a hash. Characters of scripts without blanks are words of their own, and their concepts are looked up across them.
use super::concept::{Concepts, Match};

/// Most characters of a word that are read; longer ones are data, and all look the same after that.
const WORD_CHARACTERS_MAX: usize = 24;
/// Characters that stand for a word whatever its ending is.
const STEM_CHARACTERS: usize = 5;
/// Most characters of an expression in a script without blanks.
const EXPRESSION_CHARACTERS_MAX: usize = 6;

/// One word, or one mark that means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Token {
    /// Of the folded word.
    pub(super) hash: u32,
    /// Of its first characters; 0 where the word is no longer than they are.
    pub(super) stem: u32,
    /// What the word does, 0 if nothing is known of it.
    pub(super) concept: u8,
    /// Written in capitals only, and longer than one letter.
    pub(super) is_loud: bool,
    /// A mark, no word.
    pub(super) is_mark: bool,
    /// A character of a script without blanks: alone it says which language it is, and no more.
    pub(super) is_alone: bool,
}

/// One step of the hash of a word.
pub(super) const fn step(hash: u32, character: u32) -> u32 {
    (hash ^ character).wrapping_mul(0x0100_0193).rotate_left(5)
}

/// The hash of no character.
pub(super) const EMPTY: u32 = 0x811c_9dc5;

/// What a character is to us.
enum Folded {
    /// Part of a word.
    Letter(char),
    /// A word in itself.
    Alone(char),
    /// Not there at all.
    Nothing,
    /// A mark that is a token.
    Mark(char),
    /// Ends a word.
    Blank,
}

/// What [`fold`] makes of an ASCII character, in a byte: a blank, nothing, a mark, or the letter that it is read as.
const BLANK: u8 = 0;
const NOTHING: u8 = 1;
const MARK: u8 = 2;
static ASCII: [u8; 128] = {
    let mut table = [BLANK; 128];
    let mut rest = table.as_mut_slice();
    let mut byte = 0_u8;
    while let Some((slot, others)) = rest.split_first_mut() {
        *slot = match byte {
            // A digit is any digit: no number tells an attack.
            b'0'..=b'9' => b'0',
            b'a'..=b'z' | b'A'..=b'Z' => byte.to_ascii_lowercase(),
            b'\'' => NOTHING,
            b':' | b'"' | b'?' | b'!' | b'[' | b']' | b'<' | b'>' | b'#' | b'{' | b'}' | b'|'
            | b'`' | b'=' | b'$' | b'*' => MARK,
            _ => BLANK,
        };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

/// The plain letters of U+00C0 to U+017F; a blank where there is none.
const LATIN: &[u8; 192] = b"aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty\
aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

fn fold(character: char) -> Folded {
    let code = u32::from(character);
    if let Ok(byte) = u8::try_from(code)
        && let Some(&sort) = ASCII.get(usize::from(byte))
    {
        return match sort {
            BLANK => Folded::Blank,
            NOTHING => Folded::Nothing,
            MARK => Folded::Mark(character),
            letter => Folded::Letter(char::from(letter)),
        };
    }
    match code {
        0xad
        | 0x300..=0x36f
        | 0x200b..=0x200f
        | 0x2060..=0x2064
        | 0xfe00..=0xfe0f
        | 0xfeff
        | 0x2019
        | 0xe0000..=0xe007f => Folded::Nothing,
        0xc0..=0x17f => {
            let plain = LATIN
                .get(usize::try_from(code.saturating_sub(0xc0)).unwrap_or(0))
                .copied()
                .unwrap_or(b' ');
            if plain == b' ' { Folded::Blank } else { Folded::Letter(char::from(plain)) }
        }
        0x451 | 0x401 => Folded::Letter('\u{435}'),
        0x201c..=0x201f | 0xab | 0xbb | 0x300c..=0x300f => Folded::Mark('"'),
        0xff1f | 0x61f => Folded::Mark('?'),
        0xff01 => Folded::Mark('!'),
        0xff1a => Folded::Mark(':'),
        0xff02..=0xff5e => fold(char::from_u32(code.saturating_sub(0xfee0)).unwrap_or(' ')),
        0x1d400..=0x1d6a3 => {
            let letter = u8::try_from(code.saturating_sub(0x1d400) % 26).unwrap_or(0);
            Folded::Letter(char::from(b'a'.saturating_add(letter)))
        }
        0xe00..=0xe7f | 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7a3 | 0xf900..=0xfaff => {
            Folded::Alone(character)
        }
        _ if character.is_alphanumeric() || (0x900..0xe00).contains(&code) => {
            Folded::Letter(character.to_lowercase().next().unwrap_or(character))
        }
        _ => Folded::Blank,
    }
}

/// A word that is being read.
#[derive(Default)]
struct Word {
    hash: u32,
    stem: u32,
    n_characters: usize,
    n_upper: usize,
    concept: Match,
}

impl Word {
    /// Reads a folded letter.
    #[inline]
    fn push(&mut self, letter: u32, is_upper: bool, concepts: &Concepts) {
        if self.n_characters == 0 {
            self.hash = EMPTY;
        }
        self.n_characters = self.n_characters.saturating_add(1);
        self.n_upper = self.n_upper.saturating_add(usize::from(is_upper));
        if self.n_characters > WORD_CHARACTERS_MAX {
            return;
        }
        self.hash = step(self.hash, letter);
        if self.n_characters == STEM_CHARACTERS {
            self.stem = self.hash;
        }
        concepts.extend(&mut self.concept, self.hash);
    }

    /// Reads the first character of a text, which is beyond ASCII, and returns how many bytes it has.
    fn read_wide(&mut self, rest: &str, concepts: &Concepts, tokens: &mut Vec<Token>) -> usize {
        let Some(character) = rest.chars().next() else { return 1 };
        match fold(character) {
            Folded::Letter(letter) => {
                // A digit is any digit: no number tells an attack.
                let plain = if letter.is_ascii_digit() { '0' } else { letter };
                self.push(u32::from(plain), character.is_uppercase(), concepts);
            }
            Folded::Nothing => {}
            Folded::Blank => self.end(tokens),
            Folded::Mark(mark) => self.mark(u32::from(mark), tokens),
            Folded::Alone(character) => {
                self.end(tokens);
                tokens.push(Token {
                    hash: step(EMPTY, u32::from(character)),
                    concept: expression(rest, concepts),
                    is_alone: true,
                    ..Token::default()
                });
            }
        }
        character.len_utf8()
    }

    /// Ends before a mark, and appends the mark.
    fn mark(&mut self, mark: u32, tokens: &mut Vec<Token>) {
        self.end(tokens);
        tokens.push(Token { hash: step(EMPTY, mark), is_mark: true, ..Token::default() });
    }

    #[inline]
    fn end(&mut self, tokens: &mut Vec<Token>) {
        if self.n_characters > 0 {
            let is_long = self.n_characters > STEM_CHARACTERS.saturating_add(1);
            tokens.push(Token {
                hash: self.hash,
                stem: if is_long { self.stem } else { 0 },
                concept: self.concept.end(self.hash),
                is_alone: false,
                is_loud: self.n_upper > 1 && self.n_upper == self.n_characters,
                is_mark: false,
            });
        }
        *self = Self::default();
    }
}

/// Appends the tokens of a sentence. What is no UTF-8 separates words.
pub(super) fn tokens(sentence: &[u8], concepts: &Concepts, tokens: &mut Vec<Token>) {
    let mut word = Word::default();
    if let Ok(valid) = std::str::from_utf8(sentence) {
        read(valid, &mut word, concepts, tokens);
    } else {
        for chunk in sentence.utf8_chunks() {
            read(chunk.valid(), &mut word, concepts, tokens);
            if !chunk.invalid().is_empty() {
                word.end(tokens);
            }
        }
    }
    word.end(tokens);
}

/// Appends the tokens that end in a text; `word` is the one that goes on.
fn read(valid: &str, word: &mut Word, concepts: &Concepts, tokens: &mut Vec<Token>) {
    let mut rest = valid;
    while let Some(&byte) = rest.as_bytes().first() {
        let n_bytes = match ASCII.get(usize::from(byte)) {
            Some(&sort) => {
                match sort {
                    BLANK => word.end(tokens),
                    NOTHING => {}
                    MARK => word.mark(u32::from(byte), tokens),
                    letter => word.push(u32::from(letter), byte.is_ascii_uppercase(), concepts),
                }
                1
            }
            None => word.read_wide(rest, concepts, tokens),
        };
        rest = rest.get(n_bytes..).unwrap_or_default();
    }
}

/// The concept of the longest expression that begins a text without blanks.
fn expression(rest: &str, concepts: &Concepts) -> u8 {
    let (mut hash, mut found) = (EMPTY, 0);
    for character in rest.chars().take(EXPRESSION_CHARACTERS_MAX) {
        let Folded::Alone(character) = fold(character) else { break };
        hash = step(hash, u32::from(character));
        found = concepts.exact(hash).unwrap_or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(text: &str) -> Vec<u32> {
        let mut found = Vec::new();
        tokens(text.as_bytes(), Concepts::get(), &mut found);
        found.into_iter().map(|token| token.hash).collect()
    }

    #[test]
    fn different_writings_are_one_word() {
        for (name, text) in [
            ("capitals", "IGNORE Rules"),
            ("accents", "ïgnórè rüles"),
            ("full width", "ｉｇｎｏｒｅ ｒｕｌｅｓ"),
            ("invisible", "ig\u{200b}nore ru\u{ad}les"),
            ("bold", "𝐢𝐠𝐧𝐨𝐫𝐞 𝐫𝐮𝐥𝐞𝐬"),
            ("combining", "igno\u{301}re rules"),
            ("separators", "ignore, -- rules."),
        ] {
            assert_eq!(hashes(text), hashes("ignore rules"), "{name}");
        }
        for (name, text) in
            [("other word", "ignored rules"), ("glued", "ignorerules"), ("order", "rules ignore")]
        {
            assert_ne!(hashes(text), hashes("ignore rules"), "{name}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_separate_words() {
        let mut found = Vec::new();
        tokens(b"ignore\xff\xferules\xe5\xbf", Concepts::get(), &mut found);
        assert_eq!(found.len(), 2);
        found.clear();
        tokens(&[0xff; 300], Concepts::get(), &mut found);
        assert!(found.is_empty());
    }

    #[test]
    fn an_expression_without_blanks_has_its_concept() {
        let mut found = Vec::new();
        tokens("请忽略指令".as_bytes(), Concepts::get(), &mut found);
        assert!(found.iter().filter(|token| token.concept != 0).count() >= 2, "{found:?}");
    }
}
