//! One leaf after the other becomes rows. What is written depends on the leaves alone, and on how many of them are signed.
use super::problem::IndexError;
use super::schema::SCHEMA_VERSION;
use crate::merkle::Merkle;
use crate::reader::Entry;
use bartizan_core::digest::Digest;
use bartizan_core::record::{RecordId, RecordKind};
use rusqlite::{Connection, OptionalExtension as _, Statement, params};
use std::collections::BTreeMap;
use std::fmt;

/// How far the tables have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Over the leaves that are in the tables.
    pub(super) tree: Merkle,
    /// INTENTs without an OUTCOME; the log itself bounds their number.
    pub(super) open: BTreeMap<RecordId, u64>,
}

impl Progress {
    /// What the tables say of themselves; `None` where that contradicts itself.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let meta =
            connection.query_row("SELECT version, leaves, root, peaks FROM meta", [], |row| {
                let (version, size, root): (u32, i64, String) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((version, size, root, row.get::<_, Vec<u8>>(3)?))
            });
        let Some((version, size, root, peaks)) = meta.optional()? else { return Ok(None) };
        let (hashes, rest) = peaks.as_chunks::<32>();
        let peaks = hashes.iter().map(|&hash| Digest(hash)).collect();
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let tree = Merkle::from_peaks(size, peaks);
        let honest = version == SCHEMA_VERSION && rest.is_empty();
        let tree = tree.filter(|tree| honest && tree.root().to_string() == root);
        let Some(tree) = tree else { return Ok(None) };
        let mut open = BTreeMap::new();
        let mut rows = connection.prepare("SELECT record, idx FROM under_way")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (record, index): (String, i64) = (row.get(0)?, row.get(1)?);
            let (Ok(record), Ok(index)) = (record.parse(), u64::try_from(index)) else {
                return Ok(None);
            };
            open.insert(record, index);
        }
        Ok(Some(Self { tree, open }))
    }

    /// Writes what [`Progress::load`] reads.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let peaks: Vec<u8> = self.tree.peaks().iter().flat_map(|peak| peak.0).collect();
        connection.execute("DELETE FROM meta", [])?;
        connection.execute(
            "INSERT INTO meta (version, leaves, root, peaks) VALUES (?1, ?2, ?3, ?4)",
            params![SCHEMA_VERSION, signed(self.tree.size()), self.tree.root().to_string(), peaks],
        )?;
        connection.execute("DELETE FROM under_way", [])?;
        let mut insert =
            connection.prepare("INSERT INTO under_way (idx, record) VALUES (?1, ?2)")?;
        for (record, &index) in &self.open {
            insert.execute(params![signed(index), record.to_string()])?;
        }
        Ok(())
    }
}

/// The statements that write a leaf.
pub(super) struct Fold<'c> {
    leaf: Statement<'c>,
    payload: Statement<'c>,
    /// Leaves that a signature stands for.
    signed_leaves: u64,
}

impl fmt::Debug for Fold<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fold").finish_non_exhaustive()
    }
}

impl<'c> Fold<'c> {
    pub(super) fn new(connection: &'c Connection, signed_leaves: u64) -> rusqlite::Result<Self> {
        let leaf = connection.prepare(
            "INSERT INTO leaves (idx, record, kind, time_ms, key_id, subject, route, model, policy, verdict, outcome, \
             tokens_in, tokens_out, count, leaf_hash, intent, unsigned) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?;
        let payload = connection
            .prepare("INSERT INTO payloads (idx, slot, hash, bytes) VALUES (?1, ?2, ?3, ?4)")?;
        Ok(Self { leaf, payload, signed_leaves })
    }

    /// Takes the next leaf.
    pub(super) fn take(
        &mut self,
        progress: &mut Progress,
        entry: &Entry,
    ) -> Result<(), IndexError> {
        let intent = match entry.leaf.kind {
            RecordKind::Intent => {
                progress.open.insert(entry.leaf.record, entry.index);
                None
            }
            RecordKind::Outcome => progress.open.remove(&entry.leaf.record),
            _ => None,
        };
        self.write(entry, intent).map_err(IndexError::database("write to"))?;
        progress.tree.append(entry.leaf_hash);
        Ok(())
    }

    fn write(&mut self, entry: &Entry, intent: Option<u64>) -> rusqlite::Result<()> {
        let leaf = &entry.leaf;
        let index = signed(entry.index);
        let (mut record, mut hash) = ([0; 32], [0; 64]);
        let (mut subject, mut model, mut policy) = ([0; 32], [0; 64], [0; 64]);
        self.leaf.execute(params![
            index,
            hex(&leaf.record.0, &mut record),
            leaf.kind.name(),
            signed(leaf.unix_ms),
            leaf.key_id,
            leaf.subject.as_ref().map(|subject_| hex(subject_, &mut subject)),
            leaf.route,
            leaf.model.as_ref().map(|digest| hex(&digest.0, &mut model)),
            leaf.policy.as_ref().map(|digest| hex(&digest.0, &mut policy)),
            leaf.verdict.cast_signed(),
            leaf.outcome.map(bartizan_core::record::Outcome::name),
            leaf.tokens.map(|(tokens_in, _)| signed(tokens_in)),
            leaf.tokens.map(|(_, tokens_out)| signed(tokens_out)),
            leaf.count.map(signed),
            hex(&entry.leaf_hash.0, &mut hash),
            intent.map(signed),
            self.signed_leaves <= entry.index,
        ])?;
        for stored in &entry.payloads {
            let hash = hex(&stored.hash.0, &mut hash);
            self.payload.execute(params![index, stored.slot.name(), hash, signed(stored.bytes)])?;
        }
        Ok(())
    }
}

/// Says of every leaf anew whether a signature stands for it: the first so many are signed.
pub(super) fn mark(connection: &Connection, signed_leaves: u64) -> rusqlite::Result<()> {
    let size = signed(signed_leaves);
    // Few leaves are unsigned, so they are found by the index of those, and what is behind the end by its place.
    connection.execute(
        "UPDATE leaves INDEXED BY unsigned_leaves SET unsigned = 0 WHERE unsigned = 1 AND idx < ?1",
        [size],
    )?;
    let behind = "UPDATE leaves SET unsigned = 1 WHERE idx >= ?1 AND unsigned = 0";
    connection.execute(behind, [size])?;
    Ok(())
}

/// A number as the database holds it. What is over 2^63 no honest leaf says, and becomes the largest that there is.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Lower-case hexadecimal, without an allocation: a leaf has up to five such texts.
fn hex<'t, const N: usize>(bytes: &[u8], text: &'t mut [u8; N]) -> &'t str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    std::str::from_utf8(text).unwrap_or_default()
}
