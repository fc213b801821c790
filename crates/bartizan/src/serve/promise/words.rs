//! What changed between two promises, in words that an auditor can read without the configuration at hand.
use super::{Promise, RoutePromise};
use crate::config::Retention;

/// Changes that are named one by one; the promises themselves have the others.
const CHANGES_NAMED_MAX: usize = 64;
/// Patterns of a route, or routes of an order, that are named.
const NAMES_NAMED_MAX: usize = 8;

impl Promise {
    /// What is another thing now than it was before.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let mut note = |what: &str, was: &str, is: &str| changes.extend(change(what, was, is));
        note("[guard] mode", &before.guards, &self.guards);
        note("[ledger] mode", &before.ledger, &self.ledger);
        for (class, was, is) in days(before.retention, self.retention) {
            note(&format!("[ledger.retention] {class}"), &was.to_string(), &is.to_string());
        }
        changes.extend(self.ground_changes(before));
        changes.extend(self.routing_changes(before));
        for route in &self.routes {
            let old = before.route(&route.name);
            changes.extend(old.into_iter().flat_map(|old| route.terms_since(old)));
        }
        let n_more = changes.len().saturating_sub(CHANGES_NAMED_MAX);
        changes.truncate(CHANGES_NAMED_MAX);
        if 0 < n_more {
            changes.push(format!("and {n_more} more: compare the promises"));
        }
        changes
    }

    /// What is another thing now about where the log is, and who watches over it.
    pub(crate) fn ground_changes(&self, before: &Self) -> Vec<String> {
        let folder = change("the state folder", &before.folder, &self.folder);
        let witnesses = change("witnesses", &before.witness_words(), &self.witness_words());
        folder.into_iter().chain(witnesses).collect()
    }

    /// What is another thing now about which models go by which route.
    pub(crate) fn routing_changes(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for route in &self.routes {
            match before.route(&route.name) {
                Some(old) => changes.extend(route.patterns_since(old)),
                None => changes.push(format!("route {} is new: {}", route.name, route.words())),
            }
        }
        for old in before.routes.iter().filter(|old| self.route(&old.name).is_none()) {
            changes.push(format!("route {} is gone: {}", old.name, old.words()));
        }
        let order = |of: &Self, with: &Self| -> Vec<String> {
            let names = of.routes.iter().map(|route| route.name.clone());
            names.filter(|name| with.route(name).is_some()).collect()
        };
        let (was, is) = (order(before, self), order(self, before));
        if was != is {
            changes.push(format!("the order of the routes: {} -> {}", list(&was), list(&is)));
        }
        changes
    }

    fn route(&self, name: &str) -> Option<&RoutePromise> {
        self.routes.iter().find(|route| route.name == name)
    }

    fn witness_words(&self) -> String {
        self.witnesses.as_ref().map_or_else(
            || "none".to_owned(),
            |witnesses| {
                let how = if witnesses.required { "required" } else { "asked" };
                format!("{how}, by the policy {}", witnesses.policy)
            },
        )
    }
}

impl RoutePromise {
    fn patterns_since(&self, before: &Self) -> Option<String> {
        let (was, is) = (list(&before.models), list(&self.models));
        // Where only the first few are named, the others may differ.
        let is_beyond = was == is && before.models != self.models;
        let is = if is_beyond { format!("{is} (others)") } else { is };
        change(&format!("route {}, models", self.name), &was, &is)
    }

    fn terms_since(&self, before: &Self) -> impl Iterator<Item = String> {
        let header = |route: &Self| route.subject_header.clone().unwrap_or("none".to_owned());
        let about = |what: &str| format!("route {}, {what}", self.name);
        let durability = change(&about("durability"), &before.durability, &self.durability);
        let subject = change(&about("subject_header"), &header(before), &header(self));
        durability.into_iter().chain(subject)
    }

    fn words(&self) -> String {
        format!("models {}, durability {}", list(&self.models), self.durability)
    }
}

fn change(what: &str, was: &str, is: &str) -> Option<String> {
    (was != is).then(|| format!("{what}: {was} -> {is}"))
}

