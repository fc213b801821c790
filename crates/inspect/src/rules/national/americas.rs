//! Identifiers of the Americas: what makes a number of the right form one that was given out.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "at most 24 digits, weights below 100 and moduli below 600: no sum leaves a u32"
)]
use super::checksum::{
    digit, is_uniform, is_yymmdd, luhn, luhn_sum, number, part, value, weighted,
};

/// Groups that the revenue service gives out (IRS publication 1915).
pub(super) fn us_itin(id: &[u8]) -> bool {
    digit(id, 0) == 9 && matches!(number(id, 3, 2), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// Prefixes of the campuses (IRS).
pub(super) fn us_ein(id: &[u8]) -> bool {
    !matches!(number(id, 0, 2), 0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97)
        && !is_uniform(id)
}

/// Federal Reserve districts, and the sum (ABA).
pub(super) fn us_aba(id: &[u8]) -> bool {
    matches!(number(id, 0, 2), 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(id, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// Luhn over the number after the prefix of health cards, 80840 (CMS).
pub(super) fn us_npi(id: &[u8]) -> bool {
    matches!(digit(id, 0), 1 | 2)
        && (luhn_sum(id) + 24).is_multiple_of(10)
        && !is_uniform(part(id, 0, 9))
}

/// Two letters (or a letter and 9) and a sum of which every second digit counts twice.
pub(super) fn us_dea(id: &[u8]) -> bool {
    let body = part(id, 2, 6);
    let sum = weighted(body, &[1, 2, 1, 2, 1, 2]);
    id.first().is_some_and(|byte| b"ABCDEFGHJKLMPRSTUX".contains(byte))
        && sum % 10 == digit(id, 8)
        && sum > 0
}

/// Letters but S, L, O, I, B and Z in fixed places (CMS).
pub(super) fn us_mbi(id: &[u8]) -> bool {
    let letters_fit = id.iter().all(|byte| !b"SLOIBZ".contains(byte));
    letters_fit && digit(id, 0) > 0
}

/// Luhn; numbers begin with 1 to 7 or 9.
pub(super) fn ca_sin(id: &[u8]) -> bool {
    !matches!(digit(id, 0), 0 | 8) && luhn(id) && !is_uniform(id)
}

/// No D, F, I, O, Q or U; neither W nor Z comes first.
pub(super) fn ca_postcode(id: &[u8]) -> bool {
    id.iter().all(|byte| !b"DFIOQU".contains(byte)) && !matches!(id.first(), Some(b'W' | b'Z'))
}

/// Sex, state, and a digit over the 37 letters of the Spanish alphabet (RENAPO).
pub(super) fn mx_curp(id: &[u8]) -> bool {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMN\xd1OPQRSTUVWXYZ";
    let place = |byte: &u8| LETTERS.iter().zip(0_u32..).find(|(letter, _)| *letter == byte);
    let body = part(id, 0, 17);
    let weights = (2..=18).rev();
    let sum: u32 = body
        .iter()
        .zip(weights)
        .map(|(byte, weight)| place(byte).map_or(0, |(_, place)| place) * weight)
        .sum();
    is_yymmdd(id, 4)
        && matches!(id.get(10), Some(b'H' | b'M' | b'X'))
        && (sum + digit(id, 17)).is_multiple_of(10)
}

/// The date of birth or foundation, and the last character over 11 (SAT); many that were given out before have another one, so only
/// the date must be right.
pub(super) fn mx_rfc(id: &[u8]) -> bool {
    let from = if id.get(3).is_some_and(u8::is_ascii_digit) { 3 } else { 4 };
    is_yymmdd(id, from)
}

/// Weights 3, 7, 1 over the bank, the place and the account (ABM).
pub(super) fn mx_clabe(id: &[u8]) -> bool {
    let weights = [3, 7, 1].into_iter().cycle();
    let sum: u32 =
        part(id, 0, 17).iter().zip(weights).map(|(&byte, weight)| value(byte) * weight % 10).sum();
    (sum + digit(id, 17)).is_multiple_of(10) && !is_uniform(id)
}

/// A check digit by 11 over the digits before it: the remainders 0 and 1 give 0.
fn brazilian(body: &[u8], weights: &[u32], check: u32) -> bool {
    let rest = weighted(body, weights) % 11;
    check == if rest < 2 { 0 } else { 11 - rest }
}

/// Two digits over nine (Receita Federal).
pub(super) fn br_cpf(id: &[u8]) -> bool {
    !is_uniform(id)
        && brazilian(part(id, 0, 9), &[10, 9, 8, 7, 6, 5, 4, 3, 2], digit(id, 9))
        && brazilian(part(id, 0, 10), &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], digit(id, 10))
}

/// Two digits over twelve (Receita Federal).
pub(super) fn br_cnpj(id: &[u8]) -> bool {
    const WEIGHTS: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let first = WEIGHTS.get(1..).unwrap_or_default();
    !is_uniform(id)
        && brazilian(part(id, 0, 12), first, digit(id, 12))
        && brazilian(part(id, 0, 13), &WEIGHTS, digit(id, 13))
}

/// Who it is for, and the sum over 11 (AFIP).
pub(super) fn ar_cuit(id: &[u8]) -> bool {
    matches!(number(id, 0, 2), 20 | 23..=27 | 30 | 33 | 34)
        && weighted(id, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// A check digit over 11, of which 10 is K (Registro Civil).
pub(super) fn cl_rut(id: &[u8]) -> bool {
    let Some((&check, body)) = id.split_last() else { return false };
    let weights = (2..=7).cycle();
    let sum: u32 = body.iter().rev().zip(weights).map(|(&byte, weight)| value(byte) * weight).sum();
    let want = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => u8::try_from(digit).unwrap_or(0).wrapping_add(b'0'),
    };
    check == want && !is_uniform(body) && body.iter().all(u8::is_ascii_digit)
}

/// Weights of prime numbers over 11 (DIAN).
pub(super) fn co_nit(id: &[u8]) -> bool {
    let Some((&check, body)) = id.split_last() else { return false };
    let primes = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43];
    let sum: u32 = body.iter().rev().zip(primes).map(|(&byte, weight)| value(byte) * weight).sum();
    let rest = sum % 11;
    value(check) == if rest < 2 { rest } else { 11 - rest }
}

/// Who it is for, and the sum over 11 (SUNAT).
pub(super) fn pe_ruc(id: &[u8]) -> bool {
    let rest = weighted(part(id, 0, 10), &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(number(id, 0, 2), 10 | 15..=17 | 20) && (11 - rest) % 10 == digit(id, 10)
}

/// Province, kind of person, and Luhn.
pub(super) fn ec_cedula(id: &[u8]) -> bool {
    matches!(number(id, 0, 2), 1..=24 | 30) && digit(id, 2) < 6 && luhn(id)
}

/// Weights over 10.
pub(super) fn uy_ci(id: &[u8]) -> bool {
    // Numbers below a million have one digit fewer.
    let weights: &[u32] = match id.len() {
        7 => &[9, 8, 7, 6, 3, 4, 1],
        _ => &[2, 9, 8, 7, 6, 3, 4, 1],
    };
    weighted(id, weights).is_multiple_of(10) && !is_uniform(id)
}

/// Luhn over eleven digits (IMSS).
pub(super) fn mx_nss(id: &[u8]) -> bool {
    luhn(id) && !is_uniform(id)
}
