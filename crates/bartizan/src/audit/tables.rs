//! The tables over the log of a state folder, followed up to its end before they are asked.
use super::bar::Bar;
use super::{log_folder, open};
use crate::print;
use anyhow::Context as _;
use bartizan_gateway::exchange::verdict_words;
use bartizan_ledger::Reader;
use bartizan_ledger::index::{Followed, INDEX_NAME, Index, IndexError, Questions};
use std::io::ErrorKind;
use std::path::Path;

/// The tables, ready to be asked.
///
/// # Errors
/// When there is no log, it is damaged, or the tables cannot be made.
pub(crate) fn questions(state: &Path) -> anyhow::Result<Questions> {
    let reader = open(state)?;
    let mut index = tables(state)?;
    let bar = bar(&reader);
    let followed = index.follow(&reader, &mut |leaves| bar.set(leaves));
    drop(bar);
    if followed?.rebuilt {
        print::warn("the index was not that of this log, and was made anew");
    }
    Ok(index.questions()?)
}

/// Makes the tables from nothing.
///
/// # Errors
/// Those of [`questions`].
pub(crate) fn rebuild(state: &Path) -> anyhow::Result<Followed> {
    let reader = open(state)?;
    let path = log_folder(state).join(INDEX_NAME);
    let mut index = Index::open(&path, &words())?;
    let bar = bar(&reader);
    Ok(index.rebuild(&reader, &mut |leaves| bar.set(leaves))?)
}

/// What the bits of a verdict are called. A gap would shift the words, so it has a name too.
fn words() -> Vec<&'static str> {
    let n = verdict_words(u64::MAX).count();
    (0..n).map(|bit| verdict_words(1 << bit).next().unwrap_or("unnamed")).collect()
}

/// The file in the log's folder; a copy that cannot be written gets tables in memory.
fn tables(state: &Path) -> anyhow::Result<Index> {
    match Index::open(&log_folder(state).join(INDEX_NAME), &words()) {
        Err(IndexError::File { source, .. })
            if source.raw_os_error().is_some()
                && [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied]
                    .contains(&source.kind()) =>
        {
            let index = Index::in_memory(&words()).context("cannot make tables in memory")?;
            print::talk(
                "the folder cannot be written: the index is made in memory, this time only",
            );
            Ok(index)
        }
        opened => Ok(opened?),
    }
}

fn bar(reader: &Reader) -> Bar {
    let checkpoint = reader.checkpoint().ok().flatten();
    Bar::new("reading the log", checkpoint.map(|signed| signed.checkpoint().size()))
}

/// The bit that a word of a verdict stands for.
pub(crate) fn bit_of(word: &str) -> Option<u64> {
    words().iter().position(|known| *known == word).map(|bit| 1 << bit)
}

/// All words of a verdict.
pub(crate) fn all_words() -> String {
    words().join(", ")
}
