//! The data path: what a caller sends is read, judged and passed on; what the model answers is read, judged and released.
//!
//! * [`exchange`] is the sans-IO heart: bytes in, bytes and records out, no socket and no clock.
//! * [`sse`] cuts an event stream into events.
//! * [`http`] is the shell around it: listeners, identity, the upstream's connections, the control listener.
//! * [`limits`], [`paths`] and [`reply`] are its tables: how much, what exists, what a refused caller reads.
pub mod exchange;
pub mod http;
pub mod limits;
pub mod paths;
pub mod reply;
pub mod sse;
