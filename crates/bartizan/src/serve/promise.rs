//! What a configuration promises of its guards and of its records: whether texts are scanned, which models go by which route and how each route is
//! recorded, where the ledger is, who watches over it, and how long what is kept can be read.
//!
//! A change of it is recorded like a change of the policy, before it is in force: else whoever can write the file could switch the guards or recording
//! off for an hour, or have an archive forgotten, and nothing would say so.
use crate::config::{Config, LedgerMode, Retention, Witness};
use crate::witness::policy;
use bartizan_core::digest::Digest;
use bartizan_gateway::exchange::{Durability, weakness_bits};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

mod words;

/// How evidence says that guards or a ledger are off.
const OFF: &str = "off";

/// As it is written into the evidence of a change of policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promise {
    /// Whether texts are scanned: `on` or `off`.
    guards: String,
    /// The mode of the ledger: `durable` or `off`.
    ledger: String,
    /// The state folder, which has the ledger in it.
    folder: String,
    /// Who watches over the log from elsewhere.
    witnesses: Option<WitnessPromise>,
    /// In the order of the file: the first whose patterns fit takes the model.
    routes: Vec<RoutePromise>,
    /// Days.
    pub(super) retention: Retention,
}

/// Of the witnesses of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessPromise {
    /// SHA-256 of the file that names them.
    policy: Digest,
    /// Whether the gateway is unready without them.
    required: bool,
}

/// Of one route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutePromise {
    name: String,
    /// The patterns of the models that go this way.
    models: Vec<String>,
    /// What is promised of its records, where the ledger is on.
    durability: String,
    /// The header that names the person whom a record is sealed for.
    subject_header: Option<String>,
}

/// What the configuration alone does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    folder: String,
    witnesses: Option<WitnessPromise>,
}

impl WitnessPromise {
    pub(super) fn new(settings: &Witness, policy: Digest) -> Self {
        Self { policy, required: settings.require }
    }
}

impl Ground {
    /// Of a ledger that is open.
    pub(super) fn of(state: &Path, witnesses: Option<WitnessPromise>) -> Self {
        Self { folder: place(state).display().to_string(), witnesses }
    }

    /// Of what a configuration asks for, as far as that can be read.
    fn asked(config: &Config) -> Self {
        let witnesses = config.ledger.witness.as_ref().filter(|_| is_on(config));
        let read = |settings: &Witness| {
            // One that cannot be read is another one than any that can: a restart will say why.
            let digest = policy::digest(&settings.policy).unwrap_or(Digest([0; 32]));
            WitnessPromise::new(settings, digest)
        };
        Self::of(&config.ledger.dir, witnesses.map(read))
    }
}

/// Where a folder is, whatever it was called. One that is not there yet is where it would be made.
fn place(folder: &Path) -> PathBuf {
    let absolute = || std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    folder.canonicalize().unwrap_or_else(|_| absolute())
}

fn is_on(config: &Config) -> bool {
    config.ledger.mode == LedgerMode::Durable
}

impl Promise {
    pub(super) fn of(config: &Config, ground: &Ground) -> Self {
        let Ground { folder, witnesses } = ground.clone();
        let guards = if super::is_scanning(config) { "on" } else { OFF };
        let ledger = if is_on(config) { "durable" } else { OFF };
        let routes = config.routes_in_force().into_iter().map(|route| RoutePromise {
            durability: route.durability.unwrap_or_default().name().to_owned(),
            name: route.name,
            models: route.models,
            subject_header: route.subject_header,
        });
        Self {
            guards: guards.to_owned(),
            ledger: ledger.to_owned(),
            folder,
            witnesses,
            routes: routes.collect(),
            retention: config.ledger.retention,
        }
    }

    /// What a configuration asks for, as far as that can be read.
    pub(crate) fn asked(config: &Config) -> Self {
        Self::of(config, &Ground::asked(config))
    }

    /// Whether texts are scanned.
    pub(crate) fn is_scanning(&self) -> bool {
        self.guards != OFF
    }

