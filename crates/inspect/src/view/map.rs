//! Where decoded bytes stood in the text that they were decoded from.
use super::name::View;
use std::collections::VecDeque;

/// How a decoded byte came to be: it is one of `n_decoded` bytes that `n_original` bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) view: View,
    /// Where the unit begins in the original.
    pub(super) original_at: u64,
    pub(super) n_decoded: u8,
    pub(super) n_original: u8,
    /// Which of the unit's bytes it is.
    pub(super) index: u8,
    /// Whether a part of the unit is nothing: half an escape. The characters of base64 can be told apart.
    pub(super) whole: bool,
}

impl Shape {
    pub(super) const fn plain(original_at: u64) -> Self {
        Self { view: View::Plain, original_at, n_decoded: 1, n_original: 1, index: 0, whole: true }
    }
}

/// Decoded bytes in a row whose units are alike and follow each other.
#[derive(Clone, Copy, Debug)]
struct Segment {
    decoded_at: u64,
    /// The first byte's shape.
    shape: Shape,
    /// Something was left out right before.
    gap: Option<View>,
}

impl Segment {
    /// Which byte of its units the decoded byte is, counted from the first unit.
    fn offset_of(&self, decoded: u64) -> u64 {
        decoded.saturating_sub(self.decoded_at).saturating_add(u64::from(self.shape.index))
    }

    fn start_of(&self, decoded: u64) -> u64 {
        let (offset, shape) = (self.offset_of(decoded), self.shape);
        let (n_decoded, n_original) =
            (u64::from(shape.n_decoded).max(1), u64::from(shape.n_original));
        let into = if shape.whole {
            (offset.checked_div(n_decoded).unwrap_or(0)).saturating_mul(n_original)
        } else {
            offset.saturating_mul(n_original).checked_div(n_decoded).unwrap_or(0)
        };
        shape.original_at.saturating_add(into)
    }

    /// One past the original of a decoded byte.
    fn end_of(&self, decoded: u64) -> u64 {
        let (offset, shape) = (self.offset_of(decoded), self.shape);
        let (n_decoded, n_original) =
            (u64::from(shape.n_decoded).max(1), u64::from(shape.n_original));
        let into = if shape.whole {
            (offset.checked_div(n_decoded).unwrap_or(0))
                .saturating_add(1)
                .saturating_mul(n_original)
        } else {
            offset.saturating_add(1).saturating_mul(n_original).div_ceil(n_decoded)
        };
        shape.original_at.saturating_add(into)
    }

    /// Whether a byte of this shape goes on where the segment ends.
    fn goes_on(&self, decoded: u64, next: Shape) -> bool {
        let shape = self.shape;
        let n_decoded = u64::from(shape.n_decoded).max(1);
        let offset = self.offset_of(decoded);
        shape.view == next.view
            && (shape.n_decoded, shape.n_original, shape.whole)
                == (next.n_decoded, next.n_original, next.whole)
            && offset.checked_rem(n_decoded) == Some(u64::from(next.index))
            && shape.original_at.saturating_add(
                offset
                    .checked_div(n_decoded)
                    .unwrap_or(0)
                    .saturating_mul(u64::from(shape.n_original)),
            ) == next.original_at
    }
}

/// What a stretch of decoded bytes was in the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) start: u64,
    pub(super) end: u64,
    /// The first view in it that is not plain.
    pub(super) view: Option<View>,
}

/// The map of one view. It forgets what lies further back than `keep` bytes.
#[derive(Debug)]
pub(super) struct SpanMap {
    segments: VecDeque<Segment>,
    n_decoded: u64,
    gap: Option<View>,
    keep: u64,
}

impl SpanMap {
    pub(super) fn new(keep: u64) -> Self {
        Self { segments: VecDeque::new(), n_decoded: 0, gap: None, keep }
    }

    pub(super) const fn n_decoded(&self) -> u64 {
        self.n_decoded
    }

    /// Adds `n` bytes of which the first has this shape and the others follow it.
    pub(super) fn extend(&mut self, n: usize, shape: Shape) {
        let gap = self.gap.take();
        let goes_on = gap.is_none()
            && self.segments.back().is_some_and(|last| last.goes_on(self.n_decoded, shape));
        if !goes_on {
            self.segments.push_back(Segment { decoded_at: self.n_decoded, shape, gap });
        }
        self.n_decoded = self.n_decoded.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        let oldest = self.oldest();
        while self.segments.get(1).is_some_and(|second| second.decoded_at <= oldest) {
            self.segments.pop_front();
        }
    }

