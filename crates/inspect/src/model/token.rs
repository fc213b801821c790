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

/// The plain letters of U+00C0 to U+017F; a blank where there is none.
const LATIN: &[u8; 192] = b"aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty\
aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

fn fold(character: char) -> Folded {
    let code = u32::from(character);
    if character.is_ascii() {
        return match character {
            'a'..='z' | '0'..='9' => Folded::Letter(character),
            'A'..='Z' => Folded::Letter(character.to_ascii_lowercase()),
            '\'' => Folded::Nothing,
            ':' | '"' | '?' | '!' | '[' | ']' | '<' | '>' | '#' | '{' | '}' | '|' | '`' | '='
            | '$' | '*' => Folded::Mark(character),
            _ => Folded::Blank,
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
    fn push(&mut self, letter: char, is_upper: bool, concepts: &Concepts) {
        if self.n_characters == 0 {
            self.hash = EMPTY;
        }
        self.n_characters = self.n_characters.saturating_add(1);
        self.n_upper = self.n_upper.saturating_add(usize::from(is_upper));
        if self.n_characters > WORD_CHARACTERS_MAX {
            return;
        }
        // A digit is any digit: no number tells an attack.
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        self.hash = step(self.hash, u32::from(letter));
        if self.n_characters == STEM_CHARACTERS {
            self.stem = self.hash;
        }
        concepts.extend(&mut self.concept, self.hash);
    }

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
    for chunk in sentence.utf8_chunks() {
        let valid = chunk.valid();
        for (at, character) in valid.char_indices() {
            match fold(character) {
                Folded::Letter(letter) => word.push(letter, character.is_uppercase(), concepts),
                Folded::Nothing => {}
                Folded::Blank => word.end(tokens),
                Folded::Mark(mark) => {
                    word.end(tokens);
                    tokens.push(Token {
                        hash: step(EMPTY, u32::from(mark)),
                        is_mark: true,
                        ..Token::default()
                    });
                }
                Folded::Alone(character) => {
                    word.end(tokens);
                    let rest = valid.get(at..).unwrap_or_default();
                    tokens.push(Token {
                        hash: step(EMPTY, u32::from(character)),
                        concept: expression(rest, concepts),
                        is_alone: true,
                        ..Token::default()
                    });
                }
            }
        }
        if !chunk.invalid().is_empty() {
            word.end(tokens);
        }
    }
    word.end(tokens);
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
