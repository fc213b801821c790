//! What a process does until something ends it: exchanges of several people, and now and then one of them is forgotten.
use super::meddler::Fate;
use super::truth::Truth;
use super::world::{Outcome, Process, SLOTS, UNIX_MS, World, say};
use bartizan_core::record::{
    Draft, Leaf, Outcome as End, Payload, RecordError, RecordId, RecordKind, Recorder as _, Slot,
};
use bartizan_ledger::Options;
use bartizan_testkit::{SplitMix, wait};

const SUBJECTS: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// Leaves of a full tile, nearly: so many that a life gets over its edge.
const N_FILLED: usize = 236;
const N_PER_GROUP: usize = 59;

/// Limits that make much happen in a short life, in many combinations.
pub(crate) fn options(chance: &mut SplitMix) -> Options {
    Options {
        segment_bytes: pick(chance, [16 << 10, 32 << 10, 64 << 10]),
        checkpoint_interval_us: pick(chance, [0, 0, 1_000_000]),
        checkpoint_leaves: pick(chance, [3, 20, 1_000]),
        prepare_ahead: chance.one_in(4),
        gather_us: 0,
        ..Options::default()
    }
}

/// One of these, by chance.
pub(crate) fn pick<T: Copy, const N: usize>(chance: &mut SplitMix, of: [T; N]) -> T {
    of.get(chance.below(N)).or(of.first()).copied().expect("there is something to pick from")
}

fn name(chance: &mut SplitMix) -> RecordId {
    let mut id = [0; 16];
    chance.fill(&mut id);
    RecordId(id)
}

fn draft_with(
    n_payloads: usize,
    (kind, id): (RecordKind, RecordId),
    subject: Option<&str>,
    chance: &mut SplitMix,
) -> Draft {
    let mut leaf = Leaf::new(id, kind, UNIX_MS);
    leaf.outcome = (kind == RecordKind::Outcome).then_some(End::Completed);
    leaf.verdict = chance.draw();
    let slots = Slot::ALL.iter().take(n_payloads);
    let payload = |&slot| {
        let n_bytes_max = if chance.one_in(12) { 9_000 } else { 300 };
        let mut bytes = vec![0; chance.below(n_bytes_max)];
        chance.fill(&mut bytes);
        Payload { slot, bytes }
    };
    let payloads = slots.map(payload).collect();
    let mut draft = Draft::new(leaf, payloads);
    draft.subject = subject.map(str::to_owned);
    draft
}

/// A life under way.
pub(crate) struct Life<'a> {
    pub(crate) world: &'a World,
    pub(crate) process: &'a Process,
    pub(crate) fate: &'a Fate,
    pub(crate) truth: &'a mut Truth,
    /// INTENTs that this life may still end, and whom they are about.
    open: Vec<(RecordId, Option<&'static str>)>,
    /// How many people there are; the one after the last is nobody in particular.
    n_subjects: usize,
    /// Whether somebody was told that the ledger or the key store has stopped.
    pub(crate) is_told: bool,
}

impl<'a> Life<'a> {
    pub(crate) fn new(
        world: &'a World,
        process: &'a Process,
        fate: &'a Fate,
        truth: &'a mut Truth,
    ) -> Self {
        let n_subjects = SUBJECTS.len() + 1;
        Self { world, process, fate, truth, open: Vec::new(), n_subjects, is_told: false }
    }

    /// The same life with one person in it, whose first record makes every key that there will be.
    pub(crate) fn alone(self) -> Self {
        Self { n_subjects: 1, ..self }
    }

    /// Goes on for so many steps, or until somebody is told that it is over.
    pub(crate) fn run(&mut self, n_steps: usize, chance: &mut SplitMix) -> Outcome<()> {
        for _ in 0..n_steps {
            match chance.below(15) {
                0 | 1 => self.erase(chance)?,
                // Where one person has every key, syncs of the key store are rare, and some bugs need that.
                2 if 1 < self.n_subjects => self.rotate()?,
                3..=6 => self.crowd(chance)?,
                _ => {
                    let drafts = self.drafts(1 + chance.below(4), chance);
                    self.send(vec![drafts])?;
                }
            }
            self.truth.look(self.world)?;
            if self.is_told {
                break;
            }
        }
        Ok(())
    }

    /// Nearly fills the first tile, so that the life that follows publishes a full one.
    pub(crate) fn fill(&mut self, chance: &mut SplitMix) -> Outcome<()> {
        for _ in 0..N_FILLED / N_PER_GROUP {
            let plain = |_| {
                let leaf = Leaf::new(name(chance), RecordKind::Decision, UNIX_MS);
                Draft::new(leaf, Vec::new())
            };
            let drafts = (0..N_PER_GROUP).map(plain).collect();
            self.send(vec![drafts])?;
            if self.is_told {
                break;
            }
        }
        Ok(())
    }

