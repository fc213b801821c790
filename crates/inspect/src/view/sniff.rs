//! Tells text from noise in what was decoded: pictures, keys and digests in base64 are noise, and noise is not read.
use super::inner::Inner;
use super::map::Shape;
use super::name::View;
use super::{Budget, Desk, Level};
use bartizan_core::kind::KindSet;

/// Fewest bytes of text in a row that are read.
pub(super) const TEXT_BYTES_MIN: usize = 8;

/// The next byte, of which the first bits are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undecided {
    /// Where its original begins.
    pub(super) at: u64,
    /// The least and the most that it may be.
    pub(super) least: u32,
    pub(super) most: u32,
    /// Whether a stretch may begin with it.
    pub(super) may_begin: bool,
}

impl Undecided {
    const fn is_between(&self, first: u32, last: u32) -> bool {
        self.least <= last && first <= self.most
    }
}

/// Reads the stretches of text in decoded bytes.
pub(super) struct Sniffer {
    view: View,
    /// The first bytes of a stretch that is still too short.
    lead: Vec<(u8, Shape)>,
    inner: Option<Inner>,
    /// Bytes of a character that are still to come.
    n_missing: u8,
    /// The least that the next of them may be.
    least: u8,
    /// Every byte of the stretch so far was followed by a zero: UTF-16.
    alternates: bool,
    /// The last byte was a zero.
    after_zero: bool,
}

impl Sniffer {
    pub(super) fn new(view: View) -> Self {
        Self {
            view,
            lead: Vec::new(),
            inner: None,
            n_missing: 0,
            least: 0x80,
            alternates: true,
            after_zero: false,
        }
    }

    pub(super) fn is_in_stretch(&self) -> bool {
        self.inner.is_some() || !self.lead.is_empty()
    }

    /// Reads the next byte, which was decoded from bytes before `end`. `anew` says whether a stretch may begin where another ends.
    pub(super) fn feed(
        &mut self,
        (byte, shape): (u8, Shape),
        end: u64,
        anew: bool,
        desk: &mut Desk<'_>,
    ) {
        let may_be_wide = self.alternates && !self.after_zero && self.n_missing == 0;
        if byte == 0 && self.is_in_stretch() && may_be_wide {
            self.after_zero = true;
            return;
        }
        if self.is_in_stretch() && !self.after_zero {
            self.alternates = false;
        }
        if !self.takes(byte) {
            self.close(desk);
            if !anew || !self.takes(byte) {
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
            && let Some(level) = desk.open(end)
        {
            self.inner = Some(self.begin(level, desk));
            self.lead = Vec::new();
        } else if self.lead.len() >= TEXT_BYTES_MIN {
            self.lead.clear();
        }
    }

    fn begin(&self, level: Level, desk: &mut Desk<'_>) -> Inner {
        let mut inner = Inner::new(level, self.view, 0, false);
        for &(byte, shape) in &self.lead {
            inner.add(&[byte], shape, desk);
        }
        inner
    }

    /// Whether a byte goes on in a text, by what came before it.
    fn takes(&mut self, byte: u8) -> bool {
        if self.n_missing > 0 {
            self.n_missing = self.n_missing.saturating_sub(1);
            let least = std::mem::replace(&mut self.least, 0x80);
            return (least..=0xbf).contains(&byte);
        }
        // What would be a control character, or shorter with fewer bytes, is no text.
        self.least = match byte {
            0xc2 | 0xe0 => 0xa0,
            0xf0 => 0x90,
            _ => 0x80,
        };
        match byte {
            b'\t' | b'\n' | b'\r' | 0x20..=0x7e => true,
            // Latin letters that are rarer in texts than in noise only end a stretch; the next one begins after them.
            0xc2 | 0xc3 | 0xce..=0xdf => {
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

    /// Whether the next byte may go on in the stretch, or begin one.
    fn may_take(&self, next: &Undecided) -> bool {
        if self.n_missing > 0 {
            return next.is_between(u32::from(self.least), 0xbf);
        }
        let is_text = next.is_between(0x09, 0x0d) || next.is_between(0x20, 0x7e);
        is_text || next.is_between(0xc2, 0xf4) || (next.least == 0 && self.is_in_stretch())
    }

    /// Whether it may be the first byte of a finding: no blank and no control character is.
    fn may_begin_finding(&self, next: &Undecided) -> bool {
        let begins = next.may_begin || (self.n_missing == 0 && self.is_in_stretch());
        begins && (next.is_between(0x21, 0x7e) || next.is_between(0xc2, 0xf4))
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

    /// Where the first finding may begin that is not decided.
    pub(super) fn pending(
        &self,
        level: Level,
        undecided: Option<Undecided>,
        kinds: &KindSet,
    ) -> u64 {
        let next = undecided.filter(|next| self.may_begin_finding(next));
        let next = next.map_or(u64::MAX, |next| next.at);
        // A stretch that is too short and ends here is nothing.
        if self.inner.is_none() && undecided.is_some_and(|next| !self.may_take(&next)) {
            return next;
        }
        if let Some(inner) = &self.inner {
            return inner.pending(kinds).min(next);
        }
        if self.lead.is_empty() {
            return next;
        }
        let mut budget = Budget::new(level);
        let mut desk = Desk { report: &mut |_| {}, budget: &mut budget };
        let mut inner = self.begin(level.deeper(), &mut desk);
        inner.flush(&mut desk);
        inner.pending(kinds).min(next)
    }
}
