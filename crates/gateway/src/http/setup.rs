//! Everything of a gateway that configuration can change while it runs. A new setup replaces the old one as a whole; exchanges that
//! are under way finish under the one they began with.
use super::hosts::Callers;
use super::identity::{KeyEntry, KeyRing};
use super::upstream::{Upstream, UpstreamError, UpstreamOptions};
use crate::exchange::Durability;
use crate::exchange::{Guard, KEY_BYTES_MIN, Keyed, Route};
use crate::reply::Reply;
use bartizan_core::record::NAME_BYTES_MAX;
use bartizan_policy::Roles;
use http::{HeaderMap, HeaderName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// By this header a caller may choose a route by its name.
pub(super) const X_BARTIZAN_ROUTE: HeaderName = HeaderName::from_static("x-bartizan-route");

/// Most routes, and most model patterns per route.
pub const ROUTES_MAX: usize = 256;

/// Most bytes of the name of a header that names subjects.
const HEADER_NAME_BYTES_MAX: usize = 64;

/// One route: which requests take it, and where it leads.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// Its name and what an exchange must know of it.
    pub route: Route,
    /// The name of the upstream it leads to.
    pub upstream: String,
    /// Patterns of model names (`*` stands for anything). A rule without any takes every model; the first rule that fits is taken.
    pub models: Vec<String>,
}

/// What a route promises to those who take it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What is promised of the records of its exchanges.
    pub durability: Durability,
    /// The request header that names the subject of an exchange, where the body does not; see [`subject_header`].
    pub subject_header: Option<String>,
}

/// What a setup is made from.
#[derive(Clone, Debug)]
pub struct SetupOptions {
    /// Detectors, policy, limits.
    pub guard: Guard,
    /// The servers behind.
    pub upstreams: Vec<UpstreamOptions>,
    /// Which request goes where, in order.
    pub routes: Vec<RouteRule>,
    /// Who may call.
    pub keys: KeyRing,
    /// Host names that this server answers to, besides literal addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Web origins whose pages may call: `https://app.example.org`.
    pub origins: Vec<String>,
    /// The over-defence budget, in thousandths of the last requests; without one there is no alert.
    pub flagged_max: Option<u16>,
}

/// Why options make no setup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Nothing could be called.
    #[error("there is no route: name at least one with an upstream")]
    NoRoute,
    /// More than anybody needs.
    #[error("there are {n} {what}, at most {ROUTES_MAX} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        n: usize,
    },
    /// Two things have one name.
    #[error("two {what}s are called `{name}`: rename one")]
    Duplicate {
        /// Of what.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name has no room in a record.
    #[error("the name `{name}` has more than {NAME_BYTES_MAX} bytes, or none: choose another one")]
    Name {
        /// The name.
        name: String,
    },
    /// A route leads nowhere.
    #[error("route `{route}` leads to upstream `{upstream}`, which does not exist")]
    UnknownUpstream {
        /// The route.
        route: String,
        /// The upstream it names.
        upstream: String,
    },
    /// A header cannot name anybody.
    #[error(
        "route `{route}`: `{header}` is no header that can name a subject; use one of your own, such as x-user"
    )]
    SubjectHeader {
        /// The route.
        route: String,
        /// The header it names.
        header: String,
    },
    /// Terms for nothing.
    #[error("there is no route `{route}` to set terms for")]
    UnknownRoute {
        /// The route.
        route: String,
    },
    /// An upstream cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Beginnings of headers that mean something else already, or hold a secret that must not become a name.
const OTHER_HEADERS: [&str; 21] = [
    "accept",
    "authorization",
    "connection",
    "content-",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "if-",
    "keep-alive",
    "origin",
    "proxy-",
    "range",
    "referer",
    "sec-",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-bartizan-",
];

/// The header of this name, where it can name the subject of an exchange.
///
/// ```
/// # use bartizan_gateway::http::subject_header;
/// assert!(subject_header("X-User").is_some_and(|name| name == "x-user"));
/// assert!(subject_header("authorization").is_none() && subject_header("a b").is_none());
/// ```
pub fn subject_header(name: &str) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let is_other = |other: &&str| match other.strip_suffix('-') {
        Some(_) => name.as_str().starts_with(*other),
        None => name.as_str() == *other,
    };
    let is_short = name.as_str().len() <= HEADER_NAME_BYTES_MAX;
    (is_short && !OTHER_HEADERS.iter().any(is_other)).then_some(name)
}

