//! The tables, word for word as `sqlite` gets them and as people read them.

/// The version of the tables. A database of another one is made anew.
pub(super) const SCHEMA_VERSION: u32 = 2;

/// The documented tables and views. Comments are part of it: it is the reference that people are shown.
pub const INDEX_SCHEMA: &str = "\
-- One row per leaf of the log. Times are milliseconds since 1970-01-01 UTC; digests and ids are lower-case hexadecimal.
CREATE TABLE leaves (
  idx INTEGER PRIMARY KEY,  -- place in the log, from 0
  record TEXT NOT NULL,     -- the record's random id; an INTENT and its OUTCOME share it
  kind TEXT NOT NULL,       -- intent, outcome, tally, decision, key_event, tombstone, policy_change, admit, gate, waiver, reveal
  time_ms INTEGER NOT NULL, -- wall time
  key_id TEXT,              -- the caller's key, by its public id; an OUTCOME does not repeat it
  subject TEXT,             -- pseudonym of the person it is about, another one in every record
  route TEXT,               -- the route; an OUTCOME does not repeat it
  model TEXT,               -- digest of the model, where one was established
  policy TEXT,              -- digest of the policy in force
  verdict INTEGER NOT NULL, -- what the guards said, as bits: see verdict_words
  outcome TEXT,             -- completed, refused, client_gone, upstream_error, timeout, interrupted
  tokens_in INTEGER,        -- tokens of the prompt, as the upstream counted them
  tokens_out INTEGER,       -- tokens of the answer
  count INTEGER,            -- events that a tally stands for
  leaf_hash TEXT NOT NULL,  -- RFC 6962 hash of the leaf
  intent INTEGER,           -- of an OUTCOME: idx of its INTENT
  unsigned INTEGER NOT NULL -- 1 behind the signed checkpoint: nobody can say yet who wrote it; else 0
) STRICT;

-- What is stored beside a leaf, sealed: hash and size of the stored bytes.
CREATE TABLE payloads (
  idx INTEGER NOT NULL,     -- the leaf
  slot TEXT NOT NULL,       -- released, received, evidence
  hash TEXT NOT NULL,       -- SHA-256 of the stored bytes
  bytes INTEGER NOT NULL,   -- number of the stored bytes
  PRIMARY KEY (idx, slot)
) STRICT, WITHOUT ROWID;

-- The words for the bits of a verdict: `verdict >> bit & 1`.
CREATE TABLE verdict_words (
  bit INTEGER PRIMARY KEY,  -- from 0, the lowest
  word TEXT NOT NULL UNIQUE
) STRICT;

-- Exchanges that have no OUTCOME yet.
CREATE TABLE under_way (
  idx INTEGER PRIMARY KEY,  -- the INTENT
  record TEXT NOT NULL
) STRICT;

-- How far the tables have followed the log. One row.
CREATE TABLE meta (
  version INTEGER NOT NULL, -- of these tables
  leaves INTEGER NOT NULL,  -- leaves that are in them
  root TEXT NOT NULL,       -- Merkle root over those leaves
  peaks BLOB NOT NULL       -- roots of the perfect subtrees, from which the next root is made
) STRICT;

-- One row per request: its INTENT with its OUTCOME, as far as there is one.
CREATE VIEW exchanges AS
SELECT
  i.record AS record,
  i.idx AS intent_idx,
  o.idx AS outcome_idx,
  i.time_ms AS started_ms,
  o.time_ms AS ended_ms,
  strftime('%Y-%m-%d %H:%M:%SZ', i.time_ms / 1000, 'unixepoch') AS started,
  strftime('%Y-%m-%d %H:%M:%SZ', o.time_ms / 1000, 'unixepoch') AS ended,
  o.time_ms - i.time_ms AS duration_ms,
  i.key_id AS key_id,
  i.subject AS subject,
  i.route AS route,
  coalesce(i.model, o.model) AS model,
  i.policy AS policy,
  o.outcome AS outcome,
  i.verdict | coalesce(o.verdict, 0) AS verdict,
  (SELECT group_concat(word, ',' ORDER BY bit) FROM verdict_words
    WHERE (i.verdict | coalesce(o.verdict, 0)) >> bit & 1) AS verdict_text,
  o.tokens_in AS tokens_in,
  o.tokens_out AS tokens_out,
  i.unsigned | coalesce(o.unsigned, 0) AS unsigned
FROM leaves AS i LEFT JOIN leaves AS o ON o.intent = i.idx
WHERE i.kind = 'intent';
";

/// The tables and views that queries may name.
pub(super) const NAMES: [&str; 6] =
    ["leaves", "payloads", "verdict_words", "under_way", "meta", "exchanges"];

/// Made after a large fold rather than before: sorting once is cheaper than inserting in random order.
pub(super) const INDEXES: &str = "\
CREATE INDEX IF NOT EXISTS leaves_by_record ON leaves (record);
CREATE INDEX IF NOT EXISTS leaves_by_time ON leaves (time_ms);
CREATE UNIQUE INDEX IF NOT EXISTS outcomes_by_intent ON leaves (intent) WHERE intent IS NOT NULL;
CREATE INDEX IF NOT EXISTS unsigned_leaves ON leaves (idx) WHERE unsigned = 1;
";
