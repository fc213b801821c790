//! Opening the ledger for writing: one way, for the gateway and for every command that records.
//!
//! Whatever could show that the ledger is not the newest one is asked before a byte of it is changed: the vault's anchor, the witnesses of the
//! configuration, and the ledger's own newest witnessed checkpoint. What it has tombstones for is destroyed again before anything is sealed.
use crate::anchor::{Anchor, AnchorError, Followed};
use crate::audit::Trusted;
use crate::config::{self, CONFIG_FILE, Config};
use crate::files::{self, FIRST_KEY_FILE};
use crate::orders::Rule;
use crate::serve::Sources;
use crate::serve::contradiction::Contradiction;
use crate::serve::cosign::Watch;
use crate::vault::{self, Anchoring, Vault};
use crate::{audit, print, verbs};
use anyhow::{Context as _, ensure};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_keys::NoteKey;
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{
    Cosigner, CutTail, FsDisk, Ledger, LedgerError, Options, Parts, Published, Recovery, cut_tail,
    remake_tiles,
};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The ledger and the vault, open for this process alone.
pub(crate) struct Opened {
    /// Records.
    pub(crate) ledger: Ledger,
    /// What opening it found.
    pub(crate) recovery: Recovery,
    /// Our secrets.
    pub(crate) vault: Vault,
    /// What the vault knows of the log, up to date.
    pub(crate) anchor: Anchor,
    /// What bringing it up to date came to.
    pub(crate) followed: Followed,
    /// The witnesses, asked once; nothing without any.
    pub(crate) watch: Option<Arc<Watch>>,
    /// What the vault knew, where the operator goes on with an older ledger: it is for the record, and then [`Opened::close`] forgets it.
    pub(crate) set_back: Option<(u64, Digest)>,
    /// What was cut off the end of the log, and has no record yet.
    pub(crate) cut: Option<CutTail>,
    /// What a witness has shown of the log, and nobody has decided about.
    pub(crate) contradiction: Option<Contradiction>,
}

/// How a ledger is opened.
pub(crate) struct How<'a> {
    /// What the configuration says of it.
    pub(crate) ledger: &'a config::Ledger,
    /// The ledger's folder, locked.
    pub(crate) disk: Arc<dyn Disk>,
    /// Bounds of the queue.
    pub(crate) options: Options,
    /// Whether an older ledger will do.
    pub(crate) anchoring: Anchoring,
    /// Whether what the log's key does not vouch for is cut off its end.
    pub(crate) cuts_tail: bool,
}

/// Opens the ledger of a state folder. It must be called inside a tokio runtime with time and network.
///
/// # Errors
/// When the ledger is not the newest one, as far as anybody knows; when it is damaged; when a key cannot be used; those of the disk.
pub(crate) async fn open(how: How<'_>, sources: &Sources) -> anyhow::Result<Opened> {
    let How { ledger: settings, disk, options, anchoring, cuts_tail } = how;
    let state = &settings.dir;
    let vault = Vault::open_as(state, anchoring, sources)?;
    // Whoever has the ledger is the gateway, or there is none that could be writing it.
    files::wipe_leftovers(&FsDisk::unlocked(state), Some(FIRST_KEY_FILE))
        .with_context(|| format!("cannot wipe {}", state.display()))?;
    let n_remade = remake_tiles(&disk, &*vault.signer)
        .with_context(|| format!("cannot open the ledger in {}", state.display()))?;
    if 0 < n_remade {
        tracing::warn!(
            leaves = n_remade,
            "The tiles of the published log were away; they are made again from the journal, as the signed checkpoint has them."
        );
    }
    let watch = match &settings.witness {
        // Before a byte of the log is changed: a log that was set back stays as it was found.
        Some(witness) => {
            // A witness must not learn of a checkpoint that a power cut could still take from us.
            settle(&*disk).context("cannot sync the ledger")?;
            let folder = audit::log_folder(state);
            Some(Watch::open(witness, &folder, &*vault.signer, sources).await?)
        }
        None => None,
    };
    let mut anchor = Anchor::open(state, Arc::clone(&vault.signer))?;
    let old = anchor.older_checkpoint()?;
    let or_old = |error| instead(error, old.as_ref(), anchoring);
    let cut = if cuts_tail {
        cut_tail(&disk, &*sources.clock, &*vault.signer, anchor.size())
            .with_context(|| format!("cannot cut the ledger in {}", state.display()))
            .map_err(or_old)?
    } else {
        None
    };
    let set_back = match anchoring {
        Anchoring::SetBack if !anchor.fits()? => Some(anchor.set_back()),
        _ => None,
    };
    // Recovery looks at the end of the log only. What older leaves say is believed before a byte is changed, or refused.
    let told = anchor.read_on().map_err(or_old)?;
    if anchoring == Anchoring::SetBack {
        check_whole(state, &vault.signer)?;
    }
    let contradiction = Contradiction::find(&audit::log_folder(state))?;
    // It is the decision to go on that is signed again.
    let is_silent = contradiction.is_some() && anchoring == Anchoring::Strict;
    let options = Options { is_silent, ..options };
    let parts = Parts {
        disk,
        clock: Arc::clone(&sources.clock),
        entropy: Arc::clone(&sources.entropy),
        sealer: vault.keys.clone(),
        signer: vault.signer.clone(),
    };
    let (ledger, recovery) = Ledger::open(parts, options)
        .with_context(|| format!("cannot open the ledger in {}", state.display()))
        .map_err(or_old)?;
    Rule::begin(state, settings.retention, &vault)?;
    let followed = anchor.follow(&told, &vault.keys, &*sources.clock)?;
    // Not before: a log that is refused is not given our key.
    vault::publish_key(&audit::log_folder(state), &vault.signer)?;
    if set_back.is_none() {
        catch_up(state, &mut anchor, sources)?;
    }
    Ok(Opened { ledger, recovery, vault, anchor, followed, watch, set_back, cut, contradiction })
}

