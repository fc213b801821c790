//! The built binary, as a user meets it: arguments in, exit code and text out, and servers as child processes.
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for anything.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A key that a caller brings along.
pub(crate) const CALLER_KEY: &str = "a-caller-key-for-tests";

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.args(arguments).current_dir(folder).env("NO_COLOR", "1").env("CALLER_KEY", CALLER_KEY);
    // What is left behind in there is left behind where a test can see it.
    command.env("TMPDIR", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end inside a folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Done {
    run_with(folder, arguments, "")
}

/// [`run`], with something on stdin.
pub(crate) fn run_with(folder: &Path, arguments: &[&str], stdin: &str) -> Done {
    let mut child = command(folder, arguments).stdin(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing has closed its end by now.
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap_or_default();
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits for something to become true.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < WAIT_MAX, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server as a child process. It is killed when the test is over, whatever its outcome.
pub(crate) struct Server {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts one, and waits until it has said `ready`.
    pub(crate) fn start(folder: &Path, arguments: &[&str], ready: &str) -> Self {
        let mut child = command(folder, arguments).stdout(Stdio::null()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap().extend([line.as_str(), "\n"]);
            }
        });
        let mut server = Self { child, said };
        wait_for(ready, || {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{arguments:?} ended: {}", server.said());
            server.said().contains(ready)
        });
        server
    }

    /// The practice model on a free port, and its URL.
    pub(crate) fn range(folder: &Path, more: &[&str]) -> (Self, String) {
        let arguments = [&["range", "--listen", "127.0.0.1:0"], more].concat();
        let server = Self::start(folder, &arguments, "no language model is inside");
        let url = after(&server.said(), "listens on ");
        (server, url)
    }

    /// The gateway on free ports, with `CALLER_KEY` as its key, and its addresses for callers and for control.
    pub(crate) fn serve(folder: &Path, more: &[&str]) -> (Self, String, String) {
        let arguments = [&["serve"], more].concat();
        let server = Self::start(folder, &arguments, "Try");
        let said = server.said();
        let address = |name| after(&said, name).replace("http://", "").replace("https://", "");
        let (callers, control) = (address("callers   "), address("control   "));
        (server, callers, control)
    }

    /// Everything that it said on stderr.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    /// Sends a signal twice; the second one may find nobody.
    pub(crate) fn signal_twice(&self, name: &str) {
        let one = format!("kill -{name} {}", self.child.id());
        let line = format!("{one}; {one} 2>/dev/null || true");
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    /// Waits for the end; the exit code.
    pub(crate) fn end(&mut self) -> i32 {
        let mut code = None;
        wait_for("the end", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.unwrap().code().unwrap_or(-1)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(|_| ()).unwrap_or_default();
    }
}

/// The word that follows a mark.
pub(crate) fn after(text: &str, mark: &str) -> String {
    let rest = text.split_once(mark).unwrap_or_else(|| panic!("no `{mark}` in {text}")).1;
    rest.split_whitespace().next().unwrap().to_owned()
}

/// The key that a gateway made by itself and kept for us, since nobody sits at its terminal.
pub(crate) fn first_key(folder: &Path) -> String {
    let path = folder.join(".bartizan/first.key");
    let rights = fs::metadata(&path).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&rights) & 0o777, 0o600);
    let key = fs::File::open(path).and_then(std::io::read_to_string).unwrap();
    key.trim_end().to_owned()
}

/// The body of a chat request.
pub(crate) fn chat(content: &str, stream: bool) -> String {
    let messages = serde_json::json!([{"role": "user", "content": content}]);
    serde_json::json!({"model": "range", "stream": stream, "messages": messages}).to_string()
}

/// One HTTP request on a connection of its own; everything that came back, as text. Ends early when the other side does.
pub(crate) fn request(address: &str, line: &str, key: &str, body: &str) -> String {
    let Ok(mut socket) = TcpStream::connect(address) else { return String::new() };
    socket.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // A server that dies in between is what one of the tests is about.
    socket.write_all(head.as_bytes()).unwrap_or_default();
    socket.write_all(body.as_bytes()).unwrap_or_default();
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(n) = socket.read(&mut piece) {
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..n]);
    }
    String::from_utf8(bytes).unwrap()
}

/// [`request`] to the chat endpoint.
pub(crate) fn ask(address: &str, key: &str, content: &str, stream: bool) -> String {
    request(address, "POST /v1/chat/completions", key, &chat(content, stream))
}

/// The status of an answer; 0 when there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// Writes a file of a test's folder.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

/// The whole content of a file.
pub(crate) fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::copy(&mut fs::File::open(path).unwrap(), &mut bytes).unwrap();
    bytes
}
