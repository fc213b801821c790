//! Every place in the ledger and the key store that makes something durable, left out: the crashes must notice each, or they prove little.
//!
//! A place is known by its file, and for a folder's names by what the process did in that folder before; [`census`] shows that every sync that
//! is met is exactly one of these. What this world does not reach has its own test beside the code, with the same rule of one place at a time:
//! the witness's store, the files of the vault other than the key store, and the published log that a witness is shown.
use super::crashes;
use super::meddler::{After, Census, Deed, Operation, Order, Target, Which};
use serde::Serialize;

/// Most cases that are tried before a sync counts as superfluous.
const N_CASES_MAX: u64 = 20_000;

/// A place in the code that makes something durable.
#[derive(Debug)]
pub(crate) struct Sync {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    /// Processes of a case that do not lack it yet.
    n_spared: u64,
}

/// Whether leaving a sync out was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Lie {
    pub(crate) sync: &'static str,
    pub(crate) caught: bool,
    /// Cases that were tried.
    pub(crate) cases: u64,
    /// How it was noticed.
    pub(crate) how: Option<String>,
}

const fn data(starts: &'static str, ends: &'static str, which: Which) -> Target {
    Target { operation: Operation::Data, starts, ends, which, after: After::Any }
}

const fn names(starts: &'static str, ends: &'static str, after: After) -> Target {
    Target { operation: Operation::Names, starts, ends, which: Which::Any, after }
}

/// The names of the places, in the order of [`TARGETS`].
const NAMES: [&str; N_SYNCS] = [
    "zeros of a new segment",
    "groups in a new segment",
    "mending of a segment",
    "groups in an old segment",
    "hash tiles",
    "hash tiles of a level above",
    "bundles",
    "checkpoint",
    "copies of torn bytes",
    "a new key store",
    "slots of a key store that was made",
    "slots that were found",
    "slots of a key store that was opened",
    "zeros over a key store that was replaced",
    "zeros over a key store that was never finished",
    "the name of a new segment",
    "names in the ledger's folder that were found, and that of torn/",
    "the name of log/",
    "the name of the checkpoint",
    "names in log/ beside it",
    "names in log/tile/",
    "names in log/tile/0/",
    "names in log/tile/1/",
    "names in log/tile/entries/",
    "names of partial tiles",
    "names of partial tiles of the level above",
    "names of partial bundles",
    "names of copies of torn bytes",
    "names in the vault that were found",
    "the name of a key store",
];

const N_SYNCS: usize = 30;

/// What each of them is about.
pub(crate) const TARGETS: &[Target; N_SYNCS] = &[
    data("ledger/segment-", ".new", Which::First),
    data("ledger/segment-", ".new", Which::Later),
    data("ledger/segment-", ".log", Which::First),
    data("ledger/segment-", ".log", Which::Later),
    data("ledger/log/tile/0/", "", Which::Any),
    data("ledger/log/tile/1/", "", Which::Any),
    data("ledger/log/tile/entries/", "", Which::Any),
    data("ledger/log/checkpoint", "", Which::Any),
    data("ledger/torn/", "", Which::Any),
    data("vault/keys.slots", ".new", Which::First),
    data("vault/keys.slots", ".new", Which::Later),
    data("vault/keys.slots", "slots", Which::First),
    data("vault/keys.slots", "slots", Which::Later),
    data("vault/keys.slots", "slots", Which::Wipe),
    data("vault/keys.slots", ".new", Which::Wipe),
    names("ledger/", "ledger/", After::Rename),
    names("ledger/", "ledger/", After::Kept),
    names("ledger/", "ledger/", After::Made("log")),
    names("ledger/log/", "log/", After::Rename),
    names("ledger/log/", "log/", After::Else),
    names("ledger/log/tile/", "tile/", After::Any),
    names("ledger/log/tile/0/", "/0/", After::Any),
    names("ledger/log/tile/1/", "/1/", After::Any),
    names("ledger/log/tile/entries/", "entries/", After::Any),
    names("ledger/log/tile/0/", ".p/", After::Any),
    names("ledger/log/tile/1/", ".p/", After::Any),
    names("ledger/log/tile/entries/", ".p/", After::Any),
    names("ledger/torn/", "torn/", After::Any),
    names("vault/", "vault/", After::Nothing),
    names("vault/", "vault/", After::Rename),
];

/// Those that must be noticed when they are left out: all of them.
pub(crate) fn syncs() -> impl Iterator<Item = Sync> {
    NAMES.iter().zip(TARGETS).map(|(&name, &target)| {
        let is_found =
            matches!(target.after, After::Nothing | After::Kept) || target.which == Which::Wipe;
        Sync { name, target, n_spared: u64::from(is_found) }
    })
}

/// Leaves one sync out until that is noticed.
pub(crate) fn expose(sync: &Sync, seed: u64) -> Lie {
    let order = Order { target: sync.target, deed: Deed::Skip, n_spared: sync.n_spared };
    let mut how = None;
    let mut cases = 0;
    while cases < N_CASES_MAX && how.is_none() {
        how = crashes::case(seed.wrapping_add(cases), Some(order)).err();
        cases += 1;
    }
    Lie { sync: sync.name, caught: how.is_some(), cases, how }
}

/// Which places the crashes meet in so many cases, and which syncs are none of these places.
pub(crate) fn census(seed: u64, n_cases: u64) -> Result<Census, String> {
    let mut census = Census::default();
    for case in 0..n_cases {
        census.add(crashes::counted(seed.wrapping_add(case), TARGETS)?);
    }
    Ok(census)
}
