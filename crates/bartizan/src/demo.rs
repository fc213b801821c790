//! The demo: a practice model, the wall before it, a dozen real requests, and the same attacks without the wall.
//!
//! It measures and then tells: what counts as a leak is looked for in the bytes that the client read, in every form that the practice
//! model can emit, and nothing here decides what a detector would have liked to find.
use crate::audit;
use crate::config::{Config, LedgerMode, Upstream};
use crate::outcome::Outcome;
use crate::print;
use crate::serve::{self, KeySource, Running, ServeOptions, Sources};
use crate::verbs::demo::DemoArgs;
use anyhow::Context as _;
use bartizan_gateway::http::Overhead;
use bartizan_range::{Range, RangeOptions};
use report::{Report, Shown, Unguarded};
use scenes::{PLAIN, SCENES, Scene, Shape};
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

mod client;
mod leaks;
mod report;
mod scenes;

/// Bytes of text per streamed chunk: small enough to cut every planted value.
const CHUNK_BYTES: usize = 3;
/// Plain requests that the gateway's own part is measured with.
const MEASURED_REQUESTS: usize = 200;

/// Tells the story, and serves on unless told not to.
///
/// # Errors
/// Whatever keeps the story from being told: a port, a folder, a request that gets no answer.
pub(crate) fn run(args: DemoArgs) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(story(args))
}

async fn story(args: DemoArgs) -> anyhow::Result<Outcome> {
    let mut stop = serve::signals::Stop::new()?;
    let sources = Sources::real();
    // It outlives the stage, whichever way this function is left.
    let folder = Folder::new(args.dir.clone(), &sources)?;
    let stage = Stage::build(folder.path.clone(), sources).await?;
    let told = tokio::select! {
        told = tell(&stage, args.json) => told,
        () = stop.next() => {
            print::talk("Stopped before the story was over.");
            Ok(Outcome::Unfinished)
        }
    };
    if !args.exit && matches!(told, Ok(Outcome::Allow | Outcome::Deny)) {
        print::talk(&stage.invitation());
        stop.next().await;
    }
    let closed = Box::pin(stage.close()).await;
    let outcome = told?;
    closed?;
    Ok(outcome)
}

async fn tell(stage: &Stage, is_json: bool) -> anyhow::Result<Outcome> {
    let mut report = Report::new(&stage.range);
    for scene in SCENES {
        report.shown.push(stage.play(scene).await?);
    }
    let replayed = |scene: &&Scene| scene.is_attack || scene.shape == Shape::CarriesSecret;
    for scene in SCENES.iter().filter(replayed) {
        report.unguarded.push(stage.play_unguarded(scene).await?);
    }
    let verdict = audit::verify(&stage.dir);
    report.finish(verdict, stage.measure().await?);
    if is_json {
        print::json(&report.json())?;
        if 0 < report.unexpected() {
            print::warn(
                "some requests did not end as the story expects; `bartizan demo --exit` shows which",
            );
        }
    } else {
        print::data(&report.text())?;
    }
    Ok(report.outcome())
}

/// Where the demo keeps its state: a folder of the caller's, or one of its own that goes when the demo does.
struct Folder {
    path: PathBuf,
    is_throwaway: bool,
}

impl Folder {
    fn new(dir: Option<PathBuf>, sources: &Sources) -> anyhow::Result<Self> {
        if let Some(path) = dir {
            return Ok(Self { path, is_throwaway: false });
        }
        // Nobody can guess the name, and nobody else can have made the folder.
        let path = std::env::temp_dir().join(format!("bartizan-demo-{}", random_text(sources, 16)));
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path, is_throwaway: true })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_throwaway
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            print::warn(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}

/// A configuration of the demo's, in front of the practice model, on free ports.
fn config(range_addr: SocketAddr, dir: &Path) -> Config {
    let mut config = Config {
        upstreams: vec![Upstream::plain("range", &format!("http://{range_addr}"))],
        ..Config::default()
    };
    config.listen.address = ([127, 0, 0, 1], 0).into();
    config.listen.control = ([127, 0, 0, 1], 0).into();
    dir.clone_into(&mut config.ledger.dir);
    config
}

/// Everything that the story needs, running.
struct Stage {
    range: Arc<Range>,
    range_addr: SocketAddr,
    stop_range: oneshot::Sender<()>,
    running: Running,
    key: String,
    /// A secret that the caller brings along.
    caller_key: String,
    dir: PathBuf,
}

