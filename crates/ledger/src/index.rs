//! Tables over the log, for questions: a pure fold, made from the leaves alone and thrown away without loss.
//!
//! They hold metadata only, because leaves hold nothing else: no text, and no key. What they say is as good as whoever can write the file; the
//! proof is in the log. Before they are used they are compared with it (the last leaf, and the root at their size), and made anew where
//! they tell of another one.
//!
//! This is the other place of this crate that touches the file system besides `fs`: the database opens its files itself. Several processes may
//! follow the log into the same file; each batch is one transaction, and whoever comes second goes on where the first one ended.
//!
//! What it deliberately does not do: hold content, search in text, or answer a query that does more than read.
//!
//! ```
//! # use bartizan_ledger::{Ledger, Options, Parts, Reader};
//! # use bartizan_ledger::index::{Index, QueryLimits, Value};
//! # use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder};
//! # use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};
//! # use std::sync::Arc;
//! # let disk = Arc::new(SimDisk::new(1));
//! # let clock = Arc::new(SimClock::new(0));
//! # let parts = Parts {
//! #     disk: disk.clone(),
//! #     clock: clock.clone(),
//! #     entropy: Arc::new(SimEntropy::new(1)),
//! #     sealer: Arc::new(SimSealer::new()),
//! #     signer: Arc::new(SimSigner::new("example.com/log", 1)),
//! # };
//! # let (ledger, _) = Ledger::open(parts, Options::default())?;
//! # wait(ledger.append(Draft::new(Leaf::new(RecordId([7; 16]), RecordKind::Decision, 5), vec![])))?;
//! let reader = Reader::open(disk)?;
//! let mut index = Index::in_memory(&["input_found"])?;
//! assert_eq!(index.follow(&reader, &mut |_| {})?.leaves, 1);
//! let answer = index.questions()?.ask("SELECT kind, time_ms FROM leaves", QueryLimits::default(), clock)?;
//! assert_eq!(answer.rows, [[Value::Text("decision".to_owned()), Value::Integer(5)]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
mod fold;
mod place;
mod problem;
mod query;
mod schema;
mod search;

#[cfg(test)]
mod tests;

use crate::fs::open_plain;
use crate::log_folder::Head;
use crate::reader::{Entries, Reader};
use bartizan_core::digest::Digest;
use fold::{Fold, Progress, mark, signed};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction};
use rusqlite::{TransactionBehavior, params};
use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use place::PLACES_MAX;
pub use problem::{IndexError, QueryError};
pub use query::{Answer, QUERY_BYTES_MAX, QUERY_ROWS_MAX, QueryLimits, Questions, Value};
pub use schema::INDEX_SCHEMA;
pub use search::{Filter, Found, LeafRow};

/// Its file, inside the folder of the ledger.
pub const INDEX_NAME: &str = "index.sqlite";

/// Leaves of one transaction.
const BATCH_LEAVES_MAX: u64 = 10_000;
/// Longest wait for another process that writes a batch.
const BUSY_MAX: Duration = Duration::from_secs(10);
/// Memory for pages, in KiB.
const CACHE_KIB: i64 = 65_536;
/// Pages of the database's own journal (64 MiB) before it is taken over, with a sync: a long fold would else wait for hundreds of them.
const JOURNAL_PAGES: i64 = 16_384;

/// What a fold came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// Leaves that are in the tables now.
    pub leaves: u64,
    /// Leaves that were new.
    pub added: u64,
    /// Whether the tables were of another log or version, damaged or behind it, and were made anew.
    pub rebuilt: bool,
}

