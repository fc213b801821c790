//! What `[guard.second_model]` may have wrong without a look at the model itself.
use super::Step::{Item, Name};
use super::{Check, Step, choice, shown};
use crate::config::{Guard, SecondRule, Shares};
use crate::second::{HOW_TO_BUILD, IS_BUILT_IN};
use bartizan_second::{Label, Place};

/// Most tokens of a text that may be asked for.
const SECOND_TOKENS_MAX: usize = 64 << 10;
/// The longest time for one text, in milliseconds.
const SECOND_TIME_MS_MAX: u64 = 60_000;
/// Most texts that may be judged at a time.
const SECOND_CONCURRENCY_MAX: usize = 64;
/// Most texts that may wait.
const SECOND_WAITING_MAX: usize = 4_096;

impl Check<'_> {
    pub(super) fn second_model(&mut self, guard: &Guard) {
        let Some(second) = &guard.second_model else { return };
        let table = [Name("guard"), Name("second_model")];
        let at = |name| [Name("guard"), Name("second_model"), Name(name)];
        if !IS_BUILT_IN {
            let message = "this program was built without the feature `transformers`".to_owned();
            self.add(&table, message, HOW_TO_BUILD);
            return;
        }
        let names = Label::ALL.map(Label::name);
        if second.labels.is_empty() {
            let help = "say what the model calls it: labels = { injection = \"INJECTION\" }";
            self.add(&at("labels"), "the model is asked for nothing".to_owned(), help);
        }
        for name in second.labels.keys().filter(|name| Label::of(name).is_none()) {
            let message = format!("there is no label `{}`", shown(name));
            self.add(&at("labels"), message, choice(name, &names));
        }
        self.band(&at("band"), second.band);
        let (tokens_max, time_ms) = (second.tokens_max, second.time_ms);
        for (name, said, least, most) in [
            ("tokens_max", tokens_max, 1, SECOND_TOKENS_MAX),
            ("concurrency", second.concurrency, 1, SECOND_CONCURRENCY_MAX),
            ("waiting_max", second.waiting_max, 0, SECOND_WAITING_MAX),
        ] {
            if !(least..=most).contains(&said) {
                let help = format!("write a number from {least} to {most}");
                self.add(&at(name), format!("`{name}` is {said}"), help);
            }
        }
        if !(1..=SECOND_TIME_MS_MAX).contains(&time_ms) {
            let help = format!("write a number of milliseconds from 1 to {SECOND_TIME_MS_MAX}");
            self.add(&at("time_ms"), format!("`time_ms` is {time_ms}"), help);
        }
        self.list(&at("rule"), second.rule.len());
        for (n, rule) in second.rule.iter().enumerate() {
            let earlier = second.rule.get(..n).unwrap_or_default();
            self.second_rule(n, rule, earlier, second.labels.keys());
        }
    }

    fn second_rule<'l>(
        &mut self,
        n: usize,
        rule: &SecondRule,
        earlier: &[SecondRule],
        mut labels: impl Iterator<Item = &'l String>,
    ) {
        let at = |name| [Name("guard"), Name("second_model"), Name("rule"), Item(n), Name(name)];
        if !labels.any(|label| *label == rule.label) {
            let message = format!("the model is not asked for `{}`", shown(&rule.label));
            self.add(&at("label"), message, "name one of `labels`");
        } else if Label::of(&rule.label).is_some_and(|label| label.kind(rule.source).is_none()) {
            let message =
                format!("`{}` is not asked for in texts of `{}`", rule.label, rule.source);
            self.add(&at("source"), message, "name another source, or take the rule out");
        }
        let is_same = |other: &SecondRule| {
            other.label == rule.label && Place::of(other.source) == Place::of(rule.source)
        };
        if earlier.iter().any(is_same) {
            let help = "keep one; what tools give back and documents are treated alike";
            self.add(&at("label"), "there is a rule for it already".to_owned(), help);
        }
        if let Some(band) = rule.band {
            self.band(&at("band"), band);
        }
    }

    fn band(&mut self, at: &[Step<'_>], band: Shares) {
        if band.to < band.from {
            let message = "the band ends before it begins".to_owned();
            self.add(at, message, "write the lower score first: band = [0.2, 0.8]");
        }
    }
}
