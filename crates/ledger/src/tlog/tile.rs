//! Tiles and entry bundles: where they stand, and what their bytes say.
use super::lines::decimal;
use crate::merkle::node_hash;
use bartizan_core::digest::Digest;
use std::fmt::{self, Write as _};
use std::io;
use std::str::FromStr;

/// Hashes of a full tile, entries of a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Most bytes of an entry: its length is written with 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Levels of perfect subtrees between a tile and the one above it.
pub(crate) const TILE_HEIGHT: u32 = 8;
/// Levels of tiles that a tree of 2^63 leaves has.
pub(crate) const LEVELS_MAX: u8 = 8;

const WIDTH: usize = TILE_WIDTH as usize;
const HASH_BYTES: usize = 32;
const LENGTH_BYTES: usize = 2;
/// Highest level that a path can name.
const LEVEL_MAX: u8 = 63;
/// More bytes than any path has.
const PATH_BYTES_MAX: usize = 64;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes; those of level 0 are of leaves, those above of full tiles one level below.
    Hashes(u8),
    /// The entries themselves: a bundle.
    Entries,
}

/// Where a tile or a bundle stands under a log's prefix.
///
/// ```
/// # use bartizan_ledger::tlog::{TileKind, TilePath};
/// let path: TilePath = "tile/2/x001/x234/067.p/9".parse()?;
/// assert_eq!((path.kind(), path.index(), path.width()), (TileKind::Hashes(2), 1_234_067, 9));
/// assert_eq!(path.full().to_string(), "tile/2/x001/x234/067");
/// # Ok::<(), bartizan_ledger::tlog::TilePathError>(())
/// ```
///
/// Source: [C2SP tlog-tiles](https://c2sp.org/tlog-tiles).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    /// Invariant: 1 to [`TILE_WIDTH`].
    width: u16,
}

/// The text is not the path of a tile or a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the path of a tile: write tile/<level or entries>/<index in groups of three digits>[.p/<width>]"
)]
pub struct TilePathError;

impl TilePath {
    /// The path of a tile of `width` hashes or entries; `None` if no tile has that level or width.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let is_level = matches!(kind, TileKind::Entries | TileKind::Hashes(0..=LEVEL_MAX));
        (is_level && (1..=TILE_WIDTH).contains(&width)).then_some(Self { kind, index, width })
    }

    /// What it holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Which one of its level it is, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will never grow.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile in the same place.
    #[must_use]
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH, ..*self }
    }

    /// The folder that holds the partial tiles in the same place. Once the full one is durable it may go.
    pub fn partial_folder(&self) -> String {
        format!("{}.p", self.full())
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut scale = 1;
        while 1_000 <= self.index / scale {
            scale *= 1_000;
        }
        while 1 < scale {
            write!(f, "x{:03}/", self.index / scale % 1_000)?;
            scale /= 1_000;
        }
        write!(f, "{:03}", self.index % 1_000)?;
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let read = || {
            let rest = text.strip_prefix("tile/").filter(|_| text.len() <= PATH_BYTES_MAX)?;
            let (level, rest) = rest.split_once('/')?;
            let kind = match level {
                "entries" => TileKind::Entries,
                level => TileKind::Hashes(u8::try_from(decimal(level)?).ok()?),
            };
            let (groups, width) = match rest.split_once(".p/") {
                Some((groups, width)) => (groups, u16::try_from(decimal(width)?).ok()?),
                None => (rest, TILE_WIDTH),
            };
            let mut index = 0_u64;
            for group in groups.split('/') {
                let digits = group.strip_prefix('x').unwrap_or(group);
                let is_group =
                    digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
                let value = digits.parse().ok().filter(|_| is_group)?;
                index = index.checked_mul(1_000)?.checked_add(value)?;
            }
            Self::new(kind, index, width)
        };
        // What is printed the same was written the one canonical way: no missing x, no empty groups in front, no full width.
        let mut printed = String::new();
        let path: Self = read().ok_or(TilePathError)?;
        write!(printed, "{path}").map_err(|_| TilePathError)?;
        if printed == text { Ok(path) } else { Err(TilePathError) }
    }
}

/// Why tiles could not be written, read or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// An entry is longer than its length can say.
    #[error("the entry has {n_bytes} bytes, at most {ENTRY_BYTES_MAX} fit")]
    EntryTooLong {
        /// Its length.
        n_bytes: usize,
    },
    /// A tile or bundle holds another number of hashes or entries than its path says.
    #[error("a tile of {width} does not have these {n_bytes} bytes: it was cut or damaged")]
    Width {
        /// What its path says.
        width: u16,
        /// Its length.
        n_bytes: usize,
    },
    /// A tile that the tree must have is not there.
    #[error("{path} is missing")]
    Missing {
        /// The tile.
        path: TilePath,
    },
    /// The source failed.
    #[error("could not read {path}: {source}")]
    Source {
        /// The tile.
        path: TilePath,
        /// What the source said.
        source: io::Error,
    },
    /// A tile does not hash to what the trusted root says.
    #[error(
        "{path} does not belong to the tree with the trusted root: it was changed, or is of another log"
    )]
    Untrue {
        /// The tile.
        path: TilePath,
    },
    /// The unfinished tiles of a tree do not hash to its root.
    #[error(
        "the last tiles of the tree of {size} leaves do not hash to the trusted root: they were changed, or are of another log"
    )]
    Root {
        /// The tree's size.
        size: u64,
    },
    /// The tree has no such leaf or no such size.
    #[error("a tree of {size} leaves has no {asked}")]
    OutOfRange {
        /// The tree's size.
        size: u64,
        /// The leaf or the size that was asked for.
        asked: u64,
    },
    /// The tree is larger than any that these formats can say.
    #[error("a tree cannot have {size} leaves")]
    TooLarge {
        /// The size.
        size: u64,
    },
}

