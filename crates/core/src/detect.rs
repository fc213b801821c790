//! The contract between hostile bytes and the policy engine.
use crate::evidence::Source;
use crate::kind::{KindId, KindInfo, KindSet};
use crate::span::Span;

/// How sure a detector is, in thousandths: a checksum that fits is certain, a model's opinion is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u16);

impl Score {
    /// As sure as can be.
    pub const CERTAIN: Self = Self(1000);

    /// A score of so many thousandths; more than 1,000 are [`Score::CERTAIN`].
    pub const fn thousandths(n: u16) -> Self {
        if n < 1000 { Self(n) } else { Self::CERTAIN }
    }

    /// A score from 0 to 1; what is no number is 0.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such casts saturate"
    )]
    pub fn of_ratio(ratio: f32) -> Self {
        Self::thousandths((ratio * 1000.0).round() as u16)
    }

    /// The thousandths.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// One observation. It holds no opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where it was seen, in bytes from the start of the channel.
    pub span: Span,
    /// What was seen.
    pub kind: KindId,
    /// Name and version of the detector that saw it: `pii.card@1`.
    pub detector: &'static str,
    /// How sure it is. Policies do not read it: a detector reports what is sure enough for the text's source.
    pub score: Score,
}

impl Finding {
    /// A finding that leaves no doubt.
    pub const fn certain(span: Span, kind: KindId, detector: &'static str) -> Self {
        Self { span, kind, detector, score: Score::CERTAIN }
    }
}

/// Watches the untrusted bytes of one channel go by and reports what it saw. It decides nothing.
///
/// The law that every implementor owes us, for every way of cutting the same text into chunks:
///
/// 1. The set of reported findings is the same (their order of arrival may differ).
/// 2. After each chunk, [`Detector::pending`] depends only on the text so far, and never falls.
/// 3. No finding that is reported later, of a kind in `kinds`, starts before an earlier `pending(kinds)`.
///
/// State is bounded, and nothing here blocks.
pub trait Detector: Send {
    /// Stable name and version, printed in evidence: `text@1`.
    fn id(&self) -> &'static str;

    /// Reads the next bytes of the channel. A chunk never ends inside a character.
    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding));

    /// Ends the channel, which may settle a finding that was waiting for more bytes.
    fn finish(&mut self, report: &mut dyn FnMut(Finding));

    /// The offset of the first byte that may still become part of a finding of one of `kinds`;
    /// the number of bytes pushed so far when there is none.
    fn pending(&self, kinds: &KindSet) -> u64;
}

/// Makes detectors and knows their kinds. One for the whole process, shared by all exchanges.
pub trait Inspector: Send + Sync {
    /// The kinds it can report; index `i` has the number [`KindId::detected`]`(i)`.
    fn kinds(&self) -> &'static [KindInfo];

    /// A fresh detector for one channel.
    ///
    /// * `source`: whose text it is. The same words are harmless from the one and an attack from the other.
    fn detector(&self, source: Source) -> Box<dyn Detector>;

    /// Reads a whole text at once: the same findings as a fresh detector's `push` and `finish`, in order of span, cheaper.
    fn scan(&self, source: Source, text: &[u8], report: &mut dyn FnMut(Finding));
}
