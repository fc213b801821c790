//! Laws of the parsers for files that are admitted or not.
use crate::{chunks, cuts, steps_and_text};
use bartizan_artifact::pickle::{End, Limits, Machine};

/// Bounds that the fuzzer's small inputs meet.
const LIMITS: Limits =
    Limits { values_max: 200, text_bytes_max: 2000, stack_max: 100, memo_max: 50, calls_max: 20 };
/// No call is shown longer than this.
const SHOWN_BYTES_MAX: usize = 4 << 10;

/// Pickles: what a stream would do does not depend on how it is cut, and every call can be shown.
pub fn pickle(bytes: &[u8]) {
    let (steps, text) = steps_and_text(bytes);
    for limits in [LIMITS, Limits::default()] {
        let mut machine = Machine::new(limits);
        let n_whole = machine.push(text);
        let whole = machine.finish();
        let mut machine = Machine::new(limits);
        let pieces = chunks(text, &cuts(steps, text.len()));
        let n_pieces: usize = pieces.into_iter().map(|piece| machine.push(piece)).sum();
        let cut = machine.finish();
        assert_eq!(format!("{whole:?}"), format!("{cut:?}"), "a cut changed what is done");
        if whole.end().0 == End::Stop {
            assert_eq!((n_whole, n_pieces as u64), (n_pieces, whole.end().1));
        }
        for call in whole.calls() {
            assert!(call.to_string().len() < SHOWN_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::holds;

    #[test]
    fn pickle_law() {
        holds(
            super::pickle,
            &[
                b"cos\nsystem\n(S'id'\ntR.",
                b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94.",
                b"\x80\x02}q\0(X\x01\0\0\0aK\x01X\x01\0\0\0bh\0u.",
                b"(ios\nsystem\n0(cm\nC\no}b]q\x01(h\x01h\x01e.",
            ],
        );
    }
}
