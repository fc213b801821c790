//! One bit that rots, in every kind of file: `verify` names the place, the key store its slot, and nobody ever reads another text.
use super::life::{Life, options};
use super::truth::Truth;
use super::world::{CHECKPOINT, LEDGER, Outcome, SLOTS, World, say, tombstones};
use bartizan_core::disk::Disk as _;
use bartizan_core::seal::OpenError;
use bartizan_keys::KeyState;
use bartizan_ledger::{LedgerError, Verification};
use bartizan_testkit::{SimDisk, SplitMix};

const N_STEPS: usize = 12;
const N_FLIPS: usize = 8;
const N_SEGMENTS_MAX: u64 = 64;

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
    let files = files(&world)?;
    for n in 0..N_FLIPS {
        let Some(file) = files.get((n + chance.below(files.len())) % files.len()) else { continue };
        let flipped = world.with(world.sim.copy());
        let (at, is_used) = flip(&flipped.sim, file, &mut chance);
        judge(flipped, &truth, file, is_used)
            .map_err(|why| format!("{file} byte {at} (in use: {is_used}): {why}"))?;
    }
    Ok(N_FLIPS as u64)
}

/// The files of a closed log that count.
fn files(world: &World) -> Outcome<Vec<String>> {
    let size = world.checkpoint().ok_or("no checkpoint")?.checkpoint().size();
    let (n_full, rest) = (size / 256, size % 256);
    let mut files = vec![SLOTS.to_owned(), CHECKPOINT.to_owned()];
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
    let used = content.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
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
    let is_named = if file.contains("segment-") { segment == file } else { text.contains(path) };
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
