//! Every sync in the code, left out: the crashes must notice each of them, or they prove little.
use super::crashes;
use super::meddler::{Deed, Operation, Order, Target, Which};
use serde::Serialize;

/// Most cases that are tried before a sync counts as superfluous.
const N_CASES_MAX: u64 = 20_000;

/// A sync in the code.
pub(crate) struct Sync {
    pub(crate) name: &'static str,
    operation: Operation,
    starts: &'static str,
    ends: &'static str,
    which: Which,
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

const fn data(name: &'static str, starts: &'static str, ends: &'static str, which: Which) -> Sync {
    Sync { name, operation: Operation::Data, starts, ends, which, n_spared: 0 }
}

const fn names(name: &'static str, starts: &'static str, ends: &'static str, which: Which) -> Sync {
    Sync { name, operation: Operation::Names, starts, ends, which, n_spared: 0 }
}

/// All of them.
pub(crate) const SYNCS: &[Sync] = &[
    data("zeros of a new segment", "ledger/segment-", ".new", Which::First),
    data("groups in a new segment", "ledger/segment-", ".new", Which::Later),
    data("mending of a segment", "ledger/segment-", ".log", Which::First),
    data("groups in an old segment", "ledger/segment-", ".log", Which::Later),
    data("hash tiles", "ledger/log/tile/0/", "", Which::Any),
    data("hash tiles of a level above", "ledger/log/tile/1/", "", Which::Any),
    data("bundles", "ledger/log/tile/entries/", "", Which::Any),
    data("checkpoint", "ledger/log/checkpoint", "", Which::Any),
    data("slots of a new key store", "vault/keys.slots", ".new", Which::First),
    data("slots", "vault/keys.slots", ".new", Which::Later),
    data("slots that were found", "vault/keys.slots", "slots", Which::First),
    data("slots of a key store that was opened", "vault/keys.slots", "slots", Which::Later),
    names("names of the ledger's folder", "ledger/", "ledger/", Which::Any),
    // Two in a row when a log is opened, either of which would do.
    Sync {
        n_spared: 1,
        ..names("names of the ledger's folder, found", "ledger/", "ledger/", Which::Early)
    },
    names("names of log/", "ledger/log/", "log/", Which::Any),
    names("names of log/tile/", "ledger/log/tile/", "tile/", Which::Any),
    names("names of log/tile/0/", "ledger/log/tile/0/", "/0/", Which::Any),
    names("names of log/tile/entries/", "ledger/log/tile/entries/", "entries/", Which::Any),
    names("names of partial tiles", "ledger/log/tile/0/", ".p/", Which::Any),
    names("names of partial bundles", "ledger/log/tile/entries/", ".p/", Which::Any),
    names("names of the vault", "vault/", "vault/", Which::Any),
];

/// Leaves one sync out until that is noticed.
pub(crate) fn expose(sync: &Sync, seed: u64) -> Lie {
    let target = Target {
        operation: sync.operation,
        starts: sync.starts,
        ends: sync.ends,
        which: sync.which,
    };
    let order = Order { target, deed: Deed::Skip, n_spared: sync.n_spared };
    let mut how = None;
    let mut cases = 0;
    while cases < N_CASES_MAX && how.is_none() {
        how = crashes::case(seed.wrapping_add(cases), Some(order)).err();
        cases += 1;
    }
    Lie { sync: sync.name, caught: how.is_some(), cases, how }
}
