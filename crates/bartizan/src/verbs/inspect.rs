//! `bartizan inspect`: what the detectors see in a text, and what a policy would do about it.
use crate::clock::SystemClock;
use crate::files;
use crate::guard;
use crate::inspect::calibrate::{self, Wish};
use crate::inspect::{self, Asked, kinds};
use crate::outcome::{Outcome, Usage};
use crate::print;
use crate::second::{self, Desk};
use anyhow::Context as _;
use bartizan_core::evidence::Source;
use bartizan_inspect::TextInspector;
use bartizan_policy::{GuardPolicy, Profile};
use clap::{Args, Subcommand};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a text that are read at a time.
const IN_BYTES: usize = 1 << 16;

/// Look into a text as the guards do
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(subcommand)]
    verb: InspectVerb,
}

#[derive(Subcommand, Debug)]
enum InspectVerb {
    Text(TextArgs),
    Kinds(KindsArgs),
    Calibrate(CalibrateArgs),
}

/// Set the text model's thresholds by traffic of your own
///
/// Reads texts that are known to be harmless, one JSON object {"text", "source"?} a line, and prints the thresholds from which on a
/// further harmless text of that sort is flagged with at most the given probability, as lines for bartizan.toml. It changes nothing: a
/// threshold is moved by whoever edits the file, and the change is recorded as a change of policy. Texts that occur twice count once.
///
/// Exits 0 when every threshold holds that rate, 1 when one of them cannot (the score of harmless texts is as high as scores get), 2 when
/// there are too few texts to say so and 3 when a line could not be read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan inspect calibrate --benign tickets.jsonl
  bartizan inspect calibrate --benign pages.jsonl --source document --fpr 0.005 >> bartizan.toml")]
struct CalibrateArgs {
    /// The harmless texts; `-` is stdin
    #[arg(long, value_name = "FILE")]
    benign: PathBuf,
    /// The share of harmless texts that may be flagged
    #[arg(long, value_name = "SHARE", default_value = "0.01", value_parser = calibrate::rate)]
    fpr: f64,
    /// Whose texts they are, where they do not say so themselves
    #[arg(long, default_value = "user", value_parser = super::policy::sources())]
    source: Source,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    /// Read at most this many bytes of each line
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    bytes_max: usize,
}

/// List what the guards can see
///
/// Of each kind: its name, which policies use, where it is given out, which checksum its detector computes, how the law sees it, an
/// example, and what is known of its mistakes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan inspect kinds pii
  bartizan inspect kinds secret.stripe-key --json")]
struct KindsArgs {
    /// Only kinds whose name is this or begins with it and a dot
    #[arg(value_name = "PREFIX")]
    prefix: Option<String>,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Scan a text, and say what a profile does with what was found
///
/// Offsets are in bytes of the UTF-8 text as it was given. With --jsonl, each line {"id", "text", "source"?, "context"?} is
/// answered by one, in the same order: {"id", "verdict", "findings": [{"kind", "start", "end", "score", "action", "detector"}],
/// "scores": {"injection", "jailbreak", "toxicity"}}, or {"id", "error"} for a line that is no such row; then the exit code is 3.
/// "context" is the system prompt that a model's text answers to.
///
/// Exits 0 when all of it may be released, 1 when something would be redacted or refused, 2 on a usage error and 3 when the
/// scan could not finish.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan inspect text letter.txt
  echo 'mail jo@example.org' | bartizan inspect text --profile strict
  bartizan inspect text --config bartizan.toml letter.txt     with your own kinds and policy
  bartizan inspect text --jsonl < rows.jsonl     each line: {\"id\":..., \"text\":..., \"source\"?:..., \"context\"?:...}")]
struct TextArgs {
    /// The text; `-` is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Whose text it is
    #[arg(long, default_value = "user", value_parser = super::policy::sources())]
    source: Source,
    /// The shipped policy to ask
    #[arg(long, default_value = "standard", value_parser = super::policy::profiles())]
    profile: Profile,
    /// Ask this configuration instead: its policy, its own kinds, its exceptions and its second model
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    config: Option<PathBuf>,
    /// Read and write one JSON object per line
    #[arg(long)]
    jsonl: bool,
    /// Read at most this many bytes; with --jsonl, of each line
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    bytes_max: usize,
}

/// Runs the chosen one.
///
/// # Errors
/// When the text cannot be read.
pub(crate) fn run(args: InspectArgs) -> anyhow::Result<Outcome> {
    let args = match args.verb {
        InspectVerb::Text(args) => args,
        InspectVerb::Kinds(args) => return kinds::list(args.prefix.as_deref(), args.json),
        InspectVerb::Calibrate(args) => {
            let wish = Wish { rate: args.fpr, source: args.source, bytes_max: args.bytes_max };
            return calibrate::run(&mut open(&args.benign)?, &wish, args.json);
        }
    };
    let asked = asked(&args)?;
    let outcome = text(&args, &asked);
    if let Some(desk) = &asked.second {
        print::talk(&desk.share());
    }
    outcome
}

fn text(args: &TextArgs, asked: &Asked) -> anyhow::Result<Outcome> {
    if args.jsonl {
        let mut input = open(&args.file)?;
        return inspect::rows(asked, &mut input, args.bytes_max);
    }
    let name = if args.file == Path::new("-") { Path::new("stdin") } else { &args.file }.display();
    let bytes = files::read_from(open(&args.file)?, args.bytes_max);
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    inspect::whole(asked, &text)
}

fn asked(args: &TextArgs) -> anyhow::Result<Asked> {
    let source = args.source;
    let Some(path) = &args.config else {
        let policy = GuardPolicy::profile(args.profile, &guard::catalogue())?;
        let inspector = Arc::new(TextInspector::new());
        let judge = args.profile.to_string();
        return Ok(Asked { inspector, policy, judge, source, second: None });
    };
    let config = super::config::read(path)?;
    let (desk, loaded) = (Desk::new(Arc::new(SystemClock::new())), second::load(&config, None)?);
    let inspector = guard::inspector(&config, loaded.as_deref().map(|loaded| (&desk, loaded)))?;
    let policy = guard::compile(&guard::texts(&config, loaded.as_deref())?, inspector.kinds())?;
    let second = loaded.map(|_| desk);
    Ok(Asked { inspector, policy, judge: path.display().to_string(), source, second })
}

fn open(path: &Path) -> anyhow::Result<BufReader<Box<dyn Read>>> {
    let stream: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = std::fs::File::open(path)
            .map_err(|error| Usage(format!("cannot open {}: {error}", path.display())))?;
        Box::new(file)
    };
    Ok(BufReader::with_capacity(IN_BYTES, stream))
}
