//! From configuration to a compiled guard policy.
use crate::config::{self, Config, ConfigError, FILE_BYTES_MAX, OwnKind};
use crate::files;
use crate::outcome::Usage;
use anyhow::Context as _;
use bartizan_core::detect::Inspector;
use bartizan_core::kind::{Catalogue, KindInfo};
use bartizan_inspect::custom::{CustomError, CustomKind, CustomSource, Customized};
use bartizan_inspect::except::{Exception, Excused};
use bartizan_inspect::{KINDS, TextInspector};
use bartizan_policy::{GuardPolicy, PolicyError, Profile, route_permits};
use std::sync::Arc;

/// Every kind that can be seen without a configuration.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(&KINDS)
}

/// Compiles a kind of the operator's own.
///
/// # Errors
/// Why it cannot be looked for.
pub(crate) fn own_kind(kind: &OwnKind) -> Result<CustomKind, CustomError> {
    CustomKind::new(CustomSource {
        name: &kind.name,
        title: &kind.title,
        pattern: kind.pattern.as_deref(),
        words: &kind.words,
        allowed: &kind.allow,
    })
}

/// The built-in inspector with kinds of the operator's own.
///
/// # Errors
/// Why they cannot be looked for together.
pub(crate) fn customized(kinds: Vec<CustomKind>) -> Result<Arc<dyn Inspector>, CustomError> {
    let inner = Arc::new(TextInspector::new());
    if kinds.is_empty() { Ok(inner) } else { Ok(Arc::new(Customized::new(inner, kinds)?)) }
}

/// What looks into texts, as a configuration asks for it.
///
/// # Errors
/// Those that `config check` points at.
pub(crate) fn inspector(config: &Config) -> anyhow::Result<Arc<dyn Inspector>> {
    let kinds = config.guard.kind.iter().map(own_kind).collect::<Result<Vec<_>, _>>();
    let inspector = kinds.and_then(customized).map_err(|error| Usage(error.to_string()))?;
    let catalogue = Catalogue::new(inspector.kinds());
    let mut exceptions = Vec::new();
    for except in &config.guard.except {
        let kind = catalogue
            .find(&except.kind)
            .ok_or_else(|| Usage(format!("there is no kind {}", except.kind)))?;
        exceptions.extend(except.values.iter().filter_map(|value| Exception::new(kind, value)));
    }
    if exceptions.is_empty() {
        return Ok(inspector);
    }
    Ok(Arc::new(Excused::new(inspector, exceptions)))
}

/// Pairs of file name and Cedar text, which together are one policy.
pub(crate) type Texts = Vec<(String, String)>;

/// The texts of the policy that a configuration asks for: its profile or its file, then what its routes allow beyond that.
///
/// # Errors
/// A file that cannot be read, an unknown profile, a route that allows what nobody can allow.
pub(crate) fn texts(config: &Config) -> anyhow::Result<Texts> {
    let mut texts = vec![if let Some(path) = &config.guard.policy {
        let text = files::read_text_bounded(path, FILE_BYTES_MAX).map_err(|error| {
            Usage(format!("cannot read the policy {}: {error}", path.display()))
        })?;
        (path.display().to_string(), text)
    } else {
        let profile: Profile = config.guard.profile_name().parse()?;
        (profile.file_name().to_owned(), profile.text().to_owned())
    }];
    texts.extend(own_kinds_text(&config.guard)?);
    for route in config.routes_in_force() {
        if route.allow_unread.is_empty() && !route.redact_tool_calls {
            continue;
        }
        let kinds: Vec<String> =
            route.allow_unread.iter().map(|name| format!("unread.{name}")).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let permits = route_permits(&route.name, &kinds, route.redact_tool_calls);
        texts.push(permits.with_context(|| format!("route {}", route.name))?);
    }
    Ok(texts)
}

/// The operator's own kinds, exceptions and pseudonyms as comments of the policy: a change of them is a change of policy, and is recorded as one.
fn own_kinds_text(guard: &config::Guard) -> anyhow::Result<Option<(String, String)>> {
    if guard.kind.is_empty() && guard.except.is_empty() && guard.pseudonyms.is_empty() {
        return Ok(None);
    }
    let kinds = guard.kind.iter().map(serde_json::to_string);
    let exceptions = guard.except.iter().map(serde_json::to_string);
    let pseudonyms = (!guard.pseudonyms.is_empty())
        .then(|| serde_json::to_string(&serde_json::json!({ "pseudonyms": guard.pseudonyms })));
    let lines = kinds
        .chain(exceptions)
        .chain(pseudonyms)
        .map(|line| line.map(|line| format!("// {line}\n")));
    Ok(Some(("kinds.cedar".to_owned(), lines.collect::<Result<_, _>>()?)))
}

/// Compiles the texts of a policy.
///
/// * `kinds`: what can be seen, [`Inspector::kinds`] of what looks into the texts
///
/// # Errors
/// A [`ConfigError`] that points at the wrong line.
pub(crate) fn compile(
    texts: &Texts,
    kinds: &'static [KindInfo],
) -> Result<GuardPolicy, ConfigError> {
    GuardPolicy::load(texts, &Catalogue::new(kinds))
        .map_err(|error: PolicyError| ConfigError::of_policy(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::evidence::Source;
    use bartizan_core::kind::UNREAD_MEDIA;
    use bartizan_policy::{Action, Roles};

    fn config(text: &str) -> Config {
        let upstream = "[[upstream]]\nname = \"a\"\nurl = \"http://127.0.0.1:1\"\n";
        Config::parse("bartizan.toml", &format!("{text}\n{upstream}")).unwrap()
    }

    fn action(config: &Config, route: &str, source: Source, kind: &str) -> Action {
        let policy = compile(&texts(config).unwrap(), &KINDS).unwrap();
        let kind = catalogue().find(kind).unwrap();
        policy.ladder(&Roles::default(), route).action(source, kind)
    }

    #[test]
    fn a_route_allows_what_it_says_and_no_other_route_does() {
        let config = config(
            "[[route]]\nname = \"vision\"\nallow_unread = [\"media\"]\nredact_tool_calls = true\n[[route]]\nname = \"text\"\n",
        );
        let media = catalogue().info(UNREAD_MEDIA).name;
        let cases = [
            ("vision", Source::User, media, Action::Release),
            ("text", Source::User, media, Action::Refuse),
            ("vision", Source::ToolCall, "pii.card", Action::Redact),
            ("text", Source::ToolCall, "pii.card", Action::Refuse),
            ("vision", Source::Model, "pii.card", Action::Redact),
        ];
        for (route, source, kind, want) in cases {
            assert_eq!(action(&config, route, source, kind), want, "{route} {source} {kind}");
        }
    }

    #[test]
    fn a_wrong_policy_is_shown_at_its_place() {
        let text = "@id(\"mine\")\npermit (principal, action == Action::\"relase\", resource);";
        let texts = vec![("mine.cedar".to_owned(), text.to_owned())];
        let shown =
            compile(&texts, &KINDS).err().map(|error| error.to_string()).unwrap_or_default();
        for want in [" --> mine.cedar:2:30", "2 | permit", "^^^^", "help: did you mean"] {
            assert!(shown.contains(want), "{want} is not in\n{shown}");
        }
    }

    #[test]
    fn an_absent_policy_is_an_error_and_not_the_profile() {
        let config = config("[guard]\npolicy = \"/absent/guard.cedar\"");
        assert!(texts(&config).unwrap_err().to_string().contains("cannot read the policy"));
    }
}
