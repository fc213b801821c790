//! A gateway with everything around it made of test parts.
use crate::client::{PATIENCE, find};
use bartizan_core::clock::Clock;
use bartizan_core::detect::{Detector, Finding, Inspector};
use bartizan_core::digest::Digest;
use bartizan_core::evidence::Source;
use bartizan_core::kind::{Catalogue, Extent, KindId, KindInfo, KindSet};
use bartizan_core::record::{
    Draft, Outcome, Receipt, RecordError, RecordId, RecordKind, Recorded, Recorder, Slot,
};
use bartizan_core::span::Span;
use bartizan_gateway::exchange::{Guard, Route};
use bartizan_gateway::http::{
    Gateway, GatewayOptions, KeyEntry, KeyRing, RouteRule, Secret, ServerTls, Setup, SetupOptions,
    Terms, UpstreamOptions,
};
use bartizan_gateway::limits::Limits;
use bartizan_policy::{GuardPolicy, Profile, Roles};
use bartizan_testkit::SimEntropy;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub(crate) const KEY: &str = "bz_the-key-of-the-app";
pub(crate) const UPSTREAM_KEY: &str = "sk-upstream-0123456789";

// ---------------------------------------------------------------- time

pub(crate) struct TestClock(Instant);

impl Clock for TestClock {
    fn unix_ms(&self) -> u64 {
        1_700_000_000_000 + self.monotonic_us() / 1000
    }
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap()
    }
}

// ---------------------------------------------------------------- what can be found: `SECRET-` or `ATTACK-`, and four digits

static KINDS: [KindInfo; 2] = [
    KindInfo { name: "secret.test", title: "test secret", extent: Extent::Span },
    KindInfo { name: "injection.test", title: "test attack", extent: Extent::Part },
];
const PREFIXES: [&[u8]; 2] = [b"SECRET-", b"ATTACK-"];
const MATCH_LEN: usize = 7 + 4;

pub(crate) struct TestInspector;

#[derive(Default)]
struct TestDetector {
    text: Vec<u8>,
    next: usize,
}

/// The kind that begins at the start of `text`, and whether all of it is there yet.
fn match_at(text: &[u8]) -> Option<(u16, bool)> {
    let n = text.len().min(MATCH_LEN);
    let fits = |prefix: &[u8]| {
        let right = |(at, byte): (usize, &u8)| {
            prefix.get(at).map_or(byte.is_ascii_digit(), |want| want == byte)
        };
        text[..n].iter().enumerate().all(right)
    };
    (0..).zip(PREFIXES).find(|(_, prefix)| fits(prefix)).map(|(kind, _)| (kind, n == MATCH_LEN))
}

impl Detector for TestDetector {
    fn id(&self) -> &'static str {
        "test@1"
    }
    fn push(&mut self, chunk: &[u8], report: &mut dyn FnMut(Finding)) {
        assert!(find(chunk, b"CRASH").is_none(), "asked to crash");
        self.text.extend_from_slice(chunk);
        while self.next < self.text.len() {
            match match_at(&self.text[self.next..]) {
                Some((kind, true)) => {
                    let start = self.next as u64;
                    let span = Span::new(start, start + MATCH_LEN as u64);
                    report(Finding::certain(span, KindId::detected(kind).unwrap(), "test@1"));
                    self.next += MATCH_LEN;
                }
                Some((_, false)) => return,
                None => self.next += 1,
            }
        }
    }
    fn finish(&mut self, _: &mut dyn FnMut(Finding)) {
        self.next = self.text.len();
    }
    fn pending(&self, kinds: &KindSet) -> u64 {
        let holds = (0..2).any(|kind| kinds.contains(KindId::detected(kind).unwrap()));
        (if holds { self.next } else { self.text.len() }) as u64
    }
}

impl Inspector for TestInspector {
    fn kinds(&self) -> &'static [KindInfo] {
        &KINDS
    }
    fn detector(&self, _: Source) -> Box<dyn Detector> {
        Box::new(TestDetector::default())
    }
    fn scan(&self, _: Source, text: &[u8], report: &mut dyn FnMut(Finding)) {
        let mut detector = TestDetector::default();
        detector.push(text, report);
        detector.finish(report);
    }
}

// ---------------------------------------------------------------- records

