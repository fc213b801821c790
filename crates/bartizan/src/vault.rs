//! The folder of our own secrets: `vault/` in the state folder. It holds the key that signs checkpoints, the tenant's key, and the store of the
//! keys that seal payloads.
//!
//! It stands beside the ledger, not in it, because the two want different backups: a copy of the ledger is evidence for anybody, and a copy of
//! the vault brings erased keys back to whoever restores it. (Opening destroys them again: the ledger has their tombstones.)
use crate::files;
use crate::serve::Sources;
use anyhow::{Context as _, bail};
use bartizan_core::disk::Disk;
use bartizan_core::sign::Signer as _;
use bartizan_keys::{
    Access, KEY_FILE_BYTES_MAX, KeyStore, NoteKey, Options, PlaceholderKey, StoreError, TenantKey,
    check_mode,
};
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{FsDisk, cross_sign};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FOLDER: &str = "vault";
const LOG_KEY_FILE: &str = "log.key";
const TENANT_KEY_FILE: &str = "tenant.key";
/// The tenant's next key, while the key store is being wrapped by it.
const NEXT_TENANT_KEY_FILE: &str = "tenant.key.next";
/// Verifier keys that one log may have had.
const VERIFIERS_MAX: usize = 64;
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

impl Vault {
    /// Opens the vault for the one process that records, and makes it where there is neither vault nor ledger.
    ///
    /// # Errors
    /// When the folder is in use, a key is readable by others or damaged, or the keys of a ledger are gone.
    pub(crate) fn open(state: &Path, sources: &Sources) -> anyhow::Result<Self> {
        let folder = folder(state);
        let ledger = crate::audit::log_folder(state);
        let disk: Arc<dyn Disk> = Arc::new(FsDisk::lock(&folder)?);
        let files = [LOG_KEY_FILE, TENANT_KEY_FILE].map(|file| folder.join(file));
        let lacks_key = files.iter().any(|file| !file.exists());
        let has_log = ledger.join(FIRST_SEGMENT).exists();
        if lacks_key && has_log {
            bail!(
                "there is a ledger in {}, and its keys are gone from {}: restore them, or move the ledger away to begin another",
                ledger.display(),
                folder.display()
            );
        }
        if lacks_key {
            make_keys(&folder, sources)?;
        }
        let access = if has_log { Access::Write } else { Access::Create };
        let vault = Self::load(&folder, &disk, access, sources)?;
        publish_key(&ledger, &vault.signer)?;
        Ok(vault)
    }

    /// Opens the vault to look at payloads, while another process may be recording.
    ///
    /// # Errors
    /// When there is none, or it is not for this user.
    pub(crate) fn read(state: &Path, sources: &Sources) -> anyhow::Result<Self> {
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
        let signer = NoteKey::parse(&read_key(&folder.join(LOG_KEY_FILE))?)
            .with_context(|| format!("cannot use {}", folder.join(LOG_KEY_FILE).display()))?;
        let open = |tenant: &TenantKey| {
            let (clock, entropy) = (Arc::clone(&sources.clock), Arc::clone(&sources.entropy));
            let options = Options { access, ..Options::default() };
            KeyStore::open(Arc::clone(disk), clock, entropy, tenant, options)
        };
        let now = tenant_key(&folder.join(TENANT_KEY_FILE))?;
        let mut placeholders = now.placeholder_key();
        let next = folder.join(NEXT_TENANT_KEY_FILE);
        let (keys, report) = match open(&now) {
            // A rotation was cut short after the store had changed hands.
            Err(StoreError::WrongKey { .. }) if next.exists() => {
                let tenant = tenant_key(&next)?;
                placeholders = tenant.placeholder_key();
                let opened = open(&tenant);
                if opened.is_ok() && access != Access::Read {
                    fs::rename(&next, folder.join(TENANT_KEY_FILE))?;
                }
                opened
            }
            opened => opened,
        }
        .with_context(|| format!("cannot open the key store in {}", folder.display()))?;
        if 0 < report.damaged {
            tracing::error!(
                slots = report.damaged,
                "Keys in the vault are damaged: what they sealed cannot be read. Restore keys.slots from a backup."
            );
        }
        Ok(Self { signer: Arc::new(signer), keys: Arc::new(keys), placeholders: placeholders? })
    }
}

impl Vault {
    /// Gives the tenant another key. What was sealed stays readable; the old key is of no use any more.
    ///
    /// # Errors
    /// Those of the disk. After a crash the next start goes on with whichever key the store has by then.
    pub(crate) fn rotate_tenant(&self, state: &Path, sources: &Sources) -> anyhow::Result<usize> {
        let folder = folder(state);
        let (now, next) = (folder.join(TENANT_KEY_FILE), folder.join(NEXT_TENANT_KEY_FILE));
        let tenant = TenantKey::generate("tenant", &*sources.entropy)?;
        files::replace(&next, tenant.private_text().as_bytes(), 0o600)?;
        let report = self.keys.rewrap(&tenant)?;
        fs::rename(&next, &now)?;
        fs::File::open(&folder)?.sync_all()?;
        Ok(report.rewrapped)
    }

    /// Lets another key sign from now on. The log keeps its name, and the last checkpoint has the signatures of both.
    ///
    /// # Errors
    /// Those of the disk, and of a checkpoint that the present key has not signed.
    pub(crate) fn rotate_log(
        &self,
        state: &Path,
        ledger: &dyn Disk,
        sources: &Sources,
    ) -> anyhow::Result<String> {
        let new = NoteKey::generate(self.signer.name(), &*sources.entropy)?;
        cross_sign(ledger, &*self.signer, &new)?;
        // The public key first: whoever verifies with what lies there finds the new one, or the old one, or both.
        publish_key(&crate::audit::log_folder(state), &new)?;
        let path = folder(state).join(LOG_KEY_FILE);
        files::replace(&path, new.private_text().as_bytes(), 0o600)?;
        Ok(new.verifier().to_string())
    }
}

fn tenant_key(path: &Path) -> anyhow::Result<TenantKey> {
    TenantKey::parse(&read_key(path)?).with_context(|| format!("cannot use {}", path.display()))
}

/// Reads a key file that nobody else may read.
fn read_key(path: &Path) -> anyhow::Result<Vec<u8>> {
    let context = || format!("cannot read {}", path.display());
    let mode = fs::metadata(path).with_context(context)?.permissions().mode();
    check_mode(&path.display().to_string(), mode)?;
    files::read_bounded(path, KEY_FILE_BYTES_MAX).with_context(context)
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
        files::replace(&path, text.as_bytes(), 0o600)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Puts the public key beside the log, for whoever copies the log. It proves nothing by itself: an auditor gets it on another way.
fn publish_key(ledger: &Path, signer: &NoteKey) -> anyhow::Result<()> {
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
    files::replace(&path, text.as_bytes(), 0o600)
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
