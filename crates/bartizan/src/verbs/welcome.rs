//! What `serve` says when it is up: where, what, under which rules, and a line to try.
use crate::config::LedgerMode;
use crate::log::Log;
use crate::print;
use crate::serve::{Running, is_scanning};
use bartizan_ledger::TornCopy;
use std::fmt::Write as _;
use std::path::Path;

/// Says it: people read a text, programs read events. `key_file` is where a first key was put that nobody could be shown.
pub(crate) fn say(running: &Running, key_env: Option<&str>, key_file: Option<&Path>, log: Log) {
    if log.is_talkative() {
        print::talk(&text(running, key_env, key_file));
        return;
    }
    let config = running.config();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        callers = %running.url(),
        control = %format_args!("http://{}", running.control_addr),
        guards = %config.guard.in_force(),
        ledger = %ledger(running),
        "Serving."
    );
    for upstream in &config.upstreams {
        tracing::info!(name = %upstream.name, url = %upstream.url, "Guarding an upstream.");
    }
    for file in running.second_model() {
        tracing::info!(%file, "A second model is asked.");
    }
    if let (Some(made), Some(file)) = (&running.made_key, key_file) {
        tracing::info!(id = %made.entry.id, file = %file.display(), "A first key was made.");
    }
    for warning in warnings(running) {
        tracing::warn!("{warning}");
    }
}

/// The text; it holds a key only when one was just made and a person sits there to read it.
fn text(running: &Running, key_env: Option<&str>, key_file: Option<&Path>) -> String {
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
    row("guards", config.guard.in_force());
    for line in running.second_model() {
        row("model", line);
    }
    row("ledger", ledger(running));
    if let Some(made) = &running.made_key {
        let (id, roles) = (&made.entry.id, made.entry.roles.join(", "));
        row(
            "key",
            match key_file {
                Some(file) => format!("{id} ({roles}), in {}: take it from there", file.display()),
                None => format!("{id} ({roles}), shown this once: {}", made.key),
            },
        );
    }
    for warning in warnings(running) {
        row("WARNING", warning);
    }
    format!(
        "Bartizan {} is up.\n{out}{}",
        env!("CARGO_PKG_VERSION"),
        try_it(running, key_env, key_file)
    )
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
    if let Some(copy) = recovery.torn_copy {
        write!(text, ", kept in ledger/{copy}").unwrap_or_default();
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
    let said = checks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text.to_owned());
    let torn = running.recovery.and_then(|recovery| recovery.torn_copy);
    torn.and_then(damage).into_iter().chain(said).collect()
}

/// What is said of a group that was written to its end and cut off all the same. A write that never came to its end needs no warning.
fn damage(copy: TornCopy) -> Option<String> {
    copy.is_marked.then(|| {
        format!(
            "the last group of records was damaged after it had been written to its end, and was cut off: if the machine did not lose its power just then, records are lost that were acknowledged. Its bytes are kept in ledger/{copy}"
        )
    })
}

fn try_it(running: &Running, key_env: Option<&str>, key_file: Option<&Path>) -> String {
    // A key is shown once, and not a second time in a line that goes into a shell's history.
    let variable = key_env.unwrap_or("KEY");
    let key = match key_file {
        Some(file) => format!("$(cat '{}')", print::visible(&file.display().to_string())),
        None => format!("${variable}"),
    };
    format!(
        "Try{}:\n  curl {}/v1/chat/completions -H \"authorization: Bearer {key}\" -H 'content-type: application/json' -d '{{\"model\":\"any\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'",
        if key_file.is_some() { String::new() } else { format!(", with the key in ${variable}") },
        running.local_url()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_had_been_written_to_its_end_is_damage() {
        let copy =
            |is_marked| TornCopy { unix_ms: 7, segment: 1, offset: 4096, bytes: 9, is_marked };
        assert_eq!(damage(copy(false)), None);
        let said = damage(copy(true)).unwrap();
        assert!(said.contains("ledger/torn/00000000000000000007-00000001-00004096"), "{said}");
        assert!(said.contains("acknowledged"), "{said}");
    }
}
