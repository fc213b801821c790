//! What recovery is about to overwrite with zeros, kept: an unfinished write says nothing, but damage may look like one, and then these bytes
//! are all that is left of a record that was acknowledged. So is what an operator has cut off ([`crate::cut_tail`]).
//!
//! A copy stands in a file of its own in the folder `torn/`, durable before the first zero is written. Nobody reads it but people. What it holds
//! is what the journal held: leaves, and payloads that are sealed.
use crate::format::segment_name;
use crate::walk::{Piece, Rest};
use bartizan_core::disk::Disk;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The folder of the copies, inside the folder of the ledger.
pub const TORN_FOLDER: &str = "torn";
/// Most copies that are kept; the oldest makes room.
pub const TORN_FILES_MAX: usize = 16;
/// Most bytes of a copy; of a longer piece the beginning is kept.
pub const TORN_BYTES_MAX: u64 = 16 << 20;
/// How the name of a copy begins that an operator had cut off.
const CUT: &str = "cut-";
/// How it ends for as long as the log has no record of that.
const UNRECORDED: &str = ".unrecorded";
/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Where the bytes that recovery cut off were kept: its `Display` is the file, seen from the folder of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornCopy {
    /// When the log was opened, or a little later where there was such a copy already.
    pub unix_ms: u64,
    /// Number of the segment file that they stood in.
    pub segment: u64,
    /// Byte in that file.
    pub offset: u64,
    /// Bytes that were kept.
    pub bytes: u64,
    /// Among the bytes that were cut off is a valid commit mark: the group was written to its end. A power cut can leave that; after a mere
    /// kill it means damage, and what the group held may have been acknowledged.
    pub is_marked: bool,
}

impl fmt::Display for TornCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TORN_FOLDER}/{}", name(self.unix_ms, self.segment, self.offset))
    }
}

/// Times have as many digits, so that names sort by age.
fn name(unix_ms: u64, segment: u64, offset: u64) -> String {
    format!("{unix_ms:020}-{segment:08}-{offset:08}")
}

