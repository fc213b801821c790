//! A ledger on real files with real keys, and a count of what it writes.
use anyhow::Result;
use bartizan_core::clock::{Clock, Entropy};
use bartizan_core::disk::{Disk, DiskFile};
use bartizan_core::record::{
    Draft, Leaf, Outcome, Payload, RecordId, RecordKind, Recorded, Recorder as _, Slot,
};
use bartizan_core::seal::{Retention, Sealed, Sealer as _, Sealing};
use bartizan_keys::{KeyStore, NoteKey, Options as KeyOptions, TenantKey};
use bartizan_ledger::tlog::VerifierKey;
use bartizan_ledger::{FsDisk, Ledger, Options, Parts, Reader};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

/// People whose texts are sealed.
const N_SUBJECTS: u64 = 100;
/// Most bytes of a key file.
const KEY_BYTES_MAX: u64 = 1024;
/// Most writes that are kept for the floor.
const WRITES_MAX: usize = 4_000_000;

struct BenchClock(Instant);

impl Clock for BenchClock {
    fn unix_ms(&self) -> u64 {
        started_unix_ms()
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// When every record is made: today, or the real binary would find a log from another time.
#[expect(
    clippy::disallowed_methods,
    reason = "no figure depends on it, and the real binary has a clock"
)]
fn started_unix_ms() -> u64 {
    static STARTED: OnceLock<u64> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

struct KernelEntropy;

impl Entropy for KernelEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the kernel's random source works once it is seeded");
    }
}

/// Sizes of the groups that were written to segments, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes(Arc<Mutex<Vec<usize>>>);

impl Writes {
    fn note(&self, n_bytes: usize) {
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.len() < WRITES_MAX {
            sizes.push(n_bytes);
        }
    }

