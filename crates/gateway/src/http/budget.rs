//! The over-defence budget: how many of the last requests were flagged as attacks, and whether that is more than an operator expects.
//!
//! It only counts and says so. A guard that gave way to volume could be switched off by volume.
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests that are remembered.
const REQUESTS_MAX: usize = 1000;
/// Fewest requests of which a share says anything.
const REQUESTS_MIN: usize = 100;
/// Class of the kinds that are attacks.
const CLASS: &str = "injection.";

/// The last requests. Every change is whole, so a poisoned lock is still a good one.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    flagged: VecDeque<bool>,
    n_flagged: usize,
    is_over: bool,
}

impl Window {
    fn push(&mut self, flagged: bool) {
        if self.flagged.len() == REQUESTS_MAX && self.flagged.pop_front() == Some(true) {
            self.n_flagged -= 1;
        }
        self.flagged.push_back(flagged);
        self.n_flagged += usize::from(flagged);
    }

    /// Thousandths, once there are enough requests.
    fn share(&self) -> Option<usize> {
        let n = self.flagged.len();
        (REQUESTS_MIN <= n).then(|| self.n_flagged * 1000 / n)
    }

    fn is_over(&self, max_thousandths: u16) -> bool {
        let n = self.flagged.len();
        REQUESTS_MIN <= n && usize::from(max_thousandths) * n < self.n_flagged * 1000
    }
}

impl Budget {
    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request into account, by what was found in it: `injection.override=1, pii.card=2`. The first one over the budget is said in
    /// the log.
    pub(super) fn saw(&self, findings: &str, max_thousandths: Option<u16>) {
        let flagged = findings.split(',').any(|piece| piece.trim_start().starts_with(CLASS));
        let (began, share) = {
            let mut window = self.window();
            window.push(flagged);
            let is_over = max_thousandths.is_some_and(|max| window.is_over(max));
            let was_over = std::mem::replace(&mut window.is_over, is_over);
            (is_over && !was_over, window.share())
        };
        if began {
            tracing::warn!("{}.", excess(share.unwrap_or(0)));
        }
    }

    /// What `/readyz` has to say, if anything.
    pub(super) fn warning(&self) -> Option<String> {
        let window = self.window();
        window.is_over.then(|| excess(window.share().unwrap_or(0)))
    }

    /// The share of flagged requests, 0 to 1; nothing while there are too few.
    pub(super) fn ratio(&self) -> Option<String> {
        self.window().share().map(|share| format!("{}.{:03}", share / 1000, share % 1000))
    }
}

fn excess(share: usize) -> String {
    format!(
        "{}.{} % of the last requests were flagged as attacks, more than `flagged_max`: look at them with `bartizan audit search`, and at docs/guides/calibrate.md if they are harmless; nothing is flagged less for it",
        share / 10,
        share % 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds so many requests, every `nth` of them flagged.
    fn fed(n: usize, nth: usize, max: Option<u16>) -> Budget {
        let budget = Budget::default();
        for at in 0..n {
            let findings =
                if at % nth == 0 { "pii.card=1, injection.override=2" } else { "pii.injection=1" };
            budget.saw(findings, max);
        }
        budget
    }

    #[test]
    fn an_excess_is_said_and_nothing_else_is() {
        for (name, n, nth, max, is_over) in [
            ("too few", REQUESTS_MIN - 1, 1, Some(10), false),
            ("all of them", REQUESTS_MIN, 1, Some(999), true),
            ("more than one in a hundred", 1000, 50, Some(10), true),
            ("exactly the budget", 1000, 100, Some(10), false),
            ("none asked for", 1000, 1, None, false),
        ] {
            let budget = fed(n, nth, max);
            assert_eq!(budget.warning().is_some(), is_over, "{name}: {:?}", budget.warning());
        }
    }

    #[test]
    fn only_the_last_requests_count() {
        let budget = fed(REQUESTS_MAX, 10, Some(50));
        assert_eq!(budget.ratio().as_deref(), Some("0.100"));
        assert!(budget.warning().is_some_and(|said| said.starts_with("10.0 %")));
        for _ in 0..REQUESTS_MAX {
            budget.saw("", Some(50));
        }
        assert_eq!((budget.ratio().as_deref(), budget.warning()), (Some("0.000"), None));
        assert_eq!(budget.window().flagged.len(), REQUESTS_MAX);
    }
}
