//! The load generator: open loop for latency, closed loop for cost. It checks every answer.
//!
//! Open loop: request `i` is due at `start + i / rate`, whatever became of the others, and its latency counts from then; a server
//! that stalls is charged for the queue that it makes. A thread of its own hands the requests out, because a runtime's timer has
//! steps of a millisecond; how late the hand-out itself was is reported beside the latencies, which mean little below it.
//!
//! It runs as a process of its own so that its CPU time can be told from the servers'.
use super::answer::{AnswerError, AnswerReader};
use super::shape::Shape;
use super::stats::{micros, quantile};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Most requests of one run.
pub(crate) const REQUESTS_MAX: u64 = 2_000_000;
/// Most connections of one run.
pub(crate) const CONNECTIONS_MAX: usize = 8192;
/// A run stops after so many bad answers: it is void anyway.
const BAD_MAX: u64 = 100;
/// Most bytes of a line on standard input.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Bytes read at a time, with few connections and with many.
const READ_BYTES: (usize, usize) = (64 << 10, 4 << 10);
/// Above so many connections, the smaller buffer.
const FEW_CONNECTIONS: usize = 64;
/// Between the decision to start and the first due time.
const HEADSTART: Duration = Duration::from_millis(20);
/// How long connecting and warming up may take.
const WARM_MAX: Duration = Duration::from_mins(1);

/// What to send, to whom and how fast.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Port on 127.0.0.1.
    pub(crate) port: u16,
    /// The caller's key.
    pub(crate) bearer: Option<String>,
    /// What an exchange looks like.
    pub(crate) shape: Shape,
    /// Keep-alive connections, all opened before the run.
    pub(crate) n_connections: usize,
    /// Requests on each connection before the run, whose answers are compared word for word.
    pub(crate) n_warm: u32,
    /// When requests are sent.
    pub(crate) pace: Pace,
    /// After so long the run is cut off, and what is missing is reported as unsent.
    pub(crate) cutoff_ms: u64,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Pace {
    /// So many requests, so many per second.
    Open { rate: u32, n: u64 },
    /// The next one as soon as the one before is answered, for so long.
    Closed { ms: u64 },
}

/// What came of it. Times are in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Good answers.
    pub(crate) n: u64,
    /// Requests without a good answer.
    pub(crate) bad: u64,
    /// Requests that were due and still unanswered at the cut-off.
    pub(crate) unsent: u64,
    /// From the start to the last answer.
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
    /// Until the first byte of the body.
    pub(crate) first_p50_us: f64,
    pub(crate) first_p99_us: f64,
    /// How late the hand-out was (open loop only).
    pub(crate) late_p50_us: f64,
    pub(crate) late_p99_us: f64,
    /// What went wrong first.
    pub(crate) error: Option<String>,
}

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Answer(#[from] AnswerError),
    #[error("the connection was closed after {n_bytes} bytes of body")]
    Closed { n_bytes: u64 },
    #[error("status {status}: {body}")]
    Status { status: u16, body: String },
    #[error("the answer is not the one that was asked for: {n_bytes} bytes that end with {tail:?}")]
    Wrong { n_bytes: u64, tail: String },
}

/// The process: a [`Spec`] comes in as one line, `ready` goes out when the connections are warm; the next line starts the run, and the
/// [`Tally`] goes out; the next line (or the end of input) ends the process, which keeps its CPU clock readable until then.
pub(crate) fn run() -> Result<()> {
    let spec =
        serde_json::from_str(&line_in()?).context("the first line must be a load specification")?;
    let mut load = Load::warm(spec)?;
    line_out("ready")?;
    line_in()?;
    let tally = load.run()?;
    line_out(&serde_json::to_string(&tally)?)?;
    line_in().map(drop)
}

fn line_in() -> Result<String> {
    let mut line = String::new();
    io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line)?;
    Ok(line)
}

