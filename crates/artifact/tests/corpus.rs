//! Pickles that attackers and scanners' authors wrote, where they are at hand: what each is expected to be is known.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests read files that the crate itself is handed"
)]
use bartizan_artifact::pickle::{End, Limits, Machine};
use std::io::Read as _;
use std::path::Path;

/// No file of the corpus is larger.
const FILE_BYTES_MAX: usize = 1 << 20;

/// How many names the streams of a file would import, one stream after the other.
fn n_globals(bytes: &[u8]) -> usize {
    let (mut rest, mut n_globals) = (bytes, 0);
    while !rest.is_empty() {
        let mut machine = Machine::new(Limits::default());
        let n_bytes = machine.push(rest);
        let trace = machine.finish();
        n_globals += trace.globals().count();
        if trace.end().0 != End::Stop {
            break;
        }
        rest = rest.get(n_bytes..).unwrap_or_default();
    }
    n_globals
}

#[test]
fn attacks_of_others_import_something() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join("../../../shared/data/artifacts/picklescan");
    // A fresh clone has none of it.
    let Ok(list) = std::fs::read_to_string(folder.join("expected.jsonl")) else { return };
    let mut n_read = 0;
    for line in list.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (file, expected) = (row["file"].as_str().unwrap(), row["expected"].as_str().unwrap());
        let extension = Path::new(file).extension();
        if !extension.is_some_and(|extension| extension == "pkl" || extension == "pickle") {
            continue;
        }
        let mut bytes = vec![0; FILE_BYTES_MAX];
        let n_bytes = std::fs::File::open(folder.join(file)).unwrap().read(&mut bytes).unwrap();
        n_read += 1;
        let n_globals = n_globals(bytes.get(..n_bytes).unwrap_or_default());
        assert!(expected != "malicious" || n_globals > 0, "{file} imports nothing");
    }
    assert!(n_read > 50, "only {n_read} files");
}
