//! From configuration to a compiled guard policy.
use crate::config::{Config, ConfigError, FILE_BYTES_MAX};
use crate::files;
use crate::outcome::Usage;
use anyhow::Context as _;
use bartizan_core::kind::Catalogue;
use bartizan_inspect::KINDS;
use bartizan_policy::{GuardPolicy, PolicyError, Profile, route_permits};

/// Every kind that this process can see.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(&KINDS)
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

/// Compiles the texts of a policy.
///
/// # Errors
/// A [`ConfigError`] that points at the wrong line.
pub(crate) fn compile(texts: &Texts) -> Result<GuardPolicy, ConfigError> {
    GuardPolicy::load(texts, &catalogue())
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
        let policy = compile(&texts(config).unwrap()).unwrap();
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
        let shown = compile(&texts).err().map(|error| error.to_string()).unwrap_or_default();
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
