use super::*;
use crate::{Ledger, Options, Parts};
use bartizan_core::record::{
    Draft, Leaf, Outcome, Payload, RecordId, RecordKind, Recorder as _, Slot,
};
use bartizan_testkit::{SimClock, SimDisk, SimEntropy, SimSealer, SimSigner, wait};
use proptest::prelude::*;
use std::sync::Arc;

const WORDS: [&str; 3] = ["input_found", "input_redacted", "stream"];
const TABLES: [&str; 6] = ["leaves", "payloads", "verdict_words", "under_way", "meta", "exchanges"];

/// A log that is being written, and its reading end.
struct World {
    disk: Arc<SimDisk>,
    ledger: Ledger,
    n: u8,
}

impl World {
    fn new(seed: u64) -> Self {
        let disk = Arc::new(SimDisk::new(seed));
        let ledger = Self::open(&disk, seed);
        Self { disk, ledger, n: 0 }
    }

    fn open(disk: &Arc<SimDisk>, seed: u64) -> Ledger {
        let parts = Parts {
            disk: Arc::clone(disk) as Arc<dyn bartizan_core::disk::Disk>,
            clock: Arc::new(SimClock::new(1_700_000_000_000)),
            entropy: Arc::new(SimEntropy::new(seed)),
            sealer: Arc::new(SimSealer::new()),
            signer: Arc::new(SimSigner::new("example.com/log", 1)),
        };
        let options =
            Options { segment_bytes: 64 << 10, prepare_ahead: false, ..Options::default() };
        Ledger::open(parts, options).unwrap().0
    }

    fn reader(&self) -> Reader {
        Reader::open(Arc::clone(&self.disk) as Arc<dyn bartizan_core::disk::Disk>).unwrap()
    }

    /// One leaf: an INTENT, the OUTCOME of the oldest one that is open, or another.
    fn append(&mut self, open: &mut Vec<RecordId>, choice: u8) {
        self.n = self.n.wrapping_add(1);
        let mut id = [choice; 16];
        id[0] = self.n;
        id[1] = u8::try_from(open.len()).unwrap_or(0);
        let at = 1_700_000_000_000 + u64::from(self.n) * 1_000;
        let leaf = match choice % 3 {
            0 => {
                open.push(RecordId(id));
                Leaf {
                    key_id: Some(format!("k-{}", choice % 2)),
                    route: Some("default".to_owned()),
                    verdict: u64::from(choice % 8),
                    policy: Some(Digest([4; 32])),
                    ..Leaf::new(RecordId(id), RecordKind::Intent, at)
                }
            }
            1 if !open.is_empty() => Leaf {
                outcome: Some(if choice < 128 { Outcome::Completed } else { Outcome::Refused }),
                tokens: Some((u64::from(choice), 2)),
                verdict: 4,
                ..Leaf::new(open.remove(0), RecordKind::Outcome, at)
            },
            _ => Leaf { count: Some(3), ..Leaf::new(RecordId(id), RecordKind::Tally, at) },
        };
        let payload = Payload { slot: Slot::Evidence, bytes: vec![choice; usize::from(choice)] };
        let payloads = if choice.is_multiple_of(2) { vec![payload] } else { Vec::new() };
        wait(self.ledger.append(Draft::new(leaf, payloads))).unwrap();
    }
}

fn world(seed: u64, n: u8) -> World {
    let mut world = World::new(seed);
    let mut open = Vec::new();
    (0..n).for_each(|choice| world.append(&mut open, choice));
    world
}

fn ask(index: Index, sql: &str) -> Result<Answer, QueryError> {
    let clock = Arc::new(SimClock::new(0));
    index.questions().unwrap().ask(sql, QueryLimits::default(), clock)
}

/// Everything that is in the tables, in order.
fn dump(index: &Index) -> Vec<String> {
    let mut out = Vec::new();
    for table in TABLES {
        let mut rows =
            index.connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let n = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<_> =
                (0..n).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap()).collect();
            out.push(format!("{table} {cells:?}"));
        }
    }
    out
}

