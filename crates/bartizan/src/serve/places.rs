//! Notices that files that are written lost their names: a ledger that is deleted or moved away under a running gateway would take records on for ever,
//! into files that nobody can find.
//!
//! It looks at names only. What is changed inside of a file is for `audit verify`.
use bartizan_keys::SLOTS_FILE;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Segments that are looked at, the newest: who deletes older ones alone is found by whoever reads.
const WATCHED_SEGMENTS_MAX: usize = 16;

/// Device and number of a file: what its name stood for.
type Identity = (u64, u64);

/// Names, and what they stood for when they were seen first.
pub(super) struct Places {
    ledger: PathBuf,
    fixed: Vec<(PathBuf, Identity)>,
    segments: Vec<(PathBuf, Identity)>,
    /// The number of the segment that comes next.
    next: u64,
}

fn segment_name(number: u64) -> String {
    format!("segment-{number:08}.log")
}

fn is_segment(name: &str) -> bool {
    let number = name.strip_prefix("segment-").and_then(|rest| rest.strip_suffix(".log"));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn identity(path: &Path) -> io::Result<Identity> {
    path.metadata().map(|found| (found.dev(), found.ino()))
}

impl Places {
    /// What there is now: the ledger's folder, its lock, its newest segments, and the key store.
    ///
    /// * `ledger`, `vault`: their folders, open for writing.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn of(ledger: &Path, vault: &Path) -> io::Result<Self> {
        let fixed = [ledger.to_owned(), ledger.join("lock"), vault.join(SLOTS_FILE)];
        let fixed = fixed.into_iter().map(|path| identity(&path).map(|found| (path, found)));
        let fixed = fixed.collect::<io::Result<Vec<_>>>()?;
        let (mut n_segments, ledger) = (0_u64, ledger.to_owned());
        for entry in ledger.read_dir()? {
            n_segments += u64::from(entry?.file_name().to_str().is_some_and(is_segment));
        }
        let next = n_segments.saturating_sub(WATCHED_SEGMENTS_MAX as u64);
        let mut places = Self { ledger, fixed, segments: Vec::new(), next };
        places.look_for_segments();
        Ok(places)
    }

    /// The first name that stands for nothing any more, or for another file.
    pub(super) fn lost(&mut self) -> Option<PathBuf> {
        let mut all = self.fixed.iter().chain(&self.segments);
        // A disk that cannot be asked is for whoever writes to it to tell.
        let is_lost = |(path, known): &&(PathBuf, Identity)| match identity(path) {
            Ok(found) => found != *known,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let lost = all.find(is_lost).map(|(path, _)| path.clone());
        if lost.is_none() {
            self.look_for_segments();
        }
        lost
    }

    /// Those that came since: each has the number behind the last one's.
    fn look_for_segments(&mut self) {
        for _ in 0..WATCHED_SEGMENTS_MAX {
            let path = self.ledger.join(segment_name(self.next));
            let Ok(found) = identity(&path) else { break };
            self.segments.push((path, found));
            self.next += 1;
        }
        let n_over = self.segments.len().saturating_sub(WATCHED_SEGMENTS_MAX);
        self.segments.drain(..n_over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_name_that_stands_for_nothing_or_another_file_is_lost() {
        type Harm<'a> = &'a dyn Fn(&Path);
        let old = "ledger/segment-00000000.log";
        let cases: [(&str, Harm<'_>, Option<&str>); 9] = [
            ("nothing", &|_| {}, None),
            ("more in it", &|at| fs::write(at.join(old), "more").unwrap(), None),
            ("another file beside it", &|at| fs::write(at.join("ledger/x"), "").unwrap(), None),
            ("no segment", &|at| fs::remove_file(at.join(old)).unwrap(), Some(old)),
            (
                "a new segment is away",
                &|at| fs::remove_file(at.join("ledger/segment-00000001.log")).unwrap(),
                Some("ledger/segment-00000001.log"),
            ),
            (
                "no keys",
                &|at| fs::remove_file(at.join("vault/keys.slots")).unwrap(),
                Some("vault/keys.slots"),
            ),
            (
                "moved away",
                &|at| fs::rename(at.join("ledger"), at.join("away")).unwrap(),
                Some("ledger"),
            ),
            (
                "no lock",
                &|at| fs::remove_file(at.join("ledger/lock")).unwrap(),
                Some("ledger/lock"),
            ),
            (
                "another file",
                &|at| {
                    fs::copy(at.join(old), at.join("copy")).unwrap();
                    fs::rename(at.join("copy"), at.join(old)).unwrap();
                },
                Some(old),
            ),
        ];
        for (name, harm, want) in cases {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path();
            fs::create_dir(at.join("ledger")).unwrap();
            fs::create_dir(at.join("vault")).unwrap();
            for file in [old, "ledger/lock", "vault/keys.slots"] {
                fs::write(at.join(file), "some").unwrap();
            }
            let mut places = Places::of(&at.join("ledger"), &at.join("vault")).unwrap();
            fs::write(at.join("ledger/segment-00000001.log"), "new").unwrap();
            assert_eq!(places.lost(), None, "{name}");
            harm(at);
            assert_eq!(places.lost(), want.map(|want| at.join(want)), "{name}");
        }
    }

    #[test]
    fn no_more_than_the_newest_segments_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let segment = |n: usize| at.join(format!("segment-{n:08}.log"));
        for path in [at.join("lock"), at.join(SLOTS_FILE), segment(0)] {
            fs::write(path, "").unwrap();
        }
        let mut places = Places::of(at, at).unwrap();
        for n in 1..=WATCHED_SEGMENTS_MAX {
            fs::write(segment(n), "").unwrap();
            assert_eq!(places.lost(), None);
        }
        assert_eq!(places.segments.len(), WATCHED_SEGMENTS_MAX);
        fs::remove_file(segment(0)).unwrap();
        assert_eq!(places.lost(), None);
        fs::remove_file(segment(1)).unwrap();
        assert_eq!(places.lost(), Some(segment(1)));
    }
}
