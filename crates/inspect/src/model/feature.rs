//! What a sentence shows a linear model: hashes of words, of words in a row, of concepts in a row, of its looks and its neighbours.
use super::concept::Concepts;
use super::segment::Look;
use super::token::{EMPTY, Token, step, tokens};

/// Concepts further apart than this many words have nothing to do with each other.
const REACH_WORDS: usize = 8;
/// A sentence has no more tokens than this; what is beyond is not read.
const TOKENS_MAX: usize = 512;

/// What a feature is of, so that equal hashes of different things differ.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Of {
    Word = 1,
    Stem,
    Pair,
    Concept,
    Concepts,
    Triple,
    WordConcept,
    ConceptWord,
    FirstWord,
    FirstPair,
    FirstConcept,
    Looks,
    Skip,
    Before,
    After,
    Bag,
}

/// Mixes the parts of a feature into 32 good bits.
const fn mix(of: Of, a: u32, b: u32) -> u32 {
    let mut hash = step(step(step(EMPTY, of as u32), a), b);
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x7feb_352d);
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x846c_a68b);
    hash ^ (hash >> 16)
}

/// Buffers that are used again and again.
#[derive(Debug, Default)]
pub(super) struct Reader {
    tokens: Vec<Token>,
    concepts: Vec<(usize, u8)>,
}

impl Reader {
    /// Calls `emit` with each feature of a sentence.
    pub(super) fn read(&mut self, sentence: &[u8], look: Look, emit: &mut impl FnMut(u32)) {
        self.tokens.clear();
        self.concepts.clear();
        tokens(sentence, Concepts::get(), &mut self.tokens);
        self.tokens.truncate(TOKENS_MAX);
        self.words(emit);
        self.rows_of_concepts(emit);
        self.looks(sentence, look, emit);
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.tokens
            .capacity()
            .saturating_mul(size_of::<Token>())
            .saturating_add(self.concepts.capacity().saturating_mul(16))
    }

    fn words(&mut self, emit: &mut impl FnMut(u32)) {
        let (mut last, mut before_last) = (Token::default(), Token::default());
        for (at, &token) in self.tokens.iter().enumerate() {
            if !token.is_alone {
                emit(mix(Of::Word, token.hash, 0));
            }
            if token.stem != 0 {
                emit(mix(Of::Stem, token.stem, 0));
            }
            emit(mix(Of::Pair, last.hash, token.hash));
            if at > 1 && !token.is_mark && !token.is_alone && !before_last.is_mark {
                emit(mix(Of::Skip, before_last.hash, token.hash));
            }
            if token.concept != 0 {
                self.concepts.push((at, token.concept));
                emit(mix(Of::Concept, u32::from(token.concept), 0));
                emit(mix(Of::WordConcept, last.hash, u32::from(token.concept)));
            }
            if last.concept != 0 {
                emit(mix(Of::ConceptWord, u32::from(last.concept), token.hash));
            }
            before_last = last;
            last = token;
        }
    }

    /// Concepts in a row, whatever words stand between them.
    fn rows_of_concepts(&self, emit: &mut impl FnMut(u32)) {
        let pairs = self.concepts.iter().zip(self.concepts.iter().skip(1));
        for (&(at, one), &(next, two)) in pairs.clone() {
            if next.saturating_sub(at) <= REACH_WORDS {
                emit(mix(Of::Concepts, u32::from(one), u32::from(two)));
            }
        }
        for (&(at, one), &(next, two)) in self.concepts.iter().zip(self.concepts.iter().skip(2)) {
            if next.saturating_sub(at) <= REACH_WORDS {
                emit(mix(Of::Bag, u32::from(one), u32::from(two)));
            }
        }
        for ((&(at, one), &(_, two)), &(next, three)) in pairs.zip(self.concepts.iter().skip(2)) {
            if next.saturating_sub(at) <= REACH_WORDS.saturating_add(2) {
                let both = u32::from(one) << 8 | u32::from(two);
                emit(mix(Of::Triple, both, u32::from(three)));
            }
        }
    }

    fn looks(&self, sentence: &[u8], look: Look, emit: &mut impl FnMut(u32)) {
        let mut words = self.tokens.iter().filter(|token| !token.is_mark);
        let first = words.next().copied().unwrap_or_default();
        let second = words.next().copied().unwrap_or_default();
        emit(mix(Of::FirstWord, first.hash, 0));
        emit(mix(Of::FirstPair, first.hash, second.hash));
        emit(mix(Of::FirstConcept, u32::from(first.concept), u32::from(second.concept)));
        emit(mix(Of::Looks, look as u32, 0));
        let text = sentence.trim_ascii();
        let last = text.last().copied().unwrap_or(0);
        let ending = if matches!(last, b'?' | b'!' | b':' | b'.') { u32::from(last) } else { 0 };
        emit(mix(Of::Looks, 1, ending));
        emit(mix(Of::Looks, 2, u32::from(first.concept) << 8 | ending));
        let n_words = self.tokens.iter().filter(|token| !token.is_mark).count();
        let n_loud = self.tokens.iter().filter(|token| token.is_loud).count();
        if n_loud > 0 {
            emit(mix(Of::Looks, 3, u32::from(n_loud > 2)));
        }
        if n_loud.saturating_mul(2) > n_words {
            emit(mix(Of::Looks, 4, 0));
        }
        let length = n_words.checked_ilog2().unwrap_or(0);
        emit(mix(Of::Looks, 5, length));
    }
}

/// Calls `emit` with what the neighbours of a sentence look like.
pub(super) fn neighbours(before: Look, look: Look, after: Look, emit: &mut impl FnMut(u32)) {
    emit(mix(Of::Before, before as u32, look as u32));
    emit(mix(Of::After, look as u32, after as u32));
}