fn rebuilt(world: &World) -> Vec<String> {
    let mut index = Index::in_memory(&WORDS).unwrap();
    assert!(index.rebuild(&world.reader(), &mut |_| {}).unwrap().rebuilt);
    dump(&index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The law of the fold: however it is cut, into whatever transactions, the tables are those of one rebuild.
    #[test]
    fn cutting_does_not_matter(choices in prop::collection::vec((any::<u8>(), prop::bool::weighted(0.2)), 0..60), batch in 1..7_u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(INDEX_NAME);
        let mut world = World::new(1);
        let mut open = Vec::new();
        world.append(&mut open, 0);
        for (choice, is_cut) in choices {
            world.append(&mut open, choice);
            if is_cut {
                let mut index = Index::open(&path, &WORDS).unwrap();
                index.batch_leaves = batch;
                let followed = index.follow(&world.reader(), &mut |_| {}).unwrap();
                prop_assert!(!followed.rebuilt);
            }
        }
        let mut index = Index::open(&path, &WORDS).unwrap();
        index.batch_leaves = batch;
        let followed = index.follow(&world.reader(), &mut |_| {}).unwrap();
        prop_assert!(!followed.rebuilt);
        prop_assert_eq!(followed.leaves, index.leaves().unwrap());
        prop_assert_eq!(dump(&index), rebuilt(&world));
    }
}

#[test]
fn tables_that_are_not_of_this_log_are_made_anew() {
    type Harm = fn(&Path);
    fn sql(path: &Path, sql: &str) {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    }
    let cases: [(&str, bool, Harm); 9] = [
        ("untouched", false, |_| {}),
        ("absent", false, |path| std::fs::remove_file(path).unwrap()),
        ("another log", true, |path| {
            let mut index = Index::open(path, &WORDS).unwrap();
            let mut other = World { n: 100, ..World::new(2) };
            (0..9).for_each(|_| other.append(&mut Vec::new(), 0));
            index.rebuild(&other.reader(), &mut |_| {}).unwrap();
        }),
        ("a longer log", true, |path| {
            let mut index = Index::open(path, &WORDS).unwrap();
            index.rebuild(&world(1, 99).reader(), &mut |_| {}).unwrap();
            sql(path, "UPDATE leaves SET leaf_hash = 'x' WHERE idx = 98");
        }),
        ("another last leaf", true, |path| {
            sql(path, "UPDATE leaves SET leaf_hash = 'x' WHERE idx = 19");
        }),
        ("another root", true, |path| sql(path, "UPDATE meta SET root = 'x'")),
        ("fewer leaves than it says", true, |path| sql(path, "UPDATE meta SET leaves = 30")),
        ("half of it gone", true, |path| sql(path, "DELETE FROM meta")),
        ("another version", false, |path| sql(path, "PRAGMA user_version = 99")),
    ];
    for (name, is_rebuilt, harm) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(INDEX_NAME);
        let world = world(1, 20);
        let first = Index::open(&path, &WORDS).unwrap().follow(&world.reader(), &mut |_| {});
        assert_eq!(first.unwrap(), Followed { leaves: 20, added: 20, rebuilt: false });
        harm(&path);
        let mut index = Index::open(&path, &WORDS).unwrap();
        let followed = index.follow(&world.reader(), &mut |_| {}).unwrap();
        assert_eq!((followed.rebuilt, followed.leaves), (is_rebuilt, 20), "{name}");
        assert_eq!(dump(&index), rebuilt(&world), "{name}");
    }
}

#[test]
fn a_file_that_is_no_database_is_emptied_and_one_open_to_others_is_refused() {
    let world = world(1, 5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(INDEX_NAME);
    for (name, bytes) in [("text", vec![b'x'; 9000]), ("zeros", vec![0; 5000])] {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut index = Index::open(&path, &WORDS).unwrap();
        assert_eq!(index.follow(&world.reader(), &mut |_| {}).unwrap().leaves, 5, "{name}");
        assert_eq!(dump(&index), rebuilt(&world), "{name}");
    }
    for name in [INDEX_NAME, "index.sqlite-wal", "index.sqlite-shm"] {
        let path = folder.path().join(name);
        let mode = path.metadata().map(|about| about.permissions().mode() & 0o777);
        assert!(mode.is_err() || mode.is_ok_and(|mode| mode == 0o600), "{name}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Index::open(&path, &WORDS).unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
    assert!(Index::open(&folder.path().join("absent/x"), &WORDS).is_err());
}

#[test]
fn other_words_for_the_bits_take_the_place_of_the_old_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(INDEX_NAME);
    let world = world(1, 2);
    for (words, want) in [(&WORDS[..2], 2), (&WORDS, 3), (&["else"], 1)] {
        let mut index = Index::open(&path, words).unwrap();
        assert!(!index.follow(&world.reader(), &mut |_| {}).unwrap().rebuilt);
        let answer = ask(index, "SELECT word FROM verdict_words ORDER BY bit").unwrap();
        assert_eq!(answer.rows.len(), want, "{words:?}");
    }
}

#[test]
fn two_that_follow_at_once_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(INDEX_NAME);
    let world = world(1, 200);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut index = Index::open(&path, &WORDS).unwrap();
                index.batch_leaves = 3;
                let followed = index.follow(&world.reader(), &mut |_| {}).unwrap();
                assert_eq!(followed.leaves, 200);
            });
        }
    });
    let mut index = Index::open(&path, &WORDS).unwrap();
    assert_eq!(index.follow(&world.reader(), &mut |_| {}).unwrap().added, 0);
    assert_eq!(dump(&index), rebuilt(&world));
}

