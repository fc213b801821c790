//! The folder of our own secrets: `vault/` in the state folder. It holds the key that signs checkpoints, the tenant's key, and the store of the
//! keys that seal payloads.
//!
//! It stands beside the ledger, not in it, because the two want different backups: a copy of the ledger is evidence for anybody, and a copy of
//! the vault brings erased keys back to whoever restores it. (Opening destroys them again: the ledger has their tombstones, and the
//! [`crate::anchor`] tells which copy is the older one.)
use crate::anchor::{self, Anchor};
use crate::serve::Sources;
use crate::{files, key_file};
use anyhow::{Context as _, bail};
use bartizan_core::disk::Disk;
use bartizan_core::sign::Signer as _;
use bartizan_keys::{
    Access, KEY_FILE_BYTES_MAX, KeyStore, NoteKey, Options, PlaceholderKey, StoreError, TenantKey,
    discard_key_file, finish_key_file, replace_key_file,
};
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{FsDisk, LedgerError, Published};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FOLDER: &str = "vault";
const LOG_KEY_FILE: &str = "log.key";
const TENANT_KEY_FILE: &str = "tenant.key";
/// The tenant's next key, while the key store is being wrapped by it.
const NEXT_TENANT_KEY_FILE: &str = "tenant.key.next";
/// The log's next key, until everybody is told that it signs.
const NEXT_LOG_KEY_FILE: &str = "log.key.next";
/// Verifier keys that one log may have had.
pub(crate) const VERIFIERS_MAX: usize = 64;
/// The public key, beside the log that it is for.
const VERIFIER_FILE: &str = "log.vkey";
/// Where it stands, there is a log.
const FIRST_SEGMENT: &str = "segment-00000000.log";
/// A new log is called this and sixteen random digits.
const LOG_NAME: &str = "bartizan.log/";

/// Our secrets, open.
pub(crate) struct Vault {
    /// Signs checkpoints.
    pub(crate) signer: Arc<NoteKey>,
    /// Seals and opens payloads.
    pub(crate) keys: Arc<KeyStore>,
    /// Names values in prompts.
    pub(crate) placeholders: PlaceholderKey,
}

/// Where the vault of a state folder is.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join(FOLDER)
}

/// How a vault stands to its ledger when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchoring {
    /// The ledger must be what the vault knows, or what came of that.
    Strict,
    /// The operator says that an older ledger is all that is left.
    SetBack,
}

impl Vault {
    /// As everybody opens it.
    #[cfg(test)]
    pub(crate) fn open(state: &Path, sources: &Sources) -> anyhow::Result<Self> {
        let vault = Self::open_as(state, Anchoring::Strict, sources)?;
        publish_key(&crate::audit::log_folder(state), &vault.signer)?;
        Ok(vault)
    }

    /// Opens the vault for the one process that records, and makes it where there is neither vault nor ledger.
    ///
    /// # Errors
    /// When the folder is in use, a key is readable by others or damaged, the keys of a ledger are gone, or the ledger is older than what the
    /// vault knows of it ([`AnchorError`](crate::anchor::AnchorError)).
    pub(crate) fn open_as(
        state: &Path,
        anchoring: Anchoring,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        let folder = folder(state);
        let ledger = crate::audit::log_folder(state);
        let disk: Arc<dyn Disk> = Arc::new(FsDisk::lock(&folder)?);
        for file in [LOG_KEY_FILE, TENANT_KEY_FILE] {
            finish_key_file(&*disk, file)
                .with_context(|| format!("cannot mend {}", folder.join(file).display()))?;
        }
        files::wipe_leftovers(&*disk, None)
            .with_context(|| format!("cannot wipe {}", folder.display()))?;
        let has_key = |file| is_there(&folder.join(file));
        let lacks_key = !has_key(LOG_KEY_FILE)? || !has_key(TENANT_KEY_FILE)?;
        let has_log = is_there(&ledger.join(FIRST_SEGMENT))?;
        // Where there is an anchor there was a log, wherever it is now.
        if lacks_key && (has_log || anchor::is_there(state)) {
            bail!(
                "there is a ledger in {}, or was one, and its keys are gone from {}: restore them, or move both folders away to begin another",
                ledger.display(),
                folder.display()
            );
        }
        if lacks_key {
            make_keys(&folder, sources)?;
        }
        finish_rotation(&*disk, &folder, &ledger)?;
        let access = if has_log { Access::Write } else { Access::Create };
        let vault = Self::load(&folder, &disk, access, sources)?;
        let anchor = Anchor::open(state, Arc::clone(&vault.signer))?;
        if has_log {
            check_name(&ledger, &vault.signer)?;
        }
        if anchoring == Anchoring::Strict || !has_log {
            anchor.check(has_log)?;
        }
        Ok(vault)
    }