/// A route with its upstream.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) route: Route,
    pub(super) durability: Durability,
    pub(super) subject_header: Option<HeaderName>,
    pub(super) upstream: Arc<Upstream>,
    models: Vec<String>,
}

/// A checked configuration.
#[derive(Debug)]
pub struct Setup {
    pub(super) guard: Guard,
    pub(super) rules: Vec<Rule>,
    pub(super) upstreams: Vec<Arc<Upstream>>,
    pub(super) keys: KeyRing,
    pub(super) callers: Callers,
    /// Thousandths of the last requests that may be flagged without an alert.
    pub(super) flagged_max: Option<u16>,
    /// Some rule looks at the model, which stands in the body.
    by_model: bool,
}

impl Setup {
    /// Checks options and makes them ready for use; connects to nothing.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(options: SetupOptions) -> Result<Self, SetupError> {
        let SetupOptions { mut guard, upstreams, routes, keys, hosts, origins, flagged_max } =
            options;
        if routes.is_empty() {
            return Err(SetupError::NoRoute);
        }
        check_count("routes", routes.len())?;
        check_count("upstreams", upstreams.len())?;
        guard.inspector = Arc::new(keyed(&guard, &upstreams));
        let mut by_name = BTreeMap::new();
        for options in upstreams {
            let upstream = Arc::new(Upstream::new(options)?);
            let name = upstream.name.clone();
            if by_name.insert(name.clone(), upstream).is_some() {
                return Err(SetupError::Duplicate { what: "upstream", name });
            }
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(routes.len());
        for RouteRule { route, upstream, models } in routes {
            check_count("models of one route", models.len())?;
            if route.name.is_empty() || route.name.len() > NAME_BYTES_MAX {
                return Err(SetupError::Name { name: route.name });
            }
            if rules.iter().any(|rule| rule.route.name == route.name) {
                return Err(SetupError::Duplicate { what: "route", name: route.name });
            }
            let Some(found) = by_name.get(&upstream).cloned() else {
                return Err(SetupError::UnknownUpstream { route: route.name, upstream });
            };
            let durability = Durability::default();
            rules.push(Rule { route, durability, subject_header: None, upstream: found, models });
        }
        for entry in keys.entries() {
            if entry.id.is_empty() || entry.id.len() > NAME_BYTES_MAX {
                return Err(SetupError::Name { name: entry.id.clone() });
            }
        }
        climb_ahead(&guard, &keys, &rules);
        let by_model = rules.iter().any(|rule| !rule.models.is_empty());
        let upstreams = by_name.into_values().collect();
        let callers = Callers::new(hosts, origins);
        Ok(Self { guard, rules, upstreams, keys, callers, flagged_max, by_model })
    }

    /// The same setup with other terms for one route; they are the default ones for every other.
    ///
    /// # Errors
    /// [`SetupError::UnknownRoute`], [`SetupError::SubjectHeader`].
    pub fn with_terms(mut self, route: &str, terms: &Terms) -> Result<Self, SetupError> {
        let name = || route.to_owned();
        let header = match &terms.subject_header {
            None => None,
            Some(header) => Some(subject_header(header).ok_or_else(|| {
                SetupError::SubjectHeader { route: name(), header: header.clone() }
            })?),
        };
        let rule = self.rules.iter_mut().find(|rule| rule.route.name == route);
        let rule = rule.ok_or_else(|| SetupError::UnknownRoute { route: name() })?;
        rule.durability = terms.durability;
        rule.subject_header = header;
        Ok(self)
    }

    /// What every route promises of its records, where it is the same: it is then said before the route is known.
    pub(super) fn durability_of_all(&self) -> Option<Durability> {
        let first = self.rules.first()?.durability;
        self.rules.iter().all(|rule| rule.durability == first).then_some(first)
    }