fn followed(world: &World) -> Index {
    let mut index = Index::in_memory(&WORDS).unwrap();
    index.follow(&world.reader(), &mut |_| {}).unwrap();
    index
}

#[test]
fn questions_are_answered() {
    let text = |text: &str| Value::Text(text.to_owned());
    let world = world(1, 5);
    let cases = [
        ("all", "SELECT count(*) FROM leaves", vec![Value::Integer(5)]),
        ("null", "SELECT NULL", vec![Value::Null]),
        (
            "an exchange",
            "SELECT outcome, duration_ms, verdict_text, tokens_in FROM exchanges WHERE outcome IS NOT NULL",
            vec![text("completed"), Value::Integer(1_000), text("stream"), Value::Integer(1)],
        ),
        ("under way", "SELECT idx FROM under_way", vec![]),
        ("words", "SELECT started FROM exchanges LIMIT 1", vec![text("2023-11-14 22:13:21Z")]),
        ("blob and real", "SELECT x'00ff', 1.5", vec![Value::Blob(vec![0, 255]), Value::Real(1.5)]),
        ("a common table", "WITH t AS (SELECT 7 AS n) SELECT n FROM t", vec![Value::Integer(7)]),
        (
            "recursion",
            "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT max(n) FROM t",
            vec![Value::Integer(9)],
        ),
        (
            "a common table that is only counted",
            "WITH t AS (SELECT 7) SELECT count(*) FROM t",
            vec![Value::Integer(1)],
        ),
        ("semicolon and comment", "SELECT 1; -- that is all", vec![Value::Integer(1)]),
    ];
    for (name, sql, want) in cases {
        let answer = ask(followed(&world), sql).unwrap_or_else(|error| panic!("{name}: {error}"));
        let first = answer.rows.first().cloned().unwrap_or_default();
        assert!(first == want && !answer.is_cut, "{name}: {answer:?}");
    }
}

#[test]
fn what_does_more_than_read_the_tables_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(INDEX_NAME);
    let world = world(1, 5);
    let elsewhere = folder.path().join("other.sqlite");
    let attach = format!("ATTACH '{}' AS other", elsewhere.display());
    let into = format!("VACUUM INTO '{}'", elsewhere.display());
    let cases = [
        ("DELETE FROM leaves", "writing to leaves"),
        ("INSERT INTO meta VALUES (1, 2, 3, 4)", "writing to meta"),
        ("UPDATE leaves SET verdict = 0", "writing to leaves"),
        ("DROP TABLE leaves", "is not allowed"),
        ("CREATE TABLE mine (a)", "is not allowed"),
        ("CREATE TEMP TABLE mine AS SELECT * FROM leaves", "is not allowed"),
        (&attach, "ATTACH"),
        (&into, "no question"),
        ("PRAGMA query_only = 0", "PRAGMA query_only"),
        ("PRAGMA table_info(leaves)", "PRAGMA table_info"),
        ("SELECT * FROM pragma_table_info('leaves')", "is not allowed"),
        ("SELECT * FROM sqlite_master", "reading sqlite_master"),
        ("SELECT * FROM sqlite_schema", "reading sqlite_master"),
        ("SELECT count(*) FROM sqlite_master", "reading sqlite_master"),
        ("SELECT count(*) FROM main.sqlite_schema", "reading sqlite_schema"),
        ("SELECT count(*) FROM pragma_database_list", "reading pragma_database_list"),
        ("SELECT load_extension('x')", "load_extension"),
        ("BEGIN", "a transaction"),
        ("SAVEPOINT a", "a transaction"),
        ("REINDEX", "is not allowed"),
        ("ANALYZE", "is not allowed"),
        ("SELECT 1; DELETE FROM leaves", "writing to leaves"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("", "no question"),
        (" -- nothing", "no question"),
        ("SELECT * FORM leaves", "syntax error"),
        ("SELECT prompt FROM leaves", "no such column: prompt"),
        ("SELECT * FROM prompts", "no such table: prompts"),
        ("SELECT \"completed\"", "no such column"),
        ("SELECT zeroblob(99999999)", "more memory"),
        ("SELECT 1\0, 2", "NUL"),
    ];
    let mut index = Index::open(&path, &WORDS).unwrap();
    index.follow(&world.reader(), &mut |_| {}).unwrap();
    let before = dump(&index);
    let mut questions = index.questions().unwrap();
    for (sql, want) in cases {
        let clock = Arc::new(SimClock::new(0));
        let error = questions.ask(sql, QueryLimits::default(), clock).unwrap_err().to_string();
        assert!(error.contains(want), "{sql}: {error}");
    }
    let clock = Arc::new(SimClock::new(0));
    let answer = questions.ask("SELECT count(*) FROM leaves", QueryLimits::default(), clock);
    assert_eq!(answer.unwrap().rows, [[Value::Integer(5)]], "it still answers");
    assert!(!elsewhere.exists());
    assert_eq!(dump(&Index::open(&path, &WORDS).unwrap()), before);
}

