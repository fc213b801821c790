//! What `serve` says when it is up: where, what, under which rules, and a line to try.
use crate::config::{Config, LedgerMode};
use crate::print;
use crate::serve::{Running, is_scanning};
use std::fmt::Write as _;

/// The text; it holds a key only when one was just made.
pub(crate) fn text(running: &Running, key_env: Option<&str>) -> String {
    let config = running.config();
    let mut out = String::new();
    let mut row = |name: &str, value: String| {
        writeln!(out, "  {name:<9} {}", print::visible(&value)).unwrap_or_default();
    };
    row("callers", running.url());
    row("control", format!("http://{}  /healthz /readyz /metrics", running.control_addr));
    for upstream in &config.upstreams {
        row("upstream", format!("{} ({})", upstream.url, upstream.name));
    }
    row("guards", guards(config));
    row("ledger", ledger(running));
    if let Some(made) = &running.made_key {
        row(
            "key",
            format!(
                "{} ({}), shown this once: {}",
                made.entry.id,
                made.entry.roles.join(", "),
                made.key
            ),
        );
    }
    for warning in warnings(running) {
        row("WARNING", warning);
    }
    format!("Bartizan {} is up.\n{out}{}", env!("CARGO_PKG_VERSION"), try_it(running, key_env))
}

fn guards(config: &Config) -> String {
    match &config.guard.policy {
        Some(path) => format!("policy {}", path.display()),
        None => format!("profile {}", config.guard.profile_name()),
    }
}

fn ledger(running: &Running) -> String {
    let config = running.config();
    let Some(recovery) = running.recovery else { return "off".to_owned() };
    let mut text =
        format!("{}, {} leaves", config.ledger.dir.join("ledger").display(), recovery.leaves);
    if 0 < recovery.interrupted || 0 < recovery.torn_bytes {
        write!(
            text,
            "; recovered after a crash: {} exchanges were interrupted, {} unfinished bytes cut off",
            recovery.interrupted, recovery.torn_bytes
        )
        .unwrap_or_default();
    }
    text
}

fn warnings(running: &Running) -> Vec<String> {
    let config = running.config();
    let listen = &config.listen;
    let checks = [
        (
            config.ledger.mode == LedgerMode::Off,
            "the ledger is off: nothing is recorded, nothing can be proved",
        ),
        (!is_scanning(config), "the guards are off: every text passes unread"),
        (
            config.guard.profile_name() == "observe" && config.guard.policy.is_none(),
            "profile observe changes nothing and refuses nothing",
        ),
        (
            !listen.address.ip().is_loopback() && listen.tls_cert.is_none(),
            "others can reach the callers' listener, and it does not encrypt",
        ),
        (!listen.control.ip().is_loopback(), "others can reach the control listener"),
        (
            !running.is_folder_closed,
            "others can enter the state folder: give it one of its own, or chmod 700 it",
        ),
        (!running.has_live_key(), "no live key: nobody can call; make one with `bartizan key new`"),
    ];
    checks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text.to_owned()).collect()
}

fn try_it(running: &Running, key_env: Option<&str>) -> String {
    // A key is shown once, and not a second time in a line that goes into a shell's history.
    let key = format!("${}", key_env.unwrap_or("KEY"));
    format!(
        "Try, with the key in {key}:\n  curl {}/v1/chat/completions -H \"authorization: Bearer {key}\" -H 'content-type: application/json' -d '{{\"model\":\"any\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'",
        running.url()
    )
}
