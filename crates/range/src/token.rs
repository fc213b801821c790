//! Cuts text into tokens, near enough to count and to label with log-probabilities.
//!
//! A real tokenizer needs a vocabulary. This one cuts words into short pieces, so that a secret spans several tokens, as it
//! does in real models.

/// Most characters of one word piece.
const PIECE_CHARS_MAX: usize = 5;

/// The tokens of a text, in order; together they are the text.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, tail) = rest.split_at(piece_len(rest));
        rest = tail;
        if piece.is_empty() { None } else { Some(piece) }
    })
}

/// The parts of a text as a stream carries them: at most `chunk_bytes` each, but never less than a character.
pub(crate) fn chunks(text: &str, chunk_bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (chunk, tail) = rest.split_at(chunk_len(rest, chunk_bytes));
        rest = tail;
        if chunk.is_empty() { None } else { Some(chunk) }
    })
}

/// Bytes of the first chunk of a text.
pub(crate) fn chunk_len(text: &str, chunk_bytes: usize) -> usize {
    let fits = text.floor_char_boundary(chunk_bytes);
    if fits > 0 { fits } else { text.ceil_char_boundary(1) }
}

/// One optional space, and then a few letters or any one other character.
fn piece_len(text: &str) -> usize {
    let mut n_bytes = 0;
    let mut n_letters = 0;
    for char in text.chars() {
        let is_space = n_bytes == 0 && char == ' ';
        if !is_space && !char.is_alphanumeric() {
            return if n_letters == 0 { n_bytes + char.len_utf8() } else { n_bytes };
        }
        n_bytes += char.len_utf8();
        n_letters += usize::from(!is_space);
        if n_letters == PIECE_CHARS_MAX {
            return n_bytes;
        }
    }
    n_bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_cut_into_pieces() {
        let cases: [(&str, &[&str]); 5] = [
            ("", &[]),
            ("hi there, you", &["hi", " there", ",", " you"]),
            ("AKIA2345", &["AKIA2", "345"]),
            ("  a\n", &["  ", "a", "\n"]),
            ("é👩", &["é", "👩"]),
        ];
        for (text, want) in cases {
            assert_eq!(pieces(text).collect::<Vec<_>>(), want, "{text}");
        }
    }

    proptest! {
        /// Cutting loses nothing, and every part respects its limit.
        #[test]
        fn cutting_loses_nothing(text in "[a-c é👩.]{0,40}", chunk_bytes in 0_usize..12) {
            prop_assert_eq!(&pieces(&text).collect::<String>(), &text);
            prop_assert_eq!(&chunks(&text, chunk_bytes).collect::<String>(), &text);
            for chunk in chunks(&text, chunk_bytes) {
                prop_assert!(chunk.len() <= chunk_bytes || chunk.chars().count() == 1);
            }
        }
    }
}