fn line_out(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What all connections of a run share.
#[derive(Debug)]
struct Shared {
    spec: Spec,
    request: Vec<u8>,
    n_plain_bytes: u64,
    start: Instant,
    /// One permit per request that is due (open loop).
    due: Semaphore,
    n_taken: AtomicU64,
    n_good: AtomicU64,
    n_bad: AtomicU64,
    stop: AtomicBool,
    error: Mutex<Option<String>>,
}

/// Warm connections, ready to run.
#[derive(Debug)]
pub(crate) struct Load {
    runtime: Runtime,
    spec: Spec,
    connections: Vec<Connection>,
}

impl Load {
    /// Opens all connections and sends the first requests, whose answers must be right to the letter.
    pub(crate) fn warm(spec: Spec) -> Result<Self> {
        ensure!(
            (1..=CONNECTIONS_MAX).contains(&spec.n_connections),
            "1 to {CONNECTIONS_MAX} connections, not {}",
            spec.n_connections
        );
        // A sleeping thread is woken up to 50 us late to save power, unless it asks not to be; threads inherit the wish. Where the
        // kernel does not grant it, the hand-out is later, which is reported.
        let _unless_denied = std::fs::write("/proc/self/timerslack_ns", "1");
        let runtime = super::serve::runtime(1)?;
        let shared = Arc::new(Shared::new(spec.clone(), Instant::now()));
        let connections = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..spec.n_connections {
                tasks.spawn(Connection::warm(Arc::clone(&shared)));
            }
            tokio::time::timeout(WARM_MAX, tasks.join_all())
                .await
                .context("the connections were not warm in time")
        })?;
        let connections = connections
            .into_iter()
            .collect::<Result<_, LoadError>>()
            .context("the first requests failed")?;
        Ok(Self { runtime, spec, connections })
    }

    /// Runs to the end, or to the cut-off.
    pub(crate) fn run(&mut self) -> Result<Tally> {
        let shared = Arc::new(Shared::new(self.spec.clone(), Instant::now() + HEADSTART));
        let pacer = match self.spec.pace {
            Pace::Open { rate, n } => {
                ensure!(
                    rate > 0 && n <= REQUESTS_MAX,
                    "at least 1 request per second and at most {REQUESTS_MAX} in all"
                );
                let shared = Arc::clone(&shared);
                Some(
                    thread::Builder::new()
                        .name("pacer".to_owned())
                        .spawn(move || hand_out(&shared, rate, n))?,
                )
            }
            Pace::Closed { .. } => None,
        };
        let cutoff = HEADSTART + Duration::from_millis(self.spec.cutoff_ms);
        let connections = std::mem::take(&mut self.connections);
        let latencies = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for connection in connections {
                tasks.spawn(connection.work(Arc::clone(&shared)));
            }
            tokio::time::timeout(cutoff, tasks.join_all()).await.unwrap_or_default()
        });
        let elapsed = shared.start.elapsed();
        shared.stop.store(true, Relaxed);
        let mut late = match pacer {
            Some(pacer) => pacer.join().map_err(|_| anyhow::anyhow!("the pacer died"))?,
            None => Vec::new(),
        };
        late.sort_unstable();
        Ok(tally(&shared, &latencies.concat(), &late, elapsed))
    }
}

/// Nanoseconds from the due time to the first byte of the body, and to the last.
#[derive(Clone, Copy, Debug)]
struct Latency {
    first_ns: u64,
    whole_ns: u64,
}

fn sorted(latencies: &[Latency], field: fn(&Latency) -> u64) -> Vec<u64> {
    let mut values: Vec<u64> = latencies.iter().map(field).collect();
    values.sort_unstable();
    values
}

fn tally(shared: &Shared, latencies: &[Latency], late: &[u64], elapsed: Duration) -> Tally {
    let first = &sorted(latencies, |latency| latency.first_ns);
    let latencies = &sorted(latencies, |latency| latency.whole_ns);
    let of = |sorted: &[u64], per_mille| quantile(sorted, per_mille).map_or(0.0, micros);
    let (n, bad) = (shared.n_good.load(Relaxed), shared.n_bad.load(Relaxed));
    let unsent = match shared.spec.pace {
        Pace::Open { n: n_due, .. } => n_due.saturating_sub(n + bad),
        // In a closed loop nothing is due; but a connection that did not come back took its request with it.
        Pace::Closed { .. } => shared.n_taken.load(Relaxed).saturating_sub(n + bad),
    };
    Tally {
        n,
        bad,
        unsent,
        seconds: elapsed.as_secs_f64(),
        p50_us: of(latencies, 500),
        p90_us: of(latencies, 900),
        p99_us: of(latencies, 990),
        p999_us: of(latencies, 999),
        max_us: of(latencies, 1000),
        first_p50_us: of(first, 500),
        first_p99_us: of(first, 990),
        late_p50_us: of(late, 500),
        late_p99_us: of(late, 990),
        error: shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    }
}

/// When request `i` is due, counted from the start.
fn due_after(i: u64, rate: u32) -> Duration {
    // At most 2e6 * 1e9, far from the end of a `u64`.
    Duration::from_nanos(i.min(REQUESTS_MAX) * 1_000_000_000 / u64::from(rate.max(1)))
}

