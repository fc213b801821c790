use super::*;
use crate::serve::Sources;
use crate::vault::Vault;
use bartizan_core::record::{Draft, Leaf, RecordId, RecordKind, Recorder as _};
use bartizan_core::sign::Signer;
use bartizan_gateway::http::Poster;
use bartizan_keys::NoteKey;
use bartizan_ledger::tlog::Checkpoint;
use bartizan_ledger::{Ledger, Options, Parts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const N_LEAVES: u64 = 3;

/// A log with a published checkpoint, and its key.
async fn log(state: &Path) -> (Arc<NoteKey>, SignedCheckpoint) {
    let sources = Sources::real();
    let vault = Vault::open(state, &sources).unwrap();
    let folder = crate::audit::log_folder(state);
    let parts = Parts {
        disk: Arc::new(FsDisk::lock(&folder).unwrap()),
        clock: Arc::clone(&sources.clock),
        entropy: Arc::clone(&sources.entropy),
        sealer: vault.keys.clone(),
        signer: vault.signer.clone(),
    };
    let (ledger, _) = Ledger::open(parts, Options::default()).unwrap();
    for at in 0..N_LEAVES {
        let id = RecordId([u8::try_from(at).unwrap() + 1; 16]);
        let leaf = Leaf::new(id, RecordKind::Decision, 1);
        ledger.append(Draft::new(leaf, Vec::new())).await.unwrap();
    }
    drop(ledger);
    let published = Published::find(&FsDisk::read_only(&folder)).unwrap().unwrap();
    (Arc::clone(&vault.signer), published.checkpoint().unwrap().unwrap())
}

/// Answers every request on one address: a post with a status and a text, and a question for a checkpoint with what it has to show.
async fn answer(listener: TcpListener, status: u16, said: &str, shown: Option<String>) {
    while let Ok((mut tcp, _)) = listener.accept().await {
        let mut head = vec![0; 16 << 10];
        let n_read = tcp.read(&mut head).await.unwrap();
        let (status, body) = match &shown {
            _ if head[..n_read].starts_with(b"POST ") => (status, said),
            Some(shown) => (200, shown.as_str()),
            None => (404, "no\n"),
        };
        let n_bytes = body.len();
        let text = format!("HTTP/1.1 {status} So\r\ncontent-length: {n_bytes}\r\n\r\n{body}");
        tcp.write_all(text.as_bytes()).await.unwrap_or_default();
        tcp.shutdown().await.unwrap_or_default();
    }
}

#[tokio::test]
async fn only_what_the_logs_own_key_has_signed_contradicts_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join(".bartizan");
    let (key, checkpoint) = log(&state).await;
    let sources = Sources::real();
    let witness = NoteKey::generate("w.test/1", &*sources.entropy).unwrap();
    let stranger = NoteKey::generate(key.name(), &*sources.entropy).unwrap();
    let ledger = crate::audit::log_folder(&state);
    let published = Published::find(&FsDisk::read_only(&ledger)).unwrap().unwrap();
    let signed = |by: &NoteKey, size, root| {
        Some(Checkpoint::new(by.name(), size, root).unwrap().sign(by).unwrap().to_string())
    };
    let other = sha256(b"another history");
    let root = |size| published.root_at(size, &checkpoint).unwrap();
    let of_witness = signed(&witness, 9, other);
    let cases = [
        ("nothing but a size", 409, "999999\n", None, "does not show it"),
        ("nothing but a status", 422, "no\n", None, "does not show it"),
        ("the size is ours", 409, "3\n", None, "does not show it"),
        ("no checkpoint", 409, "999999\n", Some("no\n".to_owned()), "does not show it"),
        (
            "a stranger's",
            409,
            "9\n",
            signed(&stranger, 9, other),
            "none of the known keys has signed",
        ),
        ("another log's", 409, "9\n", of_witness, "its checkpoint is of the log w.test/1"),
        ("ours", 422, "no\n", signed(&key, 3, root(3)), "is a beginning of ours"),
        ("our beginning", 422, "no\n", signed(&key, 2, root(2)), "is a beginning of ours"),
        ("a longer one", 409, "9\n", signed(&key, 9, other), "has cosigned 9 leaves of this log"),
        ("another", 422, "no\n", signed(&key, 3, other), "another history of this log, of 3"),
        ("the size is ours", 409, "3\n", signed(&key, 3, other), "another history of this log"),
        ("an older one", 422, "no\n", signed(&key, 2, other), "another history of this log, of 2"),
    ];
    for (name, status, said, shown, want) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/w/add-checkpoint", listener.local_addr().unwrap());
        let poster = Poster::new(&url, None).unwrap();
        let to = Address {
            name: "w1".to_owned(),
            key: VerifierKey::of_witness(&witness).unwrap(),
            poster,
        };
        let question = Question {
            checkpoint: checkpoint.clone(),
            ledger: ledger.clone(),
            log_keys: Arc::new([VerifierKey::of_log(&*key).unwrap()]),
            known: None,
            limit: Duration::from_secs(20),
        };
        let answered = tokio::select! {
            answered = ask(&to, question) => answered,
            () = answer(listener, status, said, shown.clone()) => panic!("{name}: it is over"),
        };
        let error = answered.unwrap_err();
        assert!(error.to_string().contains(want), "{name}: {error}");
        let is_shown = want.contains("this log");
        assert_eq!(error.is_refusal(), is_shown, "{name}: {error}");
        assert_eq!(error.shown().map(ToString::to_string), shown.filter(|_| is_shown), "{name}");
    }
}
