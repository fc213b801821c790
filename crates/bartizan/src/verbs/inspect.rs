//! `bartizan inspect`: what the detectors see in a text, and what a policy would do about it.
use crate::files;
use crate::guard;
use crate::inspect::{self, Asked, kinds};
use crate::outcome::{Outcome, Usage};
use anyhow::Context as _;
use bartizan_core::evidence::Source;
use bartizan_policy::{GuardPolicy, Profile};
use clap::{Args, Subcommand};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

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
    /// Ask this configuration instead: its policy, its own kinds and its exceptions
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
    };
    let asked = asked(&args)?;
    if args.jsonl {
        let mut input = open(&args.file)?;
        return inspect::rows(&asked, &mut input, args.bytes_max);
    }
    let name = if args.file == Path::new("-") { Path::new("stdin") } else { &args.file }.display();
    let bytes = files::read_from(open(&args.file)?, args.bytes_max);
    let bytes = bytes.with_context(|| format!("cannot read {name}"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    inspect::whole(&asked, &text)
}

fn asked(args: &TextArgs) -> anyhow::Result<Asked> {
    let source = args.source;
    let Some(path) = &args.config else {
        let policy = GuardPolicy::profile(args.profile, &guard::catalogue())?;
        let inspector = guard::customized(Vec::new())?;
        return Ok(Asked { inspector, policy, judge: args.profile.to_string(), source });
    };
    let config = super::config::read(path)?;
    let inspector = guard::inspector(&config)?;
    let policy = guard::compile(&guard::texts(&config)?, inspector.kinds())?;
    Ok(Asked { inspector, policy, judge: path.display().to_string(), source })
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