#[derive(Default)]
pub(crate) struct MemoryRecorder {
    drafts: Mutex<Vec<Draft>>,
    /// Records before the first failure; from there on, this is what goes wrong.
    failing: Mutex<Option<(usize, RecordError)>>,
    delay_ms: AtomicU64,
    offered: AtomicUsize,
    bare_only: AtomicBool,
    /// While it is there, records stay in line until it says what becomes of them.
    line: Mutex<Option<watch::Receiver<Option<RecordError>>>>,
}

impl MemoryRecorder {
    pub(crate) fn fail_after(&self, n: usize, error: RecordError) {
        *self.failing.lock().unwrap() = Some((n, error));
    }
    pub(crate) fn mend(&self) {
        *self.failing.lock().unwrap() = None;
    }
    /// From now on there is room again, but not for payloads.
    pub(crate) fn refuse_payloads(&self) {
        self.bare_only.store(true, SeqCst);
        self.mend();
    }
    /// How often something was offered, taken or not.
    pub(crate) fn offered(&self) -> usize {
        self.offered.load(SeqCst)
    }
    pub(crate) fn slow_down(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), SeqCst);
    }
    /// Lets records wait in line until something is sent: nothing, and they are durable; an error, and they are lost.
    pub(crate) fn hold(&self) -> watch::Sender<Option<RecordError>> {
        let (sender, receiver) = watch::channel(None);
        *self.line.lock().unwrap() = Some(receiver);
        sender
    }
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        self.drafts.lock().unwrap().clone()
    }
    pub(crate) fn intents(&self) -> usize {
        self.drafts().iter().filter(|draft| draft.leaf.kind == RecordKind::Intent).count()
    }
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.drafts().iter().filter_map(|draft| draft.leaf.outcome).collect()
    }
    /// The text of a slot in all records, joined.
    pub(crate) fn text(&self, slot: Slot) -> String {
        let drafts = self.drafts();
        let payloads =
            drafts.iter().flat_map(|draft| &draft.payloads).filter(|payload| payload.slot == slot);
        payloads.map(|payload| String::from_utf8_lossy(&payload.bytes).into_owned()).collect()
    }
}

pub(crate) fn stopped() -> RecordError {
    RecordError::Stopped { operation: "sync", reason: "disk on fire at /secret/path".into() }
}

impl Recorder for MemoryRecorder {
    fn append(&self, draft: Draft) -> Recorded {
        self.append_all(vec![draft])
    }
    fn append_all(&self, drafts: Vec<Draft>) -> Recorded {
        let offered = self.offered.fetch_add(1, SeqCst);
        if let Some((after, error)) = self.failing.lock().unwrap().clone()
            && after <= offered
        {
            return Box::pin(std::future::ready(Err(error)));
        }
        let bytes = drafts.iter().flat_map(|draft| &draft.payloads).map(|p| p.bytes.len()).sum();
        if self.bare_only.load(SeqCst) && 0 < bytes {
            return Box::pin(std::future::ready(Err(RecordError::TooLarge {
                bytes,
                bytes_max: 0,
            })));
        }
        let mut have = self.drafts.lock().unwrap();
        have.extend(drafts);
        let receipt = Receipt { index: have.len() as u64 - 1, leaf_hash: Digest([0; 32]) };
        let delay = Duration::from_millis(self.delay_ms.load(SeqCst));
        let line = self.line.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(mut line) = line {
                line.changed().await.unwrap();
                if let Some(error) = line.borrow().clone() {
                    return Err(error);
                }
            }
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok(receipt)
        })
    }
    fn failure(&self) -> Option<RecordError> {
        self.failing
            .lock()
            .unwrap()
            .clone()
            .filter(|(_, error)| matches!(error, RecordError::Stopped { .. }))
            .map(|f| f.1)
    }
}

// ---------------------------------------------------------------- the upstream

/// What a scripted upstream has seen, connection by connection.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) heads: Mutex<Vec<String>>,
    pub(crate) bodies: Mutex<Vec<String>>,
    pub(crate) connections: AtomicUsize,
    /// Connections whose other side has hung up.
    pub(crate) hung_up: AtomicUsize,
}

/// One connection at the upstream.
pub(crate) struct Peer {
    pub(crate) tcp: TcpStream,
    pub(crate) seen: Arc<Seen>,
    /// 0 for the first connection.
    pub(crate) number: usize,
}

