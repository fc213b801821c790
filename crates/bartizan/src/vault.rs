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
    Access, KEY_FILE_BYTES_MAX, KeyStore, NoteKey, Options, TenantKey, check_mode,
};
use bartizan_ledger::FsDisk;
use bartizan_ledger::tlog::VerifierKey;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FOLDER: &str = "vault";
const LOG_KEY_FILE: &str = "log.key";
const TENANT_KEY_FILE: &str = "tenant.key";
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
        let vault = Self::load(&folder, disk, access, sources)?;
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
        Self::load(&folder, disk, Access::Read, sources)
    }

    fn load(
        folder: &Path,
        disk: Arc<dyn Disk>,
        access: Access,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        let signer = NoteKey::parse(&read_key(&folder.join(LOG_KEY_FILE))?)
            .with_context(|| format!("cannot use {}", folder.join(LOG_KEY_FILE).display()))?;
        let tenant = TenantKey::parse(&read_key(&folder.join(TENANT_KEY_FILE))?)
            .with_context(|| format!("cannot use {}", folder.join(TENANT_KEY_FILE).display()))?;
        let (clock, entropy) = (Arc::clone(&sources.clock), Arc::clone(&sources.entropy));
        let options = Options { access, ..Options::default() };
        let (keys, report) = KeyStore::open(disk, clock, entropy, &tenant, options)
            .with_context(|| format!("cannot open the key store in {}", folder.display()))?;
        if 0 < report.damaged {
            tracing::error!(
                slots = report.damaged,
                "Keys in the vault are damaged: what they sealed cannot be read. Restore keys.slots from a backup."
            );
        }
        Ok(Self { signer: Arc::new(signer), keys: Arc::new(keys) })
    }
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
    let text = format!("{}\n", signer.verifier());
    if files::read_bounded(&path, KEY_FILE_BYTES_MAX).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    files::private_folder(ledger)?;
    files::replace(&path, text.as_bytes(), 0o600)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The public key that lies beside a log; `None` where there is none.
///
/// # Errors
/// When it is damaged.
pub(crate) fn published_key(ledger: &Path) -> anyhow::Result<Option<VerifierKey>> {
    let path = ledger.join(VERIFIER_FILE);
    match files::read_text_bounded(&path, KEY_FILE_BYTES_MAX) {
        Ok(text) => {
            let key = text.trim_end().parse::<VerifierKey>();
            Ok(Some(key.with_context(|| format!("cannot use {}", path.display()))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("log", &self.signer.name()).finish_non_exhaustive()
    }
}
