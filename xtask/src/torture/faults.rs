//! Disks that fail: each operation that makes something durable, of each kind of file, and the slow disk.
//!
//! After a failure somebody must be told, nothing may be acknowledged any more, and a restart on a mended disk must find all that was.
use super::life::{Life, options};
use super::meddler::{After, Deed, Operation, Order, Target, Which};
use super::truth::Truth;
use super::world::{Outcome, World};
use bartizan_testkit::SplitMix;
use std::time::Duration;

const N_STEPS: usize = 12;
/// A slow disk's sync.
const SLOW: Duration = Duration::from_millis(2);
/// Operations of the kind that go well before one fails, at most.
const N_GOOD_MAX: usize = 6;
/// Attempts to let a fault happen: some lives end before theirs comes.
const N_TRIES: u64 = 20;

/// Where a disk fails: the operation, the path's start and its end.
const PLACES: [(Operation, &str, &str); 17] = [
    (Operation::Write, "ledger/segment-", ""),
    (Operation::Data, "ledger/segment-", ""),
    (Operation::Data, "ledger/segment-", ".new"),
    (Operation::Names, "ledger/", "ledger/"),
    (Operation::Write, "ledger/log/tile/0/", ""),
    (Operation::Data, "ledger/log/tile/0/", ""),
    (Operation::Names, "ledger/log/tile/0/", ""),
    (Operation::Write, "ledger/log/tile/entries/", ""),
    (Operation::Data, "ledger/log/tile/entries/", ""),
    (Operation::Names, "ledger/log/tile/entries/", ""),
    (Operation::Names, "ledger/log/tile/", "tile/"),
    (Operation::Names, "ledger/log/", "log/"),
    (Operation::Write, "ledger/log/checkpoint", ""),
    (Operation::Data, "ledger/log/checkpoint", ""),
    (Operation::Write, "vault/keys.slots", ""),
    (Operation::Data, "vault/keys.slots", ""),
    (Operation::Names, "vault/", ""),
];

/// One fault that happened; tries until one does.
pub(crate) fn case(seed: u64) -> Outcome<u64> {
    for attempt in 0..N_TRIES {
        if attempted(seed, attempt)? {
            return Ok(1);
        }
    }
    Err(format!("no fault happened in {N_TRIES} attempts"))
}

fn order(seed: u64, chance: &mut SplitMix) -> Order {
    // Each place in its turn, so that few cases meet all of them.
    let at = usize::try_from(seed).unwrap_or(0) % PLACES.len();
    let &(operation, starts, ends) = PLACES.get(at).unwrap_or(&PLACES[0]);
    let n_good = chance.below(N_GOOD_MAX) as u64;
    let deed = match chance.below(7) {
        0 => Deed::Slow(SLOW),
        1 | 2 => Deed::Full(n_good),
        _ => Deed::Fail(n_good),
    };
    let target = Target { operation, starts, ends, which: Which::Any, after: After::Any };
    Order { target, deed, n_spared: 0 }
}

/// A life with a fault in it, and the one after; whether the fault happened.
fn attempted(seed: u64, attempt: u64) -> Outcome<bool> {
    let mut chance = SplitMix::new(seed << 8 | attempt);
    let order = order(seed, &mut chance);
    let mut world = World::new(seed, options(&mut chance))?;
    let mut truth = Truth::default();
    // Some disks fail from the first day on, others when there is a log already.
    if chance.one_in(2) {
        let fate = world.fate(None);
        let process = world.open(&fate)?;
        Life::new(&world, &process, &fate, &mut truth).run(N_STEPS / 2, &mut chance)?;
        drop(process);
        truth.close(&world);
    }
    let fate = world.fate(Some(order));
    let is_slow = matches!(order.deed, Deed::Slow(_));
    match world.open(&fate) {
        Err(error) if fate.n_done() == 0 || is_slow => return Err(format!("cannot open: {error}")),
        Err(_) => {}
        Ok(process) => {
            let mut life = Life::new(&world, &process, &fate, &mut truth);
            life.run(N_STEPS, &mut chance)?;
            let (n_done, is_told) = (fate.n_done(), life.is_told);
            if is_slow && is_told {
                return Err("a slow disk is no reason to stop".to_owned());
            }
            if 0 < n_done && !is_slow && !is_told {
                told_late(&mut life, &mut chance)?;
            }
            drop(process);
        }
    }
    // A file system whose names cannot be written is read-only until it is mounted again, which forgets what was in the cache.
    let is_remounted = order.target.operation == Operation::Names && 0 < fate.n_done();
    if is_remounted || chance.one_in(2) {
        world.sim.crash(chance.draw());
    }
    truth.check_image(&world).map_err(|why| format!("{order:?}: {why}"))?;
    judge(&mut world, &mut truth, &mut chance).map_err(|why| format!("{order:?}: {why}"))?;
    Ok(0 < fate.n_done())
}

/// What failed on the second thread is told to the next that asks, or the one after.
fn told_late(life: &mut Life<'_>, chance: &mut SplitMix) -> Outcome<()> {
    const WAITS: usize = 200;
    for _ in 0..WAITS {
        life.run(1, chance)?;
        if life.is_told {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("something failed, and nobody was told".to_owned())
}

/// A restart on a mended disk, and a power cut after it: what recovery wrote does not rest on what a failed sync left in the cache.
fn judge(world: &mut World, truth: &mut Truth, chance: &mut SplitMix) -> Outcome<()> {
    for round in 0..2 {
        let process = world.open(&world.fate(None));
        let process = process.map_err(|error| format!("cannot open (round {round}): {error}"))?;
        truth.check(world, &process)?;
        drop(process);
        truth.look(world)?;
        truth.close(world);
        world.sim.crash(chance.draw());
        truth.check_image(world)?;
    }
    Ok(())
}
