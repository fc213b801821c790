//! The checkpoint file: how long the log was and which root it had, so that a cut below it is seen.
//!
//! Its text is the body of a C2SP tlog-checkpoint without a signature: who can write the folder can write a new one. It is
//! written now and then, always for what is durable already, and replaced as a whole by a rename.
use crate::format::LogId;
use crate::merkle::sha256_of;
use crate::problem::{Flaw, LedgerError, Problem, Trouble};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::record::RecordError;
use std::fmt::Write as _;
use std::io;

pub(crate) const CHECKPOINT_NAME: &str = "checkpoint";
const UNREADY_NAME: &str = "checkpoint.new";
const CHECKPOINT_BYTES_MAX: usize = 512;
const BASE64: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) size: u64,
    pub(crate) root: Digest,
}

/// The public name of a log. The log's id itself stays in the log: checksums start from it, and nobody who may choose
/// the text of a payload should know where they start.
pub(crate) fn origin(log: &LogId) -> String {
    let hash = sha256_of(&[b"bartizan origin 1", log]).to_string();
    format!("bartizan.log/{}", hash.get(..32).unwrap_or_default())
}

impl Checkpoint {
    pub(crate) fn encode(&self, log: &LogId) -> String {
        let mut text = origin(log);
        // Writing to a String cannot fail.
        write!(text, "\n{}\n{}\n", self.size, base64(&self.root.0)).unwrap_or_default();
        text
    }

    pub(crate) fn decode(text: &[u8], log: &LogId) -> Option<Self> {
        let lines = std::str::from_utf8(text).ok()?;
        let mut lines = lines.split('\n').skip(1);
        let size = lines.next()?.parse().ok()?;
        let checkpoint = Self { size, root: Digest(unbase64(lines.next()?)?) };
        (checkpoint.encode(log).as_bytes() == text).then_some(checkpoint)
    }

    /// The checkpoint in the folder, if there is one.
    pub(crate) fn read(disk: &dyn Disk, log: &LogId) -> Result<Option<Self>, Trouble> {
        let failed = |error| Trouble::Disk(LedgerError::disk("read", CHECKPOINT_NAME)(error));
        let file = match disk.open(CHECKPOINT_NAME, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let mut bytes = [0; CHECKPOINT_BYTES_MAX];
        let n_read = file.read_at(&mut bytes, 0).map_err(failed)?;
        match Self::decode(bytes.get(..n_read).unwrap_or_default(), log) {
            Some(checkpoint) => Ok(Some(checkpoint)),
            None => {
                Err(Problem { segment: 0, offset: 0, leaf: None, flaw: Flaw::Checkpoint }.into())
            }
        }
    }

    /// Replaces the checkpoint in the folder.
    pub(crate) fn write(&self, disk: &dyn Disk, log: &LogId) -> Result<(), RecordError> {
        let write = || {
            let mut file = disk.open(UNREADY_NAME, true)?;
            file.set_len(0)?;
            file.write_at(self.encode(log).as_bytes(), 0)?;
            file.sync_data()?;
            disk.rename(UNREADY_NAME, CHECKPOINT_NAME)?;
            disk.sync_dir()
        };
        write().map_err(|error: io::Error| RecordError::Stopped {
            operation: "write of the checkpoint",
            reason: error.to_string(),
        })
    }
}

/// Standard base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, &byte| group << 8 | usize::from(byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = BASE64.get(group >> (18 - 6 * place) & 63);
            let digit = digit.filter(|_| place <= chunk.len()).unwrap_or(&b'=');
            text.push(char::from(*digit));
        }
    }
    text
}

/// Reads 32 bytes; whether the text was canonical is the caller's business, who encodes again.
fn unbase64(text: &str) -> Option<[u8; 32]> {
    let mut bytes = Vec::with_capacity(33);
    for digits in text.trim_end_matches('=').as_bytes().chunks(4) {
        let mut group = 0;
        for digit in digits {
            group = group << 6 | BASE64.iter().position(|known| known == digit)?;
        }
        let group = (group << (6 * (4 - digits.len()))).to_be_bytes();
        bytes.extend(group.iter().rev().take(3).rev().take(digits.len().saturating_sub(1)));
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(unbase64(&base64(&[0xfb; 32])), Some([0xfb; 32]));
        assert_eq!(unbase64("Zg=="), None);
    }

    #[test]
    fn only_its_own_text_is_a_checkpoint() {
        let log = [3; 16];
        let checkpoint = Checkpoint { size: 17, root: Digest([0xa5; 32]) };
        let text = checkpoint.encode(&log);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(Checkpoint::decode(text.as_bytes(), &log), Some(checkpoint));
        assert_eq!(Checkpoint::decode(text.as_bytes(), &[4; 16]), None, "another log's");
        for at in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] ^= 1;
            assert_ne!(Checkpoint::decode(&bad, &log), Some(checkpoint), "byte {at}");
            assert_eq!(Checkpoint::decode(&text.as_bytes()[..at], &log), None, "cut at {at}");
        }
        for text in ["", "\n", "a\nb\nc\n", &text.replace("17", "017"), &format!("{text}\n")] {
            assert_eq!(Checkpoint::decode(text.as_bytes(), &log), None, "{text:?}");
        }
    }
}
