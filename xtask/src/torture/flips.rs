//! One bit that rots: `verify` names the place, the key store its slot, a key file is refused, and nobody ever reads another text.
//!
//! The files are those of a closed log and of the key store, the key files, and the journal of a process that was killed a moment ago. The
//! witness's state and the vault's anchor have such a test beside the code.
use super::life::{Life, options};
use super::truth::Truth;
use super::world::{CHECKPOINT, LEDGER, Outcome, SLOTS, WITNESSED, World, say, tombstones};
use bartizan_core::disk::Disk as _;
use bartizan_core::seal::OpenError;
use bartizan_keys::KeyState;
use bartizan_ledger::{LedgerError, Verification};
use bartizan_testkit::{SimDisk, SplitMix};

const N_STEPS: usize = 12;
const N_FLIPS: usize = 8;
const N_SEGMENTS_MAX: u64 = 64;
/// Bytes of a segment before its first group.
const BLOCK: usize = 4096;

/// One closed log, and several copies of it with a flipped bit each.
pub(crate) fn case(seed: u64) -> Outcome<u64> {
    let mut chance = SplitMix::new(seed);
    let mut world = World::new(seed, options(&mut chance))?;
    let mut truth = Truth::default();
    let fate = world.fate(None);
    let process = world.open(&fate)?;
    let mut life = Life::new(&world, &process, &fate, &mut truth);
    if chance.one_in(2) {
        life.fill(&mut chance)?;
    }
    life.run(N_STEPS, &mut chance)?;
    drop(process);
    // Once more, so that every INTENT has its OUTCOME.
    let process = world.open(&fate)?;
    truth.check(&world, &process)?;
    drop(process);
    // As if a quorum of nobody had cosigned the last checkpoint: witnesses' lines are for a policy to judge.
    let checkpoint = world.sim.content(CHECKPOINT).ok_or("no checkpoint")?;
    world.sim.edit(WITNESSED, |bytes| *bytes = checkpoint);
    let files = files(&world)?;
    for n in 0..N_FLIPS {
        let Some(file) = files.get((n + chance.below(files.len())) % files.len()) else { continue };
        let flipped = world.with(world.sim.copy());
        let (at, is_used) = flip(&flipped.sim, file, &mut chance);
        judge(flipped, &truth, file, is_used)
            .map_err(|why| format!("{file} byte {at} (in use: {is_used}): {why}"))?;
    }
    let n_keys = judge_keys(&world, &mut chance)?;
    after_kill(seed).map_err(|why| format!("after a kill: {why}"))?;
    Ok(N_FLIPS as u64 + n_keys + 1)
}

