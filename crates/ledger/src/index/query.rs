//! Questions in SQL, from people: they read the documented tables, and nothing else happens.
//!
//! Four fences, each enough alone: the file is opened for reading only, the connection says `query_only`, every statement is checked word by
//! word when it is prepared, and time, rows and memory have limits.
use super::problem::QueryError;
use super::schema::NAMES;
use bartizan_core::clock::Clock;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode, Row};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Most rows of an answer, whatever is asked for.
pub const QUERY_ROWS_MAX: usize = 1_000_000;
/// Most bytes of an answer's values.
pub const QUERY_BYTES_MAX: usize = 256 << 20;
/// Longest text of a query, and longest value.
const VALUE_BYTES_MAX: i32 = 1 << 20;
/// Most memory of the database.
const HEAP_BYTES_MAX: i64 = 512 << 20;
/// Steps of the database between two looks at the clock.
const STEPS_PER_LOOK: i32 = 10_000;

/// How much one question may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Most rows of the answer, at most [`QUERY_ROWS_MAX`]; what comes after is left away, and said to be.
    pub rows_max: usize,
    /// Most milliseconds.
    pub time_ms: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self { rows_max: 10_000, time_ms: 30_000 }
    }
}

/// One value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with as many values as there are columns.
    pub rows: Vec<Vec<Value>>,
    /// Whether there was more than may be told.
    pub is_cut: bool,
}

/// The tables, open for questions only.
pub struct Questions {
    pub(super) connection: Connection,
    /// What was refused last.
    refused: Arc<Mutex<Option<String>>>,
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").finish_non_exhaustive()
    }
}

impl Questions {
    pub(super) fn new(connection: Connection) -> rusqlite::Result<Self> {
        connection.busy_timeout(super::BUSY_MAX)?;
        connection.pragma_update(None, "query_only", 1)?;
        connection.pragma_update(None, "trusted_schema", 0)?;
        connection
            .query_row(&format!("PRAGMA hard_heap_limit = {HEAP_BYTES_MAX}"), [], |_| Ok(()))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // A word in double quotes that names nothing is a mistake, not a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, VALUE_BYTES_MAX),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
        ] {
            connection.set_limit(limit, value)?;
        }
        // The schema is read now, because the guard lets nobody read it later.
        connection.prepare("SELECT 1 FROM exchanges")?;
        Ok(Self { connection, refused: Arc::default() })
    }

    /// Answers one question.
    ///
    /// # Errors
    /// [`QueryError`], with the place in the text where that is known.
    pub fn ask(
        &mut self,
        sql: &str,
        limits: QueryLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<Answer, QueryError> {
        if let Some(offset) = sql.find('\0') {
            // The database would stop reading there, and answer half of what was asked.
            let message = "a NUL character".to_owned();
            return Err(QueryError::Wrong { message, offset: Some(offset) });
        }
        self.fence(limits, clock).map_err(QueryError::Database)?;
        let answered = read(&self.connection, sql, limits);
        let none: Option<fn(AuthContext<'_>) -> Authorization> = None;
        self.connection.authorizer(none).map_err(QueryError::Database)?;
        self.connection.progress_handler(0, None::<fn() -> bool>).map_err(QueryError::Database)?;
        answered.map_err(|error| match error {
            Trouble::Sql(error) => self.explain(error, limits),
            Trouble::Empty => QueryError::Empty,
        })
    }

    fn fence(&mut self, limits: QueryLimits, clock: Arc<dyn Clock>) -> rusqlite::Result<()> {
        let refused = Arc::clone(&self.refused);
        *lock(&refused) = None;
        self.connection.authorizer(Some(move |context: AuthContext<'_>| {
            match objection(&context) {
                None => Authorization::Allow,
                Some(what) => {
                    lock(&refused).get_or_insert(what);
                    Authorization::Deny
                }
            }
        }))?;
        let started_us = clock.monotonic_us();
        let limit_us = limits.time_ms.saturating_mul(1_000);
        let is_late = move || limit_us < clock.monotonic_us().saturating_sub(started_us);
        self.connection.progress_handler(STEPS_PER_LOOK, Some(is_late))
    }

    /// What an error of the database means to the person who asked.
    fn explain(&self, error: Error, limits: QueryLimits) -> QueryError {
        if let Some(what) = lock(&self.refused).take() {
            return QueryError::Refused { what };
        }
        match error {
            Error::MultipleStatement => QueryError::Several,
            Error::SqlInputError { msg, offset, .. } => {
                QueryError::Wrong { message: msg, offset: usize::try_from(offset).ok() }
            }
            error => match error.sqlite_error_code() {
                Some(ErrorCode::OperationInterrupted) => {
                    QueryError::Time { time_ms: limits.time_ms }
                }
                Some(ErrorCode::OutOfMemory | ErrorCode::TooBig) => QueryError::Memory,
                Some(ErrorCode::ReadOnly) => QueryError::Refused { what: "writing".to_owned() },
                Some(ErrorCode::Unknown) => {
                    QueryError::Wrong { message: error.to_string(), offset: None }
                }
                _ => QueryError::Database(error),
            },
        }
    }
}

enum Trouble {
    Sql(Error),
    Empty,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

fn read(connection: &Connection, sql: &str, limits: QueryLimits) -> Result<Answer, Trouble> {
    let mut statement = connection.prepare(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    if columns.is_empty() {
        return Err(Trouble::Empty);
    }
    let mut answer = Answer { columns, rows: Vec::new(), is_cut: false };
    let mut n_bytes = 0_usize;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if limits.rows_max.min(QUERY_ROWS_MAX) <= answer.rows.len() || QUERY_BYTES_MAX < n_bytes {
            answer.is_cut = true;
            break;
        }
        let mut values = Vec::with_capacity(answer.columns.len());
        for column in 0..answer.columns.len() {
            let value = value(row, column)?;
            n_bytes += size_of::<Value>() + value.bytes();
            values.push(value);
        }
        answer.rows.push(values);
    }
    Ok(answer)
}

fn value(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}

impl Value {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What is wrong with one step of a statement; `None` when it may be done.
fn objection(context: &AuthContext<'_>) -> Option<String> {
    match context.action {
        AuthAction::Select | AuthAction::Recursive => None,
        AuthAction::Read { table_name, column_name } => {
            let may = is_readable(table_name, column_name, context.database_name);
            (!may).then(|| format!("reading {table_name}"))
        }
        AuthAction::Function { function_name } => {
            let is_harmful = ["load_extension", "fts3_tokenizer"].contains(&function_name);
            is_harmful.then(|| format!("calling {function_name}"))
        }
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name}")),
        AuthAction::Attach { .. } => Some("ATTACH".to_owned()),
        AuthAction::Detach { .. } => Some("DETACH".to_owned()),
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. } => Some(format!("writing to {table_name}")),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("a transaction".to_owned())
        }
        _ => Some("changing the database".to_owned()),
    }
}

/// Our tables are. So is a common table expression of which no column is read: it comes without a database, as does a table that is named without
/// one, and what the database has of its own has names that nobody else may give.
fn is_readable(table: &str, column: &str, database: Option<&str>) -> bool {
    let is_ours = NAMES.contains(&table) && database.is_none_or(|name| name == "main");
    let is_sqlites = ["sqlite_", "pragma_"]
        .iter()
        .any(|start| table.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)));
    is_ours || (column.is_empty() && database.is_none() && !is_sqlites)
}

fn lock(refused: &Mutex<Option<String>>) -> std::sync::MutexGuard<'_, Option<String>> {
    refused.lock().unwrap_or_else(PoisonError::into_inner)
}
