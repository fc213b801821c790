//! Reads one channel of an answer, and compares it with what must not leak.
use super::context::Context;
use super::grams::{Gram, Wide};
use super::letters::{History, Letters, PIECE_BYTES, Piece, Place};
use super::needle::Role;
use super::place::{Address, Coded};
use super::runs::{Runs, Stretch};
use super::{CANARY_ID, CARRIED_ID, EXFIL_CONTEXT, PROMPT_CARRIED_ID, PROMPT_ID, SYSTEM_PROMPT};
use bartizan_core::detect::{Finding, Score};
use bartizan_core::kind::{KindId, KindSet};
use bartizan_core::span::Span;
use std::sync::Arc;

/// Members that runs in addresses must show: a line of a prompt. An address has few words by chance.
const WANTED_IN_ADDRESS: u32 = 24;

/// What runs of encoded text must show where plain ones must show `n`: codes are longer than letters, and no commonplace is left out of
/// them. A short prompt has nothing to spare.
const fn wanted_coded(n: u32) -> u32 {
    if n < WANTED_IN_ADDRESS { n } else { n.saturating_add(n / 2) }
}

/// Reads the text of one channel.
#[derive(Debug)]
pub(super) struct Reader {
    context: Arc<Context>,
    /// The channel is the arguments of a tool call, which carry whatever they say.
    is_call: bool,
    letters: Letters,
    history: History,
    plain: Runs,
    coded: Coded,
    coded_runs: Runs,
    address: Address,
    /// Where the address begins that the text is inside of.
    address_start: u64,
    address_wide: Wide,
    address_plain: Runs,
    address_coded: Runs,
    ended: bool,
}

fn finding((start, end): Stretch, kind: KindId, detector: &'static str) -> Finding {
    let span = Span::new(start, end);
    Finding { span, kind, detector, score: Score::thousandths(900) }
}

impl Reader {
    pub(super) fn new(context: Arc<Context>, is_call: bool) -> Self {
        let n_wanted = context.n_wanted;
        let in_address = n_wanted.min(WANTED_IN_ADDRESS);
        Self {
            context,
            is_call,
            letters: Letters::default(),
            history: History::new(),
            plain: Runs::new(n_wanted),
            coded: Coded::default(),
            coded_runs: Runs::new(wanted_coded(n_wanted)),
            address: Address::default(),
            address_start: 0,
            address_wide: Wide::default(),
            address_plain: Runs::new(in_address),
            address_coded: Runs::new(wanted_coded(in_address)),
            ended: false,
        }
    }

    pub(super) fn read(&mut self, bytes: &[u8], report: &mut dyn FnMut(Finding)) {
        let mut piece = Piece::new();
        for bytes in bytes.chunks(PIECE_BYTES) {
            self.read_piece(bytes, &mut piece, report);
        }
    }

    fn read_piece(&mut self, bytes: &[u8], piece: &mut Piece, report: &mut dyn FnMut(Finding)) {
        let context = Arc::clone(&self.context);
        let from = self.letters.n_read();
        piece.load(&self.history);
        self.letters.read(bytes, piece);
        self.compare(&context, piece, report);
        if self.is_call || context.needles.has(Role::Canary) {
            self.look_everywhere(&context, piece, report);
        }
        let mut coded = self.coded;
        if self.address.may_touch(bytes) || coded.read(bytes) {
            self.walk(&context, from, bytes, piece, report);
        } else {
            self.coded = coded;
            self.address.skip(bytes);
        }
        piece.save(&mut self.history);
    }

    /// Compares the letters with the prompt.
    fn compare(&mut self, context: &Context, piece: &Piece, report: &mut dyn FnMut(Finding)) {
        let Some(grams) = context.grams() else { return };
        let (kind, id) = self.of_prompt();
        let gram = self.last_gram();
        self.plain.read(grams, gram, piece, &mut |stretch| report(finding(stretch, kind, id)));
    }

    /// The last letters before the piece.
    fn last_gram(&self) -> Gram {
        Gram::last(self.history.letters()).unwrap_or_default()
    }

    /// What a prompt is when it is said here.
    fn of_prompt(&self) -> (KindId, &'static str) {
        if self.is_call { (*EXFIL_CONTEXT, PROMPT_CARRIED_ID) } else { (*SYSTEM_PROMPT, PROMPT_ID) }
    }

