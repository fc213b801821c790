//! Takes a stream apart into opcodes and their operands, whatever the pieces are that it comes in.
use super::opcode::{Opcode, Operand};
use super::trace::Problem;

/// Bytes of one operand that are kept: no name is longer, and no more is shown of any text.
pub(super) const KEPT_BYTES_MAX: usize = 4096;
/// Bytes that one opcode and what is kept of its operand have at most: two lines with their ends.
const STEP_BYTES_MAX: usize = 1 + 2 * (KEPT_BYTES_MAX + 1);

/// The beginning of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept<'a> {
    pub(super) bytes: &'a [u8],
    /// There is more of it.
    pub(super) is_cut: bool,
}

impl Kept<'_> {
    const NOTHING: Self = Self { bytes: &[], is_cut: false };
}

/// One opcode with its operand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) opcode: Opcode,
    /// Where it begins.
    pub(super) at: u64,
    /// One past its last byte, as far as its first bytes say; lines that are cut end later.
    pub(super) end: u64,
    /// What a fixed operand says, as a number without sign.
    pub(super) number: u64,
    pub(super) first: Kept<'a>,
    /// The second line.
    pub(super) second: Kept<'a>,
    /// Bytes of it that were at hand.
    n_bytes: usize,
    /// What is left of its operand.
    skip: Skip,
}

impl Step<'_> {
    const fn new(at: u64) -> Self {
        let nothing = Kept::NOTHING;
        Self {
            opcode: Opcode::Stop,
            at,
            end: at,
            number: 0,
            first: nothing,
            second: nothing,
            n_bytes: 0,
            skip: Skip::Nothing,
        }
    }
}

/// What is left of an operand whose beginning was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Skip {
    #[default]
    Nothing,
    Bytes(u64),
    Lines(u8),
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of a step that is not whole. Invariant: less than [`STEP_BYTES_MAX`].
    carry: Vec<u8>,
    skip: Skip,
    /// Offset of the first byte that no step had yet.
    at: u64,
}

impl Reader {
    /// Gives the steps in a piece to `each`, until it answers `false`; how many bytes of the piece were read.
    ///
    /// # Errors
    /// The first thing that is no opcode, or has no length.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        each: &mut impl FnMut(&Step<'_>) -> bool,
    ) -> Result<usize, Problem> {
        let mut rest = self.skipped(piece);
        while !rest.is_empty() {
            let n_carried = self.carry.len();
            let mut step = Step::new(self.at);
            let goes_on;
            if n_carried > 0 {
                let mut whole = std::mem::take(&mut self.carry);
                let n_wanted = STEP_BYTES_MAX.saturating_sub(n_carried).min(rest.len());
                whole.extend_from_slice(rest.get(..n_wanted).unwrap_or_default());
                if !find(&whole, &mut step)? {
                    rest = rest.get(n_wanted..).unwrap_or_default();
                    self.carry = whole;
                    continue;
                }
                let n_new = step.n_bytes.saturating_sub(n_carried);
                goes_on = self.take(&step, each);
                rest = rest.get(n_new..).unwrap_or_default();
            } else if find(rest, &mut step)? {
                goes_on = self.take(&step, each);
                rest = rest.get(step.n_bytes..).unwrap_or_default();
            } else {
                self.carry.extend_from_slice(rest);
                return Ok(piece.len());
            }
            if !goes_on {
                break;
            }
            rest = self.skipped(rest);
        }
        Ok(piece.len().saturating_sub(rest.len()))
    }

    /// Whether the stream may end here, as far as its bytes go.
    pub(super) fn is_between_steps(&self) -> bool {
        self.carry.is_empty() && self.skip == Skip::Nothing
    }

    /// Offset of the first byte that no step had yet.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    #[inline]
    fn take(&mut self, step: &Step<'_>, each: &mut impl FnMut(&Step<'_>) -> bool) -> bool {
        self.at = offset(self.at, step.n_bytes);
        self.skip = step.skip;
        each(step)
    }

    /// What of a piece does not belong to an operand whose beginning was kept.
    fn skipped<'p>(&mut self, mut piece: &'p [u8]) -> &'p [u8] {
        loop {
            let n_bytes = match self.skip {
                Skip::Nothing | Skip::Bytes(0) | Skip::Lines(0) => {
                    self.skip = Skip::Nothing;
                    return piece;
                }
                Skip::Bytes(n) => {
                    let n_bytes = piece.len().min(usize::try_from(n).unwrap_or(usize::MAX));
                    self.skip = Skip::Bytes(n.saturating_sub(n_bytes as u64));
                    n_bytes
                }
                Skip::Lines(n) => match memchr::memchr(b'\n', piece) {
                    Some(end) => {
                        self.skip = Skip::Lines(n.saturating_sub(1));
                        end.saturating_add(1)
                    }
                    None => piece.len(),
                },
            };
            self.at = offset(self.at, n_bytes);
            piece = piece.get(n_bytes..).unwrap_or_default();
            if piece.is_empty() {
                return piece;
            }
        }
    }
}