    fn draft(
        &self,
        kind: RecordKind,
        id: RecordId,
        subject: Option<&str>,
        chance: &mut SplitMix,
    ) -> Draft {
        let n_most = Slot::ALL.len();
        let n_payloads = if self.n_subjects == 1 { n_most } else { chance.below(n_most + 1) };
        draft_with(n_payloads, (kind, id), subject, chance)
    }

    fn drafts(&mut self, n: usize, chance: &mut SplitMix) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for _ in 0..n {
            if !self.open.is_empty() && chance.one_in(2) {
                let (id, subject) = self.open.swap_remove(chance.below(self.open.len()));
                drafts.push(self.draft(RecordKind::Outcome, id, subject, chance));
            } else {
                let subject = SUBJECTS.get(chance.below(self.n_subjects)).copied();
                let id = name(chance);
                self.open.push((id, subject));
                drafts.push(self.draft(RecordKind::Intent, id, subject, chance));
            }
        }
        drafts
    }

    /// Several callers at once, each with one record, none of which depends on another.
    fn crowd(&mut self, chance: &mut SplitMix) -> Outcome<()> {
        let mut jobs = Vec::new();
        for _ in 0..2 + chance.below(3) {
            let subject = SUBJECTS.get(chance.below(self.n_subjects)).copied();
            jobs.push(vec![self.draft(RecordKind::Decision, name(chance), subject, chance)]);
        }
        self.send(jobs)
    }

    /// Puts jobs in line, one after the other, and then waits for all of them.
    fn send(&mut self, jobs: Vec<Vec<Draft>>) -> Outcome<()> {
        let mut waiting = Vec::new();
        for drafts in jobs {
            for draft in &drafts {
                self.truth.note(draft);
            }
            let recorded = self.process.ledger.append_all(drafts.clone());
            for draft in &drafts {
                // Sealing happened on this thread, with the key that the subject has at this moment.
                let subject = draft.subject.as_deref().unwrap_or_default();
                let tag = self.process.keys.tag(subject).map_err(say)?;
                let key = self.process.keys.subject_key(tag);
                if let Some(sent) = self.truth.of(draft) {
                    sent.key = key;
                }
            }
            waiting.push((drafts, recorded));
        }
        for (drafts, recorded) in waiting {
            match wait(recorded) {
                Ok(_) => {
                    for draft in &drafts {
                        if let Some(sent) = self.truth.of(draft) {
                            sent.is_sure = true;
                        }
                    }
                }
                Err(error) => self.told(&error)?,
            }
        }
        Ok(())
    }

    fn told(&mut self, error: &RecordError) -> Outcome<()> {
        let text = error.to_string();
        if text.contains("its thread ended") {
            return Err(format!("a thread of the ledger panicked: {text}"));
        }
        self.blame(&text)
    }

    /// An error is fine when something has happened to this process.
    fn blame(&mut self, text: &str) -> Outcome<()> {
        let is_reason = self.world.sim.is_off() || self.fate.is_dead() || 0 < self.fate.n_done();
        if !is_reason {
            return Err(format!("an error without a reason: {text}"));
        }
        self.is_told = true;
        Ok(())
    }

    /// Forgets somebody: the tombstone first, and once that is durable, the key.
    fn erase(&mut self, chance: &mut SplitMix) -> Outcome<()> {
        let subject = SUBJECTS.get(chance.below(SUBJECTS.len())).copied().unwrap_or_default();
        let tag = self.process.keys.tag(subject).map_err(say)?;
        let Some(key) = self.process.keys.subject_key(tag) else { return Ok(()) };
        let backup = self.world.sim.content(SLOTS);
        let evidence = Payload { slot: Slot::Evidence, bytes: b"by request".to_vec() };
        let leaf = Leaf::new(key, RecordKind::Tombstone, UNIX_MS);
        self.send(vec![vec![Draft::new(leaf, vec![evidence])]])?;
        if self.is_told {
            return Ok(());
        }
        self.truth.backup = backup.map(|bytes| (bytes, self.world.tenants().clone()));
        let before = self.world.wrapped(SLOTS);
        match self.process.keys.destroy(key) {
            Ok(_) => {
                let after = self.world.wrapped(SLOTS);
                self.world.check_gone(&before.difference(&after).copied().collect())
            }
            Err(error) => self.blame(&error.to_string()),
        }
    }

    /// Gives the tenant another key. Once that is done, nothing on the device opens with the old one.
    fn rotate(&mut self) -> Outcome<()> {
        let before = self.world.wrapped(SLOTS);
        match self.world.rotate(self.process) {
            Ok(()) => self.world.check_gone(&before),
            Err(error) => self.blame(&error),
        }
    }
}