    /// Opens the vault to look at payloads, while another process may be recording. What the ledger has a tombstone for opens nothing, whatever
    /// the vault still has.
    ///
    /// # Errors
    /// When there is none, or it is not for this user, or the ledger cannot be read.
    pub(crate) fn read(state: &Path, sources: &Sources) -> anyhow::Result<Self> {
        let vault = Self::peek(state, sources)?;
        if crate::audit::log_folder(state).join(FIRST_SEGMENT).exists() {
            let erased = anchor::tombstones(state, &vault.signer)?;
            vault.keys.hide(&erased.into_iter().collect::<Vec<_>>())?;
        }
        Ok(vault)
    }

    /// Opens the vault as it is, to look at no payload.
    ///
    /// # Errors
    /// When there is none, or it is not for this user.
    pub(crate) fn peek(state: &Path, sources: &Sources) -> anyhow::Result<Self> {
        let folder = folder(state);
        let disk: Arc<dyn Disk> = Arc::new(FsDisk::read_only(&folder));
        Self::load(&folder, &disk, Access::Read, sources)
    }

    fn load(
        folder: &Path,
        disk: &Arc<dyn Disk>,
        access: Access,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        let signer = note_key(&folder.join(LOG_KEY_FILE))?;
        let open = |tenant: &TenantKey| {
            let (clock, entropy) = (Arc::clone(&sources.clock), Arc::clone(&sources.entropy));
            let options = Options { access, ..Options::default() };
            KeyStore::open(Arc::clone(disk), clock, entropy, tenant, options)
        };
        let (now, next) = (folder.join(TENANT_KEY_FILE), folder.join(NEXT_TENANT_KEY_FILE));
        let mut tenant = tenant_key(&now);
        let mut opened = tenant.as_ref().ok().map(open);
        // A rotation was cut short after the store had changed hands, perhaps while the file of the present key was written over.
        let is_other =
            opened.as_ref().is_none_or(|opened| matches!(opened, Err(StoreError::WrongKey { .. })));
        if is_other && is_there(&next)? {
            let other = tenant_key(&next)?;
            let of_other = open(&other);
            if of_other.is_ok() && access != Access::Read {
                replace_key_file(&**disk, TENANT_KEY_FILE, NEXT_TENANT_KEY_FILE)?;
            }
            (tenant, opened) = (Ok(other), Some(of_other));
        }
        let tenant = tenant?;
        let (keys, report) = opened
            .unwrap_or_else(|| open(&tenant))
            .with_context(|| format!("cannot open the key store in {}", folder.display()))?;
        if access != Access::Read {
            // It was cut short before that: the store has never seen this key.
            discard_key_file(&**disk, NEXT_TENANT_KEY_FILE)?;
        }
        if 0 < report.damaged {
            tracing::error!(
                slots = report.damaged,
                "Keys in the vault are damaged: what they sealed cannot be read. Restore keys.slots from a backup."
            );
        }
        Ok(Self {
            signer: Arc::new(signer),
            keys: Arc::new(keys),
            placeholders: tenant.placeholder_key()?,
        })
    }

    /// Wraps all keys by another key of the tenant, whose file has no place yet: [`take_next_tenant_key`] gives it one. What was sealed stays readable.
    ///
    /// # Errors
    /// Those of the disk. After a crash the next start goes on with whichever key the store has by then.
    pub(crate) fn rewrap(&self, state: &Path, sources: &Sources) -> anyhow::Result<usize> {
        let tenant = TenantKey::generate("tenant", &*sources.entropy)?;
        let next = folder(state).join(NEXT_TENANT_KEY_FILE);
        files::replace(&next, tenant.private_text().as_bytes())
            .with_context(|| format!("cannot write {}", next.display()))?;
        Ok(self.keys.rewrap(&tenant)?.rewrapped)
    }
}

/// Puts the tenant's next key in the place of the present one, which is of no use any more and is overwritten.
///
/// # Errors
/// Those of the disk; the next start then does it.
pub(crate) fn take_next_tenant_key(state: &Path) -> anyhow::Result<()> {
    let disk = FsDisk::unlocked(&folder(state));
    Ok(replace_key_file(&disk, TENANT_KEY_FILE, NEXT_TENANT_KEY_FILE)?)
}

/// Whether a file is there. One that cannot be asked about is not taken for absent.
fn is_there(path: &Path) -> anyhow::Result<bool> {
    path.try_exists().with_context(|| format!("cannot read {}", path.display()))
}

/// The ledger must be the one that the key is called after: another one's is neither older nor damaged.
fn check_name(ledger: &Path, signer: &NoteKey) -> anyhow::Result<()> {
    let published = Published::find(&FsDisk::read_only(ledger))?;
    // A checkpoint that cannot be read is told by whoever needs it.
    let checkpoint = published.and_then(|published| published.checkpoint().ok()).flatten();
    let found = checkpoint.as_ref().map(|signed| signed.checkpoint().origin());
    let own = signer.name();
    match found.filter(|found| *found != own) {
        Some(found) => Err(LedgerError::OtherLog { found: found.to_owned(), own: own.to_owned() })
            .with_context(|| format!("cannot open the ledger in {}", ledger.display())),
        None => Ok(()),
    }
}

