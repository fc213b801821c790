//! Counts findings by kind in texts that should have few: how often a rule is wrong, and what a change of one costs.
//!
//! `cargo run --release -p bartizan-inspect --example alarms -- [--show KIND] FILE...`
//!
//! Of a `.jsonl` file each line's `text` is read, of any other file the whole. `--show` prints what was found of one kind, with what stands
//! around it.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement needs arguments, something to read and a place to print to"
)]
use bartizan_core::detect::Inspector;
use bartizan_core::evidence::Source;
use bartizan_core::json::{Doc, JsonLimits, Value};
use bartizan_core::kind::Catalogue;
use bartizan_inspect::{KINDS, TextInspector};
use std::collections::BTreeMap;

/// Bytes that are shown before and after a finding.
const AROUND_BYTES: usize = 40;

/// The texts of a file; what is no UTF-8 is read as far as it is.
fn texts(path: &str) -> Vec<String> {
    let Ok(bytes) = std::fs::read(path) else { return Vec::new() };
    let whole = String::from_utf8_lossy(&bytes).into_owned();
    let extension = std::path::Path::new(path).extension();
    if extension.is_none_or(|extension| extension != "jsonl") {
        return vec![whole];
    }
    let text = |line: &str| {
        let doc = Doc::read(line.as_bytes(), JsonLimits::default()).ok()?;
        let text = doc.root().get("text").and_then(Value::text)?;
        String::from_utf8(text.into_owned()).ok()
    };
    whole.lines().filter_map(text).collect()
}

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let shown = arguments.iter().position(|argument| argument == "--show");
    let shown = shown.map(|at| arguments.drain(at..(at + 2).min(arguments.len())).next_back());
    let shown = shown.flatten();
    let names: BTreeMap<_, _> = Catalogue::new(&KINDS).iter().collect();
    let inspector = TextInspector::new();
    let (mut counts, mut n_bytes) = (BTreeMap::<&str, usize>::new(), 0_usize);
    for path in &arguments {
        for text in texts(path) {
            n_bytes += text.len();
            inspector.scan(Source::Model, text.as_bytes(), &mut |finding| {
                let name = names.get(&finding.kind).map_or("", |info| info.name);
                *counts.entry(name).or_default() += 1;
                if shown.as_deref() == Some(name) {
                    let at = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
                    let (start, end) = (at(finding.span.start), at(finding.span.end));
                    let from = text.floor_char_boundary(start.saturating_sub(AROUND_BYTES));
                    let to = text.ceil_char_boundary((end + AROUND_BYTES).min(text.len()));
                    let piece = |from, to| text.get(from..to).unwrap_or_default();
                    let around = [piece(from, start), piece(start, end), piece(end, to)];
                    println!("{path} {} {around:?}", finding.detector);
                }
            });
        }
    }
    let megabytes = f64::from(u32::try_from(n_bytes).unwrap_or(u32::MAX)) / 1e6;
    println!("{megabytes:.1} MB");
    for (name, n) in counts {
        let n_findings = u32::try_from(n).unwrap_or(u32::MAX);
        println!("{name:<32} {n:>7} {:>9.2} a MB", f64::from(n_findings) / megabytes);
    }
}
