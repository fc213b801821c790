//! The file of callers' keys: hashes, roles and dates. A key itself is shown once, when it is made, and never kept.
//!
//! This file only keeps the books. Comparing a presented key with them, in constant time, is the gateway's business.
use crate::clock::utc;
use crate::files;
use crate::outcome::Usage;
use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use bartizan_core::clock::Entropy;
use bartizan_core::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Name of the file inside the state folder.
pub(crate) const KEYS_FILE: &str = "keys.toml";
/// Most keys in one file: the gateway compares a presented key with every one of them.
pub(crate) const KEYS_MAX: usize = 1_000;
/// Most bytes of the file.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Most roles of one key.
const ROLES_MAX: usize = 16;
/// Most bytes of one role's name.
const ROLE_BYTES_MAX: usize = 64;
/// The role of a key that nobody gave another one.
pub(crate) const DEFAULT_ROLE: &str = "app";
/// Fewest characters of a key that somebody else made.
pub(crate) const FOREIGN_KEY_CHARS_MIN: usize = 16;
/// The version of the file's format.
const VERSION: u32 = 1;
const HEADER: &str = "# Written by `bartizan key`. It holds hashes, not keys.\n";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One key, without the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Its public name: `k-` and eight hexadecimal digits.
    pub(crate) id: String,
    /// SHA-256 of the key.
    pub(crate) sha256: Digest,
    /// What its bearer is, for policy.
    pub(crate) roles: Vec<String>,
    /// When it was made.
    pub(crate) made_unix_ms: u64,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_unix_ms: Option<u64>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_unix_ms: Option<u64>,
    /// The key that takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaced_by: Option<String>,
}

impl Entry {
    /// Whether the key opens the door at this moment.
    pub(crate) fn is_live(&self, unix_ms: u64) -> bool {
        self.revoked_unix_ms.is_none() && self.expires_unix_ms.is_none_or(|end| unix_ms < end)
    }

    /// `live`, `expired` or `revoked`.
    pub(crate) fn state(&self, unix_ms: u64) -> &'static str {
        match (self.revoked_unix_ms, self.is_live(unix_ms)) {
            (Some(_), _) => "revoked",
            (None, true) => "live",
            (None, false) => "expired",
        }
    }
}

/// A key, the only time that it is whole. It has no `Debug`: what cannot be printed cannot leak into a log.
pub(crate) struct Fresh {
    /// The key itself.
    pub(crate) key: String,
    /// What is kept of it.
    pub(crate) entry: Entry,
}

/// All keys of a state folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyBook {
    entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    version: u32,
    #[serde(default, rename = "key")]
    keys: Vec<Entry>,
}

impl KeyBook {
    /// Reads the file at `path`; an absent one is an empty book.
    ///
    /// # Errors
    /// When others may read the file, when it is too long, or not what we wrote. None of them counts as "no keys".
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        match files::is_open_to_others(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).context(format!("cannot look at {}", path.display())),
            Ok(true) => anyhow::bail!(
                "{0} is open to others: close it with `chmod 600 {0}`, and rotate the keys if others were there",
                path.display()
            ),
            Ok(false) => {}
        }
        let text = files::read_text_bounded(path, FILE_BYTES_MAX)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).map_err(|error| {
            // It is a configuration that somebody has edited, or a disk has damaged: nothing went wrong on the way.
            Usage(format!("cannot understand {}: {error:#}", path.display())).into()
        })
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// Wrong TOML, another version, a limit, a name twice.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let form: FileForm = toml::from_str(text)?;
        anyhow::ensure!(form.version == VERSION, "version {} is not known", form.version);
        anyhow::ensure!(form.keys.len() <= KEYS_MAX, "more than {KEYS_MAX} keys");
        for (n, entry) in form.keys.iter().enumerate() {
            check_roles(&entry.roles)?;
            let id_fits = (1..=bartizan_core::record::NAME_BYTES_MAX).contains(&entry.id.len());
            anyhow::ensure!(id_fits, "key {n} has no acceptable id");
            let mut earlier = form.keys.iter().take(n);
            anyhow::ensure!(
                earlier.all(|other| other.id != entry.id && other.sha256 != entry.sha256),
                "key {} stands there twice",
                entry.id
            );
        }
        Ok(Self { entries: form.keys })
    }

    /// The text of the key file.
    ///
    /// # Errors
    /// Those of the TOML writer.
    pub(crate) fn render(&self) -> anyhow::Result<String> {
        let form = FileForm { version: VERSION, keys: self.entries.clone() };
        Ok(format!("{HEADER}{}", toml::to_string(&form)?))
    }

    /// The keys, oldest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Makes a key of 256 random bits.
    ///
    /// # Errors
    /// Unacceptable roles, or [`KEYS_MAX`] live keys.
    pub(crate) fn add(
        &mut self,
        entropy: &dyn Entropy,
        roles: &[String],
        now_ms: u64,
        expires_unix_ms: Option<u64>,
    ) -> anyhow::Result<Fresh> {
        check_roles(roles)?;
        self.make_room(now_ms)?;
        let mut roles = roles.to_vec();
        roles.sort();
        roles.dedup();
        let mut bits = [0; 32];
        entropy.fill(&mut bits);
        let key = format!("bz_{}", base64_url(&bits));
        let entry = Entry {
            id: self.free_id(entropy),
            sha256: hash(&key),
            roles,
            made_unix_ms: now_ms,
            expires_unix_ms,
            revoked_unix_ms: None,
            replaced_by: None,
        };
        self.entries.push(entry.clone());
        Ok(Fresh { key, entry })
    }

    /// Refuses a key from now on. Revoking twice keeps the first date.
    ///
    /// # Errors
    /// When no key has this id.
    pub(crate) fn revoke(&mut self, id: &str, now_ms: u64) -> anyhow::Result<&Entry> {
        let entry = self.find_mut(id)?;
        entry.revoked_unix_ms.get_or_insert(now_ms);
        Ok(entry)
    }

    /// Makes a key with the roles of an old one, which lives on for `grace_ms` at most.
    ///
    /// # Errors
    /// When no live key has this id, and those of [`KeyBook::add`].
    pub(crate) fn rotate(
        &mut self,
        entropy: &dyn Entropy,
        id: &str,
        now_ms: u64,
        grace_ms: u64,
        expires_unix_ms: Option<u64>,
    ) -> anyhow::Result<Fresh> {
        let old = self.find_mut(id)?.clone();
        if !old.is_live(now_ms) {
            let state = old.state(now_ms);
            return Err(
                Usage(format!("key {id} is {state}: make one with `bartizan key new`")).into()
            );
        }
        // A rotated key has as long a life as the old one was given, unless somebody says otherwise.
        let lifetime_ms = old.expires_unix_ms.map(|end| end.saturating_sub(old.made_unix_ms));
        let expires = expires_unix_ms.or(lifetime_ms.map(|ms| now_ms.saturating_add(ms)));
        let fresh = self.add(entropy, &old.roles, now_ms, expires)?;
        let end = now_ms.saturating_add(grace_ms);
        let entry = self.find_mut(id)?;
        entry.expires_unix_ms = Some(entry.expires_unix_ms.map_or(end, |old_end| old_end.min(end)));
        entry.replaced_by = Some(fresh.entry.id.clone());
        Ok(fresh)
    }

    fn find_mut(&mut self, id: &str) -> anyhow::Result<&mut Entry> {
        let found = self.entries.iter_mut().find(|entry| entry.id == id);
        found
            .ok_or_else(|| Usage(format!("no key has the id {id}: see `bartizan key list`")).into())
    }

    fn free_id(&self, entropy: &dyn Entropy) -> String {
        loop {
            let mut bits = [0; 4];
            entropy.fill(&mut bits);
            let id = format!("k-{:08x}", u32::from_be_bytes(bits));
            if self.entries.iter().all(|entry| entry.id != id) {
                return id;
            }
        }
    }

    /// Forgets the oldest dead key when the book is full.
    fn make_room(&mut self, now_ms: u64) -> anyhow::Result<()> {
        if self.entries.len() < KEYS_MAX {
            return Ok(());
        }
        let dead = self.entries.iter().position(|entry| !entry.is_live(now_ms));
        let Some(dead) = dead else {
            return Err(Usage(format!("there are {KEYS_MAX} live keys: revoke some first")).into());
        };
        self.entries.remove(dead);
        Ok(())
    }
}