    /// Whether there is a ledger at all.
    pub(crate) fn is_ledger_on(&self) -> bool {
        self.ledger != OFF
    }

    /// The routes that record nothing, although there is a ledger.
    pub(crate) fn silent_routes(&self) -> impl Iterator<Item = &str> {
        let off = Durability::Off.name();
        self.routes.iter().filter(move |route| route.durability == off).map(|route| &*route.name)
    }

    /// Whether whatever goes by is recorded.
    pub(crate) fn is_recording(&self) -> bool {
        self.is_ledger_on() && self.silent_routes().next().is_none()
    }

    /// The bits of the leaf that says so, by which somebody without the vault sees it.
    ///
    /// * `asked`: what is in force from the next start on.
    pub(crate) fn bits(&self, asked: &Self) -> u64 {
        let is_leaving = asked.folder != self.folder;
        weakness_bits(
            !self.is_scanning(),
            !self.is_recording() || !asked.is_ledger_on() || is_leaving,
        )
    }

    /// What `/readyz` says of guards and records that are off.
    pub(super) fn notices(&self) -> Vec<String> {
        let guards = (!self.is_scanning()).then(|| GUARDS_OFF.to_owned());
        let names: Vec<_> = self.silent_routes().collect();
        let names = names.join(", ");
        let silent = if !self.is_ledger_on() {
            Some("nothing is recorded, because `[ledger] mode` is \"off\"".to_owned())
        } else if names.is_empty() {
            None
        } else {
            Some(format!(
                "nothing is recorded of what goes by these routes, whose durability is \"off\": {names}"
            ))
        };
        guards.into_iter().chain(silent).collect()
    }
}

/// What is said where nothing is scanned.
const GUARDS_OFF: &str =
    "the guards are off, because `[guard] mode` is \"off\": every text passes unread";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_notices_tell_what_is_off() {
        let upstream = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
        let promise = |text: &str| {
            let config = Config::parse("bartizan.toml", &format!("{text}{upstream}")).unwrap();
            Promise::asked(&config)
        };
        let silent = "[[route]]\nname = \"chat\"\n[[route]]\nname = \"probe\"\nmodels = [\"p\"]\ndurability = \"off\"\n";
        for (name, text, asked, bits, words) in [
            ("all is on", "", "", [false, false], &[][..]),
            ("bounded", "[[route]]\nname = \"a\"\ndurability = \"bounded\"\n", "", [false; 2], &[]),
            ("guards", "[guard]\nmode = \"off\"\n", "", [true, false], &["every text passes"]),
            ("a route", silent, silent, [false, true], &["durability is \"off\": probe"]),
            (
                "the ledger",
                "[ledger]\nmode = \"off\"\n",
                "",
                [false, true],
                &["nothing is recorded, because"],
            ),
            (
                "guards and the ledger",
                "[ledger]\nmode = \"off\"\n[guard]\nmode = \"off\"\n",
                "",
                [true, true],
                &["every text passes", "nothing is recorded"],
            ),
            ("off from the next start on", "", "[ledger]\nmode = \"off\"\n", [false, true], &[]),
            ("another folder from then on", "", "[ledger]\ndir = \"b\"\n", [false, true], &[]),
            ("guards that only will be off", "", "[guard]\nmode = \"off\"\n", [false, false], &[]),
        ] {
            let (now, asked) = (promise(text), promise(asked));
            let asked = if name == "all is on" { now.clone() } else { asked };
            assert_eq!(now.bits(&asked), weakness_bits(bits[0], bits[1]), "{name}");
            let notices = now.notices();
            assert_eq!(notices.len(), words.len(), "{name}: {notices:?}");
            assert!(notices.iter().zip(words).all(|(said, word)| said.contains(word)), "{name}");
        }
    }

    /// However a folder is called, it is one place.
    #[test]
    fn a_folder_is_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let at = |path: PathBuf| Ground::of(&path, None);
        std::os::unix::fs::symlink(&state, folder.path().join("link")).unwrap();
        assert_eq!(at(state.clone()), at(folder.path().join("state/../link")));
        assert_ne!(at(state), at(folder.path().join("other")));
    }
}
