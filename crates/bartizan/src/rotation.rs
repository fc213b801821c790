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
use crate::orders::{Office, Rule, operator};
use crate::serve::{RECORDED_FILE, Sources, contradiction, remark};
use crate::vault::{self, Anchoring};
use crate::{audit, config, owner};
use anyhow::{Context as _, bail};
use bartizan_core::digest::Digest;
use bartizan_core::disk::Disk;
use bartizan_core::record::{Receipt, RecordId, RecordKind};
use bartizan_core::sign::Signer;
use bartizan_keys::NoteKey;
use bartizan_ledger::{CutTail, FsDisk, FsDiskError, Published, cross_sign, cut_is_recorded};
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

fn lock(ledger: &config::Ledger, sources: &Sources) -> anyhow::Result<FsDisk> {
    owner::check(&ledger.dir, sources.user)?;
    match FsDisk::lock(&audit::log_folder(&ledger.dir)) {
        Err(error @ FsDiskError::Locked { .. }) => {
            Err(error).context("the keys are in use: stop the gateway first")
        }
        locked => Ok(locked?),
    }
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
    let disk = lock(&ledger, sources)?;
    opening::runtime()?.block_on(async {
        let opened = opening::open_alone(&ledger, disk, Anchoring::Strict, sources).await;
        let mut opened =
            opened.context("the tenant's key was not replaced, and nothing was done")?;
        let done = replace_tenant(&mut opened, &ledger, sources).await;
        let closed = opened.close(sources);
        let n_rewrapped = done?;
        closed.context(
            "the tenant's key is replaced; only what the vault notes of the ledger could not be written, and the next start does that",
        )?;
        Ok(n_rewrapped)
    })
}

/// The ledger hears first that the key is to be replaced, and then what came of it: it never says of a key that it was replaced before it was.
async fn replace_tenant(
    opened: &mut Opened,
    ledger: &config::Ledger,
    sources: &Sources,
) -> anyhow::Result<usize> {
    let by = operator(sources);
    let told = |event: &str| json!({"version": 2, "event": event, "key": "tenant", "by": by});
    let announced = record(opened, ledger, &told("rotating"), sources).await;
    announced.context(
        "the tenant's key was not replaced, because the ledger could not be told that it is to be",
    )?;
    match opened.vault.rewrap(&ledger.dir, sources) {
        Ok(n_rewrapped) => {
            let placed = vault::take_next_tenant_key(&ledger.dir);
            record(opened, ledger, &told("rotated"), sources).await?;
            placed
                .context("the key store has the new key already; the next start finishes this")?;
            Ok(n_rewrapped)
        }
        Err(error) => {
            let told = record(opened, ledger, &told("rotation_failed"), sources).await;
            let told = if told.is_ok() { ", and the ledger says so" } else { "" };
            Err(error.context(format!("the tenant's key was not replaced{told}")))
        }
    }
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
    let disk: Arc<dyn Disk> = Arc::new(lock(&ledger, sources)?);
    rotate_log_on(&disk, last, &ledger, sources)
}

/// [`rotate_log_until`], on the ledger's folder as it is given. Whoever is told of an error is told how far this came.
fn rotate_log_on(
    disk: &Arc<dyn Disk>,
    last: Step,
    ledger: &config::Ledger,
    sources: &Sources,
) -> anyhow::Result<String> {
    let state = &ledger.dir;
    let how = opening::How {
        ledger,
        disk: Arc::clone(disk),
        options: bartizan_ledger::Options::default(),
        anchoring: Anchoring::Strict,
        cuts_tail: false,
    };
    let runtime = opening::runtime()?;
    let opened = runtime.block_on(opening::open(how, sources));
    let mut opened = opened.context("the log's key is not replaced, and nothing was done")?;
    if let Some(shown) = &opened.contradiction {
        // Nothing is signed then, and an old key that signs nothing hands over to nobody.
        bail!("{}", shown.told(&audit::log_folder(state)));
    }
    let old = Arc::clone(&opened.vault.signer);
    let new = vault::next_log_key(state, old.name(), sources)
        .context("the log's key is not replaced, and the old one goes on: nothing was done")?;
    let mut turn = Turn { done: Step::Made, event: None, public: new.verifier().to_string() };
    let turned = if last == Step::Made {
        Ok(())
    } else {
        let evidence = json!({
            "version": 2, "event": "rotated", "key": "log", "by": operator(sources),
            "old": old.verifier().to_string(), "new": turn.public, "signature": signature(&old, &new)?,
        });
        let event = runtime.block_on(record(&mut opened, ledger, &evidence, sources));
        event.and_then(|event| {
            (turn.done, turn.event) = (Step::Recorded, Some(event));
            if last == Step::Recorded {
                return Ok(());
            }
            let closed = opened.close(sources)?;
            turn.hand_over(last, &**disk, state, (&old, &new), closed)
        })
    };
    match turned {
        Ok(()) => Ok(turn.public),
        Err(error) => Err(error.context(turn.told(&audit::log_folder(state)))),
    }
}

