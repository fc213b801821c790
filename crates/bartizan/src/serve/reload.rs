//! Notices that a file changed, so that nobody has to restart anything.
//!
//! Folders are watched, not files: editors and `bartizan key` replace files, and a watch on a file would stay with the old one. Whether
//! something really changed is decided by what the files hold, not by what the system says happened.
use crate::config::{Config, FILE_BYTES_MAX};
use crate::files;
use crate::keys;
use aws_lc_rs::digest::{SHA256, digest};
use notify::{PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// Quiet time after the first sign of a change: an editor writes in several steps.
const SETTLE: Duration = Duration::from_millis(150);
/// How often files are looked at where the system cannot watch them.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// Watches folders.
pub(crate) struct Watch {
    signs: mpsc::Receiver<()>,
    watcher: Option<Box<dyn Watcher + Send>>,
}

impl Watch {
    /// Watches the folders of these files. Where that cannot be done, it says so in the log and never reports a change.
    pub(crate) fn new(files: &[PathBuf]) -> Self {
        // One sign that waits is as good as a hundred.
        let (send, signs) = mpsc::channel(1);
        let folders: BTreeSet<&Path> = files.iter().map(|file| files::parent(file)).collect();
        let send_again = send.clone();
        let watcher = RecommendedWatcher::new(sign(send), notify::Config::default())
            .map(|watcher| Box::new(watcher) as Box<dyn Watcher + Send>)
            .or_else(|_| {
                let config = notify::Config::default().with_poll_interval(POLL_EVERY);
                PollWatcher::new(sign(send_again), config).map(|watcher| Box::new(watcher) as _)
            });
        let mut watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::warn!(%error, "Changes of files will not be noticed; send SIGHUP instead.");
                return Self { signs, watcher: None };
            }
        };
        for folder in folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, folder = %folder.display(), "Changes in this folder will not be noticed; send SIGHUP instead.");
            }
        }
        Self { signs, watcher: Some(watcher) }
    }

    /// Waits until something may have changed, and has settled.
    pub(crate) async fn changed(&mut self) {
        if self.watcher.is_none() || self.signs.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SETTLE).await;
        while self.signs.try_recv().is_ok() {}
    }
}

fn sign(send: mpsc::Sender<()>) -> impl Fn(notify::Result<notify::Event>) + Send + 'static {
    move |event| {
        // Reading a file is an event as well, and we read them all the time.
        if event.is_ok_and(|event| !event.kind.is_access()) && send.try_send(()).is_err() {
            // A sign waits already, or nobody listens any more.
        }
    }
}

/// The files that a gateway with this configuration depends on.
pub(crate) fn files_of(config: &Config, config_file: Option<&Path>) -> Vec<PathBuf> {
    let own = [keys::path(&config.ledger.dir)];
    config.files().cloned().chain(config_file.map(Path::to_owned)).chain(own).collect()
}

/// What files hold, as one digest each; a file that cannot be read differs from every file that can.
pub(crate) fn fingerprint(files: &[PathBuf]) -> Vec<Option<[u8; 32]>> {
    let one = |path: &PathBuf| {
        let bytes = files::read_bounded(path, FILE_BYTES_MAX).ok()?;
        digest(&SHA256, &bytes).as_ref().try_into().ok()
    };
    files.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bartizan.toml");
        let files = [path.clone()];
        let absent = fingerprint(&files);
        files::replace(&path, b"one").unwrap();
        let before = fingerprint(&files);
        assert_ne!(absent, before);
        let mut watch = Watch::new(&files);
        for content in [b"two", b"six"] {
            let before = fingerprint(&files);
            files::replace(&path, content).unwrap();
            tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap();
            assert_ne!(fingerprint(&files), before);
        }
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_no_reason_to_stop() {
        let mut watch = Watch::new(&[PathBuf::from("/absent/folder/bartizan.toml")]);
        let quiet = tokio::time::timeout(Duration::from_millis(200), watch.changed()).await;
        assert!(quiet.is_err());
    }
}