/// Changes the book in a state folder under its lock, so that two commands at a time do not lose each other's keys.
///
/// # Errors
/// Those of the disk, of [`KeyBook::read`] and of `change`; nothing is written then.
pub(crate) fn change<T>(
    folder: &Path,
    change: impl FnOnce(&mut KeyBook) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let closed = files::private_folder(folder)
        .with_context(|| format!("cannot make the state folder {}", folder.display()))?;
    if !closed {
        tracing::warn!(folder = %folder.display(), "The state folder is open to others.");
    }
    let _lock = lock(&folder.join("keys.lock"))?;
    let path = path(folder);
    let mut book = KeyBook::read(&path)?;
    let result = change(&mut book)?;
    files::replace(&path, book.render()?.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(result)
}

/// Where a state folder keeps its keys.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(KEYS_FILE)
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(files::NO_WAIT);
    let file = options.open(path).with_context(|| format!("cannot open {}", path.display()))?;
    // Whoever holds it is another `bartizan key`, which takes milliseconds.
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn check_roles(roles: &[String]) -> anyhow::Result<()> {
    let is_fine = |role: &String| {
        (1..=ROLE_BYTES_MAX).contains(&role.len())
            && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    if let Some(role) = roles.iter().find(|role| !is_fine(role)) {
        let shown = crate::print::visible(role);
        return Err(Usage(format!(
            "`{shown}` is no role name: use 1 to {ROLE_BYTES_MAX} of the characters a-z A-Z 0-9 - _ ."
        ))
        .into());
    }
    if roles.is_empty() || ROLES_MAX < roles.len() {
        return Err(Usage(format!("a key has 1 to {ROLES_MAX} roles, not {}", roles.len())).into());
    }
    Ok(())
}

/// The digest that is kept of a key.
pub(crate) fn hash(key: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    Digest(bytes)
}

/// Base64 of RFC 4648, section 5, without padding.
fn base64_url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte));
        let word = word << (8 * (3 - group.len()));
        for n in 0..=group.len() {
            let index = (word >> (18 - 6 * n)) & 63;
            let digit = BASE64_URL.get(index as usize).copied().unwrap_or(b'-');
            out.push(char::from(digit));
        }
    }
    out
}

/// One line for people: id, state, roles, dates.
pub(crate) fn row(entry: &Entry, now_ms: u64) -> Vec<String> {
    let end = entry.revoked_unix_ms.or(entry.expires_unix_ms);
    vec![
        entry.id.clone(),
        entry.state(now_ms).to_owned(),
        entry.roles.join(","),
        utc(entry.made_unix_ms),
        end.map_or_else(|| "never".to_owned(), utc),
        entry.replaced_by.clone().unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests;
