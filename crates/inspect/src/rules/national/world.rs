//! Identifiers of Oceania and Africa, and those that no country gives out.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "at most 24 digits, weights below 100 and moduli below 600: no sum leaves a u32"
)]
use super::checksum::{digit, is_uniform, is_yymmdd, luhn, number, part, value, weighted};

/// The first digit less 1, and weights over 89 (ABR).
pub(super) fn au_abn(id: &[u8]) -> bool {
    let sum = weighted(id, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    digit(id, 0) > 0 && (sum - 10).is_multiple_of(89)
}

/// Weights 8 to 1 over 10 (ASIC).
pub(super) fn au_acn(id: &[u8]) -> bool {
    (weighted(id, &[8, 7, 6, 5, 4, 3, 2, 1]) + digit(id, 8)).is_multiple_of(10)
        && number(id, 0, 9) > 0
}

/// Weights over 10 in the ninth place; the tenth counts issues of the card.
pub(super) fn au_medicare(id: &[u8]) -> bool {
    (2..=6).contains(&digit(id, 0)) && weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == digit(id, 8)
}

/// Weights over 11 (ATO).
pub(super) fn au_tfn(id: &[u8]) -> bool {
    weighted(id, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && number(id, 0, 9) > 0
}

/// Weights over 11 that are tried twice (Inland Revenue).
pub(super) fn nz_ird(id: &[u8]) -> bool {
    let Some((&check, body)) = id.split_last() else { return false };
    let shift = usize::from(body.len() == 7);
    let check_of = |weights: [u32; 8]| {
        (11 - weighted(body, weights.get(shift..).unwrap_or_default()) % 11) % 11
    };
    let first = check_of([3, 2, 7, 6, 5, 4, 3, 2]);
    let second = check_of([7, 4, 3, 2, 5, 2, 7, 6]);
    let whole = number(id, 0, id.len());
    (10_000_000..=150_000_000).contains(&whole)
        && value(check) == if first < 10 { first } else { second }
}

/// Letters count by their place without I and O; over 11, or over 24 where two letters end it.
pub(super) fn nz_nhi(id: &[u8]) -> bool {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut sum = 0;
    for (&byte, weight) in part(id, 0, 6).iter().zip([7, 6, 5, 4, 3, 2]) {
        let place = LETTERS.iter().zip(1_u32..).find(|(letter, _)| **letter == byte);
        sum += weight
            * match (byte.is_ascii_digit(), place) {
                (true, _) => value(byte),
                (_, Some((_, place))) => place,
                _ => return false,
            };
    }
    match id.get(6) {
        Some(last) if last.is_ascii_digit() => sum % 11 > 0 && (11 - sum % 11) % 10 == value(*last),
        Some(last) => {
            usize::try_from(24 - sum % 24 - 1).ok().and_then(|at| LETTERS.get(at)) == Some(last)
        }
        None => false,
    }
}

/// The date, whether one is a citizen, and Luhn.
pub(super) fn za_id(id: &[u8]) -> bool {
    is_yymmdd(id, 0) && digit(id, 10) < 3 && luhn(id)
}

/// Letters have values without I, O and Q, and the ninth character stands for the sum over 11 (49 CFR 565). Only North America uses
/// the sum; elsewhere words say what it is, and the last digits are the serial number.
pub(super) fn vin(id: &[u8]) -> bool {
    let transliterated = |byte: u8| match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'A'..=b'H' => Some(u32::from(byte - b'A') + 1),
        b'J'..=b'N' => Some(u32::from(byte - b'J') + 1),
        b'P' => Some(7),
        b'R' => Some(9),
        b'S'..=b'Z' => Some(u32::from(byte - b'S') + 2),
        _ => None,
    };
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum = id
        .iter()
        .zip(weights)
        .try_fold(0, |sum, (&byte, weight)| Some(sum + transliterated(byte)? * weight));
    let check = match id.get(8) {
        Some(b'X') => Some(10),
        Some(&byte) if byte.is_ascii_digit() => Some(value(byte)),
        _ => None,
    };
    let is_summed = sum.is_some_and(|sum| Some(sum % 11) == check);
    let is_serial = part(id, 13, 4).iter().all(u8::is_ascii_digit);
    sum.is_some() && id.iter().any(u8::is_ascii_alphabetic) && (is_summed || is_serial)
}

/// Luhn, of digits that are not all the same.
pub(super) fn imei(id: &[u8]) -> bool {
    luhn(id) && !is_uniform(id)
}