/// Writes hashes as a tile holds them.
pub fn encode_hashes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Reads a tile of `width` hashes.
///
/// # Errors
/// [`TileError::Width`] if the tile has another length.
pub fn decode_hashes(tile: &[u8], width: u16) -> Result<Vec<Digest>, TileError> {
    let (hashes, rest) = tile.as_chunks::<HASH_BYTES>();
    if hashes.len() != usize::from(width) || !rest.is_empty() || TILE_WIDTH < width {
        return Err(TileError::Width { width, n_bytes: tile.len() });
    }
    Ok(hashes.iter().map(|&hash| Digest(hash)).collect())
}

/// Adds an entry to a bundle.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let n_bytes = entry.len();
    let length = u16::try_from(n_bytes).map_err(|_| TileError::EntryTooLong { n_bytes })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Writes entries as a bundle holds them.
///
/// # Errors
/// [`TileError::EntryTooLong`].
///
/// ```
/// # use bartizan_ledger::tlog::{decode_bundle, encode_bundle};
/// let bundle = encode_bundle(&[b"a".as_slice(), b""])?;
/// assert_eq!(bundle, b"\0\x01a\0\0");
/// assert_eq!(decode_bundle(&bundle, 2)?, [b"a".as_slice(), b""]);
/// # Ok::<(), bartizan_ledger::tlog::TileError>(())
/// ```
pub fn encode_bundle(entries: &[&[u8]]) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::new();
    entries.iter().try_for_each(|entry| push_entry(&mut bundle, entry))?;
    Ok(bundle)
}

/// Reads a bundle of `width` entries.
///
/// # Errors
/// [`TileError::Width`] if the bundle has more or fewer, or is cut.
pub fn decode_bundle(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let wrong = || TileError::Width { width, n_bytes: bundle.len() };
    let mut entries = Vec::with_capacity(usize::from(width.min(TILE_WIDTH)));
    let mut rest = bundle;
    for _ in 0..width.min(TILE_WIDTH) {
        let (length, tail) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(wrong)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or_else(wrong)?;
        entries.push(entry);
        rest = tail;
    }
    if rest.is_empty() && width <= TILE_WIDTH { Ok(entries) } else { Err(wrong()) }
}

/// The root over a power of two of hashes; `None` over any other number.
pub(crate) fn perfect_root(hashes: &[Digest]) -> Option<Digest> {
    if !hashes.len().is_power_of_two() || WIDTH < hashes.len() {
        return None;
    }
    let mut hashes = hashes.to_vec();
    while 1 < hashes.len() {
        let (pairs, _) = hashes.as_chunks::<2>();
        hashes = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    hashes.pop()
}

/// Number of tile hashes at `level` that a tree of `size` leaves has in all.
pub(crate) fn hashes_at(size: u64, level: u8) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0)
}

/// Number of hashes in the unfinished tile at `level`; 0 when there is none.
pub(crate) fn partial_width(size: u64, level: u8) -> u16 {
    u16::try_from(hashes_at(size, level) % u64::from(TILE_WIDTH)).unwrap_or(0)
}