/// The sum of an offset and a length; streams are shorter than 2^64 bytes.
fn offset(base: u64, n_bytes: usize) -> u64 {
    base.saturating_add(n_bytes as u64)
}

/// Reads the step that begins with the first byte; whether it is there.
#[inline]
fn find<'a>(bytes: &'a [u8], step: &mut Step<'a>) -> Result<bool, Problem> {
    let Some((&code, rest)) = bytes.split_first() else { return Ok(false) };
    step.opcode = Opcode::of(code).ok_or(Problem::Opcode { byte: code })?;
    match step.opcode.operand() {
        Operand::Nothing => step.n_bytes = 1,
        Operand::Fixed(width) => {
            let Some(operand) = rest.get(..width) else { return Ok(false) };
            step.number = little(operand);
            step.n_bytes = width.saturating_add(1);
        }
        Operand::Counted(width) => return counted(step, rest, width),
        Operand::Line => return Ok(lines(step, rest, 1)),
        Operand::Lines => return Ok(lines(step, rest, 2)),
    }
    step.end = offset(step.at, step.n_bytes);
    Ok(true)
}

/// A number of up to eight bytes, the lowest first.
fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn counted<'a>(step: &mut Step<'a>, rest: &'a [u8], width: usize) -> Result<bool, Problem> {
    let Some((length, rest)) = rest.split_at_checked(width) else { return Ok(false) };
    let n_all = little(length);
    // These two are read as numbers with a sign, and all others as sizes.
    let is_signed = matches!(step.opcode, Opcode::BinString | Opcode::Long4);
    let most = if is_signed { i32::MAX as u64 } else { i64::MAX.cast_unsigned() };
    if most < n_all {
        return Err(Problem::Length { opcode: step.opcode });
    }
    let n_kept = usize::try_from(n_all).unwrap_or(usize::MAX).min(KEPT_BYTES_MAX);
    let Some(bytes) = rest.get(..n_kept) else { return Ok(false) };
    let n_left = n_all.saturating_sub(n_kept as u64);
    step.first = Kept { bytes, is_cut: n_left > 0 };
    step.n_bytes = width.saturating_add(1).saturating_add(n_kept);
    step.skip = Skip::Bytes(n_left);
    step.end = offset(step.at, step.n_bytes).saturating_add(n_left);
    Ok(true)
}

/// One line or two, without their ends.
fn lines<'a>(step: &mut Step<'a>, rest: &'a [u8], n_lines: u8) -> bool {
    step.n_bytes = 1;
    for n_left in (0..n_lines).rev() {
        let rest = rest.get(step.n_bytes.saturating_sub(1)..).unwrap_or_default();
        let (kept, n_bytes) = match line(rest) {
            Line::More => return false,
            Line::Cut(bytes) => (Kept { bytes, is_cut: true }, bytes.len()),
            Line::Whole(bytes) => (Kept { bytes, is_cut: false }, bytes.len().saturating_add(1)),
        };
        step.n_bytes = step.n_bytes.saturating_add(n_bytes);
        let is_first = n_left.saturating_add(1) == n_lines;
        *(if is_first { &mut step.first } else { &mut step.second }) = kept;
        if kept.is_cut {
            step.skip = Skip::Lines(n_left.saturating_add(1));
            // What the second one says is not known either.
            step.second.is_cut = true;
            break;
        }
    }
    step.end = offset(step.at, step.n_bytes);
    true
}

enum Line<'a> {
    More,
    /// It has more than is kept.
    Cut(&'a [u8]),
    /// Without its end.
    Whole(&'a [u8]),
}

fn line(bytes: &[u8]) -> Line<'_> {
    let head = bytes.get(..=KEPT_BYTES_MAX).unwrap_or(bytes);
    match memchr::memchr(b'\n', head) {
        Some(end) => Line::Whole(head.get(..end).unwrap_or_default()),
        None if head.len() > KEPT_BYTES_MAX => {
            Line::Cut(head.get(..KEPT_BYTES_MAX).unwrap_or_default())
        }
        None => Line::More,
    }
}