/// A key file with one flipped bit is refused, or holds the same key: never another one.
fn judge_keys(world: &World, chance: &mut SplitMix) -> Outcome<u64> {
    let files = world.key_files();
    for (name, text, read) in &files {
        let at = chance.below(text.trim_end().len());
        let mut bytes = text.clone().into_bytes();
        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << chance.below(8));
        match read(&bytes) {
            Ok(again) if again != *text => {
                return Err(format!("{name} byte {at}: it is read as another key"));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(files.len() as u64)
}

/// A bit that flips in the journal of a process that was killed: whatever becomes of the records behind the checkpoint, somebody is told, and
/// what was cut off is kept.
fn after_kill(seed: u64) -> Outcome<()> {
    /// Bytes at the end among which the flipped one is: what no checkpoint stands for yet.
    const TAIL: usize = 3000;
    let mut chance = SplitMix::new(!seed);
    let mut world = World::new(seed, options(&mut chance))?;
    let mut truth = Truth::default();
    let fate = world.fate(None);
    let process = world.open(&fate)?;
    Life::new(&world, &process, &fate, &mut truth).run(N_STEPS, &mut chance)?;
    fate.kill();
    drop(process);
    let segments = (0..N_SEGMENTS_MAX).map(|number| format!("{LEDGER}/segment-{number:08}.log"));
    let used = |file: &String| Some(used_bytes(&world.sim.content(file)?));
    let last =
        segments.filter_map(|file| used(&file).map(|n| (file, n))).rfind(|(_, n)| BLOCK < *n);
    let Some((file, n_used)) = last else { return Ok(()) };
    let at = n_used - 1 - chance.below(TAIL.min(n_used - BLOCK));
    let mask = 1 << chance.below(8);
    world.sim.edit(&file, |bytes| bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask));
    let place = format!("{file} byte {at}");
    let report = world.verify()?.ok_or("the log is gone")?;
    let is_told = report.problem.is_some() || 0 < report.unfinished_bytes;
    // What is refused is not touched, and whoever is told that can look.
    let Ok(process) = world.open(&world.fate(None)) else {
        return if report.problem.is_some() {
            Ok(())
        } else {
            Err(format!("{place}: refused, and verify is content"))
        };
    };
    let n_missing = truth.n_missing(&world)?;
    if 0 < n_missing && !is_told {
        return Err(format!(
            "{place}: {n_missing} records are lost, and verify said nothing of it"
        ));
    }
    if 0 < n_missing && process.torn.is_none() {
        return Err(format!("{place}: {n_missing} records are lost, and nothing of them was kept"));
    }
    Ok(())
}

fn used_bytes(content: &[u8]) -> usize {
    content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// The files of a closed log that count.
fn files(world: &World) -> Outcome<Vec<String>> {
    let size = world.checkpoint().ok_or("no checkpoint")?.checkpoint().size();
    let (n_full, rest) = (size / 256, size % 256);
    let mut files = vec![SLOTS.to_owned(), CHECKPOINT.to_owned(), WITNESSED.to_owned()];
    files.extend((0..N_SEGMENTS_MAX).map(|number| format!("{LEDGER}/segment-{number:08}.log")));
    for kind in ["0", "entries"] {
        files.extend((0..n_full).map(|n| format!("{LEDGER}/log/tile/{kind}/{n:03}")));
        files.push(format!("{LEDGER}/log/tile/{kind}/{n_full:03}.p/{rest}"));
    }
    files.push(format!("{LEDGER}/log/tile/1/000.p/{n_full}"));
    files.retain(|file| world.sim.content(file).is_some());
    Ok(files)
}

/// Flips a bit, mostly one in use: the byte, and whether it stands before the last one that is not zero.
fn flip(sim: &SimDisk, file: &str, chance: &mut SplitMix) -> (usize, bool) {
    let content = sim.content(file).unwrap_or_default();
    let used = used_bytes(&content);
    let within = if chance.one_in(8) { content.len() } else { used.max(1) };
    let at = chance.below(within);
    let mask = 1 << chance.below(8);
    sim.edit(file, |bytes| bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= mask));
    (at, at < used)
}

fn judge(mut world: World, truth: &Truth, file: &str, is_used: bool) -> Outcome<()> {
    if file == SLOTS {
        return judge_slots(&mut world, truth);
    }
    let report = world.verify()?.ok_or("the log is gone")?;
    names(&report, file, is_used)?;
    // Whatever opening it makes of it, it does not make it good.
    let opened = world.open(&world.fate(None));
    drop(opened);
    if is_used {
        let report = world.verify()?.ok_or("the log is gone")?;
        names(&report, file, is_used).map_err(|why| format!("once opened: {why}"))?;
    }
    Ok(())
}

/// Whether the damage is named.
fn names(report: &Verification, file: &str, is_used: bool) -> Outcome<()> {
    let Some(problem) = &report.problem else {
        // A segment's unused end may hold a write that was cut off; that is said, and no damage.
        let is_tail = !is_used && file.contains("segment-") && 0 < report.unfinished_bytes;
        return if is_tail { Ok(()) } else { Err(format!("nobody noticed: {report:?}")) };
    };
    let path = file.strip_prefix("ledger/log/").unwrap_or(file);
    let segment = format!("{LEDGER}/segment-{:08}.log", problem.segment);
    let text = problem.to_string();
    let is_named = match file {
        _ if file.contains("segment-") => segment == file,
        WITNESSED => text.contains("witness"),
        // Where the two checkpoints contradict each other about the log's name, the witnessed one is named: one of the two is wrong.
        CHECKPOINT => text.contains(path) || text.contains("log/witnessed"),
        _ => text.contains(path),
    };
    if is_named { Ok(()) } else { Err(format!("another place is named: {text}")) }
}

/// A key store with one flipped bit opens every text, or says which key it lacks; a text that it opens is the one that was sealed.
fn judge_slots(world: &mut World, truth: &Truth) -> Outcome<()> {
    let process = match world.open(&world.fate(None)) {
        // Its header: nothing is opened at all.
        Err(error) if error.contains("keys.slots") || error.contains("tenant") => return Ok(()),
        Err(error) => return Err(format!("an error that names something else: {error}")),
        Ok(process) => process,
    };
    let folder = world.sim.folder(LEDGER, false).map_err(say)?;
    let erased = tombstones(folder)?;
    if erased.iter().any(|&key| process.keys.state(key) == KeyState::Live) {
        return Err("an erased key is alive".to_owned());
    }
    let reader = world.reader().map_err(say)?;
    for entry in reader.entries().map_err(say)? {
        let entry = entry.map_err(say)?;
        let Some(sent) = truth.sent.get(&(entry.leaf.record, entry.leaf.kind)) else { continue };
        for (stored, payload) in entry.payloads.iter().zip(&sent.draft.payloads) {
            match reader.payload(&entry, stored, &*process.keys) {
                Ok(_) if sent.key.is_some_and(|key| erased.contains(&key)) => {
                    return Err("an erased text opens".to_owned());
                }
                Ok(clear) if clear == payload.bytes => {}
                Ok(_) => return Err("a payload opens as another text".to_owned()),
                Err(LedgerError::Sealed { error: OpenError::KeyGone { key }, .. }) => {
                    if process.n_damaged == 0 && !erased.contains(&key) {
                        return Err(format!("the key {key} is gone, and no damage is told"));
                    }
                }
                Err(LedgerError::Sealed { .. }) => {}
                Err(error) => return Err(say(error)),
            }
        }
    }
    Ok(())
}
