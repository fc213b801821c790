use super::*;
use crate::clock::OsEntropy;
use crate::serve::Sources;
use crate::vault::Vault;
use crate::witness::key;
use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder as _};
use bartizan_core::sign::Signer;
use bartizan_ledger::{Cosigner, Ledger, Options, Parts};
use std::sync::Arc;
use std::time::Duration;

const NOW: u64 = 1_763_875_569;

struct World {
    folder: tempfile::TempDir,
    witness: NoteKey,
}

impl World {
    fn new() -> Self {
        let witness = NoteKey::generate("w.test/1", &OsEntropy).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), witness }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(".bartizan")
    }

    /// Appends records, and lets a witness see the newest checkpoint.
    async fn append(&self, n: usize, witness: &dyn Signer, is_witnessed: bool) {
        let (state, sources) = (self.state(), Sources::real());
        let vault = Vault::open(&state, &sources).unwrap();
        let parts = Parts {
            disk: Arc::new(FsDisk::lock(&crate::audit::log_folder(&state)).unwrap()),
            clock: Arc::clone(&sources.clock),
            entropy: Arc::clone(&sources.entropy),
            sealer: vault.keys.clone(),
            signer: vault.signer.clone(),
        };
        let options = Options { checkpoint_leaves: 1, ..Options::default() };
        let (ledger, recovery) = Ledger::open(parts, options).unwrap();
        for at in 0..n {
            let id = RecordId([u8::try_from(at).unwrap() + 1; 16]);
            let leaf = Leaf::new(id, RecordKind::Decision, 1);
            ledger.append(Draft::new(leaf, Vec::new())).await.unwrap();
        }
        let n_leaves = recovery.leaves + u64::try_from(n).unwrap();
        cosign(&ledger.cosigner(), n_leaves, witness, is_witnessed).await;
        // The last words of the ledger: what lies in its letter box is written before it closes.
        drop(ledger);
    }

    fn policy(&self, witness: &NoteKey) -> Policy {
        let log = vault::published_keys(&crate::audit::log_folder(&self.state())).unwrap();
        let text = format!("log {}\nwitness w1 {}\nquorum w1\n", log[0], witness.cosigner());
        Policy::parse(text.as_bytes()).unwrap()
    }

    fn told(&self) -> Testimony {
        testimony(&self.state(), &self.policy(&self.witness)).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state().join("ledger/log").join(name)
    }
}

