//! Per-route exceptions, from configuration to Cedar.
use bartizan_core::kind::STRUCTURAL;
use std::fmt::Write as _;

/// Most bytes of a route's name.
pub const ROUTE_BYTES_MAX: usize = 128;

/// Why a route's exceptions cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PermitError {
    /// The route's name is empty, too long, or holds control characters.
    #[error(
        "the route's name is not usable: 1 to {ROUTE_BYTES_MAX} bytes without control characters"
    )]
    Route,
    /// Only content that is never read can be let through this way.
    #[error("`{name}` is no kind of unread content: use one of {}", unread_names().join(", "))]
    NotUnread {
        /// What was named.
        name: String,
    },
}

fn unread_names() -> Vec<&'static str> {
    let names = STRUCTURAL.iter().map(|info| info.name);
    names.filter(|name| name.starts_with("unread.")).collect()
}

/// Writes what one route allows beyond its profile, as a file name and Cedar text for [`crate::GuardPolicy::load`].
///
/// * `route`: its name; whatever it holds ends up inside a Cedar string, never beside it.
/// * `unread`: kinds of content that may pass unread, such as `unread.media`.
/// * `redact_tool_calls`: whether secrets, personal data and invisible text in a tool call are taken out instead of
///   the call being refused.
///
/// # Errors
/// [`PermitError`] when the route's name is not usable or a kind is not one of unread content.
///
/// ```
/// # use bartizan_policy::route_permits;
/// let (file, text) = route_permits("vision", &["unread.media"], false)?;
/// assert_eq!(file, "route vision");
/// assert!(text.contains(r#"resource == Kind::"unread.media""#));
/// assert!(route_permits("vision", &["secret.jwt"], false).is_err());
/// # Ok::<(), bartizan_policy::PermitError>(())
/// ```
pub fn route_permits(
    route: &str,
    unread: &[&str],
    redact_tool_calls: bool,
) -> Result<(String, String), PermitError> {
    if route.is_empty() || route.len() > ROUTE_BYTES_MAX || route.chars().any(char::is_control) {
        return Err(PermitError::Route);
    }
    let known = unread_names();
    if let Some(name) = unread.iter().find(|name| !known.contains(*name)) {
        return Err(PermitError::NotUnread { name: (*name).to_owned() });
    }
    let mut text = String::from("// Written from the configuration of a route.\n");
    for name in known.iter().filter(|name| unread.contains(*name)) {
        permit(
            &mut text,
            route,
            name,
            &format!("action == Action::\"release\", resource == Kind::\"{name}\""),
            "",
        );
    }
    if redact_tool_calls {
        let scope = "action == Action::\"redact\", resource";
        let when = " && context.source == \"tool_call\" &&\n  \
                    resource in [Kind::\"secret\", Kind::\"pii\", Kind::\"hidden\"]";
        permit(&mut text, route, "redact-tool-calls", scope, when);
    }
    Ok((format!("route {route}"), text))
}

/// Appends one permit that holds on `route` only.
fn permit(text: &mut String, route: &str, what: &str, scope: &str, when: &str) {
    let id = quoted(&format!("route.{route}.{what}"));
    let route = quoted(route);
    let head = ["\n@id(", &id, ")\npermit (principal, ", scope, ")\n"];
    let tail = ["when { context.route == ", &route, when, " };\n"];
    text.extend(head.into_iter().chain(tail));
}

/// A Cedar string literal: everything but plain ASCII is escaped by number.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        if matches!(character, ' '..='~') && !matches!(character, '"' | '\\') {
            text.push(character);
        } else {
            write!(text, "\\u{{{:x}}}", u32::from(character))
                .expect("writing to a string does not fail");
        }
    }
    text.push('"');
    text
}
