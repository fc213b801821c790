//! What a configuration promises of its own records: the mode of the ledger, the durability of each route, and how long what is kept can be read.
//!
//! A change of it is recorded like a change of the policy, before it is in force: else whoever can write the file could switch recording off for an
//! hour, or have an archive forgotten, and nothing would say so.
use crate::config::{Config, LedgerMode, Retention};
use bartizan_gateway::exchange::Durability;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// As it is written into the evidence of a change of policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recording {
    /// `durable` or `off`.
    mode: String,
    /// The durability of each route, by its name.
    routes: BTreeMap<String, String>,
    /// Days.
    pub(super) retention: Retention,
}

impl Recording {
    pub(super) fn of(config: &Config) -> Self {
        let mode = match config.ledger.mode {
            LedgerMode::Durable => "durable",
            LedgerMode::Off => "off",
        };
        let routes = config.routes_in_force().into_iter().map(|route| {
            let durability = config.durability_of(&route).name().to_owned();
            (route.name, durability)
        });
        let (mode, routes) = (mode.to_owned(), routes.collect());
        Self { mode, routes, retention: config.ledger.retention }
    }

    pub(super) fn is_ledger_on(&self) -> bool {
        self.mode != "off"
    }

    /// The routes that record nothing.
    pub(crate) fn silent_routes(&self) -> impl Iterator<Item = &str> {
        let off = Durability::Off.name();
        self.routes.iter().filter(move |(_, how)| *how == off).map(|(name, _)| name.as_str())
    }

    /// What `/readyz` says of the routes that record nothing.
    pub(super) fn notice(&self) -> Option<String> {
        let names: Vec<_> = self.silent_routes().collect();
        if names.is_empty() {
            return None;
        }
        let names = names.join(", ");
        Some(match self.mode.as_str() {
            "off" => {
                format!("nothing is recorded, because `[ledger] mode` is \"off\" (routes: {names})")
            }
            _ => format!(
                "nothing is recorded of what goes by these routes, whose durability is \"off\": {names}"
            ),
        })
    }
}
