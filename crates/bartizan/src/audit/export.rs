//! Leaves of a stretch of time for a data warehouse, with the columns of the table `leaves`: one JSON object per line, or Parquet.
use super::parquet::{Cell, Column, Kind, Parquet};
use super::tables;
use crate::print::put;
use crate::{files, target};
use anyhow::Context as _;
use bartizan_ledger::index::LeafRow;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Bytes that are gathered before they go to stdout.
const PIECE_BYTES: usize = 64 << 10;

/// A stretch of time: from the first moment on, up to the second and without it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stretch {
    /// Milliseconds since 1970.
    pub(crate) since_ms: Option<u64>,
    /// Milliseconds since 1970.
    pub(crate) until_ms: Option<u64>,
}

/// How leaves are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line
    #[default]
    Jsonl,
    /// Apache Parquet, not compressed; it takes --out
    Parquet,
}

/// Writes the leaves to stdout, one JSON object per line. How many they were.
///
/// # Errors
/// When there is no log, or it is damaged.
pub(crate) fn to_stdout(state: &Path, stretch: Stretch) -> anyhow::Result<u64> {
    let mut piece = String::with_capacity(PIECE_BYTES + 1024);
    let n = each(state, stretch, &mut |leaf| {
        piece.push_str(&line(&leaf));
        piece.push('\n');
        if piece.len() < PIECE_BYTES {
            return Ok(true);
        }
        let is_read = put(&piece)?;
        piece.clear();
        Ok(is_read)
    })?;
    put(&piece)?;
    Ok(n)
}

/// Writes the leaves to a file, which is there whole or not at all. How many they were.
///
/// * `is_replacing`: whether a plain file that is there already gives way.
///
/// # Errors
/// When there is no log, or the file cannot be written, or something else has its name.
pub(crate) fn to_file(
    state: &Path,
    stretch: Stretch,
    format: Format,
    out: &Path,
    is_replacing: bool,
) -> anyhow::Result<u64> {
    let checked = if is_replacing { target::check(out) } else { target::check_new(out) };
    checked?;
    let context = || format!("cannot write {}", out.display());
    let mut name = out.file_name().with_context(context)?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = out.with_file_name(name);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary);
    let file = file.with_context(context)?;
    let written = match format {
        Format::Jsonl => json_lines(state, stretch, &file),
        Format::Parquet => parquet(state, stretch, &file),
    };
    let named = written.and_then(|n| {
        file.sync_all()?;
        if is_replacing {
            fs::rename(&temporary, out)?;
        } else {
            files::rename_new(&temporary, out)?;
        }
        fs::File::open(files::parent(out))?.sync_all()?;
        Ok(n)
    });
    if named.is_err() {
        // The first error is the one to report; a leftover is only untidy.
        fs::remove_file(&temporary).unwrap_or_default();
    }
    named.with_context(context)
}

fn json_lines(state: &Path, stretch: Stretch, file: &fs::File) -> anyhow::Result<u64> {
    let mut out = BufWriter::with_capacity(PIECE_BYTES, file);
    let n = each(state, stretch, &mut |leaf| writeln!(out, "{}", line(&leaf)).map(|()| true))?;
    out.flush()?;
    Ok(n)
}

fn parquet(state: &Path, stretch: Stretch, file: &fs::File) -> anyhow::Result<u64> {
    let mut out = Parquet::begin(BufWriter::with_capacity(PIECE_BYTES, file), &COLUMNS)?;
    let n = each(state, stretch, &mut |leaf| out.push(cells(leaf)).map(|()| true))?;
    out.end()?;
    Ok(n)
}

/// Calls `take` for every leaf until it says `false`. How many there were.
fn each(
    state: &Path,
    stretch: Stretch,
    take: &mut dyn FnMut(LeafRow) -> io::Result<bool>,
) -> anyhow::Result<u64> {
    let questions = tables::questions(state)?;
    let (mut n, mut failed) = (0, None);
    questions.leaves(stretch.since_ms, stretch.until_ms, &mut |leaf| {
        n += 1;
        take(leaf).unwrap_or_else(|error| {
            failed = Some(error);
            false
        })
    })?;
    failed.map_or(Ok(n), |error| Err(error.into()))
}

/// The columns by their names in the table, none left out, so that a reader infers the same types from every file.
fn line(leaf: &LeafRow) -> String {
    super::harmless(&json!({
        "idx": leaf.index,
        "record": leaf.record,
        "kind": leaf.kind,
        "time_ms": leaf.unix_ms,
        "key_id": leaf.key_id,
        "subject": leaf.subject,
        "route": leaf.route,
        "model": leaf.model,
        "policy": leaf.policy,
        "verdict": leaf.verdict.cast_signed(),
        "outcome": leaf.outcome,
        "tokens_in": leaf.tokens_in,
        "tokens_out": leaf.tokens_out,
        "count": leaf.count,
        "leaf_hash": leaf.leaf_hash,
        "intent": leaf.intent,
        "unsigned": u64::from(leaf.unsigned),
    }))
}

const fn column(name: &'static str, kind: Kind, is_optional: bool) -> Column {
    Column { name, kind, is_optional }
}

const COLUMNS: [Column; 17] = [
    column("idx", Kind::Number, false),
    column("record", Kind::Text, false),
    column("kind", Kind::Text, false),
    column("time_ms", Kind::Number, false),
    column("key_id", Kind::Text, true),
    column("subject", Kind::Text, true),
    column("route", Kind::Text, true),
    column("model", Kind::Text, true),
    column("policy", Kind::Text, true),
    column("verdict", Kind::Number, false),
    column("outcome", Kind::Text, true),
    column("tokens_in", Kind::Number, true),
    column("tokens_out", Kind::Number, true),
    column("count", Kind::Number, true),
    column("leaf_hash", Kind::Text, false),
    column("intent", Kind::Number, true),
    column("unsigned", Kind::Number, false),
];

/// A row, in the order of [`COLUMNS`].
fn cells(leaf: LeafRow) -> Vec<Cell> {
    let number = |number: u64| Cell::Number(i64::try_from(number).unwrap_or(i64::MAX));
    let maybe = |value: Option<u64>| value.map_or(Cell::Null, number);
    let text = |value: Option<String>| value.map_or(Cell::Null, Cell::Text);
    vec![
        number(leaf.index),
        Cell::Text(leaf.record),
        Cell::Text(leaf.kind),
        number(leaf.unix_ms),
        text(leaf.key_id),
        text(leaf.subject),
        text(leaf.route),
        text(leaf.model),
        text(leaf.policy),
        Cell::Number(leaf.verdict.cast_signed()),
        text(leaf.outcome),
        maybe(leaf.tokens_in),
        maybe(leaf.tokens_out),
        maybe(leaf.count),
        Cell::Text(leaf.leaf_hash),
        maybe(leaf.intent),
        number(u64::from(leaf.unsigned)),
    ]
}
