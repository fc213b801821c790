//! SWIFT codes of banks (ISO 9362): four letters, the country, two characters of a place and, at most, three of a branch. Many words in
//! capitals have that form, so that a word must announce one and the country must exist.
use crate::kinds::{Personal, Support};
use crate::text::{Answer, Hit, Hold, Reader, Stop, Text, is_word};

/// The first bytes of what announces a code, in small letters: `ift` ends many words.
pub(super) const HEADS: [&[u8]; 2] = [b"bic", b"swi"];
/// Words that may stand between, in small letters.
const BETWEEN: [&[u8]; 16] = [
    b"bic",
    b"swift",
    b"code",
    b"codes",
    b"number",
    b"no",
    b"nr",
    b"is",
    b"address",
    b"for",
    b"the",
    b"bank",
    b"der",
    b"id",
    b"identifier",
    b"our",
];
/// Most words and gaps between the first word and the code.
const WORDS_MAX: usize = 6;
/// Most bytes of one gap.
const GAP_BYTES_MAX: usize = 8;
/// Bytes of a code without and with its branch.
const SHORT: usize = 8;
const LONG: usize = 11;

/// The countries and territories of ISO 3166-1, and Kosovo, which the registry writes as `XK`.
const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCR\
CUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJP\
KEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPK\
PLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVU\
WFWSXKYEYTZAZMZW";

fn is_code(bytes: &[u8]) -> bool {
    let Some((bank, rest)) = bytes.split_at_checked(4) else { return false };
    let Some((country, place)) = rest.split_at_checked(2) else { return false };
    matches!(bytes.len(), SHORT | LONG)
        && bank.iter().all(u8::is_ascii_uppercase)
        && COUNTRIES.chunks_exact(2).any(|known| known == country)
        && place.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Steps over what stands between words; returns whether it gives a value to a name.
fn read_gap(reader: &mut Reader<'_>) -> Result<bool, Stop> {
    let from = reader.at;
    let is_gap = |byte: u8| {
        matches!(
            byte,
            b' ' | b'\t'
                | b':'
                | b'='
                | b'/'
                | b'-'
                | b'#'
                | b'('
                | b')'
                | b'"'
                | b'\''
                | b'>'
                | b'.'
                | b','
                | b'_'
                | b'*'
                | b'`'
                | b'|'
        )
    };
    if reader.run(is_gap, GAP_BYTES_MAX)? == GAP_BYTES_MAX {
        return Err(Stop::No);
    }
    let gap = reader.text().slice(from, reader.at);
    Ok(gap.iter().any(|byte| matches!(byte, b':' | b'=' | b'#' | b'>' | b'|')))
}

/// Reads the words after the first one, up to the code.
pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    // The finding begins after the words, so undecided words hold nothing back.
    let nothing = |stop: Stop| stop.holding(Hold::Nothing);
    if !(reader.eat_folded(b"bic").map_err(nothing)?
        || reader.eat_folded(b"swift").map_err(nothing)?)
    {
        return Err(Stop::No);
    }
    let mut gives = false;
    for _ in 0..WORDS_MAX {
        gives |= read_gap(&mut reader).map_err(nothing)?;
        let from = reader.at;
        let n_held = u16::try_from(text.len().saturating_sub(from)).unwrap_or(u16::MAX);
        let held = |stop: Stop| stop.holding(Hold::Last(n_held));
        let n = reader.run(is_word, LONG.saturating_add(1)).map_err(held)?;
        let word = text.slice(from, reader.at);
        if is_code(word) {
            // Right after a blank, a word in capitals is a word: `SWIFT MESSAGES`.
            let is_sure = gives || word.iter().any(u8::is_ascii_digit);
            let hit = Hit::new(from, reader.at).of(Personal::Bic);
            return if is_sure {
                Ok(Hit { support: Support::Context, ..hit })
            } else {
                Err(Stop::No)
            };
        }
        if n == 0 || !BETWEEN.iter().any(|known| word.eq_ignore_ascii_case(known)) {
            return Err(Stop::No);
        }
        // `the SWIFT code is`, `the code for our bank`.
        gives |= !word.eq_ignore_ascii_case(b"bic") && !word.eq_ignore_ascii_case(b"swift");
    }
    Err(Stop::No)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_are_sorted_and_known() {
        let countries: Vec<&[u8]> = COUNTRIES.chunks_exact(2).collect();
        assert!(countries.is_sorted() && countries.len() >= 249, "{}", countries.len());
        for (code, is_one) in [
            ("DEUTDEFF", true),
            ("DEUTDEFF500", true),
            ("COBADEFFXXX", true),
            ("BARCGB22", true),
            ("DEUTZZFF", false),
            ("DEUTDEFF50", false),
            ("DEU1DEFF", false),
            ("deutdeff", false),
        ] {
            assert_eq!(is_code(code.as_bytes()), is_one, "{code}");
        }
    }
}