/// Whether a name is one of ours.
fn is_copy(name: &str) -> bool {
    let mut parts = name.splitn(3, '-');
    let mut is_number = |n_digits| {
        let part = parts.next().unwrap_or_default();
        n_digits <= part.len() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_number(20) && is_number(8) && is_number(8)
}

/// Copies what stands behind the last group; says where the first piece went, if there is any. The copies are durable once the names in `disk`
/// are: the caller sees to that.
pub(crate) fn keep(disk: &dyn Disk, rest: &Rest, unix_ms: u64) -> io::Result<Option<TornCopy>> {
    let Some(&Piece { segment, offset, n_bytes }) = rest.pieces.first() else { return Ok(None) };
    let folder = disk.folder(TORN_FOLDER, true)?;
    let pieces = rest.pieces.get(..TORN_FILES_MAX).unwrap_or(&rest.pieces);
    let unix_ms = free(&*folder, pieces, unix_ms, name)?;
    for piece in pieces {
        let name = name(unix_ms, piece.segment, piece.offset);
        copy(disk, piece, piece.n_bytes.min(TORN_BYTES_MAX), &*folder, &name)?;
    }
    let names = folder.list()?;
    let mut copies: Vec<_> = names.iter().filter(|name| is_copy(name)).collect();
    let n_old = copies.len().saturating_sub(TORN_FILES_MAX);
    copies.drain(..n_old).try_for_each(|name| folder.remove(name))?;
    folder.sync_dir()?;
    let (bytes, is_marked) = (n_bytes.min(TORN_BYTES_MAX), rest.is_marked);
    Ok(Some(TornCopy { unix_ms, segment, offset, bytes, is_marked }))
}

/// Copies pieces as they are, however long, durably. They make no room for others, and are [`unrecorded`].
pub(crate) fn keep_whole(disk: &dyn Disk, pieces: &[Piece], unix_ms: u64) -> io::Result<()> {
    let folder = disk.folder(TORN_FOLDER, true)?;
    let unix_ms = free(&*folder, pieces, unix_ms, cut_name)?;
    for piece in pieces {
        let name = cut_name(unix_ms, piece.segment, piece.offset);
        copy(disk, piece, piece.n_bytes, &*folder, &format!("{name}{UNRECORDED}"))?;
    }
    folder.sync_dir()?;
    disk.sync_dir()
}

fn cut_name(unix_ms: u64, segment: u64, offset: u64) -> String {
    format!("{CUT}{}", name(unix_ms, segment, offset))
}

/// Copies of what was cut off of which the log has no record yet: where they will be, seen from the folder of the ledger, and their bytes.
pub(crate) fn unrecorded(disk: &dyn Disk) -> io::Result<Vec<(String, u64)>> {
    let Some(folder) = find(disk)? else { return Ok(Vec::new()) };
    let sized = |name: &String| {
        let n_bytes = folder.open(&format!("{name}{UNRECORDED}"), false)?.len()?;
        Ok((format!("{TORN_FOLDER}/{name}"), n_bytes))
    };
    list_unrecorded(&*folder)?.iter().map(sized).collect()
}

/// Gives them the names that they keep.
pub(crate) fn recorded(disk: &dyn Disk) -> io::Result<()> {
    let Some(folder) = find(disk)? else { return Ok(()) };
    for name in list_unrecorded(&*folder)? {
        folder.rename(&format!("{name}{UNRECORDED}"), &name)?;
    }
    folder.sync_dir()
}

fn find(disk: &dyn Disk) -> io::Result<Option<Arc<dyn Disk>>> {
    match disk.folder(TORN_FOLDER, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        folder => folder.map(Some),
    }
}

/// The names to come.
fn list_unrecorded(folder: &dyn Disk) -> io::Result<Vec<String>> {
    let coming = |name: String| {
        let name = name.strip_suffix(UNRECORDED)?;
        name.strip_prefix(CUT).is_some_and(is_copy).then(|| name.to_owned())
    };
    Ok(folder.list()?.into_iter().filter_map(coming).collect())
}

/// The first time from this one on under which no copy stands yet: an earlier one is never written over, whatever the clock says.
fn free(
    folder: &dyn Disk,
    pieces: &[Piece],
    unix_ms: u64,
    name: impl Fn(u64, u64, u64) -> String,
) -> io::Result<u64> {
    let taken = folder.list()?;
    let is_free = |ms: &u64| {
        let names = pieces.iter().map(|piece| name(*ms, piece.segment, piece.offset));
        names.into_iter().all(|name| taken.iter().all(|taken| !taken.starts_with(&name)))
    };
    // Of so many one is free.
    Ok((unix_ms..).take(taken.len() + 1).find(is_free).unwrap_or(unix_ms))
}

fn copy(disk: &dyn Disk, piece: &Piece, end: u64, folder: &dyn Disk, name: &str) -> io::Result<()> {
    let from = disk.open(&segment_name(piece.segment), false)?;
    let mut to = folder.open(name, true)?;
    to.set_len(0)?;
    let mut bytes = vec![0; CHUNK_BYTES];
    let mut done = 0;
    while done < end {
        let n_want = usize::try_from(end - done).unwrap_or(usize::MAX).min(bytes.len());
        let place = bytes.get_mut(..n_want).unwrap_or_default();
        let n_read = from.read_at(place, piece.offset + done)?;
        if n_read == 0 {
            break;
        }
        to.write_at(bytes.get(..n_read).unwrap_or_default(), done)?;
        done += n_read as u64;
    }
    to.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::SimDisk;

    fn keep_one(disk: &SimDisk, n_bytes: u64, unix_ms: u64) -> TornCopy {
        let pieces = vec![Piece { segment: 0, offset: 4096, n_bytes }];
        keep(disk, &Rest { pieces, is_marked: true }, unix_ms).unwrap().unwrap()
    }

    #[test]
    fn copies_are_bounded_and_the_newest_stay() {
        let disk = SimDisk::new(1);
        let bytes = usize::try_from(TORN_BYTES_MAX).unwrap() + 9000;
        disk.edit(&segment_name(0), |content| *content = vec![7; bytes]);
        let long = keep_one(&disk, TORN_BYTES_MAX + 4904, 5);
        assert_eq!(long.bytes, TORN_BYTES_MAX);
        assert_eq!(disk.content(&long.to_string()).unwrap().len() as u64, TORN_BYTES_MAX);
        disk.edit("torn/notes.txt", |content| *content = b"an operator's".to_vec());
        for at in 0..TORN_FILES_MAX as u64 {
            // A shorter number is an earlier time.
            let copy = keep_one(&disk, 10, 1 << (2 * at + 3));
            assert_eq!(disk.content(&copy.to_string()).unwrap(), [7; 10]);
        }
        let folder = disk.folder(TORN_FOLDER, false).unwrap();
        assert_eq!(folder.list().unwrap().len(), TORN_FILES_MAX + 1, "and the notes");
        assert_eq!(disk.content(&long.to_string()), None, "the oldest made room");
        assert!(disk.content("torn/notes.txt").is_some());
    }

    #[test]
    fn nothing_makes_no_copy() {
        let disk = SimDisk::new(1);
        assert_eq!(keep(&disk, &Rest::default(), 1).unwrap(), None);
        assert!(disk.folder(TORN_FOLDER, false).is_err());
        for other in ["", "notes.txt", "1-2-3", "00000000000000000005-00000000-x", "a-b-c"] {
            assert!(!is_copy(other), "{other}");
        }
        assert!(is_copy(&name(5, 0, 4096)) && is_copy(&name(u64::MAX, 123_456_789, 1 << 40)));
    }
}
