//! The real binary, killed under load: the harness of `tests/clients` does it, and this asks it to.
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HARNESS: &str = "tests/clients/kill.py";
const BINARY: &str = "target/release/bartizan";

/// What the harness tells at the end, as its last line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    pub(crate) kills: u64,
    /// Answers that clients had whole.
    pub(crate) answers: u64,
    pub(crate) restart_ms_max: u64,
    pub(crate) failures: Vec<String>,
}

/// Kills the binary so many times.
///
/// # Errors
/// When there is no Python, no binary, or the harness itself breaks.
pub(crate) fn run(binary: Option<&Path>, n_kills: u64, seed: u64) -> Result<Told> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace is gone")?;
    let binary = binary.map_or_else(|| root.join(BINARY), PathBuf::from);
    if !binary.exists() {
        bail!(
            "{} is not there: build it with `cargo build --release`, or name one with --bin",
            binary.display()
        );
    }
    let mut child = Command::new("python3")
        .arg(root.join(HARNESS))
        .arg("--bin")
        .arg(&binary)
        .args(["--rounds", &n_kills.to_string(), "--seed", &seed.to_string(), "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("python3 could not be started; leave the kills out with --kills 0")?;
    let said = child.stdout.take().context("the harness has no output")?;
    let mut last = String::new();
    for line in BufReader::new(said).lines() {
        last = line?;
        crate::bench::say(&last);
    }
    // Its exit status says what the last line says, too.
    child.wait()?;
    serde_json::from_str(&last).with_context(|| format!("the harness ended with {last:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read() {
        let line = r#"{"kills": 5, "answers": 70, "restart_ms_max": 90, "failures": ["a"]}"#;
        let told: Told = serde_json::from_str(line).unwrap();
        assert_eq!((told.kills, told.failures.len()), (5, 1));
        for line in ["", "5 passed, 0 failed", "{}", "{\"kills\": -1}"] {
            assert!(serde_json::from_str::<Told>(line).is_err(), "{line}");
        }
        assert!(run(Some(Path::new("absent")), 1, 1).unwrap_err().to_string().contains("--bin"));
    }
}