/// Hands `n` requests out on time; returns how late each was, in nanoseconds.
fn hand_out(shared: &Shared, rate: u32, n: u64) -> Vec<u64> {
    let mut late = Vec::with_capacity(usize::try_from(n.min(REQUESTS_MAX)).unwrap_or(0));
    for i in 0..n.min(REQUESTS_MAX) {
        let due = shared.start + due_after(i, rate);
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            thread::sleep(left);
        }
        if shared.stop.load(Relaxed) {
            break;
        }
        late.push(nanos(due.elapsed()));
        shared.due.add_permits(1);
    }
    shared.due.close();
    late
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Shared {
    fn new(spec: Spec, start: Instant) -> Self {
        let body = spec.shape.request();
        let bearer = spec
            .bearer
            .as_ref()
            .map(|key| format!("authorization: Bearer {key}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{}\r\ncontent-type: application/json\r\n{bearer}content-length: {}\r\n\r\n{body}",
            spec.port,
            body.len()
        );
        Self {
            request: request.into_bytes(),
            n_plain_bytes: u64::try_from(spec.shape.answer().len()).unwrap_or(u64::MAX),
            spec,
            start,
            due: Semaphore::new(0),
            n_taken: AtomicU64::new(0),
            n_good: AtomicU64::new(0),
            n_bad: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            error: Mutex::new(None),
        }
    }

    /// Waits for the next request; says since when it counts, or `None` when there is no other.
    async fn next(&self) -> Option<Instant> {
        if self.stop.load(Relaxed) {
            return None;
        }
        match self.spec.pace {
            Pace::Open { rate, n } => {
                // A closed semaphore still has the permits that were not taken: hence the count, and no wait on the rest.
                match self.due.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(_) if self.n_taken.load(Relaxed) < n => {}
                    Err(_) => return None,
                }
                let i = self.n_taken.fetch_add(1, Relaxed);
                (i < n).then(|| self.start + due_after(i, rate))
            }
            Pace::Closed { ms } => {
                let now = Instant::now();
                if now >= self.start + Duration::from_millis(ms)
                    || self.n_taken.fetch_add(1, Relaxed) >= REQUESTS_MAX
                {
                    return None;
                }
                Some(now)
            }
        }
    }

    fn note_bad(&self, error: &LoadError) {
        if self.n_bad.fetch_add(1, Relaxed) + 1 >= BAD_MAX {
            self.stop.store(true, Relaxed);
            self.due.close();
        }
        self.error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_with(|| error.to_string());
    }
}

/// One keep-alive connection.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    scratch: Vec<u8>,
}

impl Connection {
    async fn open(spec: &Spec) -> Result<Self, LoadError> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, spec.port)).await?;
        stream.set_nodelay(true)?;
        let n_scratch =
            if spec.n_connections <= FEW_CONNECTIONS { READ_BYTES.0 } else { READ_BYTES.1 };
        Ok(Self { stream, scratch: vec![0; n_scratch] })
    }

    async fn warm(shared: Arc<Shared>) -> Result<Self, LoadError> {
        let mut connection = Self::open(&shared.spec).await?;
        for _ in 0..shared.spec.n_warm {
            connection.exchange(&shared, true).await?;
        }
        Ok(connection)
    }

    /// Sends requests until there is no other; returns the latencies of the good ones.
    async fn work(mut self, shared: Arc<Shared>) -> Vec<Latency> {
        let mut latencies = Vec::new();
        tokio::time::sleep_until(shared.start.into()).await;
        while let Some(since) = shared.next().await {
            match self.exchange(&shared, false).await {
                Ok(first) => {
                    let first_ns = nanos(first.saturating_duration_since(since));
                    latencies.push(Latency { first_ns, whole_ns: nanos(since.elapsed()) });
                    shared.n_good.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    shared.note_bad(&error);
                    match Self::open(&shared.spec).await {
                        Ok(other) => self = other,
                        Err(_) => break,
                    }
                }
            }
        }
        latencies
    }

    /// One request and its whole answer, checked; says when its body began.
    async fn exchange(&mut self, shared: &Shared, fully: bool) -> Result<Instant, LoadError> {
        self.stream.write_all(&shared.request).await?;
        let mut reader = AnswerReader::new(fully);
        let mut first = None;
        loop {
            let n = self.stream.read(&mut self.scratch).await?;
            if n == 0 {
                return Err(LoadError::Closed { n_bytes: reader.n_body_bytes() });
            }
            let whole = reader.push(self.scratch.get(..n).unwrap_or_default())?;
            if first.is_none() && reader.n_body_bytes() > 0 {
                first = Some(Instant::now());
            }
            if whole {
                check(shared, &reader)?;
                return Ok(first.unwrap_or_else(Instant::now));
            }
        }
    }
}

fn check(shared: &Shared, reader: &AnswerReader) -> Result<(), LoadError> {
    let tail = || {
        String::from_utf8_lossy(reader.kept().unwrap_or(reader.tail())).chars().take(400).collect()
    };
    match reader.status() {
        Some(200) => {}
        status => return Err(LoadError::Status { status: status.unwrap_or(0), body: tail() }),
    }
    let n_bytes = reader.n_body_bytes();
    let whole = shared.spec.shape.accepts(n_bytes, reader.tail(), shared.n_plain_bytes);
    let same = reader.kept().is_none_or(|body| shared.spec.shape.accepts_fully(body));
    if whole && same { Ok(()) } else { Err(LoadError::Wrong { n_bytes, tail: tail() }) }
}

#[cfg(test)]
mod tests;