impl Peer {
    /// Reads a request; `false` at the end of the connection.
    pub(crate) async fn read(&mut self) -> bool {
        let Some(head) = self.read_head().await else { return false };
        let line = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
        });
        let mut body = vec![0; line.map_or(0, |text| text.parse().unwrap())];
        self.tcp.read_exact(&mut body).await.unwrap();
        self.seen.bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
        true
    }
    pub(crate) async fn read_head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.tcp.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        self.seen.heads.lock().unwrap().push(head.clone());
        Some(head)
    }
    pub(crate) async fn write(&mut self, text: impl AsRef<[u8]>) {
        if self.tcp.write_all(text.as_ref()).await.is_err() {
            self.seen.hung_up.fetch_add(1, SeqCst);
        }
    }
    /// Waits until the other side hangs up.
    pub(crate) async fn wait_for_end(&mut self) {
        let mut byte = [0];
        while matches!(self.tcp.read(&mut byte).await, Ok(n) if n > 0) {}
        self.seen.hung_up.fetch_add(1, SeqCst);
    }
}

pub(crate) fn plain_answer(content: &str) -> String {
    json_answer(&format!(
        r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"stop"}}]}}"#
    ))
}

pub(crate) fn json_answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";

pub(crate) fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

pub(crate) fn delta(content: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}},\"finish_reason\":null}}]}}\n\n"
    )
}

pub(crate) fn finish() -> String {
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n".to_owned()
}

/// An upstream whose every connection runs `script`.
pub(crate) async fn upstream<F, R>(tasks: &TaskTracker, script: F) -> (SocketAddr, Arc<Seen>)
where
    F: Fn(Peer) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let (owned, inner) = (Arc::clone(&seen), tasks.clone());
    tasks.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let number = owned.connections.fetch_add(1, SeqCst);
            inner.spawn(script(Peer { tcp, seen: Arc::clone(&owned), number }));
        }
    });
    (address, seen)
}

// ---------------------------------------------------------------- the gateway

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) upstream: SocketAddr,
    pub(crate) seen: Arc<Seen>,
    pub(crate) recorder: Arc<MemoryRecorder>,
    pub(crate) denials: Arc<Mutex<Vec<&'static str>>>,
    pub(crate) limits: Limits,
}

/// Limits that a test does not wait long for.
pub(crate) fn limits() -> Limits {
    Limits { drain_ms: 2_000, head_ms: 5_000, ..Limits::default() }
}

pub(crate) fn key(id: &str, key: &str, role: &str) -> KeyEntry {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes()).as_ref(),
    );
    KeyEntry {
        id: id.into(),
        sha256,
        roles: Roles::from_iter([role.to_owned()]),
        expires_unix_ms: None,
        revoked: false,
        routes: None,
    }
}

/// A shipped profile, for what the test inspector sees.
pub(crate) fn policy(profile: Profile) -> Arc<GuardPolicy> {
    let catalogue = Catalogue::new(TestInspector.kinds());
    Arc::new(GuardPolicy::profile(profile, &catalogue).unwrap())
}

/// Options with one upstream, one route and one key.
pub(crate) fn options(upstream: &str, limits: Limits) -> SetupOptions {
    let inspector = Arc::new(TestInspector);
    let catalogue = Catalogue::new(inspector.kinds());
    let policy = Arc::new(GuardPolicy::profile(Profile::Standard, &catalogue).unwrap());
    SetupOptions {
        guard: Guard {
            inspector,
            policy,
            limits,
            scan: true,
            pseudonyms: None,
            clock: Arc::new(TestClock(Instant::now())),
        },
        upstreams: vec![UpstreamOptions {
            name: "main".into(),
            url: upstream.into(),
            key: Some(Secret::new(UPSTREAM_KEY).unwrap()),
            ca_pem: None,
            http2: false,
        }],
        routes: vec![RouteRule {
            route: Route { name: "default".into(), ..Route::default() },
            upstream: "main".into(),
            models: Vec::new(),
        }],
        keys: KeyRing::new(vec![key("k-app", KEY, "app")]).unwrap(),
        hosts: vec!["models.example.org".into()],
        origins: vec!["https://app.example.org".into()],
    }
}

