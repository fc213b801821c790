//! Whatever the disk does, the key never signs two roots for one size, and never a smaller tree after a larger one.
use super::*;
use crate::merkle::{consistency_proof, root_of};
use crate::tlog::testing::{Key, hashes, key};
use crate::tlog::{Answered, Checkpoint, VerifierKey, read_answer, witness_request};
use bartizan_core::digest::Digest;
use bartizan_core::disk::DiskFile;
use bartizan_core::sign::{SignError, Signer};
use bartizan_testkit::{SimDisk, SplitMix};

const ORIGIN: &str = "example.com/log";

/// A key that remembers what it was asked to sign.
struct Spy {
    key: Key,
    said: Arc<Mutex<Vec<Checkpoint>>>,
}

impl Signer for Spy {
    fn name(&self) -> &str {
        self.key.name()
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let text = std::str::from_utf8(message).unwrap();
        let body = text.splitn(3, '\n').nth(2).unwrap();
        self.said.lock().unwrap().push(Checkpoint::parse(body).unwrap());
        self.key.sign(message)
    }

    fn mark(&self, message: &[u8]) -> [u8; 16] {
        self.key.mark(message)
    }
}

/// What all lives of one witness have signed.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<Checkpoint>>>);

impl Said {
    /// The law: one root for a size, and sizes that never shrink.
    fn check(&self) -> Result<(), String> {
        let mut roots = BTreeMap::new();
        let mut largest = 0;
        for checkpoint in self.0.lock().unwrap().iter() {
            let (size, root) = (checkpoint.size(), checkpoint.root());
            if *roots.entry(size).or_insert(root) != root {
                return Err(format!("two roots for {size}"));
            }
            if size < largest {
                return Err(format!("{size} after {largest}"));
            }
            largest = size;
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn witness_of(said: &Said, origins: &[&str]) -> Witness {
    let spy = Spy { key: key("w.example", 2), said: Arc::clone(&said.0) };
    let mut witness = Witness::new(Arc::new(spy)).unwrap();
    for origin in origins {
        let log = VerifierKey::of_log(&key(origin, 1)).unwrap();
        witness.follow(origin, vec![log]).unwrap();
    }
    witness
}

fn open(disk: &Arc<dyn Disk>, said: &Said) -> Result<WitnessStore, WitnessStoreError> {
    WitnessStore::open(Arc::clone(disk), witness_of(said, &[ORIGIN]))
}

fn arc(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Leaves of one of two histories that differ from the first leaf on.
fn history(forked: bool, n: usize) -> Vec<Digest> {
    let mut leaves = hashes(n);
    leaves.iter_mut().take(1).for_each(|leaf| leaf.0[0] ^= u8::from(forked));
    leaves
}

fn body_of(origin: &str, forked: bool, from: usize, to: usize) -> String {
    let leaves = history(forked, to);
    let proof = consistency_proof(&leaves, from).unwrap_or_default();
    let checkpoint = Checkpoint::new(origin, to as u64, root_of(&leaves)).unwrap();
    witness_request(from as u64, proof, checkpoint.sign(&key(origin, 1)).unwrap()).unwrap()
}

static BODIES: Mutex<BTreeMap<(bool, usize, usize), String>> = Mutex::new(BTreeMap::new());

fn body(forked: bool, from: usize, to: usize) -> String {
    let mut bodies = BODIES.lock().unwrap();
    let body = bodies.entry((forked, from, to));
    body.or_insert_with(|| body_of(ORIGIN, forked, from, to)).clone()
}

#[test]
fn a_log_and_its_witness_understand_each_other() {
    let (disk, said) = (arc(&SimDisk::new(0)), Said::default());
    let keys = [VerifierKey::of_witness(&key("w.example", 2)).unwrap()];
    let mut known = 0;
    for size in [1, 5, 5, 300] {
        let store = open(&disk, &said).unwrap();
        let checkpoint = Checkpoint::new(ORIGIN, size as u64, root_of(&hashes(size))).unwrap();
        let mut checkpoint = checkpoint.sign(&key(ORIGIN, 1)).unwrap();
        // The log has forgotten where the witness stands, and is told.
        let answer = store.add_checkpoint(body(false, 0, size).as_bytes(), 7_000).unwrap();
        if 0 < known {
            let answered =
                read_answer(answer.status(), answer.body().as_bytes(), &checkpoint, &keys);
            assert_eq!(answered, Ok(Answered::Conflict { size: known as u64 }));
        }
        let answer = store.add_checkpoint(body(false, known, size).as_bytes(), 7_000).unwrap();
        let answered = read_answer(answer.status(), answer.body().as_bytes(), &checkpoint, &keys);
        let is_first = known == 0;
        match answered {
            Ok(Answered::Cosigned(signatures)) if !is_first => {
                checkpoint.put(signatures[0].clone()).unwrap();
                let hash = sha256(ORIGIN.as_bytes()).to_string();
                assert_eq!(
                    store.checkpoint(&hash).unwrap(),
                    Some(checkpoint),
                    "monitors see the same"
                );
                assert_eq!(store.checkpoint(&hash.to_uppercase()).unwrap(), None);
            }
            Ok(Answered::Conflict { size }) if is_first => {
                assert_eq!(size, 1, "0 was cosigned already");
            }
            answered => panic!("{answered:?}"),
        }
        known = size;
    }
    assert!(said.check().is_ok());
}

#[test]
fn split_views_and_rollbacks_are_refused_and_kept() {
    let (disk, said) = (SimDisk::new(0), Said::default());
    let store = open(&arc(&disk), &said).unwrap();
    let status = |body: &str| store.add_checkpoint(body.as_bytes(), 1).unwrap().status();
    assert_eq!(status(&body(false, 0, 7)), 200);
    let cases = [
        ("same size, other root", body(true, 7, 7), 422),
        ("rollback", body(false, 3, 5), 409),
        ("rollback from nothing", body(false, 0, 5), 409),
        ("other history from nothing", body(true, 0, 9), 409),
        ("other history from here", body(true, 7, 9), 422),
        ("unknown log", body_of("example.com/other", false, 0, 1), 404),
        ("no request", "old\n".to_owned(), 400),
        ("the honest one still grows", body(false, 7, 9), 200),
    ];
    for (name, body, want) in cases {
        assert_eq!(status(&body), want, "{name}");
    }
    said.check().unwrap();
    let evidence = store.evidence(ORIGIN);
    let kinds: Vec<_> = evidence.iter().map(|name| name.split('-').next().unwrap()).collect();
    assert_eq!(kinds, ["doubt", "fork"]);
    let text = String::from_utf8(disk.content(&evidence[1]).unwrap()).unwrap();
    let leaves = [history(false, 7), history(true, 7)];
    for root in leaves.map(|leaves| crate::tlog::lines::hash_text(&root_of(&leaves))) {
        assert!(text.contains(&format!("\n7\n{root}\n")), "both roots are in the evidence: {text}");
    }
    assert_eq!(store.evidence("example.com/other"), Vec::<String>::new());
}

#[test]
fn evidence_is_bounded_and_junk_does_not_push_out_forks() {
    let (disk, said) = (SimDisk::new(0), Said::default());
    let store = open(&arc(&disk), &said).unwrap();
    let status = |store: &WitnessStore, body: &str| {
        store.add_checkpoint(body.as_bytes(), 1).unwrap().status()
    };
    assert_eq!(status(&store, &body(false, 0, 7)), 200);
    for to in 8..8 + 2 * EVIDENCE_FILES_MAX {
        assert_eq!(status(&store, &body(true, 7, to)), 422);
        assert_eq!(status(&store, &body(true, 7, to)), 422, "twice is once");
    }
    assert_eq!(store.evidence(ORIGIN).len(), EVIDENCE_FILES_MAX);
    let store = open(&arc(&disk), &said).unwrap();
    assert_eq!(store.evidence(ORIGIN).len(), EVIDENCE_FILES_MAX, "counted again after a start");
    assert_eq!(status(&store, &body(true, 7, 40)), 422);
    assert_eq!(status(&store, &body(true, 7, 7)), 422);
    assert_eq!(store.evidence(ORIGIN).len(), EVIDENCE_FILES_MAX + 1, "there is room for a fork");
    assert_eq!(disk.list().unwrap().len(), EVIDENCE_FILES_MAX + 2);
}

/// A place in the code that makes something durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// What a start found, written again.
    FoundData,
    /// The names of what it found.
    FoundNames,
    /// A new state.
    NewData,
    /// Its name.
    NewNames,
}

const SITES: [Site; 4] = [Site::FoundData, Site::FoundNames, Site::NewData, Site::NewNames];

#[derive(Debug, Default)]
struct Script {
    /// The build that lacks this one sync.
    lacks: Option<Site>,
    /// Changing operations until the process is killed.
    left: Option<u64>,
    is_dead: bool,
    is_opening: bool,
}

/// What one process does to its disk until it is killed: what it wrote then stays in the cache. Clones are the same process.
#[derive(Clone)]
struct Mortal {
    disk: Arc<dyn Disk>,
    script: Arc<Mutex<Script>>,
}

impl Mortal {
    fn new(disk: &SimDisk, lacks: Option<Site>, left: Option<u64>) -> Self {
        let script = Script { lacks, left, ..Script::default() };
        Self { disk: arc(disk), script: Arc::new(Mutex::new(script)) }
    }

    /// Opens the store, during which syncs belong to what was found.
    fn open(&self, said: &Said) -> Result<WitnessStore, WitnessStoreError> {
        self.script.lock().unwrap().is_opening = true;
        let disk: Arc<dyn Disk> = Arc::new(self.clone());
        let store = open(&disk, said);
        self.script.lock().unwrap().is_opening = false;
        store
    }

    /// One changing operation.
    fn step(&self) -> io::Result<()> {
        let mut script = self.script.lock().unwrap();
        if let Some(left) = &mut script.left {
            *left = left.saturating_sub(1);
            script.is_dead |= script.left == Some(0);
        }
        if script.is_dead { Err(io::Error::other("the process was killed")) } else { Ok(()) }
    }

    fn lacks(&self, [found, new]: [Site; 2]) -> bool {
        let script = self.script.lock().unwrap();
        script.lacks == Some(if script.is_opening { found } else { new })
    }
}

impl Disk for Mortal {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        if create {
            self.step()?;
        }
        let file = self.disk.open(name, create)?;
        Ok(Box::new(MortalFile { file, process: self.clone() }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.step()?;
        self.disk.remove(name)
    }
    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        self.disk.folder(name, create)
    }
    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.disk.remove_folder(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.step()?;
        let is_left_out = self.lacks([Site::FoundNames, Site::NewNames]);
        if is_left_out { Ok(()) } else { self.disk.sync_dir() }
    }
}

struct MortalFile {
    file: Box<dyn DiskFile>,
    process: Mortal,
}

impl DiskFile for MortalFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.process.step()?;
        self.file.write_at(bytes, offset)
    }
    fn sync_data(&mut self) -> io::Result<()> {
        self.process.step()?;
        let is_left_out = self.process.lacks([Site::FoundData, Site::NewData]);
        if is_left_out { Ok(()) } else { self.file.sync_data() }
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.process.step()?;
        self.file.set_len(len)
    }
}

/// Lives one life, until the power goes or the process is killed: a monitor asks for the last checkpoint, and then a malicious log shows
/// both histories in turn.
fn live(process: &Mortal, said: &Said, forked: bool) -> Result<(), String> {
    let store = match process.open(said) {
        Ok(store) => store,
        Err(error)
            if ["power is off", "was killed"].iter().any(|end| error.to_string().contains(end)) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error.to_string()),
    };
    // Whoever asks now is told what the witness has cosigned: that is as good as a signature that was asked for.
    if store.checkpoint(&sha256(ORIGIN.as_bytes()).to_string()).is_err() {
        return Ok(());
    }
    for step in 0..6_usize {
        for (forked, to) in [(forked, step + 1), (!forked, step + 1)] {
            for from in 0..=to {
                if store.add_checkpoint(body(forked, from, to).as_bytes(), step as u64).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Three lives: the first ends with a power cut or a kill at any operation, the second with a kill and then, whatever it was, a power cut;
/// each next one is shown the other history first. Says how often something was signed after the first.
fn crash_twice(seed: u64, lacks: Option<Site>) -> Result<usize, String> {
    let mut chance = SplitMix::new(seed);
    let (disk, said) = (SimDisk::new(seed), Said::default());
    let mut n_before = 0;
    for life in 0..3 {
        let is_killed = chance.one_in(2);
        let cut = 1 + chance.below(if life == 1 { 12 } else { 60 }) as u64;
        let process = Mortal::new(&disk, lacks, is_killed.then_some(cut));
        if !is_killed {
            disk.cut_power_at(cut);
        }
        live(&process, &said, life % 2 == 1)?;
        said.check()?;
        if life == 0 {
            n_before = said.len();
        }
        if !is_killed || life == 1 {
            disk.crash(chance.draw());
        }
    }
    Ok(said.len() - n_before)
}

#[test]
fn no_crash_makes_it_sign_two_roots_for_one_size() {
    let mut n_signed = 0;
    for seed in 0..600 {
        n_signed += crash_twice(seed, None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    assert!(1000 < n_signed, "it signs again after a crash, {n_signed} times");
}

/// Exactly one place that makes something durable is left out, in turn.
#[test]
fn a_build_without_one_of_its_syncs_is_caught() {
    for site in SITES {
        let is_caught = (0..4_000).any(|seed| crash_twice(seed, Some(site)).is_err());
        assert!(is_caught, "{site:?} was never noticed");
    }
}

/// The crash that was missed for long: a kill between the new name and its sync, a start, a question, a power cut.
#[test]
fn what_was_found_after_a_kill_is_durable_before_it_is_signed() {
    for seed in 0..40 {
        let (disk, said) = (SimDisk::new(seed), Said::default());
        let ask = |store: &WitnessStore, forked, from, to| {
            store.add_checkpoint(body(forked, from, to).as_bytes(), 1).map(|answer| answer.status())
        };
        let store = Mortal::new(&disk, None, None).open(&said).unwrap();
        assert_eq!(ask(&store, false, 0, 3), Ok(200));
        // Opened and synced with nothing new, then: open, length, write, sync, name, and the sync of the folder that never comes.
        let killed = Mortal::new(&disk, None, Some(5 + 1 + 6));
        let store = killed.open(&said).unwrap();
        assert!(ask(&store, false, 3, 5).is_err());
        let hash = sha256(ORIGIN.as_bytes()).to_string();
        let store = Mortal::new(&disk, None, None).open(&said).unwrap();
        let told = store.checkpoint(&hash).unwrap().unwrap();
        assert_eq!(told.checkpoint().size(), 5, "the name was in the cache");
        disk.crash(seed);
        let store = Mortal::new(&disk, None, None).open(&said).unwrap();
        assert_eq!(ask(&store, true, 3, 5), Ok(409), "seed {seed}: it stands at 5, not at 3");
        assert_eq!(ask(&store, true, 5, 5), Ok(422), "seed {seed}");
        said.check().unwrap();
    }
}

#[test]
fn a_failed_sync_is_final_and_a_full_disk_is_not() {
    let fresh = || {
        let (disk, said) = (SimDisk::new(0), Said::default());
        let store = open(&arc(&disk), &said).unwrap();
        assert_eq!(store.add_checkpoint(body(false, 0, 3).as_bytes(), 1).unwrap().status(), 200);
        (disk, said, store)
    };
    for dir in [false, true] {
        let (disk, said, store) = fresh();
        if dir {
            disk.fail_dir_sync_at(1);
        } else {
            disk.fail_sync_at(1);
        }
        for _ in 0..3 {
            let error = store.add_checkpoint(body(false, 3, 5).as_bytes(), 1).unwrap_err();
            assert!(matches!(error, WitnessStoreError::Stopped { .. }), "{error}");
        }
        assert!(store.checkpoint("").is_err());
        assert_eq!(said.len(), 1, "nothing was signed after the failure");
        drop(store);
        let store = open(&arc(&disk), &said).unwrap();
        let known = usize::from(dir) * 2 + 3;
        assert_eq!(
            store.add_checkpoint(body(false, known, 5).as_bytes(), 1).unwrap().status(),
            200
        );
    }
    let (disk, said, store) = fresh();
    disk.set_room(Some(0));
    let error = store.add_checkpoint(body(false, 3, 5).as_bytes(), 1).unwrap_err();
    assert!(matches!(error, WitnessStoreError::Disk { operation: "write", .. }), "{error}");
    assert_eq!(said.len(), 1);
    disk.set_room(None);
    assert_eq!(store.add_checkpoint(body(false, 3, 5).as_bytes(), 1).unwrap().status(), 200);
}

#[test]
fn a_damaged_state_is_not_taken_for_none() {
    let (disk, said) = (SimDisk::new(0), Said::default());
    let store = open(&arc(&disk), &said).unwrap();
    store.add_checkpoint(body(false, 0, 3).as_bytes(), 1).unwrap();
    let name = state_name(ORIGIN);
    let content = disk.content(&name).unwrap();
    let is_damaged = |edit: &dyn Fn(&mut Vec<u8>)| {
        let copy = disk.copy();
        copy.edit(&name, edit);
        matches!(open(&arc(&copy), &said), Err(WitnessStoreError::Damaged { .. }))
    };
    for at in 0..content.len() {
        assert!(is_damaged(&|bytes| bytes[at] ^= 1), "byte {at}");
        assert!(is_damaged(&|bytes| bytes.truncate(at)), "cut at {at}");
    }
    assert!(is_damaged(&|bytes| bytes.push(b'\n')));
    assert!(is_damaged(&|bytes| bytes.resize(STATE_BYTES_MAX + 1, b'x')));
    let other = body_of("example.com/other", false, 0, 3);
    let other = AddCheckpoint::parse(other.as_bytes()).unwrap();
    let other = LogState { unix_s: 1, checkpoint: other.checkpoint().clone() };
    assert!(is_damaged(&|bytes| *bytes = encode_state(&other).into_bytes()), "another log's");
}

#[test]
fn many_at_once_get_one_history() {
    let (disk, said) = (arc(&SimDisk::new(0)), Said::default());
    let store = WitnessStore::open(disk, witness_of(&said, &[ORIGIN])).unwrap();
    let n_cosigned: usize = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..8_usize)
            .map(|thread| {
                let store = &store;
                let ask = move |to: usize| {
                    let answers = (0..to).map(|from| {
                        store.add_checkpoint(body(thread % 2 == 1, from, to).as_bytes(), 1).unwrap()
                    });
                    answers.filter(|answer| answer.status() == 200).count()
                };
                scope.spawn(move || (1..8).map(ask).sum::<usize>())
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    });
    said.check().unwrap();
    assert!(0 < n_cosigned && n_cosigned == said.len());
}
