//! The servers that are measured: started, found ready, and stopped whatever happens.
use super::answer::AnswerReader;
use super::process::lives;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const READY_MAX: Duration = Duration::from_secs(20);
/// Between two looks at whether it does.
const READY_STEP: Duration = Duration::from_millis(10);
/// How long one request to a control listener may take.
const GET_MAX: Duration = Duration::from_secs(5);
/// Most bytes of an answer of a control listener.
const GET_BYTES_MAX: u64 = 4 << 20;
/// Most bytes of a log that an error quotes.
const LOG_BYTES_MAX: usize = 2000;
/// Open files that a server is granted, where the machine allows it.
const FILES: &str = "20000";

/// Runs a command until standard input ends, and then kills it: so it dies with us, however we die. Its process id is the first
/// line of output; its own output goes to the log.
const LEASH: &str = r#"ulimit -n "$1" 2>/dev/null || ulimit -n "$(ulimit -Hn)"; shift; "$@" </dev/null >&2 & echo $!; read -r _; kill -9 $! 2>/dev/null; wait"#;

/// A server under way.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    leash: Child,
    pid: u32,
    log: PathBuf,
}

impl Running {
    /// Starts a command; its output goes to `NAME.log` in `dir`.
    pub(crate) fn start(
        name: &str,
        command: &[OsString],
        environment: &[(&str, &str)],
        dir: &Path,
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let mut leash = Command::new("sh")
            .args(["-c", LEASH, "sh", FILES])
            .args(command)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot run sh")?;
        let out = leash.stdout.take().context("sh has no output")?;
        let mut line = String::new();
        BufReader::new(out.take(32)).read_line(&mut line)?;
        let mut running = Self { name: name.to_owned(), leash, pid: 0, log };
        running.pid = line
            .trim()
            .parse()
            .with_context(|| format!("{name} was not started: {}", running.log_tail()))?;
        Ok(running)
    }

    /// Waits until `ready` says so, for at most [`READY_MAX`].
    pub(crate) fn wait_for(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let end = Instant::now() + READY_MAX;
        while !ready() {
            let gone = !lives(self.pid);
            if gone || Instant::now() > end {
                bail!(
                    "{} {}: {}",
                    self.name,
                    if gone { "ended at once" } else { "is not ready" },
                    self.log_tail()
                );
            }
            thread::sleep(READY_STEP);
        }
        Ok(())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The end of what it has said.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let n_skipped = log.chars().count().saturating_sub(LOG_BYTES_MAX);
        log.chars().skip(n_skipped).collect::<String>().trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its input makes the leash kill the server; then there is one process to wait for.
        drop(self.leash.stdin.take());
        let _stopped = self.leash.wait();
    }
}

/// A port of 127.0.0.1 that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether someone listens there.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), GET_MAX).is_ok()
}

/// Asks a control listener for one page: its status and its text.
pub(crate) fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), GET_MAX)?;
    stream.set_read_timeout(Some(GET_MAX))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n")?;
    let mut reader = AnswerReader::new(true);
    let mut stream = stream.take(GET_BYTES_MAX);
    let mut scratch = [0; 8192];
    loop {
        let n = stream.read(&mut scratch)?;
        ensure!(n > 0, "{path}: the answer was cut off");
        if reader.push(scratch.get(..n).unwrap_or_default())? {
            let text = String::from_utf8_lossy(reader.kept().unwrap_or_default()).into_owned();
            return Ok((reader.status().unwrap_or(0), text));
        }
    }
}

/// The value of a metric without labels, or the sum over its labels, from Prometheus text.
pub(crate) fn metric(text: &str, name: &str) -> Option<u64> {
    let mut total = None;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(name) else { continue };
        if !rest.starts_with(['{', ' ']) {
            continue;
        }
        // The value is the last field: we write no timestamps.
        let value = rest
            .rsplit(' ')
            .next()
            .and_then(|value| value.strip_suffix(".0").unwrap_or(value).parse::<u64>().ok())?;
        total = Some(total.unwrap_or(0) + value);
    }
    total
}

