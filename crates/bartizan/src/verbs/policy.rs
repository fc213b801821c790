//! `bartizan policy`: what the rules are, and which of them decides.
use crate::guard;
use crate::outcome::{Outcome, Usage};
use crate::print::{self, Format, Output};
use bartizan_core::evidence::Source;
use bartizan_core::kind::Catalogue;
use bartizan_policy::{Answer, GuardPolicy, Profile, Roles};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Read the rules and ask why
#[derive(Args, Debug)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Subcommand, Debug)]
enum PolicyVerb {
    Show(ShowArgs),
    Explain(ExplainArgs),
}

/// Print a shipped policy, to read or to start your own from
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  bartizan policy show --profile strict
  bartizan policy show > guard.cedar      then: [guard] policy = \"guard.cedar\"")]
struct ShowArgs {
    /// Which one
    #[arg(long, default_value = "standard", value_parser = profiles())]
    profile: Profile,
    /// Print the table of what it does with each kind instead
    #[arg(long)]
    cases: bool,
}

/// Say what happens to a finding, and which policies decide it
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  bartizan policy explain --role app --route default --source tool --kind injection.override")]
struct ExplainArgs {
    /// A role of the caller; may be given several times
    #[arg(long = "role", value_name = "ROLE", default_value = "app")]
    roles: Vec<String>,
    /// The route
    #[arg(long, default_value = "default")]
    route: String,
    /// Whose text
    #[arg(long, value_parser = sources())]
    source: Source,
    /// What was found, such as pii.card
    #[arg(long)]
    kind: String,
    /// The shipped policy to ask
    #[arg(long, default_value = "standard", value_parser = profiles(), conflicts_with = "config")]
    profile: Profile,
    /// Ask the policy of this configuration instead, routes included
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Reads the name of a shipped policy.
pub(super) fn profiles() -> impl TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(Profile::ALL.map(Profile::name))
        .try_map(|name| name.parse::<Profile>())
}

/// Reads the name of a source of text.
pub(super) fn sources() -> impl TypedValueParser<Value = Source> {
    PossibleValuesParser::new(Source::ALL.map(Source::name)).try_map(|name| {
        Source::ALL.into_iter().find(|source| source.name() == name).ok_or("no such source of text")
    })
}

/// Runs the chosen one.
///
/// # Errors
/// A policy or a configuration that is wrong, an unknown kind.
pub(crate) fn run(args: PolicyArgs) -> anyhow::Result<Outcome> {
    match args.verb {
        PolicyVerb::Show(args) => {
            print::data(if args.cases { args.profile.cases() } else { args.profile.text() })?;
            Ok(Outcome::Allow)
        }
        PolicyVerb::Explain(args) => explain(args),
    }
}

/// The policy that is asked, and the kinds that it knows.
fn policy(args: &ExplainArgs) -> anyhow::Result<(GuardPolicy, Catalogue)> {
    let Some(path) = &args.config else {
        let catalogue = guard::catalogue();
        return Ok((GuardPolicy::profile(args.profile, &catalogue)?, catalogue));
    };
    let config = super::config::read(path)?;
    let routes = config.routes_in_force();
    if !routes.iter().any(|route| route.name == args.route) {
        let names: Vec<_> = routes.iter().map(|route| route.name.as_str()).collect();
        print::warn(&format!(
            "no route of {} is called {}, so no request takes it; there is {}",
            path.display(),
            print::visible(&args.route),
            names.join(", ")
        ));
    }
    let kinds = guard::inspector(&config, None)?.kinds();
    let second = crate::second::load(&config, None)?;
    let texts = guard::texts(&config, second.as_deref())?;
    Ok((guard::compile(&texts, kinds)?, Catalogue::new(kinds)))
}

fn explain(args: ExplainArgs) -> anyhow::Result<Outcome> {
    let (policy, catalogue) = policy(&args)?;
    let Some(kind) = catalogue.find(&args.kind) else {
        let class = args.kind.trim_end_matches(['.', '*']);
        let kinds = catalogue.iter().map(|(_, info)| info.name);
        let kinds: Vec<_> = kinds
            .filter(|name| name.split_once('.').is_some_and(|(first, _)| first == class))
            .collect();
        if !kinds.is_empty() {
            let kinds = kinds.join(", ");
            return Err(
                Usage(format!("{class} is a class of kinds; ask for one of {kinds}")).into()
            );
        }
        let near = crate::config::closest(&args.kind, catalogue.iter().map(|(_, info)| info.name));
        let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(Usage(format!("no kind is called {}{hint}", args.kind)).into());
    };
    let ladder = policy.ladder(&args.roles.into_iter().collect::<Roles>(), &args.route);
    let why = ladder.why(args.source, kind);
    let call = ladder.why_call();
    if args.output.format() == Format::Json {
        print::json(&json!({
            "call": answer(call), "action": why.action,
            "release": answer(&why.release), "redact": why.redact.as_ref().map(answer),
            "policy": policy.digest(),
        }))?;
        return Ok(Outcome::Allow);
    }
    let info = catalogue.info(kind);
    let mut text = format!("{} ({}) from {}: {}\n", info.name, info.title, args.source, why.action);
    text.push_str(&question("may call?   ", call));
    text.push_str(&question("may release?", &why.release));
    if let Some(redact) = &why.redact {
        text.push_str(&question("may redact? ", redact));
    }
    for id in why.policies() {
        if let Some(rule) = policy.rule(id) {
            let title = rule.title.as_deref().unwrap_or("no title");
            let (file, line) = (&rule.file, rule.line);
            writeln!(text, "  {id}: {title} ({file}:{line})")?;
        }
    }
    print::data(&print::visible(&text))?;
    Ok(Outcome::Allow)
}

fn question(question: &str, answer: &Answer) -> String {
    let word = if answer.allowed { "yes" } else { "no" };
    let ids = if answer.policies.is_empty() {
        "nothing permits it".to_owned()
    } else {
        answer.policies.join(", ")
    };
    let errors = if answer.errors.is_empty() {
        String::new()
    } else {
        format!("; could not evaluate {}", answer.errors.join(", "))
    };
    format!("  {question} {word}: {ids}{errors}\n")
}

fn answer(answer: &Answer) -> serde_json::Value {
    let names =
        |ids: &[std::sync::Arc<str>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({"allowed": answer.allowed, "policies": names(&answer.policies), "errors": names(&answer.errors)})
}