/// The path of the unfinished tile at `level`, if the tree has one.
pub(crate) fn partial_path(size: u64, level: u8) -> Option<TilePath> {
    let index = hashes_at(size, level) / u64::from(TILE_WIDTH);
    TilePath::new(TileKind::Hashes(level), index, partial_width(size, level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::root_of;
    use crate::tlog::testing::hashes;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_standard() {
        let hashes = |level, index, width| TilePath::new(TileKind::Hashes(level), index, width);
        let cases = [
            ("tile/0/000", hashes(0, 0, 256)),
            ("tile/0/999.p/255", hashes(0, 999, 255)),
            ("tile/1/x001/000", hashes(1, 1_000, 256)),
            ("tile/63/x001/x234/067", hashes(63, 1_234_067, 256)),
            ("tile/0/x001/x234/067.p/1", hashes(0, 1_234_067, 1)),
            ("tile/0/x018/x446/x744/x073/x709/x551/615", hashes(0, u64::MAX, 256)),
            ("tile/entries/x123/456", TilePath::new(TileKind::Entries, 123_456, 256)),
            ("tile/entries/000.p/17", TilePath::new(TileKind::Entries, 0, 17)),
        ];
        for (text, path) in cases {
            let path = path.unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path), "{text}");
        }
        let path: TilePath = "tile/entries/x123/456.p/2".parse().unwrap();
        assert_eq!(path.partial_folder(), "tile/entries/x123/456.p");
    }

    #[test]
    fn other_paths_are_refused() {
        let cases = [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/-1/000",
            "tile/64/000",
            "tile/256/000",
            "tile/data/000",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/0a0",
            "tile/0/+01",
            "tile/0/../000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
            "tile/8/000.p/-1",
            "tile/entries/0\u{0660}",
            "TILE/0/000",
        ];
        for text in cases {
            assert_eq!(text.parse::<TilePath>(), Err(TilePathError), "{text}");
        }
        assert_eq!(TilePath::new(TileKind::Hashes(0), 0, 0), None);
        assert_eq!(TilePath::new(TileKind::Entries, 0, 257), None);
        assert_eq!(TilePath::new(TileKind::Hashes(64), 0, 1), None);
    }

    #[test]
    fn tiles_of_another_length_are_refused() {
        let tile = encode_hashes(&hashes(3));
        assert_eq!(decode_hashes(&tile, 3).unwrap(), hashes(3));
        let cases: [(&str, &[u8], u16); 5] = [
            ("too wide", &tile, 4),
            ("too narrow", &tile, 2),
            ("cut", &tile[..95], 3),
            ("empty", &[], 1),
            ("over the widest", &[0; 257 * 32], 257),
        ];
        for (name, tile, width) in cases {
            assert!(matches!(decode_hashes(tile, width), Err(TileError::Width { .. })), "{name}");
        }
    }

    #[test]
    fn bundles_hold_exactly_what_they_say() {
        let long = vec![7; ENTRY_BYTES_MAX];
        let bundle = encode_bundle(&[&long, b"", b"x"]).unwrap();
        assert_eq!(decode_bundle(&bundle, 3).unwrap(), [long.as_slice(), b"", b"x"]);
        let over = vec![7; ENTRY_BYTES_MAX + 1];
        let n_bytes = over.len();
        assert!(
            matches!(encode_bundle(&[&over]), Err(TileError::EntryTooLong { n_bytes: n }) if n == n_bytes)
        );
        let cases: [(&str, &[u8], u16); 6] = [
            ("one more", &bundle, 4),
            ("one less", &bundle, 2),
            ("cut entry", &bundle[..bundle.len() - 1], 3),
            ("cut length", &bundle[..bundle.len() - 2], 3),
            ("something after it", b"\0\x01xy", 1),
            ("wider than a bundle", &[0; 2 * 257], 257),
        ];
        for (name, bundle, width) in cases {
            assert!(matches!(decode_bundle(bundle, width), Err(TileError::Width { .. })), "{name}");
        }
        assert_eq!(decode_bundle(&[0; 2 * 256], 256).unwrap().len(), 256);
    }

    #[test]
    fn the_published_widths() {
        let widths: Vec<_> = (0..4).map(|level| partial_width(70_000, level)).collect();
        assert_eq!(widths, [112, 17, 1, 0]);
        assert_eq!((partial_width(256, 0), partial_width(256, 1)), (0, 1));
        assert_eq!(partial_path(70_000, 0).unwrap().to_string(), "tile/0/273.p/112");
        assert_eq!(partial_path(256, 0), None);
        assert_eq!(hashes_at(u64::MAX, LEVELS_MAX), 0, "no tree has a level more");
    }

    #[test]
    fn perfect_trees_have_the_roots_of_the_standard() {
        for n in [1, 2, 4, 64, 256] {
            assert_eq!(perfect_root(&hashes(n)), Some(root_of(&hashes(n))), "{n}");
        }
        for n in [0, 3, 255, 512] {
            assert_eq!(perfect_root(&hashes(n)), None, "{n}");
        }
    }

    proptest! {
        /// A path has one text.
        #[test]
        fn one_text_for_one_path(level in 0..=63_u8, index: u64, width in 1..=256_u16, text in "tile/(0|7|entries)/(x?[0-9]{3}/?){1,3}(\\.p/[0-9]{1,3})?") {
            for kind in [TileKind::Hashes(level), TileKind::Entries] {
                let path = TilePath::new(kind, index, width).unwrap();
                prop_assert_eq!(path.to_string().parse(), Ok(path));
                prop_assert!(path.to_string().len() <= PATH_BYTES_MAX);
            }
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }

        /// A bundle has one reading, and no cut of it has another.
        #[test]
        fn one_bundle_for_one_list(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..20), cut in any::<prop::sample::Index>()) {
            let slices: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
            let bundle = encode_bundle(&slices).unwrap();
            let width = u16::try_from(entries.len()).unwrap();
            prop_assert_eq!(decode_bundle(&bundle, width).unwrap(), slices);
            if !bundle.is_empty() {
                prop_assert!(decode_bundle(&bundle[..cut.index(bundle.len())], width).is_err());
            }
        }
    }
}
