//! A sealer without cryptography, for tests of those who seal: what it stores says what it was sealed for.
use bartizan_core::digest::Digest;
use bartizan_core::record::RecordId;
use bartizan_core::seal::{OpenError, Opener, PIECE_BYTES, SealError, Sealed, Sealer, Sealing};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// In front of every sealed payload: the record, the slot, the retention.
const HEAD_BYTES: usize = 18;
/// Turns the text into something that a search for it does not find.
const MASK: u8 = 0xa5;

/// Seals by masking; opens only what was sealed for the same place.
#[derive(Debug, Default)]
pub struct SimSealer {
    n_sealed: AtomicU64,
    n_persisted: AtomicU64,
    fails: AtomicBool,
}

impl SimSealer {
    /// A sealer that works.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every `persist` from now on fail.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }

    /// Payloads that were sealed, and how many of these a `persist` has covered.
    pub fn counts(&self) -> (u64, u64) {
        (self.n_sealed.load(Ordering::SeqCst), self.n_persisted.load(Ordering::SeqCst))
    }
}

fn head(sealing: &Sealing<'_>) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let place = [sealing.slot.code(), sealing.retention.code()];
    let bytes = sealing.record.0.into_iter().chain(place);
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    head
}

fn commitment(sealing: &Sealing<'_>) -> Digest {
    let mut digest = [sealing.slot.code(); 32];
    digest.iter_mut().zip(sealing.record.0).for_each(|(to, from)| *to = from);
    Digest(digest)
}

/// Not hashes, but different for different pieces.
fn pieces(text: &[u8]) -> Vec<Digest> {
    let piece = |(n, piece): (u8, &[u8])| {
        let mut digest = [n; 32];
        let sum = piece.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
        digest.iter_mut().zip(sum.to_be_bytes()).for_each(|(to, from)| *to = from);
        Digest(digest)
    };
    (0..).zip(text.chunks(PIECE_BYTES)).map(piece).collect()
}

impl Sealer for SimSealer {
    fn seal(&self, sealing: &Sealing<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        self.n_sealed.fetch_add(1, Ordering::SeqCst);
        let masked = plain.iter().map(|byte| byte ^ MASK);
        let bytes = head(sealing).into_iter().chain(masked).collect();
        Ok(Sealed { bytes, commitment: commitment(sealing) })
    }

    fn seal_stream(
        &self,
        sealing: &Sealing<'_>,
        text: &[u8],
    ) -> Result<(Sealed, Vec<Digest>), SealError> {
        Ok((self.seal(sealing, text)?, pieces(text)))
    }

    fn pseudonym(&self, subject: &str, record: RecordId) -> Result<[u8; 16], SealError> {
        let mut pseudonym = record.0;
        pseudonym.iter_mut().zip(subject.bytes().cycle()).for_each(|(to, from)| *to ^= from);
        Ok(pseudonym)
    }

    fn persist(&self) -> Result<(), SealError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(SealError::Disk { reason: "the simulated key store failed".to_owned() });
        }
        self.n_persisted.store(self.n_sealed.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(())
    }
}

impl Opener for SimSealer {
    fn open(
        &self,
        sealing: &Sealing<'_>,
        claimed: &Digest,
        stored: &[u8],
    ) -> Result<Vec<u8>, OpenError> {
        let masked = stored.strip_prefix(&head(sealing)).ok_or(OpenError::Damaged)?;
        let honest = *claimed == commitment(sealing);
        honest.then(|| masked.iter().map(|byte| byte ^ MASK).collect()).ok_or(OpenError::Damaged)
    }

    fn open_stream(
        &self,
        sealing: &Sealing<'_>,
        claimed: &Digest,
        stored: &[u8],
    ) -> Result<(Vec<u8>, Vec<Digest>), OpenError> {
        let text = self.open(sealing, claimed, stored)?;
        let hashes = pieces(&text);
        Ok((text, hashes))
    }
}
