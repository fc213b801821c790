//! Tokens of Telegram bots: the number of the bot, `:AA`, and thirty-three letters. The number is public; the finding is what follows,
//! so that no number of a text has to be held.
use crate::kinds::Secret;
use crate::text::{Answer, Hit, Stop, Text, is_base64url};

/// What stands between the number and the rest; the letters belong to the token.
pub(super) const MARK: [u8; 3] = *b":AA";
const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 10;
/// Letters of the token, with the two of the mark.
const LETTERS: usize = 35;

/// Whether the number of a bot ends here.
fn is_after_number(text: Text<'_>, mark: usize) -> bool {
    let before = text.before(mark, DIGITS_MAX.saturating_add(1));
    let n = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = mark.saturating_sub(n);
    // `/bot123:AA...` is how the token stands in an address.
    let is_bot = || text.before(start, 4).ends_with(b"/bot");
    (DIGITS_MIN..=DIGITS_MAX).contains(&n) && (text.is_boundary(start) || is_bot())
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    if !is_after_number(text, start) {
        return Err(Stop::No);
    }
    let mut reader = text.reader(start.saturating_add(1));
    let from = reader.at;
    if reader.run(is_base64url, LETTERS.saturating_add(1))? == LETTERS {
        Ok(Hit::new(from, reader.at).of(Secret::TelegramToken))
    } else {
        Err(Stop::No)
    }
}
