//! A few lives of one log. Each ends with a power cut or a kill at a random operation, or well; often recovery is cut off as well.
use super::life::{Life, options, pick};
use super::meddler::{Census, Order, Target};
use super::truth::Truth;
use super::world::{LEDGER, Outcome, SLOTS, World, say, tombstones};
use bartizan_core::disk::Disk as _;
use bartizan_keys::KeyState;
use bartizan_testkit::{SimDisk, SplitMix};

const N_LIVES: usize = 3;
const N_STEPS: usize = 12;
/// Operations after which a life ends at the latest, by the luck of the draw: early, somewhere, or perhaps not at all.
const CUTS: [usize; 3] = [12, 80, 500];

/// Files and folders whose sync a process may not live to see.
const DEADLY: [&str; 4] = ["vault/", "vault/", "ledger/segment-", "ledger/"];

/// How a life ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Power,
    Kill,
    Well,
}

/// One case: how many times the machine lost its power or its process.
pub(crate) fn case(seed: u64, lie: Option<Order>) -> Outcome<u64> {
    run(seed, lie, None).map(|case| case.n_crashes)
}

/// One case without a lie, whose syncs are counted.
pub(crate) fn counted(seed: u64, targets: &'static [Target]) -> Outcome<Census> {
    let case = run(seed, None, Some(targets))?;
    let mut census = Census::default();
    case.world.counted().iter().for_each(|fate| census.add(fate.census()));
    Ok(census)
}

fn run(seed: u64, lie: Option<Order>, targets: Option<&'static [Target]>) -> Outcome<Case> {
    let mut chance = SplitMix::new(seed);
    let limits = options(&mut chance);
    let world = World::new(seed, limits)?;
    let mut case = Case {
        world: match targets {
            Some(targets) => world.counting(targets),
            None => world,
        },
        truth: Truth::default(),
        lie,
        n_crashes: 0,
        is_long: chance.one_in(6),
        is_alone: chance.one_in(3),
    };
    for life in 0..N_LIVES {
        case.life(life, &mut chance).map_err(|why| format!("life {life}: {why}"))?;
    }
    Ok(case)
}

struct Case {
    world: World,
    truth: Truth,
    /// A sync that every process of this case leaves out.
    lie: Option<Order>,
    n_crashes: u64,
    is_long: bool,
    is_alone: bool,
}

impl Case {
    fn crash(&mut self, chance: &mut SplitMix) -> Outcome<()> {
        self.world.sim.crash(chance.draw());
        self.n_crashes += 1;
        self.truth.check_image(&self.world)
    }

    fn life(&mut self, life: usize, chance: &mut SplitMix) -> Outcome<()> {
        let end = pick(chance, [End::Power, End::Power, End::Power, End::Kill, End::Well]);
        self.work(life, end, chance)?;
        match end {
            End::Power => self.crash(chance)?,
            End::Kill => {
                self.n_crashes += 1;
                // Now and then the next life begins where this one stopped, and nobody looks in between.
                if life + 1 < N_LIVES && chance.one_in(2) {
                    return Ok(());
                }
            }
            // After a good end, the power may fail: nothing may depend on the cache.
            End::Well if chance.one_in(2) => self.crash(chance)?,
            End::Well => self.truth.check_image(&self.world)?,
        }
        // Often a second crash comes during the recovery from the first.
        while chance.one_in(2) {
            let fate = self.world.fate(self.lie);
            let n = 1 + chance.below(24) as u64;
            if chance.one_in(4) {
                fate.kill_at(n);
            } else {
                self.world.sim.cut_power_at(n);
            }
            match self.world.open(&fate) {
                Err(_) if self.world.sim.is_off() || fate.is_dead() => {}
                Err(error) => return Err(format!("cannot open: {error}")),
                Ok(process) => self.truth.started(&process),
            }
            if fate.is_dead() && chance.one_in(2) {
                self.n_crashes += 1;
            } else {
                self.crash(chance)?;
            }
        }
        self.judge(chance)
    }

    /// Opens the log and works until the end.
    fn work(&mut self, life: usize, end: End, chance: &mut SplitMix) -> Outcome<()> {
        let fate = self.world.fate(self.lie);
        let within = pick(chance, CUTS);
        let n = 1 + chance.below(within) as u64;
        let fills = self.is_long && life == 0;
        // What is filled in first is not what the cut is about.
        let n = n + if fills && chance.one_in(2) { 150 } else { 0 };
        match end {
            End::Power => self.world.sim.cut_power_at(n),
            End::Kill if chance.one_in(2) => {
                fate.kill_instead_of_sync(pick(chance, DEADLY), chance.below(5) as u64);
            }
            End::Kill => fate.kill_at(n),
            End::Well => {}
        }
        let process = match self.world.open(&fate) {
            Ok(process) => process,
            Err(_) if self.world.sim.is_off() || fate.is_dead() => return Ok(()),
            Err(error) => return Err(format!("cannot open: {error}")),
        };
        self.truth.started(&process);
        let lived = Life::new(&self.world, &process, &fate, &mut self.truth);
        let mut lived = if self.is_alone { lived.alone() } else { lived };
        if fills {
            lived.fill(chance)?;
        }
        if !lived.is_told {
            lived.run(N_STEPS, chance)?;
        }
        if end == End::Kill {
            fate.kill();
        }
        drop(process);
        self.truth.look(&self.world)?;
        if end == End::Well {
            self.truth.close(&self.world);
        }
        Ok(())
    }

    /// Opens the log without any harm, checks it, closes it, and checks that none of it depends on the cache.
    fn judge(&mut self, chance: &mut SplitMix) -> Outcome<()> {
        let process = self.world.open(&self.world.fate(self.lie));
        let process = process.map_err(|error| format!("cannot open: {error}"))?;
        self.truth.started(&process);
        self.truth.check(&self.world, &process)?;
        drop(process);
        self.truth.look(&self.world)?;
        self.truth.close(&self.world);
        let report = self.world.verify()?.ok_or("the log is gone")?;
        let is_clean = report.verified && report.open == 0 && report.unfinished_bytes == 0;
        if !is_clean || report.checkpoint != Some(report.leaves) {
            return Err(format!("after a good end: {report:?}"));
        }
        if chance.one_in(2) {
            self.crash(chance)?;
        }
        if chance.one_in(4) {
            self.restore()?;
        }
        Ok(())
    }

    /// Somebody restores a backup of the key store: it brings no erased key back.
    fn restore(&self) -> Outcome<()> {
        let Some((backup, tenants)) = &self.truth.backup else { return Ok(()) };
        let sim: SimDisk = self.world.sim.copy();
        sim.edit(SLOTS, |bytes| bytes.clone_from(backup));
        let mut world = self.world.with(sim);
        world.tenants().clone_from(tenants);
        let process = world.open(&world.fate(None)).map_err(|error| format!("backup: {error}"))?;
        let folder = world.sim.folder(LEDGER, false).map_err(say)?;
        for key in tombstones(folder)? {
            if process.keys.state(key) == KeyState::Live {
                return Err(format!("a backup brought the erased key {key} back"));
            }
        }
        Ok(())
    }
}
