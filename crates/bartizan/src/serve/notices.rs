//! What `/readyz` has to say beside the gateway itself: of the witnesses, and of a clock that cannot be right.
use super::Promise;
use super::cosign::Watch;
use crate::anchor::Doubt;
use bartizan_gateway::http::{Notice, Notices};
use bartizan_ledger::Newest;
use std::sync::{Arc, Mutex, PoisonError};

/// A clock that is further behind the newest leaf than this cannot be right. Clocks that are set by the network are mended by less.
const CLOCK_BEHIND_MAX_MS: u64 = 120_000;

/// What makes the clock suspect.
pub(super) struct ClockSigns {
    newest: Option<Newest>,
    told: Mutex<Told>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    /// What is off, of guards and records.
    off: Vec<String>,
    /// Which retention waits for somebody's word.
    waiting: Option<String>,
    ahead: Option<Doubt>,
    is_behind: bool,
}

impl ClockSigns {
    pub(super) fn new(newest: Option<Newest>) -> Self {
        Self { newest, told: Mutex::default() }
    }

    fn told<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        // Every change is one assignment, so a poisoned lock is still a good one.
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The clock is so far on that nothing is destroyed by it, or is not any more. It is said in the log once each time that it begins.
    pub(super) fn is_ahead(&self, ahead: Option<Doubt>) {
        let was_ahead = self.told(|told| std::mem::replace(&mut told.ahead, ahead).is_some());
        match ahead {
            Some(doubt) if !was_ahead => tracing::warn!("{doubt}."),
            None if was_ahead => tracing::info!("The clock is believed again."),
            _ => {}
        }
    }

    /// What of guards and records is off from the start on. Whoever started it is told by the words of welcome, except of single routes.
    pub(super) fn begins(&self, promise: &Promise) {
        if promise.is_ledger_on() && promise.silent_routes().next().is_some() {
            promise.notices().last().into_iter().for_each(|words| tracing::warn!("{words}."));
        }
        self.told(|told| told.off = promise.notices());
    }

    /// What of guards and records is off now. It is said in the log each time that it changes.
    pub(super) fn promises(&self, promise: &Promise) {
        let now = promise.notices();
        let before = self.told(|told| std::mem::replace(&mut told.off, now.clone()));
        for words in now.iter().filter(|words| !before.contains(words)) {
            tracing::warn!("{words}.");
        }
        if now.is_empty() && !before.is_empty() {
            tracing::info!("Every text is scanned again, and every route recorded.");
        }
    }

    /// A retention that is shorter than the one before waits for somebody's word, or does not any more.
    pub(super) fn waits(&self, waiting: Option<String>) {
        let was_waiting = self.told(|told| std::mem::replace(&mut told.waiting, waiting.clone()));
        if let Some(words) = waiting.filter(|_| was_waiting.is_none()) {
            tracing::warn!("{words}.");
        }
    }

    /// Whether one does.
    pub(super) fn is_waiting(&self) -> bool {
        self.told(|told| told.waiting.is_some())
    }

    /// By how much the clock is behind the newest leaf, where that is too much.
    fn behind_ms(&self) -> Option<u64> {
        let behind_ms = self.newest.as_ref().map(Newest::clock_behind_ms);
        behind_ms.filter(|&by_ms| CLOCK_BEHIND_MAX_MS < by_ms)
    }

    /// Says it in the log, once each time that it begins.
    pub(super) fn look(&self) {
        let behind_ms = self.behind_ms();
        let was_behind =
            self.told(|told| std::mem::replace(&mut told.is_behind, behind_ms.is_some()));
        match behind_ms {
            Some(by_ms) if !was_behind => tracing::error!("{}.", behind(by_ms)),
            None if was_behind => tracing::info!("The clock has caught up with the newest leaf."),
            _ => {}
        }
    }

    fn reasons(&self) -> Vec<String> {
        let ahead = self.told(|told| told.ahead).map(|ahead| ahead.to_string());
        let (off, waiting) = self.told(|told| (told.off.clone(), told.waiting.clone()));
        self.behind_ms().map(behind).into_iter().chain(ahead).chain(off).chain(waiting).collect()
    }
}

fn behind(by_ms: u64) -> String {
    format!(
        "the clock is {} s behind the newest record: check it; what is recorded now is kept as long as if it came after that record",
        by_ms / 1000
    )
}

