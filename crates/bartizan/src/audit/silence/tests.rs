use super::*;
use crate::config::Config;

/// What a configuration promises.
fn promise(text: &str) -> Promise {
    let upstream = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
    let config = Config::parse("bartizan.toml", &format!("{text}{upstream}")).unwrap();
    Promise::asked(&config)
}

/// Leaves in their order, from 0 on, each with a configuration that came into force; those that begin with `?` cannot be opened.
fn said(configurations: &[&str], n_older: u64) -> Vec<String> {
    let changes = configurations.iter().zip(0..).map(|(text, index)| {
        let promised = promise(text.trim_start_matches('?'));
        let verdict = promised.bits(&promised);
        let told = Told { promised: Some(promised), waiting: Vec::new() };
        (index, verdict, Some(told).filter(|_| !text.starts_with('?')))
    });
    story(changes, n_older)
}

const ON: &str = "[[route]]\nname = \"chat\"\n";
const CHAT_OFF: &str = "[[route]]\nname = \"chat\"\ndurability = \"off\"\n";
const GUARDS_OFF: &str = "[guard]\nmode = \"off\"\n[[route]]\nname = \"chat\"\n";
const LEDGER_OFF: &str = "[ledger]\nmode = \"off\"\n";
const SEALED_ON: &str = "?[[route]]\nname = \"chat\"\n";
const SEALED_OFF: &str = "?[[route]]\nname = \"chat\"\ndurability = \"off\"\n";
const PROBE: &str = "[[route]]\nname = \"probe\"\nmodels = [\"health\"]\ndurability = \"off\"\n[[route]]\nname = \"chat\"\n";
const PROBE_ALL: &str = "[[route]]\nname = \"probe\"\nmodels = [\"*\"]\ndurability = \"off\"\n[[route]]\nname = \"chat\"\n";

#[test]
fn every_stretch_without_guards_or_records_is_told() {
    for (name, configurations, want) in [
        ("nothing", &[ON, ON][..], &[][..]),
        (
            "off and on",
            &[ON, CHAT_OFF, ON],
            &["leaf 1 switched recording off for route chat (until leaf 2)"],
        ),
        (
            "a harmless one after a real one",
            &[ON, LEDGER_OFF, ON, CHAT_OFF, ON],
            &[
                "leaf 1 switched recording off altogether (until leaf 2)",
                "leaf 3 switched recording off for route chat (until leaf 4)",
            ],
        ),
        (
            "two at a time",
            &[ON, GUARDS_OFF, CHAT_OFF],
            &[
                "leaf 1 switched the guards off, so that every text passed unread (until leaf 2)",
                "leaf 2 switched recording off for route chat (and none switched it on again)",
            ],
        ),
        (
            "from the first on",
            &[CHAT_OFF],
            &["leaf 0 switched recording off for route chat (and none"],
        ),
        (
            "what goes that way is another thing",
            &[PROBE, PROBE_ALL],
            &[
                "leaf 0 switched recording off for route probe (and none",
                "leaf 1 changed the routes while one of them recorded nothing: route probe, models: health -> *",
            ],
        ),
        (
            "sealed",
            &[SEALED_ON, SEALED_OFF, SEALED_OFF, SEALED_ON],
            &[
                "leaf 1 switched recording off for something, now or from a restart on; the evidence that names it cannot be opened here (until leaf 3)",
            ],
        ),
        (
            "some evidence has expired",
            &[ON, CHAT_OFF, SEALED_OFF, SEALED_ON],
            &["leaf 1 switched recording off for route chat (until leaf 3)"],
        ),
        (
            "another folder",
            &["[ledger]\ndir = \"/a\"\n", "[ledger]\ndir = \"/b\"\n"],
            &[
                "leaf 1 changed where the log is, or who watches over it: the state folder: /a -> /b",
            ],
        ),
    ] {
        let said = said(configurations, 0);
        assert_eq!(said.len(), want.len(), "{name}: {said:?}");
        assert!(
            said.iter().zip(want).all(|(said, want)| said.starts_with(want)),
            "{name}: {said:?}"
        );
    }
}

#[test]
fn what_a_restart_will_end_is_told_before_it() {
    let (now, asked) = (promise(""), promise("[ledger]\ndir = \"/elsewhere\"\n"));
    for (name, asked, want) in [("another folder", &asked, 1), ("the same", &now, 0)] {
        let waiting = asked.changes_since(&now);
        let told = Told { promised: Some(now.clone()), waiting };
        let said = story(std::iter::once((7, now.bits(asked), Some(told))), 0);
        assert_eq!(said.len(), want, "{name}: {said:?}");
        assert!(said.iter().all(|line| line.contains("leaf 7") && line.ends_with("/elsewhere")));
    }
}

#[test]
fn what_is_not_listed_is_counted() {
    let turns = |n: usize| [ON, CHAT_OFF].repeat(n);
    assert_eq!(said(&turns(SILENCES_TOLD_MAX), 0).len(), SILENCES_TOLD_MAX);
    let more = said(&turns(SILENCES_TOLD_MAX + 3), 5);
    assert_eq!(more.len(), SILENCES_TOLD_MAX + 2);
    assert!(more[0].starts_with("3 earlier changes") && more[1].starts_with("5 changes of policy"));
}
