//! How far a long look at the log has come, for a person at a terminal. In a pipe it says nothing.
use crate::print;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar on stderr. It has no colours, so `NO_COLOR` changes nothing.
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

/// Nothing is drawn more often.
const DRAWS_PER_S: u8 = 10;

impl Bar {
    /// A bar that runs up to `total`; one that only counts where nobody knows how far it is.
    pub(crate) fn new(what: &str, total: Option<u64>) -> Self {
        if !print::is_heard_by_a_person() {
            return Self(ProgressBar::hidden());
        }
        let bar =
            ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(DRAWS_PER_S));
        let shape = match total {
            Some(_) => "{msg} [{bar:30}] {human_pos}/{human_len} {eta}",
            None => "{spinner} {msg} {human_pos}",
        };
        let style = ProgressStyle::with_template(shape).map(|style| style.progress_chars("=> "));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// So many are done.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
