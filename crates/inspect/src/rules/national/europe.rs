//! Identifiers of Europe: what makes a number of the right form one that was given out.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "at most 24 digits, weights below 100 and moduli below 600: no sum leaves a u32"
)]
use super::checksum::{
    digit, is_day, is_ddmmyy, is_uniform, is_yymmdd, is_yyyymmdd, letter_of, luhn, mod11_10,
    number, part, remainder, value, verhoeff, weighted,
};

/// The remainder of weighted digits by 11, and then by 10: 10 stands for 0.
fn by_11_then_10(id: &[u8], weights: &[u32]) -> u32 {
    weighted(id, weights) % 11 % 10
}

/// Weights 10 to 2 over 11 (NHS data dictionary).
pub(super) fn uk_nhs(id: &[u8]) -> bool {
    weighted(id, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11) && !is_uniform(id)
}

/// Letters that are never used, and prefixes that are kept for others (HMRC).
pub(super) fn uk_nino(id: &[u8]) -> bool {
    let [first, second] = [id.first(), id.get(1)].map(|byte| byte.copied().unwrap_or(b'D'));
    let prefix = [first, second];
    !b"DFIQUV".contains(&first)
        && !b"DFIOQUV".contains(&second)
        && ![*b"BG", *b"GB", *b"NK", *b"KN", *b"TN", *b"NT", *b"ZZ"].contains(&prefix)
        && id.get(8).is_none_or(|byte| b"ABCD".contains(byte))
}

/// The date in the middle of a licence is one; the letters of the name are filled up with 9.
pub(super) fn uk_driving(id: &[u8]) -> bool {
    let month = number(id, 6, 2);
    // Women have 50 added to the month.
    let month = if month > 50 { month - 50 } else { month };
    let name = part(id, 0, 5);
    let n_letters = name.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    n_letters > 0
        && name.iter().skip(n_letters).all(|&byte| byte == b'9')
        && is_day(month, number(id, 8, 2))
}

/// Areas of postcodes with two letters (Royal Mail); the ones with one letter follow.
static BRITISH_AREAS: &[u8] = b"ABALBABBBDBFBHBLBNBRBSBTCACBCFCHCMCOCRCTCVCWDADDDEDGDHDLDNDTDYECEHENEXFKFYGLGUGYHAHDHGHPHRHSHUHXIGIMIPIVJEKAKTKWKYLALDLELLLNLSLUMEMKMLNENGNNNPNRNWOLOXPAPEPHPLPOPRRGRHRMSASESGSKSLSMSNSOSPSRSSSTSWSYTATDTFTNTQTRTSTWUBWAWCWDWFWNWRWSWVYOZE";
static BRITISH_AREAS_SHORT: &[u8] = b"BEGLMNSW";

/// Letters that a postcode never has in a place (Royal Mail).
pub(super) fn uk_postcode(id: &[u8]) -> bool {
    let (Some(outward), inward) =
        (id.get(..id.len().saturating_sub(3)), id.len().saturating_sub(2))
    else {
        return false;
    };
    let inward = part(id, inward, 2);
    let letters = outward.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let is_area = match part(outward, 0, letters) {
        [one] => BRITISH_AREAS_SHORT.contains(one),
        area => BRITISH_AREAS.chunks_exact(2).any(|other| other == area),
    };
    is_area
        && inward.iter().all(|byte| !b"CIKMOV".contains(byte))
        && match outward {
            [_, _, byte] if letters == 1 && byte.is_ascii_alphabetic() => {
                b"ABCDEFGHJKPSTUW".contains(byte)
            }
            [_, _, _, byte] if byte.is_ascii_alphabetic() => b"ABEHMNPRVWXY".contains(byte),
            _ => true,
        }
}

/// Weights over 11 that stand in a table of remainders (HMRC).
pub(super) fn uk_utr(id: &[u8]) -> bool {
    let rest = weighted(part(id, 1, 9), &[6, 7, 8, 9, 10, 5, 4, 3, 2]) % 11;
    u8::try_from(digit(id, 0))
        .is_ok_and(|check| check.wrapping_add(b'0') == letter_of(b"21987654321", rest))
}

