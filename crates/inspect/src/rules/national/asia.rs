//! Identifiers of Asia: what makes a number of the right form one that was given out.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "at most 24 digits, weights below 100 and moduli below 600: no sum leaves a u32"
)]
use super::checksum::{
    digit, is_day, is_uniform, is_yymmdd, is_yyyymmdd, letter_of, luhn, mod11_2, number, part,
    value, verhoeff, weighted,
};

/// Verhoeff; no number begins with 0 or 1 (UIDAI).
pub(super) fn in_aadhaar(id: &[u8]) -> bool {
    digit(id, 0) > 1 && verhoeff(id) && !is_uniform(id)
}

/// The fourth letter says what kind of person it is; other letters are found after words only (the form is the same).
pub(super) fn in_pan(id: &[u8]) -> bool {
    id.get(3).is_some_and(|byte| b"ABCEFGHJKLNPST".contains(byte)) && number(id, 5, 4) > 0
}

/// A state, a PAN, and a character over 36 or, in the usual examples, none that fits.
pub(super) fn in_gstin(id: &[u8]) -> bool {
    let sum: u32 = part(id, 0, 14)
        .iter()
        .zip([1, 2].into_iter().cycle())
        .map(|(&byte, weight)| value(byte) * weight)
        .map(|term| term / 36 + term % 36)
        .sum();
    let check = (36 - sum % 36) % 36;
    let fits = id.get(14) == Some(&letter_of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", check));
    // The form is so long that nothing else has it; a sum that fails is somebody's example or a slip of the pen.
    matches!(number(id, 0, 2), 1..=37 | 97 | 99) && (fits || id.get(12) == Some(&b'1'))
}

/// A region, a date and a check digit that may be an X (GB 11643).
pub(super) fn cn_resident(id: &[u8]) -> bool {
    matches!(digit(id, 0), 1..=6 | 8) && is_yyyymmdd(id, 6) && mod11_2(id)
}

/// A character over 31 (GB 32100).
pub(super) fn cn_uscc(id: &[u8]) -> bool {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let place = |byte: u8| LETTERS.iter().zip(0_u32..).find(|(letter, _)| **letter == byte);
    let weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
    let mut sum = 0;
    for (&byte, weight) in part(id, 0, 17).iter().zip(weights) {
        let Some((_, place)) = place(byte) else { return false };
        sum += place * weight;
    }
    id.get(17) == Some(&letter_of(LETTERS, (31 - sum % 31) % 31))
}

/// One or two letters, six digits and a character over 11.
pub(super) fn hk_id(id: &[u8]) -> bool {
    let letters = id.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let body = part(id, letters, 6);
    if body.len() < 6 {
        return false;
    }
    let head = match part(id, 0, letters) {
        [one] => 36 * 9 + value(*one) * 8,
        [one, two] => value(*one) * 9 + value(*two) * 8,
        _ => return false,
    };
    let check = match id.get(letters.saturating_add(6)) {
        None => return true,
        Some(b'A') => 10,
        Some(byte) if byte.is_ascii_digit() => value(*byte),
        Some(_) => return false,
    };
    (head + weighted(body, &[7, 6, 5, 4, 3, 2]) + check).is_multiple_of(11)
}

/// The letter of a place as two digits, sex, and weights over 10.
pub(super) fn tw_id(id: &[u8]) -> bool {
    const PLACES: &[u8] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some((_, code)) = PLACES.iter().zip(10_u32..).find(|(place, _)| id.first() == Some(*place))
    else {
        return false;
    };
    let sum = code / 10 + code % 10 * 9 + weighted(part(id, 1, 9), &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(digit(id, 1), 1 | 2 | 8 | 9) && sum.is_multiple_of(10)
}

/// Weights over 11 (ordinance of the Ministry of Internal Affairs).
pub(super) fn jp_my_number(id: &[u8]) -> bool {
    let rest = weighted(id, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    digit(id, 11) == if rest < 2 { 0 } else { 11 - rest } && !is_uniform(id)
}

/// A prefecture's police, and weights over 11 before the last digit, which counts losses.
pub(super) fn jp_licence(id: &[u8]) -> bool {
    let rest = weighted(id, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(number(id, 0, 2), 10..=97) && digit(id, 10) == if rest < 2 { 0 } else { 11 - rest }
}

/// Date of birth, and the seventh digit, which says sex, century and whether one is a citizen. Since October 2020 there is no sum.
fn korean(id: &[u8], kinds: std::ops::RangeInclusive<u32>) -> bool {
    let sum = weighted(id, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11;
    let shift = if *kinds.start() == 5 { 13 } else { 11 };
    let summed = (shift - sum) % 10 == digit(id, 12);
    // Numbers from before have a place of registration up to 95.
    is_yymmdd(id, 0) && kinds.contains(&digit(id, 6)) && (summed || number(id, 7, 2) <= 96)
}

/// Of citizens.
pub(super) fn kr_rrn(id: &[u8]) -> bool {
    korean(id, 1..=4)
}

/// Of foreigners.
pub(super) fn kr_frn(id: &[u8]) -> bool {
    korean(id, 5..=8)
}

/// Weights over 10, of which the last counts its tens as well.
pub(super) fn kr_brn(id: &[u8]) -> bool {
    let sum = weighted(id, &[1, 3, 7, 1, 3, 7, 1, 3, 5]) + digit(id, 8) * 5 / 10;
    (sum + digit(id, 9)).is_multiple_of(10) && number(id, 0, 3) > 100
}

/// A region that gives licences out.
pub(super) fn kr_licence(id: &[u8]) -> bool {
    matches!(number(id, 0, 2), 11..=28)
}

/// Kinds of passports.
pub(super) fn kr_passport(id: &[u8]) -> bool {
    id.first().is_some_and(|byte| b"MSRODGPT".contains(byte))
}

/// Weights over 11; the letters depend on the first one, which also shifts the sum (ICA).
pub(super) fn sg_nric(id: &[u8]) -> bool {
    let sum = weighted(part(id, 1, 7), &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, shift): (&[u8], u32) = match id.first() {
        Some(b'S') => (b"JZIHGFEDCBA", 0),
        Some(b'T') => (b"JZIHGFEDCBA", 4),
        Some(b'F') => (b"XWUTRQPNMLK", 0),
        Some(b'G') => (b"XWUTRQPNMLK", 4),
        Some(b'M') => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    let place = (sum + shift) % 11;
    // The letters of M go the other way round.
    let place = if id.first() == Some(&b'M') { 10 - place } else { place };
    let letters = if id.first() == Some(&b'M') { b"KLJNPQRTUWX" } else { letters };
    id.get(8) == Some(&letter_of(letters, place))
}

/// The date and a place of birth (JPN).
pub(super) fn my_kad(id: &[u8]) -> bool {
    is_yymmdd(id, 0)
        && matches!(number(id, 6, 2), 1..=16 | 21..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99)
}

/// A province and a date, 40 added to the days of women.
pub(super) fn id_nik(id: &[u8]) -> bool {
    let day = number(id, 6, 2);
    matches!(number(id, 0, 2), 11..=94)
        && is_day(number(id, 8, 2), if day > 40 { day - 40 } else { day })
        && number(id, 12, 4) > 0
}

/// Weights 13 to 2 over 11.
pub(super) fn th_id(id: &[u8]) -> bool {
    let rest = weighted(id, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    digit(id, 0) > 0 && (11 - rest) % 10 == digit(id, 12) && !is_uniform(part(id, 0, 12))
}

/// Province or region, and no filler.
pub(super) fn pk_cnic(id: &[u8]) -> bool {
    (1..=8).contains(&digit(id, 0)) && !is_uniform(id)
}

/// Days of the year, 500 added for women, after the year.
pub(super) fn lk_nic(id: &[u8]) -> bool {
    let days = if id.len() == 10 { number(id, 2, 3) } else { number(id, 4, 3) };
    (1..=366).contains(&days) || (501..=866).contains(&days)
}

/// The date, sex and century, and weights over 11 that are tried twice.
pub(super) fn kz_iin(id: &[u8]) -> bool {
    let sums = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]];
    let [first, second] = sums.map(|weights| weighted(id, &weights) % 11);
    is_yymmdd(id, 0) && digit(id, 11) == if first < 10 { first } else { second }
}

/// Two check digits: one over odd and even places, one over all.
pub(super) fn tr_id(id: &[u8]) -> bool {
    let [odd, even] = [[1, 0], [0, 1]].map(|[odd, even]| {
        let weights = [odd, even, odd, even, odd, even, odd, even, odd];
        weighted(id, &weights)
    });
    let first = (odd * 7 + even * 9) % 10;
    let all: u32 = part(id, 0, 10).iter().map(|&byte| value(byte)).sum();
    digit(id, 0) > 0 && first == digit(id, 9) && all % 10 == digit(id, 10)
}

/// One of the 81 provinces, and letters of the alphabet of plates.
pub(super) fn tr_plate(id: &[u8]) -> bool {
    (1..=81).contains(&number(id, 0, 2)) && id.iter().all(|byte| !b"QWX".contains(byte))
}

/// The country's code, a year and Luhn.
pub(super) fn ae_id(id: &[u8]) -> bool {
    (1900..=2060).contains(&number(id, 3, 4)) && luhn(id)
}

/// Citizens have 1, residents 2, and Luhn.
pub(super) fn sa_id(id: &[u8]) -> bool {
    matches!(digit(id, 0), 1 | 2) && luhn(id) && !is_uniform(part(id, 1, 9))
}

/// A century, a date and a governorate.
pub(super) fn eg_id(id: &[u8]) -> bool {
    matches!(digit(id, 0), 2 | 3) && is_yymmdd(id, 1) && matches!(number(id, 7, 2), 1..=35 | 88)
}

/// A century, a date and weights over 11.
pub(super) fn kw_civil(id: &[u8]) -> bool {
    let rest = weighted(id, &[2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
    matches!(digit(id, 0), 2 | 3) && is_yymmdd(id, 1) && 11 - rest == digit(id, 11)
}

/// States and territories that register vehicles.
static INDIAN_STATES: &[u8] =
    b"ANAPARASBRCGCHDDDLDNGAGJHPHRJHJKKAKLLALDMHMLMNMPMZNLODORPBPYRJSKTGTNTRTSUKUPUTWB";

/// A state.
pub(super) fn in_vehicle(id: &[u8]) -> bool {
    INDIAN_STATES.chunks_exact(2).any(|state| state == part(id, 0, 2))
        && number(id, id.len().saturating_sub(4), 4) > 0
}
