//! What lies on the stack and in the memo: as much of each value as it takes to say what is called with what.
//!
//! A large stream is mostly plain data, and each of its containers may still change: so a container costs 16 bytes, and an item that is
//! kept 12.

/// Plain items that a tuple keeps; of names, calls and containers it keeps all. Arguments are tuples.
const TUPLE_ITEMS_KEPT: u32 = 16;
/// The same, of other containers.
const ITEMS_KEPT: u32 = 4;
/// Items that are kept of a stream before it counts as large. Of a large one only tuples keep plain items.
const LARGE_ITEMS: usize = 1 << 16;
/// No item.
const NOTHING: u32 = u32::MAX;

/// A value, or where one is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i32),
    /// A float, or a whole number that is none of the above.
    Number,
    /// Index among the texts.
    Text(u32),
    /// The same, of bytes.
    Bytes(u32),
    /// Index among the nodes.
    Node(u32),
}

impl Value {
    pub(super) const fn is_plain(self) -> bool {
        !matches!(self, Self::Node(_))
    }

    /// A whole number, if it is no longer than those that are kept.
    pub(super) fn whole(number: i64) -> Self {
        i32::try_from(number).map_or(Self::Number, Self::Int)
    }
}

/// The items of a container; of a dictionary, a key and its value in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Items {
    first: u32,
    last: u32,
    /// How many there are, kept or not; or more than that.
    pub(super) n: u32,
}

impl Items {
    pub(super) const NOTHING: Self = Self { first: NOTHING, last: NOTHING, n: 0 };
}

/// An item and the place of the next one.
#[derive(Clone, Copy, Debug)]
struct Link {
    value: Value,
    next: u32,
}

/// The items of all containers.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(Vec<Link>);

impl Links {
    /// How many are kept.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an item to what is no tuple.
    pub(super) fn push(&mut self, items: &mut Items, value: Value) {
        let n_plain_max = if self.0.len() < LARGE_ITEMS { ITEMS_KEPT } else { 0 };
        self.add(items, value, n_plain_max);
    }

    /// The items of a tuple.
    pub(super) fn of_tuple(&mut self, values: &[Value]) -> Items {
        let mut items = Items::NOTHING;
        for &value in values {
            self.add(&mut items, value, TUPLE_ITEMS_KEPT);
        }
        items
    }

    fn add(&mut self, items: &mut Items, value: Value, n_plain_max: u32) {
        let is_kept = !value.is_plain() || items.n < n_plain_max;
        items.n = items.n.saturating_add(1);
        let Ok(at) = u32::try_from(self.0.len()) else { return };
        if !is_kept {
            return;
        }
        self.0.push(Link { value, next: NOTHING });
        match self.get_mut(items.last) {
            Some(last) => last.next = at,
            None => items.first = at,
        }
        items.last = at;
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut Link> {
        self.0.get_mut(usize::try_from(at).ok()?)
    }

    /// The items that are kept, in order.
    pub(super) fn of(&self, items: Items) -> impl Iterator<Item = Value> {
        let get = |at: u32| self.0.get(usize::try_from(at).ok()?);
        std::iter::successors(get(items.first), move |link| get(link.next)).map(|link| link.value)
    }
}

/// What is more than plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Tuple(Items),
    List(Items),
    Dict(Items),
    Set(Items),
    FrozenSet(Items),
    /// Index among the names.
    Global(u32),
    /// What a call gave: index among the calls.
    Result(u32),
    /// What the loader has under this.
    Persistent(Value),
    /// What the registry has under this number.
    Extension(u32),
    /// What came beside the stream.
    Buffer,
}
const _: () = assert!(size_of::<Node>() == 16 && size_of::<Link>() == 12, "values are small");

/// A text, or bytes, as far as they are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    start: u32,
    /// How many bytes; the highest bit says that there are more.
    n_bytes: u16,
}

impl Stored {
    const MORE: u16 = 1 << 15;

    /// Nothing where it is too far or too long.
    pub(super) fn new(start: usize, n_bytes: usize, is_cut: bool) -> Option<Self> {
        let n_bytes = u16::try_from(n_bytes).ok().filter(|n_bytes| n_bytes & Self::MORE == 0)?;
        let more = if is_cut { Self::MORE } else { 0 };
        Some(Self { start: u32::try_from(start).ok()?, n_bytes: n_bytes | more })
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        start..start.saturating_add(usize::from(self.n_bytes & !Self::MORE))
    }

    pub(super) const fn is_cut(self) -> bool {
        self.n_bytes & Self::MORE != 0
    }
}
