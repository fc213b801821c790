//! The life of a gateway between its start and its end: it follows its files and obeys signals, and says what it does.
use super::Running;
use super::reload::{Watch, files_of, fingerprint};
use super::signals::{HangUp, Stop};
use crate::config::Config;
use crate::outcome::Outcome;
use crate::{log, print};
use std::path::Path;
use std::time::Duration;

/// How often it is asked whether what is in force has to be recorded again, because its last record is getting old.
const REFRESH_EVERY: Duration = Duration::from_hours(1);

/// Follows the files until it is time to stop.
///
/// * `config_file`: the file that `load` reads, where there is one.
/// * `load`: the configuration as it is now.
pub(crate) async fn follow(
    running: &mut Running,
    config_file: Option<&Path>,
    load: &dyn Fn() -> anyhow::Result<Config>,
    stop: &mut Stop,
    hang_up: &mut HangUp,
) {
    let mut files = files_of(running.config(), config_file);
    let mut watch = Watch::new(&files);
    let mut seen = fingerprint(&files);
    let mut again = tokio::time::interval(REFRESH_EVERY);
    again.reset();
    loop {
        let is_asked = tokio::select! {
            _ = again.tick() => {
                refresh(running).await;
                continue;
            }
            () = stop.next() => return,
            () = hang_up.next() => true,
            () = watch.changed() => false,
        };
        let now = fingerprint(&files);
        if !is_asked && now == seen {
            continue;
        }
        seen = now;
        reload(running, load).await;
        let wanted = files_of(running.config(), config_file);
        if wanted != files {
            files = wanted;
            watch = Watch::new(&files);
            seen = fingerprint(&files);
        }
    }
}

/// What is in force is in force again: whatever of it needs a fresh record gets one.
async fn refresh(running: &mut Running) {
    if let Err(error) = running.reload_keys().await {
        let error = print::chain(&error);
        tracing::warn!("What is in force could not be recorded again.\n{error}");
    }
}

async fn reload(running: &mut Running, load: &dyn Fn() -> anyhow::Result<Config>) {
    let done = match load() {
        Ok(config) => running.reload(config).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(waiting) => {
            let config = running.config();
            let (guards, upstreams, routes) =
                (config.guard.in_force(), config.upstreams.len(), config.routes_in_force().len());
            tracing::info!(%guards, upstreams, routes, "Reloaded.");
            if !waiting.is_empty() {
                let waiting = waiting.join(", ");
                tracing::warn!("Reloaded, but this needs a restart: {waiting}.");
            }
        }
        Err(error) => {
            let error = print::chain(&error);
            tracing::warn!("The change is not in force, the old configuration is.\n{error}");
            if let Err(error) = running.reload_keys().await {
                let error = print::chain(&error);
                tracing::warn!("Changes of keys are not in force either.\n{error}");
            }
        }
    }
}

/// Lets open answers end, or not if another signal comes, and closes the ledger.
pub(crate) async fn end(running: Running, stop: &mut Stop) -> Outcome {
    tracing::info!("Stopping: open answers may end; a second signal stops at once.");
    let is_whole = tokio::select! {
        // Where nothing is open there is nothing to cut off, however many signals come.
        biased;
        is_whole = running.drain() => is_whole,
        () = stop.next() => running.halt().await,
    };
    if !is_whole {
        tracing::warn!("Some answers were cut off; their records say so.");
    }
    match running.close().await {
        None => Outcome::Allow,
        Some(problem) => {
            tracing::error!(target: log::END, "{problem}");
            Outcome::Unfinished
        }
    }
}