impl World {
    pub(crate) async fn new<F, R>(limits: Limits, script: F) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        Self::with(limits, None, |_| {}, script).await
    }

    /// An upstream that answers every request with `answer`, on connections that stay open.
    pub(crate) async fn answering(answer: String) -> Self {
        Self::new(limits(), move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.read().await {
                    peer.write(&answer).await;
                }
            }
        })
        .await
    }

    pub(crate) async fn with<F, R>(
        limits: Limits,
        tls: Option<ServerTls>,
        change: impl FnOnce(&mut SetupOptions),
        script: F,
    ) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let tasks = TaskTracker::new();
        let (upstream, seen) = upstream(&tasks, script).await;
        let mut setup = options(&format!("http://{upstream}"), limits);
        change(&mut setup);
        let setup = Setup::new(setup).unwrap();
        Self::on(upstream, seen, limits, tls, setup).await
    }

    /// The same, where every route of the name that a term has gets these terms.
    pub(crate) async fn with_terms<F, R>(
        limits: Limits,
        change: impl FnOnce(&mut SetupOptions),
        terms: &[(&str, Terms)],
        script: F,
    ) -> Self
    where
        F: Fn(Peer) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let tasks = TaskTracker::new();
        let (upstream, seen) = upstream(&tasks, script).await;
        let mut options = options(&format!("http://{upstream}"), limits);
        change(&mut options);
        let add = |setup: Setup, (name, terms): &(&str, Terms)| setup.with_terms(name, terms);
        let setup = terms.iter().try_fold(Setup::new(options).unwrap(), add).unwrap();
        Self::on(upstream, seen, limits, None, setup).await
    }

    async fn on(
        upstream: SocketAddr,
        seen: Arc<Seen>,
        limits: Limits,
        tls: Option<ServerTls>,
        setup: Setup,
    ) -> Self {
        let recorder = Arc::new(MemoryRecorder::default());
        let denials: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let heard = Arc::clone(&denials);
        let gateway = Gateway::new(GatewayOptions {
            setup,
            recorder: recorder.clone(),
            clock: Arc::new(TestClock(Instant::now())),
            entropy: Arc::new(SimEntropy::new(7)),
            tally: Arc::new(move |code| heard.lock().unwrap().push(code)),
            more_metrics: Some(Box::new(|text| text.push_str("bartizan_ledger_syncs_total 3\n"))),
        });
        let address = gateway.listen(SocketAddr::from(([127, 0, 0, 1], 0)), tls).await.unwrap();
        Self { gateway, address, upstream, seen, recorder, denials, limits }
    }

    pub(crate) fn denials(&self) -> Vec<&'static str> {
        self.denials.lock().unwrap().clone()
    }

    /// Stops the gateway and checks the books: one OUTCOME per INTENT, none without, nothing open, every OUTCOME counted once.
    pub(crate) async fn finish(self) {
        self.gateway.shutdown().await;
        let mut balance: BTreeMap<RecordId, (usize, usize)> = BTreeMap::new();
        for draft in self.recorder.drafts() {
            let (intents, outcomes) = balance.entry(draft.leaf.record).or_default();
            match draft.leaf.kind {
                RecordKind::Intent => *intents += 1,
                RecordKind::Outcome => *outcomes += 1,
                other => panic!("a {other} record from the data path"),
            }
        }
        for (record, counts) in &balance {
            assert_eq!(*counts, (1, 1), "intents and outcomes of {record}");
        }
        self.check_counts(balance.len());
    }

    /// Stops a gateway whose routes record nothing, and checks that they did not, and that so many exchanges were counted.
    pub(crate) async fn finish_unrecorded(self, n_exchanges: usize) {
        self.gateway.shutdown().await;
        assert_eq!(self.recorder.drafts().len(), 0);
        self.check_counts(n_exchanges);
    }

    fn check_counts(&self, n_exchanges: usize) {
        let metrics = self.gateway.metrics();
        for gauge in ["connections", "requests", "streams"] {
            assert!(
                metrics.contains(&format!("\nbartizan_open_{gauge} 0\n")),
                "{gauge} left open: {metrics}"
            );
        }
        assert!(metrics.contains("\nbartizan_buffered_bytes 0\n"), "bytes left behind: {metrics}");
        let counted: usize = metrics
            .lines()
            .filter_map(|line| {
                line.strip_prefix("bartizan_requests_total")?
                    .rsplit_once(' ')?
                    .1
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        assert_eq!(counted, n_exchanges, "each exchange is counted once: {metrics}");
    }
}

/// Waits until a condition holds, and says how long that took.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.elapsed()
}
