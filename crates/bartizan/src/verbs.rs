//! One file per verb: its arguments, and a thin call of what does the work.
pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod manual;
pub(crate) mod policy;
pub(crate) mod range;
pub(crate) mod serve;
mod welcome;

/// Opens nothing, only finds: the state folder that a command means, `--dir` or the usual one.
pub(crate) fn state_folder(dir: Option<std::path::PathBuf>) -> std::path::PathBuf {
    dir.unwrap_or_else(|| crate::config::STATE_FOLDER.into())
}
