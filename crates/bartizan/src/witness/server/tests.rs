use super::*;
use crate::clock::{OsEntropy, SystemClock};
use bartizan_keys::NoteKey;
use bartizan_ledger::FsDisk;
use bartizan_ledger::merkle::sha256;
use bartizan_ledger::tlog::{Checkpoint, VerifierKey, Witness, witness_request};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TINY: Duration = Duration::from_millis(80);

/// A witness that runs, with small bounds.
struct World {
    _folder: tempfile::TempDir,
    log: NoteKey,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl World {
    async fn start(bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = |name| NoteKey::generate(name, &OsEntropy).unwrap();
        let log = key("log");
        let mut witness = Witness::new(Arc::new(key("witness"))).unwrap();
        witness.follow("log", vec![VerifierKey::of_log(&log).unwrap()]).unwrap();
        let state = Arc::new(FsDisk::lock(&folder.path().join("state")).unwrap());
        let memory = WitnessStore::open(state, witness).unwrap();
        let clock = Arc::new(SystemClock::new());
        let desk = Arc::new(Desk { store: memory, clock, seen: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, told) = oneshot::channel();
        let task = tokio::spawn(serve(listener, desk, bounds, async move {
            told.await.unwrap_or_default();
        }));
        Self { _folder: folder, log, address, stop, task }
    }

    /// Writes some bytes; the connection.
    async fn open(&self, text: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        socket
    }

    fn request(&self) -> String {
        let checkpoint = Checkpoint::new("log", 0, sha256(&[])).unwrap().sign(&self.log).unwrap();
        post(&witness_request(0, Vec::new(), checkpoint).unwrap())
    }
}

fn post(body: &str) -> String {
    format!(
        "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// All that comes until the other side hangs up.
async fn rest(mut socket: TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(n) = socket.read(&mut piece).await {
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..n]);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn who_is_slow_is_not_waited_for() {
    let bounds = Bounds { head: TINY, body: TINY, ..Bounds::default() };
    let world = World::start(bounds).await;
    let cut = |text: String| text.get(..text.len() - 9).unwrap().to_owned();
    let long = "x".repeat(WITNESS_HEAD_BYTES_MAX);
    for (name, text, want) in [
        ("half a body", cut(world.request()), "HTTP/1.1 408 "),
        ("half a head", "POST /add-check".to_owned(), ""),
        ("nothing", String::new(), ""),
        ("a head too long", format!("GET /{long} HTTP/1.1\r\nx: {long}\r\n\r\n"), "HTTP/1.1 4"),
        ("idle after an answer", world.request(), "HTTP/1.1 200 "),
    ] {
        let socket = world.open(&text).await;
        let told = timeout(Duration::from_secs(10), rest(socket)).await;
        let told = told.unwrap_or_else(|_| panic!("{name}: still open"));
        assert!(told.starts_with(want) && told.is_empty() == want.is_empty(), "{name}: {told}");
    }
}

#[tokio::test]
async fn one_connection_too_many_waits() {
    let world = World::start(Bounds { connections: 1, ..Bounds::default() }).await;
    let first = world.open("").await;
    let mut second = world.open(&world.request()).await;
    let mut byte = [0];
    assert!(timeout(TINY, second.read(&mut byte)).await.is_err(), "the first one is still there");
    drop(first);
    let read = timeout(Duration::from_secs(10), second.read(&mut byte)).await;
    assert_eq!(read.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn the_end_waits_only_so_long() {
    let world = World::start(Bounds { drain: TINY, ..Bounds::default() }).await;
    let (request, World { stop, task, address, .. }) = (world.request(), world);
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(&request.as_bytes()[..request.len() - 9]).await.unwrap();
    // Long enough for the request to be under way.
    tokio::time::sleep(TINY).await;
    stop.send(()).unwrap();
    timeout(Duration::from_secs(10), task).await.unwrap().unwrap();
    assert_eq!(rest(socket).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}