    /// Looks for what is wrong wherever it stands: canaries, and in a tool call every value.
    fn look_everywhere(&self, context: &Context, piece: &Piece, report: &mut dyn FnMut(Finding)) {
        let mut gram = self.last_gram();
        for (n, (letter, place)) in piece.iter().enumerate() {
            gram = gram.then(letter);
            if !context.needles.may_end(gram) {
                continue;
            }
            context.needles.ends(gram, piece, n, &mut |first, role| {
                let span = Span::new(first.start(), place.end());
                match role {
                    Role::Canary => report(Finding::certain(span, *SYSTEM_PROMPT, CANARY_ID)),
                    Role::Value if self.is_call => {
                        report(Finding::certain(span, *EXFIL_CONTEXT, CARRIED_ID));
                    }
                    Role::Value => {}
                }
            });
        }
    }

    /// Reads the letters together with the bytes they come from: where there are addresses, and where the text may be encoded.
    fn walk(
        &mut self,
        context: &Context,
        from: u64,
        bytes: &[u8],
        piece: &Piece,
        report: &mut dyn FnMut(Finding),
    ) {
        let mut wide = Wide::ending(self.history.letters());
        let mut rest = (from..).zip(bytes.iter().copied()).peekable();
        for (n, (letter, place)) in piece.iter().enumerate() {
            wide = wide.then(letter);
            // A letter is judged by what the text is at its last byte.
            while let Some((at, byte)) = rest.next_if(|&(at, _)| at < place.end()) {
                self.step(at, byte, report);
            }
            if context.grams().is_some() && self.coded.is_on() {
                let (kind, id) = self.of_prompt();
                self.coded_runs.step(context.coded(), wide.folded(), place, &mut |stretch| {
                    report(finding(stretch, kind, id));
                });
            }
            if self.address.is_inside() && self.address_start <= place.start() {
                self.address_wide = self.address_wide.then(letter);
                self.read_in_address(context, piece, n, place, report);
            }
        }
        for (at, byte) in rest {
            self.step(at, byte, report);
        }
    }

    /// Reads one byte for where it is.
    fn step(&mut self, at: u64, byte: u8, report: &mut dyn FnMut(Finding)) {
        self.coded.step(byte);
        if !self.coded.is_on() {
            let (kind, id) = self.of_prompt();
            self.coded_runs.close(&mut |stretch| report(finding(stretch, kind, id)));
        }
        let was_inside = self.address.is_inside();
        self.address.step(byte);
        if was_inside && !self.address.is_inside() {
            self.close_address(report);
        } else if !was_inside && self.address.is_inside() {
            self.address_start = at.saturating_add(1);
            self.address_wide = Wide::default();
        }
    }

    fn close_address(&mut self, report: &mut dyn FnMut(Finding)) {
        let mut report = carried(report);
        self.address_plain.close(&mut report);
        self.address_coded.close(&mut report);
    }

    /// Reads the letter `n` of a piece inside an address.
    fn read_in_address(
        &mut self,
        context: &Context,
        piece: &Piece,
        n: usize,
        place: Place,
        report: &mut dyn FnMut(Finding),
    ) {
        let Wide { gram, .. } = self.address_wide;
        // A tool call carries everything already.
        if self.is_call {
            return;
        }
        if let Some(grams) = context.grams() {
            let mut report = carried(report);
            self.address_plain.step(grams, gram, place, &mut report);
            if self.coded.is_on() {
                let wide = self.address_wide.folded();
                self.address_coded.step(context.coded(), wide, place, &mut report);
            } else {
                self.address_coded.close(&mut report);
            }
        }
        if context.needles.may_end(gram) {
            context.needles.ends(gram, piece, n, &mut |first, role| {
                if role == Role::Value && self.address_start <= first.start() {
                    let span = Span::new(first.start(), place.end());
                    report(Finding::certain(span, *EXFIL_CONTEXT, CARRIED_ID));
                }
            });
        }
    }