    /// What was written since the last call.
    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Passes everything on, and notes what is written to segments. Zeros for new segments are not groups.
struct Noting {
    disk: Arc<dyn Disk>,
    writes: Writes,
}

struct NotingFile {
    file: Box<dyn DiskFile>,
    writes: Writes,
    /// Written since the last sync.
    n_bytes: usize,
    n_syncs: u64,
    is_new: bool,
}

impl Disk for Noting {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = self.disk.open(name, create)?;
        if !name.starts_with("segment-") {
            return Ok(file);
        }
        let (writes, is_new) = (self.writes.clone(), create);
        Ok(Box::new(NotingFile { file, writes, n_bytes: 0, n_syncs: 0, is_new }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn folder(&self, name: &str, create: bool) -> io::Result<Arc<dyn Disk>> {
        self.disk.folder(name, create)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.disk.remove_folder(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

impl DiskFile for NotingFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.n_bytes += bytes.len();
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let n_bytes = std::mem::take(&mut self.n_bytes);
        // The first sync of a new segment is that of its zeros.
        if 0 < self.n_syncs || !self.is_new {
            self.writes.note(n_bytes);
        }
        self.n_syncs += 1;
        self.file.sync_data()
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_out()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

fn write_key(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn read_key(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = String::new();
    File::open(path)?.take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.into_bytes())
}

/// A folder with a ledger and its keys.
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) writes: Writes,
    keys: Arc<KeyStore>,
    signer: Arc<NoteKey>,
}

impl Stage {
    /// An empty one.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let tenant = TenantKey::generate("bench", &KernelEntropy)?;
        let signer = NoteKey::generate("bench.example/log", &KernelEntropy)?;
        Self::of(folder, &tenant, signer)
    }

    /// One whose keys lie in files, as the binary finds them: the state folder of a gateway, new or gone on with.
    pub(crate) fn with_files(folder: &Path) -> Result<Self> {
        let vault = folder.join("vault");
        DirBuilder::new().recursive(true).mode(0o700).create(&vault)?;
        let [tenant_file, log_file] = ["tenant.key", "log.key"].map(|name| vault.join(name));
        if !tenant_file.exists() {
            let tenant = TenantKey::generate("tenant", &KernelEntropy)?;
            write_key(&tenant_file, &tenant.private_text())?;
            let log = NoteKey::generate("bartizan.log/0123456789abcdef", &KernelEntropy)?;
            write_key(&log_file, &log.private_text())?;
        }
        let tenant = TenantKey::parse(&read_key(&tenant_file)?)?;
        Self::of(folder, &tenant, NoteKey::parse(&read_key(&log_file)?)?)
    }

    fn of(folder: &Path, tenant: &TenantKey, signer: NoteKey) -> Result<Self> {
        let vault: Arc<dyn Disk> = Arc::new(FsDisk::lock(&folder.join("vault"))?);
        let (clock, entropy) = (Arc::new(BenchClock(Instant::now())), Arc::new(KernelEntropy));
        let (keys, _) = KeyStore::open(vault, clock, entropy, tenant, KeyOptions::default())?;
        let (folder, writes) = (folder.to_owned(), Writes::default());
        Ok(Self { folder, writes, keys: Arc::new(keys), signer: Arc::new(signer) })
    }

    /// The folder of the log itself.
    pub(crate) fn ledger_folder(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    /// Opens it for writing, with the limits that the product has.
    pub(crate) fn open(&self) -> Result<Ledger> {
        let disk = Arc::new(FsDisk::lock(&self.ledger_folder())?);
        let parts = Parts {
            disk: Arc::new(Noting { disk, writes: self.writes.clone() }),
            clock: Arc::new(BenchClock(Instant::now())),
            entropy: Arc::new(KernelEntropy),
            sealer: self.keys.clone(),
            signer: self.signer.clone(),
        };
        Ok(Ledger::open(parts, Options::default())?.0)
    }

    pub(crate) fn reader(&self) -> Result<Reader> {
        Ok(Reader::open(Arc::new(FsDisk::read_only(&self.ledger_folder())))?)
    }

    /// Seals the payloads of a draft, and does no more with them.
    pub(crate) fn seal(&self, draft: &Draft) -> Result<Vec<Sealed>> {
        let Leaf { record, kind, unix_ms, .. } = draft.leaf;
        let mut sealed = Vec::new();
        for Payload { slot, bytes } in &draft.payloads {
            let (slot, retention) = (*slot, Retention::of(kind, *slot));
            let subject = draft.subject.as_deref();
            let sealing = Sealing { record, slot, retention, subject, unix_ms };
            sealed.push(self.keys.seal(&sealing, bytes)?);
        }
        Ok(sealed)
    }

    pub(crate) fn verifier(&self) -> Result<VerifierKey> {
        Ok(VerifierKey::of_log(&*self.signer)?)
    }
}

/// What is appended again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// Leaves without payloads.
    Leaves,
    /// An INTENT and its OUTCOME with so many bytes of text each.
    Pairs(usize),
}

impl Load {
    /// Leaves of one of it.
    pub(crate) fn n_leaves(self) -> u64 {
        match self {
            Self::Leaves => 1,
            Self::Pairs(_) => 2,
        }
    }

    /// The drafts of the `n`th, whose names no other has.
    pub(crate) fn drafts(self, n: u64) -> Vec<Draft> {
        match self {
            Self::Leaves => vec![draft(RecordKind::Decision, n, None)],
            Self::Pairs(n_bytes) => [RecordKind::Intent, RecordKind::Outcome]
                .into_iter()
                .map(|kind| draft(kind, n, Some(n_bytes)))
                .collect(),
        }
    }
}

fn draft(kind: RecordKind, n: u64, n_bytes: Option<usize>) -> Draft {
    let mut id = [0x5b; 16];
    id.iter_mut().zip(n.to_le_bytes()).for_each(|(to, from)| *to = from);
    let mut leaf = Leaf::new(RecordId(id), kind, started_unix_ms());
    leaf.key_id = Some("key-0123456789".to_owned());
    leaf.route = Some("default".to_owned());
    leaf.outcome = (kind == RecordKind::Outcome).then_some(Outcome::Completed);
    let text = |n_bytes| Payload { slot: Slot::Released, bytes: vec![b'a'; n_bytes] };
    let mut draft = Draft::new(leaf, n_bytes.map(text).into_iter().collect());
    draft.subject = n_bytes.map(|_| format!("subject-{}", n % N_SUBJECTS));
    draft
}

/// Puts drafts in line, each by itself, as exchanges do.
pub(crate) fn enqueue(ledger: &Ledger, drafts: Vec<Draft>) -> Vec<Recorded> {
    drafts.into_iter().map(|draft| ledger.append(draft)).collect()
}
