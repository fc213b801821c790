//! The arithmetic that check digits are made of. An identifier comes as its capital letters and digits, at most 24 of them, without what
//! separates them; so every sum is small.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "at most 24 digits, weights below 100 and moduli below 600: no sum leaves a u32"
)]

/// The value of a digit or letter: 0 to 9, then 10 to 35.
pub(super) fn value(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or(0)
}

/// The digit at a place; 0 where there is none.
pub(super) fn digit(id: &[u8], place: usize) -> u32 {
    id.get(place).map_or(0, |&byte| value(byte))
}

/// So many bytes from a place on; nothing where there are fewer.
pub(super) fn part(id: &[u8], from: usize, n: usize) -> &[u8] {
    id.get(from..from.saturating_add(n)).unwrap_or_default()
}

/// The number that so many digits from a place on make; there are at most nine.
pub(super) fn number(id: &[u8], from: usize, n: usize) -> u32 {
    part(id, from, n)
        .iter()
        .fold(0, |sum: u32, &byte| sum.wrapping_mul(10).wrapping_add(value(byte)))
}

/// The sum of digits times weights, as far as both go.
pub(super) fn weighted(id: &[u8], weights: &[u32]) -> u32 {
    id.iter().zip(weights).map(|(&byte, weight)| value(byte) * weight).sum()
}

/// The sum of the digits of digits times weights.
pub(super) fn cross_weighted(id: &[u8], weights: &[u32]) -> u32 {
    let terms = id.iter().zip(weights).map(|(&byte, weight)| value(byte) * weight);
    terms.map(|term| term / 10 + term % 10).sum()
}

/// The number modulo a small one; letters count as two digits.
pub(super) fn remainder(id: &[u8], modulus: u32) -> u32 {
    id.iter().fold(0, |rest, &byte| {
        let value = value(byte);
        (rest * if value > 9 { 100 } else { 10 } + value) % modulus
    })
}

/// Luhn's sum, of digits only.
pub(super) fn luhn(id: &[u8]) -> bool {
    luhn_sum(id).is_multiple_of(10) && id.iter().any(|&byte| byte != b'0')
}

/// The sum of digits of which every second one, from the right, is doubled and its digits added.
pub(super) fn luhn_sum(id: &[u8]) -> u32 {
    let doubled = [false, true].into_iter().cycle();
    let terms = id.iter().rev().zip(doubled);
    terms
        .map(|(&byte, doubled)| {
            let term = value(byte) << u32::from(doubled);
            if term > 9 { term - 9 } else { term }
        })
        .sum()
}

/// The last digit of a European article number.
pub(super) fn ean(id: &[u8]) -> bool {
    let weights = [1, 3].into_iter().cycle();
    let sum: u32 = id.iter().rev().zip(weights).map(|(&byte, weight)| value(byte) * weight).sum();
    sum.is_multiple_of(10)
}

/// ISO 7064, MOD 11,10.
pub(super) fn mod11_10(id: &[u8]) -> bool {
    let Some((&check, body)) = id.split_last() else { return false };
    let product = body.iter().fold(10, |product, &byte| {
        let sum = (value(byte) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (value(check) + product) % 10 == 1
}

/// ISO 7064, MOD 11-2, whose check digit may be an X.
pub(super) fn mod11_2(id: &[u8]) -> bool {
    let Some((&check, body)) = id.split_last() else { return false };
    let rest = body.iter().fold(0, |rest, &byte| (rest + value(byte)) * 2 % 11);
    let check = if check == b'X' { 10 } else { value(check) };
    (rest + check) % 11 == 1
}

/// How the group of the pentagon's symmetries multiplies.
static DIHEDRAL: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
/// Verhoeff's permutation.
static PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

/// J. Verhoeff, Error Detecting Decimal Codes (1969).
pub(super) fn verhoeff(id: &[u8]) -> bool {
    let permuted = |digit: u8, times: usize| {
        (0..times % 8)
            .fold(digit, |digit, _| PERMUTED.get(usize::from(digit)).copied().unwrap_or_default())
    };
    let end = id.iter().rev().enumerate().fold(0_u8, |state, (place, &byte)| {
        let digit = permuted(byte.wrapping_sub(b'0'), place);
        let row = DIHEDRAL.get(usize::from(state));
        row.and_then(|row| row.get(usize::from(digit))).copied().unwrap_or_default()
    });
    end == 0
}

/// Whether a month of the year has so many days; of a year that is not known, February has 29.
pub(in crate::rules) fn is_day(month: u32, day: u32) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether year, month and day, of two digits each, begin at a place.
pub(super) fn is_yymmdd(id: &[u8], from: usize) -> bool {
    is_day(number(id, from + 2, 2), number(id, from + 4, 2))
}

/// Whether day, month and year, of two digits each, begin at a place.
pub(super) fn is_ddmmyy(id: &[u8], from: usize) -> bool {
    is_day(number(id, from + 2, 2), number(id, from, 2))
}

/// Whether a year of four digits in which somebody alive may have been born, month and day begin at a place.
pub(super) fn is_yyyymmdd(id: &[u8], from: usize) -> bool {
    (1880..=2060).contains(&number(id, from, 4)) && is_yymmdd(id, from + 2)
}

/// Whether all characters are the same: a filler and no number.
pub(super) fn is_uniform(id: &[u8]) -> bool {
    id.windows(2).all(|pair| pair.first() == pair.last())
}

/// The check letter or digit that a remainder stands for.
pub(super) fn letter_of(letters: &[u8], remainder: u32) -> u8 {
    usize::try_from(remainder).ok().and_then(|at| letters.get(at)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_right() {
        type Case = (&'static str, fn(&[u8]) -> bool, &'static str, &'static str);
        let cases: [Case; 6] = [
            ("Luhn", luhn, "79927398713", "79927398710"),
            ("EAN", ean, "4006381333931", "4006381333930"),
            ("11,10", mod11_10, "94577403194", "94577403195"),
            ("11-2", mod11_2, "11010519491231002X", "110105194912310021"),
            ("Verhoeff", verhoeff, "2363", "2364"),
            ("Luhn of nothing", luhn, "18", "00"),
        ];
        for (name, check, good, bad) in cases {
            assert!(check(good.as_bytes()), "{name}: {good}");
            assert!(!check(bad.as_bytes()), "{name}: {bad}");
        }
        assert_eq!(remainder(b"3214282912345698765432161182", 97), 1);
        assert!(is_day(2, 29) && !is_day(2, 30) && !is_day(13, 1) && !is_day(4, 31));
    }
}
