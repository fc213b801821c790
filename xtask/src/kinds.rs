//! `cargo xtask kinds`: writes the table of kinds into the reference page, from the code.
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

mod page;

/// Writes the page anew.
///
/// # Errors
/// When the page cannot be read or written, or has no marks.
pub(crate) fn run() -> Result<ExitCode> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/kinds.md");
    let old = fs::read_to_string(&path)?;
    let new = page::filled(&old).context("the page has no marks for the table")?;
    fs::write(path, new)?;
    crate::bench::say(&format!("{} kinds", page::rows().len()));
    Ok(ExitCode::SUCCESS)
}
