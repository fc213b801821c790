//! Tells text from noise in what was decoded: pictures, keys and digests in base64 are noise, and noise is not read.
use super::inner::Inner;
use super::map::Shape;
use super::name::View;
use super::{Budget, Desk};
use bartizan_core::kind::KindSet;

/// Fewest bytes of text in a row that are read.
pub(super) const TEXT_BYTES_MIN: usize = 8;

/// Reads the stretches of text in decoded bytes.
pub(super) struct Sniffer {
    view: View,
    /// The first bytes of a stretch that is still too short.
    lead: Vec<(u8, Shape)>,
    inner: Option<Inner>,
    /// Bytes of a character that are still to come.
    n_missing: u8,
    /// Every byte of the stretch so far was followed by a zero: UTF-16.
    alternates: bool,
    /// The last byte was a zero.
    after_zero: bool,
}

impl Sniffer {
    pub(super) fn new(view: View) -> Self {
        Self { view, lead: Vec::new(), inner: None, n_missing: 0, alternates: true, after_zero: false }
    }

    fn is_in_stretch(&self) -> bool {
        self.inner.is_some() || !self.lead.is_empty()
    }

    /// Reads the next byte, which was decoded from bytes before `end`.
    pub(super) fn feed(&mut self, byte: u8, shape: Shape, end: u64, desk: &mut Desk<'_>) {
        if byte == 0 && self.is_in_stretch() && self.alternates && !self.after_zero {
            self.after_zero = true;
            return;
        }
        if self.is_in_stretch() && !self.after_zero {
            self.alternates = false;
        }
        if !self.takes(byte) {
            self.close(desk);
            if !self.takes(byte) {
                self.n_missing = 0;
                return;
            }
        }
        self.after_zero = false;
        if let Some(inner) = &mut self.inner {
            inner.add(&[byte], shape, desk);
            if inner.is_full() {
                inner.flush(desk);
            }
            return;
        }
        self.lead.push((byte, shape));
        if self.lead.len() >= TEXT_BYTES_MIN
            && let Some(depth) = desk.open(end)
        {
            self.inner = Some(self.begin(depth, desk));
            self.lead = Vec::new();
        } else if self.lead.len() >= TEXT_BYTES_MIN {
            self.lead.clear();
        }
    }

    fn begin(&self, depth: u8, desk: &mut Desk<'_>) -> Inner {
        let mut inner = Inner::new(depth, self.view, 0, false);
        for &(byte, shape) in &self.lead {
            inner.add(&[byte], shape, desk);
        }
        inner
    }

    /// Whether a byte goes on in a text, by what came before it.
    fn takes(&mut self, byte: u8) -> bool {
        if self.n_missing > 0 {
            self.n_missing = self.n_missing.saturating_sub(1);
            return byte & 0xc0 == 0x80;
        }
        match byte {
            b'\t' | b'\n' | b'\r' | 0x20..=0x7e => true,
            0xc2..=0xdf => {
                self.n_missing = 1;
                true
            }
            0xe0..=0xef => {
                self.n_missing = 2;
                true
            }
            0xf0..=0xf4 => {
                self.n_missing = 3;
                true
            }
            _ => false,
        }
    }

    /// Hands on what was read so far.
    pub(super) fn flush(&mut self, desk: &mut Desk<'_>) {
        if let Some(inner) = &mut self.inner {
            inner.flush(desk);
        }
    }

    /// The stretch ends.
    pub(super) fn close(&mut self, desk: &mut Desk<'_>) {
        if let Some(inner) = self.inner.take() {
            inner.finish(desk);
        }
        self.lead.clear();
        (self.n_missing, self.alternates, self.after_zero) = (0, true, false);
    }

    /// Where the first finding may begin that is not decided. `undecided` is where the original of the next byte begins, if some of it
    /// is there, and `may_be_text` whether it may be the first byte of a text.
    pub(super) fn pending(
        &self,
        depth: u8,
        (undecided, may_be_text): (Option<u64>, bool),
        kinds: &KindSet,
    ) -> u64 {
        let next = undecided.filter(|_| may_be_text || self.is_in_stretch()).unwrap_or(u64::MAX);
        if let Some(inner) = &self.inner {
            return inner.pending(kinds).min(next);
        }
        if self.lead.is_empty() {
            return next;
        }
        let mut budget = Budget::new(depth);
        let mut desk = Desk { report: &mut |_| {}, budget: &mut budget };
        let mut inner = self.begin(depth.saturating_add(1), &mut desk);
        inner.flush(&mut desk);
        inner.pending(kinds).min(next)
    }
}
