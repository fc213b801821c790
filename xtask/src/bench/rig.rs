//! One server under load: started with its upstream, driven by the load generator, and read before and after.
use super::GatewayArgs;
use super::load::{Spec, Tally};
use super::process::{CpuReading, Memory};
use super::subject::{
    Running, Setting, bartizan_toml, free_port, get, listens, metric, nginx_conf,
};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where a distribution puts nginx.
const NGINX: &str = "/usr/sbin/nginx";
/// The variable that holds the one key.
const KEY_VARIABLE: &str = "BENCH_KEY";
/// The gateway's counter of syncs.
const SYNCS_METRIC: &str = "bartizan_ledger_syncs_total";
/// How long the load generator may take to be warm, and how long over its cut-off to report.
const LOAD_SLACK: Duration = Duration::from_secs(70);
/// Most bytes of one line of the load generator.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Grants the load generator its open files.
const FILES: &str = r#"ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@""#;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The bare reverse proxy.
    Floor,
    /// nginx as a reverse proxy.
    Nginx,
    /// The gateway.
    Bartizan(Setting),
}

impl Subject {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Nginx => "nginx",
            Self::Bartizan(_) => "bartizan",
        }
    }

    /// Whether its guards are on, if it has any.
    pub(crate) fn guards(self) -> Option<String> {
        let Self::Bartizan(setting) = self else { return None };
        Some(if setting.guards { "on" } else { "off" }.to_owned())
    }

    /// How its ledger works, if it has one.
    pub(crate) fn audit(self) -> Option<String> {
        let Self::Bartizan(setting) = self else { return None };
        Some(if setting.audit { "durable" } else { "off" }.to_owned())
    }

    /// All of it, for people.
    pub(crate) fn label(self) -> String {
        match (self.guards(), self.audit()) {
            (Some(guards), Some(audit)) => format!("{} guards={guards} audit={audit}", self.name()),
            _ => self.name().to_owned(),
        }
    }
}

/// A server under way.
#[derive(Debug)]
pub(crate) struct Server {
    /// Who it is.
    pub(crate) subject: Subject,
    running: Running,
    port: u16,
    control: Option<u16>,
}

/// What one run cost.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    /// What the load generator saw.
    pub(crate) tally: Tally,
    /// CPU time of the server, the upstream and the load generator.
    pub(crate) cpu_ns: [u64; 3],
    /// Syncs of the ledger, where there is one.
    pub(crate) syncs: Option<u64>,
    /// Memory of the server afterwards.
    pub(crate) memory: Memory,
}

/// What all runs share: the folder, the upstream, the key.
#[derive(Debug)]
pub(crate) struct Rig {
    dir: TempDir,
    own: PathBuf,
    bin: Option<PathBuf>,
    key: String,
    floor_workers: u16,
    upstream_port: u16,
    upstream: Running,
}

impl Rig {
    /// Makes the folder and starts the upstream; builds the gateway where nobody named a binary.
    pub(crate) fn new(arguments: &GatewayArgs) -> Result<Self> {
        let own = std::env::current_exe()?;
        let beside = own.parent().context("this binary is in no folder")?;
        let bin = match (&arguments.bin, arguments.subjects.iter().any(|name| name == "bartizan")) {
            (_, false) => None,
            (Some(bin), true) => Some(
                fs::canonicalize(bin).with_context(|| format!("{} is not there", bin.display()))?,
            ),
            (None, true) => Some(build(beside)?),
        };
        let dir = arguments.dir.clone().unwrap_or_else(|| beside.to_owned());
        let dir = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&dir)
            .with_context(|| format!("no folder can be made in {}", dir.display()))?;
        let upstream_port = free_port()?;
        let command =
            [own.clone().into(), "bench".into(), "mock".into(), upstream_port.to_string().into()];
        let mut upstream = Running::start("mock", &command, &[], dir.path())?;
        upstream.wait_for(|| listens(upstream_port))?;
        Ok(Self {
            dir,
            own,
            bin,
            key: random_key()?,
            floor_workers: arguments.workers,
            upstream_port,
            upstream,
        })
    }

    /// The folder, on the disk to be measured.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Why a subject cannot take part, if so.
    pub(crate) fn missing(subject: Subject) -> Option<String> {
        (subject == Subject::Nginx && !Path::new(NGINX).exists())
            .then(|| format!("{NGINX} is not installed"))
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn start(&self, subject: Subject) -> Result<Server> {
        let (port, upstream) = (free_port()?, self.upstream_port);
        match subject {
            Subject::Floor => {
                let numbers = [port, upstream, self.floor_workers]
                    .map(|number| OsString::from(number.to_string()));
                let command = [
                    &[self.own.clone().into(), "bench".into(), "floor".into()],
                    numbers.as_slice(),
                ]
                .concat();
                let mut running = Running::start("floor", &command, &[], self.dir())?;
                running.wait_for(|| listens(port))?;
                Ok(Server { subject, running, port, control: None })
            }
            Subject::Nginx => {
                let conf = self.dir().join("nginx.conf");
                fs::write(&conf, nginx_conf(port, upstream, self.dir()))?;
                let mut running = Running::start(
                    "nginx",
                    &[NGINX.into(), "-c".into(), conf.into()],
                    &[],
                    self.dir(),
                )?;
                running.wait_for(|| listens(port))?;
                Ok(Server { subject, running, port, control: None })
            }
            Subject::Bartizan(setting) => self.start_bartizan(setting, port),
        }
    }

    fn start_bartizan(&self, setting: Setting, port: u16) -> Result<Server> {
        let subject = Subject::Bartizan(setting);
        let bin = self.bin.clone().context("no binary was named or built")?;
        let control = free_port()?;
        let name = format!("bartizan-{port}");
        let state = self.dir().join(&name);
        DirBuilder::new().mode(0o700).create(&state)?;
        let conf = self.dir().join(format!("{name}.toml"));
        fs::write(&conf, bartizan_toml(setting, port, control, self.upstream_port, &state))?;
        let command: [OsString; 6] = [
            bin.into(),
            "serve".into(),
            "--config".into(),
            conf.into(),
            "--key-env".into(),
            KEY_VARIABLE.into(),
        ];
        let mut running =
            Running::start(&name, &command, &[(KEY_VARIABLE, &self.key)], self.dir())?;
        running.wait_for(|| matches!(get(control, "/readyz"), Ok((200, _))))?;
        Ok(Server { subject, running, port, control: Some(control) })
    }

    /// Sends load to a server; `tick` is called with its process id a few times a second.
    pub(crate) fn drive(
        &self,
        server: &Server,
        mut spec: Spec,
        tick: impl FnMut(u32),
    ) -> Result<Cost> {
        spec.port = server.port;
        spec.bearer = server.control.map(|_| self.key.clone());
        let limit = LOAD_SLACK + Duration::from_millis(spec.cutoff_ms);
        let mut load = LoadProcess::start(&self.own, &spec, self.dir())?;
        let pids = [server.running.pid(), self.upstream.pid(), load.child.id()];
        let syncs_before = server.syncs();
        let before = read_clocks(pids)?;
        load.begin()?;
        let tally = load
            .finish(limit, || server.running.pid(), tick)
            .map_err(|error| error.context(server.running.log_tail()))?;
        let after = read_clocks(pids)?;
        let syncs =
            server.syncs().zip(syncs_before).map(|(after, before)| after.saturating_sub(before));
        let memory = Memory::take(server.running.pid())?;
        let mut cpu_ns = [0; 3];
        for (ns, (after, before)) in cpu_ns.iter_mut().zip(after.iter().zip(&before)) {
            *ns = after.since(before);
        }
        Ok(Cost { tally, cpu_ns, syncs, memory })
    }
}

