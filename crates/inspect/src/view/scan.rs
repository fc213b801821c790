//! Tells in a few instructions for many bytes that no view has a reason to open, which is so nearly everywhere.
use super::run::is_base64;
use super::spaced::separates;

/// Bytes that are looked at together.
const BLOCK_BYTES: usize = 8;
/// Characters of a run that is looked at: more than those of any ordinary word.
const RUN_BYTES_MIN: usize = 15;
/// Fewest digits of base 16 in a block of pairs: `, 0x73, `.
const DIGITS_MIN: usize = 3;

/// A byte of which each of eight has this value.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

const HIGH: u64 = each(0x80);

/// Whether one of eight bytes keeps them from being a part of a run, and of digits in pairs: ordinary text is told by it.
const fn is_ordinary(eight: u64) -> bool {
    if eight & HIGH != 0 {
        return true;
    }
    // Eight bytes below 128: a borrow tells of one below 0x21, an overflow into the highest bit of one from `g` on.
    let has_blank = eight.wrapping_sub(each(0x21)) & HIGH != 0;
    let has_late_letter = eight.wrapping_add(each(0x80 - b'g')) & HIGH != 0;
    // `0x73, ` has one, too.
    has_blank && has_late_letter && zeros(eight ^ each(b'x')) == 0
}

/// What pairs of digits and what stands between them are made of.
const fn is_of_pairs(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
        || matches!(byte, b'x' | b'X' | b' ' | b',' | b':' | b'-' | b';' | b'\n' | b'\r' | b'\t')
}

/// The first block of eight bytes that may be a part of a run of base64, base32 or digits of base 16, or of such digits in pairs. A run
/// that is long enough contains one, wherever blocks begin. `ended` says whether the text ends where the bytes do.
pub(super) fn first_long(bytes: &[u8], ended: bool) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    let mut from = 0_usize;
    for (at, block) in blocks.iter().enumerate() {
        if is_ordinary(u64::from_le_bytes(*block)) {
            continue;
        }
        let at = at.saturating_mul(BLOCK_BYTES);
        if block.iter().all(|&byte| is_of_pairs(byte))
            && block.iter().filter(|byte| byte.is_ascii_hexdigit()).count() >= DIGITS_MIN
        {
            return Some(at);
        }
        if at >= from && block.iter().all(|&byte| is_base64(byte)) {
            let (before, after) = bytes.split_at(at);
            let n_before =
                before.iter().rev().take(BLOCK_BYTES).take_while(|byte| is_base64(**byte)).count();
            let n_after =
                after.iter().take(RUN_BYTES_MIN).take_while(|byte| is_base64(**byte)).count();
            // A run that goes on where the text does is not known to be short.
            if (n_after == after.len() && !ended)
                || n_before.saturating_add(n_after) >= RUN_BYTES_MIN
            {
                return Some(at);
            }
            from = at.saturating_add(n_after);
        }
    }
    None
}

/// A bit for each of eight bytes that is zero, in its highest place.
const fn zeros(eight: u64) -> u64 {
    !((eight & !HIGH).wrapping_add(!HIGH) | eight | !HIGH)
}

/// Whether some byte of eight that is no letter is the same as the one after the next: of four separators with a byte between each two,
/// two stand so in one block, wherever blocks begin.
const fn may_be_apart(eight: u64) -> bool {
    let same = zeros(eight ^ (eight >> 16)) & (u64::MAX >> 16);
    // The highest bit of a byte below 128 is that of an overflow from `a` on, and no more from what follows `z`.
    let lower = (eight | each(0x20)) & !HIGH;
    let letters = lower.wrapping_add(each(0x80 - b'a')) & !lower.wrapping_add(each(0x80 - b'{'));
    same & !letters & !eight & HIGH != 0
}

/// Whether three equal separators stand here with one other byte between each two.
fn is_apart(five: &[u8]) -> bool {
    matches!(five, [first, between, second, after, third]
        if first == second && second == third && first != between && first != after && separates(*first))
}

/// The first place of three equal separators with one other byte between each two; perhaps not of what has fewer than five.
pub(super) fn first_apart(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    let n_blocks = blocks.len().saturating_mul(BLOCK_BYTES);
    let place = |from: usize, to: usize| {
        let around = bytes.get(from..to.min(bytes.len())).unwrap_or_default();
        Some(from.saturating_add(around.windows(5).position(is_apart)?))
    };
    for (at, block) in blocks.iter().enumerate() {
        if may_be_apart(u64::from_le_bytes(*block)) {
            let at = at.saturating_mul(BLOCK_BYTES);
            let found =
                place(at.saturating_sub(4), at.saturating_add(BLOCK_BYTES).saturating_add(4));
            if found.is_some() {
                return found;
            }
        }
    }
    place(n_blocks.saturating_sub(4), bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_is_passed_over() {
        for text in [
            "The committee met on Tuesday to consider what had been said about the new bridge.",
            "        let mut items = 12;\n        if any { more += 1; }\n",
            "{\"id\": 17, \"name\": \"x\", \"finish_reason\": null}",
            "international, extraordinary words",
            "春の朝、町の人々は橋のそばに集まり",
        ] {
            assert_eq!(first_long(text.as_bytes(), false), None, "{text}");
            assert_eq!(first_apart(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_run_that_the_text_ends_in_is_as_long_as_it_is() {
        for (text, want) in
            [("gpt-4o-mini", [Some(0), None]), ("a chatcmpl-4f2c9a1e7b", [Some(8), Some(8)])]
        {
            assert_eq!(
                [false, true].map(|ended| first_long(text.as_bytes(), ended)),
                want,
                "{text}"
            );
        }
    }

    proptest! {
        /// Whatever is long enough is seen, wherever it begins.
        #[test]
        fn long_runs_are_seen(before in "[a-z .]{0,40}", run in "[A-Za-z0-9+/_-]{15,40}", after in "[a-z .]{0,9}") {
            let text = [before.as_str(), ".", &run, ".", &after].concat();
            let at = first_long(text.as_bytes(), false);
            prop_assert!(at.is_some_and(|at| at <= before.len() + 9), "{:?} in {}", at, text);
        }

        #[test]
        fn pairs_are_seen(before in "[a-z .]{0,40}", pairs in "(([0-9a-f]{2}[ ,:;-]{1,2}){8,9}|(0x[0-9a-f]{2}, ?){8,9})", after in "[a-z .]{0,9}") {
            let text = [before.as_str(), "q", &pairs, "q", &after].concat();
            let at = first_long(text.as_bytes(), false);
            prop_assert!(at.is_some_and(|at| at <= before.len() + 9), "{:?} in {}", at, text);
        }

        #[test]
        fn characters_apart_are_seen(before in "[a-z. ]{0,70}", word in "[a-z0-9]{4,9}", by in "[ ._*/|,+~\n-]", after in "[a-z .]{0,70}") {
            let apart: String = word.chars().flat_map(|c| [c.to_string(), by.clone()]).collect();
            let text = [before.as_str(), &apart, &after].concat();
            let at = first_apart(text.as_bytes());
            prop_assert!(at.is_some_and(|at| at <= before.len() + 1), "{:?} in {}", at, text);
        }
    }
}