    /// The rule that a request takes as far as its head tells: `None` when the model in the body decides.
    pub(super) fn rule_by_head(
        &self,
        headers: &HeaderMap,
        has_body: bool,
    ) -> Result<Option<&Rule>, Reply> {
        let mut lines = headers.get_all(X_BARTIZAN_ROUTE).iter();
        match (lines.next(), lines.next()) {
            (Some(name), None) => {
                let rule =
                    self.rules.iter().find(|rule| rule.route.name.as_bytes() == name.as_bytes());
                rule.map(Some).ok_or_else(|| {
                    Reply::new(400, "unknown_route", "there is no route of that name")
                })
            }
            (Some(_), Some(_)) => Err(Reply::new(
                400,
                "duplicate_header",
                "the x-bartizan-route header stands more than once",
            )),
            (None, _) if self.by_model && has_body => Ok(None),
            (None, _) => {
                let rule = self
                    .rules
                    .iter()
                    .find(|rule| rule.models.is_empty())
                    .or_else(|| self.rules.first());
                rule.map(Some).ok_or_else(no_model)
            }
        }
    }

    /// The first rule that takes this model. A body that names none is left to the guard, which says what is wrong with it.
    pub(super) fn rule_by_model(&self, model: Option<&str>) -> Result<&Rule, Reply> {
        let takes = |rule: &&Rule| match model {
            Some(model) => {
                rule.models.is_empty() || rule.models.iter().any(|pattern| fits(pattern, model))
            }
            None => true,
        };
        self.rules.iter().find(takes).ok_or_else(no_model)
    }
}

/// The guard's inspector, which then also knows the upstreams' own keys: whatever an upstream quotes, these never get out. With the guard off
/// they are all that is looked for.
fn keyed(guard: &Guard, upstreams: &[UpstreamOptions]) -> Keyed {
    let with_key =
        upstreams.iter().filter_map(|upstream| Some((&upstream.name, upstream.key.as_ref()?)));
    for (name, key) in with_key.clone() {
        if key.bytes().len() < KEY_BYTES_MIN {
            tracing::warn!(upstream = %name, "The key of this upstream is so short that it is not looked for in answers.");
        }
    }
    let keyed = Keyed::new(Arc::clone(&guard.inspector), with_key.map(|(_, key)| key.bytes()));
    if guard.scan { keyed } else { keyed.alone() }
}

/// Most ladders that are computed before the first request asks for one: a ladder costs a millisecond or two.
const LADDERS_AHEAD_MAX: usize = 256;

/// Lets the policy answer now what the first requests would otherwise wait for.
fn climb_ahead(guard: &Guard, keys: &KeyRing, rules: &[Rule]) {
    let role_sets: BTreeSet<&Roles> =
        keys.entries().iter().filter(|entry| !entry.revoked).map(|entry| &entry.roles).collect();
    let pairs = role_sets.iter().flat_map(|roles| rules.iter().map(move |rule| (*roles, rule)));
    for (roles, rule) in pairs.take(LADDERS_AHEAD_MAX) {
        // Only the policy's own memory of it is wanted.
        drop(guard.policy.ladder(roles, &rule.route.name));
    }
}

/// Whether a key's own restriction, if it has one, lets it take a route.
pub(super) fn key_may_take(entry: &KeyEntry, route: &Route) -> bool {
    entry.routes.as_ref().is_none_or(|routes| routes.contains(&route.name))
}

fn no_model() -> Reply {
    Reply {
        param: Some("model".into()),
        ..Reply::new(404, "model_not_found", "no route takes this model")
    }
}

fn check_count(what: &'static str, n: usize) -> Result<(), SetupError> {
    if n > ROUTES_MAX { Err(SetupError::TooMany { what, n }) } else { Ok(()) }
}

/// Whether `text` fits a pattern in which `*` stands for any run of characters. Linear in the text for each star, never exponential.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, text, want) in [
            ("llama-3", "llama-3", true),
            ("llama-3", "llama-3.1", false),
            ("llama*", "llama-3.1", true),
            ("llama*", "my-llama", false),
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "x", false),
            ("*-instruct", "qwen-7b-instruct", true),
            ("*-instruct", "qwen-7b-instruct-x", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, text), want, "{pattern} {text}");
        }
    }

    proptest! {
        /// A pattern made from a text by cutting out pieces fits that text.
        #[test]
        fn cutting_pieces_out_keeps_the_fit(a in "[ab]{0,4}", b in "[ab]{0,4}", c in "[ab]{0,4}") {
            let (pattern, text) = (format!("{a}*{c}"), format!("{a}{b}{c}"));
            prop_assert!(fits(&pattern, &text));
        }
    }
}