impl Server {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    fn syncs(&self) -> Option<u64> {
        let (_, text) = get(self.control?, "/metrics").ok()?;
        metric(&text, SYNCS_METRIC)
    }
}

fn read_clocks(pids: [u32; 3]) -> Result<Vec<CpuReading>> {
    pids.into_iter().map(CpuReading::take).collect()
}

/// Builds the gateway as it is shipped, next to this binary.
fn build(beside: &Path) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "bartizan"])
        .stdout(Stdio::null())
        .status();
    ensure!(
        status.context("cargo cannot be run")?.success(),
        "the gateway does not build: name one with --bin, or leave it out with --subjects"
    );
    let bin = beside.join("bartizan");
    ensure!(bin.exists(), "the gateway is not beside this binary: name it with --bin");
    Ok(bin)
}

/// A key for this run only.
fn random_key() -> Result<String> {
    let mut bytes = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat())
}

/// The load generator, in a process of its own.
#[derive(Debug)]
struct LoadProcess {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

impl LoadProcess {
    /// Starts it and waits until its connections are warm.
    fn start(own: &Path, spec: &Spec, dir: &Path) -> Result<Self> {
        let log = dir.join("load.log");
        let mut child = Command::new("sh")
            .args(["-c", FILES, "sh"])
            .arg(own)
            .args(["bench", "load"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("the load generator has no output")?;
        let (sender, lines) = sync_channel(4);
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            // `ready` and the tally, then the end.
            for _ in 0..2 {
                let mut line = String::new();
                let read = output.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
                if !matches!(read, Ok(1..)) || sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut load = Self { child, input, lines, log };
        load.write(&serde_json::to_string(spec)?)?;
        let line = load.line(LOAD_SLACK, &mut || {})?;
        ensure!(line.trim() == "ready", "the load generator says {line:?} instead of ready");
        Ok(load)
    }

    fn begin(&mut self) -> Result<()> {
        self.write("go")
    }

    /// Waits for the tally; the process stays, so that its clock can be read, until this is dropped.
    fn finish(
        &mut self,
        limit: Duration,
        pid: impl Fn() -> u32,
        mut tick: impl FnMut(u32),
    ) -> Result<Tally> {
        let line = self.line(limit, &mut || tick(pid()))?;
        serde_json::from_str(&line).context("the load generator's report is unreadable")
    }

    fn write(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("the load generator has no input")?;
        writeln!(input, "{line}").or_else(|error| bail!("the load generator is gone: {error}"))
    }

    fn line(&mut self, limit: Duration, tick: &mut dyn FnMut()) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(Duration::from_millis(200)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) if Instant::now() < end => tick(),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the load generator did not answer within {limit:?}")
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("{}", fs::read_to_string(&self.log).unwrap_or_default().trim())
                }
            }
        }
    }
}

impl Drop for LoadProcess {
    fn drop(&mut self) {
        drop(self.input.take());
        let _killed = self.child.kill();
        let _stopped = self.child.wait();
    }
}
