//! Records by what their leaves say: an exchange is found by what either of its two leaves says.
use super::fold::signed;
use super::problem::IndexError;
use super::query::Questions;
use bartizan_core::record::{Outcome, RecordKind};
use rusqlite::Row;
use rusqlite::types::ToSql;
use std::fmt::Write as _;

/// The columns of `leaves`, in the order of [`LeafRow`].
const COLUMNS: [&str; 17] = [
    "idx",
    "record",
    "kind",
    "time_ms",
    "key_id",
    "subject",
    "route",
    "model",
    "policy",
    "verdict",
    "outcome",
    "tokens_in",
    "tokens_out",
    "count",
    "leaf_hash",
    "intent",
    "unsigned",
];

/// A row of the table `leaves`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns are documented by INDEX_SCHEMA")]
pub struct LeafRow {
    pub index: u64,
    pub record: String,
    pub kind: String,
    pub unix_ms: u64,
    pub key_id: Option<String>,
    pub subject: Option<String>,
    pub route: Option<String>,
    pub model: Option<String>,
    pub policy: Option<String>,
    pub verdict: u64,
    pub outcome: Option<String>,
    pub tokens_in: Option<u64>,
    pub tokens_out: Option<u64>,
    pub count: Option<u64>,
    pub leaf_hash: String,
    pub intent: Option<u64>,
    pub unsigned: bool,
}

/// What was found: a leaf, and where it is an INTENT, the OUTCOME that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The leaf; of an exchange, its INTENT.
    pub leaf: LeafRow,
    /// The OUTCOME, where the exchange has one.
    pub end: Option<LeafRow>,
}

/// What is looked for. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Begun at this time or later.
    pub since_ms: Option<u64>,
    /// Begun before this time.
    pub until_ms: Option<u64>,
    /// The caller's key, by its id.
    pub key_id: Option<String>,
    /// The route.
    pub route: Option<String>,
    /// How the exchange ended.
    pub outcome: Option<Outcome>,
    /// The kind of leaf; an OUTCOME finds the exchanges that have one.
    pub kind: Option<RecordKind>,
    /// At least one of these bits of the verdict.
    pub verdict: Option<u64>,
    /// The beginning of the model's digest.
    pub model: Option<String>,
}