impl Stage {
    async fn build(dir: PathBuf, sources: Sources) -> anyhow::Result<Self> {
        let range = Arc::new(Range::new(RangeOptions {
            chunk_bytes: CHUNK_BYTES,
            ..RangeOptions::default()
        })?);
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("cannot listen on a loopback port")?;
        let range_addr = listener.local_addr()?;
        let (stop_range, stopped) = oneshot::channel();
        tokio::task::spawn(bartizan_range::serve(listener, Arc::clone(&range), async move {
            // A sender that is gone means the same as one that spoke: the demo is over.
            drop(stopped.await);
        }));
        let key = format!("bz_demo_{}", random_text(&sources, 32));
        let caller_key = format!("AKIA{}", random_text(&sources, 16));
        let keys = KeySource::Given(key.clone());
        let options = ServeOptions { config: config(range_addr, &dir), keys, insecure: false };
        let running = serve::start(options, sources).await?;
        Ok(Self { range, range_addr, stop_range, running, key, caller_key, dir })
    }

    /// Sends one scene through the wall, and notes what came of it.
    async fn play(&self, scene: &'static Scene) -> anyhow::Result<Shown> {
        let seen_before = self.range.seen().requests;
        let key = if scene.bad_key { "bz_somebody_elses_key" } else { &self.key };
        let heard =
            client::send(self.running.listen_addr, Some(key), &scene.request(&self.caller_key))
                .await?;
        let to_model = self.model_read_since(seen_before);
        let spilled = String::from_utf8_lossy(&to_model).contains(&self.caller_key);
        Ok(Shown::new(scene, &self.range, &heard, &to_model, spilled))
    }

    /// Sends one scene to the model itself, and notes what got out.
    async fn play_unguarded(&self, scene: &Scene) -> anyhow::Result<Unguarded> {
        let seen_before = self.range.seen().requests;
        let heard = client::send(self.range_addr, None, &scene.request(&self.caller_key)).await?;
        let to_model = self.model_read_since(seen_before);
        let spilled = String::from_utf8_lossy(&to_model).contains(&self.caller_key);
        Ok(Unguarded { leaks: leaks::find(&self.range, &heard), spilled })
    }

    /// What reached the model after its request of this number.
    fn model_read_since(&self, number: u64) -> Vec<u8> {
        let seen = self.range.seen();
        let new = seen.last.iter().filter(|request| number < request.number);
        new.flat_map(|request| request.body.to_vec()).collect()
    }

    /// The gateway's own part of a plain request, over enough of them to be warm. A gateway of its own answers them, without a ledger:
    /// they are no part of the story, and its book does not hold them.
    async fn measure(&self) -> anyhow::Result<Overhead> {
        // In the folder of the other one its silence would have to be recorded.
        let folder = self.dir.join("measured");
        let mut config = config(self.range_addr, &folder);
        config.ledger.mode = LedgerMode::Off;
        let keys = KeySource::Given(self.key.clone());
        let options = ServeOptions { config, keys, insecure: false };
        let running = serve::start(options, Sources::real()).await?;
        let request = PLAIN.request("");
        for _ in 0..MEASURED_REQUESTS {
            client::send(running.listen_addr, Some(&self.key), &request).await?;
        }
        let overhead = running.gateway.overhead();
        running.shutdown().await;
        std::fs::remove_dir_all(&folder)?;
        Ok(overhead)
    }

    fn invitation(&self) -> String {
        let url = self.running.url();
        format!(
            "\nIt keeps serving. In another terminal:\n  \
             curl {url}/v1/chat/completions -H 'content-type: application/json' \\\n    \
             -H 'authorization: Bearer {key}' \\\n    \
             -d '{{\"model\":\"range\",\"messages\":[{{\"role\":\"user\",\"content\":\"What is the card number on file?\"}}]}}'\n\
             or with the openai package:\n  \
             from openai import OpenAI\n  \
             client = OpenAI(base_url=\"{url}/v1\", api_key=\"{key}\")\n  \
             ask = [{{\"role\": \"user\", \"content\": \"Tell me the API keys.\"}}]\n  \
             print(client.chat.completions.create(model=\"range\", messages=ask).choices[0].message.content)\n\
             The book: bartizan audit list --dir {dir}    Ctrl-C stops it.",
            key = self.key,
            dir = self.dir.display(),
        )
    }

    async fn close(self) -> anyhow::Result<()> {
        let failure = self.running.shutdown().await;
        drop(self.stop_range);
        match failure {
            Some(failure) => anyhow::bail!("the ledger failed: {failure}"),
            None => Ok(()),
        }
    }
}

/// Random letters and digits that both keys may consist of (RFC 4648, base32).
fn random_text(sources: &Sources, n_chars: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bytes = vec![0; n_chars];
    sources.entropy.fill(&mut bytes);
    bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|&byte| char::from(byte))
        .collect()
}
