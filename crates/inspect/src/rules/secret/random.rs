//! Tells values that a machine drew from words, names, paths and versions.

/// Fewest different characters in a random value of sixteen bytes or more.
const DISTINCT_MIN: usize = 7;

fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// How often the sort of character changes. A capital that begins a word is one change, not two.
fn n_changes(piece: &[u8]) -> usize {
    let sort = |byte: u8| match byte {
        b'0'..=b'9' => 0_u8,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    let pairs = piece.windows(2).filter(|pair| {
        let [before, after] = pair else { return false };
        let (before, after) = (sort(*before), sort(*after));
        before != after && !(before == 1 && after == 2)
    });
    pairs.count()
}

/// Whether one piece without separators mixes digits with letters as words do not.
fn is_random_piece(piece: &[u8]) -> bool {
    let n_digits = piece.iter().filter(|byte| byte.is_ascii_digit()).count();
    if piece.len() < 8 || n_digits == 0 {
        // Long pieces without a digit: capitals inside, more often than words have them.
        return piece.len() >= 20 && n_changes(piece) >= piece.len() / 5;
    }
    // Names of code mix capitals in, and seldom more than a number.
    let is_of_one_case = !piece.iter().any(u8::is_ascii_uppercase);
    let least = if is_of_one_case { piece.len() / 9 } else { piece.len() / 6 };
    n_changes(piece) >= least.saturating_add(2)
}

/// How many different bytes there are.
pub(super) fn n_distinct(value: &[u8]) -> usize {
    let seen = value.iter().fold(0_u128, |seen, &byte| seen | 1_u128.wrapping_shl(u32::from(byte)));
    seen.count_ones() as usize
}

/// Whether a machine drew the value: pieces that no word looks like make at least half of it.
pub(super) fn is_random(value: &[u8]) -> bool {
    let pieces = value.split(|&byte| !is_alnum(byte));
    let n_random: usize = pieces.filter(|piece| is_random_piece(piece)).map(<[u8]>::len).sum();
    n_random >= value.len() / 2 && n_random > 0 && n_distinct(value) >= DISTINCT_MIN
}

/// Whether the value is digits and letters mixed, at least a little: enough where a prefix says the rest.
pub(super) fn is_mixed(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_alphabetic)
        && n_distinct(value) >= 4
}

/// Fewest letters and digits in a row, different characters, and changes of their sort, of what a machine drew. The ends of names that
/// clusters give out (`7d9f8b6c5d-x2k4j`) have shorter rows.
const DRAWN_PIECE_MIN: usize = 12;
const DRAWN_DISTINCT_MIN: usize = 10;
const DRAWN_CHANGES_MIN: usize = 4;

/// Whether a machine drew the value, judged more kindly than by [`is_random`]: a mark before it says the rest.
pub(in crate::rules) fn looks_drawn(value: &[u8]) -> bool {
    let longest = value.split(|&byte| !is_alnum(byte)).map(<[u8]>::len).max();
    longest.is_some_and(|n| n >= DRAWN_PIECE_MIN)
        && value.iter().any(u8::is_ascii_digit)
        && n_distinct(value) >= DRAWN_DISTINCT_MIN
        && n_changes(value) >= DRAWN_CHANGES_MIN
}

/// Whether the value is hexadecimal digits of one case.
pub(super) fn is_hex(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

/// Whether the value has the form of a UUID, whatever its letters are: vendors draw keys of that form from all of them.
pub(super) fn is_uuid(value: &[u8]) -> bool {
    let lengths = value.split(|&byte| byte == b'-').map(<[u8]>::len);
    value.len() == 36
        && lengths.eq([8, 4, 4, 4, 12])
        && value.iter().all(|&byte| byte == b'-' || byte.is_ascii_alphanumeric())
        && is_mixed(value)
}

/// What people write where a secret would stand.
const STAND_INS: &[&[u8]] = &[
    b"example",
    b"your",
    b"changeme",
    b"change_me",
    b"change-me",
    b"placeholder",
    b"xxxx",
    b"insert",
    b"replace",
    b"redacted",
    b"dummy",
    b"sample",
    b"****",
    b"....",
    b"todo",
    b"undefined",
];
/// What a value begins with that is filled in later.
const TEMPLATES: &[&[u8]] =
    &[b"<", b"${", b"{{", b"{%", b"%s", b"%(", b"#{", b"$(", b"@@", b"null", b"none", b"{"];

/// Whether a value that is not random says that it stands for one.
pub(super) fn is_stand_in(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    n_distinct(value) <= 2
        || TEMPLATES.iter().any(|mark| lower.starts_with(mark))
        || STAND_INS.iter().any(|word| lower.windows(word.len()).any(|window| window == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_words() {
        for (value, random) in [
            ("o8oqti3tghu2xic76ii4t7jb9bxuzd4200j1yrkd", true),
            ("b5b1f6d3c9e84a7d92f0c1e2d3a4b5c6", true),
            ("mDrW4HFb6fVh2ii74V41bh6EH52sWirlQuKr3svx", true),
            ("4q5fbhf90noexp56sxr86mhf3gAf31en", true),
            ("na1.0dDp/nOUE6tV/q5YxDtJQmWKBibPLqhX9H0nJcW9rReyBHIFuwnMw", true),
            ("wJqPzVtKxNrBsDhLfGmC", true),
            ("getUserAccountSettingsFromServer2", false),
            ("my-service-production-2023-01", false),
            ("com.example.project.module.Class1", false),
            ("configuration2023", false),
            ("1234567890123456", false),
            ("path/to/some/file-1.2.3.tar.gz", false),
            ("abababababababab1", false),
        ] {
            assert_eq!(is_random(value.as_bytes()), random, "{value}");
        }
        assert!(is_uuid(b"123e4567-e89b-12d3-a456-426614174000"));
        assert!(is_uuid(b"sccqe60k-nsak-h1m1-vzq8-vr7u4gxihiwl"));
        assert!(!is_uuid(b"something-with-four-dashes-in-itself"));
        assert!(is_hex(b"00ff") && is_hex(b"00FF") && !is_hex(b"0fF"));
        assert!(
            is_stand_in(b"<your-key>") && is_stand_in(b"********") && !is_stand_in(b"hunter2!")
        );
    }
}