/// What there is to say beside the clock.
#[derive(Default)]
pub(super) struct Said {
    /// The witnesses that are asked.
    pub(super) watch: Option<Arc<Watch>>,
    /// What a witness has shown that is not asked any more.
    pub(super) shown: Option<String>,
    /// Keys that the vault lacks.
    pub(super) lost_keys: Option<String>,
}

/// All of it in one.
pub(super) fn notices(said: Said, signs: Arc<ClockSigns>) -> Notices {
    let Said { watch, shown, lost_keys } = said;
    Box::new(move || {
        let of_witnesses = watch.as_ref().and_then(|watch| watch.readiness());
        let is_unready =
            shown.is_some() || of_witnesses.as_ref().is_some_and(|notice| notice.is_unready);
        let said = of_witnesses.map(|notice| notice.reason);
        let said = shown.iter().cloned().chain(said).chain(lost_keys.iter().cloned());
        let reasons: Vec<String> = said.chain(signs.reasons()).collect();
        (!reasons.is_empty()).then(|| Notice { reason: reasons.join("; "), is_unready })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening::world::{START_MS, World};
    use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder as _};

    #[test]
    fn a_clock_that_cannot_be_right_is_told_and_stops_nothing() {
        let world = World::new();
        let opened = world.open().unwrap();
        let leaf = Leaf::new(RecordId([1; 16]), RecordKind::Decision, START_MS);
        world.wait(opened.ledger.append(Draft::new(leaf, Vec::new()))).unwrap();
        let signs = Arc::new(ClockSigns::new(Some(opened.ledger.newest())));
        let told = notices(Said::default(), Arc::clone(&signs));
        let ahead = Doubt::Ahead { by_ms: 40 * 86_400_000 };
        for (name, clock_ms, ahead, want) in [
            ("right", START_MS, None, &[][..]),
            ("mended by a network", START_MS - CLOCK_BEHIND_MAX_MS, None, &[]),
            ("behind", START_MS - CLOCK_BEHIND_MAX_MS - 1, None, &["120 s behind the newest"]),
            ("ahead", START_MS, Some(ahead), &["40 days after", "--confirm-clock"]),
            ("nobody knows", START_MS, Some(Doubt::Unknown), &["was lost", "--confirm-clock"]),
            ("both", 0, Some(ahead), &["behind the newest", "; ", "40 days after"]),
            ("right again", START_MS + 1, None, &[]),
        ] {
            world.wall.set_ms(clock_ms);
            signs.is_ahead(ahead);
            signs.look();
            let notice = told();
            assert_eq!(notice.is_some(), !want.is_empty(), "{name}: {notice:?}");
            let Some(notice) = notice else { continue };
            assert!(!notice.is_unready, "{name}");
            assert!(want.iter().all(|word| notice.reason.contains(word)), "{name}: {notice:?}");
        }
        let promise = |text: &str| {
            let text = format!("{text}[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n");
            let config = crate::config::Config::parse("bartizan.toml", &text).unwrap();
            Promise::asked(&config)
        };
        let (on, off) = (promise(""), promise("[guard]\nmode = \"off\"\n"));
        let guards = off.notices().join("; ");
        let both = format!("{guards}; fewer days");
        for (name, promise, waiting, want) in [
            ("no guards", &off, None, Some(guards.as_str())),
            ("a retention waits, too", &off, Some("fewer days"), Some(both.as_str())),
            ("it alone", &on, Some("fewer days"), Some("fewer days")),
            ("neither", &on, None, None),
        ] {
            signs.promises(promise);
            signs.waits(waiting.map(str::to_owned));
            let notice = told();
            assert!(notice.as_ref().is_none_or(|notice| !notice.is_unready), "{name}");
            assert_eq!(notice.map(|notice| notice.reason).as_deref(), want, "{name}");
            assert_eq!(signs.is_waiting(), waiting.is_some(), "{name}");
        }
        let said = |said: Said| notices(said, Arc::new(ClockSigns::new(None)))();
        let text = |text: &str| Some(text.to_owned());
        let lost_keys = text("keys are missing");
        let lost = said(Said { lost_keys: lost_keys.clone(), ..Said::default() }).unwrap();
        assert!(!lost.is_unready && lost.reason == "keys are missing", "{lost:?}");
        let both = said(Said { lost_keys, shown: text("shown"), watch: None }).unwrap();
        assert!(both.is_unready && both.reason == "shown; keys are missing", "{both:?}");
        assert_eq!(
            notices(Said::default(), Arc::new(ClockSigns::new(None)))(),
            None,
            "no ledger, no clock"
        );
    }
}
