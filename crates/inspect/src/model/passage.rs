//! Turns a channel into sentences with their features, in a stream or at once. Training and judging both read through this, so that what
//! is trained is what is judged.
use super::feature::{Reader, neighbours};
use super::segment::{Cutter, Look, look};
use bartizan_core::span::Span;

/// What was read of a sentence whose right neighbour is not known yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    span: Span,
    before: Look,
    look: Look,
}

/// Receives what a passage is made of.
pub trait Sink {
    /// One feature of the sentence at hand.
    fn feature(&mut self, feature: u32);
    /// One feature of its neighbourhood: only judges that look for instructions inside data use it.
    fn surroundings(&mut self, feature: u32);
    /// All features of a sentence were given.
    fn sentence(&mut self, span: Span);
    /// Nothing but blanks for as long as a sentence may be: what follows has nothing to do with what came before.
    fn gap(&mut self) {}
}

/// Reads a channel sentence by sentence. What it holds is one unfinished sentence.
#[derive(Debug, Default)]
pub struct Passage {
    reader: Reader,
    cutter: Cutter,
    /// The sentence that is not finished.
    text: Vec<u8>,
    /// Offset of its first byte.
    base: u64,
    waiting: Option<Waiting>,
}

/// A sentence is cut long before this; pushed text is read in pieces no longer, so that memory is bounded.
const PIECE_BYTES: usize = 512;

impl Passage {
    /// Reads the next bytes.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) {
        for piece in chunk.chunks(PIECE_BYTES) {
            self.text.extend_from_slice(piece);
            self.cut(false, sink);
        }
    }

    /// Begins anew at this offset of the channel; what was not ended is forgotten.
    pub(super) fn begin(&mut self, at: u64) {
        self.text.clear();
        (self.cutter, self.base, self.waiting) = (Cutter::default(), at, None);
    }

    /// Ends the channel.
    pub fn finish(&mut self, sink: &mut impl Sink) {
        self.cut(true, sink);
        self.settle(Look::Edge, sink);
    }

    /// Where the first sentence begins that `sink` has not been given yet.
    pub(super) fn undecided(&self) -> u64 {
        self.waiting.map_or(self.base, |waiting| waiting.span.start)
    }

    /// How many bytes were pushed.
    pub(super) fn end(&self) -> u64 {
        offset(self.base, self.text.len())
    }

    #[cfg(test)]
    pub(super) fn memory_bytes(&self) -> usize {
        self.text.capacity().saturating_add(self.reader.memory_bytes())
    }

    fn cut(&mut self, ended: bool, sink: &mut impl Sink) {
        let mut from = 0_usize;
        while let Some(n_bytes) = self.cutter.end(self.text.get(from..).unwrap_or_default(), ended)
        {
            let until = from.saturating_add(n_bytes);
            let span =
                trimmed(self.text.get(from..until).unwrap_or_default(), offset(self.base, from));
            from = until;
            if span.is_empty() {
                self.settle(Look::Edge, sink);
                sink.gap();
            } else {
                self.sentence(span, sink);
            }
        }
        let n_cut = from.min(self.text.len());
        self.text.drain(..n_cut);
        self.base = offset(self.base, n_cut);
    }

    /// The sentence before this one has both neighbours now; this one's words are read, its right neighbour is awaited.
    fn sentence(&mut self, span: Span, sink: &mut impl Sink) {
        let at = |position: u64| {
            usize::try_from(position.saturating_sub(self.base)).unwrap_or(usize::MAX)
        };
        let range = at(span.start)..at(span.end);
        let now = look(self.text.get(range.clone()).unwrap_or_default());
        let before = self.waiting.map_or(Look::Edge, |waiting| waiting.look);
        self.settle(now, sink);
        let text = self.text.get(range).unwrap_or_default();
        self.reader.read(text, now, &mut |feature| sink.feature(feature));
        self.waiting = Some(Waiting { span, before, look: now });
    }

    fn settle(&mut self, after: Look, sink: &mut impl Sink) {
        if let Some(waiting) = self.waiting.take() {
            neighbours(waiting.before, waiting.look, after, &mut |feature| {
                sink.surroundings(feature);
            });
            sink.sentence(waiting.span);
        }
    }
}

/// The sum of an offset and a length; texts are shorter than 2^64 bytes.
fn offset(base: u64, at: usize) -> u64 {
    base.saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
}

/// The span of a sentence without the blanks around it.
fn trimmed(sentence: &[u8], base: u64) -> Span {
    let n_before = sentence.len().saturating_sub(sentence.trim_ascii_start().len());
    let start = offset(base, n_before);
    Span::new(start, offset(start, sentence.trim_ascii().len()))
}
