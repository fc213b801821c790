//! What can go wrong with the tables, and with a question to them.
use crate::problem::LedgerError;
use rusqlite::ErrorCode;
use std::io::ErrorKind;

/// Why the tables could not be made or followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The database failed.
    #[error(
        "could not {operation} the index: {source}; it can be made anew: bartizan audit rebuild"
    )]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What the database said.
        source: rusqlite::Error,
    },
    /// Its file could not be made, or is open to others.
    #[error("could not use {name}: {source}")]
    File {
        /// The file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The log is not what its own checkpoint says.
    #[error(
        "the log has another root than its checkpoint at {size} leaves: bartizan audit verify says more"
    )]
    Untrue {
        /// Leaves that the checkpoint stands for.
        size: u64,
    },
}

impl IndexError {
    /// Whether the disk does not take what has to be written. The tables can be made in memory then.
    pub fn lacks_room(&self) -> bool {
        match self {
            Self::Database { source, .. } => {
                let codes = [ErrorCode::DiskFull, ErrorCode::SystemIoFailure];
                source.sqlite_error_code().is_some_and(|code| codes.contains(&code))
            }
            Self::File { source, .. } => {
                let kinds =
                    [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
                kinds.contains(&source.kind())
            }
            _ => false,
        }
    }

    pub(super) fn database(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { operation, source }
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is no query, or names what there is not.
    #[error("{message}")]
    Wrong {
        /// What the database said.
        message: String,
        /// Where in the text, in bytes, where that is known.
        offset: Option<usize>,
    },
    /// It asks for more than reading the documented tables.
    #[error("{what} is not allowed: a query only reads the documented tables")]
    Refused {
        /// What it asks for.
        what: String,
    },
    /// There is a second statement.
    #[error("there is more than one statement: ask one question at a time")]
    Several,
    /// There is nothing to answer.
    #[error("that is no question: write SELECT and what you want to know")]
    Empty,
    /// It took too long.
    #[error("the query was stopped after {time_ms} ms")]
    Time {
        /// The limit.
        time_ms: u64,
    },
    /// It wants too much memory, or a value is too long.
    #[error("the query needs more memory than it may have: ask for less, or for fewer columns")]
    Memory,
    /// The database failed.
    #[error("the query could not be finished: {0}")]
    Database(rusqlite::Error),
}