impl Questions {
    /// Calls `found` for what the filter lets through, the latest first, until it says `false`.
    ///
    /// # Errors
    /// Those of the database.
    pub fn search(
        &self,
        filter: &Filter,
        found: &mut dyn FnMut(Found) -> bool,
    ) -> Result<(), IndexError> {
        let failed = IndexError::database;
        let columns = |table: &str| COLUMNS.map(|name| format!("{table}.{name}")).join(", ");
        let mut sql = format!(
            "SELECT {}, {} FROM leaves AS l LEFT JOIN leaves AS o ON o.intent = l.idx WHERE l.kind <> 'outcome'",
            columns("l"),
            columns("o")
        );
        let (clauses, values) = filter.clauses();
        sql.push_str(&clauses);
        if filter.since_ms.is_some() || filter.until_ms.is_some() {
            let (first, last) = self.span(filter.since_ms, filter.until_ms)?;
            write!(sql, " AND l.idx BETWEEN {first} AND {last}").unwrap_or_default();
        }
        sql.push_str(" ORDER BY l.idx DESC");
        let mut statement = self.connection.prepare(&sql).map_err(failed("search"))?;
        let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
        let mut rows = statement.query(&*values).map_err(failed("search"))?;
        while let Some(row) = rows.next().map_err(failed("search"))? {
            let leaf = LeafRow::read(row, 0).map_err(failed("search"))?;
            let has_end = row.get::<_, Option<i64>>(COLUMNS.len()).map_err(failed("search"))?;
            let end = has_end.map(|_| LeafRow::read(row, COLUMNS.len())).transpose();
            if !found(Found { leaf, end: end.map_err(failed("search"))? }) {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` for every leaf of a stretch of time, in order of the log, until it says `false`.
    ///
    /// * `since_ms` is included, `until_ms` is not.
    ///
    /// # Errors
    /// Those of the database.
    pub fn leaves(
        &self,
        since_ms: Option<u64>,
        until_ms: Option<u64>,
        each: &mut dyn FnMut(LeafRow) -> bool,
    ) -> Result<(), IndexError> {
        let failed = IndexError::database;
        let sql = format!(
            "SELECT {} FROM leaves WHERE +time_ms >= ?1 AND +time_ms < ?2 AND idx BETWEEN ?3 AND ?4 ORDER BY idx",
            COLUMNS.join(", ")
        );
        let (first, last) = self.span(since_ms, until_ms)?;
        let mut statement = self.connection.prepare(&sql).map_err(failed("read"))?;
        let (since_ms, until_ms) = bounds(since_ms, until_ms);
        let bounds = [since_ms, until_ms, first, last];
        let mut rows = statement.query(bounds).map_err(failed("read"))?;
        while let Some(row) = rows.next().map_err(failed("read"))? {
            if !each(LeafRow::read(row, 0).map_err(failed("read"))?) {
                break;
            }
        }
        Ok(())
    }
}

impl Questions {
    /// The places of the first and the last leaf of a stretch of time, which the log is read between: what is recorded stands in order of place, and
    /// almost in order of time. Conditions on the time itself have a plus, so that nobody sorts by place what is found by time.
    fn span(&self, since_ms: Option<u64>, until_ms: Option<u64>) -> Result<(i64, i64), IndexError> {
        if since_ms.is_none() && until_ms.is_none() {
            return Ok((0, i64::MAX));
        }
        let sql = "SELECT min(idx), max(idx) FROM leaves WHERE time_ms >= ?1 AND time_ms < ?2";
        let span = self.connection.query_row(sql, bounds(since_ms, until_ms), |row| {
            let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok((first.unwrap_or(0), last.unwrap_or(-1)))
        });
        span.map_err(IndexError::database("search"))
    }
}

fn bounds(since_ms: Option<u64>, until_ms: Option<u64>) -> (i64, i64) {
    (since_ms.map_or(i64::MIN, signed), until_ms.map_or(i64::MAX, signed))
}

impl Filter {
    /// The conditions, and the values that they ask for.
    fn clauses(&self) -> (String, Vec<Box<dyn ToSql>>) {
        let mut sql = String::new();
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let mut clause = |text: &str, value: Box<dyn ToSql>| {
            values.push(value);
            let text = text.replace('?', &format!("?{}", values.len()));
            write!(sql, " AND {text}").unwrap_or_default();
        };
        if let Some(since_ms) = self.since_ms {
            clause("+l.time_ms >= ?", Box::new(signed(since_ms)));
        }
        if let Some(until_ms) = self.until_ms {
            clause("+l.time_ms < ?", Box::new(signed(until_ms)));
        }
        for (name, value) in [("key_id", &self.key_id), ("route", &self.route)] {
            if let Some(value) = value {
                clause(&format!("coalesce(l.{name}, o.{name}) = ?"), Box::new(value.clone()));
            }
        }
        if let Some(outcome) = self.outcome {
            clause("o.outcome = ?", Box::new(outcome.name()));
        }
        match self.kind {
            Some(RecordKind::Outcome) => clause("o.kind = ?", Box::new("outcome")),
            Some(kind) => clause("l.kind = ?", Box::new(kind.name())),
            None => {}
        }
        if let Some(bits) = self.verdict {
            let bits = bits.cast_signed();
            clause("(l.verdict | coalesce(o.verdict, 0)) & ? <> 0", Box::new(bits));
        }
        if let Some(model) = &self.model {
            let text = "substr(coalesce(l.model, o.model), 1, length(?)) = ?";
            clause(text, Box::new(model.to_ascii_lowercase()));
        }
        (sql, values)
    }
}

impl LeafRow {
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let unsigned = |at: usize| -> rusqlite::Result<Option<u64>> {
            Ok(row.get::<_, Option<i64>>(first + at)?.map(|n| u64::try_from(n).unwrap_or(0)))
        };
        Ok(Self {
            index: unsigned(0)?.unwrap_or(0),
            record: row.get(first + 1)?,
            kind: row.get(first + 2)?,
            unix_ms: unsigned(3)?.unwrap_or(0),
            key_id: row.get(first + 4)?,
            subject: row.get(first + 5)?,
            route: row.get(first + 6)?,
            model: row.get(first + 7)?,
            policy: row.get(first + 8)?,
            verdict: row.get::<_, i64>(first + 9)?.cast_unsigned(),
            outcome: row.get(first + 10)?,
            tokens_in: unsigned(11)?,
            tokens_out: unsigned(12)?,
            count: unsigned(13)?,
            leaf_hash: row.get(first + 14)?,
            intent: unsigned(15)?,
            unsigned: row.get(first + 16)?,
        })
    }
}