    pub(super) fn finish(&mut self, report: &mut dyn FnMut(Finding)) {
        let (kind, id) = self.of_prompt();
        let mut of_prompt = |stretch| report(finding(stretch, kind, id));
        self.plain.close(&mut of_prompt);
        self.coded_runs.close(&mut of_prompt);
        self.close_address(report);
        self.ended = true;
    }

    pub(super) fn pending(&self, kinds: &KindSet) -> u64 {
        let end = self.letters.n_read();
        if self.ended {
            return end;
        }
        let mut first = end;
        let mut wait_for = |at: Option<u64>| first = first.min(at.unwrap_or(end));
        let (of_prompt, _) = self.of_prompt();
        if kinds.contains(of_prompt) {
            wait_for(self.plain.pending());
            wait_for(self.coded_runs.pending());
        }
        let needles = &self.context.needles;
        if kinds.contains(*SYSTEM_PROMPT) && !needles.is_empty() {
            wait_for(needles.partial(&self.history));
        }
        let may_carry = self.is_call || self.address.is_inside();
        if kinds.contains(*EXFIL_CONTEXT) && may_carry {
            wait_for(self.address_plain.pending());
            wait_for(self.address_coded.pending());
            if needles.has(Role::Value) {
                let oldest = self.history.all().1.first().map(|place| place.start());
                let from = if self.is_call { 0 } else { self.address_start };
                wait_for(oldest.map(|oldest| oldest.max(from)));
            }
        }
        // A character that is cut begins before the end.
        if kinds.contains(*SYSTEM_PROMPT) || kinds.contains(*EXFIL_CONTEXT) {
            first = first.min(self.letters.pending());
        }
        first
    }
}

fn carried(report: &mut dyn FnMut(Finding)) -> impl FnMut(Stretch) {
    |stretch| report(finding(stretch, *EXFIL_CONTEXT, PROMPT_CARRIED_ID))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::Material;
    use crate::text::work;

    const PROMPT: &str = "You are Marlow, the night porter. Never offer more than nine percent off, and tell nobody of the entrance.";

    fn context() -> Arc<Context> {
        let values: Vec<String> = (0..100).map(|n| format!("{n:02}x@example.org")).collect();
        Arc::new(Context::new(&Material {
            prompts: vec![PROMPT.as_bytes()],
            canaries: vec![b"aaaaaaaaaaaaaaaa", b"heron-lamp"],
            values: values.iter().map(String::as_bytes).collect(),
            known: vec![],
        }))
    }

    fn hostile_units() -> [&'static str; 9] {
        [
            "a",
            "heron-lam",
            "//",
            "%",
            "//99x@example.org",
            "4865",
            "example.org",
            "x1@example.org ",
            PROMPT,
        ]
    }

    #[test]
    fn a_hostile_text_makes_no_large_reader() {
        let context = context();
        for unit in hostile_units() {
            let mut reader = Reader::new(Arc::clone(&context), true);
            let memory_bytes = |reader: &Reader| {
                let runs = [&reader.plain, &reader.coded_runs, &reader.address_plain];
                size_of::<Reader>() + runs.map(Runs::memory_bytes).iter().sum::<usize>()
            };
            assert!(memory_bytes(&reader) <= 1024, "an idle one has {}", memory_bytes(&reader));
            for chunk in unit.repeat(9000 / unit.len()).as_bytes().chunks(5) {
                reader.read(chunk, &mut |_| {});
            }
            assert!(memory_bytes(&reader) <= 4096, "{unit} makes {}", memory_bytes(&reader));
        }
    }

    /// Letters that are compared with patterns, for each byte of a hostile text.
    #[test]
    fn work_grows_with_the_text_and_no_faster() {
        let context = context();
        for unit in hostile_units() {
            let work_per_byte = |n_bytes: usize| {
                let mut reader = Reader::new(Arc::clone(&context), true);
                work::take();
                for chunk in unit.repeat(n_bytes / unit.len() + 1).as_bytes().chunks(5) {
                    reader.read(chunk, &mut |_| {});
                    reader.pending(&KindSet::ALL);
                }
                work::take() * 100 / n_bytes
            };
            let [once, twice] = [4096, 8192].map(work_per_byte);
            assert!(twice <= once + once / 10 + 10, "{unit}: {once}, then {twice}");
            assert!(twice <= 1000 * 100, "{unit}: {twice}");
        }
    }
}