#[test]
fn a_mistake_is_pointed_at() {
    for (sql, want) in [("SELECT * FORM leaves", 9), ("SELECT kind, prompt FROM leaves", 13)] {
        let error = ask(followed(&world(1, 1)), sql).unwrap_err();
        assert!(
            matches!(error, QueryError::Wrong { offset: Some(at), .. } if at == want),
            "{error:?}"
        );
    }
}

/// A clock that goes on by a second with every look.
struct Ticking(SimClock);

impl bartizan_core::clock::Clock for Ticking {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms()
    }

    fn monotonic_us(&self) -> u64 {
        self.0.advance_us(1_000_000);
        self.0.monotonic_us()
    }
}

#[test]
fn limits_of_time_and_rows_hold() {
    const ENDLESS: &str =
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t";
    let world = world(1, 5);
    let limits = QueryLimits { rows_max: 7, time_ms: 5_000 };
    let clock = Arc::new(SimClock::new(0));
    let answer = followed(&world).questions().unwrap().ask(ENDLESS, limits, clock).unwrap();
    assert!(answer.is_cut && answer.rows.len() == 7, "{answer:?}");
    let counting = format!("SELECT count(*) FROM ({ENDLESS})");
    let clock = Arc::new(Ticking(SimClock::new(0)));
    let error = followed(&world).questions().unwrap().ask(&counting, limits, clock).unwrap_err();
    assert!(matches!(error, QueryError::Time { time_ms: 5_000 }), "{error:?}");
    let clock = Arc::new(SimClock::new(0));
    let exact = QueryLimits { rows_max: 5, ..limits };
    let mut questions = followed(&world).questions().unwrap();
    let answer = questions.ask("SELECT idx FROM leaves", exact, clock).unwrap();
    assert!(!answer.is_cut && answer.rows.len() == 5, "just enough is not cut: {answer:?}");
}

fn found(world: &World, filter: &Filter) -> Vec<(u64, Option<u64>)> {
    let mut all = Vec::new();
    let questions = followed(world).questions().unwrap();
    let mut take = |found: Found| {
        all.push((found.leaf.index, found.end.map(|end| end.index)));
        true
    };
    questions.search(filter, &mut take).unwrap();
    all
}

