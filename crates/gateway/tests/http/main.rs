//! The gateway over real loopback sockets: a raw client on one side, a scripted upstream on the other, records in memory.
//!
//! What must hold in every test without saying so is checked by `World::finish`: each INTENT has exactly one OUTCOME, and nothing is
//! left open.
mod client;
mod control;
mod door;
mod life;
mod people;
mod stream;
mod tls;
mod upstream;
mod world;