/// Whoever has an older checkpoint there is told so, and not to cut off what a newer one stood for.
/// Whoever goes on with an older ledger on purpose is told which leaf was changed in it.
fn instead(error: anyhow::Error, old: Option<&AnchorError>, anchoring: Anchoring) -> anyhow::Error {
    let is_about_leaves = match error.downcast_ref() {
        Some(LedgerError::Unvouched(_)) => true,
        Some(LedgerError::Unproven(_) | LedgerError::Damaged(_)) => anchoring == Anchoring::Strict,
        _ => false,
    };
    match old {
        Some(old) if is_about_leaves => {
            tracing::warn!(error = %format!("{error:#}"), "The ledger does not open.");
            old.clone().into()
        }
        _ => error,
    }
}

/// Reads the whole ledger before an operator's word counts for it: whatever is wrong with it is told now, and not followed for ever.
fn check_whole(state: &Path, signer: &NoteKey) -> anyhow::Result<()> {
    match audit::reader(state) {
        Err(LedgerError::Absent) => return Ok(()),
        // It names the leaf, where one was changed.
        reader => drop(reader?.proven_since(0, signer, &|_| false)?),
    }
    let trusted = Trusted { keys: vec![VerifierKey::of_log(signer)?], policy: None };
    let told = audit::verify_with(state, &trusted).verdict;
    let problem = told.problem.unwrap_or_default();
    ensure!(
        told.verified,
        "the ledger in {} is not as it was written, so it is not gone on with: {problem}; restore a copy that `bartizan audit verify` finds nothing wrong with",
        state.display()
    );
    Ok(())
}