#[test]
fn records_are_found_by_what_either_leaf_says() {
    // Leaves 0 to 8: intent, outcome, tally, and so on; keys k-0, k-1, k-0.
    let world = world(1, 9);
    let at = |n: u64| Some(1_700_000_000_000 + (n + 1) * 1_000);
    let all = || Filter::default();
    let cases = [
        ("all", all(), vec![8, 6, 5, 3, 2, 0]),
        ("key", Filter { key_id: Some("k-1".to_owned()), ..all() }, vec![3]),
        ("nobody's key", Filter { key_id: Some("k-9".to_owned()), ..all() }, vec![]),
        ("route", Filter { route: Some("default".to_owned()), ..all() }, vec![6, 3, 0]),
        ("outcome", Filter { outcome: Some(Outcome::Completed), ..all() }, vec![6, 3, 0]),
        ("other outcome", Filter { outcome: Some(Outcome::Refused), ..all() }, vec![]),
        ("tallies", Filter { kind: Some(RecordKind::Tally), ..all() }, vec![8, 5, 2]),
        ("ended", Filter { kind: Some(RecordKind::Outcome), ..all() }, vec![6, 3, 0]),
        ("intents", Filter { kind: Some(RecordKind::Intent), ..all() }, vec![6, 3, 0]),
        ("since", Filter { since_ms: at(5), ..all() }, vec![8, 6, 5]),
        ("until", Filter { until_ms: at(3), ..all() }, vec![2, 0]),
        ("no time", Filter { since_ms: at(5), until_ms: at(5), ..all() }, vec![]),
        ("a bit of the intent", Filter { verdict: Some(2), ..all() }, vec![6, 3]),
        ("a bit of the outcome", Filter { verdict: Some(4), ..all() }, vec![6, 3, 0]),
        ("model", Filter { model: Some("00".to_owned()), ..all() }, vec![]),
        ("together", Filter { key_id: Some("k-0".to_owned()), since_ms: at(1), ..all() }, vec![6]),
    ];
    for (name, filter, want) in cases {
        let found: Vec<_> = found(&world, &filter).into_iter().map(|(index, _)| index).collect();
        assert_eq!(found, want, "{name}");
    }
    assert_eq!(found(&world, &all()).last(), Some(&(0, Some(1))), "an exchange has its end");
    let questions = followed(&world).questions().unwrap();
    let mut leaves = Vec::new();
    let mut take = |leaf: LeafRow| {
        leaves.push(leaf.index);
        leaves.len() < 3
    };
    questions.leaves(at(2), at(7), &mut take).unwrap();
    assert_eq!(leaves, [2, 3, 4], "in order, from the first on, until enough");
    let count = |since_ms, until_ms| {
        let mut n = 0;
        let mut take = |_| {
            n += 1;
            true
        };
        questions.leaves(since_ms, until_ms, &mut take).unwrap();
        n
    };
    let cases =
        [(None, None, 9), (at(4), None, 5), (None, at(4), 4), (at(4), at(4), 0), (at(99), None, 0)];
    for (since_ms, until_ms, want) in cases {
        assert_eq!(count(since_ms, until_ms), want, "{since_ms:?} to {until_ms:?}");
    }
}

#[test]
fn a_leaf_is_proved_by_what_is_published() {
    let world = world(1, 20);
    let before = world.reader();
    let entries: Vec<_> = before.entries().unwrap().map(Result::unwrap).collect();
    let World { disk, ledger, .. } = world;
    drop(ledger); // writes the last checkpoint
    let reader = Reader::open(disk).unwrap();
    let key = crate::tlog::VerifierKey::of_log(&SimSigner::new("example.com/log", 1)).unwrap();
    let policy = crate::tlog::Policy::of_log(key);
    for entry in &entries {
        let proof = reader.prove(entry).unwrap().unwrap();
        proof.verify(entry.leaf_hash, &policy).unwrap();
        assert!(proof.verify(Digest([1; 32]), &policy).is_err());
    }
    let mut newer = entries[0].clone();
    newer.index = 20;
    assert_eq!(reader.prove(&newer).unwrap(), None, "newer than the checkpoint");
    let mut other = entries[0].clone();
    other.leaf_hash = Digest([1; 32]);
    assert!(reader.prove(&other).is_err(), "the tiles say something else");
}

/// The leaves of a record by the tables; the same as by a look at every leaf, where they know.
fn by_tables(questions: &Questions, world: &World, prefix: &str) -> Option<Vec<u64>> {
    let found = questions.find(&world.reader(), prefix).unwrap()?;
    assert_eq!(found, world.reader().find_prefix(prefix).unwrap(), "{prefix}");
    Some(found.iter().map(|entry| entry.index).collect())
}

