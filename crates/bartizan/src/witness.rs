//! Witnesses: who they are, what they are asked, and what their answers are worth. A witness cosigns a log's checkpoint only if the log has
//! grown from the one that it cosigned before, so that two histories of one log cannot both be believed.
//!
//! `bartizan witness` is one ([`server`]); `bartizan serve` asks some ([`ask`], [`gathering`]); `bartizan audit verify` reads what
//! they said ([`verdict`]). The formats and the decision itself live in `bartizan_ledger::tlog`.
pub(crate) mod ask;
pub(crate) mod gathering;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod server;
pub(crate) mod verdict;
