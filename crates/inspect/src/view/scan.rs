//! Tells in a few instructions for many bytes that no view has a reason to open, which is so nearly everywhere.
use super::run::is_base64;

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
    has_blank && has_late_letter
}

/// What pairs of digits and what stands between them are made of.
const fn is_of_pairs(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
        || matches!(byte, b'x' | b'X' | b' ' | b',' | b':' | b'-' | b';' | b'\n' | b'\r' | b'\t')
}

/// The first block of eight bytes that may be a part of a run of base64, base32 or digits of base 16, or of such digits in pairs. A run
/// that is long enough contains one, wherever blocks begin.
pub(super) fn first_long(bytes: &[u8]) -> Option<usize> {
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
            if n_after == after.len() || n_before.saturating_add(n_after) >= RUN_BYTES_MIN {
                return Some(at);
            }
            from = at.saturating_add(n_after);
        }
    }
    None
}

/// Whether a byte may separate characters that stand apart. It may be some more bytes, but never a letter or a digit.
const fn may_separate(byte: u8) -> bool {
    (byte < b'0') | (byte == b'_') | (byte == b'|') | (byte == b'~')
}

/// Places that are looked at together, and bytes that are needed for them.
const PLACES: usize = 32;
const PLACES_BYTES: usize = PLACES + 4;

/// Whether at one of some places three equal separators stand, with one other byte between each two.
fn any_apart(bytes: &[u8]) -> bool {
    let after = |n: usize| bytes.iter().skip(n);
    let places = bytes.iter().zip(after(1)).zip(after(2)).zip(after(4));
    places.fold(false, |any, (((&first, &between), &second), &third)| {
        any | (may_separate(first) & (first == second) & (second == third) & (first != between))
    })
}

/// The first place of three equal separators with one byte between each two.
pub(super) fn first_apart(bytes: &[u8]) -> Option<usize> {
    let mut from = 0_usize;
    while let Some(block) = bytes.get(from..).and_then(<[u8]>::first_chunk::<PLACES_BYTES>) {
        if any_apart(block) {
            break;
        }
        from = from.saturating_add(PLACES);
    }
    let rest = bytes.get(from..).unwrap_or_default();
    let place = rest.windows(5).position(any_apart)?;
    Some(from.saturating_add(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_is_passed_over() {
        for text in [
            "The committee met on Tuesday to consider what had been said about the new bridge.",
            "        let mut items = 12;\n        if a { b += 1; }\n",
            "{\"id\": 17, \"name\": \"x\", \"finish_reason\": null}",
            "internationally, extraordinary",
            "春の朝、町の人々は橋のそばに集まり",
        ] {
            assert_eq!(first_long(text.as_bytes()), None, "{text}");
            assert_eq!(first_apart(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Whatever is long enough is seen, wherever it begins.
        #[test]
        fn long_runs_are_seen(before in "[a-z .]{0,40}", run in "[A-Za-z0-9+/_-]{15,40}", after in "[a-z .]{0,9}") {
            let text = [before.as_str(), ".", &run, ".", &after].concat();
            let at = first_long(text.as_bytes());
            prop_assert!(at.is_some_and(|at| at <= before.len() + 9), "{:?} in {}", at, text);
        }

        #[test]
        fn pairs_are_seen(before in "[a-z .]{0,40}", pairs in "([0-9a-f]{2}[ ,:;-]{1,2}){8,9}", after in "[a-z .]{0,9}") {
            let text = [before.as_str(), "q", &pairs, "q", &after].concat();
            let at = first_long(text.as_bytes());
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
