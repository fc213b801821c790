//! Where the leaves of a record stand, from the tables, and what the log itself has there: a look at a few places instead of at all leaves.
//!
//! The tables only say where to look. What is handed out was read from the log, leaf by leaf, and whatever the tables cannot answer for certain
//! is left to a look at every leaf ([`Reader::find_prefix`]).
use super::fold::signed;
use super::problem::IndexError;
use super::query::Questions;
use super::schema::SCHEMA_VERSION;
use crate::problem::LedgerError;
use crate::reader::{Entry, Reader};
use bartizan_core::record::RecordKind;
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;

/// Most leaves of a record that are looked up one by one; for more, reading all of the log is as good.
pub const PLACES_MAX: usize = 256;
/// Sorts after every hexadecimal digit.
const BEHIND_DIGITS: char = 'g';

/// What the tables know of a record.
struct Places {
    /// Leaves that are in the tables.
    size: u64,
    /// Index and hash of each leaf, in order of the log.
    places: Vec<(u64, String)>,
}

impl Questions {
    /// Tables that are there already, as they are; `None` where there are none, or none that this build can use. Nothing is made, and the log
    /// is not followed.
    pub fn existing(path: &Path) -> Option<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).ok()?;
        let version: u32 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).ok()?;
        if version == SCHEMA_VERSION { Self::new(connection).ok() } else { None }
    }

    /// The one record whose id starts with these hexadecimal digits: all its leaves, as [`Reader::find_prefix`] finds them. What the log has had
    /// since the tables followed it is looked at too. `None` where the tables do not know for certain: they have no such record or several,
    /// they are of another log, or the record has an INTENT and they have no OUTCOME.
    ///
    /// # Errors
    /// Those of the database, and those of reading the log.
    pub fn find(&self, reader: &Reader, prefix: &str) -> Result<Option<Vec<Entry>>, IndexError> {
        let prefix = prefix.to_ascii_lowercase();
        let Some(Places { size, places }) = self.places(&prefix)? else { return Ok(None) };
        let mut found = Vec::with_capacity(places.len());
        for (index, hash) in places {
            let entry = reader.since(index)?.next().transpose()?;
            let entry =
                entry.filter(|entry| entry.index == index && entry.leaf_hash.to_string() == hash);
            let Some(entry) = entry else { return Ok(None) };
            found.push(entry);
        }
        let is_wanted = |entry: &Result<Entry, LedgerError>| {
            let starts = |entry: &Entry| entry.leaf.record.to_string().starts_with(&prefix);
            entry.as_ref().map_or(true, starts)
        };
        for entry in reader.since(size)?.filter(is_wanted) {
            found.push(entry?);
        }
        let record = found.first().map(|first| first.leaf.record);
        let is_one = found.iter().all(|entry| {
            Some(entry.leaf.record) == record && entry.leaf.record.to_string().starts_with(&prefix)
        });
        let has = |kind| found.iter().any(|entry| entry.leaf.kind == kind);
        let is_whole = has(RecordKind::Outcome) || !has(RecordKind::Intent);
        Ok((record.is_some() && is_one && is_whole).then_some(found))
    }

    /// The leaves whose record starts so; `None` for too many, and where the tables do not say how far they go.
    fn places(&self, prefix: &str) -> Result<Option<Places>, IndexError> {
        let failed = IndexError::database;
        let is_hex = prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        let db = &self.connection;
        let size = db.query_row("SELECT leaves FROM meta", [], |row| row.get::<_, i64>(0));
        let (Ok(size), true) = (size.map(|size| u64::try_from(size).unwrap_or(0)), is_hex) else {
            return Ok(None);
        };
        let sql = "SELECT idx, leaf_hash FROM leaves WHERE record >= ?1 AND record < ?2 AND idx < ?3 ORDER BY idx LIMIT ?4";
        let mut statement = db.prepare(sql).map_err(failed("search"))?;
        let limit = signed(PLACES_MAX as u64 + 1);
        let values = params![prefix, format!("{prefix}{BEHIND_DIGITS}"), signed(size), limit];
        let rows = statement.query_map(values, |row| {
            let index: i64 = row.get(0)?;
            Ok((u64::try_from(index).unwrap_or(u64::MAX), row.get::<_, String>(1)?))
        });
        let places = rows.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>);
        let places = places.map_err(failed("search"))?;
        Ok((places.len() <= PLACES_MAX).then_some(Places { size, places }))
    }
}