/// A configuration for nginx: one process, pooled upstream connections, nothing buffered, nothing logged.
pub(crate) fn nginx_conf(port: u16, upstream: u16, dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 100000000; client_body_buffer_size 1m; client_max_body_size 64m;
  client_body_temp_path {dir}/nginx-body; proxy_temp_path {dir}/nginx-proxy; fastcgi_temp_path {dir}/nginx-fastcgi;
  uwsgi_temp_path {dir}/nginx-uwsgi; scgi_temp_path {dir}/nginx-scgi;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }}
  }}
}}
"
    )
}

/// How the gateway under test is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Whether the guards read what goes by.
    pub(crate) guards: bool,
    /// Whether records are made durable.
    pub(crate) audit: bool,
}

/// A configuration for the gateway under test.
pub(crate) fn bartizan_toml(
    setting: Setting,
    port: u16,
    control: u16,
    upstream: u16,
    ledger: &Path,
) -> String {
    let mode = if setting.guards { "on" } else { "off" };
    let ledger_mode = if setting.audit { "durable" } else { "off" };
    let dir = serde_json::Value::from(ledger.display().to_string());
    format!(
        r#"[listen]
address = "127.0.0.1:{port}"
control = "127.0.0.1:{control}"

[ledger]
dir = {dir}
mode = "{ledger_mode}"

[guard]
profile = "standard"
mode = "{mode}"

[[upstream]]
name = "mock"
url = "http://127.0.0.1:{upstream}"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_dies_with_its_handle() {
        let dir = tempfile::tempdir().unwrap();
        let mut running =
            Running::start("sleeper", &["sleep".into(), "60".into()], &[], dir.path()).unwrap();
        let command = Path::new("/proc").join(running.pid().to_string()).join("cmdline");
        let sleeps = || fs::read_to_string(&command).unwrap_or_default().starts_with("sleep\0");
        running.wait_for(sleeps).unwrap();
        drop(running);
        assert!(!sleeps());
    }

    #[test]
    fn a_server_that_fails_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let script = "echo $WORD; echo oops >&2; exit 1";
        let mut running = Running::start(
            "loser",
            &["sh".into(), "-c".into(), script.into()],
            &[("WORD", "hello")],
            dir.path(),
        )
        .unwrap();
        let error = running.wait_for(|| false).unwrap_err().to_string();
        assert!(
            error.contains("loser ended at once")
                && error.contains("hello")
                && error.contains("oops"),
            "{error}"
        );
    }

    #[test]
    fn metrics_are_read() {
        let text = "# HELP a_total x\n# TYPE a_total counter\na_total 7\na_total_more 9\nb_total{x=\"y z\"} 1\nb_total{x=\"w\"} 2.0\nc_total x\n";
        for (name, want) in [
            ("a_total", Some(7)),
            ("b_total", Some(3)),
            ("c_total", None),
            ("a", None),
            ("d_total", None),
        ] {
            assert_eq!(metric(text, name), want, "{name}");
        }
    }

    #[test]
    fn configurations_say_what_they_should() {
        let dir = Path::new("/tmp/with \"quotes\"");
        for (guards, audit, mode, ledger) in [
            (true, true, "on", "durable"),
            (false, false, "off", "off"),
            (true, false, "on", "off"),
        ] {
            let text = bartizan_toml(Setting { guards, audit }, 1, 2, 3, dir);
            for line in [
                "address = \"127.0.0.1:1\"",
                "control = \"127.0.0.1:2\"",
                "url = \"http://127.0.0.1:3\"",
                r#"dir = "/tmp/with \"quotes\"""#,
                &format!("mode = \"{ledger}\"\n\n[guard]"),
                &format!("mode = \"{mode}\"\n\n[[upstream]]"),
            ] {
                assert!(text.contains(line), "{line} in {text}");
            }
        }
        let nginx = nginx_conf(1, 2, Path::new("/tmp/x"));
        assert!(
            nginx.contains("listen 127.0.0.1:1 ")
                && nginx.contains("server 127.0.0.1:2;")
                && nginx.matches('{').count() == nginx.matches('}').count()
        );
    }
}
