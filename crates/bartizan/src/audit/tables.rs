//! The tables over the log of a state folder, followed up to its end before they are asked. In a copy of a ledger they are made anew each time.
use super::bar::Bar;
use super::signed::{NOBODY_SIGNED, Signatures};
use super::{open, read_folder};
use crate::outcome::Usage;
use crate::{owner, print};
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
    let signed = signed(state, &reader)?;
    let bar = bar(&reader);
    let follow = |index: Index| -> Result<(Index, Followed), IndexError> {
        let mut index = index.with_signed(signed);
        let followed = index.follow(&reader, &mut |leaves| bar.set(leaves))?;
        Ok((index, followed))
    };
    let kept = if super::is_copy(state) { in_passing(state) } else { tables(state) };
    let followed = match kept.and_then(follow) {
        Err(error) if cannot_be_kept(&error) => {
            print::talk(&format!("the index is made in memory, this time only: {error}"));
            Index::in_memory(&words()).and_then(follow)
        }
        followed => followed,
    };
    let (index, followed) = followed?;
    if followed.rebuilt {
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
    if super::is_copy(state) {
        let message = "there is no vault here, so this is a copy of a ledger: its index is made anew for each question, and there is none to rebuild";
        return Err(Usage(message.to_owned()).into());
    }
    let path = read_folder(state).join(INDEX_NAME);
    owner::make_for_owner(&path, owner::user())
        .with_context(|| format!("cannot make {}", path.display()))?;
    let mut index = Index::open(&path, &words())?.with_signed(signed(state, &reader)?);
    let bar = bar(&reader);
    Ok(index.rebuild(&reader, &mut |leaves| bar.set(leaves))?)
}

/// Leaves that a signature stands for. Who asks the tables is told where none does.
fn signed(state: &Path, reader: &Reader) -> anyhow::Result<u64> {
    let signed = Signatures::of(state).leaves(reader)?;
    if signed.is_none() {
        print::warn(NOBODY_SIGNED);
    }
    Ok(signed.unwrap_or(0))
}

/// What the bits of a verdict are called. A gap would shift the words, so it has a name too.
fn words() -> Vec<&'static str> {
    let n = verdict_words(u64::MAX).count();
    (0..n).map(|bit| verdict_words(1 << bit).next().unwrap_or("unnamed")).collect()
}

/// The file in the log's folder.
fn tables(state: &Path) -> Result<Index, IndexError> {
    let path = read_folder(state).join(INDEX_NAME);
    // An index that only root can write would be of no use to those who ask as the gateway's user.
    owner::make_for_owner(&path, owner::user()).unwrap_or_default();
    Index::open(&path, &words())
}

/// Tables of a copy: whoever made the copy could have changed any row of those that lie in it, and nothing of them is signed.
fn in_passing(state: &Path) -> Result<Index, IndexError> {
    if read_folder(state).join(INDEX_NAME).exists() {
        print::talk(
            "this is a copy of a ledger, and its index.sqlite is not believed: the tables are made anew from the leaves, this time only",
        );
    }
    Index::in_passing(&words())
}

/// Whether tables in memory have to do: the folder cannot be written, or the disk is full.
fn cannot_be_kept(error: &IndexError) -> bool {
    let kinds = [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied];
    let is_read_only = match error {
        // Without a number of the system it is our own refusal of a file that others can read.
        IndexError::File { source, .. } => {
            source.raw_os_error().is_some() && kinds.contains(&source.kind())
        }
        _ => false,
    };
    is_read_only || error.lacks_room()
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