/// Makes durable the name of a checkpoint that a process before this one may have left in the cache. What it stands for was durable before it got
/// that name, and so was the name of its folder.
fn settle(disk: &dyn Disk) -> io::Result<()> {
    match disk.folder("log", false) {
        Ok(published) => published.sync_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the anchor with the checkpoint as it lies there. It may be in the cache only; the journal behind it is durable once the log is open,
/// and that is what counts where a checkpoint was lost.
fn catch_up(state: &Path, anchor: &mut Anchor, sources: &Sources) -> anyhow::Result<()> {
    let published = Published::find(&FsDisk::read_only(&audit::log_folder(state)))?;
    let checkpoint = published.map(|published| published.checkpoint()).transpose()?.flatten();
    if let Some(checkpoint) = &checkpoint {
        anchor.advance(checkpoint);
    }
    anchor.write(sources.clock.monotonic_us())
}

/// Writes the anchor with the last checkpoint of a log that is closed by now. Only what was made durable counts.
///
/// # Errors
/// Those of the disk.
pub(crate) fn keep_last(
    anchor: &mut Anchor,
    cosigner: &Cosigner,
    sources: &Sources,
) -> anyhow::Result<()> {
    if let Some(latest) = cosigner.latest() {
        anchor.advance(&latest);
    }
    anchor.write(sources.clock.monotonic_us())
}

impl Opened {
    /// Closes the ledger with a last checkpoint, and keeps in the vault what it came to.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn close(self, sources: &Sources) -> anyhow::Result<Closed> {
        let Self { ledger, vault, mut anchor, .. } = self;
        let cosigner = ledger.cosigner();
        drop(ledger);
        keep_last(&mut anchor, &cosigner, sources)?;
        Ok(Closed { vault, anchor })
    }
}

/// What is left when the ledger is closed: the vault, still for this process alone.
pub(crate) struct Closed {
    /// Our secrets.
    pub(crate) vault: Vault,
    /// What the vault knows of the log.
    pub(crate) anchor: Anchor,
}

/// Where a command finds the ledger that it writes, and the configuration that goes with it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// The state folder [default: .bartizan]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// The gateway's configuration, whose witnesses are asked [default: ./bartizan.toml, if it is about this state folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Place {
    /// The state folder.
    ///
    /// # Errors
    /// A configuration that is wrong, where it is what names the folder.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        match (&self.dir, &self.config) {
            (None, Some(file)) => Ok(verbs::config::read(file)?.ledger.dir),
            (dir, _) => Ok(verbs::state_folder(dir.clone())),
        }
    }

    /// The gateway's configuration: the one that is named, else the one here, if it is about this state folder.
    ///
    /// # Errors
    /// One that is wrong.
    pub(crate) fn config_file(&self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(file) = &self.config {
            return Ok(Some(file.clone()));
        }
        let dir = verbs::state_folder(self.dir.clone());
        let file = Path::new(CONFIG_FILE);
        let is_ours = file.exists() && is_same(&verbs::config::read(file)?.ledger.dir, &dir);
        Ok(is_ours.then(|| file.to_owned()))
    }

    /// What the gateway's configuration says of its ledger.
    ///
    /// # Errors
    /// A configuration that is wrong.
    pub(crate) fn ledger(&self) -> anyhow::Result<config::Ledger> {
        if let Some(file) = &self.config {
            let Config { mut ledger, .. } = verbs::config::read(file)?;
            if let Some(dir) = &self.dir {
                ledger.dir.clone_from(dir);
            }
            return Ok(ledger);
        }
        let dir = verbs::state_folder(self.dir.clone());
        if let Some(file) = self.config_file()? {
            return Ok(verbs::config::read(&file)?.ledger);
        }
        if is_witnessed(&dir) {
            print::warn(
                "this ledger has been witnessed, and no configuration names its witnesses here, so they are not asked: give the gateway's with --config",
            );
        }
        Ok(config::Ledger { dir, ..config::Ledger::default() })
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

pub(crate) fn is_witnessed(state: &Path) -> bool {
    let published = Published::find(&FsDisk::read_only(&audit::log_folder(state)));
    published.ok().flatten().is_some_and(|published| !matches!(published.witnessed(), Ok(None)))
}

/// Opens the ledger for one command. Nobody else may be writing it.
///
/// # Errors
/// Those of [`open`].
pub(crate) async fn open_alone(
    ledger: &config::Ledger,
    disk: FsDisk,
    anchoring: Anchoring,
    sources: &Sources,
) -> anyhow::Result<Opened> {
    let options = Options::default();
    let disk = Arc::new(disk);
    open(How { ledger, disk, options, anchoring, cuts_tail: false }, sources).await
}

/// A runtime for one command.
///
/// # Errors
/// Those of the system.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
pub(crate) mod world;

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_testkit::SimDisk;

    /// What a witness is about to be shown survives a power cut: no name is left in the cache once it was settled.
    #[test]
    fn a_checkpoint_that_a_witness_is_shown_is_durable() {
        for is_settled in [true, false] {
            let is_kept = |seed: u64| {
                let sim = SimDisk::new(seed);
                sim.edit("log/checkpoint", |bytes| *bytes = b"old".to_vec());
                let folder = sim.folder("log", false).unwrap();
                let mut file = folder.open("checkpoint.new", true).unwrap();
                file.write_at(b"new", 0).unwrap();
                file.sync_data().unwrap();
                folder.rename("checkpoint.new", "checkpoint").unwrap();
                if is_settled {
                    settle(&sim).unwrap();
                }
                sim.crash(seed);
                sim.content("log/checkpoint") == Some(b"new".to_vec())
            };
            assert_eq!((0..50).all(is_kept), is_settled);
        }
        settle(&SimDisk::new(1)).unwrap();
    }
}
