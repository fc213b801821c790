//! Addresses of Bitcoin and Ethereum, with the checksums that they carry: base58check, bech32 and bech32m, and the capitals of EIP-55.
//! An Ethereum address in one case has no checksum; its form is long enough.
use super::digest::{keccak_256, sha_256};
use crate::kinds::{Personal, Support};
use crate::text::{Answer, Hit, Reader, Stop, Text};

/// The first bytes of addresses in bech32: main network and test network.
pub(super) const HEADS: [[u8; 3]; 2] = [*b"bc1", *b"tb1"];

const BASE58: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Bytes of an address: a version, a hash and a checksum.
const BASE58_BYTES: usize = 25;
const BASE58_LENGTHS: std::ops::RangeInclusive<usize> = 25..=35;
const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const BECH32_LENGTHS: std::ops::RangeInclusive<usize> = 14..=74;
/// What the checksum's polynomial leaves: bech32 (BIP 173) and bech32m (BIP 350).
const REMAINDERS: [u32; 2] = [1, 0x2bc8_30a3];
const HEX_DIGITS: usize = 40;

/// Whether an address may begin at this digit: `1…` and `3…` of Bitcoin, `0x…` of Ethereum.
pub(super) fn may_begin(text: Text<'_>, at: usize) -> bool {
    matches!(text.get(at), Some(b'0' | b'1' | b'3')) && text.is_boundary(at)
}

pub(super) fn decide(text: Text<'_>, start: usize) -> Answer {
    let mut reader = text.reader(start);
    match reader.peek()? {
        Some(b'0') => ethereum(reader, start),
        Some(b'1' | b'3') => {
            let n = reader
                .run(|byte| byte.is_ascii_alphanumeric(), BASE58_LENGTHS.end().saturating_add(1))?;
            let fits = BASE58_LENGTHS.contains(&n) && is_base58check(text.slice(start, reader.at));
            found(
                fits && !reader.sees(|byte| byte == b'_')?,
                Hit::new(start, reader.at).of(Personal::Bitcoin),
            )
        }
        _ => {
            let n = reader
                .run(|byte| byte.is_ascii_alphanumeric(), BECH32_LENGTHS.end().saturating_add(1))?;
            let fits = BECH32_LENGTHS.contains(&n) && is_bech32(text.slice(start, reader.at));
            found(
                fits && !reader.sees(|byte| byte == b'_')?,
                Hit::new(start, reader.at).of(Personal::Bitcoin),
            )
        }
    }
}

/// A finding whose checksum is right, or none.
fn found(fits: bool, hit: Hit) -> Answer {
    if fits { Ok(Hit { support: Support::Checksum, ..hit }) } else { Err(Stop::No) }
}

/// Base58 with four bytes of a double hash at its end.
fn is_base58check(address: &[u8]) -> bool {
    let mut bytes = [0_u8; BASE58_BYTES];
    for &letter in address {
        let Some((_, value)) = BASE58.iter().zip(0_u32..).find(|(other, _)| **other == letter)
        else {
            return false;
        };
        let mut carry = value;
        for byte in bytes.iter_mut().rev() {
            carry = carry.wrapping_add(u32::from(*byte).wrapping_mul(58));
            let [low, ..] = carry.to_le_bytes();
            *byte = low;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let Some((body, checksum)) = bytes.split_last_chunk::<4>() else { return false };
    let version = body.first().copied().unwrap_or(1);
    matches!(version, 0 | 5) && sha_256(&sha_256(body)).starts_with(checksum)
}

/// The checksum of BIP 173 or 350 over the prefix and the data; letters of one case.
fn is_bech32(address: &[u8]) -> bool {
    let mixed =
        address.iter().any(u8::is_ascii_lowercase) && address.iter().any(u8::is_ascii_uppercase);
    let Some((prefix, data)) = address.split_at_checked(3) else { return false };
    let Some(prefix) = prefix.get(..2) else { return false };
    let expanded = prefix.iter().map(|byte| u32::from(byte.to_ascii_lowercase() >> 5));
    let low = prefix.iter().map(|byte| u32::from(byte.to_ascii_lowercase() & 31));
    let mut rest = expanded.chain([0]).chain(low).fold(1, polymod);
    for byte in data {
        let letter = byte.to_ascii_lowercase();
        let Some((_, value)) = BECH32.iter().zip(0_u32..).find(|(other, _)| **other == letter)
        else {
            return false;
        };
        rest = polymod(rest, value);
    }
    !mixed && REMAINDERS.contains(&rest)
}

/// One step of the checksum.
fn polymod(rest: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = rest >> 25;
    let shifted = (rest & 0x01ff_ffff) << 5 ^ value;
    let terms = GENERATOR.iter().zip(0_u32..).filter(|&(_, bit)| top >> bit & 1 == 1);
    terms.fold(shifted, |rest, (term, _)| rest ^ term)
}

/// `0x` and forty digits. Where both cases occur they are the checksum.
fn ethereum(mut reader: Reader<'_>, start: usize) -> Answer {
    let text = reader.text();
    if !reader.eat(b"0x")?
        || reader.run(|byte| byte.is_ascii_hexdigit(), HEX_DIGITS.saturating_add(1))? != HEX_DIGITS
    {
        return Err(Stop::No);
    }
    super::end_of_word(&reader)?;
    let digits = text.slice(start.saturating_add(2), reader.at);
    let hit = Hit::new(start, reader.at).of(Personal::Ethereum);
    let is_mixed =
        digits.iter().any(u8::is_ascii_lowercase) && digits.iter().any(u8::is_ascii_uppercase);
    if is_mixed {
        return found(is_eip55(digits), hit);
    }
    // Zeros are the empty address, and what has no letter is a number.
    let is_plain =
        digits.iter().any(u8::is_ascii_alphabetic) && digits.iter().any(u8::is_ascii_digit);
    if is_plain { Ok(hit) } else { Err(Stop::No) }
}

/// Letters are capitals where the hash of the small letters has a digit of 8 or more.
fn is_eip55(digits: &[u8]) -> bool {
    let hash = keccak_256(&digits.to_ascii_lowercase());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .iter()
        .zip(nibbles)
        .all(|(byte, nibble)| byte.is_ascii_digit() || byte.is_ascii_uppercase() == (nibble >= 8))
}