/// The tables, open for following the log.
pub struct Index {
    connection: Connection,
    /// Where they are; nowhere when they are in memory only.
    path: Option<PathBuf>,
    /// What the bits of a verdict are called, from the lowest.
    words: Vec<String>,
    /// Leaves that a signature stands for; nothing where the checkpoint is believed as it is.
    signed_leaves: Option<u64>,
    /// [`BATCH_LEAVES_MAX`], except in tests.
    batch_leaves: u64,
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Index {
    /// The tables in a file, which is made with mode 0600 when it is absent. A file that is no database is emptied.
    ///
    /// * `words`: what the bits of a verdict are called, from the lowest.
    ///
    /// # Errors
    /// [`IndexError::File`] when the file cannot be made or is open to others, and those of the database.
    pub fn open(path: &Path, words: &[&str]) -> Result<Self, IndexError> {
        close_to_others(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags);
        let connection = connection.map_err(IndexError::database("open"))?;
        Self::prepare(connection, Some(path.to_owned()), words)
    }

    /// The tables in memory only: for a log in a folder that cannot be written.
    ///
    /// # Errors
    /// Those of the database.
    pub fn in_memory(words: &[&str]) -> Result<Self, IndexError> {
        let connection = Connection::open_in_memory().map_err(IndexError::database("open"))?;
        Self::prepare(connection, None, words)
    }

    /// The tables in a file without a name, which goes with them: for a copy of a log, whose own tables nobody here has made.
    ///
    /// # Errors
    /// Those of the database.
    pub fn in_passing(words: &[&str]) -> Result<Self, IndexError> {
        // An empty name is the database's own word for such a file.
        let connection = Connection::open("").map_err(IndexError::database("open"))?;
        Self::prepare(connection, None, words)
    }

    fn prepare(
        connection: Connection,
        path: Option<PathBuf>,
        words: &[&str],
    ) -> Result<Self, IndexError> {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let batch_leaves = BATCH_LEAVES_MAX;
        let index = Self { connection, path, words, signed_leaves: None, batch_leaves };
        if let Err(error) = index.set_up() {
            if !is_garbage(&error) {
                return Err(IndexError::database("open")(error));
            }
            index.reset().map_err(IndexError::database("empty"))?;
            index.set_up().map_err(IndexError::database("open"))?;
        }
        Ok(index)
    }

    fn set_up(&self) -> rusqlite::Result<()> {
        let db = &self.connection;
        db.busy_timeout(BUSY_MAX)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // What is deleted is overwritten, also here, where there is nothing to hide: a page that held a pseudonym holds none afterwards.
        db.pragma_update(None, "secure_delete", 1)?;
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        db.pragma_update(None, "wal_autocheckpoint", JOURNAL_PAGES)?;
        // The log is what is durable. What a crash takes from here is folded again.
        db.pragma_update(None, "synchronous", "NORMAL")
    }

    /// Empties the file, whatever is in it, without pulling it away from under other readers.
    fn reset(&self) -> rusqlite::Result<()> {
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
        let done = self.connection.execute_batch("VACUUM");
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
        done
    }

    /// The same, told up to where a signature stands for the log: what comes behind is marked as unsigned. Whoever does not say so believes the
    /// checkpoint as it lies there.
    #[must_use]
    pub fn with_signed(mut self, leaves: u64) -> Self {
        self.signed_leaves = Some(leaves);
        self
    }

    /// Takes in what the log has had since. Tables that are not of this log are made anew.
    ///
    /// * `progress` hears now and then how many leaves are in the tables.
    ///
    /// # Errors
    /// Those of the disk and of the database, and [`IndexError::Untrue`] for a log that its own checkpoint contradicts.
    pub fn follow(
        &mut self,
        reader: &Reader,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Followed, IndexError> {
        match self.try_follow(reader, progress) {
            Ok(Some(followed)) => Ok(followed),
            Ok(None) => self.rebuild(reader, progress),
            Err(IndexError::Database { source, .. }) if is_garbage(&source) => {
                self.rebuild(reader, progress)
            }
            Err(error) => Err(error),
        }
    }

    /// Throws the tables away and makes them from nothing.
    ///
    /// # Errors
    /// Those of [`Index::follow`].
    pub fn rebuild(
        &mut self,
        reader: &Reader,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Followed, IndexError> {
        self.reset().map_err(IndexError::database("empty"))?;
        self.set_up().map_err(IndexError::database("open"))?;
        let followed = self.try_follow(reader, progress)?;
        let followed = followed.ok_or_else(|| {
            let size = head(reader).map_or(0, |head| head.size);
            IndexError::Untrue { size }
        })?;
        Ok(Followed { rebuilt: true, ..followed })
    }

    /// `None` when the tables are not a beginning of this log.
    fn try_follow(
        &self,
        reader: &Reader,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Option<Followed>, IndexError> {
        self.make_tables().map_err(IndexError::database("make"))?;
        let promised = head(reader);
        let mut at = None;
        let mut added = 0;
        loop {
            let Some(batch) = self.batch(reader, promised, &mut at)? else { return Ok(None) };
            let leaves = at.as_ref().map_or(0, |at| at.progress.tree.size());
            added += batch;
            progress(leaves);
            if batch < self.batch_leaves {
                let sorted = self.connection.execute_batch(schema::INDEXES);
                sorted.map_err(IndexError::database("sort"))?;
                mark(&self.connection, self.signed_up_to(promised))
                    .map_err(IndexError::database("mark"))?;
                return Ok(Some(Followed { leaves, added, rebuilt: false }));
            }
        }
    }

    fn signed_up_to(&self, promised: Option<Head>) -> u64 {
        self.signed_leaves.unwrap_or_else(|| promised.map_or(0, |head| head.size))
    }

    /// Folds one batch, in one transaction; how many leaves that were, or `None` when the tables are not of this log.
    fn batch(
        &self,
        reader: &Reader,
        promised: Option<Head>,
        at: &mut Option<Place>,
    ) -> Result<Option<u64>, IndexError> {
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let transaction = begun.map_err(IndexError::database("lock"))?;
        let stored = "SELECT leaves FROM meta";
        let stored = transaction.query_row(stored, [], |row| row.get::<_, i64>(0)).optional();
        let stored = stored.map_err(IndexError::database("read"))?;
        // Another process may have written since the last batch, or nothing was read yet.
        if at.as_ref().map(|at| signed(at.progress.tree.size())) != stored || stored.is_none() {
            let Some(place) = Place::find(&transaction, reader, promised)? else { return Ok(None) };
            *at = Some(place);
        }
        let Some(Place { progress, entries }) = at else { return Ok(None) };
        let fold = Fold::new(&transaction, self.signed_up_to(promised));
        let mut fold = fold.map_err(IndexError::database("write to"))?;
        let mut n = 0;
        while n < self.batch_leaves
            && let Some(entry) = entries.next()
        {
            let entry = entry?;
            if entry.index != progress.tree.size() {
                return Ok(None);
            }
            fold.take(progress, &entry)?;
            n += 1;
            if let Some(Head { size, root }) = promised
                && size == progress.tree.size()
                && root != progress.tree.root()
            {
                return Err(IndexError::Untrue { size });
            }
        }
        drop(fold);
        if 0 < n {
            progress.save(&transaction).map_err(IndexError::database("write to"))?;
        }
        transaction.commit().map_err(IndexError::database("write to"))?;
        Ok(Some(n))
    }

    /// Makes the tables where there are none, and gives the bits of a verdict the words of this build.
    fn make_tables(&self) -> rusqlite::Result<()> {
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let version: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != schema::SCHEMA_VERSION {
            drop(transaction);
            // Whatever another version has made is of no use.
            self.reset()?;
            self.set_up()?;
            let again =
                Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let version: u32 = again.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if version != schema::SCHEMA_VERSION {
                again.execute_batch(INDEX_SCHEMA)?;
                again.pragma_update(None, "user_version", schema::SCHEMA_VERSION)?;
            }
            return self.name_bits(again);
        }
        self.name_bits(transaction)
    }

    fn name_bits(&self, transaction: Transaction<'_>) -> rusqlite::Result<()> {
        let known: Vec<String> = {
            let mut rows = transaction.prepare("SELECT word FROM verdict_words ORDER BY bit")?;
            let rows = rows.query_map([], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        if known != self.words {
            transaction.execute("DELETE FROM verdict_words", [])?;
            let mut insert =
                transaction.prepare("INSERT INTO verdict_words (bit, word) VALUES (?1, ?2)")?;
            for (bit, word) in (0_i64..).zip(&self.words) {
                insert.execute(params![bit, word])?;
            }
        }
        transaction.commit()
    }

    /// Leaves that are in the tables.
    ///
    /// # Errors
    /// Those of the database.
    pub fn leaves(&self) -> Result<u64, IndexError> {
        let leaves = "SELECT leaves FROM meta";
        let leaves = self.connection.query_row(leaves, [], |row| row.get::<_, i64>(0)).optional();
        let leaves = leaves.map_err(IndexError::database("read"))?;
        Ok(leaves.and_then(|leaves| u64::try_from(leaves).ok()).unwrap_or(0))
    }

    /// The same tables for questions, and for nothing else: the connection cannot write any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn questions(self) -> Result<Questions, IndexError> {
        let connection = match &self.path {
            None => self.connection,
            Some(path) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let opened = Connection::open_with_flags(path, flags);
                opened.map_err(IndexError::database("open"))?
            }
        };
        Questions::new(connection).map_err(IndexError::database("close"))
    }
}

/// Where a fold stands: what is in the tables, and the leaves that come next.
struct Place {
    progress: Progress,
    entries: Entries,
}

impl Place {
    /// Compares the tables with the log; `None` when they are not a beginning of it.
    fn find(
        db: &Connection,
        reader: &Reader,
        promised: Option<Head>,
    ) -> Result<Option<Self>, IndexError> {
        let progress = match Progress::load(db).map_err(IndexError::database("read"))? {
            Some(progress) => progress,
            None if is_empty(db).map_err(IndexError::database("read"))? => Progress::default(),
            None => return Ok(None),
        };
        let size = progress.tree.size();
        let Some(last) = size.checked_sub(1) else {
            return Ok(Some(Self { progress, entries: reader.entries()? }));
        };
        let hash = db
            .query_row("SELECT leaf_hash FROM leaves WHERE idx = ?1", [signed(last)], |row| {
                row.get::<_, String>(0)
            })
            .optional()
            .map_err(IndexError::database("read"))?;
        let mut entries = reader.since(last)?;
        let Some(entry) = entries.next().transpose()? else { return Ok(None) };
        let is_same = entry.index == last && hash == Some(entry.leaf_hash.to_string());
        let is_promised = match promised {
            Some(head) if size <= head.size => {
                root_at(reader, head, size).is_none_or(|root| root == progress.tree.root())
            }
            _ => true,
        };
        Ok((is_same && is_promised).then_some(Self { progress, entries }))
    }
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    let n_rows = "SELECT (SELECT count(*) FROM meta) + (SELECT EXISTS (SELECT 1 FROM leaves))";
    Ok(db.query_row(n_rows, [], |row| row.get::<_, i64>(0))? == 0)
}

/// What the checkpoint says. One that is missing says nothing, and of one that is damaged whoever reads the leaves to their end is told.
fn head(reader: &Reader) -> Option<Head> {
    reader.checkpoint().ok().flatten().as_ref().map(Head::of)
}

/// The root that the published tiles had at some size, as far as they can be read.
fn root_at(reader: &Reader, head: Head, size: u64) -> Option<Digest> {
    reader.tiles(head).ok().flatten()?.root_at(size).ok()
}

/// Makes the file where there is none, and refuses one that others can read.
fn close_to_others(path: &Path) -> Result<(), IndexError> {
    let failed = |source| IndexError::File { name: path.display().to_string(), source };
    let mut options = OpenOptions::new();
    // The database gives its other files the mode of this one.
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = open_plain(options, path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    let is_open = mode & 0o077 != 0;
    if !is_open {
        return Ok(());
    }
    let message = format!("others can read it (mode {mode:03o}): chmod 600 it");
    Err(failed(std::io::Error::new(std::io::ErrorKind::PermissionDenied, message)))
}

/// Whether the file is no database, or one that is damaged.
fn is_garbage(error: &rusqlite::Error) -> bool {
    let garbage = [ErrorCode::NotADatabase, ErrorCode::DatabaseCorrupt];
    error.sqlite_error_code().is_some_and(|code| garbage.contains(&code))
}
