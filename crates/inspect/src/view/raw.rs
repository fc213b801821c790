//! The end of a channel as it came, for views that open a little after what they read began.
/// Bytes before the newest that views need: a block with what stands around it and the piece after it, and a token with its context.
pub(super) const HISTORY_BYTES: usize = 1664;
/// Bytes older than these that may lie about before they are forgotten.
const SLACK_BYTES: usize = 256;

/// Bytes of a channel by their offsets.
#[derive(Debug)]
pub(super) struct Raw {
    bytes: Vec<u8>,
    base: u64,
    /// Bytes before the newest that are always at hand.
    n_kept: usize,
}

impl Raw {
    /// Keeps so many bytes at least, and at least [`HISTORY_BYTES`].
    pub(super) fn new(n_kept: usize) -> Self {
        Self { bytes: Vec::new(), base: 0, n_kept: n_kept.max(HISTORY_BYTES) }
    }

    pub(super) fn extend(&mut self, piece: &[u8]) {
        let n_wanted = self.bytes.len().saturating_add(piece.len());
        if self.bytes.capacity() < n_wanted {
            // There are as many of these as there are streams: none is larger than it must be.
            let n_most = self.n_most().saturating_add(piece.len()).max(n_wanted);
            let n_reserved = n_wanted.saturating_add(n_wanted / 2).min(n_most);
            self.bytes.reserve_exact(n_reserved.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Bytes from which on the oldest are forgotten.
    const fn n_most(&self) -> usize {
        self.n_kept.saturating_add(SLACK_BYTES)
    }

    /// Forgets what is older than the history, now and then.
    pub(super) fn trim(&mut self) {
        if self.bytes.len() >= self.n_most() {
            let n_old = self.bytes.len().saturating_sub(self.n_kept);
            self.bytes.drain(..n_old);
            self.base = self.base.saturating_add(u64::try_from(n_old).unwrap_or(0));
        }
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn end(&self) -> u64 {
        self.base.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    fn index(&self, at: u64) -> usize {
        usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX).min(self.bytes.len())
    }

    /// The bytes from one offset to another, as far as they are at hand.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        self.bytes.get(self.index(from)..self.index(to)).unwrap_or_default()
    }

    /// The bytes from an offset on.
    pub(super) fn rest(&self, from: u64) -> &[u8] {
        self.slice(from, self.end())
    }

    pub(super) fn get(&self, at: u64) -> Option<u8> {
        self.slice(at, at.saturating_add(1)).first().copied()
    }

    /// The byte `n` before an offset.
    pub(super) fn back(&self, at: u64, n: u64) -> Option<u8> {
        self.get(at.checked_sub(n)?)
    }

    /// At most `n` bytes before an offset, without half a character at their beginning.
    pub(super) fn start_of_history(&self, at: u64, n: u64) -> u64 {
        let from = at.saturating_sub(n);
        let is_inside = |byte: &&u8| **byte & 0xc0 == 0x80;
        let n_inside = self.slice(from, at).iter().take(3).take_while(is_inside).count();
        if from == 0 { 0 } else { from.saturating_add(u64::try_from(n_inside).unwrap_or(0)) }
    }
}
