//! Two hash functions: checksums of addresses are made of them, and published samples are told by one. They keep no secret here.
#![expect(
    clippy::indexing_slicing,
    reason = "loops over arrays of fixed length, whose bounds are the lengths"
)]

const SHA_ROUNDS: usize = 64;

/// The first 32 bits of the fractional parts of roots of the first primes.
static SHA_CONSTANTS: [u32; SHA_ROUNDS] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

const SHA_START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-256 (FIPS 180-4).
pub(super) fn sha_256(message: &[u8]) -> [u8; 32] {
    let mut state = SHA_START;
    let (blocks, rest) = message.as_chunks::<64>();
    for block in blocks {
        compress(&mut state, block);
    }
    // The mark of the end and the length take nine bytes, for which the last block may have no room.
    let mut tail = [0_u8; 128];
    tail[..rest.len()].copy_from_slice(rest);
    tail[rest.len()] = 0x80;
    let n_tail = if rest.len() < 56 { 64 } else { 128_usize };
    let n_bits = u64::try_from(message.len()).unwrap_or(0).wrapping_mul(8);
    tail[n_tail.wrapping_sub(8)..n_tail].copy_from_slice(&n_bits.to_be_bytes());
    for block in tail[..n_tail].as_chunks::<64>().0 {
        compress(&mut state, block);
    }
    let mut digest = [0_u8; 32];
    for (bytes, sum) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&sum.to_be_bytes());
    }
    digest
}

fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = [0_u32; SHA_ROUNDS];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    for at in 16..SHA_ROUNDS {
        let back = |n: usize| words[at.wrapping_sub(n)];
        let first = back(15).rotate_right(7) ^ back(15).rotate_right(18) ^ back(15) >> 3;
        let second = back(2).rotate_right(17) ^ back(2).rotate_right(19) ^ back(2) >> 10;
        words[at] = back(16).wrapping_add(first).wrapping_add(back(7)).wrapping_add(second);
    }
    let mut now = *state;
    for (word, constant) in words.iter().zip(SHA_CONSTANTS) {
        let [one, two, three, four, five, six, seven, eight] = now;
        let sum = five.rotate_right(6) ^ five.rotate_right(11) ^ five.rotate_right(25);
        let chosen = five & six ^ !five & seven;
        let terms = [sum, chosen, constant, *word];
        let first = terms.into_iter().fold(eight, u32::wrapping_add);
        let sum = one.rotate_right(2) ^ one.rotate_right(13) ^ one.rotate_right(22);
        let second = sum.wrapping_add(one & two ^ one & three ^ two & three);
        let (fifth, head) = (four.wrapping_add(first), first.wrapping_add(second));
        now = [head, one, two, three, fifth, five, six, seven];
    }
    for (old, new) in state.iter_mut().zip(now) {
        *old = old.wrapping_add(new);
    }
}

static KECCAK_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];
/// Lanes in the order in which they move, and by how many bits they turn.
static KECCAK_LANES: [usize; 24] =
    [10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1];
static KECCAK_TURNS: [u32; 24] =
    [1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44];

/// Keccak-256 with the padding that Ethereum kept, of at most 135 bytes, which is one block; of more, the first 135.
pub(super) fn keccak_256(message: &[u8]) -> [u8; 32] {
    const RATE: usize = 136;
    let message = message.get(..135).unwrap_or(message);
    let mut block = [0_u8; RATE];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] ^= 1;
    block[135] ^= 0x80;
    let mut lanes = [0_u64; 25];
    for (lane, bytes) in lanes.iter_mut().zip(block.chunks_exact(8)) {
        *lane = bytes.iter().rev().fold(0, |lane, &byte| lane << 8 | u64::from(byte));
    }
    for constant in KECCAK_CONSTANTS {
        permute(&mut lanes, constant);
    }
    let mut digest = [0_u8; 32];
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(lanes) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    digest
}

/// One round of Keccak-f[1600].
fn permute(lanes: &mut [u64; 25], constant: u64) {
    let mut parity = [0_u64; 5];
    for (at, lane) in lanes.iter().enumerate() {
        parity[at % 5] ^= lane;
    }
    for (at, lane) in lanes.iter_mut().enumerate() {
        *lane ^= parity[at.wrapping_add(4) % 5] ^ parity[at.wrapping_add(1) % 5].rotate_left(1);
    }
    let mut moved = lanes[1];
    for (&to, turn) in KECCAK_LANES.iter().zip(KECCAK_TURNS) {
        let next = lanes[to];
        lanes[to] = moved.rotate_left(turn);
        moved = next;
    }
    for row in lanes.chunks_exact_mut(5) {
        let old = [row[0], row[1], row[2], row[3], row[4]];
        for (at, lane) in row.iter_mut().enumerate() {
            *lane = old[at] ^ !old[at.wrapping_add(1) % 5] & old[at.wrapping_add(2) % 5];
        }
    }
    lanes[0] ^= constant;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .map(|byte| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap())
            .collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn published_values() {
        for (message, want) in [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            assert_eq!(sha_256(message.as_bytes()).as_slice(), unhex(want));
        }
        for (message, want) in [
            ("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
            ("abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        ] {
            assert_eq!(keccak_256(message.as_bytes()).as_slice(), unhex(want));
        }
    }
}
