//! Prints what the pickles in files would import and call, without loading them.
//!
//! `cargo run -p bartizan-artifact --example pickle -- FILE...`
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example that reads files and prints"
)]
use bartizan_artifact::pickle::{End, Limits, Machine};
use std::io::Read as _;

/// Bytes of a file that are looked at.
const FILE_BYTES_MAX: u64 = 64 << 20;

fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        let mut bytes = Vec::new();
        std::fs::File::open(&path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        println!("{}", path.display());
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let mut machine = Machine::new(Limits::default());
            let n_bytes = machine.push(rest);
            let trace = machine.finish();
            for global in trace.globals() {
                println!("  imports {global}");
            }
            for call in trace.calls().take(1000) {
                println!("  {:>8}: {call}", call.at());
            }
            for doubt in trace.doubts() {
                println!("  {:>8}: loaders differ: {}", doubt.at, doubt.kind.title());
            }
            let (end, at) = trace.end();
            println!("  ends at {at}: {end:?}");
            if end != End::Stop {
                break;
            }
            rest = rest.get(n_bytes..).unwrap_or_default();
        }
    }
    Ok(())
}