    /// Notes that something of the original was left out here.
    pub(super) fn leave_out(&mut self, view: View) {
        self.gap = Some(view);
    }

    /// The first decoded byte that is still known, whenever it was that memory was given back.
    fn oldest(&self) -> u64 {
        self.n_decoded.saturating_sub(self.keep)
    }

    fn at(&self, decoded: u64) -> Option<(usize, &Segment)> {
        let after = self.segments.partition_point(|segment| segment.decoded_at <= decoded);
        let index = after.checked_sub(1)?;
        Some((index, self.segments.get(index)?))
    }

    /// Where a decoded byte began.
    pub(super) fn start_of(&self, decoded: u64) -> u64 {
        let decoded = decoded.max(self.oldest());
        self.at(decoded).map_or(0, |(_, segment)| segment.start_of(decoded))
    }

    /// The smallest part of the original that the bytes from `start` to `end` stand for.
    pub(super) fn original(&self, start: u64, end: u64) -> Option<Original> {
        let start = start.max(self.oldest());
        let last = end.checked_sub(1)?.max(start);
        let ((first_index, first), (last_index, last_segment)) = (self.at(start)?, self.at(last)?);
        let inside = self.segments.iter().take(last_index.saturating_add(1)).skip(first_index);
        let view = inside.enumerate().find_map(|(n, segment)| {
            let gap = segment.gap.filter(|_| n > 0 || segment.decoded_at > start);
            gap.or_else(|| (segment.shape.view != View::Plain).then_some(segment.shape.view))
        });
        Some(Original { start: first.start_of(start), end: last_segment.end_of(last), view })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(view: View, original_at: u64, n_decoded: u8, n_original: u8, index: u8) -> Shape {
        Shape { view, original_at, n_decoded, n_original, index, whole: view != View::Base64 }
    }

    #[test]
    fn spans_cover_whole_units_and_no_more() {
        let mut map = SpanMap::new(1000);
        map.extend(4, Shape::plain(0));
        map.extend(1, shape(View::Html, 4, 1, 6, 0));
        map.extend(1, shape(View::Html, 10, 1, 6, 0));
        map.extend(2, Shape::plain(16));
        for index in 0..3 {
            map.extend(1, shape(View::Base64, 20, 3, 4, index));
        }
        map.extend(1, shape(View::Base64, 24, 3, 4, 0));
        map.leave_out(View::Invisible);
        map.extend(2, Shape::plain(40));
        map.extend(1, shape(View::Compatible, 42, 2, 3, 0));
        map.extend(1, shape(View::Compatible, 42, 2, 3, 1));
        for ((start, end), want) in [
            ((0, 4), (0, 4, None)),
            ((3, 5), (3, 10, Some(View::Html))),
            ((4, 6), (4, 16, Some(View::Html))),
            ((5, 7), (10, 17, Some(View::Html))),
            ((8, 9), (20, 22, Some(View::Base64))),
            ((9, 11), (21, 24, Some(View::Base64))),
            ((11, 12), (24, 26, Some(View::Base64))),
            ((12, 14), (40, 42, None)),
            ((11, 13), (24, 41, Some(View::Base64))),
            ((15, 16), (42, 45, Some(View::Compatible))),
            ((14, 15), (42, 45, Some(View::Compatible))),
        ] {
            let (start_of, end_of, view) = want;
            let want = Some(Original { start: start_of, end: end_of, view });
            assert_eq!(map.original(start, end), want, "{start}..{end}");
        }
    }

    #[test]
    fn what_is_left_out_inside_is_a_view() {
        let mut map = SpanMap::new(1000);
        map.extend(2, Shape::plain(0));
        map.leave_out(View::Invisible);
        map.extend(2, Shape::plain(5));
        assert_eq!(map.original(1, 3).map(|original| original.view), Some(Some(View::Invisible)));
        assert_eq!(map.original(2, 4).map(|original| original.view), Some(None));
    }

    #[test]
    fn memory_is_bounded() {
        let mut map = SpanMap::new(16);
        for n in 0..1000 {
            map.extend(1, shape(View::Html, n * 7, 1, 6, 0));
        }
        assert!(map.segments.len() <= 18);
        assert_eq!(map.start_of(999), 999 * 7);
        assert_eq!(map.start_of(0), 984 * 7, "what is forgotten begins where memory does");
    }
}