fn days(was: Retention, is: Retention) -> [(&'static str, u64, u64); 3] {
    [
        ("payload_days", was.payload_days, is.payload_days),
        ("traffic_days", was.traffic_days, is.traffic_days),
        ("admission_days", was.admission_days, is.admission_days),
    ]
}

fn list(names: &[String]) -> String {
    let first: Vec<_> = names.iter().take(NAMES_NAMED_MAX).map(String::as_str).collect();
    let n_more = names.len().saturating_sub(NAMES_NAMED_MAX);
    let more = if n_more == 0 { String::new() } else { format!(" and {n_more} more") };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn promise(text: &str) -> Promise {
        let upstream = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
        let config = Config::parse("bartizan.toml", &format!("{text}{upstream}")).unwrap();
        Promise::asked(&config)
    }

    fn route(name: &str, models: &str, more: &str) -> String {
        format!("[[route]]\nname = \"{name}\"\nmodels = {models}\n{more}\n")
    }

    #[test]
    fn every_change_is_told_in_words() {
        let (probe, chat) =
            (route("probe", "[\"health-probe\"]", ""), route("chat", "[\"*\"]", ""));
        let both = format!("{probe}{chat}");
        let many = |n: usize| {
            let patterns: Vec<_> = (0..n).map(|n| format!("\"m{n}\"")).collect();
            route("a", &format!("[{}]", patterns.join(", ")), "")
        };
        for (name, before, now, want) in [
            ("nothing", both.clone(), both.clone(), &[][..]),
            (
                "patterns",
                both.clone(),
                format!("{}{chat}", route("probe", "[\"*\"]", "")),
                &["route probe, models: health-probe -> *"],
            ),
            (
                "the order",
                both.clone(),
                format!("{chat}{probe}"),
                &["the order of the routes: probe, chat -> chat, probe"],
            ),
            (
                "a new route",
                chat.clone(),
                both.clone(),
                &["route probe is new: models health-probe, durability strict"],
            ),
            (
                "a route that is gone",
                both.clone(),
                chat.clone(),
                &["route probe is gone: models health-probe, durability strict"],
            ),
            (
                "durability",
                chat.clone(),
                route("chat", "[\"*\"]", "durability = \"off\""),
                &["route chat, durability: strict -> off"],
            ),
            (
                "whom it is about",
                chat.clone(),
                route("chat", "[\"*\"]", "subject_header = \"x-user\""),
                &["route chat, subject_header: none -> x-user"],
            ),
            (
                "the guards",
                String::new(),
                "[guard]\nmode = \"off\"\n".to_owned(),
                &["[guard] mode: on -> off"],
            ),
            (
                "the ledger",
                String::new(),
                "[ledger]\nmode = \"off\"\n".to_owned(),
                &["[ledger] mode: durable -> off"],
            ),
            (
                "its folder",
                "[ledger]\ndir = \"/a\"\n".to_owned(),
                "[ledger]\ndir = \"/b\"\n".to_owned(),
                &["the state folder: /a -> /b"],
            ),
            (
                "witnesses",
                "[ledger.witness]\npolicy = \"/absent\"\nrequire = true\n".to_owned(),
                String::new(),
                &[
                    "witnesses: required, by the policy 0000000000000000000000000000000000000000000000000000000000000000 -> none",
                ],
            ),
            (
                "days",
                String::new(),
                "[ledger.retention]\npayload_days = 9\nadmission_days = 8\n".to_owned(),
                &[
                    "[ledger.retention] payload_days: 200 -> 9",
                    "[ledger.retention] admission_days: 3653 -> 8",
                ],
            ),
            (
                "more patterns than are named",
                many(9),
                many(8),
                &[
                    "route a, models: m0, m1, m2, m3, m4, m5, m6, m7 and 1 more -> m0, m1, m2, m3, m4, m5, m6, m7",
                ],
            ),
            (
                "the last of many",
                many(9),
                many(9).replace("m8", "x"),
                &[
                    "route a, models: m0, m1, m2, m3, m4, m5, m6, m7 and 1 more -> m0, m1, m2, m3, m4, m5, m6, m7 and 1 more (others)",
                ],
            ),
        ] {
            assert_eq!(promise(&now).changes_since(&promise(&before)), want, "{name}");
        }
    }

    #[test]
    fn no_more_changes_are_named_than_somebody_reads() {
        let all = |how: &str| -> String {
            let routes = (0..=CHANGES_NAMED_MAX)
                .map(|n| route(&format!("r{n}"), "[\"*\"]", &format!("durability = \"{how}\"")));
            routes.collect()
        };
        let changes = promise(&all("off")).changes_since(&promise(&all("strict")));
        assert_eq!(changes.len(), CHANGES_NAMED_MAX + 1);
        assert_eq!(changes.last().unwrap(), "and 1 more: compare the promises");
    }
}
