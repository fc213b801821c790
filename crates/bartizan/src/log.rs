//! Logs for operators, on stderr. No prompt, answer or key is ever in one; the ledger is the record, not the log.
use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Target of the last word of a process that could not go on. It is heard at every level.
pub(crate) const END: &str = "bartizan::end";

/// What the command line says about logging.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    /// How much.
    pub(crate) level: Level,
    /// What a line looks like.
    pub(crate) format: LogFormat,
}

impl Log {
    /// Whether stderr is read by people, who may be talked to beside the log.
    pub(crate) fn is_talkative(self) -> bool {
        self.format == LogFormat::Text && self.level != Level::Off
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Nothing but why we stop
    Off,
    /// What went wrong
    Error,
    /// What may go wrong
    Warn,
    /// What happened
    Info,
    /// What happened in detail
    Debug,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For programs: one JSON object per line
    Json,
}

/// Starts logging for the life of the process.
///
/// Other people's crates are held at warnings whatever the level, because HTTP libraries print headers when they debug.
pub(crate) fn start(log: Log) {
    let ours = match log.level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let filter = Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_target("bartizan", ours)
        .with_target(END, ours.max(LevelFilter::ERROR));
    let is_terminal =
        anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let layer = match log.format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_ansi(false).with_filter(filter).boxed(),
    };
    // A test harness may have set one already; it then sees our events instead.
    tracing_subscriber::registry().with(layer).try_init().unwrap_or_default();
}
