//! Facts that every other crate agrees on, and no power at all: nothing here opens a file, a socket or a clock.
//!
//! * What was seen: [`kind`], [`span`], [`detect`], [`evidence`].
//! * What is written down: [`record`], [`digest`]; who seals and signs it: [`seal`], [`sign`].
//! * What the outside world looks like to code that may not touch it: [`clock`], [`disk`].
//! * How hostile JSON is read without losing a byte: [`json`].
pub mod clock;
pub mod detect;
pub mod digest;
pub mod disk;
pub mod evidence;
pub mod json;
pub mod kind;
pub mod record;
pub mod seal;
pub mod sign;
pub mod span;
pub mod told;