/// A rotation of the log's key under way.
struct Turn {
    /// The last step that was done.
    done: Step,
    /// The ledger's record of it.
    event: Option<Receipt>,
    /// The next public key.
    public: String,
}

impl Turn {
    /// The steps after the ledger was closed.
    fn hand_over(
        &mut self,
        last: Step,
        disk: &dyn Disk,
        state: &Path,
        (old, new): (&NoteKey, &NoteKey),
        Closed { anchor, vault }: Closed,
    ) -> anyhow::Result<()> {
        let folder = audit::log_folder(state);
        let Some(event) = self.event else { bail!("the ledger has no record of it") };
        let steps: [(Step, &dyn Fn() -> anyhow::Result<()>); 6] = [
            (Step::Closed, &|| Ok(disk.sync_dir()?)),
            (Step::CrossSigned, &|| Ok(cross_sign(disk, old, new)?)),
            (Step::HandedOver, &|| {
                let published = Published::find(disk)?;
                let checkpoint = published.map(|published| published.checkpoint()).transpose()?;
                let Some(checkpoint) = checkpoint.flatten() else {
                    bail!("there is no checkpoint")
                };
                Handover::new(old, new, event, &checkpoint)?.write(&folder, old, new)
            }),
            (Step::Published, &|| vault::publish_key(&folder, new)),
            (Step::Replaced, &|| vault::take_next_log_key(state)),
            (Step::Done, &|| {
                anchor.write_by(new)?;
                remark(state, old, new)?;
                Rule::remark(state, old, new)
            }),
        ];
        for (name, step) in steps.iter().filter(|(name, _)| *name <= last) {
            step()?;
            self.done = *name;
        }
        drop(vault);
        Ok(())
    }

    /// What was done, what was not, and the way out. A step that failed may have had its effect all the same, so the one that decides which key goes
    /// on is looked up.
    fn told(&self, ledger: &Path) -> String {
        let Self { done, event, public } = self;
        let first = vault::published_keys(ledger).ok().and_then(|keys| keys.into_iter().next());
        if first.is_some_and(|key| key.to_string() == *public) {
            return format!(
                "the log's key is as good as replaced: {public} comes first in log.vkey, and signs from the next start on, which finishes the rest; mend this, and start the gateway (another `bartizan vault rotate log` would replace that key, too)"
            );
        }
        let leaf = event.map_or_else(
            || "whether the ledger has a record of it, `bartizan audit list` shows".to_owned(),
            |event| format!("leaf {} says which key comes", event.index),
        );
        let mut parts = vec!["the next key lies in the vault".to_owned(), leaf];
        if Step::CrossSigned <= *done {
            parts.push("both keys have signed the last checkpoint".to_owned());
        }
        if Step::HandedOver <= *done {
            parts.push("the note of it lies beside the log".to_owned());
        }
        format!(
            "the log's key is not replaced, and the old one goes on ({}): once this is mended, give `bartizan vault rotate log` again, which goes on with the same next key",
            parts.join("; ")
        )
    }
}

/// What going on with a ledger that is not what it should be came to.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// Leaves that the vault knew, where that were more or others.
    pub(crate) known: Option<u64>,
    /// What was cut off.
    pub(crate) cut: Option<CutTail>,
    /// Keys that the vault had been given, where it does not have all of them.
    pub(crate) lost_keys: Option<u64>,
    /// What a witness had shown.
    pub(crate) contradiction: Option<String>,
    /// Leaves that there were.
    pub(crate) leaves: u64,
    /// Index of the last record that says so.
    pub(crate) index: u64,
}

