//! Replacing our own keys, and going on with a ledger that is older or has a foreign tail: what an operator decides about the vault, gateway stopped.
//!
//! A key is replaced such that it is told in the ledger first, and that a crash at any step leaves a log that opens and verifies.
//!
//! The log's key is replaced in these steps. The next key is durable, and of no effect. The ledger records, under the old key, which key comes, with
//! the old key's signature over it. The ledger is closed, and the old key's last checkpoint has that record. The new key signs that checkpoint,
//! too, and both sign a [note](crate::audit::handover) beside the log. The new public key comes first in `log.vkey`; from here on a start
//! goes forward, before it the old key goes on. The new key takes the old one's place, which is overwritten.
use crate::audit::handover::Handover;
use crate::opening::{self, Closed, Opened, Place};
use crate::orders::{Office, operator};
use crate::serve::{RECORDED_FILE, Sources};
use crate::vault::{self, Anchoring};
use crate::{audit, config};
use anyhow::{Context as _, bail};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::record::{Receipt, RecordId, RecordKind};
use bartizan_core::sign::Signer;
use bartizan_keys::NoteKey;
use bartizan_ledger::{CutTail, FsDisk, Published, cross_sign, cut_is_recorded};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Where a rotation of the log's key can be cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The next key is durable.
    Made,
    /// The ledger has the record.
    Recorded,
    /// The old key has signed its last checkpoint.
    Closed,
    /// The new key has signed it, too.
    CrossSigned,
    /// The note lies beside the log.
    HandedOver,
    /// The new public key comes first.
    Published,
    /// The new key signs.
    Replaced,
    /// The vault's anchor is the new key's.
    Done,
}

/// What the old key signs for the ledger's record, so that the record proves itself to whoever can read it.
fn announcement(old: &NoteKey, new: &NoteKey) -> String {
    format!("bartizan key announcement v1\n{}\n{}\n", old.verifier(), new.verifier())
}

fn lock(ledger: &config::Ledger) -> anyhow::Result<FsDisk> {
    FsDisk::lock(&audit::log_folder(&ledger.dir))
        .context("the keys are in use: stop the gateway first")
}

/// Records something about our keys, durably.
async fn record(
    opened: &mut Opened,
    ledger: &config::Ledger,
    evidence: &Value,
    sources: &Sources,
) -> anyhow::Result<Receipt> {
    office(opened, ledger, sources).write_new(RecordKind::KeyEvent, evidence).await
}

/// Gives the tenant another key. How many keys are wrapped by it now.
///
/// # Errors
/// When a gateway runs, the ledger cannot be opened or written, or a key cannot be replaced. After a crash the next start goes on with whichever
/// key the store has by then.
pub(crate) fn rotate_tenant(place: &Place, sources: &Sources) -> anyhow::Result<usize> {
    let ledger = place.ledger()?;
    let disk = lock(&ledger)?;
    opening::runtime()?.block_on(async {
        let mut opened = opening::open_alone(&ledger, disk, Anchoring::Strict, sources).await?;
        let by = operator(sources);
        let evidence = json!({"version": 2, "event": "rotated", "key": "tenant", "by": by});
        record(&mut opened, &ledger, &evidence, sources).await?;
        let Closed { vault, .. } = opened.close(sources)?;
        vault.rotate_tenant(&ledger.dir, sources)
    })
}

/// Lets another key sign the log from now on: its public key. The log keeps its name.
///
/// # Errors
/// When a gateway runs, the ledger cannot be opened or written, or a key cannot be replaced. Giving the order again then goes on.
pub(crate) fn rotate_log(place: &Place, sources: &Sources) -> anyhow::Result<String> {
    rotate_log_until(Step::Done, place, sources)
}

/// [`rotate_log`], as far as a crash lets it come.
fn rotate_log_until(last: Step, place: &Place, sources: &Sources) -> anyhow::Result<String> {
    let ledger = place.ledger()?;
    let state = &ledger.dir;
    let disk = Arc::new(lock(&ledger)?);
    let how = opening::How {
        ledger: &ledger,
        disk: Arc::clone(&disk) as Arc<dyn Disk>,
        options: bartizan_ledger::Options::default(),
        anchoring: Anchoring::Strict,
        cuts_tail: false,
    };
    let runtime = opening::runtime()?;
    let mut opened = runtime.block_on(opening::open(how, sources))?;
    let old = Arc::clone(&opened.vault.signer);
    let new = vault::next_log_key(state, old.name(), sources)?;
    let public = new.verifier().to_string();
    if last == Step::Made {
        return Ok(public);
    }
    let evidence = json!({
        "version": 2, "event": "rotated", "key": "log", "by": operator(sources),
        "old": old.verifier().to_string(), "new": public, "signature": signature(&old, &new)?,
    });
    let event = runtime.block_on(record(&mut opened, &ledger, &evidence, sources))?;
    if last == Step::Recorded {
        return Ok(public);
    }
    let Closed { anchor, vault } = opened.close(sources)?;
    let folder = audit::log_folder(state);
    let steps: [(Step, &dyn Fn() -> anyhow::Result<()>); 6] = [
        (Step::Closed, &|| Ok(disk.sync_dir()?)),
        (Step::CrossSigned, &|| Ok(cross_sign(&*disk, &*old, &new)?)),
        (Step::HandedOver, &|| {
            let published = Published::find(&*disk)?;
            let checkpoint = published.map(|published| published.checkpoint()).transpose()?;
            let Some(checkpoint) = checkpoint.flatten() else { bail!("there is no checkpoint") };
            Handover::new(&*old, &new, event, &checkpoint)?.write(&folder, &*old, &new)
        }),
        (Step::Published, &|| vault::publish_key(&folder, &new)),
        (Step::Replaced, &|| vault::take_next_log_key(state)),
        (Step::Done, &|| anchor.write_by(&new)),
    ];
    for (_, step) in steps.iter().filter(|(step, _)| *step <= last) {
        step()?;
    }
    drop(vault);
    Ok(public)
}

