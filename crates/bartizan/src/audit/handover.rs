//! Notes beside the log by which its old key hands over to the next one, so that an auditor who has the old key can follow.
//!
//! A note says which key signs from now on, and where the log had its record of that; both keys have signed it. It proves that the old
//! key agreed. Whoever stole that key could write one, too: that is why a new key is better had from elsewhere.
use super::log_folder;
use crate::files;
use anyhow::{Context as _, bail};
use bartizan_core::digest::Digest;
use bartizan_core::record::{Receipt, RecordKind};
use bartizan_core::sign::Signer;
use bartizan_ledger::tlog::{Note, SignedCheckpoint, VerifierKey};
use bartizan_ledger::{Published, Reader};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What the name of a note begins with, and how it ends; between is the id of the new key.
const BEGIN: &str = "handover-";
const END: &str = ".note";
/// Most notes of a log that are looked at: as many keys as its list of public keys has room for.
const NOTES_MAX: usize = crate::vault::VERIFIERS_MAX;
/// Most bytes of a note.
const NOTE_BYTES_MAX: usize = 4096;
/// The note's first line. No checkpoint begins like that: a log's name has no blank.
const TITLE: &str = "bartizan key handover v1";

/// One key hands over to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handover {
    /// The key that signed until then.
    pub(crate) old: VerifierKey,
    /// The key that signs from then on.
    pub(crate) new: VerifierKey,
    /// Index of the log's record of it.
    pub(crate) event: u64,
    /// The hash of that leaf.
    pub(crate) leaf_hash: Digest,
    /// Leaves of the last checkpoint of the old key.
    pub(crate) size: u64,
    /// Its root.
    pub(crate) root: Digest,
}

/// For programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    old: String,
    new: String,
    event: u64,
    checkpoint: u64,
}

impl Handover {
    /// What the old key says when it closes the log.
    pub(crate) fn new(
        old: &dyn Signer,
        new: &dyn Signer,
        event: Receipt,
        last: &SignedCheckpoint,
    ) -> anyhow::Result<Self> {
        let (size, root) = (last.checkpoint().size(), last.checkpoint().root());
        if size <= event.index {
            bail!("the last checkpoint of the old key does not have the record of its rotation");
        }
        let (old, new) = (VerifierKey::of_log(old)?, VerifierKey::of_log(new)?);
        let Receipt { index: event, leaf_hash } = event;
        Ok(Self { old, new, event, leaf_hash, size, root })
    }

    fn text(&self) -> String {
        let Self { old, new, event, leaf_hash, size, root } = self;
        format!("{TITLE}\nold {old}\nnew {new}\nevent {event} {leaf_hash}\nlog {size} {root}\n")
    }

    /// Reads a note that both of its keys have signed; nothing for anything else.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let note = Note::parse(bytes).ok()?;
        let mut lines = note.text().lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let [_, old, new, event, log] =
            [field("bartizan"), field("old"), field("new"), field("event"), field("log")];
        let (event, leaf_hash) = event?.split_once(' ')?;
        let (size, root) = log?.split_once(' ')?;
        let found = Self {
            old: old?.parse().ok()?,
            new: new?.parse().ok()?,
            event: event.parse().ok()?,
            leaf_hash: leaf_hash.parse().ok()?,
            size: size.parse().ok()?,
            root: root.parse().ok()?,
        };
        let keys = [found.old.clone(), found.new.clone()];
        let is_signed = keys.iter().all(|key| note.verify(std::slice::from_ref(key)).is_ok());
        // One text for one handover: what reads the same and is written otherwise is none.
        (is_signed && note.text() == found.text() && found.event < found.size).then_some(found)
    }

    /// Writes the note, signed by both, into a ledger's folder.
    ///
    /// # Errors
    /// Those of the keys and of the disk.
    pub(crate) fn write(
        &self,
        ledger: &Path,
        old: &dyn Signer,
        new: &dyn Signer,
    ) -> anyhow::Result<()> {
        let mut note = Note::unsigned(self.text())?;
        note.sign(old)?;
        note.sign(new)?;
        let path = ledger.join(format!("{BEGIN}{:08x}{END}", self.new.id()));
        files::replace(&path, note.to_string().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// For programs.
    pub(crate) fn told(&self) -> Told {
        let (old, new) = (self.old.to_string(), self.new.to_string());
        Told { old, new, event: self.event, checkpoint: self.size }
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let Self { old, new, event, .. } = self;
        format!("handed over: {old} named {new} as the next key, in leaf {event}")
    }

    /// Whether the log says so, too: it has that record in that place, and had that root.
    fn is_in(&self, reader: &Reader, published: &Published, now: &SignedCheckpoint) -> bool {
        let entry = reader.since(self.event).ok().and_then(|mut entries| entries.next());
        let is_recorded = entry.and_then(Result::ok).is_some_and(|entry| {
            (entry.index, entry.leaf_hash) == (self.event, self.leaf_hash)
                && entry.leaf.kind == RecordKind::KeyEvent
        });
        is_recorded && published.root_at(self.size, now).is_ok_and(|root| root == self.root)
    }
}

/// The handovers that lie beside a log and that the log bears out.
pub(crate) fn all(state: &Path) -> Vec<Handover> {
    let folder = log_folder(state);
    let mut found: Vec<Handover> = paths(&folder)
        .iter()
        .filter_map(|path| files::read_bounded(path, NOTE_BYTES_MAX).ok())
        .filter_map(|bytes| Handover::parse(&bytes))
        .collect();
    if found.is_empty() {
        return found;
    }
    let Ok(reader) = super::reader(state) else { return Vec::new() };
    let Ok(Some(published)) = Published::find(&bartizan_ledger::FsDisk::read_only(&folder)) else {
        return Vec::new();
    };
    let Ok(Some(now)) = published.checkpoint() else { return Vec::new() };
    found.retain(|handover| handover.is_in(&reader, &published, &now));
    found.sort_by_key(|handover| handover.size);
    found
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_note = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(BEGIN) && name.ends_with(END)
    };
    let notes = entries.flatten().filter(is_note).take(NOTES_MAX);
    notes.map(|entry| entry.path()).collect()
}