/// The key that signs the log, where it is here and for this user.
pub(crate) fn log_key(state: &Path) -> Option<NoteKey> {
    note_key(&folder(state).join(LOG_KEY_FILE)).ok()
}

/// The key that will sign, durable and of no effect yet: the one that an earlier rotation left behind, or a new one of the same name.
///
/// # Errors
/// Those of the disk.
pub(crate) fn next_log_key(state: &Path, name: &str, sources: &Sources) -> anyhow::Result<NoteKey> {
    let path = folder(state).join(NEXT_LOG_KEY_FILE);
    if path.exists() {
        let key = note_key(&path)?;
        if key.name() == name {
            // Whoever left it there may have died before its name was durable.
            FsDisk::unlocked(&folder(state)).sync_dir()?;
            return Ok(key);
        }
        discard_key_file(&FsDisk::unlocked(&folder(state)), NEXT_LOG_KEY_FILE)?;
    }
    let key = NoteKey::generate(name, &*sources.entropy)?;
    files::replace(&path, key.private_text().as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

/// The public key of the log's next key, where a rotation was cut short and has not been finished.
pub(crate) fn waiting_log_key(state: &Path) -> Option<String> {
    let key = note_key(&folder(state).join(NEXT_LOG_KEY_FILE)).ok()?;
    Some(key.verifier().to_string())
}

/// Lets the next key sign from now on, and overwrites the file of the present one.
///
/// # Errors
/// Those of the disk; the next start then does it.
pub(crate) fn take_next_log_key(state: &Path) -> anyhow::Result<()> {
    let disk = FsDisk::unlocked(&folder(state));
    Ok(replace_key_file(&disk, LOG_KEY_FILE, NEXT_LOG_KEY_FILE)?)
}

/// Ends a rotation of the log's key that was cut short, where everybody has been told already; else the present key goes on.
fn finish_rotation(disk: &dyn Disk, folder: &Path, ledger: &Path) -> anyhow::Result<()> {
    let next = folder.join(NEXT_LOG_KEY_FILE);
    if !is_there(&next)? {
        return Ok(());
    }
    let key = VerifierKey::of_log(&note_key(&next)?)?;
    if published_keys(ledger)?.first() == Some(&key) {
        replace_key_file(disk, LOG_KEY_FILE, NEXT_LOG_KEY_FILE)?;
        return Ok(());
    }
    tracing::warn!(
        "A rotation of the log's key was cut short, and the old key goes on: run `bartizan vault rotate log` again."
    );
    Ok(())
}

fn tenant_key(path: &Path) -> anyhow::Result<TenantKey> {
    let bytes = key_file::read(path)?;
    TenantKey::parse(&bytes).with_context(|| format!("cannot use {}", path.display()))
}

fn note_key(path: &Path) -> anyhow::Result<NoteKey> {
    let bytes = key_file::read(path)?;
    NoteKey::parse(&bytes).with_context(|| format!("cannot use {}", path.display()))
}

fn make_keys(folder: &Path, sources: &Sources) -> anyhow::Result<()> {
    let mut digits = [0; 8];
    sources.entropy.fill(&mut digits);
    let name = format!("{LOG_NAME}{:016x}", u64::from_be_bytes(digits));
    let tenant = TenantKey::generate("tenant", &*sources.entropy)?;
    let log = NoteKey::generate(&name, &*sources.entropy)?;
    // Whichever is missing, both are made again: nothing was sealed or signed before both were there.
    for (file, text) in
        [(TENANT_KEY_FILE, tenant.private_text()), (LOG_KEY_FILE, log.private_text())]
    {
        let path = folder.join(file);
        files::replace(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Puts the public key beside the log, for whoever copies the log. It proves nothing by itself: an auditor gets it on another way.
pub(crate) fn publish_key(ledger: &Path, signer: &NoteKey) -> anyhow::Result<()> {
    let path = ledger.join(VERIFIER_FILE);
    let old = match files::read_text_bounded(&path, VERIFIERS_MAX * KEY_FILE_BYTES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        old => old.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let now = signer.verifier().to_string();
    if old.lines().next() == Some(&now) {
        return Ok(());
    }
    // The latest first; the others have signed what was exported before.
    let others = old.lines().filter(|line| *line != now).take(VERIFIERS_MAX - 1);
    let text = std::iter::once(now.as_str()).chain(others).fold(String::new(), |mut text, line| {
        text.push_str(line);
        text.push('\n');
        text
    });
    files::private_folder(ledger)?;
    files::replace(&path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The public keys that lie beside a log, the latest first; none where there is no file.
///
/// # Errors
/// When one is damaged.
pub(crate) fn published_keys(ledger: &Path) -> anyhow::Result<Vec<VerifierKey>> {
    let path = ledger.join(VERIFIER_FILE);
    let text = match files::read_text_bounded(&path, VERIFIERS_MAX * KEY_FILE_BYTES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let keys = text.lines().map(str::parse).collect::<Result<_, _>>();
    keys.with_context(|| format!("cannot use {}", path.display()))
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("log", &self.signer.name()).finish_non_exhaustive()
    }
}
