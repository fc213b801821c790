//! The gateway over real loopback sockets: a raw client on one side, a scripted upstream on the other, records in memory.
//!
//! What must hold in every test without saying so is checked by `World::finish`: each INTENT has exactly one OUTCOME, and nothing is
//! left open.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "the whole crate is a test: what cannot be had fails it"
)]
mod audit;
mod bounds;
mod client;
mod control;
mod door;
mod keys;
mod life;
mod people;
mod pseudonym;
mod stream;
mod tls;
mod upstream;
mod world;
