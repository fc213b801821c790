//! `tokenizer.json`: from a text to windows of tokens that the model can read.
use super::LoadError;
use super::shape::Shape;
use crate::TOKENIZER_BYTES_MAX;
use crate::model::Unfinished;
use bartizan_core::span::Span;
use tokenizers::Tokenizer;

/// Most tokens of one window, the two special ones included. Models were trained on no more, and the cost of attention grows with the square.
pub const WINDOW_TOKENS_MAX: usize = 512;

/// Neighbouring windows share this part of their tokens, so that what one of them cuts in two is whole in the other.
const SHARED_PART: usize = 4;
/// Tokens that stand around each window.
const SPECIAL_TOKENS: usize = 2;
/// Fewer tokens than this make no window.
const WINDOW_TOKENS_MIN: usize = 8;

/// A window: its tokens, special ones included, and the bytes that they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) ids: Vec<u32>,
    pub(super) span: Span,
}

/// Cuts texts into windows of tokens.
pub(super) struct Words {
    tokenizer: Tokenizer,
    first: u32,
    last: u32,
    /// Tokens of the text in one window.
    window: usize,
    tokens_max: usize,
    vocabulary: usize,
}

impl Words {
    pub(super) fn read(bytes: &[u8], shape: &Shape, tokens_max: usize) -> Result<Self, LoadError> {
        let wrong = |reason: String| LoadError::Tokenizer { reason };
        if TOKENIZER_BYTES_MAX < bytes.len() {
            return Err(wrong(format!("it has more than {TOKENIZER_BYTES_MAX} bytes")));
        }
        let mut tokenizer =
            Tokenizer::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
        // A file may ask for texts to be cut off, which would be a pass for the rest, and for padding, which nobody needs here.
        tokenizer.with_truncation(None).map_err(|error| wrong(error.to_string()))?;
        tokenizer.with_padding(None);
        let empty = tokenizer.encode("", true).map_err(|error| wrong(error.to_string()))?;
        let [first, last] = *empty.get_ids() else {
            let n = empty.get_ids().len();
            return Err(wrong(format!("it puts {n} tokens around a text, a classifier needs 2")));
        };
        // What a text writes as `[SEP]` is no end of it.
        tokenizer.set_encode_special_tokens(true);
        let highest = tokenizer.get_vocab(true).into_values().max().unwrap_or(u32::MAX);
        let highest = usize::try_from(highest).unwrap_or(usize::MAX);
        let vocabulary = shape.vocabulary;
        if vocabulary <= highest {
            return Err(LoadError::Vocabulary { token: highest, vocabulary });
        }
        let window = shape.positions.min(WINDOW_TOKENS_MAX);
        if window < WINDOW_TOKENS_MIN {
            let what = "max_position_embeddings";
            let (min, max) = (WINDOW_TOKENS_MIN, usize::MAX);
            return Err(LoadError::Size { what, found: window, min, max });
        }
        let window = window.saturating_sub(SPECIAL_TOKENS);
        Ok(Self { tokenizer, first, last, window, tokens_max, vocabulary })
    }

    /// The windows of a text: at least one.
    pub(super) fn pieces(&self, text: &str) -> Result<Vec<Piece>, Unfinished> {
        let encoding = self.tokenizer.encode(text, false).map_err(|_| Unfinished::Failed)?;
        let (ids, offsets) = (encoding.get_ids(), encoding.get_offsets());
        if self.tokens_max < ids.len() {
            return Err(Unfinished::Long);
        }
        let is_known = |id: &u32| usize::try_from(*id).is_ok_and(|id| id < self.vocabulary);
        if !ids.iter().all(is_known) {
            return Err(Unfinished::Failed);
        }
        let step = self.window.saturating_sub(self.window / SHARED_PART).max(1);
        let mut pieces = Vec::new();
        let mut start = 0_usize;
        loop {
            let end = start.saturating_add(self.window).min(ids.len());
            let inner = ids.get(start..end).unwrap_or_default();
            let span = span(text, offsets.get(start..end).unwrap_or_default());
            let ids_around = [&[self.first][..], inner, &[self.last]].concat();
            pieces.push(Piece { ids: ids_around, span });
            if end == ids.len() {
                return Ok(pieces);
            }
            start = start.saturating_add(step);
        }
    }
}

/// The whole characters that tokens stand for; the whole text where they stand for none.
fn span(text: &str, offsets: &[(usize, usize)]) -> Span {
    let start = offsets.iter().map(|(start, _)| *start).min().unwrap_or(0);
    let end = offsets.iter().map(|(_, end)| *end).max().unwrap_or(0).min(text.len());
    if end <= start {
        return Span::new(0, text.len() as u64);
    }
    let start = text.floor_char_boundary(start);
    let end = text.ceil_char_boundary(end);
    Span::new(start as u64, end as u64)
}