#[test]
fn a_record_is_found_where_the_tables_say_it_is() {
    let mut world = world(5, 200);
    let entries: Vec<_> = world.reader().entries().unwrap().map(Result::unwrap).collect();
    let ended = |entry: &&crate::Entry| entry.leaf.kind == RecordKind::Outcome;
    let records = entries.iter().filter(ended).map(|entry| entry.leaf.record.to_string());
    let records: Vec<String> = records.collect();
    let questions = followed(&world).questions().unwrap();
    for record in &records {
        let places = by_tables(&questions, &world, &record.to_uppercase()).unwrap();
        assert_eq!(places.len(), 2, "an INTENT and its OUTCOME");
        assert!(by_tables(&questions, &world, record.get(..12).unwrap()).is_some());
    }
    // What they cannot answer for certain they do not answer.
    for (name, prefix) in [
        ("nothing", "ffffffffffff"),
        ("no id", "not hex"),
        ("several", ""),
        ("longer", "00000000000000000000000000000000000000000000"),
    ] {
        assert_eq!(by_tables(&questions, &world, prefix), None, "{name}");
    }
    // An INTENT that they know, and an OUTCOME that came since.
    let mut open = Vec::new();
    world.append(&mut open, 0);
    let record = open[0].to_string();
    let behind = followed(&world).questions().unwrap();
    assert_eq!(by_tables(&behind, &world, &record), None, "it has no OUTCOME yet");
    world.append(&mut open, 1);
    assert_eq!(by_tables(&behind, &world, &record), Some(vec![200, 201]));
    assert_eq!(
        by_tables(&questions, &world, &record),
        Some(vec![200, 201]),
        "all of it came since"
    );
}

#[test]
fn tables_that_lie_are_not_believed() {
    let world = world(5, 60);
    let entry = world.reader().entries().unwrap().map(Result::unwrap);
    let entry = entry.into_iter().find(|entry| entry.leaf.kind == RecordKind::Outcome).unwrap();
    let record = entry.leaf.record.to_string();
    let lies = [
        ("another place", "UPDATE leaves SET idx = idx + 1000 WHERE kind = 'outcome'"),
        ("another leaf", "UPDATE leaves SET leaf_hash = 'x'"),
        ("no outcome", "DELETE FROM leaves WHERE kind = 'outcome'"),
        ("nothing", "DELETE FROM leaves"),
        ("no size", "DELETE FROM meta"),
        ("a longer log", "UPDATE meta SET leaves = 9000"),
    ];
    for (name, lie) in lies {
        let index = followed(&world);
        index.connection.execute_batch(lie).unwrap();
        let found = index.questions().unwrap().find(&world.reader(), &record).unwrap();
        // What is told of a longer log is true of this one.
        assert_eq!(found.is_some(), name == "a longer log", "{name}");
    }
}

#[test]
fn tables_that_are_there_are_opened_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(INDEX_NAME);
    assert!(Questions::existing(&path).is_none() && !path.exists(), "nothing is made");
    std::fs::write(&path, b"no database, and long enough to be looked at").unwrap();
    assert!(Questions::existing(&path).is_none());
    std::fs::remove_file(&path).unwrap();
    let world = world(7, 9);
    let mut index = Index::open(&path, &WORDS).unwrap();
    index.follow(&world.reader(), &mut |_| {}).unwrap();
    let record = world.reader().entries().unwrap().map(Result::unwrap);
    let record = record.into_iter().find(|entry| entry.leaf.kind == RecordKind::Outcome).unwrap();
    let questions = Questions::existing(&path).unwrap();
    let found = questions.find(&world.reader(), &record.leaf.record.to_string()).unwrap();
    assert_eq!(found.unwrap().len(), 2);
    index.connection.execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(Questions::existing(&path).is_none(), "of another version");
}

#[test]
fn a_log_that_was_cut_is_not_followed_as_a_short_one() {
    let World { ledger, disk, .. } = world(8, 120);
    let reader = Reader::open(disk.clone() as Arc<dyn bartizan_core::disk::Disk>).unwrap();
    let mut index = Index::in_memory(&WORDS).unwrap();
    index.follow(&reader, &mut |_| {}).unwrap();
    drop(ledger);
    (1..9).for_each(|number| disk.lose(&format!("segment-{number:08}.log")));
    let is_cut = |error: IndexError| matches!(&error, IndexError::Ledger(crate::LedgerError::Damaged(problem)) if matches!(problem.flaw, crate::Flaw::Cut { size: 120, .. }));
    assert!(is_cut(index.follow(&reader, &mut |_| {}).unwrap_err()));
    assert!(is_cut(index.rebuild(&reader, &mut |_| {}).unwrap_err()));
    let mut fresh = Index::in_memory(&WORDS).unwrap();
    assert!(is_cut(fresh.follow(&reader, &mut |_| {}).unwrap_err()));
}