/// The handovers that lead on from these keys, in order.
pub(crate) fn onwards<'h>(keys: &[VerifierKey], all: &'h [Handover]) -> Vec<&'h Handover> {
    let mut known = keys.to_vec();
    let mut path: Vec<&Handover> = Vec::new();
    loop {
        let next = all.iter().find(|handover| {
            known.contains(&handover.old) && !path.iter().any(|seen| seen == handover)
        });
        let Some(next) = next else { return path };
        known.push(next.new.clone());
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::clock::Entropy as _;
    use bartizan_keys::NoteKey;

    fn key() -> NoteKey {
        let mut digits = [0; 4];
        crate::clock::OsEntropy.fill(&mut digits);
        NoteKey::generate("log.example/1", &crate::clock::OsEntropy).unwrap()
    }

    fn handover(old: &NoteKey, new: &NoteKey) -> Handover {
        Handover {
            old: VerifierKey::of_log(old).unwrap(),
            new: VerifierKey::of_log(new).unwrap(),
            event: 7,
            leaf_hash: Digest([1; 32]),
            size: 8,
            root: Digest([2; 32]),
        }
    }

    fn note(handover: &Handover, signers: &[&NoteKey]) -> String {
        let mut note = Note::unsigned(handover.text()).unwrap();
        for signer in signers {
            note.sign(*signer).unwrap();
        }
        note.to_string()
    }

    #[test]
    fn only_what_both_keys_have_signed_is_a_handover() {
        let (old, new, other) = (key(), key(), key());
        let real = handover(&old, &new);
        let whole = note(&real, &[&old, &new]);
        let early = Handover { event: 8, ..real.clone() };
        for (name, text, want) in [
            ("both", whole.clone(), Some(real.clone())),
            ("and a stranger", note(&real, &[&other, &old, &new]), Some(real.clone())),
            ("the new one alone", note(&real, &[&new]), None),
            ("the old one alone", note(&real, &[&old]), None),
            ("a stranger for the old one", note(&real, &[&other, &new]), None),
            ("another leaf", whole.replace("event 7", "event 6"), None),
            ("another title", whole.replace("handover v1", "handover v2"), None),
            ("an event behind the checkpoint", note(&early, &[&old, &new]), None),
            ("a sign before a number", whole.replace("event 7", "event +7"), None),
            ("cut", whole.chars().take(80).collect(), None),
            ("empty", String::new(), None),
        ] {
            assert_eq!(Handover::parse(text.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn keys_are_followed_forwards_and_never_back() {
        let keys: Vec<NoteKey> = (0..4).map(|_| key()).collect();
        let public = |at: usize| VerifierKey::of_log(&keys[at]).unwrap();
        let all = [
            handover(&keys[1], &keys[2]),
            handover(&keys[0], &keys[1]),
            handover(&keys[2], &keys[0]),
        ];
        for (name, from, want) in [
            ("from the first, in a circle", vec![public(0)], vec![1, 0, 2]),
            ("from the second", vec![public(1)], vec![0, 2, 1]),
            ("from a stranger", vec![public(3)], vec![]),
            ("from nobody", vec![], vec![]),
        ] {
            let found = onwards(&from, &all);
            let want: Vec<_> = want.iter().map(|at: &usize| &all[*at]).collect();
            assert_eq!(found, want, "{name}");
        }
        assert_eq!(onwards(&[public(2)], &all[..2]), Vec::<&Handover>::new(), "never back");
    }
}