impl Accepted {
    /// For programs; also where there was nothing to accept.
    pub(crate) fn json(accepted: Option<&Self>) -> Value {
        let cut = accepted.and_then(|accepted| accepted.cut.as_ref());
        json!({
            "accepted": accepted.is_some(),
            "known": accepted.and_then(|accepted| accepted.known),
            "leaves": accepted.map(|accepted| accepted.leaves),
            "index": accepted.map(|accepted| accepted.index),
            "cut_bytes": cut.map(|cut| cut.bytes),
            "copies": cut.map(|cut| &cut.copies),
            "known_keys": accepted.and_then(|accepted| accepted.lost_keys),
            "contradiction": accepted.and_then(|accepted| accepted.contradiction.as_ref()),
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self { leaves, index, .. } = self;
        let mut parts = vec![format!("accepted: the ledger goes on from leaf {leaves}")];
        parts.extend(self.known.map(|known| format!("the vault knew {known}")));
        parts.extend(self.cut.as_ref().map(|cut| {
            let copies = cut.copies.join(", ledger/");
            format!("{} bytes were cut off, kept in ledger/{copies}", cut.bytes)
        }));
        parts.extend(
            self.lost_keys.map(|known| format!("the vault had {known} keys, and lacks some")),
        );
        parts.extend(
            self.contradiction.as_ref().map(|shown| format!("in spite of what was shown: {shown}")),
        );
        format!("{}. Leaf {index} is the record of it", parts.join("; "))
    }
}

/// Goes on with a ledger that is older than the vault knows, or that a witness has contradicted, and with a vault that lacks keys; nothing where none
/// of that is so. What the vault knows to be destroyed stays destroyed.
///
/// * `cuts_tail`: whether what the log's key does not vouch for is cut off the end first, and kept in `torn/`.
///
/// # Errors
/// When a gateway runs, the ledger cannot be opened or written, something in it is not as it was written, or a witness knows better.
pub(crate) fn accept(
    place: &Place,
    cuts_tail: bool,
    sources: &Sources,
) -> anyhow::Result<Option<Accepted>> {
    let ledger = place.ledger()?;
    let disk: Arc<dyn Disk> = Arc::new(lock(&ledger, sources)?);
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
        let leaves = opened.recovery.leaves;
        let mut accepted = Accepted { leaves, ..Accepted::default() };
        let mut last = None;
        if let Some(cut) = &cut {
            last = Some(record_cut(&mut opened, &ledger, cut, sources).await?);
            cut_is_recorded(&*disk)?;
        }
        if let Some(known) = set_back {
            last = Some(record_set_back(&mut opened, &ledger, known, sources).await?);
        }
        if 0 < opened.followed.keys_lost {
            let (known, receipt) = record_lost_keys(&mut opened, &ledger, sources).await?;
            (accepted.lost_keys, last) = (Some(known), Some(receipt));
        }
        if let Some(contradiction) = opened.contradiction.take() {
            let evidence = json!({
                "version": 1, "action": "accept_contradiction", "by": operator(sources),
                "reason": contradiction.reason, "seen_ms": contradiction.unix_ms,
            });
            last = Some(office(&mut opened, &ledger, sources).decide(&evidence).await?);
            contradiction::settle(&audit::log_folder(&ledger.dir), sources.clock.unix_ms())?;
            accepted.contradiction = Some(contradiction.reason);
        }
        opened.close(sources)?;
        (accepted.known, accepted.cut) = (set_back.map(|(known, _)| known), cut);
        Ok(last.map(|last| Accepted { index: last.index, ..accepted }))
    })
}

async fn record_lost_keys(
    opened: &mut Opened,
    ledger: &config::Ledger,
    sources: &Sources,
) -> anyhow::Result<(u64, Receipt)> {
    let known = opened.anchor.accept_lost_keys();
    let found = known.saturating_sub(opened.followed.keys_lost);
    let evidence = json!({
        "version": 1, "action": "accept_lost_keys", "by": operator(sources),
        "known": known, "found": found,
    });
    Ok((known, office(opened, ledger, sources).decide(&evidence).await?))
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
mod full_disk_tests;
#[cfg(test)]
mod tests;
