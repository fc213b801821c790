//! Checksums that vendors put into their tokens, so that a scanner can tell a token that was given out from one that looks like it.

/// Which checksum a format carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// The last six characters are the CRC-32 of the thirty after the prefix, in base 62.
    ///
    /// Source: GitHub, "Behind GitHub's new authentication token formats" and "Announcing npm's new access token format", 2021.
    Base62,
    /// The last eight characters are the CRC-32 of all before the last `_`, in hexadecimal, lowest byte
    /// first, the prefix included.
    ///
    /// Source: Grafana, `pkg/components/satokengen`, 2022.
    HexOfAll,
}

impl Checksum {
    /// Whether the token carries the checksum that its other bytes have.
    pub(super) fn is_right(self, token: &[u8], n_prefix: usize) -> bool {
        match self {
            Self::Base62 => token.get(n_prefix..).is_some_and(is_base62_right),
            Self::HexOfAll => is_hex_right(token),
        }
    }
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether the last six of thirty-six characters are the CRC-32 of the thirty before, in base 62.
///
/// A token whose checksum is wrong is a finding all the same: a mistyped or mangled key is still most of a key.
pub(in crate::rules) fn is_base62_right(body: &[u8]) -> bool {
    let Some((random, sum)) = body.split_at_checked(30) else { return false };
    let stated = sum.iter().try_fold(0_u64, |value, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        value.checked_mul(62)?.checked_add(u64::try_from(digit).ok()?)
    });
    sum.len() == 6 && stated == Some(u64::from(crc32(random)))
}

fn is_hex_right(token: &[u8]) -> bool {
    let Some(at) = token.iter().rposition(|&byte| byte == b'_') else { return false };
    let (signed, sum) = token.split_at(at);
    let stated = sum.get(1..).and_then(|sum| std::str::from_utf8(sum).ok());
    let stated = stated.and_then(|sum| u32::from_str_radix(sum, 16).ok());
    sum.len() == 9 && stated == Some(crc32(signed).swap_bytes())
}

/// CRC-32 (ISO 3309), bit by bit: it runs over some bytes of a token that was already found.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// The characters that make a body right: the six of base 62, or the eight of hexadecimal.
pub(super) fn complete(checksum: Checksum, token: &mut String, n_prefix: usize) {
    match checksum {
        Checksum::Base62 => {
            let mut sum = crc32(token.as_bytes().get(n_prefix..).unwrap_or_default());
            let mut digits = ['0'; 6];
            for digit in digits.iter_mut().rev() {
                let place = usize::try_from(sum % 62).unwrap_or(0);
                *digit = DIGITS.get(place).copied().map_or('0', char::from);
                sum /= 62;
            }
            token.extend(digits);
        }
        Checksum::HexOfAll => {
            let sum = crc32(token.as_bytes()).swap_bytes();
            token.push('_');
            let digits = [28, 24, 20, 16, 12, 8, 4, 0].map(|shift| sum.wrapping_shr(shift) & 15);
            token.extend(digits.into_iter().filter_map(|digit| char::from_digit(digit, 16)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_vendors() {
        // The sample that GitHub's own announcement was explained with; any other last character is wrong.
        let random = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
        assert!(is_base62_right([random, "0mLq17"].concat().as_bytes()));
        assert!(!is_base62_right([random, "0mLq18"].concat().as_bytes()));
        assert!(!is_base62_right(b"short"));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // The sample of Grafana's own test.
        let token = |sum: &str| ["glsa", "_iNValIdinValiDinvalidinvalidinva_", sum].concat();
        assert!(Checksum::HexOfAll.is_right(token("5b582697").as_bytes(), 5));
        assert!(!Checksum::HexOfAll.is_right(token("5b582698").as_bytes(), 5));
        assert!(!Checksum::HexOfAll.is_right(b"glsa", 5));
    }

    #[test]
    fn completed_tokens_are_right_and_changed_ones_are_wrong() {
        for (checksum, prefix, body) in [
            (Checksum::Base62, "npm_", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9x"),
            (Checksum::HexOfAll, "glsa_", "aB3dE5fG7hJ9kL1mN3pQrS5tU7vW9xY1"),
        ] {
            let mut token = [prefix, body].concat();
            complete(checksum, &mut token, prefix.len());
            assert!(checksum.is_right(token.as_bytes(), prefix.len()), "{token}");
            let changed = token.replace("B3d", "B4d");
            assert!(!checksum.is_right(changed.as_bytes(), prefix.len()), "{changed}");
        }
    }
}
