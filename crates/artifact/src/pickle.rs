//! What a pickle would do, found out without doing it.
//!
//! [`Machine`] follows every opcode of protocols 0 to 5 as `CPython`'s C unpickler does: stack, marks, memo, frames, extensions, persistent ids. Where that one
//! would import something it notes the name ([`Global`]); where it would call something it notes the call ([`Call`]): REDUCE, OBJ, INST, NEWOBJ, BUILD,
//! and the methods that APPEND, SETITEM and their like call on what is no list and no dictionary.
//!
//! **Whatever some loader does is followed.** Where `CPython`'s two unpicklers, or a loader that was told to be lenient, go on and another one
//! stops, the machine goes on, and notes the difference ([`Doubt`]). It stops only where every one of them must: then what ran before has run, so a
//! stream that ends in an error still says what it called.
//!
//! It does not know what a call returns, and so not what is called on that: such calls name the call that their callee comes from.
//!
//! ```
//! # use bartizan_artifact::pickle::{Limits, Machine};
//! let mut machine = Machine::new(Limits::default());
//! machine.push(b"cos\nsystem\n(S'echo hello'\ntR.");
//! let trace = machine.finish();
//! assert_eq!(trace.calls().next().unwrap().to_string(), "os.system('echo hello')");
//! ```
//!
//! Source: `CPython`'s `Modules/_pickle.c`, `Lib/pickle.py` and `Lib/pickletools.py`.
mod machine;
mod opcode;
mod read;
mod trace;
mod value;

pub use machine::{Machine, State};
pub use opcode::Opcode;
pub use trace::{Call, Calls, Doubt, DoubtKind, End, Global, Globals, How, Problem, Trace};

/// Bounds of one stream. Whoever meets one has not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_field_names,
    reason = "each is a bound, and its name says so where it is met"
)]
pub struct Limits {
    /// Values that are kept: containers, names, calls, and items of theirs.
    pub values_max: usize,
    /// Bytes of the texts that are kept.
    pub text_bytes_max: usize,
    /// Values on the stack, marks among them.
    pub stack_max: usize,
    /// Entries of the memo.
    pub memo_max: usize,
    /// Calls, and names, that are told one by one.
    pub calls_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            values_max: 8 << 20,
            text_bytes_max: 64 << 20,
            stack_max: 1 << 20,
            memo_max: 8 << 20,
            calls_max: 1 << 17,
        }
    }
}

#[cfg(test)]
mod tests;