/// What going on with a ledger that is not what it should be came to.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Leaves that the vault knew, where that were more or others.
    pub(crate) known: Option<u64>,
    /// What was cut off.
    pub(crate) cut: Option<CutTail>,
    /// Leaves that there were.
    pub(crate) leaves: u64,
    /// Index of the last record that says so.
    pub(crate) index: u64,
}

/// Goes on with a ledger that is older than the vault knows; nothing where it is not. What the vault knows to be destroyed stays destroyed.
///
/// * `cuts_tail`: whether what the log's key does not vouch for is cut off the end first, and kept in `torn/`.
///
/// # Errors
/// When a gateway runs, the ledger cannot be opened or written, or a witness knows better.
pub(crate) fn accept(
    place: &Place,
    cuts_tail: bool,
    sources: &Sources,
) -> anyhow::Result<Option<Accepted>> {
    let ledger = place.ledger()?;
    let disk: Arc<dyn Disk> = Arc::new(lock(&ledger)?);
    let how = opening::How {
        ledger: &ledger,
        disk: Arc::clone(&disk),
        options: bartizan_ledger::Options::default(),
        anchoring: Anchoring::SetBack,
        cuts_tail,
    };
    opening::runtime()?.block_on(async {
        let mut opened = opening::open(how, sources).await?;
        let (set_back, cut) = (opened.set_back, opened.cut.take());
        let (leaves, mut last) = (opened.recovery.leaves, None);
        if let Some(cut) = &cut {
            last = Some(record_cut(&mut opened, &ledger, cut, sources).await?.index);
            cut_is_recorded(&*disk)?;
        }
        if let Some(known) = set_back {
            last = Some(record_set_back(&mut opened, &ledger, known, sources).await?.index);
        }
        opened.close(sources)?;
        let known = set_back.map(|(known, _)| known);
        Ok(last.map(|index| Accepted { known, cut, leaves, index }))
    })
}

fn office<'o>(opened: &'o mut Opened, ledger: &config::Ledger, sources: &'o Sources) -> Office<'o> {
    Office {
        recorder: &opened.ledger,
        keys: &opened.vault.keys,
        anchor: &mut opened.anchor,
        retention: ledger.retention,
        sources,
    }
}

async fn record_cut(
    opened: &mut Opened,
    ledger: &config::Ledger,
    cut: &CutTail,
    sources: &Sources,
) -> anyhow::Result<Receipt> {
    let CutTail { leaves, bytes, copies } = cut;
    let evidence = json!({
        "version": 1, "action": "accept_cut_tail", "by": operator(sources),
        "leaves": leaves, "cut_bytes": bytes, "copies": copies,
    });
    office(opened, ledger, sources).decide(&evidence).await
}

async fn record_set_back(
    opened: &mut Opened,
    ledger: &config::Ledger,
    (known, root): (u64, Digest),
    sources: &Sources,
) -> anyhow::Result<Receipt> {
    let evidence = json!({
        "version": 1, "action": "accept_set_back", "by": operator(sources),
        "known": {"leaves": known, "root": root}, "found": {"leaves": opened.recovery.leaves},
    });
    let lost = opened.anchor.without_tombstone()?;
    let mut office = office(opened, ledger, sources);
    let receipt = office.decide(&evidence).await?;
    // The tombstones of the lost part: without them a key that is gone lawfully would look stolen.
    for key in lost {
        let evidence =
            json!({"version": 1, "action": "erase", "by": "the vault, after a set back"});
        office.destroy(key, &evidence).await?;
    }
    // What was recorded in the part that is lost is recorded again by the next start.
    forget_recorded(&ledger.dir)?;
    Ok(receipt)
}

fn forget_recorded(state: &Path) -> anyhow::Result<()> {
    let path = state.join(RECORDED_FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot take {} away", path.display()))
        }
        _ => Ok(()),
    }
}

/// The old key's signature over the announcement of the new one, in hexadecimal.
fn signature(old: &NoteKey, new: &NoteKey) -> anyhow::Result<String> {
    let bytes = old.sign(announcement(old, new).as_bytes())?;
    let (quarters, _) = bytes.as_chunks::<16>();
    Ok(quarters.iter().map(|quarter| RecordId(*quarter).to_string()).collect())
}

#[cfg(test)]
mod tests;
