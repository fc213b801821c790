//! `cargo xtask train text`: makes the weights of the text model from data and grammars, to the same digest every time.
use crate::bench::{print_text, say};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) mod fold;
mod grammar;
mod learn;
pub(crate) mod made;
mod near;
mod pasted;
mod records;
pub(crate) mod rows;
mod sources;
mod words;

/// What to train.
#[derive(Debug, Subcommand)]
pub(crate) enum Train {
    /// Train the text model and write its weights
    ///
    /// Reads the labelled texts below DIR (those whose licence permits shipping what was trained on them), makes many more from the
    /// grammars in this repository, sets thresholds from what models say of sources that they never saw, and prints the digest.
    Text(TextArgs),
    /// Write more texts to train on, read from public repositories that were checked out at the named commits
    Sources(sources::SourcesArgs),
    /// Write the list of common words by which letters without gaps are cut apart
    Words(WordsArgs),
}

/// Where from and where to.
#[derive(Debug, Args)]
pub(crate) struct TextArgs {
    /// Folder with `train/` and `bipia_train/`
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Folder that `train sources` wrote
    #[arg(long, value_name = "DIR")]
    pub(crate) sources: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Where from and where to.
#[derive(Debug, Args)]
pub(crate) struct WordsArgs {
    /// Folder with `train/` and `bipia_train/`
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Train {
    /// Does it.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let arguments = match self {
            Self::Text(arguments) => arguments,
            Self::Words(arguments) => return words(&arguments),
            Self::Sources(arguments) => {
                arguments.run()?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let library = library(&arguments.data, Some(&arguments.sources))?;
        say(&format!("{} texts", library.rows.len()));
        let said = library.said(made::SEED, true)?;
        let thresholds = fold::thresholds(&library.rows, &said);
        let bytes = fold::with_thresholds(&library.train(made::SEED, |_| true)?, thresholds)?;
        std::fs::write(&arguments.out, &bytes)
            .with_context(|| format!("cannot write {}", arguments.out.display()))?;
        for (head, thresholds) in bartizan_inspect::model::Head::ALL.iter().zip(&thresholds) {
            say(&format!("{head:?}: {thresholds:?}"));
        }
        print_text(&format!("{}\n", digest(&bytes)))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn words(arguments: &WordsArgs) -> Result<ExitCode> {
    let mut rows = rows::read(&arguments.data)?;
    rows.extend(made::rows(&rows)?);
    let list = words::list(&rows);
    std::fs::write(&arguments.out, &list)
        .with_context(|| format!("cannot write {}", arguments.out.display()))?;
    print_text(&format!("{}\n", digest(list.as_bytes())))?;
    Ok(ExitCode::SUCCESS)
}

/// Every text, from files and from grammars; without `sources`, of the data only.
pub(crate) fn library(
    data: &std::path::Path,
    sources: Option<&std::path::Path>,
) -> Result<fold::Library> {
    let mut rows = match sources {
        Some(sources) => rows::read_all(data, sources)?,
        None => rows::read(data)?,
    };
    near::tell(&mut rows);
    rows.extend(records::rows(&rows));
    rows.extend(made::rows(&rows)?);
    rows.extend(pasted::rows(&rows));
    Ok(fold::Library::new(rows))
}

/// SHA-256, as people write it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        text.extend(char::from_digit(u32::from(byte >> 4), 16));
        text.extend(char::from_digit(u32::from(byte & 15), 16));
        text
    })
}