async fn cosign(cosigner: &Cosigner, n_leaves: u64, witness: &dyn Signer, is_witnessed: bool) {
    for _ in 0..5_000 {
        let latest = cosigner.latest().filter(|new| new.checkpoint().size() == n_leaves);
        if let Some(mut signed) = latest {
            signed.put(signed.cosign(witness, NOW).unwrap()).unwrap();
            cosigner.put(signed, is_witnessed);
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("no checkpoint came");
}

#[tokio::test]
async fn witnesses_are_named_and_the_quorum_is_judged() {
    let world = World::new();
    world.append(3, &world.witness, true).await;
    let told = world.told();
    let (vouched, seen) =
        (told.checkpoint.clone().unwrap(), Seen { name: "w1".to_owned(), unix_s: NOW });
    assert_eq!((vouched.leaves, &vouched.witnesses, vouched.quorum_met), (3, &vec![seen], true));
    assert_eq!((told.witnessed.as_ref(), told.refusal()), (Some(&vouched), None));
    assert!(told.warnings.is_empty(), "{told:?}");
    let line = "checkpoint: 3 leaves, cosigned by w1 at 2025-11-23 05:26:09Z; the quorum is met";
    assert_eq!(told.lines()[0], line);

    let age = |leaves: u64, now_ms: u64| {
        let mut told = world.told();
        assert_eq!((told.age.clone(), told.age_line(now_ms)), (None, None), "nobody has asked");
        told.date(leaves, now_ms);
        let line = told.age_line(now_ms).unwrap();
        let age = told.age.unwrap();
        (age.leaves, age.leaves_after, age.unix_s, age.behind_s, line)
    };
    let (now_ms, line) =
        (1000 * (NOW + 3 * 86_400), "3 leaves, last cosigned at 2025-11-23 05:26:09Z");
    let (leaves, after, unix_s, age_s, said) = age(3, now_ms);
    assert_eq!((leaves, after, unix_s, age_s), (3, 0, NOW, 3 * 86_400));
    assert_eq!(
        said,
        format!("vouched for: {line}, 3 days ago by this clock; 0 leaves came after them")
    );

    // Later leaves are not witnessed yet; the beginning is.
    let stranger = NoteKey::generate("w.test/2", &OsEntropy).unwrap();
    world.append(2, &stranger, false).await;
    let told = world.told();
    assert_eq!(told.checkpoint.as_ref().map(|v| (v.leaves, v.quorum_met)), Some((5, false)));
    assert_eq!(told.witnessed.as_ref().map(|v| (v.leaves, v.quorum_met)), Some((3, true)));
    assert_eq!((told.refusal(), told.names()), (None, vec!["w1".to_owned()]));
    assert!(told.lines()[0].contains("cosigned by nobody; the quorum is not met"));
    let (leaves, after, unix_s, age_s, said) = age(7, 1000 * (NOW - 60));
    assert_eq!((leaves, after, unix_s, age_s), (3, 4, NOW, -60));
    assert!(said.contains("60 s ahead by this clock; 4 leaves came after them"), "{said}");

    // Other witnesses, other logs.
    let other = testimony(&world.state(), &world.policy(&stranger)).unwrap();
    assert!(other.refusal().is_none(), "{other:?}");
    let nobody = NoteKey::generate("w.test/3", &OsEntropy).unwrap();
    let other = testimony(&world.state(), &world.policy(&nobody)).unwrap();
    assert!(other.refusal().unwrap().contains("quorum is not met"));
    let foreign = World::new();
    foreign.append(1, &foreign.witness, true).await;
    let other = testimony(&world.state(), &foreign.policy(&world.witness)).unwrap();
    assert!(other.refusal().unwrap().contains("lists no log named"));
}

#[tokio::test]
async fn a_log_that_was_cut_or_changed_contradicts_its_witness() {
    let world = World::new();
    world.append(2, &world.witness, true).await;
    let old = files::read_bounded(&world.file("checkpoint"), 9_999).unwrap();
    world.append(2, &world.witness, true).await;
    assert_eq!(world.told().refusal(), None);
    files::replace(&world.file("checkpoint"), &old).unwrap();
    let told = world.told().refusal().unwrap();
    assert!(told.contains("4 leaves were witnessed, and the checkpoint stands for 2"), "{told}");
    std::fs::remove_file(world.file("checkpoint")).unwrap();
    let told = world.told().refusal().unwrap();
    assert!(told.contains("there is no checkpoint now"), "{told}");
}

#[tokio::test]
async fn a_witness_under_the_same_roof_proves_little() {
    let world = World::new();
    world.append(1, &world.witness, true).await;
    let places = [".bartizan", ".bartizan-witness", "deep/down/here", "too/deep/down/here"];
    for place in places {
        let home = world.folder.path().join(place);
        std::fs::create_dir_all(&home).unwrap();
        let text = world.witness.private_text();
        files::replace(&home.join(KEY_FILE), text.as_bytes()).unwrap();
        let warnings = world.told().warnings;
        let is_found = !place.starts_with("too");
        assert_eq!(warnings.len(), usize::from(is_found), "{place}: {warnings:?}");
        assert!(warnings.iter().all(|w| w.contains("proves little")), "{warnings:?}");
        std::fs::remove_file(home.join(KEY_FILE)).unwrap();
    }
    // Somebody else's witness may live here, and a copy of the log without its key has no roof.
    let other = key::open(&world.folder.path().join("other"), None, &Sources::real()).unwrap();
    assert!(other.is_new && world.told().warnings.is_empty());
    // The very key of the log as a witness.
    let log = key_of_log(&world);
    let told = testimony(&world.state(), &world.policy(&log)).unwrap();
    assert!(told.warnings.iter().any(|w| w.contains("proves nothing")), "{told:?}");
}

fn key_of_log(world: &World) -> NoteKey {
    let path = world.state().join("vault/log.key");
    NoteKey::parse(&files::read_bounded(&path, KEY_FILE_BYTES_MAX).unwrap()).unwrap()
}