/// A letter over 23, which a second letter weighs in on.
pub(super) fn ie_pps(id: &[u8]) -> bool {
    let second = id.get(8).map_or(0, |&byte| if byte == b'W' { 0 } else { value(byte) - 9 });
    let sum = weighted(id, &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
    id.get(7) == Some(&letter_of(b"WABCDEFGHIJKLMNOPQRSTUV", sum % 23)) && second < 10
}

/// Sex, month and department; the key is 97 less the remainder. Corsica's departments have letters.
pub(super) fn fr_nir(id: &[u8]) -> bool {
    let department: &[u8] = match part(id, 5, 2) {
        b"2A" => b"19",
        b"2B" => b"18",
        department if department.iter().all(u8::is_ascii_digit) => department,
        _ => return false,
    };
    let body = [part(id, 0, 5), department, part(id, 7, 6)].concat();
    let month = number(id, 3, 2);
    matches!(digit(id, 0), 1..=4 | 7 | 8)
        && ((1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50)
        && remainder(&body, 97) + number(id, 13, 2) == 97
}

/// The key of three digits over 511 (tax office).
pub(super) fn fr_tax(id: &[u8]) -> bool {
    digit(id, 0) < 4 && remainder(part(id, 0, 10), 511) == number(id, 10, 3)
}

/// Nine characters of which one is a letter, or twelve digits: words say the rest.
pub(super) fn fr_passport(id: &[u8]) -> bool {
    id.iter().filter(|byte| byte.is_ascii_alphabetic()).count() <= 4
}

/// ISO 7064; of the first ten digits, some occur twice or three times and no more (Federal Central Tax Office).
pub(super) fn de_tax(id: &[u8]) -> bool {
    let body = part(id, 0, 10);
    // Numbers for tests, ten different digits, have no repetition at all: they are found as well.
    let is_frequent = |&digit: &u8| body.iter().filter(|&&other| other == digit).nth(3).is_some();
    digit(id, 0) > 0 && !body.iter().any(is_frequent) && mod11_10(id)
}

/// Area, date of birth and the sum of the digits of weighted digits; the letter is its place in the alphabet.
pub(super) fn de_social(id: &[u8]) -> bool {
    let letter = id.get(8).map_or(0, |&byte| value(byte).saturating_sub(9));
    let mut digits = [0_u32; 12];
    let plain = [0, 1, 2, 3, 4, 5, 6, 7].map(|place| digit(id, place));
    let tail = [letter / 10, letter % 10, digit(id, 9), digit(id, 10)];
    for (slot, value) in digits.iter_mut().zip(plain.into_iter().chain(tail)) {
        *slot = value;
    }
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let cross = |term: u32| term / 10 + term % 10;
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| cross(digit * weight)).sum();
    // Where a birthday's numbers are used up, days begin at 31.
    let day = number(id, 2, 2);
    is_day(number(id, 4, 2), if day > 31 { day - 30 } else { day })
        && number(id, 0, 2) > 1
        && sum % 10 == digit(id, 11)
}

/// The letter as two digits, then weights 1 and 2 (GKV).
pub(super) fn de_health(id: &[u8]) -> bool {
    let letter = digit(id, 0).saturating_sub(9);
    let cross = |term: u32| term / 10 + term % 10;
    let head = letter / 10 + cross(letter % 10 * 2);
    let weights = [1, 2, 1, 2, 1, 2, 1, 2];
    let body =
        part(id, 1, 8).iter().zip(weights).map(|(&byte, weight)| cross(value(byte) * weight));
    id.first().is_some_and(u8::is_ascii_alphabetic)
        && (head + body.sum::<u32>()) % 10 == digit(id, 9)
}

/// Weights 4 and 9 over six digits (KBV).
pub(super) fn de_lanr(id: &[u8]) -> bool {
    (weighted(id, &[4, 9, 4, 9, 4, 9]) + digit(id, 6)).is_multiple_of(10) && !is_uniform(id)
}

/// Letters that cannot be misread, and weights 7, 3, 1 where the check digit is written (BMI).
pub(super) fn de_document(id: &[u8]) -> bool {
    let first = id.first().copied().unwrap_or(0);
    let fits = part(id, 1, 8).iter().all(|byte| !b"ABDEIOQSU".contains(byte));
    let n_digits = id.iter().filter(|byte| byte.is_ascii_digit()).count();
    let summed = match id.len() {
        10 => weighted(id, &[7, 3, 1, 7, 3, 1, 7, 3, 1, 9]).is_multiple_of(10),
        _ => {
            weighted(id, &[7, 3, 1, 7, 3, 1, 7, 3]) % 10 == digit(id, 8)
                || !is_uniform(part(id, 1, 8))
        }
    };
    b"CFGHJKLMNPRTVWXYZ".contains(&first) && fits && n_digits >= 4 && summed
}

/// The sum stands in the fourth place; the date of birth follows (a month above 12 where a day's numbers were used up).
pub(super) fn at_svnr(id: &[u8]) -> bool {
    let sum = weighted(id, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let month = number(id, 6, 2);
    digit(id, 0) > 0
        && sum % 11 == digit(id, 3)
        && ((13..=15).contains(&month) || is_day(month, number(id, 4, 2)))
}

/// Weights over 11 (Federal Statistical Office).
pub(super) fn ch_uid(id: &[u8]) -> bool {
    weighted(part(id, 3, 9), &[5, 4, 3, 2, 7, 6, 5, 4, 1]).is_multiple_of(11)
}

/// Weights 9 to 2 and minus 1 over 11.
pub(super) fn nl_bsn(id: &[u8]) -> bool {
    let padded = [b"0", id].concat();
    let id = if id.len() == 8 { padded.as_slice() } else { id };
    let sum = weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == digit(id, 8) && sum > 0 && !is_uniform(id)
}

/// The date (months have 20 or 40 added where the sex was not known), and 97 less the remainder; a 2 is written before for those born
/// since 2000.
pub(super) fn be_nrn(id: &[u8]) -> bool {
    let check = number(id, 9, 2);
    let since_2000 = [b"2", part(id, 0, 9)].concat();
    let month = number(id, 2, 2);
    let month = if month > 20 { month - 20 } else { month };
    let month = if month > 20 { month - 20 } else { month };
    (month == 0 || is_day(month, number(id, 4, 2).max(1)))
        && (1..=97).contains(&check)
        && [part(id, 0, 9), &since_2000].iter().any(|body| remainder(body, 97) + check == 97)
        && !is_uniform(id)
}

/// 97 less the remainder of the first eight digits.
pub(super) fn be_enterprise(id: &[u8]) -> bool {
    digit(id, 0) < 2 && remainder(part(id, 0, 8), 97) + number(id, 8, 2) == 97
}

/// The date of birth, Luhn over eleven digits, and Verhoeff over the same.
pub(super) fn lu_cns(id: &[u8]) -> bool {
    is_yyyymmdd(id, 0)
        && luhn(part(id, 0, 12))
        && verhoeff(&[part(id, 0, 11), part(id, 12, 1)].concat())
}

/// Who it is for, and weights 9 to 2 over 11.
pub(super) fn pt_nif(id: &[u8]) -> bool {
    let rest = weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(digit(id, 0), 1..=3 | 5 | 6 | 8 | 9)
        && digit(id, 8) == if rest < 2 { 0 } else { 11 - rest }
}

/// Luhn over digits and letters, of which a letter counts ten and more.
pub(super) fn pt_cc(id: &[u8]) -> bool {
    let doubled = [false, true].into_iter().cycle();
    let sum: u32 = id
        .iter()
        .rev()
        .zip(doubled)
        .map(|(&byte, doubled)| {
            let term = value(byte) << u32::from(doubled);
            if doubled && term > 9 { term - 9 } else { term }
        })
        .sum();
    sum.is_multiple_of(10)
}

const SPANISH: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// A letter over 23.
pub(super) fn es_nif(id: &[u8]) -> bool {
    let Some((check, body)) = id.split_last() else { return false };
    letter_of(SPANISH, remainder(body, 23)) == *check && !body.iter().all(|&byte| byte == b'0')
}

/// X, Y or Z count as 0, 1 or 2 before a letter over 23.
pub(super) fn es_nie(id: &[u8]) -> bool {
    let head = match id.first() {
        Some(b'X') => b'0',
        Some(b'Y') => b'1',
        Some(b'Z') => b'2',
        _ => return false,
    };
    let body = [&[head], part(id, 1, 7)].concat();
    id.get(8) == Some(&letter_of(SPANISH, remainder(&body, 23)))
}

/// The kind of company, and a digit or a letter for the sum of which every second digit counts twice.
pub(super) fn es_cif(id: &[u8]) -> bool {
    let cross = |term: u32| term / 10 + term % 10;
    let sum: u32 = part(id, 1, 7)
        .iter()
        .zip([2, 1].into_iter().cycle())
        .map(|(&byte, weight)| cross(value(byte) * weight))
        .sum();
    let check = (10 - sum % 10) % 10;
    let last = id.get(8).copied().unwrap_or(0);
    id.first().is_some_and(|byte| b"ABCDEFGHJNPQRSUVW".contains(byte))
        && (last == letter_of(b"JABCDEFGHI", check) || last == letter_of(b"0123456789", check))
}

/// The remainder of province and number by 97.
pub(super) fn es_social(id: &[u8]) -> bool {
    let Some((body, check)) = id.len().checked_sub(2).and_then(|n| id.split_at_checked(n)) else {
        return false;
    };
    (1..=66).contains(&number(id, 0, 2)) && remainder(body, 97) == number(check, 0, 2)
}

/// Values of characters in odd places (decree of 23 December 1976).
static ITALIAN_ODD: [u32; 36] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6,
    8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// A month's letter and a check letter over 26. Where two people would share a code, letters stand for digits (omocodia), and the day
/// is not looked at.
pub(super) fn it_fiscal(id: &[u8]) -> bool {
    let Some((&check, body)) = id.split_last() else { return false };
    let sum: u32 = body
        .iter()
        .enumerate()
        .map(|(place, &byte)| {
            let value = value(byte);
            let odd = usize::try_from(value).ok().and_then(|at| ITALIAN_ODD.get(at)).copied();
            match place % 2 {
                0 => odd.unwrap_or(0),
                _ if byte.is_ascii_digit() => value,
                _ => value.saturating_sub(10),
            }
        })
        .sum();
    let is_number = |place: usize| {
        id.get(place).is_some_and(|byte| byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte))
    };
    check == letter_of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", sum % 26)
        && [6, 7, 9, 10, 12, 13, 14].into_iter().all(is_number)
        && id.get(8).is_some_and(u8::is_ascii_alphabetic)
}

/// Luhn, and an office that exists.
pub(super) fn it_vat(id: &[u8]) -> bool {
    luhn(id) && (matches!(number(id, 7, 3), 1..=121 | 888 | 999)) && number(id, 0, 7) > 0
}

/// A date (days of coordination numbers have 60 added) and Luhn over the last ten digits.
pub(super) fn se_person(id: &[u8]) -> bool {
    let Some(short) = id.len().checked_sub(10).and_then(|from| id.get(from..)) else {
        return false;
    };
    let day = number(short, 4, 2);
    let century = id.len() == 10 || matches!(number(id, 0, 2), 18..=20);
    century && is_day(number(short, 2, 2), if day > 60 { day - 60 } else { day }) && luhn(short)
}

/// The third digit is 2 or more, so that no number is a date, and Luhn.
pub(super) fn se_organisation(id: &[u8]) -> bool {
    matches!(digit(id, 0), 1..=3 | 5..=9) && digit(id, 2) >= 2 && luhn(id) && !is_uniform(id)
}

/// The date (40 is added to the day or the month of temporary numbers) and two digits over 11.
pub(super) fn no_fnr(id: &[u8]) -> bool {
    let (day, month) = (number(id, 0, 2), number(id, 2, 2));
    is_day(if month > 40 { month - 40 } else { month }, if day > 40 { day - 40 } else { day })
        && weighted(id, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(id, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Begins with 8 or 9, and weights over 11.
pub(super) fn no_organisation(id: &[u8]) -> bool {
    digit(id, 0) >= 8 && weighted(id, &[3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// The date; since 2007 the sum is not kept any more, so words must say what it is.
pub(super) fn dk_cpr(id: &[u8]) -> bool {
    is_ddmmyy(id, 0)
}

/// The date, and a character over 31.
pub(super) fn fi_hetu(id: &[u8]) -> bool {
    // The sign of the century is a letter for some: it is not part of the number.
    let tail = id.len().saturating_sub(4);
    let body = [part(id, 0, 6), part(id, tail, 3)].concat();
    let check = letter_of(b"0123456789ABCDEFHJKLMNPRSTUVWXY", remainder(&body, 31));
    let sign = id.len() == 10 || id.get(6).is_some_and(|byte| b"ABCDEFUVWXY".contains(byte));
    is_ddmmyy(id, 0) && sign && id.last() == Some(&check)
}

/// Weights over 11.
pub(super) fn fi_business(id: &[u8]) -> bool {
    let rest = weighted(id, &[7, 9, 10, 5, 8, 4, 2]) % 11;
    rest != 1 && digit(id, 7) == if rest == 0 { 0 } else { 11 - rest } && !is_uniform(id)
}

/// The date (days of companies have 40 added), the century, and weights over 11.
pub(super) fn is_kennitala(id: &[u8]) -> bool {
    let day = number(id, 0, 2);
    is_day(number(id, 2, 2), if day > 40 { day - 40 } else { day })
        && matches!(digit(id, 9), 0 | 8 | 9)
        && weighted(id, &[3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// The date, with the century in the month, and weights over 10.
pub(super) fn pl_pesel(id: &[u8]) -> bool {
    let month = number(id, 2, 2);
    is_day(month % 20, number(id, 4, 2))
        && weighted(id, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Weights over 11; 10 is never given out.
pub(super) fn pl_nip(id: &[u8]) -> bool {
    weighted(id, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == digit(id, 9)
        && digit(id, 0) > 0
        && !is_uniform(id)
}

/// Nine digits, or fourteen of which nine are one already.
pub(super) fn pl_regon(id: &[u8]) -> bool {
    let short = by_11_then_10(id, &[8, 9, 2, 3, 4, 5, 6, 7]) == digit(id, 8);
    let weights = [2, 4, 8, 5, 0, 9, 7, 3, 6, 1, 2, 4, 8];
    short && !is_uniform(id) && (id.len() == 9 || by_11_then_10(id, &weights) == digit(id, 13))
}

/// Weights 7, 3, 1 around the check digit, which comes fourth.
pub(super) fn pl_id(id: &[u8]) -> bool {
    weighted(id, &[7, 3, 1, 9, 7, 3, 1, 7, 3]).is_multiple_of(10)
}

/// The date (50 is added to months of women, 20 where numbers were used up), and a multiple of 11; numbers of nine digits are older
/// than the sum.
pub(super) fn cz_rc(id: &[u8]) -> bool {
    let month = number(id, 2, 2) % 50;
    let month = if month > 20 { month - 20 } else { month };
    let by_11 = remainder(part(id, 0, 9), 11) % 10 == digit(id, 9);
    is_day(month, number(id, 4, 2)) && (id.len() == 9 || by_11)
}

/// Weights 8 to 2 over 11.
pub(super) fn cz_ico(id: &[u8]) -> bool {
    let rest = weighted(id, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    (11 - rest) % 10 == digit(id, 7) && number(id, 0, 7) > 0
}

/// Weights 3 and 7 over 10.
pub(super) fn hu_taj(id: &[u8]) -> bool {
    weighted(id, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == digit(id, 8) && !is_uniform(id)
}

/// Of people, ten digits over 11; of companies, eight over 10, a kind and a county.
pub(super) fn hu_tax(id: &[u8]) -> bool {
    let company = id.len() == 11
        && weighted(id, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10)
        && (1..=5).contains(&digit(id, 8));
    let person = id.len() == 10
        && digit(id, 0) == 8
        && weighted(id, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11 == digit(id, 9);
    company || person
}

/// Sex and century, date, county, and weights over 11.
pub(super) fn ro_cnp(id: &[u8]) -> bool {
    let weights = [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9];
    digit(id, 0) > 0
        && is_yymmdd(id, 1)
        && matches!(number(id, 7, 2), 1..=48 | 51 | 52 | 70 | 80..=83)
        && by_11_or_1(weighted(id, &weights)) == digit(id, 12)
}

/// The remainder by 11, where 10 becomes 1.
fn by_11_or_1(sum: u32) -> u32 {
    if sum % 11 == 10 { 1 } else { sum % 11 }
}

/// The date, with the century in the month, and powers of 2 over 11.
pub(super) fn bg_egn(id: &[u8]) -> bool {
    let month = number(id, 2, 2);
    is_day(month % 20, number(id, 4, 2))
        && month < 53
        && by_11_then_10(id, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) == digit(id, 9)
}

/// Weights 8 to 2 over 11.
pub(super) fn si_tax(id: &[u8]) -> bool {
    let rest = weighted(id, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    digit(id, 0) > 0 && rest != 0 && (11 - rest) % 10 == digit(id, 7)
}

/// The date with three digits of the year, a region, and weights over 11.
pub(super) fn jmbg(id: &[u8]) -> bool {
    let year = number(id, 4, 3);
    is_day(number(id, 2, 2), number(id, 0, 2))
        && !(60..880).contains(&year)
        && weighted(id, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// Sex and century, date, and weights over 11 that are tried twice.
pub(super) fn ee_isikukood(id: &[u8]) -> bool {
    let sums = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 1], [3, 4, 5, 6, 7, 8, 9, 1, 2, 3]];
    let [first, second] = sums.map(|weights| weighted(id, &weights) % 11);
    let check = if first < 10 { first } else { second % 10 };
    (1..=8).contains(&digit(id, 0)) && is_yymmdd(id, 1) && check == digit(id, 10)
}

/// The date and weights over 11, or the prefix 32 of newer numbers, which say nothing.
pub(super) fn lv_kods(id: &[u8]) -> bool {
    let sum = weighted(id, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9]);
    number(id, 0, 2) == 32 || (is_ddmmyy(id, 0) && (sum + 1) % 11 % 10 == digit(id, 10))
}

/// The date and Luhn.
pub(super) fn gr_amka(id: &[u8]) -> bool {
    is_ddmmyy(id, 0) && luhn(id)
}

/// Powers of 2 over 11.
pub(super) fn gr_afm(id: &[u8]) -> bool {
    by_11_then_10(id, &[256, 128, 64, 32, 16, 8, 4, 2]) == digit(id, 8) && !is_uniform(id)
}

/// Days since 1900, a serial number, and weights over 11.
pub(super) fn ua_rnokpp(id: &[u8]) -> bool {
    // The first weight is minus 1, which is 10.
    let sum = weighted(id, &[10, 5, 7, 9, 4, 6, 10, 5, 7]);
    sum % 11 % 10 == digit(id, 9) && !is_uniform(id)
}

/// Weights over 11: one digit of ten for companies, two of twelve for people.
pub(super) fn ru_inn(id: &[u8]) -> bool {
    !is_uniform(id)
        && match id.len() {
            10 => by_11_then_10(id, &[2, 4, 10, 3, 5, 9, 4, 6, 8]) == digit(id, 9),
            _ => {
                by_11_then_10(id, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) == digit(id, 10)
                    && by_11_then_10(id, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) == digit(id, 11)
            }
        }
}

/// Weights 9 to 1 over 101.
pub(super) fn ru_snils(id: &[u8]) -> bool {
    weighted(id, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == number(id, 9, 2) && !is_uniform(id)
}

/// Value added tax numbers: two letters of the state, and its own sum.
pub(super) fn eu_vat(id: &[u8]) -> bool {
    let Some((state, number_of)) = id.split_at_checked(2) else { return false };
    if is_uniform(number_of) {
        return false;
    }
    let sum = |weights: &[u32]| weighted(number_of, weights);
    let last = number_of.last().map_or(0, |&byte| value(byte));
    match state {
        b"AT" => {
            let cross = super::checksum::cross_weighted(part(id, 3, 7), &[1, 2, 1, 2, 1, 2, 1]);
            (10 - (cross + 4) % 10) % 10 == last
        }
        b"BE" => be_enterprise(number_of),
        b"BG" if number_of.len() == 10 => {
            bg_egn(number_of)
                || sum(&[4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 + last == 11
                || sum(&[21, 19, 17, 13, 11, 9, 7, 3, 1]) % 10 == last
        }
        b"BG" => [[1, 2, 3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8, 9, 10]]
            .iter()
            .any(|weights| sum(weights) % 11 % 10 == last),
        b"CY" => number_of.first().is_some_and(|byte| b"013459".contains(byte)),
        b"CZ" | b"SK" if number_of.len() == 10 => remainder(number_of, 11) == 0,
        b"CZ" if number_of.len() == 8 => cz_ico(number_of),
        b"CZ" => cz_rc(number_of),
        b"DE" | b"HR" => mod11_10(number_of),
        b"DK" => sum(&[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        b"EE" => sum(&[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10),
        b"EL" => gr_afm(number_of),
        b"ES" => es_nif(number_of) || es_nie(number_of) || es_cif(number_of),
        b"FI" => fi_business(number_of),
        b"FR" => {
            remainder(part(id, 4, 9), 97) * 3 % 97 == (number(id, 2, 2) + 97 - 12) % 97
                && luhn(part(id, 4, 9))
        }
        b"GB" | b"XI" => {
            let total = sum(&[8, 7, 6, 5, 4, 3, 2]) + number(id, 9, 2);
            total.is_multiple_of(97) || (total + 55).is_multiple_of(97)
        }
        b"HU" => sum(&[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10),
        b"IE" => ie_pps(number_of),
        b"IT" => it_vat(number_of),
        b"LU" => remainder(part(id, 2, 6), 89) == number(id, 8, 2),
        b"LT" => [[1, 2, 3, 4, 5, 6, 7, 8], [3, 4, 5, 6, 7, 8, 9, 1]]
            .iter()
            .any(|weights| sum(weights) % 11 % 10 == last),
        b"LV" => {
            let want = 3_u32.wrapping_sub(sum(&[9, 1, 4, 8, 3, 10, 2, 5, 7, 6]) % 11);
            digit(id, 2) > 3 && (want == last || want.wrapping_add(11) == last)
        }
        b"MT" => 37 - sum(&[3, 4, 6, 7, 8, 9]) % 37 == number(id, 8, 2),
        b"NL" => nl_bsn(part(id, 2, 9)) || remainder(id, 97) == 1,
        b"PL" => pl_nip(number_of),
        b"PT" => pt_nif(number_of),
        b"RO" => {
            // Shorter numbers are filled up with zeros from the left.
            let weights = [7, 5, 3, 2, 1, 7, 5, 3, 2];
            let from = 10_usize.saturating_sub(number_of.len());
            let weights = weights.get(from..).unwrap_or_default();
            sum(weights) * 10 % 11 % 10 == last
        }
        b"SE" => luhn(part(id, 2, 10)) && number(id, 12, 2) > 0,
        b"SI" => si_tax(number_of),
        _ => false,
    }
}
